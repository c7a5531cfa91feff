"""The student's room: runs the notebook's cells in order, then answers the examiner's questions.

It is told what to run on one socket and asked on another; both may be read, closed or written to
by student code, which gains nothing by it: whoever is at the other end checks all that arrives.
"""

import asyncio
import os
import select
import socket
import sys
import time
from contextlib import suppress
from typing import Any

from autograder.capture import Capture, CapturedStream, Descriptors
from autograder.cell_frames import cell_lines
from autograder.examiner_source import bound_names
from autograder.room_files import keep_home
from autograder.room_shells import class_table, student_shell
from autograder.student_answers import Answerer
from autograder.student_objects import Registry
from autograder.time_limit import CellTimeoutError, cpu_limit
from autograder.wire import Bounds, Channel, Frame, WireClosedError, WireError

__all__ = ["main"]

_SAID = 1 << 18
_MESSAGE = 20_000
_NAME = 200
_INLINE = "module://matplotlib_inline.backend_inline"


class _Room:
    def __init__(self, orders: Channel, questions: Channel) -> None:
        self.orders, self.questions = orders, questions
        self.shell, self.names = student_shell()
        self.registry = Registry(class_table())
        self.capture = Capture()
        self.said = Capture(_SAID)
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.descriptors = Descriptors()
        self._clock = time.process_time()
        self._streams = {
            id(capture): (
                CapturedStream(capture, "stdout", 1),
                CapturedStream(capture, "stderr", 2),
            )
            for capture in (self.capture, self.said)
        }
        self._redirected: Any = None
        self._hear(self.capture)
        self.answerer = Answerer(
            questions, self.names, self.registry, said=self._take_said, limit=cpu_limit
        )
        self.answerer.operations.loop = self.loop

    def _hear(self, capture: Capture) -> None:
        sys.stdout, sys.stderr = self._streams[id(capture)]
        self.shell.capture_into(capture)

    def _take_said(self) -> list[Any]:
        if self.said.empty:
            return []
        said: list[Any] = []
        for output in self.said.take():
            if output["output_type"] == "stream":
                said.append([output["name"], output["text"]])
            elif output["output_type"] == "display_data":
                said.append(["display", output["data"]])
        return said

    def serve(self) -> None:
        """Do as told and answer, until the orders end."""
        while True:
            ready, _, _ = select.select([self.orders, self.questions], [], [])
            if self.orders in ready:
                frame = self.orders.receive()
                self.orders.send({"id": frame.body["id"], **self._obey(frame.body)})
            elif self.questions in ready:
                frame = self.questions.receive()
                if "q" in frame.body:  # not what a call was given up for that took too long
                    self._answer(frame)

    def _answer(self, frame: Frame) -> None:
        """Answer a question; where student code has redirected what is printed, it stays so."""
        self._hear(self.said)
        own = self.answerer.own_stdout = sys.stdout
        if self._redirected is not None:
            sys.stdout = self._redirected
        try:
            self.answerer.answer(frame)
        finally:
            self._redirected = None if sys.stdout is own else sys.stdout
            self._hear(self.capture)

    def _obey(self, order: dict[str, Any]) -> dict[str, Any]:
        if order["do"] == "seal":  # what is written from here on isn't imported
            sys.path[:] = [path for path in sys.path if path]
            return {}
        if order["do"] == "settle":
            with suppress(BaseException), cpu_limit(order["seconds"]):
                self._hear(self.said)
                self.shell.events.trigger("post_execute")
            self.said.take()
            self.descriptors.collect(self.said)
            self.said.take()
            self._hear(self.capture)
            return {"cpu": self._spent()}
        return self._run(order)

    def _spent(self) -> float:
        """Give the CPU seconds since this was last asked."""
        before, self._clock = self._clock, time.process_time()
        return self._clock - before

    def _run(self, order: dict[str, Any]) -> dict[str, Any]:
        self.capture.limit = order["output"]
        self.capture.take()
        self._spent()
        with cpu_limit(order["seconds"]), self.answerer.operations.replaced.in_force():
            outcome = self.shell.run_text(order["text"], self.loop)
        with suppress(Exception):
            sys.stdout.flush()
        self._hear(self.capture)
        self.descriptors.collect(self.capture)
        if order["kind"] == "locked":
            for name in bound_names(order["text"]):
                if name in self.names:
                    self.registry.given_names[name] = self.names[name]
        error = outcome.error
        return {
            "outputs": self.capture.take(),
            "count": outcome.count,
            "error": "" if error is None else type(error).__name__[:_NAME] or "Error",
            "message": "" if error is None else _message(error),
            "lines": cell_lines(error, f"<cell {outcome.count}>"),
            "timeout": isinstance(error, CellTimeoutError),
            "cpu": self._spent(),
        }


def _message(error: BaseException) -> str:
    try:
        return str(error)[:_MESSAGE]
    except BaseException:  # the student's own __str__
        return ""


def _draw_inline() -> None:
    """Show figures at the end of a cell, as a notebook does, whenever matplotlib is imported."""
    os.environ["MPLBACKEND"] = _INLINE
    if "matplotlib.pyplot" in sys.modules:
        from IPython.core.pylabtools import activate_matplotlib
        from matplotlib_inline.backend_inline import configure_inline_support

        activate_matplotlib(_INLINE)  # type: ignore[no-untyped-call]
        configure_inline_support(student_shell()[0], _INLINE)  # type: ignore[no-untyped-call]


def main(sockets: list[socket.socket]) -> None:
    """Serve as the student's room; ``sockets`` are that of the orders and of the questions."""
    _draw_inline()
    sys.path[:] = ["", *[path for path in sys.path if path]]
    keep_home()
    orders, questions = (Channel(sock, bounds=Bounds()) for sock in sockets)
    with suppress(WireClosedError, WireError, KeyboardInterrupt):
        _Room(orders, questions).serve()
