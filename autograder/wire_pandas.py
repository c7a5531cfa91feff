"""pandas on the wire: frames, series, indexes and their scalars by value.

Columns travel as raw buffers and are put together again by pandas' own constructors, which check
codes, lengths and masks; Arrow's reader, written in C++ for input that can be believed, is not
used. A frame with a column type that isn't listed here doesn't cross by value.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from autograder.wire_numpy import decode_plain_array, encode_plain_array, is_plain_dtype
from autograder.wire_stdlib import decode_zone, encode_zone
from autograder.wire_values import DECODERS, ENCODERS, LATE, MUTABLE, Decoder, Encoder, Json, need

__all__ = ["columns_of", "encode_frame"]

_FREQUENCY = re.compile(r"-?\d{0,6}[A-Za-z]{1,4}(-[A-Z]{3})?")
_UNITS = ("s", "ms", "us", "ns")
_MASKED: dict[type, Callable[[Any, Any], Any]] = {
    pd.arrays.IntegerArray: pd.arrays.IntegerArray,
    pd.arrays.FloatingArray: pd.arrays.FloatingArray,
    pd.arrays.BooleanArray: pd.arrays.BooleanArray,
}
_MASKED_DTYPES = (
    *(pd.Int8Dtype, pd.Int16Dtype, pd.Int32Dtype, pd.Int64Dtype, pd.Float32Dtype),
    *(pd.UInt8Dtype, pd.UInt16Dtype, pd.UInt32Dtype, pd.UInt64Dtype, pd.Float64Dtype),
    pd.BooleanDtype,
)


def _period_frequency(dtype: Any) -> str:
    return str(dtype).removeprefix("period[").removesuffix("]")


def _is_plain(dtype: Any) -> bool:
    """Say whether a column of this dtype crosses by value."""
    if isinstance(dtype, np.dtype):
        return is_plain_dtype(dtype) or dtype.kind == "O"
    if type(dtype) is pd.CategoricalDtype:
        return dtype.categories is not None and _is_plain_index(dtype.categories)
    if type(dtype) is pd.DatetimeTZDtype:
        return encode_zone(dtype.tz) is not False
    if type(dtype) is pd.PeriodDtype:
        return _FREQUENCY.fullmatch(_period_frequency(dtype)) is not None
    if type(dtype) is pd.IntervalDtype:
        return _is_plain(dtype.subtype)
    return type(dtype) is pd.StringDtype or type(dtype) in _MASKED_DTYPES


def _is_plain_index(index: Any) -> bool:
    if type(index) is pd.MultiIndex:
        return all(_is_plain_index(level) for level in index.levels)
    return type(index) in _INDEXES and _is_plain(index.dtype)


def _encode_array(encoder: Encoder, array: Any) -> Json:
    """Encode the values of a column or an index, whose dtype is plain."""
    dtype = array.dtype
    if isinstance(dtype, np.dtype):
        values = np.asarray(array)
        if dtype.kind == "O":
            return ["o", encoder.many(values.tolist(), values.size)]
        return ["np", *encode_plain_array(encoder, values)]
    if type(dtype) is pd.StringDtype:
        texts = array.tolist()
        if set(map(type, texts)) != {str}:
            texts = [None if text is pd.NA or text != text else text for text in texts]  # noqa: PLR0124 - NaN is what isn't itself
        return ["str", dtype.storage, dtype.na_value is pd.NA, encoder.many(texts, len(texts))]
    if type(dtype) is pd.CategoricalDtype:
        codes = encode_plain_array(encoder, np.asarray(array.codes))
        return ["cat", codes, _encode_index(encoder, dtype.categories), bool(dtype.ordered)]
    if type(dtype) is pd.DatetimeTZDtype:
        return ["dtz", dtype.unit, encode_zone(dtype.tz), encode_plain_array(encoder, array.asi8)]
    if type(dtype) is pd.PeriodDtype:
        return ["per", _period_frequency(dtype), encode_plain_array(encoder, array.asi8)]
    if type(dtype) is pd.IntervalDtype:
        sides = (_encode_index(encoder, pd.Index(side)) for side in (array.left, array.right))
        return ["iv", dtype.closed, *sides]
    mask = np.asarray(array.isna())
    filled = array.copy()
    filled[mask] = False if type(dtype) is pd.BooleanDtype else 0
    values = filled.to_numpy(dtype=dtype.numpy_dtype)
    return ["ma", encode_plain_array(encoder, values), encode_plain_array(encoder, mask)]


def _decode_array(decoder: Decoder, item: Json) -> Any:
    need(type(item) is list and item and type(item[0]) is str, "a column")
    return _ARRAYS[item[0]](decoder, item)


def _decode_object_array(decoder: Decoder, item: list[Any]) -> Any:
    need(type(item[1]) is list, "a list of objects")
    values = np.empty(len(item[1]), object)
    for place, value in enumerate(decoder.many(item[1])):
        values[place] = value
    return values


def _decode_strings(decoder: Decoder, item: list[Any]) -> Any:
    storage, as_na, texts = item[1:]
    need(storage in ("python", "pyarrow") and type(as_na) is bool, "a kind of strings")
    need(type(texts) is list, "a list of strings")
    need({*map(type, texts)} <= {str, type(None)}, "strings")
    dtype = pd.StringDtype(storage, na_value=pd.NA if as_na else np.nan)
    return pd.array(decoder.many(texts), dtype=dtype)


def _flat(decoder: Decoder, item: Json, kinds: str) -> np.ndarray[Any, Any]:
    need(type(item) is list, "a flat array")
    array = decode_plain_array(decoder, item)
    need(array.ndim == 1 and array.dtype.kind in kinds, "a flat array of its kind")
    return array


def _decode_categorical(decoder: Decoder, item: list[Any]) -> Any:
    codes = _flat(decoder, item[1], "i")
    need(type(item[3]) is bool, "ordered or not")
    return pd.Categorical.from_codes(codes, _decode_items(decoder, item[2]), ordered=item[3])


def _decode_zoned(decoder: Decoder, item: list[Any]) -> Any:
    need(item[1] in _UNITS, "a unit of time")
    stamps = _flat(decoder, item[3], "i").view(f"M8[{item[1]}]")
    return pd.DatetimeIndex(stamps, tz="UTC").tz_convert(decode_zone(item[2])).array


def _frequency(text: Json) -> str:
    need(type(text) is str and _FREQUENCY.fullmatch(text), "a frequency")
    return str(text)


def _decode_periods(decoder: Decoder, item: list[Any]) -> Any:
    ordinals = _flat(decoder, item[2], "i")
    return pd.PeriodIndex.from_ordinals(  # type: ignore[attr-defined]
        ordinals, freq=_frequency(item[1])
    ).array


def _decode_intervals(decoder: Decoder, item: list[Any]) -> Any:
    need(item[1] in ("left", "right", "both", "neither"), "a closed side")
    left, right = _decode_items(decoder, item[2]), _decode_items(decoder, item[3])
    return pd.arrays.IntervalArray.from_arrays(left, right, closed=item[1])


def _decode_masked(decoder: Decoder, item: list[Any]) -> Any:
    values, mask = _flat(decoder, item[1], "biuf"), _flat(decoder, item[2], "b")
    kind = {"b": pd.arrays.BooleanArray, "f": pd.arrays.FloatingArray}.get(
        values.dtype.kind, pd.arrays.IntegerArray
    )
    return kind(values, mask)


_ARRAYS: dict[str, Callable[[Decoder, list[Any]], Any]] = {
    "o": _decode_object_array,
    "np": lambda decoder, item: decode_plain_array(decoder, item[1:]),
    "str": _decode_strings,
    "cat": _decode_categorical,
    "dtz": _decode_zoned,
    "per": _decode_periods,
    "iv": _decode_intervals,
    "ma": _decode_masked,
}

_INDEXES: dict[type, str] = {
    pd.Index: "ix",
    pd.DatetimeIndex: "ixd",
    pd.TimedeltaIndex: "ixt",
    pd.CategoricalIndex: "ixc",
    pd.PeriodIndex: "ixp",
    pd.IntervalIndex: "ixv",
    pd.RangeIndex: "ixr",
}
_INDEX_KINDS = {tag: kind for kind, tag in _INDEXES.items()}


def _encode_index(encoder: Encoder, index: Any) -> Json:
    kind = type(index)
    if kind is pd.MultiIndex:
        levels = [_encode_index(encoder, level) for level in index.levels]
        codes = [encode_plain_array(encoder, np.asarray(code)) for code in index.codes]
        return ["ixm", levels, codes, [encoder.encode(name) for name in index.names]]
    if kind is pd.RangeIndex:
        return ["ixr", index.start, index.stop, index.step, encoder.encode(index.name)]
    values = index.to_numpy() if isinstance(index.dtype, np.dtype) else index.array
    frequency = index.freqstr if kind in (pd.DatetimeIndex, pd.TimedeltaIndex) else None
    if frequency is not None and not _FREQUENCY.fullmatch(frequency):
        frequency = None
    return [_INDEXES[kind], _encode_array(encoder, values), frequency, encoder.encode(index.name)]


def _decode_index(decoder: Decoder, item: Json) -> Any:
    need(type(item) is list and item and type(item[0]) is str, "an index")
    if item[0] == "ixm":
        need(all(type(part) is list for part in item[1:]), "an index of several levels")
        levels = [_decode_items(decoder, level) for level in item[1]]
        codes: list[Any] = [_flat(decoder, code, "i") for code in item[2]]
        names = [decoder.decode(name) for name in item[3]]
        return pd.MultiIndex(levels=levels, codes=codes, names=names)
    kind = _INDEX_KINDS[item[0]]
    if kind is pd.RangeIndex:
        need(all(type(part) is int and abs(part) < 1 << 62 for part in item[1:4]), "three ints")
        return pd.RangeIndex(item[1], item[2], item[3], name=decoder.decode(item[4]))
    values = _decode_array(decoder, item[1])
    name = decoder.decode(item[3])
    if kind is pd.Index:
        index = pd.Index(values, dtype=values.dtype, name=name)
    else:
        index = kind(values, name=name)
    need(type(index) is kind, "an index of its kind")
    if item[2] is not None:
        index.freq = _frequency(item[2])
    return index


def _decode_items(decoder: Decoder, item: Json) -> Any:
    """Build an index whose items are going to be written out, a range's too."""
    index = _decode_index(decoder, item)
    if type(index) is pd.RangeIndex:
        decoder.count(len(index))
    return index


