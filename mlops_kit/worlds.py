"""Simulated worlds whose truth is known: what happened, on which day, and how large it was.

Only a simulated world tells the truth about its own drift. The one here, *rides*, is a
ride-hailing company: hourly demand in each zone (a count to forecast) and single trips that may be
cancelled (a rare yes or no, known late). A year runs from day 0 to day 364; season and weather are
always there, and :data:`RIDES_EVENTS` says what else happens when.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops_kit.errors import DataError

__all__ = ["Event", "RIDES_EVENTS", "RIDES_START", "rides_demand", "rides_trips"]

RIDES_START = pd.Timestamp("2025-01-06")
"""Day 0 of the rides world, a Monday."""

Floats = NDArray[np.float64]

KM_PER_MILE = 1.609344
MAX_ZONES = 12
_YEAR = 365.25
# Mean rides an hour, how much a zone lives from commuting (0 leisure, 1 offices), and what it adds
# to the log-odds of a cancellation. Zone 13 is the one that may open later.
_BASE = np.array([42.0, 35, 31, 27, 24, 21, 18, 15, 13, 11, 9, 7, 14])
_COMMUTE = np.array([0.9, 0.7, 0.2, 0.5, 0.8, 0.3, 0.6, 0.1, 0.5, 0.4, 0.7, 0.3, 0.2])
_RELUCTANCE = np.array([-0.3, -0.2, 0.1, 0.0, -0.1, 0.2, 0.0, 0.4, 0.1, 0.3, -0.2, 0.5, 0.6])
_NAMES = tuple(f"zone-{number:02d}" for number in range(1, MAX_ZONES + 2))
_NEW = MAX_ZONES
_DISPERSION = 12.0

_HOURS = np.arange(24)


def _bumps(*bumps: tuple[float, float, float]) -> Floats:
    """Add up bumps (hour, width in hours, height) on a low night level; mean 1 over the day."""
    level = np.full(24, 0.25)
    for centre, width, height in bumps:
        away = np.minimum(np.abs(_HOURS - centre), 24 - np.abs(_HOURS - centre))
        level += height * np.exp(-0.5 * (away / width) ** 2)
    return np.asarray(level / level.mean())


_OFFICE_DAY = _bumps((8, 1.3, 2.2), (17.5, 1.8, 2.4), (12.5, 2.5, 0.7))
_LEISURE_DAY = _bumps((13, 3.0, 0.9), (20, 2.5, 1.6), (23.5, 1.8, 0.9))
_WEEKDAY = np.array([0.98, 1.0, 1.02, 1.05, 1.18, 1.08, 0.82])


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens to a world, on known days and of a known size.

    Attributes
    ----------
    name : str
        What it is called.
    kind : str
        ``"population"`` (who rides changes), ``"covariate"`` (an input moves), ``"concept"`` (the
        relation itself changes), ``"quality"`` (the data are wrong, the world is as before) or
        ``"feedback"`` (our own decisions change the outcome).
    first_day, last_day : int
        Days on which it acts, both included; day 0 is :data:`RIDES_START`.
    size : float
        How large it is; ``note`` says in what.
    columns : tuple of str
        The columns in which it shows first.
    note : str
        What happens, in words.
    """

    name: str
    kind: str
    first_day: int
    last_day: int
    size: float
    columns: tuple[str, ...]
    note: str


RIDES_EVENTS: tuple[Event, ...] = (
    Event("fuel_price", "covariate", 60, 364, 1.15, ("fare",), "fares rise by 15 %"),
    Event("holiday", "population", 103, 106, 0.6, ("demand", "holiday"), "demand falls to 60 %"),
    Event("new_zone", "population", 120, 364, 0.06, ("zone",), "a 13th zone takes 6 % of trips"),
    Event(
        "shock", "concept", 160, 220, 0.45, ("demand", "cancelled"),
        "demand falls to 45 %, office hours lose their peaks, and waiting no longer makes people "
        "cancel: those who ride have no choice",
    ),
    Event(
        "stuck_sensor", "quality", 240, 249, 1.0, ("temperature_c",),
        "the thermometer repeats its last value",
    ),
    Event(
        "unit_change", "quality", 270, 283, 1 / KM_PER_MILE, ("distance_km",),
        "distances arrive in miles under the old name",
    ),
    Event(
        "missing_column", "quality", 300, 306, 1.0, ("wait_min",),
        "the waiting time is missing in every row",
    ),
    Event(
        "feedback_loop", "feedback", 325, 364, 0.25, ("surge", "cancelled"),
        "each cancellation raises the surge price, which causes more: surge rises by 0.25 and "
        "each unit of it weighs twice",
    ),
)  # fmt: skip
"""What happens in the rides world, in order of the first day."""


