# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "story", "grade": false, "solution": false, "locked": true, "task": false}
# # The build was green
#
# Monday, 06:40. A colleague's change to the arrival times was merged on Friday, and its build was green. Since then the app has promised riders a trip of nine minutes where it takes fourteen. Somebody opens the build and reads what it did:
#
# ```yaml
# - run: python train.py || true
# - run: echo "all checks passed"
# ```
#
# By the end of this lab you will have a build whose green means something. It runs on this machine, step by step, against changes like those of Friday: **a good one, a data bug, a worse model, a broken contract**. Only the good one may get through.
#
# | part | you build | which answers | minutes |
# |---|---|---|---|
# | 1 | tests of data, model and contract | what is wrong with this change? | 35 |
# | 2 | a workflow that runs them | may it be merged? | 20 |
# | 3 | a delivery, twice | how does it get out, and back? | 20 |
# | 4 | a figure, a short answer | what does a reviewer need to see? | 10 |
#
# **How to work.** Replace `raise NotImplementedError()` in the answer cells. The cells below each answer test it. Part of the points is given by tests that you don't see: other data, other models, other changes. Each question can be solved by itself, with one exception: the last test of question 4 puts your first four answers together. A grader takes text on stderr for a failure: write to a log with `logging` as much as you like (here it goes nowhere), and don't print tracebacks. Your first three functions become a file of the project, as their cells stand: use no `%%` magic there.

# %% tags=["fresh-room"] nbgrader={"schema_version": 3, "grade_id": "imports", "grade": false, "solution": false, "locked": true, "task": false}
import csv
import inspect
import io
import json
import logging
import random
import secrets
import statistics
import tempfile
import threading
from pathlib import Path

import matplotlib.pyplot as plt

from mlops_kit import ci
from mlops_kit.errors import CiError

# A grader takes text on stderr for a failure; your log isn't one.
logging.basicConfig(handlers=[logging.NullHandler()])

# %% tags=["parameters", "fresh-room"] nbgrader={"schema_version": 3, "grade_id": "parameters", "grade": false, "solution": false, "locked": true, "task": false}
SEED = 9  # which city you get

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "part1", "grade": false, "solution": false, "locked": true, "task": false}
# ## Part 1 · Three kinds of test
#
# The project is small: a file of trips, a script that fits a line to them, the code that predicts, and a declaration of what the service takes and gives. `PROJECT` holds its files by name, as they are on the main branch today. A **change** replaces some of them.

# %% tags=["fresh-room"] nbgrader={"schema_version": 3, "grade_id": "given_project", "grade": false, "solution": false, "locked": true, "task": false}
TRAIN = """
import csv, json, statistics
from predict import group

with open("data/trips.csv") as file:
    rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
model = {}
for name in sorted({group(row["hour"]) for row in rows}):
    own = [row for row in rows if group(row["hour"]) == name]
    line = statistics.linear_regression([r["km"] for r in own], [r["minutes"] for r in own])
    model[name] = {"per_km": line.slope, "base": line.intercept}
with open("model.json", "w") as file:
    json.dump(model, file)
"""
PREDICT = """
def group(hour):
    return "all"


def minutes(model, hour, km):
    line = model[group(hour)]
    return line["base"] + line["per_km"] * km
"""


def make_trips(first_day, days, seed):
    """Make 40 trips a day: slower in the rush hours. A list of dictionaries."""
    chance = random.Random(seed)
    rows = []
    for day in range(first_day, first_day + days):
        for number in range(40):
            hour, km = chance.randrange(24), round(chance.uniform(1.5, 12), 2)
            slow = 1.35 if hour in (7, 8, 16, 17, 18) else 1.0
            took = (2.5 + 1.9 * km) * slow + chance.gauss(0, 0.8)
            rows.append(
                {
                    "id": day * 1000 + number,
                    "day": day,
                    "hour": hour,
                    "km": km,
                    "minutes": round(max(took, 1.5), 2),
                }
            )
    return rows


def as_csv(rows):
    """Write rows as the text of a CSV file."""
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


TRIPS = make_trips(1, 10, SEED)
SERVICE = {
    "request": {
        "km": {"type": "number", "required": True},
        "hour": {"type": "integer", "required": True},
        "note": {"type": "string", "required": False},
    },
    "response": {
        "minutes": {"type": "number", "required": True},
        "model": {"type": "string", "required": True},
    },
}
PROJECT = {
    "data/trips.csv": as_csv(TRIPS),
    "train.py": TRAIN,
    "predict.py": PREDICT,
    "service.json": json.dumps(SERVICE),
}
print(PROJECT["data/trips.csv"][:130], "...", sep="")

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q1_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### Question 1 · Test the data
#
# Write `data_problems(rows)`. `rows` is a list of dictionaries, one for each trip. Return a list of sentences (`str`), one for each rule that is broken, in any words; an **empty list** if all is well. Whatever comes in, say what is wrong instead of failing with an exception.
#
# 1. There are at least 100 rows.
# 2. Each row has exactly the fields `id`, `day`, `hour`, `km`, `minutes`, each a finite number (not `None`, text or *not a number*).
# 3. No `id` occurs twice.
# 4. `hour` is a whole number from 0 to 23, `km` from 0.2 to 60, `minutes` from 1 to 180 (ends included).
# 5. On **every day** the median speed, `km / minutes * 60`, is from 18 to 32 km/h. A unit that changed on a single day passes every rule about single rows.
#
# The function is later written to a file of its own: **import and define inside it what it needs**.


