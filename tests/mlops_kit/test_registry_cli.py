"""A model from someone else's notebook: contract, register, promote, serve, all by command."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlops_kit import cli, registry
from mlops_kit.contracts import Contract
from mlops_kit.serve import create_app

GATE = """
gate: wine
task: multiclass
label: target
data: rows.csv
interval: {resamples: 100}
rules:
  - {metric: balanced_accuracy, at_least: LIMIT}
"""

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``mlops-kit`` in a folder with a table, a notebook and a model that knows no names."""
    frame = load_wine(as_frame=True).frame
    features = frame.drop(columns="target")
    model = make_pipeline(StandardScaler(), LogisticRegression())
    joblib.dump(model.fit(features.to_numpy(), frame["target"]), tmp_path / "wine.joblib")
    joblib.dump(model.fit(features, frame["target"]), tmp_path / "named.pkl")
    frame.to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "notebook.ipynb").write_text('{"cells": []}')
    (tmp_path / "gate.yml").write_text(GATE.replace("LIMIT", "0.8"))
    (tmp_path / "hard.yml").write_text(GATE.replace("LIMIT", "1.01"))
    monkeypatch.chdir(tmp_path)

    def told(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["mlops-kit", *words])
        code: object = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return (code if isinstance(code, int) else 0), printed.out, " ".join(printed.err.split())

    return told


MADE_OF = ("--data", "rows.csv", "--code", "notebook.ipynb")


def test_a_model_from_a_notebook_becomes_champion_by_command(run: Run) -> None:
    """One fitted with an array is named by its contract, which its service then checks."""
    assert run("contract", "rows.csv", "--without", "target")[0] == 0
    with_contract = ("--contract", "contract.json")
    assert run("registry", "register", "wine.joblib", "wine", *MADE_OF, *with_contract)[0] == 0
    code, out, err = run("registry", "promote", "wine", "1", "--gate", "gate.yml", "--why", "first")
    assert (code, "## Gate wine: passed" in out, "champion: models:/wine/1" in err) == (
        0,
        True,
        True,
    )
    served = create_app(
        "models:/wine@champion", registry="sqlite:///workspace/mlflow.db", onnx=False
    )
    contract = served.state.service.current.served.contract
    assert contract == Contract.from_dict(json.loads(Path("contract.json").read_text()))
    assert contract["proline"].maximum > load_wine().data[:, -1].max()

    assert run("registry", "register", "named.pkl", "wine", *MADE_OF)[0] == 0
    code, out, _ = run("registry", "promote", "wine", "2", "--gate", "hard.yml", "--why", "second")
    assert (code, "not passed" in out) == (1, True)
    assert registry.get("wine").version == 1
    assert run("registry", "promote", "wine", "2", "--gate", "gate.yml", "--why", "again")[0] == 0
    assert "champion: models:/wine/1" in run("registry", "rollback", "wine", "--why", "drill")[2]
    _, out, _ = run("registry", "versions", "wine")
    assert "champion" in out.splitlines()[1]
    assert "rolled back" in run("registry", "history", "wine")[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["registry", "register", "wine.joblib", "wine", *MADE_OF], "13 features without names"),
        (["registry", "register", "none.joblib", "wine", *MADE_OF], "there is no model at"),
        (["registry", "register", "net.onnx", "wine", *MADE_OF], "serve` takes as it is"),
        (["registry", "register", "models:/wine/1", "wine", *MADE_OF], "registered already"),
        (["registry", "register", "named.pkl", "wine", "--data", "rows.csv", "--code", "no.py"],
         "there is no no.py"),
        (["registry", "register", "named.pkl", "wine", "--data", "no.csv", "--code",
          "notebook.ipynb"], "no.csv can't be read"),
        (["registry", "register", "named.pkl", "../wine", *MADE_OF], "can't be used"),
        (["registry", "versions", "wine"], "no registry in 'workspace'"),
        (["registry", "promote", "wine", "1", "--gate", "no.yml", "--why", "x"], "no.yml"),
        (["contract", "rows.csv", "--without", "label"], "no column 'label'"),
        (["contract", "notebook.ipynb"], "a .csv or .parquet file"),
    ],
)  # fmt: skip
def test_what_cannot_be_registered_is_one_message(run: Run, words: list[str], said: str) -> None:
    """And an exit code above 0; nothing is left half done."""
    Path("net.onnx").write_bytes(b"onnx")
    code, out, err = run(*words)
    assert code > 0
    assert out == ""
    assert said in err
    assert not Path("contract.json").exists()


def test_a_contract_draft_leaves_personal_values_out(run: Run) -> None:
    """A column about a person keeps its type only."""
    code, _, err = run("contract", "rows.csv", "--personal", "proline", "--out", "drafts.json")
    assert (code, "14 columns in drafts.json" in err) == (0, True)
    kept = Contract.from_dict(json.loads(Path("drafts.json").read_text()))
    assert kept["proline"].personal
    assert kept["proline"].maximum is None
    assert np.isfinite(kept["ash"].maximum)


def test_an_option_of_names_may_be_given_again_or_with_commas(run: Run) -> None:
    """The last one alone would leave the label among what the service asks for."""
    again = ("--without", "target", "--without", "hue", "--personal", "ash, alcohol")
    assert run("contract", "rows.csv", *again, "--out", "again.json")[0] == 0
    assert run("contract", "rows.csv", "--without", "target,hue", "--out", "commas.json")[0] == 0
    drafted = [json.loads(Path(name).read_text("utf-8")) for name in ("again.json", "commas.json")]
    names = [[column["name"] for column in draft["columns"]] for draft in drafted]
    assert names[0] == names[1]
    assert not {"target", "hue"} & set(names[0])
    personal = [column["name"] for column in drafted[0]["columns"] if column.get("personal")]
    assert sorted(personal) == ["alcohol", "ash"]
