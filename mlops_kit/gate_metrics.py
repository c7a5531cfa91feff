"""Metrics that take weights, so that a thousand resamples are a few array operations.

A bootstrap resample is a weight for each row: how often it was drawn. Each metric here takes an
array of weights with one resample in each row and gives one value a resample; all weights 1 give
the metric itself. Both models get the same weights, which is what makes a comparison paired.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlops_kit.errors import GateError

__all__ = ["METRICS", "Metric", "Sample", "resamples"]

Floats = NDArray[np.float64]
_CELLS = 2_000_000  # of one block of weights: 16 MB


@dataclass(frozen=True, slots=True)
class Sample:
    """Labels and predictions of the rows that are judged.

    Attributes
    ----------
    label, prediction : numpy.ndarray of shape (n_rows,)
        For classification the label is 0 or 1 and the prediction a score, higher for 1; for
        multiclass both are numbers of classes.
    threshold : float or None
        From which score on the prediction counts as 1; None where it is a class itself.
    costs : mapping
        ``false_positive`` and ``false_negative``: what one of each costs, and ``true_positive``,
        what a rightly flagged row still costs.
    """

    label: Floats
    prediction: Floats
    threshold: float | None
    costs: Mapping[str, float]

    @property
    def flagged(self) -> NDArray[np.bool_]:
        """Where the score reaches the threshold."""
        return np.asarray(self.prediction >= (0.5 if self.threshold is None else self.threshold))

    @property
    def decided(self) -> Floats:
        """The class that each row is taken for."""
        return self.prediction if self.threshold is None else self.flagged.astype(np.float64)

    def take(self, rows: NDArray[np.bool_]) -> "Sample":
        """Keep some rows."""
        return Sample(self.label[rows], self.prediction[rows], self.threshold, self.costs)


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: for which tasks, which direction is better, in which range, how to work it out.

    ``values(sample, weights)`` takes weights of shape (n_resamples, n_rows) and gives an array of
    shape (n_resamples,); NaN where it isn't defined.
    """

    tasks: tuple[str, ...]
    higher_is_better: bool
    values: Callable[[Sample, Floats], Floats]
    needs_probability: bool = False


def _mean(losses: Floats, weights: Floats) -> Floats:
    return _ratio(weights @ losses, weights.sum(axis=1))


def _ratio(above: Floats, below: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below > 0, above / np.where(below > 0, below, 1.0), np.nan)


def _mae(s: Sample, w: Floats) -> Floats:
    return _mean(np.abs(s.label - s.prediction), w)


def _rmse(s: Sample, w: Floats) -> Floats:
    return np.sqrt(_mean((s.label - s.prediction) ** 2, w))


def _bias(s: Sample, w: Floats) -> Floats:
    return np.abs(_mean(s.prediction - s.label, w))


def _r2(s: Sample, w: Floats) -> Floats:
    # Around the mean of all rows first: sums of squares of large numbers would cancel.
    label = s.label - s.label.mean()
    left = w @ (s.label - s.prediction) ** 2
    mean = _mean(label, w)
    total = w @ label**2 - w.sum(axis=1) * mean**2
    return 1.0 - _ratio(left, np.where(total > 1e-12 * (1.0 + w @ label**2), total, 0.0))


def _brier(s: Sample, w: Floats) -> Floats:
    return _mean((s.label - s.prediction) ** 2, w)


def _log_loss(s: Sample, w: Floats) -> Floats:
    tiny = np.finfo(np.float64).eps
    p = np.clip(s.prediction, tiny, 1.0 - tiny)
    return _mean(-np.where(s.label == 1, np.log(p), np.log1p(-p)), w)


def _accuracy(s: Sample, w: Floats) -> Floats:
    return _mean((s.decided == s.label).astype(float), w)


def _by_class(s: Sample, w: Floats) -> tuple[Floats, Floats, Floats]:
    """Add weights up for each class: of rows that have it and get it, that have it, that get it."""
    classes = np.union1d(s.label, s.decided)
    has, gets = s.label[:, None] == classes, s.decided[:, None] == classes
    hits, there, said = (w @ mask.astype(float) for mask in (has & gets, has, gets))
    return hits, there, said


def _mean_over_classes(above: Floats, below: Floats) -> Floats:
    """Average over the classes that a resample has."""
    each = _ratio(above, below)
    known = np.isfinite(each)
    return _ratio(np.where(known, each, 0.0).sum(axis=1), known.sum(axis=1).astype(float))


def _balanced_accuracy(s: Sample, w: Floats) -> Floats:
    hits, there, _ = _by_class(s, w)
    return _mean_over_classes(hits, there)


def _macro_f1(s: Sample, w: Floats) -> Floats:
    hits, there, said = _by_class(s, w)
    return _mean_over_classes(2 * hits, there + said)


def _cells(s: Sample, w: Floats) -> tuple[Floats, Floats, Floats]:
    """Count true positives, false positives and false negatives of each resample."""
    flagged, positive = s.flagged, s.label == 1
    pairs = (flagged & positive, flagged & ~positive, ~flagged & positive)
    hits, alarms, misses = (w @ mask.astype(float) for mask in pairs)
    return hits, alarms, misses


