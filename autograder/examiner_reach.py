"""What a test and the code it tests share in one process, kept alike across two rooms.

Files of the working folder, the global random generators, and the source of a function. Each is
carried over only for test cells that mention it, so that an ordinary question stays cheap.
"""

import functools
import inspect
import os
import re
import sys
import warnings
from collections.abc import Callable, Set
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.core.computation import eval as evaluation

from autograder.examiner_decimals import Decimals
from autograder.examiner_errors import StudentRoomGoneError
from autograder.examiner_files import Files
from autograder.examiner_link import ExaminerLink
from autograder.examiner_logs import Listening
from autograder.examiner_patches import Patches
from autograder.examiner_random import Generators
from autograder.examiner_source import definition, written_at
from autograder.examiner_surroundings import Surroundings
from autograder.examiner_warnings import Warnings
from autograder.handles import HandleError, describe, number_of
from autograder.wire_values import need

__all__ = [
    "Reach",
    "guard_process",
    "patch_dataclasses",
    "patch_expressions",
    "patch_inspect",
]

_INSIDES = re.compile(r"@\s*\w+|\b__\w+|\._\w+")
_ATTRS = ("fields", "fields_dict", "asdict", "astuple", "evolve", "has", "validate")
_OF_CLASSES = {
    "dataclasses": ("fields", "asdict", "astuple", "is_dataclass", "replace"),
    "typing": ("get_type_hints",),
    "inspect": ("get_annotations", "getattr_static"),
    "attr": _ATTRS,
    "attrs": _ATTRS,
    "msgspec": ("convert", "to_builtins"),
    "msgspec.json": ("decode", "encode"),
    "msgspec.structs": ("asdict", "astuple", "fields", "replace"),
}
"""Functions that a test asks about objects and classes, which may be the student's."""


class Reach:
    """Carries files and generator states between the rooms around each question."""

    def __init__(self, link: ExaminerLink) -> None:
        self._link = link
        self._busy = False
        self.files = Files(link)
        self._patches = Patches(link)
        self.pythons = self._patches.pythons
        self._surroundings = Surroundings(link)
        self._listening = Listening(link)
        self._warnings = Warnings(link)
        link.answers.log_again = self._listening.hear
        self._decimals = Decimals(link.ask)
        self.generators = Generators(link)
        link.handing = self.generators.handed

    def begin(
        self, words: Set[str], text: str, find: Callable[[str], Any], *, whole: str = ""
    ) -> None:
        """Start a test cell in which these names and attributes occur; ``find`` gives a name's.

        ``whole`` is its text with that of the helpers it calls. They act as the test does, but what
        answers have put into the environment is for tests that name it themselves.
        """
        self._patches.begin(whole or text, find)
        self._surroundings.begin(words, text)
        self._decimals.begin(words)
        self._listening.begin(words)
        self.files.begin(words)
        self.generators.begin(whole or text, active="random" in words)
        self._warnings.begin()
        self._link.take_aside = self._patches.pythons.take
        self._link.before_question = self.before
        self._link.after_question = self.after
        self._link.to_see = self.to_see
        if self.files.active:
            self.after()
            self.files.make_temporary()

    def before(self) -> None:
        """Bring to the student's room what changed here."""
        if self._busy:
            return
        self._busy = True
        try:
            self._patches.carry()
            self._surroundings.carry()
            self._decimals.carry()
            self._listening.carry()
            self._warnings.carry()
            if self.files.active:
                self.files.carry()
            self.generators.carry()
        finally:
            self._busy = False

    def end(self) -> None:
        """End a test cell: what it took back is taken back in the student's room too."""
        with suppress(Exception, StudentRoomGoneError):
            self._patches.carry()
            self._surroundings.carry()
            self._decimals.carry()
            self._listening.carry()
            self._warnings.carry()
            if self.files.active:
                self.files.carry()
            self.generators.carry()
            self._link.settle()

    def to_see(self) -> dict[str, str]:
        """Give what the answer to a question is to tell about, if it is otherwise there."""
        random = self.generators.known()
        return ({} if random is None else {"random": random}) | self.files.known()

    def after(self) -> None:
        """Bring here what changed in the student's room."""
        if self._busy:
            return
        self._busy = True
        seen, self._link.seen = self._link.seen, None
        need(seen is None or type(seen) is dict, "what is otherwise than it was")
        try:
            self._surroundings.fetch()
            self._decimals.fetch()
            if self.files.active:
                self.files.fetch(seen)
            self.generators.fetch(seen)
        finally:
            self._busy = False


