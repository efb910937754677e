"""The backtest as a caller sees it: start and end, funding, sessions, assume, costs, its JSON."""

import json
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from firstwatch.backtest.result_json import metrics_json, to_json, trade_json
from firstwatch.backtest.review import review
from firstwatch.backtest.simulate import BacktestSettings, simulate
from firstwatch.market.files import read_candles, read_funding
from firstwatch.market.funding import FundingSeries
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.core_settings import Costs, build_settings, exit_reason, reason_code
from firstwatch.strategy.specification import AlgorithmSpec, sample_toml
from firstwatch.trading.clock import ManualClock, iso
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.launch import Guards, ResetSettings, SessionSettings
from firstwatch.trading.market import DEFAULT_MARKET, Market
from firstwatch.trading.runs import ExitReason
from firstwatch.trading.timeframe import Timeframe
from tests.backtest.specifications import random_candles
from tests.candles import generated_candles, shared_data

HOUR_MS = 3_600_000
START_MS = 1_704_067_200_000
FREE = Costs(Decimal(0), Decimal(0))
SAMPLE = AlgorithmSpec.from_toml(sample_toml())
COSTS = Costs.of_market(DEFAULT_MARKET, slippage_bps=Decimal(2))

METRICS = (
    "total_trades",
    "winning_trades",
    "losing_trades",
    "win_rate",
    "profit_factor",
    "expectancy",
    "net_pnl",
    "total_return",
    "sharpe",
    "sortino",
    "calmar",
    "max_drawdown",
    "max_drawdown_usd",
    "max_drawdown_bars",
    "average_trade",
    "average_win",
    "average_loss",
    "largest_win",
    "largest_loss",
    "average_bars",
    "fees",
    "funding",
    "slippage",
    "exposure",
    "long_trades",
    "short_trades",
    "exit_reasons",
)
TRADE = (
    "side",
    "entry_time",
    "entry_price",
    "exit_time",
    "exit_price",
    "amount",
    "pnl",
    "fees",
    "funding",
    "reason",
)

PLAIN = """
name = "Two bars"
direction = "long"
timeframe = "1h"
[entry.long]
required = ["close > 100"]
[exit.long]
required = ["close < 90"]
[sizing]
fixed = 1000
"""


def spec_of(text=PLAIN, **changes):
    spec = AlgorithmSpec.from_toml(text)
    return spec.model_copy(update=changes)


def candles_of(closes, opens=None):
    closes = np.array(closes, dtype=np.float64)
    opens = closes if opens is None else np.array(opens, dtype=np.float64)
    times = START_MS + np.arange(len(closes), dtype=np.int64) * HOUR_MS
    return CandleArrays(
        times, opens, np.maximum(opens, closes), np.minimum(opens, closes), closes,
        np.ones(len(closes)), Timeframe.H1,
    )  # fmt: skip


def run(candles, spec=None, **options):
    options = {"market": DEFAULT_MARKET, "costs": FREE} | options
    return simulate(spec or spec_of(), candles, **options)


def test_a_trade_from_decision_to_decision():
    result = run(candles_of([90, 101, 102, 110, 80, 95], [90, 100, 101.5, 103, 85, 79]))
    (trade,) = result.trades
    assert (trade.entry_time_ms, trade.entry_price) == (START_MS + 2 * HOUR_MS, Decimal("101.5"))
    assert (trade.exit_time_ms, trade.exit_price) == (START_MS + 5 * HOUR_MS, Decimal("79.0"))
    assert trade.amount == Decimal("9.900990")
    assert (trade.expected_entry_price, trade.expected_exit_price) == (Decimal("101.0"), Decimal("80.0"))
    assert trade.reason is ExitReason.SIGNAL
    assert trade.bars_held == 3
    amount = 9.90099
    marked = [10_000 + amount * (close - 101.5) for close in (102, 110, 80)]
    assert result.equity.tolist() == pytest.approx([10_000, 10_000, *marked, 10_000 - 22.5 * amount])
    assert result.metrics.net_pnl == pytest.approx(result.equity[-1] - 10_000)
    assert result.bars == len(result.equity) == 6


def test_the_end_of_data_is_labelled_with_the_last_bar():
    result = run(candles_of([90, 101, 102, 110]), costs=Costs(Decimal(10), Decimal(0), Decimal(100)))
    (trade,) = result.trades
    assert trade.reason is ExitReason.END_OF_DATA
    assert trade.exit_time_ms == START_MS + 3 * HOUR_MS
    assert float(trade.exit_price) == pytest.approx(110 * 0.99)
    assert float(trade.fees) == pytest.approx((102 * 1.01 + 110 * 0.99) * float(trade.amount) * 0.001)
    assert result.equity[-1] == pytest.approx(10_000 + float(trade.pnl))
    assert result.metrics.slippage == pytest.approx(2.12 * float(trade.amount))


