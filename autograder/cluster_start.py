"""Reach a Dask cluster: one started here, one at an address, or one that a file describes."""

import contextlib
import importlib
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder.errors import GraderError

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Connection", "PACKAGES", "connect", "run_everywhere"]

CONNECT_SECONDS = 30
PATIENCE = 120.0
QUEUE_PATIENCE = 1800.0
_FORMS = (
    "local, local:N (N processes on this machine), an address such as tcp://HOST:PORT, or a YAML "
    "file with class, options and workers"
)
_KEYS = {"class", "options", "workers", "patience"}
PACKAGES = {
    "dask_cloudprovider": "dask-cloudprovider",
    "dask_jobqueue": "dask-jobqueue",
    "dask_kubernetes": "dask-kubernetes",
    "distributed": "distributed",
}
"""The packages whose clusters a file may name, and how each is installed."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A client of a cluster's scheduler.

    ``patience`` is how long it may be without a worker; ``is_here`` says that its workers are
    processes of this machine and this installation.
    """

    where: str
    client: "Client"
    patience: float
    close: Callable[[], None]
    is_here: bool = False


def connect(where: str, *, workers: int = 0) -> Connection:
    """Reach the cluster that ``where`` names.

    Parameters
    ----------
    where : str
        ``local``, ``local:N``, a scheduler's address, or the path of a YAML file whose ``class``
        is the dotted name of a Dask cluster's class, with ``options`` for it, ``workers`` (a
        number, or ``minimum`` and ``maximum``) and ``patience`` in seconds.
    workers : int, default=0
        How many processes ``local`` starts; 0 is one a core.

    Raises
    ------
    GraderError
        If Dask isn't installed, ``where`` can't be understood, or nothing answers there.
    """
    _need_dask()
    if where == "local" or where.startswith("local:"):
        return _local(_count(where, workers))
    if "://" in where:
        return _at_address(where)
    path = Path(where)
    if path.suffix.lower() in (".yaml", ".yml"):
        return _described(path)
    raise GraderError(f"--cluster {where} isn't a cluster; give {_FORMS}.")


def _need_dask() -> None:
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise GraderError(
            f"grading on a cluster needs Dask, which isn't installed ({error}). "
            "Install it with: pip install 'mlops-kit[cluster]'"
        ) from None


def _count(where: str, workers: int) -> int:
    text = where.partition(":")[2]
    if not text:
        return workers or _cores()
    if text.isascii() and text.isdigit() and 0 < int(text) <= 1024:
        return int(text)
    raise GraderError(f"--cluster {where}: after local: comes a number from 1 to 1024.")


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _local(count: int) -> Connection:
    from distributed import Client, LocalCluster, Security

    # Students' code may reach loopback where isolation is weak, and a scheduler runs what it is
    # sent: only who holds these keys can talk to it.
    try:
        cluster = LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=count,
            threads_per_worker=1,
            protocol="tls://",
            security=Security.temporary(),  # type: ignore[no-untyped-call]
            host="127.0.0.1",
            dashboard_address=None,
            worker_dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            memory_limit=0,
            silence_logs=logging.ERROR,
            preload=["autograder.cluster_worker"],
        )
    except (OSError, RuntimeError, ImportError) as error:
        raise GraderError(f"no cluster could be started on this machine: {error}") from None
    connection = _connection(f"local:{count}", cluster, Client, PATIENCE)
    return replace(connection, is_here=True)


def _at_address(address: str) -> Connection:
    from distributed import Client

    try:
        client = Client(  # type: ignore[no-untyped-call]
            address, timeout=CONNECT_SECONDS, set_as_default=False
        )
    except (OSError, TimeoutError, ValueError) as error:
        reason = str(error).split("\n", 1)[0] or type(error).__name__
        raise GraderError(
            f"no Dask scheduler answers at {address} ({reason}). Start one there with "
            "'dask scheduler', or see whether the address and the port are right."
        ) from None
    return Connection(address, client, PATIENCE, lambda: _quietly(client.close))


