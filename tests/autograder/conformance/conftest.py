"""A warm process for tests that run notebooks in two rooms, and notebooks to run there."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
import pytest

from autograder import sandbox
from autograder.engine import Execution, Limits
from autograder.rooms import RoomsEngine, preload_for
from autograder.zygote import WarmProcess

LIBRARIES = (
    *("matplotlib.pyplot", "matplotlib_inline.backend_inline", "pytest", "joblib", "doctest"),
    *("sklearn.linear_model", "sklearn.metrics", "sklearn.pipeline", "sklearn.model_selection"),
    *("sklearn.dummy", "sklearn.tree", "fastapi.testclient", "unittest.mock"),
)


@pytest.fixture(scope="session")
def warm() -> Iterator[WarmProcess]:
    """One warm process for all, with the strongest walls that stand here."""
    *modules, last = preload_for(None)
    level = os.environ.get("AUTOGRADER_TEST_ISOLATION") or sandbox.best()
    zygote = sandbox.start([*modules, *LIBRARIES, last], isolation=level)
    yield zygote
    zygote.close()


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
def run(warm: WarmProcess) -> Run:
    """Run (kind, text) cells in rooms."""

    def go(
        *cells: Any,
        reference: Any = None,
        compatible: bool = False,
        files: Path | None = None,
        **limits: Any,
    ) -> Execution:
        engine = RoomsEngine(
            lambda _: warm,
            reference=build(*reference) if reference else None,
            compatible=compatible,
        )
        bounds = Limits(**{"cell_seconds": 20.0, "total_seconds": 60.0, **limits})
        return engine.run(build(*cells), files, bounds)

    return go
