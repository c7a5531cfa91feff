"""Patterns of a test's ``match`` that name a class of the student's.

Python wants a class there and takes no handle. So what such a name stands for is looked up before
the statement, and a handle on a class gets a class that asks it.
"""

import ast
from typing import Any

from autograder.handles import number_of

__all__ = ["as_pattern", "with_classes_looked_up"]

_LOOK_UP = "_room_pattern"


def with_classes_looked_up(node: ast.Match) -> list[ast.stmt]:
    r"""Have the classes that a ``match`` names looked up before it.

    Parameters
    ----------
    node : ast.Match
        The statement; it is changed.

    Returns
    -------
    list of ast.stmt
        What is to stand in its place.

    Examples
    --------
    >>> body = "match x:\n    case Disc(r=1):\n        pass\n    case [_, Disc()]:\n        pass"
    >>> made = with_classes_looked_up(ast.parse(body).body[0])
    >>> print("\n".join(map(ast.unparse, made)))
    _room_pattern_Disc = _room_pattern(Disc)
    match x:
        case _room_pattern_Disc(r=1):
            pass
        case [_, _room_pattern_Disc()]:
            pass
    """
    looked_up: dict[str, ast.stmt] = {}
    patterns = (inner for case in node.cases for inner in ast.walk(case.pattern))
    for pattern in patterns:
        if isinstance(pattern, ast.MatchClass):
            text = ast.unparse(pattern.cls)
            name = f"{_LOOK_UP}_{text.replace('.', '_')}"
            value = ast.Call(ast.Name(_LOOK_UP, ast.Load()), [pattern.cls], [])
            looked_up.setdefault(name, ast.Assign([ast.Name(name, ast.Store())], value))
            pattern.cls = ast.copy_location(ast.Name(name, ast.Load()), pattern.cls)
    made = [*looked_up.values(), node]
    return [ast.fix_missing_locations(ast.copy_location(statement, node)) for statement in made]


class _Pattern(type):
    """The class of what stands for a student's class in a pattern."""

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, vars(cls)["handle"])

    @property
    def __match_args__(cls) -> tuple[str, ...]:
        found = vars(cls)["handle"].__match_args__
        if type(found) is not tuple or not all(type(name) is str for name in found):
            raise AttributeError("__match_args__")
        return found


def as_pattern(value: Any) -> Any:
    """Give what a pattern may name in place of a class: a class that asks, for a handle."""
    return value if number_of(value) is None else _Pattern("Pattern", (), {"handle": value})
