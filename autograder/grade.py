"""Grade a class: from the files that were handed in to records, notebooks and the gradebook."""

import functools
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Protocol, runtime_checkable

from autograder.course import Course, Submission
from autograder.course_lock import locked
from autograder.engine import Engine, Room
from autograder.engines import is_at_least
from autograder.errors import CourseError, GraderError
from autograder.notebook import MAX_BYTES, grade_id, points
from autograder.pool import each
from autograder.printable import printable
from autograder.publish import publish, usable_record
from autograder.records import (
    Record,
    files_digest,
    lab_digest,
    load_index,
    record_key,
    save_record,
    sweep,
)
from autograder.results import GradeReport, SubmissionResult
from autograder.teacher import Teacher, open_lab
from autograder.verdict import Graded, Job, grade_job, recorded, slip

__all__ = ["Outcomes", "Progress", "Spread", "grade_class", "read_records"]

Progress = Callable[[SubmissionResult, int, int], None]
Outcomes = Generator[tuple[Job, Graded | Exception], None, None]
Spread = Callable[[Teacher, Iterable[Job]], Outcomes]


def grade_class(
    course: Course,
    name: str,
    *,
    engine: Engine,
    workers: int,
    students: Sequence[str] = (),
    force: bool = False,
    progress: Progress | None = None,
    spread: Spread | None = None,
) -> GradeReport:
    """Grade every submission of a lab, and write records, notebooks and marks.

    A submission whose files, tests and settings are as they were when it was graded isn't run
    again; where only the points of cells changed, its verdict is reached anew from what its run
    showed. What was graded in a weaker isolation than now runs again. Interrupted, the verdicts
    reached so far are kept, and the gradebook is as it was.

    Parameters
    ----------
    course : Course
        The course; nobody else can grade in it meanwhile.
    name : str
        The lab, by name, number or word.
    engine : Engine
        What runs the notebooks; it is closed at the end.
    workers : int
        How many notebooks run at the same time.
    students : sequence of str
        Whose work to grade; everybody's by default.
    force : bool, default=False
        Run also what was graded before.
    progress : callable, optional
        Called with each verdict, how many there are so far and how many there will be.
    spread : callable, optional
        Has the jobs done somewhere, given the teacher's side and the jobs, and yields each with
        its verdict or the exception that it ended with. By default the engine's own ``each``, if
        it has one, as a cluster does; otherwise on this machine.

    Returns
    -------
    GradeReport
        What needs a human first, then by student.

    Raises
    ------
    CourseError
        If the course has no such lab, nobody handed anything in, or somebody else is grading.
    GraderError
        If the engine can't run anything on this machine.
    """
    with closing(engine):
        teacher = open_lab(course, name)
        chosen = _chosen(course, teacher.lab, students)
        with locked(course.root, f"grade {teacher.lab}"):
            grading = _Grading(course, teacher, engine, len(chosen), progress)
            grading.run(chosen, spread or _spread_of(engine, workers), force=force)
            publish(course, teacher, grading.keys)
    return GradeReport(
        lab=teacher.lab,
        engine=engine.name,
        isolation=engine.isolation,
        submissions=tuple(sorted(grading.results, key=_urgency)),
    )


@runtime_checkable
class _Spreads(Protocol):
    """An engine whose submissions run somewhere else, many at a time."""

    def each(self, teacher: Teacher, jobs: Iterable[Job]) -> Outcomes: ...


def _spread_of(engine: Engine, workers: int) -> Spread:
    if isinstance(engine, _Spreads):
        return engine.each

    def spread(teacher: Teacher, jobs: Iterable[Job]) -> Outcomes:
        work = functools.partial(grade_job, teacher)
        return each(work, jobs, workers=workers, engine=engine)

    return spread


