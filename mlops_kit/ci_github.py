"""Read a GitHub Actions workflow into what can be run on this machine.

Supported: ``on`` with ``branches``, ``env``, ``defaults.run``; jobs with ``needs``, ``if``,
``strategy.matrix``, ``env``, ``outputs``, ``continue-on-error``, ``timeout-minutes``; steps with
``run`` (bash, sh, python), ``env``, ``id``, ``if``, ``working-directory``,
``continue-on-error``, ``timeout-minutes``, and the actions in :data:`ACTIONS`. Permissions,
concurrency, environments and runners are read and have no meaning here. Everything else, reusable
workflows and services among it, is refused by name.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlops_kit.ci_expressions import Context, fill
from mlops_kit.ci_model import Artifact, Job, Step, Workflow
from mlops_kit.ci_reading import as_list, combinations, in_order, known_keys, texts
from mlops_kit.errors import CiError

__all__ = ["ACTIONS", "is_started", "read_github"]

ACTIONS: Mapping[str, str] = {
    "actions/checkout": "the folder is there already",
    "actions/setup-python": "the Python of this environment is used",
    "actions/cache": "this machine's own caches are used",
    "astral-sh/setup-uv": "the uv of this machine is used",
    "docker/setup-buildx-action": "this machine's own Docker is used",
}
"""Actions that have nothing to do here, and why."""

_WORKFLOW = ("name", "on", "env", "defaults", "jobs", "run-name")
_NO_MEANING = ("permissions", "concurrency")
_JOB = (
    *("name", "needs", "if", "strategy", "env", "outputs", "steps", "defaults"),
    *("continue-on-error", "timeout-minutes"),
)
_JOB_NO_MEANING = ("runs-on", "permissions", "concurrency", "environment")
_STEP = (
    *("name", "id", "if", "run", "uses", "with", "env", "shell", "working-directory"),
    *("continue-on-error", "timeout-minutes"),
)
_ARTIFACTS = ("actions/download-artifact", "actions/upload-artifact")
_SHELLS = ("bash", "sh", "python")
_BRANCHES = ("branches", "branches-ignore")


def read_github(path: Path, content: Mapping[Any, Any]) -> Workflow:
    """Take a workflow as its YAML gives it.

    Raises
    ------
    CiError
        If it uses what isn't supported; the message names it.
    """
    # YAML 1.1 reads the key `on` as true.
    content = {("on" if key is True else key): value for key, value in content.items()}
    known_keys(str(path), content, _WORKFLOW, _NO_MEANING)
    usual = _run_defaults(str(path), content.get("defaults"))
    jobs: list[Job] = []
    for base, given in known_keys("jobs", content.get("jobs") or {}, content["jobs"]).items():
        jobs += _jobs(str(base), given, usual)
    if not jobs:
        raise CiError(f"{path} has no jobs.")
    env = texts("env", content.get("env"))
    return Workflow(
        str(content.get("name") or path.stem), "github", in_order(jobs), _events(path, content), env
    )


def _events(path: Path, content: Mapping[Any, Any]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Give what starts a workflow, with its branches; paths, types and tags aren't looked at."""
    on = content.get("on")
    given = on if isinstance(on, Mapping) else dict.fromkeys(as_list(on))
    if not given:
        raise CiError(f"{path} doesn't say when it runs: give it 'on', such as 'on: [push]'.")
    found = {}
    for event, filters in given.items():
        only = filters if isinstance(filters, Mapping) else {}
        names = {name: tuple(map(str, as_list(only.get(name)))) for name in _BRANCHES}
        if "tags" in only and "branches" not in only:
            names["branches"] = ("!**",)
        found[str(event)] = {name: patterns for name, patterns in names.items() if patterns}
    return found


def is_started(events: Mapping[str, Mapping[str, tuple[str, ...]]], event: str, to: str) -> bool:
    """Say whether something that happened on a branch, or asks to be merged ``to`` it, starts it.

    Examples
    --------
    >>> is_started({"push": {"branches": ("main", "release/*")}}, "push", "release/3")
    True
    >>> is_started({"push": {}}, "pull_request", "main")
    False
    """
    if event not in events:
        return False
    only = events[event]
    if "branches" in only and not _fits(only["branches"], to):
        return False
    return not _fits(only.get("branches-ignore", ()), to)


def _fits(patterns: tuple[str, ...], branch: str) -> bool:
    """Say whether a branch is among patterns; a later one that begins with ! takes it out."""
    fits = False
    for pattern in patterns:
        parts = re.split(r"(\*\*|\*)", pattern.removeprefix("!"))
        stars = {"**": ".*", "*": "[^/]*"}
        if re.fullmatch("".join(stars.get(part) or re.escape(part) for part in parts), branch):
            fits = not pattern.startswith("!")
    return fits


