"""The examiner's end of the link: it asks, decodes, and gives up at the first breach."""

import secrets
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from time import perf_counter
from typing import Any

from autograder.examiner_beliefs import Beliefs
from autograder.examiner_codec import LinkDecoder, LinkEncoder, replay
from autograder.examiner_contents import Contents
from autograder.examiner_errors import StudentRoomGoneError
from autograder.examiner_fields import Fields
from autograder.examiner_identity import Copies
from autograder.examiner_judging import (
    Judge,
)
from autograder.examiner_lending import Lending
from autograder.examiner_objects import RoomObjects
from autograder.examiner_own_work import OwnWork
from autograder.examiner_patience import StillWaitsError
from autograder.examiner_printing import Printing
from autograder.examiner_pythons import Aside
from autograder.examiner_saying import Sayings
from autograder.examiner_sent import Looks, Sent
from autograder.examiner_taking import Answers
from autograder.examiner_together import Together
from autograder.examiner_twins import Twins
from autograder.handles import (
    HandleError,
    number_of,
)
from autograder.time_limit import CellTimeoutError, Hold, Unheld
from autograder.wire import Bounds, Channel, Frame, WireError, WireSizeError
from autograder.wire_tables import TableMemory
from autograder.wire_values import TooLargeError, need

__all__ = ["ExaminerLink"]

_NESTED = 100
_FRAMES = 20
_QUESTIONS = 2_000_000
_NOTES = 30
_WORKING = frozenset(
    {
        *("call", "get", "item", "next", "await", "enter", "exit", "name", "set", "operate"),
        *("go_on", "result", "together", "rethrow", "evaluate", "setitem", "delitem"),
        *("derive", "resume"),
    }
)
_NOTHING_ASIDE = Aside({})
_SHARING = frozenset({"name", "given", "get", "call", "item", "next", "enter", "await", "result"})
_LOOKING = frozenset({"name", "given"})
_CALLING = frozenset({"call", "together"})
_TOO_LARGE = "this can't be handed to the student's code"
_WAITS = object()
_WAITING = (
    "The student's code waits for a queue, a lock or an event of the test's. It goes on only while "
    "the test asks something of the student's, such as join() of its thread."
)
_SMALLER = "Numbers in an array or a table take less; or tag the test cell 'student-room'."


def _asks_annotations(op: str, args: tuple[Any, ...]) -> bool:
    return op == "signature" or (op == "get" and args[1:] == ("__annotations__",))


