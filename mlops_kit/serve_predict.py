"""How a model is called: checked columns in, plain JSON values out.

Each kind of model gets the cheapest call that gives its own answers: an array instead of a frame
where the model only needs numbers, ONNX where the model can be exported and agrees.
"""

import copy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from mlops_kit.contracts import Column, Contract
from mlops_kit.errors import ServeError
from mlops_kit.serve_rows import RowChecker, Table

__all__ = ["PredictionError", "Predictor", "predictor_of", "sample_table"]

Output = Literal["prediction", "probability"]

_SAMPLE_ROWS = 256


class PredictionError(ServeError):
    """The model failed on rows that keep the contract."""


@dataclass(frozen=True, slots=True)
class Predictor:
    """A model, ready to be called.

    Attributes
    ----------
    way : {"onnx", "array", "frame"}
        What the model is given: arrays for ONNX Runtime, one array, or a DataFrame.
    features : tuple of str
        The columns that it takes, in its order.
    matrix : bool
        Whether it takes one array of numbers instead of a mapping of columns.
    call : callable
        From a table of checked rows to the model's raw answers.
    classes : tuple
        The labels, for a classifier.
    notes : tuple of str
        Why it isn't called in a faster way, or how well a faster way agrees.
    """

    way: str
    features: tuple[str, ...]
    matrix: bool
    call: Callable[[Table], Any]
    classes: tuple[Any, ...] = ()
    notes: tuple[str, ...] = ()

    def __call__(self, table: Table, rows: int) -> list[Any]:
        """Predict.

        Parameters
        ----------
        table : numpy.ndarray of shape (rows, n_features), or dict of arrays of shape (rows,)
            From :meth:`mlops_kit.serve_rows.RowChecker.table`.
        rows : int
            How many rows it has.

        Returns
        -------
        list
            One JSON value a row.

        Raises
        ------
        PredictionError
            If the model raises, or gives no value, or one that isn't finite, for some row.
        """
        try:
            answers = self.call(table)
        except (Exception, SystemExit) as error:
            raise PredictionError(f"the model raised {type(error).__name__}: {error}") from error
        return _json_values(answers, rows)


