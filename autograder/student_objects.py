"""The student's objects on the wire: by value where exactly plain, as handles otherwise."""

import collections
import importlib
import io
import pickle
import sys
import types
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from autograder import (  # noqa: F401 - they add their types
    wire_matrices,
    wire_numpy,
    wire_stdlib,
    wire_tables,
    wire_typing,
    wire_views,
)
from autograder.student_derived import lent_method
from autograder.student_given import Given, GivenCoroutines, given, given_number
from autograder.wire import Bounds, Frame, WireError
from autograder.wire_abilities import COROUTINE_BIT, abilities_of, plain_base, plain_class
from autograder.wire_classes import ClassTable
from autograder.wire_images import picture_parts
from autograder.wire_matrices import encode_sparse
from autograder.wire_models import is_model, models_in
from autograder.wire_onnx import onnx_parts
from autograder.wire_values import Decoder, Encoder, Json

__all__ = ["Registry", "RoomDecoder", "RoomEncoder"]

_LABEL = 80
# How many of the test's models are looked at that answers keep.
_MODELS = 20
_BASES, _DEPTH = 8, 12
_CLASSES = 1_000
# As Python knows them, whatever a class of classes says.
_bases_of = vars(type)["__bases__"].__get__
_name_of = vars(type)["__qualname__"].__get__


class Registry:
    """The objects of this room that the examiner holds handles of."""

    def __init__(self, classes: ClassTable) -> None:
        self.classes = classes
        self.given_names: dict[str, Any] = {}
        self.names: dict[str, Any] = {}
        """The globals of the notebook."""
        self._objects: dict[int, Any] = {}
        self._numbers: dict[int, int] = {}
        self._next = 0
        self._raised: list[tuple[int, BaseException]] = []
        self.given: weakref.WeakValueDictionary[int, Given] = weakref.WeakValueDictionary()
        self.copies: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        self.coroutines = GivenCoroutines()
        self.tuples: dict[type, int] = {}
        """Classes of named tuples like the test's, and the numbers of those."""
        self.follow: Callable[[int, Any], Any] = lambda _, new: new
        """Gives a container of both rooms, by its number, with what is new in it."""

    def number(self, value: Any) -> int:
        """Give an object's number; the object is kept until the examiner frees it."""
        number = self._numbers.get(id(value))
        if number is None:
            self._next += 1
            number = self._numbers[id(value)] = self._next
            self._objects[number] = value
        return number

    def object(self, number: Any) -> Any:
        """Give the object with that number."""
        return self._objects[number]

    def tuple_like(self, number: int | None, name: str, fields: tuple[str, ...]) -> Any:
        """Give the class of named tuples that is like the test's of that number."""
        for kind, known in self.tuples.items():
            if known == number:
                return kind
        made: Any = collections.namedtuple(name, fields, rename=True)  # type: ignore[misc]
        self.tuples[made] = number or 0
        return made

    def given_tuple(self, value: Any) -> str | None:
        """Name the locked cell's class of a named tuple, if it is of one."""
        kind = type(value)
        if not issubclass(kind, tuple) or not hasattr(kind, "_fields"):
            return None
        return kind.__name__ if self.given_names.get(kind.__name__) is kind else None

    def note_copies(self, first: int, copies: dict[int, Any]) -> None:
        """Remember the copies of the test's objects that a question brought, by their numbers."""
        for place, value in copies.items():
            with suppress(TypeError):  # what nobody can refer to weakly
                self.copies[first + place] = value

    def forget_copies(self, numbers: Iterable[int]) -> None:
        """Forget what the examiner has no more that these were copies of."""
        for number in numbers:
            self.copies.pop(number, None)

    def kept_models(self) -> tuple[list[int], dict[int, Any]]:
        """Give the test's models of which copies are held on to, and the numbers they came by."""
        found = [(n, value) for n, value in sorted(self.copies.items()) if is_model(type(value))]
        found = found[-_MODELS:]
        return [number for number, _ in found], dict(enumerate(value for _, value in found))

    def raised(self, number: int, error: BaseException) -> None:
        """Remember an error of the examiner's, which may come back to it."""
        self._raised = [*self._raised[-50:], (number, error)]

    def raised_number(self, error: BaseException) -> int | None:
        """Give the number that the examiner gave an error, if it did."""
        return next((number for number, known in self._raised if known is error), None)

    def free(self, numbers: Iterable[int]) -> None:
        """Forget objects that the examiner doesn't hold any more."""
        for number in numbers:
            value = self._objects.pop(number, None)
            if value is not None:
                del self._numbers[id(value)]


