"""ONNX models on the wire: they come back as they were, and other bytes make none."""

import pytest
from onnx import ModelProto, helper

from autograder import wire_onnx
from autograder.wire import Bounds, WireError
from autograder.wire_onnx import onnx_model, onnx_parts
from autograder.wire_values import Decoder, Encoder


def made() -> ModelProto:
    return helper.make_model(helper.make_graph([], "empty", [], []), producer_name="tests")


def decoder(data: bytes) -> Decoder:
    return Decoder(memoryview(data), Bounds())


def test_a_model_comes_back_as_it_was() -> None:
    """Of the same class, with the same content."""
    encoder = Encoder(Bounds())
    parts = onnx_parts(encoder, made())
    assert parts is not None
    tag, place = parts
    other = onnx_model(decoder(b"".join(map(bytes, encoder.blobs))), place)
    assert (tag, type(other)) == ("onnx", ModelProto)
    assert other == made()


def test_what_is_no_model_or_too_large_is_left_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of a model too: what a test finds in it may be asked of the whole."""
    encoder = Encoder(Bounds())
    for value in (3, b"", ModelProto, made().graph):
        assert onnx_parts(encoder, value) is None
    monkeypatch.setattr(wire_onnx, "_LARGEST", 3)
    assert onnx_parts(encoder, made()) is None
    assert encoder.blobs == []


@pytest.mark.parametrize("data", [b"abc", b"\xff" * 40, made().SerializeToString()[:-2]])
def test_other_bytes_are_no_model(data: bytes) -> None:
    """Nor is a part of a model's file."""
    with pytest.raises(WireError, match="no ONNX model"):
        onnx_model(decoder(data), [0, len(data)])
    with pytest.raises(WireError):
        onnx_model(decoder(data), [0, len(data) + 1])


def test_a_room_that_does_not_know_the_class_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The object stays a handle there."""
    monkeypatch.setattr(wire_onnx, "find_class", lambda *_: None)
    assert onnx_model(decoder(b"abc"), [0, 3]) is None
    assert onnx_parts(Encoder(Bounds()), made()) is None
