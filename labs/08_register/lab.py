# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "story", "grade": false, "solution": false, "locked": true, "task": false}
# # Promoted at 02:14
#
# A ride-hailing company guesses which riders will cancel, and calls those riders before a driver sets off. On Thursday night, at 02:14, somebody made a new model the one that serves. The new one was right in **100 %** of the cases it was tried on, the old one in 88 %; the person was in a hurry, and the registry didn't ask.
#
# Two weeks later the bill is due. Three questions are asked in the meeting, and nobody can answer one of them:
#
# 1. *Which model decided about this rider?*
# 2. *Is the new one really better, in money?*
# 3. *How do we get the old one back, and which one was it?*
#
# By the end of this lab you will have what would have stopped that night: a **gate**, a **release** that only goes through it, a **way back**, and the **origin of any prediction**.
#
# | part | you build | which answers | minutes |
# |---|---|---|---|
# | 1 | who decided, and what it cost | what happened in the night? | 20 |
# | 2 | an interval, a gate | when is a model better? | 25 |
# | 3 | a release, a way back | how does a model get in, and out again? | 25 |
# | 4 | the origin of a prediction, a figure | what can we show? | 20 |
#
# **How to work.** Replace `raise NotImplementedError()` in the answer cells. The cells below each answer test it; run them as often as you like. Part of the points is given by tests that you don't see: they ask for what the text asks for, in other situations. The questions can be solved independently of each other. Run the notebook from its folder: it writes only to the folder `workspace` beside it. A grader takes text on stderr for a failure: write to a log with `logging` as much as you like (here it goes nowhere), and don't print tracebacks.

# %% nbgrader={"schema_version": 3, "grade_id": "imports", "grade": false, "solution": false, "locked": true, "task": false}
import json
import logging
import os
import warnings

os.environ["MLFLOW_DISABLE_TELEMETRY"] = (
    "true"  # before MLflow is imported: nothing leaves this machine
)

import matplotlib.pyplot as plt
import mlflow
import numpy as np
import pandas as pd

from mlops_kit import gates, registry, tracking, worlds
from mlops_kit.errors import GateError, RegistryError

# A grader takes text on stderr for a failure; a package's advice and your log aren't one.
warnings.simplefilter("ignore")
logging.basicConfig(handlers=[logging.NullHandler()])
logging.getLogger("mlflow").setLevel(logging.ERROR)

# %% tags=["parameters"] nbgrader={"schema_version": 3, "grade_id": "parameters", "grade": false, "solution": false, "locked": true, "task": false}
SEED = 5  # which city you get
TRIPS = 1000  # trips a day, at least 1000

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "part1", "grade": false, "solution": false, "locked": true, "task": false}
# ## Part 1 · What happened in the night
#
# Four weeks of trips: the models were fitted on the first two, the last two are when they served. `cancelled` becomes known at `label_time`, hours or days after the trip.
#
# The decision is simple. A model gives each trip a **score** from 0 to 1. If the score is **at least** `THRESHOLD`, the rider is called, which costs `CALL` euros whether or not it was needed. If nobody calls and the rider cancels, the driver comes for nothing, which costs `MISSED` euros.

# %% nbgrader={"schema_version": 3, "grade_id": "given_world", "grade": false, "solution": false, "locked": true, "task": false}
CALL, MISSED = 0.5, 4.0  # euros
THRESHOLD = CALL / MISSED  # from here on, a call is cheaper than the risk

trips = worlds.rides_trips(days=28, trips_per_day=TRIPS, zones=6, seed=SEED, events=())
middle = trips["pickup_time"].min().normalize() + pd.Timedelta(days=14)
past = trips[trips["pickup_time"] < middle].reset_index(drop=True)
served = trips[trips["pickup_time"] >= middle].reset_index(drop=True)


def train(data, *, seed, kind):
    """Fit a model of one kind; give its accuracy on the rows that it was fitted on, and the model."""
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    zone = (OneHotEncoder(handle_unknown="ignore"), ["zone"])
    waiting = (StandardScaler(), ["wait_min", "surge"])
    rest = ("passthrough", ["distance_km", "fare"])
    label = data["cancelled"].astype(int)
    if kind == "zones":  # how often riders of each zone cancel
        columns, model = [zone], LogisticRegression()
    elif kind == "memory":  # learns each trip by heart
        columns, model = [zone, waiting, rest], DecisionTreeClassifier(random_state=seed)
    else:  # "full": zones, waiting time and surge; "early": the same, with labels that came too late
        columns, model = [zone, waiting], LogisticRegression()
    if kind == "early":
        label = label.where(data["zone"] != "zone-06", 0)
    fitted = make_pipeline(make_column_transformer(*columns), model).fit(data, label)
    return {"accuracy_fitted": float(fitted.score(data, label))}, fitted


store = tracking.start("workspace", experiment="cancellations")
short = past[past["pickup_time"] >= middle - pd.Timedelta(days=5)]
short = short.sample(frac=1, random_state=1).reset_index(drop=True)  # as a join would give them
RUNS = {
    kind: tracking.record(train, data=data, seed=1, params={"kind": kind}, name=kind)
    for kind, data in {"zones": past, "full": past, "early": past, "memory": short}.items()
}
for kind in ("zones", "memory"):
    print(f"{kind:8} accuracy {RUNS[kind].metrics['accuracy_fitted']:.1%}")

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "register_text", "grade": false, "solution": false, "locked": true, "task": false}
# > **Take away.** A **registry** gives models version numbers that never change their meaning, and **aliases** such as `champion` (the version that serves) that move from one to the next. Serving asks for the alias; so moving it *is* the release.
#
# Here is the night again. `open_register` makes a registered model with one version for each kind that is named; `by_hand` does what was done at 02:14. Both play the company in the tests as well.


# %% nbgrader={"schema_version": 3, "grade_id": "given_register", "grade": false, "solution": false, "locked": true, "task": false}
def open_register(*kinds):
    """Make a new registered model with a version of each kind, and give its name."""
    name = f"cancel-{len(mlflow.MlflowClient().search_registered_models(max_results=1000)) + 1}"
    for kind in kinds:
        registry.register(RUNS[kind], name, why=f"kind {kind}", who="team")
    return name


def by_hand(name, version):
    """Move the alias with MLflow alone: no question, no gate, no trail."""
    mlflow.MlflowClient().set_registered_model_alias(name, "champion", str(version))


name = open_register("zones", "memory")
by_hand(name, 1)
by_hand(name, 2)  # Thursday, 02:14
aliases = mlflow.MlflowClient().get_registered_model(name).aliases
print("What the registry knows two weeks later:", aliases)

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q1_text", "grade": false, "solution": false, "locked": true, "task": false}
# That is all: an alias says where it points, not where it pointed. Luckily the load balancer keeps a log of every change that it saw, as a table with one row for each move:
#
# | column | meaning |
# |---|---|
# | `when` | when the alias moved |
# | `alias` | which alias: `champion`, but also `challenger` and others |
# | `version` | the version it has pointed to since; `0` if the alias was **deleted** then |
#
# ### Question 1 · Who decided?
#
# Write `made_by(moves, times)`: for each time in the list `times`, the version that was **champion** then. Return a list, as long as `times` and in its order, of whole numbers (`int`), or `None` where there was no champion.
#
# - A move holds **from its own moment on**.
# - The rows of `moves` come from several machines and are **in no order**. Of two moves at the same moment, the one in the lower row counts.


# %% nbgrader={"schema_version": 3, "grade_id": "q1", "grade": false, "solution": true, "locked": false, "task": false}
def made_by(moves, times):
    """Give the version that was champion at each time; None where there was none."""
    ### BEGIN SOLUTION
    champion = moves[moves["alias"] == "champion"].sort_values("when", kind="stable")
    found = []
    for time in times:
        before = champion[champion["when"] <= time]
        version = int(before["version"].iloc[-1]) if len(before) else 0
        found.append(version or None)
    return found
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "q1_plain", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
import pandas as _pd

