"""A column's verdict in words."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_kit.drift_profile import ALL, Profile, Summary
from mlops_kit.drift_usual import expected

__all__ = ["sentence"]

Floats = NDArray[np.float64]


def sentence(
    reference: Profile,
    batch: Summary,
    name: str,
    found: Mapping[str, Any],
    verdicts: tuple[bool, bool],
    where: str,
) -> str:
    """Say what moved in a column, by how much and where; verdicts on values and on missing."""
    parts: Sequence[str] = [
        *([_moved_text(reference, batch, name, found)] if verdicts[0] else []),
        *(
            [f"missing in {found['missing']:.1%} of rows, {found['reference_missing']:.1%} before"]
            if verdicts[1]
            else []
        ),
    ]
    if not parts:
        return f"{name}: no drift"
    return f"{name}: {'; '.join(parts)}{', ' + where if where else ''}"


def _moved_text(reference: Profile, batch: Summary, name: str, found: Mapping[str, Any]) -> str:
    distance, step = found["distance"], found["wasserstein"]
    layout, kept, here = reference.layouts[name], reference.counts[name], batch.columns[name]
    shares, _ = expected(kept.cells[ALL], here.cells[ALL])
    now = here.cells[ALL].sum(axis=0) / here.cells[ALL].sum()
    if layout.kind == "number":
        middles = [_median(layout.edges, cells, kept.low, here.high) for cells in (shares, now)]
        return (
            f"median {middles[0]:.4g} → {middles[1]:.4g}, a row by {step:.3g} on average; "
            f"{distance:.0%} of rows moved at least"
        )
    at = int(np.abs(now - shares).argmax())
    label = repr(layout.categories[at]) if at < len(layout.categories) else "unknown categories"
    return f"{label} {shares[at]:.1%} → {now[at]:.1%} of rows, {distance:.0%} of rows moved"


def _median(edges: Floats, shares: Floats, low: float, high: float) -> float:
    """Give the upper border of the cell that holds the middle row, in the season's mix."""
    at = int(np.searchsorted(np.cumsum(shares), 0.5 * shares.sum() - 1e-12))
    borders = np.concatenate([edges, [high]])
    return float(borders[at]) if at else float(min(low, edges[0]))
