"""Grading again: only what changed runs, nothing is lost, and nobody grades at the same time."""

import json
import os
import shutil
from typing import Any

import pytest

from autograder.course_lock import locked
from autograder.errors import CourseError
from autograder.grade import grade_class, read_records
from autograder.notebook import read_notebook
from autograder.publish import rebuild
from autograder.records import Index, load_index, save_index
from autograder.results import GradeReport, SubmissionResult

LAB = "05_sums"
WRONG = {"q1": "def add(a, b):\n    return 42"}


@pytest.fixture
def marks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would have gone to the gradebook, which costs seconds to make."""
    written: list[Any] = []
    monkeypatch.setattr("autograder.publish.write_marks", lambda *given: written.append(given[-1]))
    return written


@pytest.fixture
def graded(small_course: Any, fake_engine: Any, marks: list[Any]) -> Any:
    """Grade the class; ``seen`` of the engine then holds what was run for it."""

    def run(**options: Any) -> GradeReport:
        fake_engine.seen.clear()
        return grade_class(small_course.course, "05", engine=fake_engine, workers=1, **options)

    return run


def by_student(report: GradeReport) -> dict[str, SubmissionResult]:
    return {result.student: result for result in report.submissions}


def test_what_was_graded_is_not_run_again(small_course: Any, graded: Any, fake_engine: Any) -> None:
    """Only what changed runs; with force, everything does; the report is the same."""
    small_course.hand_in("ann")
    small_course.hand_in("bea")
    first = graded()
    assert len(fake_engine.seen) == 2
    assert graded() == first
    assert len(fake_engine.seen) == 0
    small_course.hand_in("bea", WRONG)
    assert by_student(graded())["bea"].score == 2
    assert len(fake_engine.seen) == 1
    graded(force=True)
    assert len(fake_engine.seen) == 2


def test_other_points_are_counted_without_running_anything(
    small_course: Any, graded: Any, fake_engine: Any, marks: list[Any]
) -> None:
    """What a cell is worth changes verdicts, not what its run showed."""
    small_course.hand_in("ann")
    small_course.hand_in("bea", WRONG)
    small_course.hand_in("eve", b"")
    graded()
    source = small_course.root / "source" / LAB / f"{LAB}.ipynb"
    book = json.loads(source.read_bytes())
    for cell in book["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == "q1_test":
            cell["metadata"]["nbgrader"]["points"] = 10
    source.write_text(json.dumps(book), "utf-8")
    found = by_student(graded())
    assert fake_engine.seen == []
    assert {name: (r.score, r.max_score) for name, r in found.items()} == {
        "ann": (12, 15), "bea": (2, 15), "eve": (0, 15),
    }  # fmt: skip
    assert {entry.result.student: entry.result.score for entry in marks[-1]}["ann"] == 12
    notebook = read_notebook(small_course.root / "autograded" / "ann" / LAB / f"{LAB}.ipynb")
    worth = {c.metadata.nbgrader.grade_id: c.metadata.nbgrader.get("points") for c in notebook.cells
             if "nbgrader" in c.metadata}  # fmt: skip
    assert worth["q1_test"] == 10


def test_tests_in_another_room_are_another_run(
    small_course: Any, graded: Any, fake_engine: Any
) -> None:
    """A verdict reached beside the answers is none for the examiner's room; each is kept."""
    small_course.hand_in("ann")
    for room, runs in (("shared", 1), ("examiner", 1), ("shared", 0), ("examiner", 0)):
        fake_engine.room = room
        graded()
        assert len(fake_engine.seen) == runs


@pytest.mark.parametrize(
    ("before", "now", "runs"),
    [("process", "full", 1), ("landlock", "bubblewrap", 1), ("full", "process", 0),
     ("full", "landlock", 0), ("fake", "full", 1), ("full", "full", 0)],
)  # fmt: skip
def test_what_was_less_confined_runs_again(
    small_course: Any, graded: Any, fake_engine: Any, before: str, now: str, runs: int
) -> None:
    """A mark that an open door may have helped isn't taken over; one from behind a better is."""
    small_course.hand_in("ann")
    fake_engine.isolation = before
    graded()
    fake_engine.isolation = now
    graded()
    assert len(fake_engine.seen) == runs


def test_a_second_grader_says_who_the_first_is_and_stops(
    small_course: Any, graded: Any, fake_engine: Any
) -> None:
    """Two that write the same course would mix up its marks."""
    small_course.hand_in("ann")
    with locked(small_course.root, "grade 05_sums"):
        with pytest.raises(CourseError, match=rf"being graded already: process {os.getpid()} on "):
            graded()
        with pytest.raises(CourseError, match="being graded already"):
            rebuild(small_course.course, "05")
        assert fake_engine.seen == []
        assert fake_engine.closed.is_set()
    assert graded().submissions[0].score == 5


