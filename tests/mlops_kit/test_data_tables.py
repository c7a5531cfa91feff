"""Snapshots named by content, differences between tables, and splits that respect time."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import TimeSeriesSplit, cross_val_score
from sklearn.tree import DecisionTreeRegressor

from mlops_kit import worlds
from mlops_kit.data import (
    compare_tables,
    content_hash,
    load_snapshot,
    save_snapshot,
    time_folds,
    time_split,
)
from mlops_kit.errors import DataError
from mlops_kit.tables import read_snapshot, write_snapshot


def days(count: int = 10) -> pd.DataFrame:
    moments = pd.date_range("2025-01-06", periods=count)
    return pd.DataFrame({"day": moments, "x": range(count), "y": np.arange(count) * 2.0})


def test_a_snapshot_is_kept_once_and_read_back(tmp_path: Path) -> None:
    """Whatever the order of columns and the index; also by the hash's beginning."""
    trips = worlds.rides_trips(days=1, trips_per_day=200)
    kept = save_snapshot(trips, tmp_path / "data")
    again = save_snapshot(trips[trips.columns[::-1]].set_index(trips.index + 5), tmp_path / "data")
    assert (kept.hash, kept.path) == (again.hash, again.path)
    assert [path.name for path in (tmp_path / "data").iterdir()] == [f"{kept.hash}.parquet"]
    back = load_snapshot(kept.hash[:8], tmp_path / "data")
    # Parquet keeps times in milliseconds at least; the moments are the same.
    assert back.to_csv() == trips.to_csv()
    assert (kept.rows, kept.columns) == (len(trips), tuple(trips.columns))
    assert kept.hash == content_hash(trips)


def test_a_table_that_parquet_cannot_hold_leaves_nothing(tmp_path: Path) -> None:
    """And the message says what to do."""
    mixed = pd.DataFrame({"a": pd.Series([1, "x", b"y"], dtype=object)})
    with pytest.raises(DataError, match="one kind of values"):
        save_snapshot(mixed, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_snapshot_that_is_absent_changed_or_broken_is_refused(tmp_path: Path) -> None:
    """Each with its own reason."""
    kept = save_snapshot(days(), tmp_path)
    with pytest.raises(DataError, match="no snapshot has the hash 00000000"):
        load_snapshot("00000000", tmp_path)
    with pytest.raises(DataError, match="at least 8 hexadecimal digits"):
        load_snapshot("../x", tmp_path)
    (tmp_path / f"{kept.hash[:10]}{'0' * 54}.parquet").write_bytes(kept.path.read_bytes())
    with pytest.raises(DataError, match="2 snapshots have"):
        load_snapshot(kept.hash[:10], tmp_path)
    days(9).to_parquet(kept.path)
    with pytest.raises(DataError, match="was changed since"):
        load_snapshot(kept.hash, tmp_path)
    kept.path.write_bytes(b"PAR1")
    with pytest.raises(DataError, match="can't be read"):
        load_snapshot(kept.hash, tmp_path)


def test_tables_are_compared_by_columns_and_rows() -> None:
    """Rows count as often as they are there; missing equals missing; widths don't matter."""
    old = pd.DataFrame({"a": [1.0, 2.0, 2.0, np.nan], "b": ["x", "y", "y", None], "gone": 0})
    new = pd.DataFrame({"a": np.float32([np.nan, 2, 1, 7]), "b": [None, "y", "x", "z"], "new": 1})
    found = compare_tables(old, new)
    assert (found.added_columns, found.removed_columns) == (("new",), ("gone",))
    assert (found.added_rows, found.removed_rows, found.reordered) == (1, 1, False)
    assert not compare_tables(old, old.astype({"b": "category"}))
    moved = compare_tables(old, old[::-1])
    assert moved and moved.reordered and moved.added_rows == moved.removed_rows == 0
    big = pd.DataFrame({"id": [2**60]})
    assert compare_tables(big, big + 1).added_rows == 1
    assert compare_tables(days()[["x"]], days(12)[["y"]]).added_rows == 2


def test_a_split_trains_on_the_past_and_tests_on_the_future() -> None:
    """Rows of one moment stay together; the order of rows is kept."""
    table = pd.concat([days(), days()]).sample(frac=1, random_state=3)
    train, test, cut = time_split(table, time="day", test_share=0.25)
    assert train["day"].max() < cut == test["day"].min()
    assert len(train) + len(test) == 20
    assert test["day"].nunique() == 3
    given = time_split(table, time="day", cut="2025-01-10", gap="2D")
    assert given.train["day"].max() == pd.Timestamp("2025-01-07")


def test_labels_that_were_not_known_yet_are_not_trained_on() -> None:
    """A label that came after the cut, or never, is nothing the model could have seen."""
    trips = worlds.rides_trips(days=14, trips_per_day=100)
    train, _, cut = time_split(trips, time="pickup_time", known="label_time")
    naive = time_split(trips, time="pickup_time").train
    late = naive["label_time"] > cut
    assert late.any()
    assert list(train.index) == list(naive.index[~late])
    table = days().assign(known=pd.Series([pd.NaT] * 5 + [pd.Timestamp("2025-01-06")] * 5))
    assert list(time_split(table, time="day", known="known").train["x"]) == [5, 6, 7]


def test_folds_agree_with_scikit_learn_where_both_apply() -> None:
    """Rows a day apart are what TimeSeriesSplit assumes; and scikit-learn takes ours as cv."""
    table = days(60)
    ours = time_folds(table, time="day", folds=5, test="10D")
    theirs = TimeSeriesSplit(n_splits=5, test_size=10).split(table)
    for (train, test), (their_train, their_test) in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(train, their_train)
        np.testing.assert_array_equal(test, their_test)
    cross_val_score(DecisionTreeRegressor(), table[["x"]], table["y"], cv=ours)


def test_folds_keep_gap_and_window() -> None:
    """Also for rows in any order."""
    table = days(60).sample(frac=1, random_state=1)
    for train, test in time_folds(table, time="day", folds=4, test="7D", gap="3D", window="14D"):
        past, future = table["day"].iloc[train], table["day"].iloc[test]
        assert (future.min() - past.max()).days == 4
        assert (past.max() - past.min()).days == 13
        assert len(future) == 7
    assert table["day"].iloc[test].max() == table["day"].max()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: time_split(days(), time="when"), "no column 'when'.*columns: day, x, y"),
        (lambda: time_split(days(), time="x"), "must hold times, got int64"),
        (lambda: time_split(days().iloc[:0], time="day"), "at least one row"),
        (lambda: time_split(days(1), time="day"), "nothing is left to train on"),
        (lambda: time_split(days(), time="day", test_share=1.0), "between 0 and 1"),
        (lambda: time_split(days(), time="day", cut="2026-01-01"), "nothing is left to test on"),
        (lambda: time_split(days(), time="day", cut="soon"), "the cut 'soon' doesn't fit"),
        (lambda: time_split(days(), time="day", cut="2025-01-09T00:00Z"), "doesn't fit the times"),
        (lambda: time_split(days(), time="day", gap="-1D"), "gap must be 0 or longer"),
        (lambda: time_split(days(), time="day", gap="wide"), "a span of time such as '7D'"),
        (lambda: time_folds(days(), time="day", folds=0), "folds must be 1 or more"),
        (lambda: time_folds(days(), time="day", test="0D"), "longer than nothing"),
        (lambda: time_folds(days(), time="day", folds=9, test="3D"), "fold 1 of 9 has nothing"),
    ],
)
def test_a_split_that_makes_no_sense_is_refused(call, said: str) -> None:
    """With what is wrong."""
    with pytest.raises(DataError, match=said):
        call()


