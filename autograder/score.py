"""From what a cell did to the points it earns: pure, and closed where nbgrader is open.

nbgrader's rules hold (an error or anything on stderr earns nothing, a number at the end of a test
cell is partial credit, an untouched manual answer earns nothing), with these deliberate
differences:

==============================================  =====================  ========================
a test cell …                                   nbgrader               here
==============================================  =====================  ========================
shows ``nan``, ``inf`` or a negative number     full points            0, with a reason
shows more than its points                      grading stops          0, with a reason
shows something that isn't a number             full points            0, with a reason
shows a NumPy number                            full points            that number
shows its number before it writes to stderr     that number            0, with a reason
didn't run, or its process died                 full points or stop    0, with a reason
==============================================  =====================  ========================

A cell that shows no number where the teacher ran it either, as the outputs in the teacher's
notebook say, ends with something to look at: it earns full points, as in nbgrader.
"""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from nbformat import NotebookNode

from autograder.engine import CellRun
from autograder.failing_line import said_by_teacher
from autograder.hidden_regions import hidden_lines
from autograder.notebook import cell_kind, grade_id, points
from autograder.release import hint_at
from autograder.results import CellResult
from autograder.time_limit import THREADS_WAIT

__all__ = ["BE_PLAIN", "HIDDEN_FAILED", "WAITING", "redacted", "score_cell", "unscored"]

HIDDEN_FAILED = "A hidden test of this question failed."
RUN_IT = "(Run your own copy to see what came out.)"
BE_PLAIN = (
    "(The test works with plain data: numbers, text, lists, dicts, arrays, frames. "
    "Let your code give such data.)"
)
ON_STDERR = "where a warning, a log or a traceback counts as a failure"
WAITING = "Threads of the answer use what the test lends them, and wait for one another."
VALUE_AT_END = (
    "What a test cell shows at its end is its points; for the teacher: where none are meant, "
    "let the cell end with an assertion."
)
MAX_REASON = 500
_NUMPY_NUMBER = re.compile(r"np\.(?:float|int|uint)\d+\((.+)\)")
_NOT_PLAIN = "HandleError"
_SHORTEST_SECRET = 8
_NOTE = "Note: "
_UNPLACED = "A check of this question failed."


def score_cell(
    cell: NotebookNode, run: CellRun | None, *, is_blank: bool = False, after_hidden: bool = False
) -> CellResult:
    """Turn one graded cell's run into its verdict.

    Parameters
    ----------
    cell : NotebookNode
        The teacher's cell, with its hidden tests.
    run : CellRun or None
        What happened to it; None where nothing did.
    is_blank : bool, default=False
        Whether a manual answer is still what students were given.
    after_hidden : bool, default=False
        Whether a hidden test of a cell before this one ran: answers may know what it called
        them with, so nothing that they computed is quoted.

    Returns
    -------
    CellResult
        Its reason never holds a line of a hidden test, nor what one gave to an answer.
    """
    if cell_kind(cell) in ("manual", "task"):
        return _manual(cell, is_blank=is_blank and cell_kind(cell) == "manual")
    if run is None:
        return _verdict(cell, 0.0, "not-run", "The test didn't run.")
    match run.status:
        case "ok":
            return _finished(cell, run, after_hidden or bool(hidden_lines(cell.source)))
        case "error":
            return _verdict(cell, 0.0, "failed", _failure(cell, run, after_hidden), run)
        case "timeout":
            waits = f" {WAITING}" if THREADS_WAIT in run.message else ""
            return _verdict(cell, 0.0, "failed", f"The test took longer than it may.{waits}", run)
        case "died":
            reason = "The notebook's process ended before the test was finished."
        case _:
            reason = "The test didn't run, because an earlier cell ended it all."
    # How a process ends is the answer's to choose, by what a hidden test called it with, say.
    told = "" if after_hidden or hidden_lines(cell.source) else run.message
    return _verdict(cell, 0.0, "not-run", told or reason, run)


def unscored(cell: NotebookNode, reason: str) -> CellResult:
    """Give the verdict on a graded cell of a submission that couldn't be run at all."""
    return _verdict(cell, 0.0, "not-run", reason)


def _manual(cell: NotebookNode, *, is_blank: bool) -> CellResult:
    if is_blank:
        return _verdict(cell, 0.0, "failed", "No answer was given.")
    return CellResult(
        grade_id=grade_id(cell),
        points=points(cell),
        score=None,
        status="manual",
        reason="Waits for a person to grade it.",
    )


def _finished(cell: NotebookNode, run: CellRun, untold: bool) -> CellResult:
    for output in run.outputs:
        kind = output.get("output_type")
        if kind == "error":
            return _verdict(cell, 0.0, "failed", "The test ended with an error.", run)
        if kind == "stream" and output.get("name") == "stderr":
            first = _first_line(_text(output.get("text", "")))
            said = f": {first}." if first and not untold else f", {ON_STDERR}. {RUN_IT}"
            return _verdict(cell, 0.0, "failed", f"The test wrote to stderr{said}", run)
    results = [output for output in run.outputs if _is_result(output)]
    if results:
        return _partial(cell, results[0], run, untold)
    return _verdict(cell, points(cell), "passed", "", run)


