"""ONNX models on the wire: they come back as they were, and other bytes make none."""

import numpy as np
import pytest
from onnx import ModelProto, helper, numpy_helper

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


def test_a_model_that_reads_files_stays_where_it_is() -> None:
    """Weights in another file would be read from a file of this room's, wherever they stand."""
    weights = numpy_helper.from_array(np.ones((2, 2), np.float32), "w")
    plain = helper.make_model(helper.make_graph([], "plain", [], [], [weights]))
    place = weights.external_data.add()
    place.key, place.value = "location", "/proc/self/environ"
    constant = helper.make_node("Constant", [], ["c"], value=weights)
    inner = helper.make_graph([constant], "inner", [], [])
    choice = helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)
    for model, is_told in (
        (plain, True),
        (helper.make_model(helper.make_graph([], "of a file", [], [], [weights])), False),
        (helper.make_model(helper.make_graph([choice], "within", [], [])), False),
    ):
        data = model.SerializeToString()
        assert (onnx_model(decoder(data), [0, len(data)]) is not None) is is_told
