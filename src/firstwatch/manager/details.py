"""The details of the selected run. Unchanged parts are not read again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from firstwatch.engine.launch.compared import differences_of_run
from firstwatch.manager.algorithm_views import spec_of
from firstwatch.manager.operands import OperandReader
from firstwatch.manager.performance import performance
from firstwatch.manager.renewed import Renewed
from firstwatch.manager.row_views import event_view, fill_view, order_view, position_view
from firstwatch.manager.run_metrics import compare_with_baseline, metrics_of_run
from firstwatch.manager.run_views import (
    Candles,
    EventView,
    FillView,
    MetricView,
    OrderView,
    PartView,
    RunDetails,
    WhyView,
)
from firstwatch.manager.same_time import BaselineReader, may_scale
from firstwatch.manager.story import Story
from firstwatch.manager.views import WatchView
from firstwatch.manager.watch_views import of_reports, watch_view
from firstwatch.manager.why import WhyReader
from firstwatch.store import algorithms, bars, equity, fills, journal, orders, positions, runs, trades, watch
from firstwatch.store.backtests import Backtest
from firstwatch.store.curves import EquityCurve
from firstwatch.store.database import Session
from firstwatch.store.fills import FillKey, StoredFill
from firstwatch.strategy.specification import AlgorithmSpec, SizingKind
from firstwatch.trading.errors import DamagedRowError
from firstwatch.trading.launch import SettingDifference
from firstwatch.trading.trade import Trade
from firstwatch.trading.verdicts import Sign
from firstwatch.watch.baseline import baseline_of_launch
from firstwatch.watch.run_tuning import Lived, RunTuning, whole_days

EVENT_LIMIT = 300
"""Newest journal entries in the details."""

SHOWN_BARS = 500
"""Newest bars in the details."""

SHOWN_ORDERS = 200
"""Newest orders in the details, besides the other orders of the first one's position and all open ones."""

_KEPT_RUNS = 3

_NO_PRICES = np.empty(0, dtype=np.float64)
_NO_CANDLES = Candles(np.empty(0, dtype=np.int64), _NO_PRICES, _NO_PRICES, _NO_PRICES, _NO_PRICES)


@dataclass(slots=True)
class _Detail:
    """A run's details as last read."""

    sequence: int = -1
    orders: Renewed[str, OrderView] = field(default_factory=Renewed)
    order_count: int = 0
    fills: Renewed[FillKey, FillView] = field(default_factory=Renewed)
    trades: Renewed[int, Trade] = field(default_factory=Renewed)
    events: tuple[EventView, ...] = ()
    story: Story = field(default_factory=Story)
    parts: tuple[PartView, ...] = ()
    curve: EquityCurve = field(
        default_factory=lambda: EquityCurve(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64))
    )
    candles: Candles = _NO_CANDLES
    operands: OperandReader | None = None
    metrics: tuple[MetricView, ...] = ()
    differences: tuple[SettingDifference, ...] | None = None
    days: dict[watch.ReportMark, WatchView] = field(default_factory=dict)
    why: WhyReader | None = None
    tuning: RunTuning | None = None
    watch_begin_ms: int | None = None
    whole_days: int = -1
    """Whole days that the signs of tuning cover; -1: they were not computed yet."""
    week_signs: tuple[Sign, ...] = ()
    all_signs: tuple[Sign, ...] = ()


def read_fills(session: Session, run_id: str, span: range) -> tuple[FillView, ...]:
    """Return a run's fills in a span of venue time (ms), oldest first.

    Raises:
        DamagedRowError: one cannot be read.
    """
    found = fills.fills_of(session, run_id, since_ms=span.start)
    return tuple(_fill_views(session, [each for each in found if each.fill.time_ms in span]).values())


