"""What the cells of a notebook are to the rooms: whose they are, and what they share."""

import ast
from collections.abc import Iterable, Set
from pathlib import Path
from typing import Literal

from nbformat import NotebookNode

from autograder.examiner_source import cell_tree, names_in, targets_of, words
from autograder.hidden_regions import hidden_lines
from autograder.notebook import cell_kind, grade_id

__all__ = [
    "Kind",
    "STUDENT_ROOM_TAG",
    "is_beside",
    "kind_of",
    "lines_for_answers",
    "not_shipped",
    "shipped_modules",
    "teachers_own",
]

STUDENT_ROOM_TAG = "student-room"
_IMPORT = (ast.Import, ast.ImportFrom)
_VALUE = (
    *(ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.Name, ast.Attribute, ast.Call),
    *(ast.keyword, ast.UnaryOp, ast.BinOp, ast.operator, ast.unaryop, ast.expr_context),
)
_CHANCE = frozenset({"random", "rand", "randn", "randint", "default_rng", "now", "today", "time"})
Kind = Literal["locked", "answer", "test", "plain"]


def is_beside(cell: NotebookNode) -> bool:
    """Say whether a cell, or what it defines, belongs beside the student's code alone."""
    return STUDENT_ROOM_TAG in cell.metadata.get("tags", [])


def kind_of(cell: NotebookNode, *, plain: Literal["locked", "plain"] = "locked") -> Kind:
    """Say what a cell is to the rooms; ``plain`` is what a cell without nbgrader's marks is."""
    match cell_kind(cell):
        case "locked":
            return "locked"
        case "test":
            return "test"
        case "plain":
            return plain
        case _:
            return "answer"


def teachers_own(notebook: NotebookNode, reference: NotebookNode | None) -> frozenset[int]:
    """Find the unmarked cells that are as the teacher wrote them, in the teacher's order.

    Returns
    -------
    frozenset of int
        Their places.
    """
    own = [cell.source for cell in reference.cells if _is_plain(cell)] if reference else []
    found = set[int]()
    for place, cell in enumerate(notebook.cells):
        if _is_plain(cell) and cell.source in own:
            own = own[own.index(cell.source) + 1 :]
            found.add(place)
    return frozenset(found)


def _is_plain(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and cell_kind(cell) == "plain"


def lines_for_answers(reference: NotebookNode | None) -> dict[str, tuple[str, str]]:
    """Find what test cells import, or set to plain values, that answers rely on.

    In one process such a name is there for the answers that the test calls, and for those that
    follow. Students can read these lines, so one in a hidden test is none of them.

    Returns
    -------
    dict of str to tuple of str
        The lines to run in the student's room before the test cell and after it, by its id.
    """
    cells = [c for c in reference.cells if c.cell_type == "code"] if reference is not None else []
    answers = [frozenset() if cell_kind(c) == "test" else words(c.source) for c in cells]
    bound, found = set[str](), dict[str, tuple[str, str]]()
    usable = set[str]()
    for place, cell in enumerate(cells):
        body = cell_tree(cell.source).body
        usable |= {name for node in body if isinstance(node, _IMPORT) for name in targets_of(node)}
        if cell_kind(cell) != "test" or is_beside(cell):
            bound |= {name for node in body for name in targets_of(node)}
            continue
        later = frozenset[str]().union(*answers[place + 1 :]) - bound
        hidden = hidden_lines(cell.source)
        shown = [node for node in body if node.lineno not in hidden]
        values = [
            node
            for node in shown
            if _sets_plain_value(node, usable) and not targets_of(node).isdisjoint(later)
        ]
        wanted = (frozenset[str]().union(*answers) - bound).union(*map(names_in, values))
        imports = [
            node
            for node in shown
            if isinstance(node, _IMPORT) and not targets_of(node).isdisjoint(wanted)
        ]
        if not cell.source[:1].isspace():  # or lines aren't counted as they stand
            before, after = ("\n".join(map(ast.unparse, nodes)) for nodes in (imports, values))
            if before or after:
                found[grade_id(cell)] = before, after
    return found


def _sets_plain_value(node: ast.stmt, usable: Set[str]) -> bool:
    """Say whether a statement sets names to what is made of literals and libraries alone."""
    if not isinstance(node, ast.Assign) or not all(isinstance(t, ast.Name) for t in node.targets):
        return False
    if _CHANCE & names_in(node.value):
        return False
    parts = list(ast.walk(node.value))
    names = {part.id for part in parts if isinstance(part, ast.Name)}
    return names <= usable and all(isinstance(part, _VALUE) for part in parts)


def shipped_modules(files: Path | None) -> set[str]:
    """Give the names that modules may have which stand in a lab's folder."""
    there = files.iterdir() if files is not None and files.is_dir() else ()
    return {path.name.removesuffix(".py") for path in there}


def not_shipped(modules: Iterable[str], files: Path | None) -> list[str]:
    """Leave out modules that a lab ships: of that name, a room is to find the lab's own."""
    own = shipped_modules(files)
    return [name for name in modules if name.split(".", maxsplit=1)[0] not in own]
