"""A table that has crossed before is only named, and still comes as it is."""

import json
import random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from autograder import wire_numpy, wire_stdlib  # noqa: F401 - they add their types
from autograder.wire import Bounds, WireError, to_json
from autograder.wire_tables import TableMemory
from autograder.wire_values import Decoder, Encoder

BOUNDS = Bounds()


class Side:
    """One room's end: what it sends, the other one decodes."""

    def __init__(self, first: int) -> None:
        self.tables = TableMemory(first)

    def encode(self, *values: Any) -> tuple[list[Any], Encoder]:
        """Encode a message that may or may not be sent."""
        encoder = Encoder(BOUNDS, tables=self.tables)
        return [encoder.encode(value) for value in values], encoder

    def pack(self, *values: Any) -> tuple[str, bytes]:
        """Encode a message as it goes over the wire."""
        encoded, encoder = self.encode(*values)
        return to_json([encoded, self.tables.news()]), b"".join(map(bytes, encoder.blobs))

    def unpack(self, message: tuple[str, bytes]) -> list[Any]:
        """Decode a message."""
        encoded, news = json.loads(message[0])
        decoder = Decoder(memoryview(message[1]), BOUNDS, tables=self.tables)
        self.tables.confirm(news)
        values = [decoder.decode(item) for item in encoded]
        self.tables.let_go(news)
        return values


def frame(seed: int = 0, rows: int = 40) -> pd.DataFrame:
    """Make a table of several kinds of columns."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "time": pd.date_range("2024-01-01", periods=rows, freq="h"),
            "zone": rng.choice(["north", "south"], rows),
            "demand": rng.poisson(20, rows),
            "mean": rng.normal(size=rows),
        }
    )


def is_named(message: tuple[str, bytes]) -> bool:
    """Say whether a message names its table rather than bring it."""
    return len(message[1]) == 0


@pytest.fixture
def sides() -> tuple[Side, Side]:
    """The examiner's end and the student's."""
    return Side(0), Side(1)


def acknowledged(sides: tuple[Side, Side], table: pd.DataFrame) -> pd.DataFrame:
    """Send a table and have the other end say that it has it; give what came."""
    one, other = sides
    (came,) = other.unpack(one.pack(table))
    one.unpack(other.pack())
    return came  # type: ignore[no-any-return]


def test_a_table_is_named_from_the_second_time_on(sides: tuple[Side, Side]) -> None:
    """In both directions, and each use is another object with the same content."""
    one, other = sides
    table = frame()
    came = acknowledged(sides, table)
    assert_frame_equal(came, table)
    for _ in range(3):
        message = one.pack(table)
        assert is_named(message)
        (again,) = other.unpack(message)
        assert again is not came
        assert_frame_equal(again, table)
        back = other.pack(again)
        assert is_named(back)
        (returned,) = one.unpack(back)
        assert returned is not table
        assert_frame_equal(returned, table)


def test_nothing_is_named_before_the_other_room_has_it(sides: tuple[Side, Side]) -> None:
    """A message that never arrived, or wasn't read to its end, does no harm."""
    one, other = sides
    table = frame()
    one.encode(table)
    message = one.pack(table)
    assert not is_named(message)
    assert_frame_equal(other.unpack(message)[0], table)


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.loc.__setitem__((3, "mean"), -0.0),
        lambda table: table.loc.__setitem__((3, "zone"), "west"),
        lambda table: table.insert(0, "new", 1),
        lambda table: table.pop("zone"),
        lambda table: table.sort_values("mean", inplace=True),
        lambda table: table.rename(columns={"mean": "Mean"}, inplace=True),
        lambda table: setattr(table.index, "name", "row"),
        lambda table: setattr(table.columns, "name", "what"),
        lambda table: table.attrs.update(note=1),
        lambda table: table.set_index(table.index + 1, inplace=True),
        lambda table: table.isetitem(2, table["demand"].astype("int32")),
        lambda table: table.isetitem(1, table["zone"].astype(object)),
    ],
)
def test_a_table_that_changed_is_sent_as_it_is_now(sides: tuple[Side, Side], change: Any) -> None:
    """Whichever room changed it, and the other uses of it stay as they were."""
    one, other = sides
    table = frame().assign(mean=0.0)
    came = acknowledged(sides, table)
    change(came)
    (back,) = one.unpack(other.pack(came))
    assert_frame_equal(back, came)
    assert back.attrs == came.attrs
    assert_frame_equal(other.unpack(one.pack(table))[0], table)
    change(table)
    assert_frame_equal(other.unpack(one.pack(table))[0], table)


