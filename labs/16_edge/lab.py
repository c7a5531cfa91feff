# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "story", "grade": false, "solution": false, "locked": true, "task": false}
# # The meter that reads itself
#
# A waterworks clips a small camera onto old water meters. The sensor sees each digit as 8 × 8 grey values, whole numbers from 0 to 16; a microcontroller reads the digit and sends it once a day. It has to read on the spot: the radio's battery lasts ten years at twelve bytes a day, and a picture of somebody's cellar is nobody's business.
#
# The model was fitted on a laptop. A vendor ported it to the device, and says:
#
# > *It's the same model. We compared the accuracy.*
#
# Then the bills went out, and some of them were wrong.
#
# By the end of this lab you will have found what the port changed, and you will have what the vendor lacked: a model within the device's **budgets**, and **proof** that the device answers as the laptop does.
#
# | part | you build | which answers | minutes |
# |---|---|---|---|
# | 1 | a footprint, a gate | does it fit? | 15 |
# | 2 | rows that find a bad port, thresholds that mend one | is it the same model? | 25 |
# | 3 | int8 weights by hand, an int8 file in ONNX | how does it get smaller? | 20 |
# | 4 | C, compiled and run; a choice; its figure | what goes to the device? | 30 |
#
# **How to work.** Replace `raise NotImplementedError()` in the answer cells. The cells below each answer test it; run them as often as you like. Part of the points is given by tests that you don't see: they ask for what the text asks for, on other models and other data. The questions can be solved independently of each other. No question is graded by a clock: time is counted in operations. A grader takes text on stderr for a failure: write to a log with `logging` as much as you like (here it goes nowhere), and don't print tracebacks.
#
# **A C compiler.** Question 7 compiles C. If this machine has none (`cc`, `gcc` or `clang`), your answer must say so in the way that the question defines, and that is what is tested here; where it's graded there is one.

# %% nbgrader={"schema_version": 3, "grade_id": "imports", "grade": false, "solution": false, "locked": true, "task": false}
import ctypes
import logging
import math
import os
import shutil
import subprocess
import tempfile
import warnings
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one small model at a time: threads only wait

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.tree import DecisionTreeClassifier

from mlops_kit import edge
from mlops_kit.errors import EdgeError, KitError

# A grader takes text on stderr for a failure; a package's advice and your log aren't one.
warnings.simplefilter("ignore")
logging.basicConfig(handlers=[logging.NullHandler()])
logging.getLogger().setLevel(logging.ERROR)

# %% tags=["parameters"] nbgrader={"schema_version": 3, "grade_id": "parameters", "grade": false, "solution": false, "locked": true, "task": false}
SEED = 16  # which digits are fitted, and which are held out
HELD_OUT = 600  # how many are held out, 300 to 900

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "part1", "grade": false, "solution": false, "locked": true, "task": false}
# ## Part 1 · Does it fit?
#
# The device: a 64 MHz microcontroller with a floating-point unit. Of its flash 4 KiB are left for the model's tables, of its RAM 480 bytes for a reading.

# %% nbgrader={"schema_version": 3, "grade_id": "given_data", "grade": false, "solution": false, "locked": true, "task": false}
digits, readings = load_digits(return_X_y=True)
rows, held_rows, labels, held_labels = train_test_split(
    digits, readings, test_size=HELD_OUT, random_state=SEED, stratify=readings
)


def train_network(rows, labels, *, hidden, seed):
    """Fit a network with one hidden layer on grey values from 0 to 16."""
    network = MLPClassifier((hidden,), solver="lbfgs", alpha=1.0, max_iter=80, random_state=seed)
    with warnings.catch_warnings():  # 80 steps are enough here; the optimiser would go on
        warnings.simplefilter("ignore")
        network.fit(rows / 16, labels)
    network.coefs_[0] /= 16  # it takes grey values now: the division costs the device nothing
    return network


DEVICE = edge.Device("the meter's microcontroller", clock_mhz=64, multiply_add=5)
network = train_network(rows, labels, hidden=16, seed=SEED)
print(f"{len(rows)} digits fitted, {len(held_rows)} held out")
print(f"accuracy of a network with 16 hidden units: {network.score(held_rows, held_labels):.3f}")

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q1_text", "grade": false, "solution": false, "locked": true, "task": false}
# A network is a chain of layers. A layer with `a` inputs and `b` outputs multiplies `a × b` weights and adds `b` biases. On the device this costs:
#
# - **tables** (flash): in `"float"`, 4 bytes for each weight and each bias. In `"int8"`, 1 byte for each weight, and for each output 4 bytes for its bias and 4 for its scale;
# - **RAM**: 4 bytes for each feature, for each output of the last layer, and for the numbers between layers: none if there is no hidden layer, one buffer as wide as the hidden layer if there is one, **two** buffers as wide as the widest hidden layer if there are more (a layer reads one and writes the other);
# - **operations**: one multiply-add for each weight;
# - **latency**, by the cost model: 5 cycles for each multiply-add, 64 cycles in a microsecond.
#
# A small example: sizes 3 → 2 in float. Tables 4 × (6 + 2) = 32 bytes, RAM 4 × (3 + 2) = 20 bytes, 6 operations, 6 × 5 / 64 = 0.46875 µs.
#
# > **Take away.** Size, memory and time of a small model can be counted before anybody compiles anything. What can be counted needn't be argued about.
#
# ### Question 1 · A footprint
#
# Write `footprint(sizes, precision)`: `sizes` is the list of layer widths, features first and outputs last, such as `[64, 16, 10]`; `precision` is `"float"` or `"int8"`. Return a dictionary with `table_bytes`, `ram_bytes`, `operations` (whole numbers) and `latency_us` (microseconds).


# %% nbgrader={"schema_version": 3, "grade_id": "q1", "grade": false, "solution": true, "locked": false, "task": false}
def footprint(sizes, precision):
    """Count what a network of these layer widths takes on the device."""
    ### BEGIN SOLUTION
    weights = sum(a * b for a, b in pairwise(sizes))
    outputs = sum(sizes[1:])
    hidden = sizes[1:-1]
    buffers = max(hidden, default=0) * min(len(hidden), 2)
    table = 4 * (weights + outputs) if precision == "float" else weights + 8 * outputs
    return {
        "table_bytes": table,
        "ram_bytes": 4 * (sizes[0] + buffers + sizes[-1]),
        "operations": weights,
        "latency_us": weights * 5 / 64,
    }
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "q1_float", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
_found = footprint([3, 2], "float")
assert isinstance(_found, dict), f"footprint gave a {type(_found).__name__}; a dict was wanted."
_missing = {"table_bytes", "ram_bytes", "operations", "latency_us"} - set(_found)
assert not _missing, f"The footprint lacks {sorted(_missing)}."
assert _found["table_bytes"] == 32, (
    f"The example's tables came out as {_found['table_bytes']} bytes."
)
assert _found["ram_bytes"] == 20, f"The example's RAM came out as {_found['ram_bytes']} bytes."
assert _found["operations"] == 6, f"The example has 6 weights, you count {_found['operations']}."
assert abs(_found["latency_us"] - 0.46875) < 1e-9, (
    f"The example's latency came out as {_found['latency_us']} µs. Cycles divided by cycles in a microsecond."
)
_found = footprint([64, 16, 10], "float")
assert _found["table_bytes"] == 4 * (64 * 16 + 16 + 16 * 10 + 10), (
    f"64 → 16 → 10 in float came out as {_found['table_bytes']} bytes. Each layer has its biases."
)
assert _found["ram_bytes"] == 4 * (64 + 16 + 10), (
    f"64 → 16 → 10 needs one buffer between its layers; your RAM is {_found['ram_bytes']} bytes."
)

