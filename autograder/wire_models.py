"""What student code made of a test's own scikit-learn models, on the wire by value.

A model that a test hands over is trained in place: a pipeline's steps, a forest's trees. What is
plain of it crosses as any value; a model within it as its class and attributes, if scikit-learn
knows that class; a tree as its columns, which are checked and put together again: branches that
lead in a circle or outside would have scikit-learn read where nothing is.
"""

import sys
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np

from autograder.wire import WireError
from autograder.wire_classes import find_class
from autograder.wire_matrices import encode_sparse
from autograder.wire_model_checks import check_state
from autograder.wire_values import Decoder, Encoder, Json, TooLargeError, need

__all__ = [
    "check_attribute",
    "check_attributes",
    "check_model",
    "decode_part",
    "encode_part",
    "holds_models",
    "is_model",
    "may_score",
    "models_in",
]

_TREES = "sklearn.tree._tree"
_MOST_MODELS = 100
_DEEPEST = 8
_LEAF = -1
_KINDS = (int, float, bool, str, object)
_KIND_NAMES = {kind.__name__: kind for kind in _KINDS}
_NEIGHBOURS = {
    name: (f"sklearn.neighbors.{module}", name)
    for module, name in (("_kd_tree", "KDTree"), ("_ball_tree", "BallTree"))
}
_METRICS = {f"{name}Distance": name.lower() for name in ("Euclidean", "Manhattan", "Chebyshev")}
# Where these stand in what such a table of neighbours is made of.
_LEAF_SIZE, _METRIC = 4, 11
_MOST = 1 << 20
_CALLED = frozenset({"analyzer", "preprocessor", "tokenizer", "scoring", "score_func"})
_SCORING = frozenset({"steps", "estimator_", "best_estimator_"})


def is_model(kind: Any) -> bool:
    """Say whether a class is one of scikit-learn's models."""
    base = vars(sys.modules.get("sklearn.base", sys)).get("BaseEstimator")
    if base is None or base not in type.__getattribute__(kind, "__mro__"):
        return False
    module = type.__getattribute__(kind, "__module__")
    if type(module) is not str or not module.startswith("sklearn."):
        return False
    return find_class(module, type.__getattribute__(kind, "__qualname__")) is kind


def models_in(value: Any, strange: Collection[int] = ()) -> list[Any]:
    """Give the models that a library's object holds, in the same order in both rooms.

    Parameters
    ----------
    value : object
        What a test hands over; it isn't given itself.
    strange : collection of int
        The identities of objects in it that don't cross as copies.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> models_in(make_pipeline(Ridge()))
    [Ridge()]
    """
    if not is_model(type(value)):
        return []
    found: list[Any] = []
    seen = {id(value)}
    waiting: list[tuple[Any, int]] = [(value, 0)]
    while waiting and len(found) < _MOST_MODELS:
        holder, depth = waiting.pop(0)
        if depth > _DEEPEST:
            continue
        for part in _parts(holder):
            if id(part) in seen or id(part) in strange:
                continue
            if is_model(type(part)):
                found.append(part)
            elif type(part) not in (list, tuple, dict):
                continue
            seen.add(id(part))
            waiting.append((part, depth + 1))
    return found[:_MOST_MODELS]


def _parts(holder: Any) -> Iterator[Any]:
    if type(holder) in (list, tuple):
        yield from holder
    elif type(holder) is dict:
        yield from holder.values()
    else:
        attributes = vars(holder)
        yield from (attributes[name] for name in sorted(attributes))


def encode_part(encoder: Encoder, value: Any, known: Mapping[int, int]) -> Json:
    """Encode what isn't plain of a model's attributes.

    Parameters
    ----------
    encoder : Encoder
        That of the message.
    value : object
        A model, a tree or a sparse matrix.
    known : mapping of int to int
        The numbers of the test's own objects, by the identities of the copies here.

    Raises
    ------
    TooLargeError, WireError
        If it is anything else, or would be refused.
    """
    if (number := known.get(id(value))) is not None:
        return ["same", number]
    if (sparse := encode_sparse(encoder, value)) is not None:
        return sparse
    kind: Any = type(value)
    if (kind is np.ufunc or kind is type) and (named := _named(value)) is not None:
        return named
    name = type.__getattribute__(kind, "__name__")
    if name in _NEIGHBOURS and kind is find_class(*_NEIGHBOURS[name]):
        return encoder.nested(_encode_neighbours, value)
    if kind is find_class(_TREES, "Tree"):
        return encoder.nested(_encode_tree, value)
    if is_model(kind):
        return encoder.nested(_encode_model, value)
    raise TooLargeError(f"a {name} of a model can't cross by value")


