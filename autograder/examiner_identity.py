"""Whether an object of the student's is a function, a class or a member that this room has too.

What answers choose among functions and enumerations of libraries, of given cells or of a test stays
in their room as any other object. That it is the very one a test compares it with is that room's
word.
"""

from enum import Enum
from types import BuiltinFunctionType
from typing import Any

from autograder.handles import describe, number_of

__all__ = ["has_identity", "is_same", "room_is"]


def has_identity(value: Any) -> bool:
    """Say whether a value of this room is a function, a class or a member of an enumeration.

    These are equal to themselves alone.

    Examples
    --------
    >>> from enum import Enum
    >>> Color = Enum("Color", "RED")
    >>> [has_identity(value) for value in (len, int, Color.RED, "len", 1)]
    [True, True, True, False, False]
    """
    if issubclass(type(value), Enum):
        return getattr(type(value), "__eq__", None) is object.__eq__
    if not callable(value) or number_of(value) is not None:
        return False
    kind = type(value)
    return kind is BuiltinFunctionType or getattr(kind, "__eq__", None) is object.__eq__


def is_same(link: Any, handle: Any, value: Any) -> bool:
    """Ask whether an object of the student's is a function or class of this room's."""
    name = getattr(value, "__qualname__", getattr(value, "__name__", value))
    link.claim(f"whether {describe(handle)} is {str(name)[:80]}")
    return link.ask("same", handle, value) is True


def room_is(link: Any, one: Any, other: Any) -> bool:
    """Say what ``one is other`` says, where one of them may be the student's."""
    if one is other:
        return True
    for handle, value in ((one, other), (other, one)):
        if number_of(handle) is None:
            continue
        if has_identity(value) or issubclass(type(value), Enum):
            return is_same(link, handle, value)
    return False
