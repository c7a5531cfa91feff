"""Marks in nbgrader's gradebook: written all at once, and nothing done by hand is lost."""

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbgrader.api
import psutil
import pytest
from nbgrader.api import Gradebook

from autograder.course import Course
from autograder.errors import CourseError
from autograder.gradebook import (
    Marks,
    gradebook_state,
    read_hand_grades,
    timestamp_of,
    write_marks,
)
from autograder.results import CellResult, SubmissionResult

pytestmark = pytest.mark.filterwarnings("ignore:Object of type.*not in session")
LAB = "05_sums"


def result(student: str, first: float = 3, **more: Any) -> SubmissionResult:
    scores = {"q1_test": (3, first), "q2_test": (2, 2), "why": (2, None), "task": (1, None)}
    cells = tuple(
        CellResult(grade_id=name, points=worth, score=score,
                   status="manual" if score is None else "passed")
        for name, (worth, score) in scores.items()
    )  # fmt: skip
    total = sum(cell.score or 0 for cell in cells)
    fields = {"status": "needs-human", "score": total, "max_score": 8, "needs_human": True}
    return SubmissionResult(student=student, cells=cells, **(fields | more))


def marks(student: str, first: float = 3, *, blank: tuple[str, ...] = ()) -> Marks:
    return Marks(result(student, first), frozenset(blank), "2026-01-05 10:00:00 UTC")


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty gradebook; nbgrader takes over a second to make one."""
    from autograder.gradebook import _scripts_on_path

    path = tmp_path_factory.mktemp("gradebook") / "gradebook.db"
    with _scripts_on_path(), Gradebook(f"sqlite:///{path}"):
        pass
    return path


@pytest.fixture
def write(small_course: Any, made_once: Path) -> Any:
    if not (small_course.root / "gradebook.db").exists():
        shutil.copyfile(made_once, small_course.root / "gradebook.db")

    def run(*entries: Marks) -> None:
        write_marks(Course.open(small_course.root), LAB, small_course.source, entries)

    return run


@pytest.fixture
def book(small_course: Any) -> Any:
    """Open the gradebook as nbgrader's own users do."""

    def opened() -> Iterator[Any]:
        return Gradebook(
            f"sqlite:///{small_course.root / 'gradebook.db'}", _course_id(small_course)
        )

    return opened


def _course_id(small_course: Any) -> str:
    return small_course.course.config.course_id or "default_course"


def test_marks_are_read_by_nbgrader(write: Any, book: Any) -> None:
    """Scores, what waits for a person, times and the assignment's cells."""
    write(marks("ann"), marks("bea", 1.5))
    with book() as opened:
        grade = opened.find_grade("q1_test", LAB, LAB, "bea")
        assert (grade.auto_score, grade.manual_score, grade.max_score) == (1.5, None, 3)
        assert not grade.needs_manual_grade
        assert opened.find_grade("why", LAB, LAB, "bea").needs_manual_grade
        submission = opened.find_submission(LAB, "ann")
        assert submission.score == 5
        assert submission.max_score == 8
        assert str(submission.timestamp).startswith("2026-01-05 10:00")
        assert opened.find_assignment(LAB).max_score == 8


def test_the_gradebook_knows_the_cells_as_nbgrader_wants_them(write: Any, book: Any) -> None:
    """Tests with their hidden lines, which its own autograde puts back; answers without theirs."""
    write(marks("ann"))
    with book() as opened:
        assert "hidden words" in opened.find_source_cell("q1_test", LAB, LAB).source
        assert "secret" not in opened.find_source_cell("q1", LAB, LAB).source


