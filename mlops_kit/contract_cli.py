"""The command ``mlops-kit contract``: draft what a service may be sent from a table."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from mlops_kit.contracts import Contract
from mlops_kit.errors import DataError
from mlops_kit.tables import named_columns, read_table

__all__ = ["contract_command"]


def contract_command(
    data: Annotated[Path, typer.Argument(help="Clean rows: a .csv or .parquet table.")],
    out: Annotated[Path, typer.Option("--out", help="Where the contract goes.")] = Path(
        "contract.json"
    ),
    without: Annotated[
        list[str] | None,
        typer.Option(
            "--without", help="Columns that aren't sent: the label, identifiers; a,b or again."
        ),
    ] = None,
    personal: Annotated[
        list[str] | None,
        typer.Option("--personal", help="Columns about a person, never logged; a,b or again."),
    ] = None,
    name: Annotated[str, typer.Option("--name", help="What a row is called.")] = "request",
    margin: Annotated[
        float, typer.Option("--margin", min=0, help="Of its span, beyond what was seen.")
    ] = 0.5,
) -> None:
    """Draft a contract from a table: names, types, ranges, categories. Read it, tighten it."""
    frame = read_table(data)
    left_out, about = named_columns(without or ()), named_columns(personal or ())
    for column in (*left_out, *about):
        if column not in frame.columns:
            raise DataError(
                f"{data} has no column {column!r}; there: {', '.join(map(str, frame.columns))}."
            )
    drafted = Contract.infer(frame.drop(columns=left_out), name=name, margin=margin, personal=about)
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        part.write_text(json.dumps(drafted.to_dict(), indent=1) + "\n", encoding="utf-8")
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    Console(stderr=True, highlight=False).print(
        f"{len(drafted.columns)} columns in {escape(str(out))}; read the ranges before you rely on "
        "them",
        soft_wrap=True,
    )