def rides_demand(
    days: int = 28,
    *,
    first_day: int = 0,
    zones: int = 12,
    seed: int = 7,
    events: Iterable[Event] = RIDES_EVENTS,
) -> pd.DataFrame:
    """Simulate how many rides are asked for in each zone and hour.

    Counts are overdispersed (a Poisson whose mean varies, shape 12) around a mean that depends on
    zone, hour, weekday, season (10 % up in winter, 10 % down in summer), rain (30 % more while it
    rains) and the events.

    Parameters
    ----------
    days : int, default=28
        How many days, at least 1.
    first_day : int, default=0
        The first of them; any window equals the same days of a longer simulation.
    zones : int, default=12
        How many zones there are, 1 to 12; the city's busiest come first.
    seed : int, default=7
        The same seed gives the same bytes.
    events : iterable of Event, default=RIDES_EVENTS
        What happens; ``()`` for a world where nothing does.

    Returns
    -------
    pandas.DataFrame of shape (days * 24 * zones, 8)
        One row an hour and zone, by time, then zone: ``time``, ``zone``, ``demand`` (rides per
        hour), ``hour`` (0–23), ``weekday`` (0 is Monday), ``temperature_c`` (°C, as measured),
        ``rain_mm`` (mm per hour) and ``holiday``. More rows where a new zone has opened.

    Raises
    ------
    DataError
        If ``days``, ``first_day``, ``zones`` or ``seed`` is out of range.

    Notes
    -----
    Taught in @sec-track.

    Examples
    --------
    >>> demand = rides_demand(days=7, zones=2, events=())
    >>> demand.shape
    (336, 8)
    >>> sorted(demand["zone"].unique())
    ['zone-01', 'zone-02']
    """
    calendar = _Calendar(days, first_day, zones, seed, tuple(events))
    weather = _weather(calendar)
    mean = _mean_demand(calendar, weather)
    chance = _per_day(calendar, "demand", lambda rng: rng.standard_gamma(_DISPERSION, (24, 13)))
    rate = mean * chance / _DISPERSION
    counts = np.stack(
        [
            calendar.rng("counts", day).poisson(rate[number])
            for number, day in enumerate(calendar.day_numbers)
        ]
    )
    codes = np.broadcast_to(calendar.zone_codes, counts.shape[:2] + calendar.zone_codes.shape)
    chosen = counts[:, :, calendar.zone_codes]
    opened = (codes != _NEW) | calendar.active("new_zone")[:, None, None]
    hours = np.broadcast_to(np.arange(days * 24).reshape(days, 24, 1), chosen.shape)[opened]
    start = RIDES_START + pd.Timedelta(days=first_day)
    return pd.DataFrame(
        {
            "time": start + pd.to_timedelta(hours, unit="h"),
            "zone": _zone_names(codes[opened]),
            "demand": chosen[opened].astype(np.int64),
            "hour": hours % 24,
            "weekday": (hours // 24 + first_day) % 7,
            "temperature_c": weather.measured.ravel()[hours],
            "rain_mm": weather.rain.ravel()[hours],
            "holiday": calendar.active("holiday")[hours // 24],
        }
    )


def rides_trips(
    days: int = 28,
    *,
    trips_per_day: int = 2000,
    first_day: int = 0,
    zones: int = 12,
    seed: int = 7,
    events: Iterable[Event] = RIDES_EVENTS,
) -> pd.DataFrame:
    """Simulate single trips and whether the rider cancelled.

    Without events 12 % of trips are cancelled (to within 1.5 points). The log-odds rise by 0.16
    for each minute of waiting and by 1.0 for each unit of surge, fall by 0.25 where it rains, and
    differ by up to 0.9 between zones. Riders' answers arrive late: half within about a day, 5 %
    after more than four.

    Parameters
    ----------
    days : int, default=28
        How many days, at least 1.
    trips_per_day : int, default=2000
        The mean number of trips a day, at least 1; weekdays, season and events change it.
    first_day : int, default=0
        The first of them; any window equals the same days of a longer simulation.
    zones : int, default=12
        How many zones there are, 1 to 12.
    seed : int, default=7
        The same seed gives the same bytes.
    events : iterable of Event, default=RIDES_EVENTS
        What happens; ``()`` for a world where nothing does.

    Returns
    -------
    pandas.DataFrame of shape (n_trips, 13)
        In order of ``pickup_time``: ``zone``, ``distance_km``, ``duration_min``, ``wait_min``
        (minutes until the driver arrives), ``hour``, ``weekday``, ``temperature_c``, ``raining``,
        ``surge`` (price factor, at least 1), ``fare`` (in the company's currency), ``cancelled``,
        and ``label_time``, when ``cancelled`` becomes known.

    Raises
    ------
    DataError
        If a parameter is out of range.

    Notes
    -----
    Taught in @sec-track.

    Examples
    --------
    >>> trips = rides_trips(days=2, trips_per_day=100, events=())
    >>> bool((trips["label_time"] > trips["pickup_time"]).all())
    True
    """
    if trips_per_day < 1:
        raise DataError(f"rides_trips: trips_per_day must be at least 1, got {trips_per_day}.")
    calendar = _Calendar(days, first_day, zones, seed, tuple(events))
    weather = _weather(calendar)
    hourly = _mean_demand(calendar, weather)[:, :, calendar.zone_codes]
    hourly = _open_new_zone(calendar, hourly)
    usual = _BASE[calendar.zone_codes[calendar.zone_codes != _NEW]].sum() * 24
    sizes = np.maximum(1, np.rint(trips_per_day * hourly.sum((1, 2)) / usual)).astype(np.int64)
    uniform, normal = _trip_chances(calendar, sizes)
    day = np.repeat(np.arange(days), sizes)
    cell = _draw_cells(hourly, sizes, uniform[0])
    hour, place = np.divmod(cell, calendar.zone_codes.size)
    zone = calendar.zone_codes[place]
    raining = weather.rain[day, hour] > 0
    load = (hourly.sum(2) * 24 / usual)[day, hour]
    feedback = calendar.active("feedback_loop")[day]
    distance = np.exp(1.35 + 0.55 * normal[0])
    duration = distance * 2.4 * np.exp(0.18 * normal[1]) * (1 + 0.15 * raining) + 3
    wait = np.exp(1.2 + 0.4 * normal[2] + 0.25 * np.log(load) + 0.2 * raining)
    surge = 1 + np.clip(0.22 * (load - 0.9) + 0.1 * raining, 0, 1.5)
    surge += calendar.size("feedback_loop") * feedback
    fare = (2.5 + 1.1 * distance + 0.25 * duration) * surge
    fare *= np.where(calendar.active("fuel_price"), calendar.size("fuel_price"), 1.0)[day]
    waiting = np.where(calendar.active("shock"), 0.0, 0.16)[day] * wait
    odds = -2.75 + waiting - 0.25 * raining + _RELUCTANCE[zone]
    odds += (1 + feedback) * (surge - 1)
    cancelled = uniform[1] < 1 / (1 + np.exp(-odds))
    seconds = (hour * 3600 + np.floor(uniform[2] * 3600)).astype(np.int64)
    order = np.argsort(day * 86_400 + seconds, kind="stable")
    pickup = (RIDES_START + pd.Timedelta(days=first_day)).to_datetime64().astype("datetime64[s]")
    pickup = pickup + (day * 86_400 + seconds)
    late = (np.exp(np.log(20) + 0.95 * normal[3]) * 3600).astype(np.int64) + 1
    return pd.DataFrame(
        {
            "pickup_time": pickup[order],
            "zone": _zone_names(zone[order]),
            "distance_km": _in_units(calendar, distance, day)[order],
            "duration_min": duration[order],
            "wait_min": np.where(calendar.active("missing_column")[day], np.nan, wait)[order],
            "hour": hour[order],
            "weekday": ((day + first_day) % 7)[order],
            "temperature_c": weather.measured[day, hour][order],
            "raining": raining[order],
            "surge": surge[order],
            "fare": fare[order],
            "cancelled": cancelled[order],
            "label_time": (pickup + late)[order],
        }
    )


def _words(number: int) -> list[int]:
    """Give a number's parts of 32 bits, the lowest first."""
    words = [int(number) & 0xFFFFFFFF]
    while number := int(number) >> 32:
        words.append(number & 0xFFFFFFFF)
    return words


class _Calendar:
    """The days that are simulated, who rides, what happens, and the chance of each day."""

    def __init__(
        self, days: int, first_day: int, zones: int, seed: int, events: tuple[Event, ...]
    ) -> None:
        for name, value, low, high in (
            ("days", days, 1, 36_500),
            ("first_day", first_day, 0, 36_500),
            ("zones", zones, 1, MAX_ZONES),
            ("seed", seed, 0, 2**63 - 1),
        ):
            if isinstance(value, bool) or not isinstance(value, int | np.integer):
                raise DataError(f"rides: {name} must be a whole number, got {value!r}.")
            if not low <= value <= high:
                raise DataError(f"rides: {name} must be from {low} to {high}, got {value}.")
        self.days, self.first_day, self.seed, self.events = days, first_day, seed, events
        self.day_numbers = range(first_day, first_day + days)
        codes = [*range(zones)] + ([_NEW] if self.active("new_zone").any() else [])
        self.zone_codes = np.array(codes)

    def rng(self, stream: str, day: int) -> np.random.Generator:
        """Give the chance of one day: the same whichever window it is simulated in."""
        # As default_rng would take [seed, *bytes, day], without an array for each of them.
        words = np.array([*_words(self.seed), *stream.encode(), *_words(day)], np.uint32)
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))

    def _named(self, name: str) -> list[Event]:
        return [event for event in self.events if event.name == name]

    def active(self, name: str) -> NDArray[np.bool_]:
        """Say for each day whether the event acts."""
        day = np.array(self.day_numbers)
        acts = np.zeros(self.days, dtype=bool)
        for event in self._named(name):
            acts |= (day >= event.first_day) & (day <= event.last_day)
        return acts

    def size(self, name: str) -> float:
        """Give the size of the event, 0 where there is none."""
        named = self._named(name)
        return named[0].size if named else 0.0

    def first_of(self, name: str) -> int | None:
        """Give the day on which the event begins."""
        named = self._named(name)
        return named[0].first_day if named else None


