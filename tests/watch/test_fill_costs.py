"""What the fills of a run on the paper venue cost, against the fills of its own backtest."""

from decimal import Decimal
from functools import cache

import pytest

from firstwatch.backtest.simulate import BacktestSettings, simulate
from firstwatch.engine.core.records import FillRow, NewOrder
from firstwatch.store.fills import StoredFill
from firstwatch.store.orders import StoredOrder
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.market import Market
from firstwatch.trading.orders import OrderState
from firstwatch.trading.verdicts import Verdict
from firstwatch.watch.costs import judge_costs
from firstwatch.watch.fill_prices import Stream, expectation, fill_costs, judge_fills
from tests.candles import generated_candles
from tests.simulation.driver import Outcome, Simulation

BUSY = """
name = "Busy"
direction = "both"
timeframe = "1h"
[entry.long]
required = ["rsi(3) < 45"]
[entry.short]
required = ["rsi(3) > 55"]
[exit.long]
required = ["rsi(3) > 60"]
[exit.short]
required = ["rsi(3) < 40"]
[stop_loss]
fraction = 0.006
[take_profit]
fraction = 0.008
[sizing]
equity = 0.5
[order]
kind = "market"
[reset]
mode = "cooldown_only"
cooldown_bars = 0
"""
LIMIT = BUSY.replace('kind = "market"', 'kind = "limit"\noffset_bps = 10\ntimeout_bars = 2')
FIRST, BARS = 200, 500
SPREAD_BPS = 2.0
MOMENTS = ("decision", "submission", "acknowledgement", "fill")


def costs_with(slippage_bps):
    return Costs(Decimal("4.5"), Decimal("1.5"), Decimal(slippage_bps), Decimal(SPREAD_BPS))


class Kept(Outcome):
    """Keeps fills and orders as the store would."""

    def __init__(self):
        super().__init__()
        self.fills, self.orders = [], []

    def keep(self, records):
        super().keep(records)
        for record in records:
            match record:
                case FillRow(fill=fill):
                    mids = [getattr(record, f"mid_at_{moment}") for moment in MOMENTS]
                    self.fills.append(StoredFill("paper", "run", fill, fill.time_ms, *mids))
                case NewOrder(intent):
                    self.orders.append(StoredOrder(intent, OrderState.FILLED, 0, 0))


@cache
def lived_and_promised(text, slippage_bps, seed=3):
    """Return the run on a venue with that slippage, and its backtest, which assumes 2 bps."""
    spec, candles, market = AlgorithmSpec.from_toml(text), generated_candles(seed, BARS), Market()
    chosen = BacktestSettings(capital=Decimal(5_000))
    run = Simulation(
        spec, candles, first=FIRST, market=market, costs=costs_with(slippage_bps), settings=chosen
    )
    kept = run.outcome = Kept()
    run.start()
    run.run()
    start_ms = int(candles.time_ms[FIRST])
    result = simulate(spec, candles, market=market, costs=costs_with(2), settings=chosen, start_ms=start_ms)
    expected = expectation(result.records, has_limit_entries=text is LIMIT, taker_bps=2 + SPREAD_BPS / 2)
    return kept, result, expected


@pytest.mark.parametrize("text", [BUSY, LIMIT], ids=["market", "limit"])
def test_a_run_as_its_backtest_pays_what_the_backtest_paid(text):
    kept, result, expected = lived_and_promised(text, 2)
    assert len(kept.trades) == len(result.records) > 30
    costs = fill_costs(kept.fills, kept.orders, spread_bps=SPREAD_BPS)
    by_stream = {stream: [cost for cost in costs if cost.stream is stream] for stream in Stream}
    for stream, mine in by_stream.items():
        if stream is Stream.ENTRY_TAKER and text is LIMIT:
            # Not one to one there: what goes to market after its limit is taken at what was assumed.
            continue
        # The backtest leaves out the exit at the end of the candles.
        assert len(mine) - expected.fills[stream] in (0, 1)
        if mine:
            mean = sum(cost.total_bps for cost in mine) / len(mine)
            assert mean == pytest.approx(expected.mean_bps[stream], abs=0.2)
    assert sum(bool(mine) for mine in by_stream.values()) == (3 if text is BUSY else 4)
    judged = judge_fills(costs, expected)
    assert judged.verdict is Verdict.CONSISTENT
    assert judged.e_value < 1
    paid = judge_costs(kept.fills, [], assumed=costs_with(2), assumed_funding_bps=0)
    assert paid.verdict is Verdict.CONSISTENT


def test_on_a_feed_of_bars_the_spread_is_the_venues_and_the_rest_is_slippage():
    kept, _, _ = lived_and_promised(BUSY, 2)
    for cost in fill_costs(kept.fills, kept.orders, spread_bps=SPREAD_BPS):
        assert abs(cost.half_spread_bps) == SPREAD_BPS / 2
        if not cost.stream.is_maker:
            assert cost.impact_bps == pytest.approx(2, abs=0.05)


def test_eight_basis_points_more_are_found_within_a_dozen_fills():
    kept, _, expected = lived_and_promised(BUSY, 10)
    costs = fill_costs(kept.fills, kept.orders, spread_bps=SPREAD_BPS)
    judged = judge_fills(costs, expected)
    assert judged.verdict is Verdict.DIVERGED
    assert [cost.time_ms for cost in costs].index(judged.first_at_ms) < 12
