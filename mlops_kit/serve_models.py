"""Where a served model comes from: a registry, a file, or an object in hand.

A source can say cheaply whether another model is meant by now, and load what is meant.
"""

import hashlib
import importlib
import io
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mlops_kit.contracts import CONTRACT_TAG, Column, Contract
from mlops_kit.errors import DataError, MissingToolError, ServeError
from mlops_kit.serve_registry import ModelAddress, find_entry, registry_uri, version_meant
from mlops_kit.stores import load_mlflow, quiet_mlflow

__all__ = ["FoundModel", "ModelSource", "source_of"]

CONTRACT_FILE = "contract.json"
_PLAIN_FORMATS = ("pickle", "cloudpickle")
_PICKLES = (".joblib", ".pickle", ".pkl")
_KINDS = {
    "double": "float", "float": "float", "long": "int", "integer": "int", "boolean": "bool",
    "string": "str", "datetime": "datetime",
}  # fmt: skip


@dataclass(frozen=True)
class FoundModel:
    """A model and what is known about it.

    Attributes
    ----------
    model : object
        A scikit-learn estimator, a callable, or the bytes of an ONNX model.
    name, version, source : str
        What it is called, which one it is, and where it was found.
    contract : Contract or None
        What it says itself that it takes.
    lineage : mapping
        What it was made of, where that is on record.
    """

    model: Any
    name: str
    version: str
    source: str
    contract: Contract | None = None
    lineage: Mapping[str, str] = field(default_factory=dict)


class ModelSource(Protocol):
    """A place that a model is served from."""

    def token(self) -> str | None:
        """Say which model is meant now; None if that never changes."""

    def load(self) -> FoundModel:
        """Load the model that is meant now."""


def source_of(model: Any, *, name: str = "", version: str = "", registry: str = "") -> ModelSource:
    """Find out where a model is to be served from.

    Parameters
    ----------
    model : object, str or path
        A fitted scikit-learn model or a callable; ``models:/name@alias`` or
        ``models:/name/version`` in MLflow's registry; or a file: ``.joblib``, ``.pickle`` or
        ``.pkl``, ``.onnx``, or a folder with an ``MLmodel``.
    name, version : str, optional
        What to call it, where the source doesn't say.
    registry : str, optional
        Where to look for ``models:/``; by default where MLflow looks.

    Raises
    ------
    ServeError
        If it is none of these.
    """
    if isinstance(model, str) and model.startswith("models:"):
        return _RegistrySource(ModelAddress.parse(model), registry_uri(registry))
    if isinstance(model, str | Path):
        return _FileSource(Path(model), name, version)
    return _ObjectSource(model, name, version)


@dataclass(frozen=True)
class _ObjectSource:
    model: Any
    name: str
    version: str

    def token(self) -> str | None:
        return None

    def load(self) -> FoundModel:
        made = getattr(self.model, "__name__", type(self.model).__name__)
        name = self.name or str(made)
        return FoundModel(self.model, name, self.version or "0", "an object", _own(self.model))


@dataclass(frozen=True)
class _FileSource:
    path: Path
    name: str
    version: str

    def _file(self) -> Path:
        file = self.path / "MLmodel" if self.path.is_dir() else self.path
        if not file.is_file():
            raise ServeError(
                f"there is no model at {self.path}. Name a .joblib, .pkl or .onnx file, or a "
                "folder with an MLmodel; a model in a registry is written models:/rides@champion."
            )
        return file

    def token(self) -> str | None:
        try:
            state = self._file().stat()
        except OSError as error:
            raise ServeError(f"{self.path} can't be read: {error.strerror}.") from error
        return f"{state.st_mtime_ns}-{state.st_size}-{state.st_ino}"

    def load(self) -> FoundModel:
        file = self._file()
        try:
            content = file.read_bytes()
        except OSError as error:
            raise ServeError(f"{file} can't be read: {error.strerror}.") from error
        name = self.name or self.path.stem
        version = self.version or hashlib.sha256(content).hexdigest()[:12]
        source = str(self.path)
        if file.name == "MLmodel":
            model, contract = _load_folder(self.path, source)
        elif file.suffix == ".onnx":
            model, contract = content, None
        elif file.suffix in _PICKLES:
            model = _loaded(lambda: _unpickle(content), source)
            contract = _own(model)
        else:
            raise ServeError(
                f"{self.path} isn't a model that can be served; .joblib, .pickle, .pkl and .onnx "
                "are, and folders with an MLmodel."
            )
        return FoundModel(model, name, version, source, contract)


