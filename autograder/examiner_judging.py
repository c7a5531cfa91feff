"""Questions by which an object would judge itself: which are refused, and who answers instead.

``found.equals(expected)`` on an array or a frame is NumPy's or pandas' judgement, made in the
examiner's room. On a handle it would be the student's. The same goes for ``difference``,
``sub`` ... by which one measures how far something is from what was expected, for ``isna``,
``is_unique`` ... whose right answer everybody knows, and for a model's own ``score``, which is
worked out here from what the model predicts. An object whose class the student derived from a
frame or an array isn't read at all: whatever it is asked, it says what the test wants to hear.
"""

import inspect
import sys
from collections import deque
from collections.abc import (
    Callable,
    Mapping,
    MutableMapping,
    MutableSequence,
    MutableSet,
    Sequence,
    Set,
)
from functools import cache, partial
from numbers import Number
from types import ModuleType
from typing import Any

import pandas as pd

from autograder.examiner_standing_in import (
    NUMBERS_TOGETHER,
    TEXTS_TOGETHER,
    VALUE_CLASSES,
    Measuring,
    Scorer,
    against,
    counted,
    pairs,
)
from autograder.handles import base_of, describe, number_of, refusal

__all__ = [
    "Judge",
    "SHELL",
    "is_judging",
    "is_librarys",
    "is_operator",
    "is_value_class",
    "who_asks",
]

_JUDGING = frozenset(
    {
        *("equals", "isin", "startswith", "endswith", "issubset", "issuperset", "isdisjoint"),
        *("compare", "all", "any", "difference", "symmetric_difference", "intersection"),
        *("sub", "subtract", "rsub", "div", "truediv", "divide", "eq", "ne", "lt", "gt", "le"),
        *("ge", "between", "corr", "corrwith", "allclose", "isclose", "equal", "array_equal"),
        *("almost_equal", "approx", "matches", "is_equal", "same", "same_as"),
        *("count", "index", "find", "rfind", "rindex", "searchsorted"),
    }
)
"""Refused for any object of a class that the lab doesn't ask students to write."""
_SEARCHING = frozenset({"count", "index", "find", "rfind", "rindex", "searchsorted"})
"""Of these, what counts only for an object that stands for a list, a text or the like."""
_ALWAYS = frozenset(
    {
        *("equals", "isin", "startswith", "endswith", "issubset", "issuperset", "isdisjoint"),
        *("compare", "all", "any"),
    }
)
"""Refused also for objects that say they are of a library's class."""
_PREDICATES = frozenset(
    {
        *("isna", "isnull", "notna", "notnull", "hasnans", "duplicated", "isnan", "isfinite"),
        *("is_unique", "is_monotonic", "is_monotonic_increasing", "is_monotonic_decreasing"),
    }
)
"""What tables are asked though everybody knows the right answer; refused as ``_JUDGING`` is."""
_SUMMARIES = frozenset({"mean", "std", "var", "median", "sum", "nunique"})
"""Noted as claims where a class that nobody asked for answers them."""
_BINARY = (
    *("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow", "divmod"),
    *("lshift", "rshift", "and", "or", "xor"),
)
_ORDER = frozenset({"__lt__", "__le__", "__gt__", "__ge__"})
_ENOUGH: dict[str, frozenset[str]] = {
    **{
        f"__{side}{name}__": frozenset({f"__{name}__", f"__r{name}__", f"__i{name}__"})
        for name in _BINARY
        for side in ("", "r", "i")
    },
    **{
        f"__{name}__": frozenset({f"__{name}__"})
        for name in ("neg", "pos", "abs", "invert", "complex", "index", "round", "eq", "hash")
    },
    **dict.fromkeys(_ORDER, _ORDER),
    "__int__": frozenset({"__int__", "__index__"}),
    "__float__": frozenset({"__float__", "__index__"}),
}
"""Operators of the lab's own classes: which of the reference's methods make one natural."""
_VERDICTS = _ORDER | {"__eq__"}
_DIFFERENCES = frozenset(f"__{side}{name}__" for name in ("add", "sub") for side in ("", "r", "i"))
_NUMBERS = frozenset(
    {f"__{name}__" for name in ("abs", "int", "float", "complex", "index", "round")}
)
_GROWING = frozenset(f"__i{name}__" for name in ("add", "or", "and", "xor", "sub", "mul"))
_CONTAINERS = (list, dict, set, deque, MutableSequence, MutableMapping, MutableSet)
"""What such an operator changes in place, as methods of it do."""
_CONTAINING = frozenset({"__contains__", "__iter__", "__getitem__"})
_TABLES = frozenset({"ndarray", "DataFrame", "Series", "Index"})
_READING = frozenset({"get", "item", "iter", "next", "len", "call"})
SHELL = ("IPython", "traitlets")
"""Packages that look at a cell's result to show it."""
_OTHERS = {"other", "others", "right"}
_MEASURING = frozenset(
    name
    for kind in (pd.DataFrame, pd.Series, pd.Index)
    for name, method in vars(kind).items()
    if inspect.isfunction(method) and not _OTHERS.isdisjoint(method.__code__.co_varnames[:3])
)
"""The methods of frames and the like that take another one to compare with."""
_ADDING = frozenset({"add", "append", "update"})
"""What adds to an object of a student's own class, whatever a table's method of that name does."""
_TABLES_TOGETHER = _MEASURING | {
    *("align", "reindex", "reindex_like", "clip", "mask", "fillna", "take", "isin"),
}
_COMBINING = (_TABLES_TOGETHER | TEXTS_TOGETHER | NUMBERS_TOGETHER) - _ADDING
"""What makes one of an object and a value like it; nobody's own where nobody asked for it."""
_PAIRS = frozenset({"items", "keys", "values"})
_ROWS = frozenset({"tolist", "to_list", "iterrows", "itertuples"})
"""What gives as many things as an object is long."""
_PASSING_ON = ("inspect", "abc", "functools", "typing")
_SUSPECT = _JUDGING | _PREDICATES | _MEASURING | _COMBINING | {"score"}
_LOOKED_AT = _SUSPECT | _SUMMARIES | _PAIRS | _ROWS
"""Names of attributes that are looked at before an object is asked for them."""


