"""A view of the machine for one room: its own processes, network, names, and hardly any files.

Everything is set up by mounts that only the room sees. As root the mounts are made with root's
rights, and the room gets a user of its own; as an ordinary user they are made within a user
namespace. Either way the room ends up without any right over them.
"""

import os
import shutil
import socket
import struct
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from autograder import linux

if sys.platform != "win32":
    import fcntl

__all__ = [
    "HOME",
    "View",
    "become_user",
    "build_view",
    "copy_into",
    "enter_user_namespace",
    "first_children",
    "unshare_all",
    "visible_paths",
]

HOME = "/home/student"
NEWNS, NEWUTS, NEWIPC, NEWUSER = 0x20000, 0x4000000, 0x8000000, 0x10000000
NEWPID, NEWNET = 0x20000000, 0x40000000
_READ_ONLY, _NO_SUID, _NO_DEVICES, _NO_EXEC = 1, 2, 4, 8
_REMOUNT, _BIND, _ALL_BELOW, _PRIVATE = 32, 4096, 16384, 1 << 18
_DETACH = 2
_MB = 1 << 20
_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/nix/store", "/gnu/store")
_SETTINGS = (
    *(
        "/etc/ld.so.cache",
        "/etc/ld.so.conf",
        "/etc/ld.so.conf.d",
        "/etc/localtime",
        "/etc/timezone",
    ),
    *(
        "/etc/ssl/certs",
        "/etc/ssl/openssl.cnf",
        "/etc/mime.types",
        "/etc/fonts",
        "/etc/alternatives",
    ),
)
# No /dev/zero: mapped and shared, it is memory that nobody counts.
_DEVICES = ("/dev/null", "/dev/full", "/dev/random", "/dev/urandom")
# What other people's work may stand in, below a folder that is shown.
_HIDDEN = ("/usr/local/share/nbgrader",)
_WRITTEN = {
    "/etc/passwd": "student:x:{user}:{user}:student:/home/student:/bin/sh\n",
    "/etc/group": "student:x:{user}:\n",
    "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "/etc/hostname": "room\n",
}
_FOLDERS = ("tmp", "shm", "home")
_ALWAYS_LEFT_OUT = shutil.ignore_patterns("*.ipynb", "lab.toml", ".ipynb_checkpoints")
_TCP_BUFFERS = "4096 65536 212992"


@dataclass(frozen=True, slots=True)
class View:
    """What a room sees: the paths it may read, the size of its own files, and its user."""

    readable: tuple[str, ...]
    size: int
    files: int
    user: int


def visible_paths(modules: Iterable[str] = ()) -> tuple[str, ...]:
    """List what a room must be able to read: the system's libraries and this Python's.

    A package that was imported from elsewhere (a checkout, say) shows its own folder only, never
    what lies beside it.
    """
    roots = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    roots |= {os.path.realpath(root) for root in roots}
    roots |= set(filter(_has_libraries, os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)))
    roots |= {path for path in (*_SYSTEM, *_SETTINGS) if os.path.exists(path)}  # noqa: PTH110
    for name in {module.partition(".")[0] for module in modules}:
        file = getattr(sys.modules.get(name), "__file__", None)
        folders = list(getattr(sys.modules.get(name), "__path__", []))
        for place in folders or ([file] if file else []):
            roots.add(os.path.realpath(place))
    shown: list[str] = []
    for root in sorted(root for root in roots if root.startswith("/") and root != "/"):
        if not any(root.startswith(f"{above}/") for above in shown):
            shown.append(root)
    return tuple(shown)


def _has_libraries(folder: str) -> bool:
    """Say whether a folder that is named for its libraries has any, and isn't somebody's home."""
    with suppress(OSError):
        return any(".so" in name for name in os.listdir(folder))  # noqa: PTH208 - plain strings
    return False


@contextmanager
def first_children() -> Iterator[None]:
    """Let each child that is forked here be the first process of a namespace of its own.

    For root, and for one fork at a time: it spares the room a process that only waits for it.
    """
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        linux.unshare(NEWPID)
        try:
            yield
        finally:
            linux.syscall("setns", own, NEWPID)
    finally:
        os.close(own)


def unshare_all(*, privileged: bool, first: bool = False) -> None:
    """Leave the machine's namespaces; the next child is the first process of its own.

    Parameters
    ----------
    privileged : bool
        Whether this is root.
    first : bool, default=False
        Whether this is the first process of its own already.
    """
    user, group = os.getuid(), os.getgid()
    own = NEWNS | NEWNET | NEWIPC | NEWUTS | (0 if first else NEWPID)
    linux.unshare(own if privileged else own | NEWUSER)
    if not privileged:
        _map_user(user, group)


def _map_user(user: int, group: int) -> None:
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        Path(f"/proc/self/{name}").write_text(text)


