"""The run's account at the venue: fills, payments, orders and position, its own and external ones.

"External" are orders, fills and positions that no run of the wallet made.
"""

from collections.abc import Sequence

from firstwatch.engine.core import inputs
from firstwatch.engine.core.bars import BarManager
from firstwatch.engine.core.effects import ReadBalance, ReadFills, ReadOpenOrders, ReadOrder, ReadPosition
from firstwatch.engine.core.entries import EntryManager
from firstwatch.engine.core.equity import EquityComparer
from firstwatch.engine.core.ledger import Ledger, signed
from firstwatch.engine.core.order_manager import OrderManager
from firstwatch.engine.core.protection import ProtectionManager
from firstwatch.engine.core.run_memory import TrackedOrder
from firstwatch.engine.core.step_context import StepContext, back_off_ms
from firstwatch.trading.account import ACCOUNT_KIND, Funding, Position
from firstwatch.trading.ids import sent_by
from firstwatch.trading.orders import Fill, OrderPurpose, OrderReport
from firstwatch.venues.protocol import (
    AccountChecked,
    ExternalPositions,
    FillReported,
    FundingReported,
    OrderReported,
    Resolution,
)

_EXTERNAL_ORDER = "foreign order"
_EXTERNAL_POSITION = "foreign position"
_CONFIRMING_READS = 3
"""Readings in a row that must disagree, if the venue's position may lag behind its fills."""


