"""A page for each student: points, hints and comments, and nothing that is the teacher's alone."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from autograder.errors import CourseError
from autograder.feedback import feedback_page, write_feedback
from autograder.grade import grade_class, read_records
from autograder.gradebook import HandGrade
from autograder.teacher import open_lab

LAB = "05_sums"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"pixels").decode()
NEGATIVE = "def add(a, b):\n    return abs(a + b) if isinstance(a, int) else a + b"


class Page(HTMLParser):
    """What a browser would make of a page: text, tags that are open, and their attributes."""

    VOID = ("meta", "img", "br", "path", "use", "rect")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, HandGrade]]:
    """What people graded by hand: filled in by a test."""
    by_hand: dict[str, dict[str, HandGrade]] = {}
    monkeypatch.setattr("autograder.feedback.read_hand_grades", lambda course, lab: by_hand)
    monkeypatch.setattr("autograder.publish.write_marks", lambda *parts: None)
    return by_hand


@pytest.fixture
def page_of(
    small_course: Any, fake_engine: Any, hands: Any, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Hand in, grade, and read the page."""

    def page(answers: Any = None, student: str = "ann") -> str:
        small_course.hand_in(student, answers)
        grade_class(small_course.course, LAB, engine=fake_engine, workers=1)
        paths = write_feedback(small_course.course, "05")
        path = small_course.root / "feedback" / student / LAB / f"{LAB}.html"
        assert path in paths
        return path.read_text("utf-8")

    return page


def test_points_titles_and_hints_are_on_the_page(page_of: Any) -> None:
    """What was earned for each question, and why not more."""
    page = Page(page_of({"q1": NEGATIVE}))
    assert page.open == []
    assert "Feedback for ann" in page.text
    assert "2 of 8 points, 3 more to be graded by a person" in page.text
    assert "Add two numbers 0 / 3 ✗ not yet A hidden test of this question failed." in page.text
    assert "Try numbers below zero." in page.text
    assert "q2_test 2 / 2 ✓ passed" in page.text
    assert "why … / 2 … waits for a person" in page.text


def test_an_assertion_that_students_see_is_quoted(page_of: Any) -> None:
    """Its message, and under the question the test as it was handed out."""
    page = Page(page_of({"q1": "def add(a, b):\n    return 42"}))
    assert "Add the two numbers." in page.text
    assert 'assert add(1, 2) == 3, "Add the two numbers."' in page.text


@pytest.mark.parametrize(
    "answer",
    [
        NEGATIVE,
        "import os\ndef add(a, b):\n    return 42",
        'print(\'assert add("a", "b") == "ab", "hidden words"\')\ndef add(a, b): return 1',
        "raise ValueError('x assert isinstance(total, int), \"hidden kind\"')",
        '# assert add(-1, -2) == -3, "hidden negative sum"\ndef add(a, b): return 1',
    ],
)
def test_no_page_tells_a_secret(page_of: Any, secrets: tuple[str, ...], answer: str) -> None:
    """No solution, hidden test, hint's mark or marking scheme, however the work tries."""
    html = page_of({"q1": answer, "why": "Because."})
    text = Page(html).text.replace("A hidden test of this question failed.", "")
    assert [word for word in secrets if word in text] == []


def test_what_students_write_is_text(page_of: Any) -> None:
    """Tags in answers, outputs, errors and names stay words."""
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    html = page_of({
        "q1": f"print('{evil}')\nshow({{'text/html': '{evil}', 'text/plain': '{evil}'}})\n"
        f"raise ValueError('{evil}')",
        "why": evil,
    })  # fmt: skip
    page = Page(html)
    assert page.text.count("<script>alert(1)</script>") >= 4
    assert {tag for tag, _ in page.tags} & {"script", "img", "iframe", "object"} == set()
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)


def test_control_sequences_of_terminals_are_taken_out(page_of: Any) -> None:
    """Colours of a traceback are no text."""
    page = Page(page_of({"q1": "print('\\x1b[31mred\\x1b[0m')"}))
    assert "red" in page.text
    assert "\x1b" not in page.text


def test_a_page_shows_all_that_a_text_holds(page_of: Any) -> None:
    """What turns a line round, or can't be seen, is made visible; lines and tabs stay."""
    html = page_of({"q1": "# \u202eevil\u2066 \u200b\x07\n\tpass", "why": "a\rb"})
    assert not re.search("[\u202e\u2066\u200b\x07\r]", html)
    assert html.count("\N{REPLACEMENT CHARACTER}") >= 4
    assert "\n\tpass" in html
    assert "a\nb" in html


@pytest.mark.parametrize(
    ("data", "is_shown"),
    [
        ({"image/png": PNG}, True),
        ({"image/png": PNG[:8] + "\n" + PNG[8:]}, True),
        ({"image/png": base64.b64encode(b"<svg onload=alert(1)>").decode()}, False),
        ({"image/png": '" onerror="alert(1)'}, False),
        ({"image/png": ""}, False),
        ({"image/svg+xml": "<svg onload='alert(1)'/>"}, False),
        ({"text/html": "<img src=x>"}, False),
    ],
)
def test_a_picture_is_shown_only_if_it_is_one(page_of: Any, data: Any, is_shown: bool) -> None:
    """PNG by its bytes; nothing else that a browser would interpret."""
    page = Page(page_of({"q1": f"show({data!r})"}))
    images = [attrs for tag, attrs in page.tags if tag == "img"]
    assert [image["src"] for image in images] == (
        [f"data:image/png;base64,{PNG}"] if is_shown else []
    )
    assert all(image["alt"] for image in images)


