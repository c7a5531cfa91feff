"""Classes that a test derives from one of this room.

The class and its objects are this room's; its methods are the test's, which are lent.
"""

import asyncio
import functools
from collections.abc import Callable, Sequence
from types import new_class
from typing import Any

__all__ = ["derive"]


def derive(
    name: str,
    bases: Sequence[type],
    members: dict[str, list[Any]],
    keywords: dict[str, Any],
) -> type:
    """Make a class.

    Parameters
    ----------
    name : str
        What it is called.
    bases : sequence of type
        What it is derived from.
    members : dict of str to list
        What its body binds: a kind (``method``, ``property``, ``value`` ...) and its parts.
    keywords : dict
        What the statement hands to the bases.
    """
    body = {member: _MEMBERS[kind](*parts) for member, (kind, *parts) in members.items()}
    body |= {"__module__": "__main__", "__qualname__": name}
    return new_class(name, tuple(bases), keywords, lambda namespace: namespace.update(body))


def _method(lent: Any) -> Any:
    """Give a function that calls a lent one: it is bound to objects, as the test's own would be."""
    if not callable(lent):
        return lent
    if asyncio.iscoroutinefunction(lent):

        async def wait(*args: Any, **names: Any) -> Any:
            return await lent(*args, **names)

        return _alike(wait, lent)

    def call(*args: Any, **names: Any) -> Any:
        return lent(*args, **names)

    return _alike(call, lent)


def _alike(made: Any, lent: Any) -> Any:
    made.__name__ = made.__qualname__ = lent.__name__
    made.__doc__ = lent.__doc__
    made.__wrapped__ = lent  # whoever looks at the signature asks for it
    return made


def _property(*parts: Any) -> property:
    return property(*(part and _method(part) for part in parts))


def _cached(lent: Any) -> Any:
    return functools.cached_property(_method(lent))


_MEMBERS: dict[str, Callable[..., Any]] = {
    "method": _method,
    "property": _property,
    "staticmethod": lambda lent: staticmethod(_method(lent)),
    "classmethod": lambda lent: classmethod(_method(lent)),
    "cached_property": _cached,
    "value": lambda value: value,
}
