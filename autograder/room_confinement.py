"""Put a freshly forked process behind walls, layer by layer, as far as a level says."""

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from functools import cache
from pathlib import Path
from typing import NoReturn

from autograder import landlock, linux, namespaces, rlimits, seccomp
from autograder.engine import Limits
from autograder.namespaces import View

if sys.platform != "win32":
    import resource

__all__ = ["Confinement", "close_all_but", "fork_room"]

_USERS = range(64_001, 64_901)
_NOBODY = 65_534
_UNIX, _INTERNET, _INTERNET_6 = 1, 2, 10
_SIGNAL_SCOPE_ABI = 6
_ERROR_CHARACTERS = 2_000
_MAX_FILES = 20_000
_MOST_DESCRIPTORS = 1 << 20


@cache
def _readable() -> tuple[str, ...]:
    """List what rooms may read; the same for every room of a warm process."""
    return namespaces.visible_paths(sys.modules)


class Confinement:
    """The walls of one room.

    Parameters
    ----------
    level : str
        ``"full"``, ``"bubblewrap"``, ``"landlock"`` or ``"process"``.
    limits : Limits
        What the room may use.
    place : pathlib.Path
        An empty folder for it: its view is mounted there, or its own files stand there.
    number : int
        Which room it is; as root, each has a user of its own.
    """

    def __init__(self, level: str, limits: Limits, *, place: Path, number: int) -> None:
        self.level = level
        self.limits = limits
        self.place = place
        self.root = hasattr(os, "getuid") and os.getuid() == 0
        self.user = _USERS[number % len(_USERS)] if self.root else os.getuid()

    @property
    def is_full(self) -> bool:
        """Say whether the room has a view of its own."""
        return self.level == "full"

    @property
    def needs_keeper(self) -> bool:
        """Say whether a process must wait for the room that could make its namespaces only."""
        return self.is_full and not self.root

    def prepare(self) -> None:
        """Do what must be done before the room's first process may be walled in."""
        if self.is_full:
            namespaces.unshare_all(privileged=self.root, first=not self.needs_keeper)

    def enter(self, *, files: Path | None, cache: str, keep: Sequence[int]) -> None:
        """Confine this process, for good, but for the last wall.

        Raises
        ------
        OSError
            If a wall can't be put up.
        """
        close_all_but(keep)
        if self.is_full:
            self._view(files, cache)
        else:
            os.setsid()
            self._folder(files, cache)
        user = os.getuid()
        rlimits.apply(self.limits, others=0 if user in _USERS else rlimits.user_processes(user))
        if self.level != "process":
            linux.drop_capabilities()
            self._walls()

    def _view(self, files: Path | None, cache: str) -> None:
        size = rlimits.disk_mb(self.limits) << 20
        view = View(_readable(), size, _MAX_FILES, self.user)
        namespaces.build_view(view, self.place, files=files, cache=cache)
        if self.root:
            namespaces.become_user(self.user)
            namespaces.enter_user_namespace()
        _settle(namespaces.HOME, "/tmp")  # noqa: S108 - the room's own

    def _folder(self, files: Path | None, cache: str) -> None:
        home, temporary = self.place / "home", self.place / "tmp"
        for folder in (home, temporary):
            folder.mkdir(mode=0o700)
        namespaces.copy_into(home, files, cache)
        if self.root and self.level != "process":
            self._give_up_root(home, temporary)
        os.chdir(home)
        _settle(str(home), str(temporary))

    def _give_up_root(self, *folders: Path) -> None:
        """Be another user; a Python that only root can read leaves root without its rights."""
        if not _open_to_all(Path(sys.base_prefix)) or not _open_to_all(Path(sys.prefix)):
            return
        for folder in (self.place.parent, self.place):
            folder.chmod(0o711)
        for folder in folders:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, self.user, self.user, follow_symlinks=False)
        namespaces.become_user(self.user)

    def _walls(self) -> None:
        network = self.is_full
        if self.is_full:
            kept = [namespaces.HOME, "/tmp", "/dev/shm"]  # noqa: S108 - the room's own
            shown = [*_readable(), "/proc", "/dev", "/etc"]
        else:
            kept = [str(self.place)]
            shown = [*_readable(), "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/dev/urandom"]
        version = landlock.abi()
        if version:
            landlock.restrict(shown, [*kept, "/dev/null"], network=network)
        elif not self.is_full:
            raise OSError("this kernel has no Landlock")
        own = None if self.is_full else os.getpid()
        is_apart = version >= _SIGNAL_SCOPE_ABI or os.getuid() in _USERS
        families = (_UNIX, _INTERNET, _INTERNET_6) if self.is_full else ()
        linux.set_dumpable(False)
        # Becoming another user takes it back.
        linux.set_parent_death_signal(signal.SIGKILL)
        seccomp.install(
            seccomp.program(families=families, signals_to=None if is_apart else own, alone=own)
        )


