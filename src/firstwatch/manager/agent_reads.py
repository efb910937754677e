"""What agents read that no snapshot holds: one run, a page of its journal, its watch, a version, a backtest.

Each call reads for its own caller: nothing is selected, so that several agents may read at a time.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firstwatch.manager.run_views import EventView, RunDetails
from firstwatch.manager.views import WatchView
from firstwatch.trading.clock import Clock
from firstwatch.trading.errors import DamagedRowError, WrongUseError
from firstwatch.trading.timeframe import Timeframe

if TYPE_CHECKING:
    from firstwatch.manager.details import DetailsReader
    from firstwatch.store.backtests import Backtest
    from firstwatch.store.database import Session, Store


@dataclass(frozen=True, slots=True)
class BacktestView:
    """A backtest. ``metrics``: by the names that ``firstwatch backtest --json`` prints."""

    backtest_id: int
    algorithm: str
    version: int
    symbol: str
    timeframe: Timeframe
    begin_ms: int
    end_ms: int
    """Open time of its last bar."""
    bars: int
    metrics: Mapping[str, Any]
    created_ms: int


@dataclass(frozen=True, slots=True)
class VersionView:
    """A version of an algorithm with its specification, as plain values in the shape of its file."""

    name: str
    version: int
    versions: tuple[int, ...]
    """All versions of that name, rising."""
    sha256: str
    specification: Mapping[str, Any]
    backtests: tuple[BacktestView, ...]
    """The newest first."""


@dataclass(frozen=True, slots=True)
class JournalPageView:
    """Some entries of a run's journal, oldest first."""

    events: tuple[EventView, ...]
    length: int
    """Sequence of the journal's last entry."""


class AgentReads:
    """Reads for agents, from any thread. All methods raise ``FirstwatchError`` with a sentence."""

    def __init__(self, clock: Clock, store: "Callable[[], Store]") -> None:
        self._clock = clock
        self._store = store
        self._details: DetailsReader | None = None
        self._reading = threading.Lock()

    def now_ms(self) -> int:
        """Return the wall time from which ages are counted, in milliseconds since the epoch."""
        return self._clock.now_ms()

    def full_run_id(self, text: str) -> str:
        """Return the id of the one run whose id begins with ``text``.

        Raises:
            WrongUseError: there is no such run, or there are several.
        """
        from firstwatch.store.runs import full_run_id

        with self._store().read() as session:
            return full_run_id(session, text)

    def details(self, run_id: str) -> RunDetails:
        """Return the details of a run.

        Raises:
            WrongUseError: there is no such run.
            DamagedRowError: they cannot be read.
        """
        from firstwatch.manager.details import DetailsReader

        with self._reading, self._store().read() as session:
            # One reader: an agent often reads the same run again, and then only what is new is read.
            reader = self._details = self._details or DetailsReader()
            found = reader.read(session, run_id)
            damaged = reader.damaged.get(run_id)
        if found is None:
            raise DamagedRowError(damaged) if damaged else WrongUseError(f"There is no run {run_id}.")
        return found

    def journal(self, run_id: str, *, after: int | None, limit: int) -> JournalPageView:
        """Return the entries after a sequence, ``limit`` of them at most; None: the newest ones.

        A row that cannot be read becomes a note that says so.
        """
        from firstwatch.manager.row_views import event_view
        from firstwatch.store import journal

        with self._store().read() as session:
            length = journal.last_sequence(session, run_id)
            since = max(0, length - limit) if after is None else after
            entries = journal.events_after(session, run_id, since, limit=limit, is_lenient=True)
        return JournalPageView(tuple(event_view(entry) for entry in entries), length)

    def first_watch(self, run_id: str, day: int | None) -> tuple[WatchView | None, int]:
        """Return the report of a day of a run's watch (None: the newest), and how many days have one.

        Raises:
            DamagedRowError: it cannot be read.
        """
        from firstwatch.manager.watch_views import of_reports, watch_view
        from firstwatch.store import watch

        damaged: dict[str, str] = {}
        with self._store().read() as session:
            marks = watch.marks_of(session, run_id)
            wanted = [mark for mark in marks if day is None or mark.day == day][-1:]
            found = list(of_reports(watch_view, session, wanted, {}, damaged=damaged).values())
        if damaged:
            raise DamagedRowError(damaged[run_id])
        return (found[0] if found else None), len(marks)

    def backtest(self, backtest_id: int) -> BacktestView:
        """Return a backtest.

        Raises:
            WrongUseError: there is none of that number.
            DamagedRowError: it cannot be read.
        """
        from firstwatch.store import backtests

        with self._store().read() as session:
            found = backtests.find_backtest(session, backtest_id)
            if found is None:
                raise WrongUseError(f"There is no backtest {backtest_id}; get_algorithm lists those of one.")
            return _backtest_view(session, found)

    def version(self, name: str, number: int | None) -> VersionView:
        """Return a version of an algorithm; without a number the newest.

        Raises:
            WrongUseError: there is no such version.
            DamagedRowError: it cannot be read.
        """
        from firstwatch.manager.algorithm_views import spec_of
        from firstwatch.store import algorithms, backtests

        with self._store().read() as session:
            version = algorithms.get_version(session, name, number)
            return VersionView(
                name=version.name,
                version=version.number,
                versions=tuple(each.number for each in algorithms.list_versions(session, name)),
                sha256=version.sha256,
                specification=spec_of(version).document(),
                backtests=tuple(
                    _backtest_view(session, each) for each in backtests.list_backtests(session, version.id)
                ),
            )


def _backtest_view(session: "Session", found: "Backtest") -> BacktestView:
    from firstwatch.store.algorithms import version_by_id

    version = version_by_id(session, found.version_id)
    return BacktestView(
        backtest_id=found.id,
        algorithm=version.name,
        version=version.number,
        symbol=found.symbol,
        timeframe=found.timeframe,
        begin_ms=found.start_ms,
        end_ms=found.end_ms,
        bars=found.bars,
        metrics=found.metrics,
        created_ms=found.created_at_ms,
    )
