"""Grade a class: from the files that were handed in to records, notebooks and the gradebook."""

import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from autograder.assemble import assemble, is_blank
from autograder.atomic import write_text
from autograder.course import Course, Submission
from autograder.engine import Engine, Execution, Limits
from autograder.errors import CourseError, GraderError, NotebookError
from autograder.gradebook import Marks, timestamp_of, write_marks
from autograder.labs import personal_parameters
from autograder.notebook import cell_kind, grade_id, points, read_notebook, write_notebook
from autograder.pool import each
from autograder.records import Record, files_digest, load_record, record_key, save_record
from autograder.release import blank_text
from autograder.results import CellResult, GradeReport, SubmissionResult
from autograder.score import MAX_REASON, redacted, score_cell, unscored

__all__ = [
    "ENGINES",
    "Graded",
    "Teacher",
    "engine_named",
    "grade_class",
    "grade_notebook",
    "open_lab",
    "read_records",
]

Progress = Callable[[SubmissionResult, int, int], None]
ENGINES = ("nbgrader",)


def engine_named(name: str) -> Engine:
    """Make the engine of that name.

    Raises
    ------
    GraderError
        If there is none; the message lists what there is.
    """
    if name == "nbgrader":
        from autograder.nbgrader_engine import NbgraderEngine

        return NbgraderEngine()
    raise GraderError(f"there is no engine {name!r}; there: {', '.join(ENGINES)}.")


@dataclass(frozen=True, slots=True)
class Teacher:
    """The teacher's side of a lab: the notebook that decides, its files and its settings."""

    lab: str
    source: NotebookNode
    files: Path | None
    limits: Limits
    parameters: Callable[[str], dict[str, object]]

    @property
    def max_score(self) -> float:
        """All points that can be had."""
        return float(sum(points(cell) for cell in self.source.cells))

    @property
    def graded(self) -> tuple[NotebookNode, ...]:
        """The cells that earn points, in order."""
        kinds = ("test", "manual", "task")
        return tuple(cell for cell in self.source.cells if cell_kind(cell) in kinds)


@dataclass(frozen=True, slots=True)
class Graded:
    """A verdict with the notebook that was run; without one where nothing could be run."""

    result: SubmissionResult
    notebook: NotebookNode | None
    cpu_seconds: float = 0.0
    final: bool = True


def open_lab(course: Course, name: str) -> Teacher:
    """Read what a course knows of a lab.

    Raises
    ------
    CourseError
        If the course has no such lab, or nothing to grade it by.
    """
    lab = course.lab_name(name)
    source = read_notebook(course.source(lab))
    if not any(cell_kind(cell) in ("test", "manual", "task") for cell in source.cells):
        raise CourseError(f"{course.source(lab)} has no graded cell, so there is nothing to grade.")
    settings = course.lab_settings(lab)

    def parameters(student: str) -> dict[str, object]:
        return dict(personal_parameters(settings, student)) if settings else {}

    return Teacher(
        lab=lab,
        source=source,
        files=course.source(lab).parent,
        limits=settings.limits if settings else Limits(),
        parameters=parameters,
    )


def grade_notebook(
    teacher: Teacher,
    student: str,
    submission: NotebookNode,
    engine: Engine,
    *,
    problems: Sequence[str] = (),
) -> Graded:
    """Run one submission and score it."""
    begin = time.monotonic()
    assembled = assemble(teacher.source, submission, parameters=teacher.parameters(student) or None)
    execution = engine.run(assembled.notebook, teacher.files, teacher.limits)
    cells = _score(teacher, execution)
    found = (*problems, *assembled.problems, *execution.problems)
    needs_human = any(cell.score is None for cell in cells) or bool(execution.problems)
    result = SubmissionResult(
        student=student,
        status="needs-human" if needs_human else "graded",
        score=sum(cell.score or 0.0 for cell in cells),
        max_score=teacher.max_score,
        needs_human=needs_human,
        problems=found,
        seconds=round(time.monotonic() - begin, 3),
        cells=cells,
    )
    return Graded(result, execution.notebook, execution.cpu_seconds)


