"""What a test hands to student code, and what student code may do with it.

A lent object can be called, read (its public attributes), iterated and indexed, and nothing else.
Frames, code, modules and globals are never answered with.
"""

import asyncio
import copy
import functools
import inspect
import sys
import types
import unittest
from collections.abc import Callable, Set
from typing import Any

from autograder.awaiting import Tasks
from autograder.examiner_patience import way_to_wait
from autograder.examiner_signatures import annotations_told, signature_of
from autograder.handles import number_of
from autograder.wire_abilities import (
    ASYNC_BIT,
    BAGS,
    GENERATOR_BIT,
    OWN_BIT,
    abilities_of,
    named,
    operators_of,
    plain_base,
    special_of,
)
from autograder.wire_classes import reaches_memory
from autograder.wire_values import Json, TooLargeError, need

__all__ = ["Lending"]

_SECRET_TYPES = (types.FrameType, types.CodeType, types.TracebackType, types.ModuleType)
_OF_FUTURES = frozenset(
    {
        *("done", "result", "exception", "cancel", "cancelled", "cancelling", "uncancel"),
        *("add_done_callback", "remove_done_callback", "set_result", "set_exception"),
        *("get_name", "set_name"),
    }
)
_SECRET_NAMES = ("gi_", "cr_", "ag_", "f_", "co_", "tb_", "func_", "im_")
_READABLE = frozenset({"__name__", "__qualname__", "__doc__", "__signature__"})
_FUNCTIONS = (types.FunctionType, types.MethodType, types.BuiltinFunctionType)
_KINDS_OF_FUNCTIONS = (
    (inspect.iscoroutinefunction, ASYNC_BIT),
    (inspect.isgeneratorfunction, GENERATOR_BIT),
    (inspect.isasyncgenfunction, ASYNC_BIT | GENERATOR_BIT),
)
_KEPT_PACKAGES = ("autograder", "IPython", "traitlets", "ipykernel")
_LENT = 100_000
# References to what was given: the caller's, the argument, and that of ``getrefcount``.
_OWN_REFERENCES = 3
_MEMBERS = 200
_DATA = (type(None), bool, int, float, complex, str, bytes, tuple, list, dict, set)
_PROTOCOL = frozenset({"__sklearn_tags__", "__sklearn_clone__", "__sklearn_is_fitted__"})
"""What scikit-learn asks of an estimator: one that the test has written has these for it."""
_FIELDS = "__dataclass_fields__"
_OF_SUITES = frozenset({"_testRunEntered", "_previousTestClass", "_moduleSetUpFailed"})
_MOCKS = "unittest.mock"
_MOCKS_OWN = frozenset(
    {
        *("configure_mock", "reset_mock", "mock_add_spec", "attach_mock", "called", "call_count"),
        *("call_args", "call_args_list", "mock_calls", "method_calls", "await_count"),
        *("await_args", "await_args_list"),
    }
)