@dataclass(frozen=True, slots=True)
class _Weather:
    """Hourly weather, shape (days, 24): true and measured temperature in °C, rain in mm."""

    measured: Floats
    rain: Floats


def _season(day: Floats) -> Floats:
    """Give 1 in the middle of winter and -1 in the middle of summer."""
    return np.asarray(np.cos(2 * np.pi * (day - 9) / _YEAR))


def _weather(calendar: _Calendar) -> _Weather:
    day = np.array(calendar.day_numbers, dtype=float)
    true = _temperature(calendar, day)
    rain = _per_day(calendar, "rain", _rain_of_a_day)
    stuck = calendar.active("stuck_sensor")
    first = calendar.first_of("stuck_sensor")
    if first is not None and stuck.any():
        before = _temperature(calendar, np.array([float(max(first - 1, 0))]))[0, 23]
        true = np.where(stuck[:, None], before, true)
    return _Weather(np.round(true, 1), np.round(rain, 1))


def _temperature(calendar: _Calendar, day: Floats) -> Floats:
    """Season, time of day, and a daily anomaly that changes slowly from noon to noon."""
    wanted = sorted({int(d) + step for d in day for step in (-1, 0, 1)})
    noise = {d: calendar.rng("warmth", d + 1).normal(0, 3.0) for d in wanted}
    anomaly = np.array([[noise[int(d) + step] for step in (-1, 0, 1)] for d in day])
    hours = (_HOURS - 12) / 24
    early = anomaly[:, :1] * -hours + anomaly[:, 1:2] * (1 + hours)
    later = anomaly[:, 1:2] * (1 - hours) + anomaly[:, 2:] * hours
    drift = np.where(hours < 0, early, later)
    daily = 4 * np.sin(2 * np.pi * (_HOURS - 9) / 24)
    return np.asarray(11 - 9 * _season(day)[:, None] + daily + drift)


