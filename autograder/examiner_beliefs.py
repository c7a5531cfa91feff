"""What the examiner's room believes of an object in the student's, and what it refuses to.

This is what handles ask of the link beyond its questions: of which class an object is, which of
its operators count, and what is compared here instead.
"""

import inspect
import sys
from abc import ABC, abstractmethod
from functools import cache, lru_cache
from types import FrameType, FunctionType
from typing import Any, cast

from autograder.examiner_fields import Fields, are_equal, compared_by
from autograder.examiner_identity import Copies, has_identity, is_copy_of, is_same
from autograder.examiner_judging import (
    SHELL,
    Judge,
    is_librarys,
    is_operator,
    is_value_class,
    who_asks,
)
from autograder.examiner_objects import RoomObjects, is_real
from autograder.examiner_own_work import OwnWork
from autograder.examiner_saying import Sayings
from autograder.handles import (
    Handle,
    HandleError,
    HandleTypeError,
    base_of,
    describe,
    number_of,
    refusal,
)
from autograder.wire_abilities import BAGS, build_signature

__all__ = ["Beliefs"]

_CACHED = type(lru_cache(id))
_SAID = 200
_OF_DATA_CLASSES = frozenset({"__repr__", "__eq__", "__lt__", "__le__", "__gt__", "__ge__"})


@cache
def _nearest(kinds: tuple[type, ...]) -> type:
    """Give the class of this room that stands for all of these, the nearest ones first."""
    tops: list[type] = []
    for kind in kinds:
        if not any(issubclass(top, kind) for top in tops):
            tops.append(kind)
    if len(tops) < 2:
        return tops[0] if tops else Handle
    try:
        return type(" and ".join(top.__name__ for top in tops), tuple(tops), {})
    except Exception:  # classes that can't be the bases of one
        return tops[0]