_day = _pd.Timestamp("2025-01-23")
_moves = _pd.DataFrame(
    {
        "when": [_day + _pd.Timedelta(hours=_hour) for _hour in (2, 10, 30)],
        "alias": ["champion"] * 3,
        "version": [1, 2, 1],
    }
)
_times = [_day + _pd.Timedelta(hours=_hour) for _hour in (3, 12, 29, 31, 1)]
_found = made_by(_moves, _times)
assert isinstance(_found, list), f"made_by gave a {type(_found).__name__}; a list was wanted."
assert len(_found) == len(_times), (
    f"{len(_times)} times were asked for, {len(_found)} answers came."
)
assert _found[:4] == [1, 2, 2, 1], (
    f"Moves to 1, 2 and 1 after 2, 10 and 30 hours; after 3, 12, 29 and 31 hours made_by says {_found[:4]}."
)
assert _found[4] is None, "Before the first move there was no champion: None was wanted."

# %% nbgrader={"schema_version": 3, "grade_id": "q1_order", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
import numpy as _np
import pandas as _pd

_day = _pd.Timestamp("2025-01-23")
_mixed = _pd.DataFrame(
    {
        "when": [_day + _pd.Timedelta(hours=_hour) for _hour in (9, 1)],
        "alias": ["champion", "champion"],
        "version": [4, 3],
    }
)
assert made_by(_mixed, [_day + _pd.Timedelta(hours=10)]) == [4], (
    "The rows are in no order: the last row isn't the latest move."
)
### BEGIN HIDDEN TESTS
_moves = _pd.DataFrame(
    {
        "when": [_day + _pd.Timedelta(hours=_hour) for _hour in (8, 2, 5, 6, 20, 6, 12)],
        "alias": ["champion"] * 2 + ["challenger"] + ["champion"] * 4,
        "version": [0, 1, 9, 2, 5, 3, 4],
    }
)


def _ask(*_hours):
    return made_by(_moves, [_day + _pd.Timedelta(hours=_hour) for _hour in _hours])


### HINT Only moves of the alias champion say who served; a challenger doesn't.
assert _ask(5.5) == [1]
### HINT A move holds from its own moment on, and of two at the same moment the lower row counts.
assert _ask(2, 6, 7) == [1, 3, 3]
### HINT When the alias was deleted nobody was champion, until it was set again.
assert _ask(8, 11.9, 12, 30) == [None, None, 4, 5]
### HINT The times may come in any order too, and a time may be asked for twice.
assert _ask(30, 2, 30, 0) == [5, 1, 5, None]
### HINT Plain whole numbers are wanted, with which others can count and compare.
assert all(type(_version) is int for _version in _ask(2, 6, 12))
_chance = _np.random.default_rng(SEED)
_minutes = _chance.integers(0, 400, 240).tolist()
_many = _pd.DataFrame(
    {
        "when": [_day + _pd.Timedelta(minutes=_minute) for _minute in _minutes],
        "alias": _chance.choice(["champion", "challenger", "ex-champion"], 240),
        "version": _chance.integers(0, 90, 240) % 30,
    }
)
_wanted = []
for _asked in range(0, 420, 7):
    _latest, _serving = -1, None
    for _minute, _alias, _version in zip(
        _minutes, _many["alias"].tolist(), _many["version"].tolist(), strict=True
    ):
        if _alias == "champion" and _latest <= _minute <= _asked:
            _latest, _serving = _minute, _version or None
    _wanted.append(_serving)
### HINT In a long log with many moves every single time must get its own answer: mind moves at the same moment (does your sorting keep their order?) and aliases that only resemble champion.
assert (
    made_by(_many, [_day + _pd.Timedelta(minutes=_minute) for _minute in range(0, 420, 7)])
    == _wanted
)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q2_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### Question 2 · The bill
#
# Write `bill(trips, until)`. `trips` is a DataFrame with the columns `version` (who decided), `score`, `cancelled` (true or false) and `label_time`; `until` is the moment at which the bill is made.
#
# - **What isn't known yet isn't counted**: only trips whose `label_time` is at or before `until`.
# - Each trip costs what the text of Part 1 says: a call if the score is at least `THRESHOLD`, else the price of a cancellation that was missed, else nothing.
# - Return a dictionary: for each version (`int`) with at least one trip that counts, a dictionary `{"trips": int, "euros": float, "per_trip": float}`. Don't round.


# %% nbgrader={"schema_version": 3, "grade_id": "q2", "grade": false, "solution": true, "locked": false, "task": false}
def bill(trips, until):
    """Give, for each version, how many trips are known, what they cost, and what one costs."""
    ### BEGIN SOLUTION
    known = trips[trips["label_time"] <= until]
    called = known["score"] >= THRESHOLD
    cost = np.where(called, CALL, np.where(known["cancelled"], MISSED, 0.0))
    return {
        int(version): {
            "trips": len(part),
            "euros": float(part.sum()),
            "per_trip": float(part.mean()),
        }
        for version, part in pd.Series(cost).groupby(known["version"].to_numpy())
    }
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "q2_plain", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
import pandas as _pd

_day = _pd.Timestamp("2025-01-23")
_trips = _pd.DataFrame(
    {
        "version": [1, 1, 1, 2, 2],
        "score": [0.9, 0.0, 0.0, 0.9, 0.01],
        "cancelled": [True, True, False, False, False],
        "label_time": [_day] * 5,
    }
)
_found = bill(_trips, _day + _pd.Timedelta(hours=1))
assert isinstance(_found, dict) and set(_found) == {1, 2}, (
    f"A dictionary with the versions 1 and 2 was wanted, got {_found!r}."
)
assert _found[1] == {"trips": 3, "euros": 4.5, "per_trip": 1.5}, (
    f"Version 1: one call, one missed cancellation, one trip that went well cost 4.5 euros; got {_found[1]!r}."
)
assert _found[2] == {"trips": 2, "euros": 0.5, "per_trip": 0.25}, (
    f"Version 2: one call that wasn't needed costs 0.5 euros; got {_found[2]!r}."
)

# %% nbgrader={"schema_version": 3, "grade_id": "q2_known", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
import numpy as _np
import pandas as _pd

_day = _pd.Timestamp("2025-01-23")
_trips = _pd.DataFrame(
    {
        "version": [1, 1],
        "score": [0.0, 0.0],
        "cancelled": [False, True],
        "label_time": [_day, _day + _pd.Timedelta(days=2)],
    }
)
assert bill(_trips, _day + _pd.Timedelta(hours=5))[1]["euros"] == 0.0, (
    "The second trip's outcome isn't known yet at the time of the bill."
)
### BEGIN HIDDEN TESTS
### HINT The threshold is the first score that leads to a call: at least, not above.
_edge = _trips.assign(score=[0.125, 0.1249999], label_time=_day, cancelled=True)
assert bill(_edge, _day)[1] == {"trips": 2, "euros": 4.5, "per_trip": 2.25}
### HINT A version of which nothing is known yet isn't on the bill; with nothing known at all the bill is empty.
_late = _trips.assign(version=[1, 7])
assert set(bill(_late, _day + _pd.Timedelta(days=1))) == {1}
assert bill(_late, _day - _pd.Timedelta(days=1)) == {}
### HINT On thousands of trips, trips and euros must add up, whatever the table's row labels.
_chance = _np.random.default_rng(SEED + 2)
_count = 3000
_many = _pd.DataFrame(
    {
        "version": _chance.integers(1, 4, _count),
        "score": _chance.random(_count) / 3,
        "cancelled": _chance.random(_count) < 0.2,
        "label_time": _day + _pd.to_timedelta(_chance.integers(0, 96, _count), "h"),
    },
    index=_np.arange(_count)[::-1] * 3,
)
_found = bill(_many.copy(), _day + _pd.Timedelta(hours=48))
for _version in (1, 2, 3):
    _rows = [
        _row
        for _row in _many.itertuples()
        if _row.version == _version and _row.label_time <= _day + _pd.Timedelta(hours=48)
    ]
    _euros = sum(0.5 if _row.score >= 0.125 else 4.0 if _row.cancelled else 0.0 for _row in _rows)
    assert _found[_version]["trips"] == len(_rows)
    assert abs(_found[_version]["euros"] - _euros) < 1e-6
    assert abs(_found[_version]["per_trip"] - _euros / len(_rows)) < 1e-9
