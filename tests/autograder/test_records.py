"""Verdicts on disk: named by what they depend on, whole or absent."""

import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from autograder.engine import CellRun, Limits
from autograder.records import (
    GRADER_VERSION,
    Entry,
    Index,
    Record,
    RunFacts,
    files_digest,
    lab_digest,
    load_index,
    load_record,
    newest_records,
    points_digest,
    record_key,
    save_index,
    save_record,
    sweep,
)
from autograder.results import SubmissionResult


def notebook(text: str = "1", *, worth: float = 1) -> nbformat.NotebookNode:
    cell = new_code_cell(text, id="a")
    cell.metadata["nbgrader"] = {
        "schema_version": 3, "grade_id": "a", "grade": True, "solution": False, "locked": True,
        "task": False, "points": worth,
    }  # fmt: skip
    return new_notebook(cells=[cell])


def key(**changed: Any) -> str:
    parts = {"student": "ann", "submission": b"{}", "lab": "0a", "parameters": {"seed": 5},
             "engine": "rooms", "room": "examiner"}  # fmt: skip
    return record_key(**parts | changed)


def record(key: str = "ab" * 32, *, student: str = "ann") -> Record:
    result = SubmissionResult(
        student=student, status="graded", score=1, max_score=2, needs_human=False
    )
    return Record(
        key=key,
        engine="rooms",
        isolation="full",
        room="examiner",
        worth="0b",
        result=result,
        runs=(RunFacts(index=0, grade_id="a", status="ok", room="examiner"),),
        notebook={"cells": ["é"]},
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"student": "bea"},
        {"submission": b"{} "},
        {"lab": "0b"},
        {"parameters": {"seed": 6}},
        {"parameters": {}},
        {"engine": "nbgrader"},
        {"room": "student"},
    ],
)
def test_each_part_changes_the_key(changed: dict[str, Any]) -> None:
    """A verdict is only found again by all that its run depends on."""
    assert key() == key()
    assert key(**changed) != key()


@pytest.mark.parametrize(
    ("changed", "more"),
    [
        (notebook("2"), {}),
        (notebook(), {"limits": Limits(cell_seconds=1)}),
        (notebook(), {"limits": Limits(memory_mb=1)}),
        (notebook(), {"files": "0f"}),
    ],
)
def test_each_part_changes_the_labs_digest(changed: Any, more: dict[str, Any]) -> None:
    """Text, limits and files decide what a run shows."""
    usual = lab_digest(notebook(), limits=Limits())
    assert lab_digest(notebook(), limits=Limits()) == usual
    assert lab_digest(changed, **({"limits": Limits()} | more)) != usual


def test_what_a_cell_is_worth_is_no_part_of_its_run() -> None:
    """Other points change the verdict, not the run it is reached from."""
    one, two = notebook(worth=1), notebook(worth=2)
    assert lab_digest(one, limits=Limits()) == lab_digest(two, limits=Limits())
    assert points_digest(one) != points_digest(two)
    assert one.cells[0].metadata.nbgrader["points"] == 1


def test_the_graders_version_changes_the_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A grader that would judge otherwise runs everything again."""
    before = lab_digest(notebook(), limits=Limits())
    monkeypatch.setattr("autograder.records.GRADER_VERSION", GRADER_VERSION + 1)
    assert lab_digest(notebook(), limits=Limits()) != before


def test_names_and_contents_of_files_count(tmp_path: Path) -> None:
    """The notebook and the settings don't: keys hold what they say."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("1")
    before = files_digest(tmp_path)
    (tmp_path / "lab.toml").write_text("title = 'T'")
    (tmp_path / "lab.ipynb").write_text("{}")
    assert files_digest(tmp_path) == before
    (tmp_path / "data" / "a.csv").rename(tmp_path / "data" / "b.csv")
    renamed = files_digest(tmp_path)
    (tmp_path / "data" / "b.csv").write_text("2")
    assert len({before, renamed, files_digest(tmp_path), files_digest(None)}) == 4


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    """Saved, found by its key, equal."""
    save_record(tmp_path / "records", record())
    assert load_record(tmp_path / "records", record().key) == record()
    assert load_record(tmp_path / "records", "other") is None
    assert load_record(tmp_path / "nowhere", record().key) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-20],
        lambda text: "",
        lambda text: "[]",
        lambda text: text.replace('"version": 2', '"version": 3'),
        lambda text: text.replace('"score": 1', '"score": -1'),
        lambda text: text.replace("abab", "cdcd"),
        lambda text: text.replace("{", '{"more": 1,', 1),
    ],
)
def test_a_record_that_is_not_understood_is_no_record(tmp_path: Path, damage: Any) -> None:
    """The submission is then run again, rather than given a doubtful verdict."""
    save_record(tmp_path, record())
    path = tmp_path / f"{record().key}.json"
    path.write_text(damage(path.read_text("utf-8")), "utf-8")
    assert load_record(tmp_path, record().key) is None


def test_bytes_that_are_no_text_are_no_record(tmp_path: Path) -> None:
    """A disk's rubbish is ignored as well."""
    (tmp_path / f"{record().key}.json").write_bytes(b"\xff\x00" * 40)
    assert load_record(tmp_path, record().key) is None


def test_a_full_disk_leaves_the_old_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record is there whole, old or new, and no half of one lies beside it."""
    save_record(tmp_path, record())

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_record(tmp_path, record().model_copy(update={"cpu_seconds": 9.0}))
    assert load_record(tmp_path, record().key) == record()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_run_comes_back_with_its_outputs() -> None:
    """What is kept of a run is enough to score it again."""
    run = CellRun(3, "a", "error", ({"output_type": "stream"},), "E", "text", 4, "examiner", 0.5)
    again = RunFacts.of(run).as_run(run.outputs)
    assert again == CellRun(3, "a", "error", run.outputs, "E", "text", 4, "examiner")


def test_the_index_comes_back_or_is_empty(tmp_path: Path) -> None:
    """One that is damaged is as good as none: records say the rest."""
    index = Index(students={"ann": Entry(key="0a", timestamp="now"), "bea": Entry(key="0b")})
    assert load_index(tmp_path / "records") == Index()
    save_index(tmp_path / "records", index)
    assert load_index(tmp_path / "records") == index
    (tmp_path / "records" / "index.json").write_text("{")
    assert load_index(tmp_path / "records") == Index()


def test_the_newest_record_of_each_student_is_found(tmp_path: Path) -> None:
    """Whatever else lies there."""
    assert newest_records(tmp_path / "nowhere") == {}
    for number, (name, student) in enumerate({"a": "ann", "b": "bea", "c": "ann"}.items()):
        save_record(tmp_path, record(name * 64, student=student))
        os.utime(tmp_path / f"{name * 64}.json", ns=(number, number))
    save_index(tmp_path, Index(students={"ann": Entry(key="a" * 64)}))
    (tmp_path / f"{'d' * 64}.json").write_text("{}")
    (tmp_path / "notes.json").write_text("{}")
    assert newest_records(tmp_path) == {"ann": "c" * 64, "bea": "b" * 64}


def test_what_a_killed_grader_left_is_swept_away(tmp_path: Path) -> None:
    """Half a record is no record; whole ones stay."""
    save_record(tmp_path, record())
    (tmp_path / f".{record().key}.json.1.part").write_text("{")
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f"{record().key}.json"]
    sweep(tmp_path / "nowhere")
