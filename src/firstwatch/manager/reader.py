"""From store rows to view models. Reads only; details only of the selected run.

Unchanged data is not read again: finished runs, the details of a run whose journal has not grown, and the
known part of a curve.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select

from firstwatch.manager.journal_text import event_text
from firstwatch.manager.run_metrics import compare_with_baseline, metrics_of_run
from firstwatch.manager.views import (
    AlarmView,
    AlgorithmView,
    CommandView,
    EventView,
    FillView,
    HeldView,
    KeyView,
    MetricView,
    OrderStep,
    OrderView,
    PositionView,
    RunDetails,
    RunView,
    WalletView,
    WatchView,
)
from firstwatch.settings import Settings
from firstwatch.store import (
    alarms,
    algorithms,
    backtests,
    bars,
    commands,
    equity,
    fills,
    hosts,
    journal,
    live,
    orders,
    positions,
    runs,
    tables,
    trades,
    wallet_status,
    wallets,
    watch,
)
from firstwatch.store.curves import EquityCurve
from firstwatch.store.database import Session
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.commands import PreviewLaunch
from firstwatch.trading.errors import DamagedRowError, FirstwatchError, WrongUseError
from firstwatch.trading.events import AlarmRaised
from firstwatch.trading.launch import LaunchPreview
from firstwatch.trading.runs import Exposure, Health, Protection
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.trade import Trade
from firstwatch.venues.registry import is_paper
from firstwatch.watch.baseline import baseline_of_launch

FINISHED_LIMIT = 200
"""Finished runs in the list; ``firstwatch run show`` reads older ones."""

EVENT_LIMIT = 300
"""Newest journal entries in the details."""

SHOWN_BARS = 500
"""Newest bars in the details."""

_UNMANAGED = "exposed without a run"
_UNKNOWN = wallet_status.WalletStatus()
_FINISHED_AGE_MS = 2_000
_log = logging.getLogger(__name__)
_COUNT_RUNS = select(func.count()).select_from(tables.table_of(tables.RunTable))


@dataclass(frozen=True, slots=True)
class Lists:
    """The parts of every snapshot."""

    wallets: tuple[WalletView, ...]
    runs: tuple[RunView, ...]
    algorithms: tuple[AlgorithmView, ...]
    symbols: tuple[str, ...]
    alarms: tuple[AlarmView, ...]


@dataclass(slots=True)
class _Finished:
    """Finished runs as last read."""

    rows: tuple[RunView, ...] = ()
    total: int = -1
    active: frozenset[str] = frozenset()
    read_ms: int = -_FINISHED_AGE_MS


@dataclass(frozen=True, slots=True, eq=False)
class _Closes:
    """Open times and closes of bars, oldest first."""

    time_ms: NDArray[np.int64]
    close: NDArray[np.float64]


_NO_CLOSES = _Closes(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64))


@dataclass(slots=True)
class _Detail:
    """The selected run's details as last read."""

    run_id: str
    sequence: int = -1
    orders: tuple[OrderView, ...] = ()
    fills: tuple[FillView, ...] = ()
    trades: tuple[Trade, ...] = ()
    events: tuple[EventView, ...] = ()
    curve: EquityCurve = field(
        default_factory=lambda: EquityCurve(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64))
    )
    closes: _Closes = _NO_CLOSES
    metrics: tuple[MetricView, ...] = ()
    days: dict[watch.ReportMark, WatchView] = field(default_factory=dict)


