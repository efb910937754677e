"""The whole story of a trade: figures, why in and why out, orders, fills and journal."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from firstwatch.manager.views import RunView
from firstwatch.trading.text import counted
from firstwatch.tui import formats
from firstwatch.tui.lists import orders, trades
from firstwatch.tui.modals.dialog import Dialog, text
from firstwatch.tui.run_text import heading
from firstwatch.tui.widgets.status_lines import KeyHint

if TYPE_CHECKING:
    # Not at run time: importing it would delay the first paint.
    from firstwatch.manager.run_views import TradeStory

_MOST = 40
"""Lines of one part that are shown."""


class TradeDialog(Dialog[None]):
    """One trade as it was when the dialog was opened."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "close", "Close", show=False, id="trade.close"),
        Binding("down", "scroll(1)", "Down", show=False, id="trade.down"),
        Binding("up", "scroll(-1)", "Up", show=False, id="trade.up"),
    ]

    def __init__(self, run: RunView, story: "TradeStory") -> None:
        super().__init__()
        self.TITLE_TEXT = f"Trade {story.number} · {heading(run)}"
        self._story = story

    def body(self) -> Sequence[Widget]:
        parts: list[Widget] = [text("\n".join(_figures(self._story)))]
        for title, lines in (
            ("ORDERS, wall time", list(_orders(self._story))),
            ("FILLS, venue time", list(_fills(self._story))),
            ("JOURNAL, venue time", list(_journal(self._story))),
        ):
            if lines:
                parts += [text(f"\n{title}", "strong"), text("\n".join(_some(lines)))]
        return parts

    def hints(self) -> Sequence[KeyHint]:
        return (KeyHint("↑ ↓", "move"), KeyHint("enter q esc", "close"))

    def action_scroll(self, by: int) -> None:
        self.query_one(".dialog-body").scroll_relative(y=by * 3, animate=False)


def _some(lines: list[str]) -> list[str]:
    """Return the first and the last lines of many."""
    if len(lines) <= _MOST:
        return lines
    half = _MOST // 2
    return [*lines[:half], f"… {len(lines) - 2 * half} more …", *lines[-half:]]


def _figures(story: "TradeStory") -> Iterator[str]:
    trade = story.trade
    share = trades.value_share(trade)
    yield (
        f"{trade.side} {formats.amount(trade.amount)}, {formats.moment(trade.entry_time_ms)} to"
        f" {formats.moment(trade.exit_time_ms)} by the venue, {counted(trade.bars_held, 'bar')}"
    )
    yield (
        f"entry {formats.price(trade.entry_price)}"
        f"{_against(trade.expected_entry_price, trades.entry_cost(trade))}"
    )
    yield (
        f"exit  {formats.price(trade.exit_price)}"
        f"{_against(trade.expected_exit_price, trades.exit_cost(trade))}, by {trades.reason(trade)}"
    )
    yield (
        f"PnL   {formats.money(trade.pnl, signed=True)} ({formats.change(share)} % of its value):"
        f" {formats.money(trade.gross_pnl, signed=True)} from prices, fees {formats.money(trade.fees)},"
        f" funding paid {formats.money(trade.funding)}"
    )
    if story.why.entry:
        yield f"in    {story.why.entry}"
    yield f"out   {story.why.exit}"
    best, worst = (each / trade.entry_price for each in (trade.favourable_excursion, trade.adverse_excursion))
    yield f"best  {formats.change(float(best))} %{_when(story.best_ms)}"
    yield f"worst {formats.change(-float(worst))} %{_when(story.worst_ms)}"


def _against(expected: Decimal | None, worse: float | None) -> str:
    """Return the decided price, and how much worse the fill was (bps)."""
    if worse is None:
        return ""
    return f", decided at {formats.price(expected)}: {trades.bps(worse)} bps worse"


def _when(time_ms: int | None) -> str:
    return "" if time_ms is None else f" in the bar of {formats.short_moment(time_ms)}"


def _orders(story: "TradeStory") -> Iterator[str]:
    for found in orders.fold(story.orders):
        order = found.newest
        moves = f", {counted(found.moves, 'move')}" if found.moves else ""
        yield (
            f"{formats.clock_time(found.orders[0].created_ms)}  {order.purpose:<6} {order.side:<4} "
            f"{orders.prices(found)}{moves}  {orders.STATES[order.state]}"
        )


def _fills(story: "TradeStory") -> Iterator[str]:
    for fill in story.fills:
        worse = "" if fill.worse_bps is None else f", {trades.bps(fill.worse_bps)} bps worse than decided"
        yield (
            f"{formats.clock_time(fill.time_ms)}  {fill.side:<4} {formats.amount(fill.amount)} at "
            f"{formats.price(fill.price)}, fee {formats.money(fill.fee)}{worse}"
        )


def _journal(story: "TradeStory") -> Iterator[str]:
    for event in story.events:
        yield f"{formats.clock_time(event.venue_time_ms)}  {event.sentence}"
