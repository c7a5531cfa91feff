"""Values of every kind that crosses the wire, for the fuzz tests: made by hypothesis."""

import collections
import datetime as dt
import decimal
import fractions
import functools
import pathlib
import random
import typing
import uuid
import zoneinfo
from collections import abc
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

__all__ = ["KINDS", "alike"]

TEXTS = st.text(max_size=8) | st.sampled_from(["\ud800", "a\0b", "é", ""])
INTS = st.integers(-(2**40), 2**40)
FLOATS = st.floats()
PLAIN = st.one_of(st.none(), st.booleans(), st.integers(-(2**250), 2**250), FLOATS, TEXTS)
KEYS = st.one_of(INTS, TEXTS, st.tuples(INTS, TEXTS), st.frozensets(INTS, max_size=2))
MANY = st.lists(PLAIN | st.lists(PLAIN, max_size=3) | st.binary(max_size=9), max_size=5)
PAIRS = st.dictionaries(KEYS, PLAIN | MANY, max_size=4)
NAMES = st.none() | TEXTS | st.tuples(TEXTS, INTS)
ZONES = st.sampled_from(
    [None, dt.UTC, zoneinfo.ZoneInfo("Asia/Tokyo"), dt.timezone(dt.timedelta(minutes=-90))]
)
STAMPS = st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1))
SPANS = st.timedeltas(dt.timedelta(days=-9_999), dt.timedelta(days=9_999))
PLAIN_DTYPES = [
    *("?", "<i2", ">i4", "u8", "<f2", ">f8", "g", "F", "<D", "G", "S3", "<U2", ">U3"),
    *("M8[D]", "M8[ns]", "<m8[15s]"),
]
BITS = [getattr(np.random, name) for name in ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")]


def used_up(generator: Any, times: int) -> Any:
    """Draw from a generator, so that it is somewhere in the middle."""
    for _ in range(times):
        generator.random()
    return generator


def scalar(kind: type, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Make scalars of an exact NumPy type."""
    return values.map(kind)


def integer(kind: Any) -> st.SearchStrategy[Any]:
    bounds = np.iinfo(kind)
    return scalar(kind, st.integers(int(bounds.min), int(bounds.max)))


def number(kind: Any) -> st.SearchStrategy[Any]:
    return scalar(kind, st.floats(width={np.float16: 16, np.float32: 32}.get(kind, 64)))


def complexes(kind: Any) -> st.SearchStrategy[Any]:
    return scalar(kind, st.complex_numbers(width=64 if kind is np.complex64 else 128))


ARRAYS = st.sampled_from(PLAIN_DTYPES).flatmap(
    lambda dtype: hnp.arrays(
        dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
    )
)
OBJECTS = MANY.map(lambda items: np.fromiter(items, object, len(items)))


def optional(values: st.SearchStrategy[Any], dtype: str) -> st.SearchStrategy[Any]:
    return st.lists(st.none() | values, max_size=5).map(lambda items: pd.array(items, dtype=dtype))


INTEGERS = optional(st.integers(-128, 127), "Int8") | optional(st.integers(0, 2**60), "UInt64")
FLOATING = optional(st.floats(allow_nan=False), "Float64")
BOOLEANS = optional(st.booleans(), "boolean")
WORDS = st.text(st.characters(codec="utf-8"), max_size=4)
STRINGS = optional(WORDS, "string[python]")
ARROWS = optional(WORDS, "string[pyarrow]")
CATEGORIES = st.builds(
    lambda values, ordered: pd.Categorical(values, ordered=ordered),
    st.lists(st.sampled_from(["low", "high", None]) | st.sampled_from(["mid"]), max_size=5),
    st.booleans(),
)
PERIODS = st.builds(
    lambda numbers, unit: pd.PeriodIndex.from_ordinals(numbers, freq=unit).array,
    st.lists(st.integers(0, 20_000), max_size=4).map(lambda items: np.array(items, "i8")),
    st.sampled_from(["D", "M", "Q-DEC", "h", "Y-DEC"]),
)
INTERVALS = st.builds(
    lambda starts, side: pd.arrays.IntervalArray.from_arrays(
        np.array(starts, float), np.array(starts, float) + 1, closed=side
    ),
    st.lists(st.integers(-9, 9), max_size=4),
    st.sampled_from(["left", "right", "both", "neither"]),
)
TIMES = st.builds(
    lambda stamps, zone, unit: pd.DatetimeIndex(stamps).as_unit(unit).tz_localize(zone),
    st.lists(STAMPS.map(lambda stamp: stamp.replace(microsecond=0)), max_size=4),
    st.sampled_from([None, "UTC", "Asia/Tokyo"]),
    st.sampled_from(["s", "us", "ns"]),
)
COLUMNS = st.one_of(
    *(INTEGERS, FLOATING, BOOLEANS, STRINGS, ARROWS, CATEGORIES, PERIODS, INTERVALS),
    hnp.arrays(st.sampled_from(["i4", "f8", "?", "M8[s]", "m8[ns]"]), st.integers(0, 4)),
    OBJECTS,
    TIMES.map(lambda index: index.array),
)


def named(values: st.SearchStrategy[Any], kind: Any) -> st.SearchStrategy[Any]:
    return st.builds(lambda items, name: kind(items, name=name), values, NAMES)


RANGES = st.builds(pd.RangeIndex, st.integers(-9, 9), st.integers(-9, 99), st.just(3), name=NAMES)
INDEXES = named(st.lists(INTS, max_size=4).map(lambda items: np.array(items, "i8")), pd.Index)
LEVELS = st.builds(
    lambda pairs, names: pd.MultiIndex.from_tuples([("a", 0), *pairs], names=names),
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3)), max_size=4),
    st.tuples(NAMES, NAMES),
)
ATTRIBUTES = st.dictionaries(TEXTS, PLAIN, max_size=2)


def with_attributes(value: Any, attributes: dict[str, Any]) -> Any:
    value.attrs.update(attributes)
    return value


def series(values: Any, name: Any = None) -> Any:
    """Make a series of the kind of its values: pandas would take texts that it can't store."""
    return pd.Series(values, name=name, dtype=getattr(values, "dtype", None))


SERIES = st.builds(
    lambda values, name, attributes: with_attributes(series(values, name), attributes),
    COLUMNS,
    NAMES,
    ATTRIBUTES,
)
FRAMES = st.builds(
    lambda columns, attributes: with_attributes(
        pd.concat([series(column) for column in columns], axis=1, keys=range(len(columns))),
        attributes,
    ),
    st.lists(COLUMNS, min_size=1, max_size=3),
    ATTRIBUTES,
) | hnp.arrays("f8", hnp.array_shapes(min_dims=2, max_dims=2)).map(pd.DataFrame)
DTYPES = [np.dtype(name) for name in (*"?bhilqBHILQefdFDgGSUmMO", ">i4", "S7", "<U3", "M8[ms]")]

MASKED = st.builds(
    lambda values, share, has: np.ma.MaskedArray(values, mask=values > share if has else False),
    hnp.arrays(st.sampled_from(["i4", "f8"]), hnp.array_shapes(max_dims=2, max_side=3)),
    st.integers(-9, 9),
    st.booleans(),
)

KINDS: dict[Any, st.SearchStrategy[Any]] = {
    bytes: st.binary(max_size=20),
    bytearray: st.binary(max_size=20).map(bytearray),
    complex: st.complex_numbers(),
    list: MANY,
    tuple: MANY.map(tuple),
    set: st.sets(KEYS, max_size=5),
    frozenset: st.frozensets(KEYS, max_size=5),
    dict: PAIRS,
    collections.Counter: st.dictionaries(KEYS, INTS, max_size=5).map(collections.Counter),
    collections.OrderedDict: PAIRS.map(collections.OrderedDict),
    collections.defaultdict: st.builds(
        collections.defaultdict, st.sampled_from([None, int, list, dict, set]), PAIRS
    ),
    collections.deque: st.builds(collections.deque, MANY, st.none() | st.integers(0, 9)),
    type({}.keys()): PAIRS.map(lambda made: made.keys()),
    type({}.values()): PAIRS.map(lambda made: made.values()),
    type({}.items()): PAIRS.map(lambda made: made.items()),
    np.matrix: hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=3)).map(
        np.asmatrix
    ),
    range: st.builds(range, INTS, INTS, st.integers(1, 9) | st.integers(-9, -1)),
    slice: st.builds(slice, PLAIN, PLAIN, PLAIN),
    type(...): st.just(...),
    **{
        type(many[0]): st.sampled_from(many)
        for many in (
            [list[int], dict[str, list[float]], tuple[int, ...], type[Any], abc.Iterable[str]],
            [int | None, list[str] | tuple[int, str] | float],
            [typing.List[int], typing.Dict[str, typing.Any], typing.Iterable[int]],  # noqa: UP006
            [typing.Optional[int], typing.Union[str, list[int], None]],  # noqa: UP007, UP045
            [typing.Callable[[int, str], bool], typing.Callable[..., typing.Any]],
            [abc.Callable[[int], str | None], abc.Callable[..., int]],
            [typing.Annotated[int, "cm", 3], typing.Annotated[list[str] | None, True, None]],
            [typing.Literal["a", "b"], typing.Literal[1, None]],
        )
    },
    type(NotImplemented): st.just(NotImplemented),
    **{
        kind: integer(kind)
        for kind in (
            *(np.int8, np.int16, np.int32, np.int64, np.longlong),
            *(np.uint8, np.uint16, np.uint32, np.uint64, np.ulonglong),
        )
    },
    **{kind: number(kind) for kind in (np.float16, np.float32, np.float64, np.longdouble)},
    **{kind: complexes(kind) for kind in (np.complex64, np.complex128, np.clongdouble)},
    np.bool_: scalar(np.bool_, st.booleans()),
    np.datetime64: st.builds(np.datetime64, INTS, st.sampled_from(["D", "ns", "s"])),
    np.timedelta64: st.builds(np.timedelta64, INTS, st.sampled_from(["D", "ns", "s"])),
    np.str_: scalar(np.str_, WORDS.map(lambda text: text.rstrip("\0"))),
    np.bytes_: scalar(np.bytes_, st.binary(max_size=5).map(lambda data: data.rstrip(b"\0"))),
    np.ndarray: ARRAYS | OBJECTS | ARRAYS.map(np.asfortranarray),
    np.ma.MaskedArray: MASKED,
    **{type(dtype): st.just(dtype) for dtype in DTYPES},
    np.random.Generator: st.builds(
        lambda bits, seed, times: used_up(np.random.Generator(bits(seed)), times),
        *(st.sampled_from(BITS), st.integers(0, 99), st.integers(0, 3)),
    ),
    np.random.RandomState: st.builds(
        lambda seed, times: used_up(np.random.RandomState(seed), times),
        *(st.integers(0, 99), st.integers(0, 3)),
    ),
    random.Random: st.builds(
        lambda seed, times: used_up(random.Random(seed), times), INTS, st.integers(0, 3)
    ),
    dt.datetime: st.datetimes(timezones=ZONES),
    dt.date: st.dates(),
    dt.time: st.times(timezones=ZONES),
    dt.timedelta: st.timedeltas(),
    decimal.Decimal: st.decimals(),
    fractions.Fraction: st.fractions(),
    uuid.UUID: st.uuids(),
    type(pathlib.Path()): st.sampled_from([pathlib.Path(), pathlib.Path("a/é.csv")]),
    pathlib.PurePosixPath: st.just(pathlib.PurePosixPath("/a/b")),
    pd.Index: INDEXES | named(OBJECTS, functools.partial(pd.Index, dtype=object)),
    pd.DatetimeIndex: TIMES | st.just(pd.date_range("2024", periods=3, freq="h", name="t")),
    pd.TimedeltaIndex: st.lists(SPANS, max_size=4).map(pd.TimedeltaIndex),
    pd.CategoricalIndex: named(CATEGORIES, pd.CategoricalIndex),
    pd.PeriodIndex: named(PERIODS, pd.PeriodIndex),
    pd.IntervalIndex: named(INTERVALS, pd.IntervalIndex),
    pd.RangeIndex: RANGES,
    pd.MultiIndex: LEVELS,
    pd.DataFrame: FRAMES,
    pd.Series: SERIES,
    pd.Timestamp: st.builds(
        lambda stamp, zone: pd.Timestamp(stamp).tz_localize(zone), STAMPS, ZONES
    ),
    pd.Timedelta: SPANS.map(pd.Timedelta),
    pd.Interval: st.builds(
        lambda start, side: pd.Interval(start, start + 2, side),
        st.integers(-9, 9),
        st.sampled_from(["left", "right", "both", "neither"]),
    ),
    pd.Period: st.builds(
        lambda number, unit: pd.Period(ordinal=number, freq=unit),
        st.integers(0, 9_999),
        st.sampled_from(["D", "M", "Q-DEC", "h"]),
    ),
    type(pd.NaT): st.just(pd.NaT),
    type(pd.NA): st.just(pd.NA),
    pd.Categorical: CATEGORIES,
    pd.arrays.StringArray: STRINGS,
    pd.arrays.ArrowStringArray: ARROWS,
    pd.arrays.IntegerArray: INTEGERS,
    pd.arrays.FloatingArray: FLOATING,
    pd.arrays.BooleanArray: BOOLEANS,
    pd.arrays.PeriodArray: PERIODS,
    pd.arrays.IntervalArray: INTERVALS,
}