def become_user(user: int) -> None:
    """Give up root for an ordinary user that nothing belongs to."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    linux.set_dumpable(True)  # so that it may write its own /proc/self/uid_map


def enter_user_namespace() -> None:
    """Enter a user namespace that owns none of the mounts; where that is refused, go without."""
    user, group = os.getuid(), os.getgid()
    with suppress(OSError):
        linux.unshare(NEWUSER)
        _map_user(user, group)


def build_view(view: View, root: Path, *, files: Path | None, cache: str) -> None:
    """Make the view below an empty folder, move into it and leave everything else behind."""
    os.umask(0o022)
    linux.mount(None, "/", None, _ALL_BELOW | _PRIVATE)
    _raise_loopback()
    with suppress(OSError):
        socket.sethostname("room")
    top = str(root)
    linux.mount("tmpfs", top, "tmpfs", _NO_SUID | _NO_DEVICES, "size=1m,mode=755")
    _own_folders(view, top)
    for path in view.readable:
        _show(path, top)
    for path in _HIDDEN:
        if os.path.isdir(path):  # noqa: PTH112 - plain strings throughout
            linux.mount("tmpfs", top + path, "tmpfs", _READ_ONLY, "size=4k")
    for path in _DEVICES:
        _touch(top + path)
        linux.mount(path, top + path, None, _BIND)
    for name, text in _WRITTEN.items():
        Path(top + name).parent.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(top + name):
            Path(top + name).write_text(text.format(user=view.user))
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        Path(f"{top}/dev/{name}").symlink_to(f"/proc/self/{target}")
    _processes(top)
    copy_into(Path(top + HOME), files, cache, user=view.user)
    os.chdir(top)
    linux.syscall("pivot_root", b".", b".")
    linux.umount(".", _DETACH)
    os.chdir("/")
    _remount("/")
    os.chdir(HOME)


def _own_folders(view: View, top: str) -> None:
    """Make the room's own files: one file system of limited size behind three folders."""
    for path in ("/own", "/tmp", "/dev/shm", HOME, "/proc"):  # noqa: S108 - the room's
        Path(top + path).mkdir(parents=True, exist_ok=True)
    options = f"size={view.size},nr_inodes={view.files},mode=755"
    linux.mount("tmpfs", f"{top}/own", "tmpfs", _NO_SUID | _NO_DEVICES, options)
    places = ("/tmp", "/dev/shm", HOME)  # noqa: S108 - the room's
    for name, place in zip(_FOLDERS, places, strict=True):
        folder = f"{top}/own/{name}"
        Path(folder).mkdir(mode=0o700)
        if os.getuid() == 0:
            os.chown(folder, view.user, view.user)
        linux.mount(folder, top + place, None, _BIND)
    linux.umount(f"{top}/own", _DETACH)


def _show(path: str, top: str) -> None:
    """Show a file or folder, read-only, at its own place."""
    if os.path.islink(path) and not os.readlink(path).startswith("/"):  # noqa: PTH114, PTH115
        Path(top + path).parent.mkdir(parents=True, exist_ok=True)
        Path(top + path).symlink_to(os.readlink(path))  # noqa: PTH115
        return
    if os.path.isdir(path):  # noqa: PTH112
        Path(top + path).mkdir(parents=True, exist_ok=True)
    else:
        _touch(top + path)
    linux.mount(path, top + path, None, _BIND | _ALL_BELOW)
    _remount(top + path)


def _remount(path: str) -> None:
    """Make a mount read-only, without taking back what is set on it already."""
    flags = _BIND | _REMOUNT | _READ_ONLY | _NO_SUID | _NO_DEVICES
    if os.statvfs(path).f_flag & os.ST_NOEXEC:
        flags |= _NO_EXEC
    linux.mount(None, path, None, flags)


def _processes(top: str) -> None:
    """Show the room's own processes; in some containers that is refused: then only the machine."""
    try:
        linux.mount("proc", f"{top}/proc", "proc", _NO_SUID | _NO_DEVICES | _NO_EXEC)
    except OSError:
        for name in ("/proc/cpuinfo", "/proc/meminfo", "/proc/stat"):
            with suppress(OSError):
                _show(name, top)


def _touch(path: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).touch()


def _raise_loopback() -> None:
    """Let the room talk to itself, and to nobody else; what is on its way there is memory too."""
    for name in ("tcp_rmem", "tcp_wmem"):
        with suppress(OSError):
            Path(f"/proc/sys/net/ipv4/{name}").write_text(_TCP_BUFFERS)
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sh14x", b"lo", 1)  # SIOCSIFFLAGS, IFF_UP
        fcntl.ioctl(sock, 0x8914, request)


def _left_out(folder: str, names: list[str]) -> set[str]:
    """Say which of the files beside a teacher's notebook are the teacher's own."""
    stems = {name.removesuffix(".ipynb") for name in names if name.endswith(".ipynb")}
    left_out = _ALWAYS_LEFT_OUT(folder, names)
    pairs = (name for name in names if name.partition(".")[0] in stems)
    return left_out | {name for name in pairs if _is_copy_of_notebook(Path(folder, name))}


def _is_copy_of_notebook(path: Path) -> bool:
    """Say whether a file that is called as a notebook is it in another form: text, page, print."""
    if path.suffix.lower() in (".html", ".pdf", ".tex"):
        return True
    with suppress(OSError):
        text = path.read_bytes() if path.is_file() else b""
        return b"BEGIN SOLUTION" in text or b"BEGIN HIDDEN TESTS" in text or b"jupytext:" in text
    return False


def copy_into(home: Path, files: Path | None, cache: str, *, user: int | None = None) -> None:
    """Copy what a lab ships, and a cache, into a room's folder; notebooks are left out."""
    wanted: Sequence[tuple[Path | None, Path]] = (
        (files, home),
        (Path(cache) if cache else None, home / ".cache"),
    )
    for source, target in wanted:
        if source is not None and source.is_dir():
            shutil.copytree(
                source, target, ignore=_left_out, dirs_exist_ok=True, ignore_dangling_symlinks=True
            )
    if user is None or os.getuid() != 0:
        return
    for place, folders, names in os.walk(home):
        for name in (*folders, *names):
            os.chown(os.path.join(place, name), user, user, follow_symlinks=False)  # noqa: PTH118
