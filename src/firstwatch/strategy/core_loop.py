"""One pass of the decision core over candles, for a backtest and for every part of one.

Under the restrictions of the core: interpreted, the columns are lists and memory views; compiled, arrays.
What happens is written into the output, which has a row for every bar of the pass (``levels`` may have none):

    trades      one row per closed trade, in the order of ``TRADE_FIELDS``
    entries     the bar of each entry
    stretches   one row for each stretch of bars over which the ledger does not change: its first bar, cash,
                signed amount, entry price
    dropped     the bars at whose close an entry was decided but not sent
    levels      where it has rows: one for each bar from whose close on stop or target are others: that bar,
                the stop, the target; 0 where there is none
    counts      how many rows of these five are written; the stretches may begin with one
    notes       one row per note, see ``count_notes``
"""
# As in the core: positions, not keywords, and ``if`` instead of a call.
# ruff: noqa: PLR0917

from typing import Any

from firstwatch.strategy.core import close_bar, drop_decision
from firstwatch.strategy.core_replay import (
    hold_until,
    is_waiting,
    open_bar,
    range_bar,
    settle_funding,
)
from firstwatch.strategy.core_state import (
    ATR,
    ENTER,
    EXIT,
    GOES_ON,
    NOTE_KINDS,
    NOTHING,
    CoreSettings,
    CoreState,
)

TRADE_FIELDS = 16
"""Columns of a closed trade, as ``keep_trade`` writes them."""
STRETCH_FIELDS = 4
"""Columns of a stretch, as ``keep_stretch`` writes them."""
NOTE_FIELDS = 4
"""Columns of a note: how often, the first bar, and the size that was reduced most, as asked and granted."""
LEVEL_FIELDS = 3
"""Columns of a change of the levels."""
COUNTS = 5
COUNT_OF_STRETCHES = 2
"""The place of the stretches among the counts."""
NEVER = 2**62
"""The bar after the last of a list of bars: none is reached there."""
NOT_PAUSED = 0
PAUSED = 1
DOWN = 2

_DAY_MS = 86_400_000

Column = Any
"""One value per row: a list or a memory view, compiled an array."""
Columns = Any
"""A tuple of columns, or a table: a memory view or an array with two dimensions."""