def test_what_a_room_does_to_its_copies_does_not_come_back(sides: tuple[Side, Side]) -> None:
    """Writing past pandas' own care included."""
    one, other = sides
    table = frame()
    came = acknowledged(sides, table)
    values = came["mean"].to_numpy()
    values.flags.writeable = True
    values[:] = 7.0
    assert_frame_equal(other.unpack(one.pack(table))[0], table)


def test_a_table_of_one_kind_is_sent_anew(sides: tuple[Side, Side]) -> None:
    """Its copy would lie in memory in another order, and its sums end in other digits."""
    table = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    acknowledged(sides, table)
    assert not is_named(sides[0].pack(table))


def test_a_long_talk_stays_in_step(sides: tuple[Side, Side]) -> None:
    """Over more tables than are remembered, lost messages and changes on both sides."""
    rng = random.Random(3)
    held: list[list[pd.DataFrame]] = [[frame(seed) for seed in range(30)], []]
    named = 0
    for _ in range(150):
        for speaker in (0, 1):
            own = held[speaker]
            chosen = [rng.choice(own) for _ in range(rng.randrange(12))] if own else []
            if chosen and rng.random() < 0.2:
                chosen[0].iloc[rng.randrange(5), 3] = rng.random()
            if rng.random() < 0.1:
                sides[speaker].pack(*map(frame, range(100, 103)))  # too large to be sent, say
            message = sides[speaker].pack(*chosen)
            named += message[0].count('["F",') - message[0].count('["D",')
            came = sides[1 - speaker].unpack(message)
            for sent, got in zip(chosen, came, strict=True):
                assert_frame_equal(got, sent)
            held[1 - speaker] = [*held[1 - speaker], *came][-30:]
    assert named > 300


@pytest.mark.parametrize(
    "item",
    [
        ["F", 1],
        ["F", -1],
        ["F", "1"],
        ["F", 1.0],
        ["F", True],
        ["F"],
        ["F", 0, None],
        ["F", 1, ["l"]],
        ["F", 1, ["D"]],
    ],
)
def test_a_name_that_stands_for_nothing_is_a_breach(item: list[Any]) -> None:
    """Nor does anything but a table get a number."""
    with pytest.raises(WireError):
        Decoder(memoryview(b""), BOUNDS, tables=TableMemory(0)).decode(item)
    with pytest.raises(WireError):
        Decoder(memoryview(b""), BOUNDS).decode(item)


def numbered(table: pd.DataFrame, number: int) -> tuple[list[Any], memoryview]:
    """Write a table with a number that its sender didn't get."""
    encoder = Encoder(BOUNDS)
    item = ["F", number, encoder.encode(table)]
    return json.loads(to_json(item)), memoryview(b"".join(map(bytes, encoder.blobs)))


def test_what_a_room_may_have_remembered_is_bounded(sides: tuple[Side, Side]) -> None:
    """In number, size and kind; a room's own numbers are its own."""
    tables = sides[0].tables
    item, blob = numbered(frame(), 0)
    with pytest.raises(WireError, match="number"):
        Decoder(blob, BOUNDS, tables=tables).decode(item)
    for number in range(1, 140, 2):
        item, blob = numbered(frame(), number)
        decoder = Decoder(blob, BOUNDS, tables=tables)
        if number < 2 * 64:
            decoder.decode(item)
            continue
        with pytest.raises(WireError, match="fewer"):
            decoder.decode(item)
    for table in (frame(rows=150_000), frame().astype({"zone": object})):
        item, blob = numbered(table, 2001)
        with pytest.raises(WireError):
            Decoder(blob, BOUNDS, tables=TableMemory(0)).decode(item)


def test_one_message_cannot_ask_for_copies_without_end(sides: tuple[Side, Side]) -> None:
    """A short name for much is much."""
    table = frame(rows=20_000)
    acknowledged(sides, table)
    with pytest.raises(WireError, match="many"):
        Decoder(memoryview(b""), BOUNDS, tables=sides[1].tables).decode(["l", *[["F", 0]] * 1000])