# %% nbgrader={"schema_version": 3, "grade_id": "q1_int8", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
_found = footprint([64, 16, 10], "int8")
assert _found["table_bytes"] == 64 * 16 + 16 * 10 + 8 * (16 + 10), (
    f"64 → 16 → 10 in int8 came out as {_found['table_bytes']} bytes. What stays at 4 bytes?"
)
### BEGIN HIDDEN TESTS
### HINT Widths are read from the list: any number of layers, narrow or wide, and precision changes the tables alone.
_found = footprint([30, 8, 20, 5, 3], "int8")
assert _found["table_bytes"] == (240 + 160 + 100 + 15) + 8 * (8 + 20 + 5 + 3)
assert _found["operations"] == 515
assert abs(_found["latency_us"] - 515 * 5 / 64) < 1e-9
### HINT With several hidden layers two buffers are needed, each as wide as the widest of them; with none there is none.
assert _found["ram_bytes"] == 4 * (30 + 2 * 20 + 3)
assert footprint([30, 20, 3], "int8")["ram_bytes"] == 4 * (30 + 20 + 3)
assert footprint([30, 3], "int8")["ram_bytes"] == 4 * 33
assert footprint([7, 9, 9, 2], "float")["ram_bytes"] == 4 * (7 + 18 + 2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q2_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### Question 2 · A gate
#
# Write `gate(measured, budgets)`. Both are dictionaries from names to numbers. `accuracy` and `agreement` must be **at least** their budget; every other name is a cost and must be **at most** its budget. A value equal to its budget keeps it.
#
# Return the **sorted list** of the names whose budget isn't kept; `[]` means go. What wasn't measured (it's missing, `None`, or not a number) isn't kept: a gate that opens when a measurement fails is no gate. Measurements without a budget don't matter.


# %% nbgrader={"schema_version": 3, "grade_id": "q2", "grade": false, "solution": true, "locked": false, "task": false}
def gate(measured, budgets):
    """Name, in sorted order, the budgets that aren't kept."""
    ### BEGIN SOLUTION
    broken = []
    for name, limit in budgets.items():
        value = measured.get(name)
        if value is None or math.isnan(value):
            broken.append(name)
        elif name in ("accuracy", "agreement"):
            if value < limit:
                broken.append(name)
        elif value > limit:
            broken.append(name)
    return sorted(broken)
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "q2_open", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
_budgets = {"table_bytes": 4096, "accuracy": 0.95}
_found = gate({"table_bytes": 2000, "accuracy": 0.97, "colour": 3}, _budgets)
assert _found == [], f"A model within both budgets got {_found!r}; [] was wanted."
assert gate({"table_bytes": 5000, "accuracy": 0.97}, _budgets) == ["table_bytes"], (
    "5000 bytes went through a budget of 4096, or another name was blamed."
)
assert gate({"table_bytes": 2000, "accuracy": 0.90}, _budgets) == ["accuracy"], (
    "An accuracy of 0.90 went through a budget of 0.95. Which way is better for which name?"
)

# %% nbgrader={"schema_version": 3, "grade_id": "q2_closed", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
_budgets = {"ram_bytes": 480, "agreement": 0.99, "accuracy": 0.95, "latency_us": 100}
_kept = {"ram_bytes": 480, "agreement": 0.99, "accuracy": 0.95, "latency_us": 100}
assert gate(_kept, _budgets) == [], "A value equal to its budget keeps it."
### BEGIN HIDDEN TESTS
### HINT Several broken budgets are all named, in sorted order.
assert gate(
    {"ram_bytes": 481, "agreement": 0.98, "accuracy": 0.94, "latency_us": 101}, _budgets
) == ["accuracy", "agreement", "latency_us", "ram_bytes"]
### HINT A measurement that is missing, None or not a number doesn't keep its budget, whichever way the budget goes.
assert gate({"agreement": 1.0, "accuracy": 1.0, "latency_us": 1}, _budgets) == ["ram_bytes"]
assert gate({**_kept, "accuracy": float("nan")}, _budgets) == ["accuracy"]
assert gate({**_kept, "latency_us": float("nan")}, _budgets) == ["latency_us"]
assert gate({**_kept, "agreement": None}, _budgets) == ["agreement"]
### HINT Only accuracy and agreement are better when they're larger; every other name is a cost, whatever letter it begins with.
assert gate(
    {"ampere_hours": 3, "accuracy_per_byte": 2}, {"ampere_hours": 2, "accuracy_per_byte": 1}
) == ["accuracy_per_byte", "ampere_hours"]
assert gate({"area_mm2": 1}, {"area_mm2": 2}) == []
### HINT A measured zero is a measurement.
assert gate({**_kept, "ram_bytes": 0}, _budgets) == []
assert gate({**_kept, "accuracy": 0.0}, _budgets) == ["accuracy"]
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "part2", "grade": false, "solution": false, "locked": true, "task": false}
# ## Part 2 · Is it the same model?
#
# What the vendor ported first was smaller than a network: a decision tree. A tree goes to the device as a table with a row for each node: which feature it asks, the threshold, where to go next, and the label if it's a leaf (there, `feature` is −2). Below is the vendor's firmware, line by line in NumPy, and the vendor's proof.


# %% nbgrader={"schema_version": 3, "grade_id": "given_vendor", "grade": false, "solution": false, "locked": true, "task": false}
def tree_table(tree):
    """A fitted tree as the arrays that go to the device."""
    nodes = tree.tree_
    return {
        "feature": nodes.feature,
        "threshold": nodes.threshold,
        "left": nodes.children_left,
        "right": nodes.children_right,
        "label": tree.classes_[nodes.value[:, 0].argmax(axis=1)],
    }


def firmware_labels(table, rows):
    """The vendor's firmware: all in single precision, as the device has no other."""
    rows = np.asarray(rows, dtype=np.float32)
    limits = np.asarray(table["threshold"], dtype=np.float32)
    node = np.zeros(len(rows), dtype=int)
    while True:
        feature = table["feature"][node]
        inside = feature >= 0
        if not inside.any():
            return table["label"][node]
        value = rows[np.arange(len(rows)), np.maximum(feature, 0)]
        step = np.where(value < limits[node], table["left"][node], table["right"][node])
        node = np.where(inside, step, node)


tree = DecisionTreeClassifier(max_depth=9, random_state=SEED).fit(rows, labels)
table = tree_table(tree)
ported = firmware_labels(table, held_rows)
print(f"accuracy on the laptop {tree.score(held_rows, held_labels):.3f}")
print(f"accuracy on the device {(ported == held_labels).mean():.3f}")
print(f"digits that the two read differently: {(ported != tree.predict(held_rows)).sum()}")

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q3_text", "grade": false, "solution": false, "locked": true, "task": false}
# Two models with nearly the same accuracy needn't be the same model: they can be wrong in other places. Compare answers, row by row, not scores.
#
# > **Take away.** Parity is a statement about rows. Ordinary rows hardly ever meet the places where an export goes wrong, so make rows that do.
#
# The tree on the laptop goes **left when `value <= threshold`** and right otherwise, with thresholds in double precision. A port can go wrong in more ways than one: it compares by `<`; it cuts thresholds to whole numbers, or rounds them to few digits; it loses a leaf.
#
# ### Question 3 · Rows that find a bad port
#
# Write `hard_rows(table, fitted)`. `table` is a dictionary as `tree_table` makes it; `fitted` are the rows that the tree was fitted on (between them they reach every leaf). Return an array of shape (n, number of features), n from 1 to 1000, such that **any port that decides wrongly at some node is found by some row**: the port gives another label than the tree.
#
# - Every row must be a row that the device can have: finite numbers that single precision holds exactly (`row == row.astype(np.float32)`). Otherwise a faithful port is accused, for rounding what it couldn't hold.
# - Think of both sides of a threshold: the largest number that goes left, and the smallest that goes right. `np.nextafter` gives a float's neighbour.
# - To reach a node, start from a fitted row that passes it and change only the feature that the node asks.
# - Where both ways from a node give the same label, nobody can tell; don't worry about it.


