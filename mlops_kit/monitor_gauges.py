"""Prometheus gauges of what monitoring found, as a file for node-exporter's textfile collector."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from mlops_kit.monitor_report import MonitorReport

__all__ = ["write_gauges"]

_Sample = tuple[Mapping[str, str], float]


def write_gauges(report: MonitorReport, path: str | Path) -> Path:
    """Write gauges in Prometheus's text format; the old file stays until the new one is whole.

    Parameters
    ----------
    report : MonitorReport
        From :func:`mlops_kit.monitor.monitor`.
    path : path
        A file that ends in ``.prom``, in the folder that node-exporter's textfile collector reads.

    Returns
    -------
    pathlib.Path
        The file.

    Notes
    -----
    Taught in @sec-monitor.
    """
    lines = []
    for name, text, samples in _gauges(report):
        lines += [f"# HELP mlops_monitor_{name} {text}", f"# TYPE mlops_monitor_{name} gauge"]
        for labels, value in samples:
            inside = ",".join(f'{key}="{_escaped(kept)}"' for key, kept in labels.items())
            lines.append(f"mlops_monitor_{name}{'{' + inside + '}' if inside else ''} {value!r}")
    target = Path(path)
    part = target.with_name(f".{target.name}.part")
    try:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _gauges(report: MonitorReport) -> Iterator[tuple[str, str, list[_Sample]]]:
    yield "ok", "1 if no serious alert is open.", [({}, float(report.ok))]
    yield (
        "alert_open",
        "Open alerts, serious ones only.",
        [({"name": a.name, "column": a.column, "since": a.since}, 1.0) for a in report.open],
    )
    yield (
        "column_distance",
        "Distance of a column to the reference in the last period, a share of rows.",
        [({"column": c.column, "role": c.role}, c.distance) for c in report.latest.columns],
    )
    yield (
        "column_psi",
        "Population stability index of a column in the last period.",
        [({"column": c.column, "role": c.role}, c.psi) for c in report.latest.columns],
    )
    yield (
        "column_missing_share",
        "Share of missing values of a column in the last period.",
        [({"column": c.column, "role": c.role}, c.missing) for c in report.latest.columns],
    )
    yield (
        "column_drifted",
        "1 if the column drifted in the last period.",
        [({"column": c.column, "role": c.role}, float(c.flagged)) for c in report.latest.columns],
    )
    last = report.health[-1]
    yield "rows", "Rows answered in the last period.", [({}, float(last.rows))]
    yield "requests", "Requests in the last period.", [({}, float(last.requests))]
    yield "requests_failed", "Requests failed in the last period.", [({}, float(last.failed))]
    yield "requests_refused", "Requests refused in the last period.", [({}, float(last.refused))]
    if last.p99_ms is not None:
        yield "p99_ms", "Latency of 99 % of requests, milliseconds.", [({}, last.p99_ms)]
    if report.error is not None and report.error.rows:
        yield "labelled_error", "Mean error where labels are known.", [({}, report.error.error)]
    if report.estimate is not None:
        text = "Accuracy of the last period, estimated before labels arrive."
        yield "estimated_accuracy", text, [({}, report.estimate.accuracy)]


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
