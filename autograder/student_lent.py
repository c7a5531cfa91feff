"""Which containers that the test's objects gave student code has changed, while a question is open.

A test's object that is called, or asked for an attribute, gives a copy of what it has. In one
process it would be the very list or array: an optimiser changes the weights of a model in place.
What changed is told with the next use of a test's object and with the answer. What nobody here
holds any more is looked at once and let go.
"""

import sys
from collections.abc import Sequence
from typing import Any

from autograder.student_arguments import Arguments, Content
from autograder.student_kept import size_of
from autograder.student_objects import RoomEncoder
from autograder.wire_values import Json

__all__ = ["Lent"]

# References to a container that nobody else holds: the tuple, the variable and the argument of
# ``getrefcount``.
_OWN_REFERENCES = 3
# How often something is looked at before the answer: where nothing has changed yet, and else.
_LOOKS, _MORE_LOOKS = 2_000, 50_000


class Lent:
    """The containers that came with the replies of the test's objects.

    Parameters
    ----------
    arguments : Arguments
        Compares what is in containers with what was.
    """

    def __init__(self, arguments: Arguments) -> None:
        self._arguments = arguments
        self._held: dict[int, tuple[Any, Content]] = {}
        self._unseen: list[int] = []
        self._gone: list[Any] = []
        self._looks = 0
        self._was_changed = False
        self._fixed: set[int] = set()

    def join(self, first: int, made: Sequence[Any], *, may_change: bool) -> None:
        """Watch what a reply brought; the examiner's room numbers it from ``first`` on.

        What mustn't be changed is watched for this question only, for the test to know of it.
        """
        if not may_change:
            self._fixed.update(range(first, first + len(made)))
        for place, value in enumerate(made):
            content = self._arguments.content([value])
            if content is None:
                self._unseen.append(first + place)
            else:
                self._held[first + place] = value, content

    def value(self, number: int) -> Any:
        """Give a container that is watched; None where it isn't."""
        return self._held.get(number, (None,))[0]

    def look(self, number: int) -> None:
        """Take note of what is in a container now."""
        if number in self._held:
            value, before = self._held[number]
            self._held[number] = value, self._arguments.content([value]) or before

    def to_keep(self) -> dict[int, Any]:
        """Give the containers that may be changed later too, by their numbers."""
        return {n: value for n, (value, _) in self._held.items() if n not in self._fixed}

    def numbers(self) -> dict[int, int]:
        """Give the number of each container by its identity."""
        return {id(value): number for number, (value, _) in self._held.items()}

    def changes(self, encoder: RoomEncoder, *, all_of_them: bool = False) -> list[Json]:
        """Give what is in the containers that have changed; let go of what nobody holds."""
        changes: list[Json] = []
        self._gone = []  # until now no other object may have had their identities
        for number, (value, before) in list(self._held.items()):
            is_held = sys.getrefcount(value) > _OWN_REFERENCES
            if not is_held:
                del self._held[number]
                self._unseen.append(number)
                self._gone.append(value)
            elif not all_of_them and self._looks > (_MORE_LOOKS if self._was_changed else _LOOKS):
                continue
            self._looks += 1 + size_of(value) // 1_000
            if not self._arguments.has_changed([value], before):
                continue
            self._was_changed = True
            changes.append([number, encoder.content(value)])
            if is_held and (after := self._arguments.content([value])) is not None:
                self._held[number] = value, after
        return changes

    def let_go(self) -> list[int]:
        """Give the numbers that aren't used any more, once."""
        numbers, self._unseen = self._unseen, []
        return numbers
