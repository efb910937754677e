"""Metrics of a run beside those of its baseline, computed by the same function."""

from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from firstwatch.backtest.metrics import ANNUALISED, RATIO_DAYS, Metrics, compute_metrics, count_days
from firstwatch.backtest.record import TradeRecord
from firstwatch.manager.views import MetricView
from firstwatch.store.backtests import Backtest
from firstwatch.store.curves import EquityCurve
from firstwatch.trading.market import Market
from firstwatch.trading.trade import Trade


def metrics_of_run(trades: Sequence[Trade], curve: EquityCurve, capital: Decimal, market: Market) -> Metrics:
    """Return the metrics of a run's closed trades and marked equity (quote), as a backtest computes them."""
    return compute_metrics(
        [TradeRecord.of_trade(trade, market) for trade in trades],
        curve.time_ms,
        curve.equity,
        float(capital),
        slippage=float(sum((_slippage(trade) for trade in trades), Decimal(0))),
    )


def compare_with_baseline(
    metrics: Metrics, curve: EquityCurve, baseline: Backtest | None
) -> tuple[MetricView, ...]:
    """Return every metric that is a single number, of the run and of its baseline."""
    needed = ANNUALISED if count_days(curve.time_ms) < RATIO_DAYS else ()
    promised: dict[str, Any] = {} if baseline is None else baseline.metrics
    return tuple(
        MetricView(name, value, promised.get(name), needs_days=RATIO_DAYS if name in needed else 0)
        for name, value in asdict(metrics).items()
        if not isinstance(value, dict)
    )


def _slippage(trade: Trade) -> Decimal:
    """Return the cost of the fills against the expected prices, in quote; unknown prices count as 0."""
    worse = Decimal(0)
    if trade.expected_entry_price is not None:
        worse += (trade.entry_price - trade.expected_entry_price) * trade.side.sign
    if trade.expected_exit_price is not None:
        worse += (trade.expected_exit_price - trade.exit_price) * trade.side.sign
    return worse * trade.amount
