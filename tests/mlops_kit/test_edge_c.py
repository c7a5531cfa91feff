"""C source computes what scikit-learn computes, to the last tie; the oracle is scikit-learn."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mlops_kit import edge
from mlops_kit.errors import DataError, EdgeError, MissingToolError

needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="there is no C compiler"
)
DIGITS, LABELS = load_digits(return_X_y=True)
FITTED, UNSEEN = slice(0, 600), slice(600, None)


def fitted(model: Any, labels: Any = LABELS) -> Any:
    return model.fit(DIGITS[FITTED], labels[FITTED])


def network(**options: Any) -> MLPClassifier:
    # lbfgs stops by itself here: no warning of an unfinished fit
    return MLPClassifier(solver="lbfgs", max_iter=400, tol=1e-2, random_state=0, **options)


CLASSIFIERS = {
    "forest": lambda: RandomForestClassifier(9, random_state=0),
    "shallow forest": lambda: RandomForestClassifier(9, max_depth=4, random_state=0),
    "stump": lambda: DecisionTreeClassifier(max_depth=1),
    "scaled trees": lambda: make_pipeline(
        StandardScaler(), MinMaxScaler(), ExtraTreesClassifier(9, random_state=0)
    ),
    "linear": lambda: make_pipeline(MaxAbsScaler(), LogisticRegression()),
    "scores": RidgeClassifier,
    "relu": lambda: make_pipeline(StandardScaler(), network(hidden_layer_sizes=(12, 7))),
    "tanh": lambda: network(hidden_layer_sizes=(6,), activation="tanh"),
    "logistic": lambda: make_pipeline(
        StandardScaler(with_mean=False), network(hidden_layer_sizes=(6,), activation="logistic")
    ),
}


@needs_compiler
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_c_answers_as_scikit_learn_on_rows_that_neither_has_seen(name: str) -> None:
    """Labels are equal on unseen, noisy and half-way rows, and outputs to single precision."""
    model = fitted(CLASSIFIERS[name]())
    noise = np.random.default_rng(1).normal(scale=3, size=DIGITS[UNSEEN].shape)
    rows = np.concatenate([DIGITS[UNSEEN], DIGITS[UNSEEN] + noise, DIGITS[UNSEEN] + 0.5])
    rows = rows.astype(np.float32).astype(np.float64)
    compiled = edge.to_c(model).compile()
    assert (compiled.predict(rows) == model.predict(rows)).mean() > 0.9995
    give = getattr(model, "predict_proba", None) or model.decision_function
    assert np.abs(compiled.outputs(rows) - give(rows)).max() < 1e-4


def test_steps_that_do_nothing_and_pipelines_within_pipelines_are_read_through() -> None:
    """As notebooks leave them behind; the plan is that of the steps that count."""
    plain = fitted(make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)))
    nested = fitted(
        Pipeline([
            ("first", "passthrough"),
            ("then", make_pipeline(make_pipeline(StandardScaler()), None)),
            ("last", make_pipeline(LogisticRegression(max_iter=500))),
        ])
    )  # fmt: skip
    assert edge.to_c(nested).code == edge.to_c(plain).code


@needs_compiler
@pytest.mark.parametrize("name", ["linear", "relu", "scores", "stump"])
def test_two_classes_of_any_label(name: str) -> None:
    """Two classes share one number inside and come out as the labels that went in."""
    words = np.where(LABELS == 3, "three", "other")
    model = fitted(CLASSIFIERS[name](), words)
    compiled = edge.to_c(model).compile()
    assert (compiled.predict(DIGITS[UNSEEN]) == model.predict(DIGITS[UNSEEN])).all()
    assert compiled.outputs(DIGITS[UNSEEN]).shape == (len(DIGITS[UNSEEN]), 2)


@needs_compiler
@pytest.mark.parametrize(
    "model",
    [
        RandomForestRegressor(7, random_state=0),
        make_pipeline(StandardScaler(), Ridge()),
        MLPRegressor(hidden_layer_sizes=(8,), solver="lbfgs", max_iter=300, random_state=0),
    ],
    ids=["forest", "linear", "network"],
)
def test_regressors_give_the_same_values(model: Any) -> None:
    """Values agree to single precision."""
    rows, values = load_diabetes(return_X_y=True)
    rows = rows.astype(np.float32).astype(np.float64)
    model.fit(rows[:200], values[:200])
    found = edge.to_c(model).compile().predict(rows)
    assert np.abs(found - model.predict(rows)).max() < 1e-3


@needs_compiler
@pytest.mark.parametrize("scalers", [[], [StandardScaler()], [MinMaxScaler(), StandardScaler()]])
def test_ties_go_where_scikit_learn_sends_them(scalers: list[Any]) -> None:
    """A value on a threshold, and its neighbours in single precision, go the same way."""
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(400, 3)).astype(np.float32).astype(np.float64) * [1e-3, 1, 1e4]
    model = make_pipeline(*scalers, ExtraTreesClassifier(20, random_state=0))
    model.fit(rows, draw.integers(3, size=400))
    trees = edge.plan_of(model).body
    assert isinstance(trees, edge.Trees)
    compiled = edge.to_c(model).compile()
    for step in (-1, 0, 1):
        limits = trees.threshold
        if step:
            limits = np.nextafter(limits, np.float32(np.inf * step))
        ties = rows[draw.integers(400, size=len(limits))]
        ties = ties.astype(np.float32).astype(np.float64)
        ties[np.arange(len(limits)), trees.feature] = limits
        assert np.abs(compiled.outputs(ties) - model.predict_proba(ties)).max() < 1e-6


@needs_compiler
def test_missing_values_go_where_scikit_learn_sends_them() -> None:
    """Trees answer NaN as they learnt to, and refuse infinity; a linear model refuses both."""
    draw = np.random.default_rng(0)
    holes = np.where(draw.random(DIGITS.shape) < 0.1, np.nan, DIGITS)
    forest = RandomForestClassifier(9, random_state=0).fit(holes[FITTED], LABELS[FITTED])
    compiled = edge.to_c(forest).compile()
    assert (compiled.predict(holes[UNSEEN]) == forest.predict(holes[UNSEEN])).all()
    endless = DIGITS[:3].copy()
    endless[1, 5] = np.inf
    assert np.isnan(compiled.outputs(endless)).any(axis=1).tolist() == [False, True, False]
    linear = edge.to_c(fitted(LogisticRegression(max_iter=2000, tol=1e-2))).compile()
    with pytest.raises(EdgeError, match=r"row 0 \(of 1 such\).*refuses"):
        linear.predict(np.where(np.arange(64) == 9, np.nan, DIGITS[:1]))
    network = edge.to_c(fitted(CLASSIFIERS["relu"]())).compile()
    assert np.isnan(network.outputs([[-np.inf] * 64, [np.inf] * 64])).all()


@needs_compiler
def test_a_class_that_never_wins_and_a_tree_that_is_a_leaf() -> None:
    """A tree without a split answers its leaf."""
    rows, labels = np.zeros((9, 2)), np.array([0, 1, 1] * 3)
    tree = DecisionTreeClassifier().fit(rows, labels)
    compiled = edge.to_c(tree).compile()
    assert compiled.predict([[5, 5]]).tolist() == [1]
    assert np.allclose(compiled.outputs([[5, 5]]), tree.predict_proba([[5, 5]]))


@needs_compiler
def test_int8_weights_take_a_quarter_and_hardly_change_an_answer() -> None:
    """A byte for each weight, one scale for each output."""
    model = fitted(network(hidden_layer_sizes=(24,)))
    plain, small = edge.to_c(model), edge.to_c(model, precision="int8")
    weights, outputs = 64 * 24 + 24 * 10, 24 + 10
    assert plain.table_bytes == 4 * (weights + outputs)
    assert small.table_bytes == weights + 2 * 4 * outputs
    answers = small.compile().predict(DIGITS[UNSEEN])
    assert (answers == model.predict(DIGITS[UNSEEN])).mean() > 0.97


def test_operations_and_bytes_are_counted_not_timed() -> None:
    """Counts follow from the shapes, so they are the same everywhere."""
    model = fitted(network(hidden_layer_sizes=(12, 7), activation="tanh"))
    plan = edge.plan_of(model)
    assert plan.operations == edge.Operations(
        multiply_adds=64 * 12 + 12 * 7 + 7 * 10, activations=19
    )
    assert plan.working_bytes == 4 * (64 + 2 * 12 + 10)
    forest = fitted(RandomForestClassifier(5, max_depth=3, random_state=0))
    assert edge.plan_of(forest).operations == edge.Operations(comparisons=15, additions=50)


@needs_compiler
def test_the_source_stands_alone(tmp_path: Path) -> None:
    """It compiles as strict C99 with two standard headers, and allocates and prints nothing."""
    source = edge.to_c(fitted(CLASSIFIERS["shallow forest"]()), name="reader")
    path = source.save(tmp_path / "reader.c")
    assert path.read_text() == source.code
    assert [p.name for p in tmp_path.iterdir()] == ["reader.c"]
    included = [line for line in source.code.splitlines() if line.startswith("#include")]
    assert included == ["#include <math.h>", "#include <stdint.h>"]
    order = [edge.compiler(), "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-c"]
    subprocess.run([*order, str(path), "-o", str(tmp_path / "reader.o")], check=True)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: fitted(PolynomialFeatures(2)), "fitted scikit-learn model was wanted"),
        (RandomForestClassifier, "isn't fitted"),
        (lambda: GaussianProcessClassifier().fit(DIGITS[:20], LABELS[:20]), "GaussianProcess"),
        (lambda: fitted(make_pipeline(PolynomialFeatures(1), LogisticRegression(tol=1))), "Poly"),
        (lambda: fitted(make_pipeline(MinMaxScaler(clip=True), RidgeClassifier())), "clip"),
        (
            lambda: RandomForestRegressor(2).fit(DIGITS[:50], DIGITS[:50, :2]),
            "several answers",
        ),
        (
            lambda: RidgeClassifier().fit(DIGITS[:50], np.eye(10, dtype=int)[LABELS[:50]][:, :2]),
            "several answers",
        ),
        (lambda: MLPClassifier.__call__, "was wanted"),
    ],
)
def test_what_has_no_plan_is_named(make: Any, said: str) -> None:
    """A step that can't go to the device is named, with what can."""
    with pytest.raises(EdgeError, match=said):
        edge.to_c(make())


