"""What is wrong with a batch as data, whatever its distributions."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops_kit.drift_layout import as_seconds
from mlops_kit.drift_profile import ALL, Profile, Summary
from mlops_kit.drift_tests import rate_p_value
from mlops_kit.drift_usual import ENOUGH

__all__ = ["ALARMS", "Alarm", "alarms_of", "volume_alarm"]

ALARMS = {
    "empty": "There are no rows: see whether the source, the log or the filter before it stopped.",
    "missing column": "Ask upstream what became of it; until then the model can't be trusted.",
    "renamed column": "Agree on one name with upstream, or map the new one in the contract.",
    "unknown column": "Nothing need be done; take it into a new reference if the model uses it.",
    "all missing": "Ask upstream; the model sees a column of blanks.",
    "constant column": "Look whether a sensor is stuck, a default is sent or a join is empty.",
    "infinite values": "Look for a division by 0 or an overflow upstream.",
    "wrong type": "Text came where numbers belong: look at the parser and the contract.",
    "new categories": "Find out what they are; the model hasn't seen them in training.",
    "clock": "Compare the clocks and the time zones of what sends and what receives.",
    "volume": "Find out who stopped asking, or who asks twice, before judging anything else.",
    "short reference": "Make the reference of at least eight days, better of a season or more; "
    "until then expect false alarms.",
    "unseen season": "The reference has no rows of this season; what drifts may be the season. "
    "Extend the reference with a summary of such rows.",
}
"""Every alarm, and what to do about it."""

NOTES = {"short reference", "unknown column", "unseen season"}
_MINUTES = 5
_NEVER = 1e-6


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something wrong with the data.

    Attributes
    ----------
    name : str
        One of :data:`ALARMS`.
    column : str
        In which column; empty if in the table.
    text, advice : str
        What was found, and what to do.
    serious : bool
        Whether it counts; otherwise it is a note.
    """

    name: str
    column: str
    text: str
    advice: str
    serious: bool


def alarms_of(
    reference: Profile,
    batch: Summary,
    *,
    alpha: float = 0.01,
    minimum: float = 0.05,
    now: pd.Timestamp | str | None = None,
) -> tuple[Alarm, ...]:
    """List what is wrong with a batch as data, the serious first.

    Parameters
    ----------
    reference : Profile
        What it looked like when all was well.
    batch : Summary
        Made with it.
    alpha, minimum : float
        New categories count where chance explains them with less than ``alpha``, and they are at
        least a fifth of ``minimum`` of the rows; fewer are a note.
    now : timestamp, optional
        Rows more than five minutes later come from the future. UTC.

    Returns
    -------
    tuple of Alarm

    Notes
    -----
    Taught in @sec-monitor. The order of columns means nothing, so that reordered columns raise no
    alarm.
    """
    found = list(_of_table(reference, batch, now))
    if batch.rows:
        for name in reference.layouts:
            if not batch.absent.get(name):
                found += _of_column(reference, batch, name, alpha, minimum)
    return tuple(sorted(found, key=lambda alarm: not alarm.serious))


def volume_alarm(reference: Profile, rows: int) -> Alarm | None:
    """Say whether one block of so many rows is far smaller or larger than any of the reference's.

    Far is less than 0.7 of the smallest, or more than 1.4 times the largest.
    """
    low, high = reference.volume
    if high and not 0.7 * low <= rows <= 1.4 * high:
        text = f"{rows:,} rows in a {reference.every}; {low:,} to {high:,} are usual"
        return _alarm("volume", "", text)
    return None


def _alarm(name: str, column: str, text: str, *, serious: bool = True) -> Alarm:
    return Alarm(name, column, text, ALARMS[name], serious and name not in NOTES)


def _of_table(
    reference: Profile, batch: Summary, now: pd.Timestamp | str | None
) -> Iterator[Alarm]:
    if not batch.rows:
        yield _alarm("empty", "", "no rows")
        return
    for name, rows in batch.absent.items():
        if not rows:
            continue
        part = "" if rows == batch.rows else f" in {rows:,} of {batch.rows:,} rows"
        if name in batch.renamed:
            text = f"{name} is missing{part}; {batch.renamed[name]} looks like it"
            yield _alarm("renamed column", name, text)
        else:
            yield _alarm("missing column", name, f"{name} is missing{part}")
    taken = set(batch.renamed.values())
    for name in batch.extra:
        if name not in taken:
            yield _alarm("unknown column", name, f"{name} isn't in the reference")
    yield from _of_clock(reference, batch, now)
    yield from _of_season(reference, batch)


