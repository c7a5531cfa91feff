"""Frames: whole, bounded, and refused at the first byte that isn't as it should be."""

import contextlib
import json
import os
import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.wire import (
    Bounds,
    Channel,
    WireClosedError,
    WireError,
    WireTimeoutError,
    text_size,
)

SMALL = Bounds(text_bytes=10_000, blob_bytes=10_000)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, Channel]]:
    """A raw socket and the channel at its other end."""
    raw, other = socket.socketpair()
    channel = Channel(other, bounds=SMALL)
    yield raw, channel
    raw.close()
    channel.close()


def frame(text: bytes, blob: bytes = b"", *, magic: bytes = b"agw1") -> bytes:
    return struct.pack("!4sII", magic, len(text), len(blob)) + text + blob


def test_a_message_arrives_with_its_attachments(ends: tuple[socket.socket, Channel]) -> None:
    """What one end sends is what the other receives."""
    raw, channel = ends
    sender = Channel(raw, bounds=SMALL)
    sender.send({"q": "1", "v": [1, "ä\ud800", None]}, [b"ab", memoryview(b"cd")])
    received = channel.receive(seconds=60)
    assert received.body == {"q": "1", "v": [1, "ä\ud800", None]}
    assert bytes(received.blob) == b"abcd"


def test_a_message_in_many_pieces_is_put_together(ends: tuple[socket.socket, Channel]) -> None:
    """A stream may cut a frame anywhere."""
    raw, channel = ends
    data = frame(b'{"a": "b"}', b"12345")
    sender = threading.Thread(target=lambda: [raw.send(data[i : i + 1]) for i in range(len(data))])
    sender.start()
    assert channel.receive(seconds=60).body == {"a": "b"}
    sender.join()


@pytest.mark.parametrize(
    "data",
    [
        frame(b"{}", magic=b"HTTP"),
        frame(b"[]"),
        frame(b"nonsense"),
        frame(b'{"a": 1'),
        frame(b"[" * 9_000),
        frame(b'{"a": ' + b"9" * 9_000 + b"}"),
        frame("{'ä': 1}".encode()),
        struct.pack("!4sII", b"agw1", 0xFFFFFFFF, 0),
        struct.pack("!4sII", b"agw1", 2, 0xFFFFFFFF),
    ],
)
def test_what_is_no_message_is_refused(data: bytes, ends: tuple[socket.socket, Channel]) -> None:
    """Another protocol, other JSON, too many digits, too deep, too long: refused."""
    raw, channel = ends
    raw.sendall(data)
    with pytest.raises(WireError):
        channel.receive(seconds=60)


def test_an_announced_length_allocates_nothing(ends: tuple[socket.socket, Channel]) -> None:
    """A message that never comes ends in a time-out, not in memory for it."""
    raw, channel = ends
    raw.sendall(struct.pack("!4sII", b"agw1", 9_000, 9_000) + b"{")
    with pytest.raises(WireTimeoutError):
        channel.receive(seconds=0.05)


def test_a_closed_end_is_noticed(ends: tuple[socket.socket, Channel]) -> None:
    """A room that is gone is an error of its own, in the middle of a message too."""
    raw, channel = ends
    raw.sendall(frame(b"{}")[:-1])
    raw.close()
    with pytest.raises(WireClosedError):
        channel.receive(seconds=60)


def test_a_message_beyond_the_bounds_is_not_sent(ends: tuple[socket.socket, Channel]) -> None:
    """The sender is told, and nothing of the message goes out."""
    raw, channel = ends
    with pytest.raises(WireError):
        channel.send({"a": "x" * 20_000})
    with pytest.raises(WireError):
        channel.send({}, [bytes(20_000)])
    raw.setblocking(False)
    with pytest.raises(BlockingIOError):
        raw.recv(1)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=200), st.booleans())
def test_random_bytes_are_refused_or_read(data: bytes, headed: bool) -> None:
    """Whatever arrives, it is a frame or a :class:`WireError`."""
    raw, other = socket.socketpair()
    with raw, other:
        channel = Channel(other, bounds=SMALL)
        raw.sendall(frame(data) if headed else data + os.urandom(0))
        raw.shutdown(socket.SHUT_WR)
        with contextlib.suppress(WireError):
            assert type(channel.receive(seconds=60).body) is dict


@pytest.mark.parametrize("character", ["x", "\n", "é", "\x00", "\N{SNAKE}"])
def test_a_texts_size_is_that_of_its_json(character: str) -> None:
    """It is counted piece by piece, and no further than it matters."""
    text = character * 200_000
    size = len(json.dumps(text))
    assert size <= text_size([text], 1 << 30) <= size + 10
    assert 300_000 < text_size([text, text], 300_000) < 1_600_000
    assert text_size(["a" * 10, character], 1_000) == 11
