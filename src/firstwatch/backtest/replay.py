"""Passes of the decision core over candles: one mechanism for a backtest and for every part of one.

``Replay`` holds the data shared by all passes, prepared once; ``Played`` the result of one pass.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from firstwatch.backtest.notes import NoteKeeper
from firstwatch.backtest.record import BARS_AT_ONCE, TradeTable
from firstwatch.market.funding import FundingSeries
from firstwatch.market.sessions import SessionCalendar
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.compiled import Loop, read_only
from firstwatch.strategy.core import CoreSettings, CoreState, enter_now
from firstwatch.strategy.core_loop import (
    COUNT_OF_STRETCHES,
    COUNTS,
    DOWN,
    LEVEL_FIELDS,
    NEVER,
    NOT_PAUSED,
    NOTE_FIELDS,
    PAUSED,
    STRETCH_FIELDS,
    TRADE_FIELDS,
    count_notes,
    keep_stretch,
    keep_trade,
    play_bars,
)
from firstwatch.strategy.core_replay import end_data
from firstwatch.strategy.core_state import NOTE_KINDS
from firstwatch.strategy.evaluation import SignalArrays

_Number = TypeVar("_Number", np.float64, np.int64)

_SMALL_ROWS = 4_096
"""Up to so many bars the output is kept as it is: a copy costs more than the memory."""


@dataclass(slots=True)
class Played:
    """Result of a pass so far; further bars may follow."""

    _trades: list[NDArray[np.float64]] = field(default_factory=list)
    _entries: list[NDArray[np.int64]] = field(default_factory=list)
    _missed: list[NDArray[np.int64]] = field(default_factory=list)
    _stretches: list[NDArray[np.float64]] = field(default_factory=list)
    _levels: list[NDArray[np.float64]] = field(default_factory=list)
    has_levels: bool = False
    """Stop and target are kept."""

    @property
    def records(self) -> TradeTable:
        """The trades that are closed."""
        return TradeTable(_joined(self._trades, np.empty((0, TRADE_FIELDS))))

    @property
    def entries(self) -> NDArray[np.int64]:
        """The bar of each entry."""
        return _joined(self._entries, np.empty(0, dtype=np.int64))

    @property
    def missed(self) -> NDArray[np.int64]:
        """The bars at whose close an entry was decided but not sent."""
        return _joined(self._missed, np.empty(0, dtype=np.int64))

    @property
    def stretches(self) -> NDArray[np.float64]:
        """One row for each stretch of bars over which the ledger does not change: its first bar, cash, signed
        amount, entry price. Of two with the same first bar the later one holds."""
        return _joined(self._stretches, np.empty((0, STRETCH_FIELDS)))

    @property
    def levels(self) -> NDArray[np.float64]:
        """One row for each bar from whose close on the levels are others: bar, stop, target; 0: none."""
        return _joined(self._levels, np.empty((0, LEVEL_FIELDS)))

    @property
    def last_entry(self) -> int | None:
        """The bar of the last entry; None: there is none yet."""
        return int(self._entries[-1][-1]) if self._entries else None

    def keep(self, state: CoreState, entry_ms: int, exit_ms: int) -> None:
        """Keep the trade that was just closed."""
        row = np.empty((1, TRADE_FIELDS))
        keep_trade(state, entry_ms, exit_ms, row, 0)
        self._trades.append(row)

    def output(self, state: CoreState, first: int, end: int, notes: NDArray[np.float64]) -> "Output":
        """Return an output for the bars ``first`` to ``end``, with the ledger at the first bar of all."""
        output = Output.of_bars(end - first, notes, has_levels=self.has_levels)
        if not self._stretches:
            keep_stretch(state, first, output.stretches, 0)
            output.counts[COUNT_OF_STRETCHES] = 1
        return output

    def take(self, output: "Output") -> None:
        """Take what was played over further bars."""
        trades, entries, stretches, missed, levels = output.counts.tolist()
        if trades:
            self._trades.append(_first(output.trades, trades))
        if entries:
            self._entries.append(_first(output.entries, entries))
        if stretches:
            self._stretches.append(_first(output.stretches, stretches))
        if missed:
            self._missed.append(_first(output.missed, missed))
        if levels:
            self._levels.append(_first(output.levels, levels))


class Output(NamedTuple):
    """The output of ``play_bars``."""

    trades: NDArray[np.float64]
    entries: NDArray[np.int64]
    stretches: NDArray[np.float64]
    missed: NDArray[np.int64]
    levels: NDArray[np.float64]
    counts: NDArray[np.int64]
    notes: NDArray[np.float64]

    @classmethod
    def of_bars(cls, bars: int, notes: NDArray[np.float64], *, has_levels: bool = False) -> "Output":
        """Return an output with a row for every bar; memory that is not written is not taken."""
        return cls(
            np.empty((bars, TRADE_FIELDS)),
            np.empty(bars, dtype=np.int64),
            np.empty((bars + 1, STRETCH_FIELDS)),
            np.empty(bars, dtype=np.int64),
            np.empty((bars if has_levels else 0, LEVEL_FIELDS)),
            np.zeros(COUNTS, dtype=np.int64),
            notes,
        )


class _Columns(NamedTuple):
    """The data of a replay as ``play_bars`` takes them, from ``bars`` to ``entry_bars``."""

    bars: tuple[Any, ...]
    groups: tuple[Any, ...]
    levels: tuple[Any, ...]
    session: tuple[Any, ...]
    busy: tuple[Any, ...]
    funding: tuple[Any, ...]
    entry_bars: Any


class ReplayBars:
    """Candles, session and funding of a replay, whatever the signals."""

    def __init__(self, candles: CandleArrays, calendar: SessionCalendar, funding: FundingSeries) -> None:
        self.candles = candles
        self.session = calendar.flags(candles.time_ms, candles.timeframe)
        self.funding = _funding_by_bar(funding, candles)

    @cached_property
    def read(self) -> tuple[Any, ...]:
        """The candles as the interpreter reads them fastest."""
        candles = self.candles
        return (
            candles.time_ms.data,
            candles.open.data,
            candles.high.tolist(),
            candles.low.tolist(),
            candles.close.data,
            candles.volume.data,
        )


class Replay:
    """Candles and the signals on them; immutable, so any number of passes share it.

    A pass over ``[a, c)`` does the same as one over ``[a, b)`` and one over ``[b, c)`` with the same state.
    """

    def __init__(self, bars: ReplayBars, signals: SignalArrays) -> None:
        self._bars = bars
        self.signals = signals

    @property
    def candles(self) -> CandleArrays:
        """The candles."""
        return self._bars.candles

    def with_signals(self, signals: SignalArrays) -> "Replay":
        """Return a replay of the same candles with other signals."""
        return Replay(self._bars, signals)

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
            int(self._bars.session.may_enter[index]),
        )
        if notes is not None:
            count_notes(state, index, notes.counted)

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
        loop: Loop | None = None,
    ) -> None:
        """Play the bars ``first`` up to, not including, ``end``; those that cannot change the core are
        passed over.

        ``loop``: the compiled one; None: the bars are interpreted, with the same result.

        ``is_paused``: no entry is decided at these closes. ``is_down``: the same, and an exit that is decided
        waits until the open of the bar at ``end``, if the position is still open then. ``missed``: for each
        bar of the candles, whether an entry decided at its close is dropped.
        """
        if first >= end:
            return
        counted = np.zeros((NOTE_KINDS, NOTE_FIELDS)) if notes is None else notes.counted
        output = played.output(state, first, end, counted)
        if loop is None:
            run: Loop = play_bars
            columns = self._lists
            dropped: Any = () if missed is None else missed
            written: tuple[Any, ...] = tuple(rows.data for rows in output)
        else:
            run, columns = loop, self._arrays
            dropped = read_only(np.array([] if missed is None else missed, dtype=np.bool_))
            written = tuple(output)
        run(
            state,
            core,
            *columns,
            dropped,
            first,
            end,
            DOWN if is_down else PAUSED if is_paused else NOT_PAUSED,
            self._entry_ms(played),
            bisect_left(columns.entry_bars, first),
            bisect_left(columns.funding[0], first),
            written,
        )
        played.take(output)

    def finish(self, state: CoreState, core: CoreSettings, end: int, played: Played) -> None:
        """Close the open position after the last bar (rule 19 of ``firstwatch.strategy``)."""
        state.last_close = float(self.candles.close[end - 1])
        closed = state.trades
        end_data(state, core)
        if state.trades != closed:
            played.keep(state, self._entry_ms(played), int(self.candles.time_ms[end - 1]))

    def equity(self, played: Played, end: int) -> NDArray[np.float64]:
        """Return run equity at the closes from the pass's first bar up to, not including, ``end``.

        By the formula of ``mark_equity``: an open position is marked at the close.
        """
        stretches = played.stretches
        bounds = np.append(stretches[:, 0].astype(np.int64), end)
        first = int(bounds[0])
        equity = np.empty(end - first)
        # In parts that stay in the processor's cache: new memory costs more than the arithmetic.
        parts = np.unique(np.append(np.searchsorted(bounds, range(first, end, BARS_AT_ONCE)), len(stretches)))
        for one, other in pairwise(parts.tolist()):
            lengths, bars = np.diff(bounds[one : other + 1]), slice(bounds[one], bounds[other])
            cash, amount, entry = (np.repeat(stretches[one:other, column], lengths) for column in (1, 2, 3))
            # cash + amount * (close - entry)
            np.subtract(self.candles.close[bars], entry, out=entry)
            np.multiply(amount, entry, out=entry)
            np.add(cash, entry, out=equity[bars.start - first : bars.stop - first])
        return equity

    def levels(self, played: Played, first: int, end: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the stop and the target that each bar from ``first`` up to, not including, ``end`` met.

        That is the one at the close before; on the bar of an entry the one at its own close. NaN: none. The
        pass has kept them (``Played.has_levels``).
        """
        rows = played.levels
        bars = np.append(rows[:, 0].astype(np.int64), end)
        found = []
        for column in (1, 2):
            at_close = np.zeros(end - first)
            at_close[bars[0] - first :] = np.repeat(rows[:, column], np.diff(bars))
            met = np.append(0.0, at_close[:-1])
            met = np.where(met == 0.0, at_close, met)
            met[met == 0.0] = np.nan
            found.append(met)
        return found[0], found[1]

    def _entry_ms(self, played: Played) -> int:
        """Return the open time of the last entry's bar; 0: there was none."""
        entry = played.last_entry
        return 0 if entry is None else int(self.candles.time_ms[entry])

    @cached_property
    def _lists(self) -> _Columns:
        """All columns as the interpreter reads them fastest."""
        signals, session = self.signals, self._bars.session
        return _Columns(
            self._bars.read,
            tuple(
                flags.data
                for flags in (signals.entry_long, signals.entry_short, signals.exit_long, signals.exit_short)
            ),
            (signals.atr_stop.data, signals.atr_target.data),
            (session.may_enter.view(np.int8).data, session.must_flatten.view(np.int8).data),
            (self._busy(signals.exit_long).tolist(), self._busy(signals.exit_short).tolist()),
            tuple(column.tolist() for column in self._bars.funding),
            self._entry_bars().tolist(),
        )

    @cached_property
    def _arrays(self) -> _Columns:
        """All columns as the compiled loop reads them."""
        candles, signals, session = self.candles, self.signals, self._bars.session
        return _Columns(
            _read_only(
                candles.time_ms, candles.open, candles.high, candles.low, candles.close, candles.volume
            ),
            _read_only(signals.entry_long, signals.entry_short, signals.exit_long, signals.exit_short),
            _read_only(_if_read(signals.atr_stop), _if_read(signals.atr_target)),
            _read_only(session.may_enter.view(np.int8), session.must_flatten.view(np.int8)),
            _read_only(self._busy(signals.exit_long), self._busy(signals.exit_short)),
            _read_only(*self._bars.funding),
            read_only(self._entry_bars()),
        )

    def _entry_bars(self) -> NDArray[np.int64]:
        """Return the bars with a true entry group, and ``NEVER`` after them."""
        is_entry = (self.signals.entry_long == 1) | (self.signals.entry_short == 1)
        return np.append(np.flatnonzero(is_entry), NEVER)

    def _busy(self, exits: NDArray[np.int8]) -> NDArray[np.bool_]:
        """Return the bars at whose open or close something may be due while in position."""
        busy: NDArray[np.bool_] = (exits == 1) | self._bars.session.must_flatten
        busy[self._bars.funding[0][:-1]] = True
        return busy