def is_value_class(kind: Any) -> bool:
    """Say whether objects of a class are plain values, or arrays or frames."""
    return issubclass(kind, VALUE_CLASSES)


def _holds_values(kind: Any) -> bool:
    """Say whether a class is that of a value, or stands for one as ``UserString`` does."""
    return is_value_class(kind) or issubclass(kind, (Sequence, Set))


def _equals_values(kind: Any) -> bool:
    """Say whether objects of a library's class are equal to lists, texts, sets, dicts, numbers."""
    return _holds_values(kind) or issubclass(kind, (Mapping, Number))


def who_asks(depth: int) -> str:
    """Give the package of the code ``depth`` frames above; of its caller, where that passes on."""
    frame: Any = sys._getframe(depth + 1)
    while frame is not None:
        name = str(frame.f_globals.get("__name__", "")).split(".", maxsplit=1)[0]
        if name not in _PASSING_ON:
            return name
        frame = frame.f_back
    return ""


@cache
def is_librarys(package: str) -> bool:
    """Say whether a package is installed, and no test's, no lab's and no part of Python.

    Such a package works with values, or compares them, and would believe what an object of one of
    their classes says of itself.
    """
    if package in sys.stdlib_module_names or package == "__main__":
        return package == "statistics"
    origin = getattr(getattr(sys.modules.get(package), "__spec__", None), "origin", None)
    return isinstance(origin, str) and origin.startswith((sys.prefix, sys.base_prefix))


def is_judging(name: str, kind: Any) -> bool:
    """Say whether an attribute would have an object judge itself.

    Parameters
    ----------
    name : str
        The attribute.
    kind : type or handle
        The object's own class: one of this room, or a handle of the student's.
    """
    if not issubclass(type(kind), type) or not hasattr(kind, name):
        return name in _JUDGING or name in _PREDICATES
    return name in _ALWAYS or (_holds_values(kind) and name in _SUSPECT)


def _is_real(kind: Any) -> bool:
    return issubclass(type(kind), type)


def is_operator(method: str) -> bool:
    """Say whether a method is one that the student's room knows how to call as an operator."""
    return method in _ENOUGH


def is_with_value(others: tuple[Any, ...]) -> bool:
    """Say whether an operator is used with something that isn't the student's."""
    return any(number_of(other) is None for other in others)


