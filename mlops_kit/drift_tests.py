"""Whether chance could move a distribution so far: tests on counts, and their correction for many.

With a million rows a shift of no consequence is significant, with fifty rows a large one isn't:
a test belongs beside a distance (:mod:`mlops_kit.drift_distances`), never in its place.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlops_kit.drift_distances import shares_of
from mlops_kit.errors import DataError, MissingToolError

__all__ = [
    "chi_square",
    "f_tail",
    "holm",
    "ks_p_value",
    "rate_p_value",
    "share_beyond_p_value",
]

Floats = NDArray[np.float64]

_FEW = 5.0


def ks_p_value(statistic: float, n_reference: float, n_current: float) -> float:
    """Give the chance of a Kolmogorov–Smirnov statistic at least this large without drift.

    From Kolmogorov's limiting distribution with Stephens' correction for small samples. It is on
    the safe side for a statistic taken at the borders of cells, and where values repeat.

    Parameters
    ----------
    statistic : float
        The largest difference of the cumulative shares.
    n_reference, n_current : float
        Rows in both samples; an effective number may be fractional.

    Returns
    -------
    float
        From 0 to 1.

    Notes
    -----
    Taught in @sec-monitor.

    Examples
    --------
    >>> round(ks_p_value(0.1, 1000, 1000), 5)
    8e-05
    """
    root = np.sqrt(n_reference * n_current / (n_reference + n_current))
    return float(_special().kolmogorov((root + 0.12 + 0.11 / root) * statistic))


def chi_square(reference: ArrayLike, current: ArrayLike) -> tuple[float, int, float]:
    """Test whether two samples have the same shares (chi-square test of homogeneity).

    Cells of which either sample is expected to hold fewer than five rows are put together first,
    because the test's distribution needs that.

    Parameters
    ----------
    reference, current : array-like of shape (n_cells,)
        Counts of the same cells in both samples.

    Returns
    -------
    statistic : float
        At least 0.
    degrees : int
        Degrees of freedom; 0 if only one cell is left.
    p_value : float
        The chance of a statistic at least this large without drift.

    Raises
    ------
    DataError
        If the shapes differ, a count is negative or not finite, or a sample is empty.

    Notes
    -----
    Taught in @sec-monitor.

    Examples
    --------
    >>> statistic, degrees, p_value = chi_square([50, 50], [60, 40])
    >>> round(statistic, 3), degrees, round(p_value, 3)
    (2.02, 1, 0.155)
    """
    shares_of("chi_square", reference, current)
    table = np.array([reference, current], dtype=float)
    table = table[:, table.sum(axis=0) > 0]
    totals = table.sum(axis=1)
    smaller = totals.min() / totals.sum()
    few = table.sum(axis=0) * smaller < _FEW
    if few.sum() > 1:
        together = table[:, few].sum(axis=1, keepdims=True)
        table = np.concatenate([table[:, ~few], together], axis=1)
    if table.shape[1] < 2:
        return 0.0, 0, 1.0
    expected = np.outer(totals, table.sum(axis=0)) / totals.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    degrees = table.shape[1] - 1
    return statistic, degrees, float(_special().chdtrc(degrees, statistic))


def share_beyond_p_value(beyond: int, n_reference: int, n_current: int) -> float:
    """Give the chance that so many rows lie beyond all of the reference on one side.

    Exact where rows are exchangeable: it is the chance that the largest ``beyond`` of all rows
    all belong to the current sample.

    Parameters
    ----------
    beyond : int
        Rows of the current sample beyond the reference's extreme.
    n_reference, n_current : int
        Rows in both samples.

    Returns
    -------
    float
        From 0 to 1.

    Notes
    -----
    Taught in @sec-monitor.

    Examples
    --------
    >>> round(share_beyond_p_value(1, 99, 1), 6)
    0.01
    """
    if beyond <= 0:
        return 1.0
    step = np.arange(min(beyond, n_current), dtype=float)
    chances = np.log1p(-n_reference / (n_reference + n_current - step))
    return float(np.exp(chances.sum()))


def holm(p_values: Sequence[float]) -> Floats:
    """Correct p-values for looking at many columns at once (Holm's method).

    Rejecting those at most ``alpha`` keeps the chance of any false rejection at most ``alpha``,
    however the columns depend on each other.

    Parameters
    ----------
    p_values : sequence of float
        One a test, from 0 to 1.

    Returns
    -------
    ndarray of shape (n_tests,)
        Corrected, in the same order.

    Raises
    ------
    DataError
        If one isn't from 0 to 1.

    Notes
    -----
    Taught in @sec-monitor.

    Examples
    --------
    >>> holm([0.01, 0.5, 0.02]).tolist()
    [0.03, 0.5, 0.04]
    """
    given = np.asarray(p_values, dtype=float)
    if not ((given >= 0) & (given <= 1)).all():
        raise DataError(f"holm: p-values must be from 0 to 1, got {list(p_values)}.")
    order = np.argsort(given, kind="stable")
    raised = given[order] * (given.size - np.arange(given.size))
    corrected = np.empty(given.size)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(raised))
    return corrected


def rate_p_value(count: int, n_current: int, reference_count: int, n_reference: float) -> float:
    """Give the chance that rare rows are so much more frequent than in the reference.

    Given the sum of both counts, the share that falls on the current sample is binomial where the
    rate is the same; exact for rare rows, on the safe side for frequent ones.

    Parameters
    ----------
    count, n_current : int
        Rare rows and all rows of the current sample.
    reference_count, n_reference : int
        The same of the reference.

    Returns
    -------
    float
        From 0 to 1, one-sided.

    Notes
    -----
    Taught in @sec-monitor.

    Examples
    --------
    >>> rate_p_value(3, 100, 0, 100)
    0.125
    """
    if count <= 0:
        return 1.0
    share = n_current / (n_current + n_reference)
    return float(_special().bdtrc(count - 1, count + reference_count, share))


def f_tail(numerator: float, denominator: float, statistic: float) -> float:
    """Give the chance of an F statistic at least this large, by both degrees of freedom."""
    return float(_special().fdtrc(numerator, denominator, statistic))


def _special() -> Any:
    try:
        from scipy import special
    except ImportError as error:
        raise MissingToolError(
            "testing for drift needs SciPy, which isn't installed. Install mlops-kit[drift]."
        ) from error
    return special
