"""Proving a lab: known answers get known scores, and what isn't proved is said."""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autograder.engine import Execution
from autograder.engines import engine_named, trusting_isolation
from autograder.errors import LabError
from autograder.lab_checks import idle_tags, leaks
from autograder.labs import load_lab, source_notebook
from autograder.notebook import cell_kind
from autograder.release import release_notebook
from autograder.room_cells import STUDENT_ROOM_TAG
from autograder.score import RUN_IT
from autograder.selftest import (
    LabProof,
    SelftestReport,
    Trial,
    lab_teacher,
    prove,
    prove_all,
    try_rooms,
)

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
    def run(*, times: int = 1, progress: Any = None) -> LabProof:
        trials = [Trial(fake_engine, times=times)]
        return prove(load_lab(lab_folder), trials, workers=1, progress=progress)

    return run


def test_several_labs_are_proved_at_a_time(lab_folder: Path, fake_engine: Any, proof: Any) -> None:
    """Each as it is alone, with one count of all their runs."""
    other = shutil.copytree(lab_folder, lab_folder.with_name("06_more"))
    (other / "wrong" / "forgetful.py").unlink()
    told: list[tuple[int, int]] = []
    labs = [load_lab(lab_folder), load_lab(other)]
    found = prove_all(
        labs, lambda: [Trial(fake_engine)], workers=2, progress=lambda _, *rest: told.append(rest)
    )
    assert list(found) == ["05_sums", "06_more"]
    assert found["05_sums"] == proof()
    assert [problem for problem in found["06_more"].problems if "no wrong answer" in problem]
    assert sorted(told) == [(done, 9) for done in range(1, 10)]