class Beliefs(ABC):
    """The part of the link that says what counts of an object's word."""

    gone: str
    judge: Judge
    sayings: Sayings
    fields: Fields
    own_work: OwnWork
    copies: Copies
    objects: RoomObjects
    refusal: BaseException | None
    doubtful: BaseException | None
    _classes: dict[int, type]
    _taking: bool

    @abstractmethod
    def ask(self, op: str, /, *args: Any, **kwargs: Any) -> Any:
        """Ask one question and give its answer, or raise what it raised."""

    @abstractmethod
    def note(self, what: str) -> None:
        """Note something that explains a failure."""

    @abstractmethod
    def claim(self, what: str) -> None:
        """Note that the student's word was taken for something."""

    def class_of(self, handle: Any) -> type:
        """Give the nearest class of this room that the room says the object is of.

        A library that works with numbers isn't told that it has one of its own: it would believe
        what the object then says about itself. Nor is the shell, which shows a result. What
        `dataclass` has written for a test's class gets that class.
        """
        if _is_written_for_a_test(sys._getframe(3)):  # above the property and what looks it up
            return cast("type", next(iter(self.judge.ancestry(handle)), Handle))
        number = number_of(handle) or 0
        kind = self._classes.get(number)
        if kind is None:
            kind = _nearest(tuple(filter(is_real, self._as_here(self.judge.ancestry(handle)))))
            self._classes[number] = kind
        asks = who_asks(3)
        if asks in SHELL or (is_value_class(kind) and is_librarys(asks)):
            return Handle
        if kind is not Handle:
            self.claim(f"{describe(handle)} is a {kind.__name__}")
        return kind

    def _as_here(self, classes: list[Any]) -> list[Any]:
        """Put this room's own in the place of locked cells' classes of named tuples."""
        if not any(kind is tuple for kind in classes):
            return classes
        own = self.objects.given_tuples()
        same = [
            next((known for known in own if self.ask("same", kind, known) is True), kind)
            for kind in classes
            if number_of(kind) is not None
        ]
        return [*same, *filter(is_real, classes)]

    def instead_of(self, handle: Any, name: str) -> Any:
        """Refuse attributes by which an object would judge itself, or give what does it instead."""
        if self.sayings.reads(handle, name):
            return getattr(self.sayings.value_of(handle), name)
        if (found := self.own_work.instead_of(handle, name)) is not None:
            return found
        return self.judge.instead_of(handle, name)

    def is_strange(self, handle: Any) -> bool:
        """Say whether an object is of a class of the student's that the lab doesn't ask for."""
        return self.judge.is_strange(handle)

    def doubt(self, handle: Any) -> HandleError | None:
        """Give the error for a test that goes on because an object isn't equal to a value.

        No handle is. Where it might be in one process, a test that passes has proved nothing.
        """
        if not self.judge.may_be_a_value(handle):
            return None
        error = refusal(handle, "isn't told from a value")
        self.doubtful = self.doubtful or error
        return error

    def is_hashable(self, handle: Any) -> bool:
        """Say whether an object can be a key, as its room says."""
        return self._taking or self.gone != "" or self.ask("hashable", handle) is not False

    def refuse(self, handle: Any, what: str) -> HandleError:
        """Give the error that ends a test cell, also one that goes on after it."""
        error = refusal(handle, what)
        self.refusal = self.refusal or error
        return error

    def believes(self, handle: Any) -> bool:
        """Say whether an object's word counts on what it contains."""
        return self.judge.believes(handle)

    def may_operate(self, handle: Any, method: str, others: tuple[Any, ...]) -> bool:
        """Say whether the lab asks students to write this operator for such objects."""
        return not self.gone and self.judge.may_operate(handle, method, others)

    def operated(self, handle: Any, method: str, others: tuple[Any, ...]) -> Any:
        """Give what such an operator gives."""
        return self.judge.operated(handle, method, others)

    def equal_by_fields(self, handle: Any, other: Any) -> bool | None:
        """Compare two objects of a module's data class; None where one isn't of such."""
        kind = type(other) if number_of(other) is None else self._own_class(other)
        names = None if kind is None else compared_by(kind)
        if kind is None or names is None or self._own_class(handle) is not kind:
            return None
        self.claim(f"{describe(handle)} is a {kind.__name__}")
        return are_equal(names, handle, other)

    def _own_class(self, handle: Any) -> type | None:
        """Give the class of this room that an object says it is of itself."""
        kind = next(iter(self.judge.ancestry(handle)), None)
        return kind if kind is not None and is_real(kind) else None

    def equal(self, handle: Any, other: Any) -> bool | None:
        """Compare two objects of a class of the lab's; None where there is no such."""
        if base_of(handle) == "tuple" or self.gone:
            return None
        if (same := self.equal_bags(handle, other)) is not None:
            return same
        if (same := self.fields.equal(handle, other)) is not None:
            return same
        if (same := self.equal_by_fields(handle, other)) is not None:
            return same
        if base_of(handle) is base_of(other) is None and all(
            map(self.judge.is_enumerated, (handle, other))
        ):
            return False  # who asks has seen that they aren't the same
        if not self.may_operate(handle, "__eq__", (other,)):
            has = [self.judge.can_operate(one, "__eq__") for one in (handle, other)]
            if any(has):
                return None
            self.claim(f"that {describe(handle)} is equal to itself alone")
            self.note(
                f"{describe(handle)} was compared with another object, and has no equality of its "
                "own: it is equal to itself alone."
            )
            return False
        return self.ask("operate", "__eq__", handle, other) is True

    def is_named(self, handle: Any, value: Any) -> bool | None:
        """Say whether an object is a function or class of this room; None for any other value."""
        if self.gone or self._taking:
            return None
        if has_identity(value):
            return is_same(self, handle, value)
        is_by_itself = getattr(type(value), "__eq__", None) is object.__eq__
        return is_copy_of(self, handle, value) if is_by_itself else None

    def equal_bags(self, handle: Any, other: Any) -> bool | None:
        """Compare what is in two namespaces; None where one isn't of such a class."""
        is_here = number_of(other) is None
        kinds = [*self.judge.ancestry(handle)[:1]]
        kinds += [type(other)] if is_here else self.judge.ancestry(other)[:1]
        if len(kinds) < 2 or not all(any(kind is bag for bag in BAGS.values()) for kind in kinds):
            return None
        if kinds[0] is not kinds[1]:
            return False
        has = self.ask("get", handle, "__dict__")
        return bool(has == (vars(other) if is_here else self.ask("get", other, "__dict__")))

    def is_function(self, handle: Any) -> bool:
        """Say whether an object is a function, as its room says."""
        return any(kind is FunctionType or kind is _CACHED for kind in self.judge.ancestry(handle))

    def is_librarys_object(self, handle: Any) -> bool:
        """Say whether an object is of a library's own class, as its room says."""
        return self.judge.is_librarys_object(handle)

    def refused(self, handle: Any, method: str, others: tuple[Any, ...], what: str) -> HandleError:
        """Give the error for an operator that handles don't have.

        Where a test itself uses the operator, that is the end of it, also if the test goes on: what
        would have come out can't be known. What it would have raised can, of a class without the
        operator too: tests wait for such errors.
        """
        error = refusal(handle, what)
        if isinstance(error, TypeError) or self.gone:
            return error
        if not self.judge.can_operate(handle, method):
            return HandleTypeError(f"{self._lacking(handle, method, others)}{error}")
        if is_operator(method):
            self.ask("operate", method, handle, *others)
        self.refusal = error
        return error

    def _lacking(self, handle: Any, method: str, others: tuple[Any, ...]) -> str:
        """Give what Python itself says of an operator that a class lacks: tests look for it."""
        try:
            if is_operator(method):
                self.ask("operate", method, handle, *others)
        except TypeError as error:
            return f"{str(error)[:_SAID]}. "
        return ""

    def source_signature(self, handle: Any) -> inspect.Signature:
        """Give the parameters that a callable of the student's has."""
        return build_signature(self.ask("signature", handle))


def _is_written_for_a_test(frame: FrameType) -> bool:
    """Say whether `dataclass` wrote the code of a frame."""
    return frame.f_code.co_filename == "<string>" and frame.f_code.co_name in _OF_DATA_CLASSES
