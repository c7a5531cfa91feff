"""The engine of two rooms: student code in one process, the tests in another.

Both processes are forked from a warm one that never saw a test. This one, the coordinator, tells
the student's room which cells to run and the examiner's room which tests, in the notebook's
order; what the student's room reports is treated as anything a student might have made up.
"""

import socket
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import nbformat
from nbformat import NotebookNode

from autograder.engine import CellRun, Execution, Limits, Room
from autograder.errors import SandboxError
from autograder.examiner_source import imported_modules
from autograder.failing_line import failing_line
from autograder.fresh_rooms import FreshRooms, is_fresh
from autograder.lab_facts import facts_of
from autograder.notebook import cell_kind, grade_id
from autograder.room_cells import (
    is_beside,
    kind_of,
    lines_for_answers,
    not_shipped,
    shipped_modules,
    teachers_own,
)
from autograder.room_orders import Orders, RoomProcess, clean_report
from autograder.room_outputs import clean_outputs
from autograder.scout import Findings, key_of, recall, remember, scout

__all__ = ["BASE_PRELOAD", "RoomsEngine", "Zygote", "preload_for"]

BASE_PRELOAD = ("numpy", "pandas", "numpy.testing", "pandas.testing")
WARM_MODULE = "autograder.room_warm"
_SCOUT_OUTPUT_KB = 32 << 10
# So few are imported within a room in no time; a new warm process would cost more.
_FEW_MODULES = 40
_AHEAD = "autograder.examiner_ahead:read_ahead"
_ENTRIES = {"student": "autograder.student_room:main", "examiner": "autograder.examiner_room:main"}


class Forks(Protocol):
    """A process that forks rooms."""

    def spawn(
        self,
        entry: str,
        *,
        sockets: Sequence[socket.socket],
        limits: Limits,
        files: Path | None = None,
    ) -> RoomProcess:
        """Fork a room that calls ``entry`` with its ends of the sockets."""

    def close(self) -> None:
        """End the process and every room forked from it."""


class Zygote(Forks, Protocol):
    """A warm process, from which other such processes can be forked."""

    def branch(self, entry: str, about: dict[str, Any]) -> "Forks | None":
        """Fork a process that reads something ahead and forks rooms that know it."""


def preload_for(source: NotebookNode | None) -> tuple[str, ...]:
    """Give the modules that a warm process imports for a notebook, the warm-up itself last."""
    found: set[str] = set()
    for cell in source.cells if source is not None else ():
        if cell.cell_type == "code":
            found |= imported_modules(cell.source)
    rooms = (
        *("autograder.student_room", "autograder.examiner_room", "autograder.examiner_ahead"),
        WARM_MODULE,
    )
    return (*BASE_PRELOAD, *sorted(found - set(BASE_PRELOAD)), *rooms)