# %% nbgrader={"schema_version": 3, "grade_id": "q3", "grade": false, "solution": true, "locked": false, "task": false}
def hard_rows(table, fitted):
    """Make rows on both sides of each threshold, each on its way through the node."""
    ### BEGIN SOLUTION
    limits = table["threshold"]
    below = limits.astype(np.float32)
    below = np.where(below > limits, np.nextafter(below, np.float32(-np.inf)), below)
    above = np.nextafter(below, np.float32(np.inf))
    made, counts = [], {}
    for row in fitted.astype(np.float32):
        node = 0
        while table["feature"][node] >= 0:
            feature = table["feature"][node]
            if counts.get(node, 0) < 4:
                for value in (below[node], above[node]):
                    changed = row.copy()
                    changed[feature] = value
                    made.append(changed)
                counts[node] = counts.get(node, 0) + 1
            side = "left" if row[feature] <= limits[node] else "right"
            node = table[side][node]
    return np.array(made[:1000], dtype=np.float64)
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "given_judge", "grade": false, "solution": false, "locked": true, "task": false}
def tree_labels(table, rows):
    """What the laptop answers: `<=`, thresholds in double precision."""
    rows = np.asarray(rows, dtype=np.float32).astype(np.float64)
    node = np.zeros(len(rows), dtype=int)
    while (table["feature"][node] >= 0).any():
        feature = table["feature"][node]
        value = rows[np.arange(len(rows)), np.maximum(feature, 0)]
        step = np.where(
            value <= table["threshold"][node], table["left"][node], table["right"][node]
        )
        node = np.where(feature >= 0, step, node)
    return table["label"][node]


# %% nbgrader={"schema_version": 3, "grade_id": "q3_less", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
import numpy as _np
from sklearn.datasets import load_digits as _load
from sklearn.tree import DecisionTreeClassifier as _Tree

_digits, _names = _load(return_X_y=True)
_tree = _Tree(max_depth=7, random_state=SEED).fit(_digits[:900], _names[:900])
_nodes = _tree.tree_
_table = {
    "feature": _nodes.feature.copy(),
    "threshold": _nodes.threshold.copy(),
    "left": _nodes.children_left.copy(),
    "right": _nodes.children_right.copy(),
    "label": _tree.classes_[_nodes.value[:, 0].argmax(axis=1)],
}
_rows = _np.asarray(hard_rows(dict(_table), _digits[:900].copy()), dtype=float)
assert _rows.ndim == 2 and _rows.shape[1] == 64, (
    f"hard_rows gave an array of shape {_rows.shape}; (n, 64) was wanted, the tree has 64 features."
)
assert 1 <= len(_rows) <= 1000, f"hard_rows gave {len(_rows)} rows; 1 to 1000 were wanted."
assert _np.isfinite(_rows).all(), "Some numbers aren't finite; the sensor gives none such."
assert (_rows == _rows.astype(_np.float32)).all(), (
    "Some numbers don't fit into single precision, so a faithful port would be accused."
)
_truth = _tree.predict(_rows)
# `value < t` is `value <= the double just below t`: so a tree plays the port.
_nodes.threshold[:] = _np.nextafter(_nodes.threshold, -_np.inf)
assert (_truth != _tree.predict(_rows)).any(), (
    "A port that compares by `<` gives your rows the same labels as the tree. Which value tells the two apart?"
)

# %% nbgrader={"schema_version": 3, "grade_id": "q3_all", "grade": true, "solution": false, "locked": true, "points": 3, "task": false}
import numpy as _np
from sklearn.datasets import load_digits as _load
from sklearn.tree import DecisionTreeClassifier as _Tree


class _Trial:
    """A tree, the rows that were made for it, and ports of it: the tree with other thresholds."""

    def __init__(self, _fitted, _labels, _depth, _seed):
        self.tree = _Tree(max_depth=_depth, random_state=_seed).fit(_fitted, _labels)
        _nodes = self.tree.tree_
        self.limits = _nodes.threshold.copy()
        self.left, self.right = _nodes.children_left, _nodes.children_right
        self.label = self.tree.classes_[_nodes.value[:, 0].argmax(axis=1)]
        _table = {"feature": _nodes.feature, "threshold": self.limits, "label": self.label}
        _table |= {"left": self.left, "right": self.right}
        _table = {_part: _array.copy() for _part, _array in _table.items()}
        self.rows = _np.asarray(hard_rows(_table, _fitted.copy()), dtype=float)
        self.truth = self.tree.predict(self.rows)

    def _finds(self, _limits):
        """Say whether some row gets another label from a port with these thresholds."""
        self.tree.tree_.threshold[:] = _limits
        _found = self.tree.predict(self.rows)
        self.tree.tree_.threshold[:] = self.limits
        return bool((_found != self.truth).any())


_digits, _names = _load(return_X_y=True)
_first = _Trial(_digits[300:], _names[300:], 8, SEED + 1)
assert len(set(_first.truth.tolist())) > 1, (
    "All your rows reach leaves of one label; many leaves aren't visited."
)
### BEGIN HIDDEN TESTS
### HINT Whatever rows the tree was fitted on, yours must be numbers that single precision holds exactly, at most 1000 of them.
_noise = _np.random.default_rng(SEED + 2).normal(scale=0.37, size=_digits.shape)
_second = _Trial(_digits + _noise, _names, 6, SEED + 3)
for _one in (_first, _second):
    assert 1 <= len(_one.rows) <= 1000 and _np.isfinite(_one.rows).all()
    assert (_one.rows == _one.rows.astype(_np.float32)).all()
### HINT A port that compares by `<`, on another tree and on features that aren't whole numbers.
_single = _second.limits.astype(_np.float32).astype(float)
for _one, _limits in ((_first, _first.limits), (_second, _single)):
    assert _one._finds(_np.nextafter(_limits, -_np.inf))
### HINT A port that cuts thresholds to whole numbers, or rounds them to two digits.
assert _second._finds(_np.trunc(_second.limits))
assert _second._finds(_np.round(_second.limits, 2))
### HINT Every node must be tried, on both sides: a wrong threshold at one node that leads to two leaves is found, whether it's a little too low or a little too high.
for _one in (_first, _second):
    _leaf = _one.left < 0
    for _node in _np.flatnonzero(~_leaf & _leaf[_one.left] & _leaf[_one.right]):
        if _one.label[_one.left[_node]] != _one.label[_one.right[_node]]:
            for _step in (-0.004, 0.004):
                _limits = _one.limits.copy()
                _limits[_node] += _step
                assert _one._finds(_limits)
### HINT Every leaf must be reached: a leaf whose label was lost is found.
assert set(_np.flatnonzero(_first.left < 0)) <= set(_first.tree.apply(_first.rows))
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q4_text", "grade": false, "solution": false, "locked": true, "task": false}
# With such rows the fault is plain: the firmware says `<`, the tree means `<=`. On numbers of many digits the two hardly ever meet. The sensor gives whole numbers, a threshold lies half-way between two of them, and half-way between 6 and 8 is 7.
#
# The firmware is in ten thousand cellars and can't be changed before spring. The table can.
#
# ### Question 4 · Thresholds that mend the port
#
# Write `firmware_thresholds(thresholds)`: takes an array of the tree's thresholds (double precision), returns an array of the same shape in **single precision** (`float32`) such that for **every** number `x` that single precision can hold,
#
# `x < firmware_thresholds(t)` exactly when `x <= t`.
#
# Mind that a threshold needn't fit into single precision itself: rounding it may move it up or down.


