"""Runs written straight to MLflow's tables are what MLflow's own client would have written."""

import math
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest

from mlops_kit import active_runs, sqlite_runs, tracking
from mlops_kit.errors import DataError, TrackingError


@pytest.fixture
def store(tmp_path: Path) -> Iterator[tracking.Store]:
    yield tracking.start(tmp_path / "workspace", experiment="quick")
    mlflow.set_tracking_uri("")


@pytest.fixture(params=["quick", "client"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way a run is written; the second asks MLflow for everything."""
    if request.param == "client":
        for module in (active_runs, tracking.best_run.__module__):
            monkeypatch.setattr(_module(module), "open_runs", lambda _: None)
    return str(request.param)


def _module(named: Any) -> Any:
    import importlib

    return importlib.import_module(named) if isinstance(named, str) else named


def recorded() -> str:
    with tracking.run("one", params={"depth": 3, "kind": "tree"}, seed=5) as run:
        run.log_metrics({"mae": 2.5, "r2": -0.5})
        run.log_history({"loss": [3.0, 1.0, 2.0]})
        run.log_metric("loss", 9.0, step=1)
        run.log_params({"late": "yes"})
    return run.run_id


def test_both_ways_leave_the_same_record(store: tracking.Store, way: str) -> None:
    """Name, status, parameters, latest metrics and tags are equal, read by MLflow's own client."""
    found = mlflow.MlflowClient(store.uri).get_run(recorded())
    assert found.info.run_name == "one"
    assert found.info.status == "FINISHED"
    assert found.info.end_time >= found.info.start_time
    assert found.data.params == {"depth": "3", "kind": "tree", "late": "yes"}
    assert found.data.metrics == {"mae": 2.5, "r2": -0.5, "loss": 2.0}
    assert found.data.tags["mlops_kit.seed"] == "5"
    assert found.data.tags["mlflow.runName"] == "one"
    assert {"mlflow.user", "mlflow.source.type"} <= set(found.data.tags)
    history = mlflow.MlflowClient(store.uri).get_metric_history(found.info.run_id, "loss")
    assert sorted((point.step, point.value) for point in history) == [
        (0, 3.0),
        (1, 1.0),
        (1, 9.0),
        (2, 2.0),
    ]
    text = mlflow.artifacts.load_text(f"{found.info.artifact_uri}/lineage/params.json")
    assert '"depth": 3' in text


def test_both_ways_read_the_same(store: tracking.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comparison from the tables equals one from the client, failed and foreign runs too."""
    recorded()
    with mlflow.start_run(run_name="plain"):
        mlflow.log_metric("mae", float("nan"))
        mlflow.log_param("depth", 7)
    with pytest.raises(ZeroDivisionError), tracking.run("broken"):
        raise ZeroDivisionError
    quick = tracking.compare_runs()
    monkeypatch.setattr(_module("mlops_kit.runs"), "open_runs", lambda _: None)
    asked = tracking.compare_runs()
    assert list(quick["status"]) == ["FINISHED", "FINISHED", "FAILED"]
    assert quick.set_index("run_id").to_dict("index").keys() == set(asked["run_id"])
    columns = sorted(quick.columns)
    assert (
        quick[columns].sort_values("run_id").reset_index(drop=True).astype(str).to_csv()
        == asked[columns].sort_values("run_id").reset_index(drop=True).astype(str).to_csv()
    )


def test_both_ways_keep_tags_and_a_training_that_diverged(store: tracking.Store, way: str) -> None:
    """A tag of the same name is replaced; nan and infinities are as MLflow has them."""
    with tracking.run("diverged") as run:
        run.log_history({"mae": [1.0, math.inf, math.nan], "up": [-math.inf]}, diverged=True)
        run.set_tag("machine", "old")
        run.set_tag("machine", "older")
    found = mlflow.MlflowClient(store.uri).get_run(run.run_id).data
    assert found.tags["machine"] == "older"
    assert math.isnan(found.metrics["mae"])
    assert found.metrics["up"] == -sys.float_info.max
    history = mlflow.MlflowClient(store.uri).get_metric_history(run.run_id, "mae")
    assert {point.step: repr(point.value) for point in history} == {
        0: "1.0",
        1: repr(sys.float_info.max),
        2: "nan",
    }
    assert math.isnan(tracking.get_run(run.run_id).metrics["mae"])
    with pytest.raises(TrackingError, match="none has the metric 'mae'"):
        tracking.best_run("mae")
    with pytest.raises(DataError, match="at most 5000"), tracking.run("wordy") as run:
        run.set_tag("note", "x" * 5001)


def test_mlflows_own_functions_write_to_the_run(store: tracking.Store, way: str) -> None:
    """Within the block the run is MLflow's current one, afterwards none is; runs can be nested."""
    with tracking.run("outer") as outer:
        mlflow.log_metric("own", 1.0)
        with tracking.run("inner") as inner:
            mlflow.log_param("deep", "yes")
        assert mlflow.active_run().info.run_id == outer.run_id
    assert mlflow.active_run() is None
    client = mlflow.MlflowClient(store.uri)
    assert client.get_run(outer.run_id).data.metrics == {"own": 1.0}
    assert client.get_run(inner.run_id).data.params == {"deep": "yes"}
    assert client.get_run(inner.run_id).data.tags["mlflow.parentRunId"] == outer.run_id


def test_a_block_may_end_its_run_itself(store: tracking.Store) -> None:
    """Nothing is left open, and the next run isn't touched."""
    with tracking.run("early") as early:
        mlflow.end_run()
    assert mlflow.active_run() is None
    assert tracking.get_run(early.run_id).status == "FINISHED"


def test_later_metrics_win_by_step_then_time(store: tracking.Store) -> None:
    """As in MLflow: an earlier step logged later isn't the result."""
    quick = sqlite_runs.open_runs(store.uri)
    assert quick is not None
    with tracking.run("steps") as run:
        quick.log(run.run_id, [("loss", 5.0, 1000, 4)])
        quick.log(run.run_id, [("loss", 1.0, 2000, 3), ("loss", 7.0, 900, 4)])
    assert tracking.get_run(run.run_id).metrics["loss"] == 5.0
    quick.log(run.run_id, [("loss", 6.0, 1000, 4)])
    assert tracking.get_run(run.run_id).metrics["loss"] == 6.0


def test_a_store_with_other_tables_is_left_to_mlflow(store: tracking.Store) -> None:
    """A column that must be given and isn't known here means: ask the client."""
    assert sqlite_runs.open_runs(store.uri) is not None
    database = Path(store.uri.removeprefix("sqlite:///"))
    other = database.with_name("other.db")
    other.write_bytes(database.read_bytes())
    with sqlite3.connect(other) as opened:
        opened.execute("DROP TABLE tags")
        opened.execute("CREATE TABLE tags (key, value, run_uuid, owner TEXT NOT NULL)")
    opened.close()
    assert sqlite_runs.open_runs(f"sqlite:///{other}") is None
    assert sqlite_runs.open_runs("sqlite:///nowhere.db") is None


def test_a_full_or_locked_store_is_a_clear_error(
    store: tracking.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is half-written, and the message says where and what to do."""
    monkeypatch.setattr(sqlite_runs, "_BUSY_SECONDS", 0.05)
    kept: list[Any] = []  # those that are kept already would wait for long
    monkeypatch.setattr(sqlite_runs, "_kept", kept)
    quick = sqlite_runs.open_runs(store.uri)
    assert quick is not None
    before = len(tracking.compare_runs())
    holder = sqlite3.connect(store.uri.removeprefix("sqlite:///"), isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(TrackingError, match="couldn't be written"):
            quick.begin(store.experiment_id, name="x", tags={}, params={})
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    assert len(tracking.compare_runs()) == before
    for _, connection in kept:
        connection.close()


def test_deleted_runs_are_not_compared(store: tracking.Store) -> None:
    """They can still be read by their id, as in MLflow."""
    run_id = recorded()
    mlflow.MlflowClient(store.uri).delete_run(run_id)
    assert tracking.compare_runs().empty
    assert tracking.get_run(run_id).name == "one"


def test_a_connection_serves_many_runs_and_one_file_only(
    store: tracking.Store, tmp_path: Path
) -> None:
    """It is kept from run to run; a store that was put in its place is another one."""
    recorded()
    ((place, connection),) = sqlite_runs._kept
    recorded()
    assert sqlite_runs._kept == [(place, connection)]
    database = Path(store.uri.removeprefix("sqlite:///"))
    fresh = database.with_name("fresh.db")
    fresh.write_bytes(database.read_bytes())
    with sqlite3.connect(fresh) as opened:
        for table in ("tags", "params", "metrics", "latest_metrics", "runs"):
            opened.execute(f"DELETE FROM {table}")
    opened.close()
    assert len(tracking.compare_runs()) == 2
    fresh.replace(database)
    assert tracking.compare_runs().empty


def test_a_forked_process_opens_a_connection_of_its_own(
    store: tracking.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's must not be used across a fork: the parent's is neither used nor closed."""
    recorded()
    ((_, parents),) = sqlite_runs._kept
    monkeypatch.setattr(sqlite_runs, "_left", [])
    monkeypatch.setattr(sqlite_runs.os, "getpid", lambda: 1)
    assert len(tracking.compare_runs()) == 1
    assert sqlite_runs._left == [parents]
    assert parents.execute("SELECT count(*) FROM runs").fetchone() == (1,)
    ((place, connection),) = sqlite_runs._kept
    assert place[0] == 1
    assert connection is not parents
    parents.close()
