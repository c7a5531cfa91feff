"""Give a student a folder to work in."""

from dataclasses import dataclass
from pathlib import Path

from autograder.atomic import replaced_folder, write_text
from autograder.course import check_student_id
from autograder.errors import SubmissionError
from autograder.handout import Handout, copy_files, handout, kept_copy
from autograder.labs import set_parameters
from autograder.notebook import write_notebook
from autograder.release import checksum
from autograder.settings import personal_parameters, settings_text

__all__ = ["Started", "start_lab"]


@dataclass(frozen=True, slots=True)
class Started:
    """What ``start`` made: the notebook to open, and where earlier work went."""

    title: str
    notebook: Path
    backup: Path | None
    notes: tuple[str, ...]


def start_lab(
    name: str,
    *,
    here: Path,
    origin: str | None = None,
    student: str | None = None,
    force: bool = False,
) -> Started:
    """Make a folder for a lab in ``here``, with the notebook, the README and the data files.

    Parameters
    ----------
    name : str
        The lab's name, number or word.
    here : Path
        The folder to make it in.
    origin : str, optional
        Where the lab comes from, see :func:`~autograder.handout.handout`.
    student : str, optional
        The student's id, for labs in which each student has other data.
    force : bool, default=False
        Begin anew where there is a folder already; the old one is kept as a backup.

    Raises
    ------
    LabError
        If there is no such lab.
    SubmissionError
        If there is work already, or the id isn't one.
    """
    student = check_student_id(student) if student else None
    with handout(name, origin=origin, here=here) as given:
        folder = here / given.lab.name
        if folder.exists() and not force:
            raise SubmissionError(
                f"{folder} is there already and may hold your work; nothing was changed. Go on in "
                "it, start in another folder, or begin anew with --force (keeps a backup)."
            )
        backup = _free_backup(folder) if folder.exists() else None
        try:
            with replaced_folder(folder) as (new,):
                _fill(new, given, student)
                if backup is not None:
                    folder.rename(backup)
        except BaseException:
            if backup is not None and backup.exists() and not folder.exists():
                backup.rename(folder)
            raise
        notes = []
        if given.lab.personal and student is None:
            notes.append(
                "In this lab each student has other data. To work with yours, begin with "
                "--student and your id."
            )
        notebook = folder / f"{given.lab.name}.ipynb"
        return Started(given.lab.title, notebook, backup, tuple(notes))


def _fill(folder: Path, given: Handout, student: str | None) -> None:
    notebook = given.notebook
    kept = kept_copy(folder)
    kept.mkdir()
    write_notebook(notebook, kept / f"{given.lab.name}.ipynb")
    write_text(kept / "lab.toml", settings_text(given.lab))
    copy_files(given.folder, kept)
    copy_files(given.folder, folder)
    if student is not None:
        _make_personal(given, student)
    write_notebook(notebook, folder / f"{given.lab.name}.ipynb")


def _make_personal(given: Handout, student: str) -> None:
    given.notebook.metadata["autograder"] = {"student": student}
    if not given.lab.personal:
        return
    set_parameters(given.notebook, personal_parameters(given.lab, student))
    for cell in given.notebook.cells:
        if "parameters" in cell.metadata.get("tags", []) and "nbgrader" in cell.metadata:
            cell.metadata.nbgrader["checksum"] = checksum(cell)


def _free_backup(folder: Path) -> Path:
    number = 1
    while (backup := folder.with_name(f"{folder.name}.backup-{number}")).exists():
        number += 1
    return backup