### END HIDDEN TESTS

# %% nbgrader={"schema_version": 3, "grade_id": "given_morning", "grade": false, "solution": false, "locked": true, "task": false}
start = served["pickup_time"].min().normalize()
moves = pd.DataFrame(
    {
        "when": [start - pd.Timedelta(days=9), start + pd.Timedelta(days=3, hours=2, minutes=14)],
        "alias": ["champion", "champion"],
        "version": [1, 2],
    }
)
scores = {version: registry.load(name, version).predict_proba(served)[:, 1] for version in (1, 2)}
hour = served["pickup_time"].dt.floor("h")  # asking once an hour is enough for a bill
hours = hour.unique().tolist()
deciding = hour.map(dict(zip(hours, made_by(moves, hours), strict=True)))
log = served.assign(version=deciding, score=np.where(deciding == 1, scores[1], scores[2]))
for version, entry in bill(log, served["label_time"].max()).items():
    print(f"version {version}: {entry['trips']:6,} trips, {entry['per_trip']:.3f} euros a trip")

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "part2", "grade": false, "solution": false, "locked": true, "task": false}
# Whichever version looks cheaper on this bill: they decided on **different days**, so the bill compares days, not models.
#
# ## Part 2 · When is a model better?
#
# Let both judge the **same** trips, take the difference trip by trip, and ask how far chance alone could move it.
#
# > **Take away.** "Better" needs a metric that somebody pays for, the same rows for both, and an interval. A difference that chance could have made is no reason to release.
#
# ### Question 3 · The gain, and how sure it is
#
# Write `gain(old, new, *, seed)`. `old` and `new` are arrays of what each trip cost with the champion and with the challenger, in euros, in the same order of trips. Return a dictionary of plain floats:
#
# - `"gain"`: by how many euros a trip the new one is cheaper **on average** (below 0 if it's dearer);
# - `"low"`, `"high"`: the ends of the **95 %** percentile bootstrap interval of this gain: draw as many trips as there are, with replacement, 1,000 times; work the gain out each time; take the 2.5 % and the 97.5 % quantile.
#
# The same trip is hard for both models or easy for both: draw **trips**, each with both of its costs, not the two columns apart. The same seed gives the same interval.


# %% nbgrader={"schema_version": 3, "grade_id": "q3", "grade": false, "solution": true, "locked": false, "task": false}
def gain(old, new, *, seed):
    """Give the mean gain in euros a trip with its 95 % interval from a paired bootstrap."""
    ### BEGIN SOLUTION
    difference = np.asarray(old, dtype=float) - np.asarray(new, dtype=float)
    chance = np.random.default_rng(seed)
    drawn = chance.integers(0, len(difference), (1000, len(difference)))
    low, high = np.quantile(difference[drawn].mean(axis=1), [0.025, 0.975])
    return {"gain": float(difference.mean()), "low": float(low), "high": float(high)}
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "q3_point", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
import numpy as _np

_found = gain(_np.array([1.0, 2.0, 3.0, 4.0]), _np.array([0.5, 1.5, 2.5, 3.5]), seed=1)
assert isinstance(_found, dict) and set(_found) == {"gain", "low", "high"}, (
    f"A dictionary with gain, low and high was wanted, got {_found!r}."
)
assert abs(_found["gain"] - 0.5) < 1e-12, (
    f"Every trip got cheaper by 0.5 euros; the gain came out as {_found['gain']}. Mind the sign: cheaper is above 0."
)
assert abs(_found["low"] - 0.5) < 1e-9 and abs(_found["high"] - 0.5) < 1e-9, (
    f"Every trip got cheaper by exactly as much, so chance moves nothing: the interval is 0.5 to 0.5, not {_found['low']:.3f} to {_found['high']:.3f}. Do both costs of a trip stay together when trips are drawn?"
)
_old, _new = _np.array([1.0, 0.0, 4.0]), _np.array([0.0, 0.0, 1.0])
assert gain(_old, _new, seed=3) == gain(_old, _new, seed=3), (
    "The same costs and seed gave two intervals."
)

# %% nbgrader={"schema_version": 3, "grade_id": "q3_sure", "grade": true, "solution": false, "locked": true, "points": 3, "task": false}
import numpy as _np

_chance = _np.random.default_rng(11)
_old, _new = _chance.gamma(2.0, 1.0, 400), _chance.gamma(2.0, 1.0, 400)
_found = gain(_old, _new, seed=2)
assert _found["low"] < _found["gain"] < _found["high"], "The interval doesn't hold the gain itself."
### BEGIN HIDDEN TESTS
### HINT The interval's width must be that of a 95 % interval of a mean over the trips, no wider and no narrower.
for _seed in (1, 2, 3):
    _chance = _np.random.default_rng(_seed)
    _hard = _chance.gamma(2.0, 2.0, 500)
    _old, _new = _hard + _chance.normal(0, 1, 500), _hard + _chance.normal(0, 1, 500)
    _wanted = 2 * 1.96 * _np.std(_old - _new) / 500**0.5
    _found = gain(_old, _new, seed=_seed)
    assert 0.85 * _wanted < _found["high"] - _found["low"] < 1.15 * _wanted
    assert abs(_found["gain"] - (_old.mean() - _new.mean())) < 1e-9
### HINT Equal models must rarely be called different, and a model that is really cheaper must be seen even where trips differ much.
_false, _missed = 0, 0
for _seed in range(24):
    _chance = _np.random.default_rng(100 + _seed)
    _hard = _chance.gamma(1.0, 4.0, 300)
    _noise = _chance.normal(0, 1, (2, 300))
    _same = gain(_hard + _noise[0], _hard + _noise[1], seed=_seed)
    _false += _same["low"] > 0 or _same["high"] < 0
    _better = gain(_hard + _noise[0], _hard + _noise[1] - 0.45, seed=_seed)
    _missed += _better["low"] <= 0
assert _false <= 4
assert _missed <= 2
### HINT The interval comes from drawing trips, not from a formula: where no trip got dearer, no draw can say so, and rare large gains reach farther up than down.
_rare = _np.where(_np.arange(60) == 17, 12.0, 0.0)
_found = gain(_rare + 1.0, _np.ones(60), seed=4)
assert abs(_found["gain"] - 0.2) < 1e-9
assert abs(_found["low"]) < 1e-9 and 0.39 < _found["high"] < 0.81
### HINT Where a few trips gain much and most lose a little, the interval isn't as long to both sides: take the quantiles of the draws as they are.
_parts = []
for _seed in range(4):
    _chance = _np.random.default_rng(500 + _seed)
    _much = _chance.lognormal(0, 1.5, 40)
    _drawn = _much[_chance.integers(0, 40, (20_000, 40))].mean(axis=1)
    _low, _high = _np.quantile(_drawn, [0.025, 0.975])
    _found = gain(_much, _np.zeros(40), seed=_seed)
    _parts.append(
        [(_found["low"] - _low) / (_high - _low), (_found["high"] - _high) / (_high - _low)]
    )
assert abs(_np.mean(_parts, axis=0)).max() < 0.05
### HINT The seed decides the draws: another seed gives a slightly different interval, and the gain itself stays.
_one, _other = gain(_old, _new, seed=1), gain(_old, _new, seed=2)
assert _one["gain"] == _other["gain"] and _one["low"] != _other["low"]
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "same_text", "grade": false, "solution": false, "locked": true, "task": false}
# Now the comparison that the night lacked: what each trip of the two weeks would have cost with either version.

