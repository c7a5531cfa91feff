"""A build server's view of a device's budgets: exit codes, JSON, one message for each failure."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from mlops_kit import cli, edge

Check = Callable[..., tuple[object, str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network as two files, and rows that it hasn't seen."""
    place = tmp_path_factory.mktemp("edge")
    rows, labels = load_digits(return_X_y=True)
    model = MLPClassifier((12,), solver="lbfgs", max_iter=300, tol=1e-2, random_state=0)
    model.fit(rows[:600], labels[:600])
    edge.to_onnx(model).save(place / "float.onnx")
    edge.to_onnx(model, precision="int8-dynamic").save(place / "int8.onnx")
    pd.DataFrame(rows[600:]).assign(digit=labels[600:]).to_csv(place / "rows.csv", index=False)
    (place / "kept.yml").write_text("budgets: {size_bytes: 8000, accuracy: 0.5, agreement: 0.9}")
    (place / "over.yml").write_text("budgets: {size_bytes: 100, accuracy: 0.5}")
    (place / "unmeasured.yml").write_text("budgets: {accuracy: 0.5, multiply_adds: 10000}")
    return place


@pytest.fixture
def check(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Check:
    """Run ``mlops-kit edge-check`` in the folder: exit code, standard output, standard error."""
    monkeypatch.chdir(folder)

    def run(*words: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["mlops-kit", "edge-check", *words])
        code: object = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code or 0
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return code, printed.out, printed.err

    return run


DATA = ("--data", "rows.csv", "--label", "digit")


def test_a_file_within_its_budgets_passes(check: Check) -> None:
    """Exit code 0, and the measurements as JSON."""
    words = ("int8.onnx", "--budget", "kept.yml", *DATA, "--against", "float.onnx", "--json")
    code, out, _ = check(*words)
    assert code == 0
    measured = {one["name"]: one["measured"] for one in json.loads(out)["verdicts"]}
    assert measured["size_bytes"] == Path("int8.onnx").stat().st_size
    assert 0.7 < measured["accuracy"] <= 1
    assert 0.9 < measured["agreement"] <= 1


@pytest.mark.parametrize("budget", ["over.yml", "unmeasured.yml"])
def test_a_file_over_a_budget_or_unmeasured_does_not(check: Check, budget: str) -> None:
    """Exit code 1, and a line that says what and by how much."""
    code, out, _ = check("int8.onnx", "--budget", budget, *DATA)
    assert code == 1
    assert "NOT within budget" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("none.onnx", "--budget", "kept.yml", *DATA), "none.onnx can't be read"),
        (("rows.csv", "--budget", "kept.yml", *DATA), "aren't a whole ONNX model"),
        (("int8.onnx", "--budget", "none.yml", *DATA), "none.yml can't be read"),
        (("int8.onnx", "--budget", "kept.yml", "--data", "x.csv", "--label", "digit"), "x.csv"),
        (("int8.onnx", "--budget", "kept.yml", "--data", "rows.csv", "--label", "y"), "no column"),
    ],
)
def test_what_cannot_be_judged_is_one_message(
    check: Check, words: tuple[str, ...], said: str
) -> None:
    """Exit code 2: neither passed nor failed."""
    code, out, err = check(*words)
    assert (code, out) == (2, "")
    assert said in " ".join(err.split())
