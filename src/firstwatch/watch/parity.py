"""Signal parity: each decision and each exit that only one of the run and its shadow has, with its cause.

Nothing here is a statistic: the same core, fed with the same bars and fills, decides the same. So a
difference has a cause in the run's journal, or it is a defect: ``unexplained``.

- A decision at a close is compared as soon as the bar is there.
- An order that the venue refused or did not fill is a decision without its trade.
- An exit inside a bar is compared with what the bar's range says. Venues trigger stops by their mark,
  candles are trades: where only one of the two has crossed the level, the cause is ``mark price``. The range
  of a bar in which a position was opened after its open says nothing about the time after the fill.
- A bar that the venue gives differently an hour later is listed with both values: a decision on it may have
  been right by the bar that the run saw.
- An entry that a pause held back is listed once, until its signal is gone.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field

from firstwatch.store.bars import RunBar
from firstwatch.store.journal import JournalEntry
from firstwatch.strategy.core_prices import limit_is_reached
from firstwatch.strategy.core_replay import nearest_level
from firstwatch.strategy.core_settings import exit_reason
from firstwatch.strategy.core_state import (
    CANCEL_ENTRY,
    ENTER,
    EXIT,
    LIMIT_ORDER,
    REST_AT_MARKET,
    SLICE,
    CoreState,
)
from firstwatch.trading.bar import Bar, Decided
from firstwatch.trading.events import (
    FEED_ENDED,
    NOT_SENT,
    REFUSED_BY_VENUE,
    Adopted,
    AlarmRaised,
    BarRevised,
    DecisionDropped,
    DropCause,
    EntriesPaused,
    EntriesResumed,
    EntryDecided,
    ExitDecided,
    FillBooked,
    HoleFound,
    LateBar,
    Noted,
    OrderMoved,
    ProtectionMoved,
    SliceDecided,
    SlicesCancelled,
    TradeClosed,
    Transitioned,
)
from firstwatch.trading.launch_words import EXIT_WORDS
from firstwatch.trading.market import Market
from firstwatch.trading.notes import NoteCode
from firstwatch.trading.orders import OrderKind, OrderPurpose, OrderState, Side
from firstwatch.trading.runs import Author, ExitReason, RunState
from firstwatch.trading.verdicts import MismatchCause, Verdict
from firstwatch.trading.watch import Mismatch
from firstwatch.watch.shadow import ConditionalShadow, Order, exit_in

_C = MismatchCause
_KEPT = 200
"""How many mismatches of a run are kept, the newest; all are counted."""
_PROTECTION = frozenset(
    {
        ExitReason.STOP_LOSS,
        ExitReason.TRAILING_STOP,
        ExitReason.TAKE_PROFIT,
        ExitReason.LIQUIDATION,
    }
)
_UNPROTECTED = frozenset({"unprotected", "stop", "target"})
"""Topics of the alarms that a stop or target does not rest where it is wanted."""
_DROPPED = {
    DropCause.STALE: _C.STALE_DATA,
    DropCause.POSITION_UNKNOWN: _C.STALE_DATA,
    DropCause.LEVERAGE_NOT_SET: _C.LATE,
    DropCause.NOT_WANTED: _C.PAUSE,
    DropCause.SLICE_IN_DOUBT: _C.LATE,
}


def verdict_of(causes: Iterable[MismatchCause]) -> Verdict:
    """Return the verdict that mismatches of these causes give, if any decision was compared."""
    verdict = Verdict.CONSISTENT
    for cause in causes:
        if cause is _C.UNEXPLAINED:
            return Verdict.DIVERGED
        if not cause.is_harmless:
            verdict = Verdict.WATCH
    return verdict


def _mark_crosses(seen: RunBar, core: CoreState) -> bool:
    """Return whether the mark's range has reached the position's stop or liquidation price."""
    against = seen.mark_low if core.phase > 0 else seen.mark_high
    level = nearest_level(core)
    return against is not None and level > 0 and core.phase * against <= core.phase * level


@dataclass(slots=True)
class Ended:
    """An exit of the run inside a bar, until the bar's range is known."""

    reason: ExitReason
    before: CoreState
    """The shadow's core just before it."""
    fill_ms: int | None
    """The venue's time of its last fill."""
    time_ms: int
    is_at_maker_entry: bool
    entered_ms: int
    was_unprotected: bool


