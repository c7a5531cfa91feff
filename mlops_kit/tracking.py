"""Runs that can be compared and repeated: each keeps what it was made of beside what came out.

MLflow stores them; nothing here keeps you from using MLflow itself on the same store. A run made
with :func:`record` or :func:`run` carries its lineage: the source of the training function, a
snapshot of the data named by content, the environment, the seed and the parameters. That is enough
for :func:`rerun` to repeat it when the notebook it came from is gone.
"""

import ast
import contextlib
import json
import math
import numbers
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from mlops_kit.errors import DataError, TrackingError
from mlops_kit.lineage import (
    Code,
    Environment,
    code_of,
    content_hash,
    environment_now,
    function_from,
    git_state,
)
from mlops_kit.stores import Store, current_store, load_mlflow, quiet_mlflow, start

__all__ = [
    "Lineage",
    "Rerun",
    "Run",
    "RunRecord",
    "Store",
    "best_run",
    "compare_runs",
    "content_hash",
    "get_run",
    "record",
    "rerun",
    "run",
    "start",
]

_PREFIX = "mlops_kit."
_CODE_NAME = f"{_PREFIX}code_name"
_CODE_HASH = f"{_PREFIX}code_hash"
_DATA_HASH = f"{_PREFIX}data_hash"
_ENVIRONMENT = f"{_PREFIX}environment"
_SEED = f"{_PREFIX}seed"
_GIT_COMMIT = f"{_PREFIX}git_commit"
_GIT_DIRTY = f"{_PREFIX}git_dirty"
_SOURCE_FILE = "lineage/code.py"
_ENVIRONMENT_FILE = "lineage/environment.json"
_PARAMS_FILE = "lineage/params.json"
_SNAPSHOTS = "data"
_BATCH = 1000


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


class Run:
    """A run that is under way; made by :func:`run`."""

    def __init__(self, run_id: str, store: Store) -> None:
        self.run_id = run_id
        self._store = store
        self._client = load_mlflow().MlflowClient(store.uri)

    def log_metric(self, name: str, value: float, *, step: int = 0) -> None:
        """Keep one number; a later one of the same name and a higher step is the result."""
        self.log_history({name: [value]}, first_step=step)

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None:
        """Keep several numbers at once."""
        self.log_history({name: [value] for name, value in metrics.items()}, first_step=step)

    def log_history(self, histories: Mapping[str, Sequence[float]], *, first_step: int = 0) -> None:
        """Keep the whole course of metrics in as few requests as the store allows.

        Raises
        ------
        DataError
            If a value isn't a finite number; nothing is kept then.
        """
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        points = [
            Metric(name, _finite(name, value), now, first_step + step)
            for name, values in histories.items()
            for step, value in enumerate(values)
        ]
        for begin in range(0, len(points), _BATCH):
            self._client.log_batch(self.run_id, metrics=points[begin : begin + _BATCH])

    def log_params(self, params: Mapping[str, object]) -> None:
        """Keep parameters, as text."""
        from mlflow.entities import Param

        kept = [Param(name, _param_text(name, value)) for name, value in params.items()]
        self._client.log_batch(self.run_id, params=kept)

    def log_figure(self, figure: Any, path: str) -> None:
        """Keep a matplotlib figure under ``path``, such as ``"residuals.png"``."""
        self._client.log_figure(self.run_id, figure, path)

    def log_text(self, text: str, path: str) -> None:
        """Keep a text file under ``path``."""
        self._client.log_text(self.run_id, text, path)

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Keep a file, in a folder of the run's artifacts."""
        self._client.log_artifact(self.run_id, str(path), folder)

    def log_model(
        self,
        model: Any,
        *,
        example: pd.DataFrame,
        name: str = "model",
        requirements: Sequence[str] | None = None,
    ) -> str:
        """Keep a scikit-learn model with its signature and the packages that it needs.

        Parameters
        ----------
        model : scikit-learn estimator
            Fitted.
        example : pandas.DataFrame of shape (n_rows, n_features)
            A few rows of input; the signature is read from them and from the model's answers.
        name : str, default="model"
            What to call it.
        requirements : sequence of str, optional
            What must be installed to load it; by default the packages in use here, exactly.

        Returns
        -------
        str
            The model's URI.
        """
        mlflow = load_mlflow()
        load_mlflow("mlflow.sklearn")
        models = load_mlflow("mlflow.models")
        with quiet_mlflow():
            info = mlflow.sklearn.log_model(
                model,
                name=name,
                signature=models.infer_signature(example, model.predict(example)),
                input_example=None,
                pip_requirements=list(requirements or _requirements()),
                # MLflow asks for a choice; estimators of many kinds need the general one.
                serialization_format="cloudpickle",
            )
        return str(info.model_uri)


