"""The examiner's room: runs the test cells, asks the student's room, reports to the coordinator.

The tests, what they expect and their results are in this process and in no other. Results leave
on a socket of their own.
"""

import asyncio
import builtins
import importlib
import re
import select
import socket
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from types import CodeType, new_class
from typing import Any

from autograder.capture import Capture, CapturedStream
from autograder.cell_frames import cell_lines
from autograder.examiner_bases import GivenBases
from autograder.examiner_commands import Commands
from autograder.examiner_containers import GivenContainers
from autograder.examiner_derived import base_in_room, room_super
from autograder.examiner_errors import (
    STEERING,
    StudentRoomGoneError,
    StudentTimeoutError,
    rise_of,
)
from autograder.examiner_evaluation import Evaluation, patch_formulas
from autograder.examiner_fresh import FreshCalls
from autograder.examiner_given import Release
from autograder.examiner_helpers import Helpers
from autograder.examiner_hints import hints, misused
from autograder.examiner_identity import room_is
from autograder.examiner_imports import patch_import_strings, patch_imports
from autograder.examiner_json import patch_json
from autograder.examiner_link import ExaminerLink
from autograder.examiner_names import TestNames
from autograder.examiner_own_work import OwnWork, Weakly, patch_process
from autograder.examiner_reach import (
    Reach,
    guard_process,
    patch_dataclasses,
    patch_expressions,
    patch_inspect,
)
from autograder.examiner_shipped import use_shipped_modules
from autograder.examiner_source import bound_names, has_coroutines, room_imports, words
from autograder.examiner_suites import patch_suites
from autograder.examiner_texts import (
    check_annotation,
    patch_formats,
    patch_logging,
    patch_references,
    patch_yaml,
)
from autograder.examiner_twins import asks_identity, changes_in_place, handed_over
from autograder.examiner_waiting import patch_waiting
from autograder.handle_unions import patch_unions
from autograder.handles import HandleError, describe, number_of
from autograder.hidden_regions import visible_text
from autograder.lab_changes import noting_classes
from autograder.match_patterns import as_pattern
from autograder.room_files import keep_home
from autograder.room_shells import examiner_shell
from autograder.time_limit import CellTimeoutError, cpu_limit
from autograder.wire import Bounds, Channel, WireError

__all__ = ["main"]

_DATABASES = "sqlite3"
_MESSAGE = 8_000
_MANY_QUESTIONS = 1_000
_OF_FORMULAS = frozenset({"formulaic", "statsmodels"})
_MASKS = frozenset({"ma", "mask", "MaskedArray", "masked_array"})
_REDIRECTING = frozenset({"stdout", "redirect_stdout"})
_SEEDING = frozenset({"seed", "setstate", "set_state"})
_PRIVATE_FIELD = re.compile(r"\{[^{}]*[.\[]_")


