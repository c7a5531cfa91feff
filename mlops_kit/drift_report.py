"""Evidently's report: for a person who wants to see every column, where the sketch decides."""

import os
import warnings
from pathlib import Path

import pandas as pd

from mlops_kit.errors import DataError, MissingToolError

__all__ = ["evidently_report"]


def evidently_report(
    reference: pd.DataFrame, current: pd.DataFrame, path: str | os.PathLike[str]
) -> Path:
    """Write Evidently's drift report of two tables as an HTML page.

    It needs the rows of both, so take a sample of at most some ten thousand: it is made for
    looking at, not for deciding.

    Parameters
    ----------
    reference, current : DataFrame
        With at least one column in common; only common columns are shown.
    path : path
        Where the page goes; the old one stays until the new one is complete.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    DataError
        If either is empty or there is no common column with values in both.
    MissingToolError
        If Evidently isn't installed.

    Notes
    -----
    Taught in @sec-monitor.
    """
    shared = [
        name
        for name in reference.columns
        if name in current.columns and reference[name].notna().any() and current[name].notna().any()
    ]
    if not shared:
        raise DataError(
            "evidently_report: the tables have no column with values in common. Pass rows of the "
            "same table."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from evidently import Report
            from evidently.presets import DataDriftPreset
    except ImportError as error:
        raise MissingToolError(
            "the report needs Evidently, which isn't installed. Install mlops-kit[drift]."
        ) from error
    page = Path(path)
    part = page.with_name(f".{page.name}.part")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = Report([DataDriftPreset()]).run(
            reference_data=_plain(reference[shared]), current_data=_plain(current[shared])
        )
        try:
            made.save_html(str(part))
            part.replace(page)
        finally:
            part.unlink(missing_ok=True)
    return page


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Use the types that Evidently knows: numbers, and plain objects for everything else."""
    numbers = frame.select_dtypes("number").columns
    return frame.astype({name: object for name in frame.columns if name not in numbers})