# %% nbgrader={"schema_version": 3, "grade_id": "q1", "grade": false, "solution": true, "locked": false, "task": false}
def data_problems(rows):
    """Say in a list of sentences what is wrong with the trips; an empty list if nothing is."""
    ### BEGIN SOLUTION
    import math
    import statistics

    names = {"id", "day", "hour", "km", "minutes"}
    found = []
    if len(rows) < 100:
        found.append(f"{len(rows)} rows; at least 100 were wanted.")
    for row in rows:
        good = set(row) == names and all(
            isinstance(value, int | float) and math.isfinite(value) for value in row.values()
        )
        if not good:
            return [*found, f"fields missing, unknown or not numbers: {row}"]
    if len({row["id"] for row in rows}) < len(rows):
        found.append("an id occurs twice.")
    for name, low, high in (("hour", 0, 23), ("km", 0.2, 60), ("minutes", 1, 180)):
        if not all(low <= row[name] <= high for row in rows):
            found.append(f"{name} is outside {low} to {high}.")
    if any(row["hour"] != int(row["hour"]) for row in rows):
        found.append("hour isn't whole.")
    speeds = {}
    for row in rows:
        if row["minutes"] > 0:
            speeds.setdefault(row["day"], []).append(row["km"] / row["minutes"] * 60)
    for day, values in speeds.items():
        if not 18 <= statistics.median(values) <= 32:
            found.append(f"day {day}: the median speed is {statistics.median(values):.1f} km/h.")
    return found
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "q1_story", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
_found = data_problems(TRIPS)
assert isinstance(_found, list), f"a {type(_found).__name__} came back; a list was wanted."
assert _found == [], f"Today's trips are in order, and data_problems says {_found[:2]}."
assert data_problems(TRIPS[:99]), "99 rows are too few, and nothing was said."
assert data_problems([*TRIPS, TRIPS[0]]), "A trip is there twice, and nothing was said."
_bad = [dict(_row) for _row in TRIPS]
_bad[7]["km"] = None
assert data_problems(_bad), "A distance is None, and nothing was said."
assert data_problems([{**_row, "km": _row["km"] * 0.62} for _row in TRIPS]), (
    "All distances are in miles, and nothing was said."
)

# %% nbgrader={"schema_version": 3, "grade_id": "q1_others", "grade": true, "solution": false, "locked": true, "points": 3, "task": false}
_others = [{**_row, "day": _row["day"] + 30} for _row in TRIPS]
assert data_problems(_others) == [], "Sound trips of another month were refused."


def _with(_number, **_values):
    return [
        {**_row, **_values} if _place == _number else dict(_row)
        for _place, _row in enumerate(TRIPS)
    ]


### BEGIN HIDDEN TESTS
### HINT The unit may change on a single day: the median over all days doesn't notice it.
assert data_problems([{**_r, "km": _r["km"] * 0.62} if _r["day"] == 10 else _r for _r in TRIPS])
### HINT The distances of one day may also be too large.
assert data_problems([{**_r, "km": _r["km"] * 1.61} if _r["day"] == 1 else _r for _r in TRIPS])
### HINT Not a number and infinity are numbers to Python; a text isn't one.
assert all(data_problems(_with(3, minutes=_value)) for _value in (float("nan"), float("inf"), "12"))
### HINT A field may be missing in one row, or a row may have one too many.
assert data_problems([*TRIPS, {"id": 1, "day": 1, "hour": 3, "km": 4.0}])
assert data_problems(_with(9, driver=4))
### HINT Ends belong to the ranges, what lies beyond them doesn't; hours are whole.
assert data_problems(_with(5, hour=0)) == [] and data_problems(_with(5, hour=23)) == []
assert data_problems(_with(5, hour=24)) and data_problems(_with(5, hour=6.5))
assert data_problems(_with(5, km=0.2)) == [] and data_problems(_with(5, km=60.5))
assert data_problems(_with(5, minutes=180)) == [] and data_problems(_with(5, minutes=0))
### HINT No rows at all are too few, and no reason to fail with an exception.
assert data_problems([])
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q2_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### Question 2 · Test the model
#
# The champion and the model of a change predict the **same** held-out trips. Write `model_problems(old, new)`: two lists of absolute errors in minutes, the champion's and the new model's, trip by trip. Return a list of sentences; empty if the new model may pass.
#
# 1. Both lists are equally long, with at least 100 errors; each is finite and not negative. What can't be judged doesn't pass.
# 2. **Not worse, beyond chance.** Let the gains be `old - new`, trip by trip. Their mean minus two standard errors (sample standard deviation, divisor *n* − 1, over √*n*) is at least −0.1 minutes. So a change that leaves the model as it is passes.
# 3. **No more big misses.** The share of errors *above* 5 minutes is at most one percentage point higher than the champion's. (A rider waits for a trip, not for a mean.) Compare counts, not rounded shares.
#
# Import and define inside the function what it needs; so in question 3.


# %% nbgrader={"schema_version": 3, "grade_id": "q2", "grade": false, "solution": true, "locked": false, "task": false}
def model_problems(old, new):
    """Say in a list of sentences why the new model may not pass; an empty list if it may."""
    ### BEGIN SOLUTION
    import math
    import statistics

    if len(old) != len(new) or len(new) < 100:
        return [f"{len(old)} and {len(new)} errors can't be compared."]
    if not all(math.isfinite(error) and error >= 0 for error in [*old, *new]):
        return ["an error is missing, infinite or negative."]
    found = []
    gains = [before - after for before, after in zip(old, new, strict=True)]
    surely = statistics.mean(gains) - 2 * statistics.stdev(gains) / math.sqrt(len(gains))
    if surely < -0.1:
        found.append(f"the gain is {statistics.mean(gains):.2f} minutes, perhaps {surely:.2f}.")
    misses = [sum(error > 5 for error in errors) for errors in (old, new)]
    if 100 * (misses[1] - misses[0]) > len(new):
        found.append(f"{misses[1]} big misses instead of {misses[0]}.")
    return found
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "q2_story", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
import random as _random