def _described(path: Path) -> Connection:
    from distributed import Client

    text = _read(path)
    name, options = text["class"], text.get("options") or {}
    make = _class_named(name, path)
    try:
        cluster = make(**options)
    except Exception as error:
        raise GraderError(f"{path}: {name} didn't start: {type(error).__name__}: {error}") from None
    workers = text.get("workers", 1)
    if isinstance(workers, dict):
        cluster.adapt(**workers)
    else:
        cluster.scale(workers)
    return _connection(str(path), cluster, Client, float(text.get("patience", QUEUE_PATIENCE)))


def _class_named(name: str, path: Path) -> Callable[..., Any]:
    """Import a cluster's class, of the packages that have them and of no other."""
    # dask.distributed is another name of distributed.
    module, _, attribute = name.removeprefix("dask.").rpartition(".")
    package = module.partition(".")[0]
    if package not in PACKAGES:
        raise GraderError(
            f"{path}: class {name} is of no package whose clusters can be used; those are "
            f"{', '.join(sorted(PACKAGES))}."
        )
    try:
        made: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise GraderError(
            f"{path}: class {name} needs {package}, which isn't installed ({error}). Install it "
            f"with: pip install {PACKAGES[package]}"
        ) from None
    except AttributeError:
        raise GraderError(f"{path}: {module} has no class {attribute}.") from None
    return made


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        text = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise GraderError(f"{path} can't be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise GraderError(f"{path} isn't YAML: {error}") from None
    problem = _problem(text)
    if problem:
        raise GraderError(f"{path} doesn't describe a cluster: {problem}.")
    return dict(text)


def _problem(text: Any) -> str:
    if not isinstance(text, dict) or not isinstance(text.get("class"), str):
        return "it needs a line such as 'class: dask_jobqueue.SLURMCluster'"
    if unknown := set(map(str, text)) - _KEYS:
        return f"{', '.join(sorted(unknown))} isn't known; known are {', '.join(sorted(_KEYS))}"
    if not isinstance(text.get("options") or {}, dict):
        return "options aren't names with values"
    workers = text.get("workers", 1)
    counts = list(workers.values()) if isinstance(workers, dict) else [workers]
    if isinstance(workers, dict) and set(workers) != {"minimum", "maximum"}:
        return "workers are a number, or minimum and maximum"
    if not all(type(count) is int and count >= 0 for count in counts) or not any(counts):
        return "workers are a number above 0"
    patience = text.get("patience", 1)
    return "" if type(patience) in (int, float) and patience > 0 else "patience is seconds"


def _connection(
    where: str, cluster: Any, client_class: "type[Client]", patience: float
) -> Connection:
    try:
        client = client_class(cluster, timeout=CONNECT_SECONDS, set_as_default=False)
    except BaseException:
        _quietly(cluster.close)
        raise

    def close() -> None:
        _quietly(client.close)
        _quietly(cluster.close)

    return Connection(where, client, patience, close)


def run_everywhere(
    client: "Client", function: Callable[..., Any], *arguments: object, seconds: float
) -> dict[str, Any]:
    """Call a coroutine function on every worker, beside its tasks.

    Returns
    -------
    dict
        What each worker, by its address, told or raised.

    Raises
    ------
    GraderError
        If not all have answered in time.
    """
    told: list[dict[str, Any] | BaseException] = []

    def call() -> None:
        try:
            told.append(client.run(function, *arguments, on_error="return"))
        except Exception as error:
            told.append(error)

    caller = threading.Thread(target=call, name="cluster-call", daemon=True)
    caller.start()
    caller.join(seconds)
    if not told:
        raise GraderError(f"the cluster's workers gave no answer in {seconds:g} s.")
    if isinstance(told[0], BaseException):
        raise GraderError(f"the cluster's workers can't be reached: {told[0]}")
    return told[0]


def _quietly(close: Callable[[], object]) -> None:
    """Close what may be gone already."""
    with contextlib.suppress(Exception):
        close()
