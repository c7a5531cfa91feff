"""Calls of given functions in rooms where no answer ran: the examiner's side.

Plain data goes there and plain data comes back. What the student's files do in such a room, they
do in processes that the given function started; what it says of them is the release's own word.
"""

import secrets
import socket
from collections.abc import Callable, Iterable
from typing import Any

from autograder.examiner_codec import replay
from autograder.examiner_errors import StudentStoppedError, build_error
from autograder.examiner_link import ExaminerLink
from autograder.examiner_saying import Sayings
from autograder.handles import WAYS_OUT, HandleError, describe, number_of
from autograder.time_limit import Hold
from autograder.wire import Bounds, Channel, WireClosedError, WireError
from autograder.wire_values import Decoder, Encoder, Json, TooLargeError, need

__all__ = ["FreshCalls"]

_MESSAGE_BYTES = 4_096


class _PlainEncoder(Encoder):
    """Encodes plain data and nothing else.

    An object of the student's whose class is derived from a plain type goes as the plain value
    that its room gives for it.
    """

    def __init__(self, bounds: Bounds, sayings: Sayings) -> None:
        super().__init__(bounds)
        self._sayings = sayings

    def fallback(self, value: Any) -> Json:
        """Encode what a derived object holds; say what isn't plain."""
        if number_of(value) is not None and self._sayings.has_value(value):
            return self.encode(self._sayings.value_of(value))
        what = f"a {type(value).__name__}" if number_of(value) is None else describe(value)
        raise TooLargeError(f"{what} can't go there")


class _PlainDecoder(Decoder):
    """Decodes plain data; notes what else was there."""

    strange = ""

    def foreign(self, item: list[Any]) -> Any:
        """Take an object of the other room for what it is called."""
        label = item[3] if item[0] == "h" and len(item) == 5 else item[0]
        self.strange = "".join(c for c in str(label)[:80] if c.isprintable())
        return self.strange


class FreshCalls:
    """Asks the coordinator for rooms and calls given functions in them.

    Parameters
    ----------
    orders : Channel
        The link to the coordinator, on which it waits for a report while a test runs.
    desk : socket
        Where the coordinator hands over the rooms.
    link : ExaminerLink
        The link to the student's room, for the limits that hold.
    """

    def __init__(self, orders: Channel, desk: socket.socket, link: ExaminerLink) -> None:
        self._orders = orders
        self._desk = desk
        self._link = link
        self._bounds = Bounds()
        self._last: Channel | None = None

    def function(self, name: str) -> Callable[..., Any]:
        """Make the function that stands for a given one: each call has a room of its own."""

        def call(*args: Any, **kwargs: Any) -> Any:
            with Hold():
                value, strange = self._ask(self._room(), "given_call", name, *args, **kwargs)
            if strange:
                raise HandleError(
                    f"{name} gave an object of class {strange}, which stays in the fresh room. "
                    "Let it give plain data (numbers, text, lists, dicts, arrays, frames)."
                )
            return value

        call.__name__ = call.__qualname__ = name
        call.__module__ = "__main__"  # it is the notebook's, wherever it runs
        return call

    def values(self, names: Iterable[str]) -> dict[str, Any]:
        """Give what given cells bound to names, as far as it is plain data."""
        values = {}
        with Hold():
            room = self._room()
            for name in names:
                found, strange = self._ask(room, "given", name)
                if type(found) is tuple and len(found) == 1 and not strange:
                    values[name] = found[0]
        return values

    def _room(self) -> Channel:
        """Get a room. The one before has been ended by the coordinator, who saw what it used."""
        told, descriptors = b"", []
        try:
            self._orders.send({"want": "room"}, seconds=self._link.wall_seconds)
            self._desk.settimeout(self._link.wall_seconds)
            while not told.endswith(b"\n"):
                data, found, _, _ = socket.recv_fds(self._desk, _MESSAGE_BYTES, 1)
                descriptors += found
                if not data:
                    raise WireClosedError("nobody makes rooms any more")
                told += data
        except (OSError, WireError) as error:
            raise StudentStoppedError(f"there is no fresh room: {error}") from None
        finally:
            if self._last is not None:
                self._last.close()
        if not descriptors:
            raise StudentStoppedError(
                f"there is no fresh room: {told.decode('utf-8', 'replace').strip()}."
            )
        self._last = Channel(socket.socket(fileno=descriptors[0]), bounds=self._bounds)
        return self._last

    def _ask(self, room: Channel, op: str, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Ask a room one question; give the answer, and what in it isn't plain."""
        encoder = _PlainEncoder(self._bounds, self._link.sayings)
        identity = secrets.token_hex(8)
        body: dict[str, Any] = {"q": identity, "op": op, "s": self._link.cpu_seconds}
        try:
            body["v"] = [encoder.encode(arg) for arg in (name, *args)]
            body["k"] = {key: encoder.encode(value) for key, value in kwargs.items()}
        except TooLargeError as error:
            raise HandleError(
                f"{name} runs in a fresh room, which gets plain data: {error}. {WAYS_OUT}"
            ) from None
        try:
            room.send(body, encoder.blobs, seconds=self._link.wall_seconds)
            frame = room.receive(seconds=self._link.wall_seconds)
            need(frame.body.get("a") == identity, "an answer to this question")
            decoder = _PlainDecoder(frame.blob, self._bounds, known=encoder.numbered)
            return self._read(frame.body, decoder, name)
        except WireError as error:
            raise StudentStoppedError(
                f"the fresh room ended while {name} ran ({error}): what was handed in ended it, "
                "or used more than a test may."
            ) from None

    def _read(self, body: dict[str, Json], decoder: _PlainDecoder, name: str) -> Any:
        replay(body.get("out"))
        if "e" in body:
            raise build_error(body["e"], decoder.decode)
        if "large" in body:
            raise HandleError(f"what {name} gave is too large to look at: {body['large']}")
        need("v" in body, "an answer without a value")
        value = decoder.decode(body["v"])
        return value, decoder.strange
