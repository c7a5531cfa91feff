"""Models for devices: exported, proved to answer the same, and held to the device's budgets.

The way of a model: :func:`to_onnx` for gateways and phones, where a runtime fits; :func:`to_c` for
microcontrollers, where nothing fits. :func:`parity` shows whether the export still answers as the
trained model does, also on the rows where exports go wrong. :func:`measure` and
:func:`load_budget` make a gate of it.

Examples
--------
>>> from sklearn.datasets import load_iris
>>> from sklearn.tree import DecisionTreeClassifier
>>> data, labels = load_iris(return_X_y=True)
>>> tree = DecisionTreeClassifier(max_depth=3, random_state=0).fit(data, labels)
>>> source = to_c(tree, name="iris")
>>> source.table_bytes, source.plan.operations.comparisons
(78, 3)
>>> budget = load_budget({"name": "iris", "budgets": {"size_bytes": 100, "comparisons": 2}})
>>> print(budget.check({"size_bytes": source.table_bytes, "comparisons": 3}))
iris: NOT within budget
  ok   size_bytes: 78 (wanted <= 100)
  OVER comparisons: 3 (wanted <= 2). Fewer or shallower trees.
"""

from mlops_kit.edge_budget import Budget, BudgetReport, Device, Verdict, load_budget, measure
from mlops_kit.edge_c import CModel, CSource, to_c
from mlops_kit.edge_compile import compiler
from mlops_kit.edge_emlearn import EmlearnModel, from_emlearn
from mlops_kit.edge_onnx import OnnxModel, load_onnx, to_onnx
from mlops_kit.edge_parity import Corner, Exported, ParityReport, corner_rows, parity
from mlops_kit.edge_plan import Dense, Operations, Plan, Trees, plan_of

__all__ = [
    "Budget",
    "BudgetReport",
    "CModel",
    "CSource",
    "Corner",
    "Dense",
    "Device",
    "EmlearnModel",
    "Exported",
    "OnnxModel",
    "Operations",
    "ParityReport",
    "Plan",
    "Trees",
    "Verdict",
    "compiler",
    "corner_rows",
    "from_emlearn",
    "load_budget",
    "load_onnx",
    "measure",
    "parity",
    "plan_of",
    "to_c",
    "to_onnx",
]
