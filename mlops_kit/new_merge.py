"""Merge three versions of a project with git: as generated, as it is now, as generated anew.

git itself does the merge, in a scratch repository of its own, because it is right where a merge
of single files isn't: files that were renamed by the user or by another answer, files added or
deleted on either side, files that aren't text, permissions.
"""

import re
import shutil
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops_kit.new_git import git

__all__ = ["Change", "Merged", "copy_files", "merge", "project_files"]

# The project's .gitattributes count (line ends, union merges), but nothing is rewritten by them.
_ATTRIBUTES = "* -filter -ident\n"
_SETTINGS = {
    "core.autocrlf": "input",
    "core.eol": "lf",
    "gc.auto": "0",
    "merge.conflictStyle": "merge",
    "merge.directoryRenames": "true",
    "user.email": "kit@example.org",
    "user.name": "mlops-kit",
}
_MARKER = re.compile(rb"^<<<<<<< ", re.MULTILINE)
_BESIDE = ".from-template"


@dataclass(frozen=True, slots=True)
class Change:
    """One file that the merge changes; ``content`` is None where it is deleted.

    A ``mode`` of ``120000`` is a link, and ``content`` where it leads, as git has it.
    """

    path: str
    content: bytes | None
    mode: str = "100644"
    new: bool = False


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge comes to.

    Attributes
    ----------
    changes : tuple of Change
        What to write and delete in the project.
    conflicts : tuple of tuple (path, what happened)
        What a person has to decide.
    kept_deleted : tuple of str
        Files that the template changed and that the user had deleted; they stay deleted.
    """

    changes: tuple[Change, ...]
    conflicts: tuple[tuple[str, str], ...]
    kept_deleted: tuple[str, ...]


def project_files(folder: Path, scratch: Path, also: Iterable[str]) -> tuple[str, ...]:
    """Name the project's files that git would keep, and those in ``also`` that are there.

    ``.gitignore`` counts whether or not the project is in a repository.
    """
    repository = scratch / "listing.git"
    git("init", "--quiet", "--bare", str(repository), folder=scratch)
    listed = git(
        f"--git-dir={repository}", f"--work-tree={folder}",
        "ls-files", "-z", "--others", "--exclude-standard", folder=folder,
    ).stdout.split("\0")  # fmt: skip
    tracked = git("ls-files", "-z", "--", ".", folder=folder, wanted=range(256))
    if tracked.returncode == 0:
        listed += tracked.stdout.split("\0")
    found = {path for path in (*listed, *also) if path and _is_own_file(folder, path)}
    return tuple(sorted(found))


def _is_own_file(folder: Path, path: str) -> bool:
    """Say whether the path is a file or a link, reached through no other link."""
    place = folder / path
    if any(parent.is_symlink() for parent in place.parents if parent.is_relative_to(folder)):
        return False
    return place.is_symlink() or place.is_file()


def copy_files(source: Path, paths: Iterable[str], target: Path) -> None:
    """Copy files and links, with their permissions."""
    for path in paths:
        place = target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / path, place, follow_symlinks=False)


def merge(base: Path, ours: Path, theirs: Path, *, scratch: Path, label: str) -> Merged:
    """Merge three folders of files.

    Parameters
    ----------
    base, ours, theirs : Path
        The project as it was generated, as it is, and as it would be generated now.
    scratch : Path
        An empty folder to work in.
    label : str
        What conflict markers call the newly generated side.

    Returns
    -------
    Merged
        What to change in ``ours``; no folder given is changed.
    """
    repository = scratch / "merge"
    repository.mkdir()
    _prepare(repository)
    origin = _commit(repository, base, None)
    mine = _commit(repository, ours, origin)
    new = _commit(repository, theirs, origin)
    _git(repository, "branch", label, new)
    _git(repository, "checkout", "--quiet", "--force", mine)
    done = git(
        "merge", "--quiet", "--no-commit", "--no-ff", label, folder=repository, alone=True,
        wanted=(0, 1),
    )  # fmt: skip
    conflicts, kept_deleted = ((), ()) if done.returncode == 0 else _settle(repository)
    return Merged(_changes(repository, mine), tuple(conflicts), tuple(kept_deleted))


def _git(repository: Path, *words: str) -> str:
    return git(*words, folder=repository, alone=True).stdout


def _prepare(repository: Path) -> None:
    _git(repository, "init", "--quiet", "--template=")
    for name, value in _SETTINGS.items():
        _git(repository, "config", name, value)
    attributes = repository / ".git" / "info" / "attributes"
    attributes.parent.mkdir(exist_ok=True)
    attributes.write_text(_ATTRIBUTES, "utf-8")


def _commit(repository: Path, folder: Path, parent: str | None) -> str:
    """Commit a folder's files, whatever its ``.gitignore`` says, and give the commit."""
    _git(repository, "read-tree", "--empty")
    work_tree = (f"--git-dir={repository / '.git'}", f"--work-tree={folder}")
    git(*work_tree, "add", "--all", "--force", ".", folder=folder, alone=True)
    tree = _git(repository, "write-tree").strip()
    parents = ("-p", parent) if parent else ()
    return _git(repository, "commit-tree", tree, *parents, "-m", "side").strip()


