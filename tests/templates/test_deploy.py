"""What the service template gives to run containers with: the image and compose.yml."""

import functools
import http.server
import importlib.resources
import json
import os
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from mlops_kit.new import create

Content = dict[str, Any]
COMBINATIONS = [
    {"tracking": "local", "deploy": "kubernetes", "python": "3.11"},
    {
        "tracking": "server",
        "deploy": "kubernetes",
        "python": "3.12",
        "project_name": "Fares's $now",
    },
    {"tracking": "local", "deploy": "compose", "python": "3.13", "owner": "R&D: data #1"},
    {"tracking": "server", "deploy": "compose", "python": "3.11"},
]
PINNED = re.compile(r"[a-z0-9./-]+:[\w.-]+@sha256:[0-9a-f]{64}")
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|KEY")


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Make a project of each combination of answers, once."""
    root = tmp_path_factory.mktemp("projects")

    @functools.cache
    def made(answers: str) -> Path:
        folder = root / str(len(list(root.iterdir())))
        create("service", folder, answers=json.loads(answers), git=False)
        return folder

    return made


@pytest.fixture(params=COMBINATIONS, ids=lambda answers: "-".join(list(answers.values())[:2]))
def project(projects: Callable[[str], Path], request: pytest.FixtureRequest) -> Path:
    return projects(json.dumps(request.param))


@pytest.fixture
def usual(projects: Callable[[str], Path]) -> Path:
    return projects(json.dumps({}))


def tool(name: str) -> str:
    return str(Path(sys.executable).parent / name)


# The image.


def instructions(text: str) -> list[tuple[str, str]]:
    """Split a Dockerfile: each instruction with the rest of its line, continuations joined."""
    text = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [
        (word.upper(), rest.strip()) for word, _, rest in (x.partition(" ") for x in lines) if word
    ]


def stages(text: str) -> dict[str, list[tuple[str, str]]]:
    """Give each stage with what it inherits from the stages it is built on."""
    found: dict[str, list[tuple[str, str]]] = {}
    current: list[tuple[str, str]] = []
    for word, rest in instructions(text):
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            current = found[name] = [*found.get(base, [("BASE", base)])]
        else:
            current.append((word, rest))
    return found


def dockerfile_problems(text: str) -> list[str]:
    """Say what an attacker, or somebody on call, would not like about a Dockerfile."""
    problems = []
    for name, lines in stages(text).items():
        given = dict(lines)
        if not PINNED.fullmatch(given["BASE"]):
            problems.append(f"{name}: {given['BASE']} isn't pinned")
        for word, rest in lines:
            if word == "ADD":
                problems.append(f"{name}: ADD fetches and unpacks")
            if word in ("ENV", "ARG", "LABEL") and SECRET.search(rest):
                problems.append(f"{name}: a secret stays in the image: {rest}")
            if re.search(r"apt-get|curl|wget|chmod (-R )?[0-7]*7\b|:latest", rest):
                problems.append(f"{name}: {rest}")
            if word in ("CMD", "ENTRYPOINT") and not rest.startswith("["):
                problems.append(f"{name}: {word} runs in a shell, which swallows signals")
        if name in ("service", "tracking"):
            if not re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", given.get("USER", "")):
                problems.append(f"{name}: USER {given.get('USER')} isn't a number above 999")
            if "HEALTHCHECK" not in given:
                problems.append(f"{name}: no HEALTHCHECK")
            if any("/uv" in rest or "gcc" in rest for _, rest in lines):
                problems.append(f"{name}: holds tools for building")
    return problems


def test_the_image_keeps_the_rules(project: Path) -> None:
    """Pinned bases, nobody's user, no tools, no shell in between; hadolint agrees."""
    file = project / "Dockerfile"
    assert dockerfile_problems(file.read_text()) == []
    found = subprocess.run([tool("hadolint"), str(file)], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout
    python = yaml.safe_load((project / ".copier-answers.yml").read_text())["python"]
    assert re.search(rf"^FROM python:{re.escape(python)}\.\d+-slim", file.read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (r"@sha256:\w+ AS python", " AS python", "isn't pinned"),
        (r"USER 10001:10001", "USER root", "isn't a number"),
        (r"HEALTHCHECK.*\\\n.*\n", "", "no HEALTHCHECK"),
        (r'CMD \["serve"\]', "CMD serve", "in a shell"),
        (r"COPY conf", "ADD conf", "ADD"),
        (r"EXPOSE 8000", "ENV APP_ADMIN_TOKEN=abc", "a secret"),
        (r"EXPOSE 8000", "COPY --from=uv /uv /bin/uv", "tools for building"),
        (r"EXPOSE 8000", "RUN chmod -R 777 /workspace", "chmod"),
    ],
)
def test_a_worse_image_is_noticed(usual: Path, before: str, after: str, problem: str) -> None:
    """Each rule can be broken."""
    text, count = re.subn(before, after, (usual / "Dockerfile").read_text())
    assert count
    assert any(problem in found for found in dockerfile_problems(text))


