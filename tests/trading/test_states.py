"""The state tables refuse every move that they do not hold."""

from itertools import product

import pytest

from firstwatch.trading.errors import IllegalTransitionError
from firstwatch.trading.orders import ORDER_TRANSITIONS, OrderState, move_order
from firstwatch.trading.runs import RUN_TRANSITIONS, RunState, move_run


@pytest.mark.parametrize(("old", "new"), product(RunState, RunState))
def test_a_run_moves_only_by_its_table(old, new):
    if new in RUN_TRANSITIONS[old]:
        assert move_run(old, new) is new
    else:
        with pytest.raises(IllegalTransitionError, match=f"from {old} to {new}"):
            move_run(old, new)


@pytest.mark.parametrize(("old", "new"), product(OrderState, OrderState))
def test_an_order_moves_only_by_its_table(old, new):
    if new in ORDER_TRANSITIONS[old]:
        assert move_order(old, new) is new
    else:
        with pytest.raises(IllegalTransitionError, match=f"from {old} to {new}"):
            move_order(old, new)


def test_a_final_run_never_moves():
    assert all(not RUN_TRANSITIONS[state] for state in RunState if state.is_final)


def test_a_fill_is_still_taken_after_a_cancel():
    assert move_order(OrderState.CANCELED, OrderState.FILLED) is OrderState.FILLED
