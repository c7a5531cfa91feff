# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "story", "grade": false, "solution": false, "locked": true, "task": false}
# # The quote that went below zero
#
# A ride-hailing company shows a fare before you book. A small service gives it: an app sends the trip, the service answers with a price. It was written in an afternoon, and it worked.
#
# One Friday night it stopped working without stopping. A phone with a broken clock sent `"hour": 31`. A partner sent distances as text, `"3.2"`. Somebody sent `-4` kilometres and was shown a fare below zero, which the app paid out. A batch of nine thousand trips held up everybody else's for a minute. When a better model was put in its place, some answers carried its version number and the old one's prices. And on Monday nobody could say **who had been shown a wrong fare**.
#
# No part of this is about the model. By the end of this lab you will have a service that keeps its promises, a plan that holds its latency, a figure of where it breaks, and the list of the customers to call.
#
# | part | you build | which answers | minutes |
# |---|---|---|---|
# | 1 | a contract that is checked | what may come in? | 20 |
# | 2 | the service, and the exchange of its model | what goes out, whatever comes in? | 30 |
# | 3 | a simulated queue, a plan, a figure | how much load does a budget bear? | 30 |
# | 4 | the list of customers, from the request log | who was shown what, by which version? | 10 |
#
# **How to work.** Replace `raise NotImplementedError()` in the answer cells. The cells below each answer test it; run them as often as you like. Part of the points is given by tests that you don't see: they ask for what the text asks for, on other data. The questions can be solved independently of each other, except that the service of Question 2 asks your `problems`, and Question 3 continues that service. No test looks at a clock: load is simulated, in milliseconds that are only numbers. A grader takes text on stderr for a failure: write to a log with `logging` as much as you like (here it goes nowhere), and don't print tracebacks.

# %% nbgrader={"schema_version": 3, "grade_id": "imports", "grade": false, "solution": false, "locked": true, "task": false}
import json
import logging
import math
import secrets
import warnings
from pathlib import Path

# A grader takes text on stderr for a failure; a package's advice and your service's log aren't one.
warnings.simplefilter("ignore")
logging.basicConfig(handlers=[logging.NullHandler()])

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient

from mlops_kit import serve, worlds
from mlops_kit.contracts import Column, Contract

# %% tags=["parameters"] nbgrader={"schema_version": 3, "grade_id": "parameters", "grade": false, "solution": false, "locked": true, "task": false}
SEED = 10  # which trips and which Friday night you get

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "part1", "grade": false, "solution": false, "locked": true, "task": false}
# ## Part 1 · What may come in?
#
# The service's promise to its callers is a **contract**: which columns a row has, of which kind, within which limits. Here is the contract of the fare service, as plain data.

# %% nbgrader={"schema_version": 3, "grade_id": "given_columns", "grade": false, "solution": false, "locked": true, "task": false}
COLUMNS = {
    "zone": {"kind": "text", "allowed": ["zone-01", "zone-02", "zone-03", "zone-04"]},
    "distance_km": {"kind": "number", "minimum": 0, "maximum": 100},
    "hour": {"kind": "whole", "minimum": 0, "maximum": 23},
    "raining": {"kind": "truth"},
    "rider": {"kind": "text", "optional": True},
}
TRIP = {"zone": "zone-01", "distance_km": 3.2, "hour": 8, "raining": False, "rider": "r-17"}

friday = [
    TRIP,
    TRIP | {"hour": 31},
    TRIP | {"distance_km": "3.2"},
    TRIP | {"distance_km": -4},
    {"zone": "zone-01", "hour": 8, "raining": 0, "distanceKm": 3.2},
]
for row in friday:
    print(row)

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q1_text", "grade": false, "solution": false, "locked": true, "task": false}
# > **Take away.** A service that guesses what its caller meant is wrong silently. A service that refuses, and says which row, which column and which rule, is repaired by its caller.
#
# ### Question 1 · Every broken rule, by name
#
# Write `problems(rows, columns)`. `rows` is a list as it came out of JSON; `columns` describes a contract, as `COLUMNS` does. Return a list with one dictionary `{"row": …, "column": …, "rule": …}` for each value that breaks the contract, in any order, and `[]` if all is well. Rows are counted from 0. Each column of a row has at most one problem, with the rule
#
# | rule | means |
# |---|---|
# | `"missing"` | a column that isn't optional is absent, or its value is `None` |
# | `"unknown"` | the row has a column that the contract doesn't |
# | `"type"` | the value isn't of the column's kind (below) |
# | `"allowed"` | it is, but it isn't one of the `allowed` values |
# | `"minimum"`, `"maximum"` | it is, but it is below or above that limit; the limits themselves are fine |
# | `"row"` | the row isn't a dictionary; then `"column"` is `None` and nothing else is said about the row |
#
# - `"number"`: an `int`, however long, or a `float`; neither NaN nor infinite; **a truth value is no number**, though Python thinks so.
# - `"whole"`: a number without a fraction; `8.0` is whole, `8.5` isn't.
# - `"truth"`: `True` or `False`. `"text"`: a `str`; text isn't read as a number.
# - An optional column may be absent or `None`; if it has a value, that value is checked.


# %% nbgrader={"schema_version": 3, "grade_id": "q1", "grade": false, "solution": true, "locked": false, "task": false}
def problems(rows, columns):
    """List every broken rule of a contract: dictionaries with row, column and rule."""
    ### BEGIN SOLUTION
    found = []
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            found.append({"row": number, "column": None, "rule": "row"})
            continue
        for name, column in columns.items():
            rule = broken_rule(row.get(name), column)
            if rule:
                found.append({"row": number, "column": name, "rule": rule})
        for name in row:
            if name not in columns:
                found.append({"row": number, "column": name, "rule": "unknown"})
    return found


def broken_rule(value, column):
    """Name the first rule that one value breaks; None if it breaks none."""
    if value is None:
        return None if column.get("optional") else "missing"
    # Only floats are asked whether they're finite: an int of 400 digits is, and math can't say so.
    number = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    number = number and not isinstance(value, bool)
    of_kind = {
        "text": isinstance(value, str),
        "truth": isinstance(value, bool),
        "number": number,
        "whole": number and value == int(value),
    }
    if not of_kind[column["kind"]]:
        return "type"
    if "allowed" in column and value not in column["allowed"]:
        return "allowed"
    if "minimum" in column and value < column["minimum"]:
        return "minimum"
    if "maximum" in column and value > column["maximum"]:
        return "maximum"
    return None
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "q1_named", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
def _set(_found):
    return {(_each["row"], _each["column"], _each["rule"]) for _each in _found}


_found = problems(friday, COLUMNS)
assert isinstance(_found, list), f"problems gave a {type(_found).__name__}; a list was wanted."
assert problems([TRIP, TRIP | {"distance_km": 100}], COLUMNS) == [], (
    f"A good trip, and one at the limit, got the problems {problems([TRIP, TRIP | {'distance_km': 100}], COLUMNS)}."
)
_seen = _set(_found)
for _wanted in [
    (1, "hour", "maximum"),
    (2, "distance_km", "type"),
    (3, "distance_km", "minimum"),
    (4, "distance_km", "missing"),
    (4, "distanceKm", "unknown"),
    (4, "raining", "type"),
]:
    assert _wanted in _seen, (
        f"Row {_wanted[0]} of Friday's rows breaks the rule {_wanted[2]!r} in the column {_wanted[1]!r}; problems found {sorted(_seen, key=str)}."
    )
