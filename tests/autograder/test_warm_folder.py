"""What a killed grader leaves in the temporary folder is removed by the next, and nothing else."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.warm_folder import WarmFolder

HOLD = """
import sys
from autograder.warm_folder import WarmFolder
folder = WarmFolder()
(folder.path / "room").mkdir()
(folder.path / "room" / "link").symlink_to(sys.argv[1])
print(folder.path, flush=True)
sys.stdin.read()
"""

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="warm processes are forked from")


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder that no other test looks at."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def test_a_folder_outlives_others_and_goes_when_its_owner_was_killed(tmp_path: Path) -> None:
    """While the owner lives it stays; afterwards it goes, without what links in it lead to."""
    kept = tmp_path / "kept.txt"
    kept.write_text("mine")
    command = [sys.executable, "-c", HOLD, str(kept)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        folder = Path(one.stdout.readline().strip())
        WarmFolder().close()
        assert (folder / "room").is_dir()
        one.kill()
    assert folder.is_dir()
    WarmFolder().close()
    assert not folder.exists()
    assert kept.read_text() == "mine"


def test_only_what_is_certainly_a_leftover_goes(temporary: Path, tmp_path: Path) -> None:
    """Neither links, nor folders without the file that says whose they are, nor one's own."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ".owner").touch()
    (temporary / "autograder-warm-link").symlink_to(elsewhere)
    (temporary / "autograder-warm-new").mkdir()
    (temporary / "autograder-warm-odd").mkdir()
    (temporary / "autograder-warm-odd" / ".owner").symlink_to(elsewhere / ".owner")
    (temporary / "autograder-warm-file").touch()
    before = sorted(temporary.iterdir())
    first, second = WarmFolder(), WarmFolder()
    assert sorted(temporary.iterdir()) == sorted([*before, first.path, second.path])
    assert (elsewhere / ".owner").exists()
    for folder in (first, second):
        folder.close()
    assert sorted(temporary.iterdir()) == before


def test_another_users_folder_stays(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where this user could remove it."""
    left = temporary / "autograder-warm-theirs"
    left.mkdir()
    (left / ".owner").touch()
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    WarmFolder().close()
    assert left.is_dir()
    monkeypatch.undo()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    WarmFolder().close()
    assert not left.exists()
