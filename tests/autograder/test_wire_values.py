"""Values on the wire: exact types come back as they were, and nothing else is ever built."""

import collections
import contextlib
import datetime as dt
import decimal
import fractions
import json
import math
import pathlib
import random
import uuid
import zoneinfo
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograder import wire_numpy, wire_pandas, wire_stdlib  # noqa: F401 - they add their types
from autograder.wire import Bounds, WireError
from autograder.wire_changes import ChangeError, apply_change
from autograder.wire_values import DECODERS, Decoder, Encoder, TooLargeError

BOUNDS = Bounds(items=20_000, blob_bytes=1 << 20, int_bits=4_000)


def encode(value: Any) -> tuple[Any, bytes]:
    encoder = Encoder(BOUNDS)
    item = json.loads(json.dumps(encoder.encode(value)))
    return item, b"".join(bytes(blob) for blob in encoder.blobs)


def decode(item: Any, blob: bytes = b"") -> Any:
    return Decoder(memoryview(blob), BOUNDS).decode(item)


def through(value: Any) -> Any:
    return decode(*encode(value))


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**300), 2**300),
    st.floats(allow_nan=False),
    st.complex_numbers(allow_nan=False),
    st.text(max_size=20),
    st.binary(max_size=20),
    st.dates(),
    st.datetimes(timezones=st.sampled_from([None, dt.UTC, zoneinfo.ZoneInfo("Europe/Paris")])),
    st.timedeltas(),
    st.fractions(),
    st.uuids(),
)
KEYS = st.one_of(st.integers(), st.text(max_size=5), st.tuples(st.integers(), st.text(max_size=3)))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.lists(inner, max_size=5).map(tuple),
        st.dictionaries(KEYS, inner, max_size=5),
        st.frozensets(KEYS, max_size=5),
        st.sets(KEYS, max_size=5),
    ),
    max_leaves=20,
)


def same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_plain_values_come_back_equal_and_of_the_same_type(value: Any) -> None:
    """Nothing is widened, narrowed or reordered on the way."""
    assert same(through(value), value)


@pytest.mark.parametrize(
    "value",
    [
        collections.Counter("aab"),
        collections.OrderedDict([("b", 1), ("a", 2)]),
        collections.deque([1, 2], maxlen=3),
        collections.defaultdict(list, {"a": [1]}),
        range(2, 9, 3),
        slice(None, 3),
        decimal.Decimal("-1.50E+3"),
        fractions.Fraction(2, 7),
        pathlib.Path("a/b.csv"),
        uuid.UUID(int=7),
        dt.time(3, 4, tzinfo=dt.timezone(dt.timedelta(hours=2))),
        np.float32(0.1),
        np.int8(-3),
        np.bool_(True),
        np.datetime64("2024-02-29T01"),
        np.str_("é"),
        np.complex64(1 + 2j),
        np.dtype("<f4"),
        np.dtype(object),
        pd.Timestamp("2024-02-29", tz="Europe/Paris"),
        pd.Timedelta("3h"),
        pd.Period("2024-02"),
        pd.Interval(0, 1),
    ],
    ids=repr,
)
def test_values_of_libraries_come_back(value: Any) -> None:
    """Containers, exact numbers, times, paths and scalars of the usual libraries cross by value."""
    found = through(value)
    assert type(found) is type(value)
    assert found == value


def test_a_moved_ordered_dict_keeps_its_order() -> None:
    """The order is the dictionary's own, not that of insertion."""
    value = collections.OrderedDict(a=1, b=2)
    value.move_to_end("a")
    assert list(through(value)) == ["b", "a"]


def test_not_a_number_crosses() -> None:
    """A float that isn't equal to itself stays one."""
    assert math.isnan(through(float("nan")))
    assert through(pd.NaT) is pd.NaT
    assert through(pd.NA) is pd.NA


def test_an_object_that_occurs_twice_stays_one_object() -> None:
    """Aliases and cycles survive."""
    shared = [1]
    one, other = through((shared, {"again": shared}))
    assert other["again"] is one
    cycle: list[Any] = []
    cycle.append(cycle)
    found = through(cycle)
    assert found[0] is found


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        st.one_of(
            hnp.boolean_dtypes(),
            hnp.integer_dtypes(),
            hnp.unsigned_integer_dtypes(),
            hnp.floating_dtypes(),
            hnp.complex_number_dtypes(),
            hnp.unicode_string_dtypes(max_len=4),
            hnp.datetime64_dtypes(max_period="D", min_period="us"),
        ),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    )
)
def test_arrays_come_back_equal(array: np.ndarray[Any, Any]) -> None:
    """Values, shape and dtype are the same, and the array can be written to."""
    found = through(array)
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert found.tobytes() == array.tobytes()
    assert found.flags.writeable