def _score(teacher: Teacher, execution: Execution) -> tuple[CellResult, ...]:
    runs = {run.grade_id: run for run in execution.cells if run.grade_id}
    answers = {grade_id(cell): cell.source for cell in execution.notebook.cells}
    return tuple(
        score_cell(
            cell,
            runs.get(grade_id(cell)),
            is_blank=is_blank(answers.get(grade_id(cell), ""), blank_text(cell)),
        )
        for cell in teacher.graded
    )


def _unreadable(teacher: Teacher, student: str, problem: str) -> Graded:
    """Give the verdict on files that can't be run: no points, and a person should look."""
    reason = "Your notebook couldn't be read, so nothing in it was run."
    result = SubmissionResult(
        student=student,
        status="unreadable",
        score=0.0,
        max_score=teacher.max_score,
        needs_human=True,
        problems=(problem,),
        cells=tuple(unscored(cell, reason) for cell in teacher.graded),
    )
    return Graded(result, None)


def _slip(teacher: Teacher, student: str, error: Exception) -> Graded:
    """Give the verdict where the grader itself failed: a person decides on every cell."""
    reason = "The grader failed here, which needn't be your doing; a person will look at it."
    told = redacted(f"{type(error).__name__}: {error}".split("\n", 1)[0], teacher.source.cells)
    cells = tuple(
        unscored(cell, reason).model_copy(update={"score": None, "status": "manual"})
        for cell in teacher.graded
    )
    result = SubmissionResult(
        student=student,
        status="needs-human",
        score=0.0,
        max_score=teacher.max_score,
        needs_human=True,
        problems=(f"It couldn't be graded: {told[:MAX_REASON]}",),
        cells=cells,
    )
    return Graded(result, None, final=False)


def grade_class(
    course: Course,
    name: str,
    *,
    engine: Engine,
    workers: int,
    students: Sequence[str] = (),
    force: bool = False,
    progress: Progress | None = None,
) -> GradeReport:
    """Grade every submission of a lab, and write records, notebooks and marks.

    A submission that was graded before, and whose files, tests and settings are the same, keeps
    its verdict. Interrupted, the verdicts reached so far are kept, and the gradebook is as it was.

    Parameters
    ----------
    course : Course
        The course.
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

    Returns
    -------
    GradeReport
        What needs a human first, then by student.

    Raises
    ------
    CourseError
        If the course has no such lab, or nobody handed anything in.
    GraderError
        If the engine can't run anything on this machine.
    """
    teacher = open_lab(course, name)
    chosen = _chosen(course, teacher.lab, students)
    folder, files = course.records(teacher.lab), files_digest(teacher.files)
    graded: dict[str, Record] = {}
    try:
        jobs = {}
        for submission in chosen:
            key = _key(teacher, submission, engine, files)
            record = None if force else load_record(folder, key)
            if record is None or not record.final:
                jobs[submission.student] = (submission, key)
            else:
                graded[submission.student] = record
                _tell(progress, record.result, len(graded), len(chosen))

        def work(job: tuple[Submission, str]) -> Graded:
            return _grade_submission(teacher, job[0], engine)

        # Closed by name, so that an interruption ends the running work before it is reported.
        with closing(each(work, jobs.values(), workers=workers, engine=engine)) as outcomes:
            for (submission, key), done in outcomes:
                if isinstance(done, (OSError, GraderError)):
                    raise done  # The machine's fault or the teacher's, so nobody's verdict.
                outcome = (
                    _slip(teacher, submission.student, done)
                    if isinstance(done, Exception)
                    else done
                )
                record = _record(key, engine, outcome)
                save_record(folder, record)
                graded[submission.student] = record
                _tell(progress, record.result, len(graded), len(chosen))
    finally:
        engine.close()
    records = [graded[submission.student] for submission in chosen]
    _publish(course, teacher, records)
    results = (record.result for record in records)
    return GradeReport(
        lab=teacher.lab,
        engine=engine.name,
        isolation=engine.isolation,
        submissions=tuple(sorted(results, key=_urgency)),
    )


