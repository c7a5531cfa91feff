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
import stat
import sys
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
    if not uri.startswith(_SCHEME):
        return None
    database = uri.removeprefix(_SCHEME)
    try:
        there = os.stat(database)  # noqa: PTH116 - asked for each step of a run; paths are slow
        known = stat.S_ISREG(there.st_mode) and _is_known(database, there.st_ino)
    except (OSError, ValueError, sqlite3.Error):
        return None
    return SqliteRuns(database) if known else None


@functools.lru_cache(maxsize=64)
def _is_known(database: str, _: int) -> bool:
    """Say whether a file's tables take what is written here; asked once a file."""
    with _connected(database) as opened:
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
def _connected(database: str) -> Iterator[sqlite3.Connection]:
    """Lend a connection to a database; one that nothing went wrong with is kept for the next."""
    there = os.stat(database)  # noqa: PTH116
    place = (os.getpid(), os.path.abspath(database), there.st_dev, there.st_ino)  # noqa: PTH100
    connection = _taken(place) or sqlite3.connect(
        f"{Path(database).absolute().as_uri()}?mode=rw",
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

    def __init__(self, database: str) -> None:
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

    def tag(self, run_id: str, key: str, value: str) -> None:
        """Write a tag; one of the same key is replaced."""
        with self._transaction() as opened:
            opened.execute(
                "INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?) "
                "ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value",
                (key, value, run_id),
            )

    def end(self, run_id: str, status: str) -> None:
        """Write how a run ended."""
        with self._transaction() as opened:
            opened.execute(
                "UPDATE runs SET status = ?, end_time = ? WHERE run_uuid = ?",
                (status, _now(), run_id),
            )

    def of_experiment(
        self, experiment_id: str, *, tags: Sequence[str] | None = None
    ) -> list[StoredRun]:
        """Read the runs of an experiment that aren't deleted, oldest first.

        With ``tags``, of their tags those alone.
        """
        return self._read(
            "experiment_id = ? AND lifecycle_stage = 'active'", int(experiment_id), tags=tags
        )

    def one(self, run_id: str) -> StoredRun | None:
        """Read one run, deleted or not."""
        return next(iter(self._read("run_uuid = ?", run_id)), None)

    def _read(
        self, condition: str, value: object, *, tags: Sequence[str] | None = None
    ) -> list[StoredRun]:
        these = f"run_uuid IN (SELECT run_uuid FROM runs WHERE {condition})"  # noqa: S608
        some = "" if tags is None else f" AND key IN ({', '.join('?' * len(tags))})"
        with _connected(self._database) as opened:
            rows = opened.execute(
                "SELECT run_uuid, name, status, start_time, artifact_uri FROM runs "  # noqa: S608
                f"WHERE {condition} ORDER BY start_time, rowid",
                (value,),
            ).fetchall()
            found: dict[str, tuple[dict[str, str], dict[str, str], dict[str, float]]]
            found = {row[0]: ({}, {}, {}) for row in rows}
            for run_id, key, text in opened.execute(
                f"SELECT run_uuid, key, value FROM tags WHERE {these}{some}",  # noqa: S608
                (value, *(tags or ())),
            ):
                found[run_id][0][key] = text
            for run_id, key, text in opened.execute(
                f"SELECT run_uuid, key, value FROM params WHERE {these}",  # noqa: S608
                (value,),
            ):
                found[run_id][1][key] = text
            for run_id, key, number, is_nan in opened.execute(
                f"SELECT run_uuid, key, value, is_nan FROM latest_metrics WHERE {these}",  # noqa: S608
                (value,),
            ):
                found[run_id][2][key] = math.nan if is_nan else number
        return [
            StoredRun(run_id, name or "", status, started, artifacts, *found[run_id])
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
    rows = [(name, *_as_kept(value), when, step, run_id) for name, value, when, step in points]
    opened.executemany(
        "INSERT OR IGNORE INTO metrics (key, value, is_nan, timestamp, step, run_uuid) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        rows,
    )
    latest: dict[str, tuple[int, int, float, bool]] = {}
    for name, value, is_nan, when, step, _ in rows:
        point = (step, when, value, is_nan)
        latest[name] = max(latest.get(name, point), point)
    opened.executemany(
        "INSERT INTO latest_metrics (key, run_uuid, step, timestamp, value, is_nan) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key, run_uuid) DO UPDATE SET "
        "value = excluded.value, timestamp = excluded.timestamp, step = excluded.step, "
        "is_nan = excluded.is_nan WHERE (excluded.step, excluded.timestamp, excluded.value) "
        "> (step, timestamp, value)",
        [(name, run_id, *point) for name, point in latest.items()],
    )


def _as_kept(value: float) -> tuple[float, bool]:
    """Give a number as MLflow's tables hold it, and whether it is none."""
    if math.isnan(value):
        return 0.0, True
    return max(-sys.float_info.max, min(value, sys.float_info.max)), False