assert len(_found) == 6, (
    f"Friday's rows hold 6 problems; {len(_found)} were listed. Is a value counted twice, or a good one refused?"
)

# %% nbgrader={"schema_version": 3, "grade_id": "q1_strict", "grade": true, "solution": false, "locked": true, "points": 3, "task": false}
_hours = {"hour": COLUMNS["hour"]}
assert problems([{"hour": 8.0}], _hours) == [], (
    "8.0 has no fraction; for an hour it is as good as 8."
)
### BEGIN HIDDEN TESTS
import json as _json


def _rules(_value, **_column):
    _listed = problems([{"x": _value}], {"x": _column})
    return [_each["rule"] for _each in _listed]


### HINT A truth value is no number: in Python, True is an instance of int, so ask about bool first.
assert _rules(True, kind="number") == ["type"]
assert _rules(False, kind="whole", minimum=0, maximum=23) == ["type"]
assert _rules(1, kind="truth") == ["type"]
### HINT NaN and infinity are no numbers here; NaN is neither below a minimum nor above a maximum.
assert _rules(float("nan"), kind="number", minimum=0, maximum=1) == ["type"]
assert _rules(float("inf"), kind="number") == ["type"]
assert _rules(_json.loads("-Infinity"), kind="whole") == ["type"]
### HINT A whole number of hundreds of digits is a number in JSON and in Python, but float() and math.isfinite() can't hold it: a caller mustn't be able to make your check raise.
assert _rules(10**400, kind="number", minimum=0, maximum=100) == ["maximum"]
assert _rules(-(10**400), kind="whole", minimum=0) == ["minimum"]
### HINT A whole number may come as 8.0, but 8.5 is of another kind, and text is no number.
assert _rules(8.5, kind="whole", minimum=0, maximum=23) == ["type"]
assert _rules(-1.0, kind="whole", minimum=0) == ["minimum"]
assert _rules("8", kind="whole") == ["type"]
assert _rules(["8"], kind="text") == ["type"]
### HINT The contract is an argument: other columns, other limits and other allowed values must be followed, limits of 0 and negative ones too.
_other = {
    "level": {"kind": "number", "minimum": -3, "maximum": 0},
    "door": {"kind": "whole", "allowed": [1, 2]},
    "note": {"kind": "text", "optional": True},
}
_listed = problems(
    [{"level": 0.5, "door": 3}, {"level": -3, "door": 1, "note": None}, {"level": 0, "door": 2}],
    _other,
)
assert {(_each["row"], _each["column"], _each["rule"]) for _each in _listed} == {
    (0, "level", "maximum"),
    (0, "door", "allowed"),
}
### HINT None in a column that isn't optional is missing; an optional column that has a value is checked like any other.
assert _rules(None, kind="number") == ["missing"]
assert _rules(None, kind="text", optional=True) == []
assert _rules(7, kind="text", optional=True) == ["type"]
### HINT What isn't a row at all is named as such, and the rows after it are still looked at.
_listed = problems([7, None, {"x": 1}, {"x": "a"}], {"x": {"kind": "number"}})
assert {(_each["row"], _each["column"], _each["rule"]) for _each in _listed} == {
    (0, None, "row"),
    (1, None, "row"),
    (3, "x", "type"),
}
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "part1_end", "grade": false, "solution": false, "locked": true, "task": false}
# The kit compiles such a contract once and checks with it faster than a page can be drawn; `Contract` is the class from chapter 08, and the same object checks a table of training data. You will meet it again in Part 4.
#
# ## Part 2 · What goes out, whatever comes in?
#
# A **model** in this lab is anything with a method `predict(rows)` that takes a list of good rows and returns a list with one number for each. Here are some: one that is right, and some that aren't.


# %% nbgrader={"schema_version": 3, "grade_id": "given_models", "grade": false, "solution": false, "locked": true, "task": false}
class Fares:
    """A base price and a price for each kilometre; counts how often it was asked."""

    def __init__(self, base, per_km):
        self.base, self.per_km, self.calls = base, per_km, 0

    def predict(self, rows):
        self.calls += 1
        return [self.base + self.per_km * row["distance_km"] for row in rows]


class Moody(Fares):
    """Fails on trips of one length: raises, or answers with something that isn't a fare."""

    def __init__(self, base, per_km, instead=None, fails_at=13):
        super().__init__(base, per_km)
        self.instead, self.fails_at = instead, fails_at

    def predict(self, rows):
        if any(row["distance_km"] == self.fails_at for row in rows):
            if self.instead is None:
                raise ZeroDivisionError("password=hunter2")
            return self.instead
        return super().predict(rows)


class Interrupted(Fares):
    """While it works out its first answer, another model takes its place in the application."""

    def __init__(self, base, per_km, other, version):
        super().__init__(base, per_km)
        self.other, self.version, self.app = other, version, None

    def enter(self, app):
        self.app = app

    def predict(self, rows):
        answers = super().predict(rows)
        if self.app is not None:
            app, self.app = self.app, None
            promote(app, self.other, self.version)
        return answers


def ask(app, path, body=None, text=None):
    """Ask an application: POST a body as JSON, or text as it stands; GET where there is neither.

    Gives a dictionary: the status, and the content as JSON (None where it isn't).
    """
    client = TestClient(app, raise_server_exceptions=False)
    if body is None and text is None:
        answer = client.get(path)
    else:
        content = text if text is not None else json.dumps(body)
        answer = client.post(path, content=content, headers={"Content-Type": "application/json"})
    try:
        return {"status": answer.status_code, "content": answer.json()}
    except ValueError:
        return {"status": answer.status_code, "content": None}


# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q2_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### Question 2 · The service
#
# Write `make_app(model, version, columns, max_rows=100)`: returns a `fastapi.FastAPI` application that serves `model` under the version number `version` (a text).
#
# `POST /predict` takes a JSON object `{"rows": [row, …]}` and answers in JSON:
#
# | when | status | content |
# |---|---|---|
# | every row keeps the contract | 200 | `{"version": …, "predictions": […]}`, one number for each row, in order |
# | rows break the contract | 422 | `{"problems": […]}`, as `problems` lists them; **the model isn't asked** |
# | the JSON isn't an object whose only key is `rows`, with a list of at least one row | 422 | `{"problems": [{"row": None, "column": None, "rule": "body"}]}` |
# | the body isn't JSON | 400 | anything |
# | more than `max_rows` rows | 413 | anything; neither rows nor model are looked at |
# | the model raises, gives another number of answers than there are rows, or one that isn't a finite number (a text isn't one) | 500 | `{"error_id": …}`, a text that no other answer has; **not a word of the exception** |
# | there is no model (`model` is `None`) | 503 | anything |
#
# And two addresses for the machinery around it: `GET /health` answers 200 as long as the process lives, also without a model; `GET /ready` answers 200 with `{"version": …}` when requests can be answered, and 503 when there is no model.
#
# After a failed request the next one is answered as if nothing had happened.
#
# *Hints.* An endpoint that takes `request: Request` can read the body itself: `await request.body()` gives its bytes. `JSONResponse(content, status_code=…)` answers with any status. Keep model and version **together**, say as `app.state.serving = (version, model)`; Question 3 says why. Use `secrets.token_hex(8)` for ids. `problems` needn't be right in every corner for this question: the tests use rows that are good or bad beyond doubt.


