"""Lists, dicts and sets that a given cell writes out, of which the examiner's room has its own.

A test that goes by one isn't to be won by changing it, so the examiner's room keeps what was
written. A test that asks whether it was left alone is to see that it wasn't. So where student code
has changed such a container, a test that speaks of it has to pass twice: with what was written,
and with the one that both rooms have then.
"""

import ast
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from autograder.examiner_source import targets_of, words
from autograder.wire_changes import apply_change
from autograder.wire_values import need

__all__ = ["GivenLiterals"]

_CONTAINERS = (list, dict, set)


class GivenLiterals:
    """The containers that given cells write out.

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
        self._there: dict[str, Any] = {}

    def gave(self, node: ast.Assign) -> None:
        """Note what a given cell has written out."""
        if isinstance(node.value, (ast.List, ast.Dict, ast.Set)):
            self._written |= dict.fromkeys(targets_of(node), node.value)

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
        written = self._spoken_of(text)
        if not written:
            return run()
        had_changed = self._have_changed(written, look=not self._there.keys() >= written.keys())
        if had_changed:
            with self._shared(written):
                outcome = run()
        else:
            outcome = run()
        if outcome.error is not None or self._link.gone:
            return outcome
        have_changed = self._have_changed(written, look=True)
        if had_changed:
            return again()
        if not have_changed:
            return outcome
        with self._shared(written):
            self._put_back(written)
            return again()

    def _spoken_of(self, text: str) -> dict[str, Any]:
        """Give what is written of those that a cell speaks of, where this room has it as it is."""
        found = {}
        for name in sorted(self._written.keys() & words(text)):
            value = ast.literal_eval(self._written[name])
            if dict.get(self._names, name) == value:
                found[name] = value
        return found

    def _have_changed(self, written: Mapping[str, Any], *, look: bool) -> bool:
        """Say whether one of them is another in the student's room; what isn't there is."""
        if look:
            found = self._link.ask("values", list(written))
            need(type(found) is dict and found.keys() <= written.keys(), "values of names")
            self._there |= {name: found.get(name) for name in written}
        return any(
            type(self._there[name]) is type(value) and self._there[name] != value
            for name, value in written.items()
        )

    @contextmanager
    def _shared(self, written: Mapping[str, Any]) -> Iterator[None]:
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

    def _put_back(self, written: Mapping[str, Any]) -> None:
        """Have them in both rooms as they were before the cell ran."""
        for name, value in written.items():
            if type(now := self._names.get(name)) is type(value) and now != value:
                apply_change(now, value)
