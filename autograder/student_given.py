"""The examiner's objects as student code sees them: what was handed over, and nothing behind it.

A test may hand a function, a class of its own, a stub model, a coroutine or an open file to student
code. In the student's room each is a proxy; using it asks the examiner's room, which answers for
that object alone. The proxy holds a number: no frame, no globals and no code of the test is
reachable.
"""

import dataclasses
import weakref
from collections.abc import Callable
from types import CoroutineType
from typing import Any

from autograder.awaiting import Awaiting
from autograder.student_functions import MARKS, looks_of
from autograder.wire_abilities import (
    ABILITIES,
    ASYNC_BIT,
    CLASS_BIT,
    GENERATOR_BIT,
    OWN_BIT,
    named,
)
from autograder.wire_signatures import annotations_of, without_left_out

__all__ = ["Given", "GivenCoroutines", "given", "given_number"]

Ask = Callable[..., Any]


class _GivenType(type):
    """The class of such classes; to call one that is like a test's own makes an object of that."""

    def __call__(cls, /, *args: Any, **kwargs: Any) -> Any:
        one = cls.__dict__.get("_given_one")
        if one is None:
            return type.__call__(cls, *args, **kwargs)
        return one._given_ask("class", one)(*args, **kwargs)

    def make(cls, ask: Ask, number: int, label: str) -> "Given":
        """Make a proxy; the first of a test's own class knows that class."""
        made: Given = type.__call__(cls, ask, number, label)
        if "_given_one" in cls.__dict__ and cls.__dict__["_given_one"] is None:
            type.__setattr__(cls, "_given_one", made)
        return made


