"""A service's request log, read once, line by line, into what monitoring needs of each period."""

import datetime as dt
import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlops_kit.drift_profile import Profile, Summary
from mlops_kit.errors import DataError

__all__ = ["Period", "ReadLog", "frame_of", "read_entries", "read_periods"]

_AT_ONCE = 20_000
_YEARS = 2  # without a line: no pause of a service, but a wrong clock
_OWN = ("time", "request_id", "model", "version", "status", "latency_ms")
_HOURS = {"hour": 1, "day": 24, "week": 168}


@dataclass
class Period:
    """What is kept of one hour, day or week of a log.

    Attributes
    ----------
    start : pandas.Timestamp
        When it began, UTC.
    summary : Summary or None
        Of the answered rows; None if there were none.
    answered, refused, failed : int
        Requests with an answer, refused as invalid (4xx), and failed (5xx).
    latencies : list of float
        Of each request, in milliseconds.
    versions : set of str
        Which models answered, ``name version``.
    chances : list of float
        The predictions, where they were asked for and are chances.
    last : pandas.Timestamp
        The latest line.
    """

    start: pd.Timestamp
    summary: Summary | None = None
    answered: int = 0
    refused: int = 0
    failed: int = 0
    latencies: list[float] = field(default_factory=list)
    versions: set[str] = field(default_factory=set)
    chances: list[float] = field(default_factory=list)
    last: pd.Timestamp = field(default_factory=lambda: pd.Timestamp(0))

    @property
    def requests(self) -> int:
        """All requests."""
        return self.answered + self.refused + self.failed

    @property
    def label(self) -> str:
        """Its beginning as text, a date where it begins at midnight."""
        return f"{self.start:%Y-%m-%d}" if self.start.hour == 0 else f"{self.start:%Y-%m-%d %H:%M}"

    def latency_ms(self, share: float) -> float:
        """Give the latency that so many requests stay below; nan without requests."""
        return float(np.quantile(self.latencies, share)) if self.latencies else float("nan")


@dataclass
class ReadLog:
    """A log by period.

    Attributes
    ----------
    periods : list of Period
        Without gaps, from the first to the last.
    lines, skipped : int
        Lines read, and those that weren't a log's.
    astray : int
        Requests left out because their time is years away from the others'.
    predictions : dict of (request, row) to prediction
        Of the rows that were asked for.
    """

    periods: list[Period]
    lines: int
    skipped: int
    predictions: dict[tuple[str, int], Any]
    astray: int = 0


def read_entries(paths: Iterable[str | Path]) -> Iterator[dict[str, Any] | None]:
    """Give each line of the logs, with ``time`` as a datetime in UTC; None for one that is none.

    Files that end in ``.gz`` are unpacked.

    Raises
    ------
    DataError
        If a file can't be read.
    """
    for path in map(Path, paths):
        try:
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
                for line in lines:
                    if line.strip():
                        yield _entry(line)
        except (OSError, EOFError) as error:
            raise DataError(
                f"the request log {path} can't be read: {getattr(error, 'strerror', '') or error}. "
                "A service writes one where `mlops-kit serve --log FILE` says."
            ) from error


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
        moment = dt.datetime.fromisoformat(entry["time"])
        known = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
        entry["time"] = known.astimezone(dt.UTC).replace(tzinfo=None)
        if not isinstance(entry.get("row") or {}, dict):
            return None
        int(entry.get("row_number") or 0)
        float(entry.get("latency_ms") or 0)
        int(entry.get("status") or 0)
    except (ValueError, KeyError, TypeError, OverflowError, AttributeError, RecursionError):
        return None
    return dict(entry)


