"""Equity curves and backtest trades as packed bytes, which read a thousand times faster than rows."""

import io
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstwatch.store.types import canonical
from firstwatch.trading.orders import Side
from firstwatch.trading.runs import ExitReason
from firstwatch.trading.trade import Trade

_POINT = np.dtype([("time_ms", "<i8"), ("equity", "<f8")])
_TRADE_FIELDS = tuple(field.name for field in fields(Trade))
_PLAIN_FIELDS = frozenset({"side", "entry_time_ms", "exit_time_ms", "reason", "bars_held"})


@dataclass(frozen=True, slots=True, eq=False)
class EquityCurve:
    """Equity in quote at bar times: ``time_ms`` int64, ``equity`` float64, same length."""

    time_ms: NDArray[np.int64]
    equity: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.time_ms)


def pack_curve(curve: EquityCurve) -> bytes:
    """Return the curve as the bytes of one ``.npy`` array."""
    points = np.empty(len(curve), dtype=_POINT)
    points["time_ms"] = curve.time_ms
    points["equity"] = curve.equity
    file = io.BytesIO()
    np.save(file, points, allow_pickle=False)
    return file.getvalue()


def unpack_curve(packed: bytes) -> EquityCurve:
    """Return the curve that ``pack_curve`` packed."""
    points = np.load(io.BytesIO(packed), allow_pickle=False)
    return EquityCurve(np.ascontiguousarray(points["time_ms"]), np.ascontiguousarray(points["equity"]))


def pack_trades(trades: Sequence[Trade]) -> bytes:
    """Return trades as compressed JSON: the field names once, then one row per trade."""
    rows = [[_plain(getattr(trade, name)) for name in _TRADE_FIELDS] for trade in trades]
    return zlib.compress(json.dumps({"fields": _TRADE_FIELDS, "rows": rows}).encode())


def unpack_trades(packed: bytes) -> list[Trade]:
    """Return the trades that ``pack_trades`` packed."""
    document = json.loads(zlib.decompress(packed))
    return [trade_of(dict(zip(document["fields"], row, strict=True))) for row in document["rows"]]


def trade_of(values: dict[str, Any]) -> Trade:
    """Return a trade from its fields; money may be text or Decimal."""
    typed: dict[str, Any] = {
        name: value if name in _PLAIN_FIELDS or value is None else Decimal(value)
        for name, value in values.items()
    }
    typed["side"] = Side(values["side"])
    typed["reason"] = ExitReason(values["reason"])
    return Trade(**typed)


def _plain(value: Any) -> Any:
    return canonical(value) if isinstance(value, Decimal) else value