class ExaminerLink(Beliefs):
    """Asks the student's room.

    Parameters
    ----------
    channel : Channel
        The link to the student's room.
    """

    questions = 0
    """How many were asked in this test cell."""
    seen: Any = None
    """What the last answer has told of that it was to tell about; None if it hasn't."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.bounds = Bounds()
        self.cpu_seconds = 60.0
        self.wall_seconds = 200.0
        self.may_swallow = True
        self.gone = ""
        self.claims: dict[str, None] = {}
        self.notes: dict[str, None] = {}
        self.lending = Lending()
        self.printing = Printing(self.ask)
        self.refusal: BaseException | None = None
        self.doubtful: BaseException | None = None
        self.handing: Callable[..., None] = lambda *_: None
        """Is told what the test hands to functions."""
        self.before_question: Callable[[], None] = lambda: None
        self.to_see: Callable[[], dict[str, str]] = dict
        """Gives what an answer is to tell about if it is otherwise."""
        self.take_aside: Callable[[], Aside] = lambda: _NOTHING_ASIDE
        self.after_question: Callable[[], None] = lambda: None
        self.judge = Judge(self.ask, self.claim)
        self.sayings = Sayings(self.ask, self.is_strange, self.judge.is_asked_for, self.refuse)
        self.contents = Contents(
            self.is_strange, self.judge.is_mapping, lambda: self.sayings.moment, self.refuse
        )
        self.together = Together(self.ask)
        self.fields = Fields(self.judge.ancestry)
        self.own_work = OwnWork(list, self.claim)
        self.waited = 0.0
        self.names_of: dict[int, str] = {}
        self.functions: dict[str, Any] = {}
        self.tables = TableMemory(0)
        self.twins = Twins()
        self.copies = Copies()
        self.objects = RoomObjects(self, self.lending, self.twins)
        self.bases: Any = None
        """The classes of locked cells that a test may derive its own from."""
        self.answers = Answers(
            self.objects, self.tables, self.bounds, claim=self.claim, note=self.note
        )
        self.answers.find_copy, self.answers.refuse = self.copies.find, self._refuse
        self.shares = False
        """Whether the test cell changes in place what it has of the student's."""
        self.reaches = True
        """Whether answers may change in place what objects of the test's classes give them."""
        self.is_asynchronous = False
        """Whether coroutines of the test cell run on a loop, as they do where it has some."""
        self.handed = frozenset[str]()
        """The names whose values the test cell hands to functions, which may change them."""
        self._classes: dict[int, type] = {}
        self._open: list[Sent] = []
        self._lock = threading.RLock()
        self._stopped = 0
        self._called_back: int | None = None
        self._taking = self.annotating = self._has_threads = False

    def begin(self) -> None:
        """Start a test cell: its claims and notes are its own."""
        self.claims.clear()
        self.notes.clear()
        self.lending.failed = self.refusal = self.doubtful = None
        self.lending.is_in_use = False
        self.questions = self._stopped = 0
        self._classes.clear()
        self.functions.clear()
        self.sayings.begin()
        self.contents.begin()
        self.judge.returned.clear()
        self.judge.measured.clear()
        self.fields.begin()

    def ask(self, op: str, /, *args: Any, **kwargs: Any) -> Any:
        """Ask one question and give its answer, or raise what it raised."""
        aside = self.take_aside()
        try:
            return self._asking(op, args, kwargs)
        finally:
            aside.put_back()

    def _asking(self, op: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if op == "call":
            self.handing(*args[1:], *kwargs.values())
        if self.together.is_for(op):
            return self.together.call(args, kwargs)
        if args:
            self.judge.check(op, args[0])
        self.sayings.asking(op)
        if self.fields.active:
            self.fields.asking(op, args)
        with self._lock:
            outermost = not self._open
            if outermost and op in _WORKING:
                self.before_question()
            try:
                found = self._ask(op, args, kwargs)
                if op == "call" and self.fields.active:
                    self.fields.made(found, args[0], args[1:], kwargs)
                return found
            except WireError as breach:
                self._give_up(str(breach))
                raise StudentRoomGoneError(self.gone) from None
            finally:
                if outermost and op in _WORKING and not self.gone:
                    self._follow()

    def _follow(self) -> None:
        """Bring here what an answer has changed beside what it gave."""
        try:
            self.after_question()
        except WireError as breach:
            self._give_up(str(breach))
            raise StudentRoomGoneError(self.gone) from None

    def claim(self, what: str) -> None:
        """Note that the student's word was taken for something."""
        if len(self.claims) < _NOTES:
            self.claims.setdefault(what[:300])

    def note(self, what: str) -> None:
        """Note something that explains a failure."""
        if len(self.notes) < _NOTES:
            self.notes.setdefault(what[:1000])

    def _refuse(self, what: str) -> None:
        """End the test cell, also one that goes on after it."""
        self.refusal = self.refusal or HandleError(what)

    def free(self, number: int) -> None:
        """Let the student's room forget an object, with the next question."""
        self.objects.free(number)

    def _give_up(self, why: str) -> None:
        if not self.gone:
            self.gone = why
            self._channel.close()

    def _ask(self, op: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self.gone:
            raise StudentRoomGoneError(self.gone)
        annotating, self.annotating = self.annotating or _asks_annotations(op, args), False
        self.questions += 1
        if len(self._open) > _NESTED:
            raise HandleError(
                "the test's functions and the student's call each other too deeply. Tag the test "
                "cell 'student-room' so that it runs beside the student's code."
            )
        if self.questions > _QUESTIONS:
            raise HandleError("the test asks the student's room too many questions")
        if not self._open and self._channel.waiting():
            raise WireError("bytes arrived from the student's room that nobody asked for")
        encoder = LinkEncoder(self.objects, self.bounds, tables=self.tables)
        freed = self.objects.take_freed()
        body: dict[str, Any] = {"q": secrets.token_hex(8), "op": op, "s": self.cpu_seconds}
        changed = self.twins.changed() if self.twins and not self._open else []
        try:
            body |= self._asked(encoder, args, kwargs, changed)
        except TooLargeError as error:
            self.objects.put_back(freed)
            raise HandleError(f"{_TOO_LARGE}: {error}") from None
        if freed:
            body["free"] = list(freed)
        if news := self.tables.news():
            body["t"] = news
        body |= self._wishes(op, args)
        is_outermost = not self._open
        if is_outermost and op in _WORKING and (known := self.to_see()):
            body["see"] = known
        try:
            sent = Sent(encoder.numbered)
            frame = self._exchanged(body, encoder, sent, changed)
        except WireSizeError as error:  # before anything was sent
            self.objects.put_back(freed)
            self.tables.put_back(news)
            raise HandleError(f"{_TOO_LARGE}: {error}. {_SMALLER}") from None
        if is_outermost:
            self.seen = frame.body.get("see") if "see" in body else None
        self._taking = True  # what is a key there may be one here
        try:
            value = self.answers.take(op, frame, sent, encoder.copied, annotating=annotating)
        finally:
            self._taking = False
        self.printing.redirected(there=frame.body.get("to") == 1)
        self._has_threads = frame.body.get("th") == 1
        self.objects.awaiting.goes_on(there=frame.body.get("bg") == 1)
        self._note_returned(op, value)
        return value

    def _exchanged(
        self, body: dict[str, Any], encoder: LinkEncoder, sent: Sent, changed: list[Any]
    ) -> Frame:
        """Send a question and give the answer; what was changed here is alike there from then."""
        self._open.append(sent)
        began = perf_counter()
        depth = sys.getrecursionlimit()
        # What the test's own functions and the student's call of each other is less deep for them.
        sys.setrecursionlimit(depth + _FRAMES)
        try:
            with Hold():
                self._channel.send(body, encoder.blobs, seconds=self.wall_seconds)
                self.twins.alike(changed)
                return self._wait(body["q"])
        except (WireError, CellTimeoutError):
            raise
        except BaseException:
            self._give_up("the test was stopped while a question was open")
            raise
        finally:
            self._open.pop()
            sys.setrecursionlimit(depth)
            if not self._open:
                self.waited += perf_counter() - began

    def _wishes(self, op: str, args: tuple[Any, ...]) -> dict[str, int]:
        """Give what is to be seen to beside a question: sharing, a loop that runs."""
        shares = (
            (self.shares and op in _SHARING)
            or op == "enter"
            or (op in _LOOKING and args[0] in self.handed)
        )
        wanted = {"h": shares, "al": self.is_asynchronous}
        return {name: 1 for name, is_wanted in wanted.items() if is_wanted}

    def _asked(
        self,
        encoder: LinkEncoder,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        changed: list[Any],
    ) -> dict[str, Any]:
        """Give the values of a question, and what both rooms have and this one has changed."""
        body: dict[str, Any] = {"v": [encoder.encode(arg) for arg in args]}
        if changed:
            body["tw"] = [encoder.encode(value) for value in changed]
        if kwargs:
            body["k"] = {name: encoder.encode(value) for name, value in kwargs.items()}
        if encoder.copied:
            body["cn"] = self.copies.add(encoder.copied)
        if gone := self.copies.take_gone():
            body["cx"] = gone
        return body

    def _wait(self, identity: str) -> Frame:
        while True:
            frame = self._channel.receive(seconds=self.wall_seconds)
            if "moved" in frame.body:
                self.functions.clear()
            if "c" in frame.body:
                self._call_back(frame)
                continue
            if frame.body.get("a") != identity:
                raise WireError("an answer to no question")
            return frame

    def _note_returned(self, op: str, value: Any) -> None:
        """Remember what the student's functions have given, whatever it says of itself."""
        if op in _CALLING:
            given = value if op == "together" and type(value) is tuple else ((True, value),)
            numbers = (number_of(part) for told in given if type(told) is tuple for part in told)
            self.judge.returned.update(number for number in numbers if number is not None)

    def settle(self) -> None:
        """Bring to the student's room what a test cell changed last."""
        if not self.gone and self.twins.changed():
            self.ask("cwd")

    @contextmanager
    def _others_may_ask(self) -> Iterator[None]:
        """Let threads of the test's ask while its own code does what it was called for."""
        lock: Any = self._lock
        held = lock._release_save()
        before, self._called_back = self._called_back, get_ident()
        try:
            yield
        finally:
            self._called_back = before
            lock._acquire_restore(held)

    def is_asking(self) -> bool:
        """Say whether this may be done for student code: a question is open, or in a thread."""
        return bool(self._open) or threading.current_thread() is not threading.main_thread()

    def is_called_back(self) -> bool:
        """Say whether this thread does what student code has called an object of the test's for."""
        return self._called_back == get_ident() and not self.gone

    def is_let_go_on(self) -> bool:
        """Say whether threads of the student's may want what this thread does, while it waits."""
        is_idle = self._has_threads and not self._open and not self.gone
        is_main = threading.current_thread() is threading.main_thread()
        return is_idle and is_main and self.lending.is_in_use

    def _call_back(self, frame: Frame) -> None:
        """Let student code use an object that it was handed; its errors are handed back too."""
        body = frame.body
        sent = self._open[-1]
        replay(body.get("out"))
        decoder = LinkDecoder(self.objects, frame.blob, self.bounds, known=sent)
        args, names = _handed_back(body, decoder)
        handed = list(decoder.made)
        encoder = LinkEncoder(self.objects, self.bounds)
        changed: list[Any] = []
        try:
            self.answers.change(body.get("ch"), decoder, sent)
            self.answers.change(body.get("later"), decoder, self.twins.values())
            sent.let_go(body.get("lg"))
            looks = Looks(sent, handed)
            encoder = LinkEncoder(self.objects, self.bounds, known=looks.known())
            redirected = body.get("to") == 1
            with Unheld(), self.printing.caught(there=redirected) as said:
                self.answers.hear(body.get("l"), decoder)
                with self._others_may_ask():
                    result = self._lent(body, args, names)
            reply: dict[str, Any] = {"wt": 1} if result is _WAITS else {"r": encoder.encode(result)}
            given = list(encoder.numbered)
            if said and said[0]:
                reply["out"] = said[0]
            if changed := self.twins.changed() if self.twins else []:
                reply["tw"] = [encoder.encode(value) for value in changed]
            reply |= looks.news(encoder)
            may = self.reaches or not self.lending.is_fixed(body.get("o"), result, given)
            if (first := sent.join(given, may_change=may)) is not None:
                reply["j"] = [first, may]
        except WireError:
            raise
        except BaseException as error:  # the student's code sees it, as it would in one process
            if self.gone or self._is_stopped_again(error):
                raise
            if isinstance(error, HandleError):
                self.refusal = self.refusal or error  # whatever student code does with it
            encoder = LinkEncoder(self.objects, self.bounds)
            reply = {"e": encoder.error(error)}
            changed = []
        named = {"n": body["n"]} if type(body.get("n")) is int else {}
        try:
            self._channel.send(reply | named, encoder.blobs, seconds=self.wall_seconds)
        except WireSizeError as error:  # before anything was sent
            self.refusal = self.refusal or HandleError(f"{_TOO_LARGE}: {error}. {_SMALLER}")
            encoder, changed = LinkEncoder(self.objects, self.bounds), []
            reply = {"e": encoder.error(self.refusal)}
            self._channel.send(reply | named, encoder.blobs, seconds=self.wall_seconds)
        self.twins.alike(changed)

    def _lent(self, body: dict[str, Any], args: list[Any], names: dict[str, Any]) -> Any:
        """Use an object of the test's, or say that the student's room is to ask once more."""
        waited = body.get("wd", 0.0)
        need(type(waited) is float and 0.0 <= waited < float("inf"), "seconds")
        try:
            found = self.lending.use(body["c"], body.get("o"), args, names, waited=waited)
        except StillWaitsError:
            if waited:
                self.note(_WAITING)
            return _WAITS
        if waited:
            self.notes.pop(_WAITING, None)
        return found

    def _is_stopped_again(self, error: BaseException) -> bool:
        """Give up on student code that went on when a test's time was up."""
        if not isinstance(error, CellTimeoutError):
            return False
        self._stopped += 1
        if self._stopped > 1:
            self._give_up("the student's code went on although the test's time was up")
        return self._stopped > 1


def _handed_back(body: dict[str, Any], decoder: LinkDecoder) -> tuple[list[Any], dict[str, Any]]:
    """Give what a test's object is called with."""
    need(type(body.get("v")) is list and type(body.get("k")) is list, "a callback")
    args = [decoder.decode(item) for item in body["v"]]
    names: dict[str, Any] = {}
    for pair in body["k"]:
        need(type(pair) is list and len(pair) == 2 and type(pair[0]) is str, "a keyword")
        names[pair[0]] = decoder.decode(pair[1])
    return args, names
