"""Verdicts, alarms and alerts: what moved, by how much, since when, in which slice."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from mlops_kit import drift
from mlops_kit.errors import DataError

FIRST = pd.Timestamp("2026-01-05")


def days(count, *, seed=1, first=0, rows=300, warmth=None, shift=0.0):
    """Rows of days whose weather differs: rows of a day share their luck."""
    rng = np.random.default_rng([seed, first])
    parts = []
    for day in range(first, first + count):
        luck = rng.normal(0, 1.5) if warmth is None else warmth(day) + rng.normal(0, 1.5)
        parts.append(
            pd.DataFrame(
                {
                    "time": FIRST
                    + pd.Timedelta(days=day)
                    + pd.to_timedelta(np.sort(rng.integers(0, 86_400, rows)), "s"),
                    "warmth": luck + rng.normal(0, 0.5, rows),
                    "size": rng.lognormal(0, 0.5, rows) + shift,
                    "zone": rng.choice(["north", "south", "west"], rows, p=[0.5, 0.3, 0.2]),
                    "open": rng.random(rows) < 0.9,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def reference():
    return drift.profile(days(60), time="time", slices=("zone",))


def serious(found):
    return {(alarm.name, alarm.column) for alarm in found.alarms if alarm.serious}


def test_the_same_world_is_not_flagged(reference):
    """Thirty more days, one by one, whose weather differs as it did before."""
    flagged = [
        drift.compare(reference, days(1, first=60 + day, seed=9), looks=30) for day in range(30)
    ]
    assert [found.drifted for found in flagged] == [()] * 30
    assert all(found.ok for found in flagged)


def test_rows_that_share_a_day_are_not_independent_evidence(reference):
    """Without the days' own spread nearly every day looks like drift."""
    blind = drift.profile(days(60), ignore=("time",))
    flagged = [
        "warmth" in drift.compare(blind, days(1, first=60 + day, seed=9)).drifted
        for day in range(20)
    ]
    assert sum(flagged) > 15
    assert "warmth" not in drift.compare(reference, days(1, first=60, seed=9)).drifted


def wandering(count, *, seed, closeness=0.9):
    """Days of which each resembles the one before, around a level that never changes."""
    rng = np.random.default_rng(seed)
    level, frames = rng.normal(), []
    for day in range(count):
        level = closeness * level + np.sqrt(1 - closeness**2) * rng.normal()
        at = FIRST + pd.Timedelta(days=day)
        frames.append(pd.DataFrame({"time": at, "load": level + 0.5 * rng.normal(size=60)}))
    return frames


def test_days_that_resemble_their_neighbours_are_fewer_than_they_look():
    """A level that wanders slowly and comes back isn't drift, and the note says what is known."""
    opened = 0
    for seed in range(3):
        frames = wandering(260, seed=seed)
        watch = drift.Watch(drift.profile(pd.concat(frames[:60]), time="time"))
        notes = [alert for frame in frames[60:] for alert in watch.look(frame).opened]
        opened += sum(alert.serious for alert in notes)
        assert any("changes slowly" in alert.text for alert in notes if not alert.serious)
    assert opened <= 1


def test_a_large_move_of_a_column_that_wanders_is_still_flagged():
    """Such as another unit."""
    frames = wandering(210, seed=1, closeness=0.7)
    watch = drift.Watch(drift.profile(pd.concat(frames[:200]), time="time"))
    found = [watch.look(f.assign(load=f["load"] * 1.8 + 32)).opened for f in frames[200:]]
    assert ("drift", "load") in {(alert.name, alert.column) for look in found for alert in look}


def test_a_shift_is_flagged_with_its_size_and_place(reference):
    """What moved, by how much, where, and what to do."""
    batch = days(1, first=70)
    batch.loc[batch["zone"] == "west", "size"] *= 4
    found = drift.compare(reference, batch)
    assert found.drifted == ("size",)
    column = found["size"]
    assert column.where.startswith("above all where zone is west")
    assert "median" in column.text
    assert "source of size" in column.advice
    assert column.corrected <= found.alpha < drift.compare(reference, days(1))["size"].corrected
    everywhere = days(1, first=70, shift=1.0)
    assert drift.compare(reference, everywhere)["size"].where == "in every zone"