class _Room:
    def __init__(self, orders: Channel, questions: Channel, desk: socket.socket) -> None:
        self.orders = orders
        self.link = ExaminerLink(questions)
        self.shell, self.names = examiner_shell()
        self.names.link = self.link
        self.reach = Reach(self.link)
        self.shell.pythons = self.reach.pythons
        self.capture = Capture()
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.texts: list[str] = []
        self.own_texts: list[str] = []
        self.helpers = Helpers()
        self.keeps_databases = False
        """Whether the databases of tests are this room's."""
        self.imports: dict[str, str] = {}
        """The student's room's modules that locked cells import, by what they are called there."""
        self.earlier: list[Any] = []
        """What a cell has shown that was run once more."""
        self.shell.capture_into(self.capture)
        sys.stdout = CapturedStream(self.capture, "stdout", 1)
        sys.stderr = CapturedStream(self.capture, "stderr", 2)
        self.classes: dict[str, frozenset[str]] = {}
        self.fields: dict[str, Any] = {}
        self.given_fields: dict[str, Any] = {}
        self.decorators: dict[str, Sequence[str]] = {}
        """The functions that change a class they decorate, with the operators they give it."""
        self.bases = self.link.bases = GivenBases(self.link, self.names)
        self.link.judge.given_method = self.bases.method_for
        self.link.lending.name_of_base = self.bases.name_for
        self.link.lending.notes = self._notes
        self.containers = GivenContainers(self.link, self.names)
        fresh = FreshCalls(orders, desk, self.link)
        self.release = Release(self.link.ask, self.names, fresh, self.bases, self.containers)
        self.link.objects.given = self.release.objects
        self.link.judge.written = lambda: self._written(self.classes)
        self.link.fields.written = lambda: [
            *self._written(self.fields),
            *self._written(self.given_fields, "given"),
        ]
        self.link.objects.is_named = self._is_named
        self.link.objects.is_mentioned = lambda name: any(name in words(t) for t in self.own_texts)
        self.link.objects.is_written = lambda name: name in self.classes
        self.link.own_work = OwnWork(lambda: self.own_texts, self.link.claim)
        self.link.own_work.class_names = self.link.objects.classes
        self.link.answers.is_tests_name = self._is_tests_name
        self.evaluation = Evaluation(self.names, lambda: self.own_texts)
        self._functions()
        use_shipped_modules(
            keep_home(),
            {name: self.names[name] for name in self.names if name.startswith("_room_")},
        )
        self._patches()

    def _patches(self) -> None:
        """Have libraries of this room know handles, and what may be a student's text."""
        patch_inspect(self.link, self.texts)
        self.patch_classes = patch_dataclasses(self.link)
        patch_process(self.link.ask, lambda: self.link.waited)
        patch_waiting(self.link, lambda: self.own_texts, self.names)
        patch_expressions(self._own_text, self.evaluation.may_run)
        patch_logging(self._own_text)
        patch_imports(self._own_text)
        patch_unions()
        patch_suites(self.link.ask)
        patch_json(self.link.sayings.has_value, self.link.sayings.value_of)
        patch_references(self._own_text, self.evaluation.may_be_a_type)
        patch_formats(self._check_format)
        guard_process(sys.addaudithook, self.evaluation.compiling, self.link.is_asking)

    def _own_text(self) -> str:
        return "\n".join(self.own_texts)

    def _notes(self, kind: type) -> bool:
        """Say whether objects of a test's class note what is done with them."""
        names = {base.__name__ for base in kind.__mro__}
        return any(not names.isdisjoint(noting_classes(text)) for text in self.own_texts)

    def _functions(self) -> None:
        """Put the functions in reach that :class:`CellCompiler` lets a test call."""
        put = dict.__setitem__
        put(self.names, "_room_module", self._module)
        put(self.names, "_room_part", self._part)
        put(self.names, "_room_annotation", self._annotation)
        put(self.names, "_room_name", self._name)
        put(self.names, "_room_pattern", as_pattern)
        put(self.names, "_room_type", self._type)
        put(self.names, "_room_class", self._class)
        put(self.names, "_room_decorated", self._decorated)
        put(self.names, "_room_dir", lambda: sorted({*self.names, *self.names.in_room}))
        put(self.names, "_room_names", self.names.of_both)
        put(self.names, "_room_issubclass", self._issubclass)
        put(self.names, "_room_is", self._is)
        put(self.names, "_room_super", partial(room_super, self.link))
        put(self.names, "_room_exec", self._exec)
        put(self.names, "_room_eval", self._eval)
        put(self.names, "_room___import__", self._import)
        put(self.names, "_room_loaded", self._loaded)
        put(self.names, "_room_compile", self._compile)
        put(self.names, "_room_format", self._format)
        commands = Commands(self.link, self.names, lambda: self.own_texts)
        put(self.names, "_room_command", commands.run)

    def _written(self, known: dict[str, Any], op: str = "name") -> list[tuple[Any, Any]]:
        """Give the classes that the lab asks students to write, with what its own have."""
        found = ((self.link.ask(op, name), has) for name, has in known.items())
        return [(value[0], has) for value, has in found if type(value) is tuple and value]

    def _is_named(self, value: Any) -> bool:
        """Say whether a test or the release has bound this very object to a name."""
        return any(bound is value for bound in dict.values(self.names))

    def _is_tests_name(self, name: str) -> bool:
        """Say whether a test has bound a name, and in a line that students can read."""
        is_bound = dict.__contains__(self.names, name)
        return is_bound and any(name in bound_names(visible_text(text)) for text in self.own_texts)

    def _module(self, name: str, top: str = "") -> Any:
        if name == "weakref":
            return Weakly(self.link.ask)
        if self.keeps_databases and name.partition(".")[0] == _DATABASES:
            return importlib.import_module(top or name)
        module = self.link.ask("module", name)
        self._believe(name)
        self.link.own_work.imported(name, module)
        return self.link.ask("module", top) if top else module

    def _believe(self, module: str) -> None:
        self.link.claim(f"what {module} says, which runs beside the student's code")

    def _believe_what_is_used(self, text: str) -> None:
        """Note which of the modules that locked cells import a test speaks of itself."""
        used = words(text)
        if self.keeps_databases and _DATABASES in used:
            dict.__setitem__(self.names, _DATABASES, importlib.import_module(_DATABASES))
            used -= {_DATABASES}
        for name in sorted(used & self.imports.keys()):
            self._believe(self.imports[name])

    def _part(self, name: str, part: str) -> Any:
        """Give what ``from name import part`` does: an attribute, else a module in a package."""
        module = self._module(name)
        try:
            return getattr(module, part)
        except AttributeError:
            pass
        try:
            return self._module(f"{name}.{part}")
        except ImportError:
            raise ImportError(f"cannot import name {part!r} from {name!r}", name=name) from None

    def _annotation(self, value: Any, *written: str) -> Any:
        return check_annotation(value, written, self.names.get)

    def _name(self, name: str) -> Any:
        try:
            return self.names[name]
        except KeyError:
            raise NameError(f"name {name!r} is not defined", name=name) from None

    def _type(self, value: Any, *made_of: Any, **keywords: Any) -> Any:
        if made_of:
            return _new_type(value, *made_of, **keywords)
        if number_of(value) is None:
            return type(value)
        ancestry = self.link.judge.ancestry(value)
        self.link.claim(f"the class of {describe(value)}")
        return ancestry[0] if ancestry else type(value)

    def _is(self, *sides: Any) -> bool:
        aside = self.link.take_aside()  # what is looked at here isn't the test's own doing
        try:
            return room_is(self.link, *sides)
        finally:
            aside.put_back()

    def _class(self, value: Any) -> Any:
        return value.__class__ if number_of(value) is None else self._type(value)

    def _issubclass(self, kind: Any, other: Any) -> bool:
        if number_of(kind) is None:
            return issubclass(kind, other)
        if isinstance(other, tuple):
            return any(self._issubclass(kind, item) for item in other)
        self.link.claim("the bases of a class")
        return self.link.ask("issubclass", kind, other) is True

    def _exec(self, text: Any, *spaces: Any) -> Any:
        if type(text) is CodeType:  # a test's own, as all that is compiled here
            return exec(text, *(spaces or (self.names, sys._getframe(1).f_locals)))  # noqa: S102
        return self._run_there("exec", text, spaces)

    def _eval(self, text: Any, *spaces: Any) -> Any:
        if type(text) is CodeType:
            return eval(text, *(spaces or (self.names, sys._getframe(1).f_locals)))  # noqa: S307
        if not spaces:
            return self.link.ask("evaluate", text)
        return self._run_there("eval", text, spaces)

    def _import(self, name: Any, *_: Any, **__: Any) -> Any:
        self._module(name)
        return self._module(str(name).partition(".")[0])

    def _loaded(self, name: Any) -> Any:
        is_own = type(name) is not str or name in self._own_text()
        return sys.modules[name] if is_own else self._module(name)

    def _decorated(self, names: tuple[str, ...], *bases: Any) -> tuple[Any, ...]:
        """Give the bases of a test's class: of the student's room, if an answer changes it."""
        known = (name for name in names if name in self.decorators)
        theirs = [name for name in known if not dict.__contains__(self.names, name.rstrip("."))]
        if not theirs or any(number_of(base) is None for base in bases):
            return bases
        operators = {operator for name in theirs for operator in self.decorators[name]}
        return tuple(base_in_room(self.link, base, operators) for base in bases or (None,))

    def _run_there(self, function: str, text: Any, spaces: tuple[Any, ...]) -> Any:
        spaces = tuple({} if isinstance(space, TestNames) else space for space in spaces)
        module = self.link.ask("module", "builtins")
        return self.link.ask(
            "call", self.link.ask("get", module, function), text, *(spaces or ({},))
        )

    def _format(self, value: Any, method: str) -> Any:
        """Give what fills in a text that may be the student's."""
        if value is str:
            return lambda text, /, *args, **names: self._format(text, method)(*args, **names)
        if issubclass(type(value), str):
            self._check_format(str.__str__(value))
        return getattr(value, method)

    def _check_format(self, text: str) -> None:
        """Have a text filled in with what is public of what it is handed."""
        if _PRIVATE_FIELD.search(text) and not any(text in own for own in self.own_texts):
            raise HandleError(
                f"the text {text[:200]!r} asks for what is private of what it is filled in with: "
                "in the examiner's room that may be the test itself. Tag the test cell "
                "'student-room' if it is to get that."
            )

    def _compile(self, *args: Any, **names: Any) -> Any:
        flags = names.get("flags", args[3] if len(args) > 3 else 0)
        if flags & 0x400:  # a syntax tree runs nothing
            return compile(*args, **names)
        raise HandleError(
            "a test in the examiner's room doesn't compile a text that isn't its own: it may be "
            "the student's. Tag the test cell 'student-room', or use `exec`, which runs there."
        )

    def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        match order["do"]:
            case "begin":
                self._begin(order)
                return {}
            case "ran":
                there, fresh = (order.get(name) is True for name in ("there", "fresh"))
                self._ran(order["text"], order["kind"], there=there, fresh=fresh)
                return {}
            case _:
                return self._test(order)

    def _begin(self, order: dict[str, Any]) -> None:
        self.classes = {name: frozenset(has) for name, has in order["classes"].items()}
        self.link.judge.members = frozenset().union(*self.classes.values())
        self.fields, self.given_fields = order["fields"], order["given_fields"]
        self.link.fields.active = bool(self.fields or self.given_fields)
        self.decorators = order["decorators"]
        self.link.judge.known = order["known"]
        self.reach.files.to_change = order["changes"]
        self.keeps_databases = order["databases"]
        asked = frozenset().union(*map(words, order["imports"]))
        asked = asked if order["known"] else _SEEDING | _REDIRECTING | _MASKS
        self.reach.generators.may_seed = not _SEEDING.isdisjoint(asked)
        self.link.printing.may_redirect = not _REDIRECTING.isdisjoint(asked)
        self.link.may_swallow = order["swallows"]
        self.link.objects.may_mask = not _MASKS.isdisjoint(asked)
        self.link.lending.settable = None if order["sets"] is None else frozenset(order["sets"])
        self.link.reaches = order["reaches"]
        self.release.begin(order)

    def _ran(self, text: str, kind: str, *, there: bool, fresh: bool) -> None:
        """Take note of a cell that ran in the student's room."""
        self.texts.append(text)
        if kind == "locked":
            self._note_own(text)
            self.imports |= room_imports(text)
            if "ImportString" in words(text):
                patch_import_strings(self._own_text)
            self.release.ran(text, there=there, fresh=fresh)
            return
        self.names.rebound(bound_names(text))
        self.release.answered()

    def _note_own(self, text: str) -> None:
        """Note what the lab itself says, in a cell or in a module that it ships."""
        before = len(self.helpers.texts)
        self.helpers.note(text)
        self.own_texts += [*self.helpers.texts[before:], text]

    def _test(self, order: dict[str, Any]) -> dict[str, Any]:
        text, seconds = order["text"], order["seconds"]
        self._note_own(text)
        whole = self.helpers.whole(text)
        self.capture.limit = order["output"]
        self.capture.take()
        self.link.begin()
        self.link.cpu_seconds = seconds
        self.link.wall_seconds = order["wall"]
        started = time.process_time()
        error: BaseException | None = None
        count = self.shell.execution_count
        try:
            with cpu_limit(seconds, wall=order["wall"] + 5):
                self.release.take_fresh(text)
                words = self.release.words(whole)
                self._believe_what_is_used(text)
                self.patch_classes()
                if "yaml" in words:
                    patch_yaml()
                if "ImportString" in words:
                    patch_import_strings(self._own_text)
                if not words.isdisjoint(_OF_FORMULAS) or "formulaic" in sys.modules:
                    patch_formulas(self.evaluation.finding)
                self.link.handed = handed_over(text)
                self.link.is_asynchronous = has_coroutines(text)
                self.link.answers.hears = STEERING & words
                self.reach.begin(words, text, self.names.known, whole=whole)
                self.names.begin(words, text)
                self.link.shares = asks_identity(whole or text) or self._shares(text)
                outcome = self.containers.run(
                    text,
                    words,
                    lambda: self.shell.run_text(text, self.loop),
                    lambda: self._run_again(text),
                )
            error, count = outcome.error, outcome.count
            if type(error) is RuntimeError and isinstance(error.__cause__, HandleError):
                error = error.__cause__  # before 3.12, what arises in making a class is wrapped
        except BaseException as stopped:  # before or after the cell itself
            error = stopped
        finally:
            self.names.end()
            self.reach.end()
            self.link.shares, self.link.handed = False, frozenset()
            self.link.is_asynchronous = False
        if self.link.gone and not isinstance(error, StudentRoomGoneError):
            error = StudentRoomGoneError(self.link.gone)
        if error is None:
            error = self.link.lending.failed or self.link.refusal
        if error is not None:
            self._explain(text, error)
        return self._report(error, count, time.process_time() - started)

    def _explain(self, text: str, error: BaseException) -> None:
        """Note where an error of the answers' rose, and what a failed cell wrongly relies on."""
        if where := rise_of(error):
            self.link.note(where)
        given = set(self.own_texts)
        answers = [answer for answer in self.texts if answer not in given]
        for hint in hints(text, self.texts, answers, self.names.carried()):
            self.link.note(hint)
        if isinstance(error, CellTimeoutError) and self.link.questions > _MANY_QUESTIONS:
            self.link.note(
                f"the test asked the student's room {self.link.questions:,} questions, and waiting "
                "for each takes time. Ask for more at once (a function that does all the steps), "
                "or tag the test cell 'student-room' so that it runs beside the student's code."
            )
        if (what := misused(error, _message(error))) is not None:
            self.link.note(what)

    def _run_again(self, text: str) -> Any:
        """Run a cell that passed once more; what it shows counts if it fails now."""
        outputs = self.capture.take()
        outcome = self.shell.run_text(text, self.loop)
        if outcome.error is None:
            self.capture.take()
            self.earlier = outputs
        return outcome

    def _shares(self, text: str) -> bool:
        """Say whether a test cell changes in place what it has of the student's."""

        def is_theirs(name: str) -> bool:
            value = dict.get(self.names, name)
            return number_of(value) is not None or self.link.twins.number(value) is not None

        if self.bases.may_inherit(text):  # what is inherited may change what both rooms have
            return True
        theirs = self.names.students | self.names.given
        theirs |= set() if self.release.known else self.names.in_room
        changers = self.release.changers | self.helpers.changers
        return changes_in_place(text, theirs, is_theirs, changers)

    def _report(self, error: BaseException | None, count: int, cpu: float) -> dict[str, Any]:
        outputs, self.earlier = [*self.earlier, *self.capture.take()], []
        if error is None and not any(out["output_type"] == "execute_result" for out in outputs):
            error = self.link.doubtful  # a share of the points is given for what was equal
        message = "" if error is None else _message(error)
        if error is not None:
            notes = [f"Note: {note}" for note in list(self.link.notes)[:5]]
            message = "\n".join([message, *notes] if message else notes)
        if error is not None and not any(out["output_type"] == "error" for out in outputs):
            outputs.append(
                {
                    "output_type": "error",
                    "ename": type(error).__name__,
                    "evalue": message[:_MESSAGE],
                    "traceback": traceback.format_exception_only(error)[-1:],
                }
            )
        return {
            "outputs": outputs,
            "count": count,
            "error": "" if error is None else type(error).__name__ or "Error",
            "message": message[:_MESSAGE],
            "lines": cell_lines(error, f"<cell {count}>"),
            "timeout": isinstance(error, (CellTimeoutError, StudentTimeoutError)),
            "gone": self.link.gone,
            "claims": [*self.link.claims, *_refused(error)],
            "cpu": cpu,
        }