def frames() -> dict[str, pd.DataFrame]:
    days = pd.date_range("2024-01-01", periods=3, freq="D")
    mixed = pd.DataFrame(
        {
            "i": [1, 2, 3],
            "f": [1.5, np.nan, 2],
            "s": ["a", "b", None],
            "o": pd.Series([1, "x", [2]], dtype=object),
            "c": pd.Categorical(["u", "v", "u"], ordered=True),
            "t": days,
            "z": days.tz_localize("Europe/Paris"),
            "n": pd.array([1, None, 3], dtype="Int64"),
            "b": pd.array([True, None, False], dtype="boolean"),
            "p": pd.period_range("2020-01", periods=3, freq="M"),
            "v": pd.interval_range(0, 3),
            "d": pd.to_timedelta([1, 2, 3], unit="h"),
        }
    )
    return {
        "mixed": mixed,
        "by day": mixed.set_index("t").asfreq("D"),
        "two levels": mixed.set_index(["i", "s"]),
        "by category": mixed.set_index("c"),
        "numbers": pd.DataFrame(np.arange(6.0).reshape(3, 2), columns=["x", "y"]),
        "empty": pd.DataFrame(),
        "no rows": mixed.iloc[:0],
        "twice": pd.concat([mixed, mixed], axis=1),
        "columns of two levels": mixed.groupby("c", observed=True)[["i", "f"]].agg(["mean", "sum"]),
    }


@pytest.mark.parametrize("name", frames())
def test_frames_come_back_equal(name: str) -> None:
    """Dtypes, indexes, names and frequencies included."""
    frame = frames()[name]
    found = through(frame)
    pd.testing.assert_frame_equal(found, frame, check_exact=True, check_freq=True)
    for column in range(frame.shape[1]):
        pd.testing.assert_series_equal(through(frame.iloc[:, column]), frame.iloc[:, column])


@pytest.mark.parametrize("make", [lambda: np.random.default_rng(3), lambda: random.Random(3)])
def test_generators_go_on_where_they_were(make: Any) -> None:
    """A generator crosses with its state."""
    generator = make()
    generator.random()
    assert through(generator).random() == generator.random()


SUBCLASSES = {
    kind.__name__: type(kind.__name__, (kind,), {})
    for kind in (
        int,
        float,
        str,
        bytes,
        list,
        tuple,
        dict,
        set,
        frozenset,
        dt.date,
        pathlib.PurePosixPath,
    )
} | {
    "DataFrame": type("DataFrame", (pd.DataFrame,), {}),
    "Series": type("Series", (pd.Series,), {}),
    "float64": type("float64", (np.float64,), {}),
}


@pytest.mark.parametrize("name", SUBCLASSES)
def test_a_subclass_does_not_cross_by_value(name: str) -> None:
    """However plain it looks, an object of a class of its own isn't a value."""
    kind = SUBCLASSES[name]
    value = kind(2024, 1, 1) if name == "date" else kind()
    with pytest.raises(TooLargeError):
        encode(value)


def test_subclasses_of_arrays_do_not_cross_by_value() -> None:
    """Record arrays, and views of a class of one's own, also below a mask."""
    own = type("Own", (np.ndarray,), {})
    masked = type("Masked", (np.ma.MaskedArray,), {})
    records = np.zeros(2, dtype=[("a", "i4")])
    arrays = [np.zeros(3).view(own), records, np.array([own]).view(own)]
    below = [np.ma.array([1]).view(masked), np.ma.array(np.zeros(3).view(own)), np.ma.masked]
    for value in (*arrays, *below):
        with pytest.raises(TooLargeError):
            encode(value)


@pytest.mark.parametrize(
    "value",
    [[0] * 30_000, 1 << 5_000, bytes(2 << 20), np.zeros(1 << 20)],
    ids=["items", "digits", "bytes", "array"],
)
def test_what_is_too_large_is_not_encoded(value: Any) -> None:
    """The sender says so instead of sending it."""
    with pytest.raises(TooLargeError):
        encode(value)


