"""The commands as people type them: one clear message for each thing that can go wrong."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

RunAutograder = Callable[..., tuple[int, str, str]]


def snapshot(root: Path) -> dict[str, bytes]:
    paths = [path for path in root.rglob("*") if path.is_file()]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture
def desk(small_labs: Path, tmp_path: Path, run_autograder: RunAutograder) -> Path:
    """A folder in which lab 05 was begun."""
    (tmp_path / "desk").mkdir()
    assert run_autograder("start", "05", cwd=tmp_path / "desk")[0] == 0
    return tmp_path / "desk"


def test_from_labs_to_a_submission(
    small_labs: Path, tmp_path: Path, run_autograder: RunAutograder
) -> None:
    """build, start and submit, each telling the next step."""
    code, out, _ = run_autograder("build", cwd=tmp_path)
    assert code == 0
    assert "built 05_sums (8 points): Sums" in out
    assert "course/release" in out
    code, out, _ = run_autograder("start", "05", "--from", "course", cwd=tmp_path)
    assert code == 0
    assert "jupyter lab 05_sums/05_sums.ipynb" in out
    assert "autograder check 05" in out
    code, out, _ = run_autograder("submit", "05", cwd=tmp_path)
    assert code == 0
    assert "not answered: q1, q2, why" in out


def test_build_takes_names_folders_and_an_overlay(
    small_labs: Path, tmp_path: Path, run_autograder: RunAutograder
) -> None:
    """Each option reaches the course."""
    private = tmp_path / "private" / "05_sums"
    private.mkdir(parents=True)
    (private / "lab.toml").write_text("[parameters]\nseed = 77\n")
    code, _, err = run_autograder(
        "build", "sums", "--labs", small_labs, "--course", tmp_path / "c",
        "--overlay", tmp_path / "private", cwd=tmp_path,
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert "SEED = 77" in (tmp_path / "c" / "source" / "05_sums" / "05_sums.ipynb").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["build", "--labs", "none"], "none isn't a folder of labs"),
        (["build", "07", "--labs", "../labs"], "there is no lab '07'"),
        (["build", "--labs", "."], "holds no lab"),
        (["start", "07"], "there is no lab '07'"),
        (["start", "05"], "is there already"),
        (["start", "05", "--from", "none"], "nothing is there"),
        (["start", "05", "--force", "--student", "a/b"], "can't be a student id"),
        (["check", "07"], "there is no notebook 07.ipynb"),
        (["submit", "07"], "there is no notebook 07.ipynb"),
        (["submit", "05", "--student", "../x"], "can't be a student id"),
        (["submit", "05", "--to", "none"], "none isn't a course"),
        (["start", "[/red]"], "there is no lab '[/red]'"),
        (["start", "05", "--from", "a[red]b"], "a[red]b: nothing is there"),
    ],
)
def test_a_slip_gets_one_message_and_changes_nothing(
    desk: Path, run_autograder: RunAutograder, words: list[str], said: str
) -> None:
    """Exit code 1, one sentence on standard error, nothing on standard output, no file touched."""
    before = snapshot(desk)
    code, out, err = run_autograder(*words, cwd=desk)
    assert code == 1
    assert out == ""
    assert err.startswith("error: ")
    assert said in " ".join(err.split())
    assert "Traceback" not in err
    assert snapshot(desk) == before


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (b"", "the file is empty"),
        (b"{", "isn't valid JSON"),
        (b"[" * 5000, "nested"),
        (b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": 5}]}', "text of cell 1"),
        (b'{"nbformat": 4, "cells": []}', "isn't the notebook of 05_sums"),
        (None, "there is no notebook"),
    ],
)
@pytest.mark.parametrize("command", ["check", "submit"])
def test_a_damaged_notebook_gets_one_message(
    desk: Path, run_autograder: RunAutograder, command: str, damage: bytes | None, said: str
) -> None:
    """Checking and handing in say the same of the same file."""
    path = desk / "05_sums" / "05_sums.ipynb"
    path.unlink()
    if damage is not None:
        path.write_bytes(damage)
    code, out, err = run_autograder(command, "05", cwd=desk / "05_sums")
    assert (code, out) == (1, "")
    assert said in err
    assert not (desk / "05_sums" / "05_sums-submission.zip").exists()


@pytest.mark.parametrize(
    ("stop", "code", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 1, "disk is full"),
        (PermissionError(errno.EACCES, "denied", "there"), 1, "No permission to use there"),
        (OSError(errno.EROFS, "Read-only file system", "there"), 1, "No permission to use there"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
@pytest.mark.parametrize("words", [["build", "--labs", "../labs"], ["start", "05", "--force"],
                                   ["submit", "05"]])  # fmt: skip
def test_a_full_disk_a_forbidden_folder_and_an_interruption(
    desk: Path, run_autograder: RunAutograder, monkeypatch: pytest.MonkeyPatch,
    words: list[str], stop: BaseException, code: int, said: str,
) -> None:  # fmt: skip
    """Every command that writes leaves things as they were, and says what happened."""
    before = snapshot(desk)

    def failing(_: int) -> None:
        raise stop

    monkeypatch.setattr(os, "fsync", failing)
    got, _, err = run_autograder(*words, cwd=desk)
    assert got == code
    assert said in err
    assert "Traceback" not in err
    assert snapshot(desk) == before


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is read-only for root"
)
def test_a_read_only_folder_is_said(desk: Path, run_autograder: RunAutograder) -> None:
    """The system's refusal, with the folder's name."""
    desk.chmod(0o555)
    try:
        code, _, err = run_autograder("start", "05", "--force", cwd=desk)
    finally:
        desk.chmod(0o755)
    assert code == 1
    assert "No permission" in err


def test_help_imports_no_notebook_tools() -> None:
    """`autograder --help` is there at once: nothing heavy loads before a command runs."""
    script = (
        "import sys; import autograder.cli_labs; "
        "print([m for m in ('nbformat', 'jupytext', 'jupyter_client', 'nbgrader', 'pydantic', "
        "'mlops_kit') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
