"""Make what students get: no solutions, no hidden tests, the same cells as nbgrader's own release.

This module needs only nbformat and jupytext, so that a wheel can be built with it.
"""

import copy
import hashlib
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from autograder.atomic import replaced_folder, write_bytes, write_text
from autograder.errors import LabError
from autograder.hidden_regions import hidden_lines
from autograder.labs import find_labs, matching_name, source_notebook
from autograder.notebook import CellKind, cell_kind, grade_id, points, write_notebook
from autograder.settings import Lab, overlaid, settings_text

__all__ = [
    "answer_text",
    "blank_text",
    "build_course",
    "checksum",
    "hint_at",
    "is_release",
    "release_notebook",
    "write_release",
]

CODE_STUB = ("# YOUR CODE HERE", "raise NotImplementedError()")
TEXT_STUB = ("YOUR ANSWER HERE",)
_HINT = re.compile(r"#+\s*HINT\b[ :]*(.*)")
_CONFIG = """\
c = get_config()

c.CourseDirectory.course_id = {course!r}
"""


@dataclass(frozen=True, slots=True)
class _Region:
    """A kind of region that never reaches students, and the cells that may hold it."""

    name: str
    kinds: tuple[CellKind, ...]

    def strip(self, cell: NotebookNode, stub: Sequence[str] = ()) -> bool:
        """Replace each region of the cell with ``stub``, in place; say whether there was one."""
        kept: list[str] = []
        inside = found = False
        for line in cell.source.split("\n"):
            if f"BEGIN {self.name}" in line:
                if inside:
                    raise self._error(cell, f"a second BEGIN {self.name} inside the first")
                inside = found = True
                indent = line[: len(line) - len(line.lstrip())]
                kept += [indent + text for text in stub]
            elif f"END {self.name}" in line:
                inside = False
            elif not inside:
                kept.append(line)
        if inside:
            raise self._error(cell, f"BEGIN {self.name} without END {self.name}")
        if found and cell_kind(cell) not in self.kinds:
            raise self._error(
                cell, f"{self.name}, which belong only in {'/'.join(self.kinds)} cells"
            )
        cell["source"] = "\n".join(kept)
        return found

    def _error(self, cell: NotebookNode, what: str) -> LabError:
        first = cell.source.strip().split("\n", 1)[0]
        return LabError(f"cell {grade_id(cell) or first!r} has {what}. Mend the lab's notebook.")


_SOLUTION = _Region("SOLUTION", ("answer", "manual"))
_HIDDEN = _Region("HIDDEN TESTS", ("test", "manual"))
_SCHEME = _Region("MARK SCHEME", ("task",))


def checksum(cell: NotebookNode) -> str:
    """Give nbgrader's checksum of a cell, by which it notices that a cell was changed."""
    kind = cell_kind(cell)
    graded, solution = kind in ("test", "manual"), kind in ("answer", "manual")
    parts = [cell.source, cell.cell_type, str(graded), str(solution)]
    parts += [str(kind == "test" or _is_locked(cell)), grade_id(cell)]
    if graded:
        parts.append(str(points(cell)))
    return hashlib.md5("".join(parts).encode(), usedforsecurity=False).hexdigest()


def _is_locked(cell: NotebookNode) -> bool:
    meta = cell.metadata.get("nbgrader", {})
    return not meta.get("solution") and not meta.get("grade") and bool(meta.get("locked"))


def release_notebook(source: NotebookNode) -> NotebookNode:
    """Make the students' notebook from the teacher's, as ``nbgrader generate_assignment`` does.

    Solutions become nbgrader's stubs; hidden tests, marking schemes and outputs go; the teacher's
    cells are locked and each cell gets its checksum.

    Raises
    ------
    LabError
        If a region isn't closed or stands in a cell where nbgrader doesn't allow it, or the
        notebook isn't Python.
    """
    language = source.metadata.get("kernelspec", {}).get("language", "python")
    if language != "python":
        raise LabError(f"the lab's notebook is in {language!r}; only Python labs can be released.")
    notebook = copy.deepcopy(source)
    notebook.metadata.pop("celltoolbar", None)
    for cell in notebook.cells:
        if cell.cell_type == "code" and "AUTOTEST" in cell.source:
            raise LabError(
                f"cell {grade_id(cell)!r} has an AUTOTEST line. Write its asserts out, or release "
                "this course with nbgrader generate_assignment."
            )
        _lock(cell)
        _clear_solution(cell)
        _HIDDEN.strip(cell)
        _SCHEME.strip(cell)
        _clear_outputs(cell)
        if cell_kind(cell) in ("answer", "test", "manual") or _is_locked(cell):
            cell.metadata.nbgrader["checksum"] = checksum(cell)
            cell.metadata.nbgrader["cell_type"] = cell.cell_type
    return notebook


def _lock(cell: NotebookNode) -> None:
    if cell_kind(cell) in ("answer", "test", "manual") or _is_locked(cell):
        cell.metadata["deletable"] = False
    if cell_kind(cell) == "test" or _is_locked(cell):
        cell.metadata["editable"] = False


def _clear_solution(cell: NotebookNode) -> None:
    stub = _stub_of(cell)
    replaced = _SOLUTION.strip(cell, stub)
    if not replaced and cell_kind(cell) in ("answer", "manual"):
        cell["source"] = "\n".join(stub)


def _stub_of(cell: NotebookNode) -> Sequence[str]:
    """Give the lines that stand for an answer: nbgrader's, or what the course puts there."""
    own = cell.metadata.get("autograder", {}).get("stub")
    if own is not None:
        return str(own).split("\n")
    return CODE_STUB if cell.cell_type == "code" else TEXT_STUB


