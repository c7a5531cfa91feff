"""Handing in: what is missing is said, what is packed is exactly the work."""

import errno
import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from nbgrader.utils import parse_utc

from autograder.archive import extract
from autograder.course import Course
from autograder.errors import CourseError, SubmissionError
from autograder.notebook import grade_id, read_notebook, write_notebook
from autograder.release import build_course
from autograder.start import start_lab
from autograder.submit import hand_in, pack
from autograder.work import open_work

RunAutograder = Callable[..., tuple[int, str, str]]


@pytest.fixture
def course(small_labs: Path, tmp_path: Path) -> Course:
    build_course(small_labs, tmp_path / "course")
    return Course.open(tmp_path / "course")


@pytest.fixture
def desk(course: Course, tmp_path: Path) -> Path:
    """A student's folder with the lab begun in it."""
    (tmp_path / "desk").mkdir()
    start_lab("05", here=tmp_path / "desk", origin=str(course.root), student="jane")
    return tmp_path / "desk" / "05_sums"


def answer(desk: Path, texts: Mapping[str, str]) -> None:
    notebook = read_notebook(desk / "05_sums.ipynb")
    for cell in notebook.cells:
        cell["source"] = texts.get(grade_id(cell), cell.source)
    write_notebook(notebook, desk / "05_sums.ipynb")


def test_the_zip_holds_the_notebook_as_it_is_and_a_manifest(desk: Path, tmp_path: Path) -> None:
    """Unpacked into submitted/ID/ it is what nbgrader wants; the hash is of the notebook."""
    answer(desk, {"q1": "def add(a, b): return a + b"})
    raw = (desk / "05_sums.ipynb").read_bytes()
    with open_work("05", here=desk) as work:
        packed = pack(work)
    assert packed.path == desk / "05_sums-submission.zip"
    assert packed.unanswered == ("q2", "why")
    folder = extract(packed.path, tmp_path / "out")
    assert sorted(path.name for path in folder.rglob("*")) == [
        "05_sums", "05_sums.ipynb", "submission.json",
    ]  # fmt: skip
    assert (folder / "05_sums" / "05_sums.ipynb").read_bytes() == raw
    assert json.loads((folder / "05_sums" / "submission.json").read_text()) == {
        "version": 1,
        "lab": "05_sums",
        "student": "jane",
        "sha256": hashlib.sha256(raw).hexdigest(),
        "unanswered": ["q2", "why"],
    }


def test_the_same_work_gives_the_same_bytes(desk: Path) -> None:
    """Packing again, at another time, changes nothing."""
    with open_work("05", here=desk) as work:
        first = pack(work).path.read_bytes()
        os.utime(desk / "05_sums.ipynb", (1, 1))
        assert pack(work).path.read_bytes() == first


def test_changes_that_the_grader_will_undo_are_said(desk: Path) -> None:
    """A changed test is no reason not to hand in, but one to look again."""
    answer(desk, {"q1_test": "pass"})
    with open_work("05", here=desk) as work:
        assert "test cell q1_test was changed" in pack(work).problems[0]


def test_work_goes_straight_into_a_course(desk: Path, course: Course) -> None:
    """As nbgrader collects it: the notebook, and a time that nbgrader reads as now."""
    for text in ("total = 1", "total = 2"):
        answer(desk, {"q2": text})
        with open_work("05", here=desk) as work:
            done = hand_in(work, course)
    assert done.path == course.root / "submitted" / "jane" / "05_sums"
    assert sorted(path.name for path in done.path.iterdir()) == ["05_sums.ipynb", "timestamp.txt"]
    assert (done.path / "05_sums.ipynb").read_bytes() == (desk / "05_sums.ipynb").read_bytes()
    when = parse_utc((done.path / "timestamp.txt").read_text().strip())
    assert abs(datetime.now(UTC).replace(tzinfo=None) - when) < timedelta(minutes=5)
    assert [one.student for one in course.submissions("05_sums")] == ["jane"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
def test_an_interrupted_hand_in_keeps_the_earlier_one(
    desk: Path, course: Course, monkeypatch: pytest.MonkeyPatch, stop: BaseException
) -> None:
    """Both in the course and as a zip, what was handed in before is still whole."""
    with open_work("05", here=desk) as work:
        before = hand_in(work, course), pack(work).path.read_bytes()
    files = {path: path.read_bytes() for path in before[0].path.iterdir()}

    def failing(_: int) -> None:
        raise stop

    answer(desk, {"q2": "total = 42"})
    monkeypatch.setattr(os, "fsync", failing)
    with open_work("05", here=desk) as work:
        for act in (lambda: hand_in(work, course), lambda: pack(work)):
            with pytest.raises(type(stop)):
                act()
    assert {path: path.read_bytes() for path in before[0].path.iterdir()} == files
    assert sorted(path.name for path in before[0].path.parent.iterdir()) == ["05_sums"]
    assert (desk / "05_sums-submission.zip").read_bytes() == before[1]
    assert not list(desk.glob(".*.part"))


@pytest.mark.parametrize("student", ["../jane", "", "a\nb", "x" * 65])
def test_an_id_that_is_none_is_refused(desk: Path, course: Course, student: str) -> None:
    """Nothing is written for such an id, anywhere."""
    with open_work("05", here=desk) as work:
        for act in (lambda: hand_in(work, course, student=student),
                    lambda: pack(work, student=student)):  # fmt: skip
            with pytest.raises(SubmissionError, match="student"):
                act()
    assert not (course.root / "submitted").exists()
    assert not (desk / "05_sums-submission.zip").exists()


def test_an_id_in_the_notebook_is_checked_too(desk: Path, course: Course) -> None:
    """What the notebook says of its student could have been edited."""
    notebook = read_notebook(desk / "05_sums.ipynb")
    notebook.metadata["autograder"] = {"student": "../../evil"}
    write_notebook(notebook, desk / "05_sums.ipynb")
    with open_work("05", here=desk) as work, pytest.raises(SubmissionError, match="student id"):
        hand_in(work, course)
    notebook.metadata["autograder"] = 5
    write_notebook(notebook, desk / "05_sums.ipynb")
    with open_work("05", here=desk) as work, pytest.raises(SubmissionError, match="--student"):
        hand_in(work, course)


def test_a_course_without_the_lab_is_said(desk: Path, course: Course) -> None:
    """Work isn't put where nobody looks for it."""
    (course.root / "source" / "05_sums").rename(course.root / "source" / "06_other")
    with open_work("05", here=desk) as work, pytest.raises(CourseError, match="06_other"):
        hand_in(work, course)


def test_the_command_says_what_is_missing_and_where_it_is(
    desk: Path, run_autograder: RunAutograder
) -> None:
    """Unanswered questions don't keep anyone from handing in."""
    answer(desk, {"q1": "x", "setup": "changed"})
    code, out, err = run_autograder("submit", "05", "--student", "joan", cwd=desk)
    assert (code, err) == (0, "")
    assert "not answered: q2, why" in out
    assert "05_sums-submission.zip" in out
    with zipfile.ZipFile(desk / "05_sums-submission.zip") as file:
        manifest = json.loads(file.read("05_sums/submission.json"))
    assert manifest["student"] == "joan"


def test_the_command_hands_in_to_a_course(
    desk: Path, course: Course, run_autograder: RunAutograder
) -> None:
    """One line for a class that shares a disk."""
    code, out, _ = run_autograder("submit", "--to", course.root, cwd=desk)
    assert code == 0
    assert "Handed in for jane" in out
    assert (course.root / "submitted" / "jane" / "05_sums" / "05_sums.ipynb").is_file()
