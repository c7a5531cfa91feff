"""Grading on a Dask cluster of real processes: the marks are those of one machine."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("distributed")

from autograder import cluster_start
from autograder.cluster import FACTORY, Cluster
from autograder.cluster_flight import MAX_TRIES, WorkerFaultError, _Try
from autograder.cluster_parcels import pack_teacher, unpack_teacher
from autograder.engine import Limits
from autograder.errors import CourseError, GraderError
from autograder.grade import grade_class, read_records
from autograder.teacher import open_lab
from autograder.verdict import Job

HERE = Path(__file__).parent
QUICK = "cluster_engine:quick"
LAB = "05_sums"
DASK = {
    # The first death of a worker counts against what ran there.
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
    # A nanny's next worker starts sooner.
    "DASK_DISTRIBUTED__WORKER__MULTIPROCESSING_METHOD": "forkserver",
}

# `dask`, whose nannies' workers find imported what they grade with, as they find Dask itself.
PROGRAM = """
from multiprocessing.forkserver import _forkserver
from dask.__main__ import main
from distributed.utils import get_mp_context
own = ["autograder.cluster_worker", "autograder.engines", "cluster_engine"]
get_mp_context().set_forkserver_preload([*_forkserver._preload_modules, *own])
main()
"""


class Dask:
    """A scheduler and workers, each a process of its own, on loopback."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[str]] = []
        scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0")
        self.address = self._said(scheduler, r"Scheduler at:\s+(tcp://\S+)")

    def worker(self, *options: str) -> subprocess.Popen[str]:
        worker = self._start(
            *("worker", self.address, "--host", "127.0.0.1", "--nthreads", "1"),
            *("--memory-limit", "0", *options),
        )
        self._said(worker, r"Registered to:\s+(\S+)")
        return worker

    def end(self) -> None:
        for process in reversed(self.processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            process.stderr.close()

    def _start(self, *words: str) -> subprocess.Popen[str]:
        python = os.pathsep.join([str(HERE), str(HERE.parents[1])])
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words, "--no-dashboard"],
            env={**os.environ, "PYTHONPATH": python, **DASK},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    @staticmethod
    def _said(process: subprocess.Popen[str], pattern: str) -> str:
        """Read what a process says until it says this; go on reading, so that it never blocks."""
        said: list[str] = []
        for line in process.stderr:
            said.append(line)
            if found := re.search(pattern, line):
                threading.Thread(target=process.stderr.read, daemon=True).start()
                return found[1]
        raise AssertionError("".join(said))


@pytest.fixture(scope="module")
def dask() -> Iterator[Dask]:
    """A scheduler with one worker that a nanny watches over; a dead worker is replaced."""
    dask = Dask()
    dask.worker("--nanny")
    yield dask
    dask.end()


@pytest.fixture
def opened(dask: Dask) -> Iterator[Callable[..., Cluster]]:
    """Reach the cluster, with the quick engine by default."""
    clusters = []

    def open_it(factory: str = QUICK, where: str = "", **options: Any) -> Cluster:
        clusters.append(Cluster.open(where or dask.address, factory=factory, **options))
        return clusters[-1]

    yield open_it
    for cluster in clusters:
        cluster.close()


def graded(course: Any, cluster: Cluster) -> dict[str, Any]:
    """Grade the small lab there; the verdicts by student."""
    report = grade_class(course, LAB, engine=cluster, workers=1, spread=cluster.each)
    return {entry.student: entry for entry in report.submissions}


def answer(text: str) -> dict[str, str]:
    """Give a right answer that also tells the quick engine something."""
    return {"q1": f"def add(a, b):\n    return a + b\n{text}"}


def hand_in_all_kinds(course: Any) -> None:
    """Right, wrong, blank, broken, too much and nothing at all."""
    course.hand_in("ann")
    course.hand_in("bob", {"q1": "def add(a, b):\n    return 42"})
    course.hand_in("cy", {"q1": "def add(a, b:"})
    course.hand_in("dee", b"{" * 100)
    course.hand_in_blank("eve")
    (course.root / "submitted" / "flo" / LAB).mkdir(parents=True)


def test_marks_and_records_are_those_of_one_machine(
    small_course: Any, opened: Callable[..., Cluster]
) -> None:
    """What the cluster graded is found again, and none of it has to run here; nor the reverse."""
    hand_in_all_kinds(small_course)
    cluster = opened()
    assert (cluster.name, cluster.isolation, cluster.room) == ("rooms", "full", "examiner")
    there = graded(small_course.course, cluster)
    assert {name: result.score for name, result in there.items()} == {
        "ann": 5, "bob": 2, "cy": 0, "dee": 0, "eve": 0, "flo": 0,
    }  # fmt: skip
    assert there["dee"].status == there["flo"].status == "unreadable"
    records = {r.result.student: r for r in read_records(small_course.course, LAB)}

    engine = local_engine()
    again = grade_class(small_course.course, LAB, engine=engine, workers=1, spread=nowhere)
    assert {entry.student for entry in again.submissions} == set(there)
    grade_class(small_course.course, LAB, engine=engine, workers=1, force=True)
    for record in read_records(small_course.course, LAB):
        other = records[record.result.student]
        timeless = record.model_copy(
            update={"result": record.result.model_copy(update={"seconds": other.result.seconds})}
        )
        assert timeless == other


