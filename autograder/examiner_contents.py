"""What is in an object of the student's that isn't a list, and could be another thing each time.

``zip(path, path[1:])`` and ``sorted(found)`` look at the same list three times. An object of a
class that nobody asked for might have other items at its places than it is gone through by, or
give others the next time. What it has given in a test cell is held against what it gives from then
on, until something is done that may change it.
"""

import pickle
from collections.abc import Callable
from itertools import islice
from typing import Any

from autograder.handles import HandleError, number_of

__all__ = ["Contents"]

_REMEMBERED = 1_000


class _Given:
    """What one object has given: its first items, whether these are all, and what lay where."""

    def __init__(self, moment: int, handle: Any) -> None:
        self.moment, self.handle = moment, handle
        self.items: list[Any] = []
        self.is_all = False
        self.places: dict[int, Any] = {}


class Contents:
    """The items that strange objects have given in one test cell.

    Parameters
    ----------
    is_strange : callable
        Says whether an object is of a class of the student's that the lab doesn't ask for.
    is_mapping : callable
        Says whether an object's items lie under keys, and it is gone through by these.
    moment : callable
        Counts what may have changed objects.
    refuse : callable
        Makes the error for an object, from the object and what is wrong with it.
    """

    def __init__(
        self,
        is_strange: Callable[[Any], bool],
        is_mapping: Callable[[Any], bool],
        moment: Callable[[], int],
        refuse: Callable[[Any, str], HandleError],
    ) -> None:
        self._is_strange, self._is_mapping = is_strange, is_mapping
        self._moment, self._refuse = moment, refuse
        self._given: dict[int, _Given] = {}
        self._known: dict[int, tuple[Any, bool, bool]] = {}

    def begin(self) -> None:
        """Start a test cell."""
        self._given.clear()
        self._known.clear()

    def gives(self, handle: Any, place: int, item: Any) -> None:
        """Hold an object to the item that it gives when it is gone through."""
        if (given := self._of(handle)) is None:
            return
        if place < len(given.items):
            self._hold(handle, given.items[place], item)
        elif given.is_all:
            raise self._refuse(handle, f"contradicts itself ({place} items, and then more)")
        else:
            given.items.append(item)
        if place in given.places:
            self._hold(handle, given.places[place], item)

    def ends(self, handle: Any, count: int) -> None:
        """Hold an object to the number of its items."""
        if (given := self._of(handle)) is None:
            return
        if count < len(given.items):
            told = f"{len(given.items)} items, and then {count}"
            raise self._refuse(handle, f"contradicts itself ({told})")
        given.is_all = True

    def lies_at(self, handle: Any, key: Any, item: Any) -> None:
        """Hold an object to what it has at a place, or between two."""
        if type(key) not in (int, slice) or (given := self._of(handle)) is None:
            return
        if not hasattr(type(handle), "__iter__") or self._known[number_of(handle) or 0][2]:
            if type(key) is int:
                self._hold(handle, given.places.setdefault(key, item), item)
            return
        wanted = key + 1 if type(key) is int and key >= 0 else None
        if not given.is_all and (wanted is None or wanted > len(given.items)):
            for _ in islice(iter(handle), wanted):  # which takes note of them
                pass
            given = self._of(handle) or given
        if type(key) is slice:
            self._hold_all(handle, given.items[key], item)
        elif -len(given.items) <= key < len(given.items):
            self._hold(handle, given.items[key], item)

    def _hold_all(self, handle: Any, known: list[Any], part: Any) -> None:
        try:
            found = list(part)
        except TypeError:  # of what can't be gone through, nothing can be said
            return
        if len(found) != len(known):
            raise self._refuse(handle, f"contradicts itself ({len(known)} items: {len(found)})")
        for before, now in zip(known, found, strict=True):
            self._hold(handle, before, now)

    def _hold(self, handle: Any, before: Any, now: Any) -> None:
        if not _is_alike(before, now):
            raise self._refuse(handle, "contradicts itself (another item at the same place)")

    def _of(self, handle: Any) -> _Given | None:
        """Give what an object has given since something may have changed it; None of others."""
        number, moment = number_of(handle) or 0, self._moment()
        if number not in self._known:
            if len(self._known) >= _REMEMBERED:
                self.begin()
            is_strange = self._is_strange(handle)
            self._known[number] = handle, is_strange, is_strange and self._is_mapping(handle)
        if not self._known[number][1]:
            return None
        given = self._given.get(number)
        if given is None or given.moment != moment:
            given = self._given[number] = _Given(moment, handle)
        return given


def _is_alike(one: Any, other: Any) -> bool:
    """Say whether two items are the same, as far as that can be told."""
    if one is other:
        return True
    if number_of(one) is not None or number_of(other) is not None:
        return False
    try:
        return pickle.dumps(one) == pickle.dumps(other)
    except Exception:
        return type(one) is type(other)
