"""The only writer of nbgrader's gradebook: from records to marks, all of them or none."""

import contextlib
import copy
import logging
import os
import secrets
import stat
import sysconfig
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from autograder.course import Course
from autograder.errors import CourseError
from autograder.results import SubmissionResult

__all__ = [
    "HandGrade",
    "Marks",
    "gradebook_address",
    "gradebook_state",
    "read_hand_grades",
    "students_with_marks",
    "timestamp_of",
    "write_marks",
]


_LONGEST_TIME = 100


@dataclass(frozen=True, slots=True)
class Marks:
    """One student's result, with what the gradebook wants to know besides the scores."""

    result: SubmissionResult
    blank: frozenset[str]
    timestamp: str = ""


def write_marks(course: Course, lab: str, source: NotebookNode, marks: Sequence[Marks]) -> None:
    """Write a class's automatic scores; what people graded by hand stays.

    Parameters
    ----------
    course : Course
        Its gradebook is made if there is none.
    lab : str
        The full name of the lab.
    source : NotebookNode
        The teacher's notebook, which says what cells there are.
    marks : sequence of Marks
        One a student.

    Raises
    ------
    CourseError
        If the gradebook can't be opened or written, or holds submissions for other cells.
    """
    notebook = course.source(lab).stem
    with _readable_errors(course):
        _register(course, lab, notebook, source)
        with _open(course) as book, _one_transaction(book):
            for entry in marks:
                _write_student(book, lab, notebook, entry)


@dataclass(frozen=True, slots=True)
class HandGrade:
    """What a person said of one cell: a score that replaces the automatic one, and a comment."""

    score: float | None
    comment: str


def read_hand_grades(course: Course, lab: str) -> dict[str, dict[str, HandGrade]]:
    """Read what people graded and wrote in formgrader: by student, then by cell."""
    found: dict[str, dict[str, HandGrade]] = {}
    with _readable_errors(course), _open(course) as book:
        for submission in book.assignment_submissions(lab):
            cells = found.setdefault(submission.student.id, {})
            for notebook in submission.notebooks:
                comments = {c.name: c.manual_comment or "" for c in notebook.comments}
                scores = {g.name: g.manual_score for g in notebook.grades}
                for name in scores.keys() | comments.keys():
                    score, comment = scores.get(name), comments.get(name, "")
                    if score is not None or comment:
                        cells[name] = HandGrade(score, comment)
    return found


def gradebook_address(course: Course) -> str:
    """Name a course's gradebook for people: a file's path, or an address without its password."""
    return _shown_address(course.gradebook_url)


def gradebook_state(course: Course) -> str:
    """Say what a course's gradebook holds; nothing is made where there is none.

    Raises
    ------
    CourseError
        If it is there and can't be used.
    """
    with _readable_errors(course):
        path = _file_of(course.gradebook_url)
        if path is not None and not path.exists():
            return "none yet; the first grading makes it"
        with _open(course) as book:
            return f"labs: {len(book.assignments)}, students: {len(book.students)}"


def _course_id(course: Course) -> str:
    return course.config.course_id or "default_course"


def _shown_address(url: str) -> str:
    """Name a gradebook in a message: a file's path, or an address without its password."""
    from sqlalchemy.engine import make_url

    path = _file_of(url)
    return str(path) if path is not None else make_url(url).render_as_string(hide_password=True)


def _file_of(url: str) -> Path | None:
    """Give the file of a gradebook that is one; None for a server's."""
    from sqlalchemy.engine import make_url

    address = make_url(url)
    is_file = address.drivername.startswith("sqlite") and address.database
    return Path(str(address.database)) if is_file else None


@contextlib.contextmanager
def _open(course: Course) -> Iterator[Any]:
    from sqlalchemy.exc import SAWarning

    with warnings.catch_warnings(), _scripts_on_path():
        # nbgrader reads relations of rows that it hasn't added yet; SQLAlchemy remarks on it.
        warnings.filterwarnings("ignore", "Object of type .* not in session", SAWarning)
        _make(course)
        with _reach(course, course.gradebook_url) as book:
            yield book


def _reach(course: Course, address: str) -> Any:
    """Open a gradebook, and close it again where that fails half-way; nbgrader leaves it open."""
    from nbgrader.api import Gradebook

    book = Gradebook.__new__(Gradebook)
    try:
        Gradebook.__init__(book, address, _course_id(course))
    except BaseException:
        if hasattr(book, "db"):
            book.close()
        raise
    return book


def _make(course: Course) -> None:
    """Make a gradebook's file whole or not at all; nbgrader makes it in several steps."""
    path = _file_of(course.gradebook_url)
    if path is None or path.exists():
        return
    for left in path.parent.glob(f".{path.name}.*.part"):
        left.unlink(missing_ok=True)  # A grader was killed while it made one.
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        _reach(course, f"sqlite:///{part.as_posix()}").close()
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def _scripts_on_path() -> Iterator[None]:
    """Let nbgrader find `alembic`, which it runs by name when it makes a gradebook."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), before])
    try:
        yield
    finally:
        os.environ["PATH"] = before


@contextlib.contextmanager
def _one_transaction(book: Any) -> Iterator[None]:
    """Turn the commits inside nbgrader's calls into flushes, and commit once at the end."""
    commit = book.db.commit
    book.db.commit = book.db.flush
    try:
        yield
        commit()
    except BaseException:
        book.db.rollback()
        raise
    finally:
        book.db.commit = commit


