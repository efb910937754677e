"""The main proof: a live run on the paper venue makes exactly the trades of the backtest."""

from collections import Counter
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firstwatch.backtest.simulate import BacktestResult, BacktestSettings, simulate
from firstwatch.market.files import read_candles, read_funding
from firstwatch.market.funding import FundingSeries
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.specification import AlgorithmSpec, EntryKind
from firstwatch.trading.events import EntryDecided, FillBooked, OrderIntended, OrderMoved, ProtectionMoved
from firstwatch.trading.limit_fills import LimitFills
from firstwatch.trading.market import Market
from firstwatch.trading.orders import OrderPurpose, OrderState
from firstwatch.trading.runs import ExitReason, RunState
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.trade import Trade
from tests.backtest.specifications import (
    COSTS,
    MARKETS,
    QUEUED,
    coarse,
    launches,
    random_candles,
    random_funding,
    specifications,
)
from tests.candles import generated_candles, shared_data
from tests.simulation.driver import Outcome, Simulation

WITH_COSTS = Costs(Decimal("4.5"), Decimal("1.5"), Decimal(2))

# What a run on a feed can end a trade with, without interference.
FEED_REASONS = {
    ExitReason.SIGNAL,
    ExitReason.STOP_LOSS,
    ExitReason.TRAILING_STOP,
    ExitReason.TAKE_PROFIT,
    ExitReason.LIQUIDATION,
    ExitReason.SESSION,
    ExitReason.GUARD,
    ExitReason.END_OF_DATA,
}


def both(
    spec: AlgorithmSpec,
    candles: CandleArrays,
    *,
    start: int,
    market: Market | None = None,
    costs: Costs = WITH_COSTS,
    chosen: BacktestSettings | None = None,
    funding: FundingSeries | None = None,
    checks_restore: bool = False,
) -> tuple[BacktestResult, Outcome]:
    """Return the backtest from bar ``start`` on, and the live run on the same bars."""
    market, chosen = market or Market(), chosen or BacktestSettings()
    expected = simulate(
        spec,
        candles,
        market=market,
        costs=costs,
        settings=chosen,
        funding=funding,
        start_ms=int(candles.time_ms[start]),
    )
    run = Simulation(
        spec,
        candles,
        first=candles.index_at(int(expected.time_ms[0])),
        market=market,
        costs=costs,
        settings=chosen,
        funding=funding,
        checks_restore=checks_restore,
    )
    run.start()
    return expected, run.run()


def assert_same(expected: BacktestResult, outcome: Outcome) -> None:
    """Compare everything; a guard may have ended the run and left its position to the operator."""
    trades: list[Trade] = list(expected.trades)
    if outcome.facts is not None and " is left at the venue" in outcome.facts.sentence:
        assert outcome.state is RunState.STOPPED
        trades = trades[: len(outcome.trades)]
    assert outcome.trades == trades
    curve = dict(zip(expected.time_ms.tolist(), expected.equity.tolist(), strict=True))
    last_ms = int(expected.time_ms[-1])
    for time_ms, equity in outcome.equity.items():
        if time_ms != last_ms or outcome.state is RunState.DONE:
            assert equity == pytest.approx(curve[time_ms], rel=1e-9)


def spec_of(toml: str) -> AlgorithmSpec:
    return AlgorithmSpec.from_toml(toml)


