"""What a test works out here, or learns of a process, though its module is the student's room's.

``joblib.hash(found) == joblib.hash(expected)`` is a comparison: made in the student's room, both
sides would be the student's word. So what holds nothing of the student's is worked out in this
room. And what a test measures of "the process" (its CPU time, its threads, whether an object is
still alive) is asked of both rooms: in one process the student's code would be part of it.
"""

import asyncio
import functools
import importlib
import io
import pickle
import sys
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from autograder.cell_frames import is_own_space
from autograder.examiner_codec import is_own
from autograder.handles import HandleError, number_of
from autograder.wire_classes import find_class

__all__ = ["OwnWork", "Weakly", "patch_process"]

_HERE = {
    *(("joblib", "hash"), ("pickle", "dumps"), ("marshal", "dumps"), ("jinja2", "Template")),
    *(("click", "unstyle"), ("click", "style"), ("fastapi.encoders", "jsonable_encoder")),
}
"""Functions of the student's room's modules that this room has too."""
_TOLD = frozenset(
    {
        *("subprocess", "sqlite3", "doctest", "tracemalloc", "resource", "psutil"),
        *("cProfile", "profile", "pstats"),
    }
)
"""Modules whose answers a test believes, when the student's room gives them."""
_CLOCKS = ("process_time", "thread_time")
_SETTINGS = {
    "sys": ("getrecursionlimit", "setrecursionlimit"),
    "gc": ("isenabled", "enable", "disable", "get_threshold", "set_threshold"),
    "locale": ("getlocale", "setlocale"),
    "threading": ("stack_size",),
    "socket": ("getdefaulttimeout", "setdefaulttimeout"),
    "numpy": ("geterr", "get_printoptions", "set_printoptions"),
    "pandas": ("get_option", "set_option", "reset_option"),
}
"""What gives and changes the settings of a process."""
_WATCHES = {"sys": ("settrace", "setprofile"), "threading": ("settrace", "setprofile")}


class OwnWork:
    """Does here what a test asks a module of the student's room to do with the test's own values.

    Parameters
    ----------
    own : callable
        Gives the texts of the tests and given cells.
    claim : callable
        Notes that the student's word was taken for something.
    """

    def __init__(self, own: Callable[[], list[str]], claim: Callable[[str], None]) -> None:
        self._own, self._claim = own, claim
        self._modules: dict[int, str] = {}
        self.class_names: Mapping[int, tuple[str, str]] = {}
        """What libraries' classes that have handles are called in their own room."""

    def imported(self, name: str, module: Any) -> None:
        """Note that a test has a module of the student's room."""
        if (number := number_of(module)) is not None:
            self._modules[number] = name
            if name.partition(".")[0] in _TOLD:
                self._claim(f"what {name} says in the student's room")

    def instead_of(self, handle: Any, name: str) -> Any:
        """Give what stands for a function of such a module; None where there is none here."""
        module = self._modules.get(number_of(handle) or 0, "")
        if (module, name) in _HERE:
            is_ours = self._is_own_text if module == "jinja2" else _is_ours
            return _Here(handle, name, importlib.import_module(module), is_ours)
        own = vars(sys.modules[module]).get(name) if module in sys.modules else None
        if not isinstance(own, type):
            return None
        # An answer may have put another class there.
        return own if issubclass(own, BaseException) else self._checked(handle, name, own)

    def _checked(self, handle: Any, name: str, own: type) -> Any:
        """Give a class of the student's room that is the one that its module has here."""
        there = handle._link.ask("get", handle, name)
        called = own.__module__, own.__qualname__
        known = self.class_names.get(number_of(there) or 0)
        if there is not own and known != called and find_class(*called) is own:
            module = self._modules[number_of(handle) or 0]
            raise HandleError(
                f"{module}.{name} is another class in the student's room by now: what it says of "
                "objects proves nothing."
            )
        return there

    def _is_own_text(self, value: Any) -> bool:
        return type(value) is str and any(value in text for text in self._own())


class _Here:
    """Stands for a function: this room's for what is the test's, the student's room's otherwise."""

    def __init__(self, room: Any, name: str, module: Any, is_ours: Callable[[Any], bool]) -> None:
        self._room, self._name, self._module, self._is_ours = room, name, module, is_ours

    def __call__(self, /, *args: Any, **names: Any) -> Any:
        ours = all(map(self._is_ours, (*args, *names.values())))
        if ours:
            return getattr(self._module, self._name)(*args, **names)
        there = self._room._link.ask("get", self._room, self._name)
        return there(*args, **names)


