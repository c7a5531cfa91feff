"""What keeps attacks from succeeding keeps no honest answer from its points."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

_SPEC = importlib.util.spec_from_file_location("cases", Path(__file__).with_name("test_attacks.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
_shared = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_shared)
HONEST: dict[str, dict[str, str]] = _shared.read_cases("honest.cases")


@pytest.mark.parametrize("name", list(HONEST))
def test_an_honest_answer_gets_its_points(name: str, graded_together: Any) -> None:
    """The reference gets all points, a wrong answer none, whatever the attacks have closed."""
    graded_together({}, {"wrong": "def solve(*args): return 4", **HONEST[name]})
