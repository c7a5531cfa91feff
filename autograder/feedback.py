"""A page for each student: what was earned, why, and never a line of a hidden test."""

import base64
import binascii
import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from nbformat import NotebookNode

from autograder.atomic import write_text
from autograder.course import Course
from autograder.errors import GraderError
from autograder.grade import read_records
from autograder.gradebook import HandGrade, read_hand_grades
from autograder.hidden_regions import hidden_lines
from autograder.notebook import GRADED, cell_kind, grade_id
from autograder.records import Record
from autograder.release import release_notebook
from autograder.results import CellResult
from autograder.score import redacted
from autograder.teacher import Teacher, open_lab

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["feedback_page", "page", "shown_number", "write_feedback"]

MAX_TEXT = 20_000
MAX_IMAGE = 2_000_000
_PNG = b"\x89PNG\r\n\x1a\n"
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)
_WORDS = {
    "passed": ("✓", "passed"),
    "partial": ("◐", "partly"),
    "failed": ("✗", "not yet"),
    "not-run": ("✗", "didn't run"),
    "manual": ("…", "waits for a person"),
}


@dataclass(frozen=True, slots=True)
class _Output:
    text: str = ""
    image: str = ""


_UNTOLD = _Output("What this cell showed isn't repeated here: run your own copy to see it.")


@dataclass(frozen=True, slots=True)
class _Answer:
    text: str
    outputs: tuple[_Output, ...]


@dataclass(frozen=True, slots=True)
class _Question:
    id: str
    title: str
    points: float
    shown_score: str
    status: str
    mark: str
    word: str
    reason: str
    comment: str
    answers: tuple[_Answer, ...]
    test: str


def page(template: str, **values: object) -> str:
    """Fill one of the templates in ``pages/``; everything is escaped unless it says otherwise."""
    return _templates().get_template(template).render(number=shown_number, **values)


@functools.cache
def _templates() -> "Environment":
    """Give the templates; compiling one takes longer than filling it in for a student."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("autograder", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
    )


def _visible(value: object) -> object:
    """Make a text show all it holds: nothing that hides, or turns the order of a line round."""
    if type(value) is not str:
        return value
    lines = _ANSI.sub("", value).replace("\r\n", "\n").replace("\r", "\n")
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", lines)


def shown_number(value: float) -> str:
    """Write points without needless decimals.

    Examples
    --------
    >>> shown_number(3.0), shown_number(2.5)
    ('3', '2.5')
    """
    return f"{value:.4g}" if value < 1000 else f"{value:.0f}"


def write_feedback(course: Course, name: str) -> tuple[Path, ...]:
    """Write a page for everyone whose work of this lab was graded.

    Raises
    ------
    CourseError
        If something handed in wasn't graded yet.
    """
    teacher = open_lab(course, name)
    records = read_records(course, name)
    by_hand = read_hand_grades(course, teacher.lab)
    settings = course.lab_settings(teacher.lab)
    titles = (
        {key: question.title for key, question in settings.questions.items()} if settings else {}
    )
    title = settings.title if settings else teacher.lab
    paths = []
    for record in records:
        student = record.result.student
        try:
            folder = course.feedback(student, teacher.lab)
        except GraderError:
            continue
        told = functools.partial(
            feedback_page, teacher, title=title, titles=titles, by_hand=by_hand.get(student, {})
        )
        try:
            text = told(record)
        except Exception:  # whatever one student has made up, the others get their pages
            text = told(record.model_copy(update={"notebook": None}))
        path = folder / f"{course.source(teacher.lab).stem}.html"
        write_text(path, text)
        paths.append(path)
    return tuple(paths)


def feedback_page(
    teacher: Teacher,
    record: Record,
    *,
    title: str,
    titles: Mapping[str, str],
    by_hand: Mapping[str, HandGrade],
) -> str:
    """Write one student's page as HTML."""
    cells = _cells(record)
    groups = _answers_before(teacher, cells)
    released = {grade_id(cell): cell.source for cell in release_notebook(teacher.source).cells}
    questions = [
        _question(
            verdict,
            title=titles.get(verdict.grade_id, verdict.grade_id),
            answers=groups.get(verdict.grade_id, ()),
            test="" if verdict.status == "manual" else released.get(verdict.grade_id, ""),
            hand=by_hand.get(verdict.grade_id),
        )
        for verdict in record.result.cells
    ]
    hand_scores = {key: grade.score for key, grade in by_hand.items() if grade.score is not None}
    score = sum(hand_scores.get(cell.grade_id, cell.score or 0.0) for cell in record.result.cells)
    waiting = sum(
        cell.points
        for cell in record.result.cells
        if cell.score is None and cell.grade_id not in hand_scores
    )
    return page(
        "feedback.html",
        title=title,
        lab=teacher.lab,
        result=record.result,
        score=score,
        waiting=waiting,
        questions=questions,
        readable=record.notebook is not None,
    )


