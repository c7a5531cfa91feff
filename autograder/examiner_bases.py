"""Classes of locked cells that a test derives its own from, and the operators of such classes.

A given class lives in the student's room, where answers use it. A test that derives one from it
gets the same statement carried out in the examiner's room as a base: what is inherited is the
release's text, and the objects are the test's. In the student's room they count as objects of the
class there. Operators that students' objects have of such a class are the release's text too. A
class that a test derives from a student's is made in the student's room; what its body writes is
the test's.
"""

import ast
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from types import FunctionType
from typing import Any, cast

from autograder.examiner_derived import base_in_room
from autograder.examiner_preparation import prepared
from autograder.examiner_source import cell_tree, names_of, words
from autograder.handles import label_of, number_of
from autograder.lab_facts import class_members

__all__ = ["GivenBases"]

_TURNED_ROUND = {"__gt__": "__lt__", "__lt__": "__gt__", "__ge__": "__le__", "__le__": "__ge__"}


def _has(kind: type, method: str) -> bool:
    """Say whether a class has an operator of its own, written in Python."""
    return isinstance(getattr(kind, method, None), FunctionType)


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
        self._later: dict[str, list[ast.stmt]] = {}
        self._made: dict[str, type] = {}
        self._operators: set[str] = set()
        self._derived: dict[int | None, dict[str, FunctionType]] = {}
        """What the bodies of the test's classes have that were made in the student's room."""
        self._protocols: set[str] = set()

    def gave(self, node: ast.stmt) -> None:
        """Note a class that a locked cell has defined, or what it has set on one since."""
        if isinstance(node, ast.ClassDef):
            self._nodes[node.name], self._later[node.name] = node, []
            self._operators |= class_members([ast.unparse(node)])[node.name]
            self._made.pop(node.name, None)
            if any("Protocol" in names_of(base) for base in node.bases):
                self._protocols.add(node.name)
        for target in node.targets if isinstance(node, ast.Assign) else ():
            match target:
                case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in self._nodes:
                    self._later[name].append(node)
                    self._operators.add(attribute)
                    if self._made.get(name) is not dict.get(self._names, name):
                        self._made.pop(name, None)

    def may_inherit(self, text: str) -> bool:
        """Say whether a test cell defines classes and speaks of a given one."""
        return not self._nodes.keys().isdisjoint(words(text)) and any(
            isinstance(node, ast.ClassDef) for node in ast.walk(cell_tree(text))
        )

    def have(self, name: str, kind: Any) -> None:
        """Note that this room has a locked cell's class for itself."""
        if isinstance(kind, type):
            self._made[name] = kind

    def let_go(self, names: Iterable[str]) -> None:
        """Forget that this room has classes for itself."""
        for name in names:
            self._made.pop(name, None)

    def base_for(self, handle: Any) -> type:
        """Give what a test's class is derived from: a given class, or one of the student's room."""
        return self.given_base(handle) or base_in_room(self._link, handle)

    def given_base(self, handle: Any) -> type | None:
        """Give the class of this room that stands for a given one; None for any other."""
        name = self._name_of(handle)
        if name is not None and name not in self._made:
            found: dict[str, Any] = {}
            with suppress(Exception):
                nodes = (self._nodes[name], *self._later[name])
                for code in (code for node in nodes for code in prepared(node)):
                    exec(code, self._names, found)  # noqa: S102 - the release's own text
            if isinstance(kind := found.get(name), type):
                self._made[name] = kind
        return None if name is None else self._made.get(name)

    def derived(self, made: Any, body: Mapping[str, Any], operators: frozenset[str]) -> None:
        """Note a test's class that was made in the student's room.

        Parameters
        ----------
        made : Handle
            The class.
        body : mapping of str to object
            What the statement binds.
        operators : frozenset of str
            Those that answers are asked to give it.
        """
        self._derived[number_of(made)] = {}
        for name, value in body.items():
            self.was_set(made, name, value)
        self._link.judge.asks_for(made, operators)

    def was_set(self, kind: Any, name: str, value: Any) -> None:
        """Note what the test has set on a class, if that is one of its own."""
        own = self._derived.get(number_of(kind))
        if own is not None and type(value) is FunctionType:
            own[name] = value
            self._operators.add(name)

    def own_operator(self, handle: Any, method: str) -> Callable[..., Any] | None:
        """Give an operator that a test's class writes for an object; None if none does."""
        if not any(method in body for body in self._derived.values()):
            return None
        bodies = (self._derived.get(number_of(kind), {}) for kind in self._ancestry(handle))
        return next((body[method] for body in bodies if method in body), None)

    def made_for(self, handle: Any) -> type | None:
        """Give the class that a test's was derived from, if one was, and a given protocol."""
        name = self._name_of(handle) if self._made or self._protocols else None
        if name in self._protocols:
            return self.given_base(handle)
        return None if name is None else self._made.get(name)

    def name_for(self, kind: type) -> str | None:
        """Name the given class that a test's class is derived from, the nearest one."""
        if not self._made:
            return None
        known = {id(made): name for name, made in self._made.items()}
        return next((known[id(base)] for base in kind.__mro__ if id(base) in known), None)

    def operator_for(self, handle: Any, method: str) -> Callable[..., Any] | None:
        """Give an operator that an object has of a given class; None if it has none of one."""
        if self._operators.isdisjoint({method, _TURNED_ROUND.get(method, method)}):
            return None
        for kind in self._ancestry(handle):
            own = self._derived.get(number_of(kind), {})
            if method in own:
                return own[method]
            if _TURNED_ROUND.get(method) in own:
                return lambda *_: NotImplemented
            base = self.given_base(kind) if number_of(kind) is not None else None
            if base is not None and _has(base, method):
                return cast("Callable[..., Any]", getattr(base, method))
            if base is not None and _has(base, _TURNED_ROUND.get(method, "")):
                return lambda *_: NotImplemented  # Python asks the other one in turn
        return None

    def method_for(self, handle: Any, name: str) -> Callable[..., Any] | None:
        """Give a method that an object has of a given class, as its text says it, if it has one."""
        for kind in self._ancestry(handle):
            base = self.given_base(kind) if number_of(kind) is not None else None
            if isinstance(method := vars(base or object).get(name), FunctionType):
                return partial(method, handle)
        return None

    def _ancestry(self, handle: Any) -> list[Any]:
        found: list[Any] = self._link.judge.ancestry(handle)
        return found

    def _name_of(self, handle: Any) -> str | None:
        """Name the class of a locked cell that a handle is on; None if it isn't on one."""
        name, number = label_of(handle).removeprefix("class "), number_of(handle)
        if name not in self._nodes or name not in self._names.given:
            return None
        if self._link.names_of.get(number) != name:
            found = self._link.ask("given", name)
            if type(found) is not tuple or len(found) != 1 or number_of(found[0]) != number:
                return None
            self._link.names_of[number] = name
        return name
