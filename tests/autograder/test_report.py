"""The class report: numbers that add up, pictures that say what they show, nothing unescaped."""

import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from typing import Any

import pytest

from autograder.course import Course
from autograder.report import write_report
from autograder.results import CellResult, GradeReport, SubmissionResult


def cell(name: str, worth: float, score: float | None) -> CellResult:
    status: Any = "manual" if score is None else "passed" if score == worth else "failed"
    status = "partial" if score and score < worth else status
    room: Any = None if score is None else "shared"
    return CellResult(grade_id=name, points=worth, score=score, status=status, room=room)


def result(student: str, *scores: float | None, **more: Any) -> SubmissionResult:
    cells = tuple(
        cell(name, worth, score)
        for (name, worth), score in zip(
            [("q1_test", 3), ("q2_test", 2), ("why", 2)], scores, strict=True
        )
    )
    fields = {"status": "graded", "needs_human": False, "max_score": 7,
              "score": sum(score or 0 for score in scores)}  # fmt: skip
    return SubmissionResult(student=student, cells=cells, **(fields | more))


CLASS = (
    result("zoe", 0, 0, 0, status="unreadable", problems=("the <file> is empty",)),
    result("$a_<b>$", 3, 2, None),
    result("bea", 1.5, 2, None),
)


def reported(*results: SubmissionResult, isolation: str = "process") -> GradeReport:
    return GradeReport(lab="05_sums", engine="fake", isolation=isolation, submissions=results)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """As much of a course as the report reads."""
    root = tmp_path_factory.mktemp("course")
    (root / "source" / "05_sums").mkdir(parents=True)
    (root / "source" / "05_sums" / "lab.toml").write_text(
        'title = "Sums & co"\n[questions.q1_test]\ntitle = "Add two numbers"\n'
    )
    return Course.open(root)


@pytest.fixture(scope="module")
def html(course: Course) -> str:
    path = write_report(course, reported(*CLASS))
    assert path == course.root / "reports" / "05_sums.html"
    return path.read_text("utf-8")


