"""Which statements of locked cells the examiner's room carries out for itself.

What belongs together is of one room: a function or a class, and each later statement that changes
it, by an attribute, by a decorator that registers something, or by deriving from it. So such a
statement is carried out in both rooms, or what it changes is left to the student's room.
"""

import ast
import io
import random
from collections.abc import Iterator, Set
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from autograder.examiner_codec import tuple_fields
from autograder.examiner_source import (
    DEFINITIONS,
    globals_of,
    globals_used,
    makes_tuples,
    names_of,
    needs_room,
    targets_of,
)
from autograder.given_statements import (
    changed_definitions,
    closed,
    decorating,
    extends,
    handed_whole,
    is_literal,
    is_of_outside,
    roots_of,
    uses_files,
)
from autograder.handles import number_of
from autograder.lab_changes import changed_in, may_change

__all__ = ["GivenRules"]

_DECORATORS = frozenset(
    {
        *("functools", "contextlib", "dataclasses", "lru_cache", "cache", "wraps", "dataclass"),
        *("contextmanager", "singledispatch", "total_ordering"),
    }
)
_CHANGES = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Delete)
_ROOMS = frozenset({"globals", "input", "signal", "display"})
_STATES = (np.random.Generator, np.random.RandomState, random.Random, Iterator, io.IOBase)