class RoomsEngine:
    """Runs a notebook's cells in two rooms.

    Parameters
    ----------
    start : callable
        Starts the warm process, given the modules to import and, if there is one, a folder that
        each room gets a copy of as its user cache; called at the first run.
    reference : NotebookNode, optional
        The teacher's notebook with its solutions: says which names the lab asks students to
        define, and what to import ahead.
    compatible : bool, default=False
        Run every test cell beside the student's code, as nbgrader does; still confined.
    isolation : str
        What keeps the rooms from the rest of the machine, for the report.
    """

    name = "rooms"

    def __init__(
        self,
        start: Callable[..., Zygote],
        *,
        reference: NotebookNode | None = None,
        compatible: bool = False,
        isolation: str = "process",
    ) -> None:
        self.isolation = isolation
        self.room: Room = "student" if compatible else "examiner"
        self._start = start
        self._reference = reference
        self._scouting: NotebookNode | None = None
        self._zygote: Zygote | None = None
        self._examiners: Forks | None = None
        self._cache: tempfile.TemporaryDirectory[str] | None = None
        self._lock = threading.Lock()
        self._known: dict[str, Any] | None = None
        self._lines: dict[str, tuple[str, str]] | None = None

    def prepare(self, source: NotebookNode) -> None:
        """Take the teacher's notebook as the reference; before the first run.

        That run is preceded by one of the reference, unless this was done before, to learn what
        to import ahead.
        """
        self._reference = self._scouting = source
        self._known = self._lines = None

    def _warm(self, files: Path | None, limits: Limits) -> Zygote:
        """Give the warm process, started if it isn't there, with all that the lab needs."""
        with self._lock:
            if self._zygote is None:
                self._zygote = (
                    self._start(tuple(not_shipped(preload_for(self._reference), files)))
                    if self._scouting is None
                    else self._scouted(self._scouting, files, limits)
                )
                self._examiners = self._reading_ahead(self._zygote, files)
            return self._zygote

    def _reading_ahead(self, zygote: Zygote, files: Path | None) -> Forks | None:
        """Have a process for the examiners' rooms that has read the lab's cells."""
        cells = [
            (kind, cell.source)
            for cell in (self._reference.cells if self._reference is not None else ())
            if cell.cell_type == "code" and cell.source.strip()
            if (kind := kind_of(cell)) != "test" or self._is_examined(cell)
        ]
        about = {"cells": cells, "shipped": sorted(shipped_modules(files))}
        return zygote.branch(_AHEAD, about) if any(kind == "test" for kind, _ in cells) else None

    def _scouted(self, reference: NotebookNode, files: Path | None, limits: Limits) -> Zygote:
        usual = not_shipped(preload_for(reference), files)
        key = key_of(reference, files, room=self.room)
        found = recall(key)
        if found is not None:
            return self._start_with(found, usual)
        first = self._start(usual)
        try:
            wide = replace(limits, output_kb=max(limits.output_kb, _SCOUT_OUTPUT_KB))
            found = scout(
                reference,
                lambda notebook: self._run(first, notebook, files, wide, threading.Lock()),
                examined=self.room == "examiner",
            )
        except BaseException:
            first.close()
            raise
        found = found.without(set(found.modules) - set(not_shipped(found.modules, files)))
        there = getattr(first, "loaded", frozenset(usual))
        if len(set(found.modules) - there) < _FEW_MODULES and not found.cache:
            remember(key, Findings())
            return first
        first.close()
        second = self._start_with(found, usual)
        remember(key, found.without(getattr(second, "left_out", ())))
        return second

    def _start_with(self, found: Findings, usual: Sequence[str]) -> Zygote:
        *libraries, last = usual
        modules = dict.fromkeys([*libraries, *found.modules, last])
        if not found.cache:
            return self._start(tuple(modules))
        self._cache = tempfile.TemporaryDirectory(prefix="autograder-cache-")
        found.unpack(Path(self._cache.name))
        return self._start(tuple(modules), Path(self._cache.name))

    def run(self, notebook: NotebookNode, files: Path | None, limits: Limits) -> Execution:
        """Run every code cell in order, within ``limits``."""
        zygote = self._warm(files, limits)
        return self._run(zygote, notebook, files, limits, self._lock, self._examiners)

    def _run(
        self,
        zygote: Zygote,
        notebook: NotebookNode,
        files: Path | None,
        limits: Limits,
        lock: threading.Lock,
        examiners: Forks | None = None,
    ) -> Execution:
        executed: NotebookNode = nbformat.from_dict(notebook)  # type: ignore[no-untyped-call]
        examined = any(self._is_examined(cell) for cell in executed.cells)
        rooms = _Rooms(zygote, files, limits, lock, (examiners or zygote) if examined else None)
        rooms.teachers = teachers_own(executed, self._reference)
        rooms.lines = self._lines_for_answers() if examined else {}
        try:
            rooms.begin(self._facts())
            runs = [
                self._cell(rooms, index, cell)
                for index, cell in enumerate(executed.cells)
                if cell.cell_type == "code"
            ]
        finally:
            rooms.close()
        problems = tuple(dict.fromkeys(run.message for run in runs if run.status in _LOST))
        return Execution(executed, tuple(runs), problems, rooms.cpu_seconds)

    def close(self) -> None:
        """End the warm process and everything forked from it."""
        with self._lock:
            processes = (self._examiners, self._zygote)
            self._examiners = self._zygote = None
            cache, self._cache = self._cache, None
        for process in filter(None, processes):
            process.close()
        if cache is not None:
            cache.cleanup()

    def _facts(self) -> dict[str, Any]:
        """Give what the examiner's room must know of the lab."""
        if self._known is None:
            self._known = facts_of(self._reference)
        return self._known

    def _lines_for_answers(self) -> dict[str, tuple[str, str]]:
        """Give the lines of test cells that answers rely on."""
        if self._lines is None:
            self._lines = lines_for_answers(self._reference)
        return self._lines

    def _is_examined(self, cell: NotebookNode) -> bool:
        """Say whether a cell runs in the examiner's room."""
        beside = self.room == "student" or is_beside(cell)
        return cell.cell_type == "code" and cell_kind(cell) == "test" and not beside

    def _cell(self, rooms: "_Rooms", index: int, cell: NotebookNode) -> CellRun:
        name = grade_id(cell)
        if not cell.source.strip():
            cell["outputs"] = []
            return CellRun(index, name, "ok")
        examined = self._is_examined(cell)
        report = rooms.examine(cell) if examined else rooms.run(index, cell)
        cell["outputs"] = clean_outputs(report["outputs"], rooms.limits.output_kb * 1024)
        cell["execution_count"] = report["count"]
        if report["claims"]:
            cell.metadata["autograder"] = {"claims": report["claims"]}
        return CellRun(
            index,
            name,
            report["status"],
            tuple(cell["outputs"]),
            error=report["error"],
            message=report["message"],
            line=failing_line(cell.source, report["lines"]),
            room="examiner" if examined else "student",
            cpu_seconds=report["cpu"],
        )


