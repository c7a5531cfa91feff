"""What the examiner's room can ask for: one operation a question, on the student's objects."""

import asyncio
import builtins
import collections
import importlib
import inspect
import operator
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import sleep
from types import FunctionType, GeneratorType, ModuleType
from typing import Any, Protocol, runtime_checkable

from autograder.awaiting import Tasks
from autograder.random_states import fingerprint, packed, set_states, states
from autograder.room_files import (
    digest,
    go_to,
    listed,
    read_files,
    stamp_files,
    working_folder,
    write_files,
)
from autograder.student_derived import derive, set_attribute
from autograder.student_logs import Logs
from autograder.student_objects import Registry
from autograder.student_replaced import Replaced
from autograder.student_surroundings import decimals, environment, surround
from autograder.student_threads import call_together, rethrow
from autograder.student_warnings import Warned
from autograder.wire_abilities import special_of

__all__ = ["OPERATIONS", "Operations"]

_TEXT = 100_000
_LONGEST_PAUSE = 60.0


@runtime_checkable
class _Empty(Protocol):
    """A protocol that asks for nothing: what it has, every protocol has."""


_OF_PROTOCOLS = frozenset({*vars(_Empty), "__annotations__", "__slots__", "__orig_bases__"})


class Operations:
    """The operations that have to do with the names of the notebook, or take turns with others.

    Parameters
    ----------
    namespace : dict
        The globals of the student's notebook.
    registry : Registry
        The objects that were handed out, and what locked cells gave.

    Attributes
    ----------
    loop : asyncio.AbstractEventLoop, optional
        Where what is awaited runs; a new one if there is none.
    logs : Logs
        What was logged where the examiner listens.
    warned : Warned
        What was warned of where a test listens.
    """

    def __init__(self, namespace: dict[str, Any], registry: Registry) -> None:
        self._namespace = namespace
        self._registry = registry
        self._tasks = Tasks(self._own_loop)
        self.replaced = Replaced()
        self.logs = Logs()
        self.warned = Warned()
        self._told: list[tuple[dict[str, Any], str, Any]] = []
        self.loop: asyncio.AbstractEventLoop | None = None

    def has_moved(self) -> bool:
        """Say, once, whether a name of which the examiner was told is something else by now."""
        moved = any(place.get(name) is not function for place, name, function in self._told)
        if moved:
            self._told.clear()
        return moved

    def run(self, waiting: Any) -> Any:
        """Run something awaitable to its end."""

        async def wait() -> Any:
            return await waiting

        return self._tasks.run(wait())

    def _own_loop(self) -> asyncio.AbstractEventLoop:
        if self.loop is None:
            self.loop = asyncio.new_event_loop()
        return self.loop

    def goes_on(self) -> bool:
        """Say whether tasks go on for which the examiner doesn't wait."""
        return self._tasks.goes_on(self.loop)

    @contextmanager
    def within_loop(self) -> Iterator[None]:
        """Have a running loop, as code has that is called by a coroutine of the test."""
        outer = asyncio._get_running_loop()
        asyncio._set_running_loop(outer or self._own_loop())
        try:
            yield
        finally:
            asyncio._set_running_loop(outer)

    def go_on(self, waiting: list[Any], seconds: float | None) -> list[int]:
        """Run coroutines until one is done or the time is up; give which are."""
        return self._tasks.go_on(waiting, seconds)

    def result(self, done: Any) -> Any:
        """Give what a coroutine that is done has given."""
        return self._tasks.result(done)

    def cancel(self, waiting: Any) -> None:
        """Cancel a coroutine."""
        self._tasks.cancel(waiting)

    def signature(self, value: Any) -> list[Any]:
        """Describe the parameters of a callable."""
        signature = inspect.signature(value)
        parameters = [
            [p.name, int(p.kind), *_if_given(p.default), *_if_given(p.annotation)]
            for p in signature.parameters.values()
        ]
        return [parameters, *_if_given(signature.return_annotation)]

    def ancestry(self, value: Any) -> list[Any]:
        """Give the classes that an object's class is made of, nearest first."""
        return list(type(value).__mro__)[:64]

    def is_copy(self, value: Any, numbers: list[int]) -> bool:
        """Say whether an object is what one of the test's came as, one of these times."""
        known = map(self._registry.copies.get, numbers)
        return any(copy is value for copy in known if copy is not None)

    def bind(self, name: str, value: Any) -> None:
        """Set a global of the notebook."""
        self._namespace[name] = value

    def unbind(self, name: str) -> None:
        """Delete a global of the notebook."""
        self._namespace.pop(name, None)

    def look_up(self, name: str) -> Any:
        """Give a global of the notebook; [] is "no such name", [value] is a value."""
        return (self._namespace[name],) if name in self._namespace else ()

    def given_name(self, name: str) -> Any:
        """Give what a locked cell bound to a name, whatever was bound to it since."""
        given = self._registry.given_names
        return (given[name],) if name in given else self.look_up(name)

    def values(self, names: list[str]) -> dict[str, Any]:
        """Give what several globals of the notebook are by now."""
        return {name: self._namespace[name] for name in names if name in self._namespace}

    @staticmethod
    def seen(known: dict[str, str]) -> dict[str, Any]:
        """Give what isn't as the examiner knows it: the generators' states, the list of files."""
        found: dict[str, Any] = {}
        if "random" in known:
            now = states()
            if not known["random"] or fingerprint(now) != known["random"]:
                found["random"] = packed(now)
        if "files" in known:
            files = listed(stamp_files())
            if digest(files) != known["files"]:
                found["files"] = files
        if "folder" in known and (folder := _work_in()) != known["folder"]:
            found["folder"] = folder
        return found

    def look_around(self, wanted: list[str], given: list[str]) -> tuple[list[str], dict[str, Any]]:
        """List the globals of the notebook, and give the functions among those that are wanted.

        Should one of these names be bound to something else, the next answer says so.
        """
        self._told.clear()
        functions = {}
        for place, names in ((self._namespace, wanted), (self._registry.given_names, given)):
            for name in names:
                if type(function := place.get(name)) is FunctionType:
                    functions[name] = function
                    self._told.append((place, name, function))
        return [name for name in self._namespace if isinstance(name, str)], functions


