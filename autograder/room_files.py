"""The files of a room's working folder, as plain bytes that can cross to the other room.

Only regular files within the folder are read, never through a link, and only so many bytes.
What arrives is written below the folder and nowhere else, and never through a link either.
"""

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath

from autograder.wire_values import Json

__all__ = [
    "Stamp",
    "digest",
    "go_to",
    "home",
    "is_inside",
    "keep_home",
    "listed",
    "mark_files",
    "read_files",
    "stamp_files",
    "where_in_home",
    "working_folder",
    "write_files",
]

_FILES = 2_000
_DEPTH = 12
_FILE_BYTES = 24 << 20
_TOTAL_BYTES = 96 << 20
_NAME_CHARACTERS = 1_000

Stamp = tuple[int, int]


_home: list[Path] = []


def keep_home() -> Path:
    """Take the working folder for the room's, wherever its code goes later."""
    _home[:] = [Path.cwd()]
    return _home[0]


def home() -> Path:
    """Give the room's folder: the one that it began in."""
    return _home[0] if _home else Path.cwd()


def where_in_home() -> str | None:
    """Give the working folder relative to the room's; None outside of it."""
    try:
        return Path.cwd().relative_to(home()).as_posix()
    except (OSError, ValueError):
        return None


def go_to(place: str) -> None:
    """Work in a folder below the room's, or in that (``.``); stay where there is no such one."""
    if place == "." or is_inside(place):
        with suppress(OSError):
            os.chdir(home() / place)


def working_folder(temporary: str = "") -> str:
    """Give the room's folder; temporary files are made below it from now on, if told where."""
    here = home()
    if temporary and is_inside(temporary):
        (here / temporary).mkdir(exist_ok=True)
        tempfile.tempdir = str(here / temporary)
    return str(here)


def stamp_files(folder: Path | None = None) -> dict[str, Stamp]:
    """List what is below a folder, with size and time of change.

    A folder's name ends in a slash. What is neither a folder nor a regular file has a size below
    nought: a link, a pipe, a socket.
    """
    found: dict[str, Stamp] = {}
    waiting = [("", 0)]
    root = str(folder or home())
    while waiting and len(found) < _FILES:
        below, depth = waiting.pop()
        try:
            with os.scandir(os.path.join(root, below)) as entries:  # noqa: PTH118 - names as they are
                for entry in entries:
                    name = f"{below}/{entry.name}" if below else entry.name
                    if entry.is_dir(follow_symlinks=False) and depth < _DEPTH:
                        waiting.append((name, depth + 1))
                        found[f"{name}/"] = (0, 0)
                    elif entry.is_file(follow_symlinks=False):
                        status = entry.stat(follow_symlinks=False)
                        found[name] = (status.st_size, status.st_mtime_ns)
                    else:
                        found[name] = (-1, 0)
        except OSError:
            continue
    return found


def read_files(names: Iterable[str] | None = None) -> dict[str, tuple[int, int] | bytes]:
    """Read files of the working folder; without names, only their sizes and times of change."""
    if names is None:
        return dict(stamp_files())
    found: dict[str, tuple[int, int] | bytes] = {}
    left = _TOTAL_BYTES
    for name in names:
        if name.endswith("/"):
            found[name] = b""
            continue
        data = _read(home() / name, min(left, _FILE_BYTES)) if is_inside(name) else None
        if data is not None:
            found[name] = data
            left -= len(data)
    return found


def listed(stamps: dict[str, Stamp]) -> Json:
    """Write a list of files as plain JSON.

    Raises
    ------
    UnicodeEncodeError
        If a name is none that can be written so.
    """
    for name in stamps:
        name.encode()
    return [[name, *stamp] for name, stamp in stamps.items()]


def digest(files: Json) -> str:
    """Give a short text that is another one for another list of files."""
    return hashlib.sha256(repr(files).encode()).hexdigest()


def is_inside(name: object) -> bool:
    """Say whether a name means a file below the folder it is relative to."""
    if type(name) is not str or not 0 < len(name) <= _NAME_CHARACTERS or "\0" in name:
        return False
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and len(path.parts) <= _DEPTH + 1


def write_files(files: dict[str, bytes], gone: Iterable[str] = ()) -> None:
    """Write files below the working folder, and remove those that are gone."""
    for name in sorted(gone, reverse=True):
        if is_inside(name):
            with suppress(OSError):
                path = home() / name
                path.rmdir() if name.endswith("/") else path.unlink()
    for name, data in files.items():
        if is_inside(name) and type(data) is bytes and len(data) <= _FILE_BYTES:
            _write(name, None if name.endswith("/") else data)


def mark_files(sizes: Iterable[tuple[str, int]]) -> None:
    """Have something below the working folder in place of what doesn't cross.

    Of what is no regular file, something of the name that can't be opened; of a file that is too
    large, a hole of that size.
    """
    for name, size in sizes:
        if not is_inside(name):
            continue
        path = home() / name
        with suppress(OSError):
            path.unlink(missing_ok=True)
            if size < 0:
                path.parent.mkdir(parents=True, exist_ok=True)
                os.mknod(path, stat.S_IFSOCK | 0o600)
            else:
                _write(name, b"")
                os.truncate(path, size)


def _read(path: Path, limit: int) -> bytes | None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
            return None
        data = file.read(limit + 1)
    return data if len(data) <= limit else None


def _write(name: str, data: bytes | None) -> None:
    path, below = home() / name, PurePosixPath(name)
    if any((home() / part).is_symlink() for part in (below, *below.parents)[:-1]):
        return
    try:
        (path if data is None else path.parent).mkdir(parents=True, exist_ok=True)
        if data is None:
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        handle = os.open(path, flags, 0o600)
    except OSError:
        return
    with os.fdopen(handle, "wb") as file:
        file.write(data)
