"""What a cluster's worker does: it keeps a warm engine for each lab and grades what it is sent.

Everything here runs in a Dask worker's own process. Arguments and results are bytes, text and
plain dicts; what goes wrong is told as a result, never raised, so that no exception object
travels.
"""

import asyncio
import atexit
import importlib
import json
import shutil
import signal
import socket
import tempfile
import threading
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.cluster_packages import code_digest, difference
from autograder.cluster_parcels import pack_graded, unpack_teacher
from autograder.engine import Engine
from autograder.errors import GraderError
from autograder.teacher import Teacher
from autograder.verdict import Job, grade_job

__all__ = ["dask_setup", "describe", "drop", "grade_parcel", "keep"]

MAX_WARM = 3
_TOLD = 500


@dataclass(slots=True)
class _Warm:
    """A lab's teacher's side and the engine that is warm for it."""

    teacher: Teacher
    engine: Engine
    folder: Path
    users: int = 0
    is_dropped: bool = False

    def close(self) -> None:
        self.engine.close()
        shutil.rmtree(self.folder, ignore_errors=True)


_lock = threading.Lock()
_warm: OrderedDict[str, _Warm] = OrderedDict()
_ended: deque[str] = deque(maxlen=100)


def dask_setup(_: object) -> None:
    """Let Ctrl-C in a terminal be the coordinator's business; for Dask's ``preload``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def keep(parcel: bytes) -> bytes:
    """Hold a parcel: as a task of its own, it is sent to each worker once and made again if lost.

    Examples
    --------
    >>> keep(b"the teacher's side")
    b"the teacher's side"
    """
    return parcel


async def describe(spec: Mapping[str, Any]) -> dict[str, str]:
    """Say which isolation this worker's engine would give, or why it can give none.

    Returns
    -------
    dict
        ``where``, and either ``isolation`` and ``room``, or ``error``.
    """
    return await asyncio.to_thread(_described, spec)


def _described(spec: Mapping[str, Any]) -> dict[str, str]:
    where = {"where": socket.gethostname()}
    try:
        engine = _new_engine(spec)
        told = {"isolation": engine.isolation, "room": engine.room}
        engine.close()
    except Exception as error:
        return where | {"error": _told(error)}
    return where | told


async def drop(session: str) -> None:
    """End the engine of a grading that has ended, with whatever still runs in it."""
    await asyncio.to_thread(_drop, session)


def _drop(session: str) -> None:
    with _lock:
        _ended.append(session)
        warm = _warm.pop(session, None)
    if warm is not None:
        warm.close()


def grade_parcel(
    parcel: bytes, spec: Mapping[str, Any], head: Mapping[str, str], data: bytes
) -> bytes:
    """Grade one submission; the answer is JSON, whatever happens.

    Parameters
    ----------
    parcel : bytes
        The teacher's side, from :func:`~autograder.cluster_parcels.pack_teacher`.
    spec : mapping
        ``code`` (the coordinator's :func:`~autograder.cluster_packages.code_digest`; empty where
        there is but one installation), ``factory`` (``"module:name"`` of what makes the engine),
        ``options`` for it, the ``isolation`` that it must give (any, if there is none),
        ``packages`` (the versions that the lab needs) and ``session``, a name for this grading of
        this lab.
    head : mapping
        ``student``, ``key`` and ``problem`` of the :class:`~autograder.verdict.Job`.
    data : bytes
        The notebook's file as it was handed in.

    Returns
    -------
    bytes
        ``{"graded": ...}``; or ``{"fault": text, "setup": bool, "machine": bool, "where":
        host}``: of the set-up (no use trying again), of the machine, or of the grader.
    """
    setup = True
    try:
        with _warmed(parcel, spec) as warm:
            setup = False
            graded = grade_job(warm.teacher, Job(data=data, **head), warm.engine)
            return json.dumps({"graded": pack_graded(graded)}).encode()
    except Exception as error:
        fault = {
            "fault": _told(error),
            "setup": setup and isinstance(error, GraderError),
            "machine": isinstance(error, (OSError, GraderError)),
            "where": socket.gethostname(),
        }
        return json.dumps(fault).encode()


@contextmanager
def _warmed(parcel: bytes, spec: Mapping[str, Any]) -> Iterator[_Warm]:
    """Give the warm engine of a grading; one whose use failed is replaced at the next use."""
    session = spec["session"]
    with _lock:
        if session in _ended:
            raise GraderError("that grading has ended")
        warm = _warm.get(session)
        if warm is None:
            warm = _warm[session] = _start(parcel, spec)
        warm.users += 1
        _warm.move_to_end(session)
        spare = _spare()
    for old in spare:
        old.close()
    try:
        yield warm
    except Exception:
        with _lock:
            warm.is_dropped = True
            if _warm.get(session) is warm:
                del _warm[session]
        raise
    finally:
        # Another thread may be using it: to close it now would cost that one its run.
        with _lock:
            warm.users -= 1
            is_last = warm.is_dropped and warm.users == 0
        if is_last:
            warm.close()


def _spare() -> list[_Warm]:
    """Take out the longest unused engines beyond the few that are kept."""
    idle = [session for session, warm in _warm.items() if warm.users == 0]
    return [_warm.pop(session) for session in idle[: max(0, len(_warm) - MAX_WARM)]]


def _start(parcel: bytes, spec: Mapping[str, Any]) -> _Warm:
    if lacking := difference(spec["packages"]):
        raise GraderError(f"{lacking}, so marks could differ; install the same versions as here")
    engine = _new_engine(spec)
    folder = Path(tempfile.mkdtemp(prefix="autograder-"))
    try:
        # The room's user has to read the lab's files; nothing else of the lab is in there.
        folder.chmod(0o755)
        teacher = unpack_teacher(parcel, folder)
        engine.prepare(teacher.source)
    except BaseException:
        engine.close()
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return _Warm(teacher, engine, folder)


def _new_engine(spec: Mapping[str, Any]) -> Engine:
    if spec["code"] and spec["code"] != code_digest():
        raise GraderError("another version of this kit is installed there; install the same one")
    module, _, name = spec["factory"].partition(":")
    engine: Engine = getattr(importlib.import_module(module), name)(**spec["options"])
    wanted = spec.get("isolation")
    if wanted and engine.isolation != wanted:
        engine.close()
        raise GraderError(f"isolation {wanted!r} was wanted, it gives {engine.isolation!r}")
    return engine


def _told(error: BaseException) -> str:
    name = "" if isinstance(error, GraderError) else f"{type(error).__name__}: "
    return f"{name}{error}"[:_TOLD]


def _close_all() -> None:
    with _lock:
        every = list(_warm.values())
        _warm.clear()
    for warm in every:
        warm.close()


atexit.register(_close_all)