def _precision(s: Sample, w: Floats) -> Floats:
    hits, alarms, _ = _cells(s, w)
    return _ratio(hits, hits + alarms)


def _recall(s: Sample, w: Floats) -> Floats:
    hits, _, misses = _cells(s, w)
    return _ratio(hits, hits + misses)


def _f1(s: Sample, w: Floats) -> Floats:
    hits, alarms, misses = _cells(s, w)
    return _ratio(2 * hits, 2 * hits + alarms + misses)


def _flag_rate(s: Sample, w: Floats) -> Floats:
    return _mean(s.flagged.astype(float), w)


def _cost(s: Sample, w: Floats) -> Floats:
    flagged, positive = s.flagged, s.label == 1
    cost = np.zeros(len(s.label))
    cost[flagged & ~positive] = s.costs.get("false_positive", 0.0)
    cost[~flagged & positive] = s.costs.get("false_negative", 0.0)
    cost[flagged & positive] = s.costs.get("true_positive", 0.0)
    return _mean(cost, w)


def _by_score(s: Sample, w: Floats) -> tuple[Floats, Floats]:
    """Add the weights of positives and of negatives up for each distinct score, highest first."""
    order = np.argsort(-s.prediction, kind="stable")
    score = s.prediction[order]
    first = np.flatnonzero(np.r_[True, score[1:] != score[:-1]])
    positive = s.label[order] == 1
    ordered = w[:, order]
    return (
        np.add.reduceat(ordered * positive, first, axis=1),
        np.add.reduceat(ordered * ~positive, first, axis=1),
    )


def _roc_auc(s: Sample, w: Floats) -> Floats:
    positives, negatives = _by_score(s, w)
    below = negatives.sum(axis=1, keepdims=True) - np.cumsum(negatives, axis=1)
    won = (positives * (below + negatives / 2)).sum(axis=1)
    return _ratio(won, positives.sum(axis=1) * negatives.sum(axis=1))


def _average_precision(s: Sample, w: Floats) -> Floats:
    positives, negatives = _by_score(s, w)
    hits = np.cumsum(positives, axis=1)
    flagged = hits + np.cumsum(negatives, axis=1)
    precision = np.divide(hits, flagged, out=np.zeros_like(hits), where=flagged > 0)
    return _ratio((positives * precision).sum(axis=1), positives.sum(axis=1))


_YES_NO = ("classification",)
_CLASSES = ("classification", "multiclass")
_VALUES = ("regression",)

METRICS: Mapping[str, Metric] = {
    "accuracy": Metric(_CLASSES, True, _accuracy),
    "average_precision": Metric(_YES_NO, True, _average_precision),
    "balanced_accuracy": Metric(_CLASSES, True, _balanced_accuracy),
    "bias": Metric(_VALUES, False, _bias),
    "brier": Metric(_YES_NO, False, _brier, needs_probability=True),
    "cost": Metric(_YES_NO, False, _cost),
    "f1": Metric(_YES_NO, True, _f1),
    "flag_rate": Metric(_YES_NO, False, _flag_rate),
    "log_loss": Metric(_YES_NO, False, _log_loss, needs_probability=True),
    "macro_f1": Metric(_CLASSES, True, _macro_f1),
    "mae": Metric(_VALUES, False, _mae),
    "precision": Metric(_YES_NO, True, _precision),
    "r2": Metric(_VALUES, True, _r2),
    "recall": Metric(_YES_NO, True, _recall),
    "rmse": Metric(_VALUES, False, _rmse),
    "roc_auc": Metric(_YES_NO, True, _roc_auc),
}
"""Every metric that a rule may name. ``bias`` is the size of the mean error; ``cost`` is money a
row; ``flag_rate`` is the share of rows whose score reaches the threshold. ``balanced_accuracy`` and
``macro_f1`` count every class alike, however rare."""


def resamples(groups: NDArray[np.intp], *, count: int, seed: int) -> Iterator[Floats]:
    """Draw bootstrap weights, block by block.

    Parameters
    ----------
    groups : numpy.ndarray of shape (n_rows,)
        Which unit each row belongs to, from 0; units are drawn whole. One unit a row is the
        ordinary bootstrap.
    count : int
        How many resamples.
    seed : int
        The seed of the draws.

    Yields
    ------
    numpy.ndarray of shape (n_block, n_rows)
        How often each row was drawn.

    Examples
    --------
    >>> blocks = list(resamples(np.array([0, 0, 1]), count=4, seed=1))
    >>> blocks[0].shape, bool((blocks[0][:, 0] == blocks[0][:, 1]).all())
    ((4, 3), True)
    """
    units = int(groups.max()) + 1 if len(groups) else 0
    if units < 2:
        raise GateError(
            f"an interval needs at least 2 units to draw from, there are {units}. Judge more rows, "
            "or rows from more groups."
        )
    chance = np.random.default_rng(seed)
    plain = units == len(groups)
    block = max(1, _CELLS // len(groups))
    for begin in range(0, count, block):
        size = min(block, count - begin)
        drawn = chance.integers(0, units, (size, units))
        drawn += units * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * units).reshape(size, units)
        yield (counts if plain else counts[:, groups]).astype(np.float64)
