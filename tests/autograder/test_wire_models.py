"""A test's models that answers have trained: they come back as they are, or not at all."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from sklearn.cluster import MiniBatchKMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import Lasso, LinearRegression, SGDClassifier, SGDRegressor
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MultiLabelBinarizer,
    OneHotEncoder,
    StandardScaler,
)
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeRegressor

from autograder.wire import Bounds, WireError
from autograder.wire_changes import change_copies
from autograder.wire_models import (
    check_attribute,
    check_model,
    decode_part,
    encode_part,
    holds_models,
    models_in,
)
from autograder.wire_values import Decoder, Encoder, Json, TooLargeError

BOUNDS = Bounds(items=50_000, blob_bytes=1 << 20)
X = np.arange(60.0).reshape(30, 2) % 7
Y = X[:, 0] * 2 + X[:, 1]
FIELDS = ["left_child", "right_child", "feature", "threshold", "impurity"]


class PartEncoder(Encoder):
    """Encodes what isn't plain as the student's room does."""

    known: Mapping[int, int] = MappingProxyType({})

    def fallback(self, value: Any) -> Json:
        return encode_part(self, value, self.known)


class PartDecoder(Decoder):
    """Decodes it as the examiner's room does."""

    ours: tuple[Any, ...] = ()

    def foreign(self, item: list[Any]) -> Any:
        return decode_part(self, item, list(self.ours))


def crossed(value: Any) -> Any:
    """Give what comes of a value on the other side."""
    encoder = PartEncoder(BOUNDS)
    text = json.dumps(encoder.encode(value))
    return decoded(json.loads(text), encoder)


def decoded(item: Json, encoder: Encoder) -> Any:
    blob = memoryview(b"".join(bytes(blob) for blob in encoder.blobs))
    return PartDecoder(blob, BOUNDS).decode(item)


