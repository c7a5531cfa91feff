"""Distances and tests agree with SciPy, scikit-learn and Evidently."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import spatial, stats

from mlops_kit import drift, drift_tests
from mlops_kit.errors import DataError

RNG = np.random.default_rng(5)
SAMPLES = {
    "same": (RNG.normal(size=4000), RNG.normal(size=3000)),
    "moved": (RNG.normal(size=4000), RNG.normal(0.4, 1, 3000)),
    "wider": (RNG.normal(size=4000), RNG.normal(0, 2, 3000)),
    "skewed": (RNG.lognormal(size=5000), RNG.lognormal(0.1, 1.3, 800)),
    "ties": (RNG.poisson(3, 5000).astype(float), RNG.poisson(4, 2000).astype(float)),
    "apart": (RNG.normal(size=1000), RNG.normal(50, 1, 1000)),
    "huge": (1e9 + RNG.normal(size=2000), 1e9 + RNG.normal(1, 1, 2000)),
    "few": (RNG.normal(size=60), RNG.normal(1, 1, 15)),
}


def compared(reference, current, **options):
    profile = drift.profile(pd.DataFrame({"x": reference}))
    return drift.compare(profile, pd.DataFrame({"x": current}), **options)["x"]


@pytest.mark.parametrize("name", SAMPLES)
def test_kolmogorov_smirnov_of_the_rows_lies_within_the_stated_bound(name):
    """SciPy's statistic is at least the sketch's and at most that plus its error."""
    reference, current = SAMPLES[name]
    found = compared(reference, current)
    exact = stats.ks_2samp(reference, current).statistic
    assert found.distance - 1e-12 <= exact <= found.distance + found.distance_error + 1e-12
    assert found.distance_error < 0.08 if len(reference) < 100 else 0.021


@pytest.mark.parametrize("name", SAMPLES)
def test_wasserstein_of_the_rows_lies_within_the_stated_bound(name):
    """SciPy's distance differs by at most the sketch's error."""
    reference, current = SAMPLES[name]
    found = compared(reference, current)
    exact = stats.wasserstein_distance(reference, current)
    assert abs(found.wasserstein - exact) <= found.wasserstein_error + 1e-6
    if name == "moved":
        assert found.wasserstein == pytest.approx(exact, rel=0.1)


def test_jensen_shannon_agrees_with_scipy():
    """On counts of the same cells."""
    one, other = RNG.integers(0, 50, 30), RNG.integers(0, 50, 30)
    wanted = spatial.distance.jensenshannon(one, other)
    assert drift.jensen_shannon(one, other) == pytest.approx(wanted)


def test_total_variation_is_half_the_city_block_distance():
    """SciPy's city-block distance of the shares, halved."""
    one, other = RNG.integers(1, 50, 30), RNG.integers(1, 50, 30)
    wanted = spatial.distance.cityblock(one / one.sum(), other / other.sum()) / 2
    assert drift.total_variation(one, other) == pytest.approx(wanted)


def test_psi_is_the_sum_of_both_relative_entropies():
    """SciPy's entropy there and back, where no cell is empty."""
    one, other = RNG.integers(1, 50, 10), RNG.integers(1, 50, 10)
    assert drift.psi(one, other) == pytest.approx(
        stats.entropy(one, other) + stats.entropy(other, one)
    )


def test_psi_of_a_number_uses_tenths_of_the_reference():
    """NumPy's quantiles and histogram give the same within the hundredths' rounding."""
    reference, current = SAMPLES["moved"]
    borders = np.quantile(reference, np.arange(1, 10) / 10)
    one = np.bincount(np.searchsorted(borders, reference), minlength=10)
    other = np.bincount(np.searchsorted(borders, current), minlength=10)
    assert compared(reference, current).psi == pytest.approx(drift.psi(one, other), rel=0.02)


