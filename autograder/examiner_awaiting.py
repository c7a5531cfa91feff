"""Awaits the student's coroutines on the test's loop, several at a time.

What a test awaits together (``asyncio.gather``, tasks) is asked for together, so that it takes as
long as in one process; while it waits, the student's room is given until the loop's next timer,
so that ``asyncio.wait_for`` and ``asyncio.timeout`` end in time.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from autograder.wire_values import need

__all__ = ["Awaiting", "run_apart"]

Ask = Callable[..., Any]


class Awaiting:
    """The student's coroutines that a test waits for."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._waiting: list[tuple[Any, asyncio.Future[Any]]] = []

    async def result(self, handle: Any) -> Any:
        """Wait for a coroutine of the student's."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiting = [item for item in self._waiting if item[1].get_loop() is loop]
        if not self._waiting:
            loop.call_soon(self._go_on, loop)
        self._waiting.append((handle, future))
        try:
            return await future
        except asyncio.CancelledError:
            self._ask("cancel", handle)
            raise

    def _go_on(self, loop: asyncio.AbstractEventLoop) -> None:
        self._waiting = [item for item in self._waiting if not item[1].done()]
        waiting = list(self._waiting)
        if not waiting:
            return
        try:
            done = self._ask("go_on", [handle for handle, _ in waiting], _until_timer(loop))
            need(type(done) is list and len(done) <= len(waiting), "coroutines that are done")
            need(all(type(n) is int and 0 <= n < len(waiting) for n in done), "a coroutine")
        except BaseException as error:
            self._end(waiting, error)
            return
        for place in done:
            handle, future = waiting[place]
            self._finish(loop, handle, future)
        ended = {id(waiting[place][1]) for place in done}
        self._waiting = [item for item in self._waiting if id(item[1]) not in ended]
        if self._waiting:
            loop.call_soon(self._go_on, loop)

    def _finish(
        self, loop: asyncio.AbstractEventLoop, handle: Any, future: "asyncio.Future[Any]"
    ) -> None:
        try:
            value = self._ask("result", handle)
        except BaseException as error:
            _later(loop, future, future.set_exception, error)
        else:
            _later(loop, future, future.set_result, value)

    def _end(self, waiting: list[tuple[Any, "asyncio.Future[Any]"]], error: BaseException) -> None:
        self._waiting.clear()
        for _, future in waiting:
            if not future.done():
                future.set_exception(error)


def _until_timer(loop: Any) -> float | None:
    """Give the seconds until the loop has something else to do; None if it hasn't."""
    if getattr(loop, "_ready", None):
        return 0.0
    timers = [timer.when() for timer in getattr(loop, "_scheduled", ()) if not timer.cancelled()]
    return max(0.0, min(timers) - loop.time()) if timers else None


def _later(
    loop: asyncio.AbstractEventLoop,
    future: "asyncio.Future[Any]",
    act: Callable[[Any], None],
    value: Any,
) -> None:
    """Do it after the timers that are due by now: the time that was given may be over."""

    def do() -> None:
        if not future.done():
            act(value)

    loop.call_soon(loop.call_soon, do)


def run_apart(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine of the test's to its end while the test's own loop waits for an answer."""
    outer, loop = asyncio._get_running_loop(), asyncio.new_event_loop()
    asyncio._set_running_loop(None)
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()
        asyncio._set_running_loop(outer)