class SnapshotReader:
    """Reads one store, transaction by transaction. Used by one thread."""

    def __init__(self, settings: Settings) -> None:
        self._finished = _Finished()
        self._detail: _Detail | None = None
        self._unread: dict[str, str] = {}
        """Why a part of the lists cannot be read, by run id."""
        self._unread_details: dict[str, str] = {}
        """Why the details of the selected run cannot be read, by run id."""
        self._symbols = tuple(_symbols(settings))
        """The symbols that the venues trade, as far as the settings say."""
        self._timeframes: dict[int, Timeframe] = {}
        self._logged: set[str] = set()
        """Sentences about algorithm versions that cannot be read."""
        self._done_commands: dict[int, CommandView] = {}
        self._watches: dict[watch.ReportMark, WatchView] = {}

    def lists(self, session: Session, now_ms: int) -> Lists:
        """Read wallets, runs, algorithms and alarms."""
        self._unread = {}
        figures = live.live_statuses(session, damaged=self._unread)
        held = positions.positions(session, damaged=self._unread)
        host = hosts.current_host(session)
        marks = watch.active_marks(session, damaged=self._unread)
        self._watches = _watches(session, marks.values(), self._watches, damaged=self._unread)
        watched = {mark.run_id: view for mark, view in self._watches.items()}
        damaged: list[runs.DamagedRun] = []
        active = tuple(
            self._row(
                session, run, _seen(figures.get(run.id), run, host), held.get(run.id), watched.get(run.id)
            )
            for run in reversed(runs.active_runs(session, damaged=damaged))
        )
        active += tuple(_damaged(run) for run in damaged)
        finished = self._finished_rows(session, active, figures, held, now_ms)
        algorithm_views = self._algorithms(session)
        rows = active + finished
        named = [view.symbol for view in algorithm_views if view.symbol]
        symbols = dict.fromkeys([*self._symbols, *named, *(row.symbol for row in rows)])
        wallet_views = self._wallets(session, rows, now_ms)
        return Lists(
            wallets=wallet_views,
            runs=rows,
            algorithms=algorithm_views,
            symbols=tuple(symbols),
            alarms=_alarms(session, rows, wallet_views),
        )

    def details(self, session: Session, run_id: str) -> RunDetails | None:
        """Read the details of one run; None: there is no such run, or it cannot be read (see the list)."""
        self._unread_details = {}
        try:
            run = runs.find_run(session, run_id)
            return None if run is None else self._details(session, run)
        except DamagedRowError as error:
            self._detail = None
            self._unread_details = {run_id: str(error)}
            return None

    def _details(self, session: Session, run: runs.Run) -> RunDetails:
        run_id = run.id
        detail = self._detail
        if detail is None or detail.run_id != run_id:
            detail = self._detail = _Detail(run_id)
        sequence = journal.last_sequence(session, run_id)
        is_new = sequence != detail.sequence
        if is_new:
            detail.sequence = sequence
            detail.orders = tuple(_order(order) for order in orders.orders_of(session, run_id))
            detail.fills = tuple(_fill(fill) for fill in fills.fills_of(session, run_id))
            detail.trades = tuple(trades.trades_of(session, run_id))
            detail.events = tuple(
                _event(each) for each in journal.recent_events(session, run_id, EVENT_LIMIT)
            )
        curve = _grown(session, run_id, detail.curve)
        if is_new or curve is not detail.curve:
            detail.curve = curve
            spec = _spec(algorithms.version_by_id(session, run.version_id))
            baseline = baseline_of_launch(session, run.version_id, spec, run.settings)
            metrics = metrics_of_run(detail.trades, curve, run.settings.capital, run.market)
            detail.metrics = compare_with_baseline(metrics, curve, baseline)
        detail.closes = _grown_closes(session, run_id, detail.closes)
        marks = watch.marks_of(session, run_id)
        detail.days = _watches(session, marks, detail.days, damaged=self._unread_details)
        position = positions.position_of(session, run_id)
        return RunDetails(
            run_id=run_id,
            settings=run.settings,
            events=detail.events,
            journal_length=sequence,
            orders=detail.orders,
            fills=detail.fills,
            trades=detail.trades,
            position=None if position is None else _position(position),
            equity_time_ms=detail.curve.time_ms,
            equity=detail.curve.equity,
            price_time_ms=detail.closes.time_ms,
            price=detail.closes.close,
            metrics=detail.metrics,
            days=tuple(detail.days.values()),
        )

    def command(self, session: Session, number: int) -> CommandView:
        """Read a command and its outcome."""
        known = self._done_commands.get(number)
        if known is not None:
            return known
        stored = commands.get_command(session, number)
        view = command_view(stored)
        if stored.is_finished:
            self._done_commands[number] = view
        return view

    def _finished_rows(
        self,
        session: Session,
        active: tuple[RunView, ...],
        figures: Mapping[str, live.LiveStatus],
        held: Mapping[str, positions.RunPosition],
        now_ms: int,
    ) -> tuple[RunView, ...]:
        total = session.execute(_COUNT_RUNS).scalar_one()
        ids = frozenset(row.run_id for row in active)
        known = self._finished
        # The wall clock may have been set back.
        is_fresh = 0 <= now_ms - known.read_ms < _FINISHED_AGE_MS
        if not (is_fresh and known.total == total and known.active == ids):
            damaged: list[runs.DamagedRun] = []
            rows = tuple(
                self._row(session, run, figures.get(run.id), held.get(run.id))
                for run in runs.list_runs(session, limit=FINISHED_LIMIT + len(ids), damaged=damaged)
                if run.id not in ids
            )
            rows += tuple(_damaged(run) for run in damaged if run.id not in ids)
            self._finished = known = _Finished(rows, total, ids, now_ms)
        return known.rows

    def _row(
        self,
        session: Session,
        run: runs.Run,
        status: live.LiveStatus | None,
        position: positions.RunPosition | None,
        watched: WatchView | None = None,
    ) -> RunView:
        settings, facts = run.settings, run.facts
        timeframe = self._timeframe(session, run)
        problem = self._unread.get(run.id) or self._unread_details.get(run.id)
        return RunView(
            run_id=run.id,
            algorithm=settings.algorithm,
            version=settings.version,
            wallet=run.wallet,
            symbol=settings.symbol,
            timeframe=timeframe,
            capital=settings.capital,
            leverage=settings.leverage,
            state=run.state,
            paused=facts.paused,
            pause_reason=facts.pause_reason,
            health=Health.UNKNOWN if problem else facts.health,
            exposure=facts.exposure,
            protection=facts.protection,
            stop_mode=facts.stop_mode,
            exit_reason=facts.exit_reason,
            sentence=problem or facts.sentence,
            parent_run_id=run.parent_run_id,
            created_ms=run.created_at_ms,
            started_ms=run.started_at_ms,
            ended_ms=run.ended_at_ms,
            mark=None if status is None or status.mark is None else Decimal(repr(status.mark)),
            unrealised_pnl=None if status is None else status.unrealised_pnl,
            equity=None if status is None else status.equity,
            last_bar_ms=None if status is None else status.last_bar_ms,
            live_ms=None if status is None else status.updated_at_ms,
            position=None if position is None else _position(position),
            watch=watched,
            is_damaged=bool(problem),
        )

    def _timeframe(self, session: Session, run: runs.Run) -> Timeframe | None:
        if run.version_id not in self._timeframes:
            try:
                version = algorithms.version_by_id(session, run.version_id)
                self._timeframes[run.version_id] = _spec(version).timeframe
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
                views.append(_algorithm(session, version))
            except DamagedRowError as error:
                damaged[version.id] = str(error)
        for sentence in set(damaged.values()) - self._logged:
            _log.error("%s", sentence)
        self._logged |= set(damaged.values())
        return tuple(views)

    def _wallets(self, session: Session, rows: tuple[RunView, ...], now_ms: int) -> tuple[WalletView, ...]:
        latest: dict[str, RunView] = {}
        for row in rows:
            latest.setdefault(row.wallet, row)
        statuses = wallet_status.wallet_statuses(session)
        return tuple(
            _wallet(wallet, latest.get(wallet.name), statuses.get(wallet.id, _UNKNOWN), now_ms)
            for wallet in wallets.list_wallets(session)
        )