@contextlib.contextmanager
def _readable_errors(course: Course) -> Iterator[None]:
    from nbgrader.api import InvalidEntry, MissingEntry
    from sqlalchemy.exc import ArgumentError, DatabaseError

    where = ""
    try:
        where = _shown_address(course.gradebook_url)
        with _without_tracebacks():
            yield
    except (ArgumentError, ImportError) as error:
        raise CourseError(
            f"the gradebook of {course.root} is at an address that can't be used ({error}). See "
            "c.CourseDirectory.db_url in nbgrader_config.py, and whether the database's driver is "
            "installed."
        ) from None
    except (InvalidEntry, MissingEntry, DatabaseError) as error:
        # What goes wrong with the file itself, nbgrader calls an invalid entry as well.
        cause = error if isinstance(error, DatabaseError) else error.__context__
        if not isinstance(cause, DatabaseError):
            raise CourseError(f"the gradebook {where} refuses: {error}.") from None
        detail = str(cause.orig)
        raise CourseError(
            f"the gradebook {where} can't be used: {detail}. {_advice(detail)} The results are "
            f"kept in {course.root / 'records'}, so nothing is graded twice."
        ) from None


def _advice(detail: str) -> str:
    """Say what to do about what a database complains of."""
    if "locked" in detail:
        return "Another program is writing to it; try again when it has finished."
    if "full" in detail:
        return "Free some disk space and grade again."
    if "readonly" in detail or "unable to open" in detail:
        return "Make the course's folder and the gradebook writable, then grade again."
    return "Put a backup in its place, or move it away and grade again to rebuild it."


@contextlib.contextmanager
def _without_tracebacks() -> Iterator[None]:
    """Keep nbgrader from printing the errors that it raises as well."""
    from nbgrader.api import app_log

    before = app_log.disabled
    app_log.disabled = True
    try:
        yield
    finally:
        app_log.disabled = before


def _register(course: Course, lab: str, notebook: str, source: NotebookNode) -> None:
    """Tell the gradebook the lab's cells, by nbgrader's own preprocessors."""
    from nbgrader.preprocessors import (
        ClearOutput,
        ClearSolutions,
        ComputeChecksums,
        LockCells,
        SaveCells,
    )

    with _open(course) as book:
        book.update_or_create_assignment(lab)
    resources = {
        "nbgrader": {
            "notebook": notebook,
            "assignment": lab,
            "db_url": course.gradebook_url,
            "course": _course_id(course),
        }
    }
    teacher = copy.deepcopy(source)
    try:
        for step in (LockCells, ClearSolutions, ClearOutput, ComputeChecksums, SaveCells):
            preprocessor = step()
            preprocessor.log.setLevel(logging.ERROR)
            teacher, resources = preprocessor.preprocess(teacher, resources)
    except RuntimeError:
        raise CourseError(
            f"the gradebook of {course.root} holds submissions of {lab} with other cells than the "
            "lab has now. Give new cells a new lab, or remove the old submissions first "
            f"(nbgrader db assignment remove {lab})."
        ) from None


def students_with_marks(course: Course, lab: str) -> set[str]:
    """Name the students who have marks for a lab in the gradebook."""
    from nbgrader.api import MissingEntry

    with _readable_errors(course), _open(course) as book:
        try:
            return {str(submission.student_id) for submission in book.assignment_submissions(lab)}
        except MissingEntry:
            return set()


def _write_student(book: Any, lab: str, notebook: str, entry: Marks) -> None:
    result = entry.result
    book.update_or_create_student(result.student)
    extra = {"timestamp": entry.timestamp} if entry.timestamp else {}
    book.update_or_create_submission(lab, result.student, **extra)
    submitted = book.find_submission_notebook(notebook, lab, result.student)
    # All of a student's at once: one query instead of one a cell.
    grades = {grade.name: grade for grade in submitted.grades}
    for cell in result.cells:
        grade = grades.get(cell.grade_id)
        if grade is None:  # Then nbgrader says in its own words that there is none.
            grade = book.find_grade(cell.grade_id, notebook, lab, result.student)
        grade.auto_score = cell.score
        waits = cell.score is None or grade.manual_score is not None
        grade.needs_manual_grade = waits or result.status == "unreadable"
    for comment in submitted.comments:
        comment.auto_comment = "No response." if comment.name in entry.blank else None
    book.db.flush()


def timestamp_of(folder: Path) -> str:
    """Read the time of submission that nbgrader keeps beside a notebook, if it is there.

    The folder is a student's: what isn't a plain file that holds a time is nothing.
    """
    from nbgrader.utils import parse_utc

    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        handle = os.open(folder / "timestamp.txt", flags)
        with os.fdopen(handle, "rb") as file:
            is_plain = stat.S_ISREG(os.fstat(handle).st_mode)
            text = file.read(_LONGEST_TIME + 1).decode("utf-8").strip() if is_plain else ""
        if text and len(text) <= _LONGEST_TIME:
            parse_utc(text)  # as the gradebook will
            return text
    except (OSError, ValueError, OverflowError):
        pass
    return ""
