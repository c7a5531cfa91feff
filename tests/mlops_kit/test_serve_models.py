"""Where a model comes from: files, folders and registries, whole, broken and of other versions."""

import json
import pickle
from pathlib import Path

import joblib
import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from mlops_kit import serve_registry, tracking
from mlops_kit.contracts import Column, Contract
from mlops_kit.errors import ServeError
from mlops_kit.serve import create_app
from mlops_kit.serve_export import convert
from mlops_kit.serve_models import source_of
from mlops_kit.serve_onnx import TOLERANCE, export
from mlops_kit.serve_predict import predictor_of, sample_table
from mlops_kit.serve_registry import ModelAddress, find_entry, version_meant
from mlops_kit.stores import quiet_mlflow

RNG = np.random.default_rng(5)
INPUTS = pd.DataFrame(RNG.uniform(0, 10, size=(300, 2)), columns=["km", "hour"])
CONTRACT = Contract([Column(name, "float", minimum=0, maximum=10) for name in INPUTS])
LINEAR = LinearRegression().fit(INPUTS, INPUTS @ [1.0, 2.0])
ROW = {"km": 3.0, "hour": 4.0}


def onnx_of(model) -> bytes:
    content, reason = convert(model, dict.fromkeys(INPUTS, "float"))[0]
    assert content is not None, reason
    return content


def registered(name: str, model, alias: str | None = "champion", **tags: str) -> str:
    with tracking.run(name, seed=3) as run:
        address = run.log_model(model, example=INPUTS.head())
    client = mlflow.MlflowClient()
    version = mlflow.register_model(address, name).version
    if alias:
        client.set_registered_model_alias(name, alias, version)
    for key, value in tags.items():
        client.set_model_version_tag(name, version, key, value)
    return str(version)


@pytest.mark.parametrize(
    "name", ["model.joblib", "model.pkl", "model.onnx", "cloudpickle", "skops"]
)
def test_a_model_in_a_file_answers_as_the_model(ask, tmp_path, name):
    """Whatever the file."""
    path = tmp_path / name
    if path.suffix == ".joblib":
        joblib.dump(LINEAR, path, compress=3)
    elif path.suffix == ".pkl":
        path.write_bytes(pickle.dumps(LINEAR))
    elif path.suffix == ".onnx":
        path.write_bytes(onnx_of(LINEAR))
    else:
        with quiet_mlflow():
            mlflow.sklearn.save_model(LINEAR, path, pip_requirements=[], serialization_format=name)
    app = create_app(path, contract=CONTRACT)
    assert ask(app, json=ROW).json()["prediction"] == pytest.approx(11)
    assert app.state.service.describe()["version"] != "0"


@pytest.mark.parametrize("content", [b"", b"\x80\x04nonsense", b"half"])
@pytest.mark.parametrize("name", ["model.joblib", "model.pkl", "model.onnx", "folder/MLmodel"])
def test_a_file_that_is_cut_off_is_said_in_a_sentence(tmp_path, name, content):
    """It names the file and what may be the reason."""
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pickle.dumps(LINEAR)[:90] if content == b"half" else content)
    with pytest.raises(ServeError, match=r"can't be loaded .*cut off"):
        create_app(path if path.name != "MLmodel" else path.parent, contract=CONTRACT)


def test_a_model_of_another_version_is_refused(tmp_path, monkeypatch):
    """scikit-learn only warns, and may then give other answers."""
    path = tmp_path / "old.pkl"
    monkeypatch.setattr("sklearn.base.__version__", "0.99")
    path.write_bytes(pickle.dumps(LINEAR))
    monkeypatch.undo()
    with pytest.raises(ServeError, match=r"another version: .*0\.99"):
        create_app(path, contract=CONTRACT)


@pytest.mark.parametrize(("name", "said"), [("gone.pkl", "no model"), ("a.txt", "isn't a model")])
def test_a_file_that_is_no_model_is_said(tmp_path, name, said):
    """With the kinds that there are."""
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(ServeError, match=said):
        create_app(tmp_path / name, contract=CONTRACT)


def test_a_registered_model_is_served_with_its_lineage(ask, store):
    """Its name, version and what its run was made of; types come from its signature."""
    version = registered("rides", LINEAR)
    app = create_app("models:/rides@champion")
    assert ask(app, json=ROW).json()["prediction"] == pytest.approx(11)
    told = ask(app, "/model", "GET").json()
    assert (told["name"], told["version"]) == ("rides", version)
    assert told["lineage"]["seed"] == "3" and told["lineage"]["environment"]
    assert [column["dtype"] for column in told["contract"]["columns"]] == ["float", "float"]


def test_reading_the_registrys_file_agrees_with_mlflows_client(store, monkeypatch):
    """Version, files, tags and lineage, by alias and by number."""
    registered("rides", LINEAR)
    registered("rides", LINEAR, audited="yes")
    registered("rides", LINEAR, alias=None)
    for text in ("models:/rides@champion", "models:/rides/1"):
        address = ModelAddress.parse(text)
        with monkeypatch.context() as patch:
            patch.setattr(serve_registry, "_ask", lambda *_: pytest.fail("asked the client"))
            quick = find_entry(address, store.uri), version_meant(address, store.uri)
        with monkeypatch.context() as patch:
            patch.setattr(serve_registry, "_rows", lambda *_: [])
            asked = find_entry(address, store.uri), version_meant(address, store.uri)
        assert quick == asked
    assert quick[0].version == "1"


