"""Making a reference profile: how columns are counted, and how far normal days are apart."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from mlops_kit.drift_layout import as_seconds, kind_of, lay
from mlops_kit.drift_profile import ALL, Profile, check_frame, season_of
from mlops_kit.drift_sketch import Groups, count_frame
from mlops_kit.drift_usual import ENOUGH, season_groups, usual_days
from mlops_kit.errors import DataError

__all__ = ["WINDOWS", "profile"]

WINDOWS = (1, 7)
"""How many days are looked at together, if the reference is long enough to say what is usual."""

_MANY = 50
_IDENTIFIER = re.compile(r"(^|[^a-z])(id|key|uuid|index|nr|no)$|^unnamed", re.IGNORECASE)
_SECONDS = {"hour": 3600, "day": 86_400, "week": 604_800}


def profile(
    frame: pd.DataFrame,
    *,
    time: str = "",
    season: Sequence[str] = (),
    slices: Sequence[str] = (),
    every: str = "day",
    kinds: Mapping[str, str] | None = None,
    ignore: Sequence[str] = (),
    predictions: Sequence[str] = (),
    labels: Sequence[str] = (),
) -> Profile:
    """Make a reference profile of a table, once.

    Parameters
    ----------
    frame : pandas.DataFrame of shape (n_rows, n_columns)
        The reference: rows from when all was well, such as the training data. With a season it
        should hold every part of it.
    time : str, optional
        The column that says when a row happened. With it, days are compared with days: the
        profile measures how far normal days are from each other, so that rows that share their
        day's weather don't count as independent evidence. Without it rows are taken as
        independent.
    season : sequence of str, optional
        By what normal rows differ: any of ``"hour"``, ``"weekday"``, ``"weekend"``, ``"month"``.
        A batch is compared with the reference's rows of the same parts. Needs ``time``.
    slices : sequence of str, optional
        Categories by which an alert is broken down.
    every : str, default="day"
        Which rows share their luck: those of the same ``"hour"``, ``"day"`` or ``"week"``.
    kinds : mapping of str to str, optional
        ``"number"`` or ``"category"`` for columns where the type says otherwise.
    ignore : sequence of str, optional
        Columns to leave out. So are identifiers, unless ``kinds`` names them: text that never
        repeats, and whole numbers that only rise under a name such as ``trip_id``.
    predictions, labels : sequence of str, optional
        Columns that hold what a model answered, and what turned out to be true. They are counted
        like the others; an alert says that it is predictions, or labels, that moved.

    Returns
    -------
    Profile
        Save it with ``.save(path)``; :func:`load` reads it.

    Raises
    ------
    DataError
        If there are no rows or no columns, a name is unknown or occurs twice.

    Notes
    -----
    Taught in @sec-monitor. Where each day resembles the one before, the reference counts as fewer
    days than it has, and a column that wanders is flagged only when it moves far; a note of the
    comparison says so. Of more than 200 categories the most frequent are kept apart, each with at
    least 20 rows: below that their order is mostly luck. Digits beyond the sixth don't matter.

    Examples
    --------
    >>> reference = profile(pd.DataFrame({"x": range(1000)}))
    >>> reference.rows, reference.layouts["x"].cells
    (1000, 102)
    """
    check_frame(frame, "profile")
    if frame.empty:
        raise DataError(
            f"profile: the reference must have rows and columns, got shape {frame.shape}."
        )
    wanted = dict(kinds or {})
    _check_names(
        frame, [*([time] if time else []), *slices, *wanted, *ignore, *predictions, *labels]
    )
    _check_choices(time, season, every, wanted)
    wanted.update(dict.fromkeys(slices, "category"))
    if time:
        wanted[time] = "time"
    layouts = {
        str(name): lay(frame[name], wanted.get(str(name), kind_of(frame[name])))
        for name in frame.columns
        if str(name) not in ignore
        and not (str(name) not in wanted and _is_identifier(str(name), frame[name]))
    }
    empty = Profile(layouts, {}, 0, time, tuple(season), tuple(slices), every)
    counts = count_frame(frame, layouts, empty._groupings(frame))
    roles = dict.fromkeys(predictions, "prediction") | dict.fromkeys(labels, "label")
    made = replace(empty, counts=counts, rows=len(frame), roles=roles)
    return _with_usual(made, frame) if time else made


def _is_identifier(name: str, values: pd.Series) -> bool:
    """Whether a column only numbers or names the rows, so that new rows always look new."""
    if len(values) < _MANY or values.isna().any() or isinstance(values.iloc[0], list | dict | set):
        return False
    if pd.api.types.is_integer_dtype(values.dtype):
        rises = values.is_monotonic_increasing and values.is_unique
        return bool(rises and _IDENTIFIER.search(name))
    return kind_of(values) == "category" and bool(values.is_unique)


def _with_usual(made: Profile, frame: pd.DataFrame) -> Profile:
    """Measure, block by block, how far normal blocks are from the rest."""
    seconds = as_seconds(frame[made.time])
    known = np.isfinite(seconds)
    if not known.any():
        raise DataError(f"profile: the time column {made.time!r} holds no times.")
    number = np.full(len(frame), -1, dtype=np.int64)
    number[known] = (seconds[known] // _SECONDS[made.every]).astype(np.int64)
    blocks, codes = np.unique(number[known], return_inverse=True)
    number[known] = codes
    season = season_of(frame, made.time, made.season)
    strata = len(season.labels)
    joint = number * strata + (0 if season.codes is None else season.codes)
    joint[~known] = -1
    groups = Groups(tuple(map(str, range(len(blocks) * strata))), joint)
    usual, flat = {}, {}
    for name, layout in made.layouts.items():
        if layout.kind == "time":
            continue
        counted = count_frame(frame[[name]], {name: layout}, {ALL: groups})[name]
        cube = counted.cells[ALL].reshape(len(blocks), strata, layout.cells)
        gaps = counted.missing[ALL].reshape(len(blocks), strata).sum(axis=1)
        middles = layout.middles if layout.edges.size else None
        found = {
            window: usual_days(layout.kind, cube, gaps, window, middles=middles)
            for window in WINDOWS
        }
        usual[name] = {window: kept for window, kept in found.items() if kept}
        day = cube.sum(axis=1)
        flat[name] = int(((day > 0).sum(axis=1) == 1).sum())
    sizes = np.bincount(codes)[1:-1]  # the first and the last may have begun or ended elsewhere
    volume = (int(sizes.min()), int(sizes.max())) if len(sizes) >= ENOUGH else (0, 0)
    return replace(made, usual=usual, flat=flat, blocks=len(blocks), volume=volume)


def _check_names(frame: pd.DataFrame, names: Sequence[str]) -> None:
    for name in names:
        if name not in frame.columns:
            near = difflib.get_close_matches(name, [str(column) for column in frame.columns], 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise DataError(f"profile: there is no column {name!r}.{hint}")


def _check_choices(time: str, season: Sequence[str], every: str, kinds: Mapping[str, str]) -> None:
    if isinstance(season, str):
        raise DataError(f"profile: season must be a sequence of names, got {season!r}.")
    if season and not time:
        raise DataError("profile: a season needs time=, the column that says when a row happened.")
    if every not in _SECONDS:
        raise DataError(f"profile: every must be one of {', '.join(_SECONDS)}, got {every!r}.")
    for name, kind in kinds.items():
        if kind not in ("number", "category"):
            raise DataError(
                f"profile: the kind of {name!r} must be 'number' or 'category', got {kind!r}."
            )
    season_groups(pd.Series(pd.DatetimeIndex([])), season)