def _cells(record: Record) -> list[NotebookNode]:
    if record.notebook is None:
        return []
    notebook = nbformat.from_dict(record.notebook)  # type: ignore[no-untyped-call]
    return list(notebook.cells)


def _question(
    verdict: CellResult,
    *,
    title: str,
    answers: Sequence[_Answer],
    test: str,
    hand: HandGrade | None,
) -> _Question:
    by_hand = hand is not None and hand.score is not None
    mark, word = ("✓", "graded by hand") if by_hand else _WORDS[verdict.status]
    score = hand.score if hand is not None and hand.score is not None else verdict.score
    return _Question(
        id=f"q-{verdict.grade_id}",
        title=title,
        points=verdict.points,
        shown_score="…" if score is None else shown_number(score),
        status="passed" if by_hand and verdict.status == "manual" else verdict.status,
        mark=mark,
        word=word,
        reason="" if by_hand and verdict.status == "manual" else verdict.reason,
        comment=hand.comment if hand else "",
        answers=tuple(answers),
        test=test,
    )


def _answers_before(teacher: Teacher, cells: Iterable[NotebookNode]) -> dict[str, list[_Answer]]:
    """Collect under each graded cell the answers that stand between it and the one before."""
    groups: dict[str, list[_Answer]] = {}
    waiting: list[_Answer] = []
    secretive = {grade_id(cell) for cell in teacher.source.cells if hidden_lines(str(cell.source))}
    after_hidden = False
    for cell in cells:
        kind = cell_kind(cell)
        after_hidden = after_hidden or grade_id(cell) in secretive
        if kind in ("answer", "manual"):
            # An answer that a hidden test has called can print what it was called with.
            told = (_UNTOLD,) if cell.get("outputs") else ()
            outputs = told if after_hidden else _outputs(teacher, cell)
            waiting.append(_Answer(_own_code(teacher, cell.source), outputs))
        if kind in GRADED:
            groups[grade_id(cell)], waiting = waiting, []
    return groups


def _outputs(teacher: Teacher, cell: NotebookNode) -> tuple[_Output, ...]:
    shown = []
    room = MAX_TEXT
    for output in cell.get("outputs", []):
        image = _image(output.get("data", {}))
        if image:
            shown.append(_Output(image=image))
            continue
        text = _clean(teacher, _output_text(output))[:room]
        room -= len(text)
        if text.strip():
            shown.append(_Output(text=text))
    return tuple(shown)


def _output_text(output: Mapping[str, Any]) -> str:
    match output.get("output_type"):
        case "stream":
            return _joined(output.get("text", ""))
        case "error":
            return f"{output.get('ename', '')}: {output.get('evalue', '')}"
        case _:
            return _joined(output.get("data", {}).get("text/plain", ""))


def _joined(value: Any) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else str(value)


def _image(data: Mapping[str, Any]) -> str:
    """Take a PNG picture if it really is one; nothing else that a browser would interpret."""
    text = _joined(data.get("image/png", "")) if isinstance(data, Mapping) else ""
    if not text or len(text) > MAX_IMAGE:
        return ""
    try:
        picture = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return ""
    return base64.b64encode(picture).decode() if picture.startswith(_PNG) else ""


def _clean(teacher: Teacher, text: str) -> str:
    """Take hidden lines out of an output, and a terminal's control sequences."""
    return redacted(_ANSI.sub("", text), teacher.source.cells)


def _own_code(teacher: Teacher, text: str) -> str:
    """Show students what they wrote; only a hidden assert isn't theirs to pass on."""
    return redacted(_ANSI.sub("", text), teacher.source.cells, asserts_only=True)
