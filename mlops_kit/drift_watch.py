"""Looking every day: alerts that open once, say since when, and close when it is over."""

from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import reduce
from operator import add
from typing import Any

import pandas as pd

from mlops_kit.drift_alarms import volume_alarm
from mlops_kit.drift_compare import Comparison, compare
from mlops_kit.drift_profile import Profile, Summary
from mlops_kit.drift_reference import WINDOWS
from mlops_kit.errors import DataError

__all__ = ["Alert", "Look", "Watch"]

_SUSPECT = 0.05


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that moved or broke, from its beginning to its end.

    Attributes
    ----------
    name : str
        ``"drift"``, ``"missing values"`` or the name of an alarm.
    column, role : str
        Where; empty if in the table as a whole.
    since : str
        When it seems to have begun.
    opened, last : str
        In which look it was raised, and seen last.
    text, where, advice : str
        What moved and by how much, in which slice, what to do.
    serious : bool
        Whether it counts; otherwise it is a note.
    closed : str
        In which look it was over; empty while it is open.
    """

    name: str
    column: str
    role: str
    since: str
    opened: str
    last: str
    text: str
    where: str
    advice: str
    serious: bool = True
    closed: str = ""

    def __str__(self) -> str:
        until = f", over by {self.closed}" if self.closed else ""
        return f"{self.name}: {self.text}. Since {self.since}{until}. {self.advice}"

    def to_dict(self) -> dict[str, Any]:
        """Give what JSON can hold."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found.

    Attributes
    ----------
    at : str
        Which look.
    comparison : Comparison
        Of the newest batch alone.
    opened, closed : tuple of Alert
        Those that this look opened and closed.
    """

    at: str
    comparison: Comparison
    opened: tuple[Alert, ...]
    closed: tuple[Alert, ...]


@dataclass
class Watch:
    """Compare batch after batch with a reference, and keep book of the alerts.

    Each look compares the newest batch, and the sum of the newest seven: the one sees what is
    large at once, the other what is small and stays.

    Parameters
    ----------
    reference : Profile
        What it looked like when all was well.
    alpha : float, default=0.05
        The chance of any false flag of drift in ``looks`` looks, over all columns and windows.
    looks : int, default=30
        A month of daily looks.
    minimum : float, default=0.05
        How many rows must have moved for a drift to matter, a share.
    windows : sequence of int, default=(1, 7)
        How many batches are looked at together.
    calm : int, default=3
        After so many looks without it, an alert is over.

    Notes
    -----
    Taught in @sec-monitor.

    Examples
    --------
    >>> from mlops_kit.drift_reference import profile
    >>> watch = Watch(profile(pd.DataFrame({"x": range(1000)})))
    >>> watch.look(pd.DataFrame({"x": range(1000)}), at="Monday").opened
    ()
    >>> [alert] = watch.look(pd.DataFrame({"x": range(500, 1500)}), at="Tuesday").opened
    >>> alert.name, alert.column, alert.since
    ('drift', 'x', 'Tuesday')
    """

    reference: Profile
    alpha: float = 0.05
    looks: int = 30
    minimum: float = 0.05
    windows: Sequence[int] = WINDOWS
    calm: int = 3
    alerts: list[Alert] = field(default_factory=list)
    _history: deque[tuple[str, Summary, Comparison]] = field(init=False, repr=False)
    _open: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict, repr=False)
    _number: int = field(default=0, repr=False)

    def __post_init__(self) -> None:
        if not self.windows or min(self.windows) < 1 or self.calm < 1:
            raise DataError("Watch: windows and calm must be at least 1.")
        if not 0 < self.alpha < 1:
            raise DataError(f"Watch: alpha must be between 0 and 1, got {self.alpha}.")
        self._history = deque(maxlen=max(self.windows))

    def look(
        self,
        batch: pd.DataFrame | Summary,
        *,
        at: str = "",
        now: pd.Timestamp | str | None = None,
        whole: bool = True,
    ) -> Look:
        """Take the next batch.

        Parameters
        ----------
        batch : DataFrame or Summary
            The rows since the last look.
        at : str, optional
            What to call this look, such as a date; its number otherwise.
        now : timestamp, optional
            For the check of the clock.
        whole : bool, default=True
            Whether the batch is all of a day, so that its number of rows says something.

        Returns
        -------
        Look
        """
        summary = self.reference.summarise(batch) if isinstance(batch, pd.DataFrame) else batch
        self._number += 1
        name = at or f"look {self._number}"
        alpha = self.alpha / len(self.windows)
        newest = compare(
            self.reference,
            summary,
            alpha=alpha,
            looks=self.looks,
            minimum=self.minimum,
            now=now,
        )
        self._history.append((name, summary, newest))
        found = self._of_comparison(newest, name) if 1 in self.windows else {}
        found.update(self._of_quality(newest, summary, name, whole))
        for window in self.windows:
            if 1 < window <= len(self._history):
                for key, alert in self._of_window(window, alpha, name).items():
                    found.setdefault(key, alert)
        return self._book(name, newest, found)

    def _of_window(self, window: int, alpha: float, at: str) -> dict[tuple[str, str], Alert]:
        kept = [summary for _, summary, _ in list(self._history)[-window:] if summary.rows]
        if not kept:
            return {}
        together = compare(
            self.reference,
            reduce(add, kept),
            alpha=alpha,
            looks=self.looks,
            minimum=self.minimum,
            window=window,
        )
        return self._of_comparison(together, at)

    def _of_comparison(self, found: Comparison, at: str) -> dict[tuple[str, str], Alert]:
        alerts = {}
        for column in found.columns:
            if column.flagged:
                name = "drift" if column.drifted else "missing values"
                since = self._since(column.column, name)
                alerts[name, column.column] = Alert(
                    name, column.column, column.role, since, at, at, column.text, column.where,
                    column.advice,
                )  # fmt: skip
        return alerts

    def _since(self, column: str, name: str) -> str:
        """Go back while each single look was already more than chance explains."""
        since = self._history[-1][0]
        for at, _, comparison in reversed(self._history):
            here = next((c for c in comparison.columns if c.column == column), None)
            if here is None:
                break
            chance = here.p_value if name == "drift" else here.missing_p_value
            moved = here.distance if name == "drift" else here.missing - here.reference_missing
            if chance > _SUSPECT or moved < self.minimum / 2:
                break
            since = at
        return since

    def _of_quality(
        self, found: Comparison, summary: Summary, at: str, whole: bool
    ) -> dict[tuple[str, str], Alert]:
        alarms = list(found.alarms)
        volume = volume_alarm(self.reference, summary.rows) if summary.rows and whole else None
        return {
            (alarm.name, alarm.column): Alert(
                alarm.name, alarm.column, self.reference.roles.get(alarm.column, "input"), at, at,
                at, alarm.text, "", alarm.advice, alarm.serious,
            )
            for alarm in [*alarms, *([volume] if volume else [])]
        }  # fmt: skip

    def _book(self, at: str, newest: Comparison, found: dict[tuple[str, str], Alert]) -> Look:
        opened, closed = [], []
        for key, alert in found.items():
            if key in self._open:
                place, _ = self._open[key]
                self.alerts[place] = replace(self.alerts[place], last=at)
            else:
                place = len(self.alerts)
                self.alerts.append(alert)
                opened.append(alert)
            self._open[key] = (place, self._number)
        for key, (place, seen) in list(self._open.items()):
            if self._number - seen >= self.calm:
                self.alerts[place] = replace(self.alerts[place], closed=at)
                closed.append(self.alerts[place])
                del self._open[key]
        return Look(at, newest, tuple(opened), tuple(closed))
