"""A model as a service: answers, refusals, failures, limits, the log and the counters."""

import asyncio
import gzip
import json
import logging
import threading
import time

import httpx
import numpy as np
import pandas as pd
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from mlops_kit.contracts import Column, Contract
from mlops_kit.errors import DataError, ServeError
from mlops_kit.serve import create_app, read_request_log

TRIPS = Contract(
    [
        Column("zone", "str", allowed=("north", "south")),
        Column("km", "float", minimum=0, maximum=100),
        Column("rider", "str", nullable=True, personal=True),
    ],
    name="trips",
)
ROW = {"zone": "north", "km": 10, "rider": "Ada Example"}


def fare(rows: pd.DataFrame) -> pd.Series:
    return 2.5 + 1.2 * rows["km"]


def metric(ask, app, name: str, **labels: str) -> float:
    page = ask(app, "/metrics", "GET").text
    return sum(
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == f"mlops_kit_serve_{name}" and labels.items() <= sample.labels.items()
    )


@pytest.fixture
def trips() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    km = rng.uniform(0, 100, 60)
    return pd.DataFrame({"zone": rng.choice(["north", "south"], 60), "km": km})


def test_one_row_gets_one_answer_and_many_get_theirs_in_order(ask):
    """The answers are the rule's own."""
    app = create_app(fare, contract=TRIPS, version="7")
    one = ask(app, json=ROW)
    assert one.status_code == 200
    assert one.json()["prediction"] == 14.5
    many = ask(app, json={"rows": [ROW, ROW | {"km": 0}, {"km": 5, "zone": "south"}]}).json()
    assert many["predictions"] == [14.5, 2.5, 8.5]
    assert (many["model"], many["version"]) == ("fare", "7")


def test_a_scikit_learn_model_answers_as_itself(ask):
    """Called with arrays, whatever order the request has."""
    rng = np.random.default_rng(0)
    inputs = pd.DataFrame(rng.normal(size=(50, 3)), columns=["b", "c", "a"])
    model = LinearRegression().fit(inputs, inputs @ [1.0, 2.0, 3.0])
    app = create_app(model)
    assert app.state.service.current.served.predictor.way == "array"
    turned = inputs[["a", "b", "c"]].to_dict(orient="records")
    found = ask(app, json={"rows": turned}).json()["predictions"]
    assert np.allclose(found, model.predict(inputs))


@pytest.mark.parametrize("output", ["prediction", "probability"])
def test_a_pipeline_with_texts_is_called_with_a_frame(ask, trips, output):
    """A classifier answers with its label, or with the probability of the second class."""
    encode = make_column_transformer((OneHotEncoder(), ["zone"]), remainder="passthrough")
    model = make_pipeline(encode, LogisticRegression()).fit(trips, trips["km"] > 50)
    app = create_app(model, contract=TRIPS.without("rider"), output=output, name="long")
    rows = trips.head(9)
    found = ask(app, json={"rows": rows.to_dict(orient="records")}).json()["predictions"]
    wanted = model.predict(rows) if output == "prediction" else model.predict_proba(rows)[:, 1]
    assert np.allclose(found, wanted)


def test_refusals_say_row_column_and_rule(ask):
    """As problem details, with the id that the log has too."""
    app = create_app(fare, contract=TRIPS)
    refused = ask(app, json={"rows": [ROW, ROW | {"km": -2}]}, headers={"X-Request-ID": "r-1"})
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["x-request-id"] == refused.json()["request_id"] == "r-1"
    (problem,) = refused.json()["problems"]
    assert {k: problem[k] for k in ("row", "column", "rule", "found")} == {
        "row": 1, "column": "km", "rule": "minimum", "found": -2,
    }  # fmt: skip
    assert metric(ask, app, "problems_total", column="km", rule="minimum") == 1


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b'{"km": 3', 400),
        (b"\xff\xfe", 400),
        (b'{"zone": "north", "km": NaN}', 400),
        (b'{"zone": "north", "km": Infinity}', 400),
        (b"[" * 200_000, 400),
        (b"9" * 5000, 400),
        (b"[]", 422),
        (b"null", 422),
        (b'"text"', 422),
        (b"{}", 422),
        (b'{"rows": []}', 422),
        (b'{"rows": {}}', 422),
        (b'{"rows": [1]}', 422),
        (b'{"rows": [], "and": 1}', 422),
        (b'{"zone": "north", "km": 1e999}', 422),
        (b'{"zone": "north", "km": ' + b"9" * 4000 + b"}", 422),
        (b'{"zone": "\\ud800", "km": 3}', 422),
        (b'{"zone": "north", "km": 3, "\\ud800": 1}', 422),
        (b'{"rows": [' + b",".join([b'{"zone":"north","km":1}'] * 11) + b"]}", 413),
        (b" " * 300_000, 413),
    ],
)
def test_whatever_comes_gets_a_documented_answer(ask, content, status):
    """In JSON, short, with a sentence; and the next request is answered."""
    app = create_app(fare, contract=TRIPS, max_rows=10, max_bytes=250_000)
    refused = ask(app, content=content)
    assert refused.status_code == status
    told = json.loads(refused.content, parse_constant=pytest.fail)
    assert told["status"] == status and told["detail"]
    assert len(refused.content) < 2000
    assert ask(app, json=ROW).status_code == 200
    assert metric(ask, app, "requests_total", status=str(status)) == 1


