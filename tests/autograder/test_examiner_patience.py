"""What answers wait for of a test's is looked for a moment at a time, within their time."""

import queue
import threading
import types
from typing import Any

import pytest

from autograder.examiner_patience import StillWaitsError, way_to_wait


def held() -> Any:
    lock = threading.Lock()
    lock.acquire()
    return lock


def full() -> Any:
    one = queue.Queue[int](maxsize=1)
    one.put(0)
    return one


def set_event() -> Any:
    event = threading.Event()
    event.set()
    return event


def with_a_task() -> Any:
    one = queue.Queue[int]()
    one.put(0)
    return one


EMPTY = [
    (queue.Queue, "get", ()),
    (queue.LifoQueue, "get", ()),
    (queue.SimpleQueue, "get", ()),
    (full, "put", (1,)),
    (threading.Event, "wait", ()),
    (held, "acquire", ()),
    (lambda: threading.Semaphore(0), "acquire", ()),
    (lambda: threading.BoundedSemaphore(0), "acquire", ()),
    (with_a_task, "join", ()),
]


@pytest.mark.parametrize(("make", "method", "args"), EMPTY)
def test_what_is_not_there_is_to_be_asked_for_again(make: Any, method: str, args: Any) -> None:
    """However long it was waited for, where no time was named."""
    wait: Any = way_to_wait("call", getattr(make(), method))
    for waited in (0.0, 1e6):
        with pytest.raises(StillWaitsError):
            wait(waited, *args)


def test_a_thread_is_waited_for() -> None:
    """Until it has ended."""
    event = threading.Event()
    thread = threading.Thread(target=event.wait, daemon=True)
    thread.start()
    wait: Any = way_to_wait("call", thread.join)
    with pytest.raises(StillWaitsError):
        wait(0.0)
    with pytest.raises(StillWaitsError):
        wait(0.0, 0.01)
    assert wait(0.02, 0.01) is None
    event.set()
    thread.join()
    assert wait(0.0) is None


@pytest.mark.parametrize(
    ("make", "method", "args", "given"),
    [
        (queue.Queue, "get", (True, 0.01), queue.Empty),
        (queue.SimpleQueue, "get", (True, 0.01), queue.Empty),
        (full, "put", (1, True, 0.01), queue.Full),
        (threading.Event, "wait", (0.01,), False),
        (held, "acquire", (True, 0.01), False),
        (lambda: threading.Semaphore(0), "acquire", (True, 0.01), False),
    ],
)
def test_a_time_that_is_named_ends(make: Any, method: str, args: Any, given: Any) -> None:
    """Counted from when the answer began to wait."""
    wait: Any = way_to_wait("call", getattr(make(), method))
    with pytest.raises(StillWaitsError):
        wait(0.0, *args)
    if given is False:
        assert wait(0.02, *args) is False
    else:
        with pytest.raises(given):
            wait(0.02, *args)


def test_who_does_not_wait_is_answered_at_once() -> None:
    """As the object itself would."""
    with pytest.raises(queue.Empty):
        way_to_wait("call", queue.Queue[int]().get)(0.0, False)  # type: ignore[misc]
    with pytest.raises(queue.Full):
        way_to_wait("call", full().put)(0.0, 1, block=False)  # type: ignore[misc]
    assert way_to_wait("call", held().acquire)(0.0, False) is False  # type: ignore[misc]


def test_what_is_there_is_given() -> None:
    """With what it holds."""
    assert way_to_wait("call", full().get)(0.0) == 0  # type: ignore[misc]
    assert way_to_wait("call", set_event().wait)(0.0) is True  # type: ignore[misc]
    lock = threading.Lock()
    assert way_to_wait("enter", lock)(0.0) is True  # type: ignore[misc]
    assert lock.locked()


def test_a_tests_own_methods_are_called_as_they_are() -> None:
    """Also those of a class that is derived from one that waits."""

    class Unhashable:
        __hash__ = None  # type: ignore[assignment]

        def __call__(self, _: int) -> None:
            """Do nothing."""

    class Mine(queue.Queue[int]):
        def get(self, block: bool = True, timeout: float | None = None) -> int:
            return 7

    assert way_to_wait("call", Mine().get) is None
    assert way_to_wait("call", types.MethodType(Unhashable(), 1)) is None
    assert way_to_wait("call", [].append) is None
    assert way_to_wait("call", len) is None
    assert way_to_wait("enter", Mine()) is None
    assert way_to_wait("get", queue.Queue[int]()) is None
