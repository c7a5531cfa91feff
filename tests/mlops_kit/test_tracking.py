"""Runs: recorded with their lineage, compared, and repeated from the record alone."""

import json
import sqlite3
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlops_kit import stores, tracking
from mlops_kit.errors import DataError, TrackingError


def frame() -> pd.DataFrame:
    return pd.DataFrame({"x": [0.0, 1, 2, 3], "y": [1.0, 3, 5, 7]})


def train(data, *, seed, slope=2.0, label="plain"):
    """Measure a line with a little chance in it."""
    import numpy as np

    noise = np.random.default_rng(seed).normal(0, 0.01)
    return {"mae": float(abs(data["y"] - slope * data["x"] - 1).mean() + abs(noise))}


def fit(data, *, seed):
    """Fit a line; give its error and the model."""
    from sklearn.linear_model import Ridge

    model = Ridge(random_state=seed).fit(data[["x"]], data["y"])
    return {"mae": float(abs(model.predict(data[["x"]]) - data["y"]).mean())}, model


def test_a_run_carries_its_lineage(store: tracking.Store) -> None:
    """Code, data, environment, seed and parameters, beside the metrics."""
    found = tracking.record(train, data=frame(), seed=3, params={"slope": 1.5}, name="first")
    assert (found.name, found.status, found.params) == ("first", "FINISHED", {"slope": "1.5"})
    assert found.metrics == train(frame(), seed=3, slope=1.5)
    assert found.lineage.data_hash == tracking.content_hash(frame())
    assert found.lineage.seed == 3
    assert found.lineage.code_hash
    assert found.lineage.environment
    assert tracking.get_run(found.run_id) == found


def test_training_cannot_change_the_callers_data(store: tracking.Store) -> None:
    """It gets a copy."""

    def spoil(data, *, seed):
        data["y"] = 0.0
        return {"m": 1.0}

    data = frame()
    tracking.record(spoil, data=data, seed=1)
    pd.testing.assert_frame_equal(data, frame())


def test_a_shared_snapshot_is_kept_once(store: tracking.Store) -> None:
    """By its content, whatever the order of columns."""
    tracking.record(train, data=frame(), seed=1)
    tracking.record(train, data=frame()[["y", "x"]], seed=2)
    assert store.workspace is not None
    assert len(list((store.workspace / "data").iterdir())) == 1


def test_a_failing_run_is_marked_and_the_error_goes_on(store: tracking.Store) -> None:
    """Whatever was logged before stays readable."""
    with pytest.raises(ZeroDivisionError), tracking.run("broken") as run:
        run.log_metric("mae", 1.0)
        _ = 1 / 0
    assert tracking.get_run(run.run_id).status == "FAILED"
    with pytest.raises(TrackingError, match="none has the metric 'mae'"):
        tracking.best_run("mae")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "1.0", None])
def test_a_metric_must_be_a_finite_number(store: tracking.Store, value) -> None:
    """A run without a result is a failed run."""
    with pytest.raises(DataError, match="'mae' must be a finite number"), tracking.run() as run:
        run.log_metric("mae", value)
    assert tracking.get_run(run.run_id).status == "FAILED"


def test_training_must_return_metrics(store: tracking.Store) -> None:
    """The message shows what came back."""

    def nothing(data, *, seed):
        """Forget to return."""

    with pytest.raises(DataError, match=r"nothing must return its metrics.*None"):
        tracking.record(nothing, data=frame(), seed=1)


def test_a_history_is_kept_step_by_step(store: tracking.Store) -> None:
    """MLflow's own client reads it back; the last step is the result."""
    import mlflow

    with tracking.run() as run:
        run.log_history({"loss": [0.5, 0.25, 0.125] * 700})
    history = mlflow.MlflowClient().get_metric_history(run.run_id, "loss")
    assert [point.value for point in sorted(history, key=lambda p: p.step)] == [
        0.5, 0.25, 0.125,
    ] * 700  # fmt: skip
    assert tracking.get_run(run.run_id).metrics == {"loss": 0.125}


