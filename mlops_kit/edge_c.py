"""C source of a fitted model, in one file that needs nothing but a C99 compiler.

Tables are ``static const``, so a microcontroller keeps them in flash. The source calls no
allocator, prints nothing and includes only ``stdint.h`` and ``math.h``.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlops_kit.edge_compile import Compiled, Library, build
from mlops_kit.edge_plan import Dense, Plan, Trees, plan_of
from mlops_kit.edge_tables import table
from mlops_kit.errors import EdgeError

__all__ = ["CModel", "CSource", "to_c"]


@dataclass(frozen=True, slots=True)
class CSource:
    """A model as C source.

    Attributes
    ----------
    name : str
        What the functions' names begin with.
    code : str
        The source, for one ``.c`` file.
    plan : Plan
        What it computes.
    precision : {"float", "int8"}
        How weights are stored.
    table_bytes : int
        Flash that the tables take.
    """

    name: str
    code: str
    plan: Plan
    precision: str
    table_bytes: int

    @property
    def ram_bytes(self) -> int:
        """RAM that a call needs: the features, the buffers between layers, the outputs."""
        return self.plan.working_bytes

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the source to a file, whole or not at all."""
        target = Path(path)
        part = target.with_name(f".{target.name}.part")
        try:
            part.write_text(self.code, encoding="utf-8")
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return target

    def compile(self, *, with_compiler: str | None = None) -> "CModel":
        """Compile the source with this machine's compiler, to be called from Python.

        Parameters
        ----------
        with_compiler : str, optional
            A command; the first of ``cc``, ``gcc`` and ``clang`` by default.

        Raises
        ------
        MissingToolError
            If there is no compiler.
        EdgeError
            If the compiler fails; the message holds its first complaint.
        """
        shape = (self.plan.n_features, self.plan.n_outputs)
        return CModel(self, build(self.name, self.code, shape, with_compiler=with_compiler))


class CModel(Compiled):
    """A compiled model; made by :meth:`CSource.compile`.

    Attributes
    ----------
    source : CSource
        What was compiled.
    classes : tuple
        The labels in the order of the outputs; empty for a regressor.
    size_bytes : int
        Flash that the tables take; the code adds a kilobyte or two, by compiler and machine.
    ram_bytes : int
        RAM that a call needs.
    library_bytes : int
        The compiled library on this machine, with its headers.
    """

    def __init__(self, source: CSource, library: Library) -> None:
        super().__init__(library, source.plan.classes)
        self.source = source
        self.size_bytes = source.table_bytes
        self.ram_bytes = source.ram_bytes

    @property
    def plan(self) -> Plan:
        """What the model computes."""
        return self.source.plan


def to_c(model: Any, *, name: str = "model", precision: str = "float") -> CSource:
    """Write a fitted model as C source.

    The source defines ``NAME_predict(features)``, which gives the class's index (or the value),
    and ``NAME_outputs(features, out)``, which fills in the probabilities, scores or values. Both
    refuse a row that isn't finite, with -1 (or NaN).

    Parameters
    ----------
    model : scikit-learn estimator
        Fitted; see :func:`mlops_kit.edge.plan_of` for the kinds.
    name : str, default="model"
        A C identifier.
    precision : {"float", "int8"}, default="float"
        How weights are stored. ``"int8"`` keeps a byte for each, with one scale for each output
        of a layer, and computes in float; for linear models and MLPs.

    Returns
    -------
    CSource

    Raises
    ------
    EdgeError
        If the model has no plan, the name isn't an identifier, or trees are asked for in int8.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> source = to_c(LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0]), name="line")
    >>> print([line for line in source.code.splitlines() if "predict" in line][-1])
    float line_predict(const float *features) {
    >>> source.table_bytes, source.ram_bytes
    (8, 8)

    Notes
    -----
    Taught in @sec-edge. Trees compare as scikit-learn does, for every value that single precision
    can hold, ties and missing values included.
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", name):
        raise EdgeError(f"{name!r} isn't a C identifier: letters, digits and _, at most 63.")
    if precision not in ("float", "int8"):
        raise EdgeError(f"precision must be 'float' or 'int8', got {precision!r}.")
    plan = plan_of(model)
    if isinstance(plan.body, Trees):
        if precision == "int8":
            raise EdgeError(NO_INT8_TREES.format(name=plan.name))
        tables, size = _tree_tables(plan.body, plan, name)
        body = _tree_body(plan, plan.body, name)
    else:
        tables, size = _layer_tables(plan.body, name, precision)
        body = _layer_body(plan, plan.body, name, precision)
    parts = [
        _head(plan, name, precision),
        *tables,
        _finite(plan, name),
        *body,
        _predict(plan, name),
    ]
    return CSource(name, "\n".join(parts), plan, precision, size)


NO_INT8_TREES = (
    "int8 isn't available for {name}: a tree compares, it doesn't multiply, and rounded thresholds "
    "send rows the other way. What makes trees smaller: fewer of them (n_estimators), less depth "
    "(max_depth), larger leaves (min_samples_leaf), pruning (ccp_alpha); and features that are "
    "whole numbers, whose thresholds fit into int16 without loss."
)


def _head(plan: Plan, name: str, precision: str) -> str:
    upper = name.upper()
    labels = ", ".join(str(label) for label in plan.classes) or "none: a value"
    labels = labels.replace("*/", "* /").replace("\n", " ")[:400]
    return f"""/* {plan.name}: {plan.n_features} features, numbers in {precision}.
   Classes: {labels}.
   A row that isn't finite is refused{", unless missing (NaN)" if plan.accepts_missing else ""}. */
