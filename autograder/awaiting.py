"""Coroutines of one room that code of the other awaits on its own loop, several at a time.

What is awaited together (``asyncio.gather``, tasks) is asked for together, so that it takes as
long as in one process; while one room waits, the other is given until that loop's next timer, so
that ``asyncio.wait_for`` and ``asyncio.timeout`` end in time.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from autograder.wire_values import need

__all__ = ["Awaiting", "Tasks"]

Ask = Callable[..., Any]
_SLICE = 0.05
_LONGEST = 0.5


class Awaiting:
    """The other room's coroutines that code of this one waits for.

    Parameters
    ----------
    ask : callable
        Asks the other room, whose :class:`Tasks` answer.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._waiting: list[tuple[Any, asyncio.Future[Any]]] = []
        self._turn_on: asyncio.AbstractEventLoop | None = None
        self._goes_on = False

    async def result(self, handle: Any) -> Any:
        """Wait for a coroutine of the other room."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiting = [item for item in self._waiting if item[1].get_loop() is loop]
        self._waiting.append((handle, future))
        self._take_turns(loop)
        try:
            return await future
        except asyncio.CancelledError:
            self._ask("cancel", handle)
            raise

    def goes_on(self, *, there: bool) -> None:
        """Note whether tasks of the other room go on for which nobody of this one waits."""
        self._goes_on = there
        loop = asyncio._get_running_loop()
        if there and loop is not None:
            self._take_turns(loop)

    def _take_turns(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the other room's loop run when this one comes to it."""
        if self._turn_on is not loop:
            self._turn_on = loop
            loop.call_soon(self._go_on, loop)

    def _go_on(self, loop: asyncio.AbstractEventLoop) -> None:
        self._turn_on = None
        self._waiting = [item for item in self._waiting if not item[1].done()]
        waiting = list(self._waiting)
        if not waiting and not self._goes_on:
            return
        seconds = _shorter(_until_timer(loop), _LONGEST if waiting else _SLICE)
        self._turn_on = loop  # while the other room has its turn
        try:
            done = self._ask("go_on", [handle for handle, _ in waiting], seconds)
            need(type(done) is list and len(done) <= len(waiting), "coroutines that are done")
            need(all(type(n) is int and 0 <= n < len(waiting) for n in done), "a coroutine")
        except BaseException as error:
            self._turn_on = None
            self._end(waiting, error)
            return
        for place in done:
            handle, future = waiting[place]
            self._finish(loop, handle, future)
        self._turn_on = None
        ended = {id(waiting[place][1]) for place in done}
        self._waiting = [item for item in self._waiting if id(item[1]) not in ended]
        if self._waiting or self._goes_on:
            self._take_turns(loop)

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


def _shorter(seconds: float | None, most: float) -> float:
    return most if seconds is None else min(seconds, most)


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


class Tasks:
    """Coroutines of this room that were begun, by the object that the other room knows.

    Each level of rooms that wait for one another has a loop of its own here.

    Parameters
    ----------
    own_loop : callable
        Gives the loop of the first level.
    failed : callable
        Is told what a coroutine raises, whether anybody asks for it or not.
    """

    def __init__(
        self,
        own_loop: Callable[[], asyncio.AbstractEventLoop],
        failed: Callable[[BaseException], None] = lambda _: None,
    ) -> None:
        self._own_loop = own_loop
        self._failed = failed
        self._more: list[asyncio.AbstractEventLoop] = []
        self._begun: dict[int, tuple[Any, asyncio.Future[Any]]] = {}
        self._elsewhere: set[asyncio.Future[Any]] = set()

    async def awaited(self, target: Any) -> Any:
        """Wait for anything of this room; for a task of another of its loops too."""
        loop = asyncio.get_running_loop()
        if not issubclass(type(target), asyncio.Future) or target.get_loop() is loop:
            return await target
        here = loop.create_future()

        def tell(_: Any) -> None:
            if not here.done():
                here.set_result(None)

        target.add_done_callback(tell)
        self._elsewhere.add(here)
        try:
            await here
        except asyncio.CancelledError:
            target.cancel()
            raise
        finally:
            self._elsewhere.discard(here)
            target.remove_done_callback(tell)
        return target.result()

    def go_on(self, waiting: list[Any], seconds: float | None) -> list[int]:
        """Run until one of them is done or the time is up; give the places of those that are.

        A task of the loop that stands still meanwhile gets its turn when that has something to do.
        """
        outer = asyncio._get_running_loop()

        async def wait() -> list[int]:
            futures = [self._future(item) for item in waiting]
            loop = asyncio.get_running_loop()
            here = {future for future in futures if future.get_loop() is loop}
            if not futures and not (here := self._others(loop)):
                return []
            await asyncio.sleep(0)
            most = seconds
            if self._elsewhere and outer is not None:
                least = _shorter(_until_timer(outer), _SLICE)
                most = _shorter(seconds, least)
            await asyncio.wait(here, timeout=most, return_when=asyncio.FIRST_COMPLETED)
            return [place for place, future in enumerate(futures) if future.done()]

        done: list[int] = self.run(wait())
        return done

    def goes_on(self, loop: asyncio.AbstractEventLoop | None) -> bool:
        """Say whether tasks of a loop go on for which the other room doesn't wait."""
        return loop is not None and bool(self._others(loop))

    def _others(self, loop: asyncio.AbstractEventLoop) -> "set[asyncio.Future[Any]]":
        awaited = {id(future) for _, future in self._begun.values()}
        current = asyncio.current_task(loop)
        return {
            task
            for task in asyncio.all_tasks(loop)
            if task is not current and id(task) not in awaited
        }

    def _future(self, awaitable: Any) -> "asyncio.Future[Any]":
        if id(awaitable) not in self._begun:
            self._begun[id(awaitable)] = (
                awaitable,
                asyncio.ensure_future(self._watched(awaitable)),
            )
        return self._begun[id(awaitable)][1]

    async def _watched(self, awaitable: Any) -> Any:
        try:
            return await awaitable
        except BaseException as error:
            self._failed(error)
            raise

    def result(self, awaitable: Any) -> Any:
        """Give what a coroutine that is done has given, or raise what it raised."""
        return self._begun.pop(id(awaitable))[1].result()

    def cancel(self, awaitable: Any) -> None:
        """Cancel one that the other room no longer waits for."""
        _, future = self._begun.pop(id(awaitable), (None, None))
        if future is not None and not future.done():
            future.cancel()
            if not future.get_loop().is_running():
                self._run_on(future.get_loop(), asyncio.wait([future], timeout=1.0))

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end, also while code of this room waits on another loop."""
        loops = [self._own_loop(), *self._more]
        free = next((loop for loop in loops if not loop.is_running()), None)
        if free is None:
            self._more.append(free := asyncio.new_event_loop())
        return self._run_on(free, coroutine)

    def _run_on(self, loop: Any, coroutine: Coroutine[Any, Any, Any]) -> Any:
        outer = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        try:
            return loop.run_until_complete(coroutine)
        finally:
            asyncio._set_running_loop(outer)