# %% nbgrader={"schema_version": 3, "grade_id": "q4", "grade": false, "solution": true, "locked": false, "task": false}
def firmware_thresholds(thresholds):
    """Give the single-precision limits that make `<` decide as `<=` does."""
    ### BEGIN SOLUTION
    thresholds = np.asarray(thresholds, dtype=np.float64)
    rounded = thresholds.astype(np.float32)
    return np.where(
        rounded > thresholds, rounded, np.nextafter(rounded, np.float32(np.inf))
    ).astype(np.float32)
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "q4_data", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
import numpy as _np
from sklearn.datasets import load_digits as _load
from sklearn.tree import DecisionTreeClassifier as _Tree

_rows, _labels = _load(return_X_y=True)
_tree = _Tree(max_depth=9, random_state=SEED).fit(_rows[:900], _labels[:900])
_limits = _tree.tree_.threshold
_found = _np.asarray(firmware_thresholds(_limits))
assert _found.shape == _limits.shape, (
    f"{_limits.shape[0]} thresholds went in, an array of shape {_found.shape} came out."
)
assert _found.dtype == _np.float32, (
    f"The thresholds came back as {_found.dtype}; float32 was wanted."
)
_values = _np.arange(17, dtype=_np.float32)[:, None]
_wrong = (_values < _found) != (_values <= _limits)
assert not _wrong.any(), (
    f"For {int(_wrong.any(axis=0).sum())} of the tree's thresholds some grey value still goes the other way."
)

# %% nbgrader={"schema_version": 3, "grade_id": "q4_every", "grade": true, "solution": false, "locked": true, "points": 3, "task": false}
import numpy as _np

_limits = _np.array([7.0, 7.5, 0.0, -3.0])
_values = _np.array([7, 7.5, 0, -3, 6.9, 7.4, -0.1, -3.1], dtype=_np.float32)[:, None]
_found = _np.asarray(firmware_thresholds(_limits))
assert ((_values < _found) == (_values <= _limits)).all(), (
    "Among 7, 7.5, 0 and -3 some value still goes the other way, below or on its threshold."
)
### BEGIN HIDDEN TESTS
_draw = _np.random.default_rng(SEED)


def _agree(_limits):
    """Try the floats next to each threshold, and further ones."""
    _found = _np.asarray(firmware_thresholds(_limits))
    _near = _limits.astype(_np.float32)
    _down, _up = _np.float32(-_np.inf), _np.float32(_np.inf)
    _tried = [_near, _np.nextafter(_near, _down), _np.nextafter(_near, _up)]
    _tried += [_np.nextafter(_tried[1], _down), _np.nextafter(_tried[2], _up)]
    _tried += [_near * _np.float32(1.001), _near * _np.float32(0.999)]
    return all(((_x < _found) == (_x.astype(float) <= _limits)).all() for _x in _tried)


### HINT The neighbours of a threshold in single precision are the rows that count: no number at all may go the other way, not just none of the sensor's.
assert _agree(_np.arange(-20, 20) / 2)
### HINT A threshold of many digits doesn't fit into single precision; after rounding, look on which side of it you came out.
assert _agree(_draw.normal(size=2000))
assert _agree(_draw.normal(size=2000) * 1e-3 + 5)
### HINT Very small, very large and negative thresholds follow the same rule: a fixed step is too large for some and lost in others.
assert _agree(-_np.exp(_draw.uniform(-20, 20, size=2000)))
assert _agree(_np.exp(_draw.uniform(-20, 20, size=2000)))
assert _agree(_np.array([0.0, 1e-30, -1e-30, 16777216.0]))
### END HIDDEN TESTS

# %% nbgrader={"schema_version": 3, "grade_id": "given_mended", "grade": false, "solution": false, "locked": true, "task": false}
try:
    mended = {**table, "threshold": firmware_thresholds(table["threshold"])}
    apart = (firmware_labels(mended, held_rows) != tree.predict(held_rows)).sum()
    print(f"digits that laptop and mended device read differently: {apart}")
except NotImplementedError:
    print("Question 4 isn't answered yet.")

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "part3", "grade": false, "solution": false, "locked": true, "task": false}
# ## Part 3 · A quarter of the size
#
# A weight in single precision takes 4 bytes. Most of its digits are noise: a byte is enough, if each output of a layer has a scale of its own. A weight `w` becomes a whole number `q` from −127 to 127, and the device computes with `q × scale`.
#
# A small example: the weights of one output are 0.5, −2.54 and 0.013. The largest in size is 2.54, so scale = 2.54 / 127 = 0.02, and q = 25, −127, 1: the device computes with 0.5, −2.54, 0.02.
#
# ### Question 5 · Weights in a byte
#
# Write `quantise(weights)`: `weights` is an array of shape (inputs, outputs). Return a pair `(codes, scales)`: `codes` an array of the same shape in `int8`, from −127 to 127; `scales` an array of shape (outputs,) in `float32`, all finite and above 0. For each weight, `codes × scales` is at most half a scale away from it (and a millionth more, for rounding), and each scale is **the smallest that allows this**: the column's largest weight in size, divided by 127. A column of zeros has zeros as codes.


# %% nbgrader={"schema_version": 3, "grade_id": "q5", "grade": false, "solution": true, "locked": false, "task": false}
def quantise(weights):
    """Give the weights as whole numbers of a byte, with a scale for each output."""
    ### BEGIN SOLUTION
    largest = np.abs(weights).max(axis=0)
    scales = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    codes = np.clip(np.rint(weights / scales), -127, 127).astype(np.int8)
    return codes, scales
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "q5_bytes", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
import numpy as _np

_weights = _np.array([[0.5], [-2.54], [0.013]])
_codes, _scales = quantise(_weights)
_codes, _scales = _np.asarray(_codes), _np.asarray(_scales)
assert _codes.dtype == _np.int8, f"The codes came back as {_codes.dtype}; int8 was wanted."
assert _codes.shape == (3, 1) and _scales.shape == (1,), (
    f"The shapes came back as {_codes.shape} and {_scales.shape}; (3, 1) and (1,) were wanted."
)
assert _codes.ravel().tolist() == [25, -127, 1], (
    f"The example's codes came out as {_codes.ravel().tolist()}. Are they rounded to the nearest, or cut?"
)
assert abs(float(_scales[0]) - 0.02) < 1e-6, f"The example's scale came out as {float(_scales[0])}."

# %% nbgrader={"schema_version": 3, "grade_id": "q5_bound", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
import numpy as _np


def _holds(_weights):
    """Whether the answer keeps what the question says."""
    _codes, _scales = quantise(_weights.copy())
    _codes, _scales = _np.asarray(_codes), _np.asarray(_scales)
    _back = _codes.astype(float) * _scales.astype(float)
    _smallest = _np.abs(_weights).max(axis=0) / 127
    return (
        _codes.dtype == _np.int8
        and _scales.dtype == _np.float32
        and _scales.shape == (_weights.shape[1],)
        and _np.isfinite(_scales).all()
        and (_scales > 0).all()
        and (_codes >= -127).all()
        and (_np.abs(_back - _weights) <= _scales * 0.5 + 1e-6 * _np.abs(_weights).max()).all()
        and _np.allclose(_scales[_smallest > 0], _smallest[_smallest > 0], rtol=1e-5)
    )


_draw = _np.random.default_rng(SEED)
assert _holds(_draw.normal(size=(64, 16))), (
    "For ordinary weights some product of code and scale is more than half a scale away, or a type or a scale is another."
)
### BEGIN HIDDEN TESTS
### HINT Each output has a scale of its own: a column of large weights mustn't cost the others their digits.
assert _holds(_draw.normal(size=(40, 6)) * [1e-3, 1, 50, 1e-2, 1e3, 0.1])
### HINT Negative weights can be the largest in size.
assert _holds(-_np.abs(_draw.normal(size=(30, 4))) - [0, 1, 2, 3])
### HINT A column of zeros (a unit that was pruned) has a scale that is finite and above 0, and zeros as codes.
_pruned = _draw.normal(size=(20, 5)) * [1, 0, 1, 0, 1]
assert _holds(_pruned)
assert not _np.asarray(quantise(_pruned)[0])[:, [1, 3]].any()
### END HIDDEN TESTS


