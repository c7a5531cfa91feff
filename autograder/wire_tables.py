"""Tables that have crossed before: both rooms remember them, and a message only names them.

A test hands one table to function after function, and asks for the same data in cell after cell.
The first time, a table crosses with a number (``["F", number, table]``); the room that got it says
so in its next message, and from then on ``["F", number]`` stands for it in either direction, until
the room that had numbered it says that it has let go of it. Each
room compares what it is about to name with a copy that nobody else has, and each use is a copy:
whatever happens to one of them, the next is as the first was.
"""

import math
import weakref
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from autograder.wire_pandas import columns_of, encode_frame
from autograder.wire_values import DECODERS, ENCODERS, Decoder, Encoder, Json, need

__all__ = ["TableMemory", "is_flat_table", "is_same_table"]

_OBJECTS = np.dtype(object)
_KEPT = 16
_AT_ONCE = 8
_MOST = 64
_SENT_BYTES = 1 << 20
_TAKEN_BYTES = 4 << 20
_MOST_NUMBERS = 1 << 50
_USES = 200


class TableMemory:
    """The tables of one room that the other one has too.

    Parameters
    ----------
    first : int
        The first of this room's numbers, which are every other one: 0 or 1.
    """

    def __init__(self, first: int) -> None:
        self._next = first
        self._waiting: dict[int, tuple[Any, Any]] = {}
        self._kept: dict[int, Any] = {}
        self._uses: dict[int, tuple[Any, int]] = {}
        self._taken: list[int] = []
        self._dropped: list[int] = []

    def number(self, table: Any) -> int | None:
        """Give the number of a table that the other room has as it is now."""
        use, number = self._uses.get(id(table), (None, 0))
        if use is None or use() is not table or number not in self._kept:
            return None
        return number if is_same_table(table, self._kept[number]) else None

    def before(self, value: Any) -> Any:
        """Give what a table that was just decoded is compared with later: itself, out of reach.

        None for what is no flat table.
        """
        use, number = self._uses.get(id(value), (None, 0))
        if use is not None and use() is value and number in self._kept:
            return self._kept[number]
        return value.copy() if is_flat_table(value) else None

    def send(self, table: Any, columns: Sequence[Any]) -> int | None:
        """Give a table that is sent a number; None if it isn't to be remembered."""
        if len(self._waiting) == _AT_ONCE or not _is_flat(table, columns, _SENT_BYTES):
            return None
        number = self._next
        self._next += 2
        self._waiting[number] = (weakref.ref(table), table.copy())
        return number

    def news(self) -> Json:
        """Give what the other room is to be told with the message that has just been encoded."""
        own = [number for number in self._kept if not self._is_theirs(number)]
        for number in own[: max(0, len(own) - _KEPT)]:
            del self._kept[number]
            self._dropped.append(number)
        news = [self._taken, self._dropped]
        self._taken, self._dropped = [], []
        return news if any(news) else None

    def put_back(self, news: Json) -> None:
        """Tell it with the next message: this one wasn't sent."""
        if news:
            self._taken[:0], self._dropped[:0] = news

    def confirm(self, news: Json) -> None:
        """Take in what the other room has by now; before its message is decoded."""
        for number in _numbers(news, 0):
            if number in self._waiting:
                use, self._kept[number] = self._waiting.pop(number)
                if (original := use()) is not None:
                    self._use(original, number)
        self._dropped += self._waiting
        self._waiting.clear()

    def let_go(self, news: Json) -> None:
        """Forget what the other room has let go of; after its message was decoded."""
        for number in _numbers(news, 1):
            if self._is_theirs(number):
                self._kept.pop(number, None)

    def take(self, number: Json, table: Any) -> Any:
        """Remember a table that the other room sent; give it for use."""
        need(type(number) is int and 0 <= number < _MOST_NUMBERS, "a table's number")
        need(self._is_theirs(number) and number not in self._kept, "a table's number")
        need(sum(map(self._is_theirs, self._kept)) < _MOST, "fewer tables to remember")
        is_frame = type(table) is pd.DataFrame
        need(is_frame and _is_flat(table, columns_of(table), _TAKEN_BYTES), "a table to remember")
        self._kept[number] = table
        self._taken.append(number)
        return self.use(number)

    def use(self, number: Json) -> Any:
        """Give a table that both rooms remember."""
        need(type(number) is int and number in self._kept, "a table that was sent before")
        table = self._kept[number].copy()
        self._use(table, number)
        return table

    def _is_theirs(self, number: int) -> bool:
        return (number - self._next) % 2 == 1

    def _use(self, table: Any, number: int) -> None:
        if len(self._uses) >= _USES:
            alive = {key: use for key, use in self._uses.items() if use[0]() is not None}
            self._uses = alive if len(alive) < _USES else {}
        self._uses[id(table)] = (weakref.ref(table), number)


