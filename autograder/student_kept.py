"""The containers that both rooms have and that student code may change at any later time.

A log that a test hands over and reads in the end, a table that an object holds and a test has got:
each is looked at after every question, and what is other in it by now is told. Looking has bounds:
how much one container may hold, how much all may, and for large ones how much is looked at in all.
"""

import collections
import random
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from autograder.student_objects import RoomEncoder
from autograder.wire import WireError
from autograder.wire_changes import apply_change
from autograder.wire_looks import Parts, tail_of
from autograder.wire_values import Json, TooLargeError, stays_behind

__all__ = ["KeptContainers", "size_of"]

_KEPT = 64
_KEPT_EACH = 32
# Up to so many items are looked at however often that is.
_FEW = 500
# A list and the like; an array; a table, at which looking takes longest.
_ITEMS, _NUMBERS, _CELLS = 20_000, 100_000, 20_000
# Of all long lists, or all tables, that are kept; and of long lists with all questions.
_ALL_ITEMS, _ALL_CELLS, _LOOKED = 100_000, 50_000, 30_000_000
# References to a decoded argument that nobody has kept: the decoder's list (or the tuple of what
# is kept), the loop variable and the argument of ``getrefcount``.
_OWN_REFERENCES = 3
_MADE_REFERENCES = 4
# Those to what an operation gave: of the frame that asked for it.
_ASKING_REFERENCES = 1
_GENERATORS = (np.random.Generator, np.random.RandomState, random.Random)
_TABLES = (pd.DataFrame, pd.Series)
_KEPT_TYPES = (
    *(list, dict, set, bytearray, collections.deque, collections.defaultdict, np.ndarray),
    *(collections.Counter, collections.OrderedDict, *_TABLES, *_GENERATORS),
)


class KeptContainers:
    """The containers of both rooms, by their numbers, and what was in them last.

    Parameters
    ----------
    content : callable
        Gives what is in some containers, to compare; None where it is too much.
    has_changed : callable
        Says of containers whether other things are in them than that.
    """

    def __init__(
        self,
        content: Callable[[list[Any]], Any],
        has_changed: Callable[[list[Any], Any], bool],
    ) -> None:
        self._content, self._has_changed = content, has_changed
        self._kept: dict[int, tuple[Any, Any]] = {}
        self._next = 0
        self._left = _LOOKED
        self._lost = False

    def follow(self, number: int, new: Any) -> Any:
        """Bring a container of both rooms up to date; give it, or the new one if it isn't known."""
        value, _ = self._kept.get(number, (None, None))
        if type(value) is not type(new):
            return new
        try:
            apply_change(value, new)
        except WireError:  # an array of another shape is another array
            return new
        self._kept[number] = value, self._look(value)
        return value

    def share(self, value: Any, *, named: bool, new: bool) -> int | None:
        """Number a container that both rooms have; a new one, if this room goes on to hold it."""
        if stays_behind(value):
            return None
        for number, (kept, _) in self._kept.items():
            if kept is value:
                return number
        if not new or type(value) not in _KEPT_TYPES:
            return None
        if (len(value) if isinstance(value, _TABLES) else size_of(value)) > _ITEMS:
            return None
        if not named and sys.getrefcount(value) <= _OWN_REFERENCES + _ASKING_REFERENCES:
            return None
        self._add(value)
        return self._next - 1

    def _add(self, value: Any) -> None:
        self._kept[self._next] = value, self._look(value)
        self._next += 1

    def _look(self, value: Any, before: Any = None) -> Any:
        """Give what is in a container now; None where it is too much."""
        if _is_long(value):
            parts = Parts(value, before if type(before) is Parts else None)
            self._left -= len(parts)
            return parts
        return self._content([value])

    def later_changes(self, encoder: RoomEncoder, *, most: int = _NUMBERS) -> list[Json]:
        """Give what is in containers of both rooms now, if it isn't what was.

        Parameters
        ----------
        encoder : RoomEncoder
            Encodes it.
        most : int, optional
            How many items those have that are looked at.
        """
        changes: list[Json] = []
        for key, (value, before) in list(self._kept.items()):
            if size_of(value) > most:
                continue
            if sys.getrefcount(value) <= _OWN_REFERENCES:  # nobody else has it: looked at once more
                del self._kept[key]
            if self._is_too_much(value):
                self._lost |= before is not None
                if key in self._kept:
                    self._kept[key] = value, None
                continue
            start, now = self._first_other(value, before)
            if start is None or now is None:
                continue
            mark = encoder.mark()
            try:
                changes.append([key, encoder.content(tail_of(value, start)), start])
            except TooLargeError:
                encoder.forget(mark)
                self._lost = True
                continue
            if key in self._kept:
                self._kept[key] = value, now
        return changes

    def _first_other(self, value: Any, before: Any) -> tuple[int | None, Any]:
        """Give from where on a container is another than it was, if it is, and what is in it."""
        if _is_long(value):
            now = self._look(value, before)
            return now.first_other(before) if type(before) is Parts else 0, now
        is_comparable = before is not None and type(before) is not Parts
        if is_comparable and not self._has_changed([value], before):
            return None, None
        return 0, self._content([value])

    def _is_too_much(self, value: Any) -> bool:
        return _is_too_large(value) or (_is_long(value) and self._left < 0)

    def take_lost(self) -> bool:
        """Say, once, whether one that was looked at has become too much to be."""
        lost, self._lost = self._lost, False
        return lost

    def keep(self, made: dict[int, Any]) -> list[int]:
        """Watch from now on the containers that something else refers to by now."""
        kept: list[int] = []
        for number in sorted(made):  # `items` would hold on to the value as well
            value = made[number]
            if type(value) not in _KEPT_TYPES or sys.getrefcount(value) <= _MADE_REFERENCES:
                continue
            if any(known is value for known, _ in self._kept.values()):
                continue
            if len(kept) < _KEPT_EACH and not self._is_too_much(value):
                kept.append(number)
                self._add(value)
        while len(self._kept) > _KEPT:
            del self._kept[next(iter(self._kept))]
        self._spare(_ALL_CELLS, lambda value: isinstance(value, _TABLES))
        self._spare(_ALL_ITEMS, _is_long)
        return kept

    def _spare(self, left: int, counts: Callable[[Any], bool]) -> None:
        """Look no more at those of a kind that were kept first, where all are too much."""
        for key in [*reversed(self._kept)]:
            value, _ = self._kept[key]
            if counts(value):
                left -= size_of(value)
                if left < 0:
                    del self._kept[key]


def size_of(value: Any) -> int:
    """Say how many items are in a container, or numbers."""
    if type(value) is np.ndarray or isinstance(value, _TABLES):
        return int(value.size)
    return 1 if type(value) in _GENERATORS else len(value)


def _is_long(value: Any) -> bool:
    """Say whether it is a list or the like that is looked at part by part."""
    is_other = type(value) is np.ndarray or isinstance(value, (*_TABLES, *_GENERATORS))
    return not is_other and type(value) is not bytearray and len(value) > _FEW


def _is_too_large(value: Any) -> bool:
    """Say whether looking at a container with every question would take too long."""
    if isinstance(value, _TABLES):
        return size_of(value) > _CELLS
    return size_of(value) > (_NUMBERS if type(value) is np.ndarray else _ITEMS)
