"""Warnings of student code: shown by its own filters, and those of a test that listens."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from autograder.warning_filters import Change, changed_since, put_filters

__all__ = ["Warned"]


class Warned:
    """Collects the warnings of a question for a test that listens.

    Attributes
    ----------
    caught : list of warnings.WarningMessage
        What was warned of in the last question.
    """

    def __init__(self) -> None:
        self.caught: list[warnings.WarningMessage] = []
        self._base = list(warnings.filters)
        self._told = changed_since(self._base)
        self._listener: Change | None = None

    def filters(self) -> Change | None:
        """Give what student code has done to the filters, where that isn't what was told last."""
        now = changed_since(self._base)
        if now == self._told:
            return None
        self._told = now
        return now

    def listen(self, change: Change | None) -> None:
        """Collect warnings from now on, by a test's filters before one's own; or, None, no more."""
        self._listener = change

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Collect the warnings of a question, if a test listens."""
        if self._listener is None:
            yield
            return
        with warnings.catch_warnings(record=True) as caught:
            put_filters(list(warnings.filters), self._listener)
            try:
                yield
            finally:
                self.caught = list(caught)
