"""Changes that student code made to a test's own objects, carried out on those objects."""

import array
import collections
import enum
import random
import warnings
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from autograder.wire import WireError
from autograder.wire_models import check_attribute, check_attributes, is_model, may_score
from autograder.wire_values import Json, need

__all__ = ["ChangeError", "apply_change", "change_copies", "may_hold", "whole_of"]


class ChangeError(Exception):
    """An honest change can't be carried out on the object that it was meant for."""


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
    if target.shape != new.shape or target.dtype != new.dtype:
        _reshape(target, new)
    if target.flags.writeable:
        np.copyto(target, new)
    if target.flags.writeable != new.flags.writeable:
        with suppress(ValueError):  # a view of what can't be written to
            target.flags.writeable = new.flags.writeable


def _reshape(target: np.ndarray[Any, Any], new: np.ndarray[Any, Any]) -> None:
    """Give an array another shape or kind of number within the memory that it has."""
    is_plain = not target.dtype.hasobject and not new.dtype.hasobject
    _follow(is_plain and target.nbytes == new.nbytes, "an array has another size or type")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # no view would be the same object
        try:
            setattr(target, "dtype", new.dtype)  # noqa: B010 - its stub says it can't be set
            target.shape = new.shape
        except (AttributeError, TypeError, ValueError):  # a view of another array
            _follow(False, "an array has another shape")


def _follow(can: bool, what: str) -> None:
    """Say of an honest change that it can't be carried out here."""
    if not can:
        raise ChangeError(
            f"the student's code changed an argument in place so that {what}, which can't be "
            "followed in the examiner's room. Hand over a copy, or tag the test cell "
            "'student-room'."
        )


def _frame(target: Any, new: Any) -> None:
    if not target.equals(new) or list(target.axes[0]) != list(new.axes[0]):
        target._update_inplace(new)


def _generator(target: np.random.Generator, new: np.random.Generator) -> None:
    target.bit_generator.state = new.bit_generator.state


_HOLDING = {("logging", "Logger")}
_MOST_LOST = 50
_LONGEST = 40
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


_WHOLE: dict[type, Callable[[Any], bytes]] = {
    array.array: bytes,
    ElementTree.Element: ElementTree.tostring,
}
"""Objects without attributes of their own, and what is in them."""


def whole_of(kind: type) -> Callable[[Any], bytes] | None:
    """Give what tells all that is in objects of a class that have no attributes of their own."""
    return _WHOLE.get(kind)


def may_hold(target: Any) -> bool:
    """Say whether an object may hold any others: what it does with them is written in Python."""
    kind = type(target)
    return (kind.__module__, kind.__qualname__) in _HOLDING


def change_copies(
    changes: Any,
    decode: Callable[[Any], Any],
    decode_part: Callable[[Any], Any],
    copied: list[Any],
) -> list[str]:
    """Set what student code has set on copies of a test's objects.

    Parameters
    ----------
    changes : list
        For each object that was changed its number, what is new, what is gone, and what is new
        but couldn't be told.
    decode, decode_part : callable
        Builds any value, and one that may be part of a model.
    copied : list
        The test's objects.

    Returns
    -------
    list of str
        What couldn't be told.
    """
    need(type(changes) is list and len(changes) <= len(copied), "changes of copies")
    untold = []
    held: dict[int, dict[str, Any]] = {}
    for change in changes:
        need(type(change) is list and len(change) == 4, "a change of a copy")
        number, new, gone, lost = change
        need(type(number) is int and 0 <= number < len(copied), "a change of nothing")
        need(all(type(part) is list for part in change[1:]), "a change of a copy")
        target = copied[number]
        is_shared = isinstance(target, enum.Enum)
        _follow(not is_shared, "a member of an enumeration, which others use, holds something else")
        is_whole = whole_of(type(target)) is not None
        need(not (is_whole and (new or gone)), "a change of what has no attributes")
        attributes = {} if is_whole else held.setdefault(number, dict(vars(target)))
        for item in new:
            need(type(item) is list and len(item) == 4, "an attribute")
            need(item[3] == 1 or may_hold(target), "an attribute of plain parts")
            value = (decode_part if item[3] == 1 else decode)(item[1])
            if may_hold(target) and callable(value):
                known = getattr(type(target), str(item[0]), None)
                _follow(known is None, "one of its methods is another function")
            _follow(
                may_score(target, item[0], value),
                "a model is scored by another part than one that predicts",
            )
            check_attribute(target, item[0], value)
            if item[2] == 1 and may_hold(target):
                value = _in_place(attributes.get(item[0]), value)
            attributes[item[0]] = value
        for name in gone:
            check_attribute(target, name, None)
            attributes.pop(name, None)
        need(len(lost) <= _MOST_LOST and all(type(name) is str for name in lost), "names")
        if is_model(type(target)):
            held[number] = _learned(type(target), attributes, lost)
        untold += [f"{name[:_LONGEST]!r} of a {type(target).__name__}" for name in lost]
        public = [name for name in lost if not name.startswith("_")]
        if public and not is_model(type(target)):
            raise ChangeError(
                f"the student's code changed what the test handed over, and what "
                f"{public[0][:_LONGEST]!r} of a {type(target).__name__} holds now can't be brought "
                "to the examiner's room. Tag the test cell 'student-room'."
            )
    for number, attributes in held.items():
        vars(copied[number]).clear()
        vars(copied[number]).update(attributes)
    return untold


def _in_place(held: Any, new: Any) -> Any:
    """Give the container that an attribute held, changed as it was there."""
    if type(held) is type(new) and type(held) in _APPLY:
        apply_change(held, new)
        return held
    return new


def _learned(kind: type, attributes: dict[str, Any], lost: list[str]) -> dict[str, Any]:
    """Give what a model holds now; what it was trained to before is no part of that.

    Where what is left doesn't fit together, it is as if it had never been trained.
    """
    left = {name: value for name, value in attributes.items() if name not in lost}
    try:
        check_attributes(kind, left)
    except WireError:
        if not lost:
            raise
        settings = kind._get_param_names()  # type: ignore[attr-defined]
        return {name: left[name] for name in settings if name in left}
    return left


def apply_change(target: Any, new: Any, start: Json = 0) -> None:
    """Make ``target`` equal to ``new``, in place, or a list or dictionary from an item on.

    Both are of the same exact type.
    """
    need(type(target) is type(new), "a changed argument is of another type")
    need(type(start) is int and start >= 0, "a place in it")
    if not start or type(target) not in (list, dict):
        _APPLY[type(target)](target, new)
        return
    need(start <= len(target), "a place in it")
    if type(target) is list:
        target[start:] = new
        return
    for name in [*islice(target, start, None)]:
        del target[name]
    target.update(new)
