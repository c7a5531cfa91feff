"""What the command line says: anything can be written, and nothing written steers a terminal."""

import io
import sys
from typing import Any

import pytest

from autograder import cli
from autograder.errors import CourseError


def said(error: Exception, capsys: pytest.CaptureFixture[str]) -> str:
    """Give what is printed of an error."""

    def command() -> None:
        raise error

    assert cli.run_reporting_errors(command) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err


@pytest.mark.parametrize(
    "error",
    [
        CourseError("there is work by a\x1b[2J\u202eb\x07[bold red]c[/], :x: and \ud800"),
        FileNotFoundError(2, "gone", "a\x1b[2J\u202eb\x07[bold red]c[/], :x: and \ud800"),
        RuntimeError("a\x1b[2J\u202eb\x07[bold red]c[/], :x: and \ud800"),
    ],
)
def test_a_name_in_a_message_stays_a_name(
    error: Exception, capsys: pytest.CaptureFixture[str], tmp_path: Any, monkeypatch: Any
) -> None:
    """Folders and files are called what students like to call them."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert r"a\x1b[2J\u202eb\x07[bold red]c[/], :x: and \ud800" in said(error, capsys)


def test_an_error_that_cannot_even_be_written_down_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Any, monkeypatch: Any
) -> None:
    """The disk for temporary files may be what is full."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    assert "didn't expect: RuntimeError: so. Nothing" in said(RuntimeError("so"), capsys)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_whatever_has_to_be_said_can_be(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that output goes to takes every name and sign, on any system."""
    files = [io.BytesIO(), io.BytesIO()]
    for name, file in zip(("stdout", "stderr"), files, strict=True):
        monkeypatch.setattr(sys, name, io.TextIOWrapper(file, encoding=encoding, errors="strict"))
    cli._write_anything()
    for stream in (sys.stdout, sys.stderr):
        print("✓ Zoë \ud800", file=stream, flush=True)
    assert [file.getvalue().decode() for file in files] == ["✓ Zoë \\ud800\n"] * 2


@pytest.mark.parametrize("address", ["http://[::1", "http://a b/x.zip", "http://:x/"])
def test_an_address_that_is_none_is_said(address: str, run_autograder: Any, tmp_path: Any) -> None:
    """One message, and nothing about our own parts."""
    code, _, said = run_autograder("start", "05", "--from", address, cwd=tmp_path)
    assert code == 1
    assert f"error: {address} can't be reached (" in said


def test_so_many_workers_are_none(run_autograder: Any, tmp_path: Any) -> None:
    """A number beyond reason is refused by name."""
    code, _, said = run_autograder("grade", "05", "--workers", "9" * 30, cwd=tmp_path)
    assert code == 2
    assert "--workers" in said
