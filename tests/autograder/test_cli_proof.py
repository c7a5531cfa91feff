"""The commands before a class: what is proved, what works where, what a machine offers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autograder.doctor import Layer

RunAutograder = Callable[..., tuple[int, str, str]]
SECOND = '# score = 3\n# fails = ["q2_test"]\n# why = "Forgets."\n\n# %% q2\ntotal = 41\n'


@pytest.fixture
def proving(
    small_labs: Path, fake_engine: Any, run_autograder: RunAutograder,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:  # fmt: skip
    """Run a command beside the labs, with the quick engine."""
    monkeypatch.setattr("autograder.engines.engine_named", lambda name, **options: fake_engine)
    return lambda *words: run_autograder(*words, cwd=small_labs.parent)


def test_selftest_says_what_is_proved(small_labs: Path, proving: Any, fake_engine: Any) -> None:
    """Exit code 0 for a proved lab, 1 otherwise, and JSON for programs."""
    code, out, _ = proving("selftest", "05", "--once")
    assert code == 1
    assert "no wrong answer fails q2_test" in out
    assert "not proved" in out
    (small_labs / "05_sums" / "wrong" / "forgetful.py").write_text(SECOND, "utf-8")
    code, out, _ = proving("selftest", "05", "--once")
    assert code == 0
    assert "✓ proved" in out
    code, out, _ = proving("selftest", "--all", "--once", "--json")
    assert code == 0
    proof = json.loads(out)["labs"]["05_sums"]
    assert (proof["ok"], proof["wanted"], proof["reference"]) == (True, 5, 5)


@pytest.mark.parametrize(
    ("words", "runs"),
    [
        (["--once"], [False] * 5),
        ([], [False] * 5 + [True] * 5),
        (["--thorough"], [False] * 10 + [True] * 10 + [False] * 5),
        (["--engine", "nbgrader"], [False] * 10),
    ],
)
def test_how_often_answers_run_where(
    small_labs: Path, proving: Any, fake_engine: Any, words: list[str], runs: list[bool]
) -> None:
    """Out of reach and beside the tests, and under nbgrader if asked."""
    (small_labs / "05_sums" / "wrong" / "forgetful.py").write_text(SECOND, "utf-8")
    code, _, _ = proving("selftest", "05", "--workers", 1, *words)
    assert code == 0
    beside = ["student-room" in str(cells.cells) for cells in fake_engine.seen]
    assert beside == runs


def test_the_table_says_which_tests_work_where(
    small_labs: Path, proving: Any, fake_engine: Any
) -> None:
    """One line a test cell."""
    (small_labs / "05_sums" / "wrong" / "forgetful.py").write_text(SECOND, "utf-8")
    _, out, _ = proving("selftest", "05")
    assert "examiner's room" in out
    assert "beside the answers" in out
    assert out.count("q2_test") == 1


def test_a_course_of_elsewhere_is_tried(small_course: Any, proving: Any, fake_engine: Any) -> None:
    """Only its own solution and the blank copy are there to be run."""
    (small_course.root / "source" / "05_sums" / "lab.toml").unlink()
    code, out, _ = proving("selftest", "05", "--course", "course", "--json")
    assert code == 0
    proof = json.loads(out)["labs"]["05_sums"]
    assert (proof["ok"], proof["wanted"], proof["reference"], proof["blank"]) == (True, 5, 5, 0)
    assert [cell["grade_id"] for cell in proof["cells"]] == ["q1_test", "q2_test"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["selftest"], "name one lab"),
        (["selftest", "05", "--all"], "name one lab"),
        (["selftest", "--all", "--course", "course"], "name the lab of the course"),
        (["selftest", "05", "--course", "labs"], "labs isn't a course"),
        (["selftest", "07"], "no lab '07'"),
        (["selftest", "07", "--course", "course"], "no lab '07'"),
    ],
)
@pytest.mark.usefixtures("small_course")
def test_a_slip_gets_one_message(proving: Any, words: list[str], said: str) -> None:
    """Exit code 1, nothing on standard output, a sentence and no traceback on the other."""
    code, out, err = proving(*words)
    assert (code, out) == (1, "")
    assert said in err
    assert err.count("error: ") == 1
    assert "Traceback" not in err


def test_doctor_shows_its_findings(
    small_course: Any, run_autograder: RunAutograder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1 where something is missing that grading needs."""
    code, out, _ = run_autograder("doctor", cwd=small_course.root)
    assert "isolation" in out
    assert "05_sums" in out
    assert code == (1 if "✗" in out else 0)
    monkeypatch.setattr("autograder.doctor.MIN_FREE_GB", 1e9)
    code, out, _ = run_autograder("doctor", cwd=small_course.root)
    assert code == 1
    assert "✗" in out


def test_doctor_shows_each_layer(
    tmp_path: Path, run_autograder: RunAutograder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name, whether it works, what it stops and how to get it; none alone is needed."""
    layers = [
        Layer("locks", works=True, stops="burglars", found="shut", advice=""),
        Layer("walls", works=False, stops="the wind", found="none", advice="Build some."),
    ]
    monkeypatch.setattr("autograder.doctor.confinement", lambda: layers)
    _, out, _ = run_autograder("doctor", cwd=tmp_path)
    lines = [line.split() for line in out.splitlines()]
    assert ["│", "✓", "│", "locks", "│", "burglars", "│", "shut", "│", "│"] in lines
    assert [
        "│",
        "–",
        "│",
        "walls",
        "│",
        "the",
        "wind",
        "│",
        "none",
        "│",
        "Build",
        "some.",
        "│",
    ] in lines
