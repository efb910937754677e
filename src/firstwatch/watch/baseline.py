"""Baselines: saved with all inputs of their backtest, found again for a launch, called stale.

Rule 11 of ``firstwatch.watch``.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from firstwatch.backtest.baseline import (
    baseline_key,
    costs_json,
    costs_of,
    settings_json,
    settings_of,
    settings_of_run,
)
from firstwatch.backtest.settings import BacktestSettings
from firstwatch.market.packed import History, has_baseline_candles, keep_history, until
from firstwatch.store.algorithms import AlgorithmVersion, add_version
from firstwatch.store.backtests import Backtest, add_backtest, list_backtests
from firstwatch.store.curves import EquityCurve
from firstwatch.store.database import Session, Store
from firstwatch.strategy.core_settings import CORE_VERSION, Costs
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.market import Market

if TYPE_CHECKING:
    # Not at run time: a screen finds baselines and makes none.
    from firstwatch.backtest.simulate import BacktestResult

STALE_DAYS = 30
"""A baseline is stale this many days after its last candle: its error rate is proven for no longer."""
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved baseline and its algorithm version."""

    version: AlgorithmVersion
    backtest: Backtest


def save_baseline(
    store: Store,
    home: Path,
    spec: AlgorithmSpec,
    result: "BacktestResult",
    history: History,
    *,
    market: Market,
    costs: Costs,
    settings: BacktestSettings,
    now_ms: int,
) -> Saved:
    """Save the version, if it is new, and the backtest with its candles: those of ``history`` up to its end.

    Raises:
        StoreError: the data folder cannot be written; no baseline is saved.
    """
    from firstwatch.backtest.result_json import metrics_json

    end_ms = int(result.time_ms[-1]) + spec.timeframe.ms
    kept = keep_history(home, until(history, end_ms))
    with store.write() as session:
        version = add_version(session, spec.name, spec.canonical_json(), spec.sha256(), now_ms=now_ms)
        backtest = add_backtest(
            session,
            version_id=version.id,
            symbol=spec.symbol or market.symbol,
            timeframe=spec.timeframe,
            costs_json=costs_json(costs),
            settings_json=settings_json(settings),
            start_ms=int(result.time_ms[0]),
            end_ms=end_ms,
            bars=result.bars,
            metrics_json=json.dumps(metrics_json(result.metrics)),
            trades=result.trades,
            equity=EquityCurve(result.time_ms, result.equity),
            now_ms=now_ms,
            market_json=market.model_dump_json(),
            candles=kept,
            core_version=CORE_VERSION,
        )
    return Saved(version, backtest)


def key_of(found: Backtest, spec: AlgorithmSpec) -> str | None:
    """Return the key of a saved baseline; None: it was saved by a version that did not keep all of it."""
    if not found.candles:
        return None
    return baseline_key(
        spec,
        symbol=found.symbol,
        candles=found.candles,
        start_ms=found.start_ms,
        market=Market.model_validate_json(found.market_json),
        costs=costs_of(found.costs_json),
        settings=settings_of(found.settings_json),
        core_version=found.core_version,
    )


def find_by_key(session: Session, version_id: int, spec: AlgorithmSpec, key: str) -> Backtest | None:
    """Return the newest baseline of a version with that key."""
    return next((each for each in list_backtests(session, version_id) if key_of(each, spec) == key), None)


def baseline_of_launch(
    session: Session, version_id: int, spec: AlgorithmSpec, launch: LaunchSettings
) -> Backtest | None:
    """Return the baseline that a launch is compared with; None: there is none of its version and symbol.

    The newest that was made with the launch's settings, otherwise the newest.
    """
    wanted = settings_of_run(launch)
    known = [each for each in list_backtests(session, version_id) if each.symbol == launch.symbol]
    own = (each for each in known if same_settings(settings_of(each.settings_json), wanted, spec))
    return next(own, next(iter(known), None))


def same_settings(one: BacktestSettings, other: BacktestSettings, spec: AlgorithmSpec) -> bool:
    """Return whether both settings give the same backtest; a reset equal to the version's own is none."""
    mine, theirs = (replace(each, reset=each.reset or spec.reset) for each in (one, other))
    return mine == theirs


def stale_because(found: Backtest, home: Path, *, now_ms: int, market_ms: int | None = None) -> str:
    """Return why a baseline should be made anew, as a clause; empty: it is fresh.

    ``now_ms``: wall time. ``market_ms``: the venue's time, by which the age of its candles counts.
    """
    if not found.candles:
        return "it was saved by a version of the program that did not keep its candles"
    if found.core_version != CORE_VERSION:
        return (
            f"the program decides otherwise since (version {CORE_VERSION} of the decision core,"
            f" {found.core_version} then)"
        )
    if not has_baseline_candles(home, found.candles):
        return "its candles are no longer in the data folder"
    made = (now_ms - found.created_at_ms) // _DAY_MS
    if made > STALE_DAYS:
        return f"it was made {made} days ago, more than {STALE_DAYS}"
    ended = 0 if market_ms is None else (market_ms - found.end_ms) // _DAY_MS
    if ended > STALE_DAYS:
        return f"its candles end {ended} days ago, more than {STALE_DAYS}"
    return ""
