"""Read and write notebook files: whatever is handed in is read, or refused in one sentence."""

import itertools
import json
import re
import warnings
from pathlib import Path
from typing import Any, Literal

import nbformat
from nbformat import NotebookNode
from nbformat.v4.rwbase import rejoin_lines

from autograder.atomic import write_bytes
from autograder.errors import NotebookError
from autograder.printable import printable

__all__ = [
    "CellKind",
    "cell_kind",
    "grade_id",
    "notebook_bytes",
    "points",
    "read_notebook",
    "write_notebook",
]

MAX_BYTES = 50_000_000
MAX_DEPTH = 60
MAX_BRACKETS = 2_000_000
MAX_CELLS = 10_000
_SHORT = 40

CellKind = Literal["answer", "test", "manual", "task", "locked", "plain"]
GRADED = frozenset({"test", "manual", "task"})
"""The kinds of cells that earn points."""

# A string is swallowed whole, even one that never ends, so that a scan stays linear.
_STRUCTURE = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
_CELL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def _grading(cell: NotebookNode) -> dict[str, Any]:
    meta = cell.get("metadata", {}).get("nbgrader", {})
    return meta if isinstance(meta, dict) else {}


def cell_kind(cell: NotebookNode) -> CellKind:
    """Say what a cell is for, from its nbgrader metadata.

    ``"answer"`` is filled in by the student, ``"test"`` is graded by running it, ``"manual"`` is
    filled in by the student and graded by a person, ``"task"`` is graded by a person,
    ``"locked"`` is the teacher's and ``"plain"`` is anything else.
    """
    meta = _grading(cell)
    if meta.get("task") is True:
        return "task"
    graded, solution = meta.get("grade") is True, meta.get("solution") is True
    if graded:
        return "manual" if solution else "test"
    if solution:
        return "answer"
    return "locked" if meta.get("locked") is True else "plain"


def grade_id(cell: NotebookNode) -> str:
    """Give a cell's nbgrader id, or ``""`` where it has none."""
    name = _grading(cell).get("grade_id")
    return name if isinstance(name, str) else ""


def points(cell: NotebookNode) -> float:
    """Give the points that a cell is worth; 0 for an ungraded cell or a value that isn't one."""
    worth = _grading(cell).get("points", 0)
    if cell_kind(cell) not in GRADED:
        return 0.0
    if isinstance(worth, bool) or not isinstance(worth, (int, float)):
        return 0.0
    return float(worth) if 0 <= worth < 1e9 else 0.0


def read_notebook(source: Path | bytes) -> NotebookNode:
    """Read a notebook of any nbformat version, as the newest version.

    Nothing in it is executed. Duplicated or missing cell ids are replaced, and what no Jupyter
    would accept is refused.

    Parameters
    ----------
    source : Path or bytes
        The notebook's file, or its bytes.

    Returns
    -------
    NotebookNode
        A notebook in nbformat 4.5.

    Raises
    ------
    NotebookError
        If it isn't a notebook, is damaged, or is beyond any sensible size.
    """
    name = printable(source.name) if isinstance(source, Path) else "the notebook"
    raw = _raw_bytes(source) if isinstance(source, Path) else source
    if len(raw) > MAX_BYTES:
        raise NotebookError(_too_big(name, len(raw)))
    try:
        return _parsed(_decoded(raw))
    except NotebookError as error:
        raise NotebookError(f"{name}: {error}") from None


def _raw_bytes(path: Path) -> bytes:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "isn't there"
        raise NotebookError(f"{printable(str(path))} {what}; a notebook file (.ipynb) was wanted.")
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _too_big(name: str, size: int) -> str:
    return (
        f"{name} has more than {(size - 1) // 1_000_000} MB; a notebook of at most "
        f"{MAX_BYTES // 1_000_000} MB can be read. Clear its outputs (Kernel, Restart Kernel and "
        "Clear Outputs), save it, and try again."
    )


def _decoded(raw: bytes) -> Any:
    if not raw.strip():
        raise NotebookError("the file is empty. Save the notebook in Jupyter again.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotebookError(
            f"byte {error.start + 1} isn't UTF-8 text, so this isn't a notebook saved by Jupyter. "
            "Open it in Jupyter and save it again."
        ) from None
    _check_nesting(text)
    try:
        # Jupyter itself writes NaN into outputs; JSON has no such number.
        data = json.loads(text, parse_constant=lambda _: None)
    except json.JSONDecodeError as error:
        raise NotebookError(
            f"the file isn't valid JSON (line {error.lineno}, column {error.colno}: {error.msg}), "
            "so it was cut off or edited by hand. Take a good copy of the notebook."
        ) from None
    except (ValueError, RecursionError) as error:
        raise NotebookError(
            f"the file isn't usable JSON ({type(error).__name__}: {str(error)[:80]})."
        ) from None
    return _without_surrogates(data) if _SURROGATE.search(text) else data


def _check_nesting(text: str) -> None:
    depth = brackets = 0
    for match in _STRUCTURE.finditer(text):
        mark = text[match.start()]
        if mark == '"':
            continue
        brackets += 1
        depth += 1 if mark in "[{" else -1
        if depth > MAX_DEPTH or brackets > MAX_BRACKETS:
            raise NotebookError(
                f"its data is nested more than {MAX_DEPTH} deep or has more than {MAX_BRACKETS:,} "
                "parts, which no notebook needs. Clear its outputs and save it again."
            )