class Words(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.in_cell = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self.in_cell = self.in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.in_cell:
            self.rows[-1][-1] += data.strip()


def test_the_numbers_are_those_of_the_class(html: str) -> None:
    """Mean, median, full marks and none; each student's points by question."""
    rows = Words(html).rows
    assert ["Mean", "2.833 of 7", "Median", "3.5"] in rows
    assert ["Full automatic marks", "1", "Nothing earned", "1"] in rows
    assert ["bea", "graded", "1.5", "2", "…", "3.5"] in rows
    assert ["$a_<b>$", "graded", "3", "2", "…", "5"] in rows
    assert "2 answers wait to be graded by hand" in html


def test_who_needs_a_person_is_listed(html: str) -> None:
    """With what was found, as text."""
    assert ["zoe", "unreadable", "the <file> is empty"] in Words(html).rows
    assert "<file>" not in html


def test_pictures_say_what_they_show(html: str) -> None:
    """A description for those who don't see them, and drawings that are well-formed."""
    labels = [a["aria-label"] or "" for t, a in Words(html).tags if a.get("role") == "img"]
    assert len(labels) == 3
    assert "from 0 to 5 of 7 points; the median is 3.5" in labels[0]
    assert "Fewest full points: Add two numbers, 1 of 3 students" in labels[1]
    assert "3 students by 3 questions" in labels[2]
    parts = html.split("<svg")[1:]
    for part in parts:
        ET.fromstring("<svg" + part.split("</svg>")[0] + "</svg>")
    assert len(parts) == 3


def test_weak_isolation_is_said(html: str, course: Course) -> None:
    """By name, with what it means; only where students' code wasn't confined."""
    warning = "Students’ code wasn’t confined."
    assert warning in html
    assert "With isolation “process” a submission can read" in html
    for strong in ("full", "bubblewrap", "landlock"):
        text = write_report(course, reported(*CLASS, isolation=strong)).read_text("utf-8")
        assert warning not in text
        assert f"isolation: {strong}" in text


def in_room(result: SubmissionResult, name: str, room: Any, *claims: str) -> SubmissionResult:
    """Say where one cell's test ran, and what it believed."""
    cells = tuple(
        c.model_copy(update={"room": room, "claims": claims}) if c.grade_id == name else c
        for c in result.cells
    )
    return result.model_copy(update={"cells": cells})


def test_where_tests_ran_is_said(course: Course) -> None:
    """Each that students' code could get at is listed; nothing is, when none could."""
    ann = in_room(result("ann", 3, 2, 0), "why", None)
    for name in ("q1_test", "q2_test"):
        ann = in_room(ann, name, "examiner")
    strong = write_report(course, reported(ann, isolation="full")).read_text("utf-8")
    assert "All 2 tests ran in the examiner’s room" in strong
    weak = in_room(ann, "q1_test", "student")
    text = write_report(course, reported(weak, isolation="full")).read_text("utf-8")
    assert "1 of 2 tests ran where the student’s code could see and change them" in text
    rows = Words(text).rows
    place = "student’s room: beside the student’s code, which is confined"
    assert ["Add two numbers", "q1_test", place] in rows
    assert not any("q2_test" in row and place in row for row in rows)


def test_the_weakest_place_of_a_test_counts(course: Course) -> None:
    """Should a class have been graded in several."""
    strong, weak = result("ann", 3, 2, None), result("bea", 3, 2, None)
    strong = in_room(strong, "q1_test", "examiner")
    weak = in_room(weak, "q1_test", "student")
    text = write_report(course, reported(strong, weak, isolation="full")).read_text("utf-8")
    rows = [row for row in Words(text).rows if row[:2] == ["Add two numbers", "q1_test"]]
    assert rows == [["Add two numbers", "q1_test",
                     "student’s room: beside the student’s code, which is confined"]]  # fmt: skip


def test_what_was_believed_is_listed_by_frequency(course: Course) -> None:
    """With whose code said so, and escaped: the words may be the student's."""
    many = [in_room(result(name, 3, 2, None), "q1_test", "examiner", "isinstance said <True>")
            for name in ("ann", "bea", "cyd", "dan")]  # fmt: skip
    lone = in_room(result("eve", 3, 2, None), "q2_test", "examiner", "len said 3")
    text = write_report(course, reported(lone, *many, isolation="full")).read_text("utf-8")
    rows = Words(text).rows
    first = ["Add two numbers", "isinstance said <True>", "4", "ann, bea, cyd, …"]
    second = ["q2_test", "len said 3", "1", "eve"]
    assert rows.index(first) < rows.index(second)
    assert "<True>" not in text
    assert "What was believed" not in write_report(course, reported(*CLASS)).read_text("utf-8")


def test_a_small_class_with_long_names_is_drawn(course: Course) -> None:
    """Labels are shortened where they would leave no room for the drawing, also where alike."""
    long = "notebook_of_the_second_week/a_question_with_a_long_name_"
    cells = tuple(cell(f"{long}{n}", 1, n % 2) for n in range(9))
    ann = result("ann" * 20, 0, 0, 0).model_copy(update={"cells": cells})
    text = write_report(course, reported(ann)).read_text("utf-8")
    assert text.count(f"{long}8") >= 1


def test_the_same_class_gives_the_same_bytes(html: str, course: Course) -> None:
    """Whatever order the verdicts came in."""
    again = write_report(course, reported(*CLASS)).read_text("utf-8")
    assert again == html


def test_a_class_of_one_with_nothing_can_be_drawn(course: Course) -> None:
    """The smallest class, a lab worth nothing, no graded answers."""
    lone = result("ann", 0, 0, 0).model_copy(update={"max_score": 0})
    assert "ann" in write_report(course, reported(lone)).read_text("utf-8")
