"""Watch what a room uses in sum: memory, processes, threads, CPU time and files.

The kernel's own limits are for one process at a time. The watchdog adds up, from outside.
"""

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from autograder import linux, rlimits
from autograder.engine import Limits

__all__ = ["Usage", "Watch", "end_tree", "tree", "usage"]

_MB = 1 << 20
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_MOST_PROCESSES = 20_000
_ROUNDS = 200
_FOLDER_SECONDS = _SLOW_SECONDS = 0.5
MAX_FILES = 20_000
_CPU_FACTOR, _CPU_EXTRA = 1.3, 5.0
# What processes have mapped takes the kernel's memory, used or not; a few may map what they like.
_FREE_PROCESSES, _FREE_MAPPINGS, _MAPPING_BYTES = 8, 2_000, 256
_MOST_MAPS = 1 << 23
MAX_LOCKS = 5_000
_LOCKS, _MOST_READ = Path("/proc/locks"), 1 << 20
_HOLDER = re.compile(rb" (\d+) [0-9a-f]+:[0-9a-f]+:\d+ ")
# What few sockets hold is left out of account.
_FREE_SOCKETS, _FREE_SLOTS = 32, 640
_LARGEST_BUFFER = Path("/proc/sys/net/core/wmem_max")


@dataclass(frozen=True, slots=True)
class Usage:
    """What processes use: bytes of memory, tasks (processes and threads), seconds of CPU.

    ``own`` is the CPU time of each process without its children's, by its id and start; ``slots``
    are the places for open files.
    """

    memory: int = 0
    slots: int = 0
    tasks: int = 0
    processes: int = 0
    cpu: float = 0.0
    own: Mapping[tuple[int, int], float] = field(default_factory=dict)


def tree(pid: int) -> list[int]:
    """List a process and all its descendants."""
    found, waiting = [pid], [pid]
    while waiting and len(found) < _MOST_PROCESSES:
        more = linux.children(waiting.pop())
        found += more
        waiting += more
    return found


def usage(pids: list[int], *, exact: bool = False) -> Usage:
    """Add up what processes use.

    Parameters
    ----------
    pids : list of int
        The processes.
    exact : bool, default=False
        Share each page among those that use it; costs milliseconds a process. Otherwise a page
        counts for each of them.
    """
    memory = slots = tasks = processes = 0
    cpu = 0.0
    own = {}
    for pid in pids:
        with suppress(OSError, ValueError, IndexError):
            # The name of a process may hold anything, brackets too.
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
            cpu += sum(map(int, fields[11:15])) / _TICK
            own[pid, int(fields[19])] = sum(map(int, fields[11:13])) / _TICK
            tasks += int(fields[17])
            processes += 1
            held, alone, more = _resident(pid)
            slots += more
            memory += alone + (_shared_out(pid) if exact else held)
    return Usage(memory, slots, tasks, processes, cpu, own)


def _resident(pid: int) -> tuple[int, int, int]:
    """Give the memory that isn't a plain file's, in bytes, and the places for open files.

    The second number is what a process never shares: the kernel's tables of its pages, and pages
    of another kind.
    """
    total = alone = slots = 0
    for line in Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines():
        if line.startswith(("RssAnon:", "RssShmem:", "VmSwap:")):
            total += int(line.split()[1]) << 10
        elif line.startswith(("VmPTE:", "HugetlbPages:")):
            alone += int(line.split()[1]) << 10
        elif line.startswith("FDSize:"):
            slots = int(line.split()[1])
    return total, alone, slots


def _mappings(pid: int) -> int:
    """Give what the list of a process's mappings takes, in bytes; nothing for an ordinary one."""
    with suppress(OSError), open(f"/proc/{pid}/maps", "rb", buffering=0) as file:  # noqa: PTH123
        count = sum(part.count(b"\n") for part in _parts(file.fileno(), _MOST_MAPS))
        return max(0, count - _FREE_MAPPINGS) * _MAPPING_BYTES
    return 0


def _locks() -> Counter[int]:
    """Count the locks on files that processes hold; nothing where all hold few together."""
    with suppress(OSError), _LOCKS.open("rb", buffering=0) as file:
        data = b"".join(_parts(file.fileno(), _MOST_READ))
        if data.count(b"\n") > MAX_LOCKS:
            return Counter(map(int, _HOLDER.findall(data)))
    return Counter()


def _parts(descriptor: int, most: int) -> Iterable[bytes]:
    while most > 0 and (part := os.read(descriptor, 1 << 16)):
        most -= len(part)
        yield part


@cache
def _socket_bytes() -> int:
    """Give what a socket's buffer can hold: twice what a process may ask for."""
    with suppress(OSError, ValueError):
        return 2 * int(_LARGEST_BUFFER.read_text())
    return 2 * 212_992


def _sockets(pid: int) -> int:
    """Count the sockets in a process's network."""
    for line in Path(f"/proc/{pid}/net/sockstat").read_text().splitlines():
        if line.startswith("sockets: used"):
            return int(line.split()[2])
    return 0


