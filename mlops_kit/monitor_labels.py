"""Predictions beside the labels that came later: the error, and whether it has changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlops_kit.drift_concept import ConceptChange, concept_drift
from mlops_kit.errors import DataError

__all__ = ["LabelledError", "labelled_error", "read_labels"]


@dataclass(frozen=True, slots=True)
class LabelledError:
    """How far predictions were from labels.

    Attributes
    ----------
    rows, unknown : int
        Labels with a prediction in the log, and without.
    error : float
        The mean: of the share of wrong answers, or of the distance to the label.
    changes : tuple of ConceptChange
        Where the error changed.
    """

    rows: int
    unknown: int
    error: float
    changes: tuple[ConceptChange, ...]


def read_labels(path: str | Path) -> pd.DataFrame:
    """Read labels: ``request_id``, ``label`` and, if wanted, ``row_number`` and ``time``.

    Parameters
    ----------
    path : path
        A .csv or .parquet file; ``time`` is when a label became known.

    Returns
    -------
    pandas.DataFrame
        With all four columns, in the order in which labels became known.

    Raises
    ------
    DataError
        If it can't be read or a column is missing.
    """
    try:
        file = Path(path)
        table = pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file)
    except (OSError, ValueError) as error:
        raise DataError(f"the labels in {path} can't be read: {error}") from error
    for name in ("request_id", "label"):
        if name not in table:
            raise DataError(
                f"the labels in {path} lack the column {name!r}; there are "
                f"{', '.join(map(str, table.columns))}. Wanted: request_id, label, and row_number "
                "and time if there are any."
            )
    if "row_number" not in table:
        table["row_number"] = 0
    if "time" in table:
        table["time"] = pd.to_datetime(table["time"], utc=True, errors="coerce").dt.tz_localize(
            None
        )
        table = table.sort_values("time", kind="stable", ignore_index=True)
    else:
        table["time"] = pd.NaT
    known = table.dropna(subset=["label", "request_id", "row_number"])
    return known.drop_duplicates(["request_id", "row_number"], keep="last", ignore_index=True)


def labelled_error(
    labels: pd.DataFrame, predictions: Mapping[tuple[str, int], Any]
) -> LabelledError:
    """Compare predictions with labels, in the order in which these became known."""
    keys = zip(labels["request_id"].astype(str), labels["row_number"].astype(int), strict=True)
    errors, times = [], []
    for key, label, time in zip(keys, labels["label"], labels["time"], strict=True):
        if key in predictions:
            errors.append(_error(predictions[key], label))
            times.append(time)
    found = np.asarray(errors, dtype=float)
    known = np.isfinite(found)
    changes = concept_drift(
        found[known], times=pd.to_datetime(pd.Series(times, dtype=object))[known].to_numpy()
    )
    mean = float(found[known].mean()) if known.any() else float("nan")
    return LabelledError(int(known.sum()), len(labels) - int(known.sum()), mean, changes)


def _error(prediction: object, label: object) -> float:
    """Give the distance of two numbers; otherwise 0 if they are the same and 1 if not."""
    try:
        return abs(float(prediction) - float(label))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return float(str(prediction) != str(label))
