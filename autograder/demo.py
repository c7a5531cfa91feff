"""A class to watch being graded: right, wrong, blank, broken and hostile work for one lab."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from nbformat import NotebookNode

from autograder.answers import load_answers, submission_from
from autograder.atomic import write_bytes, write_text
from autograder.course import Course
from autograder.errors import CourseError
from autograder.examiner_source import bound_names
from autograder.labs import find_lab, source_notebook
from autograder.notebook import cell_kind, grade_id, notebook_bytes
from autograder.release import build_course, release_notebook

__all__ = ["SHORT_LIMIT", "build_class"]

# Long enough for any honest answer of the lab, short enough to watch an endless loop being cut.
SHORT_LIMIT = 6
_MARK = ".autograder-demo"


def build_class(labs_root: Path, name: str, folder: Path) -> tuple[Course, int]:
    """Build a course in ``folder`` and hand in a class's work; say how many submissions.

    Raises
    ------
    CourseError
        If ``folder`` holds something that isn't an earlier demo.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / _MARK).is_file():
        raise CourseError(
            f"{folder} isn't empty and isn't an earlier demo; name another folder with --folder."
        )
    lab = find_lab(labs_root, name)
    write_text(folder / _MARK, "Made by 'autograder demo'; it may be deleted.\n")
    overlay = folder / "overlay"
    write_text(overlay / lab.name / "lab.toml", f"[limits]\ncell_seconds = {SHORT_LIMIT}\n")
    build_course(labs_root, folder, names=[lab.name], overlay=overlay)
    course = Course.open(folder)
    source = source_notebook(lab)
    count = 0
    for number, (kind, data) in enumerate(_submissions(lab.folder, source), 1):
        student = f"student-{number:02d}-{kind}"
        write_bytes(course.submitted(student, lab.name) / f"{lab.name}.ipynb", data)
        count = number
    return course, count


def _submissions(folder: Path, source: NotebookNode) -> Iterator[tuple[str, bytes]]:
    from autograder.labs import load_lab

    lab = load_lab(folder)
    blank = release_notebook(source)
    reference = submission_from(source, {})
    yield "reference", notebook_bytes(reference)
    for answer in load_answers(lab, "right"):
        yield f"right-{answer.name}", notebook_bytes(submission_from(source, answer))
    for answer in load_answers(lab, "wrong"):
        yield f"wrong-{answer.name}", notebook_bytes(submission_from(source, answer))
    yield "blank", notebook_bytes(blank)
    yield "empty-file", b""
    yield "invalid-json", notebook_bytes(reference)[:-200]
    for kind, edit in (_EDITS | _ATTACKS).items():
        yield kind, notebook_bytes(edit(submission_from(source, {})))
    yield "half-done", notebook_bytes(_half_done(reference, blank))


def _half_done(reference: NotebookNode, blank: NotebookNode) -> NotebookNode:
    """Answer the first half and leave the rest as it was handed out."""
    answers = [n for n, cell in enumerate(blank.cells) if cell_kind(cell) in ("answer", "manual")]
    cells = blank.cells
    for number in answers[: len(answers) // 2]:
        cells[number] = reference.cells[number]
    return blank


def _delete_test(notebook: NotebookNode) -> NotebookNode:
    first = next(n for n, cell in enumerate(notebook.cells) if cell_kind(cell) == "test")
    del notebook.cells[first]
    return notebook


def _edit_test(notebook: NotebookNode) -> NotebookNode:
    """Replace the tests by nothing and the first answer by a wrong one: it must not pay."""
    for cell in notebook.cells:
        if cell_kind(cell) == "test":
            cell["source"] = "pass"
    _answers(notebook)[0]["source"] = "pass"
    return notebook


def _syntax_error(notebook: NotebookNode) -> NotebookNode:
    cell = _answers(notebook)[-1]
    cell["source"] = cell.source + "\nresult = (1, 2\n"
    return notebook


def _endless_loop(notebook: NotebookNode) -> NotebookNode:
    cell = _answers(notebook)[-1]
    cell["source"] = f"while True:\n    pass\n{cell.source}"
    return notebook


def _before(text: str) -> Callable[[NotebookNode], NotebookNode]:
    """Put a text at the beginning of the last answer."""

    def edit(notebook: NotebookNode) -> NotebookNode:
        cell = _answers(notebook)[-1]
        cell["source"] = f"{text}\n{cell.source}"
        return notebook

    return edit


def _always_equal(notebook: NotebookNode) -> NotebookNode:
    """Answer everything with an object that says yes to whatever it is asked."""
    for cell in _answers(notebook):
        names = sorted(bound_names(cell.source))
        cell["source"] = _YES + "".join(f"{name} = Yes()\n" for name in names)
    return notebook


def _answers(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell_kind(cell) == "answer"]


def _lost_ids(notebook: NotebookNode) -> NotebookNode:
    """Lose one answer cell's metadata, as some editors do."""
    cell = _answers(notebook)[-1]
    assert grade_id(cell)
    cell["metadata"] = json.loads("{}")
    return notebook


_EDITS: dict[str, Callable[[NotebookNode], NotebookNode]] = {
    "deleted-test": _delete_test,
    "edited-test": _edit_test,
    "syntax-error": _syntax_error,
    "endless-loop": _endless_loop,
    "lost-metadata": _lost_ids,
}

# Each would harm somebody, or earn what it doesn't deserve, where nothing kept it in.
_OTHERS_FILES = """\
import pathlib
here = pathlib.Path.cwd()
found = [path for folder in [here, *here.parents] for path in folder.glob("*/*/*.ipynb")]
found += [path for folder in here.parents for path in folder.glob("submitted/*/*/*.ipynb")]
print(f"{len(found)} notebooks of others or of the teacher are in reach")"""
_FLOOD = """\
for _ in range(100):
    print("x" * 1_000_000)"""
_EXIT = """\
import os
os._exit(0)"""
_YES = """\
class Yes:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __lt__
    def __hash__(self): return 0
    def __bool__(self): return True
    def __len__(self): return 1
    def __iter__(self): return iter([self])
    def __contains__(self, item): return True
    def __float__(self): return 1.0
    def __int__(self): return 1
    def __call__(self, *args, **names): return self
    def __getitem__(self, item): return self
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self

"""
_ATTACKS: dict[str, Callable[[NotebookNode], NotebookNode]] = {
    "reads-others": _before(_OTHERS_FILES),
    "prints-100-mb": _before(_FLOOD),
    "always-equal": _always_equal,
    "ends-at-once": _before(_EXIT),
}
