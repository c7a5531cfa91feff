"""Many submissions at once on one machine: whatever one does, the others go on."""

import itertools
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Protocol, TypeVar

__all__ = ["each"]


class _Closable(Protocol):
    def close(self) -> None: ...


Job = TypeVar("Job")
Done = TypeVar("Done")
Engine = TypeVar("Engine", bound=_Closable)

_LOOK_SECONDS = 0.5
_AHEAD = 2


def each(
    work: Callable[[Job, Engine], Done],
    jobs: Iterable[Job],
    *,
    workers: int,
    engine: Engine,
) -> Generator[tuple[Job, Done | Exception], None, None]:
    """Yield every job with its result, or the exception it raised, in the order they finish.

    The work happens in processes that ``engine`` starts; threads here only wait for them. Jobs are
    taken as they are needed, and none is kept when it is done, so a large class takes no more
    memory than a small one. When the caller stops early, is interrupted or fails, the engine is
    closed, which ends what still runs.
    """
    workers = max(1, workers)
    executor = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="grading")
    waiting = iter(jobs)
    running: dict[Future[Done], Job] = {}
    try:
        while True:
            for job in itertools.islice(waiting, workers * _AHEAD - len(running)):
                running[executor.submit(work, job, engine)] = job
            if not running:
                return
            # A bounded wait, so that Ctrl-C is heard on every platform.
            done, _ = wait(running, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                job = running.pop(future)
                error = future.exception()
                if isinstance(error, Exception):
                    yield job, error
                elif error is not None:
                    raise error
                else:
                    yield job, future.result()
                del future
    finally:
        if running:
            engine.close()
        executor.shutdown(wait=True, cancel_futures=True)
