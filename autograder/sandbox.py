"""How far this machine can confine students' code, found out by trying.

Four levels, strongest first: ``full`` (namespaces, a view of its own, Landlock, a filter on system
calls, limits), ``bubblewrap`` (the warm process runs inside bubblewrap, the rest per room),
``landlock`` (no view of its own, but Landlock, the filter and limits), and ``process`` (limits
only), which is below the floor: students' code can then read and write what you can.
"""

import json
import os
import shutil
import socket
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from autograder import landlock, linux, namespaces, seccomp
from autograder.engine import Limits
from autograder.errors import SandboxError
from autograder.rooms import RoomsEngine
from autograder.zygote import WarmProcess

__all__ = ["FLOOR", "LEVELS", "best", "check", "layers", "rooms_engine", "start", "tried"]

LEVELS = ("full", "bubblewrap", "landlock", "process")
FLOOR = "landlock"
_PROBE = "autograder.room_probe:main"
_PROBE_SECONDS = 30.0
_BUBBLEWRAP = "bwrap"
_NO_NAMESPACES = (
    "Allow unprivileged user namespaces (on Ubuntu: sysctl "
    "kernel.apparmor_restrict_unprivileged_userns=0), or install bubblewrap, or grade in a "
    "container that is allowed to make namespaces."
)
_NOT_LINUX = "Grade on Linux: in WSL 2 on Windows, in a virtual machine or a container on macOS."


def start(
    preload: Sequence[str], *, isolation: str, cache_folder: Path | None = None
) -> WarmProcess:
    """Start a warm process whose rooms are confined at a level.

    Raises
    ------
    SandboxError
        If it doesn't start.
    """
    wrapper = _bubblewrap_command if isolation == "bubblewrap" else None
    return WarmProcess.start(preload, isolation=isolation, cache=cache_folder, wrapper=wrapper)


def rooms_engine(*, isolation: str = "", compatible: bool = False) -> RoomsEngine:
    """Make the engine of two rooms, confined as well as this machine can, or as is asked.

    Parameters
    ----------
    isolation : str
        One of :data:`LEVELS`; by default the strongest that works here.
    compatible : bool, default=False
        Run the tests beside the answers, as nbgrader does; still confined.

    Raises
    ------
    SandboxError
        If the level doesn't work here, or nothing above the floor does and ``"process"`` wasn't
        asked for by name.
    """
    level = isolation or best()
    check(level)
    if level == "process" and not isolation:
        raise SandboxError(
            "this machine offers no way to confine students' code: they could read and write what "
            "you can. 'autograder doctor' says what is missing and how to get it; to grade all "
            "the same, say --isolation process."
        )
    return RoomsEngine(
        lambda preload, cache_folder=None: start(
            preload, isolation=level, cache_folder=cache_folder
        ),
        compatible=compatible,
        isolation=level,
    )


@cache
def best() -> str:
    """Give the strongest level that was tried and works here."""
    return next(level for level in LEVELS if level == "process" or not _problem(level))


def check(level: str) -> None:
    """Make sure that a level works here.

    Raises
    ------
    SandboxError
        If there is no such level, or it doesn't work; the message says why.
    """
    if level not in LEVELS:
        raise SandboxError(f"there is no isolation {level!r}; there: {', '.join(LEVELS)}.")
    problem = "" if level == "process" else _problem(level)
    if not hasattr(os, "fork"):
        raise SandboxError(
            f"rooms are made by forking, and this system, {sys.platform}, can't. {_NOT_LINUX} "
            "Without any confinement, 'grade --engine nbgrader' works here too."
        )
    if problem:
        raise SandboxError(
            f"isolation {level!r} doesn't work on this machine: {problem.rstrip('.')}. The best is "
            f"{best()!r}; see 'autograder doctor'."
        )


