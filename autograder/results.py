"""What grading yields, as versioned records that people, machines and the gradebook read."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["CellResult", "GradeReport", "SubmissionResult"]

CellStatus = Literal["passed", "partial", "failed", "not-run", "manual"]
SubmissionStatus = Literal["graded", "needs-human", "unreadable", "missing"]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CellResult(_Record):
    """The verdict on one graded cell."""

    grade_id: str
    points: float = Field(ge=0)
    score: float | None = Field(description="None: waits for a person.", ge=0)
    status: CellStatus
    reason: str = Field(
        description="What the student is told; never the text of a hidden test.", default=""
    )
    room: Literal["shared", "student", "examiner"] | None = Field(
        default=None,
        description=(
            "Where the test ran: 'examiner' is out of the student's code's reach, 'student' beside "
            "it and confined, 'shared' beside it as nbgrader does; null: no test ran."
        ),
    )
    claims: tuple[str, ...] = Field(
        default=(),
        description="What the test took the student's code's word for; for the teacher.",
    )


class SubmissionResult(_Record):
    """The verdict on one student's submission of one lab."""

    student: str
    status: SubmissionStatus
    score: float = Field(ge=0)
    max_score: float = Field(ge=0)
    needs_human: bool
    problems: tuple[str, ...] = Field(
        default=(), description="What was wrong with the files, for the student and the teacher."
    )
    seconds: float = Field(default=0.0, ge=0, description="Wall seconds spent on it.")
    cells: tuple[CellResult, ...] = ()


class GradeReport(_Record):
    """A class, graded: what ``autograder grade --json`` prints."""

    version: Literal[1] = 1
    lab: str
    engine: str
    isolation: str
    submissions: tuple[SubmissionResult, ...]
