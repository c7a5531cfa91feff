"""Containers that both rooms have: what a test changes in them is noticed, and nothing else."""

import collections
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autograder.examiner_twins import Twins, changes_in_place
from autograder.wire import WireError

NAMES = frozenset({"cart", "add", "Board", "stock"})


@pytest.mark.parametrize(
    "text",
    [
        *("cart.append(1)", "stock['egg'] = 3", "del stock['egg']", "stock |= {'tea': 1}"),
        *("b = Board()\nb.grid[0][1] = 'X'", "with Board() as b:\n  b.log.clear()"),
        *("for row in Board().rows:\n  row.append(1)", "import random\nrandom.shuffle(cart)"),
        *("mine = cart\nmine.sort()", "found = add(1)\nfound.pop()", "cart.rotate(1)"),
    ],
)
def test_cells_that_change_what_is_the_students_are_known(text: str) -> None:
    """By name, by attribute, by what a call gave, and by another name for it."""
    assert changes_in_place(text, NAMES)


@pytest.mark.parametrize(
    "text",
    [
        *("seen = []\nseen.append(add(1))", "assert cart == [1]", "x = add(1)\nassert x > 0"),
        *("calls = {}\ncalls['a'] = 1\nadd(calls)", "rows = [add(1)]\nrows.sort()"),
    ],
)
def test_cells_that_change_only_their_own_are_known(text: str) -> None:
    """They cost nothing more."""
    assert not changes_in_place(text, NAMES)


def test_a_name_of_an_earlier_cell_may_stand_for_something_of_the_students() -> None:
    """The room says which do."""
    assert not changes_in_place("b.grid.clear()", NAMES)
    assert changes_in_place("b.grid.clear()", NAMES, lambda name: name == "b")


CHANGES: list[tuple[Any, Callable[[Any], Any]]] = [
    ([1.5], lambda made: made.__setitem__(0, 2.5)),
    ({"a": {"b": [1]}}, lambda made: made["a"]["b"].append(2)),
    ([([1],)], lambda made: made[0][0].clear()),
    ({1, 2}, lambda made: made.discard(2)),
    (collections.deque([1, 2]), lambda made: made.rotate(1)),
    (collections.OrderedDict(a=1, b=2), lambda made: made.move_to_end("a")),
    (np.zeros(3), lambda made: made.__setitem__(1, 4)),
    (np.array([1, None], dtype=object), lambda made: made.__setitem__(1, "x")),
    (pd.DataFrame({"a": [1]}), lambda made: made.insert(0, "b", 2)),
]


@pytest.mark.parametrize(("value", "change"), CHANGES, ids=lambda part: type(part).__name__)
def test_a_change_is_noticed_once(value: Any, change: Callable[[Any], Any]) -> None:
    """Until both copies are alike again; an untouched one is never told of."""
    twins = Twins()
    twins.add(value)
    assert twins.number(value) == 0
    assert twins.changed() == []
    change(value)
    (changed,) = twins.changed()
    assert changed is value
    twins.alike([value])
    assert twins.changed() == []


def test_what_comes_back_is_this_rooms_own() -> None:
    """With what is new in it."""
    twins = Twins()
    log = ["a"]
    twins.add(log)
    assert twins.take(0, ["a", "b"]) is log
    assert log == ["a", "b"]
    assert twins.changed() == []
    other: dict[str, int] = {}
    assert twins.take(1, other) is other


@pytest.mark.parametrize(
    ("number", "value"), [(2, []), (-1, []), (True, []), ("0", []), (0, {}), (0, 5), (1, "text")]
)
def test_a_number_or_a_kind_that_cant_be_ends_the_room(number: Any, value: Any) -> None:
    """Nothing of this room's is changed by it."""
    twins = Twins()
    log = ["a"]
    twins.add(log)
    with pytest.raises(WireError):
        twins.take(number, value)
    assert log == ["a"]