REVERSION = """
name = "reversion"
direction = "both"
timeframe = "{timeframe}"
[entry.long]
required = ["rsi(14) < 35"]
[entry.short]
required = ["rsi(14) > 65"]
[exit.long]
required = ["rsi(14) > 60"]
[exit.short]
required = ["rsi(14) < 40"]
[stop_loss]
fraction = 0.03
trailing = true
[take_profit]
fraction = 0.06
[sizing]
risk = 0.02
[order]
kind = "limit"
offset_bps = 10
timeout_bars = 2
[reset]
mode = "regular"
cooldown_bars = 2
[[reset.follow_up]]
after = ["trailing_stop", "stop_loss"]
side = "same"
wait_bars = 2
within_bars = 10
require_signal = true
size_factor = 0.5
"""


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_run_on_generated_candles_makes_the_trades_of_the_backtest(seed: int) -> None:
    candles = generated_candles(seed, 2_000)
    chosen = BacktestSettings(leverage=Decimal(5))
    expected, outcome = both(spec_of(REVERSION.format(timeframe="1h")), candles, start=200, chosen=chosen)
    assert len(expected.trades) > 10
    assert_same(expected, outcome)
    assert outcome.state is RunState.DONE


def test_the_equity_of_a_run_is_the_backtests_at_every_bar() -> None:
    candles = generated_candles(7, 1_200)
    expected, outcome = both(spec_of(REVERSION.format(timeframe="1h")), candles, start=200)
    assert list(outcome.equity) == expected.time_ms.tolist()
    assert list(outcome.equity.values()) == pytest.approx(expected.equity.tolist(), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "funding_name"),
    [
        ("hyperliquid_BTCUSDC_perp", "hyperliquid_BTCUSDC_perp_1h_funding"),
        ("binance_BTCUSDT_perp", "binance_BTCUSDT_perp_8h_funding"),
    ],
)
def test_a_run_on_real_candles_makes_the_trades_of_the_backtest(name: str, funding_name: str) -> None:
    candles = read_candles(shared_data(f"{name}_1h")).candles
    candles = candles.part(max(0, len(candles) - 5_000), len(candles))
    funding = read_funding(shared_data(funding_name))
    spec = spec_of(REVERSION.format(timeframe=candles.timeframe))
    chosen = BacktestSettings(leverage=Decimal(3))
    expected, outcome = both(spec, candles, start=1_000, chosen=chosen, funding=funding)
    assert len(expected.trades) > 20
    assert any(trade.funding for trade in expected.trades)
    assert_same(expected, outcome)


def test_random_algorithms_make_the_trades_of_their_backtests() -> None:
    """Everything that an algorithm or a launch can say occurs, and most of the examples trade."""
    seen: Counter[str] = Counter()

    @settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        spec = data.draw(specifications())
        chosen = data.draw(launches(spec.direction.value))
        candles = random_candles(
            data.draw(st.integers(0, 10**6)),
            data.draw(st.integers(60, 120)),
            data.draw(st.sampled_from([0.003, 0.01, 0.03])),
        )
        seed = data.draw(st.integers(0, 10**6))
        market = data.draw(st.sampled_from(MARKETS))
        if data.draw(st.booleans()):
            candles, market = coarse(seed, candles, market)
        expected, outcome = both(
            spec,
            candles,
            start=20,
            market=market,
            costs=data.draw(st.sampled_from(COSTS)),
            chosen=chosen,
            funding=random_funding(seed, candles) if seed % 2 else None,
        )
        assert_same(expected, outcome)
        seen["examples"] += 1
        if expected.trades:
            reset = chosen.reset or spec.reset
            seen.update(["trades", f"order {spec.order.kind}", f"sizing {spec.sizing.kind}"])
            seen.update([f"reset {reset.mode}", f"direction {spec.direction}"])
            seen.update(f"exit {trade.reason}" for trade in expected.trades)
        decided = [event for event in outcome.journal if isinstance(event, EntryDecided)]
        seen["follow-up"] += any(event.is_follow_up for event in decided)

    holds()
    assert seen["trades"] >= 0.6 * seen["examples"], seen
    for needed in (
        *(f"exit {reason}" for reason in FEED_REASONS),
        *(f"reset {mode}" for mode in ("cooldown_only", "regular", "strict")),
        *(f"sizing {kind}" for kind in ("fixed", "equity", "risk")),
        *(f"order {kind}" for kind in EntryKind),
        *(f"direction {direction}" for direction in ("long", "short", "both")),
        "follow-up",
    ):
        assert seen[needed] > 0, (needed, seen)