def test_what_a_person_graded_survives_a_regrade(write: Any, book: Any, small_course: Any) -> None:
    """Their scores, extra credit and comments stay; automatic scores are the new ones."""
    write(marks("ann"), marks("bea"))
    with book() as opened:
        for cell, score in (("why", 1.5), ("q1_test", 2.5)):
            grade = opened.find_grade(cell, LAB, LAB, "ann")
            grade.manual_score, grade.extra_credit = score, 0.5
        opened.find_comment("q1", LAB, LAB, "ann").manual_comment = "Well said."
        opened.db.commit()
    write(marks("ann", 0), marks("bea", 0))
    with book() as opened:
        grade = opened.find_grade("q1_test", LAB, LAB, "ann")
        assert (grade.auto_score, grade.manual_score, grade.extra_credit) == (0, 2.5, 0.5)
        assert grade.needs_manual_grade  # The work may be another now, as nbgrader says too.
        assert opened.find_grade("why", LAB, LAB, "ann").manual_score == 1.5
        assert opened.find_grade("q1_test", LAB, LAB, "bea").score == 0
    by_hand = read_hand_grades(small_course.course, LAB)
    assert set(by_hand) == {"ann", "bea"}
    assert by_hand["bea"] == {}
    assert by_hand["ann"]["why"].score == 1.5
    assert (by_hand["ann"]["q1"].score, by_hand["ann"]["q1"].comment) == (None, "Well said.")


def test_answers_left_blank_are_marked_so(write: Any, book: Any) -> None:
    """As nbgrader does, until an answer comes."""
    write(marks("ann", blank=("q1",)))
    with book() as opened:
        assert opened.find_comment("q1", LAB, LAB, "ann").comment == "No response."
        assert opened.find_comment("why", LAB, LAB, "ann").comment is None
    write(marks("ann"))
    with book() as opened:
        assert opened.find_comment("q1", LAB, LAB, "ann").comment is None


def test_unreadable_work_waits_for_a_person(write: Any, book: Any) -> None:
    """Every cell does: nothing in it was run."""
    write(Marks(result("ann", status="unreadable"), frozenset()))
    with book() as opened:
        assert opened.find_grade("q1_test", LAB, LAB, "ann").needs_manual_grade


def test_all_marks_or_none(write: Any, book: Any) -> None:
    """A failure at the second student leaves the first one's old marks."""
    write(marks("ann", 1))
    broken = result("bea")
    stranger = broken.cells[0].model_copy(update={"grade_id": "q9_test"})
    broken = broken.model_copy(update={"cells": (stranger,)})
    with pytest.raises(CourseError, match="refuses"):
        write(marks("ann", 3), Marks(broken, frozenset()))
    with book() as opened:
        assert opened.find_grade("q1_test", LAB, LAB, "ann").auto_score == 1
        assert [student.id for student in opened.students] == ["ann"]


def test_other_cells_than_before_are_refused_with_advice(write: Any, small_course: Any) -> None:
    """nbgrader can't change a lab that has submissions; the message says what can be done."""
    write(marks("ann"))
    small_course.source.cells = [
        cell for cell in small_course.source.cells if "q2_test" not in str(cell.metadata)
    ]
    with pytest.raises(CourseError, match="nbgrader db assignment remove 05_sums"):
        write(marks("ann"))


def test_a_corrupt_gradebook_is_said_with_advice(write: Any, small_course: Any) -> None:
    """And is left as it is; nothing holds it open."""
    path = small_course.root / "gradebook.db"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(CourseError, match=r"gradebook\.db can't be used.*[Pp]ut a backup"):
        write(marks("ann"))
    assert str(path) not in {file.path for file in psutil.Process().open_files()}
    assert path.read_bytes() == b"this is no database" * 100


def test_a_locked_gradebook_is_said_with_advice(write: Any, small_course: Any) -> None:
    """Another program may be writing; nothing is lost by trying again."""
    config = small_course.root / "nbgrader_config.py"
    path = small_course.root / "gradebook.db"
    config.write_text(f"c.CourseDirectory.db_url = 'sqlite:///{path}?timeout=0.1'\n")
    write(marks("ann", 1))
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(CourseError, match=r"locked.*try again.*records"):
            write(marks("ann", 3))
    finally:
        other.close()
    write(marks("ann", 3))


