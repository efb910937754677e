"""Rules 7 to 27 of ``firstwatch.strategy`` by hand, on the core itself."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstwatch.strategy import core_state as codes
from firstwatch.strategy.core import (
    adopt,
    book_entry,
    book_exit,
    book_funding,
    close_bar,
    drop_decision,
    enter_now,
    entry_ended,
    liquidation_price,
    new_state,
    price_gross,
    resume_entries,
    round_level,
    stop_level,
    tick_at,
)
from firstwatch.strategy.core_replay import end_data, open_bar, range_bar, settle_funding
from firstwatch.strategy.core_settings import exit_reason, reason_code
from firstwatch.strategy.core_state import CoreSettings
from firstwatch.trading.market import Market
from firstwatch.trading.runs import ExitReason


class Run:
    """Bars fed one by one; flags default to "false, valued"."""

    def __init__(self, **changes):
        defaults = dict(
            sizing_kind=codes.SIZE_FIXED, sizing_value=1000.0, capital=10_000.0,
            taker_fee=0.0, maker_fee=0.0, minimum_cost=0.0,
        )  # fmt: skip
        self.settings = CoreSettings(**(defaults | changes))
        self.state = new_state(self.settings)
        self.count = 0
        self.hour = 0

    def bar(
        self, o, h=None, low=None, c=None, *, el=0, es=0, xl=0, xs=0, may=1, flatten=0, atr=0.0, day=0,
        volume=1.0,
    ):  # fmt: skip
        h = o if h is None else h
        low = o if low is None else low
        c = o if c is None else c
        open_bar(self.state, self.settings, float(o))
        range_bar(self.state, self.settings, float(h), float(low), volume)
        close_bar(
            self.state, self.settings, self.hour * 3_600_000, float(o), float(h), float(low), float(c),
            el, es, xl, xs, atr, atr, may, flatten, day,
        )  # fmt: skip
        self.hour += 1
        return self.state

    def enter(self, price=100, side=1, **bar):
        """Arm, decide and fill a market entry at ``price``."""
        flags = {"el": 1} if side > 0 else {"es": 1}
        self.bar(price)
        self.bar(price, **flags)
        return self.bar(price, **bar)

    @property
    def reason(self):
        return exit_reason(self.state.closed_reason)


def test_an_entry_waits_until_its_group_was_false():
    run = Run()
    assert run.bar(100, el=1).decision == codes.NOTHING
    assert run.bar(100, el=-1).armed_long == 0, "a group without a value does not arm"
    assert run.bar(100, el=0).armed_long == 1
    state = run.bar(100, el=1)
    assert (state.decision, state.decision_side, state.decision_steps) == (codes.ENTER, 1, 10_000_000)
    run.bar(101)
    assert (state.phase, state.entry_price, state.entries) == (codes.LONG, 101.0, 1)


def test_a_market_entry_pays_slippage_and_fee():
    run = Run(slippage=0.001, half_spread=0.001, taker_fee=0.01)
    state = run.enter(100)
    assert state.entry_price == pytest.approx(100.2)
    assert state.cash == pytest.approx(10_000 - 10 * 100.2 * 0.01)
    assert state.expected_entry == 100.0


def test_both_sides_met_is_ambiguous_until_one_or_none_is():
    run = Run(allows_short=1, cooldown_bars=5)
    run.bar(100)
    assert run.bar(100, el=1, es=1).phase == codes.RESET
    assert run.state.reset_cause == codes.AMBIGUOUS
    assert run.bar(100, el=1, es=1).decision == codes.NOTHING
    state = run.bar(100, es=1)
    assert (state.decision, state.decision_side) == (codes.ENTER, -1), "no cooldown after ambiguity"
    drop_decision(state)
    run.bar(100, el=1, es=1)
    assert run.bar(100).phase == codes.FLAT


def test_levels_are_rounded_toward_the_entry():
    settings = CoreSettings(stop_kind=codes.FRACTION, stop_value=0.0333, tick_units=5.0, tick_scale=10.0)
    assert stop_level(settings, 1, 100.0, 0.0) == 97.0
    assert stop_level(settings, -1, 100.0, 0.0) == 103.0
    run = Run(target_kind=codes.AMOUNT, target_value=3.3, tick_units=5.0, tick_scale=10.0)
    assert run.enter(100).target == 103.0
    run = Run(allows_short=1, target_kind=codes.ATR, target_value=2.0, tick_units=5.0, tick_scale=10.0)
    run.bar(100)
    run.bar(100, es=1, atr=1.6)
    assert run.bar(100, atr=99.0).target == 97.0, "the ATR of the decision close stays"


def test_the_stop_wins_inside_one_bar_and_pays_slippage():
    run = Run(stop_kind=codes.FRACTION, stop_value=0.05, target_kind=codes.FRACTION, target_value=0.1,
              slippage=0.01, taker_fee=0.001)  # fmt: skip
    state = run.enter(100)
    stop = state.stop
    run.bar(101, 120, 90)
    assert run.reason is ExitReason.STOP_LOSS
    assert state.closed_exit_price == pytest.approx(stop * 0.99)
    assert state.closed_expected_exit == stop
    assert state.closed_bars_held == 1


def test_a_target_is_paid_exactly_by_a_maker():
    run = Run(target_kind=codes.FRACTION, target_value=0.1, slippage=0.01, maker_fee=0.001, taker_fee=0.5)
    run.bar(100)
    run.bar(100, el=1)
    state = run.bar(100, 200)
    assert run.reason is ExitReason.TAKE_PROFIT, "the entry bar's range counts"
    assert state.closed_exit_price == 111.1
    assert state.closed_fees == pytest.approx(101 * 10 * 0.5 + 111.1 * 10 * 0.001)


def test_an_open_beyond_the_stop_exits_at_the_open():
    run = Run(stop_kind=codes.FRACTION, stop_value=0.05, slippage=0.01)
    run.enter(100)
    state = run.bar(80, 200, 80)
    assert run.reason is ExitReason.STOP_LOSS
    assert state.closed_exit_price == pytest.approx(80 * 0.99)


def test_an_open_beyond_the_target_exits_at_the_target():
    run = Run(target_kind=codes.FRACTION, target_value=0.1)
    run.enter(100)
    assert run.bar(150).closed_exit_price == 110.0


@pytest.mark.parametrize("side", [1, -1])
def test_a_stop_that_the_entrys_own_slippage_has_passed_executes_at_the_open(side):
    run = Run(allows_short=1, stop_kind=codes.FRACTION, stop_value=0.001, slippage=0.01)
    state = run.enter(100, side, low=99.9, h=100.1)
    assert state.closed_entry_price == 100 + side, "so the stop lies outside of the bar"
    assert state.closed_exit_price == 100 - side
    assert (run.reason, state.closed_bars_held) == (ExitReason.STOP_LOSS, 0)


def test_a_liquidation_price_that_the_entrys_own_slippage_has_passed_costs_the_margin_at_the_open():
    run = Run(leverage=50.0, slippage=0.01)
    state = run.enter(100, low=99.9, h=100.1)
    assert (run.reason, state.closed_exit_price) == (ExitReason.LIQUIDATION, 100.0)
    assert state.closed_gross == pytest.approx(-1010 * 1000 / 1000)


def test_a_target_is_not_tested_at_the_entry_bars_open():
    """On a coarse tick the target is rounded below the fill; the stop of that bar still wins."""
    run = Run(
        stop_kind=codes.FRACTION, stop_value=0.01, target_kind=codes.FRACTION, target_value=0.001,
        tick_units=1.0, tick_scale=1.0,
    )  # fmt: skip
    run.enter(100.5, low=98, h=101)
    assert run.reason is ExitReason.STOP_LOSS


def test_a_gap_beyond_stop_and_margin_loses_only_the_margin():
    run = Run(leverage=10.0, stop_kind=codes.FRACTION, stop_value=0.05, taker_fee=0.001)
    state = run.enter(100)
    margin = state.margin
    run.bar(50)
    assert run.reason is ExitReason.STOP_LOSS
    assert state.closed_gross == -margin
    assert state.closed_fees == pytest.approx(100 * 100 * 0.001 + 50 * 100 * 0.001)


def test_a_liquidation_costs_the_margin_and_no_further_fee():
    run = Run(leverage=10.0, taker_fee=0.001)
    state = run.enter(100)
    assert state.liquidation == pytest.approx(100 * (1 - 0.1) / (1 - 0.0125))
    margin, level = state.margin, state.liquidation
    run.bar(95, low=90)
    assert run.reason is ExitReason.LIQUIDATION
    assert (state.closed_gross, state.closed_exit_price) == (-margin, level)
    assert state.closed_fees == pytest.approx(100 * 100 * 0.001)


def test_the_nearer_of_stop_and_liquidation_decides():
    run = Run(leverage=10.0, stop_kind=codes.FRACTION, stop_value=0.5)
    run.enter(100)
    run.bar(40)
    assert run.reason is ExitReason.LIQUIDATION
    assert run.state.closed_exit_price == 40.0


def test_a_short_mirrors_a_long():
    run = Run(allows_short=1, leverage=4.0, stop_kind=codes.FRACTION, stop_value=0.05, stop_trails=1)
    state = run.enter(100, side=-1, h=100, low=90, c=91)
    assert (state.phase, state.best, state.stop) == (codes.SHORT, 90.0, 94.5)
    assert state.liquidation == pytest.approx(100 * 1.25 / 1.0125)
    assert state.equity == 10_000 + 9 * state.amount
    run.bar(92, h=95)
    assert run.reason is ExitReason.TRAILING_STOP
    assert state.closed_exit_price == 94.5


def test_trailing_ratchets_at_closes_only():
    run = Run(stop_kind=codes.FRACTION, stop_value=0.1, stop_trails=1)
    state = run.enter(100)
    run.bar(100, h=120, low=95, c=118)
    assert (state.stop, state.stop_moved, state.stop_has_moved) == (108.0, 1, 1), "95 met the old stop of 90"
    run.bar(118, h=119, low=110)
    assert (state.stop, state.stop_moved) == (108.0, 0)


def test_a_stop_that_would_lie_beyond_the_close_exits_at_market():
    run = Run(stop_kind=codes.FRACTION, stop_value=0.1, stop_trails=1)
    state = run.enter(100)
    run.bar(100, h=130, low=100, c=105)
    assert (state.decision, exit_reason(state.decision_reason)) == (codes.EXIT, ExitReason.STOP_LOSS)
    assert state.stop == 90.0, "it is not moved, so the reason is that of the first level"
    run.bar(104)
    assert state.closed_exit_price == 104.0
    assert state.closed_expected_exit == 105.0


def test_the_close_decides_by_stop_then_session_then_guard_then_signal():
    def decided(**bar):
        run = Run(stop_kind=codes.FRACTION, stop_value=0.1, stop_trails=1, has_guards=1,
                  drawdown_limit=0.001, drawdown_action=codes.GUARD_STOPS)  # fmt: skip
        run.enter(100)
        return exit_reason(run.bar(100, **bar).decision_reason)

    assert decided(h=130, c=99, xl=1, flatten=1) is ExitReason.STOP_LOSS
    assert decided(c=95, xl=1, flatten=1) is ExitReason.SESSION
    assert decided(c=95, xl=1) is ExitReason.GUARD
    assert decided(xl=1) is ExitReason.SIGNAL


def test_run_equity_is_marked_and_compounds():
    run = Run(sizing_kind=codes.SIZE_EQUITY, sizing_value=0.5)
    state = run.enter(100, c=110)
    assert state.equity == pytest.approx(10_000 + 10 * 50)
    run.bar(110, xl=1)
    run.bar(110)
    assert state.cash == pytest.approx(10_500)
    state = run.bar(100, el=1)
    assert state.decision_steps == 52_500_000


@pytest.mark.parametrize(
    ("kind", "value", "leverage", "steps"),
    [
        (codes.SIZE_FIXED, 1000.0, 1.0, 10_000_000),
        (codes.SIZE_FIXED, 1000.0, 3.0, 30_000_000),
        (codes.SIZE_FIXED, 50_000.0, 1.0, math.floor(10_000 / (1 + 0.01 + 0.005) / 100 * 1e6)),
        (codes.SIZE_EQUITY, 0.25, 2.0, 50_000_000),
        (codes.SIZE_EQUITY, 1.0, 2.0, math.floor(10_000 / (1 + 2 * 0.015) * 2 / 100 * 1e6)),
        (codes.SIZE_RISK, 0.01, 1.0, 20_000_000),
        (codes.SIZE_RISK, 0.9, 1.0, math.floor(10_000 / (1 + 0.015) / 100 * 1e6)),
    ],
)
def test_sizes(kind, value, leverage, steps):
    run = Run(sizing_kind=kind, sizing_value=value, leverage=leverage, taker_fee=0.01,
              stop_kind=codes.FRACTION, stop_value=0.05)  # fmt: skip
    run.bar(100)
    assert run.bar(100, el=1).decision_steps == steps


def test_equity_is_never_more_than_the_wallet_holds():
    run = Run(sizing_kind=codes.SIZE_EQUITY, sizing_value=0.5)
    run.state.equity_cap = 1000.0
    run.bar(100)
    assert run.bar(100, el=1).decision_steps == 5_000_000
    drop_decision(run.state)
    run.state.equity_cap = 0.0
    assert run.bar(100, el=1).decision == codes.NOTHING


def test_below_the_minimum_is_said_once_until_the_group_was_false():
    run = Run(minimum_cost=2000.0)
    run.bar(100)
    assert [run.bar(100, el=1).refused, run.bar(100, el=1).refused] == [1, 0]
    assert run.state.armed_long == 1
    run.bar(100)
    assert run.bar(100, el=1).refused == 1


# --- limit entries ---------------------------------------------------------------------------------


def limit_run(**changes):
    run = Run(**(dict(order_kind=codes.LIMIT_ORDER, order_offset=0.01, order_timeout_bars=2) | changes))
    run.bar(100)
    state = run.bar(100, el=1)
    assert (state.decision, state.decision_limit) == (codes.ENTER, 99.0)
    return run


def test_a_limit_fills_strictly_below_at_its_price_as_a_maker():
    run = limit_run(maker_fee=0.001, taker_fee=0.5, slippage=0.1)
    assert run.bar(100, low=99).steps == 0, "touching is not enough"
    state = run.bar(100, low=98.99)
    assert state.entry_price == 99.0
    assert state.fees == pytest.approx(99 * state.amount * 0.001)


def test_a_limit_fills_at_a_better_open_as_a_taker_without_slippage():
    run = limit_run(taker_fee=0.001, slippage=0.1)
    state = run.bar(97, h=105, low=97)
    assert (state.entry_price, state.entry_at_open) == (97.0, 1)
    assert state.fees == pytest.approx(97 * state.amount * 0.001)


def test_the_rest_goes_to_market_after_the_timeout():
    run = limit_run(slippage=0.01)
    assert run.bar(100).decision == codes.NOTHING
    assert run.bar(100).decision == codes.REST_AT_MARKET
    state = run.bar(102)
    assert state.entry_price == pytest.approx(102 * 1.01)
    assert state.steps == math.floor(1000 / 99 * 1e6 + 1e-9)


@pytest.mark.parametrize("bar", [{"xl": 1}, {"may": 0}, {"may": -1}])
def test_the_exit_group_or_a_pause_cancels_a_resting_entry(bar):
    run = limit_run()
    assert run.bar(100, **bar).decision == codes.CANCEL_ENTRY
    state = run.bar(90)
    assert (state.steps, state.phase, state.entries) == (0, codes.FLAT, 0)


def test_on_the_bar_of_a_fill_at_the_limit_the_target_waits_and_best_stays():
    run = limit_run(stop_kind=codes.FRACTION, stop_value=0.1, stop_trails=1,
                    target_kind=codes.FRACTION, target_value=0.02)  # fmt: skip
    state = run.bar(100, h=120, low=98, c=99)
    assert state.steps > 0
    assert (state.best, state.favourable, state.adverse) == (99.0, 0.0, 1.0)
    run.bar(99, h=120)
    assert run.reason is ExitReason.TAKE_PROFIT
    run = limit_run(stop_kind=codes.FRACTION, stop_value=0.1)
    assert run.bar(100, low=80).closed_reason == reason_code(ExitReason.STOP_LOSS)


# --- funding, end ------------------------------------------------------------------------------------


def test_funding_is_paid_on_the_position_and_eats_its_margin():
    run = Run(leverage=10.0)
    state = run.enter(100)
    before = state.liquidation
    settle_funding(state, run.settings, 100.0, 0.01)
    assert state.funding == pytest.approx(100.0)
    assert state.margin == pytest.approx(900.0)
    assert state.liquidation == pytest.approx((100 - 9) / (1 - 0.0125))
    assert state.liquidation > before
    settle_funding(state, run.settings, 100.0, -0.01)
    assert state.cash == pytest.approx(10_000)
    flat = new_state(run.settings)
    settle_funding(flat, run.settings, 100.0, 0.01)
    assert flat.cash == 10_000


def test_a_liquidation_after_funding_loses_the_first_margin_in_all():
    run = Run(leverage=10.0)
    state = run.enter(100)
    settle_funding(state, run.settings, 100.0, 0.01)
    run.bar(50)
    assert state.cash == pytest.approx(9000.0)
    assert state.closed_pnl == pytest.approx(-1000.0)


def test_the_end_of_data_closes_at_the_last_close_and_drops_what_is_pending():
    run = Run(slippage=0.01)
    state = run.enter(100, c=105)
    end_data(state, run.settings)
    assert run.reason is ExitReason.END_OF_DATA
    assert state.closed_exit_price == pytest.approx(105 * 0.99)
    run = Run()
    run.bar(100)
    run.bar(100, el=1)
    end_data(run.state, run.settings)
    assert (run.state.entries, run.state.decision, run.state.entry_order) == (0, 0, 0)


# --- reset and chain ----------------------------------------------------------------------------------


def test_the_first_decision_after_a_cooldown_of_n_is_at_close_n_plus_1():
    run = Run(stop_kind=codes.FRACTION, stop_value=0.05, cooldown_bars=3)
    run.enter(100)
    run.bar(100, low=94, el=1)
    assert [run.bar(100, el=1).decision for _ in range(3)] == [codes.NOTHING, codes.NOTHING, codes.ENTER]
    run = Run(stop_kind=codes.FRACTION, stop_value=0.05)
    run.enter(100)
    assert run.bar(100, low=94, el=1).decision == codes.ENTER, "n = 0: at the close of the exit bar"


def test_regular_reset_takes_the_opposite_or_waits_for_false():
    changes = dict(stop_kind=codes.FRACTION, stop_value=0.05, reset_mode=codes.REGULAR, allows_short=1)
    run = Run(**changes)
    run.enter(100)
    assert run.bar(100, low=94, el=1).decision == codes.NOTHING
    assert run.bar(100, el=-1).phase == codes.RESET, "not valued is not false"
    state = run.bar(100, el=1, es=1)
    assert (state.decision, state.decision_side) == (codes.ENTER, -1)
    run = Run(**changes)
    run.enter(100)
    run.bar(100, low=94, el=1)
    assert run.bar(100).phase == codes.FLAT


def test_strict_reset_waits_until_both_groups_are_false():
    run = Run(stop_kind=codes.FRACTION, stop_value=0.05, reset_mode=codes.STRICT, allows_short=1)
    run.enter(100)
    run.bar(100, low=94, es=1)
    assert run.bar(100, es=1).phase == codes.RESET
    assert run.bar(100).phase == codes.FLAT
    assert run.bar(100, es=1).decision == codes.ENTER


def chained(**changes):
    after = 1 << codes.STOP_LOSS
    links = dict(
        links=1, link_after=(after,) * 8, link_wait=(5,) * 8, link_within=(20,) * 8,
        link_needs_signal=(1,) * 8, link_factor=(0.5,) * 8, stop_kind=codes.FRACTION, stop_value=0.05,
    )  # fmt: skip
    run = Run(**(links | changes))
    run.enter(100)
    run.bar(100, low=94, el=1)
    return run


def test_a_link_is_decided_at_closes_wait_plus_1_to_within():
    run = chained()
    decisions = [run.bar(100, el=1).decision for _ in range(5)]
    assert decisions == [0, 0, 0, 0, codes.ENTER], "exit in bar 100: first decided at close 105"
    assert run.state.decision_is_follow_up == 1
    assert run.state.decision_steps == 5_000_000, "size_factor 0.5"
    run = chained()
    for _ in range(18):
        run.bar(100)
    assert run.bar(100, el=1).decision == codes.ENTER, "close 119, the last"
    run = chained(cooldown_bars=22)
    for _ in range(19):
        run.bar(100)
    assert run.state.link == 0
    assert [run.bar(100, el=1).decision for _ in range(3)] == [0, 0, codes.ENTER], "cooldown from bar 1"


def test_a_link_without_signal_decides_once_after_the_wait():
    run = chained(link_needs_signal=(0,) * 8, link_wait=(1,) * 8, link_opposite=(1,) * 8, allows_short=1)
    state = run.bar(100)
    assert (state.decision, state.decision_side) == (codes.ENTER, -1)


def test_a_session_pause_lets_a_link_lapse_and_another_pause_holds_it():
    changes = dict(link_needs_signal=(0,) * 8, link_wait=(1,) * 8, link_within=(4,) * 8)
    run = chained(**changes)
    run.bar(100, may=0)
    assert run.state.link == 0
    run = chained(**changes)
    assert run.bar(100, may=-1).link == 1
    assert run.bar(100).decision == codes.ENTER


def test_the_chain_goes_on_to_the_next_link_and_ends_exhausted():
    run = chained(links=2, link_wait=(1,) * 8)
    assert run.state.link == 1
    run.bar(100, el=1)
    run.bar(100, low=94)
    assert (run.state.chain, run.state.link) == (1, 2)
    run.bar(100, el=1)
    run.bar(100, low=94)
    assert (run.state.chain, run.state.link) == (0, 0), "exhausted: the mode's rules, the chain starts over"
    run = chained(link_wait=(1,) * 8, exhausted_stops=1)
    run.bar(100, el=1)
    assert run.bar(100, low=94).stop_run == codes.STOP_BY_CHAIN


def test_an_exit_that_does_not_match_starts_the_chain_over():
    run = chained(links=2, link_wait=(1,) * 8)
    run.bar(100, el=1)
    assert run.bar(100, xl=1).chain == 1
    state = run.bar(100)
    assert run.reason is ExitReason.SIGNAL
    assert (state.chain, state.link) == (0, 0)


def test_a_link_whose_entry_is_not_filled_lapses():
    run = chained(link_wait=(1,) * 8)
    assert run.bar(100, el=1).decision == codes.ENTER
    drop_decision(run.state)
    assert (run.state.link, run.state.chain, run.state.phase) == (0, 0, codes.RESET)


# --- guards, limits, launch -------------------------------------------------------------------------


def test_a_drawdown_guard_stops_the_run():
    run = Run(has_guards=1, drawdown_limit=0.02, drawdown_action=codes.GUARD_STOPS)
    run.enter(100, c=120)
    assert run.bar(120, c=99).stop_run == codes.STOP_BY_GUARD
    assert exit_reason(run.state.decision_reason) is ExitReason.GUARD
    run.bar(99)
    assert run.bar(99).phase == codes.RESET
    assert run.bar(99, el=1).decision == codes.NOTHING


def test_a_guard_may_leave_the_position_with_or_without_its_levels():
    for leaves, stop in ((codes.LEAVE_POSITION, 90.0), (codes.LEAVE_UNPROTECTED, 0.0)):
        run = Run(has_guards=1, drawdown_limit=0.005, drawdown_action=codes.GUARD_STOPS,
                  guard_leaves=leaves, stop_kind=codes.FRACTION, stop_value=0.1, stop_trails=1)  # fmt: skip
        run.enter(100)
        state = run.bar(100, low=94, c=94)
        assert (state.stop_run, state.decision, state.stop) == (codes.STOP_BY_GUARD, 0, stop)
        assert run.bar(95, h=150, c=140).stop == stop, "a trailing stop is frozen"


def test_a_daily_guard_pauses_until_the_next_day():
    run = Run(has_guards=1, daily_loss_limit=0.005, daily_loss_action=codes.GUARD_PAUSES)
    run.enter(100)
    run.bar(94, xl=1)
    run.bar(94)
    assert run.state.entries_paused_by_guard == codes.DAILY_LOSS_BIT
    assert run.bar(94, el=1).decision == codes.NOTHING
    assert run.bar(94, el=1, day=1).decision == codes.ENTER


def test_losing_trades_pause_until_resumed():
    run = Run(has_guards=1, losing_trades_limit=1, losing_trades_action=codes.GUARD_PAUSES)
    run.enter(100)
    run.bar(99, xl=1)
    assert run.bar(99, el=1, day=9).decision == codes.NOTHING
    resume_entries(run.state)
    assert run.bar(99, el=1, day=9).decision == codes.ENTER


def test_the_trades_limit_counts_entries_and_ends_the_run_when_flat():
    run = Run(trades_limit=1)
    assert run.enter(100).stop_run == codes.GOES_ON
    run.bar(100, xl=1)
    assert run.bar(100).stop_run == codes.STOP_BY_TRADES_LIMIT


def test_with_closing_off_a_decided_exit_is_said_once():
    run = Run(closes_on_exit=0, stop_kind=codes.FRACTION, stop_value=0.1, stop_trails=1)
    run.enter(100)
    state = run.bar(100, xl=1)
    assert (state.decision, state.alert) == (codes.NOTHING, codes.SIGNAL)
    assert run.bar(100, xl=1).alert == 0
    run.bar(100)
    assert run.bar(100, xl=1).alert == codes.SIGNAL
    run.bar(100, h=130, c=120)
    assert state.stop == 117.0, "trailing goes on"
    run.bar(120, low=110)
    assert run.reason is ExitReason.TRAILING_STOP


def test_assume_position_now_enters_where_exactly_one_group_is_true():
    run = Run(allows_short=1, order_kind=codes.LIMIT_ORDER, order_timeout_bars=3)
    enter_now(run.state, run.settings, 100.0, 1, 1, 0.0, 0.0, 1)
    assert run.state.decision == codes.NOTHING
    enter_now(run.state, run.settings, 100.0, 0, 1, 0.0, 0.0, 1)
    assert (run.state.decision, run.state.decision_side, run.state.decision_limit) == (codes.ENTER, -1, 0.0)
    assert run.bar(100).phase == codes.SHORT
    assert run.state.armed_long == 1


def test_an_adopted_position_is_accounted_from_the_mark_and_levelled_from_the_venue():
    run = Run(stop_kind=codes.FRACTION, stop_value=0.1, stop_trails=1,
              target_kind=codes.FRACTION, target_value=0.5)  # fmt: skip
    state = run.state
    assert adopt(state, run.settings, 1, 1_000_000, 85.0, 100.0, 100.0, 0.0, 0.0) == 0, "90 is passed already"
    assert state.entries == 0
    assert adopt(state, run.settings, 1, 1_000_000, 120.0, 100.0, 100.0, 0.0, 0.0) == 1
    assert (state.entry_price, state.best, state.stop, state.target) == (120.0, 120.0, 90.0, 150.0)
    assert (state.entries, state.equity) == (1, 10_000.0)
    assert run.bar(120, h=121).stop == 108.0


@pytest.mark.parametrize("side", [1, -1])
def test_the_liquidation_price_of_an_adopted_position_is_the_venues(side):
    run = Run(leverage=2.0, allows_short=1)
    assert adopt(run.state, run.settings, side, 1_000_000, 120.0, 100.0, 50.0, 0.0, 0.0) == 1
    assert run.state.liquidation == liquidation_price(side, 100.0, 1.0, 50.0, run.settings.maintenance)


# --- fills as a venue gives them -----------------------------------------------------------------------


def test_levels_are_computed_anew_at_each_further_fill():
    run = Run(stop_kind=codes.FRACTION, stop_value=0.1)
    run.bar(100)
    state = run.bar(100, el=1)
    book_entry(state, run.settings, 1, 2_000_000, 100.0, 0.5, 1)
    assert (state.stop, state.entries, state.entry_steps) == (90.0, 1, 8_000_000)
    book_entry(state, run.settings, 1, 2_000_000, 110.0, 0.5, 1)
    entry_ended(state)
    assert (state.entry_price, state.best, state.stop, state.entries) == (105.0, 105.0, 94.5, 1)
    assert state.margin == pytest.approx(420.0)
    assert state.entry_order == codes.NO_ORDER


def test_an_exit_in_parts_is_one_trade():
    run = Run()
    state = run.enter(100)
    assert book_exit(state, run.settings, 4_000_000, 110.0, 1.0, codes.SIGNAL, 40.0) == 0
    assert book_exit(state, run.settings, 6_000_000, 105.0, 1.0, codes.SIGNAL, 30.0) == 1
    assert state.closed_exit_price == 107.0
    assert state.closed_steps == 10_000_000
    assert state.closed_gross == pytest.approx(70.0)
    assert state.closed_pnl == pytest.approx(68.0)
    assert state.trades == 1


@given(
    side=st.sampled_from([1, -1]),
    entries=st.lists(st.tuples(st.integers(10**6, 10**7), st.floats(90, 110)), min_size=1, max_size=4),
    cuts=st.lists(st.floats(0.1, 0.9), max_size=3),
    exits=st.lists(st.floats(92, 108), min_size=4, max_size=4),
    paid=st.floats(-5, 5),
)
def test_no_money_is_lost_between_fills_and_the_trade(side, entries, cuts, exits, paid):
    run = Run(allows_short=1)
    state = run.state
    for steps, price in entries:
        book_entry(state, run.settings, side, steps, price, steps * price * 1e-9, 1)
    book_funding(state, run.settings, paid, 1)
    total = sum(steps for steps, _ in entries)
    cost = sum(steps * price for steps, price in entries)
    got = fees = 0.0
    for cut, price in zip([*cuts, 1.0], exits, strict=False):
        steps = max(1, int(state.steps * cut)) if cut < 1 else state.steps
        got += steps * price
        fees += steps * price * 1e-9
        gross = price_gross(state, run.settings, steps, price)
        if book_exit(state, run.settings, steps, price, steps * price * 1e-9, codes.MANUAL, gross):
            break
    assert state.steps == 0
    assert state.closed_steps == total
    wanted = side * (got - cost) / 1e6 - fees - cost * 1e-9 - paid
    assert state.closed_pnl == pytest.approx(wanted, abs=1e-6)
    assert state.cash == pytest.approx(10_000 + wanted, abs=1e-6)
    assert state.closed_entry_price == pytest.approx(cost / total)
    assert state.closed_exit_price == pytest.approx(got / total)
    assert (state.margin, state.amount, state.stop, state.liquidation) == (0.0, 0.0, 0.0, 0.0)


def test_funding_after_the_position_is_gone_still_reaches_the_cash():
    run = Run()
    book_funding(run.state, run.settings, 3.0, 1)
    assert (run.state.cash, run.state.funding) == (9997.0, 0.0)


# --- prices --------------------------------------------------------------------------------------------


@given(
    price=st.floats(0.01, 200_000),
    market=st.sampled_from(
        [Market(), Market(tick="0.25"), Market(tick="0.001", price_figures=5), Market(tick="50")]
    ),
    up=st.booleans(),
)
def test_levels_are_the_markets_prices_to_the_bit(price, market, up):
    settings = CoreSettings(price_figures=market.price_figures or 0)
    units, scale = market.tick.as_integer_ratio()
    settings.tick_units, settings.tick_scale = float(units), float(scale)
    level = round_level(settings, price, int(up))
    assert tick_at(settings, price) == float(market.tick_at(price))
    wanted = market.price_up(price) if up else market.price_down(price)
    assert level == pytest.approx(float(wanted), abs=float(market.tick) * 1e-6) or abs(price - level) < 1e-6
    assert float(market.price(level)) == level


def test_liquidation_price_where_there_is_none():
    assert liquidation_price(1, 100.0, 1.0, 100.0, 0.0125) == 0.0
    assert liquidation_price(-1, 100.0, 1.0, 100.0, 0.0125) == pytest.approx(200 / 1.0125)


@pytest.mark.parametrize(("capital", "price"), [(1e300, 1e-12), (1e15, 1e-12), (1e300, 1e-300)])
def test_more_steps_than_can_be_counted_are_capped(capital, price):
    run = Run(capital=capital, sizing_kind=codes.SIZE_EQUITY, sizing_value=0.5, step_scale=1e12)
    run.bar(price)
    state = run.bar(price, el=1)
    assert 0 < state.decision_steps <= 2**53
