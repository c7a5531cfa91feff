"""Annotations on the wire: what is made of Python's own types, such as ``list[int] | None``.

They say what a function takes; a test compares them with its own. A library's class in one counts
where annotations are asked for, and the whole is a handle elsewhere, as is what names any other.
"""

import collections.abc
import types
import typing
from typing import Any

from autograder.wire_values import DECODERS, ENCODERS, Decoder, Encoder, Json, need

__all__: list[str] = []

_PLAIN: dict[str, Any] = {
    kind.__name__: kind
    for kind in (int, float, complex, str, bytes, bool, list, dict, set, frozenset, tuple, type)
} | {"object": object, "None": type(None), "Any": typing.Any, "...": ...}
_NAMES = {id(kind): name for name, kind in _PLAIN.items()}
_ORIGINS: dict[str, Any] = {
    **{f"abc.{name}": getattr(collections.abc, name) for name in collections.abc.__all__},
    **{name: _PLAIN[name] for name in ("list", "dict", "set", "frozenset", "tuple", "type")},
}
_ORIGIN_NAMES = {id(kind): name for name, kind in _ORIGINS.items()}
_TYPINGS = frozenset(
    {
        *("List", "Dict", "Set", "FrozenSet", "Tuple", "Type", "Iterable", "Iterator", "Sequence"),
        *("Mapping", "MutableMapping", "MutableSequence", "Callable", "Generator", "Collection"),
        *("Awaitable", "Coroutine", "AsyncIterator", "AsyncGenerator", "Deque", "DefaultDict"),
        *("Counter", "OrderedDict", "Container", "Hashable", "Sized", "Reversible"),
    }
)
_PARTS = 20
_SHORT, _SMALL = 200, 1 << 53


class _Writer:
    """Writes one annotation; ``found`` are the libraries' classes in it."""

    def __init__(self, encoder: Encoder) -> None:
        self._class_name = encoder.class_name
        self.found = 0

    def _parts(self, args: tuple[Any, ...]) -> list[Json] | None:
        parts = [self._part(arg) for arg in args[: _PARTS + 1]]
        return None if None in parts or len(parts) > _PARTS else parts

    def _part(self, arg: Any) -> Json:
        """Write an argument: a type by name, more of the same, a list of them; else None."""
        if (name := _NAMES.get(id(arg))) is not None:
            return name
        if type(arg) is list:
            parts = self._parts(tuple(arg))
            return None if parts is None else ["l", *parts]
        if type(arg) in _KINDS:
            return self.written(arg)
        if not isinstance(arg, type) or (known := self._class_name(arg)) is None:
            return None
        self.found += 1
        return ["T", *known]

    def written(self, value: Any) -> Json:
        """Give what an annotation is made of; None if it can't be told."""
        args = typing.get_args(value)
        if typing.get_origin(value) in (typing.Annotated, typing.Literal):
            return self._with_values(value, args)
        head, parts = _head(value), self._parts(args)
        return [head, *parts] if head and parts else None

    def _with_values(self, value: Any, args: tuple[Any, ...]) -> Json:
        is_literal = typing.get_origin(value) is typing.Literal
        values = args if is_literal else args[1:]
        if not 0 < len(values) <= _PARTS or not all(map(_is_short, values)):
            return None
        if is_literal:
            return ["Literal", *values]
        part = self._part(args[0])
        return None if part is None else ["Annotated", part, *values]


def _is_short(value: Any) -> bool:
    """Say whether a value in an annotation is plain and small enough to be written there."""
    if type(value) is str:
        return len(value) <= _SHORT
    if type(value) is int:
        return -_SMALL < value < _SMALL
    return value is None or type(value) in (bool, float)


def _head(value: Any) -> str:
    kind = type(value)
    if kind is types.UnionType or typing.get_origin(value) is typing.Union:
        return "|" if kind is types.UnionType else "Union"
    if kind is types.GenericAlias or kind is type(collections.abc.Callable[[int], int]):
        return _ORIGIN_NAMES.get(id(typing.get_origin(value)), "")
    return f"typing.{value._name}" if value._name in _TYPINGS else ""


def _encode(encoder: Encoder, value: Any) -> Json:
    writer = _Writer(encoder)
    written = writer.written(value)
    if written is None:
        return encoder.fallback(value)
    return ["an", written, encoder.fallback(value)] if writer.found else ["an", written]


class _OtherClassError(Exception):
    """A class in an annotation isn't used as this room's own."""


def _read(decoder: Decoder, item: Json, depth: int = 0) -> Any:
    need(depth < _PARTS, "an annotation")
    if type(item) is str:
        need(item in _PLAIN, "an annotation")
        return _PLAIN[item]
    need((type(item) is list and 1 < len(item) <= _PARTS + 1) or item == ["l"], "an annotation")
    head = item[0]
    need(type(head) is str, "an annotation")
    if head == "T":
        found = decoder.annotated_class(item)
        if found is None:
            raise _OtherClassError
        return found
    if head in ("Annotated", "Literal"):
        return _read_with_values(decoder, head, item[1:], depth)
    parts = [_read(decoder, part, depth + 1) for part in item[1:]]
    if head == "l":
        return parts
    if head == "|":
        made = parts[0]
        for part in parts[1:]:
            made = made | part
        return made
    if head == "Union":
        return typing.Union[tuple(parts)]  # noqa: UP007 - it isn't equal to the other one's text
    origin: Any = _ORIGINS.get(head)
    if head.startswith("typing."):
        need(head[7:] in _TYPINGS, "an annotation")
        origin = getattr(typing, head[7:])
    need(origin is not None, "an annotation")
    return origin[tuple(parts) if len(parts) > 1 else parts[0]]


def _read_with_values(decoder: Decoder, head: str, items: list[Any], depth: int) -> Any:
    values = items if head == "Literal" else items[1:]
    need(values and all(map(_is_short, values)), "an annotation")
    if head == "Literal":
        return typing.Literal[tuple(values)]
    return typing.Annotated[(_read(decoder, items[0], depth + 1), *values)]


def _decode(decoder: Decoder, item: list[Any]) -> Any:
    need(len(item) in (2, 3), "an annotation")
    try:
        made = _read(decoder, item[1])
    except _OtherClassError:
        need(len(item) == 3, "an annotation")
        return decoder.decode(item[2])
    if len(item) == 3:
        decoder.pass_over(item[2])
    return made


_KINDS = (
    types.GenericAlias,
    types.UnionType,
    type(typing.List[int]),  # noqa: UP006 - the class of such a one is what is wanted
    type(typing.Optional[int]),  # noqa: UP045 - likewise
    type(typing.Callable[[int], int]),
    type(typing.Annotated[int, ""]),
    type(typing.Literal[""]),
    type(collections.abc.Callable[[int], int]),
)
for _kind in _KINDS:
    ENCODERS[_kind] = _encode
DECODERS["an"] = _decode
