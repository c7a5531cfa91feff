"""Grading a class, with an engine that is fast and does as it is told."""

import errno
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from autograder.course import Course
from autograder.errors import CourseError, GraderError
from autograder.grade import grade_class
from autograder.notebook import cell_kind, read_notebook
from autograder.results import GradeReport, SubmissionResult
from autograder.score import RUN_IT
from autograder.teacher import open_lab

LAB = "05_sums"
WRONG = {"q1": "def add(a, b):\n    return 42"}


@pytest.fixture
def marks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would have gone to the gradebook, which costs seconds to make."""
    written: list[Any] = []
    monkeypatch.setattr(
        "autograder.publish.write_marks", lambda course, lab, source, all_: written.append(all_)
    )
    return written


@pytest.fixture
def graded(small_course: Any, fake_engine: Any, marks: list[Any]) -> Any:
    def run(**options: Any) -> GradeReport:
        fake_engine.seen.clear()
        return grade_class(small_course.course, "05", engine=fake_engine, workers=1, **options)

    return run


def by_student(report: GradeReport) -> dict[str, SubmissionResult]:
    return {result.student: result for result in report.submissions}


def test_a_class_gets_its_points(small_course: Any, graded: Any) -> None:
    """Right, wrong and blank work, by the hidden tests too."""
    small_course.hand_in("ann")
    small_course.hand_in("bea", WRONG)
    small_course.hand_in_blank("cyd")
    report = graded()
    found = by_student(report)
    assert {name: result.score for name, result in found.items()} == {"ann": 5, "bea": 2, "cyd": 0}
    assert {result.max_score for result in found.values()} == {8}
    assert found["bea"].cells[0].reason == f"Add the two numbers. {RUN_IT}"
    assert [cell.score for cell in found["ann"].cells] == [3, 2, None, None]
    assert [cell.score for cell in found["cyd"].cells] == [0, 0, 0, None]
    assert (report.lab, report.engine, report.isolation) == (LAB, "fake", "process")


def test_each_student_has_their_own_parameters(
    small_course: Any, graded: Any, fake_engine: Any
) -> None:
    """A personal seed reaches the notebook that is run, and stays the same."""
    small_course.hand_in("ann")
    small_course.hand_in("bea")
    setups = []
    for _ in range(2):
        graded(force=True)
        setups.append(sorted(book.cells[1].source for book in fake_engine.seen))
    assert setups[0] == setups[1]
    assert len(set(setups[0])) == 2
    assert all("SEED = " in text for text in setups[0])


def damaged(kind: str, path: Path) -> None:
    path.unlink()
    match kind:
        case "empty":
            path.write_bytes(b"")
        case "json":
            path.write_bytes(b'{"cells": [')
        case "link":
            target = path.parent.parent / "elsewhere.ipynb"
            target.write_text("{}")
            path.symlink_to(target)
        case "folder":
            path.mkdir()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("empty", "the file is empty"),
        ("json", "isn't valid JSON"),
        ("link", "is a link, not a file"),
        ("folder", "is a folder, not a file"),
        ("missing", "no notebook was handed in"),
    ],
)
def test_files_that_cannot_be_read_get_a_verdict(
    small_course: Any, graded: Any, marks: list[Any], kind: str, said: str
) -> None:
    """No points, what is wrong, a person to look; and the rest of the class is graded."""
    small_course.hand_in("ann")
    damaged(kind, small_course.hand_in("zoe"))
    report = graded()
    zoe = report.submissions[0]
    assert (zoe.student, zoe.status, zoe.score, zoe.needs_human) == ("zoe", "unreadable", 0, True)
    assert said in zoe.problems[0]
    assert len(zoe.cells) == 4
    assert by_student(report)["ann"].score == 5
    assert {entry.result.student for entry in marks[-1]} == {"ann", "zoe"}
    assert not (small_course.root / "autograded" / "zoe").exists()


@pytest.mark.parametrize("name", ["a,b", "x" * 65, "what?", "a\nb", "-rf"])
def test_a_folder_that_is_no_student_is_reported_and_kept_out_of_the_gradebook(
    small_course: Any, graded: Any, marks: list[Any], name: str
) -> None:
    """A name that could break paths or ids is shown to the teacher, and used for nothing."""
    small_course.hand_in("ann")
    small_course.hand_in(name)
    report = graded()
    odd = by_student(report)[name]
    assert (odd.status, odd.score) == ("unreadable", 0)
    assert "can't be a student id" in odd.problems[0]
    assert [entry.result.student for entry in marks[-1]] == ["ann"]
    assert [path.name for path in (small_course.root / "autograded").iterdir()] == ["ann"]


def test_a_notebook_under_another_name_is_graded_and_said(small_course: Any, graded: Any) -> None:
    """The one notebook there is must be meant."""
    path = small_course.hand_in("ann")
    path.rename(path.with_name("mine.ipynb"))
    ann = graded().submissions[0]
    assert ann.score == 5
    assert "mine.ipynb" in ann.problems[0]


def test_the_engine_sees_the_lab_before_it_runs(
    small_course: Any, graded: Any, fake_engine: Any
) -> None:
    """What the lab asks students to define, and what it imports, is known from the start."""
    small_course.hand_in("ann")
    graded()
    ((teachers,),) = (fake_engine.prepared,)
    assert "secret_sum" in str(teachers.cells[2].source)


def test_a_verdict_that_no_file_can_hold_waits_for_a_person(
    small_course: Any, graded: Any, fake_engine: Any
) -> None:
    """One student's odd output neither ends the class's grading nor costs that student points."""
    small_course.hand_in("ann", {"q1": "show({'text/plain': chr(0xD800)})"})
    small_course.hand_in("bea")
    found = by_student(graded())
    assert found["bea"].score == 5
    assert (found["ann"].status, found["ann"].needs_human) == ("needs-human", True)
    assert "couldn't be graded" in found["ann"].problems[0]


@pytest.mark.skipif(sys.platform != "linux", reason="folders are named by bytes on Linux alone")
def test_a_folder_whose_name_is_no_text_is_reported(
    small_course: Any, graded: Any, marks: list[Any]
) -> None:
    """It came out of somebody's zip."""
    path = small_course.hand_in("ann")
    odd = os.fsencode(small_course.root) + b"/submitted/\xff"
    shutil.copytree(os.fsencode(path.parent.parent), odd)
    found = by_student(graded())
    assert {name: result.score for name, result in found.items()} == {"ann": 5, r"\udcff": 0}
    assert [entry.result.student for entry in marks[-1]] == ["ann"]


