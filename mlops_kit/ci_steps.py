"""A job's folder, the scripts that run in it, and what the server would tell them."""

import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlops_kit.errors import CiError

__all__ = ["CiSettings", "JobFolder", "run_script"]

_NOT_COPIED = (
    *(".venv", "venv", "node_modules", "__pycache__", ".mypy_cache", ".pytest_cache"),
    *(".ruff_cache", ".tox", ".ipynb_checkpoints", "mlruns", "workspace"),
)
_KEPT = ("HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "USER", "SYSTEMROOT", "LD_LIBRARY_PATH")
_MOST_OUTPUT = 1_000_000
_TIMED_OUT = 124
_DEFAULT_BRANCH = "main"
_COMMANDS: Mapping[str, tuple[str, ...]] = {
    "": ("bash", "-e"),
    "bash": ("bash", "--noprofile", "--norc", "-eo", "pipefail"),
    "sh": ("sh", "-e"),
    "python": (sys.executable,),
}


@dataclass(frozen=True, slots=True)
class CiSettings:
    """What a build server would know.

    Attributes
    ----------
    event : str
        What happened: ``"push"``, ``"pull_request"``, ``"schedule"``, ``"workflow_dispatch"`` …
    branch : str
        On which branch; for a pull request, from which: it is to be merged into ``main``.
    inputs, variables, secrets : mapping of str to str
        What was given by hand, set for the project, and kept secret: outputs show ``***``.
    """

    event: str = "push"
    branch: str = "main"
    sha: str = "0" * 40
    inputs: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)

    def values(self, kind: str) -> dict[str, Any]:
        """Give what expressions may look at."""
        if kind == "gitlab":
            return {}
        asks = self.asks_to_merge
        github = {
            "event_name": self.event,
            "ref": f"refs/{self._ref}",
            "ref_name": self._ref_name,
            "head_ref": self.branch if asks else "",
            "base_ref": _DEFAULT_BRANCH if asks else "",
            "sha": self.sha,
            "actor": "mlops-kit",
            "repository": "local/project",
            "event": {
                "inputs": dict(self.inputs),
                "repository": {"default_branch": _DEFAULT_BRANCH},
            },
        }
        return {
            "github": github,
            "inputs": dict(self.inputs),
            "vars": dict(self.variables),
            "secrets": dict(self.secrets),
            "runner": {"os": _system(), "arch": platform.machine()},
        }

    @property
    def asks_to_merge(self) -> bool:
        """Whether it is a pull request's."""
        return self.event in ("pull_request", "pull_request_target")

    @property
    def target(self) -> str:
        """The branch that filters look at: for a pull request, the one it is to be merged into."""
        return _DEFAULT_BRANCH if self.asks_to_merge else self.branch

    @property
    def _ref(self) -> str:
        # What would be there if it were merged; no branch has that name.
        return "pull/1/merge" if self.event == "pull_request" else f"heads/{self.target}"

    @property
    def _ref_name(self) -> str:
        return self._ref.removeprefix("heads/").removeprefix("pull/")

    def environment(self, kind: str, job: str) -> dict[str, str]:
        """Give the variables that the server sets for every script."""
        if kind == "gitlab":
            source = {"pull_request": "merge_request_event", "workflow_dispatch": "web"}
            merge = {
                "CI_MERGE_REQUEST_IID": "1",
                "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": self.branch,
                "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": _DEFAULT_BRANCH,
            }
            return {
                "CI": "true",
                "GITLAB_CI": "true",
                # The pipeline of a merge request is no branch's.
                **(merge if self.asks_to_merge else {"CI_COMMIT_BRANCH": self.branch}),
                "CI_COMMIT_REF_NAME": self.branch,
                "CI_DEFAULT_BRANCH": _DEFAULT_BRANCH,
                "CI_COMMIT_SHA": self.sha,
                "CI_COMMIT_SHORT_SHA": self.sha[:8],
                "CI_PIPELINE_SOURCE": source.get(self.event, self.event),
                "CI_JOB_NAME": job,
                **self.variables,
                **self.secrets,
            }
        return {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": self.event,
            "GITHUB_REF": f"refs/{self._ref}",
            "GITHUB_REF_NAME": self._ref_name,
            "GITHUB_HEAD_REF": self.branch if self.asks_to_merge else "",
            "GITHUB_BASE_REF": _DEFAULT_BRANCH if self.asks_to_merge else "",
            "GITHUB_SHA": self.sha,
            "GITHUB_JOB": job,
            "GITHUB_REPOSITORY": "local/project",
            "RUNNER_OS": _system(),
        }

    def masked(self, text: str) -> str:
        """Hide secrets in an output."""
        for secret in self.secrets.values():
            if secret:
                text = text.replace(secret, "***")
        return text


def _system() -> str:
    return {"Darwin": "macOS"}.get(platform.system(), platform.system())