def _parsed(data: Any) -> NotebookNode:
    found = data.get("nbformat") if isinstance(data, dict) else None
    if not isinstance(found, int):
        what = (
            'it has no "nbformat" number'
            if found is None
            else f'its "nbformat" is {_shown(found)}; a whole number was wanted'
        )
        raise NotebookError(
            f"this is JSON but not a notebook: {what}. Hand in the .ipynb file that Jupyter saves."
        )
    if data["nbformat"] != nbformat.current_nbformat:
        data = _upgraded(data)
    cells = data.get("cells")
    if not isinstance(cells, list):
        raise NotebookError(f'its "cells" are {_kind_of(cells)}; a list of cells was wanted.')
    if len(cells) > MAX_CELLS:
        raise NotebookError(f"it has {len(cells):,} cells; at most {MAX_CELLS:,} can be read.")
    metadata = data.get("metadata", {})
    if not isinstance(metadata, dict):
        raise NotebookError(f'its "metadata" are {_kind_of(metadata)}; an object was wanted.')
    taken: set[str] = set()
    clean = [_clean_cell(cell, number, taken) for number, cell in enumerate(cells, 1)]
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": clean}
    clean_notebook: NotebookNode = nbformat.from_dict(notebook)  # type: ignore[no-untyped-call]
    rejoin_lines(clean_notebook)  # type: ignore[no-untyped-call]
    return clean_notebook


def _upgraded(data: dict[str, Any]) -> dict[str, Any]:
    version = data["nbformat"]
    if version not in (1, 2, 3):
        raise NotebookError(
            f"it says it is in notebook format {version}; formats 1 to 4 can be read. "
            "Save it again in a current Jupyter."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            old = nbformat.from_dict(data)  # type: ignore[no-untyped-call]
            return dict(nbformat.convert(old, 4))  # type: ignore[no-untyped-call]
    except Exception as error:
        raise NotebookError(
            f"it is in the old notebook format {version} and can't be brought up to date "
            f"({type(error).__name__}). Open it in Jupyter and save it again."
        ) from None


def _shown(value: Any) -> str:
    is_short = isinstance(value, float) or (isinstance(value, str) and len(value) < _SHORT)
    return json.dumps(value) if is_short else _kind_of(value)


def _kind_of(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    return "missing" if value is None else names.get(type(value), "a number")


def _clean_cell(cell: Any, number: int, taken: set[str]) -> dict[str, Any]:
    if not isinstance(cell, dict):
        raise NotebookError(f"cell {number} is {_kind_of(cell)}; a cell was wanted.")
    kind, metadata = cell.get("cell_type"), cell.get("metadata", {})
    if kind not in ("code", "markdown", "raw"):
        raise NotebookError(f"cell {number} is neither code, markdown nor raw text.")
    if not isinstance(metadata, dict):
        raise NotebookError(f'cell {number}: its "metadata" are {_kind_of(metadata)}.')
    clean = {
        "cell_type": kind,
        "id": _free_id(cell.get("id"), number, taken),
        "metadata": metadata,
        "source": _text(cell.get("source"), number),
    }
    if kind == "code":
        count = cell.get("execution_count")
        is_count = isinstance(count, int) and not isinstance(count, bool) and count >= 0
        clean["execution_count"] = count if is_count else None
        clean["outputs"] = _outputs(cell.get("outputs"))
    elif _are_attachments(cell.get("attachments")):
        clean["attachments"] = cell["attachments"]
    return clean


def _free_id(wanted: Any, number: int, taken: set[str]) -> str:
    usable = isinstance(wanted, str) and _CELL_ID.fullmatch(wanted)
    names = (f"cell-{number}-{again}" for again in itertools.count())
    name = (
        str(wanted) if usable and wanted not in taken else next(n for n in names if n not in taken)
    )
    taken.add(name)
    return name


def _text(value: Any, number: int) -> str:
    if not _is_text(value):
        raise NotebookError(f"the text of cell {number} is {_kind_of(value)}; text was wanted.")
    return "".join(value).replace("\r\n", "\n").replace("\r", "\n")


def _are_attachments(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(item, dict) for item in value.values())


def _outputs(value: Any) -> list[Any]:
    """Keep outputs that nbformat accepts; a bad one is nothing a student can lose marks for."""
    if not isinstance(value, list):
        return []
    return [output for output in value if isinstance(output, dict) and _valid_output(output)]


def _valid_output(output: dict[str, Any]) -> bool:
    match output.get("output_type"):
        case "stream":
            return isinstance(output.get("name"), str) and _is_text(output.get("text"))
        case "error":
            return isinstance(output.get("traceback"), list) and all(
                isinstance(output.get(key), str) for key in ("ename", "evalue")
            )
        case "display_data" | "execute_result":
            return all(isinstance(output.get(key), dict) for key in ("data", "metadata"))
        case _:
            return False


def _is_text(value: Any) -> bool:
    is_lines = isinstance(value, list) and all(isinstance(line, str) for line in value)
    return isinstance(value, str) or is_lines


def _without_surrogates(value: Any) -> Any:
    """Replace lone surrogates, which JSON can hold and no file can."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value


def notebook_bytes(notebook: NotebookNode) -> bytes:
    """Give the bytes of a notebook's file: the same notebook, the same bytes."""
    text: str = nbformat.writes(  # type: ignore[no-untyped-call]
        notebook, version=nbformat.NO_CONVERT
    )
    return (text.rstrip("\n") + "\n").encode("utf-8")


def write_notebook(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook to ``path``: the same notebook gives the same bytes, or nothing changes."""
    write_bytes(path, notebook_bytes(notebook))
