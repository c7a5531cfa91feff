"""Classes that a test derives from one of the student's room.

Such a class is made there, where its base is, and so are its objects. What the test has written of
it stays here: each of its methods is lent, and called with the object it is asked of.
"""

import builtins
from abc import ABCMeta
from collections.abc import Set
from enum import EnumMeta
from functools import cached_property, partial
from types import FunctionType, MethodType, NoneType
from typing import Any, Protocol

from autograder.examiner_class_body import BodyItem, annotations_of, hung_on, meant
from autograder.handles import describe, number_of
from autograder.wire_values import ENCODERS

__all__ = ["base_in_room", "room_super"]

_OF_THE_STATEMENT = frozenset(
    {
        *("__classcell__", "__module__", "__qualname__", "__orig_bases__", "__annotations__"),
        *("__static_attributes__", "__firstlineno__", "__annotate__", "__annotate_func__"),
        *("__annotations_cache__", "__conditional_annotations__", "__classdictcell__"),
    }
)
_PLAIN_KINDS = (type, ABCMeta, EnumMeta, type(Protocol))
_SIMPLE = (NoneType, bool, int, float, str)


class _Deriving(ABCMeta):
    """The class of what stands for such a base while a class statement is carried out."""

    _handle: Any
    _link: Any
    _operators: frozenset[str]

    def __new__(
        cls, name: str, bases: tuple[Any, ...], namespace: dict[str, Any], /, **keywords: Any
    ) -> Any:
        base = next(base for base in bases if type(base) is _Deriving)
        link = base._link
        is_derived = base._handle is not None
        how = f"derives from {describe(base._handle)}" if is_derived else "has answers decorate"
        link.claim(f"objects of a class that the test {how}")
        members = {
            member: _member(value)
            for member, value in namespace.items()
            if member not in _OF_THE_STATEMENT
        }
        hints = annotations_of(namespace)
        if hints or None in members.values():
            is_read = is_derived and _reads_bodies(link, base._handle)
            tell = partial(BodyItem, within=namespace["__qualname__"], is_read=is_read)
            for member, told in members.items():
                members[member] = told or ["value", tell(member, namespace[member])]
            hints = {m: tell(m, meant(hint) if is_read else hint) for m, hint in hints.items()}
            members |= {"__annotations__": ["value", hints]} if hints else {}
        written = namespace.get("__orig_bases__", bases) if is_derived else ()
        given = [one._handle if type(one) is _Deriving else one for one in written]
        made = link.ask("derive", name, given, members, keywords)
        link.bases.derived(made, namespace, base._operators)
        if (cell := namespace.get("__classcell__")) is not None:
            cell.cell_contents = made  # what ``super`` goes by
        return made


def _reads_bodies(link: Any, handle: Any) -> bool:
    """Say whether a library reads the bodies of classes derived from one of the student's room."""
    if not any(kind is plain for kind in link.judge.ancestry(handle)[:1] for plain in _PLAIN_KINDS):
        return True
    begin = link.ask("get", handle, "__init_subclass__")
    is_written = MethodType in link.judge.ancestry(begin)
    return is_written and link.ask("get", begin, "__module__") != "__main__"


def _member(value: Any) -> list[Any] | None:
    """Describe what a class body has bound: what it is, and the functions it is made of.

    None is given for what is neither plain nor one of Python's kinds of methods.
    """
    kind = type(value)
    if kind is FunctionType:
        return ["method", value]
    if kind is property:
        return ["property", value.fget, value.fset, value.fdel]
    if kind in (staticmethod, classmethod) and type(value.__func__) is FunctionType:
        return None if hung_on(value) else [kind.__name__, value.__func__]
    if kind is cached_property:
        return ["cached_property", value.func]
    return ["value", value] if kind in ENCODERS or kind in _SIMPLE else None


def base_in_room(link: Any, handle: Any, operators: Set[str] = frozenset()) -> type:
    """Give what stands for a class of the student's room as a base.

    Parameters
    ----------
    link : ExaminerLink
        Asks that room.
    handle : Handle, optional
        The class; None for that of any object.
    operators : set of str, default: empty
        Those that answers are asked to give the class.
    """
    base = ABCMeta.__new__(_Deriving, "Base", (), {})
    base._handle, base._link, base._operators = handle, link, frozenset(operators)
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