def _run_defaults(where: str, given: Any) -> dict[str, str]:
    outer = known_keys(f"{where}: defaults", given or {}, ("run",))
    inner = known_keys(
        f"{where}: defaults.run", outer.get("run") or {}, ("shell", "working-directory")
    )
    return {str(key): str(value) for key, value in inner.items()}


def _jobs(base: str, given: Any, usual: Mapping[str, str]) -> list[Job]:
    where = f"job {base}"
    known_keys(where, given, _JOB, _JOB_NO_MEANING)
    strategy = known_keys(
        f"{where}: strategy",
        given.get("strategy") or {},
        ("matrix",),
        ("fail-fast", "max-parallel"),
    )
    usual = {**usual, **_run_defaults(where, given.get("defaults"))}
    minutes = _minutes(where, given.get("timeout-minutes"), 360.0)
    steps = tuple(
        _step(f"{where}, step {number}", step, usual, minutes)
        for number, step in enumerate(given.get("steps") or [], 1)
    )
    if not steps:
        raise CiError(f"{where} has no steps.")
    matrices: list[dict[str, Any]] = [{}]
    if strategy.get("matrix"):
        matrices = combinations(where, strategy["matrix"])
    return [
        Job(
            name=base if not matrix else f"{base} ({', '.join(map(str, matrix.values()))})",
            base=base,
            steps=steps,
            needs=tuple(map(str, as_list(given.get("needs")))),
            condition=_condition(given.get("if")),
            env=texts(f"{where}: env", given.get("env")),
            matrix=matrix,
            outputs=texts(f"{where}: outputs", given.get("outputs")),
            may_fail=_flag(where, given.get("continue-on-error"), matrix),
        )
        for matrix in matrices
    ]


def _step(where: str, given: Any, usual: Mapping[str, str], minutes: float) -> Step:
    known_keys(where, given, _STEP)
    name = str(given.get("name") or given.get("id") or "")
    common: dict[str, Any] = {
        "id": str(given.get("id") or ""),
        "condition": _condition(given.get("if")),
        "env": texts(f"{where}: env", given.get("env")),
        "may_fail": _flag(where, given.get("continue-on-error"), {}),
        "minutes": min(minutes, _minutes(where, given.get("timeout-minutes"), minutes)),
    }
    if ("run" in given) == ("uses" in given):
        raise CiError(f"{where} must have either 'run' or 'uses'.")
    if "uses" in given:
        return _action(where, name, str(given["uses"]), given.get("with") or {}, common)
    # Without a name the shell is bash, but a failure within a pipe isn't seen: as on the server.
    shell = str(given.get("shell") or usual.get("shell") or "")
    if shell and shell not in _SHELLS:
        raise CiError(f"{where} runs in the shell {shell!r}; supported: {', '.join(_SHELLS)}.")
    script = str(given["run"])
    return Step(
        name=name or script.strip().splitlines()[0][:60],
        script=script,
        shell=shell,
        folder=str(given.get("working-directory") or usual.get("working-directory") or ""),
        **common,
    )


def _action(where: str, name: str, uses: str, given: Any, common: dict[str, Any]) -> Step:
    action = uses.partition("@")[0]
    known = {str(key): str(value) for key, value in given.items()}
    if action in _ARTIFACTS:
        kept = action.startswith("actions/upload")
        paths = tuple(line.strip() for line in known.get("path", "").splitlines() if line.strip())
        artifact = Artifact("keep" if kept else "fetch", known.get("name", "artifact"), paths)
        return Step(name or uses, artifact=artifact, **common)
    if action not in ACTIONS:
        supported = ", ".join(
            sorted([*ACTIONS, "actions/upload-artifact", "actions/download-artifact"])
        )
        raise CiError(
            f"{where} uses the action {uses}, which can't be run here. Supported: {supported}. "
            "Put what it does into a 'run' step, or into a script that both call."
        )
    return Step(name or uses, note=ACTIONS[action], **common)


def _condition(given: Any) -> str:
    return "" if given is None else str(given).lower() if isinstance(given, bool) else str(given)


def _minutes(where: str, given: Any, usual: float) -> float:
    if given is None:
        return usual
    if isinstance(given, bool) or not isinstance(given, int | float) or given <= 0:
        raise CiError(f"{where}: timeout-minutes must be a number above 0, got {given!r}.")
    return float(given)


def _flag(where: str, given: Any, matrix: Mapping[str, Any]) -> bool:
    if isinstance(given, str):
        given = fill(given, Context({"matrix": matrix})) == "true"
    if given not in (None, True, False):
        raise CiError(f"{where}: continue-on-error must be true or false, got {given!r}.")
    return bool(given)
