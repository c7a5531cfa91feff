"""The watchdog: what a room uses in sum, and who is still there at its end."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from autograder import watchdog
from autograder.engine import Limits

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it reads /proc")

Started = Callable[[str], int]


@pytest.fixture
def started() -> Iterator[Started]:
    """Start a program that says when it is there."""
    processes = []

    def start(code: str) -> int:
        text = f"import os, time\n{code}\nos.write(1, b'there\\n')\ntime.sleep(600)"
        process = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout
        assert process.stdout.readline() == b"there\n"
        return process.pid

    yield start
    for process in processes:
        watchdog.end_tree(process.pid)
        process.wait()
        if process.stdout:
            process.stdout.close()


EIGHT = "import os\nfor _ in range(3): os.fork()\n"


def seen(pid: int, limits: Limits, *, folder: Path | None = None) -> str:
    """Look until something is found, for as long as the eight take to be there."""
    watch = watchdog.Watch(pid, limits, folder=folder)
    watch._inherited = 0
    for _ in range(40):
        if found := watch.look():
            return found
        time.sleep(0.05)
    return ""


def test_memory_counts_in_sum(started: Started) -> None:
    """Eight processes of 30 MB are more than 150 MB, one of them isn't."""
    each = "data = bytearray(30 << 20)\ndata[::4096] = b'x' * len(data[::4096])\n"
    limits = Limits(memory_mb=150)
    assert seen(started(each), limits) == ""
    assert "more than 150 MB of memory in all" in seen(started(EIGHT + each), limits)


def test_memory_that_is_shared_counts_once(started: Started) -> None:
    """Eight processes that share 60 MB since their fork use 60 MB, not 480."""
    data = "data = bytearray(60 << 20)\ndata[::4096] = b'x' * len(data[::4096])\n"
    assert seen(started(data + EIGHT), Limits(memory_mb=300)) == ""


def test_tasks_count_in_sum(started: Started) -> None:
    """Processes and their threads count together."""
    threads = (
        "import threading, time\n"
        "for _ in range(3): threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
    )
    pid = started(EIGHT + threads)
    assert seen(pid, Limits(processes=64)) == ""
    assert "more than 20 processes and threads" in seen(pid, Limits(processes=20))


def test_cpu_time_counts_in_sum(started: Started) -> None:
    """Children's time counts, also of those that have ended."""
    burn = (
        "import os, time\n"
        "for _ in range(2):\n"
        "    if os.fork() == 0:\n"
        "        while time.process_time() < 0.6: pass\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
    )
    found = watchdog.usage(watchdog.tree(started(burn)))
    assert found.cpu >= 1.1


def test_cpu_time_counts_when_nobody_waits(started: Started) -> None:
    """A child whose end is ignored leaves its time to nobody; what was seen of it still counts."""
    burn = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "if os.fork() == 0:\n"
        "    while time.process_time() < 1.5: pass\n"
        "    os._exit(0)\n"
    )
    pid = started(burn)
    watch = watchdog.Watch(pid, Limits(total_seconds=-3.0))
    found = ""
    for _ in range(600):
        found = found or watch.look()
        if not watchdog.tree(pid)[1:]:
            break
        time.sleep(0.02)
    assert "seconds of CPU time in all" in found
    assert watchdog.usage([pid]).cpu < 1.0, "its own count knows nothing of the child"


def test_files_count_where_nothing_else_limits_them(started: Started, tmp_path: Path) -> None:
    """Too much data and too many files are both seen; a hole in a file takes no place."""
    pid = started("pass")
    limits = Limits(memory_mb=32)
    with (tmp_path / "hole").open("wb") as hole:
        hole.truncate(1 << 33)
    watch = watchdog.Watch(pid, limits, folder=tmp_path)
    watch._looked = 0.0
    assert watch.look() == ""
    (tmp_path / "data").write_bytes(b"x" * (17 << 20))
    watch._looked = 0.0
    assert watch.look() == "it wrote more than 16 MB of files"
    watch.close()
    assert not tmp_path.exists()


def test_the_whole_tree_ends(started: Started) -> None:
    """Also those who moved to a session of their own, or are being born."""
    code = "import os\nif os.fork() == 0:\n    os.setsid()\n    os.fork()\n"
    pid = started(code)
    family = psutil.Process(pid).children(recursive=True)
    assert family
    watchdog.end_tree(pid)
    _, left = psutil.wait_procs(family, timeout=10)
    assert not [p for p in left if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_a_process_that_is_gone_uses_nothing() -> None:
    """Between two looks anything may end."""
    assert watchdog.usage([2**22 - 1]) == watchdog.Usage()
    watchdog.end_tree(2**22 - 1)
