"""Which of the examiner's arguments student code has changed, during a call or later.

Arguments are copies; in one process they would be the test's own objects. What student code does
to them is found by looking at their content before and after, and told to the examiner's room,
which does the same to the originals. A small container that student code has kept is looked at
after every later question too, for a test that hands over a log and reads it in the end.
"""

import collections
import sys
from dataclasses import dataclass
from typing import Any

from autograder.student_objects import Registry, RoomEncoder
from autograder.wire import Bounds, to_json
from autograder.wire_tables import TableMemory, is_flat_table, is_same_table
from autograder.wire_values import Json, TooLargeError

__all__ = ["Arguments"]

_KEPT = 32
_KEPT_EACH = 4
_KEPT_ITEMS = 500
# References to a decoded argument that nobody has kept: the decoder's list (or the tuple of what
# is kept), the loop variable and the argument of ``getrefcount``.
_OWN_REFERENCES = 3
_KEPT_TYPES = (list, dict, set, bytearray, collections.deque, collections.defaultdict)


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

    def content(self, values: list[Any]) -> Content | None:
        """Give what is in the objects, to compare; None where it is too much to look at."""
        before = self._memory.before
        tables = {n: before(value) for n, value in enumerate(values) if is_flat_table(value)}
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

    def _has_changed(self, values: list[Any], before: Content) -> bool:
        """Say whether other things are in the objects now."""
        for number, table in before.tables.items():
            if not is_same_table(values[number], table):
                return True
        encoded = self._encoded(values, before.tables)
        return encoded is not None and encoded != (before.text, before.blobs)

    def report(
        self, reply: dict[str, Any], encoder: RoomEncoder, made: list[Any], before: Content | None
    ) -> None:
        """Add to a reply what has changed, and what was kept."""
        if made and before is not None and self._has_changed(made, before):
            reply["ch"] = [[n, encoder.content(value)] for n, value in enumerate(made)]
        if self._kept and (changes := self._later_changes(encoder)):
            reply["later"] = changes
        if made and (kept := self._keep(made)):
            reply["keep"] = kept

    def _later_changes(self, encoder: RoomEncoder) -> list[Json]:
        changes: list[Json] = []
        for key, (value, before) in list(self._kept.items()):
            if sys.getrefcount(value) <= _OWN_REFERENCES:  # nobody else has it: looked at once more
                del self._kept[key]
            if len(value) > _KEPT_ITEMS or (before and not self._has_changed([value], before)):
                continue
            after = self.content([value])
            if after is not None:
                changes.append([key, encoder.content(value)])
                if key in self._kept:
                    self._kept[key] = value, after
        return changes

    def _keep(self, made: list[Any]) -> list[int]:
        """Watch from now on the small containers that something else refers to by now."""
        kept: list[int] = []
        for number, value in enumerate(made):
            if type(value) not in _KEPT_TYPES or sys.getrefcount(value) <= _OWN_REFERENCES:
                continue
            if len(kept) < _KEPT_EACH and len(value) <= _KEPT_ITEMS:
                kept.append(number)
                self._kept[self._next] = value, self.content([value])
                self._next += 1
        while len(self._kept) > _KEPT:
            del self._kept[next(iter(self._kept))]
        return kept
