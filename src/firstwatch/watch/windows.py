"""Fresh windows of the baseline's days: the core itself, with the run's settings, on each day there is.

A window is 24 hours of the baseline's candles that begin at a bar near the launch's hour of the day. It
begins as the run began: flat and unarmed, indicators warmed by the candles before. Signals are evaluated once
over the whole history, so a window costs only the bars on which the core may do something.

What is read of a window are its *looks*: a grid of times since its begin, each bar, at most 96 a day, from a
tenth of the day on. Arrays are ``(windows, looks)``. A live day is read at the same looks by the same
definitions (``Looks``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from firstwatch.backtest.replay import Played, Replay, ReplayBars
from firstwatch.backtest.simulate import BacktestSettings
from firstwatch.market.funding import NO_FUNDING, FundingSeries
from firstwatch.market.sessions import SessionCalendar
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.core import CoreSettings, CoreState, new_state
from firstwatch.strategy.core_settings import Costs, build_settings
from firstwatch.strategy.evaluation import SignalArrays, evaluate_arrays
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.market import Market
from firstwatch.trading.runs import ExitReason
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.verdicts import DAY_MS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_LOOKS = 96
"""Most looks of a day."""
MOST_STARTS = 9
"""Most windows that begin on one day."""
NEAR_MS = 90 * 60_000
"""How far from the launch's hour of the day a window may begin."""
LONGEST_BAR_MS = 2 * 3_600_000
"""Longer bars are too few a day: there are no windows of them."""
FEWEST_BARS = 0.75
"""Share of the usual number of bars that a window must have: below, candles are missing."""
SMALLEST_EQUITY = 1e-6
"""Lower bound of equity, as a fraction of the first: zero or less has no logarithm."""

STOP_REASONS = frozenset({ExitReason.STOP_LOSS, ExitReason.TRAILING_STOP})
"""Exits that count as exits by stop."""
_AT_A_RESTING_PRICE = frozenset({ExitReason.TAKE_PROFIT, ExitReason.LIQUIDATION})


@dataclass(frozen=True, slots=True)
class Baseline:
    """Candles and settings from which windows are made."""

    spec: AlgorithmSpec
    candles: CandleArrays
    market: Market
    costs: Costs
    settings: BacktestSettings
    funding: FundingSeries = NO_FUNDING
    start_ms: int | None = None
    """No window begins before; None: before every operand has a value."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Time in which the run could not trade, in ms since the begin of the day's watch.

    Stale data (``is_down`` False): no entry is decided at the closes inside. Down: neither, and an exit that
    is decided there executes at the first open after. A close lies inside if ``from_ms < close <= to_ms``.
    """

    from_ms: int
    to_ms: int
    is_down: bool


@dataclass(frozen=True, slots=True)
class Carried:
    """State that a run carries into its second or a later day: trades limit, guards and chain."""

    entries: int = 0
    chain: int = 0
    losing_trades: int = 0
    entries_paused_by_guard: int = 0
    """Bits of the core."""
    peak: float = 1.0
    """Highest equity so far, as a fraction of that at the begin of the day."""

    @classmethod
    def of_state(cls, state: CoreState) -> "Carried":
        """Return what the core of a run carries at this moment."""
        peak = state.peak_equity / state.equity if state.equity > 0 else 1.0
        return cls(
            state.entries, state.chain, state.losing_trades, state.entries_paused_by_guard, max(peak, 1.0)
        )

    def put_into(self, state: CoreState) -> None:
        """Give them to the core of a window."""
        state.entries = self.entries
        state.chain = self.chain
        state.losing_trades = self.losing_trades
        state.entries_paused_by_guard = self.entries_paused_by_guard
        state.peak_equity = self.peak * state.equity


@dataclass(frozen=True, slots=True)
class DayOfRun:
    """The day of the run that is watched, with the run's state and time lost, which the windows get too."""

    day: int = 1
    lost: tuple[Lost, ...] = ()
    carried: Carried | None = None
    """From day 2 on."""

    @property
    def lead_ms(self) -> int:
        """How long before the day its windows begin."""
        return DAY_MS if self.day > 1 else 0


FIRST_DAY = DayOfRun()


