"""Protection: a stop and a target that rest at the venue for the filled amount.

Rules 19 to 23 of ``firstwatch.engine``.
"""

from decimal import Decimal

from firstwatch.engine.core.exits import ExitManager
from firstwatch.engine.core.ledger import Ledger
from firstwatch.engine.core.order_manager import UNANSWERED, OrderManager
from firstwatch.engine.core.run_memory import ZERO, Leg, TrackedOrder
from firstwatch.engine.core.step_context import StepContext, back_off_ms
from firstwatch.strategy.core import stop_reason
from firstwatch.strategy.core_settings import exit_reason
from firstwatch.trading.bar import Bar
from firstwatch.trading.events import ProtectionMoved
from firstwatch.trading.orders import OrderKind, OrderPurpose, OrderSide, OrderState, Side, closing
from firstwatch.trading.runs import ExitReason, Protection, RunState, StopMode
from firstwatch.venues.protocol import RefusalCode, Refused

WORST_STOP_PRICE = 0.10
"""How far beyond its trigger a stop may fill, as a fraction of it."""
MARK_AWAY = 0.01
"""How far the mark, which triggers stops, may be from traded prices."""
UNPROTECTED_MS = 5_000
"""How long a position may be without its stop when the venue refuses it permanently."""

UNPROTECTED_RETRY_MS = 1_000
"""While a position is without its stop, everything that the stop waits for is retried within this."""
LAG_MS = 2_000
LAG_FRACTION = 0.05
"""A leg that does not rest where wanted is retried within max(``LAG_MS``, ``LAG_FRACTION`` x bar)."""
MISSES_BEFORE_ALARM = 2
"""Number of failed requests in a row for a leg before an alarm."""
STEADY_MS = 30_000
"""How long a leg must rest before earlier failures of it are forgotten."""
PROMPT_ATTEMPTS = 2
"""How often a leg that the venue never executed is sent again at once; later attempts wait."""

_RESTING = frozenset({OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED})
_AT_VENUE = _RESTING | {OrderState.PENDING_CANCEL}
_TRY_AGAIN = frozenset({RefusalCode.RATE_LIMIT, RefusalCode.AUTH})
_ALARM = "unprotected"


