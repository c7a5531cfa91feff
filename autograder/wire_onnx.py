"""ONNX models on the wire by value: as the bytes of their file, which are parsed again.

A test checks such a model, goes through its graph and runs it in a session of its own.
"""

from typing import Any

from autograder.wire import WireError
from autograder.wire_classes import find_class
from autograder.wire_values import Decoder, Encoder, Json

__all__ = ["onnx_model", "onnx_parts"]

_CLASS = ("onnx.onnx_ml_pb2", "ModelProto")
_LARGEST = 8 << 20


def onnx_parts(encoder: Encoder, value: Any) -> list[Json] | None:
    """Encode an ONNX model; None for anything else, and for one that is too large."""
    kind: Any = find_class(*_CLASS)
    if kind is None or type(value) is not kind or value.ByteSize() > _LARGEST:
        return None
    return ["onnx", encoder.blob(value.SerializeToString())]


def onnx_model(decoder: Decoder, place: Json) -> Any:
    """Build an ONNX model of attached bytes; None where this room knows no such class.

    Raises
    ------
    WireError
        If they are none.
    """
    kind: Any = find_class(*_CLASS)
    data = bytes(decoder.bytes_at(place))
    if kind is None:
        return None
    try:
        return kind.FromString(data)
    except Exception:
        raise WireError("a value doesn't decode: no ONNX model") from None