# %% nbgrader={"schema_version": 3, "grade_id": "q2", "grade": false, "solution": true, "locked": false, "task": false}
def make_app(model, version, columns, max_rows=100):
    """Give a FastAPI application that serves a model behind a contract."""
    ### BEGIN SOLUTION
    app = FastAPI()
    app.state.serving = (version, model)
    refusal = {"problems": [{"row": None, "column": None, "rule": "body"}]}

    @app.get("/health")
    async def health():
        return {"status": "alive"}

    @app.get("/ready")
    async def ready():
        now, current = app.state.serving
        if current is None:
            raise HTTPException(503, "no model yet")
        return {"version": now}

    @app.post("/predict")
    async def predict(request: Request):
        now, current = app.state.serving
        if current is None:
            raise HTTPException(503, "no model yet")
        try:
            body = json.loads(await request.body())
        except (ValueError, RecursionError):
            raise HTTPException(400, "the body isn't JSON") from None
        rows = body.get("rows") if isinstance(body, dict) else None
        if not isinstance(rows, list) or not rows or len(body) != 1:
            return JSONResponse(refusal, 422)
        if len(rows) > max_rows:
            raise HTTPException(413, f"at most {max_rows} rows")
        found = problems(rows, columns)
        if found:
            return JSONResponse({"problems": found}, 422)
        try:
            answers = checked_answers(current, rows)
        except Exception:
            error_id = secrets.token_hex(8)
            logging.getLogger("fares").debug("request %s failed", error_id, exc_info=True)
            return JSONResponse({"error_id": error_id}, 500)
        return {"version": now, "predictions": answers}

    return app


def checked_answers(model, rows):
    """Ask a model; ValueError if its answers can't be told."""
    answers = list(model.predict(rows))
    of_kind = all(isinstance(answer, (int, float)) for answer in answers)
    if len(answers) != len(rows) or not of_kind or not all(map(math.isfinite, answers)):
        raise ValueError("the model's answers aren't one finite number a row")
    return answers
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "q2_answers", "grade": true, "solution": false, "locked": true, "points": 3, "task": false}
_model = Fares(2.5, 1.2)
_app = make_app(_model, "7", COLUMNS)
_answer = ask(_app, "predict", {"rows": [TRIP | {"distance_km": 10}, TRIP | {"distance_km": 0}]})
assert _answer["status"] == 200, (
    f"Two good rows got the status {_answer['status']} and {_answer['content']}; 200 was wanted."
)
assert _answer["content"].get("version") == "7", (
    f"The answer {_answer['content']} doesn't carry the version under the key 'version'."
)
assert [round(_each, 6) for _each in _answer["content"].get("predictions", [])] == [14.5, 2.5], (
    f"The fares of 10 km and 0 km came out as {_answer['content']}; 14.5 and 2.5 were wanted, in the order of the rows."
)
_calls = _model.calls
_refused = ask(_app, "predict", {"rows": [TRIP, TRIP | {"distance_km": -4}]})
assert _refused["status"] == 422, (
    f"A row with a negative distance got the status {_refused['status']}; 422 was wanted."
)
assert _refused["content"].get("problems") == [
    {"row": 1, "column": "distance_km", "rule": "minimum"}
], f"The refusal says {_refused['content']}; it should say which row, column and rule."
assert _model.calls == _calls, (
    "The model was asked about rows that break the contract. Check first, predict afterwards."
)
assert ask(_app, "health")["status"] == 200, "GET on health wasn't answered by 200."
assert ask(_app, "ready") == {"status": 200, "content": {"version": "7"}}, (
    f"GET on ready gave {ask(_app, 'ready')}; 200 and the version were wanted."
)

# %% nbgrader={"schema_version": 3, "grade_id": "q2_whatever", "grade": true, "solution": false, "locked": true, "points": 3, "task": false}
_model = Fares(1.0, 1.0)
_app = make_app(_model, "3", COLUMNS, max_rows=5)
_answer = ask(_app, "predict", text="{not json")
assert _answer["status"] == 400, (
    f"A body that isn't JSON got the status {_answer['status']}; 400 was wanted."
)
### BEGIN HIDDEN TESTS
_body = {"problems": [{"row": None, "column": None, "rule": "body"}]}
### HINT JSON that isn't an object with the one key rows and a list of rows in it is refused by 422 with the rule body: a list, a text, null, no rows, an empty list, a second key.
for _bad in ([TRIP], "rows", 7, {}, {"rows": []}, {"rows": TRIP}, {"rows": [TRIP], "model": "9"}):
    assert ask(_app, "predict", _bad) == {"status": 422, "content": _body}
assert ask(_app, "predict", text="null") == {"status": 422, "content": _body}
### HINT Bytes that are no JSON at all, an empty body among them, are answered by 400.
for _text in ("", "{", "[1,", "rows=1", "\x00"):
    assert ask(_app, "predict", text=_text)["status"] == 400
### HINT A body that is nested a hundred thousand deep is the caller's mistake, not the service's failure.
assert ask(_app, "predict", text="[" * 100_000)["status"] in (400, 422)
### HINT max_rows rows are fine, one more is 413, and then neither rows nor model are looked at: a bad row among too many is still 413.
assert ask(_app, "predict", {"rows": [TRIP] * 5})["status"] == 200
_calls = _model.calls
assert ask(_app, "predict", {"rows": [TRIP] * 5 + [{"hour": 99}]})["status"] == 413
assert _model.calls == _calls
### HINT The contract and the limit are arguments of make_app, not names from elsewhere.
_other = make_app(_model, "1", {"distance_km": {"kind": "number"}}, max_rows=1)
assert ask(_other, "predict", {"rows": [{"distance_km": -4}]})["content"]["predictions"] == [-3.0]
assert ask(_other, "predict", {"rows": [{}]})["status"] == 422
### HINT A model that raises, gives too many or too few answers, or one that isn't a finite number, is a 500 with an error_id of its own; the next request is answered.
_ids = []
for _instead in (None, [1.0, 2.0], [], [float("nan")], [float("inf")], ["a lot"], ["3.5"], [None]):
    _moody = make_app(Moody(1.0, 1.0, _instead), "3", COLUMNS)
    _failed = ask(_moody, "predict", {"rows": [TRIP | {"distance_km": 13}]})
    assert _failed["status"] == 500
    _ids.append(_failed["content"]["error_id"])
    assert ask(_moody, "predict", {"rows": [TRIP | {"distance_km": 2}]})["content"][
        "predictions"
    ] == [3.0]
assert all(isinstance(_id, str) and _id for _id in _ids) and len(set(_ids)) == len(_ids)
### HINT What an exception says may hold what no caller should read. Answer with the id, and nothing of the exception.
_failed = ask(
    make_app(Moody(1.0, 1.0), "3", COLUMNS), "predict", {"rows": [TRIP | {"distance_km": 13}]}
)
assert "hunter2" not in str(_failed) and "ZeroDivision" not in str(_failed)
### HINT Without a model the process is alive but not ready, and a request gets 503.
_empty = make_app(None, "", COLUMNS)
assert ask(_empty, "health")["status"] == 200
assert ask(_empty, "ready")["status"] == 503
assert ask(_empty, "predict", {"rows": [TRIP]})["status"] == 503
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q3_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### Question 3 · Another model, and nobody notices
#
# Write `promote(app, model, version)`: from the next request on, `app` (made by your `make_app`) serves `model` under `version`. Two things must never happen:
#
# - **A model that doesn't work takes over.** Before the exchange, ask the new model about the row `TRIP`. If that fails in any of the ways that are a 500 in Question 2, raise a `ValueError`, and leave the old model where it is.
# - **An answer of two minds.** A request that is under way when the exchange happens is answered by one model, and the version it carries is *that* model's. (The model `Interrupted` above plays such a request: in the middle of its work it calls your `promote`.)
#
# An application without a model becomes ready by its first promotion. Two applications never share a model.


