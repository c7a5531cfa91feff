"""The submissions that are with a cluster's workers: a bounded number, each until its verdict."""

import contextlib
import json
import queue
import secrets
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from autograder.cluster_packages import lab_packages
from autograder.cluster_parcels import pack_teacher, unpack_graded
from autograder.cluster_start import run_everywhere
from autograder.cluster_worker import drop, grade_parcel, keep
from autograder.errors import GraderError
from autograder.teacher import Teacher
from autograder.verdict import Graded, Job

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["Flight", "WorkerFaultError"]

Outcome: TypeAlias = Graded | Exception

MAX_TRIES = 3
MAX_FLYING_BYTES = 256_000_000
_LOOK_SECONDS = 0.5
_GATHER_SECONDS = 60.0
_DROP_SECONDS = 20.0
# Dask advises against sending much with a task; submissions and a lab's files are what they are.
_LARGE = {"distributed.admin.large-graph-warning-threshold": "100 GB"}


class WorkerFaultError(Exception):
    """Workers failed at a submission again and again, so a person has to look at it."""


@dataclass(slots=True)
class _Try:
    """A job that is with a worker, or is to be sent again."""

    job: Job
    faults: int = 0
    is_suspect: bool = False

    def read(self, answer: bytes | Exception) -> Outcome | None:
        """Read an answer; None where the job should be sent again."""
        if isinstance(answer, bytes):
            return self._heard(answer)
        from distributed import KilledWorker

        if not isinstance(answer, KilledWorker):
            return GraderError(f"the cluster can't grade: {type(answer).__name__}: {answer}")
        if self.is_suspect:
            return WorkerFaultError("each worker that graded it died.")
        # It may have been beside one that kills; alone, it can only be its own doing.
        self.is_suspect = True
        return None

    def _heard(self, answer: bytes) -> Outcome | None:
        """Read what a worker says; what can't be read is one more fault of that worker."""
        try:
            said = json.loads(answer)
            if "graded" in said:
                return _unpacked(said["graded"])
            return self._fault(
                {name: said[name] for name in ("where", "fault", "setup", "machine")}
            )
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            what = f"its answer can't be read ({type(error).__name__})"
            return self._fault({"where": "?", "fault": what, "setup": False, "machine": False})

    def _fault(self, said: Mapping[str, Any]) -> Outcome | None:
        self.faults += 1
        where = f"the worker on {said['where']}"
        if self.faults < MAX_TRIES and not said["setup"]:
            return None
        if said["setup"] or said["machine"]:
            return GraderError(f"{where} can't grade: {said['fault']}.")
        return WorkerFaultError(said["fault"])


def _unpacked(data: dict[str, Any]) -> Outcome:
    """Read a verdict; one that can't be kept as a record is this submission's alone."""
    try:
        return unpack_graded(data)
    except ValueError as error:
        return error


class Flight:
    """What is with the workers, and what is to be sent again.

    Parameters
    ----------
    client : distributed.Client
        The way to the scheduler.
    teacher : Teacher
        The lab.
    spec : mapping
        What workers are told of the engine.
    """

    def __init__(self, client: "Client", teacher: Teacher, spec: Mapping[str, Any]) -> None:
        self._client = client
        self._teacher = teacher
        # No student's name is in a task's key, which Dask's dashboard shows.
        self._token = secrets.token_hex(8)
        packages = lab_packages(teacher.source)
        self._spec = {**spec, "packages": packages, "session": self._token}
        self._flying: dict[str, tuple[_Try, Future[bytes]]] = {}
        self._suspects: deque[_Try] = deque()
        self._done: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._sent = 0
        self._lab: Future[bytes] | None = None

    def has_room(self, threads: int) -> bool:
        """Say whether one more submission should be with workers that run ``threads`` at a time."""
        size = sum(len(one.job.data or b"") for one, _ in self._flying.values())
        return len(self._flying) < 2 * threads + 2 and size < MAX_FLYING_BYTES

    def is_busy(self) -> bool:
        """Say whether verdicts are still to come."""
        return bool(self._flying or self._suspects)

    def send(self, job: Job) -> None:
        """Send a submission to whichever worker is free first."""
        self._send(_Try(job))

    def landed(self) -> Iterator[tuple[Job, Outcome]]:
        """Wait a little for an answer; yield the job and its verdict, if there is one now."""
        if not self._flying:
            # Nothing else is with the workers: whatever kills one now is this submission.
            self._send(self._suspects.popleft())
        try:
            key = self._done.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            return
        answer = self._answer(key)
        if answer is None:
            return
        one = self._flying.pop(key)[0]
        outcome = one.read(answer)
        if outcome is not None:
            yield one.job, outcome
        elif one.is_suspect:
            self._suspects.append(one)
        else:
            self._send(one)

    def end(self) -> None:
        """Take back what is still with the workers, and end what they keep for this grading."""
        futures = [future for _, future in self._flying.values()]
        futures += [self._lab] if self._lab is not None else []
        with contextlib.suppress(Exception):
            self._client.cancel(futures, force=True)  # type: ignore[no-untyped-call]
        with contextlib.suppress(Exception):
            run_everywhere(self._client, drop, self._token, seconds=_DROP_SECONDS)
        self._flying.clear()
        self._lab = None

    def _send(self, one: _Try) -> None:
        import dask

        job = one.job
        head = {"student": job.student, "key": job.key, "problem": job.problem}
        self._sent += 1
        key = f"grade-{self._token}-{self._sent}"
        with dask.config.set(_LARGE):
            if self._lab is None:
                self._lab = self._lab_on_workers()
            future = self._client.submit(
                grade_parcel, self._lab, self._spec, head, job.data, key=key, pure=False
            )
        self._flying[key] = (one, future)
        self._watch(key)

    def _lab_on_workers(self) -> "Future[bytes]":
        parcel = pack_teacher(self._teacher)
        return self._client.submit(keep, parcel, key=f"lab-{self._token}", pure=False)

    def _answer(self, key: str) -> bytes | Exception | None:
        """Give what a task came to; None where its worker was lost before it could be told."""
        future = self._flying[key][1]
        if future.status == "cancelled":
            raise GraderError(
                "the cluster's scheduler is gone. What was graded is kept; start the cluster and "
                "grade again to go on from there."
            )
        try:
            return future.result(timeout=_GATHER_SECONDS)
        except TimeoutError:
            self._watch(key)
            return None
        except Exception as error:
            return error

    def _watch(self, key: str) -> None:
        self._flying[key][1].add_done_callback(  # type: ignore[no-untyped-call]
            lambda _: self._done.put(key)
        )
