"""Run what a workflow file says, on this machine: to see what it does before a server does it.

GitHub Actions and GitLab CI files are read into the same model, and their shell steps run in
order with their environment, matrix, needs and conditions. What isn't supported is refused by
name when the file is read, so a workflow that runs here leaves nothing out silently; what has
nothing to do on this machine (checking out, installing Python) is reported as such.
"""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from mlops_kit.ci_expressions import Context, fill, holds
from mlops_kit.ci_github import is_started, read_github
from mlops_kit.ci_gitlab import read_gitlab
from mlops_kit.ci_model import Artifact, Job, Outcome, Step, Workflow
from mlops_kit.ci_reading import read_yaml
from mlops_kit.ci_steps import CiSettings, JobFolder, run_script
from mlops_kit.errors import CiError

__all__ = [
    "CiSettings",
    "JobRun",
    "StepRun",
    "Workflow",
    "WorkflowRun",
    "read_workflow",
    "run_workflow",
]


@dataclass(frozen=True, slots=True)
class StepRun:
    """What became of a step; ``note`` says why nothing was done, where nothing was."""

    name: str
    outcome: Outcome
    exit_code: int | None = None
    output: str = ""
    seconds: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class JobRun:
    """What became of a job and its steps."""

    name: str
    outcome: Outcome
    steps: tuple[StepRun, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    may_fail: bool = False


@dataclass(frozen=True, slots=True)
class WorkflowRun:
    """What became of a workflow."""

    name: str
    jobs: tuple[JobRun, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing failed that mustn't, and at least one job ran."""
        failed = any(job.outcome == "failure" and not job.may_fail for job in self.jobs)
        return not failed and any(job.outcome == "success" for job in self.jobs)

    @property
    def failed(self) -> tuple[str, ...]:
        """The steps that failed, as ``"job: step"``."""
        return tuple(
            f"{job.name}: {step.name}"
            for job in self.jobs
            for step in job.steps
            if step.outcome == "failure"
        )

    def outcome(self, job: str) -> Outcome:
        """Give one job's outcome.

        Raises
        ------
        CiError
            If there is no such job; the message lists those there are.
        """
        for entry in self.jobs:
            if entry.name == job:
                return entry.outcome
        raise CiError(f"there is no job {job!r}; there: {', '.join(j.name for j in self.jobs)}.")

    def __str__(self) -> str:
        """Lay it out as lines: jobs, and below them their steps."""
        lines = []
        for job in self.jobs:
            lines.append(f"{job.name}: {job.outcome}")
            for step in job.steps:
                tail = f" ({step.note})" if step.note else ""
                lines.append(f"  {step.outcome:8} {step.name}{tail}")
        return "\n".join(lines)

    def to_junit(self) -> str:
        """Give it as JUnit XML: a suite a job, a case a step."""
        root = ET.Element("testsuites", name=self.name)
        for job in self.jobs:
            suite = ET.SubElement(root, "testsuite", name=job.name, tests=str(len(job.steps)))
            for step in job.steps:
                case = ET.SubElement(
                    suite,
                    "testcase",
                    name=step.name,
                    classname=job.name,
                    time=f"{step.seconds:.3f}",
                )
                if step.outcome == "failure":
                    said = _printable(step.output[-10_000:])
                    ET.SubElement(
                        case, "failure", message=f"exit code {step.exit_code}"
                    ).text = said
                elif step.outcome == "skipped":
                    ET.SubElement(case, "skipped", message=step.note)
        return ET.tostring(root, encoding="unicode")


def _printable(text: str) -> str:
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)


def read_workflow(path: str | os.PathLike[str]) -> Workflow:
    """Read a workflow file of GitHub Actions or GitLab CI; which one, its keys tell.

    Parameters
    ----------
    path : str or path
        The YAML file.

    Returns
    -------
    Workflow
        Its jobs in an order in which each comes after those it needs.

    Raises
    ------
    CiError
        If it can't be read, or uses what isn't supported; the message names it.

    Notes
    -----
    Taught in @sec-ci-cd-ct. What is supported stands in :mod:`mlops_kit.ci_github` and
    :mod:`mlops_kit.ci_gitlab`.
    """
    file = Path(path)
    content = read_yaml(file)
    return read_github(file, content) if "jobs" in content else read_gitlab(file, content)


def run_workflow(
    workflow: Workflow | str | os.PathLike[str],
    *,
    folder: str | os.PathLike[str] = ".",
    settings: CiSettings | None = None,
    progress: Callable[[str, StepRun], None] | None = None,
) -> WorkflowRun:
    r"""Run a workflow's jobs one after the other, each in a fresh copy of a folder.

    Parameters
    ----------
    workflow : Workflow, str or path
        What to run, or the file to read it from.
    folder : str or path, default="."
        The project. It is copied for each job and isn't changed; virtual environments and caches
        aren't copied.
    settings : CiSettings, optional
        The event, the branch, inputs, variables and secrets.
    progress : callable, optional
        Called with the job's name and each step as it ends.

    Returns
    -------
    WorkflowRun
        Every job and step with its outcome, exit code and output.

    Raises
    ------
    CiError
        If the file can't be read, the folder isn't there, the event doesn't start the workflow,
        or an expression isn't supported.

    Notes
    -----
    Taught in @sec-ci-cd-ct. Scripts run as you, with the Python of this environment first on
    the path. Nothing is confined: run what you would run by hand.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as name:
    ...     file = pathlib.Path(name, "check.yml")
    ...     _ = file.write_text("on: push\njobs: {test: {steps: [{run: exit 3}]}}")
    ...     found = run_workflow(file, folder=name)
    >>> found.ok, found.failed
    (False, ('test: exit 3',))
    """
    if not isinstance(workflow, Workflow):
        workflow = read_workflow(workflow)
    project = Path(folder)
    if not project.is_dir():
        raise CiError(f"there is no folder {project} to run the workflow in.")
    settings = settings or CiSettings()
    _see_that_it_starts(workflow, settings)
    with tempfile.TemporaryDirectory(prefix="mlops-kit-ci-") as place:
        runner = _Runner(workflow, project, settings, Path(place), progress)
        return WorkflowRun(workflow.name, tuple(runner.job(job) for job in workflow.jobs))


def _see_that_it_starts(workflow: Workflow, settings: CiSettings) -> None:
    env = {**settings.environment(workflow.kind, ""), **workflow.env}
    if workflow.kind == "gitlab":
        starts = holds(workflow.condition, Context({"env": env}))
        when = "its workflow's rules"
    else:
        starts = is_started(workflow.events, settings.event, settings.target)
        when = f"'on: {', '.join(workflow.events)}' and its branches"
    if not starts:
        raise CiError(
            f"{workflow.name} isn't started by a {settings.event} of the branch "
            f"{settings.branch!r}: {when} say so. Name it there, or run it with what is named."
        )


class _Runner:
    def __init__(
        self,
        workflow: Workflow,
        project: Path,
        settings: CiSettings,
        place: Path,
        progress: Callable[[str, StepRun], None] | None,
    ) -> None:
        self.workflow = workflow
        self.project = project
        self.settings = settings
        self.place = place
        self.progress = progress
        self.done: dict[str, list[JobRun]] = {}

    def job(self, job: Job) -> JobRun:
        """Run one job, or skip it."""
        needs = {name: self._needed(name) for name in job.needs}
        results = {entry["result"] for entry in needs.values()}
        status = "failure" if "failure" in results else "skipped" if results & {"skipped"} else ""
        values = self._values(job, needs)
        if not holds(job.condition, Context(values, status or "success")):
            found = JobRun(job.name, "skipped", may_fail=job.may_fail)
        else:
            found = self._run(job, values)
        self.done.setdefault(job.base, []).append(found)
        return found

    def _fill(self, text: str, context: Context) -> str:
        """Replace expressions, where the server has them."""
        return fill(text, context) if self.workflow.kind == "github" else text

    def _needed(self, base: str) -> dict[str, Any]:
        runs = self.done[base]
        outcomes = {"success" if run.may_fail else run.outcome for run in runs}
        result = next((word for word in ("failure", "skipped") if word in outcomes), "success")
        return {"result": result, "outputs": {k: v for run in runs for k, v in run.outputs.items()}}

    def _values(self, job: Job, needs: Mapping[str, Any]) -> dict[str, Any]:
        values = self.settings.values(self.workflow.kind)
        values |= {"matrix": job.matrix, "needs": needs, "steps": {}}
        server = self.settings.environment(self.workflow.kind, job.base)
        env = {**server, **self.settings.variables} if self.workflow.kind == "gitlab" else {}
        for given in (self.workflow.env, job.env):
            filled = {
                key: fill(text, Context({**values, "env": env})) for key, text in given.items()
            }
            env |= filled
        return {**values, "env": env}

    def _run(self, job: Job, values: dict[str, Any]) -> JobRun:
        folder = JobFolder.make(self.project, Path(tempfile.mkdtemp(dir=self.place)))
        status, steps = "success", []
        server = self.settings.environment(self.workflow.kind, job.base)
        for step in job.steps:
            context = Context({**values, "env": {**values["env"], **folder.env}}, status)
            found = self._step(step, context, folder, server)
            steps.append(found)
            if self.progress is not None:
                self.progress(job.name, found)
            if step.id:
                values["steps"][step.id] = {
                    "outcome": found.outcome,
                    "conclusion": "success" if step.may_fail else found.outcome,
                    "outputs": folder.outputs,
                }
            if found.outcome == "failure" and not step.may_fail:
                status = "failure"
        outputs = {
            key: self._fill(text, Context(values, status)) for key, text in job.outputs.items()
        }
        shutil.rmtree(folder.root, ignore_errors=True)
        outcome: Outcome = "failure" if status == "failure" else "success"
        return JobRun(job.name, outcome, tuple(steps), outputs, job.may_fail)

    def _step(
        self, step: Step, context: Context, folder: JobFolder, server: Mapping[str, str]
    ) -> StepRun:
        name = self._fill(step.name, context)
        if not holds(step.condition, context):
            return StepRun(name, "skipped", note="its condition doesn't hold")
        if step.artifact is not None:
            return self._artifact(name, step.artifact, context, folder)
        if not step.script:
            return StepRun(name, "success", note=step.note)
        env = {key: self._fill(text, context) for key, text in step.env.items()}
        if self.workflow.kind == "gitlab":
            words = {"failure": "failed"}
            server = {**server, "CI_JOB_STATUS": words.get(context.status, context.status)}
        begin = time.perf_counter()
        code, output = run_script(
            self._fill(step.script, context),
            shell=step.shell,
            folder=folder,
            below=fill(step.folder, context),
            env={**server, **context.values["env"], **env},
            seconds=step.minutes * 60,
        )
        return StepRun(
            name,
            "failure" if code else "success",
            code,
            self.settings.masked(output),
            time.perf_counter() - begin,
        )

    def _artifact(
        self, name: str, artifact: Artifact, context: Context, folder: JobFolder
    ) -> StepRun:
        kept = self.place / "artifacts"
        kept.mkdir(exist_ok=True)
        title = re.sub(r"[^\w.-]", "_", self._fill(artifact.name, context))
        if artifact.action == "keep":
            patterns = [self._fill(path, context) for path in artifact.paths]
            count = folder.keep(patterns, kept / (title or "artifact"))
            return StepRun(name, "success" if count else "failure", note=f"{count} files kept")
        places = [kept / title] if title else sorted(kept.iterdir())
        missing = [place.name for place in places if not place.is_dir()]
        if missing:
            return StepRun(name, "failure", note=f"there is no artifact {missing[0]}")
        target = self._fill(artifact.paths[0], context) if artifact.paths else "."
        for place in places:
            folder.fetch(place, target)
        return StepRun(name, "success", note=f"{len(places)} fetched")