def test_entries_that_fill_in_parts_make_the_trades_of_their_backtests() -> None:
    """Limits that are touched only, with a queue before them: what is protected grows fill by fill."""
    seen: Counter[str] = Counter()

    @settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        spec = data.draw(specifications(["limit"]))
        seed = data.draw(st.integers(0, 10**6))
        volatility = data.draw(st.sampled_from([0.004, 0.012]))
        market = data.draw(st.sampled_from(MARKETS))
        candles, market = coarse(seed, random_candles(seed, 120, volatility), market)
        chosen = data.draw(launches(spec.direction.value))
        expected, outcome = both(spec, candles, start=20, market=market, costs=QUEUED, chosen=chosen)
        assert_same(expected, outcome)
        filled: Counter[str | None] = Counter()
        for fill in outcome.events(FillBooked):
            filled[fill.client_order_id] += fill.amount
        entries = [e for e in outcome.events(OrderIntended) if e.purpose is OrderPurpose.ENTRY]
        seen["in parts"] += any(0 < filled[each.client_order_id] < each.amount for each in entries)
        seen["resized"] += any("resized" in event.why for event in outcome.events(ProtectionMoved))

    holds()
    assert seen["in parts"] >= 2, seen
    assert seen["resized"] >= 1, seen


@pytest.mark.parametrize("rule", ["touch", "queue:0.3"])
def test_a_run_on_a_coarse_tick_makes_the_trades_of_the_backtest(rule: str) -> None:
    candles, market = coarse(5, random_candles(5, 1_500, 0.006), Market())
    costs = Costs(Decimal("4.5"), Decimal("1.5"), Decimal(2), limit_fills=LimitFills.parse(rule))
    chosen = BacktestSettings(leverage=Decimal(5))
    spec = spec_of(REVERSION.format(timeframe="1h"))
    strict, _ = both(spec, candles, start=200, market=market, chosen=chosen)
    expected, outcome = both(spec, candles, start=200, market=market, costs=costs, chosen=chosen)
    assert_same(expected, outcome)
    assert len(expected.trades) > 20
    assert expected.trades != strict.trades
    in_parts = [event for event in outcome.events(OrderMoved) if event.new is OrderState.PARTIALLY_FILLED]
    assert bool(in_parts) is rule.startswith("queue")


def test_a_gap_beyond_every_bound_executes_as_in_the_backtest() -> None:
    """A crash of 40 % over one open: the stop's worst price holds it back, and it is closed at market."""
    price = np.concatenate([np.linspace(100, 96, 30), np.linspace(96, 104, 20), np.full(20, 60.0)])
    opened = np.concatenate([[100.0], price[:-1]])
    opened[50] = 60.0
    times = 1_704_067_200_000 + np.arange(70, dtype=np.int64) * 3_600_000
    high, low = np.maximum(opened, price) + 0.5, np.minimum(opened, price) - 0.5
    candles = CandleArrays(times, opened, high, low, price, np.ones(70), Timeframe.H1)
    spec = spec_of(
        """
name = "gap"
direction = "long"
timeframe = "1h"
[entry.long]
required = ["close > sma(3)"]
[stop_loss]
fraction = 0.05
[sizing]
equity = 0.5
"""
    )
    expected, outcome = both(spec, candles, start=20)
    assert [trade.reason for trade in expected.trades][:1] == [ExitReason.STOP_LOSS]
    assert expected.trades[0].exit_price < 61
    assert_same(expected, outcome)


def test_a_checkpoint_restores_the_core_after_every_event() -> None:
    candles = generated_candles(11, 500)
    chosen = BacktestSettings(leverage=Decimal(5))
    spec = spec_of(REVERSION.format(timeframe="1h"))
    expected, outcome = both(spec, candles, start=200, chosen=chosen, checks_restore=True)
    assert_same(expected, outcome)
