"""Versions of a registered model, each with what it was made of."""

import getpass
import json
import re
import string
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from mlops_kit import registry_trail as trail
from mlops_kit import tracking
from mlops_kit.contracts import CONTRACT_TAG, Contract
from mlops_kit.errors import RegistryError
from mlops_kit.registry_adopt import Source, run_for
from mlops_kit.registry_calls import ABSENT, client, one_writer, reaching
from mlops_kit.registry_models import files_hash
from mlops_kit.stores import current_store, load_mlflow

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "Version",
    "append",
    "get",
    "person",
    "read_trail",
    "register",
    "versions",
    "versions_of",
]

CHAMPION, CHALLENGER = "champion", "challenger"
_TAG = "mlops_kit.version."
_LINEAGE = ("code_hash", "data_hash", "environment", "seed", "git_commit", "git_dirty")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}")
_WHY_LENGTH = 1000


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a registered model.

    Attributes
    ----------
    name, version : str, int
        Which.
    run_id : str
        The run that made it.
    model_hash : str
        The hash of its files when it was registered.
    lineage : mlops_kit.tracking.Lineage
        Code, data, environment and seed.
    aliases : tuple of str
        What points to it: champion, challenger, or others that somebody set.
    registered : str
        When, UTC, ISO 8601.
    source : str
        Where MLflow keeps its files.
    """

    name: str
    version: int
    run_id: str
    model_hash: str
    lineage: tracking.Lineage
    aliases: tuple[str, ...]
    registered: str
    source: str

    @property
    def uri(self) -> str:
        """Its address in MLflow: ``models:/NAME/VERSION``."""
        return f"models:/{self.name}/{self.version}"


def register(
    model: Any,
    name: str,
    *,
    data: pd.DataFrame | None = None,
    code: Source | None = None,
    seed: int | None = None,
    params: Mapping[str, object] | None = None,
    metrics: Mapping[str, float] | None = None,
    contract: Contract | None = None,
    why: str = "",
    who: str | None = None,
) -> Version:
    """Give a model a version number, together with what it was made of.

    Parameters
    ----------
    model : RunRecord, run id or fitted scikit-learn model
        A run that logged one model (:func:`mlops_kit.tracking.record` with a train function that
        returns metrics and model does), or a model from anywhere, such as someone's notebook; it
        gets a run of its own then.
    name : str
        The registered model; made if it isn't there.
    data : pandas.DataFrame
        What the model was fitted on. Needed where ``model`` isn't a run.
    code : callable, str or path
        What made the model: the training function, the text of it, or the file. Needed where
        ``model`` isn't a run.
    seed, params, metrics : optional
        What else is known of a model that isn't a run.
    contract : mlops_kit.contracts.Contract, optional
        What the model is sent; a service of this version checks it. Needed where the model was
        fitted with an array, which has no names, beside the label or other columns.
    why, who : str, optional
        For the trail; ``who`` is the user of this machine by default.

    Returns
    -------
    Version
        The new version; the one there is, if this run's model was registered already.

    Raises
    ------
    RegistryError
        If the lineage isn't known, the run has no model, the name can't be used or the registry
        can't be reached; nothing is registered then.

    Notes
    -----
    Taught in @sec-register. A version never changes; aliases move.
    """
    _check_name(name)
    actor = person(who)
    if isinstance(model, tracking.RunRecord | str):
        if data is not None or code is not None:
            raise RegistryError("register: a run knows its data and code; leave both out.")
        found = tracking.get_run(model if isinstance(model, str) else model.run_id)
    else:
        found = run_for(model, name, data=data, code=code, seed=seed, params=params or {},
                        metrics=metrics or {}, contract=contract)  # fmt: skip
    absent = [
        word
        for word, value in (("data", found.lineage.data_hash), ("code", found.lineage.code_hash))
        if value is None
    ]
    if absent:
        raise RegistryError(
            f"register: run {found.run_id} doesn't say which {' and '.join(absent)} it was made "
            "with. Record it with tracking.record, or give tracking.run code and data."
        )
    source = _logged_model(found.run_id)
    digest = files_hash(source)
    with one_writer(current_store()), reaching(f"registering {name}"):
        return _register(name, found, source, digest, actor, why, contract)


def _register(
    name: str,
    found: tracking.RunRecord,
    source: str,
    digest: str,
    who: str,
    why: str,
    contract: Contract | None,
) -> Version:
    registry = client()
    mlflow = load_mlflow()
    try:
        registry.create_registered_model(name)
    except mlflow.exceptions.MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    known = [v for v in _all(name) if v.source == source and v.model_hash == digest]
    if known:
        version = known[0]
        _same_contract(version, contract)
    else:
        tags = {
            f"{_TAG}{key}": str(value)
            for key, value in asdict(found.lineage).items()
            if value is not None
        }
        tags[f"{_TAG}model_hash"] = digest
        if contract is not None:
            tags[CONTRACT_TAG] = json.dumps(contract.to_dict())
        # A server takes no source whose logged model isn't named beside it.
        logged = source.removeprefix("models:/") if source.startswith("models:/") else None
        made = registry.create_model_version(
            name, source, run_id=found.run_id, tags=tags, model_id=logged
        )
        version = get(name, int(made.version))
    entries = read_trail(name)
    if not any(e.what == "registered" and e.version == version.version for e in entries):
        hashes = {"model": digest, "data": str(found.lineage.data_hash), "run": found.run_id}
        append(name, entries, "registered", version.version, who=who, why=why, details=hashes)
    return version


def _same_contract(version: Version, contract: Contract | None) -> None:
    kept = client().get_model_version(version.name, str(version.version)).tags.get(CONTRACT_TAG)
    if contract is not None and kept != json.dumps(contract.to_dict()):
        raise RegistryError(
            f"register: {version.uri} is this run's model already, with "
            f"{'another' if kept else 'no'} contract, and a version never changes. Record the run "
            "again to register it with this one."
        )


def _logged_model(run_id: str) -> str:
    with reaching(f"reading run {run_id}"):
        outputs = client().get_run(run_id).outputs
    found = [f"models:/{out.model_id}" for out in (outputs.model_outputs if outputs else ())]
    if len(found) != 1:
        raise RegistryError(
            f"register: run {run_id} logged {len(found)} models, and one was wanted. Let train "
            "return its metrics and the model, or log the one that matters in a run of its own."
        )
    return found[0]


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise RegistryError(
            f"the model name {name!r} can't be used: letters, digits, spaces, '.', '_' and '-', "
            "beginning with a letter or digit, at most 100, were wanted."
        )


def person(who: str | None) -> str:
    """Give the name that goes into the trail."""
    if who is not None and who.strip():
        return who.strip()[:200]
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


def get(name: str, which: int | str = CHAMPION) -> Version:
    """Find a version by number or alias.

    Parameters
    ----------
    name : str
        The registered model.
    which : int or str, default="champion"
        A version's number, or an alias.

    Raises
    ------
    RegistryError
        If there is no such model, version or alias; the message lists those there are.
    """
    known = versions_of(name)
    number = int(which) if str(which).isdecimal() else None
    for version in known:
        if version.version == number or (number is None and which in version.aliases):
            return version
    there = "; ".join(
        f"{v.version}" + (f" ({', '.join(v.aliases)})" if v.aliases else "") for v in known
    )
    what = f"no version {which}" if number is not None else f"no {which}"
    raise RegistryError(f"the model {name!r} has {what}; versions: {there or 'none'}.")


def versions_of(name: str) -> list[Version]:
    """List a model's versions, oldest first.

    Raises
    ------
    RegistryError
        If there is no such model, or the registry can't be reached.
    """
    with reaching(f"looking {name!r} up"):
        return _all(name)


def _all(name: str) -> list[Version]:
    registry, mlflow = client(), load_mlflow()
    try:
        model = registry.get_registered_model(name)
    except mlflow.exceptions.MlflowException as error:
        if error.error_code != ABSENT:
            raise
        known = sorted(repr(entry.name) for entry in registry.search_registered_models())
        raise RegistryError(
            f"there is no model {name!r} in the registry; there: {', '.join(known) or 'none'}."
        ) from error
    aliases: dict[int, list[str]] = {}
    for alias, version in model.aliases.items():
        aliases.setdefault(int(version), []).append(alias)
    found, token = [], None
    quoted = name.replace("'", "\\'")
    while True:
        page = registry.search_model_versions(f"name = '{quoted}'", page_token=token)
        found += [_version(entry, aliases.get(int(entry.version), [])) for entry in page]
        token = page.token
        if not token:
            return sorted(found, key=lambda version: version.version)


def _version(entry: Any, aliases: list[str]) -> Version:
    tags = {key.removeprefix(_TAG): text for key, text in entry.tags.items()}
    seed, dirty = tags.get("seed", ""), tags.get("git_dirty")
    lineage = tracking.Lineage(
        code_hash=tags.get("code_hash"),
        data_hash=tags.get("data_hash"),
        environment=tags.get("environment"),
        seed=int(seed) if seed.lstrip("-").isdecimal() else None,
        git_commit=tags.get("git_commit"),
        git_dirty=None if dirty is None else dirty == "True",
    )
    return Version(
        name=entry.name,
        version=int(entry.version),
        run_id=entry.run_id or "",
        model_hash=tags.get("model_hash", ""),
        lineage=lineage,
        aliases=tuple(sorted(aliases)),
        registered=pd.Timestamp(entry.creation_timestamp, unit="ms").isoformat("T", "milliseconds"),
        source=entry.source,
    )


def versions(name: str) -> pd.DataFrame:
    """Lay a model's versions side by side, oldest first.

    Returns
    -------
    pandas.DataFrame of shape (n_versions, 9)
        ``version``, ``aliases`` (text), ``registered``, ``run_id``, ``data_hash``, ``code_hash``,
        ``environment``, ``seed``, ``git_commit``.

    Raises
    ------
    RegistryError
        If there is no such model.
    """
    columns = ["version", "aliases", "registered", "run_id", "data_hash", "code_hash",
               "environment", "seed", "git_commit"]  # fmt: skip
    rows = [
        {
            "version": entry.version,
            "aliases": ", ".join(entry.aliases),
            "registered": entry.registered,
            "run_id": entry.run_id,
            **asdict(entry.lineage),
        }
        for entry in versions_of(name)
    ]
    return pd.DataFrame(rows, columns=columns)


def read_trail(name: str) -> tuple[trail.Entry, ...]:
    """Read a model's whole trail from the registry."""
    return trail.read(client().get_registered_model(name).tags)


def append(
    name: str,
    entries: tuple[trail.Entry, ...],
    what: str,
    version: int,
    *,
    who: str,
    why: str,
    details: Mapping[str, str] | None = None,
) -> tuple[trail.Entry, ...]:
    """Write one more entry, in one request, and give the trail with it."""
    printable = "".join(c if c in string.whitespace or c.isprintable() else " " for c in why)
    entry = trail.seal(
        entries, who=who, what=what, version=version, why=printable[:_WHY_LENGTH], details=details
    )
    client().set_registered_model_tag(name, entry.key, entry.to_json())
    return (*entries, entry)
