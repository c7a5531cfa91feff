"""Concept drift: the relation between inputs and outcome has changed, seen once labels arrive.

The inputs may look as ever; what changes is the error. The detectors are those of river.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mlops_kit.errors import DataError, MissingToolError

__all__ = ["CONCEPT_DETECTORS", "ConceptChange", "concept_drift"]

CONCEPT_DETECTORS = ("adwin", "page-hinkley", "ddm")
_NEWEST = 100


@dataclass(frozen=True, slots=True)
class ConceptChange:
    """A change of the error.

    Attributes
    ----------
    at : int
        After how many errors it was noticed, counted from 0.
    time : pandas.Timestamp or None
        When that error became known.
    before, after : float
        Mean error since the change before, and over the newest errors, at most 100.
    """

    at: int
    time: "pd.Timestamp | None"
    before: float
    after: float

    @property
    def worse(self) -> bool:
        """Whether the error rose."""
        return self.after > self.before


def concept_drift(
    errors: ArrayLike,
    *,
    times: ArrayLike | None = None,
    detector: str = "adwin",
    confidence: float = 0.998,
) -> tuple[ConceptChange, ...]:
    """Find where the error of a model changes, one error after another.

    Parameters
    ----------
    errors : array-like of shape (n_rows,)
        One error a row, in the order in which labels become known: 0 or 1 for a class (``ddm``
        takes no other), an absolute or squared error for a number, or a log loss.
    times : array-like of shape (n_rows,), optional
        When each label became known.
    detector : {"adwin", "page-hinkley", "ddm"}, default="adwin"
        ADWIN finds changes of the mean in both directions with a bound on false alarms for each
        cut that it tries; Page–Hinkley is quick at a lasting rise; DDM watches an error rate.
    confidence : float, default=0.998
        For ADWIN one minus its delta; the others ignore it.

    Returns
    -------
    tuple of ConceptChange
        In order; empty if there is none.

    Raises
    ------
    DataError
        If an error isn't finite, the shapes differ, or the detector isn't known.
    MissingToolError
        If river isn't installed.

    Notes
    -----
    Taught in @sec-monitor. Labels that come late make it late: the day on which it is noticed is
    the day on which labels show it.

    Examples
    --------
    >>> [change] = concept_drift([0.0, 0.2] * 200 + [0.8, 1.0] * 200)
    >>> 400 <= change.at < 450, change.worse
    (True, True)
    """
    values = np.asarray(errors, dtype=float)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise DataError(
            f"concept_drift: errors must be finite and of shape (n,), got {values.shape}. Leave "
            "out rows whose label isn't known yet."
        )
    if detector == "ddm" and not np.isin(values, (0, 1)).all():
        raise DataError("concept_drift: ddm takes errors that are 0 or 1. Use adwin.")
    stamps = None if times is None else pd.to_datetime(pd.Series(np.asarray(times)))
    if stamps is not None and len(stamps) != values.size:
        raise DataError(
            f"concept_drift: {values.size} errors but {len(stamps)} times. Give one for each."
        )
    watch = _detector(detector, confidence)()
    found, start = [], 0
    for at, value in enumerate(values.tolist()):
        watch.update(value)
        if watch.drift_detected:
            # ADWIN says how many errors it kept, among them some from before the change.
            kept = min(int(getattr(watch, "width", 0)) or _NEWEST, _NEWEST)
            cut = max(start + 1, at + 1 - kept) if at > start else at
            before = values[start:cut]
            found.append(
                ConceptChange(
                    at,
                    None if stamps is None else stamps.iloc[at],
                    float(before.mean()) if before.size else float(values[start]),
                    float(values[cut : at + 1].mean()),
                )
            )
            start = cut
            if detector == "ddm":
                watch = _detector(detector, confidence)()
    return tuple(found)


def _detector(name: str, confidence: float) -> Callable[[], Any]:
    if name not in CONCEPT_DETECTORS:
        raise DataError(
            f"concept_drift: there is no detector {name!r}; there are "
            f"{', '.join(CONCEPT_DETECTORS)}."
        )
    if not 0 < confidence < 1:
        raise DataError(f"concept_drift: confidence must be between 0 and 1, got {confidence}.")
    try:
        from river import drift
    except ImportError as error:
        raise MissingToolError(
            "finding concept drift needs river, which isn't installed. Install mlops-kit[drift]."
        ) from error
    makers: dict[str, Callable[[], Any]] = {
        "adwin": partial(drift.ADWIN, delta=1 - confidence),
        "page-hinkley": partial(drift.PageHinkley, mode="up"),
        "ddm": drift.binary.DDM,
    }
    return makers[name]