# %% nbgrader={"schema_version": 3, "grade_id": "q3", "grade": false, "solution": true, "locked": false, "task": false}
def promote(app, model, version):
    """Put a model that works in the place of the one that is served; ValueError if it doesn't."""
    ### BEGIN SOLUTION
    try:
        checked_answers(model, [TRIP])
    except Exception as error:
        raise ValueError(f"version {version} doesn't work; the old model stays") from error
    app.state.serving = (version, model)
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "q3_exchange", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
_app = make_app(Fares(1.0, 1.0), "1", COLUMNS)
promote(_app, Fares(2.0, 2.0), "2")
_answer = ask(_app, "predict", {"rows": [TRIP | {"distance_km": 5}]})
assert _answer == {"status": 200, "content": {"version": "2", "predictions": [12.0]}}, (
    f"After the promotion 5 km got {_answer}; version 2 and a fare of 12 were wanted."
)
assert ask(_app, "ready")["content"] == {"version": "2"}, (
    "After the promotion, ready still names another version."
)
_empty = make_app(None, "", COLUMNS)
promote(_empty, Fares(3.0, 0.0), "3")
assert ask(_empty, "ready")["status"] == 200, (
    "An application that had no model isn't ready after its first promotion."
)

# %% nbgrader={"schema_version": 3, "grade_id": "q3_whole", "grade": true, "solution": false, "locked": true, "points": 3, "task": false}
_app = make_app(Fares(1.0, 1.0), "1", COLUMNS)
_refused = False
try:
    promote(_app, Moody(0.0, float("nan")), "2")
except ValueError:
    _refused = True
assert _refused, (
    "A model that answers NaN was promoted; a ValueError was wanted. Try a model before anybody depends on it."
)
### BEGIN HIDDEN TESTS
### HINT When the new model fails its trial, the old one goes on answering under its old version.
assert ask(_app, "predict", {"rows": [TRIP | {"distance_km": 4}]})["content"] == {
    "version": "1",
    "predictions": [5.0],
}
assert ask(_app, "ready")["content"] == {"version": "1"}
### HINT Every way of failing counts at the trial: raising, the wrong number of answers, answers that aren't numbers; an object that can't predict at all, too.
_long = TRIP["distance_km"]
_moods = [Moody(1.0, 1.0, _instead, _long) for _instead in (None, [], [1.0, 2.0], ["3.5"])]
for _bad in (Fares("much", 1.0), None, "a model", *_moods):
    _caught = False
    try:
        promote(_app, _bad, "9")
    except ValueError:
        _caught = True
    assert _caught
assert ask(_app, "ready")["content"] == {"version": "1"}
### HINT A request that is under way during the exchange carries the version of the model that gave its answer. Take model and version once, together, at the beginning.
_interrupted = Interrupted(10.0, 0.0, Fares(20.0, 0.0), "new")
_torn = make_app(_interrupted, "old", COLUMNS)
_interrupted.enter(_torn)
_during = ask(_torn, "predict", {"rows": [TRIP]})
assert _during["content"] == {"version": "old", "predictions": [10.0]}
assert ask(_torn, "predict", {"rows": [TRIP]})["content"] == {
    "version": "new",
    "predictions": [20.0],
}
### HINT Two applications live side by side, each with its own model.
_one, _two = make_app(Fares(1.0, 0.0), "1", COLUMNS), make_app(Fares(2.0, 0.0), "2", COLUMNS)
promote(_two, Fares(5.0, 0.0), "5")
assert ask(_one, "predict", {"rows": [TRIP]})["content"] == {"version": "1", "predictions": [1.0]}
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "part3", "grade": false, "solution": false, "locked": true, "task": false}
# ## Part 3 · How much load does a budget bear?
#
# The app gives up after a moment, so an answer that comes later is no answer. Say the **budget** is 50 ms. To find out what the service can promise you needn't wait for a Friday night: simulate one. A simulated millisecond costs nothing, and the same night can be had twice.
#
# One worker calls the model. A call for a batch of $n$ rows takes `fixed + per_row × n` milliseconds: a large part of a call doesn't depend on $n$, which is why batches pay.
#
# > **Take away.** Nobody waits for a batch to fill. Whatever has arrived when the worker is free goes in: alone, that is one row; under load, it is many. And a queue without an end turns every overload into lateness for all: better an honest 503 now than an answer after everybody has left.
#
# ### Question 4 · A queue with a simulated clock
#
# Write `simulate(arrivals, fixed, per_row, max_rows=1, max_waiting=None)`. `arrivals` is a list of times in milliseconds, in ascending order, one for each request of one row. Return a list with the **latency** in milliseconds of each request, from its arrival to the end of its batch, as a `float`; `None` for a request that was refused. Leave `arrivals` as it is. The rules:
#
# - The worker is free at the beginning. Whenever it is free and somebody waits, it takes the oldest waiting requests, at most `max_rows`, as one batch, and is busy for `fixed + per_row × n` ms.
# - A request that arrives when `max_waiting` requests are already waiting is refused (`None`); `max_waiting` is at least 1. Those in the batch under way no longer wait. With `max_waiting=None` nobody is refused.
# - If requests arrive at the very moment when the worker becomes free, they come first: they are waiting (or refused) before the worker takes its next batch. The same holds for several requests that arrive at the same time: all arrive, then the worker takes.
#
# By hand: arrivals at 0, 1, 2, 3 with `fixed=4`, `per_row=1`, `max_rows=2`. The first batch is the request of 0 alone, done at 5. Then 1 and 2 together, 6 ms, done at 11; then 3, done at 16. Latencies: 5, 10, 9, 13.


# %% nbgrader={"schema_version": 3, "grade_id": "q4", "grade": false, "solution": true, "locked": false, "task": false}
def simulate(arrivals, fixed, per_row, max_rows=1, max_waiting=None):
    """Give each request's latency in ms, None where it was refused."""
    ### BEGIN SOLUTION
    latencies = [None] * len(arrivals)
    waiting = []
    free_at = 0.0
    coming = 0
    while coming < len(arrivals) or waiting:
        # The next batch starts when the worker is free and somebody is there.
        start = free_at if waiting else max(free_at, arrivals[coming])
        while coming < len(arrivals) and arrivals[coming] <= start:
            if max_waiting is None or len(waiting) < max_waiting:
                waiting.append(coming)
            coming += 1
        batch, waiting = waiting[:max_rows], waiting[max_rows:]
        free_at = start + fixed + per_row * len(batch)
        for request in batch:
            latencies[request] = float(free_at - arrivals[request])
    return latencies
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "q4_queue", "grade": true, "solution": false, "locked": true, "points": 3, "task": false}
_found = simulate([0, 1, 2, 3], 4, 1, max_rows=2)
assert isinstance(_found, list) and len(_found) == 4, (
    f"Four requests gave {_found!r}; a list of 4 latencies was wanted."
)
assert [round(_each, 6) for _each in _found] == [5, 10, 9, 13], (
    f"The example of the text gave {_found}; [5, 10, 9, 13] was wanted."
)
_found = simulate([0, 100, 200], 4, 1, max_rows=8)
assert [round(_each, 6) for _each in _found] == [5, 5, 5], (
    f"Requests that come one by one, far apart, took {_found} ms each; 5 was wanted. Does a batch wait for company?"
)
_found = simulate([0, 1, 2, 3, 4, 5], 10, 0, max_rows=2, max_waiting=2)
assert [_each is None for _each in _found] == [False, False, False, True, True, True], (
    f"With one request under way and room for two to wait, {_found} came out; the last three were to be refused."
)

