"""Framed, bounded messages between two rooms, neither of which has to trust the other's bytes.

A frame is a header (magic, length of the JSON part, length of the attachments), the JSON part
and the attachments: raw buffers that the JSON part refers to by offset and length, so that an
array of a million numbers never becomes text. Nothing on the wire can name code: no pickle from
the student's room, no eval, no import. What values look like inside the JSON part is the business
of :mod:`autograder.wire_values`.

The protocol, seen from the examiner's room, is question and answer:

- A question ``{"q": id, "op": name, ...}`` carries an id that can't be guessed and is used once.
- While it works on a question, the student's room may send callbacks ``{"c": name, "n": number,
  ...}`` to objects that the examiner handed over in this or an earlier question; each is answered
  by ``{"r": value, "n": number, ...}`` before the student's room goes on.
- The answer ``{"a": id, ...}`` must repeat the id. Bytes that arrive while no question is open,
  an answer with another id, a frame that breaks a bound or a value that doesn't decode exactly
  are a breach: the link is closed for good and the cell that was running fails.

Bounds are on the sizes (before anything is allocated: memory grows with the bytes that really
arrive, not with the length that was announced), the depth, the digits, the items and the time.
"""

import json
import select
import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from time import monotonic  # as it is before a test replaces it
from typing import Any

__all__ = [
    "Blob",
    "Bounds",
    "Channel",
    "Frame",
    "WireClosedError",
    "WireError",
    "WireSizeError",
    "WireTimeoutError",
    "text_size",
    "to_json",
]

Blob = bytes | bytearray | memoryview

_HEADER = struct.Struct("!4sII")
_MAGIC = b"agw1"
_CHUNK = 1 << 20
_ITEMS = 2_000_000
_PIECE = 1 << 16

to_json = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_loads = json.JSONDecoder().decode


class WireError(Exception):
    """A message broke the rules: nothing that follows on that link can be believed."""


class WireClosedError(WireError):
    """The other end is gone."""


class WireSizeError(WireError):
    """What was to be sent is more than may cross: nothing was sent, and the link is as it was."""


class WireTimeoutError(WireError):
    """The other end didn't answer in time."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large one message may be; a sender that would break them has to send less."""

    text_bytes: int = 16 << 20
    blob_bytes: int = 192 << 20
    depth: int = 100
    items: int = _ITEMS
    int_bits: int = 1 << 18
    blobs: int = 20_000


@dataclass(frozen=True, slots=True)
class Frame:
    """One message: its JSON part, always an object, and its attachments as one buffer."""

    body: dict[str, Any]
    blob: memoryview


def text_size(texts: Iterable[str], most: int) -> int:
    """Give the bytes that texts have as JSON, roughly if they are short; stop above ``most``."""
    lengths = list(map(len, texts := list(texts)))
    if not lengths or max(lengths) <= _PIECE:
        return sum(lengths)
    size = 0
    for text in texts:
        is_middling = _PIECE < len(text) <= most
        places = range(0, len(text), _PIECE) if is_middling else ()
        size += 0 if is_middling else len(text)
        for start in places:
            size += len(to_json(text[start : start + _PIECE])) if size <= most else 0
        if size > most:
            break
    return size


def pack(body: dict[str, Any], blobs: Sequence[Blob], bounds: Bounds) -> list[Blob]:
    """Turn a message into buffers to send; :class:`WireSizeError` if it breaks the bounds."""
    try:
        text = to_json(body).encode("ascii")
    except MemoryError:
        raise WireSizeError("a message is more than this room has memory for") from None
    except (ValueError, RecursionError) as error:
        raise WireSizeError(f"a message can't be written: {type(error).__name__}") from None
    views = [memoryview(blob).cast("B") for blob in blobs]
    size = sum(view.nbytes for view in views)
    if len(text) > bounds.text_bytes or size > bounds.blob_bytes:
        raise WireSizeError(
            f"a message of {len(text)} + {size} bytes is more than may cross "
            f"({bounds.text_bytes} + {bounds.blob_bytes})"
        )
    return [_HEADER.pack(_MAGIC, len(text), size) + text, *views]


def parse_header(header: bytes, bounds: Bounds) -> tuple[int, int]:
    """Read the two lengths of a header, within bounds."""
    magic, text, blob = _HEADER.unpack(header)
    if magic != _MAGIC:
        raise WireError("bytes that nobody asked for: this isn't a message")
    if text > bounds.text_bytes or blob > bounds.blob_bytes:
        raise WireError(f"a message announces {text} + {blob} bytes, more than may cross")
    return text, blob


def parse_body(text: bytes | bytearray, items: int = _ITEMS) -> dict[str, Any]:
    """Read the JSON part: an object of at most so many lists and objects, or :class:`WireError`.

    Three bytes can stand for a list, which takes sixty: they are counted before any is made.
    """
    if len(text) > items and text.count(b"[") + text.count(b"{") > items:
        raise WireError(f"a message holds more than {items} lists and objects")
    try:
        body = _loads(text.decode("ascii"))
    except (ValueError, RecursionError, MemoryError) as error:
        raise WireError(f"a message isn't JSON: {type(error).__name__}") from None
    if type(body) is not dict:
        raise WireError("a message isn't a JSON object")
    return body


class Channel:
    """One end of a stream socket that carries frames."""

    def __init__(self, sock: socket.socket, *, bounds: Bounds | None = None) -> None:
        self._socket = sock
        self.bounds = bounds or Bounds()
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._deadline: float | None = None

    def fileno(self) -> int:
        """Give the descriptor, for ``select``."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close this end; the other end sees it as gone."""
        self._socket.close()

    def waiting(self, seconds: float = 0.0) -> bool:
        """Say whether bytes (or the other end's closing) are there to be read."""
        return bool(self._poll.poll(seconds * 1000))

    def send(
        self, body: dict[str, Any], blobs: Sequence[Blob] = (), *, seconds: float | None = None
    ) -> None:
        """Send one frame whole."""
        buffers = pack(body, blobs, self.bounds)
        self._socket.settimeout(seconds)
        try:
            for buffer in buffers:
                self._socket.sendall(buffer)
        except TimeoutError:
            raise WireTimeoutError("the other room doesn't read what it is sent") from None
        except (OSError, ValueError) as error:
            raise WireClosedError(f"the other room is gone ({type(error).__name__})") from None

    def receive(self, *, seconds: float | None = None) -> Frame:
        """Read one frame whole, within ``seconds``."""
        self._deadline = None if seconds is None else monotonic() + seconds
        text_size, blob_size = parse_header(bytes(self._exactly(_HEADER.size)), self.bounds)
        body = parse_body(self._exactly(text_size), self.bounds.items)
        return Frame(body, memoryview(self._exactly(blob_size) if blob_size else b""))

    def _exactly(self, size: int) -> bytearray:
        data = bytearray()
        while len(data) < size:
            data += self._some(min(_CHUNK, size - len(data)))
        return data

    def _some(self, size: int) -> bytes:
        left = None if self._deadline is None else self._deadline - monotonic()
        if left is not None and left <= 0:
            raise WireTimeoutError("no answer in time")
        self._socket.settimeout(left)
        try:
            data = self._socket.recv(size)
        except TimeoutError:
            raise WireTimeoutError("no answer in time") from None
        except (OSError, ValueError) as error:
            raise WireClosedError(f"the other room is gone ({type(error).__name__})") from None
        if not data:
            raise WireClosedError("the other room is gone")
        return data