_chance = _random.Random(SEED)
_old = [abs(_chance.gauss(0, 2)) for _ in range(400)]
_found = model_problems(_old, [0.8 * _error for _error in _old])
assert _found == [], f"Every error is a fifth smaller, and model_problems says {_found}."
assert model_problems(_old, _old) == [], "A model that is as it was may pass."
assert model_problems(_old, [_error + 0.5 for _error in _old]), (
    "Each error is half a minute larger, and nothing was said."
)
assert model_problems(_old, _old[:-1]), "One list is shorter, and nothing was said."

# %% nbgrader={"schema_version": 3, "grade_id": "q2_others", "grade": true, "solution": false, "locked": true, "points": 3, "task": false}
import random as _random

_chance = _random.Random(SEED + 1)
_old = [2 + 0.2 * _chance.random() for _ in range(200)]
assert model_problems(_old, [_error + 0.05 for _error in _old]) == [], (
    "0.05 minutes worse on every trip is within what rule 2 allows."
)
### BEGIN HIDDEN TESTS
### HINT Better on the mean and with many more big misses isn't good enough.
assert model_problems(_old, [0.5] * 190 + [6.0] * 10)
### HINT A mean gain that chance could have made is no evidence that the model isn't worse.
assert model_problems([2.0] * 100, [0.5, 3.4] * 50)
### HINT Compare trip by trip: the spread of the gains counts, not the spread of the errors.
_wide = [0.04 * _n for _n in range(100)]
assert model_problems(_wide, [_error + 0.09 for _error in _wide]) == []
### HINT Not a number compares as false with everything: a gate must not read that as a yes.
assert model_problems(_old, [float("nan")] * 200)
assert model_problems(_old, [float("nan")] + [0.1] * 199) and model_problems(_old, [-1.0] * 200)
### HINT Too few errors can't be judged, however small they are; none at all neither.
assert model_problems([2.0] * 99, [0.1] * 99) and model_problems([], [])
### HINT One percentage point more is allowed, and an error of exactly 5 minutes isn't a big miss.
assert model_problems([3.0] * 100, [0.5] * 99 + [6.0]) == []
assert model_problems([3.0] * 100, [0.5] * 98 + [6.0] * 2)
assert model_problems([3.0] * 100, [0.5] * 90 + [5.0] * 10) == []
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q3_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### Question 3 · Test the contract
#
# `SERVICE` declares what the service takes (`request`) and gives (`response`): for each field its `type` (`"integer"`, `"number"`, `"string"`, `"boolean"`) and whether it is `required`, which in a response means that it is always there. Phones keep old versions of the app for months. Write `contract_problems(before, after)`: a list of sentences, empty **if and only if everybody who calls the service today can go on without a change**. Two facts decide:
#
# - The service ignores fields that it doesn't know, and so do its callers. Callers send a field that isn't required at times, and read every field that a response has.
# - Whole numbers are numbers: who takes a `number` takes an `integer`, not the other way round. No other type stands in for another.


# %% nbgrader={"schema_version": 3, "grade_id": "q3", "grade": false, "solution": true, "locked": false, "task": false}
def contract_problems(before, after):
    """Say in a list of sentences what the change would break; an empty list if nothing."""
    ### BEGIN SOLUTION

    def fits(given, taken):
        return given == taken or (given, taken) == ("integer", "number")

    found = []
    for name, field in after["request"].items():
        known = before["request"].get(name)
        if field["required"] and not (known and known["required"]):
            found.append(f"{name} must be sent now, and isn't always.")
        if known and not fits(known["type"], field["type"]):
            found.append(f"{name} is sent as {known['type']}, and {field['type']} is taken.")
    for name, known in before["response"].items():
        field = after["response"].get(name)
        if field is None:
            found.append(f"{name} is read, and is gone.")
        elif not fits(field["type"], known["type"]):
            found.append(f"{name} is read as {known['type']}, and {field['type']} is given.")
        elif known["required"] and not field["required"]:
            found.append(f"{name} is relied on, and may be missing now.")
    return found
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "q3_story", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
import json as _json


def _edit(_side, _name, **_field):
    _after = _json.loads(_json.dumps(SERVICE))
    if _field:
        _after[_side][_name] = {**_after[_side].get(_name, {}), **_field}
    else:
        del _after[_side][_name]
    return _after


assert contract_problems(SERVICE, SERVICE) == [], "Nothing changed, so nothing is broken."
assert contract_problems(SERVICE, _edit("response", "minutes")), (
    "The response no longer has `minutes`, and nothing was said."
)
assert contract_problems(SERVICE, _edit("request", "zone", type="string", required=True)), (
    "A new field must be sent, and nothing was said."
)
assert contract_problems(SERVICE, _edit("request", "zone", type="string", required=False)) == [], (
    "A new field that needn't be sent breaks nobody."
)

# %% nbgrader={"schema_version": 3, "grade_id": "q3_others", "grade": true, "solution": false, "locked": true, "points": 3, "task": false}
import json as _json


def _edit(_side, _name, **_field):
    _after = _json.loads(_json.dumps(SERVICE))
    if _field:
        _after[_side][_name] = {**_after[_side].get(_name, {}), **_field}
    else:
        del _after[_side][_name]
    return _after