class Given(metaclass=_GivenType):
    """An object of the examiner's room; its class is made by :func:`given`."""

    __slots__ = ("__weakref__", "_given_ask", "_given_label", "_given_number")

    def __init__(self, ask: Ask, number: int, label: str) -> None:
        object.__setattr__(self, "_given_ask", ask)
        object.__setattr__(self, "_given_number", number)
        object.__setattr__(self, "_given_label", label)

    def __getattr__(self, name: str) -> Any:
        if name == "__annotations__" and type(self).__name__ in _FUNCTIONS:
            return annotations_of(self)
        if name.startswith("__") and name not in _READABLE:
            raise AttributeError(
                f"{self!r} doesn't show {name!r} to the student's code. Hand over plain data, or "
                "tag the test cell 'student-room'."
            )
        return self._given_ask("get", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._given_ask("set", self, name, value)

    def __delattr__(self, name: str) -> None:
        self._given_ask("del", self, name)

    def __dir__(self) -> list[str]:
        return [name for name in dir(type(self)) if not name.startswith("_given")]

    def __repr__(self) -> str:
        return f"<given by the test: {self._given_label}>"


_READABLE = frozenset({"__name__", "__qualname__", "__doc__", "__signature__"})


def _call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
    args, kwargs = without_left_out(self, args, kwargs)
    return self._given_ask("call", self, *args, **kwargs)


def _call_async(self: Any, /, *args: Any, **kwargs: Any) -> Any:
    return _call(self, *args, **kwargs)


vars(_call_async).update(MARKS)


def _operation(name: str) -> Callable[..., Any]:
    def operate(self: Any, *args: Any) -> Any:
        return self._given_ask(name, self, *args)

    return operate


def _operator(name: str) -> Callable[..., Any]:
    def operate(self: Any, *others: Any) -> Any:
        return self._given_ask("operate", self, name, *others)

    return operate


def _iterate(self: Any) -> Any:
    return iter(self._given_ask("iter", self))


def _self_iterate(self: Any) -> Any:
    return self


def _leave(self: Any, _: Any, value: Any, __: Any) -> Any:
    return self._given_ask("exit", self, value)


def _leave_async(self: Any, _: Any, value: Any, __: Any) -> Any:
    return self._given_ask("aexit", self, value)


def _await(self: Any) -> Any:
    return self._given_ask("await", self).__await__()


def _mro_of(bases: tuple[Any, ...]) -> list[Any]:
    """Give what a class with these bases is derived from."""
    found = [kind for base in bases for kind in base.__mro__ if kind is not object]
    return [*dict.fromkeys(found), object]


def _is_subclass(self: Any, kind: Any) -> Any:
    """Say whether a class is derived from a test's: the class of a test's object may be that."""
    if type(kind) is _GivenType:
        one = kind.__dict__.get("_given_one")
        if one is None or kind.__dict__["_given_class"] == given_number(self):
            return one is not None
        kind = one._given_ask("class", one)
    return self._given_ask("issubclass", self, kind)


def _deep_copy(self: Any, _: Any) -> Any:
    return self._given_ask("deepcopy", self)


_OWN = {
    "__copy__": _operation("copy"),
    "__deepcopy__": _deep_copy,
    "__dict__": property(_operation("vars")),
}
_ONE = {"__copy__": lambda self: self, "__deepcopy__": lambda self, _: self}
"""Of functions and classes: each is its own copy."""
_FUNCTIONS = frozenset({"function", "method", "builtin_function_or_method"})
_METHODS: dict[str, Callable[..., Any]] = {
    "call": _call,
    "iter": _iterate,
    **{
        name: _operation(name)
        for name in ("len", "next", "item", "setitem", "delitem", "contains", "aiter", "anext")
    },
    "with": _operation("enter"),
    "await": _await,
    "awith": _operation("aenter"),
}
_classes: dict[tuple[Any, ...], tuple[_GivenType, Any]] = {}
_FIELDS = "__dataclass_fields__"
_DOC = property(lambda self: self._given_ask("get", self, "__doc__"))


def given(
    ask: Ask,
    number: int,
    mask: int,
    label: str,
    operators: int,
    kind: str,
    base: type | None,
    fields: tuple[str, ...],
    members: tuple[str, ...],
    own: int,
    above: tuple["Given", ...],
) -> Given:
    """Make the proxy of one object of the examiner's room.

    Parameters
    ----------
    ask : callable
        Asks that room.
    number : int
        The object's.
    mask, operators : int
        What it can do, and which operators it has.
    label, kind : str
        What it and its class are called.
    base : type, optional
        The class of this room that its class is derived from: a value type, or a given one.
    fields : tuple of str
        Those of a data class.
    members : tuple of str
        What its class has for its objects, if the test has written that: protocols look for it.
    own : int
        The number of its class, if the test has written that.
    above : tuple of Given
        Of a class, those that it is derived from and that the test has written too.
    """
    known = (mask, operators, kind, id(base), fields, members, own, above)
    if known not in _classes:  # with the class, which may go otherwise, and its number with it
        made = _given_class(mask, operators, kind, base, fields, members, own, above)
        _classes[known] = made, base
    # A class of the test's may have a `make` of its own.
    return _GivenType.make(_classes[known][0], ask, number, label)


def _member(name: str) -> property:
    return property(lambda self: self._given_ask("get", self, name))


def _given_class(
    mask: int,
    operators: int,
    kind: str,
    base: type | None,
    fields: tuple[str, ...],
    members: tuple[str, ...],
    own: int,
    above: tuple[Given, ...],
) -> _GivenType:
    body: dict[str, Any] = {name: _member(name) for name in members}
    body |= {"__slots__": (), "__doc__": _DOC, "__hash__": Given.__hash__}
    for bit, (ability, method) in enumerate(ABILITIES):
        if mask >> bit & 1 and ability in _METHODS:
            body[method] = _METHODS[ability]
    body |= {name: _operator(name) for name in named(operators)}
    if "__enter__" in body:
        body["__exit__"] = _leave
    if "__aenter__" in body:
        body["__aexit__"] = _leave_async
    if "__next__" in body:
        body["__iter__"] = _self_iterate
    if mask & OWN_BIT:
        body |= {**_OWN, "_given_one": None, "_given_class": own}
    if mask & CLASS_BIT or kind in _FUNCTIONS:
        body |= _ONE
    if mask & CLASS_BIT:
        body |= {"__annotations__": _member("__annotations__"), "__type_params__": ()}
        body["__dict__"] = property(_operation("vars"))
        body["__instancecheck__"] = _operation("isinstance")
        body["__subclasscheck__"] = _is_subclass
        body["__class__"] = property(lambda _: type)
        bases: tuple[Any, ...] = above or (base or object,)
        body["__bases__"] = bases
        body["__mro__"] = property(lambda self: (self, *_mro_of(bases)))
        body["__subclasses__"] = lambda _: []
    body |= looks_of(mask, kind)
    if mask & ASYNC_BIT and not mask & GENERATOR_BIT:
        body |= {**MARKS, "__call__": _call_async}
    if base is not None and not mask & CLASS_BIT:
        body["__class__"] = property(lambda _: base)
    like: Any = dataclasses.make_dataclass(kind, fields) if fields else base
    if hasattr(like, _FIELDS):  # what `dataclasses` knows an object by
        body[_FIELDS] = getattr(like, _FIELDS)
    return _GivenType(kind, (Given,), body)


def given_number(value: Any) -> int | None:
    """Give the number of a proxy; None for anything else."""
    if not issubclass(type(value), Given):
        return None
    return int(object.__getattribute__(value, "_given_number"))


class GivenCoroutines:
    """The test's coroutines, as coroutines of this room that wait for them."""

    def __init__(self) -> None:
        self._numbers: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._made: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        self._awaiting = Awaiting(self._ask)

    def coroutine(self, proxy: Given) -> Any:
        """Give the coroutine that waits for one of the test's, the same one for the same."""
        number = int(object.__getattribute__(proxy, "_given_number"))
        made: Any = self._made.get(number)
        if made is None:
            made = self._made[number] = self._awaiting.result(proxy)
            made.__name__ = made.__qualname__ = object.__getattribute__(proxy, "_given_label")
            self._numbers[made] = number
        return made

    def number(self, value: Any) -> int | None:
        """Give the number of the test's coroutine that one of this room waits for."""
        return self._numbers.get(value) if type(value) is CoroutineType else None

    @staticmethod
    def _ask(op: str, what: Any, *args: Any) -> Any:
        if type(what) is list:
            return what[0]._given_ask(op, what[0], what[1:], *args)
        return what._given_ask(op, what)