def _symbols(settings: Settings) -> Iterator[str]:
    for name, venue in settings.venues.items():
        try:
            if symbol := venue.symbol():
                yield symbol
        except FirstwatchError as error:
            # The engine tells the operator the same when it opens the venue.
            _log.info("no market of %s: %s", name, error)


def _seen(status: live.LiveStatus | None, run: runs.Run, host: hosts.Host | None) -> live.LiveStatus | None:
    """Return the figures as of the engine's last heartbeat: it writes them only when they change."""
    if status is None or host is None or run.facts.health is Health.UNKNOWN:
        return status
    return replace(status, updated_at_ms=max(status.updated_at_ms, host.heartbeat_ms))


def _wallet(
    wallet: wallets.Wallet, last: RunView | None, status: wallet_status.WalletStatus, now_ms: int
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
        key=None if status.key is None else _key(status.key),
        held=None
        if money is None
        else tuple(HeldView(each.symbol, each.side, each.amount) for each in money.held),
        problem=status.problem,
    )


def _exposure(last: RunView | None, money: wallet_status.WalletMoney | None) -> Exposure:
    """Return the exposure of the last run, or what the venue has shown since then without a run."""
    if last is not None and (last.state.is_active or last.exposure is not Exposure.FLAT):
        return last.exposure
    ended_ms = 0 if last is None else last.ended_ms or 0
    holds = money is not None and money.held and money.read_at_ms > ended_ms
    return Exposure.EXPOSED if holds else Exposure.FLAT


def _key(key: wallet_status.WalletKey) -> KeyView:
    return KeyView(
        address=key.address,
        is_master=key.kind == "master",
        valid_until_ms=key.valid_until_ms,
        missing=None if key.missing is None else tuple(key.missing),
        read_ms=key.read_at_ms,
    )