def test_only_the_students_asked_for(small_course: Any, graded: Any, marks: list[Any]) -> None:
    """The others are neither run nor marked; who handed in nothing is named."""
    for name in ("ann", "bea", "cyd"):
        small_course.hand_in(name)
    assert set(by_student(graded(students=["cyd", "ann"]))) == {"ann", "cyd"}
    assert {entry.result.student for entry in marks[-1]} == {"ann", "cyd"}
    with pytest.raises(CourseError, match=r"by dan, eve; there is work by ann, bea, cyd"):
        graded(students=["dan", "ann", "eve"])


def test_nobody_handed_in(small_course: Any, graded: Any) -> None:
    """The message says where work belongs."""
    with pytest.raises(CourseError, match=r"submitted/STUDENT/05_sums/05_sums\.ipynb"):
        graded()
    with pytest.raises(CourseError, match="there is work by nobody"):
        graded(students=["ann"])


def test_what_needs_a_person_comes_first(small_course: Any, graded: Any, fake_engine: Any) -> None:
    """Unreadable files, then odd ones, then those with a reflection to read, by student."""
    small_course.hand_in("bea")
    small_course.hand_in("ann")
    small_course.hand_in("dan", {"q1": "crash = 1"})
    damaged("empty", small_course.hand_in("eve"))
    fake_engine.fates["crash = 1"] = "died"
    order = [result.student for result in graded().submissions]
    assert order == ["eve", "dan", "ann", "bea"]


def test_a_dead_kernel_leaves_later_tests_unrun(
    small_course: Any, graded: Any, fake_engine: Any
) -> None:
    """They earn nothing, and a person is told."""
    small_course.hand_in("dan", {"q2": "crash = 1"})
    fake_engine.fates["crash = 1"] = "died"
    dan = graded().submissions[0]
    assert [cell.score for cell in dan.cells] == [3, 0, None, None]
    assert dan.cells[1].status == "not-run"
    assert dan.needs_human
    assert "The notebook's process ended" in dan.problems[0]


def test_an_engine_that_fails_on_one_notebook_goes_on_with_the_next(
    small_course: Any, graded: Any, fake_engine: Any
) -> None:
    """A bug met by one submission is that one's verdict, not the class's end."""
    small_course.hand_in("ann", {"q1": "boom"})
    small_course.hand_in("bea")
    fake_engine.fates["boom"] = RuntimeError("odd thing")
    found = by_student(graded())
    assert "odd thing" in found["ann"].problems[0]
    assert found["bea"].score == 5


