"""Calls to MLflow's registry: one writer at a time, short waits, and errors that say what to do."""

import contextlib
import os
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from mlops_kit.errors import RegistryError
from mlops_kit.stores import DATABASE, Store, current_store, load_mlflow, quiet_mlflow

__all__ = ["ABSENT", "client", "one_writer", "reaching"]

ABSENT = "RESOURCE_DOES_NOT_EXIST"
_WAIT_SECONDS = 20.0
# MLflow tries an address that is dead for minutes, and draws a bar for each small file.
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def client() -> Any:
    """Give MLflow's client of the open store.

    Raises
    ------
    RegistryError
        If the store's database isn't there any more.
    """
    store = current_store()
    if store.workspace is not None and not (store.workspace / DATABASE).is_file():
        raise RegistryError(
            f"the registry {store.uri} is gone: there is no {DATABASE} in {store.workspace}. "
            "Nothing was changed. Restore it from a backup, or open another store."
        )
    return load_mlflow().MlflowClient(store.uri)


@contextlib.contextmanager
def reaching(doing: str, *, then: str = "") -> Iterator[None]:
    """Turn MLflow's failures into one message; don't wait for an address that is dead.

    Parameters
    ----------
    doing : str
        What is tried, for the message: "registering rides".
    then : str, optional
        What holds after a failure, for the message.
    """
    mlflow = load_mlflow()
    failures: list[type[Exception]] = [mlflow.exceptions.MlflowException, OSError]
    failures.append(import_module("sqlalchemy.exc").SQLAlchemyError)
    before = {name: os.environ.get(name) for name in _SETTINGS}
    os.environ.update({name: text for name, text in _SETTINGS.items() if before[name] is None})
    try:
        with quiet_mlflow():
            yield
    except tuple(failures) as error:
        reason = str(error).strip().splitlines()[0][:300] if str(error).strip() else repr(error)
        said = (
            f"{doing}: the registry {current_store().uri} can't be reached or refuses ({reason})."
        )
        raise RegistryError(f"{said} {then}".strip()) from error
    finally:
        for name, text in before.items():
            if text is None:
                os.environ.pop(name, None)


@contextlib.contextmanager
def one_writer(store: Store) -> Iterator[None]:
    """Let one process at a time change the registry of a workspace; a server has no such lock.

    The lock is the operating system's: a process that is killed lets go of it.
    """
    if store.workspace is None:
        yield
        return
    with _lock_file(store.workspace) as file:
        deadline = time.monotonic() + _WAIT_SECONDS
        while not _locked(file.fileno()):
            if time.monotonic() > deadline:
                raise RegistryError(
                    f"another process has been changing the registry in {store.workspace} "
                    f"for {_WAIT_SECONDS:.0f} seconds. Nothing was changed here; try again later."
                )
            time.sleep(0.02)
        yield


def _lock_file(workspace: Path) -> BinaryIO:
    try:
        return (workspace / "registry.lock").open("a+b")
    except OSError as error:
        raise RegistryError(
            f"the registry in {workspace} can't be changed: {error.strerror or error}. Nothing was "
            "changed. See that the folder is there and that you may write to it."
        ) from error


def _locked(handle: int) -> bool:
    try:
        if os.name == "nt":
            msvcrt: Any = import_module("msvcrt")
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl: Any = import_module("fcntl")
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
