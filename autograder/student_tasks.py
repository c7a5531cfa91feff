"""What a test of the examiner's room has run several at a time: coroutines, and calls of threads.

Several that a test awaits together run together, and one that takes longer than the test waits
for is left waiting, as on one loop.
"""

import asyncio
import threading
from collections.abc import Iterable
from typing import Any

__all__ = ["Tasks", "awaitable", "call_together", "rethrow"]


class Tasks:
    """Coroutines that were begun, by the object that the test holds a handle on."""

    def __init__(self) -> None:
        self._begun: dict[int, tuple[Any, asyncio.Future[Any]]] = {}

    def go_on(
        self, loop: asyncio.AbstractEventLoop, waiting: list[Any], seconds: float | None
    ) -> list[int]:
        """Run until one of them is done or the time is up; give the places of those that are."""

        async def wait() -> list[int]:
            futures = [self._future(item) for item in waiting]
            await asyncio.wait(futures, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            return [place for place, future in enumerate(futures) if future.done()]

        return loop.run_until_complete(wait())

    def _future(self, awaitable: Any) -> "asyncio.Future[Any]":
        if id(awaitable) not in self._begun:
            self._begun[id(awaitable)] = (awaitable, asyncio.ensure_future(awaitable))
        return self._begun[id(awaitable)][1]

    def result(self, awaitable: Any) -> Any:
        """Give what a coroutine that is done has given, or raise what it raised."""
        return self._begun.pop(id(awaitable))[1].result()

    def cancel(self, loop: asyncio.AbstractEventLoop, awaitable: Any) -> None:
        """Cancel one that the test no longer waits for."""
        _, future = self._begun.pop(id(awaitable), (None, None))
        if future is not None and not future.done():
            future.cancel()
            loop.run_until_complete(asyncio.wait([future], timeout=1.0))


async def awaitable(made: Any, *, failed: bool) -> Any:
    """Give, once it is awaited, what a test's asynchronous function has given or raised."""
    if failed:
        raise made
    return made


def call_together(calls: Iterable[tuple[Any, Any, Any]]) -> tuple[tuple[bool, Any], ...]:
    """Make calls in a thread each; give whether each went well, and what it gave or raised."""
    found: dict[int, tuple[bool, Any]] = {}

    def make(place: int, target: Any, args: Any, names: Any) -> None:
        try:
            found[place] = True, target(*args, **dict(names))
        except BaseException as error:
            found[place] = False, error

    threads = [
        threading.Thread(target=make, args=(place, *call), daemon=True)
        for place, call in enumerate(calls)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tuple(found[place] for place in range(len(threads)))


def rethrow(error: BaseException) -> None:
    """Raise what a call in a thread has raised."""
    raise error