def admitted(project: Path) -> set[str]:
    """Give the names at the top of what .dockerignore lets into the build."""
    lines = (project / ".dockerignore").read_text().splitlines()
    assert next(line for line in lines if line and not line.startswith("#")) == "*"
    return {line.removeprefix("!").rstrip("/") for line in lines if line.startswith("!")}


def test_the_build_gets_what_it_copies_and_nothing_else(project: Path) -> None:
    """Neither .env nor .git nor data can end up in an image."""
    copied = set()
    for word, rest in instructions((project / "Dockerfile").read_text()):
        if word == "COPY" and not rest.startswith("--from"):
            copied |= set(rest.split()[:-1])
    assert copied == admitted(project)
    there = {name for name in copied if (project / name).exists()}
    assert there == copied - {"uv.lock"}, "uv.lock is made by the first `uv sync`"


class Answer(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, *said: Any) -> None:
        pass


@pytest.fixture
def answering() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.mark.parametrize("stage", ["service", "tracking"])
def test_the_healthcheck_tells_health_from_illness(
    usual: Path, stage: str, answering: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own command exits with 0 on an answer, and else with 1, whatever proxy is set."""
    checks = [
        rest
        for word, rest in stages((usual / "Dockerfile").read_text())[stage]
        if word == "HEALTHCHECK"
    ]
    words = json.loads(checks[-1].partition("CMD ")[2])
    assert words[0] == "python"
    ports = re.findall(r"127\.0\.0\.1:(\d+)/health", words[-1])
    assert ports == [{"service": "8000", "tracking": "5000"}[stage]]

    def code(port: int) -> int:
        asked = words[-1].replace(f":{ports[0]}/", f":{port}/")
        environment = {"http_proxy": "http://127.0.0.1:9", "PATH": os.environ["PATH"]}
        return subprocess.run(
            [sys.executable, *words[1:-1], asked], env=environment, capture_output=True
        ).returncode

    assert code(answering) == 0
    monkeypatch.setattr(Answer, "status", 503)
    assert code(answering) == 1
    assert code(9) == 1


# compose.yml.


def compose(project: Path) -> Content:
    content: Content = yaml.safe_load((project / "compose.yml").read_text())
    return content


def schema(name: str) -> Content:
    folder = importlib.resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    content: Content = json.loads((folder / f"{name}.json").read_text("utf-8"))
    return content


def compose_problems(content: Content, dockerfile: str = "") -> list[str]:
    """Say what is open, unpinned, too mighty or guessable in a compose file."""
    problems = []
    for name, service in content["services"].items():

        def tell(what: str, name: str = name) -> None:
            problems.append(f"{name}: {what}")

        build = service.get("build")
        if build and build["target"] not in stages(dockerfile):
            tell(f"there is no stage {build['target']}")
        if not build and not PINNED.fullmatch(service["image"]):
            tell(f"{service['image']} isn't pinned")
        if not re.fullmatch(r"[1-9]\d*:\d+", service.get("user", "")):
            tell(f"runs as {service.get('user')}")
        if service.get("read_only") is not True or service.get("cap_drop") != ["ALL"]:
            tell("may write its own files, or has capabilities")
        if "no-new-privileges:true" not in service.get("security_opt", []):
            tell("may gain privileges")
        if service.get("privileged") or {"pid", "network_mode", "cap_add", "devices"} & set(
            service
        ):
            tell("reaches into the machine")
        for port in service.get("ports", []):
            if not str(port).startswith("127.0.0.1:"):
                tell(f"the port {port} is open to the network")
        for key, value in service.get("environment", {}).items():
            given = re.fullmatch(r"\$\{\w+(:\?.+|:-)\}", str(value))
            if SECRET.search(key) and not given:
                tell(f"{key} stands in the file")
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("/") or "docker.sock" in volume:
                tell(f"mounts {source}")
            if not source.startswith(".") and source not in content["volumes"]:
                tell(f"the volume {source} isn't declared")
            if source.startswith(".") and not volume.endswith(":ro"):
                tell(f"{source} is writable")
        if name in ("postgres", "storage") and service["networks"] != ["storage"]:
            tell("is in reach of more than MLflow")
        for needed, how in service.get("depends_on", {}).items():
            other = content["services"][needed]
            healthy = "healthcheck" in other or "build" in other
            if how["condition"] == "service_healthy" and not healthy:
                tell(f"waits for the health of {needed}, which doesn't tell")
    if content["networks"]["storage"] != {"internal": True}:
        problems.append("the store's network isn't internal")
    return problems


def test_compose_is_valid_and_tight(project: Path) -> None:
    """By the Compose specification's schema, and by the rules above."""
    content = compose(project)
    jsonschema.validate(content, schema("compose-spec"))
    assert compose_problems(content, (project / "Dockerfile").read_text()) == []
    for service in content["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith(".") or (project / source).is_dir(), source


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("service.ports", ["8000:8000"], "open to the network"),
        ("postgres.image", "postgres:18", "isn't pinned"),
        ("postgres.user", "0:0", "runs as"),
        ("postgres.environment.POSTGRES_PASSWORD", "mlflow", "stands in the file"),
        ("postgres.environment.POSTGRES_PASSWORD", "${POSTGRES_PASSWORD:-mlflow}", "stands in"),
        ("grafana.read_only", False, "may write"),
        ("grafana.volumes", ["/var/run/docker.sock:/var/run/docker.sock"], "mounts"),
        ("grafana.security_opt", [], "may gain"),
        ("storage.networks", ["front", "storage"], "in reach"),
        ("service.privileged", True, "reaches into"),
        ("service.build", {"context": ".", "target": "none"}, "no stage"),
        ("prometheus.volumes", ["data:/prometheus"], "isn't declared"),
    ],
)
def test_a_worse_compose_file_is_noticed(usual: Path, path: str, value: Any, problem: str) -> None:
    """Each rule can be broken."""
    content = compose(usual)
    place: Content = content["services"]
    *way, last = path.split(".")
    for key in way:
        place[key] = {**place[key]}
        place = place[key]
    place[last] = value
    found = compose_problems(content, (usual / "Dockerfile").read_text())
    assert any(problem in entry for entry in found), found