def test_a_logged_model_answers_as_before(store: tracking.Store) -> None:
    """MLflow loads it; its signature names the input; its requirements are exact."""
    import mlflow

    _, model = fit(frame(), seed=0)
    with tracking.run() as run:
        uri = run.log_model(model, example=frame()[["x"]])
    loaded = mlflow.pyfunc.load_model(uri)
    np.testing.assert_array_equal(loaded.predict(frame()[["x"]]), model.predict(frame()[["x"]]))
    assert loaded.metadata.signature.inputs.input_names() == ["x"]
    wanted = Path(mlflow.pyfunc.get_model_dependencies(uri)).read_text("utf-8")
    assert f"numpy=={np.__version__}" in wanted


def test_figures_and_texts_are_artifacts(store: tracking.Store) -> None:
    """Kept under their path."""
    import mlflow
    from matplotlib.figure import Figure

    with tracking.run() as run:
        run.log_figure(Figure(), "plots/empty.png")
        run.log_text("hello", "notes/a.txt")
    path = mlflow.MlflowClient().download_artifacts(run.run_id, "plots/empty.png")
    assert Path(path).read_bytes().startswith(b"\x89PNG")


def test_the_best_run_is_the_oldest_of_the_best(store: tracking.Store) -> None:
    """Lower or higher, filtered by parameters as text."""
    names = []
    for name, value, depth in (("a", 2.0, 1), ("b", 1.0, 2), ("c", 1.0, 2), ("d", 3.0, 12)):
        with tracking.run(name, params={"depth": depth}) as run:
            run.log_metric("score", value)
        names.append(run.run_id)
    assert tracking.best_run("score").run_id == names[1]
    assert tracking.best_run("score", lower_is_better=False).run_id == names[3]
    assert tracking.best_run("score", where={"depth": 1}).run_id == names[0]
    with pytest.raises(TrackingError, match="Metrics on record: score"):
        tracking.best_run("mae")
    with pytest.raises(TrackingError, match="no experiment 'else'"):
        tracking.best_run("score", experiment="else")


def test_runs_lie_side_by_side(store: tracking.Store) -> None:
    """Failed ones too, oldest first; and an empty experiment is an empty table."""
    assert list(tracking.compare_runs()["run_id"]) == []
    first = tracking.record(train, data=frame(), seed=1, name="one")
    with pytest.raises(RuntimeError), tracking.run("two", params={"depth": 3}):
        raise RuntimeError
    table = tracking.compare_runs()
    assert list(table["name"]) == ["one", "two"]
    assert list(table["status"]) == ["FINISHED", "FAILED"]
    assert table["metrics.mae"][0] == first.metrics["mae"]
    assert table["params.depth"][1] == "3"
    assert "metrics.mae" not in tracking.compare_runs(metrics=[])


def test_a_rerun_gives_the_same_number(store: tracking.Store) -> None:
    """To the last digit, and leaves the store as it was."""
    found = tracking.record(train, data=frame(), seed=5, params={"slope": 1.0, "label": "1"})
    again = tracking.rerun(found.run_id)
    assert again.same
    assert (again.recorded, again.repeated, again.difference) == (
        found.metrics["mae"], found.metrics["mae"], 0.0,
    )  # fmt: skip
    assert len(tracking.compare_runs()) == 1


def test_a_rerun_needs_nothing_but_the_record(tmp_path: Path) -> None:
    """Another process, another folder, the script that trained is gone."""
    script = tmp_path / "train_script.py"
    script.write_text(
        "import sys\nimport pandas as pd\nfrom mlops_kit import tracking\n"
        "def train(data, *, seed, power, name):\n"
        "    import numpy as np\n"
        "    assert isinstance(power, int) and isinstance(name, str)\n"
        "    return {'m': float(np.random.default_rng(seed).normal() + data['x'].sum() ** power)}\n"
        "tracking.start(sys.argv[1])\n"
        "data = pd.DataFrame({'x': [1.0, 2.5]})\n"
        "run = tracking.record(train, data=data, seed=4, params={'power': 2, 'name': '7'})\n"
        "print(run.run_id, run.metrics['m'])\n",
        "utf-8",
    )
    workspace = tmp_path / "workspace"
    done = subprocess.run(
        [sys.executable, script, workspace], capture_output=True, text=True, check=True
    )
    run_id, value = done.stdout.split()
    script.unlink()
    tracking.start(workspace)
    again = tracking.rerun(run_id)
    assert again.same
    assert again.repeated == float(value)


