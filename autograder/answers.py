"""A lab's worked examples: wrong answers with the score each must get, and other right ones."""

import copy
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nbformat import NotebookNode

from autograder.errors import LabError
from autograder.labs import Lab, read_cells
from autograder.notebook import cell_kind, grade_id
from autograder.release import answer_text, is_release, release_notebook

__all__ = ["Answer", "load_answers", "submission_from"]


@dataclass(frozen=True, slots=True)
class Answer:
    """Answers that differ from the reference; ``score`` is None where full marks are wanted."""

    name: str
    score: float | None
    fails: tuple[str, ...]
    why: str
    cells: Mapping[str, str]


def load_answers(lab: Lab, kind: Literal["wrong", "right"]) -> tuple[Answer, ...]:
    """Read the files in a lab's ``wrong/`` or ``right/``, in order of their names.

    Raises
    ------
    LabError
        If a file lacks its head, or has cells without a name.
    """
    paths = sorted((lab.folder / kind).glob("*.py"))
    return tuple(_answer(path, kind) for path in paths)


def _answer(path: Path, kind: str) -> Answer:
    head = _head(path)
    wanted: dict[str, type | tuple[type, ...]] = {"score": (int, float), "fails": list, "why": str}
    if kind == "right":
        wanted = {"why": str}
    for key, types in wanted.items():
        if not isinstance(head.get(key), types) or isinstance(head[key], bool):
            raise LabError(
                f"{path}: the head (comment lines of TOML at the top) needs "
                f"{', '.join(wanted)}; {key} is {head.get(key)!r}."
            )
    if unknown := set(head) - set(wanted):
        raise LabError(f"{path}: the head has unknown {', '.join(sorted(unknown))}.")
    score = head.get("score")
    return Answer(
        name=path.stem,
        score=None if score is None else float(score),
        fails=tuple(head.get("fails", ())),
        why=head["why"],
        cells=_named_cells(path),
    )


def _head(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LabError(f"{path} can't be read: {error}.") from None
    lines = []
    for line in text.splitlines():
        if line.startswith("# %%") or (line.strip() and not line.startswith("#")):
            break
        lines.append(line.removeprefix("#").removeprefix(" "))
    try:
        return tomllib.loads("\n".join(lines))
    except tomllib.TOMLDecodeError as error:
        raise LabError(f"{path}: the head isn't TOML: {error}.") from None


def _named_cells(path: Path) -> dict[str, str]:
    cells: dict[str, str] = {}
    for number, cell in enumerate(read_cells(path)):
        name = grade_id(cell) or str(cell.metadata.get("title", ""))
        is_head = number == 0 and cell.source.lstrip().startswith("#") and not name
        if is_head or not cell.source.strip():
            continue
        if not name or name in cells:
            problem = f"two cells {name!r}" if name else "a cell without a name"
            raise LabError(f"{path}: {problem}. Head each with '# %% ' and an answer's grade id.")
        cells[name] = str(cell.source)
    if not cells:
        raise LabError(f"{path} has no answers. Head each with '# %% ' and an answer's grade id.")
    return cells


def submission_from(source: NotebookNode, answers: Answer | Mapping[str, str]) -> NotebookNode:
    """Make the notebook that a student with these answers would hand in.

    Parameters
    ----------
    source : NotebookNode
        The teacher's notebook: what ``answers`` doesn't give is answered by the reference. Or a
        release: that stays blank.
    answers : Answer or mapping
        Texts by the grade id of the answer cell.

    Raises
    ------
    LabError
        If an answer is for a cell that isn't an answer cell.
    """
    given = answers.cells if isinstance(answers, Answer) else answers
    is_blank = is_release(source)
    submission = copy.deepcopy(source) if is_blank else release_notebook(source)
    known = set()
    for cell, reference in zip(submission.cells, source.cells, strict=True):
        if cell_kind(cell) not in ("answer", "manual"):
            continue
        name = grade_id(cell)
        known.add(name)
        if name in given:
            cell["source"] = given[name]
        elif not is_blank:
            cell["source"] = answer_text(reference)
    if strangers := set(given) - known:
        where = f"{answers.name}: " if isinstance(answers, Answer) else ""
        raise LabError(
            f"{where}{', '.join(sorted(strangers))} can't be answered; the answer cells are "
            f"{', '.join(sorted(known))}."
        )
    return submission
