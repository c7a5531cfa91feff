"""Runs that can be compared and repeated: each keeps what it was made of beside what came out.

MLflow stores them; nothing here keeps you from using MLflow itself on the same store. A run made
with :func:`record` or :func:`run` carries its lineage: the source of the training function, a
snapshot of the data named by content, the environment, the seed and the parameters. That is enough
for :func:`rerun` to repeat it when the notebook it came from is gone.
"""

import contextlib
import functools
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mlops_kit import runs
from mlops_kit.active_runs import active_run
from mlops_kit.errors import DataError
from mlops_kit.lineage import (
    Code,
    code_of,
    content_hash,
    environment_now,
    environment_on_record,
    git_state,
)
from mlops_kit.reruns import Rerun, rerun
from mlops_kit.runs import Lineage, RunRecord, best_run, compare_runs, finite, get_run
from mlops_kit.sqlite_runs import SqliteRuns, local_folder
from mlops_kit.stores import Store, current_store, load_mlflow, quiet_mlflow, start
from mlops_kit.tables import write_snapshot

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

_BATCH = 1000
_TAG = 5000


class Run:
    """A run that is under way; made by :func:`run`."""

    def __init__(self, run_id: str, store: Store, quick: SqliteRuns | None = None) -> None:
        self.run_id = run_id
        self._store = store
        self._quick = quick

    @functools.cached_property
    def _client(self) -> Any:
        return load_mlflow().MlflowClient(self._store.uri)

    def log_metric(self, name: str, value: float, *, step: int = 0) -> None:
        """Keep one number; a later one of the same name and a higher step is the result."""
        self.log_history({name: [value]}, first_step=step)

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None:
        """Keep several numbers at once."""
        self.log_history({name: [value] for name, value in metrics.items()}, first_step=step)

    def log_history(
        self,
        histories: Mapping[str, Sequence[float]],
        *,
        first_step: int = 0,
        diverged: bool = False,
    ) -> None:
        """Keep the whole course of metrics in as few requests as the store allows.

        Parameters
        ----------
        histories : mapping of str to sequence of float
            Each metric's values, one a step.
        first_step : int, default=0
            The step of the first ones.
        diverged : bool, default=False
            Keep ``nan`` and infinities too, as MLflow does. :func:`best_run` passes over a run
            whose result is ``nan``.

        Raises
        ------
        DataError
            If a value isn't a finite number, and it isn't said that the training diverged;
            nothing is kept then.
        """
        now = int(time.time() * 1000)
        rows = [
            (name, float(value) if diverged else finite(name, value), now, first_step + step)
            for name, values in histories.items()
            for step, value in enumerate(values)
        ]
        if self._quick is not None:
            self._quick.log(self.run_id, rows)
            return
        from mlflow.entities import Metric

        points = [Metric(*row) for row in rows]
        for begin in range(0, len(points), _BATCH):
            self._client.log_batch(self.run_id, metrics=points[begin : begin + _BATCH])

    def set_tag(self, name: str, value: object) -> None:
        """Note something about the run, as text; a later note of the same name replaces it."""
        text = str(value)
        if not name or len(text) > _TAG:
            raise DataError(f"tag {name!r} has {len(text)} characters, at most {_TAG} are kept.")
        if self._quick is not None:
            self._quick.tag(self.run_id, name, text)
            return
        self._client.set_tag(self.run_id, name, text)

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
                signature=models.infer_signature(example, model.predict(_given(model, example))),
                input_example=None,
                pip_requirements=list(requirements or _requirements()),
                # MLflow asks for a choice; estimators of many kinds need the general one.
                serialization_format="cloudpickle",
            )
        return str(info.model_uri)


def _given(model: Any, example: pd.DataFrame) -> Any:
    """Give a model that was fitted with an array an array."""
    bare = hasattr(model, "n_features_in_") and not hasattr(model, "feature_names_in_")
    return example.to_numpy() if bare else example


def _requirements() -> list[str]:
    packages = environment_now().packages
    wanted = ("numpy", "pandas", "scikit-learn", "scipy")
    return [f"{name}=={packages[name]}" for name in wanted if name in packages]


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
    given = {key: _param_text(key, value) for key, value in (params or {}).items()}
    texts = {
        runs.PARAMS_FILE: _params_json(params or {}),
        runs.ENVIRONMENT_FILE: environment_on_record()[1],
    }
    if source is not None:
        texts[runs.SOURCE_FILE] = source.source
    opening = active_run(store, name=name, tags=tags, params=given)
    with opening as (run_id, artifacts, quick):
        under_way = Run(run_id, store, quick)
        if quick is None:
            for path, text in texts.items():
                under_way.log_text(text, path)
        else:
            _write_texts(local_folder(artifacts), texts)
        if snapshot is not None and data is not None:
            _keep_snapshot(store, under_way, data, snapshot)
        yield under_way


def _write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    for place in {os.path.dirname(path) for path in texts}:  # noqa: PTH120 - a part of an address
        os.makedirs(folder / place, exist_ok=True)  # noqa: PTH103 - tries fewer folders
    for path, text in texts.items():
        (folder / path).write_text(text, encoding="utf-8")


def _lineage_tags(
    source: Code | None, data: pd.DataFrame | None, seed: int | None
) -> tuple[dict[str, str], str | None]:
    tags = {runs.ENVIRONMENT: environment_on_record()[0]}
    if source is not None:
        tags |= {runs.CODE_NAME: source.name, runs.CODE_HASH: source.hash}
    if seed is not None:
        tags[runs.SEED] = str(int(seed))
    state = git_state()
    if state.commit is not None:
        tags |= {runs.GIT_COMMIT: state.commit, runs.GIT_DIRTY: str(state.dirty)}
    digest = None
    if data is not None:
        digest = content_hash(data)
        tags[runs.DATA_HASH] = digest
    return tags, digest


def _keep_snapshot(store: Store, under_way: Run, data: pd.DataFrame, digest: str) -> None:
    """Keep the table under its hash; a workspace keeps it once for all runs that share it."""
    name = f"{digest}.parquet"
    if store.workspace is None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            write_snapshot(data, path)
            under_way.log_artifact(path, runs.SNAPSHOTS)
        return
    path = store.workspace / runs.SNAPSHOTS / name
    if path.is_file():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{under_way.run_id}.part")
    try:
        write_snapshot(data, part)
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
    return {str(key): finite(str(key), value) for key, value in metrics.items()}


def _features_of(model: Any, data: pd.DataFrame) -> pd.DataFrame:
    names = getattr(model, "feature_names_in_", None)
    return data.head() if names is None else data[list(names)].head()


def _params_json(params: Mapping[str, object]) -> str:
    """Keep parameters with their types; one that JSON can't hold is kept as text only."""
    kept = {}
    for name, value in params.items():
        with contextlib.suppress(TypeError, ValueError):
            json.dumps(value)
            kept[name] = value
    return json.dumps(kept, sort_keys=True, indent=1)
