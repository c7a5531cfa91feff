"""A course's folder, in nbgrader's layout: what is where, and whose submission is whose."""

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from nbformat import NotebookNode

from autograder.course_config import CourseConfig, read_config
from autograder.engine import Limits
from autograder.errors import CourseError, LabError, SubmissionError
from autograder.labs import Lab, load_lab, matching_name
from autograder.printable import printable
from autograder.teachers_notebook import read_teachers_notebook

__all__ = ["Course", "Submission", "check_student_id"]

MAX_ID = 64
# A course's own limit of time for a cell: never more than this, and so many times it in all.
_MOST_CELL_SECONDS = 3600.0
_CELLS = 5
# So many names of files are enough to recognise them by.
_NAMED = 5
_MOST_SHOWN = 60
# Parts of paths, of nbgrader's glob patterns and of its lists of ids.
_FORBIDDEN = re.compile(r'[/\\:*?"<>|\[\]{},]')
_NOBODYS = frozenset({"__MACOSX", ".ipynb_checkpoints"})
"""Folders beside the students' that macOS and Jupyter make."""
_WINDOWS = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def check_student_id(text: str) -> str:
    """Return a student id that is safe as a folder's name, everywhere; refuse any other.

    Raises
    ------
    SubmissionError
        If it is empty, longer than 64 characters, or has characters that belong to paths,
        patterns or terminals.

    Examples
    --------
    >>> check_student_id("jane.doe@example.org")
    'jane.doe@example.org'
    >>> check_student_id("../jane")
    Traceback (most recent call last):
    autograder.errors.SubmissionError: '../jane' can't be a student id: it starts with a dot. ...
    """
    if not text.strip():
        problem = "it is empty"
    elif len(text) > MAX_ID:
        problem = f"it has {len(text)} characters, at most {MAX_ID} are allowed"
    elif not text.isprintable():
        problem = "it has characters that can't be printed"
    elif text.startswith((".", "-", "~")):
        start = {".": "a dot", "-": "a dash", "~": "a tilde"}[text[0]]
        problem = f"it starts with {start}"
    elif text != text.strip() or text.endswith("."):
        problem = "it begins or ends with a space, or ends with a dot"
    elif found := _FORBIDDEN.search(text):
        problem = f"it has the character {found[0]!r}"
    elif _WINDOWS.fullmatch(text):
        problem = "Windows keeps that name for itself"
    else:
        return text
    shown = text if len(text) <= MAX_ID else f"{text[:MAX_ID]}…"
    raise SubmissionError(
        f"{shown!r} can't be a student id: {problem}. Use letters, digits and . _ @ + - inside it."
    )