def command_view(stored: commands.StoredCommand) -> CommandView:
    """Return a stored command as the screen and the command line show it."""
    is_preview = isinstance(stored.command, PreviewLaunch) and stored.result_json is not None
    return CommandView(
        command_id=stored.id,
        kind=stored.command.kind,
        run_id=stored.run_id,
        created_ms=stored.created_at_ms,
        outcome=stored.outcome,
        sentence=stored.sentence,
        preview=LaunchPreview.model_validate_json(stored.result_json or "") if is_preview else None,
        result_ms=stored.finished_at_ms,
    )


def _damaged(run: runs.DamagedRun) -> RunView:
    """Return the view of a run that cannot be read: what is not known is unknown or empty."""
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


def _alarms(
    session: Session, rows: tuple[RunView, ...], wallet_views: tuple[WalletView, ...]
) -> tuple[AlarmView, ...]:
    """Return unprotected runs first, then exposure without a run, then the rest, oldest first."""
    by_id = {row.run_id: row for row in rows}
    managed = {row.wallet for row in rows if row.state.is_active}
    urgent: list[AlarmView] = []
    left: list[AlarmView] = []
    seen: set[str] = set()
    for row in rows:
        since_ms = row.ended_ms or row.started_ms or row.created_ms
        if row.protection is Protection.UNPROTECTED:
            how, position = "without its stop", row.position
            if position is not None and position.is_stop_behind:
                how = f"with its stop at {position.stop:f} where {position.stop_wanted:f} is wanted"
            sentence = f"{row.title} on {row.symbol} is exposed {how}"
            urgent.append(AlarmView("unprotected", sentence, row.run_id, row.wallet, since_ms))
        if row.wallet not in managed and row.wallet not in seen and row.exposure is not Exposure.FLAT:
            word = "holds a position" if row.exposure is Exposure.EXPOSED else "may hold a position"
            sentence = f"wallet {row.wallet} {word} in {row.symbol} and no run manages it"
            left.append(AlarmView(_UNMANAGED, sentence, row.run_id, row.wallet, since_ms))
        if row.is_damaged:
            left.append(AlarmView("damaged", row.sentence, row.run_id, row.wallet, since_ms))
        seen.add(row.wallet)
    named = {alarm.wallet for alarm in left}
    for wallet in wallet_views:
        if wallet.exposure is Exposure.EXPOSED and wallet.held and wallet.name not in managed | named:
            held = ", ".join(f"{each.side} {each.amount:f} {each.symbol}" for each in wallet.held)
            sentence = f"wallet {wallet.name} holds {held} at {wallet.venue} and no run manages it"
            left.append(AlarmView(_UNMANAGED, sentence, None, wallet.name, wallet.balance_ms or 0))
    active = [
        AlarmView(alarm.topic, alarm.sentence, alarm.run_id, by_id[alarm.run_id].wallet, alarm.since_ms)
        for alarm in alarms.active_alarms(session)
        if alarm.run_id in by_id and _is_relevant(by_id[alarm.run_id])
    ]
    return (*urgent, *left, *active)


def _is_relevant(row: RunView) -> bool:
    """Return whether alarms of the run still matter: not after it has ended flat."""
    return row.state.is_active or row.exposure is not Exposure.FLAT


def _watches(
    session: Session,
    marks: Iterable[watch.ReportMark],
    known: Mapping[watch.ReportMark, WatchView],
    *,
    damaged: dict[str, str],
) -> dict[watch.ReportMark, WatchView]:
    """Return the reports of these marks; only those that are not known are read."""
    views: dict[watch.ReportMark, WatchView] = {}
    for mark in marks:
        try:
            views[mark] = known.get(mark) or WatchView(watch.report_of(session, mark), mark.made_at_ms)
        except DamagedRowError as error:
            damaged[mark.run_id] = str(error)
    return views


def _grown(session: Session, run_id: str, known: EquityCurve) -> EquityCurve:
    """Return the curve with the new points; an empty one is read whole."""
    if not len(known):
        return equity.equity_of(session, run_id)
    # The last known point is read again: a recovery may have replaced it.
    fresh = equity.equity_of(session, run_id, after_ms=int(known.time_ms[-1]) - 1)
    if len(fresh) == 1 and fresh.equity[0] == known.equity[-1]:
        return known
    return EquityCurve(
        np.concatenate([known.time_ms[:-1], fresh.time_ms]), np.concatenate([known.equity[:-1], fresh.equity])
    )


