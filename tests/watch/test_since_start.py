"""All days together: ten products, their mean, and how often it alarms on true runs."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstwatch.trading.clock import parse_iso
from firstwatch.trading.verdicts import JOINT_ALPHA, Verdict
from firstwatch.watch.since_start import judge_days
from tests.watch.__main__ import HOURS, baseline_of
from tests.watch.going_on import runs_that_go_on

p_values = st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=60)


@given(p_values, st.integers(1, 2_000))
def test_the_figure_is_the_mean_of_ten_products(days, baseline_days):
    products = [1.0] * 10
    for place, p in enumerate(days):
        if p is not None:
            products[place % 10] *= 0.5 * max(p, 1 / (baseline_days + 1)) ** -0.5
    found = judge_days(days, baseline_days)
    if all(p is None for p in days):
        assert found.e_value is None
        assert found.verdict is Verdict.NOT_ENOUGH_DATA
    else:
        assert found.e_value == pytest.approx(sum(products) / 10)


def test_the_calibrator_has_a_mean_of_one():
    """∫ ½·p^-½ dp over 0 to 1 is 1: what makes it evidence."""
    edges = np.linspace(0, 1, 100_001)
    middles = (edges[1:] + edges[:-1]) / 2
    values = [10 * judge_days([p], 10**9).e_value - 9 for p in middles[::1000]]
    assert values == pytest.approx(0.5 * middles[::1000] ** -0.5)
    assert float(np.mean(0.5 * middles**-0.5)) == pytest.approx(1, abs=2e-3)


def test_ordinary_days_say_so_once_they_could_have_said_otherwise():
    assert judge_days([0.5], 180).verdict is Verdict.NOT_ENOUGH_DATA
    assert judge_days([0.5] * 30, 180).verdict is Verdict.CONSISTENT


def test_days_ten_apart_that_are_all_odd_alarm_and_the_alarm_stays():
    odd = [0.001 if day % 10 == 0 else 0.5 for day in range(25)]
    assert judge_days(odd, 2_000).verdict is Verdict.DIVERGED
    after = judge_days(odd + [1.0] * 60, 2_000)
    assert after.verdict is Verdict.DIVERGED
    assert after.e_value < 20


def test_odd_days_in_a_row_are_not_multiplied_with_each_other():
    """Volatility clusters: five odd days in a row of a true run are common."""
    assert judge_days([1 / 181] * 5, 180).e_value < 20


def test_true_independent_days_alarm_in_at_most_one_run_of_twenty():
    generator = np.random.default_rng(3)
    runs = generator.random((2_000, 30))
    alarms = sum(judge_days(run.tolist(), 180).verdict is Verdict.DIVERGED for run in runs)
    assert alarms / len(runs) <= 0.05


def test_true_days_that_cluster_alarm_in_at_most_one_run_of_twenty():
    """p-values of an autoregressive market whose days are alike for about three days."""
    generator = np.random.default_rng(4)
    runs, days, keep = 2_000, 30, 0.7
    level = generator.normal(size=runs)
    rows = []
    for _ in range(days):
        level = keep * level + (1 - keep**2) ** 0.5 * generator.normal(size=runs)
        rows.append(level)
    scores = np.array(rows).T
    ranks = np.argsort(np.argsort(scores.ravel())).reshape(scores.shape)
    p_of_runs = 1 - ranks / scores.size
    alarms = sum(judge_days(run.tolist(), 180).verdict is Verdict.DIVERGED for run in p_of_runs)
    assert alarms / runs <= 0.05


def test_true_runs_on_real_candles_rarely_alarm_in_their_first_thirty_days():
    """Rolling origin; ``python -m tests.watch`` has all origins."""
    baseline = replace(baseline_of("long_1h", HOURS), start_ms=parse_iso("2023-01-01T00:00:00Z"))
    runs = list(runs_that_go_on(baseline, seed=11, baseline_days=180, days=30, every=30, hours=(6,)))
    days = np.array([run.p for run in runs])
    assert days.shape == (35, 30)
    assert 0 < (days <= JOINT_ALPHA).mean() <= 0.10, "some days are odd, and few"
    assert sum(run.alarms for run in runs) <= 1


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_what_is_not_a_p_value_is_refused(p):
    with pytest.raises(ValueError, match="p-value"):
        judge_days([p], 180)


def test_a_baseline_without_days_is_refused():
    with pytest.raises(ValueError, match="baseline"):
        judge_days([0.5], 0)
