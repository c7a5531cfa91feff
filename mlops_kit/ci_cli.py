"""The commands ``mlops-kit ci run`` and ``mlops-kit ci show``: a workflow on this machine."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from mlops_kit.errors import CiError, KitError

__all__ = ["ci_app"]

ci_app = typer.Typer(no_args_is_help=True, help="Workflows of GitHub Actions and GitLab CI, here.")
_STYLES = {"success": "green", "failure": "red", "skipped": "yellow"}
_LINES = 30

File = Annotated[Path, typer.Argument(help="A workflow file.")]
Pairs = Annotated[list[str] | None, typer.Option("--input", help="NAME=VALUE, given by hand.")]


def _console() -> Console:
    return Console(stderr=True, highlight=False)


@ci_app.command()
def show(file: File) -> None:
    """List the jobs and steps of a workflow, in the order in which they would run."""
    from mlops_kit.ci import read_workflow

    for job in read_workflow(file).jobs:
        after = f" (after {', '.join(job.needs)})" if job.needs else ""
        sys.stdout.write(f"{job.name}{after}\n")
        for step in job.steps:
            tail = f" ({step.note})" if step.note else ""
            sys.stdout.write(f"  {step.name}{tail}\n")


@ci_app.command()
def run(
    file: File,
    folder: Annotated[Path, typer.Option("--folder", help="The project.")] = Path(),
    event: Annotated[str, typer.Option("--event", help="push, pull_request, schedule …")] = "push",
    branch: Annotated[str, typer.Option("--branch")] = "main",
    inputs: Pairs = None,
    variables: Annotated[
        list[str] | None, typer.Option("--variable", help="NAME=VALUE, of the project.")
    ] = None,
    secrets: Annotated[
        list[str] | None, typer.Option("--secret", help="NAME, taken from the environment.")
    ] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML here.")] = None,
) -> None:
    """Run a workflow: exit code 0 all passed, 1 something failed, 2 it can't be run here."""
    from mlops_kit.ci import CiSettings, StepRun, run_workflow

    console = _console()

    def progress(job: str, step: StepRun) -> None:
        style = _STYLES[step.outcome]
        note = f" ({step.note})" if step.note else ""
        console.print(f"[{style}]{step.outcome:8}[/] {escape(f'{job}: {step.name}{note}')}")
        if step.outcome == "failure":
            for line in step.output.splitlines()[-_LINES:]:
                console.print(f"         {escape(line)}", soft_wrap=True)

    try:
        settings = CiSettings(
            event=event,
            branch=branch,
            inputs=_pairs(inputs),
            variables=_pairs(variables),
            secrets={name: _secret(name) for name in secrets or ()},
        )
        found = run_workflow(file, folder=folder, settings=settings, progress=progress)
        if junit is not None:
            junit.parent.mkdir(parents=True, exist_ok=True)
            junit.write_text(found.to_junit(), "utf-8")
    except (KitError, OSError) as error:
        console.print(f"[red]error:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(2) from error
    sys.stdout.write(f"{found}\n")
    raise typer.Exit(0 if found.ok else 1)


def _pairs(given: Sequence[str] | None) -> dict[str, str]:
    pairs = {}
    for text in given or ():
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise CiError(f"{text!r} isn't NAME=VALUE.")
        pairs[name] = value
    return pairs


def _secret(name: str) -> str:
    if name not in os.environ:
        raise CiError(f"the secret {name} isn't in the environment: set it and try again.")
    return os.environ[name]
