"""How a column is counted: the cells that the reference fixes once, and how values are read.

Numbers are counted between percentiles of the reference, categories by name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops_kit.errors import DataError

__all__ = ["Layout", "as_names", "as_numbers", "as_seconds", "factorize", "kind_of", "lay"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

CELLS = 100
MAX_CATEGORIES = 200
_OFTEN = 20  # rows of a category, where there are too many to keep all
_DIGITS = 1e-6  # of a value: more than single precision loses


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """How one column is counted.

    Attributes
    ----------
    name : str
        The column.
    kind : str
        ``"number"``, ``"category"`` or ``"time"`` (counted, never tested for drift).
    edges : ndarray of shape (n_cells - 1,)
        Borders of a number's cells; a cell holds its upper border. The first and the last cell
        hold what lies beyond the reference.
    categories : tuple of str
        Names of a category's cells, the most frequent first; one more cell holds all others.
    open : bool
        Whether the reference already had more categories than are kept.
    centre : float
        A number in the middle, so that sums of squares keep their digits.
    """

    name: str
    kind: str
    edges: Floats = field(default_factory=lambda: np.empty(0))
    categories: tuple[str, ...] = ()
    open: bool = False
    centre: float = 0.0

    @property
    def cells(self) -> int:
        """How many cells there are."""
        return 1 + (len(self.categories) if self.kind == "category" else len(self.edges))

    @property
    def middles(self) -> Floats:
        """The middle of each of a number's cells; what lies beyond the reference is cut off."""
        ends = self.edges[[0, -1]]
        return np.concatenate([ends[:1], (self.edges[:-1] + self.edges[1:]) / 2, ends[1:]])

    def to_dict(self) -> dict[str, Any]:
        """Give what JSON can hold."""
        return {
            "name": self.name,
            "kind": self.kind,
            "edges": self.edges.tolist(),
            "categories": list(self.categories),
            "open": self.open,
            "centre": self.centre,
        }

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> "Layout":
        """Take what :meth:`to_dict` gave."""
        edges = np.asarray(kept["edges"], dtype=float)
        if not np.isfinite(edges).all() or (np.diff(edges) <= 0).any():
            raise DataError(f"the borders of {kept['name']!r} must be finite and ascending.")
        return cls(
            str(kept["name"]),
            str(kept["kind"]),
            edges,
            tuple(str(name) for name in kept["categories"]),
            bool(kept["open"]),
            float(kept["centre"]),
        )


def kind_of(values: pd.Series) -> str:
    """Say how a column is counted: by number, by category or by time."""
    kind = values.dtype
    if pd.api.types.is_datetime64_any_dtype(kind):
        return "time"
    is_number = pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_complex_dtype(kind)
    return "number" if is_number and not pd.api.types.is_bool_dtype(kind) else "category"


def lay(values: pd.Series, kind: str) -> Layout:
    """Fix the cells of a column from the reference: percentiles, or the known categories."""
    name = str(values.name)
    if kind == "time":
        return Layout(name, kind)
    if kind == "category":
        known = _by_frequency(values)
        many = len(known) > MAX_CATEGORIES
        # Of very many the most frequent are partly so by luck, and would seem to lose rows later.
        kept = [category for category, rows in known if not many or rows >= _OFTEN]
        return Layout(name, kind, categories=tuple(kept[:MAX_CATEGORIES]), open=many)
    numbers, _ = as_numbers(values)
    numbers = np.sort(numbers[np.isfinite(numbers)])
    if numbers.size == 0:
        return Layout(name, kind)
    ranks = np.ceil(np.arange(1, CELLS + 1) / CELLS * numbers.size).astype(np.int64) - 1
    borders = _above(numbers, np.unique(numbers[ranks]))
    low = float(numbers[0])
    below = min(low - _DIGITS * abs(low), float(np.nextafter(low, -np.inf)))
    return Layout(
        name,
        kind,
        edges=np.concatenate([[below], borders[borders > below]]),
        centre=float(numbers[numbers.size // 2]),
    )


def _above(ordered: Floats, values: Floats) -> Floats:
    """Put each border a little above its value, so that digits lost on the way don't matter.

    A value that repeats would otherwise change its cell when a file keeps one digit less.
    """
    at = np.searchsorted(ordered, values, side="right")
    following = np.append(ordered, np.inf)[at]
    with np.errstate(over="ignore"):
        room = values + np.minimum(_DIGITS * np.abs(values), (following - values) / 2)
    return np.unique(np.minimum(room, np.finfo(np.float64).max))


def _by_frequency(values: pd.Series) -> list[tuple[str, int]]:
    """Name and count the categories, the most frequent first, ties in the order of their names."""
    codes, uniques = factorize(values)
    total: dict[str, int] = {}
    frequency = np.bincount(codes[codes >= 0], minlength=len(uniques))
    for name, rows in zip(as_names(uniques), frequency, strict=True):
        total[name] = total.get(name, 0) + int(rows)
    return sorted(total.items(), key=lambda pair: (-pair[1], pair[0]))


def as_numbers(values: pd.Series) -> tuple[Floats, Flags | None]:
    """Read a column as numbers, nan where there is none; and which rows held something else."""
    kind = values.dtype
    if isinstance(kind, np.dtype) and kind.kind in "fiub":
        return values.to_numpy().astype(np.float64), None
    if pd.api.types.is_datetime64_any_dtype(kind):
        return as_seconds(values), None
    if pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_complex_dtype(kind):
        return values.to_numpy(dtype=np.float64, na_value=np.nan), None
    read = pd.to_numeric(values.astype(object), errors="coerce")
    numbers = read.to_numpy(dtype=np.float64, na_value=np.nan)
    return numbers, np.isnan(numbers) & values.notna().to_numpy()


def as_seconds(values: pd.Series) -> Floats:
    """Read times as seconds since 1970, UTC where no zone is given; nan where there is none."""
    if not pd.api.types.is_datetime64_any_dtype(values.dtype):
        values = pd.to_datetime(values, errors="coerce", utc=True, format="ISO8601")
    if getattr(values.dtype, "tz", None) is not None:
        values = values.dt.tz_convert("UTC").dt.tz_localize(None)
    stamps = values.to_numpy().astype("datetime64[us]")
    return np.where(np.isnat(stamps), np.nan, stamps.astype(np.int64) / 1e6)


def as_names(values: Iterable[object]) -> list[str]:
    """Name categories so that 1 and 1.0 of different files are the same."""
    return [_name(value) for value in values]


def _name(value: object) -> str:
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def factorize(values: pd.Series) -> tuple[Ints, Any]:
    """Number the distinct values of a column, -1 where there is none."""
    try:
        codes, uniques = pd.factorize(values)
    except TypeError:  # lists and the like can't be hashed
        codes, uniques = pd.factorize(values.map(str))
    return codes.astype(np.int64), uniques
