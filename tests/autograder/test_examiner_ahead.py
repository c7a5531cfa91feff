"""What is read ahead of a lab's cells: the examiner's rooms have it, the students' never do."""

import ast
import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat.v4
import pytest

from autograder import examiner_ahead, examiner_compiler
from autograder.cell_text import plain_python
from autograder.engine import Limits
from autograder.examiner_ahead import read_ahead
from autograder.examiner_compiler import CellCompiler
from autograder.examiner_preparation import prepared
from autograder.rooms import RoomsEngine
from autograder.shell import RoomShell, make_shell

MARK = "a_value_that_only_the_test_knows"
KNOWN = f"""\
import autograder.examiner_compiler as compiler
known = sum({MARK!r} in code.co_names for code in compiler._codes.values())
"""


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The names of a shell that stands for the examiner's, and nothing known from before."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    shell = make_shell(namespace, CellCompiler)
    monkeypatch.setattr(examiner_compiler, "_codes", {})
    examiner_compiler._statements.cache_clear()
    monkeypatch.setattr(examiner_ahead, "examiner_shell", lambda: (shell, namespace))
    namespace["shell"] = shell
    yield namespace
    RoomShell.clear_instance()


def run(names: dict[str, Any], *texts: str) -> list[str]:
    """Run cells; give the kinds of their errors."""
    loop = asyncio.new_event_loop()
    try:
        outcomes = [names["shell"].run_text(text, loop) for text in texts]
    finally:
        loop.close()
    return [type(outcome.error).__name__ for outcome in outcomes]


TESTS = (
    "def double(x):\n    return 2 * x\n\n\nassert double(2) == 4",
    "from __future__ import annotations\n\nhinted: unknown = 1\nhinted",
    "import asyncio\n\nawait asyncio.sleep(0)\nnext_line = 1",
    "assert double(1) == 3\ndone = True",
)


def lab(*tests: str) -> dict[str, Any]:
    """A lab of test cells alone."""
    return {"cells": [("test", text) for text in tests], "shipped": []}


def test_cells_that_were_compiled_ahead_are_not_compiled_again(names: dict[str, Any]) -> None:
    """Run in the notebook's order, they mean the same and cost no compilation."""
    read_ahead(lab(*TESTS))
    known = dict(examiner_compiler._codes)
    assert len(known) == 10, "one for each statement"
    assert "double" not in names, "nothing has run"
    assert run(names, *TESTS) == ["NoneType", "NoneType", "NoneType", "AssertionError"]
    assert examiner_compiler._codes == known
    assert "done" not in names
    assert names["__annotations__"] == {"hinted": "unknown"}


def test_a_cell_that_was_not_read_ahead_is_compiled_when_it_runs(names: dict[str, Any]) -> None:
    """Another text, or another place in the order, is no other meaning."""
    read_ahead(lab(*TESTS))
    assert run(names, TESTS[2], "assert next_line == 2") == ["NoneType", "AssertionError"]


def test_a_cell_with_a_magic_is_read_ahead_too(names: dict[str, Any]) -> None:
    """What IPython rewrites is compiled as it has rewritten it."""
    text = "place = %pwd\nassert place"
    read_ahead(lab(text))
    known = dict(examiner_compiler._codes)
    assert len(known) == 2
    assert run(names, text) == ["NoneType"]
    assert examiner_compiler._codes == known


def test_reading_ahead_leaves_the_statements_as_they_are() -> None:
    """What is prepared is a copy: the tree that all share says what the cell says."""
    text = "import mlflow\nkind = type(1)"
    body = plain_python(text).body  # type: ignore[union-attr]
    before = [ast.dump(node) for node in body]
    codes = [code for node in body for code in prepared(node)]
    assert [ast.dump(node) for node in body] == before
    assert "_room_module" in codes[0].co_names
    assert "_room_type" in codes[1].co_names


def test_what_only_rooms_can_import_is_left_to_them(
    names: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that the lab ships lies in the rooms' folder: whose it is, is said there."""
    text = "import shipped_with_the_lab\n\nassert shipped_with_the_lab.answer == 42"
    read_ahead({"cells": [("locked", text), ("answer", text), ("test", text)], "shipped": []})
    usual = "import statistics\n\nstatistics.mean"  # there is one, but the lab's own is meant
    read_ahead(lab(usual) | {"shipped": ["statistics"]})
    assert examiner_compiler._codes == {}
    (tmp_path / "shipped_with_the_lab.py").write_text("answer = 42\n")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        assert run(names, text) == ["NoneType"]
    finally:
        sys.modules.pop("shipped_with_the_lab", None)


@pytest.fixture
def engine(warm_for: Any, borrowed: Callable[..., Any]) -> Iterator[RoomsEngine]:
    """An engine of two rooms for the notebook below."""
    made = RoomsEngine(lambda _: borrowed(warm_for(MARK)), reference=notebook())
    yield made
    made.close()


def notebook() -> Any:
    """A plain cell that tells what is known in its room, and tests that compare."""
    made = nbformat.v4.new_notebook()
    texts = [(KNOWN, ""), ("assert known == 0, known", "t1"), (f"{MARK} = 1\n{KNOWN}", "t2")]
    for text, name in (*texts, ("assert known == 1, known", "t3")):
        cell = nbformat.v4.new_code_cell(text)
        if name:
            cell.metadata["nbgrader"] = {
                **{"schema_version": 3, "grade_id": name, "grade": True, "points": 1},
                **{"solution": False, "locked": True, "task": False},
            }
        made.cells.append(cell)
    return made


def test_no_students_room_has_what_the_examiners_have(engine: RoomsEngine) -> None:
    """The tests are read by a process that forks examiners' rooms alone."""
    cells = engine.run(notebook(), None, Limits()).cells
    assert [(cell.status, cell.message) for cell in cells] == [("ok", "")] * 4


def test_a_branch_that_comes_to_nothing_is_gone_without(warm_for: Any) -> None:
    """Rooms are forked from the warm process then; nothing is lost but time."""
    warm = warm_for(MARK)
    assert warm.branch("autograder.examiner_ahead:nothing", {}) is None
    assert warm.branch("builtins:len", 3) is None
    branch = warm.branch("builtins:len", [])
    assert branch is not None
    branch.close()
