"""Entry orders: sent once for each decision, dropped with a cause, their remainder sent to market."""

from decimal import Decimal

from firstwatch.engine.core.order_manager import OrderManager
from firstwatch.engine.core.run_memory import EntryPlan, TrackedOrder
from firstwatch.engine.core.signals import Signals
from firstwatch.engine.core.step_context import StepContext, back_off_ms
from firstwatch.strategy.core import drop_decision, entry_ended
from firstwatch.strategy.core_state import NO_ORDER
from firstwatch.trading.events import REFUSED_BY_VENUE, DecisionDropped, DropCause, EntryDecided
from firstwatch.trading.orders import OrderKind, OrderPurpose, OrderState, Side, opening
from firstwatch.trading.runs import RunState
from firstwatch.trading.why import ConditionValue, GroupKind
from firstwatch.venues.protocol import Refused

REFUSALS_THAT_PAUSE = 3
PROMPT_RESENDS = 2
"""How often an entry that the venue never executed is sent again at once; later attempts wait."""


class EntryManager:
    """Acts on the core's decisions to enter."""

    def __init__(self, context: StepContext, orders: OrderManager, signals: Signals) -> None:
        self._context = context
        self._orders = orders
        self._signals = signals

    # --- decisions -------------------------------------------------------------------------------

    def enter(self, why_not: str) -> None:
        """Send the entry that the strategy core has decided, or drop it for ``why_not``."""
        memory, market = self._context.memory, self._context.setup.market
        core = memory.core
        side = Side.LONG if core.decision_side > 0 else Side.SHORT
        conditions = self._signals.conditions(GroupKind.ENTRY, side)
        if not why_not and not memory.leverage_is_set:
            why_not = DropCause.LEVERAGE_NOT_SET
        if why_not:
            self._drop(side, memory.last_bar_ms, why_not, conditions)
            drop_decision(core)
            return
        if self._context.setup.suppresses is not None and self._context.setup.suppresses(memory.last_bar_ms):
            drop_decision(core)
            return
        amount = market.amount(core.decision_steps)
        limit = market.price(core.decision_limit) if core.decision_limit else None
        self._context.journal(
            EntryDecided(
                bar_time_ms=memory.last_bar_ms,
                side=side,
                amount=amount,
                expected_price=core.expected_entry,
                limit_price=limit,
                is_follow_up=core.decision_is_follow_up == 1,
                equity_cap=core.equity_cap if core.equity_cap < core.equity else None,
                conditions=conditions,
            )
        )
        order = self._orders.send(
            OrderPurpose.ENTRY,
            opening(side),
            OrderKind.MARKET if limit is None else OrderKind.LIMIT,
            amount,
            price=limit if limit is not None else self._worst(side),
            bar_time_ms=memory.last_bar_ms,
        )
        memory.entry = EntryPlan(memory.last_bar_ms, order.intent.client_order_id)

    def cancel(self) -> None:
        """Cancel the entry order; its remainder is dropped."""
        plan = self._context.memory.entry
        if plan is not None:
            plan.cancels = True
            plan.rest_at_market = False

    def market_remainder(self, bar_time_ms: int, why_not: str) -> None:
        """Cancel the limit order and send its remainder to market, or drop the remainder for ``why_not``."""
        plan = self._context.memory.entry
        if plan is None:
            return
        plan.cancels = True
        plan.bar_time_ms = bar_time_ms
        plan.rest_at_market = not why_not
        if why_not:
            self._drop(self._side(), bar_time_ms, why_not)

    def bar_closed(self) -> None:
        """Drop an entry of the previous bar that was never sent: it is too late now."""
        memory = self._context.memory
        if memory.entry is None and memory.core.entry_order != NO_ORDER:
            # Decided at the launch, it still waits for the leverage.
            self.enter(DropCause.LATE)
        elif memory.entry is not None and memory.entry.was_not_sent:
            self._end(DropCause.LATE)

    # --- answers ---------------------------------------------------------------------------------

    def send_answered(self, order: TrackedOrder, refusal: Refused | None) -> None:
        """Count the venue's refusals; three in a row pause entries."""
        memory = self._context.memory
        if refusal is None:
            if order.state is not OrderState.UNKNOWN:
                memory.refusals = 0
            return
        memory.refusals += 1
        self._drop(self._side(), order.bar_time_ms, f"{REFUSED_BY_VENUE}: {refusal.code}, {refusal.reason}")
        if memory.refusals >= REFUSALS_THAT_PAUSE:
            sentence = f"the venue has refused {memory.refusals} entries in a row ({refusal.reason})"
            self._context.pause("refusals", f"{sentence}; entries pause until they are resumed")

    def never_executed(self, order: TrackedOrder) -> None:
        """Note that the venue never executed the entry's request and no longer can."""
        plan = self._context.memory.entry
        if plan is not None and plan.order_id == order.intent.client_order_id:
            plan.was_not_sent = True
            if plan.resends >= PROMPT_RESENDS:
                plan.resend_at_ms = self._context.memory.elapsed_ms + back_off_ms(plan.resends)

    # --- what follows in every step --------------------------------------------------------------

    def settle(self, why_not: str) -> None:
        """Cancel, resend or end the entry; ``why_not``: why none may be sent now."""
        memory = self._context.memory
        plan = memory.entry
        order = None if plan is None else self._orders.get(plan.order_id)
        if plan is None or order is None:
            return
        if not order.is_settled:
            if plan.cancels:
                self._orders.cancel(order)
            if memory.state is RunState.STOPPING and self._orders.is_overdue(order):
                memory.entry = None
                entry_ended(memory.core)
        elif plan.was_not_sent:
            if plan.cancels and not plan.rest_at_market:
                why_not = DropCause.NOT_WANTED
            if why_not:
                self._end(why_not)
            elif plan.resend_at_ms <= memory.elapsed_ms:
                self._resend(plan, order)
        elif plan.rest_at_market and order.rest > 0 and order.state is not OrderState.REJECTED:
            plan.rest_at_market = plan.cancels = False
            if why_not:
                self._end(why_not)
                return
            rest = self._orders.send(
                OrderPurpose.ENTRY,
                order.intent.side,
                OrderKind.MARKET,
                order.rest,
                price=self._worst(self._side()),
                bar_time_ms=plan.bar_time_ms,
            )
            plan.order_id = rest.intent.client_order_id
        else:
            memory.entry = None
            entry_ended(memory.core)

    def _resend(self, plan: EntryPlan, order: TrackedOrder) -> None:
        """Send an entry again under a new id: the earlier request can no longer execute."""
        intent = order.intent
        again = self._orders.send(
            OrderPurpose.ENTRY,
            intent.side,
            intent.kind,
            intent.amount,
            price=intent.price,
            bar_time_ms=order.bar_time_ms,
        )
        plan.order_id = again.intent.client_order_id
        plan.was_not_sent = False
        plan.resends += 1

    def _end(self, cause: str) -> None:
        memory = self._context.memory
        if memory.entry is not None:
            self._drop(self._side(), memory.entry.bar_time_ms, cause)
            memory.entry = None
            entry_ended(memory.core)

    def _side(self) -> Side:
        return Side.LONG if self._context.memory.core.entry_side > 0 else Side.SHORT

    def _worst(self, side: Side) -> Decimal | None:
        return self._context.worst_price(side.sign, self._context.setup.max_slippage_bps)

    def _drop(
        self,
        side: Side,
        bar_time_ms: int,
        cause: str,
        conditions: tuple[ConditionValue, ...] | None = None,
    ) -> None:
        """Journal why an entry is dropped; ``conditions``: only if its decision was not journalled before."""
        self._context.journal(
            DecisionDropped(
                bar_time_ms=bar_time_ms, decision=f"enter {side}", cause=cause, conditions=conditions
            )
        )
