"""Two or more results side by side: their settings as one document each, and what differs in them."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from firstwatch.backtest.baseline import costs_json, settings_json
from firstwatch.backtest.settings import BacktestSettings
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.clock import iso
from firstwatch.trading.market import Market
from firstwatch.trading.numbers import decimal_of, plain


def settings_document(
    spec: AlgorithmSpec,
    *,
    market: Market,
    costs: Costs,
    settings: BacktestSettings,
    candles: str,
    start_ms: int,
    end_ms: int,
) -> dict[str, Any]:
    """Return everything that a result depends on, as plain values; money and fees as decimal text.

    ``candles``: the fingerprint of those that were used. ``start_ms``: the first bar that was decided,
    ``end_ms``: the end of the last one.
    """
    return {
        "algorithm": spec.document(),
        "market": _plain(json.loads(market.model_dump_json(exclude={"taker_fee_bps", "maker_fee_bps"}))),
        "candles": candles,
        "from": iso(start_ms),
        "to": iso(end_ms),
        "costs": _plain(json.loads(costs_json(costs))),
        "settings": _plain(json.loads(settings_json(settings))),
    }


def differences(documents: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the settings that are not the same in all documents, with each document's value.

    ``setting``: its keys, as ``algorithm.entry.long.required[0]``. A value is None where a document has none.
    """
    flat = [dict(_flat(document)) for document in documents]
    names = dict.fromkeys(name for each in flat for name in each)
    rows = ((name, [each.get(name) for each in flat]) for name in names)
    return [
        {"setting": name, "values": values}
        for name, values in rows
        if any(value != values[0] for value in values)
    ]


def _plain(value: Any) -> Any:
    """Return a value in which equal numbers have one text."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, str):
        try:
            return plain(decimal_of(value))
        except ValueError:
            return value
    return value


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _flat(inner, f"{name}[{number}]")
    else:
        yield name, value