class RoomEncoder(Encoder):
    """Encodes what goes to the examiner."""

    def __init__(
        self,
        registry: Registry,
        bounds: Bounds,
        *,
        known: dict[int, int] | None = None,
        tables: Any = None,
    ) -> None:
        super().__init__(bounds, known=known, tables=tables)
        self.registry = registry
        self._classes = 0
        self.errors = 0
        """How many errors are described in this message."""
        self.instead: Callable[[Encoder, Any], Json] | None = None
        """Encodes what isn't plain, where no reference may be."""

    def mark(self) -> tuple[int, ...]:
        """Remember what is encoded by now."""
        numbers = (self._blob_bytes, self._items, self._text_bytes)
        return (len(self.numbered), len(self.blobs), *numbers)

    def forget(self, mark: tuple[int, ...]) -> None:
        """Take back what was encoded since, which doesn't cross."""
        numbered, blobs, self._blob_bytes, self._items, self._text_bytes = mark
        for value in self.numbered[numbered:]:
            self._numbers.pop(id(value), None)
        del self.numbered[numbered:], self.blobs[blobs:]

    def fallback(self, value: Any) -> Json:
        """Encode an object that isn't plain: a reference of some kind."""
        if self.instead is not None:
            return self.instead(self, value)
        if (kind := self.registry.tuples.get(type(value))) is not None:
            return ["N", kind, *self.many(value, len(value))]
        if (name := self.registry.given_tuple(value)) is not None:
            return ["G", name, self.handle(value), *self.many(value, len(value))]
        if (sparse := encode_sparse(self, value)) is not None:
            return sparse
        if (parts := onnx_parts(self, value) or picture_parts(self, value)) is not None:
            return [*parts, self.handle(value)]
        number = given_number(lent_method(value) or value)
        if number is None:
            number = self.registry.coroutines.number(value)
        if number is not None:
            return ["C", number]
        if isinstance(value, type):
            return self.kind(value)
        if type(value) is types.ModuleType:
            name = getattr(value, "__name__", "")
            return ["m", name if sys.modules.get(name) is value else "", self.handle(value)]
        return self.handle(value)

    def handle(self, value: Any) -> Json:
        """Encode a reference to an object."""
        number = self.registry.number(value)
        return ["h", number, abilities_of(value), _label(value), plain_base(type(value))]

    def class_name(self, kind: type) -> tuple[str, str] | None:
        """Give the module and name of a library's class; None for the student's own."""
        return self.registry.classes.name_of(kind)

    def kind(self, value: type, depth: int = 0) -> Json:
        """Encode a class: a library's by name, the student's by reference."""
        name = self.registry.classes.name_of(value)
        if name is not None:  # the examiner may not have loaded it
            return ["T", *name, self._by_reference(value, depth)]
        return self._by_reference(value, depth)

    def _by_reference(self, value: type, depth: int) -> Json:
        self._classes += 1
        is_error = issubclass(value, BaseException)
        if not is_error or depth > _DEPTH or self._classes > _CLASSES:
            return self.handle(value)
        bases = [self.kind(base, depth + 1) for base in _bases_of(value)[:_BASES]]
        return ["X", self.registry.number(value), _label(value), bases]


def _label(value: Any) -> str:
    if isinstance(value, type):
        return f"class {_name_of(value)}"[:_LABEL]
    if isinstance(value, (types.FunctionType, types.MethodType, types.BuiltinFunctionType)):
        return f"function {getattr(value, '__qualname__', '?')}"[:_LABEL]
    return str(_name_of(type(value)))[:_LABEL]


