"""The first event of a run: launch with or without adoption, or recovery; and a reading of the whole venue.

Rules 4 and 12 of ``firstwatch.engine``.
"""

from firstwatch.engine.core import inputs
from firstwatch.engine.core.account import AccountManager
from firstwatch.engine.core.bars import BarManager
from firstwatch.engine.core.effects import Reconcile
from firstwatch.engine.core.entries import EntryManager
from firstwatch.engine.core.equity import EquityComparer
from firstwatch.engine.core.ledger import Ledger, signed
from firstwatch.engine.core.lifecycle import RunLifecycle
from firstwatch.engine.core.order_manager import OrderManager
from firstwatch.engine.core.run_memory import ZERO
from firstwatch.engine.core.signals import Sessions
from firstwatch.engine.core.step_context import StepContext
from firstwatch.strategy.core import adopt, enter_now
from firstwatch.strategy.core_state import CoreSettings
from firstwatch.strategy.evaluation import GroupFlags
from firstwatch.trading.account import Funding, Position
from firstwatch.trading.bar import Bar
from firstwatch.trading.clock import iso
from firstwatch.trading.events import Adopted, Noted, Recovered
from firstwatch.trading.orders import Fill, Side
from firstwatch.trading.runs import RunState


class RecoveryManager:
    """Begins a run, or continues one after a gap in which it received no events."""

    def __init__(
        self,
        context: StepContext,
        settings: CoreSettings,
        sessions: Sessions,
        *,
        orders: OrderManager,
        ledger: Ledger,
        entries: EntryManager,
        bars: BarManager,
        account: AccountManager,
        equity: EquityComparer,
        lifecycle: RunLifecycle,
    ) -> None:
        self._context = context
        self._settings = settings
        self._sessions = sessions
        self._orders = orders
        self._ledger = ledger
        self._entries = entries
        self._bars = bars
        self._account = account
        self._equity = equity
        self._lifecycle = lifecycle

    def launched(self, event: inputs.Launched) -> None:
        """Begin: adopt the wallet's position, enter at once, or wait flat and unarmed.

        Rule 4 of ``firstwatch.engine``, rule 26 of ``firstwatch.strategy``.
        """
        memory, launch = self._context.memory, self._context.setup.launch
        memory.started_ms = event.time_ms
        memory.fills_horizon_ms = memory.fundings_horizon_ms = self._context.setup.timeframe.open_of(
            event.time_ms
        )
        memory.wallet_total = event.balance.total
        memory.price = event.touch.mid if event.touch else memory.price
        memory.foreign = signed(event.position)
        memory.account_as_of_ms = event.position.time_ms
        for note in event.notes:
            self._context.journal(Noted(sentence=note))
        if event.open_orders:
            self._lifecycle.fail("the wallet has open orders in the symbol; cancel them and launch again")
            return
        if not event.position.is_flat and not launch.assume_position_now:
            self._lifecycle.fail(
                'the wallet holds a position; close it, or launch with "Assume position now"'
            )
            return
        self._lifecycle.move_to(RunState.RUNNING, "launched", event.author)
        if event.position.is_flat:
            self._equity.compare(event.balance, paid_until_ms=event.time_ms)
        flags: GroupFlags | None = None
        if event.last_bar is not None:
            flags = self._bars.take_in(event.last_bar)
            memory.price = memory.price or event.last_bar.close
        if not launch.assume_position_now or flags is None or event.last_bar is None:
            return
        if not event.position.is_flat:
            self._adopt(event.position, event.touch.mark if event.touch else memory.price, flags)
            return
        close_ms = event.last_bar.time_ms + self._context.setup.timeframe.ms
        enter_now(
            memory.core,
            self._settings,
            event.last_bar.close,
            flags.entry_long,
            flags.entry_short,
            flags.atr_stop,
            flags.atr_target,
            1 if self._sessions.may_enter(close_ms, self._context.setup.timeframe) else 0,
        )

    def _adopt(self, position: Position, mark: float, flags: GroupFlags) -> None:
        memory = self._context.memory
        side = position.side
        if side is None or position.entry_price is None:
            self._lifecycle.fail("the venue shows a position without a side or an entry price")
            return
        takes_side = self._settings.allows_long if side is Side.LONG else self._settings.allows_short
        if (
            not takes_side
            or not position.is_isolated
            or position.leverage != self._context.setup.launch.leverage
        ):
            kind = "isolated" if position.is_isolated else "cross"
            self._lifecycle.fail(
                f"the wallet holds a {side} at {kind} leverage {position.leverage} by now, which this run"
                " cannot adopt; launch again"
            )
            return
        adopted = adopt(
            memory.core,
            self._settings,
            side.sign,
            self._context.setup.market.steps(position.amount),
            mark,
            float(position.entry_price),
            float(position.margin),
            flags.atr_stop,
            flags.atr_target,
        )
        if not adopted:
            self._lifecycle.fail(
                "the price is already beyond the stop or the target of the position to adopt"
            )
            return
        memory.is_adopted = memory.leverage_is_set = True
        memory.foreign = ZERO
        memory.trade_entry_ms = memory.now_ms
        self._context.journal(
            Adopted(side=side, amount=position.amount, entry_price=position.entry_price, mark=mark)
        )

    def recovery_started(self, event: inputs.RecoveryStarted) -> None:
        """Continue after a gap: nothing requested earlier will be answered."""
        memory = self._context.memory
        memory.pending.clear()
        memory.wanted_anew.clear()
        memory.doubted = None
        memory.tokens.clear()
        # The venue's time was read again.
        memory.now_ms = event.time_ms
        memory.clock_ms = None
        memory.is_in_bar = memory.feed_ended = False  # the feed reports its position again
        memory.written.facts = ""  # meanwhile the run was marked as unattended
        memory.waiting_bar = None
        memory.wants_bars = False
        memory.lost_streams.clear()
        self._retry_at_once()
        in_flight = self._orders.in_flight()
        for order in in_flight:
            self._orders.mark_unknown(order, "sent by an earlier process; the answer is not known")
        if event.newest_bar_ms is not None:
            self._go_on_from(event.newest_bar_ms)
        for time_ms in event.late_bars:
            self._bars.record_late_bar(time_ms)
        if event.lost_until_ms is not None:
            self._go_on_without_bars(event.lost_until_ms)
        past = self._take(event.reading, is_past=True)
        self._context.journal(Recovered(why=event.why, past_bars=past, doubtful_orders=len(in_flight)))

    def _go_on_from(self, newest_ms: int) -> None:
        """Continue from the venue's newest bar: the last one handled cannot have closed yet."""
        memory = self._context.memory
        sentence = (
            f"the last bar that the run had recorded, of {iso(memory.last_bar_ms)}, cannot have closed yet:"
            f" it continues from the venue's newest closed bar, of {iso(newest_ms)}; nothing was decided on"
            " earlier bars"
        )
        memory.last_bar_ms = newest_ms
        # A decision at that bar would never count as late.
        self._entries.cancel()
        self._context.journal(Noted(sentence=sentence))

    def _go_on_without_bars(self, until_ms: int) -> None:
        """Leave a hole that cannot be confirmed: no entries until an operator resumes them."""
        memory = self._context.memory
        sentence = (
            f"the venue no longer gives the bars of {iso(memory.last_bar_ms)} and after: nothing was decided"
            " on those that closed while the run had no worker; exits and protection go on"
        )
        if until_ms > memory.last_bar_ms:
            self._bars.record_hole(until_ms + self._context.setup.timeframe.ms, is_confirmed=False)
            memory.last_bar_ms = until_ms
        self._context.alarm("missing bars", f"{sentence}, entries are paused")
        self._context.pause("missing bars", f"{sentence}; entries pause until they are resumed")

    def _retry_at_once(self) -> None:
        """Forget refusals and retry waits of earlier processes."""
        memory = self._context.memory
        for order in memory.orders.values():
            order.asks = order.ask_at_ms = 0
        memory.read_at_ms = memory.failed_reads = memory.position_at_ms = memory.leverage_at_ms = 0
        for leg in (memory.stop, memory.target):
            leg.problem = None
            leg.is_corrected = leg.has_ended = False
            leg.retries = leg.retry_at_ms = leg.unsent = 0
        if memory.entry is not None:
            memory.entry.resends = memory.entry.resend_at_ms = 0
        if memory.closing is not None:
            memory.closing.unsent = memory.closing.retry_at_ms = 0

    def reconciled(self, event: inputs.Reconciled) -> None:
        """Handle the reading of the whole venue that was requested while the run went on."""
        if self._context.answered(Reconcile("")):
            self._context.read_succeeded()
            if not self._context.is_wanted_anew(Reconcile("")):
                self._context.memory.wants_reconcile = ""
            self._take(event.reading)

    def _take(self, reading: inputs.VenueReading, *, is_past: bool = False) -> int:
        """Apply a reading of the whole venue; return the number of bars in it.

        Bars, payments and fills are taken in order of time; a bar's close comes before events at the next
        one's open.
        """
        memory = self._context.memory
        memory.wallet_total = reading.balance.total
        if reading.touch is not None:
            self._bars.set_price(reading.touch.mid)
        for order_id, resolution in reading.resolutions.items():
            order = self._orders.get(order_id)
            if order is not None:
                self._account.resolved(order, resolution)
        for order_id, report in reading.reports.items():
            order = self._orders.get(order_id)
            if order is not None:
                self._account.take_order(order, report)
        bars = [
            bar for bar in reading.bars if bar.time_ms > memory.last_bar_ms and self._bars.is_credible(bar)
        ]
        timeline: list[tuple[int, int, Bar | Funding | Fill]] = [
            *((bar.time_ms + self._context.setup.timeframe.ms, 0, bar) for bar in bars),
            *((funding.time_ms, 1, funding) for funding in reading.fundings),
            *((fill.time_ms, 2, fill) for fill in reading.fills),
        ]
        for _, _, item in sorted(timeline, key=lambda entry: entry[:2]):
            if isinstance(item, Bar):
                self._bars.decide(item, is_past=is_past)
            elif isinstance(item, Funding):
                self._ledger.funding(item)
            else:
                self._ledger.fill(item, None, reading.fills)
        self._account.take_open_orders(reading.open_orders)
        self._account.compare(reading.position)
        self._equity.compare(reading.balance, paid_until_ms=reading.balance.time_ms)
        return len(bars)
