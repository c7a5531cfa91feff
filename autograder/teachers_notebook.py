"""Read a teacher's notebook of any nbgrader course, as if it were written in nbgrader's own words.

A course may mark its hidden tests and solutions in words of its own, give students stubs of its
own, or come from an older nbgrader. What decides about marks must be understood: anything else is
refused with a sentence, as a test that isn't recognised would be shown to students, or pass.
"""

from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from autograder.course_config import CourseConfig
from autograder.errors import CourseError
from autograder.notebook import GRADED, cell_kind, grade_id, read_notebook

__all__ = ["read_teachers_notebook"]

_METADATA_VERSION = 3
_PYTHON = ("python", "python3", "ipython")


def read_teachers_notebook(path: Path, config: CourseConfig, *, written_out: Path) -> NotebookNode:
    """Read a teacher's notebook.

    Parameters
    ----------
    path : Path
        The notebook, with solutions and hidden tests.
    config : CourseConfig
        What the course calls things.
    written_out : Path
        Where nbgrader keeps the same notebook with its AUTOTEST lines written out as tests.

    Raises
    ------
    CourseError
        If it isn't in Python, two cells have one id, a graded cell has none, or it has AUTOTEST
        lines that weren't written out since it was changed.
    NotebookError
        If it can't be read at all.
    """
    notebook = read_notebook(path)
    if _has_autotests(notebook):
        if not written_out.is_file():
            raise CourseError(
                f"{path} has AUTOTEST lines, from which nbgrader makes tests. Have it write them "
                f"out: nbgrader generate_assignment {path.parent.name} --source_with_tests; then "
                f"grade again. ({written_out} isn't there.)"
            )
        notebook = _written_out(notebook, written_out)
    _check_language(notebook, path)
    seen = set[str]()
    for number, cell in enumerate(notebook.cells, 1):
        _bring_up_to_date(cell)
        _check_id(cell, seen, f"{path}, cell {number}")
        _translate(cell, config)
    return notebook


def _written_out(notebook: NotebookNode, path: Path) -> NotebookNode:
    """Read what nbgrader made of a notebook with AUTOTEST lines; refuse it if it is out of date."""
    made = read_notebook(path)
    texts = {grade_id(cell): cell.source.rstrip() for cell in made.cells}
    changed = [
        grade_id(cell)
        for cell in notebook.cells
        if cell_kind(cell) != "plain"
        and not _is_autotest(cell)
        and texts.get(grade_id(cell)) != cell.source.rstrip()
    ]
    if changed:
        raise CourseError(
            f"{path} was made from another version of the notebook: {', '.join(changed)} changed "
            f"since. Make it again: nbgrader generate_assignment {path.parent.name} "
            "--source_with_tests --force."
        )
    return made


def _has_autotests(notebook: NotebookNode) -> bool:
    return any(_is_autotest(cell) for cell in notebook.cells)


def _is_autotest(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and any(
        "AUTOTEST" in line and line.lstrip().startswith("#") for line in cell.source.split("\n")
    )


def _check_language(notebook: NotebookNode, path: Path) -> None:
    metadata: Any = notebook.metadata
    said = [
        metadata.get("kernelspec", {}).get("language"),
        metadata.get("language_info", {}).get("name"),
    ]
    others = [name for name in said if name and str(name).lower() not in _PYTHON]
    if others:
        raise CourseError(
            f"{path} is in {others[0]}; only notebooks in Python can be graded here. Grade this "
            "one with nbgrader autograde."
        )


def _bring_up_to_date(cell: NotebookNode) -> None:
    """Upgrade nbgrader's metadata as nbgrader itself does."""
    meta = cell.metadata.get("nbgrader")
    if meta is None:
        return
    if not isinstance(meta, dict):
        del cell.metadata["nbgrader"]
    elif meta.get("schema_version") != _METADATA_VERSION:
        from nbgrader.nbgraderformat import MetadataValidator

        MetadataValidator().upgrade_cell_metadata(cell)


def _check_id(cell: NotebookNode, seen: set[str], where: str) -> None:
    if cell_kind(cell) == "plain":
        return
    name = grade_id(cell)
    if not name:
        raise CourseError(f"{where} is {cell_kind(cell)} but has no id. Give it one in Jupyter.")
    if name in seen:
        raise CourseError(f"{where}: another cell is called {name!r} too. Give each its own id.")
    seen.add(name)
    if cell_kind(cell) in GRADED and cell.metadata["nbgrader"].get("points") is None:
        raise CourseError(f"{where}, {name!r}, is graded but says no points. Give it some, or 0.")


def _translate(cell: NotebookNode, config: CourseConfig) -> None:
    """Put nbgrader's own words for regions and stubs in place of the course's."""
    default = CourseConfig()
    for field, name in (
        ("solution", "SOLUTION"),
        ("hidden", "HIDDEN TESTS"),
        ("scheme", "MARK SCHEME"),
    ):
        for end in ("begin", "end"):
            words = getattr(config, f"{end}_{field}")
            if words != getattr(default, f"{end}_{field}"):
                cell["source"] = _with_line(cell.source, words, f"### {end.upper()} {name}")
    stub = config.code_stub if cell.cell_type == "code" else config.text_stub
    if stub is not None and cell_kind(cell) in ("answer", "manual"):
        cell.metadata["autograder"] = {"stub": stub}


def _with_line(text: str, words: str, line: str) -> str:
    return "\n".join(
        old[: len(old) - len(old.lstrip())] + line if words in old else old
        for old in text.split("\n")
    )
