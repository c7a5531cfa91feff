"""A graded class in a terminal: who needs a person first, and what the marks rest on."""

from typing import Any

import pytest
from rich.console import Console

from autograder.results import CellResult, GradeReport, SubmissionResult
from autograder.summary import class_notes, class_table, verdict_counts, verdict_word


def cell(score: float | None, **more: Any) -> CellResult:
    status: Any = "manual" if score is None else "passed" if score == 2 else "failed"
    fields = {"grade_id": "q1_test", "room": None if score is None else "examiner"}
    return CellResult(points=2, score=score, status=status, **(fields | more))


def result(student: str, *cells: CellResult, **more: Any) -> SubmissionResult:
    score = sum(one.score or 0 for one in cells)
    fields = {"status": "graded", "needs_human": False, "score": score, "max_score": 2}
    return SubmissionResult(student=student, cells=cells, **(fields | more))


def report(*results: SubmissionResult) -> GradeReport:
    return GradeReport(lab="05_sums", engine="rooms", isolation="full", submissions=results)


def shown(given: GradeReport, width: int = 100) -> str:
    console = Console(width=width, record=True, file=None, force_terminal=False)
    with console.capture() as captured:
        console.print(class_table(given, width=width))
    return captured.get()


def test_the_order_is_kept_and_notes_say_why() -> None:
    """Who comes first in the report does so here, with the first problem beside."""
    text = shown(report(
        result("zoe", cell(0), problems=("the file is empty", "and more")),
        result("ann", cell(None), needs_human=True),
        result("bea", cell(2)),
    ))  # fmt: skip
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert list(lines)[1:5] == ["student", "zoe", "ann", "bea"]
    assert lines["zoe"].endswith("the file is empty")
    assert lines["ann"].rstrip().endswith("to grade by hand")
    assert lines["bea"].split() == ["bea", "2", "2/2"]
    assert "1 q1_test" in text


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_nothing_is_wider_than_the_terminal(width: int) -> None:
    """Long ids, long notes and many questions give way."""
    cells = [cell(2, grade_id=f"question_{n}") for n in range(8)]
    wide = result("a-very-long-student-id" * 3, *cells, problems=("x" * 300,))
    assert max(map(len, shown(report(wide), width).splitlines())) <= width


def test_names_tell_the_terminal_nothing() -> None:
    """A folder may be called anything."""
    text = shown(
        report(result("a\nb\x1b[31m", cell(0), problems=("it is \x1b]0;called\x07 that",)))
    )
    assert "\x1b" not in text
    assert "\x07" not in text
    assert r"a\nb\x1b[31m" in text


def test_a_large_class_shows_those_who_need_a_person_most() -> None:
    """The rest is in the report."""
    large = report(*(result(f"s{n:03d}", cell(2)) for n in range(75)))
    text = shown(large)
    assert "75 submissions" in text
    assert "s059" in text
    assert "s060" not in text
    assert "… and 15 more, who are in the class report." in text


def test_what_marks_rest_on_is_said() -> None:
    """Tests within reach of students' code, and what was believed; nothing when all is well."""
    fine = result("ann", cell(2), cell(None, grade_id="why"), cell(0, grade_id="not", room=None))
    assert class_notes(report(fine)) == []
    beside = cell(2, grade_id="q2_test", room="student")
    believed = cell(2, grade_id="q3_test", claims=("the length of a list",))
    notes = class_notes(report(fine, result("bea", cell(2), beside, believed)))
    assert notes[0].startswith("1 of 3 tests ran beside students' code")
    assert notes[1].startswith("q3_test: took the word of students' code")
    assert len(notes) == 2


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (result("ann", cell(2), cell(None)), "full"),
        (result("ann", cell(2), cell(0)), "part"),
        (result("ann", cell(0), cell(None)), "nothing"),
        (result("ann", cell(None), status="needs-human"), "ungraded"),
        (result("ann", cell(0), status="unreadable"), "unreadable"),
    ],
)
def test_each_verdict_has_a_word(given: SubmissionResult, word: str) -> None:
    """What the progress bar counts."""
    assert verdict_word(given) == word


def test_counts_are_in_a_fixed_order() -> None:
    """Only those that there are."""
    assert verdict_counts({"unreadable": 1, "full": 2, "part": 0}) == "2 full · 1 unreadable"
