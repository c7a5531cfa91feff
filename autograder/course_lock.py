"""One grader at a time in a course: the second says who the first is, and stops.

The lock is the operating system's, on an open file: it ends with the process that holds it,
however that ends, so nothing stale is ever in the way. What is written in the file only says who
it is.
"""

import contextlib
import errno
import json
import os
import platform
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from autograder.errors import CourseError

__all__ = ["LOCK_NAME", "locked"]

LOCK_NAME = ".grading.lock"
# Windows lets nobody read what is locked, so the byte that is lies beyond the text.
_LOCKED_BYTE = 1 << 20
# Some network file systems keep no locks; records and the gradebook are written whole anyway.
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)


@contextlib.contextmanager
def locked(folder: Path, doing: str) -> Iterator[None]:
    """Hold the lock of the course in ``folder`` for as long as the block runs.

    Parameters
    ----------
    folder : Path
        The course's folder.
    doing : str
        What for, to tell whoever comes second: ``"grade 05_track"``.

    Raises
    ------
    CourseError
        If another process, or another part of this one, holds it.
    """
    with _opened(folder / LOCK_NAME) as file:
        if not _take(file):
            raise CourseError(
                f"{folder} is being graded already{_holder(file)}. Wait until that has finished, "
                "or stop it: what it has graded is kept."
            )
        _sign(file, doing)
        yield


def _opened(path: Path) -> IO[bytes]:
    """Open it without emptying it, made if need be; nobody who is started from here has it."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b", buffering=0)


if sys.platform == "win32":
    import msvcrt

    def _take(file: IO[bytes]) -> bool:
        file.seek(_LOCKED_BYTE)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _take(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        return True


def _sign(file: IO[bytes], doing: str) -> None:
    since = datetime.now(UTC).isoformat(" ", "seconds")
    holder = {"pid": os.getpid(), "host": platform.node(), "since": since, "doing": doing}
    file.seek(0)
    file.truncate()
    file.write(json.dumps(holder).encode())


def _holder(file: IO[bytes]) -> str:
    """Say who holds the lock; nothing where the file doesn't say."""
    file.seek(0)
    try:
        holder = json.loads(file.read(4096))
        return (
            f": process {holder['pid']:d} on {holder['host']} has been at it since "
            f"{holder['since']} ({holder['doing']})"
        )
    except (ValueError, TypeError, KeyError):
        return ""
