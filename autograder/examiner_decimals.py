"""How exactly decimal numbers are worked out: one setting for a test and the code it tests.

Brought to the student's room before a question and back after it, for test cells that speak of it.
"""

import decimal
from collections.abc import Callable, Set
from typing import Any

from autograder.wire_values import need

__all__ = ["Decimals"]

_SPEAKING = frozenset({"decimal", "Decimal", "getcontext", "setcontext", "localcontext"})
_MOST = 100_000
_ROUNDINGS = frozenset(name for name in vars(decimal) if name.startswith("ROUND_"))


class Decimals:
    """Keeps the context of both rooms alike.

    Parameters
    ----------
    ask : callable
        Asks the student's room.
    """

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask
        self._known: tuple[int, str] | None = None

    def begin(self, words: Set[str]) -> None:
        """Start a test cell in which these names and attributes occur."""
        self._known = None
        if words & _SPEAKING:
            self.fetch(first=True)

    def carry(self) -> None:
        """Bring what changed here to the student's room."""
        context = decimal.getcontext()
        now = (context.prec, context.rounding)
        if self._known is not None and now != self._known:
            self._known = now
            self._ask("decimals", *now)

    def fetch(self, *, first: bool = False) -> None:
        """Have here what the student's room has."""
        if self._known is None and not first:
            return
        found = self._ask("decimals")
        need(type(found) is tuple and len(found) == 2, "a context of decimal numbers")
        precision, rounding = found
        need(type(precision) is int and type(rounding) is str, "a context of decimal numbers")
        need(0 < precision <= _MOST and rounding in _ROUNDINGS, "a context of decimal numbers")
        context = decimal.getcontext()
        context.prec, context.rounding = self._known = (precision, rounding)
