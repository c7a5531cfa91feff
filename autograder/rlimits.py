"""Limits that the kernel keeps for each process of a room."""

import math
import os
import sys
from pathlib import Path

from autograder.engine import Limits

if sys.platform != "win32":
    import resource

__all__ = ["DISK_MB", "OPEN_FILES", "apply", "disk_mb", "user_processes"]

DISK_MB = 1024
# What lies in the buffers of sockets counts nowhere but with the watchdog.
OPEN_FILES = 256
MB = 1 << 20
# Address space that is reserved and never touched costs nothing: leave room for it.
RESERVED_MB = 4096


def disk_mb(limits: Limits) -> int:
    """Return the size of a room's private folder: memory too, hence at most half of that."""
    return max(16, min(DISK_MB, limits.memory_mb // 2))


def user_processes(uid: int) -> int:
    """Count the tasks (threads too) that a user has now; 0 where that can't be seen."""
    count = 0
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if entry.stat().st_uid == uid:
                count += len(list((entry / "task").iterdir()))
        except OSError:
            continue
    return count


def _used() -> tuple[int, int]:
    """Return this process's address space and private data now, in bytes."""
    fields = {}
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            name, _, value = line.partition(":")
            fields[name] = value
        return tuple(int(fields[k].split()[0]) << 10 for k in ("VmSize", "VmData"))  # type: ignore[return-value]
    except (OSError, KeyError, ValueError):
        return 2048 * MB, 1024 * MB


def _lower(which: int, value: int) -> None:
    """Set both limits, never above the one that already holds."""
    _, hard = resource.getrlimit(which)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(which, (value, value))


def apply(limits: Limits, *, others: int = 0) -> None:
    """Limit this process and its descendants.

    Memory is what is added to the warm process that the room was forked from: what is used at
    the time of the call doesn't count. These limits hold for one process at a time; the
    watchdog keeps the sums.

    Parameters
    ----------
    limits : Limits
        What the whole room may use.
    others : int
        How many tasks this user has that aren't the room's: they count against the kernel's
        limit on a user's processes.
    """
    space, data = _used()
    disk = disk_mb(limits) * MB
    # No file is that small; and 1, unlike 0, also keeps the kernel from starting a program for it.
    _lower(resource.RLIMIT_CORE, 1)
    _lower(resource.RLIMIT_CPU, math.ceil(limits.total_seconds) + 1)
    _lower(resource.RLIMIT_FSIZE, disk)
    _lower(resource.RLIMIT_NOFILE, OPEN_FILES)
    _lower(resource.RLIMIT_NPROC, limits.processes + others)
    _lower(resource.RLIMIT_MEMLOCK, MB)
    if sys.platform.startswith("linux"):
        _lower(resource.RLIMIT_MSGQUEUE, 0)
        _lower(resource.RLIMIT_SIGPENDING, 1024)
        _lower(resource.RLIMIT_DATA, data + limits.memory_mb * MB)
        _lower(resource.RLIMIT_AS, space + (2 * limits.memory_mb + RESERVED_MB) * MB)
        _lower(resource.RLIMIT_NICE, 0)
        _lower(resource.RLIMIT_RTPRIO, 0)
    os.umask(0o077)