class Lending:
    """The objects of this room that the student's room holds proxies of."""

    def __init__(self) -> None:
        self._objects: list[Any] = []
        self._numbers: dict[int | tuple[int, ...], int] = {}
        self._put: dict[tuple[int, str], Any] = {}
        """The objects of the student's that student code has set on lent ones, by its name."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks = Tasks(self._apart, self._note_failure)
        self.validators: set[int] = set()
        """The numbers of functions whose failed assertions a library takes for an answer."""
        self.raised: list[BaseException] = []
        self.failed: BaseException | None = None
        self.is_in_use = False
        """Whether the test has handed over something: threads of the answers may use it."""
        self.settable: Set[str] | None = None
        """The attributes that the reference sets on objects, where that is known."""
        self.notes: Callable[[type], bool] = lambda _: True
        """Says whether a test's class changes its objects, as one does that counts calls."""
        self.name_of_base: Callable[[type], str | None] = lambda _: None
        """Names the given class that a test's class is derived from."""

    def lend(self, value: Any) -> Json:
        """Hand an object over; give what stands for it on the wire."""
        package = type(value).__module__.split(".")[0]
        if package in _KEPT_PACKAGES or reaches_memory(type(value)):
            raise TooLargeError("an object of the examiner's own isn't handed over")
        number = self._number(value)
        kind: Any = type(value)
        name = str(getattr(value, "__name__", kind.__name__))[:80]
        mask, operators = abilities_of(value), _operators(value)
        mask |= sum(bit for asks, bit in _KINDS_OF_FUNCTIONS if asks(value))
        if _is_own(value):
            mask |= OWN_BIT
        is_class = isinstance(value, type)
        about = value if is_class else kind
        given = self.name_of_base(about)
        base = plain_base(about) if given is None else ["g", given]
        base = kind.__name__ if kind in BAGS.values() else base
        fields, members, own = [], [], -1
        if about.__module__ == "__main__":
            fields, members = list(getattr(about, _FIELDS, ())), _members(about)
            own = -1 if is_class else self._number(kind)
        bases = value.__bases__ if is_class and given is None else ()
        above = [self.lend(kind) for kind in bases if kind.__module__ == "__main__"]
        told = [operators, kind.__name__[:80], base, fields, members, own, above]
        return ["c", number, mask, name, *told]

    def _number(self, value: Any) -> int:
        key = _identity(value)
        number = self._numbers.get(key)
        if number is None:
            need(len(self._objects) < _LENT, "fewer objects that are handed over")
            number = self._numbers[key] = len(self._objects)
            self._objects.append(value)
        self.is_in_use = True
        return number

    def own(self, number: Json) -> Any:
        """Give an object that was handed over."""
        need(type(number) is int and 0 <= number < len(self._objects), "an object handed over")
        return self._objects[number]

    def is_fixed(self, number: Json, result: Any, given: list[Any]) -> bool:
        """Say whether what an object gave is its own to change: of a test's class, or a mock.

        These count and note what answers do. What nobody else holds was made for the answer.
        """
        numbered = 2 if given and given[0] is result else 0  # here and by who encoded it
        if sys.getrefcount(result) <= _OWN_REFERENCES + numbered:
            return False
        target = self.own(number)
        owner = getattr(target, "__self__", None) if callable(target) else None
        kinds: list[type] = [
            one if isinstance(one, type) else type(one)
            for one in (target, owner)
            if one is not None and not isinstance(one, _FUNCTIONS)
        ]
        return any(
            kind.__module__ == _MOCKS or (kind.__module__ == "__main__" and self.notes(kind))
            for kind in kinds
        )

    def use(
        self,
        op: Json,
        number: Json,
        args: list[Any],
        names: dict[str, Any],
        *,
        waited: float = 0.0,
    ) -> Any:
        """Do what student code asks of a lent object; :class:`StillWaitsError` if not by now."""
        target = self.own(number)
        need(type(op) is str and op in _ALL_USES, "a use of a lent object")
        try:
            if op == "set":
                self._check_set(target, *args)
            result: Any = None
            if op == "del":
                self._delete(target, *args)
            elif op in _TASKS:
                result = self._work_at(op, target, *args)
            elif op == "await":
                result = self._tasks.awaited(target)
            elif (wait := way_to_wait(op, target)) is not None:
                result = wait(waited, *args, **names)
            else:
                result = _USES[op](target, *args, **names)
            if op == "set":
                self._note_set(target, *args)
        except BaseException as error:
            if number not in self.validators or not isinstance(error, AssertionError):
                self._note_failure(error)
            raise
        if isinstance(result, _SECRET_TYPES):
            raise AttributeError("the test's frames, code and modules aren't handed over")
        return result

    def _note_failure(self, error: BaseException) -> None:
        """Remember what fails the test, whatever student code does with it."""
        if isinstance(error, AssertionError) or _fails(error):
            self.failed = error

    def _apart(self) -> asyncio.AbstractEventLoop:
        """Give the loop of the coroutines that student code awaits: the test's own waits there."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop

    def _work_at(self, op: str, target: Any, *args: Any) -> Any:
        """Go on with coroutines that student code waits for."""
        waiting = [target, *(args[0] if op == "go_on" and args else ())]
        if not all(type(item) is types.CoroutineType for item in waiting):
            raise TypeError("only a test's coroutines are waited for so")
        if op == "go_on":
            return self._tasks.go_on(waiting, args[1])
        return self._tasks.result(target) if op == "result" else self._tasks.cancel(target)

    def _check_set(self, target: Any, name: Any = "", value: Any = None) -> None:
        """Refuse to replace what a test's object counts and notes, or the parts of a mock.

        What the reference sets, answers may set, and what wasn't there.
        """
        if (self.settable is not None and name in self.settable) or _is_of_suites(target, name):
            return
        is_mock = type(target).__module__ == _MOCKS
        own = type(target).__module__ == "__main__" and self.settable is not None
        if (is_mock and number_of(value) is not None) or (own and hasattr(target, str(name))):
            raise AttributeError(
                f"{str(name)[:80]!r} of a test's object can't be changed: the lab doesn't ask for "
                "it. Tag the test cell 'student-room' to let answers change it: it then runs "
                "beside the student's code."
            )

    def _note_set(self, target: Any, name: Any, value: Any) -> None:
        if number_of(value) is not None and name in getattr(target, "__dict__", ()):
            self._put[id(target), name] = value

    def _delete(self, target: Any, name: Any = "") -> None:
        """Take back an object that student code has put on one of a test's own, and nothing else.

        scikit-learn does so with what a model is to know while it is fitted in another. What is
        set on a namespace is its data.
        """
        if type(target) in BAGS.values():
            delattr(target, _check_name(target, name))
            return
        put = self._put.pop((id(target), _check_name(target, name)), None)
        if put is None or not _is_own(target) or vars(target).get(name) is not put:
            raise AttributeError(f"{str(name)[:80]!r} of a test's object can't be deleted")
        delattr(target, name)

    def keep(self, error: BaseException) -> int:
        """Number an error, so that it can come back as itself."""
        self.raised.append(error)
        return len(self.raised) - 1

    def raised_before(self, number: Json) -> BaseException:
        """Give an error that a lent object raised."""
        need(type(number) is int and 0 <= number < len(self.raised), "an error of a callback")
        return self.raised[number]


def _identity(value: Any) -> int | tuple[int, ...]:
    """Give what tells an object from others; a method is made anew each time it is asked for."""
    if type(value) is types.MethodType:
        return id(value.__self__), id(value.__func__)
    if type(value) is types.BuiltinMethodType and value.__self__ is not None:
        return id(value.__self__), hash(value.__name__)
    return id(value)


def _fails(error: BaseException) -> bool:
    """Say whether an error is pytest's way to end a test."""
    return any(kind.__name__ == "OutcomeException" for kind in type(error).__mro__)


