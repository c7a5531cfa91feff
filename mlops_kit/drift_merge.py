"""Adding profiles that were made apart, each with cells of its own."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mlops_kit.drift_layout import MAX_CATEGORIES, Layout
from mlops_kit.drift_profile import Profile
from mlops_kit.drift_sketch import Counts
from mlops_kit.drift_usual import Usual
from mlops_kit.errors import DataError

__all__ = ["merge"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def merge(first: Profile, second: Profile) -> Profile:
    """Add two profiles of different rows of the same table.

    Profiles that count alike add up exactly. Otherwise the second's rows are spread evenly over
    the first's cells; what that may misplace is kept as ``rank_error`` by column and added to the
    error bounds. What is usual is pooled over the blocks of both.

    Parameters
    ----------
    first, second : Profile
        The first fixes the cells.

    Returns
    -------
    Profile
        Of the rows of both.

    Raises
    ------
    DataError
        If columns, kinds, time, season or slices differ.

    Notes
    -----
    Taught in @sec-monitor.

    Examples
    --------
    >>> import pandas as pd
    >>> from mlops_kit.drift_reference import profile
    >>> both = profile(pd.DataFrame({"x": range(50)})) + profile(pd.DataFrame({"x": range(70)}))
    >>> both.rows, int(both.counts["x"].cells["all"].sum())
    (120, 120)
    """
    _check_alike(first, second)
    layouts = {
        name: _joint_layout(layout, second.layouts[name]) for name, layout in first.layouts.items()
    }
    counts, errors = {}, {}
    share = second.rows / max(1, first.rows + second.rows)
    for name, layout in layouts.items():
        one, e1 = _moved(first.counts[name], first.layouts[name], layout, first, layouts)
        two, e2 = _moved(second.counts[name], second.layouts[name], layout, second, layouts)
        counts[name] = one + two
        before = (1 - share) * (first.rank_error.get(name, 0.0) + e1)
        errors[name] = before + share * (second.rank_error.get(name, 0.0) + e2)
    return replace(
        first,
        layouts=layouts,
        counts=counts,
        rows=first.rows + second.rows,
        blocks=first.blocks + second.blocks,
        usual={name: _pooled(first.usual.get(name), second.usual.get(name)) for name in layouts},
        flat={name: first.flat.get(name, 0) + second.flat.get(name, 0) for name in layouts},
        rank_error=errors,
        volume=_span(first.volume, second.volume),
    )


def _check_alike(first: Profile, second: Profile) -> None:
    for what in ("time", "season", "slices", "every", "roles"):
        if getattr(first, what) != getattr(second, what):
            raise DataError(
                f"merge: the profiles differ in {what}: {getattr(first, what)!r} and "
                f"{getattr(second, what)!r}. Make both with the same options."
            )
    kinds = [{n: k.kind for n, k in made.layouts.items()} for made in (first, second)]
    if kinds[0] != kinds[1]:
        differ = sorted(dict(kinds[0].items() ^ kinds[1].items()))
        raise DataError(
            f"merge: the profiles differ in {', '.join(differ)}: a column of one is missing or of "
            "another kind in the other. Make both from the same columns, with kinds=."
        )


def _joint_layout(one: Layout, other: Layout) -> Layout:
    if one.kind != "category":
        return one if len(one.edges) or not len(other.edges) else other
    names = [*one.categories, *(n for n in other.categories if n not in one.categories)]
    kept = tuple(names[: max(MAX_CATEGORIES, len(one.categories))])
    return replace(one, categories=kept, open=one.open or other.open or len(names) > len(kept))


def _moved(
    counts: Counts, old: Layout, new: Layout, made: Profile, layouts: dict[str, Layout]
) -> tuple[Counts, float]:
    """Bring counts into other cells; and what that may have misplaced, a share of rows."""
    spread = _categories_spread(old, new) if old.kind == "category" else _cells_spread(old, new)
    cells = {name: _whole(rows @ spread) for name, rows in counts.cells.items()}
    missing = dict(counts.missing)
    for name in made.slices:
        label, wanted = made.layouts[name].categories, layouts[name].categories
        at = [wanted.index(value) if value in wanted else -1 for value in label]
        wide = np.zeros((len(wanted), new.cells), dtype=np.int64)
        empty = np.zeros(len(wanted), dtype=np.int64)
        for row, place in enumerate(at):
            if place >= 0:
                wide[place] += cells[name][row]
                empty[place] += missing[name][row]
        cells[name], missing[name] = wide, empty
    if old.kind == "category":
        return replace(counts, cells=cells, missing=missing), 0.0
    rows = counts.cells["all"].sum(axis=0)
    torn = (spread > 0).sum(axis=1) > 1
    worst = float(rows[torn].max() / max(1, rows.sum())) if torn.any() else 0.0
    return replace(counts, cells=cells, missing=missing), worst


def _categories_spread(old: Layout, new: Layout) -> Floats:
    spread = np.zeros((old.cells, new.cells))
    place = {name: at for at, name in enumerate(new.categories)}
    for row, name in enumerate(old.categories):
        spread[row, place.get(name, new.cells - 1)] = 1
    spread[-1, -1] = 1
    return spread


def _cells_spread(old: Layout, new: Layout) -> Floats:
    """Say which share of each old cell falls into each new one, rows evenly spread."""
    spread = np.zeros((old.cells, new.cells))
    if old.cells == new.cells and np.array_equal(old.edges, new.edges):
        return np.eye(old.cells)
    for row in range(1, old.cells - 1):
        low, high = old.edges[row - 1], old.edges[row]
        first, last = np.searchsorted(new.edges, [np.nextafter(low, np.inf), high])
        borders = np.concatenate([[low], new.edges[first:last], [high]])
        spread[row, first : last + 1] = np.diff(borders) / (high - low)
    # Rows beyond the old reference came with later batches; nothing more is known of them.
    if old.edges.size:
        spread[0, np.searchsorted(new.edges, old.edges[0])] = 1
        spread[-1, np.searchsorted(new.edges, np.nextafter(old.edges[-1], np.inf))] = 1
    return spread


def _whole(rows: Floats) -> Ints:
    """Round so that each row's sum stays as it was."""
    sums = np.rint(np.cumsum(rows, axis=1) - 1e-9).astype(np.int64)
    return np.diff(sums, axis=1, prepend=0)


def _pooled(
    one: dict[int, dict[str, Usual]] | None, other: dict[int, dict[str, Usual]] | None
) -> dict[int, dict[str, Usual]]:
    found: dict[int, dict[str, Usual]] = {}
    for kept in (one or {}, other or {}):
        for window, parts in kept.items():
            here = found.setdefault(window, {})
            for what, usual in parts.items():
                here[what] = here[what] + usual if what in here else usual
    return found


def _span(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    known = [span for span in (one, other) if span != (0, 0)]
    if not known:
        return (0, 0)
    return min(low for low, _ in known), max(high for _, high in known)
