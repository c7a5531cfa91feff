"""A grader that is killed at any moment loses nothing, and a second one keeps out of its way."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
KILLS = 50
SEED = 20260105
HOLD = """
import sys, time
from pathlib import Path
from autograder.course_lock import locked
with locked(Path(sys.argv[1]), "grade 05_sums"):
    print("held", flush=True)
    time.sleep(600)
"""

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="gradings are forked")


def run(*words: object) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"PYTHONPATH": str(HERE.parents[1]), "PYTHONWARNINGS": "ignore"}
    return subprocess.run(
        [sys.executable, *map(str, words)],
        env=environment, capture_output=True, text=True, timeout=600,
    )  # fmt: skip


@pytest.fixture
def quick_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a process that is killed leaves the same there."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)


@pytest.mark.whole_way
def test_killed_at_any_moment_it_ends_with_the_same_gradebook(
    small_course: Any, quick_folder: Path
) -> None:
    """Fifty kills by SIGKILL; then marks, notebooks and records are as if nothing had happened."""
    small_course.hand_in("ann")
    path = small_course.hand_in("bea", {"q1": "def add(a, b):\n    return 42"})
    (path.parent / "timestamp.txt").write_text("2026-01-05 10:00:00 UTC")
    small_course.hand_in("cyd", b"{")
    done = run(HERE / "killed_grader.py", small_course.root, quick_folder, SEED, KILLS)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["differing"] == []
    assert found["kills"] >= KILLS
    assert found["marks"] == 12
    assert found["kept"][0] < found["kept"][-1] == 3  # Before, between and after verdicts.


def test_a_second_grader_stops_and_the_lock_ends_with_the_first(
    small_course: Any, tmp_path: Path, run_autograder: Any
) -> None:
    """Another process that grades is named; once it is killed, nothing stale is in the way."""
    small_course.hand_in("ann")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(small_course.root)],
        env=os.environ | {"PYTHONPATH": str(HERE.parents[1])},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        words = ("rebuild", "05", "--course", small_course.root)
        code, out, err = run_autograder(*words, cwd=tmp_path)
        assert (code, out) == (1, "")
        assert f"is being graded already: process {holder.pid} on " in err
        assert "(grade 05_sums)" in err
    finally:
        holder.kill()
        holder.communicate()
    code, _, err = run_autograder(*words, cwd=tmp_path)
    assert code == 1
    assert "holds no records" in err