def _check_name(target: Any, name: Any) -> str:
    """Let public names through, and private ones of a class that the test itself wrote."""
    secret = type(name) is not str or name.startswith(_SECRET_NAMES)
    own = _is_own(target) and not str(name).startswith("__")
    if type(target).__module__ == _MOCKS and name in _MOCKS_OWN:
        secret = True
    if isinstance(target, asyncio.AbstractEventLoop):  # it would run anything here
        secret = True
    if isinstance(target, asyncio.Future) and name not in _OF_FUTURES:  # its lines, its coroutine
        secret = not str(name).startswith("__")
    if isinstance(target, functools.partial):  # its arguments may be what is expected
        secret = True
    if name in _PROTOCOL and _is_own(target) and hasattr(type(target), name):
        own = True
    own = own or _is_of_suites(target, name)
    if secret or (name.startswith("_") and name not in _READABLE and not own):
        raise AttributeError(f"{str(name)[:80]!r} of a test's object isn't handed over")
    return str(name)


def _is_of_suites(target: Any, name: Any) -> bool:
    """Say whether it is what a suite notes on a result while it runs."""
    return isinstance(target, unittest.TestResult) and name in _OF_SUITES


def _read(target: Any, name: Any) -> Any:
    """Read an attribute; of what a function takes, as much as is needed to call it."""
    if name == "__annotations__" and _is_own_class(target):
        return annotations_told(target)
    if _check_name(target, name) == "__signature__":
        return signature_of(target)
    return getattr(target, str(name))


def _set(target: Any, name: Any, value: Any) -> None:
    """Set data of a test's object; what it does is the test's."""
    if isinstance(target, (type, *_FUNCTIONS)):
        raise AttributeError(
            "a test's functions and classes can't be changed by answers. Tag the test cell "
            "'student-room' so that it runs beside the student's code."
        )
    known = inspect.getattr_static(type(target), _check_name(target, name), None)
    watches = type(target).__module__ == _MOCKS and known is not None
    if watches or callable(known) or isinstance(known, (classmethod, staticmethod)):
        raise AttributeError(f"{str(name)[:80]!r} of a test's object can't be changed")
    if type(target).__module__ == _MOCKS and str(name).startswith(("assert", "called")):
        raise AttributeError(f"{str(name)[:80]!r} of a test's object can't be changed")
    setattr(target, name, value)


