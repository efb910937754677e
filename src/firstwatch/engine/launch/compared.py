"""Turns a stored backtest or cross-validation into what a launch or a run is compared with."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter

from firstwatch.backtest.baseline import settings_of
from firstwatch.engine.launch.facts import COMPARED, Baseline, CrossValidated, LaunchFacts
from firstwatch.engine.launch.outcome import differences
from firstwatch.store.analyses import Analysis
from firstwatch.store.backtests import Backtest
from firstwatch.store.rows import row
from firstwatch.strategy.core_settings import CORE_VERSION
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.launch import LaunchSettings, SettingDifference
from firstwatch.trading.market import Market


def differences_of_run(
    settings: LaunchSettings, spec: AlgorithmSpec, market: Market, found: Backtest | None
) -> tuple[SettingDifference, ...] | None:
    """Return the relevant differences of a run's settings and fees to its baseline; None: it has none.

    Raises:
        DamagedRowError: the baseline cannot be read.
    """
    if found is None:
        return None
    return differences(LaunchFacts(settings, 0.0, spec=spec, market=market, baseline=baseline_of(found)))


def baseline_of(found: Backtest) -> Baseline:
    """Return a stored backtest as the baseline that the checks compare a launch with.

    Raises:
        DamagedRowError: it cannot be read.
    """
    metrics = found.metrics
    with row(f"backtest {found.id}"):
        costs = json.loads(found.costs_json)
        return Baseline(
            start_ms=found.start_ms,
            end_ms=found.end_ms,
            sharpe=metrics.get("sharpe"),
            max_drawdown=metrics.get("max_drawdown"),
            settings=_launch_values(json.loads(found.settings_json)),
            taker_fee_bps=_decimal(costs.get("taker_fee_bps")),
            maker_fee_bps=_decimal(costs.get("maker_fee_bps")),
        )


def cross_validated_of(found: Analysis) -> CrossValidated:
    """Return a stored cross-validation as the checks look at it.

    Raises:
        DamagedRowError: it cannot be read.
    """
    result = found.result
    with row(f"analysis {found.id}"):
        passed = result["passed"]
        if passed not in (True, False, None):
            raise ValueError("passed is no verdict")
        return CrossValidated(
            start_ms=found.start_ms,
            end_ms=found.end_ms,
            passed=passed,
            rule=str(result["rule"]),
            leverage=settings_of(found.settings_json).leverage,
            is_old=found.core_version != CORE_VERSION,
        )


def _launch_values(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stored settings as the types that ``LaunchSettings`` gives them."""
    fields = LaunchSettings.model_fields
    values: dict[str, Any] = {}
    for name in COMPARED:
        if name not in stored:
            continue
        value = stored[name]
        if value is None and not fields[name].is_required():
            values[name] = fields[name].get_default()
        else:
            kind: Any = fields[name].annotation
            values[name] = TypeAdapter(kind).validate_python(value)
    return values


def _decimal(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))
