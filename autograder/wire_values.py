"""Plain values on the wire: exact built-in types cross, and nothing but exact types.

:class:`Encoder` turns a value into the JSON part of a message and its attachments;
:class:`Decoder` checks everything and builds real built-in objects. A value of any other type,
a subclass of a built-in one included, goes to :meth:`Encoder.fallback`, which each room defines
for itself (a handle in the student's room).

``None``, ``bool``, ``str``, ``float`` and small ``int`` are JSON's own; all else is a JSON list
that starts with a tag. Mutable containers are numbered in the order in which they are met, on
both sides alike, so that an object that occurs twice stays one object (``["r", number]``) and a
cycle is possible. ``["A", number]`` is an object that the other room sent in the message that
this one answers, by the number that it had there: it comes back as the sender's own object.
"""

import collections
import re
from collections.abc import Callable, Iterable
from types import EllipsisType, NoneType, NotImplementedType
from typing import Any

from autograder.wire import Blob, Bounds, WireError, text_size

__all__ = [
    "Decoder",
    "ENCODERS",
    "Encoder",
    "Json",
    "LATE",
    "MUTABLE",
    "TooLargeError",
    "need",
    "spread",
    "stays_behind",
]

Json = Any
EncodeFunction = Callable[["Encoder", Any], Json]
DecodeFunction = Callable[["Decoder", list[Any]], Any]

_NATIVE = frozenset({NoneType, bool, str, float})
_NATIVE_OR_INT = _NATIVE | {int}
_SMALL = 1 << 200
_FEW_KEYS = 1_000
_ONE_HASH = 100
_FACTORIES: dict[type, str] = {
    kind: kind.__name__ for kind in (int, float, str, bool, list, dict, set, tuple)
}
_FACTORY_NAMES = {name: kind for kind, name in _FACTORIES.items()}
# What a constructor raises for parts that don't fit; more than these can't be the parts' doing.
_MAKING_FAILS = (
    *(ValueError, TypeError, LookupError, ArithmeticError, AttributeError),
    *(RuntimeError, MemoryError, OSError, AssertionError),
)
_HEX = re.compile(r"-?[0-9a-f]{1,70000}")


class TooLargeError(Exception):
    """A value is larger, deeper or longer than may cross."""


def need(condition: object, what: str) -> None:
    """Raise :class:`WireError` unless ``condition`` holds."""
    if not condition:
        raise WireError(f"a value doesn't decode: {what}")