def _parts(array: Any) -> tuple[Any, Any]:
    return np.ma.getdata(array), np.ma.getmaskarray(array)


def alike(one: Any, other: Any) -> bool:
    """Say whether two values are of the same exact type and hold the same."""
    if isinstance(one, np.dtype):
        return bool(one == other)
    if type(one) is not type(other):
        return False
    match one:
        case set() | frozenset():
            kinds = (collections.Counter(map(type, items)) for items in (one, other))
            return bool(one == other) and next(kinds) == next(kinds)
        case list() | tuple() | collections.deque():
            return len(one) == len(other) and all(map(alike, one, other))
        case dict():
            return alike(list(one), list(other)) and alike(list(one.values()), list(other.values()))
        case abc.KeysView() | abc.ValuesView() | abc.ItemsView():
            return alike(list(one), list(other))
        case np.ma.MaskedArray():
            parts = zip(*map(_parts, (one, other)), strict=True)
            return all(alike(part, its) for part, its in parts)
        case pd.DataFrame() | pd.Series() | pd.Index() | pd.api.extensions.ExtensionArray():
            return _alike_in_pandas(one, other)
        case np.ndarray():
            same_kind = (one.dtype, one.shape) == (other.dtype, other.shape)
            return same_kind and alike(one.ravel().tolist(), other.ravel().tolist())
        case np.random.Generator() | np.random.RandomState() | random.Random():
            return [one.random() for _ in range(3)] == [other.random() for _ in range(3)]
        case slice():
            return alike((one.start, one.stop, one.step), (other.start, other.stop, other.step))
    return repr(one) == repr(other)


def _alike_in_pandas(one: Any, other: Any) -> bool:
    check = {
        pd.DataFrame: pd.testing.assert_frame_equal,
        pd.Series: pd.testing.assert_series_equal,
    }.get(type(one))
    if check is None and isinstance(one, pd.Index):
        if one.dtype == other.dtype == object and not isinstance(one, pd.MultiIndex):
            # pandas looks at the contents with ==, by which [nan] isn't [nan].
            same_kind = (type(one), one.names) == (type(other), other.names)
            return same_kind and alike(one.tolist(), other.tolist())
        check = pd.testing.assert_index_equal
    (check or pd.testing.assert_extension_array_equal)(one, other)
    return getattr(one, "attrs", None) is None or alike(dict(one.attrs), dict(other.attrs))
