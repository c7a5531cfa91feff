"""What one column of a contract promises, and how to draft that from values."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from mlops_kit.errors import DataError

__all__ = ["Column", "DTYPES", "drafted", "example"]

DTYPES = ("int", "float", "bool", "str", "datetime")
"""What a column may hold: whole numbers, finite numbers, truth, text or times."""

_EXAMPLES: Mapping[str, object] = {
    "int": 1, "float": 1.0, "bool": True, "str": "text", "datetime": "2025-01-06T08:00:00",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """What one column promises.

    Attributes
    ----------
    name : str
        Its name, as the frame and the service's clients spell it.
    dtype : {"int", "float", "bool", "str", "datetime"}
        What it holds. Whole numbers kept as floats are whole numbers; infinities are no numbers.
    nullable : bool, default=False
        Whether a value may be missing.
    minimum, maximum : number or time, optional
        The range, both ends included. Times without an offset are compared as they are, times with
        one as UTC.
    allowed : tuple, optional
        The only values there may be.
    personal : bool, default=False
        Whether it says something about a person. Its values appear in no report and no log.
    unit, note : str, default=""
        What a number counts in, and what the column means; for readers and the service's schema.
    """

    name: str
    dtype: str
    nullable: bool = False
    minimum: Any = None
    maximum: Any = None
    allowed: tuple[Any, ...] | None = None
    personal: bool = False
    unit: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise DataError(f"a column's name must be text, got {self.name!r}.")
        if self.dtype not in DTYPES:
            raise DataError(
                f"column {self.name!r}: there is no dtype {self.dtype!r}; there: "
                f"{', '.join(DTYPES)}."
            )
        for end in ("minimum", "maximum"):
            object.__setattr__(self, end, self._bound(end, getattr(self, end)))
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise DataError(
                f"column {self.name!r}: the minimum {self.minimum} is above the maximum "
                f"{self.maximum}. Swap them."
            )
        if self.allowed is not None:
            object.__setattr__(self, "allowed", self._values(tuple(self.allowed)))

    def _bound(self, end: str, value: Any) -> Any:
        if value is None:
            return None
        if self.dtype == "datetime":
            return _naive_utc(self.name, value)
        number = not isinstance(value, bool) and isinstance(value, int | float | np.number)
        if self.dtype not in ("int", "float") or not number or not math.isfinite(value):
            raise DataError(
                f"column {self.name!r}: a {self.dtype} can't have the {end} {value!r}. "
                "Numbers and times have ranges; text has allowed values."
            )
        plain = value.item() if isinstance(value, np.number) else value
        if self.dtype == "int":
            return math.ceil(plain) if end == "minimum" else math.floor(plain)
        return plain

    def _values(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        kind = {"int": int, "bool": bool, "str": str}.get(self.dtype)
        plain = tuple(value.item() if isinstance(value, np.generic) else value for value in values)
        if kind is None or not plain or any(type(value) is not kind for value in plain):
            raise DataError(
                f"column {self.name!r}: a {self.dtype} can't have the allowed values "
                f"{list(values)!r}. Whole numbers, truth and text can, at least one value of that "
                "kind; other columns have a range."
            )
        if self.minimum is not None or self.maximum is not None:
            raise DataError(f"column {self.name!r} has allowed values and a range; keep one.")
        return plain

    def to_dict(self) -> dict[str, Any]:
        """Give what differs from the defaults, ready for JSON or YAML."""
        kept: dict[str, Any] = {"name": self.name, "dtype": self.dtype}
        for key in ("nullable", "minimum", "maximum", "allowed", "personal", "unit", "note"):
            value = getattr(self, key)
            if value is not None and value is not False and value != "":
                kept[key] = list(value) if key == "allowed" else value
                if isinstance(value, datetime):
                    kept[key] = value.isoformat()
        return kept


def _naive_utc(name: str, value: Any) -> datetime:
    """Read a time; one with an offset becomes UTC, and none keeps its offset."""
    try:
        stamp = pd.Timestamp(value)
    except (ValueError, TypeError) as error:
        raise DataError(f"column {name!r}: {value!r} isn't a time ({error}).") from error
    if pd.isna(stamp):
        raise DataError(f"column {name!r}: a range can't end at a missing time.")
    moment = stamp.to_pydatetime(warn=False)
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def drafted(name: str, series: pd.Series, margin: float, categories: int, personal: bool) -> Column:
    """Draft what a column promises; see :meth:`mlops_kit.contracts.Contract.infer`."""
    present = series.dropna()
    missing = len(present) < len(series)
    kind = _kind(name, present)
    settings: dict[str, Any] = {"nullable": missing, "personal": personal}
    if personal or present.empty:
        return Column(name, kind, **settings)
    if kind == "str" and present.nunique() <= categories:
        settings["allowed"] = tuple(sorted(present.unique()))
    if kind == "int":
        settings |= _widened(int(present.min()), int(present.max()), margin)
    elif kind == "float":
        settings |= _widened(float(present.min()), float(present.max()), margin)
    return Column(name, kind, **settings)


def _widened(low: Any, high: Any, margin: float) -> dict[str, Any]:
    """Widen a range by a share of its span, not across 0."""
    room = margin * (high - low)
    room = math.ceil(room) if isinstance(low, int) else min(room, sys.float_info.max / 2)
    lowest = max(low - room, -sys.float_info.max)
    highest = min(high + room, sys.float_info.max)
    return {
        "minimum": max(lowest, type(low)(0)) if low >= 0 else lowest,
        "maximum": min(highest, type(high)(0)) if high <= 0 else highest,
    }


def _kind(name: str, present: pd.Series) -> str:
    kinds = {
        "boolean": "bool", "integer": "int", "floating": "float", "mixed-integer-float": "float",
        "string": "str", "datetime64": "datetime", "datetime": "datetime", "empty": "float",
    }  # fmt: skip
    values = present.astype(present.cat.categories.dtype) if hasattr(present, "cat") else present
    found = pd.api.types.infer_dtype(values, skipna=True)
    if found not in kinds:
        raise DataError(
            f"Contract.infer: column {name!r} holds {found} values; numbers, truth, text or times "
            "can be declared. Convert it, or leave it out."
        )
    if found == "floating" and not np.isfinite(values.to_numpy(dtype=float)).all():
        raise DataError(
            f"Contract.infer: column {name!r} holds infinite values; draft from clean data."
        )
    return kinds[found]


def example(column: Column) -> Any:
    """Make up a valid value, as JSON has it."""
    if column.allowed:
        return column.allowed[0]
    low, high = column.minimum, column.maximum
    if low is None and high is None:
        return _EXAMPLES[column.dtype]
    if column.dtype == "datetime":
        return (low if low is not None else high).isoformat()
    if low is None or high is None:
        middle = low if low is not None else high
    else:
        middle = low + (high - low) / 2
    return math.ceil(middle) if column.dtype == "int" else _round_within(middle, low, high)


def _round_within(value: float, low: float | None, high: float | None) -> float:
    """Round to four significant digits where that stays within the range."""
    rounded = float(f"{value:.4g}")
    inside = (low is None or rounded >= low) and (high is None or rounded <= high)
    return rounded if inside else float(value)
