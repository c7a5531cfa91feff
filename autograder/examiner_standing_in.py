"""What answers in the examiner's room where an object of the student's would judge itself.

A model's score is worked out from what it predicts; what compares or combines is refused against
plain values; what lists the parts of an object must agree with its own length.
"""

import importlib
import sys
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import partial
from types import FunctionType
from typing import Any

import numpy as np
import pandas as pd

from autograder.handles import number_of, refusal

__all__ = [
    "Measuring",
    "NUMBERS_TOGETHER",
    "Scorer",
    "TEXTS_TOGETHER",
    "VALUE_CLASSES",
    "against",
    "counted",
    "pairs",
]

VALUE_CLASSES = (
    *(int, float, complex, str, bytes, list, tuple, dict, set, frozenset),
    *(np.ndarray, np.generic, pd.DataFrame, pd.Series, pd.Index),
)
_NUMBERS = (int, float, Decimal, Fraction)
_CONTAINERS = (
    *(list, tuple, dict, set, frozenset),
    *(np.ndarray, pd.DataFrame, pd.Series, pd.Index),
)
_NESTED = 4
_SCIKIT_LEARN = ("sklearn.base", "sklearn.metrics", "sklearn.pipeline", "sklearn.model_selection")
TEXTS_TOGETHER = frozenset(
    {
        *("replace", "split", "rsplit", "partition", "rpartition", "removeprefix", "removesuffix"),
        *("strip", "lstrip", "rstrip"),
    }
)
"""Methods that make one of two texts."""
NUMBERS_TOGETHER = frozenset(
    {"quantize", "compare_total", "copy_sign", "max_mag", "min_mag", "remainder_near"}
)
"""Methods that make one of two numbers."""


class Measuring:
    """Stands for a library object's method by whose name values are compared.

    ``sub`` of a pattern takes texts; called with a number or a table it would tell how far the
    object is from that, as the student's room likes.

    Parameters
    ----------
    handle : handle
        The object.
    name : str
        The method.
    ask : callable
        Asks the student's room.
    against : tuple of type, optional
        What it isn't to measure against: plain values other than text, if it isn't given.
    """

    def __init__(
        self,
        handle: Any,
        name: str,
        ask: Callable[..., Any],
        *,
        against: tuple[type, ...] = (),
    ) -> None:
        self._handle, self._name, self._ask = handle, name, ask
        self._against = against or tuple(kind for kind in VALUE_CLASSES if kind is not str)

    def __call__(self, /, *args: Any, **names: Any) -> Any:
        """Call the method, unless it is to measure against a value."""
        for value in (*args, *names.values()):
            if number_of(value) is None and issubclass(type(value), self._against):
                raise refusal(self._handle, f"isn't asked for its own {self._name!r}")
        return self._ask("call", self._ask("get", self._handle, self._name), *args, **names)


def against(name: str) -> tuple[type, ...]:
    """Give the values that a method of that name makes one with."""
    if name in TEXTS_TOGETHER:
        return (str, bytes)
    return _NUMBERS if name in NUMBERS_TOGETHER else _CONTAINERS


def pairs(handle: Any, name: str) -> list[Any]:
    """Give the keys, values or items of a mapping, as its iteration and its items say."""
    keys = list(handle)
    if name == "keys":
        return keys
    return [handle[key] if name == "values" else (key, handle[key]) for key in keys]


def counted(handle: Any, name: str, ask: Callable[..., Any], /, *args: Any, **names: Any) -> Any:
    """Give what an object says that its items or rows are: as many as it is long."""
    found = list(ask("call", ask("get", handle, name), *args, **names))
    has = set(dir(type(handle)))
    length = len(handle) if "__len__" in has else len(list(handle)) if "__iter__" in has else None
    if length not in (None, len(found)):
        raise refusal(handle, f"has {len(found)} {name}, and a length of {length}")
    return iter(found) if name.startswith("iter") else found


class Scorer:
    """Stands for the method ``score`` of a model in the student's room.

    Parameters
    ----------
    handle : handle
        The model.
    classes : callable
        Gives the classes that an object's class is made of.
    ask : callable
        Asks the model itself, for a score that compares with nothing.
    """

    def __init__(
        self, handle: Any, classes: Callable[[Any], list[Any]], ask: Callable[..., Any]
    ) -> None:
        self._handle, self._classes, self._ask = handle, classes, ask

    def __call__(self, /, *args: Any, **names: Any) -> Any:
        """Work out the score from what the model predicts."""
        given = dict(zip(("X", "y", "sample_weight"), args, strict=False)) | names
        if given.get("y") is None:
            return self._ask("call", self._ask("get", self._handle, "score"), *args, **names)
        measure = self._measure(self._handle, 0)
        if measure is None:
            raise refusal(self._handle, "isn't asked for its own score; use what it predicts")
        weight = given.get("sample_weight")
        if not isinstance(measure, FunctionType):  # a scorer, which asks for what it needs
            more = {} if weight is None else {"sample_weight": weight}
            return measure(_as_model(self._handle), given["X"], given["y"], **more)
        return measure(given["y"], self._handle.predict(given["X"]), sample_weight=weight)

    def _measure(self, model: Any, depth: int) -> Any:
        """Give the function that compares what is true with what such a model predicts."""
        if depth > _NESTED or "sklearn" not in sys.modules:
            return None
        # Loaded here, so that the room's models are known to be of these classes.
        base, metrics, *_ = map(importlib.import_module, _SCIKIT_LEARN)
        classes = [kind for kind in self._classes(model) if issubclass(type(kind), type)]
        named = {kind.__name__ for kind in classes if kind.__module__.startswith("sklearn.")}
        if "Pipeline" in named:
            return self._measure(model.steps[-1][1], depth + 1)
        if "BaseSearchCV" in named:
            chosen = model.scoring
            return _chosen(metrics, chosen) if chosen else self._measure(model.estimator, depth + 1)
        if any(kind is base.ClassifierMixin for kind in classes):
            return metrics.accuracy_score
        if any(kind is base.RegressorMixin for kind in classes):
            return metrics.r2_score
        return None


def _told(handle: Any, name: str, _: Any) -> Any:
    return getattr(handle, name)


def _as_model(handle: Any) -> Any:
    """Give what scorers of scikit-learn's take for a classifier that does as an object says."""
    base = importlib.import_module(_SCIKIT_LEARN[0])
    told = ("classes_", "predict", "predict_proba", "decision_function")
    body = {name: property(partial(_told, handle, name)) for name in told}
    return type("Model", (base.ClassifierMixin, base.BaseEstimator), body)()


def _chosen(metrics: Any, name: Any) -> Any:
    """Give one of scikit-learn's scorers; its measure, if that looks at predictions only."""
    if type(name) is not str:
        return None
    scorer = metrics.get_scorer(name)
    if getattr(scorer, "_response_method", "predict") != "predict":
        return scorer
    sign, function, names = scorer._sign, scorer._score_func, scorer._kwargs

    def measure(y: Any, found: Any, *, sample_weight: Any) -> Any:
        return sign * function(y, found, sample_weight=sample_weight, **names)

    return measure