class _Unpickler(pickle.Unpickler):
    """Reads what the *examiner* sent; the other direction knows no pickle."""

    def __init__(self, data: bytes, decode: Callable[[Json], Any]) -> None:
        super().__init__(io.BytesIO(data))
        self._decode = decode

    def persistent_load(self, pid: Any) -> Any:
        return self._decode(pid)


class RoomDecoder(Decoder):
    """Decodes what comes from the examiner."""

    passing = (WireError, RecursionError)  # of student code, whose depth counts here

    def __init__(
        self,
        registry: Registry,
        frame: Frame,
        bounds: Bounds,
        ask: Callable[..., Any],
        *,
        tables: Any = None,
    ) -> None:
        super().__init__(frame.blob, bounds, tables=tables)
        self._registry = registry
        self._ask = ask
        self.copies: dict[int, Any] = {}
        """Objects of libraries that came as copies."""
        self.find: Callable[[int], Any] | None = None
        """Gives a container that the examiner has sent before."""

    def known(self, number: Json) -> Any:
        """Give the container that is there already."""
        return super().known(number) if self.find is None else self.find(number)

    def foreign(self, item: list[Any]) -> Any:
        """Build what the examiner's own tags stand for."""
        return getattr(self, f"_decode_{item[0]}")(*item[1:])

    def _decode_o(self, number: int) -> Any:
        return self._registry.object(number)

    def _decode_g(self, name: str) -> Any:
        return self._registry.given_names[name]

    def _decode_c(self, number: int, mask: int, label: str, *more: Any) -> Any:
        proxy = self._registry.given.get(number)
        if proxy is None:
            operators, kind, base, fields, members, own, above = more
            known = self._decode_g(base[1]) if type(base) is list else plain_class(base)
            proxy = given(
                self._ask,
                number,
                mask,
                label,
                operators,
                kind,
                known,
                tuple(fields),
                tuple(members),
                own,
                tuple(self.decode(item) for item in above),
            )
            self._registry.given[number] = proxy
        return self._registry.coroutines.coroutine(proxy) if mask & COROUTINE_BIT else proxy

    def _decode_nt(
        self, given: Json, known: str | None, name: str, fields: list[str], *items: Json
    ) -> Any:
        """Build a named tuple of a class like the test's, or of that of a locked cell."""
        number = given_number(self.decode(given))
        if known is not None and number is not None:
            self._registry.tuples.setdefault(self._decode_g(known), number)
        kind = self._registry.tuple_like(number, name, tuple(fields))
        return kind(*self.many(list(items)))

    def _decode_w(self, number: int, item: Json) -> Any:
        place = len(self.made)
        new = self.decode(item)
        twin = self._registry.follow(number, new)
        if place < len(self.made) and self.made[place] is new:
            self.made[place] = twin
        return twin

    def _decode_gl(self) -> Any:
        return self._registry.names

    def _decode_m(self, name: str) -> Any:
        return importlib.import_module(name)

    def _decode_pk(self, place: Json, number: int = -1) -> Any:
        referred: list[Any] = []

        def refer(pid: Any) -> Any:
            referred.append(self.decode(pid))
            return referred[-1]

        made = _Unpickler(bytes(self.bytes_at(place)), refer).load()
        if number >= 0:
            within = models_in(made, {id(value) for value in referred})
            self.copies |= dict(enumerate([made, *within], number))
        return made

    def error(self, raised: dict[str, Any]) -> BaseException:
        """Build an error of the examiner's room."""
        kind = self.decode(raised["class"])
        args = tuple(self.decode(arg) for arg in raised["args"])
        try:
            error: BaseException = kind(*args)
        except Exception:  # a class with a constructor of its own
            error = kind.__new__(kind)
            error.args = args
        for note in raised.get("notes", ()):
            error.add_note(note)
        self._registry.raised(raised["again"], error)
        return error

    def _decode_e(self, raised: dict[str, Any]) -> BaseException:
        return self.error(raised)

    def _decode_x(self, name: str, base: Json) -> Any:
        return type(str(name), (self.decode(base),), {})
