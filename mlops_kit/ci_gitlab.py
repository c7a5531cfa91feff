"""Read a GitLab CI file into what can be run on this machine.

Supported: ``stages``, ``variables``, ``default``, ``workflow`` with ``name`` and ``rules``; jobs
with ``stage``, ``needs``, ``before_script``, ``script``, ``after_script``, ``variables``,
``rules`` with ``if``, ``when``, ``allow_failure``, ``parallel.matrix``, ``artifacts.paths``,
``extends``, ``timeout``. Images, tags, caches, environments and retries are read and have no
meaning here. Everything else, ``include``, ``only`` and ``services`` among it, is refused by name.
A job without rules runs for a merge request too, which GitLab itself asks to be told.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlops_kit.ci_model import Artifact, Job, Step, Workflow
from mlops_kit.ci_reading import as_list, combinations, in_order, known_keys, texts
from mlops_kit.errors import CiError

__all__ = ["read_gitlab"]

_STAGES = (".pre", "build", "test", "deploy", ".post")
_GLOBAL = ("stages", "variables", "default", "workflow")
_DEFAULT = ("before_script", "after_script")
_NO_MEANING = (
    *("image", "tags", "cache", "environment", "retry", "interruptible", "resource_group"),
    *("coverage", "dependencies", "release_notes"),
)
_JOB = (
    *("stage", "needs", "before_script", "script", "after_script", "variables", "rules", "when"),
    *("allow_failure", "parallel", "artifacts", "extends", "timeout"),
)
_RULE = ("if", "when", "allow_failure")
_TERM = re.compile(
    r"""\s*\$(?P<name>\w+)\s*(?:(?P<sign>==|!=)\s*(?:"(?P<text>[^"]*)"|'(?P<other>[^']*)'|(?P<null>null)|\$(?P<second>\w+)))?\s*"""
)
_PARTS = re.compile(r"""&&|\|\||[()]|(?:"[^"]*"|'[^']*'|[^&|()"']|&(?!&)|\|(?!\|))+""")


def read_gitlab(path: Path, content: Mapping[Any, Any]) -> Workflow:
    """Take a pipeline as its YAML gives it.

    Raises
    ------
    CiError
        If it uses what isn't supported; the message names it.
    """
    refused = [key for key in ("include", "services", "pages", "image_pull") if key in content]
    if refused:
        raise CiError(f"{path} uses {', '.join(refused)}, which isn't supported here.")
    default = known_keys(f"{path}: default", content.get("default") or {}, _DEFAULT, _NO_MEANING)
    for key in _DEFAULT:
        if key in content:
            default = {**default, key: content[key]}
    stages = tuple(map(str, content.get("stages") or _STAGES))
    entries = {
        str(key): value
        for key, value in content.items()
        if key not in (*_GLOBAL, *_DEFAULT, *_NO_MEANING) and isinstance(value, Mapping)
    }
    jobs: list[Job] = []
    for base in entries:
        if not base.startswith("."):
            jobs += _jobs(base, _extended(base, entries, ()), default, stages)
    if not jobs:
        raise CiError(f"{path} has no jobs.")
    whole = known_keys(
        "workflow", content.get("workflow") or {}, ("name", "rules"), ("auto_cancel",)
    )
    name, condition = str(whole.get("name") or path.stem), _rules("workflow", whole)[0]
    variables = texts("variables", _plain(content.get("variables")))
    return Workflow(
        name, "gitlab", in_order(_staged(jobs, entries, stages)), {}, variables, condition
    )


def _plain(variables: Any) -> Any:
    """Take a variable's value where it is given with a description."""
    if not isinstance(variables, Mapping):
        return variables
    return {
        key: value.get("value", "") if isinstance(value, Mapping) else value
        for key, value in variables.items()
    }


def _extended(base: str, entries: Mapping[str, Any], seen: tuple[str, ...]) -> dict[str, Any]:
    """Give a job with what it extends merged in."""
    if base in seen or base not in entries:
        raise CiError(f"job {(seen or (base,))[0]} extends {base}, which isn't there or is itself.")
    own = dict(entries[base])
    merged: dict[str, Any] = {}
    for parent in as_list(own.pop("extends", None)):
        merged = _merged(merged, _extended(str(parent), entries, (*seen, base)))
    return _merged(merged, own)


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(one)
    for key, value in other.items():
        both = isinstance(value, Mapping) and isinstance(found.get(key), Mapping)
        found[key] = _merged(found[key], value) if both else value
    return found


