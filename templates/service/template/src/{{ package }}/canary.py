"""The canary: who is answered by the challenger, and whether that went well.

Each comparison is an interval of how much worse the challenger is. Wholly within its limit, it is
fine; wholly beyond, the canary is aborted; anything else needs more requests. The chance of a wrong
decision is shared out among comparisons and looks, so that asking every hour does no harm.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from mlops_kit import registry
from mlops_kit.errors import DataError
from mlops_kit.monitor_labels import read_labels
from mlops_kit.serve import read_request_log
from numpy.typing import NDArray
from scipy import stats

from .config import CanarySettings, Settings
from .contract import REQUEST, TASK
from .pipeline import predict
from .release import find, keep_verdict
from .training import open_store

__all__ = ["Arm", "Comparison", "Judgement", "chosen", "compare", "judge", "save"]

Decision = Literal["promote", "abort", "wait"]
Floats = NDArray[np.float64]

_RESAMPLES = 1000
_COMPARISONS = 3


@dataclass(frozen=True)
class Comparison:
    """How much worse the challenger is, with its interval, beside what is allowed."""

    what: str
    champion: float
    challenger: float
    low: float
    high: float
    limit: float

    @property
    def decision(self) -> Decision:
        """What this comparison says for itself."""
        if self.low > self.limit:
            return "abort"
        return "promote" if self.high <= self.limit else "wait"


@dataclass(frozen=True)
class Judgement:
    """What the canary says, and on which grounds."""

    decision: Decision
    reason: str
    champion: int
    challenger: int
    requests: dict[str, int]
    comparisons: tuple[Comparison, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give what JSON can hold."""
        kept = asdict(self)
        for entry, comparison in zip(kept["comparisons"], self.comparisons, strict=True):
            entry["decision"] = comparison.decision
        return kept


