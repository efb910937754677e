"""Rolling cross-validation: its spans, its rule, and its figures against tests of each fold by itself."""

import math
from dataclasses import replace
from decimal import Decimal
from statistics import median

import numpy as np
import pytest

from firstwatch.backtest.cross_validation import (
    Fitted,
    Fold,
    Span,
    cross_validate,
    judge_folds,
    plan_folds,
    spread_of,
    to_json,
)
from firstwatch.backtest.settings import BacktestSettings
from firstwatch.backtest.simulate import simulate
from firstwatch.backtest.tester import Tester
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.market import Market
from tests.candles import generated_candles

HOUR_MS = 3_600_000
COSTS = Costs(Decimal(1), Decimal(1), slippage_bps=Decimal(1))
SETTINGS = BacktestSettings(capital=Decimal(5_000))
SPEC = AlgorithmSpec.from_toml(
    """
name = "Reversion"
direction = "long"
timeframe = "1h"
[entry.long]
required = ["rsi(7) < 40"]
[exit.long]
required = ["rsi(7) > 55"]
[sizing]
equity = 0.9
"""
)
NEVER = AlgorithmSpec.from_toml(
    """
name = "Never"
direction = "long"
timeframe = "1h"
[entry.long]
required = ["close < 0"]
[sizing]
equity = 0.9
"""
)


def subject_of(bars=2_000, seed=3):
    return Tester(generated_candles(seed, bars), market=Market(), costs=COSTS, settings=SETTINGS)


def at(candles, index):
    return int(candles.time_ms[0]) + index * HOUR_MS


def test_the_last_fifth_is_seen_by_no_fold():
    subject = subject_of(2_000)
    plan = plan_folds(subject, SPEC, count=7)
    assert plan.holdout == Span(at(subject.candles, 1_600), at(subject.candles, 2_000))
    assert max(test.to_ms for _, test in plan.folds) == plan.holdout.from_ms


def test_folds_roll_over_equal_blocks_with_an_embargo_of_the_warm_up():
    subject = subject_of(2_000)
    plan = plan_folds(subject, SPEC, count=7)
    # 1,600 bars in 8 blocks of 200; rsi(7) has its first value at the eighth bar.
    assert plan.embargo_bars == 7
    assert plan.folds == tuple(
        (
            Span(at(subject.candles, 0), at(subject.candles, 200 * i)),
            Span(at(subject.candles, 200 * i + 7), at(subject.candles, 200 * (i + 1))),
        )
        for i in range(1, 8)
    )
    sliding = plan_folds(subject, SPEC, count=7, is_sliding=True)
    assert [test for _, test in sliding.folds] == [test for _, test in plan.folds]
    assert [train for train, _ in sliding.folds] == [
        Span(at(subject.candles, 200 * (i - 1)), at(subject.candles, 200 * i)) for i in range(1, 8)
    ]


def test_the_period_that_was_asked_for_is_cut():
    subject = subject_of(2_000)
    begin, end = at(subject.candles, 500), at(subject.candles, 1_500)
    plan = plan_folds(subject, SPEC, count=3, start_ms=begin, end_ms=end)
    assert plan.holdout == Span(at(subject.candles, 1_300), end)
    assert plan.folds[0][0] == Span(begin, at(subject.candles, 700))
    assert plan.folds[-1][1].to_ms == at(subject.candles, 1_300)


def test_each_fold_is_a_test_of_its_bars_alone():
    subject = subject_of(2_000)
    found = cross_validate(subject, SPEC, count=4)
    ratios = []
    for fold in found.folds:
        end = subject.candles.index_at(fold.test.to_ms)
        alone = simulate(
            SPEC, subject.candles.part(0, end), market=Market(), costs=COSTS, settings=SETTINGS,
            start_ms=fold.test.from_ms,
        )  # fmt: skip
        assert fold.metrics == alone.metrics
        assert fold.metrics.total_trades > 0
        days = alone.time_ms // 86_400_000
        closes = np.concatenate([[5_000.0], alone.equity[np.append(np.flatnonzero(np.diff(days)), -1)]])
        returns = closes[1:] / closes[:-1] - 1
        ratios.append(returns.mean() / returns.std(ddof=1))
        assert fold.daily_ratio == pytest.approx(ratios[-1], rel=1e-12)
    nets = [fold.metrics.net_pnl for fold in found.folds]
    spread = spread_of(found.folds)
    assert spread["net_pnl"] == {
        "folds": 4,
        "minimum": min(nets),
        "median": pytest.approx(np.median(nets)),
        "mean": pytest.approx(np.mean(nets)),
        "maximum": max(nets),
        "deviation": pytest.approx(np.std(nets, ddof=1)),
    }
    assert spread["daily_ratio"]["median"] == pytest.approx(median(ratios))


def fold(net, ratio, drawdown=0.05, trades=3):
    made = cross_validate(subject_of(400), NEVER, count=1).folds[0]
    metrics = replace(made.metrics, net_pnl=net, max_drawdown=drawdown, total_trades=trades)
    return Fold(made.train, made.test, metrics, ratio)


