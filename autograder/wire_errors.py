"""What Python's own exceptions have beside their arguments, on the wire.

A constructor of the student's doesn't run in the examiner's room, so that what it handed on to
the built-in one (the code of a ``SystemExit``, the name of an ``AttributeError``) is told as well.
"""

import pathlib
from collections.abc import Iterator
from typing import Any

__all__ = ["fields_of", "set_field"]

_TEXT = 100_000
_NUMBER = 1 << 62
_Kinds = tuple[type, ...]
_WORD: _Kinds = (str,)
_PLACE: _Kinds = (int,)
_FILE: _Kinds = (str, bytes, int, pathlib.PosixPath)
_ANY: _Kinds = ()
_UNICODE = {"start": _PLACE, "end": _PLACE, "reason": _WORD}
_FIELDS: dict[type[BaseException], dict[str, _Kinds]] = {
    AttributeError: {"name": _WORD},
    ImportError: {"msg": _WORD, "name": _WORD, "path": _WORD},
    NameError: {"name": _WORD},
    OSError: {"errno": _PLACE, "strerror": _WORD, "filename": _FILE, "filename2": _FILE},
    StopIteration: {"value": _ANY},
    SyntaxError: {
        **dict.fromkeys(("msg", "filename", "text"), _WORD),
        **dict.fromkeys(("lineno", "offset", "end_lineno", "end_offset"), _PLACE),
    },
    SystemExit: {"code": _ANY},
    UnicodeDecodeError: {"encoding": _WORD, "object": (bytes,), **_UNICODE},
    UnicodeEncodeError: {"encoding": _WORD, "object": (str,), **_UNICODE},
    UnicodeTranslateError: {"object": (str,), **_UNICODE},
}

_ancestry_of = vars(type)["__mro__"].__get__  # whatever a class of classes says


def fields_of(error: BaseException) -> dict[str, Any]:
    """Give what an error has in the fields of the built-in class that it is of, where it's set."""
    found: dict[str, Any] = {}
    for name, kind, kinds in _fields(type(error)):
        try:
            value = vars(kind)[name].__get__(error)
        except (AttributeError, TypeError):  # Python's own constructor never ran
            continue
        if value is not None and _may_be(value, kinds):
            found[name] = value
    return found


def set_field(error: BaseException, name: str, value: Any) -> None:
    """Set such a field of an error; anything else is left as it is."""
    for known, kind, kinds in _fields(type(error)):
        if known == name and _may_be(value, kinds):
            vars(kind)[name].__set__(error, value)


def _fields(kind: type) -> Iterator[tuple[str, type, _Kinds]]:
    """Give the fields of a class of errors, with the built-in class of each."""
    for base in _ancestry_of(kind):
        for name, kinds in _FIELDS.get(base, {}).items():
            yield name, base, kinds


def _may_be(value: Any, kinds: _Kinds) -> bool:
    """Say whether a value is one for a field of such kinds, and small."""
    kind = type(value)
    if not kinds:
        return True
    if kind is int and not 0 <= value < _NUMBER:
        return False
    return kind in kinds and not (kind in (str, bytes) and len(value) > _TEXT)