def _json_values(answers: Any, rows: int) -> list[Any]:
    values = np.asarray(answers)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim not in (1, 2) or len(values) != rows:
        raise PredictionError(
            f"the model gave answers of shape {values.shape} for {rows} rows; one a row is wanted."
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        bad = int(np.argwhere(~np.isfinite(values))[0][0])
        raise PredictionError(f"the model's answer for row {bad} isn't finite.")
    if values.dtype.kind == "O":
        plain = [_plain(value) for value in values.ravel().tolist()]
        return plain if values.ndim == 1 else np.array(plain, object).reshape(values.shape).tolist()
    if values.dtype.kind not in "fiubUT":
        raise PredictionError(f"the model's answers are {values.dtype}, which JSON can't hold.")
    return list(values.tolist())


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    finite = not isinstance(value, float) or np.isfinite(value)
    if not isinstance(value, str | int | float | bool) or not finite:
        raise PredictionError(f"the model answered {str(value)[:60]!r}, which JSON can't hold.")
    return value


def predictor_of(
    model: Any,
    contract: Contract,
    *,
    features: Sequence[str] | None = None,
    output: Output = "prediction",
    onnx: bool = True,
) -> Predictor:
    """Find the fastest way to call a model that gives the model's own answers.

    Parameters
    ----------
    model : scikit-learn estimator, callable or bytes
        A callable takes a DataFrame of the features and returns one value a row; bytes are an
        ONNX model.
    contract : Contract
        What requests promise.
    features : sequence of str, optional
        The columns that the model takes; by default those that it was fitted with, else all.
    output : {"prediction", "probability"}, default="prediction"
        What the service answers with. The probability is that of the second class; of more
        than two, a list.
    onnx : bool, default=True
        Whether to export a scikit-learn model to ONNX where that agrees with it.

    Raises
    ------
    ServeError
        If it is no model, or doesn't work on rows that keep the contract.
    """
    if isinstance(model, bytes):
        from mlops_kit.serve_onnx import content_predictor

        found = content_predictor(model, contract, features=features, output=output)
        _try_out(found, contract)
        return found
    names = tuple(features) if features is not None else _fitted_names(model, contract)
    plain = _frame_predictor(model, contract, names, output)
    _try_out(plain, contract)
    if not hasattr(model, "predict"):
        return plain
    if onnx:
        from mlops_kit.serve_onnx import export

        exported, reason = export(model, plain, contract, output=output)
        if exported is not None:
            return exported
        plain = replace(plain, notes=(*plain.notes, reason))
    return _array_predictor(model, plain, contract, output) or plain


def _fitted_names(model: Any, contract: Contract) -> tuple[str, ...]:
    names = getattr(model, "feature_names_in_", None)
    if names is not None:
        return tuple(str(name) for name in names)
    width = getattr(model, "n_features_in_", None)
    if width is not None and width != len(contract.names):
        raise ServeError(
            f"the model was fitted with {width} features without names, the contract has "
            f"{len(contract.names)} columns. Fit the model with a DataFrame, or give features."
        )
    return contract.names


def _method(model: Any, output: Output) -> Callable[[Any], Any]:
    if not hasattr(model, "predict"):
        if not callable(model):
            raise ServeError(
                f"a {type(model).__name__} can't be served; a model has predict, a rule is a "
                "function of a DataFrame."
            )
        if output == "probability":
            raise ServeError("a rule gives what it gives; output must be 'prediction'.")
        return model  # type: ignore[no-any-return]
    if output == "prediction":
        return model.predict  # type: ignore[no-any-return]
    if not hasattr(model, "predict_proba"):
        raise ServeError(f"a {type(model).__name__} has no predict_proba, so no probabilities.")

    def probability(table: Any) -> Any:
        shares = model.predict_proba(table)
        return shares[:, 1] if shares.shape[1] == 2 else shares

    return probability


def _frame_predictor(
    model: Any, contract: Contract, names: tuple[str, ...], output: Output
) -> Predictor:
    method = _method(model, output)
    absent = [name for name in names if name not in contract.names]
    if absent:
        raise ServeError(
            f"the model takes {', '.join(map(repr, absent[:5]))}, which the contract "
            f"{contract.name!r} doesn't declare. Serve it with the contract it was trained with."
        )
    named = not hasattr(model, "predict") or hasattr(model, "feature_names_in_")

    def call(table: Table) -> Any:
        frame = pd.DataFrame(table, columns=list(names), copy=False)
        return method(frame if named else frame.to_numpy())

    classes = tuple(np.asarray(getattr(model, "classes_", ())).tolist())
    return Predictor("frame", names, False, call, classes)


def _array_predictor(
    model: Any, plain: Predictor, contract: Contract, output: Output
) -> Predictor | None:
    """Call a scikit-learn model with an array, if it gives the same answers."""
    if any(contract[name].dtype in ("str", "datetime") for name in plain.features):
        return None
    if not hasattr(model, "get_params"):
        return None
    method = _method(_without_names(model), output)
    quick = replace(plain, way="array", matrix=True, call=method)
    try:
        same = _agree(_answers(quick, contract), _answers(plain, contract))
    except ServeError:
        return None
    return quick if same else None


def _agree(some: list[Any], others: list[Any]) -> bool:
    """Compare to the last digits, which depend on how the numbers lie in memory."""
    one, other = np.asarray(some), np.asarray(others)
    if one.dtype.kind != "f":
        return some == others
    return bool(np.allclose(one, other, rtol=1e-9, atol=1e-12 * float(np.ptp(other))))


def _without_names(model: Any) -> Any:
    """Copy a model and let it forget the names, which it would otherwise miss at each call."""
    bare = copy.deepcopy(model)
    parts = [bare]
    while parts:
        part = parts.pop()
        if "feature_names_in_" in getattr(part, "__dict__", {}):
            del part.feature_names_in_
        parts += [step for _, step in getattr(part, "steps", [])]
    return bare


def _answers(predictor: Predictor, contract: Contract) -> list[Any]:
    table = sample_table(contract, predictor.features, matrix=predictor.matrix)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return predictor(table, _SAMPLE_ROWS)


def _try_out(predictor: Predictor, contract: Contract) -> None:
    """See that the model works at all before anyone relies on it."""
    try:
        _answers(predictor, contract)
    except PredictionError as error:
        raise ServeError(
            f"the model doesn't work on rows that keep the contract {contract.name!r}: {error} "
            "Serve it with the contract it was trained with."
        ) from error


def sample_table(
    contract: Contract,
    features: Sequence[str],
    *,
    matrix: bool = False,
    rows: int = _SAMPLE_ROWS,
    seed: int = 0,
) -> Table:
    """Make up rows that keep the contract, its ends included, to try a model on.

    Rules between columns aren't kept: they don't matter to whether two ways of calling agree.
    """
    rng = np.random.default_rng(seed)
    columns = {column.name: _sample(column, rows, rng) for column in contract.columns}
    loose = replace(contract, rules=())
    checker = RowChecker(loose, features=features, matrix=matrix, max_rows=rows)
    values = zip(*columns.values(), strict=True)
    return checker.table([dict(zip(columns, row, strict=True)) for row in values])


def _sample(column: Column, rows: int, rng: np.random.Generator) -> list[Any]:
    if column.allowed is not None:
        values = [column.allowed[i] for i in rng.integers(len(column.allowed), size=rows)]
    elif column.dtype == "bool":
        values = rng.integers(2, size=rows).astype(bool).tolist()
    elif column.dtype == "str":
        values = [f"text {i}" for i in rng.integers(100, size=rows)]
    elif column.dtype == "datetime":
        values = _sample_times(column, rows, rng)
    else:
        values = _sample_numbers(column, rows, rng)
    if column.nullable:
        values = [None if gap else v for v, gap in zip(values, rng.random(rows) < 0.1, strict=True)]
    return values


def _sample_numbers(column: Column, rows: int, rng: np.random.Generator) -> list[Any]:
    low, high = column.minimum, column.maximum
    if low is None and high is None:
        spread = rng.normal(size=rows) * 10.0 ** rng.integers(-1, 4, size=rows)
        values = spread.tolist()
    else:
        low = high - 1000 if low is None else low
        high = low + 1000 if high is None else high
        share = np.concatenate([[0.0, 1.0], rng.random(rows - 2)])
        values = np.clip(low + share * (high - low), low, high).tolist()
    return [round(value) for value in values] if column.dtype == "int" else values


def _sample_times(column: Column, rows: int, rng: np.random.Generator) -> list[str]:
    low, high = column.minimum, column.maximum
    begin = pd.Timestamp(low or high or "2025-01-06")
    end = pd.Timestamp(high) if low is not None and high is not None else begin
    seconds = (end - begin).total_seconds() if end > begin else 0.0
    return [
        (begin + pd.Timedelta(seconds=int(share * seconds))).isoformat()
        for share in rng.random(rows)
    ]