@pytest.mark.parametrize(
    ("folds", "passed", "says"),
    [
        ([fold(1, 0.1)] * 3 + [fold(-1, -0.1)] * 2, True, "3 of 5 have"),
        ([fold(1, 0.1)] * 5 + [fold(-1, -0.1)] * 4, False, "5 of 9 have"),
        ([fold(1, -0.1)] * 5, False, "it is -0.100"),
        ([fold(1, 0.1)] * 4 + [fold(1, 0.1, drawdown=0.21)], False, "largest is 21.0 %"),
        ([fold(1, 0.1, drawdown=0.20)] * 5, True, "largest is 20.0 %"),
        ([fold(0, 0.1)] * 5, False, "0 of 5 have"),
        ([fold(1, 0.1)] * 4 + [fold(1, 0.1, drawdown=None)], False, "largest is inf %"),
        # A fold without a trade, or without days that differ, is not counted.
        ([fold(1, 0.1)] * 3 + [fold(0, None, trades=0)] * 3, True, "3 of 3 have"),
        ([fold(1, 0.1)] * 2 + [fold(0, None, trades=0)] * 4, None, "2 of 6 folds"),
        ([fold(1, 0.1)] * 2 + [fold(1, None)], None, "2 of 3 folds"),
        ([], None, "0 of 0 folds"),
    ],
)
def test_the_rule(folds, passed, says):
    found, rule = judge_folds(folds, 0.20)
    assert found is passed
    assert says in rule


def test_an_algorithm_that_never_trades_has_no_verdict():
    found = cross_validate(subject_of(), NEVER)
    assert found.passed is None
    assert "0 of 6 folds" in found.rule


def test_a_fold_shorter_than_the_warm_up_is_refused_in_a_sentence():
    slow = SPEC.model_copy(update={"entry": AlgorithmSpec.from_toml(_SLOW).entry, "exit": NEVER.exit})
    with pytest.raises(WrongUseError) as caught:
        cross_validate(subject_of(2_000), slow, count=7)
    assert "A fold of 200 bars is not longer than the warm-up of 299 bars that Reversion needs" in str(
        caught.value
    )
    assert cross_validate(subject_of(2_000), slow, count=3).embargo_bars == 299


_SLOW = """
name = "Slow"
direction = "long"
timeframe = "1h"
[entry.long]
required = ["close > sma(300)"]
[sizing]
equity = 0.9
"""


@pytest.mark.parametrize(("count", "says"), [(0, "1 to 100 folds"), (101, "1 to 100 folds")])
def test_the_number_of_folds_is_bounded(count, says):
    with pytest.raises(WrongUseError, match=says):
        cross_validate(subject_of(400), SPEC, count=count)


def test_an_empty_period_is_refused_in_a_sentence():
    with pytest.raises(WrongUseError, match="Too few candles are in the period"):
        cross_validate(subject_of(400), SPEC, start_ms=at(subject_of(400).candles, 500))


def test_a_fit_sees_the_training_bars_alone_and_its_choice_is_tested():
    seen = []

    def fit(number, train):
        seen.append((number, train))
        return Fitted(NEVER, {"entry.long.required[0].right": float(number)})

    found = cross_validate(subject_of(), SPEC, count=3, fit=fit)
    assert seen == [(i, fold.train) for i, fold in enumerate(found.folds)]
    assert all(train.to_ms <= fold.test.from_ms for (_, train), fold in zip(seen, found.folds, strict=True))
    assert [fold.metrics.total_trades for fold in found.folds] == [0, 0, 0]
    assert [fold.parameters for fold in found.folds] == [
        {"entry.long.required[0].right": i} for i in (0, 1, 2)
    ]


def test_the_shape_of_the_json():
    document = to_json(cross_validate(subject_of(), SPEC, count=3))
    assert set(document) == {"folds", "spread", "passed", "rule", "holdout", "embargo_bars"}
    first = document["folds"][0]
    assert first["train"][0] == "2024-01-01T00:00:00Z"
    assert len(first["test"]) == 2
    assert first["metrics"]["total_trades"] > 0
    assert math.isfinite(document["spread"]["daily_ratio"]["deviation"])


def test_progress_rises():
    shares = []
    cross_validate(subject_of(400), SPEC, count=4, progress=lambda share, _: shares.append(share))
    assert shares == [0, 0.25, 0.5, 0.75]


def test_a_fold_whose_fitted_numbers_warm_up_longer_is_tested_later():
    slow = AlgorithmSpec.from_toml(_SLOW.replace("300", "100"))
    found = cross_validate(subject_of(), SPEC, count=3, fit=lambda number, train: Fitted(slow, {}))
    hours = [(fold.test.from_ms - fold.train.to_ms) // HOUR_MS for fold in found.folds]
    assert hours == [99, 99, 99]
    with pytest.raises(WrongUseError, match="warm-up of 299 bars that Slow needs"):
        cross_validate(
            subject_of(), SPEC, count=7, fit=lambda number, train: Fitted(AlgorithmSpec.from_toml(_SLOW), {})
        )
