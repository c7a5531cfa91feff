"""Gates: what a model must show before it serves, declared once and judged the same everywhere.

A gate is a short YAML file:

.. code-block:: yaml

    gate: cancellations            # what reports call it
    task: classification           # 0 or 1 by a score; or multiclass, or regression
    label: cancelled               # the column with the truth
    threshold: 0.5                 # from which score on a row counts as 1
    costs: {false_positive: 2, false_negative: 9}    # for the metric "cost"
    interval: {confidence: 0.95, resamples: 2000, seed: 7, by: day}
    rules:
      - {metric: roc_auc, at_least: 0.65}
      - {metric: cost, gain_at_least: 0}             # better than the champion, beyond chance
      - {metric: recall, gain_at_least: -0.02, slices: [zone], min_rows: 200}
      - {metric: latency_ms, at_most: 20, measured: true}

For the command ``mlops-kit gate FILE`` it also says where rows and predictions are: ``data`` (a
.csv or .parquet file), ``challenger`` and ``champion`` (``{column: NAME}``, or ``{model: NAME,
version: ALIAS_OR_NUMBER}`` from the registry in ``workspace``), ``measured`` (a JSON file). Paths
are seen from the YAML file.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import ArrayLike

from mlops_kit.errors import GateError
from mlops_kit.gate_judging import judge
from mlops_kit.gate_metrics import METRICS
from mlops_kit.gate_report import GateReport, Subject, Verdict
from mlops_kit.gate_rules import TASKS, Interval, Rule, checked_keys, read_yaml
from mlops_kit.lineage import content_hash

__all__ = ["Gate", "GateReport", "Interval", "METRICS", "Rule", "Subject", "Verdict"]

_COSTS = ("false_positive", "false_negative", "true_positive")
_SOURCES = ("data", "challenger", "champion", "measured", "workspace")
_SETTINGS = ("gate", "task", "label", "threshold", "costs", "interval", "rules")


@dataclass(frozen=True)
class Gate:
    """Rules that a challenger must keep, some of them beside the champion on the same rows.

    Parameters
    ----------
    name : str
        What reports call it.
    task : {"classification", "multiclass", "regression"}
        Classification: the label is 0 or 1, the prediction a score. Multiclass: both are classes,
        as numbers or by name.
    label : str
        The column with the truth.
    rules : sequence of Rule
        At least one.
    threshold : float, default=0.5
        From which score on a row counts as 1.
    costs : mapping, optional
        What a ``false_positive``, a ``false_negative`` and a ``true_positive`` cost, for "cost".
    interval : Interval, optional
        How intervals are made.
    sources : mapping, optional
        Where the command finds rows and predictions.

    Raises
    ------
    GateError
        If the declaration is wrong; the message says where.

    Notes
    -----
    Taught in @sec-register.

    Examples
    --------
    >>> import numpy as np
    >>> gate = Gate("demo", "regression", "y", [Rule("mae", gain_at_least=0.0)])
    >>> rows = pd.DataFrame({"y": np.arange(100.0)})
    >>> report = gate.evaluate(rows, challenger=rows["y"] + 1, champion=rows["y"] + 2)
    >>> report.outcome, report.verdicts[0].gain
    ('passed', 1.0)
    """

    name: str
    task: str
    label: str
    rules: tuple[Rule, ...]
    threshold: float = 0.5
    costs: Mapping[str, float] = field(default_factory=dict)
    interval: Interval = field(default_factory=Interval)
    sources: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise GateError(f"a gate needs a name, got {self.name!r}.")
        if self.task not in TASKS:
            known = f"{', '.join(TASKS[:-1])} or {TASKS[-1]}"
            raise GateError(f"gate {self.name!r}: task is {known}, got {self.task!r}.")
        if not isinstance(self.label, str) or not self.label:
            raise GateError(f"gate {self.name!r}: label is a column's name, got {self.label!r}.")
        object.__setattr__(self, "rules", tuple(self.rules))
        if not self.rules:
            raise GateError(f"gate {self.name!r} has no rules, so everything would pass.")
        names = [rule.name for rule in self.rules]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise GateError(f"gate {self.name!r}: two rules are called {doubled[0]!r}; name them.")
        if isinstance(self.threshold, bool) or not isinstance(self.threshold, int | float):
            raise GateError(f"gate {self.name!r}: threshold is a number, got {self.threshold!r}.")
        for key, value in checked_keys(f"gate {self.name!r}, costs", self.costs, _COSTS).items():
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                raise GateError(f"gate {self.name!r}: the cost {key} is from 0, got {value!r}.")
        self._check_rules()

    def _check_rules(self) -> None:
        for rule in self.rules:
            if rule.measured:
                continue
            if self.task not in METRICS[rule.metric].tasks:
                fitting = [name for name, metric in METRICS.items() if self.task in metric.tasks]
                raise GateError(
                    f"gate {self.name!r}: {rule.metric} is a metric for "
                    f"{' and '.join(METRICS[rule.metric].tasks)}, and the task is {self.task}; "
                    f"for that there are {', '.join(fitting)}."
                )
            if rule.metric == "cost" and not self.costs:
                raise GateError(
                    f"gate {self.name!r}: the metric cost needs costs, such as "
                    "{false_positive: 2, false_negative: 9}."
                )

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "Gate":
        """Read a gate from a YAML file.

        Raises
        ------
        GateError
            If the file can't be read, or the declaration is wrong.
        """
        declared = read_yaml(Path(path))
        try:
            return cls.from_dict(declared)
        except GateError as error:
            raise GateError(f"{path}: {error}") from error

    @classmethod
    def from_dict(cls, declared: Any) -> "Gate":
        """Read a gate as YAML or JSON has it.

        Raises
        ------
        GateError
            If something is missing, unknown or contradictory.
        """
        given = dict(checked_keys("the gate", declared, [*_SETTINGS, *_SOURCES]))
        absent = [key for key in ("gate", "task", "label", "rules") if key not in given]
        if absent:
            raise GateError(f"the gate doesn't say its {', '.join(absent)}.")
        listed = given["rules"]
        if not isinstance(listed, Sequence) or isinstance(listed, str):
            raise GateError(f"the gate's rules are a list, got {listed!r}.")
        keys = list(Rule.__dataclass_fields__)
        rules = []
        for place, rule in enumerate(listed, start=1):
            entry = checked_keys(f"rule {place}", rule, keys)
            if "metric" not in entry:
                raise GateError(f"rule {place} doesn't name its metric.")
            rules.append(Rule(**entry))
        spans = checked_keys("interval", given.get("interval") or {}, list(
            Interval.__dataclass_fields__))  # fmt: skip
        return cls(
            name=given["gate"],
            task=given["task"],
            label=given["label"],
            rules=tuple(rules),
            threshold=given.get("threshold", 0.5),
            costs=given.get("costs") or {},
            interval=Interval(**spans),
            sources={key: given[key] for key in _SOURCES if key in given},
        )

    def to_dict(self) -> dict[str, Any]:
        """Give the rules and settings, without where rows and predictions are."""
        return {
            "gate": self.name,
            "task": self.task,
            "label": self.label,
            "threshold": self.threshold,
            "costs": dict(self.costs),
            "interval": {key: getattr(self.interval, key) for key in Interval.__dataclass_fields__},
            "rules": [rule.to_dict() for rule in self.rules],
        }

    @property
    def hash(self) -> str:
        """64 hexadecimal digits that differ when any rule or setting does."""
        text = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def evaluate(
        self,
        frame: pd.DataFrame,
        *,
        challenger: ArrayLike,
        champion: ArrayLike | None = None,
        measured: Mapping[str, float] | None = None,
        challenger_is: Subject | None = None,
        champion_is: Subject | None = None,
    ) -> GateReport:
        """Judge the challenger, and compare it with the champion on the same rows.

        Parameters
        ----------
        frame : pandas.DataFrame of shape (n_rows, n_columns)
            With the label, the columns of slices, and the interval's ``by``.
        challenger, champion : array-like of shape (n_rows,)
            Predictions: the label's unit for regression, a score for classification, a class
            for multiclass. Without a champion, rules that compare are skipped.
        measured : mapping of str to float, optional
            Numbers that were measured elsewhere.
        challenger_is, champion_is : Subject, optional
            Which models these are; a promotion needs it.

        Returns
        -------
        GateReport
            A metric that is missing, NaN or not defined on its rows is refused, and the gate with
            it.

        Raises
        ------
        GateError
            If rows, labels or predictions can't be used at all: columns missing, lengths that
            differ, labels that aren't there.

        Notes
        -----
        Taught in @sec-register. The interval is a paired percentile bootstrap: both models are
        measured on the same resamples.
        """
        verdicts = judge(self, frame, challenger, champion, measured or {})
        return GateReport(
            gate=self.name,
            gate_hash=self.hash,
            challenger=challenger_is,
            champion=champion_is if champion is not None else None,
            data_hash=content_hash(frame),
            rows=len(frame),
            confidence=self.interval.confidence,
            verdicts=verdicts,
        )