def _encode_whole_index(encoder: Encoder, index: Any) -> Json:
    return _encode_index(encoder, index) if _is_plain_index(index) else encoder.fallback(index)


def _encode_series(encoder: Encoder, series: Any) -> Json:
    head = [_encode_index(encoder, series.index), encoder.encode(series.name)]
    values = series.to_numpy() if isinstance(series.dtype, np.dtype) else series.array
    return ["S", *head, _encode_array(encoder, values), encoder.encode(dict(series.attrs))]


def _decode_series(decoder: Decoder, item: list[Any]) -> Any:
    slot = decoder.reserve()
    index, name = _decode_index(decoder, item[1]), decoder.decode(item[2])
    values = _decode_array(decoder, item[3])
    need(len(values) == len(index), "as many values as the index")
    series = pd.Series(values, index=index, dtype=values.dtype, name=name)
    series.attrs.update(decoder.decode(item[4]))
    decoder.made[slot] = series
    return series


def encode_frame(encoder: Encoder, frame: Any, columns: Sequence[Any]) -> Json:
    """Encode a frame whose columns these are, as :func:`columns_of` gives them."""
    if not _is_plain_frame(frame, columns):
        return encoder.fallback(frame)
    head = [_encode_index(encoder, frame.index), _encode_index(encoder, frame.columns)]
    dtypes = {column.dtype for column in columns}
    if len(dtypes) == 1 and is_plain_dtype_of(first := next(iter(dtypes))) and first.kind != "M":
        body = ["2d", encode_plain_array(encoder, frame.to_numpy())]
    else:
        body = ["by", *[_encode_array(encoder, column) for column in columns]]
    return ["D", *head, body, encoder.encode(dict(frame.attrs))]