def _clear_outputs(cell: NotebookNode) -> None:
    if cell.cell_type == "code":
        cell["outputs"], cell["execution_count"] = [], None
        for key in ("collapsed", "scrolled"):
            cell.metadata.pop(key, None)


def is_release(notebook: NotebookNode) -> bool:
    """Say whether a notebook is a release: its graded and answer cells bear true checksums.

    Examples
    --------
    >>> import nbformat.v4
    >>> is_release(nbformat.v4.new_notebook())
    False
    """
    cells = [cell for cell in notebook.cells if cell_kind(cell) in ("answer", "test", "manual")]
    return bool(cells) and all(
        cell.metadata.nbgrader.get("checksum") == checksum(cell) for cell in cells
    )


def blank_text(cell: NotebookNode) -> str:
    """Give what students find in an answer cell of the teacher's notebook."""
    blank = copy.deepcopy(cell)
    _clear_solution(blank)
    _HIDDEN.strip(blank)
    return str(blank.source)


def answer_text(cell: NotebookNode) -> str:
    """Give the teacher's answer in a cell, without the lines that mark where it begins and ends."""
    marks = ("BEGIN SOLUTION", "END SOLUTION")
    lines = cell.source.split("\n")
    return "\n".join(line for line in lines if not any(mark in line for mark in marks))


def hint_at(source_text: str, line: int) -> str:
    r"""Give the teacher's hint for a failure at ``line`` (from 1) of a test cell.

    It is the nearest ``### HINT …`` above, within the same hidden region; ``""`` without one.

    Examples
    --------
    >>> text = "### BEGIN HIDDEN TESTS\n### HINT Try an empty list.\nassert f([])"
    >>> hint_at(text, 3)
    'Try an empty list.'
    """
    lines = source_text.split("\n")
    if line not in hidden_lines(source_text):
        return ""
    for text in reversed(lines[:line]):
        hint = _HINT.search(text)
        if hint:
            return hint[1].strip()
        if "BEGIN HIDDEN TESTS" in text:
            break
    return ""


def _write_shared(lab: Lab, folder: Path, overlay: Path | None) -> None:
    """Write what the teacher's and the students' folder have in common."""
    write_text(folder / "lab.toml", settings_text(lab))
    readme = lab.folder / "README.md"
    if readme.is_file():
        write_bytes(folder / "README.md", readme.read_bytes())
    roots = [lab.folder / "files"] + ([overlay / lab.name / "files"] if overlay else [])
    for root in roots:
        for path in sorted(root.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                target = folder / path.relative_to(root)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)


def write_release(lab: Lab, folder: Path, *, overlay: Path | None = None) -> None:
    """Write the students' version of a lab into ``folder``."""
    lab = overlaid(lab, overlay)
    released = release_notebook(source_notebook(lab, overlay=overlay))
    write_notebook(released, folder / f"{lab.name}.ipynb")
    _write_shared(lab, folder, overlay)


def build_course(
    labs_root: Path,
    course_root: Path,
    *,
    names: Sequence[str] = (),
    overlay: Path | None = None,
) -> tuple[Lab, ...]:
    """Turn labs into an nbgrader course: ``source/LAB/``, ``release/LAB/`` and its configuration.

    Everything is made before anything is replaced: an interrupted build leaves the old course or
    the new one. ``nbgrader_config.py`` is only written where there is none.

    Parameters
    ----------
    labs_root : Path
        The folder of labs.
    course_root : Path
        The course's folder; it is made where there is none.
    names : sequence of str
        The labs to build, by name, number or word; all of them by default.
    overlay : Path, optional
        A folder of overlays, see :func:`~autograder.labs.source_notebook`.

    Returns
    -------
    tuple of Lab
        The labs that were built.

    Raises
    ------
    LabError
        If a lab is missing or wrong.
    """
    labs = _chosen(labs_root, names, overlay)
    folders = [course_root / kind / lab.name for lab in labs for kind in ("source", "release")]
    with replaced_folder(*folders) as news:
        for number, lab in enumerate(labs):
            source, release = news[2 * number : 2 * number + 2]
            teacher = source_notebook(lab, overlay=overlay)
            write_notebook(teacher, source / f"{lab.name}.ipynb")
            _write_shared(lab, source, overlay)
            write_notebook(release_notebook(teacher), release / f"{lab.name}.ipynb")
            _write_shared(lab, release, overlay)
    config = course_root / "nbgrader_config.py"
    if not config.exists():
        write_text(config, _CONFIG.format(course=course_root.resolve().name))
    return labs


def _chosen(labs_root: Path, names: Sequence[str], overlay: Path | None) -> tuple[Lab, ...]:
    every = {lab.name: lab for lab in find_labs(labs_root)}
    if not every:
        raise LabError(
            f"{labs_root} holds no lab (a folder with a lab.toml). Name one with --labs."
        )
    if overlay is not None:
        if not overlay.is_dir():
            raise LabError(f"the overlay {overlay} isn't a folder.")
        strangers = {path.name for path in overlay.iterdir() if path.is_dir()} - set(every)
        strangers = {name for name in strangers if not name.startswith(".")}
        if strangers:
            raise LabError(
                f"the overlay {overlay} has folders for {', '.join(sorted(strangers))}, which are "
                f"no labs of {labs_root}; those are {', '.join(every)}."
            )
    wanted = [matching_name(name, list(every), where=str(labs_root)) for name in names]
    return tuple(overlaid(every[name], overlay) for name in dict.fromkeys(wanted or every))
