"""A course's folder: who handed in what, under which name."""

import os
import sys
from pathlib import Path

import pytest

from autograder.course import Course, check_student_id
from autograder.errors import CourseError, SubmissionError
from autograder.release import build_course


@pytest.fixture
def course(small_labs: Path, tmp_path: Path) -> Course:
    build_course(small_labs, tmp_path / "course")
    return Course.open(tmp_path / "course")


@pytest.mark.parametrize(
    "name", ["jane", "jane.doe@example.org", "José-2", "0", "a b", "x" * 64, "s_1+2", "李雷"]
)
def test_ordinary_ids_are_allowed(name: str) -> None:
    """Mail addresses, numbers, and names of any script."""
    assert check_student_id(name) == name


@pytest.mark.parametrize(
    "name",
    ["", " ", "x" * 65, "../x", "a/b", "a\\b", "C:x", ".x", "-rf", "~x", "a\nb", "a\x00b",
     "a\x1b[2J", "a\u202eb", "\ud800", " a", "a ", "a.", "*", "a[b]", "a?", "{x}", "a,b", "con",
     "NUL.txt"],
)  # fmt: skip
def test_ids_that_could_do_harm_are_refused(name: str) -> None:
    """Paths, patterns, terminal codes and reserved names; the message shows them harmlessly."""
    with pytest.raises(SubmissionError, match="student id") as caught:
        check_student_id(name)
    assert str(caught.value).isprintable()


def test_what_is_no_course_is_said(tmp_path: Path) -> None:
    """The message says what is missing, and how to make it."""
    with pytest.raises(CourseError, match=r"neither source/ nor.*autograder build"):
        Course.open(tmp_path)
    with pytest.raises(CourseError, match="isn't there"):
        Course.open(tmp_path / "none")


def test_a_built_course_knows_its_labs(course: Course) -> None:
    """By name, number or word; with paths and settings."""
    assert course.labs() == ("05_sums",)
    assert {course.lab_name(name) for name in ("05", "sums", "05_sums")} == {"05_sums"}
    assert course.source("05_sums") == course.root / "source" / "05_sums" / "05_sums.ipynb"
    assert course.release("05_sums") == course.root / "release" / "05_sums" / "05_sums.ipynb"
    settings = course.lab_settings("05_sums")
    assert settings is not None
    assert settings.name == "05_sums"
    assert course.gradebook_url == f"sqlite:///{course.root.as_posix()}/gradebook.db"
    with pytest.raises(CourseError, match=r"'06'.*05_sums"):
        course.lab_name("06")


def test_a_course_of_nbgraders_own_kind_is_read(tmp_path: Path) -> None:
    """A foreign course has notebooks of any name, and no settings."""
    folder = tmp_path / "source" / "ps1"
    folder.mkdir(parents=True)
    course = Course.open(tmp_path)
    with pytest.raises(CourseError, match="no notebook"):
        course.source("ps1")
    (folder / "problem1.ipynb").write_text("{}")
    assert course.source("ps1").name == "problem1.ipynb"
    assert course.lab_settings("ps1") is None
    (folder / "problem2.ipynb").write_text("{}")
    with pytest.raises(CourseError, match="2 notebooks"):
        course.source("ps1")


def hand_in(course: Course, student: str, *names: str) -> Path:
    folder = course.root / "submitted" / student / "05_sums"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text("{}")
    return folder


def test_submissions_are_listed_with_what_is_wrong_with_them(course: Course) -> None:
    """A misnamed notebook is taken, a missing one is a problem; nobody is passed over."""
    hand_in(course, "good", "05_sums.ipynb", "notes.txt")
    hand_in(course, "copy", "05_sums-Copy1.ipynb")
    hand_in(course, "many", "a.ipynb", "b.ipynb")
    hand_in(course, "none", "notes.txt")
    hand_in(course, "x*y", "05_sums.ipynb")
    (hand_in(course, "folder") / "05_sums.ipynb").mkdir()
    hand_in(course, "_under", "05_sums.ipynb")
    hand_in(course, "..dots", "05_sums.ipynb")
    for nobodys in (".ipynb_checkpoints", "__MACOSX"):
        (course.root / "submitted" / nobodys / "05_sums").mkdir(parents=True)
    (course.root / "submitted" / "later" / "06_other").mkdir(parents=True)
    found = {one.student: one for one in course.submissions("05_sums")}
    assert list(found) == ["..dots", "_under", "copy", "folder", "good", "many", "none", "x*y"]
    assert found["good"].problem == found["_under"].problem == ""
    assert found["good"].notebook == found["good"].folder / "05_sums.ipynb"
    assert found["copy"].notebook is not None
    assert "taken as 05_sums.ipynb" in found["copy"].problem
    for student, said in [
        ("many", "a.ipynb, b.ipynb"),
        ("none", "05_sums.ipynb is missing, but there is notes.txt"),
        ("folder", "is a folder"),
        ("x*y", "student id"),
        ("..dots", "it starts with a dot"),
    ]:
        assert found[student].notebook is None
        assert said in found[student].problem


