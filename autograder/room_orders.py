"""Giving orders to a room, within limits, and reading its reports with suspicion."""

import contextlib
import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import psutil

from autograder.engine import Limits
from autograder.errors import SandboxError
from autograder.room_outputs import plain_text
from autograder.watchdog import tree, usage
from autograder.wire import Bounds, Channel, WireError, WireTimeoutError

__all__ = ["Orders", "RoomProcess", "clean_report"]

# Where not, every process of the machine must be looked at to find a room's.
_LISTS_CHILDREN = Path("/proc/self/task").is_dir()
WALL_FACTOR = 3.0
WALL_EXTRA = 40.0
# So many cells may wait that long for the machine.
WALL_CELLS = 4
# A room gives its cell up that long before the room itself is given up.
REPORT_SECONDS = 10.0
SETTLE_SECONDS = 20.0
_LOOK_SECONDS = 0.5
_CPU_FACTOR = 1.3
_CPU_EXTRA = 2.0
_LINES = 1_000
# Lists and objects in a report: a figure's points, say.
_REPORT_ITEMS, _ITEMS_A_KB = 100_000, 128


class RoomProcess(Protocol):
    """A room as the process that started it sees it."""

    pid: int

    def kill(self) -> None:
        """End the room and everything in it."""

    def wait(self, timeout: float | None = None) -> Any:
        """Wait for the room's end; say how it ended."""


