"""What of a test cell's text explains why it fails here, though nothing was refused.

A test that relies on being the notebook's next cell: it sets what answers read, or looks at what
the notebook has recorded of them.
"""

import ast
import sys
from collections.abc import Iterable
from types import FrameType
from typing import Any

from autograder.examiner_source import (
    DEFINITIONS,
    bound_names,
    cell_tree,
    globals_used,
    targets,
)
from autograder.handles import WAYS_OUT, describe, number_of

__all__ = ["hints", "misused"]

_RECORDS = frozenset({"In", "Out", "_", "__", "___", "_i", "_ii", "_iii", "_ih", "_oh"})
_IMPORTS = (ast.Import, ast.ImportFrom)
_LOOKED_AT, _FEW = 1000, 50
_LONG = 50_000
_OWN = ("__main__", "autograder")


def hints(text: str, tests: Iterable[str], answers: Iterable[str]) -> list[str]:
    r"""Say what a failed test cell relies on that isn't so in a room of its own.

    Parameters
    ----------
    text : str
        The cell.
    tests, answers : iterable of str
        The test cells up to this one, and the cells that students wrote.

    Examples
    --------
    >>> answer = "def solve(x): return scale * x"
    >>> [said[:32] for said in hints("scale = 3\nassert solve(2) == 6", ["scale = 3"], [answer])]
    ["'scale' is bound by a test cell,"]
    >>> [said[:33] for said in hints("assert _ == 42", [], ["6 * 7"])]
    ["'_' is what this room's notebook "]
    """
    found = []
    read = frozenset[str]().union(*map(_read_by, answers))
    bound = {
        name
        for test in tests
        for node in cell_tree(test).body
        if not isinstance(node, _IMPORTS)
        for name in targets(node)
    }
    for name in sorted(read & bound)[:1]:
        found.append(
            f"{name!r} is bound by a test cell, and the answers read such a name: they "
            "don't see the test's. Hand it over as an argument, or tag the test cell "
            "'student-room'."
        )
    for name in sorted((_RECORDS & globals_used(cell_tree(text))) - bound_names(text) - bound)[:1]:
        found.append(
            f"{name!r} is what this room's notebook has recorded, not the student's. Tag the test "
            "cell 'student-room' so that it runs beside the student's code."
        )
    return found


def _read_by(answer: str) -> frozenset[str]:
    """Give the notebook's names that an answer's functions read, unless it is long or deep."""
    if len(answer) > _LONG:
        return frozenset()
    nodes = (node for node in cell_tree(answer).body if isinstance(node, DEFINITIONS))
    try:
        return frozenset[str]().union(*map(globals_used, nodes))
    except (RecursionError, MemoryError, ValueError):
        return frozenset()


def misused(error: BaseException, said: str) -> str | None:
    """Say which of the student's objects a library of this room was given when it failed.

    Parameters
    ----------
    error : BaseException
        What a test cell ended with.
    said : str
        Its text, which may not be asked for again: it can be the student's.
    """
    if WAYS_OUT in said:
        return None
    trace, found = error.__traceback__, None
    while trace is not None:
        package = str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        if package == "__main__":
            found = None
        elif package not in _OWN and package in sys.modules:
            found = _handle_in(trace.tb_frame, package) or found
        trace = trace.tb_next
    return found


def _handle_in(frame: FrameType, package: str) -> str | None:
    waiting: list[Any] = list(frame.f_locals.values())
    seen = 0
    while waiting and seen < _LOOKED_AT:
        held, seen = waiting.pop(0), seen + 1
        if number_of(held) is not None:
            break
        if type(held) in (list, tuple):
            waiting += held[:_FEW]
        elif type(held) is dict:
            waiting += list(held.values())[:_FEW]
    else:
        return None
    return f"{package} was given {describe(held)}, into which it can't look here. {WAYS_OUT}"
