"""The reference profile: what a table looked like when all was well, in a small JSON file.

A profile fixes how every column is counted and holds the reference's own counts. Batches are
summarised with it, anywhere and in any order; summaries add up.
"""

import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlops_kit.drift_layout import Layout, as_names, as_seconds
from mlops_kit.drift_sketch import Counts, Groups, count_frame
from mlops_kit.drift_usual import Usual, apart, season_groups
from mlops_kit.errors import DataError

__all__ = ["ALL", "Profile", "Summary", "check_frame", "load", "season_of"]

FORMAT = "mlops-kit drift profile"
VERSION = 1

ALL = "all"
"""The grouping of all rows, by season."""


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """A batch in a few kilobytes; summaries made with one profile add up.

    Attributes
    ----------
    fingerprint : str
        Which profile it was made with.
    rows : int
        How many rows it stands for.
    columns : dict of str to Counts
        What is kept of each column.
    absent : dict of str to int
        Rows that came without the column.
    renamed : dict of str to str
        Absent columns and the unknown column that looks like them.
    extra : tuple of str
        Columns that the profile doesn't know.
    """

    fingerprint: str
    rows: int
    columns: dict[str, Counts]
    absent: dict[str, int] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    extra: tuple[str, ...] = ()

    def __add__(self, other: "Summary") -> "Summary":
        if self.fingerprint != other.fingerprint:
            raise DataError(
                "summaries made with different profiles can't be added. Summarise both with the "
                "same one."
            )
        names = sorted(self.absent.keys() | other.absent.keys())
        return Summary(
            self.fingerprint,
            self.rows + other.rows,
            {name: counts + other.columns[name] for name, counts in self.columns.items()},
            {name: self.absent.get(name, 0) + other.absent.get(name, 0) for name in names},
            {**self.renamed, **other.renamed},
            tuple(sorted({*self.extra, *other.extra})),
        )


