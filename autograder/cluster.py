"""Many submissions at once on many machines: a Dask cluster, of this machine or of others.

The coordinator sends the teacher's side once to each worker and every submission as bytes; it
alone reads the course's folder and writes to it. A worker that is lost costs another try, never a
mark. Whoever can reach a Dask scheduler can run code on its workers: a cluster's addresses belong
to a private network, or behind TLS (Dask's own settings); the cluster that is started here uses
TLS with keys made for the occasion.
"""

import time
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbformat import NotebookNode

from autograder.cluster_flight import Flight
from autograder.cluster_packages import code_digest
from autograder.cluster_start import Connection, connect, run_everywhere
from autograder.cluster_worker import describe
from autograder.engine import Execution, Limits, Room
from autograder.engines import is_at_least
from autograder.errors import GraderError
from autograder.teacher import Teacher
from autograder.verdict import Graded, Job, grade_job

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Cluster"]

FACTORY = "autograder.engines:engine_named"
CENSUS_SECONDS = 5.0
DESCRIBE_SECONDS = 300.0


class Cluster:
    """A cluster that grades: for its caller an engine whose submissions run elsewhere.

    Use :meth:`open`.

    Parameters
    ----------
    connection : Connection
        The way to the cluster.
    name : str
        The engine's name, for records: the same as that of the engine on one machine.
    room : {"shared", "student", "examiner"}
        Where test cells run.
    spec : mapping
        What :func:`~autograder.cluster_worker.grade_parcel` is told of the engine.
    """

    def __init__(
        self, connection: Connection, name: str, room: Room, spec: Mapping[str, Any]
    ) -> None:
        self.name = name
        self.isolation = str(spec["isolation"])
        self.room = room
        self._connection = connection
        self._spec = dict(spec)
        self._threads = 1
        self._counted = 0.0
        self._last_seen = time.monotonic()

    @classmethod
    def open(
        cls,
        where: str,
        *,
        engine: str = "rooms",
        isolation: str = "",
        tests: str = "examiner",
        workers: int = 0,
        factory: str = FACTORY,
    ) -> "Cluster":
        """Reach a cluster and agree with its workers on the isolation.

        Parameters
        ----------
        where : str
            ``local``, ``local:N``, ``tcp://HOST:PORT`` or a YAML file; see
            :func:`~autograder.cluster_start.connect`.
        engine : str, default="rooms"
            The engine that workers use.
        isolation : str, default=""
            The isolation that every worker must give; by default the strongest that all give.
        tests : str, default="examiner"
            Where the tests run; see :func:`~autograder.engines.engine_named`.
        workers : int, default=0
            How many processes ``local`` starts; 0 is one a core.
        factory : str
            ``"module:name"`` of what makes the engine on a worker; it is called as
            :func:`~autograder.engines.engine_named` is.

        Raises
        ------
        GraderError
            If Dask isn't installed, the cluster can't be reached or has no worker; or if a worker
            can't grade, when the message names the worker and what it lacks.
        """
        options = {"name": engine, "isolation": isolation, "tests": tests}
        connection = connect(where, workers=workers)
        code = "" if connection.is_here else code_digest()
        spec = {"code": code, "factory": factory, "options": options}
        try:
            level, room = _agreed(connection, spec)
        except BaseException:
            connection.close()
            raise
        options["isolation"] = level
        return cls(connection, engine, room, spec | {"isolation": level})

    @property
    def client(self) -> "Client":
        """Dask's own client."""
        return self._connection.client

    def prepare(self, source: NotebookNode) -> None:
        """Do nothing: each worker prepares its own engine."""

    def run(self, notebook: NotebookNode, files: Path | None, limits: Limits) -> Execution:  # noqa: ARG002 - an engine's own
        """Refuse: notebooks run on the cluster's workers alone."""
        raise GraderError("a notebook can't be run here: it was to be graded on the cluster.")

    def close(self) -> None:
        """Leave the cluster; end it, if it was started from here."""
        self._connection.close()

    def each(
        self, teacher: Teacher, jobs: Iterable[Job]
    ) -> Generator[tuple[Job, Graded | Exception], None, None]:
        """Yield every job with its verdict, or the exception it ended with, as they finish.

        An ``OSError`` or a :class:`~autograder.errors.GraderError` is the machine's or the
        teacher's fault; any other exception is of this submission alone. When the caller stops
        early, what is with the workers is taken back.

        Raises
        ------
        GraderError
            If the cluster is gone, or has been without a worker for long.
        """
        flight = Flight(self.client, teacher, self._spec)
        left = iter(jobs)
        try:
            while True:
                self._census()
                while flight.has_room(self._threads) and (job := next(left, None)) is not None:
                    if job.data is None:
                        yield job, grade_job(teacher, job, self)
                    else:
                        flight.send(job)
                if not flight.is_busy():
                    return
                yield from flight.landed()
        finally:
            flight.end()

    def _census(self) -> None:
        """Count the workers' threads now and then; give up when there has been none for long."""
        now = time.monotonic()
        if now - self._counted < CENSUS_SECONDS:
            return
        self._counted = now
        self._threads = _thread_count(self.client)
        if self._threads:
            self._last_seen = now
        elif now - self._last_seen > self._connection.patience:
            raise GraderError(
                f"the cluster {self._connection.where} has had no worker for "
                f"{self._connection.patience:g} s. What was graded is kept; start workers and "
                "grade again to go on from there."
            )


def _thread_count(client: "Client") -> int:
    try:
        return sum(client.nthreads().values())  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, RuntimeError):
        return 0


def _agreed(connection: Connection, spec: Mapping[str, Any]) -> tuple[str, Room]:
    """Wait for a worker; give the isolation that all workers can give, and where tests run."""
    client = connection.client
    try:
        client.wait_for_workers(1, timeout=connection.patience)
    except TimeoutError:
        raise GraderError(
            f"no worker came to the cluster {connection.where} in {connection.patience:g} s. "
            "Start some, such as with 'dask worker'."
        ) from None
    told = run_everywhere(client, describe, dict(spec), seconds=DESCRIBE_SECONDS)
    weakest = None
    for address, said in sorted(told.items()):
        if isinstance(said, Exception):
            raise GraderError(f"the worker {address} can't grade: {said}. Is this kit there?")
        if "error" in said:
            raise GraderError(
                f"the worker {address} ({said['where']}) can't grade: {said['error']}"
            )
        if weakest is None or is_at_least(weakest["isolation"], said["isolation"]):
            weakest = said
    if weakest is None:
        raise GraderError(f"the workers of the cluster {connection.where} are gone; grade again.")
    return weakest["isolation"], weakest["room"]