# %% nbgrader={"schema_version": 3, "grade_id": "q4_rules", "grade": true, "solution": false, "locked": true, "points": 3, "task": false}
assert simulate([], 4, 1) == [], "Without arrivals there are no latencies: [] was wanted."
_given = [0, 1, 2]
simulate(_given, 4, 1)
assert _given == [0, 1, 2], (
    "simulate changed the list that it was given. Whoever calls it wants to try another size on the same night."
)
### BEGIN HIDDEN TESTS
import numpy as _np


def _oracle(_arrivals, _fixed, _per_row, _max_rows, _max_waiting):
    """The same rules, event by event."""
    _queue, _result, _free, _next, _now = [], [None] * len(_arrivals), 0.0, 0, 0.0
    while _next < len(_arrivals) or _queue:
        _coming = [_arrivals[_next]] if _next < len(_arrivals) else []
        _now = min(_coming + ([max(_free, _now)] if _queue else []))
        while _next < len(_arrivals) and _arrivals[_next] <= _now:
            if _max_waiting is None or len(_queue) < _max_waiting:
                _queue.append(_next)
            _next += 1
        if _queue and _free <= _now:
            _batch = [_queue.pop(0) for _ in range(min(_max_rows, len(_queue)))]
            _free = _now + _fixed + _per_row * len(_batch)
            for _each in _batch:
                _result[_each] = _free - _arrivals[_each]
    return _result


def _same(_got, _wanted):
    return len(_got) == len(_wanted) and all(
        (_g is None) == (_w is None) and (_g is None or abs(_g - _w) < 1e-6)
        for _g, _w in zip(_got, _wanted)
    )


### HINT Requests that arrive at the very moment the worker becomes free, or all at the same time, are waiting before the worker takes its batch.
assert _same(simulate([0, 5, 5], 4, 1, max_rows=2), [5, 6, 6])
assert _same(simulate([0, 0, 0], 4, 1, max_rows=3), [7, 7, 7])
assert _same(simulate([7, 7, 7], 4, 1, max_rows=2), [6, 6, 11])
### HINT Who is in the batch under way no longer waits: there is room for max_waiting others. And when several arrive together at a free worker, they first wait, so only max_waiting of them get in.
assert _same(simulate([0, 1, 1, 1], 10, 0, max_rows=9, max_waiting=1), [10, 19, None, None])
assert _same(simulate([0, 0, 0], 10, 0, max_rows=9, max_waiting=2), [10, 10, None])
assert _same(simulate([0, 10], 10, 0, max_rows=1, max_waiting=1), [10, 10])
### HINT A refusal costs the others nothing, and later requests find room again.
assert _same(simulate([0, 1, 2, 30], 10, 0, max_rows=1, max_waiting=1), [10, 19, None, 10])
### HINT On whole nights of arrivals, calm and crowded, with batches of any size, the latencies follow the rules one by one.
_rng = _np.random.default_rng(SEED + 40)
for _size, _room, _gap in (
    (1, None, 9.0),
    (4, None, 2.0),
    (16, 8, 0.7),
    (3, 3, 0.5),
    (64, 64, 0.2),
):
    _night = [round(float(_t), 3) for _t in _np.cumsum(_rng.exponential(_gap, 400))]
    assert _same(
        simulate(list(_night), 3.0, 0.25, _size, _room), _oracle(_night, 3.0, 0.25, _size, _room)
    )
### END HIDDEN TESTS


# %% nbgrader={"schema_version": 3, "grade_id": "given_night", "grade": false, "solution": false, "locked": true, "task": false}
def night(rate, seconds=4.0, seed=0):
    """Arrival times in ms of a simulated night: `rate` requests per second, at random."""
    rng = np.random.default_rng([seed, int(rate)])
    times = np.cumsum(rng.exponential(1000.0 / rate, int(rate * seconds)))
    return [float(time) for time in times]


# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q5_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### Question 5 · A plan that holds the budget
#
# A team chooses two numbers: how large a batch may be, and how many may wait. Write `plan(fixed, per_row, budget_ms)`: returns a dictionary `{"max_rows": …, "max_waiting": …}` of whole numbers, each at least 1, for a service whose calls cost `fixed + per_row × n` ms. What counts is what comes of it. On nights that you don't see, calm and overloaded up to three times of what the service can bear, run through a simulation with your numbers:
#
# - **kept**: of the requests that are answered, at least 99 % are answered within the budget, every night;
# - **useful**: the number of requests answered within the budget is at least 80 % of what the best pair of numbers reaches that night.
#
# If not even a single row alone can be answered within the budget, raise a `ValueError`: no number of the plan can help, and somebody must know before Friday. The budget is always long enough for two calls with one row, or too short for one.
#
# *Hint.* Who arrives at the worst moment waits for the batch under way, then is in the next batch, if there is room in it for all who wait. How large may a batch be, so that two of them in a row fit into the budget?


# %% nbgrader={"schema_version": 3, "grade_id": "q5", "grade": false, "solution": true, "locked": false, "task": false}
def plan(fixed, per_row, budget_ms):
    """Choose the size of batches and of the queue, so that the budget holds under any load."""
    ### BEGIN SOLUTION
    if fixed + per_row > budget_ms:
        raise ValueError(f"one row takes {fixed + per_row} ms, the budget is {budget_ms} ms")
    rows = int((budget_ms / 2 - fixed) / per_row) if per_row else 10_000
    rows = max(1, min(rows, 10_000))
    return {"max_rows": rows, "max_waiting": rows}
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "given_trial", "grade": false, "solution": false, "locked": true, "task": false}
def queue(arrivals, fixed, per_row, max_rows, max_waiting):
    """The queue of Question 4, made ready: the latency of each answered request, in ms."""
    latencies, waiting, free_at, coming = [], [], 0.0, 0
    while coming < len(arrivals) or waiting:
        start = free_at if waiting else max(free_at, arrivals[coming])
        while coming < len(arrivals) and arrivals[coming] <= start:
            if len(waiting) < max_waiting:
                waiting.append(arrivals[coming])
            coming += 1
        batch, waiting = waiting[:max_rows], waiting[max_rows:]
        free_at = start + fixed + per_row * len(batch)
        latencies += [free_at - arrival for arrival in batch]
    return latencies


def trial(settings, fixed, per_row, budget_ms, rate, seed):
    """Run a night through the queue: the share kept within the budget, and how many that were."""
    latencies = queue(night(rate, 2.0, seed), fixed, per_row, **settings)
    kept = sum(latency <= budget_ms + 1e-9 for latency in latencies)
    return {"kept": kept / max(1, len(latencies)), "useful": kept}


