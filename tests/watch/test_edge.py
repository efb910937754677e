"""The Sharpe ratio of a run against what its baseline's is worth; formulas against their witnesses."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstwatch.backtest.sharpe_ratio import (
    Sharpe,
    best_of_tries,
    minimum_track_record,
    probabilistic_sharpe,
)
from firstwatch.trading.verdicts import DAY_MS, Verdict
from firstwatch.watch.edge import judge_edge
from tests.watch.witness import returns_of, table

BEGAN_MS = 1_764_288_000_000
"""2025-11-28."""


@pytest.mark.parametrize("case", table("sharpe"), ids=lambda case: str(case["seed"]))
def test_the_formulas_agree_with_scipy(case):
    sharpe = Sharpe.of(returns_of(case["seed"], case["n"]))
    for name in ("ratio", "skewness", "kurtosis"):
        assert getattr(sharpe, name) == pytest.approx(case[name], rel=1e-9)
    assert probabilistic_sharpe(sharpe, case["benchmark"]) == pytest.approx(case["psr"], rel=1e-9)
    days = minimum_track_record(sharpe, case["benchmark"])
    assert days == (None if case["days"] is None else pytest.approx(case["days"], rel=1e-9))


@pytest.mark.parametrize("case", table("best_of_tries"), ids=lambda case: str(case["tries"]))
def test_the_luck_of_many_tries_agrees_with_scipy(case):
    found = best_of_tries(case["tries"], case["variance"])
    assert found == pytest.approx(case["ratio"], rel=1e-9)


def test_the_examples_of_the_papers():
    """Bailey and López de Prado 2012 (a hedge fund of 24 months) and 2014 (100 tries, five years)."""
    fund = Sharpe(0.458, 24, -2.448, 10.164)
    assert probabilistic_sharpe(fund, 0) == pytest.approx(0.913, abs=2e-3)
    assert probabilistic_sharpe(Sharpe(0.458, 24), 0) == pytest.approx(0.982, abs=2e-3)
    luck = best_of_tries(100, 0.5 / 250)
    assert luck == pytest.approx(0.1132, abs=1e-4)
    found = Sharpe(2.5 / math.sqrt(250), 1250, -3, 10)
    assert probabilistic_sharpe(found, luck) == pytest.approx(0.9004, abs=1e-3)


def test_at_the_minimum_track_record_the_probability_is_the_confidence():
    sharpe = Sharpe(0.1, 100, -0.5, 6)
    days = minimum_track_record(sharpe, 0.02)
    at_least = Sharpe(0.1, math.ceil(days), -0.5, 6)
    fewer = Sharpe(0.1, math.ceil(days) - 1, -0.5, 6)
    assert probabilistic_sharpe(fewer, 0.02) < 0.95 <= probabilistic_sharpe(at_least, 0.02)


@given(st.lists(st.floats(-1e300, 1e300) | st.just(math.nan) | st.just(0.01), max_size=5))
def test_returns_without_a_ratio_have_none(values):
    found = Sharpe.of(np.array(values))
    assert found is None or math.isfinite(found.ratio)


def days_of(mean, n, seed=1):
    noise = np.random.default_rng(seed).normal(0, 0.01, n)
    return (noise - noise.mean()) / noise.std(ddof=1) * 0.01 + mean


def test_before_the_record_is_long_enough_the_date_is_said():
    found = judge_edge(days_of(0.001, 3), days_of(0.002, 365), tries=1, began_ms=BEGAN_MS)
    assert found.verdict is Verdict.NOT_ENOUGH_DATA
    assert found.days_needed > 30
    assert found.more_at_ms == BEGAN_MS + found.days_needed * DAY_MS
    assert "2026-" in found.sentence


def test_a_run_without_a_day_is_not_an_error():
    found = judge_edge(np.empty(0), days_of(0.002, 365), tries=1, began_ms=BEGAN_MS)
    assert (found.verdict, found.observed) == (Verdict.NOT_ENOUGH_DATA, None)


@pytest.mark.parametrize(
    ("mean", "verdict"),
    [(0.003, Verdict.CONSISTENT), (0.002, Verdict.CONSISTENT), (-0.002, Verdict.DIVERGED)],
)
def test_a_long_enough_record_is_judged(mean, verdict):
    found = judge_edge(days_of(mean, 120), days_of(0.003, 365), tries=1, began_ms=BEGAN_MS)
    assert found.verdict is verdict
    assert 0 <= found.probability <= 1
    assert found.observed == pytest.approx(mean / 0.01 * math.sqrt(365), rel=1e-9)


def test_between_five_and_ten_percent_it_is_a_watch():
    verdicts = [
        judge_edge(days_of(mean, 120), days_of(0.003, 365), tries=1, began_ms=BEGAN_MS).verdict
        for mean in np.linspace(-0.002, 0.003, 51)
    ]
    order = [Verdict.DIVERGED, Verdict.WATCH, Verdict.CONSISTENT]
    assert set(verdicts) == set(order)
    assert verdicts == sorted(verdicts, key=order.index)


def test_a_ratio_that_luck_explains_is_confirmed_by_no_record():
    found = judge_edge(days_of(0.001, 500), days_of(0.0005, 365), tries=1_000, began_ms=BEGAN_MS)
    assert found.verdict is Verdict.NOT_ENOUGH_DATA
    assert found.more_at_ms is None
    assert "luck" in found.sentence


def test_a_baseline_without_a_ratio_is_said():
    found = judge_edge(days_of(0, 50), np.zeros(365), tries=1, began_ms=BEGAN_MS)
    assert found.verdict is Verdict.NOT_ENOUGH_DATA


def test_days_that_are_all_alike_are_said():
    found = judge_edge(np.zeros(400), days_of(0.003, 365), tries=1, began_ms=BEGAN_MS)
    assert found.verdict is Verdict.NOT_ENOUGH_DATA
    assert "alike" in found.sentence
