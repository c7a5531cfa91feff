"""What reading any workflow file takes: checked keys, texts, matrices, and the order of jobs."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlops_kit.ci_model import Job
from mlops_kit.errors import CiError, MissingToolError

__all__ = ["as_list", "combinations", "in_order", "known_keys", "read_yaml", "texts"]

_MOST_JOBS = 256


def read_yaml(path: Path) -> Mapping[Any, Any]:
    """Read a workflow's file.

    Raises
    ------
    CiError
        If it isn't there, isn't YAML, or isn't a mapping.
    """
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise MissingToolError(
            "workflow files need PyYAML. Install it with: pip install 'mlops-kit[data]'"
        ) from error
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError:
        raise CiError(f"there is no workflow file {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CiError(f"{path} can't be read: {error}.") from None
    except yaml.YAMLError as error:
        raise CiError(f"{path} isn't YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(content, Mapping):
        raise CiError(f"{path} holds no workflow: a mapping with jobs was wanted.")
    return content


def known_keys(where: str, given: Any, known: Iterable[str], ignored: Iterable[str] = ()) -> Any:
    """See that a mapping holds nothing that would be left out silently.

    Raises
    ------
    CiError
        If it isn't a mapping, or has a key that isn't supported; the message names it.
    """
    if not isinstance(given, Mapping):
        raise CiError(f"{where} must be a mapping, got {type(given).__name__}.")
    strange = [str(key) for key in given if key not in {*known, *ignored}]
    if strange:
        raise CiError(
            f"{where} uses {', '.join(sorted(strange))}, which isn't supported here. "
            f"Supported: {', '.join(sorted(known))}."
        )
    return given


def texts(where: str, given: Any) -> dict[str, str]:
    """Take environment variables: a mapping to single values."""
    if not isinstance(given or {}, Mapping):
        raise CiError(f"{where} must be a mapping of names to values.")
    found = {}
    for key, value in (given or {}).items():
        if isinstance(value, list | Mapping):
            raise CiError(f"{where}: {key} must be a single value, got {type(value).__name__}.")
        found[str(key)] = _text(value)
    return found


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def as_list(given: Any) -> list[Any]:
    """Take one thing or several."""
    if given is None:
        return []
    return list(given) if isinstance(given, list | tuple) else [given]


def combinations(where: str, matrix: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List a matrix's combinations, with its ``exclude`` and ``include``.

    Raises
    ------
    CiError
        If an axis isn't a list, or there are too many combinations.

    Examples
    --------
    >>> combinations("job", {"python": ["3.11", "3.12"], "exclude": [{"python": "3.11"}]})
    [{'python': '3.12'}]
    """
    axes = {key: value for key, value in matrix.items() if key not in ("include", "exclude")}
    for key, value in axes.items():
        if not isinstance(value, list):
            raise CiError(f"{where}: the matrix's {key} must be a list, got {value!r}.")
    found = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    if not axes:
        found = []
    for gone in as_list(matrix.get("exclude")):
        found = [entry for entry in found if not gone.items() <= entry.items()]
    for more in as_list(matrix.get("include")):
        fitting = [entry for entry in found if all(entry.get(k, v) == v for k, v in more.items())]
        if fitting and any(key in axes for key in more):
            for entry in fitting:
                entry.update(more)
        else:
            found.append(dict(more))
    if not 0 < len(found) <= _MOST_JOBS:
        raise CiError(f"{where}: the matrix has {len(found)} combinations, 1 to 256 were wanted.")
    return found


def in_order(jobs: Sequence[Job]) -> tuple[Job, ...]:
    """Put jobs after those they need, otherwise as they stand in the file.

    Raises
    ------
    CiError
        If a job needs one that isn't there, or jobs wait for each other in a circle.
    """
    bases = {job.base for job in jobs}
    for job in jobs:
        for needed in job.needs:
            if needed not in bases:
                raise CiError(f"job {job.base} needs {needed}, which isn't in this file.")
    ordered: list[Job] = []
    waiting = list(jobs)
    while waiting:
        done = {job.base for job in ordered} - {job.base for job in waiting}
        ready = [job for job in waiting if set(job.needs) <= done]
        if not ready:
            circle = ", ".join(sorted({job.base for job in waiting}))
            raise CiError(f"the jobs {circle} wait for each other: remove one of their needs.")
        ordered += ready
        waiting = [job for job in waiting if job not in ready]
    return tuple(replace(job) for job in ordered)
