"""How good a detector is, where it is known what happened when."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mlops_kit.errors import DataError

__all__ = ["DetectorScore", "score_alerts"]

_MONTH = 365.25 / 12


@dataclass(frozen=True, slots=True)
class DetectorScore:
    """How good a detector was.

    Attributes
    ----------
    recall : float
        The share of events that were noticed while they lasted.
    delay : float
        From an event's first day to the first alert, in days, averaged over those noticed; nan if
        none was.
    false_alarms_a_month : float
        Alerts that belong to no event, in an average month.
    noticed : dict of str to int
        The delay by event.
    missed : tuple of str
        Events without an alert.
    false_alarms : tuple of int
        The days of the false ones.
    """

    recall: float
    delay: float
    false_alarms_a_month: float
    noticed: dict[str, int]
    missed: tuple[str, ...]
    false_alarms: tuple[int, ...]


def score_alerts(
    alerts: Iterable[int],
    events: Mapping[str, tuple[int, int]],
    *,
    days: int,
    echo: int = 7,
    settle: int = 28,
) -> DetectorScore:
    """Score the days on which a detector raised an alert against what really happened.

    Parameters
    ----------
    alerts : iterable of int
        The day of each alert, from 0; several on one day count as one, since a person is called
        once. Raise one where something begins, not on every day that it lasts.
    events : mapping of str to (first day, last day)
        What happened, both days included.
    days : int
        How many days were watched.
    echo : int, default=7
        An alert up to so many days after an event is its end being noticed, and not false.
    settle : int, default=28
        An event is noticed by an alert of its first so many days, or not at all. Where it lasts
        until the last day watched it is the new normal, and excuses only alerts of these days.

    Returns
    -------
    DetectorScore

    Raises
    ------
    DataError
        If an alert or an event lies outside of the days watched.

    Notes
    -----
    Taught in @sec-monitor. An alert is credited to the event that began last before it and hasn't
    been noticed yet. While an event lasts, further alerts belong to it.

    Examples
    --------
    >>> score = score_alerts([3, 12, 40], {"outage": (10, 14), "strike": (60, 61)}, days=90)
    >>> score.recall, score.delay, score.false_alarms
    (0.5, 2.0, (3, 40))
    """
    if days < 1:
        raise DataError(f"score_alerts: days must be at least 1, got {days}.")
    raised = sorted(set(alerts))
    if raised and not 0 <= raised[0] <= raised[-1] < days:
        raise DataError(f"score_alerts: alerts must be days from 0 to {days - 1}, got {raised}.")
    for name, (first, last) in events.items():
        if not 0 <= first <= last < days:
            raise DataError(f"score_alerts: event {name!r} isn't within {days} days.")
    order = sorted(events, key=lambda name: events[name])
    noticed: dict[str, int] = {}
    false = []
    for day in raised:
        begun = [
            name
            for name in order
            if events[name][0] <= day <= min(events[name][1], events[name][0] + settle - 1)
        ]
        fresh = [name for name in reversed(begun) if name not in noticed]
        if fresh:
            noticed[fresh[0]] = day - events[fresh[0]][0]
        elif not any(
            first <= day <= (first + settle - 1 if last == days - 1 else last + echo)
            for first, last in events.values()
        ):
            false.append(day)
    delays = list(noticed.values())
    return DetectorScore(
        recall=len(noticed) / len(events) if events else float("nan"),
        delay=sum(delays) / len(delays) if delays else float("nan"),
        false_alarms_a_month=len(false) / days * _MONTH,
        noticed=noticed,
        missed=tuple(name for name in order if name not in noticed),
        false_alarms=tuple(false),
    )
