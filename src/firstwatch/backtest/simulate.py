"""The backtest: an algorithm on candles, by the decision core, in memory.

Nothing is saved here; the caller does that.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from firstwatch.backtest.metrics import Metrics, compute_metrics
from firstwatch.backtest.notes import NoteKeeper, coverage_notes
from firstwatch.backtest.record import TradeRecord
from firstwatch.market.funding import NO_FUNDING, FundingSeries
from firstwatch.market.sessions import SessionCalendar
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.core import CoreSettings, CoreState, close_bar, enter_now, new_state
from firstwatch.strategy.core_replay import (
    end_data,
    hold_until,
    is_waiting,
    open_bar,
    range_bar,
    settle_funding,
)
from firstwatch.strategy.core_settings import Costs, build_settings, exit_reason
from firstwatch.strategy.evaluation import SignalArrays, evaluate_arrays
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.clock import Clock, SystemClock, iso
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.launch import Guards, ResetSettings, SessionSettings
from firstwatch.trading.market import Market
from firstwatch.trading.notes import Note
from firstwatch.trading.trade import Trade

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class BacktestSettings:
    """The launch settings that apply to a backtest."""

    capital: Decimal = Decimal(10_000)
    leverage: Decimal = Decimal(1)
    trades_limit: int | None = None
    assume_position_now: bool = False
    session: SessionSettings = field(default_factory=SessionSettings)
    reset: ResetSettings | None = None
    """None: the version's own."""
    guards: Guards = field(default_factory=Guards)
    close_position_on_exit: bool = True


