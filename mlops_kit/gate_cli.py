"""The command ``mlops-kit gate``: judge a challenger by a gate's file, for a build server."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pandas as pd
import typer
from rich.console import Console
from rich.markup import escape

from mlops_kit.errors import GateError, KitError
from mlops_kit.gate_report import GateReport, Subject
from mlops_kit.gate_rules import checked_keys
from mlops_kit.tables import read_table

if TYPE_CHECKING:
    from mlops_kit.gates import Gate

__all__ = ["EXIT_CODES", "gate_command", "judge_file", "rows_of"]

EXIT_CODES: Mapping[str, int] = {"passed": 0, "failed": 1, "refused": 2}
"""What the command ends with."""


def gate_command(
    file: Annotated[Path, typer.Argument(help="The gate's YAML file.")],
    report: Annotated[
        Path | None,
        typer.Option("--report", help="Write Markdown here; figure and JSON beside it."),
    ] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML here.")] = None,
    workspace: Annotated[
        str | None, typer.Option("--workspace", help="The registry: a folder or an address.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """Judge a challenger by a gate: exit code 0 passed, 1 failed, 2 can't be judged."""
    messages = Console(stderr=True, highlight=False)
    try:
        found = judge_file(file, workspace=workspace)
        for path in found.save(report) if report is not None else ():
            messages.print(f"written: {escape(str(path))}", soft_wrap=True)
        if junit is not None:
            junit.parent.mkdir(parents=True, exist_ok=True)
            junit.write_text(found.to_junit(), "utf-8")
    except (KitError, OSError) as error:
        messages.print(f"[red]error:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(EXIT_CODES["refused"]) from error
    sys.stdout.write(found.to_json() + "\n" if as_json else found.to_markdown())
    raise typer.Exit(EXIT_CODES[found.outcome])


def judge_file(path: Path, *, workspace: str | None = None) -> GateReport:
    """Judge what a gate's file names, and give the report.

    Parameters
    ----------
    path : pathlib.Path
        The YAML file; paths in it are seen from its folder.
    workspace : str, optional
        The registry, instead of the one that the file names.

    Raises
    ------
    GateError
        If the file is wrong, or rows or predictions can't be had.
    RegistryError, TrackingError
        If a model is named that the registry doesn't have or can't load.
    """
    from mlops_kit.gates import Gate

    gate = Gate.read(path)
    folder, sources = path.parent, gate.sources
    if "data" not in sources or "challenger" not in sources:
        raise GateError(f"{path}: data and challenger must say where rows and predictions are.")
    frame, measured = rows_of(gate, path)
    place = workspace
    if place is None and "workspace" in sources:
        named = str(sources["workspace"])
        place = named if "://" in named else str(folder / named)
    challenger, challenger_is = _predictions(
        gate, frame, sources["challenger"], "challenger", place
    )
    champion, champion_is = None, None
    if sources.get("champion") not in (None, "none"):
        champion, champion_is = _predictions(gate, frame, sources["champion"], "champion", place)
    return gate.evaluate(
        frame, challenger=challenger, champion=champion, measured=measured,
        challenger_is=challenger_is, champion_is=champion_is,
    )  # fmt: skip


def rows_of(gate: "Gate", path: Path) -> tuple[pd.DataFrame, Mapping[str, float]]:
    """Read the rows, and the measured numbers, that a gate's file names.

    Raises
    ------
    GateError
        If it doesn't say where the rows are, or the numbers can't be read.
    DataError
        If the rows can't be read.
    """
    if "data" not in gate.sources:
        raise GateError(f"{path}: data must say where the rows are, a .csv or .parquet file.")
    frame = read_table(path.parent / str(gate.sources["data"]))
    return frame, _measured(path.parent, gate.sources.get("measured"))


def _measured(folder: Path, name: object) -> Mapping[str, float]:
    if name is None:
        return {}
    path = folder / str(name)
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise GateError(f"the measured numbers in {path} can't be read: {error}.") from error
    if not isinstance(found, dict):
        raise GateError(f"{path}: names and numbers were wanted, got {type(found).__name__}.")
    return found


def _predictions(
    gate: Any,
    frame: pd.DataFrame,
    where: object,
    role: str,
    workspace: str | None,
) -> tuple[Any, Subject | None]:
    given = checked_keys(role, where, ["column", "model", "version"])
    if ("column" in given) == ("model" in given):
        raise GateError(f"{role}: a column or a model was wanted, one of them.")
    if "column" in given:
        name = given["column"]
        if name not in frame:
            raise GateError(
                f"{role}: the rows have no column {name!r}; there: "
                f"{', '.join(map(str, frame.columns))}."
            )
        return frame[name], None
    return _model_predictions(gate, frame, given, role, workspace)


def _model_predictions(
    gate: Any,
    frame: pd.DataFrame,
    given: Mapping[str, Any],
    role: str,
    workspace: str | None,
) -> tuple[Any, Subject | None]:
    from mlops_kit import registry, tracking
    from mlops_kit.registry_models import answers

    if workspace is None:
        raise GateError(f"{role}: a model is named, but no registry; give --workspace.")
    if "://" not in workspace and not (Path(workspace) / "mlflow.db").is_file():
        raise GateError(f"there is no registry in {workspace}. Name one: --workspace.")
    tracking.start(workspace)
    version = registry.get(str(given["model"]), given.get("version", role))
    found = answers(version.uri, frame, task=gate.task)
    return found, Subject(version.uri, version.model_hash)