def test_functions_of_a_notebook_are_recordable(store: tracking.Store) -> None:
    """IPython keeps a cell's source where inspect finds it."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    try:
        shell.run_cell("def in_a_cell(data, *, seed):\n    return {'m': float(len(data) + seed)}\n")
        found = tracking.record(shell.user_ns["in_a_cell"], data=frame(), seed=1)
    finally:
        InteractiveShell.clear_instance()
    assert tracking.rerun(found.run_id).repeated == 5.0


def test_a_rerun_that_differs_says_by_how_much(store: tracking.Store) -> None:
    """The tolerance is in the metric's unit."""
    with tracking.run(code=train, data=frame(), seed=1, params={"slope": 2.0}) as run:
        run.log_metric("mae", 9.0)
    again = tracking.rerun(run.run_id)
    assert not again.same
    assert again.difference == pytest.approx(again.repeated - 9.0)
    assert tracking.rerun(run.run_id, tolerance=10).same


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda ws: next((ws / "data").iterdir()).unlink(), "snapshot .* is gone"),
        (lambda ws: next((ws / "data").iterdir()).write_bytes(b"x"), "can't be read"),
        (
            lambda ws: frame().assign(y=0.0).to_parquet(next((ws / "data").iterdir())),
            "snapshot was changed",
        ),
        (lambda ws: next(ws.rglob("code.py")).write_text("def train(): 1\n"), "changed since"),
        (lambda ws: next(ws.rglob("code.py")).unlink(), "artifact lineage/code.py is gone"),
    ],
)
def test_a_record_that_was_spoiled_is_not_run(store: tracking.Store, spoil, said: str) -> None:
    """The message names what is missing or was changed."""
    found = tracking.record(train, data=frame(), seed=1)
    assert store.workspace is not None
    spoil(store.workspace)
    with pytest.raises(TrackingError, match=said):
        tracking.rerun(found.run_id)


@pytest.mark.parametrize(
    ("lineage", "said"),
    [
        ({"data": frame(), "seed": 1}, "no code"),
        ({"code": train, "seed": 1}, "no data"),
        ({"code": train, "data": frame()}, "no seed"),
    ],
)
def test_a_record_that_is_not_enough_says_what_it_lacks(
    store: tracking.Store, lineage, said: str
) -> None:
    """Instead of failing somewhere inside."""
    with tracking.run(**lineage) as run:
        run.log_metrics({"mae": 1.0, "other": 2.0})
    with pytest.raises(TrackingError, match="say which metric"):
        tracking.rerun(run.run_id)
    with pytest.raises(TrackingError, match="no metric 'rmse'"):
        tracking.rerun(run.run_id, metric="rmse")
    with pytest.raises(TrackingError, match=said):
        tracking.rerun(run.run_id, metric="mae")
    with pytest.raises(TrackingError, match="there is no run 'nobody'"):
        tracking.rerun("nobody")


def test_another_environment_is_noted(store: tracking.Store) -> None:
    """The number may be the same all the same."""
    found = tracking.record(train, data=frame(), seed=1)
    assert store.workspace is not None
    path = next(store.workspace.rglob("environment.json"))
    kept = json.loads(path.read_text("utf-8"))
    kept["packages"]["numpy"] = "0.1"
    path.write_text(json.dumps(kept), "utf-8")
    assert f"numpy: 0.1, now {np.__version__}" in tracking.rerun(found.run_id).notes


def test_a_copied_store_is_what_mlflow_itself_would_make(tmp_path: Path) -> None:
    """Table by table, and at the newest revision, so that MLflow doesn't migrate it."""
    tracking.start(tmp_path / "ours")
    theirs = tmp_path / "theirs.db"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow uses what newer SQLAlchemys will drop
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        SqlAlchemyStore(f"sqlite:///{theirs}", str(tmp_path / "artifacts"))

    def schema(path: Path) -> list[tuple[str, ...]]:
        with sqlite3.connect(path) as connection:
            rows = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
            version = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        # MLflow writes the constraints of a table in no particular order.
        parts = [
            (kind, name, *sorted(line.strip(" ,") for line in str(sql).splitlines()))
            for kind, name, sql in rows
        ]
        return sorted(parts) + version

    assert schema(tmp_path / "ours" / "mlflow.db") == schema(theirs)