def _partial(
    cell: NotebookNode, output: Mapping[str, Any], run: CellRun, untold: bool
) -> CellResult:
    worth = points(cell)
    data = output.get("data")
    shown = _text(data.get("text/plain", "")).strip() if isinstance(data, Mapping) else ""
    number = _number(shown)
    first = "" if untold else _first_line(shown)
    if number is None and _is_display(cell):
        return _verdict(cell, worth, "passed", "", run)
    if number is None:
        seen = f": {first}." if first else "."
        reason = f"The test's result isn't a number{seen} {VALUE_AT_END}"
    elif not math.isfinite(number) or not 0 <= number <= worth:
        seen = f", {first}," if first else ""
        reason = f"The test's result{seen} isn't between 0 and {worth:g}. {VALUE_AT_END}"
    else:
        status = "passed" if number == worth else "partial" if number > 0 else "failed"
        reason = "" if number == worth else f"Partial credit: {number:g} of {worth:g}."
        return _verdict(cell, number, status, reason, run)
    return _verdict(cell, 0.0, "failed", reason, run)


def _is_display(cell: NotebookNode) -> bool:
    """Say whether the teacher's own run, if its outputs were kept, showed no number either.

    Such a cell ends with something to look at, and not with points.
    """
    kept = [o.get("data", {}) for o in cell.get("outputs", ()) if _is_result(o)]
    return bool(kept) and all(_number(_text(data.get("text/plain", ""))) is None for data in kept)


def _is_result(output: Mapping[str, Any]) -> bool:
    return output.get("output_type") == "execute_result"


def _number(shown: str) -> float | None:
    inner = _NUMPY_NUMBER.fullmatch(shown)
    try:
        return float(inner[1] if inner else shown)
    except ValueError:
        return None


def _failure(cell: NotebookNode, run: CellRun, after_hidden: bool) -> str:
    """Say why a test failed: its own message if students may see that test, else its hint."""
    hidden = hidden_lines(cell.source)
    if hidden and (run.line is None or run.line in hidden):
        hint = hint_at(cell.source, run.line) if run.line is not None else ""
        return f"{HIDDEN_FAILED} {hint}".strip()
    # Beside the answers, a test's whole text is there to be read before its first line has run.
    is_read = bool(hidden) and run.room != "examiner"
    if after_hidden or is_read or any(number < (run.line or 0) for number in hidden):
        advice = BE_PLAIN if run.error == _NOT_PLAIN else RUN_IT
        return f"{said_by_teacher(cell.source, run.line) or _UNPLACED} {advice}"
    message = _first_line(run.message)
    if run.error == "AssertionError":
        said = said_by_teacher(cell.source, run.line) or "An assertion of this question isn't true."
        is_note = message.startswith(_NOTE)
        return f"{said} {message}" if is_note else message or said
    return f"{run.error}: {message}" if message else run.error


def _verdict(
    cell: NotebookNode, score: float, status: Any, reason: str, run: CellRun | None = None
) -> CellResult:
    return CellResult(
        grade_id=grade_id(cell),
        points=points(cell),
        score=score,
        status=status,
        reason=_without_secrets(cell, reason)[:MAX_REASON],
        room=run.room if run and run.status != "not-run" else None,
    )


def _without_secrets(cell: NotebookNode, reason: str) -> str:
    return HIDDEN_FAILED if reason and redacted(reason, [cell]) != reason else reason


def redacted(text: str, cells: Iterable[NotebookNode], *, asserts_only: bool = False) -> str:
    """Replace every line of ``text`` that holds a line of a hidden test of ``cells``.

    Hints are for students, so they stay; so does what students can read in the lab anyway.

    Parameters
    ----------
    text : str
        What is to be shown.
    cells : iterable of NotebookNode
        The teacher's cells.
    asserts_only : bool, default=False
        Leave hidden lines that assert nothing: for students' own code, where ordinary lines are
        often the same.
    """
    hidden, shown = _teachers_lines(cells)
    secrets = {
        line
        for line in hidden
        if not line.startswith("#")
        and len(line) >= _SHORTEST_SECRET
        and ("assert" in line or not asserts_only)
        and line not in shown
    }
    lines = text.split("\n")
    return "\n".join(
        "[removed]" if any(secret in line for secret in secrets) else line for line in lines
    )


def _teachers_lines(cells: Iterable[NotebookNode]) -> tuple[set[str], str]:
    """Give the hidden lines, and as one text the lines that students get to read."""
    secret: set[str] = set()
    shown: list[str] = []
    for cell in cells:
        hidden = hidden_lines(cell.source)
        for number, line in enumerate(cell.source.split("\n"), 1):
            if number in hidden:
                secret.add(line.strip())
            elif cell_kind(cell) in ("test", "locked", "plain"):
                shown.append(line)
    return secret, "\n".join(shown)


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.split("\n") if line.strip()), "")


def _text(value: Any) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else str(value)
