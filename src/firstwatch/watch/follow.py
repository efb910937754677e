"""Follows one run from the store: its two shadows, the mismatches and the accounting identity.

``RunFollower.advance`` takes one reading and does an amount of work that the reading bounds. Its state is
JSON, from which it goes on after a restart; what it finds does not depend on how the readings were cut.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from firstwatch.store import bars
from firstwatch.store.bars import RunBar
from firstwatch.store.database import Session
from firstwatch.store.journal import JournalEntry
from firstwatch.strategy.core import new_state
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.core_state import ENTER, CoreState
from firstwatch.strategy.evaluation import GroupFlags
from firstwatch.trading.bar import Bar, Decided
from firstwatch.trading.errors import DamagedRowError, WrongUseError
from firstwatch.trading.events import (
    Adopted,
    DecisionDropped,
    EntryDecided,
    EquityCompared,
    ExitDecided,
    FillBooked,
    FundingBooked,
    OrderMoved,
    RunEvent,
    SliceDecided,
    TradeClosed,
)
from firstwatch.trading.orders import OrderKind, OrderPurpose, OrderState
from firstwatch.trading.runs import ExitReason
from firstwatch.trading.trade import Trade
from firstwatch.trading.verdicts import MismatchCause
from firstwatch.trading.watch import Identity, Mismatch
from firstwatch.watch.identity import Accounts, Holding, holding_of_trade, venue_residual
from firstwatch.watch.limit_gap import LimitTally
from firstwatch.watch.parity import Findings, ParityJudge
from firstwatch.watch.record import BARS_AT_ONCE, LiveRecord, WatchedRun, read_record, read_watched
from firstwatch.watch.shadow import Account, ConditionalShadow, FreeShadow, holding_of, signals_of

STATE_VERSION = 1


@dataclass(slots=True)
class FollowState:
    """The state of a follower between two readings."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(ser_json_inf_nan="constants")

    account: Account
    free: CoreState
    version: int = STATE_VERSION
    free_entry_ms: int = 0
    findings: Findings = field(default_factory=Findings)
    accounts: Accounts = field(default_factory=Accounts)
    sequence: int = 0
    """The last journal entry that was taken in."""
    last_bar_ms: int = 0
    first_bar_ms: int = 0
    bars: int = 0
    trades: int = 0
    """Closed trades of the run that were taken in."""
    rates: list[tuple[int, float]] = field(default_factory=list)
    """Funding rates since the last bar, each with the venue's time of its booking."""
    identity: Identity | None = None
    """As of the last bar."""
    compared: tuple[Decimal, Decimal] | None = None
    """Equity of the wallet at the venue and of the ledger, from the last moment at which both were known."""
    venue_residual: Decimal | None = None
    """The wallet's gain less the ledger's, summed from each such moment to the next (quote)."""
    has_ended: bool = False
    limits: LimitTally = field(default_factory=LimitTally)


_STATE: TypeAdapter[FollowState] = TypeAdapter(FollowState)


@dataclass(frozen=True, slots=True)
class Advance:
    """The result of one reading."""

    mismatches: Sequence[Mismatch] = ()
    """Mismatches that it has found."""
    identity: Identity | None = None
    """As of its last bar."""
    is_whole: bool = True
    """Nothing more is to be read."""


