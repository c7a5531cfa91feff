"""What a room finds when it tries the walls: the honest way to learn whether they stand."""

import json
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["main"]


def main(sockets: list[socket.socket]) -> None:
    """Tell, on the socket, what can be done from within this room."""
    sockets[0].sendall(json.dumps(findings()).encode() + b"\n")


def findings() -> dict[str, Any]:
    """Try what a room must not be able to do; each value says what was found."""
    return {
        "user": os.getuid(),
        "pid": os.getpid(),
        "folder": str(Path.cwd()),
        "writes_home": _tried(lambda: Path("probe.txt").write_text("x")),
        "capabilities": _status("CapEff"),
        "no_new_privileges": _status("NoNewPrivs"),
        "seccomp": _status("Seccomp"),
        "sees": sorted(os.listdir("/")) if _tried(lambda: os.listdir("/")) else [],  # noqa: PTH208
        "processes": len([name for name in _listed("/proc") if name.isdigit()]),
        "writes_outside": _tried(lambda: _write_and_remove(Path(sys.prefix, "room-probe.txt"))),
        "reads_roots_home": _tried(lambda: os.listdir("/root")),  # noqa: PTH208
        "interfaces": [name for _, name in _interfaces()],
        "internet_socket": _tried(lambda: socket.socket(socket.AF_INET).close()),
        "netlink_socket": _tried(lambda: socket.socket(16, socket.SOCK_RAW).close()),
        "starts_programs": _tried(lambda: os.waitpid(_spawned(), 0)),
        "imports": _tried(lambda: __import__("colorsys")),
        "environment": sorted(os.environ),
    }


def _tried(action: Callable[[], object]) -> bool:
    try:
        action()
    except Exception:
        return False
    return True


def _write_and_remove(path: Path) -> None:
    path.write_text("x")
    path.unlink()


def _spawned() -> int:
    return os.posix_spawn("/bin/true", ["true"], {})


def _listed(folder: str) -> list[str]:
    with suppress(OSError):
        return os.listdir(folder)  # noqa: PTH208 - names only
    return []


def _interfaces() -> list[tuple[int, str]]:
    with suppress(OSError):
        return socket.if_nameindex()
    return []


def _status(name: str) -> str:
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return line.split()[1]
    return ""