class DetailsReader:
    """Reads the details of one run after the other. Used by one thread.

    Those of the runs that were read last are kept: an operator goes back and forth between a few.
    """

    def __init__(self, give_way: Callable[[], None] = lambda: None) -> None:
        """``give_way``: called between the steps of reading; it may wait."""
        self._give_way = give_way
        self._known: dict[str, _Detail] = {}
        """By run id, the one that was read last at the end."""
        self._tested = BaselineReader()
        self.damaged: dict[str, str] = {}
        """Why the details of the run that was read last cannot be read, by its id."""

    def read(self, session: Session, run_id: str) -> RunDetails | None:
        """Read the details of one run; None: there is no such run, or it cannot be read (see the list)."""
        self.damaged = {}
        try:
            run = runs.find_run(session, run_id)
            return None if run is None else self._read(session, run)
        except DamagedRowError as error:
            self.damaged = {run_id: str(error)}
            return None

    def _read(self, session: Session, run: runs.Run) -> RunDetails:
        run_id = run.id
        # What could be read only in part is read again as a whole.
        detail = self._known.pop(run_id, None) or _Detail()
        sequence = journal.last_sequence(session, run_id)
        is_new = sequence != detail.sequence
        if is_new:
            _renew_orders(session, run_id, detail.orders)
            detail.order_count = orders.count_of(session, run_id)
            self._give_way()
            _renew_trades(session, run_id, detail.trades)
            self._give_way()
            after = max(detail.sequence, sequence - EVENT_LIMIT, 0)
            if after != detail.sequence:
                detail.story = Story()
            # One by one: an entry with the conditions of a decision is twenty times its sentence.
            fresh: list[EventView] = []
            for entry in journal.every_event(session, run_id, after):
                fresh.append(event_view(entry))
                detail.story.take([entry])
            detail.events = (*detail.events, *fresh)[-EVENT_LIMIT:]
            detail.sequence = sequence
            self._give_way()
            detail.parts = performance(detail.trades.views)
        self._give_way()
        curve = _grown(session, run_id, detail.curve)
        if is_new or curve is not detail.curve:
            detail.curve = curve
            spec = spec_of(algorithms.version_by_id(session, run.version_id))
            baseline = baseline_of_launch(session, run.version_id, spec, run.settings)
            detail.metrics = self._metrics(session, run, spec, detail, baseline)
            detail.differences = differences_of_run(run.settings, spec, run.market, baseline)
        self._give_way()
        candles = _grown_candles(session, run_id, detail.candles)
        if is_new or candles is not detail.candles:
            detail.candles = candles
            _renew_fills(session, run_id, detail.fills, int(candles.time_ms[0]) if len(candles) else 0)
        self._give_way()
        if detail.operands is None:
            spec = spec_of(algorithms.version_by_id(session, run.version_id))
            detail.operands = OperandReader(run_id, spec, SHOWN_BARS)
        self._give_way()
        marks = watch.marks_of(session, run_id)
        detail.days = of_reports(watch_view, session, marks, detail.days, damaged=self.damaged)
        position = positions.position_of(session, run_id)
        self._watch_days(session, run, detail, None if position is None else position.opened_at_ms)
        self._give_way()
        why = _why(session, run, detail, position)
        self._give_way()
        operands = detail.operands.read(session)
        self._known[run_id] = detail
        if len(self._known) > _KEPT_RUNS:
            del self._known[next(iter(self._known))]
        return RunDetails(
            run_id=run_id,
            settings=run.settings,
            events=detail.events,
            journal_length=sequence,
            orders=detail.orders.views,
            order_count=detail.order_count,
            fills=detail.fills.views,
            trades=detail.trades.views,
            position=None if position is None else position_view(position),
            equity_time_ms=detail.curve.time_ms,
            equity=detail.curve.equity,
            candles=detail.candles,
            operands=operands,
            story=detail.story.lines,
            metrics=detail.metrics,
            parts=detail.parts,
            days=tuple(detail.days.values()),
            watch_begin_ms=detail.watch_begin_ms,
            week_signs=detail.week_signs,
            all_signs=detail.all_signs,
            differences=detail.differences,
            why=why,
            trade_whys={} if detail.why is None else detail.why.trades,
        )

    def _metrics(
        self,
        session: Session,
        run: runs.Run,
        spec: AlgorithmSpec,
        detail: _Detail,
        baseline: Backtest | None,
    ) -> tuple[MetricView, ...]:
        """Return the run's metrics beside those of its baseline over the same length of time."""
        curve, capital, closed = detail.curve, run.settings.capital, detail.trades.views
        metrics = metrics_of_run(closed, curve, capital, run.market)
        if baseline is None:
            return compare_with_baseline(metrics, closed, curve, capital)
        tested = self._tested.read(session, baseline)
        is_fixed = spec.sizing.kind is SizingKind.FIXED
        expected = self._tested.expected(baseline, tested, len(curve), is_fixed=is_fixed)
        if not may_scale(spec, baseline, run.settings):
            expected = {name: band for name, band in expected.items() if name == "total_trades"}
        return compare_with_baseline(
            metrics, closed, curve, capital, baseline=baseline, tested=tested, expected=expected
        )

    def _watch_days(self, session: Session, run: runs.Run, detail: _Detail, opened_ms: int | None) -> None:
        """Find when the watch began, and the signs of tuning once a day more is over."""
        if not detail.days:
            return
        try:
            if detail.tuning is None:
                detail.tuning = RunTuning(session, run)
            lived = Lived(detail.curve, detail.trades.views, opened_ms)
            detail.watch_begin_ms = detail.tuning.begin_ms(lived)
            newest = max(detail.days, key=lambda mark: mark.day)
            last = whole_days(detail.days[newest].report)
            if last != detail.whole_days:
                detail.whole_days = last
                detail.week_signs = detail.tuning.signs(session, lived, first=max(1, last - 6), last=last)
                detail.all_signs = detail.tuning.signs(session, lived, first=1, last=last)
        except DamagedRowError as error:
            self.damaged[run.id] = str(error)


