"""NumPy on the wire: scalars and arrays of plain types by value, as raw buffers.

Arrays are rebuilt from raw bytes with a dtype of a short list, and what raw bytes could smuggle
in is checked: a boolean that is neither 0 nor 1, a character beyond Unicode, a buffer of another
size than the shape. Arrays of objects cross item by item. Subclasses, structured and other
exotic dtypes don't cross by value.
"""

import math
import re
from typing import Any, Literal

import numpy as np

from autograder.wire_values import (
    DECODERS,
    ENCODERS,
    MUTABLE,
    Decoder,
    Encoder,
    Json,
    need,
)

__all__ = [
    "decode_dtype",
    "decode_plain_array",
    "encode_plain_array",
    "is_plain_dtype",
]

_DTYPE = re.compile(
    r"[<>|=](?:b1|[iu][1248]|f(?:2|4|8|12|16)|c(?:8|16|24|32)|[SU]\d{1,6}"
    r"|[mM]8(?:\[\d{0,6}(?:Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as|generic)\])?)"
)
_LAST_CHARACTER = 0x10FFFF
_MAX_DIMENSIONS = 32


def is_plain_dtype(dtype: np.dtype[Any]) -> bool:
    """Say whether arrays of this dtype cross as raw bytes."""
    return dtype.kind in "biufcmMSU" and dtype.metadata is None and dtype.fields is None


def decode_dtype(text: Json) -> np.dtype[Any]:
    """Build a dtype from its short name."""
    need(type(text) is str and _DTYPE.fullmatch(text), "a plain dtype")
    return np.dtype(text)


def encode_plain_array(encoder: Encoder, array: np.ndarray[Any, Any]) -> Json:
    """Encode an array of a plain dtype: dtype, shape, memory order, place of its bytes."""
    in_columns = array.flags.f_contiguous and not array.flags.c_contiguous
    order: Literal["C", "F"] = "F" if in_columns else "C"
    return [array.dtype.str, list(array.shape), order, encoder.blob(array.tobytes(order))]


def decode_plain_array(decoder: Decoder, item: list[Any]) -> np.ndarray[Any, Any]:
    """Build an array of a plain dtype that owns its memory."""
    need(len(item) == 4, "an array's four parts")
    dtype, shape = decode_dtype(item[0]), item[1]
    need(type(shape) is list and len(shape) <= _MAX_DIMENSIONS, "a shape")
    need(all(type(size) is int and 0 <= size < 1 << 40 for size in shape), "a shape of sizes")
    need(item[2] in ("C", "F"), "a memory order")
    raw = decoder.bytes_at(item[3])
    need(math.prod(shape) * dtype.itemsize == len(raw), "as many bytes as the shape needs")
    if dtype.itemsize == 0:
        decoder.count(math.prod(shape))
        return np.zeros(shape, dtype)
    flat = np.frombuffer(raw, dtype).copy()
    _check_raw(flat)
    return flat.reshape(shape, order=item[2])


def _check_raw(flat: np.ndarray[Any, Any]) -> None:
    if flat.size == 0:
        return
    if flat.dtype.kind == "b":
        need(flat.view(np.uint8).max() <= 1, "a boolean that is neither 0 nor 1")
    if flat.dtype.kind == "U":
        code = flat.view(np.dtype("u4").newbyteorder(flat.dtype.byteorder))
        need(code.max() <= _LAST_CHARACTER, "a character beyond Unicode")


def _encode_array(encoder: Encoder, array: np.ndarray[Any, Any]) -> Json:
    if is_plain_dtype(array.dtype):
        made = ["a", *encode_plain_array(encoder, array)]
        place = _view_of(array, encoder.handed) if encoder.handed else None
        made = made if place is None else ["av", made, *place]
        return made if array.flags.writeable else ["ar", made]
    if array.dtype == object and array.dtype.metadata is None:
        items = encoder.many(array.ravel().tolist(), array.size)
        return ["ao", list(array.shape), items]
    return encoder.fallback(array)


def _decode_array(decoder: Decoder, item: list[Any]) -> np.ndarray[Any, Any]:
    slot = decoder.reserve()
    decoder.made[slot] = array = decode_plain_array(decoder, item[1:])
    return array


def _decode_fixed(decoder: Decoder, item: list[Any]) -> np.ndarray[Any, Any]:
    """Build an array that can't be written to."""
    need(len(item) == 2 and type(item[1]) is list and item[1][:1] in (["a"], ["av"]), "an array")
    array: np.ndarray[Any, Any] = decoder.decode(item[1])
    array.flags.writeable = False
    return array


def _decode_objects(decoder: Decoder, item: list[Any]) -> np.ndarray[Any, Any]:
    slot = decoder.reserve()
    shape, items = item[1], item[2]
    need(type(shape) is list and len(shape) <= _MAX_DIMENSIONS, "a shape")
    need(all(type(size) is int and 0 <= size < 1 << 31 for size in shape), "a shape of sizes")
    need(type(items) is list and len(items) == math.prod(shape), "as many items as the shape needs")
    flat = np.empty(len(items), object)
    decoder.made[slot] = array = flat.reshape(shape)  # before its items: it may be one of them
    for index, value in enumerate(decoder.many(items)):
        flat[index] = value
    return array


def _view_of(array: np.ndarray[Any, Any], others: list[Any]) -> tuple[int, int, list[int]] | None:
    """Say of which other array one is a view: its place among them, the offset and the strides.

    None where it is of none, or of one whose memory isn't as plain on the other side.
    """
    for place, other in enumerate(others):
        if type(other) is not np.ndarray or _owner(other) is not _owner(array):
            continue
        is_plain = is_plain_dtype(array.dtype) and array.dtype == other.dtype
        if is_plain and other is not array and other.flags.c_contiguous:
            return place, array.ctypes.data - other.ctypes.data, list(array.strides)
    return None