def test_a_ready_store_that_was_cut_short_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that was full once must not spoil every store from then on."""
    ready = stores._ready_store()
    tracking.start(tmp_path / "first")
    whole = ready.read_bytes()
    monkeypatch.setenv(stores.CACHE_VARIABLE, str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    kept = tmp_path / "cache" / ready.name
    for spoiled in (whole[:-4096], b"", b"x" * len(whole), whole + b"x"):
        kept.write_bytes(spoiled)
        assert not stores._is_whole(kept)
    monkeypatch.setattr(stores, "_migrated", lambda: whole)
    tracking.start(tmp_path / "second")
    assert kept.read_bytes() == whole
    assert (tmp_path / "second" / "mlflow.db").stat().st_size == len(whole)


def test_a_store_that_is_open_already_is_kept(store: tracking.Store) -> None:
    """Starting in the same folder again finds the runs."""
    found = tracking.record(train, data=frame(), seed=1)
    assert store.workspace is not None
    tracking.start(store.workspace, experiment="tests")
    assert list(tracking.compare_runs()["run_id"]) == [found.run_id]


@pytest.mark.filterwarnings("ignore")  # MLflow uses what newer SQLAlchemys will drop
def test_mlflow_itself_goes_on_in_the_experiment(tmp_path: Path) -> None:
    """Its own functions write there, its client knows the experiment, and it is made once."""
    import mlflow

    first = tracking.start(tmp_path, experiment="first")
    other = tracking.start(tmp_path, experiment="other")
    again = tracking.start(tmp_path, experiment="first")
    assert again.experiment_id == first.experiment_id != other.experiment_id
    with mlflow.start_run() as run:
        mlflow.log_metric("mae", 1.5)
    assert run.info.experiment_id == first.experiment_id
    assert list(tracking.compare_runs()["metrics.mae"]) == [1.5]
    known = {each.name: each for each in mlflow.MlflowClient(first.uri).search_experiments()}
    assert set(known) == {"Default", "first", "other"}
    assert known["first"].artifact_location == (tmp_path / "artifacts").as_uri()
    assert known["first"].creation_time == known["first"].last_update_time > 0
    assert tracking.start(tmp_path, experiment="Default").experiment_id == "0"


@pytest.mark.filterwarnings("ignore")
def test_an_experiment_that_was_deleted_is_not_used(tmp_path: Path) -> None:
    """MLflow keeps its name taken; the message says that it was deleted."""
    import mlflow

    gone = tracking.start(tmp_path, experiment="gone")
    mlflow.MlflowClient(gone.uri).delete_experiment(gone.experiment_id)
    with pytest.raises(TrackingError, match="gone"):
        tracking.start(tmp_path, experiment="gone")


@pytest.mark.filterwarnings("ignore")
def test_a_store_of_an_older_mlflow_is_told_at_once(tmp_path: Path) -> None:
    """Its tables aren't written to as if they were the latest."""
    tracking.start(tmp_path, experiment="old")
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0123456789ab'")
    import mlflow.tracking._tracking_service.utils as opened

    opened._tracking_store_registry._get_store_with_resolved_uri.cache_clear()
    with pytest.raises(TrackingError, match="out-of-date"):
        tracking.start(tmp_path, experiment="old")


def test_any_uri_is_used_as_given(tmp_path: Path, store: tracking.Store) -> None:
    """Its runs keep their data with the run, since there is no workspace."""
    assert store.workspace is not None
    uri = f"sqlite:///{(store.workspace / 'mlflow.db').as_posix()}"
    import mlflow

    mlflow.MlflowClient(uri).create_experiment("there", (tmp_path / "kept").as_uri())
    opened = tracking.start(uri, experiment="there")
    assert (opened.uri, opened.workspace) == (uri, None)
    found = tracking.record(train, data=frame(), seed=2)
    assert tracking.rerun(found.run_id).same


def test_a_store_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """At once, with what to do."""
    (tmp_path / "mlflow.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(TrackingError, match="isn't a readable SQLite store"):
        tracking.start(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(TrackingError, match="can't be used"):
        tracking.start(tmp_path / "file")
