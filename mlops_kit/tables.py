"""Tables in files, read so that no digit gets lost, with an error that names the file."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from mlops_kit.errors import DataError

__all__ = ["named_columns", "read_table"]


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
