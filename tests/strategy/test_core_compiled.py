"""The compiled core makes the same trades as the interpreted one: the form allows both."""

import numpy as np
import pytest

from firstwatch.strategy import core, core_prices, core_replay
from firstwatch.strategy.core_state import CoreSettings, CoreState, record_fields
from tests.strategy.core_runs import random_flags, random_settings

numba = pytest.importorskip("numba")


def play(state, settings, bars, flags, trades):
    """One pass over arrays, as the interpreted and the compiled program both can run it."""
    count = 0
    for index in range(len(bars)):
        closed = state.trades
        core_replay.open_bar(state, settings, bars[index, 0])
        core_replay.range_bar(state, settings, bars[index, 1], bars[index, 2], 1.0)
        core.close_bar(
            state, settings, index * 3_600_000, bars[index, 0], bars[index, 1], bars[index, 2],
            bars[index, 3], flags[index, 0], flags[index, 1], flags[index, 2], flags[index, 3],
            1.5, 2.5, flags[index, 4], 0, index // 24,
        )  # fmt: skip
        if state.trades != closed:
            trades[count, 0] = index
            trades[count, 1] = state.closed_side
            trades[count, 2] = state.closed_reason
            trades[count, 3] = state.closed_steps
            trades[count, 4] = state.closed_exit_price
            trades[count, 5] = state.closed_pnl
            count += 1
    core_replay.end_data(state, settings)
    trades[count, 5] = state.cash
    return count


def as_record(table, source):
    record = np.zeros(1, dtype=np.dtype(record_fields(table)))
    for name, _, _ in record_fields(table):
        record[name] = getattr(source, name)
    return record[0]


def test_compiled_and_interpreted_trades_are_equal():
    for module in (core_prices, core, core_replay):
        for function in vars(module).values():
            is_own = getattr(function, "__module__", "") == module.__name__
            if is_own and callable(function) and function.__name__ not in {"new_state", "hold_until"}:
                numba.extending.register_jitable(function)
    compiled = numba.njit(play)
    total = 0
    for seed in range(40):
        settings = random_settings(seed)
        bars, flags = random_flags(seed, 400)
        state = core.new_state(settings)
        ours = np.zeros((400, 6))
        theirs = np.zeros((400, 6))
        count = play(state, settings, bars, flags, ours)
        record = as_record(CoreState, core.new_state(settings))
        assert compiled(record, as_record(CoreSettings, settings), bars, flags, theirs) == count
        assert np.array_equal(ours, theirs)
        assert record["equity"] == state.equity
        total += count
    assert total > 400
