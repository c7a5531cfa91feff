"""Lists, tables and the like that given cells make, which answers use and tests go by.

A test that goes by one isn't to be won by changing it, so the examiner's room keeps what it was.
A test that asks whether it was left alone is to see that it wasn't. So where student code has
changed such a container, a test that speaks of it has to pass twice: with what it was, and with the
one that both rooms have then.
"""

import ast
import copy
import pickle
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import contextmanager, suppress
from typing import Any

from autograder.examiner_errors import StudentRoomGoneError
from autograder.examiner_source import targets_of, words
from autograder.examiner_twins import handed_over, is_alike, look_into
from autograder.wire_changes import apply_change
from autograder.wire_values import MUTABLE, need

__all__ = ["GivenContainers"]

_WRITTEN = (ast.List, ast.Dict, ast.Set)


class GivenContainers:
    """The containers that given cells make.

    Parameters
    ----------
    link : ExaminerLink
        Asks the student's room.
    names : TestNames
        The globals of the test cells.
    """

    def __init__(self, link: Any, names: Any) -> None:
        self._link, self._names = link, names
        self._written: dict[str, ast.expr] = {}
        self._taken: dict[str, Any] = {}
        self._there: dict[str, list[Any]] = {}

    def wrote(self, node: ast.Assign) -> None:
        """Note what a given cell has written out: this room has its own."""
        if isinstance(node.value, _WRITTEN):
            self._written |= dict.fromkeys(targets_of(node), node.value)

    def take(self, names: Iterable[str]) -> None:
        """Keep what is in others while no answer has run: the student's room has them alone."""
        for name in names:
            with suppress(Exception, StudentRoomGoneError):
                found = self._link.ask("given", name)
                if type(found) is tuple and len(found) == 1 and type(found[0]) in MUTABLE:
                    self._taken[name] = _copy(found[0])

    def answered(self) -> None:
        """Note that student code has run outside of tests."""
        self._there.clear()

    def run(self, text: str, run: Callable[[], Any], again: Callable[[], Any]) -> Any:
        """Run a test cell, and once more if it passes and what it speaks of was changed.

        Parameters
        ----------
        text : str
            The cell.
        run, again : callable
            Run it, the first and the second time; give what came of it, with its ``error``.
        """
        spoken = words(text)
        written, taken = self._written_in(spoken), self._taken_in(spoken)
        both = written | taken
        if not both:
            return run()
        had_changed = self._have_changed(both, look_again=not self._there.keys() >= both.keys())
        told = self._names.told = {name: [] for name in taken}
        with self._shared(written if had_changed else {}):
            outcome = run()
        self._names.told = {}
        if self._link.gone:
            return outcome
        handed = handed_over(text) & taken.keys()
        had_changed = had_changed or self._were_others(told, handed)
        if not had_changed:
            self.take(handed)  # what a test hands over may be changed by whoever gets it
        if outcome.error is not None:
            return outcome
        others = {name: value for name, value in both.items() if name not in handed}
        if had_changed or (self._have_changed(others, look_again=True) and taken):
            self._link.note(_why(both))
            with self._put_here(taken):
                outcome = again()
        if outcome.error is None and not had_changed and self._have_changed(written):
            self._link.note(_why(written))
            with self._shared(written):
                self._put_back(written)
                outcome = again()
        return outcome

    def _were_others(self, told: dict[str, list[Any]], handed: Set[str]) -> bool:
        """Say whether a test found something else by a name than what was kept.

        Of what it hands over, only as it was at first.
        """
        return any(
            not is_alike(seen, look_into(self._taken[name]))
            for name, found in told.items()
            for seen in (found[:1] if name in handed else found)
        )

    def _written_in(self, spoken: Set[str]) -> dict[str, Any]:
        """Give what is written of those that a cell speaks of, where this room has it as it is."""
        found = {}
        for name in sorted(self._written.keys() & spoken):
            value = ast.literal_eval(self._written[name])
            if dict.get(self._names, name) == value:
                found[name] = value
        return found

    def _taken_in(self, spoken: Set[str]) -> dict[str, Any]:
        """Give what others were that a cell speaks of, where no test has bound their names."""
        names = sorted(self._taken.keys() & spoken)
        return {
            name: self._taken[name] for name in names if not dict.__contains__(self._names, name)
        }

    def _have_changed(self, known: dict[str, Any], *, look_again: bool = False) -> bool:
        """Say whether one of them is another in the student's room."""
        if look_again:
            found = self._link.ask("values", list(known))
            need(type(found) is dict and found.keys() <= known.keys(), "values of names")
            for name, value in known.items():
                is_one = type(found.get(name)) is type(value)
                self._there[name] = look_into(found[name] if is_one else value)
        return any(
            not is_alike(self._there[name], look_into(value)) for name, value in known.items()
        )

    @contextmanager
    def _shared(self, written: dict[str, Any]) -> Iterator[None]:
        """Have those of the student's room for a while, which both rooms have then."""
        own = {name: dict.pop(self._names, name) for name in written}
        handed, given = self._link.handed, self._names.given & written.keys()
        self._link.handed = handed | written.keys()
        self._names.given -= given
        try:
            yield
        finally:
            self._link.handed = handed
            self._names.given |= given
            for name, value in own.items():
                dict.__setitem__(self._names, name, value)

    @contextmanager
    def _put_here(self, taken: dict[str, Any]) -> Iterator[None]:
        """Have what others were in this room for a while."""
        for name, value in taken.items():
            dict.__setitem__(self._names, name, _copy(value))
        try:
            yield
        finally:
            for name in taken:
                dict.pop(self._names, name, None)

    def _put_back(self, written: dict[str, Any]) -> None:
        """Have them in both rooms as they were before the cell ran."""
        for name, value in written.items():
            if type(now := self._names.get(name)) is type(value) and now != value:
                apply_change(now, value)


def _why(names: Iterable[str]) -> str:
    listed = " or ".join(f"`{name}`" for name in names)
    return f"the answers changed {listed}, which the lab gives: a test must pass with either"


def _copy(value: Any) -> Any:
    """Copy a container and all in it that is plain."""
    try:
        return pickle.loads(pickle.dumps(value, protocol=5))  # noqa: S301 - of this very process
    except Exception:  # handles aren't copied
        return copy.copy(value)
