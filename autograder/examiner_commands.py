"""``!command`` in a test cell: it runs in the student's room, whose folder it is about.

What it prints and how it ends is that room's word, as is everything of a program there. The
names that a command is filled in with (``{name}``, ``$name``) are looked up here, and only in a
command that is written in the test itself: filling in evaluates what stands between the braces.
"""

import builtins
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from IPython.utils.text import DollarFormatter, SList

from autograder.examiner_link import ExaminerLink
from autograder.examiner_names import TestNames

__all__ = ["Commands"]

_FORMATTER: Any = DollarFormatter()
# As `subprocess` numbers them: no input, all output in one stream, as on a terminal.
_HOW = {"shell": True, "text": True, "errors": "replace", "stdin": -3, "stdout": -1, "stderr": -2}


class _Seen(dict[str, Any]):
    """The names that a line of a test sees: those of its function, then the test's globals."""

    def __init__(self, local: dict[str, Any], names: TestNames) -> None:
        super().__init__(local)
        self._names = names

    def __missing__(self, name: str) -> Any:
        return self._names[name]


def _parts(command: str, seen: _Seen) -> Iterator[str]:
    for literal, field, spec, conversion in _FORMATTER.parse(command):
        yield literal or ""
        if field is not None:
            expression = f"{field}:{spec}" if spec else field
            value = eval(expression, {"__builtins__": builtins}, seen)  # noqa: S307 - the test's own
            yield format(_FORMATTER.convert_field(value, conversion))


class Commands:
    """Runs the commands of test cells.

    Parameters
    ----------
    link : ExaminerLink
        The way to the student's room.
    names : TestNames
        The globals of the test cells.
    texts : callable
        Gives the texts of the cells that aren't the student's.
    """

    def __init__(
        self, link: ExaminerLink, names: TestNames, texts: Callable[[], Iterable[str]]
    ) -> None:
        self._link = link
        self._names = names
        self._texts = texts

    def run(self, how: str, command: Any, **options: Any) -> Any:
        """Run a command as ``get_ipython().system`` or ``get_ipython().getoutput`` does."""
        if type(command) is str and any(command in text for text in self._texts()):
            command = self._filled_in(command, sys._getframe(1).f_locals)
        out, code = self._ask(command)
        dict.__setitem__(self._names, "_exit_code", code)
        if how == "system":
            sys.stdout.write(out)
            return None
        out = out.removesuffix("\n")
        return SList(out.splitlines()) if options.get("split", True) else out

    def _filled_in(self, command: str, local: Any) -> str:
        seen = _Seen({} if local is self._names else dict(local), self._names)
        try:
            return "".join(_parts(command, seen))
        except Exception:  # as IPython does with what it can't fill in
            return command

    def _ask(self, command: Any) -> tuple[str, int]:
        subprocess = self._link.ask("module", "subprocess")
        run = self._link.ask("get", subprocess, "run")
        done = self._link.ask("call", run, command, **_HOW)
        out, code = (self._link.ask("get", done, name) for name in ("stdout", "returncode"))
        self._link.claim("what a command printed, and how it ended")
        return (out if type(out) is str else "", code if type(code) is int else 1)
