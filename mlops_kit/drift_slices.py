"""In which slice a column has moved."""

import numpy as np
from numpy.typing import NDArray

from mlops_kit.drift_profile import Profile, Summary
from mlops_kit.drift_usual import apart

__all__ = ["where_moved"]

Floats = NDArray[np.float64]

_FEW = 30


def where_moved(reference: Profile, batch: Summary, name: str, *, missing: bool = False) -> str:
    """Say in which slice a column has moved, in words.

    A drift sits in a slice if little is left of it once the slice is taken out.

    Parameters
    ----------
    reference : Profile
        With ``slices``, otherwise there is nothing to say.
    batch : Summary
        Made with it.
    name : str
        The column.
    missing : bool, default=False
        Ask for its missing values instead of its values.

    Returns
    -------
    str
        Such as ``"above all where zone is zone-03"``; empty if there are no slices.

    Notes
    -----
    Taught in @sec-monitor. Season isn't taken into account within slices.
    """
    kind = reference.layouts[name].kind
    said = []
    for slicer in reference.slices:
        if slicer == name:
            continue
        labels = reference.layouts[slicer].categories
        was, now = reference.counts[name], batch.columns[name]
        if missing:
            old, new = (
                _with_present(was.missing, was.cells, slicer),
                _with_present(now.missing, now.cells, slicer),
            )
            kind = "category"
        else:
            old, new = was.cells[slicer].astype(float), now.cells[slicer].astype(float)
        large = [at for at in range(len(labels)) if old[at].sum() >= _FEW and new[at].sum() >= _FEW]
        if len(large) > 1:
            said.append(_in_which(slicer, labels, large, kind, old, new))
    return "; ".join(part for part in said if part)


def _with_present(
    missing: dict[str, NDArray[np.int64]], cells: dict[str, NDArray[np.int64]], slicer: str
) -> Floats:
    return np.stack([missing[slicer], cells[slicer].sum(axis=1)], axis=1).astype(float)


def _in_which(
    slicer: str, labels: tuple[str, ...], large: list[int], kind: str, old: Floats, new: Floats
) -> str:
    each = {at: apart(kind, old[at], new[at]) for at in large}
    whole = apart(kind, old[large].sum(axis=0), new[large].sum(axis=0))
    order = sorted(large, key=lambda at: -each[at])
    for taken in range(1, min(3, len(order) - 1) + 1):
        rest = order[taken:]
        if apart(kind, old[rest].sum(axis=0), new[rest].sum(axis=0)) < 0.4 * whole:
            names = ", ".join(f"{labels[at]} ({each[at]:.0%} of its rows)" for at in order[:taken])
            return f"above all where {slicer} is {names}"
    if each[order[-1]] > 0.5 * whole:
        return f"in every {slicer}"
    return f"most where {slicer} is {labels[order[0]]} ({each[order[0]]:.0%} of its rows)"