#include <math.h>
#include <stdint.h>

#define {upper}_FEATURES {plan.n_features}
#define {upper}_OUTPUTS {plan.n_outputs}

int32_t {name}_outputs(const float *features, float *out);
{"int32_t" if plan.classes else "float"} {name}_predict(const float *features);
"""


def _finite(plan: Plan, name: str) -> str:
    bad = "isinf(features[i])" if plan.accepts_missing else "!isfinite(features[i])"
    return f"""static int32_t {name}_refused(const float *features) {{
  for (int32_t i = 0; i < {plan.n_features}; i++) {{
    if ({bad}) {{
      return 1;
    }}
  }}
  return 0;
}}
"""


def _tree_tables(trees: Trees, plan: Plan, name: str) -> tuple[list[str], int]:
    parts: list[tuple[str, Any]] = [
        ("threshold", trees.threshold),
        ("feature", trees.feature),
        ("child", np.column_stack([trees.left, trees.right]).ravel()),
        ("root", trees.roots),
    ]
    if plan.accepts_missing:
        parts.append(("missing", np.packbits(trees.missing_left, bitorder="little")))
    if trees.votes:
        parts.append(("leaf", trees.leaves.argmax(axis=1).astype(np.uint8)))
    else:
        parts.append(("leaf", trees.leaves.ravel()))
    made = [table(f"{name}_{part}", values) for part, values in parts]
    return [text for text, _ in made], sum(size for _, size in made)


def _walk(plan: Plan, name: str) -> str:
    """Give the function that finds a row's leaf; the next node is looked up, not jumped to."""
    missing = ""
    if plan.accepts_missing:
        missing = f"""
    if (isnan(value)) {{
      right = !(({name}_missing[node / 8] >> (node % 8)) & 1);
    }}"""
    return f"""static int32_t {name}_leaf_of(const float *features, int32_t root) {{
  int32_t node = root;
  while (node >= 0) {{
    const float value = features[{name}_feature[node]];
    int32_t right = value > {name}_threshold[node];{missing}
    const int32_t next = {name}_child[2 * node + right];
    node = next < 0 ? next : root + next;
  }}
  return ~node;
}}
"""


def _tree_body(plan: Plan, trees: Trees, name: str) -> list[str]:
    width = plan.n_outputs
    if trees.votes:
        add = f"    out[{name}_leaf[{name}_leaf_of(features, {name}_root[t])]] += 1.0f;"
    else:
        add = f"""    const int32_t found = {name}_leaf_of(features, {name}_root[t]);
    const float *leaf = {name}_leaf + found * {width};
    for (int32_t i = 0; i < {width}; i++) {{
      out[i] += leaf[i];
    }}"""
    count = len(trees.roots)
    return [
        _walk(plan, name),
        f"""int32_t {name}_outputs(const float *features, float *out) {{
  if ({name}_refused(features)) {{
    return -1;
  }}
  for (int32_t i = 0; i < {width}; i++) {{
    out[i] = 0.0f;
  }}
  for (int32_t t = 0; t < {count}; t++) {{
{add}
  }}
  for (int32_t i = 0; i < {width}; i++) {{
    out[i] /= {count}.0f;
  }}
  return 0;
}}
""",
    ]


