"""Saving a backtest as the baseline of its algorithm's version."""

import json

from firstwatch.backtest.result_json import metrics_json
from firstwatch.backtest.simulate import BacktestResult, BacktestSettings
from firstwatch.store.algorithms import AlgorithmVersion, add_version
from firstwatch.store.backtests import add_backtest
from firstwatch.store.curves import EquityCurve
from firstwatch.store.database import Store
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.market import Market


def save_baseline(
    store: Store,
    spec: AlgorithmSpec,
    result: BacktestResult,
    *,
    market: Market,
    costs: Costs,
    settings: BacktestSettings,
) -> AlgorithmVersion:
    """Save the version, if it is new, and the backtest; return the version.

    Raises:
        StoreError: the store cannot be written; nothing is saved.
    """
    now_ms = SystemClock().now_ms()
    with store.write() as session:
        version = add_version(session, spec.name, spec.canonical_json(), spec.sha256(), now_ms=now_ms)
        add_backtest(
            session,
            version_id=version.id,
            symbol=spec.symbol or market.symbol,
            timeframe=spec.timeframe,
            costs_json=json.dumps(
                {
                    "taker_fee_bps": str(costs.taker_fee_bps),
                    "maker_fee_bps": str(costs.maker_fee_bps),
                    "slippage_bps": str(costs.slippage_bps),
                    "spread_bps": str(costs.spread_bps),
                }
            ),
            settings_json=json.dumps(_launch_fields(settings)),
            start_ms=int(result.time_ms[0]),
            end_ms=int(result.time_ms[-1]) + spec.timeframe.ms,
            bars=result.bars,
            metrics_json=json.dumps(metrics_json(result.metrics)),
            trades=result.trades,
            equity=EquityCurve(result.time_ms, result.equity),
            now_ms=now_ms,
        )
    return version


def _launch_fields(settings: BacktestSettings) -> dict[str, object]:
    """Return the settings by the field names of ``LaunchSettings``."""
    return {
        "capital": str(settings.capital),
        "leverage": str(settings.leverage),
        "trades_limit": settings.trades_limit,
        "assume_position_now": settings.assume_position_now,
        "close_position_on_exit": settings.close_position_on_exit,
        "session": settings.session.model_dump(mode="json"),
        "reset": None if settings.reset is None else settings.reset.model_dump(mode="json"),
        "guards": settings.guards.model_dump(mode="json"),
    }