@pytest.mark.parametrize("address", ["models:/rides@nobody", "models:/rides/9", "models:/none@x"])
def test_a_registry_that_does_not_know_the_model_says_so(store, address):
    """With the address that was asked for."""
    registered("rides", LINEAR)
    with pytest.raises(ServeError, match=rf"{address} can't be found"):
        create_app(address)


def test_an_alias_that_is_not_set_is_told_without_the_client(store, monkeypatch):
    """A service looks for a challenger every few seconds; usually there is none."""
    registered("rides", LINEAR)
    monkeypatch.setattr(serve_registry, "_ask", lambda *_: pytest.fail("asked the client"))
    with pytest.raises(ServeError, match="the model has no challenger"):
        version_meant(ModelAddress.parse("models:/rides@challenger"), store.uri)


def test_a_contract_on_the_model_counts_more_than_its_signature(store, ask):
    """A signature knows no ranges; a tag with the contract does."""
    declared = json.dumps(CONTRACT.to_dict())
    registered("rides", LINEAR, **{"mlops_kit.contract": declared})
    app = create_app("models:/rides@champion")
    assert ask(app, json=ROW | {"km": 11}).status_code == 422


def test_a_file_is_another_model_when_its_content_is_exchanged(tmp_path):
    """The source notices without reading it."""
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(LINEAR))
    source = source_of(path)
    before = source.token(), source.load().version
    assert source.token() == before[0]
    fresh = Path(f"{path}.new")
    fresh.write_bytes(pickle.dumps(LinearRegression().fit(INPUTS, INPUTS["km"])))
    fresh.replace(path)
    assert source.token() != before[0]
    assert source.load().version != before[1]


@pytest.mark.parametrize("output", ["prediction", "probability"])
def test_an_exported_pipeline_agrees_with_its_own_answers(output):
    """Texts and numbers, labels and probabilities, through a converter in another process."""
    rng = np.random.default_rng(8)
    frame = INPUTS.assign(zone=rng.choice(["north", "south"], len(INPUTS)))
    encode = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["zone"]), remainder="passthrough"
    )
    model = make_pipeline(encode, LogisticRegression()).fit(frame, frame["km"] > 5)
    contract = Contract([*CONTRACT.columns, Column("zone", "str", allowed=("north", "south"))])
    found = predictor_of(model, contract, output=output)
    assert found.way == "onnx", found.notes
    table = sample_table(contract, found.features, rows=500, seed=99)
    answers = np.array(found(table, 500))
    plain = pd.DataFrame(table)
    if output == "prediction":
        assert (answers == model.predict(plain)).all()
    else:
        assert np.abs(answers - model.predict_proba(plain)[:, 1]).max() < TOLERANCE


def test_columns_with_blanks_and_signs_in_their_names_keep_the_quick_way():
    """The converter writes its inputs otherwise than the table's columns."""
    names = {"km": "Distance (km)", "hour": "hour of-day"}
    frame = INPUTS.rename(columns=names).assign(zone=np.where(INPUTS["km"] > 3, "n", "s"))
    encode = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["zone"]), remainder="passthrough"
    )
    model = make_pipeline(encode, LinearRegression()).fit(frame, INPUTS @ [1.0, 20.0])
    columns = [Column(name, "float", minimum=0, maximum=10) for name in names.values()]
    contract = Contract([*columns, Column("zone", "str", allowed=("n", "s"))])
    found = predictor_of(model, contract)
    assert found.way == "onnx", found.notes
    table = sample_table(contract, found.features, rows=200, seed=3)
    wanted = model.predict(pd.DataFrame(table))
    assert np.abs(np.array(found(table, 200)) - wanted).max() < TOLERANCE * np.ptp(wanted)


def test_boosted_trees_agree_within_single_precision():
    """As the note of the predictor says."""
    model = HistGradientBoostingRegressor(max_iter=20).fit(INPUTS, INPUTS["km"] * INPUTS["hour"])
    found = predictor_of(model, CONTRACT)
    assert found.way == "onnx" and "differs" in found.notes[0]
    table = sample_table(CONTRACT, found.features, matrix=True, rows=500, seed=77)
    wanted = model.predict(pd.DataFrame(table, columns=INPUTS.columns))
    assert np.abs(np.array(found(table, 500)) - wanted).max() < TOLERANCE * np.ptp(wanted)


class Odd(LinearRegression):
    """An estimator that no converter knows."""

    def predict(self, X):  # noqa: N803 - scikit-learn's name
        return super().predict(X) ** 2


@pytest.mark.whole_way
def test_an_export_that_answers_differently_is_not_used():
    """The converter takes the subclass for its parent; the comparison notices."""
    model = Odd().fit(INPUTS, INPUTS["km"])
    plain = predictor_of(model, CONTRACT, onnx=False)
    quick, reason = export(model, plain, CONTRACT, output="prediction")
    assert quick is None
    assert reason


def test_a_model_that_cannot_be_exported_is_served_as_it_is(ask):
    """And says why."""

    class Local(BaseEstimator):
        def predict(self, X):  # noqa: N803
            return np.asarray(X)[:, 0]

    app = create_app(Local(), contract=CONTRACT)
    app.state.service._quicken()
    told = ask(app, "/model", "GET").json()
    assert told["way"] == "array"
    assert "can't be pickled" in told["notes"][-1]
    assert ask(app, json=ROW).json()["prediction"] == 3


def test_an_onnx_model_must_fit_the_contract(tmp_path):
    """As many features as it takes."""
    path = tmp_path / "model.onnx"
    path.write_bytes(onnx_of(LINEAR))
    with pytest.raises(ServeError, match="takes 2 features, there are 1"):
        create_app(path, contract=CONTRACT.without("hour"))