# %% nbgrader={"schema_version": 3, "grade_id": "given_models", "grade": false, "solution": false, "locked": true, "task": false}
def train_line(rows, labels):
    """Fit a linear model."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=300).fit(rows / 16, labels)


def in_other_units(network, factors):
    """The same network for rows whose features come in other units: rows * factors."""
    import copy

    other = copy.deepcopy(network)
    other.coefs_ = [network.coefs_[0] / np.asarray(factors)[:, None], *network.coefs_[1:]]
    return other


# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q6_text", "grade": false, "solution": false, "locked": true, "task": false}
# Nobody writes this by hand for a gateway: there a runtime reads **ONNX**, a file format for models, and its tools make the int8. `edge.to_onnx(model, precision=...)` does it in two ways: `"int8-dynamic"` measures the range of the numbers between the layers in each call, `"int8-static"` measured it once, on `calibration` rows. Its result has `.content` (the file's bytes), `.size_bytes`, `.predict(rows)`, `.outputs(rows)`; `edge.parity(model, exported, rows).agreement` is the share of rows with the same label.
#
# Not everything multiplies: a tree compares. For models where int8 isn't available `edge.to_onnx` raises `EdgeError` and says what helps instead. And not every network stands it: where features come in very different units, a byte for all of them keeps only the largest.
#
# > **Take away.** An optimisation is a proposal. It's accepted when the answers agree and the size is smaller, and refused otherwise, by a rule that was written down before.
#
# ### Question 6 · An int8 file, or none
#
# Write `export_int8(model, rows)`: `model` is a fitted scikit-learn model, `rows` are rows as the device will see them. Return the **bytes** of an ONNX file with int8 weights (dynamic or static, as you like) if it gives the same label as the model on **at least 97 %** of `rows`. Return `None` where int8 isn't available for the model, or agrees on fewer rows.


# %% nbgrader={"schema_version": 3, "grade_id": "q6", "grade": false, "solution": true, "locked": false, "task": false}
def export_int8(model, rows):
    """Give an int8 ONNX file that agrees with the model on 97 % of the rows, or None."""
    ### BEGIN SOLUTION
    try:
        exported = edge.to_onnx(model, precision="int8-dynamic")
    except EdgeError:
        return None
    agreement = edge.parity(model, exported, rows, corners=False).agreement
    return exported.content if agreement >= 0.97 else None
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "q6_small", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
import numpy as _np
import onnx as _onnx
import onnxruntime as _runtime


def _open(_content):
    """Open a file as a gateway does, on one thread."""
    _options = _runtime.SessionOptions()
    _options.intra_op_num_threads = _options.inter_op_num_threads = 1
    return _runtime.InferenceSession(_content, _options, providers=["CPUExecutionProvider"])


def _labels(_content, _rows):
    """The labels that the file gives."""
    _session = _open(_content)
    _feed = {_session.get_inputs()[0].name: _np.asarray(_rows, dtype=_np.float32)}
    return _np.asarray(_session.run(None, _feed)[0])


def _weights(_content, _kind):
    """How many numbers of a type the file keeps."""
    _graph = _onnx.load_from_string(_content).graph
    return sum(int(_np.prod(_one.dims)) for _one in _graph.initializer if _one.data_type == _kind)


_network = train_network(rows, labels, hidden=16, seed=SEED)
_file = export_int8(_network, rows[:400])
assert isinstance(_file, bytes), (
    f"export_int8 gave a {type(_file).__name__}; the file's bytes were wanted."
)
_int8 = _weights(_file, _onnx.TensorProto.INT8) + _weights(_file, _onnx.TensorProto.UINT8)
assert _int8 >= 64 * 16 + 16 * 10, (
    f"The file keeps {_int8} numbers in a byte; the network has {64 * 16 + 16 * 10} weights. Is it the int8 file?"
)
_agreement = float((_labels(_file, rows[:400]) == _np.asarray(_network.predict(rows[:400]))).mean())
assert _agreement >= 0.97, (
    f"File and model agree on {_agreement:.1%} of the rows; 97 % were wanted."
)

# %% nbgrader={"schema_version": 3, "grade_id": "q6_judged", "grade": true, "solution": false, "locked": true, "points": 3, "task": false}
import numpy as _np
import onnx as _onnx
import onnxruntime as _runtime


def _open(_content):
    """Open a file as a gateway does, on one thread."""
    _options = _runtime.SessionOptions()
    _options.intra_op_num_threads = _options.inter_op_num_threads = 1
    return _runtime.InferenceSession(_content, _options, providers=["CPUExecutionProvider"])


def _labels(_content, _rows):
    """The labels that the file gives."""
    _session = _open(_content)
    _feed = {_session.get_inputs()[0].name: _np.asarray(_rows, dtype=_np.float32)}
    return _np.asarray(_session.run(None, _feed)[0])


def _weights(_content, _kind):
    """How many numbers of a type the file keeps."""
    _graph = _onnx.load_from_string(_content).graph
    return sum(int(_np.prod(_one.dims)) for _one in _graph.initializer if _one.data_type == _kind)


from sklearn.datasets import load_digits as _load

_digits, _readings = _load(return_X_y=True)
_network = train_network(_digits[:1000], _readings[:1000], hidden=12, seed=SEED + 9)
_file = export_int8(_network, _digits[:300])
assert isinstance(_file, bytes), "For another network an int8 file was wanted too."
### BEGIN HIDDEN TESTS
import warnings as _warnings

from sklearn.neural_network import MLPClassifier as _Network

from mlops_kit import edge as _edge

### HINT The file must read digits that it hasn't seen nearly as well as the model does.
_truth = _np.asarray(_network.predict(_digits[1000:]))
_found = _labels(_file, _digits[1000:])
assert (
    float((_found == _readings[1000:]).mean()) > float((_truth == _readings[1000:]).mean()) - 0.03
)
assert _weights(_file, _onnx.TensorProto.INT8) + _weights(_file, _onnx.TensorProto.UINT8) >= 12 * 74
### HINT A tree and a linear model have nothing to quantise: None was wanted, not an exception and not a float file.
assert export_int8(tree, _digits[:100]) is None
assert export_int8(train_line(_digits[:500], _readings[:500]), _digits[:100]) is None
### HINT An int8 file can be made for a network whose features come in very different units, but it reads other digits: it's refused.
_units = _np.where(_np.arange(64) % 2, 1.0, 3000.0)
_fragile = in_other_units(_network, _units)
assert export_int8(_fragile, _digits[:300] * _units) is None
### HINT Every row counts, the last as the first, and 97 % is the limit: a file that reads 6 rows in 100 otherwise is refused.
_units = _np.where(_np.arange(64) % 2, 1 / 150, 1.0)
_fragile, _all = in_other_units(_network, _units), _digits * _units
_twin = _Network((12,), solver="lbfgs", alpha=1.0, max_iter=80, random_state=SEED + 9)
with _warnings.catch_warnings():
    _warnings.simplefilter("ignore")
    _twin.fit(_digits[:1000] / 16, _readings[:1000])
_twin.coefs_[0] /= 16 * _units[:, None]
_read = _np.asarray(_edge.to_onnx(_twin, precision="int8-dynamic").predict(_all))
_odd = _read != _twin.predict(_all)
_some = _np.concatenate([_np.flatnonzero(~_odd)[:188], _np.flatnonzero(_odd)[:12]])
assert export_int8(_fragile, _all[_some]) is None
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "part4", "grade": false, "solution": false, "locked": true, "task": false}
# ## Part 4 · In C
#
# The microcontroller has no runtime. `edge.to_c(model, name="meter")` writes C: tables in flash, no allocation, two standard headers. The beginning and the end of it, for the tree:

# %% nbgrader={"schema_version": 3, "grade_id": "given_c", "grade": false, "solution": false, "locked": true, "task": false}
source = edge.to_c(tree, name="meter")
lines = source.code.splitlines()
print("\n".join(lines[:12]), "\n...", "\n".join(lines[-14:]), sep="\n")
print(f"{source.table_bytes} bytes of tables, {source.ram_bytes} bytes of RAM")

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q7_text", "grade": false, "solution": false, "locked": true, "task": false}
# A text isn't proof. Compile it and ask it.
#
# ### Question 7 · Compile and run
#
# Write `run_c(code, name, rows)`:
#
# - `code` is the text of a C file that defines `int32_t NAME_predict(const float *features)`, where NAME is `name`; it may use `math.h`. It answers one row: a class's number, or −1 if it refuses the row.
# - `rows` is an array of shape (n, features). Return the list of the n answers (`int`), each row passed in single precision.
# - If there is **no C compiler** on the machine (none of `cc`, `gcc`, `clang` is found), return `None`.
# - If the code **doesn't compile**, raise `ValueError` with the compiler's complaint.
# - Leave nothing behind in the notebook's folder, and give each call its own answer: another code under the same name is another model.
#
# A way: write the code to a file in a temporary folder; compile it to a shared library (`cc -std=c99 -O2 -shared -fPIC -o model.so model.c -lm`); load it with `ctypes.CDLL`; call the function on a row through `row.ctypes.data_as(ctypes.POINTER(ctypes.c_float))`.


# %% nbgrader={"schema_version": 3, "grade_id": "q7", "grade": false, "solution": true, "locked": false, "task": false}
def run_c(code, name, rows):
    """Compile C code and give its answer for each row; None without a compiler."""
    ### BEGIN SOLUTION
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        return None
    rows = np.ascontiguousarray(rows, dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "model.c"), Path(folder, "model.so")
        source.write_text(code)
        order = [compiler, "-std=c99", "-O2", "-shared", "-fPIC", "-o", library, source, "-lm"]
        done = subprocess.run(order, capture_output=True, text=True)
        if done.returncode:
            raise ValueError(f"the code doesn't compile: {done.stderr[:500]}")
        predict = ctypes.CDLL(str(library))[f"{name}_predict"]
        predict.restype = ctypes.c_int32
        pointer = ctypes.POINTER(ctypes.c_float)
        return [int(predict(row.ctypes.data_as(pointer))) for row in rows]
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "q7_run", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
import shutil as _shutil

import numpy as _np

_code = """
#include <stdint.h>
int32_t heavier_predict(const float *features) {
  return features[0] > features[1] ? 0 : features[1] > features[0] ? 1 : -1;
}
"""
_there = any(_shutil.which(_name) for _name in ("cc", "gcc", "clang"))
_found = run_c(_code, "heavier", _np.array([[2.0, 1.0], [1.0, 2.0], [3.0, 3.0]]))
if _there:
    assert isinstance(_found, list), f"run_c gave a {type(_found).__name__}; a list was wanted."
    assert _found == [0, 1, -1], (
        f"Which of two is heavier: 0, 1 and -1 were wanted, {_found} came out. Is each row passed in float32?"
    )
else:
    assert _found is None, "This machine has no C compiler: None was wanted."

# %% nbgrader={"schema_version": 3, "grade_id": "q7_any", "grade": true, "solution": false, "locked": true, "points": 3, "task": false}
import shutil as _shutil

import numpy as _np
from sklearn.datasets import load_digits as _load
from sklearn.tree import DecisionTreeClassifier as _Tree

from mlops_kit import edge as _edge

_there = any(_shutil.which(_name) for _name in ("cc", "gcc", "clang"))
_digits, _readings = _load(return_X_y=True)
_tree = _Tree(max_depth=8, random_state=SEED + 4).fit(_digits[:900], _readings[:900])
_code = _edge.to_c(_tree, name="meter").code
_found = run_c(_code, "meter", _digits[900:1000])
assert _found == (_tree.predict(_digits[900:1000]).tolist() if _there else None), (
    "The tree's C code gives other labels than the tree, for digits that it hasn't seen."
)
### BEGIN HIDDEN TESTS
if _there:
    ### HINT Rows on a threshold go the same way in C as on the laptop, if they're passed in single precision and unchanged.
    _ties = _edge.corner_rows(_tree, _digits, seed=SEED)["ties"]
    assert run_c(_code, "meter", _ties) == _tree.predict(_ties).tolist()
    ### HINT Another code under the same name is another model: nothing may be remembered from the call before.
    _other = _Tree(max_depth=3, random_state=1).fit(_digits[:900], _readings[:900])
    _second = _edge.to_c(_other, name="meter").code
    assert run_c(_second, "meter", _digits[:50]) == _other.predict(_digits[:50]).tolist()
    ### HINT The code may use math.h, which has a library of its own, and may refuse a row with -1.
    _wave = """
    #include <math.h>
    #include <stdint.h>
    int32_t wave_predict(const float *features) {
      return isfinite(features[1]) ? (int32_t)(1000.0f * sinf(expf(features[1]))) : -1;
    }
    """
    _rows = _np.array([[9.0, 0.25, 7.0], [9.0, _np.nan, 7.0], [0.0, -1.0, 7.0]])
    _wanted = [int(1000 * _np.sin(_np.exp(0.25))), -1, int(1000 * _np.sin(_np.exp(-1.0)))]
    assert all(
        abs(_one - _two) <= 1
        for _one, _two in zip(run_c(_wave, "wave", _rows), _wanted, strict=True)
    )
    ### HINT Rows that lie elsewhere in memory (every second one, or turned) are rows all the same.
    assert run_c(_code, "meter", _digits[:60:2]) == _tree.predict(_digits[:60:2]).tolist()
    _turned = _np.asfortranarray(_digits[:20])
    assert run_c(_code, "meter", _turned) == _tree.predict(_turned).tolist()
    ### HINT Code that doesn't compile is a ValueError with the compiler's complaint, not an empty answer.
    _said = ""
    try:
        run_c("int32_t broken_predict(const float *features) { return }", "broken", _digits[:2])
    except ValueError as _error:
        _said = str(_error)
    assert "error" in _said
    ### HINT Nothing is left in the notebook's folder.
    assert not [_one for _kind in ("*.c", "*.so", "*.o") for _one in Path().glob(_kind)]
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q8_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### What goes to the device
#
# Candidates are networks with one hidden layer, in float or with int8 weights. `candidate` below makes one and measures it: it trains on `rows`, measures accuracy on `check_rows`, and counts the rest by Question 1's formulas.


# %% nbgrader={"schema_version": 3, "grade_id": "given_candidate", "grade": false, "solution": false, "locked": true, "task": false}
def with_int8_weights(network):
    """A copy of the network that computes with weights of a byte."""
    import copy

    small = copy.deepcopy(network)
    small.coefs_ = []
    for weights in network.coefs_:
        largest = np.abs(weights).max(axis=0)
        scales = np.where(largest > 0, largest / 127, 1)
        small.coefs_.append(np.rint(weights / scales) * scales)
    return small


def candidate(rows, labels, check_rows, check_labels, *, hidden, precision):
    """Train a candidate; give its measurements, and what it is."""
    fitted = train_network(rows, labels, hidden=hidden, seed=1)
    model = with_int8_weights(fitted) if precision == "int8" else fitted
    plan = edge.plan_of(model)
    source = edge.to_c(fitted, precision=precision)
    return {
        "hidden": hidden,
        "precision": precision,
        "table_bytes": source.table_bytes,
        "ram_bytes": source.ram_bytes,
        "latency_us": DEVICE.latency_us(plan.operations),
        "accuracy": float(model.score(check_rows, check_labels)),
    }


for precision in ("float", "int8"):
    print(candidate(rows, labels, held_rows, held_labels, hidden=8, precision=precision))

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q8_question", "grade": false, "solution": false, "locked": true, "task": false}
# ### Question 8 · Choose
#
# Write `choose(rows, labels, check_rows, check_labels, hidden_sizes, budgets)`. Try every size in the list `hidden_sizes` in both precisions, `"float"` and `"int8"`. Of the candidates that keep **all** budgets return the dictionary of the one with the **smallest tables**, as `candidate` gives it; if none keeps them, return `None`. `budgets` is a dictionary as in Question 2, with some of `table_bytes`, `ram_bytes`, `latency_us` and `accuracy`; accuracy counts on `check_rows`, which weren't fitted.


# %% nbgrader={"schema_version": 3, "grade_id": "q8", "grade": false, "solution": true, "locked": false, "task": false}
def choose(rows, labels, check_rows, check_labels, hidden_sizes, budgets):
    """Give the smallest candidate that keeps every budget, or None."""
    ### BEGIN SOLUTION
    kept = []
    for hidden in hidden_sizes:
        for precision in ("float", "int8"):
            found = candidate(
                rows, labels, check_rows, check_labels, hidden=hidden, precision=precision
            )
            costs = [name for name in budgets if name != "accuracy"]
            cheap = all(found[name] <= budgets[name] for name in costs)
            if cheap and found["accuracy"] >= budgets.get("accuracy", 0):
                kept.append(found)
    return min(kept, key=lambda found: found["table_bytes"], default=None)
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "q8_fits", "grade": true, "solution": false, "locked": true, "points": 2, "task": false}
import numpy as _np
from sklearn.datasets import load_digits as _load

_digits, _readings = _load(return_X_y=True)
_order = _np.random.default_rng(SEED + 5).permutation(len(_digits))
_fit, _check = _order[:700], _order[700:1300]
_data = _digits[_fit], _readings[_fit], _digits[_check], _readings[_check]

_found = choose(*_data, [6, 12], {"table_bytes": 4096, "accuracy": 0.3})
assert isinstance(_found, dict), (
    f"choose gave a {type(_found).__name__}; a candidate's dict was wanted."
)
assert (_found["hidden"], _found["precision"]) == (6, "int8"), (
    f"Everything keeps these budgets; you chose {_found['hidden']} in {_found['precision']}. Which has the smallest tables?"
)
assert choose(*_data, [6], {"table_bytes": 100, "accuracy": 0.5}) is None, (
    "Nothing fits into 100 bytes: None was wanted."
)

# %% nbgrader={"schema_version": 3, "grade_id": "q8_judged", "grade": true, "solution": false, "locked": true, "points": 3, "task": false}
import numpy as _np
from sklearn.datasets import load_digits as _load

_digits, _readings = _load(return_X_y=True)
_order = _np.random.default_rng(SEED + 5).permutation(len(_digits))
_fit, _check = _order[:700], _order[700:1300]
_data = _digits[_fit], _readings[_fit], _digits[_check], _readings[_check]

_found = choose(*_data, [12, 4], {"table_bytes": 4096, "ram_bytes": 324, "accuracy": 0.3})
assert _found["hidden"] == 4, (
    "12 hidden units need more than 324 bytes of RAM; which budgets did you check?"
)
### BEGIN HIDDEN TESTS
import warnings as _warnings

from sklearn.neural_network import MLPClassifier as _Network


def _score(_hidden):
    """What the candidate's network really scores on rows that it hasn't seen."""
    _network = _Network((_hidden,), solver="lbfgs", alpha=1.0, max_iter=80, random_state=1)
    with _warnings.catch_warnings():
        _warnings.simplefilter("ignore")
        _network.fit(_data[0] / 16, _data[1])
    return _network.score(_data[2] / 16, _data[3])


_small, _large = _score(4), _score(16)
_between = {"accuracy": (_small + 2 * _large) / 3}
### HINT Accuracy is a budget from below, measured on the rows held out: a smaller network that reads too little isn't chosen.
assert choose(*_data, [4, 16], _between)["hidden"] == 16
### HINT Each budget counts for itself, latency too: 16 hidden units are too slow for 60 µs.
assert choose(*_data, [4, 16], {**_between, "latency_us": 60}) is None
assert choose(*_data, [16, 4], {"accuracy": 0.2, "latency_us": 60})["hidden"] == 4
### HINT A value equal to its budget keeps it.
_exact = {_name: _found[_name] for _name in ("table_bytes", "ram_bytes", "latency_us", "accuracy")}
assert choose(*_data, [4], _exact) is not None
### HINT No budget is given for what isn't in the dictionary, and the order of the sizes doesn't matter.
assert choose(*_data, [16, 4], {"accuracy": 0.2})["hidden"] == 4
### HINT No accuracy that was reached on the fitted rows opens the gate.
_fitted_only = _score(16) + 0.6 * (1 - _score(16))
assert choose(*_data, [16], {"accuracy": min(_fitted_only, 0.999)}) is None
### HINT Every call trains and measures on the rows that it's given: labels that say nothing about their rows can't be learnt.
_mixed = _np.random.default_rng(SEED).permutation(_data[1])
assert choose(_data[0], _mixed, *_data[2:], [4], {"accuracy": 0.3}) is None
### END HIDDEN TESTS

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q9_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### Question 9 · The figure for the waterworks
#
# Write `budget_figure(candidates, table_budget, accuracy_budget)`. `candidates` is a list of dictionaries as `candidate` gives them. Draw with matplotlib and **return the figure** (one pair of axes):
#
# - one point for each candidate, table bytes along **x**, accuracy along **y**;
# - a vertical line at `table_budget` and a horizontal line at `accuracy_budget`, across the axes;
# - beside each point its name as text, in the form `16 int8`;
# - both axes labelled, the label of x with its unit (`bytes`), and a title.
#
# Colour alone must not carry meaning: one reader in twelve can't tell some colours apart.


# %% nbgrader={"schema_version": 3, "grade_id": "q9", "grade": false, "solution": true, "locked": false, "task": false}
def budget_figure(candidates, table_budget, accuracy_budget):
    """Draw each candidate's tables and accuracy with the two budgets; give the figure."""
    ### BEGIN SOLUTION
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for precision, marker in (("float", "o"), ("int8", "s")):
        some = [one for one in candidates if one["precision"] == precision]
        sizes = [one["table_bytes"] for one in some]
        axes.plot(sizes, [one["accuracy"] for one in some], marker, label=precision)
    for one in candidates:
        place = (one["table_bytes"], one["accuracy"])
        name = f"{one['hidden']} {one['precision']}"
        axes.annotate(name, place, xytext=(5, 4), textcoords="offset points")
    axes.axvline(table_budget, color="black", linestyle="--", label="flash budget")
    axes.axhline(accuracy_budget, color="black", linestyle=":", label="accuracy budget")
    axes.set_xlabel("tables in flash (bytes)")
    axes.set_ylabel("accuracy on held-out digits")
    axes.set_title("What fits, and what reads well enough")
    axes.legend()
    return figure
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "given_seen", "grade": false, "solution": false, "locked": true, "task": false}
def seen_in(figure):
    """What the tests see of a figure: points, lines across, texts. No need to read it."""
    if not isinstance(figure, plt.Figure):
        raise TypeError(
            f"a {type(figure).__name__} came back; return the matplotlib Figure itself."
        )
    if not figure.axes:
        raise ValueError("the figure that came back is empty; draw into its axes.")
    axes = figure.axes[0]
    for drawn in [*axes.lines, *axes.collections, *axes.patches, *axes.texts]:
        alpha = drawn.get_alpha()
        if not drawn.get_visible() or (alpha is not None and np.max(alpha) == 0):
            drawn.remove()  # nobody sees it
    seen = {"points": [], "upright": [], "level": [], "beside": []}
    for line in axes.lines:
        x = np.ravel(line.get_xdata(orig=False)).astype(float).tolist()
        y = np.ravel(line.get_ydata(orig=False)).astype(float).tolist()
        seen["points"] += list(zip(x, y))
        if len(x) > 1 and len(set(x)) == 1:
            seen["upright"].append(x[0])
        if len(y) > 1 and len(set(y)) == 1:
            seen["level"].append(y[0])
    for drawn in axes.collections:
        seen["points"] += [tuple(map(float, one)) for one in drawn.get_offsets()]
        for path in drawn.get_paths():
            x, y = np.asarray(path.vertices, dtype=float).T
            if len(x) == 2 and x[0] == x[1]:
                seen["upright"].append(float(x[0]))
            if len(y) == 2 and y[0] == y[1]:
                seen["level"].append(float(y[0]))
    seen["axes"] = len(figure.axes)
    seen["labels"] = [axes.get_xlabel(), axes.get_ylabel()]
    seen["title"] = (
        axes.get_title()
        or axes.get_title("left")
        or axes.get_title("right")
        or figure.get_suptitle()
    )
    seen["texts"] = [" ".join(text.get_text().split()) for text in [*axes.texts, *figure.texts]]
    figure.canvas.draw()
    for text in axes.texts:  # where a text stands, as a share of the axes; an annotation: its point
        box = text.get_window_extent()
        at = ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)
        at = axes.transData.transform(text.xy) if hasattr(text, "xy") else at
        seen["beside"].append(
            [" ".join(text.get_text().split()), *axes.transAxes.inverted().transform(at)]
        )
    seen["points_at"] = [
        axes.transLimits.transform(axes.transScale.transform(one)).tolist()
        for one in seen["points"]
    ]
    plt.close(figure)
    return seen


