"""Errors from the student's room, as exceptions that a test can catch.

The class of an error is a class of this room that the student's room named by identity, or, for
an exception class that the student wrote, a class made here for it, with the nearest such base.
Names decide nothing: a class that calls itself ``AssertionError`` and isn't it stays what it is.
"""

import asyncio
import threading
from collections.abc import Callable, Set
from contextlib import suppress
from typing import Any, cast

from autograder.examiner_validation import validation_error
from autograder.time_limit import CellTimeoutError
from autograder.wire import WireError
from autograder.wire_classes import find_class
from autograder.wire_errors import set_field
from autograder.wire_values import need

__all__ = [
    "STEERING",
    "StudentError",
    "StudentRoomGoneError",
    "StudentStoppedError",
    "StudentTimeoutError",
    "build_error",
    "is_mirror",
    "mirror",
    "note_rise",
    "notes_of",
    "rise_of",
    "without_steering",
]

_TEXT = 100_000
_DEPTH = 12
_NOTE, _NOTES = 2_000, 20
_LEAVING = (KeyboardInterrupt, GeneratorExit)
_MAIN = threading.main_thread()
_STEERING = (StopIteration, StopAsyncIteration, asyncio.CancelledError)
STEERING = frozenset(kind.__name__ for kind in _STEERING)
"""Errors that end what goes on in a test, unless it waits for them."""
# By these a test tells its framework that it isn't to be judged, or not with this value.
_FRAMEWORKS = frozenset({"unittest", "_pytest", "pytest", "hypothesis"})
_FAILING = "Failed"
_ROSE = "_room_rose"


class StudentError(Exception):
    """An error of a class that this room doesn't know, in the student's code."""


class StudentStoppedError(StudentError):
    """Student code raised what would stop the process that runs it."""


class StudentTimeoutError(StudentStoppedError):
    """Student code was stopped because its time was up."""


class StudentRoomGoneError(BaseException):
    """The student's room can't be asked any more; no test can catch this as an ``Exception``."""


class _MirrorType(type):
    """The class of exception classes that stand for the student's own."""

    def __call__(cls, /, *args: Any, **kwargs: Any) -> Any:
        if not is_mirror(cls):
            return type.__call__(cls, *args, **kwargs)
        room = vars(cls)["room_class"](*args, **kwargs)
        made = _MirrorType.make(cls, args)  # the class may have a `make` of its own
        vars(made).update(_room_self=room, _room_text=str(room))
        return made

    def make(cls, args: tuple[Any, ...]) -> BaseException:
        """Make an instance here, without asking the room."""
        kind: Any = cls
        if issubclass(kind, BaseExceptionGroup):
            return _grouped(kind, args)
        made: BaseException = kind.__new__(kind)
        made.args = args
        return made


def _grouped(kind: type[BaseExceptionGroup[Any]], args: tuple[Any, ...]) -> BaseException:
    """Make a group of a student's class; what Python doesn't take for one holds what was meant."""
    try:
        return kind.__new__(kind, *args)
    except (TypeError, ValueError):
        text = str(args[0]) if args and type(args[0]) is str else ""
        return kind.__new__(kind, text, [StudentError("an error of a group that isn't known")])


def is_mirror(value: Any) -> bool:
    """Say whether a class of this room stands for an exception class of the student's."""
    return isinstance(value, _MirrorType) and "room_class" in vars(value)


def mirror(handle: Any, name: str, bases: tuple[type, ...]) -> type[BaseException]:
    """Make the class that stands for an exception class of the student's."""
    errors = (base for base in bases if issubclass(base, BaseException) and not _steers(base))
    kinds = tuple(errors) or (StudentError,)
    body = {"room_class": handle, "__module__": "student", "__str__": _text, "__getattr__": _ask}
    shown = "".join(letter if letter.isprintable() else "?" for letter in name)
    for candidate in (kinds, kinds[:1], (StudentError,)):
        try:
            made: Any = _MirrorType(shown, candidate, dict(body))
        except TypeError:
            continue
        else:
            return cast("type[BaseException]", made)
    raise WireError("an exception class with impossible bases")


