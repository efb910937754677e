"""``RunCore``: one run without input or output. Takes one event, returns records to store and effects.

Each event has a handler, which only notes facts in the memory; then ``_settle`` brings orders, protection
and state to what is wanted. So the same code continues after an answer, after a lost answer and after a
crash. Time comes in the events; threads and the store are the worker's.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from firstwatch.engine.core import inputs
from firstwatch.engine.core.account import AccountManager
from firstwatch.engine.core.bars import BarManager
from firstwatch.engine.core.effects import (
    Acknowledge,
    CancelOrder,
    ModifyOrder,
    ReadBalance,
    ReadBars,
    ReadFills,
    ReadOpenOrders,
    ReadPosition,
    Reconcile,
    ResolveOrder,
    SendOrder,
    SetLeverage,
)
from firstwatch.engine.core.entries import EntryManager
from firstwatch.engine.core.equity import EquityComparer
from firstwatch.engine.core.exits import ExitManager
from firstwatch.engine.core.hazards import HazardMonitor
from firstwatch.engine.core.ledger import Ledger
from firstwatch.engine.core.lifecycle import RunLifecycle
from firstwatch.engine.core.order_manager import OrderManager
from firstwatch.engine.core.outlook import OutlookReporter
from firstwatch.engine.core.protection import ProtectionManager
from firstwatch.engine.core.records import Step
from firstwatch.engine.core.recovery import RecoveryManager
from firstwatch.engine.core.run_memory import (
    CheckpointWriter,
    EntryPlan,
    RunMemory,
    RunSetup,
    TrackedOrder,
    memory_from_json,
)
from firstwatch.engine.core.signals import Sessions, Signals
from firstwatch.engine.core.status import StatusReporter
from firstwatch.engine.core.step_context import StepContext, back_off_ms, unknown_signer
from firstwatch.strategy.core import new_state, resume_entries
from firstwatch.strategy.core_state import ENTER, CoreSettings
from firstwatch.trading.account import Funding
from firstwatch.trading.clock import iso
from firstwatch.trading.commands import CancelRun, ClosePosition, PauseEntries, ResumeEntries, StopRun
from firstwatch.trading.events import FEED_ENDED, DropCause, EntriesResumed, Noted
from firstwatch.trading.orders import Fill, OrderIntent, OrderKind, OrderPurpose, OrderState, Touch
from firstwatch.trading.runs import Author, ExitReason, RunState, StopMode
from firstwatch.trading.verdicts import DIVERGED
from firstwatch.venues.protocol import (
    Accepted,
    AccountChecked,
    BarClosed,
    BarOpened,
    ConditionRead,
    ExternalPositions,
    FeedEnded,
    FillReported,
    FundingReported,
    MarkMoved,
    OrderReported,
    PhaseEnded,
    RefusalCode,
    Refused,
    StreamLost,
    StreamRestored,
    Unknown,
)

STOP_DEADLINE_MS = 60_000
"""How long a stop may take while the venue can be reached."""
_LONGEST_TICK_MS = 5_000
_AUTH_TRIES = 3
"""Attempts to set the leverage while the venue does not know the key, which may be new."""


class RunCore:
    """One run. Not thread-safe: only its worker calls it."""

    def __init__(
        self,
        setup: RunSetup,
        settings: CoreSettings,
        signals: Signals,
        sessions: Sessions,
        memory: RunMemory | None = None,
    ) -> None:
        self.setup = setup
        self._memory = memory if memory is not None else RunMemory(new_state(settings))
        self._checkpoint = CheckpointWriter(self._memory)
        self._context = StepContext(setup, self._memory)
        self._orders = OrderManager(self._context)
        self._ledger = Ledger(self._context, settings, self._orders)
        self._exits = ExitManager(self._context, self._orders, self._ledger)
        self._protection = ProtectionManager(self._context, self._orders, self._ledger, self._exits)
        self._entries = EntryManager(self._context, self._orders, signals)
        self._status = StatusReporter(self._context, self._orders, self._ledger, self._protection)
        self._outlook = OutlookReporter(self._context, settings, signals, sessions)
        self._lifecycle = RunLifecycle(
            self._context,
            settings,
            orders=self._orders,
            entries=self._entries,
            exits=self._exits,
            protection=self._protection,
            status=self._status,
        )
        self._bars = BarManager(
            self._context,
            settings,
            signals,
            sessions,
            orders=self._orders,
            entries=self._entries,
            exits=self._exits,
            protection=self._protection,
        )
        self._hazards = HazardMonitor(self._context, self._ledger, self._lifecycle)
        self._equity = EquityComparer(self._context, self._orders)
        self._account = AccountManager(
            self._context,
            orders=self._orders,
            ledger=self._ledger,
            entries=self._entries,
            protection=self._protection,
            bars=self._bars,
            equity=self._equity,
        )
        self._recovery = RecoveryManager(
            self._context,
            settings,
            sessions,
            orders=self._orders,
            ledger=self._ledger,
            entries=self._entries,
            bars=self._bars,
            account=self._account,
            equity=self._equity,
            lifecycle=self._lifecycle,
        )
        self._handlers: dict[type, Callable[[Any], None]] = {
            BarOpened: self._bars.opened,
            BarClosed: self._bars.closed,
            MarkMoved: self._mark_moved,
            FillReported: self._account.fill_reported,
            OrderReported: self._account.order_reported,
            FundingReported: self._account.funding_reported,
            PhaseEnded: self._phase_ended,
            FeedEnded: self._feed_ended,
            StreamLost: self._stream_lost,
            StreamRestored: self._stream_restored,
            ExternalPositions: self._account.external_positions,
            AccountChecked: self._account.account_checked,
            ConditionRead: self._hazards.condition_read,
            inputs.SendAnswered: self._send_answered,
            inputs.CancelAnswered: self._cancel_answered,
            inputs.ModifyAnswered: self._modify_answered,
            inputs.ResolveAnswered: self._resolve_answered,
            inputs.LeverageSet: self._leverage_set,
            inputs.OrderRead: self._account.order_read,
            inputs.PositionRead: self._account.position_read,
            inputs.OpenOrdersRead: self._account.open_orders_read,
            inputs.FillsRead: self._account.fills_read,
            inputs.BalanceRead: self._account.balance_read,
            inputs.TransfersRead: self._equity.transfers_read,
            inputs.BarsRead: self._bars.bars_read,
            inputs.Reconciled: self._recovery.reconciled,
            inputs.ReadFailed: self._read_failed,
            inputs.Launched: self._launched,
            inputs.RecoveryStarted: self._recovery_started,
            inputs.KeyRead: self._hazards.key_read,
            inputs.TimePassed: self._time_passed,
            inputs.FeedWentStale: self._feed_went_stale,
            inputs.OperatorRequest: self._operator_requested,
            inputs.FailRequested: self._fail_requested,
        }

    @classmethod
    def restore(
        cls, setup: RunSetup, settings: CoreSettings, signals: Signals, sessions: Sessions, checkpoint: str
    ) -> "RunCore":
        """Return the core that wrote ``checkpoint``.

        Raises:
            pydantic.ValidationError: the text is not a checkpoint of this version.
        """
        return cls(setup, settings, signals, sessions, memory_from_json(checkpoint))

    # --- for the worker --------------------------------------------------------------------------

    def handle(self, event: inputs.Event) -> Step:
        """Handle one event; return the records to store and the effects to perform after that.

        An event of a run that is over changes nothing; its phases are acknowledged.
        """
        self._context.begin(event.time_ms)
        if self._memory.state.is_final:
            if isinstance(event, PhaseEnded):
                self._context.effects.append(Acknowledge(event.token))
            elif isinstance(event, inputs.Request):
                self._context.refusal = f"the run is {self._memory.state} already"
            return self._context.step()
        self._handlers[type(event)](event)
        if not self._memory.state.is_final:
            self._hazards.look()
            self._settle()
        self._status.write()
        self._outlook.write()
        return self._context.step()

    def book_after_end(
        self,
        fills: Sequence[Fill],
        fundings: Sequence[Funding],
        time_ms: int,
        closings: Iterable[tuple[OrderIntent, OrderState]] = (),
    ) -> Step:
        """Book fills and payments of a finished run; returns records only, nothing is sent.

        ``closings``: orders that were sent after its end to close what it had left.
        """
        self._context.begin(time_ms)
        self._orders.add_closings(closings)
        self._account.book(fills, fundings)
        return self._context.step()

    def checkpoint(self) -> str:
        """Return the run's memory as JSON."""
        return self._checkpoint.write()

    @property
    def state(self) -> RunState:
        return self._memory.state

    @property
    def last_bar_ms(self) -> int:
        """Open time of the last bar handled; 0 before the first."""
        return self._memory.last_bar_ms

    @property
    def fills_horizon_ms(self) -> int:
        """The time from which on fills are to be read."""
        return self._memory.fills_horizon_ms

    @property
    def fundings_horizon_ms(self) -> int:
        """The time from which on fundings are to be read."""
        return self._memory.fundings_horizon_ms

    @property
    def equity(self) -> float:
        """Run equity at the last close, in quote."""
        return self._memory.core.equity

    @property
    def exposed_steps(self) -> int:
        """The run's own position in amount steps, + long."""
        return self._memory.core.steps * (1 if self._memory.core.phase > 0 else -1)

    @property
    def entry_price(self) -> float:
        """Average entry price of the position; 0 when flat."""
        return self._memory.core.entry_price if self._memory.core.steps else 0.0

    def open_orders(self) -> list[str]:
        """Return the client order ids of all orders whose end is not fully known, oldest first."""
        return [order.intent.client_order_id for order in self._orders.open()]

    def questions(self, *, is_new_life: bool = False) -> inputs.VenueQuestions:
        """Return what a reading of the whole venue must ask for.

        ``is_new_life``: no request of the run is under way, whatever the memory says.
        """
        memory = self._memory
        in_flight = [order.intent.client_order_id for order in self._orders.in_flight()]
        known = [order_id for order_id in self.open_orders() if order_id not in in_flight]
        if not is_new_life:
            in_flight = [order_id for order_id in in_flight if self._orders.may_resolve(order_id)]
        return inputs.VenueQuestions(
            in_flight, known, memory.fills_horizon_ms, memory.fundings_horizon_ms, memory.last_bar_ms
        )

    def note_submission(self, client_order_id: str, touch: Touch | None) -> None:
        """Keep the prices at the time a request is sent: its fills may arrive before its answer."""
        order = self._orders.get(client_order_id)
        if order is not None and touch is not None:
            order.mid_at_submission = touch.mid

    # --- what follows every event ----------------------------------------------------------------

    def _settle(self) -> None:
        """Bring orders, protection and state to their wanted values, protection first."""
        memory = self._memory
        if memory.state is RunState.NEW:
            return
        self._bars.journal_notes()
        self._set_leverage()
        self._end_feed()
        self._lifecycle.follow_core()
        if memory.pause_reasons or self._protection.is_closed_at_venue():
            self._entries.cancel(DropCause.PAUSED if memory.pause_reasons else DropCause.NOT_WANTED)
        if memory.state is RunState.STOPPING and memory.stop_mode is StopMode.CLOSE and memory.core.steps:
            # The amount that an entry filled after the stop request is closed, too.
            self._exits.request(ExitReason.RUN_END)
        if memory.is_undecided:
            self._exits.request(memory.exit_reason or ExitReason.MANUAL)
        self._protection.settle()
        plan = memory.entry or EntryPlan(0, "")
        self._entries.settle(self._bars.why_no_entry(plan.bar_time_ms, delay_ms=plan.delay_ms))
        self._exits.settle()
        self._orders.settle()
        self._lifecycle.finish_if_done()
        if memory.state.is_final:
            return
        self._request_readings()
        self._acknowledge()

    def _set_leverage(self) -> None:
        memory = self._memory
        wanted = not memory.leverage_is_set and memory.state is RunState.RUNNING
        if wanted and memory.leverage_at_ms <= memory.elapsed_ms:
            self._context.request(SetLeverage(self.setup.launch.leverage))

    def _end_feed(self) -> None:
        """After the last bar: cancel the entry, exit at its close (rule 19 of ``firstwatch.strategy``)."""
        memory = self._memory
        if not memory.feed_ended:
            return
        self._entries.cancel(DropCause.FEED_ENDED)
        plan = memory.closing
        if plan is not None and not plan.is_after_feed:
            order = self._orders.get(plan.order_id)
            if order is not None and not order.is_settled:
                # It waits for an open that will never come.
                self._orders.cancel(order)
                return
            plan.reason, plan.order_id = ExitReason.END_OF_DATA, None
            memory.core.expected_exit = 0.0
        elif plan is None and memory.state is RunState.RUNNING and memory.core.steps:
            self._exits.request(ExitReason.END_OF_DATA)
            memory.core.expected_exit = 0.0

    def _request_readings(self) -> None:
        memory = self._memory
        if memory.wants_reconcile:
            self._context.request_read(Reconcile(memory.wants_reconcile))
        if memory.wants_open_orders:
            self._context.request_read(ReadOpenOrders())
        if memory.wants_fills:
            reading = ReadFills(memory.fills_horizon_ms, memory.fundings_horizon_ms)
            if not self._context.is_pending(reading):
                memory.asked_as_of_ms = memory.account_as_of_ms
            self._context.request_read(reading)
        if memory.wants_position and memory.position_at_ms <= memory.elapsed_ms:
            self._context.request_read(ReadPosition())
        if memory.wants_balance:
            self._context.request_read(ReadBalance())
        if memory.wants_bars:
            self._context.request_read(ReadBars(memory.last_bar_ms))

    def _acknowledge(self) -> None:
        """Let the feed go on once every request is answered."""
        if not self._memory.pending:
            for token in self._memory.tokens:
                self._context.effects.append(Acknowledge(token))
            self._memory.tokens.clear()

    # --- the feed and its streams ----------------------------------------------------------------

    def _phase_ended(self, event: PhaseEnded) -> None:
        """Note a phase to acknowledge; fills of an order that executed at once are read before that."""
        memory = self._memory
        memory.tokens.append(event.token)
        self._exits.price_updated()
        if memory.is_in_bar and any(order.intent.kind is OrderKind.MARKET for order in self._orders.open()):
            self._context.want_fills()

    def _feed_ended(self, event: FeedEnded) -> None:
        self._memory.feed_ended = True
        self._memory.is_in_bar = False
        self._context.journal(Noted(sentence=f"{FEED_ENDED} at {iso(event.time_ms)}"))

    def _mark_moved(self, event: MarkMoved) -> None:
        self._hazards.mark_moved(event)
        self._bars.mark_moved(event)

    def _stream_lost(self, event: StreamLost) -> None:
        self._memory.lost_streams[event.stream] = event.reason
        self._hazards.stream_lost(event)

    def _stream_restored(self, event: StreamRestored) -> None:
        self._memory.lost_streams.pop(event.stream, None)
        self._hazards.stream_restored(event)
        self._memory.wants_reconcile = f"stream {event.stream} is back"
        self._context.want_anew(Reconcile(""))

    def _feed_went_stale(self, event: inputs.FeedWentStale) -> None:
        self._memory.stale = event.reason

    def _launched(self, event: inputs.Launched) -> None:
        self._hazards.begin(event.touch)
        self._recovery.launched(event)

    def _recovery_started(self, event: inputs.RecoveryStarted) -> None:
        self._hazards.begin(event.reading.touch)
        self._recovery.recovery_started(event)

    # --- outcomes --------------------------------------------------------------------------------

    def _send_answered(self, event: inputs.SendAnswered) -> None:
        order = self._orders.get(event.client_order_id)
        if self._context.answered(SendOrder(event.client_order_id)) and order is not None:
            self._sent(order, event)

    def _modify_answered(self, event: inputs.ModifyAnswered) -> None:
        order = self._orders.get(event.new_client_order_id)
        effect = ModifyOrder(event.client_order_id, event.new_client_order_id)
        if self._context.answered(effect) and order is not None:
            self._sent(order, event)

    def _sent(self, order: TrackedOrder, event: inputs.SendAnswered | inputs.ModifyAnswered) -> None:
        if event.touch_at_acknowledgement is not None:
            self._bars.set_price(event.touch_at_acknowledgement.mid, event.touch_at_acknowledgement.mark)
        refusal = self._orders.send_answered(
            order, event.outcome, event.touch_at_submission, event.touch_at_acknowledgement
        )
        if refusal is not None and refusal.code == RefusalCode.REDUCE_ONLY:
            self._memory.denied_ms = self._memory.denied_ms or event.time_ms
        match order.intent.purpose:
            case OrderPurpose.ENTRY:
                self._entries.send_answered(order, refusal)
            case OrderPurpose.EXIT:
                if refusal is not None:
                    self._exits.refused(refusal)
            case _:
                if refusal is not None:
                    self._protection.refused(order, refusal)
                elif order.state is OrderState.UNKNOWN:
                    self._protection.unconfirmed(order)

    def _cancel_answered(self, event: inputs.CancelAnswered) -> None:
        order = self._orders.get(event.client_order_id)
        if self._context.answered(CancelOrder(event.client_order_id)) and order is not None:
            self._orders.cancel_answered(order, event.outcome)

    def _resolve_answered(self, event: inputs.ResolveAnswered) -> None:
        order = self._orders.get(event.client_order_id)
        if self._context.answered(ResolveOrder(event.client_order_id)) and order is not None:
            self._account.resolved(order, event.resolution)

    def _leverage_set(self, event: inputs.LeverageSet) -> None:
        memory = self._memory
        if not self._context.answered(SetLeverage(self.setup.launch.leverage)):
            return
        match event.outcome:
            case Accepted():
                memory.leverage_is_set = True
                self._context.clear_alarm("leverage")
                if memory.core.decision == ENTER and memory.entry is None:
                    self._entries.enter(self._bars.why_no_entry(memory.last_bar_ms))
            case Refused(RefusalCode.AUTH, reason) if memory.leverage_tries >= _AUTH_TRIES:
                self._lifecycle.fail(unknown_signer(reason))
            case Unknown(reason) | Refused(RefusalCode.RATE_LIMIT | RefusalCode.AUTH, reason):
                memory.leverage_at_ms = memory.elapsed_ms + back_off_ms(memory.leverage_tries)
                memory.leverage_tries += 1
                if memory.leverage_tries == _AUTH_TRIES:
                    self._context.alarm(
                        "leverage",
                        f"leverage {self.setup.launch.leverage} is not set yet ({reason}); it is tried again,"
                        " and no entry is made before that",
                    )
            case Refused(code, reason):
                self._lifecycle.fail(
                    f"the venue refused leverage {self.setup.launch.leverage} ({code}: {reason});"
                    " set it at the venue or launch with another one"
                )

    def _read_failed(self, event: inputs.ReadFailed) -> None:
        """Try again later; a hole that cannot be confirmed makes the data stale meanwhile."""
        memory = self._memory
        if not self._context.answered(event.effect):
            return
        self._context.is_wanted_anew(event.effect)  # it is still wanted
        if memory.elapsed_ms >= memory.read_at_ms:
            # Readings that were requested together and fail together count as one attempt.
            memory.read_at_ms = memory.elapsed_ms + back_off_ms(memory.failed_reads)
            memory.failed_reads += 1
            if memory.failed_reads == 3:
                self._context.alarm("venue", f"the venue cannot be read: {event.reason}; it is tried again")
        if isinstance(event.effect, ReadBars) and memory.waiting_bar is not None and not memory.stale:
            memory.stale = "bars are missing that cannot be read from the venue"
            self._bars.record_hole(memory.waiting_bar.time_ms, is_confirmed=False)

    def _time_passed(self, event: inputs.TimePassed) -> None:
        """Count the machine's time: retries, deadlines, and how long a position was unprotected."""
        memory = self._memory
        passed_ms = 0 if memory.clock_ms is None else event.elapsed_ms - memory.clock_ms
        memory.clock_ms = event.elapsed_ms
        # A machine that was asleep made no attempts: a long gap counts as one tick.
        passed_ms = min(max(passed_ms, 0), _LONGEST_TICK_MS)
        memory.elapsed_ms += passed_ms
        self._exits.price_updated()
        if memory.state is RunState.STOPPING and event.is_reachable and not self._orders.awaited():
            memory.stopping_ms += passed_ms
            if memory.stopping_ms >= STOP_DEADLINE_MS:
                self._lifecycle.fail(
                    "the stop was not finished within 60 s of a venue that answers;"
                    f" exposure: {self._status.exposure()}; look at the wallet at the venue"
                )

    # --- the operator ----------------------------------------------------------------------------

    def _operator_requested(self, event: inputs.OperatorRequest) -> None:
        """Follow a command, or refuse it with a sentence."""
        match event.command:
            case StopRun(mode=mode):
                self._stop(mode, event.author)
            case PauseEntries(diverged=""):
                who = "an agent" if event.author.is_agent else "the operator"
                self._context.pause("operator", f"paused by {who}", event.author)
            case PauseEntries(diverged=found):
                self._context.pause(
                    DIVERGED, f"the first watch: {found}; entries pause until they are resumed", event.author
                )
            case ResumeEntries():
                self._resume(event.author)
            case CancelRun():
                self._cancel(event.author)
            case ClosePosition():
                self._close_position(event.author)

    def _stop(self, mode: StopMode, author: Author) -> None:
        if self._memory.state is RunState.NEW:
            self._lifecycle.end(RunState.CANCELLED, "stop requested", author)
        else:
            self._lifecycle.stop(mode, author, "stop requested", ExitReason.RUN_END)

    def _resume(self, author: Author) -> None:
        memory = self._memory
        was_paused = bool(memory.pause_reasons or memory.core.entries_paused_by_guard)
        memory.pause_reasons.clear()
        memory.refusals = 0
        if memory.core.entries_paused_by_guard:
            resume_entries(memory.core)
            memory.guard_pauses = 0
        self._context.clear_alarm("unexplained position")
        self._context.clear_alarm("missing bars")
        if was_paused:
            self._context.journal(EntriesResumed(why="resumed"), author)

    def _cancel(self, author: Author) -> None:
        if self._memory.state is RunState.NEW and self._memory.order_number == 0:
            self._lifecycle.end(RunState.CANCELLED, "cancelled before it began", author)
        else:
            self._context.refuse("the run has begun and cannot be cancelled; stop it instead", author)

    def _close_position(self, author: Author) -> None:
        """Close the position at market; the run goes on, its entries paused."""
        memory = self._memory
        may_hold = self._orders.request_unbooked_fills() or any(
            order.intent.purpose is OrderPurpose.ENTRY for order in self._orders.in_flight()
        )
        if memory.state is RunState.NEW or not (memory.core.steps or may_hold):
            self._context.refuse("there is no position to close", author)
            return
        self._context.pause(
            "manual", "the operator closes the position; entries pause until they are resumed", author
        )
        self._entries.cancel()
        self._exits.request(ExitReason.MANUAL)

    def _fail_requested(self, event: inputs.FailRequested) -> None:
        self._lifecycle.fail(event.why)
