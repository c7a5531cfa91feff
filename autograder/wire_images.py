"""Pictures on the wire by value: Pillow's own, as their pixels.

A test looks at a picture with NumPy, or compares it with another, as it does with an array.
"""

import sys
from typing import Any

from autograder.wire_classes import find_class
from autograder.wire_values import Decoder, Encoder, Json, need

__all__ = ["picture", "picture_parts"]

_MODULE = "PIL.Image"
_BYTES = {
    **dict.fromkeys(("RGBA", "CMYK", "I", "F"), 4),
    **dict.fromkeys(("RGB", "YCbCr", "HSV", "LAB"), 3),
    **{"LA": 2, "L": 1},
}
"""How many bytes each mode has for a pixel; pictures with a palette stay where they are."""
_LARGEST = 64 << 20
_WIDEST = 1 << 16


def picture_parts(encoder: Encoder, value: Any) -> list[Json] | None:
    """Encode a picture; None for anything else, and for one that is too large."""
    kind: Any = find_class(_MODULE, "Image")
    if kind is None or type(value) is not kind:
        return None
    mode, size = value.mode, value.size
    if mode not in _BYTES or max(size) > _WIDEST or min(size) < 1 or value.info:
        return None
    if size[0] * size[1] * _BYTES[mode] > _LARGEST:
        return None
    return ["img", mode, list(size), encoder.blob(value.tobytes())]


def picture(decoder: Decoder, item: list[Any]) -> Any:
    """Build a picture of its mode, its size and attached bytes; None if Pillow isn't loaded.

    Raises
    ------
    WireError
        If they don't fit together.
    """
    need(len(item) == 3 and type(item[0]) is str and item[0] in _BYTES, "a picture")
    mode, size = item[0], item[1]
    need(type(size) is list and len(size) == 2, "a picture's size")
    need(all(type(side) is int and 0 < side <= _WIDEST for side in size), "a picture's size")
    data = decoder.bytes_at(item[2])
    need(len(data) == size[0] * size[1] * _BYTES[mode] <= _LARGEST, "as many bytes as pixels need")
    pillow: Any = sys.modules.get(_MODULE)
    return None if pillow is None else pillow.frombytes(mode, tuple(size), bytes(data))
