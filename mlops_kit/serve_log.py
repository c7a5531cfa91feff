"""The request log: one JSON object a line, appended, for monitoring to read.

A line for each row that was answered, and one for each request that was refused or failed:

============== ===================================================================================
``time``       when the request came, UTC, ISO 8601 with microseconds and ``Z``
``request_id`` the id that the answer carried, in its ``X-Request-ID`` too
``model``      the model's name
``version``    the model's version
``status``     the HTTP status of the answer
``latency_ms`` from the request's last byte to the answer, the same for all rows of a request
``row_number`` which row of the request, from 0; null where the request wasn't answered
``row``        the row's values by column, without those declared personal; null likewise
``prediction`` what was answered; null likewise
``problems``   for a refused request: a list of ``{"row", "column", "rule"}``, without values
``error``      for a failed one: a sentence
============== ===================================================================================

Keys with nothing to say are left out of ``problems`` and ``error`` only. Lines are whole: a reader
skips a last line that was cut off by a crash.
"""

import contextlib
import datetime as dt
import json
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from mlops_kit.errors import DataError

__all__ = ["RequestLog", "read_request_log"]

MAX_LINES = 50_000
"""How many lines are kept while the disk takes none; more are dropped and counted."""

_AT_ONCE = 500

_log = logging.getLogger(__name__)


class RequestLog:
    """A request log that is being written; any thread may add to it.

    Lines are gathered and appended a few times a second by a thread of its own, whole lines in one
    write, so that several services may share a file. A file that was moved away is made anew.

    Parameters
    ----------
    path : path
        The file; its folder is made if it isn't there.
    every_s : float, default=0.25
        How long a line may wait, in seconds. A service that is killed loses these lines.
    lost : callable, optional
        Called with the number of lines that had to be dropped.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        every_s: float = 0.25,
        lost: Callable[[int], None] | None = None,
    ) -> None:
        self.path = Path(path)
        self.every_s = every_s
        self._lost = lost or _ignore
        self._lines: deque[bytes] = deque()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._second, self._stamp = -1, ""
        self._trouble = ""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._end_torn_line()
        self.start()

    def start(self) -> None:
        """Write lines from now on, also after :meth:`close`."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._write_on, name="request-log", daemon=True)
        self._thread.start()

    def _end_torn_line(self) -> None:
        """See that the file can be written, and that a line cut off by a crash ends here."""
        with self.path.open("ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")

    def stamp(self, now: float) -> str:
        """Write a time since 1970 as UTC text."""
        second = int(now)
        if second != self._second:
            moment = dt.datetime.fromtimestamp(second, dt.UTC)
            self._second, self._stamp = second, moment.strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._stamp}.{int((now - second) * 1e6):06d}Z"

    def add(self, lines: Iterable[bytes]) -> None:
        """Append lines, each a JSON object without its line end."""
        self._lines.extend(lines)

    def flush(self) -> None:
        """Write what waits, now; in parts, so that a little room on the disk is used too."""
        with self._lock:
            # Lines may be added meanwhile, by a thread that must not wait for the disk.
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            done = 0
            try:
                while done < len(lines):
                    some = lines[done : done + _AT_ONCE]
                    self._append(b"\n".join(some) + b"\n")
                    done += len(some)
            except OSError as error:
                left = lines[done:]
                dropped = max(0, len(left) - MAX_LINES)
                self._lines.extendleft(reversed(left[dropped:]))
                self._tell(error.strerror or str(error))
                if dropped:
                    self._lost(dropped)
            else:
                if lines:
                    self._tell("")

    def _tell(self, trouble: str) -> None:
        """Warn once when the file can't be written, and say when it can again."""
        if trouble and not self._trouble:
            _log.warning(
                "the request log %s can't be written: %s. Up to %s lines wait in memory, more are "
                "dropped and counted; requests are answered all the same.",
                self.path,
                trouble,
                f"{MAX_LINES:,}",
            )
        elif self._trouble and not trouble:
            _log.warning("the request log %s is written again.", self.path)
        self._trouble = trouble

    def _append(self, content: bytes) -> None:
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            size = os.fstat(handle).st_size
            written = os.write(handle, content)
            if written < len(content):
                # The disk is full: take the half-written lines back, and keep them all.
                with contextlib.suppress(OSError):
                    os.ftruncate(handle, size)
                raise OSError("the disk is full")
        finally:
            os.close(handle)

    def _write_on(self) -> None:
        while not self._stop.wait(self.every_s):
            self.flush()

    def close(self) -> None:
        """Write what waits, and end the thread."""
        self._stop.set()
        self._thread.join()
        self.flush()
        if self._lines:
            _log.warning("%s lines of %s are lost.", f"{len(self._lines):,}", self.path)
            self._lost(len(self._lines))


def _ignore(lines: int) -> None:
    """Leave lost lines uncounted."""


def read_request_log(
    path: str | os.PathLike[str],
    *,
    since: str | dt.datetime | None = None,
    answered: bool = True,
) -> pd.DataFrame:
    """Read a request log as a table.

    Parameters
    ----------
    path : path
        The file.
    since : str or datetime, optional
        Leave out what is older, UTC.
    answered : bool, default=True
        One line for each answered row, its values as columns; with False one for each refused or
        failed request instead, with ``problems`` and ``error``.

    Returns
    -------
    pandas.DataFrame
        ``time`` (UTC, without offset), ``request_id``, ``model``, ``version``, ``status``,
        ``latency_ms``, and for answered rows ``prediction`` and a column for each column of the
        contract. ``frame.attrs["skipped"]`` counts lines that are no JSON objects.

    Raises
    ------
    DataError
        If there is no such file.

    Notes
    -----
    Taught in @sec-serve; read by monitoring in @sec-monitor.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(
            f"the request log {path} can't be read: {error.strerror}. A service writes one where "
            "`mlops-kit serve --log FILE` says."
        ) from error
    earliest = None if since is None else pd.Timestamp(since)
    if earliest is not None and earliest.tzinfo is not None:
        earliest = earliest.tz_convert("UTC").tz_localize(None)
    entries, skipped = [], 0
    for line in content.splitlines():
        try:
            entry = json.loads(line)
            moment = dt.datetime.fromisoformat(entry["time"])
            entry["time"] = moment.astimezone(dt.UTC).replace(tzinfo=None)
        except (ValueError, KeyError, TypeError):
            skipped += bool(line.strip())
            continue
        if (earliest is None or entry["time"] >= earliest) and answered == (
            entry.get("row_number") is not None
        ):
            entries.append(_flat(entry) if answered else entry)
    own = ["time", "request_id", "model", "version", "status", "latency_ms"]
    own += ["prediction"] if answered else ["problems", "error"]
    frame = pd.DataFrame(entries, columns=None if entries else own)
    frame = frame.reindex(columns=[*own, *(n for n in frame.columns if n not in own)])
    frame["time"] = pd.to_datetime(frame["time"])
    frame.attrs["skipped"] = skipped
    return frame


def _flat(entry: Mapping[str, Any]) -> dict[str, Any]:
    own = {key: value for key, value in entry.items() if key not in ("row", "row_number")}
    return {**entry.get("row", {}), **own}