def test_what_goes_wrong_with_one_lab_stops_the_others(
    lab_folder: Path, fake_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is told, and nothing goes on behind it."""
    other = shutil.copytree(lab_folder, lab_folder.with_name("06_more"))
    (other / "wrong" / "forgetful.py").write_text("# no head", "utf-8")
    labs = [load_lab(lab_folder), load_lab(other)]
    with pytest.raises(LabError, match="forgetful"):
        prove_all(labs, lambda: [Trial(fake_engine)], workers=1)
    monkeypatch.setattr("autograder.selftest.leaks", lambda source: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        prove_all(labs[:1], lambda: [Trial(fake_engine)], workers=1)


def test_a_good_lab_is_proved(proof: Any, fake_engine: Any) -> None:
    """Every known answer ran twice and got its score."""
    told: list[tuple[str, int, int]] = []
    found = proof(times=2, progress=lambda *words: told.append(words))
    assert found.problems == ()
    assert found.ok
    assert (found.wanted, found.reference, found.blank, found.cpu_seconds) == (5, 5, 0, 0.25)
    assert [(right.name, right.score) for right in found.right] == [("swapped", 5)]
    assert [(w.name, w.wanted, w.got) for w in found.wrong] == [
        ("constant", 2, 2), ("forgetful", 3, 3),
    ]  # fmt: skip
    assert len(fake_engine.seen) == 10
    assert [done for _, done, _ in told] == list(range(1, 11))
    assert {total for _, _, total in told} == {10}
    assert "05_sums: reference" in {name for name, _, _ in told}


def change(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / name
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("wrong/constant.py", "score = 2", "score = 1",
         f"wrong/constant gets 2 points, 1 were wanted (q1_test: Add the two numbers. {RUN_IT})"),
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
    found = proof()
    assert not found.ok
    assert any(said in problem for problem in found.problems), found.problems


def test_a_line_of_a_solution_that_is_handed_out_is_no_secret(proof: Any, lab_folder: Path) -> None:
    """What stands outside the marks as well, the teacher shows on purpose."""
    change(lab_folder, "lab.py", '    """Add two numbers."""\n',
           '    """Add two numbers."""\n    # BEGIN\n')  # fmt: skip
    assert proof().ok


def test_a_leak_is_reported(lab_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A solution's line that is in the release all the same."""
    source = source_notebook(load_lab(lab_folder))
    shown = release_notebook(source)
    shown.cells[0].source += "\nsecret_sum = a + b"
    assert leaks(source) == []
    monkeypatch.setattr("autograder.lab_checks.release_notebook", lambda _: shown)
    assert leaks(source) == [
        "the release shows a line of a solution or a hidden test: secret_sum = a + b"
    ]


def test_a_tag_that_does_nothing_is_reported(lab_folder: Path) -> None:
    """Fresh rooms are for given code; on a test cell the tag would be a mistake."""
    source = source_notebook(load_lab(lab_folder))
    for cell in source.cells:
        cell.metadata["tags"] = ["fresh-room"] if cell_kind(cell) in ("locked", "test") else []
    named = [problem.partition(" on ")[2].partition(":")[0] for problem in idle_tags(source)]
    assert named == ["story", "q1_test", "q2_test"]


def test_verdicts_that_change_are_reported(proof: Any, lab_folder: Path, tmp_path: Path) -> None:
    """An answer that passes every other time is no proof."""
    flag = tmp_path / "ran"
    change(lab_folder, "right/swapped.py", "def add(a, b):",
           f"import pathlib\nflag = pathlib.Path({str(flag)!r})\n"
           "first = not flag.exists()\nflag.touch()\ndef add(a, b):\n"
           "    if not first:\n        return 0\n"[:-1] + "\n")  # fmt: skip
    problems = proof(times=2).problems
    assert "right/swapped doesn't get the same verdict every time" in problems


def test_a_slow_reference_is_reported(proof: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class of many should be graded while one waits."""
    monkeypatch.setattr("autograder.selftest.MAX_CPU_SECONDS", 0.1)
    assert proof().problems == ("the reference takes 0.2 s of CPU, at most 0.1 s",)


def test_an_engine_that_breaks_stops_the_proof(proof: Any, fake_engine: Any) -> None:
    """Nothing can be said of a lab that couldn't be run."""
    fake_engine.fates["return 42"] = LabError("broken")
    with pytest.raises(LabError, match="broken"):
        proof()
    assert fake_engine.closed.is_set()


class Rooms:
    """Says of each test cell which room it ran in; q2_test can't run in one of them."""

    name, isolation, room = "rooms", "full", "examiner"

    def __init__(self, engine: Any, *, broken: str) -> None:
        self._engine, self._broken = engine, broken

    def prepare(self, source: Any) -> None:
        self._engine.prepare(source)

    def run(self, notebook: Any, files: Any, limits: Any) -> Execution:
        execution = self._engine.run(notebook, files, limits)
        tags = [cell.metadata.get("tags", []) for cell in notebook.cells]
        runs = [self._in_room(run, STUDENT_ROOM_TAG in tags[run.index]) for run in execution.cells]
        return replace(execution, cells=tuple(runs))

    def _in_room(self, run: Any, is_beside: bool) -> Any:
        room = "student" if is_beside else "examiner"
        if run.grade_id == "q2_test" and room == self._broken:
            run = replace(run, status="error", error="RoomError", message="not out of reach")
        return replace(run, room=room)

    def close(self) -> None:
        self._engine.close()


def test_the_report_reads_back_as_json(proof: Any) -> None:
    """What ``--json`` prints is the model, closed."""
    report = SelftestReport(labs={"05_sums": proof()})
    assert SelftestReport.model_validate_json(report.model_dump_json()) == report
    assert isinstance(report.labs["05_sums"], LabProof)


def test_each_way_to_run_is_proved(lab_folder: Path, fake_engine: Any) -> None:
    """What goes wrong only beside the answers is said to go wrong there."""
    rooms = Rooms(fake_engine, broken="student")
    trials = [Trial(rooms), Trial(rooms, "beside the answers: ", beside=True)]
    found = prove(load_lab(lab_folder), trials, workers=1)
    assert (found.reference, found.ok) == (5, False)
    assert all(problem.startswith("beside the answers: ") for problem in found.problems)
    assert "reference gets 3 points, 5 were wanted (q2_test: " in found.problems[0]
    cells = {cell.grade_id: (cell.room, cell.examiner, cell.student) for cell in found.cells}
    assert cells == {"q1_test": ("examiner", True, True), "q2_test": ("examiner", True, False)}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="rooms are forked")
def test_a_lab_is_proved_in_real_rooms(lab_folder: Path) -> None:
    """Every known answer, with the tests out of its reach and beside it."""
    engine = engine_named("rooms", isolation=trusting_isolation("rooms"))
    trials = [Trial(engine), Trial(engine, "beside the answers: ", beside=True)]
    found = prove(load_lab(lab_folder), trials, workers=2)
    assert found.problems == ()
    assert [(c.room, c.examiner, c.student) for c in found.cells] == [("examiner", True, True)] * 2


def test_the_room_tag_puts_a_test_beside_the_answers(lab_folder: Path, fake_engine: Any) -> None:
    """That is how one engine runs both ways; the other ways see the lab as it is."""
    trials = [Trial(fake_engine), Trial(fake_engine, "beside: ", beside=True)]
    prove(load_lab(lab_folder), trials, workers=1)
    tagged = [
        sum(STUDENT_ROOM_TAG in cell.metadata.get("tags", []) for cell in notebook.cells)
        for notebook in fake_engine.seen
    ]
    assert tagged == [0] * 5 + [2] * 5


def test_a_lab_of_elsewhere_is_tried_in_both_rooms(lab_folder: Path, fake_engine: Any) -> None:
    """It is proved by its solution beside the tests; cell by cell it says what works apart."""
    teacher = replace(lab_teacher(load_lab(lab_folder)), settings=None)
    found = try_rooms(teacher, Rooms(fake_engine, broken="examiner"))
    assert found.ok
    assert (found.wanted, found.reference, found.blank) == (5, 5, 0)
    cells = {cell.grade_id: (cell.examiner, cell.student, cell.reason) for cell in found.cells}
    assert cells == {
        "q1_test": (True, True, ""),
        "q2_test": (False, True, "RoomError: not out of reach"),
    }


def test_points_for_nothing_are_remarked_in_a_lab_of_elsewhere(
    lab_folder: Path, fake_engine: Any
) -> None:
    """It is proved all the same: a teacher may want them."""
    teacher = replace(lab_teacher(load_lab(lab_folder)), settings=None)
    cells = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell for cell in teacher.graded}
    cells["q1_test"].source = "# Hidden tests were here."
    cells["q2_test"].source = "print(2 / 0)"
    cells["q2_test"].metadata["nbgrader"]["points"] = 0
    found = try_rooms(teacher, Rooms(fake_engine, broken=""))
    assert found.ok
    points, failed = found.remarks
    assert points == f"the release as it is handed out gets points for q1_test ({found.blank:g})"
    assert failed.startswith("q2_test, for no points, isn't passed: ")
