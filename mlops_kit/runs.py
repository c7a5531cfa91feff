"""Read runs: one by its id, all of an experiment side by side, the best by a metric."""

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from mlops_kit.errors import DataError, TrackingError
from mlops_kit.sqlite_runs import StoredRun, open_runs
from mlops_kit.stores import current_store, load_mlflow

__all__ = [
    "Lineage",
    "RunRecord",
    "best_run",
    "compare_runs",
    "finite",
    "get_run",
]

# What a run's lineage is called in the store.
PREFIX = "mlops_kit."
CODE_NAME = f"{PREFIX}code_name"
CODE_HASH = f"{PREFIX}code_hash"
DATA_HASH = f"{PREFIX}data_hash"
ENVIRONMENT = f"{PREFIX}environment"
SEED = f"{PREFIX}seed"
GIT_COMMIT = f"{PREFIX}git_commit"
GIT_DIRTY = f"{PREFIX}git_dirty"
SOURCE_FILE = "lineage/code.py"
ENVIRONMENT_FILE = "lineage/environment.json"
PARAMS_FILE = "lineage/params.json"
SNAPSHOTS = "data"


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a run was made of; None for what wasn't recorded."""

    code_hash: str | None
    data_hash: str | None
    environment: str | None
    seed: int | None
    git_commit: str | None
    git_dirty: bool | None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as the store holds it; MLflow keeps every parameter as text."""

    run_id: str
    name: str
    status: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    lineage: Lineage
    tags: Mapping[str, str] = field(repr=False)


def get_run(run_id: str) -> RunRecord:
    """Read one run's record.

    Raises
    ------
    TrackingError
        If the store has no such run.
    """
    store = current_store()
    quick = open_runs(store.uri)
    stored = quick.one(run_id) if quick is not None else None
    if stored is not None:
        return _record_of(stored)
    mlflow = load_mlflow()
    try:
        return _record_of(_stored(mlflow.MlflowClient(store.uri).get_run(run_id)))
    except mlflow.exceptions.MlflowException as error:
        raise TrackingError(
            f"there is no run {run_id!r} in {store.uri}. compare_runs() lists those there are."
        ) from error


def _stored(found: Any) -> StoredRun:
    """Take what MLflow's client gives."""
    info, data = found.info, found.data
    return StoredRun(
        run_id=info.run_id,
        name=info.run_name or "",
        status=info.status,
        started=info.start_time,
        artifacts=info.artifact_uri,
        tags=dict(data.tags),
        params=dict(data.params),
        metrics=dict(data.metrics),
    )


def _record_of(found: StoredRun) -> RunRecord:
    seed, dirty = found.tags.get(SEED), found.tags.get(GIT_DIRTY)
    lineage = Lineage(
        code_hash=found.tags.get(CODE_HASH),
        data_hash=found.tags.get(DATA_HASH),
        environment=found.tags.get(ENVIRONMENT),
        seed=None if seed is None else int(seed),
        git_commit=found.tags.get(GIT_COMMIT),
        git_dirty=None if dirty is None else dirty == "True",
    )
    return RunRecord(
        run_id=found.run_id,
        name=found.name,
        status=found.status,
        params=found.params,
        metrics=found.metrics,
        lineage=lineage,
        tags=found.tags,
    )


def _all_runs(experiment: str | None, *, tags: Sequence[str] | None = None) -> list[StoredRun]:
    """Give the runs of an experiment; with ``tags``, where it is quicker, no other tags."""
    store = current_store()
    experiment_id = store.experiment_id
    if experiment is not None and experiment != store.experiment:
        client = load_mlflow().MlflowClient(store.uri)
        found = client.get_experiment_by_name(experiment)
        if found is None:
            known = ", ".join(repr(entry.name) for entry in client.search_experiments())
            raise TrackingError(f"there is no experiment {experiment!r}; there: {known}.")
        experiment_id = found.experiment_id
    quick = open_runs(store.uri)
    if quick is not None:
        return quick.of_experiment(experiment_id, tags=tags)
    return _asked_for(store.uri, experiment_id)


