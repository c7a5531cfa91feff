"""The examiner's objects as student code sees them: what was handed over, and nothing behind it.

A test may hand a function, a class of its own, a stub model or an open file to student code. In
the student's room each is a proxy; using it asks the examiner's room, which answers for that
object alone. The proxy holds a number: no frame, no globals and no code of the test is reachable.
"""

from collections.abc import Callable
from typing import Any

from autograder.wire_abilities import ABILITIES

__all__ = ["Given", "given", "given_number"]

Ask = Callable[..., Any]


class Given:
    """An object of the examiner's room; its class is made by :func:`given`."""

    __slots__ = ("__weakref__", "_given_ask", "_given_label", "_given_number")

    def __init__(self, ask: Ask, number: int, label: str) -> None:
        object.__setattr__(self, "_given_ask", ask)
        object.__setattr__(self, "_given_number", number)
        object.__setattr__(self, "_given_label", label)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in _READABLE:
            raise AttributeError(name)
        return self._given_ask("get", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._given_ask("set", self, name, value)

    def __repr__(self) -> str:
        return f"<given by the test: {self._given_label}>"


_READABLE = frozenset({"__name__", "__qualname__", "__doc__", "__signature__"})


def _call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
    return self._given_ask("call", self, *args, **kwargs)


def _operation(name: str) -> Callable[..., Any]:
    def operate(self: Any, *args: Any) -> Any:
        return self._given_ask(name, self, *args)

    return operate


def _iterate(self: Any) -> Any:
    return iter(self._given_ask("iter", self))


def _self_iterate(self: Any) -> Any:
    return self


def _leave(self: Any, _: Any, value: Any, __: Any) -> Any:
    return self._given_ask("exit", self, value)


_METHODS: dict[str, Callable[..., Any]] = {
    "call": _call,
    "iter": _iterate,
    **{
        name: _operation(name) for name in ("len", "next", "item", "setitem", "delitem", "contains")
    },
    "with": _operation("enter"),
}
_classes: dict[int, type] = {}
_DOC = property(lambda self: self._given_ask("get", self, "__doc__"))


def given(ask: Ask, number: int, mask: int, label: str) -> Given:
    """Make the proxy of one object of the examiner's room."""
    kind = _classes.get(mask)
    if kind is None:
        body: dict[str, Any] = {"__slots__": (), "__doc__": _DOC}
        for bit, (ability, method) in enumerate(ABILITIES):
            if mask >> bit & 1 and ability in _METHODS:
                body[method] = _METHODS[ability]
        if "__enter__" in body:
            body["__exit__"] = _leave
        if "__next__" in body:
            body["__iter__"] = _self_iterate
        kind = _classes[mask] = type("Given", (Given,), body)
    made: Given = kind(ask, number, label)
    return made


def given_number(value: Any) -> int | None:
    """Give the number of a proxy; None for anything else."""
    if not issubclass(type(value), Given):
        return None
    return int(object.__getattribute__(value, "_given_number"))
