"""What a fitted scikit-learn model computes, as arrays: dense layers, or trees.

A plan is what is left of a model when the library is taken away. Everything that goes to a device
is made from it: the C source, the count of operations, the bytes of the tables.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_kit.errors import EdgeError

__all__ = ["Dense", "Operations", "Plan", "Trees", "plan_of"]

Floats = NDArray[np.float32]
Integers = NDArray[np.int32]

_LINEAR = {
    "LinearRegression", "Ridge", "Lasso", "ElasticNet", "HuberRegressor", "LogisticRegression",
    "RidgeClassifier", "LinearSVC", "LinearSVR", "Perceptron",
}  # fmt: skip
_NETWORKS = {"MLPClassifier", "MLPRegressor"}
_TREES = {
    "DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier",
    "ExtraTreeRegressor", "RandomForestClassifier", "RandomForestRegressor",
    "ExtraTreesClassifier", "ExtraTreesRegressor",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dense:
    """One layer: ``activation(inputs @ weights + biases)``.

    Attributes
    ----------
    weights : ndarray of shape (n_in, n_out)
    biases : ndarray of shape (n_out,)
    activation : {"identity", "relu", "tanh", "logistic"}
    """

    weights: Floats
    biases: Floats
    activation: str


@dataclass(frozen=True, slots=True)
class Trees:
    """Decision trees in one table of splits and one of leaves.

    Attributes
    ----------
    feature, left, right : ndarray of shape (n_splits,)
        Which feature a split asks; where to go. A child of 0 or more is a split, counted from its
        tree's first one; a child below 0 is the leaf ``~child``.
    threshold : ndarray of shape (n_splits,)
        A value of at most this goes left.
    missing_left : ndarray of bool of shape (n_splits,)
        Whether a missing value goes left.
    roots : ndarray of shape (n_trees,)
        The first split of each tree, or ``~leaf`` for a tree that is a leaf.
    depths : ndarray of shape (n_trees,)
        The most splits that a row meets.
    leaves : ndarray of shape (n_leaves, n_outputs)
        Class shares, or the value. Equal leaves are kept once.
    """

    feature: Integers
    threshold: Floats
    left: Integers
    right: Integers
    missing_left: NDArray[np.bool_]
    roots: Integers
    depths: Integers
    leaves: Floats

    @property
    def votes(self) -> bool:
        """Whether each leaf names one class, so that a byte holds it."""
        width = self.leaves.shape[1]
        return 1 < width <= 255 and bool((self.leaves.max(axis=1) == 1).all())


@dataclass(frozen=True, slots=True)
class Operations:
    """What one row costs at most, counted; the same on every machine.

    Attributes
    ----------
    multiply_adds : int
        Multiplications with their additions.
    comparisons : int
        Splits passed, at the greatest depth of each tree.
    additions : int
        Votes or leaf values added up.
    activations : int
        Calls of an exponential or a hyperbolic tangent.
    """

    multiply_adds: int = 0
    comparisons: int = 0
    additions: int = 0
    activations: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """A model without its library.

    Attributes
    ----------
    name : str
        The estimator's class, for messages.
    body : tuple of Dense, or Trees
        What is computed.
    n_features, n_outputs : int
        Numbers in and out.
    classes : tuple
        The labels, in the order of the outputs; empty for a regressor.
    output : {"probability", "score", "value"}
        What the outputs are.
    accepts_missing : bool
        Whether the model answers a row with a missing value (NaN); it refuses infinities always.
    """

    name: str
    body: tuple[Dense, ...] | Trees
    n_features: int
    n_outputs: int
    classes: tuple[Any, ...]
    output: str
    accepts_missing: bool

    @property
    def binary(self) -> bool:
        """Whether two classes share one computed number."""
        return isinstance(self.body, tuple) and len(self.classes) == 2

    @property
    def operations(self) -> Operations:
        """Count what one row costs at most.

        Examples
        --------
        >>> from sklearn.linear_model import LinearRegression
        >>> plan_of(LinearRegression().fit([[0.0, 1.0], [1.0, 0.0]], [0, 1])).operations
        Operations(multiply_adds=2, comparisons=0, additions=0, activations=0)
        """
        if isinstance(self.body, Trees):
            trees = len(self.body.roots)
            return Operations(
                comparisons=int(self.body.depths.sum()),
                additions=trees * (1 if self.body.votes else self.n_outputs),
            )
        return Operations(
            multiply_adds=sum(layer.weights.size for layer in self.body),
            activations=sum(
                len(layer.biases) for layer in self.body if layer.activation in ("tanh", "logistic")
            ),
        )

    @property
    def working_bytes(self) -> int:
        """RAM that a call needs: the features, the buffers between layers, the outputs."""
        buffers = 0
        if isinstance(self.body, tuple) and len(self.body) > 1:
            hidden = [len(layer.biases) for layer in self.body[:-1]]
            buffers = max(hidden) * min(len(hidden), 2)
        return 4 * (self.n_features + buffers + self.n_outputs)


def plan_of(model: Any) -> Plan:
    """Read what a fitted model computes.

    Scalers in a pipeline disappear: into the first layer's weights, or into the trees' thresholds,
    where they cost nothing on the device.

    Parameters
    ----------
    model : scikit-learn estimator
        Fitted: a linear model, an MLP, a decision tree, a random forest or extra trees, alone or
        in a pipeline behind ``StandardScaler``, ``MinMaxScaler`` or ``MaxAbsScaler``.

    Returns
    -------
    Plan
        In single precision, as a device has it.

    Raises
    ------
    EdgeError
        If the model isn't fitted, or holds a step that has no plan; the message names the step.

    Notes
    -----
    Taught in @sec-edge. A threshold is rounded downwards, so that ``x <= threshold`` has the same
    answer for every number that single precision can hold.
    """
    from sklearn.exceptions import NotFittedError
    from sklearn.utils import get_tags
    from sklearn.utils.validation import check_is_fitted

    if not hasattr(model, "get_params") or not hasattr(model, "predict"):
        raise EdgeError(
            f"a fitted scikit-learn model was wanted, got {type(model).__name__}. Train one, or "
            "load it, first."
        )
    steps = _steps(model)
    try:
        check_is_fitted(steps[-1])
    except NotFittedError as error:
        raise EdgeError(
            f"{type(steps[-1]).__name__} isn't fitted; call fit before exporting it."
        ) from error
    last, scale = steps[-1], _scaling(steps[:-1])
    name = type(last).__name__
    classes = _classes(last, name)
    if name in _TREES:
        trees = _trees(last, name, scale)
        body: tuple[Dense, ...] | Trees = trees
        outputs, output = trees.leaves.shape[1], "probability" if classes else "value"
        accepts = bool(get_tags(last).input_tags.allow_nan)
    elif name in _LINEAR | _NETWORKS:
        layers = _layers(last, name, scale)
        body, outputs = layers, len(layers[-1].biases)
        outputs = 2 if outputs == 1 and classes else outputs
        output = "probability" if hasattr(last, "predict_proba") else "score"
        output, accepts = output if classes else "value", False
    else:
        raise EdgeError(_no_plan(name, sorted(_LINEAR | _NETWORKS | _TREES)))
    if outputs > 1 and not classes:
        raise EdgeError(_SEVERAL.format(name=name))
    return Plan(name, body, int(steps[0].n_features_in_), outputs, classes, output, accepts)


def _steps(model: Any) -> list[Any]:
    """List what a pipeline does, without steps that do nothing, nested pipelines in their place."""
    if not hasattr(model, "steps"):
        return [] if model is None or model == "passthrough" else [model]
    return [found for _, step in model.steps for found in _steps(step)]


def _no_plan(name: str, known: list[str]) -> str:
    return (
        f"{name} can't be written in C here. It can be for: {', '.join(known)}, behind "
        "StandardScaler, MinMaxScaler or MaxAbsScaler. Choose one of these, do the step before the "
        "data reaches the device, or export to ONNX, which knows more operators."
    )


def _classes(last: Any, name: str) -> tuple[Any, ...]:
    classes = getattr(last, "classes_", None)
    if classes is None:
        return ()
    kind = getattr(getattr(last, "_label_binarizer", None), "y_type_", "")
    if isinstance(classes, list) or kind.startswith("multilabel"):
        raise EdgeError(_SEVERAL.format(name=name))
    if len(classes) < 2:
        only = classes.tolist()[0]
        raise EdgeError(f"{name} knows one class only, {only!r}; a constant needs no model.")
    return tuple(classes.tolist())


_SEVERAL = "{name} gives several answers a row; train and export one model for each."


@dataclass(frozen=True, slots=True)
class _Scaling:
    """What the scalers in front do: to one feature's values, and as a straight line for each."""

    apply: Callable[[NDArray[np.float64], Any], NDArray[np.float64]]
    slope: NDArray[np.float64]
    shift: NDArray[np.float64]


