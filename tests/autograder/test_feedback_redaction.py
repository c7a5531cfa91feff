"""What is taken off a student's page is the teacher's secret, never the student's own words."""

import html
from typing import Any

import pytest

from autograder.feedback import write_feedback
from autograder.grade import grade_class
from autograder.notebook import write_notebook
from autograder.score import redacted

LAB = "05_sums"
HIDDEN = "assert isinstance(total, int)"


@pytest.fixture
def page_of(small_course: Any, fake_engine: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Hand in, grade, and read the page."""
    monkeypatch.setattr("autograder.publish.write_marks", lambda *parts: None)
    monkeypatch.setattr("autograder.feedback.read_hand_grades", lambda *parts: {})

    def page(answers: dict[str, str]) -> str:
        small_course.hand_in("ann", answers)
        grade_class(small_course.course, LAB, engine=fake_engine, workers=1)
        (path,) = write_feedback(small_course.course, LAB)
        return path.read_text("utf-8")

    return page


def test_students_own_code_is_shown_as_they_wrote_it(page_of: Any, small_course: Any) -> None:
    """Even where a hidden test has the same line: most set-up lines are anybody's."""
    test = next(cell for cell in small_course.source.cells if "hidden kind" in cell.source)
    line = "numbers = sorted({3, 1, 2})"
    test["source"] = test.source.replace("assert isinstance", f"{line}\nassert isinstance")
    write_notebook(small_course.source, small_course.course.source(LAB))
    text = html.unescape(page_of({"q2": f"{line}\ntotal = add(20, 22)"}))
    assert line in text
    assert "[removed]" not in text


def test_an_output_with_a_hidden_line_loses_that_line(page_of: Any) -> None:
    """Code that reads the tests as they run can print them."""
    half = "'assert isinstance(tot' + 'al, int), \"hidden kind\"'"
    text = page_of({"q1": f"def add(a, b): return a + b\nprint('before')\nprint({half})"})
    assert "before" in text
    assert HIDDEN not in text
    assert "[removed]" in text


def test_a_hidden_line_that_students_can_read_anyway_is_no_secret(small_course: Any) -> None:
    """Part of a visible line, such as a name in quotes, would otherwise black out half a page."""
    test = next(cell for cell in small_course.source.cells if "hidden kind" in cell.source)
    test["source"] = (
        'assert find("environment") == 1, "Look."\n'
        '### BEGIN HIDDEN TESTS\nnames = [\n    "the weather",\n    "environment"\n]\n'
        "### END HIDDEN TESTS"
    )
    text = 'x = {"environment": 2}\ny = ["the weather", 1]'
    assert redacted(text, small_course.source.cells) == 'x = {"environment": 2}\n[removed]'


def test_a_solution_is_not_what_students_can_read(small_course: Any) -> None:
    """A hidden line that stands in a reference answer too is still hidden."""
    test = next(cell for cell in small_course.source.cells if "hidden kind" in cell.source)
    test["source"] = "### BEGIN HIDDEN TESTS\nsecret_sum = a + b\n### END HIDDEN TESTS"
    assert redacted("secret_sum = a + b", small_course.source.cells) == "[removed]"
