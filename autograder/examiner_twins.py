"""Containers that both rooms have a copy of and that stand for one object.

A log that a test hands over and the student's code keeps, a table of the student's that a test
fills in, a list of an object that a test empties: in one process each is a single object. Such
copies are numbered alike in both rooms. What a test does to one is brought to the student's room
with the next question, and what the student's code does to it comes back with the answer.
"""

import ast
import builtins
import collections
from collections.abc import Callable, Iterable, Set
from functools import lru_cache
from typing import Any, NamedTuple

import pandas as pd

from autograder import wire_numpy, wire_pandas, wire_stdlib  # noqa: F401 - they add their types
from autograder.examiner_source import cell_tree, names_in, targets
from autograder.handles import HandleError, number_of
from autograder.lab_changes import changed_in
from autograder.wire_changes import ChangeError, apply_change
from autograder.wire_looks import Parts, is_alike, look_into
from autograder.wire_values import MUTABLE, Json, need

__all__ = ["Twins", "asks_identity", "changes_arguments", "changes_in_place", "handed_over"]

Look = Parts | list[Any]

_ALL = 100_000
_FEW = 500
_RECENT = 64
_TABLES = (pd.DataFrame, pd.Series)
_LISTS = (list, dict, set, collections.deque)
_CELLS, _ITEMS = 50_000, 200_000
"""How much is looked at of all tables, and of all lists and the like."""
_SHUFFLING = frozenset({"shuffle", "heappush", "heappop", "heapify", "insort", "fill_diagonal"})
_FILLING = frozenset({"rotate", "fill", "subtract", "move_to_end", "symmetric_difference_update"})
_LITERALS = (ast.Constant, ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_IDENTITY = frozenset({"id", "assertIs", "assertIsNot"})


class _Changes(NamedTuple):
    """What a piece of a cell changes in place, and what it makes of what."""

    changed: frozenset[str]
    bound: tuple[tuple[frozenset[str], frozenset[str]], ...]
    """Names that stand for what is made of others."""
    calls: tuple[tuple[str, frozenset[str], frozenset[str]], ...]
    """Functions that are called, their parameters if they are its own, and what they are handed."""


@lru_cache(maxsize=4096)
def _changes(tree: ast.AST) -> _Changes:
    nodes = list(ast.walk(tree))
    changed, bound, calls = changed_in(tree), [], []
    own = {node.name: _parameters(node) for node in nodes if isinstance(node, _FUNCTIONS)}
    for node in nodes:
        if isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in _SHUFFLING and node.args:
                changed |= names_in(node.args[0])
            elif called in _FILLING and isinstance(node.func, ast.Attribute):
                changed |= names_in(node.func.value)
            elif called and (handed := _names_handed(node)):
                calls.append((called, own.get(called, frozenset[str]()), handed))
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.AugAssign)):
            if node.value is not None and not _is_made_here(node.value):
                bound.append((frozenset(targets(node)), frozenset(names_in(node.value))))
        elif isinstance(node, (ast.For, ast.AsyncFor)):
            bound.append((frozenset(targets(node.target)), frozenset(names_in(node.iter))))
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            names = frozenset(names_in(node.context_expr))
            bound.append((frozenset(targets(node.optional_vars)), names))
    return _Changes(frozenset(changed), tuple(bound), tuple(calls))


def _is_made_here(value: ast.expr) -> bool:
    """Say whether an expression makes a container of other things than parts of objects."""
    parts = value.values if isinstance(value, ast.Dict) else getattr(value, "elts", [])
    return isinstance(value, _LITERALS) and not any(isinstance(x, ast.Attribute) for x in parts)


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> frozenset[str]:
    return frozenset(inner.arg for inner in ast.walk(node.args) if isinstance(inner, ast.arg))


def _names_handed(node: ast.Call) -> frozenset[str]:
    """Give the names in what a call hands over."""
    given = (*node.args, *(keyword.value for keyword in node.keywords))
    return frozenset(name for value in given for name in names_in(value))


@lru_cache(maxsize=512)
def changes_arguments(node: ast.stmt) -> bool:
    """Say whether a statement defines a function that changes its arguments in place.

    Examples
    --------
    >>> texts = "def clear(w): w[:] = 0", "def total(w): n = [0]; n[0] += sum(w); return n[0]"
    >>> [changes_arguments(ast.parse(text).body[0]) for text in texts]
    [True, False]
    """
    return isinstance(node, _FUNCTIONS) and _changes_in_place(node, _parameters(node))


def changes_in_place(
    text: str,
    names: Set[str],
    is_theirs: Callable[[str], bool] = lambda _: False,
    changers: Set[str] = frozenset(),
) -> bool:
    r"""Say whether a test cell changes in place what it has of the student's.

    Parameters
    ----------
    text : str
        The cell.
    names : set of str
        The names that students define, or are given.
    is_theirs : callable
        Says whether a name of an earlier test cell stands for something of the student's.
    changers : set of str
        The given functions that change their arguments.

    Examples
    --------
    >>> changes_in_place("cart.clear(); add('egg')", {"cart", "add"})
    True
    >>> changes_in_place("board = new()\nboard.rows[0][0] = 'X'", {"new"})
    True
    >>> changes_in_place("def clear(w): w[:] = 0\nclear(new().w)", {"new"})
    True
    >>> changes_in_place("seen = []\nseen.append(add('egg'))", {"add"})
    False
    """
    return _changes_in_place(cell_tree(text), names, is_theirs, changers)