class _Checker(pickle.Pickler):
    """Goes through a value, down to what is the student's or belongs to the test's namespace."""

    def persistent_id(self, value: Any) -> None:
        if number_of(value) is not None or is_own(value):
            raise pickle.PicklingError


def _is_ours(value: Any) -> bool:
    """Say whether nothing of the student's is in a value, nor a test's function or class."""
    try:
        _Checker(io.BytesIO(), protocol=5).dump(value)
    except Exception:
        return False
    return True


class Weakly:
    """Stands for the module ``weakref``: how long an object of the student's lives, its room says.

    Parameters
    ----------
    ask : callable
        Asks the student's room.
    """

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask

    def __getattr__(self, name: str) -> Any:
        """Give what the module has."""
        return getattr(weakref, name)

    def ref(self, value: Any, *callback: Any) -> Any:
        """Make a weak reference in the room where the object is."""
        if number_of(value) is None:
            return weakref.ref(value, *callback)
        there = self._ask("get", self._ask("module", "weakref"), "ref")
        return self._ask("call", there, value, *callback)


def patch_process(ask: Callable[..., Any], waited: Callable[[], float]) -> None:
    """Let a test's measures of its process count the student's room.

    Parameters
    ----------
    ask : callable
        Asks the student's room.
    waited : callable
        Gives for how many seconds its answers were waited for. They count as CPU time: what that
        room says of its own proves nothing.
    """

    def clock(name: str, *, parts: int) -> Callable[[], Any]:
        original: Callable[[], Any] = getattr(time, name)

        @functools.wraps(original)  # handed over, it is the other room's own clock
        def measured() -> Any:
            return original() + type(original())(waited() * parts) if _is_tests() else original()

        return measured

    def threads(name: str, original: Callable[[], Any]) -> Callable[[], Any]:
        @functools.wraps(original)
        def alive() -> Any:
            here = original()
            if not _is_tests():
                return here
            there = ask("call", ask("get", ask("module", "threading"), name))
            # Each room has a main thread.
            return here + there - 1 if type(here) is int else [*here, *list(there)[1:]]

        return alive

    @functools.wraps(asyncio.all_tasks)
    def tasks(loop: Any = None) -> Any:
        here = all_tasks(loop)
        return here | set(ask("tasks")) if loop is None and _is_tests() else here

    all_tasks, asyncio.all_tasks = asyncio.all_tasks, tasks
    for name in _CLOCKS:
        setattr(time, name, clock(name, parts=1))
        setattr(time, f"{name}_ns", clock(f"{name}_ns", parts=1_000_000_000))
    for name in ("active_count", "enumerate"):
        setattr(threading, name, threads(name, getattr(threading, name)))
    _patch(_SETTINGS, lambda module, name, original: _in_both(ask, module, name, original))
    _patch(_WATCHES, _watching)


def _patch(table: Mapping[str, tuple[str, ...]], make: Callable[[str, str, Any], Any]) -> None:
    for module, names in table.items():
        place = importlib.import_module(module)
        for name in names:
            setattr(place, name, make(module, name, getattr(place, name)))


def _in_both(ask: Callable[..., Any], module: str, name: str, original: Any) -> Any:
    """Let a test ask for, or change, a setting of both rooms."""

    @functools.wraps(original)
    def function(*args: Any, **names: Any) -> Any:
        if not is_own_space(sys._getframe(1).f_globals):
            return original(*args, **names)
        original(*args, **names)
        return ask("call", ask("get", ask("module", module), name), *args, **names)

    return function


def _watching(module: str, name: str, original: Any) -> Any:
    """Refuse to count what a test can't see: it would find nothing, whatever an answer does."""

    @functools.wraps(original)
    def function(watch: Any) -> Any:
        if watch is not None and is_own_space(sys._getframe(1).f_globals):
            raise HandleError(
                f"{module}.{name} sees nothing of the student's code, which runs in a room of its "
                "own. Use `cProfile`, which a test cell asks of that room, or tag the test cell "
                "'student-room' so that it runs beside the student's code."
            )
        return original(watch)

    return function


def _is_tests() -> bool:
    """Say whether a test asks, itself or through what it measures with."""
    return not str(sys._getframe(2).f_globals.get("__name__", "")).startswith(
        ("autograder", "threading", "concurrent", "asyncio")
    )