class Orders:
    """The coordinator's end of one room.

    Parameters
    ----------
    sock : socket
        Where orders go and reports come from.
    process : RoomProcess
        The room's process.
    limits : Limits
        What one submission may use.
    provide : callable, optional
        Hands over a fresh room when this one asks for it while it carries out an order.

    Attributes
    ----------
    pid : int
        The room's process, as it is seen from here.
    """

    def __init__(
        self,
        sock: socket.socket,
        process: RoomProcess,
        limits: Limits,
        *,
        provide: Callable[[], None] | None = None,
    ) -> None:
        self.pid = process.pid
        self._provide = provide
        items = max(_REPORT_ITEMS, limits.output_kb * _ITEMS_A_KB)
        self._channel = Channel(sock, bounds=Bounds(blob_bytes=0, items=items))
        self._process = process
        self._limits = limits
        self._begun = time.monotonic()
        self.lost = ""
        self.overtime = False
        self.cpu_seconds = 0.0

    def cell(self, order: dict[str, Any], *, other: "Orders | None" = None) -> Any:
        """Have a cell run; None where the room didn't live to tell."""
        limits = self._limits
        left = limits.total_seconds - self.cpu_seconds - (other.cpu_seconds if other else 0.0)
        if left <= 0:
            self._lose(f"The notebook took longer than {limits.total_seconds:g} seconds in all.")
        if self.lost:
            return None
        seconds = min(limits.cell_seconds, max(left, 0.1))
        wall = min(seconds * WALL_FACTOR + WALL_EXTRA, self._wall_left())
        own = {"seconds": seconds, "wall": wall - REPORT_SECONDS, "output": limits.output_kb * 1024}
        order = order | own
        report = self.send(order, wall, cpu=seconds, other=other)
        if isinstance(report, dict) and _is_number(report.get("cpu")):
            self.cpu_seconds += max(0.0, float(report["cpu"]))
        return report

    def _wall_left(self) -> float:
        """Give the time that is left for all cells together, most of which may be slept through."""
        every = self._limits.total_seconds * WALL_FACTOR + WALL_CELLS * WALL_EXTRA
        left = self._begun + every - time.monotonic()
        if left < 2 * REPORT_SECONDS:
            self.overtime = True
            self._lose("The notebook took too long in all, most of it waiting.")
        return max(left, 2 * REPORT_SECONDS)

    def settle(self) -> float:
        """Have the student's room tidy up after a test; give the CPU time that it spent on it."""
        seconds = min(5.0, self._limits.cell_seconds)
        report = self.send({"do": "settle", "seconds": seconds}, SETTLE_SECONDS, cpu=seconds + 1.0)
        if not isinstance(report, dict) or not _is_number(report.get("cpu")):
            return 0.0
        spent = max(0.0, float(report["cpu"]))
        self.cpu_seconds += spent
        return spent

    def send(
        self,
        order: dict[str, Any],
        wall: float,
        *,
        cpu: float | None = None,
        other: "Orders | None" = None,
    ) -> Any:
        """Send an order and wait for its report, within limits.

        Raises
        ------
        SandboxError
            If the machine ended the room, which is nobody's verdict.
        """
        if self.lost:
            return None
        identity = secrets.token_hex(8)
        try:
            if self._channel.waiting():
                self._refuse_unasked()
            self._channel.send(order | {"id": identity}, seconds=wall)
            body = self._report(time.monotonic() + wall, cpu, other)
        except WireTimeoutError:
            self.overtime = True
            self._lose("The cell took too long and couldn't be stopped.")
            return None
        except WireError as breach:
            self._lose(f"The room ended while the cell ran: {self._ending() or breach}.")
            self._refuse_fault()
            return None
        if body.get("id") != identity:
            self._lose("The room reported what it wasn't asked for.")
            return None
        return body

    def _refuse_unasked(self) -> None:
        """Take what is there before an order as what it is: the room's end, or a breach."""
        self._channel.receive(seconds=1.0)
        raise WireError("it reported what it wasn't asked for")

    def close(self) -> None:
        """End the room."""
        with contextlib.suppress(OSError):
            self._process.kill()
        self._channel.close()

    def _report(self, deadline: float, cpu: float | None, other: "Orders | None") -> dict[str, Any]:
        """Wait for the report; provide what the room wants meanwhile."""
        while True:
            self._await(deadline, cpu, other)
            body = self._channel.receive(seconds=10.0).body
            if self._provide is None or body.get("want") != "room":
                return body
            self._provide()

    def _await(self, deadline: float, cpu: float | None, other: "Orders | None") -> None:
        """Wait until a message is there or a limit is reached."""
        rooms = [self, *([other] if other else [])]
        before: list[float] | None = None
        wait = 0.05
        while not self._channel.waiting(wait):
            wait = _LOOK_SECONDS
            if time.monotonic() > deadline:
                raise WireTimeoutError("wall")
            if cpu is None:
                continue
            now = [room.used() for room in rooms]
            if before is None:
                before = now
            used = max(n - b for n, b in zip(now, before, strict=True))
            if used > cpu * _CPU_FACTOR + _CPU_EXTRA:
                if other is not None:
                    other._lose("The student's code took too long and couldn't be stopped.")
                    other.overtime = True
                    # This room sees the other one gone, and has its own time to end its cell.
                    before, other, rooms = None, None, [self]
                    continue
                raise WireTimeoutError("cpu")

    def used(self) -> float:
        """Give the CPU seconds of the room's processes that can be seen from here."""
        if _LISTS_CHILDREN:
            return usage(tree(self._process.pid)).cpu
        total = 0.0
        with contextlib.suppress(psutil.Error):
            parent = psutil.Process(self._process.pid)
            for process in (parent, *parent.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    times = process.cpu_times()
                    total += times.user + times.system
        return total

    def _refuse_fault(self) -> None:
        """Raise an error where a room's end was the machine's doing."""
        ended = None
        with contextlib.suppress(OSError):
            ended = self._process.wait(timeout=1.0)
        if getattr(ended, "is_fault", False) is True:
            raise SandboxError(
                "the process that students' rooms are forked from was ended while work was graded, "
                "often for want of memory. The verdicts so far are kept, and nobody is marked down "
                "for it: grade again, perhaps with fewer --workers."
            )

    def _ending(self) -> str:
        with contextlib.suppress(Exception):
            return str(getattr(self._process.wait(timeout=1.0), "reason", "") or "")
        return ""

    def _lose(self, why: str) -> None:
        if not self.lost:
            self.lost = why
            with contextlib.suppress(OSError):
                self._process.kill()


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and value == value and abs(value) < 1e9  # noqa: PLR0124 - NaN


def clean_report(report: Any, room: Orders) -> dict[str, Any]:
    """Read a report on a cell; what isn't as it should be is left out."""
    if not isinstance(report, dict):
        status = "timeout" if room.overtime else "died"
        return {
            **{"outputs": [], "count": None, "status": status, "error": "", "message": room.lost},
            **{"lines": [], "cpu": None, "claims": []},
        }
    error = plain_text(report.get("error"))
    gone = plain_text(report.get("gone"))
    status = "died" if gone else "error" if error else "ok"
    if report.get("timeout") is True:
        status = "timeout"
    lines, count, claims = report.get("lines"), report.get("count"), report.get("claims")
    return {
        "outputs": report.get("outputs"),
        "count": count if type(count) is int and 0 < count < 1 << 31 else None,
        "status": status,
        "error": error,
        "message": plain_text(report.get("message")),
        "lines": _numbers(lines),
        "cpu": float(report["cpu"]) if _is_number(report.get("cpu")) else None,
        "claims": [plain_text(claim) for claim in claims] if isinstance(claims, list) else [],
    }


def _numbers(values: Any) -> list[int]:
    given = values[:_LINES] if isinstance(values, list) else []
    return [value for value in given if type(value) is int and 0 < value < 1 << 31]
