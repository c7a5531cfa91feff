"""What is in a container, to see later whether that has changed, and from where on."""

import collections
import io
import pickle
import weakref
from bisect import bisect_left
from itertools import compress, count, islice
from operator import is_not
from typing import Any

import numpy as np

from autograder.wire_values import MUTABLE

__all__ = ["Parts", "is_alike", "look_into", "tail_of"]

_DEEP = 8
_LONG = 20_000
_PLAIN = frozenset({int, float, str, bytes, bool})
_PART = 256
_WRITING = 20
"""How many times as long as to compare an item it takes to write one out."""


class _Plain(pickle.Pickler):
    """Writes out what is plain, at C speed, and nothing else."""

    def reducer_override(self, value: Any) -> Any:
        raise pickle.PicklingError(type(value).__name__)


def look_into(value: Any) -> list[Any]:
    """Give what is in a container, down to what can't be changed, to be compared with later."""
    written = io.BytesIO()
    try:
        _Plain(written, protocol=5).dump(value)
    except (pickle.PicklingError, RecursionError):
        return _walk(value)
    return [written.getvalue()]


def _walk(value: Any) -> list[Any]:
    """Give the same of a container with something in it that isn't plain."""
    found: list[Any] = []
    waiting = [(value, 0)]
    while waiting and len(found) < _LONG:
        item, depth = waiting.pop()
        kind = type(item)
        if depth > _DEEP or (kind not in MUTABLE and kind is not tuple):
            found.append(item)
        elif kind is np.ndarray:
            plain = not item.dtype.hasobject
            found += [kind, f"{item.shape} {item.dtype}"]
            found += [item.tobytes()] if plain else item.ravel().tolist()
        elif isinstance(item, dict):
            found += [kind, len(item)]
            waiting += [(part, depth + 1) for pair in item.items() for part in pair]
        elif isinstance(item, (list, tuple, set, collections.deque)):
            found += [kind, len(item)]
            waiting += [(part, depth + 1) for part in item]
        else:
            found += [kind, pickle.dumps(item)]
    return found


def is_alike(one: list[Any], other: list[Any]) -> bool:
    """Say whether what :func:`look_into` gave is the same."""
    return len(one) == len(other) and all(
        a is b or (type(a) is type(b) and type(a) in _PLAIN and a == b)
        for a, b in zip(one, other, strict=True)
    )


class Parts:
    """What is in a list or another container with many items, to find the first that is another.

    That an item is the same object is seen at C speed; what can be changed within items is written
    out.

    Parameters
    ----------
    value : list, dict, set or deque
        The container.
    before : Parts, optional
        What was in it.

    Examples
    --------
    >>> log = [("one", 1), ("two", [2])]
    >>> before = Parts(log)
    >>> log.append("last")
    >>> Parts(log).first_other(before), Parts(log).first_other(Parts(log))
    (2, None)
    >>> log[1][1].append(3)
    >>> Parts(log, before).first_other(before)
    1
    """

    def __init__(self, value: Any, before: "Parts | None" = None) -> None:
        self._keys = list(value) if isinstance(value, dict) else []
        self._items = list(value.values() if isinstance(value, dict) else value)
        self._before = weakref.ref(before) if before is not None else None
        self._same = 0 if before is None else _alike_until(self._items, before._items)
        known: list[int] = [] if before is None else before._open
        known = known[: bisect_left(known, self._same)]
        rest = range(self._same, len(self._items))
        self._open: list[int] = [*known, *(at for at in rest if not _is_fixed(self._items[at]))]
        self._looks = [
            (part, look_into([self._items[at] for at in part])) for part in _parts(self._open)
        ]

    def __len__(self) -> int:
        return len(self._items) + _WRITING * len(self._open)

    def first_other(self, before: "Parts") -> int | None:
        """Give the place from which on items may be others than they were; None if none is."""
        is_known = self._before is not None and self._before() is before
        place = self._same if is_known else _alike_until(self._items, before._items)
        if self._keys or before._keys:
            place = min(place, _alike_until(self._keys, before._keys))
        for (part, look), (other, seen) in zip(self._looks, before._looks, strict=False):
            if part != other or not is_alike(look, seen):
                place = min(place, part[0], other[0])
        is_same = place == len(self._items) == len(before._items)
        return None if is_same else place


def _alike_until(one: list[Any], other: list[Any]) -> int:
    """Say how many items two lists begin with alike: the same objects."""
    return next(compress(count(), map(is_not, one, other)), min(len(one), len(other)))


def _parts(places: list[int]) -> list[list[int]]:
    return [places[at : at + _PART] for at in range(0, len(places), _PART)]


def _is_fixed(item: Any) -> bool:
    """Say whether nothing can be changed in it, or nothing of that is looked at."""
    kind = type(item)
    return all(map(_is_fixed, item)) if kind is tuple else kind not in MUTABLE


def tail_of(value: Any, start: int) -> Any:
    """Give what a list or dictionary has from a place on; all of any other container."""
    if type(value) is list:
        return value[start:]
    return dict(islice(value.items(), start, None)) if type(value) is dict else value
