"""A course's folder, in nbgrader's layout: what is where, and whose submission is whose."""

import re
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import CourseError, LabError, SubmissionError
from autograder.labs import Lab, load_lab, matching_name

__all__ = ["Course", "Submission", "check_student_id"]

MAX_ID = 64
# Parts of paths, of nbgrader's glob patterns and of its lists of ids.
_FORBIDDEN = re.compile(r'[/\\:*?"<>|\[\]{},]')
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
    """An nbgrader course's folder."""

    root: Path

    @classmethod
    def open(cls, path: Path) -> "Course":
        """Open the course in ``path``.

        Raises
        ------
        CourseError
            If ``path`` holds neither ``source/`` nor ``nbgrader_config.py``.
        """
        if not (path / "source").is_dir() and not (path / "nbgrader_config.py").is_file():
            there = "has neither source/ nor nbgrader_config.py" if path.is_dir() else "isn't there"
            raise CourseError(
                f"{path} isn't a course: it {there}. Build one with "
                f"'autograder build --course {path}', or name another with --course."
            )
        return cls(path.resolve())

    @property
    def reports(self) -> Path:
        """The folder of class reports."""
        return self.root / "reports"

    @property
    def gradebook_url(self) -> str:
        """The address of nbgrader's gradebook."""
        return f"sqlite:///{(self.root / 'gradebook.db').as_posix()}"

    def labs(self) -> tuple[str, ...]:
        """Name the course's labs, in order."""
        return _folders(self.root / "source")

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

    def source(self, lab: str) -> Path:
        """Give the path of the teacher's notebook."""
        return self._notebook("source", lab, "autograder build")

    def release(self, lab: str) -> Path:
        """Give the path of the students' notebook."""
        return self._notebook("release", lab, "autograder build")

    def _notebook(self, kind: str, lab: str, remedy: str) -> Path:
        folder = self.root / kind / lab
        usual = folder / f"{lab}.ipynb"
        if usual.is_file():
            return usual
        notebooks = _notebooks(folder)
        if len(notebooks) == 1:
            return notebooks[0]
        problem = f"{len(notebooks)} notebooks, one was wanted" if notebooks else "no notebook"
        raise CourseError(f"{folder} has {problem}. Make it with '{remedy}'.")

    def lab_settings(self, lab: str) -> Lab | None:
        """Read the ``lab.toml`` that a build left beside the teacher's notebook, if any."""
        folder = self.root / "source" / lab
        return load_lab(folder) if (folder / "lab.toml").is_file() else None

    def submissions(self, lab: str) -> tuple[Submission, ...]:
        """List what was handed in for a lab, in order of the students' ids.

        A folder that holds nothing usable is listed too, with its problem.
        """
        wanted = self.source(lab).name
        return tuple(
            _submission(student, lab, self.root / "submitted" / student / lab, wanted)
            for student in _folders(self.root / "submitted")
            if (self.root / "submitted" / student / lab).is_dir()
        )

    def submitted(self, student: str, lab: str) -> Path:
        """Give the folder of a student's submission."""
        return self.root / "submitted" / check_student_id(student) / lab

    def autograded(self, student: str, lab: str) -> Path:
        """Give the folder of a student's graded notebook."""
        return self.root / "autograded" / check_student_id(student) / lab

    def feedback(self, student: str, lab: str) -> Path:
        """Give the folder of a student's feedback."""
        return self.root / "feedback" / check_student_id(student) / lab

    def records(self, lab: str) -> Path:
        """Give the folder of a lab's grading records."""
        return self.root / "records" / lab


def _folders(root: Path) -> tuple[str, ...]:
    if not root.is_dir():
        return ()
    return tuple(sorted(p.name for p in root.iterdir() if p.is_dir() and p.name[0] not in "._"))


def _notebooks(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.ipynb") if not path.name.startswith("."))


def _submission(student: str, lab: str, folder: Path, wanted: str) -> Submission:
    notebook: Path | None = folder / wanted
    problem = ""
    others = _notebooks(folder)
    try:
        check_student_id(student)
    except SubmissionError as error:
        return Submission(student, lab, folder, None, str(error))
    if notebook not in others:
        notebook = others[0] if len(others) == 1 else None
        if notebook is not None:
            problem = f"the notebook is called {notebook.name}; it was taken as {wanted}"
        elif others:
            names = ", ".join(path.name for path in others)
            problem = f"no {wanted} was handed in, but {names}; keep one, under the right name"
        else:
            problem = f"no notebook was handed in: {wanted} is missing"
    if notebook is not None and (notebook.is_symlink() or not notebook.is_file()):
        kind = "a link" if notebook.is_symlink() else "a folder"
        return Submission(student, lab, folder, None, f"{notebook.name} is {kind}, not a file")
    return Submission(student, lab, folder, notebook, problem)
