"""Inputs of a baseline: its costs and settings as stored texts, and the key by which it is reused."""

import hashlib
import json
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter

from firstwatch.backtest.settings import BacktestSettings
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.limit_fills import THROUGH, LimitFills
from firstwatch.trading.market import Market
from firstwatch.trading.numbers import plain

_COSTS = ("taker_fee_bps", "maker_fee_bps", "slippage_bps", "spread_bps")
_LIMIT_FILLS = "limit_fills"
_SETTINGS: TypeAdapter[BacktestSettings] = TypeAdapter(BacktestSettings)
_SHARED = tuple(BacktestSettings.__dataclass_fields__)


def baseline_key(
    spec: AlgorithmSpec,
    *,
    symbol: str,
    candles: str,
    start_ms: int,
    market: Market,
    costs: Costs,
    settings: BacktestSettings,
    core_version: int,
) -> str:
    """Return the SHA-256 (hex) of all inputs of a baseline; equal keys mean equal trades and equity.

    ``candles``: their fingerprint. ``start_ms``: the first bar that was decided. A reset equal to the
    version's own counts as none.
    """
    in_force = settings.reset or spec.reset
    parts = {
        "algorithm": spec.sha256(),
        "core_version": core_version,
        "symbol": symbol,
        "timeframe": spec.timeframe.value,
        "candles": candles,
        "start_ms": start_ms,
        "market": _numbers_plain(market.model_dump()),
        "costs": _numbers_plain({name: getattr(costs, name) for name in _COSTS}) | _rule_of(costs),
        "settings": _numbers_plain(_SETTINGS.dump_python(settings) | {"reset": in_force.model_dump()}),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def settings_of_run(launch: LaunchSettings) -> BacktestSettings:
    """Return the settings of a launch that apply to a backtest."""
    return BacktestSettings(**{name: getattr(launch, name) for name in _SHARED})


def costs_json(costs: Costs) -> str:
    """Return the costs as the store keeps them: basis points by name, as text, and a rule for limits."""
    return json.dumps({name: str(getattr(costs, name)) for name in _COSTS} | _rule_of(costs))


def _rule_of(costs: Costs) -> dict[str, str]:
    """Return the rule for limits, if it is not the one that stores and keys without one are of."""
    return {} if costs.limit_fills == THROUGH else {_LIMIT_FILLS: str(costs.limit_fills)}


def costs_of(text: str) -> Costs:
    """Return stored costs; those that an old version did not store are zero.

    Raises:
        ValueError: the text is damaged.
    """
    stored: dict[str, Any] = json.loads(text)
    rule = LimitFills.parse(str(stored.get(_LIMIT_FILLS, THROUGH)))
    return Costs(**{name: Decimal(str(stored.get(name, 0))) for name in _COSTS}, limit_fills=rule)


def settings_json(settings: BacktestSettings) -> str:
    """Return the settings as the store keeps them, by the field names of ``LaunchSettings``."""
    return _SETTINGS.dump_json(settings).decode()


def settings_of(text: str) -> BacktestSettings:
    """Return stored settings; those that an old version did not store have their default.

    Raises:
        ValueError: the text is damaged.
    """
    return _SETTINGS.validate_json(text)


def _numbers_plain(value: Any) -> Any:
    """Return a value for JSON in which equal decimals have one text."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, dict):
        return {name: _numbers_plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_numbers_plain(each) for each in value]
    return value
