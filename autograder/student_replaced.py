"""What a test has put in a module's or class's place for a name, and what stood there before.

Python's own names stand for it while answers run only: what runs beside them here uses those names
too.
"""

import builtins
from typing import Any

from autograder.dotted import find_dotted

__all__ = ["Replaced"]

_NOTHING = object()


class Replaced:
    """The names of modules and classes that a test has bound anew in this room."""

    def __init__(self) -> None:
        self._originals: dict[tuple[str, str], Any] = {}
        self._pythons: dict[str, tuple[Any, ...]] = {}
        self._own: dict[str, Any] = {}
        self._is_on = False

    def put(self, place: str, name: str, *value: Any) -> None:
        """Bind a name there to a value, or to none at all.

        Parameters
        ----------
        place : str
            The dotted name of a module, or of a class within one.
        name : str
            What is bound anew.
        *value : object
            To what; without one the name is deleted.
        """
        if place == "builtins":
            self._pythons[name] = value
            return
        found = find_dotted(place)
        own = vars(found).get(name, _NOTHING)
        self._originals.setdefault((place, name), own)
        if value:
            setattr(found, name, value[0])
        elif own is not _NOTHING:
            delattr(found, name)

    def put_back(self, place: str, name: str) -> None:
        """Give a name back what it stood for before."""
        if place == "builtins":
            self._pythons.pop(name, None)
            return
        original = self._originals.pop((place, name), self)
        if original is self:
            return
        found = find_dotted(place)
        if original is not _NOTHING:
            setattr(found, name, original)
        elif name in vars(found):
            delattr(found, name)

    def in_force(self, *, on: bool = True) -> "_Force":
        """Have Python's own names stand for what a test has put there, or for themselves."""
        return _Force(self, on=on)

    def turn(self, *, on: bool) -> bool:
        """Have it so from now on, and say how it was."""
        if on == self._is_on:
            return on
        self._is_on = on
        if not on:
            for name, own in self._own.items():
                _bind(name, *(() if own is _NOTHING else (own,)))
            self._own.clear()
            return True
        for name, value in self._pythons.items():
            self._own[name] = vars(builtins).get(name, _NOTHING)
            _bind(name, *value)
        return False


class _Force:
    """A context in which the names stand for one or the other.

    ``contextlib`` would leave one with ``next``, which is such a name.
    """

    def __init__(self, replaced: Replaced, *, on: bool) -> None:
        self._replaced, self._on, self._was_on = replaced, on, on

    def __enter__(self) -> None:
        self._was_on = self._replaced.turn(on=self._on)

    def __exit__(self, *_: object) -> None:
        self._replaced.turn(on=self._was_on)


def _bind(name: str, *value: Any) -> None:
    if value:
        setattr(builtins, name, value[0])
    else:
        vars(builtins).pop(name, None)
