"""A limit on the CPU time of a piece of student code, from within its process.

It is the polite one: student code can ignore it, and then the room is ended from outside. Where
it works, the room lives on for the next cell.
"""

import signal
from types import TracebackType
from typing import Any

__all__ = ["CellTimeoutError", "CpuLimit", "Hold", "Unheld", "cpu_limit"]

THREADS_WAIT = "threads of it use what the test lends them, and wait for one another"
"""Why code was stopped that is none of the main thread's."""
_WALL_FACTOR = 3.0
_WALL_EXTRA = 20.0
_AGAIN = 1.0


class CellTimeoutError(KeyboardInterrupt):
    """A cell or a call used up its time."""


class CpuLimit:
    """Raise :class:`CellTimeoutError` in a block after so many seconds of CPU time.

    A generous limit on the elapsed time stands behind it, for code that waits for nothing. Blocks
    may be nested; the limit of the outermost one counts. A question is a short block, so entering
    one costs two system calls and leaving it none: a timer that goes off later finds nothing to
    stop.
    """

    _depth = 0
    _held = 0
    _seconds = 0.0
    _waited = 0.0
    _pending = ""

    def __init__(self, seconds: float, *, wall: float | None = None) -> None:
        self._mine = seconds
        self.wall = wall or seconds * _WALL_FACTOR + _WALL_EXTRA

    def __enter__(self) -> None:
        kind = CpuLimit
        if kind._depth == 0 and self._mine > 0:
            kind._seconds, kind._waited = self._mine, self.wall
            if signal.getsignal(signal.SIGPROF) is not _stop:
                signal.signal(signal.SIGPROF, _stop)
                signal.signal(signal.SIGALRM, _stop)
            signal.setitimer(signal.ITIMER_PROF, self._mine, _AGAIN)
            signal.setitimer(signal.ITIMER_REAL, self.wall, _AGAIN)
        kind._depth += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        CpuLimit._depth -= 1


cpu_limit = CpuLimit


class Hold:
    """Put a limit off until the end of a block that can't be left in the middle."""

    def __enter__(self) -> None:
        CpuLimit._held += 1

    def __exit__(self, *_: object) -> None:
        CpuLimit._held -= 1
        if CpuLimit._held == 0:
            release()


class Unheld:
    """Let a limit work at once in a block within a :class:`Hold`."""

    def __enter__(self) -> None:
        self._before, CpuLimit._held = CpuLimit._held, 0
        try:
            release()
        except CellTimeoutError:
            CpuLimit._held = self._before
            raise

    def __exit__(self, *_: object) -> None:
        CpuLimit._held = self._before


def release() -> None:
    """Raise what was put off."""
    pending, CpuLimit._pending = CpuLimit._pending, ""
    if pending:
        raise CellTimeoutError(pending)


def _stop(number: int, _: Any) -> None:
    if CpuLimit._depth == 0:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        return
    if number == signal.SIGPROF:
        text = f"stopped after {CpuLimit._seconds:g} seconds of CPU time"
    else:
        text = f"stopped after {CpuLimit._waited:g} seconds of waiting"
    if CpuLimit._held:
        CpuLimit._pending = text
    else:
        raise CellTimeoutError(text)
