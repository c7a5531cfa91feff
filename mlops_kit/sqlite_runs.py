"""Runs in MLflow's own SQLite tables, a whole run per transaction instead of ten requests.

MLflow's client asks and commits for every tag, parameter and metric by itself, which takes some
thirty milliseconds a run; a sweep of a hundred small trainings then waits for its notebook.
Here a run's row, tags and parameters are written at once, and its metrics at once. Whatever is
written here MLflow reads, and the other way round. A store whose tables want more than is known
here is left to the client: :func:`open_runs` gives None for it.
"""

import atexit
import contextlib
import functools
import getpass
import math
import os
import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from mlops_kit.errors import TrackingError

__all__ = ["Point", "SqliteRuns", "StoredRun", "local_folder", "open_runs"]

_BUSY_SECONDS = 60.0
_SCHEME = "sqlite:///"
# What is written; a table may have more columns, but none that must be given.
_COLUMNS = {
    "experiments": (
        *("experiment_id", "name", "artifact_location", "lifecycle_stage", "creation_time"),
        "last_update_time",
    ),
    "runs": (
        *("run_uuid", "name", "source_type", "source_name", "entry_point_name", "user_id"),
        *("status", "start_time", "source_version", "lifecycle_stage", "artifact_uri"),
        "experiment_id",
    ),
    "tags": ("key", "value", "run_uuid"),
    "params": ("key", "value", "run_uuid"),
    "metrics": ("key", "value", "timestamp", "run_uuid", "step", "is_nan"),
    "latest_metrics": ("key", "value", "timestamp", "step", "is_nan", "run_uuid"),
}

Point = tuple[str, float, int, int]
"""A metric's name, value, time (ms since 1970) and step."""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as the tables hold it."""

    run_id: str
    name: str
    status: str
    started: int
    artifacts: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]


def open_runs(uri: str) -> "SqliteRuns | None":
    """Give the runs of a store, if it is a SQLite file with tables as they are known here.

    Examples
    --------
    >>> open_runs("http://localhost:5000") is None
    True
    """
    database = Path(uri.removeprefix(_SCHEME))
    if not uri.startswith(_SCHEME) or not database.is_file():
        return None
    try:
        known = _is_known(database, database.stat().st_ino)
    except (OSError, sqlite3.Error):
        return None
    return SqliteRuns(database) if known else None


@functools.lru_cache(maxsize=64)
def _is_known(database: Path, _: int) -> bool:
    """Say whether a file's tables take what is written here; asked once a file."""
    with contextlib.closing(
        sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)
    ) as opened:
        for table, columns in _COLUMNS.items():
            described = opened.execute(f"PRAGMA table_info({table})").fetchall()
            # (position, name, type, whether it must be given, its default, place in the key)
            needed = {row[1] for row in described if row[3] and row[4] is None}
            if not needed <= set(columns) <= {row[1] for row in described}:
                return False
    return True


# The connection that was used last. SQLite reads the whole schema, some sixty tables, whenever
# one is opened, which takes longer than all that is written of a run.
_Place = tuple[int, str, int, int]
_kept: list[tuple[_Place, sqlite3.Connection]] = []
_left: list[sqlite3.Connection] = []