@pytest.mark.parametrize(
    "model",
    [
        LinearRegression(),
        DecisionTreeRegressor(max_depth=4, random_state=1),
        KNeighborsClassifier(2),
        make_pipeline(StandardScaler(), SVC()),
        RandomForestClassifier(n_estimators=3, random_state=1),
        make_pipeline(FunctionTransformer(np.sqrt), RandomForestClassifier(3, random_state=1)),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_trained_model_predicts_what_it_did(model: Any) -> None:
    """To the last bit, and what it was set to is the same."""
    model.fit(X, Y.astype(int))
    other = crossed(model)
    assert type(other) is type(model)
    assert str(other.get_params()) == str(model.get_params())
    assert other.predict(X).tolist() == model.predict(X).tolist()


def test_a_transformer_of_columns_does_what_it_did() -> None:
    """The class that a transformer makes numbers of crosses, the names of its columns too."""
    steps = [("a", StandardScaler(), [0]), ("b", OneHotEncoder(dtype=int), [1])]
    made = ColumnTransformer(steps, sparse_threshold=0).fit(X)
    other = crossed(made)
    assert other.transform(X).tolist() == made.transform(X).tolist()
    assert list(other.get_feature_names_out()) == list(made.get_feature_names_out())


def test_models_in_a_model_are_found_in_one_order() -> None:
    """Each once, those within others too; what doesn't cross as a copy isn't looked into."""
    one, two, three = StandardScaler(), StandardScaler(), LinearRegression()
    inner = Pipeline([("a", one), ("b", two)])
    outer = Pipeline([("inner", inner), ("again", one), ("last", three)])
    assert [id(model) for model in models_in(outer)] == [id(x) for x in (inner, one, three, two)]
    assert [id(model) for model in models_in(outer, {id(inner)})] == [id(one), id(three)]
    assert models_in({"a": one}) == []


def test_a_test_s_own_model_is_known_again() -> None:
    """A step that was there before is that very one."""
    scaler = StandardScaler()
    encoder = PartEncoder(BOUNDS)
    encoder.known = {id(scaler): 3}
    item = encoder.encode([("scale", scaler)])
    decoder = PartDecoder(memoryview(b""), BOUNDS)
    decoder.ours = (None, None, None, scaler)
    assert decoder.decode(item)[0][1] is scaler
    decoder.ours = ()
    with pytest.raises(WireError):
        decoder.decode(item)


def test_an_array_of_models_stays_where_it_is() -> None:
    """Compiled code believes its shape."""
    model = GradientBoostingRegressor(n_estimators=3).fit(X, Y)
    assert holds_models(model.estimators_)
    assert not holds_models(np.array(["a", None], object)) and not holds_models([model])
    with pytest.raises(WireError, match="array of models"):
        check_attribute(model, "estimators_", model.estimators_)


class Strange(LinearRegression):
    """A student's class."""


@pytest.mark.parametrize("value", [Strange(), Strange, lambda x: x, len, object(), json])
def test_nothing_else_crosses(value: Any) -> None:
    """No class of a student's, no function, no module."""
    with pytest.raises(TooLargeError):
        PartEncoder(BOUNDS).encode([value])


def tree_item(**changed: Any) -> tuple[Json, Encoder]:
    """Give what a tree of three nodes crosses as, with something changed."""
    encoder = PartEncoder(BOUNDS)
    tree = DecisionTreeRegressor(max_depth=1).fit(X, Y).tree_
    state = tree.__reduce__()[2]
    columns = {name: np.array(state["nodes"][name]) for name in state["nodes"].dtype.names}
    parts: dict[str, Any] = {"features": 2, "classes": np.array([1]), "outputs": 1}
    parts["values"] = state["values"]
    for name, value in changed.items():
        (columns if name in columns else parts)[name] = value
    told = [[name, encoder.encode(column)] for name, column in columns.items()]
    classes, values = encoder.encode(parts["classes"]), encoder.encode(parts["values"])
    return ["tree", parts["features"], classes, parts["outputs"], told, values], encoder


def test_a_tree_that_was_not_tampered_with_is_one() -> None:
    """Those that are refused are refused for what was changed."""
    made = decoded(*tree_item())
    assert made.node_count == 3 and made.max_depth == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"left_child": np.array([3, -1, -1])},
        {"left_child": np.array([0, -1, -1])},
        {"left_child": np.array([-2, -1, -1])},
        {"left_child": np.array([1, -1, 1])},
        {"right_child": np.array([1 << 40, -1, -1])},
        {"right_child": np.array([2, -1, 0])},
        {"feature": np.array([2, -2, -2])},
        {"feature": np.array([-3, -2, -2])},
        {"feature": np.array([0.5, -2, -2])},
        {"threshold": np.array([0.5, 1.0])},
        {"threshold": "a"},
        {"features": 0},
        {"features": 1 << 40},
        {"outputs": 2},
        {"outputs": 0},
        {"classes": np.array([2])},
        {"classes": np.array([0])},
        {"classes": np.array([1.0])},
        {"classes": 1},
        {"values": np.zeros((2, 1, 1))},
        {"values": np.zeros((0, 1, 1))},
        {"values": np.zeros((3, 1, 1), np.float32)},
        {"values": 3},
    ],
    ids=str,
)
def test_a_tree_that_would_lead_outside_is_none(changed: dict[str, Any]) -> None:
    """Nor one that goes round in a circle, or has no leaves."""
    with pytest.raises(WireError):
        decoded(*tree_item(**changed))


@pytest.mark.parametrize(
    "item",
    [
        *(["model", "os", "PathLike", []], ["model", "subprocess", "Popen", []]),
        ["model", "sklearn.base", "BaseEstimator", [["__class__", 3]]],
        [
            "model",
            "sklearn.linear_model._base",
            "LinearRegression",
            [["predict", ["numpy", "sin"]]],
        ],
        ["model", "sklearn.pipeline", "Pipeline", [["memory", "folder"]]],
        ["model", "sklearn.pipeline", "Pipeline", [3]],
        *(["numpy", "load"], ["numpy", "lib"], ["numpy", "nothing"], ["kind", "type"]),
        *(["same", -1], ["same", 0], ["same", "0"], ["h", 1, 0, "x", None], ["other"]),
        *(["near", "KDTree", ["l"], 3, "euclidean"], ["near", "Other", ["l"], 3, "euclidean"]),
    ],
    ids=str,
)
def test_what_no_honest_room_sends_makes_nothing(item: Json) -> None:
    """Neither other classes, nor other functions, nor folders that would be read."""
    with pytest.raises(WireError):
        decoded(item, Encoder(BOUNDS))