@dataclass(frozen=True, slots=True)
class Submission:
    """What one student handed in; ``problem`` says what is wrong with the files, if anything.

    Without a ``notebook`` there is nothing to grade.
    """

    student: str
    lab: str
    folder: Path
    notebook: Path | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Course:
    """An nbgrader course's folder.

    Attributes
    ----------
    root : Path
        Where it is.
    notebook : str
        The one notebook of each assignment that is looked at, by its name without ``.ipynb``; see
        :meth:`only`. All of them by default.
    config : CourseConfig
        What its folders are called.
    """

    root: Path
    notebook: str = ""
    config: CourseConfig = field(default_factory=CourseConfig)

    @classmethod
    def open(cls, path: Path) -> "Course":
        """Open the course in ``path``.

        Raises
        ------
        CourseError
            If ``path`` holds neither ``source/`` nor ``nbgrader_config.py``, or that can't be read.
        """
        if not (path / "source").is_dir() and not (path / "nbgrader_config.py").is_file():
            there = "has neither source/ nor nbgrader_config.py" if path.is_dir() else "isn't there"
            raise CourseError(
                f"{path} isn't a course: it {there}. Build one with "
                f"'autograder build --course {path}', or name another with --course."
            )
        config = read_config(path)
        return cls((path / config.root).resolve(), config=config)

    def only(self, notebook: str) -> "Course":
        """See the course through one notebook of its assignments, as if there were no other."""
        return replace(self, notebook=notebook)

    @property
    def reports(self) -> Path:
        """The folder of class reports."""
        return self.root / "reports"

    @property
    def gradebook_url(self) -> str:
        """The address of nbgrader's gradebook; that of a file is whole."""
        kind, found, place = (self.config.db_url or "sqlite:///gradebook.db").partition(":///")
        if found and kind.startswith("sqlite"):
            place = (self.root / place).as_posix()
        return f"{kind}{found}{place}"

    def labs(self) -> tuple[str, ...]:
        """Name the course's labs, in order."""
        return _folders(self.root / self.config.source)

    def lab_name(self, name: str) -> str:
        """Give the full name of a lab named in full, by its number or by its word.

        Raises
        ------
        CourseError
            If there is none or more than one; the message lists what there is.
        """
        try:
            return matching_name(name, list(self.labs()), where=str(self.root))
        except LabError as error:
            raise CourseError(str(error)) from None

    def notebooks(self, lab: str) -> tuple[str, ...]:
        """Name the notebooks of an assignment, in order: one for ours, often several elsewhere.

        In a folder that ``autograder build`` made, only the one that is named as the lab counts.

        Raises
        ------
        CourseError
            If there is none.
        """
        folder = self.root / self.config.source / lab
        names = tuple(path.stem for path in _notebooks(folder))
        chosen = self.notebook or (lab if self.is_ours(lab) and lab in names else "")
        if chosen:
            names = tuple(name for name in names if name == chosen)
        if not names:
            missing = f"no {chosen}.ipynb" if chosen else "no notebook"
            raise CourseError(f"{folder} has {missing}. Make it with 'autograder build'.")
        return names

    def source(self, lab: str) -> Path:
        """Give the path of the teacher's notebook."""
        return self.root / self.config.source / lab / f"{self._name(lab)}.ipynb"

    def release(self, lab: str) -> Path:
        """Give the path of the students' notebook."""
        path = self.root / self.config.release / lab / f"{self._name(lab)}.ipynb"
        if not path.is_file():
            raise CourseError(f"{path} isn't there. Make it with 'autograder build'.")
        return path

    def _part(self, lab: str) -> str:
        """Name the notebook that is looked at where a lab has several; ``""`` where it has one."""
        everything = replace(self, notebook="")
        return self.notebook if self.notebook and len(everything.notebooks(lab)) > 1 else ""

    def _name(self, lab: str) -> str:
        names = self.notebooks(lab)
        if len(names) == 1:
            return names[0]
        raise CourseError(
            f"{lab} has {len(names)} notebooks, {', '.join(names)}, and one was wanted here. "
            "'autograder grade' takes them all; for anything else, look at one notebook at a time."
        )

    def lab_settings(self, lab: str) -> Lab | None:
        """Read the ``lab.toml`` that a build left beside the teacher's notebook, if any."""
        return load_lab(self.root / self.config.source / lab) if self.is_ours(lab) else None

    def is_ours(self, lab: str) -> bool:
        """Say whether a lab was made by ``autograder build``, and not elsewhere."""
        return (self.root / self.config.source / lab / "lab.toml").is_file()

    def limits(self, lab: str) -> Limits:
        """Give what one submission may use, by ``lab.toml`` or by nbgrader's own limit of time."""
        settings = self.lab_settings(lab)
        if settings is not None:
            return settings.limits
        if not self.config.timeout:
            return Limits()
        seconds = min(self.config.timeout, _MOST_CELL_SECONDS)
        return Limits(cell_seconds=seconds, total_seconds=max(300.0, _CELLS * seconds))

    def teacher_notebook(self, lab: str) -> NotebookNode:
        """Read the teacher's notebook, whatever the course's own words for hidden tests are.

        Raises
        ------
        CourseError
            If it holds what can't be graded here; the message says what, and what to do.
        NotebookError
            If it can't be read at all.
        """
        path = self.source(lab)
        written_out = self.root / self.config.source_with_tests / lab / path.name
        return read_teachers_notebook(path, self.config, written_out=written_out)

    def submissions(self, lab: str) -> tuple[Submission, ...]:
        """List what was handed in for a lab, in order of the students' ids.

        A folder that holds nothing usable is listed too, with its problem.
        """
        wanted = self.source(lab).name
        others = {path.name for path in _notebooks(self.source(lab).parent)} - {wanted}
        submitted = self.root / self.config.submitted
        return tuple(
            _submission(student, lab, submitted / student / lab, wanted, others)
            for student in _all_folders(submitted)
            if student not in _NOBODYS and os.path.lexists(submitted / student / lab)
        )

    def strays(self) -> tuple[str, ...]:
        """Name what lies among the students' folders and is none: nobody's work is found in it."""
        submitted = self.root / self.config.submitted
        if not submitted.is_dir():
            return ()
        others = (path.name for path in submitted.iterdir() if not path.is_dir())
        return tuple(sorted(printable(name) for name in others if name[0] not in "._"))

    def submitted(self, student: str, lab: str) -> Path:
        """Give the folder of a student's submission."""
        return self.root / self.config.submitted / check_student_id(student) / lab

    def autograded(self, student: str, lab: str) -> Path:
        """Give the folder of a student's graded notebook."""
        return self.root / self.config.autograded / check_student_id(student) / lab

    def feedback(self, student: str, lab: str) -> Path:
        """Give the folder of a student's feedback."""
        return self.root / self.config.feedback / check_student_id(student) / lab

    def records(self, lab: str) -> Path:
        """Give the folder of a lab's grading records."""
        return self.root / "records" / lab / self._part(lab)


