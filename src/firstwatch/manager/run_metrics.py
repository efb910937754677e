"""Metrics of a run beside those of its baseline over the same time, computed by the same functions."""

from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

import numpy as np

from firstwatch.backtest.metrics import ANNUALISED, RATIO_DAYS, Metrics, compute_metrics, count_days
from firstwatch.backtest.record import TradeRecord
from firstwatch.manager.run_views import Expected, MetricView
from firstwatch.manager.same_time import BaselineData, TradeArrays
from firstwatch.store.backtests import Backtest
from firstwatch.store.curves import EquityCurve
from firstwatch.trading.market import Market
from firstwatch.trading.trade import Trade

_FEW, _SOME = 10, 30
NEEDS_TRADES = {
    "win_rate": _FEW,
    "average_bars": _FEW,
    "average_trade_bps": _FEW,
    "average_win_bps": _FEW,
    "average_loss_bps": _FEW,
    "profit_factor": _SOME,
}
"""Fewest trades for a metric of a run: with fewer it is chance."""
_SHARES = ("win_rate", "profit_factor", "average_bars", "exposure", *ANNUALISED)
"""Metrics of the whole backtest that compare with a run of any length."""
_BPS = 10_000


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
    metrics: Metrics,
    trades: Sequence[Trade],
    curve: EquityCurve,
    capital: Decimal,
    *,
    baseline: Backtest | None = None,
    tested: BaselineData | None = None,
    expected: dict[str, Expected] | None = None,
) -> tuple[MetricView, ...]:
    """Return every metric that is a single number, of the run and of its baseline.

    ``expected``: metrics of the baseline over the same time, as shares of equity, if they may be compared.
    """
    live = TradeArrays.of(trades)
    figures: dict[str, float | None] = {
        name: value for name, value in asdict(metrics).items() if not isinstance(value, dict)
    }
    figures |= _per_trade(live)
    promised: dict[str, Any] = {} if baseline is None else baseline.metrics
    whole: dict[str, float | None] = {name: promised.get(name) for name in _SHARES}
    if tested is not None:
        whole |= _per_trade(tested.trades) | _at_its_rates(live, tested.trades, promised.get("slippage"))
    bands = dict(expected or {})
    if "net_pnl" in bands:
        bands["net_pnl"] = bands["net_pnl"].scaled(float(capital))
    missing_days = max(0, RATIO_DAYS - count_days(curve.time_ms))
    found = []
    for name, value in figures.items():
        days = missing_days if name in ANNUALISED else 0
        missing = max(0, NEEDS_TRADES.get(name, 0) - len(trades))
        is_known = not days and not missing
        band = bands.get(name)
        found.append(
            MetricView(
                name,
                value if is_known else None,
                whole.get(name) if band is None else band.median,
                band,
                needs_days=days,
                needs_trades=missing,
            )
        )
    return tuple(found)


def _per_trade(trades: TradeArrays) -> dict[str, float | None]:
    """Return averages of trades in basis points of their entry value: they do not depend on capital."""
    sound = trades.value > 0
    made = trades.pnl[sound] / trades.value[sound] * _BPS
    parts = {
        "average_trade_bps": made,
        "average_win_bps": made[made > 0],
        "average_loss_bps": made[made < 0],
    }
    return {name: float(values.mean()) if len(values) else None for name, values in parts.items()}


def _at_its_rates(live: TradeArrays, tested: TradeArrays, slippage: float | None) -> dict[str, float | None]:
    """Return what the run's own trades would cost at the baseline's rates, in quote."""
    value, held = float(tested.value.sum()), float((tested.value * tested.bars).sum())
    turned = float(live.value.sum())
    return {
        "fees": _rated(float(tested.fees.sum()), value, turned),
        "slippage": None if slippage is None else _rated(slippage, value, turned),
        "funding": _rated(float(tested.funding.sum()), held, float(np.sum(live.value * live.bars))),
    }


def _rated(cost: float, over: float, of: float) -> float | None:
    return cost / over * of if over > 0 else None


def _slippage(trade: Trade) -> Decimal:
    """Return the cost of the fills against the expected prices, in quote; unknown prices count as 0."""
    worse = Decimal(0)
    if trade.expected_entry_price is not None:
        worse += (trade.entry_price - trade.expected_entry_price) * trade.side.sign
    if trade.expected_exit_price is not None:
        worse += (trade.expected_exit_price - trade.exit_price) * trade.side.sign
    return worse * trade.amount
