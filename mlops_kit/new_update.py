"""Bring a project to the template of the installed kit, and keep what the user changed.

Three versions of the project meet: as the template generated it then (rendered again from the
archive that the project keeps), as it is now, and as the installed template generates it with the
same answers. git merges them, in a scratch folder; the project is changed at the very end.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlops_kit.errors import TemplateError
from mlops_kit.new import read_answers, stopped_cleanly
from mlops_kit.new_git import changed_files, has_git, in_repository
from mlops_kit.new_merge import Change, copy_files, merge, project_files
from mlops_kit.new_place import finish, place
from mlops_kit.new_render import (
    given_by_kit,
    kit_version,
    refuse_unknown,
    render,
    reserved_names,
)
from mlops_kit.new_templates import (
    ANSWERS,
    ARCHIVE,
    Record,
    Template,
    find_template,
    unpack,
)

__all__ = ["Available", "Updated", "check_update", "update"]

_OWN = (ANSWERS, ARCHIVE)


@dataclass(frozen=True, slots=True)
class Available:
    """Whether an update would change anything.

    Attributes
    ----------
    template : str
        The template's name.
    old, new : str
        The kit's version that made the project, and the installed one.
    why : tuple of str
        What is new: the template, the range of versions, answers; empty if nothing is.
    """

    template: str
    old: str
    new: str
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update did.

    Attributes
    ----------
    old, new : str
        The kit's version that had made the project, and the one that it is at now.
    added, changed, deleted : tuple of str
        Files, by their paths in the project.
    conflicts : tuple of tuple (path, what happened)
        What a person has to decide.
    kept_deleted : tuple of str
        Files that the template changed and that stay away, because the user deleted them or
        has something else in their place.
    finished : bool
        Whether this only finished an update that had been interrupted.
    """

    old: str
    new: str
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    conflicts: tuple[tuple[str, str], ...] = ()
    kept_deleted: tuple[str, ...] = ()
    finished: bool = False


@dataclass(frozen=True, slots=True)
class _Plan:
    """Both templates, both records' worth of answers, and what differs."""

    old: Template
    record: Record
    new: Template
    answers: dict[str, Any]
    version: str
    why: tuple[str, ...]


def check_update(
    folder: Path,
    *,
    answers: Mapping[str, Any] | None = None,
    root: Path | None = None,
    version: str | None = None,
) -> Available:
    """Say whether :func:`update` with the same arguments would change anything.

    Raises
    ------
    TemplateError
        As :func:`update` does; but what isn't committed doesn't matter here.
    """
    plan = _plan(folder, answers or {}, root, version or kit_version())
    return Available(plan.record.template, plan.record.version, plan.version, plan.why)


def update(
    folder: Path,
    *,
    answers: Mapping[str, Any] | None = None,
    ask: bool = False,
    force: bool = False,
    root: Path | None = None,
    version: str | None = None,
) -> Updated:
    """Bring the project in ``folder`` to the template of the installed kit.

    Parameters
    ----------
    folder : Path
        A project that ``mlops-kit new`` made.
    answers : mapping, optional
        Answers to change, or to give to new questions.
    ask : bool, default=False
        Ask new questions; otherwise they take their default.
    force : bool, default=False
        Update even if git couldn't take the update back: something isn't committed, or the
        project is in no repository.
    root : Path, optional
        The folder of the templates, by default the kit's own.
    version : str, optional
        The kit's version, by default the installed one.

    Returns
    -------
    Updated
        What was done; ``conflicts`` is empty if nothing is left to decide.

    Raises
    ------
    TemplateError
        If the project wasn't made by ``mlops-kit new``, or by a newer kit; if something isn't
        committed; if an answer is refused.
    MissingToolError
        If git or copier isn't installed.

    Notes
    -----
    Where both sides changed the same lines, the file holds both between git's markers. A file
    that the user deleted stays deleted; one that the user changed and the template deleted
    stays; of one that isn't text the user's stays, with the template's beside it. Until
    everything is merged, nothing in the project changes; see :mod:`mlops_kit.new_place`.
    Taught in @sec-templates.
    """
    project = folder.resolve()
    report = finish(project)
    if report is not None:
        return _reported(report)
    plan = _plan(folder, answers or {}, root, version or kit_version())
    if not plan.why:
        return Updated(plan.record.version, plan.version)
    if not force:
        _refuse_unsaved(project, folder)
    with tempfile.TemporaryDirectory(prefix="mlops-kit-") as scratch, stopped_cleanly():
        return _merge_and_place(project, plan, Path(scratch), ask)


def _plan(folder: Path, given: Mapping[str, Any], root: Path | None, version: str) -> _Plan:
    old, record = _read_project(folder)
    _refuse_newer(folder, record, version)
    new = find_template(record.template, root)
    refuse_unknown(new, given)
    now = read_answers(folder / ANSWERS)
    answers = {**_carried(new, record.answers), **_carried(new, now), **given}
    why = []
    if new.digest != old.digest:
        why.append(f"the template {new.name} changed")
    if given_by_kit(version)["kit_range"] != record.given.get("kit_range"):
        why.append(f"the project would depend on mlops-kit{given_by_kit(version)['kit_range']}")
    edited = {name for name, value in now.items() if record.answers.get(name) != value}
    told = {name for name, value in given.items() if str(now.get(name)) != str(value)}
    if names := sorted(edited | told):
        why.append(f"other answers: {', '.join(names)}")
    return _Plan(old, record, new, answers, version, tuple(why))


