"""The warm process, as the coordinator sees it: started once, then asked for rooms.

It is a program of its own (:mod:`autograder.zygote_main`), started with a clean environment
before any test is read, so that nothing forked from it can find one in its memory.
"""

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autograder.engine import Limits
from autograder.errors import SandboxError
from autograder.namespaces import copy_into
from autograder.warm_folder import WarmFolder

__all__ = ["Branch", "ForkedRoom", "RoomEnd", "WarmProcess", "clean_environment"]

_START_SECONDS = 300.0
_SPAWN_SECONDS = 60.0
_CLOSE_SECONDS = 10.0
_MESSAGE_BYTES = 1 << 20
_KEPT_VARIABLES = (
    "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "SYSTEMROOT", "PYTHONDONTWRITEBYTECODE",
)  # fmt: skip
# One thread: a process that forks must have no other, and a room shares two cores with many.
_THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "BLIS", "VECLIB_MAXIMUM")


@dataclass(frozen=True, slots=True)
class RoomEnd:
    """How a room ended: ``reason`` is a sentence's part, empty if it was simply told to go.

    ``is_fault`` says that it ended with the process that it was forked from: nothing in it can
    bring that about.
    """

    reason: str = ""
    is_fault: bool = False


class ForkedRoom:
    """A room that was forked from a warm process.

    Ending it and hearing of its end go over one socket; when the coordinator's end is closed, for
    whatever reason, the room is killed with everything in it.
    """

    def __init__(self, status: socket.socket) -> None:
        self._status = status
        self._text = b""
        self._end: RoomEnd | None = None
        self.pid = 0
        told = self._line(_SPAWN_SECONDS)
        if told is None or "pid" not in told:
            self.kill()
            raise SandboxError(
                "a room couldn't be started: "
                f"{(told or {}).get('reason') or 'the warm process did not answer'}. "
                "See what this machine offers with 'autograder doctor'."
            )
        self.pid = int(told["pid"])

    def kill(self) -> None:
        """End the room and everything in it."""
        with contextlib.suppress(OSError):
            self._status.shutdown(socket.SHUT_WR)
        if self._end is None:
            self.wait(timeout=_CLOSE_SECONDS)
        self._status.close()

    def wait(self, timeout: float | None = None) -> RoomEnd | None:
        """Wait for the room's end; None if it still lives after ``timeout`` seconds."""
        if self._end is None and self._status.fileno() >= 0:
            told = self._line(timeout)
            if told is not None:
                self._end = RoomEnd(str(told.get("reason") or ""), told.get("fault") is True)
        return self._end

    def _line(self, timeout: float | None) -> dict[str, Any] | None:
        while b"\n" not in self._text:
            if timeout is not None and not select.select([self._status], [], [], timeout)[0]:
                return None
            data = self._status.recv(65536)
            if not data:
                return {"reason": "the warm process ended", "fault": True}
            self._text += data
        line, _, self._text = self._text.partition(b"\n")
        told: dict[str, Any] = json.loads(line)
        return told


class _Shown:
    """The folders that rooms get copies of, where the warm process can read them."""

    def __init__(self, place: Path | None) -> None:
        self._place = place
        self._copies: dict[Path, Path] = {}
        self._lock = threading.Lock()

    def path(self, folder: Path) -> Path:
        """Give the folder itself, or its copy where the walls hide it; made once."""
        folder = folder.resolve()
        if self._place is None:
            return folder
        with self._lock:
            copy = self._copies.setdefault(folder, self._place / f"shown-{len(self._copies)}")
            if not copy.exists():
                copy_into(copy, folder, "")
        return copy


class Branch:
    """A process that forks rooms on orders that come over a socket.

    The warm process is the first of them; see :meth:`WarmProcess.branch` for others.
    """

    def __init__(self, control: socket.socket, shown: _Shown) -> None:
        self._control = control
        self._shown = shown
        self.pid = 0

    def spawn(
        self,
        entry: str,
        *,
        sockets: Sequence[socket.socket],
        limits: Limits,
        files: Path | None = None,
    ) -> ForkedRoom:
        """Fork a room that calls ``entry`` with its ends of the sockets.

        Parameters
        ----------
        entry : str
            What the room runs, as ``module:function``; it gets a list of sockets.
        sockets : sequence of socket
            The room's ends; the caller closes its own copies afterwards.
        limits : Limits
            What the room may use.
        files : pathlib.Path, optional
            A folder whose files the room gets copies of, notebooks and ``lab.toml`` left out.

        Raises
        ------
        SandboxError
            If the warm process is gone or the room can't be confined.
        """
        job = {
            "entry": entry,
            "limits": asdict(limits),
            "files": str(self._shown.path(files)) if files is not None else "",
        }
        return ForkedRoom(self._order(job, sockets))

    def _order(self, job: dict[str, Any], sockets: Sequence[socket.socket] = ()) -> socket.socket:
        """Send an order; give this side's end of a link to what comes of it."""
        mine, theirs = socket.socketpair()
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionError):
                socket.send_fds(
                    self._control,
                    [json.dumps(job).encode() + b"\n"],
                    [theirs.fileno(), *(sock.fileno() for sock in sockets)],
                )
        except OSError as error:
            mine.close()
            raise SandboxError(f"the warm process can't be reached: {error.strerror}.") from None
        finally:
            theirs.close()
        return mine

    def _told(self) -> dict[str, Any] | None:
        """Wait for what a process says when it is ready; None if it ends instead."""
        told = b""
        with contextlib.suppress(OSError):
            while not told.endswith(b"\n"):
                ready, _, _ = select.select([self._control], [], [], _START_SECONDS)
                data = self._control.recv(65536) if ready else b""
                if not data:
                    return None
                told += data
        return dict(json.loads(told)) if told else None

    def close(self) -> None:
        """End the process and every room forked from it."""
        self._control.close()


