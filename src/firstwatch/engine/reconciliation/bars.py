"""Rereads the bars of active runs an hour later, because a venue may still revise a bar after its close.

Once an hour it reads all bars of the hour before the last, at the lowest request priority; runs on the same
market and timeframe share one request. A bar that differs is an event of the run (``BarRevised``), which the
first watch lists; no decision is repeated. How far bars were reread is stored in the same transaction as the
events, so a restart neither repeats nor skips a bar.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from firstwatch.engine.lease import Lease
from firstwatch.engine.reconciliation.periodic import PeriodicTask
from firstwatch.engine.venue_registry import VenueRegistry
from firstwatch.store import algorithms, bars, journal, runs
from firstwatch.store.database import Session, Store
from firstwatch.strategy.evaluation import reads_volume
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.bar import Bar
from firstwatch.trading.clock import Clock
from firstwatch.trading.errors import DamagedRowError, FirstwatchError, VenueError, WrongUseError
from firstwatch.trading.events import BarRevised, BarValues, LateBar
from firstwatch.trading.timeframe import Timeframe

AFTER_MS = 3_600_000
"""A bar is reread at the earliest this long after its close."""
_MOST_BARS = 1_000
"""Most bars read in one request; the rest is left for the next round."""
_AGAIN_S = 120.0
"""Pause before the next attempt for a market whose bars could not be read."""
_YIELD_S = 0.002
"""Pause after each run. Rereading falls on the hour, when all runs act on a bar, and a thread that computes
without a pause holds the GIL, which delays each of their commits."""

_log = logging.getLogger(__name__)

_Market = tuple[str, str, Timeframe]
"""Venue, symbol, timeframe."""


@dataclass(slots=True)
class _Followed:
    """Cached facts of an active run, so that a check that finds nothing due reads almost nothing."""

    market: _Market
    with_volume: bool
    until_ms: int | None = None
    """Open time of the first bar to be read again; None: there is none yet."""


@dataclass(frozen=True, slots=True)
class _Due:
    """Bars of a run to reread: those with ``first_ms`` <= open time < ``end_ms``."""

    run_id: str
    with_volume: bool
    first_ms: int
    end_ms: int
    seen: Sequence[Bar]

    def differences(self, read: Sequence[Bar], end_ms: int) -> list[BarRevised]:
        """Return the bars before ``end_ms`` that now differ from what the run saw."""
        seen, again = (
            [bar for bar in each if self.first_ms <= bar.time_ms < end_ms] for each in (self.seen, read)
        )
        return revised(seen, again, with_volume=self.with_volume)


class BarRereader:
    """Rereads bars, in its own thread because it waits for venues."""

    def __init__(self, store: Store, venues: VenueRegistry, clock: Clock, lease: Callable[[], Lease]) -> None:
        self._store = store
        self._venues = venues
        self._clock = clock
        self._lease = lease
        self._runs: dict[str, _Followed] = {}
        self._not_before_s: dict[_Market, float] = {}
        self.task = PeriodicTask("reading bars again", self.look)

    def close(self) -> None:
        """Start no further request."""
        self.task.close()

    def look(self) -> None:
        """Reread the bars that are due, with at most one request per market and timeframe."""
        with self._store.read() as session:
            active = runs.active_run_ids(session)
            self._runs = {run_id: self._runs[run_id] for run_id in active if run_id in self._runs}
            for run_id in active:
                self._follow(session, run_id)
        markets: dict[_Market, list[str]] = defaultdict(list)
        for run_id, followed in self._runs.items():
            markets[followed.market].append(run_id)
        for market, run_ids in markets.items():
            if self.task.is_closed:
                return
            if self._clock.elapsed_s() < self._not_before_s.get(market, 0.0):
                continue
            try:
                self._read_market(market, run_ids)
            except FirstwatchError as error:
                self._not_before_s[market] = self._clock.elapsed_s() + _AGAIN_S
                _log.info("the bars of %s at %s are not read again yet: %s", market[1], market[0], error)

    def _follow(self, session: Session, run_id: str) -> None:
        try:
            if run_id not in self._runs:
                run = runs.get_run(session, run_id)
                spec = AlgorithmSpec.from_json(algorithms.version_by_id(session, run.version_id).spec_json)
                market = run.venue, run.settings.symbol, spec.timeframe
                self._runs[run_id] = _Followed(market, reads_volume(spec))
            if self._runs[run_id].until_ms is None:
                self._runs[run_id].until_ms = bars.reread_until(session, run_id)
        except (DamagedRowError, WrongUseError) as error:
            _log.info("the bars of run %s are not read again: %s", run_id, error)

    def _read_market(self, market: _Market, run_ids: Sequence[str]) -> None:
        name, symbol, timeframe = market
        venue = self._venues.get(name)
        now_ms = venue.now_ms()
        # Whole hours, so that runs that began at different times share the answer.
        end_ms = max(timeframe, Timeframe.H1, key=lambda each: each.ms).open_of(now_ms - AFTER_MS)
        reach_ms = timeframe.open_of(now_ms) - (venue.capabilities.most_candles - 1) * timeframe.ms
        waiting = [run_id for run_id in run_ids if (self._runs[run_id].until_ms or end_ms) < end_ms]
        if not waiting:
            return
        due = []
        for run_id in waiting:
            with self._store.read() as session:
                found = self._due(session, run_id, reach_ms, end_ms)
            if found is not None:
                due.append(found)
            time.sleep(_YIELD_S)
        if not due:
            return
        first_ms = min(each.first_ms for each in due)
        end_ms = min(max(each.end_ms for each in due), first_ms + _MOST_BARS * timeframe.ms)
        read = venue.candles_anew(symbol, timeframe, first_ms=first_ms, end_ms=end_ms)
        if not read:
            raise VenueError("the venue returns none of them")
        self._compare([each for each in due if each.first_ms < end_ms], read, end_ms)

    def _due(self, session: Session, run_id: str, reach_ms: int, end_ms: int) -> _Due | None:
        """Return the bars of a run to reread, as far as the venue still has them; None: there are none."""
        followed = self._runs[run_id]
        first_ms = max(followed.until_ms or 0, reach_ms)
        handled = [each.bar for each in bars.bars_of(session, run_id, after_ms=first_ms - 1)]
        # A run that is being recovered has not handled the newest ones yet.
        handled_ms = handled[-1].time_ms + followed.market[2].ms if handled else 0
        end_ms = min(end_ms, handled_ms)
        if end_ms <= first_ms:
            return None
        return _Due(
            run_id=run_id,
            with_volume=followed.with_volume,
            first_ms=first_ms,
            end_ms=end_ms,
            seen=[bar for bar in handled if bar.time_ms < end_ms],
        )

    def _compare(self, due: Sequence[_Due], read: Sequence[Bar], end_ms: int) -> None:
        """Store the differences of the runs' bars, and how far they were reread.

        Runs without a difference, nearly all of them, share one transaction; each other run has its own, so a
        venue that revises every bar never blocks a run for long.
        """
        same: dict[str, int] = {}
        for each in due:
            until_ms = min(each.end_ms, end_ms)
            if found := self._without_late(each.run_id, each.differences(read, until_ms)):
                self._save({each.run_id: until_ms}, found)
            else:
                same[each.run_id] = until_ms
            time.sleep(_YIELD_S)
        if same:
            self._save(same, [])

    def _without_late(self, run_id: str, found: list[BarRevised]) -> list[BarRevised]:
        """Leave out bars that the run itself has journalled as late."""
        if not found:
            return found
        with self._store.read() as session:
            late = journal.events_of_kinds(session, run_id, {"late_bar"})
        known = {entry.event.bar_time_ms for entry in late if isinstance(entry.event, LateBar)}
        return [each for each in found if each.bar_time_ms not in known]

    def _save(self, until_ms: Mapping[str, int], found: Sequence[BarRevised]) -> None:
        """Store how far each run's bars were reread (``until_ms``, by run id), and the differences found."""
        with self._store.write(self._lease().epoch) as session:
            active = until_ms.keys() & runs.active_run_ids(session)
            if found:
                for run_id in active:
                    journal.append_system_events(session, run_id, found, now_ms=self._clock.now_ms())
            bars.save_reread(session, {run_id: until_ms[run_id] for run_id in active})
        for run_id, until in until_ms.items():
            self._runs[run_id].until_ms = until


def revised(seen: Sequence[Bar], read: Sequence[Bar], *, with_volume: bool) -> list[BarRevised]:
    """Return the bars that the venue has revised since a run saw them, oldest first.

    Both cover the same time. ``with_volume``: compare volumes too, because the algorithm uses them. Bars of
    the venue that are not sound are ignored, as runs ignore them.
    """
    ours = {bar.time_ms: bar for bar in seen}
    theirs = {bar.time_ms: bar for bar in read if bar.is_sound}
    count = 6 if with_volume else 5
    found = []
    for time_ms in sorted({*ours, *theirs}):
        mine, venues = ours.get(time_ms), theirs.get(time_ms)
        if mine is None or venues is None or mine[:count] != venues[:count]:
            found.append(BarRevised(bar_time_ms=time_ms, seen=_values(mine), read=_values(venues)))
    return found


def _values(bar: Bar | None) -> BarValues | None:
    return None if bar is None else bar[1:]