def test_attributes_are_no_methods_and_fit_each_other() -> None:
    """A tree asks for columns that its model's tables have."""
    model = DecisionTreeRegressor(max_depth=2).fit(X, Y)
    check_model(model)
    check_attribute(model, "note", np.sin)
    with pytest.raises(WireError, match="not a method"):
        check_attribute(model, "predict", np.sin)
    for wrong in (1, None, 2.0):
        model.n_features_in_ = wrong
        with pytest.raises(WireError, match="columns"):
            check_model(model)


def trained(kind: str) -> Any:
    """Give a model that was trained honestly."""
    labels = X[:, 0].astype(int) % 3
    models: dict[str, Any] = {
        "words": lambda: CountVectorizer().fit(["a cat sat", "the dog ran"]),
        "dicts": lambda: DictVectorizer().fit([{"a": 1}, {"b": 2}]),
        "labels": lambda: _transformed(MultiLabelBinarizer()),
        "codes": lambda: OneHotEncoder(drop="first").fit(X),
        "centres": lambda: MiniBatchKMeans(2, random_state=0).fit(X),
        "near": lambda: KNeighborsClassifier(2).fit(X, labels),
        "near two": lambda: KNeighborsClassifier(2).fit(X, np.stack([labels, labels > 0], 1)),
        "vectors": lambda: SVC().fit(X, labels),
        "line": lambda: SVR(gamma=1).fit(X, Y),
        "steps": lambda: SGDClassifier(average=True).fit(X, labels),
        "two": lambda: SGDClassifier(average=True).fit(X, labels > 0),
        "one": lambda: SGDRegressor(average=True).fit(X, Y),
        "plain": lambda: Lasso().fit(X, Y),
        "forest": lambda: RandomForestClassifier(3, warm_start=True).fit(X, labels),
    }
    return models[kind]()


def _transformed(model: Any) -> Any:
    model.fit([["a", "b"], ["c"]]).transform([["a"]])
    return model