def patch_inspect(link: ExaminerLink, texts: list[str]) -> None:
    """Let ``inspect`` answer about the student's functions from the notebook's text."""
    original = {name: getattr(inspect, name) for name in ("getsource", "getsourcelines")}

    def source_of(value: Any) -> str:
        told = link.ask("defined", value)
        need(type(told) is tuple and len(told) == 3, "where something is defined")
        qualname, file, line = told
        called = link.names_of.get(number_of(value) or 0, "")
        found = definition(texts, qualname, called=called) if type(qualname) is str else None
        if found and type(file) is str and file and type(line) is int:
            # Its code may be another function's, or in no cell at all.
            found = written_at(texts, file, line, found)
            if found is None:
                raise OSError("could not get source code")
        if found is None:
            raise OSError(f"no answer cell defines {describe(value)}")
        link.claim(f"the source of {describe(value)}")
        return found

    def getsource(value: Any) -> Any:
        if number_of(value) is None:
            return original["getsource"](value)
        return source_of(value)

    def getsourcelines(value: Any) -> Any:
        if number_of(value) is None:
            return original["getsourcelines"](value)
        return source_of(value).splitlines(keepends=True), 1

    def isabstract(kind: Any) -> bool:
        if number_of(kind) is None:
            return bool(plainly_abstract(kind))
        link.claim(f"the methods that {describe(kind)} lacks")
        return bool(kind.__abstractmethods__) if hasattr(kind, "__abstractmethods__") else False

    plainly_abstract = inspect.isabstract
    setattr(inspect, "isabstract", isabstract)  # noqa: B010 - typed for its own kind of function
    setattr(inspect, "getsource", getsource)  # noqa: B010 - typed for its own kind of function
    setattr(inspect, "getsourcelines", getsourcelines)  # noqa: B010


def patch_expressions(own: Callable[[], str], may_run: Callable[[str], bool]) -> None:
    """Keep pandas from looking up in a test what a student's expression asks for.

    ``frame.query(text)`` may use ``@name`` for any variable of whoever calls it, and attributes
    down to Python's own insides. A test may; what a student wrote for it gets columns.

    Parameters
    ----------
    own : callable
        Gives the text of the tests and given cells.
    may_run : callable
        Says whether a text may be run beside the tests: where an expression isn't one of a table,
        its plain names are the test's variables.
    """
    original = evaluation.eval

    @functools.wraps(original)
    def checked(expr: Any, *args: Any, **names: Any) -> Any:
        has_columns = len(args) > 4 or names.get("resolvers")
        if isinstance(expr, str) and not has_columns and not may_run(expr):
            raise HandleError(
                f"the expression {expr[:200]!r} would be worked out among the names of the test, "
                "which hasn't written it. Tag the test cell 'student-room', or evaluate it of a "
                "table, whose columns are its names."
            )
        if isinstance(expr, str) and (asked := set(_INSIDES.findall(expr))):
            here = set(_INSIDES.findall(own()))
            if not asked <= here:
                raise HandleError(
                    f"the expression {expr[:200]!r} asks for {min(asked - here)!r}, which no test "
                    "speaks of: in the examiner's room an expression of the student's gets columns "
                    "and plain values. Tag the test cell 'student-room' if it is to get more."
                )
        names["level"] = names.get("level", 0) + 1
        return original(expr, *args, **names)

    evaluation.eval = pd.eval = checked


