"""Verdicts on disk: named by what they depend on, whole or absent."""

import os
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from autograder.engine import Limits
from autograder.records import GRADER_VERSION, Record, load_record, record_key, save_record
from autograder.results import SubmissionResult


def parts(**changed: Any) -> dict[str, Any]:
    return {
        "student": "ann",
        "submission": b"{}",
        "source": new_notebook(cells=[new_code_cell("1", id="a")]),
        "parameters": {"seed": 5},
        "limits": Limits(),
        "engine": "nbgrader",
    } | changed


def record(key: str = "ab" * 32) -> Record:
    result = SubmissionResult(
        student="ann", status="graded", score=1, max_score=2, needs_human=False
    )
    return Record(
        key=key, engine="nbgrader", isolation="process", result=result, notebook={"cells": ["é"]}
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"student": "bea"},
        {"submission": b"{} "},
        {"source": new_notebook(cells=[new_code_cell("2", id="a")])},
        {"parameters": {"seed": 6}},
        {"parameters": {}},
        {"limits": Limits(cell_seconds=1)},
        {"limits": Limits(memory_mb=1)},
        {"engine": "rooms"},
        {"files": "0f"},
    ],
)
def test_each_part_changes_the_key(changed: dict[str, Any]) -> None:
    """A verdict is only found again by all that it depends on."""
    assert record_key(**parts()) == record_key(**parts())
    assert record_key(**parts(**changed)) != record_key(**parts())


def test_the_graders_version_changes_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A grader that would judge otherwise runs everything again."""
    before = record_key(**parts())
    monkeypatch.setattr("autograder.records.GRADER_VERSION", GRADER_VERSION + 1)
    assert record_key(**parts()) != before


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
        lambda text: text.replace('"version": 1', '"version": 2'),
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
