"""What the release itself gives, and how much of it the examiner's room has for itself.

In the student's room everything can be changed by the student's code: data in place, classes by
new attributes, files by other ones. What the release gives and only its tests use is therefore
the examiner's own: functions, constants, classes and values that no answer has to do with, and
the files and modules that the lab ships.
"""

import ast
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from autograder.examiner_errors import StudentRoomGoneError
from autograder.examiner_source import (
    PURE_MODULES,
    Preparation,
    bound_names,
    names_in,
    needs_room,
    parse_cell,
    targets,
    words,
)
from autograder.handles import number_of
from autograder.lab_facts import DEFINITIONS

__all__ = ["Release", "use_shipped_modules"]

_DECORATORS = frozenset(
    {
        *("functools", "contextlib", "dataclasses", "lru_cache", "cache", "wraps", "dataclass"),
        *("contextmanager", "singledispatch", "total_ordering"),
    }
)
_STATEFUL = frozenset({"random", "numpy.random", "time", "pytest", "_pytest"})
Ask = Callable[..., Any]


def use_shipped_modules(folder: Path) -> None:
    """Let this process import the modules that a lab ships, from a copy out of anybody's reach."""
    if not any(folder.glob("*.py")) and not any(folder.glob("*/__init__.py")):
        return
    place = Path(tempfile.mkdtemp(prefix="shipped-"))
    shutil.copytree(folder, place, symlinks=True, dirs_exist_ok=True)
    sys.path.append(str(place))


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
    """

    def __init__(self, ask: Ask, names: Any, fresh: Any) -> None:
        self._ask, self._names, self._fresh = ask, names, fresh
        self._fresh_values: set[str] = set()
        self.known = False
        self.objects: dict[int, tuple[str, Any]] = {}
        self._kept: set[str] = set()
        self._changing: set[str] = set()
        self._values: set[str] = set()
        self._in_room: set[str] = set()
        self._words: dict[str, set[str]] = {}
        self._trusted = True
        self._cells = 0

    def begin(self, order: Mapping[str, Any]) -> None:
        """Learn what the reference solution binds, and have what it imports."""
        self.known = order["known"]
        self._kept = set(order["kept"])
        self._changing = set(order["changing"])
        self._names.students = set(order["students"])
        for text in order["imports"]:
            tree = parse_cell(text)
            tree.body = [node for node in tree.body if isinstance(node, ast.Import)]
            self._names.students -= bound_names(ast.unparse(tree))
            self._define(tree.body)
        self._import_from([node for text in order["imports"] for node in parse_cell(text).body])

    def _import_from(self, body: list[ast.stmt]) -> None:
        """Have what the reference takes out of modules: a metric, say, is nobody's to replace.

        Where the student's room has such a name, a test sees this room's own. What the reference
        binds in another way too, calls otherwise, or what has a state, is the student's room's.
        """
        froms = [node for node in body if isinstance(node, ast.ImportFrom) and _is_stateless(node)]
        others = {name for node in body if node not in froms for name in targets(node)}
        for node in froms:
            names = set(targets(node)) - others
            if names == set(targets(node)) and names.isdisjoint(self._names):
                self._define([node])
                own = {name: dict.pop(self._names, name, None) for name in names}
                self._names.imported |= {n: value for n, value in own.items() if value is not None}

    def answered(self) -> None:
        """Note that student code has run: from now on its room may lie."""
        self._trusted = False

    def ran(self, text: str, *, there: bool = False, fresh: bool = False) -> None:
        """Have for this room what a locked cell gave that was run in the student's.

        Nothing of it, if its functions are to run ``there``: each call is one question then. If
        they are to run in ``fresh`` rooms, what stands for them.
        """
        bound, students = bound_names(text), self._names.students
        if self.known:
            self._names.given |= bound - students
        if not self._trusted:
            self._forget(words(text) & self._values)
        body = parse_cell(text).body
        for node in body:
            self._note_state(node)
        if fresh:
            self._take_functions(body, bound - students)
        for node in body:
            if isinstance(node, DEFINITIONS) and not fresh:
                self._words[node.name] = names_in(node)
        if not there and not fresh:
            self._define([node for node in body if self._is_own(node, students)])
        for name in bound:
            value = dict.get(self._names, name)
            if callable(value) and getattr(value, "__module__", "") == "__main__":
                self.objects[id(value)] = (name, value)
        if self._trusted and self.known:
            self._take(bound)

    def take_fresh(self, text: str) -> None:
        """Have the values of cells with the tag, as a room without answers has them."""
        wanted = self._fresh_values & self.words(text)
        if wanted:
            for name, value in self._fresh.values(sorted(wanted)).items():
                dict.__setitem__(self._names, name, value)
            self._fresh_values -= wanted

    def words(self, text: str) -> set[str]:
        """Give the names that a cell uses, those within given functions that it uses included."""
        found, before = words(text), 0
        while len(found) != before:
            before = len(found)
            for name in found & set(self._words):
                found = found | self._words[name]
        return found

    def _take_functions(self, body: list[ast.stmt], bound: set[str]) -> None:
        """Have functions that stand for those of a cell whose calls get rooms of their own."""
        self._define([node for node in body if isinstance(node, (ast.Import, ast.ImportFrom))])
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name in bound:
                dict.__setitem__(self._names, node.name, self._fresh.function(node.name))
                self._values.discard(node.name)
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                self._fresh_values |= bound & set(targets(node))

    def _define(self, body: list[ast.stmt]) -> None:
        """Carry out the release's own definitions; one that fails here is the room's alone."""
        self._cells += 1
        for node in Preparation().visit(ast.Module(body, [])).body:
            with suppress(Exception, StudentRoomGoneError):
                code = compile(ast.Module([node], []), f"<given {self._cells}>", "exec")
                exec(code, self._names)  # noqa: S102 - the release's own text

    def _note_state(self, node: ast.stmt) -> None:
        """Note names of things that live in the student's room: a store, a base, an axis."""
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            module = getattr(node, "module", None)
            for alias in node.names:
                name = f"{module}.{alias.name}" if module else alias.name
                if needs_room(name) or (module and needs_room(module)):
                    self._in_room.add(f"{(alias.asname or alias.name).split('.')[0]}.")
        for inner in ast.walk(node):
            if isinstance(inner, ast.Global):  # a function of a locked cell counts with these
                self._in_room |= set(inner.names)
        if isinstance(node, ast.Assign) and _root(node.value) & self._in_room:
            self._in_room |= {form for name in targets(node) for form in (name, f"{name}.")}

    def _is_own(self, node: ast.stmt, students: set[str]) -> bool:
        """Say whether a statement of a locked cell is carried out here too."""
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            return True
        names = set(targets(node))
        if names & students or names_in(node) & self._in_room:
            return False
        if isinstance(node, ast.ClassDef):
            return node.name in self._kept
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return all(_root(item) & _DECORATORS for item in node.decorator_list)
        if not isinstance(node, ast.Assign):
            return False
        if not all(isinstance(target, ast.Name) for target in node.targets):
            return False
        return isinstance(node.value, ast.Lambda) or (
            _is_literal(node.value) and not names & self._changing
        )

    def _take(self, bound: set[str]) -> None:
        """Keep values that only tests use, as the student's room has them before any answer."""
        for name in sorted(bound & self._kept | self._values):
            if name not in self._values and dict.__contains__(self._names, name):
                continue
            with suppress(Exception, StudentRoomGoneError):
                found = self._ask("given", name)
                if type(found) is tuple and len(found) == 1 and number_of(found[0]) is None:
                    dict.__setitem__(self._names, name, found[0])
                    self._values.add(name)

    def _forget(self, names: set[str]) -> None:
        """Leave to the student's room what a locked cell has changed after an answer ran."""
        for name in names:
            dict.pop(self._names, name, None)
        self._values -= names


def _is_stateless(node: ast.ImportFrom) -> bool:
    """Say whether what is imported does the same in either room."""
    module = node.module or ""
    renamed = any(alias.asname not in (None, alias.name) for alias in node.names)
    if node.level or renamed or needs_room(module) or module in _STATEFUL:
        return False
    package = module.split(".", maxsplit=1)[0]
    return package in PURE_MODULES or package not in sys.stdlib_module_names


def _is_literal(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def _root(node: ast.AST) -> set[str]:
    """Give the name that an expression of attributes, items and calls begins with, in two forms.

    With a dot where something of it is used, so that a module and its name differ.
    """
    plain = True
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
        plain = False
    if not isinstance(node, ast.Name):
        return set()
    return {node.id} if plain else {node.id, f"{node.id}."}
