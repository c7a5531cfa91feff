"""The mutable objects that the student's room got copies of while a question is open.

Those that went with the question, and those that the test's own objects gave when student code
used them. The other room speaks of them by their places here: it has changed one, or gives it back.
What the test's own code does to them meanwhile is brought to that room.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from autograder.wire_looks import is_alike, look_into
from autograder.wire_tables import is_flat_table, is_same_table
from autograder.wire_values import Json, need

__all__ = ["Looks", "Sent"]

# How many of what objects gave are followed at a time, and how much was in them.
_MOST = 256
_ITEMS = 500_000
_ITEMS_ONCE = 100_000
# How many items are looked at during a question, and what each container counts beside.
_LOOKS, _EACH = 20_000_000, 1_000


class Sent(list[Any]):
    """Objects of the test's, each at its number; ``None`` where one isn't spoken of any more."""

    def __init__(self, objects: Sequence[Any]) -> None:
        super().__init__(objects)
        self._fixed: set[int] = set()
        sizes = {number: _size(value) for number, value in enumerate(objects)}
        self._sizes = {number: size for number, size in sizes.items() if size <= _ITEMS_ONCE}
        self._items = sum(self._sizes.values())
        self._looks = 0
        self._seen: dict[int, Any] = {}

    def may_change(self, number: int) -> bool:
        """Say whether what the other room does to an object is done to it here."""
        return number not in self._fixed

    def join(self, given: Sequence[Any], *, may_change: bool) -> int | None:
        """Follow what one of the test's objects gave; say from which number on, if at all."""
        sizes = [_size(value) for value in given]
        too_much = self._items + sum(sizes) > _ITEMS
        if not given or too_much or len(self._sizes) + len(given) > _MOST:
            return None
        first = len(self)
        self.extend(given)
        if not may_change:
            self._fixed.update(range(first, len(self)))
        self._sizes.update(enumerate(sizes, first))
        self._items += sum(sizes)
        return first

    def let_go(self, numbers: Json) -> None:
        """Forget what the other room doesn't hold any more."""
        if numbers is None:
            return
        need(type(numbers) is list, "what is let go")
        for number in numbers:
            need(type(number) is int and number in self._sizes, "what is let go")
            self._items -= self._sizes.pop(number)
            self.look_again(number)
            self[number] = None

    def looks(self) -> dict[int, Any]:
        """Give what both rooms know to be in each; nothing where it is too much to look at."""
        if self._items > _ITEMS or self._looks > _LOOKS:
            return {}
        self._looks += self._items + _EACH * len(self._sizes)
        for number in self._sizes.keys() - self._seen.keys():
            self._seen[number] = _look(self[number])
        return self._seen

    def look_again(self, number: int) -> None:
        """Forget what was in an object, as both rooms know what is in it now."""
        self._seen.pop(number, None)


class Looks:
    """What is in containers of both rooms before the test's own code runs.

    Parameters
    ----------
    sent : Sent
        The test's, of which the student's room has copies.
    handed : sequence
        Copies of the student's, which the test's code is called with.
    """

    def __init__(self, sent: Sent, handed: Sequence[Any]) -> None:
        self._sent, self._handed = sent, handed
        self._now = sent.looks()
        much = sum(map(_size, handed)) > _ITEMS_ONCE
        self._back = {} if much else {n: _look(value) for n, value in enumerate(handed)}

    def known(self) -> dict[int, int]:
        """Give by its identity the number of each container of the test's that was looked into."""
        return {id(self._sent[number]): number for number in self._now}

    def news(self, encoder: Any) -> dict[str, Json]:
        """Tell what is in those in which there is something else now."""
        now = _changed(self._now, self._sent)
        for number, _ in now:
            self._sent.look_again(number)
        found = ("now", now), ("back", _changed(self._back, self._handed))
        return {
            name: [[number, encoder.content(value)] for number, value in changed]
            for name, changed in found
            if changed
        }


def _look(value: Any) -> Any:
    """Give what is in a container, to compare with: of a flat table a copy, which is cheap."""
    return value.copy() if is_flat_table(value) else look_into(value)


def _changed(looks: dict[int, Any], values: Sequence[Any]) -> list[tuple[int, Any]]:
    return [
        (number, values[number]) for number, look in looks.items() if _is_new(look, values[number])
    ]


def _is_new(look: Any, value: Any) -> bool:
    if isinstance(look, list):
        return not is_alike(look, look_into(value))
    return type(value) is not type(look) or not is_same_table(value, look)


def _size(value: Any) -> int:
    if isinstance(value, (np.ndarray, pd.DataFrame, pd.Series)):
        return int(value.size)
    try:
        return len(value)
    except TypeError:  # a generator of random numbers
        return 1
