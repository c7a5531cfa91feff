"""Proving a lab: known answers get known scores, and what isn't proved is said."""

from pathlib import Path
from typing import Any

import pytest

from autograder.errors import LabError
from autograder.labs import load_lab
from autograder.selftest import LabProof, SelftestReport, prove

SECOND = """\
# score = 3
# fails = ["q2_test"]
# why = "Forgets the sum."

# %% q2
total = 41
"""


@pytest.fixture
def lab_folder(small_labs: Path) -> Path:
    """The small lab with a wrong answer for each of its tests."""
    folder = small_labs / "05_sums"
    (folder / "wrong" / "forgetful.py").write_text(SECOND, "utf-8")
    return folder


@pytest.fixture
def proof(lab_folder: Path, fake_engine: Any) -> Any:
    return lambda **more: prove(load_lab(lab_folder), fake_engine, workers=1, **more)


def test_a_good_lab_is_proved(proof: Any, fake_engine: Any) -> None:
    """Every known answer ran twice and got its score."""
    told: list[tuple[str, int, int]] = []
    found = proof(progress=lambda *words: told.append(words))
    assert found.problems == ()
    assert found.ok
    assert (found.reference, found.blank, found.cpu_seconds) == (5, 0, 0.25)
    assert [(right.name, right.score) for right in found.right] == [("swapped", 5)]
    assert [(w.name, w.wanted, w.got) for w in found.wrong] == [
        ("constant", 2, 2), ("forgetful", 3, 3),
    ]  # fmt: skip
    assert len(fake_engine.seen) == 10
    assert [done for _, done, _ in told] == list(range(1, 11))
    assert {total for _, _, total in told} == {10}
    assert "05_sums: reference" in {name for name, _, _ in told}


def test_once_is_half_the_work(proof: Any, fake_engine: Any) -> None:
    """For those in a hurry."""
    assert proof(times=1).ok
    assert len(fake_engine.seen) == 5


def change(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / name
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("wrong/constant.py", "score = 2", "score = 1",
         "wrong/constant gets 2 points, 1 were wanted (q1_test: Add the two numbers.)"),
        ("wrong/forgetful.py", "total = 41", "total = 42",
         "wrong/forgetful gets 5 points, 3 were wanted ()"),
        ("wrong/forgetful.py", 'fails = ["q2_test"]', "fails = []",
         "wrong/forgetful fails q2_test, nothing was wanted"),
        ("wrong/forgetful.py", 'fails = ["q2_test"]', "fails = []",
         "no wrong answer fails q2_test"),
        ("wrong/forgetful.py", '"q2_test"', '"q2_test", "q9_test"',
         "wrong answers name q9_test, which are no tests"),
        ("right/swapped.py", "return b + a", "return b - a", "right/swapped gets 0 points, 5"),
        ("lab.py", "secret_sum = a + b", "secret_sum = a - b", "reference gets 0 points, 5"),
        ("lab.py", "assert total == 42\n", "pass\n", "wrong/forgetful gets 5 points"),
    ],
)  # fmt: skip
def test_a_wrong_expectation_is_reported(
    proof: Any, lab_folder: Path, name: str, old: str, new: str, said: str
) -> None:
    """Which answer, what it got and what was wanted."""
    change(lab_folder, name, old, new)
    found = proof(times=1)
    assert not found.ok
    assert any(said in problem for problem in found.problems), found.problems


def test_a_leak_is_reported(proof: Any, lab_folder: Path) -> None:
    """A solution's line that stands outside its marks too would be handed out."""
    change(lab_folder, "lab.py", '    """Add two numbers."""\n',
           '    """Add two numbers."""\n    # BEGIN\n')  # fmt: skip
    found = proof(times=1)
    assert found.ok
    import autograder.selftest as module

    source = load_lab_source(lab_folder)
    shown = module.release_notebook(source)
    shown.cells[0].source += "\nsecret_sum = a + b"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "release_notebook", lambda _: shown)
        assert module._leaks(source) == [
            "the release shows a line of a solution or a hidden test: secret_sum = a + b"
        ]


def load_lab_source(folder: Path) -> Any:
    from autograder.labs import source_notebook

    return source_notebook(load_lab(folder))


def test_verdicts_that_change_are_reported(proof: Any, lab_folder: Path, tmp_path: Path) -> None:
    """An answer that passes every other time is no proof."""
    flag = tmp_path / "ran"
    change(lab_folder, "right/swapped.py", "def add(a, b):",
           f"import pathlib\nflag = pathlib.Path({str(flag)!r})\n"
           "first = not flag.exists()\nflag.touch()\ndef add(a, b):\n"
           "    if not first:\n        return 0\n"[:-1] + "\n")  # fmt: skip
    problems = proof().problems
    assert "right/swapped doesn't get the same verdict every time" in problems


def test_a_slow_reference_is_reported(proof: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class of many should be graded while one waits."""
    monkeypatch.setattr("autograder.selftest.MAX_CPU_SECONDS", 0.1)
    assert proof(times=1).problems == ("the reference takes 0.2 s of CPU, at most 0.1 s",)


def test_an_engine_that_breaks_stops_the_proof(proof: Any, fake_engine: Any) -> None:
    """Nothing can be said of a lab that couldn't be run."""
    fake_engine.fates["return 42"] = LabError("broken")
    with pytest.raises(LabError, match="broken"):
        proof()
    assert fake_engine.closed.is_set()


def test_the_report_reads_back_as_json(proof: Any) -> None:
    """What ``--json`` prints is the model, closed."""
    report = SelftestReport(labs={"05_sums": proof(times=1)})
    assert SelftestReport.model_validate_json(report.model_dump_json()) == report
    assert isinstance(report.labs["05_sums"], LabProof)