# %% nbgrader={"schema_version": 3, "grade_id": "q9_drawn", "grade": true, "solution": false, "locked": true, "points": 1, "task": false}
def _near(_value, _values):
    return any(abs(_value - _each) < 1e-6 * max(1, abs(_value)) for _each in _values)


def _drawn(_sizes, _scores, _table, _accuracy):
    """Give what is seen of a figure with made-up candidates, and the points that are missing."""
    _candidates = [
        {
            "hidden": 5 + _i,
            "precision": ["float", "int8"][_i % 2],
            "table_bytes": _size,
            "ram_bytes": 400,
            "latency_us": 10.0,
            "accuracy": _score,
        }
        for _i, (_size, _score) in enumerate(zip(_sizes, _scores, strict=True))
    ]
    _seen = seen_in(budget_figure(_candidates, _table, _accuracy))
    _absent = [
        _pair
        for _pair in zip(_sizes, _scores, strict=True)
        if not any(_near(_pair[0], [_x]) and _near(_pair[1], [_y]) for _x, _y in _seen["points"])
    ]
    return _seen, _absent


_seen, _absent = _drawn([1300, 3900, 2200], [0.71, 0.96, 0.94], 4096, 0.95)
assert not _absent, (
    f"{len(_absent)} of 3 candidates aren't drawn with bytes along x and accuracy along y."
)
assert _near(4096, _seen["upright"]), "No vertical line stands at the table budget."
assert _near(0.95, _seen["level"]), "No horizontal line stands at the accuracy budget."
### BEGIN HIDDEN TESTS
### HINT The figure must follow its arguments: other candidates, more of them, other budgets.
_seen, _absent = _drawn([900, 9640, 2710, 5000, 777], [0.5, 0.98, 0.97, 0.9, 0.33], 3000, 0.85)
assert not _absent
assert _near(3000, _seen["upright"])
assert _near(0.85, _seen["level"])
### END HIDDEN TESTS


