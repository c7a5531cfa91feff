"""What the release itself gives, and how much of it the examiner's room has for itself.

In the student's room everything can be changed by the student's code: data in place, classes by
new attributes, files by other ones. What the release gives and only its tests use is therefore
the examiner's own: functions, constants, classes and values that no answer has to do with, and
the files and modules that the lab ships.
"""

import ast
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from autograder.examiner_bases import GivenBases
from autograder.examiner_containers import GivenContainers
from autograder.examiner_errors import StudentRoomGoneError
from autograder.examiner_made import Made
from autograder.examiner_preparation import prepared
from autograder.examiner_shipped import is_stateless, keeps_state
from autograder.examiner_source import (
    DEFINITIONS,
    bound_names,
    cell_tree,
    names_of,
    targets_of,
    words,
)
from autograder.examiner_twins import changes_arguments
from autograder.given_rules import GivenRules
from autograder.given_statements import (
    as_assignment,
    handed_to_decorators,
    is_literal,
)
from autograder.handles import number_of
from autograder.lab_changes import changing_by, may_change
from autograder.time_limit import CellTimeoutError, cpu_limit

__all__ = ["Release"]

_WORK_SECONDS = 2.0
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
        self._rules = GivenRules(names)
        self.known = False
        self.changers: set[str] = set()
        """The given functions that change their arguments."""
        self.objects: dict[int, tuple[str, Any]] = {}
        self._watched: set[str] = set()
        self._values: set[str] = set()
        self._lost: set[str] = set()
        self._made = Made()
        self._trusted = True

    def begin(self, order: Mapping[str, Any]) -> None:
        """Learn what the reference solution binds, and have what it imports."""
        self.known = self._rules.known = order["known"]
        self._rules.kept = set(order["kept"])
        self._rules.private = set(order["private"])
        self._watched = set(order["watched"])
        self._rules.changing = set(order["changing"])
        self._rules.writes = bool(order["changes"])
        self._names.students = set(order["students"])
        self._names.rebound_there = set(order["rebound"])
        body = [node for text in order["imports"] for node in cell_tree(text).body]
        imports = [node for node in body if isinstance(node, ast.Import)]
        imports = [node for node in imports if not any(keeps_state(a.name) for a in node.names)]
        self._names.modules = {name for node in imports for name in targets_of(node)}
        self._names.students -= self._names.modules
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
            changed = (n for n in self._values & words(text) if self._rules.may_change(text, n))
            self._let_go(set(changed))
        else:
            objects = self._made.objects_of(self._rules.classes()) & words(text)
            self._let_go({name for name in objects if may_change(text, name)})
        body = cell_tree(text).body
        for node in body:
            self._rules.note_state(node)
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
        for name in bound & self._rules.classes():
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
            self._rules.note(node)
            if not there:
                self._bases.gave(node)
            if changes_arguments(node):
                self.changers |= targets_of(node)
        for node in body:
            changed = self._rules.changed_by(node)
            if there or not self._rules.is_own(node, changed) or not self._define([node]):
                self._leave(node, changed)
            else:
                if isinstance(node, ast.Assign) and is_literal(node.value):
                    self._have_literal(node)
                if isinstance(node, ast.ClassDef):
                    self._made.note([node.name], self._rules.closure(names_of(node)))
                    self._bases.have(node.name, dict.get(self._names, node.name))

    def _have_literal(self, node: ast.Assign) -> None:
        """Note what a locked cell has written out, of which this room has its own."""
        names = targets_of(node)
        self._lost -= names
        if names & self._rules.changing:
            self._rules.held |= names
        else:
            self._containers.wrote(node)

    def _leave(self, node: ast.stmt, changed: set[str]) -> None:
        """Leave to the student's room what a statement changes that is carried out there alone.

        What is changed there whenever a test calls something stays there.
        """
        if not isinstance(node, DEFINITIONS):
            gone = self._rules.closure(names_of(node)) & self._rules.held
        elif node.name in self._rules.kept:
            gone = self._rules.changed_within(names_of(node)) | handed_to_decorators(node)
            gone &= self._rules.private
            self._lost |= gone
        else:
            gone = frozenset()
        back = self._let_go(changed | gone) & self._rules.held
        self._rules.held -= back
        self._values |= back - self._lost if self._trusted else set()

    def _work_out(self, body: list[ast.stmt]) -> None:
        """Have by its own statement what only tests use and the student's room isn't believed on.

        After an answer ran, any value there may be another; before, one that stays there. The
        statement must be of what this room has and do the same here.
        """
        needed, made = self._needed(body), set[str]()
        for node in body if needed else ():
            names = targets_of(node)
            plain = as_assignment(node)
            if made & names_of(node) and self._rules.fills(node, made) and self._define([node]):
                continue
            if names & needed and plain is not None and self._rules.is_alone(plain, names):
                with suppress(CellTimeoutError), cpu_limit(_WORK_SECONDS):
                    self._define([plain])
                made |= {name for name in names if dict.__contains__(self._names, name)}
                self._made.note(names & made, self._rules.closure(names_of(plain)))
                self._rules.streams |= {name for name in names if self._rules.has_state(name)}
                continue
            made -= self._let_go(made & changing_by(node) if made & names_of(node) else set())
            if not isinstance(node, DEFINITIONS):
                # What is drawn from a generator there, isn't here: they aren't alike any more.
                self._forget(self._rules.streams & self._rules.closure(names_of(node)))
        self._values |= {name for name in made if dict.__contains__(self._names, name)}

    def _needed(self, body: list[ast.stmt]) -> set[str]:
        """Give the names of a cell that tests use and this room hasn't, and what those are of."""
        needed = {name for node in body for name in targets_of(node)} & self._rules.kept
        needed = {name for name in needed if not dict.__contains__(self._names, name)}
        for node in reversed(body) if needed else ():
            plain = as_assignment(node)
            if plain is not None and not needed.isdisjoint(targets_of(node)):
                needed |= self._rules.closure(names_of(plain.value))
        return needed

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
        return self._rules.closure(words(text))

    def _take_functions(self, body: list[ast.stmt], bound: frozenset[str]) -> None:
        """Have functions that stand for those of a cell whose calls get rooms of their own."""
        self._define([node for node in body if isinstance(node, (ast.Import, ast.ImportFrom))])
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name in bound:
                dict.__setitem__(self._names, node.name, self._fresh.function(node.name))
                self._values.discard(node.name)
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                self._fresh_values |= bound & targets_of(node)

    def _define(self, body: Iterable[ast.stmt]) -> bool:
        """Carry out the release's own statements; say whether all of them could be.

        A definition that fails here is the room's alone.
        """
        done = True
        for code in (code for node in body for code in prepared(node)):
            try:
                exec(code, self._names)  # noqa: S102 - the release's own text
            except (Exception, StudentRoomGoneError):
                done = False
        return done

    def _keep_together(self, body: list[ast.stmt], *, there: bool) -> None:
        """Leave classes to the student's room of which a test finds objects there."""
        for node in body if self._rules.classes() else ():
            if not self._is_here(node, there=there) and self._reaches_tests(node):
                self._let_go(self._rules.classes() & self._rules.closure(names_of(node)))

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
            return node.name in self._rules.kept
        found = self._rules.closure(targets_of(node) | changing_by(node))
        return not self._rules.kept.isdisjoint(found - set(self._rules.words_of))

    def _let_go(self, names: set[str]) -> set[str]:
        """Leave what these names stand for to the student's room, and all of its kin."""
        gone = self._made.kin(names, self._rules.classes()) if names else names
        self._made.forget(gone)
        self._bases.let_go(gone)
        self._forget(gone)
        return gone

    def _take(self, bound: frozenset[str], *, whole: bool = True) -> None:
        """Keep values that only tests use, as the student's room has them before any answer.

        If they are to be ``whole``, without those that have objects of the student's room in them.
        """
        for name in sorted((bound & self._rules.kept | self._values) - self._lost):
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
        self._rules.streams -= names


def _holds_handles(value: Any, depth: int = 4) -> bool:
    """Say whether a value is of the student's room, or a container that has something of it."""
    if number_of(value) is not None:
        return True
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if not depth or not isinstance(value, (list, tuple, set, frozenset)):
        return False
    return any(_holds_handles(item, depth - 1) for item in value)