def _named(value: Any) -> Json:
    """Encode a function of NumPy's, a kind of numbers, or a plain type; None for another."""
    name = str(value.__name__)
    if value in _KINDS:
        return ["kind", name]
    is_kind = isinstance(value, np.ufunc) or issubclass(value, np.generic)
    return ["numpy", name] if is_kind and vars(np).get(name) is value else None


def _encode_model(encoder: Encoder, value: Any) -> Json:
    attributes = vars(value)
    encoder.count(len(attributes))
    check_model(value)
    for name, held in attributes.items():
        check_attribute(value, name, held)
    told = [[name, encoder.encode(held)] for name, held in attributes.items()]
    return ["model", type(value).__module__, type(value).__qualname__, told]


def _encode_tree(encoder: Encoder, value: Any) -> Json:
    _, (features, classes, outputs), state = value.__reduce__()
    nodes = state["nodes"]
    columns = [[name, np.ascontiguousarray(nodes[name])] for name in nodes.dtype.names]
    told = [[name, encoder.encode(column)] for name, column in columns]
    classes, values = encoder.encode(np.asarray(classes)), encoder.encode(state["values"])
    return ["tree", int(features), classes, int(outputs), told, values]


def _encode_neighbours(encoder: Encoder, value: Any) -> Json:
    metric = _METRICS.get(type(value.__getstate__()[_METRIC]).__name__.rstrip("0123456789"))
    if metric is None:
        raise TooLargeError("neighbours by a metric with parameters can't cross by value")
    leaf_size = value.__getstate__()[_LEAF_SIZE]
    table = encoder.encode(np.asarray(value.data))
    return ["near", type(value).__name__, table, int(leaf_size), metric]


def decode_part(decoder: Decoder, item: list[Any], known: list[Any]) -> Any:
    """Build what isn't plain of a model's attributes.

    Parameters
    ----------
    decoder : Decoder
        That of the message.
    item : list
        What :func:`encode_part` gave.
    known : list
        The test's own objects.

    Raises
    ------
    WireError
        If no honest room would send it.
    """
    match item:
        case ["same", int(number)] if 0 <= number < len(known):
            return known[number]
        case ["model", str(module), str(name), list(told)]:
            return _decode_model(decoder, find_class(module, name), told)
        case ["numpy", str(name)]:
            found = vars(np).get(name)
            is_kind = isinstance(found, type) and issubclass(found, np.generic)
            need(type(found) is np.ufunc or is_kind, "a function of NumPy's")
            return found
        case ["kind", str(name)] if name in _KIND_NAMES:
            return _KIND_NAMES[name]
        case ["near", str(name), table, int(leaf_size), str(metric)] if name in _NEIGHBOURS:
            kind: Any = find_class(*_NEIGHBOURS[name])
            need(kind is not None and metric in _METRICS.values(), "neighbours by a known metric")
            rows = decoder.decode(table)
            need(type(rows) is np.ndarray and rows.ndim == 2 and rows.dtype.kind == "f", "a table")
            need(len(rows) and rows.shape[1] and 0 < leaf_size < _MOST, "a table with rows")
            decoder.count(len(rows))
            return kind(rows, leaf_size=leaf_size, metric=metric)
        case ["tree", int(features), told, int(outputs), list(columns), values]:
            shape = features, decoder.decode(told), outputs
            return _decode_tree(decoder, shape, columns, decoder.decode(values))
        case _:
            raise WireError("a value doesn't decode: no part of a model")


def _decode_model(decoder: Decoder, kind: type | None, told: list[Any]) -> Any:
    need(kind is not None and is_model(kind), "a model of a class that is known here")
    decoder.count(len(told))
    made: Any = object.__new__(kind)  # type: ignore[arg-type]
    for item in told:
        need(type(item) is list and len(item) == 2, "an attribute")
        value = decoder.decode(item[1])
        check_attribute(made, item[0], value)
        vars(made)[item[0]] = value
    check_model(made)
    return made


def check_attribute(target: Any, name: Any, value: Any) -> None:
    """Refuse what no attribute may be called or hold.

    A folder to keep results in would be read here, by a library that believes what is in it.
    """
    need(type(name) is str and not name.startswith("__"), "the name of an attribute")
    need(name != "memory" or value is None, "a model that keeps no results in a folder")
    need(name != "input" or value not in ("file", "filename"), "a model that opens no files")
    need(name != "scorer_" or value is None, "a model that is scored as its class says")
    need(name not in _CALLED or not callable(value), "a word for what is done with texts")
    need(may_score(target, name, value), "a model that is scored by what it predicts")
    is_free = getattr(type(target), name, None) is None
    need(is_free or not callable(value), "an attribute, not a method")
    need(not holds_models(value), "no array of models")