def test_categories_agree_with_evidently():
    """PSI, Jensen–Shannon distance and chi-square of a column of categories."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently.legacy.calculations.stattests import (
            chi_stat_test,
            jensenshannon_stat_test,
            psi_stat_test,
        )
        from evidently.legacy.core import ColumnType
    was = pd.Series(RNG.choice(list("abcd"), 3000, p=[0.4, 0.3, 0.2, 0.1]))
    now = pd.Series(RNG.choice(list("abcd"), 2000, p=[0.35, 0.3, 0.2, 0.15]))
    found = compared(was, now)

    def theirs(test):
        return test.func(was, now, ColumnType.Categorical, 0.1)[0]

    assert found.psi == pytest.approx(theirs(psi_stat_test), rel=1e-3)
    assert found.jensen_shannon == pytest.approx(theirs(jensenshannon_stat_test), rel=1e-3)
    exact = stats.chi2_contingency(
        np.array([was.value_counts().sort_index(), now.value_counts().sort_index()]),
        correction=False,
    )
    assert found.p_value == pytest.approx(exact.pvalue)
    assert theirs(chi_stat_test) < 0.05
    assert found.drifted


def test_chi_square_agrees_with_scipy():
    """Statistic, degrees of freedom and p-value."""
    one, other = RNG.integers(20, 90, 12), RNG.integers(20, 90, 12)
    wanted = stats.chi2_contingency([one, other], correction=False)
    found = drift.chi_square(one, other)
    assert found == pytest.approx((wanted.statistic, wanted.dof, wanted.pvalue))


def test_ks_p_value_agrees_with_scipys_asymptotic_one():
    """To within Stephens' correction, which vanishes for large samples."""
    for statistic in (0.02, 0.04, 0.06):
        n = 3000
        wanted = stats.kstwobign.sf(statistic * np.sqrt(n / 2))
        assert drift.ks_p_value(statistic, n, n) == pytest.approx(wanted, rel=0.1)


def test_rates_agree_with_the_binomial_distribution():
    """SciPy's upper tail, given the sum of both counts."""
    wanted = stats.binom.sf(11, 12 + 9, 400 / 1400)
    assert drift_tests.rate_p_value(12, 400, 9, 1000) == pytest.approx(wanted)


def test_holm_agrees_with_statsmodels():
    """On twenty p-values with ties."""
    from statsmodels.stats.multitest import multipletests

    values = np.round(RNG.random(20) ** 3, 2)
    assert drift.holm(values) == pytest.approx(multipletests(values, method="holm")[1])


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ([1, 2], [1, 2, 3], "same shape"),
        ([0, 0], [1, 1], "sum of 0"),
        ([1, -1], [1, 1], "negative"),
    ],
)
def test_counts_that_cant_be_compared_are_refused(one, other, said):
    """Each distance says what was found."""
    for distance in (drift.psi, drift.jensen_shannon, drift.total_variation, drift.chi_square):
        with pytest.raises(DataError, match=said):
            distance(one, other)


@pytest.mark.parametrize("noise", ["one digit", "single precision"])
def test_digits_lost_on_the_way_are_no_drift(noise):
    """A column of few values that comes through another file format is the same column."""
    rng = np.random.default_rng(3)
    levels = np.array([-0.044641636506989144, 0.05068011873981862, 1 / 3])
    before, after = rng.choice(levels, 400), rng.choice(levels, 400)
    if noise == "one digit":
        after = np.nextafter(after, rng.choice([-np.inf, np.inf], 400))
    else:
        after = after.astype(np.float32).astype(float)
    reference = drift.profile(pd.DataFrame({"sex": before}))
    plain = drift.compare(reference, pd.DataFrame({"sex": rng.choice(levels, 400)}))
    noisy = drift.compare(reference, pd.DataFrame({"sex": after}))
    assert noisy.drifted == plain.drifted == ()
    same = drift.compare(reference, pd.DataFrame({"sex": before.astype(np.float32).astype(float)}))
    assert same["sex"].distance == 0
