"""The page that a person opens after an alert: what moved, since when, where, what to do."""

import base64
import html
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlops_kit.drift_estimate import Estimate
from mlops_kit.drift_profile import ALL
from mlops_kit.drift_usual import expected
from mlops_kit.drift_watch import Alert
from mlops_kit.errors import MissingToolError
from mlops_kit.monitor_report import MonitorReport

__all__ = ["write_page"]

_STYLE = """
:root { color-scheme: light; --ink: #1b1f24; --soft: #59636e; --line: #d9dee3; --bad: #b3261e;
  --good: #1a6e3c; --note: #7a5a00; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: #fff;
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
.verdict { font-size: 1.15rem; font-weight: 600; } .bad { color: var(--bad); }
.good { color: var(--good); } .soft { color: var(--soft); }
article { border-left: 4px solid var(--bad); padding: .3rem 1rem; margin: 1rem 0; }
article.over, article.note { border-color: var(--line); } article p { margin: .2rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: right; padding: .3rem .5rem; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child, .left { text-align: left; }
.scroll { overflow-x: auto; } img { max-width: 100%; height: auto; } figure { margin: 1rem 0; }
figcaption { color: var(--soft); font-size: .9rem; }
"""
_INK, _SOFT, _WAS, _NOW, _BAD = "#1b1f24", "#8a949e", "#0072b2", "#d55e00", "#b3261e"


def write_page(report: MonitorReport, path: str | Path) -> Path:
    """Write what monitoring found as one HTML file that needs nothing else.

    Parameters
    ----------
    report : MonitorReport
        From :func:`mlops_kit.monitor.monitor`.
    path : path
        Where it goes; the old page stays until the new one is whole.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    MissingToolError
        If matplotlib isn't installed.

    Notes
    -----
    Taught in @sec-monitor.
    """
    first, last = report.health[0].period, report.health[-1].period
    body = [
        "<h1>What the service sees and says</h1>",
        f"<p class=soft>{_text(first)} to {_text(last)}, {report.lines:,} lines of "
        f"{_text(', '.join(Path(name).name for name in report.log))}; compared with a reference "
        f"of {report.reference_rows:,} rows</p>",
        _verdict(report),
        *_alerts(report),
        "<h2>How far from the reference</h2>",
        _figure(
            _trail_figure(report),
            "Share of rows that moved, by " + report.every + ". The line is the smallest share "
            "that matters; above it a column drifted only where chance and usual days don't "
            "explain it. Bars below mark alerts.",
        ),
        *_moved_figures(report),
        "<h2>The service</h2>",
        _figure(_health_figure(report), "Rows, requests that got no answer, and latency."),
        _versions(report),
        *_labels(report),
        f"<h2>Columns, {_text(last)}</h2>",
        _columns(report),
        _method(report),
    ]
    page = (
        "<!doctype html><html lang=en-GB><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width'><title>Monitor</title>"
        f"<style>{_STYLE}</style><body>{''.join(body)}</body></html>\n"
    )
    target = Path(path)
    part = target.with_name(f".{target.name}.part")
    try:
        part.write_text(page, encoding="utf-8")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _text(value: object) -> str:
    return html.escape(str(value))


def _verdict(report: MonitorReport) -> str:
    if report.ok:
        return "<p class='verdict good'>Nothing needs you.</p>"
    count = len(report.open)
    return f"<p class='verdict bad'>{count} alert{'s' if count > 1 else ''} open.</p>"


def _alerts(report: MonitorReport) -> list[str]:
    parts = []
    for alert in report.alerts:
        kind = "over" if alert.closed else "" if alert.serious else "note"
        until = f", over by {_text(alert.closed)}" if alert.closed else ""
        title = f"{alert.name}: {alert.column}" if alert.column else alert.name
        parts.append(
            f"<article class='{kind}'><p><b>{_text(title)}</b> "
            f"<span class=soft>since {_text(alert.since)}{until}"
            f"{'' if alert.serious else ', a note'}</span></p><p>{_text(alert.text)}</p>"
            f"<p>{_text(alert.advice)}</p></article>"
        )
    return parts


