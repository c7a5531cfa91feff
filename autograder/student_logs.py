"""The log of the student's room, where a test of the examiner's room listens to it.

The loggers that the test listens to, or has set, are set here alike, each with a handler that takes
down what arrives. So it is Python's own logging that decides what does: by the levels, filters and
loggers that the student's code has set up.
"""

import logging
from typing import Any

from autograder.wire import WireError, to_json
from autograder.wire_logs import FIELDS, LINES, RECORDS, TEXT, may_be_added, to_plain

__all__ = ["Logs"]

_SET = ("level", "propagate", "disabled")
_PLAIN = 100_000
_SIZE = 4 << 20
_UNTOUCHED = (None, None, None, None)


class Logs:
    """What was logged and is not told yet, and which loggers a test has set."""

    def __init__(self) -> None:
        self._records: list[dict[str, Any]] = []
        self._size = 0
        self._told: dict[str, tuple[Any, ...]] = {}
        self._own: dict[tuple[str, str], Any] = {}
        self._disable: int | None = None
        self._added: dict[str, list[logging.Handler]] = {}

    def listen(self, wanted: tuple[tuple[Any, ...], ...], disable: int | None) -> None:
        """Set loggers as a test has set its own; those that it has no more as they were.

        Parameters
        ----------
        wanted : tuple of tuple
            Of each logger its name, level, whether it propagates and is disabled, and who listens:
            whether alone, from which level the test does, and handlers of this room. What the
            test hasn't set is None.
        disable : int, optional
            The level up to which the test has disabled all logging.
        """
        told = {name: tuple(fields) for name, *fields in wanted}
        for name in {**self._told, **told}:
            logger = logging.getLogger(name)
            before, now = (state.get(name, _UNTOUCHED) for state in (self._told, told))
            for field, old, new in zip(_SET, before[:3], now[:3], strict=True):
                self._set(logger, (name, field), old, new)
            if before[3] is not None:
                self._detach(logger, name)
            if now[3] is not None:
                self._attach(logger, name, *now[3])
        self._set(logging.root.manager, ("", "disable"), self._disable, disable)
        self._told, self._disable = told, disable

    def add(self, told: dict[str, Any]) -> None:
        """Remember what is to be told of a record; an error is told as ``x``, itself."""
        size = len(to_json({name: item for name, item in told.items() if name != "x"}))
        if len(self._records) < RECORDS and self._size + size <= _SIZE:
            self._records.append(told)
            self._size += size

    def take(self) -> list[dict[str, Any]]:
        """Give what is to be told of what was logged since this was last called."""
        taken, self._records, self._size = self._records, [], 0
        return taken

    def _set(self, target: Any, key: tuple[str, str], old: Any, new: Any) -> None:
        if old == new:
            return
        if old is None:
            self._own[key] = getattr(target, key[1])
        value = self._own.pop(key) if new is None else new
        if key[1] == "level":
            target.setLevel(value)
        elif key[1] == "disable":
            logging.disable(value)
        else:
            setattr(target, key[1], value)

    def _attach(
        self, logger: logging.Logger, name: str, alone: bool, level: int | None, theirs: Any
    ) -> None:
        handlers = [] if level is None else [_Taking(name, level, self, strict=alone)]
        added = self._added[name] = [*handlers, *theirs]
        if alone:
            self._own[name, "handlers"] = logger.handlers
            logger.handlers = added[:]
            return
        for handler in added:
            logger.addHandler(handler)

    def _detach(self, logger: logging.Logger, name: str) -> None:
        added = self._added.pop(name)
        if (name, "handlers") in self._own:
            logger.handlers = self._own.pop((name, "handlers"))
            return
        for handler in added:
            logger.removeHandler(handler)


class _Taking(logging.Handler):
    """Takes down what arrives at a logger."""

    def __init__(self, name: str, level: int, logs: Logs, *, strict: bool) -> None:
        super().__init__(level)
        self._at, self._logs, self._strict = name, logs, strict

    def emit(self, record: logging.LogRecord) -> None:
        """Take down a record; what can't be is an error where it is one to ``assertLogs``."""
        try:
            self._logs.add({"at": self._at, **_told(record)})
        except Exception:
            if self._strict:
                raise
            self.handleError(record)


def _told(record: logging.LogRecord) -> dict[str, Any]:
    """Give what is told of a record."""
    text = str(record.getMessage())[:TEXT]
    level, line = _whole(record.levelno, 1 - LINES), _whole(record.lineno, 0)
    told: dict[str, Any] = {"l": level, "g": text, "o": line, "n": str(record.name)[:TEXT]}
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, BaseException):
        told["x"] = error
        if not record.exc_text and record.exc_info:
            told["t"] = logging.Formatter().formatException(record.exc_info)[-TEXT:]
    for short, name in FIELDS.items():
        if isinstance(value := getattr(record, name, None), str):
            told.setdefault(short, str(value)[:TEXT])
    if record.args:
        told |= _plain(m=record.msg, a=record.args) if type(record.msg) is str else {}
    extra = (_plain(**{name: value}) for name, value in vars(record).items() if may_be_added(name))
    if added := {name: item for part in extra for name, item in part.items()}:
        told["e"] = added
    return told


def _whole(value: Any, lowest: int) -> int:
    """Give a number of a record as near as it may be told."""
    return max(lowest, min(int(value), LINES - 1)) if isinstance(value, int) else 0


def _plain(**values: Any) -> dict[str, Any]:
    """Encode values; nothing, unless all are plain."""
    try:
        made = {name: to_plain(value) for name, value in values.items()}
    except WireError:
        return {}
    return made if len(to_json(made)) <= _PLAIN else {}
