"""The demo's class: one submission of each kind that teachers meet."""

from pathlib import Path
from typing import Any

import pytest

from autograder.demo import SHORT_LIMIT, build_class
from autograder.errors import CourseError, LabError
from autograder.grade import grade_class

KINDS = {
    "reference": 5, "right-swapped": 5, "wrong-constant": 2, "blank": 0, "empty-file": 0,
    "invalid-json": 0, "deleted-test": 5, "edited-test": 0, "syntax-error": 3, "endless-loop": 3,
    "lost-metadata": 3, "half-done": 3,
}  # fmt: skip


def test_every_kind_gets_its_points(
    small_labs: Path, tmp_path: Path, fake_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right, wrong, blank, broken and tampered work, each as it deserves."""
    monkeypatch.setattr("autograder.grade.write_marks", lambda *parts: None)
    fake_engine.fates["while True"] = "timeout"
    course, count = build_class(small_labs, "05", tmp_path / "demo")
    report = grade_class(course, "05", engine=fake_engine, workers=1)
    scores = {result.student: result.score for result in report.submissions}
    assert {name.split("-", 2)[2]: score for name, score in scores.items()} == KINDS
    assert count == len(scores) == len(KINDS)
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