@contextlib.contextmanager
def _connected(database: Path) -> Iterator[sqlite3.Connection]:
    """Lend a connection to a database; one that nothing went wrong with is kept for the next."""
    there = database.stat()
    place = (os.getpid(), str(database.absolute()), there.st_dev, there.st_ino)
    connection = _taken(place) or sqlite3.connect(
        f"{database.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        yield connection
    except BaseException:
        connection.close()
        raise
    if _kept or os.name != "posix":  # elsewhere a file that is open can't be removed
        connection.close()
    else:
        _kept.append((place, connection))


def _taken(place: _Place) -> sqlite3.Connection | None:
    """Take the kept connection, if it is to the same file; another one isn't kept any longer."""
    try:
        known, connection = _kept.pop()
    except IndexError:
        return None
    if known == place:
        return connection
    if known[0] == place[0]:
        connection.close()
    else:
        _left.append(connection)  # it belongs to the process that forked this one
    return None


@atexit.register
def _close() -> None:
    while _kept:
        known, connection = _kept.pop()
        if known[0] == os.getpid():
            connection.close()
        else:
            _left.append(connection)


class SqliteRuns:
    """The runs of one store."""

    def __init__(self, database: Path) -> None:
        self._database = database

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with _connected(self._database) as connection:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise TrackingError(
                f"the store {self._database} couldn't be written ({error}). Nothing was changed; "
                "see that its disk isn't full and that no other program holds it."
            ) from error

    def experiment(self, name: str, artifacts: str) -> str | None:
        """Give the id of an experiment, which is made if it isn't there; None if it was deleted.

        Its artifacts go to the location ``artifacts``, if it is made.
        """
        with self._transaction() as opened:
            found = opened.execute(
                "SELECT experiment_id, lifecycle_stage FROM experiments WHERE name = ?", (name,)
            ).fetchall()
            if not found:
                now = _now()
                made = opened.execute(
                    "INSERT INTO experiments (name, artifact_location, lifecycle_stage, "
                    "creation_time, last_update_time) VALUES (?, ?, 'active', ?, ?)",
                    (name, artifacts, now, now),
                )
                return str(made.lastrowid)
        active = [number for number, stage in found if stage == "active"]
        return str(active[0]) if len(found) == len(active) == 1 else None

    def begin(
        self,
        experiment_id: str,
        *,
        name: str | None,
        tags: Mapping[str, str],
        params: Mapping[str, str],
    ) -> StoredRun | None:
        """Write a run that has begun; None where its artifacts don't lie in a local folder."""
        run_id = uuid.uuid4().hex
        with self._transaction() as opened:
            found = opened.execute(
                "SELECT artifact_location FROM experiments WHERE experiment_id = ?",
                (int(experiment_id),),
            ).fetchone()
            if found is None or not str(found[0]).startswith(("file:", "/")):
                return None
            user = _user()
            run = StoredRun(
                run_id,
                name or f"run-{run_id[:8]}",
                "RUNNING",
                _now(),
                f"{found[0]}/{run_id}/artifacts",
                {"mlflow.user": user, **tags},
                dict(params),
                {},
            )
            every = {**run.tags, "mlflow.runName": run.name}
            row = (
                *(run_id, run.name, "UNKNOWN", "", "", user, run.status, run.started, ""),
                *("active", run.artifacts, int(experiment_id)),
            )
            _insert(opened, "runs", [row])
            _insert(opened, "tags", [(key, value, run_id) for key, value in every.items()])
            _insert(opened, "params", [(key, value, run_id) for key, value in params.items()])
        return run

    def log(self, run_id: str, points: Sequence[Point]) -> None:
        """Write metrics; of each name, the latest by step and time is the run's result."""
        with self._transaction() as opened:
            _write_points(opened, run_id, points)

    def end(self, run_id: str, status: str) -> None:
        """Write how a run ended."""
        with self._transaction() as opened:
            opened.execute(
                "UPDATE runs SET status = ?, end_time = ? WHERE run_uuid = ?",
                (status, _now(), run_id),
            )

    def of_experiment(self, experiment_id: str) -> list[StoredRun]:
        """Read the runs of an experiment that aren't deleted, oldest first."""
        return self._read("experiment_id = ? AND lifecycle_stage = 'active'", int(experiment_id))

    def one(self, run_id: str) -> StoredRun | None:
        """Read one run, deleted or not."""
        return next(iter(self._read("run_uuid = ?", run_id)), None)

    def _read(self, condition: str, value: object) -> list[StoredRun]:
        with _connected(self._database) as opened:
            rows = opened.execute(
                "SELECT run_uuid, name, status, start_time, artifact_uri FROM runs "  # noqa: S608
                f"WHERE {condition} ORDER BY start_time, rowid",
                (value,),
            ).fetchall()
            parts: dict[str, dict[str, dict[str, object]]] = {}
            for table in ("tags", "params", "latest_metrics"):
                by_run = parts[table] = {row[0]: {} for row in rows}
                missing = ", is_nan" if table == "latest_metrics" else ", 0"
                for run_id, key, content, is_nan in opened.execute(
                    f"SELECT run_uuid, key, value{missing} FROM {table} WHERE run_uuid IN "  # noqa: S608
                    f"(SELECT run_uuid FROM runs WHERE {condition})",
                    (value,),
                ):
                    by_run[run_id][key] = math.nan if is_nan else content
        return [
            StoredRun(
                run_id,
                name or "",
                status,
                started,
                artifacts,
                *(dict(parts[table][run_id]) for table in ("tags", "params", "latest_metrics")),  # type: ignore[arg-type]
            )
            for run_id, name, status, started, artifacts in rows
        ]


@functools.lru_cache(maxsize=256)
def local_folder(artifacts: str) -> Path:
    """Turn an artifact location into a path.

    Examples
    --------
    >>> local_folder("/runs/1/artifacts").as_posix()
    '/runs/1/artifacts'
    """
    parts = urlsplit(artifacts)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else Path(artifacts)


def _now() -> int:
    return int(time.time() * 1000)


@functools.cache
def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name
        return "unknown"


def _insert(opened: sqlite3.Connection, table: str, rows: Iterable[Sequence[object]]) -> None:
    columns = _COLUMNS[table]
    marks = ", ".join("?" * len(columns))
    names = ", ".join(columns)
    opened.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)  # noqa: S608


def _write_points(opened: sqlite3.Connection, run_id: str, points: Sequence[Point]) -> None:
    opened.executemany(
        "INSERT OR IGNORE INTO metrics (key, value, timestamp, run_uuid, step, is_nan) "
        "VALUES (?, ?, ?, ?, ?, 0)",
        [(name, value, when, run_id, step) for name, value, when, step in points],
    )
    latest: dict[str, tuple[int, int, float]] = {}
    for name, value, when, step in points:
        latest[name] = max(latest.get(name, (step, when, value)), (step, when, value))
    for name, (step, when, value) in latest.items():
        opened.execute(
            "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) "
            "VALUES (?, ?, ?, ?, 0, ?) ON CONFLICT (key, run_uuid) DO UPDATE SET "
            "value = excluded.value, timestamp = excluded.timestamp, step = excluded.step, "
            "is_nan = 0 WHERE (excluded.step, excluded.timestamp, excluded.value) "
            "> (step, timestamp, value)",
            (name, value, when, step, run_id),
        )
