"""Repeat a run from its record alone: the code, data, seed and parameters that it keeps."""

import ast
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mlops_kit import runs
from mlops_kit.errors import TrackingError
from mlops_kit.lineage import Code, Environment, content_hash, environment_now, function_from
from mlops_kit.runs import RunRecord, finite, get_run
from mlops_kit.sqlite_runs import local_folder, open_runs
from mlops_kit.stores import current_store, load_mlflow, quiet_mlflow
from mlops_kit.tables import read_snapshot

__all__ = ["Rerun", "rerun"]


@dataclass(frozen=True, slots=True)
class Rerun:
    """A run repeated from its record.

    Attributes
    ----------
    run_id : str
        The run that was repeated.
    metric : str
        The metric that was compared.
    recorded, repeated, difference : float
        What the record says, what came out now, and the second minus the first.
    same : bool
        Whether they differ by no more than the tolerance.
    notes : tuple of str
        What isn't as it was when the run was recorded: package versions, uncommitted code.
    """

    run_id: str
    metric: str
    recorded: float
    repeated: float
    difference: float
    same: bool
    notes: tuple[str, ...]


def rerun(run_id: str, *, metric: str | None = None, tolerance: float = 0.0) -> Rerun:
    """Repeat a run from its record alone, and compare the result. The store is left as it is.

    Parameters
    ----------
    run_id : str
        Which run.
    metric : str, optional
        Which metric to compare; needed where the record holds several.
    tolerance : float, default=0.0
        By how much, in the metric's unit, the results may differ and still be the same.

    Returns
    -------
    Rerun
        Both results, and what isn't as it was.

    Raises
    ------
    TrackingError
        If the record isn't enough: no such run, no code, data or seed, a snapshot that is gone or
        was changed, a metric that isn't there, or a function that fails.

    Notes
    -----
    Taught in @sec-track.
    """
    found = get_run(run_id)
    metric = _metric_to_compare(found, metric)
    artifacts = _Artifacts(found)
    train = function_from(_recorded_code(found, artifacts))
    data = _recorded_data(found, artifacts)
    if found.lineage.seed is None:
        raise _not_enough(found, "no seed")
    params = _recorded_params(found, artifacts)
    try:
        outcome = train(data, seed=found.lineage.seed, **params)
    except Exception as error:
        raise TrackingError(
            f"run {run_id} can't be repeated: its code fails with {type(error).__name__}: {error}."
        ) from error
    metrics = outcome[0] if isinstance(outcome, tuple) else outcome
    if not isinstance(metrics, Mapping) or metric not in metrics:
        raise TrackingError(
            f"run {run_id} can't be compared: its code returns no {metric!r}, but {metrics!r}."
        )
    recorded, repeated = found.metrics[metric], finite(metric, metrics[metric])
    difference = repeated - recorded
    same = abs(difference) <= tolerance
    return Rerun(run_id, metric, recorded, repeated, difference, same, _notes(found, artifacts))


def _not_enough(found: RunRecord, what: str) -> TrackingError:
    return TrackingError(
        f"the record of run {found.run_id} isn't enough to repeat it: {what}. Record runs with "
        "tracking.record, or give tracking.run code, data and seed."
    )


def _metric_to_compare(found: RunRecord, metric: str | None) -> str:
    known = ", ".join(sorted(found.metrics)) or "none"
    if metric is None and len(found.metrics) == 1:
        return next(iter(found.metrics))
    if metric is None:
        raise TrackingError(f"rerun: say which metric to compare; run {found.run_id} has: {known}.")
    if metric not in found.metrics:
        raise _not_enough(found, f"no metric {metric!r} (there: {known})")
    return metric


class _Artifacts:
    """The files of one run: read where they lie, if they lie in a folder, else asked for."""

    def __init__(self, found: RunRecord) -> None:
        self._found = found
        self._uri = current_store().uri
        quick = open_runs(self._uri)
        stored = quick.one(found.run_id) if quick is not None else None
        local = stored is not None and stored.artifacts.startswith(("file:", "/"))
        self._folder = local_folder(stored.artifacts) if stored is not None and local else None

    def path(self, name: str) -> Path:
        """Give where a file lies now."""
        if self._folder is not None and (self._folder / name).is_file():
            return self._folder / name
        mlflow = load_mlflow()
        try:
            with quiet_mlflow():
                client = mlflow.MlflowClient(self._uri)
                return Path(client.download_artifacts(self._found.run_id, name))
        except (OSError, mlflow.exceptions.MlflowException) as error:
            raise _not_enough(self._found, f"the artifact {name} is gone") from error

    def text(self, name: str) -> str:
        """Read a file."""
        return self.path(name).read_text("utf-8")


def _recorded_code(found: RunRecord, artifacts: _Artifacts) -> Code:
    name, digest = found.tags.get(runs.CODE_NAME), found.lineage.code_hash
    if name is None or digest is None:
        raise _not_enough(found, "no code")
    return Code(name, artifacts.text(runs.SOURCE_FILE), digest)


def _recorded_data(found: RunRecord, artifacts: _Artifacts) -> pd.DataFrame:
    digest, workspace = found.lineage.data_hash, current_store().workspace
    if digest is None:
        raise _not_enough(found, "no data")
    name = f"{digest}.parquet"
    if workspace is None:
        path = artifacts.path(f"{runs.SNAPSHOTS}/{name}")
    else:
        path = workspace / runs.SNAPSHOTS / name
    try:
        data = read_snapshot(path)
    except FileNotFoundError:
        raise _not_enough(found, f"the data snapshot {digest[:12]} is gone") from None
    except Exception as error:
        raise _not_enough(found, f"the data snapshot {digest[:12]} can't be read") from error
    now = content_hash(data)
    if now != digest:
        raise _not_enough(
            found, f"the data snapshot was changed: {digest[:12]} was recorded, it is {now[:12]}"
        )
    return data


def _recorded_params(found: RunRecord, artifacts: _Artifacts) -> dict[str, object]:
    """Read the parameters with their types; the store's text decides what they were."""
    typed = {}
    with contextlib.suppress(TrackingError, ValueError):
        typed = json.loads(artifacts.text(runs.PARAMS_FILE))
    return {
        name: typed[name] if name in typed and str(typed[name]) == text else _value_of(text)
        for name, text in found.params.items()
    }


def _value_of(text: str) -> object:
    """Read a parameter back from its text: numbers, truth, None and lists; else it is text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _notes(found: RunRecord, artifacts: _Artifacts) -> tuple[str, ...]:
    notes: list[str] = []
    try:
        then = Environment.from_json(artifacts.text(runs.ENVIRONMENT_FILE))
        notes += then.differences(environment_now())
    except (TrackingError, ValueError, KeyError):
        notes.append("the environment of the run wasn't recorded")
    if found.lineage.git_dirty:
        notes.append("the run was made with uncommitted changes")
    return tuple(notes)