def test_predictions_and_labels_are_named_as_such():
    """The advice differs: a prediction that moves alone points at the model."""
    frame = days(20)
    made = drift.profile(frame, time="time", predictions=("size",), labels=("open",))
    batch = days(1, first=30, shift=2.0).assign(open=False)
    found = drift.compare(made, batch)
    assert (found["size"].role, found["open"].role) == ("prediction", "label")
    assert "version" in found["size"].advice
    assert "train again" in found["open"].advice


def test_season_is_not_drift_where_the_reference_knows_it():
    """A summer day is compared with the reference's summer days."""

    def warmth(day):
        return -12 * np.cos(2 * np.pi * day / 365)

    year = days(365, warmth=warmth, rows=40)
    seasonal = drift.profile(year, time="time", season=("month",))
    july = days(1, first=365 + 190, warmth=warmth, rows=200, seed=3)
    assert drift.compare(seasonal, july, looks=30).drifted == ()
    # A sensor that shows ten degrees too few makes July as warm as spring.
    offset = july.assign(warmth=july["warmth"] - 10)
    assert drift.compare(seasonal, offset, looks=30).drifted == ("warmth",)
    blind = drift.profile(year, time="time")
    assert drift.compare(blind, offset, looks=30).drifted == ()


def test_rows_of_a_season_that_the_reference_lacks_are_noted():
    """The verdict says that it may be the season."""
    made = drift.profile(days(50), time="time", season=("month",))
    found = drift.compare(made, days(2, first=180))
    assert [alarm.name for alarm in found.alarms] == ["unseen season"]
    assert found.ok
    extended = made.extend(made.summarise(days(30, first=170)))
    assert drift.compare(extended, days(2, first=180)).alarms == ()


def test_false_flags_stay_below_the_stated_rate_over_many_columns():
    """At most 5 % of null batches flag any of 25 columns; uncorrected most batches do."""
    rng = np.random.default_rng(3)
    names = [f"x{number}" for number in range(25)]

    def null(rows):
        frame = pd.DataFrame(rng.normal(size=(rows, 25)), columns=names)
        frame[names[20:]] = rng.integers(0, 6, (rows, 5)).astype(str)
        return frame

    made = drift.profile(null(4000))
    found = [drift.compare(made, null(500), alpha=0.05, minimum=0) for _ in range(120)]
    corrected = sum(bool(one.drifted) for one in found)
    uncorrected = sum(any(c.p_value <= 0.05 for c in one.columns) for one in found)
    assert corrected <= 13  # 6 are expected; more than 13 has a chance of 1 in 300
    assert uncorrected > 60


def test_a_difference_too_small_to_matter_is_no_drift():
    """With a million rows everything is significant."""
    rng = np.random.default_rng(4)
    made = drift.profile(pd.DataFrame({"x": rng.normal(size=400_000)}))
    found = drift.compare(made, pd.DataFrame({"x": rng.normal(0.03, 1, 400_000)}))
    assert found["x"].corrected < 1e-6
    assert found.drifted == ()
    assert drift.compare(
        made, pd.DataFrame({"x": rng.normal(0.03, 1, 400_000)}), minimum=0.005
    ).drifted == ("x",)


def test_missing_values_that_grow_are_flagged(reference):
    """By their share, whatever the values do."""
    batch = days(1, first=80)
    batch.loc[::10, "size"] = np.nan
    found = drift.compare(reference, batch)
    assert found["size"].missing_drifted
    assert not found["size"].drifted
    assert "missing in 10.0% of rows, 0.0% before" in found["size"].text