@dataclass(frozen=True, eq=False)
class Profile:
    """What a table looked like when all was well; made by :func:`profile`.

    Attributes
    ----------
    layouts : dict of str to Layout
        How each column is counted.
    counts : dict of str to Counts
        The reference's own counts.
    rows : int
        Rows of the reference.
    time : str
        The column that says when a row happened; empty if none does.
    season, slices : tuple of str
        By which parts of the season, and by which columns, rows are counted apart.
    every : str
        What a block of rows that may share their luck is: ``"hour"``, ``"day"`` or ``"week"``.
    blocks : int
        How many such blocks the reference has.
    usual : dict
        By column and window, how far normal blocks are from the rest.
    flat : dict of str to int
        By column, in how many blocks nothing varied.
    rank_error : dict of str to float
        By column, what merging profiles with other cells has cost in precision, a share of rows.
    roles : dict of str to str
        ``"prediction"`` or ``"label"`` for columns that aren't inputs.
    volume : tuple of int
        The fewest and the most rows of a whole block; both 0 where that isn't known.
    """

    layouts: dict[str, Layout]
    counts: dict[str, Counts]
    rows: int
    time: str = ""
    season: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    every: str = "day"
    blocks: int = 0
    usual: dict[str, dict[int, dict[str, Usual]]] = field(default_factory=dict)
    flat: dict[str, int] = field(default_factory=dict)
    rank_error: dict[str, float] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    volume: tuple[int, int] = (0, 0)

    @cached_property
    def fingerprint(self) -> str:
        """Name the way of counting; profiles that count alike share it."""
        kept = [layout.to_dict() for layout in self.layouts.values()]
        text = json.dumps([kept, self.time, self.season, self.slices])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def summarise(self, frame: pd.DataFrame) -> Summary:
        """Count a batch; the order of its columns and its index don't matter.

        Parameters
        ----------
        frame : pandas.DataFrame of shape (n_rows, n_columns)
            The batch. Unknown columns are named in the summary and otherwise left alone.

        Returns
        -------
        Summary
            A few kilobytes, whatever the number of rows.

        Raises
        ------
        DataError
            If it isn't a frame, or a column occurs twice.
        """
        check_frame(frame, "summarise")
        present = {name: kept for name, kept in self.layouts.items() if name in frame.columns}
        counts = count_frame(frame, present, self._groupings(frame))
        absent = [name for name in self.layouts if name not in present]
        for name in absent:
            counts[name] = _none_of(self.counts[name])
        extra = tuple(sorted(str(name) for name in frame.columns if name not in self.layouts))
        return Summary(
            self.fingerprint,
            len(frame),
            {name: counts[name] for name in self.layouts},
            dict.fromkeys(absent, len(frame)),
            self._lookalikes(frame, absent, extra),
            extra,
        )

    def __add__(self, other: "Profile") -> "Profile":
        """Add a profile of other rows of the same table (:func:`mlops_kit.drift_merge.merge`)."""
        from mlops_kit.drift_merge import merge

        return merge(self, other)

    def extend(self, summary: Summary) -> "Profile":
        """Add a batch to the reference, exactly; what is usual stays as it was.

        Raises
        ------
        DataError
            If the summary was made with another profile, or lacks columns.
        """
        if summary.fingerprint != self.fingerprint or summary.absent:
            raise DataError(
                "extend: the summary was made with another profile or lacks columns. Summarise "
                "complete rows with this profile's summarise()."
            )
        counts = {name: kept + summary.columns[name] for name, kept in self.counts.items()}
        return replace(self, counts=counts, rows=self.rows + summary.rows)

    def save(self, path: str | Path) -> None:
        """Write the profile as JSON; the old file stays until the new one is complete."""
        target = Path(path)
        part = target.with_name(f".{target.name}.part")
        try:
            part.write_text(json.dumps(self.to_dict(), allow_nan=False), encoding="utf-8")
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    def to_dict(self) -> dict[str, Any]:
        """Give what JSON can hold."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "rows": self.rows,
            "time": self.time,
            "season": list(self.season),
            "slices": list(self.slices),
            "every": self.every,
            "blocks": self.blocks,
            "roles": self.roles,
            "volume": list(self.volume),
            "columns": [
                {
                    "layout": layout.to_dict(),
                    "counts": self.counts[name].to_dict(),
                    "usual": {
                        str(window): {what: kept.to_dict() for what, kept in found.items()}
                        for window, found in self.usual.get(name, {}).items()
                    },
                    "flat": self.flat.get(name, 0),
                    "rank_error": self.rank_error.get(name, 0.0),
                }
                for name, layout in self.layouts.items()
            ],
        }

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> "Profile":
        """Take what :meth:`to_dict` gave.

        Raises
        ------
        DataError
            If it isn't a profile, is damaged, or comes from a version that can't be read.
        """
        if not isinstance(kept, Mapping) or kept.get("format") != FORMAT:
            raise DataError(
                "that isn't a reference profile. Make one with mlops_kit.drift.profile(frame)"
                ".save(path)."
            )
        if kept.get("version") != VERSION:
            raise DataError(
                f"the reference profile has version {kept.get('version')!r}, this mlops-kit reads "
                f"version {VERSION}. Make the profile anew from the reference data, or install "
                "the mlops-kit that wrote it."
            )
        try:
            return cls._read(kept)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise DataError(
                f"the reference profile is damaged ({type(error).__name__}: {error}). Make it "
                "anew from the reference data."
            ) from error

    @classmethod
    def _read(cls, kept: Mapping[str, Any]) -> "Profile":
        layouts, counts, usual, flat, errors = {}, {}, {}, {}, {}
        for column in kept["columns"]:
            layout = Layout.from_dict(column["layout"])
            layouts[layout.name] = layout
            counts[layout.name] = Counts.from_dict(column["counts"], layout)
            usual[layout.name] = {
                int(window): {what: Usual(**values) for what, values in found.items()}
                for window, found in column["usual"].items()
            }
            flat[layout.name] = int(column["flat"])
            errors[layout.name] = float(column["rank_error"])
        return cls(
            layouts,
            counts,
            int(kept["rows"]),
            str(kept["time"]),
            tuple(kept["season"]),
            tuple(kept["slices"]),
            str(kept["every"]),
            int(kept["blocks"]),
            usual,
            flat,
            errors,
            {str(name): str(role) for name, role in kept["roles"].items()},
            (int(kept["volume"][0]), int(kept["volume"][1])),
        )

    def _groupings(self, frame: pd.DataFrame) -> dict[str, Groups]:
        found = {ALL: season_of(frame, self.time, self.season)}
        for name in self.slices:
            labels = self.layouts[name].categories
            codes = np.full(len(frame), -1, dtype=np.int64)
            if name in frame.columns:
                names = pd.Index(as_names(frame[name]), dtype=object)
                codes = pd.Index(labels, dtype=object).get_indexer(names).astype(np.int64)
            found[name] = Groups(labels, codes)
        return found

    def _lookalikes(
        self, frame: pd.DataFrame, absent: Sequence[str], extra: Sequence[str]
    ) -> dict[str, str]:
        """Find the unknown column that holds, or is called, nearly what an absent one did."""
        found = {}
        for name in absent:
            layout, kept = self.layouts[name], self.counts[name].cells[ALL].sum(axis=0)
            best, smallest = "", 0.15
            for other in extra:
                if other not in frame.columns or layout.kind == "time" or not kept.sum():
                    continue
                counted = count_frame(
                    frame[[other]].rename(columns={other: name}),
                    {name: layout},
                    {ALL: Groups((ALL,), None)},
                )[name]
                here = counted.cells[ALL].sum(axis=0)
                if counted.invalid or not here.sum():
                    continue
                distance = apart(layout.kind, kept.astype(float), here.astype(float))
                likeness = difflib.SequenceMatcher(None, name.lower(), other.lower()).ratio()
                if distance * (1.5 - likeness) < smallest:
                    best, smallest = other, distance * (1.5 - likeness)
            if best:
                found[name] = best
        return found


def load(path: str | Path) -> Profile:
    """Read a profile that was saved.

    Raises
    ------
    DataError
        If the file is missing, isn't a profile, is damaged, or comes from a version that can't
        be read.
    """
    try:
        kept = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            f"there is no reference profile at {path}. Make one: `mlops-kit reference TABLE --out "
            "FILE`, or mlops_kit.drift.profile(frame).save(path)."
        ) from error
    except OSError as error:
        raise DataError(f"the reference {path} can't be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} isn't a reference profile: it isn't JSON ({error}).") from error
    return Profile.from_dict(kept)


def season_of(frame: pd.DataFrame, time: str, season: Sequence[str]) -> Groups:
    """Add a group for rows whose time isn't known; they are compared with all of the reference."""
    if not season:
        return Groups((ALL,), None)
    if time not in frame.columns:
        times = pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us]")
    else:
        stamps = as_seconds(frame[time])
        times = pd.Series(pd.to_datetime(stamps, unit="s"))
    groups = season_groups(times, season)
    assert groups.codes is not None
    codes = np.where(groups.codes < 0, len(groups.labels), groups.codes)
    return Groups((*groups.labels, "unknown"), codes)


def _none_of(kept: Counts) -> Counts:
    return Counts(
        {name: np.zeros_like(cells) for name, cells in kept.cells.items()},
        {name: np.zeros_like(rows) for name, rows in kept.missing.items()},
    )


def check_frame(frame: object, asker: str) -> None:
    """Refuse what isn't a table with each column once."""
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"{asker}: wanted a pandas DataFrame, got {type(frame).__name__}.")
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise DataError(f"{asker}: column {twice[0]!r} occurs twice. Name each column once.")
