"""ONNX files answer as scikit-learn does, in float and in int8, and bad ones are named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.kernel_approximation import SkewedChi2Sampler
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlops_kit import edge
from mlops_kit.errors import DataError, EdgeError, MissingToolError

DIGITS, LABELS = load_digits(return_X_y=True)
FITTED, UNSEEN = slice(0, 600), slice(600, None)


@pytest.fixture(scope="module")
def network() -> Any:
    model = MLPClassifier((24,), solver="lbfgs", max_iter=300, tol=1e-2, random_state=0)
    return make_pipeline(StandardScaler(), model).fit(DIGITS[FITTED], LABELS[FITTED])


@pytest.mark.parametrize(
    "model",
    [LogisticRegression(max_iter=2000, tol=1e-2), RandomForestClassifier(9), RidgeClassifier()],
)
def test_float_answers_as_scikit_learn(model: Any) -> None:
    """Every label is the same, and outputs agree to single precision."""
    model.fit(DIGITS[FITTED], LABELS[FITTED])
    exported = edge.to_onnx(model)
    assert (exported.predict(DIGITS[UNSEEN]) == model.predict(DIGITS[UNSEEN])).all()
    give = getattr(model, "predict_proba", None) or model.decision_function
    assert np.abs(exported.outputs(DIGITS[UNSEEN]) - give(DIGITS[UNSEEN])).max() < 1e-4


def test_int8_weights_are_smaller_and_answer_nearly_alike(network: Any) -> None:
    """Both ways of int8 take under half the RAM for weights and keep nearly all labels."""
    plain = edge.to_onnx(network)
    dynamic = edge.to_onnx(network, precision="int8-dynamic")
    static = edge.to_onnx(network, precision="int8-static", calibration=DIGITS[:200])
    truth = network.predict(DIGITS[UNSEEN])
    for small in (dynamic, static):
        assert small.ram_bytes < plain.ram_bytes / 2
        assert (small.predict(DIGITS[UNSEEN]) == truth).mean() > 0.95
    assert "MatMulInteger" in dynamic.operators
    assert "DequantizeLinear" in static.operators
    assert "MatMulInteger" not in plain.operators


def test_the_same_model_gives_the_same_bytes(network: Any) -> None:
    """A file can be named by its hash."""
    for options in ({}, {"precision": "int8-static", "calibration": DIGITS[:50]}):
        first, second = (edge.to_onnx(network, **options) for _ in range(2))
        assert first.content == second.content


def test_a_file_goes_and_comes_back(network: Any, tmp_path: Path) -> None:
    """What was saved is what is opened."""
    exported = edge.to_onnx(network)
    loaded = edge.load_onnx(exported.save(tmp_path / "digits.onnx"))
    assert [path.name for path in tmp_path.iterdir()] == ["digits.onnx"]
    assert loaded.size_bytes == (tmp_path / "digits.onnx").stat().st_size
    assert (loaded.predict(DIGITS[:9]) == exported.predict(DIGITS[:9])).all()


@pytest.mark.parametrize("share", [0, 0.3, 0.99])
def test_a_truncated_file_is_named(network: Any, tmp_path: Path, share: float) -> None:
    """Half a file isn't a model, and the message says which file and how long it is."""
    content = edge.to_onnx(network).content
    path = tmp_path / "half.onnx"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(EdgeError, match=r"half.onnx: \d+ bytes aren't a whole ONNX model"):
        edge.load_onnx(path)


def test_a_file_that_is_missing_or_of_another_kind_is_named(tmp_path: Path) -> None:
    """No file, and a text file, each get a sentence."""
    with pytest.raises(EdgeError, match="can't be read"):
        edge.load_onnx(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("a model, they said")
    with pytest.raises(EdgeError, match="aren't a whole ONNX model"):
        edge.load_onnx(tmp_path / "text.onnx")


def test_an_operator_that_onnx_lacks_is_named() -> None:
    """The step without a converter is named, not the pipeline."""
    model = make_pipeline(SkewedChi2Sampler(random_state=0), RidgeClassifier())
    model.fit(DIGITS[FITTED], LABELS[FITTED])
    with pytest.raises(EdgeError, match=r"no converter for SkewedChi2Sampler\)"):
        edge.to_onnx(model)


@pytest.mark.parametrize(
    ("model", "helps"),
    [
        (RandomForestClassifier(3), "fewer trees, less depth"),
        (LogisticRegression(max_iter=2000, tol=1e-2), r"to_c\(model, precision='int8'\)"),
    ],
)
def test_int8_for_trees_and_linear_models_is_refused_with_what_helps(
    model: Any, helps: str
) -> None:
    """There is nothing to quantise in them, and the message offers what makes them smaller."""
    model.fit(DIGITS[FITTED], LABELS[FITTED])
    with pytest.raises(EdgeError, match=rf"int8 isn't available.*{helps}"):
        edge.to_onnx(model, precision="int8-dynamic")


def test_bad_requests_are_named(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each wrong argument gets a sentence that says what was wanted."""
    with pytest.raises(EdgeError, match="precision must be one of"):
        edge.to_onnx(network, precision="int4")
    with pytest.raises(EdgeError, match="needs calibration"):
        edge.to_onnx(network, precision="int8-static")
    with pytest.raises(EdgeError, match="takes no calibration"):
        edge.to_onnx(network, calibration=DIGITS)
    with pytest.raises(DataError, match="finite"):
        edge.to_onnx(network, precision="int8-static", calibration=DIGITS[:3] * np.nan)
    with pytest.raises(EdgeError, match="call fit first"):
        edge.to_onnx(LinearRegression())
    with pytest.raises(DataError, match=r"shape \(n, 64\) were wanted"):
        edge.to_onnx(network).predict(DIGITS[:, :9])
    monkeypatch.setitem(__import__("sys").modules, "skl2onnx", None)
    with pytest.raises(MissingToolError, match=r"mlops-kit\[edge\]"):
        edge.to_onnx(network)
