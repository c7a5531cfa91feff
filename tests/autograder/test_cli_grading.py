"""The instructor's commands: exit codes, JSON alone on standard output, messages on the other."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autograder.results import GradeReport

RunAutograder = Callable[..., tuple[int, str, str]]


@pytest.fixture
def asked() -> list[tuple[str, dict[str, str]]]:
    """The engines that were asked for, with their options."""
    return []


@pytest.fixture
def grading(
    small_course: Any, fake_engine: Any, run_autograder: RunAutograder, asked: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:  # fmt: skip
    """Run a command in a course, with the quick engine and without a gradebook."""

    def made(name: str, **options: str) -> Any:
        asked.append((name, options))
        return fake_engine

    monkeypatch.setattr("autograder.engines.engine_named", made)
    monkeypatch.setattr("autograder.publish.write_marks", lambda *parts: None)
    monkeypatch.setattr("autograder.report.write_report", lambda course, report: course.reports)
    monkeypatch.setattr("autograder.feedback.read_hand_grades", lambda course, lab: {})

    def run(*words: object, workers: bool = True) -> tuple[int, str, str]:
        more = ("--workers", 1) if workers else ()
        return run_autograder(*words, *more, cwd=small_course.root)

    return run


def test_grade_prints_a_table_and_says_where_marks_are(small_course: Any, grading: Any) -> None:
    """The table on standard output, the rest on standard error."""
    small_course.hand_in("ann")
    small_course.hand_in("zoe", b"")
    code, out, err = grading("grade", "05")
    assert code == 0
    assert out.index("zoe") < out.index("ann")
    assert "5/8" in out
    assert "gradebook.db" in err
    assert "Isolation: process." in err


def test_it_is_said_whose_marks_stay_without_work(
    small_course: Any, grading: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who left, or who is called otherwise now, keeps marks in nbgrader's gradebook."""
    marked = {"ann", "zoe"}
    monkeypatch.setattr("autograder.gradebook.students_with_marks", lambda course, lab: marked)
    small_course.hand_in("ann")
    gone = small_course.hand_in("zoe")
    assert "marks stay" not in grading("grade", "05")[2]
    gone.unlink()
    gone.parent.rmdir()
    assert "their marks stay: zoe." in grading("grade", "05")[2]
    marked.remove("zoe")
    assert "marks stay" not in grading("grade", "05")[2]


def test_what_is_no_students_folder_is_named(small_course: Any, grading: Any) -> None:
    """Nobody looks for work in a file, and nobody's work is passed over in silence."""
    small_course.hand_in("ann")
    assert "but no folder" not in grading("grade", "05")[2]
    (small_course.root / "submitted" / "zoe.ipynb").write_text("{}")
    code, out, err = grading("grade", "05")
    assert code == 0
    assert "zoe" not in out
    assert "but no folder: zoe.ipynb." in err


def test_json_is_all_there_is_on_standard_output(small_course: Any, grading: Any) -> None:
    """A program can read it, whatever is said to people."""
    small_course.hand_in("ann")
    code, out, _ = grading("grade", "sums", "--json")
    assert code == 0
    report = GradeReport.model_validate_json(out)
    assert [(result.student, result.score) for result in report.submissions] == [("ann", 5)]


def test_options_reach_the_grading(small_course: Any, grading: Any, fake_engine: Any) -> None:
    """Only some students; everything again."""
    small_course.hand_in("ann")
    small_course.hand_in("bea")
    _, out, _ = grading("grade", "05", "--json", "--student", "bea")
    assert [entry["student"] for entry in json.loads(out)["submissions"]] == ["bea"]
    grading("grade", "05", "--force")
    assert len(fake_engine.seen) == 3


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ([], ("rooms", {"isolation": "", "tests": "examiner"})),
        (["--tests", "student"], ("rooms", {"isolation": "", "tests": "student"})),
        (["--isolation", "process"], ("rooms", {"isolation": "process", "tests": "examiner"})),
        (["--engine", "nbgrader"], ("nbgrader", {"isolation": "", "tests": ""})),
    ],
)
def test_labs_with_settings_are_examined_apart_unless_told(
    small_course: Any, grading: Any, asked: Any, words: list[str], wanted: Any
) -> None:
    """Which engine, how confined, and where its tests run."""
    small_course.hand_in("ann")
    assert grading("grade", "05", *words)[0] == 0
    assert asked == [wanted]