@dataclass(frozen=True)
class _RegistrySource:
    address: ModelAddress
    uri: str

    def token(self) -> str | None:
        return None if self.address.alias is None else version_meant(self.address, self.uri)

    def load(self) -> FoundModel:
        entry = find_entry(self.address, self.uri)
        exact = f"models:/{self.address.name}/{entry.version}"
        model, contract = _load_folder(entry.folder, exact)
        declared = entry.tags.get(CONTRACT_TAG)
        if declared is not None:
            contract = _read_contract(declared, exact)
        name, source = self.address.name, self.address.text
        return FoundModel(model, name, entry.version, source, contract, entry.lineage)


def _load_folder(folder: Path, source: str) -> tuple[Any, Contract | None]:
    """Load a model that MLflow saved; by MLflow only where its files aren't plainly a model."""
    described = _loaded(lambda: _read_yaml(folder / "MLmodel"), source)
    flavors = described["flavors"]
    sklearn = flavors.get("sklearn") or {}
    if "onnx" in flavors:
        model: Any = _loaded((folder / flavors["onnx"]["data"]).read_bytes, source)
    elif sklearn.get("serialization_format") in _PLAIN_FORMATS and not sklearn.get("code"):
        file = folder / sklearn["pickled_model"]
        model = _loaded(lambda: _unpickle(file.read_bytes()), source)
    else:
        flavor = "mlflow.sklearn" if sklearn else "mlflow.pyfunc"
        loader = load_mlflow(flavor)
        model = _loaded(lambda: loader.load_model(str(folder)), source)
        if not sklearn:
            model = model.predict
    beside = folder / CONTRACT_FILE
    if beside.is_file():
        return model, _read_contract(beside.read_text("utf-8"), source)
    return model, _from_signature(described.get("signature")) or _own(model)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        yaml = importlib.import_module("yaml")
    except ModuleNotFoundError as error:
        raise MissingToolError(
            "MLflow's models need 'pyyaml', which isn't installed. "
            "Install it with: pip install 'mlops-kit[serve]'"
        ) from error
    found = yaml.safe_load(path.read_text("utf-8"))
    if not isinstance(found, dict) or not isinstance(found.get("flavors"), dict):
        raise ValueError("MLmodel names no flavors")
    return found


def _loaded(load: Any, source: str) -> Any:
    """Load, and turn whatever goes wrong into one sentence."""
    try:
        with quiet_mlflow(), warnings.catch_warnings():
            _refuse_other_versions()
            return load()
    except MissingToolError:
        raise
    except Warning as warning:
        first = str(warning).partition(". ")[0]
        raise ServeError(
            f"the model in {source} was made by another version: {first}. Serve it with the "
            "packages it was made with, or train it again with these."
        ) from warning
    except Exception as error:  # unpickling raises nearly anything
        first = str(error).strip().partition("\n")[0][:200]
        raise ServeError(
            f"the model in {source} can't be loaded ({type(error).__name__}: {first}). The file "
            "may be cut off, or made with packages that aren't installed here."
        ) from error


def _refuse_other_versions() -> None:
    warnings.simplefilter("ignore")
    try:
        exceptions = importlib.import_module("sklearn.exceptions")
    except ModuleNotFoundError:
        return
    warnings.simplefilter("error", exceptions.InconsistentVersionWarning)


def _unpickle(content: bytes) -> Any:
    try:
        joblib = importlib.import_module("joblib")
    except ModuleNotFoundError as error:
        raise MissingToolError(
            "pickled models need 'joblib', which isn't installed. "
            "Install it with: pip install 'mlops-kit[serve]'"
        ) from error
    return joblib.load(io.BytesIO(content))


def _read_contract(text: str, source: str) -> Contract:
    try:
        return Contract.from_dict(json.loads(text))
    except (ValueError, DataError) as error:
        raise ServeError(f"the contract of {source} can't be read: {error}") from error


def _from_signature(signature: Any) -> Contract | None:
    """Take names and types from MLflow's signature, which knows no ranges."""
    try:
        columns = []
        for entry in json.loads(signature["inputs"]):
            kind = _KINDS[entry["type"]]
            columns.append(Column(entry["name"], kind, nullable=not entry.get("required", True)))
        return Contract(tuple(columns), name="request")
    except (KeyError, TypeError, ValueError):
        return None


def _own(model: Any) -> Contract | None:
    """Take names from a model that was fitted with a DataFrame; its columns must be numbers."""
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        return None
    return Contract(tuple(Column(str(name), "float") for name in names), name="request")
