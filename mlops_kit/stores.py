"""A tracking store that is ready at once: MLflow on SQLite in a folder, or any server by URI.

MLflow builds a new SQLite store by replaying every schema change it ever made, on disk. Here
that replay happens once per MLflow version, in memory, and its result is copied from then on.
"""

import contextlib
import importlib
import io
import logging
import os
import shutil
import sqlite3
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mlops_kit.errors import MissingToolError, TrackingError
from mlops_kit.lineage import installed_version
from mlops_kit.sqlite_runs import open_runs

__all__ = ["Store", "current_store", "load_mlflow", "quiet_mlflow", "start"]

CACHE_VARIABLE = "MLOPS_KIT_CACHE"
DATABASE = "mlflow.db"
EXPERIMENT = "default"
MLFLOW_OWN = "Default"
_NAME = 256
_MAGIC = b"SQLite format 3\0"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Store:
    """Where runs go.

    Attributes
    ----------
    uri : str
        MLflow's tracking URI.
    experiment : str
        The experiment that new runs belong to.
    experiment_id : str
        MLflow's id of that experiment.
    workspace : pathlib.Path or None
        The folder that holds store, artifacts and snapshots; None for a store given by URI.
    """

    uri: str
    experiment: str
    experiment_id: str
    workspace: Path | None


_current: Store | None = None


def load_mlflow(module: str = "mlflow") -> Any:
    """Import MLflow (or one of its modules) on first use, with its telemetry switched off.

    Raises
    ------
    MissingToolError
        If MLflow isn't installed.
    """
    if module in sys.modules:
        return sys.modules[module]
    _silence_telemetry()
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingToolError(
            f"tracking needs MLflow, and {error.name!r} isn't installed. "
            "Install it with: pip install 'mlops-kit[tracking]'"
        ) from error


def _silence_telemetry() -> None:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")


@contextlib.contextmanager
def quiet_mlflow() -> Iterator[None]:
    """Hold back MLflow's and alembic's messages about things the kit has taken care of."""
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def current_store() -> Store:
    """Return the store that :func:`start` opened last.

    Raises
    ------
    TrackingError
        If none was opened in this process.
    """
    if _current is None:
        raise TrackingError(
            "tracking: no store is open. Call tracking.start('workspace') first; "
            "it opens (or makes) the store in that folder."
        )
    return _current


def start(where: str | os.PathLike[str] = "workspace", *, experiment: str = EXPERIMENT) -> Store:
    """Open a tracking store and make it MLflow's current one.

    Parameters
    ----------
    where : str or path, default="workspace"
        A folder (made if it isn't there) that gets a SQLite store, its artifacts and its data
        snapshots; or a URI such as ``http://host:5000``, used as it is.
    experiment : str, default="default"
        The experiment that new runs belong to; made if it isn't there.

    Returns
    -------
    Store
        The open store, also kept as the current one.

    Raises
    ------
    TrackingError
        If the folder can't be used, or holds a store that this MLflow can't read.
    MissingToolError
        If MLflow isn't installed.

    Notes
    -----
    Taught in @sec-track. A new folder is ready in a few hundredths of a second, once the store
    for the installed MLflow version was made and cached (well under a second, once a machine).
    """
    global _current  # noqa: PLW0603 - MLflow's own current store is one per process as well
    text = os.fspath(where)
    if "://" in text or text == "databricks":
        uri, workspace = text, None
    else:
        workspace = Path(text).expanduser().absolute()
        uri = _sqlite_uri(workspace / DATABASE)
    _current = _open(uri, experiment, workspace)
    return _current


def _prepare(folder: Path) -> bool:
    """Make a folder ready for runs; say whether its store was made just now, as the latest."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _prepare_database(folder / DATABASE)
    except OSError as error:
        raise TrackingError(
            f"tracking.start: the folder {folder} can't be used: {error.strerror or error}. "
            "Give a folder that you may write to."
        ) from error


def _sqlite_uri(database: Path) -> str:
    if any(mark in str(database) for mark in "?#%"):
        raise TrackingError(
            f"tracking.start: the path {database} holds '?', '#' or '%', which a database "
            "address can't carry. Choose a folder without these characters."
        )
    return f"sqlite:///{database.as_posix()}"


def _open(uri: str, experiment: str, workspace: Path | None) -> Store:
    latest = workspace is not None and _prepare(workspace)
    _silence_telemetry()  # of an MLflow that was imported before, too
    mlflow = load_mlflow()
    try:
        with quiet_mlflow():
            mlflow.set_tracking_uri(uri)
            known = None
            if workspace is not None:
                known = _written_experiment(uri, experiment, workspace, latest=latest)
            experiment_id = known or _experiment_id(mlflow, experiment, workspace)
            if not (known and _is_made_current(experiment_id)):
                mlflow.set_experiment(experiment_id=experiment_id)
    except mlflow.exceptions.MlflowException as error:
        raise TrackingError(
            f"tracking.start: MLflow can't open experiment {experiment!r} in {uri}: {error}"
        ) from error
    return Store(uri, experiment, experiment_id, workspace)


def _written_experiment(uri: str, name: str, workspace: Path, *, latest: bool) -> str | None:
    """Find or make an experiment in a store's tables; None where MLflow has to do it.

    MLflow itself first reads its whole history of schemas, to see that the tables are the latest.
    """
    runs = open_runs(uri)
    if runs is None or name in ("", MLFLOW_OWN) or name != name.strip() or len(name) > _NAME:
        return None
    if not latest:
        wanted = _schema(_ready_store())
        if wanted is None or _schema(workspace / DATABASE) != wanted:
            return None
    return runs.experiment(name, (workspace / "artifacts").as_uri())


def _is_made_current(experiment_id: str) -> bool:
    """Make an experiment MLflow's current one; False where this MLflow notes it otherwise."""
    fluent = load_mlflow("mlflow.tracking.fluent")
    if not hasattr(fluent, "_active_experiment_id"):
        return False
    fluent._active_experiment_id = experiment_id
    os.environ["MLFLOW_EXPERIMENT_ID"] = experiment_id  # as MLflow does, for other processes
    return True


