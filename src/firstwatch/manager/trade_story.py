"""The whole story of one trade: its orders, fills and journal entries."""

from collections.abc import Sequence

from firstwatch.manager.row_views import event_view, fill_view, order_view
from firstwatch.manager.run_views import TradeStory, TradeWhy
from firstwatch.manager.why import entry_of, exit_decided_in, exit_of
from firstwatch.store import bars, fills, journal, orders, runs, trades
from firstwatch.store.bars import RunBar
from firstwatch.store.database import Session
from firstwatch.store.journal import JournalEntry
from firstwatch.trading import events
from firstwatch.trading.trade import Trade
from firstwatch.watch.record import spec_of_run

_LATEST_MS = 60_000
"""How long after its last fill a trade may be booked, in ms of venue time."""


def read_story(session: Session, run_id: str, number: int) -> TradeStory | None:
    """Return the story of a run's trade, by its number from 1; None: there is no such trade.

    Raises:
        DamagedRowError: a part of it cannot be read.
    """
    known = trades.trades_of(session, run_id, after=max(0, number - 2))
    first = 1 if number == 1 else 2
    if number < 1 or len(known) < first:
        return None
    trade = known[first - 1]
    since_ms = known[0].exit_time_ms + 1 if first == 2 else 0
    its_fills = [
        stored
        for stored in fills.fills_of(session, run_id, since_ms=trade.entry_time_ms)
        if stored.fill.time_ms <= trade.exit_time_ms
    ]
    its_orders = _orders(session, run_id, its_fills)
    purposes = {order.client_order_id: order.intent.purpose for order in its_orders}
    entries = _own(journal.events_between(session, run_id, since_ms, trade.exit_time_ms + _LATEST_MS), trade)
    best_ms, worst_ms = _moments(bars.bars_of(session, run_id, after_ms=trade.entry_time_ms - 1), trade)
    return TradeStory(
        number=number,
        trade=trade,
        orders=tuple(map(order_view, its_orders)),
        fills=tuple(
            fill_view(stored, purposes.get(stored.fill.client_order_id or "")) for stored in its_fills
        ),
        events=tuple(event_view(entry) for entry in entries),
        best_ms=best_ms,
        worst_ms=worst_ms,
        why=_why(session, run_id, trade, entries),
    )


def _why(session: Session, run_id: str, trade: Trade, entries: Sequence[JournalEntry]) -> TradeWhy:
    spec = spec_of_run(session, runs.get_run(session, run_id))
    decided = [
        entry.event
        for entry in reversed(entries)
        if isinstance(entry.event, events.EntryDecided | events.ExitDecided)
    ]
    entered = entry_of(trade, None, decided, spec)
    left = exit_of(trade, exit_decided_in(trade, decided, spec), spec)
    return TradeWhy("" if entered is None else entered.because, left.because)


def _own(entries: Sequence[JournalEntry], trade: Trade) -> Sequence[JournalEntry]:
    """Return the entries from the decision that led to the trade up to its end."""
    first, last = 0, len(entries)
    for place, entry in enumerate(entries):
        match entry.event:
            case events.EntryDecided() if (entry.venue_time_ms or 0) <= trade.entry_time_ms:
                first = place
            case events.TradeClosed(entry_price=entered, exit_price=left):
                if (entered, left) == (trade.entry_price, trade.exit_price):
                    last = place + 1
    return entries[first:last]


def _orders(session: Session, run_id: str, its_fills: Sequence[fills.StoredFill]) -> list[orders.StoredOrder]:
    """Return the orders from the first one that filled up to the last fill."""
    filled = {stored.fill.client_order_id for stored in its_fills}
    known = orders.orders_of(session, run_id)
    sent = [order.created_at_ms for order in known if order.client_order_id in filled]
    if not sent:
        return []
    last_ms = max(stored.local_time_ms for stored in its_fills)
    return [order for order in known if min(sent) <= order.created_at_ms <= last_ms]


def _moments(known: Sequence[RunBar], trade: Trade) -> tuple[int | None, int | None]:
    """Return when the price was best and worst for the trade."""
    its_bars = [each.bar for each in known if each.bar.time_ms < trade.exit_time_ms]
    if not its_bars:
        return None, None
    highest = max(its_bars, key=lambda bar: bar.high).time_ms
    lowest = min(its_bars, key=lambda bar: bar.low).time_ms
    return (highest, lowest) if trade.side.sign > 0 else (lowest, highest)
