"""The folder of a warm process, and what is left of those whose owner was killed.

Its owner holds the operating system's lock on a file in it, which ends with the owner, however that
ends. Whoever makes such a folder removes those beside it that nobody holds any more.
"""

import contextlib
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path

__all__ = ["WarmFolder"]

_PREFIX = "autograder-warm-"
_LOCK = ".owner"


class WarmFolder:
    """A private folder in the temporary folder, until it is closed or its owner ends.

    Attributes
    ----------
    path : pathlib.Path
        Where it is; nobody else can read it.

    Examples
    --------
    >>> folder = WarmFolder()
    >>> folder.path.is_dir()
    True
    >>> folder.close()
    >>> folder.path.exists()
    False
    """

    def __init__(self) -> None:
        place = Path(tempfile.gettempdir())
        _sweep(place)
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
        # Under its name it is locked from the beginning, so that nobody takes it for a leftover.
        early = self.path / f"{_LOCK}-early"
        self._lock = os.open(early, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        _take(self._lock)
        early.rename(self.path / _LOCK)

    def close(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.close(self._lock)
        self._lock = -1


if sys.platform == "win32":

    def _take(_: int) -> bool:  # there are no warm processes there
        return False

    def _sweep(_: Path) -> None:
        """Leave everything as it is."""

else:
    import fcntl

    def _take(lock: int) -> bool:
        """Lock an open file; False if somebody else has, or if locks aren't kept there."""
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _sweep(place: Path) -> None:
        """Remove this user's folders that nobody holds; links are neither followed nor removed."""
        try:
            names = [entry.name for entry in os.scandir(place) if entry.name.startswith(_PREFIX)]
        except OSError:
            return
        for name in names:
            with contextlib.suppress(OSError):
                _sweep_one(place / name)

    def _sweep_one(path: Path) -> None:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            lock = os.open(_LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
            try:
                about = os.fstat(lock)
                own = {os.fstat(folder).st_uid, about.st_uid} == {os.geteuid()}
                if own and stat.S_ISREG(about.st_mode) and _take(lock):
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)
        finally:
            os.close(folder)
