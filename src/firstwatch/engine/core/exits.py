"""Exit orders: reduce-only and immediate, sent again with wider bounds until the venue shows flat."""

from decimal import Decimal

from firstwatch.engine.core.ledger import Ledger
from firstwatch.engine.core.order_manager import OrderManager
from firstwatch.engine.core.run_memory import ExitPlan
from firstwatch.engine.core.step_context import StepContext, back_off_ms
from firstwatch.trading.orders import OrderKind, OrderPurpose, OrderSide, OrderState
from firstwatch.trading.runs import ExitReason
from firstwatch.venues.protocol import Refused

BOUNDS_BPS = (100, 500, 1_000)
"""How far beyond the mid the first, the second and every further closing order may fill."""

_ALARM = "closing"


class ExitManager:
    """Acts on the wish to be flat."""

    def __init__(self, context: StepContext, orders: OrderManager, ledger: Ledger) -> None:
        self._context = context
        self._orders = orders
        self._ledger = ledger

    def want(self, reason: ExitReason) -> None:
        """Want the position closed, for that reason unless another one came first."""
        memory = self._context.memory
        if memory.closing is None or memory.closing.is_unwanted:
            memory.closing = ExitPlan(reason, memory.last_bar_ms)
        memory.closing.is_withdrawn = False

    def withdraw(self) -> None:
        """Let the position stay after all where a stop, the operator's or a guard's, wanted it closed."""
        closing = self._context.memory.closing
        if closing is not None and closing.reason in (ExitReason.RUN_END, ExitReason.GUARD):
            closing.is_withdrawn = True

    def price_came(self) -> None:
        """Note that a newer price is known than the one that the last closing order was bound to."""
        if self._context.memory.closing is not None:
            self._context.memory.closing.waits_for_price = False

    def refused(self, refusal: Refused) -> None:
        """Take in that the venue refused a closing order: it is tried again, after a look at the position."""
        memory, closing = self._context.memory, self._context.memory.closing
        self._context.want_position()
        if closing is not None:
            closing.retry_at_ms = memory.elapsed_ms + back_off_ms(closing.attempts)
            self._failed(closing, f"the venue refused it: {refusal.code}, {refusal.reason}")

    def settle(self) -> None:
        """Send the next closing order where one is wanted and none is under way."""
        memory = self._context.memory
        if (
            memory.closing is None
            and memory.unwanted
            and memory.core.steps == 0
            and not memory.wants_position
        ):
            memory.closing = ExitPlan(ExitReason.PROTECTION_FAILED, memory.last_bar_ms, is_unwanted=True)
        closing = memory.closing
        if closing is None:
            return
        order = self._orders.get(closing.order_id)
        if order is not None and self._orders.is_passed_over(order):
            order.is_left_over = True
            order = closing.order_id = None
            self._unsent(closing)
            self._context.want_position()
        if order is not None and not order.is_settled:
            if closing.is_withdrawn:
                self._orders.cancel(order)
            return
        if closing.is_withdrawn:
            memory.closing = None
            self._context.clear_alarm(_ALARM)
            return
        if order is not None:
            closing.order_id = None
            if order.state is OrderState.REJECTED:
                self._unsent(closing)
            elif order.rest > 0 and self._amount(closing) > 0:
                closing.waits_for_price = True
                self._failed(closing, f"{order.rest:f} of {order.intent.amount:f} were not filled")
        waits_for_end = closing.reason is ExitReason.END_OF_DATA and not memory.feed_ended
        if self._context.awaits_position or waits_for_end:
            return
        amount = self._amount(closing)
        if amount == 0:
            if self._orders.unheard() or self._orders.young_doubts(OrderPurpose.ENTRY):
                # There is something to close as soon as its fills are told.
                return
            if not closing.is_unwanted and self._ledger.own:
                self._ledger.give_away()
            memory.closing = None
            self._context.clear_alarm(_ALARM)
        elif not closing.waits_for_price and closing.retry_at_ms <= memory.elapsed_ms and memory.price > 0:
            self._send(closing, amount)

    def _amount(self, closing: ExitPlan) -> Decimal:
        return abs(self._context.memory.unwanted) if closing.is_unwanted else self._ledger.exposed

    def _send(self, closing: ExitPlan, amount: Decimal) -> None:
        memory = self._context.memory
        held = memory.unwanted if closing.is_unwanted else self._ledger.own
        side = OrderSide.SELL if held > 0 else OrderSide.BUY
        bound_bps = BOUNDS_BPS[min(closing.attempts, len(BOUNDS_BPS) - 1)]
        order = self._orders.send(
            OrderPurpose.EXIT,
            side,
            OrderKind.MARKET,
            amount,
            price=self._context.worst_price(side.sign, bound_bps),
            bar_time_ms=closing.bar_time_ms,
            reason=closing.reason,
        )
        closing.order_id = order.intent.client_order_id
        closing.is_after_feed = memory.feed_ended

    def _unsent(self, closing: ExitPlan) -> None:
        """Count an order that the venue never executed: the first ones are sent again at once."""
        closing.unsent += 1
        if closing.unsent > 2:
            retry_at_ms = self._context.memory.elapsed_ms + back_off_ms(closing.unsent - 3)
            closing.retry_at_ms = max(closing.retry_at_ms, retry_at_ms)

    def _failed(self, closing: ExitPlan, why: str) -> None:
        closing.attempts += 1
        self._context.clear_alarm(_ALARM)
        self._context.alarm(
            _ALARM, f"closing order {closing.attempts} did not close the position: {why}; it is sent again"
        )