def test_progress_counts_every_verdict_once(small_course: Any, graded: Any) -> None:
    """Old ones as well as new ones."""
    small_course.hand_in("ann")
    graded()
    small_course.hand_in("bea")
    told: list[tuple[str, int, int]] = []
    graded(progress=lambda result, done, total: told.append((result.student, done, total)))
    assert told == [("ann", 1, 2), ("bea", 2, 2)]


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_refuses_is_passed_on(
    small_course: Any, graded: Any, marks: list[Any], monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    """It isn't the students' fault, so it is nobody's verdict."""
    small_course.hand_in("ann")

    def failing(_: int) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OSError, match=os.strerror(error)):
        graded()
    assert marks == []
    assert list(small_course.course.records(LAB).glob("*")) == []


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), GraderError("no kernel: No space")],
)
def test_an_engine_that_cannot_run_anything_stops_grading(
    small_course: Any, graded: Any, fake_engine: Any, marks: list[Any], error: Exception
) -> None:
    """A machine without room or without a kernel is no reason to give nobody points."""
    small_course.hand_in("ann", {"q1": "boom"})
    fake_engine.fates["boom"] = error
    with pytest.raises(type(error), match="No space"):
        graded()
    assert marks == []
    assert list(small_course.course.records(LAB).glob("*")) == []


def test_the_notebook_that_was_run_is_kept_for_formgrader(small_course: Any, graded: Any) -> None:
    """With outputs, the teacher's tests and the time of submission; gone if unreadable later."""
    path = small_course.hand_in("ann", {"q2": "print('mine')\ntotal = 42"})
    (path.parent / "timestamp.txt").write_text("2026-01-05 10:00:00 UTC")
    graded()
    folder = small_course.root / "autograded" / "ann" / LAB
    notebook = read_notebook(folder / f"{LAB}.ipynb")
    tests = [cell for cell in notebook.cells if cell_kind(cell) == "test"]
    assert "hidden words" in tests[0].source
    assert any("mine" in str(cell.get("outputs")) for cell in notebook.cells)
    assert (folder / "timestamp.txt").read_text() == "2026-01-05 10:00:00 UTC"
    path.write_bytes(b"")
    graded()
    assert not folder.exists()


def test_students_cannot_change_the_tests(small_course: Any, graded: Any) -> None:
    """Edited tests, points and deleted cells change nothing but the list of problems."""
    from autograder.notebook import write_notebook

    notebook = small_course.notebook(WRONG)
    for cell in notebook.cells:
        if cell_kind(cell) == "test":
            cell["source"] = "pass"
            cell.metadata.nbgrader["points"] = 100
    write_notebook(notebook, small_course.root / "submitted" / "ann" / LAB / f"{LAB}.ipynb")
    ann = graded().submissions[0]
    assert (ann.score, ann.max_score) == (2, 8)
    assert any("q1_test was changed" in problem for problem in ann.problems)


def test_the_report_is_json_that_reads_back(small_course: Any, graded: Any) -> None:
    """What ``--json`` prints is the model, closed and versioned."""
    small_course.hand_in("ann")
    report = graded()
    assert GradeReport.model_validate_json(report.model_dump_json()) == report


def test_no_verdict_tells_a_hidden_line(
    small_course: Any, graded: Any, secrets: tuple[str, ...]
) -> None:
    """Not even when a student's code raises what it has read."""
    leak = 'def add(a, b):\n    raise ValueError(\'assert add("a", "b") == "ab", "hidden words"\')'
    small_course.hand_in("ann", {"q1": leak})
    small_course.hand_in("bea", {"q1": "def add(a, b):\n    return abs(a + b) if a != 20 else 42"})
    found = by_student(graded())
    for result in found.values():
        for cell in result.cells:
            assert not [word for word in ("hidden words", "secret") if word in cell.reason]
    assert found["bea"].cells[0].reason == (
        "A hidden test of this question failed. Try numbers below zero."
    )


def test_unknown_labs_and_labs_without_points(small_course: Any) -> None:
    """Each is one sentence that says what there is."""
    with pytest.raises(CourseError, match="05_sums"):
        open_lab(small_course.course, "07")
    source = small_course.root / "source" / LAB / f"{LAB}.ipynb"
    source.write_text('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}')
    with pytest.raises(CourseError, match="no graded cell"):
        open_lab(Course.open(small_course.root), "05")
