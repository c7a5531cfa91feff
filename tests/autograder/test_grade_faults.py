"""A fault of the machine or of the lab is never held against a student."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from autograder.errors import GraderError
from autograder.feedback import write_feedback
from autograder.grade import Outcomes, grade_class
from autograder.results import SubmissionResult
from autograder.teacher import Teacher
from autograder.verdict import Job, grade_job

LAB = "05_sums"


@pytest.fixture
def marks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would have gone to the gradebook, which costs seconds to make."""
    seen: list[Any] = []
    monkeypatch.setattr("autograder.publish.write_marks", lambda *given: seen.append(given[-1]))
    monkeypatch.setattr("autograder.feedback.read_hand_grades", lambda *_: {})
    return seen


def graded(small_course: Any, engine: Any) -> dict[str, SubmissionResult]:
    report = grade_class(small_course.course, LAB, engine=engine, workers=1)
    return {result.student: result for result in report.submissions}


@pytest.mark.usefixtures("marks")
@pytest.mark.parametrize("change", ["mended", "added", "removed"])
def test_other_data_runs_everybody_again(small_course: Any, fake_engine: Any, change: str) -> None:
    """A lab's files decide verdicts as its tests do, so marks never outlive mended data."""
    folder = small_course.course.source(LAB).parent
    (folder / "more").mkdir()
    (folder / "more" / "old.csv").write_text("old")
    small_course.hand_in("ann")
    graded(small_course, fake_engine)
    graded(small_course, fake_engine)
    assert len(fake_engine.seen) == 1
    if change == "mended":
        (folder / "numbers.txt").write_text("4 5 6\n")
    elif change == "added":
        (folder / "more" / "new.csv").write_text("")
    else:
        (folder / "more" / "old.csv").unlink()
    graded(small_course, fake_engine)
    assert len(fake_engine.seen) == 2


def test_a_machine_that_cannot_run_notebooks_stops_the_class(
    small_course: Any, fake_engine: Any, marks: list[Any]
) -> None:
    """Without a kernel nobody gets a verdict, and nothing has to be forced afterwards."""
    small_course.hand_in("ann", {"q1": "boom"})
    fake_engine.fates["boom"] = GraderError("no Jupyter kernel started.")
    with pytest.raises(GraderError, match="no Jupyter kernel"):
        graded(small_course, fake_engine)
    assert marks == []
    assert list(small_course.course.records(LAB).glob("*")) == []


@pytest.mark.usefixtures("marks")
def test_the_graders_own_slip_waits_for_a_person_and_is_tried_again(
    small_course: Any, fake_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The student neither loses points by it nor is told to hand in anything again."""
    small_course.hand_in("ann", {"q1": "boom"})
    secret = 'assert add("a", "b") == "ab", "hidden words"'
    fake_engine.fates["boom"] = RuntimeError(f"odd thing\n{secret}")
    found = graded(small_course, fake_engine)["ann"]
    assert (found.status, found.needs_human) == ("needs-human", True)
    assert {cell.score for cell in found.cells} == {None}
    (path,) = write_feedback(small_course.course, LAB)
    page = path.read_text("utf-8")
    assert "hand it in again" not in page
    assert "hidden words" not in page
    assert "odd thing" in page
    del fake_engine.fates["boom"]
    assert graded(small_course, fake_engine)["ann"].score < 5
    assert graded(small_course, fake_engine)["ann"].status == "needs-human"
    assert len(fake_engine.seen) == 2


@pytest.mark.usefixtures("marks")
@pytest.mark.parametrize("lie", ["another student", "other points", "too much", "no number"])
def test_what_is_no_verdict_on_this_work_counts_for_nobody(
    small_course: Any, fake_engine: Any, lie: str
) -> None:
    """Answers come from other machines, too: one that is mixed up or out of range is a fault."""
    for student in ("ann", "bea"):
        small_course.hand_in(student, {"q1": "pass"} if student == "bea" else None)

    def mixed_up(result: SubmissionResult) -> SubmissionResult:
        first, *others = result.cells
        changed = {
            "another student": {"student": "ann"},
            "other points": {"cells": (first.model_copy(update={"points": 300.0}), *others)},
            "too much": {"cells": (first.model_copy(update={"score": 4.0}), *others)},
            "no number": {"cells": (first.model_copy(update={"score": float("nan")}), *others)},
        }
        return result.model_copy(update=changed[lie])

    def spread(teacher: Teacher, jobs: Iterable[Job]) -> Outcomes:
        for job in jobs:
            done = grade_job(teacher, job, fake_engine)
            yield job, done if job.student == "ann" else replace(done, result=mixed_up(done.result))

    report = grade_class(small_course.course, LAB, engine=fake_engine, workers=1, spread=spread)
    found = {result.student: result for result in report.submissions}
    assert found["ann"].score == 5
    assert {cell.score for cell in found["bea"].cells} == {None}
    assert "isn't a verdict on this work" in found["bea"].problems[0]
    assert graded(small_course, fake_engine)["bea"].score == 0
