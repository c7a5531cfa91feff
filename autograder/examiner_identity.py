"""Whether an object of the student's is one that this room has too: a function, a class, a model.

What answers choose among functions and enumerations of libraries, of given cells or of a test stays
in their room as any other object. That it is the very one a test compares it with is that room's
word.
"""

import weakref
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum
from functools import partial
from types import BuiltinFunctionType
from typing import Any

from autograder.handles import describe, number_of

__all__ = ["Copies", "has_identity", "is_copy_of", "is_same", "room_is"]

# How often something is remembered to have gone over.
_CROSSINGS = 200


class Copies:
    """The objects of libraries that a test has handed over, which cross as copies, by numbers.

    An answer that gives one back, or keeps it, has its copy: that it is this object's is its
    room's word.
    """

    def __init__(self) -> None:
        self._objects: dict[int, weakref.ref[Any]] = {}
        self._numbers: dict[int, list[int]] = {}
        self._gone: list[int] = []
        self._next = 0

    def add(self, values: Sequence[Any]) -> int:
        """Note that these go over, and give the first one's number."""
        first = self._next
        self._next += len(values)
        for number, value in enumerate(values, first):
            numbers = self.numbers(value)
            with suppress(TypeError):  # what nobody can refer to weakly
                self._objects[number] = weakref.ref(value, partial(self._lose, number))
                self._numbers[id(value)] = [*numbers[-_CROSSINGS:], number]
        return first

    def _lose(self, number: int, _: Any) -> None:
        self._objects.pop(number, None)
        self._gone.append(number)

    def take_gone(self) -> list[int]:
        """Give the numbers of those that are gone since this was last asked."""
        gone, self._gone = self._gone, []
        return gone

    def numbers(self, value: Any) -> list[int]:
        """Give the numbers that it went over by, each time by another; none for anything else."""
        known = self._numbers.get(id(value), ())
        return [number for number in known if self.find(number) is value]

    def find(self, number: int) -> Any:
        """Give what went over by a number; None if it is gone by now."""
        known = self._objects.get(number)
        return None if known is None else known()


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


def is_copy_of(link: Any, handle: Any, value: Any) -> bool | None:
    """Ask whether an object of the student's is the copy of a test's; None if it has none."""
    numbers = link.copies.numbers(value)
    if not numbers:
        return None
    link.claim(f"whether {describe(handle)} is the test's {type(value).__name__[:80]}")
    return link.ask("same_copy", handle, numbers) is True


def room_is(link: Any, one: Any, other: Any) -> bool:
    """Say what ``one is other`` says, where one of them may be the student's."""
    if one is other:
        return True
    for handle, value in ((one, other), (other, one)):
        if number_of(handle) is None:
            continue
        if has_identity(value) or issubclass(type(value), Enum):
            return is_same(link, handle, value)
        if (same := is_copy_of(link, handle, value)) is not None:
            return same
    return False
