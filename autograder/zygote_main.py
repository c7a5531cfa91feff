"""The program of the warm process: import once, then fork a confined room for each request.

It runs no student code and reads no test: whoever is forked from here finds neither. It has one
thread, watches what each room uses, and ends a room whose coordinator lets go of it; when the
coordinator itself is gone, it ends all of them.

On the coordinator's order it forks a process like itself, which reads a text that the rooms forked
from there are to know: the examiner's rooms a lab's tests, which no student's room ever finds.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any, NoReturn

from autograder import linux
from autograder.engine import Limits
from autograder.own_builtins import keep_own_builtins
from autograder.room_confinement import Confinement, close_all_but, fork_room
from autograder.watchdog import Watch, end_tree

__all__ = ["main"]

_LOOK_SECONDS = 0.05
_SETTLED_SECONDS = 2.0
_REQUEST_BYTES = 1 << 20
_DESCRIPTORS = 8
_BRANCH = "branch"
_OBJECTS_BETWEEN_COLLECTIONS = 10_000
_WITHOUT = "AUTOGRADER_WITHOUT"


class _Room:
    """A room that lives: its processes, and the socket that its coordinator holds on to."""

    def __init__(self, keeper: int, pid: int, status: socket.socket, watch: Watch) -> None:
        self.keeper = keeper
        self.pid = pid
        self.status = status
        self.watch = watch
        self.begun = time.monotonic()
        self.reason = ""

    def end(self, reason: str) -> None:
        """Kill everything in the room; its keeper's end is reported when it is reaped."""
        self.reason = self.reason or reason
        end_tree(self.pid)


class _Zygote:
    def __init__(self, control: socket.socket, settings: dict[str, Any]) -> None:
        self.control = control
        self.isolation: str = settings["isolation"]
        self.folder = Path(settings["folder"])
        self.cache = settings["cache"]
        self.settings = settings
        self.rooms: dict[int, _Room] = {}
        self.branches: set[int] = set()
        # Two processes that fork rooms at once number them by turns: a number is a user's too.
        self.number = int(settings.get("number", 0))
        self.looks = 0
        self.wake, wakes = socket.socketpair()
        for sock in (self.wake, wakes):
            sock.setblocking(False)
        signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # A batch system tells everybody at once; the coordinator ends first and takes this along.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.poll = select.poll()
        for sock in (control, self.wake):
            self.poll.register(sock, select.POLLIN)
        self._wakes = wakes

    def serve(self) -> None:
        """Fork rooms and watch over them until the coordinator is gone."""
        looked = time.monotonic()
        while True:
            # With nobody to watch over, it sleeps until it is asked for something.
            pause = _LOOK_SECONDS * 1000 if self.rooms else None
            ready = {number for number, _ in self.poll.poll(pause)}
            if self.wake.fileno() in ready:
                with contextlib.suppress(BlockingIOError):
                    self.wake.recv(4096)
            self._let_go(ready)
            self._reap()
            if self.control.fileno() in ready and not self._request():
                break
            if time.monotonic() - looked > _LOOK_SECONDS:
                self._look()
                looked = time.monotonic()
        for room in self.rooms.values():
            room.end("the coordinator is gone")
        for _ in range(200):
            self._reap()
            if not self.rooms and not self.branches:
                break
            time.sleep(0.01)

    def _let_go(self, ready: set[int]) -> None:
        """End each room whose coordinator has let go of it."""
        for room in self.rooms.values():
            if room.status.fileno() in ready and not room.reason:
                # It stays ready: a room takes a while to end, which mustn't be spent asking.
                self.poll.unregister(room.status)
                room.end("it was told to go")

    def _look(self) -> None:
        """End each room that uses more than it may; one that has settled is looked at less."""
        self.looks += 1
        now = time.monotonic()
        for room in self.rooms.values():
            if room.reason or (now - room.begun > _SETTLED_SECONDS and self.looks % 2):
                continue
            if reason := room.watch.look():
                room.end(reason)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                self._end_strays()
                return
            self.branches.discard(pid)
            room = self.rooms.pop(pid, None)
            if room is not None:
                self._gone(room, status)

    def _end_strays(self) -> None:
        """End processes that outlived the room they came from: they are orphans, so ours now."""
        if self.isolation == "full":
            return  # its own process namespace takes everything along
        for child in linux.children(os.getpid()):
            if child not in self.rooms and child not in self.branches:
                end_tree(child)

    def _gone(self, room: _Room, status: int) -> None:
        reason = room.reason or _ending(status)
        with contextlib.suppress(OSError):
            room.status.sendall(json.dumps({"reason": reason}).encode() + b"\n")
        with contextlib.suppress(KeyError, ValueError):  # it was told to go, or is closed
            self.poll.unregister(room.status)
        room.status.close()
        room.watch.close()

    def _request(self) -> bool:
        """Fork the room that is asked for; False when nobody is left to ask."""
        data, descriptors, _, _ = socket.recv_fds(self.control, _REQUEST_BYTES, _DESCRIPTORS)
        while data and not data.endswith(b"\n"):
            data += self.control.recv(_REQUEST_BYTES)
        if not data:
            return False
        status, *sockets = [socket.socket(fileno=number) for number in descriptors]
        job = json.loads(data)
        try:
            if job["entry"] == _BRANCH:
                self._branch(status)
            else:
                self._fork(job, status, sockets)
        except OSError as error:
            with contextlib.suppress(OSError):
                status.sendall(json.dumps({"reason": str(error)}).encode() + b"\n")
            status.close()
        finally:
            for sock in sockets:
                sock.close()
        return True

    def _branch(self, control: socket.socket) -> None:
        """Fork a process that does as this one does, on a link of its own to the coordinator."""
        pid = os.fork()
        if pid == 0:
            _be_branch(control, self.settings)
        self.branches.add(pid)
        control.close()

    def _fork(self, job: dict[str, Any], status: socket.socket, sockets: list[Any]) -> None:
        limits = Limits(**job["limits"])
        self.number += 2
        is_full = self.isolation == "full"
        place = self.folder / ("root" if is_full else f"room-{self.number}")
        place.mkdir(mode=0o700, exist_ok=True)
        keep = [sock.fileno() for sock in sockets]
        keeper, pid = fork_room(
            Confinement(self.isolation, limits, place=place, number=self.number),
            lambda: _run(job["entry"], keep),
            files=Path(job["files"]) if job["files"] else None,
            cache=self.cache,
            keep=keep,
        )
        watch = Watch(pid, limits, folder=None if is_full else place)
        self.rooms[keeper] = _Room(keeper, pid, status, watch)
        self.poll.register(status, select.POLLIN)
        status.sendall(json.dumps({"pid": pid}).encode() + b"\n")


