"""Journal events as text for an operator."""

from decimal import Decimal

from firstwatch.trading import events
from firstwatch.trading.clock import iso
from firstwatch.trading.events import RunEvent
from firstwatch.trading.launch_words import EXIT_WORDS
from firstwatch.trading.text import counted
from firstwatch.trading.why import because


def event_text(event: RunEvent) -> str:
    """Return one line that describes the event, with its numbers."""
    match event:
        case events.Transitioned():
            start = f"{event.old} → {event.new}" if event.old else f"{event.new}"
            mode = f" ({event.stop_mode.replace('_', ' ')})" if event.stop_mode else ""
            return f"{start}{mode}: {event.why}" if event.why else f"{start}{mode}"
        case events.CheckWaived():
            return f"started despite a failed check, {event.check}: {event.found}; reason: {event.reason}"
        case events.EntryDecided():
            kind = "follow-up entry" if event.is_follow_up else "entry"
            limit = event.limit_price
            at = f"{event.expected_price:g}" if limit is None else f"limit {plain_price(limit)}"
            size = plain_price(event.amount)
            parts = "" if event.slices == 1 else f" in {event.slices} slices"
            return f"{event.side} {kind} of {size}{parts} decided, expected at {at}{_because(event)}"
        case events.SliceDecided():
            size = plain_price(event.amount)
            return f"slice {event.number} of {event.slices} of the {event.side} entry decided: {size}"
        case events.SlicesCancelled():
            size = plain_price(event.amount)
            return f"what is left of the {event.side} entry, {size}, is cancelled: {event.cause}"
        case events.ExitDecided():
            reason = EXIT_WORDS[event.reason]
            return f"exit decided: {reason}, expected at {event.expected_price:g}{_because(event)}"
        case events.DecisionDropped():
            return f"{event.decision} dropped: {event.cause}{_because(event)}"
        case events.OrderIntended():
            price = event.trigger_price if event.trigger_price is not None else event.price
            at = f" at {plain_price(price)}" if price is not None else ""
            only = ", reduce only" if event.reduce_only else ""
            size = plain_price(event.amount)
            return f"{event.purpose} order: {event.side} {event.order_kind} {size}{at}{only}"
        case events.OrderMoved():
            why = f": {event.why}" if event.why else ""
            return f"order {event.client_order_id[-6:]} {event.old} → {event.new}{why}"
        case events.FillBooked():
            size, level = plain_price(event.amount), plain_price(event.price)
            return f"filled: {event.side} {size} at {level}, fee {plain_price(event.fee)}"
        case events.FundingBooked():
            verb = "received" if event.paid < 0 else "paid"
            return f"funding {verb} {plain_price(abs(event.paid))} at rate {plain_price(event.rate)}"
        case events.TradeClosed():
            level = "" if event.level is None else f" at {plain_price(event.level)}"
            return (
                f"{event.side} trade closed by {EXIT_WORDS[event.reason]}{level}: "
                f"{plain_price(event.entry_price)} → {plain_price(event.exit_price)}, PnL {event.pnl:+,.2f}"
            )
        case events.ProtectionMoved():
            levels = {"stop": event.stop, "target": event.target}
            named = [f"{name} {plain_price(level)}" for name, level in levels.items() if level is not None]
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
                f"recovered ({event.why}): {counted(event.past_bars, 'past bar')}, "
                f"{counted(event.doubtful_orders, 'order')} in flight"
            )
        case events.Adopted():
            return f"adopted {event.side} {plain_price(event.amount)} from {plain_price(event.entry_price)}"
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
            venue = f"{plain_price(event.venue)} at the venue, net of deposits and withdrawals"
            return f"equity compared: {venue}; {plain_price(event.ledger)} in the run's ledger{begins}"
        case events.Noted() | events.CoreNoted():
            return event.sentence


def _because(event: events.EntryDecided | events.ExitDecided | events.DecisionDropped) -> str:
    held = because(event.conditions or ())
    between = "; " if isinstance(event, events.DecisionDropped) else ": "
    return f"{between}{held}" if held else ""


def plain_price(value: Decimal) -> str:
    """Return the value with eight digits and at least cents; the journal row keeps all digits."""
    text = f"{value:,.{max(2, 7 - value.adjusted())}f}"
    return text.rstrip("0").rstrip(".")