def _rain_of_a_day(rng: np.random.Generator) -> Floats:
    wet = rng.random() < 0.35
    start, length = rng.integers(0, 24), rng.integers(2, 12)
    falls = (start <= _HOURS) & (start + length > _HOURS)
    return np.asarray(rng.exponential(1.4, 24) * (falls & wet))


def _per_day(
    calendar: _Calendar, stream: str, draw: Callable[[np.random.Generator], Floats]
) -> Floats:
    return np.stack([draw(calendar.rng(stream, day)) for day in calendar.day_numbers])


def _mean_demand(calendar: _Calendar, weather: _Weather) -> Floats:
    """Give the mean demand of each day, hour and zone (13 of them), in rides per hour."""
    day = np.array(calendar.day_numbers)
    weekday = day % 7
    works = (weekday < 5) & ~calendar.active("holiday") & ~calendar.active("shock")
    commute = (_COMMUTE * np.where(works, 1.0, 0.15)[:, None])[:, None, :]
    profile = commute * _OFFICE_DAY[:, None] + (1 - commute) * _LEISURE_DAY[:, None]
    level = _WEEKDAY[weekday] * (1 + 0.1 * _season(day.astype(float)))
    for name in ("holiday", "shock"):
        level = np.where(calendar.active(name), level * calendar.size(name), level)
    wet = np.where(weather.rain > 0, 1.3, 1.0)
    return np.asarray(_BASE * profile * level[:, None, None] * wet[:, :, None])


