"""What surrounds student code in its process, where a test of the examiner's room looks at it.

Environment variables, how NumPy treats floating-point errors, and the log.
"""

import decimal
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

__all__ = ["decimals", "environment", "heard", "surround"]

_RECORDS = 200
_TEXT = 2_000


def surround(changes: dict[str, str | None], errors: dict[str, Any]) -> None:
    """Change environment variables (None: delete) and how NumPy treats errors."""
    for name, value in changes.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    if errors:
        np.seterr(**errors)


def decimals(precision: int = 0, rounding: str = "") -> tuple[int, str]:
    """Give how decimal numbers are worked out; change it first, if it is told how."""
    context = decimal.getcontext()
    if precision:
        context.prec, context.rounding = precision, rounding
    return context.prec, context.rounding


def environment(names: list[str]) -> dict[str, str]:
    """Give the environment variables of these names that there are."""
    return {name: os.environ[name] for name in names if name in os.environ}


@contextmanager
def heard(records: list[list[Any]]) -> Iterator[None]:
    """Collect what is logged: logger, level, text, whether it counts here and is handled here.

    Also what no logger of this room would let through, as a test may have set its level elsewhere.
    """
    logger: Any = logging.Logger
    enabled, handle, last = logger.isEnabledFor, logger.handle, logging.lastResort

    def note(self: logging.Logger, record: logging.LogRecord) -> None:
        counts = bool(enabled(self, record.levelno))
        if len(records) < _RECORDS:
            text = record.getMessage()[:_TEXT]
            handled = counts and self.hasHandlers()
            records.append([record.name[:200], record.levelno, text, counts, handled])
        if counts:
            handle(self, record)

    logger.isEnabledFor = lambda *_: True
    logger.handle = note
    logging.lastResort = None
    raises, logging.raiseExceptions = logging.raiseExceptions, False
    try:
        yield
    finally:
        logger.isEnabledFor, logger.handle, logging.lastResort = enabled, handle, last
        logging.raiseExceptions = raises