def local_engine() -> Any:
    """Make the quick engine for this process, called as the cluster's is."""
    sys.path.insert(0, str(HERE))
    try:
        from cluster_engine import QuickEngine
    finally:
        sys.path.remove(str(HERE))
    engine = QuickEngine("full")
    engine.name = "rooms"
    return engine


def nowhere(_: Any, jobs: Any) -> Iterator[Any]:
    """Spread jobs, of which there should be none."""
    assert not list(jobs)
    yield from ()


def appears(path: Path, pattern: str, count: int = 1) -> list[Path]:
    """Wait until so many files are there; give up after five minutes."""
    for _ in range(15_000):
        if len(found := list(path.glob(pattern))) >= count:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{path} never had {count} files {pattern}")


WAITING = """
import os, pathlib, time
folder = pathlib.Path({folder!r})
(folder / f"{{os.getpid()}}.room").touch()
while not (folder / "go").exists():
    time.sleep(0.02)
"""


@pytest.mark.whole_way
def test_a_worker_killed_in_the_middle_costs_a_retry_and_no_mark(
    small_course: Any, dask: Dask, opened: Callable[..., Cluster], tmp_path: Path, living: Any
) -> None:
    """Two workers die while rooms run: the rooms end with them, and everybody gets full marks."""
    for student in ("ann", "bob", "cy"):
        small_course.hand_in(student, answer(WAITING.format(folder=str(tmp_path))))
    dask.worker("--no-nanny")
    cluster = opened(FACTORY, isolation="process")
    workers = cluster.client.run(os.getpid).values()
    left_over: list[int] = []

    def kill_both() -> None:
        try:
            rooms = [int(path.stem) for path in appears(tmp_path, "*.room", 2)]
            for pid in workers:
                os.kill(pid, signal.SIGKILL)
            left_over.extend(living(rooms))
        finally:
            (tmp_path / "go").touch()

    killer = threading.Thread(target=kill_both)
    killer.start()
    verdicts = graded(small_course.course, cluster)
    killer.join()
    assert len(workers) == 2 and not left_over
    assert {result.score for result in verdicts.values()} == {5.0}
    assert not any(result.problems for result in verdicts.values())
    assert {result.cells[0].room for result in verdicts.values()} == {"examiner"}


@pytest.fixture
def second_worker(dask: Dask) -> Iterator[None]:
    """One more worker beside the usual one, so that two submissions run at the same time."""
    worker = dask.worker()
    yield
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


@pytest.mark.whole_way
@pytest.mark.usefixtures("second_worker")
def test_an_interruption_keeps_what_is_done_and_ends_what_runs(
    small_course: Any, opened: Callable[..., Cluster], tmp_path: Path
) -> None:
    """Ctrl-C after the first verdict: its record is there, and the workers' engine is closed."""
    small_course.hand_in("ann")
    small_course.hand_in("bob", answer(f"# wait {tmp_path}"))
    told = []

    def interrupt(result: Any, *_: int) -> None:
        told.append(result.student)
        appears(tmp_path, "*.pid")
        raise KeyboardInterrupt

    cluster = opened()
    with pytest.raises(KeyboardInterrupt):
        grade_class(
            small_course.course, LAB, engine=cluster, workers=1, spread=cluster.each,
            progress=interrupt,
        )  # fmt: skip
    assert told == ["ann"]
    appears(tmp_path, "*.closed")
    assert len(list(small_course.course.records(LAB).glob("[!.]*.json"))) == 1
    (tmp_path / "go").touch()
    assert {result.score for result in graded(small_course.course, opened()).values()} == {5.0}


@pytest.mark.whole_way
def test_a_submission_that_kills_every_worker_waits_for_a_person(
    small_course: Any, opened: Callable[..., Cluster]
) -> None:
    """The others beside it get their marks; a later grading tries again."""
    small_course.hand_in("ann", answer("# die"))
    for student in ("bob", "cy", "dee"):
        small_course.hand_in(student)
    verdicts = graded(small_course.course, opened())
    assert verdicts["ann"].status == "needs-human"
    assert "each worker that graded it died" in verdicts["ann"].problems[0]
    assert {cell.score for cell in verdicts["ann"].cells} == {None}
    assert [verdicts[name].score for name in ("bob", "cy", "dee")] == [5.0, 5.0, 5.0]
    finals = {r.result.student: r.final for r in read_records(small_course.course, LAB)}
    assert finals == {"ann": False, "bob": True, "cy": True, "dee": True}


