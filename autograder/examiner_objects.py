"""What stands in the examiner's room for the student's objects, and in theirs for its own.

Handles, classes of errors, coroutines and modules of the student's room, each built once for the
same object; what a test lends is known again when it comes back.
"""

import sys
import weakref
from collections.abc import Callable
from types import CoroutineType
from typing import Any

import numpy as np

from autograder.awaiting import Awaiting
from autograder.examiner_codec import tuple_fields
from autograder.examiner_errors import mirror
from autograder.examiner_lending import Lending
from autograder.examiner_source import PURE_MODULES, lives_in_room
from autograder.examiner_twins import Twins
from autograder.handle_abilities import make_handle
from autograder.handles import number_of
from autograder.wire_abilities import COROUTINE_BIT
from autograder.wire_classes import reaches_memory
from autograder.wire_values import Decoder, Json, need

__all__ = ["RoomObjects", "is_real"]

_VALUE_MODULES = frozenset({"datetime", "decimal", "fractions", "collections", "pathlib"})
_PLAIN = frozenset(
    {
        *(int, float, complex, bool, str, bytes, bytearray, list, tuple, dict, set, frozenset),
        *(range, slice, object, enumerate, zip, reversed, type(None), type(...)),
        type(NotImplemented),
    }
)
"""What makes plain data of whatever it is given: not a function's class, nor `type` or `map`."""
_OF_DATA = _VALUE_MODULES | {
    *("abc", "array", "calendar", "dataclasses", "enum", "graphlib", "ipaddress", "numbers"),
    *("random", "statistics", "string", "time", "typing", "uuid", "zoneinfo"),
}
"""Python's own modules whose classes open, run and reach nothing."""
_POWERFUL = frozenset({"socket", "_socket"})
_DOUBLES = ("unittest", "_pytest", "pytest", "hypothesis", "autograder", "IPython")


def is_real(kind: Any) -> bool:
    """Say whether this is a class of this room, and says something of its objects."""
    return issubclass(type(kind), type) and kind is not object


def _is_ordinary(kind: type) -> bool:
    """Say whether a class is neither a double's nor one of a library of the student's room."""
    return not kind.__module__.startswith(_DOUBLES) and not lives_in_room(kind.__module__)


def _is_powerful(kind: type) -> bool:
    """Say whether an object of a class reaches memory, descriptors or the network by itself."""
    is_other = kind.__module__ in _POWERFUL or kind.__name__ == "FileIO"
    return is_other or reaches_memory(kind)


