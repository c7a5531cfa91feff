"""Questions to the register: its trail, whether it is whole, and where a prediction comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from mlops_kit import registry_trail as trail
from mlops_kit.errors import RegistryError, TrackingError
from mlops_kit.registry_calls import client, reaching
from mlops_kit.registry_models import files_hash
from mlops_kit.registry_versions import CHAMPION, Version, get, read_trail, versions_of
from mlops_kit.stores import current_store
from mlops_kit.tracking import RunRecord, get_run

__all__ = ["Checked", "Origin", "champion_at", "check", "history", "is_whole", "trace"]


@dataclass(frozen=True, slots=True)
class Checked:
    """What a look at a model's trail and versions found.

    Attributes
    ----------
    ok : bool
        Whether nothing is wrong.
    findings : tuple of str
        What is wrong, a sentence each.
    entries : int
        How many entries the trail has.
    head : str
        The hash of the last; kept elsewhere, it proves later that nothing was cut off.
    """

    ok: bool
    findings: tuple[str, ...]
    entries: int
    head: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a prediction comes from.

    Attributes
    ----------
    version : Version
        The model's version, with the hashes of code, data and environment.
    run : mlops_kit.tracking.RunRecord
        The run that made it: parameters, metrics, tags.
    code : str or None
        The source of the training function; None if it can't be had any more.
    environment : str or None
        Interpreter, platform and packages, as JSON.
    data_path : pathlib.Path or None
        The snapshot of the data; None if it isn't in this workspace.
    promotions : tuple of mapping
        When, by whom and why it became champion, with the hash of the gate's report.
    """

    version: Version
    run: RunRecord
    code: str | None
    environment: str | None
    data_path: Path | None
    promotions: tuple[Mapping[str, str], ...]


def is_whole(version: Version) -> bool:
    """Say whether a version's files are those that were registered."""
    try:
        return files_hash(version.source) == version.model_hash
    except RegistryError:
        return False


def history(name: str) -> pd.DataFrame:
    """Give the trail as a table, oldest first.

    Returns
    -------
    pandas.DataFrame of shape (n_entries, 7)
        ``number``, ``when`` (UTC), ``who``, ``what``, ``version``, ``why``, ``hash``.

    Notes
    -----
    Taught in @sec-register.
    """
    with reaching(f"reading the trail of {name}"):
        versions_of(name)
        entries = read_trail(name)
    columns = ["number", "when", "who", "what", "version", "why", "hash"]
    rows = [[getattr(entry, column) for column in columns] for entry in entries]
    return pd.DataFrame(rows, columns=columns)


def check(name: str, *, anchor: str | None = None) -> Checked:
    """See whether trail, aliases and files agree; nothing is changed.

    Parameters
    ----------
    name : str
        The registered model.
    anchor : str, optional
        The hash of an entry that was kept elsewhere; shows whether the end was cut off.

    Raises
    ------
    RegistryError
        If there is no such model, or the registry can't be reached.

    Notes
    -----
    Taught in @sec-register.
    """
    with reaching(f"checking {name}"):
        known = versions_of(name)
        entries = read_trail(name)
    found = list(trail.problems(entries, anchor=anchor))
    left = trail.pending(entries)
    if left is not None:
        found.append(
            f"{left.what} version {left.version} was cut off; recover({name!r}) settles it"
        )
    champion = next((v.version for v in known if CHAMPION in v.aliases), None)
    stack = trail.champions(entries)
    wanted = stack[-1] if stack else None
    if champion != wanted and (left is None or champion != left.version):
        found.append(
            f"champion is version {champion}, by the trail it should be {wanted}: somebody moved "
            "it past the gate"
        )
    registered = {entry.version for entry in entries if entry.what == "registered"}
    for version in known:
        if version.version not in registered:
            found.append(f"version {version.version} was registered past the trail")
        elif not is_whole(version):
            found.append(f"the files of version {version.version} are gone or were changed")
    return Checked(not found, tuple(found), len(entries), entries[-1].hash if entries else "")


def champion_at(name: str, when: datetime | str | pd.Timestamp) -> int | None:
    """Say which version was champion at a moment, by the trail; None if there was none yet.

    Parameters
    ----------
    name : str
        The registered model.
    when : time
        A time without offset is UTC.

    Notes
    -----
    Taught in @sec-register. A request log that names the version is the better witness.
    """
    try:
        moment = pd.Timestamp(when).to_pydatetime(warn=False)
        naive = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, TypeError, AttributeError) as error:
        raise RegistryError(f"champion_at: {when!r} isn't a time ({error}).") from error
    with reaching(f"reading the trail of {name}"):
        versions_of(name)
        return trail.champion_at(read_trail(name), naive)


def trace(prediction: Mapping[str, Any]) -> Origin:
    """Follow a prediction back to data, code and environment.

    Parameters
    ----------
    prediction : mapping
        With ``model`` (the registered name) and ``version``, as a service's request log has them;
        or with ``time`` (UTC) instead of ``version``, and the trail says who was champion then.

    Raises
    ------
    RegistryError
        If the prediction names no model, or no version can be found for it.

    Notes
    -----
    Taught in @sec-register.
    """
    name, version = prediction.get("model"), prediction.get("version")
    if not name or (version in (None, "") and not prediction.get("time")):
        raise RegistryError(
            "trace: a prediction with 'model' and 'version' (or 'time') was wanted, got the keys "
            f"{', '.join(map(str, prediction)) or 'none'}."
        )
    name = str(name)
    if version in (None, ""):
        version = champion_at(name, prediction["time"])
        if version is None:
            raise RegistryError(f"trace: {name!r} had no champion at {prediction['time']}.")
    found = get(name, int(version) if str(version).isdecimal() else str(version))
    with reaching(f"tracing {found.uri}"):
        entries = read_trail(name)
    promotions = tuple(
        {"when": e.when, "who": e.who, "what": e.what, "why": e.why,
         "report": e.details.get("report", "")}
        for e in entries
        if e.version == found.version and e.what in trail.DONE.values()
    )  # fmt: skip
    workspace = current_store().workspace
    path = workspace / "data" / f"{found.lineage.data_hash}.parquet" if workspace else None
    return Origin(
        version=found,
        run=get_run(found.run_id),
        code=_text(found.run_id, "lineage/code.py") or _text(found.run_id, "lineage/source.txt"),
        environment=_text(found.run_id, "lineage/environment.json"),
        data_path=path if path is not None and path.is_file() else None,
        promotions=promotions,
    )


def _text(run_id: str, path: str) -> str | None:
    try:
        with reaching(f"reading {path} of run {run_id}"):
            return Path(client().download_artifacts(run_id, path)).read_text("utf-8")
    except (RegistryError, TrackingError):
        return None