@dataclass(frozen=True, eq=False)
class BacktestResult:
    """Trades, run equity E marked at the close of every bar, and metrics.

    ``time_ms`` (int64, open times) and ``equity`` (float64, quote) have one entry per bar. The last
    one is after an open position was closed by ``end_of_data``.
    """

    records: tuple[TradeRecord, ...]
    time_ms: NDArray[np.int64]
    equity: NDArray[np.float64]
    metrics: Metrics
    bars: int
    missing_bars: int
    """Bars that the candles do not have between the first and the last."""
    seconds: float
    market: Market = field(repr=False)
    notes: tuple[Note, ...] = ()
    """What was assumed, then what the core did not do."""

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
    ``notes``: the caller's assumptions, first in the result.

    Raises:
        WrongUseError: the candles have another timeframe, or no bar on which to start; a session or
            reset setting that cannot be used; funding rates of another time.
    """
    settings = settings or BacktestSettings()
    clock = clock or SystemClock()
    began_s = clock.elapsed_s()
    if candles.timeframe is not spec.timeframe:
        raise WrongUseError(
            f"the candles are of {candles.timeframe} and the algorithm '{spec.name}' decides on "
            f"{spec.timeframe}: give candles of {spec.timeframe}"
        )
    calendar = SessionCalendar(settings.session)
    if problem := calendar.problem(spec.timeframe):
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
    signals = evaluate_arrays(spec, candles.part(0, end))
    first = _first_bar(spec, candles, signals, start_ms, end)
    funding = funding or NO_FUNDING
    after_ms = int(candles.time_ms[end - 1]) + candles.timeframe.ms
    coverage = coverage_notes(funding, int(candles.time_ms[first]), after_ms)
    kept = NoteKeeper(core, market)
    replay = _Replay(core, candles.part(0, end), signals, calendar, funding, notes=kept)
    state = new_state(core)
    if settings.assume_position_now and first > 0:
        replay.assume_position(state, first - 1)
    replay.play(state, first)

    time_ms = candles.time_ms[first:end]
    equity = replay.equity(first)
    metrics = compute_metrics(
        replay.records, time_ms, equity, float(settings.capital), slippage=state.slippage_paid
    )
    spanned = int(time_ms[-1] - time_ms[0]) // spec.timeframe.ms + 1
    return BacktestResult(
        records=tuple(replay.records),
        time_ms=time_ms,
        equity=equity,
        metrics=metrics,
        bars=end - first,
        missing_bars=spanned - (end - first),
        seconds=clock.elapsed_s() - began_s,
        market=market,
        notes=(*notes, *coverage, *kept.notes(state, candles.time_ms[:end])),
    )


def _first_bar(
    spec: AlgorithmSpec, candles: CandleArrays, signals: SignalArrays, start_ms: int | None, end: int
) -> int:
    wanted = 0 if start_ms is None else candles.index_at(start_ms)
    ready = signals.ready[wanted:end]
    if not ready.any():
        since = "" if start_ms is None else f" from {iso(start_ms)} on"
        raise WrongUseError(
            f"no bar{since} has a value for every indicator of '{spec.name}' ({end} bars are there up to "
            "the end): give more candles or an earlier start"
        )
    return wanted + int(np.argmax(ready))


class _Replay:
    """One pass over the bars, and its result: trades and the stretches of the equity curve."""

    def __init__(
        self,
        core: CoreSettings,
        candles: CandleArrays,
        signals: SignalArrays,
        calendar: SessionCalendar,
        funding: FundingSeries,
        *,
        notes: NoteKeeper,
    ) -> None:
        self.records: list[TradeRecord] = []
        self._core = core
        self._notes = notes
        self._candles = candles
        self._signals = signals
        self._session = calendar.flags(candles.time_ms, candles.timeframe)
        self._at_open, self._inside = _funding_by_bar(funding, candles)
        # One entry for each stretch of bars over which the ledger does not change:
        # its first bar, cash, signed amount, entry price.
        self._stretches: list[tuple[int, float, float, float]] = []
        self._final_cash = 0.0

    def assume_position(self, state: CoreState, index: int) -> None:
        """Decide on the bar before the start, as a launch would (rule 26 of ``firstwatch.strategy``)."""
        flags = self._signals.at(index)
        enter_now(
            state,
            self._core,
            float(self._candles.close[index]),
            flags.entry_long,
            flags.entry_short,
            flags.atr_stop,
            flags.atr_target,
            int(self._session.may_enter[index]),
        )
        self._notes.take(state, index)

    def play(self, state: CoreState, first: int) -> None:
        """Play the bars from ``first`` to the end; bars that cannot change the core are passed over."""
        core = self._core
        candles = self._candles
        signals = self._signals
        end = len(candles)
        times = candles.time_ms.data
        opens = candles.open.data
        closes = candles.close.data
        highs = candles.high.tolist()
        lows = candles.low.tolist()
        entry_long = signals.entry_long.data
        entry_short = signals.entry_short.data
        exit_long = signals.exit_long.data
        exit_short = signals.exit_short.data
        atr_stop = signals.atr_stop.data
        atr_target = signals.atr_target.data
        may_enter = self._session.may_enter.view(np.int8).data
        must_flatten = self._session.must_flatten.view(np.int8).data
        busy_long = self._busy(signals.exit_long)
        busy_short = self._busy(signals.exit_short)
        entries = np.flatnonzero((signals.entry_long == 1) | (signals.entry_short == 1)).tolist()
        at_open = self._at_open
        inside = self._inside
        entry_index = first
        self._mark(state, first)

        index = first
        while index < end:
            if state.steps > 0:
                busy = busy_long if state.phase > 0 else busy_short
                index = hold_until(state, core, index, end, highs, lows, busy)
            elif is_waiting(state, core):
                place = bisect_left(entries, index)
                index = entries[place] if place < len(entries) and state.stop_run == 0 else end
            if index >= end:
                break
            cash, opened, closed = state.cash, state.entries, state.trades
            time_ms = times[index]
            price = opens[index]
            if index in at_open:
                settle_funding(state, core, price, at_open[index])
            open_bar(state, core, price)
            range_bar(state, core, highs[index], lows[index])
            close = closes[index]
            if index in inside:
                for rate in inside[index]:
                    settle_funding(state, core, close, rate)
            close_bar(
                state,
                core,
                time_ms,
                price,
                highs[index],
                lows[index],
                close,
                entry_long[index],
                entry_short[index],
                exit_long[index],
                exit_short[index],
                atr_stop[index],
                atr_target[index],
                may_enter[index],
                must_flatten[index],
                time_ms // _DAY_MS,
            )
            if state.notes:
                self._notes.take(state, index)
            if state.entries != opened:
                entry_index = index
            if state.trades != closed:
                self._keep(state, times[entry_index], time_ms)
            if state.cash != cash or state.entries != opened or state.trades != closed:
                self._mark(state, index)
            index += 1

        state.last_close = closes[end - 1]
        closed = state.trades
        end_data(state, core)
        if state.trades != closed:
            self._keep(state, times[entry_index], times[end - 1])
        self._final_cash = state.cash

    def equity(self, first: int) -> NDArray[np.float64]:
        """Return run equity at the closes from ``first`` on, by the formula of ``mark_equity``."""
        close = self._candles.close[first:]
        starts = np.array([stretch[0] for stretch in self._stretches])
        lengths = np.diff(np.append(starts, first + len(close)))
        cash, amount, entry = (
            np.repeat(np.array([stretch[column] for stretch in self._stretches]), lengths)
            for column in (1, 2, 3)
        )
        equity: NDArray[np.float64] = cash + amount * (close - entry)
        equity[-1] = self._final_cash
        return equity

    def _busy(self, exits: NDArray[np.int8]) -> Sequence[bool]:
        """Return the bars at whose open or close something may be due while in position."""
        busy = (exits == 1) | self._session.must_flatten
        busy[[*self._at_open, *self._inside]] = True
        flags: list[bool] = busy.tolist()
        return flags

    def _mark(self, state: CoreState, index: int) -> None:
        held = state.steps > 0
        stretch = (
            index,
            state.cash,
            state.phase * state.amount if held else 0.0,
            state.entry_price if held else 0.0,
        )
        if self._stretches and self._stretches[-1][0] == index:
            self._stretches[-1] = stretch
        else:
            self._stretches.append(stretch)

    def _keep(self, state: CoreState, entry_time_ms: int, exit_time_ms: int) -> None:
        self.records.append(
            TradeRecord(
                state.closed_side,
                entry_time_ms,
                state.closed_entry_price,
                exit_time_ms,
                state.closed_exit_price,
                state.closed_steps,
                state.closed_gross,
                state.closed_fees,
                state.closed_funding,
                state.closed_pnl,
                exit_reason(state.closed_reason),
                state.closed_bars_held,
                state.closed_adverse,
                state.closed_favourable,
                state.closed_expected_entry,
                state.closed_expected_exit,
            )
        )


def _funding_by_bar(
    funding: FundingSeries, candles: CandleArrays
) -> tuple[dict[int, float], dict[int, list[float]]]:
    """Return by bar the rate due exactly at its open and the rates inside of it; in a hole none is due.

    A funding time in a hole has no price to settle at.
    """
    places = np.searchsorted(candles.time_ms, funding.time_ms, side="right") - 1
    at_open: dict[int, float] = {}
    inside: dict[int, list[float]] = {}
    length_ms = candles.timeframe.ms
    for place, time_ms, rate in zip(
        places.tolist(), funding.time_ms.tolist(), funding.rate.tolist(), strict=True
    ):
        if place < 0:
            continue
        since_ms = time_ms - int(candles.time_ms[place])
        if since_ms == 0:
            at_open[place] = rate
        elif since_ms < length_ms:
            inside.setdefault(place, []).append(rate)
    return at_open, inside
