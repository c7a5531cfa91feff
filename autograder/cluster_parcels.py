"""What travels between the coordinator and a cluster's workers: bytes and JSON, nothing else.

The teacher's side goes out once a worker, as a tar of JSON and the lab's files; verdicts come back
as JSON. Nothing that student code could have shaped is ever unpickled.
"""

import io
import json
import tarfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from pydantic import TypeAdapter

from autograder.engine import Limits
from autograder.errors import CourseError
from autograder.labs import Lab
from autograder.records import RunFacts
from autograder.results import SubmissionResult
from autograder.teacher import Teacher
from autograder.verdict import Graded

__all__ = ["pack_graded", "pack_teacher", "unpack_graded", "unpack_teacher"]

MAX_FILES_MB = 512
_HEAD = "teacher.json"
_FILES = "files"


def pack_teacher(teacher: Teacher) -> bytes:
    """Pack the teacher's notebook, settings and files.

    Raises
    ------
    CourseError
        If the lab's files are too large to be sent.
    """
    head = {
        "lab": teacher.lab,
        "source": teacher.source,
        "settings": teacher.settings
        and TypeAdapter(Lab).dump_python(teacher.settings, mode="json"),
        "has_files": teacher.files is not None,
        "course_limits": asdict(teacher.course_limits),
    }
    data = json.dumps(head).encode()
    packed = io.BytesIO()
    # Links are followed, as they are where the files are copied on one machine.
    with tarfile.open(fileobj=packed, mode="w", dereference=True) as tar:
        entry = tarfile.TarInfo(_HEAD)
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
        if teacher.files is not None:
            _check_size(teacher.files)
            tar.add(teacher.files, _FILES, filter=_is_shipped)
    return packed.getvalue()


def _check_size(folder: Path) -> None:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if size > MAX_FILES_MB * 1_000_000:
        raise CourseError(
            f"{folder} holds {size // 1_000_000} MB; at most {MAX_FILES_MB} MB can be sent to a "
            "cluster. Make the lab's files smaller, or grade on this machine, without --cluster."
        )


def _is_shipped(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out the notebooks, which hold the solutions, and what isn't a file."""
    name = entry.name.rsplit("/", 1)[-1]
    is_usual = entry.isdir() or entry.isreg()
    if not is_usual or name.endswith(".ipynb") or name in ("lab.toml", ".ipynb_checkpoints"):
        return None
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def unpack_teacher(data: bytes, folder: Path) -> Teacher:
    """Unpack the teacher's side; its files, and nothing else of it, are put into ``folder``."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        first = tar.extractfile(_HEAD)
        assert first is not None
        head = json.loads(first.read())
        files = [entry for entry in tar if entry.name != _HEAD]
        tar.extractall(folder, files, filter="data")
    settings = head["settings"]
    return Teacher(
        lab=head["lab"],
        source=_notebook(head["source"]),
        files=folder / _FILES if head["has_files"] else None,
        settings=settings and TypeAdapter(Lab).validate_python(settings),
        course_limits=Limits(**head["course_limits"]),
    )


def pack_graded(graded: Graded) -> dict[str, Any]:
    """Turn a verdict into what JSON can hold; a cell's outputs are in the notebook alone."""
    return {
        "result": graded.result.model_dump(mode="json"),
        "notebook": graded.notebook,
        "runs": [RunFacts.of(run).model_dump(mode="json") for run in graded.runs],
        "cpu_seconds": graded.cpu_seconds,
        "final": graded.final,
    }


def unpack_graded(data: dict[str, Any]) -> Graded:
    """Read a verdict, checked as a record on disk is."""
    notebook = _notebook(data["notebook"]) if data["notebook"] is not None else None
    facts = [RunFacts.model_validate(run) for run in data["runs"]]
    return Graded(
        result=SubmissionResult.model_validate_json(json.dumps(data["result"])),
        notebook=notebook,
        runs=tuple(fact.as_run(_outputs(notebook, fact.index)) for fact in facts),
        cpu_seconds=float(data["cpu_seconds"]),
        final=data["final"] is True,
    )


def _notebook(data: dict[str, Any]) -> NotebookNode:
    notebook: NotebookNode = nbformat.from_dict(data)  # type: ignore[no-untyped-call]
    return notebook


def _outputs(notebook: NotebookNode | None, index: int) -> tuple[NotebookNode, ...]:
    return tuple(notebook.cells[index].get("outputs", ())) if notebook is not None else ()
