"""What an object of the other room can do, as a bit mask: both rooms agree on the order.

A handle gets exactly the special methods that its object's class has, so that ``callable``,
``hasattr``, ``isinstance`` against abstract classes and libraries that look before they leap see
what they would see in one process. Comparison, arithmetic and conversion are not abilities.
"""

import collections
import datetime
import inspect
import types
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["ABILITIES", "abilities_of", "build_signature", "has", "plain_base"]

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
)
"""Names of abilities and the special method that shows each; the place is the bit."""

CLASS_BIT = 1 << len(ABILITIES)
COROUTINE_BIT = CLASS_BIT << 1

_PLAIN_BASES = (
    *(int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset),
    *(np.ndarray, np.generic, pd.DataFrame, pd.Series, pd.Index),
    *(datetime.date, datetime.time, datetime.timedelta, collections.deque),
)
# Classes to derive one from that hold a plain value.
_HOLDERS = {
    collections.UserDict: "dict",
    collections.UserList: "list",
    collections.UserString: "str",
}
_known: dict[type, int] = {}


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
            if getattr(kind, method, None) is not None
        )
        _known[kind] = mask
    if isinstance(value, type):
        return mask | CLASS_BIT
    return mask | COROUTINE_BIT if kind is types.CoroutineType else mask


def plain_base(value: Any) -> str | None:
    """Name the value type that an object's class is derived from, if it is."""
    kind = type(value)
    derived = (base.__name__ for base in _PLAIN_BASES if issubclass(kind, base))
    holding = (name for base, name in _HOLDERS.items() if issubclass(kind, base))
    return next(chain(derived, holding), None)


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