def _run(entry: str, descriptors: list[int]) -> None:
    """Be a room: take the sockets and do what the entry says."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    _function(entry)([socket.socket(fileno=number) for number in descriptors])


def _function(entry: str) -> Any:
    module, function = entry.split(":")
    return getattr(importlib.import_module(module), function)


def _be_branch(control: socket.socket, settings: dict[str, Any]) -> NoReturn:
    """Do what the first line on the link says, then fork rooms that know it."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        close_all_but([control.fileno()])
        if sys.platform.startswith("linux"):
            linux.set_parent_death_signal(signal.SIGKILL)
            linux.set_dumpable(False)  # nobody reads in its memory
        order = json.loads(_line(control))
        _function(order["entry"])(order["about"])
        _serve(control, {**settings, "number": 1}, {"pid": os.getpid()})
        code = 0
    except Exception:
        code = 1
    finally:
        os._exit(code)


def _serve(control: socket.socket, settings: dict[str, Any], told: dict[str, Any]) -> None:
    """Serve rooms, after saying so."""
    if sys.platform.startswith("linux"):
        linux.set_subreaper()
    gc.collect()
    gc.freeze()
    # A room is short-lived: looking for cycles every 700 objects took a twentieth of its time.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, 10, 10)
    zygote = _Zygote(control, settings)
    control.sendall(json.dumps(told).encode() + b"\n")
    zygote.serve()


def _line(control: socket.socket) -> bytes:
    text = b""
    while not text.endswith(b"\n"):
        data = control.recv(65536)
        if not data:
            return b""
        text += data
    return text


def _ending(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    if code > 128:
        code = 128 - code
    if code == -signal.SIGXCPU:
        return "it used up its CPU time"
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        return f"it was ended by {name}"
    return f"it ended itself with exit code {code}"


def _preload(names: list[str]) -> list[str]:
    """Import the modules; start anew without one that leaves a thread running.

    Returns those that aren't imported.
    """
    without = set(json.loads(os.environ.get(_WITHOUT, "[]")))
    missing = set(without)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            if any(name == left or name.startswith(f"{left}.") for left in without):
                missing.add(name)
                continue
            try:
                importlib.import_module(name)
            except Exception:
                missing.add(name)
            if _threads() > 1:
                os.environ[_WITHOUT] = json.dumps(sorted(without | {name}))
                raise _ThreadLeft(name)
    return sorted(missing)


class _ThreadLeft(Exception):  # noqa: N818 - it is news, not an error
    pass


def _threads() -> int:
    try:
        return len(list(Path("/proc/self/task").iterdir()))
    except OSError:
        import threading

        return threading.active_count()


def main(arguments: list[str]) -> None:
    """Serve rooms on the inherited socket whose number is the only argument."""
    control = socket.socket(fileno=int(arguments[0]))
    saved = os.environ.get("AUTOGRADER_SETTINGS")
    text = saved.encode() if saved else _line(control)
    if not text:
        return
    settings = json.loads(text)
    keep_own_builtins()
    try:
        missing = _preload(settings["preload"])
    except _ThreadLeft:
        os.environ["AUTOGRADER_SETTINGS"] = text.decode()
        control.set_inheritable(True)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - this program
    for name in (_WITHOUT, "AUTOGRADER_SETTINGS"):
        os.environ.pop(name, None)
    # What was compiled up to here is kept for the next warm process; rooms keep nothing.
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    loaded = [name for name in sys.modules if type(name) is str]
    _serve(control, settings, {"without": missing, "loaded": loaded})


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Exception:
        traceback.print_exc()
        sys.exit(1)