class GivenRules:
    """Knows what this room has of locked cells, and what can be carried out with that alone.

    Parameters
    ----------
    names : TestNames
        The globals of the test cells.
    """

    def __init__(self, names: Any) -> None:
        self._names = names
        self.known = False
        self.kept: set[str] = set()
        self.private: set[str] = set()
        self.changing: set[str] = set()
        self.writes = False
        self.streams: set[str] = set()
        """The generators, files and the like that were made here."""
        self.held: set[str] = set()
        """What was written out here and is changed: a log, a cache of what only tests use."""
        self.in_room: set[str] = set()
        self.words_of: dict[str, frozenset[str]] = {}
        self._globals_of: dict[str, frozenset[str]] = {}
        self._changes_of: dict[str, frozenset[str]] = {}

    def note_state(self, node: ast.stmt) -> None:
        """Note names of things that live in the student's room: a store, a base, an axis."""
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            module = getattr(node, "module", None)
            for alias in node.names:
                name = f"{module}.{alias.name}" if module else alias.name
                if needs_room(name) or (module and needs_room(module)):
                    self.in_room.add(f"{(alias.asname or alias.name).split('.')[0]}.")
        self.in_room |= globals_of(node)  # a function of a locked cell counts with these
        if isinstance(node, ast.Assign) and roots_of(node.value) & self.in_room:
            self.in_room |= {form for name in targets_of(node) for form in (name, f"{name}.")}

    def note(self, node: ast.stmt) -> None:
        """Note what a statement of a locked cell uses and changes, before its cell is here."""
        if not self.known:
            self.changing |= changed_in(node)
        if isinstance(node, DEFINITIONS):
            self.words_of[node.name] = names_of(node)
            self._globals_of[node.name] = used = globals_used(node)
            self._changes_of[node.name] = used & changed_in(node)

    def closure(self, found: frozenset[str]) -> frozenset[str]:
        """Add to names those within given functions of these names."""
        return closed(found, self.words_of)

    def classes(self) -> set[str]:
        """Give the names of the locked cells' classes that this room has for itself."""
        own = {name: dict.get(self._names, name) for name in self._names.given}
        # A handle would ask the student's room for its class.
        return {
            name
            for name, value in own.items()
            if issubclass(type(value), type)
            and value.__module__ == "__main__"
            and tuple_fields(value) is None  # they cross as they are
        }

    def changed_by(self, node: ast.stmt) -> set[str]:
        """Give the names of this room's own functions and classes that a statement may change."""
        found, handed = changed_definitions(node) | self._changed_in_calls(node), handed_whole(node)
        classes = self.classes() if found or handed else set()
        functions = {
            n
            for n in found
            if type(value := dict.get(self._names, n)) is FunctionType
            and value.__module__ == "__main__"
        }
        return functions | (found & self.held) | (found | handed) & classes

    def _changed_in_calls(self, node: ast.stmt) -> frozenset[str]:
        """Give what is changed by the functions that a statement is there to call."""
        called = [node] if isinstance(node, ast.Expr) else decorating(node)
        return self.changed_within(frozenset[str]().union(*map(names_of, called)))

    def changed_within(self, found: frozenset[str]) -> frozenset[str]:
        """Give what the functions and classes of these names change of the notebook's."""
        used = self.closure(found)
        return frozenset[str]().union(*(self._changes_of.get(name, ()) for name in used))

    def is_own(self, node: ast.stmt, changed: Set[str]) -> bool:
        """Say whether a statement of a locked cell is carried out here too.

        What it changes of this room's functions and classes is ``changed``.
        """
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            return True
        names = targets_of(node)
        if names & self._names.students - {"_"} or names_of(node) & self.in_room:
            return False
        if makes_tuples(node):
            return True
        if isinstance(node, ast.ClassDef):
            return node.name in self.kept and self._has_decorators(node)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            # What counts its own calls, say, is one object: the student's room's, if used there.
            changing = self.changing - self.private if self.known else changed_in(node)
            return names.isdisjoint(changing) and self._has_decorators(node)
        if changed:
            return self._is_change(node, changed)
        if not isinstance(node, ast.Assign):
            return False
        if not all(isinstance(target, ast.Name) for target in node.targets):
            return False
        return isinstance(node.value, ast.Lambda) or (
            is_literal(node.value)
            and (not names & self.changing or (self.known and names <= self.private))
        )

    def _is_change(self, node: ast.stmt, changed: Set[str]) -> bool:
        """Say whether a statement changes functions and classes here as in the student's room."""
        if not isinstance(node, _CHANGES) or targets_of(node) or not changed_in(node) <= changed:
            return False
        plain = isinstance(node, ast.Assign) and is_literal(node.value)
        return (plain and changed.isdisjoint(self.classes())) or self._is_sound(node)

    def _has_decorators(self, node: ast.stmt) -> bool:
        """Say whether the decorators of a definition do here what they do there."""
        return all(self._is_usual(one) or self._is_ours(one, node) for one in decorating(node))

    def _is_ours(self, decorator: ast.expr, node: ast.stmt) -> bool:
        """Say whether a decorator is the lab's own, and all of it is here.

        What it makes is then this room's: where only tests use it, it may have a state.
        """
        given = {name for name in roots_of(decorator) if name in self._names.given}
        if not given and isinstance(node, ast.ClassDef):
            return True
        alone = targets_of(node) <= self.private or extends(decorator)
        found = self.closure(names_of(decorator))
        return (
            bool(given)
            and alone
            and all(dict.__contains__(self._names, name) for name in given)
            and self._has_all(decorator)
            and _ROOMS.isdisjoint(found)
            and not (self.writes and uses_files(found))
        )

    def _is_usual(self, decorator: ast.expr) -> bool:
        """Say whether a decorator does here what it does there: Python's, or a library's."""
        names = roots_of(decorator)
        if names & _DECORATORS:
            return True
        own = [dict.get(self._names, name) for name in names if not name.endswith(".")]
        return any(isinstance(value, ModuleType) for value in own)

    def is_alone(self, node: ast.Assign, names: frozenset[str]) -> bool:
        """Say whether an assignment needs nothing of the student's room and changes nothing."""
        if not all(isinstance(target, ast.Name) for target in node.targets):
            return False
        if not names <= self.private - self.changing or not names.isdisjoint(self._names):
            return False
        return self._is_sound(node.value)

    def _is_sound(self, node: ast.AST) -> bool:
        """Say whether a piece of a cell does the same here as in the student's room."""
        found = self.closure(names_of(node))
        return (
            self._has_all(node)
            and not is_of_outside(found, ast.unparse(node))
            and not (self.writes and uses_files(found))
        )

    def _has_all(self, node: ast.AST) -> bool:
        """Say whether this room has for itself all that carrying out a piece of a cell takes."""
        found = self.closure(names_of(node))
        own = [dict.get(self._names, name) for name in found]
        there = self._names.given | self._names.students
        used = closed(globals_used(node), self._globals_of)
        missing = {n for n in used & there if not dict.__contains__(self._names, n)}
        return (
            {*found, *(f"{name}." for name in found)}.isdisjoint(self.in_room)
            and not missing
            and not any(self.has_state(name) for name in found - self.streams)
            and not any(map(number_of, own))
        )

    def has_state(self, name: str) -> bool:
        """Say whether a name stands for a generator, a file or the like, of this room."""
        return isinstance(dict.get(self._names, name), _STATES)

    def may_change(self, text: str, name: str) -> bool:
        """Say whether a cell may change what a name stands for, by using it if it has a state."""
        return self.has_state(name) or may_change(text, name)

    def fills(self, node: ast.stmt, made: set[str]) -> bool:
        """Say whether a definition is handed to what was made here, which it does here too."""
        roots = set().union(*map(roots_of, decorating(node)))
        names = targets_of(node) - {"_"}
        return (
            bool(roots & made)
            and names <= self.private - self.changing
            and not isinstance(node, ast.ClassDef)
            and self._has_decorators(node)
        )
