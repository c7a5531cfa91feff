"""Data classes that a lab gives or asks for: their objects are compared here, field by field.

The operator is the decorator's work and no subject of the lab, so nobody's word is taken for it.
An object that a test has made of values, and that nothing has been done to since, is held to them:
one that forgets what it is made of would be equal to another one that does.
"""

import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from autograder.handles import number_of, refusal

__all__ = ["Fields", "are_equal", "compared_by"]

_READING = frozenset(
    {"ancestry", "name", "given", "repr", "str", "format", "can", "hashable", "look"}
)
_MADE = 10_000
_HOLDING = (list, tuple, set, frozenset)
_FEW = 300
_ORDERED = (list, tuple)
_PLAIN = (bool, int, float, complex, str, bytes, type(None), list, tuple, set, frozenset)

Parts = dict[str, list[str]]


@cache
def compared_by(kind: Any) -> tuple[str, ...] | None:
    """Name the fields by which a module's data class has its objects equal; None of other classes.

    Examples
    --------
    >>> from autograder.shell import CellOutcome
    >>> compared_by(CellOutcome), compared_by(int)
    (('error', 'count'), None)
    """
    if kind.__module__ == "__main__":
        return None
    equal = next(vars(base)["__eq__"] for base in kind.__mro__ if "__eq__" in vars(base))
    if is_dataclass(kind):
        code = getattr(vars(kind).get("__eq__"), "__code__", None)
        is_made = code is not None and code.co_filename == "<string>"
        return tuple(one.name for one in fields(kind) if one.compare) if is_made else None
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and issubclass(kind, pydantic.BaseModel):
        return tuple(kind.model_fields) if equal is vars(pydantic.BaseModel)["__eq__"] else None
    return None


def are_equal(names: Iterable[str], one: Any, other: Any) -> bool:
    """Compare two objects by these fields."""
    pairs = [tuple(_field(each, name) for name in names) for each in (one, other)]
    return bool(pairs[0] == pairs[1])


class Fields:
    """Compares objects of data classes that the lab gives or asks for.

    Parameters
    ----------
    ancestry : callable
        Gives the classes that an object's class is made of.
    """

    def __init__(self, ancestry: Callable[[Any], list[Any]]) -> None:
        self._ancestry = ancestry
        self.written: Callable[[], list[tuple[Any, Parts]]] = list
        """Gives those classes, with their fields."""
        self.active = False
        self._made: dict[int, tuple[Any, tuple[Any, ...], dict[str, Any]]] = {}

    def begin(self) -> None:
        """Start a test cell."""
        self._made.clear()

    def asking(self, op: str, args: Iterable[Any]) -> None:
        """Forget what objects were made of that something is about to be done to."""
        if not self._made or op in _READING:
            return
        target, *others = [*args] or [None]
        if op == "get":
            known = self._of(target) if number_of(target) in self._made else None
            if known is None or others[0] in known["compared"] + known["made_of"]:
                return
        for one in (target, *others):
            inner = one.values() if type(one) is dict else one if type(one) in _HOLDING else ()
            for held in (one, *inner):
                self._made.pop(number_of(held) or 0, None)

    def made(self, found: Any, kind: Any, args: tuple[Any, ...], names: dict[str, Any]) -> None:
        """Note what a test has made an object of."""
        number = number_of(found)
        if number is None or number_of(kind) is None or len(self._made) > _MADE:
            return
        if any(kind is one for one, _ in self.written()):
            self._made[number] = (found, args, names)

    def equal(self, one: Any, other: Any) -> bool | None:
        """Say whether two objects are equal; None where the lab's class says so itself."""
        known = self._of(one) if self.active else None
        if known is None:
            return None
        kinds = [self._ancestry(each)[:1] for each in (one, other)]
        if not kinds[0] or not kinds[1] or kinds[0][0] is not kinds[1][0]:
            return False
        for each in (one, other):
            self._check(each, known)
        return are_equal(known["compared"], one, other)

    def _of(self, handle: Any) -> Parts | None:
        kinds = self._ancestry(handle)[:1]
        return next((parts for one, parts in self.written() if kinds and one is kinds[0]), None)

    def _check(self, handle: Any, known: Parts) -> None:
        """Hold an object to what it was made of."""
        _, args, names = self._made.get(number_of(handle) or 0, (None, (), {}))
        given = dict(zip(known["made_of"], args, strict=False)) | names
        for name in known["made_of"]:
            same = True
            if name not in given or name in known.get("altered", ()):
                continue
            has = _field(handle, name)
            with suppress(ValueError):  # of arrays, say, which aren't the same or not at once
                same = self._agrees(given[name], has)
            if not same:
                raise refusal(handle, f"has another {name!r} than it was made with")

    def _agrees(self, given: Any, has: Any) -> bool:
        """Say whether an object may have something, made of what was given: it may be converted.

        An object that was made of a dict has what was in that.
        """
        if number_of(has) is not None:
            return self._may_stand_for(given, has)
        if isinstance(given, dict) and isinstance(has, dict) and given.keys() == has.keys():
            return all(self._agrees(value, has[key]) for key, value in given.items())
        if isinstance(given, dict) and isinstance(has, dict):
            pairs = zip((*given, *given.values()), (*has, *has.values()), strict=True)
            return len(given) == len(has) and all(self._agrees(*pair) for pair in pairs)
        if isinstance(given, _ORDERED) and isinstance(has, _ORDERED):
            return len(given) == len(has) and all(map(self._agrees, given, has))
        if isinstance(given, _HOLDING) and isinstance(has, (set, frozenset)):
            return given == has or self._agree_anyhow([*given], [*has])
        return bool(given == has) if type(has) is type(given) else _is_converted(given, has)

    def _agree_anyhow(self, given: list[Any], has: list[Any]) -> bool:
        """Say whether each item of either is, or was made of, one of the other."""
        return len(has) <= len(given) <= _FEW and all(
            any(self._agrees(one, other) for one, other in pairs)
            for pairs in (
                *([(one, other) for other in has] for one in given),
                *([(one, other) for one in given] for other in has),
            )
        )

    def _may_stand_for(self, given: Any, has: Any) -> bool:
        """Say whether an object in the student's room may be what was made of what was given."""
        if number_of(given) is not None:
            return bool(given == has)
        if type(given) is dict:
            known = self._of(has)
            names = [name for name in given if type(name) is str]
            names = [name for name in names if name in known["made_of"]] if known else names
            return all(self._agrees(given[name], _field(has, name)) for name in names)
        # A member of an enumeration, made of its value.
        return type(given) not in _PLAIN or self._agrees(given, _field(has, "value"))


def _is_converted(given: Any, has: Any) -> bool:
    """Say whether a library that converts to a field's type makes one value of the other."""
    from pydantic import TypeAdapter, ValidationError
    from pydantic.errors import PydanticUserError

    if has is None or type(given) not in _PLAIN:
        return type(given) not in _PLAIN
    try:
        return bool(TypeAdapter(type(has)).validate_python(given) == has)
    except (ValidationError, PydanticUserError):  # or no type that it knows
        return bool(given == has)


def _field(handle: Any, name: str) -> Any:
    try:
        return getattr(handle, name)
    except AttributeError:
        raise refusal(handle, f"has no {name!r} to be compared by") from None