def _columns(report: MonitorReport) -> str:
    head = ("column", "role", "moved", "at most", "PSI", "Jensen–Shannon", "Wasserstein",
            "missing", "corrected p", "verdict")  # fmt: skip
    rows = []
    for column in report.latest.columns:
        shift = "" if column.wasserstein is None else f"{column.wasserstein:.4g}"
        verdict = "<b class=bad>drifted</b>" if column.flagged else "as ever"
        cells = (
            _text(column.column), column.role, f"{column.distance:.1%}",
            f"{min(1, column.distance + column.distance_error):.1%}", f"{column.psi:.3f}",
            f"{column.jensen_shannon:.3f}", shift, f"{column.missing:.1%}",
            f"{column.corrected:.2g}", verdict,
        )  # fmt: skip
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    titles = "".join(f"<th>{title}</th>" for title in head)
    return f"<div class=scroll><table><tr>{titles}</tr>{''.join(rows)}</table></div>"


def _versions(report: MonitorReport) -> str:
    seen: dict[str, str] = {}
    for health in report.health:
        for version in health.versions:
            seen.setdefault(version, health.period)
    said = ", ".join(f"{_text(name)} since {_text(at)}" for name, at in seen.items())
    return f"<p class=soft>Models: {said or 'none answered'}.</p>"


def _labels(report: MonitorReport) -> list[str]:
    parts = []
    if report.error is not None:
        error = report.error
        said = "no label belongs to a row of the log"
        if error.rows:
            said = f"mean error {error.error:.4g} over {error.rows:,} labelled rows"
        parts.append(f"<p>Where labels have arrived: {said}; {error.unknown:,} labels unused.</p>")
    if report.estimate is not None:
        estimate: Estimate = report.estimate
        low, high = estimate.interval
        parts.append(
            f"<p>Before labels arrive, the last {report.every}'s accuracy is estimated at "
            f"{estimate.accuracy:.1%} ({low:.1%} to {high:.1%}). "
            f"<span class=soft>{_text(estimate.assumption)}</span></p>"
        )
    return ["<h2>Right or wrong</h2>", *parts] if parts else []


def _method(report: MonitorReport) -> str:
    return (
        "<h2>How it was judged</h2><p class=soft>A column has drifted where its distribution is "
        "farther from the reference's than chance and usual days explain, and at least "
        f"{report.minimum:.0%} of rows moved. The chance of any false flag in {report.looks} looks "
        f"is {report.alpha:.0%} over all columns. Moved: the Kolmogorov–Smirnov statistic from a "
        "sketch for numbers (the rows' own lies between it and the column beside it), the total "
        f"variation for categories. {report.skipped:,} lines couldn't be read.</p>"
    )


def _plot(rows: int, columns: int, *, height: float, width: float = 9.0) -> tuple[Any, Any]:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingToolError(
            "the page's figures need matplotlib, which isn't installed. Install matplotlib."
        ) from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, sharex=columns == 1)


def _figure(figure: Any, caption: str) -> str:
    kept = io.BytesIO()
    figure.savefig(kept, format="png", dpi=110, metadata={"Software": None})
    data = base64.b64encode(kept.getvalue()).decode()
    said = _text(caption)
    return (
        f"<figure><img alt='{said}' src='data:image/png;base64,{data}'>"
        f"<figcaption>{said}</figcaption></figure>"
    )


def _ticks(axes: Any, periods: Sequence[str]) -> None:
    places = np.unique(np.linspace(0, len(periods) - 1, min(8, len(periods))).astype(int))
    axes.set_xticks(places, [periods[at] for at in places], rotation=20, ha="right", fontsize=8)
    axes.set_xlim(-0.5, len(periods) - 0.5)
    axes.spines[["top", "right"]].set_visible(False)