_LOST = ("died", "not-run")


class _Rooms:
    """The two rooms of one submission."""

    def __init__(
        self,
        students: Forks,
        files: Path | None,
        limits: Limits,
        lock: threading.Lock,
        examiners: Forks | None,
    ) -> None:
        self.limits = limits
        self.teachers = frozenset[int]()
        self.lines: dict[str, tuple[str, str]] = {}
        self._sockets: list[socket.socket] = []
        question, answer = self._pair()
        desk, other_side = self._pair()
        self._lock, self._files = lock, files
        self._students, self._examiners = students, examiners
        self._fresh = FreshRooms(self._fresh_room, desk, limits)
        with lock:
            self.examiner = (
                self._room("examiner", (question, other_side), provide=self._fresh.provide)
                if examiners
                else None
            )
            self.student = self._room("student", (answer,))
        # Each room's ends are closed here at once: a room that is gone is then seen to be gone.
        answer.close()
        other_side.close()
        if examiners:
            question.close()

    def _room(
        self,
        name: str,
        links: Sequence[socket.socket],
        *,
        limits: Limits | None = None,
        provide: Callable[[], None] | None = None,
    ) -> Orders:
        limits = limits or self.limits
        orders, end = self._pair()
        forks = self._examiners if name == "examiner" and self._examiners else self._students
        process = forks.spawn(
            _ENTRIES[name], sockets=(end, *links), limits=limits, files=self._files
        )
        end.close()
        return Orders(orders, process, limits, provide=provide)

    def _fresh_room(self, link: socket.socket, limits: Limits) -> Orders:
        with self._lock:
            return self._room("student", (link,), limits=limits)

    def _pair(self) -> tuple[socket.socket, socket.socket]:
        pair = socket.socketpair()
        self._sockets += pair
        return pair

    @property
    def cpu_seconds(self) -> float:
        """CPU time of both rooms so far, as they themselves measured their cells."""
        return sum(room.cpu_seconds for room in (self.student, self.examiner) if room)

    def begin(self, facts: dict[str, Any]) -> None:
        """Tell the examiner's room what it must know of the lab.

        Raises
        ------
        SandboxError
            If that room ends: no student's code has run yet.
        """
        if self.examiner is None:
            return
        if self.examiner.send({"do": "begin", **facts}, 30.0) is None:
            raise SandboxError(
                f"the room that runs the tests ended before the first cell. {self.examiner.lost} "
                "The verdicts so far are kept, and nobody is marked down for it: grade again."
            )

    def run(self, place: int, cell: NotebookNode) -> dict[str, Any]:
        """Run a cell in the student's room and tell the examiner's what ran."""
        kind = kind_of(cell, plain="locked" if place in self.teachers else "plain")
        order = {"do": "run", "text": cell.source, "kind": kind}
        report = clean_report(self.student.cell(order), self.student)
        if self.examiner is not None:
            ran = {"do": "ran", "text": cell.source, "kind": kind, "there": is_beside(cell)}
            if kind == "locked" and is_fresh(cell):
                self._fresh.texts.append(cell.source)
                ran["fresh"] = True
            self.examiner.send(ran, 30.0)
        return report

    def examine(self, cell: NotebookNode) -> dict[str, Any]:
        """Run a test cell in the examiner's room."""
        examiner = self.examiner
        if examiner is None or self.student.lost:
            return clean_report(None, self.student)
        before, after = self.lines.get(grade_id(cell), ("", ""))
        if before:
            self.student.cell({"do": "run", "text": before, "kind": "plain"})
        order = {"do": "test", "text": cell.source}
        report = clean_report(examiner.cell(order, other=self.student), examiner)
        fresh = self._fresh.spent()
        examiner.cpu_seconds += fresh
        spent = self.student.settle() + fresh
        if report["cpu"] is not None:
            report["cpu"] += spent
        if after:
            self.student.cell({"do": "run", "text": after, "kind": "plain"})
        return report

    def close(self) -> None:
        """End both rooms."""
        self._fresh.spent()
        for room in (self.student, self.examiner):
            if room is not None:
                room.close()
        for sock in self._sockets:
            sock.close()
