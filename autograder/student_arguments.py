"""Which of the examiner's arguments student code has changed, during a call or later.

Arguments are copies; in one process they would be the test's own objects. What student code does
to them is found by looking at their content before and after, and told to the examiner's room,
which does the same to the originals. A small container that student code has kept is looked at
after every later question too, for a test that hands over a log and reads it in the end.
"""

import collections
import random
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from autograder.student_objects import Registry, RoomEncoder
from autograder.wire import Bounds, WireError, to_json
from autograder.wire_changes import apply_change
from autograder.wire_tables import TableMemory, is_same_table
from autograder.wire_values import Json, TooLargeError, stays_behind

__all__ = ["Arguments"]

_KEPT = 64
_KEPT_EACH = 32
_KEPT_ITEMS, _KEPT_NUMBERS = 500, 100_000
# Looking at a table takes longer than at an array: what one has, and all that are looked at.
_KEPT_CELLS, _ALL_CELLS = 20_000, 50_000
# References to a decoded argument that nobody has kept: the decoder's list (or the tuple of what
# is kept), the loop variable and the argument of ``getrefcount``.
_OWN_REFERENCES = 3
_MADE_REFERENCES = 4
_GENERATORS = (np.random.Generator, np.random.RandomState, random.Random)
_TABLES = (pd.DataFrame, pd.Series)
_KEPT_TYPES = (
    *(list, dict, set, bytearray, collections.deque, collections.defaultdict, np.ndarray),
    *(collections.Counter, collections.OrderedDict, *_TABLES, *_GENERATORS),
)
_SHARED_ITEMS = 20_000
# Those to what an operation gave: of the frame that asked for it.
_ASKING_REFERENCES = 1


@dataclass(frozen=True, slots=True)
class Content:
    """What was in some objects: tables as copies, which cost least, all else as it is encoded."""

    tables: dict[int, Any]
    text: str
    blobs: list[bytes]


class Arguments:
    """Watches the mutable objects that the examiner handed over."""

    def __init__(self, registry: Registry, bounds: Bounds, memory: TableMemory) -> None:
        self._registry = registry
        self._memory = memory
        self._bounds = bounds
        self._kept: dict[int, tuple[Any, Content | None]] = {}
        self._next = 0
        registry.follow = self.follow

    @staticmethod
    def size(value: Any) -> int:
        """Say how many items are in a container."""
        return _size(value)

    def content(self, values: list[Any]) -> Content | None:
        """Give what is in the objects, to compare; None where it is too much to look at."""
        copies = map(self._memory.before, values)
        tables = {number: copy for number, copy in enumerate(copies) if copy is not None}
        encoded = self._encoded(values, tables)
        return None if encoded is None else Content(tables, *encoded)

    def _encoded(self, values: list[Any], tables: dict[int, Any]) -> tuple[str, list[bytes]] | None:
        """Encode what is in the objects other than those tables."""
        if len(tables) == len(values):
            return "", []
        known = {id(value): number for number, value in enumerate(values)}
        encoder = RoomEncoder(self._registry, self._bounds, known=known)
        others = [value for number, value in enumerate(values) if number not in tables]
        try:
            text = to_json([encoder.content(value) for value in others])
        except (TooLargeError, ValueError, RecursionError):
            return None
        return text, [bytes(blob) for blob in encoder.blobs]

    def has_changed(self, values: list[Any], before: Content) -> bool:
        """Say whether other things are in the objects now than there were."""
        for number, table in before.tables.items():
            if not is_same_table(values[number], table):
                return True
        encoded = self._encoded(values, before.tables)
        return encoded is not None and encoded != (before.text, before.blobs)

    def report(
        self, reply: dict[str, Any], encoder: RoomEncoder, made: list[Any], before: Content | None
    ) -> None:
        """Add to a reply what has changed, and what was kept."""
        if changes := self.changes(made, before, encoder):
            reply["ch"] = changes
        if changes := self.later_changes(encoder):
            reply["later"] = changes
        if made and (kept := self.keep(dict(enumerate(made)))):
            reply["keep"] = kept

    def changes(self, made: list[Any], before: Content | None, encoder: RoomEncoder) -> list[Json]:
        """Give what is in the arguments now, if it isn't what was."""
        if not made or before is None or not self.has_changed(made, before):
            return []
        return [[number, encoder.content(value)] for number, value in enumerate(made)]

    def follow(self, number: int, new: Any) -> Any:
        """Bring a container of both rooms up to date; give it, or the new one if it isn't known."""
        value, _ = self._kept.get(number, (None, None))
        if type(value) is not type(new):
            return new
        try:
            apply_change(value, new)
        except WireError:  # an array of another shape is another array
            return new
        self._kept[number] = value, self.content([value])
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
        if (len(value) if isinstance(value, _TABLES) else _size(value)) > _SHARED_ITEMS:
            return None
        if not named and sys.getrefcount(value) <= _OWN_REFERENCES + _ASKING_REFERENCES:
            return None
        self._add(value)
        return self._next - 1

    def _add(self, value: Any) -> None:
        self._kept[self._next] = value, self.content([value])
        self._next += 1

    def later_changes(self, encoder: RoomEncoder, *, most: int = _KEPT_NUMBERS) -> list[Json]:
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
            if _size(value) > most:
                continue
            if sys.getrefcount(value) <= _OWN_REFERENCES:  # nobody else has it: looked at once more
                del self._kept[key]
            if (
                _size(value) > most
                or _is_large(value)
                or (before and not self.has_changed([value], before))
            ):
                continue
            after = self.content([value])
            if after is not None:
                changes.append([key, encoder.content(value)])
                if key in self._kept:
                    self._kept[key] = value, after
        return changes

    def keep(self, made: dict[int, Any]) -> list[int]:
        """Watch from now on the small containers that something else refers to by now."""
        kept: list[int] = []
        for number in sorted(made):  # `items` would hold on to the value as well
            value = made[number]
            if type(value) not in _KEPT_TYPES or sys.getrefcount(value) <= _MADE_REFERENCES:
                continue
            if any(known is value for known, _ in self._kept.values()):
                continue
            if len(kept) < _KEPT_EACH and not _is_large(value):
                kept.append(number)
                self._add(value)
        while len(self._kept) > _KEPT:
            del self._kept[next(iter(self._kept))]
        self._spare_tables()
        return kept

    def _spare_tables(self) -> None:
        """Look no more at the tables that were kept first, where all of them are too much."""
        left = _ALL_CELLS
        for key in [*reversed(self._kept)]:
            value, _ = self._kept[key]
            left -= _size(value) if isinstance(value, _TABLES) else 0
            if left < 0 and isinstance(value, _TABLES):
                del self._kept[key]


def _size(value: Any) -> int:
    if type(value) is np.ndarray or isinstance(value, _TABLES):
        return int(value.size)
    return 1 if type(value) in _GENERATORS else len(value)


def _is_large(value: Any) -> bool:
    """Say whether looking at a container with every question would take too long."""
    if isinstance(value, _TABLES):
        return _size(value) > _KEPT_CELLS
    return _size(value) > (_KEPT_NUMBERS if type(value) is np.ndarray else _KEPT_ITEMS)