def patch_dataclasses(link: ExaminerLink) -> Callable[[], None]:
    """Let ``fields``, ``asdict`` and the like answer about the student's data classes.

    And ``get_type_hints``, which evaluates the texts that a student wrote as annotations. What is
    given back does the same for libraries that are loaded by then.
    """
    waiting = dict(_OF_CLASSES)

    def asking(module: str, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def function(*args: Any, **names: Any) -> Any:
            if all(number_of(value) is None for value in (*args, *names.values())):
                return original(*args, **names)
            there = link.ask("get", link.ask("module", module), name)
            link.annotating = name in _HINTS
            return link.ask("call", there, *args, **names)

        return function

    def patch() -> None:
        for module in waiting.keys() & sys.modules.keys():
            place = sys.modules[module]
            for name in waiting.pop(module):
                setattr(place, name, asking(module, name, getattr(place, name)))

    patch()
    return patch


def guard_process(
    add_hook: Callable[[Callable[[str, Any], None]], None],
    compiling: Callable[[Any, Any], None] = lambda *_: None,
    is_asking: Callable[[], bool] = lambda: False,
) -> None:
    """Keep this process from running what student code may have written.

    What a test imports from the working folder is then found in the student's room alone.

    Parameters
    ----------
    add_hook : callable
        Adds an audit hook.
    compiling : callable, optional
        Is told what is about to be compiled, and in which frame.
    is_asking : callable, optional
        Says whether student code runs meanwhile: code may come about by what it hands over.
    """
    allowed = os.getpid()
    own = (sys.prefix, sys.base_prefix, *(path for path in sys.path if path))

    def is_students(name: Any) -> bool:
        text = os.fspath(name) if isinstance(name, (str, os.PathLike)) else ""
        if type(text) is not str or text.startswith("<") or "\0" in text:
            return False
        # What is made up has a name and no file.
        return not os.path.normpath(text).startswith(own) and Path(text).exists()

    def nothing_in(name: str) -> Any:
        if is_students(name):
            return _Nothing()
        raise ImportError(name)

    sys.path_hooks.insert(0, nothing_in)
    for place in filter(is_students, list(sys.path_importer_cache)):
        del sys.path_importer_cache[place]

    def hook(event: str, args: Any) -> None:
        if event == "compile":
            compiling(args[0], sys._getframe(1))
        name = getattr(args[0], "co_filename", args[0]) if event in _RUNNING and args else None
        if name and is_students(name):
            raise HandleError(
                "a file that isn't of an installed package isn't run in the examiner's room: it "
                "may be the student's. Import it, in the test cell, by a name that isn't "
                "installed: then it is the student's room's. Or tag the test cell 'student-room'."
            )
        if event == "pickle.find_class" and os.getpid() == allowed:
            raise HandleError(
                "a pickled file isn't loaded in the examiner's room, where it could run code. "
                "Load it with `joblib.load` or `pickle.load`, which a test cell asks of the "
                "student's room, or tag the test cell 'student-room'."
            )
        if event in _MAKING and is_asking() and not _is_for_that(sys._getframe(1).f_code, own):
            raise HandleError(
                "code isn't made from parts in the examiner's room while an answer runs, which "
                "may have given them. Tag the test cell 'student-room' if it is to do so."
            )
        if event in _PROGRAMS:
            raise HandleError(
                f"a test in the examiner's room doesn't start programs ({event}). Let a given "
                "function do it, in a locked cell with the tag 'fresh-room'; or import "
                "`subprocess` in the test cell, which then is the student's room's; or tag the "
                "test cell 'student-room'."
            )

    warnings.filterwarnings("ignore", message="coroutine .* was never awaited")
    add_hook(hook)


def _is_for_that(code: Any, installed: tuple[str, ...]) -> bool:
    """Say whether a library's function speaks of code itself; others make what they are handed."""
    is_own = code.co_filename.startswith(_PACKAGE) or not code.co_filename.startswith(installed)
    return not is_own and not _OF_CODE.isdisjoint(code.co_names)


_PACKAGE = os.path.join(os.path.dirname(__file__), "")  # noqa: PTH118, PTH120 - as code has it
_OF_CODE = frozenset({"replace", "CodeType", "FunctionType"})
_HINTS = frozenset({"get_type_hints", "get_annotations"})


class _Nothing:
    """Finds no module."""

    def find_spec(self, *_: Any) -> None:
        """Find none."""


_MAKING = frozenset({"code.__new__", "function.__new__"})
_RUNNING = frozenset({"exec", "ctypes.dlopen"})
_PROGRAMS = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn"})