def _shared_out(pid: int) -> int:
    total = 0
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(errors="replace").splitlines():
        if line.startswith(("Pss_Anon:", "Pss_Shmem:", "SwapPss:")):
            total += int(line.split()[1]) << 10
    return total


class Watch:
    """Watches one room.

    Parameters
    ----------
    pid : int
        The room's first process, as it is seen from here, just forked.
    limits : Limits
        What the whole room may use.
    folder : pathlib.Path, optional
        The room's folder, where nothing but the watchdog limits its size.
    """

    def __init__(self, pid: int, limits: Limits, *, folder: Path | None = None) -> None:
        self._pid = pid
        self._limits = limits
        self._folder = folder
        self._looked = time.monotonic()
        self._seen: dict[tuple[int, int], float] = {}
        with suppress(OSError):
            self._inherited = sum(_resident(pid)[:2])
        with suppress(OSError):
            own, ours = (Path(f"/proc/{who}/ns/net").readlink() for who in (pid, "self"))
            self._has_network = own != ours

    _inherited = _mapped = _locked = 0
    _has_network = False
    _asked = float("-inf")

    def look(self) -> str:
        """Say which limit is passed, as a sentence's part; empty if none is."""
        limits = self._limits
        too_much = f"it used more than {limits.memory_mb} MB of memory in all"
        if self._buffers() > limits.memory_mb * _MB:
            return too_much  # asked first: with many processes, the rest takes a while
        pids = tree(self._pid)
        now = usage(pids)
        self._look_slowly(pids)
        most = limits.memory_mb * _MB - self._buffers(now) - self._mapped
        if most < 0 or (now.memory - self._inherited > most and self._memory(pids) > most):
            return too_much
        if now.tasks > limits.processes:
            return f"it had more than {limits.processes} processes and threads"
        # A child that nobody waits for leaves its time to nobody: what was seen of each is kept.
        self._seen |= now.own
        if max(now.cpu, sum(self._seen.values())) > limits.total_seconds * _CPU_FACTOR + _CPU_EXTRA:
            return f"it used more than {limits.total_seconds:g} seconds of CPU time in all"
        if self._locked > MAX_LOCKS:
            return f"it held more than {MAX_LOCKS} locks on files"
        return self._files()

    def _look_slowly(self, pids: list[int]) -> None:
        """Find out, every now and then, what takes a while to ask."""
        if time.monotonic() - self._asked < _SLOW_SECONDS:
            return
        self._mapped = sum(map(_mappings, pids)) if len(pids) > _FREE_PROCESSES else 0
        held = _locks()
        self._locked = sum(held[pid] for pid in pids)
        self._asked = time.monotonic()

    def close(self) -> None:
        """Remove the room's folder."""
        if self._folder is not None:
            end_folder(self._folder)

    def _memory(self, pids: list[int]) -> int:
        with suppress(OSError):
            # What is still shared with the warm process counts in part, and is taken off whole.
            return usage(pids, exact=True).memory - self._inherited
        return 0

    def _buffers(self, now: Usage | None = None) -> int:
        """Give what the buffers of sockets can hold, in bytes: no process's memory counts it.

        Where the room shares the machine's network, each open file may be a socket.
        """
        count = 0
        if now is not None and self._folder is not None:
            count = now.slots - _FREE_SLOTS
        if self._has_network:
            with suppress(OSError, ValueError, IndexError):
                count = _sockets(self._pid) - _FREE_SOCKETS
        return max(0, count) * _socket_bytes()

    def _files(self) -> str:
        if self._folder is None or time.monotonic() - self._looked < _FOLDER_SECONDS:
            return ""
        self._looked = time.monotonic()
        size, count = _measure(self._folder)
        if size > rlimits.disk_mb(self._limits) * _MB:
            return f"it wrote more than {rlimits.disk_mb(self._limits)} MB of files"
        return f"it wrote more than {MAX_FILES} files" if count > MAX_FILES else ""


def _measure(folder: Path) -> tuple[int, int]:
    size, count, waiting = 0, 0, [str(folder)]
    while waiting and count <= MAX_FILES:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                count += 1
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    size += entry.stat(follow_symlinks=False).st_blocks * 512
    return size, count


def end_folder(folder: Path) -> None:
    """Remove a folder, however deep, whatever its modes."""
    import subprocess

    with suppress(OSError):
        subprocess.run(
            ["rm", "-rf", "--", str(folder)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )


def end_tree(pid: int) -> None:
    """Kill a process and all its descendants, also those it makes meanwhile.

    The first process is stopped and killed last, so that orphans stay its own.
    """
    _signal(pid, signal.SIGSTOP)
    for _ in range(_ROUNDS):
        below = [child for child in tree(pid)[1:] if not _is_dead(child)]
        if not below:
            break
        for child in below:
            _signal(child, signal.SIGSTOP)
        for child in below:
            _signal(child, signal.SIGKILL)
        time.sleep(0.001)
    _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: int) -> None:
    with suppress(OSError):
        os.kill(pid, number)


def _is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except (OSError, IndexError):
        return True
