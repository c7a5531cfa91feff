"""Labs as their author writes them: find them, and make the teacher's notebook of one."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from autograder.errors import LabError
from autograder.notebook import GRADED, cell_kind, grade_id, points
from autograder.settings import Lab, Question, load_lab, overlaid, personal_parameters

__all__ = [
    "Lab",
    "Question",
    "find_lab",
    "find_labs",
    "load_lab",
    "matching_name",
    "overlaid",
    "personal_parameters",
    "read_cells",
    "set_parameters",
    "source_notebook",
]

_KERNEL = {
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}


def find_labs(root: Path) -> tuple[Lab, ...]:
    """Read the settings of all labs in ``root``, in order of their numbers."""
    if not root.is_dir():
        raise LabError(f"{root} isn't a folder of labs. Name one with --labs.")
    folders = (folder for folder in root.iterdir() if (folder / "lab.toml").is_file())
    return tuple(load_lab(folder) for folder in sorted(folders))


def find_lab(root: Path, name: str) -> Lab:
    """Find a lab by its name (``"05_track"``), number (``"05"``) or word (``"track"``).

    Raises
    ------
    LabError
        If there is none or more than one; the message lists what there is.
    """
    names = [lab.name for lab in find_labs(root)]
    return load_lab(root / matching_name(name, names, where=str(root)))


def matching_name(name: str, names: list[str], *, where: str) -> str:
    """Choose the one of ``names`` that ``name`` means: the whole, its number or its word."""
    found = [full for full in names if name == full or name in full.split("_", 1)]
    if len(found) == 1:
        return found[0]
    if name in found:
        return name
    listed = ", ".join(names) if names else "none"
    problem = "more than one lab matches" if found else "there is no lab"
    raise LabError(f"{problem} {name!r} in {where}; there: {listed}.")


def read_cells(path: Path) -> list[NotebookNode]:
    """Read the cells of a percent-format file."""
    import jupytext

    try:
        text = path.read_text("utf-8")
        return list(jupytext.reads(text, fmt="py:percent").cells)
    except FileNotFoundError:
        raise LabError(f"{path} is missing.") from None
    except Exception as error:
        raise LabError(f"{path} can't be read as percent cells: {error}.") from None


def source_notebook(lab: Lab, *, overlay: Path | None = None) -> NotebookNode:
    """Make the teacher's notebook of a lab, with solutions and hidden tests.

    Parameters
    ----------
    lab : Lab
        The lab; its folder holds ``lab.py``.
    overlay : Path, optional
        A folder of overlays: ``overlay/NAME/lab.py`` replaces cells, ``lab.toml`` settings.

    Returns
    -------
    NotebookNode
        With cell ids that come from the grade ids and positions alone.

    Raises
    ------
    LabError
        If the lab contradicts itself: metadata, points, titles, parameters.
    """
    lab = overlaid(lab, overlay)
    cells = read_cells(lab.folder / "lab.py")
    extra = overlay / lab.name / "lab.py" if overlay else None
    if extra is not None and extra.is_file():
        _overlay_cells(cells, read_cells(extra), extra)
    notebook = nbformat.from_dict(  # type: ignore[no-untyped-call]
        {"nbformat": 4, "nbformat_minor": 5, "metadata": _KERNEL, "cells": cells}
    )
    for number, cell in enumerate(notebook.cells, 1):
        cell["id"] = _cell_id(grade_id(cell), number)
        cell.metadata.pop("title", None)
        cell.metadata.pop("lines_to_next_cell", None)
    _check_cells(lab, notebook)
    return set_parameters(notebook, lab.parameters)


def _overlay_cells(cells: list[NotebookNode], extras: list[NotebookNode], where: Path) -> None:
    known = {grade_id(cell): cell for cell in cells if grade_id(cell)}
    for extra in extras:
        name = grade_id(extra) or extra.metadata.get("title", "")
        if not name and not extra.source.strip():
            continue
        if name not in known:
            raise LabError(
                f"{where}: no cell of the lab is called {name!r}. Give each cell of an overlay the "
                f"grade id of the cell that it replaces: {', '.join(known)}."
            )
        cell = known[name]
        if extra.source.strip():
            cell["source"] = extra.source
        for key, value in extra.metadata.items():
            if key == "nbgrader":
                cell.metadata.nbgrader.update(value)
            elif key != "title":
                cell.metadata[key] = value


def _cell_id(name: str, number: int) -> str:
    usable = re.sub(r"[^a-zA-Z0-9_-]", "-", name)[:64]
    return usable or f"cell-{number:03d}"


def _check_cells(lab: Lab, notebook: NotebookNode) -> None:
    where, seen = lab.folder / "lab.py", set[str]()
    for number, cell in enumerate(notebook.cells, 1):
        meta = cell.metadata.get("nbgrader")
        if meta is None:
            continue
        name = grade_id(cell)
        _check_metadata(f"{where}, cell {number}", cell, meta)
        if name in seen:
            raise LabError(f"{where}: two cells are called {name!r}; grade ids must differ.")
        seen.add(name)
    tests = [grade_id(cell) for cell in notebook.cells if cell_kind(cell) == "test"]
    manual = [grade_id(cell) for cell in notebook.cells if cell_kind(cell) in ("manual", "task")]
    unknown = set(lab.questions) - set(tests) - set(manual)
    if unknown:
        raise LabError(
            f"{lab.folder / 'lab.toml'}: [questions] names {', '.join(sorted(unknown))}, which "
            f"are no graded cells of lab.py; those are {', '.join(tests + manual)}."
        )
    total = sum(points(cell) for cell in notebook.cells)
    if total != lab.points:
        raise LabError(
            f"{lab.folder / 'lab.toml'} says points = {lab.points:g}, but the graded cells add up "
            f"to {total:g}. Change one of them."
        )


def _check_metadata(where: str, cell: NotebookNode, meta: Any) -> None:
    if not isinstance(meta, dict) or meta.get("schema_version") != 3:
        raise LabError(f'{where}: nbgrader metadata must be an object with "schema_version": 3.')
    wanted = {"grade", "solution", "locked", "task"}
    if any(not isinstance(meta.get(key), bool) for key in wanted) or not grade_id(cell):
        raise LabError(
            f"{where}: nbgrader metadata needs a grade_id and true or false for "
            f"{', '.join(sorted(wanted))}; got {dict(meta)!r}."
        )
    extra = set(meta) - wanted - {"schema_version", "grade_id", "points"}
    if extra:
        raise LabError(f"{where}: nbgrader doesn't know {', '.join(sorted(extra))}.")
    kind, worth = cell_kind(cell), meta.get("points")
    if kind in GRADED:
        if isinstance(worth, bool) or not isinstance(worth, (int, float)) or worth < 0:
            raise LabError(f"{where}: a graded cell needs points of at least 0, got {worth!r}.")
    elif worth is not None:
        raise LabError(f"{where}: {grade_id(cell)} isn't graded, so it can't have points.")
    if kind == "task" and not meta["locked"]:
        raise LabError(f'{where}: a task must be locked ("locked": true), as nbgrader wants it.')
    if cell.cell_type != "code" and kind in ("answer", "test"):
        raise LabError(
            f"{where}: a cell of text can't be {'an answer' if kind == 'answer' else 'a test'}; "
            'make it manual ("grade": true, "solution": true) or a code cell.'
        )


def set_parameters(notebook: NotebookNode, parameters: Mapping[str, object]) -> NotebookNode:
    """Write ``parameters`` into the cell tagged ``parameters``, in place.

    A parameter ``seed`` sets the line ``SEED = …`` of that cell.

    Raises
    ------
    LabError
        If there are parameters but no such cell, or no such line in it.
    """
    if not parameters:
        return notebook
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise LabError(
            f"the lab has [parameters], so one cell must have the tag 'parameters'; {len(tagged)} "
            "have it."
        )
    for key, value in parameters.items():
        line = re.compile(rf"^{key.upper()}[ ]*=[^\n#]*?([ ]*#[^\n]*)?$", re.MULTILINE)
        found = list(line.finditer(tagged[0].source))
        if len(found) != 1:
            raise LabError(
                f"lab.toml has the parameter {key!r}, so the cell tagged 'parameters' must hold "
                f"one line {key.upper()} = …; it has {len(found)}."
            )
        before, after = tagged[0].source[: found[0].start()], tagged[0].source[found[0].end() :]
        tagged[0]["source"] = f"{before}{key.upper()} = {value!r}{found[0][1] or ''}{after}"
    return notebook
