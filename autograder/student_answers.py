"""Answers the examiner's questions about the student's objects, in the student's room.

Nothing here is trusted: student code shares the process and can change any of it. What it can
win by that is to give other answers, which it may do anyway.
"""

import pickle
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext, suppress
from time import monotonic, sleep
from typing import Any

from autograder.student_arguments import Arguments
from autograder.student_copies import attributes_of, changed_copies
from autograder.student_errors import encode_error, encode_warning
from autograder.student_given import Given, given_number
from autograder.student_lent import Lent
from autograder.student_objects import Registry, RoomDecoder, RoomEncoder
from autograder.student_operations import OPERATIONS, Operations
from autograder.student_turns import GivenUpError, Open, Turns
from autograder.time_limit import THREADS_WAIT, CellTimeoutError, CpuLimit
from autograder.wire import Bounds, Channel, Frame, WireError, WireSizeError
from autograder.wire_changes import ChangeError, apply_change
from autograder.wire_tables import TableMemory
from autograder.wire_values import Json, TooLargeError

__all__ = ["Answerer"]

# How many items a container of both rooms has at most that is looked at with every callback.
_KEPT_IN_CALLS = 200
# How many frames of ours lie between student code and what it is called back for.
_FRAMES = 40
# What waits is asked again after a pause: the first and the longest, in seconds.
_PAUSE_S, _LONGEST_PAUSE_S = 0.001, 0.05
_WAITS = object()
_OF_ANSWERS = frozenset(
    {
        *("call", "get", "set", "del", "item", "setitem", "delitem", "contains", "iter", "next"),
        *("len", "bool", "str", "repr", "format", "operate", "enter", "exit", "await", "go_on"),
        *("result", "together", "rethrow", "resume", "evaluate", "derive", "aiter", "anext"),
        *("aenter", "aexit"),
    }
)
"""What answers' code is run for."""
_QUICK = frozenset({"module", "get", "thread", "special", "ancestry", "signature", "can"})


_BUFFERS = (memoryview, pickle.PickleBuffer)
# What is said beside an answer and is never large.
_SMALL = frozenset({"t", "out", "moved", "bg", "th", "to"})