def _open_to_all(path: Path) -> bool:
    real = path.resolve()
    return all(place.stat().st_mode & 0o005 == 0o005 for place in (real, *real.parents))


def _settle(home: str, temporary: str) -> None:
    """Tell programs and libraries where the room's own files are."""
    os.environ.update(HOME=home, TMPDIR=temporary)
    for name in ("OLDPWD", "PWD"):
        os.environ.pop(name, None)
    tempfile.tempdir = None


def close_all_but(keep: Sequence[int]) -> None:
    """Close every descriptor but these, and have nothing behind the standard ones."""
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    most, begin = resource.getrlimit(resource.RLIMIT_NOFILE)[0], 3
    if not 0 <= most <= _MOST_DESCRIPTORS:
        most = _MOST_DESCRIPTORS
    for number in sorted(number for number in keep if number > 2):
        os.closerange(begin, number)
        begin = number + 1
    os.closerange(begin, max(begin, most))


def fork_room(
    walls: Confinement,
    run: Callable[[], None],
    *,
    files: Path | None,
    cache: str,
    keep: Sequence[int],
) -> tuple[int, int]:
    """Fork a room; give the process to wait for and the room's first process.

    Parameters
    ----------
    walls : Confinement
        Its walls.
    run : callable
        What the room does once they stand.
    files, cache : pathlib.Path, str
        What the room gets copies of.
    keep : sequence of int
        The descriptors that ``run`` needs; every other one is closed.

    Raises
    ------
    OSError
        If the walls couldn't be put up; nothing is left of the room then.
    """
    if walls.level != "process":
        _readable()  # here, where the answer is kept for the rooms to come
    reading, writing = os.pipe()
    with namespaces.first_children() if walls.is_full and walls.root else nullcontext():
        keeper = os.fork()
        if keeper == 0:
            os.close(reading)
            _be(walls, run, files, cache, [*keep, writing])
    os.close(writing)
    with open(reading, encoding="utf-8", errors="replace") as pipe:  # noqa: PTH123
        told = dict(line.rstrip("\n").partition(" ")[::2] for line in pipe)
    if not walls.needs_keeper:
        told.setdefault("pid", str(keeper))
    if "error" in told or "pid" not in told:
        with suppress(OSError):
            os.kill(keeper, signal.SIGKILL)
        os.waitpid(keeper, 0)
        raise OSError(told.get("error") or "the room ended before it began")
    return keeper, int(told["pid"])


def _be(
    walls: Confinement,
    run: Callable[[], None],
    files: Path | None,
    cache: str,
    keep: Sequence[int],
) -> NoReturn:
    """Be the keeper of a room, or the room itself where it needs none."""
    code, writing = 1, keep[-1]
    try:
        if sys.platform.startswith("linux"):
            linux.set_parent_death_signal(signal.SIGKILL)
            linux.set_dumpable(True)  # until the walls stand: it writes its own /proc/self
        walls.prepare()
        pid = os.fork() if walls.needs_keeper else 0
        if pid:
            os.write(writing, f"pid {pid}\n".encode())
            code = _keep(pid)
        else:
            if walls.needs_keeper:
                linux.set_parent_death_signal(signal.SIGKILL)
            walls.enter(files=files, cache=cache, keep=keep)
            os.close(writing)
            run()
            code = 0
    except BaseException as error:
        with suppress(OSError):
            text = " ".join(f"{type(error).__name__}: {error}".split())[:_ERROR_CHARACTERS]
            os.write(writing, f"error {text}\n".encode())
    finally:
        os._exit(code)


def _keep(pid: int) -> int:
    """Wait for a room's end; ended by a signal, it counts as a shell counts it."""
    close_all_but(())
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return 128 - code if code < 0 else code
