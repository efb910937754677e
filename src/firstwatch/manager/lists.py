"""Runs, wallets, algorithms and alarms as lists: the parts of every snapshot.

Unchanged data is not read again: finished runs, and the reports of the first watch.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import func, select

from firstwatch.manager.alarm_views import alarm_views
from firstwatch.manager.algorithm_views import algorithm_view, spec_of
from firstwatch.manager.day_equity import DayEquity
from firstwatch.manager.market_views import MarketOfRun, market_views
from firstwatch.manager.names import short_ids
from firstwatch.manager.row_views import key_view, position_view
from firstwatch.manager.views import (
    AlarmView,
    AlgorithmView,
    HeldView,
    MarketView,
    RunView,
    WalletView,
    WatchSummary,
)
from firstwatch.manager.watch_views import of_reports, watch_summary
from firstwatch.settings import Settings
from firstwatch.store import (
    algorithms,
    hosts,
    live,
    positions,
    runs,
    tables,
    wallet_status,
    wallets,
    watch,
)
from firstwatch.store.database import Session
from firstwatch.trading.account import MoneyKind
from firstwatch.trading.errors import DamagedRowError, FirstwatchError
from firstwatch.trading.runs import Exposure, Health, Protection
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.registry import is_paper

FINISHED_LIMIT = 500
"""Finished runs in the list; ``firstwatch run show`` reads older ones."""

_UNKNOWN = wallet_status.WalletStatus()
_FINISHED_AGE_MS = 2_000
"""How old the list of finished runs may be before it is checked for changes."""
_FINISHED_REREAD_MS = 60_000
"""How old it may be before it is read again even without a sign of change."""
_log = logging.getLogger(__name__)
_COUNT_RUNS = select(func.count()).select_from(tables.table_of(tables.RunTable))


@dataclass(frozen=True, slots=True)
class Lists:
    """The parts of every snapshot."""

    wallets: tuple[WalletView, ...]
    runs: tuple[RunView, ...]
    algorithms: tuple[AlgorithmView, ...]
    symbols: tuple[str, ...]
    markets: tuple[MarketView, ...]
    alarms: tuple[AlarmView, ...]
    short_ids: Mapping[str, str]


class _Parts(NamedTuple):
    """The inputs of a run's view: while they are equal, the view is not made again."""

    run: runs.Run
    status: live.LiveStatus | None
    position: positions.RunPosition | None
    watched: WatchSummary | None
    day_equity: tuple[float, ...]
    timeframe: Timeframe | None
    problem: str | None
    money: MoneyKind


@dataclass(slots=True)
class _Finished:
    """Finished runs as last read."""

    rows: tuple[RunView, ...] = ()
    total: int = -1
    active: frozenset[str] = frozenset()
    left: object = None
    """Like ``total`` and ``active``: if it differs, the list has changed."""
    read_ms: int = -_FINISHED_REREAD_MS
    looked_ms: int = -_FINISHED_AGE_MS