def _experiment_id(mlflow: Any, name: str, workspace: Path | None) -> str:
    client = mlflow.MlflowClient()
    found = client.get_experiment_by_name(name)
    if found is not None and found.lifecycle_stage == "active":
        return str(found.experiment_id)
    location = None if workspace is None else (workspace / "artifacts").as_uri()
    try:
        return str(client.create_experiment(name, artifact_location=location))
    except mlflow.exceptions.MlflowException:
        # Another process may have made it since we looked.
        found = client.get_experiment_by_name(name)
        if found is None or found.lifecycle_stage != "active":
            raise
        return str(found.experiment_id)


def _prepare_database(database: Path) -> bool:
    """See that ``database`` is a store that MLflow opens without migrating it.

    Says whether it was made just now.
    """
    if database.exists() and database.stat().st_size:
        _check_database(database)
        return False
    database.unlink(missing_ok=True)
    template = _cached_template()
    if template is None:
        return _place(database, io.BytesIO(_migrated()))
    with template.open("rb") as ready:
        return _place(database, ready)


def _check_database(database: Path) -> None:
    # MLflow retries an unreadable file for more than a minute; look first.
    try:
        with contextlib.closing(_connect_read_only(database)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        raise TrackingError(
            f"tracking.start: {database} isn't a readable SQLite store ({error}). "
            "Restore it from a backup, or move it away and start again."
        ) from error


def _schema(database: Path) -> str | None:
    """Give the version of a store's tables; None where there is none."""
    try:
        with contextlib.closing(_connect_read_only(database)) as connection:
            (version,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except (sqlite3.Error, TypeError):
        return None
    return str(version)


def _connect_read_only(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)


def _ready_store() -> Path:
    return _cache_folder() / f"mlflow-{installed_version('mlflow')}.db"


def _cached_template() -> Path | None:
    """Return the cached, migrated store of this MLflow version; None if it can't be cached."""
    template = _ready_store()
    if _is_whole(template):
        return template
    try:
        template.parent.mkdir(parents=True, exist_ok=True)
        _write_atomically(template, _migrated())
    except OSError as error:
        _log.warning("No ready store can be kept in %s (%s).", template.parent, error)
        return None
    return template


def _is_whole(template: Path) -> bool:
    """Say whether a file is a SQLite store, of the length that its first page tells, and sound."""
    try:
        with template.open("rb") as file:
            head = file.read(32)
            length = os.fstat(file.fileno()).st_size
    except OSError:
        return False
    pages, size = int.from_bytes(head[28:32]), int.from_bytes(head[16:18])
    if not head.startswith(_MAGIC) or length != pages * (65_536 if size == 1 else size):
        return False
    try:
        with contextlib.closing(_connect_read_only(template)) as connection:
            (verdict,) = connection.execute("PRAGMA quick_check").fetchone()
            connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.DatabaseError:
        return False
    return bool(verdict == "ok")


def _cache_folder() -> Path:
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return base / "mlops-kit"


def _migrated() -> bytes:
    """Let MLflow build its whole schema in memory; return the database file's bytes."""
    load_mlflow()
    database = importlib.import_module("mlflow.store.db.utils")
    sqlalchemy = importlib.import_module("sqlalchemy")
    pool = importlib.import_module("sqlalchemy.pool")
    engine = sqlalchemy.create_engine("sqlite://", poolclass=pool.StaticPool)
    with quiet_mlflow():
        database._initialize_tables(engine)
    connection = engine.raw_connection()
    try:
        return bytes(connection.driver_connection.serialize())
    finally:
        connection.close()
        engine.dispose()


def _write_atomically(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _place(database: Path, content: IO[bytes]) -> bool:
    """Write a new store, and say so; never over one that another process put there meanwhile."""
    with tempfile.TemporaryDirectory(dir=database.parent, prefix=".store-") as folder:
        fresh = Path(folder) / database.name
        with fresh.open("wb") as file:
            shutil.copyfileobj(content, file)
        try:
            os.link(fresh, database)
        except FileExistsError:
            return False
        except OSError:  # a file system without links
            if database.exists():
                return False
            shutil.move(fresh, database)
    return True