class Judge:
    """Decides what an object in the student's room may be asked about itself.

    Parameters
    ----------
    ask : callable
        Asks the student's room.
    claim : callable
        Notes that the student's word was taken for something.
    """

    def __init__(self, ask: Callable[..., Any], claim: Callable[[str], None]) -> None:
        self._ask, self._claim = ask, claim
        self._readable: dict[int, bool] = {}
        self.written: Callable[[], list[tuple[Any, frozenset[str]]]] = list
        """Gives the classes that the lab asks students to write, with what its own have."""
        self.given_method: Callable[[Any, str], Any] = lambda *_: None
        """Gives a method of an object that a given class has written, as this room runs it."""
        self.members: frozenset[str] = frozenset()
        """All that these have."""
        self.returned: set[int] = set()
        """The objects that calls have given in this cell."""
        self.measured: set[int | None] = set()
        """The objects of which one came from adding or subtracting a value, in this cell."""
        self._also: list[tuple[Any, frozenset[str]]] = []
        self.known = False
        """Whether there is a reference that says what the lab asks for."""

    def asks_for(self, kind: Any, members: frozenset[str]) -> None:
        """Note a class of the test's own whose objects are to have something from an answer."""
        if members:
            self._also.append((kind, members))
            self.members |= members

    def ancestry(self, handle: Any) -> list[Any]:
        """Give the classes that the room says the object's class is made of."""
        classes = self._ask("ancestry", handle)
        return classes if type(classes) is list else []

    def check(self, op: str, target: Any) -> None:
        """Refuse to read an object of a class that a student made of a frame or an array.

        And to take a difference from a value for true or not.
        """
        number = number_of(target)
        if op == "bool" and number is not None and number in self.measured:
            raise refusal(target, "is a difference, whose truth would measure it")
        if number is None or op not in _READING or base_of(target) not in _TABLES:
            return
        if number not in self._readable:
            classes = self.ancestry(target)
            is_librarys = bool(classes) and _is_real(classes[0])
            self._readable[number] = is_librarys or self._asked_for(classes) is not None
        if not self._readable[number]:
            raise refusal(target, "isn't read; a plain one is")

    def instead_of(self, handle: Any, name: str) -> Any:
        """Refuse attributes by which an object would judge itself, or give what does it instead.

        None where there is nothing against asking the object.
        """
        if name not in _LOOKED_AT and not name.startswith("assert_"):
            return None
        classes = self.ancestry(handle)
        asked_for = self._asked_for(classes)
        if asked_for is not None and name in asked_for:
            return None
        kind = classes[0] if classes else None
        if name in _SUMMARIES:
            if not _is_real(kind):
                self._claim(f"what {describe(handle)} says of its own {name!r}")
            return None
        if not _is_real(kind) and name in _ADDING:
            return None
        is_own = not _is_real(kind) or self._hangs_there(handle, kind, name)
        if self.known and is_own and name not in _JUDGING | _PREDICATES:
            return self._of_a_strange_one(handle, name)
        return self._judged(handle, name, kind) if name in _SUSPECT else None

    def _of_a_strange_one(self, handle: Any, name: str) -> Any:
        """Give what an object of a class that nobody asked for is asked instead of a method."""
        if name == "score":
            return self._judged(handle, name, None)
        found = self._ask("get", handle, name)
        if number_of(found) is None and not callable(found):
            return found
        if name in _PAIRS | _ROWS:
            if name in _PAIRS and self.is_mapping(handle):
                return partial(pairs, handle, name)
            return partial(counted, handle, name, self._ask)
        if name.startswith("assert_"):
            raise refusal(handle, f"isn't asked for its own {name!r}")
        return Measuring(handle, name, self._ask, against=against(name))

    def _hangs_there(self, handle: Any, kind: Any, name: str) -> bool:
        """Say whether an attribute isn't of a library's class: a namespace's, a function's.

        Those of a class or a module are its business, unless it is what was given for a value.
        """
        of_names = kind in (type, ModuleType) and number_of(handle) not in self.returned
        return not hasattr(kind, name) and not of_names

    def is_mapping(self, handle: Any) -> bool:
        """Say whether an object's items lie under keys."""
        if not {"__iter__", "__getitem__"} <= set(dir(type(handle))):
            return False
        try:
            return number_of(self._ask("get", handle, "keys")) is not None
        except Exception:
            return False

    def _judged(self, handle: Any, name: str, kind: Any) -> Any:
        """Let data of such a name pass; a method of that name would be a judgement."""
        is_real = _is_real(kind)
        if name in _SEARCHING and base_of(handle) is None and not (is_real and _holds_values(kind)):
            return None
        is_refused = is_judging(name, kind)
        if name != "score" and not is_refused:
            # A library's own method of that name (of a pattern, a window) is another thing; what a
            # student hung on such an object isn't one.
            return Measuring(handle, name, self._ask) if name in _JUDGING else None
        if name not in _PREDICATES and not (is_real and is_value_class(kind)):
            found = self._ask("get", handle, name)
            if number_of(found) is None and not callable(found):
                return found
        if name == "score":
            return self.given_method(handle, name) or Scorer(handle, self.ancestry, self._ask)
        raise refusal(handle, f"isn't asked for its own {name!r}")

    def believes(self, handle: Any) -> bool:
        """Say whether an object's word counts on what it contains.

        That of a class which the lab asks for, where its own can contain something.
        """
        asked_for = self._asked_for(self.ancestry(handle))
        return asked_for is not None and not _CONTAINING.isdisjoint(asked_for)

    def is_asked_for(self, handle: Any) -> bool:
        """Say whether the lab asks for an object's class; without a reference, it may."""
        classes = self.ancestry(handle)
        if not self.known and classes and not _is_real(classes[0]):
            return True
        return self._asked_for(classes) is not None

    def is_enumerated(self, handle: Any) -> bool:
        """Say whether an object is one of the few of a class that the lab asks for.

        Each of these is there once: another one isn't equal to it, unless the lab's class says so.
        """
        asked_for = self._asked_for(self.ancestry(handle)) or frozenset()
        return "__members__" in asked_for and "__eq__" not in asked_for

    def asked_by_protocol(self, handle: Any) -> list[str]:
        """Give what objects have that a protocol takes for its own, if the lab asks for such a one.

        For values the answer is no without a question where the lab doesn't.
        """
        asks = "_is_protocol" in self.members
        if not asks or "_is_protocol" not in (self._asked_for([handle]) or ()):
            return []
        members = self._ask("protocol", handle)
        self._claim(f"what {describe(handle)} asks of objects")
        return [name for name in members if type(name) is str] if type(members) is list else []

    def is_strange(self, handle: Any) -> bool:
        """Say whether an object is of a class of the student's that the lab doesn't ask for."""
        classes = self.ancestry(handle) if self.known else []
        return bool(classes) and not _is_real(classes[0]) and self._asked_for(classes) is None

    def may_be_a_value(self, handle: Any) -> bool:
        """Say whether an object might stand for a value that it is compared with.

        One of a class that nobody asked for, or of a library's that is equal to values.
        """
        classes = self.ancestry(handle) if self.known else []
        if not classes or self._asked_for(classes) is not None:
            return False
        return not _is_real(classes[0]) or _equals_values(classes[0])

    def is_librarys_object(self, handle: Any) -> bool:
        """Say whether an object is of a library's own class, as its room says."""
        classes = self.ancestry(handle)
        return bool(classes) and _is_real(classes[0])

    def can_operate(self, handle: Any, method: str) -> bool:
        """Say whether an object's class has an operator, or one that stands for it."""
        return self._ask("can", handle, sorted(_ENOUGH.get(method, (method,)))) is not False

    def writes(self, handle: Any, method: str) -> bool:
        """Say whether the lab's class of an object has an operator of its own."""
        asked_for = self._asked_for(self.ancestry(handle))
        return asked_for is not None and not _ENOUGH.get(method, {method}).isdisjoint(asked_for)

    def may_operate(self, handle: Any, method: str, others: tuple[Any, ...]) -> bool:
        """Say whether the lab asks students to write this operator for such objects.

        Two objects are compared and ordered by it, never one with a value: that is how a test
        measures how far an answer is from what it should be. So is a difference; what a value was
        added to or subtracted from stays an object, and isn't made a number.
        """
        if self._is_added_to(handle, method):
            return True
        enough = _ENOUGH.get(method)
        if enough is None or enough.isdisjoint(self.members):
            return False
        if method in _VERDICTS and is_with_value(others):
            return False
        if method in _NUMBERS and number_of(handle) in self.measured:
            return False
        asked_for = self._asked_for(self.ancestry(handle))
        if asked_for is None or enough.isdisjoint(asked_for):
            return False
        if method != "__hash__":
            self._claim(f"what {describe(handle)} gives for {method.strip('_')!r}")
        return True

    def _is_added_to(self, handle: Any, method: str) -> bool:
        """Say whether an operator changes a container as its methods would (``ring += [5]``)."""
        return method in _GROWING and any(
            kind is one for kind in self.ancestry(handle) for one in _CONTAINERS
        )

    def operated(self, handle: Any, method: str, others: tuple[Any, ...]) -> Any:
        """Give what an operator of the lab's gives."""
        found = self._ask("operate", method, handle, *others)
        if number_of(found) == number_of(handle) and self._is_added_to(handle, method):
            return handle
        measures = method in _DIFFERENCES and is_with_value(others)
        if method == "__radd__" and type(others[0]) is int and others[0] == 0:
            measures = False  # how ``sum`` begins
        goes_on = number_of(handle) in self.measured and method not in _VERDICTS
        if (measures or (goes_on and is_with_value(others))) and not self._is_of_the_labs(found):
            raise refusal(handle, "takes no part in arithmetic with values that gives a value")
        if measures or goes_on:
            self.measured.add(number_of(found))
        return found

    def _is_of_the_labs(self, found: Any) -> bool:
        return number_of(found) is not None and self.is_asked_for(found)

    def _asked_for(self, classes: list[Any]) -> frozenset[str] | None:
        """Give what the lab's class of an object has; None where the lab asks for no such one."""
        written = [*self.written(), *self._also] if classes else []
        found = [names for kind in classes for one, names in written if kind is one]
        return frozenset().union(*found) if found else None
