"""The service template's workflows: valid, pinned, with few rights, and their steps really run."""

import functools
import importlib.resources
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from mlops_kit.ci import read_workflow
from mlops_kit.new import create

Content = dict[Any, Any]
NAMES = ("code", "model", "retrain")
COMBINATIONS = [
    {"tracking": tracking, "deploy": deploy, "ci": "both"}
    for tracking in ("local", "server")
    for deploy in ("kubernetes", "compose", "none")
]
# What each release's tag points at, looked up in the actions' own repositories.
ACTIONS = {
    "actions/checkout": ("3d3c42e5aac5ba805825da76410c181273ba90b1", "v7.0.1"),
    "actions/download-artifact": ("3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c", "v8.0.1"),
    "actions/upload-artifact": ("bbbca2ddaa5d8feaa63e36b76fdaad77386f024f", "v7.0.0"),
    "astral-sh/setup-uv": ("20cfd1bf945f4377ade1205e4dbc17946fc9a30d", "v10.0.1"),
    "docker/setup-buildx-action": ("37fe631027851001ddb9b187196cc803df7f5f0e", "v4.3.0"),
}
RIGHTS = {
    "code": {("publish", "packages")},
    "model": {("comment", "pull-requests")},
    "retrain": set(),
}


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


@pytest.fixture(params=COMBINATIONS, ids=lambda answers: "-".join(answers.values()))
def project(projects: Callable[[str], Path], request: pytest.FixtureRequest) -> Path:
    return projects(json.dumps(request.param))


@pytest.fixture
def usual(projects: Callable[[str], Path]) -> Path:
    return projects(json.dumps(COMBINATIONS[0]))