def test_a_full_disk_is_said_with_advice_and_nothing_else(
    write: Any, book: Any, small_course: Any, capfd: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where nbgrader takes it for an entry that is no good, and prints how it came to that."""
    write(marks("ann", 1))
    trigger = (
        "create trigger full before insert on student "
        "begin select raise(abort, 'database or disk is full'); end"
    )
    with contextlib.closing(sqlite3.connect(small_course.root / "gradebook.db")) as connection:
        connection.execute(trigger)
    with pytest.raises(
        CourseError, match=r"disk is full\. Free some disk space.*kept in .*records"
    ):
        write(marks("ann", 3), marks("bea"))
    assert caplog.text == ""
    assert capfd.readouterr() == ("", "")
    with next(iter([book()])) as opened:
        assert [student.id for student in opened.students] == ["ann"]
        assert opened.find_submission("05_sums", "ann").score == 3.0


@pytest.mark.parametrize("address", ["::::", "nothing://x", "mysql+none://u:p@127.0.0.1/x"])
def test_an_address_that_is_none_is_said_with_advice(
    small_course: Any, write: Any, address: str
) -> None:
    """Before anything is written, and without the password."""
    config = small_course.root / "nbgrader_config.py"
    config.write_text(f"c.CourseDirectory.db_url = {address!r}\n")
    course = Course.open(small_course.root)
    for action in (lambda: write(marks("ann")), lambda: gradebook_state(course)):
        with pytest.raises(CourseError, match=r"can't be used .*db_url.*driver") as refused:
            action()
        assert "u:p" not in str(refused.value)


def test_the_courses_own_configuration_is_respected(
    write: Any, small_course: Any, made_once: Path, tmp_path: Path
) -> None:
    """Another gradebook and another course id, as nbgrader would use them."""
    elsewhere = tmp_path / "elsewhere.db"
    shutil.copyfile(made_once, elsewhere)
    (small_course.root / "nbgrader_config.py").write_text(
        f"c = get_config()\nc.CourseDirectory.db_url = 'sqlite:///{elsewhere}'\n"
        "c.CourseDirectory.course_id = 'spring'\n"
    )
    before = (small_course.root / "gradebook.db").read_bytes()
    write(marks("ann"))
    assert (small_course.root / "gradebook.db").read_bytes() == before
    with Gradebook(f"sqlite:///{elsewhere}", "spring") as opened:
        assert opened.find_submission(LAB, "ann").score == 5
        assert opened.find_assignment(LAB).course_id == "spring"
    elsewhere.write_bytes(b"this is no database" * 100)
    with pytest.raises(CourseError, match=r"elsewhere\.db can't be used"):
        write(marks("ann"))


def test_a_gradebook_is_made_without_alembic_on_the_path(
    small_course: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nbgrader runs it by name; an environment that isn't activated has no such name."""
    asked = nbgrader.api.get_alembic_version
    monkeypatch.setattr(nbgrader.api, "get_alembic_version", getattr(asked, "__wrapped__", asked))
    monkeypatch.setenv("PATH", "")
    write_marks(small_course.course, LAB, small_course.source, [marks("ann")])
    with sqlite3.connect(small_course.root / "gradebook.db") as base:
        assert base.execute("select count(*) from alembic_version").fetchone() == (1,)
    base.close()


def test_a_gradebook_is_made_whole_or_not_at_all(
    small_course: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nbgrader's own steps leave one without a version when they are interrupted."""

    def stop() -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("nbgrader.api.get_alembic_version", stop)
        with pytest.raises(KeyboardInterrupt):
            write_marks(small_course.course, LAB, small_course.source, [marks("ann")])
    assert list(small_course.root.glob("*gradebook*")) == []
    assert list(small_course.root.glob(".gradebook*")) == []


def test_the_time_of_submission_is_read_if_it_is_there(tmp_path: Path) -> None:
    """And is nothing otherwise."""
    assert timestamp_of(tmp_path) == ""
    (tmp_path / "timestamp.txt").write_bytes(b"\xff\xfe")
    assert timestamp_of(tmp_path) == ""
    (tmp_path / "timestamp.txt").write_text("2026-01-05 10:00:00 UTC\n")
    assert timestamp_of(tmp_path) == "2026-01-05 10:00:00 UTC"
