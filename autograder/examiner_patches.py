"""What a test replaces in a module, in both rooms.

``patch("builtins.input", ...)``, ``patch("random.randint", ...)`` and ``builtins.print = ...``
are meant for the student's code. They change a module of the examiner's room; around each question,
the student's room gets the same replacement, lent, and has its own back when the test does.
"""

import ast
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from types import ModuleType
from typing import Any, Protocol

from autograder.dotted import find_dotted
from autograder.examiner_pythons import Pythons
from autograder.examiner_source import cell_tree
from autograder.handles import number_of
from autograder.syntax import parse_python

__all__ = ["Patches", "replaced_in"]

_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_PATCHING = frozenset({"patch", "setattr", "object", "multiple"})
_OWN = frozenset({"__main__", "student", "autograder"})
# What is printed comes over anyway, and goes where the test has sent it.
_STREAMS = frozenset({("sys", "stdout"), ("sys", "stderr")})
_MISSING = object()

Target = tuple[str, str]


class _Link(Protocol):
    def ask(self, op: str, /, *args: Any) -> Any:
        """Ask the student's room."""


def replaced_in(text: str, find: Callable[[str], Any] = lambda _: None) -> set[Target]:
    r"""Give the attributes of modules that a cell may replace, as (module, attribute).

    Parameters
    ----------
    text : str
        The cell.
    find : callable, optional
        Gives what a name stands for that the cell doesn't import; None where nothing is known.

    Examples
    --------
    >>> cell = "import random as r\nr.randint = f\nwith patch('builtins.input'): g()"
    >>> sorted(replaced_in(cell))
    [('builtins', 'input'), ('random', 'randint')]
    """
    found = set()
    for top, (place, name) in _maybe_replaced(text):
        known = _name_in_libraries(find(top)) if top else None
        if known is not None and not _is_own(known):
            found.add((known + place.removeprefix(top), name))
        elif not top or top in sys.modules:
            found.add((place, name))
    return found


def _name_in_libraries(value: Any) -> str | None:
    """Give the dotted name of a module, or of a class of one."""
    if type(value) is ModuleType:
        return value.__name__
    if not issubclass(type(value), type) or number_of(value) is not None:
        return None
    dotted = f"{value.__module__}.{value.__qualname__}"
    return dotted if _place(dotted) is value else None


def _is_own(place: str) -> bool:
    return place.split(".", maxsplit=1)[0] in _OWN


@lru_cache(maxsize=512)
def _maybe_replaced(text: str) -> frozenset[tuple[str, Target]]:
    """Give them with the module that must be there for the text to mean it, if any must."""
    tree = cell_tree(text)
    modules = {
        alias.asname or alias.name.split(".")[0]: alias.name if alias.asname else ""
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    modules |= {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and not node.level
        for alias in node.names
    }
    found: set[tuple[str, Target]] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, (ast.Store, ast.Del)):
            found |= _of_module(node.value, node.attr, modules)
        elif isinstance(node, ast.Call) and _name_of(node.func) in _PATCHING and node.args:
            found |= _patched(node.args, modules)
            if _name_of(node.func) == "multiple" and (place := _dotted(node.args[0])):
                for name in filter(None, (keyword.arg for keyword in node.keywords)):
                    found |= _of_module(place, name, modules)
    return frozenset(
        (top, target) for top, target in found if not _is_own(target[0]) and target not in _STREAMS
    )


def _patched(args: list[ast.expr], modules: dict[str, str]) -> set[tuple[str, Target]]:
    words = [arg.value if isinstance(arg, ast.Constant) else None for arg in args[:2]]
    if isinstance(words[0], str) and _DOTTED.fullmatch(words[0]):
        module, _, name = words[0].rpartition(".")
        within = _dotted(ast.Constant(module.removeprefix("__main__.")))
        if module.startswith("__main__.") and within is not None:
            return _of_module(within, name, modules)
        return {("", (module, name))}
    if len(words) > 1 and isinstance(words[1], str):
        return _of_module(args[0], words[1], modules)
    return set()


def _dotted(node: ast.expr) -> ast.expr | None:
    """Give what a module's name or path stands for in a cell."""
    if not isinstance(node, ast.Constant):
        return node
    text = str(node.value)
    if not _DOTTED.fullmatch(f"{text}.x"):
        return None
    statement = parse_python(text).body[0]
    return statement.value if isinstance(statement, ast.Expr) else None


def _of_module(node: ast.expr, name: str, modules: dict[str, str]) -> set[tuple[str, Target]]:
    """Give an attribute of what stands for a module in this cell, or is one's name."""
    dotted = ast.unparse(node)
    top, _, rest = dotted.partition(".")
    if not _DOTTED.fullmatch(f"{dotted}.x"):
        return set()
    module = modules.get(top) or top
    return {("" if top in modules else top, (f"{module}.{rest}" if rest else module, name))}


def _name_of(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


class Patches:
    """Carries replacements to the student's room."""

    def __init__(self, link: _Link) -> None:
        self._link = link
        self._originals: dict[Target, Any] = {}
        self._sent: dict[Target, Any] = {}
        self.pythons = Pythons()

    def begin(self, text: str, find: Callable[[str], Any]) -> None:
        """Start a test cell: note what stands where it may put something else."""
        for target in replaced_in(text, find) - set(self._originals):
            place = _place(target[0])
            if place is not None:
                self._originals[target] = getattr(place, target[1], _MISSING)

    def carry(self) -> None:
        """Have the student's room replace, or take back, what this room has since."""
        for target, original in self._originals.items():
            if target[0] == "builtins":
                now = self.pythons.now(target[1], _MISSING)
            else:
                now = getattr(_place(target[0]), target[1], _MISSING)
            if now is self._sent.get(target, original):
                continue
            if now is original:
                self._sent.pop(target, None)
                self._link.ask("restore", *target)
            else:
                self._sent[target] = now
                self._link.ask("replace", *target, *([] if now is _MISSING else [now]))


def _place(dotted: str) -> Any:
    """Give what a test replaces something in; None where it isn't of this room."""
    with suppress(Exception):
        found = find_dotted(dotted)
        return found if number_of(found) is None else None
    return None