def _if_given(value: Any) -> tuple[bool, Any]:
    """Give whether a part of a signature is there, and what it is."""
    return (False, None) if value is inspect.Parameter.empty else (True, value)


def _defined(value: Any) -> tuple[str, str, int]:
    """Give what a function or class is called, and the cell and line where its code begins."""
    inner = inspect.unwrap(value)
    code = getattr(getattr(inner, "__func__", inner), "__code__", None)
    if code is None:
        return inner.__qualname__, "", 0
    return inner.__qualname__, code.co_filename, code.co_firstlineno


def _protocol(_: Operations, kind: Any) -> list[str]:
    """Give what objects must have that a protocol takes for its own; nothing of other classes."""
    if not getattr(kind, "_is_runtime_protocol", False):
        return []
    known = {name for base in kind.__mro__[:-1] for name in _members_of(base)}
    return sorted(known)


def _members_of(kind: type) -> set[str]:
    if kind.__module__ in ("typing", "abc") or not getattr(kind, "_is_protocol", False):
        return set()
    own = {*vars(kind), *getattr(kind, "__annotations__", {})} - _OF_PROTOCOLS
    return {name for name in own if not name.startswith("_abc_")}


def _exit(_: Operations, manager: Any, error: BaseException | None) -> bool:
    kind = None if error is None else type(error)
    return bool(special_of(manager, "__exit__")(kind, error, None))


def _leave_async(operations: Operations, manager: Any, error: BaseException | None) -> bool:
    kind = None if error is None else type(error)
    return bool(operations.run(special_of(manager, "__aexit__")(kind, error, None)))


def _work_in(place: str = "") -> str:
    """Give the folder that code works in; go into another below the room's first, if told so."""
    if place:
        go_to(place)
    return os.getcwd()  # noqa: PTH109 - as it is told to the examiner


def _operate(_: Operations, method: str, target: Any, *others: Any) -> Any:
    """Do what an operator does, by Python's own rules for it."""
    known: dict[str, Any] = vars(operator)
    reflected = f"__{method[3:]}"
    if method != "__hash__" and method in known:
        return known[method](target, *others)
    if reflected in known:
        return known[reflected](*others, target)
    if method == "__rdivmod__":
        return divmod(others[0], target)
    return getattr(builtins, method.strip("_"))(target, *others)


def _sliced(kind: Any) -> Callable[[Any], Any]:
    return lambda value: kind.__getitem__(value, slice(None))


def _gone_through(kind: Any) -> Callable[[Any], Any]:
    return lambda value: kind(kind.__iter__(value))


_PLAIN: dict[type, Callable[[Any], Any]] = {
    **{kind: getattr(kind, f"__{kind.__name__}__") for kind in (int, float, complex, str)},
    **{kind: _sliced(kind) for kind in (bytes, list, tuple)},
    **{kind: _gone_through(kind) for kind in (set, frozenset)},
    dict: lambda value: dict(dict.items(value)),
    collections.UserDict: lambda value: dict(dict.items(value.data)),
    collections.UserList: lambda value: list.__getitem__(value.data, slice(None)),
    collections.UserString: lambda value: str.__str__(value.data),
}


