"""Rows of the store as views, one by one."""

from firstwatch.manager.journal_text import event_text
from firstwatch.manager.run_views import EventView, FillView, OrderStep, OrderView
from firstwatch.manager.views import KeyView, PositionView
from firstwatch.store import fills, journal, orders, positions, wallet_status
from firstwatch.trading.events import AlarmRaised
from firstwatch.trading.orders import OrderPurpose


def position_view(position: positions.RunPosition) -> PositionView:
    return PositionView(
        run_id=position.run_id,
        symbol=position.symbol,
        side=position.side,
        amount=position.amount,
        entry_price=position.entry_price,
        stop=position.stop,
        target=position.target,
        stop_wanted=position.stop_wanted,
        target_wanted=position.target_wanted,
        liquidation_price=position.liquidation_price,
        margin=position.margin,
        updated_ms=position.updated_at_ms,
    )


def order_view(order: orders.StoredOrder) -> OrderView:
    intent = order.intent
    return OrderView(
        client_order_id=intent.client_order_id,
        purpose=intent.purpose,
        side=intent.side,
        kind=intent.kind,
        state=order.state,
        amount=intent.amount,
        filled=order.filled,
        price=intent.price,
        trigger_price=intent.trigger_price,
        average_price=order.average_price,
        reduce_only=intent.reduce_only,
        created_ms=order.created_at_ms,
        updated_ms=order.updated_at_ms,
        history=tuple(OrderStep(move.time_ms, move.state, move.why) for move in order.history),
    )


def fill_view(stored: fills.StoredFill, purpose: OrderPurpose | None) -> FillView:
    """Return the view of a fill; ``purpose``: its order's."""
    fill = stored.fill
    return FillView(
        fill_id=fill.fill_id,
        client_order_id=fill.client_order_id,
        purpose=purpose,
        side=fill.side,
        amount=fill.amount,
        price=fill.price,
        fee=fill.fee,
        time_ms=fill.time_ms,
        is_maker=fill.is_maker,
        mid_at_decision=stored.mid_at_decision,
    )


def event_view(entry: journal.JournalEntry) -> EventView:
    return EventView(
        run_id=entry.run_id,
        sequence=entry.sequence,
        kind=entry.event.kind,
        sentence=event_text(entry.event),
        author=entry.author,
        venue_time_ms=entry.venue_time_ms,
        local_time_ms=entry.local_time_ms,
        is_alarm=isinstance(entry.event, AlarmRaised),
    )


def key_view(key: wallet_status.WalletKey) -> KeyView:
    return KeyView(
        address=key.address,
        is_master=key.kind == "master",
        valid_until_ms=key.valid_until_ms,
        missing=None if key.missing is None else tuple(key.missing),
        read_ms=key.read_at_ms,
    )