class Encoder:
    """Encodes the values of one message.

    Parameters
    ----------
    bounds : Bounds
        What one message may hold.
    known : mapping of int to int
        ``id`` of each mutable object that the other room sent, and its number there.
    tables : TableMemory
        The tables that the other room has by now; none are remembered if it isn't given.
    """

    def __init__(
        self, bounds: Bounds, *, known: dict[int, int] | None = None, tables: Any = None
    ) -> None:
        self.bounds = bounds
        self.tables = tables
        self.blobs: list[Blob] = []
        self.numbered: list[Any] = []
        self.handed: list[Any] = []
        """What came with the question, of which an array may be a view."""
        self._known = known or {}
        self._numbers: dict[int, int] = {}
        self._open: set[int] = set()
        self._blob_bytes = 0
        self._items = 0
        self._text_bytes = 0
        self._depth = 0

    def encode(self, value: Any) -> Json:
        """Encode one value."""
        kind = type(value)
        if kind is str:
            self.write(value)
            return value
        if kind in _NATIVE:
            return value
        if kind is int:
            return value if -_SMALL < value < _SMALL else self._long(value)
        function = ENCODERS.get(kind)
        if function is None or self._depth >= self.bounds.depth:
            return self.fallback(value)
        if kind in MUTABLE:
            if (number := self._known.get(id(value))) is not None:
                return ["A", number]
            if (number := self._numbers.get(id(value))) is not None:
                return self.fallback(value) if id(value) in self._open else ["r", number]
            return self._mutable(function, value)
        return self.nested(function, value)

    def content(self, value: Any) -> Json:
        """Encode what is in a known mutable object, rather than a reference to it."""
        self.numbered.append(None)
        return self.nested(ENCODERS[type(value)], value)

    def blob(self, data: Blob) -> list[int]:
        """Attach bytes; give their place."""
        size = memoryview(data).nbytes
        place = [self._blob_bytes, size]
        self._blob_bytes += size
        if self._blob_bytes > self.bounds.blob_bytes or len(self.blobs) >= self.bounds.blobs:
            raise TooLargeError(f"the value is larger than {self.bounds.blob_bytes >> 20} MB")
        self.blobs.append(data)
        return place

    def count(self, items: int) -> None:
        """Take ``items`` from what one message may hold."""
        self._items += items
        if self._items > self.bounds.items:
            raise TooLargeError(f"the value has more than {self.bounds.items} items")

    def write(self, *texts: str) -> None:
        """Take the bytes of texts from what one message may hold, before anything is copied."""
        left = self.bounds.text_bytes - self._text_bytes
        if (size := text_size(texts, left)) > left:
            most = self.bounds.text_bytes >> 20
            raise TooLargeError(f"the value has more than {most} MB of text")
        self._text_bytes += size

    def many(self, values: Iterable[Any], size: int) -> list[Json]:
        """Encode the items of a container; a container of plain numbers or texts at C speed."""
        self.count(size)
        items = list(values)
        kinds = set(map(type, items))
        if kinds <= _NATIVE:
            if str in kinds:
                texts = items if len(kinds) == 1 else [i for i in items if type(i) is str]
                self.write(*texts)
            return items
        if kinds == {int} and min(items) > -_SMALL and max(items) < _SMALL:
            return items
        return [self.encode(item) for item in items]

    def fallback(self, value: Any) -> Json:
        """Encode a value that isn't plain; each room says how."""
        raise TooLargeError(f"a {type(value).__name__} can't cross by value")

    def class_name(self, _: type) -> tuple[str, str] | None:
        """Give the module and name of a library's class, where the other room may know it."""
        return None

    def nested(self, function: EncodeFunction, value: Any) -> Json:
        """Encode what has parts, one level deeper."""
        self._depth += 1
        try:
            return function(self, value)
        finally:
            self._depth -= 1

    def _mutable(self, function: EncodeFunction, value: Any) -> Json:
        """Encode and number a mutable object; one that goes by reference has no number there."""
        place = len(self.numbered)
        self._numbers[id(value)] = place
        self.numbered.append(value)
        if type(value) in LATE:
            self._open.add(id(value))
        made = self.nested(function, value)
        self._open.discard(id(value))
        if made[0] not in DECODERS and len(self.numbered) == place + 1:
            del self._numbers[id(value)], self.numbered[place]
        return made

    def _long(self, value: int) -> Json:
        if value.bit_length() > self.bounds.int_bits:
            raise TooLargeError(f"an int of {value.bit_length()} bits is too long to cross")
        return ["i", format(value, "x")]


class Decoder:
    """Decodes the values of one message, believing nothing.

    Parameters
    ----------
    blob : memoryview
        The message's attachments.
    bounds : Bounds
        What one message may hold.
    known : sequence
        The mutable objects that this room sent in the message that is being answered.
    tables : TableMemory
        Where tables that come are remembered.
    """

    may_mask = True
    """Whether arrays come with their masks."""
    passing: tuple[type[Exception], ...] = (WireError,)
    """Errors that come out as they are."""

    def __init__(
        self,
        blob: memoryview,
        bounds: Bounds,
        *,
        known: list[Any] | None = None,
        tables: Any = None,
    ) -> None:
        self.blob = blob
        self.bounds = bounds
        self.tables = tables
        self.made: list[Any] = []
        self._known = known or []
        self._items = 0
        self._depth = 0
        self._taken = 0

    def decode(self, item: Json) -> Any:
        """Build one value, or raise :class:`WireError`."""
        kind = type(item)
        if kind in _NATIVE_OR_INT:
            return item
        need(kind is list and item and type(item[0]) is str, "neither a plain value nor a tag")
        self._depth += 1
        need(self._depth <= self.bounds.depth + 2, "too deep")
        function = DECODERS.get(item[0])
        try:
            return self.foreign(item) if function is None else function(self, item)
        except self.passing:
            raise
        except _MAKING_FAILS as error:
            raise WireError(f"a value doesn't decode: {type(error).__name__}: {error}") from None
        finally:
            self._depth -= 1

    def foreign(self, item: list[Any]) -> Any:
        """Build what a tag of one room's own stands for; here there are none."""
        raise WireError(f"a value doesn't decode: unknown tag {item[0][:20]!r}")

    def annotated_class(self, _: list[Any]) -> type | None:
        """Give the class that an annotation names, if it is used as this room's own."""
        return None

    def pass_over(self, item: Json) -> None:
        """Leave out what something else was built for."""

    def bytes_at(self, place: Json) -> memoryview:
        """Give the attached bytes at a place."""
        need(type(place) is list and len(place) == 2, "a place is an offset and a size")
        offset, size = place
        need(type(offset) is int and type(size) is int, "a place is two ints")
        need(offset >= 0 and size >= 0 and offset + size <= len(self.blob), "outside the message")
        # Bytes are copied: to name the same ones again and again would make much of little.
        self._taken += size
        need(self._taken <= len(self.blob), "attached bytes are used once")
        return self.blob[offset : offset + size]

    def reserve(self) -> int:
        """Number a mutable object that is built after its parts."""
        self.made.append(_PENDING)
        return len(self.made) - 1

    def count(self, items: int) -> None:
        """Take ``items`` from what one message may hold."""
        self._items += items
        need(self._items <= self.bounds.items, "too many items")

    def many(self, items: list[Any]) -> list[Any]:
        """Decode the items of a container."""
        self.count(len(items))
        if set(map(type, items)) <= _NATIVE_OR_INT:
            return items
        return [self.decode(item) for item in items]

    def known(self, number: Json) -> Any:
        """Give this room's own object back."""
        need(type(number) is int and 0 <= number < len(self._known), "no such argument")
        return self._known[number]