def _scaling(scalers: list[Any]) -> _Scaling | None:
    if not scalers:
        return None
    width = int(scalers[0].n_features_in_)
    parts = [_scaler_parts(step, width) for step in scalers]

    def apply(values: NDArray[np.float64], features: Any) -> NDArray[np.float64]:
        for before, factor, divisor, after in parts:
            values = (values - before[features]) * factor[features] / divisor[features]
            values = values + after[features]
        return values

    slope, shift = np.ones(width), np.zeros(width)
    for before, factor, divisor, after in parts:
        slope, shift = slope * factor / divisor, (shift - before) * factor / divisor + after
    return _Scaling(apply, slope, shift)


def _scaler_parts(step: Any, width: int) -> tuple[NDArray[np.float64], ...]:
    """Give what is taken off, multiplied by, divided by and added, for each feature."""
    name, zero, one = type(step).__name__, np.zeros(width), np.ones(width)
    if getattr(step, "clip", False):
        raise EdgeError(f"{name}(clip=True) can't be exported to C; clip before the model.")
    if name == "StandardScaler":
        mean = step.mean_ if step.with_mean else zero
        return mean, one, step.scale_ if step.with_std else one, zero
    if name == "MinMaxScaler":
        return zero, step.scale_, one, step.min_
    if name == "MaxAbsScaler":
        return zero, one, step.scale_, zero
    raise EdgeError(_no_plan(name, sorted(_LINEAR | _NETWORKS | _TREES)))


