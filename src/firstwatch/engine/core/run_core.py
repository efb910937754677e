"""``RunCore``: a run without input or output. It is told events and says what to store and what to do.

Each event is taken in by its own method, which only notes facts and wishes in the memory; then ``_settle``
brings orders, protection and state to what is wished. So the same code goes on after an answer, after a
lost answer and after a crash. Time comes in the events, threads and the store are the worker's.

It is one file although it is long: it is the list of everything that can happen to a run.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from firstwatch.engine.core import inputs
from firstwatch.engine.core.effects import (
    Acknowledge,
    CancelOrder,
    EndRun,
    ModifyOrder,
    ReadBalance,
    ReadBars,
    ReadFills,
    ReadOpenOrders,
    ReadOrder,
    ReadPosition,
    Reconcile,
    ResolveOrder,
    SendOrder,
    SetLeverage,
)
from firstwatch.engine.core.entries import EntryManager
from firstwatch.engine.core.exits import ExitManager
from firstwatch.engine.core.ledger import Ledger, signed
from firstwatch.engine.core.order_manager import OrderManager
from firstwatch.engine.core.protection import ProtectionManager
from firstwatch.engine.core.records import EquityRow, Step, Transition
from firstwatch.engine.core.run_memory import (
    ZERO,
    RunMemory,
    RunSetup,
    TrackedOrder,
    memory_from_json,
    memory_to_json,
)
from firstwatch.engine.core.status import StatusReporter
from firstwatch.engine.core.step_context import StepContext, back_off_ms, unknown_signer
from firstwatch.strategy.core import adopt, close_bar, enter_now, mark_equity, new_state, resume_entries
from firstwatch.strategy.core_notes import (
    CHAIN_EXHAUSTED,
    LEVEL_DROPPED,
    cap_sentence,
    guard_sentence,
    refusal_sentence,
    take_notes,
)
from firstwatch.strategy.core_settings import exit_reason
from firstwatch.strategy.core_state import (
    CANCEL_ENTRY,
    ENTER,
    EXIT,
    GOES_ON,
    REST_AT_MARKET,
    STOP_BY_CHAIN,
    STOP_BY_GUARD,
    STOP_BY_TRADES_LIMIT,
    CoreSettings,
)
from firstwatch.strategy.evaluation import GroupFlags
from firstwatch.trading.account import ACCOUNT_KIND, Funding, Position
from firstwatch.trading.bar import Bar
from firstwatch.trading.clock import iso
from firstwatch.trading.events import (
    Adopted,
    CoreNoted,
    DecisionDropped,
    EntriesPaused,
    EntriesResumed,
    ExitDecided,
    HoleFound,
    LateBar,
    Noted,
    Recovered,
)
from firstwatch.trading.ids import sent_by
from firstwatch.trading.notes import NoteCode
from firstwatch.trading.orders import Fill, OrderKind, OrderPurpose, OrderReport, OrderState, Side, Touch
from firstwatch.trading.runs import Author, ExitReason, RunState, StopMode, move_run
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.protocol import (
    Accepted,
    AccountChecked,
    BarClosed,
    BarOpened,
    ExternalPositions,
    FeedEnded,
    FillReported,
    FundingReported,
    MarkMoved,
    OrderReported,
    PhaseEnded,
    Refused,
    Resolution,
    StreamLost,
    StreamRestored,
    Unknown,
)

STOP_DEADLINE_MS = 60_000
"""How long a stop may take while the venue can be reached."""
LATE_MS = 10_000
LATE_FRACTION = 0.05
"""An entry later than the larger of both after its bar's close is dropped."""
_DAY_MS = 86_400_000
_KEPT_HOLES = 50
_LONGEST_TICK_MS = 5_000
_FOREIGN_ORDER = "foreign order"
_AUTH_TRIES = 3
"""How often the leverage is tried where the venue does not know the key: it may just not know it yet."""
_FOREIGN_POSITION = "foreign position"
_CONFIRMING_READS = 3
"""Readings of the position that must disagree, where the venue's word may lag behind its fills."""


class Signals(Protocol):
    """What the algorithm's groups say at each close (``strategy.stream.SignalStream``)."""

    def push(self, bar: Bar) -> GroupFlags:
        """Take the next closed bar."""


class Sessions(Protocol):
    """When a run may enter and when it must be flat (``market.sessions.SessionCalendar``)."""

    def may_enter(self, close_ms: int, timeframe: Timeframe) -> bool: ...

    def must_flatten(self, close_ms: int, timeframe: Timeframe) -> bool: ...


