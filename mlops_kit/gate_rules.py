"""A gate's declaration: its rules and settings, read from YAML with an error for every mistake."""

import difflib
import importlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from mlops_kit.errors import GateError, MissingToolError
from mlops_kit.gate_metrics import METRICS

__all__ = ["Interval", "Rule", "TASKS", "checked_keys", "read_yaml"]

TASKS = ("classification", "multiclass", "regression")
_BOUNDS = ("at_least", "at_most", "gain_at_least")
_EVIDENCE = ("point", "interval")


@dataclass(frozen=True, slots=True)
class Interval:
    """How sure a comparison is: a paired percentile bootstrap.

    Attributes
    ----------
    confidence : float, default=0.95
        Between 0.5 and 1.
    resamples : int, default=2000
        At least 100.
    seed : int, default=7
        The seed of the draws: the same report for the same rows.
    by : str, default=""
        A column whose values are drawn whole, such as a day or a person, where rows that share
        one aren't independent; single rows by default.
    """

    confidence: float = 0.95
    resamples: int = 2000
    seed: int = 7
    by: str = ""

    def __post_init__(self) -> None:
        _number("interval", "confidence", self.confidence)
        if not 0.5 <= self.confidence < 1:
            raise GateError(f"interval: confidence is from 0.5 to below 1, got {self.confidence}.")
        if type(self.resamples) is not int or not 100 <= self.resamples <= 1_000_000:
            raise GateError(
                f"interval: resamples is a whole number from 100 to 1000000, got "
                f"{self.resamples!r}."
            )
        if type(self.seed) is not int or self.seed < 0:
            raise GateError(f"interval: seed is a whole number from 0, got {self.seed!r}.")
        if not isinstance(self.by, str):
            raise GateError(f"interval: by is a column's name, got {self.by!r}.")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a gate.

    Attributes
    ----------
    metric : str
        One of :data:`mlops_kit.gate_metrics.METRICS`; any name where ``measured``.
    at_least, at_most : float, optional
        A bound for the challenger's metric.
    gain_at_least : float, optional
        By how much the challenger must be better than the champion, in the metric's unit, whichever
        direction is better; below 0 it says how much worse is still accepted.
    evidence : {"point", "interval"}, default="interval"
        Whether the metric itself must keep the bound, or the unfavourable end of its interval.
        With "interval", "not enough rows to be sure" doesn't pass.
    slices : tuple of str, default=()
        Columns; the rule must hold for each value of each.
    min_rows : int, default=50
        A slice with fewer rows isn't judged, and the report says so.
    measured : bool, default=False
        The metric doesn't come from rows but was measured elsewhere, such as latency.
    name : str
        What reports call it; made from the rest by default.
    """

    metric: str
    at_least: float | None = None
    at_most: float | None = None
    gain_at_least: float | None = None
    evidence: str = "interval"
    slices: tuple[str, ...] = ()
    min_rows: int = 50
    measured: bool = False
    name: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.metric, str) or not self.metric:
            raise GateError(f"a rule names its metric, got {self.metric!r}.")
        what = self.name or f"a rule on {self.metric}"
        if not isinstance(self.measured, bool):
            raise GateError(f"{what}: measured is true or false, got {self.measured!r}.")
        if not self.measured and self.metric not in METRICS:
            near = difflib.get_close_matches(self.metric, METRICS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise GateError(
                f"there is no metric {self.metric!r}; there: {', '.join(METRICS)}.{hint} A number "
                "that was measured elsewhere needs 'measured: true'."
            )
        given = [name for name in _BOUNDS if getattr(self, name) is not None]
        if len(given) != 1:
            raise GateError(
                f"{what}: one of {', '.join(_BOUNDS)} was wanted, got "
                f"{' and '.join(given) or 'none'}. Write two rules for two bounds."
            )
        _number(what, given[0], getattr(self, given[0]))
        if self.evidence not in _EVIDENCE:
            raise GateError(f"{what}: evidence is point or interval, got {self.evidence!r}.")
        self._check_slices(what)
        if not self.name:
            object.__setattr__(self, "name", self._title())

    def _check_slices(self, what: str) -> None:
        names: Any = self.slices
        if (
            isinstance(names, str)
            or not isinstance(names, Sequence)
            or not all(isinstance(n, str) and n for n in names)
        ):
            raise GateError(f"{what}: slices is a list of columns, got {self.slices!r}.")
        object.__setattr__(self, "slices", tuple(names))
        if type(self.min_rows) is not int or self.min_rows < 2:
            raise GateError(f"{what}: min_rows is a whole number from 2, got {self.min_rows!r}.")
        if self.measured and (self.slices or self.gain_at_least is not None):
            raise GateError(f"{what}: what is measured elsewhere has neither slices nor a gain.")

    def _title(self) -> str:
        limit = f"{self.bound[0].replace('_', ' ')} {self.bound[1]:g}"
        where = f" for each {' and '.join(self.slices)}" if self.slices else ""
        return f"{self.metric} {limit}{where}"

    @property
    def bound(self) -> tuple[str, float]:
        """Which bound it sets, and where."""
        return next((n, v) for n in _BOUNDS if (v := getattr(self, n)) is not None)

    def to_dict(self) -> dict[str, Any]:
        """Give what differs from the defaults, ready for YAML or JSON."""
        kept = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        kept["slices"] = list(self.slices)
        defaults = {entry.name: entry.default for entry in fields(self)} | {"slices": []}
        return {key: value for key, value in kept.items() if value != defaults[key]}


def _number(what: str, key: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise GateError(f"{what}: {key} is a finite number, got {value!r}.")


def checked_keys(what: str, given: Any, known: Sequence[str]) -> Mapping[str, Any]:
    """See that a part of a declaration is a mapping that holds nothing unknown.

    Raises
    ------
    GateError
        Naming the key, and the one that was probably meant.
    """
    if not isinstance(given, Mapping):
        raise GateError(f"{what}: keys and values were wanted, got {given!r}.")
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(known)}."
            raise GateError(f"{what}: there is no {key!r}. {hint}")
    return given


def read_yaml(path: Path) -> Any:
    """Read a YAML file; a key that is there twice is an error, not a silent choice.

    Raises
    ------
    GateError
        If there is no such file, or it isn't YAML; the message names the line.
    MissingToolError
        If PyYAML isn't installed.
    """
    try:
        yaml = importlib.import_module("yaml")
    except ModuleNotFoundError as error:
        raise MissingToolError(
            "gates are declared in YAML, and PyYAML isn't installed. "
            "Install it with: pip install 'mlops-kit[data]'"
        ) from error
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise GateError(f"{path} can't be read: {reason}.") from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            _refuse_doubles(yaml, node, path)
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise GateError(f"{path}{where}: not YAML ({getattr(error, 'problem', error)}).") from error


def _refuse_doubles(yaml: Any, node: Any, path: Path) -> None:
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise GateError(f"{path}, line {line}: {key.value!r} is there twice; keep one.")
            seen.add(key.value)
            _refuse_doubles(yaml, value, path)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_doubles(yaml, value, path)
