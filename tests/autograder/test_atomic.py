"""Writing so that nothing is ever half there."""

import errno
import os
from pathlib import Path

import pytest

from autograder.atomic import replaced_folder, write_bytes, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_with_ordinary_permissions(tmp_path: Path) -> None:
    """It can be read by whom the user's settings say, as any other file."""
    write_text(tmp_path / "deep" / "a.txt", "é\n")
    (tmp_path / "b.txt").write_text("")
    assert (tmp_path / "deep" / "a.txt").read_bytes() == "é\n".encode()
    modes = [(tmp_path / name).stat().st_mode for name in ("deep/a.txt", "b.txt")]
    assert modes[0] == modes[1]


@pytest.mark.parametrize("stop", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: BaseException
) -> None:
    """Neither a full disk nor an interruption changes or adds anything."""
    write_bytes(tmp_path / "a", b"old")

    def failing(_: int) -> None:
        raise stop

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(type(stop)):
        write_bytes(tmp_path / "a", b"new")
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_folders_are_swapped_together(tmp_path: Path) -> None:
    """After the block all are new, with nothing left of the old."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "stale").touch()
    with replaced_folder(tmp_path / "a", tmp_path / "b") as (a, b):
        (a / "x").touch()
        (b / "y").touch()
        assert names(tmp_path / "a") == ["stale"]
    assert (names(tmp_path), names(tmp_path / "a"), names(tmp_path / "b")) == (
        ["a", "b"], ["x"], ["y"],
    )  # fmt: skip


@pytest.mark.parametrize("at", range(1, 4))
def test_a_failed_swap_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Whichever rename fails, each folder is as it was: old, or not there."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").touch()
    rename, left = Path.rename, [at]

    def failing(self: Path, target: Path) -> Path:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(KeyboardInterrupt), replaced_folder(tmp_path / "a", tmp_path / "b") as new:
        (new[0] / "x").touch()
    assert names(tmp_path) == ["a"]
    assert names(tmp_path / "a") == ["old"]


def test_a_swap_that_was_killed_is_undone_by_the_next(tmp_path: Path) -> None:
    """Between its two renames a kill leaves only the old folder beside the target."""
    (tmp_path / ".a.old").mkdir()
    (tmp_path / ".a.old" / "work").touch()
    with pytest.raises(ValueError, match="stop"), replaced_folder(tmp_path / "a"):
        raise ValueError("stop")
    assert names(tmp_path) == ["a"]
    assert names(tmp_path / "a") == ["work"]
