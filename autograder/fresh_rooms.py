"""Rooms in which no answer ran, made while a test runs: the coordinator's side.

A given function may have to run what students hand in as files: workflows, scripts, programs. In
the student's room it would share the process with the answers, which can replace it. So each call
of it gets a new room, forked from the same warm process, in which the lab's given cells with the
tag ran and nothing else did.
"""

import contextlib
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import psutil

from autograder.engine import Limits
from autograder.room_orders import Orders, clean_report

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = ["FRESH_ROOM_TAG", "FreshRooms", "is_fresh"]

FRESH_ROOM_TAG = "fresh-room"
_MOST = 1_000
_SEAL_SECONDS = 20.0
_MESSAGE = 1_500
Open = Callable[[socket.socket, Limits], Orders]


def is_fresh(cell: "NotebookNode") -> bool:
    """Say whether a cell's functions run in a new room each time that a test calls them."""
    return FRESH_ROOM_TAG in cell.metadata.get("tags", [])


class FreshRooms:
    """Makes one room after the other for the examiner's.

    Parameters
    ----------
    open_room : callable
        Makes a student's room, given its end of the questions and its limits.
    desk : socket
        Where the examiner's room gets its end of them.
    limits : Limits
        What one submission may use.
    """

    def __init__(self, open_room: Open, desk: socket.socket, limits: Limits) -> None:
        self.texts: list[str] = []
        self._open = open_room
        self._desk = desk
        self._limits = limits
        self._room: Orders | None = None
        self._count = 0
        self._spent = 0.0

    def provide(self) -> None:
        """Make a room in place of the last one, and hand over where it is asked."""
        self._end()
        self._count += 1
        left = self._limits.cell_seconds - self._spent
        problem = "" if left > 0 else "the test's time is up"
        if self._count > _MOST:
            problem = f"a notebook's tests get {_MOST} fresh rooms"
        question, answer = socket.socketpair()
        try:
            if not problem:
                self._room = self._open(answer, replace(self._limits, total_seconds=left))
                problem = self._furnish(self._room)
            told = " ".join(problem.split())[:_MESSAGE].encode("utf-8", "replace") + b"\n"
            with contextlib.suppress(OSError):
                socket.send_fds(self._desk, [told], [] if problem else [question.fileno()])
        finally:
            question.close()
            answer.close()

    def spent(self) -> float:
        """End the last room; give the CPU seconds of all since this was last asked."""
        self._end()
        spent, self._spent = self._spent, 0.0
        return spent

    def _furnish(self, room: Orders) -> str:
        """Run the given cells; say what went wrong."""
        for text in self.texts:
            order = {"do": "run", "text": text, "kind": "locked"}
            report = clean_report(room.cell(order), room)
            if report["status"] != "ok":
                why = f"{report['error']}: {report['message']}" if report["error"] else room.lost
                return (
                    f"a given cell with the tag '{FRESH_ROOM_TAG}' fails in a room where only "
                    f"such cells ran ({why})"
                )
        room.send({"do": "seal"}, _SEAL_SECONDS)
        return room.lost

    def _end(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            with contextlib.suppress(psutil.Error):
                # With those of the programs that it ran: they are most of it.
                self._spent += sum(psutil.Process(room.pid).cpu_times()[:4])
            room.close()
