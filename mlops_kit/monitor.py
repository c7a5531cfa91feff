"""Monitoring a service from its request log: what moved, since when, where, and what to do.

The log is read once, period by period; each period is compared with the reference profile, alone
and together with those before it; requests that failed, were refused or took long are counted
beside it; labels that have arrived are compared with what was predicted.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mlops_kit.drift_compare import Comparison
from mlops_kit.drift_estimate import Estimate, estimate_performance
from mlops_kit.drift_profile import Profile, Summary, load
from mlops_kit.drift_watch import Alert, Watch
from mlops_kit.errors import DataError
from mlops_kit.monitor_gauges import write_gauges
from mlops_kit.monitor_labels import LabelledError, labelled_error, read_labels
from mlops_kit.monitor_log import Period, ReadLog, frame_of, read_entries, read_periods
from mlops_kit.monitor_page import write_page
from mlops_kit.monitor_report import Health, Limits, MonitorReport

__all__ = [
    "Health",
    "Limits",
    "MonitorReport",
    "monitor",
    "read_log",
    "write_gauges",
    "write_page",
]


def read_log(paths: str | Path | Iterable[str | Path]) -> pd.DataFrame:
    """Read the answered rows of a request log, for instance to make a reference of them.

    Parameters
    ----------
    paths : path or iterable of path
        The log, or its parts.

    Returns
    -------
    pandas.DataFrame
        ``time`` (UTC), ``prediction`` and the columns of the rows.

    Raises
    ------
    DataError
        If a file can't be read, or nothing was answered.

    Notes
    -----
    Taught in @sec-monitor.
    """
    files = [paths] if isinstance(paths, str | Path) else list(paths)
    entries = [entry for entry in read_entries(files) if entry is not None]
    frame = frame_of([entry for entry in entries if entry.get("row_number") is not None])
    if frame.empty:
        raise DataError(
            f"{files[0] if files else 'the request log'} holds no answered rows; the log of a "
            "service that has answered some was wanted."
        )
    return frame


def monitor(
    log: str | Path | Sequence[str | Path],
    reference: Profile | str | Path,
    *,
    limits: Limits | None = None,
    alpha: float = 0.05,
    looks: int = 30,
    minimum: float = 0.05,
    since: pd.Timestamp | str | None = None,
    now: pd.Timestamp | str | None = None,
    labels: pd.DataFrame | str | Path | None = None,
    chances: bool = False,
) -> MonitorReport:
    """Judge a service by its request log.

    Parameters
    ----------
    log : path or sequence of path
        JSON lines as ``mlops-kit serve --log`` writes them, ``.gz`` or not.
    reference : Profile or path
        From :func:`mlops_kit.drift.profile`. Its ``every`` says how long a period is. Where its
        time column isn't among the rows, the log's own time stands for it.
    limits : Limits, optional
        For failed and refused requests, latency and silence.
    alpha, looks, minimum : float, int, float
        As for :class:`mlops_kit.drift.Watch`: the chance of any false flag of drift in so many
        looks, and the share of rows that must have moved.
    since : timestamp, optional
        Leave out what is older, UTC.
    now : timestamp, optional
        What time it is, UTC, for the check of clocks and of silence; the log's end by default.
    labels : DataFrame or path, optional
        ``request_id``, ``label`` and, if wanted, ``row_number`` and ``time`` (when it became
        known): the error is measured and watched.
    chances : bool, default=False
        The predictions are chances of yes: estimate the accuracy of the last period before
        labels arrive.

    Returns
    -------
    MonitorReport
        ``.ok``, ``.alerts``, ``.to_dict()``; :func:`write_page` and :func:`write_gauges` show it.

    Raises
    ------
    DataError
        If the log or the reference can't be read, or nothing is in the log.

    Notes
    -----
    Taught in @sec-monitor.
    """
    made = reference if isinstance(reference, Profile) else load(reference)
    paths = [log] if isinstance(log, str | Path) else list(log)
    table = read_labels(labels) if isinstance(labels, str | Path) else labels
    wanted: frozenset[tuple[str, int]] = frozenset()
    if table is not None:
        ids = zip(table["request_id"].astype(str), table["row_number"].astype(int), strict=True)
        wanted = frozenset(ids)
    read = read_periods(paths, made, since=_utc(since, "since"), chances=chances, wanted=wanted)
    last = max(period.last for period in read.periods)
    moment = _utc(now, "now") or last
    watch = Watch(made, alpha=alpha, looks=looks, minimum=minimum)
    latest, summary, trail = _look_through(watch, made, read.periods, moment)
    bounds = limits or Limits()
    error = None if table is None else labelled_error(table, read.predictions)
    found = [
        *watch.alerts,
        *_health_alerts(read.periods, bounds),
        *_log_alerts(read, last, moment, bounds),
        *_error_alerts(error),
    ]
    return MonitorReport(
        log=tuple(str(path) for path in paths),
        reference_rows=made.rows,
        every=made.every,
        alpha=alpha,
        looks=looks,
        minimum=minimum,
        lines=read.lines,
        skipped=read.skipped,
        health=tuple(Health.of(period) for period in read.periods),
        alerts=tuple(sorted(found, key=lambda a: (bool(a.closed), not a.serious, a.opened))),
        latest=latest,
        error=error,
        estimate=_estimate(read.periods) if chances else None,
        trail=trail,
        profile=made,
        summary=summary,
    )


def _utc(moment: pd.Timestamp | str | None, name: str) -> pd.Timestamp | None:
    if moment is None:
        return None
    try:
        stamp = pd.Timestamp(moment)
    except (ValueError, TypeError) as error:
        raise DataError(
            f"{name} must be a time such as 2026-01-31T12:00, got {moment!r}."
        ) from error
    if pd.isna(stamp):
        raise DataError(f"{name} must be a time such as 2026-01-31T12:00, got {moment!r}.")
    return stamp.tz_convert("UTC").tz_localize(None) if stamp.tzinfo else stamp


def _look_through(
    watch: Watch, made: Profile, periods: Sequence[Period], now: pd.Timestamp
) -> tuple[Comparison, Summary, dict[str, list[float]]]:
    empty = made.summarise(pd.DataFrame(columns=list(made.layouts)))
    trail: dict[str, list[float]] = {
        name: [] for name, layout in made.layouts.items() if layout.kind != "time"
    }
    for number, period in enumerate(periods):
        summary = period.summary or empty
        # What is sent can't be later than its receipt; the log's own time not later than now.
        at = period.last if made.time not in ("", "time") and period.summary else now
        whole = 0 < number < len(periods) - 1
        latest = watch.look(summary, at=period.label, now=at, whole=whole).comparison
        here = {column.column: column.distance for column in latest.columns}
        for name, distances in trail.items():
            distances.append(here.get(name, float("nan")))
    return latest, summary, trail


def _health_alerts(periods: Sequence[Period], limits: Limits) -> list[Alert]:
    alerts = []
    for name, column, text, advice, over in limits.checks():
        watched: dict[str, Any] | None = None
        for period in periods:
            value = over(period) if period.requests >= limits.fewest else None
            if value is not None:
                if watched is None:
                    watched = {"since": period.label, "text": text.format(value)}
                watched["last"] = period.label
            elif watched is not None and period.requests >= limits.fewest:
                alerts.append(_service(name, column, advice, watched, period.label))
                watched = None
        if watched is not None:
            alerts.append(_service(name, column, advice, watched, ""))
    return alerts


def _service(name: str, column: str, advice: str, seen: dict[str, Any], closed: str) -> Alert:
    return Alert(
        name, column, "service", seen["since"], seen["since"], seen["last"], seen["text"], "",
        advice, True, closed,
    )  # fmt: skip


def _log_alerts(
    read: ReadLog, last: pd.Timestamp, now: pd.Timestamp, limits: Limits
) -> list[Alert]:
    alerts = []
    at = f"{last:%Y-%m-%d %H:%M}"
    silent = (now - last) / pd.Timedelta(hours=1)
    if limits.silence_hours and silent > limits.silence_hours:
        seen = {"since": at, "last": at, "text": f"no line for {silent:.0f} hours"}
        advice = "See whether the service runs, whether anybody calls it, and whether it can write."
        alerts.append(_service("silence", "", advice, seen, ""))
    if read.astray:
        text = f"{read.astray:,} of {read.lines:,} requests are dated years away from the others"
        seen = {"since": at, "last": at, "text": text}
        advice = "Set the clock of the machine that wrote them; they were left out."
        alerts.append(_service("clock", "", advice, seen, ""))
    if read.skipped > max(3, 0.01 * read.lines):
        text = f"{read.skipped:,} of {read.lines:,} lines can't be read"
        seen = {"since": at, "last": at, "text": text}
        advice = "Look who else writes to the file; a crash tears one line, not many."
        alerts.append(_service("unreadable log", "", advice, seen, ""))
    return alerts


def _error_alerts(error: LabelledError | None) -> list[Alert]:
    if error is None or not error.changes or not error.changes[-1].worse:
        return []
    change = error.changes[-1]
    at = "" if change.time is None or pd.isna(change.time) else f"{change.time:%Y-%m-%d}"
    text = f"the model's error rose from {change.before:.3g} to {change.after:.3g}"
    advice = (
        "The relation itself has changed: train on rows from after it, and compare with a model "
        "that doesn't know the old ones."
    )
    label = at or f"label {change.at}"
    return [Alert("concept drift", "", "label", label, label, label, text, "", advice)]


def _estimate(periods: Sequence[Period]) -> Estimate | None:
    known = [period.chances for period in periods if period.chances]
    return estimate_performance(known[-1]) if known else None
