"""Answers the examiner's questions about the student's objects, in the student's room.

Nothing here is trusted: student code shares the process and can change any of it. What it can
win by that is to give other answers, which it may do anyway.
"""

import asyncio
import builtins
import collections
import importlib
import inspect
import operator
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from autograder.dotted import find_dotted
from autograder.random_states import fingerprint, set_states, states
from autograder.room_files import read_files, write_files
from autograder.student_arguments import Arguments
from autograder.student_copies import attributes_of, changed_copies
from autograder.student_given import Given, given_number
from autograder.student_objects import Registry, RoomDecoder, RoomEncoder
from autograder.student_surroundings import decimals, environment, heard, surround
from autograder.student_tasks import Tasks, awaitable, call_together, rethrow
from autograder.wire import Bounds, Channel, Frame
from autograder.wire_tables import TableMemory
from autograder.wire_values import Encoder, Json, TooLargeError

__all__ = ["Answerer"]

_TEXT = 100_000
_CAUSES = 4
# How long a thread waits for the next question before it uses an object of the test's.
_PATIENCE = 60.0


class Answerer:
    """Answers questions that arrive on one channel about one namespace.

    Parameters
    ----------
    channel : Channel
        The link to the examiner's room.
    namespace : dict
        The globals of the student's notebook.
    registry : Registry
        The objects that were handed out.
    said : callable
        Takes away what was printed and shown since it was last called.
    limit : callable
        A context manager that stops what runs in it after so many seconds of CPU time.
    """

    def __init__(
        self,
        channel: Channel,
        namespace: dict[str, Any],
        registry: Registry,
        *,
        said: Callable[[], list[Any]],
        limit: Callable[[float], Any],
    ) -> None:
        self.registry = registry
        registry.names = namespace
        self._channel = channel
        self._namespace = namespace
        self._said = said
        self._limit = limit
        self._bounds = Bounds()
        self._tables = TableMemory(1)
        self._arguments = Arguments(registry, self._bounds, self._tables)
        self._known: list[list[Any]] = []
        self._warned: list[warnings.WarningMessage] = []
        self._logged: list[list[Any]] = []
        self._tasks = Tasks()
        self._lock = threading.RLock()
        self._asked = threading.Condition(self._lock)
        self._replaced: dict[tuple[str, str], Any] = {}
        self._told: list[tuple[dict[str, Any], str, Any]] = []
        self.loop: asyncio.AbstractEventLoop | None = None

    def answer(self, frame: Frame) -> None:
        """Answer one question; whatever happens, exactly one answer goes out."""
        body = frame.body
        self.registry.free(body.get("free", ()))
        decoder = RoomDecoder(self.registry, frame, self._bounds, self.ask, tables=self._tables)
        self._tables.confirm(body.get("t"))
        self._warned.clear()
        self._logged.clear()
        with self._asked:
            depth = len(self._known)
            self._known.append(decoder.made)
            self._asked.notify_all()
        try:
            reply, encoder, before = self._work(body, decoder)
        except BaseException:
            del self._known[depth:]
            raise
        with self._lock:  # what a thread of the student's asks is answered before
            del self._known[depth:]
            self._reply(body, decoder, reply, encoder, before)

    def _reply(
        self,
        body: dict[str, Any],
        decoder: RoomDecoder,
        reply: dict[str, Any],
        encoder: RoomEncoder,
        before: Any,
    ) -> None:
        """Add to an answer what else is to be known, and send it."""
        try:
            self._arguments.report(reply, encoder, decoder.made, before)
        except TooLargeError as error:
            reply = {"a": body["q"], "large": f"the changed arguments: {error}"}
            encoder = RoomEncoder(self.registry, self._bounds)
        if news := self._tables.news():
            reply["t"] = news
        if said := self._said():
            reply["out"] = said
        self._note_moves(reply)
        if self._warned:
            reply["w"] = [self._warning(encoder, warned) for warned in self._warned[:50]]
        if self._logged:
            reply["l"] = list(self._logged)
        self._channel.send(reply, encoder.blobs)

    def _note_moves(self, message: dict[str, Any]) -> None:
        """Say that a name of which the examiner was told is bound to something else by now."""
        if any(place.get(name) is not function for place, name, function in self._told):
            self._told.clear()
            message["moved"] = 1

    def _work(
        self, body: dict[str, Any], decoder: RoomDecoder
    ) -> tuple[dict[str, Any], RoomEncoder, Any]:
        """Do what is asked; give the reply, the encoder of its values, the arguments before."""
        reply: dict[str, Any] = {"a": body["q"]}
        before = None
        try:
            try:
                args = [decoder.decode(item) for item in body["v"]]
                for item in body.get("tw", ()):
                    decoder.decode(item)
                names = {name: decoder.decode(item) for name, item in body.get("k", {}).items()}
            finally:
                self._tables.let_go(body.get("t"))
            before = self._arguments.content(decoder.made) if decoder.made else None
            copied = attributes_of(decoder.copies)
            with self._limit(body.get("s", 0.0)), self._watched(body):
                result = _OPERATIONS[body["op"]](self, *args, **names)
            if (number := self._share(body["op"], result, new="h" in body)) is not None:
                reply["twin"] = number
            encoder = self._encoder(decoder)
            reply["v"] = encoder.encode(result)
            if changes := changed_copies(decoder.copies, copied, encoder):
                reply["cp"] = changes
        except TooLargeError as error:
            encoder = self._encoder(decoder)
            reply["large"] = str(error)[:200]
        except BaseException as error:
            encoder = self._encoder(decoder)
            reply["e"] = self._error(encoder, error)
        return reply, encoder, before

    def _share(self, op: str, result: Any, *, new: bool) -> int | None:
        """Number a container of both rooms; also what gets to be one, if the test may change it."""
        if op in ("name", "given"):
            return self._arguments.share(result[0], named=True, new=new) if result else None
        return self._arguments.share(result, named=False, new=new)

    def _encoder(self, decoder: RoomDecoder) -> RoomEncoder:
        """Make an encoder that knows the examiner's own objects again."""
        known = {id(value): number for number, value in enumerate(decoder.made)}
        return RoomEncoder(self.registry, self._bounds, known=known, tables=self._tables)

    def ask(self, op: str, target: Given, /, *args: Any, **kwargs: Any) -> Any:
        """Use an object of the examiner's, while a question is open."""
        with self._lock:
            if not self._known and threading.current_thread() is not threading.main_thread():
                self._asked.wait_for(lambda: bool(self._known), timeout=_PATIENCE)
            if not self._known:
                raise RuntimeError("an object that a test handed over is used after the test")
            known = {id(value): number for number, value in enumerate(self._known[-1])}
            encoder = RoomEncoder(self.registry, self._bounds, known=known)
            body = {
                "c": op,
                "o": given_number(target),
                "v": [encoder.encode(arg) for arg in args],
                "k": [[name, encoder.encode(value)] for name, value in kwargs.items()],
                "out": self._said(),
            }
            self._note_moves(body)
            self._channel.send(body, encoder.blobs)
            while True:
                frame = self._channel.receive()
                if "q" not in frame.body:
                    return self._result(frame)
                self.answer(frame)

    def _result(self, frame: Frame) -> Any:
        decoder = RoomDecoder(self.registry, frame, self._bounds, self.ask)
        failed = "e" in frame.body
        made = decoder.error(frame.body["e"]) if failed else decoder.decode(frame.body["r"])
        if frame.body.get("w"):
            return awaitable(made, failed=failed)
        if failed:
            raise made
        return made

    @contextmanager
    def _watched(self, body: dict[str, Any]) -> Iterator[None]:
        """Let the examiner see the warnings and the log, if its cell looks at these."""
        with heard(self._logged) if body.get("l") else nullcontext():
            if not body.get("w"):
                yield
                return
            with self._warnings_seen():
                yield

    @contextmanager
    def _warnings_seen(self) -> Iterator[None]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                yield
            finally:
                self._warned = list(caught)

    def _warning(self, encoder: Encoder, warned: warnings.WarningMessage) -> Json:
        return [encoder.encode(warned.category), str(warned.message)[:2000]]

    def _error(self, encoder: RoomEncoder, error: BaseException, depth: int = 0) -> Json:
        again = self.registry.raised_number(error)
        if again is not None:
            return {"again": again}
        cause, held = error.__cause__, {}
        parts: tuple[Any, ...] = ()
        try:
            text = str(error)[:_TEXT]
            attributes = {
                name: _plain_or_none(value)
                for name, value in list(vars(error).items())[:50]
                if isinstance(name, str) and not name.startswith("__")
            }
            if self.registry.classes.name_of(type(error)) is not None:
                held = {
                    name: encoder.handle(value)
                    for name, value in list(vars(error).items())[:20]
                    if attributes.get(name, "") is None and not name.startswith("_")
                }
            if isinstance(error, BaseExceptionGroup) and depth <= _CAUSES:
                parts = error.exceptions[:20]
            own = (*error.args, *_file_named(error))
            args: Json = [encoder.encode(arg) for arg in own[: 1 if parts else 20]]
        except BaseException:
            text, attributes, args, held = "(no text)", {}, [], {}
        return {
            "class": encoder.kind(type(error)),
            "self": encoder.handle(error),
            "text": text,
            "args": args,
            "attributes": {k: v for k, v in attributes.items() if v is not None},
            **({"held": held} if held else {}),
            "cause": None
            if cause is None or depth > _CAUSES
            else self._error(encoder, cause, depth + 1),
            "where": _where(error),
            **(
                {"parts": [self._error(encoder, part, depth + 1) for part in parts]}
                if parts
                else {}
            ),
        }

    def run(self, waiting: Any) -> Any:
        """Run something awaitable to its end."""

        async def wait() -> Any:
            return await waiting

        return self._own_loop().run_until_complete(wait())

    def _own_loop(self) -> asyncio.AbstractEventLoop:
        if self.loop is None:
            self.loop = asyncio.new_event_loop()
        return self.loop

    def go_on(self, waiting: list[Any], seconds: float | None) -> list[int]:
        """Run coroutines until one is done or the time is up; give which are."""
        return self._tasks.go_on(self._own_loop(), waiting, seconds)

    def result(self, done: Any) -> Any:
        """Give what a coroutine that is done has given."""
        return self._tasks.result(done)

    def cancel(self, waiting: Any) -> None:
        """Cancel a coroutine."""
        self._tasks.cancel(self._own_loop(), waiting)

    def signature(self, value: Any) -> list[Any]:
        """Describe the parameters of a callable."""
        signature = inspect.signature(value)
        parameters = [
            [p.name, int(p.kind), *_if_given(p.default), *_if_given(p.annotation)]
            for p in signature.parameters.values()
        ]
        return [parameters, *_if_given(signature.return_annotation)]

    def ancestry(self, value: Any) -> list[Any]:
        """Give the classes that an object's class is made of, nearest first."""
        return list(type(value).__mro__)[:64]

    def replace(self, module: str, name: str, value: Any) -> None:
        """Put what a test replaces in a module there."""
        place = find_dotted(module)
        self._replaced.setdefault((module, name), getattr(place, name, None))
        setattr(place, name, value)

    def restore(self, module: str, name: str) -> None:
        """Put back what a test had replaced."""
        if (module, name) in self._replaced:
            setattr(find_dotted(module), name, self._replaced.pop((module, name)))

    def bind(self, name: str, value: Any) -> None:
        """Set a global of the notebook."""
        self._namespace[name] = value

    def unbind(self, name: str) -> None:
        """Delete a global of the notebook."""
        self._namespace.pop(name, None)

    def look_up(self, name: str) -> Any:
        """Give a global of the notebook; [] is "no such name", [value] is a value."""
        return (self._namespace[name],) if name in self._namespace else ()

    def given_name(self, name: str) -> Any:
        """Give what a locked cell bound to a name, whatever was bound to it since."""
        given = self.registry.given_names
        return (given[name],) if name in given else self.look_up(name)

    def look_around(self, wanted: list[str], given: list[str]) -> tuple[list[str], dict[str, Any]]:
        """List the globals of the notebook, and give the functions among those that are wanted.

        Should one of these names be bound to something else, the next answer says so.
        """
        self._told.clear()
        functions = {}
        for place, names in ((self._namespace, wanted), (self.registry.given_names, given)):
            for name in names:
                if type(function := place.get(name)) is FunctionType:
                    functions[name] = function
                    self._told.append((place, name, function))
        return [name for name in self._namespace if isinstance(name, str)], functions


