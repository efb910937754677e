"""Passes of the decision core over candles: one mechanism for a backtest and for every part of one.

``Replay`` holds the data shared by all passes, prepared once; ``Played`` the result of one pass.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from firstwatch.backtest.notes import NoteKeeper
from firstwatch.backtest.record import TradeRecord
from firstwatch.market.funding import FundingSeries
from firstwatch.market.sessions import SessionCalendar
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.core import CoreSettings, CoreState, close_bar, drop_decision, enter_now
from firstwatch.strategy.core_replay import (
    end_data,
    hold_until,
    is_waiting,
    open_bar,
    range_bar,
    settle_funding,
)
from firstwatch.strategy.core_settings import exit_reason
from firstwatch.strategy.core_state import ENTER, EXIT, NOTHING
from firstwatch.strategy.evaluation import SignalArrays

_DAY_MS = 86_400_000


@dataclass(slots=True)
class Played:
    """Result of a pass so far; further bars may follow."""

    records: list[TradeRecord] = field(default_factory=list)
    """The trades that are closed."""
    entries: list[int] = field(default_factory=list)
    """The bar of each entry."""
    missed: list[int] = field(default_factory=list)
    """The bars at whose close an entry was decided but not sent."""
    stretches: list[tuple[int, float, float, float]] = field(default_factory=list)
    """One for each stretch of bars over which the ledger does not change: its first bar, cash, signed
    amount, entry price."""

    def mark(self, state: CoreState, index: int) -> None:
        """Record the ledger from the close of the bar at ``index`` on."""
        held = state.steps > 0
        stretch = (
            index,
            state.cash,
            state.phase * state.amount if held else 0.0,
            state.entry_price if held else 0.0,
        )
        if self.stretches and self.stretches[-1][0] == index:
            self.stretches[-1] = stretch
        else:
            self.stretches.append(stretch)

    def keep(self, state: CoreState, entry_time_ms: int, exit_time_ms: int) -> None:
        """Keep the trade that was just closed."""
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


class Replay:
    """Candles and the signals on them; immutable, so any number of passes share it.

    A pass over ``[a, c)`` does the same as one over ``[a, b)`` and one over ``[b, c)`` with the same state.
    """

    def __init__(
        self,
        candles: CandleArrays,
        signals: SignalArrays,
        calendar: SessionCalendar,
        funding: FundingSeries,
    ) -> None:
        self.candles = candles
        self._session = calendar.flags(candles.time_ms, candles.timeframe)
        self._at_open, self._inside = _funding_by_bar(funding, candles)
        self._times = candles.time_ms.data
        self._opens = candles.open.data
        self._closes = candles.close.data
        self._highs = candles.high.tolist()
        self._lows = candles.low.tolist()
        self._volumes = candles.volume.data
        self._may_enter = self._session.may_enter.view(np.int8).data
        self._must_flatten = self._session.must_flatten.view(np.int8).data
        self._take(signals)

    def with_signals(self, signals: SignalArrays) -> "Replay":
        """Return a replay of the same candles with other signals."""
        other = object.__new__(Replay)
        other.__dict__.update(self.__dict__)
        other._take(signals)
        return other

    def assume_position(
        self, state: CoreState, core: CoreSettings, index: int, notes: NoteKeeper | None = None
    ) -> None:
        """Decide on the bar before the start, as a launch would (rule 26 of ``firstwatch.strategy``)."""
        flags = self.signals.at(index)
        enter_now(
            state,
            core,
            float(self.candles.close[index]),
            flags.entry_long,
            flags.entry_short,
            flags.atr_stop,
            flags.atr_target,
            int(self._session.may_enter[index]),
        )
        if notes is not None:
            notes.take(state, index)

    def play(
        self,
        state: CoreState,
        core: CoreSettings,
        first: int,
        end: int,
        played: Played,
        *,
        notes: NoteKeeper | None = None,
        is_paused: bool = False,
        is_down: bool = False,
        missed: Sequence[bool] | None = None,
    ) -> None:
        """Play the bars ``first`` up to, not including, ``end``; those that cannot change the core are
        passed over.

        ``is_paused``: no entry is decided at these closes. ``is_down``: the same, and an exit that is decided
        waits until the open of the bar at ``end``, if the position is still open then. ``missed``: for each
        bar of the candles, whether an entry decided at its close is dropped.
        """
        times, opens, closes = self._times, self._opens, self._closes
        highs, lows, volumes = self._highs, self._lows, self._volumes
        entry_long, entry_short = self._entry_long, self._entry_short
        exit_long, exit_short = self._exit_long, self._exit_short
        atr_stop, atr_target = self._atr_stop, self._atr_target
        may_enter, must_flatten = self._may_enter, self._must_flatten
        busy_long, busy_short = self._busy_long, self._busy_short
        entries = self._entries
        at_open, inside = self._at_open, self._inside
        is_paused = is_paused or is_down
        waiting_exit = 0
        expected_exit = 0.0
        if not played.stretches:
            played.mark(state, first)

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
            cash, steps, opened, closed = state.cash, state.steps, state.entries, state.trades
            time_ms = times[index]
            price = opens[index]
            if index in at_open:
                settle_funding(state, core, price, at_open[index])
            open_bar(state, core, price)
            range_bar(state, core, highs[index], lows[index], volumes[index])
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
                -1 if is_paused else may_enter[index],
                must_flatten[index],
                time_ms // _DAY_MS,
            )
            if missed is not None and state.decision == ENTER and missed[index]:
                drop_decision(state)
                played.missed.append(index)
            if is_down and state.decision == EXIT:
                waiting_exit, expected_exit = state.decision_reason, state.expected_exit
                state.decision = NOTHING
                state.expected_exit = 0.0
            if notes is not None and state.notes:
                notes.take(state, index)
            if state.entries != opened:
                played.entries.append(index)
            if state.trades != closed:
                played.keep(state, times[played.entries[-1]], time_ms)
                waiting_exit = 0
            is_same = state.cash == cash and state.steps == steps
            if not is_same or state.entries != opened or state.trades != closed:
                played.mark(state, index)
            index += 1

        if waiting_exit:
            state.decision = EXIT
            state.decision_side = state.phase
            state.decision_steps = state.steps
            state.decision_reason = waiting_exit
            state.expected_exit = expected_exit

    def finish(self, state: CoreState, core: CoreSettings, end: int, played: Played) -> None:
        """Close the open position after the last bar (rule 19 of ``firstwatch.strategy``)."""
        state.last_close = self._closes[end - 1]
        closed = state.trades
        end_data(state, core)
        if state.trades != closed:
            played.keep(state, self._times[played.entries[-1]], self._times[end - 1])

    def equity(self, played: Played, end: int) -> NDArray[np.float64]:
        """Return run equity at the closes from the pass's first bar up to, not including, ``end``.

        By the formula of ``mark_equity``: an open position is marked at the close.
        """
        stretches = np.array(played.stretches)
        starts = stretches[:, 0].astype(np.int64)
        first = int(starts[0])
        lengths = np.diff(starts, append=end)
        cash, amount, entry = (np.repeat(stretches[:, column], lengths) for column in (1, 2, 3))
        equity: NDArray[np.float64] = cash + amount * (self.candles.close[first:end] - entry)
        return equity

    def _take(self, signals: SignalArrays) -> None:
        self.signals = signals
        self._entry_long = signals.entry_long.data
        self._entry_short = signals.entry_short.data
        self._exit_long = signals.exit_long.data
        self._exit_short = signals.exit_short.data
        self._atr_stop = signals.atr_stop.data
        self._atr_target = signals.atr_target.data
        self._busy_long = self._busy(signals.exit_long)
        self._busy_short = self._busy(signals.exit_short)
        is_entry = (signals.entry_long == 1) | (signals.entry_short == 1)
        self._entries: list[int] = np.flatnonzero(is_entry).tolist()

    def _busy(self, exits: NDArray[np.int8]) -> list[bool]:
        """Return the bars at whose open or close something may be due while in position."""
        busy = (exits == 1) | self._session.must_flatten
        busy[[*self._at_open, *self._inside]] = True
        flags: list[bool] = busy.tolist()
        return flags


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
