"""The figures of a run beside those of its baseline, by one function for both."""

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
    """Return the metrics of a run's closed trades and marked equity, as a backtest's are made."""
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
    """Return every metric of a run that is one number, live and of the baseline."""
    needed = ANNUALISED if count_days(curve.time_ms) < RATIO_DAYS else ()
    promised: dict[str, Any] = {} if baseline is None else baseline.metrics
    return tuple(
        MetricView(name, value, promised.get(name), needs_days=RATIO_DAYS if name in needed else 0)
        for name, value in asdict(metrics).items()
        if not isinstance(value, dict)
    )


def _slippage(trade: Trade) -> Decimal:
    """What the fills cost against the prices that were expected, in quote; unknown ones count nothing."""
    worse = Decimal(0)
    if trade.expected_entry_price is not None:
        worse += (trade.entry_price - trade.expected_entry_price) * trade.side.sign
    if trade.expected_exit_price is not None:
        worse += (trade.expected_exit_price - trade.exit_price) * trade.side.sign
    return worse * trade.amount
