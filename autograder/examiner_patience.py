"""Waiting for a test's own queues, locks and events, which answers do a short while at a time.

In one process a thread that waits lets the others go on. Of this room one thread serves all of an
answer's, so none of them may hold it: it waits for a moment, and is asked again if that was not
enough. Others are served between, and the test itself goes on.
"""

import queue
import threading
import types
from collections.abc import Callable
from functools import partial
from typing import Any

__all__ = ["StillWaitsError", "way_to_wait"]

_STEP_S = 0.005
_Lock: type = type(threading.Lock())


class StillWaitsError(Exception):
    """What was waited for isn't there yet."""


def _moment(timeout: float | None, waited: float) -> tuple[float, bool]:
    """Give how long to wait now, and whether the time is up after it."""
    if timeout is None:
        return _STEP_S, False
    left = max(0.0, timeout - waited)
    return min(_STEP_S, left), left <= _STEP_S


def _take(owner: Any, waited: float, block: Any = True, timeout: Any = None) -> Any:
    seconds, is_last = _moment(timeout, waited)
    try:
        return owner.get(True, seconds) if block else owner.get(False)
    except queue.Empty:
        if block and not is_last:
            raise StillWaitsError from None
        raise


def _put(owner: Any, waited: float, item: Any, block: Any = True, timeout: Any = None) -> None:
    seconds, is_last = _moment(timeout, waited)
    try:
        owner.put(item, bool(block), seconds)
    except queue.Full:
        if block and not is_last:
            raise StillWaitsError from None
        raise


def _settle(owner: Any, _: float) -> None:
    with owner.all_tasks_done:
        if owner.unfinished_tasks and not owner.all_tasks_done.wait(_STEP_S):
            raise StillWaitsError


def _await(owner: Any, waited: float, timeout: Any = None) -> bool:
    seconds, is_last = _moment(timeout, waited)
    if not owner.wait(seconds) and not is_last:
        raise StillWaitsError
    return bool(owner.is_set())


def _acquire(owner: Any, waited: float, blocking: Any = True, timeout: Any = None) -> bool:
    if not blocking:
        return bool(owner.acquire(False))
    endless = timeout is None or timeout == -1
    seconds, is_last = _moment(None if endless else timeout, waited)
    if owner.acquire(True, seconds):
        return True
    if is_last:
        return False
    raise StillWaitsError


def _join(owner: Any, waited: float, timeout: Any = None) -> None:
    seconds, is_last = _moment(timeout, waited)
    owner.join(seconds)
    if owner.is_alive() and not is_last:
        raise StillWaitsError


_METHODS: dict[Any, Callable[..., Any]] = {
    queue.Queue.get: _take,
    queue.Queue.put: _put,
    queue.Queue.join: _settle,
    threading.Event.wait: _await,
    threading.Semaphore.acquire: _acquire,
    threading.Thread.join: _join,
}
_OF_C: dict[tuple[type, str], Callable[..., Any]] = {
    (_Lock, "acquire"): _acquire,
    (queue.SimpleQueue, "get"): _take,
}
_METHODS_OF_C: tuple[type, ...] = (types.BuiltinMethodType, type(queue.SimpleQueue().get))
_ENTERED = (_Lock, threading.Semaphore, threading.BoundedSemaphore)


def way_to_wait(op: Any, target: Any) -> Callable[..., Any] | None:
    """Give how to wait for a moment, if a use of an object waits until something is there.

    Parameters
    ----------
    op : str
        The use: of what waits, ``call`` and ``enter`` do.
    target : object
        A method of an object of Python's own, or that object; any other gives None.

    Returns
    -------
    callable
        Takes how many seconds were waited before, and the arguments; raises
        :class:`StillWaitsError` where it has to be asked again.
    """
    if op == "enter":
        return partial(_acquire, target) if type(target) in _ENTERED else None
    if op != "call":
        return None
    if type(target) is types.MethodType and type(target.__func__) is types.FunctionType:
        owner, found = target.__self__, _METHODS.get(target.__func__)
    elif type(target) in _METHODS_OF_C:
        owner = target.__self__
        found = _OF_C.get((type(owner), target.__name__))
    else:
        return None
    return None if found is None else partial(found, owner)