def _folders(root: Path) -> tuple[str, ...]:
    return tuple(name for name in _all_folders(root) if name[0] not in "._")


def _all_folders(root: Path) -> tuple[str, ...]:
    return tuple(sorted(p.name for p in root.iterdir() if p.is_dir())) if root.is_dir() else ()


def _notebooks(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.ipynb") if not path.name.startswith("."))


def _instead(folder: Path) -> str:
    """Name what was handed in where a notebook should be."""
    files = sorted(path.name for path in folder.glob("*") if path.name[0] not in "._")
    names = ", ".join(name for name in files if name != "timestamp.txt")
    return f", but there is {printable(names[:_MOST_SHOWN])}" if names else ""


def _submission(
    student: str, lab: str, folder: Path, wanted: str, siblings: set[str]
) -> Submission:
    """Find the notebook that is wanted; what is called as another of the lab isn't it."""
    notebook: Path | None = folder / wanted
    problem = ""
    others = [path for path in _notebooks(folder) if path.name not in siblings]
    try:
        check_student_id(student)
    except SubmissionError as error:
        return Submission(student, lab, folder, None, str(error))
    for place in (folder.parent, folder):
        if place.is_symlink():
            problem = f"{place.name} is a link, so nobody can say whose work it leads to"
            return Submission(student, lab, folder, None, problem)
    if not folder.is_dir():
        problem = f"{folder.name} is a file, not a folder with a notebook in it"
        return Submission(student, lab, folder, None, problem)
    if notebook not in others:
        notebook = others[0] if len(others) == 1 else None
        if notebook is not None:
            problem = f"the notebook is called {printable(notebook.name)}; it was taken as {wanted}"
        elif others:
            names = ", ".join(printable(path.name) for path in others[:_NAMED])
            names += ", …" if others[_NAMED:] else ""
            problem = f"no {wanted} was handed in, but {names}; keep one, under the right name"
        else:
            problem = f"no notebook was handed in: {wanted} is missing{_instead(folder)}"
    if notebook is not None and (notebook.is_symlink() or not notebook.is_file()):
        is_folder = notebook.is_dir()
        kind = (
            "a link" if notebook.is_symlink() else "a folder" if is_folder else "a pipe or device"
        )
        problem = f"{printable(notebook.name)} is {kind}, not a file"
        return Submission(student, lab, folder, None, problem)
    return Submission(student, lab, folder, notebook, problem)