def _renew_orders(session: Session, run_id: str, known: Renewed[str, OrderView]) -> None:
    def read(changed: list[str]) -> dict[str, OrderView]:
        return {order.client_order_id: order_view(order) for order in orders.some_orders(session, changed)}

    known.renew(orders.newest_marks_of(session, run_id, SHOWN_ORDERS), read)


def _renew_fills(session: Session, run_id: str, known: Renewed[FillKey, FillView], since_ms: int) -> None:
    times = fills.times_of(session, run_id, since_ms=since_ms)

    def read(changed: list[FillKey]) -> dict[FillKey, FillView]:
        return _fill_views(
            session, fills.fills_of(session, run_id, since_ms=min(times[key] for key in changed))
        )

    known.renew(times, read)


def _fill_views(session: Session, found: Sequence[StoredFill]) -> dict[FillKey, FillView]:
    ids = {each.fill.client_order_id for each in found if each.fill.client_order_id is not None}
    purposes = orders.purposes_of(session, ids)
    return {each.key: fill_view(each, purposes.get(each.fill.client_order_id or "")) for each in found}


def _renew_trades(session: Session, run_id: str, known: Renewed[int, Trade]) -> None:
    def read(changed: list[int]) -> dict[int, Trade]:
        first = min(changed)
        return dict(enumerate(trades.trades_of(session, run_id, after=first - 1), start=first))

    known.renew(trades.marks_of(session, run_id), read)


def _why(session: Session, run: runs.Run, detail: _Detail, position: positions.RunPosition | None) -> WhyView:
    """Return why the run did what it did; a row that cannot be read leaves the other details as they are."""
    try:
        detail.why = detail.why or WhyReader(session, run)
        return detail.why.read(session, run, detail.trades.views, position, detail.sequence)
    except DamagedRowError as error:
        return WhyView(problem=str(error))


def _grown(session: Session, run_id: str, known: EquityCurve) -> EquityCurve:
    """Return the curve with the new points; an empty one is read whole."""
    if not len(known):
        whole = equity.equity_of(session, run_id)
        return whole if len(whole) else known
    # The last known point is read again: a recovery may have replaced it.
    fresh = equity.equity_of(session, run_id, after_ms=int(known.time_ms[-1]) - 1)
    if len(fresh) == 1 and fresh.equity[0] == known.equity[-1]:
        return known
    return EquityCurve(
        np.concatenate([known.time_ms[:-1], fresh.time_ms]), np.concatenate([known.equity[:-1], fresh.equity])
    )


def _grown_candles(session: Session, run_id: str, known: Candles) -> Candles:
    """Return the candles with those of the bars that came since."""
    after_ms = int(known.time_ms[-1]) if len(known) else None
    fresh = bars.bars_of(session, run_id, after_ms=after_ms, limit=SHOWN_BARS)
    if not fresh:
        return known
    time_ms = np.array([each.bar.time_ms for each in fresh], dtype=np.int64)
    open_, high, low, close = np.array([each.bar[1:5] for each in fresh], dtype=np.float64).T
    return Candles(
        np.concatenate([known.time_ms, time_ms]),
        np.concatenate([known.open, open_]),
        np.concatenate([known.high, high]),
        np.concatenate([known.low, low]),
        np.concatenate([known.close, close]),
    ).part(slice(-SHOWN_BARS, None))
