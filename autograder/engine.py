"""The small interface between grading and whatever runs a notebook's cells."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:  # Rooms know this module, and nbformat takes longer to import than all of theirs.
    from nbformat import NotebookNode

__all__ = ["CellRun", "Engine", "Execution", "Limits", "Room", "RunStatus"]

RunStatus = Literal["ok", "error", "timeout", "died", "not-run"]
Room = Literal["shared", "student", "examiner"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one submission may use; a lab sets its own under ``[limits]`` in ``lab.toml``."""

    cell_seconds: float = 60.0
    total_seconds: float = 300.0
    memory_mb: int = 2048
    output_kb: int = 1024
    processes: int = 128


@dataclass(frozen=True, slots=True)
class CellRun:
    """What happened to one code cell; ``error`` is the exception's class name, if one rose."""

    index: int
    grade_id: str
    status: RunStatus
    outputs: tuple[Mapping[str, Any], ...] = ()
    error: str = ""
    message: str = ""
    line: int | None = None
    room: Room = "shared"
    cpu_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Execution:
    """A notebook that was run: the notebook with its outputs, and each code cell's fate."""

    notebook: "NotebookNode"
    cells: tuple[CellRun, ...]
    problems: tuple[str, ...] = ()
    cpu_seconds: float = 0.0


class Engine(Protocol):
    """Runs the cells of one assembled notebook.

    ``run`` gets the notebook that the autograder put together (the teacher's cells, the
    student's answers) and the folder of files that the lab ships; it returns an
    :class:`Execution` whatever the student's code does, and leaves no process behind.
    ``isolation`` is what keeps student code from the rest of the machine, ``room`` where test
    cells run unless one says otherwise.
    """

    name: str
    isolation: str
    room: Room

    def prepare(self, source: "NotebookNode") -> None:
        """Look at the teacher's notebook, before the first run of a lab."""
        ...

    def run(self, notebook: "NotebookNode", files: Path | None, limits: Limits) -> Execution:
        """Run every code cell in order, within ``limits``."""
        ...

    def close(self) -> None:
        """End everything that still runs; a ``run`` in another thread then returns early."""
        ...
