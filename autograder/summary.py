"""A graded class as a table in the terminal, what needs a person first."""

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from autograder.printable import printable
from autograder.results import GradeReport, SubmissionResult

__all__ = ["class_notes", "class_table", "verdict_counts", "verdict_word"]

_STYLES = {
    "passed": "green",
    "partial": "yellow",
    "failed": "red",
    "not-run": "red",
    "manual": "blue",
}
_WORDS = ("full", "part", "nothing", "unreadable", "ungraded")
_MOST_ROWS = 60
_LONGEST_ID = 32
_SHORTEST_ID = 12
_SHORTEST_NOTE = 12


def class_table(report: GradeReport, *, width: int) -> RenderableType:
    """Lay out students by questions within ``width``; the questions' ids stand below.

    Of a large class only the first are shown, which are those that need a person most.
    """
    results = report.submissions[:_MOST_ROWS]
    graded = results[0].cells if results else ()
    rows = [_row(result) for result in results]
    headings = ["student", *(str(number) for number in range(1, len(graded) + 1)), "score"]
    widths = [
        max(len(heading), *(len(row[n][0]) for row in rows), 1) + 1
        for n, heading in enumerate(headings)
    ]
    longest = min(_LONGEST_ID, max(_SHORTEST_ID, width - sum(widths[1:]) - 1))
    room = width - min(widths[0], longest + 1) - sum(widths[1:])
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for heading in headings:
        table.add_column(
            heading,
            no_wrap=True,
            justify="left" if heading == "student" else "right",
            max_width=longest,
        )
    if room >= _SHORTEST_NOTE:
        table.add_column("", no_wrap=True)
    for result, row in zip(results, rows, strict=True):
        cells = [Text(text, style=style) for text, style in row]
        if room >= _SHORTEST_NOTE:
            cells.append(_note(result, room))
        table.add_row(*cells)
    legend = " · ".join(f"{n} {escape(cell.grade_id)}" for n, cell in enumerate(graded, 1))
    notes = [f"[dim]{legend}[/]", *map(escape, class_notes(report))]
    title = Text(f"{report.lab}, {len(report.submissions)} submissions", style="italic")
    return Group(title, table, *(Text.from_markup(note, emoji=False) for note in notes))


def class_notes(report: GradeReport) -> list[str]:
    """Say what the table doesn't show: who isn't in it, and what the marks rest on."""
    notes = []
    left = len(report.submissions) - _MOST_ROWS
    if left > 0:
        notes.append(f"… and {left} more, who are in the class report.")
    cells = [cell for result in report.submissions for cell in result.cells]
    ran = [cell for cell in cells if cell.room is not None]
    beside = {cell.grade_id for cell in ran if cell.room != "examiner"}
    if beside:
        every = len({cell.grade_id for cell in ran})
        notes.append(
            f"{len(beside)} of {every} tests ran beside students' code, which can see and change "
            "them there; the report lists them."
        )
    believed = {cell.grade_id for cell in ran if cell.claims}
    if believed:
        notes.append(
            f"{', '.join(sorted(believed))}: took the word of students' code for something, or "
            "asked what can't be told out of its reach; the class report says what."
        )
    return notes


def _row(result: SubmissionResult) -> list[tuple[str, str]]:
    scores = [
        ("…" if cell.score is None else f"{cell.score:g}", _STYLES[cell.status])
        for cell in result.cells
    ]
    total = (f"{result.score:g}/{result.max_score:g}", "bold")
    return [(printable(result.student), ""), *scores, total]


def _note(result: SubmissionResult, room: int) -> Text:
    text, style = "", "yellow"
    if result.problems:
        text = printable(result.problems[0])
    elif result.needs_human:
        text, style = "to grade by hand", "blue"
    return Text(text if len(text) <= room else f"{text[: room - 1]}…", style=style)


def verdict_word(result: SubmissionResult) -> str:
    """Put one student's verdict into a word, to be counted."""
    if result.status == "unreadable":
        return "unreadable"
    if result.cells and all(cell.score is None for cell in result.cells):
        return "ungraded"
    if all(cell.score in (None, cell.points) for cell in result.cells):
        return "full"
    return "nothing" if result.score == 0 else "part"


def verdict_counts(counts: Mapping[str, int]) -> str:
    """Say in a few words how many verdicts there are of each kind.

    Examples
    --------
    >>> verdict_counts({"part": 2, "full": 3, "unreadable": 0})
    '3 full · 2 part'
    """
    return " · ".join(f"{counts[word]} {word}" for word in _WORDS if counts.get(word))
