"""Whatever a backtest fills, it fills at a price that its bar had."""

from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firstwatch.backtest.simulate import simulate
from firstwatch.market.files import read_candles
from firstwatch.strategy.core_settings import Costs, fraction
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.market import Market
from firstwatch.trading.runs import ExitReason
from tests.backtest.specifications import (
    COSTS,
    MARKETS,
    launches,
    random_candles,
    random_funding,
    specifications,
)
from tests.candles import shared_data

COARSE = Market(tick=Decimal("0.5"), maintenance_rate=Decimal("0.03"))
NOISE = 1e-9


def assert_in_the_bars(result, candles, costs):
    """Take slippage off every fill: no buy below its bar, no sell above it; all but targets inside."""
    slip = fraction(costs.slippage_bps) + fraction(costs.spread_bps / 2)
    seen = Counter()
    for trade in result.records:
        side = trade.side
        bar = candles.index_at(trade.entry_time_ms)
        opened, low, high = (float(column[bar]) for column in (candles.open, candles.low, candles.high))
        at_market = trade.entry_price == pytest.approx(opened * (1 + side * slip), rel=1e-12)
        entry = opened if at_market else trade.entry_price
        assert low <= entry <= high, trade

        bar = candles.index_at(trade.exit_time_ms)
        opened, low, high = (float(column[bar]) for column in (candles.open, candles.low, candles.high))
        is_taker = trade.reason not in (ExitReason.TAKE_PROFIT, ExitReason.LIQUIDATION)
        exit_price = trade.exit_price / (1 - side * slip) if is_taker else trade.exit_price
        if side > 0:
            assert exit_price <= high * (1 + NOISE), trade
        else:
            assert exit_price >= low * (1 - NOISE), trade
        if trade.reason is ExitReason.TAKE_PROFIT and side * opened >= side * exit_price:
            seen["target passed by the open"] += 1
        else:
            assert low * (1 - NOISE) <= exit_price <= high * (1 + NOISE), trade
        seen[trade.reason] += 1
        seen["at once"] += trade.bars_held == 0 and exit_price == pytest.approx(opened, rel=1e-12)
    return seen


def test_no_fill_lies_outside_of_its_bar():
    seen = Counter()

    @settings(
        max_examples=300, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(data=st.data(), spec=specifications(["market", "limit"]), seed=st.integers(0, 10_000))
    def holds(data, spec, seed):
        costs = data.draw(st.sampled_from([*COSTS[:4], COSTS[3]]))
        candles = random_candles(seed, 160, data.draw(st.sampled_from([0.004, 0.012, 0.03])))
        result = simulate(
            spec, candles, market=data.draw(st.sampled_from([*MARKETS, COARSE])), costs=costs,
            settings=data.draw(launches(spec.direction)),
            funding=random_funding(seed, candles) if seed % 2 else None,
        )  # fmt: skip
        seen.update(assert_in_the_bars(result, candles, costs))

    holds()
    for needed in ("stop_loss", "trailing_stop", "take_profit", "liquidation", "signal", "at once"):
        assert seen[needed] > 5, (needed, seen)


def test_a_stop_nearer_than_the_slippage_on_real_candles():
    candles = read_candles(shared_data("hyperliquid_BTCUSDC_perp_1h")).candles
    spec = AlgorithmSpec.from_toml(
        """
name = "near"
direction = "both"
timeframe = "1h"
[entry.long]
required = ["rsi(14) < 30"]
[entry.short]
required = ["rsi(14) > 70"]
[stop_loss]
amount = 5
trailing = true
[sizing]
equity = 0.5
"""
    )
    costs = Costs(Decimal("4.5"), Decimal("4.5"), Decimal(2))
    result = simulate(spec, candles, market=Market(), costs=costs)
    seen = assert_in_the_bars(result, candles, costs)
    assert seen["stop_loss"] == seen["at once"] == len(result.records) > 20
    assert all(trade.gross_pnl < 0 for trade in result.records)
