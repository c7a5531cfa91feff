"""What monitoring found: health by period, alerts, the latest comparison."""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from mlops_kit.drift_compare import Comparison
from mlops_kit.drift_estimate import Estimate
from mlops_kit.drift_profile import Profile, Summary
from mlops_kit.drift_watch import Alert
from mlops_kit.monitor_labels import LabelledError
from mlops_kit.monitor_log import Period

__all__ = ["FORMAT_VERSION", "Health", "Limits", "MonitorReport"]

FORMAT_VERSION = 1
"""Of :meth:`MonitorReport.to_dict`."""

_Check = tuple[str, str, str, str, Callable[[Period], float | None]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a service must keep to, period by period.

    Attributes
    ----------
    failed_share, refused_share : float
        Of all requests, at most.
    p99_ms : float
        The latency that 99 % of requests stay below, in milliseconds; 0 for no limit.
    silence_hours : float
        How long no line may come; 0 for no limit.
    fewest : int
        Periods with fewer requests aren't judged.
    """

    failed_share: float = 0.01
    refused_share: float = 0.05
    p99_ms: float = 0.0
    silence_hours: float = 0.0
    fewest: int = 20

    def checks(self) -> Iterator[_Check]:
        """Give name, column, sentence, advice and the value where a limit is passed."""

        def above(limit: float, value: float) -> float | None:
            return value if value > limit else None

        yield (
            "failed requests", "", "{:.1%} of requests failed",
            "Read the errors in the log; roll the model back if they began with its version.",
            lambda period: above(self.failed_share, period.failed / period.requests),
        )  # fmt: skip
        yield (
            "refused requests", "", "{:.1%} of requests broke the contract",
            "Look in the log which rule they break, and who sends them.",
            lambda period: above(self.refused_share, period.refused / period.requests),
        )  # fmt: skip
        if self.p99_ms:
            yield (
                "latency", "", "99 % of requests took up to {:.0f} ms",
                "Compare the load and the model's version with the periods before.",
                lambda period: above(self.p99_ms, period.latency_ms(0.99)),
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Health:
    """How the service did in one period.

    Attributes
    ----------
    period : str
        When it began.
    rows, requests, refused, failed : int
        Rows answered; all requests, those refused and those failed.
    p50_ms, p99_ms : float or None
        Latencies, in milliseconds.
    versions : tuple of str
        Which models answered.
    """

    period: str
    rows: int
    requests: int
    refused: int
    failed: int
    p50_ms: float | None
    p99_ms: float | None
    versions: tuple[str, ...]

    @classmethod
    def of(cls, period: Period) -> "Health":
        """Take it from a period of a log."""
        p50, p99 = period.latency_ms(0.5), period.latency_ms(0.99)
        return cls(
            period.label,
            period.summary.rows if period.summary else 0,
            period.requests,
            period.refused,
            period.failed,
            None if math.isnan(p50) else p50,
            None if math.isnan(p99) else p99,
            tuple(sorted(period.versions)),
        )


@dataclass(frozen=True, eq=False)
class MonitorReport:
    """What monitoring found.

    Attributes
    ----------
    log : tuple of str
        The files.
    reference_rows, every, alpha, looks, minimum
        What it was compared with, and how.
    lines, skipped : int
        Lines of the log, and those that couldn't be read.
    health : tuple of Health
        By period.
    alerts : tuple of Alert
        The open ones first.
    latest : Comparison
        Of the last period.
    error : LabelledError or None
        Where labels were given.
    estimate : Estimate or None
        Of the last period, where predictions are chances.
    trail : dict of str to list of float
        By column, how far each period was from the reference; nan where it can't be said.
    profile, summary : Profile, Summary
        The reference, and the last period.
    """

    log: tuple[str, ...]
    reference_rows: int
    every: str
    alpha: float
    looks: int
    minimum: float
    lines: int
    skipped: int
    health: tuple[Health, ...]
    alerts: tuple[Alert, ...]
    latest: Comparison
    error: LabelledError | None
    estimate: Estimate | None
    trail: dict[str, list[float]] = field(repr=False)
    profile: Profile = field(repr=False)
    summary: Summary = field(repr=False)

    @property
    def open(self) -> tuple[Alert, ...]:
        """The serious alerts that aren't over."""
        return tuple(alert for alert in self.alerts if alert.serious and not alert.closed)

    @property
    def ok(self) -> bool:
        """Whether nothing serious is open."""
        return not self.open

    def to_dict(self) -> dict[str, Any]:
        """Give what JSON can hold; the form has a version."""
        error = None
        if self.error is not None:
            error = {
                "rows": self.error.rows,
                "unknown": self.error.unknown,
                "error": self.error.error,
                "changes": [
                    {
                        "at": change.at,
                        "time": None if change.time is None else str(change.time),
                        "before": change.before,
                        "after": change.after,
                    }
                    for change in self.error.changes
                ],
            }
        found = {
            "format": "mlops-kit monitor",
            "version": FORMAT_VERSION,
            "ok": self.ok,
            "log": list(self.log),
            "every": self.every,
            "reference_rows": self.reference_rows,
            "alpha": self.alpha,
            "looks": self.looks,
            "minimum": self.minimum,
            "lines": self.lines,
            "skipped": self.skipped,
            "alerts": [alert.to_dict() for alert in self.alerts],
            "health": [asdict(health) for health in self.health],
            "latest": self.latest.to_dict(),
            "error": error,
            "estimate": None if self.estimate is None else asdict(self.estimate),
            "trail": self.trail,
        }
        plain: dict[str, Any] = _finite(found)
        return plain


def _finite(value: Any) -> Any:
    """Replace what JSON has no word for by null."""
    if isinstance(value, dict):
        return {key: _finite(kept) for key, kept in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(kept) for kept in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
