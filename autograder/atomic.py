"""Write files and folders so that a reader sees the old one or the new one, never a half."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["replaced_folder", "write_bytes", "write_text"]


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(f".{path.name[:80]}.{secrets.token_hex(4)}.{ending}")


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` through a temporary file beside it.

    Raises
    ------
    OSError
        If the folder can't be written or the disk is full; ``path`` is then as it was, and
        no temporary file is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = _beside(path, "part")
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, line ends as they are; see :func:`write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def _old_name(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def _restore(folder: Path) -> None:
    """Undo a replacement that was killed between its two renames."""
    old = _old_name(folder)
    if old.is_dir():
        if folder.exists():
            shutil.rmtree(old)
        else:
            old.rename(folder)


@contextmanager
def replaced_folder(*folders: Path) -> Iterator[tuple[Path, ...]]:
    """Fill new folders beside ``folders`` and swap all of them in when the block ends well.

    The block gets one empty folder for each of ``folders``. If it raises, or a swap fails, every
    one of ``folders`` is as it was. A process killed in the middle of the swap leaves the old
    folder beside the target; the next call puts it back first.
    """
    for folder in folders:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _restore(folder)
    news = tuple(_beside(folder, "new") for folder in folders)
    existed = tuple(folder.exists() for folder in folders)
    try:
        for new in news:
            new.mkdir()
        yield news
        try:
            for folder, new in zip(folders, news, strict=True):
                if folder.exists():
                    folder.rename(_old_name(folder))
                new.rename(folder)
        except BaseException:
            _swap_back(folders, existed)
            raise
        for folder in folders:
            shutil.rmtree(_old_name(folder), ignore_errors=True)
    finally:
        for new in news:
            shutil.rmtree(new, ignore_errors=True)


def _swap_back(folders: tuple[Path, ...], existed: tuple[bool, ...]) -> None:
    for folder, was_there in zip(folders, existed, strict=True):
        old = _old_name(folder)
        if old.is_dir():
            shutil.rmtree(folder, ignore_errors=True)
            old.rename(folder)
        elif not was_there:
            shutil.rmtree(folder, ignore_errors=True)