class _Pending:
    """Stands for an object that isn't built yet; a reference to it is an error."""


_PENDING = _Pending()


def _encode_pairs(tag: str) -> EncodeFunction:
    def encode(encoder: Encoder, value: Any) -> Json:
        keys = encoder.many(value.keys(), len(value))
        return [tag, keys, encoder.many(value.values(), len(value))]

    return encode


_encode_mapping = _encode_pairs("d")


def _encode_dict(encoder: Encoder, value: Any) -> Json:
    return encoder.fallback(value) if stays_behind(value) else _encode_mapping(encoder, value)


def stays_behind(value: Any) -> bool:
    """Say whether a dictionary doesn't cross: what makes what it lacks, or a module's names are it.

    A traceback's frames have those of whole libraries, which would be looked through each time.
    """
    if type(value) is dict:
        return "__loader__" in value and "__spec__" in value
    if type(value) is not collections.defaultdict or value.default_factory is None:
        return False
    return not any(value.default_factory is kind for kind in _FACTORIES)


def _encode_default(encoder: Encoder, value: Any) -> Json:
    if stays_behind(value):
        return encoder.fallback(value)
    factory = value.default_factory
    keys = encoder.many(value.keys(), len(value))
    name = None if factory is None else _FACTORIES[factory]
    return ["dd", keys, encoder.many(value.values(), len(value)), name]


def _encode_slice(encoder: Encoder, value: Any) -> Json:
    return [
        "sl",
        encoder.encode(value.start),
        encoder.encode(value.stop),
        encoder.encode(value.step),
    ]


def spread(keys: list[Any]) -> list[Any]:
    """Refuse keys of one hash by the thousand: a table of them takes for ever to fill."""
    if len(keys) > _FEW_KEYS:
        most = max(collections.Counter(map(hash, keys)).values())
        need(most <= _ONE_HASH, "keys that were made to collide")
    return keys


def _decode_list(decoder: Decoder, item: list[Any]) -> list[Any]:
    made: list[Any] = []
    decoder.made.append(made)
    made.extend(decoder.many(item[1:]))
    return made


def _decode_set(decoder: Decoder, item: list[Any]) -> set[Any]:
    made: set[Any] = set()
    decoder.made.append(made)
    made.update(spread(decoder.many(item[1:])))
    return made


def _fill(decoder: Decoder, item: list[Any], made: dict[Any, Any]) -> dict[Any, Any]:
    decoder.made.append(made)
    need(type(item[1]) is list and type(item[2]) is list, "pairs are two lists")
    keys = decoder.many(item[1])
    values = decoder.many(item[2])
    need(len(keys) == len(values), "as many keys as values")
    for key, value in zip(spread(keys), values, strict=True):
        made[key] = value
    return made


def _decode_dict(decoder: Decoder, item: list[Any]) -> dict[Any, Any]:
    return _fill(decoder, item, {})


def _decode_counter(decoder: Decoder, item: list[Any]) -> dict[Any, Any]:
    return _fill(decoder, item, collections.Counter())