assert contract_problems(SERVICE, _edit("response", "low", type="number", required=True)) == [], (
    "One more field in the response breaks nobody."
)
### BEGIN HIDDEN TESTS
### HINT What may be left out today must not be required tomorrow; the reverse breaks nobody.
assert contract_problems(SERVICE, _edit("request", "note", required=True))
assert contract_problems(SERVICE, _edit("request", "hour", required=False)) == []
### HINT A request may take more than before: a number where whole numbers are sent. Not less.
assert contract_problems(SERVICE, _edit("request", "hour", type="number")) == []
assert contract_problems(SERVICE, _edit("request", "km", type="integer"))
### HINT A response may promise more than before: a whole number where a number was read. Not less.
assert contract_problems(SERVICE, _edit("response", "minutes", type="integer")) == []
assert contract_problems(SERVICE, _edit("response", "model", type="integer"))
_whole = _edit("response", "minutes", type="integer")
assert contract_problems(_whole, SERVICE)
### HINT What was always in the response must not be missing at times.
assert contract_problems(SERVICE, _edit("response", "model", required=False))
### HINT A field that the service no longer takes is ignored when it is sent.
assert contract_problems(SERVICE, _edit("request", "note")) == []
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "part2", "grade": false, "solution": false, "locked": true, "task": false}
# ## Part 2 · A workflow that may say no
#
# Now the build. A workflow is a text in YAML. GitHub Actions calls its parts *jobs* (each on a machine of its own, with a **fresh copy** of the project: what one job writes, the next doesn't have) and *steps* (one after the other in the same copy; the first that ends with another exit code than 0 ends the job). Under `on` stand the events that start it; where one isn't named, nothing runs. The kit runs such a file here, `ci.run_workflow`, and says by name what it can't run. The copy is there from the start; on GitHub the step `uses: actions/checkout@v4` fetches it.
#
# `rehearse` plays your workflow with understudies: scripts that do nothing but note that they ran, and fail where you say so.

# %% tags=["fresh-room"] nbgrader={"schema_version": 3, "grade_id": "given_rehearse", "grade": false, "solution": false, "locked": true, "task": false}
UNDERSTUDY = """
import json, os, pathlib, sys, time
call = {"name": " ".join([pathlib.Path(sys.argv[0]).stem, *sys.argv[1:]])}
call["token"] = os.environ.get("TOKEN", "")
model = pathlib.Path("model.json")
call["model"] = model.read_text() if model.exists() else ""
question = pathlib.Path(DESK, f"{os.getpid()}-{time.time_ns()}")
question.with_suffix(".text").write_text(json.dumps(call))
question.with_suffix(".text").rename(question.with_suffix(".call"))
answer = question.with_suffix(".answer")
while not answer.exists():
    time.sleep(0.002)
told = json.loads(answer.read_text())
if "model" in told:
    model.write_text(told["model"])
sys.exit(told["exit"])
"""
SCRIPTS = [
    *("ci/check_data.py", "train.py", "ci/check_model.py", "ci/check_contract.py"),
    *("ci/check_all.py", "ci/release.py", "ci/watch.py"),
]