def _plain(value: Any) -> Any:
    """Give the bytes that are handed to a test's object in a buffer, as to a stream of its own."""
    return bytes(memoryview(value)) if type(value) in _BUFFERS else value


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
        limit: Callable[[float], CpuLimit],
    ) -> None:
        self.registry = registry
        registry.names = namespace
        self._channel = channel
        self.operations = Operations(namespace, registry)
        self._said = said
        self._limit = limit
        self._bounds = Bounds()
        self._tables = TableMemory(1)
        self._arguments = Arguments(registry, self._bounds, self._tables)
        self.own_stdout = sys.stdout
        """Where what is printed goes, unless student code has redirected it."""
        self._calls = 0
        self._depth = threading.Lock()
        self._turns = Turns(channel, self._too_late)

    def answer(self, frame: Frame) -> None:
        """Answer one question; whatever happens, exactly one answer goes out."""
        body = frame.body
        if self._turns.is_alone():
            self.registry.free(body.get("free", ()))
        decoder = RoomDecoder(self.registry, frame, self._bounds, self.ask, tables=self._tables)
        self._tables.confirm(body.get("t"))
        self.operations.warned.caught.clear()
        limit = self._limit(body.get("s", 0.0))
        lent = Lent(self._arguments)
        question = Open(
            body["q"],
            decoder.made,
            lent,
            deadline=monotonic() + limit.wall,
            is_quick=body["op"] in _QUICK,
        )
        self._turns.begin(question)
        reply, encoder = self._work(body, decoder, question, limit)
        with self._turns.lock:  # what a thread of the student's asks is answered before
            if not self._turns.to_answer(question) and question.deadline == 0.0:
                reply["e"] = self._too_late()
            self._reply(body, question, reply, encoder)

    def _reply(
        self,
        body: dict[str, Any],
        question: Open,
        reply: dict[str, Any],
        encoder: RoomEncoder,
    ) -> None:
        """Add to an answer what else is to be known, and send it."""
        try:
            self._arguments.report(reply, encoder, question.made, question.before)
            if kept := self._arguments.kept.keep(question.lent.to_keep()):
                reply["keep"] = [*reply.get("keep", ()), *kept]
            if changes := question.lent.changes(encoder, all_of_them=True):
                reply["ch"] = [*reply.get("ch", ()), *changes]
        except TooLargeError as error:
            reply = {"a": body["q"], "large": f"the changed arguments: {error}"}
            encoder = RoomEncoder(self.registry, self._bounds)
        if news := self._tables.news():
            reply["t"] = news
        if said := self._said():
            reply["out"] = said
        self._note_moves(reply)
        self._note_redirection(reply)
        if body.get("al") and self.operations.goes_on():
            reply["bg"] = 1
        if threading.active_count() > 1:
            reply["th"] = 1
        if caught := self.operations.warned.caught[:50]:
            reply["w"] = [encode_warning(encoder, warned) for warned in caught]
        self._tell_log(reply, encoder)
        if known := body.get("see"):
            with suppress(Exception):  # whatever student code has put there: it is asked for then
                reply["see"] = self.operations.seen(known)
        try:
            self._channel.send(reply, encoder.blobs)
        except WireSizeError as error:
            short = {"a": body["q"], "large": str(error)}
            self._channel.send(short | {name: reply[name] for name in _SMALL & set(reply)})

    def _note_moves(self, message: dict[str, Any]) -> None:
        """Say that a name of which the examiner was told is bound to something else by now."""
        if self.operations.has_moved():
            message["moved"] = 1

    def _note_redirection(self, message: dict[str, Any]) -> None:
        """Say that what is printed goes where student code has redirected it."""
        if sys.stdout is not self.own_stdout:
            message["to"] = 1

    def _tell_log(self, message: dict[str, Any], encoder: RoomEncoder) -> None:
        """Tell what was logged, where the examiner listens."""
        if not (logged := self.operations.logs.take()):
            return
        message["l"] = logged
        for told in logged:
            if "x" in told:
                told["x"] = encode_error(encoder, told["x"])

    def _work(
        self, body: dict[str, Any], decoder: RoomDecoder, question: Open, limit: CpuLimit
    ) -> tuple[dict[str, Any], RoomEncoder]:
        """Do what is asked; give the reply and the encoder of its values."""
        reply: dict[str, Any] = {"a": body["q"]}
        try:
            try:
                args = [decoder.decode(item) for item in body["v"]]
                for item in body.get("tw", ()):
                    decoder.decode(item)
                names = {name: decoder.decode(item) for name, item in body.get("k", {}).items()}
            finally:
                self._tables.let_go(body.get("t"))
            if decoder.made:
                question.before = self._arguments.content(decoder.made)
            self.registry.forget_copies(body.get("cx", ()))
            numbers, kept = self.registry.kept_models() if body["op"] in _OF_ANSWERS else ([], {})
            held = attributes_of(kept)
            if "cn" in body:
                self.registry.note_copies(body["cn"], decoder.copies)
            copied = attributes_of(decoder.copies)
            is_main = threading.current_thread() is threading.main_thread()
            loop = self.operations.within_loop() if body.get("al") and is_main else nullcontext()
            answers = self.operations.replaced.in_force(on=body["op"] in _OF_ANSWERS)
            with (
                limit if is_main else nullcontext(),
                self.operations.warned.watched(),
                loop,
                answers,
            ):
                result = OPERATIONS[body["op"]](self.operations, *args, **names)
            if (number := self._share(body["op"], result, new="h" in body)) is not None:
                reply["twin"] = number
            encoder = self._encoder(decoder, question)
            reply["v"] = encoder.encode(result)
            if changes := changed_copies(decoder.copies, copied, encoder):
                reply["cp"] = changes
            if changes := changed_copies(kept, held, encoder):
                reply["kp"] = [numbers, changes]
        except TooLargeError as error:
            encoder = self._encoder(decoder, question)
            reply["large"] = str(error)[:200]
        except BaseException as error:
            if issubclass(type(error), CellTimeoutError):  # it may say anything of its class
                question.deadline = 0.0
            encoder = self._encoder(decoder, question)
            reply["e"] = encode_error(encoder, error)
        return reply, encoder

    def _share(self, op: str, result: Any, *, new: bool) -> int | None:
        """Number a container of both rooms; also what gets to be one, if the test may change it."""
        if op in ("name", "given"):
            return self._arguments.kept.share(result[0], named=True, new=new) if result else None
        return self._arguments.kept.share(result, named=False, new=new)

    def _encoder(self, decoder: RoomDecoder, question: Open) -> RoomEncoder:
        """Make an encoder that knows the examiner's own objects again."""
        known = question.numbers()
        encoder = RoomEncoder(self.registry, self._bounds, known=known, tables=self._tables)
        encoder.handed = decoder.made
        return encoder

    def ask(self, op: str, target: Given, /, *args: Any, **kwargs: Any) -> Any:
        """Use an object of the examiner's, while a question is open."""
        # Student code that is as deep as it may be finds that out before anything is sent.
        self._deepen(_FRAMES)
        try:
            with self.operations.replaced.in_force(on=False):
                return self._asked(op, target, *args, **kwargs)
        finally:
            self._deepen(-_FRAMES)

    def _deepen(self, frames: int) -> None:
        """Let calls be nested that much deeper."""
        with self._depth, suppress(RecursionError):
            sys.setrecursionlimit(sys.getrecursionlimit() + frames)

    def _asked(self, op: str, target: Given, /, *args: Any, **kwargs: Any) -> Any:
        began, pause = monotonic(), _PAUSE_S
        waited = 0.0
        while (result := self._asked_once(op, target, args, kwargs, waited)) is _WAITS:
            sleep(pause)  # others' turn
            pause = min(2 * pause, _LONGEST_PAUSE_S)
            waited = monotonic() - began
        return result

    def _asked_once(
        self, op: str, target: Given, args: tuple[Any, ...], kwargs: dict[str, Any], waited: float
    ) -> Any:
        """Use an object once; give ``_WAITS`` where it is to be asked again."""
        with self._turns.lock:
            question = self._turns.to_call()
            number, handed = self._call_back(question, op, target, args, kwargs, waited)
        try:
            while True:
                frame = self._channel.receive()
                if "q" in frame.body:
                    self.answer(frame)
                elif frame.body.get("n") == number:  # not of a call that was given up
                    break
        except GivenUpError:  # the main thread has listened meanwhile
            raise
        except BaseException:
            self._turns.called(question)
            raise
        with self._turns.lock:
            try:
                return self._result(frame, question, handed)
            finally:
                self._turns.called(question)

    def _call_back(
        self,
        question: Open,
        op: str,
        target: Given,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        waited: float,
    ) -> tuple[int, list[Any]]:
        """Send a use of an object of the examiner's; give the number of the reply.

        And the containers of this room's that went with it.
        """
        encoder = RoomEncoder(self.registry, self._bounds, known=question.numbers())
        self._calls += 1
        number = self._calls
        body = {
            "c": op,
            "n": number,
            "o": given_number(target),
            "v": [encoder.encode(_plain(arg)) for arg in args],
            "k": [[name, encoder.encode(_plain(value))] for name, value in kwargs.items()],
            "out": self._said(),
        }
        if waited:
            body["wd"] = waited
        handed = list(encoder.numbered)
        if changes := self._arguments.changes(question.made, question.before, encoder):
            question.before = self._arguments.content(question.made)
        if changes := [*changes, *question.lent.changes(encoder)]:
            body["ch"] = changes
        if later := self._arguments.kept.later_changes(encoder, most=_KEPT_IN_CALLS):
            body["later"] = later
        if gone := question.lent.let_go():
            body["lg"] = gone
        self._note_moves(body)
        self._note_redirection(body)
        self._tell_log(body, encoder)
        try:
            self._channel.send(body, encoder.blobs)
        except WireSizeError as error:
            raise TooLargeError(str(error)) from None
        question.calls_back = True
        return number, handed

    def _too_late(self) -> Json:
        """Describe the error of a question that threads of the student's don't answer in time."""
        error = CellTimeoutError(f"stopped when its time was up: {THREADS_WAIT}")
        return encode_error(RoomEncoder(self.registry, self._bounds), error)

    def _result(self, frame: Frame, question: Open, handed: list[Any]) -> Any:
        decoder = RoomDecoder(self.registry, frame, self._bounds, self.ask)
        decoder.find = question.value
        if "e" in frame.body:
            raise decoder.error(frame.body["e"])
        result = _WAITS if "wt" in frame.body else decoder.decode(frame.body["r"])
        made = list(decoder.made)
        if text := frame.body.get("out"):
            sys.stdout.write(text)
        for item in frame.body.get("tw", ()):
            decoder.decode(item)
        if changes := frame.body.get("now"):
            question.follow([(number, decoder.decode(item)) for number, item in changes])
            question.before = self._arguments.content(question.made)
        for place, item in frame.body.get("back", ()):
            with suppress(WireError, ChangeError):  # it can't be followed here
                apply_change(handed[place], decoder.decode(item))
        if joined := frame.body.get("j"):
            first, may_change = joined
            question.lent.join(first, made, may_change=may_change)
        return result
