"""A registered model's files: named by content, loaded, and asked for predictions."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops_kit.errors import RegistryError
from mlops_kit.registry_calls import reaching
from mlops_kit.stores import current_store, load_mlflow, quiet_mlflow

__all__ = ["answers", "files_hash", "load_model", "predictions"]

# MLflow writes it into the model's folder when a registered model is loaded.
_NOT_CONTENT = {"registered_model_meta"}


def files_hash(uri: str) -> str:
    """Name a model by its files: 64 hexadecimal digits that differ when any byte does.

    Raises
    ------
    RegistryError
        If the files can't be had, or there are none.
    """
    mlflow = load_mlflow()
    with reaching(f"reading the files of {uri}"):
        folder = Path(
            mlflow.artifacts.download_artifacts(artifact_uri=uri, tracking_uri=current_store().uri)
        )
        paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in _NOT_CONTENT)
        if not paths:
            raise RegistryError(f"the model {uri} has no files; restore them from a backup.")
        digest = hashlib.sha256()
        for path in paths:
            content = path.read_bytes()
            head = f"{path.relative_to(folder).as_posix()}\n{len(content)}\n"
            digest.update(head.encode() + content)
    return digest.hexdigest()


def load_model(uri: str) -> Any:
    """Load a model as what it was logged as: a scikit-learn estimator, or MLflow's own wrapper.

    Raises
    ------
    RegistryError
        If its files are missing or can't be read with the packages that are installed.
    """
    mlflow = load_mlflow()
    load_mlflow("mlflow.sklearn")
    mlflow.set_tracking_uri(current_store().uri)
    try:
        with quiet_mlflow():
            flavors = mlflow.models.get_model_info(uri).flavors
            if "sklearn" in flavors:
                return mlflow.sklearn.load_model(uri)
            return mlflow.pyfunc.load_model(uri)
    except Exception as error:
        reason = str(error).strip().splitlines()[0][:300] if str(error).strip() else repr(error)
        raise RegistryError(
            f"the model {uri} can't be loaded ({type(error).__name__}: {reason}). Are its files "
            "there, and the packages it was made with installed?"
        ) from error


def answers(uri: str, frame: pd.DataFrame, *, task: str) -> NDArray[Any]:
    """Load a model and give its :func:`predictions`.

    Raises
    ------
    RegistryError
        If the model can't be loaded, or fails on these rows.
    """
    model = load_model(uri)
    names = _inputs(model)
    if names is None:
        schema = load_mlflow().models.get_model_info(uri).signature
        known = schema is not None and schema.inputs is not None and schema.inputs.has_input_names()
        names = tuple(map(str, schema.inputs.input_names())) if known else None
    return predictions(model, frame, task=task, names=names)


def predictions(
    model: Any, frame: pd.DataFrame, *, task: str, names: tuple[str, ...] | None = None
) -> NDArray[Any]:
    """Ask a model for what a gate judges, from the columns that it was fitted on.

    Parameters
    ----------
    model : object
        With ``predict``, and for scores ``predict_proba`` where it has one.
    frame : pandas.DataFrame of shape (n_rows, n_columns)
        It may have further columns.
    task : {"classification", "multiclass", "regression"}
        The probability of the second class where the model tells it, the class, or the value.
    names : tuple of str, optional
        The columns that it takes, where the model itself doesn't say; by default all.

    Returns
    -------
    numpy.ndarray of shape (n_rows,)
        Numbers, and for multiclass classes as the model names them.

    Raises
    ------
    RegistryError
        If the model fails, columns are missing, or it doesn't give one answer a row.
    """
    names = _inputs(model) or names
    absent = [name for name in names or () if name not in frame]
    if absent:
        raise RegistryError(
            f"the model was fitted on columns that the data doesn't have: {', '.join(absent)}."
        )
    table: Any = frame[list(names)] if names is not None else frame
    if hasattr(model, "n_features_in_") and not hasattr(model, "feature_names_in_"):
        table = table.to_numpy()
    try:
        if task == "classification" and hasattr(model, "predict_proba"):
            found = np.asarray(model.predict_proba(table), dtype=float)
            found = found[:, 1] if found.ndim == 2 and found.shape[1] == 2 else found
        else:
            kind = object if task == "multiclass" else float
            found = np.asarray(model.predict(table), dtype=kind)
    except Exception as error:
        raise RegistryError(
            f"the model fails on this data ({type(error).__name__}: {error}). Give it rows as "
            "those that it was fitted on."
        ) from error
    found = found.squeeze(axis=1) if found.ndim == 2 and found.shape[1] == 1 else found
    if found.shape != (len(frame),):
        raise RegistryError(
            f"the model gives an array of shape {found.shape} for {len(frame)} rows; one answer a "
            "row was wanted. A gate of more than two classes says task: multiclass."
        )
    return found


def _inputs(model: Any) -> tuple[str, ...] | None:
    names = getattr(model, "feature_names_in_", None)
    if names is not None:
        return tuple(map(str, names))
    metadata = getattr(model, "metadata", None)
    schema = metadata.get_input_schema() if metadata is not None else None
    if schema is not None and schema.has_input_names():
        return tuple(schema.input_names())
    return None
