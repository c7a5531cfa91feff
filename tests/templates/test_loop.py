"""The loop, really: from the built wheel to a model retrained, promoted and rolled back."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = "import sys; from hatchling import build; build.build_wheel(sys.argv[1])"
LATER = "2026-01-05"
ROW = {
    "pickup_time": "2025-03-03T08:00:00",
    "zone": "zone-01",
    "distance_km": 3.2,
    "wait_min": 4.0,
    "surge": 1.1,
    "raining": False,
}


# What the project's commands import, each of them.
IMPORTED = (
    *("numpy", "pandas", "pyarrow.parquet", "scipy.stats", "scipy.special", "sklearn.ensemble"),
    *("sklearn.pipeline", "sqlalchemy.orm", "mlflow.pyfunc", "mlflow.sklearn", "mlflow.tracking"),
    *("mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store"),
    *("pydantic_settings", "fastapi", "uvicorn", "httpx", "prometheus_client", "typer", "rich"),
    *("matplotlib.figure", "matplotlib.backends.backend_agg", "yaml", "jinja2"),
)


@dataclass(frozen=True)
class Project:
    """A generated project in an environment that holds it and what it asks for, and no more.

    ``python`` is the start of a command that is like the environment's own Python.
    """

    folder: Path
    environment: Path
    python: tuple[str, ...] = ()

    @property
    def variables(self) -> dict[str, str]:
        own = ("APP_", "PYTHON", "MLFLOW_", "VIRTUAL_ENV", "UV_")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(own)}
        binaries = f"{self.environment / 'bin'}{os.pathsep}{kept['PATH']}"
        # How fast the machine is just now is no part of what is tested.
        settings = {"APP_SERVING__RELOAD_S": "0.2", "APP_SERVING__TIMEOUT_S": "120"}
        settings |= {"APP_MONITORING__P99_MS": "0"}
        return {**kept, **settings, "PATH": binaries}

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment, in the project's folder."""
        return subprocess.run(
            [str(self.environment / "bin" / command[0]), *command[1:]],
            cwd=self.folder,
            env={**self.variables, **variables},
            capture_output=True,
            text=True,
        )

    @property
    def own_python(self) -> str:
        """A program that is like the environment's Python, for those who start it themselves."""
        return str(Path(self.python[-1]).with_name("python"))

    def module(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a module of the environment as its program does, without the time to import all."""
        return subprocess.run(
            [*self.python, "-m", *command],
            cwd=self.folder,
            env={**self.variables, **variables, "WARM_PYTHON": self.own_python},
            capture_output=True,
            text=True,
        )

    def ride(self, *command: str, code: int = 0, **variables: str) -> dict[str, Any]:
        """Run one of the project's commands and read its JSON."""
        done = self.module("ride_cancellations", *command, "--json", **variables)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def install(environment: Path, *wanted: str, constraints: Path) -> None:
    """Install from uv's cache, and from the registry only what isn't there."""
    command = ["uv", "pip", "install", "--quiet", "--python", str(environment)]
    command += ["--constraint", str(constraints), *wanted]
    for network in (["--offline"], []):
        done = subprocess.run([*command, *network], capture_output=True, text=True)
        if done.returncode == 0:
            return
    raise AssertionError(done.stderr)


def share_compiled(environment: Path) -> None:
    """Lay what this Python has compiled of the same packages beside their modules.

    Python compares a compiled file with its source and compiles anew what doesn't fit. What
    another process is just writing (``name.pyc.number``) is left: it may be gone at once.
    """
    here = Path(sysconfig.get_path("purelib"))
    there = next(environment.glob("lib/python*/site-packages"))
    for folder, names, files in os.walk(there):
        if "__pycache__" in names:
            names.remove("__pycache__")
        compiled = here / Path(folder).relative_to(there) / "__pycache__"
        if any(file.endswith(".py") for file in files) and compiled.is_dir():
            being_written = shutil.ignore_patterns("*.pyc.*")
            to = Path(folder) / "__pycache__"
            shutil.copytree(compiled, to, dirs_exist_ok=True, ignore=being_written)


def generated(folder: Path) -> Project:
    """Build the wheel, install it alone, and let its command make and set up a project."""
    subprocess.run([sys.executable, "-c", BUILD, str(folder)], cwd=ROOT, check=True)
    wheel = next(folder.glob("*.whl"))
    pinned = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(pinned["tool"]["uv"]["constraint-dependencies"]))
    environment = folder / "environment"
    subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, environment], check=True)
    install(environment, f"{wheel}[templates]", constraints=constraints)
    share_compiled(environment)
    project = Project(folder / "rides", environment)
    made = subprocess.run(
        [environment / "bin" / "mlops-kit", "new", "service", "rides", "--defaults", "--no-git"],
        cwd=folder,
        env=project.variables,
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    kit = f"mlops-kit @ {wheel.as_uri()}"
    own = ["--editable", str(project.folder), "--group", f"{project.folder}/pyproject.toml:dev"]
    install(environment, kit, *own, constraints=constraints)
    share_compiled(environment)
    return project


@contextmanager
def serving(project: Project) -> Iterator[httpx.Client]:
    """Serve the champion as a process of its own, and give what asks it."""
    command = [*project.python, "-m", "ride_cancellations", "serve", "--port", "0"]
    with subprocess.Popen(
        command,
        cwd=project.folder,
        env=project.variables,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        address = re.search(r"http://\S+", said)
        try:
            assert address, said + process.stderr.read()
            with httpx.Client(base_url=address[0], timeout=120) as client:
                yield client
        finally:
            process.terminate()


def answered_by(client: httpx.Client, wanted: str) -> str:
    """Ask until a version answers, or for long enough, and say which one does."""
    for _ in range(1_200):
        answer = client.post("/predict", json=ROW)
        assert answer.status_code == 200, answer.text
        assert 0 < answer.json()["prediction"] < 1
        if answer.json()["version"] == wanted:
            break
        time.sleep(0.1)
    return str(answer.json()["version"])


@pytest.mark.whole_way
def test_the_loop_closes(tmp_path: Path, warm: Callable[..., Any]) -> None:
    """Generated, tested, trained, released, served, watched, retrained, promoted, rolled back."""
    project = generated(tmp_path)
    python = str(project.environment / "bin" / "python")
    with warm(python, IMPORTED) as command:
        walk_the_loop(replace(project, python=tuple(command)))


def walk_the_loop(project: Project) -> None:
    kit = project.run("python", "-c", "import mlops_kit; print(mlops_kit.__file__)").stdout
    assert str(project.environment) in kit

    for words in (["check"], ["format", "--check"]):
        lint = project.run("ruff", *words)
        assert lint.returncode == 0, lint.stdout
    known = ("-W", "ignore::pytest.PytestAssertRewriteWarning")  # of what is imported already
    tests = project.module("pytest", "-q", "-p", "no:cacheprovider", *known)
    assert tests.returncode == 0, tests.stdout[-4000:] + tests.stderr
    assert re.search(r"[5-9]\d passed", tests.stdout)

    trained = json.loads(project.run("ride-cancellations", "train", "--json").stdout)
    assert trained["version"] == 1 and trained["metrics"]["roc_auc"] > 0.55
    released = project.ride("release")
    assert released["promoted"] and released["champion"] == 1
    assert (project.folder / "reports" / "gate.md").is_file()

    with serving(project) as client:
        assert answered_by(client, "1") == "1"
        refused = client.post("/predict", json={**ROW, "wait_min": -1})
        assert refused.status_code == 422
        asked = ("replay", "--url", str(client.base_url), "--rows")
        sent = project.ride(*asked, "150", APP_DATA__UNTIL="2025-03-10")
        assert sent["answered"] == {"1": 150}
        assert project.ride("monitor")["alerts"] == []

        sent = project.ride(*asked, "450", "--scale", "distance_km=1.3", APP_DATA__UNTIL=LATER)
        assert sent["answered"] == {"1": 450}
        seen = project.ride("monitor", code=1)
        moved = {alert["column"] for alert in seen["alerts"] if alert["serious"]}
        assert {"distance_km", "surge", "zone"} <= moved
        page = (project.folder / "reports" / "monitor.html").read_text("utf-8")
        assert "zone-13" in page and "surge" in page
        assert "mlops_monitor_ok 0.0" in client.get("/monitoring").text

        again = project.ride("retrain", APP_DATA__UNTIL=LATER)
        assert any(reason.startswith("surge:") for reason in again["reasons"])
        assert again["promoted"] and again["champion"] == 2
        report = json.loads((project.folder / "reports" / "gate.json").read_text("utf-8"))
        assert report["champion"]["uri"].endswith("/1")
        gains = [v["gain"] for v in report["verdicts"] if v["rule"] == "no worse as a chance"]
        assert gains[0] > 0
        assert answered_by(client, "2") == "2"

        back = project.ride("rollback", "--why", "the test says so")
        assert back["champion"] == 1
        assert answered_by(client, "1") == "1"
