"""What student code does to a test's tables is found, whatever it does, and nothing else is."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from autograder.student_arguments import Arguments
from autograder.student_objects import Registry, RoomEncoder
from autograder.wire import Bounds
from autograder.wire_classes import ClassTable
from autograder.wire_tables import TableMemory


def frame() -> pd.DataFrame:
    """Make a table of each kind of column that a test may hand over."""
    times = pd.to_datetime(["2024-01-01", "2024-01-02", None])
    return pd.DataFrame(
        {"a": [1, 2, 3], "b": [0.5, None, 2.0], "c": ["x", "y", "z"], "t": times}
    ).assign(d=lambda table: table["c"].astype("category"))


def changes(value: Any, act: Callable[[Any], object]) -> bool:
    """Say whether what was done to a value is reported."""
    bounds = Bounds()
    registry = Registry(ClassTable())
    watched = Arguments(registry, bounds, TableMemory(1))
    before = watched.content([value])
    act(value)
    reply: dict[str, Any] = {}
    watched.report(reply, RoomEncoder(registry, bounds), [value], before)
    return "ch" in reply


def set_cell(table: pd.DataFrame) -> None:
    """Write into one cell."""
    table.loc[1, "a"] = 7


def name_index(table: pd.DataFrame) -> None:
    """Give the rows' labels a name."""
    table.index.name = "row"


def add_note(table: pd.DataFrame) -> None:
    """Leave a note at the table."""
    table.attrs["note"] = 1


@pytest.mark.parametrize(
    "act",
    [
        set_cell,
        name_index,
        add_note,
        lambda table: table.insert(0, "new", 1),
        lambda table: table.pop("b"),
        lambda table: table.sort_values("a", ascending=False, inplace=True),
        lambda table: table.rename(columns={"a": "A"}, inplace=True),
        lambda table: table.drop(index=0, inplace=True),
        lambda table: table.__setitem__("a", table["a"].astype(float)),
        lambda table: table.__setitem__("d", table["d"].cat.add_categories("w")),
    ],
)
def test_what_is_done_to_a_table_is_told(act: Callable[[Any], object]) -> None:
    """Cells, rows, columns, names, kinds and notes count."""
    assert changes(frame(), act)


@pytest.mark.parametrize(
    "act",
    [
        lambda table: table.assign(new=1),
        lambda table: table.describe(),
        lambda table: table["a"].to_numpy().sum(),
        lambda table: table.groupby("d", observed=True)["a"].sum(),
    ],
)
def test_what_is_only_read_is_not(act: Callable[[Any], object]) -> None:
    """Looking at a table changes nothing."""
    assert not changes(frame(), act)


def test_lists_within_cells_are_watched_too() -> None:
    """A table whose cells can change by themselves is compared by what is in them."""
    value = pd.DataFrame({"a": [[1], [2]]})
    assert changes(value, lambda table: table.loc[0, "a"].append(9))
    assert changes(pd.Series([1, 2]), lambda series: series.rename("n", inplace=True))
    assert not changes(value, lambda table: table.loc[0, "a"].count(9))


def kept(made: list[Any], log: list[Any]) -> list[int]:
    """Say which arguments are noted as kept, after student code has put some into its log."""
    bounds = Bounds()
    registry = Registry(ClassTable())
    watched = Arguments(registry, bounds, TableMemory(1))
    before = watched.content(made)
    log += [value for value in made if 7 in value]
    reply: dict[str, Any] = {}
    watched.report(reply, RoomEncoder(registry, bounds), made, before)
    found: list[int] = reply.get("keep", [])
    return found


def test_only_what_student_code_has_kept_is_watched_from_then_on() -> None:
    """What it was handed and has let go of is nobody's: each would be looked at ever after."""
    assert kept([[1], {2: 3}, {4}], []) == []
    assert kept([[1], [7], {7: 8}, {4}], []) == [1, 2]
