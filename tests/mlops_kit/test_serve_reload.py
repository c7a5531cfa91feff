"""Another model takes the old one's place without a dropped request, or doesn't at all."""

import asyncio
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import httpx
import pandas as pd
import pytest

from mlops_kit.contracts import Column, Contract
from mlops_kit.serve import create_app, read_request_log

CONTRACT = Contract([Column("km", "float", minimum=0, maximum=100)])


class Constant:
    """A model that always says the same."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self, rows: pd.DataFrame) -> list[float]:
        return [self.value] * len(rows)


def place(path: Path, content: bytes) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.replace(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with a model that says 1."""
    place(tmp_path / "model.pkl", pickle.dumps(Constant(1)))
    return tmp_path / "model.pkl"


def test_a_promotion_under_load_drops_no_request(path):
    """Every request gets the old or the new model's answer, and says which one it was."""

    async def exchange():
        app = create_app(path, contract=CONTRACT, reload_s=0.02)
        old = app.state.service.current.served.version
        answers = []
        service = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=service, base_url="http://service") as client,
        ):
            while not answers or answers[-1]["prediction"] == 1:
                together = (client.post("/predict", json={"km": 1}) for _ in range(8))
                for found in await asyncio.gather(*together):
                    assert found.status_code == 200
                    answers.append(found.json())
                if len(answers) == 40:
                    place(path, pickle.dumps(Constant(2)))
                assert len(answers) < 100_000
        return old, answers

    old, answers = asyncio.run(exchange())
    assert {(a["prediction"], a["version"] == old) for a in answers} == {(1, True), (2, False)}


@pytest.mark.parametrize("bad", [b"", pickle.dumps(Constant(2))[:20], pickle.dumps({"a": 1})])
def test_a_new_model_that_does_not_work_leaves_the_old_one(ask, path, bad):
    """The service says so on /model, counts it, and takes the next good one."""
    app = create_app(path, contract=CONTRACT)
    service = app.state.service
    place(path, bad)
    assert not service.renew()
    assert ask(app, json={"km": 1}).json()["prediction"] == 1
    assert ask(app, "/model", "GET").json()["problem"]
    page = ask(app, "/metrics", "GET").text
    assert 'mlops_kit_serve_reloads_total{result="failed"} 1.0' in page
    place(path, pickle.dumps(Constant(3)))
    assert service.renew()
    assert ask(app, json={"km": 1}).json()["prediction"] == 3
    assert ask(app, "/model", "GET").json()["problem"] == ""


def test_a_model_that_failed_is_not_tried_again_at_once(path, monkeypatch):
    """Loading may be expensive; a broken file isn't read every few seconds."""
    app = create_app(path, contract=CONTRACT)
    service = app.state.service
    place(path, b"")
    loads = []
    load = type(service.current._source).load
    monkeypatch.setattr(
        type(service.current._source), "load", lambda self: (loads.append(1), load(self))[1]
    )
    for _ in range(5):
        assert not service.renew()
    assert len(loads) == 1


def test_a_registry_that_cannot_be_reached_leaves_the_old_model(ask, path):
    """Reachable again, the problem is gone."""
    app = create_app(path, contract=CONTRACT)
    path.rename(path.with_suffix(".away"))
    assert not app.state.service.renew()
    assert ask(app, json={"km": 1}).json()["prediction"] == 1
    path.with_suffix(".away").rename(path)
    app.state.service.renew()
    assert ask(app, "/model", "GET").json()["problem"] == ""


RULES = """
import pathlib, time
class Slow:
    def __init__(self, value): self.value = value
    def __setstate__(self, state):
        pathlib.Path(f"loading-{state['value']}").touch()
        while not pathlib.Path(f"go-{state['value']}").exists():
            time.sleep(0.01)
        self.__dict__.update(state)
    def __call__(self, rows): return [self.value] * len(rows)
"""


def slow(value: float) -> bytes:
    """Make a model that says a number, and is loaded as soon as a file says that it may."""
    code = f"import pickle, sys, rules\nsys.stdout.buffer.write(pickle.dumps(rules.Slow({value})))"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, env=environment()
    ).stdout


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.environ["RULES_FOLDER"]}


def fetch(url: str, row: dict | None = None) -> dict:
    data = None if row is None else json.dumps(row).encode()
    with urllib.request.urlopen(url, data=data, timeout=120) as answer:
        return json.load(answer)


class Service:
    """A service in a process of its own."""

    def __init__(self, folder: Path) -> None:
        words = [
            "serve", "model.pkl", "--contract", "contract.json", "--log", "log.jsonl", "--port",
            "0", "--reload", "0.05",
        ]  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from mlops_kit.cli import main; main()", *words],
            cwd=folder,
            env=environment(),
            stderr=subprocess.PIPE,
            text=True,
        )
        line = self.process.stderr.readline()
        assert line.startswith("Serving on "), line + self.process.stderr.read()
        self.url = line.split()[2]

    def predict(self) -> dict:
        return fetch(f"{self.url}/predict", {"km": 1})

    def end(self, how: int) -> int:
        self.process.send_signal(how)
        code = self.process.wait(120)
        self.process.stderr.close()
        return code


def test_a_kill_during_a_reload_leaves_the_old_or_the_new_model(tmp_path, monkeypatch, soon):
    """Started again it serves one of them; stopped in order, its last answers are in the log."""
    monkeypatch.setenv("RULES_FOLDER", str(tmp_path))
    (tmp_path / "rules.py").write_text(RULES)
    (tmp_path / "contract.json").write_text(json.dumps(CONTRACT.to_dict()))
    place(tmp_path / "model.pkl", slow(1))
    second = slow(2)
    (tmp_path / "go-1").touch()
    first = Service(tmp_path)
    assert first.predict()["prediction"] == 1
    place(tmp_path / "model.pkl", second)
    assert soon((tmp_path / "loading-2").exists)
    assert first.predict()["prediction"] == 1, "the old model answers while the new one loads"
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    (tmp_path / "go-2").touch()
    again = Service(tmp_path)
    assert again.predict()["prediction"] == 2
    last = again.predict()["request_id"]
    assert again.end(signal.SIGTERM) in (0, -signal.SIGTERM)
    assert read_request_log(tmp_path / "log.jsonl")["request_id"].tolist()[-1] == last


def test_an_address_that_is_taken_is_one_message(tmp_path, monkeypatch, capsys):
    """And an exit code above 0."""
    from mlops_kit import cli

    (tmp_path / "rules.py").write_text("def fare(rows): return [1.0] * len(rows)")
    (tmp_path / "contract.yml").write_text("columns: [{name: km, dtype: float}]")
    monkeypatch.chdir(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        words = ["serve", "rules:fare", "--contract", "contract.yml", "--port", str(port)]
        monkeypatch.setattr(sys, "argv", ["mlops-kit", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
    assert stop.value.code == 1
    assert f"can't listen on 127.0.0.1:{port}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["models:/rides@champion"], "there is no registry in 'workspace'"),
        (["absent.pkl"], "there is no model at absent.pkl"),
        (["absent:rule"], "can't be imported"),
        (["absent.pkl", "--output", "odds"], "--output must be"),
        (["absent.pkl", "--contract", "absent.yml"], "the contract absent.yml can't be read"),
    ],
)
def test_a_command_that_cannot_work_is_one_message(tmp_path, monkeypatch, capsys, words, said):
    """No traceback, and nothing is left."""
    from mlops_kit import cli

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["mlops-kit", "serve", *words])
    with pytest.raises(SystemExit):
        cli.main()
    assert said in capsys.readouterr().err.replace("\n", " ")
    assert list(tmp_path.iterdir()) == []