def _changes_in_place(
    tree: ast.AST,
    names: Set[str],
    is_theirs: Callable[[str], bool] = lambda _: False,
    changers: Set[str] = frozenset(),
) -> bool:
    own, made, calls = _changes(tree)
    changed = own.union(*(handed for called, _, handed in calls if called in changers))
    if not changed:
        return False
    bound = [*made, *((given, handed) for called, given, handed in calls if called not in changers)]
    words = changed.union(*(of for _, of in bound))
    theirs, before = {word for word in words if word in names or is_theirs(word)}, -1
    while before != len(theirs):
        before = len(theirs)
        for names_made, of in bound:
            if not theirs.isdisjoint(of):
                theirs |= names_made
    return not changed.isdisjoint(theirs)


@lru_cache(maxsize=512)
def handed_over(text: str) -> frozenset[str]:
    r"""Give the names that a cell hands to functions which aren't Python's own.

    Examples
    --------
    >>> sorted(handed_over("filled = fill(load, by=step)\nassert len(load) == sum(x)"))
    ['load', 'step']
    """
    found: set[str] = set()
    for node in ast.walk(cell_tree(text)):
        if isinstance(node, ast.Call) and not hasattr(builtins, getattr(node.func, "id", "")):
            given = (*node.args, *(keyword.value for keyword in node.keywords))
            found |= {value.id for value in given if isinstance(value, ast.Name)}
    return frozenset(found)


@lru_cache(maxsize=512)
def asks_identity(text: str) -> bool:
    """Say whether a test cell asks if something is the very same object as something else.

    Examples
    --------
    >>> texts = "assert load() is load()", "case.assertIs(a, b)", "assert found is None"
    >>> [asks_identity(text) for text in texts]
    [True, True, False]
    """
    return any(map(_asks_identity, ast.walk(cell_tree(text))))


def _asks_identity(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return getattr(node.func, "attr", getattr(node.func, "id", "")) in _IDENTITY
    if not isinstance(node, ast.Compare):
        return False
    sides = (node.left, *node.comparators)
    asked = any(isinstance(operator, (ast.Is, ast.IsNot)) for operator in node.ops)
    return asked and not any(isinstance(side, ast.Constant) for side in sides)


class Twins:
    """The containers of this room that the student's room has too."""

    def __init__(self) -> None:
        self._all: list[Any] = []
        self._looks: collections.OrderedDict[int, Look] = collections.OrderedDict()
        self._numbers: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._all)

    def number(self, value: Any) -> int | None:
        """Give the number of a container that the student's room has; None for any other."""
        return self._numbers.get(id(value))

    def values(self) -> list[Any]:
        """Give all of them, by their numbers."""
        return self._all

    def add(self, value: Any) -> None:
        """Note that the student's room has kept a container, or holds what it gave."""
        number = len(self._all)
        need(number < _ALL, "fewer containers that both rooms have")
        self._all.append(value)
        self._numbers[id(value)] = number
        self._looks[number] = _look_at(value)
        while len(self._looks) > _RECENT:
            self._looks.popitem(last=False)
        if isinstance(value, _TABLES):
            self._spare(_CELLS, lambda kept: kept.size if isinstance(kept, _TABLES) else 0)
        elif isinstance(value, _LISTS):
            self._spare(_ITEMS, lambda kept: len(kept) if isinstance(kept, _LISTS) else 0)

    def _spare(self, left: int, size: Callable[[Any], int]) -> None:
        """Look no more at those that came first, where all of a kind are too much."""
        for number in [*reversed(self._looks)]:
            of_this = size(self._all[number])
            left -= of_this
            if left < 0 and of_this:
                del self._looks[number]

    def take(self, number: Json, value: Any) -> Any:
        """Give this room's container for one that an answer holds."""
        need(type(number) is int and 0 <= number <= len(self._all), "a container of both rooms")
        if number_of(value) is not None and number < len(self._all):
            return value  # it has got something by now that doesn't cross
        need(type(value) in MUTABLE, "a container of both rooms")
        if number == len(self._all):
            self.add(value)
            return value
        own = self._all[number]
        if own is not value:
            try:
                apply_change(own, value)
            except ChangeError as error:
                raise HandleError(str(error)) from None
        self._looks[number] = _look_at(own, self._looks.get(number))
        return own

    def changed(self) -> list[Any]:
        """Give those that were changed here since both rooms' copies were alike."""
        recent = [(number, self._all[number], look) for number, look in self._looks.items()]
        return [value for _, value, look in recent if _has_changed(value, look)]

    def is_changed(self, value: Any) -> bool:
        """Say whether one was changed here since both rooms' copies were alike."""
        look = self._looks.get(self._numbers.get(id(value), -1))
        return look is not None and _has_changed(value, look)

    def alike(self, values: Iterable[Any]) -> None:
        """Note that both rooms' copies of these are alike now."""
        for value in values:
            number = self._numbers.get(id(value))
            if number is not None and number in self._looks:
                self._looks[number] = _look_at(value, self._looks[number])


def _look_at(value: Any, before: Look | None = None) -> Look:
    """Give what is in a container, part by part where it is long."""
    if isinstance(value, _LISTS) and len(value) > _FEW:
        return Parts(value, before if type(before) is Parts else None)
    return look_into(value)


def _has_changed(value: Any, look: Look) -> bool:
    now = _look_at(value, look)
    if type(now) is Parts and type(look) is Parts:
        return now.first_other(look) is not None
    return type(now) is not type(look) or not is_alike(now, look)  # type: ignore[arg-type]
