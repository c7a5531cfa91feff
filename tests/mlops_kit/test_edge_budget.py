"""Parity sees what exports get wrong; budgets are gates that fail closed."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier

from mlops_kit import edge
from mlops_kit.errors import DataError, EdgeError

DIGITS, LABELS = load_digits(return_X_y=True)
FITTED, UNSEEN = slice(0, 600), slice(600, None)


class Spoilt:
    """The model itself as an export, with one fault."""

    def __init__(self, model: Any, *, change: Any = None, refuse: bool = True) -> None:
        self.model, self.change, self.refuse = model, change, refuse
        self.classes = tuple(model.classes_)

    def outputs(self, rows: Any) -> Any:
        taken = np.asarray(rows, np.float64)
        bad = ~np.isfinite(taken).all(axis=1)
        found = self.model.predict_proba(self._changed(np.where(bad[:, None], 0, taken)))
        if self.refuse:
            found[bad] = np.nan
        return found

    def predict(self, rows: Any) -> Any:
        return np.asarray(self.classes)[self.outputs(rows).argmax(axis=1)]

    def _changed(self, rows: Any) -> Any:
        return rows if self.change is None else self.change(rows)


@pytest.fixture(scope="module")
def tree() -> Any:
    return DecisionTreeClassifier(max_depth=6, random_state=0).fit(DIGITS[FITTED], LABELS[FITTED])


@pytest.fixture(scope="module")
def linear() -> Any:
    model = LogisticRegression(max_iter=2000, tol=1e-2)
    return model.fit(DIGITS[FITTED] / 16, LABELS[FITTED])


def test_a_perfect_export_agrees_everywhere(linear: Any) -> None:
    """The model against itself: full agreement, no difference, the same rows refused."""
    report = edge.parity(linear, Spoilt(linear), DIGITS[UNSEEN] / 16)
    names = [one.name for one in report.corners]
    assert names == ["data", "ties", "rounding", "border", "extremes", "missing"]
    assert all(one.agreement == 1 and one.example == -1 for one in report.corners)
    assert all(not one.largest_difference > 0 for one in report.corners)
    assert report.corner("missing").refused_by_model == report.corner("missing").rows


def test_a_threshold_turned_round_shows_in_the_ties_alone(tree: Any) -> None:
    """Less than, in place of at most, is right on the data and wrong on the thresholds."""
    top = np.finfo(np.float32).max
    export = Spoilt(tree, change=lambda rows: np.nextafter(rows.astype(np.float32), top))
    report = edge.parity(tree, export, DIGITS[UNSEEN] + 0.1)
    assert report.agreement == 1
    ties = report.corner("ties")
    assert ties.agreement < 0.5
    assert ties.example >= 0


def test_an_export_that_answers_nonsense_rows_is_told(linear: Any) -> None:
    """The model refuses what isn't finite; an export that answers it disagrees."""
    report = edge.parity(linear, Spoilt(linear, refuse=False), DIGITS[UNSEEN] / 16)
    missing = report.corner("missing")
    assert (missing.refused_by_model, missing.refused_by_export) == (missing.rows, 0)
    assert missing.agreement == 0
    assert report.agreement == 1


def test_border_rows_lie_where_the_answer_turns(linear: Any) -> None:
    """Half of them have one answer, and each other half's neighbour another."""
    border = edge.corner_rows(linear, DIGITS[UNSEEN] / 16)["border"]
    low, high = np.split(border, 2)
    assert (linear.predict(low) != linear.predict(high)).all()
    assert np.abs(low - high).max() < 1e-5


def test_corner_rows_are_the_same_for_the_same_seed(tree: Any) -> None:
    """Chance is an argument."""
    first, second, other = (edge.corner_rows(tree, DIGITS, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], second[name], equal_nan=True) for name in first)
    assert not np.array_equal(first["ties"], other["ties"])


def test_values_agree_within_a_share_of_their_spread() -> None:
    """For a regressor the tolerance is relative to how far its answers range."""
    rows, values = load_diabetes(return_X_y=True)
    model = Ridge().fit(rows, values)
    exported = edge.to_onnx(model)
    assert edge.parity(model, exported, rows).agreement == 1
    assert edge.parity(model, exported, rows, tolerance=1e-12).agreement < 1


@pytest.mark.parametrize("data", [[], [[]], [1.0, 2.0], [["a"] * 64]])
def test_parity_wants_rows(tree: Any, data: Any) -> None:
    """No data, one dimension, texts: each gets a sentence."""
    with pytest.raises(DataError, match="parity"):
        edge.parity(tree, Spoilt(tree), data)


