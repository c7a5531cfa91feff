"""Detectors beside each other on a year whose events are known."""

from dataclasses import replace

import pandas as pd
import pytest

from mlops_kit import drift_contest as contests
from mlops_kit import worlds
from mlops_kit.errors import DataError


@pytest.fixture(scope="module")
def year():
    return contests.rides_year(3, trips_per_day=100)


def test_the_second_year_follows_the_first_and_holds_the_events(year):
    """52 whole weeks each; the events on the days that are told."""
    first, second = year.reference["pickup_time"], year.watched["pickup_time"]
    assert first.max() < second.min()
    assert len(year.by_day()) == year.days == 364
    assert year.events["unit_change"] == (270, 283)
    days = year.by_day()
    kilometres = pd.concat(days[255:270])["distance_km"].median()
    assert pd.concat(days[270:284])["distance_km"].median() < 0.75 * kilometres
    assert all(day["wait_min"].isna().all() for day in days[300:307])
    assert "zone-13" not in set(year.reference["zone"])


def test_events_can_be_moved_and_left_out():
    """Days count from the beginning of the second year."""
    [stuck] = [event for event in worlds.RIDES_EVENTS if event.name == "stuck_sensor"]
    moved = contests.rides_year(
        3, trips_per_day=40, events=[replace(stuck, first_day=5, last_day=9)]
    )
    assert moved.events == {"stuck_sensor": (5, 9)}
    constant = [day["temperature_c"].nunique() == 1 for day in moved.by_day()[:20]]
    assert [number for number, is_one in enumerate(constant) if is_one] == [5, 6, 7, 8, 9]
    assert contests.rides_year(3, trips_per_day=20, events=()).events == {}


def test_a_detector_of_ones_own_is_scored_beside_others(year):
    """One that knows everything, one that sleeps, one that pages each day."""
    chosen = {
        "oracle": lambda seen: [first for first, _ in seen.events.values()],
        "asleep": lambda seen: [],
        "bell": lambda seen: range(seen.days),
    }
    oracle, asleep, bell = contests.contest(year, chosen)
    assert (oracle.score.recall, oracle.score.delay, oracle.score.false_alarms) == (1, 0, ())
    assert (asleep.score.recall, asleep.alerts) == (0, ())
    assert bell.score.recall == 1
    assert bell.score.false_alarms_a_month > 10
    with pytest.raises(DataError, match="no detectors"):
        contests.contest(year, {})


@pytest.mark.whole_way
def test_season_and_days_make_the_kits_detector_quiet_without_making_it_deaf(year):
    """At least seven of eight events, and fewer false alarms than the alarm of p < 0.05."""
    names = ("p < 0.05 in any column", "kit, days and season")
    simple, kit = contests.contest(year, {name: contests.DETECTORS[name] for name in names})
    assert len(kit.score.noticed) >= 7
    assert kit.score.false_alarms_a_month <= 0.5
    assert simple.score.false_alarms_a_month > 2
