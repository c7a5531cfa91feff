"""A workflow as it is run here, whichever build server's file it was read from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Artifact", "Job", "Step", "Workflow"]

Outcome = Literal["success", "failure", "skipped"]


@dataclass(frozen=True, slots=True)
class Artifact:
    """Files that pass between jobs: kept under a name, or fetched by it into a folder."""

    action: Literal["keep", "fetch"]
    name: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a job does; ``script`` is empty for what needs no doing here.

    Attributes
    ----------
    note : str
        Why nothing is done, such as ``"the folder is there already"``.
    """

    name: str
    script: str = ""
    shell: str = "bash"
    id: str = ""
    condition: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""
    may_fail: bool = False
    minutes: float = 60.0
    artifact: Artifact | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """Steps that run one after the other in a copy of the folder.

    Attributes
    ----------
    name : str
        Unique within the workflow; a job of a matrix has its combination in brackets.
    base : str
        The name in the file; jobs of one matrix share it.
    """

    name: str
    base: str
    steps: tuple[Step, ...]
    needs: tuple[str, ...] = ()
    condition: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    matrix: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    may_fail: bool = False


@dataclass(frozen=True, slots=True)
class Workflow:
    """All jobs of one file, in an order in which each comes after those it needs.

    Attributes
    ----------
    events : mapping of str to mapping
        What starts it (GitHub), each with its ``branches`` and ``branches-ignore``.
    condition : str
        When it starts (GitLab); empty: always.
    """

    name: str
    kind: Literal["github", "gitlab"]
    jobs: tuple[Job, ...]
    events: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    condition: str = ""