class RoomObjects:
    """The objects that one room has of the other, as the coding of messages needs them.

    Parameters
    ----------
    link : ExaminerLink
        What handles ask.
    lending : Lending
        The objects of this room that were handed over.
    twins : Twins
        The containers that both rooms have.
    """

    def __init__(self, link: Any, lending: Lending, twins: Twins) -> None:
        self.lending = lending
        self.twins = twins
        self.may_mask = True
        """Whether the lab speaks of arrays with masks."""
        self.given: dict[int, tuple[str, Any]] = {}
        """The objects of locked cells that exist in both rooms, by their ids."""
        self.is_mentioned: Callable[[str], bool] = lambda _: False
        self.is_named: Callable[[Any], bool] = lambda _: False
        self.is_written: Callable[[str], bool] = lambda _: False
        """Whether the lab asks students for a class of that name; libraries read it."""
        self.classes: dict[int, tuple[str, str]] = {}
        """The handles of libraries' classes, and what those are called in the student's room."""
        self._link = link
        self.awaiting = Awaiting(link.ask)
        self._handles: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        self._mirrors: dict[int, type[BaseException]] = {}
        self._coroutines: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self._freed: set[int] = set()

    def free(self, number: int) -> None:
        """Let the student's room forget an object, with the next question."""
        self._freed.add(number)

    def take_freed(self) -> set[int]:
        """Give the numbers of objects that nobody here holds any more; they are told once."""
        freed, self._freed = self._freed, set()
        return freed

    def put_back(self, freed: set[int]) -> None:
        """Tell these with another question: the one they were taken for isn't asked."""
        self._freed |= freed

    def keep(self, error: BaseException) -> int:
        """Number an error of this room, so that it can come back as itself."""
        return self.lending.keep(error)

    def lend(self, value: Any, *, validates: bool = False) -> Json:
        """Hand an object of this room to student code."""
        told = self.lending.lend(value)
        if validates:
            self.lending.validators.add(told[1])
        return told

    def lent(self, number: Json) -> Any:
        """Give back an object that was handed over."""
        return self.lending.own(number)

    def raised(self, number: Json) -> BaseException:
        """Give an error that an object handed over has raised."""
        return self.lending.raised_before(number)

    def given_name(self, value: Any) -> str | None:
        """Name the object of a locked cell that exists in both rooms."""
        known = self.given.get(id(value))
        return known[0] if known is not None and known[1] is value else None

    def given_class(self, name: str) -> Any:
        """Give this room's own class of a locked cell's of that name; None if it has none."""
        found = (value for known, value in self.given.values() if known == name)
        return next((value for value in found if isinstance(value, type)), None)

    def given_tuples(self) -> list[type]:
        """Give this room's own classes of named tuples of locked cells."""
        kinds = (value for _, value in self.given.values() if isinstance(value, type))
        return [kind for kind in kinds if tuple_fields(kind) is not None]

    def is_shared(self, kind: type) -> bool:
        """Say whether a class that student code names is used as this room's own.

        Only value types, errors and what the release or a test imported itself: an object of any
        other class, made here, would be one more that the student chose and nobody looked at. A
        function of a test that calls what it is handed would make it: of code, a function.
        """
        module = kind.__module__
        is_error = issubclass(kind, BaseException) and not module.startswith("autograder")
        if kind in _PLAIN or module in _VALUE_MODULES or is_error:
            return True
        if module.startswith("numpy"):
            return issubclass(kind, np.generic)
        is_python = module.partition(".")[0] in sys.stdlib_module_names
        is_harmless = module in _OF_DATA if is_python else not _is_powerful(kind)
        return is_harmless and self.is_named(kind) and _is_ordinary(kind)

    def may_annotate(self, kind: type) -> bool:
        """Say whether a class that an annotation of the student's names is this room's own.

        A test compares it with its own, which no class decides here that has a say in that. So
        the test names it: of any other, whatever the test does with it, none is made here.
        """
        is_plain = _is_ordinary(kind) and type(kind).__eq__ is type.__eq__
        return is_plain and not _is_powerful(kind) and self.is_mentioned(kind.__name__)

    def name_class(self, handle: Any, module: Json, name: Json) -> None:
        """Note what a library's class is called that stays in the student's room."""
        need(type(module) is str and type(name) is str, "a class")
        if (number := number_of(handle)) is not None:
            self.classes[number] = module, name

    def module(self, name: Json, handle: Any) -> Any:
        """Give this room's module of that name; the room's own where state lives there."""
        return sys.modules.get(name, handle) if name in PURE_MODULES else handle

    def handle(self, item: list[Any]) -> Any:
        """Build a handle, the same one for the same object."""
        need(len(item) == 5, "a handle")
        _, number, mask, label, base = item
        need(type(number) is int and type(mask) is int and 0 <= mask < 1 << 24, "a handle")
        need(type(label) is str and (base is None or type(base) is str), "a handle's label")
        self._freed.discard(number)
        found = self._handles.get(number)
        if found is None:
            clean = "".join(c for c in label[:80] if c.isprintable())
            name = clean if self.is_written(clean) else "Handle"
            found = make_handle(self._link, number, mask, clean, base and base[:20], name=name)
            self._handles[number] = found
        if mask & COROUTINE_BIT:
            coroutine = self._run(found)
            self._coroutines[coroutine] = found
            return coroutine
        return found

    def pass_over(self, item: Json) -> None:
        """Let the student's room forget an object for which no handle is built."""
        need(type(item) is list and len(item) == 5 and type(item[1]) is int, "a handle")
        if item[1] not in self._handles:
            self._freed.add(item[1])

    async def _run(self, handle: Any) -> Any:
        return await self.awaiting.result(handle)

    def mirror(self, item: list[Any], decoder: Decoder) -> type[BaseException]:
        """Build the class that stands for an exception class of the student's."""
        need(len(item) == 4 and type(item[1]) is int and type(item[3]) is list, "a class")
        number, label = item[1], item[2]
        need(type(label) is str and len(item[3]) <= 8, "a class")
        if number not in self._mirrors:
            bases = tuple(decoder.decode(base) for base in item[3])
            kinds = tuple(base for base in bases if isinstance(base, type) and is_real(base))
            handle = make_handle(self._link, number, 1, label[:80], None)
            self._handles[number] = handle
            name = label.removeprefix("class ")[:60] or "StudentError"
            self._mirrors[number] = mirror(handle, name, kinds)
        return self._mirrors[number]

    def coroutine_handle(self, value: Any) -> Any:
        """Give the handle that a coroutine of this room stands for, if it does."""
        return self._coroutines.get(value) if type(value) is CoroutineType else None