HOSTILE = {
    "unknown tag": (["pickle", "x"], b""),
    "no tag": ([1, 2], b""),
    "object": ({"a": 1}, b""),
    "empty": ([], b""),
    "missing parts": (["d"], b""),
    "odd pairs": (["d", [1, 2], [3]], b""),
    "unhashable key": (["d", [["l"]], [1]], b""),
    "unhashable member": (["s", ["l"]], b""),
    "reference ahead": (["l", ["r", 5]], b""),
    "negative reference": (["l", ["r", -1]], b""),
    "argument unasked": (["A", 0], b""),
    "place outside": (["b", [0, 10]], b"abc"),
    "place before": (["b", [-1, 2]], b"abc"),
    "place of text": (["b", ["0", "1"]], b"abc"),
    "long of text": (["i", "0x1g"], b""),
    "long too long": (["i", "f" * 80_000], b""),
    "dtype of objects": (["a", "|O", [1], "C", [0, 8]], bytes(8)),
    "dtype of code": (["a", "i4,i4", [1], "C", [0, 8]], bytes(8)),
    "shape too large": (["a", "<f8", [1 << 50], "C", [0, 8]], bytes(8)),
    "shape that overflows": (["a", "<f8", [1 << 33, 1 << 33], "C", [0, 8]], bytes(8)),
    "negative shape": (["a", "<f8", [-1, -1], "C", [0, 8]], bytes(8)),
    "wrong size": (["a", "<f8", [2], "C", [0, 8]], bytes(8)),
    "boolean of two": (["a", "|b1", [1], "C", [0, 1]], b"\x02"),
    "boolean scalar of two": (["n", "|b1", [0, 1]], b"\x02"),
    "character beyond": (["a", "<U1", [1], "C", [0, 4]], b"\xff\xff\xff\xff"),
    "many dimensions": (["a", "<f8", [1] * 50, "C", [0, 8]], bytes(8)),
    "number of another kind": (["nn", "d", "1"], b""),
    "number of no kind": (["nn", "O", 1], b""),
    "complex of text": (["z", "1", "2"], b""),
    "date beyond": (["da", 99999, 1, 1], b""),
    "zone of a path": (["dt", 2024, 1, 1, 0, 0, 0, 0, 0, "../../etc/passwd"], b""),
    "decimal of letters": (["dc", "open('x')"], b""),
    "decimal too large": (["dc", "1E+999999999"], b""),
    "fraction by zero": (["fr", 1, 0], b""),
    "range of text": (["rg", "0", 1, 1], b""),
    "codes beyond categories": (
        [
            "S",
            ["ixr", 0, 1, 1, None],
            None,
            ["cat", ["|i1", [1], "C", [0, 1]], ["ixr", 0, 1, 1, None], False],
            ["d", [], []],
        ],
        b"\x05",
    ),
    "levels beyond": (
        ["ixm", [["ixr", 0, 1, 1, None]], [["|i1", [1], "C", [0, 1]]], [None]],
        b"\x05",
    ),
    "frame of unequal columns": (
        ["D", ["ixr", 0, 2, 1, None], ["ixr", 0, 1, 1, None], ["by", ["o", [1]]], ["d", [], []]],
        b"",
    ),
    "index that isn't": (["S", 5, None, ["o", []], ["d", [], []]], b""),
    "strings of numbers": (["ea", ["str", "python", False, [1, 2]]], b""),
    "strings of no kind": (["ea", ["str", "evil", False, []]], b""),
    "frequency of code": (["pp1", 1, "__import__('os')"], b""),
    "frame in itself": (
        [
            "D",
            ["ixr", 0, 1, 1, None],
            ["ixr", 0, 1, 1, None],
            ["by", ["o", [["r", 0]]]],
            ["d", [], []],
        ],
        b"",
    ),
    "generator of no kind": (["rn", ["d", ["bit_generator"], ["os"]]], b""),
    "state of no kind": (["rr", ["t", 3, ["t", 1], None]], b""),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_encoder_makes_is_refused(name: str) -> None:
    """Forged items end in :class:`WireError`, never in an object or another error."""
    with pytest.raises(WireError):
        decode(*HOSTILE[name])


def test_a_deep_value_is_refused() -> None:
    """Depth is bounded before the interpreter's own limit."""
    item: list[Any] = ["l"]
    for _ in range(400):
        item = ["l", item]
    with pytest.raises(WireError):
        decode(item)


TAGS = st.sampled_from(sorted(DECODERS))
ITEMS = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(),
        st.text(max_size=6),
        st.sampled_from(
            ["<f8", "|b1", "<U2", "<M8[ns]", "C", "F", "np", "o", "cat", "str", "ns", "D"]
        ),
        st.tuples(st.integers(-2, 40), st.integers(-2, 40)).map(list),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(TAGS, st.lists(inner, max_size=6)).map(lambda pair: [pair[0], *pair[1]]),
    ),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None)
