"""The service template's workflows and its image's commands, run on a generated project.

The environment is this one, with the project on top: nothing is downloaded. GitHub's checks of code
and model run for real; where it is about order and failure, stand-ins run instead of the project's
commands. The steps that install, build images, push and deploy aren't run here.
"""

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import site
import subprocess
import sys
import time
import urllib.request
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from mlops_kit.new import create

SLUG = "ride-cancellations"


class Environment(NamedTuple):
    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def variables(self, **more: str) -> dict[str, str]:
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {"PATH": path, "HOME": str(self.folder), **more}


def environment(
    folder: Path, source: Path | None, python: Sequence[str] | None = None
) -> Environment:
    """Make an environment in which everything that is installed here can be imported.

    Given the start of a command that is like Python, the project's own commands are run by that.
    """
    venv.create(folder, symlinks=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    lines = [f"import site; site.addsitedir({place!r})" for place in site.getsitepackages()]
    (packages / "here.pth").write_text("\n".join([*([str(source)] if source else []), *lines]))
    script(folder, "mlops-kit", "mlops_kit.cli.main")
    mypy = {"MYPY_CACHE_DIR": os.environ["MYPY_CACHE_DIR"]}
    script(folder, "mypy", "mypy.__main__.console_entry", **mypy)
    if source is not None:
        own = {"PYTHONPATH": str(source), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        script(folder, "pytest", "pytest.console_main", python=python, **own)
        script(folder, SLUG, "ride_cancellations.cli.main", python=python, **own)
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent))
    assert ruff
    (folder / "bin" / "ruff").symlink_to(ruff)
    return Environment(folder)


def script(
    folder: Path, name: str, call: str, *, python: Sequence[str] | None = None, **variables: str
) -> None:
    """Write a program of the environment, which calls a function of a module."""
    module, _, function = call.rpartition(".")
    program = folder / "bin" / f"{name}.program"
    program.write_text(f"import sys\nfrom {module} import {function}\nsys.exit({function}())\n")
    words = shlex.join([*(python or [str(folder / "bin" / "python")]), str(program)])
    given = "".join(f"export {key}={shlex.quote(text)}\n" for key, text in variables.items())
    file = folder / "bin" / name
    file.write_text(f'#!/bin/sh\n{given}exec {words} "$@"\n')
    file.chmod(0o755)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a project with both servers' files; its settings are those of a quick rehearsal."""
    folder = tmp_path_factory.mktemp("project") / "project"
    create("service", folder, answers={"ci": "both"}, git=False)
    base = folder / "conf" / "base.yml"
    text, count = re.subn(r"window_days: \d+", "window_days: 21", base.read_text())
    base.write_text(text.replace("trees: 80", "trees: 20"))
    assert count == 1
    # What the project's own tests say is tested where the project is; here one file of them runs.
    for file in (folder / "tests").glob("**/test_*.py"):
        if file.parent.name != "unit":
            file.unlink()
    return folder


@pytest.fixture(scope="module")
def around(
    project: Path, tmp_path_factory: pytest.TempPathFactory, warm_python: list[str]
) -> Environment:
    folder = tmp_path_factory.mktemp("environment") / "venv"
    return environment(folder, project / "src", warm_python)


def ci_run(around: Environment, project: Path, file: str, *more: str, fails: bool = False) -> str:
    command = [str(around.folder / "bin" / "mlops-kit"), "ci", "run", file]
    found = subprocess.run(
        [*command, "--variable", "INSTALLED=yes", *more],
        cwd=project,
        env=around.variables(),
        capture_output=True,
        text=True,
    )
    assert found.returncode == int(fails), f"{found.stdout}\n{found.stderr}"
    return found.stdout


def outcomes(said: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w-]+): (\w+)$", said, re.MULTILINE))


@pytest.mark.whole_way
@pytest.mark.usefixtures("only_mypy")
def test_a_change_of_code_is_checked(around: Environment, project: Path) -> None:
    """Lint, types and tests run and pass; what needs Docker or a cluster is left out."""
    said = ci_run(around, project, ".github/workflows/code.yml")
    assert outcomes(said) == {
        **{"check": "success", "image": "skipped", "publish": "skipped"},
        **{"staging": "skipped", "production": "skipped"},
    }
    for step in ("Lint", "Types", "Tests"):
        assert f"success  {step}" in said
    assert "skipped  Install what uv.lock names" in said


