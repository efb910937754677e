"""Properties of entries in slices, on random prices, pauses and exits."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstwatch.strategy import core_state as codes
from firstwatch.strategy.core import amount_of, close_bar, end_slice, new_state
from firstwatch.strategy.core_replay import end_data, open_bar, range_bar
from firstwatch.strategy.core_state import CoreSettings

HOUR_MS = 3_600_000
bars = st.lists(
    st.tuples(st.floats(-0.03, 0.03), st.booleans(), st.sampled_from([1, 1, 1, 1, 1, 0, -1])),
    min_size=4,
    max_size=40,
)
"""Change of the price, the exit group, may enter."""


def settings_of(draw: st.DrawFn) -> CoreSettings:
    return CoreSettings(
        allows_short=0,
        capital=draw(st.sampled_from([60.0, 1_000.0, 10_000.0])),
        leverage=draw(st.sampled_from([1.0, 10.0])),
        sizing_value=draw(st.sampled_from([0.2, 1.0])),
        stop_kind=draw(st.sampled_from([codes.NO_LEVEL, codes.FRACTION])),
        stop_value=0.02,
        order_kind=codes.TWAP_ORDER,
        order_bars=draw(st.integers(1, 12)),
        step_units=1.0,
        step_scale=draw(st.sampled_from([10.0, 1e4])),
        minimum_steps=draw(st.sampled_from([0, 3])),
        slippage=draw(st.sampled_from([0.0, 0.002])),
    )


chosen = st.composite(settings_of)()


@settings(max_examples=400, deadline=None, derandomize=True)
@given(core=chosen, moves=bars)
def test_slices_sum_up_and_none_is_too_small_or_sent_after_a_cancel(core: CoreSettings, moves: list) -> None:
    state, price = new_state(core), 100.0
    decided = taken = slices = 0
    is_cancelled = was_cut = False
    for number, (change, leaves, may_enter) in enumerate(moves):
        opened, price = price, price * (1 + change)
        before, trades = state.position_steps if state.steps else 0, state.trades
        due = state.entry_steps if state.decision in (codes.ENTER, codes.SLICE) else 0
        open_bar(state, core, opened)
        bought = state.position_steps - before if state.steps or state.trades != trades else 0
        assert bought == due, "each slice that was decided is taken at the next open, and nothing else"
        taken += bought
        range_bar(state, core, max(opened, price), min(opened, price), 1.0)
        entered = state.entries
        close_bar(
            state, core, number * HOUR_MS, opened, max(opened, price), min(opened, price), price,
            number % 2, -1, int(leaves), 0, 0.0, 0.0, may_enter, 0, 0,
        )  # fmt: skip
        assert state.entries == entered
        if state.decision == codes.ENTER:
            decided, taken, slices, is_cancelled, was_cut = state.decision_steps, 0, 1, False, False
        elif state.decision == codes.SLICE:
            assert not is_cancelled, "a slice was decided after what was left was cancelled"
            assert not leaves
            assert may_enter == 1
            slices += 1
        was_cut = was_cut or bool(state.notes & codes.NOTE_SLICE_CUT)
        state.notes = 0
        if state.decision in (codes.ENTER, codes.SLICE):
            steps = state.entry_steps
            assert steps >= core.minimum_steps
            assert amount_of(core, steps) * price >= core.minimum_cost
            assert slices + state.slices <= core.order_bars
            assert taken + steps + state.slices_steps <= decided
            if not was_cut:
                assert taken + steps + state.slices_steps == decided
        if state.decision in (codes.EXIT, codes.CANCEL_ENTRY) or state.steps == 0 != state.trades:
            is_cancelled = state.decision != codes.ENTER
            assert state.slices == state.slices_steps == 0 or state.decision == codes.ENTER
        if decided and not is_cancelled and not was_cut and state.slices == 0 and state.entry_steps == 0:
            assert taken == decided, "all slices together are what was decided"


@settings(max_examples=200, deadline=None, derandomize=True)
@given(core=chosen)
def test_slices_are_equal_and_the_rest_is_in_the_last(core: CoreSettings) -> None:
    state, amounts = new_state(core), []
    core.stop_kind = codes.NO_LEVEL
    for number in range(core.order_bars + 2):
        open_bar(state, core, 100.0)
        close_bar(
            state, core, number * HOUR_MS, 100.0, 100.0, 100.0, 100.0,
            int(number > 0), -1, 0, 0, 0.0, 0.0, 1, 0, 0,
        )  # fmt: skip
        if state.decision in (codes.ENTER, codes.SLICE):
            amounts.append(state.entry_steps)
    if not amounts or core.slippage:
        return
    total, least = sum(amounts), max(core.minimum_steps, 1)
    assert len(amounts) <= core.order_bars
    assert amounts[:-1] == [total // len(amounts)] * (len(amounts) - 1)
    assert amounts[-1] == total - sum(amounts[:-1])
    more = total // (len(amounts) + 1)
    is_too_small = more < least or amount_of(core, more) * 100.0 < core.minimum_cost
    assert len(amounts) == core.order_bars or is_too_small


@pytest.mark.parametrize("ends_data", [True, False])
def test_a_slice_that_never_fills_does_not_count_for_what_was_expected(ends_data: bool) -> None:
    """The candles end, or the slice is dropped, after the third one was decided at 120."""
    core = CoreSettings(order_kind=codes.TWAP_ORDER, order_bars=3, sizing_value=0.3)
    state = new_state(core)
    for number, price in enumerate((100.0, 100.0, 110.0, 120.0)):
        open_bar(state, core, price)
        close_bar(
            state, core, number * HOUR_MS, price, price, price, price,
            int(number > 0), -1, 0, 0, 0.0, 0.0, 1, 0, 0,
        )  # fmt: skip
    assert state.decision == codes.SLICE
    assert state.expected_entry == pytest.approx(110.0, rel=1e-6)
    if ends_data:
        end_data(state, core)
        assert state.closed_expected_entry == pytest.approx(105.0, rel=1e-6)
    else:
        end_slice(state)
        end_slice(state)
        assert state.expected_entry == pytest.approx(105.0, rel=1e-6)