def _requirements() -> list[str]:
    packages = environment_now().packages
    wanted = ("numpy", "pandas", "scikit-learn", "scipy")
    return [f"{name}=={packages[name]}" for name in wanted if name in packages]


def _finite(name: str, value: object) -> float:
    if not isinstance(value, numbers.Real) or not math.isfinite(float(value)):
        raise DataError(
            f"metric {name!r} must be a finite number, got {value!r}. A run without a result is "
            "better left failed than compared."
        )
    return float(value)


def _param_text(name: str, value: object) -> str:
    text = str(value)
    if not name or len(text) > 6000:
        raise DataError(f"parameter {name!r} has {len(text)} characters, at most 6000 are kept.")
    return text


@contextlib.contextmanager
def run(
    name: str | None = None,
    *,
    code: Callable[..., Any] | None = None,
    data: pd.DataFrame | None = None,
    seed: int | None = None,
    params: Mapping[str, object] | None = None,
) -> Iterator[Run]:
    """Record a run and its lineage while the block runs.

    Parameters
    ----------
    name : str, optional
        What to call it; MLflow makes a name up otherwise.
    code : callable, optional
        The training function, which must need nothing from outside itself.
    data : pandas.DataFrame, optional
        What it is trained on; a snapshot is kept once for all runs that share it.
    seed : int, optional
        The seed that decides its chance.
    params : mapping, optional
        What else it was told.

    Yields
    ------
    Run
        To log metrics, figures and models with. MLflow's own functions work too.

    Raises
    ------
    TrackingError
        If no store is open, or ``code`` isn't self-contained. An exception in the block marks
        the run as failed and goes on.

    Notes
    -----
    Taught in @sec-track. Without code, data and seed a run can't be repeated by :func:`rerun`.
    """
    store = current_store()
    source = code_of(code) if code is not None else None
    tags, snapshot = _lineage_tags(source, data, seed)
    mlflow = load_mlflow()
    with contextlib.ExitStack() as stack:
        with quiet_mlflow():
            nested = mlflow.active_run() is not None
            mlflow.set_tracking_uri(store.uri)
            active = stack.enter_context(
                mlflow.start_run(
                    run_name=name, experiment_id=store.experiment_id, nested=nested, tags=tags
                )
            )
        under_way = Run(active.info.run_id, store)
        under_way.log_params(dict(params or {}))
        under_way.log_text(_params_json(params or {}), _PARAMS_FILE)
        if source is not None:
            under_way.log_text(source.source, _SOURCE_FILE)
        under_way.log_text(environment_now().to_json(), _ENVIRONMENT_FILE)
        if snapshot is not None and data is not None:
            _keep_snapshot(store, under_way, data, snapshot)
        yield under_way


def _lineage_tags(
    source: Code | None, data: pd.DataFrame | None, seed: int | None
) -> tuple[dict[str, str], str | None]:
    tags = {_ENVIRONMENT: environment_now().hash}
    if source is not None:
        tags |= {_CODE_NAME: source.name, _CODE_HASH: source.hash}
    if seed is not None:
        tags[_SEED] = str(int(seed))
    state = git_state()
    if state.commit is not None:
        tags |= {_GIT_COMMIT: state.commit, _GIT_DIRTY: str(state.dirty)}
    digest = None
    if data is not None:
        digest = content_hash(data)
        tags[_DATA_HASH] = digest
    return tags, digest