def _if_given(value: Any) -> tuple[bool, Any]:
    """Give whether a part of a signature is there, and what it is."""
    return (False, None) if value is inspect.Parameter.empty else (True, value)


def _plain_or_none(value: Any) -> Any:
    """Give plain scalars of an exception's attributes; the rest is asked for by handle."""
    return value if type(value) in (str, int, float, bool) else None


def _file_named(error: BaseException) -> tuple[str, ...]:
    """Give the name of the file that an error is about: it isn't among its arguments."""
    if not isinstance(error, OSError) or len(error.args) != 2 or type(error.filename) is not str:
        return ()
    return (error.filename,)


def _defined(value: Any) -> tuple[str, str, int]:
    """Give what a function or class is called, and the cell and line where its code begins."""
    inner = inspect.unwrap(value)
    code = getattr(getattr(inner, "__func__", inner), "__code__", None)
    if code is None:
        return inner.__qualname__, "", 0
    return inner.__qualname__, code.co_filename, code.co_firstlineno


def _where(error: BaseException) -> list[Any]:
    """Give the last place in the student's own cells that the error passed."""
    trace, found = error.__traceback__, ["", 0]
    for _ in range(1000):
        if trace is None:
            break
        code = trace.tb_frame.f_code
        if code.co_filename.startswith("<cell"):
            found = [code.co_filename, trace.tb_lineno]
        trace = trace.tb_next
    return found


