"""The backtest: an algorithm on candles, by the decision core, in memory.

Nothing is saved here; the caller does that.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from firstwatch.backtest.metrics import Metrics, compute_metrics
from firstwatch.backtest.notes import NoteKeeper, coverage_notes
from firstwatch.backtest.prepared import PreparedCandles
from firstwatch.backtest.record import TradeTable
from firstwatch.backtest.replay import Played
from firstwatch.backtest.settings import BacktestSettings
from firstwatch.market.funding import NO_FUNDING, FundingSeries
from firstwatch.market.sessions import SessionCalendar
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.compiled import Loop
from firstwatch.strategy.core import new_state
from firstwatch.strategy.core_settings import Costs, build_settings
from firstwatch.strategy.evaluation import SignalArrays
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.clock import Clock, SystemClock, iso
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.market import Market
from firstwatch.trading.notes import Note
from firstwatch.trading.trade import Trade

__all__ = ["BacktestResult", "BacktestSettings", "simulate", "simulate_prepared"]


@dataclass(frozen=True, eq=False)
class BacktestResult:
    """Trades, run equity E marked at the close of every bar, and metrics.

    ``time_ms`` (int64, open times) and ``equity`` (float64, quote) have one entry per bar. The last
    one is after an open position was closed by ``end_of_data``.
    """

    records: TradeTable
    time_ms: NDArray[np.int64]
    equity: NDArray[np.float64]
    metrics: Metrics
    bars: int
    missing_bars: int
    """Bars that the candles do not have between the first and the last."""
    seconds: float
    market: Market = field(repr=False)
    notes: tuple[Note, ...] = ()
    """Assumptions first, then decisions that the core did not carry out."""
    levels: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
    """The stop and the target that each bar met, NaN where there was none; None: they are not kept."""

    @cached_property
    def trades(self) -> tuple[Trade, ...]:
        """The trades with money as Decimal; made when first asked for."""
        return tuple(record.to_trade(self.market) for record in self.records)


def simulate(
    spec: AlgorithmSpec,
    candles: CandleArrays,
    *,
    market: Market,
    costs: Costs,
    settings: BacktestSettings | None = None,
    funding: FundingSeries | None = None,
    start_ms: int | None = None,
    end_ms: int | None = None,
    notes: Sequence[Note] = (),
    clock: Clock | None = None,
) -> BacktestResult:
    """Return what the algorithm would have done on ``candles``.

    It starts at the first bar at or after ``start_ms`` at which every operand has a value; earlier
    bars are warm-up. ``end_ms`` is exclusive. With ``assume_position_now`` the bar before the start
    may decide an entry. A guard that stops the run ends its decisions: stop mode ``close`` exits,
    ``leave`` leaves the position to its levels, ``leave_unprotected`` to liquidation and the end.
    ``notes``: the caller's assumptions, first in the result. It is interpreted: ``tester`` is for many.

    Raises:
        WrongUseError: the candles have another timeframe, or no bar on which to start; a session or
            reset setting that cannot be used; funding rates of another time.
    """
    settings = settings or BacktestSettings()
    end = len(candles) if end_ms is None else candles.index_at(end_ms)
    prepared = PreparedCandles(candles.part(0, end), SessionCalendar(settings.session), funding or NO_FUNDING)
    return simulate_prepared(
        spec,
        prepared,
        market=market,
        costs=costs,
        settings=settings,
        start_ms=start_ms,
        notes=notes,
        clock=clock,
    )


def simulate_prepared(
    spec: AlgorithmSpec,
    prepared: PreparedCandles,
    *,
    market: Market,
    costs: Costs,
    settings: BacktestSettings,
    start_ms: int | None = None,
    end_ms: int | None = None,
    notes: Sequence[Note] = (),
    clock: Clock | None = None,
    loop: Loop | None = None,
    has_levels: bool = False,
) -> BacktestResult:
    """Return what ``simulate`` returns, on prepared candles, whose calendar is that of ``settings.session``.

    ``loop``: the compiled one; None: it is interpreted. ``has_levels``: keep the levels of each bar.

    Raises:
        WrongUseError: as ``simulate``.
    """
    clock = clock or SystemClock()
    began_s = clock.elapsed_s()
    candles, funding = prepared.candles, prepared.funding
    if candles.timeframe is not spec.timeframe:
        raise WrongUseError(
            f"the candles are of {candles.timeframe} and the algorithm {spec.name} decides on "
            f"{spec.timeframe}: give candles of {spec.timeframe}"
        )
    if problem := prepared.calendar.problem(spec.timeframe):
        raise WrongUseError(problem)
    core = build_settings(
        spec,
        market=market,
        costs=costs,
        capital=settings.capital,
        leverage=settings.leverage,
        trades_limit=settings.trades_limit,
        reset=settings.reset,
        guards=settings.guards,
        close_position_on_exit=settings.close_position_on_exit,
    )
    end = len(candles) if end_ms is None else candles.index_at(end_ms)
    replay = prepared.replay(spec)
    first = _first_bar(spec, candles, replay.signals, start_ms, end)
    after_ms = int(candles.time_ms[end - 1]) + candles.timeframe.ms
    if problem := prepared.calendar.unknown_between(int(candles.time_ms[first]), after_ms):
        raise WrongUseError(problem)
    coverage = coverage_notes(funding, int(candles.time_ms[first]), after_ms)
    kept = NoteKeeper(core, market)
    played = Played(has_levels=has_levels)
    state = new_state(core)
    if settings.assume_position_now and first > 0:
        replay.assume_position(state, core, first - 1, kept)
    replay.play(state, core, first, end, played, notes=kept, loop=loop)
    replay.finish(state, core, end, played)

    time_ms = candles.time_ms[first:end]
    equity = replay.equity(played, end)
    equity[-1] = state.cash
    records = played.records
    metrics = compute_metrics(records, time_ms, equity, float(settings.capital), slippage=state.slippage_paid)
    spanned = int(time_ms[-1] - time_ms[0]) // spec.timeframe.ms + 1
    return BacktestResult(
        records=records,
        time_ms=time_ms,
        equity=equity,
        metrics=metrics,
        bars=end - first,
        missing_bars=spanned - (end - first),
        seconds=clock.elapsed_s() - began_s,
        market=market,
        notes=(*notes, *coverage, *kept.notes(state, candles.time_ms[:end])),
        levels=replay.levels(played, first, end) if has_levels else None,
    )


def _first_bar(
    spec: AlgorithmSpec, candles: CandleArrays, signals: SignalArrays, start_ms: int | None, end: int
) -> int:
    wanted = 0 if start_ms is None else candles.index_at(start_ms)
    ready = signals.ready[wanted:end]
    if not ready.any():
        since = "" if start_ms is None else f" from {iso(start_ms)} on"
        raise WrongUseError(
            f"no bar{since} has a value for every indicator of {spec.name} ({end} bars are there up to "
            "the end): give more candles or an earlier start"
        )
    return wanted + int(np.argmax(ready))
