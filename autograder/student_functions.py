"""What a test's functions and methods look like to `inspect`, and to whatever asks it.

Code that takes a function asks what it is: a coroutine function is awaited, a generator function
gone through. A proxy answers as the function would; of the function's code there is nothing here
but the kind of function and the names of its parameters.
"""

import asyncio
import inspect
from collections.abc import Callable
from types import CodeType, FunctionType, MethodType
from typing import Any

from autograder.wire_abilities import ASYNC_BIT, GENERATOR_BIT

__all__ = ["MARKS", "calling", "looks_of"]


def _plain(lent: Any) -> Any:
    def call(*args: Any, **names: Any) -> Any:
        return lent(*args, **names)

    return call


def _generator(lent: Any) -> Any:
    def call(*args: Any, **names: Any) -> Any:
        return (yield from lent(*args, **names))

    return call


def _asynchronous(lent: Any) -> Any:
    async def call(*args: Any, **names: Any) -> Any:
        return await lent(*args, **names)

    return call


def _asynchronous_generator(lent: Any) -> Any:
    async def call(*args: Any, **names: Any) -> Any:
        async for each in lent(*args, **names):
            yield each

    return call


_LIKE: dict[int, Callable[[Any], Any]] = {
    0: _plain,
    GENERATOR_BIT: _generator,
    ASYNC_BIT: _asynchronous,
    ASYNC_BIT | GENERATOR_BIT: _asynchronous_generator,
}
MARKS = {
    "_is_coroutine": getattr(asyncio.coroutines, "_is_coroutine", None),
    "_is_coroutine_marker": getattr(inspect, "_is_coroutine_mark", None),
}
"""What `asyncio` and `inspect` know a coroutine function by, and frameworks its call."""
_VARIABLE = {
    inspect.Parameter.VAR_POSITIONAL: inspect.CO_VARARGS,
    inspect.Parameter.VAR_KEYWORD: inspect.CO_VARKEYWORDS,
}
_ANY = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS


def _code(self: Any, like: CodeType) -> CodeType:
    """Give code of the same kind that does nothing, with the names of the parameters."""
    parameters = self.__signature__.parameters.values()
    names = {
        kind: [each.name for each in parameters if each.kind is kind]
        for kind in inspect._ParameterKind
    }
    kinds = inspect.Parameter
    plain = names[kinds.POSITIONAL_ONLY] + names[kinds.POSITIONAL_OR_KEYWORD]
    named = names[kinds.KEYWORD_ONLY]
    variables = plain + named + names[kinds.VAR_POSITIONAL] + names[kinds.VAR_KEYWORD]
    return like.replace(
        co_argcount=len(plain),
        co_posonlyargcount=len(names[kinds.POSITIONAL_ONLY]),
        co_kwonlyargcount=len(named),
        co_varnames=tuple(variables),
        co_nlocals=len(variables),
        co_flags=like.co_flags & ~_ANY | sum(f for kind, f in _VARIABLE.items() if names[kind]),
        co_name=self.__name__,
    )


def _defaults(self: Any) -> tuple[Any, ...] | None:
    """Give what stands for the defaults of parameters that may be given by their place."""
    parameters = self.__signature__.parameters.values()
    of_places = (each for each in parameters if each.kind is not inspect.Parameter.KEYWORD_ONLY)
    return tuple(each.default for each in of_places if each.default is not each.empty) or None


def _named_defaults(self: Any) -> dict[str, Any] | None:
    """Give what stands for the defaults of parameters that are given by name."""
    parameters = self.__signature__.parameters.values()
    named = (each for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY)
    return {each.name: each.default for each in named if each.default is not each.empty} or None


def _function(self: Any, like: Callable[[Any], Any]) -> Any:
    """Give a method's function, which has one parameter more."""
    made = like(lambda _, *args, **names: self(*args, **names))
    made.__name__ = made.__qualname__ = self.__name__
    told = list(self.__signature__.parameters.values())
    me = inspect.Parameter("__self", inspect.Parameter.POSITIONAL_ONLY)
    made.__signature__ = self.__signature__.replace(parameters=[me, *told])
    return made


def _bound(self: Any, value: Any, _: Any = None) -> Any:
    """Be a method of the objects of a class that it is set on."""
    return self if value is None else MethodType(self, value)


def looks_of(mask: int, kind: str) -> dict[str, Any]:
    """Give what the class of a test's functions, or methods, has to look like these.

    Parameters
    ----------
    mask : int
        What they are.
    kind : str
        What their class is called.
    """
    like = _LIKE[mask & (ASYNC_BIT | GENERATOR_BIT)]
    body: dict[str, Any] = {}
    if kind == "function":
        body["__class__"] = property(lambda _: FunctionType)
        body["__code__"] = property(lambda self: _code(self, like(None).__code__))
        body["__defaults__"] = property(_defaults)
        body["__kwdefaults__"] = property(_named_defaults)
        body["__get__"] = _bound
    if kind == "method":
        body["__class__"] = property(lambda _: MethodType)
        body["__func__"] = property(lambda self: _function(self, like))
    return body


def calling(lent: Any) -> Any:
    """Give a function of the same kind that calls one of the test's."""
    is_async = asyncio.iscoroutinefunction(lent)
    return _LIKE[ASYNC_BIT if is_async else 0](lent)