def test_a_slip_of_the_grader_is_tried_again_and_then_a_persons(
    small_course: Any, opened: Callable[..., Cluster]
) -> None:
    """An exception on a worker comes back as text, and as nobody's mark."""
    small_course.hand_in("ann", answer("# break grader"))
    small_course.hand_in("bob")
    verdicts = graded(small_course.course, opened())
    (problem,) = verdicts["ann"].problems
    assert problem == "It couldn't be graded: WorkerFaultError: LookupError: a slip"
    assert verdicts["bob"].score == 5.0


def test_a_verdict_that_no_file_can_hold_is_a_persons(
    small_course: Any, opened: Callable[..., Cluster]
) -> None:
    """What can't be written down ends neither the grading nor anybody else's verdict."""
    small_course.hand_in("ann", answer("# say surrogate"))
    small_course.hand_in("bob")
    verdicts = graded(small_course.course, opened())
    assert (verdicts["ann"].status, verdicts["bob"].score) == ("needs-human", 5.0)
    assert "couldn't be graded" in verdicts["ann"].problems[0]


def test_a_fault_of_the_machine_stops_and_names_the_worker(
    small_course: Any, opened: Callable[..., Cluster]
) -> None:
    """A full disk is no verdict on anybody."""
    small_course.hand_in("ann", answer("# break machine"))
    with pytest.raises(GraderError, match=r"the worker on \S+ can't grade: OSError: no space"):
        graded(small_course.course, opened())
    with pytest.raises(CourseError, match="ann"):
        read_records(small_course.course, LAB)


def test_a_worker_below_the_floor_is_named(opened: Callable[..., Cluster]) -> None:
    """Unless the weak isolation is asked for by name."""
    weak = "cluster_engine:unconfined"
    with pytest.raises(GraderError, match=r"worker tcp://127\.0\.0\.1:\d+ .* no way to confine"):
        opened(weak)
    assert opened(weak, isolation="process").isolation == "process"


def test_a_worker_with_other_code_is_named(
    opened: Callable[..., Cluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version of the autograder could give other marks."""
    monkeypatch.setattr("autograder.cluster.code_digest", lambda: "another")
    with pytest.raises(GraderError, match="another version of this kit"):
        opened()


def test_a_worker_without_a_labs_package_is_named(
    small_course: Any, opened: Callable[..., Cluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tests that can't import what they need, or another version of it, would cost marks."""
    small_course.hand_in("ann")
    monkeypatch.setattr("autograder.cluster_flight.lab_packages", lambda _: {"numpy": "0.1"})
    with pytest.raises(GraderError, match=r"worker on \S+ can't grade: numpy 0\.1 is needed and"):
        graded(small_course.course, opened())


def test_a_cluster_can_be_started_here(
    small_course: Any, opened: Callable[..., Cluster], monkeypatch: pytest.MonkeyPatch, living: Any
) -> None:
    """``local:1`` grades, talks to nobody without its keys, and is gone afterwards."""
    monkeypatch.syspath_prepend(HERE)
    small_course.hand_in("ann")
    cluster = opened(where="local:1")
    assert cluster.client.scheduler.address.startswith("tls://127.0.0.1:")
    (worker,) = cluster.client.run(os.getpid).values()
    assert graded(small_course.course, cluster)["ann"].score == 5
    assert living([worker]) == []


def test_the_teachers_side_of_a_parcel_is_not_left_on_disk(
    small_course: Any, secrets: tuple[str, ...], tmp_path: Path
) -> None:
    """Only the lab's files are: neither the notebook nor the settings, in whatever form."""
    lab = small_course.course.source(LAB).parent
    (lab / ".ipynb_checkpoints").mkdir()
    shutil.copy(lab / "05_sums.ipynb", lab / ".ipynb_checkpoints" / "05_sums-checkpoint.ipynb")
    teacher = replace(open_lab(small_course.course, LAB), course_limits=Limits(cell_seconds=7.0))
    folder = tmp_path / "worker"
    folder.mkdir()
    unpacked = unpack_teacher(pack_teacher(teacher), folder)
    files = {path.name: path.read_text("utf-8") for path in folder.rglob("*") if path.is_file()}
    assert set(files) == {"numbers.txt", "README.md"}
    assert not any(word in text for word in secrets for text in files.values())
    assert replace(unpacked, files=None) == replace(teacher, files=None)


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ("nowhere", "isn't a cluster; give local"),
        ("local:none", "a number from 1"),
        ("local:0", "a number from 1"),
        ("tcp://127.0.0.1:1", "no Dask scheduler answers at tcp://127.0.0.1:1"),
        ("file.yaml", "can't be read"),
    ],
)
def test_what_is_no_cluster_is_refused(
    where: str, wanted: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In one sentence that says what would be one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cluster_start, "CONNECT_SECONDS", 0.2)
    with pytest.raises(GraderError, match=re.escape(wanted)):
        Cluster.open(where)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[1, 2", "isn't YAML"),
        ("- 1", "needs a line such as 'class:"),
        ("class: a.B\ncolour: red", "colour isn't known"),
        ("class: a.B\noptions: 5", "options aren't names"),
        ("class: a.B\nworkers: none", "workers are a number"),
        ("class: a.B\nworkers: 0", "workers are a number"),
        ("class: a.B\nworkers: {least: 1}", "minimum and maximum"),
        ("class: a.B\npatience: long", "patience is seconds"),
        ("class: Cluster", "of no package whose clusters can be used"),
        ("class: os.system\noptions: {command: ls}", "of no package whose clusters can be used"),
        ("class: dask_jobqueue.SLURMCluster", "pip install dask-jobqueue"),
        ("class: dask.distributed.NoCluster", "distributed has no class NoCluster"),
        ("class: dask.distributed.SpecCluster\noptions: {colour: red}", "didn't start: TypeError"),
    ],
)
def test_a_file_that_describes_no_cluster_is_refused(
    text: str, wanted: str, tmp_path: Path
) -> None:
    """With its name and what it lacks."""
    path = tmp_path / "slurm.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(GraderError, match=re.escape(wanted)) as caught:
        Cluster.open(str(path))
    assert "slurm.yaml" in str(caught.value)


