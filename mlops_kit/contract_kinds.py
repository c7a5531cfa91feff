"""What kind a value in a column is: whole number, finite number, truth, text or time."""

import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["KINDS", "comparable", "has_kind", "is_whole_text", "without_half_text"]

KINDS = {
    "int": "is a whole number",
    "float": "is a finite number",
    "bool": "is true or false",
    "str": "is text",
    "datetime": "is a time",
}
"""Each kind in words."""
_INT_MAX = 2**63 - 1
_FLOAT_MAX = sys.float_info.max


class _HalfText:
    """Text with half a character in it, which neither pandera nor a file can take."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return ascii(self._text)


def has_kind(dtype: str, series: pd.Series) -> pd.Series:
    """Say of each value whether it is of the kind; a missing one is no matter of kind."""
    missing = series.isna()
    return missing | _kind_mask(dtype, _without_categories(series), missing)


def _without_categories(series: pd.Series) -> pd.Series:
    """Take categories back to what they stand for."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        return series.astype(series.cat.categories.dtype)
    return series


def _kind_mask(dtype: str, series: pd.Series, missing: pd.Series) -> pd.Series:
    types = pd.api.types
    every = pd.Series(True, index=series.index)
    kind = "other"
    if types.is_bool_dtype(series.dtype) and series.dtype != object:
        kind = "bool"
    elif types.is_integer_dtype(series.dtype):
        kind = "int"
    elif types.is_float_dtype(series.dtype):
        kind = "float"
    elif types.is_datetime64_any_dtype(series.dtype):
        kind = "datetime"
    elif series.dtype != object and types.is_string_dtype(series.dtype):
        kind = "str"
    if kind in ("int", "float") and dtype in ("int", "float"):
        numbers = series.to_numpy(dtype=float, na_value=np.nan)
        good = np.isfinite(numbers)
        if dtype == "int":
            good &= (np.floor(numbers) == numbers) & (np.abs(numbers) <= _INT_MAX)
        return pd.Series(good, index=series.index)
    if kind != "other":
        return every if kind == dtype else ~every
    if dtype == "str" and types.infer_dtype(series, skipna=True) == "string":
        return every
    checks: dict[str, Callable[[Any], bool]] = {
        "int": _is_whole, "float": _is_finite, "bool": lambda v: isinstance(v, bool | np.bool_),
        "str": lambda v: isinstance(v, str), "datetime": lambda v: isinstance(v, datetime),
    }  # fmt: skip
    values = zip(series.array, missing, strict=True)
    return pd.Series([gone or checks[dtype](value) for value, gone in values], index=series.index)


def _is_finite(value: Any) -> bool:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number):
        return False
    if isinstance(value, np.complexfloating):
        return False
    return bool(-_FLOAT_MAX <= value <= _FLOAT_MAX)


def _is_whole(value: Any) -> bool:
    return _is_finite(value) and bool(value == value // 1 and abs(value) <= _INT_MAX)


def is_whole_text(text: str) -> bool:
    """Say whether text can be written to a file: half a character (a lone surrogate) can't."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def without_half_text(table: pd.DataFrame) -> pd.DataFrame:
    """Replace text that can't be written by something that is no text; the rest is as it was."""
    changed = {}
    for name in [
        name for name in table.columns if isinstance(table[name].dtype, np.dtypes.ObjectDType)
    ]:
        if not is_whole_text("".join(v for v in table[name].array if isinstance(v, str))):
            changed[name] = table[name].map(
                lambda v: _HalfText(v) if isinstance(v, str) and not is_whole_text(v) else v
            )
    return table.assign(**changed)


def comparable(dtype: str, series: pd.Series) -> pd.Series:
    """Bring values of the kind to one form that compares: times to UTC, numbers to numbers."""
    values = _without_categories(series)
    if dtype == "datetime":
        return pd.to_datetime(values, utc=True, errors="coerce").dt.tz_localize(None)
    return pd.to_numeric(values) if dtype in ("int", "float") else values