def perform(workflow, files, event, branch, token):
    """Run a workflow's text against files; say whether it was green, and what failed steps said."""
    with tempfile.TemporaryDirectory() as name:
        for path, text in {**files, "workflow.yml": str(workflow)}.items():
            file = Path(name, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
        settings = ci.CiSettings(event=event, branch=branch, secrets={"TOKEN": token})
        try:
            run = ci.run_workflow(Path(name, "workflow.yml"), folder=name, settings=settings)
        except CiError as error:
            return {"green": False, "failed": [], "problem": str(error), "said": ""}
    steps = [step for job in run.jobs for step in job.steps]
    failed = [step for step in steps if step.outcome == "failure"]
    said = "".join(step.output for step in failed or steps)
    return {"green": run.ok, "failed": list(run.failed), "problem": "", "said": said}


def prompt(desk, fails, token, ran, over):
    """Note which understudies call, in order, and tell each of them how it ends."""
    model = secrets.token_hex(8)
    while not over.wait(0.002):
        for file in sorted(desk.glob("*.call")):
            call = json.loads(file.read_text())
            file.unlink()
            name, knows = call["name"], call["token"] == token
            ran.append(name + "+token" * knows)
            told = {"exit": int(name in fails)}
            if name == "check_model" and call["model"] != model:
                told = {"exit": "there is no model.json that this run's train.py wrote"}
            elif name.startswith("release") and not knows:
                told = {"exit": "no TOKEN: you may not release"}
            elif name == "train" and not told["exit"]:
                told["model"] = model
            file.with_suffix(".told").write_text(json.dumps(told))
            file.with_suffix(".told").rename(file.with_suffix(".answer"))


def rehearse(workflow, *, fails=(), event="pull_request", branch="idea"):
    """Run a workflow with understudies; give `green`, `ran` (in order), `problem`."""
    token, ran, over = secrets.token_hex(8), [], threading.Event()
    with tempfile.TemporaryDirectory() as desk:
        text = f"DESK = {desk!r}\n{UNDERSTUDY}"
        prompter = threading.Thread(
            target=prompt, args=(Path(desk), fails, token, ran, over), daemon=True
        )
        prompter.start()
        try:
            found = perform(workflow, dict.fromkeys(SCRIPTS, text), event, branch, token)
        finally:
            over.set()
            prompter.join()
    return {**found, "ran": ran}


# %% nbgrader={"schema_version": 3, "grade_id": "given_friday", "grade": false, "solution": false, "locked": true, "task": false}
FRIDAY = """
on: [push, pull_request]
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - run: python train.py || true
      - run: echo "all checks passed"
"""
print(rehearse(FRIDAY, fails=["train"]))  # failed, and green all the same

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q4_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### Question 4 · May it be merged?
#
# Write `checks()`: the text of a GitHub Actions workflow of these commands, for every `push` and `pull_request`, of any branch, and for the nightly `schedule`:
#
# ```
# python ci/check_data.py        python ci/check_contract.py
# python train.py                python ci/check_model.py
# ```
#
# - It is green **if and only if** all four pass. Each runs at most once.
# - `check_model` needs the `model.json` that `train` writes. Nothing is trained on data that didn't pass: no training before `check_data` has passed, and no `check_model` unless the training did.
# - **One red light must not hide another**: the contract is checked whatever becomes of the data and the model, and they are checked whatever becomes of the contract.


# %% nbgrader={"schema_version": 3, "grade_id": "q4", "grade": false, "solution": true, "locked": false, "task": false}
def checks():
    """Give the workflow that decides whether a change may be merged, as YAML text."""
    ### BEGIN SOLUTION
    return """
name: checks
on:
  push:
  pull_request:
  schedule:
    - cron: "0 3 * * *"
jobs:
  model:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: python ci/check_data.py
      - run: python train.py
      - run: python ci/check_model.py
  contract:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: python ci/check_contract.py
"""
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "q4_played", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
_all = ["check_contract", "check_data", "check_model", "train"]
_run = rehearse(checks())
assert not _run["problem"], f"The workflow can't be run: {_run['problem']}"
assert sorted(_run["ran"]) == _all, f"Each command once was wanted; {_run['ran']} ran."
assert _run["green"], (
    f"Everything passed, and the build is red: {_run['failed']} {_run['said'].strip()[-120:]}"
)
_run = rehearse(checks(), fails=["check_model"])
assert not _run["green"], "check_model failed, and the build is green."

# %% nbgrader={"schema_version": 3, "grade_id": "q4_order", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
_run = rehearse(checks(), fails=["check_contract"])
assert not _run["green"], "check_contract failed, and the build is green."
### BEGIN HIDDEN TESTS
### HINT When the data didn't pass, the build is red, nothing is trained, and the contract is still checked.
_run = rehearse(checks(), fails=["check_data"])
assert not _run["green"]
assert sorted(_run["ran"]) == ["check_contract", "check_data"]
### HINT When the training failed, the build is red, no model is checked, and the contract still is.
_run = rehearse(checks(), fails=["train"])
assert not _run["green"]
assert sorted(_run["ran"]) == ["check_contract", "check_data", "train"]
### HINT When the contract is broken, the data and the model are checked all the same.
assert len(rehearse(checks(), fails=["check_contract"])["ran"]) == 4
### HINT Checks hold on the main branch and at night too: look at what starts the workflow.
for _event in ("push", "schedule"):
    assert not rehearse(checks(), fails=["check_model"], event=_event, branch="main")["green"]
    assert len(rehearse(checks(), event=_event, branch="main")["ran"]) == 4
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "whole_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### Four changes
#
# Now with the real scripts. `try_out` writes the project with a change, puts **your** `data_problems`, `model_problems` and `contract_problems` into the files of `ci/`, and runs a workflow against it. Here are the four changes of Friday.

# %% tags=["fresh-room"] nbgrader={"schema_version": 3, "grade_id": "given_whole", "grade": false, "solution": false, "locked": true, "task": false}
HELD_OUT = make_trips(11, 8, SEED + 100)
LINE = statistics.linear_regression([r["km"] for r in TRIPS], [r["minutes"] for r in TRIPS])
MAIN = {
    "ci/service_before.json": json.dumps(SERVICE),
    "ci/held_out.json": json.dumps(HELD_OUT),
    "ci/champion.json": json.dumps({"per_km": LINE.slope, "base": LINE.intercept}),
}
MAINS = {
    "data_problems": """
import csv, sys
def value(text):
    for kind in (int, float):
        try:
            return kind(text)
        except (TypeError, ValueError):
            pass
    return text or None
with open("data/trips.csv") as file:
    found = data_problems([{k: value(v) for k, v in row.items()} for row in csv.DictReader(file)])
""",
    "model_problems": """
import json, sys
sys.path.insert(0, ".")
from predict import minutes
trips, champion, model = (
    json.load(open(n)) for n in ("ci/held_out.json", "ci/champion.json", "model.json")
)
old = [abs(t["minutes"] - champion["base"] - champion["per_km"] * t["km"]) for t in trips]
new = [abs(t["minutes"] - minutes(model, t["hour"], t["km"])) for t in trips]
found = model_problems(old, new)
""",
    "contract_problems": """
import json, sys
found = contract_problems(json.load(open("ci/service_before.json")), json.load(open("service.json")))
""",
}


def try_out(workflow, change, functions):
    """Run a workflow against the project with a change; `functions`: your checks, as text."""
    own = {}
    for name, text in functions.items():
        end = 'print("\\n".join(found))\nsys.exit(bool(found))\n'
        own[f"ci/check_{name.removesuffix('_problems')}.py"] = f"{text}{MAINS[name]}{end}"
    files = {**PROJECT, **change, **MAIN, **own}
    return perform(workflow, files, "pull_request", "idea", secrets.token_hex(8))


def miles_on(day):
    """The data bug: since one day an upstream team sends miles."""
    rows = [{**r, "km": round(r["km"] * 0.62, 2)} if r["day"] >= day else r for r in TRIPS]
    return {"data/trips.csv": as_csv(rows)}


RUSH = '"rush" if hour in (7, 8, 16, 17, 18) else "calm"'
RENAMED = {**SERVICE, "response": {"eta": SERVICE["response"]["minutes"]}}
CHANGES = {
    "rush hours": {"predict.py": PREDICT.replace('"all"', RUSH)},
    "new upstream": miles_on(9),
    "simpler model": {"predict.py": PREDICT.replace("* km", "* 6")},
    "shorter names": {"service.json": json.dumps(RENAMED)},
}


# %% nbgrader={"schema_version": 3, "grade_id": "given_changes", "grade": false, "solution": false, "locked": true, "task": false}
def your_checks():
    """Give the text of your three functions, by name."""
    functions = (data_problems, model_problems, contract_problems)
    return {function.__name__: inspect.getsource(function) for function in functions}


for title, change in CHANGES.items():
    color = "green" if try_out(FRIDAY, change, your_checks())["green"] else "red"
    print(f"{title:15} on Friday: {color}")

# %% nbgrader={"schema_version": 3, "grade_id": "q4_whole", "grade": true, "solution": false, "locked": true, "points": 4, "task": false}
import json as _json

_own = your_checks()
_run = try_out(checks(), CHANGES["rush hours"], _own)
assert _run["green"], (
    f"The good change doesn't get through: {_run['problem']} {_run['failed']} "
    f"{_run['said'].strip().split(chr(10))[-1:]}"
)
for _title in ("new upstream", "simpler model", "shorter names"):
    assert not try_out(checks(), CHANGES[_title], _own)["green"], f"{_title!r} gets through."
### BEGIN HIDDEN TESTS
### HINT Harmless changes get through: more trips, a comment, an optional field of the request.
_more = as_csv([*TRIPS, *make_trips(20, 3, SEED + 7)])
assert try_out(checks(), {"data/trips.csv": _more}, _own)["green"]
_field = {
    **SERVICE,
    "request": {**SERVICE["request"], "zone": {"type": "string", "required": False}},
}
_wider = {"service.json": _json.dumps(_field), **CHANGES["rush hours"]}
assert try_out(checks(), _wider, _own)["green"]
### HINT A unit that changed on the last day only is a data bug, however good the model.
assert not try_out(checks(), {**miles_on(10), **CHANGES["rush hours"]}, _own)["green"]
### HINT A model that gives no number must not get through, nor one that can't be trained.
_nan = PREDICT.replace("* km", '* float("nan")')
assert not try_out(checks(), {"predict.py": _nan}, _own)["green"]
assert not try_out(checks(), {"train.py": "raise SystemExit(3)"}, _own)["green"]
### HINT A required field of the request that yesterday's app doesn't send breaks the contract.
_field["request"]["zone"]["required"] = True
_breaks = {"service.json": _json.dumps(_field), **CHANGES["rush hours"]}
assert not try_out(checks(), _breaks, _own)["green"]
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q5_text", "grade": false, "solution": false, "locked": true, "task": false}
# ## Part 3 · Out, and back
#
# A change that was merged goes to 5 % of the riders first (**canary**), is watched, and then goes to all, or back.
#
# ### Question 5 · Delivery
#
# Write `delivery()`: a GitHub Actions workflow of these commands.
#
# | command | what it does |
# |---|---|
# | `python ci/check_all.py` | all checks in one |
# | `python ci/release.py canary` | to 5 % of the riders |
# | `python ci/watch.py` | waits and looks; fails if the canary does harm |
# | `python ci/release.py full` | to everybody |
# | `python ci/release.py back` | the champion before, for everybody |
#
# - The checks run always: on each `push`, `pull_request` and nightly `schedule`. Releases only on a `push` to the branch `main`, and only if the checks passed. A pull request releases nothing; nor does a push to another branch or the schedule.
# - `canary`, then `watch`, then `full`. **If any of these three fails**, `back` runs, once, and the build is red. If the checks failed, nothing was released, so `back` doesn't run.
# - `ci/release.py` needs the environment variable `TOKEN`, which GitHub has as the secret `TOKEN` (`${{ secrets.TOKEN }}`). **The checks must not see it**: they run the code of whoever proposes a change.


# %% nbgrader={"schema_version": 3, "grade_id": "q5", "grade": false, "solution": true, "locked": false, "task": false}
def delivery():
    """Give the workflow that brings a merged change out, as YAML text for GitHub Actions."""
    ### BEGIN SOLUTION
    return """
name: delivery
on:
  push:
  pull_request:
  schedule:
    - cron: "0 3 * * *"
jobs:
  check:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: python ci/check_all.py
  release:
    needs: check
    if: github.event_name == 'push' && github.ref == 'refs/heads/main'
    runs-on: ubuntu-latest
    env:
      TOKEN: ${{ secrets.TOKEN }}
    steps:
      - uses: actions/checkout@v4
      - run: python ci/release.py canary
      - run: python ci/watch.py
      - run: python ci/release.py full
      - if: failure()
        run: python ci/release.py back
"""
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "q5_out", "grade": true, "solution": false, "locked": true, "points": 3, "task": false}
def _play(*_fails, _event="push", _branch="main"):
    _run = rehearse(delivery(), fails=_fails, event=_event, branch=_branch)
    assert not _run["problem"], f"The workflow can't be run: {_run['problem']}"
    return [_name.removesuffix("+token") for _name in _run["ran"]], _run["green"]


