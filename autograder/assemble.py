"""Put the notebook together that is graded: the teacher's cells, the student's answers."""

import base64
import binascii
import copy
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

import nbformat
from nbformat import NotebookNode

from autograder.labs import set_parameters
from autograder.notebook import cell_kind, grade_id
from autograder.release import is_release, release_notebook

__all__ = ["Assembled", "assemble", "has_code", "is_blank"]


# Names the cells that a student added apart from the teacher's, the same each time.
_OTHERS = uuid.UUID("6f0f3b0e-63e4-4c4e-9c52-0c1a3c4f7d11")


MAX_ANSWER = 1_000_000
_PICTURES, _PICTURE_CHARACTERS = 20, 10_000_000
_PICTURE_BEGINS = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/gif": b"GIF8",
}


@dataclass(frozen=True, slots=True)
class Assembled:
    """A notebook to run, and what the student should know of how it was put together."""

    notebook: NotebookNode
    problems: tuple[str, ...]


def is_blank(text: str, blank: str) -> bool:
    """Say whether an answer is still what students were given, or nothing at all."""
    return not text.strip() or text.strip() == blank.strip()


def assemble(
    source: NotebookNode,
    submission: NotebookNode,
    *,
    released: NotebookNode | None = None,
    parameters: Mapping[str, object] | None = None,
    added: bool = False,
) -> Assembled:
    """Put a student's answers into the teacher's notebook.

    Cells, their order, points, tags and tests are the teacher's. Of the submission only the text
    of answer cells is taken, by grade id; a missing answer is the blank one, and so is one of more
    than a million characters, which would be in every record and on every page.

    Parameters
    ----------
    source : NotebookNode
        The teacher's notebook, or a release (then there are no hidden tests).
    submission : NotebookNode
        The student's notebook.
    released : NotebookNode, optional
        What students were given, where the caller has that; made of ``source`` otherwise.
    parameters : mapping, optional
        The lab's parameters for this student, written into the cell tagged ``parameters``.
    added : bool, default=False
        Take over the cells that nbgrader doesn't know as well, the teacher's and those that the
        student added, as they stand in the submission, each after the known cell before it. That
        is what nbgrader runs.

    Returns
    -------
    Assembled
        Without outputs. ``source`` and ``submission`` are left as they are.
    """
    if released is None:
        released = source if is_release(source) else release_notebook(source)
    notebook: NotebookNode = nbformat.from_dict(source)  # type: ignore[no-untyped-call]
    blanks = {
        grade_id(cell): str(cell.source)
        for cell in released.cells
        if cell_kind(cell) in ("answer", "manual")
    }
    handed_in = _by_id(submission, {grade_id(cell) for cell in released.cells} - {""})
    problems: list[str] = []
    for cell, given in zip(notebook.cells, released.cells, strict=True):
        if cell.cell_type == "code":
            cell["outputs"], cell["execution_count"] = [], None
        name = grade_id(cell)
        found = handed_in.get(name, [])
        if name in blanks:
            number = _graded_copy(found, blanks[name])
            cell["source"] = _answer(name, blanks[name], found, number, cell.cell_type, problems)
            if cell.cell_type == "markdown" and found:
                _attach(cell, found[number][1])
        elif cell_kind(cell) != "plain":
            problems += _changes(given, found)
    problems += _order(released, handed_in)
    if added:
        notebook["cells"] = _with_added(notebook, submission, problems)
    else:
        problems += _extras(released, submission)
    if parameters:
        set_parameters(notebook, parameters)
    return Assembled(notebook, tuple(problems))


def _by_id(submission: NotebookNode, known: set[str]) -> dict[str, list[tuple[int, NotebookNode]]]:
    found: dict[str, list[tuple[int, NotebookNode]]] = {}
    for number, cell in enumerate(submission.cells, 1):
        if grade_id(cell) in known:
            found.setdefault(grade_id(cell), []).append((number, cell))
    return found


def _graded_copy(found: list[tuple[int, NotebookNode]], blank: str) -> int:
    """Say which of the cells of one name counts: the first that was answered."""
    return next((n for n, (_, cell) in enumerate(found) if not is_blank(cell.source, blank)), 0)


def _attach(cell: NotebookNode, answer: NotebookNode) -> None:
    """Take over the pictures that were pasted into a text, and nothing that only says it is one."""
    pictures = {
        name: kept
        for name, kinds in list(answer.get("attachments", {}).items())[:_PICTURES]
        if (kept := {kind: data for kind, data in kinds.items() if _is_picture(kind, data)})
    }
    if pictures:
        cell["attachments"] = NotebookNode(  # type: ignore[no-untyped-call]
            {name: NotebookNode(kinds) for name, kinds in pictures.items()}  # type: ignore[no-untyped-call]
        )