def _text(self: Any) -> str:
    text = vars(self).get("_room_text")
    return BaseException.__str__(self) if text is None else str(text)


def _ask(self: Any, name: str) -> Any:
    room = vars(self).get("_room_self")
    if room is None or name.startswith("__"):
        raise AttributeError(name)
    return getattr(room, name)


def build_error(item: Any, decode: Callable[[Any], Any], depth: int = 0) -> BaseException:
    """Build the exception that the student's room describes."""
    need(type(item) is dict and depth < _DEPTH, "an error")
    if "again" in item:
        again: BaseException = decode(["E", item["again"]])
        _add_notes(again, item)
        return again
    text = item.get("text")
    need(type(text) is str and len(text) <= _TEXT, "an error's text")
    kind = decode_class(item.get("class"), decode)
    raw, fields = item.get("args"), item.get("fields", {})
    need(type(raw) is list and len(raw) <= 20, "an error's arguments")
    args = tuple(decode(arg) for arg in raw)
    need(type(fields) is dict and len(fields) <= 20, "an error's fields")
    inner = [(name, decode(value)) for name, value in fields.items()]
    error = _group(kind, args, item.get("parts"), decode, depth)
    error = error or _instance(kind, args, str(text))
    for name, value in inner:
        set_field(error, name, value)
    if isinstance(type(error), _MirrorType):
        vars(error)["_room_text"] = text
        vars(error)["_room_self"] = decode(item.get("self"))
    attributes = item.get("attributes")
    need(type(attributes) is dict and len(attributes) <= 50, "an error's attributes")
    for name, plain in attributes.items():
        value = decode(plain)
        need(type(value) in (str, int, float, bool), "an error's attribute")
        if not name.startswith("_"):
            vars(error).setdefault(name, value)
    held = item.get("held", {})
    need(type(held) is dict and len(held) <= 20, "what an error holds")
    for name, value in held.items():
        if not isinstance(type(error), _MirrorType) and not name.startswith("_"):
            vars(error).setdefault(name, decode(value))
    _add_notes(error, item)
    _add_before(error, item, decode, depth)
    return error


def note_rise(error: BaseException, where: str) -> None:
    """Note on an error of the student's code where it rose."""
    with suppress(TypeError):
        vars(error).setdefault(_ROSE, where)


def rise_of(error: BaseException) -> str:
    """Give where an error rose, or the one that it came of; empty for an error of the test's."""
    found: BaseException | None = error
    for _ in range(_DEPTH):
        if found is None:
            break
        told = getattr(found, "__dict__", {}).get(_ROSE)
        if type(told) is str:
            return told
        found = found.__cause__ or found.__context__
    return ""


def notes_of(error: BaseException) -> list[str]:
    """Give the notes of an error, as many as cross."""
    notes = getattr(error, "__notes__", None)
    return [str(note)[:_NOTE] for note in notes[:_NOTES]] if type(notes) is list else []


def _add_notes(error: BaseException, item: Any) -> None:
    """Add to an error the notes that the other room has added to it."""
    notes, known = item.get("notes", []), notes_of(error)
    need(type(notes) is list and len(notes) <= _NOTES, "an error's notes")
    new = notes[len(known) :] if notes[: len(known)] == known else notes[: _NOTES - len(known)]
    for note in new:
        need(type(note) is str and len(note) <= _NOTE, "an error's note")
        error.add_note(note)


def _add_before(error: BaseException, item: Any, decode: Callable[[Any], Any], depth: int) -> None:
    """Add what an error was raised from, and what was being handled when it was."""
    if item.get("cause") is not None:
        error.__cause__ = build_error(item["cause"], decode, depth + 1)
    context = item.get("context")
    if context is not None:
        same = context == 1
        error.__context__ = error.__cause__ if same else build_error(context, decode, depth + 1)
    error.__suppress_context__ = item.get("quiet") == 1


