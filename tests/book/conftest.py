"""Lets the book's tests and its preview script import the checker that lies beside them."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bookcheck import Book, load_book
from bookrun import PageRun, run_page

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def book() -> Book:
    """The project's own book, parsed."""
    return load_book(ROOT)


@pytest.fixture(scope="session")
def runs(
    book: Book, warm_python: list[str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, PageRun]:
    """Every page with code, executed once in a kernel of its own."""
    kernels = tmp_path_factory.mktemp("jupyter")
    write_kernel(kernels, warm_python)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(kernels))
        pages = {name: page for name, page in book.pages.items() if page.cells}
        return {name: run_page(page, kernel="warm") for name, page in pages.items()}


def write_kernel(folder: Path, python: list[str]) -> None:
    """Describe the kernel of a Python that has imported much already."""
    words = [*python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    # Otherwise the kernel would name it after matplotlib was imported, which is too late.
    drawing = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    about = {"argv": words, "display_name": "Warm", "language": "python", "env": drawing}
    place = folder / "kernels" / "warm" / "kernel.json"
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(about), "utf-8")