@dataclass(slots=True)
class Findings:
    """The state of a ``ParityJudge`` between readings."""

    mismatches: list[Mismatch] = field(default_factory=list)
    """The newest ones, oldest first."""
    counts: dict[MismatchCause, int] = field(default_factory=dict)
    decisions: int = 0
    """Decisions of the run or its shadow that were compared."""
    pauses: list[MismatchCause] = field(default_factory=list)
    """Why entries are paused, the first cause first."""
    stopped_by: MismatchCause | None = None
    has_feed_ended: bool = False
    held_back: int = 0
    """Side of the entry that only a pause prevented at the last close; 0: none."""
    expects_at_launch: int = 0
    """Side of the entry that the shadow decided at the launch and the run has not yet; 0: none."""
    launch_ms: int = 0
    entry_ms: int = 0
    """The bar of the run's last decided entry."""
    exit_is_decided: bool = False
    """The run has decided to exit the open trade."""
    ended: list[Ended] = field(default_factory=list)
    """Exits of the run whose bar is not closed."""
    doubt: Mismatch | None = None
    """An exit of the shadow's only, whose fill the run may still report."""
    listed_exit: bool = False
    """An exit of the shadow's alone was listed in the open trade."""
    listed_limit: bool = False
    is_unprotected: bool = False
    """In the open trade a stop or target did not rest where it was wanted: the venue has refused it."""
    moved_stop: float = 0.0
    """The last level that was confirmed since the last close."""
    moved_target: float = 0.0
    has_hole: bool = False
    """Bars are missing that could not be confirmed, since the last close."""
    is_rewarmed: bool = False
    """The run was down for longer than the venue keeps bars: its indicators began anew."""


