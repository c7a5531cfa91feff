"""Models through emlearn, another writer of C, to compare with.

emlearn is imported in a process of its own: importing it makes NumPy raise on every floating-point
warning, for everybody in the process.
"""

import importlib.util
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

from mlops_kit.edge_compile import Compiled, build
from mlops_kit.edge_plan import Plan, plan_of
from mlops_kit.errors import EdgeError, MissingToolError

__all__ = ["EmlearnModel", "from_emlearn"]

_SECONDS = 300
_CHILD = """
import pickle, sys, types
model, dtype = pickle.load(sys.stdin.buffer)
try:
    import distutils.ccompiler
except ImportError:  # gone from Python 3.12 on; emlearn names it, and nothing here calls it
    for name in ("distutils", "distutils.ccompiler"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["distutils.ccompiler"].new_compiler = None
import emlearn, numpy
numpy.seterr(all="ignore")
tree = "Tree" in type(model).__name__ or "Forest" in type(model).__name__
options = {"dtype": dtype, "method": "inline"} if tree else {"method": "loadable"}
if tree:
    code = emlearn.convert(model, **options).save(name="em")
else:
    from emlearn import net
    layers = [model.activation] * (len(model.coefs_) - 1) + [model.out_activation_]
    code = net.c_generate_net_loadable(layers, model.coefs_, model.intercepts_, "em")
sys.stdout.write(code)
"""


class EmlearnModel(Compiled):
    """A model as emlearn writes it, compiled; made by :func:`from_emlearn`.

    Attributes
    ----------
    code : str
        What emlearn wrote.
    """

    code: str


def from_emlearn(
    model: Any, *, dtype: str = "float", with_compiler: str | None = None
) -> EmlearnModel:
    """Export a classifier through emlearn and compile it.

    Parameters
    ----------
    model : scikit-learn estimator
        Fitted: a decision tree, random forest or extra-trees classifier, or an MLP classifier.
    dtype : {"float", "int16_t"}, default="float"
        How trees hold thresholds; int16 cuts them to whole numbers.
    with_compiler : str, optional
        A command; see :func:`mlops_kit.edge.compiler`.

    Raises
    ------
    MissingToolError
        If emlearn or a compiler is missing.
    EdgeError
        If emlearn has no way for the model, or fails.

    Notes
    -----
    Taught in @sec-edge. As of emlearn 0.23, numbers are written with six decimals, a value equal
    to a threshold goes right where scikit-learn goes left, and forests vote by majority.
    """
    plan = plan_of(model)
    if hasattr(model, "steps") or not plan.classes or not (_is_tree(plan) or "MLP" in plan.name):
        raise EdgeError(
            f"emlearn is offered here for tree, forest and MLP classifiers alone, not for "
            f"{plan.name}{' in a pipeline' if hasattr(model, 'steps') else ''}. Use edge.to_c."
        )
    if dtype not in ("float", "int16_t"):
        raise EdgeError(f"dtype must be 'float' or 'int16_t', got {dtype!r}.")
    if dtype != "float" and not _is_tree(plan):
        raise EdgeError(f"emlearn holds {plan.name} in float only. Use edge.to_c for int8 weights.")
    found = importlib.util.find_spec("emlearn")
    if found is None or not found.submodule_search_locations:
        raise MissingToolError(
            "emlearn isn't installed. Install the extra: pip install 'mlops-kit[edge]'."
        )
    code = _convert(model, dtype, plan.name)
    headers = Path(next(iter(found.submodule_search_locations)))
    built = build(
        "em",
        code + _adapter(plan, dtype),
        (plan.n_features, plan.n_outputs),
        with_compiler=with_compiler,
        headers=headers,
    )
    made = EmlearnModel(built, plan.classes)
    made.code = code
    return made


def _is_tree(plan: Plan) -> bool:
    return not isinstance(plan.body, tuple)


def _convert(model: Any, dtype: str, name: str) -> str:
    try:
        done = subprocess.run(
            [sys.executable, "-c", _CHILD],
            input=pickle.dumps((model, dtype)),
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise EdgeError(f"emlearn took more than {_SECONDS} s over {name}.") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise EdgeError(f"emlearn can't convert {name}: {said[-1][:300] if said else 'no reason'}.")
    return done.stdout.decode("utf-8")


def _adapter(plan: Plan, kind: str) -> str:
    """Give emlearn's model the entry point that the kit's have."""
    call = (
        f"em_predict_proba(values, {plan.n_features}, out, {plan.n_outputs})"
        if _is_tree(plan)
        else f"eml_net_predict_proba(&em, values, {plan.n_features}, out, {plan.n_outputs})"
    )
    return f"""
#include <stdint.h>
int32_t em_outputs(const float *features, float *out) {{
  {kind} values[{plan.n_features}];
  for (int32_t i = 0; i < {plan.n_features}; i++) {{
    values[i] = ({kind})features[i];
  }}
  return {call} ? -1 : 0;
}}
"""