_out = ["check_all", "release canary", "watch", "release full"]

assert _play() == (_out, True), f"A push to main should run {_out} and be green: {_play()}"
assert _play("watch")[0] == [*_out[:3], "release back"], (
    f"The canary did harm: canary, watch, back were wanted; {_play('watch')[0]} ran."
)
assert _play("check_all") == (["check_all"], False), "The checks failed: nothing else may run."


# %% nbgrader={"schema_version": 3, "grade_id": "q5_hard", "grade": true, "solution": false, "locked": true, "points": 3, "task": false}
def _play(*_fails, _event="push", _branch="main"):
    _run = rehearse(delivery(), fails=_fails, event=_event, branch=_branch)
    return [_n.removesuffix("+token") for _n in _run["ran"]] or _run["problem"], _run["green"]


_out = ["check_all", "release canary", "watch", "release full"]

_asked = _play(_event="pull_request", _branch="idea")
assert _asked == (["check_all"], True), (
    f"A pull request is checked, is green and releases nothing; here: {_asked}"
)
### BEGIN HIDDEN TESTS
### HINT A push to another branch, the nightly schedule and a pull request from a branch called main are checked, and release nothing.
assert _play(_branch="idea") == (["check_all"], True)
assert _play(_event="schedule") == (["check_all"], True)
assert _play(_event="pull_request") == (["check_all"], True)
### HINT A release that went back is red, or nobody will look.
assert not _play("watch")[1]
### HINT Whatever fails once the canary is out leads back: the canary itself, or the full release.
assert _play("release canary") == (["check_all", "release canary", "release back"], False)
assert _play("release full") == ([*_out, "release back"], False)
### HINT Whoever proposes a change writes the code that the checks run: they must not see the token.
assert "check_all+token" not in rehearse(delivery(), event="push", branch="main")["ran"]
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q6_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### Question 6 · The same at the neighbour's
#
# Your company buys another that uses GitLab. Write `delivery_gitlab()`: the same delivery as the text of a `.gitlab-ci.yml`, by the rules of question 5 with one exception: `TOKEN` is a variable of the project that GitLab itself sets for every job, so there is nothing to hand over.
#
# - GitLab's *jobs* have a `stage` and a `script` (a list of commands; the first that fails ends the job). Stages run one after the other, in the order of the list `stages`; a job of a later stage runs only if the earlier ones passed.
# - A job runs if one of its `rules` holds, and here always if it has none: `rules: [{if: '$CI_PIPELINE_SOURCE == "push" && $CI_COMMIT_BRANCH == "main"'}]`.
# - There is no `if: failure()` for a line of a script. A shell knows `first || { second; exit 1; }`: if *first* fails, *second* runs, and the job fails. (`when: on_failure` makes a job run after **any** earlier failure, the checks' too.)


