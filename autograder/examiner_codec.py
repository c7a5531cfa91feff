"""Values between the examiner's room and the student's, on the examiner's side.

Towards the student's room, what isn't plain goes as a reference to the student's own object, as a
pickle (library objects: a model, a dtype, a function of NumPy) or as a loan (the test's own
functions, classes and stubs). The other way nothing is ever unpickled: plain data is checked and
rebuilt, and all else is a handle.
"""

import collections
import io
import pickle
import sys
import types
from abc import ABC, abstractmethod
from functools import cache
from typing import Any, Protocol

from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.getipython import get_ipython

from autograder import (  # noqa: F401 - they add their types
    wire_matrices,
    wire_numpy,
    wire_stdlib,
    wire_tables,
    wire_typing,
    wire_views,
)
from autograder.examiner_errors import is_mirror, notes_of
from autograder.handles import number_of
from autograder.wire import Bounds
from autograder.wire_abilities import BAGS
from autograder.wire_changes import whole_of
from autograder.wire_classes import find_class
from autograder.wire_images import picture
from autograder.wire_models import decode_part, models_in
from autograder.wire_onnx import onnx_model
from autograder.wire_values import MUTABLE, Decoder, Encoder, Json, TooLargeError, need

__all__ = ["LinkDecoder", "LinkEncoder", "Objects", "is_own", "replay"]

_FORBIDDEN = (types.FrameType, types.CodeType, types.TracebackType)
_LENT_MODULES = (
    *("__main__", "io", "_io", "unittest.mock", "builtins", "itertools", "tempfile"),
    *("asyncio.queues", "asyncio.locks", "asyncio.events", "asyncio.futures", "_asyncio"),
    *("queue", "_queue", "threading", "_thread", "unittest.result", "unittest.runner"),
    "functools",  # what a partial function is to be called with may be what is expected
)
_OF_TYPED = (
    *("__annotations__", "__orig_bases__", "__annotate_func__", "__annotate__"),
    *("__firstlineno__", "__static_attributes__"),
)
_OF_NAMED_TUPLES = frozenset({*vars(collections.namedtuple("_Any", "")), *_OF_TYPED})
_BY_NAME = (type, types.BuiltinFunctionType, types.FunctionType, types.MethodType)


class Objects(Protocol):
    """What coding needs to know about the objects of both rooms.

    ``may_mask`` says whether the lab speaks of arrays with masks; ``twins`` are the containers that
    both rooms have.
    """

    may_mask: bool
    twins: Any

    def lend(self, value: Any, *, validates: bool = False) -> Json:
        """Hand over an object of this room."""

    def lent(self, number: Json) -> Any:
        """Give back an object of this room that was handed over."""

    def keep(self, error: BaseException) -> int:
        """Number an error of this room."""

    def is_shared(self, kind: type) -> bool:
        """Say whether a library's class is used as this room's own."""

    def may_annotate(self, kind: type) -> bool:
        """Say whether a library's class is this room's own where annotations are asked for."""

    def raised(self, number: Json) -> BaseException:
        """Give an error of this room that an object handed over raised."""

    def given_name(self, value: Any) -> str | None:
        """Name the locked cell's object that exists in both rooms."""

    def given_class(self, name: str) -> Any:
        """Give this room's own class of a locked cell's of that name."""

    def coroutine_handle(self, value: Any) -> Any:
        """Give the handle that a coroutine stands for."""

    def handle(self, item: list[Any]) -> Any:
        """Build a handle."""

    def pass_over(self, item: Json) -> None:
        """Let the student's room forget an object for which no handle is built."""

    def mirror(self, item: list[Any], decoder: Decoder) -> Any:
        """Build a class for an exception class of the student's."""

    def name_class(self, handle: Any, module: Json, name: Json) -> None:
        """Note what a library's class is called that stays in the student's room."""

    def module(self, name: Json, handle: Any) -> Any:
        """Give this room's module of that name, or the handle."""


class _Pickler(pickle.Pickler):
    """Packs library objects for the student's room; handles and the test's own by reference."""

    def __init__(self, file: io.BytesIO, encoder: "LinkEncoder") -> None:
        super().__init__(file, protocol=5)
        self._encoder = encoder

    def persistent_id(self, value: Any) -> Any:
        number = number_of(value)
        if number is not None:
            return ["o", number]
        if type(value) is types.ModuleType:
            return ["m", value.__name__]
        return self._encoder.reference(value) if is_own(value) else None


def is_own(value: Any) -> bool:
    """Say whether an object is defined by a test cell."""
    if isinstance(value, (*_BY_NAME, types.LambdaType)):
        return getattr(value, "__module__", None) == "__main__"
    return type(value).__module__ == "__main__"