@given(ITEMS, st.binary(max_size=40))
@pytest.mark.filterwarnings("ignore")
def test_made_up_items_decode_or_are_refused(item: Any, blob: bytes) -> None:
    """No made-up item gets anything but :class:`WireError` out of the decoder."""
    with contextlib.suppress(WireError):
        decode(item, blob)


MADE = [
    encode(value)
    for value in (*frames().values(), [1, {"a": (2, {3})}], np.arange(5), np.random.default_rng(1))
]


@settings(max_examples=400, deadline=None)
@given(st.data())
@pytest.mark.filterwarnings("ignore")
def test_damaged_items_decode_or_are_refused(data: Any) -> None:
    """A real message with something exchanged inside is refused, or is another valid value."""
    item, blob = data.draw(st.sampled_from(MADE))
    item = json.loads(json.dumps(item))
    for _ in range(data.draw(st.integers(1, 3))):
        part = item
        while isinstance(part, list) and part:
            place = data.draw(st.integers(0, len(part) - 1))
            if not isinstance(part[place], list) or data.draw(st.integers(0, 3)) == 0:
                part[place] = data.draw(ITEMS)
                break
            part = part[place]
    size = data.draw(st.integers(0, len(blob)))
    damaged = bytearray(blob[:size])
    if damaged:
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(WireError):
        decode(item, bytes(damaged))


def test_changes_are_applied_to_the_object_itself() -> None:
    """Lists, mappings, sets, arrays and frames become equal to the new content, in place."""
    frame = pd.DataFrame({"a": [1, 2]})
    pairs: list[tuple[Any, Any]] = [
        ([1, 2], [3]),
        ({"a": 1}, {"b": 2, "a": 0}),
        (collections.Counter("ab"), collections.Counter("b")),
        ({1, 2}, {3}),
        (collections.deque([1]), collections.deque([2, 3])),
        (bytearray(b"ab"), bytearray(b"c")),
        (np.array([1, 2]), np.array([3, 4])),
        (frame, frame.assign(b=[True, False])),
        (np.random.default_rng(1), np.random.default_rng(2)),
    ]
    for target, new in pairs:
        apply_change(target, new)
        if isinstance(target, np.random.Generator):
            assert target.bit_generator.state == new.bit_generator.state
        elif isinstance(target, pd.DataFrame):
            pd.testing.assert_frame_equal(target, new)
        else:
            assert np.all(target == new)


@pytest.mark.parametrize(
    ("target", "new", "error"),
    [
        ([1], {1}, WireError),
        (np.zeros(2), np.zeros(3), ChangeError),
        (np.zeros(2), np.zeros(2, np.float32), ChangeError),
        (np.zeros(2), np.array([1, "a"], object), ChangeError),
        (np.array([1, "a"], object), np.zeros(2), ChangeError),
        (np.zeros((4, 4))[:, :3], np.zeros((3, 4)), ChangeError),
    ],
)
def test_a_change_into_something_else_is_refused(
    target: Any, new: Any, error: type[Exception]
) -> None:
    """An argument can't become another type, or an array of another size."""
    before = np.array(target)
    with pytest.raises(error):
        apply_change(target, new)
    assert np.array_equal(before, np.array(target))


@pytest.mark.parametrize("new", [np.ones((2, 3)), np.arange(6), np.array(["ab"] * 6)])
def test_an_array_gets_another_shape_or_kind_within_its_memory(new: Any) -> None:
    """As it does where student code sets its shape or dtype."""
    target = np.zeros(6)
    apply_change(target, new)
    assert (target.shape, target.dtype) == (new.shape, new.dtype)
    assert np.array_equal(target, new)
