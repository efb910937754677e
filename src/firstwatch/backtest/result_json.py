"""The one object that ``firstwatch backtest --json`` prints, and the shapes that runs share with it."""

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstwatch.backtest.metrics import Metrics, about
from firstwatch.backtest.review import Review, review_json
from firstwatch.backtest.simulate import BacktestResult
from firstwatch.trading.clock import iso
from firstwatch.trading.notes import Note
from firstwatch.trading.trade import Trade


def to_json(result: BacktestResult, found: Review, settings: dict[str, Any]) -> dict[str, Any]:
    """Return metrics, what they mean or need, notes, trades, equity, bars, seconds, review and settings.

    ``settings``: those of ``comparison``. Times are ISO 8601 UTC, undefined ratios None.
    """
    return {
        "metrics": metrics_json(result.metrics),
        "about_metrics": about(result.metrics),
        "notes": [note_json(note) for note in result.notes],
        "trades": [trade_json(trade) for trade in result.trades],
        "equity": equity_json(result.time_ms, result.equity),
        "bars": result.bars,
        "seconds": result.seconds,
        "review": review_json(found, result.time_ms),
        "settings": settings,
    }


def note_json(note: Note) -> dict[str, Any]:
    """Return the four fields of a note; ``first_at`` is None where it holds for the whole test."""
    return {
        "code": note.code.value,
        "count": note.count,
        "first_at": None if note.first_ms is None else iso(note.first_ms),
        "sentence": note.sentence,
    }


def metrics_json(metrics: Metrics) -> dict[str, Any]:
    """Return the metrics by name; exit reasons as name and count."""
    return asdict(metrics) | {
        "exit_reasons": {reason.value: count for reason, count in metrics.exit_reasons.items()}
    }


def trade_json(trade: Trade) -> dict[str, Any]:
    """Return the ten fields of a trade, money as numbers."""
    return {
        "side": trade.side.value,
        "entry_time": iso(trade.entry_time_ms),
        "entry_price": float(trade.entry_price),
        "exit_time": iso(trade.exit_time_ms),
        "exit_price": float(trade.exit_price),
        "amount": float(trade.amount),
        "pnl": float(trade.pnl),
        "fees": float(trade.fees),
        "funding": float(trade.funding),
        "reason": trade.reason.value,
    }


def equity_json(time_ms: NDArray[np.int64], equity: NDArray[np.float64]) -> list[tuple[str, float]]:
    """Return (time, equity) per bar; JSON writes each as a list."""
    if (time_ms % 1000).any():
        times = [iso(moment) for moment in time_ms.tolist()]
    else:
        # The same text as ``iso``, a tenth of the time: bars open on whole seconds.
        seconds = np.datetime_as_string(time_ms.astype("datetime64[ms]"), unit="s")
        times = [f"{moment}Z" for moment in seconds.tolist()]
    return list(zip(times, equity.tolist(), strict=True))
