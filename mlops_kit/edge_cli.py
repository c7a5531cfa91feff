"""The command ``mlops-kit edge-check``: hold an ONNX file to a device's budgets."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.markup import escape

from mlops_kit.errors import DataError, KitError
from mlops_kit.tables import read_table

__all__ = ["edge_check", "measure_file"]


def edge_check(
    model: Annotated[Path, typer.Argument(help="An ONNX file.")],
    budget: Annotated[Path, typer.Option("--budget", help="The budgets' YAML file.")],
    data: Annotated[Path, typer.Option("--data", help="Rows that weren't fitted: .csv, .parquet.")],
    label: Annotated[str, typer.Option("--label", help="The column that holds the answers.")],
    against: Annotated[
        Path | None, typer.Option("--against", help="The float file, for agreement.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """Hold an ONNX file to budgets: exit code 0 kept, 1 not kept, 2 can't be judged."""
    from mlops_kit.edge_budget import load_budget

    try:
        limits = load_budget(budget)
        clock = "host_latency_us" in limits.limits
        report = limits.check(measure_file(model, data, label, against=against, clock=clock))
    except (KitError, OSError) as error:
        Console(stderr=True).print(f"[red]error:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(2) from error
    sys.stdout.write(json.dumps(report.to_dict(), indent=1) if as_json else str(report))
    sys.stdout.write("\n")
    raise typer.Exit(0 if report.ok else 1)


def measure_file(
    model: Path, data: Path, label: str, *, against: Path | None = None, clock: bool = False
) -> dict[str, float | None]:
    """Measure an ONNX file in the budgets' terms.

    Parameters
    ----------
    model, data : pathlib.Path
        The ONNX file; a table of numbers that the model wasn't fitted on, in the model's order.
    label : str
        The table's column with the answers.
    against : pathlib.Path, optional
        Another ONNX file of the same model, to agree with.
    clock : bool, default=False
        Whether to time single rows on this machine.

    Returns
    -------
    dict
        ``size_bytes``, ``ram_bytes``, ``accuracy`` and, where asked for, ``host_latency_us``,
        ``agreement`` and ``largest_difference``.

    Raises
    ------
    EdgeError
        If a file isn't a whole ONNX model, or can't run on these rows.
    DataError
        If the table can't be read, is empty, or lacks the column.

    Notes
    -----
    Taught in @sec-edge.
    """
    from mlops_kit.edge_budget import row_latency_us
    from mlops_kit.edge_onnx import load_onnx

    rows, answers = _table(data, label)
    exported = load_onnx(model)
    found = exported.predict(rows)
    measured: dict[str, float | None] = {
        "size_bytes": float(exported.size_bytes),
        "ram_bytes": float(exported.ram_bytes),
        "accuracy": _accuracy(found, answers),
        "host_latency_us": row_latency_us(exported, rows) if clock else None,
    }
    if against is not None:
        other = load_onnx(against)
        measured["agreement"] = float((other.predict(rows) == found).mean())
        gaps = np.abs(other.outputs(rows) - exported.outputs(rows))
        measured["largest_difference"] = float(gaps.max())
    return measured


def _accuracy(found: Any, answers: Any) -> float:
    """Give the share of right labels, or the share of variance that values explain."""
    from mlops_kit.edge_budget import explained_share

    if found.dtype.kind == "f":
        return explained_share(found, np.asarray(answers, np.float64))
    if found.dtype.kind in "iu" and np.asarray(answers).dtype.kind in "iuf":
        return float((found == answers).mean())
    return float((found.astype(str) == np.asarray(answers).astype(str)).mean())


def _table(path: Path, label: str) -> tuple[Any, Any]:
    frame = read_table(path)
    if label not in frame.columns:
        known = ", ".join(map(str, frame.columns[:10]))
        raise DataError(f"{path} has no column {label!r}; it begins with: {known}.")
    if frame.empty:
        raise DataError(f"{path} has no rows.")
    return frame.drop(columns=label).to_numpy(), frame[label].to_numpy()
