"""Watching the service by its request log, beside what was usual when its champion was trained."""

import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from mlops_kit import registry
from mlops_kit.errors import DataError
from mlops_kit.monitor import Limits, MonitorReport, monitor, write_gauges, write_page
from mlops_kit.monitor_log import read_entries

from .config import Settings
from .contract import TASK
from .training import REFERENCE, fetch, open_store

__all__ = ["GAUGES", "needs_training", "save", "watch"]


GAUGES = "monitor.prom"
"""Among the reports: what Prometheus may read of the last look."""


def watch(settings: Settings, *, labels: Path | None = None) -> MonitorReport | None:
    """Judge what was asked and answered since the champion became champion; None if nothing was."""
    open_store(settings)
    champion = registry.get(settings.model_name, "champion")
    since = _since(settings.model_name, champion.version)
    if not _asked(settings.request_logs, since):
        return None
    limits = settings.monitoring
    return monitor(
        settings.request_logs,
        fetch(champion, REFERENCE, settings.workspace / "cache" / champion.run_id),
        limits=Limits(limits.failed_share, limits.refused_share, limits.p99_ms),
        alpha=limits.alpha,
        looks=limits.looks,
        minimum=limits.minimum,
        since=since,
        now=dt.datetime.now(dt.UTC).isoformat(),
        labels=labels,
        chances=TASK == "classification",
    )


def save(found: MonitorReport, folder: Path) -> tuple[Path, ...]:
    """Write the page, the gauges and the JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    told = folder / "monitor.json"
    told.write_text(json.dumps(found.to_dict(), indent=1) + "\n", encoding="utf-8")
    page, gauges = folder / "monitor.html", folder / GAUGES
    write_page(found, page)
    write_gauges(found, gauges)
    return page, gauges, told


def needs_training(found: MonitorReport) -> tuple[str, ...]:
    """Say what moved in the data; a slow or failing service isn't cured by training."""
    return tuple(alert.text for alert in found.open if alert.role != "service")


def _asked(logs: Sequence[Path], since: pd.Timestamp) -> bool:
    return any(entry is not None and entry["time"] >= since for entry in read_entries(logs))


def _since(name: str, version: int) -> pd.Timestamp:
    trail = registry.history(name)
    changed = trail["what"].isin(["promoted", "rolled back"]) & (trail["version"] == version)
    if not changed.any():
        raise DataError(f"the trail of {name} doesn't say since when version {version} serves.")
    return pd.Timestamp(trail[changed]["when"].iloc[-1]).tz_localize(None)