class ParityJudge:
    """Finds the mismatches of one run. It looks at each entry before the shadow takes it over."""

    def __init__(
        self, shadow: ConditionalShadow, market: Market, length_ms: int, *, has_mark: bool, findings: Findings
    ) -> None:
        self.findings = findings
        self._shadow = shadow
        self._market = market
        self._length_ms = length_ms
        self._has_mark = has_mark
        self._fresh: list[Mismatch] = []
        self._past: frozenset[int] = frozenset()
        self._is_past = False
        self._fill_ms: int | None = None

    def fresh(self) -> list[Mismatch]:
        """Return the mismatches found since the last call."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def begin(self, past: frozenset[int]) -> None:
        """Begin a reading; ``past``: open times of bars that closed while the run had no worker."""
        self._past = past

    @property
    def _defect(self) -> MismatchCause:
        """The cause of a mismatch that nothing else explains: a recovery, if one may have led to it."""
        return _C.RECOVERY if self._is_past or self.findings.is_rewarmed else _C.UNEXPLAINED

    # --- what happened between two closes ---------------------------------------------------------

    def event(self, entry: JournalEntry) -> None:
        """Look at one journal entry."""
        notes, time_ms = self.findings, entry.venue_time_ms or entry.local_time_ms
        match entry.event:
            case EntryDecided() as decided:
                notes.entry_ms = decided.bar_time_ms
                if notes.expects_at_launch == decided.side.sign and decided.bar_time_ms == notes.launch_ms:
                    notes.expects_at_launch = 0
            case SliceDecided(bar_time_ms=bar_ms):
                notes.entry_ms = bar_ms
            case SlicesCancelled() as cancelled:
                self._slices_cancelled(cancelled, time_ms)
            case ExitDecided():
                notes.exit_is_decided = True
            case DecisionDropped() as dropped:
                self._dropped(dropped, entry)
            case OrderMoved() as moved:
                self._moved(moved, time_ms)
            case FillBooked() as fill:
                self._filled(fill, time_ms)
            case TradeClosed() as closed:
                self._closed(closed, time_ms)
            case ProtectionMoved() as protection:
                notes.moved_stop = float(protection.stop or notes.moved_stop)
                notes.moved_target = float(protection.target or notes.moved_target)
            case EntriesPaused(by_guard=False):
                notes.pauses.append(_C.PAUSE if entry.author is Author.SYSTEM else _C.OPERATOR)
            case EntriesResumed() if entry.author is not Author.SYSTEM:
                notes.pauses.clear()
            case HoleFound(is_confirmed=False):
                notes.has_hole = True
            case LateBar(bar_time_ms=bar_ms):
                self._add(bar_ms + self._length_ms, "a bar came after its successor was decided", _C.LATE)
            case BarRevised(bar_time_ms=bar_ms) as revised:
                live, shadow = revised.texts
                what = "a bar differs from what the run saw"
                self._add(bar_ms + self._length_ms, what, _C.DATA, live=live, shadow=shadow)
            case AlarmRaised(topic=topic):
                notes.is_unprotected = notes.is_unprotected or topic in _UNPROTECTED
                notes.is_rewarmed = notes.is_rewarmed or topic == "missing bars"
            case Noted(sentence=sentence):
                notes.has_feed_ended = notes.has_feed_ended or sentence.startswith(FEED_ENDED)
            case Adopted() as adopted:
                what = f"a position of {adopted.amount:f} was adopted"
                self._add(time_ms, what, _C.ADOPTED, live=f"{adopted.side} at {adopted.mark:g}")
            case Transitioned() as transitioned:
                self._transitioned(transitioned, entry.author, time_ms)
            case _:
                pass

    def _slices_cancelled(self, event: SlicesCancelled, time_ms: int) -> None:
        """Look at slices of an entry that the run has cancelled and the shadow would send.

        With a cause that is listed elsewhere, or that ends them for the shadow as well, nothing is added.
        """
        notes = self.findings
        if self._shadow.core.slices == 0:
            return
        cause: MismatchCause | None = None
        if event.cause == DropCause.RUN_IS_OVER:
            cause = notes.stopped_by or _C.GUARD
        elif event.cause == DropCause.PAUSED:
            cause = notes.pauses[0] if notes.pauses else _C.PAUSE
        elif event.cause == DropCause.SLICE_UNFILLED:
            cause = _C.UNFILLED
        if cause is not None:
            what, left = "what was left of an entry was cancelled", f"{event.side} {event.amount:f}"
            self._add(time_ms, what, cause, live=event.cause, shadow=left)

    def _transitioned(self, event: Transitioned, author: Author, time_ms: int) -> None:
        notes = self.findings
        if event.new is RunState.STOPPING:
            is_guard = author is Author.SYSTEM and event.hazard is None
            notes.stopped_by = _C.GUARD if is_guard else _C.OPERATOR
            if notes.stopped_by is _C.OPERATOR:
                how = f"stopped: {event.stop_mode}" if event.stop_mode else "stopped"
                self._add(time_ms, "the run was stopped", _C.OPERATOR, live=how, shadow="goes on")

    def _dropped(self, event: DecisionDropped, entry: JournalEntry) -> None:
        """Look at an entry that was decided, journalled as decided, and dropped later."""
        notes = self.findings
        core = self._shadow.core
        is_rest = core.decision == REST_AT_MARKET and event.bar_time_ms == core.bar_time_ms
        is_decided = is_rest or event.bar_time_ms == notes.entry_ms
        if not is_decided or event.cause.startswith(REFUSED_BY_VENUE):
            # A drop at its own close is compared there; a refusal is listed with its order.
            return
        cause = self._cause_of_drop(event, entry)
        if cause is not None:
            time_ms = entry.venue_time_ms or entry.local_time_ms
            self._add(time_ms, "an entry was not carried out", cause, live=event.cause, shadow=event.decision)

    def _cause_of_drop(self, event: DecisionDropped, entry: JournalEntry) -> MismatchCause | None:
        """Return why the run dropped an entry; None: with the candles a shadow's ends, too."""
        notes = self.findings
        match event.cause:
            case DropCause.FEED_ENDED:
                return None
            case DropCause.PAUSED:
                return notes.pauses[0] if notes.pauses else _C.PAUSE
            case DropCause.LATE if self._is_past:
                return _C.RECOVERY
            case DropCause.LATE:
                return _C.STALE_DATA if notes.has_hole else _C.LATE
            case DropCause.RUN_IS_OVER:
                return notes.stopped_by or _C.GUARD
            case cause if cause.startswith(REFUSED_BY_VENUE):
                return _C.REJECTED
            case cause if cause in _DROPPED:
                return _DROPPED[DropCause(cause)]
            case _ if event.code in (NoteCode.BELOW_MINIMUM, NoteCode.EQUITY_GONE):
                return _C.BELOW_MINIMUM
            case _:
                return self._defect

    def _moved(self, event: OrderMoved, time_ms: int) -> None:
        """Look at the end of an order that the venue did not execute."""
        order = self._shadow.order(event.client_order_id)
        if order is None or not event.new.is_final or order.state.is_final:
            return
        if event.new is OrderState.REJECTED:
            self._refused(order, event.why, time_ms)
        elif event.new is not OrderState.FILLED and order.purpose is OrderPurpose.ENTRY and not order.filled:
            self._unfilled(order, event, time_ms)

    def _refused(self, order: Order, why: str, time_ms: int) -> None:
        """Look at a refused order. One that was never sent is sent again or dropped, which is listed then.

        A closing order is refused as well where the other leg has just closed the position.
        """
        if why.startswith((NOT_SENT, "reduce_only")):
            return
        if order.purpose in (OrderPurpose.STOP, OrderPurpose.TARGET):
            self.findings.is_unprotected = True
        named = f"{order.side} {order.amount:f}"
        self._add(time_ms, f"the {order.purpose} order was refused", _C.REJECTED, live=why, shadow=named)

    def _unfilled(self, order: Order, event: OrderMoved, time_ms: int) -> None:
        notes, core = self.findings, self._shadow.core
        is_own = core.decision in (CANCEL_ENTRY, REST_AT_MARKET, EXIT) or core.steps > 0
        if is_own or notes.has_feed_ended or order.trade_is_closed:
            return
        cause = _C.UNFILLED
        if notes.stopped_by is not None:
            cause = notes.stopped_by
        elif notes.pauses:
            cause = notes.pauses[0]
        named = f"{order.side} {order.amount:f}"
        self._add(
            time_ms, "the entry order was not filled", cause, live=event.why or "cancelled", shadow=named
        )

    def _filled(self, fill: FillBooked, time_ms: int) -> None:
        order, core = self._shadow.order(fill.client_order_id), self._shadow.core
        self._fill_ms = fill.time_ms
        if order is None or order.purpose is not OrderPurpose.ENTRY or core.steps:
            return
        if order.trade_is_closed:
            self._add(time_ms, "an entry filled after its trade was closed", _C.LATE, live=f"{fill.price:f}")
            self.findings.exit_is_decided = True

    def _closed(self, closed: TradeClosed, time_ms: int) -> None:
        """Look at the end of a trade."""
        notes, core = self.findings, self._shadow.core
        reason, at = closed.reason, f"{closed.exit_price:f}"
        fill_ms, self._fill_ms = self._fill_ms, None
        if core.steps == 0:
            self._add(
                time_ms, f"a trade ended by {EXIT_WORDS[reason]}", _C.UNEXPLAINED, live=at, shadow="flat"
            )
        elif reason in (ExitReason.MANUAL, ExitReason.RUN_END):
            cause = _C.OPERATOR if reason is ExitReason.MANUAL else notes.stopped_by or _C.OPERATOR
            self._add(time_ms, f"a trade ended by {EXIT_WORDS[reason]}", cause, live=at)
        elif reason is ExitReason.PROTECTION_FAILED:
            self._add(time_ms, "the position was closed, since it had no stop", _C.REJECTED, live=at)
        elif notes.exit_is_decided or core.decision == EXIT or reason is ExitReason.END_OF_DATA:
            pass
        elif reason in _PROTECTION:
            account = self._shadow.account
            notes.ended.append(
                Ended(
                    reason,
                    copy(core),
                    fill_ms,
                    time_ms,
                    account.entered_at_maker,
                    account.entered_ms,
                    notes.is_unprotected,
                )
            )
        else:
            what = f"a trade ended by {EXIT_WORDS[reason]} that was not decided"
            self._add(time_ms, what, _C.UNEXPLAINED, live=at)
        notes.exit_is_decided = notes.listed_exit = notes.is_unprotected = False

    # --- a close ------------------------------------------------------------------------------------

    def range(self, seen: RunBar) -> None:
        """Compare the exits inside a bar with its range, before its close is decided."""
        notes, bar = self.findings, seen.bar
        self._is_past = bar.time_ms in self._past
        end_ms = bar.time_ms + self._length_ms
        ended = [each for each in notes.ended if each.fill_ms is None or each.fill_ms < end_ms]
        # A fill of after the close that came before the bar did belongs to the next one.
        notes.ended = [each for each in notes.ended if each not in ended]
        is_late = any(each.fill_ms is not None and each.fill_ms < bar.time_ms for each in ended)
        self._settle_doubt(is_late=is_late)
        for each in ended:
            self._ended_in(seen, each)
        if not ended:
            self._still_open_after(seen)
        self._limit_in(bar)
        notes.moved_stop = notes.moved_target = 0.0

    def _settle_doubt(self, *, is_late: bool = False) -> None:
        """List the exit that the last bar implied, unless its fill came late (``is_late``)."""
        doubt, self.findings.doubt = self.findings.doubt, None
        if doubt is not None and not is_late:
            self._keep(doubt)

    def _ended_in(self, seen: RunBar, ended: Ended) -> None:
        """Compare an exit that the venue executed with the bar."""
        before, bar = ended.before, seen.bar
        live = f"{ended.reason} of a {'long' if before.phase > 0 else 'short'}"
        if ended.fill_ms is not None and ended.fill_ms < bar.time_ms:
            cause = _C.RECOVERY if self._is_past else _C.LATE
            self._add(ended.time_ms, "an exit was booked after its bar had closed", cause, live=live)
            return
        said = exit_in(before, self._shadow.settings, bar)
        is_inside = self._opened_inside(before, ended.is_at_maker_entry, ended.entered_ms, bar)
        if said == ended.reason or (is_inside and ended.reason is not ExitReason.LIQUIDATION):
            return
        cause = self._defect
        if ended.reason is ExitReason.LIQUIDATION:
            cause = _C.LIQUIDATION
        elif ended.reason is ExitReason.TAKE_PROFIT:
            # Inside one bar the stop is taken to come first; the venue knows what did.
            favour = bar.high if before.phase > 0 else bar.low
            is_reached = before.target > 0 and before.phase * favour >= before.phase * before.target
            cause = _C.MARK_PRICE if is_reached else cause
        elif _mark_crosses(seen, before):
            cause = _C.MARK_PRICE
        elif ended.was_unprotected:
            cause = _C.REJECTED
        elif self._has_mark and seen.mark_low is None:
            cause = _C.DATA
        shadow = f"{said}" if said else f"no exit: the bar's range is {bar.low:g} to {bar.high:g}"
        self._add(ended.time_ms, "an exit inside a bar", cause, live=live, shadow=shadow)

    def _still_open_after(self, seen: RunBar) -> None:
        """Look for an exit that the bar implies and the venue did not execute."""
        notes, shadow, bar = self.findings, self._shadow, seen.bar
        core, account = shadow.core, shadow.account
        is_closing = core.exit_steps > 0 or core.decision == EXIT or notes.exit_is_decided
        if core.steps == 0 or notes.listed_exit or is_closing:
            return
        if self._opened_inside(core, account.entered_at_maker, account.entered_ms, bar):
            return
        said = exit_in(core, shadow.settings, bar)
        if said is None:
            return
        is_target = said is ExitReason.TAKE_PROFIT
        level = core.target if is_target else nearest_level(core)
        extreme = bar.high if is_target is (core.phase > 0) else bar.low
        is_moved = level in (notes.moved_stop, notes.moved_target) and self._has_mark
        if said is ExitReason.LIQUIDATION:
            cause = _C.LIQUIDATION
        elif is_target and extreme == level:
            cause = _C.LIMIT_UNFILLED
        elif notes.is_unprotected:
            cause = _C.REJECTED
        elif is_moved and not self._is_past:
            cause = _C.LATE  # it rested there only after a part of the bar
        elif is_target or not self._has_mark or _mark_crosses(seen, core):
            cause = self._defect
        else:
            cause = _C.DATA if seen.mark_low is None else _C.MARK_PRICE
        notes.listed_exit = True
        mismatch = Mismatch(
            time=bar.time_ms + self._length_ms,
            what="an exit inside a bar",
            cause=cause,
            live="the position is still open",
            shadow=f"{said} at {level:g}",
        )
        if cause is _C.UNEXPLAINED and self._has_mark:
            # Its fill may still arrive.
            notes.doubt = mismatch
        else:
            self._keep(mismatch)

    @staticmethod
    def _opened_inside(core: CoreState, at_maker: bool, entered_ms: int, bar: Bar) -> bool:
        """Return whether the position was opened inside the bar, after its open."""
        return core.bars_held == 0 and (at_maker or entered_ms > bar.time_ms)

    def _limit_in(self, bar: Bar) -> None:
        """Look for a limit order that the bar's range reached and that did not fill at all."""
        notes, core = self.findings, self._shadow.core
        resting = [order for order in self._shadow.open_entries if order.kind is OrderKind.LIMIT]
        if core.entry_order != LIMIT_ORDER or not resting or any(order.filled for order in resting):
            notes.listed_limit = False
            return
        side, limit = core.entry_side, core.entry_limit
        reach = bar.low if side > 0 else bar.high
        if not notes.listed_limit and (
            limit_is_reached(side, bar.open, limit) or side * reach < side * limit
        ):
            notes.listed_limit = True
            time_ms = bar.time_ms + self._length_ms
            what = "the entry's limit was reached and not filled"
            self._add(time_ms, what, _C.LIMIT_UNFILLED, live="not filled", shadow=f"filled at {limit:g}")

    def close(self, seen: RunBar, would: CoreState, decided: Sequence[JournalEntry]) -> None:
        """Compare the decisions at a close; ``decided``: the run's journal entries about this bar.

        ``would``: the shadow's core as it would decide if the run's entries were not paused.
        """
        time_ms, core = seen.bar.time_ms + self._length_ms, self._shadow.core
        self._miss_launch(time_ms)
        self._compare_entry(seen, would, decided, time_ms)
        self._compare_slice(decided, time_ms)
        exits = [entry.event for entry in decided if isinstance(entry.event, ExitDecided)]
        live = exits[0].reason if exits else None
        shadow = exit_reason(core.decision_reason) if core.decision == EXIT else None
        self.findings.decisions += int(live is not None or shadow is not None)
        if live is not shadow:
            self._add(time_ms, "an exit was decided", self._defect, live=live, shadow=shadow)
        self.findings.has_hole = False

    def _compare_entry(
        self, seen: RunBar, would: CoreState, decided: Sequence[JournalEntry], time_ms: int
    ) -> None:
        notes = self.findings
        live = next((each.event for each in decided if isinstance(each.event, EntryDecided)), None)
        side = would.decision_side if would.decision == ENTER else 0
        held_back = side if seen.decided is Decided.NO_ENTRY else 0
        is_listed, notes.held_back = held_back != 0 and held_back == notes.held_back, held_back
        notes.decisions += int(live is not None or side != 0)
        shadow = self._named(would, side)
        if live is not None:
            if live.side.sign != side or not self._agrees(live, would):
                own = f"{live.side} {live.amount:f}"
                own += "" if live.limit_price is None else f" at {live.limit_price:f}"
                self._add(time_ms, "an entry was decided", self._defect, live=own, shadow=shadow)
            return
        if side == 0 or is_listed:
            return
        cause: MismatchCause | None = self._defect
        said = None
        for entry in decided:
            if isinstance(entry.event, DecisionDropped) and entry.event.decision.startswith("enter"):
                cause, said = self._cause_of_drop(entry.event, entry), entry.event.cause
        if said is None and held_back:
            cause = notes.pauses[0] if notes.pauses else _C.STALE_DATA
            said = "entries are paused" if notes.pauses else "the data was not to be relied on"
        if cause is not None:
            self._add(time_ms, "an entry was decided", cause, live=said, shadow=shadow)

    def _compare_slice(self, decided: Sequence[JournalEntry], time_ms: int) -> None:
        """Compare a further slice of an entry; where money bounds one, rounding may make a step of it."""
        core, market = self._shadow.core, self._market
        live = next((each.event for each in decided if isinstance(each.event, SliceDecided)), None)
        steps = core.decision_steps if core.decision == SLICE else 0
        if live is None and not steps:
            return
        self.findings.decisions += 1
        if live is not None and steps and abs(market.steps(live.amount) - steps) <= 1:
            return
        own = None if live is None else f"{live.side} {live.amount:f}"
        shadow = f"{market.amount(steps):f}" if steps else None
        self._add(time_ms, "a slice of an entry was decided", self._defect, live=own, shadow=shadow)

    def _agrees(self, live: EntryDecided, would: CoreState) -> bool:
        """Return whether size and limit are the shadow's."""
        limit = self._market.price(would.decision_limit) if would.decision_limit else None
        return live.limit_price == limit and live.amount == self._market.amount(would.decision_steps)

    def _named(self, would: CoreState, side: int) -> str | None:
        if side == 0:
            return None
        amount = self._market.amount(would.decision_steps)
        limit = f" at {self._market.price(would.decision_limit):f}" if would.decision_limit else ""
        return f"{Side.LONG if side > 0 else Side.SHORT} {amount:f}{limit}"

    def launched(self, bar: Bar, side: int) -> None:
        """Expect the run's decision of the same entry at the launch: it may wait for the leverage."""
        self.findings.expects_at_launch, self.findings.launch_ms = side, bar.time_ms
        self.findings.decisions += int(side != 0)

    def _miss_launch(self, time_ms: int) -> None:
        side, self.findings.expects_at_launch = self.findings.expects_at_launch, 0
        if side:
            named = "long" if side > 0 else "short"
            self._add(time_ms, "an entry was decided at the launch", _C.UNEXPLAINED, shadow=named)

    def end(self) -> None:
        """Note that the run has ended."""
        self._settle_doubt()

    # --- what was found -----------------------------------------------------------------------------

    def _add(
        self,
        time_ms: int,
        what: str,
        cause: MismatchCause,
        *,
        live: str | None = None,
        shadow: str | None = None,
    ) -> None:
        self._keep(Mismatch(time=time_ms, what=what, cause=cause, live=live, shadow=shadow))

    def _keep(self, mismatch: Mismatch) -> None:
        notes = self.findings
        self._fresh.append(mismatch)
        notes.mismatches = [*notes.mismatches, mismatch][-_KEPT:]
        counts = Counter(notes.counts)
        counts[mismatch.cause] += 1
        notes.counts = dict(counts)