# %% nbgrader={"schema_version": 3, "grade_id": "q5_calm", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
_plan = plan(4.0, 0.2, 50.0)
assert set(_plan) == {"max_rows", "max_waiting"}, (
    f"plan gave {_plan!r}; a dictionary with max_rows and max_waiting was wanted."
)
assert all(isinstance(_value, int) and _value >= 1 for _value in _plan.values()), (
    f"plan gave {_plan}; whole numbers (int) of at least 1 were wanted."
)
_calm = trial(_plan, 4.0, 0.2, 50.0, 100, SEED)
assert _calm["kept"] >= 0.99, (
    f"On a calm night only {_calm['kept']:.1%} of the answers kept the budget with {_plan}."
)
_caught = False
try:
    plan(60.0, 1.0, 50.0)
except ValueError:
    _caught = True
assert _caught, (
    "A call takes 61 ms for a single row and the budget is 50 ms: a ValueError was wanted."
)

# %% nbgrader={"schema_version": 3, "grade_id": "q5_storm", "grade": true, "solution": false, "locked": true, "points": 4, "task": false}
_plan = plan(4.0, 0.2, 50.0)
_storm = trial(_plan, 4.0, 0.2, 50.0, 1500, SEED)
assert _storm["useful"] > 0, f"On a crowded night nobody got an answer in time with {_plan}."
### BEGIN HIDDEN TESTS
import numpy as _np

_cases = (
    (4.0, 0.2, 50.0),
    (2.0, 1.0, 40.0),
    (20.0, 0.5, 100.0),
    (0.5, 0.25, 10.0),
    (9.0, 2.0, 26.0),
    (3.0, 0.7, 31.0),
)
_plans = [plan(*_case) for _case in _cases]


def _half(_fixed, _per_row, _budget):
    """The rows of a batch within half the budget."""
    return max(1, int((_budget / 2 - _fixed) / _per_row))


def _nights(_fixed, _per_row, _budget):
    """Half-second nights: from calm to three times of what such batches can bear."""
    _rows = _half(_fixed, _per_row, _budget)
    _most = 1000.0 * _rows / (_fixed + _per_row * _rows)
    for _rate in [max(5, int(_share * _most)) for _share in (0.1, 0.6, 1.0, 3.0)]:
        _rng = _np.random.default_rng([SEED + 5, _rate])
        yield _np.cumsum(_rng.exponential(1000.0 / _rate, int(0.5 * _rate) + 20)).tolist()


def _outcome(_pair, _case, _arrivals):
    """The share of the answers that kept the budget, and how many that were."""
    _fixed, _per_row, _budget = _case
    _latencies, _waiting, _free, _next = [], [], 0.0, 0
    while _next < len(_arrivals) or _waiting:
        _start = _free if _waiting else max(_free, _arrivals[_next])
        while _next < len(_arrivals) and _arrivals[_next] <= _start:
            if len(_waiting) < _pair["max_waiting"]:
                _waiting.append(_arrivals[_next])
            _next += 1
        _batch, _waiting = _waiting[: _pair["max_rows"]], _waiting[_pair["max_rows"] :]
        _free = _start + _fixed + _per_row * len(_batch)
        _latencies += [_free - _arrival for _arrival in _batch]
    _kept = sum(_latency <= _budget + 1e-6 for _latency in _latencies)
    return {"kept": _kept / len(_latencies), "useful": _kept}


