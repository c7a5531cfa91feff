"""Splits that respect time: train on the past, test on the future."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops_kit.errors import DataError

__all__ = ["TimeSplit", "time_folds", "time_split"]

Positions = NDArray[np.intp]
Span = str | pd.Timedelta


class TimeSplit(NamedTuple):
    """Rows to train on, rows to test on, and the moment between them."""

    train: pd.DataFrame
    test: pd.DataFrame
    cut: pd.Timestamp


def time_split(
    frame: pd.DataFrame,
    *,
    time: str,
    test_share: float = 0.2,
    cut: Any = None,
    gap: Span = "0D",
    known: str | None = None,
) -> TimeSplit:
    """Train on the past, test on the future; nothing unknown at the cut is trained on.

    Parameters
    ----------
    frame : pandas.DataFrame of shape (n_rows, n_columns)
        Rows in any order; theirs is kept.
    time : str
        The column that says when a row happened.
    test_share : float, default=0.2
        The share of rows, the latest, to test on; used where ``cut`` isn't given. Rows of one
        moment stay together.
    cut : time, optional
        The first moment of the test.
    gap : str or pandas.Timedelta, default="0D"
        How long before the cut training ends, such as "7D" where features look a week ahead.
    known : str, optional
        The column that says when a row's label became known. Rows whose label wasn't known at
        the cut aren't trained on; the model of that day couldn't have seen them.

    Returns
    -------
    TimeSplit
        ``train``, ``test`` and ``cut``.

    Raises
    ------
    DataError
        If a column isn't there, holds no times or misses some, or a part would be empty.

    Notes
    -----
    Taught in @sec-data.

    Examples
    --------
    >>> table = pd.DataFrame({"day": pd.date_range("2025-01-06", periods=10), "y": range(10)})
    >>> train, test, cut = time_split(table, time="day", test_share=0.3, gap="2D")
    >>> len(train), len(test), str(cut.date())
    (5, 3, '2025-01-13')
    """
    moments = _moments(frame, time)
    if cut is None:
        if not 0 < test_share < 1:
            raise DataError(f"time_split: test_share must be between 0 and 1, got {test_share!r}.")
        place = min(int(np.ceil(len(moments) * (1 - test_share) - 1e-9)), len(moments) - 1)
        cut = moments.sort_values().iloc[place]
    else:
        cut = _cut(cut, moments)
    past = (moments < cut - _span("gap", gap)).to_numpy() & _known(frame, known, cut)
    future = (moments >= cut).to_numpy()
    if not past.any() or not future.any():
        side = "train" if not past.any() else "test"
        raise DataError(
            f"time_split: nothing is left to {side} on at the cut {cut}; the rows run from "
            f"{moments.min()} to {moments.max()}. Choose another cut, or a smaller gap."
        )
    return TimeSplit(frame[past], frame[future], cut)


def time_folds(
    frame: pd.DataFrame,
    *,
    time: str,
    folds: int = 5,
    test: Span | None = None,
    gap: Span = "0D",
    window: Span | None = None,
    known: str | None = None,
) -> list[tuple[Positions, Positions]]:
    """Walk forward through time: each fold trains on what was past and tests on what came next.

    Parameters
    ----------
    frame : pandas.DataFrame of shape (n_rows, n_columns)
        Rows in any order.
    time : str
        The column that says when a row happened.
    folds : int, default=5
        How many folds, at least 1; their tests follow each other up to the last row.
    test : str or pandas.Timedelta, optional
        How long each test is; by default the time from first to last row, divided by
        ``folds + 1``.
    gap, known
        As for :func:`time_split`.
    window : str or pandas.Timedelta, optional
        How far back training looks; everything by default.

    Returns
    -------
    list of (array of int, array of int)
        Positions of the rows to train on and to test on; scikit-learn takes it as ``cv``.

    Raises
    ------
    DataError
        As :func:`time_split`, and if the frame is too short for the folds.

    Notes
    -----
    Taught in @sec-data.
    """
    moments = _moments(frame, time)
    if type(folds) is not int or folds < 1:
        raise DataError(f"time_folds: folds must be 1 or more, got {folds!r}.")
    last = moments.max()
    length = (last - moments.min()) / (folds + 1) if test is None else _span("test", test)
    if length <= pd.Timedelta(0):
        raise DataError(f"time_folds: a test must last longer than nothing, got {length}.")
    back = None if window is None else _span("window", window)
    before = _span("gap", gap)
    found = []
    for fold in range(folds):
        # Counted from the end, so that the last row is always tested on.
        cut = last - (folds - fold) * length
        future = ((moments > cut) & (moments <= cut + length)).to_numpy()
        past = (moments <= cut - before).to_numpy() & _known(frame, known, cut)
        if back is not None:
            past &= (moments > cut - before - back).to_numpy()
        if not past.any() or not future.any():
            side = "train" if not past.any() else "test"
            raise DataError(
                f"time_folds: fold {fold + 1} of {folds} has nothing to {side} on around {cut}. "
                "Take fewer folds, shorter tests or a smaller gap."
            )
        found.append((np.flatnonzero(past), np.flatnonzero(future)))
    return found


def _known(frame: pd.DataFrame, name: str | None, cut: pd.Timestamp) -> NDArray[np.bool_]:
    """Say whose label was known at the cut; one that never became known wasn't."""
    if name is None:
        return np.ones(len(frame), dtype=bool)
    return (_times(frame, name) <= cut).to_numpy(dtype=bool)


def _moments(frame: pd.DataFrame, name: str) -> pd.Series:
    moments = _times(frame, name)
    if moments.empty or moments.isna().any():
        raise DataError(f"column {name!r} must hold a time in every row, and at least one row.")
    return moments


def _times(frame: pd.DataFrame, name: str) -> pd.Series:
    if not isinstance(frame, pd.DataFrame) or name not in frame:
        known = ", ".join(map(str, getattr(frame, "columns", ()))) or "none"
        raise DataError(f"there is no column {name!r} to split by; columns: {known}.")
    moments = frame[name]
    if not pd.api.types.is_datetime64_any_dtype(moments.dtype):
        raise DataError(
            f"column {name!r} must hold times, got {moments.dtype}. Convert it with pd.to_datetime."
        )
    return moments


def _cut(value: Any, moments: pd.Series) -> pd.Timestamp:
    try:
        cut = pd.Timestamp(value)
        moments.iloc[0] < cut  # noqa: B015 - raises where one has an offset and the other hasn't
    except (ValueError, TypeError) as error:
        raise DataError(f"time_split: the cut {value!r} doesn't fit the times: {error}.") from error
    return cut


def _span(name: str, value: Span) -> pd.Timedelta:
    try:
        span = pd.Timedelta(value)
    except ValueError as error:
        raise DataError(f"{name} must be a span of time such as '7D', got {value!r}.") from error
    if pd.isna(span) or span < pd.Timedelta(0):
        raise DataError(f"{name} must be 0 or longer, got {value!r}.")
    return span