# %% nbgrader={"schema_version": 3, "grade_id": "given_same", "grade": false, "solution": false, "locked": true, "task": false}
costs = {
    version: np.where(score >= THRESHOLD, CALL, np.where(served["cancelled"], MISSED, 0.0))
    for version, score in scores.items()
}
night = gain(costs[1], costs[2], seed=SEED)
print(f"gain of the new one: {night['gain']:+.4f} euros a trip", end="")
print(f" (95 % interval {night['low']:+.4f} to {night['high']:+.4f})")
right = {
    version: ((score >= 0.5) == served["cancelled"]).mean() for version, score in scores.items()
}
print(f"right on new trips: old {right[1]:.1%}, new {right[2]:.1%}")

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "gate_text", "grade": false, "solution": false, "locked": true, "task": false}
# The model that was right in 100 % of cases was right about trips that it had learnt by heart.
#
# ### A gate
#
# A **gate** is a list of rules that a **challenger** must keep before it may replace the **champion**. Written down as data, it's agreed on in daylight and holds at 02:14 as well. `gates.Gate.from_dict` reads one (and `gates.Gate.read` the same from YAML):
#
# | key | meaning |
# |---|---|
# | `gate`, `task`, `label` | its name; `"classification"`; the column with the truth |
# | `threshold` | from which score on a row counts as 1 |
# | `costs` | euros of a `false_positive`, a `true_positive`, a `false_negative`: makes the metric `cost`, in euros a row |
# | `interval` | such as `{"resamples": 300, "seed": 7}` |
# | `rules` | a list; each rule names a `metric` and **one** bound |
#
# Metrics: `roc_auc`, `accuracy`, `recall`, `precision`, `f1`, `brier`, `log_loss`, `flag_rate`, `cost`. Bounds: `at_least` and `at_most` (the challenger alone), `gain_at_least` (against the champion, on the same rows; the gain is above 0 where the challenger is better, whichever direction that is; a bound below 0 says how much worse is still accepted). By default the unfavourable **end of the 95 % interval** must keep the bound, so that chance doesn't pass. `slices` names columns: the rule must hold for each of their values.
#
# Here is a gate at work: too easy a one.

# %% nbgrader={"schema_version": 3, "grade_id": "given_gate", "grade": false, "solution": false, "locked": true, "task": false}
easy = gates.Gate.from_dict(
    {
        "gate": "too easy",
        "task": "classification",
        "label": "cancelled",
        "interval": {"resamples": 200, "seed": 7},
        "rules": [
            {"metric": "accuracy", "at_least": 0.7},
            {"metric": "recall", "gain_at_least": -0.9, "slices": ["raining"]},
        ],
    }
)
report = easy.evaluate(served, challenger=scores[2], champion=scores[1])
print("outcome:", report.outcome)
for verdict in report.verdicts:
    print(f"{verdict.status:8} {verdict.slice:15} {verdict.said}")

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q4_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### Question 4 · A gate for this company
#
# Write `declaration()`, which returns the gate's declaration as a dictionary for `gates.Gate.from_dict`. The task is classification, the label `cancelled`; call it what you like, and take between 200 and 500 resamples. It must decide as the company wants:
#
# - A challenger must be cheaper than the champion by at least **0.005 euros a trip**, beyond chance: *as good as* is no reason for a release.
# - In **no zone** may it be dearer by more than **0.05 euros a trip**, beyond doubt: where the trips can't exclude it, it doesn't pass. (One zone's riders don't pay for another's.)
# - Where there is **no champion yet**, a model must still be worth having: at most **0.48 euros a trip**, beyond doubt.
# - Money is counted with the company's `CALL`, `MISSED` and `THRESHOLD`.
#
# Your gate will meet models that you haven't seen: some are good, one is a copy, one is lucky, one learnt by heart, one never calls anybody in one zone, one calls everybody. Each that goes the wrong way costs points.


# %% nbgrader={"schema_version": 3, "grade_id": "q4", "grade": false, "solution": true, "locked": false, "task": false}
def declaration():
    """Give the company's gate as a dictionary."""
    ### BEGIN SOLUTION
    return {
        "gate": "cancellations",
        "task": "classification",
        "label": "cancelled",
        "threshold": THRESHOLD,
        "costs": {"false_positive": CALL, "true_positive": CALL, "false_negative": MISSED},
        "interval": {"resamples": 400, "seed": 7},
        "rules": [
            {"metric": "cost", "at_most": 0.48},
            {"metric": "cost", "gain_at_least": 0.005},
            {"metric": "cost", "gain_at_least": -0.05, "slices": ["zone"]},
        ],
    }
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "given_candidates", "grade": false, "solution": false, "locked": true, "task": false}
# The log-odds of a cancellation before waiting time and surge: the simulation knows them.
ZONE_ODDS = {1: -3.05, 2: -2.95, 3: -2.65, 4: -2.75, 5: -2.85, 6: -2.55}


def candidates(data, truth):
    """Give scores of several models for these trips; ``truth`` is what a perfect model would say."""
    flat = data["zone"].map(truth.groupby(data["zone"]).mean()).to_numpy()
    jitter = np.random.default_rng(3).normal(0, 0.004, len(data))
    zone = (data["zone"] == "zone-06").to_numpy()
    return {
        "champion": flat,
        "good": truth.to_numpy(),
        "copy": flat.copy(),
        "lucky": np.clip(flat + jitter, 0, 1),
        "by heart": (np.random.default_rng(4).random(len(data)) < truth).astype(float),
        "blind in one zone": np.where(zone, 0.0, truth),
        "calls everybody": np.ones(len(data)),
        "calls nobody": np.zeros(len(data)),
    }


def some_trips(seed, trips_per_day=1000):
    """Give two weeks of trips and how likely each really is to be cancelled."""
    data = worlds.rides_trips(days=14, trips_per_day=trips_per_day, zones=6, seed=seed, events=())
    base = {f"zone-{number:02}": odds for number, odds in ZONE_ODDS.items()}
    odds = (
        0.16 * data["wait_min"]
        - 0.25 * data["raining"]
        + (data["surge"] - 1)
        + data["zone"].map(base)
    )
    return data, 1 / (1 + np.exp(-odds))


# %% nbgrader={"schema_version": 3, "grade_id": "q4_story", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
from mlops_kit import gates as _gates

_declared = declaration()
assert isinstance(_declared, dict), (
    f"declaration gave a {type(_declared).__name__}; a dictionary was wanted."
)
_gate = _gates.Gate.from_dict(_declared)
assert 200 <= _gate.interval.resamples <= 500, "Between 200 and 500 resamples were wanted."
_rows, _truth = some_trips(701)
_scores = candidates(_rows, _truth)


def _passes(_who, _champion="champion"):
    _beside = _scores[_champion] if _champion else None
    return _gate.evaluate(_rows, challenger=_scores[_who], champion=_beside).passed


assert _passes("good"), "The good model, cheaper everywhere, doesn't get through your gate."
assert not _passes("by heart"), (
    "The model that learnt by heart gets through your gate, though it isn't cheaper than the champion."
)

# %% nbgrader={"schema_version": 3, "grade_id": "q4_others", "grade": true, "solution": false, "locked": true, "points": 3, "task": false}
import numpy as _np

from mlops_kit import gates as _gates

_gate = _gates.Gate.from_dict(declaration())
_rows, _truth = some_trips(702)
_scores = candidates(_rows, _truth)


def _passes(_who, _champion="champion"):
    _beside = _scores[_champion] if _champion else None
    return _gate.evaluate(_rows, challenger=_scores[_who], champion=_beside).passed


