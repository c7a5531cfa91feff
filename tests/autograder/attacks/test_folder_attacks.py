"""Attacks by what lies beside a notebook in a submission's folder."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autograder.grade import grade_class, read_records
from autograder.gradebook import timestamp_of
from autograder.namespaces import copy_into

KINDS: dict[str, Callable[[Path], object]] = {
    "a pipe that nobody writes to": os.mkfifo,
    "a link to others' files": lambda path: path.symlink_to("/etc/passwd"),
    "a link to a device without end": lambda path: path.symlink_to("/dev/zero"),
    "a folder": Path.mkdir,
    "no time": lambda path: path.write_text("'; drop table grade; --"),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\0"),
    "a number beyond reason": lambda path: path.write_text("9" * 90),
    "a time that goes on and on": lambda path: path.write_text("2024-01-01 " + "0" * 10**6),
    "an offset of years": lambda path: path.write_text("2024-01-01T00:00:00+99:99"),
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
@pytest.mark.parametrize("kind", KINDS)
def test_what_isnt_a_time_is_none(kind: str, tmp_path: Path) -> None:
    """A class isn't kept waiting, and its gradebook takes what it is given."""
    KINDS[kind](tmp_path / "timestamp.txt")
    assert timestamp_of(tmp_path) == ""


def test_a_time_is_read(tmp_path: Path) -> None:
    """As nbgrader writes it."""
    (tmp_path / "timestamp.txt").write_text("2026-05-04 11:12:13.000000 UTC\n")
    assert timestamp_of(tmp_path) == "2026-05-04 11:12:13.000000 UTC"


def test_a_teachers_notebook_in_another_form_isnt_in_a_room(tmp_path: Path) -> None:
    """Tools keep a notebook as a script or a page beside it, with solutions and hidden tests."""
    source, room = tmp_path / "source", tmp_path / "room"
    source.mkdir()
    for name in ("ps1.ipynb", "lab.toml", "ps1.html"):
        (source / name).write_text("x")
    (source / "ps1.py").write_text("### BEGIN SOLUTION\nx = 1\n### END SOLUTION\n")
    (source / "ps1.md").write_text("---\njupyter:\n  jupytext:\n    formats: ipynb,md\n---\n")
    (source / "ps1.csv").write_text("a,b\n1,2\n")
    (source / "helpers.py").write_text("def f(): return 1\n")
    copy_into(room, source, "")
    assert sorted(path.name for path in room.iterdir()) == ["helpers.py", "ps1.csv"]


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text there")
def test_a_name_that_is_no_text_keeps_nobody_waiting(
    small_course: Any, fake_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The class is graded, and each has a verdict that can be read."""
    monkeypatch.setattr("autograder.publish.write_marks", lambda *_: None)
    good = small_course.hand_in("ann").read_bytes()
    folders = {}
    for student in ("bea", "cyd", "dan", "eve"):
        folders[student] = small_course.hand_in(student).parent
        shutil.rmtree(folders[student])
        folders[student].mkdir()
    name = os.fsdecode(b"\xff\xfe.ipynb")
    (folders["bea"] / name).write_bytes(good)
    (folders["cyd"] / name).symlink_to(folders["bea"] / name)
    (folders["dan"] / name).mkdir()
    for number in range(100):
        (folders["eve"] / f"{number}-{name}").write_bytes(good)
    report = grade_class(small_course.course, "05", engine=fake_engine, workers=1)
    found = {one.student: (one.status, one.score) for one in report.submissions}
    lost = ("unreadable", 0)
    wanted = dict.fromkeys(("cyd", "dan", "eve"), lost)
    assert found == {"ann": ("needs-human", 5), "bea": ("needs-human", 5), **wanted}
    for record in read_records(small_course.course, "05"):
        for problem in record.result.problems:
            assert len(problem.encode()) < 300
