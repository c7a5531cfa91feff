"""The teacher's side of a lab: the notebook that decides, its files and its settings."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from nbformat import NotebookNode

from autograder.course import Course
from autograder.engine import Limits
from autograder.errors import CourseError
from autograder.hidden_regions import hidden_lines
from autograder.labs import Lab, personal_parameters
from autograder.notebook import GRADED, cell_kind, grade_id, points
from autograder.release import is_release, release_notebook

__all__ = ["Teacher", "open_lab"]


@dataclass(frozen=True)
class Teacher:
    """What a lab's submissions are graded by.

    ``settings`` are those of its ``lab.toml``; a course that was made elsewhere has none, and
    ``course_limits`` instead.
    """

    lab: str
    source: NotebookNode
    files: Path | None
    settings: Lab | None = None
    course_limits: Limits = field(default_factory=Limits)

    @property
    def limits(self) -> Limits:
        """What one submission may use."""
        return self.settings.limits if self.settings else self.course_limits

    @property
    def is_ours(self) -> bool:
        """Whether the lab was built here; elsewhere, students' added cells run as well."""
        return self.settings is not None

    def parameters(self, student: str) -> dict[str, object]:
        """Give the lab's parameters for one student."""
        return dict(personal_parameters(self.settings, student)) if self.settings else {}

    @cached_property
    def released(self) -> NotebookNode:
        """What students were given; read it, don't change it."""
        return self.source if is_release(self.source) else release_notebook(self.source)

    @cached_property
    def after_hidden(self) -> frozenset[str]:
        """The cells before which a hidden test runs."""
        sources = [str(cell.source) for cell in self.source.cells]
        first = next((at for at, text in enumerate(sources) if hidden_lines(text)), len(sources))
        return frozenset(grade_id(cell) for cell in self.source.cells[first + 1 :])

    @property
    def max_score(self) -> float:
        """All points that can be had."""
        return float(sum(points(cell) for cell in self.source.cells))

    @cached_property
    def graded(self) -> tuple[NotebookNode, ...]:
        """The cells that earn points, in order."""
        return tuple(cell for cell in self.source.cells if cell_kind(cell) in GRADED)


def open_lab(course: Course, name: str) -> Teacher:
    """Read what a course knows of a lab.

    Raises
    ------
    CourseError
        If the course has no such lab, or nothing to grade it by.
    """
    lab = course.lab_name(name)
    path = course.source(lab)
    teacher = Teacher(
        lab,
        course.teacher_notebook(lab),
        path.parent,
        course.lab_settings(lab),
        course.limits(lab),
    )
    if not teacher.graded:
        raise CourseError(f"{path} has no graded cell, so there is nothing to grade.")
    return teacher
