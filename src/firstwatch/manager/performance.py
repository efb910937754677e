"""Where a run has won and lost: its trades by day, hour, side and exit reason."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from firstwatch.manager.run_views import PartView
from firstwatch.trading.clock import iso
from firstwatch.trading.launch_words import EXIT_WORDS
from firstwatch.trading.trade import Trade
from firstwatch.trading.verdicts import DAY_MS

_HOUR_MS = 3_600_000


def performance(trades: Sequence[Trade]) -> tuple[PartView, ...]:
    """Return the parts in the order shown; hours and days (newest first) are those of the exits, UTC."""
    return (
        *_parts("side", trades, lambda trade: trade.side.value),
        *_parts("exit", trades, lambda trade: EXIT_WORDS[trade.reason]),
        *_parts("hour", trades, lambda trade: f"{trade.exit_time_ms % DAY_MS // _HOUR_MS:02}"),
        *reversed(_parts("day", trades, lambda trade: iso(trade.exit_time_ms)[:10])),
    )


def _parts(group: str, trades: Sequence[Trade], name_of: Callable[[Trade], str]) -> list[PartView]:
    parts: dict[str, list[Trade]] = {}
    for trade in trades:
        parts.setdefault(name_of(trade), []).append(trade)
    return [
        PartView(
            group=group,
            name=name,
            trades=len(parts[name]),
            won=sum(trade.pnl > 0 for trade in parts[name]),
            pnl=sum((trade.pnl for trade in parts[name]), Decimal(0)),
            value=sum((trade.entry_price * trade.amount for trade in parts[name]), Decimal(0)),
        )
        for name in sorted(parts)
    ]