@cache
def tried(level: str) -> dict[str, Any]:
    """Fork a room at a level and give what it found; ``problem`` where that didn't work."""
    if not sys.platform.startswith("linux") or linux.machine() is None:
        return {"problem": f"it needs Linux on x86-64 or aarch64, and this is {sys.platform}"}
    if level == "bubblewrap" and not shutil.which(_BUBBLEWRAP):
        return {"problem": "bubblewrap isn't installed"}
    here, there = socket.socketpair()
    warm = None
    try:
        warm = start([], isolation=level)
        room = warm.spawn(_PROBE, sockets=[there], limits=Limits())
        there.close()
        here.settimeout(_PROBE_SECONDS)
        text = b""
        while not text.endswith(b"\n"):
            data = here.recv(65536)
            if not data:
                ended = room.wait(1.0)
                return {"problem": f"a room ended early: {ended.reason if ended else 'unknown'}"}
            text += data
        room.kill()
        found: dict[str, Any] = json.loads(text)
        return found
    except OSError as error:
        return {"problem": str(error)}
    finally:
        here.close()
        there.close()
        if warm is not None:
            warm.close()


def _problem(level: str) -> str:
    """Say why a level can't be relied on here; empty if it can."""
    found = tried(level)
    if "problem" in found:
        return str(found["problem"])
    broken = [
        what
        for what, broke in (
            ("a room could write outside its folder", found["writes_outside"]),
            ("a room kept capabilities", int(found["capabilities"] or "0", 16) != 0),
            ("system calls weren't filtered", found["seccomp"] != "2"),
            ("a room reached a network", set(found["interfaces"]) - {"lo"}),
            ("a room could open raw sockets", found["netlink_socket"]),
            ("a room couldn't write in its own folder", not found["writes_home"]),
            ("a room couldn't import a module", not found["imports"]),
        )
        if broke
    ]
    if level == "full" and found["processes"] > 1:
        broken.append("a room saw other processes")
    return "; ".join(broken)


def _bubblewrap_command(folder: Path) -> tuple[str, ...]:
    """Make the command that runs a warm process with a view of its own and no network.

    Of the coordinator's files it sees ``folder`` alone.
    """
    shown = namespaces.visible_paths(["autograder", "mlops_kit"])
    readable = [word for path in shown for word in ("--ro-bind-try", path, path)]
    return (
        _BUBBLEWRAP,
        *("--unshare-user-try", "--unshare-net", "--unshare-ipc", "--unshare-uts"),
        *("--die-with-parent", "--dev", "/dev", "--bind", "/proc", "/proc"),
        *readable,
        *("--bind", str(folder), str(folder), "--chdir", str(folder)),
    )


def layers() -> tuple[tuple[str, bool, str, str], ...]:
    """List the layers: name and what it stops, whether it works here, what was found, what to do.

    Examples
    --------
    >>> [name.split(":")[0] for name, *_ in layers()][:2]
    ['level', 'namespaces']
    """
    full, version = tried("full"), landlock.abi() if sys.platform.startswith("linux") else 0
    spaces = "problem" not in full
    filtered = sys.platform.startswith("linux") and seccomp.works()
    wrapped = bool(shutil.which(_BUBBLEWRAP))
    level = best()
    advice = _NO_NAMESPACES if sys.platform.startswith("linux") else _NOT_LINUX
    return (
        (
            "level: what grading uses",
            level != "process",
            level,
            "" if level != "process" else advice,
        ),
        (
            "namespaces: files, network, processes and users of others",
            spaces,
            "tried, work" if spaces else str(full["problem"]),
            "" if spaces else advice,
        ),
        (
            "Landlock: files outside the room, once more",
            version > 0,
            f"version {version}" if version else "not in this kernel",
            "" if version else "Use Linux 5.13 or newer with Landlock among its security modules.",
        ),
        (
            "seccomp: calls into the kernel that no notebook needs",
            filtered,
            "works" if filtered else "not here",
            "" if filtered else "Use a Linux kernel with seccomp filters (nearly every one).",
        ),
        _limits_layer(),
        (
            "bubblewrap: a view of its own where namespaces aren't allowed directly",
            wrapped or spaces,
            "installed" if wrapped else "not installed",
            "" if wrapped or spaces else "Install the package bubblewrap.",
        ),
    )


def _limits_layer() -> tuple[str, bool, str, str]:
    works = hasattr(os, "fork")
    return (
        "limits and watchdog: memory, processes, time, disk and output in sum",
        works,
        "work" if works else "not on this system",
        "" if works else _NOT_LINUX,
    )