def _trail_figure(report: MonitorReport) -> Any:
    periods = [health.period for health in report.health]
    figure, grid = _plot(1, 1, height=3.6)
    axes = grid[0][0]
    alerted = [a.column for a in report.alerts if a.serious and a.column in report.trail]
    shown = list(dict.fromkeys(alerted))[:6]
    marks = "osD^vP"
    for name, far in report.trail.items():
        if name not in shown:
            axes.plot(far, color=_SOFT, lw=0.8, alpha=0.6)
    for at, name in enumerate(shown):
        every = max(1, len(periods) // 12)
        axes.plot(
            report.trail[name], lw=1.8, marker=marks[at], markevery=every, ms=5, label=name,
            color=("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")[at],
        )  # fmt: skip
    axes.axhline(report.minimum, color=_INK, lw=0.8, ls="--")
    _mark_alerts(axes, report.alerts, periods)
    axes.set_ylabel("share of rows moved")
    axes.set_ylim(-0.09, 1.02)
    if shown:
        axes.legend(loc="upper left", fontsize=8, ncols=2)
    _ticks(axes, periods)
    return figure


def _mark_alerts(axes: Any, alerts: Sequence[Alert], periods: Sequence[str]) -> None:
    place = {label: at for at, label in enumerate(periods)}
    for alert in alerts:
        if alert.serious and alert.since in place and alert.last in place:
            axes.plot(
                [place[alert.since] - 0.4, place[alert.last] + 0.4], [-0.05, -0.05], color=_BAD,
                lw=4, solid_capstyle="butt",
            )  # fmt: skip


def _moved_figures(report: MonitorReport) -> list[str]:
    """Draw the columns of open alerts, reference beside the last period."""
    names = [a.column for a in report.open if a.name == "drift" and a.column in report.trail]
    shown = [
        name for name in dict.fromkeys(names) if report.summary.columns[name].cells[ALL].sum() > 0
    ][:6]
    if not shown:
        return []
    rows = math.ceil(len(shown) / 2)
    figure, grid = _plot(rows, 2, height=2.7 * rows)
    for axes, name in zip(grid.ravel(), shown, strict=False):
        _draw_column(axes, report, name)
    for axes in grid.ravel()[len(shown) :]:
        axes.set_visible(False)
    return [_figure(figure, "Columns that are drifting: the reference and the last period.")]


def _draw_column(axes: Any, report: MonitorReport, name: str) -> None:
    layout, here = report.profile.layouts[name], report.summary.columns[name].cells[ALL]
    was, _ = expected(report.profile.counts[name].cells[ALL], here)
    now = here.sum(axis=0) / here.sum()
    if layout.kind == "category":
        top = np.argsort(-np.maximum(was, now), kind="stable")[:8]
        labels = [(*layout.categories, "others")[at] for at in top]
        place = np.arange(len(top))
        axes.bar(place - 0.2, was[top], 0.4, color=_WAS, label="reference")
        axes.bar(place + 0.2, now[top], 0.4, color=_NOW, label="last", hatch="//", alpha=0.85)
        axes.set_xticks(place, labels, rotation=25, ha="right", fontsize=8)
        axes.set_ylabel("share of rows")
    else:
        edges = np.concatenate([layout.edges, layout.edges[-1:]])
        axes.step(edges, np.cumsum(was), where="post", color=_WAS, label="reference")
        axes.step(edges, np.cumsum(now), where="post", color=_NOW, ls="--", label="last")
        axes.set_ylabel("share of rows below")
        axes.set_ylim(0, 1.02)
    axes.set_title(name, fontsize=10)
    axes.legend(fontsize=7)
    axes.spines[["top", "right"]].set_visible(False)


def _health_figure(report: MonitorReport) -> Any:
    periods = [health.period for health in report.health]
    figure, grid = _plot(3, 1, height=4.6)
    rows, lost, slow = grid[:, 0]
    rows.bar(range(len(periods)), [h.rows for h in report.health], color=_WAS, width=0.8)
    rows.set_ylabel("rows")
    requests = np.maximum(1, [h.requests for h in report.health])
    failed = np.array([h.failed for h in report.health]) / requests
    refused = np.array([h.refused for h in report.health]) / requests
    lost.bar(range(len(periods)), refused, color=_SOFT, width=0.8, label="refused")
    lost.bar(range(len(periods)), failed, bottom=refused, color=_BAD, width=0.8, label="failed")
    lost.set_ylabel("share lost")
    lost.set_ylim(0, max(0.02, float((failed + refused).max()) * 1.2))
    lost.legend(fontsize=7, loc="upper left")
    for share, ls in (("p99_ms", "-"), ("p50_ms", "--")):
        values = [getattr(h, share) for h in report.health]
        slow.plot([math.nan if v is None else v for v in values], color=_NOW, ls=ls, marker=".",
                  label="99 %" if share == "p99_ms" else "50 %")  # fmt: skip
    slow.set_ylabel("ms")
    slow.set_ylim(bottom=0)
    slow.legend(fontsize=7, loc="upper left")
    for axes in (rows, lost, slow):
        _ticks(axes, periods)
    return figure
