"""Orders of a run: recorded before they are sent, moved by one table, UNKNOWN until the venue answers."""

from collections.abc import Iterable
from decimal import Decimal

from firstwatch.engine.core.effects import CancelOrder, ModifyOrder, ReadOrder, ResolveOrder, SendOrder
from firstwatch.engine.core.records import NewOrder, OrderChanged
from firstwatch.engine.core.run_memory import ZERO, TrackedOrder
from firstwatch.engine.core.step_context import StepContext, back_off_ms
from firstwatch.trading.events import NOT_SENT, Noted, OrderIntended, OrderMoved
from firstwatch.trading.ids import client_order_id, number_of
from firstwatch.trading.orders import (
    ORDER_TRANSITIONS,
    Fill,
    OrderIntent,
    OrderKind,
    OrderPurpose,
    OrderReport,
    OrderSide,
    OrderState,
    Touch,
    move_order,
)
from firstwatch.trading.runs import ExitReason
from firstwatch.venues.protocol import (
    Accepted,
    Executed,
    NeverWill,
    RefusalCode,
    Refused,
    Resolution,
    SendOutcome,
    Unknown,
)

KEPT_ORDERS = 16
"""Number of settled orders kept, for late messages of the venue."""

_S = OrderState
OVERDUE_MS = 60_000
"""How long the outcome of an order may be unknown before an alarm; then a stop goes on without it."""
OUTDATED_MS = 1_500
"""How long reports of a reduce-only order may be outdated before another one is sent."""
OUTDATED_RETRY_MS = 1_000
"""How often an order with an outdated report is read again."""
_ALARM = "order in doubt"

UNANSWERED = frozenset({_S.PENDING_SUBMIT, _S.SUBMITTED})
IN_FLIGHT = UNANSWERED | {_S.UNKNOWN}
"""States in which the venue may or may not have the order."""
# Streams are unordered: a report moves an order forward on this scale only.
_PROGRESS = {
    _S.PENDING_SUBMIT: 0,
    _S.SUBMITTED: 1,
    _S.UNKNOWN: 1,
    _S.ACCEPTED: 2,
    _S.PARTIALLY_FILLED: 3,
    _S.PENDING_CANCEL: 4,
    _S.REJECTED: 5,
    _S.EXPIRED: 5,
    _S.CANCELED: 5,
    _S.FILLED: 6,
}