def _exit(_: Answerer, manager: Any, error: BaseException | None) -> bool:
    kind = None if error is None else type(error)
    return bool(type(manager).__exit__(manager, kind, error, None))


def _leave_async(answerer: Answerer, manager: Any, error: BaseException | None) -> bool:
    kind = None if error is None else type(error)
    return bool(answerer.run(type(manager).__aexit__(manager, kind, error, None)))


def _operate(_: Answerer, method: str, target: Any, *others: Any) -> Any:
    """Do what an operator does, by Python's own rules for it."""
    known: dict[str, Any] = vars(operator)
    reflected = f"__{method[3:]}"
    if method != "__hash__" and method in known:
        return known[method](target, *others)
    if reflected in known:
        return known[reflected](*others, target)
    if method == "__rdivmod__":
        return divmod(others[0], target)
    return getattr(builtins, method.strip("_"))(target, *others)


def _sliced(kind: Any) -> Callable[[Any], Any]:
    return lambda value: kind.__getitem__(value, slice(None))


def _gone_through(kind: Any) -> Callable[[Any], Any]:
    return lambda value: kind(kind.__iter__(value))


_PLAIN: dict[type, Callable[[Any], Any]] = {
    **{kind: getattr(kind, f"__{kind.__name__}__") for kind in (int, float, complex, str)},
    **{kind: _sliced(kind) for kind in (bytes, list, tuple)},
    **{kind: _gone_through(kind) for kind in (set, frozenset)},
    dict: lambda value: dict(dict.items(value)),
    collections.UserDict: lambda value: dict(dict.items(value.data)),
    collections.UserList: lambda value: list.__getitem__(value.data, slice(None)),
    collections.UserString: lambda value: str.__str__(value.data),
}


