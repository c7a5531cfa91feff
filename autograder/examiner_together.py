"""Calls that several threads of a test make at once: the student's room makes them at once too.

One after another, nothing could go wrong that a test with threads is there to find.
"""

import threading
from collections.abc import Callable
from time import sleep
from typing import Any

from autograder.handles import number_of
from autograder.wire_values import need

__all__ = ["Together"]

_GATHERING_S = 0.002
_MOST = 64
_MAIN = threading.main_thread()


class _Call:
    def __init__(self, args: tuple[Any, ...], names: dict[str, Any]) -> None:
        self.args, self.names = args, names
        self.done = False
        self.value: Any = None
        self.error: BaseException | None = None


class Together:
    """Gathers the calls of threads, for one question.

    Parameters
    ----------
    ask : callable
        Asks the student's room.
    """

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask
        self._asking: int | None = None
        self._waiting: list[_Call] = []
        self._guard, self._turn = threading.Lock(), threading.Lock()

    def is_for(self, op: str) -> bool:
        """Say whether a question is a call of a thread that asks nothing else meanwhile."""
        this = threading.current_thread()
        return op == "call" and this is not _MAIN and this.ident != self._asking

    def call(self, args: tuple[Any, ...], names: dict[str, Any]) -> Any:
        """Call something of the student's, along with what other threads call."""
        mine = _Call(args, names)
        with self._guard:
            self._waiting.append(mine)
        sleep(_GATHERING_S)
        with self._turn:
            while not mine.done:
                with self._guard:
                    calls, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
                self._asking = threading.get_ident()
                try:
                    self._make(calls)
                finally:
                    self._asking = None
        if mine.error is not None:
            raise mine.error
        return mine.value

    def _make(self, calls: list[_Call]) -> None:
        try:
            if len(calls) == 1:
                calls[0].value = self._ask("call", *calls[0].args, **calls[0].names)
                return
            asked = [(call.args[0], call.args[1:], tuple(call.names.items())) for call in calls]
            found = self._ask("together", *asked)
            need(type(found) is tuple and len(found) == len(calls), "as many answers as calls")
            for call, told in zip(calls, found, strict=True):
                need(type(told) is tuple and len(told) == 2, "an answer")
                self._take(call, *told)
        except BaseException as error:
            for call in calls:
                call.error = call.error or error
        finally:
            for call in calls:
                call.done = True

    def _take(self, call: _Call, went_well: Any, value: Any) -> None:
        if went_well is True:
            call.value = value
            return
        try:
            self._ask("rethrow", value)
            need(number_of(value) is None, "an error")
        except BaseException as error:
            call.error = error
