"""Many submissions at once on one machine: whatever one does, the others go on."""

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from autograder.engine import Engine

__all__ = ["each"]

Job = TypeVar("Job")
Done = TypeVar("Done")

_LOOK_SECONDS = 0.5


def each(
    work: Callable[[Job], Done],
    jobs: Iterable[Job],
    *,
    workers: int,
    engine: Engine,
) -> Generator[tuple[Job, Done | Exception], None, None]:
    """Yield every job with its result, or the exception it raised, in the order they finish.

    The work happens in processes that ``engine`` starts; threads here only wait for them. When the
    caller stops early, is interrupted or fails, the engine is closed, which ends what still runs.
    """
    executor = ThreadPoolExecutor(max_workers=max(1, workers), thread_name_prefix="grading")
    futures: dict[Future[Done], Job] = {executor.submit(work, job): job for job in jobs}
    left = set(futures)
    try:
        while left:
            # A bounded wait, so that Ctrl-C is heard on every platform.
            done, left = wait(left, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                error = future.exception()
                if isinstance(error, Exception):
                    yield futures[future], error
                elif error is not None:
                    raise error
                else:
                    yield futures[future], future.result()
    finally:
        if left:
            engine.close()
        executor.shutdown(wait=True, cancel_futures=True)
