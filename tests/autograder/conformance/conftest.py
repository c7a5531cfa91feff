"""Notebooks to run in two rooms, and a way to run them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import nbformat
import pytest

from autograder.engine import Execution, Limits
from autograder.rooms import RoomsEngine


def code_cell(kind: str, name: str, text: str, *, tags: Sequence[str] = ()) -> Any:
    cell = nbformat.v4.new_code_cell(text)
    cell.metadata["tags"] = list(tags)
    cell.metadata["nbgrader"] = {
        "schema_version": 3,
        "grade_id": name,
        "grade": kind == "test",
        "solution": kind == "answer",
        "locked": kind != "answer",
        "task": False,
        **({"points": 1} if kind == "test" else {}),
    }
    return cell


def build(*cells: tuple[str, str] | tuple[str, str, str]) -> Any:
    """Make a notebook of (kind, text) or (kind, text, tag)."""
    notebook = nbformat.v4.new_notebook()
    for place, (kind, text, *tags) in enumerate(cells):
        notebook.cells.append(code_cell(kind, f"{kind}{place}", text, tags=tags))
    return notebook


@pytest.fixture
def build_notebook() -> Callable[..., Any]:
    """Make a notebook of (kind, text)."""
    return build


Case = list[tuple[str, str]]


def read_cases(name: str) -> dict[str, Case]:
    """Read a file of cases: ``=== name``, then ``--- part`` and its text, as often as needed."""
    cases: dict[str, Case] = {}
    lines: list[str] = []
    for line in Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines():
        if line.startswith("=== "):
            case = cases.setdefault(line[4:], [])
        elif line.startswith("--- "):
            lines = []
            case.append((line[4:], lines))  # type: ignore[arg-type]
        else:
            lines.append(line)
    return {
        name: [(part, "\n".join(text).strip("\n")) for part, text in case]
        for name, case in cases.items()
    }


Run = Callable[..., Execution]


@pytest.fixture(scope="session")
def run(warm_for: Any, borrowed: Any) -> Iterator[Run]:
    """Run (kind, text) cells in rooms; those that come one after the other for the same lab are a
    class, and have their engine in common."""
    last: dict[tuple[Any, ...], RoomsEngine] = {}

    def end() -> None:
        while last:
            last.popitem()[1].close()

    def engine_for(warm: Any, reference: Any, *, compatible: bool) -> RoomsEngine:
        lab = (warm, tuple(reference or ()), compatible)
        if lab not in last:
            end()
            last[lab] = RoomsEngine(
                lambda _: borrowed(warm),
                reference=build(*reference) if reference else None,
                compatible=compatible,
            )
        return last[lab]

    def go(
        *cells: Any,
        reference: Any = None,
        compatible: bool = False,
        files: Path | None = None,
        **limits: Any,
    ) -> Execution:
        warm = warm_for("\n".join(cell[1] for cell in cells))
        bounds = Limits(**{"cell_seconds": 20.0, "total_seconds": 60.0, **limits})
        return engine_for(warm, reference, compatible=compatible).run(build(*cells), files, bounds)

    yield go
    end()


@pytest.fixture(scope="session")
def run_notebook(warm_for: Any, borrowed: Any) -> Callable[..., Execution]:
    """Run a notebook in two rooms, graded by another."""

    def go(notebook: Any, *, reference: Any) -> Execution:
        warm = warm_for("")
        with closing(RoomsEngine(lambda _: borrowed(warm), reference=reference)) as engine:
            return engine.run(notebook, None, Limits(cell_seconds=20.0, total_seconds=60.0))

    return go