def _best(_case, _arrivals):
    """The most useful answers of any pair of a grid that keeps the budget."""
    _tried, _fits = [], _half(*_case)
    for _rows in {1, max(1, _fits // 2), _fits, 2 * _fits}:
        for _room in {max(1, _rows // 2), _rows, 2 * _rows}:
            _pair = {"max_rows": _rows, "max_waiting": _room}
            _tried.append(_outcome(_pair, _case, _arrivals))
    return max([_each["useful"] for _each in _tried if _each["kept"] >= 0.99], default=0)


_outcomes = []
for _case, _each in zip(_cases, _plans):
    for _arrivals in _nights(*_case):
        _outcomes.append((_outcome(_each, _case, _arrivals), _best(_case, _arrivals)))
### HINT Under overload, whoever is let in must be answered in time: bound the queue so that all who wait fit into the next batch, and the batch so that two in a row fit into the budget.
assert all(_each["kept"] >= 0.99 for _each, _ in _outcomes)
### HINT A plan that is too careful refuses callers it could have served: batches and queue should be as large as the budget bears, and follow the costs and the budget they are given.
assert all(_each["useful"] >= 0.8 * _most for _each, _most in _outcomes)
### HINT A single row that doesn't fit is a ValueError; one that fits is not.
_refused = []
for _fixed, _per_row in ((50.0, 0.1), (0.0, 50.5), (24.0, 1.0)):
    try:
        plan(_fixed, _per_row, 50.0)
        _refused.append(False)
    except ValueError:
        _refused.append(True)
assert _refused == [True, True, False]
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q6_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### Question 6 · Where it breaks, on one page
#
# Write `load_figure(table, budget_ms)`. `table` is a DataFrame with the columns `rate` (requests per second), `p50_ms`, `p99_ms` (latencies of the answered requests, in ms) and `refused` (share of the requests, 0 to 1), a row for each rate. Draw with matplotlib and **return the figure** (a `matplotlib.figure.Figure`):
#
# - in the first axes, `p50_ms` and `p99_ms` against `rate`, as two lines with a marker at each rate, and a straight horizontal line at `budget_ms`; a legend names the three, with `p50`, `p99` and `budget` in their names;
# - below it, in a second pair of axes with the same rates, `refused` against `rate` as a line;
# - every axis of both is labelled, rates with `requests per second`, latencies with `ms`, and the figure has a title.


# %% nbgrader={"schema_version": 3, "grade_id": "q6", "grade": false, "solution": true, "locked": false, "task": false}
def load_figure(table, budget_ms):
    """Draw latency and refusals against load, with the budget; give the figure."""
    ### BEGIN SOLUTION
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(7, 5), sharex=True, height_ratios=[2, 1], layout="constrained"
    )
    above.plot(table["rate"], table["p50_ms"], "o-", color="#0072b2", label="p50")
    above.plot(table["rate"], table["p99_ms"], "s--", color="#d55e00", label="p99")
    above.axhline(budget_ms, color="#333333", linestyle=":", label="budget")
    above.set_xlabel("load (requests per second)")
    above.set_ylabel("latency (ms)")
    above.set_title("Latency of the answers, and who got none")
    above.legend()
    below.plot(table["rate"], table["refused"], "^-", color="#009e73")
    below.set_xlabel("load (requests per second)")
    below.set_ylabel("refused (share)")
    return figure
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "given_seen", "grade": false, "solution": false, "locked": true, "task": false}
def seen_in(figure):
    """What the tests see of a figure: its lines, labels, legend, title. No need to read it."""
    if not isinstance(figure, plt.Figure):
        raise TypeError(
            f"a {type(figure).__name__} came back; return the matplotlib Figure itself."
        )
    pairs = []
    for axes in figure.axes:
        for drawn in [*axes.lines, *axes.collections, *axes.patches, *axes.texts]:
            alpha = drawn.get_alpha()
            if not drawn.get_visible() or (alpha is not None and np.max(alpha) == 0):
                drawn.remove()  # nobody sees it
        lines = [
            {
                "x": np.ravel(line.get_xdata(orig=False)).astype(float).tolist(),
                "y": np.ravel(line.get_ydata(orig=False)).astype(float).tolist(),
                "marked": str(line.get_marker()) not in ("", " ", "None", "none"),
            }
            for line in axes.lines
        ]
        dots = [tuple(at) for drawn in axes.collections for at in drawn.get_offsets().tolist()]
        for line in lines:  # markers may be drawn apart from their line
            line["marked"] |= set(zip(line["x"], line["y"], strict=True)) <= set(dots)
        for drawn in axes.collections:  # hlines
            for path in drawn.get_paths():
                corners = np.asarray(path.vertices, dtype=float)
                if len(corners) > 1:
                    lines.append(
                        {"x": corners[:, 0].tolist(), "y": corners[:, 1].tolist(), "marked": False}
                    )
        legends = [axes.get_legend() or (figure.legends[0] if figure.legends else None)]
        names = [text.get_text() for legend in legends if legend for text in legend.get_texts()]
        labels = [axes.get_xlabel(), axes.get_ylabel()]
        title = axes.get_title() or axes.get_title("left") or axes.get_title("right")
        pairs.append({"lines": lines, "legend": names, "labels": labels, "title": title})
    title = figure.get_suptitle() or " ".join(pair["title"] for pair in pairs)
    plt.close(figure)
    return {"axes": pairs, "title": title}


# %% nbgrader={"schema_version": 3, "grade_id": "q6_drawn", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
import pandas as _pd


def _has(_pair, _rates, _values, _marked=False):
    """Whether a line of these axes goes through these points, in the order of the rates."""
    for _line in _pair["lines"]:
        _points = sorted(zip(_line["x"], _line["y"]))
        _wanted = sorted(zip(_rates, _values))
        if len(_points) == len(_wanted) and (_line["marked"] or not _marked):
            if all(
                abs(_a - _c) < 1e-6 and abs(_b - _d) < 1e-6
                for (_a, _b), (_c, _d) in zip(_points, _wanted)
            ):
                return True
    return False


def _across(_pair, _height):
    return any(
        len(_line["y"]) > 1 and all(abs(_y - _height) < 1e-6 for _y in _line["y"])
        for _line in _pair["lines"]
    )


_rates = [100, 200, 400]
_table = _pd.DataFrame(
    {"rate": _rates, "p50_ms": [5.0, 6.5, 9.0], "p99_ms": [8.0, 14.0, 31.0], "refused": [0, 0, 0.2]}
)
_seen = seen_in(load_figure(_table, 50.0))
assert len(_seen["axes"]) == 2, (
    f"The figure has {len(_seen['axes'])} pairs of axes; two were wanted, latency above and refusals below."
)
_first, _second = _seen["axes"]
assert _has(_first, _rates, [5.0, 6.5, 9.0], True) and _has(
    _first, _rates, [8.0, 14.0, 31.0], True
), "The first axes don't show p50 and p99 against the rates as lines with markers."
assert _across(_first, 50.0), "No straight line stands at the budget in the first axes."
assert _has(_second, _rates, [0, 0, 0.2]), "The second axes don't show the refused share as a line."
### BEGIN HIDDEN TESTS
### HINT The figure must follow its arguments: another table with more rates, and another budget.
_rates = [50, 150, 350, 900, 2000]
_table = _pd.DataFrame(
    {
        "rate": _rates,
        "p50_ms": [2.0, 2.5, 4.0, 8.0, 9.0],
        "p99_ms": [3.0, 5.0, 9.0, 17.0, 19.5],
        "refused": [0.0, 0.0, 0.01, 0.3, 0.7],
    }
)
_first, _second = seen_in(load_figure(_table, 20.0))["axes"]
assert _has(_first, _rates, [3.0, 5.0, 9.0, 17.0, 19.5]) and _across(_first, 20.0)
assert not _across(_first, 50.0)
assert _has(_second, _rates, [0.0, 0.0, 0.01, 0.3, 0.7])
### END HIDDEN TESTS

# %% nbgrader={"schema_version": 3, "grade_id": "q6_labels", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
import pandas as _pd

_table = _pd.DataFrame(
    {"rate": [100, 300], "p50_ms": [5.0, 9.0], "p99_ms": [8.0, 31.0], "refused": [0.0, 0.1]}
)
_seen = seen_in(load_figure(_table, 50.0))
_first, _second = _seen["axes"][:2]
_labels = [*_first["labels"], *_second["labels"]]
assert _seen["title"].strip(), "The figure has no title."
assert _second["labels"][1].strip(), "The axis of the refused share has no label."
assert "requests per second" in _second["labels"][0].lower(), (
    f"The lower axis of rates is labelled {_second['labels'][0]!r}; it lacks its unit, requests per second."
)
assert "ms" in _first["labels"][1], (
    f"The axis of latencies is labelled {_first['labels'][1]!r}; it lacks its unit, ms."
)
_names = " | ".join(_first["legend"]).lower()
assert all(_word in _names for _word in ("p50", "p99", "budget")), (
    f"The legend of the first axes reads {_first['legend']}; p50, p99 and budget were to be named."
)

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "figure_text", "grade": false, "solution": false, "locked": true, "task": false}
# Here is your service's Friday night: the cost of a call as it was measured, your plan, rates up to far beyond what it can bear.

# %% nbgrader={"schema_version": 3, "grade_id": "given_shown", "grade": false, "solution": false, "locked": true, "task": false}
COST = {"fixed": 4.0, "per_row": 0.2}


def friday_night(settings, rates):
    """Run each rate through the queue; give the table that the figure shows."""
    lines = []
    for rate in rates:
        arrivals = night(rate, 2.0, SEED)
        latencies = queue(arrivals, **COST, **settings)
        p50, p99 = np.percentile(latencies, [50, 99])
        refused = 1 - len(latencies) / len(arrivals)
        lines.append({"rate": rate, "p50_ms": p50, "p99_ms": p99, "refused": refused})
    return pd.DataFrame(lines)


shown = friday_night(plan(**COST, budget_ms=50.0), [100, 500, 1000, 2000, 4000, 8000])
print(shown.round(2).to_string(index=False))
load_figure(shown, 50.0)
plt.show()

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "part4", "grade": false, "solution": false, "locked": true, "task": false}
# ## Part 4 · Who was shown what?
#
# On Monday the question was not what the model does but **what it did**. A service that writes down each answer, with the version that gave it, can be asked. The kit's service does: `serve.create_app` makes of a contract and a model the service of Part 2, with metrics, micro-batches, reload on promotion and a **request log**, one line of JSON for each answered row. What the contract declares personal is left out of it.

# %% nbgrader={"schema_version": 3, "grade_id": "given_kit", "grade": false, "solution": false, "locked": true, "task": false}
FARES = Contract(
    [
        Column("zone", "str", allowed=tuple(COLUMNS["zone"]["allowed"])),
        Column("distance_km", "float", minimum=0, maximum=100, unit="km"),
        Column("hour", "int", minimum=0, maximum=23),
        Column("raining", "bool"),
        Column("rider", "str", nullable=True, personal=True),
    ],
    name="fares",
)


def version_8(rows):
    """Friday's model: a discount for rain that is larger than a short trip's fare."""
    return 2.5 + 1.2 * rows["distance_km"] - 6.0 * rows["raining"]