@functools.lru_cache(maxsize=512)
def _members(kind: type) -> list[str]:
    """Name what a test's class has for its objects, as far as these hand it over."""
    names = [name for name in dir(kind) if not name.startswith("_")][:_MEMBERS]
    return names + [name for name in sorted(_PROTOCOL) if hasattr(kind, name)]


def _is_own(value: Any) -> bool:
    """Say whether an object is of a class that the test has written, or holds what it has set."""
    is_bag = type(value) in BAGS.values()
    return is_bag or (type(value).__module__ == "__main__" and not isinstance(value, type))


def _is_own_class(value: Any) -> bool:
    return isinstance(value, type) and value.__module__ == "__main__"


def _vars(target: Any) -> dict[str, Any]:
    """Give what is in an object of the test's, or what the body of a class of its own binds."""
    if not _is_own_class(target):
        found: dict[str, Any] = _of_own(_public)(target)
        return found
    plain = (types.FunctionType, *_DATA)
    public = {name: value for name, value in vars(target).items() if not name.startswith("_")}
    body = {name: value for name, value in public.items() if isinstance(value, plain)}
    return body | {"__annotations__": annotations_told(target)}


def _of_own(use: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Allow a use of objects of the test's own classes only."""

    def used(target: Any) -> Any:
        if not _is_own(target):
            raise AttributeError("that isn't handed over")
        return use(target)

    return used


def _public(target: Any) -> dict[str, Any]:
    """Give what is in an object, but for what is its class's own business."""
    held: dict[str, Any] = vars(target)
    if type(target) in BAGS.values():
        return held
    return {name: value for name, value in held.items() if not name.startswith("__")}


def _operators(value: Any) -> int:
    """Give the mask of what student code may do with an object by operators.

    What it is as text, if the test has written its class.
    """
    kind: Any = type(value)
    return operators_of(kind, speaks=kind.__module__ == "__main__" or kind in BAGS.values())


def _operate(target: Any, name: Any, *others: Any) -> Any:
    """Do what an operator of an object's class does; the other room asks its own in turn."""
    if type(name) is not str or name not in named(_operators(target)):
        raise AttributeError(f"{str(name)[:80]!r} of a test's object isn't handed over")
    if name == "__hash__":
        return hash(target)
    if name == "__eq__" and type(target) in BAGS.values():
        return others[0] == target  # the student's is one of its own room
    return getattr(type(target), name)(target, *others)


def _is_instance(target: Any, value: Any) -> bool:
    """Say whether a test's object is of a test's class; what is the student's isn't."""
    return isinstance(target, type) and number_of(value) is None and isinstance(value, target)


def _is_subclass(target: Any, kind: Any) -> bool:
    """Say whether a test's class is derived from another of its classes."""
    classes = isinstance(target, type) and number_of(kind) is None and isinstance(kind, type)
    return classes and issubclass(kind, target)


def _of_error(error: Any) -> tuple[Any, Any, None]:
    """Give what a context manager is told; an error that is the student's object says its class."""
    is_error = isinstance(error, BaseException)
    return (error.__class__, error, None) if is_error else (None, None, None)


def _exit(target: Any, error: Any) -> bool:
    return bool(special_of(target, "__exit__")(*_of_error(error)))


async def _awaited(target: Any) -> Any:
    return await target


async def _entered(target: Any) -> Any:
    return await special_of(target, "__aenter__")()


async def _left(target: Any, error: Any) -> bool:
    return bool(await special_of(target, "__aexit__")(*_of_error(error)))


_TASKS = frozenset({"go_on", "result", "cancel"})
_USES: dict[str, Callable[..., Any]] = {
    "call": lambda target, /, *args, **names: target(*args, **names),
    "get": _read,
    "set": _set,
    "len": len,
    "iter": iter,
    "next": next,
    "item": lambda target, key: target[key],
    "setitem": lambda target, key, value: target.__setitem__(key, value),
    "delitem": lambda target, key: target.__delitem__(key),
    "contains": lambda target, key: key in target,
    "operate": _operate,
    "isinstance": _is_instance,
    "issubclass": _is_subclass,
    "enter": lambda target: special_of(target, "__enter__")(),
    "exit": _exit,
    "copy": _of_own(copy.copy),
    "deepcopy": _of_own(copy.deepcopy),
    "vars": _vars,
    "class": _of_own(type),
    "aiter": aiter,
    "anext": lambda target: _awaited(special_of(target, "__anext__")()),
    "aenter": _entered,
    "aexit": _left,
}
_ALL_USES = frozenset({*_USES, *_TASKS, "del", "await"})
