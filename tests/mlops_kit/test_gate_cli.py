"""The command ``mlops-kit gate``: exit codes, files for a build server, one message a failure."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from mlops_kit import cli, registry, tracking
from mlops_kit.gates import GateReport

YAML = """
gate: demand
task: regression
label: y
interval: {resamples: 200}
data: rows.csv
challenger: {column: new}
champion: {column: old}
measured: measured.json
rules:
  - {metric: mae, gain_at_least: 0}
  - {metric: latency_ms, at_most: 20, measured: true}
"""

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Run ``mlops-kit gate`` on a gate in a folder of its own: exit code, output, messages."""
    chance = np.random.default_rng(2)
    y = chance.normal(0, 1, 200)
    frame = pd.DataFrame({"y": y, "new": y + chance.normal(0, 1, 200), "old": y + 3, "x": y})
    (tmp_path / "gate").mkdir()
    frame.to_csv(tmp_path / "gate" / "rows.csv", index=False)
    (tmp_path / "gate" / "measured.json").write_text('{"latency_ms": 12}')

    def run(*words: str, text: str = YAML) -> tuple[int, str, str]:
        path = tmp_path / "gate" / "gate.yaml"
        path.write_text(text)
        monkeypatch.setattr(sys, "argv", ["mlops-kit", "gate", str(path), *words])
        code: object = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return (code if isinstance(code, int) else 0), printed.out, printed.err

    return run


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [("", "", 0), ("gain_at_least: 0", "gain_at_least: 9", 1), ("latency_ms", "size_mb", 2)],
)
def test_the_exit_code_is_the_outcome(gate: Run, old: str, new: str, code: int) -> None:
    """0 passed, 1 failed, 2 can't be judged; Markdown on standard output either way."""
    found, out, _ = gate(text=YAML.replace(old, new) if old else YAML)
    assert found == code
    assert "## Gate demand" in out


def test_a_build_server_gets_its_files(gate: Run, tmp_path: Path) -> None:
    """Markdown with its figure, JUnit, and JSON that the library reads back."""
    code, out, err = gate(
        "--report", str(tmp_path / "out" / "gate.md"), "--junit", str(tmp_path / "j" / "gate.xml"),
        "--json",
    )  # fmt: skip
    assert code == 0, err
    report = GateReport.from_json(out)
    assert report.rows == 200
    assert json.loads(out)["outcome"] == "passed"
    assert (tmp_path / "out" / "gate.png").is_file()
    assert "gate.png" in (tmp_path / "out" / "gate.md").read_text()
    suites = ElementTree.parse(tmp_path / "j" / "gate.xml").getroot()
    assert suites[0].get("tests") == "2"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("rows.csv", "absent.csv", "can't be read"),
        ("rows.csv", "rows.xls", "a .csv or .parquet file"),
        ("measured.json", "rows.csv", "can't be read"),
        ("{column: new}", "{column: newest}", "no column 'newest'"),
        ("{column: new}", "{}", "a column or a model was wanted"),
        ("{column: new}", "{model: demand}", "no registry; give --workspace"),
        ("{column: new}", "{model: demand}\nworkspace: nowhere", "there is no registry in"),
        ("label: y", "label: z", "no column 'z'"),
        ("challenger: {column: new}", "", "data and challenger must say"),
        ("task: regression", "task: guessing", "multiclass or regression"),
    ],
)
def test_what_cannot_be_judged_is_one_message(gate: Run, old: str, new: str, said: str) -> None:
    """And exit code 2, nothing on standard output."""
    code, out, err = gate(text=YAML.replace(old, new))
    assert (code, out) == (2, "")
    assert said in " ".join(err.split())


def test_a_gate_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With exit code 2 as well."""
    monkeypatch.setattr(sys, "argv", ["mlops-kit", "gate", "absent.yaml"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert "absent.yaml can't be read" in capsys.readouterr().err


def test_models_come_from_the_registry(gate: Run, tmp_path: Path, store: tracking.Store) -> None:
    """By alias or number; the report then names them, so that a promotion can rely on it."""

    def train(data, *, seed, shift):
        from sklearn.linear_model import LinearRegression

        return {"m": 1.0}, LinearRegression().fit(data[["x"]], data["y"] + shift)

    frame = pd.read_csv(tmp_path / "gate" / "rows.csv")
    for shift in (1.0, 0.0):
        run = tracking.record(train, data=frame, seed=1, params={"shift": shift})
        version = registry.register(run, "demand")
    registry.nominate("demand", 2)
    text = YAML.replace("{column: new}", "{model: demand}")
    text = text.replace("{column: old}", "{model: demand, version: 1}")
    code, out, err = gate("--workspace", str(store.workspace), "--json", text=text)
    assert code == 0, err
    report = GateReport.from_json(out)
    assert report.challenger is not None and report.champion is not None
    assert (report.challenger.uri, report.challenger.hash) == (version.uri, version.model_hash)
    assert report.champion.uri == "models:/demand/1"
    alone = text.replace("champion: {model: demand, version: 1}\n", "").replace(
        "mae, gain_at_least: 0", "mae, at_most: 1"
    )
    code, out, err = gate("--workspace", str(store.workspace), "--json", text=alone)
    registry.promote("demand", 2, GateReport.from_json(out), why="passed on the build server")
    assert registry.get("demand").version == 2
