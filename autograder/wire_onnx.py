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
_IN_FILES = frozenset({"external_data", "data_location"})


def onnx_parts(encoder: Encoder, value: Any) -> list[Json] | None:
    """Encode an ONNX model; None for anything else, and for one that is too large."""
    kind: Any = find_class(*_CLASS)
    if kind is None or type(value) is not kind or value.ByteSize() > _LARGEST:
        return None
    return ["onnx", encoder.blob(value.SerializeToString())]


def onnx_model(decoder: Decoder, place: Json) -> Any:
    """Build an ONNX model of attached bytes; None where this room knows no such class.

    None too of one that has its weights in other files: they would be this room's.

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
        model = kind.FromString(data)
    except Exception:
        raise WireError("a value doesn't decode: no ONNX model") from None
    return None if _reads_files(model) else model


def _reads_files(model: Any) -> bool:
    """Say whether a tensor anywhere in a model is what some file holds."""
    waiting = [model]
    while waiting:
        for field, value in waiting.pop().ListFields():
            if field.name in _IN_FILES and value:
                return True
            if field.message_type is not None:
                waiting += [value] if hasattr(value, "ListFields") else value
    return False
