"""Log records on the wire: what is plain of them crosses, under names of one or two letters.

The text of a record always does; its arguments and what ``extra`` added do where they are of exact
built-in types and small.
"""

import logging
from typing import Any

from autograder.wire_values import Json, need

__all__ = ["FIELDS", "LINES", "RECORDS", "TEXT", "from_plain", "may_be_added", "to_plain"]

RECORDS = 200
"""How many records one message brings."""
TEXT = 20_000
"""How long a text in a record may be."""
LINES = 1 << 31
"""Levels and lines are below this."""
FIELDS = {
    "n": "name",
    "v": "levelname",
    "f": "funcName",
    "s": "stack_info",
    "t": "exc_text",
}
"""The fields of a record that are texts."""
_ITEMS = 100
_DEPTH = 4
_WHOLE = 1 << 64
_NATIVE = (type(None), bool, float)
_KINDS: dict[str, type] = {"l": list, "t": tuple}
_OWN = {*vars(logging.LogRecord("", 0, "", 0, "", (), None)), "message", "asctime"}


def may_be_added(name: object) -> bool:
    """Say whether a field of this name may be added to a record."""
    if type(name) is not str or not name.isidentifier() or len(name) > 100:
        return False
    return name not in _OWN and not hasattr(logging.LogRecord, name)


def to_plain(value: Any, depth: int = 0) -> Json:
    """Encode a plain value.

    Raises
    ------
    WireError
        If it isn't plain, or is too large.
    """
    kind = type(value)
    need(depth < _DEPTH, "too deep for a log record")
    if kind in _NATIVE:
        return value
    if kind is int:
        need(abs(value) < _WHOLE, "a large number in a log record")
        return value
    if kind is str:
        need(len(value) <= TEXT, "a long text in a log record")
        return value
    need(kind in (list, tuple, dict) and len(value) <= _ITEMS, "what isn't plain in a log record")
    if kind is dict:
        pairs = (
            [to_plain(key, depth + 1), to_plain(part, depth + 1)] for key, part in value.items()
        )
        need(all(type(key) is str for key in value), "a key in a log record")
        return ["d", *pairs]
    return ["l" if kind is list else "t", *(to_plain(part, depth + 1) for part in value)]


def from_plain(item: Json, depth: int = 0) -> Any:
    """Build the value that :func:`to_plain` encoded, or raise :class:`WireError`."""
    if type(item) is not list:
        return to_plain(item)
    need(item and depth < _DEPTH and len(item) <= _ITEMS + 1, "a value in a log record")
    tag, *parts = item
    if tag == "d":
        need(all(type(part) is list and len(part) == 2 for part in parts), "pairs in a log record")
        need(all(type(part[0]) is str for part in parts), "a key in a log record")
        return {to_plain(key): from_plain(part, depth + 1) for key, part in parts}
    need(type(tag) is str and tag in _KINDS, "a value in a log record")
    return _KINDS[tag](from_plain(part, depth + 1) for part in parts)
