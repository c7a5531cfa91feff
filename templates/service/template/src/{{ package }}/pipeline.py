"""The graph of features, for training and service alike, and how a model is asked."""

import functools
from types import ModuleType
from typing import Any, Self

import numpy as np
import pandas as pd
from mlops_kit.errors import DataError
from numpy.typing import NDArray

from . import features
from .contract import REQUEST, TASK

__all__ = ["FeatureStep", "feature_table", "graph_of", "predict"]


def graph_of(*modules: ModuleType) -> Any:
    """Let Hamilton make a graph of modules: each function a node."""
    from hamilton import registry

    # Importing the rest would import every library that Hamilton has an extension for.
    registry.disable_autoload()
    from hamilton import driver

    return driver.Builder().with_modules(*modules).build()


@functools.cache
def _graph() -> Any:
    made = graph_of(features)
    inputs = {node.name for node in made.list_available_variables() if node.is_external_input}
    nodes = {node.name for node in made.list_available_variables()} - inputs
    columns = {*REQUEST.names}
    if inputs - columns:
        raise DataError(
            f"features.py needs {', '.join(sorted(inputs - columns))}, which a request doesn't "
            f"have; it has {', '.join(REQUEST.names)}."
        )
    unknown = [name for name in features.FEATURES if name not in nodes | columns]
    if unknown:
        raise DataError(f"FEATURES names {unknown[0]!r}, which is neither a column nor a function.")
    return made


def feature_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Compute every feature of some rows.

    Parameters
    ----------
    rows : pandas.DataFrame of shape (n_rows, n_columns)
        With the columns of a request; others are left aside.

    Returns
    -------
    pandas.DataFrame of shape (n_rows, n_features)
    """
    columns = {name: rows[name] for name in REQUEST.names}
    wanted = [name for name in features.FEATURES if name not in columns]
    made = _graph().execute(wanted, inputs=columns) if wanted else {}
    return pd.DataFrame({name: made.get(name, columns.get(name)) for name in features.FEATURES})


class FeatureStep:
    """The first step of a model: it takes rows as the contract has them."""

    def fit(self, rows: pd.DataFrame, label: object = None) -> Self:
        """Learn nothing but the names of the columns."""
        del rows, label
        self.feature_names_in_ = np.array(REQUEST.names, dtype=object)
        return self

    def transform(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Compute the features."""
        return feature_table(rows)

    def fit_transform(self, rows: pd.DataFrame, label: object = None) -> pd.DataFrame:
        """Do both."""
        return self.fit(rows, label).transform(rows)


def predict(model: Any, rows: pd.DataFrame) -> NDArray[np.float64]:
    """Give one number a row: the chance of yes for classification, else the prediction."""
    table = rows[list(REQUEST.names)]
    if TASK == "classification":
        return np.asarray(model.predict_proba(table)[:, 1], dtype=float)
    return np.asarray(model.predict(table), dtype=float)
