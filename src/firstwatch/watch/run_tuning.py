"""The signs of tuning of one run, from the store: whole days of it against the backtest of its baseline."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from firstwatch.backtest.baseline import settings_of
from firstwatch.store import backtests, equity, journal, positions, trades
from firstwatch.store.curves import EquityCurve
from firstwatch.store.database import Session
from firstwatch.store.rows import row
from firstwatch.store.runs import Run
from firstwatch.trading.events import Transitioned
from firstwatch.trading.runs import RunState
from firstwatch.trading.trade import Trade
from firstwatch.trading.verdicts import DAY_MS, CheckName, Sign
from firstwatch.trading.watch import WatchReport
from firstwatch.watch.day import RunRecord, watch_begin_ms
from firstwatch.watch.locking import watched_baseline
from firstwatch.watch.record import spec_of_run
from firstwatch.watch.tuning import (
    LEAST_DAYS,
    OF_INDICATORS,
    BacktestLimits,
    Record,
    failed_checks,
    hints,
    tuning_signs,
    unknown_signs,
)
from firstwatch.watch.weakest import weakest_of_run

_TRANSITIONED = frozenset({"transitioned"})


@dataclass(frozen=True, slots=True, eq=False)
class Lived:
    """Trades and equity of a run so far."""

    curve: EquityCurve
    trades: Sequence[Trade]
    opened_ms: int | None
    """When the position that it holds was opened; None: it is flat."""


class RunTuning:
    """Finds the signs of one run. What cannot change is read once. For one thread."""

    def __init__(self, session: Session, run: Run) -> None:
        """Read when the run was launched.

        Raises:
            DamagedRowError: the algorithm or the journal cannot be read.
        """
        self._run = run
        self._timeframe = spec_of_run(session, run).timeframe
        self._launched_ms = next(
            (
                entry.venue_time_ms
                for entry in journal.events_of_kinds(session, run.id, _TRANSITIONED)
                if isinstance(entry.event, Transitioned) and entry.event.new is RunState.RUNNING
            ),
            None,
        )
        self._tested: BacktestLimits | None = None
        self._is_read = False

    def begin_ms(self, lived: Lived) -> int | None:
        """Return when the run's first day on watch began; None: it has not, or is not known."""
        if self._launched_ms is None:
            return None
        return watch_begin_ms(
            RunRecord(
                timeframe=self._timeframe,
                launched_ms=self._launched_ms,
                took_over=self._run.settings.assume_position_now,
                capital=float(self._run.settings.capital),
                bar_ms=lived.curve.time_ms,
                equity=lived.curve.equity,
                trades=lived.trades,
                opened_ms=lived.opened_ms,
            )
        )

    def signs(self, session: Session, lived: Lived, *, first: int, last: int) -> tuple[Sign, ...]:
        """Return the signs of the days ``first`` to ``last`` of the watch, all of them over.

        Raises:
            DamagedRowError: the backtest cannot be read.
        """
        begin_ms = self.begin_ms(lived)
        days = last - first + 1
        if begin_ms is None or days < LEAST_DAYS:
            return unknown_signs(f"Needs {LEAST_DAYS} days.")
        tested = self._read_tested(session)
        if tested is None:
            return unknown_signs("There is no backtest to compare with.")
        capital = float(self._run.settings.capital)
        weakest = weakest_of_run(session, self._run.id)
        return tuning_signs(_stretch(lived, capital, begin_ms + (first - 1) * DAY_MS, days), tested, weakest)

    def _read_tested(self, session: Session) -> BacktestLimits | None:
        if not self._is_read:
            _, found = watched_baseline(session, self._run)
            self._tested = None if found is None else BacktestLimits(_whole(session, found))
            self._is_read = True
        return self._tested


def hints_of_run(session: Session, report: WatchReport) -> dict[CheckName, str]:
    """Return the hint of each check of a run's report that is ``WATCH`` or ``DIVERGED``, the worst first."""
    names_one = any(name in OF_INDICATORS for name in failed_checks(report))
    return hints(report, weakest_of_run(session, report.run) if names_one else None)


def whole_days(newest: WatchReport) -> int:
    """Return how many days of a run's watch are over, by its newest report."""
    return newest.day if newest.hours >= 24 else newest.day - 1


def signs_of_run(session: Session, run: Run, *, first: int, last: int) -> tuple[Sign, ...]:
    """Return the signs of these days of a run's watch, all of it read from the store.

    Raises:
        DamagedRowError: a row cannot be read.
    """
    position = positions.position_of(session, run.id)
    lived = Lived(
        equity.equity_of(session, run.id),
        trades.trades_of(session, run.id),
        None if position is None else position.opened_at_ms,
    )
    return RunTuning(session, run).signs(session, lived, first=first, last=last)


def _stretch(lived: Lived, capital: float, begin_ms: int, days: int) -> Record:
    curve, end_ms = lived.curve, begin_ms + days * DAY_MS
    low, high = np.searchsorted(curve.time_ms, [begin_ms, end_ms]).tolist()
    entered = [trade.entry_time_ms for trade in lived.trades]
    if lived.opened_ms is not None:
        entered.append(lived.opened_ms)
    return Record(
        days=days,
        time_ms=curve.time_ms[low:high],
        equity=curve.equity[low:high],
        capital=float(curve.equity[low - 1]) if low else capital,
        entry_ms=[time_ms for time_ms in entered if begin_ms <= time_ms < end_ms],
        exits=[trade.reason for trade in lived.trades if begin_ms <= trade.exit_time_ms < end_ms],
    )


def _whole(session: Session, found: backtests.Backtest) -> Record:
    """Return a stored backtest as a record."""
    with row(f"backtest {found.id}"):
        curve = backtests.equity_of_backtest(session, found.id)
        closed = backtests.trades_of_backtest(session, found.id)
        capital = float(settings_of(found.settings_json).capital)
    span_ms = int(curve.time_ms[-1] - curve.time_ms[0]) + found.timeframe.ms if len(curve) else 0
    return Record(
        days=span_ms // DAY_MS,
        time_ms=curve.time_ms,
        equity=curve.equity,
        capital=capital,
        entry_ms=[trade.entry_time_ms for trade in closed],
        exits=[trade.reason for trade in closed],
    )
