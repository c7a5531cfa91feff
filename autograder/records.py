"""What was graded, on disk: one atomic file a verdict, named by all that its run depends on."""

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import nbformat
from nbformat import NotebookNode
from pydantic import BaseModel, ConfigDict, ValidationError

from autograder.atomic import write_text
from autograder.engine import CellRun, Limits, Room, RunStatus
from autograder.notebook import GRADED, cell_kind, grade_id, points
from autograder.results import SubmissionResult

__all__ = [
    "Entry",
    "Index",
    "Record",
    "RunFacts",
    "files_digest",
    "lab_digest",
    "load_index",
    "load_record",
    "newest_records",
    "points_digest",
    "record_key",
    "save_index",
    "save_record",
    "sweep",
]

# Raise it when the same files would get another verdict than before.
GRADER_VERSION = 18
_INDEX = "index.json"
_KEY_LENGTH = 64


class _OnDisk(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RunFacts(_OnDisk):
    """What happened to one code cell; its outputs are in the record's notebook."""

    index: int
    grade_id: str
    status: RunStatus
    error: str = ""
    message: str = ""
    line: int | None = None
    room: Room = "shared"

    @classmethod
    def of(cls, run: CellRun) -> "RunFacts":
        """Take down a cell's run."""
        return cls(**{name: getattr(run, name) for name in cls.model_fields})

    def as_run(self, outputs: tuple[Mapping[str, Any], ...]) -> CellRun:
        """Give the run again, with its outputs."""
        return CellRun(**self.model_dump(), outputs=outputs)


class Record(_OnDisk):
    """One submission's verdict and the notebook that was run, outputs and all.

    A record that isn't final is of a fault of the grader; the next grading tries again. ``worth``
    is the :func:`points_digest` that the verdict was reached with.
    """

    version: Literal[2] = 2
    key: str
    engine: str
    isolation: str
    room: Room
    worth: str
    result: SubmissionResult
    runs: tuple[RunFacts, ...] = ()
    notebook: dict[str, Any] | None
    cpu_seconds: float = 0.0
    final: bool = True

    def executed(self) -> NotebookNode | None:
        """Give a copy of the notebook with its outputs; None if nothing could be run."""
        if self.notebook is None:
            return None
        notebook: NotebookNode = nbformat.from_dict(  # type: ignore[no-untyped-call]
            copy.deepcopy(self.notebook)
        )
        return notebook


class Entry(_OnDisk):
    """Where one student's verdict is: the record's key, and when the work was handed in."""

    key: str
    timestamp: str = ""


class Index(_OnDisk):
    """Whose verdict is which record, by student: what the gradebook was last written from."""

    version: Literal[1] = 1
    students: dict[str, Entry] = {}


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def lab_digest(
    source: NotebookNode, *, limits: Limits, files: str = "", is_ours: bool = True
) -> str:
    """Give a digest of all that a run depends on and that is the same for the whole class.

    What cells are worth isn't in it: :func:`points_digest` is of that. ``files`` is the
    :func:`files_digest` of what the lab ships; in a lab that isn't ours, students' added cells run.
    """
    worthless = copy.deepcopy(source)
    for cell in worthless.cells:
        if points(cell):
            del cell.metadata.nbgrader["points"]
    return _digest(GRADER_VERSION, worthless, asdict(limits), files, is_ours)


def points_digest(source: NotebookNode) -> str:
    """Give a digest of what each cell is worth."""
    return _digest([(grade_id(c), points(c)) for c in source.cells if cell_kind(c) in GRADED])


def record_key(
    *,
    student: str,
    submission: bytes,
    lab: str,
    parameters: Mapping[str, object],
    engine: str,
    room: Room,
) -> str:
    """Name a verdict by what its run depends on; if none of that changes, neither does the run.

    ``lab`` is the :func:`lab_digest`; ``room`` is where the tests run.
    """
    handed_in = hashlib.sha256(submission).hexdigest()
    return _digest(student, handed_in, lab, dict(parameters), engine, room)


def files_digest(folder: Path | None) -> str:
    """Give a digest of the files that a lab ships: their names and what is in them.

    The notebook and ``lab.toml`` don't count: a record's key holds what they say.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")) if folder is not None else ():
        if path.is_file() and path.suffix != ".ipynb" and path.name != "lab.toml":
            digest.update(path.relative_to(folder or path).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def save_record(folder: Path, record: Record) -> None:
    """Write a record; it is there whole or not at all."""
    write_text(folder / f"{record.key}.json", record.model_dump_json(indent=1))


def load_record(folder: Path, key: str) -> Record | None:
    """Read the record of that key; None if there is none, or none that can be understood."""
    try:
        record = Record.model_validate_json((folder / f"{key}.json").read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    return record if record.key == key else None


def save_index(folder: Path, index: Index) -> None:
    """Write down whose verdict is which record."""
    write_text(folder / _INDEX, index.model_dump_json(indent=1))


def load_index(folder: Path) -> Index:
    """Read whose verdict is which record; empty where that isn't known."""
    try:
        return Index.model_validate_json((folder / _INDEX).read_bytes())
    except (FileNotFoundError, ValidationError):
        return Index()


def newest_records(folder: Path) -> dict[str, str]:
    """Give the key of each student's newest record, for those that no index names."""
    found: dict[str, str] = {}
    paths = [path for path in folder.glob("*.json") if len(path.stem) == _KEY_LENGTH]
    for path in sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path.name)):
        record = load_record(folder, path.stem)
        if record is not None:
            found[record.result.student] = record.key
    return found


def sweep(folder: Path) -> None:
    """Remove what a grader that was killed left half-written in a folder."""
    for path in folder.glob(".*.part"):
        path.unlink(missing_ok=True)