class JobFolder:
    """A job's own copy of the project, and what its steps leave for later ones."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.project = root / "project"
        self.env: dict[str, str] = {}
        self.outputs: dict[str, str] = {}
        self.path: list[str] = []

    @classmethod
    def make(cls, project: Path, root: Path) -> "JobFolder":
        """Copy a project into a new folder.

        Raises
        ------
        CiError
            If it can't be copied.
        """
        made = cls(root)
        try:
            ignore = shutil.ignore_patterns(*_NOT_COPIED)
            shutil.copytree(project, made.project, symlinks=True, ignore=ignore)
            (root / "temp").mkdir()
        except (OSError, shutil.Error) as error:
            raise CiError(f"{project} can't be copied for a job: {error}.") from None
        return made

    def inside(self, name: str) -> Path:
        """Give a path of the project.

        Raises
        ------
        CiError
            If it leads out of it.
        """
        path = (self.project / name).resolve()
        if not path.is_relative_to(self.project.resolve()):
            raise CiError(f"the path {name!r} leads out of the project.")
        return path

    def keep(self, patterns: Sequence[str], target: Path) -> int:
        """Copy files that fit patterns to where artifacts are kept; say how many."""
        found: set[Path] = set()
        for pattern in patterns:
            self.inside(pattern.replace("*", "_"))
            for path in self.project.glob(pattern.rstrip("/").removeprefix("./") or "*"):
                found |= {p for p in path.rglob("*") if p.is_file()} if path.is_dir() else {path}
        for path in sorted(found):
            copy = target / path.relative_to(self.project)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
        return len(found)

    def fetch(self, kept: Path, target: str) -> None:
        """Copy what was kept into the project."""
        shutil.copytree(kept, self.inside(target), dirs_exist_ok=True)

    def read_back(self, files: Mapping[str, Path]) -> None:
        """Take over what a script wrote into the files that the server gives it."""
        self.env |= _assignments(files["GITHUB_ENV"])
        self.outputs = _assignments(files["GITHUB_OUTPUT"])
        self.path = [*_lines(files["GITHUB_PATH"]), *self.path]


def _lines(file: Path) -> list[str]:
    with suppress(OSError):
        return file.read_text("utf-8", errors="replace").splitlines()
    return []


def _assignments(file: Path) -> dict[str, str]:
    """Read ``NAME=value`` lines, and ``NAME<<END`` with its lines up to ``END``."""
    found: dict[str, str] = {}
    lines = iter(_lines(file))
    for line in lines:
        name, sign, value = line.partition("=")
        head, heredoc, end = line.partition("<<")
        if heredoc and "=" not in head:
            several = []
            for more in lines:
                if more == end:
                    break
                several.append(more)
            found[head] = "\n".join(several)
        elif sign:
            found[name] = value
    return found


def run_script(
    script: str,
    *,
    shell: str,
    folder: JobFolder,
    below: str,
    env: Mapping[str, str],
    seconds: float,
) -> tuple[int, str]:
    """Run a script in a job's folder; give its exit code and what it printed.

    Parameters
    ----------
    script : str
        Its lines; the first that fails ends it.
    shell : str
        ``"bash"``, ``"sh"``, ``"python"``, or empty: bash that doesn't look into pipes.
    folder : JobFolder
        Where; what the script leaves for later steps is taken over.
    below : str
        The folder within it.
    env : mapping of str to str
        Its variables, on top of the few that every program needs.
    seconds : float
        When it is ended, with all it started; the exit code is 124 then.

    Raises
    ------
    CiError
        If the shell or the folder isn't there.
    """
    where = folder.inside(below)
    if not where.is_dir():
        raise CiError(f"a step runs in {below!r}, which isn't a folder of the project.")
    temp = Path(tempfile.mkdtemp(dir=folder.root / "temp"))
    names = ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")
    files = {name: temp / name.lower() for name in names}
    for file in files.values():
        file.touch()
    program = temp / "script"
    program.write_text(script, encoding="utf-8")
    path = [*folder.path, str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    given = {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        "PATH": os.pathsep.join(path),
        "GITHUB_WORKSPACE": str(folder.project),
        "CI_PROJECT_DIR": str(folder.project),
        "RUNNER_TEMP": str(folder.root / "temp"),
        **{name: str(file) for name, file in files.items()},
        **env,
        **folder.env,
    }
    output = temp / "output"
    try:
        with output.open("wb") as sink:
            process = subprocess.Popen(
                [*_COMMANDS[shell], str(program)],
                cwd=where,
                env=given,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                code = process.wait(seconds)
            except subprocess.TimeoutExpired:
                code = _TIMED_OUT
            finally:
                _end(process)
    except FileNotFoundError:
        raise CiError(f"a step needs {_COMMANDS[shell][0]}, which isn't on this machine.") from None
    folder.read_back(files)
    said = output.read_bytes()[-_MOST_OUTPUT:].decode("utf-8", errors="replace")
    return code, f"{said}\nended after {seconds:g} s" if code == _TIMED_OUT else said


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End what the script started and left running."""
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
