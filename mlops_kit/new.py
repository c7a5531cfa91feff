"""Make a project from a template: whole, or not at all."""

import contextlib
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from mlops_kit.errors import TemplateError
from mlops_kit.new_git import first_commit, has_git, in_repository
from mlops_kit.new_render import kit_version, message_after, render
from mlops_kit.new_templates import Record, find_template

__all__ = ["Created", "create", "read_answers", "stopped_cleanly"]


@dataclass(frozen=True, slots=True)
class Created:
    """A project that was made.

    Attributes
    ----------
    folder : Path
        Where it is.
    record : Record
        What it was made from.
    next_steps : str
        What the template says to do next.
    notes : tuple of str
        What the user should know: why there is no repository, say.
    """

    folder: Path
    record: Record
    next_steps: str
    notes: tuple[str, ...] = ()


def create(
    name: str,
    folder: Path,
    *,
    answers: Mapping[str, Any] | None = None,
    ask: bool = False,
    git: bool | None = None,
    root: Path | None = None,
    version: str | None = None,
) -> Created:
    """Make a project from the template ``name`` in ``folder``.

    Parameters
    ----------
    name : str
        A template's name, such as ``"service"``.
    folder : Path
        A folder that is empty or doesn't exist.
    answers : mapping, optional
        Answers to questions.
    ask : bool, default=False
        Ask the questions that have no answer; otherwise they take their default.
    git : bool, optional
        Make a repository with a first commit. By default where the template wants one, git is
        installed and ``folder`` isn't in a repository already.
    root : Path, optional
        The folder of the templates, by default the kit's own.
    version : str, optional
        The kit's version to record, by default the installed one.

    Returns
    -------
    Created
        Where the project is, and what to do next.

    Raises
    ------
    TemplateError
        If there is no such template, an answer is refused, or ``folder`` isn't empty.

    Notes
    -----
    Everything is written to a hidden folder beside ``folder`` and renamed at the end. What an
    error or an interruption leaves is removed; what a killed process left, by the next call.
    Taught in @sec-templates.
    """
    template = find_template(name, root)
    target = Path(os.path.abspath(folder))  # noqa: PTH100 (resolve() would follow a link)
    _refuse_occupied(target, folder)
    here = target == Path.cwd()
    with _beside(target) as part, stopped_cleanly():
        record = render(
            template,
            part,
            answers=answers or {},
            version=version or kit_version(),
            ask=ask,
        )
        wanted = bool(template.config.get("_git", False)) if git is None else git
        notes = _make_repository(part, target, record) if wanted else []
        _move(part, target, folder)
    if here:
        notes.append('the folder was replaced: run cd "$PWD" so that your shell sees it')
    return Created(target, record, message_after(template, record, folder), tuple(notes))


def read_answers(path: Path) -> dict[str, Any]:
    """Read answers from a YAML file; a project's own answers file is one.

    Raises
    ------
    TemplateError
        If it can't be read or isn't a mapping from questions to answers.
    """
    import yaml

    try:
        found = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TemplateError(f"{path} can't be read as YAML: {error}.") from error
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise TemplateError(
            f"{path} holds {type(found).__name__}; wanted one line for each answer, "
            "such as package: ride_cancellations."
        )
    return {key: value for key, value in found.items() if not key.startswith("_")}


def _refuse_occupied(target: Path, said: Path) -> None:
    if target.is_symlink() and not target.exists():
        raise TemplateError(f"{said} is a link that leads nowhere. Choose another folder.")
    if target.exists() and not target.is_dir():
        raise TemplateError(f"{said} is a file. Choose a folder that doesn't exist yet.")
    if target.is_dir() and (found := sorted(path.name for path in target.iterdir())):
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise TemplateError(
            f"{said} isn't empty: it has {', '.join(found[:3])}{more}. Choose a folder that is "
            "empty or doesn't exist yet; a project made before is brought up to date by "
            "mlops-kit update."
        )


@contextlib.contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """Give a hidden folder's name beside ``target``; what is left of it is removed."""
    missing = [folder for folder in target.parents if not folder.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    start = f".{target.name}.mlops-kit-"
    for left in list(target.parent.iterdir()):
        pid = left.name.removeprefix(start) if left.name.startswith(start) else ""
        if pid.isdecimal() and not _alive(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    part = target.parent / f"{start}{os.getpid()}"
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)
        if not target.exists():
            for folder in missing:
                with contextlib.suppress(OSError):
                    folder.rmdir()


def _alive(pid: int) -> bool:
    if os.name == "nt":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _make_repository(part: Path, target: Path, record: Record) -> list[str]:
    if not has_git():
        return [
            "git isn't installed, so the project is in no repository; mlops-kit update wants one"
        ]
    if in_repository(target.parent):
        return ["the folder lies in a git repository already: commit the project there"]
    done = first_commit(part, f"Begin with mlops-kit {record.version}, template {record.template}")
    return [] if done.made else [f"the first commit wasn't made: {done.why}"]


def _move(part: Path, target: Path, said: Path) -> None:
    try:
        if os.name == "nt" and target.is_dir():
            target.rmdir()
        part.rename(target)
    except OSError as error:
        _refuse_occupied(target, said)
        raise TemplateError(
            f"{said} can't be put in place: {error.strerror}. "
            "Choose a folder that doesn't exist yet, on a disk that you may write to."
        ) from error


@contextlib.contextmanager
def stopped_cleanly() -> Iterator[None]:
    """Let a request to end (SIGTERM, SIGHUP) clean up as an interruption from the keyboard does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    names = ("SIGTERM", "SIGHUP")
    signals = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.signal(number, stop) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
