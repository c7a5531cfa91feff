"""A student's work: their notebook, and the release that it began as."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from autograder.assemble import Assembled, assemble, is_blank
from autograder.errors import LabError, SubmissionError
from autograder.handout import Handout, available, handout, kept_copy, read_handout
from autograder.labs import matching_name
from autograder.notebook import cell_kind, grade_id, read_notebook
from autograder.settings import personal_parameters

__all__ = ["Work", "open_work"]


@dataclass(frozen=True, slots=True)
class Work:
    """A student's notebook as it is, beside what it began as.

    ``student`` is the id that ``start`` was given, or ``""``.
    """

    path: Path
    raw: bytes
    notebook: NotebookNode
    given: Handout

    @property
    def student(self) -> str:
        """The id that the notebook was started with, or ``""``."""
        meta = self.notebook.metadata.get("autograder")
        student = meta.get("student") if isinstance(meta, dict) else None
        return student if isinstance(student, str) else ""

    def assembled(self) -> Assembled:
        """Put the answers into the release, with the student's own parameters."""
        own = self.given.lab.personal and self.student
        parameters = personal_parameters(self.given.lab, self.student) if own else None
        return assemble(self.given.notebook, self.notebook, parameters=parameters)

    def answers(self) -> dict[str, bool]:
        """Say of each answer, by grade id, whether the student wrote anything."""
        cells = self.assembled().notebook.cells
        return {
            grade_id(cell): not is_blank(cell.source, blank.source)
            for cell, blank in zip(cells, self.given.notebook.cells, strict=True)
            if cell_kind(cell) in ("answer", "manual")
        }


@contextmanager
def open_work(name: str | None, *, here: Path, origin: str | None = None) -> Iterator[Work]:
    """Find and read a student's notebook and its release.

    Parameters
    ----------
    name : str or None
        The lab's name, number or word; None where the folder holds only one notebook.
    here : Path
        The notebook's folder, or the one above it.
    origin : str, optional
        Where the release is, see :func:`~autograder.handout.handout`. By default what ``start``
        kept, a ``labs/`` folder, or this installed package.

    Raises
    ------
    SubmissionError
        If there is no such notebook here, or it is another lab's.
    NotebookError
        If it can't be read.
    """
    path = _find(name, here)
    notebook = read_notebook(path)
    raw = path.read_bytes()
    kept = kept_copy(path.parent)
    if origin is None and (kept / path.name).is_file():
        yield _work(path, raw, notebook, read_handout(kept))
        return
    with handout(path.stem, origin=origin, here=path.parent) as given:
        yield _work(path, raw, notebook, given)


def _work(path: Path, raw: bytes, notebook: NotebookNode, given: Handout) -> Work:
    wanted = {grade_id(c) for c in given.notebook.cells if cell_kind(c) in ("answer", "manual")}
    if wanted and not wanted & {grade_id(cell) for cell in notebook.cells}:
        raise SubmissionError(
            f"{path} isn't the notebook of {given.lab.name}: none of that lab's answer cells "
            f"({', '.join(sorted(wanted)[:4])}, …) is in it. Name the right lab, or start it again "
            "in another folder and copy your answers over."
        )
    return Work(path, raw, notebook, given)


def _find(name: str | None, here: Path) -> Path:
    """Find the notebook in ``here``, or in the lab's folder below it."""
    notebooks = [p for p in sorted(here.glob("*.ipynb")) if p.name[0] != "."]
    below = [p for p in sorted(here.glob("*/*.ipynb")) if p.stem == p.parent.name]
    found = {path.stem: path for path in [*below, *notebooks]}
    if name is None:
        if len(notebooks) == 1:
            return notebooks[0]
        if len(found) == 1:
            return next(iter(found.values()))
        raise SubmissionError(
            f"say which lab is meant; notebooks in {here}: {', '.join(found) or 'none'}."
        )
    try:
        return found[matching_name(name, list(found), where=f"the notebooks of {here}")]
    except LabError:
        pass
    labs = available(here)
    try:
        full = matching_name(name, list(labs), where="what is installed here")
    except LabError:
        full = name
    raise SubmissionError(
        f"there is no notebook {full}.ipynb in {here}"
        + (f" (there: {', '.join(found)})" if found else "")
        + f". Go to the folder of your work, or begin with 'autograder start {name}'"
        + (f"; labs to start: {', '.join(labs)}." if labs else ".")
    )
