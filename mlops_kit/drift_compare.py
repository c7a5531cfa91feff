"""A batch beside the reference: how far each column has moved, and whether that means anything.

A column has drifted where two things hold: its distribution is farther from the reference's than
chance and usual days explain, after correction for every test that was made; and at least a
stated share of rows has moved, since with enough rows any difference is more than chance.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops_kit import drift_distances as distances
from mlops_kit import drift_tests as tests
from mlops_kit.drift_alarms import Alarm, alarms_of
from mlops_kit.drift_profile import ALL, Profile, Summary
from mlops_kit.drift_slices import where_moved
from mlops_kit.drift_usual import expected
from mlops_kit.drift_words import sentence
from mlops_kit.errors import DataError

__all__ = ["ColumnDrift", "Comparison", "compare"]

Floats = NDArray[np.float64]

_ADVICE = {
    "input": "Look at the source of {name} first; if the change is real, check the model's error "
    "on labelled rows from then on, and train on them if it has risen.",
    "prediction": "Look which inputs moved with it; if none did, check the model's version and "
    "its preprocessing.",
    "label": "The outcome itself has changed: measure the model's error on these rows and train "
    "again if it has risen.",
}


_UNMOVED = {
    "p_value": 1.0,
    "distance": 0.0,
    "distance_error": 0.0,
    "psi": 0.0,
    "jensen_shannon": 0.0,
    "wasserstein": None,
    "wasserstein_error": None,
}


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """How far one column has moved.

    Attributes
    ----------
    column, role, kind : str
        ``role`` is ``"input"``, ``"prediction"`` or ``"label"``; ``kind`` ``"number"`` or
        ``"category"``.
    rows : int
        Values in the batch.
    distance, distance_error : float
        The Kolmogorov–Smirnov statistic of a number, from its cells, and how much larger that of
        the rows can be; the total variation of a category, exact. Shares of rows.
    psi, jensen_shannon : float
        In nats, and the square root of nats, over the same cells.
    wasserstein, wasserstein_error : float or None
        In the column's unit, for numbers.
    mean, reference_mean, deviation : float or None
        Of the batch and of the reference's rows of all seasons, and the reference's standard
        deviation, for numbers.
    missing, reference_missing : float
        Shares of missing values.
    p_value, corrected : float
        The chance of such a distance without drift, before and after correction.
    missing_p_value, missing_corrected : float
        The same for the share of missing values.
    drifted, missing_drifted : bool
        The verdicts.
    where : str
        In which slice.
    text, advice : str
        What moved, by how much and where; and what to do.
    """

    column: str
    role: str
    kind: str
    rows: int
    distance: float
    distance_error: float
    psi: float
    jensen_shannon: float
    wasserstein: float | None
    wasserstein_error: float | None
    mean: float | None
    reference_mean: float | None
    deviation: float | None
    missing: float
    reference_missing: float
    p_value: float
    corrected: float
    missing_p_value: float
    missing_corrected: float
    drifted: bool
    missing_drifted: bool
    where: str
    text: str
    advice: str

    @property
    def flagged(self) -> bool:
        """Whether its values or its share of missing ones moved."""
        return self.drifted or self.missing_drifted


@dataclass(frozen=True, slots=True)
class Comparison:
    """A batch beside the reference.

    Attributes
    ----------
    rows : int
        Rows of the batch.
    alpha, minimum : float
        What was asked for, and ``looks`` how often.
    looks : int
        By how many looks ``alpha`` was divided.
    columns : tuple of ColumnDrift
        Those that could be compared, in the profile's order.
    alarms : tuple of Alarm
        What is wrong with the data as such, the worst first.
    """

    rows: int
    alpha: float
    minimum: float
    looks: int
    columns: tuple[ColumnDrift, ...]
    alarms: tuple[Alarm, ...]

    @property
    def drifted(self) -> tuple[str, ...]:
        """Names of the columns that drifted."""
        return tuple(column.column for column in self.columns if column.flagged)

    @property
    def ok(self) -> bool:
        """Whether there is neither drift nor an alarm above a note."""
        return not self.drifted and not any(alarm.serious for alarm in self.alarms)

    def __getitem__(self, name: str) -> ColumnDrift:
        for column in self.columns:
            if column.column == name:
                return column
        raise DataError(
            f"{name!r} wasn't compared; these were: {', '.join(c.column for c in self.columns)}."
        )

    def to_frame(self) -> pd.DataFrame:
        """Give the columns as a table, one row each."""
        names = list(ColumnDrift.__dataclass_fields__)
        return pd.DataFrame([asdict(column) for column in self.columns], columns=names)

    def to_dict(self) -> dict[str, Any]:
        """Give what JSON can hold."""
        return {**asdict(self), "drifted": list(self.drifted), "ok": self.ok}


def compare(
    reference: Profile,
    current: Summary | pd.DataFrame,
    *,
    alpha: float = 0.01,
    looks: int = 1,
    minimum: float = 0.05,
    window: int = 1,
    now: pd.Timestamp | str | None = None,
) -> Comparison:
    """Compare a batch, or the sum of several, with the reference.

    Parameters
    ----------
    reference : Profile
        What it looked like when all was well.
    current : Summary or DataFrame
        The batch.
    alpha : float, default=0.01
        The chance of any false flag in ``looks`` such comparisons, over all columns (Holm's
        method within one, an equal share for each).
    looks : int, default=1
        How often is looked, for instance 30 if each day of a month is compared.
    minimum : float, default=0.05
        How many rows must have moved for a drift to matter, a share.
    window : int, default=1
        How many of the reference's blocks (days) the batch covers; 1 and 7 are known.
    now : timestamp, optional
        For the check of the clock: later rows come from the future. UTC.

    Returns
    -------
    Comparison
        With ``.ok``, ``.drifted``, ``.columns``, ``.alarms`` and ``.to_frame()``.

    Raises
    ------
    DataError
        If a parameter is out of range, or the summary was made with another profile.

    Notes
    -----
    Taught in @sec-monitor. Rows are taken as independent where the profile has no ``time``; where
    it has, a batch must also be farther away than the reference's own blocks are from each other.

    Examples
    --------
    >>> from mlops_kit.drift_reference import profile
    >>> reference = profile(pd.DataFrame({"x": range(1000)}))
    >>> compare(reference, pd.DataFrame({"x": range(300, 1300)})).drifted
    ('x',)
    """
    _check_choices(alpha, looks, minimum)
    batch = reference.summarise(current) if isinstance(current, pd.DataFrame) else current
    if not isinstance(batch, Summary) or batch.fingerprint != reference.fingerprint:
        raise DataError(
            "compare: the batch must be a DataFrame or a summary made with this profile. Use "
            "reference.summarise(frame)."
        )
    names = [name for name in reference.layouts if _comparable(reference, batch, name)]
    found = {name: _measure(reference, batch, name, window) for name in names}
    values = [found[name]["p_value"] for name in names]
    gaps = [found[name]["missing_p_value"] for name in names]
    # A share of missing values that hasn't risen past what matters is no test.
    asked = [found[name]["missing_gap"] >= minimum / 5 for name in names]
    tested = [gap for gap, counts in zip(gaps, asked, strict=True) if counts]
    corrected = tests.holm([*values, *tested]) if names else np.empty(0)
    rest = iter(corrected[len(names) :])
    columns = []
    for at, name in enumerate(names):
        value = min(1.0, float(corrected[at]) * looks)
        gap = min(1.0, float(next(rest)) * looks) if asked[at] else 1.0
        columns.append(
            _verdict(reference, batch, name, found[name], (value, gap), (alpha, minimum))
        )
    alarms = alarms_of(reference, batch, alpha=alpha / looks, minimum=minimum, now=now)
    return Comparison(batch.rows, alpha, minimum, looks, tuple(columns), alarms)


def _check_choices(alpha: float, looks: int, minimum: float) -> None:
    if not 0 < alpha < 1:
        raise DataError(f"compare: alpha must be between 0 and 1, got {alpha}.")
    if looks < 1:
        raise DataError(f"compare: looks must be at least 1, got {looks}.")
    if not 0 <= minimum < 1:
        raise DataError(f"compare: minimum must be a share from 0 to below 1, got {minimum}.")


def _comparable(reference: Profile, batch: Summary, name: str) -> bool:
    """Whether both have rows of the column, and the reference has values."""
    if reference.layouts[name].kind == "time" or batch.absent.get(name, 0) >= batch.rows:
        return False
    kept, here = reference.counts[name], batch.columns[name]
    return bool(kept.cells[ALL].sum() and here.cells[ALL].sum() + here.missing[ALL].sum())


def _measure(reference: Profile, batch: Summary, name: str, window: int) -> dict[str, Any]:
    layout, kept, here = reference.layouts[name], reference.counts[name], batch.columns[name]
    known = reference.usual.get(name, {})
    # A reference too short for such windows still has days, which differ more than windows do.
    usual = known.get(window, known.get(1, {}))
    found: dict[str, Any] = {"n": int(here.cells[ALL].sum())}
    found.update(_measure_missing(reference, batch, name, usual))
    if "value" in usual and 2 * found["n"] < usual["value"].rows:
        # Where most values are missing, the rest may come from a single block.
        usual = reference.usual[name].get(1, usual)
    if not found["n"]:
        return found | _UNMOVED
    shares, n = expected(kept.cells[ALL], here.cells[ALL])
    was, now = shares * n, here.cells[ALL].sum(axis=0).astype(float)
    found["psi"] = distances.psi(*_coarse(layout.kind, was, now))
    found["jensen_shannon"] = distances.jensen_shannon(was, now)
    found["wasserstein"] = found["wasserstein_error"] = None
    if layout.kind == "number":
        found["distance"] = distances.kolmogorov_smirnov(was, now)
        found["distance_error"] = distances.ks_error(was, now) + reference.rank_error.get(name, 0)
        chance = tests.ks_p_value(found["distance"], n, found["n"])
        low, high = np.fmin(kept.low, here.low), np.fmax(kept.high, here.high)
        borders = np.concatenate([[min(low, layout.edges[0])], layout.edges, [high]])
        borders[-1] = max(borders[-1], borders[-2])
        moved, error = distances.wasserstein(borders, was, now)
        found["wasserstein"], found["wasserstein_error"] = moved, error
    else:
        found["distance"] = distances.total_variation(was, now)
        found["distance_error"] = 0.0
        chance = tests.chi_square(was, now)[2]
    if "value" in usual:
        chance = max(chance, usual["value"].p_value(found["distance"], found["n"]))
    if "shift" in usual:
        # Where days differ so much that they hardly overlap, only the mean tells an odd one.
        step = abs(float((now / now.sum() - shares) @ layout.middles))
        unit = kept.deviation**2
        chance = min(1.0, 2 * min(chance, usual["shift"].p_value(step, found["n"], unit=unit)))
    found["p_value"] = chance
    return found


def _coarse(kind: str, was: Floats, now: Floats) -> tuple[Floats, Floats]:
    """Take tenths instead of hundredths for the PSI, whose customary limits are meant for them."""
    if kind == "category" or was.size <= 12:
        return was, now
    ends = np.searchsorted(np.cumsum(was[1:-1]) / was[1:-1].sum(), np.arange(1, 10) / 10 - 1e-9)
    starts = np.unique(np.concatenate([[0], ends + 2]))
    starts = starts[starts < was.size]
    return np.add.reduceat(was, starts), np.add.reduceat(now, starts)


def _measure_missing(
    reference: Profile, batch: Summary, name: str, usual: Mapping[str, Any]
) -> dict[str, Any]:
    kept, here = reference.counts[name], batch.columns[name]
    rows, was = batch.rows - batch.absent.get(name, 0), reference.rows
    gaps, before = int(here.missing[ALL].sum()), int(kept.missing[ALL].sum())
    share, share_before = gaps / max(1, rows), before / max(1, was)
    chance = tests.rate_p_value(gaps, rows, before, was) if share > share_before else 1.0
    if "missing" in usual:
        chance = max(chance, usual["missing"].p_value(abs(share - share_before), rows))
    return {
        "missing": share,
        "reference_missing": share_before,
        "missing_gap": share - share_before,
        "missing_p_value": chance,
    }


def _verdict(
    reference: Profile,
    batch: Summary,
    name: str,
    found: Mapping[str, Any],
    corrected: tuple[float, float],
    limits: tuple[float, float],
) -> ColumnDrift:
    alpha, minimum = limits
    kept, here, layout = reference.counts[name], batch.columns[name], reference.layouts[name]
    drifted = corrected[0] <= alpha and found["distance"] >= minimum
    gap = corrected[1] <= alpha and found["missing_gap"] >= minimum / 5
    where = (
        where_moved(reference, batch, name, missing=gap and not drifted) if drifted or gap else ""
    )
    is_number = layout.kind == "number"
    role = reference.roles.get(name, "input")
    return ColumnDrift(
        column=name,
        role=role,
        kind=layout.kind,
        rows=found["n"],
        distance=found["distance"],
        distance_error=found["distance_error"],
        psi=found["psi"],
        jensen_shannon=found["jensen_shannon"],
        wasserstein=found["wasserstein"],
        wasserstein_error=found["wasserstein_error"],
        mean=here.mean if is_number and here.n else None,
        reference_mean=kept.mean if is_number else None,
        deviation=kept.deviation if is_number else None,
        missing=found["missing"],
        reference_missing=found["reference_missing"],
        p_value=found["p_value"],
        corrected=corrected[0],
        missing_p_value=found["missing_p_value"],
        missing_corrected=corrected[1],
        drifted=drifted,
        missing_drifted=gap,
        where=where,
        text=sentence(reference, batch, name, found, (drifted, gap), where),
        advice=_ADVICE[role].format(name=name) if drifted or gap else "",
    )
