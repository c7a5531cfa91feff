"""Odd and damaged notebooks by the hundred: each has a verdict, and the judge of that is awake."""

import dataclasses
import json
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from autograder.engine import Execution
from autograder.engines import trusting_isolation

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
COUNT = 150


@pytest.fixture(scope="module")
def fuzz() -> Any:
    """The benchmark, as a module."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import fuzz
    finally:
        sys.path.remove(str(BENCHMARKS))
    return fuzz


@pytest.fixture(scope="module")
def making(fuzz: ModuleType) -> Any:
    """The mutations, as a module."""
    return sys.modules["sides.mutants"]


class NoEngine:
    """Runs nothing: every cell has failed."""

    name, isolation, room = "rooms", "full", "examiner"

    def prepare(self, source: Any) -> None:
        pass

    def run(self, notebook: Any, *_: Any) -> Execution:
        return Execution(notebook, ())

    def close(self) -> None:
        pass


def test_every_mutant_has_a_verdict(fuzz: ModuleType, making: ModuleType) -> None:
    """No crash, no silence, no mark lost where no answer was touched."""
    isolation = trusting_isolation("rooms")
    report = fuzz.grade_mutants(count=COUNT, seed=2, isolation=isolation, peer=False)
    assert report["flaws"] == []
    assert report["ratios"]["crashes"] == report["ratios"]["flawed_verdicts"] == 0
    assert set(report["verdicts"]) == {"graded", "needs-human", "unreadable"}
    rows = {row["kind"]: row for row in report["rows"]}
    assert set(rows) == {*making.MUTATIONS, making.SEVERAL}
    assert rows["truncated"]["verdicts"] == {"unreadable": rows["truncated"]["mutants"]}
    assert sum(row["full_marks"] for row in report["rows"]) > COUNT / 20


def test_a_mutant_depends_on_its_number_alone(fuzz: ModuleType) -> None:
    """So that one that fails can be made again, whatever came before it."""
    bases = fuzz.bases()
    many = list(fuzz.mutants(bases, count=120, seed=3))
    assert list(fuzz.mutants(bases, count=1, seed=3, first=77)) == [many[77]]
    assert len({mutant.data for mutant in many}) > 100
    others = fuzz.mutants(bases, count=120, seed=4)
    assert sum(one == other for one, other in zip(many, others, strict=True)) < 20


def test_notebooks_that_keep_their_answers_keep_them(fuzz: ModuleType, making: ModuleType) -> None:
    """The mutations that are held to give the same marks really leave the answers alone."""
    bases = fuzz.bases()
    kept = [
        mutant
        for mutant in fuzz.mutants(bases, count=200, seed=5)
        if mutant.keeps and mutant.kind not in ("lines-or-text", "answer-with-other-line-ends")
    ]
    assert len(kept) > 40
    for mutant in kept:
        data = json.loads(mutant.data.decode("utf-8-sig"))
        for cell in bases[mutant.base]["cells"]:
            if making.is_answer(cell):
                text = "".join(cell["source"])
                found = ["".join(one["source"]) for one in data["cells"] if making.is_answer(one)]
                assert text.split() in [one.split() for one in found]


@pytest.fixture
def graded(fuzz: ModuleType) -> Any:
    """A verdict without a flaw, on a notebook of which nothing ran."""
    teacher = fuzz.teachers()["ours"]
    job = fuzz.Job("ann", "key", json.dumps(fuzz.bases()["right"]).encode())
    graded = fuzz.grade_job(teacher, job, NoEngine())
    assert fuzz.flaws(teacher, graded, NoEngine(), 0.0) == []
    return graded


def spoilt(graded: Any, what: str) -> Any:
    """Spoil a verdict."""
    result, cells = graded.result, list(graded.result.cells)
    changes: dict[str, Any] = {
        "silent": {"cells": (cells[0].model_copy(update={"reason": ""}), *cells[1:])},
        "too much": {"cells": (cells[0].model_copy(update={"score": 9.0}), *cells[1:])},
        "missing": {"cells": tuple(cells[1:])},
        "unsure": {"cells": (cells[0].model_copy(update={"score": None}), *cells[1:])},
        "sum": {"score": 4.0},
        "unread": {"status": "unreadable", "problems": ()},
        "leak": {"problems": ("assert 'the hidden test'",)},
        "unwritable": {"problems": ("\ud800",)},
    }[what]
    return dataclasses.replace(graded, result=result.model_copy(update=changes))


@pytest.mark.parametrize(
    ("what", "wanted"),
    [
        ("silent", "lost points without a reason"),
        ("too much", "q1_test has 9.0 of 3.0 points"),
        ("missing", "isn't on the teacher's cells"),
        ("unsure", "has no score, and nobody is told"),
        ("sum", "the sum is wrong"),
        ("unread", "nothing says why"),
        ("leak", "mustn't see"),
        ("unwritable", "can't be written"),
    ],
)
def test_the_judge_sees_a_flawed_verdict(
    what: str, wanted: str, graded: Any, fuzz: ModuleType
) -> None:
    """Silence, points that can't be, a leak, what can't be saved: each is a flaw."""
    found = fuzz.flaws(fuzz.teachers()["ours"], spoilt(graded, what), NoEngine(), None)
    assert any(wanted in flaw for flaw in found), found


@pytest.mark.filterwarnings("ignore")
def test_nbgraders_own_reading_is_measured(fuzz: ModuleType) -> None:
    """It reads what is whole, and raises at what isn't."""
    bench = fuzz.Bench(NoEngine(), peer=True)
    whole = json.dumps(fuzz.bases()["right"]).encode()
    mutants = [fuzz.Mutant(1, "", "right", True, data) for data in (whole, whole[:-9])]
    assert [bench.nbgraders(mutant) for mutant in mutants] == ["", "NotJSONError"]
    bench.folder.rmdir()


def test_a_lost_mark_is_a_flaw(graded: Any, fuzz: ModuleType) -> None:
    """Where no answer was touched, the marks have to be those of the notebook as it was."""
    found = fuzz.flaws(fuzz.teachers()["ours"], graded, NoEngine(), 5.0)
    assert any("0.0 points instead of 5.0" in flaw for flaw in found)


def test_a_grader_that_raises_is_a_crash(fuzz: ModuleType, monkeypatch: Any) -> None:
    """An exception is counted and named; the other mutants are graded."""

    def grade_job(teacher: Any, job: Any, engine: Any) -> Any:
        if job.key == "3":
            raise LookupError("a slip")
        return real(teacher, job, engine)

    real = fuzz.grade_job
    monkeypatch.setattr(fuzz, "grade_job", grade_job)
    monkeypatch.setattr(fuzz, "engine_named", lambda *_, **__: NoEngine())
    report = fuzz.grade_mutants(count=8, seed=2, isolation="process", peer=False)
    assert report["ratios"]["crashes"] == 1
    assert report["flaws"][0]["what"] == ["crash: LookupError: a slip"]
    assert sum(Counter(report["verdicts"]).values()) == 8
