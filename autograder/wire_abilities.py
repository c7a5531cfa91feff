"""What an object of the other room can do, as a bit mask: both rooms agree on the order.

A handle gets exactly the special methods that its object's class has, so that ``callable``,
``hasattr``, ``isinstance`` against abstract classes and libraries that look before they leap see
what they would see in one process. Comparison, arithmetic and conversion are not abilities.
"""

import argparse
import collections
import datetime
import inspect
import types
from functools import cache
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

__all__ = [
    "ABILITIES",
    "BAGS",
    "abilities_of",
    "build_signature",
    "has",
    "named",
    "operators_of",
    "plain_base",
    "plain_class",
    "special_of",
]

ABILITIES = (
    ("call", "__call__"),
    ("len", "__len__"),
    ("iter", "__iter__"),
    ("next", "__next__"),
    ("item", "__getitem__"),
    ("setitem", "__setitem__"),
    ("delitem", "__delitem__"),
    ("contains", "__contains__"),
    ("with", "__enter__"),
    ("await", "__await__"),
    ("aiter", "__aiter__"),
    ("anext", "__anext__"),
    ("awith", "__aenter__"),
    ("reversed", "__reversed__"),
)
"""Names of abilities and the special method that shows each; the place is the bit."""

_MISSING = object()
_ITEM_BIT = 1 << [ability for ability, _ in ABILITIES].index("item")
CLASS_BIT = 1 << len(ABILITIES)
COROUTINE_BIT = CLASS_BIT << 1
ASYNC_BIT = COROUTINE_BIT << 1
"""Of a function of the test's that runs asynchronously."""
OWN_BIT = ASYNC_BIT << 1
"""Of an object of a class that the test has written."""
GENERATOR_BIT = OWN_BIT << 1
"""Of a function of the test's that gives a generator; with the other, one that is gone through
asynchronously."""

_PLAIN_BASES = (
    *(int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset),
    *(np.ndarray, np.generic, pd.DataFrame, pd.Series, pd.Index),
    *(datetime.date, datetime.time, datetime.timedelta, collections.deque),
)
_PLAIN_NAMES = {base.__name__: base for base in _PLAIN_BASES}
# Classes to derive one from that hold a plain value.
BAGS = {"SimpleNamespace": types.SimpleNamespace, "Namespace": argparse.Namespace}
"""Classes of objects that are what is set on them, as those of a class of one's own."""
_HOLDERS = {
    collections.UserDict: "dict",
    collections.UserList: "list",
    collections.UserString: "str",
}
_known: dict[type, int] = {}

_BINARY = (
    *("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "divmod", "pow"),
    *("lshift", "rshift", "and", "or", "xor"),
)
_OPERATORS = (
    *("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__hash__", "__bool__"),
    *(f"__{side}{name}__" for name in _BINARY for side in ("", "r", "i")),
    *("__neg__", "__pos__", "__abs__", "__invert__", "__reversed__"),
    *("__int__", "__float__", "__complex__", "__index__", "__bytes__", "__fspath__"),
    *("__round__", "__trunc__", "__floor__", "__ceil__"),
)
_WORDS = ("__str__", "__repr__", "__format__")
_FUNCTIONS = (
    *(types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.GeneratorType),
    *(types.CoroutineType, types.AsyncGeneratorType),
)


@cache
def operators_of(kind: Any, *, speaks: bool) -> int:
    """Give the mask of the operators that a class has for its objects; none for functions.

    ``speaks`` is whether the texts of its objects count among these.
    """
    if issubclass(kind, (type, *_FUNCTIONS)):
        return 0
    return sum(
        1 << bit
        for bit, name in enumerate((*_OPERATORS, *_WORDS) if speaks else _OPERATORS)
        if _has_own(kind, name)
    )


def _has_own(kind: type, name: str) -> bool:
    """Say whether a class has a method that not every class has; a mock's own would note `==`."""
    method = _of_class(kind, name)
    return method is not _MISSING and method is not _of_class(object, name)


def _of_class(kind: type, name: str) -> Any:
    """Give what a class has by a name for its objects: its own class may have that for itself."""
    return next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), _MISSING)


def _is_there(method: Any) -> bool:
    return method is not None and method is not _MISSING


def named(operators: int) -> list[str]:
    """Name the operators of a mask."""
    return [name for bit, name in enumerate((*_OPERATORS, *_WORDS)) if operators >> bit & 1]


def has(mask: int, name: str) -> bool:
    """Say whether a mask holds the ability of that name."""
    return any(mask >> bit & 1 for bit, (ability, _) in enumerate(ABILITIES) if ability == name)


def abilities_of(value: Any) -> int:
    """Give the mask of an object of this process, by its class alone."""
    kind = type(value)
    mask = _known.get(kind)
    if mask is None:
        mask = sum(
            1 << bit
            for bit, (_, method) in enumerate(ABILITIES)
            if _is_there(_of_class(kind, method))
        )
        _known[kind] = mask
    if isinstance(value, type):
        return mask | CLASS_BIT | (_ITEM_BIT if hasattr(value, "__class_getitem__") else 0)
    return mask | COROUTINE_BIT if kind is types.CoroutineType else mask


def special_of(value: Any, name: str) -> Any:
    """Give an object's special method as Python itself looks it up: in its class, and bound.

    A mock's isn't bound: it would be called with the mock as well.

    Examples
    --------
    >>> special_of([1, 2], "__len__")()
    2
    """
    for kind in type(value).__mro__:
        if name in vars(kind):
            method = vars(kind)[name]
            bind = getattr(type(method), "__get__", None)
            return method if bind is None else bind(method, value, type(value))
    raise AttributeError(f"{type(value).__name__!r} object has no attribute {name!r}")


def plain_base(kind: type) -> str | None:
    """Name the value type that a class is derived from, if it is."""
    derived = (base.__name__ for base in _PLAIN_BASES if issubclass(kind, base))
    holding = (name for base, name in _HOLDERS.items() if issubclass(kind, base))
    return next(chain(derived, holding), None)


def plain_class(name: str | None) -> type | None:
    """Give the value type of a name that :func:`plain_base` gives, or what things are set on."""
    return None if name is None else (_PLAIN_NAMES | BAGS).get(name)


def build_signature(parts: Any) -> inspect.Signature:
    """Build the signature of a callable from what the other room says of its parameters.

    Raises
    ------
    AttributeError
        If it says nothing that makes a signature.
    """
    empty = inspect.Parameter.empty
    try:
        parameters = [
            inspect.Parameter(
                name,
                inspect._ParameterKind(kind),
                default=default if has_default else empty,
                annotation=annotation if has_annotation else empty,
            )
            for name, kind, has_default, default, has_annotation, annotation in parts[0]
        ]
        returns = parts[2] if parts[1] else empty
        return inspect.Signature(parameters, return_annotation=returns)
    except (TypeError, ValueError, IndexError) as error:
        raise AttributeError(f"no signature: {error}") from None
