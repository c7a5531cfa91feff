"""A graded class as a table in the terminal, what needs a person first."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from autograder.results import GradeReport, SubmissionResult

__all__ = ["class_table", "verdict_counts"]

_STYLES = {
    "passed": "green",
    "partial": "yellow",
    "failed": "red",
    "not-run": "red",
    "manual": "blue",
}
_LONGEST_ID = 32
_SHORTEST_ID = 12
_SHORTEST_NOTE = 12


def class_table(report: GradeReport, *, width: int) -> RenderableType:
    """Lay out students by questions within ``width``; the questions' ids stand below."""
    results = report.submissions
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
    table.title = f"{report.lab}, {len(results)} submissions"
    table.title_justify = "left"
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
    return Group(table, Text.from_markup(f"[dim]{legend}[/]"))


def _row(result: SubmissionResult) -> list[tuple[str, str]]:
    scores = [
        ("…" if cell.score is None else f"{cell.score:g}", _STYLES[cell.status])
        for cell in result.cells
    ]
    total = (f"{result.score:g}/{result.max_score:g}", "bold")
    return [(result.student, ""), *scores, total]


def _note(result: SubmissionResult, room: int) -> Text:
    text, style = "", "yellow"
    if result.problems:
        text = result.problems[0]
    elif result.needs_human:
        text, style = "to grade by hand", "blue"
    return Text(text if len(text) <= room else f"{text[: room - 1]}…", style=style)


def verdict_counts(results: Sequence[SubmissionResult]) -> str:
    """Say in a few words how many verdicts there are of each kind.

    Examples
    --------
    >>> verdict_counts([])
    ''
    """
    full = sum(all(c.score in (None, c.points) for c in r.cells) for r in results)
    zero = sum(r.score == 0 and r.status != "unreadable" for r in results)
    unreadable = sum(r.status == "unreadable" for r in results)
    part = len(results) - full - zero - unreadable
    counts = {"full": full, "part": part, "nothing": zero, "unreadable": unreadable}
    return " · ".join(f"{count} {name}" for name, count in counts.items() if count)