def kinds() -> dict[str, object]:
    """Give columns of the kinds that tables have, by name."""
    times = pd.to_datetime(["2025-01-01", None, "2025-01-02"])
    return {
        "whole": np.array([1, 2, 3], "int32"),
        "real": [0.5, np.nan, -np.inf],
        "truth": [True, False, True],
        "text": ["a", None, "c"],
        "nothing": [None, None, None],
        "time": times.astype("datetime64[us]"),
        "place": times.tz_localize("Asia/Tokyo"),
        "span": pd.to_timedelta([1, None, 2], unit="h"),
        "kind": pd.Categorical(["x", "y", None]),
        "maybe": pd.array([1, None, 3], dtype="Int64"),
        "string": pd.array(["a", None, "b"], dtype="string"),
    }


@pytest.mark.parametrize("name", kinds())
def test_a_snapshot_is_the_file_and_the_frame_that_pandas_has(tmp_path: Path, name: str) -> None:
    """Byte by byte and type by type, whatever the quicker way does."""
    table = pd.DataFrame({"row": [1, 2, 3], name: kinds()[name]}, index=[7, 8, 9])
    table.reset_index(drop=True).to_parquet(tmp_path / "pandas.parquet")
    write_snapshot(table, tmp_path / "ours.parquet")
    assert (tmp_path / "ours.parquet").read_bytes() == (tmp_path / "pandas.parquet").read_bytes()
    read = read_snapshot(tmp_path / "ours.parquet")
    pd.testing.assert_frame_equal(read, pd.read_parquet(tmp_path / "pandas.parquet"))
    assert isinstance(read.index, pd.RangeIndex)


def test_notes_on_a_table_survive_a_snapshot(tmp_path: Path) -> None:
    """What pandas keeps of a frame's attributes is kept."""
    table = pd.DataFrame({"a": [1]})
    table.attrs = {"unit": "rides"}
    write_snapshot(table, tmp_path / "t.parquet")
    assert read_snapshot(tmp_path / "t.parquet").attrs == {"unit": "rides"}
