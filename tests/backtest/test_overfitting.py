"""The statistics of a search against independent programs: SciPy's, and CSCV written out by hand."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from firstwatch.backtest.overfitting import (
    deflated_sharpe,
    minimum_backtest_days,
    overfitting_probability,
    overfitting_words,
)


def noise(seed, days, trials):
    return np.random.default_rng(seed).standard_t(4, (days, trials)) * 0.01


def ratios(daily):
    return daily.mean(axis=0) / daily.std(axis=0, ddof=1)


def deflated_by_scipy(returns, trials, count):
    """Bailey and López de Prado 2014, equation 2, with SciPy's moments and normal distribution."""
    luck = 0.0
    if count > 1:
        high = stats.norm.ppf([1 - 1 / count, 1 - 1 / (count * math.e)])
        spread = math.sqrt(np.var(trials, ddof=1))
        luck = spread * ((1 - np.euler_gamma) * high[0] + np.euler_gamma * high[1])
    ratio = returns.mean() / returns.std(ddof=1)
    skewness, kurtosis = stats.skew(returns), stats.kurtosis(returns, fisher=False)
    error = math.sqrt(1 - skewness * ratio + (kurtosis - 1) / 4 * ratio**2)
    return stats.norm.cdf((ratio - luck) * math.sqrt(len(returns) - 1) / error)


