"""What the release itself gives, and how much of it the examiner's room has for itself.

In the student's room everything can be changed by the student's code: data in place, classes by
new attributes, files by other ones. What the release gives and only its tests use is therefore
the examiner's own: functions, constants, classes and values that no answer has to do with, and
the files and modules that the lab ships.
"""

import ast
import io
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import pandas as pd

from autograder.examiner_bases import GivenBases
from autograder.examiner_codec import tuple_fields
from autograder.examiner_containers import GivenContainers
from autograder.examiner_errors import StudentRoomGoneError
from autograder.examiner_made import Made
from autograder.examiner_preparation import prepared
from autograder.examiner_shipped import is_stateless, keeps_state
from autograder.examiner_source import (
    DEFINITIONS,
    bound_names,
    cell_tree,
    globals_of,
    globals_used,
    makes_tuples,
    names_of,
    needs_room,
    targets_of,
    words,
)
from autograder.examiner_twins import changes_arguments
from autograder.given_statements import as_assignment, is_literal, owner_of, roots_of
from autograder.handles import number_of
from autograder.lab_changes import changed_in, changing_by, may_change
from autograder.time_limit import CellTimeoutError, cpu_limit

__all__ = ["Release"]

_DECORATORS = frozenset(
    {
        *("functools", "contextlib", "dataclasses", "lru_cache", "cache", "wraps", "dataclass"),
        *("contextmanager", "singledispatch", "total_ordering"),
    }
)
_WORK_SECONDS = 2.0
_STATES = (np.random.Generator, np.random.RandomState, random.Random, Iterator, io.IOBase)
_FILES = frozenset(
    {"open", "Path", "load", "loads", "read_text", "read_bytes", "exists", "glob", "iterdir"}
    | {name for name in vars(pd) if name.startswith("read_")}
    | {"loadtxt", "genfromtxt", "fromfile", "load_npz", "imread", "connect"}
)
_OUTSIDE = frozenset(
    {
        *("input", "time", "now", "today", "utcnow", "perf_counter", "monotonic", "environ"),
        *("getenv", "uuid1", "uuid4", "getcwd", "cwd", "sleep", "print", "display", "globals"),
    }
)
_SHARED_STATE = re.compile(
    r"\brandom\.(?!default_rng\(|RandomState\(|Random\(|SeedSequence\(|Generator\(|PCG64\()"
)
Ask = Callable[..., Any]