def test_a_long_output_is_cut(page_of: Any) -> None:
    """A page stays a page."""
    assert len(page_of({"q1": "print('x' * 500_000)"})) < 60_000


def test_what_a_cell_shows_after_a_hidden_test_is_not_repeated(page_of: Any) -> None:
    """An answer could keep what a hidden test called it with, and print it later."""
    kept = "seen = []\ndef add(a, b):\n    seen.append((a, b))\n    return a + b\nprint('early')"
    page = Page(page_of({"q1": kept, "q2": "print(f'kept {seen}')\n"}))
    assert "early" in page.text
    assert "kept [" not in page.text
    assert "isn't repeated here: run your own copy" in page.text


def test_an_error_raised_after_a_hidden_test_is_not_repeated(page_of: Any) -> None:
    """Neither its words nor its name: both can carry what the hidden test called."""
    kept = "seen = []\ndef add(a, b):\n    seen.append((a, b))\n    return a + b"
    teller = (
        "class Total:\n"
        "    def __eq__(self, other):\n"
        "        name = 'Kept' + '_'.join(f'{a}and{b}' for a, b in seen)\n"
        "        raise type(name, (Exception,), {})(f'kept {seen}')\n"
        "total = Total()"
    )
    text = page_of({"q1": kept, "q2": teller})
    assert re.search(r"Kept-?\d", text) is None
    assert "kept [" not in text
    assert "Run your own copy" in text


def test_what_a_person_graded_and_wrote_is_shown(page_of: Any, hands: Any) -> None:
    """Their score replaces the automatic one, in the sum as well."""
    hands["ann"] = {
        "why": HandGrade(1.5, "Well <b>said</b>."),
        "q1_test": HandGrade(2, ""),
        "q2_test": HandGrade(None, "Nearly."),
    }
    page = Page(page_of({"q1": NEGATIVE}))
    assert "5.5 of 8 points, 1 more to be graded by a person" in page.text
    assert "Well <b>said</b>." in page.text
    assert "Nearly." in page.text
    assert "why 1.5 / 2 ✓ graded by hand" in page.text
    assert "Add two numbers 2 / 3 ✓ graded by hand" in page.text


def test_unreadable_work_gets_advice(page_of: Any) -> None:
    """What was found, and what to do next."""
    page = Page(page_of(b"{"))
    assert "isn't valid JSON" in page.text
    assert "autograder check 05_sums" in page.text
    assert "0 of 8 points" in page.text
    assert not any(attrs.get("href") for tag, attrs in page.tags if tag == "a")


def test_work_that_cant_be_shown_keeps_nobody_from_their_page(
    page_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has made up such work gets the points alone."""

    def redacted(text: str, *given: Any, **named: Any) -> str:
        if "made up" in text:
            raise RecursionError(text)
        return text

    monkeypatch.setattr("autograder.feedback.redacted", redacted)
    odd = Page(page_of({"q1": f"{NEGATIVE}  # made up"}))
    assert "of 8 points" in odd.text
    assert "def add" not in odd.text
    assert "def add" in Page(page_of({"q1": NEGATIVE}, "bea")).text


def test_the_same_work_gives_the_same_bytes(page_of: Any) -> None:
    """Nothing of the clock is on the page."""
    assert page_of({"q1": NEGATIVE}) == page_of({"q1": NEGATIVE})


def test_the_page_asks_nothing_of_the_network(page_of: Any) -> None:
    """No link, script or font from elsewhere, and a policy that would refuse them."""
    page = Page(page_of())
    assert all(
        (attrs.get(key) or "#").startswith(("#", "data:"))
        for _, attrs in page.tags for key in ("src", "href")
    )  # fmt: skip
    policy = [a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a]
    assert policy
    assert policy[0].startswith("default-src 'none'")


def test_folders_that_are_no_students_get_no_page(page_of: Any, small_course: Any) -> None:
    """Their names can't be used for paths."""
    small_course.hand_in("a,b")
    page_of()
    assert [path.name for path in (small_course.root / "feedback").iterdir()] == ["ann"]


def test_work_that_was_not_graded_since_is_named(page_of: Any, small_course: Any) -> None:
    """Feedback waits for grading."""
    page_of()
    small_course.hand_in("bea")
    with pytest.raises(CourseError, match="bea handed in 05_sums"):
        write_feedback(small_course.course, "05")


def test_a_lab_without_settings_has_pages_too(
    page_of: Any, small_course: Any, fake_engine: Any
) -> None:
    """Questions are then called by their ids."""
    (small_course.root / "source" / LAB / "lab.toml").unlink()
    page = Page(page_of())
    assert "q1_test 3 / 3" in page.text
    teacher = open_lab(small_course.course, LAB)
    record = read_records(small_course.course, LAB)[0]
    text = feedback_page(teacher, record, title="T", titles={"q1_test": "Sums"}, by_hand={})
    assert "Sums" in text
    assert str(Path.home()) not in text
