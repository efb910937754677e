"""Bars, decisions and fills of a run, as its shadow reads them from the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from firstwatch.market.sessions import SessionCalendar
from firstwatch.store import algorithms, bars, journal, runs, trades, wallets
from firstwatch.store.bars import RunBar
from firstwatch.store.database import Session
from firstwatch.store.equity import equity_of
from firstwatch.store.journal import JournalEntry
from firstwatch.store.rows import row
from firstwatch.store.runs import Run
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.core_settings import Costs, settings_of_launch
from firstwatch.strategy.core_state import CoreSettings
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.errors import DamagedRowError, WrongUseError
from firstwatch.trading.events import Recovered
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.market import Market
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.trade import Trade
from firstwatch.venues.registry import is_paper

BARS_AT_ONCE = 5_000
"""How many bars a reading returns at most: a shadow that catches up does so in bounded steps."""


@dataclass(frozen=True, slots=True)
class WatchedRun:
    """Everything about a run that never changes."""

    run_id: str
    spec: AlgorithmSpec
    launch: LaunchSettings
    market: Market
    settings: CoreSettings
    """Settings of the run's own decision core."""
    assumed: CoreSettings
    """The same with the costs that its baseline assumes."""
    sessions: SessionCalendar
    warm_up: Mapping[Timeframe, CandleArrays]
    """The bars with which its indicators were warmed up, per timeframe."""
    has_mark: bool
    """The venue triggers stops by a mark price of its own; else by the bars themselves."""

    @property
    def timeframe(self) -> Timeframe:
        """The timeframe of its decisions."""
        return self.spec.timeframe


@dataclass(frozen=True, slots=True)
class LiveRecord:
    """New bars, journal entries and trades of a run since the last reading, all as of one moment."""

    bars: Sequence[RunBar] = ()
    events: Sequence[JournalEntry] = ()
    """Without a gap, up to now."""
    until: int | None = None
    """The last entry to be taken in with these bars; None: there is no later bar."""
    past: frozenset[int] = frozenset()
    """Open times of bars that closed while the run had no worker: a recovery has decided them."""
    equity: Mapping[int, float] = field(default_factory=dict)
    """Run equity marked at the close, by the bar's open time."""
    trades: Sequence[Trade] = ()
    """The trades that closed; a late payment may have changed their funding."""
    is_whole: bool = True
    """There is no later bar."""
    has_ended: bool = False
    """The run is over, and this is its last reading."""


def read_watched(session: Session, run_id: str, assumed: Costs | None = None) -> WatchedRun:
    """Return everything about a run that never changes; ``assumed`` None: the market's fees, no slippage.

    Raises:
        WrongUseError: there is no such run, or it was launched by a version that kept too little.
        DamagedRowError: a row of it cannot be read.
    """
    run = runs.get_run(session, run_id)
    spec = spec_of_run(session, run)
    kept = bars.warm_up_of(session, run_id)
    if run.first_bars and not kept:
        raise WrongUseError(
            f"The bars before run {run_id} were not kept: an earlier firstwatch launched it. Signal parity "
            "is watched from the next launch on."
        )
    costs = Costs.of_market(run.market)
    return WatchedRun(
        run_id=run_id,
        spec=spec,
        launch=run.settings,
        market=run.market,
        settings=settings_of_launch(spec, run.settings, market=run.market, costs=costs),
        assumed=settings_of_launch(spec, run.settings, market=run.market, costs=assumed or costs),
        sessions=SessionCalendar(run.settings.session),
        warm_up={timeframe: CandleArrays.from_bars(found, timeframe) for timeframe, found in kept.items()},
        has_mark=not is_paper(wallets.wallet_by_id(session, run.wallet_id).kind),
    )


def spec_of_run(session: Session, run: Run) -> AlgorithmSpec:
    """Return the algorithm of a run.

    Raises:
        DamagedRowError: it cannot be read.
    """
    with row(f"the algorithm of run {run.id}"):
        try:
            return AlgorithmSpec.from_json(algorithms.version_by_id(session, run.version_id).spec_json)
        except WrongUseError as error:
            raise ValueError(str(error)) from error


def read_record(
    session: Session,
    run_id: str,
    *,
    after_ms: int,
    after_sequence: int,
    after_trade: int,
    most_bars: int = BARS_AT_ONCE,
) -> LiveRecord:
    """Return what is new after a bar, a journal entry and a trade: the oldest ``most_bars`` bars of it.

    Raises:
        DamagedRowError: a row cannot be read, or one is missing.
    """
    found = bars.bars_of(session, run_id, after_ms=after_ms)
    is_whole = len(found) <= most_bars
    until = None if is_whole else found[most_bars].sequence
    events = journal.events_after(session, run_id, after_sequence)
    _check_whole(run_id, events, after_sequence)
    # The last known point is read again: the end of a run replaces it.
    curve = equity_of(session, run_id, after_ms=after_ms - 1)
    return LiveRecord(
        bars=found[:most_bars],
        events=events,
        until=until,
        past=_past(found, events),
        equity=dict(zip(curve.time_ms.tolist(), curve.equity.tolist(), strict=True)),
        trades=trades.trades_of(session, run_id, after=after_trade),
        is_whole=is_whole,
        has_ended=is_whole and runs.state_of(session, run_id).is_final,
    )


def _past(found: Sequence[RunBar], events: Sequence[JournalEntry]) -> frozenset[int]:
    """Return the bars that a recovery decided: as many before its journal entry as the entry counts."""
    past: set[int] = set()
    for entry in events:
        if isinstance(entry.event, Recovered) and entry.event.past_bars:
            before = [each for each in found if (each.sequence or 0) < entry.sequence]
            past.update(each.bar.time_ms for each in before[-entry.event.past_bars :])
    return frozenset(past)


def _check_whole(run_id: str, events: Sequence[JournalEntry], after: int) -> None:
    for place, entry in enumerate(events, after + 1):
        if entry.sequence != place:
            raise DamagedRowError(
                f"The journal of run {run_id} has no entry {place}; firstwatch doctor looks at all. What the "
                "run did cannot be compared from there on."
            )
