"""The names that a test cell sees: its own and the release's first, then the student's.

A name that a test or the release defines, imports or that Python itself has is never looked up
in the student's room, whatever the student bound to it. Any other name is looked up there, each
time anew. Assigning or deleting a name of the student's reaches the student's room; so does a
function in place of one of Python's own, and a stand-in for a module that answers import.
"""

import builtins
import re
from collections.abc import Callable, Set
from contextlib import suppress
from types import ModuleType
from typing import Any

from autograder.examiner_link import ExaminerLink
from autograder.handles import number_of

__all__ = ["TestNames"]


class TestNames(dict[str, Any]):
    """The globals of the test cells."""

    __test__ = False
    stays_here = True

    def __init__(self) -> None:
        super().__init__(__name__="__main__", __builtins__=builtins)
        self.link: ExaminerLink | None = None
        self.students: set[str] = set()
        self.given: set[str] = set()
        self.rebound_there: set[str] = set()
        """The names that functions of the student's bind: what a test binds to one stays there."""
        self.in_room: set[str] = set()
        self.imported: dict[str, Any] = {}
        self.modules: set[str] = set()
        """What the lab's own answers import: modules, which a test may replace for them."""
        self.watching = False
        self.found: Callable[[str, Any], None] | None = None
        """Is told what a name was found to stand for."""
        self._shared: set[str] = set()
        self._gone: set[str] = set()
        self._pythons: set[str] = set()
        """Names of Python's own that the cell speaks of: what it puts there is for answers too."""

    def __missing__(self, name: str) -> Any:
        """Look a name up in the student's room, unless Python itself has it."""
        if self.link is None or self._is_pythons(name) or name in self._gone:
            raise KeyError(name)
        if (function := self.link.functions.get(name)) is not None:
            return self.imported.get(name, function)
        found = self.link.ask("given" if name in self.given else "name", name)
        if type(found) is not tuple or len(found) != 1:
            raise KeyError(name)
        if (number := number_of(found[0])) is not None:
            self.link.names_of[number] = name
        if self.found is not None:
            self.found(name, found[0])
        return self.imported.get(name, found[0])

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        is_there = name in self.in_room or name in self._pythons
        if self.watching and is_there and self._reaches(name, value):
            self._shared.add(name)
            self._gone.discard(name)
            self._tell("bind", name, value)
            if name in self.rebound_there:
                super().__delitem__(name)

    def __delitem__(self, name: str) -> None:
        own = dict.__contains__(self, name)
        if own:
            super().__delitem__(name)
        reaches = (
            self.watching
            and (name in self.in_room or name in self._pythons & self._shared)
            and (not own or name in self._shared or name in self.given)
        )
        if reaches:
            self._tell("unbind", name)
            self._gone.add(name)
        elif not own:
            raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in self.in_room - self._gone

    def of_both(self) -> dict[str, Any]:
        """Give the names of both rooms with what they stand for now."""
        there = sorted((self.in_room - self._gone).difference(self))
        found = dict(self)
        for name in there:
            with suppress(KeyError):
                found[name] = self[name]
        return found

    def get(self, name: str, default: Any = None) -> Any:
        """Give a name's value, from either room."""
        try:
            return self[name]
        except KeyError:
            return default

    def known(self, name: str) -> Any:
        """Give what a cell has bound or imported by a name; None where that isn't known."""
        if dict.__contains__(self, name) or name in self.imported:
            return dict.get(self, name, self.imported.get(name))
        return self.get(name) if name in self.students else None

    def begin(self, words: Set[str], text: str) -> None:
        """Start a test cell in which these names and attributes occur."""
        self._gone.clear()
        self.in_room = self._look_around(words)
        # Also in texts: `patch("__main__.input")`.
        spoken = set(_WORD.findall(text))
        self.in_room |= spoken & self.modules
        self._pythons = {name for name in spoken - self.students - self.given if _is_pythons(name)}
        self.watching = True

    def _look_around(self, words: Set[str]) -> set[str]:
        """Learn which names the student's room has, and what functions a cell may want."""
        if self.link is None:
            return set()
        # Only names that the lab itself speaks of: a test's other words are its own.
        wanted = [
            word
            for word in sorted(words & (self.students | self.given))
            if not (dict.__contains__(self, word) or self._is_pythons(word))
        ]
        given = [name for name in wanted if name in self.given]
        others = [name for name in wanted if name not in self.given]
        found = self.link.ask("look", others, given)
        names, functions = found if type(found) is tuple and len(found) == 2 else ([], {})
        if type(names) is not list or type(functions) is not dict:
            return set()
        for name in wanted:
            if (number := number_of(functions.get(name))) is not None:
                self.link.names_of[number] = name
                self.link.functions[name] = functions[name]
        return {name for name in names if type(name) is str}

    def carried(self) -> Set[str]:
        """Give the names that tests have bound in both rooms."""
        return self._shared

    def end(self) -> None:
        """End a test cell: from here on, assignments are the room's own business."""
        self.watching = False

    def rebound(self, names: Set[str]) -> None:
        """Let go of names that a cell in the student's room has bound since."""
        for name in names & (self._shared | self.students):
            if dict.__contains__(self, name) and not name.startswith("_room_"):
                super().__delitem__(name)
            self._shared.discard(name)

    def _reaches(self, name: str, value: Any) -> bool:
        """Say whether an assignment goes to the student's room.

        Names that the release itself gives or asks for, and the student's own objects put back.
        Anything else that a test binds to a name which the student happens to use as well doesn't:
        it may be what the test expects. A function in place of one of Python's, or something in
        place of a module, is there to be found.
        """
        if name in self._pythons:
            return callable(value)
        if name in self.modules:
            is_module = type(value) is ModuleType  # back again, or what the test imports itself
            is_stand_in = callable(value) or type(value).__module__ in _STAND_INS
            return name in self._shared if is_module else is_stand_in
        return name in self.students or name in self.given or number_of(value) is not None

    def _is_pythons(self, name: str) -> bool:
        if name in self.students:
            return False
        return _is_pythons(name) or name in _SHELL or name.startswith("__")

    def _tell(self, op: str, *args: Any) -> None:
        if self.link is not None:
            self.link.ask(op, *args)


def _is_pythons(name: str) -> bool:
    return hasattr(builtins, name) and not name.startswith("_")


_WORD = re.compile(r"[A-Za-z]\w*")
_STAND_INS = frozenset({"__main__", "types", "unittest.mock"})
_SHELL = frozenset({"get_ipython", "exit", "quit", "In", "Out", "_", "__", "___", "_i", "_ii"})