class Loader(yaml.SafeLoader):
    """YAML 1.1 reads `on` as true; here it stays a word."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:bool"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))


def workflow(project: Path, name: str) -> Content:
    text = (project / ".github" / "workflows" / f"{name}.yml").read_text()
    content: Content = yaml.load(text, Loader)
    return content


def gitlab(project: Path) -> Content:
    content: Content = yaml.load((project / ".gitlab-ci.yml").read_text(), Loader)
    return content


def schema(name: str) -> Content:
    folder = importlib.resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    content: Content = json.loads((folder / f"{name}.json").read_text("utf-8"))
    return content


def steps(content: Content) -> Iterator[tuple[str, Content]]:
    for name, job in content["jobs"].items():
        for step in job["steps"]:
            yield name, step


def problems(content: Content, *, rights: set[tuple[str, str]]) -> list[str]:
    """Say what in a workflow somebody hostile, or a forgetful colleague, could use."""
    found = []
    events = content["on"]
    if {"pull_request_target", "workflow_run", "issue_comment"} & set(events):
        found.append("runs with secrets for strangers")
    if content.get("permissions") != {"contents": "read"}:
        found.append(f"permissions: {content.get('permissions')}")
    if not content.get("concurrency"):
        found.append("no concurrency")
    if "secrets" in json.dumps(content.get("env", {})):
        found.append("secrets for every job")
    for name, job in content["jobs"].items():
        written = {key for key, value in job.get("permissions", {}).items() if value != "read"}
        found += [f"{name} may write {key}" for key in written if (name, key) not in rights]
        if not 0 < job.get("timeout-minutes", 0) <= 120:
            found.append(f"{name}: no timeout")
        if not re.fullmatch(r"ubuntu-\d\d\.\d\d", job["runs-on"]):
            found.append(f"{name}: runs on {job['runs-on']}")
        if "secrets." in json.dumps(job.get("env", {})):
            found.append(f"{name}: secrets for every step")
        if re.search(r"secrets\.", json.dumps(job["steps"])) and "environment" not in job:
            found.append(f"{name}: secrets without an environment")
    for name, step in steps(content):
        if "${{" in step.get("run", ""):
            found.append(f"{name}: an expression inside a script")
        if re.search(r"\bset -x|\becho\b[^\n|]*(TOKEN|SECRET|PASSWORD|KEY)", step.get("run", "")):
            found.append(f"{name}: shows a secret")
        if "uses" in step:
            action, _, commit = step["uses"].partition("@")
            if ACTIONS.get(action, ("",))[0] != commit:
                found.append(f"{name}: {step['uses']} isn't a release that was looked up")
            if (
                action == "actions/checkout"
                and step["with"].get("persist-credentials") is not False
            ):
                found.append(f"{name}: leaves the token in .git")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_workflows_are_valid_and_tight(project: Path, name: str) -> None:
    """By GitHub's schema, and by the rules above; each pin names its version."""
    content = workflow(project, name)
    jsonschema.validate(content, schema("github-workflows"))
    assert problems(content, rights=RIGHTS[name]) == []
    text = (project / ".github" / "workflows" / f"{name}.yml").read_text()
    for action, commit, version in re.findall(r"uses: ([\w/-]+)@(\w+) # (\S+)", text):
        assert ACTIONS[action] == (commit, version)
    assert text.count("uses:") == len(re.findall(r"uses: \S+@[0-9a-f]{40} # v", text))


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("  pull_request:", "  pull_request_target:", "for strangers"),
        ("  contents: read\n\n", "  contents: write\n\n", "permissions"),
        ("timeout-minutes: 60", "name: x", "no timeout"),
        ("persist-credentials: false", "fetch-depth: 1", "leaves the token"),
        (r"@3d3c\w+ # v7.0.1", "@v7", "looked up"),
        ("@3d3c42e5", "@3d3c42e6", "looked up"),
        (
            "run: ride-cancellations data",
            "run: echo ${{ github.event.pull_request.title }}",
            "an expression",
        ),
        ("runs-on: ubuntu-24.04", "runs-on: ubuntu-latest", "runs on"),
        ("      actions: read", "      id-token: write", "may write"),
        ("APP_TRACKING: local", "TOKEN: ${{ secrets.TOKEN }}", "secrets for every step"),
        ("run: ride-cancellations data", "run: echo $MY_TOKEN", "shows a secret"),
    ],
)
def test_a_worse_workflow_is_noticed(usual: Path, before: str, after: str, problem: str) -> None:
    """Each rule can be broken."""
    text = (usual / ".github" / "workflows" / "model.yml").read_text()
    worse, count = re.subn(before, after.replace("\\", r"\\"), text)
    assert count
    found = problems(yaml.load(worse, Loader), rights=RIGHTS["model"])
    assert any(problem in entry for entry in found), found