def test_a_compressed_body_and_a_bare_list_are_told_what_is_wanted(ask):
    """The two things that clients send first."""
    app = create_app(fare, contract=TRIPS)
    assert "send it as it is" in ask(app, content=gzip.compress(b'{"km": 3}')).json()["detail"]
    assert '{"rows": [row, ...]}' in ask(app, json=[ROW]).json()["detail"]


def test_a_long_body_is_refused_while_it_still_arrives(ask):
    """A client that doesn't say how long its body is can't fill the memory."""

    async def endless():
        while True:
            yield b" " * 10_000

    app = create_app(fare, contract=TRIPS, max_bytes=50_000)
    assert ask(app, content=endless()).status_code == 413


@pytest.mark.parametrize("declared", [True, False])
def test_a_long_body_is_taken_off_so_that_the_client_reads_why(ask, declared):
    """A connection that is closed with unread data is reset, and the answer gets lost with it."""
    taken = []

    async def pieces():
        for number in range(10):
            taken.append(number)
            yield b" " * 10_000

    app = create_app(fare, contract=TRIPS, max_bytes=50_000)
    headers = {"content-length": "100000"} if declared else {}
    assert ask(app, content=pieces(), headers=headers).status_code == 413
    assert len(taken) == 10


def test_a_body_that_never_ends_is_given_up(ask):
    """With 408, so that idle clients don't hold connections for ever."""

    async def stalled():
        yield b"{"
        await asyncio.sleep(30)

    app = create_app(fare, contract=TRIPS, timeout_s=0.05)
    assert ask(app, content=stalled()).status_code == 408


def test_a_model_that_raises_costs_its_own_request_only(ask, tmp_path, caplog):
    """500 with an id and without the model's words, which are in the log; the service stays."""

    def moody(rows: pd.DataFrame) -> pd.Series:
        if (rows["km"] == 13).any():
            raise ZeroDivisionError("secret of the model")
        return rows["km"]

    log = tmp_path / "requests.jsonl"
    app = create_app(moody, contract=TRIPS, log=log)
    with caplog.at_level(logging.WARNING, logger="mlops_kit"):
        failed = ask(app, json=ROW | {"km": 13})
    assert failed.status_code == 500
    assert "secret" not in failed.text
    assert failed.json()["request_id"] in caplog.text
    assert ask(app, json=ROW).json()["prediction"] == 10
    assert metric(ask, app, "model_errors_total") == 1
    app.state.service.endpoint.log.close()
    (entry,) = read_request_log(log, answered=False).to_dict(orient="records")
    assert entry["request_id"] == failed.json()["request_id"]
    assert "secret of the model" in entry["error"]


@pytest.mark.parametrize(
    "answer",
    [
        lambda rows: [1.0] * (len(rows) + 1),
        lambda rows: np.where(rows["km"] == 13, np.nan, 1.0),
        lambda rows: np.where(rows["km"] == 13, None, "a"),
    ],
    ids=["too many", "not a number", "nothing"],
)
def test_an_answer_that_cannot_be_told_is_a_failure_of_the_model(ask, answer):
    """A NaN never leaves the service as an answer."""
    app = create_app(fare, contract=TRIPS)
    object.__setattr__(app.state.service.current.served.predictor, "call", lambda t: answer(
        pd.DataFrame(t)))  # fmt: skip
    assert ask(app, json=ROW | {"km": 13}).status_code == 500


def test_the_log_has_each_answered_row_without_personal_values(ask, tmp_path):
    """And refused requests without any values."""
    log = tmp_path / "deep" / "requests.jsonl"
    app = create_app(fare, contract=TRIPS, log=log, name="fares", version="3")
    answered = ask(app, json={"rows": [ROW, ROW | {"km": 1}]})
    ask(app, json=ROW | {"rider": 17})
    app.state.service.endpoint.log.close()
    assert b"Ada" not in log.read_bytes() and b"17" not in log.read_bytes().split(b"problems")[1]
    found = read_request_log(log)
    assert found["km"].tolist() == [10, 1]
    assert found["prediction"].tolist() == [14.5, 3.7]
    assert set(found["request_id"]) == {answered.json()["request_id"]}
    assert set(found["version"]) == {"3"} and set(found["model"]) == {"fares"}
    (refused,) = read_request_log(log, answered=False).to_dict(orient="records")
    assert refused["status"] == 422
    assert refused["problems"] == [{"row": 0, "column": "rider", "rule": "type"}]


def test_columns_that_nobody_declared_are_not_logged(ask, tmp_path):
    """A contract may ignore them; they may be anything, so they're not kept."""
    log = tmp_path / "requests.jsonl"
    loose = Contract(TRIPS.columns, name="trips", extra="ignore")
    app = create_app(fare, contract=loose, log=log)
    assert ask(app, json=ROW | {"passport": "X1"}).status_code == 200
    app.state.service.endpoint.log.close()
    assert b"passport" not in log.read_bytes()