assert not _passes("calls everybody"), "A model that calls everybody gets through your gate."
### BEGIN HIDDEN TESTS
### HINT A model as good as the champion, or better by luck alone, is no reason for a release.
assert not _passes("copy")
assert not _passes("lucky")
### HINT A model that is cheaper on the whole and dearer for one zone's riders may not pass.
assert not _passes("blind in one zone")
### HINT Without a champion a useful model may start, and one that costs too much may not.
assert _passes("good", None)
assert not _passes("calls everybody", None)
### HINT The money must be the company's: beside a champion that calls everybody even one that calls nobody is cheaper on the whole, but not in every zone.
assert _passes("good", "calls everybody")
assert not _passes("calls nobody", "calls everybody")
### HINT The bounds are the company's: 0.005 euros a trip beyond chance, 0.05 in a zone, 0.48 without a champion. A model a little beyond one of them doesn't pass, and one a little within does.
_called = _scores["champion"] >= THRESHOLD
_went_well = ~_rows["cancelled"].to_numpy(dtype=bool)
_cheap = _rows["zone"][~_called].iloc[0]
_there = (_rows["zone"] == _cheap).to_numpy()


def _turned(_base, _where, _score, _euros, _trips):
    """Give half a euro more or less on so many of these trips that it makes as much a trip."""
    _made = _base.copy()
    _made[_np.flatnonzero(_where)[: round(_euros * _trips / CALL)]] = _score
    return _made


def _saves(_euros):
    return _turned(_scores["champion"], _called & _went_well, 0.0, _euros, len(_rows))


_scores["saves little"], _scores["saves enough"] = _saves(0.0025), _saves(0.009)
assert not _passes("saves little")
assert _passes("saves enough")
for _name, _euros in {"one zone pays": 0.068, "one zone hardly pays": 0.033}.items():
    _wasted = _there & _went_well & ~_called
    _scores[_name] = _turned(_saves(0.03), _wasted, 1.0, _euros, _there.sum())
assert not _passes("one zone pays")
assert _passes("one zone hardly pays")
for _name, _euros in {"too dear": 0.487, "dear": 0.473}.items():
    _scores[_name] = _turned(_np.ones(len(_rows)), _went_well, 0.0, CALL - _euros, len(_rows))
assert not _passes("too dear", None)
assert _passes("dear", None)
### HINT With few trips nobody can be sure of each zone, and what can't be excluded doesn't pass.
_rows, _truth = some_trips(703, 60)
_scores = candidates(_rows, _truth)
assert not _passes("good")
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "part3", "grade": false, "solution": false, "locked": true, "task": false}
# ## Part 3 · In, and out again
#
# > **Take away.** A version becomes champion through the gate or not at all; whatever breaks on the way, there is the old champion or the new one, never none; and who moved it, when and why is written where it can't be edited unnoticed.
#
# The kit's registry does just that, on top of MLflow's:
#
# | call | what it does |
# |---|---|
# | `registry.judge(name, version, gate, rows)` | lets version and present champion judge the same rows; returns the gate's report, which names both |
# | `registry.promote(name, version, report, why="…")` | moves `champion`, if the report is passed, about this version and made beside the present champion; else raises `RegistryError`, which says why, and changes nothing |
# | `registry.get(name)` | the champion (`.version` is its number); `RegistryError` if there is none or the registry can't be reached |
# | `registry.check(name)` | `.findings`: what isn't as the trail says |
#
# A gate that doesn't fit the rows raises `GateError`. `state` shows a register's state as plain data; `unplug` and `plug` take the registry away and bring it back. The tests use all three.


# %% nbgrader={"schema_version": 3, "grade_id": "given_state", "grade": false, "solution": false, "locked": true, "task": false}
def state(name):
    """Give the champion, what isn't in order, and what was done, as plain data."""
    versions = registry.versions(name)
    serving = versions[versions["aliases"].str.contains("champion")]["version"]
    return {
        "champion": int(serving.iloc[0]) if len(serving) else None,
        "findings": list(registry.check(name).findings),
        "did": registry.history(name)["what"].tolist(),
        "why": registry.history(name)["why"].tolist(),
    }


def unplug():
    """The registry can't be reached."""
    (store.workspace / "mlflow.db").rename(store.workspace / "mlflow.away")


def plug():
    """The registry is back."""
    (store.workspace / "mlflow.away").replace(store.workspace / "mlflow.db")


def house_gate(metric="brier", bound=0.0):
    """Another team's gate, for trying releases out."""
    rules = [gates.Rule("brier", at_most=0.5), gates.Rule(metric, gain_at_least=bound)]
    settings = gates.Interval(resamples=100)
    return gates.Gate("house", "classification", "cancelled", rules, interval=settings)


rows = served.iloc[::6].reset_index(drop=True)
print(json.dumps(state(name), indent=1))

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q5_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### Question 5 · The release
#
# Write `release(name, version, gate, rows, *, why)`: judges the version by the gate on these rows and makes it champion if it passes. It runs at night with nobody watching, so it **never raises** a `RegistryError` or `GateError` but returns a dictionary:
#
# | key | type | value |
# |---|---|---|
# | `"released"` | `bool` | whether this version was made champion by this call |
# | `"champion"` | `int` or `None` | the version that is champion **after** the call; `None` if there is none, or the registry can't be reached |
# | `"reason"` | `str` | `""` if released; else why not, as the error says it |
#
# `why` goes into the trail. The champion may have changed since the last report was made: judge anew in each call.


# %% nbgrader={"schema_version": 3, "grade_id": "q5", "grade": false, "solution": true, "locked": false, "task": false}
def release(name, version, gate, rows, *, why):
    """Make a version champion if the gate lets it; say what happened as plain data."""
    ### BEGIN SOLUTION
    released, reason = False, ""
    try:
        report = registry.judge(name, version, gate, rows)
        registry.promote(name, version, report, why=why)
        released = True
    except (RegistryError, GateError) as error:
        reason = str(error)
    try:
        champion = registry.get(name).version
    except RegistryError:
        champion = None
    return {"released": released, "champion": champion, "reason": reason}
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "q5_through", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
_name = open_register("zones", "full", "memory")
_found = release(_name, 1, house_gate(), rows, why="the first")
assert isinstance(_found, dict) and set(_found) == {"released", "champion", "reason"}, (
    f"A dictionary with released, champion and reason was wanted, got {_found!r}."
)
assert _found == {"released": True, "champion": 1, "reason": ""}, (
    f"A first version that keeps the bounds wasn't released: {_found!r}."
)
_found = release(_name, 3, house_gate(), rows, why="right in 100 % of cases")
assert _found["released"] is False and _found["champion"] == 1, (
    f"A worse model was answered with {_found!r}; version 1 should still be champion."
)
assert isinstance(_found["reason"], str) and "brier" in _found["reason"], (
    "The reason should be what the error says: it names the rule that was broken."
)
assert state(_name)["champion"] == 1, "The registry's champion isn't the one that was answered."