def test_start_and_end_cut_the_bars_and_warm_up_comes_before():
    candles = generated_candles(3, 400)
    whole = simulate(SAMPLE, candles, market=DEFAULT_MARKET, costs=COSTS)
    assert whole.bars == 400 - 14, "RSI(14) has its first value at the 15th bar"
    start, end = int(candles.time_ms[100]), int(candles.time_ms[300])
    part = simulate(SAMPLE, candles, market=DEFAULT_MARKET, costs=COSTS, start_ms=start, end_ms=end)
    assert (part.bars, part.time_ms[0], part.time_ms[-1]) == (200, start, end - HOUR_MS)


def test_what_cannot_start_says_why():
    with pytest.raises(WrongUseError, match=r"no bar from 2099.* has a value"):
        run(candles_of([90, 101]), start_ms=4_070_908_800_000)
    with pytest.raises(WrongUseError, match="candles are of 1m"):
        run(generated_candles(1, 50, Timeframe.M1))
    session = SessionSettings.model_validate(
        {"policy": "flatten", "windows": [{"days": ["mon"], "start": "10:00", "end": "10:30"}]}
    )
    with pytest.raises(WrongUseError, match="longer than every trading window"):
        run(candles_of([90, 101]), settings=BacktestSettings(session=session))


def test_funding_at_the_open_and_inside_of_a_bar():
    moments = START_MS + np.array([4, 6, 7, 198], dtype=np.int64) * (HOUR_MS // 2)
    funding = FundingSeries(moments, np.array([0.5, 0.01, 0.02, 1.0]))
    result = run(candles_of([90, 100.5, 100.5, 110, 80, 80], [90, 100, 100, 104, 85, 79]), funding=funding)
    (trade,) = result.trades
    # Opened at 02:00: that funding was due just before. 0.01 at the open of 104, 0.02 at the close of 110.
    assert float(trade.funding) == pytest.approx(float(trade.amount) * (104 * 0.01 + 110 * 0.02))
    assert float(trade.pnl) == pytest.approx(float(trade.amount) * (79 - 100) - float(trade.funding))


def test_assume_position_now_decides_by_the_bar_before_the_start():
    candles = candles_of([101, 102, 103, 104, 105])
    start = int(candles.time_ms[2])
    assert not run(candles, start_ms=start).trades, "true from the start on: never armed"
    assumed = run(candles, start_ms=start, settings=BacktestSettings(assume_position_now=True))
    assert [trade.entry_time_ms for trade in assumed.trades] == [start]
    at_first = run(candles, settings=BacktestSettings(assume_position_now=True))
    assert not at_first.trades, "no bar before the first"


def test_a_session_flattens_and_keeps_entries_out():
    session = SessionSettings.model_validate(
        {"policy": "flatten", "windows": [{"days": ["mon"], "start": "00:00", "end": "06:00"}]}
    )
    result = run(candles_of([90, 101, *[102] * 8]), settings=BacktestSettings(session=session))
    (trade,) = result.trades
    assert trade.reason is ExitReason.SESSION
    assert trade.exit_time_ms == START_MS + 6 * HOUR_MS, "decided at 06:00, the open of that bar"


def test_a_trades_limit_and_a_guard_end_the_decisions():
    candles = generated_candles(5, 3000)
    limited = simulate(
        SAMPLE, candles, market=DEFAULT_MARKET, costs=COSTS, settings=BacktestSettings(trades_limit=2)
    )
    assert limited.metrics.total_trades == 2
    assert len(limited.equity) == limited.bars
    guards = Guards(losing_trades=1, losing_trades_action="stop")
    guarded = simulate(
        SAMPLE, candles, market=DEFAULT_MARKET, costs=COSTS, settings=BacktestSettings(guards=guards)
    )
    assert guarded.records[-1].pnl < 0
    assert all(record.pnl >= 0 for record in guarded.records[:-1])


def test_the_reset_of_the_launch_overrides_the_versions():
    candles = generated_candles(5, 2000)
    own = simulate(SAMPLE, candles, market=DEFAULT_MARKET, costs=COSTS)
    other = simulate(
        SAMPLE, candles, market=DEFAULT_MARKET, costs=COSTS,
        settings=BacktestSettings(reset=ResetSettings(cooldown_bars=200)),
    )  # fmt: skip
    assert other.metrics.total_trades < own.metrics.total_trades


def test_passing_over_quiet_bars_changes_nothing(monkeypatch):
    candles = generated_candles(8, 4000)
    quick = simulate(SAMPLE, candles, market=DEFAULT_MARKET, costs=COSTS)
    monkeypatch.setattr("firstwatch.strategy.core_loop.is_waiting", lambda *_: 0)
    monkeypatch.setattr("firstwatch.strategy.core_loop.hold_until", lambda _state, _core, first, *_: first)
    whole = simulate(SAMPLE, candles, market=DEFAULT_MARKET, costs=COSTS)
    assert whole.records == quick.records
    assert np.array_equal(whole.equity, quick.equity)
    assert whole.metrics == quick.metrics
    assert whole.metrics.total_trades > 20


def test_holes_are_counted():
    candles = candles_of(range(100, 110))
    keep = np.array([0, 1, 2, 5, 6, 9])
    thin = CandleArrays(
        *(getattr(candles, name)[keep] for name in ("time_ms", "open", "high", "low", "close", "volume")),
        Timeframe.H1,
    )
    result = run(thin)
    assert (result.bars, result.missing_bars) == (6, 4)


def test_the_seconds_come_from_the_clock():
    class Ticking(ManualClock):
        def elapsed_s(self):
            self.advance(1500)
            return super().elapsed_s()

    assert run(candles_of([90, 101]), clock=Ticking()).seconds == 1.5


def test_the_json_has_the_shape_that_others_rely_on():
    candles = generated_candles(5, 1000)
    result = simulate(SAMPLE, candles, market=DEFAULT_MARKET, costs=COSTS)
    found = review(
        result.records, result.time_ms, result.equity, result.metrics, capital=10_000.0, candles=candles
    )
    document = json.loads(json.dumps(to_json(result, found, {"capital": "10000"}), allow_nan=False))
    assert list(document) == [
        "metrics", "about_metrics", "notes", "trades", "equity", "bars", "seconds", "review", "settings",
    ]  # fmt: skip
    assert tuple(document["metrics"]) == METRICS
    assert tuple(document["trades"][0]) == TRADE
    assert document["equity"][0] == [iso(int(result.time_ms[0])), 10_000.0]
    assert [point[0] for point in document["equity"]] == [iso(int(moment)) for moment in result.time_ms]
    assert sum(document["metrics"]["exit_reasons"].values()) == len(document["trades"])
    assert document["trades"][0] == trade_json(result.trades[0])


def test_a_funding_stamped_a_little_late_is_paid_by_the_trade_that_stood_then():
    # The exit is decided at the close before the funding and executes at the open that it is due at.
    closes = [90, 101, 101, 80, 95]
    for late_ms in (0, 3, 2_000):
        funding = FundingSeries(
            np.array([START_MS, START_MS + 4 * HOUR_MS + late_ms]), np.array([0.01, 0.01])
        )
        (trade,) = run(candles_of(closes), funding=funding).trades
        assert trade.reason is ExitReason.SIGNAL
        assert float(trade.funding) == pytest.approx(0.01 * 95 * float(trade.amount)), late_ms


def test_a_payment_is_never_more_than_the_position_is_worth():
    # At leverage 50 the margin is 2 % of the position and the payment 5 %.
    rates = FundingSeries(START_MS + np.arange(6, dtype=np.int64) * HOUR_MS, np.array([0, 0, 0, 0.05, 0, 0]))
    result = run(
        candles_of([90, 101, 101, 101, 101, 101]),
        funding=rates,
        settings=BacktestSettings(leverage=Decimal(50)),
    )
    trade = result.trades[0]
    margin = float(trade.amount) * 101 / 50
    assert trade.reason is ExitReason.LIQUIDATION
    assert float(trade.funding) == pytest.approx(margin)
    assert float(trade.gross_pnl) == pytest.approx(0.0)
    assert float(trade.pnl) == pytest.approx(-margin)


@pytest.mark.parametrize("seed", range(60))
def test_gross_loss_and_funding_together_are_never_more_than_the_margin(seed):
    random = np.random.default_rng(seed)
    candles = random_candles(seed, 300, 0.01)
    times = np.arange(candles.time_ms[0], candles.time_ms[-1], 5_400_000, dtype=np.int64)
    funding = FundingSeries(times, random.uniform(-0.05, 0.05, len(times)))
    leverage = int(random.choice([1, 3, 10, 50]))
    text = PLAIN.replace("close > 100", "close > sma(3)").replace("close < 90", "close < sma(5)")
    if seed % 2:
        text = text.replace("long", "short")
    result = run(
        candles, spec_of(text), funding=funding, settings=BacktestSettings(leverage=Decimal(leverage)),
        costs=Costs.of_market(DEFAULT_MARKET, slippage_bps=Decimal(2)),
    )  # fmt: skip
    assert result.trades
    for trade in result.trades:
        margin = float(trade.amount * trade.entry_price) / leverage
        best = float(trade.favourable_excursion * trade.amount)
        assert float(trade.gross_pnl - trade.funding) >= -margin * (1 + 1e-9)
        assert float(trade.funding) <= (margin + best) * (1 + 1e-9)
        assert trade.pnl == pytest.approx(trade.gross_pnl - trade.fees - trade.funding, abs=Decimal("1e-9"))
    metrics = result.metrics
    gross = float(sum(trade.gross_pnl for trade in result.trades))
    assert metrics.net_pnl == pytest.approx(gross - metrics.fees - metrics.funding, abs=1e-6)
    assert result.equity[-1] == pytest.approx(10_000 + metrics.net_pnl, abs=1e-6)


def test_no_trade_gives_nulls():
    result = run(candles_of([90, 91, 92]))
    metrics = metrics_json(result.metrics)
    assert metrics["sharpe"] is metrics["win_rate"] is metrics["profit_factor"] is None
    assert result.equity.tolist() == [10_000.0] * 3


def test_settings_hold_the_markets_numbers():
    market = Market(
        amount_step=Decimal("0.05"), tick=Decimal("2.5"), minimum_amount=Decimal("0.12"), price_figures=5
    )
    core = build_settings(
        SAMPLE, market=market, costs=Costs(Decimal("4.5"), Decimal("1.5"), Decimal(2), Decimal(8)),
        capital=Decimal(500), leverage=Decimal(3),
    )  # fmt: skip
    assert (core.step_units, core.step_scale, core.minimum_steps) == (5.0, 100.0, 3)
    assert (core.tick_units, core.tick_scale, core.price_figures) == (25.0, 10.0, 5)
    assert (core.taker_fee, core.maker_fee, core.slippage, core.half_spread) == (45e-5, 15e-5, 2e-4, 4e-4)
    assert (core.capital, core.leverage, core.cooldown_bars, core.stop_trails) == (500.0, 3.0, 3, 1)
    for reason in ExitReason:
        assert exit_reason(reason_code(reason)) is reason


def test_a_chain_is_checked_where_it_meets_the_algorithm():
    link = {"after": ["stop_loss"], "within_bars": 3}
    long_chain = ResetSettings.model_validate({"follow_up": [link] * 9})
    with pytest.raises(WrongUseError, match="9 links, at most 8"):
        run(candles_of([90, 101]), settings=BacktestSettings(reset=long_chain))
    opposite = ResetSettings.model_validate({"follow_up": [link | {"side": "opposite"}]})
    with pytest.raises(WrongUseError, match="opposite"):
        run(candles_of([90, 101]), settings=BacktestSettings(reset=opposite))


def test_real_candles_with_their_funding():
    candles = read_candles(shared_data("hyperliquid_BTCUSDC_perp_1h")).candles
    funding = read_funding(shared_data("hyperliquid_BTCUSDC_perp_1h_funding"))
    free = simulate(SAMPLE, candles, market=DEFAULT_MARKET, costs=COSTS)
    paid = simulate(SAMPLE, candles, market=DEFAULT_MARKET, costs=COSTS, funding=funding)
    assert paid.metrics.total_trades == free.metrics.total_trades > 40
    assert paid.metrics.funding != 0.0
    assert paid.equity[-1] == pytest.approx(10_000 + paid.metrics.net_pnl)
    for result in (free, paid):
        total = sum(trade.gross_pnl - trade.fees - trade.funding for trade in result.trades)
        assert float(total) == pytest.approx(result.metrics.net_pnl)


def test_a_backtest_imports_nothing_heavy():
    code = (
        "import sys, firstwatch.backtest.result_json; "
        "print([name for name in ('pandas', 'polars', 'scipy', 'sqlmodel', 'sqlalchemy', 'ccxt', 'numba', "
        "'textual', 'asyncio') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_another_capital_scales_nothing_but_money():
    candles = generated_candles(5, 1500)
    small = simulate(SAMPLE, candles, market=DEFAULT_MARKET, costs=COSTS)
    large = simulate(
        SAMPLE, candles, market=DEFAULT_MARKET, costs=COSTS,
        settings=replace(BacktestSettings(), capital=Decimal(1_000_000)),
    )  # fmt: skip
    assert [(t.entry_time_ms, t.reason) for t in small.trades] == [
        (t.entry_time_ms, t.reason) for t in large.trades
    ]
    assert large.metrics.total_return == pytest.approx(small.metrics.total_return, rel=1e-4)
