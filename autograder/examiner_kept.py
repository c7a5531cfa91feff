"""What given cells have made and answers use, kept as it was before any answer ran.

A test finds such an array or table in the student's room, by its name. Whether it found what was
given is held against a copy of it here.
"""

import copy
import pickle
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import pandas as pd

from autograder.examiner_errors import StudentRoomGoneError
from autograder.wire_looks import is_alike, look_into
from autograder.wire_values import MUTABLE

__all__ = ["Kept", "Watch"]


class Kept:
    """Copies of what given cells have made.

    Parameters
    ----------
    link : ExaminerLink
        Asks the student's room.
    names : TestNames
        The globals of the test cells.
    """

    def __init__(self, link: Any, names: Any) -> None:
        self._link, self._names = link, names
        self._values: dict[str, Any] = {}

    def take(self, names: Iterable[str]) -> None:
        """Keep what names stand for, while no answer has run."""
        for name in names:
            with suppress(Exception, StudentRoomGoneError):
                found = self._link.ask("given", name)
                if type(found) is tuple and len(found) == 1 and type(found[0]) in MUTABLE:
                    self._values[name] = _copy(found[0])

    @contextmanager
    def watched(self, spoken: Set[str], handed: Set[str]) -> Iterator["Watch"]:
        """Watch what a test finds by these names; what it hands over may be changed from then on.

        Parameters
        ----------
        spoken : set of str
            The names that a test cell speaks of.
        handed : set of str
            Those of what it hands to functions.
        """
        names = (spoken & self._values.keys()) - dict.keys(self._names)
        watch = Watch({name: self._values[name] for name in sorted(names)}, handed)
        self._names.found = watch.note if names else None
        try:
            yield watch
        finally:
            self._names.found = None
            if not watch.changed(self._link.twins):
                self._values |= watch.handed_on()

    @contextmanager
    def put_here(self, values: dict[str, Any]) -> Iterator[None]:
        """Have in this room for a while what was given."""
        for name, value in values.items():
            dict.__setitem__(self._names, name, _copy(value))
        try:
            yield
        finally:
            for name in values:
                dict.pop(self._names, name, None)


class Watch:
    """What a test has found by the names of what is kept.

    Parameters
    ----------
    kept : dict
        What was given, by its names.
    handed : set of str
        The names of what the test hands over.
    """

    def __init__(self, kept: dict[str, Any], handed: Set[str]) -> None:
        self.kept, self._handed = kept, handed & kept.keys()
        self._differs: set[str] = set()
        self._found: dict[str, Any] = {}

    def note(self, name: str, value: Any) -> None:
        """Take note of what a name stood for."""
        kept = self.kept.get(name)
        if kept is None or (name in self._handed and name in self._found):
            return
        self._found[name] = value
        if not _is_same(value, kept):
            self._differs.add(name)

    def changed(self, twins: Any) -> bool:
        """Say whether something else was found than was given, or got to be while the test ran."""
        others = self._found.keys() - self._handed
        return bool(self._differs) or any(
            not _is_same(self._found[name], self.kept[name])
            for name in others
            if twins.number(self._found[name]) is not None
        )

    def handed_on(self) -> dict[str, Any]:
        """Give what was handed over, as it is now."""
        found = {name: self._found[name] for name in self._handed & self._found.keys()}
        return {n: _copy(value) for n, value in found.items() if not _is_same(value, self.kept[n])}


def _is_same(value: Any, kept: Any) -> bool:
    """Say whether a container has the content of another."""
    if value is kept or type(value) is not type(kept):
        return value is kept
    if isinstance(value, (pd.DataFrame, pd.Series)):
        return bool(value.equals(kept)) and getattr(value, "name", None) == getattr(
            kept, "name", None
        )
    if type(value) is np.ndarray and not value.dtype.hasobject:
        alike = value.shape == kept.shape and value.dtype == kept.dtype
        return bool(alike and value.tobytes() == kept.tobytes())
    return is_alike(look_into(value), look_into(kept))


def _copy(value: Any) -> Any:
    """Copy a container and all in it that is plain."""
    if isinstance(value, (pd.DataFrame, pd.Series, np.ndarray)):
        return value.copy()
    try:
        return pickle.loads(pickle.dumps(value, protocol=5))  # noqa: S301 - of this very process
    except Exception:  # handles aren't copied
        return copy.copy(value)