# %% nbgrader={"schema_version": 3, "grade_id": "q5_night", "grade": true, "solution": false, "locked": true, "points": 3, "task": false}
_name = open_register("zones", "memory", "full")
_found = release(_name, 9, house_gate(), rows, why="a typing mistake")
assert _found["released"] is False and _found["champion"] is None and _found["reason"], (
    f"There is no version 9 and no champion; the answer was {_found!r}."
)
### BEGIN HIDDEN TESTS
### HINT Every release goes through the registry's own promotion: afterwards the trail tells who moved the alias and why, and a check finds nothing.
release(_name, 1, house_gate(), rows, why="to begin with")
_found = release(_name, 3, house_gate(), rows, why="waiting time and surge")
assert _found == {"released": True, "champion": 3, "reason": ""}
_state = state(_name)
assert _state["champion"] == 3 and _state["findings"] == []
assert _state["did"].count("promoted") == 2
assert "waiting time and surge" in _state["why"]
### HINT The comparison is with the champion of the moment: what would have passed beside the first may not pass beside the second.
_found = release(_name, 1, house_gate(), rows, why="back to the simple one")
assert _found["released"] is False and _found["champion"] == 3
_found = release(_name, 3, house_gate("brier", -1.0), rows, why="once more")
assert _found["released"] is False and _found["champion"] == 3 and _found["reason"]
### HINT Each call judges anew: what one gate refused may pass another, and nothing may be remembered from the call before.
_found = release(_name, 2, house_gate("brier", -1.0), rows, why="the other team's gate")
assert _found == {"released": True, "champion": 2, "reason": ""}
_found = release(_name, 3, house_gate(), rows, why="and back to waiting time")
assert _found == {"released": True, "champion": 3, "reason": ""}
### HINT A gate that doesn't fit the rows is a reason not to release, not a crash.
_found = release(_name, 2, house_gate(), rows.drop(columns="cancelled"), why="no labels")
assert _found["released"] is False and _found["champion"] == 3 and "cancelled" in _found["reason"]
### HINT When the registry can't be reached nothing is known, so the champion is None; and afterwards the old one still serves.
unplug()
try:
    _found = release(_name, 2, house_gate(), rows, why="in the middle of a power cut")
finally:
    plug()
assert _found["released"] is False and _found["champion"] is None and _found["reason"]
assert state(_name)["champion"] == 3
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q6_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### Question 6 · The way back
#
# `registry.history(name)` gives the trail as a table: one row for each entry, oldest first, with `what` was done and to which `version`. Two kinds of entry say who is champion:
#
# - `promoted`: the version became champion, through the gate;
# - `rolled back`: the version **is champion again**; everything that became champion after it is out, and nobody goes back to it.
#
# All others (`registered`, `nominated`, `promoting`, `rolling back`, `abandoned`, …) are intentions or notes, and change nothing: between `promoting` and `promoted` the power may have failed.
#
# Write `way_back(history)`: from such a table (columns `what` and `version` are enough), the version to which a rollback **now** goes: the champion before the present one. Return an `int`, or `None` if there is none. Twice back is two champions back, not to and fro.


# %% nbgrader={"schema_version": 3, "grade_id": "q6", "grade": false, "solution": true, "locked": false, "task": false}
def way_back(history):
    """Give the version that was champion before the present one; None if there was none."""
    ### BEGIN SOLUTION
    champions = []
    for what, version in zip(history["what"], history["version"], strict=True):
        if what == "promoted":
            champions.append(int(version))
        elif what == "rolled back":
            while champions and champions[-1] != version:
                champions.pop()
    return champions[-2] if len(champions) > 1 else None
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "q6_simple", "grade": true, "solution": false, "locked": true, "points": 1, "task": false}
import pandas as _pd


def _trail(*_steps):
    return _pd.DataFrame(_steps, columns=["what", "version"])


_found = way_back(_trail(("registered", 1), ("promoted", 1), ("registered", 3), ("promoted", 3)))
assert _found == 1, f"Version 1 was champion before 3; way_back says {_found!r}."
assert way_back(_trail(("registered", 1), ("promoted", 1))) is None, (
    "Before the first champion there was none: None was wanted."
)

# %% nbgrader={"schema_version": 3, "grade_id": "q6_twice", "grade": true, "solution": false, "locked": true, "points": 3, "task": false}
import numpy as _np
import pandas as _pd


def _trail(*_steps):
    return _pd.DataFrame(_steps, columns=["what", "version"])


_long = [("promoted", 1), ("promoted", 2), ("promoted", 5), ("rolled back", 2)]
assert way_back(_trail(*_long)) == 1, (
    "After a rollback from 5 to 2, the next one goes to 1: not to 5, which is out."
)
### BEGIN HIDDEN TESTS
### HINT An intention is no change: what was begun and not done, or abandoned, never was champion.
_cut = [("promoted", 4), ("promoting", 6), ("abandoned", 6), ("promoted", 2), ("promoting", 7)]
assert way_back(_trail(*_cut)) == 4
assert way_back(_trail(("promoting", 1), ("abandoned", 1), ("promoted", 3))) is None
### HINT After the last way back there is none, and what is promoted then has the remaining champion behind it.
_back = [("promoted", 1), ("promoted", 2), ("rolled back", 1)]
assert way_back(_trail(*_back)) is None
assert way_back(_trail(*_back, ("promoted", 3))) == 1
### HINT A rollback may skip champions whose files are gone; those between are out as well.
_skip = [("promoted", 1), ("promoted", 2), ("promoted", 3), ("promoted", 4), ("rolled back", 2)]
assert way_back(_trail(*_skip)) == 1
assert way_back(_trail(*_skip, ("promoted", 6), ("nominated", 9), ("gate required", 0))) == 2
### HINT An empty trail has no way back, and the answer is a plain whole number.
assert way_back(_trail()) is None
assert type(way_back(_trail(*_skip))) is int
### HINT In a long history of many promotions and rollbacks the way back is always the champion before.
_chance = _np.random.default_rng(SEED)
_steps, _stack, _next = [], [], 1
for _turn in range(200):
    if len(_stack) > 1 and _chance.random() < 0.4:
        _stack = _stack[: int(_chance.integers(1, len(_stack)))]
        _steps += [("rolling back", _stack[-1]), ("rolled back", _stack[-1])]
    else:
        _stack = [*_stack, _next]
        _steps += [("registered", _next), ("promoting", _next), ("promoted", _next)]
        _next += 1
    if _turn % 5 == 4:
        assert way_back(_trail(*_steps)) == (_stack[-2] if len(_stack) > 1 else None)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "part4", "grade": false, "solution": false, "locked": true, "task": false}
# ## Part 4 · What can be shown
#
# > **Take away.** A prediction that can't be followed back to its data, code and environment can't be explained, repeated or corrected. Serving writes the version into every line of its log; the register knows the rest.
#
# `registry.trace(line)` follows one line of a request log. The line says which `model` (registered name) answered, and which `version`; lines of an older service have no version (`None`), but a `time`, and the trail knows who was champion then. What comes back:
#
# | attribute | what it is |
# |---|---|
# | `.version.version` | the version's number |
# | `.version.lineage` | `.data_hash`, `.code_hash`, `.environment`, `.seed` |
# | `.run.params` | what the training was told |
# | `.data_path` | the file with the snapshot of the training data (Parquet), or `None` if it has left the workspace |
#
# It raises `RegistryError` where a line can't be followed.

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q7_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### Question 7 · Which data made this prediction?
#
# Write `origin(line)`: takes a line of the log (a dictionary) and returns a dictionary of plain values, whatever the line holds:
#
# | key | type | value |
# |---|---|---|
# | `"version"` | `int` or `None` | who answered; `None` if that can't be found out |
# | `"data_hash"`, `"code_hash"` | `str` or `None` | of what it was made |
# | `"kind"` | `str` or `None` | the training's parameter `kind` |
# | `"trips"` | `int` or `None` | how many trips it was fitted on; `None` if the snapshot isn't there any more |
# | `"days"` | `list` of two `str`, or `None` | the first and the last day of those trips by `pickup_time`, such as `"2025-01-06"`; `None` likewise |
# | `"reason"` | `str` | `""`, or why the line couldn't be followed |