def play_bars(
    state: CoreState,
    settings: CoreSettings,
    bars: Columns,
    groups: Columns,
    levels: Columns,
    session: Columns,
    busy: Columns,
    funding: Columns,
    entry_bars: Column,
    missed: Column,
    first: int,
    end: int,
    pause: int,
    last_entry_ms: int,
    next_entry: int,
    next_funding: int,
    output: Columns,
) -> None:
    """Play the bars ``first`` up to, not including, ``end``; pass over those that cannot change the core.

    ``bars``: time_ms, open, high, low, close, volume. ``groups``: entry long, entry short, exit long, exit
    short. ``levels``: the ATR of stop and target; not read where a level needs none. ``session``: may enter,
    must flatten. ``busy``, for a long and a short: whether something may be due at a bar's open or close
    while in position. ``funding``: the bar, whether at its close (else at its open), the rate;
    ``entry_bars``: the bars with a true entry group; both end with ``NEVER`` and are read from
    ``next_funding`` and ``next_entry`` on. ``missed``: for each bar whether an entry decided at its close is
    dropped; empty: none. ``last_entry_ms``: the bar's time of the last entry before this pass.

    ``pause``: ``PAUSED``: no entry is decided at these closes. ``DOWN``: the same, and an exit that is
    decided waits until the open of the bar at ``end``, if the position is still open then.
    """
    times, opens, highs, lows, closes, volumes = bars
    entry_long, entry_short, exit_long, exit_short = groups
    atr_stops, atr_targets = levels
    may_enter, must_flatten = session
    busy_long, busy_short = busy
    funding_bars, funding_at_close, funding_rates = funding
    trades, entries, stretches, dropped, levels_at, counts, notes = output
    needs_atr_stop = settings.stop_kind == ATR
    needs_atr_target = settings.target_kind == ATR
    has_missed = len(missed) > 0
    has_levels = len(levels_at) > 0
    stop = state.stop if state.steps > 0 else 0.0
    target = state.target if state.steps > 0 else 0.0
    level_count = 0
    atr_stop = 0.0
    atr_target = 0.0
    waiting_exit = 0
    expected_exit = 0.0
    entry_ms = last_entry_ms
    trade_count = 0
    entry_count = 0
    stretch_count = counts[COUNT_OF_STRETCHES]
    dropped_count = 0
    funding_bar = funding_bars[next_funding]

    index = first
    while index < end:
        if state.steps > 0:
            index = hold_until(
                state, settings, index, end, highs, lows, busy_long if state.phase > 0 else busy_short
            )
        elif is_waiting(state, settings) == 1:
            if state.stop_run != GOES_ON:
                break
            while entry_bars[next_entry] < index:
                next_entry += 1
            index = entry_bars[next_entry]
        if index >= end:
            break
        cash = state.cash
        steps = state.steps
        opened = state.entries
        closed = state.trades
        time_ms = times[index]
        price = opens[index]
        high = highs[index]
        low = lows[index]
        close = closes[index]
        while funding_bar < index:
            next_funding += 1
            funding_bar = funding_bars[next_funding]
        if funding_bar == index and funding_at_close[next_funding] == 0:
            settle_funding(state, settings, price, funding_rates[next_funding])
            next_funding += 1
            funding_bar = funding_bars[next_funding]
        open_bar(state, settings, price)
        range_bar(state, settings, high, low, volumes[index])
        while funding_bar == index:
            settle_funding(state, settings, close, funding_rates[next_funding])
            next_funding += 1
            funding_bar = funding_bars[next_funding]
        if needs_atr_stop:
            atr_stop = atr_stops[index]
        if needs_atr_target:
            atr_target = atr_targets[index]
        close_bar(
            state,
            settings,
            time_ms,
            price,
            high,
            low,
            close,
            entry_long[index],
            entry_short[index],
            exit_long[index],
            exit_short[index],
            atr_stop,
            atr_target,
            may_enter[index] if pause == NOT_PAUSED else -1,
            must_flatten[index],
            time_ms // _DAY_MS,
        )
        if has_missed and state.decision == ENTER and missed[index]:
            drop_decision(state)
            dropped[dropped_count] = index
            dropped_count += 1
        if pause == DOWN and state.decision == EXIT:
            waiting_exit = state.decision_reason
            expected_exit = state.expected_exit
            state.decision = NOTHING
            state.expected_exit = 0.0
        if state.notes != 0:
            count_notes(state, index, notes)
        if state.entries != opened:
            entry_ms = time_ms
            entries[entry_count] = index
            entry_count += 1
        if state.trades != closed:
            keep_trade(state, entry_ms, time_ms, trades, trade_count)
            trade_count += 1
            waiting_exit = 0
        if state.cash != cash or state.steps != steps or state.entries != opened or state.trades != closed:
            keep_stretch(state, index, stretches, stretch_count)
            stretch_count += 1
        if has_levels:
            was_stop = stop
            was_target = target
            stop = state.stop if state.steps > 0 else 0.0
            target = state.target if state.steps > 0 else 0.0
            if stop != was_stop or target != was_target:
                levels_at[level_count, 0] = index
                levels_at[level_count, 1] = stop
                levels_at[level_count, 2] = target
                level_count += 1
        index += 1

    if waiting_exit != 0:
        state.decision = EXIT
        state.decision_side = state.phase
        state.decision_steps = state.steps
        state.decision_reason = waiting_exit
        state.expected_exit = expected_exit
    counts[0] = trade_count
    counts[1] = entry_count
    counts[COUNT_OF_STRETCHES] = stretch_count
    counts[3] = dropped_count
    counts[4] = level_count


def keep_trade(state: CoreState, entry_ms: int, exit_ms: int, trades: Columns, row: int) -> None:
    """Write the trade that was just closed; the times are the opens of its bars."""
    trades[row, 0] = state.closed_side
    trades[row, 1] = entry_ms
    trades[row, 2] = state.closed_entry_price
    trades[row, 3] = exit_ms
    trades[row, 4] = state.closed_exit_price
    trades[row, 5] = state.closed_steps
    trades[row, 6] = state.closed_gross
    trades[row, 7] = state.closed_fees
    trades[row, 8] = state.closed_funding
    trades[row, 9] = state.closed_pnl
    trades[row, 10] = state.closed_reason
    trades[row, 11] = state.closed_bars_held
    trades[row, 12] = state.closed_adverse
    trades[row, 13] = state.closed_favourable
    trades[row, 14] = state.closed_expected_entry
    trades[row, 15] = state.closed_expected_exit


def keep_stretch(state: CoreState, index: int, stretches: Columns, row: int) -> None:
    """Write the ledger as it is from the close of the bar at ``index`` on."""
    stretches[row, 0] = index
    stretches[row, 1] = state.cash
    stretches[row, 2] = 0.0
    stretches[row, 3] = 0.0
    if state.steps > 0:
        stretches[row, 2] = state.phase * state.amount
        stretches[row, 3] = state.entry_price


def count_notes(state: CoreState, index: int, notes: Columns) -> None:
    """Count the core's notes up to the close of the bar at ``index``, and clear them.

    The row of a note is the number of its bit. The size that was reduced most is kept.
    """
    bits = state.notes
    state.notes = 0
    for row in range(NOTE_KINDS):
        if bits & (1 << row) == 0:
            continue
        if notes[row, 0] == 0.0:
            notes[row, 1] = index
        notes[row, 0] += 1.0
        if notes[row, 0] == 1.0 or state.size_granted * notes[row, 2] < notes[row, 3] * state.size_asked:
            notes[row, 2] = state.size_asked
            notes[row, 3] = state.size_granted
