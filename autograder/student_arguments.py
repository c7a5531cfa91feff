"""Which of the examiner's arguments student code has changed, during a call or later.

Arguments are copies; in one process they would be the test's own objects. What student code does
to them is found by looking at their content before and after, and told to the examiner's room,
which does the same to the originals. A small container that student code has kept is looked at
after every later question too, for a test that hands over a log and reads it in the end.
"""

import collections
import sys
from typing import Any

from autograder.student_objects import Registry, RoomEncoder
from autograder.wire import Bounds, to_json
from autograder.wire_values import Json, TooLargeError

__all__ = ["Arguments"]

Content = tuple[str, list[bytes]]
_KEPT = 32
_KEPT_EACH = 4
_KEPT_ITEMS = 500
# References to a decoded argument that nobody has kept: the decoder's list (or the tuple of what
# is kept), the loop variable and the argument of ``getrefcount``.
_OWN_REFERENCES = 3
_KEPT_TYPES = (list, dict, set, bytearray, collections.deque, collections.defaultdict)


class Arguments:
    """Watches the mutable objects that the examiner handed over."""

    def __init__(self, registry: Registry, bounds: Bounds) -> None:
        self._registry = registry
        self._bounds = bounds
        self._kept: dict[int, tuple[Any, Content | None]] = {}
        self._next = 0

    def content(self, values: list[Any]) -> Content | None:
        """Give what is in the objects, to compare; None where it is too much to look at."""
        known = {id(value): number for number, value in enumerate(values)}
        encoder = RoomEncoder(self._registry, self._bounds, known=known)
        try:
            text = to_json([encoder.content(value) for value in values])
        except (TooLargeError, ValueError, RecursionError):
            return None
        return text, [bytes(blob) for blob in encoder.blobs]

    def report(
        self, reply: dict[str, Any], encoder: RoomEncoder, made: list[Any], before: Content | None
    ) -> None:
        """Add to a reply what has changed, and what was kept."""
        if made and before is not None:
            after = self.content(made)
            if after is not None and after != before:
                reply["ch"] = [[n, encoder.content(value)] for n, value in enumerate(made)]
        if self._kept and (changes := self._later_changes(encoder)):
            reply["later"] = changes
        if made and (kept := self._keep(made)):
            reply["keep"] = kept

    def _later_changes(self, encoder: RoomEncoder) -> list[Json]:
        changes: list[Json] = []
        for key, (value, before) in list(self._kept.items()):
            if sys.getrefcount(value) <= _OWN_REFERENCES:  # by now nobody else has it
                del self._kept[key]
                continue
            after = self.content([value]) if len(value) <= _KEPT_ITEMS else None
            if after is not None and after != before:
                changes.append([key, encoder.content(value)])
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