class AccountManager:
    """Handles the venue's events and answers about the account."""

    def __init__(
        self,
        context: StepContext,
        *,
        orders: OrderManager,
        ledger: Ledger,
        entries: EntryManager,
        protection: ProtectionManager,
        bars: BarManager,
        equity: EquityComparer,
    ) -> None:
        self._context = context
        self._orders = orders
        self._ledger = ledger
        self._entries = entries
        self._protection = protection
        self._bars = bars
        self._equity = equity

    # --- what the venue streams ------------------------------------------------------------------

    def fill_reported(self, event: FillReported) -> None:
        """Book a fill. One that does not follow from what is known makes the run read all fills first."""
        if self._context.setup.has_phases or self._ledger.is_expected(event.fill):
            self._ledger.fill(event.fill, event.touch)
        else:
            order = self._orders.get(event.fill.client_order_id)
            if order is not None and not self._ledger.is_known(event.fill):
                self._orders.defer_fill(order, event.fill)
            self._context.want_fills()
            self._context.want_position()

    def order_reported(self, event: OrderReported) -> None:
        order = self._orders.get(event.report.client_order_id)
        if order is not None:
            self._orders.report(order, event.report)
            return
        # A late report of a dropped order of the run itself is ignored; if it rests, the open orders show it.
        setup = self._context.setup
        if not sent_by(event.report.client_order_id, setup.earlier_runs | {setup.run_id}):
            self._report_external_order(event.report)

    def _report_external_order(self, report: OrderReport) -> None:
        topic = f"{_EXTERNAL_ORDER} {report.venue_order_id}"
        if not report.state.is_open:
            self._context.clear_alarm(topic)
            return
        named = f"{report.side} {report.amount:f} {report.symbol}, venue order {report.venue_order_id}"
        self._alarm_external(topic, f"an order that is not of this run: {named}", "cancel")

    def external_positions(self, event: ExternalPositions) -> None:
        """Alarm on positions in other markets: they take the margin that this run counts on."""
        topics = {f"{_EXTERNAL_POSITION} {symbol}": symbol for symbol in event.amounts}
        for topic in [topic for topic in self._context.memory.alarms if topic.startswith(_EXTERNAL_POSITION)]:
            if topic not in topics:
                self._context.clear_alarm(topic)
        self._context.memory.shares_wallet |= bool(topics)
        for topic, symbol in topics.items():
            named = f"{event.amounts[symbol]:+f} {symbol}"
            self._alarm_external(topic, f"a position that is not of this run: {named}", "close")

    def account_checked(self, event: AccountChecked) -> None:
        """Alarm and pause entries if the account has become a kind whose balance cannot be read."""
        if not event.problem:
            self._context.clear_alarm(ACCOUNT_KIND)
        elif ACCOUNT_KIND not in self._context.memory.alarms:
            self._context.alarm(ACCOUNT_KIND, event.problem)
            self._context.pause(ACCOUNT_KIND, f"{event.problem}; entries pause until they are resumed")

    def _alarm_external(self, topic: str, what: str, remedy: str) -> None:
        """Alarm and pause entries, once: entries resumed while the alarm is active stay resumed."""
        if topic not in self._context.memory.alarms:
            self._context.alarm(topic, f"the wallet has {what}; {remedy} it at the venue")
            self._context.pause("foreign", f"{what}; entries pause until they are resumed")

    def funding_reported(self, event: FundingReported) -> None:
        """Book a payment; one on a position that is not known yet is read together with its fills."""
        if self._context.setup.has_phases or self._context.memory.core.steps:
            self._ledger.funding(event.funding)
        else:
            self._context.want_fills()

    # --- what the venue answers ------------------------------------------------------------------

    def resolved(self, order: TrackedOrder, resolution: Resolution) -> None:
        """Handle the venue's answer about an order in flight."""
        if not self._orders.resolved(order, resolution):
            return
        if order.intent.purpose is OrderPurpose.ENTRY:
            self._entries.never_executed(order)
        elif order.intent.purpose is not OrderPurpose.EXIT:
            self._protection.never_executed(order)

    def order_read(self, event: inputs.OrderRead) -> None:
        order = self._orders.get(event.client_order_id)
        if self._context.answered(ReadOrder(event.client_order_id)) and order is not None:
            self._context.read_succeeded()
            self.take_order(order, event.report)

    def take_order(self, order: TrackedOrder, report: OrderReport | None) -> None:
        """Handle an order that was read; ``report`` None: the venue has no such order."""
        if self._orders.read(order, report):
            self._context.want_fills()
            self._context.want_position()
            self._context.alarm(
                "order lost",
                f"the venue does not know order {order.intent.client_order_id} any more, which it had taken",
            )
        # Where the venue's answer about one order lags, its open orders may show it.
        if order.is_missing:
            self._context.want_open_orders()

    def position_read(self, event: inputs.PositionRead) -> None:
        if self._context.answered(ReadPosition()):
            self._context.read_succeeded()
            self.compare(event.position)
            if self._context.is_wanted_anew(ReadPosition()):
                self._context.memory.wants_position = True
                self._context.memory.is_compared = False

    def compare(self, position: Position) -> None:
        """Compare the venue's position with the books; fills are read before a difference is believed."""
        memory = self._context.memory
        memory.account_as_of_ms = max(memory.account_as_of_ms, position.time_ms)
        known_ms = max([*memory.fills_seen.values(), memory.denied_ms])
        if position.time_ms < known_ms and not self._context.setup.has_phases:
            # This position is older than a booked fill or a refusal: it does not show what is held now.
            memory.position_at_ms = memory.elapsed_ms + back_off_ms(0)
            memory.wants_position = memory.goes_by_books = True
            return
        memory.goes_by_books = False
        memory.denied_ms = 0
        external = sum(fill.side.sign * fill.amount for fill in memory.foreign_fills)
        is_stale = (
            external != 0 and not self._context.setup.has_phases and memory.mismatches < _CONFIRMING_READS
        )
        if self._ledger.agrees(position) and not is_stale:
            shown = position.liquidation_price
            own = memory.trade_entry_ms, self._ledger.own
            memory.shown_liquidation = None if shown is None or memory.foreign else (*own, shown)
            memory.wants_position = False
            memory.is_compared = True
            memory.mismatches = 0
            memory.foreign_fills.clear()
            memory.early_exits.clear()
            memory.early_payments.clear()
            self._context.clear_alarm("order lost")
            if memory.unwanted == 0:
                self._context.clear_alarm("fill after flat")
            if memory.foreign == 0:
                self._context.clear_alarm("unexplained position")
            return
        if self._orders.may_explain(signed(position) - self._ledger.own - memory.foreign):
            # An order in flight may explain the difference: its outcome decides.
            memory.wants_fills = memory.wants_position = memory.goes_by_books = True
            memory.position_at_ms = memory.elapsed_ms + back_off_ms(0)
            return
        confirming = 1 if self._context.setup.has_phases else _CONFIRMING_READS
        is_first = memory.mismatches == 0
        disputed = signed(position), self._ledger.own + memory.foreign
        if disputed != memory.disputed:
            # The fills read so far were for another difference: read the position again, after newer fills.
            memory.disputed, memory.mismatches = disputed, min(memory.mismatches, confirming - 1)
            self._context.want_fills()
        memory.mismatches += 1
        if memory.mismatches <= confirming or memory.wants_fills:
            memory.wants_fills = memory.wants_position = True
            if not is_first:
                memory.position_at_ms = memory.elapsed_ms + back_off_ms(0)
            return
        memory.mismatches = 0
        memory.wants_position = False
        self._ledger.accept(position)
        memory.is_compared = True

    def open_orders_read(self, event: inputs.OpenOrdersRead) -> None:
        if self._context.answered(ReadOpenOrders()):
            self._context.read_succeeded()
            self._context.memory.wants_open_orders = self._context.is_wanted_anew(ReadOpenOrders())
            self.take_open_orders(event.reports)

    def take_open_orders(self, reports: Sequence[OrderReport]) -> None:
        """Handle all open orders of the account in the symbol; external ones raise an alarm."""
        open_topics = {f"{_EXTERNAL_ORDER} {report.venue_order_id}" for report in reports}
        for topic in [topic for topic in self._context.memory.alarms if topic.startswith(_EXTERNAL_ORDER)]:
            if topic not in open_topics:
                self._context.clear_alarm(topic)
        for report in reports:
            order = self._orders.get(report.client_order_id)
            if order is not None:
                self._orders.read(order, report)
            elif not sent_by(report.client_order_id, self._context.setup.earlier_runs):
                self._report_external_order(report)

    def fills_read(self, event: inputs.FillsRead) -> None:
        if not self._context.answered(ReadFills(0, 0)):
            return
        self._context.read_succeeded()
        self._context.memory.wants_fills = self._context.is_wanted_anew(ReadFills(0, 0))
        self._context.memory.payments_read_ms = event.time_ms
        self._context.memory.payments_as_of_ms = self._context.memory.asked_as_of_ms
        self.book(event.fills, event.fundings)
        self._bars.decide_waiting()

    def book(self, fills: Sequence[Fill], fundings: Sequence[Funding]) -> None:
        """Book in order of time: a payment is made on the position held just before it."""
        timeline: list[tuple[int, int, Funding | Fill]] = [
            *((funding.time_ms, 0, funding) for funding in fundings),
            *((fill.time_ms, 1, fill) for fill in fills),
        ]
        for _, _, item in sorted(timeline, key=lambda entry: entry[:2]):
            if isinstance(item, Funding):
                self._ledger.funding(item)
            else:
                self._ledger.fill(item, None, fills)

    def balance_read(self, event: inputs.BalanceRead) -> None:
        if self._context.answered(ReadBalance()):
            self._context.read_succeeded()
            memory = self._context.memory
            memory.wants_balance = False
            memory.wallet_total = event.balance.total
            self._equity.compare(event.balance, paid_until_ms=memory.payments_read_ms)
