"""What a test's function waits for while threads of an answer have called it.

They call one after another. Where such a function sleeps, or waits for what another call brings,
the others have to get their turn, as they would in one process: it waits as long as the thread that
called it does, in that thread's room, and meanwhile the next one calls.
"""

import re
import sys
import threading
import time
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from autograder.cell_frames import is_own_space
from autograder.handles import number_of

__all__ = ["patch_waiting"]

_PAUSE_S = 0.005
_LOCK, _RLOCK = type(threading.Lock()), type(threading.RLock())
_WAITING = re.compile(r"\b(?:Event|Barrier|Queue|Future)\b|\.(?:wait|join|get|result)\(\)")
_OF_THREAD = ("get_ident", "get_native_id", "current_thread")


def patch_waiting(
    ask: Callable[..., Any],
    is_called_back: Callable[[], bool],
    texts: Callable[[], Iterable[str]],
    names: dict[str, Any],
) -> None:
    """Let other threads of an answer call while a test's function waits.

    Parameters
    ----------
    ask : callable
        Asks the student's room.
    is_called_back : callable
        Says whether this thread does what an answer has called it for.
    texts : callable
        Gives the texts of the tests and given cells.
    names : dict
        What the tests have.
    """
    sleep, wait = time.sleep, threading.Condition.wait

    @wraps(sleep)
    def slept(seconds: Any, /) -> None:
        until = time.monotonic() + (seconds if seconds.__class__ in (int, float) else 0)
        if is_called_back() and seconds > 0 and not _is_awaited(texts(), names):
            ask("pause", float(seconds))
            seconds = max(0.0, until - time.monotonic())  # what that room says proves nothing
        sleep(seconds)

    @wraps(wait)
    def waited(self: Any, timeout: float | None = None) -> bool:
        if not is_called_back() or not self._is_owned():
            return wait(self, timeout)
        until = None if timeout is None else time.monotonic() + timeout
        waiter = threading.Lock()
        waiter.acquire()
        self._waiters.append(waiter)
        held = self._release_save()
        is_told = False
        try:
            while not (is_told := waiter.acquire(blocking=False)):
                if until is not None and time.monotonic() >= until:
                    break
                ask("pause", _PAUSE_S)
            return is_told
        finally:
            self._acquire_restore(held)
            if not is_told:
                self._waiters.remove(waiter)

    def of_thread(name: str) -> Callable[[], Any]:
        original = getattr(threading, name)

        @wraps(original)
        def asked() -> Any:
            if not is_called_back() or not is_own_space(sys._getframe(1).f_globals):
                return original()
            return ask("thread", name)

        return asked

    setattr(time, "sleep", slept)  # noqa: B010 - its stub says it can't be set
    setattr(threading.Condition, "wait", waited)  # noqa: B010
    for name in _OF_THREAD:
        setattr(threading, name, of_thread(name))


def _is_awaited(texts: Iterable[str], names: dict[str, Any]) -> bool:
    """Say whether others that call may wait for what a function of the tests does after sleeping.

    It would wait for them: they have called later, and are answered first. So they do while a
    function has a lock, and where the test has what one waits for.
    """
    known = list(texts)
    text = "\n".join(known)
    if "Semaphore" in text or "Condition" in text or _WAITING.search(known[-1]):
        return True
    if "Lock" not in text:
        return False
    values = list(dict.values(names))
    own = [value for value in values if number_of(value) is None]
    values = [*own, *(part for value in own for part in getattr(value, "__dict__", {}).values())]
    locks = [value for value in values if type(value) in (_LOCK, _RLOCK)]
    return not locks or any(_is_held(lock) for lock in locks)


def _is_held(lock: Any) -> bool:
    if type(lock) is _LOCK:
        return bool(lock.locked())
    return bool(lock._is_owned())
