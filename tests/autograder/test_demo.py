"""The demo's class: one submission of each kind that teachers meet."""

import os
from pathlib import Path

import pytest

from autograder.demo import SHORT_LIMIT, build_class
from autograder.engines import engine_named, trusting_isolation
from autograder.errors import CourseError, LabError
from autograder.grade import grade_class

KINDS = {
    "reference": 5, "right-swapped": 5, "wrong-constant": 2, "blank": 0, "empty-file": 0,
    "invalid-json": 0, "deleted-test": 5, "edited-test": 0, "syntax-error": 3, "endless-loop": 3,
    "lost-metadata": 3, "half-done": 3, "reads-others": 5, "prints-100-mb": 5, "always-equal": 0,
    "ends-at-once": 3,
}  # fmt: skip


@pytest.mark.skipif(not hasattr(os, "fork"), reason="rooms are forked")
def test_every_kind_gets_its_points(
    small_labs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right, wrong, blank, broken, tampered and hostile work, each as it deserves."""
    monkeypatch.setattr("autograder.publish.write_marks", lambda *parts: None)
    monkeypatch.setattr("autograder.demo.SHORT_LIMIT", 1)
    course, count = build_class(small_labs, "05", tmp_path / "demo")
    engine = engine_named("rooms", isolation=trusting_isolation("rooms"))
    report = grade_class(course, "05", engine=engine, workers=2)
    results = {result.student.split("-", 2)[2]: result for result in report.submissions}
    assert {name: result.score for name, result in results.items()} == KINDS
    assert count == len(results) == len(KINDS)
    tests = [cell for cell in results["reference"].cells if cell.status == "passed"]
    assert {cell.room for cell in tests} == {"examiner"}
    assert results["ends-at-once"].needs_human


def test_the_class_has_little_time(small_labs: Path, tmp_path: Path) -> None:
    """An endless loop is to be watched being cut, not waited for."""
    course, _ = build_class(small_labs, "05", tmp_path / "demo")
    settings = course.lab_settings("05_sums")
    assert settings is not None
    assert settings.limits.cell_seconds == SHORT_LIMIT


def test_the_same_class_every_time(small_labs: Path, tmp_path: Path) -> None:
    """An earlier demo is built over, to the same bytes."""

    def snapshot() -> dict[str, bytes]:
        root = tmp_path / "demo" / "submitted"
        return {str(p): p.read_bytes() for p in root.rglob("*") if p.is_file()}

    build_class(small_labs, "05", tmp_path / "demo")
    first = snapshot()
    build_class(small_labs, "sums", tmp_path / "demo")
    assert snapshot() == first


def test_a_folder_that_is_no_demo_is_left_alone(small_labs: Path, tmp_path: Path) -> None:
    """Somebody's own files are there."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("all of it")
    with pytest.raises(CourseError, match=r"isn't empty.*--folder"):
        build_class(small_labs, "05", folder)
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]


def test_an_unknown_lab_makes_no_folder(small_labs: Path, tmp_path: Path) -> None:
    """A slip of the pen leaves nothing behind."""
    with pytest.raises(LabError, match="05_sums"):
        build_class(small_labs, "07", tmp_path / "demo")
    assert not (tmp_path / "demo").exists()
