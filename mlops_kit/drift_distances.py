"""How far two distributions are apart, from counts of the same cells in two samples.

A distance says how much moved; whether chance could do it is another question, answered by
:mod:`mlops_kit.drift_tests`. None of them needs the rows themselves.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlops_kit.errors import DataError

__all__ = [
    "jensen_shannon",
    "kolmogorov_smirnov",
    "ks_error",
    "psi",
    "shares_of",
    "total_variation",
    "wasserstein",
]

Floats = NDArray[np.float64]

EMPTY = 1e-4


def psi(reference: ArrayLike, current: ArrayLike) -> float:
    """Measure how far a distribution has moved (population stability index).

    Parameters
    ----------
    reference, current : array-like of shape (n_cells,)
        Counts of the same cells in both samples.

    Returns
    -------
    float
        In nats, at least 0. An empty cell counts as a share of 0.0001, as in Evidently.

    Raises
    ------
    DataError
        If the shapes differ, a count is negative or not finite, or a sample is empty.

    Notes
    -----
    Taught in @sec-monitor.

    Examples
    --------
    >>> round(psi([50, 50], [60, 40]), 4)
    0.0405
    """
    p, q = shares_of("psi", reference, current)
    p, q = np.where(p == 0, EMPTY, p), np.where(q == 0, EMPTY, q)
    return float(np.sum((q - p) * np.log(q / p)))


def jensen_shannon(reference: ArrayLike, current: ArrayLike) -> float:
    """Measure the Jensen–Shannon distance: 0 for the same shares, 0.83 for nothing in common.

    Parameters
    ----------
    reference, current : array-like of shape (n_cells,)
        Counts of the same cells in both samples.

    Returns
    -------
    float
        The square root of the divergence in nats, from 0 to ``sqrt(log(2))``.

    Raises
    ------
    DataError
        If the shapes differ, a count is negative or not finite, or a sample is empty.

    Notes
    -----
    Taught in @sec-monitor.

    Examples
    --------
    >>> round(jensen_shannon([1, 0], [0, 1]) ** 2, 4)
    0.6931
    """
    p, q = shares_of("jensen_shannon", reference, current)
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * np.log(p / middle), 0.0)
        terms += np.where(q > 0, q * np.log(q / middle), 0.0)
    return float(np.sqrt(max(0.0, terms.sum() / 2)))


def total_variation(reference: ArrayLike, current: ArrayLike) -> float:
    """Give the share of rows that would have to change cell for the samples to agree.

    Parameters
    ----------
    reference, current : array-like of shape (n_cells,)
        Counts of the same cells in both samples.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    DataError
        If the shapes differ, a count is negative or not finite, or a sample is empty.

    Notes
    -----
    Taught in @sec-monitor.

    Examples
    --------
    >>> round(total_variation([50, 50], [60, 40]), 4)
    0.1
    """
    p, q = shares_of("total_variation", reference, current)
    return float(np.abs(p - q).sum() / 2)


def kolmogorov_smirnov(reference: ArrayLike, current: ArrayLike) -> float:
    """Give the largest difference of the cumulative shares at the cells' borders.

    The value over all points is never smaller, and larger by at most :func:`ks_error`.

    Parameters
    ----------
    reference, current : array-like of shape (n_cells,)
        Counts of the same cells in both samples, the cells in ascending order.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    DataError
        If the shapes differ, a count is negative or not finite, or a sample is empty.

    Notes
    -----
    Taught in @sec-monitor.

    Examples
    --------
    >>> round(kolmogorov_smirnov([50, 50], [60, 40]), 4)
    0.1
    """
    p, q = shares_of("kolmogorov_smirnov", reference, current)
    return float(np.abs(np.cumsum(p - q)).max())


def ks_error(reference: ArrayLike, current: ArrayLike) -> float:
    """Bound what the cells hide of the Kolmogorov–Smirnov statistic of the rows themselves.

    Inside a cell with shares p and q the cumulative shares start from a known difference and end
    at a known one; in between, at worst, all rows of one sample come before all of the other.

    Parameters
    ----------
    reference, current : array-like of shape (n_cells,)
        Counts of the same cells in both samples, the cells in ascending order.

    Returns
    -------
    float
        At least 0; the statistic of the rows lies between :func:`kolmogorov_smirnov` and the sum
        of both.

    Raises
    ------
    DataError
        If the shapes differ, a count is negative or not finite, or a sample is empty.

    Notes
    -----
    Taught in @sec-monitor.

    Examples
    --------
    >>> round(ks_error([25, 25, 25, 25], [25, 25, 25, 25]), 4)
    0.25
    """
    p, q = shares_of("ks_error", reference, current)
    after = np.cumsum(p - q)
    before = after - (p - q)
    worst = np.maximum(np.abs(before + p), np.abs(before - q)).max()
    return float(max(0.0, worst - np.abs(after).max()))


def wasserstein(
    borders: ArrayLike, reference: ArrayLike, current: ArrayLike
) -> tuple[float, float]:
    """Give the Wasserstein-1 distance, and how far it can be from that of the rows themselves.

    Rows are taken as evenly spread within their cell.

    Parameters
    ----------
    borders : array-like of shape (n_cells + 1,)
        Where the cells begin and end, ascending, finite.
    reference, current : array-like of shape (n_cells,)
        Counts of the same cells in both samples.

    Returns
    -------
    distance : float
        How far a row has moved on average, in the feature's own unit.
    error : float
        The largest possible difference to the distance of the rows, in the same unit.

    Raises
    ------
    DataError
        If the shapes differ, a count is negative or not finite, or a sample is empty.

    Notes
    -----
    Taught in @sec-monitor.

    Examples
    --------
    >>> distance, error = wasserstein([0, 1, 2], [100, 0], [0, 100])
    >>> distance, error
    (1.0, 1.0)
    """
    p, q = shares_of("wasserstein", reference, current)
    width = np.diff(np.asarray(borders, dtype=float))
    if width.shape != p.shape or not np.isfinite(width).all() or (width < 0).any():
        raise DataError(
            f"wasserstein: borders must be {p.size + 1} finite ascending numbers for {p.size} "
            "cells. Pass the cells' borders in the order of the counts."
        )
    after = np.cumsum(p - q)
    before = after - (p - q)
    crossing = before * after < 0
    with np.errstate(divide="ignore", invalid="ignore"):
        bent = (before**2 + after**2) / (np.abs(before) + np.abs(after)) / 2
    mean = np.where(crossing, bent, (np.abs(before) + np.abs(after)) / 2)
    # Between a cell's borders a cumulative share leaves its chord by half of what the cell holds,
    # averaged over the cell, if all its rows lie at one border.
    hidden = (p + q) / 2
    return float((width * mean).sum()), float((width * hidden).sum())


def shares_of(name: str, reference: ArrayLike, current: ArrayLike) -> tuple[Floats, Floats]:
    """Turn counts of the same cells in two samples into shares, or say what is wrong with them.

    ``name`` is who asks, for the message.
    """
    p, q = np.asarray(reference, dtype=float), np.asarray(current, dtype=float)
    if p.ndim != 1 or p.shape != q.shape:
        raise DataError(
            f"{name}: counts must have the same shape (n_cells,), got {p.shape} and {q.shape}. "
            "Count both samples in the same cells."
        )
    for label, counts in (("reference", p), ("current", q)):
        if not (np.isfinite(counts) & (counts >= 0)).all() or not counts.sum() > 0:
            raise DataError(
                f"{name}: the {label} counts must be finite, not negative and not all 0, got a "
                f"sum of {counts.sum():g}. A column without values can't be compared."
            )
    return p / p.sum(), q / q.sum()
