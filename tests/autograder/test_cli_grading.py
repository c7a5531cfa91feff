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
SECOND = '# score = 3\n# fails = ["q2_test"]\n# why = "Forgets."\n\n# %% q2\ntotal = 41\n'


@pytest.fixture
def grading(
    small_course: Any, fake_engine: Any, run_autograder: RunAutograder,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:  # fmt: skip
    """Run a command in a course, with the quick engine and without a gradebook."""
    monkeypatch.setattr("autograder.grade.engine_named", lambda name: fake_engine)
    monkeypatch.setattr("autograder.grade.write_marks", lambda *parts: None)
    monkeypatch.setattr("autograder.report.write_report", lambda course, report: course.reports)
    monkeypatch.setattr("autograder.feedback.read_hand_grades", lambda course, lab: {})
    return lambda *words: run_autograder(*words, "--workers", 1, cwd=small_course.root)


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


def test_another_isolation_than_asked_for_grades_nobody(
    small_course: Any, grading: Any, fake_engine: Any
) -> None:
    """Who asks for one by name never gets a weaker one; the one there is may be named."""
    small_course.hand_in("ann")
    code, out, err = grading("grade", "05", "--isolation", "rooms")
    assert (code, out) == (1, "")
    assert "gives 'process'" in err
    assert fake_engine.seen == []
    assert grading("grade", "05", "--isolation", "process")[0] == 0
    assert len(fake_engine.seen) == 1


def test_feedback_says_how_many_pages(
    small_course: Any, grading: Any, run_autograder: RunAutograder
) -> None:
    """And where they are."""
    small_course.hand_in("ann")
    grading("grade", "05")
    code, out, err = run_autograder("feedback", "05", cwd=small_course.root)
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
        (["grade", "05", "--course", "nowhere"], "nowhere isn't a course"),
        (["feedback", "07"], "no lab '07'"),
        (["feedback", "05"], "nobody handed in 05_sums"),
        (["selftest"], "name one lab"),
        (["selftest", "05", "--all"], "name one lab"),
        (["selftest", "07", "--labs", "../labs"], "no lab '07'"),
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


def test_selftest_says_what_is_proved(small_labs: Path, small_course: Any, grading: Any) -> None:
    """Exit code 0 for a proved lab, 1 otherwise, and JSON for programs."""
    words = ("selftest", "05", "--labs", small_labs, "--once")
    code, out, _ = grading(*words)
    assert code == 1
    assert "no wrong answer fails q2_test" in out
    assert "not proved" in out
    (small_labs / "05_sums" / "wrong" / "forgetful.py").write_text(SECOND, "utf-8")
    code, out, _ = grading(*words)
    assert code == 0
    assert "✓ proved" in out
    code, out, _ = grading("selftest", "--all", "--labs", small_labs, "--once", "--json")
    assert code == 0
    assert json.loads(out)["labs"]["05_sums"]["ok"] is True


def test_demo_grades_a_class_and_says_where_all_is(
    small_labs: Path, small_course: Any, grading: Any, fake_engine: Any, tmp_path: Path
) -> None:
    """Table, report, feedback and gradebook."""
    fake_engine.fates["while True"] = "timeout"
    code, out, err = grading("demo", "--labs", small_labs, "--folder", tmp_path / "demo")
    assert code == 0
    assert "student-01-reference" in out
    assert "12 submissions, 1 at a time" in err
    assert "12 feedback pages" in err


def test_doctor_shows_its_findings(
    small_course: Any, run_autograder: RunAutograder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1 where something is missing."""
    code, out, _ = run_autograder("doctor", cwd=small_course.root)
    assert "isolation" in out
    assert "05_sums" in out
    assert code == (1 if "✗" in out else 0)
    monkeypatch.setattr("autograder.doctor.MIN_FREE_GB", 1e9)
    code, out, _ = run_autograder("doctor", cwd=small_course.root)
    assert code == 1
    assert "✗" in out
