"""Student's test of a mean against SciPy's."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from firstwatch.backtest.mean_test import mean_above_zero, upper_tail


@pytest.mark.parametrize("degrees", [1, 2, 3, 7, 29, 364, 5_000, 100_000])
@pytest.mark.parametrize("t", [-40.0, -2.5, -0.3, 0.0, 1e-9, 0.7, 1.9, 6.0, 40.0])
def test_the_distribution_agrees_with_scipy(t, degrees):
    assert upper_tail(t, degrees) == pytest.approx(stats.t.sf(t, degrees), rel=1e-8, abs=1e-300)


@given(seed=st.integers(0, 10_000), n=st.integers(2, 400), mean=st.floats(-2, 2))
@settings(deadline=None)
def test_the_test_agrees_with_scipy(seed, n, mean):
    values = np.random.default_rng(seed).normal(mean, 1.5, n)
    expected = stats.ttest_1samp(values, 0, alternative="greater")
    found = mean_above_zero(values)
    assert found.t == pytest.approx(expected.statistic, rel=1e-9, abs=1e-12)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0, 2.0], [0.0, 0.0], [math.nan, 1.0], [1e308, -1e308]])
def test_values_without_a_test(values):
    assert mean_above_zero(np.array(values)) is None
