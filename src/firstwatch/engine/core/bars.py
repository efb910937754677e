"""Bars of a run: prices, missing and late bars, and the decisions of the strategy core at each close."""

from firstwatch.engine.core import inputs
from firstwatch.engine.core.effects import ReadBars
from firstwatch.engine.core.entries import EntryManager
from firstwatch.engine.core.exits import ExitManager
from firstwatch.engine.core.order_manager import OrderManager
from firstwatch.engine.core.outlook import held_back
from firstwatch.engine.core.protection import ProtectionManager
from firstwatch.engine.core.records import BarRow, EquityRow
from firstwatch.engine.core.signals import Sessions, Signals
from firstwatch.engine.core.step_context import StepContext
from firstwatch.strategy.core import close_bar, mark_equity
from firstwatch.strategy.core_notes import (
    LEVEL_DROPPED,
    SLICE_CUT,
    cap_sentence,
    guard_bits,
    guard_sentence,
    refusal_sentence,
    take_notes,
)
from firstwatch.strategy.core_settings import exit_reason
from firstwatch.strategy.core_state import (
    CANCEL_ENTRY,
    ENTER,
    EXIT,
    FLAT,
    GOES_ON,
    NO_ORDER,
    REST_AT_MARKET,
    SLICE,
    CoreSettings,
)
from firstwatch.strategy.evaluation import GroupFlags
from firstwatch.trading.bar import Bar, Decided
from firstwatch.trading.clock import iso
from firstwatch.trading.events import (
    CoreNoted,
    DecisionDropped,
    DropCause,
    EntriesPaused,
    EntriesResumed,
    ExitDecided,
    HoleFound,
    LateBar,
    Noted,
)
from firstwatch.trading.launch_words import EXIT_WORDS
from firstwatch.trading.notes import NoteCode
from firstwatch.trading.orders import Side
from firstwatch.trading.runs import ExitReason, RunState
from firstwatch.trading.why import ConditionValue, GroupKind, because
from firstwatch.venues.protocol import BarClosed, BarOpened, MarkMoved

LATE_MS = 10_000
LATE_FRACTION = 0.05
"""Entries decided more than max(``LATE_MS``, ``LATE_FRACTION`` x bar) after the close are dropped."""
_DAY_MS = 86_400_000
_KEPT_HOLES = 50