def _layers(last: Any, name: str, scale: _Scaling | None) -> tuple[Dense, ...]:
    if name in _NETWORKS:
        weights = [np.asarray(values, np.float64) for values in last.coefs_]
        biases = [np.asarray(values, np.float64) for values in last.intercepts_]
        hidden = last.activation
    else:
        coefficients = np.atleast_2d(np.asarray(last.coef_, np.float64))
        weights = [coefficients.T]
        biases = [np.broadcast_to(np.ravel(last.intercept_), len(coefficients)).astype(np.float64)]
        hidden = "identity"
    if scale is not None:
        biases[0] = biases[0] + scale.shift @ weights[0]
        weights[0] = scale.slope[:, None] * weights[0]
    layers = []
    for place, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        # The last layer gives raw scores: their order is the probabilities' order.
        activation = hidden if place < len(weights) - 1 else "identity"
        with np.errstate(over="ignore"):
            layers.append(Dense(weight.astype(np.float32), bias.astype(np.float32), activation))
    if not all(np.isfinite(part).all() for one in layers for part in (one.weights, one.biases)):
        raise EdgeError(f"{name} has weights that single precision can't hold; scale its features.")
    return tuple(layers)


def _trees(last: Any, name: str, scale: _Scaling | None) -> Trees:
    members = [one.tree_ for one in getattr(last, "estimators_", [last])]
    if members[0].value.shape[1] != 1:
        raise EdgeError(_SEVERAL.format(name=name))
    shares = np.vstack([tree.value[tree.children_left < 0, 0, :] for tree in members])
    leaves, known = np.unique(shares.astype(np.float32), axis=0, return_inverse=True)
    known = known.ravel()
    columns: dict[str, list[Any]] = {
        key: [] for key in ("feature", "threshold", "left", "right", "missing")
    }
    roots, depths, splits_before, leaves_before = [], [], 0, 0
    for tree in members:
        split = tree.children_left >= 0
        number = np.where(split, np.cumsum(split) - 1, 0)
        leaf = np.where(split, 0, np.cumsum(~split) - 1 + leaves_before)
        place = np.where(split, number, ~known[leaf])
        columns["feature"].append(tree.feature[split])
        columns["threshold"].append(tree.threshold[split])
        columns["left"].append(place[tree.children_left[split]])
        columns["right"].append(place[tree.children_right[split]])
        columns["missing"].append(tree.missing_go_to_left[split].astype(bool))
        roots.append(splits_before if split[0] else int(place[0]))
        depths.append(tree.max_depth)
        splits_before += int(split.sum())
        leaves_before += int((~split).sum())
    joined = {key: np.concatenate(parts) for key, parts in columns.items()}
    features = joined["feature"].astype(np.int32)
    return Trees(
        feature=features,
        threshold=_thresholds(joined["threshold"], features, scale),
        left=joined["left"].astype(np.int32),
        right=joined["right"].astype(np.int32),
        missing_left=joined["missing"],
        roots=np.array(roots, np.int32),
        depths=np.array(depths, np.int32),
        leaves=np.ascontiguousarray(leaves),
    )


def _thresholds(limits: NDArray[np.float64], features: Integers, scale: _Scaling | None) -> Floats:
    """Give, for each split, the largest single-precision value that goes left."""
    if scale is None:
        return _rounded_down(limits)
    # Scaling rises with the value, so the border is found by halving over all floats.
    low, high = np.full(len(limits), -_LARGEST - 1), np.full(len(limits), _LARGEST)
    while (low < high).any():
        middle = low + (high - low + 1) // 2
        left = _goes_left(_float_at(middle), limits, features, scale)
        low, high = np.where(left, middle, low), np.where(left, high, middle - 1)
    return _float_at(low)


_LARGEST = int(np.array(np.finfo(np.float32).max).view(np.int32))


def _float_at(places: NDArray[np.int64]) -> Floats:
    """Give the float at a place in the order of all floats; 0 is at 0, the ends are infinite."""
    sizes = np.abs(places).astype(np.int32).view(np.float32)
    return np.where(places < 0, -sizes, sizes).astype(np.float32)


def _rounded_down(values: NDArray[np.float64]) -> Floats:
    rounded = values.astype(np.float32)
    lower = np.nextafter(rounded, np.float32(-np.inf))
    return np.where(rounded > values, lower, rounded).astype(np.float32)


def _goes_left(
    values: Floats, limits: NDArray[np.float64], features: Integers, scale: _Scaling
) -> NDArray[np.bool_]:
    with np.errstate(over="ignore"):
        scaled = scale.apply(values.astype(np.float64), features).astype(np.float32)
    return np.asarray(scaled <= limits)
