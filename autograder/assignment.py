"""Assignments of several notebooks: each is graded as if it were alone, then put together.

Ours have one notebook a lab. Elsewhere an assignment often has one a problem, each with a kernel
and names of its own, and nbgrader keeps marks by notebook.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from autograder.course import Course
from autograder.engine import Engine
from autograder.errors import CourseError
from autograder.grade import grade_class
from autograder.gradebook import write_marks
from autograder.notebook import GRADED, cell_kind
from autograder.publish import rebuild
from autograder.results import GradeReport, SubmissionResult
from autograder.teacher import open_lab

__all__ = ["by_notebook", "grade_assignment", "merge_reports", "rebuild_assignment"]

_STATUS = {"unreadable": 0, "missing": 0, "needs-human": 1, "graded": 2}


def by_notebook(course: Course, name: str) -> tuple[Course, ...]:
    """See a course through each notebook of one of its labs that earns points.

    Raises
    ------
    CourseError
        If the course has no such lab, that has no notebook, or no notebook earns points.
    """
    lab = course.lab_name(name)
    views = tuple(course.only(notebook) for notebook in course.notebooks(lab))
    if len(views) == 1:
        return views
    graded = tuple(view for view in views if _earns_points(view, lab))
    if not graded:
        raise CourseError(
            f"none of {lab}'s notebooks, {', '.join(view.notebook for view in views)}, has a "
            "graded cell, so there is nothing to grade."
        )
    return graded


def _earns_points(view: Course, lab: str) -> bool:
    return any(cell_kind(cell) in GRADED for cell in view.teacher_notebook(lab).cells)


def grade_assignment(
    course: Course,
    name: str,
    *,
    engine: Callable[[], Engine],
    progress: Callable[[SubmissionResult, int, int], None] | None = None,
    **options: Any,
) -> GradeReport:
    """Grade every submission of a lab that may have several notebooks.

    Parameters
    ----------
    course : Course
        The course.
    name : str
        The lab, by name, number or word.
    engine : callable
        Makes the engine; called once a notebook, as each has its own to prepare for.
    progress : callable, optional
        Called with each verdict, how many there are so far and how many there will be.
    **options
        As for :func:`~autograder.grade.grade_class`.

    Returns
    -------
    GradeReport
        Of all notebooks together. Where there are several, a cell is called ``NOTEBOOK/GRADE_ID``.

    Raises
    ------
    CourseError
        As :func:`~autograder.grade.grade_class`.
    """
    views = by_notebook(course, name)
    if len(views) == 1:
        return grade_class(views[0], name, engine=engine(), progress=progress, **options)
    lab = course.lab_name(name)
    _register(views, lab)
    reports = {}
    for place, view in enumerate(views):

        def tell(result: SubmissionResult, done: int, total: int, before: int = place) -> None:
            if progress is not None:
                progress(result, before * total + done, len(views) * total)

        reports[view.notebook] = grade_class(view, lab, engine=engine(), progress=tell, **options)
    return merge_reports(reports)


def rebuild_assignment(course: Course, name: str) -> int:
    """Write the marks of a lab that may have several notebooks again, from its records alone.

    Returns
    -------
    int
        Of how many students.

    Raises
    ------
    CourseError
        As :func:`~autograder.publish.rebuild`.
    """
    views = by_notebook(course, name)
    if len(views) > 1:
        _register(views, course.lab_name(name))
    return max(rebuild(view, name) for view in views)


def _register(views: Sequence[Course], lab: str) -> None:
    """Tell the gradebook of all notebooks, which it must know before the first submission."""
    for view in views:
        write_marks(view, lab, open_lab(view, lab).source, ())


def merge_reports(reports: Mapping[str, GradeReport]) -> GradeReport:
    """Put the reports on an assignment's notebooks together: a student's points are added up."""
    parts: dict[str, dict[str, SubmissionResult]] = {}
    for notebook, report in reports.items():
        for result in report.submissions:
            parts.setdefault(result.student, {})[notebook] = result
    merged = sorted(
        map(_merged, parts.values()),
        key=lambda result: (_STATUS[result.status], not result.problems, result.student),
    )
    first = next(iter(reports.values()))
    return first.model_copy(update={"submissions": tuple(merged)})


def _merged(parts: Mapping[str, SubmissionResult]) -> SubmissionResult:
    results = list(parts.values())
    statuses = {result.status for result in results}
    status = next(iter(statuses)) if len(statuses) == 1 else "needs-human"
    return SubmissionResult(
        student=results[0].student,
        status=status,
        score=sum(result.score for result in results),
        max_score=sum(result.max_score for result in results),
        needs_human=any(result.needs_human for result in results),
        problems=tuple(f"{name}: {text}" for name, one in parts.items() for text in one.problems),
        seconds=round(sum(result.seconds for result in results), 3),
        cells=tuple(
            cell.model_copy(update={"grade_id": f"{name}/{cell.grade_id}"})
            for name, one in parts.items()
            for cell in one.cells
        ),
    )
