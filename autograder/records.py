"""What was graded, on disk: one atomic file a verdict, named by all that the verdict depends on."""

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
from autograder.engine import Limits
from autograder.results import SubmissionResult

__all__ = ["Record", "files_digest", "load_record", "record_key", "save_record"]

# Raise it when the same files would get another verdict than before.
GRADER_VERSION = 1


class Record(BaseModel):
    """One submission's verdict and the notebook that was run, outputs and all.

    A record that isn't final is of a fault of the grader; the next grading tries again.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    key: str
    engine: str
    isolation: str
    result: SubmissionResult
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


def record_key(
    *,
    student: str,
    submission: bytes,
    source: NotebookNode,
    parameters: Mapping[str, object],
    limits: Limits,
    engine: str,
    files: str = "",
) -> str:
    """Name a verdict by what it depends on; if none of that changes, neither does the verdict.

    ``files`` is the :func:`files_digest` of what the lab ships.
    """
    parts = json.dumps(
        [
            GRADER_VERSION,
            student,
            hashlib.sha256(submission).hexdigest(),
            source,
            dict(parameters),
            asdict(limits),
            engine,
            files,
        ],
        sort_keys=True,
    )
    return hashlib.sha256(parts.encode()).hexdigest()


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
