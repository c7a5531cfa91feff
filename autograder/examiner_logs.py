"""What student code logs, for the handlers that a test has put up here.

Before a question the student's room is told which loggers the test listens to or has set. It sets
its own alike, so that Python's own logging decides there what arrives; what has arrived comes with
the answer and is handed to the handlers of the same logger here. All of it only from the first
test cell on that speaks of logging.
"""

import logging
import re
from collections.abc import Callable, Set
from typing import Any, Protocol

from autograder.handles import number_of
from autograder.wire_logs import FIELDS, LINES, RECORDS, TEXT, from_plain, may_be_added
from autograder.wire_values import Json, need

__all__ = ["Listening"]

_WORDS = frozenset(
    {
        *("logging", "assertLogs", "assertNoLogs", "getLogger", "caplog", "catching_logs"),
        "LogCaptureHandler",
    }
)
_WIDE = re.compile(r"\d{4}|\*")
_PLACES = 100
_FRESH = (logging.NOTSET, True, False, ())
State = tuple[int, bool, bool, tuple[Any, ...]]


class _Link(Protocol):
    def ask(self, op: str, /, *args: Any, **kwargs: Any) -> Any:
        """Ask the student's room."""


class Listening:
    """Knows which loggers a test listens to, and hands over what arrives."""

    def __init__(self, link: _Link) -> None:
        self._link = link
        self._active = False
        self._before: dict[str, State] = {}
        self._disabled_before = 0
        self._told: list[Any] = []

    def begin(self, words: Set[str]) -> None:
        """Start a test cell in which these names and attributes occur.

        A handler that a test has put up stays for the next one.
        """
        if not self._active and words & _WORDS:
            self._active = True
            self._before = {logger.name: _state(logger) for logger in _loggers()}
            self._disabled_before = logging.root.manager.disable

    def carry(self) -> None:
        """Tell the student's room what the test has set anew."""
        if not self._active:
            return
        wanted: list[tuple[Any, ...]] = []
        known: list[Any] = []
        for logger in _loggers():
            before, now = self._before.get(logger.name, _FRESH), _state(logger)
            if now[:3] == before[:3] and [*map(id, now[3])] == [*map(id, before[3])]:
                continue
            changed = [
                new if new != old else None for old, new in zip(before, now[:3], strict=False)
            ]
            hears = self._hears(logger)
            wanted.append((logger.name, *changed, hears))
            which = [(number_of(handler), id(handler)) for handler in now[3]]
            known.append([logger.name, *changed, hears and hears[:2], which])
        disable: int | None = logging.root.manager.disable
        disable = None if disable == self._disabled_before else disable
        known += [] if disable is None else [disable]
        if known != self._told:
            self._told = known
            self._link.ask("listen", tuple(wanted), disable)

    def hear(self, records: Json, error_of: Callable[[Json], BaseException]) -> None:
        """Hand over what has arrived at loggers of the student's room."""
        if not records:
            return
        need(self._active and type(records) is list and len(records) <= RECORDS, "log records")
        loggers = {logger.name: logger for logger in _loggers()}
        for item in records:
            need(type(item) is dict and type(item.get("at")) is str, "a log record")
            made: Any = _record(item, error_of)
            if (origin := loggers.get(made.name)) is not None:
                passed: Any = origin.filter(made)
                made = passed if isinstance(passed, logging.LogRecord) else made
                if not passed:
                    continue
            for handler in self._added(loggers.get(item["at"])):
                if number_of(handler) is None and made.levelno >= handler.level:
                    handler.handle(made)

    def _added(self, logger: logging.Logger | None) -> list[Any]:
        """Give the handlers that the tests have added to a logger."""
        if logger is None:
            return []
        before = self._before.get(logger.name, _FRESH)[3]
        return [handler for handler in logger.handlers if not any(handler is old for old in before)]

    def _hears(self, logger: logging.Logger) -> tuple[bool, int | None, tuple[Any, ...]] | None:
        """Say whether the test listens alone, from which level, and give the student's handlers."""
        added = self._added(logger)
        if not added:
            return None
        theirs = tuple(handler for handler in added if number_of(handler) is not None)
        levels = [getattr(own, "level", 0) for own in added if number_of(own) is None]
        alone = any(type(handler).__module__ == "unittest._log" for handler in added)
        lowest = min((level if type(level) is int else 0 for level in levels), default=None)
        return alone, lowest, theirs


def _loggers() -> list[logging.Logger]:
    known = list(logging.root.manager.loggerDict.values())
    return [logging.root, *(logger for logger in known if isinstance(logger, logging.Logger))]


def _state(logger: logging.Logger) -> State:
    return logger.level, logger.propagate, logger.disabled, tuple(logger.handlers)


def _whole(number: Json, lowest: int) -> int:
    need(type(number) is int and lowest <= number < LINES, "a number in a log record")
    return int(number)


def _record(item: dict[str, Any], error_of: Callable[[Json], BaseException]) -> logging.LogRecord:
    """Build a record of what the student's room tells of it."""
    level, line, text = _whole(item.get("l"), -LINES), _whole(item.get("o"), 0), item.get("g")
    texts = {name: item.get(short) for short, name in FIELDS.items()}
    for value in (text, *(value for value in texts.values() if value is not None)):
        need(type(value) is str and len(value) <= TEXT, "a text of a log record")
    name = texts.pop("name")
    need(name is not None, "the name in a log record")
    made = logging.LogRecord(str(name), level, "student", line, text, (), None)
    if "a" in item:
        _format(made, from_plain(item.get("m")), from_plain(item["a"]), str(text))
    if "x" in item:
        error = error_of(item["x"])
        made.exc_info = (type(error), error, None)
    vars(made).update({field: value for field, value in texts.items() if value is not None})
    added = item.get("e", {})
    need(type(added) is dict and all(map(may_be_added, added)), "what is added to a log record")
    vars(made).update({field: from_plain(value) for field, value in added.items()})
    return made


def _format(made: logging.LogRecord, pattern: Any, args: Any, text: str) -> None:
    """Give a record its arguments, if the pattern makes its text of them."""
    need(type(pattern) is str and type(args) in (tuple, dict), "the arguments of a log record")
    if _WIDE.search(pattern) or pattern.count("%") > _PLACES:
        return
    made.msg, made.args = pattern, args
    try:
        same = made.getMessage() == text
    except Exception:
        same = False
    if not same:
        made.msg, made.args = text, ()