class WarmProcess(Branch):
    """Forks rooms from a process that has imported what a lab needs.

    Use :meth:`start`; close it when no more rooms are needed.

    Attributes
    ----------
    left_out : tuple of str
        The modules that weren't imported after all: they aren't there, or leave a thread running,
        and a process with two threads can't be forked safely. Rooms import them by themselves.
    loaded : frozenset of str
        All modules that are imported, so that every room has them.
    branches : list of Branch
        The processes that were forked from this one to fork rooms themselves.
    """

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        control: socket.socket,
        folder: WarmFolder,
        shown: "_Shown",
    ) -> None:
        super().__init__(control, shown)
        self._process = process
        self._folder = folder
        self.pid = process.pid
        self.branches: list[Branch] = []
        self.left_out: tuple[str, ...] = ()
        self.loaded: frozenset[str] = frozenset()

    @classmethod
    def start(
        cls,
        preload: Sequence[str],
        *,
        isolation: str,
        cache: Path | None = None,
        wrapper: Callable[[Path], Sequence[str]] | None = None,
    ) -> "WarmProcess":
        """Start a warm process and wait until it has imported everything.

        Parameters
        ----------
        preload : sequence of str
            Modules to import, in this order; one that can't be imported is left out.
        isolation : str
            How its rooms are confined: ``"full"``, ``"bubblewrap"``, ``"landlock"``, ``"process"``.
        cache : pathlib.Path, optional
            A folder that every room gets a copy of as its user cache.
        wrapper : callable, optional
            Gives, for the warm process's folder, a command that runs another one within walls; it
            is put before the warm process's own. Of the coordinator's files, those walls let
            through that folder alone.

        Raises
        ------
        SandboxError
            If it doesn't start.
        """
        here, there = socket.socketpair()
        place = WarmFolder()
        folder = place.path
        settings = {
            "preload": list(preload),
            "isolation": isolation,
            "folder": str(folder),
        }
        shown = _Shown(folder if wrapper else None)
        settings["cache"] = str(shown.path(cache)) if cache else ""
        command = [sys.executable, "-s", "-P", "-m", "autograder.zygote_main", str(there.fileno())]
        try:
            process = subprocess.Popen(
                [*(wrapper(folder) if wrapper else ()), *command],
                env=clean_environment(folder),
                cwd=folder,
                pass_fds=[there.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            place.close()
            raise SandboxError(f"the warm process didn't start: {error}.") from None
        finally:
            there.close()
        warm = cls(process, here, place, shown)
        warm._begin(settings)
        return warm

    def _begin(self, settings: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            self._control.sendall(json.dumps(settings).encode() + b"\n")
        about = self._told()
        if about is not None:
            self.left_out = tuple(about["without"])
            self.loaded = frozenset(about["loaded"])
            return
        self._process.kill()
        said = self._process.stderr.read(20_000) if self._process.stderr else b""
        self.close()
        last = said.decode("utf-8", "replace").strip().splitlines()[-1:] or ["it said nothing"]
        raise SandboxError(f"the warm process didn't start: {last[0][:500]}.")

    def branch(self, entry: str, about: Any) -> Branch | None:
        """Fork a process that first calls ``entry`` with some data, then forks rooms as well.

        What that call leaves in memory is in its rooms, and in no room of this process's own.

        Parameters
        ----------
        entry : str
            What it calls, as ``module:function``.
        about : object
            What JSON can hold.

        Returns
        -------
        Branch or None
            None if it came to nothing; it ends with this process.
        """
        made = Branch(self._order({"entry": "branch"}), self._shown)
        with contextlib.suppress(OSError):
            made._control.sendall(json.dumps({"entry": entry, "about": about}).encode() + b"\n")
        told = made._told()
        if told is None:
            made.close()
            return None
        made.pid = int(told["pid"])
        self.branches.append(made)
        return made

    def close(self) -> None:
        """End the warm process and every room forked from it."""
        for branch in self.branches:
            branch.close()
        self._control.close()
        try:
            self._process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stderr:
            self._process.stderr.close()
        self._folder.close()


def clean_environment(home: Path, *, more: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
    """Make the environment of a warm process: nothing of the coordinator's but its language."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    tools = [str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]
    return {
        "LANG": "C.UTF-8",
        **kept,
        "PATH": os.pathsep.join(tools),
        "HOME": str(home),
        "TMPDIR": str(home),
        "USER": "student",
        "LOGNAME": "student",
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
        "MPLBACKEND": "agg",
        # Arrow's allocator would keep a thread of its own.
        "JE_ARROW_MALLOC_CONF": "background_thread:false",
        # A progress bar is a widget in a kernel; here it would be stderr, which costs points.
        "TQDM_DISABLE": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "NBGRADER_EXECUTION": "autograde",
        **{f"{name}_NUM_THREADS": "1" for name in _THREADS},
        **dict(more),
    }