def _owner(array: np.ndarray[Any, Any]) -> Any:
    return array if array.base is None else array.base


def _decode_view(decoder: Decoder, item: list[Any]) -> np.ndarray[Any, Any]:
    """Build a view of an array that this room has handed over; a copy where it can't be one."""
    need(len(item) == 5, "a view")
    _, copied, number, offset, strides = item
    array: np.ndarray[Any, Any] = decoder.decode(copied)
    owner = decoder.known(number)
    need(type(array) is np.ndarray and type(owner) is np.ndarray, "a view of an array")
    need(type(offset) is int and type(strides) is list, "the place of a view")
    need(len(strides) == array.ndim and all(type(n) is int for n in strides), "its strides")
    if owner.dtype != array.dtype or not owner.flags.c_contiguous or owner.dtype.hasobject:
        return array
    try:
        view: np.ndarray[Any, Any] = np.ndarray(
            array.shape, array.dtype, owner, offset, tuple(strides)
        )
    except (TypeError, ValueError, OverflowError):  # not within the other one
        return array
    return view


def _encode_scalar(encoder: Encoder, value: np.generic) -> Json:
    # NumPy gives an empty text a character's room, which its dtype doesn't speak of.
    return ["n", value.dtype.str, encoder.blob(value.tobytes()[: value.dtype.itemsize])]


def _decode_scalar(decoder: Decoder, item: list[Any]) -> Any:
    dtype = decode_dtype(item[1])
    raw = decoder.bytes_at(item[2])
    need(len(raw) == dtype.itemsize, "as many bytes as the scalar needs")
    if dtype.itemsize == 0:
        return dtype.type()
    flat = np.frombuffer(raw, dtype)
    _check_raw(flat.copy())
    return flat[0]


def _encode_number(_: Encoder, value: Any) -> Json:
    return ["nn", value.dtype.char, value.item()]


_NUMBERS = {
    kind.dtype.char: type(kind)
    for kind in (
        *(np.int8(0), np.int16(0), np.int32(0), np.int64(0), np.longlong(0)),
        *(np.uint8(0), np.uint16(0), np.uint32(0), np.uint64(0), np.ulonglong(0)),
        *(np.float16(0), np.float32(0), np.float64(0), np.bool_(0)),
    )
}


def _decode_number(_: Decoder, item: list[Any]) -> Any:
    kind = _NUMBERS[item[1]]
    wanted = bool if item[1] == "?" else float if item[1] in "efd" else int
    need(type(item[2]) is wanted, "a number of its kind")
    return kind(item[2])


def _encode_dtype(encoder: Encoder, value: np.dtype[Any]) -> Json:
    if value.kind == "O":
        return ["ty", "O"]
    return ["ty", value.str] if is_plain_dtype(value) else encoder.fallback(value)


def _decode_dtype(_: Decoder, item: list[Any]) -> np.dtype[Any]:
    return np.dtype(object) if item[1] == "O" else decode_dtype(item[1])


ENCODERS.update(dict.fromkeys(_NUMBERS.values(), _encode_number))
ENCODERS.update(
    dict.fromkeys(
        (
            *(np.longdouble, np.complex64, np.complex128, np.clongdouble),
            *(np.datetime64, np.timedelta64, np.str_, np.bytes_),
        ),
        _encode_scalar,
    )
)
ENCODERS[np.ndarray] = _encode_array
ENCODERS.update(
    dict.fromkeys({type(np.dtype(char)) for char in "?bhilqBHILQefdFDgGSUmMO"}, _encode_dtype)
)
DECODERS.update(
    {
        "a": _decode_array,
        "ar": _decode_fixed,
        "av": _decode_view,
        "ao": _decode_objects,
        "n": _decode_scalar,
        "nn": _decode_number,
        "ty": _decode_dtype,
    }
)
MUTABLE.add(np.ndarray)


def _encode_generator(encoder: Encoder, value: np.random.Generator) -> Json:
    state = value.bit_generator.state
    if type(value.bit_generator).__name__ not in _GENERATORS:
        return encoder.fallback(value)
    return ["rn", encoder.encode(state)]


def _decode_generator(decoder: Decoder, item: list[Any]) -> np.random.Generator:
    slot = decoder.reserve()
    state = decoder.decode(item[1])
    need(type(state) is dict and state.get("bit_generator") in _GENERATORS, "a generator's state")
    bits = getattr(np.random, state["bit_generator"])(0)
    bits.state = state
    decoder.made[slot] = generator = np.random.Generator(bits)
    return generator


def _encode_legacy(encoder: Encoder, value: np.random.RandomState) -> Json:
    return ["rs", encoder.encode(value.get_state(legacy=False))]


def _decode_legacy(decoder: Decoder, item: list[Any]) -> np.random.RandomState:
    slot = decoder.reserve()
    state = decoder.decode(item[1])
    need(type(state) is dict, "a generator's state")
    decoder.made[slot] = generator = np.random.RandomState(0)
    generator.set_state(state)
    return generator


_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
ENCODERS[np.random.Generator] = _encode_generator
ENCODERS[np.random.RandomState] = _encode_legacy
DECODERS["rn"] = _decode_generator
DECODERS["rs"] = _decode_legacy
MUTABLE.update((np.random.Generator, np.random.RandomState))