class ListsReader:
    """Reads the lists of one store. Used by one thread."""

    def __init__(self, settings: Settings, since_ms: int) -> None:
        """``since_ms``: since when the settings are in force here."""
        self._settings = settings
        self._since_ms = since_ms
        self._finished = _Finished()
        self._money: dict[str, MoneyKind] = {}
        """Kind of money of each listed wallet, by its name."""
        self._unread: dict[str, str] = {}
        """Why a part of the lists cannot be read, by run id."""
        self._unread_details: Mapping[str, str] = {}
        self._symbols = tuple(symbols_of(settings))
        """The symbols that the venues trade, as far as the settings say."""
        self._timeframes: dict[int, Timeframe] = {}
        self._markets: dict[str, MarketOfRun] = {}
        """Market and venue of each run of the list, by its id."""
        self._logged: set[str] = set()
        """Sentences about algorithm versions that cannot be read."""
        self._rows: dict[str, tuple[_Parts, RunView]] = {}
        """Each run of the list with what it was made of, by its id."""
        self._short_ids: tuple[tuple[str, ...], Mapping[str, str]] = ((), {})
        self._watches: dict[watch.ReportMark, WatchSummary] = {}
        self._day_equity = DayEquity()

    def read(self, session: Session, now_ms: int, unread: Mapping[str, str]) -> Lists:
        """Read wallets, runs, algorithms and alarms.

        ``unread``: why the details of a run cannot be read, by its id.
        """
        self._unread = {}
        self._unread_details = unread
        listed = wallets.list_wallets(session)
        self._money = {wallet.name: self._settings.money_of(wallet.venue, wallet.kind) for wallet in listed}
        figures = live.active_statuses(session, damaged=self._unread)
        held = positions.positions(session, damaged=self._unread)
        host = hosts.current_host(session)
        marks = watch.active_marks(session, damaged=self._unread)
        self._watches = of_reports(
            watch_summary, session, marks.values(), self._watches, damaged=self._unread
        )
        watched = {mark.run_id: each for mark, each in self._watches.items()}
        damaged: list[runs.DamagedRun] = []
        found = runs.active_runs(session, damaged=damaged)
        bars_ms = {run.id: figures[run.id].last_bar_ms for run in found if run.id in figures}
        curves = self._day_equity.read(
            session, {run_id: bar_ms for run_id, bar_ms in bars_ms.items() if bar_ms is not None}
        )
        active = tuple(
            self._row(
                session,
                run,
                _seen(figures.get(run.id), run, host),
                held.get(run.id),
                watched=watched.get(run.id),
                day_equity=curves.get(run.id, ()),
            )
            for run in reversed(found)
        )
        active += tuple(self._damaged(run) for run in damaged)
        finished = self._finished_rows(session, active, held, now_ms)
        algorithm_views = self._algorithms(session)
        rows = active + finished
        named = [view.symbol for view in algorithm_views if view.symbol]
        symbols = dict.fromkeys([*self._symbols, *named, *(row.symbol for row in rows)])
        wallet_views = self._wallets(session, listed, rows, now_ms)
        return Lists(
            wallets=wallet_views,
            runs=rows,
            algorithms=algorithm_views,
            symbols=tuple(symbols),
            markets=market_views(self._markets, rows),
            alarms=alarm_views(
                session, rows, wallet_views, compute=self._settings.compute, since_ms=self._since_ms
            ),
            short_ids=self._named(tuple(row.run_id for row in rows)),
        )

    def _named(self, run_ids: tuple[str, ...]) -> Mapping[str, str]:
        if self._short_ids[0] != run_ids:
            self._short_ids = run_ids, short_ids(run_ids)
            self._rows = {run_id: self._rows[run_id] for run_id in run_ids if run_id in self._rows}
        return self._short_ids[1]

    def _finished_rows(
        self,
        session: Session,
        active: tuple[RunView, ...],
        held: Mapping[str, positions.RunPosition],
        now_ms: int,
    ) -> tuple[RunView, ...]:
        total = session.execute(_COUNT_RUNS).scalar_one()
        ids = frozenset(row.run_id for row in active)
        known = self._finished
        is_same = known.total == total and known.active == ids
        # The wall clock may have been set back.
        if is_same and 0 <= now_ms - known.looked_ms < _FINISHED_AGE_MS:
            return known.rows
        left_held = {run_id: position for run_id, position in held.items() if run_id not in ids}
        left = runs.left_facts(session), left_held, dict(self._unread_details), algorithms.names(session)
        is_same = is_same and known.left == left and 0 <= now_ms - known.read_ms < _FINISHED_REREAD_MS
        if not is_same:
            figures = live.live_statuses(session, damaged=self._unread)
            damaged: list[runs.DamagedRun] = []
            rows = tuple(
                self._row(session, run, figures.get(run.id), held.get(run.id))
                for run in runs.list_runs(session, limit=FINISHED_LIMIT + len(ids), damaged=damaged)
                if run.id not in ids
            )
            rows += tuple(self._damaged(run) for run in damaged if run.id not in ids)
            self._finished = known = _Finished(rows, total, ids, left, now_ms)
        known.looked_ms = now_ms
        return known.rows

    def _row(
        self,
        session: Session,
        run: runs.Run,
        status: live.LiveStatus | None,
        position: positions.RunPosition | None,
        *,
        watched: WatchSummary | None = None,
        day_equity: tuple[float, ...] = (),
    ) -> RunView:
        timeframe = self._timeframe(session, run)
        problem = self._unread.get(run.id) or self._unread_details.get(run.id)
        money = self._money.get(run.wallet) or self._settings.money_of(run.venue, kind="")
        parts = _Parts(run, status, position, watched, day_equity, timeframe, problem, money)
        known = self._rows.get(run.id)
        if known is None or known[0] != parts:
            self._markets[run.id] = MarketOfRun(run.venue, run.market)
            self._rows[run.id] = known = parts, self._made(parts)
        return known[1]

    def _made(self, of: _Parts) -> RunView:
        run, status, settings, facts = of.run, of.status, of.run.settings, of.run.facts
        venue = self._settings.venues.get(run.venue)
        return RunView(
            run_id=run.id,
            algorithm=settings.algorithm,
            version=settings.version,
            wallet=run.wallet,
            symbol=settings.symbol,
            timeframe=of.timeframe,
            capital=settings.capital,
            leverage=settings.leverage,
            state=run.state,
            paused=facts.paused,
            pause_reason=facts.pause_reason,
            health=Health.UNKNOWN if of.problem else facts.health,
            exposure=facts.exposure,
            protection=facts.protection,
            stop_mode=facts.stop_mode,
            exit_reason=facts.exit_reason,
            sentence=of.problem or facts.sentence,
            parent_run_id=run.parent_run_id,
            created_ms=run.created_at_ms,
            started_ms=run.started_at_ms,
            ended_ms=run.ended_at_ms,
            mark=None if status is None or status.mark is None else Decimal(repr(status.mark)),
            unrealised_pnl=None if status is None else status.unrealised_pnl,
            equity=None if status is None else status.equity,
            last_bar_ms=None if status is None else status.last_bar_ms,
            live_ms=None if status is None else status.updated_at_ms,
            position=None if of.position is None else position_view(of.position),
            watch=of.watched,
            is_damaged=bool(of.problem),
            day_equity=of.day_equity,
            venue=run.venue,
            money=of.money,
            market_speed=1.0 if venue is None else venue.market_speed,
            venue_ms=None if status is None else status.venue_time_ms,
            streams={} if status is None else status.streams,
        )

    def _timeframe(self, session: Session, run: runs.Run) -> Timeframe | None:
        if run.version_id not in self._timeframes:
            try:
                version = algorithms.version_by_id(session, run.version_id)
                self._timeframes[run.version_id] = spec_of(version).timeframe
            except DamagedRowError as error:
                self._unread.setdefault(run.id, str(error))
                return None
        return self._timeframes[run.version_id]

    def _algorithms(self, session: Session) -> tuple[AlgorithmView, ...]:
        """Return the versions that can be read; the others go to the log, once each."""
        damaged: dict[int, str] = {}
        views = []
        for version in algorithms.list_versions(session, damaged=damaged):
            try:
                views.append(algorithm_view(session, version))
            except DamagedRowError as error:
                damaged[version.id] = str(error)
        for sentence in set(damaged.values()) - self._logged:
            _log.error("%s", sentence)
        self._logged |= set(damaged.values())
        return tuple(views)

    def _damaged(self, run: runs.DamagedRun) -> RunView:
        return replace(_damaged(run), money=self._money.get(run.wallet, MoneyKind.LIVE))

    def _wallets(
        self, session: Session, listed: Sequence[wallets.Wallet], rows: tuple[RunView, ...], now_ms: int
    ) -> tuple[WalletView, ...]:
        latest: dict[str, RunView] = {}
        for row in rows:
            latest.setdefault(row.wallet, row)
        statuses = wallet_status.wallet_statuses(session)
        return tuple(
            _wallet(
                wallet,
                latest.get(wallet.name),
                statuses.get(wallet.id, _UNKNOWN),
                self._money[wallet.name],
                now_ms,
            )
            for wallet in listed
        )