KINDS = [
    *("words", "dicts", "labels", "codes", "centres", "near", "near two", "vectors", "line"),
    *("steps", "two", "one", "plain", "forest"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_learned_honestly_fits_together(kind: str) -> None:
    """And so does a model that has learned nothing yet."""
    model = trained(kind)
    check_model(model)
    check_model(type(model)(**model.get_params()))


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("words", "vocabulary_", {"cat": 0, "dog": 2}),
        ("words", "vocabulary_", {"cat": 0, "dog": 0}),
        ("words", "vocabulary_", {"cat": -1, "dog": 0}),
        ("words", "vocabulary_", {"cat": 0.0}),
        ("words", "vocabulary_", {"cat": False}),
        ("words", "vocabulary_", None),
        ("dicts", "vocabulary_", {"a": 0, "b": 2_000_000_000}),
        ("dicts", "feature_names_", ["a"]),
        ("labels", "_cached_dict", {"a": 0, "b": 1, "c": 3}),
        ("labels", "_cached_dict", {"a": 0, "b": 1}),
        ("codes", "_n_features_outs", [1, 6]),
        ("codes", "_n_features_outs", None),
        ("codes", "categories_", [np.array([3.0, 1.0, 2.0]), np.arange(7.0)]),
        ("codes", "categories_", [np.arange(7.0)]),
        ("codes", "drop_idx_", np.array([-9, 0], object)),
        ("codes", "_drop_idx_after_grouping", np.array([0, 99], object)),
        ("codes", "_infrequent_enabled", True),
        ("centres", "cluster_centers_", np.zeros((2, 1))),
        ("centres", "cluster_centers_", np.zeros((0, 2))),
        ("centres", "cluster_centers_", np.zeros((2, 2), np.float16)),
        ("centres", "_n_threads", 1_000_000_000),
        ("centres", "_n_threads", 0),
        ("centres", "_counts", np.zeros(1)),
        ("centres", "n_features_in_", 3),
        ("near", "_fit_X", np.zeros((30, 1))),
        ("near", "_fit_X", np.zeros((0, 2))),
        ("near", "n_samples_fit_", 31),
        ("near", "_y", np.full(30, 3)),
        ("near", "_y", np.full(30, -1)),
        ("near", "_y", np.zeros(29, int)),
        ("near", "effective_metric_params_", {"V": np.zeros(1)}),
        ("near two", "_y", np.full((30, 2), 2)),
        ("near two", "_y", np.zeros((30, 3), int)),
        ("vectors", "_n_support", np.array([10**9, -(10**9), 30], np.int32)),
        ("vectors", "_n_support", np.array([1, 1, 1], np.int64)),
        ("vectors", "support_vectors_", np.zeros((30, 1))),
        ("vectors", "support_", np.zeros(1, np.int32)),
        ("vectors", "_dual_coef_", np.zeros((1, 1))),
        ("vectors", "_intercept_", np.zeros(0)),
        ("vectors", "_probA", np.zeros(1)),
        ("vectors", "_probB", np.zeros(3)),
        ("vectors", "_sparse", True),
        ("vectors", "kernel", "precomputed"),
        ("vectors", "classes_", np.arange(4)),
        ("vectors", "_impl", "nu_svr"),
        ("line", "_n_support", np.array([1, 1], np.int32)),
        ("steps", "coef_", np.zeros((0, 2))),
        ("steps", "coef_", np.zeros((3, 1))),
        ("steps", "_average_coef", np.zeros(2)),
        ("steps", "intercept_", np.zeros(1)),
        ("steps", "_expanded_class_weight", np.zeros(1)),
        ("two", "coef_", np.zeros(2)),
        ("two", "_standard_coef", np.zeros(1)),
        ("one", "coef_", np.zeros(1)),
        ("plain", "warm_start", True),
    ],
    ids=str,
)
def test_what_compiled_code_would_believe_is_refused(kind: str, name: str, value: Any) -> None:
    """Whatever part of it was changed; where all of it is needed, none may be missing."""
    model = trained(kind)
    vars(model)[name] = value
    with pytest.raises(WireError):
        check_model(model)


@pytest.mark.parametrize("name", ["support_vectors_", "_n_support", "_probA", "n_features_in_"])
def test_a_part_of_what_belongs_together_is_refused(name: str) -> None:
    """Without the number of its columns, nothing would be compared with a table."""
    model = trained("vectors")
    delattr(model, name)
    with pytest.raises(WireError):
        check_model(model)


def test_a_model_that_is_not_known_to_be_safe_does_not_cross() -> None:
    """Nor does any attribute of one."""
    model = GradientBoostingRegressor(n_estimators=2).fit(X, Y)
    with pytest.raises(WireError):
        check_model(model)
    with pytest.raises((WireError, TooLargeError)):
        PartEncoder(BOUNDS).encode([model])


def as_it_is(value: Any) -> Any:
    return value


def test_a_change_that_is_refused_leaves_a_model_as_it_was() -> None:
    """A test that goes on has nothing that compiled code would read beyond."""
    model = trained("words")
    before = dict(vars(model))
    far = dict.fromkeys(model.vocabulary_, 10**6)
    for new in (
        [["vocabulary_", 3, 0, 1]],
        [["dtype", 1, 0, 1], ["vocabulary_", 3, 0, 1]],
        [["vocabulary_", far, 1, 1]],
        [["vocabulary_", dict(model.vocabulary_), 0, 0]],
    ):
        with pytest.raises(WireError):
            change_copies([[0, new, [], []]], as_it_is, as_it_is, [model])
        assert vars(model) == before


def test_a_model_of_which_a_part_cannot_be_told_is_as_if_untrained() -> None:
    """What it was set to stays."""
    model = trained("vectors")
    settings = model.get_params()
    assert change_copies([[0, [], [], ["_n_support"]]], as_it_is, as_it_is, [model])
    assert model.get_params() == settings and not hasattr(model, "support_vectors_")
