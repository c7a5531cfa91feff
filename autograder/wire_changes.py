"""Changes that student code made to a test's own objects, carried out on those objects."""

import collections
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from autograder.wire_values import need

__all__ = ["apply_change"]


def _list(target: list[Any], new: list[Any]) -> None:
    target[:] = new


def _mapping(target: dict[Any, Any], new: dict[Any, Any]) -> None:
    items = list(new.items())
    target.clear()
    for key, value in items:
        target[key] = value


def _collection(target: Any, new: Any) -> None:
    items = list(new)
    target.clear()
    (target.update if isinstance(target, set) else target.extend)(items)


def _array(target: np.ndarray[Any, Any], new: np.ndarray[Any, Any]) -> None:
    need(target.shape == new.shape and target.dtype == new.dtype, "an array changed its shape")
    if target.flags.writeable:
        np.copyto(target, new)


def _frame(target: Any, new: Any) -> None:
    if not target.equals(new) or list(target.axes[0]) != list(new.axes[0]):
        target._update_inplace(new)


def _generator(target: np.random.Generator, new: np.random.Generator) -> None:
    target.bit_generator.state = new.bit_generator.state


_APPLY: dict[type, Callable[[Any, Any], None]] = {
    list: _list,
    dict: _mapping,
    collections.Counter: _mapping,
    collections.OrderedDict: _mapping,
    collections.defaultdict: _mapping,
    set: _collection,
    collections.deque: _collection,
    bytearray: _list,
    np.ndarray: _array,
    pd.DataFrame: _frame,
    pd.Series: _frame,
    np.random.Generator: _generator,
    np.random.RandomState: lambda target, new: target.set_state(new.get_state(legacy=False)),
    random.Random: lambda target, new: target.setstate(new.getstate()),
}


def apply_change(target: Any, new: Any) -> None:
    """Make ``target`` equal to ``new``, in place; both are of the same exact type."""
    need(type(target) is type(new), "a changed argument is of another type")
    _APPLY[type(target)](target, new)