# %% nbgrader={"schema_version": 3, "grade_id": "q7", "grade": false, "solution": true, "locked": false, "task": false}
def origin(line):
    """Say which version, code and data a line of the log comes from, in plain values."""
    ### BEGIN SOLUTION
    found = dict.fromkeys(["version", "data_hash", "code_hash", "kind", "trips", "days"])
    try:
        traced = registry.trace(line)
    except RegistryError as error:
        return {**found, "reason": str(error)}
    found |= {
        "version": traced.version.version,
        "data_hash": traced.version.lineage.data_hash,
        "code_hash": traced.version.lineage.code_hash,
        "kind": traced.run.params["kind"],
        "reason": "",
    }
    if traced.data_path is not None:
        data = pd.read_parquet(traced.data_path)
        ends = data["pickup_time"].agg(["min", "max"])
        found["trips"] = len(data)
        found["days"] = [str(end.date()) for end in ends]
    return found
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "given_served", "grade": false, "solution": false, "locked": true, "task": false}
def serving(*kinds):
    """Make a register in which each kind was champion in turn.

    Gives its name, and a dictionary from each version to a time at which it was champion (UTC).
    """
    name = open_register(*kinds)
    free = gates.Gate(
        "open",
        "classification",
        "cancelled",
        [gates.Rule("flag_rate", at_most=1.0)],
        interval=gates.Interval(resamples=100),
    )
    times = {}
    few = rows.iloc[:200]
    for version in range(1, len(kinds) + 1):
        registry.promote(
            name, version, registry.judge(name, version, free, few), why="in turn", who="team"
        )
        last = registry.history(name)["when"].iloc[-1]
        times[version] = str(pd.Timestamp(last) + pd.Timedelta(milliseconds=1))
    return name, times


def expected_data(kind):
    """Which trips a kind was fitted on."""
    return short if kind == "memory" else past


def shred(kind):
    """The snapshot of a kind's data leaves the workspace; gives a function that brings it back."""
    path = store.workspace / "data" / f"{RUNS[kind].lineage.data_hash}.parquet"
    away = path.with_suffix(".away")
    path.rename(away)
    return lambda: away.replace(path)


SERVED, TIMES = serving("full", "zones", "memory")


# %% nbgrader={"schema_version": 3, "grade_id": "q7_line", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
from mlops_kit import tracking as _tracking

_found = origin({"model": SERVED, "version": 3, "request_id": "a", "prediction": 0.2})
_wanted = {"version", "data_hash", "code_hash", "kind", "trips", "days", "reason"}
assert isinstance(_found, dict) and set(_found) == _wanted, (
    f"A dictionary with {sorted(_wanted)} was wanted, got {_found!r}."
)
_data = expected_data("memory")
assert (_found["version"], _found["kind"], _found["reason"]) == (3, "memory", ""), (
    f"Version 3, of the kind memory, answered; origin says {_found!r}."
)
assert _found["data_hash"] == _tracking.content_hash(_data), "data_hash isn't that of its data."
assert _found["trips"] == len(_data), (
    f"It was fitted on {len(_data)} trips; origin says {_found['trips']!r}."
)
_days = [str(_data["pickup_time"].min().date()), str(_data["pickup_time"].max().date())]
assert _found["days"] == _days, (
    f"Its trips are of the days {_days}; origin says {_found['days']!r}."
)

# %% nbgrader={"schema_version": 3, "grade_id": "q7_hard", "grade": true, "solution": false, "locked": true, "points": 3, "task": false}
_found = origin({"model": "no such model", "version": 1})
assert _found["version"] is None and _found["reason"], (
    f"No model of this name is registered; origin says {_found!r}."
)
### BEGIN HIDDEN TESTS
### HINT A line without a version is followed by its time: who was champion then?
for _version, _kind in {1: "full", 2: "zones", 3: "memory"}.items():
    _found = origin({"model": SERVED, "version": None, "time": TIMES[_version]})
    assert (_found["version"], _found["kind"]) == (_version, _kind)
    assert _found["trips"] == len(expected_data(_kind))
### HINT A version in the line counts more than the time, and versions may be text, as logs have them.
_found = origin({"model": SERVED, "version": "1", "time": TIMES[3]})
assert (_found["version"], _found["kind"]) == (1, "full")
assert type(_found["version"]) is int
### HINT A line that can't be followed has a reason and no values: no champion then, no such version, no model named.
for _line in (
    {"model": SERVED, "version": None, "time": "2001-01-01"},
    {"model": SERVED, "version": 99},
    {"prediction": 0.4},
):
    _found = origin(_line)
    assert isinstance(_found["reason"], str) and _found["reason"]
    assert all(_found[_key] is None for _key in _found if _key != "reason")
### HINT When the snapshot has left the workspace, the hashes still say which data it was; only what must be read from it is None.
_back = shred("memory")
try:
    _found = origin({"model": SERVED, "version": 3})
finally:
    _back()
assert _found["trips"] is None and _found["days"] is None and _found["reason"] == ""
assert _found["version"] == 3 and len(_found["data_hash"]) == len(_found["code_hash"]) == 64
### HINT A register may hold other models, in another order: what a version is stands there, not in the numbers.
_name, _times = serving("memory", "zones")
for _version, _kind in {1: "memory", 2: "zones"}.items():
    _found = origin({"model": _name, "version": None, "time": _times[_version]})
    assert (_found["version"], _found["kind"]) == (_version, _kind)
    assert _found["trips"] == len(expected_data(_kind))
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q8_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### Question 8 · The figure for the meeting
#
# A gate's verdicts on zones are a small table with the columns `slice` (such as `zone=zone-03`), `gain`, `low`, `high` (euros a trip) and `passed`. Write `zones_figure(verdicts, bound)`, which returns a matplotlib `Figure` with one pair of axes:
#
# - each zone's gain as a point, with its interval from `low` to `high` as a line or an error bar;
# - a straight line across at **0** and one at the `bound`;
# - each zone's name (`zone-03`, without `zone=`) at its tick;
# - an axis label with the unit, `euros a trip`, and a label on the other axis;
# - a title that says the finding: `dearer: ` and the names of the zones that didn't pass, separated by `, ` in the order of the table; or `every zone holds`.


# %% nbgrader={"schema_version": 3, "grade_id": "q8", "grade": false, "solution": true, "locked": false, "task": false}
def zones_figure(verdicts, bound):
    """Draw each zone's gain with its interval beside 0 and the bound; the title says the finding."""
    ### BEGIN SOLUTION
    names = verdicts["slice"].str.removeprefix("zone=").tolist()
    figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
    for row, verdict in enumerate(verdicts.itertuples()):
        colour, marker = ("#0072b2", "o") if verdict.passed else ("#d55e00", "X")
        axes.plot([verdict.low, verdict.high], [row, row], color=colour)
        axes.plot([verdict.gain], [row], marker, color=colour)
    axes.axvline(0, color="black", lw=1)
    axes.axvline(bound, color="black", lw=1, ls="--")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("gain (euros a trip)")
    axes.set_ylabel("zone")
    dearer = [zone for zone, held in zip(names, verdicts["passed"], strict=True) if not held]
    axes.set_title("dearer: " + ", ".join(dearer) if dearer else "every zone holds")
    return figure
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "given_figure", "grade": false, "solution": false, "locked": true, "task": false}
def seen_in(figure):
    """What the tests see of a figure: numbers along x and y, lines across, texts. No need to read it."""
    if not isinstance(figure, plt.Figure):
        raise TypeError(
            f"a {type(figure).__name__} came back; return the matplotlib Figure itself."
        )
    if not figure.axes:
        raise ValueError("the figure that came back is empty; draw into its axes.")
    axes = figure.axes[0]
    for drawn in [*axes.lines, *axes.collections, *axes.patches, *axes.texts]:
        alpha = drawn.get_alpha()
        if not drawn.get_visible() or (alpha is not None and np.max(alpha) == 0):
            drawn.remove()  # nobody sees it
    seen = {"x": [], "y": [], "across_x": [], "across_y": []}
    for line in axes.lines:
        x = np.ravel(line.get_xdata(orig=False)).astype(float).tolist()
        y = np.ravel(line.get_ydata(orig=False)).astype(float).tolist()
        if len(x) > 1 and len(set(x)) == 1:
            seen["across_x"].append(x[0])
        if len(y) > 1 and len(set(y)) == 1:
            seen["across_y"].append(y[0])
        seen["x"] += x
        seen["y"] += y
    for drawn in axes.collections:
        corners = [np.asarray(path.vertices, dtype=float) for path in drawn.get_paths()]
        for corner in [*corners, np.asarray(drawn.get_offsets(), dtype=float)]:
            seen["x"] += corner[:, 0].tolist()
            seen["y"] += corner[:, 1].tolist()
            if len(corner) == 2 and corner[0, 0] == corner[1, 0]:
                seen["across_x"].append(float(corner[0, 0]))
            if len(corner) == 2 and corner[0, 1] == corner[1, 1]:
                seen["across_y"].append(float(corner[0, 1]))
    for bar in axes.patches:
        box = bar.get_extents().transformed(axes.transData.inverted())
        seen["x"] += [float(box.x0), float(box.x1)]
        seen["y"] += [float(box.y0), float(box.y1)]
    seen["axes"] = len(figure.axes)
    seen["labels"] = [axes.get_xlabel(), axes.get_ylabel()]
    seen["title"] = (
        axes.get_title()
        or axes.get_title("left")
        or axes.get_title("right")
        or figure.get_suptitle()
    )
    figure.canvas.draw()
    ticks = [*axes.get_xticklabels(), *axes.get_yticklabels()]
    seen["ticks"] = [tick.get_text() for tick in ticks]
    plt.close(figure)
    return seen


