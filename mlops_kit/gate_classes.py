"""Classes by name or number, numbered alike in labels and predictions."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops_kit.errors import GateError

__all__ = ["numbered"]


def numbered(
    gate: str, label: Any, predictions: Mapping[str, Any]
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Number the classes, the same in labels and predictions; NaN where there is none.

    Parameters
    ----------
    gate : str
        The gate's name, for messages.
    label : array-like of shape (n_rows,)
        The true classes: numbers, names or truth values. 1, 1.0 and True are the same class.
    predictions : mapping of str to array-like of shape (n_rows,)
        The classes that each model gives.

    Raises
    ------
    GateError
        If predictions aren't one class a row, or share no class with the labels.

    Notes
    -----
    Taught in @sec-register.

    Examples
    --------
    >>> numbered("wine", ["a", "b"], {"challenger": ["b", None]})
    (array([0., 1.]), {'challenger': array([ 1., nan])})
    """
    true = _names(f"gate {gate!r}: the labels", label)
    found = {
        role: _names(f"gate {gate!r}: the {role}'s predictions", values)
        for role, values in predictions.items()
    }
    known = sorted({name for names in (true, *found.values()) for name in names if name})
    number = {name: float(place) for place, name in enumerate(known)}
    for role, names in found.items():
        if not set(true) & set(names) - {""}:
            raise GateError(
                f"gate {gate!r}: the {role} answers {_some(names)}, and the labels are "
                f"{_some(true)}: no class in common. Give both the same names."
            )
    return _numbers(true, number), {role: _numbers(names, number) for role, names in found.items()}


def _names(what: str, values: Any) -> list[str]:
    given = np.asarray(values, dtype=object)
    if given.ndim != 1:
        raise GateError(f"{what} must be one class a row, got an array of shape {given.shape}.")
    return ["" if gone else _name(value) for value, gone in zip(given, pd.isna(given), strict=True)]


def _name(value: object) -> str:
    if isinstance(value, bool | np.bool_):
        return str(int(value))
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _some(names: list[str]) -> str:
    distinct = sorted({name for name in names if name})
    shown = ", ".join(map(repr, distinct[:3]))
    return f"{shown} …" if len(distinct) > 3 else shown or "nothing"


def _numbers(names: list[str], number: Mapping[str, float]) -> NDArray[np.float64]:
    return np.array([number.get(name, np.nan) for name in names])
