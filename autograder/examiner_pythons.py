"""Python's own names in the examiner's room, where a test may put others in their place.

What runs a test, and what asks for it, uses these names too: ``builtins.len = forbidden`` holds for
the lines of test cells and for answers, and for nothing else of this room.
"""

import builtins
from collections.abc import Mapping
from operator import is_, itemgetter
from typing import Any

from autograder.shell import RoomShell

__all__ = ["Aside", "ExaminerShell", "Pythons"]

_MISSING = object()
_OF_CELLS = frozenset({"exit", "quit"})
"""What IPython itself hides while a cell runs."""


class Aside:
    """What a test has put in place of Python's own names, while it isn't there.

    Parameters
    ----------
    found : mapping of str to object
        What was taken away.
    held : dict of str to object, optional
        Where that is looked up meanwhile.
    """

    def __init__(self, found: Mapping[str, Any], held: dict[str, Any] | None = None) -> None:
        self._found, self._held = found, held

    def put_back(self) -> None:
        """Have the names stand for that again."""
        if not self._found:
            return
        for name, value in self._found.items():
            if value is _MISSING:
                delattr(builtins, name)
            else:
                setattr(builtins, name, value)
        if self._held is not None:
            self._held.clear()


class Pythons:
    """What Python's own names stand for before any test has changed that.

    Examples
    --------
    >>> pythons = Pythons()
    >>> builtins.ascii = repr
    >>> aside = pythons.take()
    >>> builtins.ascii is repr, pythons.now("ascii") is repr
    (False, True)
    >>> aside.put_back()
    >>> builtins.ascii is repr
    True
    >>> _ = pythons.take()
    """

    def __init__(self) -> None:
        self._own = [told for told in vars(builtins).items() if told[0] not in _OF_CELLS]
        self._values = [own for _, own in self._own]
        self._look_up = itemgetter(*(name for name, _ in self._own))
        self._held: dict[str, Any] = {}

    def take(self) -> Aside:
        """Have the names stand for themselves."""
        here = vars(builtins)
        if self._is_untouched(here):
            return _NOTHING
        found = {
            name: here.get(name, _MISSING)
            for name, own in self._own
            if here.get(name, _MISSING) is not own
        }
        here.update((name, own) for name, own in self._own if name in found)
        self._held.update(found)
        return Aside(found, self._held)

    def _is_untouched(self, here: Mapping[str, Any]) -> bool:
        try:
            return all(map(is_, self._look_up(here), self._values))
        except KeyError:
            return False

    def now(self, name: str, missing: Any = None) -> Any:
        """Give what a name stands for in the lines of tests, or ``missing``."""
        found = self._held.get(name, vars(builtins).get(name, _MISSING))
        return missing if found is _MISSING else found


_NOTHING = Aside({})


class ExaminerShell(RoomShell):
    """A shell in which Python's own names stand for others in a cell's statements alone."""

    pythons: Pythons | None = None
    _left = _NOTHING

    async def run_code(self, *args: Any, **names: Any) -> Any:
        """Run a statement with what those before have put there."""
        self._left.put_back()
        try:
            return await super().run_code(*args, **names)  # type: ignore[no-untyped-call]
        finally:
            self._left = self._take()

    def showtraceback(self, *args: Any, **names: Any) -> None:
        """Show an exception as Python does."""
        aside = self._take()
        try:
            super().showtraceback(*args, **names)
        finally:
            aside.put_back()

    def _take(self) -> Aside:
        return _NOTHING if self.pythons is None else self.pythons.take()