# %% nbgrader={"schema_version": 3, "grade_id": "q9_labels", "grade": true, "solution": false, "locked": true, "points": 1, "task": false}
def _near(_value, _values):
    return any(abs(_value - _each) < 1e-6 * max(1, abs(_value)) for _each in _values)


def _drawn(_sizes, _scores, _table, _accuracy):
    """Give what is seen of a figure with made-up candidates, and the points that are missing."""
    _candidates = [
        {
            "hidden": 5 + _i,
            "precision": ["float", "int8"][_i % 2],
            "table_bytes": _size,
            "ram_bytes": 400,
            "latency_us": 10.0,
            "accuracy": _score,
        }
        for _i, (_size, _score) in enumerate(zip(_sizes, _scores, strict=True))
    ]
    _seen = seen_in(budget_figure(_candidates, _table, _accuracy))
    _absent = [
        _pair
        for _pair in zip(_sizes, _scores, strict=True)
        if not any(_near(_pair[0], [_x]) and _near(_pair[1], [_y]) for _x, _y in _seen["points"])
    ]
    return _seen, _absent


_seen, _ = _drawn([1300, 3900], [0.71, 0.96], 4096, 0.95)
assert _seen["axes"] == 1, f"The figure has {_seen['axes']} pairs of axes; one was wanted."
assert all(_label.strip() for _label in _seen["labels"]), (
    f"The axes are labelled {_seen['labels']}. A reader who finds the figure alone needs both labels."
)
assert "bytes" in _seen["labels"][0].lower(), (
    f"The label of x, {_seen['labels'][0]!r}, has no unit."
)
assert _seen["title"].strip(), "The figure has no title."
assert {"5 float", "6 int8"} <= set(_seen["texts"]), (
    f"The texts read {_seen['texts']}; each candidate's name was wanted, in the form of the question."
)
_far = [
    _name
    for _name, _x, _y in _seen["beside"]
    if _name in {"5 float", "6 int8"}
    and not any(abs(_x - _a) < 0.2 and abs(_y - _b) < 0.2 for _a, _b in _seen["points_at"])
]
assert not _far, "A candidate's name stands far from its point, so nobody can tell which is which."
### BEGIN HIDDEN TESTS
### HINT The names come from the candidates that were passed in.
_seen, _ = _drawn([1300, 3900, 200], [0.71, 0.96, 0.2], 4096, 0.95)
assert "7 float" in _seen["texts"]
### END HIDDEN TESTS

