"""Exit orders: reduce-only and immediate, sent again with wider bounds until the venue shows flat."""

from decimal import Decimal

from firstwatch.engine.core.ledger import Ledger
from firstwatch.engine.core.order_manager import UNANSWERED, OrderManager
from firstwatch.engine.core.run_memory import ExitPlan
from firstwatch.engine.core.step_context import StepContext, back_off_ms
from firstwatch.trading.orders import OrderKind, OrderPurpose, OrderSide, OrderState
from firstwatch.trading.runs import ExitReason
from firstwatch.venues.protocol import Refused

BOUNDS_BPS = (100, 500, 1_000)
"""How far beyond the mid, in basis points, the first, the second and every further exit order may fill."""
ANSWERS_WITHIN_MS = 2_000
"""For so long, of venue time, a move of a leg waits for the answer to an exit order."""

_ALARM = "closing"


class ExitManager:
    """Sends exit orders until the position is flat."""

    def __init__(self, context: StepContext, orders: OrderManager, ledger: Ledger) -> None:
        self._context = context
        self._orders = orders
        self._ledger = ledger

    def request(self, reason: ExitReason) -> None:
        """Close the position, for that reason unless another one came first."""
        memory = self._context.memory
        if memory.closing is None or memory.closing.is_unwanted:
            memory.closing = ExitPlan(reason, memory.last_bar_ms)
        memory.closing.is_withdrawn = False

    def revoke(self) -> None:
        """Keep the position after all, if a stop (the operator's or a guard's) was to close it."""
        plan = self._context.memory.closing
        if plan is not None and plan.reason in (ExitReason.RUN_END, ExitReason.GUARD):
            plan.is_withdrawn = True

    def price_updated(self) -> None:
        """Note that a newer price is known than the one that bounded the last exit order."""
        if self._context.memory.closing is not None:
            self._context.memory.closing.waits_for_price = False

    def goes_first(self) -> bool:
        """Return whether an exit order goes in this step, or is under way and its answer not overdue.

        Until then a leg that covers the position is not moved: the position is about to end. Right after a
        recovery it is: a stop that has stood still goes before anything else.
        """
        memory, plan = self._context.memory, self._context.memory.closing
        is_recovered = memory.clock_ms is None
        if plan is None or plan.is_unwanted or plan.is_withdrawn or is_recovered:
            return False
        order = self._orders.get(plan.order_id)
        if order is None:
            return not self._waits(plan) and self._is_due(plan)
        return order.state in UNANSWERED and memory.now_ms - order.created_ms < ANSWERS_WITHIN_MS

    def refused(self, refusal: Refused) -> None:
        """Handle the refusal of an exit order: the next one follows once the position was read."""
        memory, plan = self._context.memory, self._context.memory.closing
        self._context.want_position()
        if plan is not None:
            plan.retry_at_ms = memory.elapsed_ms + back_off_ms(plan.attempts)
            self._count_failure(plan, f"the venue refused it: {refusal.code}, {refusal.reason}")

    def settle(self) -> None:
        """Send the next exit order if one is wanted and none is under way."""
        memory = self._context.memory
        if (
            memory.closing is None
            and memory.unwanted
            and memory.core.steps == 0
            and not memory.wants_position
        ):
            memory.closing = ExitPlan(ExitReason.PROTECTION_FAILED, memory.last_bar_ms, is_unwanted=True)
        plan = memory.closing
        if plan is None:
            return
        order = self._orders.get(plan.order_id)
        if order is not None and self._orders.may_be_bypassed(order):
            order.is_left_over = True
            order = plan.order_id = None
            self._count_unsent(plan)
            self._context.want_position()
        if order is not None and not order.is_settled:
            if plan.is_withdrawn:
                self._orders.cancel(order)
            return
        if plan.is_withdrawn:
            memory.closing = None
            self._context.clear_alarm(_ALARM)
            return
        if order is not None:
            plan.order_id = None
            if order.state is OrderState.REJECTED:
                self._count_unsent(plan)
            elif order.rest > 0 and self._amount(plan) > 0:
                plan.waits_for_price = True
                self._count_failure(plan, f"{order.rest:f} of {order.intent.amount:f} were not filled")
        if self._waits(plan):
            return
        amount = self._amount(plan)
        if amount == 0:
            if self._orders.unbooked() or self._orders.awaited(OrderPurpose.ENTRY):
                # There will be a position to close once its fills arrive.
                return
            if not plan.is_unwanted and self._ledger.own:
                self._ledger.write_off()
            memory.closing = None
            self._context.clear_alarm(_ALARM)
        elif self._is_due(plan):
            self._send(plan, amount)

    def _waits(self, plan: ExitPlan) -> bool:
        waits_for_end = plan.reason is ExitReason.END_OF_DATA and not self._context.memory.feed_ended
        return waits_for_end or self._context.awaits_position

    def _is_due(self, plan: ExitPlan) -> bool:
        memory = self._context.memory
        return not plan.waits_for_price and plan.retry_at_ms <= memory.elapsed_ms and memory.price > 0

    def _amount(self, plan: ExitPlan) -> Decimal:
        return abs(self._context.memory.unwanted) if plan.is_unwanted else self._ledger.exposed

    def _send(self, plan: ExitPlan, amount: Decimal) -> None:
        memory = self._context.memory
        held = memory.unwanted if plan.is_unwanted else self._ledger.own
        side = OrderSide.SELL if held > 0 else OrderSide.BUY
        bound_bps = BOUNDS_BPS[min(plan.attempts, len(BOUNDS_BPS) - 1)]
        order = self._orders.send(
            OrderPurpose.EXIT,
            side,
            OrderKind.MARKET,
            amount,
            price=self._context.worst_price(side.sign, bound_bps),
            bar_time_ms=plan.bar_time_ms,
            reason=plan.reason,
        )
        plan.order_id = order.intent.client_order_id
        plan.is_after_feed = memory.feed_ended

    def _count_unsent(self, plan: ExitPlan) -> None:
        """Count an order that the venue never executed: the first two are sent again at once."""
        plan.unsent += 1
        if plan.unsent > 2:
            retry_at_ms = self._context.memory.elapsed_ms + back_off_ms(plan.unsent - 3)
            plan.retry_at_ms = max(plan.retry_at_ms, retry_at_ms)

    def _count_failure(self, plan: ExitPlan, why: str) -> None:
        plan.attempts += 1
        self._context.clear_alarm(_ALARM)
        self._context.alarm(
            _ALARM, f"closing order {plan.attempts} did not close the position: {why}; it is sent again"
        )