def _if_read(level: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the column of a level; of one without an ATR, one number repeated and never read, only one."""
    return level if level.strides[0] else level[:1]


def _read_only(*columns: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    return tuple(map(read_only, columns))


def _first(rows: NDArray[_Number], count: int) -> NDArray[_Number]:
    return rows[:count] if len(rows) <= _SMALL_ROWS else rows[:count].copy()


def _joined(parts: list[Any], nothing: NDArray[Any]) -> NDArray[Any]:
    if len(parts) == 1:
        joined: NDArray[Any] = parts[0]
        return joined
    return np.concatenate(parts) if parts else nothing


def _funding_by_bar(
    funding: FundingSeries, candles: CandleArrays
) -> tuple[NDArray[np.int64], NDArray[np.int8], NDArray[np.float64]]:
    """Return of each funding its bar, whether it is due at the close and its rate; ``NEVER`` after them.

    One due exactly at the open of a bar is paid there, one inside of it at its close. One in a hole has no
    price to settle at: none is due.
    """
    bar = np.searchsorted(candles.time_ms, funding.time_ms, side="right") - 1
    since_ms = funding.time_ms - candles.time_ms[bar] if len(candles) else np.zeros_like(bar)
    is_there = (bar >= 0) & (since_ms < candles.timeframe.ms)
    return (
        np.append(bar[is_there], NEVER),
        np.append(since_ms[is_there] > 0, np.True_).astype(np.int8),
        np.append(funding.rate[is_there], 0.0),
    )
