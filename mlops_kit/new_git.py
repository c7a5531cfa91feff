"""Calls to git: the user's repository is read, and a project's first one made."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops_kit.errors import MissingToolError, TemplateError

__all__ = ["FirstCommit", "changed_files", "first_commit", "git", "has_git", "in_repository"]


def has_git() -> bool:
    """Say whether git is installed."""
    return shutil.which("git") is not None


def git(
    *words: str, folder: Path, wanted: Sequence[int] = (0,), alone: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run git in ``folder``; with ``alone`` without the user's and the system's settings.

    Raises
    ------
    MissingToolError
        If git isn't installed.
    TemplateError
        If git ends otherwise than ``wanted``, with what it said.
    """
    if not has_git():
        raise MissingToolError("git isn't installed, or isn't on the PATH. Install it first.")
    # A GIT_DIR of the caller's (inside a hook, say) would lead to another repository.
    environment = {name: value for name, value in os.environ.items() if name[:4] != "GIT_"}
    if alone:
        environment |= {
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_ATTR_NOSYSTEM": "1",
        }
    else:
        environment |= {
            name: value
            for name, value in os.environ.items()
            if name.startswith(("GIT_CONFIG", "GIT_AUTHOR", "GIT_COMMITTER"))
        }
    environment |= {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
    done = subprocess.run(
        ["git", *words],
        check=False,
        cwd=folder,
        env=environment,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        encoding="utf-8",
        errors="surrogateescape",
    )
    if done.returncode not in wanted:
        said = (done.stderr or done.stdout).strip()
        raise TemplateError(f"git {words[0]} failed in {folder}: {said}")
    return done


def in_repository(folder: Path) -> bool:
    """Say whether ``folder`` lies in a git work tree, be it one that git refuses to work in."""
    if not has_git():
        return False
    done = git("rev-parse", "--is-inside-work-tree", folder=folder, wanted=range(256))
    return done.stdout.strip() == "true" or "dubious ownership" in done.stderr


def changed_files(folder: Path) -> tuple[str, ...]:
    """Name what isn't committed in ``folder``, by paths in the repository."""
    done = git("status", "--porcelain", "-z", "--no-renames", "--", ".", folder=folder)
    return tuple(entry[3:] for entry in done.stdout.split("\0") if entry)


@dataclass(frozen=True, slots=True)
class FirstCommit:
    """Whether the first commit was made, and if not, why not."""

    made: bool
    why: str = ""


def first_commit(folder: Path, message: str) -> FirstCommit:
    """Make ``folder`` a repository, and commit everything in it if git knows the user's name.

    Notes
    -----
    Hooks and signing are left out: nothing but git's own code runs.
    """
    git("init", "--quiet", folder=folder)
    git("symbolic-ref", "HEAD", "refs/heads/main", folder=folder)
    git("add", "--all", folder=folder)
    quietly = ("-c", f"core.hooksPath={os.devnull}", "-c", "commit.gpgSign=false")
    done = git(
        *quietly, "-c", "user.useConfigOnly=true", "commit", "--quiet", "--message", message,
        folder=folder, wanted=range(256),
    )  # fmt: skip
    if done.returncode == 0:
        return FirstCommit(True)
    if "user.name" in done.stderr or "user.email" in done.stderr or "identity" in done.stderr:
        return FirstCommit(
            False,
            "git doesn't know your name: git config --global user.name 'Your Name' and "
            f"git config --global user.email you@example.org, then git commit -m '{message}'",
        )
    return FirstCommit(False, done.stderr.strip().splitlines()[-1] if done.stderr else "")
