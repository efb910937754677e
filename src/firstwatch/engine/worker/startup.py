"""Startup of a run's worker: a new run, or one that was active before."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from firstwatch.engine.core import inputs
from firstwatch.engine.core.run_core import RunCore
from firstwatch.engine.core.run_memory import RunSetup
from firstwatch.engine.launch.gather import read_history
from firstwatch.engine.lease import Lease
from firstwatch.engine.worker.executor import EffectExecutor, bars_between
from firstwatch.market.sessions import SessionCalendar
from firstwatch.store import algorithms, journal, orders, runs
from firstwatch.store.bars import bars_of, save_warm_up, warm_up_of
from firstwatch.store.database import Session, Store
from firstwatch.store.journal import Checkpoint
from firstwatch.store.rows import row
from firstwatch.store.runs import Run
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.core_settings import Costs, settings_of_launch
from firstwatch.strategy.core_state import CoreSettings
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.strategy.stream import SignalStream
from firstwatch.trading.clock import iso
from firstwatch.trading.errors import DamagedRowError, VenueError
from firstwatch.trading.events import HoleFound, Transitioned
from firstwatch.trading.hazards import ALARMS_ONLY, Policy
from firstwatch.trading.ids import sent_by
from firstwatch.trading.runs import Author, RunState
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.protocol import PreparedRequest, Venue

_WARMING = threading.Semaphore(2)
"""Hundreds of runs warming up at once would keep the interpreter from the engine's heartbeat."""
_ASKS_FOR_BARS = 3
"""Requests to a venue that returns none of the bars it once had, before it is believed."""
_ASKS_FOR_LATE_BAR = 10
"""Requests if it returns some: the last bar was streamed and may only be late in its answers."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as the store has it."""

    run: Run
    spec: AlgorithmSpec
    settings: CoreSettings
    checkpoint: Checkpoint | None
    """None: the run has not begun."""
    launched_ms: int | None
    """Venue time at which it went to RUNNING; later higher bars were resampled by the run itself."""
    prepared: Mapping[str, PreparedRequest]
    """The requests of its open orders, by client order id."""
    holes: frozenset[int]
    """Open times of the bars that it skipped: they do not count even if the venue has them by now."""
    earlier_runs: frozenset[str]
    """Other runs of the wallet: their orders are not external."""


def read_stored_run(session: Session, run_id: str) -> StoredRun:
    """Return a run as the store has it.

    Raises:
        WrongUseError: its specification or settings are invalid.
        DamagedRowError: a row of the run cannot be read.
    """
    with row(f"what is stored of run {run_id}"):
        return _read_stored_run(session, run_id)


def _read_stored_run(session: Session, run_id: str) -> StoredRun:
    run = runs.get_run(session, run_id)
    spec = AlgorithmSpec.from_json(algorithms.version_by_id(session, run.version_id).spec_json)
    prepared = {
        order.client_order_id: PreparedRequest(
            order.client_order_id, order.body, order.nonce, order.expires_at_ms
        )
        for order in orders.open_orders_of(session, run_id)
    }
    noted = journal.events_of_kinds(session, run_id, {"transitioned", "hole_found"})
    started = [
        entry.venue_time_ms
        for entry in noted
        if isinstance(entry.event, Transitioned) and entry.event.new is RunState.RUNNING
    ]
    holes = frozenset(
        time_ms
        for entry in noted
        if isinstance(entry.event, HoleFound) and entry.event.is_confirmed
        for time_ms in range(entry.event.first_ms, entry.event.last_ms + 1, spec.timeframe.ms)
    )
    return StoredRun(
        run=run,
        spec=spec,
        settings=settings_of_launch(spec, run.settings, market=run.market, costs=Costs.of_market(run.market)),
        checkpoint=journal.load_checkpoint(session, run_id),
        launched_ms=started[0] if started else None,
        prepared=prepared,
        holes=holes,
        earlier_runs=frozenset(runs.ids_of_wallet(session, run.wallet_id)) - {run_id},
    )


