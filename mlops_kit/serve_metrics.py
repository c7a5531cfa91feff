"""What a service says about itself to Prometheus."""

import importlib
from typing import Any

from mlops_kit.errors import MissingToolError

__all__ = ["ServiceMetrics"]

_SECONDS = (
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
    5, 10,
)  # fmt: skip
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_MAX_LABELS = 200


class ServiceMetrics:
    """Counters and histograms of one service, in a registry of their own.

    ============================================ ===================================================
    ``mlops_kit_serve_requests_total``           by ``status``
    ``mlops_kit_serve_request_seconds``          histogram, from the last byte to the answer
    ``mlops_kit_serve_rows_total``               answered rows
    ``mlops_kit_serve_batch_rows``               histogram, rows of each call of the model
    ``mlops_kit_serve_problems_total``           broken rules, by ``column`` and ``rule``
    ``mlops_kit_serve_model_errors_total``       requests on which the model failed
    ``mlops_kit_serve_reloads_total``            by ``result``: loaded, failed
    ``mlops_kit_serve_log_lines_lost_total``     lines of the request log that were dropped
    ``mlops_kit_serve_waiting_rows``             rows that wait or are being predicted
    ``mlops_kit_serve_model_info``               1, by ``model``, ``version`` and ``way``
    ============================================ ===================================================
    """

    def __init__(self) -> None:
        try:
            prometheus = importlib.import_module("prometheus_client")
        except ModuleNotFoundError as error:
            raise MissingToolError(
                f"serving needs {error.name!r}, which isn't installed. "
                "Install it with: pip install 'mlops-kit[serve]'"
            ) from error
        self._prometheus = prometheus
        self.registry = prometheus.CollectorRegistry()

        def make(kind: str, name: str, note: str, *labels: str, **settings: Any) -> Any:
            full = f"mlops_kit_serve_{name}"
            maker = getattr(prometheus, kind)
            return maker(full, note, labels, registry=self.registry, **settings)

        self._requests = make("Counter", "requests", "Requests for predictions.", "status")
        self._seconds = make(
            "Histogram", "request_seconds", "From the last byte to the answer.", buckets=_SECONDS
        )
        self._rows = make("Counter", "rows", "Answered rows.")
        self._batch = make("Histogram", "batch_rows", "Rows of each call.", buckets=_ROWS)
        self._problems = make("Counter", "problems", "Broken rules.", "column", "rule")
        self._model_errors = make("Counter", "model_errors", "Requests the model failed on.")
        self._reloads = make("Counter", "reloads", "Attempts to load a model.", "result")
        self._lost = make("Counter", "log_lines_lost", "Lines dropped from the request log.")
        self._waiting = make("Gauge", "waiting_rows", "Rows that wait for the model.")
        self._model = make("Gauge", "model_info", "What is served.", "model", "version", "way")
        self._by_status: dict[int, Any] = {}
        self._known_problems: dict[tuple[str, str], Any] = {}

    def request(self, status: int, seconds: float, rows: int) -> None:
        """Count a request that was answered, in whatever way."""
        counter = self._by_status.get(status)
        if counter is None:
            counter = self._by_status[status] = self._requests.labels(str(status))
        counter.inc()
        self._seconds.observe(seconds)
        if rows:
            self._rows.inc(rows)

    def batch(self, rows: int) -> None:
        """Count a call of the model."""
        self._batch.observe(rows)

    def problem(self, column: str, rule: str) -> None:
        """Count a broken rule; what clients make up is counted under one name."""
        key = (column, rule)
        counter = self._known_problems.get(key)
        if counter is None:
            if len(self._known_problems) >= _MAX_LABELS:
                key = ("other", "other")
            counter = self._known_problems[key] = self._problems.labels(*key)
        counter.inc()

    def model_error(self) -> None:
        """Count a request on which the model failed."""
        self._model_errors.inc()

    def lines_lost(self, lines: int) -> None:
        """Count dropped lines of the request log."""
        self._lost.inc(lines)

    def reload(self, result: str) -> None:
        """Count an attempt to load a model: ``loaded`` or ``failed``."""
        self._reloads.labels(result).inc()

    def model(self, name: str, version: str, way: str) -> None:
        """Say what is served from now on."""
        self._model.clear()
        self._model.labels(name, version, way).set(1)

    def page(self, waiting: int) -> tuple[bytes, str]:
        """Give the page for Prometheus and its content type."""
        self._waiting.set(waiting)
        return (
            self._prometheus.generate_latest(self.registry),
            self._prometheus.CONTENT_TYPE_LATEST,
        )