ALARMS = {
    "empty": (lambda f: f.iloc[:0], ("empty", "")),
    "no columns": (lambda f: pd.DataFrame(index=range(9)), ("missing column", "size")),
    "missing": (lambda f: f.drop(columns="size"), ("missing column", "size")),
    "renamed": (lambda f: f.rename(columns={"size": "size_m"}), ("renamed column", "size")),
    "all missing": (lambda f: f.assign(size=np.nan), ("all missing", "size")),
    "constant": (lambda f: f.assign(warmth=f["warmth"].iloc[0]), ("constant column", "warmth")),
    "constant name": (lambda f: f.assign(zone="north"), ("constant column", "zone")),
    "infinite": (
        lambda f: f.assign(size=f["size"].where(f["size"] < 2, np.inf)),
        ("infinite values", "size"),
    ),
    "text": (lambda f: f.assign(size=f["size"].map("{:.2f} m".format)), ("wrong type", "size")),
    "category": (
        lambda f: f.assign(zone=f["zone"].replace("west", "harbour")),
        ("new categories", "zone"),
    ),
    "future": (
        lambda f: f.assign(time=f["time"] + pd.Timedelta(hours=30)),
        ("clock", "time"),
    ),
    "past": (lambda f: f.assign(time=pd.Timestamp(0)), ("clock", "time")),
    "no time": (lambda f: f.assign(time="soon"), ("clock", "time")),
}


@pytest.mark.parametrize("name", ALARMS)
def test_broken_data_raises_its_alarm(reference, name):
    """Each with the column, what was found and what to do; nothing raises an exception."""
    change, wanted = ALARMS[name]
    batch = days(1, first=75)
    found = drift.compare(reference, change(batch), now=batch["time"].max())
    assert wanted in serious(found)
    assert not found.ok
    assert all(alarm.text and alarm.advice == drift.ALARMS[alarm.name] for alarm in found.alarms)
    json.dumps(found.to_dict(), allow_nan=False)


def test_what_is_no_fault_raises_no_alarm(reference):
    """Other order, other index, an unknown column, one rare new name, a few rows."""
    batch = days(1, first=75)
    now = batch["time"].max()
    turned = batch[batch.columns[::-1]].set_index(batch.index + 5)
    assert drift.compare(reference, turned, now=now).alarms == ()
    wider = drift.compare(reference, batch.assign(note="x"), now=now)
    assert [(alarm.name, alarm.serious) for alarm in wider.alarms] == [("unknown column", False)]
    assert wider.ok
    rare = batch.assign(zone=["harbour", *batch["zone"].iloc[1:]])
    assert drift.compare(reference, rare, now=now).ok
    assert drift.compare(reference, batch.iloc[:2], now=now).ok
    assert drift.compare(reference, batch.iloc[:1], now=now).ok


def test_a_column_that_is_constant_on_some_usual_days_may_be():
    """It doesn't rain on most days."""
    frame = days(30)
    frame["rain"] = frame["time"].dt.dayofyear % 3 == 0
    made = drift.profile(frame, time="time")
    assert drift.compare(made, days(1, first=31).assign(rain=False)).alarms == ()


def test_a_short_reference_is_noted_and_one_of_some_weeks_is_careful():
    """Three days tell nothing of how days differ; thirty stand in for windows of a week too."""
    short = drift.profile(days(3), time="time")
    assert [a.name for a in drift.compare(short, days(1, first=9)).alarms] == ["short reference"]
    watch = drift.Watch(drift.profile(days(30), time="time"))
    for day in range(40):
        watch.look(days(1, first=30 + day, seed=9))
    assert watch.alerts == []


def test_choices_out_of_range_are_refused(reference):
    """With what was found."""
    for options, said in (
        ({"alpha": 0}, "alpha"),
        ({"looks": 0}, "looks"),
        ({"minimum": 1}, "mini"),
    ):
        with pytest.raises(DataError, match=said):
            drift.compare(reference, days(1), **options)
    with pytest.raises(DataError, match="wasn't compared"):
        drift.compare(reference, days(1))["sise"]