LOG = Path("workspace") / "requests.jsonl"
LOG.unlink(missing_ok=True)
service = serve.create_app(
    version_8, contract=FARES, name="fares", version="8", log=LOG, onnx=False
)
trips = worlds.rides_trips(days=1, trips_per_day=60, zones=4, seed=SEED, events=())
with TestClient(service) as client:
    for number, trip in enumerate(trips.itertuples()):
        row = {
            "zone": trip.zone,
            "distance_km": min(float(trip.distance_km), 100.0),
            "hour": int(trip.hour),
            "raining": number % 3 == 0,
            "rider": f"rider-{number}",
        }
        client.post("/predict", json=row, headers={"X-Request-ID": f"trip-{number}"})
    refused = client.post("/predict", json={**row, "hour": 31}, headers={"X-Request-ID": "phone"})

print(refused.status_code, json.dumps(refused.json()["problems"]))
print(LOG.read_text().splitlines()[0])
print(serve.read_request_log(LOG).head(3).T.to_string())

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q7_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### Question 7 · The customers to call
#
# Write `affected(path, version, lowest)`: reads the request log at `path` and returns the **sorted list** of the ids (`str`) of the requests in which the model version `version` (a text) answered at least one row with a prediction **below** `lowest`. Each id is listed once, however many of its rows are concerned. Answers of other versions don't count, refused and failed requests have no answer, and a last line that was cut off when the service was killed must not stop you.
#
# `serve.read_request_log(path)` gives the answered rows as a DataFrame, with the columns that you see above; if you read the file yourself, `row_number`, `row` and `prediction` are `null` in the lines of refused and failed requests.


# %% nbgrader={"schema_version": 3, "grade_id": "q7", "grade": false, "solution": true, "locked": false, "task": false}
def affected(path, version, lowest):
    """List the ids of the requests that a version answered with less than `lowest`."""
    ### BEGIN SOLUTION
    log = serve.read_request_log(path)
    concerned = log[(log["version"] == version) & (log["prediction"] < lowest)]
    return sorted(set(concerned["request_id"]))
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "given_log", "grade": false, "solution": false, "locked": true, "task": false}
def write_log(entries, torn=False):
    """Write a request log of (request id, version, status, predictions); give its path.

    No predictions: the request was refused or failed. torn: the last line is cut off.
    """
    lines = []
    for request_id, version, status, predictions in entries:
        line = {
            "time": "2025-01-10T20:00:00.000000Z",
            "request_id": request_id,
            "model": "fares",
            "version": version,
            "status": status,
            "latency_ms": 1.0,
        }
        nothing = {"row_number": None, "row": None, "prediction": None, "error": "see the text"}
        if not predictions:
            lines.append(json.dumps({**line, **nothing}))
        for number, prediction in enumerate(predictions):
            told = {"row_number": number, "row": {"distance_km": 1.0}, "prediction": prediction}
            lines.append(json.dumps({**line, **told}))
    text = "\n".join(lines) + "\n"
    path = Path("workspace") / "other.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text[:-30] if torn else text)
    return str(path)


# %% nbgrader={"schema_version": 3, "grade_id": "q7_found", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
_path = write_log(
    [
        ("b", "8", 200, [-1.0]),
        ("a", "8", 200, [-0.5]),
        ("c", "8", 200, [0.0]),
        ("d", "8", 200, [7.5]),
        ("e", "8", 422, []),
    ]
)
_found = affected(_path, "8", 0.0)
assert isinstance(_found, list), f"affected gave a {type(_found).__name__}; a list was wanted."
assert _found == ["a", "b"], (
    f"Version 8 answered the requests a and b below 0; {_found} came out. A fare of exactly 0 isn't below 0."
)

# %% nbgrader={"schema_version": 3, "grade_id": "q7_traps", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
import numpy as _np

assert affected(write_log([("a", "8", 200, [1.0])]), "8", 0.0) == [], (
    "A log without a low fare concerns nobody: [] was wanted."
)
### BEGIN HIDDEN TESTS
### HINT A request with several rows is one customer: list its id once if any of its rows is concerned.
_night = [
    ("z", "8", 200, [5.0, -2.0, -3.0]),
    ("k", "8", 200, [-4.0, 5.0]),
    ("y", "7", 200, [-9.0]),
    ("x", "80", 200, [-9.0]),
    ("w", "8", 500, []),
    ("v", "8", 200, [2.0, 1.0]),
]
assert affected(write_log(_night), "8", 0.0) == ["k", "z"]
### HINT A fare of exactly 0 is an answer too: where the limit is higher, it's below.
assert affected(write_log([("n", "8", 200, [0.0]), ("e", "8", 422, [])]), "8", 1.5) == ["n"]
### HINT The version and the limit are arguments: other versions' answers don't count, and "8" isn't "80".
assert affected(write_log(_night), "7", 0.0) == ["y"]
assert affected(write_log(_night), "80", -9.5) == []
assert affected(write_log(_night), "8", 1.5) == ["k", "v", "z"]
### HINT A service that was killed leaves half a line at the end of its log: skip it, and keep the rest.
assert affected(write_log([*_night, ("u", "8", 200, [-1.0])], torn=True), "8", 0.0) == ["k", "z"]
### HINT A night has more requests than can be counted by hand, in no order of their ids.
_chance = _np.random.default_rng(SEED)
_long = [
    (
        f"trip-{_number}",
        str(_chance.integers(7, 10)),
        200,
        _chance.normal(4, 3, 3).round(2).tolist(),
    )
    for _number in _chance.permutation(60)
]
for _version, _lowest in (("7", 2.5), ("8", -1.0), ("9", 1.25)):
    _wanted = sorted(_id for _id, _v, _, _p in _long if _v == _version and min(_p) < _lowest)
    assert affected(write_log(_long), _version, _lowest) == _wanted
### END HIDDEN TESTS

# %% nbgrader={"schema_version": 3, "grade_id": "given_list", "grade": false, "solution": false, "locked": true, "task": false}
print("customers to call:", affected(LOG, "8", 0.0))

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q8_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### Question 8 · The promise (marked by a person)
#
# The head of operations asks: *what may I promise our partners about this service, and what happens when they break their side?* Answer in at most 200 words. Say
#
# - what the service promises, in a sentence with a number, its unit and the load up to which it holds, and how you know;
# - what a caller sees in each case in which the promise doesn't hold or isn't owed, and why a refusal is better there than an answer;
# - what your simulation leaves out that a real Friday night has, and what you would measure first in production.

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q8", "grade": true, "solution": true, "locked": false, "points": 4, "task": false}
# ### BEGIN SOLUTION
# A promise with a number: 99 % of the answers within 50 ms, for any load, of which nobody is refused up to about a thousand or more requests per second (as the student's own table shows); known from a simulation with the measured cost of a call (1 point; half without the load or its source).
#
# Bad rows: 422 with row, column and rule; too many: 413; overload: 503 at once, so that the caller can go elsewhere; a failing model: 500 with an id. A late or wrong answer is acted upon, a refusal isn't (1 point for the cases, 1 for the reason).
#
# Left out: the network, parsing, garbage collection, other work on the machine, costs that vary from call to call, arrivals that come in bursts or are repeated by impatient callers; first to measure: p99 at the caller, the share of 503, the size of batches (1 point).
# ### END SOLUTION
