"""The modules that a lab ships, and which modules do the same in either room."""

import ast
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from autograder.examiner_source import (
    DEFINITIONS,
    PURE_MODULES,
    cell_tree,
    globals_of,
    needs_room,
    targets_of,
    words,
)
from autograder.lab_changes import may_change

__all__ = ["is_stateless", "keeps_state", "use_shipped_modules"]

_STATEFUL = frozenset({"random", "numpy.random", "time", "pytest", "_pytest"})
_shipped: list[Path] = []


def use_shipped_modules(folder: Path) -> None:
    """Let this process import the modules that a lab ships, from a copy out of anybody's reach."""
    if not any(folder.glob("*.py")) and not any(folder.glob("*/__init__.py")):
        return
    place = Path(tempfile.mkdtemp(prefix="shipped-"))
    shutil.copytree(folder, place, symlinks=True, dirs_exist_ok=True)
    sys.path.insert(0, str(place))  # as in one process, where it is first as well
    _shipped.append(place)


def is_stateless(node: ast.ImportFrom) -> bool:
    """Say whether what is imported does the same in either room."""
    module = node.module or ""
    renamed = any(alias.asname not in (None, alias.name) for alias in node.names)
    if node.level or renamed or needs_room(module) or module in _STATEFUL or keeps_state(module):
        return False
    package = module.split(".", maxsplit=1)[0]
    return package in PURE_MODULES or package not in sys.stdlib_module_names


def keeps_state(module: str) -> bool:
    """Say whether a module that the lab ships has functions that change what it holds.

    Where an answer is to call them, what they did is in the student's room.
    """
    paths = [place.joinpath(*module.split(".")).with_suffix(".py") for place in _shipped]
    for path in paths:
        with suppress(OSError, UnicodeError):
            body = cell_tree(path.read_text("utf-8")).body
            functions = [node for node in body if isinstance(node, DEFINITIONS)]
            if any(map(globals_of, functions)):
                return True
            held = {name for node in body if node not in functions for name in targets_of(node)}
            text = "\n".join(map(ast.unparse, functions))
            return any(name in words(text) and may_change(text, name) for name in held)
    return False