def overfitting_by_hand(daily, blocks):
    """Bailey, Borwein, López de Prado and Zhu 2017, section 3, step by step: the logits, and those up to
    0."""
    days, trials = daily.shape
    assert days % blocks == 0
    parts = [daily[i * days // blocks : (i + 1) * days // blocks] for i in range(blocks)]
    logits = []
    for chosen in combinations(range(blocks), blocks // 2):
        inside = np.vstack([parts[i] for i in chosen])
        outside = np.vstack([parts[i] for i in range(blocks) if i not in chosen])
        best = int(np.argmax(ratios(inside)))
        rank = stats.rankdata(ratios(outside))[best]
        share = rank / (trials + 1)
        logits.append(math.log(share / (1 - share)))
    assert len(logits) == math.comb(blocks, blocks // 2)
    return np.mean([logit <= 0 for logit in logits])


@pytest.mark.parametrize(("seed", "days", "count"), [(1, 365, 40), (2, 90, 500), (3, 30, 12), (4, 400, 1)])
def test_the_deflated_ratio_agrees_with_scipy(seed, days, count):
    daily = noise(seed, days, 12) + 0.001
    found = ratios(daily)
    winner = daily[:, int(np.argmax(found))]
    expected = deflated_by_scipy(winner, found, count)
    assert deflated_sharpe(winner, found, count) == pytest.approx(expected, rel=1e-9)


def test_the_example_of_the_paper():
    """Bailey and López de Prado 2014: 100 trials, five years of 250 days, a ratio of 2.5 a year.

    Its luck of 0.1132 a day, here beside normal returns (the paper has moments, not a series).
    """
    days = stats.norm.ppf((np.arange(1250) + 0.5) / 1250)
    days = days / days.std(ddof=1) + 2.5 / math.sqrt(250)
    half = math.sqrt(0.5 / 250 / 2)
    trials = np.array([half, -half])
    assert trials.var(ddof=1) == pytest.approx(0.5 / 250)
    kurtosis = stats.kurtosis(days, fisher=False)
    ratio = 2.5 / math.sqrt(250)
    error = math.sqrt(1 + (kurtosis - 1) / 4 * ratio**2)
    by_paper = stats.norm.cdf((ratio - 0.1132) * math.sqrt(1249) / error)
    assert deflated_sharpe(days, trials, 100) == pytest.approx(by_paper, abs=2e-3)


def test_more_trials_deflate_more():
    daily = noise(5, 365, 10) + 0.001
    found = ratios(daily)
    winner = daily[:, int(np.argmax(found))]
    shares = [deflated_sharpe(winner, found, count) for count in (1, 10, 100, 10_000)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > shares[-1] + 0.1


def test_ratios_that_are_not_known_are_left_out_and_one_alone_has_no_variance():
    daily = noise(6, 120, 8) + 0.001
    found = ratios(daily)
    winner = daily[:, 0]
    with_gaps = np.concatenate([found, [math.nan, math.inf]])
    assert deflated_sharpe(winner, with_gaps, 20) == deflated_sharpe(winner, found, 20)
    assert 0 < deflated_sharpe(winner, found[:1], 20) < deflated_sharpe(winner, found[:1], 1)


@pytest.mark.parametrize("returns", [np.full(29, 0.01) + noise(1, 29, 1)[:, 0], np.zeros(365), np.empty(0)])
def test_without_thirty_different_days_nothing_is_deflated(returns):
    assert deflated_sharpe(returns, np.array([0.1, 0.2]), 2) is None


@pytest.mark.parametrize("blocks", [2, 6, 10])
@pytest.mark.parametrize("trials", [2, 7, 40])
def test_the_probability_of_overfitting_agrees_with_cscv_by_hand(blocks, trials):
    daily = noise(trials, 60, trials)
    assert overfitting_probability(daily, blocks) == pytest.approx(overfitting_by_hand(daily, blocks))


def test_one_trial_that_is_better_every_day_is_not_overfitted():
    daily = noise(7, 100, 20)
    daily[:, 3] = 0.01 + 0.001 * noise(8, 100, 1)[:, 0]
    assert overfitting_probability(daily) == 0


def test_trials_that_only_traded_half_of_the_time_are_overfitted():
    """Each earns in one block only: the best of a half has nothing in the other."""
    daily = np.zeros((100, 10))
    for trial in range(10):
        daily[trial * 10 : trial * 10 + 10, trial] = 1 + 0.1 * noise(trial, 10, 1)[:, 0]
    assert overfitting_probability(daily) == 1


def test_luck_alone_is_overfitted_half_of_the_time():
    found = [overfitting_probability(noise(seed, 365, 60)) for seed in range(20)]
    assert 0.4 < np.mean(found) < 0.6


@given(seed=st.integers(0, 99), days=st.integers(30, 75))
@settings(max_examples=30, deadline=None)
def test_the_order_of_trials_does_not_matter(seed, days):
    daily = noise(seed, days, 9)
    daily[:, 4] = daily[:, 2]
    daily[:, 5] = 0
    shuffled = daily[:, np.random.default_rng(seed).permutation(9)]
    assert overfitting_probability(daily) == pytest.approx(overfitting_probability(shuffled))


def test_the_unit_of_pnl_does_not_matter():
    daily = noise(9, 200, 15)
    assert overfitting_probability(daily) == overfitting_probability(daily * 1_024)


def test_too_little_to_split():
    assert overfitting_probability(noise(1, 365, 1)) is None
    assert overfitting_probability(noise(1, 29, 10)) is None
    assert overfitting_probability(noise(1, 30, 10)) is not None
    with pytest.raises(ValueError, match="5 blocks"):
        overfitting_probability(noise(1, 365, 10), blocks=5)


def test_the_minimum_length_agrees_with_the_paper():
    """Bailey et al. 2014: after 45 trials, five years; never more than 2 ln(N) / ratio² years."""
    assert minimum_backtest_days(45, 1.0) / 365 == pytest.approx(5, abs=0.2)
    for count in (2, 10, 45, 1_000):
        high = stats.norm.ppf([1 - 1 / count, 1 - 1 / (count * math.e)])
        luck = (1 - np.euler_gamma) * high[0] + np.euler_gamma * high[1]
        assert minimum_backtest_days(count, 1.5) == pytest.approx(365 * (luck / 1.5) ** 2, rel=1e-9)
        assert minimum_backtest_days(count, 1.5) <= 365 * 2 * math.log(count) / 1.5**2
    assert minimum_backtest_days(1, 1.0) == 0


@pytest.mark.parametrize("ratio", [0.0, -1.0, math.nan, 1e-300])
def test_a_ratio_that_is_not_above_zero_has_no_minimum_length(ratio):
    assert minimum_backtest_days(10, ratio) is None


def test_the_words_say_luck_where_it_is_luck():
    assert "without any edge may look as good" in overfitting_words(0.4, 0.52, 300)
    assert "no better than chance" in overfitting_words(0.4, 0.52, 300)
    sure = overfitting_words(0.99, 0.02, 300)
    assert "more than the luck of 300 trials" in sure
    assert "chance" not in sure
    assert "needs 30 days" in overfitting_words(None, None, 3)
