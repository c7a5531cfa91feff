"""Let a student see how their work stands: the visible tests, question by question."""

import ast
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nbformat import NotebookNode
from pydantic import BaseModel, ConfigDict, Field

from autograder.assemble import has_code, is_blank
from autograder.engine import CellRun
from autograder.handout import Handout, copy_files
from autograder.kernel import CellOutcome, fresh_kernel
from autograder.notebook import cell_kind, grade_id, points
from autograder.score import score_cell
from autograder.syntax import parse_python
from autograder.work import Work

__all__ = ["CheckReport", "QuestionReport", "check_work"]

Status = Literal["passed", "partial", "failed", "blank", "not-run", "hidden"]

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_FRAME = re.compile(r"Cell In\[(\d+)\], line (\d+)")
_WIDEST = 300


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class QuestionReport(_Record):
    """How one question stands by its visible tests."""

    grade_id: str
    title: str
    points: float = Field(ge=0)
    score: float = Field(ge=0, description="By the visible tests alone.")
    status: Status
    message: str = Field(default="", description="What to look at first.")


class CheckReport(_Record):
    """How a lab stands: what ``autograder check --json`` prints."""

    version: Literal[1] = 1
    lab: str
    notebook: str
    score: float = Field(ge=0, description="By the visible tests alone.")
    points: float = Field(ge=0, description="What the questions with visible tests are worth.")
    questions: tuple[QuestionReport, ...]
    manual: Mapping[str, bool] = Field(
        description="The questions that a person grades, and whether they are answered."
    )
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every visible test passes."""
        return all(question.status in ("passed", "hidden") for question in self.questions)


@dataclass(frozen=True, slots=True)
class _Ran:
    """One code cell of the notebook, the text students are given in it, and how it ran."""

    cell: NotebookNode
    blank: bool
    outcome: CellOutcome


@dataclass(frozen=True, slots=True)
class _Session:
    """What is needed to read an error: the cells by the number of their run, and the limits."""

    by_count: Mapping[int, _Ran]
    given: Handout

    @classmethod
    def of(cls, ran: list[_Ran], given: Handout) -> "_Session":
        return cls({entry.outcome.count: entry for entry in ran if entry.outcome.count}, given)


def check_work(work: Work, *, progress: Callable[[int, int], None] | None = None) -> CheckReport:
    """Run a student's notebook with the visible tests, on this machine.

    It runs in a fresh kernel and a scratch folder with the lab's files, so that nothing in the
    student's folder changes and nothing there helps that graders won't have.

    Parameters
    ----------
    work : Work
        The student's work.
    progress : callable, optional
        Called with the number of cells done and of all cells.
    """
    assembled = work.assembled()
    ran = _run(assembled.notebook, work.given, progress)
    session = _Session.of(ran, work.given)
    questions: list[QuestionReport] = []
    answers: list[_Ran] = []
    after_test = False
    for entry in ran:
        kind = cell_kind(entry.cell)
        if kind == "test":
            questions.append(_question(entry, answers, session))
        elif kind == "answer":
            answers = [entry] if after_test else [*answers, entry]
        if kind in ("test", "answer"):
            after_test = kind == "test"
    manual = {
        grade_id(cell): not is_blank(cell.source, blank.source)
        for cell, blank in zip(assembled.notebook.cells, work.given.notebook.cells, strict=True)
        if cell_kind(cell) == "manual"
    }
    return CheckReport(
        lab=work.given.lab.name,
        notebook=work.path.name,
        score=sum(question.score for question in questions),
        points=sum(question.points for question in questions if question.status != "hidden"),
        questions=tuple(questions),
        manual=manual,
        problems=(*assembled.problems, *_broken_setup(ran, session)),
    )


def _run(
    notebook: NotebookNode, given: Handout, progress: Callable[[int, int], None] | None
) -> list[_Ran]:
    pairs = [
        (cell, blank)
        for cell, blank in zip(notebook.cells, given.notebook.cells, strict=True)
        if cell.cell_type == "code"
    ]
    ran: list[_Ran] = []
    with tempfile.TemporaryDirectory(prefix="autograder-", ignore_cleanup_errors=True) as scratch:
        copy_files(given.folder, Path(scratch))
        with fresh_kernel(Path(scratch), given.lab.limits) as kernel:
            for number, (cell, blank) in enumerate(pairs):
                if progress:
                    progress(number, len(pairs))
                is_answer = cell_kind(cell) in ("answer", "manual")
                untouched = is_answer and is_blank(cell.source, blank.source)
                ran.append(_Ran(cell, untouched, kernel.run(cell.source)))
            if progress:
                progress(len(pairs), len(pairs))
    return ran


def _question(test: _Ran, answers: list[_Ran], session: _Session) -> QuestionReport:
    name = grade_id(test.cell)
    status, score, message = _verdict(test, answers, session)
    return QuestionReport(
        grade_id=name,
        title=session.given.lab.question_title(name),
        points=points(test.cell),
        score=score,
        status=status,
        message=message,
    )


def _verdict(test: _Ran, answers: list[_Ran], session: _Session) -> tuple[Status, float, str]:
    """Give a question's status, score and message."""
    broken = [answer for answer in answers if answer.outcome.status != "ok"]
    if answers and all(answer.blank for answer in answers):
        return "blank", 0.0, "not answered yet"
    if not has_code(test.cell.source):
        return "hidden", 0.0, "graded by tests that you don't see"
    if test.outcome.status == "ok":
        run = CellRun(0, grade_id(test.cell), "ok", tuple(test.outcome.outputs))
        verdict = score_cell(test.cell, run)
        status: Status = "passed" if verdict.status == "passed" else "failed"
        status = "partial" if verdict.status == "partial" else status
        return status, verdict.score or 0.0, verdict.reason
    if broken:
        said = _said(broken[0], session)
        return "failed", 0.0, f"the answer {grade_id(broken[0].cell)} doesn't run: {said}"
    return ("not-run" if test.outcome.status == "died" else "failed"), 0.0, _said(test, session)