def _read_project(folder: Path) -> tuple[Template, Record]:
    if not folder.is_dir():
        raise TemplateError(f"{folder} isn't a folder. Name a project that mlops-kit new made.")
    missing = [name for name in _OWN if not (folder / name).is_file()]
    if missing:
        above = [path for path in folder.resolve().parents if (path / ARCHIVE).is_file()]
        hint = f"Did you mean {above[0]}?" if above else "Or take it back from git."
        raise TemplateError(
            f"{folder.resolve()} has no {' and no '.join(missing)}, so what it was made from "
            f"isn't known. Name a project that mlops-kit new made. {hint}"
        )
    return unpack((folder / ARCHIVE).read_bytes(), where=str(folder / ARCHIVE))


def _refuse_newer(folder: Path, record: Record, version: str) -> None:
    from packaging.version import InvalidVersion, Version

    try:
        newer = Version(record.version) > Version(version)
    except InvalidVersion as error:
        raise TemplateError(f"{folder / ARCHIVE} names no version: {record.version!r}.") from error
    if newer:
        raise TemplateError(
            f"{folder} was made by mlops-kit {record.version}, and {version} is installed. "
            "Install a newer one: pip install --upgrade 'mlops-kit[templates]'."
        )


def _carried(new: Template, answers: Mapping[str, Any]) -> dict[str, Any]:
    """Carry answers over to the new template: questions and choices may have other names."""
    renamed = new.config.get("_renamed") or {}
    questions, choices = renamed.get("questions") or {}, renamed.get("choices") or {}
    carried = {}
    for name, value in answers.items():
        question = questions.get(name, name)
        if question in new.questions:
            carried[question] = (choices.get(question) or {}).get(value, value)
    return carried


def _refuse_unsaved(project: Path, folder: Path) -> None:
    if not has_git():
        return  # the merge itself says that git is missing
    if not in_repository(project):
        raise TemplateError(
            f"{folder} is in no git repository, so nothing could take the update back. "
            "Commit it to one first (git init, git add ., git commit), or give --force."
        )
    if changed := changed_files(project):
        more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
        raise TemplateError(
            f"something in {folder} isn't committed: {', '.join(changed[:5])}{more}. Commit or "
            "stash it first, so that git can take the update back, or give --force."
        )


def _merge_and_place(project: Path, plan: _Plan, scratch: Path, ask: bool) -> Updated:
    base, ours, theirs = (scratch / name for name in ("base", "ours", "theirs"))
    render(
        plan.old,
        base,
        answers=plan.record.answers,
        version=plan.record.version,
        given=plan.record.given,
        reserved=(),
    )
    kept = set(map(str, plan.record.answers.values()))
    reserved = [name for name in reserved_names() if name not in kept]
    record = render(
        plan.new, theirs, answers=plan.answers, version=plan.version, ask=ask, reserved=reserved
    )
    own = tuple(
        Change(path, content)
        for path in _OWN
        if (content := (theirs / path).read_bytes()) != (project / path).read_bytes()
    )
    for side in (base, theirs):
        for path in _OWN:
            (side / path).unlink()
    in_the_way = _leave_out(project, base, theirs)
    ours.mkdir()
    generated = {*_files(base), *_files(theirs)}
    copy_files(project, set(project_files(project, scratch, generated)) - set(_OWN), ours)
    merged = merge(base, ours, theirs, scratch=scratch, label=f"mlops-kit-{record.version}")
    changes = (*merged.changes, *own)
    done = Updated(
        plan.record.version,
        plan.version,
        added=tuple(change.path for change in changes if change.new),
        changed=tuple(c.path for c in changes if c.content is not None and not c.new),
        deleted=tuple(change.path for change in changes if change.content is None),
        conflicts=merged.conflicts,
        kept_deleted=(*in_the_way, *merged.kept_deleted),
    )
    place(project, changes, asdict(done))
    return done


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def _leave_out(project: Path, base: Path, theirs: Path) -> tuple[str, ...]:
    """Drop what the project has something else in place of: a link, a file or a folder.

    Writing there would lead out of the project, or replace what the user made. What would have
    changed there is named.
    """
    named = []
    for path in sorted(_files(base) | _files(theirs)):
        target = project / path
        parents = [folder for folder in target.parents if folder.is_relative_to(project)][:-1]
        blocked = any(parent.is_symlink() or parent.is_file() for parent in parents)
        if blocked or (target.is_dir() and not target.is_symlink()):
            sides = [side / path for side in (base, theirs) if (side / path).is_file()]
            if len({side.read_bytes() for side in sides}) > 1 or sides == [theirs / path]:
                named.append(path)
            for side in sides:
                side.unlink()
    return tuple(named)


def _reported(report: Mapping[str, Any]) -> Updated:
    """Read what an interrupted update would have said."""
    values = {
        name: tuple(map(tuple, value)) if name == "conflicts" else tuple(value)
        for name, value in report.items()
        if isinstance(value, list)
    }
    return Updated(**{**report, **values, "finished": True})
