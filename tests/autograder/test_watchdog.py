"""The watchdog: what a room uses in sum, and who is still there at its end."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from autograder import watchdog
from autograder.engine import Limits

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it reads /proc")

Started = Callable[..., int]


@pytest.fixture
def started() -> Iterator[Started]:
    """Start a program; go on when so many processes of it are there."""
    processes = []

    def start(code: str, count: int = 1) -> int:
        text = f"import os, time\n{code}\nos.write(1, b'there\\n')\ntime.sleep(600)"
        process = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout
        for _ in range(count):
            assert process.stdout.readline() == b"there\n"
        return process.pid

    yield start
    for process in processes:
        watchdog.end_tree(process.pid)
        process.wait()
        if process.stdout:
            process.stdout.close()


EIGHT = "import os\nfor _ in range(3): os.fork()\n"
SIXTEEN = EIGHT.replace("3", "4")


def seen(pid: int, limits: Limits) -> str:
    """Look at what is there."""
    watch = watchdog.Watch(pid, limits)
    watch._inherited = 0
    return watch.look()


def test_memory_counts_in_sum(started: Started) -> None:
    """Eight processes of 30 MB are more than 150 MB, one of them isn't."""
    each = "data = bytearray(30 << 20)\ndata[::4096] = b'x' * len(data[::4096])\n"
    limits = Limits(memory_mb=150)
    assert seen(started(each), limits) == ""
    assert "more than 150 MB of memory in all" in seen(started(EIGHT + each, 8), limits)


def test_memory_that_is_shared_counts_once(started: Started) -> None:
    """Eight processes that share 60 MB since their fork use 60 MB, not 480."""
    data = "data = bytearray(60 << 20)\ndata[::4096] = b'x' * len(data[::4096])\n"
    assert seen(started(data + EIGHT, 8), Limits(memory_mb=300)) == ""


def test_tables_of_pages_count(started: Started) -> None:
    """Untouched memory that was only looked at takes no page, yet 4 KB of tables every 2 MB."""
    looked = (
        "import mmap\n"
        "part = mmap.mmap(-1, 16 << 30, flags=0x4022, prot=mmap.PROT_READ)\n"
        "for place in range(0, 16 << 30, 1 << 21): part[place]\n"
    )
    limits = Limits(memory_mb=30)
    assert seen(started("pass"), limits) == ""
    assert "more than 30 MB of memory in all" in seen(started(looked), limits)


def test_mappings_of_many_processes_count(started: Started) -> None:
    """Each takes the kernel's memory, though nothing may be in it; those of one are little."""
    pieces = (
        "import ctypes, mmap\n"
        "part = mmap.mmap(-1, 40000 << 12, flags=0x4022, prot=mmap.PROT_READ)\n"
        "protect = ctypes.CDLL(None).mprotect\n"
        "line = [l for l in open('/proc/self/maps') if l.split()[1] == 'r--p' and\n"
        "        int(l.split()[0].split('-')[1], 16) - int(l.split()[0].split('-')[0], 16)"
        " >= 40000 << 12][0]\n"
        "begin = int(line.split('-')[0], 16)\n"
        "for n in range(0, 40000, 2):\n"
        "    protect(ctypes.c_void_p(begin + (n << 12)), ctypes.c_size_t(4096), 0)\n"
    )
    limits = Limits(memory_mb=100)
    assert seen(started(pieces), limits) == ""
    assert "more than 100 MB of memory in all" in seen(started(pieces + SIXTEEN, 16), limits)


def test_locks_on_files_count(started: Started, tmp_path: Path) -> None:
    """Each is some 200 bytes of the kernel's; nobody needs thousands."""
    locks = (
        "import fcntl, os, struct\n"
        "for number in range(COUNT):\n"
        f"    file = os.open({str(tmp_path)!r} + f'/{{number}}', os.O_RDWR | os.O_CREAT)\n"
        "    for at in range(0, 1000, 2):\n"
        "        ask = struct.pack('hhqqi4x', fcntl.F_WRLCK, 0, at, 1, 0)\n"
        "        fcntl.fcntl(file, fcntl.F_SETLK, ask)\n"
    )
    assert seen(started(locks.replace("COUNT", "9")), Limits()) == ""
    found = seen(started(locks.replace("COUNT", "12").replace("/{", "/x{")), Limits())
    assert found == "it held more than 5000 locks on files"


def test_tasks_count_in_sum(started: Started) -> None:
    """Processes and their threads count together."""
    threads = (
        "import threading, time\n"
        "for _ in range(3): threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
    )
    pid = started(EIGHT + threads, 8)
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


def test_cpu_time_counts_when_nobody_waits(started: Started, soon: Any) -> None:
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
    found = []

    def over() -> bool:
        found.append(watch.look())
        return not watchdog.tree(pid)[1:]

    assert soon(over)
    assert any("seconds of CPU time in all" in said for said in found)
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


def test_the_whole_tree_ends(started: Started, living: Any) -> None:
    """Also those who moved to a session of their own, or are being born."""
    code = "import os\nif os.fork() == 0:\n    os.setsid()\n    os.fork()\n"
    pid = started(code, 3)
    family = [process.pid for process in psutil.Process(pid).children(recursive=True)]
    assert len(family) == 2
    watchdog.end_tree(pid)
    assert living(family) == []


def test_a_process_that_is_gone_uses_nothing() -> None:
    """Between two looks anything may end."""
    assert watchdog.usage([2**22 - 1]) == watchdog.Usage()
    watchdog.end_tree(2**22 - 1)
