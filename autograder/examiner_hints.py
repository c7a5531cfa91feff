"""What of a test cell's text explains why it fails here, though nothing was refused.

A test that relies on being the notebook's next cell: it sets what answers read, or looks at what
the notebook has recorded of them.
"""

import ast
import sys
from collections.abc import Iterable, Set
from types import FrameType
from typing import Any

from autograder.cell_frames import is_own_space
from autograder.examiner_source import (
    DEFINITIONS,
    cell_tree,
    globals_of,
    globals_used,
    targets,
)
from autograder.handles import WAYS_OUT, describe, number_of
from autograder.hidden_regions import visible_text

__all__ = ["hints", "misused"]

_RECORDS = frozenset({"In", "Out", "_", "__", "___", "_i", "_ii", "_iii", "_ih", "_oh"})
_IMPORTS = (ast.Import, ast.ImportFrom)
_LOOKED_AT, _FEW = 1000, 50
_LONG = 50_000
_OWN = ("__main__", "autograder")


def hints(
    text: str,
    before: Iterable[str],
    answers: Iterable[str],
    carried: Set[str] = frozenset(),
) -> list[str]:
    r"""Say what a failed test cell relies on that isn't so in a room of its own.

    Students may read it, so that it comes from the lines alone that they can read.

    Parameters
    ----------
    text : str
        The cell.
    before, answers : iterable of str
        All cells that ran in the student's room, and those of them that students wrote.
    carried : set of str, optional
        The names that are bound in both rooms.

    Examples
    --------
    >>> answer = "def solve(x): return scale * x"
    >>> [said[:32] for said in hints("scale = 3\nassert solve(2) == 6", [], [answer])]
    ["'scale' is bound by a test cell,"]
    >>> [said[:33] for said in hints("assert _ == 42", [], ["6 * 7"])]
    ["'_' is what this room's notebook "]
    """
    found = []
    seen = cell_tree(visible_text(text))
    used = _globals_of(seen)
    bound = {name for node in seen.body if not isinstance(node, _IMPORTS) for name in targets(node)}
    known = frozenset[str]().union(*map(_bound_by, before))
    for name in sorted((_read_for(used, answers) & bound) - known - carried)[:1]:
        found.append(
            f"{name!r} is bound by a test cell, and the answers read such a name: they "
            "don't see the test's. Hand it over as an argument, or tag the test cell "
            "'student-room'."
        )
    imported = {name for node in seen.body for name in targets(node)}
    for name in sorted((_RECORDS & used) - imported)[:1]:
        found.append(
            f"{name!r} is what this room's notebook has recorded, not the student's. Tag the test "
            "cell 'student-room' so that it runs beside the student's code."
        )
    return found


def _read_for(names: Iterable[str], answers: Iterable[str]) -> set[str]:
    """Give what answers' functions read of the notebook, of those alone that are used for names."""
    statements = [node for answer in answers for node in _statements(answer)]
    binding: dict[str, list[ast.stmt]] = {}
    for node in statements:
        for name in targets(node):
            binding.setdefault(name, []).append(node)
    read, waiting, seen = set[str](), [*names], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for node in binding.get(name, ()):
            used = _globals_of(node)
            waiting += used
            if isinstance(node, DEFINITIONS):
                read |= used
    return read


def _statements(text: str) -> list[ast.stmt]:
    """Give the statements of a cell that students can read, unless it is long."""
    return [] if len(text) > _LONG else cell_tree(visible_text(text)).body


def _bound_by(text: str) -> frozenset[str]:
    return frozenset(
        name for node in _statements(text) for name in {*targets(node), *globals_of(node)}
    )


def _globals_of(node: ast.AST) -> frozenset[str]:
    """Give the names that a piece of a cell takes from its notebook, unless it is deep."""
    try:
        return globals_used(node)
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
        if is_own_space(trace.tb_frame.f_globals):
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
