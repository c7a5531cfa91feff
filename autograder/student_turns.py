"""Whose turn it is to speak, where several threads of an answer use the test's objects.

The examiner's room waits for the answer to its last question, or does what it was called back for.
While it waits, any thread here may call back; it then reads what comes until the reply is there.
A question that comes instead is that thread's to answer, and is the last one now: others may call
back meanwhile, such as a thread that it starts. So questions are answered in the reverse order of
their arrival, and one thread at a time speaks or listens.

The main thread answers the first, as only there a limit can stop what runs. Once the time is up,
it gives up what other threads were asked: these may wait for one another for ever.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any

from autograder.student_arguments import Content
from autograder.student_lent import Lent
from autograder.wire import Channel, WireError
from autograder.wire_changes import ChangeError, apply_change
from autograder.wire_values import Json

__all__ = ["GivenUpError", "Open", "Turns"]

# How long a thread waits for the next question before it uses an object of the test's.
_PATIENCE = 60.0
_LOOKING_S = 0.1


class GivenUpError(RuntimeError):
    """A thread was asked something, and has taken too long."""


@dataclass(slots=True, eq=False)
class Open:
    """A question that is being answered: what came with it, and what was in that."""

    identity: str
    made: list[Any]
    lent: Lent
    deadline: float
    """When to give up what came later; zero once the time is up."""
    before: Content | None = None
    calls_back: bool = False
    """Whether a thread waits for the reply to a callback."""
    is_quick: bool = False
    """Whether it only looks at something: others call back before or after."""
    thread: int = field(default_factory=threading.get_ident)
    """Who answers it."""
    has_answer: bool = False
    given_up: bool = False

    def value(self, number: int) -> Any:
        """Give one of the examiner's containers."""
        return self.made[number] if number < len(self.made) else self.lent.value(number)

    def follow(self, changes: Sequence[tuple[int, Any]]) -> None:
        """Do to containers what the test's own code did to them meanwhile."""
        for number, new in changes:
            with suppress(WireError, ChangeError, KeyError):  # its changes can't be followed here
                apply_change(self.value(number), new)
            self.lent.look(number)

    def numbers(self) -> dict[int, int]:
        """Give by its identity the number of each container that is the examiner's."""
        made = {id(value): number for number, value in enumerate(self.made)}
        return made | self.lent.numbers()


class Turns:
    """The questions that are open, the last one last, and who may speak.

    Parameters
    ----------
    channel : Channel
        The link to the examiner's room.
    too_late : callable
        Describes the error that a question is answered with that is given up.
    """

    def __init__(self, channel: Channel, too_late: Callable[[], Json]) -> None:
        self._channel = channel
        self._too_late = too_late
        self._open: list[Open] = []
        self.lock = threading.RLock()
        """Is held by who speaks."""
        self._changed = threading.Condition(self.lock)

    def is_alone(self) -> bool:
        """Say whether no other thread is answering a question.

        Its answer may name objects already that the examiner holds no more, and will hold again.
        """
        this = threading.get_ident()
        with self.lock:
            return all(question.thread == this for question in self._open)

    def begin(self, question: Open) -> None:
        """Note a question that has come."""
        with self._changed:
            self._open.append(question)
            self._changed.notify_all()

    def to_call(self) -> Open:
        """Wait, with the lock, until a thread may call back; give the question that is open."""
        passed: Open | None = None
        while True:
            if not self._open and threading.current_thread() is not threading.main_thread():
                self._changed.wait_for(lambda: bool(self._open), timeout=_PATIENCE)
            if not self._open:
                raise RuntimeError("an object that a test handed over is used after the test")
            last = self._open[-1]
            if last.calls_back or (last.has_answer and len(self._open) > 1):
                self._changed.wait()
            elif not last.is_quick or last.thread == threading.get_ident() or last is passed:
                return last
            else:
                self._changed.wait_for(partial(self._is_past, last), timeout=_LOOKING_S)
                passed = last  # it takes long enough to wait for others

    def _is_past(self, question: Open) -> bool:
        return self._open[-1:] != [question]

    def called(self, question: Open) -> None:
        """Note that the reply to a callback is there, or nobody waits for it any more."""
        with self._changed:
            question.calls_back = False
            self._changed.notify_all()

    def to_answer(self, question: Open) -> bool:
        """Wait, with the lock, until a question is the last one.

        Parameters
        ----------
        question : Open
            One that an answer is there for; :class:`GivenUpError` if it was given up.
            Only the first gives up what came later.

        Returns
        -------
        bool
            Whether nothing had to be given up.
        """
        question.has_answer = True
        self._changed.notify_all()
        is_first = bool(self._open) and question is self._open[0]
        left = max(0.0, question.deadline - monotonic()) if is_first else None
        is_on = self._changed.wait_for(lambda: self._is_on(question), timeout=left)
        if question.given_up:
            raise GivenUpError("the time for this is over")
        had_time = is_on or not self._give_up_after(question)
        self._open.pop()
        self._changed.notify_all()
        return had_time

    def _is_on(self, question: Open) -> bool:
        is_last = bool(self._open) and self._open[-1] is question
        return question.given_up or (is_last and not question.calls_back)

    def _give_up_after(self, question: Open) -> bool:
        """Answer the later questions in the stead of threads that don't; say whether any were."""
        were_late = False
        while True:
            self._changed.wait_for(lambda: not self._open[-1].calls_back)
            if self._open[-1] is question:
                return were_late
            were_late = True
            late = self._open.pop()
            late.given_up = True
            self._send_too_late(late.identity)
            while "q" in (body := self._channel.receive().body):
                self._send_too_late(body["q"])
            self._open[-1].calls_back = False
            self._changed.notify_all()

    def _send_too_late(self, identity: str) -> None:
        self._channel.send({"a": identity, "e": self._too_late()})