def _asked_for(uri: str, experiment_id: str) -> list[StoredRun]:
    """Ask MLflow for the runs of an experiment, page by page."""
    client = load_mlflow().MlflowClient(uri)
    found: list[StoredRun] = []
    token = None
    while True:
        page = client.search_runs(
            [experiment_id], order_by=["attributes.start_time ASC"], page_token=token
        )
        found += map(_stored, page)
        token = page.token
        if not token:
            return found


def finite(name: str, value: object) -> float:
    """Take a metric's value as a number.

    Raises
    ------
    DataError
        If it isn't a finite one.
    """
    if not isinstance(value, numbers.Real) or not math.isfinite(float(value)):
        raise DataError(
            f"metric {name!r} must be a finite number, got {value!r}. A run without a result is "
            "better left failed than compared."
        )
    return float(value)


def compare_runs(
    *, experiment: str | None = None, metrics: Sequence[str] | None = None
) -> pd.DataFrame:
    """Lay the runs of an experiment side by side, failed ones too, oldest first.

    Parameters
    ----------
    experiment : str, optional
        Which; the current one by default.
    metrics : sequence of str, optional
        Which metrics; all by default.

    Returns
    -------
    pandas.DataFrame of shape (n_runs, n_columns)
        ``run_id``, ``name``, ``status``, ``code_hash``, ``data_hash``, ``environment``, ``seed``,
        ``git_commit``, a column ``params.NAME`` (text) for each parameter and ``metrics.NAME``
        for each metric. Missing where a run has none.

    Notes
    -----
    Taught in @sec-track.
    """
    found = _all_runs(experiment, tags=(CODE_HASH, DATA_HASH, ENVIRONMENT, SEED, GIT_COMMIT))
    seeds = [entry.tags.get(SEED) for entry in found]
    columns: dict[str, list[Any]] = {
        "run_id": [entry.run_id for entry in found],
        "name": [entry.name for entry in found],
        "status": [entry.status for entry in found],
        "code_hash": [entry.tags.get(CODE_HASH) for entry in found],
        "data_hash": [entry.tags.get(DATA_HASH) for entry in found],
        "environment": [entry.tags.get(ENVIRONMENT) for entry in found],
        "seed": [None if seed is None else int(seed) for seed in seeds],
        "git_commit": [entry.tags.get(GIT_COMMIT) for entry in found],
    }
    for name in sorted({key for entry in found for key in entry.params}):
        columns[f"params.{name}"] = [entry.params.get(name) for entry in found]
    for name in sorted({key for entry in found for key in entry.metrics}):
        if metrics is None or name in metrics:
            columns[f"metrics.{name}"] = [entry.metrics.get(name) for entry in found]
    return pd.DataFrame(columns, dtype=None if found else object)


def best_run(
    metric: str,
    *,
    lower_is_better: bool = True,
    where: Mapping[str, object] | None = None,
    experiment: str | None = None,
) -> RunRecord:
    """Find the finished run with the best value of a metric.

    Parameters
    ----------
    metric : str
        By which metric.
    lower_is_better : bool, default=True
        True for an error or a loss, False for a score.
    where : mapping, optional
        Only runs with these parameters; values are compared as text.
    experiment : str, optional
        In which experiment; the current one by default.

    Returns
    -------
    RunRecord
        The best; of equal ones the oldest.

    Raises
    ------
    TrackingError
        If no finished run has the metric, or none fits ``where``; the message says which metrics
        there are.

    Notes
    -----
    Taught in @sec-track. Best of many is best by luck too: see what the seeds alone do.
    """
    wanted = {key: str(value) for key, value in (where or {}).items()}
    finished = [entry for entry in _all_runs(experiment) if entry.status == "FINISHED"]
    fitting = [
        entry
        for entry in finished
        if all(entry.params.get(key) == value for key, value in wanted.items())
    ]
    scored = [entry for entry in fitting if math.isfinite(entry.metrics.get(metric, math.nan))]
    if not scored:
        known = sorted({name for entry in finished for name in entry.metrics})
        condition = f" with {wanted}" if wanted else ""
        raise TrackingError(
            f"best_run: of {len(finished)} finished runs none{condition} has the metric "
            f"{metric!r}. Metrics on record: {', '.join(known) or 'none'}."
        )
    sign = 1 if lower_is_better else -1
    return _record_of(min(scored, key=lambda entry: sign * entry.metrics[metric]))