def _is_picture(kind: str, data: object) -> bool:
    begin = _PICTURE_BEGINS.get(kind)
    if begin is None or not isinstance(data, str) or len(data) > _PICTURE_CHARACTERS:
        return False
    try:
        return base64.b64decode("".join(data.split()), validate=True).startswith(begin)
    except (binascii.Error, ValueError):
        return False


def _answer(
    name: str,
    blank: str,
    found: list[tuple[int, NotebookNode]],
    chosen: int,
    kind: str,
    problems: list[str],
) -> str:
    if not found:
        problems.append(f"The answer cell {name} is missing; it counts as not answered.")
        return blank
    number, cell = found[chosen]
    if len(found) > 1:
        problems.append(
            f"There are {len(found)} cells {name}; the one in place {number} is graded. "
            "Keep one of them."
        )
    if cell.cell_type != kind:
        problems.append(f"The cell {name} was turned into {cell.cell_type}; it is read as {kind}.")
    if len(cell.source) > MAX_ANSWER and not is_blank(cell.source, blank):
        problems.append(_too_long(f"The answer {name}", cell, "counts as not answered"))
        return blank
    return str(cell.source)


def _too_long(what: str, cell: NotebookNode, so: str) -> str:
    return (
        f"{what} has {len(cell.source):,} characters, and at most {MAX_ANSWER:,} are run; it {so}. "
        "Take out what it doesn't need: data belong into a file."
    )


def _changes(given: NotebookNode, found: list[tuple[int, NotebookNode]]) -> list[str]:
    name = grade_id(given)
    what = "test cell" if cell_kind(given) == "test" else "given cell"
    if not found:
        return [f"The {what} {name} was deleted; the original is used."]
    if len(found) > 1:
        return [f"There are {len(found)} copies of the {what} {name}; the original is used."]
    cell = found[0][1]
    if cell.cell_type != given.cell_type:
        return [f"The {what} {name} was turned into {cell.cell_type}; the original is used."]
    if "parameters" in given.metadata.get("tags", []):
        return []
    if cell.source.rstrip() != given.source.rstrip():
        return [f"The {what} {name} was changed; the original is used."]
    return []


def _order(
    released: NotebookNode, handed_in: Mapping[str, list[tuple[int, NotebookNode]]]
) -> list[str]:
    names = [name for cell in released.cells if (name := grade_id(cell)) in handed_in]
    places = [handed_in[name][0][0] for name in names]
    if places == sorted(places):
        return []
    return ["Cells were moved; they are run in the order of the lab."]


def _extras(released: NotebookNode, submission: NotebookNode) -> list[str]:
    known = {grade_id(cell) for cell in released.cells} - {""}
    plain = {cell.source.strip() for cell in released.cells if cell_kind(cell) == "plain"}
    extras = [
        str(number)
        for number, cell in enumerate(submission.cells, 1)
        if cell.cell_type == "code"
        and grade_id(cell) not in known
        and cell.source.strip() not in plain
        and has_code(cell.source)
    ]
    if not extras:
        return []
    places = f"place {extras[0]}" if len(extras) == 1 else f"places {', '.join(extras[:10])}"
    return [
        f"Cells that you added hold code ({places}) that isn't run when your work is graded. "
        "Move what your answers need into the answer cells."
    ]


def _with_added(
    notebook: NotebookNode, submission: NotebookNode, problems: list[str]
) -> list[NotebookNode]:
    """Put the submission's other cells where they stood, in place of the teacher's other cells."""
    own = [cell for cell in notebook.cells if cell_kind(cell) != "plain"]
    known = {grade_id(cell) for cell in own}
    after: dict[str, list[NotebookNode]] = {"": []}
    place = ""
    for number, cell in enumerate(submission.cells, 1):
        if grade_id(cell) in known:
            place = grade_id(cell)
        elif len(cell.source) > MAX_ANSWER:
            problems.append(_too_long(f"The cell in place {number}", cell, "is left out"))
        else:
            after.setdefault(place, []).append(_plain(cell))
    cells = [*after[""]]
    for cell in own:
        cells += [cell, *after.pop(grade_id(cell), [])]
    return cells


def _plain(cell: NotebookNode) -> NotebookNode:
    """Copy a student's cell without anything that could make it pass for a teacher's."""
    copied: NotebookNode = copy.deepcopy(cell)
    copied["id"] = f"added-{uuid.uuid5(_OTHERS, str(cell.id)).hex}"
    copied["metadata"] = NotebookNode()  # type: ignore[no-untyped-call]
    if copied.cell_type == "code":
        copied["outputs"], copied["execution_count"] = [], None
    return copied


def has_code(text: str) -> bool:
    """Say whether a text has a line that isn't a comment."""
    lines = (line.strip() for line in text.split("\n"))
    return any(line and not line.startswith("#") for line in lines)