def _plain(_: Operations, target: Any) -> Any:
    """Give the plain value of an object of a class derived from a plain type."""
    return next(make(target) for kind, make in _PLAIN.items() if issubclass(type(target), kind))


def _module(_: Operations, name: str) -> ModuleType:
    return importlib.import_module(name)


_RESUMING: dict[str, Callable[..., Any]] = {
    "send": GeneratorType.send,
    "throw": GeneratorType.throw,
}
OPERATIONS: dict[str, Callable[..., Any]] = {
    "name": Operations.look_up,
    "given": Operations.given_name,
    "values": Operations.values,
    "print": lambda _, text: sys.stdout.write(text) and None,
    "evaluate": lambda operations, text: eval(text, dict(operations._namespace)),  # noqa: S307
    "given_call": lambda operations, name, /, *args, **kwargs: operations.given_name(name)[0](
        *args, **kwargs
    ),
    "look": Operations.look_around,
    "bind": Operations.bind,
    "unbind": Operations.unbind,
    "replace": lambda operations, *told: operations.replaced.put(*told),
    "restore": lambda operations, *told: operations.replaced.put_back(*told),
    "get": lambda _, target, name: getattr(target, name),
    "set": lambda _, *told: set_attribute(*told),
    "del": lambda _, target, name: delattr(target, name),
    "call": lambda _, target, /, *args, **kwargs: target(*args, **kwargs),
    "together": lambda _, *calls: call_together(calls),
    "rethrow": lambda _, error: rethrow(error),
    "len": lambda _, target: len(target),
    "iter": lambda _, target: iter(target),
    "next": lambda _, target: next(target),
    "resume": lambda _, target, name, *sent: _RESUMING[name](target, *sent),
    "item": lambda _, target, key: target[key],
    "setitem": lambda _, target, key, value: target.__setitem__(key, value),
    "delitem": lambda _, target, key: target.__delitem__(key),
    "contains": lambda _, target, key: key in target,
    "bool": lambda _, target: bool(target),
    "str": lambda _, target: str(target)[:_TEXT],
    "repr": lambda _, target: repr(target)[:_TEXT],
    "format": lambda _, target, spec: format(target, spec)[:_TEXT],
    "dir": lambda _, target: [name for name in dir(target) if type(name) is str],
    "enter": lambda _, target: special_of(target, "__enter__")(),
    "exit": _exit,
    "await": Operations.run,
    "go_on": Operations.go_on,
    "tasks": lambda operations: list(asyncio.all_tasks(operations._own_loop())),
    "result": Operations.result,
    "cancel": Operations.cancel,
    "aiter": lambda _, target: special_of(target, "__aiter__")(),
    "anext": lambda operations, target: operations.run(special_of(target, "__anext__")()),
    "aenter": lambda operations, target: operations.run(special_of(target, "__aenter__")()),
    "aexit": _leave_async,
    "pause": lambda _, seconds: sleep(min(float(seconds), _LONGEST_PAUSE)),
    "thread": lambda _, name: getattr(threading, name)(),
    "isinstance": lambda _, value, kind: isinstance(value, kind),
    "issubclass": lambda _, value, kind: issubclass(value, kind),
    "ancestry": Operations.ancestry,
    "protocol": _protocol,
    "derive": lambda _, *told: derive(*told),
    "super": lambda _, kind, target: super(kind, target),
    "mro": lambda _, value: list(value.__mro__)[:64],
    "signature": Operations.signature,
    "defined": lambda _, value: _defined(value),
    "module": _module,
    "cwd": lambda _, *temporary: working_folder(*temporary),
    "surround": lambda _, changes, errors: surround(changes, errors),
    "decimals": lambda _, *new: decimals(*new),
    "environment": lambda _, names: environment(names),
    "filters": lambda operations: operations.warned.filters(),
    "hear_warnings": lambda operations, change: operations.warned.listen(change),
    "listen": lambda operations, *told: operations.logs.listen(*told),
    "seed": lambda _, plain, numpys: set_states(plain, numpys),
    "states": lambda _, known: None if known and fingerprint(states()) == known else states(),
    "same": lambda _, one, other: one is other,
    "same_copy": lambda operations, one, numbers: operations.is_copy(one, numbers),
    "operate": _operate,
    "plain": _plain,
    "can": lambda _, target, methods: any(
        getattr(type(target), name, None) is not getattr(object, name, None) for name in methods
    ),
    "special": lambda _, target, name: (
        getattr(target, name, None) is not getattr(object, name, None)
    ),
    "hashable": lambda _, target: type(target).__hash__ is not None,
    "files": lambda _: read_files(),
    "folder": lambda _, *place: _work_in(*place),
    "read": lambda _, names: read_files(names),
    "write": lambda _, files, gone: write_files(files, gone),
}
