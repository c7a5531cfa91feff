"""What is told of an error of student code: its class, its text and what is plain in it.

However odd an error is, it costs no more than what is odd about it: there is always something to
tell, and it is told with bounded work.
"""

import warnings
from collections.abc import Callable
from typing import Any

from autograder.student_objects import RoomEncoder
from autograder.wire_errors import fields_of
from autograder.wire_values import Json, TooLargeError

__all__ = ["encode_error", "encode_warning"]

_TEXT = 100_000
_CAUSES = 4
_MOST = 500
_PARTS = 20
_NOTE, _NOTES = 2_000, 20
_WARNING = 2_000
_FEW = 1 << 200


def encode_error(encoder: RoomEncoder, error: BaseException, depth: int = 0) -> Json:
    """Describe an error, with those in it, those it came from, and those that it came after."""
    again = encoder.registry.raised_number(error)
    if again is not None:
        notes = _notes_of(error)
        return {"again": again, **({"notes": notes} if notes else {})}
    encoder.errors += 1
    kind = type(error)
    said = _or_nothing(encoder, lambda: {"text": str(error)[:_TEXT], **_own(encoder, error)})
    return {
        "class": _or_nothing(encoder, lambda: encoder.kind(kind)) or encoder.kind(Exception),
        "self": _or_nothing(encoder, lambda: encoder.handle(error)),
        **(said or {"text": "(no text)", "args": [], "attributes": {}}),
        **(_or_nothing(encoder, lambda: _around(encoder, error, depth)) or {}),
    }


def encode_warning(encoder: RoomEncoder, warned: warnings.WarningMessage) -> Json:
    """Describe a warning: its class and its text; as an error if it is of the student's class."""
    message = warned.message
    text = _or_nothing(encoder, lambda: str(message)[:_WARNING])
    told = [encoder.encode(warned.category), text or ""]
    is_own = encoder.registry.classes.name_of(warned.category) is None
    if is_own and isinstance(message, Warning):
        told.append(encode_error(encoder, message))
    return told


def _or_nothing(encoder: RoomEncoder, encode: Callable[[], Json]) -> Json:
    """Encode something; None, and nothing of it crosses, if student code doesn't let it."""
    mark = encoder.mark()
    try:
        return encode()
    except BaseException:
        encoder.forget(mark)
        return None


def _own(encoder: RoomEncoder, error: BaseException) -> dict[str, Json]:
    """Describe what an error was made of and what it has."""
    values = {
        name: value
        for name, value in list(vars(error).items())[:50]
        if isinstance(name, str) and not name.startswith("__")
    }
    is_known = encoder.registry.classes.name_of(type(error)) is not None
    own = error.args[:20]
    if isinstance(error, BaseExceptionGroup):
        own = (str.__str__(vars(BaseExceptionGroup)["message"].__get__(error)),)
    args = _if_small(encoder, own)
    fields = {
        name: encoded[0]
        for name, value in fields_of(error).items()
        if not any(value is arg for arg in own) or not is_known
        if (encoded := _if_small(encoder, (value,)))
    }
    attributes = {name: _if_plain(encoder, value) for name, value in values.items()}
    held: dict[str, Json] = {}
    if is_known:
        held = {
            name: encoder.handle(value)
            for name, value in list(values.items())[:20]
            if attributes[name] is None and not name.startswith("_")
        }
    notes = _notes_of(error)
    return {
        "args": args,
        "attributes": {k: v for k, v in attributes.items() if v is not None},
        **({"fields": fields} if fields else {}),
        **({"held": held} if held else {}),
        **({"notes": notes} if notes else {}),
    }


def _parts(error: BaseException) -> tuple[BaseException, ...]:
    """Give the errors in a group."""
    if not isinstance(error, BaseExceptionGroup):
        return ()
    parts: tuple[BaseException, ...] = vars(BaseExceptionGroup)["exceptions"].__get__(error)
    return parts[:_PARTS]


def _around(encoder: RoomEncoder, error: BaseException, depth: int) -> dict[str, Json]:
    """Describe what is in an error, what came before it, and where it rose."""
    parts = [
        encode_error(encoder, part, depth + 1)
        for part in (_parts(error) if depth <= _CAUSES else ())
        if encoder.errors < _MOST
    ]
    told = {"parts": parts} if parts else {}
    return told | _before(encoder, error, depth) | {"where": _where(error)}


def _before(encoder: RoomEncoder, error: BaseException, depth: int) -> dict[str, Json]:
    """Describe what an error was raised from, and what was being handled when it was."""
    cause, context = error.__cause__, error.__context__
    told: dict[str, Json] = {"quiet": 1} if error.__suppress_context__ is True else {}
    if depth > _CAUSES or encoder.errors >= _MOST:
        return told
    if cause is not None:
        told["cause"] = encode_error(encoder, cause, depth + 1)
    if context is not None and context is cause:
        told["context"] = 1
    elif context is not None:
        told["context"] = encode_error(encoder, context, depth + 1)
    return told


def _if_plain(encoder: RoomEncoder, value: Any) -> Json:
    """Encode plain scalars of an exception's attributes; the rest is asked for by handle."""
    kind = type(value)
    if kind is int and not -_FEW < value < _FEW:
        return next(iter(_if_small(encoder, (value,))), None)
    if kind is str and len(value) > _TEXT:
        return None
    return value if kind in (str, int, float, bool) else None


def _if_small(encoder: RoomEncoder, values: tuple[Any, ...]) -> list[Json]:
    """Encode an error's values; nothing of those that are more than may cross."""
    mark = encoder.mark()
    try:
        return [encoder.encode(value) for value in values]
    except TooLargeError:
        encoder.forget(mark)
        return []


def _notes_of(error: BaseException) -> list[str]:
    """Give what ``add_note`` has added to an error."""
    notes = getattr(error, "__notes__", [])
    found = [note for note in notes if type(note) is str] if type(notes) is list else []
    return [note[:_NOTE] for note in found[:_NOTES]]


def _where(error: BaseException) -> list[Any]:
    """Give the last place in the student's own cells that the error passed."""
    trace, found = error.__traceback__, ["", 0]
    for _ in range(1000):
        if trace is None:
            break
        code = trace.tb_frame.f_code
        if code.co_filename.startswith("<cell"):
            found = [code.co_filename, trace.tb_lineno]
        trace = trace.tb_next
    return found