def test_every_variable_is_in_the_example(project: Path) -> None:
    """Secrets without a value stop compose, and say what to do."""
    text = (project / "compose.yml").read_text()
    used = set(re.findall(r"\$\{(\w+)", text))
    example = (project / ".env.example").read_text()
    declared = set(re.findall(r"^(\w+)=", example, re.MULTILINE))
    assert used <= declared
    required = set(re.findall(r"\$\{(\w+):\?run `python deploy/make_env.py`", text))
    assert required == {name for name in used if SECRET.search(name)} - {"APP_ADMIN_TOKEN"}


def test_make_env_fills_in_what_compose_wants(project: Path, tmp_path: Path) -> None:
    """With other passwords each time, for oneself alone, and never over what is there."""
    required = set(re.findall(r"\$\{(\w+):\?", (project / "compose.yml").read_text()))
    seen = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / ".env.example").write_bytes((project / ".env.example").read_bytes())
        command = [sys.executable, str(project / "deploy" / "make_env.py"), "--folder", str(folder)]
        assert subprocess.run(command, capture_output=True).returncode == 0
        file = folder / ".env"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        values = dict(re.findall(r"^(\w+)=(.+)$", file.read_text(), re.MULTILINE))
        assert required <= set(values)
        assert all(len(values[name]) >= 32 for name in required)
        seen.append(values)
        again = subprocess.run(command, capture_output=True, text=True)
        assert (again.returncode, "there already" in again.stderr) == (1, True)
    assert not {seen[0][name] for name in required} & {seen[1][name] for name in required}


def test_without_containers_nothing_of_them_is_there(projects: Callable[[str], Path]) -> None:
    """And with compose alone, nothing for Kubernetes."""
    none = projects(json.dumps({"deploy": "none", "ci": "both"}))
    names = ("Dockerfile", ".dockerignore", "compose.yml", "deploy")
    assert [name for name in names if (none / name).exists()] == []
    assert "POSTGRES" not in (none / ".env.example").read_text()
    for file in (none / ".gitlab-ci.yml", *(none / ".github" / "workflows").iterdir()):
        assert not re.search(r"docker|kubectl|buildah", file.read_text()), file
    alone = projects(json.dumps(COMBINATIONS[2]))
    assert not (alone / "deploy" / "kubernetes").exists()
    assert (alone / "compose.yml").is_file()