class Release:
    """What locked cells give, in the examiner's room.

    Parameters
    ----------
    ask : callable
        Asks the student's room.
    names : TestNames
        The globals of the test cells.
    fresh : FreshCalls
        Calls given functions in rooms where no answer ran.
    bases : GivenBases
        Is told which classes the cells give.
    containers : GivenContainers
        Is told which containers they make.
    """

    def __init__(
        self, ask: Ask, names: Any, fresh: Any, bases: GivenBases, containers: GivenContainers
    ) -> None:
        self._ask, self._names, self._fresh = ask, names, fresh
        self._bases, self._containers = bases, containers
        self._fresh_values: set[str] = set()
        self.known = False
        self.changers: set[str] = set()
        """The given functions that change their arguments."""
        self.objects: dict[int, tuple[str, Any]] = {}
        self._kept: set[str] = set()
        self._private: set[str] = set()
        self._watched: set[str] = set()
        self._changing: set[str] = set()
        self._writes = False
        self._streams: set[str] = set()
        self._values: set[str] = set()
        self._in_room: set[str] = set()
        self._words: dict[str, frozenset[str]] = {}
        self._globals: dict[str, frozenset[str]] = {}
        self._made = Made()
        self._trusted = True

    def begin(self, order: Mapping[str, Any]) -> None:
        """Learn what the reference solution binds, and have what it imports."""
        self.known = order["known"]
        self._kept = set(order["kept"])
        self._private = set(order["private"])
        self._watched = set(order["watched"])
        self._changing = set(order["changing"])
        self._writes = bool(order["changes"])
        self._names.students = set(order["students"])
        self._names.rebound_there = set(order["rebound"])
        body = [node for text in order["imports"] for node in cell_tree(text).body]
        imports = [node for node in body if isinstance(node, ast.Import)]
        imports = [node for node in imports if not any(keeps_state(a.name) for a in node.names)]
        self._names.students -= {name for node in imports for name in targets_of(node)}
        self._define(imports)
        self._import_from(body)

    def _import_from(self, body: list[ast.stmt]) -> None:
        """Have what the reference takes out of modules: a metric, say, is nobody's to replace.

        Where the student's room has such a name, a test sees this room's own. What the reference
        binds in another way too, calls otherwise, or what has a state, is the student's room's.
        """
        froms = [node for node in body if isinstance(node, ast.ImportFrom) and is_stateless(node)]
        others = {name for node in body if node not in froms for name in targets_of(node)}
        for node in froms:
            names = targets_of(node)
            if names.isdisjoint(others) and names.isdisjoint(self._names):
                self._define([node])
                own = {name: dict.pop(self._names, name, None) for name in names}
                self._names.imported |= {n: value for n, value in own.items() if value is not None}

    def answered(self) -> None:
        """Note that student code has run: from now on its room may lie."""
        self._trusted = False
        self._containers.answered()

    def ran(self, text: str, *, there: bool = False, fresh: bool = False) -> None:
        """Have for this room what a locked cell gave that was run in the student's.

        Nothing of it, if its functions are to run ``there``: each call is one question then. If
        they are to run in ``fresh`` rooms, what stands for them.
        """
        bound, students = bound_names(text), self._names.students
        if self.known:
            self._names.given |= bound - students
        if not self._trusted:
            changed = (n for n in self._values & words(text) if self._may_change(text, n))
            self._let_go(set(changed))
        else:
            objects = self._made.objects_of(self._classes()) & words(text)
            self._let_go({name for name in objects if may_change(text, name)})
        body = cell_tree(text).body
        for node in body:
            self._note_state(node)
        if fresh:
            self._take_functions(body, bound - students)
        else:
            self._take_definitions(body, there=there)
        for name in bound:
            self._note_object(name, dict.get(self._names, name))
        if self._trusted and self.known:
            self._take(bound)
            self._containers.kept.take(sorted(bound & self._watched))
        if self.known and not there and not fresh:
            self._work_out(body)
        for name in bound & self._classes():
            self._note_object(name, dict.get(self._names, name))
        self._keep_together(body, there=there or fresh)
        if self._trusted and self.known:
            self._take(bound, whole=False)

    def _note_object(self, name: str, value: Any) -> None:
        """Note what stands for the student's room's object of that name, if it does."""
        if callable(value) and getattr(value, "__module__", "") == "__main__":
            self.objects[id(value)] = (name, value)

    def _take_definitions(self, body: list[ast.stmt], *, there: bool) -> None:
        for node in body:
            if isinstance(node, DEFINITIONS):
                self._words[node.name] = names_of(node)
                self._globals[node.name] = globals_used(node)
            if not there:
                self._bases.gave(node)
            if changes_arguments(node):
                self.changers |= targets_of(node)
        for node in () if there else body:
            if self._is_own(node, self._names.students):
                self._define([node])
                if isinstance(node, ast.Assign) and is_literal(node.value):
                    self._containers.wrote(node)
                if isinstance(node, ast.ClassDef):
                    self._made.note([node.name], self.closure(names_of(node)))
                    self._bases.have(node.name, dict.get(self._names, node.name))

    def _work_out(self, body: list[ast.stmt]) -> None:
        """Have by its own statement what only tests use and the student's room isn't believed on.

        After an answer ran, any value there may be another; before, one that stays there. The
        statement must be of what this room has and do the same here.
        """
        needed, made = self._needed(body), set[str]()
        for node in body if needed else ():
            names = targets_of(node)
            plain = as_assignment(node)
            if names & needed and plain is not None and self._is_alone(plain, names):
                with suppress(CellTimeoutError), cpu_limit(_WORK_SECONDS):
                    self._define([plain])
                made |= {name for name in names if dict.__contains__(self._names, name)}
                self._made.note(names & made, self.closure(names_of(plain)))
                self._streams |= {name for name in names if self._has_state(name)}
                continue
            made -= self._let_go(made & changing_by(node) if made & names_of(node) else set())
            if not isinstance(node, DEFINITIONS):
                # What is drawn from a generator there, isn't here: they aren't alike any more.
                self._forget(self._streams & self.closure(names_of(node)))
        self._values |= {name for name in made if dict.__contains__(self._names, name)}

    def _needed(self, body: list[ast.stmt]) -> set[str]:
        """Give the names of a cell that tests use and this room hasn't, and what those are of."""
        needed = {name for node in body for name in targets_of(node)} & self._kept
        needed = {name for name in needed if not dict.__contains__(self._names, name)}
        for node in reversed(body) if needed else ():
            plain = as_assignment(node)
            if plain is not None and not needed.isdisjoint(targets_of(node)):
                needed |= self.closure(names_of(plain.value))
        return needed

    def _has_state(self, name: str) -> bool:
        return isinstance(dict.get(self._names, name), _STATES)

    def _may_change(self, text: str, name: str) -> bool:
        return self._has_state(name) or may_change(text, name)

    def _is_alone(self, node: ast.Assign, names: frozenset[str]) -> bool:
        """Say whether an assignment needs nothing of the student's room and changes nothing."""
        if not all(isinstance(target, ast.Name) for target in node.targets):
            return False
        if not names <= self._private - self._changing or not names.isdisjoint(self._names):
            return False
        found = self.closure(names_of(node.value))
        own = [dict.get(self._names, name) for name in found]
        there = self._names.given | self._names.students
        used = _closed(globals_used(node.value), self._globals)
        missing = {n for n in used & there if not dict.__contains__(self._names, n)}
        return (
            {*found, *(f"{name}." for name in found)}.isdisjoint(self._in_room)
            and not missing
            and not any(self._has_state(name) for name in found - self._streams)
            and not any(map(number_of, own))
            and _OUTSIDE.isdisjoint(found)
            and (not self._writes or _FILES.isdisjoint(found))
            and not _SHARED_STATE.search(ast.unparse(node))
        )

    def take_fresh(self, text: str) -> None:
        """Have the values of cells with the tag, as a room without answers has them."""
        if not self._fresh_values:
            return
        if wanted := self._fresh_values & self.words(text):
            for name, value in self._fresh.values(sorted(wanted)).items():
                dict.__setitem__(self._names, name, value)
            self._fresh_values -= wanted

    def words(self, text: str) -> frozenset[str]:
        """Give the names that a cell uses, those within given functions that it uses included."""
        return self.closure(words(text))

    def closure(self, found: frozenset[str]) -> frozenset[str]:
        """Add to names those within given functions of these names."""
        return _closed(found, self._words)

    def _take_functions(self, body: list[ast.stmt], bound: frozenset[str]) -> None:
        """Have functions that stand for those of a cell whose calls get rooms of their own."""
        self._define([node for node in body if isinstance(node, (ast.Import, ast.ImportFrom))])
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name in bound:
                dict.__setitem__(self._names, node.name, self._fresh.function(node.name))
                self._values.discard(node.name)
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                self._fresh_values |= bound & targets_of(node)

    def _define(self, body: Iterable[ast.stmt]) -> None:
        """Carry out the release's own definitions; one that fails here is the room's alone."""
        for code in (code for node in body for code in prepared(node)):
            with suppress(Exception, StudentRoomGoneError):
                exec(code, self._names)  # noqa: S102 - the release's own text

    def _note_state(self, node: ast.stmt) -> None:
        """Note names of things that live in the student's room: a store, a base, an axis."""
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            module = getattr(node, "module", None)
            for alias in node.names:
                name = f"{module}.{alias.name}" if module else alias.name
                if needs_room(name) or (module and needs_room(module)):
                    self._in_room.add(f"{(alias.asname or alias.name).split('.')[0]}.")
        self._in_room |= globals_of(node)  # a function of a locked cell counts with these
        if isinstance(node, ast.Assign) and roots_of(node.value) & self._in_room:
            self._in_room |= {form for name in targets_of(node) for form in (name, f"{name}.")}

    def _is_own(self, node: ast.stmt, students: set[str]) -> bool:
        """Say whether a statement of a locked cell is carried out here too."""
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            return True
        names = targets_of(node)
        if names & students or names_of(node) & self._in_room:
            return False
        if makes_tuples(node):
            return True
        if isinstance(node, ast.ClassDef):
            return node.name in self._kept
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            # What counts its own calls, say, is one object: the student's room's, if used there.
            changed = self._changing - self._private if self.known else changed_in(node)
            has_state = not names.isdisjoint(changed)
            return not has_state and all(map(self._is_usual, node.decorator_list))
        if not isinstance(node, ast.Assign):
            return False
        if all(isinstance(target, ast.Attribute) for target in node.targets):
            owners = [dict.get(self._names, name) for name in map(owner_of, node.targets)]
            return is_literal(node.value) and all(type(one) is FunctionType for one in owners)
        if not all(isinstance(target, ast.Name) for target in node.targets):
            return False
        return isinstance(node.value, ast.Lambda) or (
            is_literal(node.value) and not names & self._changing
        )

    def _is_usual(self, decorator: ast.expr) -> bool:
        """Say whether a decorator does here what it does there: Python's, or a library's."""
        names = roots_of(decorator)
        if names & _DECORATORS:
            return True
        own = [dict.get(self._names, name) for name in names if not name.endswith(".")]
        return any(isinstance(value, ModuleType) for value in own)

    def _keep_together(self, body: list[ast.stmt], *, there: bool) -> None:
        """Leave classes to the student's room of which a test finds objects there."""
        for node in body if self._classes() else ():
            if not self._is_here(node, there=there) and self._reaches_tests(node):
                self._let_go(self._classes() & self.closure(names_of(node)))

    def _is_here(self, node: ast.stmt, *, there: bool) -> bool:
        """Say whether this room has all that a statement of a locked cell gives."""
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            return True
        names = targets_of(node)
        plain = isinstance(node, DEFINITIONS) or as_assignment(node) is not None
        return plain and not there and all(dict.__contains__(self._names, name) for name in names)

    def _reaches_tests(self, node: ast.stmt) -> bool:
        """Say whether what a statement gives or changes is used by tests."""
        if isinstance(node, DEFINITIONS):
            return node.name in self._kept
        found = self.closure(targets_of(node) | changing_by(node))
        return not self._kept.isdisjoint(found - set(self._words))

    def _classes(self) -> set[str]:
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

    def _let_go(self, names: set[str]) -> set[str]:
        """Leave what these names stand for to the student's room, and all of its kin."""
        gone = self._made.kin(names, self._classes()) if names else names
        self._made.forget(gone)
        self._bases.let_go(gone)
        self._forget(gone)
        return gone

    def _take(self, bound: frozenset[str], *, whole: bool = True) -> None:
        """Keep values that only tests use, as the student's room has them before any answer.

        If they are to be ``whole``, without those that have objects of the student's room in them.
        """
        for name in sorted(bound & self._kept | self._values):
            if (name not in self._values or not whole) and dict.__contains__(self._names, name):
                continue
            with suppress(Exception, StudentRoomGoneError):
                found = self._ask("given", name)
                if type(found) is not tuple or len(found) != 1 or number_of(found[0]) is not None:
                    continue
                if not whole or not _holds_handles(found[0]):
                    dict.__setitem__(self._names, name, found[0])
                    self._values.add(name)

    def _forget(self, names: set[str]) -> None:
        """Leave to the student's room what a locked cell has changed after an answer ran."""
        for name in names:
            dict.pop(self._names, name, None)
        self._values -= names
        self._streams -= names


def _closed(found: frozenset[str], of: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Add to names those of what they stand for, as often as there are any."""
    before = 0
    while len(found) != before:
        before = len(found)
        found = found.union(*(of[name] for name in found if name in of))
    return found


def _holds_handles(value: Any, depth: int = 4) -> bool:
    """Say whether a value is of the student's room, or a container that has something of it."""
    if number_of(value) is not None:
        return True
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if not depth or not isinstance(value, (list, tuple, set, frozenset)):
        return False
    return any(_holds_handles(item, depth - 1) for item in value)
