"""What runs beside a service's requests: looking for another model, and an orderly end."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mlops_kit.errors import KitError, ServeError
from mlops_kit.serve_answers import PredictEndpoint
from mlops_kit.serve_current import Current

__all__ = ["Service"]

_log = logging.getLogger(__name__)


class Service:
    """What runs beside the requests: looking for another model, and an orderly end."""

    def __init__(self, current: Current, endpoint: PredictEndpoint, reload_s: float) -> None:
        self.current, self.endpoint, self.reload_s = current, endpoint, reload_s
        self.stopping = False
        self._learn()

    def _learn(self) -> None:
        served = self.current.served
        self.endpoint.batcher.learn(served.predictor, served.seconds)
        self.endpoint.metrics.model(served.name, served.version, served.predictor.way)

    def renew(self) -> bool:
        """Take another model if another is meant; any thread may call it."""
        try:
            changed = self.current.renew()
        except ServeError as error:
            self.endpoint.metrics.reload("failed")
            _log.error("The model stays as it is: %s", error)
            return False
        if changed:
            self._learn()
            self.endpoint.metrics.reload("loaded")
            served = self.current.served
            _log.info("Now serving %s version %s.", served.name, served.version)
        return changed

    def _quicken(self) -> None:
        try:
            self.current.quicken()
        except KitError as error:
            _log.warning("The model is called as it is: %s", error)
        self._learn()

    async def watch(self) -> None:
        """Make the model faster, then look for another one now and then."""
        loop = asyncio.get_running_loop()
        # A thread of its own: loading takes seconds, and requests must not wait for it.
        with _thread("load-model") as thread:
            await loop.run_in_executor(thread, self._quicken)
            while self.current.changes and self.reload_s > 0:
                await asyncio.sleep(self.reload_s)
                await loop.run_in_executor(thread, self.renew)

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Any) -> AsyncIterator[None]:
        """Start and stop with the application, as often as that does."""
        del app
        if self.stopping and self.endpoint.log is not None:
            self.endpoint.log.start()
        self.stopping = False
        watching = asyncio.get_running_loop().create_task(self.watch())
        try:
            yield
        finally:
            self.stopping = True
            watching.cancel()
            await self.endpoint.batcher.close()
            if self.endpoint.log is not None:
                self.endpoint.log.close()

    def flush(self) -> None:
        """Write the last lines of the request log now instead of in a moment."""
        if self.endpoint.log is not None:
            self.endpoint.log.flush()

    def describe(self) -> dict[str, Any]:
        """Say what is served."""
        served = self.current.served
        return {
            "name": served.name,
            "version": served.version,
            "source": served.source,
            "since": served.since,
            "way": served.predictor.way,
            "notes": list(served.predictor.notes),
            "features": list(served.predictor.features),
            "contract": served.contract.to_dict(),
            "lineage": dict(served.lineage),
            "problem": self.current.problem,
        }


@contextlib.contextmanager
def _thread(name: str) -> Iterator[ThreadPoolExecutor]:
    executor = ThreadPoolExecutor(1, thread_name_prefix=name)
    try:
        yield executor
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