def watch_over(reference, frames, **options):
    watch = drift.Watch(reference, **options)
    for number, frame in enumerate(frames):
        watch.look(frame, at=f"day {number}")
    return watch.alerts


def test_an_alert_opens_once_says_since_when_and_closes(reference):
    """Five days of a shift among normal ones make one alert."""
    frames = [days(1, first=60 + day, shift=0.8 if 8 <= day < 13 else 0.0) for day in range(25)]
    alerts = [alert for alert in watch_over(reference, frames) if alert.column == "size"]
    assert [(alert.since, alert.opened) for alert in alerts] == [("day 8", "day 8")]
    assert int(alerts[0].closed.split()[1]) <= 13 + 7 + 3
    assert "Since day 8, over by" in str(alerts[0])


def test_a_week_sees_what_a_day_is_too_small_for(reference):
    """A slight shift that stays is found from seven days together, and dated back."""
    frames = [days(1, first=60 + day, rows=60, shift=0.12 if day >= 5 else 0) for day in range(16)]
    daily = watch_over(reference, frames, windows=(1,))
    weekly = watch_over(reference, frames)
    assert not [alert for alert in daily if alert.column == "size"]
    [alert] = [alert for alert in weekly if alert.column == "size"]
    assert int(alert.opened.split()[1]) >= 8


def test_a_day_with_far_fewer_rows_is_an_alert(reference):
    """Volume is judged by the smallest and the largest day of the reference."""
    alerts = watch_over(reference, [days(1, first=61), days(1, first=62, rows=100)])
    assert [(alert.name, alert.opened) for alert in alerts] == [("volume", "day 1")]
    assert "100 rows in a day; 300 to 300 are usual" in alerts[0].text


def test_a_watch_survives_days_without_rows(reference):
    """An empty day is an alert, not an exception, and the next day is judged as ever."""
    empty = days(1).iloc[:0]
    alerts = watch_over(reference, [days(1, first=61), empty, empty, days(1, first=62)])
    assert [alert.name for alert in alerts] == ["empty"]


def test_detector_scores_count_events_delays_and_false_alarms():
    """One alert a day; an event's end and a noticed event's further alerts aren't false."""
    events = {"outage": (10, 14), "price": (40, 99), "strike": (70, 71)}
    score = drift.score_alerts([3, 11, 11, 13, 18, 44, 60, 90], events, days=100)
    assert score.noticed == {"outage": 1, "price": 4}
    assert score.missed == ("strike",)
    assert score.recall == pytest.approx(2 / 3)
    assert score.delay == pytest.approx(2.5)
    assert score.false_alarms == (3, 90)
    assert score.false_alarms_a_month == pytest.approx(2 / 100 * 365.25 / 12)
    with pytest.raises(DataError, match="days from 0 to 99"):
        drift.score_alerts([100], events, days=100)


def test_results_are_frozen(reference):
    """A verdict can't be changed afterwards."""
    found = drift.compare(reference, days(1))
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.alpha = 0.5


@pytest.mark.parametrize("kind", ["uniform", "few among many"])
def test_a_column_of_very_many_categories_does_not_drift_by_luck(kind):
    """The most frequent of thousands are so by luck; a real change is seen all the same."""
    rng = np.random.default_rng(8)

    def drawn(rows):
        numbers = rng.integers(0, 5000, rows) if kind == "uniform" else rng.zipf(1.3, rows)
        return pd.DataFrame({"user": [f"u{number}" for number in numbers]})

    reference = drift.profile(drawn(1500))
    found = [drift.compare(reference, drawn(400), looks=20).drifted for _ in range(20)]
    assert found == [()] * 20
    if kind != "uniform":
        moved = drawn(400)
        moved.loc[moved["user"] == "u1", "user"] = "u2"
        assert drift.compare(reference, moved).drifted == ("user",)
