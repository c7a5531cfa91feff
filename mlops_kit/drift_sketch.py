"""Counts instead of rows: what is kept of a column, how it is counted, and how counts add up.

A layout fixes the cells of a column once, from the reference. Any batch is then counted in the
same cells, in one pass and a few kilobytes, and counts of two batches add up to exactly the counts
of both together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops_kit.drift_layout import Layout, as_names, as_numbers, as_seconds, factorize
from mlops_kit.errors import DataError

__all__ = ["Counts", "Groups", "count_frame"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

_NAMES_KEPT = 20
# Small enough for a core's cache: sorting such a piece and looking the borders up in it is several
# times faster than looking each value up among the borders.
_PIECE = 16_384


@dataclass(frozen=True, slots=True)
class Groups:
    """To which group each row belongs; -1 for none.

    Attributes
    ----------
    labels : tuple of str
        Names of the groups.
    codes : ndarray of shape (n_rows,), optional
        Where all rows belong to the only group, None.
    """

    labels: tuple[str, ...]
    codes: Ints | None


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """What is kept of one column.

    Attributes
    ----------
    cells : dict of str to ndarray of shape (n_groups, n_cells)
        For each grouping, rows by group and cell.
    missing : dict of str to ndarray of shape (n_groups,)
        For each grouping, rows without a value.
    infinite, invalid : int
        Rows with an infinite value, and with text where a number belongs.
    n : int
        Rows with a value that could be counted.
    mean, squares : float
        Mean, and sum of squared distances to it, of a number's finite values.
    low, high : float
        The smallest and the largest finite value; nan where there is none.
    unknown : dict of str to int
        Categories that the reference doesn't have, the most frequent of them.
    """

    cells: dict[str, Ints]
    missing: dict[str, Ints]
    infinite: int = 0
    invalid: int = 0
    n: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = float("nan")
    high: float = float("nan")
    unknown: dict[str, int] = field(default_factory=dict)

    def __add__(self, other: "Counts") -> "Counts":
        n = self.n + other.n
        step = other.mean - self.mean
        return Counts(
            {name: kept + other.cells[name] for name, kept in self.cells.items()},
            {name: kept + other.missing[name] for name, kept in self.missing.items()},
            self.infinite + other.infinite,
            self.invalid + other.invalid,
            n,
            self.mean + (step * other.n / n if n else 0.0),
            self.squares + other.squares + (step**2 * self.n * other.n / n if n else 0.0),
            float(np.fmin(self.low, other.low)),
            float(np.fmax(self.high, other.high)),
            _most_frequent(self.unknown, other.unknown),
        )

    @property
    def deviation(self) -> float:
        """The standard deviation of a number's finite values."""
        return float(np.sqrt(self.squares / self.n)) if self.n else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Give what JSON can hold."""
        return {
            "cells": {name: kept.tolist() for name, kept in self.cells.items()},
            "missing": {name: kept.tolist() for name, kept in self.missing.items()},
            "infinite": self.infinite,
            "invalid": self.invalid,
            "n": self.n,
            "mean": self.mean,
            "squares": self.squares,
            "low": None if np.isnan(self.low) else self.low,
            "high": None if np.isnan(self.high) else self.high,
            "unknown": self.unknown,
        }

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any], layout: Layout) -> "Counts":
        """Take what :meth:`to_dict` gave."""
        cells = {name: np.asarray(rows, dtype=np.int64) for name, rows in kept["cells"].items()}
        for rows in cells.values():
            if rows.ndim != 2 or rows.shape[1] != layout.cells or (rows < 0).any():
                raise DataError(f"the counts of {layout.name!r} don't fit its cells.")
        low, high = kept["low"], kept["high"]
        return cls(
            cells,
            {name: np.asarray(rows, dtype=np.int64) for name, rows in kept["missing"].items()},
            int(kept["infinite"]),
            int(kept["invalid"]),
            int(kept["n"]),
            float(kept["mean"]),
            float(kept["squares"]),
            float("nan") if low is None else float(low),
            float("nan") if high is None else float(high),
            {str(name): int(rows) for name, rows in kept["unknown"].items()},
        )


def count_frame(
    frame: pd.DataFrame, layouts: Mapping[str, Layout], groupings: Mapping[str, Groups]
) -> dict[str, Counts]:
    """Count the columns of a frame that have a layout, in one pass over its rows."""
    counters = {name: _counter(frame[name], layout) for name, layout in layouts.items()}
    counts = {name: _nothing(layout, groupings) for name, layout in layouts.items()}
    for start in range(0, len(frame), _PIECE):
        piece = slice(start, min(start + _PIECE, len(frame)))
        here = {
            name: Groups(groups.labels, None if groups.codes is None else groups.codes[piece])
            for name, groups in groupings.items()
        }
        for name, counter in counters.items():
            counts[name] = counts[name] + counter(piece, here)
    return counts


def _nothing(layout: Layout, groupings: Mapping[str, Groups]) -> Counts:
    return Counts(
        {
            name: np.zeros((len(groups.labels), layout.cells), dtype=np.int64)
            for name, groups in groupings.items()
        },
        {name: np.zeros(len(groups.labels), dtype=np.int64) for name, groups in groupings.items()},
    )


_Counter = Callable[[slice, Mapping[str, Groups]], Counts]


def _counter(values: pd.Series, layout: Layout) -> _Counter:
    if layout.kind == "category":
        return _category_counter(values, layout)
    plain = isinstance(values.dtype, np.dtype) and values.dtype.kind in "fiub"
    whole = values.to_numpy() if plain else None

    def count(piece: slice, groupings: Mapping[str, Groups]) -> Counts:
        invalid: Flags | None = None
        if whole is not None:
            numbers = whole[piece].astype(np.float64)
        elif layout.kind == "time":
            numbers = as_seconds(values.iloc[piece])
        else:
            numbers, invalid = as_numbers(values.iloc[piece])
        return _count_numbers(numbers, invalid, layout, groupings)

    return count


def _count_numbers(
    numbers: Floats, invalid: Flags | None, layout: Layout, groupings: Mapping[str, Groups]
) -> Counts:
    cells, missing = {}, {}
    wrong = 0 if invalid is None else int(invalid.sum())
    grouped = {name: groups for name, groups in groupings.items() if groups.codes is not None}
    if grouped:
        finite_rows, empty = np.isfinite(numbers), np.isnan(numbers)
        if invalid is not None:
            empty &= ~invalid
        cell = np.searchsorted(layout.edges, numbers)
        for name, groups in grouped.items():
            cells[name] = _cross(groups, cell, layout.cells, finite_rows)
            missing[name] = _cross(groups, np.zeros_like(cell), 1, empty)[:, 0]
    numbers = np.sort(numbers)  # nan comes last
    first = int(np.searchsorted(numbers, -np.inf, side="right"))
    last = int(np.searchsorted(numbers, np.inf, side="left"))
    filled = int(np.searchsorted(numbers, np.inf, side="right"))
    finite = numbers[first:last]
    for name in groupings.keys() - grouped.keys():
        upto = np.searchsorted(finite, layout.edges, side="right")
        counted = np.empty((1, layout.cells), dtype=np.int64)
        counted[0, :-1], counted[0, -1] = upto, finite.size
        counted[0, 1:] -= upto
        cells[name] = counted
        missing[name] = np.array([numbers.size - filled - wrong])
    n, infinite = finite.size, filled - finite.size
    if n == 0:
        return Counts(cells, missing, infinite, wrong)
    low, high = float(finite[0]), float(finite[-1])
    with np.errstate(over="ignore", invalid="ignore"):
        finite -= layout.centre
        mean = float(finite.sum()) / n
        # Not a dot product: BLAS would wake threads for a piece of this size.
        squares = max(0.0, float(np.einsum("i,i->", finite, finite)) - n * mean**2)
    mean += layout.centre
    return Counts(cells, missing, infinite, wrong, n, mean, squares, low, high)


def _category_counter(values: pd.Series, layout: Layout) -> _Counter:
    index = pd.Index(layout.categories, dtype=object)
    other = len(layout.categories)

    def count(piece: slice, groupings: Mapping[str, Groups]) -> Counts:
        codes, uniques = factorize(values.iloc[piece])
        names = as_names(uniques)
        target = index.get_indexer(pd.Index(names, dtype=object))
        cell = np.append(np.where(target < 0, other, target), -1)[codes]
        cells, missing = {}, {}
        for name, groups in groupings.items():
            cells[name] = _cross(groups, cell, layout.cells, cell >= 0)
            missing[name] = _cross(groups, np.zeros_like(cell), 1, cell < 0)[:, 0]
        frequency = np.bincount(codes[codes >= 0], minlength=len(uniques))
        unknown = {names[at]: int(frequency[at]) for at in np.flatnonzero(target < 0)}
        filled = int((cell >= 0).sum())
        return Counts(cells, missing, n=filled, unknown=_most_frequent(unknown))

    return count


def _cross(groups: Groups, cell: Ints, cells: int, chosen: NDArray[np.bool_]) -> Ints:
    """Count the chosen rows by group and cell."""
    size = len(groups.labels) * cells
    if groups.codes is None:
        counted = np.bincount(cell[chosen], minlength=size)
    else:
        chosen = chosen & (groups.codes >= 0)
        counted = np.bincount(groups.codes[chosen] * cells + cell[chosen], minlength=size)
    return counted.reshape(len(groups.labels), cells).astype(np.int64)


def _most_frequent(*parts: Mapping[str, int]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for name, rows in part.items():
            total[name] = total.get(name, 0) + rows
    kept = sorted(total.items(), key=lambda pair: (-pair[1], pair[0]))[:_NAMES_KEPT]
    return dict(kept)
