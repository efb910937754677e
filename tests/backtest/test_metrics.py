"""Metrics against a table frozen from empyrical-reloaded, and by hand."""

import json
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from firstwatch.backtest.metrics import about, compute_metrics, daily_returns
from firstwatch.backtest.record import TradeRecord
from firstwatch.trading.market import Market
from firstwatch.trading.runs import ExitReason
from tests.backtest.curves import CAPITAL, CURVES

DAY_MS = 86_400_000
TABLE = Path(__file__).with_name("metrics_table.json")
UNDEFINED = (
    "win_rate",
    "profit_factor",
    "expectancy",
    "sharpe",
    "sortino",
    "calmar",
    "average_trade",
    "average_win",
    "average_loss",
    "largest_win",
    "largest_loss",
    "average_bars",
)
TIMES = np.arange(4, dtype=np.int64) * DAY_MS // 2


def trade(pnl, *, side=1, fees=1.0, funding=0.0, reason=ExitReason.SIGNAL, bars=2):
    return TradeRecord(
        side,
        0,
        100.0,
        1,
        100.0,
        10,
        pnl + fees + funding,
        fees,
        funding,
        pnl,
        reason,
        bars,
        0.0,
        0.0,
        100.0,
        100.0,
    )


def measured(trades, equity, times=TIMES):
    return compute_metrics(trades, times[: len(equity)], np.array(equity), 100.0, slippage=0.5)


@pytest.mark.parametrize("name", CURVES)
def test_ratios_equal_the_frozen_table(name):
    table = json.loads(TABLE.read_text(encoding="utf-8"))[name]
    time_ms, equity = CURVES[name]()
    metrics = compute_metrics([], time_ms, equity, CAPITAL, slippage=0.0)
    for figure in ("sharpe", "sortino", "calmar", "max_drawdown", "total_return"):
        assert getattr(metrics, figure) == pytest.approx(table[figure], rel=1e-9), figure
    assert len(daily_returns(time_ms, equity, CAPITAL)) == table["days"]


def test_counts_and_sums_of_trades():
    trades = [
        trade(10.0, reason=ExitReason.TAKE_PROFIT, bars=3),
        trade(-4.0, side=-1, reason=ExitReason.STOP_LOSS, funding=0.25),
        trade(0.0, bars=1),
        trade(2.0, side=-1, fees=-0.5),
    ]
    metrics = measured(trades, [110.0, 106.0, 106.0, 108.0] * 3, np.arange(12, dtype=np.int64) * 1000)
    assert (metrics.total_trades, metrics.winning_trades, metrics.losing_trades) == (4, 2, 1)
    assert metrics.win_rate == 0.5
    assert metrics.profit_factor == 3.0
    assert metrics.expectancy == metrics.average_trade == metrics.net_pnl / 4 == 2.0
    assert (metrics.average_win, metrics.average_loss) == (6.0, -4.0)
    assert (metrics.largest_win, metrics.largest_loss) == (10.0, -4.0)
    assert (metrics.average_bars, metrics.exposure) == (2.0, 8 / 12)
    assert (metrics.fees, metrics.funding, metrics.slippage) == (2.5, 0.25, 0.5)
    assert (metrics.long_trades, metrics.short_trades) == (2, 2)
    assert metrics.exit_reasons == {
        ExitReason.SIGNAL: 2,
        ExitReason.STOP_LOSS: 1,
        ExitReason.TAKE_PROFIT: 1,
    }


def test_drawdown_begins_at_the_capital_and_counts_bars_below_a_peak():
    metrics = measured([], [90.0, 120.0, 110.0, 115.0])
    assert metrics.max_drawdown == 0.1
    assert metrics.max_drawdown_usd == 10.0
    assert metrics.max_drawdown_bars == 2
    assert metrics.total_return == pytest.approx(0.15)
    assert measured([], [101.0, 102.0]).max_drawdown_bars == 0


def test_what_is_not_defined_is_none():
    metrics = measured([], [100.0, 100.0, 100.0, 100.0])
    for name in UNDEFINED:
        assert getattr(metrics, name) is None, name
    assert metrics.exposure == metrics.max_drawdown == metrics.net_pnl == 0.0
    assert measured([], []).sharpe is None, "a run that has not closed a bar yet"
    assert measured([trade(1.0)], [101.0]).profit_factor is None, "no loss to divide by"


def test_a_ruined_account_has_returns_up_to_its_last_day():
    returns = daily_returns(TIMES, np.array([50.0, 50.0, -10.0, 5.0]), 100.0)
    assert returns.tolist() == [-0.5, -0.9]
    returns = daily_returns(TIMES, np.array([50.0, 50.0, 5.0, -1.0]), 100.0)
    assert returns.tolist() == [-0.5, -1.0]
    month = np.arange(40, dtype=np.int64) * DAY_MS
    assert measured([], [50.0] * 39 + [-1.0], month).calmar == -1.0


@pytest.mark.parametrize("days", [1, 2, 29, 30, 31])
def test_annualised_ratios_need_thirty_days(days):
    """Forty minutes of losing had a Calmar of -296."""
    bars = days * 24
    equity = 100.0 - np.cumsum(np.random.default_rng(1).random(bars) - 0.4) / 10
    metrics = measured([], equity, np.arange(bars, dtype=np.int64) * DAY_MS // 24)
    for name in ("sharpe", "sortino", "calmar"):
        assert (getattr(metrics, name) is None) == (days < 30), name
        assert ("30 days" in about(metrics).get(name, "")) == (days < 30)


@pytest.mark.parametrize("last", [1e300, 1.7e308, 1e-300, 5e-324, -1e300, np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("bars", [1, 3, 40])
@pytest.mark.parametrize("capital", [1e-6, 100.0, 1e15])
def test_nothing_but_finite_numbers_or_none_leaves(last, bars, capital):
    equity = np.array([100.0] * (bars - 1) + [last])
    trades = [trade(last, fees=1e308), trade(-1e308, fees=1e308), trade(1e308)]
    metrics = compute_metrics(
        trades, np.arange(bars, dtype=np.int64) * DAY_MS, equity, capital, slippage=last
    )
    for name, value in asdict(metrics).items():
        assert isinstance(value, dict) or value is None or np.isfinite(value), name


def test_a_record_and_a_trade_are_the_same_trade():
    market = Market(amount_step=Decimal("0.001"))
    record = TradeRecord(
        -1,
        5,
        100.125,
        9,
        99.5,
        1500,
        0.9375,
        0.1,
        -0.05,
        0.8875,
        ExitReason.SESSION,
        4,
        1.5,
        2.5,
        100.0,
        99.0,
    )
    assert record.to_trade(market).amount == Decimal("1.500")
    assert TradeRecord.of_trade(record.to_trade(market), market) == record
