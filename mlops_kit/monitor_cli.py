"""The commands ``mlops-kit reference`` and ``mlops-kit monitor``."""

import json
import sys
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.console import Console
from rich.markup import escape

from mlops_kit.tables import named_columns, read_table

__all__ = ["monitor_command", "reference_command"]

messages = Console(stderr=True, highlight=False)


def reference_command(
    data: Annotated[
        Path, typer.Argument(help="A .csv or .parquet table, or a request log (.jsonl, .log, .gz).")
    ],
    out: Annotated[Path, typer.Option("--out", help="Where the profile goes.")] = Path(
        "reference.json"
    ),
    time: Annotated[
        str, typer.Option("--time", help="The column that says when; time for a log.")
    ] = "",
    season: Annotated[
        list[str] | None, typer.Option("--season", help="Any of hour,weekday,weekend,month.")
    ] = None,
    slices: Annotated[
        list[str] | None, typer.Option("--slices", help="Categories to break alerts down by.")
    ] = None,
    every: Annotated[str, typer.Option("--every", help="hour, day or week.")] = "day",
    ignore: Annotated[
        list[str] | None, typer.Option("--ignore", help="Columns to leave out; a,b or again.")
    ] = None,
    predictions: Annotated[
        list[str] | None,
        typer.Option(
            "--predictions", help="Columns of a model's answers; in a log it is called prediction."
        ),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option("--labels", help="Columns that hold what turned out to be true."),
    ] = None,
) -> None:
    """Make a reference profile of a table or a request log, for ``monitor`` to compare with."""
    from mlops_kit import drift

    frame, is_log = _table(data)
    when = time or ("time" if is_log else "")
    answers = named_columns(predictions or ())
    if is_log and "prediction" not in answers:
        answers = [*answers, "prediction"]
    made = drift.profile(
        frame,
        time=when,
        season=named_columns(season or ()),
        slices=named_columns(slices or ()),
        every=every,
        ignore=named_columns(ignore or ()),
        predictions=answers,
        labels=named_columns(labels or ()),
    )
    made.save(out)
    messages.print(
        f"{made.rows:,} rows, {len(made.layouts)} columns, {made.blocks} {every}s in "
        f"{escape(str(out))}",
        soft_wrap=True,
    )


def monitor_command(
    log: Annotated[list[Path], typer.Argument(help="The request log, or its parts.")],
    reference: Annotated[
        Path, typer.Option("--reference", help="A profile; `mlops-kit reference` makes one.")
    ] = Path("reference.json"),
    page: Annotated[Path | None, typer.Option("--page", help="Write an HTML page here.")] = None,
    gauges: Annotated[
        Path | None, typer.Option("--gauges", help="Write Prometheus gauges here (.prom).")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", help="Labels that arrived: request_id, label, row_number, time."),
    ] = None,
    chances: Annotated[
        bool, typer.Option("--chances", help="Predictions are chances: estimate the accuracy.")
    ] = False,
    alpha: Annotated[
        float, typer.Option("--alpha", help="Chance of any false flag in --looks looks.")
    ] = 0.05,
    looks: Annotated[int, typer.Option("--looks", min=1)] = 30,
    minimum: Annotated[
        float, typer.Option("--minimum", help="Share of rows that must have moved.")
    ] = 0.05,
    since: Annotated[str, typer.Option("--since", help="Leave out what is older, UTC.")] = "",
    now: Annotated[
        str, typer.Option("--now", help="What time it is, UTC; the log's end if left out.")
    ] = "",
    failed: Annotated[float, typer.Option("--failed", help="Share of failed requests.")] = 0.01,
    refused: Annotated[float, typer.Option("--refused", help="Share of refused requests.")] = 0.05,
    p99_ms: Annotated[float, typer.Option("--p99-ms", help="Latency limit; 0: none.")] = 0.0,
    silence: Annotated[
        float, typer.Option("--silence", help="Hours without a line, with --now; 0: no limit.")
    ] = 0.0,
    evidently: Annotated[
        Path | None,
        typer.Option("--evidently", help="Also write Evidently's report beside the page; the "
                     "reference's rows, .csv or .parquet."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:  # fmt: skip
    """Judge a service by its request log; exit code 3 if a serious alert is open, 1 on failure."""
    from mlops_kit.monitor import Limits, monitor, write_gauges, write_page

    found = monitor(
        list(log),
        reference,
        limits=Limits(failed, refused, p99_ms, silence),
        alpha=alpha,
        looks=looks,
        minimum=minimum,
        since=since or None,
        now=now or None,
        labels=labels,
        chances=chances,
    )
    if page is not None:
        write_page(found, page)
    if gauges is not None:
        write_gauges(found, gauges)
    if evidently is not None:
        beside = (page or Path("monitor.html")).with_suffix(".evidently.html")
        _evidently(evidently, log, beside)
    if as_json:
        sys.stdout.write(json.dumps(found.to_dict(), indent=1, allow_nan=False) + "\n")
    else:
        for alert in found.alerts:
            colour = "red" if alert in found.open else "dim"
            messages.print(f"[{colour}]{escape(str(alert))}[/]", soft_wrap=True)
        messages.print(
            "nothing needs you" if found.ok else f"{len(found.open)} open", soft_wrap=True
        )
    if not found.ok:
        raise typer.Exit(3)


def _table(path: Path) -> tuple[pd.DataFrame, bool]:
    """Read a table or a request log; and say which it was."""
    from mlops_kit.monitor import read_log

    if path.suffix in (".csv", ".parquet"):
        return read_table(path), False
    return read_log(path), True


def _evidently(reference: Path, log: list[Path], page: Path) -> None:
    from mlops_kit.drift import evidently_report
    from mlops_kit.monitor import read_log

    rows = 5000
    was, now = _table(reference)[0], read_log(list(log))
    evidently_report(was.sample(min(rows, len(was)), random_state=1), now.tail(rows), page)
    messages.print(f"Evidently's report of the last {min(rows, len(now)):,} rows in {page}")