def symbols_of(settings: Settings) -> Iterator[str]:
    for name, venue in settings.venues.items():
        try:
            if symbol := venue.symbol():
                yield symbol
        except FirstwatchError as error:
            # The engine tells the operator the same when it opens the venue.
            _log.info("no market of %s: %s", name, error)


def _seen(status: live.LiveStatus | None, run: runs.Run, host: hosts.Host | None) -> live.LiveStatus | None:
    """Return the status as of the engine's last heartbeat: the engine writes it only when it changes."""
    if status is None or host is None or run.facts.health is Health.UNKNOWN:
        return status
    return replace(status, updated_at_ms=max(status.updated_at_ms, host.heartbeat_ms))


def _wallet(
    wallet: wallets.Wallet,
    last: RunView | None,
    status: wallet_status.WalletStatus,
    money_kind: MoneyKind,
    now_ms: int,
) -> WalletView:
    money = status.money
    return WalletView(
        name=wallet.name,
        venue=wallet.venue,
        kind=wallet.kind,
        account=wallet.account,
        total=None if money is None else money.total,
        used=None if money is None else money.used,
        free=None if money is None else money.free,
        balance_ms=None if money is None else now_ms if is_paper(wallet.kind) else money.read_at_ms,
        active_run_id=last.run_id if last is not None and last.state.is_active else None,
        exposure=_exposure(last, money),
        key=None if status.key is None else key_view(status.key),
        held=None
        if money is None
        else tuple(HeldView(each.symbol, each.side, each.amount) for each in money.held),
        held_since_ms=None if money is None else money.held_since_ms,
        problem=status.problem,
        money=money_kind,
    )


def _exposure(last: RunView | None, money: wallet_status.WalletMoney | None) -> Exposure:
    """Return the exposure of the last run, or of a position that the venue has shown since it ended."""
    if last is not None and (last.state.is_active or last.exposure is not Exposure.FLAT):
        return last.exposure
    ended_ms = 0 if last is None else last.ended_ms or 0
    holds = money is not None and money.held and money.read_at_ms > ended_ms
    return Exposure.EXPOSED if holds else Exposure.FLAT


def _damaged(run: runs.DamagedRun) -> RunView:
    """Return the view of a run that cannot be read, with unknown or empty values."""
    return RunView(
        run_id=run.id,
        algorithm="unreadable",
        version=0,
        wallet=run.wallet,
        symbol="",
        timeframe=None,
        capital=Decimal(0),
        leverage=Decimal(0),
        state=run.state,
        paused=False,
        pause_reason="",
        health=Health.UNKNOWN,
        exposure=Exposure.UNKNOWN,
        protection=Protection.NOT_NEEDED,
        stop_mode=None,
        exit_reason=None,
        sentence=run.sentence,
        parent_run_id=None,
        created_ms=run.created_at_ms,
        started_ms=None,
        ended_ms=None,
        mark=None,
        unrealised_pnl=None,
        equity=None,
        last_bar_ms=None,
        live_ms=None,
        is_damaged=True,
    )