@dataclass(frozen=True, slots=True, eq=False)
class Starts:
    """Where windows begin: bars of the history (int64, by day, then by time) and the day of each.

    ``day`` counts days since the epoch at the launch's hour: a window belongs to the launch's hour that it
    begins near. ``is_exact``: it begins at the launch's hour itself.
    """

    bar: Ints
    day: Ints
    is_exact: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.bar)

    def where(self, places: NDArray[np.bool_] | Ints) -> "Starts":
        """Return the starts that a mask keeps, or those at the given places."""
        return Starts(self.bar[places], self.day[places], self.is_exact[places])


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """Windows at their looks: arrays of shape ``(windows, looks)``, float64, from the begin of the day on.

    A look at time T after the begin sees the bars that closed by then. ``drawdown``: the logarithm of
    equity's peak so far (bar closes and the begin) less that of equity now. ``entries``, ``stops``: positions
    opened, exits by stop (``STOP_REASONS``). ``since_entry_ms``: from the open of the bar of the last entry,
    or from the begin, to T. ``equity``: a fraction of that at the begin.
    """

    day: Ints
    drawdown: Floats
    entries: Floats
    stops: Floats
    since_entry_ms: Floats
    equity: Floats
    orders: tuple["Orders", ...] = ()
    """Those of each window; only where they were asked for."""

    def __len__(self) -> int:
        return len(self.day)

    def where(self, mask: NDArray[np.bool_] | Ints) -> "Looks":
        """Return the windows that a mask keeps, or those at the given places."""
        places = np.flatnonzero(mask) if mask.dtype == np.bool_ else mask
        return Looks(
            self.day[places],
            self.drawdown[places],
            self.entries[places],
            self.stops[places],
            self.since_entry_ms[places],
            self.equity[places],
            tuple(self.orders[place] for place in places.tolist()) if self.orders else (),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Orders:
    """A window's fills in order, and its entries that were missed, in ms since the begin.

    A time is the close of the bar. ``pays_slippage``: the fill is not at a resting price.
    """

    fill_ms: Ints
    pays_slippage: NDArray[np.bool_]
    missed_ms: Ints


class Windows:
    """A baseline's candles with the signals evaluated once, ready for any number of windows."""

    def __init__(self, baseline: Baseline) -> None:
        """Evaluate the signals.

        Raises:
            WrongUseError: a session or reset setting that cannot be used.
        """
        self.baseline = baseline
        settings = baseline.settings
        self.core = build_settings(
            baseline.spec,
            market=baseline.market,
            costs=baseline.costs,
            capital=settings.capital,
            leverage=settings.leverage,
            trades_limit=settings.trades_limit,
            reset=settings.reset,
            guards=settings.guards,
            close_position_on_exit=settings.close_position_on_exit,
        )
        self.candles = baseline.candles
        self.timeframe = baseline.spec.timeframe
        signals = evaluate_arrays(baseline.spec, self.candles)
        wanted = 0 if baseline.start_ms is None else self.candles.index_at(baseline.start_ms)
        self.first_ready = max(signals.first_ready, wanted)
        """The first bar at which a window may begin."""
        bars = ReplayBars(self.candles, SessionCalendar(settings.session), baseline.funding)
        self.replay = Replay(bars, signals)

    @property
    def signals(self) -> SignalArrays:
        """The signals at every close."""
        return self.replay.signals

    @cached_property
    def end_ms(self) -> int:
        """When the last bar closes."""
        return int(self.candles.time_ms[-1]) + self.timeframe.ms if len(self.candles) else 0

    @cached_property
    def grid_ms(self) -> Ints:
        """The looks of a day, in ms since its begin."""
        return look_grid(self.timeframe)

    def starts(self, launch_ms: int, of: DayOfRun = FIRST_DAY) -> Starts:
        """Return all windows near the hour of the day of ``launch_ms``, the open of the run's first bar.

        Left out are those before every operand has a value, those that outlast the candles, and those with
        too few bars. There is none where bars are longer than two hours.
        """
        length_ms = self.timeframe.ms
        times = self.candles.time_ms
        nothing = np.empty(0, dtype=np.int64)
        if length_ms > LONGEST_BAR_MS or self.first_ready >= len(times):
            return Starts(nothing, nothing, nothing.astype(np.bool_))
        launch_ms = self.timeframe.open_of(launch_ms) % DAY_MS
        long_ms = of.lead_ms + DAY_MS
        reach = NEAR_MS // length_ms
        offsets_ms = np.arange(-reach, reach + 1, dtype=np.int64) * length_ms
        if len(offsets_ms) > MOST_STARTS:
            places = np.round(np.linspace(0, len(offsets_ms) - 1, MOST_STARTS)).astype(np.int64)
            offsets_ms = offsets_ms[places]
        first_day = int(times[self.first_ready]) // DAY_MS - 1
        all_days = np.arange(first_day, self.end_ms // DAY_MS + 1, dtype=np.int64)
        begin_ms = (all_days[:, None] * DAY_MS + launch_ms + offsets_ms).reshape(-1)
        day = np.repeat(all_days, len(offsets_ms))
        is_exact = np.tile(offsets_ms == 0, len(all_days))
        bar = np.searchsorted(times, begin_ms)
        end = np.searchsorted(times, begin_ms + long_ms)
        at = np.minimum(bar, len(times) - 1)
        is_there = (times[at] == begin_ms) & (at >= self.first_ready)
        is_there &= begin_ms + long_ms <= self.end_ms
        if is_there.any():
            usual = np.median((end - bar)[is_there])
            is_there &= end - bar >= FEWEST_BARS * usual
        return Starts(bar[is_there], day[is_there], is_exact[is_there])

    def play(
        self,
        starts: Starts,
        of: DayOfRun = FIRST_DAY,
        *,
        replay: Replay | None = None,
        core: CoreSettings | None = None,
        missed: Sequence[bool] | None = None,
        doubles_losses: bool = False,
        keeps_orders: bool = False,
    ) -> Looks:
        """Play a window from each start and return its looks.

        From day 2 on a start is 24 hours before the begin of the day that is looked at: the first 24 hours
        are played without limits, then the core takes over what is carried. ``replay``, ``core`` and
        ``missed``: of an altered day. ``doubles_losses``: each bar's negative return is doubled in equity.
        """
        replay = replay or self.replay
        core = core or self.core
        free = replace(core, trades_limit=0, has_guards=0)
        times = self.candles.time_ms
        length_ms = self.timeframe.ms
        begin_ms = times[starts.bar] + of.lead_ms
        firsts = starts.bar.tolist()
        mids = np.searchsorted(times, begin_ms)
        ends = np.searchsorted(times, begin_ms + DAY_MS)
        # The number of bars, since the begin, that have closed by each look.
        seen = np.searchsorted(times, begin_ms[:, None] + self.grid_ms - length_ms, side="right")
        seen -= mids[:, None]
        losses = [
            (
                np.searchsorted(times, begin_ms + each.from_ms - length_ms, side="right").tolist(),
                np.searchsorted(times, begin_ms + each.to_ms - length_ms, side="right").tolist(),
                each.is_down,
            )
            for each in sorted(of.lost, key=lambda one: one.from_ms)
        ]
        looks = _empty_looks(starts.day, len(self.grid_ms))
        orders = []
        for row, (first, mid, end) in enumerate(zip(firsts, mids.tolist(), ends.tolist(), strict=True)):
            state = new_state(core)
            played = Played()
            if mid > first:
                replay.play(state, free, first, mid, played, missed=missed)
                if of.carried is not None:
                    of.carried.put_into(state)
            index = mid
            for froms, tos, is_down in losses:
                from_bar, to_bar = max(froms[row], index), min(tos[row], end)
                if from_bar >= to_bar:
                    continue
                replay.play(state, core, index, from_bar, played, missed=missed)
                replay.play(
                    state, core, from_bar, to_bar, played, missed=missed, is_paused=True, is_down=is_down
                )
                index = to_bar
            replay.play(state, core, index, end, played, missed=missed)
            day_ms = int(begin_ms[row])
            self._read(
                looks,
                row,
                played,
                replay=replay,
                begin_ms=day_ms,
                bars=(mid, end),
                seen=seen[row],
                doubles_losses=doubles_losses,
            )
            if keeps_orders:
                orders.append(self._orders(played, day_ms))
        return replace(looks, orders=tuple(orders)) if keeps_orders else looks

    def read_run(self, played: Played, days: Ints, begin_ms: Ints) -> Looks:
        """Return the looks of days of one long pass, each rebased at its begin; for proofs on continuous
        runs."""
        times = self.candles.time_ms
        looks = _empty_looks(days, len(self.grid_ms))
        for row, begin in enumerate(begin_ms.tolist()):
            mid, end = np.searchsorted(times, (begin, begin + DAY_MS)).tolist()
            seen = np.searchsorted(times, begin + self.grid_ms - self.timeframe.ms, side="right") - mid
            self._read(looks, row, played, replay=self.replay, begin_ms=begin, bars=(mid, end), seen=seen)
        return looks

    def _read(
        self,
        looks: Looks,
        row: int,
        played: Played,
        *,
        replay: Replay,
        begin_ms: int,
        bars: tuple[int, int],
        seen: Ints,
        doubles_losses: bool = False,
    ) -> None:
        """Write the looks of one window; ``bars``: the first of its day and the one after the last."""
        mid, end = bars
        first = int(played.stretches[0, 0])
        whole = replay.equity(played, end)
        base = whole[mid - first - 1] if mid > first else self.core.capital
        part = np.empty(end - mid + 1)
        part[0] = 1.0
        part[1:] = whole[mid - first :] / base if base > 0 else SMALLEST_EQUITY
        np.maximum(part, SMALLEST_EQUITY, out=part)
        if doubles_losses:
            returns = np.diff(part) / part[:-1]
            factors = np.maximum(1 + np.where(returns < 0, 2 * returns, returns), SMALLEST_EQUITY)
            part[1:] = np.maximum(np.cumprod(factors), SMALLEST_EQUITY)
        value = np.log(part)
        fall = np.maximum.accumulate(value) - value
        looks.equity[row] = part[seen]
        looks.drawdown[row] = fall[seen]

        times = self.candles.time_ms
        last = seen + mid
        entries = played.entries
        entries = entries[(mid <= entries) & (entries < end)]
        count = np.searchsorted(entries, last)
        looks.entries[row] = count
        since = np.concatenate(([begin_ms], times[entries]))[count]
        looks.since_entry_ms[row] = begin_ms + self.grid_ms - since
        stops = [
            record.exit_time_ms
            for record in played.records
            if record.reason in STOP_REASONS and record.exit_time_ms >= begin_ms
        ]
        looks.stops[row] = np.searchsorted(
            np.array(stops, dtype=np.int64), begin_ms + self.grid_ms - self.timeframe.ms, side="right"
        )

    def _orders(self, played: Played, begin_ms: int) -> Orders:
        """Return the orders of a window; a market order, a stop and a close pay slippage."""
        times = self.candles.time_ms
        opens = self.candles.open
        found: list[tuple[int, bool]] = []
        entries, records = played.entries, played.records
        for index, record in zip(entries.tolist(), records, strict=False):
            found.append((record.entry_time_ms, record.side * (record.entry_price - opens[index]) > 0))
            found.append((record.exit_time_ms, record.reason not in _AT_A_RESTING_PRICE))
        if len(entries) > len(records):
            index = int(entries[-1])
            _, _, amount, price = played.stretches[-1]
            found.append((int(times[index]), amount * (price - opens[index]) > 0))
        found = [each for each in found if each[0] >= begin_ms]
        close_ms = self.timeframe.ms - begin_ms
        fill_ms = np.array([each[0] for each in found], dtype=np.int64) + close_ms
        missed_ms = times[played.missed] + close_ms
        return Orders(
            fill_ms, np.array([each[1] for each in found], dtype=np.bool_), missed_ms[missed_ms > 0]
        )


def _empty_looks(day: Ints, looks: int) -> Looks:
    drawdown, entries, stops, since_entry_ms, equity = np.empty((5, len(day), looks))
    return Looks(day, drawdown, entries, stops, since_entry_ms, equity)


def look_grid(timeframe: Timeframe) -> Ints:
    """Return the looks of a day in ms since its begin: each close, at most 96, from a tenth of the day on."""
    every_ms = max(timeframe.ms, DAY_MS // MOST_LOOKS)
    every_ms = -(-every_ms // timeframe.ms) * timeframe.ms
    grid = np.arange(every_ms, DAY_MS + 1, every_ms, dtype=np.int64)
    return grid[grid >= DAY_MS // 10]