def _numbers(news: Json, place: int) -> list[int]:
    if news is None:
        return []
    need(type(news) is list and len(news) == 2 and type(news[place]) is list, "news of tables")
    return [number for number in news[place] if type(number) is int]


def is_flat_table(value: Any) -> bool:
    """Say whether this is a table with nothing in its cells that could change by itself."""
    if type(value) is pd.DataFrame:
        return _is_flat(value, columns_of(value))
    return type(value) is pd.Series and not value.attrs and value.dtype != _OBJECTS


def _is_flat(frame: Any, columns: Iterable[Any], most: float = math.inf) -> bool:
    """Say whether this is a flat frame of at most so many bytes; ``columns`` are its own."""
    if frame.attrs:
        return False
    size = 0
    for column in columns:
        if column.dtype == _OBJECTS:
            return False
        size += column.nbytes
    return size <= most


def is_same_table(table: Any, before: Any) -> bool:
    """Say whether a flat table has the content, names and kinds of another, to the last bit."""
    if type(table) is pd.Series:
        same = bool(table.equals(before)) and table.name == before.name
    else:
        columns = list(columns_of(table)), list(columns_of(before))
        same = len(columns[0]) == len(columns[1]) and all(map(_is_same_column, *columns))
    return same and not table.attrs and all(map(_is_same_axis, table.axes, before.axes))


def _is_same_column(now: Any, then: Any) -> bool:
    if now.dtype != then.dtype or len(now) != len(then):
        return False
    if isinstance(now.dtype, np.dtype):
        return np.asarray(now).tobytes() == np.asarray(then).tobytes()
    # Arrow's arrays don't change: what sets a value puts another array in their place.
    arrow = getattr(now, "_pa_array", None)
    if arrow is not None and arrow is getattr(then, "_pa_array", None):
        return True
    return bool(now.equals(then))


def _is_same_axis(now: Any, then: Any) -> bool:
    alike = now.is_(then) or (
        type(now) is type(then) and now.dtype == then.dtype and bool(now.equals(then))
    )
    return alike and list(now.names) == list(then.names)


def _encode_table(encoder: Encoder, table: Any) -> Json:
    tables: TableMemory | None = encoder.tables
    if tables is not None and (number := tables.number(table)) is not None:
        return ["F", number]
    columns = list(columns_of(table))
    encoded = encode_frame(encoder, table, columns)
    if tables is None:
        return encoded
    # A copy of a table of one kind lies otherwise in memory, where sums come out otherwise.
    if encoded[0] != "D" or encoded[3][0] != "by":
        return encoded
    number = tables.send(table, columns)
    return encoded if number is None else ["F", number, encoded]


def _decode_table(decoder: Decoder, item: list[Any]) -> Any:
    tables: TableMemory | None = decoder.tables
    if tables is None:
        need(condition=False, what="a table that is remembered")
        return None
    place = len(decoder.made)
    if len(item) == 2:
        table = tables.use(item[1])
        decoder.count(table.size)
        decoder.made.append(table)
        return table
    need(len(item) == 3 and type(item[2]) is list and item[2][:1] == ["D"], "a table")
    table = tables.take(item[1], decoder.decode(item[2]))
    decoder.made[place] = table
    return table


ENCODERS[pd.DataFrame] = _encode_table
DECODERS["F"] = _decode_table
