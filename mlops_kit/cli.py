"""The command line of the kit: each stage's commands, worlds to files, runs on record."""

import dataclasses
import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from mlops_kit import serve_cli
from mlops_kit.ci_cli import ci_app
from mlops_kit.contract_cli import contract_command
from mlops_kit.edge_cli import edge_check
from mlops_kit.errors import DataError, KitError
from mlops_kit.gate_cli import gate_command
from mlops_kit.monitor_cli import monitor_command, reference_command
from mlops_kit.new_cli import new_command, update_command
from mlops_kit.registry_cli import registry_app

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
worlds_app = typer.Typer(no_args_is_help=True, help="Simulated worlds whose truth is known.")
track_app = typer.Typer(no_args_is_help=True, help="Runs on record.")
app.add_typer(worlds_app, name="worlds")
app.add_typer(track_app, name="track")
app.add_typer(ci_app, name="ci")
app.add_typer(registry_app, name="registry")
app.command("contract")(contract_command)
app.command("edge-check")(edge_check)
app.command("gate")(gate_command)
app.command("monitor")(monitor_command)
app.command("new")(new_command)
app.command("update")(update_command)
app.command("reference")(reference_command)
app.command()(serve_cli.serve)

messages = Console(stderr=True, highlight=False)

Workspace = Annotated[str, typer.Option("--workspace", help="A folder, or a server's address.")]
Experiment = Annotated[str, typer.Option("--experiment", help="Which experiment.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mlops-kit {importlib.metadata.version('mlops-kit')}")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_say_version, is_eager=True, help="Say which version this is."
        ),
    ] = False,
) -> None:
    """Operate machine learning: contracts, versions, gates, services, drift, devices."""


@worlds_app.command()
def rides(
    out: Annotated[Path, typer.Option("--out", help="A .csv or .parquet file.")],
    table: Annotated[str, typer.Option("--table", help="trips or demand.")] = "trips",
    days: Annotated[int, typer.Option("--days")] = 28,
    first_day: Annotated[int, typer.Option("--first-day")] = 0,
    seed: Annotated[int, typer.Option("--seed")] = 7,
    quiet_world: Annotated[bool, typer.Option("--no-events", help="Nothing happens.")] = False,
) -> None:
    """Write trips or hourly demand of the ride-hailing company to a file."""
    from mlops_kit import worlds

    makers = {"trips": worlds.rides_trips, "demand": worlds.rides_demand}
    if table not in makers:
        raise DataError(f"there is no table {table!r} in rides; there: {', '.join(makers)}.")
    if out.suffix not in (".csv", ".parquet"):
        raise DataError(f"{out} must end in .csv or .parquet.")
    events = () if quiet_world else worlds.RIDES_EVENTS
    frame = makers[table](days, first_day=first_day, seed=seed, events=events)
    part = out.with_name(f".{out.name}.part")
    try:
        if out.suffix == ".csv":
            frame.to_csv(part, index=False)
        else:
            frame.to_parquet(part, index=False)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    messages.print(f"{len(frame):,} rows in {escape(str(out))}", soft_wrap=True)


@track_app.command()
def runs(
    workspace: Workspace = "workspace", experiment: Experiment = "default", as_json: AsJson = False
) -> None:
    """List the runs of an experiment."""
    from mlops_kit import tracking

    _open(workspace, experiment)
    frame = tracking.compare_runs()
    if as_json:
        sys.stdout.write(frame.to_json(orient="records", indent=1) + "\n")
        return
    shown = frame.drop(columns=["code_hash", "data_hash", "environment", "git_commit"])
    Console().print(shown.to_string(index=False), soft_wrap=True, highlight=False, markup=False)


@track_app.command()
def best(
    metric: Annotated[str, typer.Argument(help="By which metric.")],
    workspace: Workspace = "workspace",
    experiment: Experiment = "default",
    higher: Annotated[bool, typer.Option("--higher", help="Higher is better.")] = False,
) -> None:
    """Print the best finished run as JSON."""
    from mlops_kit import tracking

    _open(workspace, experiment)
    _print(tracking.best_run(metric, lower_is_better=not higher))


@track_app.command()
def rerun(
    run_id: Annotated[str, typer.Argument(help="Which run.")],
    workspace: Workspace = "workspace",
    experiment: Experiment = "default",
    metric: Annotated[str | None, typer.Option("--metric", help="Which metric.")] = None,
    tolerance: Annotated[float, typer.Option("--tolerance", help="In the metric's unit.")] = 0.0,
) -> None:
    """Repeat a run from its record and print the comparison as JSON; exit code 1 if it differs."""
    from mlops_kit import tracking

    _open(workspace, experiment)
    again = tracking.rerun(run_id, metric=metric, tolerance=tolerance)
    _print(again)
    if not again.same:
        raise typer.Exit(1)


def _open(workspace: str, experiment: str) -> None:
    from mlops_kit import tracking
    from mlops_kit.errors import TrackingError

    if "://" not in workspace and not (Path(workspace) / "mlflow.db").is_file():
        raise TrackingError(f"there is no tracking store in {workspace!r}. Name one: --workspace.")
    tracking.start(workspace, experiment=experiment)


def _print(value: Any) -> None:
    sys.stdout.write(json.dumps(dataclasses.asdict(value), indent=1) + "\n")


def main() -> None:
    """Run the ``mlops-kit`` command; any failure is one message and an exit code above 0."""
    try:
        app()
    except KitError as error:
        messages.print(f"[red]error:[/] {escape(str(error))}", soft_wrap=True)
    except OSError as error:
        messages.print(
            f"[red]error:[/] {escape(str(error.filename or ''))}: {error.strerror or error}. "
            "Choose a place that you may write to and that has room.",
            soft_wrap=True,
        )
    except KeyboardInterrupt:
        messages.print("Interrupted; nothing half-written was kept.")
    else:
        return
    sys.exit(1)