def columns_of(frame: Any) -> Iterable[Any]:
    """Give the columns of a frame as arrays, without a series of each if that can be had."""
    quick = getattr(frame, "_iter_column_arrays", None)
    if quick is not None:
        return quick()  # type: ignore[no-any-return]
    columns = (frame.iloc[:, place] for place in range(frame.shape[1]))
    return (
        column.to_numpy() if isinstance(column.dtype, np.dtype) else column.array
        for column in columns
    )


def is_plain_dtype_of(dtype: Any) -> bool:
    """Say whether a column's dtype is one of NumPy's plain ones."""
    return isinstance(dtype, np.dtype) and is_plain_dtype(dtype)


def _decode_frame(decoder: Decoder, item: list[Any]) -> Any:
    slot = decoder.reserve()
    index, columns, body = _decode_index(decoder, item[1]), _decode_index(decoder, item[2]), item[3]
    need(type(body) is list and body, "the columns of a frame")
    if body[0] == "2d":
        values = decode_plain_array(decoder, body[1])
        need(values.shape == (len(index), len(columns)), "a frame's shape")
        frame = pd.DataFrame(values, index=index, columns=columns)
    else:
        arrays = [_decode_array(decoder, column) for column in body[1:]]
        need(len(arrays) == len(columns), "as many columns as names")
        need(all(len(array) == len(index) for array in arrays), "columns as long as the index")
        # Of an array of objects, pandas would guess what they are.
        data = {
            place: pd.Series(array, index=index, dtype=object) if array.dtype == object else array
            for place, array in enumerate(arrays)
        }
        frame = pd.DataFrame(data, index=index)
        frame.columns = columns
    frame.attrs.update(decoder.decode(item[4]))
    decoder.made[slot] = frame
    return frame