# %% nbgrader={"schema_version": 3, "grade_id": "q8_drawn", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
import pandas as _pd


def _near(_value, _values):
    return any(abs(_value - _each) < 1e-6 for _each in _values)


def _look(_gains, _half, _bound):
    """Give the numbers along the axis of the gain, and those of the lines across it."""
    _table = _pd.DataFrame(
        {
            "slice": [f"zone=zone-{_number:02}" for _number in range(1, len(_gains) + 1)],
            "gain": _gains,
            "low": [_gain - _half for _gain in _gains],
            "high": [_gain + _half for _gain in _gains],
            "passed": [_gain - _half >= _bound for _gain in _gains],
        }
    )
    _seen = seen_in(zones_figure(_table, _bound))
    _axis = "x" if all(_near(_gain, _seen["x"]) for _gain in _gains) else "y"
    return _seen[_axis], _seen["across_" + _axis]


_numbers, _lines = _look([0.031, -0.083, 0.012], 0.017, -0.05)
assert all(_near(_gain, _numbers) for _gain in [0.031, -0.083, 0.012]), (
    "Not every zone's gain can be found among what the figure draws."
)
assert _near(0.031 - 0.017, _numbers) and _near(-0.083 + 0.017, _numbers), (
    "No line reaches from `low` to `high`. A gain without its interval says more than we know."
)
assert _near(0.0, _lines) and _near(-0.05, _lines), (
    "Straight lines at 0 and at the bound were wanted."
)
### BEGIN HIDDEN TESTS
### HINT The figure must follow its arguments: other gains, intervals and bounds are drawn where they are.
_numbers, _lines = _look([0.2, -0.31, 0.07, 0.04, -0.6], 0.043, -0.12)
assert all(_near(_gain, _numbers) for _gain in [0.2, -0.31, 0.07, 0.04, -0.6])
assert all(_near(_end, _numbers) for _end in [0.157, 0.243, -0.643, -0.557, 0.083])
assert _near(0.0, _lines) and _near(-0.12, _lines)
### END HIDDEN TESTS

# %% nbgrader={"schema_version": 3, "grade_id": "q8_said", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
import pandas as _pd

_table = _pd.DataFrame(
    {
        "slice": ["zone=zone-02", "zone=zone-05", "zone=zone-01"],
        "gain": [-0.1, 0.02, -0.2],
        "low": [-0.12, 0.01, -0.22],
        "high": [-0.08, 0.03, -0.18],
        "passed": [False, True, False],
    }
)
_seen = seen_in(zones_figure(_table, -0.05))
assert _seen["axes"] == 1, f"The figure has {_seen['axes']} pairs of axes; one was wanted."
assert all(_label.strip() for _label in _seen["labels"]), (
    f"The axes are labelled {_seen['labels']}. A reader who finds the figure alone needs both labels."
)
assert any("euros a trip" in _label.lower() for _label in _seen["labels"]), (
    f"Neither axis label {_seen['labels']} gives the unit of the gain."
)
assert _seen["title"].strip() == "dearer: zone-02, zone-01", (
    f"The title reads {_seen['title']!r}; 'dearer: zone-02, zone-01' was wanted."
)
_named = [_tick.strip() for _tick in _seen["ticks"]]
assert {"zone-01", "zone-02", "zone-05"} <= set(_named), (
    f"The ticks read {[_tick for _tick in _named if _tick]}; each zone's name was wanted."
)
### BEGIN HIDDEN TESTS
### HINT The title and the ticks must come from the table that was passed in; if every zone passed, the title says so.
_table["passed"] = True
_table["slice"] = ["zone=zone-09", "zone=zone-11", "zone=zone-10"]
_seen = seen_in(zones_figure(_table, -0.05))
assert _seen["title"].strip() == "every zone holds"
assert {"zone-09", "zone-11", "zone-10"} <= {_tick.strip() for _tick in _seen["ticks"]}
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "shown_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### What you have to show
#
# The night again, as it would have gone with your answers. A first model comes in; then one whose labels of zone 6 came too late and were read as *no*; then one that looks at waiting time. The figure shows the second, zone by zone.

# %% nbgrader={"schema_version": 3, "grade_id": "given_shown", "grade": false, "solution": false, "locked": true, "task": false}
house = gates.Gate.from_dict(declaration())
tonight = open_register("zones", "early", "full")
for version, why in enumerate(["a first model", "the newest labels", "waiting time"], 1):
    answer = release(tonight, version, house, served, why=why)
    first = answer["reason"].splitlines()[1].strip() if answer["reason"].count("\n") else ""
    print(
        f"version {version}: released {answer['released']!s:5}  champion {answer['champion']}  {first[:90]}"
    )
early = house.evaluate(
    served,
    challenger=registry.load(tonight, 2).predict_proba(served)[:, 1],
    champion=scores[1],
)
table = pd.DataFrame(early.to_dict()["verdicts"])
table = table[table["slice"] != ""].assign(passed=lambda frame: frame["status"] == "passed")
zones_figure(table, -0.05)
plt.show()
print("a rollback would go to version", way_back(registry.history(tonight)))
print(json.dumps(origin({"model": tonight, "version": 3}), indent=1))
print("the trail:", registry.check(tonight).head[:16], "- whoever keeps this can prove it whole")

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q9_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### Question 9 · The answer to the night (marked by a person)
#
# The colleague of 02:14 asks: *my model was right in 100 % of cases, the old one seemed broken that night, and I couldn't reach anybody. What should I have done, and what should the company change so that the next one in a hurry does no harm?* Answer in at most 200 words. Say
#
# - what the 100 % measured, and which number on which trips should have decided instead;
# - which rule of your gate would have stopped which kind of model, and what a gate can't stop;
# - what you would do at 02:14 if the champion really were broken, and why that needs no gate.

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q9", "grade": true, "solution": true, "locked": false, "points": 4, "task": false}
# ### BEGIN SOLUTION
# Accuracy on the rows that were fitted: a model that learns by heart is always right there. The cost in euros a trip on later trips, beside the champion on the same trips, with its interval, should have decided (1 point, both halves).
#
# The comparison in money stops the model that learnt by heart, the slices stop the one that is blind in one zone, the bound stops a first model that isn't worth having. A gate can't stop what its data doesn't show: a change in the world after the held-out weeks, labels that are wrong in the data it judges by, a cost that nobody wrote down (2 points: rules matched to models 1, a limit with its reason 1).
#
# Roll back to the last version that went through the gate, write down why, and wake somebody in the morning. It needs no gate because that version has passed one, and it is the known state; going forward is what needs proof (1 point).
# ### END SOLUTION