def _refused(error: BaseException | None) -> list[str]:
    """Tell the teacher that a test failed because of what it asked, whatever was answered."""
    if not isinstance(error, HandleError):
        return []
    what = str(error).partition(": it stays")[0]
    return [f"failed, since that can't be told out of students' reach: {what[:200]}"]


def _message(error: BaseException) -> str:
    try:
        return str(error)[:_MESSAGE]
    except BaseException:  # the text of an error may come from the student's room
        return ""


def main(sockets: list[socket.socket]) -> None:
    """Serve as the examiner's room.

    ``sockets`` are that of the orders, of the questions, and of the fresh rooms.
    """
    sys.path[:] = [path for path in sys.path if path]
    builtins.input = lambda *_: ""
    orders, questions = (Channel(sock, bounds=Bounds()) for sock in sockets[:2])
    with suppress(WireError):
        room = _Room(orders, questions, sockets[2])
        while True:
            select.select([orders], [], [])
            frame = orders.receive()
            orders.send({"id": frame.body["id"], **room.obey(frame.body)})


def _new_type(name: str, bases: tuple[Any, ...], body: dict[str, Any], **keywords: Any) -> Any:
    """Make a class as a class statement does, which may name a base of the student's."""
    told = {"__module__": "__main__", **body}
    if all(number_of(base) is None for base in bases):
        return type(name, bases, told, **keywords)
    told = {"__qualname__": name, "__orig_bases__": bases, **told}
    found: list[Any] = []
    for base in bases:
        found += (base,) if number_of(base) is None else base.__mro_entries__(bases)
    return new_class(name, tuple(found), keywords, lambda namespace: namespace.update(told))
