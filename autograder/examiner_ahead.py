"""What an examiner's room makes of a lab's text alone, made before there is a submission.

It is the same for a whole class. A process that forks examiners' rooms reads the cells ahead, and
every room finds what they say, and their code, in its memory. No cell runs here.
"""

import importlib.util
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from typing import Any

from autograder.examiner_helpers import Helpers
from autograder.examiner_patches import replaced_in
from autograder.examiner_preparation import prepared
from autograder.examiner_source import (
    bound_names,
    cell_tree,
    globals_of,
    globals_used,
    has_coroutines,
    imported_modules,
    names_of,
    room_imports,
    targets_of,
    words,
)
from autograder.examiner_twins import changes_arguments, changes_in_place, handed_over
from autograder.given_statements import changed_definitions, handed_whole
from autograder.lab_changes import changing_by, changing_in
from autograder.room_shells import examiner_shell

__all__ = ["read_ahead"]


def read_ahead(lab: Mapping[str, Sequence[Any]]) -> None:
    """Read a teacher's notebook.

    Parameters
    ----------
    lab : mapping of str to sequence
        Its ``cells`` in their order, each with its kind ("locked", "answer" or "test") and its
        text; under ``shipped``, the names of modules that the lab brings along.
    """
    shipped = frozenset(lab["shipped"])
    helpers, tests = Helpers(), list[str]()
    for kind, text in lab["cells"]:
        if kind != "answer":
            helpers.note(text)
        is_known = _says_all(text, shipped)
        if kind == "test":
            tests.append(text if is_known else "")
        if is_known:
            with suppress(Exception):
                _READ[kind](text)
                if kind == "test":
                    _read_test(helpers.whole(text))
    examiner_shell()[0].compile_ahead(tests)


def _says_all(text: str, shipped: Set[str]) -> bool:
    """Say whether the modules that a cell imports are those of the rooms, which have others too."""
    with suppress(Exception):
        tops = {name.partition(".")[0] for name in imported_modules(text)}
        specs = [importlib.util.find_spec(top) for top in tops]
        is_here = all(spec is not None and spec.origin is not None for spec in specs)
        return is_here and shipped.isdisjoint(tops)
    return False


def _read_test(text: str) -> None:
    words(text)
    replaced_in(text)
    changes_in_place(text, frozenset())
    handed_over(text)
    has_coroutines(text)


def _read_locked(text: str) -> None:
    bound_names(text)
    changing_in(text)
    words(text)
    room_imports(text)
    for node in cell_tree(text).body:
        targets_of(node)
        globals_of(node)
        for piece in (node, getattr(node, "value", None) or node):
            names_of(piece)
            globals_used(piece)
        changes_arguments(node)
        changing_by(node)
        changed_definitions(node)
        handed_whole(node)
        prepared(node)


def _read_answer(text: str) -> None:
    """Read what the reference imports, which the examiner's room imports too."""
    words(text)
    for node in cell_tree(text).body:
        targets_of(node)
        prepared(node)


_READ = {"locked": _read_locked, "answer": _read_answer, "test": _read_test}
