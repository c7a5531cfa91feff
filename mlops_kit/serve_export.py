"""Turn a fitted scikit-learn model into ONNX in a process of its own.

The converter takes seconds to import and a hundred megabytes that a service would carry for ever,
so it works in a child that ends: ``python -m mlops_kit.serve_export`` reads a pickled order from
standard input and writes JSON.
"""

import base64
import importlib
import json
import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Mapping
from typing import Any

__all__ = ["Attempt", "convert", "convert_elsewhere"]

Attempt = tuple[bytes | None, str]
"""A converted model, or None and why it couldn't be converted."""

PATIENCE_S = 300
_PRECISIONS = ("DoubleTensorType", "FloatTensorType")


def convert(model: Any, kinds: Mapping[str, str]) -> list[Attempt]:
    """Convert a model in double precision, then in single precision.

    Parameters
    ----------
    model : scikit-learn estimator
        Fitted.
    kinds : mapping
        What each feature holds, in the model's order: ``float``, ``int``, ``bool`` or ``str``.

    Returns
    -------
    list of (bytes or None, str)
        One attempt for each precision.
    """
    try:
        skl2onnx = importlib.import_module("skl2onnx")
        types = importlib.import_module("skl2onnx.common.data_types")
    except ImportError as error:
        return [(None, f"{error.name!r} isn't installed (pip install 'mlops-kit[edge]')")]
    attempts: list[Attempt] = []
    for precision in _PRECISIONS:
        try:
            inputs = _inputs(model, kinds, types, getattr(types, precision))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = skl2onnx.to_onnx(model, initial_types=inputs, options=_options(model))
            attempts.append((found.SerializeToString(), ""))
        except Exception as error:  # converters raise nearly anything
            first = str(error).strip().partition("\n")[0][:200]
            attempts.append((None, f"{type(error).__name__}: {first}"))
    return attempts


def _options(model: Any) -> dict[int, dict[str, bool]] | None:
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    return {id(last): {"zipmap": False}} if hasattr(last, "predict_proba") else None


def _inputs(
    model: Any, kinds: Mapping[str, str], types: Any, number_type: Any
) -> list[tuple[str, Any]]:
    first = model.steps[0][1] if hasattr(model, "steps") else model
    if "datetime" in kinds.values():
        raise TypeError("ONNX has no times")
    if "str" in kinds.values() or hasattr(first, "transformers"):
        text, number = types.StringTensorType([None, 1]), number_type([None, 1])
        return [(name, text if kind == "str" else number) for name, kind in kinds.items()]
    return [("features", number_type([None, len(kinds)]))]


def convert_elsewhere(model: Any, kinds: Mapping[str, str]) -> list[Attempt]:
    """Convert a model as :func:`convert` does, in a process of its own."""
    try:
        order = pickle.dumps((model, dict(kinds)))
    except Exception as error:  # pickle raises what the model's parts raise
        return [(None, f"the model can't be pickled ({type(error).__name__})")]
    command = [sys.executable, "-W", "ignore", "-m", "mlops_kit.serve_export"]
    try:
        done = subprocess.run(
            command, input=order, capture_output=True, timeout=PATIENCE_S, check=True
        )
        lines = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return [(None, f"the converter's process failed ({type(error).__name__})")]
    return [(base64.b64decode(found) if found else None, reason) for found, reason in lines]


def _main() -> None:
    if hasattr(os, "nice"):
        os.nice(10)  # requests come first
    # What a converter prints must not get into the answer.
    answer, sys.stdout = sys.stdout, sys.stderr
    model, kinds = pickle.loads(sys.stdin.buffer.read())  # noqa: S301 - from the parent process
    attempts = convert(model, kinds)
    lines = [
        (base64.b64encode(found).decode() if found else "", reason) for found, reason in attempts
    ]
    answer.write(json.dumps(lines))


if __name__ == "__main__":
    _main()
