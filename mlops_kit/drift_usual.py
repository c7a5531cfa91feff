"""What is usual: the distribution to expect of a batch, and how far usual days are from it.

Two things make a normal day look like drift. It may belong to another part of the season than
most of the reference: so a batch is compared with the reference's rows of the same hour, weekday
or month, in the batch's own proportions. And its rows aren't independent, since they share the
day's weather: so the distance of a batch is compared with the distances of the reference's own
days from the rest of it, not only with what independent rows would give.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mlops_kit.drift_sketch import Groups
from mlops_kit.drift_tests import f_tail
from mlops_kit.errors import DataError

__all__ = [
    "CHANCE",
    "ENOUGH",
    "SEASONS",
    "Usual",
    "apart",
    "expected",
    "season_groups",
    "usual_days",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SEASONS: Mapping[str, int] = {"hour": 24, "weekday": 7, "weekend": 2, "month": 12}
"""What a season can be made of, and how many parts each has."""

# The mean of the squared Kolmogorov–Smirnov statistic times n, where nothing but chance acts.
_CLOSEST = 0.95  # two days in a row; beyond that no reference is long enough
CHANCE = np.pi**2 / 12
ENOUGH = 8
"""So many windows without overlap must fit into a reference to say what is usual."""


def season_groups(times: "pd.Series[pd.Timestamp] | None", parts: Sequence[str]) -> Groups:
    """Say to which part of the season each row belongs; all to one if there is no season."""
    if not parts or times is None:
        return Groups(("all",), None)
    unknown = [part for part in parts if part not in SEASONS]
    if unknown:
        raise DataError(
            f"season: there is no part {unknown[0]!r}; there are {', '.join(SEASONS)}. Choose the "
            "ones by which normal rows differ."
        )
    known = times.notna().to_numpy()
    filled = times.where(times.notna(), pd.Timestamp(0)).dt
    each = {
        "hour": filled.hour,
        "weekday": filled.weekday,
        "weekend": (filled.weekday >= 5).astype(int),
        "month": filled.month - 1,
    }
    codes = np.zeros(len(times), dtype=np.int64)
    labels = [""]
    for part in parts:
        codes = codes * SEASONS[part] + each[part].to_numpy()
        first = 1 if part == "month" else 0
        labels = [
            f"{label}{', ' if label else ''}{part} {number + first}"
            for label in labels
            for number in range(SEASONS[part])
        ]
    return Groups(tuple(labels), np.where(known, codes, -1))


def expected(reference: ArrayLike, current: ArrayLike) -> tuple[Floats, float]:
    """Give the shares to expect of a batch from the reference, in the batch's mix of strata.

    Parameters
    ----------
    reference, current : array-like of shape (n_strata, n_cells)
        Counts of both by stratum.

    Returns
    -------
    shares : ndarray of shape (n_cells,)
        They add up to 1. Strata that the reference has never seen are taken from all of it.
    n : float
        To how many independent rows of reference that amounts.

    Raises
    ------
    DataError
        If either has no rows.

    Notes
    -----
    Taught in @sec-monitor.

    Examples
    --------
    >>> shares, n = expected([[8, 2], [1, 9]], [[0, 0], [5, 5]])
    >>> shares.tolist(), round(n, 6)
    ([0.1, 0.9], 10.0)
    """
    kept, here = np.asarray(reference, dtype=float), np.asarray(current, dtype=float)
    size, rows = kept.sum(axis=1), here.sum(axis=1)
    if not (size.sum() > 0 and rows.sum() > 0):
        raise DataError("expected: the reference and the batch must both have rows.")
    weight = rows / rows.sum()
    seen = size > 0
    shares = (weight[seen] / size[seen]) @ kept[seen]
    variance = (weight[seen] ** 2 / size[seen]).sum()
    lost = weight[~seen].sum()
    if lost > 0:
        shares = shares + lost * kept.sum(axis=0) / size.sum()
        variance += lost**2 / size.sum()
    return np.asarray(shares), float(1 / variance)


def apart(kind: str, reference: Floats, current: Floats) -> float:
    """Give the distance on which verdicts rest, a share of rows from 0 to 1.

    Kolmogorov–Smirnov for numbers, total variation for categories.
    """
    difference = current / current.sum() - reference / reference.sum()
    if kind == "number":
        return float(np.abs(np.cumsum(difference)).max())
    return float(np.abs(difference).sum() / 2)


@dataclass(frozen=True, slots=True)
class Usual:
    """How far windows of the reference are from the rest of it.

    Attributes
    ----------
    mean, variance : float
        Of the squared distance.
    top : float
        The largest distance.
    windows : int
        How many windows that don't depend on each other there were.
    rows : float
        Rows in a window, on average.
    """

    mean: float
    variance: float
    top: float
    windows: int
    rows: float

    def __add__(self, other: "Usual") -> "Usual":
        windows = self.windows + other.windows
        share = other.windows / windows
        mean = (1 - share) * self.mean + share * other.mean
        within = (1 - share) * self.variance + share * other.variance
        between = share * (1 - share) * (self.mean - other.mean) ** 2
        return Usual(
            mean,
            within + between,
            max(self.top, other.top),
            windows,
            (1 - share) * self.rows + share * other.rows,
        )

    def p_value(self, distance: float, rows: float, *, unit: float = CHANCE) -> float:
        """Give the chance that a usual window of so many rows is at least so far away.

        ``unit`` is the mean squared distance times the rows where nothing but chance acts.

        Squared distances are taken as gamma distributed, with the reference's mean and variance
        (Satterthwaite's method), themselves known only from so many windows. A window no farther
        away than one of the reference's own is never unusual.
        """
        if distance <= self.top:
            return 1.0
        # A smaller batch is farther away by chance alone.
        chance = max(0.0, unit / rows - unit / self.rows) if self.rows else 0.0
        mean, variance = self.mean + chance, self.variance + 2 * chance**2
        if mean <= 0:
            return 0.0
        # A variance from few windows may be too small; so is one that is exactly 0.
        variance = max(variance * (1 + 2 / self.windows), 1e-3 * mean**2)
        freedom = 2 * mean**2 / variance
        return f_tail(freedom, freedom * self.windows, distance**2 / mean)

    def to_dict(self) -> dict[str, Any]:
        """Give what JSON can hold."""
        return asdict(self)


def usual_days(
    kind: str, days: Ints, missing: Ints, window: int, *, middles: Floats | None = None
) -> dict[str, Usual]:
    """Measure how far each window of the reference is from the rest of it.

    Parameters
    ----------
    kind : str
        ``"number"`` or ``"category"``.
    days : ndarray of shape (n_days, n_strata, n_cells)
        Counts of each day.
    missing : ndarray of shape (n_days,)
        Missing values of each day.
    window : int
        How many days a window has.
    middles : ndarray of shape (n_cells,), optional
        The middle of each cell of a number.

    Returns
    -------
    dict of str to Usual
        ``"value"`` for the distribution of the values, ``"shift"`` for a number's mean,
        ``"missing"`` for the share of missing values; empty if the reference is too short for
        such windows.
    """
    count = len(days)
    if count // window < ENOUGH:
        return {}
    total, missed = days.sum(axis=0), missing.sum()
    filled = total.sum()
    alone = min(count / window, count / _memory(kind, days, total))
    # Windows that resemble their neighbours lie nearer to the rest, which holds these, than a
    # window of another time will.
    farther = (1 + 1 / alone) / (1 - 1 / alone) if alone < count / window else 1.0
    distances, shifts, gaps, rows = [], [], [], []
    for first in range(count - window + 1):
        inside = days[first : first + window].sum(axis=0)
        lost = missing[first : first + window].sum()
        size = inside.sum()
        if size + lost > 0 and filled + missed > size + lost:
            rest = (missed - lost) / (filled + missed - size - lost)
            gaps.append(abs(lost / (size + lost) - rest))
        if 0 < size < filled:
            rest_shares, _ = expected(total - inside, inside)
            here = inside.sum(axis=0)
            distances.append(apart(kind, rest_shares, here))
            if middles is not None:
                shifts.append(abs(float((here / size - rest_shares) @ middles)))
            rows.append(size)
    found = {}
    for name, values in (("value", distances), ("shift", shifts), ("missing", gaps)):
        if len(values) >= ENOUGH:
            squared = np.square(values) * farther
            found[name] = Usual(
                float(squared.mean()),
                float(squared.var()),
                float(max(values)),
                max(1, int(alone * len(values) / (count - window + 1))),
                float(np.mean(rows)) if rows else 0.0,
            )
    return found


def _memory(kind: str, days: Ints, total: Ints) -> float:
    """Say how many days in a row tell no more than one, since each resembles the one before.

    The sum of the autocorrelations of the days' deviations, from the reference itself, as long as
    they are clear; at least 1.
    """
    here = days.sum(axis=2).sum(axis=1)
    count = int((here > 0).sum())
    if count < ENOUGH:
        return 1.0
    weight = days.sum(axis=2)[here > 0] / here[here > 0, None]
    strata = total.sum(axis=1, keepdims=True)
    usual = weight @ np.divide(total, strata, out=np.zeros(total.shape), where=strata > 0)
    away = days.sum(axis=1)[here > 0] / here[here > 0, None] - usual
    if kind == "number":
        away = np.cumsum(away, axis=1)
    away -= away.mean(axis=0)
    scale = float((away**2).sum()) / count
    if scale <= 0:
        return 1.0
    closest, summed, clear = 1.0, 1.0, 2 / np.sqrt(count)
    for lag in range(1, count // 3):
        alike = float((away[lag:] * away[:-lag]).sum()) / (count - lag) / scale
        if alike < clear:
            break
        if lag == 1:
            # A short stretch looks less alike than it is (Kendall), and its mean hides the rest.
            first = min(_CLOSEST, alike + (1 + 3 * alike) / count)
            closest = (1 + first) / (1 - first)
        summed += 2 * alike
    return max(closest, summed)