def chosen(entity: str, *, challenger: str, share: float) -> bool:
    """Say whether the challenger answers: always the same for one entity and one challenger.

    A larger share keeps those who were in; another challenger meets others first.
    """
    digest = hashlib.sha256(f"{challenger}:{entity}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def judge(settings: Settings, *, labels: Path | None = None) -> Judgement | None:
    """Judge the challenger by the request log, and act: an aborted one is challenger no longer.

    Returns
    -------
    Judgement or None
        None if there is no challenger.
    """
    open_store(settings)
    name = settings.model_name
    champion, challenger = registry.get(name, "champion"), find(name, "challenger")
    if challenger is None:
        return None
    since = _nominated(name, challenger.version)
    old, new = (_arm(settings.request_logs, version, since) for version in (champion, challenger))
    found = compare(
        old,
        new,
        settings.canary,
        losses=None if labels is None else _losses(old, new, labels, champion, challenger),
        versions=(champion.version, challenger.version),
        hours=(pd.Timestamp.now("UTC").tz_localize(None) - since) / pd.Timedelta(hours=1),
    )
    if found.decision != "wait":
        keep_verdict(challenger, champion.version, found.decision)
    if found.decision == "abort":
        registry.withdraw(name, why=f"the canary: {found.reason}")
    return found


@dataclass(frozen=True)
class Arm:
    """What one model has done: its answered rows, one row a request, and how many failed."""

    rows: pd.DataFrame
    failed: int

    @property
    def requests(self) -> pd.DataFrame:
        return self.rows.drop_duplicates("request_id")

    @property
    def count(self) -> int:
        return len(self.requests) + self.failed


def compare(
    champion: Arm,
    challenger: Arm,
    limits: CanarySettings,
    *,
    losses: tuple[Floats, Floats] | None,
    versions: tuple[int, int],
    hours: float,
) -> Judgement:
    """Compare two models by what they did; see the module for how it is decided."""
    requests = {"champion": champion.count, "challenger": challenger.count}

    def judgement(decision: Decision, reason: str, *found: Comparison) -> Judgement:
        return Judgement(decision, reason, *versions, requests, found)

    late = hours > limits.patience_hours
    undecided: Decision = "abort" if late else "wait"
    fewest = min(requests.values())
    alpha = limits.alpha / limits.looks / _COMPARISONS
    found = []
    if fewest:
        found.append(_failures(champion, challenger, limits.failed_share, alpha))
    if fewest < limits.min_requests:
        # Whatever else is uncertain: one that fails and fails needn't go on till there are enough.
        if found and found[0].decision == "abort":
            return judgement("abort", found[0].what, *found)
        reason = f"{fewest} of the {limits.min_requests} requests that each model must answer"
        return judgement(undecided, reason, *found)
    if min(len(champion.rows), len(challenger.rows)) >= 2:
        found.append(_latencies(champion, challenger, limits.latency_ratio, alpha))
        if losses is not None and len(losses[0]) >= limits.min_requests:
            found.append(_outcomes(*losses, limits.loss_ratio, alpha))
        else:
            found.append(_predictions(champion, challenger, limits.prediction_shift, alpha))
    for decision in ("abort", "wait"):
        told = [entry.what for entry in found if entry.decision == decision]
        if told:
            return judgement("abort" if late else decision, ", ".join(told), *found)
    return judgement("promote", "every comparison keeps its limit", *found)


def save(found: Judgement, folder: Path) -> Path:
    """Write ``canary.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "canary.json"
    file.write_text(json.dumps(found.to_dict(), indent=1) + "\n", encoding="utf-8")
    return file


def _nominated(name: str, version: int) -> pd.Timestamp:
    trail = registry.history(name)
    when = trail[(trail["what"] == "nominated") & (trail["version"] == version)]["when"]
    if when.empty:
        raise DataError(
            f"the trail of {name} doesn't say since when version {version} is the challenger. "
            "Make it that with `train`, or with registry.nominate."
        )
    return pd.Timestamp(when.iloc[-1]).tz_localize(None)


def _arm(logs: Sequence[Path], version: registry.Version, since: pd.Timestamp) -> Arm:
    def of(answered: bool) -> pd.DataFrame:
        parts = [read_request_log(log, since=since.isoformat(), answered=answered) for log in logs]
        found = pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)
        own = (found["model"] == version.name) & (found["version"] == str(version.version))
        return found[own]

    if not logs:
        raise DataError("there is no request log yet. Start `serve` and let it answer requests.")

    refused = of(answered=False)
    return Arm(of(answered=True), int((refused["status"] >= 500).sum()))


def _failures(champion: Arm, challenger: Arm, limit: float, alpha: float) -> Comparison:
    """Newcombe's interval of the difference between two shares."""
    old, new = champion.failed / champion.count, challenger.failed / challenger.count
    old_low, old_high = _wilson(champion.failed, champion.count, alpha)
    new_low, new_high = _wilson(challenger.failed, challenger.count, alpha)
    low = new - old - math.hypot(new - new_low, old_high - old)
    high = new - old + math.hypot(new_high - new, old - old_low)
    return Comparison("failed requests, share", old, new, low, high, limit)


def _wilson(hits: int, count: int, alpha: float) -> tuple[float, float]:
    found = stats.binomtest(hits, count).proportion_ci(1 - alpha, method="wilson")
    return float(found.low), float(found.high)


def _latencies(champion: Arm, challenger: Arm, limit: float, alpha: float) -> Comparison:
    """The ratio of 95th percentiles, by a seeded bootstrap."""
    old = champion.requests["latency_ms"].to_numpy(dtype=float)
    new = challenger.requests["latency_ms"].to_numpy(dtype=float)
    chance = np.random.default_rng(7)
    ratios = _slow(new, chance) / _slow(old, chance)
    low, high = np.quantile(ratios, [alpha / 2, 1 - alpha / 2])
    before, after = float(np.quantile(old, 0.95)), float(np.quantile(new, 0.95))
    return Comparison("latency, ratio", before, after, float(low), float(high), limit)


def _slow(times: Floats, chance: np.random.Generator) -> Floats:
    drawn = chance.integers(0, len(times), (_RESAMPLES, len(times)))
    return np.asarray(np.quantile(times[drawn], 0.95, axis=1))


def _predictions(champion: Arm, challenger: Arm, limit: float, alpha: float) -> Comparison:
    """How far the mean prediction is away, in standard deviations of the champion's."""
    old = champion.rows["prediction"].to_numpy(dtype=float)
    new = challenger.rows["prediction"].to_numpy(dtype=float)
    spread = float(old.std()) or 1.0
    error = math.hypot(new.std() / math.sqrt(len(new)), old.std() / math.sqrt(len(old)))
    low, high = (end / spread for end in _around(float(new.mean() - old.mean()), error, alpha))
    # Either direction is bad: take how far away it is at least, and at most.
    least = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
    most = max(abs(low), abs(high))
    means = float(old.mean()), float(new.mean())
    return Comparison("mean prediction, shift", *means, least, most, limit)


def _outcomes(old: Floats, new: Floats, limit: float, alpha: float) -> Comparison:
    """How much larger the loss is, on the same rows."""
    mean = float(old.mean()) or 1.0
    more = new - old
    error = float(more.std()) / math.sqrt(len(more))
    low, high = (1 + end / mean for end in _around(float(more.mean()), error, alpha))
    return Comparison("loss, ratio", float(old.mean()), float(new.mean()), low, high, limit)


def _around(mean: float, error: float, alpha: float) -> tuple[float, float]:
    reach = float(stats.norm.ppf(1 - alpha / 2)) * error
    return mean - reach, mean + reach


def _losses(
    old: Arm, new: Arm, labels: Path, champion: registry.Version, challenger: registry.Version
) -> tuple[Floats, Floats] | None:
    """The squared error of both models on each logged row whose outcome is known.

    Both are asked again for the rows of both: on the same rows a small difference shows with a
    hundredth of the requests. That takes answers which didn't change the outcome, and rows that
    the log holds whole; where columns are personal it doesn't, and outcomes can't be judged.
    """
    if REQUEST.personal:
        return None
    rows = pd.concat([old.rows, new.rows])
    rows = rows.assign(row_number=rows.groupby("request_id").cumcount())
    wanted = read_labels(labels)[["request_id", "row_number", "label"]]
    known = rows.merge(wanted, on=["request_id", "row_number"])
    for column in REQUEST.columns:
        if column.dtype == "datetime":
            known[column.name] = pd.to_datetime(known[column.name])
    truth = known["label"].astype(int if TASK == "classification" else float).to_numpy()
    answers = [
        predict(registry.load(version.name, version.version), known)
        for version in (champion, challenger)
    ]
    return (answers[0] - truth) ** 2, (answers[1] - truth) ** 2