class RunStartup:
    """Makes the core of a run and its first event. Used by the run's worker, in its thread."""

    def __init__(
        self,
        stored: StoredRun,
        venue: Venue,
        *,
        author: Author,
        why: str,
        max_slippage_bps: float,
        slice_delay_ms: int = 0,
        policy: Policy = ALARMS_ONLY,
    ) -> None:
        self.stored = stored
        self.venue = venue
        self._author = author
        self._why = why
        self.setup = RunSetup(
            run_id=stored.run.id,
            account=stored.run.account,
            symbol=stored.run.settings.symbol,
            timeframe=stored.spec.timeframe,
            market=stored.run.market,
            launch=stored.run.settings,
            has_phases=venue.capabilities.has_phases,
            modifies_orders=venue.capabilities.modifies_orders,
            max_slippage_bps=max_slippage_bps,
            slice_delay_ms=slice_delay_ms,
            policy=policy,
            suppresses=venue.capabilities.suppresses,
            earlier_runs=stored.earlier_runs,
        )
        self._signals = SignalStream(stored.spec)
        self._asked_for_bars = 0
        self._late_bars: set[int] = set()

    @property
    def is_new(self) -> bool:
        """The run has not begun: its first step was not stored."""
        return self.stored.checkpoint is None

    def make_core(self) -> RunCore:
        """Return the core restored from its checkpoint, or a new one.

        Raises:
            DamagedRowError: the checkpoint cannot be read.
        """
        stored = self.stored
        sessions = SessionCalendar(stored.run.settings.session)
        if stored.checkpoint is None:
            return RunCore(self.setup, stored.settings, self._signals, sessions)
        with row(f"the checkpoint of run {self.setup.run_id}"):
            return RunCore.restore(
                self.setup, stored.settings, self._signals, sessions, stored.checkpoint.payload
            )

    def request_history(self) -> None:
        """Read a new run's history once: a paper feed that has not begun then starts after it.

        Raises:
            VenueError: the venue cannot be asked.
        """
        if self.is_new:
            read_history(self.venue, self.setup.symbol, self.stored.spec)

    def last_bar_ms(self, core: RunCore) -> int:
        """Return the open time of the last bar that the run has handled; 0: none.

        A bar ahead of the venue's time cannot have closed: an earlier version believed a wrong time. The
        venue's newest bar takes its place, or the run would wait until that time for its next bar.

        Raises:
            VenueError: the venue cannot be asked.
        """
        setup, venue = self.setup, self.venue
        if core.last_bar_ms <= venue.now_ms() + setup.timeframe.ms:
            return core.last_bar_ms
        newest = venue.candles(setup.symbol, setup.timeframe, end_ms=venue.now_ms(), limit=1)
        # A venue that was not reached before gives its time only with this answer.
        if core.last_bar_ms <= venue.now_ms() + setup.timeframe.ms:
            return core.last_bar_ms
        if not newest:
            raise VenueError(
                f"{venue.name} has no bar of {setup.symbol} that run {setup.run_id} can continue from"
            )
        return newest[-1].time_ms

    def first_event(
        self,
        core: RunCore,
        executor: EffectExecutor,
        store: Store,
        lease: Lease,
        *,
        before_ms: int | None = None,
    ) -> inputs.Event:
        """Return the core's first event. The run must be subscribed, so that no bar is missed.

        ``before_ms``: open time of the first bar that the subscription delivers; None: it has not yet.

        Raises:
            VenueError: the venue cannot be asked; it may be tried again.
        """
        return (
            self._launched(store, lease) if self.is_new else self._recovery(core, executor, store, before_ms)
        )

    # --- a new run -------------------------------------------------------------------------------

    def _launched(self, store: Store, lease: Lease) -> inputs.Launched:
        setup, venue = self.setup, self.venue
        history = read_history(venue, setup.symbol, self.stored.spec)
        base = history[setup.timeframe]
        last_bar = base.bar(-1) if len(base) else None
        event = inputs.Launched(
            position=venue.position(setup.account, setup.symbol),
            open_orders=[
                order
                for order in venue.open_orders(setup.account, setup.symbol)
                if not sent_by(order.client_order_id, self.stored.earlier_runs | {setup.run_id})
            ],
            balance=venue.balance(setup.account),
            touch=venue.touch(setup.symbol),
            last_bar=last_bar,
            time_ms=venue.now_ms(),
            author=self._author,
        )
        first_bars = {timeframe: int(bars.time_ms[0]) for timeframe, bars in history.items() if len(bars)}
        warm_up = {}
        if last_bar is not None:
            warm_up = self._warm(base.part(0, len(base) - 1), history, last_bar.time_ms)
        with store.write(lease.epoch) as session:
            runs.set_first_bars(session, setup.run_id, first_bars)
            save_warm_up(session, setup.run_id, {each: used.bars() for each, used in warm_up.items()})
        return event

    # --- a run that was active ---------------------------------------------------------------------

    def _recovery(
        self, core: RunCore, executor: EffectExecutor, store: Store, before_ms: int | None
    ) -> inputs.RecoveryStarted:
        setup = self.setup
        reading = executor.read_venue(core.questions(is_new_life=True), before_ms=before_ms)
        lost_until_ms: int | None = None
        last_ms = self.last_bar_ms(core)
        if last_ms and setup.timeframe in self.stored.run.first_bars:
            lost_until_ms = self._warm_up_to(last_ms, store)
        return inputs.RecoveryStarted(
            reading=reading,
            why=self._why,
            time_ms=self.venue.now_ms(),
            lost_until_ms=lost_until_ms,
            late_bars=sorted(self._late_bars),
            newest_bar_ms=None if last_ms == core.last_bar_ms else last_ms,
        )

    def _warm_up_to(self, last_ms: int, store: Store) -> int | None:
        """Warm the indicators up to the last bar handled; return what ``_warm_anew`` does, else None.

        The bars are those that the run itself saw: the venue may have revised them, and then the run would
        decide differently than without the restart.
        """
        timeframe, end_ms = self.setup.timeframe, last_ms + self.setup.timeframe.ms
        own = self._own_history(store, last_ms)
        if own is None:
            wanted = self.stored.run.first_bars
        else:
            # From the last own bar or the first hole on, to learn whether the venue reaches back that far,
            # and which bars are late.
            wanted = {timeframe: min([int(own[timeframe].time_ms[-1]), *self.stored.holes])}
        given = {each: self._bars(each, first_ms, end_ms) for each, first_ms in wanted.items()}
        base = given[timeframe]
        if not len(base) or int(base.time_ms[-1]) != last_ms:
            return self._warm_anew(last_ms)
        if own is None:
            self._warm(base, given, self._own_bars_from(base))
        else:
            later = base.part(base.index_at(int(own[timeframe].time_ms[-1]) + 1), len(base))
            self._warm(CandleArrays.joined([own[timeframe], later]), own, last_ms)
        return None

    def _own_history(self, store: Store, last_ms: int) -> dict[Timeframe, CandleArrays] | None:
        """Return the bars before the run and those that it has handled; None: not all of them are stored.

        None for a run that an earlier version launched or that was down for longer than its venue keeps bars,
        and if a row is damaged: then the venue's bars are used.
        """
        run_id, timeframe = self.setup.run_id, self.setup.timeframe
        try:
            with store.read() as session:
                kept = warm_up_of(session, run_id)
                seen = [each.bar for each in bars_of(session, run_id) if each.bar.time_ms <= last_ms]
        except DamagedRowError as error:
            _log.warning("run %s is warmed up with the venue's bars: %s", run_id, error)
            return None
        if timeframe not in kept or not seen:
            return None
        first_ms, end_ms = seen[0].time_ms, seen[-1].time_ms + timeframe.ms
        skipped = sum(first_ms < time_ms < end_ms for time_ms in self.stored.holes)
        if len(seen) + skipped != (end_ms - first_ms) // timeframe.ms:
            return None
        history = {each: CandleArrays.from_bars(found, each) for each, found in kept.items()}
        history[timeframe] = CandleArrays.from_bars([*kept[timeframe], *seen], timeframe)
        return history

    def _warm_anew(self, last_bar_ms: int) -> int:
        """Warm the indicators with the bars the venue has; return up to which bar nothing is decided.

        For a run that was down for longer than the venue keeps its bars. As at a launch the history comes
        first; later bars are handled as past ones.
        """
        setup, needed = self.setup, self.stored.spec.needed_bars()
        first_ms = last_bar_ms - needed[setup.timeframe] * setup.timeframe.ms
        given = self._bars(setup.timeframe, first_ms, self.venue.now_ms())
        handled = given.index_at(last_bar_ms + 1)
        self._asked_for_bars += 1
        if self._asked_for_bars < (_ASKS_FOR_LATE_BAR if handled else _ASKS_FOR_BARS):
            raise VenueError(
                f"{self.venue.name} does not have the bars of {setup.symbol} that run {setup.run_id}"
                f" handled, up to {iso(last_bar_ms)}; its indicators cannot be warmed up again"
            )
        base = given.part(0, max(handled, min(needed[setup.timeframe], len(given))))
        end_ms = int(base.time_ms[-1]) + setup.timeframe.ms if len(base) else last_bar_ms
        history = {
            timeframe: self._bars(timeframe, end_ms - count * timeframe.ms, end_ms)
            for timeframe, count in needed.items()
        }
        self._warm(base, history, end_ms)
        return max(end_ms - setup.timeframe.ms, last_bar_ms)

    def _bars(self, timeframe: Timeframe, first_ms: int, end_ms: int) -> CandleArrays:
        bars = bars_between(self.venue, self.setup.symbol, timeframe, first_ms, end_ms)
        if timeframe is self.setup.timeframe:
            self._late_bars |= {bar.time_ms for bar in bars} & self.stored.holes
            bars = [bar for bar in bars if bar.time_ms not in self.stored.holes]
        return CandleArrays.from_bars(bars, timeframe)

    def _own_bars_from(self, base: CandleArrays) -> int:
        """Return the open time of the last bar before the launch: after it higher bars were resampled."""
        launched_ms = self.stored.launched_ms
        if launched_ms is None:
            return int(base.time_ms[-1])
        index = base.index_at(launched_ms - self.setup.timeframe.ms + 1)
        return int(base.time_ms[max(index - 1, 0)])

    # --- indicators --------------------------------------------------------------------------------

    def _warm(
        self, base: CandleArrays, history: Mapping[Timeframe, CandleArrays], until_ms: int
    ) -> dict[Timeframe, CandleArrays]:
        """Warm the indicators, with the venue's higher bars that end at or before ``until_ms``.

        Returns the bars that were used.
        """
        candles = {
            timeframe: bars.part(0, bars.index_at(until_ms - timeframe.ms + 1))
            for timeframe, bars in history.items()
            if timeframe is not base.timeframe
        }
        used = {base.timeframe: base, **candles}
        with _WARMING:
            self._signals.warm(used)
        return used
