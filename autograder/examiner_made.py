"""What the examiner's room has made by statements of locked cells, and what must go together.

An object and its class must be of one room: a test may ask whether the one is of the other. Where
one of them is left to the student's room after all, the others of its kin are as well.
"""

from collections.abc import Iterable, Set

__all__ = ["Made"]


class Made:
    """The names of what was made here, each with all the names that its statement speaks of."""

    def __init__(self) -> None:
        self._of: dict[str, frozenset[str]] = {}

    def note(self, names: Iterable[str], of: frozenset[str]) -> None:
        """Note that names are bound to what was made of others."""
        self._of |= dict.fromkeys(names, of)

    def forget(self, names: Set[str]) -> None:
        """Leave names to the student's room."""
        for name in names:
            self._of.pop(name, None)

    def objects_of(self, classes: Set[str]) -> set[str]:
        """Give the names of what may hold objects of some of these classes."""
        return {name for name, of in self._of.items() if classes & of}

    def kin(self, names: Set[str], classes: Set[str]) -> set[str]:
        """Add to names the classes that their objects may be of, and what has objects of those.

        Examples
        --------
        >>> made = Made()
        >>> made.note(["case"], frozenset({"Case"}))
        >>> made.note(["cases"], frozenset({"Case", "range"}))
        >>> sorted(made.kin({"case"}, {"Case", "Judge"}))
        ['Case', 'case', 'cases']
        """
        found: set[str] = set(names)
        while True:
            kinds = classes & found.union(*(self._of.get(name, ()) for name in found))
            more = found | kinds | self.objects_of(kinds)
            if more == found:
                return found
            found = more
