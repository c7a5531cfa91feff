"""Tables in files, read so that no digit gets lost, with an error that names the file."""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mlops_kit.errors import DataError

__all__ = ["named_columns", "read_snapshot", "read_table", "write_snapshot"]

# Cells from which on several threads earn more than they cost.
_LARGE = 1_000_000


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table from a .csv or .parquet file.

    Parameters
    ----------
    path : str or path
        The file.

    Raises
    ------
    DataError
        If it ends otherwise, isn't there or can't be read.

    Notes
    -----
    Taught in @sec-register. Numbers in text are read to the last digit, which pandas alone leaves
    open: a column of few values would otherwise have other values than the service was sent.
    """
    file = Path(path)
    if file.suffix not in (".csv", ".parquet"):
        raise DataError(f"the table {file} must be a .csv or .parquet file.")
    try:
        if file.suffix == ".parquet":
            return pd.read_parquet(file)
        return pd.read_csv(file, float_precision="round_trip")
    except Exception as error:  # readers raise nearly anything
        said = getattr(error, "strerror", None) or str(error).partition("\n")[0][:200]
        raise DataError(
            f"the table {file} can't be read: {said or type(error).__name__}."
        ) from error


def write_snapshot(frame: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a table as Parquet, without its index: the bytes that pandas would write.

    Parameters
    ----------
    frame : pandas.DataFrame of shape (n_rows, n_columns)
        The table.
    path : str or path
        The file, which is replaced.

    Raises
    ------
    ValueError, TypeError
        If a column mixes kinds of values, so that Parquet can't hold it; they are pyarrow's.

    Notes
    -----
    Taught in @sec-track. A small table is written by one thread, for half of the work.
    """
    from pyarrow import Table, parquet

    plain = frame.reset_index(drop=True)
    if frame.attrs or frame.size >= _LARGE:
        plain.to_parquet(path)
        return
    parquet.write_table(Table.from_pandas(plain, nthreads=1), os.fspath(path))


def read_snapshot(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a table that :func:`write_snapshot` wrote: the frame that pandas would give.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    pandas.DataFrame
        The table; numbers, text, times and booleans of a small one are read by one thread.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    Exception
        If it can't be read; pyarrow raises nearly anything.

    Notes
    -----
    Taught in @sec-track.
    """
    from pyarrow import parquet

    with parquet.ParquetFile(os.fspath(path)) as file:
        size = file.metadata.num_rows * file.metadata.num_columns
        if size < _LARGE and _is_plain(file.schema_arrow):
            table = file.read(use_threads=False, use_pandas_metadata=True)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # pyarrow's use of pandas
                frame: pd.DataFrame = table.to_pandas(use_threads=False)
            return frame
    return pd.read_parquet(path)


def _is_plain(schema: Any) -> bool:
    """Say whether a table has such columns only as pyarrow makes into pandas' own by itself."""
    from pyarrow import __version__, types

    text = isinstance(pd.Series(["text"]).dtype, pd.StringDtype)
    text = text and int(__version__.partition(".")[0]) >= 19

    def known(kind: Any) -> bool:
        return (
            types.is_integer(kind)
            or types.is_floating(kind)
            or types.is_boolean(kind)
            or (types.is_timestamp(kind) and kind.tz is None)
            or (text and (types.is_string(kind) or types.is_large_string(kind)))
        )

    return b"PANDAS_ATTRS" not in (schema.metadata or {}) and all(map(known, schema.types))


def named_columns(given: Sequence[str]) -> list[str]:
    """Give the names that an option was given: separated by commas, or the option again.

    Parameters
    ----------
    given : sequence of str
        What the option was given each time.

    Notes
    -----
    Taught in @sec-register.

    Examples
    --------
    >>> named_columns(["label, id", "note"])
    ['label', 'id', 'note']
    """
    names = [name.strip() for text in given for name in text.split(",")]
    return list(dict.fromkeys(filter(None, names)))