class StandIn:
    """A cluster's class as dask-jobqueue has them: a scheduler's address, scale and adapt."""

    made: list["StandIn"]
    address: str
    status = None

    def __init__(self, cores: int) -> None:
        self.cores, self.scaled, self.is_closed = cores, None, False
        self.scheduler_address, self.security, self.loop = self.address, None, None
        self.made.append(self)

    def scale(self, workers: int) -> None:
        self.scaled = workers

    def adapt(self, **limits: int) -> None:
        self.scaled = limits

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize("workers", [3, {"minimum": 1, "maximum": 9}])
def test_a_file_describes_a_cluster(
    workers: Any, dask: Dask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its class is made with its options, scaled, used and closed."""
    StandIn.made, StandIn.address = [], dask.address
    monkeypatch.setattr("distributed.StandIn", StandIn, raising=False)
    path = tmp_path / "slurm.yaml"
    text = {"class": "distributed.StandIn", "options": {"cores": 2}, "workers": workers}
    path.write_text(json.dumps(text), "utf-8")
    cluster = Cluster.open(str(path), factory=QUICK)
    cluster.close()
    (made,) = StandIn.made
    assert (made.cores, made.scaled, made.is_closed) == (2, workers, True)


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dask is no dependency of the autograder."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(GraderError, match=re.escape("pip install 'mlops-kit[cluster]'")):
        Cluster.open("local")


@pytest.mark.whole_way
def test_a_scheduler_that_goes_away_ends_the_grading(
    small_course: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to do, not with waiting."""
    dask = Dask()
    try:
        dask.worker("--no-nanny")
        small_course.hand_in("ann", answer(f"# wait {tmp_path}"))
        cluster = Cluster.open(dask.address, factory=QUICK)
        # How long Dask looks for a scheduler that was there.
        monkeypatch.setattr(cluster.client, "_timeout", 1.0)

        def kill() -> None:
            appears(tmp_path, "*.pid")
            os.kill(dask.processes[0].pid, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        with pytest.raises(GraderError, match="the cluster's scheduler is gone"):
            graded(small_course.course, cluster)
        killer.join()
    finally:
        (tmp_path / "go").touch()
        dask.end()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\xff",
        b"5",
        b"[]",
        b"{}",
        b'{"graded": null}',
        b'{"graded": {}}',
        b'{"fault": "x"}',
        b'{"graded": {"notebook": {"cells": []}, "runs": [{"index": 9, "grade_id": "a", '
        b'"status": "ok"}], "result": {}}}',
    ],
)
def test_an_answer_that_cannot_be_read_is_its_workers_fault(answer: bytes) -> None:
    """It is asked for again, and in the end a person looks; the class goes on."""
    one = _Try(Job("ann", "0" * 64, b""))
    for _ in range(MAX_TRIES - 1):
        assert one.read(answer) is None or answer.startswith(b'{"graded": {"notebook"')
    assert isinstance(one.read(answer), (WorkerFaultError, ValueError))
