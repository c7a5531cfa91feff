"""Tables that can be relied on: contracts, snapshots named by content, splits that respect time."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mlops_kit.contracts import Column, Contract, ContractReport, Violation
from mlops_kit.data_splits import TimeSplit, time_folds, time_split
from mlops_kit.errors import DataError
from mlops_kit.lineage import content_hash
from mlops_kit.tables import read_snapshot, write_snapshot

__all__ = [
    "Column",
    "Contract",
    "ContractReport",
    "Difference",
    "Snapshot",
    "TimeSplit",
    "Violation",
    "compare_tables",
    "content_hash",
    "load_snapshot",
    "save_snapshot",
    "time_folds",
    "time_split",
]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A table kept unchanged under the hash of its content."""

    hash: str
    path: Path
    rows: int
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """How one table differs from another; falsy if it doesn't.

    Attributes
    ----------
    added_columns, removed_columns : tuple of str
        What the second has and the first hasn't, and the other way round.
    added_rows, removed_rows : int
        Rows, by their values in the columns that both have, each counted as often as it is there.
    reordered : bool
        Whether the same rows stand in another order.
    """

    added_columns: tuple[str, ...]
    removed_columns: tuple[str, ...]
    added_rows: int
    removed_rows: int
    reordered: bool

    def __bool__(self) -> bool:
        rows = self.added_rows or self.removed_rows or self.reordered
        return bool(rows or self.added_columns or self.removed_columns)


def save_snapshot(frame: pd.DataFrame, folder: str | os.PathLike[str]) -> Snapshot:
    """Keep a table in a folder under the hash of its content; the same content is kept once.

    Parameters
    ----------
    frame : pandas.DataFrame of shape (n_rows, n_columns)
        Any table that Parquet can hold. The index isn't kept.
    folder : str or path
        Where; made if it isn't there.

    Returns
    -------
    Snapshot
        Its hash and its file.

    Raises
    ------
    DataError
        If a column mixes kinds of values, so that Parquet can't hold it.

    Notes
    -----
    Taught in @sec-data. Column order and index don't change the hash; see :func:`content_hash`.

    Examples
    --------
    >>> import tempfile
    >>> table = pd.DataFrame({"zone": ["a", "b"], "demand": [3, 4]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kept = save_snapshot(table, folder)
    ...     same = save_snapshot(table[["demand", "zone"]], folder)
    ...     load_snapshot(kept.hash, folder).equals(table), same.hash == kept.hash
    (True, True)
    """
    digest = content_hash(frame)
    path = Path(folder) / f"{digest}.parquet"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".snapshot-")
        os.close(handle)
        try:
            write_snapshot(frame, name)
            Path(name).replace(path)
        except (ValueError, TypeError) as error:
            raise DataError(
                f"save_snapshot: the table can't be kept as Parquet ({error}). Give each column "
                "one kind of values."
            ) from error
        finally:
            Path(name).unlink(missing_ok=True)
    return Snapshot(digest, path, len(frame), tuple(map(str, frame.columns)))


def load_snapshot(digest: str, folder: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a snapshot back, and see that its content is what its name says.

    Parameters
    ----------
    digest : str
        The hash, or its first characters, at least eight, where only one snapshot has them.
    folder : str or path
        Where it was kept.

    Returns
    -------
    pandas.DataFrame
        The table.

    Raises
    ------
    DataError
        If it isn't there, can't be read, or was changed since.

    Notes
    -----
    Taught in @sec-data.
    """
    place = Path(folder)
    if len(digest) < 8 or not set(digest) <= set("0123456789abcdef"):
        raise DataError(
            f"load_snapshot: a hash of at least 8 hexadecimal digits was wanted, got {digest!r}."
        )
    found = sorted(place.glob(f"{digest}*.parquet"))
    if len(found) != 1:
        there = "no snapshot has" if not found else f"{len(found)} snapshots have"
        raise DataError(f"load_snapshot: {there} the hash {digest} in {place}. Check both.")
    try:
        frame = read_snapshot(found[0])
    except Exception as error:
        raise DataError(
            f"load_snapshot: {found[0].name} can't be read ({error}). Restore it from a backup."
        ) from error
    now = content_hash(frame)
    if now != found[0].stem:
        raise DataError(
            f"load_snapshot: {found[0].name} was changed since; its content hash is now "
            f"{now[:12]}. Restore it from a backup."
        )
    return frame


def compare_tables(old: pd.DataFrame, new: pd.DataFrame) -> Difference:
    """Say what the second table has that the first hasn't, and the other way round.

    Parameters
    ----------
    old, new : pandas.DataFrame
        Two tables, such as two snapshots.

    Returns
    -------
    Difference
        Columns by name, rows by their values in the columns that both have. A missing value
        equals a missing value.

    Notes
    -----
    Taught in @sec-data.

    Examples
    --------
    >>> old = pd.DataFrame({"a": [1, 2, 2]})
    >>> compare_tables(old, pd.DataFrame({"a": [2, 2, 5, 6]}))
    Difference(added_columns=(), removed_columns=(), added_rows=2, removed_rows=1, reordered=False)
    """
    shared = [name for name in old.columns if name in set(new.columns)]
    before, after = _row_hashes(old, shared), _row_hashes(new, shared)
    counts = before.value_counts().sub(after.value_counts(), fill_value=0)
    added, removed = int(-counts[counts < 0].sum()), int(counts[counts > 0].sum())
    same = not added and not removed
    return Difference(
        added_columns=tuple(str(name) for name in new.columns if name not in set(old.columns)),
        removed_columns=tuple(str(name) for name in old.columns if name not in set(shared)),
        added_rows=added,
        removed_rows=removed,
        reordered=same and before.tolist() != after.tolist(),
    )


def _row_hashes(table: pd.DataFrame, columns: list[Any]) -> pd.Series:
    """Hash each row; without columns, all rows are alike."""
    if not columns:
        return pd.Series(0, index=table.index)
    return pd.util.hash_pandas_object(_comparable(table[columns]), index=False)


def _comparable(frame: pd.DataFrame) -> pd.DataFrame:
    """Bring numbers of any width and text of any dtype to one form, so that equals are equal."""
    columns: dict[str, pd.Series] = {}
    for name in frame.columns:
        column = frame[name]
        if pd.api.types.is_numeric_dtype(column.dtype) and not _beyond_float(column):
            columns[name] = column.astype("float64") + 0.0
        elif pd.api.types.is_datetime64_any_dtype(column.dtype):
            columns[name] = pd.to_datetime(column, utc=True).astype("datetime64[ns, UTC]")
        else:
            columns[name] = column.astype(object).where(column.notna(), None).map(repr)
    return pd.DataFrame(columns, index=frame.index)


def _beyond_float(column: pd.Series) -> bool:
    """Say whether whole numbers are too large for a float to tell them from their neighbours."""
    return pd.api.types.is_integer_dtype(column.dtype) and bool((column.abs() > 2**53).any())