class RunFollower:
    """The shadows of one run and its differences from them."""

    def __init__(
        self, watched: WatchedRun, state: FollowState | None = None, seen: Sequence[Bar] = ()
    ) -> None:
        """Begin with the run, or go on from a state; ``seen``: the run's bars up to there."""
        self.watched = watched
        self.state = state or FollowState(Account(new_state(watched.settings)), new_state(watched.assumed))
        self._signals = signals_of(watched, seen)
        self._shadow = ConditionalShadow(watched.settings, self.state.account)
        self._free = FreeShadow(watched.assumed, self.state.free, self.state.free_entry_ms)
        self._judge = ParityJudge(
            self._shadow,
            watched.market,
            watched.timeframe.ms,
            has_mark=watched.has_mark,
            findings=self.state.findings,
        )
        self._launch_flags: GroupFlags | None = None

    @property
    def mismatches(self) -> Sequence[Mismatch]:
        """The newest mismatches of the run, oldest first."""
        return self.state.findings.mismatches

    @property
    def causes(self) -> dict[MismatchCause, int]:
        """How many mismatches there were by cause, since the run began."""
        return self.state.findings.counts

    @property
    def decisions(self) -> int:
        """How many decisions of the run or its shadow were compared."""
        return self.state.findings.decisions

    def to_json(self) -> str:
        """Return the state from which ``resume`` goes on."""
        return _STATE.dump_json(self.state).decode()

    def read(self, session: Session, *, most_bars: int = BARS_AT_ONCE) -> LiveRecord:
        """Return the run's new bars, journal entries and trades since the last reading.

        Raises:
            DamagedRowError: a row cannot be read, or one is missing.
        """
        state = self.state
        return read_record(
            session,
            self.watched.run_id,
            after_ms=state.last_bar_ms,
            after_sequence=state.sequence,
            after_trade=state.trades,
            most_bars=most_bars,
        )

    def advance(self, record: LiveRecord) -> Advance:
        """Take in one reading.

        Raises:
            WrongUseError: an earlier version recorded the bars.
            DamagedRowError: a trade is missing.
        """
        if self.state.has_ended:
            return Advance(identity=self.state.identity)
        last = record.until
        events = deque(entry for entry in record.events if last is None or entry.sequence <= last)
        trades = deque(record.trades)
        self._judge.begin(record.past)
        for place, seen in enumerate(record.bars):
            if seen.sequence is None:
                raise WrongUseError(
                    f"The bars of run {self.watched.run_id} were recorded by an earlier firstwatch, without "
                    "their place in its journal. Signal parity is watched from the next launch on."
                )
            while events and events[0].sequence <= seen.sequence:
                self._event(events.popleft(), trades)
            is_last = place + 1 == len(record.bars)
            until = None if is_last else record.bars[place + 1].sequence
            followed_by = list(_until(events, until))
            is_final = is_last and record.has_ended
            self._bar(seen, followed_by, None if is_final else record.equity.get(seen.bar.time_ms))
            if is_last:
                self._account(self._shadow.core.equity)
        while events:
            self._event(events.popleft(), trades)
        if record.has_ended:
            self._end(record)
        return Advance(tuple(self._judge.fresh()), self.state.identity, record.is_whole)

    # --- steps --------------------------------------------------------------------------------------

    def _event(self, entry: JournalEntry, trades: deque[Trade]) -> None:
        state, event = self.state, entry.event
        self._judge.event(entry)
        self._shadow.take(entry, self._launch_flags)
        state.sequence = entry.sequence
        self._limits(event)
        match event:
            case FundingBooked(paid=paid, rate=rate):
                state.accounts.live_funding += float(paid)
                state.rates.append((entry.venue_time_ms or 0, float(rate)))
            case EquityCompared() as now:
                self._compare(now)
            case TradeClosed(reason=reason):
                if not trades:
                    raise DamagedRowError(
                        f"Trade {state.trades + 1} of run {self.watched.run_id} is in its journal and not "
                        "among its trades; firstwatch doctor looks at all."
                    )
                state.accounts.live.append(holding_of_trade(trades.popleft()))
                state.trades += 1
                if reason is ExitReason.END_OF_DATA:
                    self._add_free(self._free.end(state.last_bar_ms))
            case _:
                pass

    def _limits(self, event: RunEvent) -> None:
        """Follow the run's limit entries, to compare what filled of them with the backtest's rule."""
        tally, market = self.state.limits, self.watched.market
        match event:
            case EntryDecided(limit_price=price) if price is not None:
                bars = self.watched.settings.order_timeout_bars
                tally.decide(event.side.sign, float(price), market.steps(event.amount), bars)
            case FillBooked(client_order_id=order_id, amount=amount) if self._is_limit_entry(order_id):
                tally.live += market.steps(amount)
            case OrderMoved(client_order_id=order_id, new=new) if self._is_limit_entry(order_id):
                if new.is_final and new is not OrderState.FILLED:
                    tally.cancel()
            case TradeClosed():
                tally.close()
            case _:
                pass

    def _is_limit_entry(self, order_id: str | None) -> bool:
        order = self._shadow.order(order_id)
        return order is not None and order.purpose is OrderPurpose.ENTRY and order.kind is OrderKind.LIMIT

    def _compare(self, now: EquityCompared) -> None:
        state = self.state
        if state.compared is not None and not now.begins:
            gained = venue_residual(*state.compared, now.venue, now.ledger)
            state.venue_residual = (state.venue_residual or Decimal(0)) + gained
        state.compared = now.venue, now.ledger

    def _bar(self, seen: RunBar, followed_by: Sequence[JournalEntry], equity: float | None) -> None:
        state, bar, watched = self.state, seen.bar, self.watched
        flags = self._signals.push(bar)
        rates, state.rates = state.rates, []
        is_launch = state.bars == 0 and watched.timeframe in watched.warm_up
        state.bars += 1
        state.first_bar_ms = state.first_bar_ms or bar.time_ms
        state.last_bar_ms = bar.time_ms
        if is_launch:
            self._launch(bar, flags, followed_by)
            return
        state.limits.pass_bar(bar, watched.assumed)
        self._judge.range(seen)
        decided = [
            entry
            for entry in followed_by
            if isinstance(entry.event, EntryDecided | SliceDecided | ExitDecided | DecisionDropped)
            and entry.event.bar_time_ms == bar.time_ms
        ]
        entries = [entry.event for entry in decided if isinstance(entry.event, EntryDecided)]
        sized = [entry.event for entry in decided if isinstance(entry.event, EntryDecided | SliceDecided)]
        would = self._shadow.close(
            bar,
            flags,
            watched,
            seen.decided,
            equity=equity,
            equity_cap=sized[0].equity_cap if sized else None,
        )
        if seen.decided is not Decided.NO:
            self._judge.close(seen, would, decided)
            core = self._shadow.core
            if entries and core.decision != ENTER:
                self._shadow.follow(entries[0], flags)
        at_open = [rate for time_ms, rate in rates if time_ms <= bar.time_ms]
        inside = [rate for time_ms, rate in rates if time_ms > bar.time_ms]
        self._add_free(self._free.step(bar, flags, watched, rates_at_open=at_open, rates_inside=inside))

    def _launch(self, bar: Bar, flags: GroupFlags, followed_by: Iterable[JournalEntry]) -> None:
        """Take in the last bar before the run: only *assume position now* decides anything at it."""
        self._launch_flags = flags
        self._shadow.core.last_close = self._free.core.last_close = bar.close
        is_adopting = any(isinstance(entry.event, Adopted) for entry in followed_by)
        if is_adopting or not self.watched.launch.assume_position_now:
            return
        close_ms = bar.time_ms + self.watched.timeframe.ms
        may_enter = int(self.watched.sessions.may_enter(close_ms, self.watched.timeframe))
        self._free.launch(bar, flags, may_enter)
        core = self._shadow.enter_now(bar, flags, may_enter)
        self._judge.launched(bar, core.decision_side if core.decision == ENTER else 0)

    def _add_free(self, closed: Holding | None) -> None:
        state = self.state
        state.free_entry_ms = self._free.entry_ms
        if closed is not None:
            state.accounts.shadow.append(closed)
            state.accounts.shadow_funding += closed.funding

    def _account(self, equity: float) -> None:
        """Make the accounting identity as of the last bar; ``equity``: the run's, by its ledger (quote)."""
        state, capital = self.state, float(self.watched.launch.capital)
        state.identity = state.accounts.identity(
            live_open=holding_of(self._shadow.core, self.watched.settings, state.account.entered_ms),
            shadow_open=self._free.holding(),
            live_pnl=equity - capital,
            shadow_pnl=self._free.core.equity - capital,
            venue_residual=state.venue_residual,
        )

    def _end(self, record: LiveRecord) -> None:
        self.state.has_ended = True
        self._judge.end()
        if record.equity:
            self._account(record.equity[max(record.equity)])


