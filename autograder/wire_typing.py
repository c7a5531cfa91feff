"""Annotations on the wire: what is made of Python's own types, such as ``list[int] | None``.

They say what a function takes; a test compares them with its own. Anything that names another
class stays a handle.
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


def _parts(args: tuple[Any, ...]) -> list[Json] | None:
    parts = [_part(arg) for arg in args[: _PARTS + 1]]
    return None if None in parts or len(parts) > _PARTS else parts


def _part(arg: Any) -> Json:
    """Write an argument: a plain type by name, more of the same, a list of them; else None."""
    if (name := _NAMES.get(id(arg))) is not None:
        return name
    if type(arg) is list:
        parts = _parts(tuple(arg))
        return None if parts is None else ["l", *parts]
    return _written(arg) if type(arg) in _KINDS else None


def _written(value: Any) -> Json:
    args = typing.get_args(value)
    kind = type(value)
    if kind is types.UnionType or typing.get_origin(value) is typing.Union:
        head = "|" if kind is types.UnionType else "Union"
    elif kind is types.GenericAlias or kind is type(collections.abc.Callable[[int], int]):
        head = _ORIGIN_NAMES.get(id(typing.get_origin(value)), "")
    else:
        head = f"typing.{value._name}" if value._name in _TYPINGS else ""
    parts = _parts(args)
    return [head, *parts] if head and parts else None


def _encode(encoder: Encoder, value: Any) -> Json:
    written = _written(value)
    return encoder.fallback(value) if written is None else ["an", written]


def _read(item: Json, depth: int = 0) -> Any:
    need(depth < _PARTS, "an annotation")
    if type(item) is str:
        need(item in _PLAIN, "an annotation")
        return _PLAIN[item]
    need((type(item) is list and 1 < len(item) <= _PARTS + 1) or item == ["l"], "an annotation")
    head, parts = item[0], [_read(part, depth + 1) for part in item[1:]]
    need(type(head) is str, "an annotation")
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


def _decode(_: Decoder, item: list[Any]) -> Any:
    need(len(item) == 2, "an annotation")
    return _read(item[1])


_KINDS = (
    types.GenericAlias,
    types.UnionType,
    type(typing.List[int]),  # noqa: UP006 - the class of such a one is what is wanted
    type(typing.Optional[int]),  # noqa: UP045 - likewise
    type(typing.Callable[[int], int]),
    type(collections.abc.Callable[[int], int]),
)
for _kind in _KINDS:
    ENCODERS[_kind] = _encode
DECODERS["an"] = _decode