def _broken_setup(ran: list[_Ran], session: _Session) -> list[str]:
    """Report the first given cell that fails although no answer before it does."""
    for entry in ran:
        if entry.outcome.status == "ok":
            continue
        if cell_kind(entry.cell) not in ("locked", "plain"):
            break
        name = grade_id(entry.cell) or entry.cell.source[:40]
        return [
            f"The given cell {name!r} doesn't run on this machine, so what follows may not either: "
            f"{_said(entry, session)}"
        ]
    return []


def _said(ran: _Ran, session: _Session) -> str:
    """Say in a line why a cell didn't end well."""
    match ran.outcome.status:
        case "timeout":
            seconds = session.given.lab.limits.cell_seconds
            return (
                f"still running after {seconds:g} s and stopped; look for a loop that doesn't end"
            )
        case "died":
            return "Python itself ended, here or in a cell before; look for exit() or a full memory"
    error = ran.outcome.error
    if error is None:
        return ""
    kind, text = str(error["ename"]), _first_line(str(error["evalue"]))
    if kind == "_IncompleteInputError":  # what newer Pythons call an unclosed bracket
        kind, text = "SyntaxError", "the code ends too early; is a bracket or a quote open?"
    if kind == "AssertionError":
        return text or f"this doesn't hold: {_failing_assert(ran, error)}"
    place, line = _place(error, session)
    if place is not None and place.blank and place is not ran:
        return f"needs the answer {grade_id(place.cell)}, which isn't given yet"
    if kind.endswith("SyntaxError") and place is ran:
        text, line = _syntax_error(ran.cell.source) or (text, line)
    said = f"{kind}: {text}" if text else kind
    if place is None:
        return _clip(said)
    lines = place.cell.source.split("\n")
    code = f": {lines[line - 1].strip()}" if line <= len(lines) else ""
    return f"{_clip(said)} ({grade_id(place.cell)}, line {line}{_clip(code)})"


def _syntax_error(source: str) -> tuple[str, int] | None:
    """Give Python's own words and line; IPython's are less telling where a bracket is open."""
    try:
        parse_python(source)
    except SyntaxError as error:
        return error.msg, error.lineno or 1
    except (ValueError, RecursionError, MemoryError):
        return None
    return None


def _first_line(text: str) -> str:
    lines = [line.strip() for line in _ANSI.sub("", text).split("\n") if line.strip()]
    return _clip(lines[0]) if lines else ""


def _clip(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


def _frames(error: Mapping[str, object]) -> list[tuple[int, int]]:
    trace = error.get("traceback")
    lines = trace if isinstance(trace, list) else []
    text = _ANSI.sub("", "\n".join(str(line) for line in lines))
    return [(int(count), int(line)) for count, line in _FRAME.findall(text)]


def _failing_assert(ran: _Ran, error: Mapping[str, object]) -> str:
    lines = ran.cell.source.split("\n")
    own = [line for count, line in _frames(error) if count == ran.outcome.count]
    if not own or own[0] > len(lines):
        return "an assert of the test"
    return _statement(ran.cell.source, own[0]) or lines[own[0] - 1].strip()


def _statement(text: str, line: int) -> str:
    """Give the assert at a line, in one line, without its message."""
    try:
        tree = parse_python(text)
    except SyntaxError:
        return ""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert) and node.lineno <= line <= (node.end_lineno or line):
            return _clip(ast.unparse(ast.Assert(test=node.test, msg=None)))
    return ""


def _place(error: Mapping[str, object], session: _Session) -> tuple[_Ran | None, int]:
    """Find the innermost line of the student's that was running."""
    for count, line in reversed(_frames(error)):
        entry = session.by_count.get(count)
        if entry is not None and cell_kind(entry.cell) in ("answer", "manual"):
            return entry, line
    return None, 0