def test_bad_requests_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Names, precisions, shapes and compilers that don't exist each get a sentence."""
    model = fitted(CLASSIFIERS["stump"]())
    with pytest.raises(EdgeError, match="isn't a C identifier"):
        edge.to_c(model, name="2fast")
    with pytest.raises(EdgeError, match="precision must be"):
        edge.to_c(model, precision="int4")
    with pytest.raises(EdgeError, match=r"int8 isn't available.*max_depth"):
        edge.to_c(model, precision="int8")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match="no C compiler was found"):
        edge.to_c(model).compile()


@needs_compiler
def test_a_compiler_that_fails_and_rows_of_the_wrong_shape(tmp_path: Path) -> None:
    """The compiler's first complaint is passed on; a row must have the model's width."""
    model = fitted(CLASSIFIERS["stump"]())
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\necho 'x.c:1: error: no room' >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(EdgeError, match=r"can't compile model: x\.c:1: error: no room"):
        edge.to_c(model).compile(with_compiler=str(broken))
    with pytest.raises(DataError, match=r"shape \(n, 64\) were wanted, got \(64,\)"):
        edge.to_c(model).compile().predict(DIGITS[0])
    with pytest.raises(DataError, match="numbers"):
        edge.to_c(model).compile().predict([["a"] * 64])


@needs_compiler
def test_emlearn_stays_in_its_own_process() -> None:
    """The other writer of C answers nearly alike, and NumPy's settings here are untouched."""
    model = fitted(CLASSIFIERS["forest"]())
    before = np.geterr()
    other = edge.from_emlearn(model)
    assert np.geterr() == before
    agreement = (other.predict(DIGITS[UNSEEN]) == model.predict(DIGITS[UNSEEN])).mean()
    assert 0.9 < agreement <= 1
    with pytest.raises(EdgeError, match="not for Ridge"):
        edge.from_emlearn(fitted(CLASSIFIERS["scores"]()))
