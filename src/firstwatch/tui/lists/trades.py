"""The closed trades of one run: decided and paid prices, PnL, reasons, and excursions (MFE and MAE)."""

from decimal import Decimal
from typing import TYPE_CHECKING

from firstwatch.trading.launch_words import EXIT_WORDS
from firstwatch.trading.trade import Trade
from firstwatch.tui import formats
from firstwatch.tui.lists import cells
from firstwatch.tui.widgets.table import Cell, Column, Line

if TYPE_CHECKING:
    # Not at run time: importing it would delay the first paint.
    from firstwatch.manager.run_views import RunDetails, TradeWhy

COLUMNS = (
    Column("#", 3, rank=4, is_number=True),
    Column("side", 5),
    Column("exited", 11),
    Column("entry", 10, rank=3, is_number=True),
    Column("in bps", 6, rank=1, is_number=True),
    Column("exit", 10, rank=3, is_number=True),
    Column("out bps", 7, rank=1, is_number=True),
    Column("PnL", 8, is_number=True),
    Column("PnL %", 6, rank=2, is_number=True),
    Column("by", 13),
    Column("best %", 6, rank=4, is_number=True),
    Column("worst %", 7, rank=4, is_number=True),
    Column("bars", 4, rank=6, is_number=True),
    Column("fees", 7, rank=7, is_number=True),
    Column("entered", 11, rank=5),
    Column("amount", 9, rank=8, is_number=True),
    Column("decided in", 10, rank=10, is_number=True),
    Column("decided out", 11, rank=10, is_number=True),
    Column("why out", 24, rank=6, grows=True),
    Column("why in", 24, rank=9, grows=True),
)
"""``in bps``, ``out bps``: how much worse than decided it was bought and sold; below zero: better."""
EMPTY = "This run has not closed a trade."
_BPS = 10_000


def lines(details: "RunDetails") -> list[Line]:
    """Return a line for each trade, the newest first."""
    numbered = enumerate(details.trades, start=1)
    return [
        _line(number, trade, details.trade_whys.get(number)) for number, trade in reversed(list(numbered))
    ]


def _line(number: int, trade: Trade, why: "TradeWhy | None") -> Line:
    best, worst = trade.favourable_excursion / trade.entry_price, trade.adverse_excursion / trade.entry_price
    return Line(
        str(number),
        (
            Cell(str(number), "dim"),
            Cell(trade.side.value),
            Cell(formats.short_moment(trade.exit_time_ms), "dim"),
            Cell(formats.price(trade.entry_price)),
            Cell(bps(entry_cost(trade)), "dim"),
            Cell(formats.price(trade.exit_price)),
            Cell(bps(exit_cost(trade)), "dim"),
            cells.pnl(trade.pnl),
            cells.share(value_share(trade)),
            Cell(reason(trade)),
            Cell(formats.change(float(best)), "dim"),
            Cell(formats.change(-float(worst)), "dim"),
            Cell(str(trade.bars_held), "dim"),
            Cell(formats.money(trade.fees), "dim"),
            Cell(formats.short_moment(trade.entry_time_ms), "dim"),
            Cell(formats.short_amount(trade.amount), "dim"),
            Cell(formats.price(trade.expected_entry_price), "dim"),
            Cell(formats.price(trade.expected_exit_price), "dim"),
            Cell("" if why is None else why.exit, "dim"),
            Cell("" if why is None else why.entry, "dim"),
        ),
    )


def reason(trade: Trade) -> str:
    """Return the exit reason of the trade."""
    return EXIT_WORDS[trade.reason]


def entry_cost(trade: Trade) -> float | None:
    """Return how much worse than decided the entry was, in basis points; None: that price is not known."""
    return _worse(trade.entry_price, trade.expected_entry_price, trade.side.sign)


def exit_cost(trade: Trade) -> float | None:
    """Return how much worse than decided the exit was, in basis points; None: that price is not known."""
    return _worse(trade.exit_price, trade.expected_exit_price, -trade.side.sign)


def value_share(trade: Trade) -> float | None:
    """Return the PnL as a fraction of the notional at the entry."""
    value = trade.entry_price * trade.amount
    return float(trade.pnl / value) if value else None


def bps(worse: float | None) -> str:
    """Return basis points with their sign."""
    if worse is None:
        return formats.UNKNOWN
    text = f"{worse:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def _worse(actual: Decimal, expected: Decimal | None, sign: int) -> float | None:
    return float((actual - expected) * sign / expected) * _BPS if expected else None