def test_the_model_page_says_what_is_served(ask):
    """Name, version, way, features, contract."""
    told = ask(create_app(fare, contract=TRIPS, version="3"), "/model", "GET").json()
    assert (told["name"], told["version"], told["way"]) == ("fare", "3", "frame")
    assert told["features"] == ["zone", "km", "rider"]
    assert Contract.from_dict(told["contract"]) == TRIPS


def test_a_service_that_is_stopping_is_alive_but_not_ready(ask):
    """So that a load balancer sends requests elsewhere, and nobody kills it early."""
    app = create_app(fare, contract=TRIPS)
    assert ask(app, "/ready", "GET").status_code == 200
    app.state.service.stopping = True
    assert ask(app, "/ready", "GET").status_code == 503
    assert ask(app, "/health", "GET").status_code == 200


def test_the_documented_examples_are_valid_requests(ask):
    """What OpenAPI shows can be sent as it is."""
    app = create_app(fare, contract=TRIPS)
    schema = ask(app, "/openapi.json", "GET").json()
    body = schema["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    for example in body["examples"].values():
        assert ask(app, json=example["value"]).status_code == 200
    assert schema["components"]["schemas"]["Row"]["properties"]["rider"]["x-personal"] is True


def test_only_post_predicts(ask):
    """And a wrong path is a 404."""
    app = create_app(fare, contract=TRIPS)
    wrong = ask(app, "/predict", "GET")
    assert wrong.status_code == 405 and wrong.headers["allow"] == "POST"
    assert ask(app, "/nowhere", "GET").status_code == 404


@pytest.mark.parametrize(
    ("model", "settings", "said"),
    [
        (fare, {}, "doesn't say what it takes"),
        (42, {"contract": TRIPS}, "can't be served"),
        (lambda rows: rows["price"], {"contract": TRIPS}, "doesn't work on rows that keep"),
        (fare, {"contract": TRIPS, "output": "probability"}, "must be 'prediction'"),
        ("models:rides", {}, "no address of a model"),
        ("nowhere.joblib", {}, "there is no model"),
    ],
)
def test_what_cannot_be_served_is_said_before_it_starts(model, settings, said):
    """In one sentence."""
    with pytest.raises(ServeError, match=said):
        create_app(model, **settings)


@pytest.mark.parametrize("limit", ["max_rows", "max_bytes", "batch_rows", "max_waiting"])
def test_limits_must_leave_room_for_something(limit):
    """A service that refuses everything is a mistake."""
    with pytest.raises(DataError, match=limit):
        create_app(fare, contract=TRIPS, **{limit: 0})


def test_an_application_can_be_started_again(ask, tmp_path):
    """As test clients do: it is ready, and logs."""
    log = tmp_path / "requests.jsonl"
    app = create_app(fare, contract=TRIPS, log=log)

    async def once():
        async with app.router.lifespan_context(app):
            return app.state.service.stopping

    for _ in range(2):
        assert asyncio.run(once()) is False
        assert app.state.service.stopping
    assert ask(app, json=ROW).status_code == 200

    async def third():
        async with app.router.lifespan_context(app):
            pass

    asyncio.run(third())
    assert len(read_request_log(log)) == 1


def test_an_overload_is_refused_at_once_and_the_others_are_answered():
    """With 503 and when to come again, so that the queue stays short."""
    serving, free = threading.Event(), threading.Event()

    def unhurried(rows: pd.DataFrame) -> pd.Series:
        time.sleep(0.02)
        assert not serving.is_set() or free.wait(60)
        return fare(rows)

    app = create_app(unhurried, contract=TRIPS, max_waiting=2, timeout_s=120)
    serving.set()
    answers = []

    async def exchange():
        service = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=service, base_url="http://service") as client:
            calls = [client.post("/predict", json=ROW) for _ in range(8)]
            for call in asyncio.as_completed(calls):
                answers.append(await call)
                if len(answers) == 6:  # those who are refused don't wait for the others
                    free.set()

    asyncio.run(exchange())
    assert sorted(answer.status_code for answer in answers) == [200] * 2 + [503] * 6
    refused = next(answer for answer in answers if answer.status_code == 503)
    assert refused.headers["retry-after"] == "1"
    assert "2 rows wait" in refused.json()["detail"]


def test_a_model_that_takes_too_long_is_given_up(ask):
    """With 504; the service answers the next request when the model is free."""
    free = threading.Event()

    def stuck(rows: pd.DataFrame) -> pd.Series:
        time.sleep(0.01)
        if (rows["km"] == 13).any():
            free.wait(60)
        return fare(rows)

    app = create_app(stuck, contract=TRIPS, timeout_s=0.2)
    assert ask(app, json=ROW | {"km": 13}).status_code == 504
    free.set()
    assert ask(app, "/health", "GET").status_code == 200


def test_middleware_that_is_added_sees_every_request(ask):
    """Such as one that asks for a password."""

    class Closed:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    app = create_app(fare, contract=TRIPS)
    app.add_middleware(Closed)
    assert ask(app, json=ROW).status_code == 401