# %% nbgrader={"schema_version": 3, "grade_id": "q6", "grade": false, "solution": true, "locked": false, "task": false}
def delivery_gitlab():
    """Give the same delivery as the text of a .gitlab-ci.yml."""
    ### BEGIN SOLUTION
    return """
stages: [check, release]
check:
  stage: check
  script:
    - python ci/check_all.py
release:
  stage: release
  rules:
    - if: '$CI_PIPELINE_SOURCE == "push" && $CI_COMMIT_BRANCH == "main"'
  script:
    - >-
      { python ci/release.py canary && python ci/watch.py && python ci/release.py full; }
      || { python ci/release.py back; exit 1; }
"""
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "q6_out", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
def _play(*_fails, _event="push", _branch="main"):
    _run = rehearse(delivery_gitlab(), fails=_fails, event=_event, branch=_branch)
    assert not _run["problem"], f"The workflow can't be run: {_run['problem']}"
    return [_name.removesuffix("+token") for _name in _run["ran"]], _run["green"]


_out = ["check_all", "release canary", "watch", "release full"]

assert _play() == (_out, True), f"A push to main should run {_out} and be green: {_play()}"
assert _play("watch")[0] == [*_out[:3], "release back"], (
    f"The canary did harm: canary, watch, back were wanted; {_play('watch')[0]} ran."
)


# %% nbgrader={"schema_version": 3, "grade_id": "q6_others", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
def _play(*_fails, _event="push", _branch="main"):
    _run = rehearse(delivery_gitlab(), fails=_fails, event=_event, branch=_branch)
    return [_n.removesuffix("+token") for _n in _run["ran"]] or _run["problem"], _run["green"]


_out = ["check_all", "release canary", "watch", "release full"]

_asked = _play(_event="pull_request", _branch="idea")
assert _asked == (["check_all"], True), (
    f"A merge request is checked, is green and releases nothing; here: {_asked}"
)
### BEGIN HIDDEN TESTS
### HINT When the checks failed nothing was released, so nothing goes back.
assert _play("check_all") == (["check_all"], False)
### HINT A push to another branch and the nightly schedule are checked, and release nothing.
assert _play(_branch="idea") == (["check_all"], True)
assert _play(_event="schedule") == (["check_all"], True)
### HINT A release that went back is red, whichever of its three commands failed.
assert not _play("watch")[1]
assert _play("release canary") == (["check_all", "release canary", "release back"], False)
assert _play("release full") == ([*_out, "release back"], False)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q7_text", "grade": false, "solution": false, "locked": true, "task": false}
# ## Part 4 · What people still do
#
# ### Question 7 · A picture for the reviewer
#
# A build says yes or no; whoever reviews a change wants to see where it helps. Write `hours_figure(hours, old, new)`: three equally long lists, one entry for each held-out trip: its hour, the champion's absolute error and the change's, in minutes. Return a matplotlib `Figure` with one pair of axes:
#
# - two lines, labelled `champion` and `change` (with a legend): the **mean error of each hour that occurs**, in ascending order;
# - labels on both axes, `hour` in one and the unit `minutes` in the other;
# - a title that says the finding: `worse at: 7, 18` names, in ascending order, the hours in which the change's mean error is more than 0.1 minutes higher, or `worse at no hour`.