@pytest.mark.whole_way
def test_a_change_of_the_model_is_judged(around: Environment, project: Path) -> None:
    """On a pull request the model is trained, evaluated and released apart; its report is kept."""
    file = ".github/workflows/model.yml"
    said = ci_run(around, project, file, "--event", "pull_request")
    assert outcomes(said) == {"candidate": "success", "comment": "skipped"}
    for step in ("Data", "Train", "Evaluate", "Judge and release", "Report"):
        assert f"success  {step}" in said
    kept = re.findall(r"actions/upload-artifact\S+ \((\d+) files kept\)", said)
    assert int(kept[0]) >= 3


@pytest.fixture
def stand_ins(around: Environment, tmp_path: Path, warm_python: list[str]) -> Environment:
    """Give an environment whose programs say what they were called with, and end as they are told.

    What a folder of the project holds as ``codes`` is how: "monitor 1" makes `monitor` end with 1.
    """
    light = tmp_path / "environment"
    shutil.copytree(around.folder, light, symlinks=True)
    own = {"WARM_PYTHON": str(light / "bin" / "python")}  # beside which it finds the others
    script(light, "mlops-kit", "mlops_kit.cli.main", python=warm_python, **own)
    for name in ("ruff", "mypy", "pytest", SLUG):
        file = light / "bin" / name
        file.unlink()
        file.write_text(
            "#!/bin/sh\nmkdir -p reports workspace\n"
            f'echo "{name} $*" | tee -a reports/tests.xml reports/gate.md workspace/kept\n'
            'exit "$(sed -n "s/^$1 //p" codes | grep . || echo 0)"\n'
        )
        file.chmod(0o755)
    return Environment(light)