def _until(events: Iterable[JournalEntry], last: int | None) -> Iterator[JournalEntry]:
    """Yield the entries up to the sequence ``last``; None: all."""
    for entry in events:
        if last is not None and entry.sequence > last:
            return
        yield entry


def follow(
    session: Session, run_id: str, state_json: str | None, assumed: Costs | None = None
) -> RunFollower:
    """Return the follower of a run, from its stored state where there is a usable one, else from its begin.

    Raises:
        WrongUseError: there is no such run, or it was launched by a version that kept too little.
        DamagedRowError: a row of it cannot be read.
    """
    watched = read_watched(session, run_id, assumed)
    state = _usable(state_json)
    if state is None:
        return RunFollower(watched)
    seen = [each.bar for each in bars.bars_of(session, run_id) if each.bar.time_ms <= state.last_bar_ms]
    if len(seen) != state.bars:
        # Bars were taken back or lost since: what is there now is followed anew.
        return RunFollower(watched)
    return RunFollower(watched, state, seen)


def _usable(state_json: str | None) -> FollowState | None:
    """Return the state of that text; None: there is none, or another version wrote it."""
    if state_json is None:
        return None
    try:
        state = _STATE.validate_json(state_json)
    except ValidationError:
        return None
    return state if state.version == STATE_VERSION else None