def test_files_in_place_of_folders_are_said(course: Course) -> None:
    """A pipe, a file as a submission, and what lies among the students' folders."""
    submitted = course.root / "submitted"
    if hasattr(os, "mkfifo"):
        os.mkfifo(hand_in(course, "pipe") / "05_sums.ipynb")
    (submitted / "file").mkdir(parents=True)
    (submitted / "file" / "05_sums").write_text("{}")
    (submitted / "lost").mkdir()
    (submitted / "lost" / "05_sums").symlink_to("nowhere")
    for name in ("single", "odd\x1b[2J", ".DS_Store"):
        (submitted / name).write_text("{}")
    found = {one.student: one.problem for one in course.submissions("05_sums")}
    if hasattr(os, "mkfifo"):
        assert found.pop("pipe") == "05_sums.ipynb is a pipe or device, not a file"
    assert found.pop("file") == "05_sums is a file, not a folder with a notebook in it"
    assert "05_sums is a link" in found.pop("lost")
    assert not found
    assert course.strays() == ("odd\\x1b[2J", "single")


@pytest.mark.skipif(sys.platform == "win32", reason="names there have no such characters")
@pytest.mark.parametrize("name", ["05_sums\n\x1b[2J.ipynb", "\u202ebad.ipynb", "\x1b]0;x\x07.zip"])
@pytest.mark.parametrize("others", [(), ("a.ipynb", "b.ipynb")])
def test_names_of_files_are_shown_harmlessly(
    course: Course, name: str, others: tuple[str, ...]
) -> None:
    """What a student calls a file moves no cursor and turns no line round."""
    hand_in(course, "sly", name, *others)
    (one,) = course.submissions("05_sums")
    assert one.problem.isprintable()
    assert ascii(name)[1:-1].replace("'", "") in one.problem or others


def test_a_link_is_no_submission(course: Course) -> None:
    """A link could lead to the teacher's notebook."""
    folder = hand_in(course, "sly")
    (folder / "05_sums.ipynb").symlink_to(course.source("05_sums"))
    (one,) = course.submissions("05_sums")
    assert one.notebook is None
    assert "is a link" in one.problem


def test_folders_for_a_student_never_leave_the_course(course: Course) -> None:
    """Every path that holds a student's id goes through the check."""
    for place in (course.autograded, course.feedback, course.submitted):
        assert place("jane", "05_sums").is_relative_to(course.root)
        with pytest.raises(SubmissionError):
            place("../jane", "05_sums")


def test_a_linked_folder_is_nobodys_work(course: Course) -> None:
    """Whoever hands in a link would be graded for another's work, or the teacher's."""
    submitted = course.root / "submitted"
    (submitted / "jane" / "05_sums").mkdir(parents=True)
    (submitted / "jane" / "05_sums" / "05_sums.ipynb").write_text("{}")
    (submitted / "joe").symlink_to("jane")
    (submitted / "mel").mkdir()
    (submitted / "mel" / "05_sums").symlink_to("../../source/05_sums")
    (submitted / "tim" / "05_sums").mkdir(parents=True)
    (submitted / "tim" / "05_sums" / "05_sums.ipynb").symlink_to("../../jane/05_sums/05_sums.ipynb")
    found = {one.student: one for one in course.submissions("05_sums")}
    assert found.pop("jane").notebook is not None
    assert {one.notebook for one in found.values()} == {None}
    assert all("is a link" in one.problem for one in found.values())