def _of_clock(
    reference: Profile, batch: Summary, now: pd.Timestamp | str | None
) -> Iterator[Alarm]:
    name = reference.time
    if not name or batch.absent.get(name):
        return
    here, kept = batch.columns[name], reference.counts[name]
    missing = int(here.missing[ALL].sum()) + here.invalid
    if missing and not kept.missing[ALL].sum():
        yield _alarm("clock", name, f"{name} holds no time in {missing:,} rows")
    if not here.n:
        return
    if now is not None:
        ahead = here.high - float(as_seconds(pd.Series([pd.Timestamp(now)]))[0])
        if ahead > 60 * _MINUTES:
            yield _alarm("clock", name, f"{name} is up to {_span(ahead)} ahead of the clock")
    if here.low < kept.low:
        text = f"{name} goes back {_span(kept.low - here.low)} before the reference began"
        yield _alarm("clock", name, text)


def _span(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def _of_season(reference: Profile, batch: Summary) -> Iterator[Alarm]:
    if reference.time and reference.blocks < ENOUGH:
        text = (
            f"the reference has {reference.blocks} {reference.every}s: too few to know how they "
            "differ, so that rows are taken as independent"
        )
        yield _alarm("short reference", "", text)
    elif reference.time:
        yield from _of_memory(reference)
    if not reference.season or reference.time in batch.absent:
        return
    name = reference.time
    # Each row is counted once for its season, with a value or without one.
    kept, here = (
        counts.cells[ALL].sum(axis=1) + counts.missing[ALL]
        for counts in (reference.counts[name], batch.columns[name])
    )
    unseen = int(here[:-1][kept[:-1] == 0].sum())
    if unseen:
        text = f"{unseen / batch.rows:.0%} of rows are of a season that the reference lacks"
        yield _alarm("unseen season", name, text)


def _of_memory(reference: Profile) -> Iterator[Alarm]:
    """Say of which columns the reference knows too little, since its days resemble each other."""
    for name, known in reference.usual.items():
        usual = known.get(1, {}).get("value")
        if usual is not None and usual.windows < ENOUGH:
            text = (
                f"{name} changes slowly: {reference.blocks} {reference.every}s tell no more than "
                f"{usual.windows} would that don't resemble their neighbours, so that only a very "
                "large move is flagged"
            )
            yield _alarm("short reference", name, text)


def _of_column(
    reference: Profile, batch: Summary, name: str, alpha: float, minimum: float
) -> Iterator[Alarm]:
    layout, kept, here = reference.layouts[name], reference.counts[name], batch.columns[name]
    if layout.kind == "time":
        return
    cells, was = here.cells[ALL].sum(axis=0), kept.cells[ALL].sum(axis=0)
    missing = int(here.missing[ALL].sum())
    if missing == batch.rows and was.sum():
        yield _alarm("all missing", name, f"{name} is missing in every row")
    if here.infinite and not kept.infinite:
        yield _alarm("infinite values", name, f"{name} is infinite in {here.infinite:,} rows")
    if here.invalid and not kept.invalid:
        yield _alarm("wrong type", name, f"{name} holds no number in {here.invalid:,} rows")
    if _became_constant(reference, name, here.low == here.high, cells):
        yield _alarm("constant column", name, f"{name} has one value in all {cells.sum():,} rows")
    unknown = int(cells[-1]) if layout.kind == "category" else 0
    if unknown and not layout.open:
        # Categories seen once in the reference tell how many were not seen (Good and Turing).
        rare = int((was == 1).sum())
        share = unknown / max(1, int(cells.sum()))
        chance = rate_p_value(unknown, int(cells.sum()), rare, int(was.sum()))
        names = ", ".join(repr(known) for known in list(here.unknown)[:3])
        yield _alarm(
            "new categories",
            name,
            f"{name} has new categories in {share:.1%} of rows: {names}",
            serious=share >= minimum / 5 and chance <= alpha,
        )


def _became_constant(
    reference: Profile, name: str, one_number: bool, cells: NDArray[np.int64]
) -> bool:
    layout, kept = reference.layouts[name], reference.counts[name]
    if layout.kind == "number":
        if not one_number or kept.low == kept.high:
            return False
    elif (cells > 0).sum() != 1:
        return False
    if reference.flat.get(name):
        return False
    was = kept.cells[ALL].sum(axis=0)
    shares = was / max(1, was.sum())
    # The chance that independent rows all fall into one cell.
    return bool((shares ** float(cells.sum())).sum() < _NEVER)