@pytest.fixture
def draft(project: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "draft"
    shutil.copytree(project, folder)
    (folder / "codes").touch()
    return folder


def test_a_refused_model_fails_the_check(stand_ins: Environment, draft: Path) -> None:
    """On both servers; and the report is kept all the same."""
    (draft / "codes").write_text("release 1\n")
    for file in (".github/workflows/model.yml", ".gitlab-ci.yml"):
        said = ci_run(stand_ins, draft, file, "--event", "pull_request", fails=True)
        assert outcomes(said)["candidate"] == "failure"
        assert re.search(
            r"success  (artifacts|actions/upload-artifact\S+) \(\d+ files kept\)", said
        )


@pytest.mark.parametrize(
    ("event", "runs"),
    [
        ("push", {"check", "release"}),
        ("pull_request", {"check", "candidate"}),
        ("schedule", {"retrain"}),
    ],
)
def test_gitlab_runs_what_the_event_asks_for(
    stand_ins: Environment, draft: Path, event: str, runs: set[str]
) -> None:
    """Nothing more, and nothing is deployed."""
    branch = "feature" if event == "pull_request" else "main"
    found = outcomes(
        ci_run(stand_ins, draft, ".gitlab-ci.yml", "--event", event, "--branch", branch)
    )
    assert {name for name, outcome in found.items() if outcome == "success"} == runs
    assert "failure" not in found.values()
    assert {"build-image", "deploy-staging", "deploy-production"} <= set(found)


@pytest.mark.parametrize("code", ["0", "1"])
def test_drift_does_not_end_the_schedule(stand_ins: Environment, draft: Path, code: str) -> None:
    """It is why there is one; but a model that is refused ends it, on both servers."""
    for file, job in ((".github/workflows/retrain.yml", "retrain"), (".gitlab-ci.yml", "retrain")):
        (draft / "codes").write_text(f"monitor 1\nretrain {code}\n")
        said = ci_run(stand_ins, draft, file, "--event", "schedule", fails=code == "1")
        assert outcomes(said)[job] == ("success" if code == "0" else "failure")


@pytest.mark.parametrize("given", ["true", "false", "true; touch hacked", "$(touch hacked)"])
def test_force_is_a_word_and_no_script(stand_ins: Environment, draft: Path, given: str) -> None:
    """What is typed into GitHub's form reaches the shell as a value alone."""
    file = draft / ".github" / "workflows" / "retrain.yml"
    file.write_text(file.read_text().replace("- name: Report", "- name: Called", 1))
    text = file.read_text().replace(
        "run: if [ -f reports/gate.md ]; then",
        "run: if [ -e hacked ] || ! grep -q WANTED reports/tests.xml; then exit 1; else",
    )
    file.write_text(text.replace("WANTED", f"'retrain{' --force' if given == 'true' else ''}$'"))
    ci_run(
        stand_ins, draft, ".github/workflows/retrain.yml", "--event", "workflow_dispatch",
        "--input", f"force={given}",
    )  # fmt: skip


# The image's commands.


def docker_words(project: Path, stage_of: str) -> list[str]:
    found = re.findall(
        rf"^{stage_of} (\[.*\])$", (project / "Dockerfile").read_text(), re.MULTILINE
    )
    words: list[str] = json.loads(found[-1])
    return words


@contextlib.contextmanager
def served(
    command: list[str], where: Path, env: Mapping[str, str]
) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        command, cwd=where, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def warmed(around: Environment, name: str, python: Sequence[str]) -> None:
    """Have an installed program run by what is like this Python, with its packages found first."""
    installed = around.folder / "bin" / f"{name}.installed"
    (around.folder / "bin" / name).rename(installed)
    packages = next(around.folder.glob("lib/python*/site-packages"))
    words = shlex.join([*python, str(installed)])
    program = f'#!/bin/sh\nexport PYTHONPATH={shlex.quote(str(packages))}\nexec {words} "$@"\n'
    (around.folder / "bin" / name).write_text(program)
    (around.folder / "bin" / name).chmod(0o755)


@pytest.mark.whole_way
def test_what_the_image_holds_starts_answers_and_stops(
    project: Path, tmp_path: Path, free_port: Callable[[], int], warm_python: list[str]
) -> None:
    """Built from what .dockerignore lets in, in a folder with conf alone, as the image runs it.

    The first model is trained as compose and Kubernetes do it; the service answers, its
    healthcheck says so, and SIGTERM ends it in order.
    """
    context, inside = tmp_path / "context", tmp_path / "app"
    ignore = (project / ".dockerignore").read_text()
    context.mkdir()
    for name in re.findall(r"^!(\S+)$", ignore, re.MULTILINE):
        source = project / name
        if source.is_dir():
            shutil.copytree(source, context / name)
        elif source.exists():
            shutil.copy2(source, context)
    around = environment(tmp_path / "venv", None)
    command = ["uv", "pip", "install", "--quiet", "--offline", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [*command, "--python", str(around.python), "."], cwd=context, env={**os.environ}, check=True
    )
    shutil.copytree(context / "conf", inside / "conf")
    shutil.rmtree(context)
    program = docker_words(project, "ENTRYPOINT")
    warmed(around, program[0], warm_python)
    port = str(free_port())
    text = (project / "Dockerfile").read_text()
    settings = dict(re.findall(r"(APP_\w+)=(\S+)", text))
    assert settings["APP_SERVING__PORT"] == "8000"
    settings = {
        key: value.replace("/workspace", str(tmp_path / "workspace"))
        for key, value in settings.items()
    }
    given = around.variables(
        **settings, OMP_NUM_THREADS="1", USER="app", MLFLOW_DISABLE_TELEMETRY="true"
    )
    given |= {"APP_SERVING__PORT": port, "APP_SERVING__HOST": "127.0.0.1"}
    first = subprocess.run(
        [*program, "retrain"], cwd=inside, env=given, capture_output=True, text=True
    )
    assert first.returncode == 0, first.stdout + first.stderr
    again = subprocess.run(
        [*program, "retrain"], cwd=inside, env=given, capture_output=True, text=True
    )
    assert (again.returncode, "no reason" in again.stdout) == (0, True), again.stdout + again.stderr
    health = re.findall(r'CMD (\["python", "-c", .*127\.0\.0\.1:8000.*\])$', text, re.MULTILINE)
    check = [word.replace(":8000/", f":{port}/") for word in json.loads(health[0])]
    with served([*program, *docker_words(project, "CMD")], inside, given) as process:
        until = time.monotonic() + 300
        while subprocess.run(check, env=given, capture_output=True).returncode:
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < until, "the service isn't healthy"
            time.sleep(0.2)
        for path in ("/ready", "/metrics", "/monitoring", "/model"):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=120) as answer:
                assert answer.status == 200, path
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=300)
        # It has ended in order by then, and ends as the signal would have ended it.
        assert process.returncode in (0, -signal.SIGTERM), said
    assert subprocess.run(check, env=given, capture_output=True).returncode == 1
    assert [path.name for path in inside.iterdir()] == ["conf"]