class OrderManager:
    """Makes, sends, cancels and follows the run's orders."""

    def __init__(self, context: StepContext) -> None:
        self._context = context

    # --- queries ---------------------------------------------------------------------------------

    def get(self, order_id: str | None) -> TrackedOrder | None:
        memory = self._context.memory
        return (memory.orders.get(order_id) or memory.settled.get(order_id)) if order_id else None

    def open(self) -> list[TrackedOrder]:
        """Return the orders that may still execute or whose end is not fully known, oldest first."""
        return [order for order in self._context.memory.orders.values() if not order.is_settled]

    def of(self, purpose: OrderPurpose) -> list[TrackedOrder]:
        """Return the open orders of that purpose."""
        orders = self._context.memory.orders.values()
        return [order for order in orders if order.intent.purpose is purpose and not order.is_settled]

    def in_flight(self) -> list[TrackedOrder]:
        """Return the orders that the venue may or may not have."""
        return [order for order in self.open() if order.state in IN_FLIGHT]

    def awaited(self, purpose: OrderPurpose | None = None) -> list[TrackedOrder]:
        """Return the orders in flight of that purpose that are not overdue: other orders wait for them."""
        return [
            order
            for order in self.in_flight()
            if purpose in (None, order.intent.purpose) and not self.is_overdue(order)
        ]

    def is_overdue(self, order: TrackedOrder) -> bool:
        """Return whether an outcome has been unknown for so long that a stop goes on without it."""
        since_ms = order.doubted_at_ms
        return since_ms is not None and self._context.memory.elapsed_ms - since_ms >= OVERDUE_MS

    def may_be_bypassed(self, order: TrackedOrder, needed: Decimal = ZERO) -> bool:
        """Return whether another order may be sent beside this one, whose outcome was unknown for too long.

        Only if both together cannot open a position, and never a third one. One in doubt that would close
        less than ``needed`` is bypassed at once: another one is wanted whatever its outcome.
        """
        since_ms = order.behind_since_ms
        is_long = since_ms is not None and self._context.memory.elapsed_ms - since_ms >= OUTDATED_MS
        is_too_small = order.state is _S.UNKNOWN and order.rest < needed
        if not order.intent.reduce_only:
            return False
        others = [other for other in self.of(order.intent.purpose) if other is not order]
        has_another = any(
            other.is_left_over and (other.behind_since_ms is not None or other.state is _S.UNKNOWN)
            for other in others
        )
        return ((is_long or is_too_small) and not has_another) or self.is_overdue(order)

    def may_explain(self, change: Decimal, *, is_overdue: bool = False) -> bool:
        """Return whether an order in flight may have changed the position by that much, + bought."""
        return any(
            change * order.intent.side.sign > 0 and abs(change) <= order.rest
            for order in self.in_flight()
            if self.is_overdue(order) is is_overdue
        )

    def may_resolve(self, order_id: str) -> bool:
        """Return whether the venue may be asked what became of an order: not while it is being asked."""
        order = self.get(order_id)
        return (
            order is not None
            and order.state is _S.UNKNOWN
            and not self._context.is_pending(ResolveOrder(order_id))
        )

    def unbooked_entry(self) -> TrackedOrder | None:
        """Return the entry that filled by the venue's answer, with its price, and has no booked fill yet."""
        entries = self.of(OrderPurpose.ENTRY)
        return next((entry for entry in entries if entry.reported_price and not entry.filled), None)

    def unbooked(self, *, entries: bool = True) -> list[TrackedOrder]:
        """Return the entries, or the closing orders, reported as filled beyond their booked fills."""
        return [
            order
            for order in self.open()
            if (order.intent.purpose is OrderPurpose.ENTRY) is entries and order.reported > order.filled
        ]

    def request_unbooked_fills(self) -> bool:
        """Have the fills of such entries read now, before they arrive. Return whether there is one."""
        entries = self.unbooked()
        for entry in entries:
            entry.ask_at_ms = 0
        return bool(entries)

    def has_missing(self) -> bool:
        """Return whether a recent order counts as over only because the venue did not know it."""
        return any(order.is_missing for order in self._context.memory.settled.values())

    # --- requests --------------------------------------------------------------------------------

    def send(
        self,
        purpose: OrderPurpose,
        side: OrderSide,
        kind: OrderKind,
        amount: Decimal,
        *,
        price: Decimal | None,
        bar_time_ms: int,
        trigger_price: Decimal | None = None,
        reason: ExitReason | None = None,
        announces: str = "",
        mid_at_decision: float | None = None,
    ) -> TrackedOrder:
        """Create an order, stored in this step and sent after it. All but entries are reduce-only.

        ``mid_at_decision``: the mid when it was decided; None: that of now.
        """
        order = self._make(
            purpose=purpose,
            side=side,
            kind=kind,
            amount=amount,
            price=price,
            trigger_price=trigger_price,
            bar_time_ms=bar_time_ms,
            reason=reason,
            mid_at_decision=mid_at_decision,
        )
        order.announces = announces
        self._context.request(SendOrder(order.intent.client_order_id))
        return order

    def replace(
        self,
        old: TrackedOrder,
        amount: Decimal,
        *,
        price: Decimal,
        trigger_price: Decimal | None,
        announces: str,
    ) -> TrackedOrder:
        """Replace ``old`` by a new order: by modify, or by sending the new one first."""
        intent = old.intent
        order = self._make(
            purpose=intent.purpose,
            side=intent.side,
            kind=intent.kind,
            amount=amount,
            price=price,
            trigger_price=trigger_price,
            bar_time_ms=old.bar_time_ms,
            reason=old.reason,
        )
        order.replaces, order.announces = intent.client_order_id, announces
        if self._context.setup.modifies_orders:
            self._context.request(ModifyOrder(intent.client_order_id, order.intent.client_order_id))
        else:
            self._context.request(SendOrder(order.intent.client_order_id))
        return order

    def add_closings(self, closings: Iterable[tuple[OrderIntent, OrderState]]) -> None:
        """Follow orders sent in the run's name after its end, to close the position that it left."""
        memory = self._context.memory
        for intent, state in sorted(closings, key=lambda each: each[0].client_order_id):
            number = number_of(intent.client_order_id)
            if number > memory.order_number:
                memory.order_number = number
                memory.orders[intent.client_order_id] = TrackedOrder(
                    intent, memory.now_ms, memory.last_bar_ms, state=state, reason=ExitReason.MANUAL
                )

    def cancel(self, order: TrackedOrder) -> None:
        """Cancel an order; does nothing while a cancel is under way or its state is being read."""
        if order.state.is_final or order.wants_read or order.state is _S.PENDING_CANCEL:
            return
        if order.state in IN_FLIGHT or order.ask_at_ms > self._context.memory.elapsed_ms:
            return
        if self._context.request(CancelOrder(order.intent.client_order_id)):
            self._move(order, _S.PENDING_CANCEL, "cancel wanted")

    def _make(
        self,
        *,
        purpose: OrderPurpose,
        side: OrderSide,
        kind: OrderKind,
        amount: Decimal,
        price: Decimal | None,
        trigger_price: Decimal | None,
        bar_time_ms: int,
        reason: ExitReason | None,
        mid_at_decision: float | None = None,
    ) -> TrackedOrder:
        memory, setup = self._context.memory, self._context.setup
        memory.order_number += 1
        intent = OrderIntent(
            client_order_id=client_order_id(setup.run_id, memory.order_number),
            run_id=setup.run_id,
            account=setup.account,
            symbol=setup.symbol,
            purpose=purpose,
            side=side,
            kind=kind,
            amount=amount,
            reduce_only=purpose is not OrderPurpose.ENTRY,
            price=price,
            trigger_price=trigger_price,
        )
        mid = mid_at_decision or memory.price or None
        order = TrackedOrder(intent, memory.now_ms, bar_time_ms, reason=reason, mid_at_decision=mid)
        memory.orders[intent.client_order_id] = order
        memory.is_compared = False
        self._context.record(NewOrder(intent, memory.now_ms, mid))
        self._context.journal(
            OrderIntended(
                client_order_id=intent.client_order_id,
                purpose=purpose,
                side=side,
                order_kind=kind,
                amount=amount,
                price=price,
                trigger_price=trigger_price,
                reduce_only=intent.reduce_only,
            )
        )
        return order

    # --- answers and reports ---------------------------------------------------------------------

    def send_answered(
        self, order: TrackedOrder, outcome: SendOutcome, before: Touch | None, after: Touch | None
    ) -> Refused | None:
        """Handle the outcome of a send or a modify. Return the refusal, if it was one."""
        order.mid_at_submission = before.mid if before else order.mid_at_submission
        order.mid_at_acknowledgement = after.mid if after else order.mid_at_acknowledgement
        if isinstance(outcome, Refused):
            if order.filled:
                # A refused order cannot have filled: fills are believed, so the venue is asked again.
                order.wants_read = True
                return None
            self._advance(order, _S.REJECTED, f"{outcome.code}: {outcome.reason}")
            return outcome
        if isinstance(outcome, Accepted):
            order.venue_order_id = outcome.venue_order_id or order.venue_order_id
            if outcome.filled > order.reported:
                order.reported, order.reported_price = outcome.filled, outcome.average_price
                # The fills are on their way; they are read only if they do not arrive.
                order.ask_at_ms = self._context.memory.elapsed_ms + outcome.fills_within_ms
        if order.state not in IN_FLIGHT:
            # The stream arrived before the answer: only the prices around the call are new.
            self._changed(order, "")
            return None
        if order.state is _S.PENDING_SUBMIT:
            self._move(order, _S.SUBMITTED, "")
        if isinstance(outcome, Accepted):
            self._move(order, _S.ACCEPTED, "")
        else:
            self._move(order, _S.UNKNOWN, outcome.reason)
        return None

    def cancel_answered(self, order: TrackedOrder, outcome: SendOutcome) -> None:
        """Handle the outcome of a cancel: the order's final state and its fills are read in any case."""
        if order.state.is_final:
            return
        order.wants_read = True
        if isinstance(outcome, Unknown) or (
            isinstance(outcome, Refused) and outcome.code != RefusalCode.NOT_FOUND
        ):
            self._back_off(order)

    def resolved(self, order: TrackedOrder, resolution: Resolution) -> bool:
        """Handle the resolution of an order in flight. Return True if it never executed and never will."""
        if order.state not in IN_FLIGHT:
            return False
        if isinstance(resolution, Executed):
            self.report(order, resolution.report)
            return False
        if isinstance(resolution, NeverWill):
            self._advance(order, _S.REJECTED, f"{NOT_SENT}: {resolution.reason}")
            return True
        if order.state is not _S.UNKNOWN:
            self._move(order, _S.UNKNOWN, resolution.reason)
        self._back_off(order)
        if resolution.is_taken:
            # It has executed or never will: a position that it opened may have no protection.
            self._note_outdated(order)
            order.ask_at_ms = min(order.ask_at_ms, self._context.memory.elapsed_ms + OUTDATED_RETRY_MS)
            self._context.want_position()
        return False

    def mark_unknown(self, order: TrackedOrder, why: str) -> None:
        """Mark an unacknowledged order of an earlier process as ``UNKNOWN``."""
        if order.state in IN_FLIGHT and order.state is not _S.UNKNOWN:
            self._move(order, _S.UNKNOWN, why)

    def read(self, order: TrackedOrder, report: OrderReport | None) -> bool:
        """Handle an order that was read. Return True if the venue has twice had no such order.

        Its answer may lag behind the order: one that it had accepted is read once more.
        """
        order.wants_read = False
        if report is None:
            if order.state in IN_FLIGHT or order.state.is_final:
                return False
            if not order.is_missing:
                order.is_missing = order.wants_read = True
                order.ask_at_ms = self._context.memory.elapsed_ms + back_off_ms(0)
                return False
            self._move(order, _S.CANCELED, "the venue does not know it any more")
            return True
        if self._is_outdated(order, report):
            # The state of the rest is not known.
            order.wants_read = not order.state.is_final
            self._note_outdated(order)
            order.ask_at_ms = self._context.memory.elapsed_ms + OUTDATED_RETRY_MS
            return False
        order.behind_since_ms = None
        if order.is_missing:
            order.is_missing, order.ask_at_ms = False, 0
        if order.state.is_final and order.rest > 0 and report.state.is_open:
            self._cancel_found_open(order)
            return False
        if order.state is _S.PENDING_CANCEL and report.state.is_open:
            self._move(order, _S.ACCEPTED, "still open after a cancel")
            self._back_off(order)
        self.report(order, report)
        return False

    def _is_outdated(self, order: TrackedOrder, report: OrderReport) -> bool:
        """Return whether a report is older than the booked fills; one that stays so is believed in time."""
        since_ms, now_ms = order.behind_since_ms, self._context.memory.elapsed_ms
        return report.filled < order.filled and (since_ms is None or now_ms - since_ms < OVERDUE_MS)

    def _note_outdated(self, order: TrackedOrder) -> None:
        """Note since when the venue's reports of an order are outdated."""
        if order.behind_since_ms is None:
            order.behind_since_ms = self._context.memory.elapsed_ms

    def _cancel_found_open(self, order: TrackedOrder) -> None:
        """Cancel an order that the venue shows open although it counts as over, and read its end again.

        Its successor may have been sent already. If the report was an old one, nothing is cancelled.
        """
        order_id = order.intent.client_order_id
        memory = self._context.memory
        if order_id in memory.settled:
            memory.orders[order_id] = memory.settled.pop(order_id)
        order.wants_read = order.is_left_over = True
        if self._context.request(CancelOrder(order_id)):
            self._context.journal(
                Noted(sentence=f"the venue shows order {order_id} as open, which was over; it is cancelled")
            )
        self._back_off(order)

    def report(self, order: TrackedOrder, report: OrderReport) -> None:
        """Handle a report of an order; one older than what is known changes nothing."""
        order.venue_order_id = report.venue_order_id or order.venue_order_id
        order.reported = max(order.reported, report.filled)
        if report.state.is_open:
            is_stop = order.intent.kind is OrderKind.STOP
            order.stands_at = report.trigger_price if is_stop else report.price
        new = report.state
        if new in IN_FLIGHT:
            new = _S.ACCEPTED
        if new is _S.REJECTED and (order.filled or report.filled):
            new = _S.CANCELED
        if new is _S.FILLED and report.filled < order.intent.amount:
            new = _S.CANCELED  # closed does not mean filled
        self._advance(order, new, report.reason)
        if order.state.is_final:
            order.wants_read = False
        self._reopen(order)

    def fill(self, order: TrackedOrder, fill: Fill) -> None:
        """Add one fill to its order, also after the order's end was reported."""
        order.filled += fill.amount
        order.cost += fill.amount * fill.price
        whole = order.filled >= order.intent.amount
        new = _S.FILLED if whole else _S.PARTIALLY_FILLED
        if not self._advance(order, new, "fill"):
            self._changed(order, "fill")
        if whole:
            order.wants_read = False

    def defer_fill(self, order: TrackedOrder, fill: Fill) -> None:
        """Note a fill that is booked once those before it are read; its position is protected until then."""
        order.reported = max(order.reported, order.filled + fill.amount)
        self._reopen(order)

    def _reopen(self, order: TrackedOrder) -> None:
        """Follow an order again, because more of it is reported as filled than is booked."""
        memory, order_id = self._context.memory, order.intent.client_order_id
        if order_id in memory.settled and not order.is_settled:
            memory.orders[order_id] = memory.settled.pop(order_id)

    def replaced(self, order: TrackedOrder) -> None:
        """Note that ``order`` has taken the place of the one that it was to replace."""
        old = self.get(order.replaces)
        order.replaces = None
        if old is None or old.is_settled:
            return
        if self._context.setup.modifies_orders:
            # The report of its end is on its way; it is read only if it does not arrive.
            old.wants_read = True
            old.ask_at_ms = self._context.memory.elapsed_ms + back_off_ms(0)
        else:
            self.cancel(old)

    # --- what follows in every step --------------------------------------------------------------

    def settle(self) -> None:
        """Request the missing facts of orders, and drop the oldest settled ones.

        A lost order, one in flight whose answer never came, is ``UNKNOWN``: the venue is asked what became of
        it (``ResolveOrder``).
        """
        context, memory = self._context, self._context.memory
        self._alarm_overdue()
        for order in self.open():
            order_id = order.intent.client_order_id
            if order.state is _S.UNKNOWN and order.ask_at_ms <= memory.elapsed_ms:
                context.request(ResolveOrder(order_id))
            elif order.wants_read and order.ask_at_ms <= memory.elapsed_ms:
                context.request_read(ReadOrder(order_id))
            elif order.reported > order.filled and order.ask_at_ms <= memory.elapsed_ms:
                context.want_fills()
                self._back_off(order)
        for order_id in [key for key, order in memory.orders.items() if order.is_settled]:
            memory.settled[order_id] = memory.orders.pop(order_id)
        while len(memory.settled) > KEPT_ORDERS:
            del memory.settled[next(iter(memory.settled))]

    def _alarm_overdue(self) -> None:
        overdue = [order.intent for order in self.in_flight() if self.is_overdue(order)]
        if not overdue:
            self._context.clear_alarm(_ALARM)
            return
        orders = ", ".join(f"{one.client_order_id} ({one.side} {one.amount:f})" for one in overdue)
        self._context.alarm(
            _ALARM,
            f"the venue has not said for {OVERDUE_MS // 1000} s what became of order {orders}; until then no"
            " entry is made, and stop and close go by the position: look at the wallet at the venue",
        )

    def _back_off(self, order: TrackedOrder) -> None:
        """Let the second attempt follow at once, and every further one later than the one before."""
        if order.asks:
            order.ask_at_ms = self._context.memory.elapsed_ms + back_off_ms(order.asks - 1)
        order.asks += 1

    def _advance(self, order: TrackedOrder, new: OrderState, why: str) -> bool:
        if _PROGRESS[new] <= _PROGRESS[order.state] or new not in ORDER_TRANSITIONS[order.state]:
            return False
        self._move(order, new, why)
        return True

    def _move(self, order: TrackedOrder, new: OrderState, why: str) -> None:
        old = order.state
        order.state = move_order(old, new)
        order.behind_since_ms = None
        if old is _S.UNKNOWN:
            # Other queries follow from here on: they do not wait because of this one's attempts.
            order.asks = order.ask_at_ms = 0
        order.doubted_at_ms = self._context.memory.elapsed_ms if new is _S.UNKNOWN else None
        self._context.journal(
            OrderMoved(client_order_id=order.intent.client_order_id, old=old, new=new, why=why)
        )
        self._changed(order, why)

    def _changed(self, order: TrackedOrder, why: str) -> None:
        average = order.cost / order.filled if order.filled else None
        self._context.record(
            OrderChanged(
                client_order_id=order.intent.client_order_id,
                state=order.state,
                why=why,
                filled=order.filled,
                average_price=average,
                venue_order_id=order.venue_order_id,
                time_ms=self._context.memory.now_ms,
            )
        )
