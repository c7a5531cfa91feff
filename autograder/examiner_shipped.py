"""The modules that a lab ships, and which modules do the same in either room."""

import ast
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import decode_source
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, ClassVar

from autograder.examiner_preparation import Preparation
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
from autograder.syntax import parse_python

__all__ = ["is_stateless", "keeps_state", "shipped_text", "use_shipped_modules"]

_STATEFUL = frozenset({"random", "numpy.random", "time", "pytest", "_pytest"})
_shipped: list[Path] = []


class _Loader(SourceFileLoader):
    """Compiles a module as a given cell is: it is handed the student's objects as well."""

    functions: ClassVar[dict[str, Callable[..., Any]]] = {}
    """What :class:`Preparation` has a cell call."""

    def get_code(self, _: str) -> CodeType:
        """Compile it; what Python has kept of it is as it was written."""
        text = decode_source(self.get_data(self.path))
        tree = ast.fix_missing_locations(Preparation().visit(parse_python(text)))
        made: CodeType = compile(tree, self.path, "exec", dont_inherit=True)
        return made

    def exec_module(self, module: ModuleType) -> None:
        """Run it; a name in a class body is the module's."""
        space = vars(module)
        names = dict(self.functions)
        names["_room_name"] = partial(_name_in, space)
        names["_room_dir"] = lambda: sorted(space.keys() - names.keys())
        names["_room_names"] = lambda: {n: v for n, v in space.items() if n not in names}
        space.update(names)
        super().exec_module(module)


def _name_in(space: dict[str, Any], name: str) -> Any:
    """Look a name up as a module's functions do."""
    for place in (space, space["__builtins__"]):
        if name in place:
            return place[name]
    raise NameError(f"name {name!r} is not defined", name=name)


class _Finder:
    """Finds the modules that a lab ships before all others."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Find one in the copy."""
        own = tuple(map(str, _shipped))
        where = [*own] if path is None else [str(one) for one in path if str(one).startswith(own)]
        if not where or name in sys.builtin_module_names:
            return None
        spec = PathFinder.find_spec(name, where, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Loader(name, spec.loader.path)
        return spec


def use_shipped_modules(folder: Path, functions: dict[str, Callable[..., Any]]) -> None:
    """Let this process import the modules that a lab ships, from a copy out of anybody's reach.

    Parameters
    ----------
    folder : Path
        Where they are.
    functions : dict of str to callable
        What prepared code calls, by name.
    """
    if not any(folder.glob("*.py")) and not any(folder.glob("*/__init__.py")):
        return
    place = Path(tempfile.mkdtemp(prefix="shipped-"))
    shutil.copytree(folder, place, symlinks=True, dirs_exist_ok=True)
    sys.path.insert(0, str(place))  # as in one process, where it is first as well
    _shipped.append(place)
    _Loader.functions = functions
    sys.meta_path.insert(0, _Finder)


def shipped_text(module: str) -> str:
    """Give the text of a module that the lab ships; nothing of others."""
    for place in _shipped:
        path = place.joinpath(*module.split("."))
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            with suppress(OSError, UnicodeError):
                return file.read_text("utf-8")
    return ""


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
    body = cell_tree(shipped_text(module)).body
    functions = [node for node in body if isinstance(node, DEFINITIONS)]
    if any(map(globals_of, functions)):
        return True
    held = {name for node in body if node not in functions for name in targets_of(node)}
    text = "\n".join(map(ast.unparse, functions))
    return any(name in words(text) and may_change(text, name) for name in held)
