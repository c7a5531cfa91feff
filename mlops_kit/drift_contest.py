"""Detectors beside each other on a year of the rides world, where it is known what happened.

The year before is the reference; in the year that is watched the world's events happen, and
winter, summer and rain do too.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from mlops_kit import drift_distances as distances
from mlops_kit.drift_layout import kind_of, lay
from mlops_kit.drift_profile import ALL
from mlops_kit.drift_reference import profile
from mlops_kit.drift_score import DetectorScore, score_alerts
from mlops_kit.drift_sketch import Groups, count_frame
from mlops_kit.drift_tests import chi_square, ks_p_value
from mlops_kit.drift_watch import Watch
from mlops_kit.errors import DataError
from mlops_kit.worlds import RIDES_EVENTS, Event, rides_trips

__all__ = ["DETECTORS", "Entry", "RidesYear", "contest", "episodes", "rides_year"]

_YEAR = 364  # 52 weeks, so that both years begin on a Monday
_TIME = "pickup_time"


@dataclass(frozen=True, slots=True, eq=False)
class RidesYear:
    """A year to be watched, and the one before it.

    Attributes
    ----------
    reference, watched : DataFrame
        Trips; day 0 of the watched year is the first day of its frame.
    events : dict of str to (first day, last day)
        What happened in the watched year.
    days : int
        How many days it has.
    """

    reference: pd.DataFrame
    watched: pd.DataFrame
    events: dict[str, tuple[int, int]]
    days: int

    def by_day(self) -> list[pd.DataFrame]:
        """Give the watched trips day by day."""
        time = self.watched[_TIME]
        number = (time - time.iloc[0].normalize()) // pd.Timedelta(days=1)
        none = self.watched.iloc[:0]
        found = {int(str(day)): part for day, part in self.watched.groupby(number)}
        return [found.get(day, none) for day in range(self.days)]


@dataclass(frozen=True, slots=True)
class Entry:
    """How one detector did.

    Attributes
    ----------
    detector : str
        Its name.
    alerts : tuple of int
        The days on which it raised one or several.
    score : DetectorScore
        Recall, delay, false alarms.
    """

    detector: str
    alerts: tuple[int, ...]
    score: DetectorScore


def rides_year(
    seed: int = 7, *, trips_per_day: int = 300, events: Iterable[Event] = RIDES_EVENTS
) -> RidesYear:
    """Simulate a year without events and the year after it, in which they happen.

    Parameters
    ----------
    seed : int, default=7
        Which world.
    trips_per_day : int, default=300
        On average.
    events : iterable of Event, default=RIDES_EVENTS
        What happens in the second year, with days counted from its beginning; ``()`` for a year
        in which every alert is false.

    Returns
    -------
    RidesYear

    Notes
    -----
    Taught in @sec-monitor. Outcomes (``cancelled``) are in it; a monitor of inputs leaves them
    out, since they come late.
    """
    known = tuple(event for event in events if event.first_day < _YEAR)
    shifted = tuple(
        replace(event, first_day=event.first_day + _YEAR, last_day=event.last_day + _YEAR)
        for event in known
    )
    before, after = (
        rides_trips(_YEAR, first_day=first, trips_per_day=trips_per_day, seed=seed, events=when)
        for first, when in ((0, ()), (_YEAR, shifted))
    )
    spans = {event.name: (event.first_day, min(event.last_day, _YEAR - 1)) for event in known}
    return RidesYear(
        before.drop(columns="label_time"), after.drop(columns="label_time"), spans, _YEAR
    )


def episodes(flags: Mapping[str, Sequence[bool]], *, calm: int = 3) -> tuple[int, ...]:
    """Turn daily flags into the days on which an alert is raised.

    Parameters
    ----------
    flags : mapping of str to sequence of bool
        For each column, on which days it was flagged.
    calm : int, default=3
        A flag begins an episode, and raises an alert, if the column wasn't flagged in so many
        days before.

    Returns
    -------
    tuple of int
        Each day once.

    Notes
    -----
    Taught in @sec-monitor.

    Examples
    --------
    >>> episodes({"x": [False, True, True, False, True, False, False, False, True]})
    (1, 8)
    """
    raised = set()
    for days in flags.values():
        last = -calm - 1
        for day, flagged in enumerate(days):
            if flagged:
                if day - last > calm:
                    raised.add(day)
                last = day
    return tuple(sorted(raised))


def contest(
    year: RidesYear, detectors: Mapping[str, Callable[[RidesYear], Iterable[int]]] | None = None
) -> tuple[Entry, ...]:
    """Let detectors watch the same year, and score them.

    Parameters
    ----------
    year : RidesYear
        From :func:`rides_year`.
    detectors : mapping of str to callable, optional
        Each takes the year and gives the days of its alerts; :data:`DETECTORS` by default. One of
        your own may look at ``reference`` and at the days up to the one that it judges.

    Returns
    -------
    tuple of Entry
        In the order of the detectors.

    Raises
    ------
    DataError
        If there are no detectors.

    Notes
    -----
    Taught in @sec-monitor.
    """
    chosen = DETECTORS if detectors is None else detectors
    if not chosen:
        raise DataError("contest: there are no detectors. Pass at least one.")
    found = []
    for name, detector in chosen.items():
        alerts = tuple(sorted({int(day) for day in detector(year)}))
        found.append(Entry(name, alerts, score_alerts(alerts, year.events, days=year.days)))
    return tuple(found)


def _rule(year: RidesYear, *, what: str, limit: float) -> tuple[int, ...]:
    """Flag a column on each day on which one number of it passes a fixed limit."""
    names = [name for name in year.reference.columns if name != _TIME]
    layouts = {name: lay(year.reference[name], kind_of(year.reference[name])) for name in names}
    whole = {ALL: Groups((ALL,), None)}
    kept = count_frame(year.reference, layouts, whole)
    flags: dict[str, list[bool]] = {name: [] for name in names}
    for day in year.by_day():
        here = count_frame(day, layouts, whole)
        for name in names:
            was, now = kept[name].cells[ALL][0], here[name].cells[ALL][0]
            flags[name].append(
                bool(now.sum()) and _passes(what, limit, layouts[name].kind, was, now)
            )
    return episodes(flags)


def _passes(
    what: str, limit: float, kind: str, was: "np.ndarray[tuple[int], np.dtype[np.int64]]",
    now: "np.ndarray[tuple[int], np.dtype[np.int64]]",
) -> bool:  # fmt: skip
    if what == "psi":
        if kind == "number" and was.size > 12:
            tenths = np.arange(0, was.size - 1, 10)
            was, now = np.add.reduceat(was, tenths), np.add.reduceat(now, tenths)
        return distances.psi(was, now) > limit
    if kind == "number":
        moved = distances.kolmogorov_smirnov(was, now)
        return ks_p_value(moved, float(was.sum()), float(now.sum())) < limit
    return chi_square(was, now)[2] < limit


def _kit(year: RidesYear, *, season: Sequence[str], time: str = _TIME) -> tuple[int, ...]:
    ignored = [] if time else [_TIME]
    reference = profile(year.reference, time=time, season=season, ignore=ignored)
    watch = Watch(reference)
    raised = []
    for number, day in enumerate(year.by_day()):
        if any(alert.serious for alert in watch.look(day).opened):
            raised.append(number)
    return tuple(raised)


DETECTORS: Mapping[str, Callable[[RidesYear], Iterable[int]]] = {
    "p < 0.05 in any column": partial(_rule, what="p", limit=0.05),
    "p < 0.05, corrected": partial(_rule, what="p", limit=0.05 / 11 / 30),
    "PSI > 0.2": partial(_rule, what="psi", limit=0.2),
    "kit, independent rows": partial(_kit, season=(), time=""),
    "kit, days, no season": partial(_kit, season=()),
    "kit, days and season": partial(_kit, season=("month", "weekend")),
}
"""Detectors by name, from the simplest to the kit's own; ``p`` is of Kolmogorov–Smirnov or
chi-square, and corrected means for 11 columns and 30 days."""