def test_marks_are_rebuilt_from_the_records_alone(
    small_course: Any, graded: Any, fake_engine: Any, marks: list[Any]
) -> None:
    """With the submissions gone and the notebooks lost, all is written as it was."""
    path = small_course.hand_in("ann")
    (path.parent / "timestamp.txt").write_text("2026-01-05 10:00:00 UTC")
    small_course.hand_in("bea", WRONG)
    small_course.hand_in("bea")
    small_course.hand_in("bea", WRONG)
    small_course.hand_in("eve", b"")
    graded()
    first = sorted(marks.pop(), key=lambda entry: entry.result.student)
    autograded = small_course.root / "autograded"
    notebooks = {path: path.read_bytes() for path in autograded.rglob("*") if path.is_file()}
    shutil.rmtree(autograded)
    shutil.rmtree(small_course.root / "submitted")
    fake_engine.seen.clear()
    assert rebuild(small_course.course, "05") == 3
    assert sorted(marks.pop(), key=lambda entry: entry.result.student) == first
    assert first[0].timestamp == "2026-01-05 10:00:00 UTC"
    assert {p: p.read_bytes() for p in autograded.rglob("*") if p.is_file()} == notebooks
    assert fake_engine.seen == []


def test_what_an_interrupted_grading_finished_can_be_rebuilt(
    small_course: Any, graded: Any, marks: list[Any]
) -> None:
    """Records without an index: each student's newest counts."""
    small_course.hand_in("ann")
    small_course.hand_in("bea")

    def stop(result: SubmissionResult, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        graded(progress=stop)
    assert rebuild(small_course.course, "05") == 1
    assert len(marks.pop()) == 1


def test_records_of_other_cells_give_no_marks(
    small_course: Any, graded: Any, marks: list[Any]
) -> None:
    """A lab that was changed since, or a record of another: nobody's work counts as not done."""
    small_course.hand_in("ann")
    graded()
    marks.clear()
    source = small_course.course.source("05_sums")
    before = source.read_text("utf-8")
    source.write_text(before.replace("q2_test", "q2_other"), "utf-8")
    with pytest.raises(CourseError, match=r"records of ann in .* of other cells than 05_sums has"):
        rebuild(small_course.course, "05")
    assert marks == []
    source.write_text(before, "utf-8")
    assert rebuild(small_course.course, "05") == 1
    assert marks.pop()[0].result.score == 5


def test_an_index_that_names_anothers_record_is_not_believed(
    small_course: Any, graded: Any, marks: list[Any]
) -> None:
    """Each student gets their own verdict, whatever became of the list of them."""
    small_course.hand_in("ann")
    small_course.hand_in("bea", WRONG)
    graded()
    folder = small_course.course.records("05_sums")
    students = load_index(folder).students
    swapped = {"ann": students["bea"], "bea": students["ann"], "cyd": students["ann"]}
    save_index(folder, Index(students=swapped))
    marks.clear()
    assert rebuild(small_course.course, "05") == 2
    assert {one.result.student: one.result.score for one in marks.pop()} == {"ann": 5, "bea": 2}
    assert load_index(folder).students == {
        name: entry.model_copy(update={"timestamp": ""}) for name, entry in students.items()
    }
    wrong = [
        "return 42" in path.read_text("utf-8")
        for name in ("ann", "bea")
        for path in small_course.course.autograded(name, "05_sums").glob("*.ipynb")
    ]
    assert wrong == [False, True]
    assert not small_course.course.autograded("cyd", "05_sums").exists()


def test_nothing_to_rebuild_from_is_said(small_course: Any, marks: list[Any]) -> None:
    """And marks that are there stay."""
    with pytest.raises(CourseError, match=r"holds no records.*autograder grade 05_sums"):
        rebuild(small_course.course, "05")
    assert marks == []


def test_a_changed_test_or_limit_runs_everybody_again(
    small_course: Any, graded: Any, fake_engine: Any
) -> None:
    """A verdict belongs to the tests and settings that it was reached with."""
    small_course.hand_in("ann")
    graded()
    source = small_course.root / "source" / LAB
    for path, old, new in (
        (source / f"{LAB}.ipynb", "hidden words", "other words"),
        (source / "lab.toml", "cell_seconds = 2", "cell_seconds = 3"),
    ):
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")
        graded()
        assert len(fake_engine.seen) == 1, path


def test_an_interruption_keeps_what_is_finished(
    small_course: Any, graded: Any, fake_engine: Any, marks: list[Any]
) -> None:
    """The verdicts so far stay, no mark is written, and the next run does the rest."""
    for number in range(4):
        small_course.hand_in(f"s{number}")

    def stop(result: SubmissionResult, done: int, total: int) -> None:
        assert total == 4
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        graded(progress=stop)
    assert marks == []
    assert not (small_course.root / "autograded").exists()
    assert fake_engine.closed.is_set()
    kept = len(list(small_course.course.records(LAB).glob("*.json")))
    assert kept == 2
    assert len(graded().submissions) == 4
    assert len(fake_engine.seen) == 2
    assert len(marks) == 1


def test_a_second_grading_writes_the_same_bytes(small_course: Any, graded: Any) -> None:
    """The same files give the same autograded notebooks."""
    small_course.hand_in("ann", WRONG)
    graded()
    path = small_course.root / "autograded" / "ann" / LAB / f"{LAB}.ipynb"
    first = path.read_bytes()
    graded(force=True)
    assert path.read_bytes() == first


def test_records_are_read_for_what_is_handed_in_now(
    small_course: Any, graded: Any, fake_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Feedback on yesterday's version would mislead."""
    small_course.hand_in("ann")
    small_course.hand_in("bea")
    graded()
    read = read_records(small_course.course, "05")
    assert [record.result.student for record in read] == ["ann", "bea"]
    small_course.hand_in("bea", WRONG)
    with pytest.raises(CourseError, match=r"bea handed in 05_sums.*autograder grade 05_sums"):
        read_records(small_course.course, "05")