# %% nbgrader={"schema_version": 3, "grade_id": "given_figure_shown", "grade": false, "solution": false, "locked": true, "task": false}
try:
    shown = [
        candidate(rows, labels, held_rows, held_labels, hidden=hidden, precision=precision)
        for hidden in (4, 8, 16, 24)
        for precision in ("float", "int8")
    ]
    budget_figure(shown, 4096, 0.95)
    plt.show()
except NotImplementedError:
    print("Question 9 isn't answered yet.")

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q10_text", "grade": false, "solution": false, "locked": true, "task": false}
# ### Question 10 · The answer to the vendor (marked by a person)
#
# The vendor writes: *accuracy on the device was within half a point of the laptop, so the port is right; the bills are your sensor's fault.* Answer in 100 to 200 words. Say what their comparison can't see and why the fault showed on this sensor; what you measured instead; which model you would ship now, with its numbers against each budget; and one thing that your own proof doesn't cover.

# %% [markdown] nbgrader={"schema_version": 3, "grade_id": "q10", "grade": true, "solution": true, "locked": false, "points": 4, "task": false}
# ### BEGIN SOLUTION
# Accuracy compares two counts of right answers, not two models: errors in one place and luck in another cancel, so the same score is no parity. The fault lies on thresholds: the firmware compares by `<`, the tree by `<=`; the sensor gives whole numbers and many thresholds are whole numbers too, so ties are ordinary (2 points: what accuracy can't see 1, why this sensor 1).
#
# Measured instead: agreement label by label on held-out digits and on rows on both sides of each threshold. The model to ship is named with its table bytes, RAM, counted latency and accuracy on held-out digits, each against its budget, with agreement between laptop and device (1 point).
#
# Not covered, one of: the sensor (dirt, light, half-turned digits), drift, other compilers or processors without the same rounding, the code round the model, the cost model's cycles (1 point, with the reason).
# ### END SOLUTION