class RunCore:
    """One run. Not thread-safe: its worker alone talks to it."""

    def __init__(
        self,
        setup: RunSetup,
        settings: CoreSettings,
        signals: Signals,
        sessions: Sessions,
        memory: RunMemory | None = None,
    ) -> None:
        self.setup = setup
        self._settings = settings
        self._signals = signals
        self._sessions = sessions
        self._memory = memory if memory is not None else RunMemory(new_state(settings))
        self._context = StepContext(setup, self._memory)
        self._orders = OrderManager(self._context)
        self._ledger = Ledger(self._context, settings, self._orders)
        self._closing = ExitManager(self._context, self._orders, self._ledger)
        self._protection = ProtectionManager(self._context, self._orders, self._ledger, self._closing)
        self._entries = EntryManager(self._context, self._orders)
        self._facts = StatusReporter(self._context, self._orders, self._ledger, self._protection)
        self._handlers: dict[type, Callable[[Any], None]] = {
            BarOpened: self._bar_opened,
            BarClosed: self._bar_closed,
            MarkMoved: self._mark_moved,
            FillReported: self._fill_reported,
            OrderReported: self._order_reported,
            FundingReported: self._funding_reported,
            PhaseEnded: self._phase_ended,
            FeedEnded: self._feed_ended,
            StreamLost: self._stream_lost,
            StreamRestored: self._stream_restored,
            ExternalPositions: self._external_positions,
            AccountChecked: self._account_judged,
            inputs.SendAnswered: self._send_answered,
            inputs.CancelAnswered: self._cancel_answered,
            inputs.ModifyAnswered: self._modify_answered,
            inputs.ResolveAnswered: self._resolve_answered,
            inputs.LeverageSet: self._leverage_set,
            inputs.OrderRead: self._order_read,
            inputs.PositionRead: self._position_read,
            inputs.OpenOrdersRead: self._open_orders_read,
            inputs.FillsRead: self._fills_read,
            inputs.BalanceRead: self._balance_read,
            inputs.BarsRead: self._bars_read,
            inputs.Reconciled: self._reconciled,
            inputs.ReadFailed: self._read_failed,
            inputs.Launched: self._launched,
            inputs.RecoveryStarted: self._recovery_started,
            inputs.TimePassed: self._time_passed,
            inputs.FeedWentStale: self._feed_went_stale,
            inputs.StopRequested: self._stop_requested,
            inputs.PauseRequested: self._pause_requested,
            inputs.ResumeRequested: self._resume_requested,
            inputs.CancelRequested: self._cancel_requested,
            inputs.CloseRequested: self._close_requested,
            inputs.FailRequested: self._fail_requested,
        }

    @classmethod
    def restore(
        cls, setup: RunSetup, settings: CoreSettings, signals: Signals, sessions: Sessions, checkpoint: str
    ) -> "RunCore":
        """Return the core that wrote ``checkpoint``.

        Raises:
            pydantic.ValidationError: the text is no checkpoint of this version.
        """
        return cls(setup, settings, signals, sessions, memory_from_json(checkpoint))

    # --- what the worker asks --------------------------------------------------------------------

    def handle(self, event: inputs.Event) -> Step:
        """Take one event in and return what is to be stored and then done.

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
            self._settle()
        self._facts.write()
        return self._context.step()

    def book_after_end(self, fills: Sequence[Fill], fundings: Sequence[Funding], time_ms: int) -> Step:
        """Book what a finished run has left at the venue and what became of it: records, nothing is sent."""
        self._context.begin(time_ms)
        self._book(fills, fundings)
        return self._context.step()

    def checkpoint(self) -> str:
        """Return everything that the run remembers, as JSON."""
        return memory_to_json(self._memory)

    @property
    def state(self) -> RunState:
        return self._memory.state

    @property
    def last_bar_ms(self) -> int:
        """Open time of the last bar that was taken in; 0 before the first."""
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
        """Return what a reading of the whole venue is to ask for.

        ``is_new_life``: no request of the run is under way, whatever is remembered of it.
        """
        memory = self._memory
        doubtful = [order.intent.client_order_id for order in self._orders.in_doubt()]
        known = [order_id for order_id in self.open_orders() if order_id not in doubtful]
        if not is_new_life:
            doubtful = [order_id for order_id in doubtful if self._orders.may_resolve(order_id)]
        return inputs.VenueQuestions(
            doubtful, known, memory.fills_horizon_ms, memory.fundings_horizon_ms, memory.last_bar_ms
        )

    def note_submission(self, client_order_id: str, touch: Touch | None) -> None:
        """Keep the prices at which a request leaves: its fills may be told before its answer."""
        order = self._orders.get(client_order_id)
        if order is not None and touch is not None:
            order.mid_at_submission = touch.mid

    # --- what follows from every event -----------------------------------------------------------

    def _settle(self) -> None:
        """Bring everything to what is wanted: protection first."""
        memory = self._memory
        if memory.state is RunState.NEW:
            return
        self._say_notes()
        self._set_leverage()
        self._end_feed()
        self._follow_core()
        if memory.pause_reasons or self._protection.is_closed():
            self._entries.give_up()
        if memory.state is RunState.STOPPING and memory.stop_mode is StopMode.CLOSE and memory.core.steps:
            # What an entry has filled after the stop was asked for is closed, too.
            self._closing.want(ExitReason.RUN_END)
        if memory.is_undecided:
            self._closing.want(memory.exit_reason or ExitReason.MANUAL)
        self._protection.settle()
        self._entries.settle(self._why_no_entry(memory.entry.bar_time_ms if memory.entry else 0))
        self._closing.settle()
        self._orders.settle()
        self._finish()
        if memory.state.is_final:
            return
        self._read_what_is_wanted()
        self._acknowledge()

    def _set_leverage(self) -> None:
        memory = self._memory
        wanted = not memory.leverage_is_set and memory.state is RunState.RUNNING
        if wanted and memory.leverage_at_ms <= memory.elapsed_ms:
            self._context.ask(SetLeverage(self.setup.launch.leverage))

    def _end_feed(self) -> None:
        """After the last bar: drop what waits, close at its close (rule 19 of ``firstwatch.strategy``)."""
        memory = self._memory
        if not memory.feed_ended:
            return
        self._entries.give_up()
        closing = memory.closing
        if closing is not None and not closing.is_after_feed:
            order = self._orders.get(closing.order_id)
            if order is not None and not order.is_settled:
                # It waits for an open that does not come.
                self._orders.cancel(order)
                return
            closing.reason, closing.order_id = ExitReason.END_OF_DATA, None
            memory.core.expected_exit = 0.0
        elif closing is None and memory.state is RunState.RUNNING and memory.core.steps:
            self._closing.want(ExitReason.END_OF_DATA)
            memory.core.expected_exit = 0.0

    def _follow_core(self) -> None:
        """Stop the run where a circuit breaker of the core says so."""
        memory = self._memory
        if memory.state is not RunState.RUNNING:
            return
        if memory.core.stop_run == STOP_BY_CHAIN:
            self._stop(StopMode.LEAVE, Author.SYSTEM, CHAIN_EXHAUSTED, ExitReason.RUN_END)
        elif memory.core.stop_run == STOP_BY_GUARD:
            mode = self.setup.launch.guards.stop_mode
            if mode is StopMode.CLOSE and not self.setup.launch.close_position_on_exit:
                mode = StopMode.LEAVE
            why = f"a guard has stopped the run: {guard_sentence(memory.core, self._settings)}"
            self._stop(mode, Author.SYSTEM, why, ExitReason.GUARD)

    def _read_what_is_wanted(self) -> None:
        memory = self._memory
        if memory.wants_reconcile:
            self._context.read(Reconcile(memory.wants_reconcile))
        if memory.wants_open_orders:
            self._context.read(ReadOpenOrders())
        if memory.wants_fills:
            reading = ReadFills(memory.fills_horizon_ms, memory.fundings_horizon_ms)
            if not self._context.is_pending(reading):
                memory.asked_as_of_ms = memory.account_as_of_ms
            self._context.read(reading)
        if memory.wants_position and memory.position_at_ms <= memory.elapsed_ms:
            self._context.read(ReadPosition())
        if memory.wants_balance:
            self._context.read(ReadBalance())
        if memory.wants_bars:
            self._context.read(ReadBars(memory.last_bar_ms))

    def _acknowledge(self) -> None:
        """Let the feed go on once everything that was asked for is answered."""
        if not self._memory.pending:
            for token in self._memory.tokens:
                self._context.effects.append(Acknowledge(token))
            self._memory.tokens.clear()

    # --- the end of a run ------------------------------------------------------------------------

    def _finish(self) -> None:
        memory = self._memory
        if not self._is_finishing():
            return
        is_stopping = memory.state is RunState.STOPPING
        is_quiet = memory.entry is None and memory.closing is None and not self._orders.young_doubts()
        if is_stopping:
            under_way = self._orders.of(OrderPurpose.ENTRY) + self._orders.of(OrderPurpose.EXIT)
            is_under_way = not all(self._orders.is_lasting(order) for order in under_way)
            is_quiet = is_quiet and not is_under_way and self._protection.is_settled()
            is_quiet = is_quiet and (memory.stop_mode is not StopMode.CLOSE or memory.core.steps == 0)
        else:
            is_quiet = is_quiet and memory.core.steps == 0 and not self._orders.open()
        if not is_quiet:
            memory.is_read_out = False
            return
        if self.setup.has_phases and not memory.is_read_out:
            # Such a feed has told all there is so far.
            memory.is_read_out, memory.payments_read_ms = True, memory.now_ms
        if not memory.is_read_out or (self._may_have_paid() and not memory.wants_fills):
            # A word of the venue may have been lost: what it has booked is read before the end.
            memory.is_read_out = True
            self._context.want_fills()
            memory.is_compared = False
        if memory.wants_fills:
            return
        if not memory.is_compared:
            memory.wants_position = True
            return
        if self._may_lack_payment(memory.payments_as_of_ms):
            memory.is_compared = False
            if self._may_lack_payment(memory.account_as_of_ms):
                memory.position_at_ms = memory.elapsed_ms + back_off_ms(0)
            else:
                self._context.want_fills()
            return
        self._end(
            RunState.STOPPED if is_stopping else RunState.DONE,
            memory.stop_why if is_stopping else self._why_done(),
        )

    def _may_have_paid(self) -> bool:
        """Tell whether a funding payment may have fallen due since payments were read.

        Venues pay at whole hours; the clock of a simulated one may move from bar to bar.
        """
        memory = self._memory
        step_ms = min(self.setup.timeframe.ms, Timeframe.H1.ms)
        return memory.now_ms // step_ms > memory.payments_read_ms // step_ms

    def _may_lack_payment(self, as_of_ms: int) -> bool:
        """Tell whether what a node said as of that time may lack the last payment."""
        hour_ms = Timeframe.H1.ms
        return not self.setup.has_phases and self._memory.now_ms // hour_ms > as_of_ms // hour_ms

    def _is_finishing(self) -> bool:
        memory = self._memory
        if memory.state is RunState.STOPPING:
            return True
        reached = memory.core.stop_run == STOP_BY_TRADES_LIMIT
        return memory.state is RunState.RUNNING and (memory.feed_ended or reached)

    def _why_done(self) -> str:
        if self._memory.core.stop_run == STOP_BY_TRADES_LIMIT:
            return f"the trades limit of {self._settings.trades_limit} is reached"
        return "the feed has no more bars"

    def _end(self, new: RunState, why: str, author: Author = Author.SYSTEM) -> None:
        """Go to a final state: the feed is let go and the worker ends."""
        memory = self._memory
        self._transition(new, why, author)
        memory.sentence = self._facts.ending(why)
        self._context.clear_alarm("missing bars")
        if memory.last_bar_ms:
            # What has filled since the last close belongs to the bar of its time.
            filled_ms = self.setup.timeframe.open_of(max(memory.fills_seen.values(), default=0))
            equity = mark_equity(memory.core, memory.core.last_close)
            self._context.record(EquityRow(max(memory.last_bar_ms, filled_ms), equity))
        for token in memory.tokens:
            self._context.effects.append(Acknowledge(token))
        memory.tokens.clear()
        memory.pending.clear()
        self._context.effects.append(EndRun())

    def _fail(self, why: str) -> None:
        self._context.alarm("failed", f"the run has failed: {why}")
        self._end(RunState.FAILED, why)

    def _transition(self, new: RunState, why: str, author: Author) -> None:
        memory = self._memory
        old = memory.state
        memory.state = move_run(old, new)
        self._context.record(Transition(old, new, why, memory.now_ms, author, memory.stop_mode))

    def _stop(self, mode: StopMode, author: Author, why: str, reason: ExitReason) -> None:
        """Go to ``STOPPING``, or change the mode of a stop that is under way."""
        memory = self._memory
        memory.stop_mode = mode
        if memory.state is RunState.RUNNING:
            self._transition(RunState.STOPPING, why, author)
            memory.stop_why = why
        else:
            self._context.journal(Noted(sentence=f"the stop's mode is now {mode}: {why}"), author)
        self._entries.give_up()
        self._orders.ask_for_unheard()
        if mode is not StopMode.CLOSE:
            self._closing.withdraw()
        elif memory.core.steps:
            self._closing.want(reason)

    # --- bars ------------------------------------------------------------------------------------

    def _bar_opened(self, event: BarOpened) -> None:
        self._memory.is_in_bar = True
        self._price_came(event.price)

    def _mark_moved(self, event: MarkMoved) -> None:
        self._price_came(event.touch.mid)

    def _price_came(self, price: float) -> None:
        self._memory.price = price
        self._closing.price_came()

    def _bar_closed(self, event: BarClosed) -> None:
        """Decide at a close, knowing all fills up to it (rule 1 of ``firstwatch.strategy``).

        On a feed without phases they are read first where there may be some that were not heard yet.
        """
        memory, bar = self._memory, event.bar
        if event.timeframe is not self.setup.timeframe or not self._is_credible(bar):
            return
        if bar.time_ms <= memory.last_bar_ms:
            self._late_bar_came(bar.time_ms)
            return
        if memory.waiting_bar is not None and bar.time_ms < memory.waiting_bar.time_ms:
            # It is late, and its successor is not decided yet.
            memory.wants_bars = True
            return
        memory.is_in_bar = False
        memory.stale = ""
        self._price_came(bar.close)
        has_hole = self._is_behind_hole(bar)
        if self.setup.has_phases:
            self._decide(bar)
            return
        memory.wants_bars = has_hole
        may_have_filled = has_hole or self._protection.may_have_filled(bar)
        if may_have_filled and (memory.core.steps or self._orders.open()):
            self._context.want_fills()
        if memory.wants_bars or memory.wants_fills:
            memory.waiting_bar = bar
        else:
            self._decide(bar)

    def _is_credible(self, bar: Bar) -> bool:
        """Tell whether a bar may be counted: its prices are ones, and it is over by the venue's own time."""
        if bar.is_sound and bar.time_ms + self.setup.timeframe.ms <= self._memory.now_ms:
            return True
        self._context.journal(
            Noted(sentence=f"the venue told a bar that cannot be: {bar}; it is not counted")
        )
        return False

    def _is_behind_hole(self, bar: Bar) -> bool:
        return 0 < self._memory.last_bar_ms < bar.time_ms - self.setup.timeframe.ms

    def _found_hole(self, next_ms: int, *, is_confirmed: bool) -> None:
        step_ms = self.setup.timeframe.ms
        first_ms, last_ms = self._memory.last_bar_ms + step_ms, next_ms - step_ms
        if is_confirmed:
            holes = range(first_ms, next_ms, step_ms)[-_KEPT_HOLES:]
            self._memory.holes = [*self._memory.holes, *holes][-_KEPT_HOLES:]
        self._context.journal(HoleFound(first_ms=first_ms, last_ms=last_ms, is_confirmed=is_confirmed))

    def _late_bar_came(self, time_ms: int) -> None:
        """Name a bar that came after its successor was decided. What was decided already is no news."""
        if time_ms in self._memory.holes:
            self._memory.holes.remove(time_ms)
            self._context.journal(LateBar(bar_time_ms=time_ms))

    def _decide_waiting(self) -> None:
        memory = self._memory
        bar = memory.waiting_bar
        if bar is not None and not memory.wants_bars and not memory.wants_fills:
            memory.waiting_bar = None
            if bar.time_ms > memory.last_bar_ms:
                self._decide(bar)

    def _decide(self, bar: Bar, *, is_past: bool = False) -> None:
        """Take a closed bar in: the core decides, and its decisions become wishes.

        ``is_past``: it closed while nobody worked on the run, so that no entry follows from it.
        """
        memory, core, timeframe = self._memory, self._memory.core, self.setup.timeframe
        if self._is_behind_hole(bar):
            self._found_hole(bar.time_ms, is_confirmed=True)
        self._entries.bar_came()
        flags = self._signals.push(bar)
        memory.last_bar_ms = bar.time_ms
        close_ms = bar.time_ms + timeframe.ms
        if memory.wallet_total is not None:
            core.equity_cap = float(memory.wallet_total)
        if memory.state is not RunState.RUNNING:
            mark_equity(core, bar.close)
        else:
            may_enter = 1 if self._sessions.may_enter(close_ms, timeframe) else 0
            if memory.pause_reasons or memory.stale or memory.foreign:
                may_enter = -1
            close_bar(
                core,
                self._settings,
                bar.time_ms,
                bar.open,
                bar.high,
                bar.low,
                bar.close,
                flags.entry_long,
                flags.entry_short,
                flags.exit_long,
                flags.exit_short,
                flags.atr_stop,
                flags.atr_target,
                may_enter,
                1 if self._sessions.must_flatten(close_ms, timeframe) else 0,
                bar.time_ms // _DAY_MS,
            )
            self._act(bar, self._why_no_entry(bar.time_ms, is_past=is_past))
        self._context.record(EquityRow(bar.time_ms, core.equity))

    def _act(self, bar: Bar, why_no_entry: str) -> None:
        """Turn what the core has decided into wishes."""
        core = self._memory.core
        self._say_notes()
        if core.alert:
            reason = exit_reason(core.alert)
            self._context.clear_alarm("exit left to the operator")
            self._context.alarm(
                "exit left to the operator",
                f"the algorithm would close by {reason} at {bar.close:g}; closing is left to the operator",
            )
        elif not core.alerted:
            self._context.clear_alarm("exit left to the operator")
        self._say_guards()
        if core.decision == ENTER:
            self._entries.enter(why_no_entry)
        elif core.decision == EXIT:
            reason = exit_reason(core.decision_reason)
            self._context.journal(
                ExitDecided(bar_time_ms=bar.time_ms, reason=reason, expected_price=bar.close)
            )
            self._entries.give_up()
            self._closing.want(reason)
        elif core.decision == CANCEL_ENTRY:
            self._entries.give_up()
        elif core.decision == REST_AT_MARKET:
            self._entries.rest_at_market(bar.time_ms, why_no_entry)

    def _say_notes(self) -> None:
        """Journal what the core notes: the entries that it refuses, sizes that are cut, levels it drops.

        What a guard or the chain does to the run is said as it is done.
        """
        memory, core, market = self._memory, self._memory.core, self.setup.market
        for code in take_notes(core):
            match code:
                case NoteCode.BELOW_MINIMUM | NoteCode.EQUITY_GONE:
                    side = Side.LONG if core.refused > 0 else Side.SHORT
                    cause = refusal_sentence(code, market)
                    self._context.journal(
                        DecisionDropped(bar_time_ms=memory.last_bar_ms, decision=f"enter {side}", cause=cause)
                    )
                case NoteCode.SIZE_CAPPED | NoteCode.RISK_CAPPED:
                    cap = cap_sentence(self._settings, core.size_asked, core.size_granted)
                    self._context.journal(CoreNoted(code=code, sentence=f"the entry is capped: {cap}"))
                case NoteCode.LEVEL_DROPPED:
                    self._context.journal(CoreNoted(code=code, sentence=LEVEL_DROPPED))
                case _:
                    pass

    def _say_guards(self) -> None:
        memory = self._memory
        bits = memory.core.entries_paused_by_guard
        if bits == memory.guard_pauses:
            return
        if bits & ~memory.guard_pauses:
            self._context.journal(EntriesPaused(why="a guard has reached its limit"))
        else:
            self._context.journal(EntriesResumed(why="the guard's day is over"))
        memory.guard_pauses = bits

    def _why_no_entry(self, bar_time_ms: int, *, is_past: bool = False) -> str:
        """Return why an entry decided at that bar's close may not be sent now; empty: it may.

        What "Assume position now" decides on the last bar before the launch is as old as the launch.
        """
        memory, length_ms = self._memory, self.setup.timeframe.ms
        if memory.state is not RunState.RUNNING or memory.core.stop_run != GOES_ON:
            return "the run does not go on"
        if memory.feed_ended:
            return "the feed has ended"
        if memory.pause_reasons:
            return "paused"
        if memory.stale:
            return "stale"
        if memory.wants_position and memory.failed_reads:
            return "the position cannot be read"
        late_ms = memory.now_ms - max(bar_time_ms + length_ms, memory.started_ms)
        if is_past or bar_time_ms < memory.last_bar_ms or late_ms > max(LATE_MS, LATE_FRACTION * length_ms):
            return "late"
        return ""

    # --- what the venue reports ------------------------------------------------------------------

    def _fill_reported(self, event: FillReported) -> None:
        """Book a fill; one that follows from nothing known may have come before its cause: all are read."""
        if self.setup.has_phases or self._ledger.is_expected(event.fill):
            self._ledger.fill(event.fill, event.touch)
        else:
            order = self._orders.get(event.fill.client_order_id)
            if order is not None and not self._ledger.is_known(event.fill):
                self._orders.put_off(order, event.fill)
            self._context.want_fills()
            self._context.want_position()

    def _order_reported(self, event: OrderReported) -> None:
        order = self._orders.get(event.report.client_order_id)
        if order is not None:
            self._orders.report(order, event.report)
        elif not sent_by(event.report.client_order_id, self.setup.earlier_runs | {self.setup.run_id}):
            self._foreign_order(event.report)

    def _foreign_order(self, report: OrderReport) -> None:
        topic = f"{_FOREIGN_ORDER} {report.venue_order_id}"
        if not report.state.is_open:
            self._context.clear_alarm(topic)
            return
        named = f"{report.side} {report.amount:f} {report.symbol}, venue order {report.venue_order_id}"
        self._name_foreign(topic, f"an order that is not of this run: {named}", "cancel")

    def _external_positions(self, event: ExternalPositions) -> None:
        """Name what the wallet holds in other markets: it takes the margin that this run counts on."""
        topics = {f"{_FOREIGN_POSITION} {symbol}": symbol for symbol in event.amounts}
        for topic in [topic for topic in self._memory.alarms if topic.startswith(_FOREIGN_POSITION)]:
            if topic not in topics:
                self._context.clear_alarm(topic)
        for topic, symbol in topics.items():
            named = f"{event.amounts[symbol]:+f} {symbol}"
            self._name_foreign(topic, f"a position that is not of this run: {named}", "close")

    def _account_judged(self, event: AccountChecked) -> None:
        """Alarm and pause entries where the account became of a kind whose money cannot be read."""
        if not event.problem:
            self._context.clear_alarm(ACCOUNT_KIND)
        elif ACCOUNT_KIND not in self._memory.alarms:
            self._context.alarm(ACCOUNT_KIND, event.problem)
            self._context.pause(ACCOUNT_KIND, f"{event.problem}; entries pause until they are resumed")

    def _name_foreign(self, topic: str, what: str, remedy: str) -> None:
        """Alarm and pause entries once: who resumes them while the alarm stands knows of it."""
        if topic not in self._memory.alarms:
            self._context.alarm(topic, f"the wallet has {what}; {remedy} it at the venue")
            self._context.pause("foreign", f"{what}; entries pause until they are resumed")

    def _funding_reported(self, event: FundingReported) -> None:
        """Book a payment; one on a position that is not known yet is read together with its fills."""
        if self.setup.has_phases or self._memory.core.steps:
            self._ledger.funding(event.funding)
        else:
            self._context.want_fills()

    def _phase_ended(self, event: PhaseEnded) -> None:
        """Note a phase to acknowledge; an order that executed as it was sent is heard of before that."""
        memory = self._memory
        memory.tokens.append(event.token)
        self._closing.price_came()
        if memory.is_in_bar and any(order.intent.kind is OrderKind.MARKET for order in self._orders.open()):
            self._context.want_fills()

    def _feed_ended(self, event: FeedEnded) -> None:
        self._memory.feed_ended = True
        self._memory.is_in_bar = False
        self._context.journal(Noted(sentence=f"the feed ended at {iso(event.time_ms)}"))

    def _stream_lost(self, event: StreamLost) -> None:
        self._memory.lost_streams[event.stream] = event.reason

    def _stream_restored(self, event: StreamRestored) -> None:
        self._memory.lost_streams.pop(event.stream, None)
        self._memory.wants_reconcile = f"stream {event.stream} is back"
        self._context.want_anew(Reconcile(""))

    def _feed_went_stale(self, event: inputs.FeedWentStale) -> None:
        self._memory.stale = event.reason

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
            self._price_came(event.touch_at_acknowledgement.mid)
        refusal = self._orders.sent(
            order, event.outcome, event.touch_at_submission, event.touch_at_acknowledgement
        )
        if refusal is not None and refusal.code == "reduce_only":
            self._memory.denied_ms = self._memory.denied_ms or event.time_ms
        match order.intent.purpose:
            case OrderPurpose.ENTRY:
                self._entries.sent(order, refusal)
            case OrderPurpose.EXIT:
                if refusal is not None:
                    self._closing.refused(refusal)
            case _:
                if refusal is not None:
                    self._protection.refused(order, refusal)
                elif order.state is OrderState.UNKNOWN:
                    self._protection.doubted(order)

    def _cancel_answered(self, event: inputs.CancelAnswered) -> None:
        order = self._orders.get(event.client_order_id)
        if self._context.answered(CancelOrder(event.client_order_id)) and order is not None:
            self._orders.cancelled(order, event.outcome)

    def _resolve_answered(self, event: inputs.ResolveAnswered) -> None:
        order = self._orders.get(event.client_order_id)
        if self._context.answered(ResolveOrder(event.client_order_id)) and order is not None:
            self._resolved(order, event.resolution)

    def _resolved(self, order: TrackedOrder, resolution: Resolution) -> None:
        if not self._orders.resolved(order, resolution):
            return
        if order.intent.purpose is OrderPurpose.ENTRY:
            self._entries.never_sent(order)
        elif order.intent.purpose is not OrderPurpose.EXIT:
            self._protection.never_sent(order)

    def _leverage_set(self, event: inputs.LeverageSet) -> None:
        memory = self._memory
        if not self._context.answered(SetLeverage(self.setup.launch.leverage)):
            return
        match event.outcome:
            case Accepted():
                memory.leverage_is_set = True
                self._context.clear_alarm("leverage")
                if memory.core.decision == ENTER and memory.entry is None:
                    self._entries.enter(self._why_no_entry(memory.last_bar_ms))
            case Refused("auth", reason) if memory.leverage_tries >= _AUTH_TRIES:
                self._fail(unknown_signer(reason))
            case Unknown(reason) | Refused("rate_limit" | "auth", reason):
                memory.leverage_at_ms = memory.elapsed_ms + back_off_ms(memory.leverage_tries)
                memory.leverage_tries += 1
                if memory.leverage_tries == _AUTH_TRIES:
                    self._context.alarm(
                        "leverage",
                        f"leverage {self.setup.launch.leverage} is not set yet ({reason}); it is tried again,"
                        " and no entry is made before",
                    )
            case Refused(code, reason):
                self._fail(
                    f"the venue refused leverage {self.setup.launch.leverage} ({code}: {reason});"
                    " set it at the venue or launch with another one"
                )

    def _order_read(self, event: inputs.OrderRead) -> None:
        order = self._orders.get(event.client_order_id)
        if self._context.answered(ReadOrder(event.client_order_id)) and order is not None:
            self._reading_came()
            self._read_order(order, event.report)

    def _read_order(self, order: TrackedOrder, report: OrderReport | None) -> None:
        if self._orders.read(order, report):
            self._context.want_fills()
            self._context.want_position()
            self._context.alarm(
                "order lost",
                f"the venue does not know order {order.intent.client_order_id} any more, which it had taken",
            )
        # Where the venue's word of one order lags, its open orders may show it.
        if order.is_missing:
            self._context.want_open_orders()

    def _position_read(self, event: inputs.PositionRead) -> None:
        if self._context.answered(ReadPosition()):
            self._reading_came()
            self._compare(event.position)
            if self._context.is_wanted_anew(ReadPosition()):
                self._memory.wants_position = True
                self._memory.is_compared = False

    def _compare(self, position: Position) -> None:
        """Compare the venue's position with the booked one; fills are read before it is believed."""
        memory = self._memory
        memory.account_as_of_ms = max(memory.account_as_of_ms, position.time_ms)
        known_ms = max([*memory.fills_seen.values(), memory.denied_ms])
        if position.time_ms < known_ms and not self.setup.has_phases:
            # It is from before what is booked or was refused: it says nothing of now.
            memory.position_at_ms = memory.elapsed_ms + back_off_ms(0)
            memory.wants_position = memory.goes_by_books = True
            return
        memory.goes_by_books = False
        memory.denied_ms = 0
        foreign = sum(fill.side.sign * fill.amount for fill in memory.foreign_fills)
        is_stale = foreign != 0 and not self.setup.has_phases and memory.mismatches < _CONFIRMING_READS
        if self._ledger.agrees(position) and not is_stale:
            memory.wants_position = False
            memory.is_compared = True
            memory.mismatches = 0
            memory.foreign_fills.clear()
            memory.early_exits.clear()
            self._context.clear_alarm("order lost")
            if memory.unwanted == 0:
                self._context.clear_alarm("fill after flat")
            if memory.foreign == 0:
                self._context.clear_alarm("unexplained position")
            return
        if self._orders.may_explain(signed(position) - self._ledger.own - memory.foreign):
            # What became of an order will say it.
            memory.wants_fills = memory.wants_position = memory.goes_by_books = True
            memory.position_at_ms = memory.elapsed_ms + back_off_ms(0)
            return
        memory.mismatches += 1
        confirming = 1 if self.setup.has_phases else _CONFIRMING_READS
        if memory.mismatches <= confirming or memory.wants_fills:
            memory.wants_fills = memory.wants_position = True
            if memory.mismatches > 1:
                memory.position_at_ms = memory.elapsed_ms + back_off_ms(0)
            return
        memory.mismatches = 0
        memory.wants_position = False
        self._ledger.explain(position)
        memory.is_compared = True

    def _open_orders_read(self, event: inputs.OpenOrdersRead) -> None:
        if self._context.answered(ReadOpenOrders()):
            self._reading_came()
            self._memory.wants_open_orders = self._context.is_wanted_anew(ReadOpenOrders())
            self._take_open_orders(event.reports)

    def _take_open_orders(self, reports: Sequence[OrderReport]) -> None:
        standing = {f"{_FOREIGN_ORDER} {report.venue_order_id}" for report in reports}
        for topic in [topic for topic in self._memory.alarms if topic.startswith(_FOREIGN_ORDER)]:
            if topic not in standing:
                self._context.clear_alarm(topic)
        for report in reports:
            order = self._orders.get(report.client_order_id)
            if order is not None:
                self._orders.read(order, report)
            elif not sent_by(report.client_order_id, self.setup.earlier_runs):
                self._foreign_order(report)

    def _fills_read(self, event: inputs.FillsRead) -> None:
        if not self._context.answered(ReadFills(0, 0)):
            return
        self._reading_came()
        self._memory.wants_fills = self._context.is_wanted_anew(ReadFills(0, 0))
        self._memory.payments_read_ms = event.time_ms
        self._memory.payments_as_of_ms = self._memory.asked_as_of_ms
        self._book(event.fills, event.fundings)
        self._decide_waiting()

    def _book(self, fills: Sequence[Fill], fundings: Sequence[Funding]) -> None:
        """Book in the order of their times: a payment is made on the position that stood just before it."""
        timeline: list[tuple[int, int, Funding | Fill]] = [
            *((funding.time_ms, 0, funding) for funding in fundings),
            *((fill.time_ms, 1, fill) for fill in fills),
        ]
        for _, _, item in sorted(timeline, key=lambda entry: entry[:2]):
            if isinstance(item, Funding):
                self._ledger.funding(item)
            else:
                self._ledger.fill(item, None)

    def _balance_read(self, event: inputs.BalanceRead) -> None:
        if self._context.answered(ReadBalance()):
            self._reading_came()
            self._memory.wants_balance = False
            self._memory.wallet_total = event.balance.total

    def _bars_read(self, event: inputs.BarsRead) -> None:
        """Take in the bars that were missed; what the venue does not have either is a hole."""
        memory = self._memory
        if not self._context.answered(ReadBars(0)):
            return
        self._reading_came()
        memory.wants_bars = False
        memory.stale = ""
        waiting = memory.waiting_bar
        for bar in filter(self._is_credible, event.bars):
            if bar.time_ms > memory.last_bar_ms and (waiting is None or bar.time_ms < waiting.time_ms):
                self._decide(bar)
        self._decide_waiting()

    def _read_failed(self, event: inputs.ReadFailed) -> None:
        """Try again later; a hole that cannot be confirmed makes the data stale meanwhile."""
        memory = self._memory
        if not self._context.answered(event.effect):
            return
        self._context.is_wanted_anew(event.effect)  # it is wanted still
        if memory.elapsed_ms >= memory.read_at_ms:
            # Readings that were made together and fail together are one attempt.
            memory.read_at_ms = memory.elapsed_ms + back_off_ms(memory.failed_reads)
            memory.failed_reads += 1
            if memory.failed_reads == 3:
                self._context.alarm("venue", f"the venue cannot be read: {event.reason}; it is tried again")
        if isinstance(event.effect, ReadBars) and memory.waiting_bar is not None and not memory.stale:
            memory.stale = "bars are missing that the venue cannot be asked for"
            self._found_hole(memory.waiting_bar.time_ms, is_confirmed=False)

    def _reading_came(self) -> None:
        self._memory.failed_reads = 0
        self._memory.read_at_ms = 0
        self._context.clear_alarm("venue")

    # --- launch and recovery ---------------------------------------------------------------------

    def _launched(self, event: inputs.Launched) -> None:
        """Begin: adopt what the wallet holds, enter at once, or wait flat and unarmed.

        Rule 4 of ``firstwatch.engine``, rule 26 of ``firstwatch.strategy``.
        """
        memory, launch = self._memory, self.setup.launch
        memory.started_ms = event.time_ms
        memory.fills_horizon_ms = memory.fundings_horizon_ms = self.setup.timeframe.open_of(event.time_ms)
        memory.wallet_total = event.balance.total
        memory.price = event.touch.mid if event.touch else memory.price
        memory.foreign = signed(event.position)
        memory.account_as_of_ms = event.position.time_ms
        for note in event.notes:
            self._context.journal(Noted(sentence=note))
        if event.open_orders:
            self._fail("the wallet has open orders in the symbol; cancel them and launch again")
            return
        if not event.position.is_flat and not launch.assume_position_now:
            self._fail("the wallet holds a position; close it, or launch with 'Assume position now'")
            return
        self._transition(RunState.RUNNING, "launched", event.author)
        flags: GroupFlags | None = None
        if event.last_bar is not None:
            flags = self._signals.push(event.last_bar)
            memory.last_bar_ms = event.last_bar.time_ms
            memory.price = memory.price or event.last_bar.close
        if not launch.assume_position_now or flags is None or event.last_bar is None:
            return
        if not event.position.is_flat:
            self._adopt(event.position, event.touch.mark if event.touch else memory.price, flags)
            return
        close_ms = event.last_bar.time_ms + self.setup.timeframe.ms
        enter_now(
            memory.core,
            self._settings,
            event.last_bar.close,
            flags.entry_long,
            flags.entry_short,
            flags.atr_stop,
            flags.atr_target,
            1 if self._sessions.may_enter(close_ms, self.setup.timeframe) else 0,
        )

    def _adopt(self, position: Position, mark: float, flags: GroupFlags) -> None:
        memory = self._memory
        side = position.side
        if side is None or position.entry_price is None:
            self._fail("the venue shows a position without a side or an entry price")
            return
        takes_side = self._settings.allows_long if side is Side.LONG else self._settings.allows_short
        if not takes_side or not position.is_isolated or position.leverage != self.setup.launch.leverage:
            kind = "isolated" if position.is_isolated else "cross"
            self._fail(
                f"the wallet holds a {side} at {kind} leverage {position.leverage} by now, which this run"
                " cannot adopt; launch again"
            )
            return
        adopted = adopt(
            memory.core,
            self._settings,
            side.sign,
            self.setup.market.steps(position.amount),
            mark,
            float(position.entry_price),
            float(position.margin),
            flags.atr_stop,
            flags.atr_target,
        )
        if not adopted:
            self._fail("the price is already beyond the stop or the target of the position to adopt")
            return
        memory.is_adopted = memory.leverage_is_set = True
        memory.foreign = ZERO
        memory.trade_entry_ms = memory.now_ms
        self._context.journal(
            Adopted(side=side, amount=position.amount, entry_price=position.entry_price, mark=mark)
        )

    def _recovery_started(self, event: inputs.RecoveryStarted) -> None:
        """Begin again after a time of not listening: nothing asked for earlier will be answered."""
        memory = self._memory
        memory.pending.clear()
        memory.wanted_anew.clear()
        memory.tokens.clear()
        # The venue has said anew what time it is there.
        memory.now_ms = event.time_ms
        memory.clock_ms = None
        memory.is_in_bar = memory.feed_ended = False  # the feed says anew where it stands
        memory.written.facts = ""  # others have written meanwhile that nobody works on the run
        memory.waiting_bar = None
        memory.wants_bars = False
        memory.lost_streams.clear()
        self._retry_at_once()
        doubtful = self._orders.in_doubt()
        for order in doubtful:
            self._orders.doubt(order, "no answer is known of an earlier process life")
        if event.newest_bar_ms is not None:
            self._go_on_from(event.newest_bar_ms)
        for time_ms in event.late_bars:
            self._late_bar_came(time_ms)
        if event.lost_until_ms is not None:
            self._go_on_without_bars(event.lost_until_ms)
        past = self._take(event.reading, is_past=True)
        self._context.journal(Recovered(why=event.why, past_bars=past, doubtful_orders=len(doubtful)))

    def _go_on_from(self, newest_ms: int) -> None:
        """Take the venue's newest bar for the last one, which cannot have closed yet."""
        memory = self._memory
        sentence = (
            f"the last bar that the run had noted, of {iso(memory.last_bar_ms)}, cannot have closed yet: it"
            f" goes on from the venue's newest closed bar, of {iso(newest_ms)}; on those before nothing was"
            " decided"
        )
        memory.last_bar_ms = newest_ms
        # What was decided at that bar would never be late.
        self._entries.give_up()
        self._context.journal(Noted(sentence=sentence))

    def _go_on_without_bars(self, until_ms: int) -> None:
        """Leave a hole that nobody can confirm: no entries until an operator resumes them."""
        memory = self._memory
        sentence = (
            f"the venue no longer gives the bars of {iso(memory.last_bar_ms)} and after: nothing was decided"
            " on those that came while nobody worked on the run; exits and protection go on"
        )
        if until_ms > memory.last_bar_ms:
            self._found_hole(until_ms + self.setup.timeframe.ms, is_confirmed=False)
            memory.last_bar_ms = until_ms
        self._context.alarm("missing bars", f"{sentence}, entries are paused")
        self._context.pause("missing bars", f"{sentence}; entries pause until they are resumed")

    def _retry_at_once(self) -> None:
        """Forget what earlier process lives were refused, and how long they wanted to wait after it."""
        memory = self._memory
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

    def _reconciled(self, event: inputs.Reconciled) -> None:
        if self._context.answered(Reconcile("")):
            self._reading_came()
            if not self._context.is_wanted_anew(Reconcile("")):
                self._memory.wants_reconcile = ""
            self._take(event.reading)

    def _take(self, reading: inputs.VenueReading, *, is_past: bool = False) -> int:
        """Take in a reading of the whole venue; returns how many bars it brought.

        Bars, payments and fills are taken in the order of their times; a bar's close comes before what
        happened at the next one's open.
        """
        memory = self._memory
        memory.wallet_total = reading.balance.total
        if reading.touch is not None:
            self._price_came(reading.touch.mid)
        for order_id, resolution in reading.resolutions.items():
            order = self._orders.get(order_id)
            if order is not None:
                self._resolved(order, resolution)
        for order_id, report in reading.reports.items():
            order = self._orders.get(order_id)
            if order is not None:
                self._read_order(order, report)
        bars = [bar for bar in reading.bars if bar.time_ms > memory.last_bar_ms and self._is_credible(bar)]
        timeline: list[tuple[int, int, Bar | Funding | Fill]] = [
            *((bar.time_ms + self.setup.timeframe.ms, 0, bar) for bar in bars),
            *((funding.time_ms, 1, funding) for funding in reading.fundings),
            *((fill.time_ms, 2, fill) for fill in reading.fills),
        ]
        for _, _, item in sorted(timeline, key=lambda entry: entry[:2]):
            if isinstance(item, Bar):
                self._decide(item, is_past=is_past)
            elif isinstance(item, Funding):
                self._ledger.funding(item)
            else:
                self._ledger.fill(item, None)
        self._take_open_orders(reading.open_orders)
        self._compare(reading.position)
        return len(bars)

    def _time_passed(self, event: inputs.TimePassed) -> None:
        """Count the machine's time: retries, deadlines, and how long a position was unprotected."""
        memory = self._memory
        passed_ms = 0 if memory.clock_ms is None else event.elapsed_ms - memory.clock_ms
        memory.clock_ms = event.elapsed_ms
        # A machine that slept has not been trying: a long gap counts as one tick.
        passed_ms = min(max(passed_ms, 0), _LONGEST_TICK_MS)
        memory.elapsed_ms += passed_ms
        self._closing.price_came()
        if memory.state is RunState.STOPPING and event.is_reachable and not self._orders.young_doubts():
            memory.stopping_ms += passed_ms
            if memory.stopping_ms >= STOP_DEADLINE_MS:
                self._fail(
                    "the stop was not finished within 60 s of a venue that answers;"
                    f" exposure: {self._facts.exposure()}; look at the wallet at the venue"
                )

    # --- the operator ----------------------------------------------------------------------------

    def _stop_requested(self, event: inputs.StopRequested) -> None:
        if self._memory.state is RunState.NEW:
            self._end(RunState.CANCELLED, event.why, event.author)
        else:
            self._stop(event.mode, event.author, event.why, ExitReason.RUN_END)

    def _pause_requested(self, event: inputs.PauseRequested) -> None:
        self._context.pause("operator", event.why, event.author)

    def _resume_requested(self, event: inputs.ResumeRequested) -> None:
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
            self._context.journal(EntriesResumed(why="resumed"), event.author)

    def _cancel_requested(self, event: inputs.CancelRequested) -> None:
        if self._memory.state is RunState.NEW and self._memory.order_number == 0:
            self._end(RunState.CANCELLED, "cancelled before it began", event.author)
        else:
            self._context.refuse("the run has begun and cannot be cancelled; stop it instead", event.author)

    def _close_requested(self, event: inputs.CloseRequested) -> None:
        """Close the position at market; the run goes on, its entries paused."""
        memory = self._memory
        may_hold = self._orders.ask_for_unheard() or any(
            order.intent.purpose is OrderPurpose.ENTRY for order in self._orders.in_doubt()
        )
        if memory.state is RunState.NEW or not (memory.core.steps or may_hold):
            self._context.refuse("there is no position to close", event.author)
            return
        self._context.pause(
            "manual", "the operator closes the position; entries pause until they are resumed", event.author
        )
        self._entries.give_up()
        self._closing.want(ExitReason.MANUAL)

    def _fail_requested(self, event: inputs.FailRequested) -> None:
        self._fail(event.why)
