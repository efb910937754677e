"""The reason for a run's last decision, and the conditions of its next: from journal, trades and bars."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import chain

from firstwatch.manager.run_views import TradeWhy, WhyView
from firstwatch.store import bars, journal, outlooks, positions, trades
from firstwatch.store.database import Session
from firstwatch.store.journal import JournalEntry
from firstwatch.store.positions import RunPosition
from firstwatch.store.runs import Run
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.clock import END_MS
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.events import Adopted, DecisionDropped, EntryDecided, ExitDecided, ProtectionMoved
from firstwatch.trading.numbers import price_text
from firstwatch.trading.orders import Side
from firstwatch.trading.runs import ExitReason, RunState
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.trade import Trade
from firstwatch.trading.why import (
    STOP,
    TARGET,
    ConditionValue,
    GroupKind,
    Outlook,
    because,
    distance,
    level,
    needs_sentence,
)
from firstwatch.watch.record import read_watched, spec_of_run

DECISION_KINDS = frozenset({"entry_decided", "exit_decided", "decision_dropped", "adopted"})

_Decided = EntryDecided | ExitDecided
_LEVELS = {
    ExitReason.STOP_LOSS: (STOP, "the stop"),
    ExitReason.TRAILING_STOP: (STOP, "the trailing stop"),
    ExitReason.TAKE_PROFIT: (TARGET, "the target"),
}
_REASONS = {
    ExitReason.LIQUIDATION: "the venue has liquidated it",
    ExitReason.SESSION: "the session ends, and it is flat outside of it",
    ExitReason.GUARD: "a guard has stopped the run",
    ExitReason.MANUAL: "closed by hand, here or at the venue",
    ExitReason.RUN_END: "the run was stopped",
    ExitReason.PROTECTION_FAILED: "its stop could not be kept at the venue",
    ExitReason.END_OF_DATA: "the candles have ended",
}
_NOT_KEPT = "its conditions were not kept: an earlier firstwatch decided it"
_NO_SIGNAL = "a follow-up, which needs no signal"


class DecisionKind(StrEnum):
    """Kinds of decisions."""

    ENTER_LONG = "enter_long"
    ENTER_SHORT = "enter_short"
    EXIT = "exit"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision at a close, or the end of a trade at the venue, with its reason."""

    kind: DecisionKind
    side: Side | None
    """None: an exit that is not filled, whose side is not known."""
    time_ms: int
    """Time of the close that decided it; for an exit at the venue, the venue's time of the exit."""
    conditions: tuple[ConditionValue, ...]
    """Without values where an earlier version decided."""
    because: str
    """The cause as a clause: the conditions that held, or the level that was reached."""
    price: Decimal | None = None
    """Price of the fill; None: not filled yet."""
    expected_price: Decimal | None = None
    expected: str = "decided"
    """Source of the expected price: the decision, or the level that was reached."""
    pnl: Decimal | None = None
    """PnL of the trade that it ended, in quote."""
    is_adopted: bool = False
    """It is a position of the wallet that the run took over at its launch."""

    @property
    def worse_bps(self) -> float | None:
        """How much worse than expected it was filled, in bps; None: not filled, or no expected price."""
        if not self.price or not self.expected_price:
            return None
        buys = (self.side is Side.LONG) is not (self.kind is DecisionKind.EXIT)
        return float(self.price / self.expected_price - 1) * 10_000 * (1 if buys else -1)

    @property
    def sentence(self) -> str:
        """The decision, its price, its reason, and how far from the expected price it was filled."""
        name = "exit" if self.kind is DecisionKind.EXIT else "take over" if self.is_adopted else "enter"
        if self.side is not None:
            name = f"{name} {self.side}"
        price = self.price or self.expected_price
        at = "" if price is None else f" {price_text(price)}"
        pnl = "" if self.pnl is None else f" {self.pnl:+,.2f}"
        worse, filled = self.worse_bps, ""
        if worse is not None:
            word = "worse" if worse >= 0 else "better"
            filled = f"; filled {abs(worse):.1f} bps {word} than {self.expected}"
        return f"{name}{at}{pnl}: {self.because}{filled}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """The last decision up to a time, and what would have to be true next as of then."""

    decision: Decision | None
    dropped: DecisionDropped | None
    """An entry that was decided after that, and not carried out."""
    outlook: Outlook | None
    """None: the run does not go on, or its bars are not kept."""


def explain(session: Session, run: Run, at_ms: int | None = None) -> Explanation:
    """Return why a run decided last and what would have to be true next; ``at_ms``: as of then, else now.

    Raises:
        DamagedRowError: a row of it cannot be read.
    """
    spec = spec_of_run(session, run)
    closed = trades.trades_of(session, run.id)
    position = positions.position_of(session, run.id)
    entries = journal.newest_of_kinds(session, run.id, DECISION_KINDS)
    decision, dropped = last_decision(entries, closed, spec, position=position, at_ms=at_ms)
    outlook = outlooks.outlook_of(session, run.id) if run.state is RunState.RUNNING else None
    is_past = at_ms is not None and outlook is not None and at_ms < outlook.bar_time_ms + spec.timeframe.ms
    is_lacking = outlook is None and (at_ms is not None or run.state is RunState.RUNNING)
    if is_past or is_lacking:
        outlook = _outlook_at(session, run, closed, position, END_MS if at_ms is None else at_ms)
    return Explanation(decision, dropped, outlook)


def last_decision(
    newest_first: Iterable[JournalEntry],
    closed: Sequence[Trade],
    spec: AlgorithmSpec,
    *,
    position: RunPosition | None = None,
    at_ms: int | None = None,
) -> tuple[Decision | None, DecisionDropped | None]:
    """Return the last decision up to ``at_ms`` (None: of all), and an entry dropped since.

    ``newest_first``: the entries of ``DECISION_KINDS``; read up to the last decision only. ``closed``: the
    run's trades in order.
    """
    decided: _Decided | None = None
    dropped: DecisionDropped | None = None
    adopted: Decision | None = None
    for entry in newest_first:
        event = entry.event
        if isinstance(event, Adopted):
            adopted = _adopted(event, entry.venue_time_ms or 0)
            if at_ms is not None and adopted.time_ms > at_ms:
                adopted = None
            break
        if not isinstance(event, EntryDecided | ExitDecided | DecisionDropped):
            continue
        if at_ms is not None and event.bar_time_ms + spec.timeframe.ms > at_ms:
            continue
        if not isinstance(event, DecisionDropped):
            decided = event
            break
        dropped = dropped or event
    trade = next((each for each in reversed(closed) if at_ms is None or each.exit_time_ms <= at_ms), None)
    if decided is not None and (trade is None or _is_newer(decided, trade, spec.timeframe)):
        if isinstance(decided, EntryDecided):
            found = _entered(decided, spec, _opened_by(decided, closed, position, spec.timeframe))
        else:
            closing = next((each for each in closed if _has_closed(decided, each, spec.timeframe)), None)
            found = _left(decided, spec, closing, None if position is None else position.side)
    elif trade is not None:
        found = exit_of(trade, decided, spec)
    elif adopted is not None:
        found = adopted
    else:
        return None, dropped
    if dropped is not None:
        is_newer = dropped.bar_time_ms + spec.timeframe.ms >= found.time_ms
        dropped = dropped if is_newer else None
    return found, dropped


def entry_of(
    trade: Trade, before: Trade | None, decided: Iterable[_Decided], spec: AlgorithmSpec
) -> Decision | None:
    """Return the decision that opened a trade; None: it was adopted, or its decision is not known.

    ``before``: the trade before it; ``decided``: the newest first.
    """
    for event in decided:
        if isinstance(event, EntryDecided) and event.side is trade.side:
            close_ms = event.bar_time_ms + spec.timeframe.ms
            if close_ms <= trade.entry_time_ms:
                is_its_own = before is None or close_ms > before.entry_time_ms
                return _entered(event, spec, trade.entry_price) if is_its_own else None
    return None


def exit_of(trade: Trade, decided: _Decided | None, spec: AlgorithmSpec) -> Decision:
    """Return the decision that ended a trade, or what ended it at the venue.

    ``decided``: the last decision before its end, as far as one is known.
    """
    if isinstance(decided, ExitDecided) and _has_closed(decided, trade, spec.timeframe):
        return _left(decided, spec, trade, trade.side)
    conditions: tuple[ConditionValue, ...] = ()
    expected = trade.expected_exit_price
    if trade.reason in _LEVELS:
        group, name = _LEVELS[trade.reason]
        if expected is None:
            clause = f"{name} was reached"
        else:
            clause = f"{name} at {price_text(expected)} was reached"
            reached = level(group, trade.side, float(trade.exit_price), float(expected))
            conditions = (reached.model_copy(update={"value": True}),)
    else:
        clause = _REASONS.get(trade.reason, "its exit signal; what decided it is not known")
        expected = expected if trade.reason is ExitReason.LIQUIDATION else None
    return Decision(
        DecisionKind.EXIT,
        trade.side,
        trade.exit_time_ms,
        conditions,
        clause,
        price=trade.exit_price,
        expected_price=expected,
        expected="the level",
        pnl=trade.pnl,
    )


def exit_decided_in(trade: Trade, decided: Iterable[_Decided], spec: AlgorithmSpec) -> ExitDecided | None:
    """Return the decision that ended a trade, of those that are known; None: the venue ended it."""
    return next(
        (
            event
            for event in decided
            if isinstance(event, ExitDecided) and _has_closed(event, trade, spec.timeframe)
        ),
        None,
    )


def _is_newer(decided: _Decided, trade: Trade, timeframe: Timeframe) -> bool:
    """Return whether a decision is of a later trade than ``trade``, or of none."""
    close_ms = decided.bar_time_ms + timeframe.ms
    since_ms = trade.entry_time_ms if isinstance(decided, EntryDecided) else trade.exit_time_ms
    return close_ms > since_ms


def _has_closed(decided: ExitDecided, trade: Trade, timeframe: Timeframe) -> bool:
    close_ms = decided.bar_time_ms + timeframe.ms
    return decided.reason is trade.reason and trade.entry_time_ms < close_ms <= trade.exit_time_ms


def _opened_by(
    decided: EntryDecided, closed: Sequence[Trade], position: RunPosition | None, timeframe: Timeframe
) -> Decimal | None:
    """Return the price at which an entry was filled; None: it was not."""
    close_ms = decided.bar_time_ms + timeframe.ms
    for trade in closed:
        if trade.entry_time_ms >= close_ms and trade.side is decided.side:
            return trade.entry_price
    is_held = position is not None and position.side is decided.side
    if position is None or not is_held or (position.opened_at_ms or 0) < close_ms:
        return None
    return position.entry_price


def _entered(event: EntryDecided, spec: AlgorithmSpec, price: Decimal | None) -> Decision:
    conditions = _kept(event.conditions, spec, GroupKind.ENTRY, event.side)
    clause = because(conditions) or (_NO_SIGNAL if event.is_follow_up else "")
    return Decision(
        DecisionKind.ENTER_LONG if event.side is Side.LONG else DecisionKind.ENTER_SHORT,
        event.side,
        event.bar_time_ms + spec.timeframe.ms,
        conditions,
        _NOT_KEPT if event.conditions is None else clause,
        price,
        Decimal(repr(event.expected_price)),
    )


def _adopted(event: Adopted, time_ms: int) -> Decision:
    return Decision(
        DecisionKind.ENTER_LONG if event.side is Side.LONG else DecisionKind.ENTER_SHORT,
        event.side,
        time_ms,
        (),
        f"the wallet held it at the launch; its PnL counts from the mark then, {price_text(event.mark)}",
        event.entry_price,
        is_adopted=True,
    )


def _left(event: ExitDecided, spec: AlgorithmSpec, trade: Trade | None, held: Side | None) -> Decision:
    """Return a decided exit; ``trade``: the one that it has ended, None: it is under way."""
    side = held if trade is None else trade.side
    conditions: tuple[ConditionValue, ...] = ()
    clause = _REASONS.get(event.reason, "")
    if event.reason is ExitReason.SIGNAL:
        conditions = _kept(event.conditions, spec, GroupKind.EXIT, side)
        clause = _NOT_KEPT if event.conditions is None else because(conditions)
    elif event.reason in _LEVELS:
        clause = f"the close of {price_text(event.expected_price)} is beyond where the stop would trail to"
    return Decision(
        DecisionKind.EXIT,
        side,
        event.bar_time_ms + spec.timeframe.ms,
        conditions,
        clause,
        None if trade is None else trade.exit_price,
        Decimal(repr(event.expected_price)),
        pnl=None if trade is None else trade.pnl,
    )


def _kept(
    conditions: tuple[ConditionValue, ...] | None, spec: AlgorithmSpec, kind: GroupKind, side: Side | None
) -> tuple[ConditionValue, ...]:
    """Return the conditions of a decision; those of its group without values where they were not kept."""
    if conditions is not None or side is None:
        return conditions or ()
    return tuple(
        ConditionValue(group=each.group, condition=str(each.condition)) for each in spec.placed(kind, side)
    )


# --- what would have to be true next ---------------------------------------------------------------


def next_sentences(outlook: Outlook) -> tuple[str, ...]:
    """Return what would have to be true next, a sentence for each side, for the stop and for the target."""
    found: list[str] = []
    groups: dict[str, list[ConditionValue]] = {}
    for need in outlook.needs:
        if need.group not in (STOP, TARGET):
            groups.setdefault(".".join(need.group.split(".")[:2]), []).append(need)
    for group, needs in groups.items():
        kind, _, side = group.partition(".")
        name = "exit" if kind == GroupKind.EXIT else f"{side} entry"
        found.append(f"{name} when {needs_sentence(needs)}")
    for need in outlook.needs:
        if need.group in (STOP, TARGET) and need.right is not None:
            name = "stop" if need.group == STOP else "target"
            found.append(f"{name} {price_text(need.right)} ({distance(need)})")
    return tuple(found)


def _outlook_at(
    session: Session, run: Run, closed: Sequence[Trade], position: RunPosition | None, at_ms: int
) -> Outlook | None:
    """Return what would have to be true next as of a time, from the bars that the run has seen until then.

    None: it does not go on then, or the bars are not kept: ``prune`` removes those of ended runs.
    """
    spec = spec_of_run(session, run)
    seen = [each.bar for each in bars.bars_of(session, run.id)]
    has_later = bool(seen) and seen[-1].time_ms + spec.timeframe.ms > at_ms
    seen = [bar for bar in seen if bar.time_ms + spec.timeframe.ms <= at_ms]
    if not seen or not (has_later or run.state is RunState.RUNNING):
        return None
    try:
        watched = read_watched(session, run.id)
    except WrongUseError:
        return None
    # TA-Lib is imported where it is needed.
    from firstwatch.strategy.outlook import needs_of
    from firstwatch.watch.shadow import signals_of

    held, since_ms = _held_at(closed, position, at_ms)
    levels: tuple[ConditionValue, ...] = ()
    if held is not None:
        levels = tuple(_levels_at(session, run.id, held, seen[-1].close, range(since_ms, at_ms + 1)))
    signals = signals_of(watched, seen)
    return Outlook(
        bar_time_ms=seen[-1].time_ms,
        held=held,
        needs=(*needs_of(held, watched.settings, signals.conditions), *levels),
    )


def _held_at(closed: Sequence[Trade], position: RunPosition | None, at_ms: int) -> tuple[Side | None, int]:
    """Return the side of the position at a time, and since when it was held."""
    for trade in closed:
        if trade.entry_time_ms <= at_ms < trade.exit_time_ms:
            return trade.side, trade.entry_time_ms
    if position is not None and position.opened_at_ms is not None and position.opened_at_ms <= at_ms:
        return position.side, position.opened_at_ms
    return None, 0


def _levels_at(
    session: Session, run_id: str, side: Side, price: float, span: range
) -> Iterator[ConditionValue]:
    """Yield the levels that rested at the venue at the end of a time in which a position was held."""
    resting: dict[str, Decimal] = {}
    for entry in journal.events_of_kinds(session, run_id, {"protection_moved"}):
        event = entry.event
        if isinstance(event, ProtectionMoved) and (entry.venue_time_ms or 0) in span:
            for group, at in ((STOP, event.stop), (TARGET, event.target)):
                if at is not None:
                    resting[group] = at
    for group, at in resting.items():
        yield level(group, side, price, float(at))


# --- for the screen --------------------------------------------------------------------------------

_DECISIONS = 80
"""Newest decisions that the details of a run know: those of some forty trades."""
_LOOKED_BACK = 5_000
"""Journal entries in which they are looked for."""


class WhyReader:
    """Reads the view of one run repeatedly; unchanged parts are not read again."""

    def __init__(self, session: Session, run: Run) -> None:
        self._spec = spec_of_run(session, run)
        self._sequence = -1
        self._newest_first: tuple[JournalEntry, ...] = ()
        self._outlook_text: str | None = None
        self._outlook: Outlook | None = None
        self._view = WhyView()
        self.trades: dict[int, TradeWhy] = {}
        """Why the newest trades were entered and left, by their number from 1."""

    def read(
        self,
        session: Session,
        run: Run,
        closed: Sequence[Trade],
        position: RunPosition | None,
        sequence: int,
    ) -> WhyView:
        """Return why a run did what it did last, and what would have to be true next.

        ``sequence``: of its last journal entry.

        Raises:
            DamagedRowError: a row cannot be read.
        """
        text = outlooks.outlook_text_of(session, run.id) if run.state is RunState.RUNNING else None
        is_new = sequence != self._sequence
        if text == self._outlook_text and not is_new:
            return self._view
        outlook = None if text is None else outlooks.read_outlook(run.id, text)
        self._outlook_text, self._outlook = text, outlook
        if is_new:
            after = max(self._sequence, sequence - _LOOKED_BACK, 0)
            fresh = journal.newest_of_kinds(session, run.id, DECISION_KINDS, after=after)
            self._newest_first = tuple(_with_decisions(chain(fresh, self._newest_first)))
            self._sequence = sequence
            self.trades = dict(self._trades(closed))
        decision, dropped = last_decision(self._newest_first, closed, self._spec, position=position)
        self._view = _view(decision, dropped, self._outlook)
        return self._view

    def _trades(self, closed: Sequence[Trade]) -> Iterator[tuple[int, TradeWhy]]:
        decided = [
            entry.event for entry in self._newest_first if isinstance(entry.event, EntryDecided | ExitDecided)
        ]
        for place in range(len(closed) - 1, max(-1, len(closed) - 1 - _DECISIONS // 2), -1):
            trade = closed[place]
            entry = entry_of(trade, closed[place - 1] if place else None, decided, self._spec)
            ended = exit_of(trade, exit_decided_in(trade, decided, self._spec), self._spec)
            yield place + 1, TradeWhy("" if entry is None else entry.because, ended.because)


def _with_decisions(newest_first: Iterable[JournalEntry]) -> Iterator[JournalEntry]:
    """Yield the newest decisions, as many as are kept, and before the first one the newest dropped entry."""
    count = 0
    for entry in newest_first:
        is_dropped = isinstance(entry.event, DecisionDropped)
        if is_dropped and count:
            continue
        yield entry
        count += 1
        if count > _DECISIONS:
            return


def _view(decision: Decision | None, dropped: DecisionDropped | None, outlook: Outlook | None) -> WhyView:
    return WhyView(
        last_ms=None if decision is None else decision.time_ms,
        last="" if decision is None else decision.sentence,
        dropped="" if dropped is None else dropped_sentence(dropped),
        next=() if outlook is None else next_sentences(outlook),
        waits=() if outlook is None else outlook.waits,
    )


def dropped_sentence(dropped: DecisionDropped) -> str:
    """Return which entry was not made, why, and what would have led to it."""
    held = because(dropped.conditions or ())
    return f"{dropped.decision} not carried out: {dropped.cause}{f'; {held}' if held else ''}"
