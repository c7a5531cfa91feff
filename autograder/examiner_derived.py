"""Classes that a test derives from one of the student's room.

Such a class is made there, where its base is, and so are its objects. What the test has written of
it stays here: each of its methods is lent, and called with the object it is asked of.
"""

import builtins
from abc import ABCMeta
from functools import cached_property
from types import FunctionType
from typing import Any

from autograder.handles import describe, number_of

__all__ = ["base_in_room", "room_super"]

_OF_THE_STATEMENT = frozenset(
    {
        *("__classcell__", "__module__", "__qualname__", "__orig_bases__", "__annotations__"),
        *("__static_attributes__", "__firstlineno__", "__annotate__", "__annotate_func__"),
        *("__annotations_cache__", "__conditional_annotations__", "__classdictcell__"),
    }
)


class _Deriving(ABCMeta):
    """The class of what stands for such a base while a class statement is carried out."""

    _handle: Any
    _link: Any

    def __new__(
        cls, name: str, bases: tuple[Any, ...], namespace: dict[str, Any], **keywords: Any
    ) -> Any:
        base = next(base for base in bases if type(base) is _Deriving)
        link = base._link
        link.claim(f"objects of a class that the test derives from {describe(base._handle)}")
        members = {
            member: _member(value)
            for member, value in namespace.items()
            if member not in _OF_THE_STATEMENT
        }
        given = [*namespace.get("__orig_bases__", bases)]
        made = link.ask("derive", name, given, members, keywords)
        if (cell := namespace.get("__classcell__")) is not None:
            cell.cell_contents = made  # what ``super`` goes by
        return made


def _member(value: Any) -> list[Any]:
    """Describe what a class body has bound: what it is, and the functions it is made of."""
    kind = type(value)
    if kind is FunctionType:
        return ["method", value]
    if kind is property:
        return ["property", value.fget, value.fset, value.fdel]
    if kind in (staticmethod, classmethod):
        return [kind.__name__, value.__func__]
    if kind is cached_property:
        return ["cached_property", value.func]
    return ["value", value]


def base_in_room(link: Any, handle: Any) -> type:
    """Give what stands for a class of the student's room as a base.

    Parameters
    ----------
    link : ExaminerLink
        Asks that room.
    handle : Handle
        The class.
    """
    base = ABCMeta.__new__(_Deriving, "Base", (), {})
    base._handle, base._link = handle, link
    return base


class _Above:
    """What ``super`` gives of an object in the student's room."""

    __slots__ = ("_ask", "_found")

    def __init__(self, ask: Any, found: Any) -> None:
        self._ask, self._found = ask, found

    def __getattribute__(self, name: str) -> Any:
        get = object.__getattribute__
        return get(self, "_ask")("get", get(self, "_found"), name)


def room_super(link: Any, kind: Any, value: Any) -> Any:
    """Give ``super(kind, value)``, of an object in either room."""
    if number_of(value) is None:
        return builtins.super(kind, value)
    return _Above(link.ask, link.ask("super", kind, value))
