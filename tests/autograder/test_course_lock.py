"""One grader at a time in a course."""

import errno
import os
import sys
from pathlib import Path

import pytest

from autograder.course_lock import LOCK_NAME, locked
from autograder.errors import CourseError


def test_the_second_is_told_who_the_first_is(tmp_path: Path) -> None:
    """Which process, where, since when and what for; then the way is free again."""
    with (
        locked(tmp_path, "grade 05_track"),
        pytest.raises(CourseError, match=rf"process {os.getpid()} on .* \(grade 05_track\)\. Wait"),
        locked(tmp_path, "grade 08_register"),
    ):
        raise AssertionError
    with locked(tmp_path, "grade 08_register"):
        pass


def test_an_error_inside_frees_the_course(tmp_path: Path) -> None:
    """Nothing has to be deleted by hand."""
    with pytest.raises(KeyboardInterrupt), locked(tmp_path, "grade"):
        raise KeyboardInterrupt
    with locked(tmp_path, "grade"):
        pass


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"pid": "x"}', b"\xff"])
def test_a_lock_that_does_not_say_whose_it_is_holds_all_the_same(
    tmp_path: Path, text: bytes
) -> None:
    """The system's lock counts, not the words in the file."""
    with locked(tmp_path, "grade"):
        (tmp_path / LOCK_NAME).write_bytes(text)
        with pytest.raises(CourseError, match=r"graded already\. Wait"), locked(tmp_path, "grade"):
            raise AssertionError


@pytest.mark.skipif(sys.platform == "win32", reason="flock")
def test_a_file_system_without_locks_can_be_graded_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network shares keep none; any other refusal is passed on."""

    def refusing(number: int) -> None:
        def flock(*_: object) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr("fcntl.flock", flock)

    refusing(errno.ENOLCK)
    with locked(tmp_path, "grade"):
        pass
    refusing(errno.EIO)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)), locked(tmp_path, "grade"):
        raise AssertionError


def test_a_course_that_cannot_be_written_is_the_systems_to_say(tmp_path: Path) -> None:
    """The command line turns it into advice."""
    with pytest.raises(FileNotFoundError), locked(tmp_path / "gone", "grade"):
        raise AssertionError