def _open_new_zone(calendar: _Calendar, hourly: Floats) -> Floats:
    """Give the new zone its share of the trips, once it is open."""
    if calendar.zone_codes[-1] != _NEW:
        return hourly
    share = calendar.size("new_zone") * calendar.active("new_zone")
    old = hourly[:, :, :-1] * (1 - share)[:, None, None]
    new = hourly[:, :, :-1].sum(2, keepdims=True) * share[:, None, None]
    return np.concatenate([old, new], axis=2)


def _trip_chances(calendar: _Calendar, sizes: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Draw what decides each trip, day by day: three uniform and four normal numbers."""
    uniform, normal = [], []
    for day, size in zip(calendar.day_numbers, sizes, strict=True):
        rng = calendar.rng("trips", day)
        uniform.append(rng.random((3, size)))
        normal.append(rng.standard_normal((4, size)))
    return np.concatenate(uniform, axis=1), np.concatenate(normal, axis=1)


def _draw_cells(hourly: Floats, sizes: NDArray[np.int64], uniform: Floats) -> NDArray[np.int64]:
    """Choose each trip's hour and zone, as one number, in proportion to the demand."""
    days = len(sizes)
    share = hourly.reshape(days, -1).cumsum(1)
    # Day d's distribution lies between d and d + 1, so that one search serves all days.
    share = share / share[:, -1:] + np.arange(days)[:, None]
    wanted = uniform + np.repeat(np.arange(days), sizes)
    cells = hourly[0].size
    found = np.searchsorted(share.ravel(), wanted, side="right")
    return np.asarray(np.minimum(found, days * cells - 1) % cells)


def _in_units(calendar: _Calendar, distance: Floats, day: NDArray[np.int64]) -> Floats:
    factor = np.where(calendar.active("unit_change"), calendar.size("unit_change"), 1.0)
    return np.asarray(distance * factor[day])


def _zone_names(codes: NDArray[np.int64]) -> "pd.api.extensions.ExtensionArray":
    return pd.array(_NAMES, dtype="str").take(codes)
