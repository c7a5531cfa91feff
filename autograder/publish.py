"""From records to what formgrader and feedback read: the notebooks that were run, and all marks."""

import html
import shutil
from collections.abc import Mapping
from pathlib import Path

from nbformat import NotebookNode

from autograder.active_markup import acts, as_plain_markdown
from autograder.assemble import is_blank
from autograder.atomic import write_text
from autograder.course import Course
from autograder.course_lock import locked
from autograder.errors import CourseError, GraderError
from autograder.gradebook import Marks, timestamp_of, write_marks
from autograder.notebook import MAX_BYTES, cell_kind, grade_id, write_notebook
from autograder.records import (
    Entry,
    Index,
    Record,
    load_index,
    load_record,
    newest_records,
    points_digest,
    save_index,
    save_record,
    sweep,
)
from autograder.release import blank_text
from autograder.room_outputs import clean_outputs
from autograder.teacher import Teacher, open_lab
from autograder.verdict import rescored

__all__ = ["publish", "rebuild", "usable_record"]

_OUR_ROOMS = "rooms"
_LONGEST = 500_000


def usable_record(course: Course, teacher: Teacher, key: str) -> Record | None:
    """Read a record, with the points that its cells are worth now; None if there is none."""
    folder = course.records(teacher.lab)
    record = load_record(folder, key)
    if record is not None and record.worth != points_digest(teacher.source):
        record = rescored(teacher, record)
        save_record(folder, record)
    return record


def publish(course: Course, teacher: Teacher, keys: Mapping[str, str]) -> None:
    """Write students' notebooks and marks, given the keys of their records.

    Before anything else the lab's index says which records these are, so that all of it can be
    written again from what is in the folder of records.
    """
    folder = course.records(teacher.lab)
    entries = {
        student: Entry(key=key, timestamp=_timestamp(course, teacher.lab, student))
        for student, key in keys.items()
    }
    known = load_index(folder).students
    save_index(folder, Index(students=dict(sorted((known | entries).items()))))
    _write(course, teacher, entries)


def rebuild(course: Course, name: str) -> int:
    """Write a lab's marks and notebooks again from its records alone; say of how many students.

    Nothing is run, and what was handed in isn't looked at. Whose record counts is what the last
    grading said; a student it doesn't know, because it was interrupted, has their newest one.

    Raises
    ------
    CourseError
        If there are no records, another grader is at work, or the gradebook can't be written.
    """
    teacher = open_lab(course, name)
    with locked(course.root, f"rebuild {teacher.lab}"):
        folder = course.records(teacher.lab)
        found = {student: Entry(key=key) for student, key in newest_records(folder).items()}
        entries = found | {
            student: entry
            for student, entry in load_index(folder).students.items()
            if (record := load_record(folder, entry.key)) and record.result.student == student
        }
        if not entries:
            raise CourseError(
                f"{folder} holds no records, so there is nothing to rebuild from; "
                f"run 'autograder grade {teacher.lab}'."
            )
        _check_cells(teacher, folder, entries)
        save_index(folder, Index(students=dict(sorted(entries.items()))))
        _write(course, teacher, entries)
    return len(entries)


def _check_cells(teacher: Teacher, folder: Path, entries: Mapping[str, Entry]) -> None:
    """Refuse verdicts on other cells than the lab has: what wasn't run would count as failed."""
    wanted = {grade_id(cell) for cell in teacher.graded}
    others = [
        student
        for student, entry in entries.items()
        if (record := load_record(folder, entry.key))
        and {cell.grade_id for cell in record.result.cells} != wanted
    ]
    if others:
        raise CourseError(
            f"the records of {', '.join(others[:10])}{', …' if len(others) > 10 else ''} in "
            f"{folder} are of other cells than {teacher.lab} has now, so no marks were written "
            f"from them. Run 'autograder grade {teacher.lab}', or put the lab back as it was."
        )


def _timestamp(course: Course, lab: str, student: str) -> str:
    try:
        return timestamp_of(course.submitted(student, lab))
    except GraderError:
        return ""  # A folder whose name can't be a student's.


def _write(course: Course, teacher: Teacher, entries: Mapping[str, Entry]) -> None:
    marks = []
    for student, entry in entries.items():
        record = usable_record(course, teacher, entry.key)
        try:
            folder = course.autograded(student, teacher.lab)
        except GraderError:
            continue  # A folder whose name can't be a student's; the report shows it.
        if record is None:
            raise CourseError(
                f"the record of {student} in {course.records(teacher.lab)} can't be read any more; "
                f"run 'autograder grade {teacher.lab}' again."
            )
        sweep(folder)
        notebook, path = record.executed(), folder / course.source(teacher.lab).name
        marks.append(Marks(record.result, _blank_cells(teacher, notebook), entry.timestamp))
        if notebook is None:
            _remove(path)
        else:
            _disarm(notebook, teacher, has_walls=record.engine == _OUR_ROOMS)
            write_notebook(notebook, path)
            if entry.timestamp:
                write_text(folder / "timestamp.txt", entry.timestamp)
    write_marks(course, teacher.lab, teacher.source, marks)


def _disarm(notebook: NotebookNode, teacher: Teacher, *, has_walls: bool) -> None:
    """Have students' work show itself and do nothing else, where a person looks at it.

    Formgrader puts Markdown into its page as it is: a script in an answer could give marks. What
    comes out of our own rooms was looked through there; what another engine let through wasn't.
    """
    given = {str(cell.source) for cell in teacher.source.cells}
    for cell in notebook.cells:
        if cell.cell_type == "code" and not has_walls:
            cell["outputs"] = _harmless(list(cell.outputs))
        if cell.cell_type == "code":  # formgrader shows it as it is written
            continue
        is_theirs = cell_kind(cell) in ("answer", "manual", "plain") and cell.source not in given
        if not is_theirs or not _may_act(cell.source):
            continue
        if cell.cell_type == "markdown":
            cell["source"] = as_plain_markdown(cell.source)
        elif cell.cell_type == "raw":
            cell["source"] = html.escape(cell.source)


def _harmless(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Give what may be shown of outputs; nothing where that can't be said of them."""
    try:
        return clean_outputs(outputs, MAX_BYTES)
    except Exception:  # whatever one student has made up, a class gets its marks
        return []


def _may_act(text: str) -> bool:
    """Say whether a text of a student's does anything, or can't be looked through."""
    try:
        return len(text) > _LONGEST or acts(text, is_written=True)
    except Exception:
        return True


def _remove(path: Path) -> None:
    """Remove a notebook of an earlier grading, and the folder if it was the only one."""
    path.unlink(missing_ok=True)
    if path.parent.is_dir() and not any(path.parent.glob("*.ipynb")):
        shutil.rmtree(path.parent)


def _blank_cells(teacher: Teacher, notebook: NotebookNode | None) -> frozenset[str]:
    answers = {grade_id(cell): cell.source for cell in notebook.cells} if notebook else {}
    return frozenset(
        grade_id(cell)
        for cell in teacher.source.cells
        if cell_kind(cell) in ("answer", "manual")
        and is_blank(answers.get(grade_id(cell), ""), blank_text(cell))
    )
