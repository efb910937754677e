"""The review of a test against pandas and against loops that say the same the long way."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from firstwatch.backtest.review import (
    Drawdown,
    exit_figures,
    monthly_returns,
    references_of,
    review,
    review_json,
    underwater,
    worst_drawdowns,
)
from firstwatch.backtest.settings import BacktestSettings
from firstwatch.backtest.simulate import simulate
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.specification import AlgorithmSpec, sample_toml
from firstwatch.trading.market import Market
from firstwatch.trading.runs import ExitReason
from tests.candles import generated_candles

HOUR_MS = 3_600_000
CAPITAL = 10_000.0
equities = st.lists(st.integers(1, 30).map(float), min_size=1, max_size=60).map(np.array)


def times(count, start_ms=0):
    return start_ms + np.arange(count, dtype=np.int64) * HOUR_MS


@pytest.fixture(scope="module")
def tested():
    candles = generated_candles(3, 4_000)
    result = simulate(
        AlgorithmSpec.from_toml(sample_toml()), candles, market=Market(),
        costs=Costs(Decimal(1), Decimal(1), slippage_bps=Decimal(1)),
        settings=BacktestSettings(capital=Decimal(10_000)),
    )  # fmt: skip
    found = review(
        result.records, result.time_ms, result.equity, result.metrics, capital=CAPITAL, candles=candles
    )
    return candles, result, found


def test_the_curve_under_water_ends_in_the_largest_drawdown(tested):
    _, result, found = tested
    assert len(found.underwater) == result.bars
    assert found.underwater.min() == 0
    assert found.underwater.max() == pytest.approx(result.metrics.max_drawdown)
    assert found.drawdowns[0].depth == pytest.approx(result.metrics.max_drawdown)


def drawdowns_the_long_way(time_ms, equity, capital):
    """Walk from peak to peak, bar by bar."""
    found, peak, peak_ms, low, low_ms = [], capital, time_ms[0], capital, None
    for at_ms, value in zip(time_ms.tolist(), equity.tolist(), strict=True):
        if value >= peak:
            if low_ms is not None:
                found.append(Drawdown(int(peak_ms), low_ms, at_ms, 1 - low / peak))
            peak, peak_ms, low, low_ms = value, at_ms, value, None
        elif value < low:
            low, low_ms = value, at_ms
    if low_ms is not None:
        found.append(Drawdown(int(peak_ms), low_ms, None, 1 - low / peak))
    return found


@given(equity=equities, capital=st.integers(1, 30).map(float))
@settings(deadline=None)
def test_the_worst_drawdowns_are_those_of_a_walk_over_the_bars(equity, capital):
    time_ms = times(len(equity))
    walked = drawdowns_the_long_way(time_ms, equity, capital)
    walked.sort(key=lambda each: -round(each.depth, 12))
    found = worst_drawdowns(time_ms, underwater(equity, capital))
    assert len(found) == min(5, len(walked))
    for mine, theirs in zip(found, walked, strict=False):
        assert mine.depth == pytest.approx(theirs.depth)
        assert replace(mine, depth=0.0) in [replace(each, depth=0.0) for each in walked]
    assert [each.depth for each in found] == sorted((each.depth for each in found), reverse=True)


def test_months_agree_with_pandas(tested):
    _, result, found = tested
    curve = pandas.Series(result.equity, pandas.to_datetime(result.time_ms, unit="ms", utc=True))
    closes = curve.resample("ME").last()
    before = np.concatenate([[CAPITAL], closes.to_numpy()[:-1]])
    assert [(each.year, each.month) for each in found.months] == [(at.year, at.month) for at in closes.index]
    assert [each.value for each in found.months] == pytest.approx((closes / before - 1).tolist())
    product = np.prod([1 + each.value for each in found.months])
    assert product - 1 == pytest.approx(result.metrics.total_return)


def test_a_month_without_a_bar_is_unchanged_and_ruin_ends_the_months():
    at = [
        datetime(2023, 12, 31, tzinfo=UTC),
        datetime(2024, 2, 1, tzinfo=UTC),
        datetime(2024, 3, 9, tzinfo=UTC),
    ]
    time_ms = np.array([int(each.timestamp()) * 1_000 for each in at])
    found = monthly_returns(time_ms, np.array([110.0, 55.0, 66.0]), 100.0)
    assert [(each.year, each.month) for each in found] == [(2023, 12), (2024, 1), (2024, 2), (2024, 3)]
    assert [each.value for each in found] == pytest.approx([0.1, 0, -0.5, 0.2])
    ruined = monthly_returns(time_ms, np.array([110.0, -5.0, 0.0]), 100.0)
    assert [each.value for each in ruined] == pytest.approx([0.1, 0, -1])


def test_the_market_and_the_mean_trade_stand_beside_the_profit(tested):
    candles, result, found = tested
    first = int(np.flatnonzero(candles.time_ms == result.time_ms[0])[0])
    assert found.market_change == pytest.approx(candles.close[-1] / candles.open[first] - 1)
    pnl = [record.pnl for record in result.records]
    assert found.mean_trade_p_value == pytest.approx(stats.ttest_1samp(pnl, 0, alternative="greater").pvalue)


def test_exits_are_counted_by_reason(tested):
    _, result, found = tested
    assert {each.reason: each.trades for each in found.exits} == result.metrics.exit_reasons
    assert sum(each.net_pnl for each in found.exits) == pytest.approx(result.metrics.net_pnl)
    assert [each.trades for each in found.exits] == sorted(
        (each.trades for each in found.exits), reverse=True
    )
    stop = next(each for each in found.exits if each.reason is ExitReason.TRAILING_STOP)
    bars = [record.bars_held for record in result.records if record.reason is ExitReason.TRAILING_STOP]
    assert stop.average_bars == pytest.approx(np.mean(bars))
    assert exit_figures(()) == ()


@pytest.mark.parametrize(
    ("changed", "within", "says"),
    [
        # Wins of twice a loss: a third of wins breaks even.
        ({"win_rate": 0.35, "average_win": 2.0, "average_loss": -1.0}, True, "above 33 % at this reward"),
        ({"win_rate": 0.6, "average_win": 1.0, "average_loss": -2.0}, False, "above 67 % at this reward"),
        ({"win_rate": 0.41, "average_win": 2.0, "average_loss": None}, True, "above 40 %"),
        ({"win_rate": 0.40, "average_win": None, "average_loss": -1.0}, False, "above 40 %"),
        ({"win_rate": None}, None, "above 40 %"),
        ({"profit_factor": 1.6}, True, "above 1.5"),
        ({"profit_factor": 1.5}, False, "above 1.5"),
        ({"sharpe": 1.01}, True, "above 1"),
        ({"sharpe": None}, None, "above 1"),
        ({"max_drawdown": 0.19}, True, "below 20 %"),
        ({"max_drawdown": 0.20}, False, "below 20 %"),
    ],
)
def test_reference_ranges(tested, changed, within, says):
    name = next(iter(changed))
    found = {each.name: each for each in references_of(replace(tested[1].metrics, **changed))}
    assert list(found) == ["win_rate", "profit_factor", "sharpe", "max_drawdown"]
    assert (found[name].value, found[name].is_within) == (changed[name], within)
    assert says in found[name].expected


def test_the_json_has_a_day_of_the_curve_for_each_day(tested):
    _, result, found = tested
    document = review_json(found, result.time_ms)
    days = np.unique(result.time_ms // 86_400_000)
    assert len(document["underwater"]) == len(days)
    assert document["underwater"][0][0] == "2024-01-01"
    assert max(depth for _, depth in document["underwater"]) == pytest.approx(result.metrics.max_drawdown)
    assert document["months"][0]["month"] == "2024-01"
    assert len(document["drawdowns"]) == 5


def test_a_test_of_one_bar_without_a_trade_has_a_review():
    candles = generated_candles(3, 1)
    spec = AlgorithmSpec.from_toml(
        'name = "A"\ndirection = "long"\ntimeframe = "1h"\n[entry.long]\nrequired = ["close < 0"]\n'
        "[sizing]\nequity = 0.5\n"
    )
    result = simulate(spec, candles, market=Market(), costs=Costs(Decimal(1), Decimal(1)))
    found = review(
        result.records, result.time_ms, result.equity, result.metrics, capital=CAPITAL, candles=candles
    )
    assert (found.mean_trade_p_value, found.drawdowns, found.exits) == (None, (), ())
    assert [each.value for each in found.months] == [0]