def _jobs(
    base: str, given: Mapping[str, Any], default: Mapping[str, Any], stages: tuple[str, ...]
) -> list[Job]:
    where = f"job {base}"
    known_keys(where, given, _JOB, _NO_MEANING)
    if not given.get("script"):
        raise CiError(f"{where} has no script.")
    stage = str(given.get("stage") or "test")
    if stage not in stages:
        raise CiError(f"{where} is in the stage {stage!r}; there: {', '.join(stages)}.")
    condition, may_fail = _rules(where, given)
    parallel = given.get("parallel") or {}
    if not isinstance(parallel, Mapping):
        raise CiError(f"{where}: parallel is supported with a matrix only.")
    matrices: list[dict[str, Any]] = [{}]
    if parallel:
        rows = known_keys(f"{where}: parallel", parallel, ("matrix",))["matrix"]
        matrices = [
            found
            for row in rows
            for found in combinations(where, {key: as_list(value) for key, value in row.items()})
        ]
    return [
        Job(
            name=base if not matrix else f"{base} ({', '.join(map(str, matrix.values()))})",
            base=base,
            steps=_steps(where, given, default),
            needs=tuple(_needed(where, entry) for entry in as_list(given.get("needs"))),
            condition=condition,
            env={**texts(where, given.get("variables")), **texts(where, matrix)},
            matrix=matrix,
            may_fail=may_fail,
        )
        for matrix in matrices
    ]


def _needed(where: str, entry: Any) -> str:
    if isinstance(entry, Mapping):
        return str(known_keys(f"{where}: needs", entry, ("job",), ("artifacts",))["job"])
    return str(entry)


def _steps(where: str, given: Mapping[str, Any], default: Mapping[str, Any]) -> tuple[Step, ...]:
    before = as_list(given.get("before_script", default.get("before_script")))
    after = as_list(given.get("after_script", default.get("after_script")))
    lines = [*before, *as_list(given["script"])]
    if not all(isinstance(line, str) for line in [*lines, *after]):
        raise CiError(f"{where}: every line of a script must be text; put it in quotes.")
    steps = [Step("artifacts of earlier jobs", artifact=Artifact("fetch", "", ()), note="")]
    steps.append(Step("script", script="\n".join(lines)))
    if after:
        condition = "always()"
        steps.append(
            Step("after_script", script="\n".join(after), condition=condition, may_fail=True)
        )
    artifacts = known_keys(
        f"{where}: artifacts",
        given.get("artifacts") or {},
        ("paths", "when"),
        ("expire_in", "name", "reports", "expose_as"),
    )
    if artifacts.get("paths"):
        when = {"always": "always()", "on_failure": "failure()"}.get(str(artifacts.get("when")), "")
        kept = Artifact("keep", where, tuple(map(str, artifacts["paths"])))
        steps.append(Step("artifacts", artifact=kept, condition=when))
    return tuple(steps)


def _rules(where: str, given: Mapping[str, Any]) -> tuple[str, bool]:
    """Turn ``rules`` and ``when`` into one condition, and say whether the job may fail."""
    may_fail = given.get("allow_failure") is True
    when = str(given.get("when") or "on_success")
    rules = as_list(given.get("rules"))
    if not rules:
        return _when(where, when), may_fail
    condition = "false"
    for rule in reversed(rules):
        known_keys(f"{where}: rules", rule, _RULE)
        chosen = _when(where, str(rule.get("when") or when)) or "success()"
        test = _expression(where, str(rule["if"])) if "if" in rule else "true"
        # An earlier rule that fits decides; `a && b || c` isn't enough where b can be false.
        condition = f"(({test}) && ({chosen})) || (!({test}) && ({condition}))"
        may_fail = may_fail or rule.get("allow_failure") is True
    return condition, may_fail


def _when(where: str, when: str) -> str:
    known = {
        "on_success": "",
        "always": "always()",
        "on_failure": "failure()",
        "never": "false",
        "manual": "false",
        "delayed": "",
    }
    if when not in known:
        raise CiError(f"{where}: when: {when!r} isn't supported; there: {', '.join(known)}.")
    return known[when]


def _expression(where: str, text: str) -> str:
    """Turn ``$NAME == "value" && …`` into an expression of the common kind."""
    done = []
    for part in _PARTS.findall(text):
        if part.strip() in ("&&", "||", "(", ")", ""):
            done.append(part.strip())
            continue
        found = _TERM.fullmatch(part)
        if found is None:
            raise CiError(
                f'{where}: the rule {text!r} isn\'t supported. Supported: $NAME, $NAME == "text", '
                '$NAME != "text", $OTHER or null instead of "text", &&, || and brackets.'
            )
        name, sign = f"env.{found['name']}", found["sign"]
        if found["second"]:
            done.append(f"({name} {sign} env.{found['second']})")
            continue
        value = found["text"] if found["text"] is not None else found["other"]
        quoted = "''" if found["null"] or value is None else "'" + value.replace("'", "''") + "'"
        done.append(f"({name} {sign} {quoted})" if sign else f"({name} != '')")
    return " ".join(done)


def _staged(jobs: list[Job], entries: Mapping[str, Any], stages: tuple[str, ...]) -> list[Job]:
    """Let a job without ``needs`` wait for every job of the stages before its own."""
    level = {
        job.base: stages.index(str(_extended(job.base, entries, ()).get("stage") or "test"))
        for job in jobs
    }
    done = []
    for job in sorted(jobs, key=lambda job: level[job.base]):
        if "needs" in _extended(job.base, entries, ()):
            done.append(job)
            continue
        earlier = dict.fromkeys(j.base for j in jobs if level[j.base] < level[job.base])
        done.append(replace(job, needs=tuple(earlier)))
    return done
