"""Open a run so that MLflow's own functions write to it, by the quickest way the store allows."""

import contextlib
import functools
from collections.abc import Iterator, Mapping
from typing import Any

from mlops_kit.sqlite_runs import SqliteRuns, StoredRun, open_runs
from mlops_kit.stores import Store, load_mlflow, quiet_mlflow

__all__ = ["active_run"]

Opened = tuple[str, str, SqliteRuns | None]


@contextlib.contextmanager
def active_run(
    store: Store, *, name: str | None, tags: Mapping[str, str], params: Mapping[str, str]
) -> Iterator[Opened]:
    """Be in a run while the block runs; an exception marks it as failed and goes on.

    Parameters
    ----------
    store : Store
        Where it is kept.
    name : str, optional
        What it is called; a name is made up otherwise.
    tags, params : mapping of str to str
        What is known of it at the beginning.

    Yields
    ------
    tuple
        The run's id, where its artifacts go, and the store's tables where those can be written
        directly.
    """
    mlflow = load_mlflow()
    if mlflow.get_tracking_uri() != store.uri:
        with quiet_mlflow():
            mlflow.set_tracking_uri(store.uri)
    parent = mlflow.active_run()
    if parent is not None:
        tags = {**tags, "mlflow.parentRunId": parent.info.run_id}
    quick = open_runs(store.uri)
    begun = None
    if quick is not None and _stack() is not None:
        every = {**_circumstances(), **tags}
        begun = quick.begin(store.experiment_id, name=name, tags=every, params=params)
    if quick is None or begun is None:
        with _asked(store, name, tags, params, nested=parent is not None) as opened:
            yield opened
        return
    status = "FAILED"
    try:
        with _current(begun, store.experiment_id):
            yield begun.run_id, begun.artifacts, quick
        status = "FINISHED"
    finally:
        quick.end(begun.run_id, status)


@contextlib.contextmanager
def _asked(
    store: Store,
    name: str | None,
    tags: Mapping[str, str],
    params: Mapping[str, str],
    *,
    nested: bool,
) -> Iterator[Opened]:
    """Open the run by MLflow's client."""
    mlflow = load_mlflow()
    with contextlib.ExitStack() as stack:
        with quiet_mlflow():
            active = stack.enter_context(
                mlflow.start_run(
                    run_name=name, experiment_id=store.experiment_id, nested=nested, tags=tags
                )
            )
            if params:
                mlflow.log_params(dict(params))
        yield active.info.run_id, active.info.artifact_uri, None


def _stack() -> Any:
    """Give MLflow's list of the runs that this thread is in; None where this MLflow has none."""
    fluent = load_mlflow("mlflow.tracking.fluent")
    return getattr(fluent, "_active_run_stack", None)


@contextlib.contextmanager
def _current(run: StoredRun, experiment_id: str) -> Iterator[None]:
    """Make a run the current one, without asking the store for what was just written there."""
    entities = load_mlflow("mlflow.entities")
    fluent = load_mlflow("mlflow.tracking.fluent")
    info = entities.RunInfo(
        run_id=run.run_id,
        experiment_id=experiment_id,
        user_id=run.tags.get("mlflow.user", ""),
        status=run.status,
        start_time=run.started,
        end_time=None,
        lifecycle_stage="active",
        artifact_uri=run.artifacts,
        run_name=run.name,
    )
    opened = fluent.ActiveRun(entities.Run(info, entities.RunData()))
    _stack().get().append(opened)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # the block ended the run itself
            _stack().get().remove(opened)


@functools.cache
def _circumstances() -> dict[str, str]:
    """Give the tags that MLflow sets by itself: who runs what from where."""
    with contextlib.suppress(Exception), quiet_mlflow():
        found = load_mlflow("mlflow.tracking.context.registry").resolve_tags()
        return {str(key): str(value) for key, value in found.items() if "git" not in key}
    return {}
