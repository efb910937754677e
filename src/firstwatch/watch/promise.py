"""Expectations from a baseline other than its days: prices of fills, costs, and the edge (daily returns)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firstwatch.backtest.baseline import costs_of, settings_of
from firstwatch.backtest.metrics import daily_returns
from firstwatch.backtest.record import TradeRecord
from firstwatch.store.backtests import Backtest, equity_of_backtest, trades_of_backtest
from firstwatch.store.database import Session
from firstwatch.store.rows import row
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.specification import AlgorithmSpec, EntryKind
from firstwatch.trading.market import Market
from firstwatch.watch.costs import funding_of_trades
from firstwatch.watch.fill_prices import Expectation, expectation


@dataclass(frozen=True, slots=True, eq=False)
class Promise:
    """Expectations from a baseline, read once for a run."""

    fills: Expectation
    costs: Costs
    funding_bps: float
    daily_returns: NDArray[np.float64]


def read_promise(
    session: Session, found: Backtest, spec: AlgorithmSpec, market: Market, *, noise_bps: float
) -> Promise:
    """Return the expectations from a stored backtest.

    Raises:
        DamagedRowError: it cannot be read.
    """
    with row(f"backtest {found.id}"):
        costs = costs_of(found.costs_json)
        trades = [TradeRecord.of_trade(trade, market) for trade in trades_of_backtest(session, found.id)]
        curve = equity_of_backtest(session, found.id)
        capital = float(settings_of(found.settings_json).capital)
        returns = daily_returns(curve.time_ms, curve.equity, capital)
    return Promise(
        fills=expectation(
            trades,
            has_limit_entries=spec.order.kind is EntryKind.LIMIT,
            taker_bps=float(costs.slippage_bps + costs.spread_bps / 2),
            least_noise_bps=noise_bps,
        ),
        costs=costs,
        funding_bps=funding_of_trades(trades, market),
        daily_returns=returns,
    )