def _settle(repository: Path) -> tuple[Sequence[tuple[str, str]], Sequence[str]]:
    """Decide what can be decided, and name the rest."""
    stages: dict[str, dict[int, str]] = defaultdict(dict)
    for entry in _git(repository, "ls-files", "--unmerged", "-z").split("\0"):
        if entry:
            head, path = entry.split("\t", 1)
            _, blob, stage = head.split()
            stages[path][int(stage)] = blob
    conflicts, kept_deleted = [], []
    for path, sides in sorted(stages.items()):
        place = repository / path
        if set(sides) == {1, 3}:
            place.unlink(missing_ok=True)
            kept_deleted.append(path)
        elif set(sides) == {1, 2}:
            conflicts.append((path, "you changed it, the template deleted it; yours is kept"))
        elif place.is_file() and _MARKER.search(place.read_bytes()):
            conflicts.append((path, "both changed it; the places are marked"))
        elif {2, 3} <= set(sides):
            conflicts.append(_beside(repository, path, sides))
        elif set(sides) != {1}:  # the place that both moved it from needs no decision
            what = "you and the template moved it to different places; keep one of them"
            conflicts.append((path, what))
    return conflicts, kept_deleted


def _beside(repository: Path, path: str, sides: dict[int, str]) -> tuple[str, str]:
    """Keep the user's version of what can't hold markers, and the template's beside it."""
    for stage, name in ((2, path), (3, f"{path}{_BESIDE}")):
        # A checkout of the blob keeps bytes that aren't text.
        _git(repository, "update-index", "--add", "--cacheinfo", f"100644,{sides[stage]},.kit-blob")
        _git(repository, "checkout-index", "--force", "--", ".kit-blob")
        (repository / ".kit-blob").replace(repository / name)
        _git(repository, "update-index", "--force-remove", ".kit-blob")
    return path, f"both changed it and it isn't text; the template's is beside it ({_BESIDE})"


def _changes(repository: Path, mine: str) -> tuple[Change, ...]:
    """List how the merged files differ from the user's."""
    _git(repository, "add", "--all", "--force", ".")
    tree = _git(repository, "write-tree").strip()
    fields = _git(repository, "diff-tree", "-r", "-z", "--no-renames", mine, tree).split("\0")
    changes = []
    for head, path in zip(fields[0::2], fields[1::2], strict=False):
        _, mode, _, _, kind = head.split()
        place = repository / path
        if kind == "D":
            changes.append(Change(path, None))
        elif mode == "120000":
            changes.append(Change(path, str(place.readlink()).encode(), mode, kind == "A"))
        else:
            changes.append(Change(path, place.read_bytes(), mode, kind == "A"))
    return tuple(changes)
