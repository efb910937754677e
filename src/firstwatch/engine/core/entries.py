"""Entry orders: sent once for each decision, dropped with a cause, their remainder sent to market.

An entry in slices has one order at a time. Whatever keeps one of them from being sent in time, or leaves its
outcome in doubt at the next close, cancels what is left of the entry; what a slice does not fill is dropped.
"""

import hashlib
from decimal import Decimal

from firstwatch.engine.core.order_manager import OrderManager
from firstwatch.engine.core.run_memory import EntryPlan, RunSetup, TrackedOrder
from firstwatch.engine.core.signals import Signals
from firstwatch.engine.core.step_context import StepContext, back_off_ms
from firstwatch.strategy.core import drop_decision, drop_slices, end_slice, entry_ended
from firstwatch.strategy.core_state import NO_ORDER, NOTHING, TWAP_ORDER
from firstwatch.trading.events import (
    REFUSED_BY_VENUE,
    DecisionDropped,
    DropCause,
    EntryDecided,
    SliceDecided,
    SlicesCancelled,
)
from firstwatch.trading.orders import OrderKind, OrderPurpose, OrderState, Side, opening
from firstwatch.trading.runs import RunState
from firstwatch.trading.why import ConditionValue, GroupKind
from firstwatch.venues.protocol import Refused

REFUSALS_THAT_PAUSE = 3
PROMPT_RESENDS = 2
"""How often an entry that the venue never executed is sent again at once; later attempts wait."""
DELAY_PART = 10
"""A slice is sent within this part of the bar after the close that decided it."""
_TICK_MS = 1_000


def slice_delay_ms(setup: RunSetup, bar_time_ms: int) -> int:
    """Return how long after the close a slice is sent: the same however often it is asked for.

    At exactly the close of a bar everybody trades. On a feed with phases there is no time between a close and
    the next open.
    """
    if setup.has_phases:
        return 0
    # What is due is sent at the next tick of the machine's time.
    most_ms = min(setup.slice_delay_ms, setup.timeframe.ms // DELAY_PART) - _TICK_MS
    drawn = int.from_bytes(hashlib.sha256(f"{setup.run_id} {bar_time_ms}".encode()).digest()[:8])
    return drawn % (max(most_ms, 0) + 1)


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
                slices=core.slices + 1,
                conditions=conditions,
            )
        )
        if core.entry_order == TWAP_ORDER:
            self._plan_slice(EntryPlan(memory.last_bar_ms, ""), core.entry_steps)
            return
        order = self._orders.send(
            OrderPurpose.ENTRY,
            opening(side),
            OrderKind.MARKET if limit is None else OrderKind.LIMIT,
            amount,
            price=limit if limit is not None else self._worst(side),
            bar_time_ms=memory.last_bar_ms,
        )
        memory.entry = EntryPlan(memory.last_bar_ms, order.intent.client_order_id)

    def slice(self, why_not: str) -> None:
        """Send the further slice that the strategy core has decided, or cancel what is left of the entry."""
        memory, market = self._context.memory, self._context.setup.market
        core, plan = memory.core, memory.entry
        if plan is None:
            drop_slices(core)
            return
        before = self._orders.get(plan.order_id)
        is_in_doubt = plan.was_not_sent or plan.waiting is not None
        if is_in_doubt or (before is not None and not before.is_settled):
            why_not = why_not or DropCause.SLICE_IN_DOUBT
        plan.number += 1
        plan.bar_time_ms = memory.last_bar_ms
        self._context.journal(
            SliceDecided(
                bar_time_ms=memory.last_bar_ms,
                side=self._side(),
                amount=market.amount(core.decision_steps),
                number=plan.number,
                slices=plan.number + core.slices,
                equity_cap=core.equity_cap if core.equity_cap < core.cash else None,
            )
        )
        if why_not:
            self._drop(self._side(), memory.last_bar_ms, why_not)
            core.decision = NOTHING
            end_slice(core)
            self.cancel(why_not)
        else:
            self._plan_slice(plan, core.decision_steps)

    def _plan_slice(self, plan: EntryPlan, steps: int) -> None:
        """Have a slice sent, on a venue that trades all the time at a random moment soon after the close."""
        memory, setup = self._context.memory, self._context.setup
        memory.entry = plan
        plan.order_id, plan.resends, plan.resend_at_ms = "", 0, 0
        plan.waiting = setup.market.amount(steps)
        plan.mid_at_decision = memory.price or None
        plan.delay_ms = slice_delay_ms(setup, plan.bar_time_ms)

    def cancel(self, cause: str = DropCause.NOT_WANTED, left: int = 0) -> None:
        """Cancel the entry order; its remainder is dropped, and slices that are not decided yet.

        ``left``: steps of slices that the strategy core has dropped just now.
        """
        memory = self._context.memory
        self.cancel_slices(cause, left)
        if memory.entry is not None:
            memory.entry.cancels = True
            memory.entry.rest_at_market = False

    def cancel_slices(self, cause: str, left: int = 0) -> None:
        """Cancel the slices that are not decided yet, and journal what is left of them."""
        core = self._context.memory.core
        steps = left or core.slices_steps
        drop_slices(core)
        if steps:
            amount = self._context.setup.market.amount(steps)
            self._context.journal(SlicesCancelled(side=self._side(), amount=amount, cause=cause))

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
        elif memory.entry is not None and (memory.entry.was_not_sent or memory.entry.waiting is not None):
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
        if plan is None:
            return
        if plan.waiting is not None:
            self._send_slice(plan, DropCause.NOT_WANTED if plan.cancels else why_not)
            return
        order = self._orders.get(plan.order_id)
        if order is None:
            # Over for long, and no longer kept: between two slices.
            self._end_or_wait(plan)
        elif not order.is_settled:
            if plan.cancels:
                self._orders.cancel(order)
            if memory.state is RunState.STOPPING and self._orders.is_overdue(order):
                self.cancel_slices(DropCause.RUN_IS_OVER)
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
        elif order.state is OrderState.REJECTED:
            self._end_or_wait(plan, REFUSED_BY_VENUE)
        else:
            self._end_or_wait(plan)

    def _end_or_wait(self, plan: EntryPlan, cause: str = "") -> None:
        """End the entry whose order is over, unless further slices of it follow."""
        memory = self._context.memory
        core = memory.core
        if core.slices and core.steps and not plan.cancels and not cause:
            return
        self.cancel_slices(cause or DropCause.SLICE_UNFILLED)
        memory.entry = None
        entry_ended(core)

    def _send_slice(self, plan: EntryPlan, why_not: str) -> None:
        """Send the slice that waits once it is due, or end the entry for ``why_not``."""
        memory, setup = self._context.memory, self._context.setup
        if why_not:
            self._end(why_not)
            return
        if memory.now_ms < plan.bar_time_ms + setup.timeframe.ms + plan.delay_ms:
            return
        assert plan.waiting is not None
        side = self._side()
        order = self._orders.send(
            OrderPurpose.ENTRY,
            opening(side),
            OrderKind.MARKET,
            plan.waiting,
            price=self._worst(side),
            bar_time_ms=plan.bar_time_ms,
            mid_at_decision=plan.mid_at_decision,
        )
        plan.order_id, plan.waiting = order.intent.client_order_id, None

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
            self.cancel_slices(cause)
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
