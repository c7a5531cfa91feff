"""Pack a student's work for handing in, and say what is missing from it."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from autograder.archive import zip_bytes
from autograder.atomic import replaced_folder, write_bytes, write_text
from autograder.course import Course, check_student_id
from autograder.errors import SubmissionError
from autograder.work import Work

__all__ = ["Packed", "hand_in", "pack"]


@dataclass(frozen=True, slots=True)
class Packed:
    """What was handed in, and where it is."""

    path: Path
    student: str
    unanswered: tuple[str, ...]
    problems: tuple[str, ...]


def _student(work: Work, student: str | None) -> str:
    chosen = student if student is not None else work.student
    return check_student_id(chosen) if chosen or student is not None else ""


def _unanswered(work: Work) -> tuple[str, ...]:
    return tuple(name for name, answered in work.answers().items() if not answered)


def pack(work: Work, *, student: str | None = None) -> Packed:
    """Write ``LAB-submission.zip`` beside the notebook: the notebook and a small manifest.

    The same work gives the same bytes.

    Parameters
    ----------
    work : Work
        The student's work.
    student : str, optional
        The student's id; by default the one that the lab was started with, or none.

    Raises
    ------
    SubmissionError
        If the id isn't one.
    """
    lab, name = work.given.lab.name, _student(work, student)
    unanswered = _unanswered(work)
    manifest = {
        "version": 1,
        "lab": lab,
        "student": name,
        "sha256": hashlib.sha256(work.raw).hexdigest(),
        "unanswered": list(unanswered),
    }
    files = {
        f"{lab}/{lab}.ipynb": work.raw,
        f"{lab}/submission.json": json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n",
    }
    target = work.path.parent / f"{lab}-submission.zip"
    write_bytes(target, zip_bytes(files))
    return Packed(target, name, unanswered, work.assembled().problems)


def hand_in(work: Work, course: Course, *, student: str | None = None) -> Packed:
    """Put the work straight into a course: ``submitted/STUDENT/LAB/``, as nbgrader collects it.

    What the student had handed in before is replaced.

    Raises
    ------
    SubmissionError
        If there is no student id, or it isn't one.
    CourseError
        If the course has no such lab.
    """
    name = _student(work, student)
    if not name:
        raise SubmissionError("to hand in to a course, say who you are: --student and your id.")
    lab = course.lab_name(work.given.lab.name)
    target = course.submitted(name, lab)
    with replaced_folder(target) as (folder,):
        write_bytes(folder / f"{lab}.ipynb", work.raw)
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f UTC")
        write_text(folder / "timestamp.txt", f"{now}\n")
    return Packed(target, name, _unanswered(work), work.assembled().problems)
