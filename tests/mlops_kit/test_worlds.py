"""The rides world: reproducible, and as its documentation says."""

import math

import numpy as np
import pandas as pd
import pytest

from mlops_kit import worlds
from mlops_kit.errors import DataError


def event(name: str) -> worlds.Event:
    return next(entry for entry in worlds.RIDES_EVENTS if entry.name == name)


def during(frame: pd.DataFrame, name: str, *, column: str) -> pd.Series:
    day = (frame[column] - worlds.RIDES_START).dt.days
    return (day >= event(name).first_day) & (day <= event(name).last_day)


@pytest.fixture(scope="module")
def year() -> pd.DataFrame:
    return worlds.rides_trips(days=365, trips_per_day=600)


@pytest.fixture(scope="module")
def quiet_year() -> pd.DataFrame:
    return worlds.rides_trips(days=365, trips_per_day=600, events=())


@pytest.mark.parametrize("make", [worlds.rides_trips, worlds.rides_demand])
def test_the_same_seed_gives_the_same_bytes(make) -> None:
    """And another seed gives others."""
    first, again, other = make(days=3, seed=1), make(days=3, seed=1), make(days=3, seed=2)
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    assert not first.equals(other)


@pytest.mark.parametrize(
    ("make", "time"), [(worlds.rides_trips, "pickup_time"), (worlds.rides_demand, "time")]
)
@pytest.mark.parametrize("first_day", [1, 118, 158, 244, 330])
def test_a_window_is_a_slice_of_the_whole(make, time: str, first_day: int) -> None:
    """Any days can be simulated alone, whatever happens on them."""
    window = make(days=4, first_day=first_day, seed=3)
    whole = make(days=first_day + 6, seed=3)
    inside = whole[time].between(window[time].min(), window[time].max())
    pd.testing.assert_frame_equal(window, whole[inside].reset_index(drop=True), check_exact=True)


def test_demand_has_a_row_for_each_hour_and_zone() -> None:
    """No gaps, no doubles, in order."""
    demand = worlds.rides_demand(days=10, zones=5, events=())
    assert len(demand) == 10 * 24 * 5
    assert not demand.duplicated(["time", "zone"]).any()
    assert demand["time"].is_monotonic_increasing
    assert (demand["hour"] == demand["time"].dt.hour).all()
    assert (demand["weekday"] == demand["time"].dt.weekday).all()
    assert demand["demand"].min() >= 0


def test_demand_varies_more_than_poisson_by_the_documented_shape() -> None:
    """Variance is mean + mean² / 12 where everything else is alike."""
    demand = pd.concat(
        worlds.rides_demand(days=1, zones=1, seed=seed, events=()) for seed in range(600)
    )
    dry = demand[(demand["rain_mm"] == 0) & (demand["hour"] == 17)]["demand"]
    mean, variance = dry.mean(), dry.var()
    assert variance == pytest.approx(mean + mean**2 / 12, rel=0.25)


def test_season_and_rain_have_the_documented_size() -> None:
    """10 % up in winter, 10 % down in summer, 30 % more while it rains."""
    demand = worlds.rides_demand(days=364, zones=3, events=())
    dry = demand[demand["rain_mm"] == 0]
    day = (dry["time"] - worlds.RIDES_START).dt.days
    winter = dry[day < 28].groupby(["hour", "weekday"])["demand"].mean()
    summer = dry[day.between(175, 202)].groupby(["hour", "weekday"])["demand"].mean()
    assert winter.mean() / summer.mean() == pytest.approx(1.1 / 0.9, rel=0.04)
    by_hour = demand.assign(wet=demand["rain_mm"] > 0).groupby(["hour", "weekday", "wet"])
    ratio = by_hour["demand"].mean().unstack()
    assert (ratio[True] / ratio[False]).mean() == pytest.approx(1.3, rel=0.05)


def test_cancellations_and_late_labels_are_as_documented(quiet_year: pd.DataFrame) -> None:
    """12 % within 1.5 points; zones differ; half of the labels within about a day."""
    assert quiet_year["cancelled"].mean() == pytest.approx(0.12, abs=0.015)
    by_zone = quiet_year.groupby("zone")["cancelled"].mean()
    assert by_zone.max() / by_zone.min() > 1.5
    delay = (quiet_year["label_time"] - quiet_year["pickup_time"]).dt.total_seconds() / 86_400
    assert delay.min() > 0
    assert 0.7 < delay.median() < 1.1
    assert (delay > 4).mean() == pytest.approx(0.05, abs=0.01)


