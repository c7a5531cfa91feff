"""Answers that lie, break the protocol or their room: no point for them, and the grader goes on."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

_SPEC = importlib.util.spec_from_file_location("lies", Path(__file__).with_name("conftest.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
_shared = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_shared)

LOCKED = "import numpy as np\n\n\ndef close(a, b):\n    return abs(a - b) < 1e-9\n"
LIES: dict[str, dict[str, str]] = {
    name: dict(parts) for name, parts in _shared.read_cases("lies.cases").items()
}
SLOW = {"patched_wire", "loop_without_signals"}


@pytest.mark.parametrize("name", sorted(set(LIES) - SLOW))
def test_a_lie_earns_nothing(name: str, run: Any) -> None:
    """The test fails, with a reason, whatever the answer claims about itself."""
    case = LIES[name]
    cells = [("locked", LOCKED), ("answer", case["lie"]), ("test", case["test"])]
    execution = run(*cells, cell_seconds=0.5, total_seconds=20.0)
    last = execution.cells[-1]
    assert last.status in ("error", "timeout", "died")
    assert last.error or last.message


@pytest.mark.parametrize("name", sorted(name for name, case in LIES.items() if "right" in case))
def test_the_honest_answer_to_the_same_test_passes(name: str, run: Any) -> None:
    """The tests that lies fail aren't tests that nobody can pass."""
    case = LIES[name]
    execution = run(("locked", LOCKED), ("answer", case["right"]), ("test", case["test"]))
    assert [cell.message for cell in execution.cells if cell.status != "ok"] == []
