"""MLflow on PostgreSQL, with the server command of the template's compose file, for real.

What stays aside is the S3-compatible store: the server's artifacts lie in a folder here.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import mlflow
import numpy as np
import pandas as pd
import psycopg
import pytest
import yaml

from mlops_kit import registry, tracking
from mlops_kit.gates import Gate, Rule
from mlops_kit.new import create

PATIENCE_S = 300
WANTED = "CI_REQUIRES_POSTGRES"


class Database(NamedTuple):
    port: int
    password: str


def programs() -> Path | None:
    """Find the folder of PostgreSQL's programs: on the path, or where Debian puts them."""
    found = shutil.which("postgres")
    if found:
        return Path(found).resolve().parent
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return places[-1].parent if places else None


def wait_for(works: Callable[[], object], process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until something works, unless its process has ended; then show what it said."""
    last: Exception | None = None
    until = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < until:
        try:
            works()
            return
        except (OSError, psycopg.OperationalError) as error:
            last = error
        time.sleep(0.1)
    pytest.fail(f"{process.args} didn't get ready: {last}\n{log.read_text()[-3000:]}")


@contextlib.contextmanager
def running(command: list[str], log: Path, **settings: Any) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, stdout=said, stderr=subprocess.STDOUT, start_new_session=True, **settings
        )
    try:
        yield process
    finally:
        # What it holds goes with its folder, so nobody waits for an orderly end.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def database(free_port: Callable[[], int]) -> Iterator[Database]:
    """Start PostgreSQL in a folder of its own, as somebody who isn't root, with a password."""
    place = programs()
    if place is None:
        message = "there is no PostgreSQL on this machine (Debian: apt-get install postgresql)"
        pytest.fail(message) if os.environ.get(WANTED) else pytest.skip(message)
    somebody: dict[str, Any] = {"user": "nobody", "group": "nogroup"} if os.getuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="kit-pg-"))
    try:
        port, password = free_port(), secrets.token_hex(16)
        secret = folder / "password"
        secret.write_text(password)
        if somebody:
            for path in (folder, secret):
                shutil.chown(path, **somebody)
        shared: dict[str, Any] = {
            **somebody, "cwd": folder, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C"},
        }  # fmt: skip
        initialise = [str(place / "initdb"), "--pgdata=data", "--username=mlflow", "--no-sync"]
        initialise += ["--auth=scram-sha-256", "--pwfile=password", "--encoding=UTF8"]
        subprocess.run(initialise, check=True, capture_output=True, **shared)
        start = [str(place / "postgres"), "-D", "data", "-p", str(port)]
        for setting in ("listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"):
            start += ["-c", setting]
        with running(start, folder / "log", **shared) as process:
            given = {"host": "127.0.0.1", "port": port, "user": "mlflow", "password": password}

            def connect(name: str = "postgres") -> "psycopg.Connection[Any]":
                return psycopg.connect(dbname=name, autocommit=True, **given)

            wait_for(lambda: connect().close(), process, folder / "log")
            with connect() as connection:
                connection.execute("CREATE DATABASE mlflow")
            yield Database(port, password)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def server(
    database: Database, free_port: Callable[[], int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Start MLflow as compose.yml does; addresses and the artifacts' place are those of here."""
    folder = tmp_path_factory.mktemp("server")
    create("service", folder / "project", answers={"tracking": "server"}, git=False)
    service = yaml.safe_load((folder / "project" / "compose.yml").read_text())["services"]["mlflow"]
    port = free_port()
    here = f"127.0.0.1:{port}"
    command = [
        part.replace("--host=0.0.0.0", "--host=127.0.0.1")
        .replace("--port=5000", f"--port={port}")
        .replace("127.0.0.1:5000", here)
        .replace("--workers=2", "--workers=1")
        for part in service["command"]
    ]
    assert here in command[-1], command
    given = service["environment"]
    address = given["MLFLOW_BACKEND_STORE_URI"]
    assert address == "postgresql+psycopg://mlflow@postgres:5432/mlflow"
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": given["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"],
        "MLFLOW_BACKEND_STORE_URI": address.replace("postgres:5432", f"127.0.0.1:{database.port}"),
        "PGPASSWORD": database.password,
        "MLFLOW_ARTIFACTS_DESTINATION": (folder / "artifacts").as_uri(),
    }
    log = folder / "log"
    with running(command, log, cwd=folder, env=environment) as process:
        wait_for(lambda: urllib.request.urlopen(f"http://{here}/health"), process, log)
        yield f"http://{here}"


@pytest.fixture
def store(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tracking.Store]:
    for name, value in {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}.items():
        monkeypatch.setenv(name, value)
    before = mlflow.get_tracking_uri()
    yield tracking.start(server, experiment="lines")
    mlflow.set_tracking_uri(before)
    mlflow.set_registry_uri(None)


def rows(seed: int) -> pd.DataFrame:
    x = np.random.default_rng(seed).normal(0, 1, 200)
    return pd.DataFrame({"x": x, "y": 2 * x + 1})


def train(data, *, seed, shift):
    """A line that is off by ``shift``."""
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(data[["x"]], data["y"] + shift)
    return {"mae": float(abs(model.predict(data[["x"]]) - data["y"]).mean())}, model


GATE = Gate("lines", "regression", "y", (
    Rule("mae", at_most=5.0), Rule("mae", gain_at_least=0.0, name="beats the champion"),
))  # fmt: skip


def refused_if_worse() -> None:
    """The gate compares with the champion that the server names."""
    run = tracking.record(train, data=rows(1), seed=1, params={"shift": 1.0})
    first = registry.register(run, "guarded", why="first", who="ana")
    report = registry.judge("guarded", first.version, GATE, rows(2))
    registry.promote("guarded", first.version, report, why="first", who="ana")
    worse = registry.register(
        tracking.record(train, data=rows(1), seed=1, params={"shift": 4.0}),
        "guarded", why="worse", who="ana",
    )  # fmt: skip
    assert not registry.judge("guarded", worse.version, GATE, rows(2)).passed
    assert registry.get("guarded", "champion").version == first.version


def answers_to_its_own_names_alone(server: str) -> None:
    """A page in somebody's browser that resolves to this address gets nothing (DNS rebinding)."""
    for host, wanted in (("mlflow:5000", 200), ("evil.example.org", 403)):
        asked = urllib.request.Request(
            f"{server}/api/2.0/mlflow/experiments/search",
            data=b'{"max_results": 1}',
            headers={"Host": host, "Content-Type": "application/json"},
        )
        try:
            status = urllib.request.urlopen(asked).status
        except urllib.error.HTTPError as error:
            status = error.code
        assert status == wanted, host


@pytest.mark.whole_way
def test_the_way_of_a_model_on_postgres(
    store: tracking.Store, server: str, database: Database
) -> None:
    """Trained, registered, judged, promoted, loaded and rolled back over HTTP.

    One test, so that one server is started however many processes share the tests.
    """
    answers_to_its_own_names_alone(server)
    refused_if_worse()
    made = []
    for shift in (2.0, 0.5):
        run = tracking.record(train, data=rows(1), seed=1, params={"shift": shift}, name=f"{shift}")
        made.append(registry.register(run, "line", why=f"off by {shift}", who="ana"))
    for version in made:
        report = registry.judge("line", version.version, GATE, rows(2))
        assert report.passed, report
        registry.promote("line", version.version, report, why="better", who="ana")
    assert registry.get("line", "champion").version == 2
    table = rows(3)
    assert registry.load("line").predict(table[["x"]]) == pytest.approx(table["y"] + 0.5)
    best = tracking.best_run("mae", lower_is_better=True, where={"shift": 0.5})
    assert (best.name, best.run_id) == ("0.5", made[1].run_id)
    assert best.lineage.data_hash == tracking.content_hash(rows(1))

    registry.rollback("line", why="rehearsed", who="ben")
    assert registry.get("line", "champion").version == 1
    assert registry.load("line").predict(table[["x"]]) == pytest.approx(table["y"] + 2.0)
    assert [*registry.history("line")["what"]].count("promoted") == 2

    with psycopg.connect(
        host="127.0.0.1", port=database.port, user="mlflow", password=database.password,
        dbname="mlflow",
    ) as connection:  # fmt: skip
        kept = connection.execute(
            "SELECT alias, version FROM registered_model_aliases WHERE name = 'line'"
        ).fetchall()
    assert ("champion", 1) in kept