def may_score(target: Any, name: Any, value: Any) -> bool:
    """Say whether a model's score may be that of this part, as it was before or a predictor's.

    Others have scores of their own, which don't look at what was expected.
    """
    if name not in _SCORING or value is None or not is_model(type(target)):
        return True
    parts = value if name == "steps" else [(name, value)]
    if type(parts) not in (tuple, list) or not parts or type(parts[-1]) not in (tuple, list):
        return False
    last = parts[-1][-1]
    if not is_model(type(last)):
        return True
    before = vars(target).get(name)
    if name == "steps":
        before = before[-1][-1] if type(before) is list and before else None
    base: Any = vars(sys.modules["sklearn.base"])
    predicts = (base["ClassifierMixin"], base["RegressorMixin"])
    has_score = getattr(type(last), "score", None) is not None
    return type(last) is type(before) or not has_score or _predicts(last, predicts)


def _predicts(model: Any, kinds: tuple[type, ...]) -> bool:
    """Say whether a model is a classifier or a regressor, or one of those that end with one."""
    steps = vars(model).get("steps")
    if type(steps) is list:  # looked at when it was made
        return True
    return issubclass(type(model), kinds) or bool({"estimator", "best_estimator_"} & {*vars(model)})


def holds_models(value: Any) -> bool:
    """Say whether it is an array of models, as gradient boosting has.

    Its compiled code writes as many numbers as that has columns, wherever that is.
    """
    if type(value) is not np.ndarray or not value.dtype.hasobject:
        return False
    return any(is_model(type(item)) for item in value.ravel().tolist())


def check_model(model: Any) -> None:
    """Refuse a model that compiled code would take for something else than it is.

    Such as one that would have its tree look for columns that its tables don't have.
    """
    if is_model(type(model)):
        check_attributes(type(model), vars(model))


def check_attributes(kind: type, attributes: Mapping[str, Any]) -> None:
    """Refuse what :func:`check_model` refuses, before a model has it."""
    try:
        check_state(kind, attributes)
    except WireError:
        raise
    except Exception as error:  # attributes of any kind are compared with what they should be
        raise WireError("a model's attributes are of other kinds than they should be") from error
    tree: Any = attributes.get("tree_")
    is_tree = tree is not None and type(tree) is find_class(_TREES, "Tree")
    if is_tree:
        features = attributes.get("n_features_in_")
        is_wide = type(features) is int and tree.n_features <= features
        need(is_wide, "a tree of the table's columns")


def _decode_tree(
    decoder: Decoder, shape: tuple[int, Any, int], columns: list[Any], values: Any
) -> Any:
    kind: Any = find_class(_TREES, "Tree")
    need(kind is not None, "a tree of a library that is loaded here")
    features, classes, outputs = shape
    need(0 < features < _MOST and 0 < outputs < _MOST, "a tree's columns and outputs")
    need(type(classes) is np.ndarray and classes.dtype == np.intp, "a tree's classes")
    need(classes.shape == (outputs,) and 0 < classes.min() <= classes.max() < _MOST, "classes")
    need(type(values) is np.ndarray and values.dtype == np.float64, "a tree's values")
    count = len(values)
    need(values.shape == (count, outputs, int(classes.max())) and count, "a value for each node")
    decoder.count(count)
    nodes = np.zeros(count, vars(sys.modules[_TREES])["NODE_DTYPE"])
    need(len(columns) == len(nodes.dtype.names), "a tree's columns")
    for name, item in zip(nodes.dtype.names, columns, strict=True):
        need(type(item) is list and len(item) == 2 and item[0] == name, "a tree's column")
        column = decoder.decode(item[1])
        need(type(column) is np.ndarray and column.shape == (count,), "a column of a tree")
        need(column.dtype == nodes.dtype[name], "a column of its kind")
        nodes[name] = column
    depth = _depth(nodes["left_child"], nodes["right_child"])
    inner = nodes["left_child"] != _LEAF
    asked = nodes["feature"][inner]
    need(not len(asked) or (asked.min() >= 0 and asked.max() < features), "columns of its table")
    made = kind(features, classes, outputs)
    values = np.ascontiguousarray(values)
    state = {"max_depth": depth, "node_count": count, "nodes": nodes, "values": values}
    made.__setstate__(state)
    return made


def _depth(left: "np.ndarray[Any, Any]", right: "np.ndarray[Any, Any]") -> int:
    """Give the depth of a tree whose branches all lead onwards."""
    need(np.array_equal(left == _LEAF, right == _LEAF), "leaves without branches")
    inner = left != _LEAF
    places = np.arange(len(left))
    for branch in (left, right):
        leads = branch[inner]
        need(bool(np.all((leads > places[inner]) & (leads < len(left)))), "branches onwards")
    heights = [0] * len(left)
    branches = zip(left.tolist(), right.tolist(), strict=True)
    for place, (one, other) in reversed(list(enumerate(branches))):
        if one != _LEAF:
            heights[place] = 1 + max(heights[one], heights[other])
    return heights[0]