def _is_bound(value: Any) -> bool:
    """Say whether a function is the method of an object or class that is lent, not copied.

    Also one that the class has from a library's: a copy would be looked for at the loan, for ever.
    """
    owner = getattr(value, "__self__", None)
    if owner is None or not isinstance(value, (types.BuiltinFunctionType, types.MethodType)):
        return False
    if isinstance(owner, type):
        return is_own(owner)
    return type(owner).__module__ in _LENT_MODULES and not isinstance(owner, types.ModuleType)


@cache
def tuple_fields(kind: Any) -> list[str] | None:
    """Give the fields of a named tuple of the test's own that is nothing more than that."""
    if kind.__module__ != "__main__" or kind.__bases__ != (tuple,):
        return None
    fields = getattr(kind, "_fields", None)
    if type(fields) is not tuple or set(vars(kind)) - _OF_NAMED_TUPLES - set(fields):
        return None
    return list(fields)


class Packed(ABC):
    """Something that this room alone has, and that knows how it crosses."""

    @abstractmethod
    def encoded(self, encoder: "LinkEncoder") -> Json:
        """Encode it."""


class LinkEncoder(Encoder):
    """Encodes what goes to the student's room."""

    def __init__(
        self,
        objects: Objects,
        bounds: Bounds,
        *,
        known: dict[int, int] | None = None,
        tables: Any = None,
    ) -> None:
        super().__init__(bounds, known=known, tables=tables)
        self._objects = objects
        self.copied: list[Any] = []
        """The objects of libraries that go as copies, with the models in them."""

    def encode(self, value: Any) -> Json:
        """Encode one value; a container that the student's room has is that one, brought here."""
        twins = self._objects.twins
        if twins and type(value) in MUTABLE and id(value) not in self._numbers:
            number = twins.number(value)
            if number is not None:
                return ["w", number, super().encode(value)]
        return super().encode(value)

    def fallback(self, value: Any) -> Json:
        """Encode an object that isn't plain."""
        number = number_of(value)
        if number is None:
            number = number_of(self._objects.coroutine_handle(value))
        if number is not None:
            return ["o", number]
        if issubclass(type(value), Packed):
            return value.encoded(self)
        if getattr(type(value), "stays_here", False):
            return ["gl"]  # what are the globals of a test there are those of the answers
        if isinstance(value, _FORBIDDEN):
            raise TooLargeError("a frame or code isn't handed over")
        if isinstance(value, types.ModuleType):
            is_made_here = value.__spec__ is None and value.__name__ != "__main__"
            return self.reference(value) if is_made_here else ["m", value.__name__]
        if is_mirror(value) or is_mirror(type(value)):
            return self._mirrored(value)
        if isinstance(value, BaseException):
            return ["e", self.error(value)]
        module = type(value).__module__
        if _is_bound(value):
            return self.reference(value)
        kind: Any = type(value)
        if (fields := tuple_fields(kind)) is not None:
            items = self.many(value, len(value))
            known = self._objects.given_name(kind)
            return ["nt", self._objects.lend(kind), known, kind.__name__, fields, *items]
        if (
            is_own(value)
            or kind in BAGS.values()
            or (module in _LENT_MODULES and not isinstance(value, _BY_NAME))
        ):
            return self.reference(value)
        packed = self._packed(value)
        is_looked_at = whole_of(type(value)) is not None or hasattr(value, "__dict__")
        if packed[0] == "pk" and is_looked_at and not isinstance(value, _BY_NAME):
            packed.append(len(self.copied))
            self.copied += [value, *models_in(value)]
        return packed

    def error(self, error: BaseException) -> dict[str, Any]:
        """Encode an error of this room: its class, what is plain of its arguments, its number."""
        args = [
            self.encode(arg if isinstance(arg, (str, int, float, bytes)) else str(arg))
            for arg in error.args[:20]
        ]
        kind = self._error_class(type(error))
        told = {"again": self._objects.keep(error), "class": kind, "args": args}
        return told | ({"notes": notes} if (notes := notes_of(error)) else {})

    def reference(self, value: Any) -> Json:
        """Encode a reference to one of the test's own objects."""
        name = self._objects.given_name(value)
        return ["g", name] if name is not None else self._objects.lend(value)

    def validator(self, function: Any) -> Json:
        """Encode a reference to a function whose failed assertions are for a library to note."""
        return self._objects.lend(function, validates=True)

    def _error_class(self, kind: type[BaseException]) -> Json:
        """Encode the class of an error: a library's, or one made there with the nearest base."""
        if is_mirror(kind):
            return self._mirrored(kind)
        for base in kind.__mro__:
            if find_class(base.__module__, base.__qualname__) is base and not is_own(base):
                packed = self._packed(base)
                return packed if base is kind else ["x", kind.__name__, packed]
        return self._packed(Exception)

    def _mirrored(self, value: Any) -> Json:
        if isinstance(value, type):
            return ["o", number_of(vars(value)["room_class"])]
        room = vars(value).get("_room_self")
        return self._objects.lend(value) if room is None else ["o", number_of(room)]

    def _packed(self, value: Any) -> Json:
        file = io.BytesIO()
        try:
            _Pickler(file, self).dump(value)
        except Exception:  # what can't be packed is lent
            return self.reference(value)
        return ["pk", self.blob(file.getvalue())]


