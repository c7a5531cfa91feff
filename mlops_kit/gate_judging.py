"""How a gate judges: each rule on all rows or on each slice, both models on the same rows."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mlops_kit.errors import GateError
from mlops_kit.gate_classes import numbered
from mlops_kit.gate_metrics import METRICS, Sample, resamples
from mlops_kit.gate_report import Verdict
from mlops_kit.gate_rules import Rule

if TYPE_CHECKING:
    from mlops_kit.gates import Gate

__all__ = ["judge"]

# A resample in which a metric isn't defined says nothing; with more of them the interval lies.
_UNDEFINED_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class _Measured:
    """A metric of each model, and the interval of what the rule is about."""

    value: float | None = None
    champion: float | None = None
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Draws:
    """A metric of each model on the rows, and on each resample of them."""

    points: tuple[float, ...]
    drawn: tuple[NDArray[np.float64], ...] = ()
    problem: str = ""


def judge(
    gate: "Gate",
    frame: pd.DataFrame,
    challenger: ArrayLike,
    champion: ArrayLike | None,
    measured: Mapping[str, float],
) -> tuple[Verdict, ...]:
    """Give a verdict for each rule and slice; see :meth:`mlops_kit.gates.Gate.evaluate`."""
    truth = _truth(gate, frame)
    given: Mapping[str, ArrayLike] = {"challenger": challenger}
    if champion is not None:
        given = {**given, "champion": champion}
    if gate.task == "multiclass":
        truth, given = numbered(gate.name, truth, given)
    label = _labels(gate, truth)
    samples = [_sample(gate, label, values, role) for role, values in given.items()]
    verdicts: list[Verdict] = []
    cache: dict[tuple[str, str], _Draws] = {}
    for rule in gate.rules:
        if rule.measured:
            verdicts.append(_judge_measured(rule, measured))
        elif rule.slices:
            verdicts += _judge_slices(gate, rule, frame, samples, cache)
        else:
            verdicts.append(_judge(gate, rule, "", frame, samples, None, cache))
    return tuple(verdicts)


def _truth(gate: "Gate", frame: pd.DataFrame) -> Any:
    if not isinstance(frame, pd.DataFrame) or frame.empty:
        raise GateError(f"gate {gate.name!r}: a pandas.DataFrame with rows was wanted.")
    wanted = [gate.label, *(name for rule in gate.rules for name in rule.slices)]
    wanted += [gate.interval.by] if gate.interval.by else []
    absent = [name for name in dict.fromkeys(wanted) if name not in frame]
    if absent:
        raise GateError(
            f"gate {gate.name!r}: the rows have no column {', '.join(map(repr, absent))}; "
            f"there: {', '.join(map(str, frame.columns))}."
        )
    return frame[gate.label]


def _labels(gate: "Gate", truth: Any) -> NDArray[np.float64]:
    label = _numbers(truth, f"the label {gate.label!r}")
    gone = int((~np.isfinite(label)).sum())
    if gone:
        raise GateError(
            f"gate {gate.name!r}: the label {gate.label!r} is missing in {gone} of {len(label)} "
            "rows. Judge the rows whose label is known."
        )
    if gate.task == "classification" and not np.isin(label, (0.0, 1.0)).all():
        raise GateError(
            f"gate {gate.name!r}: the label {gate.label!r} must be 0 or 1. For more classes say "
            "task: multiclass."
        )
    return label


def _sample(gate: "Gate", label: NDArray[np.float64], values: ArrayLike, role: str) -> Sample:
    found = _numbers(values, f"the {role}'s predictions")
    if found.shape != label.shape:
        raise GateError(
            f"gate {gate.name!r}: the {role} gives {found.shape} predictions for {len(label)} rows."
        )
    threshold = None if gate.task == "multiclass" else gate.threshold
    return Sample(label, found, threshold, gate.costs)


def _judge_slices(
    gate: "Gate",
    rule: Rule,
    frame: pd.DataFrame,
    samples: list[Sample],
    cache: dict[tuple[str, str], _Draws],
) -> list[Verdict]:
    found = []
    for column in rule.slices:
        values = frame[column]
        for value in sorted(values.dropna().unique(), key=str):
            rows = (values == value).to_numpy(dtype=bool)
            found.append(_judge(gate, rule, f"{column}={value}", frame, samples, rows, cache))
        gone = values.isna().to_numpy()
        if gone.any():
            found.append(_judge(gate, rule, f"{column} missing", frame, samples, gone, cache))
    return found


def _judge(
    gate: "Gate",
    rule: Rule,
    place: str,
    frame: pd.DataFrame,
    samples: list[Sample],
    rows: NDArray[np.bool_] | None,
    cache: dict[tuple[str, str], _Draws],
) -> Verdict:
    count = len(frame) if rows is None else int(rows.sum())
    kind, _ = rule.bound
    blank = _Measured()
    if place and count < rule.min_rows:
        said = f"{place} has {count} rows, fewer than {rule.min_rows}: not judged."
        return _verdict(rule, place, "skipped", blank, count, said)
    if kind == "gain_at_least" and len(samples) == 1:
        said = "There is no champion to compare with."
        return _verdict(rule, place, "skipped", blank, count, said)
    chosen = samples if rows is None else [sample.take(rows) for sample in samples]
    broken = _unusable(chosen[: 2 if kind == "gain_at_least" else 1], rule)
    if broken:
        return _verdict(rule, place, "refused", blank, count, broken)
    if (rule.metric, place) not in cache:
        table = frame if rows is None else frame[rows]
        cache[rule.metric, place] = _draw(gate, rule.metric, table, chosen)
    measured = _measure(gate, rule.metric, kind == "gain_at_least", cache[rule.metric, place])
    if measured.problem:
        return _verdict(rule, place, "refused", measured, count, measured.problem)
    status, said = _compare(rule, measured, gate.interval.confidence)
    return _verdict(rule, place, status, measured, count, said)


def _draw(gate: "Gate", metric: str, table: pd.DataFrame, samples: list[Sample]) -> _Draws:
    """Work a metric out for each model, on the rows and on the same resamples of them."""
    values = METRICS[metric].values
    ones = np.ones((1, len(table)))
    points = tuple(float(values(sample, ones)[0]) for sample in samples)
    by = gate.interval.by
    units = pd.factorize(table[by])[0] if by else np.arange(len(table))
    if (units < 0).any():
        problem = f"{by!r}, by which rows are drawn, is missing in {(units < 0).sum()} rows."
        return _Draws(points, problem=problem)
    if units.max() < 1:
        problem = "There are fewer than 2 units to draw from, so no interval can be given."
        return _Draws(points, problem=problem)
    drawn: list[list[NDArray[np.float64]]] = [[] for _ in samples]
    for weights in resamples(units, count=gate.interval.resamples, seed=gate.interval.seed):
        for sample, found in zip(samples, drawn, strict=True):
            found.append(values(sample, weights))
    return _Draws(points, tuple(np.concatenate(found) for found in drawn))


def _measure(gate: "Gate", metric: str, compares: bool, draws: _Draws) -> _Measured:
    """Give the interval of what a rule is about: the challenger's metric, or the gain."""
    sign = 1.0 if METRICS[metric].higher_is_better else -1.0
    points = draws.points
    if not all(map(math.isfinite, points if compares else points[:1])):
        return _Measured(problem=f"{metric} isn't defined on these rows; it has no value.")
    if draws.problem:
        return _Measured(problem=draws.problem)
    drawn = sign * (draws.drawn[0] - draws.drawn[1]) if compares else draws.drawn[0]
    whole = drawn[np.isfinite(drawn)]
    if len(whole) < (1 - _UNDEFINED_SHARE) * len(drawn):
        problem = (
            f"{metric} isn't defined on {len(drawn) - len(whole)} of {len(drawn)} resamples: "
            "there are too few rows of the kind it counts."
        )
        return _Measured(problem=problem)
    tail = (1 - gate.interval.confidence) / 2
    low, high = (float(end) for end in np.quantile(whole, [tail, 1 - tail]))
    if len(points) == 1 or not math.isfinite(points[1]):
        return _Measured(points[0], low=low, high=high)
    return _Measured(points[0], points[1], sign * (points[0] - points[1]), low, high)


