"""Before labels arrive and after: estimated performance, and a change of the relation itself."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from mlops_kit import drift
from mlops_kit.errors import DataError

RNG = np.random.default_rng(17)


def world(rows, shift=0.0):
    x = RNG.normal(shift, 1, rows)
    chance = 1 / (1 + np.exp(-(2 * x - 1)))
    return chance, RNG.random(rows) < chance


@pytest.mark.parametrize("shift", [0.0, 0.7, -1.0])
def test_estimates_agree_with_what_labels_show_later(shift):
    """scikit-learn's scores on 200,000 labelled rows, also where other rows come than before."""
    chance, label = world(200_000, shift)
    found = drift.estimate_performance(chance, threshold=0.4)
    said = chance >= 0.4
    wanted = {
        "accuracy": metrics.accuracy_score(label, said),
        "precision": metrics.precision_score(label, said),
        "recall": metrics.recall_score(label, said),
        "f1": metrics.f1_score(label, said),
        "roc_auc": metrics.roc_auc_score(label, chance),
        "log_loss": metrics.log_loss(label, chance),
        "brier": metrics.brier_score_loss(label, chance),
        "rate": label.mean(),
    }
    for name, value in wanted.items():
        assert getattr(found, name) == pytest.approx(value, abs=0.006), name
    assert found.interval[0] <= wanted["accuracy"] <= found.interval[1]


def test_an_overconfident_model_is_calibrated_with_a_reference():
    """Without it the estimate flatters."""
    chance, label = world(50_000)
    loud = chance**3 / (chance**3 + (1 - chance) ** 3)
    later, truth = world(50_000, 0.5)
    boast = later**3 / (later**3 + (1 - later) ** 3)
    exact = metrics.accuracy_score(truth, boast >= 0.5)
    flattering = drift.estimate_performance(boast)
    honest = drift.estimate_performance(boast, reference=(loud, label))
    assert flattering.accuracy > exact + 0.03
    assert honest.accuracy == pytest.approx(exact, abs=0.01)
    assert honest.log_loss == pytest.approx(metrics.log_loss(truth, boast), rel=0.05)


def test_the_assumption_is_said_and_fails_with_the_concept():
    """Where the relation turns round, the estimate doesn't notice."""
    chance, label = world(20_000)
    found = drift.estimate_performance(chance)
    assert "relation itself isn't" in found.assumption
    assert metrics.accuracy_score(~label, chance >= 0.5) < found.interval[0] - 0.3


def test_a_model_that_never_says_yes_has_no_precision():
    """nan, and no warning."""
    found = drift.estimate_performance([0.1, 0.2, 0.0])
    assert np.isnan(found.precision)
    assert found.recall == 0


@pytest.mark.parametrize("chances", [[], [1.2], [np.nan], [[0.1]]])
def test_what_isnt_a_chance_is_refused(chances):
    """The message says what to pass."""
    with pytest.raises(DataError, match="predict_proba"):
        drift.estimate_performance(chances)


@pytest.mark.parametrize("detector", drift.CONCEPT_DETECTORS)
def test_a_rising_error_is_found_soon_after_it_rises(detector):
    """Each of river's detectors, on 0-1 errors."""
    errors = np.concatenate([RNG.random(3000) < 0.1, RNG.random(2000) < 0.35]).astype(float)
    times = pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(5000), "min")
    found = drift.concept_drift(errors, times=times, detector=detector)
    change = next(change for change in found if change.at >= 3000)
    assert change.at < 3400
    assert change.worse
    assert change.time == times[change.at]
    assert change.before < 0.2 < change.after


def test_adwin_agrees_with_river_itself():
    """The same positions as a loop over river's own detector."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from river import drift as theirs
    errors = np.concatenate([RNG.normal(1, 0.3, 1500), RNG.normal(1.6, 0.3, 1500)])
    watch, wanted = theirs.ADWIN(delta=0.002), []
    for at, error in enumerate(errors):
        watch.update(float(error))
        if watch.drift_detected:
            wanted.append(at)
    assert [change.at for change in drift.concept_drift(errors)] == wanted


def test_a_steady_error_is_no_drift():
    """Twenty streams of a thousand."""
    assert not [
        change for _ in range(20) for change in drift.concept_drift(RNG.normal(1, 0.3, 1000))
    ]


@pytest.mark.parametrize(
    ("errors", "options", "said"),
    [
        ([0.1, np.nan], {}, "finite"),
        ([[0.1]], {}, "shape"),
        ([0.1], {"detector": "guess"}, "no detector 'guess'"),
        ([0.5], {"detector": "ddm"}, "0 or 1"),
        ([0.1], {"times": []}, "1 errors but 0 times"),
        ([0.1], {"confidence": 1}, "between 0 and 1"),
    ],
)
def test_errors_that_cant_be_watched_are_refused(errors, options, said):
    """Each with what to do."""
    with pytest.raises(DataError, match=said):
        drift.concept_drift(errors, **options)
