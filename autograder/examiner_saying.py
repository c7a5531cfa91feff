"""What a student's object says of itself, held against what else it says.

``len(found) == 3`` and then ``for a, b in zip(found, expected)`` is how a test looks at a list. An
object could say three and give nothing. So what was said of length, truth and items stays said
until something is done that may change the object; what doesn't agree with it is refused. And an
object whose class the student derived from a plain type, which the lab doesn't ask for, is looked
at as the plain value that it is.
"""

from collections.abc import Callable
from typing import Any

from autograder.handles import HandleError, base_of, number_of

__all__ = ["Sayings"]

_QUIET = frozenset(
    {
        *("len", "bool", "iter", "next", "item", "contains", "plain", "ancestry", "mro", "can"),
        *("isinstance", "issubclass", "look", "name", "given", "str", "repr", "format", "dir"),
        *(
            "signature",
            "defined",
            "cwd",
            "files",
            "folder",
            "read",
            "write",
            "states",
            "seed",
            "get",
        ),
        *("module", "special", "hashable"),
    }
)
"""Questions that leave objects as they are."""
_READING: dict[str, frozenset[str]] = {
    **{
        kind.__name__: frozenset(name for name in dir(kind) if not name.startswith("_"))
        for kind in (int, float, complex, str, bytes, frozenset)
    },
    "list": frozenset({"count", "index", "copy"}),
    "dict": frozenset({"items", "keys", "values", "get", "copy"}),
    "set": frozenset(dir(frozenset)) - frozenset(dir(object)),
}
"""What plain values are asked that changes nothing, by the name of their type."""
_VALUES = frozenset({*_READING, "tuple"})
_REMEMBERED = 1_000


class Sayings:
    """What the objects of the student's room have said of themselves in one test cell.

    Parameters
    ----------
    ask : callable
        Asks the student's room.
    is_strange : callable
        Says whether an object is of a class of the student's that the lab doesn't ask for.
    is_asked_for : callable
        Says whether the lab asks for the class of an object.
    refuse : callable
        Makes the error for an object, from the object and what is wrong with it.
    """

    def __init__(
        self,
        ask: Callable[..., Any],
        is_strange: Callable[[Any], bool],
        is_asked_for: Callable[[Any], bool],
        refuse: Callable[[Any, str], HandleError],
    ) -> None:
        self._ask, self._refuse = ask, refuse
        self._is_strange, self._is_asked_for = is_strange, is_asked_for
        self._moment = 0
        self._said: dict[int, tuple[int, Any, dict[str, int]]] = {}
        self._values: dict[int, tuple[int, Any, Any]] = {}
        self._strange: dict[int, tuple[int, Any, bool]] = {}
        self._steps: dict[int, int] = {}

    @property
    def moment(self) -> int:
        """The count of what may have changed objects."""
        return self._moment

    def begin(self) -> None:
        """Start a test cell."""
        for known in (self._said, self._values, self._strange, self._steps):
            known.clear()

    def asking(self, op: str) -> None:
        """Note a question that is about to be asked."""
        if op not in _QUIET:
            self._moment += 1

    def value_of(self, handle: Any) -> Any:
        """Give the plain value of an object of a class derived from a plain type."""
        return self._remembered(self._values, handle, self._plain)

    def has_value(self, handle: Any) -> bool:
        """Say whether an object's class is derived from a plain type, as its room says."""
        return base_of(handle) in _VALUES

    def is_value(self, handle: Any) -> bool:
        """Say whether an object is looked at as a plain value."""
        return self.has_value(handle) and self._remembered(self._strange, handle, self._is_strange)

    def reads(self, handle: Any, name: str) -> bool:
        """Say whether an attribute is that of the plain value which an object is."""
        return name in _READING.get(base_of(handle) or "", ()) and self.is_value(handle)

    def hold(self, handle: Any, what: str, amount: int) -> None:
        """Take note of a length, a truth or a number of items, unless it contradicts another.

        Raises
        ------
        HandleError
            If it does, and the lab doesn't ask for the object's class.
        """
        number = number_of(handle) or 0
        if what != "items" and self._steps.get(number):
            return  # of an iterator on its way it says nothing
        moment, _, said = self._said.get(number, (-1, None, {}))
        said = said if moment == self._moment else {}
        if not _agrees(what, amount, said) and not self._is_asked_for(handle):
            raise self._refuse(handle, f"contradicts itself ({_told(said | {what: amount})})")
        self._remember(self._said, number, (self._moment, handle, said | {what: amount}))

    def is_old(self, handle: Any) -> bool:
        """Say whether an object told its length before something that may have changed it."""
        moment, _, said = self._said.get(number_of(handle) or 0, (self._moment, None, {}))
        return moment != self._moment and "length" in said

    def hold_place(self, handle: Any, key: Any) -> None:
        """Refuse that an object has no item at a place within the length that it has told."""
        moment, _, said = self._said.get(number_of(handle) or 0, (-1, None, {}))
        within = type(key) is int and moment == self._moment and 0 <= key < said.get("length", 0)
        if within and not self._is_asked_for(handle):
            raise self._refuse(handle, f"contradicts itself ({_told(said)}, and no item {key})")

    def step(self, handle: Any) -> None:
        """Count an item that an iterator gave."""
        number = number_of(handle) or 0
        self._steps[number] = self._steps.get(number, 0) + 1

    def end(self, handle: Any) -> None:
        """Hold an iterator that has ended to what it gave."""
        steps = self._steps.get(number_of(handle) or 0, 0)
        if number_of(handle) in self._said:
            self.hold(handle, "items", steps)
            self._said.pop(number_of(handle) or 0, None)
        self._steps[number_of(handle) or 0] = steps + 1  # it isn't at its beginning any more

    def _plain(self, handle: Any) -> Any:
        value = self._ask("plain", handle)
        if type(value).__name__ != base_of(handle):
            raise self._refuse(handle, "gives no plain value of its own")
        return value

    def _remembered(self, known: dict[int, Any], handle: Any, find: Callable[[Any], Any]) -> Any:
        number = number_of(handle) or 0
        moment, _, found = known.get(number, (-1, None, None))
        if moment != self._moment:
            found = find(handle)
            self._remember(known, number, (self._moment, handle, found))
        return found

    @staticmethod
    def _remember(known: dict[int, Any], number: int, entry: Any) -> None:
        if len(known) >= _REMEMBERED:
            known.clear()
        known[number] = entry


def _agrees(what: str, amount: int, said: dict[str, int]) -> bool:
    match what:
        case "length":
            return amount == said.get("length", amount) == said.get("items", amount)
        case "truth":
            return amount == said.get("truth", amount) and (not amount or said.get("items") != 0)
        case _:
            return amount == said.get("length", amount) and bool(amount or not said.get("truth"))


def _told(said: dict[str, int]) -> str:
    words = {"truth": ("it's false", "it's true"), "length": "its length is", "items": "items:"}
    return ", ".join(
        words["truth"][bool(amount)] if what == "truth" else f"{words[what]} {amount}"
        for what, amount in said.items()
    )