def test_courses_of_elsewhere_are_tested_beside_the_answers(
    small_course: Any, grading: Any, asked: Any
) -> None:
    """Their tests weren't written for two rooms; out of reach by choice."""
    (small_course.root / "source" / "05_sums" / "lab.toml").unlink()
    small_course.hand_in("ann")
    assert grading("grade", "05")[0] == 0
    assert grading("grade", "05", "--tests", "examiner")[0] == 0
    assert [options["tests"] for _, options in asked] == ["student", "examiner"]


def test_a_cluster_gets_the_same_options(
    small_course: Any, grading: Any, fake_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an engine whose submissions run elsewhere."""
    opened: list[Any] = []

    def spread(teacher: Any, jobs: Any) -> Any:
        from autograder.verdict import grade_job

        for job in jobs:
            yield job, grade_job(teacher, job, fake_engine)

    def made(where: str, **options: Any) -> Any:
        opened.append((where, options))
        fake_engine.each = spread
        return fake_engine

    monkeypatch.setattr("autograder.cluster.Cluster.open", made)
    small_course.hand_in("ann")
    code, out, _ = grading("grade", "05", "--cluster", "local:2", "--isolation", "full", "--json")
    assert code == 0
    assert json.loads(out)["submissions"][0]["score"] == 5
    assert opened == [("local:2", {"engine": "rooms", "isolation": "full", "tests": "examiner",
                                   "workers": 1})]  # fmt: skip


def test_below_the_floor_nobody_is_graded_unless_told(
    small_course: Any, run_autograder: RunAutograder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names what to look at and the way out; then it is said with the result."""
    monkeypatch.setattr("autograder.sandbox.best", lambda: "process")
    small_course.hand_in("ann")
    code, out, err = run_autograder("grade", "05", cwd=small_course.root)
    assert (code, out) == (1, "")
    assert "autograder doctor" in err
    assert "--isolation process" in err
    assert not (small_course.root / "records").exists()


def test_a_system_without_rooms_needs_to_be_told_too(
    small_course: Any, grading: Any, asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There nbgrader's engine is all there is; naming it, or the isolation, is consent."""
    monkeypatch.setattr("autograder.engines.DEFAULT_ENGINE", "nbgrader")
    small_course.hand_in("ann")
    code, _, err = grading("grade", "05")
    assert code == 1
    assert "--isolation process" in err
    assert asked == []
    assert grading("grade", "05", "--isolation", "process")[0] == 0
    assert grading("grade", "05", "--engine", "nbgrader")[0] == 0
    assert [name for name, _ in asked] == ["nbgrader", "nbgrader"]


def test_confined_grading_warns_of_nothing(
    small_course: Any, grading: Any, fake_engine: Any
) -> None:
    """The warning means something."""
    small_course.hand_in("ann")
    fake_engine.isolation = "full"
    _, _, err = grading("grade", "05")
    assert "Isolation" not in err


def test_the_table_ends_with_what_marks_rest_on(
    small_course: Any, grading: Any, fake_engine: Any
) -> None:
    """Tests within reach of students' code are counted."""
    small_course.hand_in("ann")
    _, out, _ = grading("grade", "05")
    assert "2 of 2 tests ran beside students' code" in out


def test_marks_are_written_again_from_records(small_course: Any, grading: Any) -> None:
    """After a gradebook was lost; there must have been a grading."""
    small_course.hand_in("ann")
    code, _, err = grading("rebuild", "05", workers=False)
    assert code == 1
    assert "holds no records" in err
    grading("grade", "05")
    code, out, err = grading("rebuild", "05", workers=False)
    assert (code, out) == (0, "")
    assert "Marks of 1 students written to" in err


def test_feedback_says_how_many_pages(small_course: Any, grading: Any) -> None:
    """And where they are."""
    small_course.hand_in("ann")
    grading("grade", "05")
    code, out, err = grading("feedback", "05", workers=False)
    assert (code, out) == (0, "")
    assert "1 pages in" in err
    assert (small_course.root / "feedback" / "ann" / "05_sums" / "05_sums.html").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["grade", "07"], "no lab '07'"),
        (["grade", "05"], "nobody handed in 05_sums"),
        (["grade", "05", "--student", "[/red]"], "nothing was handed in for 05_sums by [/red]"),
        (["grade", "05", "--engine", "warp"], "there is no engine 'warp'"),
        (["grade", "05", "--tests", "mars"], "'examiner' or 'student', not 'mars'"),
        (["grade", "05", "--isolation", "mars"], "there is no isolation 'mars'; there: full, "),
        (["grade", "05", "--engine", "nbgrader", "--isolation", "full"], "needs --engine rooms"),
        (["grade", "05", "--engine", "nbgrader", "--tests", "examiner"], "needs --engine rooms"),
        (["grade", "05", "--cluster", "mars"], "--cluster mars isn't a cluster"),
        (["rebuild", "07"], "no lab '07'"),
        (["grade", "05", "--course", "nowhere"], "nowhere isn't a course"),
        (["feedback", "07"], "no lab '07'"),
        (["feedback", "05"], "nobody handed in 05_sums"),
        (["demo", "--labs", "nowhere"], "nowhere isn't a folder of labs"),
        (["demo", "--labs", "../labs", "--folder", "."], "isn't an earlier demo"),
    ],
)
def test_a_slip_gets_one_message(
    small_course: Any, run_autograder: RunAutograder, words: list[str], said: str
) -> None:
    """Exit code 1, nothing on standard output, a sentence and no traceback on the other."""
    code, out, err = run_autograder(*words, cwd=small_course.root)
    assert (code, out) == (1, "")
    assert said in err
    assert err.count("error: ") == 1
    assert "Traceback" not in err