def test_waiting_has_the_documented_effect(quiet_year: pd.DataFrame) -> None:
    """0.16 on the log-odds for each minute, by an independent fit."""
    from sklearn.linear_model import LogisticRegression

    inputs = pd.concat(
        [quiet_year[["wait_min", "surge", "raining"]], pd.get_dummies(quiet_year["zone"])], axis=1
    ).astype(float)
    fitted = LogisticRegression(C=1e6, max_iter=2000).fit(inputs, quiet_year["cancelled"])
    assert fitted.coef_[0][0] == pytest.approx(0.16, abs=0.02)
    assert fitted.coef_[0][2] == pytest.approx(-0.25, abs=0.08)


@pytest.mark.parametrize(
    ("name", "measure"),
    [
        ("fuel_price", lambda hit, twin: hit["fare"].mean() / twin["fare"].mean()),
        ("holiday", lambda hit, twin: len(hit) / len(twin)),
        ("shock", lambda hit, twin: len(hit) / len(twin)),
        ("new_zone", lambda hit, _: (hit["zone"] == "zone-13").mean()),
        (
            "unit_change",
            lambda hit, twin: hit["distance_km"].mean() / twin["distance_km"].mean(),
        ),
        ("missing_column", lambda hit, _: hit["wait_min"].isna().mean()),
        ("feedback_loop", lambda hit, twin: hit["surge"].mean() - twin["surge"].mean()),
    ],
)
def test_each_event_has_its_documented_size(name: str, measure) -> None:
    """Measured against a world in which only that event doesn't happen."""
    first = event(name).first_day
    days = min(14, event(name).last_day - first + 1)
    others = tuple(entry for entry in worlds.RIDES_EVENTS if entry.name != name)
    hit = worlds.rides_trips(days=days, first_day=first, trips_per_day=4000)
    twin = worlds.rides_trips(days=days, first_day=first, trips_per_day=4000, events=others)
    assert measure(hit, twin) == pytest.approx(event(name).size, rel=0.03)


def test_events_act_on_their_days_only(year: pd.DataFrame) -> None:
    """The broken column is whole outside its days, the sensor moves, nobody rides in zone 13."""
    broken = during(year, "missing_column", column="pickup_time")
    assert year.loc[broken, "wait_min"].isna().all()
    assert year.loc[~broken, "wait_min"].notna().all()
    opened = during(year, "new_zone", column="pickup_time")
    assert not (year.loc[~opened, "zone"] == "zone-13").any()


def test_the_stuck_sensor_repeats_one_value() -> None:
    """And it is the last one that it measured before."""
    demand = worlds.rides_demand(days=14, first_day=238, zones=1)
    stuck = during(demand, "stuck_sensor", column="time")
    last = demand.loc[~stuck & (demand["time"] < demand.loc[stuck, "time"].min())].iloc[-1]
    assert set(demand.loc[stuck, "temperature_c"]) == {last["temperature_c"]}
    assert demand.loc[~stuck, "temperature_c"].nunique() > 20


def test_the_shock_changes_the_relation_itself() -> None:
    """Waiting makes people cancel, except while the shock lasts."""
    first = event("shock").first_day

    def effect(first_day: int) -> float:
        trips = worlds.rides_trips(days=30, first_day=first_day, trips_per_day=6000)
        long = trips["wait_min"] > trips["wait_min"].median()
        rates = trips.groupby(long)["cancelled"].mean()
        return math.log(rates[True] / rates[False])

    assert effect(first - 31) > 0.25
    assert abs(effect(first + 1)) < 0.12


def test_event_columns_exist() -> None:
    """What an event says that it touches is there to be looked at."""
    columns = {*worlds.rides_trips(days=1), *worlds.rides_demand(days=1)}
    for entry in worlds.RIDES_EVENTS:
        assert set(entry.columns) <= columns
        assert entry.first_day <= entry.last_day


@pytest.mark.parametrize(
    "options",
    [
        {"days": 0}, {"days": 2.5}, {"days": True}, {"first_day": -1}, {"zones": 0},
        {"zones": 13}, {"seed": -1}, {"seed": np.nan},
    ],
)  # fmt: skip
def test_impossible_worlds_are_refused(options) -> None:
    """The message names the parameter and what it got."""
    with pytest.raises(DataError, match=next(iter(options))):
        worlds.rides_demand(**({"days": 1} | options))
    with pytest.raises(ValueError, match="trips_per_day"):
        worlds.rides_trips(days=1, trips_per_day=0)
