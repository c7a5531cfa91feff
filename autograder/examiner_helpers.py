"""What a test cell does by functions and classes that stand elsewhere.

They are of given cells, of test cells before it, and of modules that the lab ships. Where they
seed, replace or write something, it is the test that does so.
"""

import ast
from collections.abc import Iterator
from functools import lru_cache

from autograder.examiner_shipped import shipped_text
from autograder.examiner_source import DEFINITIONS, cell_tree, names_of, targets_of
from autograder.examiner_twins import changes_arguments

__all__ = ["Helpers"]

_IMPORTS = (ast.Import, ast.ImportFrom)
_ASSIGNMENTS = (ast.Assign, ast.AnnAssign)
_CELLS, _STATEMENTS = 512, 4096


class Helpers:
    r"""The definitions of all that this room has run or imported, by name.

    Examples
    --------
    >>> helpers = Helpers()
    >>> helpers.note("import random\ndef seeded(f):\n    random.seed(1)\n    return f()")
    >>> print(helpers.whole("assert seeded(draw) == 3"))
    assert seeded(draw) == 3
    def seeded(f):
        random.seed(1)
        return f()
    import random
    """

    def __init__(self) -> None:
        self._nodes = dict[str, ast.stmt]()
        self._modules: set[str] = set()
        self.changers: set[str] = set()
        """The functions that change their arguments."""
        self.texts: list[str] = []
        """Of the shipped modules that were imported."""

    def note(self, text: str, module: str = "") -> None:
        """Note what a cell, or a ``module``, defines, and the modules that it imports."""
        for imported in _imports_in(text):
            self._note_modules(imported, module)
        for node in cell_tree(text).body:
            if isinstance(node, _IMPORTS):  # of a shipped module, what it defines is known
                self._nodes = dict.fromkeys(targets_of(node), node) | self._nodes
            elif isinstance(node, DEFINITIONS) or self._is_made_of_them(node):
                self._nodes |= dict.fromkeys(targets_of(node), node)
                if changes_arguments(node):
                    self.changers |= targets_of(node)

    def _is_made_of_them(self, node: ast.stmt) -> bool:
        """Say whether a statement gives a definition another name, or makes an object of a class.

        What a function gave is data; that it was seeded, say, was before the test.
        """
        if not isinstance(node, _ASSIGNMENTS) or node.value is None:
            return False
        known = {name for name in names_of(node.value) if name in self._nodes}
        return any(isinstance(self._nodes[name], DEFINITIONS) for name in known) and all(
            isinstance(self._nodes[name], ast.ClassDef) for name in _called_in(node.value) & known
        )

    def _note_modules(self, node: ast.Import | ast.ImportFrom, module: str) -> None:
        for name in _modules_of(node, module):
            if name in self._modules:
                continue
            self._modules.add(name)
            if text := shipped_text(name):
                self.texts.append(text)
                self.note(text, name)

    def used_by(self, text: str) -> Iterator[ast.stmt]:
        """Give the definitions that a cell uses, and those that they use."""
        own = cell_tree(text)
        given = {id(node) for node in own.body}
        waiting, seen = [names_of(own)], set[str]()
        while waiting:
            for name in sorted(waiting.pop() - seen):
                seen.add(name)
                node = self._nodes.get(name)
                if node is None or id(node) in given:
                    continue
                given.add(id(node))
                waiting.append(names_of(node))
                yield node

    def whole(self, text: str) -> str:
        """Give the text of a cell with that of all definitions it uses."""
        return "\n".join([text, *map(_text_of, self.used_by(text))])


@lru_cache(maxsize=_CELLS)
def _imports_in(text: str) -> tuple[ast.Import | ast.ImportFrom, ...]:
    return tuple(node for node in ast.walk(cell_tree(text)) if isinstance(node, _IMPORTS))


@lru_cache(maxsize=_STATEMENTS)
def _called_in(node: ast.expr) -> frozenset[str]:
    """Name the functions that an expression calls by their names."""
    calls = (inner.func for inner in ast.walk(node) if isinstance(inner, ast.Call))
    return frozenset(func.id for func in calls if isinstance(func, ast.Name))


def _modules_of(node: ast.Import | ast.ImportFrom, module: str) -> list[str]:
    """Name the modules that a statement of a ``module`` may import."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    parts = module.split(".")
    # Whether it is a package, of which the first dot is, isn't known.
    above = (
        [parts[: len(parts) - up] for up in (node.level - 1, node.level)] if node.level else [[]]
    )
    tops = [".".join([*part, *(node.module or "").split(".")]).strip(".") for part in above]
    inner = [f"{top}.{alias.name}".strip(".") for top in tops for alias in node.names]
    return [name for name in (*tops, *inner) if name]


@lru_cache(maxsize=_STATEMENTS)
def _text_of(node: ast.stmt) -> str:
    return ast.unparse(node)