class LinkDecoder(Decoder):
    """Decodes what comes from the student's room."""

    def __init__(
        self,
        objects: Objects,
        blob: memoryview,
        bounds: Bounds,
        *,
        known: list[Any],
        tables: Any = None,
    ) -> None:
        super().__init__(blob, bounds, known=known, tables=tables)
        self.naming = self.annotating = False
        """Whether classes are asked for, or annotations."""
        self.copied: list[Any] | None = None
        """The test's own objects, while what was made of them is decoded."""
        self.may_mask = objects.may_mask
        self._objects = objects

    def foreign(self, item: list[Any]) -> Any:
        """Build what the student's room's own tags stand for."""
        if self.copied is not None and item[0] != "C":
            return decode_part(self, item, self.copied)
        match item[0]:
            case "h":
                return self._objects.handle(item)
            case "T":
                need(len(item) == 4, "a class")
                found = find_class(item[1], item[2]) if self.naming else self.annotated_class(item)
                return self._class(item) if found is None else found
            case "X":
                return self._objects.mirror(item, self)
            case "E":
                return self._objects.raised(item[1])
            case "C":
                return self._objects.lent(item[1])
            case "N":
                kind: Any = self._objects.lent(item[1])
                need(isinstance(kind, type) and tuple_fields(kind) is not None, "a named tuple")
                return kind._make(self.many(item[2:]))
            case "G":
                return self._given_tuple(item)
            case "onnx":
                need(len(item) == 3, "an ONNX model")
                return self._instead(onnx_model(self, item[1]), item[2])
            case "img":
                need(len(item) == 5, "a picture")
                return self._instead(picture(self, item[1:4]), item[4])
            case "m":
                need(len(item) == 3, "a module")
                return self._objects.module(item[1], self.decode(item[2]))
            case _:
                return super().foreign(item)

    def _instead(self, value: Any, handle: Json) -> Any:
        """Give a value, or the handle of what can't be one here."""
        if value is None:
            return self.decode(handle)
        self._objects.pass_over(handle)
        return value

    def _class(self, item: list[Any]) -> Any:
        handle = self.decode(item[3])
        self._objects.name_class(handle, item[1], item[2])
        return handle

    def _given_tuple(self, item: list[Any]) -> Any:
        need(len(item) > 2 and type(item[1]) is str, "a given named tuple")
        kind: Any = self._objects.given_class(item[1])
        fields = tuple_fields(kind) if isinstance(kind, type) else None
        if fields is None:
            return self.decode(item[2])
        need(len(fields) == len(item) - 3, "a given named tuple")
        self._objects.pass_over(item[2])
        return kind._make(self.many(item[3:]))

    def annotated_class(self, item: list[Any]) -> type | None:
        """Give a library's class: what an annotation names is compared with a test's own."""
        need(len(item) > 2, "a class")
        found = find_class(item[1], item[2])
        if found is None or self._objects.is_shared(found):
            return found
        return found if self.annotating and self._objects.may_annotate(found) else None

    def pass_over(self, item: Json) -> None:
        """Let the student's room forget an object for which no handle is built."""
        if item[0] == "h":
            self._objects.pass_over(item)


def _show_again(data: dict[str, Any]) -> None:
    """Show what student code showed where a test collects it; else it is no output of the test."""
    publisher: Any = getattr(get_ipython(), "display_pub", None)
    if isinstance(publisher, CapturingDisplayPublisher):
        plain = {kind: text for kind, text in data.items() if type(text) is str}
        publisher.publish(data=plain, metadata={})  # type: ignore[no-untyped-call]


def replay(said: Json) -> None:
    """Print here what student code printed while it was asked something."""
    if not said:
        return
    need(type(said) is list and len(said) <= 10_000, "what was printed")
    for item in said:
        need(type(item) is list and len(item) == 2, "what was printed")
        stream, text = item
        if stream == "display" and type(text) is dict:
            _show_again(text)
            continue
        need(stream in ("stdout", "stderr") and type(text) is str, "what was printed")
        # What student code prints in spite of a redirection of its own stays here.
        stdout = getattr(sys.stdout, "beneath", sys.stdout)
        (stdout if stream == "stdout" else sys.stderr).write(text)