def frame_of(entries: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Make a table of answered rows: the columns of the rows, ``time`` and ``prediction``."""
    rows = [
        {**(entry.get("row") or {}), "time": entry["time"], "prediction": entry.get("prediction")}
        for entry in entries
    ]
    frame = pd.DataFrame(rows)
    for name in frame.columns:
        if frame[name].map(lambda value: isinstance(value, list | dict)).any():
            frame[name] = frame[name].map(lambda value: json.dumps(value, sort_keys=True))
    return frame


def read_periods(
    paths: Iterable[str | Path],
    reference: Profile,
    *,
    since: pd.Timestamp | None = None,
    chances: bool = False,
    wanted: frozenset[tuple[str, int]] = frozenset(),
) -> ReadLog:
    """Read logs into periods, in bounded memory.

    Parameters
    ----------
    paths : iterable of path
        Files of one service, in any order.
    reference : Profile
        Its ``every`` says how long a period is.
    since : timestamp, optional
        Leave out what is older, UTC.
    chances : bool, default=False
        Keep the predictions of each period.
    wanted : frozenset of (request id, row number)
        Whose predictions to keep.

    Returns
    -------
    ReadLog

    Raises
    ------
    DataError
        If a file can't be read, or there is no line at all.
    """
    hours = _HOURS[reference.every]
    periods: dict[pd.Timestamp, Period] = {}
    waiting: dict[pd.Timestamp, list[dict[str, Any]]] = {}
    predictions: dict[tuple[str, int], Any] = {}
    lines = skipped = 0
    for entry in read_entries(paths):
        lines += 1
        if entry is None:
            skipped += 1
            continue
        if since is not None and entry["time"] < since:
            continue
        start = _start(entry["time"], hours)
        period = periods.setdefault(start, Period(start))
        _count(period, entry)
        if entry.get("row_number") is None:
            continue
        key = (str(entry.get("request_id")), int(entry["row_number"]))
        if key in wanted:
            predictions[key] = entry.get("prediction")
        if chances:
            _keep_chance(period, entry.get("prediction"))
        waiting.setdefault(start, []).append(entry)
        if len(waiting[start]) >= _AT_ONCE:
            _summarise(period, waiting.pop(start), reference)
    every_request = sum(period.requests for period in periods.values())
    periods = _together(periods)
    astray = every_request - sum(period.requests for period in periods.values())
    for start, entries in waiting.items():
        if start in periods:
            _summarise(periods[start], entries, reference)
    if not periods:
        found = f"{skipped:,} lines that are no log entries" if skipped else "no lines"
        raise DataError(
            f"the request log holds {found}. Wait until the service has answered requests, or "
            "give the file that it writes."
        )
    every = pd.date_range(min(periods), max(periods), freq=pd.Timedelta(hours=hours))
    known = [periods.get(at, Period(at)) for at in every]
    return ReadLog(known, lines, skipped, predictions, astray)


def _together(periods: dict[pd.Timestamp, Period]) -> dict[pd.Timestamp, Period]:
    """Keep the stretch of time with most requests; a clock that jumps leaves years between."""
    stretches: list[list[pd.Timestamp]] = []
    for start in sorted(periods):
        if not stretches or start.year - stretches[-1][-1].year > _YEARS:
            stretches.append([])
        stretches[-1].append(start)
    if len(stretches) < 2:
        return periods
    most = max(stretches, key=lambda starts: sum(periods[start].requests for start in starts))
    return {start: periods[start] for start in most}


def _start(time: dt.datetime, hours: int) -> pd.Timestamp:
    whole = (pd.Timestamp(time) - pd.Timestamp("1970-01-05")) // pd.Timedelta(hours=hours)
    return pd.Timestamp("1970-01-05") + whole * pd.Timedelta(hours=hours)


def _count(period: Period, entry: Mapping[str, Any]) -> None:
    """Count a request once, by its first row."""
    period.last = max(period.last, pd.Timestamp(entry["time"]))
    if entry.get("row_number") not in (None, 0):
        return
    status = int(entry.get("status") or 0)
    if entry.get("row_number") is not None:
        period.answered += 1
        period.versions.add(f"{entry.get('model', '')} {entry.get('version', '')}".strip())
    elif status >= 500:
        period.failed += 1
    else:
        period.refused += 1
    if entry.get("latency_ms") is not None:
        period.latencies.append(float(entry["latency_ms"]))


def _keep_chance(period: Period, prediction: object) -> None:
    if isinstance(prediction, int | float) and 0 <= prediction <= 1:
        period.chances.append(float(prediction))


def _summarise(period: Period, entries: list[dict[str, Any]], reference: Profile) -> None:
    frame = frame_of(entries)
    if reference.time and reference.time not in frame.columns:
        # The reference's own time column isn't sent to the service: the log's stands for it.
        frame = frame.rename(columns={"time": reference.time})
    unknown = [n for n in ("time", "prediction") if n not in reference.layouts and n in frame]
    part = reference.summarise(frame.drop(columns=unknown))
    period.summary = part if period.summary is None else period.summary + part