def _if_plain(
    encode: Callable[[Encoder, Any], Json], plain: Callable[[Any], bool]
) -> Callable[[Encoder, Any], Json]:
    def checked(encoder: Encoder, value: Any) -> Json:
        return encode(encoder, value) if plain(value) else encoder.fallback(value)

    return checked


def _is_plain_frame(frame: Any, columns: Sequence[Any]) -> bool:
    return (
        _is_plain_index(frame.index)
        and _is_plain_index(frame.columns)
        and all(_is_plain(column.dtype) for column in columns)
    )


def _encode_stamp(encoder: Encoder, stamp: Any) -> Json:
    zone = encode_zone(stamp.tz)
    if zone is False:
        return encoder.fallback(stamp)
    return ["ts", stamp.asm8.view("i8").item(), stamp.unit, zone]


def _decode_stamp(_: Decoder, item: list[Any]) -> Any:
    need(type(item[1]) is int and item[2] in _UNITS, "a time stamp")
    stamp = pd.Timestamp(np.datetime64(item[1], item[2]))
    zone = decode_zone(item[3])
    return stamp if zone is None else stamp.tz_localize("UTC").tz_convert(zone)


def _decode_delta(_: Decoder, item: list[Any]) -> Any:
    need(type(item[1]) is int and item[2] in _UNITS, "a span of time")
    return pd.Timedelta(np.timedelta64(item[1], item[2]))


def _decode_interval(decoder: Decoder, item: list[Any]) -> Any:
    need(item[3] in ("left", "right", "both", "neither"), "a closed side")
    return pd.Interval(decoder.decode(item[1]), decoder.decode(item[2]), closed=item[3])


ENCODERS.update(dict.fromkeys((*_INDEXES, pd.MultiIndex), _encode_whole_index))
ENCODERS.update(
    {
        pd.DataFrame: lambda encoder, frame: encode_frame(encoder, frame, [*columns_of(frame)]),
        pd.Series: _if_plain(
            _encode_series, lambda series: _is_plain(series.dtype) and _is_plain_index(series.index)
        ),
        pd.Timestamp: _encode_stamp,
        pd.Timedelta: lambda _, delta: ["pd", delta.asm8.view("i8").item(), delta.unit],
        pd.Interval: lambda encoder, value: [
            *("pi", encoder.encode(value.left), encoder.encode(value.right)),
            value.closed,
        ],
        pd.Period: lambda _, value: ["pp1", value.ordinal, value.freqstr],
        type(pd.NaT): lambda *_: ["nat"],
        type(pd.NA): lambda *_: ["na"],
    }
)
_EXTENSION_ARRAYS = (
    *(pd.Categorical, pd.arrays.StringArray, pd.arrays.ArrowStringArray, *_MASKED),
    *(pd.arrays.PeriodArray, pd.arrays.IntervalArray),
)
ENCODERS.update(
    dict.fromkeys(
        _EXTENSION_ARRAYS,
        _if_plain(
            lambda encoder, array: ["ea", _encode_array(encoder, array)],
            lambda array: _is_plain(array.dtype),
        ),
    )
)
DECODERS.update(dict.fromkeys((*_INDEX_KINDS, "ixm"), _decode_index))
DECODERS.update(
    {
        "D": _decode_frame,
        "S": _decode_series,
        "ts": _decode_stamp,
        "pd": _decode_delta,
        "pi": _decode_interval,
        "pp1": lambda _, item: pd.Period(ordinal=item[1], freq=_frequency(item[2])),
        "nat": lambda *_: pd.NaT,
        "na": lambda *_: pd.NA,
        "ea": lambda decoder, item: _decode_array(decoder, item[1]),
    }
)
MUTABLE.update((pd.DataFrame, pd.Series))
LATE.update((pd.DataFrame, pd.Series))
