"""A scikit-learn model called through ONNX Runtime, where that gives the same answers."""

import contextlib
import importlib
import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from mlops_kit.contracts import Contract
from mlops_kit.errors import MissingToolError, ServeError
from mlops_kit.serve_export import convert_elsewhere
from mlops_kit.serve_predict import Output, Predictor, sample_table
from mlops_kit.serve_rows import Table

__all__ = ["TOLERANCE", "content_predictor", "export", "open_session", "session_predictor"]

TOLERANCE = 1e-4
"""How far an exported model's numbers may be from the model's own, as a share of their spread."""

_CHECKED_ROWS = 1024
_NUMPY = {
    "tensor(double)": np.float64,
    "tensor(float)": np.float32,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}


def export(
    model: Any, plain: Predictor, contract: Contract, *, output: Output
) -> tuple[Predictor | None, str]:
    """Export a fitted scikit-learn model, and keep the export only if it agrees.

    Parameters
    ----------
    model : scikit-learn estimator
        Fitted.
    plain : Predictor
        The same model, called as itself.
    contract : Contract
        Rows that keep it are made up for the comparison.
    output : {"prediction", "probability"}
        What the service answers with.

    Returns
    -------
    tuple of Predictor or None, and str
        The export, or why there is none.

    Notes
    -----
    Taught in @sec-serve and, in depth, in @sec-edge. Double precision is tried first; tree
    ensembles are exported in single precision, so a value within 1e-7 of a split may fall on its
    other side.
    """
    reason = ""
    kinds = {name: contract[name].dtype for name in plain.features}
    for converted, why in convert_elsewhere(model, kinds):
        if converted is None:
            reason = f"no ONNX: {why}."
            continue
        try:
            session = open_session(converted)
            quick = session_predictor(session, plain.features, plain.classes, output=output)
            reason, agrees = _compare(quick, plain, contract)
        except Exception as error:  # the runtime raises nearly anything
            first = str(error).strip().partition("\n")[0][:200]
            reason = f"no ONNX: {type(error).__name__}: {first}"
            continue
        if agrees:
            return replace(quick, notes=(*plain.notes, reason)), ""
    return None, reason


def open_session(model: bytes) -> Any:
    """Open an ONNX model for one thread: requests are small, and the service has many."""
    try:
        onnxruntime = importlib.import_module("onnxruntime")
    except ModuleNotFoundError as error:
        raise MissingToolError(
            f"ONNX models need {error.name!r}, which isn't installed. "
            "Install it with: pip install 'mlops-kit[edge]'"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def session_predictor(
    session: Any,
    features: tuple[str, ...],
    classes: tuple[Any, ...] = (),
    *,
    output: Output = "prediction",
) -> Predictor:
    """Call an open ONNX model: with one input for all features, or one a feature.

    Raises
    ------
    ValueError
        If the model's inputs or outputs aren't such.
    """
    inputs = [(entry.name, _NUMPY[entry.type], entry.shape) for entry in session.get_inputs()]
    outputs = [entry.name for entry in session.get_outputs()]
    wanted = outputs[:1]
    if output == "probability":
        if len(outputs) < 2:
            raise ValueError("the ONNX model gives no probabilities")
        wanted = outputs[1:2]
    binary = output == "probability"

    def pick(found: Any) -> Any:
        return found[:, 1] if binary and found.ndim == 2 and found.shape[1] == 2 else found

    if len(inputs) == 1 and (len(features) > 1 or len(inputs[0][2]) == 2):
        name, kind, shape = inputs[0]
        width = shape[-1] if len(shape) == 2 else None
        if isinstance(width, int) and width != len(features):
            raise ValueError(f"the ONNX model takes {width} features, there are {len(features)}")

        def call_matrix(table: Table) -> Any:
            with np.errstate(over="ignore"):
                return pick(session.run(wanted, {name: np.asarray(table, kind)})[0])

        return Predictor("onnx", features, True, call_matrix, classes)
    feature_of = _features_of([name for name, _, _ in inputs], features)

    def call_columns(table: Table) -> Any:
        with np.errstate(over="ignore"):
            columns = cast(dict[str, Any], table)
            feed: dict[str, Any] = {
                name: np.asarray(columns[feature_of[name]], kind)[:, None]
                for name, kind, _ in inputs
            }
        return pick(session.run(wanted, feed)[0])

    return Predictor("onnx", features, False, call_columns, classes)


def _features_of(inputs: Sequence[str], features: Sequence[str]) -> dict[str, str]:
    """Say which feature each input takes; converters write ``_`` for blanks and signs."""
    if sorted(inputs) == sorted(features):
        return dict(zip(inputs, inputs, strict=True))
    plain = {re.sub(r"\W", "_", name): name for name in features}
    cleaned = [re.sub(r"\W", "_", name) for name in inputs]
    if len(plain) < len(features) or sorted(cleaned) != sorted(plain):
        raise ValueError(f"the ONNX model takes {list(inputs)}")
    return {name: plain[clean] for name, clean in zip(inputs, cleaned, strict=True)}


def content_predictor(
    content: bytes,
    contract: Contract,
    *,
    features: Sequence[str] | None = None,
    output: Output = "prediction",
) -> Predictor:
    """Make an ONNX model that came as a file ready to be called.

    Raises
    ------
    ServeError
        If it can't be read, or takes other inputs than the contract declares.
    """
    try:
        session = open_session(content)
    except MissingToolError:
        raise
    except Exception as error:  # the runtime has no common error
        first = str(error).strip().partition("\n")[0][:200]
        raise ServeError(
            f"the ONNX model can't be loaded ({type(error).__name__}: {first}). The file may be "
            "cut off, or made for a newer ONNX Runtime."
        ) from error
    named = [entry.name for entry in session.get_inputs()]
    with contextlib.suppress(ValueError):  # what doesn't fit is told below
        named = list(_features_of(named, contract.names).values())
    inputs = tuple(named) if len(named) > 1 else contract.names
    names = inputs if features is None else tuple(features)
    absent = [name for name in names if name not in contract.names]
    try:
        if absent:
            raise ValueError(f"the contract has no {absent[0]!r}")
        return session_predictor(session, names, output=output)
    except (ValueError, KeyError) as error:
        raise ServeError(
            f"the ONNX model doesn't fit the contract {contract.name!r}: {error}. Serve it with "
            "the contract it was trained with."
        ) from error


def _compare(quick: Predictor, plain: Predictor, contract: Contract) -> tuple[str, bool]:
    def answers(predictor: Predictor) -> Any:
        table = sample_table(
            contract, predictor.features, matrix=predictor.matrix, rows=_CHECKED_ROWS, seed=1
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.array(predictor(table, _CHECKED_ROWS))

    ours, own = answers(quick), answers(plain)
    if own.dtype.kind == "f":
        largest = float(np.abs(ours - own).max())
        spread = float(np.ptp(own)) or float(np.abs(own).max()) or 1.0
        agrees = largest <= TOLERANCE * spread
        return f"ONNX differs from the model by at most {largest:.2g}.", agrees
    differ = int((ours != own).sum())
    return f"ONNX differs from the model in {differ} of {_CHECKED_ROWS} made-up rows.", differ == 0