class BarManager:
    """Decides at each close, once the fills and bars before it are known."""

    def __init__(
        self,
        context: StepContext,
        settings: CoreSettings,
        signals: Signals,
        sessions: Sessions,
        *,
        orders: OrderManager,
        entries: EntryManager,
        exits: ExitManager,
        protection: ProtectionManager,
    ) -> None:
        self._context = context
        self._settings = settings
        self._signals = signals
        self._sessions = sessions
        self._orders = orders
        self._entries = entries
        self._exits = exits
        self._protection = protection
        self._closed: BarClosed | None = None
        """The newest streamed close: it has the mark's range, which bars from a reading lack."""

    def opened(self, event: BarOpened) -> None:
        self._context.memory.is_in_bar = True
        self.set_price(event.price)

    def mark_moved(self, event: MarkMoved) -> None:
        self.set_price(event.touch.mid, event.touch.mark)

    def set_price(self, price: float, mark: float = 0.0) -> None:
        """Record a price. If marks are sent separately, a price without one leaves the mark unchanged."""
        memory = self._context.memory
        memory.price = price
        if mark or self._context.setup.has_phases or not memory.mark:
            memory.mark = mark or price
        self._exits.price_updated()

    def closed(self, event: BarClosed) -> None:
        """Decide at a close, knowing all fills up to it (rule 1 of ``firstwatch.strategy``).

        On a feed without phases they are read first where some may not have arrived yet.
        """
        memory, bar = self._context.memory, event.bar
        if event.timeframe is not self._context.setup.timeframe or not self.is_credible(bar):
            return
        if bar.time_ms <= memory.last_bar_ms:
            self.record_late_bar(bar.time_ms)
            return
        if memory.waiting_bar is not None and bar.time_ms < memory.waiting_bar.time_ms:
            # A late bar whose successor is not decided yet.
            memory.wants_bars = True
            return
        self._closed = event
        memory.is_in_bar = False
        memory.stale = ""
        self.set_price(bar.close)
        has_hole = self._is_behind_hole(bar)
        if self._context.setup.has_phases:
            self.decide(bar)
            return
        memory.wants_bars = has_hole
        may_have_filled = has_hole or self._protection.may_have_filled(bar)
        if may_have_filled and (memory.core.steps or self._orders.open()):
            self._context.want_fills()
        if memory.wants_bars or memory.wants_fills:
            memory.waiting_bar = bar
        else:
            self.decide(bar)

    def bars_read(self, event: inputs.BarsRead) -> None:
        """Handle missed bars that were read; those that the venue lacks as well are a hole."""
        memory = self._context.memory
        if not self._context.answered(ReadBars(0)):
            return
        self._context.read_succeeded()
        memory.wants_bars = False
        memory.stale = ""
        waiting = memory.waiting_bar
        for bar in filter(self.is_credible, event.bars):
            if bar.time_ms > memory.last_bar_ms and (waiting is None or bar.time_ms < waiting.time_ms):
                self.decide(bar)
        self.decide_waiting()

    def is_credible(self, bar: Bar) -> bool:
        """Return whether a bar counts: its prices are sound, and it is over by the venue's own time."""
        if bar.is_sound and bar.time_ms + self._context.setup.timeframe.ms <= self._context.memory.now_ms:
            return True
        prices = (
            f"{iso(bar.time_ms)}, open {bar.open:g}, high {bar.high:g}, low {bar.low:g}, close {bar.close:g}"
        )
        self._context.journal(
            Noted(sentence=f"the venue sent an impossible bar: {prices}; it is not counted")
        )
        return False

    def _is_behind_hole(self, bar: Bar) -> bool:
        return 0 < self._context.memory.last_bar_ms < bar.time_ms - self._context.setup.timeframe.ms

    def record_hole(self, next_ms: int, *, is_confirmed: bool) -> None:
        step_ms = self._context.setup.timeframe.ms
        first_ms, last_ms = self._context.memory.last_bar_ms + step_ms, next_ms - step_ms
        if is_confirmed:
            holes = range(first_ms, next_ms, step_ms)[-_KEPT_HOLES:]
            self._context.memory.holes = [*self._context.memory.holes, *holes][-_KEPT_HOLES:]
        self._context.journal(HoleFound(first_ms=first_ms, last_ms=last_ms, is_confirmed=is_confirmed))

    def record_late_bar(self, time_ms: int) -> None:
        """Journal a bar that arrived after its successor was decided; a bar already decided is ignored."""
        if time_ms in self._context.memory.holes:
            self._context.memory.holes.remove(time_ms)
            self._context.journal(LateBar(bar_time_ms=time_ms))

    def decide_waiting(self) -> None:
        memory = self._context.memory
        bar = memory.waiting_bar
        if bar is not None and not memory.wants_bars and not memory.wants_fills:
            memory.waiting_bar = None
            if bar.time_ms > memory.last_bar_ms:
                self.decide(bar)

    def take_in(self, bar: Bar, decided: Decided = Decided.NO) -> GroupFlags:
        """Record a bar as the last one; return the values of the condition groups at its close."""
        closed = self._closed
        if closed is not None and closed.bar == bar:
            self._context.record(BarRow(bar, closed.mark_high, closed.mark_low, decided))
        else:
            self._context.record(BarRow(bar, decided=decided))
        self._context.memory.last_bar_ms = bar.time_ms
        return self._signals.push(bar)

    def decide(self, bar: Bar, *, is_past: bool = False) -> None:
        """Handle a closed bar: the strategy core decides, and its decisions become orders wanted.

        ``is_past``: it closed while the run had no worker, so no entry follows from it.
        """
        memory, core, timeframe = (
            self._context.memory,
            self._context.memory.core,
            self._context.setup.timeframe,
        )
        if self._is_behind_hole(bar):
            self.record_hole(bar.time_ms, is_confirmed=True)
        self._entries.bar_closed()
        is_blocked = bool(memory.pause_reasons or memory.stale or memory.foreign)
        if memory.state is not RunState.RUNNING:
            decided = Decided.NO
        else:
            decided = Decided.NO_ENTRY if is_blocked else Decided.YES
        flags = self.take_in(bar, decided)
        close_ms = bar.time_ms + timeframe.ms
        if memory.wallet_total is not None:
            core.equity_cap = float(memory.wallet_total)
        left = core.slices_steps
        if decided is Decided.NO:
            mark_equity(core, bar.close)
        else:
            may_enter = 1 if self._sessions.may_enter(close_ms, timeframe) else 0
            if decided is Decided.NO_ENTRY:
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
            self._act(bar, self.why_no_entry(bar.time_ms, is_past=is_past), left)
            self._journal_skipped(flags, may_enter)
        self._context.record(EquityRow(bar.time_ms, core.equity))

    def _act(self, bar: Bar, why_no_entry: str, left: int) -> None:
        """Pass the strategy core's decisions to entries and exits; ``left``: of slices before the close."""
        core = self._context.memory.core
        self.journal_notes()
        if core.alert:
            reason = exit_reason(core.alert)
            why = f" ({because(self._exit_conditions())})" if reason is ExitReason.SIGNAL else ""
            self._context.clear_alarm("exit left to the operator")
            self._context.alarm(
                "exit left to the operator",
                f"the algorithm would close by {EXIT_WORDS[reason]} at {bar.close:g}{why};"
                " closing is left to the operator",
            )
        elif not core.alerted:
            self._context.clear_alarm("exit left to the operator")
        self._journal_guard_pauses()
        if core.decision == ENTER:
            self._entries.enter(why_no_entry)
        elif core.decision == EXIT:
            reason = exit_reason(core.decision_reason)
            self._journal_exit(bar, reason)
            self._entries.cancel(DropCause.NOT_WANTED, left)
            self._exits.request(reason)
        elif core.decision == SLICE:
            self._entries.slice(why_no_entry)
        elif core.decision == CANCEL_ENTRY:
            self._entries.cancel(self._why_cancelled(), left)
        elif left and not core.slices_steps:
            self._entries.cancel_slices(DropCause.SLICE_UNFILLED, left)
        elif core.decision == REST_AT_MARKET:
            self._entries.market_remainder(bar.time_ms, why_no_entry)

    def _why_cancelled(self) -> str:
        """Return why the strategy core has cancelled an entry at this close."""
        memory = self._context.memory
        if memory.core.stop_run != GOES_ON:
            return DropCause.RUN_IS_OVER
        if memory.stale:
            return DropCause.STALE
        if memory.pause_reasons or memory.foreign or memory.core.entries_paused_by_guard:
            return DropCause.PAUSED
        return DropCause.NOT_WANTED

    def _journal_exit(self, bar: Bar, reason: ExitReason) -> None:
        self._context.journal(
            ExitDecided(
                bar_time_ms=bar.time_ms,
                reason=reason,
                expected_price=bar.close,
                conditions=self._exit_conditions() if reason is ExitReason.SIGNAL else None,
            )
        )

    def _exit_conditions(self) -> tuple[ConditionValue, ...]:
        held = Side.LONG if self._context.memory.core.phase > 0 else Side.SHORT
        return self._signals.conditions(GroupKind.EXIT, held)

    def _journal_skipped(self, flags: GroupFlags, may_enter: int) -> None:
        """Journal, once for each signal, that it would have been an entry had entries not been held back."""
        memory, core, settings = self._context.memory, self._context.memory.core, self._settings
        is_free = core.phase == FLAT and core.entry_order == NO_ORDER and core.stop_run == GOES_ON
        guards = guard_bits(core.entries_paused_by_guard)
        skipped = []
        for side, allows, is_armed, flag in (
            (Side.LONG, settings.allows_long, core.armed_long, flags.entry_long),
            (Side.SHORT, settings.allows_short, core.armed_short, flags.entry_short),
        ):
            if not (allows and is_armed and flag == 1 and is_free) or (may_enter == 1 and not guards):
                continue
            skipped.append(side.value)
            if side not in memory.skipped:
                causes = [*held_back(memory), *(guard_sentence(bit, settings) for bit in guards)]
                cause = next(iter(causes), "the session allows no entry")
                held = because(self._signals.conditions(GroupKind.ENTRY, side))
                self._context.journal(Noted(sentence=f"enter {side} skipped: {cause}; {held}"))
        memory.skipped = skipped

    def journal_notes(self) -> None:
        """Journal the core's notes: entries it refuses, sizes it cuts, levels it drops.

        The effects of a guard or of the chain on the run are journalled when they happen.
        """
        memory, core, market = self._context.memory, self._context.memory.core, self._context.setup.market
        for code in take_notes(core):
            match code:
                case NoteCode.BELOW_MINIMUM | NoteCode.EQUITY_GONE:
                    side = Side.LONG if core.refused > 0 else Side.SHORT
                    cause = refusal_sentence(code, market)
                    bar_ms, decision = memory.last_bar_ms, f"enter {side}"
                    self._context.journal(
                        DecisionDropped(
                            bar_time_ms=bar_ms,
                            decision=decision,
                            cause=cause,
                            code=code,
                            conditions=self._signals.conditions(GroupKind.ENTRY, side),
                        )
                    )
                case NoteCode.SIZE_CAPPED | NoteCode.RISK_CAPPED:
                    cap = cap_sentence(self._settings, core.size_asked, core.size_granted)
                    self._context.journal(CoreNoted(code=code, sentence=f"the entry is capped: {cap}"))
                case NoteCode.LEVEL_DROPPED:
                    self._context.journal(CoreNoted(code=code, sentence=LEVEL_DROPPED))
                case NoteCode.SLICE_CUT:
                    self._context.journal(CoreNoted(code=code, sentence=SLICE_CUT))
                case _:
                    pass

    def _journal_guard_pauses(self) -> None:
        memory = self._context.memory
        bits = memory.core.entries_paused_by_guard
        if bits == memory.guard_pauses:
            return
        if bits & ~memory.guard_pauses:
            fresh = guard_bits(bits & ~memory.guard_pauses)
            why = "; ".join(guard_sentence(bit, self._settings) for bit in fresh)
            self._context.journal(EntriesPaused(why=why, by_guard=True))
        else:
            self._context.journal(EntriesResumed(why="the guard's day is over"))
        memory.guard_pauses = bits

    def why_no_entry(self, bar_time_ms: int, *, is_past: bool = False, delay_ms: int = 0) -> str:
        """Return why an entry decided at that bar's close may not be sent now; empty: it may.

        ``delay_ms``: how long after the close it is to be sent. For "Assume position now", a decision on the
        last bar before the launch is as old as the launch.
        """
        memory, length_ms = self._context.memory, self._context.setup.timeframe.ms
        if memory.state is not RunState.RUNNING or memory.core.stop_run != GOES_ON:
            return DropCause.RUN_IS_OVER
        if memory.feed_ended:
            return DropCause.FEED_ENDED
        if memory.pause_reasons:
            return DropCause.PAUSED
        if memory.stale:
            return DropCause.STALE
        if memory.wants_position and memory.failed_reads:
            return DropCause.POSITION_UNKNOWN
        late_ms = memory.now_ms - max(bar_time_ms + length_ms, memory.started_ms) - delay_ms
        if is_past or bar_time_ms < memory.last_bar_ms or late_ms > max(LATE_MS, LATE_FRACTION * length_ms):
            return DropCause.LATE
        return ""
