"""Send rows of the source to a running service: a rehearsal, with outcomes to judge it by.

A rehearsal with ``scale`` shows whether monitoring sees what it should: distances in miles, prices
in cents, before it happens by accident.
"""

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
from mlops_kit.errors import DataError

from .config import Settings
from .contract import LABEL, REQUEST, TIME
from .training import read_rows

__all__ = ["Replayed", "replay"]


@dataclass(frozen=True)
class Replayed:
    """What a rehearsal sent, and who answered."""

    sent: int
    refused: int
    answered: dict[str, int]
    labels: Path | None


def replay(
    settings: Settings,
    url: str,
    *,
    rows: int,
    days: int,
    scale: Mapping[str, float],
    labels: Path | None,
) -> Replayed:
    """Send some rows of the last days, each as a request of its own."""
    wrong = [name for name in scale if name not in REQUEST.names or REQUEST[name].dtype != "float"]
    if wrong:
        raise DataError(f"{wrong[0]!r} can't be scaled; it is no float column of a request.")
    found = read_rows(settings)
    found = found[found[TIME] >= found[TIME].max() - dt.timedelta(days=days)]
    found = found.sample(min(rows, len(found)), random_state=settings.training.seed)
    refused, answered, known = 0, dict[str, int](), list[dict[str, Any]]()
    with httpx.Client(base_url=url, timeout=settings.serving.timeout_s) as client:
        for _, row in found.iterrows():
            body = _body(row, scale)
            entity = hashlib.sha256(repr(sorted(body.items())).encode()).hexdigest()[:32]
            answer = _ask(client, body, entity, settings.canary.header)
            if answer.is_success:
                version = str(answer.json()["version"])
                answered[version] = answered.get(version, 0) + 1
                now = dt.datetime.now(dt.UTC)
                known.append({"request_id": entity, "label": row[LABEL], "time": now})
            else:
                refused += 1
    if labels is not None:
        labels.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(known).to_csv(labels, index=False)
    return Replayed(len(found), refused, answered, labels)


def _body(row: pd.Series, scale: Mapping[str, float]) -> dict[str, Any]:
    body = {}
    for column in REQUEST.columns:
        value = row[column.name]
        if pd.isna(value):
            continue
        if column.dtype == "datetime":
            body[column.name] = pd.Timestamp(value).isoformat()
        else:
            plain = value.item() if hasattr(value, "item") else value
            body[column.name] = plain * scale[column.name] if column.name in scale else plain
    return body


def _ask(client: httpx.Client, body: dict[str, Any], entity: str, header: str) -> httpx.Response:
    try:
        return client.post("/predict", json=body, headers={"X-Request-ID": entity, header: entity})
    except httpx.HTTPError as error:
        raise DataError(
            f"nothing answers at {client.base_url} ({error}). Start `serve` and give its address "
            "with --url."
        ) from None