class _Grading:
    """One pass over a class; only verdicts are kept in memory, never notebooks."""

    def __init__(
        self,
        course: Course,
        teacher: Teacher,
        engine: Engine,
        total: int,
        progress: Progress | None,
    ) -> None:
        self._course, self._teacher, self._engine = course, teacher, engine
        self._folder = course.records(teacher.lab)
        self._total, self._progress = total, progress
        self._lab = _lab_of(teacher)
        self.keys: dict[str, str] = {}
        self.results: list[SubmissionResult] = []

    def run(self, chosen: Sequence[Submission], spread: Spread, *, force: bool) -> None:
        """Have everybody's verdict, from a record or by running."""
        sweep(self._folder)
        self._engine.prepare(self._teacher.source)
        jobs = self._jobs(chosen, force=force)
        # Closed by name, so that an interruption ends the running work before it is reported.
        with closing(spread(self._teacher, jobs)) as outcomes:
            for job, done in outcomes:
                if isinstance(done, (OSError, GraderError)):
                    raise done  # The machine's fault or the teacher's, so nobody's verdict.
                self._take(self._kept(job, done))

    def _kept(self, job: Job, done: Graded | Exception) -> Record:
        """Put a verdict on disk; where that can't be done, that the grader failed there."""
        if isinstance(done, Graded) and not _is_of(self._teacher, job, done.result):
            done = ValueError("what came back isn't a verdict on this work.")
        if isinstance(done, Graded):
            try:
                return self._saved(job, done)
            except (ValueError, TypeError, RecursionError) as error:
                done = error  # A student's outputs hold what no file of ours can.
        return self._saved(job, slip(self._teacher, job.student, done))

    def _saved(self, job: Job, graded: Graded) -> Record:
        record = recorded(self._teacher, job.key, self._engine, graded)
        save_record(self._folder, record)
        return record

    def _jobs(self, chosen: Sequence[Submission], *, force: bool) -> Generator[Job, None, None]:
        """Give what has to be run; take what was graded before from its record."""
        for submission in chosen:
            job = _job(self._teacher, submission, self._lab, self._engine.name, self._engine.room)
            record = None if force else usable_record(self._course, self._teacher, job.key)
            if record is not None and self._is_good(record):
                self._take(record)
            else:
                yield job

    def _is_good(self, record: Record) -> bool:
        return record.final and is_at_least(record.isolation, self._engine.isolation)

    def _take(self, record: Record) -> None:
        self.keys[record.result.student] = record.key
        self.results.append(record.result)
        if self._progress is not None:
            self._progress(record.result, len(self.results), self._total)


def _is_of(teacher: Teacher, job: Job, result: SubmissionResult) -> bool:
    """Say whether a verdict, wherever it was reached, is this student's and on the lab's cells."""
    wanted = [(grade_id(cell), points(cell)) for cell in teacher.graded]
    return (
        result.student == job.student
        and [(cell.grade_id, cell.points) for cell in result.cells] == wanted
        and all(cell.score is None or 0 <= cell.score <= cell.points for cell in result.cells)
    )


def _chosen(course: Course, lab: str, students: Sequence[str]) -> list[Submission]:
    every = {}
    for entry in course.submissions(lab):
        # A folder's name need not be text; one that isn't is no student's, but it is reported.
        name = entry.student.encode("utf-8", "backslashreplace").decode()
        every[name] = replace(entry, student=name)
    missing = sorted(set(students) - set(every))
    if missing:
        raise CourseError(
            f"nothing was handed in for {lab} by {', '.join(missing)}; "
            f"there is work by {', '.join(every) or 'nobody'}."
        )
    if not every:
        raise CourseError(
            f"nobody handed in {lab}: put each student's notebook at "
            f"{course.root / 'submitted'}/STUDENT/{lab}/{course.source(lab).name}."
        )
    wanted = set(students) or set(every)
    return [entry for student, entry in every.items() if student in wanted]


def _lab_of(teacher: Teacher) -> str:
    return lab_digest(
        teacher.source,
        limits=teacher.limits,
        files=files_digest(teacher.files),
        is_ours=teacher.is_ours,
    )


def _job(teacher: Teacher, submission: Submission, lab: str, engine: str, room: Room) -> Job:
    """Read what was handed in, and name the verdict on it."""
    data, problem = None, submission.problem
    if submission.notebook is not None:
        try:
            with submission.notebook.open("rb") as file:
                data = file.read(MAX_BYTES + 1)  # One that is longer is refused, unread.
        except OSError as error:
            name = printable(submission.notebook.name)
            problem = f"{name} can't be opened: {error.strerror}."
    key = record_key(
        student=submission.student,
        submission=(data or b"") + problem.encode(),
        lab=lab,
        parameters=teacher.parameters(submission.student),
        engine=engine,
        room=room,
    )
    return Job(submission.student, key, data, problem)


def _urgency(result: SubmissionResult) -> tuple[int, bool, str]:
    order = {"unreadable": 0, "missing": 0, "needs-human": 1, "graded": 2}
    return (order[result.status], not result.problems, result.student)


def read_records(course: Course, name: str) -> list[Record]:
    """Read the records that the gradebook was written from, in order of the students.

    Raises
    ------
    CourseError
        If a submission wasn't graded since it or the lab changed.
    """
    teacher = open_lab(course, name)
    lab, index = _lab_of(teacher), load_index(course.records(teacher.lab)).students
    found, missing = [], []
    for submission in _chosen(course, teacher.lab, ()):
        entry = index.get(submission.student)
        record = usable_record(course, teacher, entry.key) if entry else None
        if record and _job(teacher, submission, lab, record.engine, record.room).key == record.key:
            found.append(record)
        else:
            missing.append(submission.student)
    if missing:
        raise CourseError(
            f"{', '.join(missing)} handed in {teacher.lab}, but it wasn't graded since; "
            f"run 'autograder grade {teacher.lab}' first."
        )
    return found
