"""Which of the examiner's arguments student code has changed, during a call or later.

Arguments are copies; in one process they would be the test's own objects. What student code does
to them is found by looking at their content before and after, and told to the examiner's room,
which does the same to the originals.
"""

from dataclasses import dataclass
from typing import Any

from autograder.student_kept import KeptContainers
from autograder.student_objects import Registry, RoomEncoder
from autograder.wire import Bounds, to_json
from autograder.wire_tables import TableMemory, is_same_table
from autograder.wire_values import Json, TooLargeError

__all__ = ["Arguments", "Content"]


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
        self.kept = KeptContainers(self.content, self.has_changed)
        registry.follow = self.kept.follow

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
        if changes := self.kept.later_changes(encoder):
            reply["later"] = changes
        if self.kept.take_lost():
            reply["lost"] = 1
        if made and (kept := self.kept.keep(dict(enumerate(made)))):
            reply["keep"] = kept

    def changes(self, made: list[Any], before: Content | None, encoder: RoomEncoder) -> list[Json]:
        """Give what is in the arguments now, if it isn't what was."""
        if not made or before is None or not self.has_changed(made, before):
            return []
        return [[number, encoder.content(value)] for number, value in enumerate(made)]