def _plain(_: Answerer, target: Any) -> Any:
    """Give the plain value of an object of a class derived from a plain type."""
    return next(make(target) for kind, make in _PLAIN.items() if issubclass(type(target), kind))


def _module(_: Answerer, name: str) -> ModuleType:
    return importlib.import_module(name)


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "name": Answerer.look_up,
    "given": Answerer.given_name,
    "evaluate": lambda answerer, text: eval(text, dict(answerer._namespace)),  # noqa: S307
    "given_call": lambda answerer, name, /, *args, **kwargs: answerer.given_name(name)[0](
        *args, **kwargs
    ),
    "look": Answerer.look_around,
    "bind": Answerer.bind,
    "unbind": Answerer.unbind,
    "replace": Answerer.replace,
    "restore": Answerer.restore,
    "get": lambda _, target, name: getattr(target, name),
    "set": lambda _, target, name, value: setattr(target, name, value),
    "del": lambda _, target, name: delattr(target, name),
    "call": lambda _, target, /, *args, **kwargs: target(*args, **kwargs),
    "together": lambda _, *calls: call_together(calls),
    "rethrow": lambda _, error: rethrow(error),
    "len": lambda _, target: len(target),
    "iter": lambda _, target: iter(target),
    "next": lambda _, target: next(target),
    "item": lambda _, target, key: target[key],
    "setitem": lambda _, target, key, value: target.__setitem__(key, value),
    "delitem": lambda _, target, key: target.__delitem__(key),
    "contains": lambda _, target, key: key in target,
    "bool": lambda _, target: bool(target),
    "str": lambda _, target: str(target)[:_TEXT],
    "repr": lambda _, target: repr(target)[:_TEXT],
    "format": lambda _, target, spec: format(target, spec)[:_TEXT],
    "dir": lambda _, target: [name for name in dir(target) if type(name) is str],
    "enter": lambda _, target: type(target).__enter__(target),
    "exit": _exit,
    "await": Answerer.run,
    "go_on": Answerer.go_on,
    "tasks": lambda answerer: list(asyncio.all_tasks(answerer._own_loop())),
    "result": Answerer.result,
    "cancel": Answerer.cancel,
    "aiter": lambda _, target: type(target).__aiter__(target),
    "anext": lambda answerer, target: answerer.run(type(target).__anext__(target)),
    "aenter": lambda answerer, target: answerer.run(type(target).__aenter__(target)),
    "aexit": _leave_async,
    "isinstance": lambda _, value, kind: isinstance(value, kind),
    "issubclass": lambda _, value, kind: issubclass(value, kind),
    "ancestry": Answerer.ancestry,
    "mro": lambda _, value: list(value.__mro__)[:64],
    "signature": Answerer.signature,
    "defined": lambda _, value: _defined(value),
    "module": _module,
    "cwd": lambda _: str(Path.cwd()),
    "surround": lambda _, changes, errors: surround(changes, errors),
    "decimals": lambda _, *new: decimals(*new),
    "environment": lambda _, names: environment(names),
    "seed": lambda _, plain, numpys: set_states(plain, numpys),
    "states": lambda _, known: None if known and fingerprint(states()) == known else states(),
    "operate": _operate,
    "plain": _plain,
    "can": lambda _, target, methods: any(
        getattr(type(target), name, None) is not getattr(object, name, None) for name in methods
    ),
    "special": lambda _, target, name: (
        getattr(target, name, None) is not getattr(object, name, None)
    ),
    "hashable": lambda _, target: type(target).__hash__ is not None,
    "files": lambda _: read_files(),
    "read": lambda _, names: read_files(names),
    "write": lambda _, files, gone: write_files(files, gone),
}
