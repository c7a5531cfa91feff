"""What a test prints where the student's code is to catch it.

A context that redirects ``sys.stdout`` does so in its own room. Where the lab asks for such a one,
what the test prints meanwhile goes there. Otherwise it never does: it may be what is expected.
"""

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Printing"]


class Printing:
    """Sends what a test prints to where the student's room has redirected it.

    Parameters
    ----------
    ask : callable
        Asks the student's room.
    """

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask
        self.may_redirect = False
        """Whether the lab's own answers redirect what is printed."""
        self._stream: _Redirected | None = None

    def redirected(self, *, there: bool) -> None:
        """Follow what an answer says: whether what is printed there goes elsewhere now."""
        if there and self.may_redirect and self._stream is None:
            self._stream = _Redirected(self._ask, sys.stdout)
            sys.stdout = self._stream
        elif not there and self._stream is not None:
            self._stream.ended = True
            if sys.stdout is self._stream:
                sys.stdout = self._stream.own
            self._stream = None

    @contextmanager
    def caught(self, *, there: bool) -> Iterator[list[str]]:
        """Give what is printed in a block, if the student's room is to have it."""
        said: list[str] = []
        if not (there and self.may_redirect):
            yield said
            return
        before, sys.stdout = sys.stdout, io.StringIO()
        caught = sys.stdout
        try:
            yield said
        finally:
            said.append(caught.getvalue())
            sys.stdout = before


class _Redirected(io.TextIOBase):
    """Stands for the student's ``sys.stdout`` until its room has its own again."""

    def __init__(self, ask: Callable[..., Any], own: Any) -> None:
        self._ask, self.own = ask, own
        self.beneath = getattr(own, "beneath", own)
        self.ended = False

    def write(self, text: str) -> int:
        """Print there, or here once that has ended."""
        if self.ended:
            return int(self.own.write(text))
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._ask("print", text)
        return len(text)

    def writable(self) -> bool:
        """Say that text can be written."""
        return True