def test_a_report_is_plain_data_and_a_table(tree: Any) -> None:
    """JSON for machines, lines for people, and a part that isn't there is named."""
    report = edge.parity(tree, Spoilt(tree), DIGITS[:50], corners=False)
    assert json.loads(json.dumps(report.to_dict()))["corners"][0]["agreement"] == 1
    assert "data" in str(report)
    with pytest.raises(EdgeError, match="no part 'ties'; it has: data"):
        report.corner("ties")


BADGE = """
name: badge
device: {name: board, clock_mhz: 64}
budgets:
  size_bytes: 4096
  ram_bytes: 512
  latency_us: 60
  accuracy: 0.8
  agreement: 0.99
"""


def test_a_model_within_budget_passes_and_one_over_it_is_told_what_helps(
    linear: Any, tmp_path: Path
) -> None:
    """A gate from YAML, held against measurements of an export."""
    (tmp_path / "badge.yml").write_text(BADGE)
    budget = edge.load_budget(tmp_path / "badge.yml")
    rows, labels = DIGITS[UNSEEN] / 16, LABELS[UNSEEN]
    measured = edge.measure(linear, edge.to_onnx(linear), rows, labels, device=budget.device)
    assert measured["accuracy"] == linear.score(rows, labels)
    assert measured["multiply_adds"] == 640
    assert measured["latency_us"] == 50
    report = budget.check({**measured, "ram_bytes": 300})
    assert report.ok
    report.require()
    over = budget.check({**measured, "ram_bytes": 513, "accuracy": 0.799})
    assert [one.name for one in over.verdicts if not one.ok] == ["ram_bytes", "accuracy"]
    with pytest.raises(EdgeError, match=r"badge: 2 of 5 .*ram_bytes: 513 \(wanted <= 512\)"):
        over.require()
    assert "NOT within budget" in str(over)
    assert not json.loads(json.dumps(over.to_dict()))["ok"]


@pytest.mark.parametrize("value", [None, math.nan])
def test_what_was_not_measured_does_not_pass(value: float | None) -> None:
    """A missing or NaN measurement fails the gate."""
    budget = edge.load_budget({"budgets": {"accuracy": 0.5, "size_bytes": 10}})
    report = budget.check({"accuracy": value})
    assert [one.ok for one in report.verdicts] == [False, False]
    assert "wasn't measured" in str(report)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "'budgets' was wanted"),
        ({"budgets": {}}, "anything would pass"),
        ({"budgets": {"flash": 3}}, "no budget 'flash'; there are: size_bytes"),
        ({"budgets": {"accuracy": "high"}}, "accuracy must be a finite number, got 'high'"),
        ({"budgets": {"accuracy": True}}, "finite number"),
        ({"budgets": {"accuracy": math.inf}}, "finite number"),
        ({"budgets": {"latency_us": 5}}, "needs a device"),
        ({"budgets": {"accuracy": 1}, "limits": {}}, r"unknown keys \['limits'\]"),
        ({"budgets": {"accuracy": 1}, "device": {"name": "x"}}, "clock_mhz"),
        ({"budgets": {"accuracy": 1}, "device": {"name": "x", "clock_mhz": 0}}, "above 0"),
    ],
)
def test_a_budget_that_cannot_be_meant_is_named(content: Mapping[str, Any], said: str) -> None:
    """A gate that is misspelt must not stand open."""
    with pytest.raises(EdgeError, match=said):
        edge.load_budget(content)


def test_a_budget_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """No file and broken YAML each get a sentence with the file's name."""
    with pytest.raises(EdgeError, match=r"none\.yml can't be read"):
        edge.load_budget(tmp_path / "none.yml")
    (tmp_path / "bad.yml").write_text("budgets: {accuracy: [")
    with pytest.raises(EdgeError, match=r"bad\.yml isn't YAML"):
        edge.load_budget(tmp_path / "bad.yml")


def test_measuring_needs_a_label_for_each_row(linear: Any) -> None:
    """Rows and labels of unequal number are refused."""
    with pytest.raises(DataError, match="5 rows and 4 labels"):
        edge.measure(linear, Spoilt(linear), DIGITS[:5], LABELS[:4])


def test_clock_and_corners_are_measured_when_asked_for(tree: Any) -> None:
    """A time above zero, and the lowest agreement over ties and rounding."""
    measured = edge.measure(
        tree, edge.to_onnx(tree), DIGITS[:200], LABELS[:200], clock=True, corners=True
    )
    assert measured["host_latency_us"] is not None
    assert measured["host_latency_us"] > 0
    assert measured["worst_corner"] == 1
