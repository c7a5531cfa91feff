"""What a registry means by an address, and where the model's files are.

MLflow's client takes a second and a half of processor time and a hundred megabytes before it
answers its first question. A registry in an SQLite file of this machine is therefore read as the
table that it is, without writing to it; whatever that can't answer is asked of the client.
"""

import contextlib
import os
import re
import sqlite3
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from mlops_kit.errors import ServeError
from mlops_kit.stores import load_mlflow, quiet_mlflow

__all__ = ["Entry", "ModelAddress", "find_entry", "registry_uri", "version_meant"]

_ADDRESS = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d+))")
_LINEAGE = "mlops_kit."
_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class ModelAddress:
    """``models:/name@alias`` or ``models:/name/version``."""

    text: str
    name: str
    alias: str | None
    version: str | None

    @classmethod
    def parse(cls, text: str) -> "ModelAddress":
        """Read an address.

        Raises
        ------
        ServeError
            If it is none.

        Examples
        --------
        >>> ModelAddress.parse("models:/rides@champion").alias
        'champion'
        """
        match = _ADDRESS.fullmatch(text)
        if match is None:
            raise ServeError(
                f"{text!r} is no address of a model. Write models:/rides@champion or "
                "models:/rides/3."
            )
        return cls(text, match["name"], match["alias"], match["version"])


@dataclass(frozen=True, slots=True)
class Entry:
    """A version of a registered model.

    Attributes
    ----------
    version : str
        Its number.
    folder : pathlib.Path
        Where its files are on this machine.
    tags : mapping
        What is written on it.
    lineage : mapping
        What its run was made of.
    """

    version: str
    folder: Path
    tags: Mapping[str, str]
    lineage: Mapping[str, str]


def registry_uri(given: str = "") -> str:
    """Say which registry is meant: the one given, else the one that MLflow uses here."""
    if given:
        return given
    if "mlflow" not in sys.modules:
        for variable in ("MLFLOW_REGISTRY_URI", "MLFLOW_TRACKING_URI"):
            if os.environ.get(variable):
                return os.environ[variable]
    return str(load_mlflow().get_registry_uri())


def version_meant(address: ModelAddress, uri: str) -> str:
    """Say which version an address means now.

    Raises
    ------
    ServeError
        If the registry knows none, or can't be reached.
    """
    if address.version is not None:
        return address.version
    with _tables(uri) as tables:
        if tables is not None:
            version = _alias_in(tables, address)
            if version is not None:
                return version
            # Only tables that are as they should be can say that there is none.
            query = (
                "SELECT count(a.alias) FROM registered_models m LEFT JOIN "
                "registered_model_aliases a ON a.name = m.name AND a.alias = ? WHERE m.name = ?"
            )
            if _rows(tables, query, str(address.alias), address.name) == [(0,)]:
                raise _absent(address, uri, f"the model has no {address.alias}.")
    return str(_ask(address, uri).version)


def find_entry(address: ModelAddress, uri: str) -> Entry:
    """Find the version that an address means now, and bring its files to this machine.

    Raises
    ------
    ServeError
        If the registry knows none, or it or the files can't be reached.
    """
    with _tables(uri) as tables:
        if tables is not None:
            entry = _entry_in(tables, address)
            if entry is not None:
                return entry
    found = _ask(address, uri)
    folder = _downloaded(f"models:/{address.name}/{found.version}", uri)
    return Entry(str(found.version), folder, dict(found.tags), _run_lineage(found.run_id, uri))


@contextlib.contextmanager
def _tables(uri: str) -> Any:
    """Open the file of a local registry for reading; None for every other kind."""
    path = Path(uri.removeprefix(_SQLITE)).absolute()
    if not uri.startswith(_SQLITE) or not path.is_file():
        yield None
        return
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        yield connection


def _rows(tables: sqlite3.Connection, query: str, *values: str) -> list[tuple[Any, ...]]:
    """Ask; a table that another MLflow has made differently answers nothing."""
    try:
        return tables.execute(query, values).fetchall()
    except sqlite3.Error:
        return []


def _alias_in(tables: sqlite3.Connection, address: ModelAddress) -> str | None:
    query = "SELECT version FROM registered_model_aliases WHERE name = ? AND alias = ?"
    found = _rows(tables, query, address.name, str(address.alias))
    return str(found[0][0]) if len(found) == 1 else None


def _entry_in(tables: sqlite3.Connection, address: ModelAddress) -> Entry | None:
    version = address.version or _alias_in(tables, address)
    if version is None:
        return None
    key = (address.name, version)
    query = (
        "SELECT coalesce(storage_location, source), run_id FROM model_versions "
        "WHERE name = ? AND version = ? AND status = 'READY'"
    )
    found = _rows(tables, query, *key)
    folder = _local(found[0][0]) if len(found) == 1 else None
    if folder is None or not (folder / "MLmodel").is_file():
        return None
    query = "SELECT key, value FROM model_version_tags WHERE name = ? AND version = ?"
    tags = dict(_rows(tables, query, *key))
    run_id = found[0][1]
    lineage: dict[str, str] = {}
    if run_id:
        known = dict(_rows(tables, "SELECT key, value FROM tags WHERE run_uuid = ?", run_id))
        lineage = _lineage_of(run_id, known)
    return Entry(version, folder, tags, lineage)


def _local(location: str | None) -> Path | None:
    parts = urlsplit(location or "")
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        return None
    path = unquote(parts.path)
    windows = re.match(r"/[A-Za-z]:", path)
    return Path(path[1:] if windows else path)


def _lineage_of(run_id: str, tags: Mapping[str, str]) -> dict[str, str]:
    own = {k.removeprefix(_LINEAGE): v for k, v in tags.items() if k.startswith(_LINEAGE)}
    return {"run_id": run_id, **own}


def _ask(address: ModelAddress, uri: str) -> Any:
    mlflow = load_mlflow()
    try:
        with quiet_mlflow():
            client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
            if address.alias is None:
                return client.get_model_version(address.name, address.version)
            return client.get_model_version_by_alias(address.name, address.alias)
    except Exception as error:  # MLflow's own, and those of whatever store lies below it
        raise _absent(address, uri, _first_line(error)) from error


def _absent(address: ModelAddress, uri: str, reason: str) -> ServeError:
    return ServeError(
        f"{address.text} can't be found in {uri}: {reason} Register the model and set the alias, "
        "or name another store."
    )


def _downloaded(address: str, uri: str) -> Path:
    artifacts = load_mlflow("mlflow.artifacts")
    try:
        with quiet_mlflow():
            found = artifacts.download_artifacts(
                artifact_uri=address, tracking_uri=uri, registry_uri=uri
            )
    except Exception as error:  # as many kinds as there are stores of artifacts
        raise ServeError(
            f"the files of {address} can't be fetched: {_first_line(error)}"
        ) from error
    return Path(found)


def _run_lineage(run_id: str | None, uri: str) -> dict[str, str]:
    """Read what the model's run was made of; a run that is gone leaves its id."""
    if not run_id:
        return {}
    mlflow = load_mlflow()
    try:
        with quiet_mlflow():
            run = mlflow.MlflowClient(tracking_uri=uri).get_run(run_id)
    except mlflow.exceptions.MlflowException:
        return {"run_id": run_id}
    return _lineage_of(run_id, run.data.tags)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