def _layer_tables(layers: Sequence[Dense], name: str, precision: str) -> tuple[list[str], int]:
    texts, total = [], 0
    for place, layer in enumerate(layers):
        parts: list[tuple[str, Any]] = [("bias", layer.biases)]
        if precision == "int8":
            largest = np.abs(layer.weights).max(axis=0)
            scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
            rounded = np.clip(np.rint(layer.weights / scale), -127, 127).astype(np.int8)
            parts += [("scale", scale), ("weight", rounded.T.ravel())]
        else:
            parts.append(("weight", layer.weights.T.ravel()))
        for part, values in parts:
            text, size = table(f"{name}_{part}{place}", values)
            texts.append(text)
            total += size
    return texts, total


_ACTIVATIONS = {
    "identity": "sum",
    "relu": "sum > 0.0f ? sum : 0.0f",
    "tanh": "tanhf(sum)",
    "logistic": "1.0f / (1.0f + expf(-sum))",
}


def _layer_body(plan: Plan, layers: Sequence[Dense], name: str, precision: str) -> list[str]:
    texts = []
    for place, layer in enumerate(layers):
        inputs, outputs = layer.weights.shape
        bias, scale = f"{name}_bias{place}[o]", f"{name}_scale{place}[o]"
        result = f"sum * {scale} + {bias}" if precision == "int8" else f"sum + {bias}"
        weight = f"{name}_weight{place}[o * {inputs} + i]"
        weight = f"(float){weight}" if precision == "int8" else weight
        texts.append(f"""static void {name}_layer{place}(const float *in, float *out) {{
  for (int32_t o = 0; o < {outputs}; o++) {{
    float sum = 0.0f;
    for (int32_t i = 0; i < {inputs}; i++) {{
      sum += {weight} * in[i];
    }}
    sum = {result};
    out[o] = {_ACTIVATIONS[layer.activation]};
  }}
}}
""")
    return [*texts, _scores(layers, name), _layer_outputs(plan, name)]


def _scores(layers: Sequence[Dense], name: str) -> str:
    """Give the function that runs the layers, between two buffers in turn."""
    lines = []
    hidden = [len(layer.biases) for layer in layers[:-1]]
    if hidden:
        lines.append(f"  float one[{max(hidden)}], two[{max(hidden)}];")
    source, targets = "features", ["one", "two"]
    for place in range(len(layers)):
        last = place == len(layers) - 1
        target = "out" if last else targets[place % 2]
        lines.append(f"  {name}_layer{place}({source}, {target});")
        source = target
    if len(hidden) == 1:
        lines[0] = f"  float one[{hidden[0]}];"
    count = len(layers[-1].biases)
    body = "\n".join(lines)
    return f"""static int32_t {name}_scores(const float *features, float *out) {{
  if ({name}_refused(features)) {{
    return -1;
  }}
{body}
  for (int32_t i = 0; i < {count}; i++) {{
    if (!isfinite(out[i])) {{
      return -1;
    }}
  }}
  return 0;
}}
"""


def _layer_outputs(plan: Plan, name: str) -> str:
    if plan.binary:
        probability = plan.output == "probability"
        high = "1.0f / (1.0f + expf(-score))" if probability else "score"
        low = "1.0f / (1.0f + expf(score))" if probability else "-score"
        finish = f"""  const float score = out[0];
  out[0] = {low};
  out[1] = {high};"""
    elif plan.output == "probability":
        finish = f"""  float largest = out[0], total = 0.0f;
  for (int32_t i = 1; i < {plan.n_outputs}; i++) {{
    largest = out[i] > largest ? out[i] : largest;
  }}
  for (int32_t i = 0; i < {plan.n_outputs}; i++) {{
    out[i] = expf(out[i] - largest);
    total += out[i];
  }}
  for (int32_t i = 0; i < {plan.n_outputs}; i++) {{
    out[i] /= total;
  }}"""
    else:
        finish = ""
    return f"""int32_t {name}_outputs(const float *features, float *out) {{
  if ({name}_scores(features, out) < 0) {{
    return -1;
  }}
{finish}
  return 0;
}}
"""


def _predict(plan: Plan, name: str) -> str:
    if not plan.classes:
        return f"""float {name}_predict(const float *features) {{
  float out[{plan.n_outputs}];
  return {name}_outputs(features, out) < 0 ? NAN : out[0];
}}
"""
    return f"""int32_t {name}_predict(const float *features) {{
  float out[{plan.n_outputs}];
  int32_t best = 0;
  if ({name}_outputs(features, out) < 0) {{
    return -1;
  }}
  for (int32_t i = 1; i < {plan.n_outputs}; i++) {{
    best = out[i] > out[best] ? i : best;
  }}
  return best;
}}
"""
