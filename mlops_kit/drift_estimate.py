"""How good a model is before the labels are there, under an assumption that is said aloud."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlops_kit.errors import DataError, MissingToolError

__all__ = ["CALIBRATED", "Estimate", "estimate_performance"]

Floats = NDArray[np.float64]

CALIBRATED = (
    "The chances are as true as they were on the reference: of rows given 30 %, 30 % turn out to "
    "be yes. A change of who comes is accounted for; a change of the relation itself isn't, and "
    "only labels will show it."
)
"""What an estimate takes for granted."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a classifier's performance would be, if the assumption holds.

    Attributes
    ----------
    rows : int
        How many rows it is of.
    accuracy, precision, recall, f1, roc_auc, log_loss, brier, rate : float
        Expected values; ``rate`` is the share of yes. nan where it isn't defined, such as the
        precision of a model that never says yes.
    interval : tuple of float
        Between which the accuracy should lie once labels are there, 95 %.
    assumption : str
        What is taken for granted.
    """

    rows: int
    accuracy: float
    precision: float
    recall: float
    f1: float
    roc_auc: float
    log_loss: float
    brier: float
    rate: float
    interval: tuple[float, float]
    assumption: str = CALIBRATED


def estimate_performance(
    chances: ArrayLike,
    *,
    threshold: float = 0.5,
    reference: tuple[ArrayLike, ArrayLike] | None = None,
) -> Estimate:
    """Estimate a classifier's performance from its own chances, before labels arrive.

    A row that is given a chance of 0.9 and called yes is right nine times in ten, if the chances
    are calibrated. Adding that up over the rows gives the expected confusion matrix.

    Parameters
    ----------
    chances : array-like of shape (n_rows,)
        The predicted chance of yes, from 0 to 1.
    threshold : float, default=0.5
        At least this is called yes.
    reference : tuple of (chances, labels), optional
        Rows whose labels are known. The chances are calibrated with them first (isotonic
        regression, scikit-learn).

    Returns
    -------
    Estimate
        With the assumption in words.

    Raises
    ------
    DataError
        If there are no rows, or a chance isn't from 0 to 1.
    MissingToolError
        If scikit-learn is needed and isn't installed.

    Notes
    -----
    Taught in @sec-monitor.

    Examples
    --------
    >>> estimate_performance([0.9, 0.8, 0.1]).accuracy
    0.8666666666666667
    """
    given = _chances(chances)
    said = given >= threshold
    p = given if reference is None else _calibrated(given, *reference)
    true, false = float(p[said].sum()), float((1 - p[said]).sum())
    missed = float(p[~said].sum())
    right = np.where(said, p, 1 - p)
    accuracy = float(right.mean())
    margin = 1.96 * float(np.sqrt((right * (1 - right)).sum())) / p.size
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.where(p > 0, p * np.log(np.clip(given, 1e-15, 1)), 0)
        entropy -= np.where(p < 1, (1 - p) * np.log(np.clip(1 - given, 1e-15, 1)), 0)
    return Estimate(
        rows=p.size,
        accuracy=accuracy,
        precision=_ratio(true, true + false),
        recall=_ratio(true, true + missed),
        f1=_ratio(2 * true, 2 * true + false + missed),
        roc_auc=_auc(given, p),
        log_loss=float(entropy.mean()),
        brier=float((p * (1 - given) ** 2 + (1 - p) * given**2).mean()),
        rate=float(p.mean()),
        interval=(max(0.0, accuracy - margin), min(1.0, accuracy + margin)),
    )


def _chances(chances: ArrayLike) -> Floats:
    given = np.asarray(chances, dtype=float)
    if given.ndim != 1 or not given.size or not ((given >= 0) & (given <= 1)).all():
        raise DataError(
            "estimate_performance: chances must be of shape (n,), n >= 1, each from 0 to 1. Pass "
            "predict_proba(rows)[:, 1]."
        )
    return given


def _calibrated(given: Floats, chances: ArrayLike, labels: ArrayLike) -> Floats:
    known, truth = _chances(chances), np.asarray(labels, dtype=float)
    if truth.shape != known.shape or not np.isin(truth, (0, 1)).all():
        raise DataError(
            "estimate_performance: the reference's labels must be 0 or 1, one for each chance."
        )
    try:
        from sklearn.isotonic import IsotonicRegression
    except ImportError as error:
        raise MissingToolError(
            "calibrating needs scikit-learn, which isn't installed. Install mlops-kit[drift]."
        ) from error
    fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(known, truth)
    return np.asarray(fitted.predict(given), dtype=float)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")


def _auc(given: Floats, p: Floats) -> float:
    """Give the expected share of pairs, one yes and one no, that are in the right order."""
    values, place = np.unique(given, return_inverse=True)
    yes = np.bincount(place, weights=p, minlength=values.size)
    no = np.bincount(place, weights=1 - p, minlength=values.size)
    below = np.cumsum(no) - no
    return _ratio(float((yes * (below + no / 2)).sum()), float(yes.sum() * no.sum()))
