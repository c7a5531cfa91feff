"""Functions of the test's as methods of this room's classes.

A test derives a class from one of this room, or replaces a method of one. The class and its objects
are this room's; such a method is lent.
"""

import functools
import weakref
from collections.abc import Callable, Sequence
from types import FunctionType, new_class
from typing import Any

from autograder.student_functions import calling
from autograder.student_given import Given

__all__ = ["derive", "fill", "lent_method", "method_of", "nested_class", "set_attribute"]

_lent: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


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


def set_attribute(target: Any, name: str, value: Any) -> None:
    """Set an attribute; a function of the test's is bound to objects of the class it is set on."""
    if isinstance(target, type) and isinstance(value, Given) and type(value).__name__ == "function":
        value = _method(value)
    setattr(target, name, value)


def lent_method(value: Any) -> Any:
    """Give the test's function that a function of this room stands for; None for any other."""
    return _lent.get(value) if type(value) is FunctionType else None


def method_of(lent: Any, hints: dict[str, Any]) -> Any:
    """Give a function of the test's, with the annotations that a library may look at."""
    made = _method(lent)
    if hints:
        made.__annotations__ = hints
    return made


def fill(made: Any, state: dict[str, Any]) -> None:
    """Put into an object what it has, past what its class does about it."""
    vars(made).update(state)


def nested_class(name: str, outer: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
    """Make a class that is written within another's body."""
    return type(name, bases, body | {"__module__": "__main__", "__qualname__": f"{outer}.{name}"})


def _method(lent: Any) -> Any:
    """Give a function that calls a lent one: it is bound to objects, as the test's own would be."""
    if not callable(lent):
        return lent
    return _alike(calling(lent), lent)


def _alike(made: Any, lent: Any) -> Any:
    made.__name__ = made.__qualname__ = getattr(lent, "__name__", made.__name__)
    made.__doc__ = lent.__doc__
    made.__wrapped__ = lent  # whoever looks at the signature asks for it
    _lent[made] = lent
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
