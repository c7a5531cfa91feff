"""Lists, tables and the like that given cells make, which answers use and tests go by.

A test that goes by one isn't to be won by changing it, so the examiner's room keeps what it was.
A test that asks whether it was left alone is to see that it wasn't. So where student code has
changed such a container, a test that speaks of it has to pass twice: with what it was, and with the
one that both rooms have then.
"""

import ast
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import contextmanager
from typing import Any

from autograder.examiner_kept import Kept
from autograder.examiner_source import targets_of
from autograder.examiner_twins import handed_over
from autograder.wire_changes import apply_change
from autograder.wire_looks import is_alike, look_into
from autograder.wire_values import need

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
        self.kept = Kept(link, names)
        self._there: dict[str, list[Any]] = {}

    def wrote(self, node: ast.Assign) -> None:
        """Note what a given cell has written out: this room has its own."""
        if isinstance(node.value, _WRITTEN):
            self._written |= dict.fromkeys(targets_of(node), node.value)

    def answered(self) -> None:
        """Note that student code has run outside of tests."""
        self._there.clear()

    def run(
        self, text: str, spoken: Set[str], run: Callable[[], Any], again: Callable[[], Any]
    ) -> Any:
        """Run a test cell, and once more if it passes and what it speaks of was changed.

        Parameters
        ----------
        text : str
            The cell.
        spoken : set of str
            The names that it uses, those within given functions that it uses included.
        run, again : callable
            Run it, the first and the second time; give what came of it, with its ``error``.
        """
        written = self._written_in(spoken)
        had_changed = self._had_changed(written)
        shared = self._shared(written if had_changed else {})
        with self.kept.watched(spoken, handed_over(text)) as watch, shared:
            outcome = run()
        if outcome.error is not None or self._link.gone:
            return outcome
        if watch.changed(self._link.twins) or had_changed:
            self._link.note(_why(watch.kept | written))
            with self.kept.put_here(watch.kept):
                outcome = again()
        if outcome.error is None and not had_changed and self._have_changed(written):
            self._link.note(_why(written))
            with self._shared(written):
                self._put_back(written)
                outcome = again()
        return outcome

    def _written_in(self, spoken: Set[str]) -> dict[str, Any]:
        """Give what is written of those that a cell speaks of, where this room has it as it is."""
        found = {}
        for name in sorted(self._written.keys() & spoken):
            value = ast.literal_eval(self._written[name])
            if dict.get(self._names, name) == value:
                found[name] = value
        return found

    def _had_changed(self, written: dict[str, Any]) -> bool:
        """Say whether one of them was another in the student's room when answers had run."""
        if self._there.keys() >= written.keys():
            return self._differ(written)
        return self._have_changed(written)

    def _have_changed(self, written: dict[str, Any]) -> bool:
        """Say whether one of them is another in the student's room by now."""
        found = self._link.ask("values", list(written)) if written else {}
        need(type(found) is dict and found.keys() <= written.keys(), "values of names")
        for name, value in written.items():
            is_one = type(found.get(name)) is type(value)
            self._there[name] = look_into(found[name] if is_one else value)
        return self._differ(written)

    def _differ(self, written: dict[str, Any]) -> bool:
        return any(
            not is_alike(self._there[name], look_into(value)) for name, value in written.items()
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

    def _put_back(self, written: dict[str, Any]) -> None:
        """Have them in both rooms as they were before the cell ran."""
        for name, value in written.items():
            if type(now := self._names.get(name)) is type(value) and now != value:
                apply_change(now, value)


def _why(names: Iterable[str]) -> str:
    listed = " or ".join(f"`{name}`" for name in names)
    return f"the answers changed {listed}, which the lab gives: a test must pass with either"