def _group(
    kind: type[BaseException], args: tuple[Any, ...], parts: Any, decode: Any, depth: int
) -> BaseException | None:
    """Build a group of errors, of those that are in it; None where it isn't one."""
    if not issubclass(kind, BaseExceptionGroup) or parts is None:
        return None
    if len(args) != 1 or type(args[0]) is not str:  # a text that is too large
        return None
    need(type(parts) is list and 0 < len(parts) <= 20, "the errors of a group")
    errors = [build_error(part, decode, depth + 1) for part in parts]
    try:
        if isinstance(kind, _MirrorType):
            return kind.__new__(kind, args[0], errors)
        made = kind(args[0], errors)
    except TypeError:  # not every error may be in every group
        return None
    return made if type(made) is kind else None


def without_steering(error: BaseException, heard: Set[str]) -> BaseException:
    """Give another error in place of one that would end a loop of the test as if it were done.

    Python does the same where a generator lets ``StopIteration`` out: ``map``, ``zip`` and
    ``all`` take it for the end of what they go through. A thread takes ``SystemExit`` so, and a
    group of tasks ``CancelledError``, which comes from the student's code only if nobody cancelled
    it here; ``heard`` names those that the test speaks of.
    """
    steers = [kind.__name__ for kind in type(error).__mro__ if kind in _STEERING]
    ends_thread = isinstance(error, SystemExit) and threading.current_thread() is not _MAIN
    if heard >= set(steers) and not ends_thread:
        return error
    return StudentStoppedError(f"the student's code raised {type(error).__name__}")


def decode_class(item: Any, decode: Callable[[Any], Any]) -> type[BaseException]:
    """Give the class of an error."""
    need(type(item) is list and item, "a class")
    if item[0] == "T":
        found = find_class(item[1], item[2])
        if found is not None:
            usable = issubclass(found, BaseException) and not _steers(found)
            return found if usable else StudentError
        need(len(item) == 4, "a class")
        item = item[3]  # of a library that isn't loaded here
    made = decode(item)
    if isinstance(made, type) and issubclass(made, BaseException):
        return made
    return StudentError


def _steers(kind: type) -> bool:
    """Say whether a class belongs to those by which a test steers who runs it."""
    return kind.__module__.split(".")[0] in _FRAMEWORKS and kind.__name__ != _FAILING


def _instance(kind: type[BaseException], args: tuple[Any, ...], text: str) -> BaseException:
    if issubclass(kind, CellTimeoutError):
        return StudentTimeoutError(f"the student's code was {text}")
    if issubclass(kind, WireError):  # of the other room: a breach is what this one finds
        return StudentError(text)
    if issubclass(kind, _LEAVING):
        return StudentStoppedError(f"the student's code raised {kind.__name__}: {text}")
    if issubclass(kind, BaseExceptionGroup):  # too deep, or not of what it may hold
        return StudentError(text)
    if isinstance(kind, _MirrorType):
        return _MirrorType.make(cast("_MirrorType", kind), args)
    if (invalid := validation_error(kind, text)) is not None:
        return invalid
    try:
        error = kind(*args)
        if type(error) is kind and isinstance(str(error), str):
            return error
    except Exception:  # noqa: S110 - a class with a constructor of its own
        pass
    return _bare(kind, args, text)


def _bare(kind: type[BaseException], args: tuple[Any, ...], text: str) -> BaseException:
    """Make an instance of a class whose constructor wants what didn't cross."""
    for base in kind.__mro__:
        try:
            error: BaseException = cast("Any", base).__new__(kind)
            error.args = args or (text,)
        except TypeError:
            continue
        else:
            return error
    return StudentError(text)