def test_outside_a_course_the_message_says_how_to_make_one(
    tmp_path: Path, run_autograder: RunAutograder
) -> None:
    """The first thing that goes wrong for everybody."""
    code, out, err = run_autograder("grade", "05", cwd=tmp_path)
    assert (code, out) == (1, "")
    assert "autograder build --course" in err


def test_a_course_below_this_folder_is_found(
    small_course: Any, run_autograder: RunAutograder
) -> None:
    """`course/` is what `build` makes."""
    _, _, err = run_autograder("grade", "05", cwd=small_course.root.parent)
    assert "nobody handed in" in err


@pytest.mark.parametrize(
    ("stop", "code", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 1, "The disk is full"),
        (OSError(errno.EROFS, "Read-only file system", "there"), 1, "No permission to use there"),
        (KeyboardInterrupt(), 130, "What was finished is kept"),
        (ZeroDivisionError("[/red]"), 1, "ZeroDivisionError: [/red]"),
    ],
)
def test_what_stops_grading_is_one_message(
    small_course: Any, grading: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    stop: BaseException, code: int, said: str,
) -> None:  # fmt: skip
    """A full or read-only disk, Ctrl-C, and what nobody thought of."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    small_course.hand_in("ann")

    def failing(_: int) -> None:
        raise stop

    monkeypatch.setattr(os, "fsync", failing)
    got, out, err = grading("grade", "05")
    assert (got, out) == (code, "")
    assert said in err
    assert "Traceback" not in err


def test_demo_grades_a_class_and_says_where_all_is(
    small_labs: Path, small_course: Any, grading: Any, fake_engine: Any, tmp_path: Path
) -> None:
    """Table, report, feedback and gradebook."""
    fake_engine.fates |= {"while True": "timeout", "os._exit": "died"}
    code, out, err = grading("demo", "--labs", small_labs, "--folder", tmp_path / "demo")
    assert code == 0
    assert "student-01-reference" in out
    assert "16 submissions, 1 at a time" in err
    assert "16 feedback pages" in err
