"""Warnings of both rooms, shown as in one process: by all filters, in their order.

What given cells and answers do to the filters holds here too, but for errors. A test's own filters
come before the student's while it has some, or listens; its listeners then hear what got through.
"""

import re
import warnings
from typing import Any, Protocol

from autograder.examiner_errors import is_mirror
from autograder.examiner_objects import is_real
from autograder.warning_filters import Change, Filter, changed_since, put_filters
from autograder.wire_values import need

__all__ = ["Warnings", "warn_again"]

_SHOWN = warnings.showwarning, warnings._showwarnmsg_impl  # type: ignore[attr-defined]
_SHOWING = frozenset({"ignore", "always", "default", "module", "once", "all"})
_MOST, _TEXT = 200, 200
_GREEDY = frozenset("*+{?|")


class _Link(Protocol):
    def ask(self, op: str, /, *args: Any, **kwargs: Any) -> Any:
        """Ask the student's room."""


class Warnings:
    """Carries the filters between the rooms."""

    def __init__(self, link: _Link) -> None:
        self._link = link
        self._own: list[Any] | None = None
        self._base: list[Any] = []
        self._told: Change | None = None

    def begin(self) -> None:
        """Start a test cell, with what was done to the filters in the student's room."""
        if self._own is None:
            self._own = list(warnings.filters)
            self._base = list(self._own)
        found = self._link.ask("filters")
        if found is None:
            return
        need(type(found) is tuple and len(found) == 2 and type(found[0]) is bool, "filters")
        need(type(found[1]) is list and len(found[1]) <= _MOST, "filters")
        tests = changed_since(self._base)
        put_filters(self._own, (found[0], [item for item in found[1] if _may_hold(item)]))
        self._base = list(warnings.filters)
        put_filters(self._base, tests)

    def carry(self) -> None:
        """Tell the student's room of a test that listens, or no longer does."""
        now: Change | None = changed_since(self._base)
        shown = warnings.showwarning, warnings._showwarnmsg_impl  # type: ignore[attr-defined]
        if now == (False, []) and shown == _SHOWN:
            now = None
        if now != self._told:
            self._told = now
            self._link.ask("hear_warnings", now)


def warn_again(text: str, kind: Any, made: BaseException | None = None) -> None:
    """Show here what got through all filters there, to whoever listens.

    Parameters
    ----------
    text : str
        What it says.
    kind : type or handle
        Its class. A handle would say what its room says of it, and isn't asked within an answer.
    made : Warning, optional
        The warning itself, where its class is the student's.
    """
    known = is_real(kind) and issubclass(kind, Warning) and not is_mirror(kind)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        if isinstance(made, Warning):
            warnings.warn(made, stacklevel=6)
        else:
            warnings.warn(text, kind if known else UserWarning, stacklevel=6)


def _may_hold(item: Filter) -> bool:
    """Say whether a filter of the student's room may hold here: it only shows or doesn't."""
    need(type(item) is tuple and len(item) == 5, "a filter")
    what, message, kind, module, line = item
    need(type(what) is str and type(message) is str, "a filter")
    need(type(module) is str and type(line) is int and line >= 0, "a filter")
    plain = all(map(_is_plain, (message, module)))
    return what in _SHOWING and plain and is_real(kind) and issubclass(kind, Warning)


def _is_plain(pattern: str) -> bool:
    """Say whether a pattern is one, and not such that looking for it could take for ever."""
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        return False
    return len(pattern) < _TEXT and sum(sign in _GREEDY for sign in pattern) < 2