def _chosen(course: Course, lab: str, students: Sequence[str]) -> list[Submission]:
    every = {entry.student: entry for entry in course.submissions(lab)}
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


def _key(teacher: Teacher, submission: Submission, engine: Engine, files: str) -> str:
    try:
        data = submission.notebook.read_bytes() if submission.notebook else b""
    except OSError:
        data = b""
    return record_key(
        student=submission.student,
        submission=data + submission.problem.encode(),
        source=teacher.source,
        parameters=teacher.parameters(submission.student),
        limits=teacher.limits,
        engine=engine.name,
        files=files,
    )


def _grade_submission(teacher: Teacher, submission: Submission, engine: Engine) -> Graded:
    if submission.notebook is None:
        return _unreadable(teacher, submission.student, submission.problem)
    try:
        notebook = read_notebook(submission.notebook)
    except NotebookError as error:
        return _unreadable(teacher, submission.student, str(error))
    except OSError as error:
        problem = f"{submission.notebook.name} can't be opened: {error.strerror}."
        return _unreadable(teacher, submission.student, problem)
    problems = (submission.problem,) if submission.problem else ()
    return grade_notebook(teacher, submission.student, notebook, engine, problems=problems)


def _record(key: str, engine: Engine, graded: Graded) -> Record:
    return Record(
        key=key,
        engine=engine.name,
        isolation=engine.isolation,
        result=graded.result,
        notebook=dict(graded.notebook) if graded.notebook is not None else None,
        cpu_seconds=graded.cpu_seconds,
        final=graded.final,
    )


def _tell(progress: Progress | None, result: SubmissionResult, done: int, total: int) -> None:
    if progress is not None:
        progress(result, done, total)


def _urgency(result: SubmissionResult) -> tuple[int, bool, str]:
    order = {"unreadable": 0, "missing": 0, "needs-human": 1, "graded": 2}
    return (order[result.status], not result.problems, result.student)


def _publish(course: Course, teacher: Teacher, records: Sequence[Record]) -> None:
    """Write what formgrader and feedback read: each notebook that was run, then all marks."""
    marks = []
    for record in records:
        student = record.result.student
        try:
            submitted = course.submitted(student, teacher.lab)
            folder = course.autograded(student, teacher.lab)
        except GraderError:
            continue  # A folder whose name can't be a student's; the report shows it.
        notebook = record.executed()
        path = folder / course.source(teacher.lab).name
        if notebook is None:
            if folder.exists():
                shutil.rmtree(folder)
        else:
            write_notebook(notebook, path)
        timestamp = timestamp_of(submitted)
        if timestamp and notebook is not None:
            write_text(folder / "timestamp.txt", timestamp)
        marks.append(Marks(record.result, _blank_cells(teacher, notebook), timestamp))
    write_marks(course, teacher.lab, teacher.source, marks)


def _blank_cells(teacher: Teacher, notebook: NotebookNode | None) -> frozenset[str]:
    answers = {grade_id(cell): cell.source for cell in notebook.cells} if notebook else {}
    return frozenset(
        grade_id(cell)
        for cell in teacher.source.cells
        if cell_kind(cell) in ("answer", "manual")
        and is_blank(answers.get(grade_id(cell), ""), blank_text(cell))
    )


def read_records(course: Course, name: str, *, engine: str) -> list[Record]:
    """Read the records that belong to what is handed in now, in order of the students.

    Raises
    ------
    CourseError
        If a submission wasn't graded since it or the lab changed.
    """
    teacher = open_lab(course, name)
    chosen_engine, files = engine_named(engine), files_digest(teacher.files)
    found, missing = [], []
    for submission in _chosen(course, teacher.lab, ()):
        key = _key(teacher, submission, chosen_engine, files)
        record = load_record(course.records(teacher.lab), key)
        if record is None:
            missing.append(submission.student)
        else:
            found.append(record)
    if missing:
        raise CourseError(
            f"{', '.join(missing)} handed in {teacher.lab}, but it wasn't graded since; "
            f"run 'autograder grade {teacher.lab}' first."
        )
    return found
