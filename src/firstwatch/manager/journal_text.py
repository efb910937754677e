"""Journal events as text for an operator."""

from decimal import Decimal

from firstwatch.trading import events
from firstwatch.trading.clock import iso
from firstwatch.trading.events import RunEvent


def event_text(event: RunEvent) -> str:
    """Return one line that describes the event, with figures."""
    match event:
        case events.Transitioned():
            start = f"{event.old} → {event.new}" if event.old else f"{event.new}"
            mode = f" ({event.stop_mode})" if event.stop_mode else ""
            return f"{start}{mode}: {event.why}" if event.why else f"{start}{mode}"
        case events.CheckWaived():
            return f"started despite {event.check} ({event.found}): {event.reason}"
        case events.EntryDecided():
            kind = "follow-up entry" if event.is_follow_up else "entry"
            limit = event.limit_price
            at = f"{event.expected_price:g}" if limit is None else f"limit {_plain(limit)}"
            return f"{event.side} {kind} of {_plain(event.amount)} decided, expected at {at}"
        case events.ExitDecided():
            return f"exit decided: {event.reason}, expected at {event.expected_price:g}"
        case events.DecisionDropped():
            return f"{event.decision} dropped: {event.cause}"
        case events.OrderIntended():
            price = event.trigger_price if event.trigger_price is not None else event.price
            at = f" at {_plain(price)}" if price is not None else ""
            only = ", reduce only" if event.reduce_only else ""
            return f"{event.purpose} order: {event.side} {event.order_kind} {_plain(event.amount)}{at}{only}"
        case events.OrderMoved():
            why = f": {event.why}" if event.why else ""
            return f"order {event.client_order_id[-6:]} {event.old} → {event.new}{why}"
        case events.FillBooked():
            size, level = _plain(event.amount), _plain(event.price)
            return f"filled: {event.side} {size} at {level}, fee {_plain(event.fee)}"
        case events.FundingBooked():
            verb = "received" if event.paid < 0 else "paid"
            return f"funding {verb} {_plain(abs(event.paid))} at rate {_plain(event.rate)}"
        case events.TradeClosed():
            return (
                f"{event.side} trade closed by {event.reason}: "
                f"{_plain(event.entry_price)} → {_plain(event.exit_price)}, PnL {event.pnl:+,.2f}"
            )
        case events.ProtectionMoved():
            levels = {"stop": event.stop, "target": event.target}
            named = [f"{name} {_plain(level)}" for name, level in levels.items() if level is not None]
            return f"protection: {', '.join([*named, event.why])}"
        case events.EntriesPaused():
            return f"entries paused: {event.why}"
        case events.EntriesResumed():
            return f"entries resumed: {event.why}"
        case events.AlarmRaised():
            return f"ALARM {event.topic}: {event.sentence}"
        case events.AlarmCleared():
            return f"alarm cleared: {event.topic}"
        case events.Recovered():
            return (
                f"recovered ({event.why}): {event.past_bars} past bars, "
                f"{event.doubtful_orders} orders in flight"
            )
        case events.Adopted():
            return f"adopted {event.side} {_plain(event.amount)} from {_plain(event.entry_price)}"
        case events.HoleFound():
            verdict = "confirmed by the venue" if event.is_confirmed else "not confirmed"
            return f"hole in the candles {iso(event.first_ms)} to {iso(event.last_ms)}, {verdict}"
        case events.LateBar():
            return f"late bar {iso(event.bar_time_ms)}: it came after the next bar was decided; not counted"
        case events.BarRevised():
            seen, read = event.texts
            return f"bar {iso(event.bar_time_ms)} read again: {seen} was seen, the venue now has {read}"
        case events.EquityCompared():
            begins = "; they are compared from here on" if event.begins else ""
            worth = f"the wallet is worth {_plain(event.venue)} at the venue"
            return f"{worth}, the run {_plain(event.ledger)} in its ledger{begins}"
        case events.Noted() | events.CoreNoted():
            return event.sentence


def _plain(value: Decimal) -> str:
    """Return the value with eight figures and at least cents; the journal row keeps all figures."""
    text = f"{value:,.{max(2, 7 - value.adjusted())}f}"
    return text.rstrip("0").rstrip(".")
