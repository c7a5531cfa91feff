"""What a test has put in a module's or class's place for a name, and what stood there before."""

from typing import Any

from autograder.dotted import find_dotted

__all__ = ["Replaced"]

_NOTHING = object()


class Replaced:
    """The names of modules and classes that a test has bound anew in this room."""

    def __init__(self) -> None:
        self._originals: dict[tuple[str, str], Any] = {}

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
        found = find_dotted(place)
        own = vars(found).get(name, _NOTHING)
        self._originals.setdefault((place, name), own)
        if value:
            setattr(found, name, value[0])
        elif own is not _NOTHING:
            delattr(found, name)

    def put_back(self, place: str, name: str) -> None:
        """Give a name back what it stood for before."""
        original = self._originals.pop((place, name), self)
        if original is self:
            return
        found = find_dotted(place)
        if original is not _NOTHING:
            setattr(found, name, original)
        elif name in vars(found):
            delattr(found, name)
