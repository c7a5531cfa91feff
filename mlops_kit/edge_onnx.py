"""scikit-learn models as ONNX files: in single precision, or with weights of one byte."""

import contextlib
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlops_kit.edge_plan import Plan, plan_of
from mlops_kit.edge_tables import float_rows
from mlops_kit.errors import DataError, EdgeError, MissingToolError

__all__ = ["OnnxModel", "load_onnx", "to_onnx"]

PRECISIONS = ("float", "int8-dynamic", "int8-static")
_QUANTISED = {"MatMul", "Gemm", "Conv"}
_INPUT = "features"


class OnnxModel:
    """A model in ONNX, run by ONNX Runtime on one thread.

    Attributes
    ----------
    content : bytes
        The file.
    precision : str
        ``"float"``, ``"int8-dynamic"``, ``"int8-static"``, or ``"as loaded"``.
    classes : tuple
        The labels in the order of the outputs, where the maker knows them.
    plan : Plan or None
        What the model computes, where that is known.
    """

    def __init__(
        self,
        content: bytes,
        *,
        precision: str = "as loaded",
        classes: tuple[Any, ...] = (),
        plan: Plan | None = None,
    ) -> None:
        self.content = content
        self.precision = precision
        self.plan = plan
        self._session = _open(content)
        entry = self._session.get_inputs()
        if len(entry) != 1 or len(entry[0].shape) != 2:
            raise EdgeError(
                "the ONNX model must take one matrix of features; it takes "
                f"{[(one.name, one.shape) for one in entry]}."
            )
        self._input = entry[0]
        self.classes = classes

    @property
    def size_bytes(self) -> int:
        """Bytes of the file."""
        return len(self.content)

    @cached_property
    def ram_bytes(self) -> int:
        """RAM for weights and one row, without the runtime, which takes megabytes of its own."""
        import onnx

        graph = onnx.load_from_string(self.content).graph
        weights = sum(_tensor_bytes(entry) for entry in graph.initializer)
        for node in graph.node:  # trees and linear models keep their numbers in attributes
            for entry in node.attribute:
                weights += 4 * len(entry.floats) + 8 * len(entry.ints) + _tensor_bytes(entry.t)
        row = self.plan.working_bytes if self.plan else 4 * int(self._width or 0)
        return int(weights + row)

    @property
    def operators(self) -> tuple[str, ...]:
        """Names of the graph's operators, sorted."""
        import onnx

        graph = onnx.load_from_string(self.content).graph
        return tuple(sorted({node.op_type for node in graph.node}))

    @property
    def _width(self) -> int | None:
        width = self._input.shape[1]
        return width if isinstance(width, int) else None

    def _run(self, rows: ArrayLike) -> list[Any]:
        taken = float_rows(rows, self._width or np.shape(rows)[-1])
        kind = np.float64 if "double" in self._input.type else np.float32
        try:
            found: list[Any] = self._session.run(None, {self._input.name: taken.astype(kind)})
        except Exception as error:  # the runtime's errors share no base class
            raise EdgeError(f"ONNX Runtime can't run the model: {_first_line(error)}.") from error
        return found

    def outputs(self, rows: ArrayLike) -> NDArray[np.float32]:
        """Compute the outputs: probabilities, scores or values.

        Parameters
        ----------
        rows : array-like of shape (n_rows, n_features)
            Taken in single precision.

        Returns
        -------
        ndarray of shape (n_rows, n_outputs)
        """
        found = np.asarray(self._run(rows)[-1], np.float32)
        found = found.reshape(len(found), -1)
        if self.plan and self.plan.binary and found.shape[1] == 1:
            return np.hstack([-found, found])
        return found

    def predict(self, rows: ArrayLike) -> NDArray[Any]:
        """Answer each row with a label, or a value."""
        found = np.asarray(self._run(rows)[0])
        return found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the file, whole or not at all."""
        target = Path(path)
        part = target.with_name(f".{target.name}.part")
        try:
            part.write_bytes(self.content)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return target


def to_onnx(
    model: Any,
    *,
    precision: str = "float",
    calibration: ArrayLike | None = None,
) -> OnnxModel:
    """Export a fitted scikit-learn model or pipeline to ONNX.

    Parameters
    ----------
    model : scikit-learn estimator
        Fitted, on numbers. Any step that skl2onnx knows.
    precision : {"float", "int8-dynamic", "int8-static"}, default="float"
        ``"int8-dynamic"`` keeps weights in a byte and measures the activations' range in each
        call; ``"int8-static"`` measures it once, on the calibration rows. Both apply to matrix
        products, so to MLPs.
    calibration : array-like of shape (n_rows, n_features), optional
        For ``"int8-static"``: rows as the device will see them, 100 or more.

    Returns
    -------
    OnnxModel

    Raises
    ------
    EdgeError
        If the model isn't fitted, a step has no ONNX operator (named), or int8 isn't available
        for it; the message says what helps then.
    MissingToolError
        If the packages of the extra ``edge`` aren't installed.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> line = to_onnx(LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0]))
    >>> line.predict([[2.0]])
    array([5.], dtype=float32)

    Notes
    -----
    Taught in @sec-edge.
    """
    if precision not in PRECISIONS:
        raise EdgeError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}.")
    if precision == "int8-static" and calibration is None:
        raise EdgeError("int8-static needs calibration=: rows as the device will see them.")
    if precision != "int8-static" and calibration is not None:
        raise EdgeError(f"{precision} takes no calibration rows; 'int8-static' does.")
    content = _exported(model)
    classes = getattr(model, "classes_", None)
    labels = tuple(classes.tolist()) if isinstance(classes, np.ndarray) else ()
    plan = None
    with contextlib.suppress(EdgeError):
        plan = plan_of(model)
    if precision != "float":
        width = int(model.n_features_in_)
        rows = None if calibration is None else float_rows(calibration, width)
        if rows is not None and (not len(rows) or not np.isfinite(rows).all()):
            raise DataError("calibration rows must be finite, and at least one.")
        content = _quantised(content, model, rows)
    return OnnxModel(content, precision=precision, classes=labels, plan=plan)


def load_onnx(path: str | os.PathLike[str]) -> OnnxModel:
    """Open an ONNX file.

    Raises
    ------
    EdgeError
        If there is no such file, or it isn't a whole ONNX model.

    Notes
    -----
    Taught in @sec-edge.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise EdgeError(f"{path} can't be read: {error.strerror or error}.") from error
    try:
        return OnnxModel(content)
    except EdgeError as error:
        raise EdgeError(f"{path}: {error}") from error