class ProtectionManager:
    """Brings the legs at the venue to what the strategy core wants: the stop first, then the target."""

    def __init__(
        self, context: StepContext, orders: OrderManager, ledger: Ledger, exits: ExitManager
    ) -> None:
        self._context = context
        self._orders = orders
        self._ledger = ledger
        self._exits = exits

    # --- queries ---------------------------------------------------------------------------------

    def state(self) -> Protection:
        """Return how the position is protected, compared with what the algorithm wants.

        An amount that an entry's answer reports as filled is a position, although its fills have not arrived.
        """
        leg, wanted = self._context.memory.stop, self.wanted(OrderPurpose.STOP)
        if wanted is None or self._is_waived():
            return Protection.NOT_NEEDED
        is_there = wanted in (self.rests_at(leg), self._first_move(leg)) or self._exits.goes_first()
        return Protection.PROTECTED if is_there and self._is_covered() else Protection.UNPROTECTED

    def wanted(self, purpose: OrderPurpose) -> Decimal | None:
        """Return where a leg is wanted, rounded to the tick; None: nowhere."""
        core, is_stop = self._context.memory.core, purpose is OrderPurpose.STOP
        level = core.stop if is_stop else core.target
        if self._ledger.own == 0:
            unbooked = self._orders.unbooked_entry() if is_stop else None
            level = 0.0 if unbooked is None else self._ledger.provisional_stop(unbooked)
        return None if level == 0.0 else self._context.setup.market.price(level)

    def resting(self, leg: Leg) -> TrackedOrder | None:
        """Return a leg's order if it rests according to the venue's last report; None: it does not."""
        order = self._orders.get(leg.order_id)
        return order if order is not None and order.state in _AT_VENUE else None

    def rests_at(self, leg: Leg) -> Decimal | None:
        """Return where a leg rests according to the venue's last report; None: it does not."""
        order = self.resting(leg)
        return None if order is None else order.level

    def is_settled(self) -> bool:
        """Return whether the legs cover what they should and no request for them is under way.

        A stop that could not be moved to where it is wanted still protects.
        """
        memory, legs = self._context.memory, [leg for leg in self._legs() if not self._orders.is_overdue(leg)]
        if self._ledger.exposed == 0 or self._is_waived():
            return not legs
        kept = {memory.stop.order_id, memory.target.order_id}
        rest = all(leg.state in _RESTING and leg.intent.client_order_id in kept for leg in legs)
        return rest and self._is_covered()

    def is_closed_at_venue(self) -> bool:
        """Return whether the venue reports the booked position as closed; its fills have not arrived yet."""
        return self._ledger.exposed > 0 and self._exposed() == 0

    def _is_covered(self) -> bool:
        """Return whether a stop is known to rest for the whole position, at whatever level."""
        held, amount = self._ledger.own, self._exposed()
        unbooked = self._orders.unbooked_entry() if held == 0 else None
        if unbooked is not None:
            amount = unbooked.reported
            held = unbooked.intent.side.sign * amount
        if self.wanted(OrderPurpose.STOP) is None:
            return True
        order = self._orders.get(self._context.memory.stop.order_id)
        if order is None or order.state not in _RESTING or order.wants_read:
            return False
        return order.rest >= amount and order.intent.side.sign * held < 0

    def _first_move(self, leg: Leg) -> Decimal | None:
        """Return where the first request to move a leg moves it, while that has no answer."""
        moves = (order for order in self._orders.open() if order.replaces and order.replaces == leg.order_id)
        move = next((order for order in moves if order.state in UNANSWERED), None)
        return None if move is None or leg.misses else move.level

    def may_have_filled(self, bar: Bar) -> bool:
        """Return whether an order of the run may have executed in that bar with no report of it so far.

        A leg that rests far from all traded prices did not. A position without a stop may have been
        liquidated.
        """
        if not self._is_covered() or (self._ledger.own and not self._context.memory.core.stop):
            return True
        return any(not self._rested_through(order, bar) for order in self._orders.open())

    def _rested_through(self, order: TrackedOrder, bar: Bar) -> bool:
        is_leg = order.intent.purpose in (OrderPurpose.STOP, OrderPurpose.TARGET)
        level = order.level
        if not is_leg or order.state not in _RESTING or order.wants_read or level is None:
            return False
        if order.reported > order.filled:
            return False
        is_stop = order.intent.kind is OrderKind.STOP
        # Stops sell as prices fall, targets as they rise; for buys it is the reverse.
        if is_stop is (order.intent.side is OrderSide.SELL):
            return float(level) < bar.low * (1 - MARK_AWAY)
        return float(level) > bar.high * (1 + MARK_AWAY)

    def _is_waived(self) -> bool:
        """Return whether the operator wants the position to be left without its protection."""
        memory = self._context.memory
        return memory.state is RunState.STOPPING and memory.stop_mode is StopMode.LEAVE_UNPROTECTED

    def _exposed(self) -> Decimal:
        """Return the amount to protect: what is booked, and what orders report as filled beyond that.

        Of closing orders only those that are over count: until then their remainder is still to be booked.
        """
        exposed, own = self._ledger.exposed, self._ledger.own
        if exposed == 0:
            return exposed
        for order in self._orders.open():
            adds = order.intent.side.sign * own > 0
            if adds is (order.intent.purpose is OrderPurpose.ENTRY) and (adds or order.state.is_final):
                unbooked = max(order.reported - order.filled, ZERO)
                exposed += unbooked if adds else -unbooked
        return max(exposed, ZERO)

    def _legs(self) -> list[TrackedOrder]:
        return self._orders.of(OrderPurpose.STOP) + self._orders.of(OrderPurpose.TARGET)

    # --- answers ---------------------------------------------------------------------------------

    def leg_of(self, order: TrackedOrder) -> Leg:
        """Return the leg that an order belongs to."""
        memory = self._context.memory
        return memory.stop if order.intent.purpose is OrderPurpose.STOP else memory.target

    def refused(self, order: TrackedOrder, refusal: Refused) -> None:
        """Handle the refusal of a leg: the position and the open orders are read first."""
        if not order.is_left_over:
            leg = self.leg_of(order)
            leg.problem, leg.problem_reason = str(refusal.code), refusal.reason
            self._count_miss(leg, f"the venue refused it ({refusal.code}: {refusal.reason})")
        self._context.want_position()
        old = self._orders.get(order.replaces)
        # A venue that did not process the request has not touched the order it was to replace.
        if old is not None and refusal.code not in _TRY_AGAIN:
            old.wants_read = not old.is_settled
        self._context.want_open_orders()

    def unconfirmed(self, order: TrackedOrder) -> None:
        """Handle a request in doubt: what the next one needs is read while the venue is asked about this one.

        For a move these are the open orders, otherwise the position.
        """
        if order.replaces is not None:
            self._context.want_open_orders()
        else:
            self._context.want_position()

    def never_executed(self, order: TrackedOrder) -> None:
        """Handle a leg that was never executed: the order that it was to replace is read."""
        leg = self.leg_of(order)
        if leg.order_id == order.intent.client_order_id:
            # It never existed, so it did not end: the position read meanwhile decides on the next one.
            leg.order_id = None
        if not order.is_left_over:
            self._count_unsent(leg, "the venue never executed the request")
        old = self._orders.get(order.replaces)
        if old is not None and not old.is_settled:
            old.wants_read = True

    def _count_unsent(self, leg: Leg, why: str) -> None:
        """Count an order of a leg that the venue did not execute or does not report."""
        leg.unsent += 1
        self._count_miss(leg, why)
        if leg.unsent > PROMPT_ATTEMPTS:
            self._back_off(leg, leg.unsent - PROMPT_ATTEMPTS - 1)

    # --- what follows in every step --------------------------------------------------------------

    def settle(self) -> None:
        """Place, move, resize or cancel the legs."""
        memory = self._context.memory
        self._adopt_replacements()
        unbooked = self._orders.unbooked_entry() if self._ledger.own == 0 else None
        if unbooked is None:
            self._disown_old_legs()
        if unbooked is not None and not self._is_waived():
            self._place_provisional_stop(unbooked)
            return
        exposed = self._exposed()
        is_wanted = exposed > 0 and not self._is_waived()
        self._alarm_if_missed(memory.stop, OrderPurpose.STOP, exposed)
        self._alarm_if_missed(memory.target, OrderPurpose.TARGET, exposed)
        if is_wanted:
            self._alarm_if_unprotected()
            self._cancel_left_over()
        is_waiting = self._context.awaits_position or memory.wants_open_orders
        if is_waiting and not (is_wanted and self._needs_stop_now(exposed)):
            return
        if not is_wanted:
            self._cancel_all()
            return
        if memory.stop.problem is not None and not self._resolve_refused_stop():
            return
        if memory.target.problem is not None:
            self._retry_later(memory.target)
            memory.target.problem = None
        is_stop_done = self._reconcile_leg(memory.stop, OrderPurpose.STOP, exposed)
        if is_stop_done and not is_waiting:
            self._reconcile_leg(memory.target, OrderPurpose.TARGET, exposed)

    def _place_provisional_stop(self, entry: TrackedOrder) -> None:
        """Place the stop on the answer to the entry: its fills may arrive much later."""
        memory, level = self._context.memory, self.wanted(OrderPurpose.STOP)
        self._cancel_left_over()
        if level is None or any(not order.is_left_over for order in self._legs()):
            return
        self._cap_retries(memory.stop, UNPROTECTED_RETRY_MS, but=entry)
        leg = memory.stop
        is_early = leg.retry_at_ms > memory.elapsed_ms or (self._context.awaits_position and not leg.is_new)
        if leg.problem is None and not is_early:
            side = Side.LONG if entry.intent.side.sign > 0 else Side.SHORT
            self._place(leg, OrderPurpose.STOP, side, level, entry.reported)

    def _needs_stop_now(self, exposed: Decimal) -> bool:
        """Return whether an entry filled an amount that no stop covers yet: that stop waits for no reading.

        The outcome of a stop that was refused, lost or ended is read before the next one.
        """
        memory = self._context.memory
        order = self._orders.get(memory.stop.order_id)
        if memory.core.stop == 0.0:
            return False
        if order is None:
            return memory.stop.is_new
        if order.state is OrderState.FILLED:
            # It has closed its amount; the amount entered meanwhile has no stop.
            return True
        return memory.stop.problem is None and order.state in _RESTING and order.rest < exposed

    def _disown_old_legs(self) -> None:
        """Disown the legs of a trade that is over: they must not close any part of the next one.

        Moved into the next trade they would be on the wrong side, or count as its protection.
        """
        memory, own = self._context.memory, self._ledger.own
        for order in self._legs():
            if order.intent.side.sign * own >= 0:
                order.is_left_over = True
        for leg in (memory.stop, memory.target):
            old = self._orders.get(leg.order_id)
            if old is not None and own == 0 and self._orders.has_missing():
                # It may still rest, and would close what is entered next.
                self._context.want_open_orders()
            if own == 0 or (old is not None and old.is_left_over):
                self._forget(leg)

    def _forget(self, leg: Leg) -> None:
        """Reset a leg, as if no order of it had been sent."""
        memory = self._context.memory
        if leg is memory.stop:
            memory.stop = Leg()
        else:
            memory.target = Leg()

    def _cancel_left_over(self) -> None:
        for order in self._legs():
            if order.is_left_over:
                self._orders.cancel(order)

    def _adopt_replacements(self) -> None:
        """Make an accepted replacement the leg's order."""
        memory = self._context.memory
        for order in list(memory.orders.values()):
            self._announce(order)
            if order.replaces is None or order.state is OrderState.REJECTED:
                continue
            if order.state in _RESTING or order.state.is_final or order.filled:
                if not order.is_left_over:
                    leg = self.leg_of(order)
                    leg.order_id = order.intent.client_order_id
                    leg.unsent = 0
                    self._note_placed(leg)
                self._orders.replaced(order)

    def _cancel_all(self) -> None:
        memory = self._context.memory
        for purpose, leg in ((OrderPurpose.STOP, memory.stop), (OrderPurpose.TARGET, memory.target)):
            legs = self._orders.of(purpose)
            for leg_order in legs:
                self._orders.cancel(leg_order)
            if not legs:
                self._forget(leg)
        self._context.clear_alarm(_ALARM)

    def _reconcile_leg(self, leg: Leg, purpose: OrderPurpose, amount: Decimal) -> bool:
        """Bring one leg to where it is wanted. Return whether it rests there now."""
        level = self.wanted(purpose)
        if level is None:
            for unwanted in self._orders.of(purpose):
                self._orders.cancel(unwanted)
            return True
        order = self._orders.get(leg.order_id)
        for doubtful in self._orders.of(purpose):
            if doubtful.is_left_over or not self._orders.may_be_bypassed(doubtful, amount):
                continue
            doubtful.is_left_over = True
            is_taken = doubtful.behind_since_ms is not None
            self._count_unsent(
                leg,
                "the venue accepted the request and does not show an order"
                if is_taken
                else "the venue does not say what became of the request",
            )
            if doubtful is order:
                order = leg.order_id = None
        if order is not None and order.state is OrderState.FILLED and amount > 0:
            order = leg.order_id = None
        if order is not None and order.is_settled:
            # The run did not end it: the position that the venue shows now decides whether another is needed.
            leg.order_id = None
            self._context.want_position()
            if leg.has_ended:
                self._retry_later(leg)
            leg.has_ended = True
            leg.rests_since_ms = None
            return False
        others = [
            other
            for other in self._orders.of(purpose)
            if other is not order and not (other.is_left_over or other.state is OrderState.FILLED)
        ]
        if any(other.replaces is not None for other in others):
            return False
        if order is None and others:
            # One that was to be replaced has outlived its successor: it is the leg again.
            order = others.pop()
            leg.order_id = order.intent.client_order_id
        for other in others:
            self._orders.cancel(other)
        is_early = leg.retry_at_ms > self._context.memory.elapsed_ms
        if order is None:
            side = self._ledger.side
            if not is_early and side is not None:
                self._place(leg, purpose, side, level, amount)
            return False
        # One that is too small for the position is replaced, whatever its reading would show.
        if order.state not in _RESTING or (order.wants_read and order.rest >= amount):
            return False
        if order.rest >= amount:
            self._note_placed(leg)
        if purpose is OrderPurpose.STOP and leg.has_ended and self._is_passed(level):
            # The stop before this one has ended unfilled, so the venue will not trigger this one in time.
            self._exits.request(exit_reason(stop_reason(self._context.memory.core)))
        if order.rest == amount and order.level == level:
            self._note_resting(leg)
            return True
        leg.rests_since_ms = None
        if order.rest == amount and self._exits.goes_first():
            return False
        if not is_early:
            side = Side.LONG if self._context.memory.core.phase > 0 else Side.SHORT
            price, trigger = self._prices(purpose, side, level)
            what = "moved" if order.rest == amount else "resized"
            self._orders.replace(order, amount, price=price, trigger_price=trigger, announces=what)
            if order.level not in (order.intent.trigger_price, order.intent.price):
                # It did not stay where it was placed: do not retry at once every time.
                self._retry_later(leg)
        return False

    def _is_passed(self, stop: Decimal) -> bool:
        memory = self._context.memory
        return memory.core.phase * (memory.price - float(stop)) <= 0

    def _place(self, leg: Leg, purpose: OrderPurpose, side: Side, level: Decimal, amount: Decimal) -> None:
        price, trigger = self._prices(purpose, side, level)
        is_stop = purpose is OrderPurpose.STOP
        order = self._orders.send(
            purpose,
            closing(side),
            OrderKind.STOP if is_stop else OrderKind.LIMIT,
            amount,
            price=price,
            trigger_price=trigger,
            bar_time_ms=self._context.memory.last_bar_ms,
            announces="placed",
        )
        leg.order_id = order.intent.client_order_id

    def _prices(self, purpose: OrderPurpose, side: Side, level: Decimal) -> tuple[Decimal, Decimal | None]:
        """Return price and trigger of a leg at ``level``."""
        if purpose is OrderPurpose.TARGET:
            return level, None
        worst = float(level) * (1 - side.sign * WORST_STOP_PRICE)
        return self._context.setup.market.price(worst), level

    def _announce(self, order: TrackedOrder) -> None:
        """Journal that a leg was placed or moved, once the venue has confirmed it."""
        if not order.announces or not (order.state in _AT_VENUE or order.filled):
            return
        purpose, level = order.intent.purpose, order.level
        is_stop = purpose is OrderPurpose.STOP
        self._context.journal(
            ProtectionMoved(
                stop=level if is_stop else None,
                target=None if is_stop else level,
                why=f"{purpose} {order.announces}",
            )
        )
        order.announces = ""

    # --- failures --------------------------------------------------------------------------------

    def _note_placed(self, leg: Leg) -> None:
        leg.problem = None
        leg.is_corrected = False
        leg.unprotected_since_ms = None
        if leg is self._context.memory.stop:
            self._context.clear_alarm(_ALARM)

    def _note_resting(self, leg: Leg) -> None:
        """Forget earlier failures once a leg has rested for a while."""
        now_ms = self._context.memory.elapsed_ms
        if leg.rests_since_ms is None:
            leg.rests_since_ms = now_ms
        elif now_ms - leg.rests_since_ms >= STEADY_MS:
            leg.has_ended = False
            leg.retries = leg.unsent = 0

    def _count_miss(self, leg: Leg, why: str) -> None:
        leg.misses, leg.missed_why = leg.misses + 1, why

    def _alarm_if_missed(self, leg: Leg, purpose: OrderPurpose, amount: Decimal) -> None:
        """Shorten waits while a leg does not rest where wanted, and alarm after failed requests."""
        topic, wanted, order = purpose.value, self.wanted(purpose), self.resting(leg)
        is_there = order is not None and order.level == wanted and order.rest >= amount
        if is_there or wanted is None or amount == 0 or self._is_waived():
            leg.misses = 0
            self._context.clear_alarm(topic)
            return
        # A request in flight counts as failed, too, once resolving it has led to nothing.
        asks = sum(order.asks for order in self._orders.of(purpose) if order.announces)
        if leg.misses + asks == 0:
            return
        self._cap_retries(leg, self._lag_ms)
        if leg.misses + asks < MISSES_BEFORE_ALARM or (topic == "stop" and not self._is_covered()):
            return
        rests = "none rests" if order is None else f"{order.rest:f} rest at {order.level:f}"
        where = f"a {topic} is wanted for {amount:f} at {wanted:f}, at the venue {rests}: "
        why = leg.missed_why if leg.misses else "it does not say what became of the request"
        if not self._context.memory.alarms.get(topic, "").startswith(where):
            self._context.clear_alarm(topic)
            self._context.alarm(topic, f"{where}{why}; it is tried again")

    def _alarm_if_unprotected(self) -> None:
        """Count how long the position has been without its stop, shorten waits, and alarm."""
        memory = self._context.memory
        if self._is_covered():
            return
        self._cap_retries(memory.stop, UNPROTECTED_RETRY_MS)
        if memory.stop.unprotected_since_ms is None:
            memory.stop.unprotected_since_ms = memory.elapsed_ms
        elif memory.elapsed_ms > memory.stop.unprotected_since_ms:
            self._context.alarm(_ALARM, "the position has no resting stop at the venue; it is being placed")

    @property
    def _lag_ms(self) -> int:
        return max(LAG_MS, int(LAG_FRACTION * self._context.setup.timeframe.ms))

    def _cap_retries(self, leg: Leg, within_ms: int, *, but: TrackedOrder | None = None) -> None:
        """Cap all waits after failures: the leg may depend on any of them.

        ``but``: an entry left out of this: its stop is placed on its answer, so its fills may take their
        time.
        """
        memory = self._context.memory
        latest_ms = memory.elapsed_ms + within_ms
        memory.read_at_ms = min(memory.read_at_ms, latest_ms)
        memory.position_at_ms = min(memory.position_at_ms, latest_ms)
        leg.retry_at_ms = min(leg.retry_at_ms, latest_ms)
        for order in (order for order in self._orders.open() if order is not but):
            order.ask_at_ms = min(order.ask_at_ms, latest_ms)
        if memory.closing is not None:
            memory.closing.retry_at_ms = min(memory.closing.retry_at_ms, latest_ms)

    def _resolve_refused_stop(self) -> bool:
        """Decide on a refused stop, with position and open orders read. Return whether to place it now."""
        context, memory = self._context, self._context.memory
        leg = memory.stop
        code, reason = leg.problem, leg.problem_reason
        order = self._orders.get(leg.order_id)
        if order is not None and not order.is_settled:
            # The old stop still rests: it is kept, and the move is retried.
            leg.problem = None
            self._retry_later(leg)
            if code == RefusalCode.BEYOND_MARK:
                # The price has passed the wanted level, and the old stop lies beyond that.
                self._exits.request(exit_reason(stop_reason(memory.core)))
            return False
        leg.order_id = None
        if leg.unprotected_since_ms is None:
            leg.unprotected_since_ms = memory.elapsed_ms
        context.alarm(_ALARM, f"the venue refused the stop ({code}: {reason}); the position is unprotected")
        if code == RefusalCode.BEYOND_MARK:
            leg.problem = None
            self._exits.request(exit_reason(stop_reason(memory.core)))
            self._retry_later(leg)
            return False
        if code in _TRY_AGAIN:
            leg.problem = None
            self._retry_later(leg)
            return False
        if not leg.is_corrected:
            # The amount is now the venue's, and the price is rounded to the tick again.
            leg.problem = None
            leg.is_corrected = True
            return True
        if not context.setup.launch.close_position_on_exit or memory.is_adopted:
            leg.problem = None
            self._retry_later(leg)
            return False
        if memory.elapsed_ms - leg.unprotected_since_ms >= UNPROTECTED_MS:
            self._exits.request(ExitReason.PROTECTION_FAILED)
        if memory.goes_by_books:
            # The venue's position is outdated: by now the stop may have a position to reduce.
            leg.problem = None
            self._retry_later(leg)
        return False

    def _retry_later(self, leg: Leg) -> None:
        self._back_off(leg, leg.retries)
        leg.retries += 1

    def _back_off(self, leg: Leg, attempts: int) -> None:
        leg.retry_at_ms = self._context.memory.elapsed_ms + min(back_off_ms(attempts), self._lag_ms)