def zizmor(folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [str(Path(sys.executable).parent / "zizmor"), "--offline", "--no-config", "--quiet"]
    return subprocess.run([*command, str(folder)], capture_output=True, text=True)


def test_an_auditor_of_workflows_finds_nothing(project: Path, tmp_path: Path) -> None:
    """zizmor knows the usual attacks; a title that becomes code is one."""
    found = zizmor(project / ".github")
    assert found.returncode == 0, found.stdout
    worse = tmp_path / ".github" / "workflows"
    worse.mkdir(parents=True)
    text = (project / ".github" / "workflows" / "code.yml").read_text()
    title = "run: echo ${{ github.event.pull_request.title }}"
    (worse / "code.yml").write_text(text.replace("run: mypy", title))
    assert zizmor(tmp_path / ".github").returncode != 0


def test_production_is_behind_an_environment(project: Path) -> None:
    """Whatever deploys or releases there waits for its reviewers, after staging; only on main."""
    answers = yaml.safe_load((project / ".copier-answers.yml").read_text())
    jobs = [
        (job, content["jobs"])
        for content in (workflow(project, "code"), workflow(project, "model"))
        for name, job in content["jobs"].items()
        if name == "production"
    ]
    assert len(jobs) == (answers["deploy"] != "none") + (answers["tracking"] == "server")
    for job, beside in jobs:
        assert job["environment"] == "production"
        assert "staging" in job["needs"]
        assert beside["staging"]["environment"] == "staging"
        assert "vars.DEPLOY == 'on'" in job["if"]
    content = gitlab(project)
    for name in [name for name in content if name.endswith("-production")]:
        assert content[name]["environment"]["name"] == "production"
        (rule,) = content[name]["rules"]
        assert rule["when"] == "manual"
        assert '$CI_COMMIT_BRANCH == "main"' in rule["if"]


def scripts(project: Path) -> Iterator[tuple[str, str]]:
    """Give every shell script of every workflow, as it would be run here."""
    files = [*(project / ".github" / "workflows").iterdir(), project / ".gitlab-ci.yml"]
    for file in files:
        for job in read_workflow(file).jobs:
            for step in job.steps:
                if step.script:
                    yield f"{file.name}: {job.name}: {step.name}", step.script


def test_scripts_are_shell(project: Path) -> None:
    """Also those that are left out here are read by the shell without complaint."""
    names = []
    for name, script in scripts(project):
        found = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)
        assert found.returncode == 0, f"{name}: {found.stderr}"
        for program in re.findall(r"<<'END'\n(.*?)\nEND\n", script, re.DOTALL):
            compile(program, name, "exec")
        names.append(name)
    assert len(names) > 10


def test_gitlab_is_valid_and_tight(project: Path) -> None:
    """By GitLab's schema; images pinned, jobs limited, no secret in the file."""
    content = gitlab(project)
    jsonschema.validate(content, schema("gitlab-ci"))
    images = [content["default"]["image"]]
    for name, job in content.items():
        if isinstance(job, dict) and "script" in job:
            images += [job["image"]] if "image" in job else []
            parent = content.get(job.get("extends"), {})
            assert "timeout" in {*job, *parent}, name
            assert "rules" in {*job, *parent, *content.get(parent.get("extends"), {})}, name
    for image in images:
        # Of Buildah's releases no digest could be looked up; the file says how to add it.
        assert re.search(r"@sha256:[0-9a-f]{64}$|^quay\.io/buildah/stable:v\d+\.\d+\.\d+$", image)
    text = (project / ".gitlab-ci.yml").read_text()
    assert not re.search(r"(?i)(password|token|secret|key)\w*: *[\"']?[\w-]{8,}", text)
    assert "CI_DEBUG_TRACE" not in text


def test_one_python_image_for_all(projects: Callable[[str], Path]) -> None:
    """GitLab's jobs run in the image that the service is built on; uv is of one version."""
    for python in ("3.11", "3.12", "3.13"):
        project = projects(json.dumps({"python": python, "ci": "both"}))
        dockerfile = (project / "Dockerfile").read_text()
        assert f"FROM {gitlab(project)['default']['image']} AS python" in dockerfile
        (uv,) = re.findall(r"astral-sh/uv:([\d.]+)@", dockerfile)
        for name in NAMES:
            content = workflow(project, name)
            assert content["env"]["UV_PYTHON"] == python
            versions = {
                step["with"]["version"]
                for _, step in steps(content)
                if step.get("uses", "").startswith("astral-sh/setup-uv")
            }
            assert versions == {uv}
        assert f"uv=={uv}" in (project / ".gitlab-ci.yml").read_text()


@pytest.mark.parametrize(
    ("ci", "github", "other"),
    [
        ("github", True, False),
        ("gitlab", False, True),
        ("both", True, True),
        ("none", False, False),
    ],
)
def test_only_the_chosen_server_has_files(
    projects: Callable[[str], Path], ci: str, github: bool, other: bool
) -> None:
    """Nothing is left over of the one that wasn't chosen."""
    project = projects(json.dumps({"ci": ci}))
    assert (project / ".github").exists() is github
    assert (project / ".gitlab-ci.yml").exists() is other