def _grown_closes(session: Session, run_id: str, known: _Closes) -> _Closes:
    """Return the closes with those of the bars that came since."""
    after_ms = int(known.time_ms[-1]) if len(known.time_ms) else None
    fresh = bars.bars_of(session, run_id, after_ms=after_ms, limit=SHOWN_BARS)
    if not fresh:
        return known
    time_ms = np.array([each.bar.time_ms for each in fresh], dtype=np.int64)
    close = np.array([each.bar.close for each in fresh], dtype=np.float64)
    return _Closes(
        np.concatenate([known.time_ms, time_ms])[-SHOWN_BARS:],
        np.concatenate([known.close, close])[-SHOWN_BARS:],
    )


@lru_cache(maxsize=512)
def _spec(version: algorithms.AlgorithmVersion) -> AlgorithmSpec:
    try:
        return AlgorithmSpec.from_json(version.spec_json)
    except WrongUseError as error:
        raise DamagedRowError(f"algorithm version {version.label} cannot be read ({error})") from error


def _algorithm(session: Session, version: algorithms.AlgorithmVersion) -> AlgorithmView:
    spec = _spec(version)
    return AlgorithmView(
        name=version.name,
        version=version.number,
        sha256=version.sha256,
        timeframe=spec.timeframe,
        direction=spec.direction,
        symbol=spec.symbol,
        has_stop=spec.stop_loss is not None,
        baseline=_baseline(session, version.id),
    )


def _baseline(session: Session, version_id: int) -> str:
    try:
        known = backtests.list_backtests(session, version_id)
        return _baseline_text(known[0]) if known else ""
    except DamagedRowError as error:
        return str(error)


def _baseline_text(backtest: backtests.Backtest) -> str:
    days = (backtest.end_ms - backtest.start_ms) / 86_400_000
    found = backtest.metrics
    try:
        return (
            f"{backtest.symbol}, {days:.0f} days, {found.get('total_trades', 0)} trades, "
            f"return {_percent(found.get('total_return'))}, Sharpe {_ratio(found.get('sharpe'))}, "
            f"drawdown {_percent(found.get('max_drawdown'))}"
        )
    except (TypeError, ValueError):
        return f"the metrics of backtest {backtest.id} cannot be read"


def _percent(value: float | None) -> str:
    return "?" if value is None else f"{value * 100:.1f} %"


def _ratio(value: float | None) -> str:
    return "undefined (it needs 30 days)" if value is None else f"{value:.2f}"


def _position(position: positions.RunPosition) -> PositionView:
    return PositionView(
        run_id=position.run_id,
        symbol=position.symbol,
        side=position.side,
        amount=position.amount,
        entry_price=position.entry_price,
        stop=position.stop,
        target=position.target,
        stop_wanted=position.stop_wanted,
        target_wanted=position.target_wanted,
        liquidation_price=position.liquidation_price,
        margin=position.margin,
        updated_ms=position.updated_at_ms,
    )


def _order(order: orders.StoredOrder) -> OrderView:
    intent = order.intent
    return OrderView(
        client_order_id=intent.client_order_id,
        purpose=intent.purpose,
        side=intent.side,
        kind=intent.kind,
        state=order.state,
        amount=intent.amount,
        filled=order.filled,
        price=intent.price,
        trigger_price=intent.trigger_price,
        average_price=order.average_price,
        reduce_only=intent.reduce_only,
        created_ms=order.created_at_ms,
        updated_ms=order.updated_at_ms,
        history=tuple(OrderStep(move.time_ms, move.state, move.why) for move in order.history),
    )


def _fill(stored: fills.StoredFill) -> FillView:
    fill = stored.fill
    return FillView(
        fill_id=fill.fill_id,
        client_order_id=fill.client_order_id,
        side=fill.side,
        amount=fill.amount,
        price=fill.price,
        fee=fill.fee,
        time_ms=fill.time_ms,
        is_maker=fill.is_maker,
        mid_at_decision=stored.mid_at_decision,
    )


def _event(entry: journal.JournalEntry) -> EventView:
    return EventView(
        run_id=entry.run_id,
        sequence=entry.sequence,
        kind=entry.event.kind,
        sentence=event_text(entry.event),
        author=entry.author,
        venue_time_ms=entry.venue_time_ms,
        local_time_ms=entry.local_time_ms,
        is_alarm=isinstance(entry.event, AlarmRaised),
    )
