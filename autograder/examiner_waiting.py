"""What a test's function waits for while threads of an answer have called it.

They call one after another. Where such a function sleeps, or waits for what another call brings,
the others have to get their turn, as they would in one process: it waits as long as the thread that
called it does, in that thread's room, and meanwhile the next one calls. So does the test itself
where threads of an answer's have its queue, say: they take from it while it waits.
"""

import re
import sys
import threading
import time
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, Protocol

from autograder.cell_frames import is_own_space
from autograder.handles import number_of

__all__ = ["patch_waiting"]

_PAUSE_S = 0.005
_LOCK, _RLOCK = type(threading.Lock()), type(threading.RLock())
_WAITING = re.compile(r"\b(?:Event|Barrier|Queue|Future)\b|\.(?:wait|join|get|result)\(\)")
_OF_THREAD = ("get_ident", "get_native_id", "current_thread")


class Asked(Protocol):
    """The student's room, as far as waiting goes."""

    def ask(self, op: str, /, *args: Any) -> Any:
        """Ask a question."""

    def is_called_back(self) -> bool:
        """Say whether this thread does what an answer has called it for."""

    def is_let_go_on(self) -> bool:
        """Say whether threads of the student's may want what this thread does, while it waits."""


def patch_waiting(
    link: Asked,
    texts: Callable[[], Iterable[str]],
    names: dict[str, Any],
) -> None:
    """Let other threads of an answer call while a test's function waits.

    Parameters
    ----------
    link : Asked
        The student's room.
    texts : callable
        Gives the texts of the tests and given cells.
    names : dict
        What the tests have.
    """
    sleep, wait = time.sleep, threading.Condition.wait

    @wraps(sleep)
    def slept(seconds: Any, /) -> None:
        until = time.monotonic() + (seconds if seconds.__class__ in (int, float) else 0)
        is_called_back = link.is_called_back()
        others = link.is_let_go_on() or (is_called_back and not _is_awaited(texts(), names))
        if others and seconds > 0:
            link.ask("pause", float(seconds))
            seconds = max(0.0, until - time.monotonic())  # what that room says proves nothing
        sleep(seconds)

    @wraps(wait)
    def waited(self: Any, timeout: float | None = None) -> bool:
        if not (link.is_called_back() or link.is_let_go_on()) or not self._is_owned():
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
                link.ask("pause", _PAUSE_S)
            return is_told
        finally:
            self._acquire_restore(held)
            if not is_told:
                self._waiters.remove(waiter)

    def of_thread(name: str) -> Callable[[], Any]:
        original = getattr(threading, name)

        @wraps(original)
        def asked() -> Any:
            if not link.is_called_back() or not is_own_space(sys._getframe(1).f_globals):
                return original()
            return link.ask("thread", name)

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