def _decode_ordered(decoder: Decoder, item: list[Any]) -> dict[Any, Any]:
    return _fill(decoder, item, collections.OrderedDict())


def _decode_default(decoder: Decoder, item: list[Any]) -> dict[Any, Any]:
    factory = None if item[3] is None else _FACTORY_NAMES[item[3]]
    return _fill(decoder, item, collections.defaultdict(factory))


def _decode_deque(decoder: Decoder, item: list[Any]) -> collections.deque[Any]:
    length = item[1]
    need(length is None or (type(length) is int and length >= 0), "a deque's length")
    made: collections.deque[Any] = collections.deque(maxlen=length)
    decoder.made.append(made)
    made.extend(decoder.many(item[2:]))
    return made


def _decode_bytearray(decoder: Decoder, item: list[Any]) -> bytearray:
    made = bytearray(decoder.bytes_at(item[1]))
    decoder.made.append(made)
    return made


def _decode_long(_: Decoder, item: list[Any]) -> int:
    need(type(item[1]) is str and _HEX.fullmatch(item[1]), "an int in hexadecimal")
    return int(item[1], 16)


def _decode_complex(_: Decoder, item: list[Any]) -> complex:
    need(type(item[1]) is float and type(item[2]) is float, "two floats")
    return complex(item[1], item[2])


def _decode_range(_: Decoder, item: list[Any]) -> range:
    need(all(type(part) is int for part in item[1:]) and len(item) == 4, "three ints")
    return range(item[1], item[2], item[3])


def _decode_slice(decoder: Decoder, item: list[Any]) -> slice:
    start, stop, step = (decoder.decode(part) for part in item[1:])
    return slice(start, stop, step)


def _decode_again(decoder: Decoder, item: list[Any]) -> Any:
    number = item[1]
    need(type(number) is int and 0 <= number < len(decoder.made), "no such object")
    made = decoder.made[number]
    need(made is not _PENDING, "an object inside itself")
    return made


ENCODERS: dict[type, EncodeFunction] = {
    bytes: lambda encoder, value: ["b", encoder.blob(value)],
    bytearray: lambda encoder, value: ["ba", encoder.blob(bytes(value))],
    complex: lambda _, value: ["z", value.real, value.imag],
    list: lambda encoder, value: ["l", *encoder.many(value, len(value))],
    tuple: lambda encoder, value: ["t", *encoder.many(value, len(value))],
    set: lambda encoder, value: ["s", *encoder.many(value, len(value))],
    frozenset: lambda encoder, value: ["fs", *encoder.many(value, len(value))],
    dict: _encode_dict,
    collections.Counter: _encode_pairs("ct"),
    collections.OrderedDict: _encode_pairs("od"),
    collections.defaultdict: _encode_default,
    collections.deque: lambda encoder, value: [
        "dq",
        value.maxlen,
        *encoder.many(value, len(value)),
    ],
    range: lambda _, value: ["rg", value.start, value.stop, value.step],
    slice: _encode_slice,
    EllipsisType: lambda *_: ["..."],
    NotImplementedType: lambda *_: ["ni"],
}
"""How each exact type is encoded; the modules for NumPy, pandas and the like add theirs."""

DECODERS: dict[str, DecodeFunction] = {
    "A": lambda decoder, item: decoder.known(item[1]),
    "r": _decode_again,
    "i": _decode_long,
    "b": lambda decoder, item: bytes(decoder.bytes_at(item[1])),
    "ba": _decode_bytearray,
    "z": _decode_complex,
    "l": _decode_list,
    "t": lambda decoder, item: tuple(decoder.many(item[1:])),
    "s": _decode_set,
    "fs": lambda decoder, item: frozenset(spread(decoder.many(item[1:]))),
    "d": _decode_dict,
    "ct": _decode_counter,
    "od": _decode_ordered,
    "dd": _decode_default,
    "dq": _decode_deque,
    "rg": _decode_range,
    "sl": _decode_slice,
    "...": lambda *_: ...,
    "ni": lambda *_: NotImplemented,
}
"""How each tag is decoded."""

MUTABLE: set[type] = {
    list,
    dict,
    set,
    bytearray,
    collections.Counter,
    collections.OrderedDict,
    collections.defaultdict,
    collections.deque,
}
"""The types whose objects keep their identity within a message and in its answer."""

LATE: set[type] = set()
"""Those of them that are built after their parts: one within itself goes by reference there."""