def _numbers(values: Any, what: str) -> NDArray[np.float64]:
    try:
        return np.asarray(
            values.to_numpy(dtype=float, na_value=np.nan)
            if hasattr(values, "to_numpy")
            else values,
            dtype=np.float64,
        )
    except (TypeError, ValueError) as error:
        raise GateError(
            f"{what} must be numbers, one a row ({error}). Where they are names of classes, say "
            "task: multiclass."
        ) from error


def _unusable(samples: list[Sample], rule: Rule) -> str:
    """Say why predictions can't be measured; "" if they can."""
    for role, sample in zip(("challenger", "champion"), samples, strict=False):
        odd = int((~np.isfinite(sample.prediction)).sum())
        if odd:
            total = len(sample.prediction)
            return f"The {role} gives no finite number in {odd} of {total} rows (NaN or infinite)."
        outside = ((sample.prediction < 0) | (sample.prediction > 1)).any()
        if METRICS[rule.metric].needs_probability and outside:
            return f"{rule.metric} needs probabilities; the {role}'s scores go beyond 0 to 1."
    return ""


def _compare(rule: Rule, measured: _Measured, confidence: float) -> tuple[str, str]:
    kind, bound = rule.bound
    compares = kind == "gain_at_least"
    point = measured.gain if compares else measured.value
    assert point is not None and measured.low is not None and measured.high is not None
    interval = f"{confidence:.0%} interval {measured.low:.4g} to {measured.high:.4g}"
    subject = f"gain in {rule.metric}" if compares else rule.metric
    words = f"at {'most' if kind == 'at_most' else 'least'} {bound:g}"
    decisive = point
    if rule.evidence == "interval":
        decisive = measured.high if kind == "at_most" else measured.low
    kept = decisive <= bound if kind == "at_most" else decisive >= bound
    told = f"The {subject} is {point:.4g} ({interval}); {words} was wanted"
    if kept:
        return "passed", f"{told}."
    near = point <= bound if kind == "at_most" else point >= bound
    if rule.evidence == "interval" and near:
        return "failed", f"{told}, and the interval doesn't exclude that it falls short."
    return "failed", f"{told}."


def _judge_measured(rule: Rule, measured: Mapping[str, float]) -> Verdict:
    kind, bound = rule.bound
    value = measured.get(rule.metric)
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if value is None or not number or not math.isfinite(value):
        state = "wasn't measured" if value is None else f"was measured as {value!r}"
        said = f"{rule.metric} {state}; a finite number was wanted."
        return _verdict(rule, "", "refused", _Measured(), 0, said)
    found = float(value)
    kept = found <= bound if kind == "at_most" else found >= bound
    said = f"{rule.metric} is {found:.4g}; {kind.replace('_', ' ')} {bound:g} was wanted."
    shown = _Measured(found)
    return _verdict(rule, "", "passed" if kept else "failed", shown, 0, said)


def _verdict(
    rule: Rule, place: str, status: str, measured: _Measured, rows: int, said: str
) -> Verdict:
    kind, bound = rule.bound
    return Verdict(
        rule=rule.name, metric=rule.metric, slice=place, status=status,
        value=measured.value, champion=measured.champion, gain=measured.gain,
        low=measured.low, high=measured.high, bound=float(bound), kind=kind, rows=rows, said=said,
    )  # fmt: skip