def _keep_snapshot(store: Store, under_way: Run, data: pd.DataFrame, digest: str) -> None:
    """Keep the table under its hash; a workspace keeps it once for all runs that share it."""
    name = f"{digest}.parquet"
    if store.workspace is None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            data.reset_index(drop=True).to_parquet(path)
            under_way.log_artifact(path, _SNAPSHOTS)
        return
    path = store.workspace / _SNAPSHOTS / name
    if path.is_file():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{under_way.run_id}.part")
    try:
        data.reset_index(drop=True).to_parquet(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def record(
    train: Callable[..., Any],
    *,
    data: pd.DataFrame,
    seed: int,
    params: Mapping[str, object] | None = None,
    name: str | None = None,
) -> RunRecord:
    """Call ``train(data, seed=seed, **params)`` and record what went in and what came out.

    Parameters
    ----------
    train : callable
        Returns its metrics, a mapping of names to finite numbers; or metrics and a fitted model.
        It must need nothing from outside itself.
    data : pandas.DataFrame
        What it is trained on; it gets a copy.
    seed : int
        The seed that decides its chance.
    params : mapping, optional
        Its other keyword arguments.
    name : str, optional
        What to call the run.

    Returns
    -------
    RunRecord
        The finished run.

    Raises
    ------
    TrackingError
        If no store is open, or ``train`` isn't self-contained.
    DataError
        If it returns something else. The run is marked as failed, as with any exception.

    Notes
    -----
    Taught in @sec-track.
    """
    settings = dict(params or {})
    with run(name, code=train, data=data, seed=seed, params=settings) as under_way:
        outcome = train(data.copy(), seed=seed, **settings)
        metrics, model = outcome if isinstance(outcome, tuple) else (outcome, None)
        under_way.log_metrics(_metrics_of(train.__name__, metrics))
        if model is not None:
            under_way.log_model(model, example=_features_of(model, data))
    return get_run(under_way.run_id)


def _metrics_of(name: str, metrics: object) -> dict[str, float]:
    if not isinstance(metrics, Mapping) or not metrics:
        raise DataError(f"{name} must return its metrics, such as {{'mae': 4.2}}, got {metrics!r}.")
    return {str(key): _finite(str(key), value) for key, value in metrics.items()}


def _features_of(model: Any, data: pd.DataFrame) -> pd.DataFrame:
    names = getattr(model, "feature_names_in_", None)
    return data.head() if names is None else data[list(names)].head()


def get_run(run_id: str) -> RunRecord:
    """Read one run's record.

    Raises
    ------
    TrackingError
        If the store has no such run.
    """
    store = current_store()
    mlflow = load_mlflow()
    try:
        return _record_of(mlflow.MlflowClient(store.uri).get_run(run_id))
    except mlflow.exceptions.MlflowException as error:
        raise TrackingError(
            f"there is no run {run_id!r} in {store.uri}. compare_runs() lists those there are."
        ) from error


def _record_of(found: Any) -> RunRecord:
    tags = dict(found.data.tags)
    seed, dirty = tags.get(_SEED), tags.get(_GIT_DIRTY)
    lineage = Lineage(
        code_hash=tags.get(_CODE_HASH),
        data_hash=tags.get(_DATA_HASH),
        environment=tags.get(_ENVIRONMENT),
        seed=None if seed is None else int(seed),
        git_commit=tags.get(_GIT_COMMIT),
        git_dirty=None if dirty is None else dirty == "True",
    )
    return RunRecord(
        run_id=found.info.run_id,
        name=found.info.run_name or "",
        status=found.info.status,
        params=dict(found.data.params),
        metrics=dict(found.data.metrics),
        lineage=lineage,
        tags=tags,
    )


def _all_runs(experiment: str | None) -> list[RunRecord]:
    store = current_store()
    client = load_mlflow().MlflowClient(store.uri)
    experiment_id = store.experiment_id
    if experiment is not None:
        found = client.get_experiment_by_name(experiment)
        if found is None:
            known = ", ".join(repr(entry.name) for entry in client.search_experiments())
            raise TrackingError(f"there is no experiment {experiment!r}; there: {known}.")
        experiment_id = found.experiment_id
    runs, token = [], None
    while True:
        page = client.search_runs(
            [experiment_id], order_by=["attributes.start_time ASC"], page_token=token
        )
        runs += [_record_of(entry) for entry in page]
        token = page.token
        if not token:
            return runs


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
    rows = [
        {
            "run_id": entry.run_id,
            "name": entry.name,
            "status": entry.status,
            "code_hash": entry.lineage.code_hash,
            "data_hash": entry.lineage.data_hash,
            "environment": entry.lineage.environment,
            "seed": entry.lineage.seed,
            "git_commit": entry.lineage.git_commit,
            **{f"params.{key}": value for key, value in sorted(entry.params.items())},
            **{
                f"metrics.{key}": value
                for key, value in sorted(entry.metrics.items())
                if metrics is None or key in metrics
            },
        }
        for entry in _all_runs(experiment)
    ]
    columns = [
        "run_id", "name", "status", "code_hash", "data_hash", "environment", "seed", "git_commit",
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=None if rows else columns)
    extra = sorted(set(frame.columns) - set(columns), key=lambda name: (name[0] == "m", name))
    return frame[[*columns, *extra]]


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
    return min(scored, key=lambda entry: sign * entry.metrics[metric])


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
    code = _recorded_code(found)
    train = function_from(code)
    data = _recorded_data(found)
    if found.lineage.seed is None:
        raise _not_enough(found, "no seed")
    params = _recorded_params(found)
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
    recorded, repeated = found.metrics[metric], _finite(metric, metrics[metric])
    difference = repeated - recorded
    same = abs(difference) <= tolerance
    return Rerun(run_id, metric, recorded, repeated, difference, same, _notes(found))


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


def _artifact(found: RunRecord, path: str) -> Path:
    mlflow = load_mlflow()
    client = mlflow.MlflowClient(current_store().uri)
    try:
        with quiet_mlflow():
            return Path(client.download_artifacts(found.run_id, path))
    except (OSError, mlflow.exceptions.MlflowException) as error:
        raise _not_enough(found, f"the artifact {path} is gone") from error


def _recorded_code(found: RunRecord) -> Code:
    name, digest = found.tags.get(_CODE_NAME), found.lineage.code_hash
    if name is None or digest is None:
        raise _not_enough(found, "no code")
    return Code(name, _artifact(found, _SOURCE_FILE).read_text("utf-8"), digest)


def _recorded_data(found: RunRecord) -> pd.DataFrame:
    digest, workspace = found.lineage.data_hash, current_store().workspace
    if digest is None:
        raise _not_enough(found, "no data")
    name = f"{digest}.parquet"
    if workspace is None:
        path = _artifact(found, f"{_SNAPSHOTS}/{name}")
    else:
        path = workspace / _SNAPSHOTS / name
    try:
        data = pd.read_parquet(path)
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


def _params_json(params: Mapping[str, object]) -> str:
    """Keep parameters with their types; one that JSON can't hold is kept as text only."""
    kept = {}
    for name, value in params.items():
        with contextlib.suppress(TypeError, ValueError):
            json.dumps(value)
            kept[name] = value
    return json.dumps(kept, sort_keys=True, indent=1)


def _recorded_params(found: RunRecord) -> dict[str, object]:
    """Read the parameters with their types; the store's text decides what they were."""
    typed = {}
    with contextlib.suppress(TrackingError, ValueError):
        typed = json.loads(_artifact(found, _PARAMS_FILE).read_text("utf-8"))
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


def _notes(found: RunRecord) -> tuple[str, ...]:
    notes: list[str] = []
    try:
        path = _artifact(found, _ENVIRONMENT_FILE)
        then = Environment.from_json(path.read_text("utf-8"))
        notes += then.differences(environment_now())
    except (TrackingError, ValueError, KeyError):
        notes.append("the environment of the run wasn't recorded")
    if found.lineage.git_dirty:
        notes.append("the run was made with uncommitted changes")
    return tuple(notes)