def _open(content: bytes) -> Any:
    runtime = _tool("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors share no base class
        raise EdgeError(
            f"{len(content)} bytes aren't a whole ONNX model that this ONNX Runtime can open: "
            f"{_first_line(error)}. Copy the file again and compare its hash with its source's; or "
            "export it for an older operator set."
        ) from error


def _tool(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingToolError(
            f"{error.name or name} isn't installed. Install the extra: pip install "
            "'mlops-kit[edge]'."
        ) from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0].rstrip(". ")[:300]


def _exported(model: Any) -> bytes:
    skl2onnx, types = _tool("skl2onnx"), _tool("skl2onnx.common.data_types")
    width = getattr(model, "n_features_in_", None)
    if not hasattr(model, "predict") or width is None:
        raise EdgeError(
            f"a fitted scikit-learn model was wanted, got {type(model).__name__}; call fit first."
        )
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    probabilities = hasattr(last, "predict_proba")
    options = {id(last): {"zipmap": False}} if probabilities else None
    inputs = [(_INPUT, types.FloatTensorType([None, int(width)]))]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = skl2onnx.to_onnx(model, initial_types=inputs, options=options)
    except Exception as error:  # converters raise nearly anything
        raise EdgeError(
            f"{type(last).__name__} can't be exported to ONNX{_culprit(model)}: "
            f"{type(error).__name__}: {_first_line(error)}. Use a step that skl2onnx converts, or "
            "do that step before the data reaches the device."
        ) from error
    content: bytes = made.SerializeToString()
    return content


def _culprit(model: Any) -> str:
    """Name the steps of a pipeline that skl2onnx has no converter for."""
    known = _tool("skl2onnx._supported_operators").sklearn_operator_name_map
    steps = [step for _, step in model.steps] if hasattr(model, "steps") else [model]
    unknown = [type(step).__name__ for step in steps if type(step) not in known]
    return f" (skl2onnx has no converter for {', '.join(unknown)})" if unknown else ""


def _quantised(content: bytes, model: Any, rows: NDArray[np.float32] | None) -> bytes:
    onnx, quantization = _tool("onnx"), _tool("onnxruntime.quantization")
    graph = onnx.load_from_string(content).graph
    operators = {node.op_type for node in graph.node}
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    if not operators & _QUANTISED:
        raise EdgeError(_no_int8(type(last).__name__, operators))
    with tempfile.TemporaryDirectory() as name, _quiet():
        before, after = Path(name) / "float.onnx", Path(name) / "int8.onnx"
        before.write_bytes(content)
        # Without it, what follows an operator of scikit-learn's own domain has no known type.
        extra = {"DefaultTensorType": onnx.TensorProto.FLOAT}
        if rows is None:
            quantization.quantize_dynamic(
                before,
                after,
                weight_type=quantization.QuantType.QInt8,
                per_channel=True,
                extra_options=extra,
            )
        else:
            quantization.quantize_static(
                before,
                after,
                _reader(quantization, rows),
                quant_format=quantization.QuantFormat.QDQ,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                per_channel=True,
                op_types_to_quantize=sorted(operators & _QUANTISED),
                extra_options=extra,
            )
        return after.read_bytes()


def _reader(quantization: Any, rows: NDArray[np.float32]) -> Any:
    class Rows(quantization.CalibrationDataReader):  # type: ignore[misc]
        """The calibration rows, once, as ONNX Runtime wants them."""

        def __init__(self) -> None:
            self._left = iter([{_INPUT: rows}])

        def get_next(self) -> Any:
            return next(self._left, None)

    return Rows()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the quantiser's advice to itself: the advice has been taken."""
    logger = logging.getLogger()
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def _no_int8(name: str, operators: set[str]) -> str:
    trees = any("Tree" in one for one in operators)
    helps = (
        "fewer trees, less depth, larger leaves (min_samples_leaf), pruning (ccp_alpha); and "
        "thresholds in float16 or int16 where the features are whole numbers"
        if trees
        else "fewer features, sparse weights (penalty 'l1'), or "
        "edge.to_c(model, precision='int8'), which keeps weights in a byte and computes in float"
    )
    return (
        f"int8 isn't available for {name} in ONNX: ONNX Runtime quantises the operators "
        f"{', '.join(sorted(_QUANTISED))}, and its graph has {', '.join(sorted(operators))}. "
        f"What helps: {helps}."
    )


def _tensor_bytes(tensor: Any) -> int:
    from onnx import TensorProto, helper

    if tensor.data_type in (TensorProto.UNDEFINED, TensorProto.STRING):
        return 0
    item = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type)).itemsize
    return int(np.prod(tensor.dims, dtype=np.int64)) * item
