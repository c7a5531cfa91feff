"""The command line of the kit: files, records, and one message for each failure."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from mlops_kit import cli, tracking

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def kit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``mlops-kit``: exit code, standard output, standard error."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["mlops-kit", *map(str, words)])
        code: object = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return (code if isinstance(code, int) else 0), printed.out, printed.err

    return run


@pytest.mark.parametrize(("table", "column"), [("trips", "cancelled"), ("demand", "demand")])
def test_a_world_becomes_a_file(kit: Run, tmp_path: Path, table: str, column: str) -> None:
    """With the rows that the library gives."""
    out = tmp_path / "rides.csv"
    code, _, err = kit("worlds", "rides", "--table", table, "--days", 2, "--out", out)
    assert code == 0, err
    assert column in pd.read_csv(out)
    assert [path.name for path in tmp_path.iterdir()] == ["rides.csv"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--out", "rides.xls"), "must end in .csv or .parquet"),
        (("--out", "absent/rides.csv"), "absent"),
        (("--out", "rides.csv", "--days", 0), "days must be from 1"),
        (("--out", "rides.csv", "--table", "cars"), "there is no table 'cars'"),
    ],
)
def test_what_cannot_be_written_is_one_message(
    kit: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words, said: str
) -> None:
    """And no file is left."""
    monkeypatch.chdir(tmp_path)
    code, out, err = kit("worlds", "rides", *words)
    assert (code, out) == (1, "")
    assert said in err.replace("\n", " ")
    assert list(tmp_path.iterdir()) == []


def test_runs_are_listed_chosen_and_repeated(kit: Run, store: tracking.Store) -> None:
    """The same runs that the library sees; a rerun that differs has exit code 1."""

    def train(data, *, seed):
        return {"mae": float(seed)}

    data = pd.DataFrame({"x": [1.0]})
    first = tracking.record(train, data=data, seed=2)
    with tracking.run("wrong", code=train, data=data, seed=3) as wrong:
        wrong.log_metric("mae", 99.0)
    where = ("--workspace", store.workspace, "--experiment", "tests")
    code, out, _ = kit("track", "runs", *where, "--json")
    assert code == 0
    assert [row["run_id"] for row in json.loads(out)] == [first.run_id, wrong.run_id]
    code, out, _ = kit("track", "best", "mae", *where)
    assert json.loads(out)["run_id"] == first.run_id
    code, out, _ = kit("track", "rerun", first.run_id, *where)
    assert (code, json.loads(out)["same"]) == (0, True)
    code, out, _ = kit("track", "rerun", wrong.run_id, *where)
    assert (code, json.loads(out)["same"]) == (1, False)


def test_an_absent_store_is_not_made(kit: Run, tmp_path: Path) -> None:
    """A mistyped folder gets a message, not an empty store."""
    code, _, err = kit("track", "runs", "--workspace", tmp_path / "nowhere")
    assert code == 1
    assert "there is no tracking store" in err
    assert list(tmp_path.iterdir()) == []
