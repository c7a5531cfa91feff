"""Classes of locked cells that a test derives its own from.

Such a class lives in the student's room, where answers use it. A test that derives one from it
gets the same statement carried out in the examiner's room as a base: what is inherited is the
release's text, and the objects are the test's. In the student's room they count as objects of the
class there.
"""

import ast
from contextlib import suppress
from typing import Any

from autograder.examiner_preparation import prepared
from autograder.examiner_source import cell_tree, words
from autograder.handles import label_of, number_of

__all__ = ["GivenBases"]


class GivenBases:
    """The classes of locked cells, by name, and what stands for them as bases of a test's.

    Parameters
    ----------
    link : ExaminerLink
        Knows which names stand for handles.
    names : TestNames
        The globals of the test cells.
    """

    def __init__(self, link: Any, names: Any) -> None:
        self._link, self._names = link, names
        self._nodes: dict[str, ast.ClassDef] = {}
        self._made: dict[str, type] = {}

    def gave(self, node: ast.stmt) -> None:
        """Note a class that a locked cell has defined."""
        if isinstance(node, ast.ClassDef):
            self._nodes[node.name] = node
            self._made.pop(node.name, None)

    def may_inherit(self, text: str) -> bool:
        """Say whether a test cell defines classes and speaks of a given one."""
        return not self._nodes.keys().isdisjoint(words(text)) and any(
            isinstance(node, ast.ClassDef) for node in ast.walk(cell_tree(text))
        )

    def base_for(self, handle: Any) -> type | None:
        """Give the class to derive a test's class from; None if no locked cell gave it."""
        name = self._name_of(handle)
        if name is not None and name not in self._made:
            found: dict[str, Any] = {}
            with suppress(Exception):
                for code in prepared(self._nodes[name]):
                    exec(code, self._names, found)  # noqa: S102 - the release's own text
            if isinstance(kind := found.get(name), type):
                self._made[name] = kind
        return None if name is None else self._made.get(name)

    def made_for(self, handle: Any) -> type | None:
        """Give the class that a test's was derived from, if one was."""
        name = self._name_of(handle) if self._made else None
        return None if name is None else self._made.get(name)

    def name_for(self, kind: type) -> str | None:
        """Name the given class that a test's class is derived from, the nearest one."""
        if not self._made:
            return None
        known = {id(made): name for name, made in self._made.items()}
        return next((known[id(base)] for base in kind.__mro__ if id(base) in known), None)

    def _name_of(self, handle: Any) -> str | None:
        name: str | None = self._link.names_of.get(number_of(handle))
        is_given = name in self._nodes and name in self._names.given
        return name if is_given and label_of(handle) == f"class {name}" else None
