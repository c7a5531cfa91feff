"""Micro-batching: requests that wait at the same moment are predicted in one call.

Nobody waits for a batch to fill. Whatever has arrived when the model is free goes in; under load
that is many rows, alone it is one. A model that answers at once is called on the event loop; a slow
one in a thread, while the next batch gathers.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlops_kit.errors import ServeError
from mlops_kit.serve_predict import PredictionError, Predictor
from mlops_kit.serve_rows import Table

__all__ = ["BusyError", "MicroBatcher", "TooSlowError"]

INSTANT_S = 100e-6
"""A model that answers one row in this time gains nothing from waiting for others."""

SHORT_S = 3e-3
"""A batch that takes longer would hold up health checks, so it runs in a thread."""

_WEIGHT = 0.2


class BusyError(ServeError):
    """More rows wait than the service may hold."""


class TooSlowError(ServeError):
    """The model didn't answer in time."""


@dataclass(slots=True)
class _Waiting:
    predictor: Predictor
    table: Table
    rows: int
    answer: "asyncio.Future[list[Any]]"


class MicroBatcher:
    """Calls of a model, one at a time, each for as many waiting requests as fit.

    Parameters
    ----------
    max_rows : int, default=256
        How many rows a batch may hold; a larger request is a batch of its own. 1 switches
        batching off.
    max_waiting : int, default=4096
        How many rows may wait; above it :class:`BusyError`.
    timeout_s : float, default=10
        How long a request may wait for its answer, in seconds.
    observe : callable, optional
        Called with the number of rows of each batch.

    Notes
    -----
    Taught in @sec-serve. A batch that fails is repeated request by request, so that one bad row
    spoils no other request's answer. The last digits of a linear model's answers may depend on
    the size of the batch, as they do in NumPy.
    """

    def __init__(
        self,
        *,
        max_rows: int = 256,
        max_waiting: int = 4096,
        timeout_s: float = 10.0,
        observe: Callable[[int], None] | None = None,
    ) -> None:
        self.max_rows, self.max_waiting, self.timeout_s = max_rows, max_waiting, timeout_s
        self._observe = observe or _ignore
        self._queue: deque[_Waiting] = deque()
        self._rows = 0
        self._busy = False
        self._typical_s: dict[int, float] = {}
        self._thread: ThreadPoolExecutor | None = None

    @property
    def waiting(self) -> int:
        """How many rows wait or are being predicted."""
        return self._rows

    def learn(self, predictor: Predictor, seconds: float) -> None:
        """Say how long a predictor takes, before its first call."""
        self._typical_s = {id(predictor): seconds}

    async def predict(self, predictor: Predictor, table: Table, rows: int) -> list[Any]:
        """Predict rows, together with others that wait for the same model.

        Raises
        ------
        PredictionError, BusyError, TooSlowError
            If the model fails, too many rows wait, or the answer is late.
        """
        if not self._busy and not self._queue and self._seconds(predictor) < INSTANT_S:
            return self._timed(predictor, table, rows)
        if self._rows + rows > max(self.max_waiting, rows):
            raise BusyError(f"{self._rows} rows wait already. Try again in a moment.")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(predictor, table, rows, loop.create_future())
        self._queue.append(waiting)
        self._rows += rows
        if not self._busy:
            self._busy = True
            loop.call_soon(self._next)
        deadline = loop.call_later(self.timeout_s, self._give_up, waiting)
        try:
            return await waiting.answer
        finally:
            deadline.cancel()

    async def close(self) -> None:
        """Wait for what is under way, and end the thread."""
        while self._busy:
            await asyncio.sleep(0.01)
        if self._thread is not None:
            self._thread.shutdown(wait=False)
            self._thread = None

    def _seconds(self, predictor: Predictor) -> float:
        return self._typical_s.get(id(predictor), SHORT_S)

    def _timed(self, predictor: Predictor, table: Table, rows: int) -> list[Any]:
        begin = time.perf_counter()
        try:
            return predictor(table, rows)
        finally:
            self._observe(rows)
            before = self._seconds(predictor)
            took = time.perf_counter() - begin
            self._typical_s[id(predictor)] = before + _WEIGHT * (min(took, 1.0) - before)

    def _give_up(self, waiting: _Waiting) -> None:
        if not waiting.answer.done():
            message = f"the model took longer than {self.timeout_s:g} s."
            waiting.answer.set_exception(TooSlowError(message))

    def _next(self) -> None:
        """Predict the next batch, here or in the thread."""
        batch = self._take()
        if not batch:
            self._busy = False
            return
        loop = asyncio.get_running_loop()
        if self._seconds(batch[0].predictor) < SHORT_S:
            self._finish(batch, self._run(batch))
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="predict")
        work = loop.run_in_executor(self._thread, self._run, batch)
        work.add_done_callback(lambda done: self._finish(batch, done.result()))

    def _take(self) -> list[_Waiting]:
        """Take requests for one model out of the queue, as many as fit; drop those given up."""
        batch: list[_Waiting] = []
        total = 0
        while self._queue:
            waiting = self._queue[0]
            if waiting.answer.done():
                self._rows -= waiting.rows
                self._queue.popleft()
                continue
            other = batch and waiting.predictor is not batch[0].predictor
            if other or (batch and total + waiting.rows > self.max_rows):
                break
            batch.append(self._queue.popleft())
            total += waiting.rows
        return batch

    def _run(self, batch: list[_Waiting]) -> list[list[Any] | PredictionError]:
        if len(batch) == 1:
            return [self._alone(batch[0])]
        predictor, total = batch[0].predictor, sum(waiting.rows for waiting in batch)
        try:
            answers = self._timed(predictor, _joined([w.table for w in batch]), total)
        except PredictionError:
            return [self._alone(waiting) for waiting in batch]
        parts, begin = [], 0
        for waiting in batch:
            parts.append(answers[begin : begin + waiting.rows])
            begin += waiting.rows
        return parts  # type: ignore[return-value]

    def _alone(self, waiting: _Waiting) -> list[Any] | PredictionError:
        try:
            return self._timed(waiting.predictor, waiting.table, waiting.rows)
        except PredictionError as error:
            return error

    def _finish(self, batch: list[_Waiting], parts: list[list[Any] | PredictionError]) -> None:
        for waiting, part in zip(batch, parts, strict=True):
            self._rows -= waiting.rows
            if waiting.answer.done():
                continue
            if isinstance(part, PredictionError):
                waiting.answer.set_exception(part)
            else:
                waiting.answer.set_result(part)
        if self._queue:
            asyncio.get_running_loop().call_soon(self._next)
        else:
            self._busy = False


def _ignore(rows: int) -> None:
    """Observe nothing."""


def _joined(tables: list[Table]) -> Table:
    first = tables[0]
    if isinstance(first, np.ndarray):
        return np.concatenate(tables)  # type: ignore[arg-type]
    return {name: np.concatenate([t[name] for t in tables]) for name in first}  # type: ignore
