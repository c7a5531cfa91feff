"""Many submissions at once: what one does is nothing to the others."""

import gc
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from autograder.pool import each


def test_every_job_comes_back_with_its_result(fake_engine: Any) -> None:
    """Each with its own, and the engine stays open for more."""
    assert dict(each(lambda n, _: n * n, range(5), workers=2, engine=fake_engine)) == {
        0: 0, 1: 1, 2: 4, 3: 9, 4: 16,
    }  # fmt: skip
    assert not fake_engine.closed.is_set()


def test_a_job_that_raises_does_not_stop_the_others(fake_engine: Any) -> None:
    """Its exception is its result."""

    def work(number: int, _: Any) -> int:
        if number == 1:
            raise ValueError("one")
        return number

    got = dict(each(work, range(3), workers=1, engine=fake_engine))
    assert (got[0], got[2]) == (0, 2)
    assert isinstance(got[1], ValueError)


@pytest.mark.parametrize("stop", ["break", "raise"])
def test_stopping_early_closes_the_engine_and_starts_nothing_more(
    fake_engine: Any, stop: str
) -> None:
    """The job that runs is ended through the engine; those that wait never begin."""
    begun = []

    def work(number: int, _: Any) -> int:
        begun.append(number)
        if number:
            fake_engine.closed.wait(30)
        return number

    def some() -> None:
        with closing(each(work, range(9), workers=1, engine=fake_engine)) as outcomes:
            for job, _ in outcomes:
                assert job == 0
                if stop == "break":
                    break
                raise KeyboardInterrupt

    if stop == "raise":
        with pytest.raises(KeyboardInterrupt):
            some()
    else:
        some()
    assert fake_engine.closed.is_set()
    assert set(begun) <= {0, 1}


def test_a_job_that_wants_out_ends_all(fake_engine: Any) -> None:
    """SystemExit in a thread isn't lost."""

    def work(number: int, _: Any) -> int:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        list(each(work, [1, 2], workers=1, engine=fake_engine))


def test_as_many_run_at_once_as_there_are_workers(fake_engine: Any) -> None:
    """Two workers meet at a barrier for two; a third never joins them."""
    barrier = threading.Barrier(2, timeout=30)
    lock, running, most = threading.Lock(), [0], [0]

    def work(number: int, _: Any) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        barrier.wait()
        time.sleep(0.01)
        with lock:
            running[0] -= 1

    for _, result in each(work, range(4), workers=2, engine=fake_engine):
        assert result is None
    assert most[0] == 2


def test_the_work_gets_the_engine(fake_engine: Any) -> None:
    """The one that is closed when somebody stops."""
    ((_, got),) = each(lambda _, engine: engine, [1], workers=1, engine=fake_engine)
    assert got is fake_engine


def test_jobs_are_taken_as_they_are_needed_and_not_kept(fake_engine: Any) -> None:
    """A class of thousands is never in memory at once: a job exists while it waits or runs."""

    class Job:
        pass

    alive: weakref.WeakSet[Job] = weakref.WeakSet()
    most = 0

    def jobs() -> Iterator[Job]:
        nonlocal most
        for _ in range(50):
            job = Job()
            alive.add(job)
            most = max(most, len(alive))
            yield job
            del job

    count = sum(1 for _ in each(lambda *_: None, jobs(), workers=2, engine=fake_engine))
    gc.collect()
    assert count == 50
    assert most <= 8


def test_no_jobs_are_no_trouble(fake_engine: Any) -> None:
    """An empty class, or one that was graded before."""
    assert list(each(lambda n, _: n, [], workers=0, engine=fake_engine)) == []
