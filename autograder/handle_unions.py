"""Unions of types in which a class of the student's is one: ``Item | None`` in a test.

Python makes them of classes only. What it would make of a real one is made of a handle, and an
object is looked up in a union one type after the other.
"""

import types
import typing
from collections.abc import Callable
from typing import Any

from autograder.handles import Handle, number_of
from autograder.wire_abilities import CLASS_BIT

__all__ = ["UNIONS", "patch_unions"]

_get: Callable[[Any, str], Any] = object.__getattribute__
_REFUSING: dict[str, Callable[..., Any]] = {
    name: vars(Handle)[name] for name in ("__or__", "__ror__")
}
_ANNOTATIONS = (
    *(type, type(None), types.GenericAlias, types.UnionType, typing.TypeVar),
    *(type(typing.List[int]), type(typing.Optional[int])),  # noqa: UP006, UP045 - their classes
)


def _is_type(value: Any) -> bool:
    if number_of(value) is not None:
        return bool(_get(value, "_mask") & CLASS_BIT)
    return value is typing.Any or isinstance(value, _ANNOTATIONS)


def _or(self: Any, other: Any) -> Any:
    if not _is_type(other):
        return _REFUSING["__or__"](self, other)
    return typing.Union[self, other]  # noqa: UP007 - which is what this makes


def _ror(self: Any, other: Any) -> Any:
    if not _is_type(other):
        return _REFUSING["__ror__"](self, other)
    return typing.Union[other, self]  # noqa: UP007 - likewise


UNIONS: dict[str, Callable[..., Any]] = {"__or__": _or, "__ror__": _ror}
"""What classes have for ``|``."""


def patch_unions() -> None:
    """Have ``isinstance`` and ``issubclass`` ask each type of a union that has a handle in it."""
    kind: Any = type(typing.Union[int, Handle])  # noqa: UP007 - its class is wanted
    if kind is types.UnionType:  # from 3.14 on, and can't be changed
        return

    def is_instance(self: Any, value: Any) -> bool:
        return any(isinstance(value, one) for one in self.__args__)

    def is_subclass(self: Any, other: Any) -> bool:
        return any(issubclass(other, one) for one in self.__args__)

    kind.__instancecheck__, kind.__subclasscheck__ = is_instance, is_subclass