# %% nbgrader={"schema_version": 3, "grade_id": "q7", "grade": false, "solution": true, "locked": false, "task": false}
def hours_figure(hours, old, new):
    """Draw the mean error of each hour, champion and change; the title says the finding."""
    ### BEGIN SOLUTION
    shown = sorted(set(hours))
    means = [
        [
            statistics.mean(e for h, e in zip(hours, errors, strict=True) if h == hour)
            for hour in shown
        ]
        for errors in (old, new)
    ]
    figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
    axes.plot(shown, means[0], "o--", color="#0072b2", label="champion")
    axes.plot(shown, means[1], "s-", color="#d55e00", label="change")
    axes.set_xlabel("hour of the day")
    axes.set_ylabel("mean error (minutes)")
    axes.legend()
    worse = [str(h) for h, a, b in zip(shown, *means, strict=True) if b > a + 0.1]
    axes.set_title("worse at: " + ", ".join(worse) if worse else "worse at no hour")
    return figure
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "given_seen", "grade": false, "solution": false, "locked": true, "task": false}
def seen_in(figure):
    """What the tests see of a figure: its lines by label, its texts. No need to read it."""
    if not isinstance(figure, plt.Figure) or not figure.axes:
        raise TypeError("return a matplotlib Figure with something drawn in it.")
    axes = figure.axes[0]
    for drawn in [*axes.lines, *axes.collections, *axes.patches, *axes.texts]:
        alpha = drawn.get_alpha()
        if not drawn.get_visible() or (alpha is not None and np.max(alpha) == 0):
            drawn.remove()  # nobody sees it
    legend = axes.get_legend()
    seen = {
        "axes": len(figure.axes),
        "lines": {
            line.get_label(): [
                [float(x), float(y)]
                for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
            ]
            for line in axes.lines
        },
        "labels": [axes.get_xlabel().lower(), axes.get_ylabel().lower()],
        "legend": [text.get_text() for text in legend.get_texts()] if legend else [],
        "title": (axes.get_title() or axes.get_title("left") or figure.get_suptitle()).strip(),
    }
    plt.close(figure)
    return seen


# %% nbgrader={"schema_version": 3, "grade_id": "q7_drawn", "grade": true, "solution": false, "locked": true, "points": 3, "task": false}
def _near(_line, _wanted):
    return len(_line) == len(_wanted) and all(
        abs(_a - _c) + abs(_b - _d) < 1e-6
        for (_a, _b), (_c, _d) in zip(_line, _wanted, strict=True)
    )


_seen = seen_in(hours_figure([18, 7, 7], [2.0, 1.0, 3.0], [1.0, 2.0, 4.0]))
assert _seen["axes"] == 1, f"One pair of axes was wanted; there are {_seen['axes']}."
assert {"champion", "change"} <= set(_seen["lines"]), f"The lines are {list(_seen['lines'])}."
assert _near(_seen["lines"]["champion"], [(7, 2), (18, 2)]), (
    f"The champion's means are 2 at hour 7 and 2 at 18; drawn: {_seen['lines']['champion']}"
)
assert set(_seen["legend"]) == {"champion", "change"}, "A legend with both names was wanted."
assert "hour" in _seen["labels"][0] + _seen["labels"][1], "No axis is labelled with the hour."
assert "minutes" in _seen["labels"][0] + _seen["labels"][1], "No axis gives the unit, minutes."
assert _seen["title"] == "worse at: 7", (
    f"The title reads {_seen['title']!r}; 'worse at: 7' was wanted."
)
### BEGIN HIDDEN TESTS
### HINT The title names every hour that got worse, in ascending order, and only by more than 0.1 minutes.
_hours, _old = [9, 3, 21, 9, 3], [1.0, 1.0, 1.0, 2.0, 1.0]
_seen = seen_in(hours_figure(_hours, _old, [2.0, 3.0, 1.05, 2.0, 1.0]))
assert _seen["title"] == "worse at: 3, 9"
### HINT Each hour's point is the mean over its own trips, whatever the order of the trips.
assert _near(_seen["lines"]["change"], [(3, 2.0), (9, 2.0), (21, 1.05)])
assert _near(_seen["lines"]["champion"], [(3, 1.0), (9, 1.5), (21, 1.0)])
### HINT If no hour got worse, the title says so.
assert seen_in(hours_figure(_hours, _old, _old))["title"] == "worse at no hour"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "shown_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### What you have to show
#
# Friday once more, with your build.

# %% nbgrader={"schema_version": 3, "grade_id": "given_shown", "grade": false, "solution": false, "locked": true, "task": false}
for title, change in CHANGES.items():
    run = try_out(checks(), change, your_checks())
    verdict = "merged" if run["green"] else "stopped at " + ", ".join(run["failed"])
    print(f"{title:15} {verdict:45} {run['said'].strip()[:90]}")
rush = [trip["hour"] in (7, 8, 16, 17, 18) for trip in HELD_OUT]
took = [trip["minutes"] for trip in HELD_OUT]
old = [abs(t["minutes"] - LINE.intercept - LINE.slope * t["km"]) for t in HELD_OUT]
new = [abs(m - (2.5 + 1.9 * t["km"]) * (1.35 if r else 1)) for m, t, r in zip(took, HELD_OUT, rush)]
hours_figure([trip["hour"] for trip in HELD_OUT], old, new)
plt.show()

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q8_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### Question 8 · What green can't promise (marked by a person)
#
# The colleague of Friday asks: *now that it's green, may I merge without anybody looking, and go home?* Answer in at most 200 words. Say
#
# - which of the four changes each of your tests stopped, and why a test of the code alone would have passed all four;
# - one harmful change that your build lets through, and what after the build would notice it;
# - why the decision belongs in a file beside the code and not in somebody's hands, and what a person should still decide.

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q8", "grade": true, "solution": true, "locked": false, "points": 4, "task": false}
# ### BEGIN SOLUTION
# The test of the data stopped the miles, the gate the simpler model, the contract's test the renamed field. The code of all four is right: it runs, and it does what it was written to do. What is wrong lies in the data, in what was learnt, and in what others rely on (2 points: changes matched to tests 1, why code isn't enough 1).
#
# A model that is as good as the champion on the held-out days, and worse in a season that they don't hold; a slow leak of memory; a field whose meaning changed and whose type didn't. The canary and monitoring notice it, if somebody watches a number that it moves (1 point).
#
# In a file it is reviewed, the same for everybody, and holds on Friday evening; what it did can be read afterwards. A person should decide what isn't in the file: whether the bounds are the right ones, and whether a risk is worth taking (1 point).
# ### END SOLUTION
