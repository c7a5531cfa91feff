"""Values that are made of plain ones: the views of a dict, and arrays with a mask.

Of exactly these types. A view crosses with what it shows, and follows no later change. What is
masked counts as equal to anything; where a lab doesn't speak of masks, such an array is a handle,
or the array below the mask if that masks nothing.
"""

from typing import Any

import numpy as np

from autograder.wire_values import DECODERS, ENCODERS, Decoder, Encoder, Json, need, spread

__all__ = ["encode_masked"]

_NONE: dict[Any, Any] = {}
_KEYS, _VALUES, _ITEMS = type(_NONE.keys()), type(_NONE.values()), type(_NONE.items())


def _encode_view(tag: str) -> Any:
    return lambda encoder, value: [tag, encoder.many(list(value), len(value))]


def _shown(decoder: Decoder, item: list[Any]) -> list[Any]:
    need(len(item) == 2 and type(item[1]) is list, "what a view shows")
    return decoder.many(item[1])


def _decode_keys(decoder: Decoder, item: list[Any]) -> Any:
    return dict.fromkeys(spread(_shown(decoder, item))).keys()


def _decode_values(decoder: Decoder, item: list[Any]) -> Any:
    return dict(enumerate(_shown(decoder, item))).values()


def _decode_items(decoder: Decoder, item: list[Any]) -> Any:
    pairs = _shown(decoder, item)
    need(all(type(pair) is tuple and len(pair) == 2 for pair in pairs), "pairs")
    spread([key for key, _ in pairs])
    return dict(pairs).items()


def encode_masked(encoder: Encoder, value: Any) -> Json:
    """Encode an array with a mask: its data and what is masked; None where it has no mask."""
    data, mask = np.ma.getdata(value), np.ma.getmask(value)
    if type(data) is not np.ndarray or data.dtype.kind not in "biufc":
        return encoder.fallback(value)
    masked = None if mask is np.ma.nomask else encoder.encode(np.ma.getmaskarray(value))
    handle = getattr(encoder, "handle", None)
    return ["ma", encoder.encode(data), masked, handle and handle(value)]


def _decode_masked(decoder: Decoder, item: list[Any]) -> Any:
    need(len(item) == 4, "an array with a mask")
    data, mask = (decoder.decode(part) for part in item[1:3])
    need(type(data) is np.ndarray and data.dtype.kind in "biufc", "an array of numbers")
    if mask is not None:
        need(type(mask) is np.ndarray and mask.dtype == bool, "a mask")
        need(mask.shape == data.shape, "a mask of the array's shape")
    if not decoder.may_mask:
        # Where nothing is masked it is its data, which hides nothing in what is made of it either.
        return data if mask is None or not mask.any() else decoder.decode(item[3])
    if mask is None:
        return np.ma.MaskedArray(data)
    return np.ma.MaskedArray(data, mask=mask)


ENCODERS.update(
    {
        _KEYS: _encode_view("vk"),
        _VALUES: _encode_view("vv"),
        _ITEMS: _encode_view("vi"),
        np.ma.MaskedArray: encode_masked,
    }
)
DECODERS.update(
    {"vk": _decode_keys, "vv": _decode_values, "vi": _decode_items, "ma": _decode_masked}
)
