"""Put changed files into a project: all of them, whatever kills the process in between.

Everything is first written below ``.mlops-kit/updating``, which git ignores, and a journal last.
Without a journal the project is as it was. With one, only renames are missing, and the next
``mlops-kit update`` makes them.
"""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mlops_kit.errors import TemplateError
from mlops_kit.new_merge import Change
from mlops_kit.new_templates import KEPT

__all__ = ["UPDATING", "finish", "place"]

UPDATING = f"{KEPT}/updating"
_JOURNAL = "journal.json"


def place(project: Path, changes: Sequence[Change], report: dict[str, Any]) -> None:
    """Make all changes in the project.

    Parameters
    ----------
    project : Path
        The project's folder.
    changes : sequence of Change
        What to write and delete, in this order.
    report : dict
        What :func:`finish` gives to whoever finds these changes unfinished.

    Raises
    ------
    OSError
        If there is no room or no permission; then nothing was changed.
    """
    stage = project / UPDATING
    try:
        _write_stage(project, stage, changes, report)
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise
    with _undisturbed():
        _rename_all(project, stage)


def finish(project: Path) -> dict[str, Any] | None:
    """Finish what a killed update left, and give its report; None if there is nothing.

    Raises
    ------
    TemplateError
        If a file was changed since, or the journal would write outside the project.
    """
    stage = project / UPDATING
    if not (stage / _JOURNAL).is_file():
        shutil.rmtree(stage, ignore_errors=True)
        return None
    journal = json.loads((stage / _JOURNAL).read_text("utf-8"))
    for entry in journal["changes"]:
        _refuse_outside(project, entry["path"])
        if _state(project / entry["path"]) not in (entry["before"], entry["after"]):
            raise TemplateError(
                f"an update was interrupted, and {entry['path']} was changed since. Take the "
                f"project back (git stash, or git checkout -- .), remove {UPDATING}, and update "
                "again."
            )
    with _undisturbed():
        _rename_all(project, stage)
    report: dict[str, Any] = journal["report"]
    return report


def _write_stage(
    project: Path, stage: Path, changes: Sequence[Change], report: dict[str, Any]
) -> None:
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(parents=True)
    (stage / ".gitignore").write_text("*\n", "utf-8")
    entries = []
    for number, change in enumerate(changes):
        before, after = _state(project / change.path), ""
        if change.content is not None:
            _write(stage / str(number), project / change.path, change)
            after = _state(stage / str(number))
        entries.append({"path": change.path, "before": before, "after": after})
    part = stage / f"{_JOURNAL}.part"
    with part.open("w", encoding="utf-8") as file:
        json.dump({"changes": entries, "report": report}, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(stage / _JOURNAL)


def _write(staged: Path, target: Path, change: Change) -> None:
    if change.mode == "120000":
        staged.symlink_to((change.content or b"").decode())
        return
    with staged.open("wb") as file:
        file.write(change.content or b"")
        file.flush()
        os.fsync(file.fileno())
    usual = target.stat() if target.is_file() and not target.is_symlink() else staged.stat()
    readable = usual.st_mode & 0o444
    executable = readable >> 2 if change.mode == "100755" else 0
    staged.chmod(usual.st_mode & 0o666 | executable)


def _state(path: Path) -> str:
    """Give what is at a path, in short: nothing, a link, or bytes and whether they run."""
    if path.is_symlink():
        return f"link {os.readlink(path)}"  # noqa: PTH115 (the text itself)
    if not path.is_file():
        return ""
    runs = "x" if path.stat().st_mode & 0o100 else "-"
    return f"{runs} {hashlib.sha256(path.read_bytes()).hexdigest()}"


def _refuse_outside(project: Path, path: str) -> None:
    """Refuse what no update of ours wrote: a journal may have come with somebody's repository."""
    place = project / path
    parent = place.parent.resolve()
    if ".." in place.parts or not parent.is_relative_to(project.resolve()):
        raise TemplateError(
            f"{UPDATING}/{_JOURNAL} would write to {path}, outside the project. Remove {UPDATING}."
        )


def _rename_all(project: Path, stage: Path) -> None:
    journal = json.loads((stage / _JOURNAL).read_text("utf-8"))
    for number, entry in enumerate(journal["changes"]):
        target, staged = project / entry["path"], stage / str(number)
        if not entry["after"]:
            target.unlink(missing_ok=True)
            _remove_empty(target.parent, project)
        elif staged.is_symlink() or staged.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            staged.replace(target)
    (stage / _JOURNAL).unlink()
    shutil.rmtree(stage, ignore_errors=True)


def _remove_empty(folder: Path, project: Path) -> None:
    while folder != project:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Put off interruptions for the moment that the renames take."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    signals = [getattr(signal, name) for name in names if hasattr(signal, name)]
    came: list[int] = []
    before = {number: signal.signal(number, lambda got, _: came.append(got)) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])
