"""What fills cost, against the backtest's own: the decomposition, the streams and the verdict."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstwatch.backtest.record import TradeRecord
from firstwatch.store.fills import StoredFill
from firstwatch.store.orders import StoredOrder
from firstwatch.trading.orders import (
    Fill,
    OrderIntent,
    OrderKind,
    OrderPurpose,
    OrderSide,
    OrderState,
    Touch,
)
from firstwatch.trading.runs import ExitReason
from firstwatch.trading.verdicts import Change, Verdict
from firstwatch.watch.fill_prices import Expectation, Stream, expectation, fill_costs, judge_fills

BUY, SELL = OrderSide.BUY, OrderSide.SELL
ENTRY, EXIT, STOP, TARGET = OrderPurpose.ENTRY, OrderPurpose.EXIT, OrderPurpose.STOP, OrderPurpose.TARGET


def order(name="a", purpose=ENTRY, side=BUY, kind=OrderKind.MARKET, price=None, trigger=None, touch=None):
    intent = OrderIntent(
        name,
        "run",
        "w",
        "BTC/USDC:USDC",
        purpose,
        side,
        kind,
        Decimal(1),
        purpose is not ENTRY,
        price,
        trigger,
    )
    return StoredOrder(intent, OrderState.FILLED, 0, 0, touch_at_submission=touch)


def fill(
    of, price, *, amount="1", mid=None, decision=None, maker=False, time_ms=0, number=0, liquidation=False
):
    done = Fill(
        f"{of.client_order_id}-{number}",
        of.client_order_id,
        "w",
        "BTC/USDC:USDC",
        of.intent.side,
        Decimal(amount),
        Decimal(str(price)),
        Decimal(0),
        time_ms,
        maker,
        liquidation,
    )
    return StoredFill("paper", "run", done, time_ms, mid_at_decision=decision, mid_at_fill=mid)


def trade(
    entry=100.0, expected_entry=100.0, exit_=110.0, expected_exit=110.0, side=1, reason=ExitReason.SIGNAL
):
    return TradeRecord(
        side, 0, entry, 1, exit_, 1, 0.0, 0.0, 0.0, 0.0, reason, 1, 0.0, 0.0, expected_entry, expected_exit
    )


def expected(mean=2.0, noise_bps=5.0):
    return Expectation(dict.fromkeys(Stream, mean), dict.fromkeys(Stream, 100), noise_bps)


# --- what a fill costs -----------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "price", "mid"), [(BUY, 100.1, 100.05), (SELL, 99.9, 99.95)])
def test_an_order_at_market_is_measured_from_the_mid_of_its_decision(side, price, mid):
    bought = order(side=side, touch=Touch(99.99, 100.01, 100.0, 0))
    (cost,) = fill_costs([fill(bought, price, mid=mid, decision=100.0)], [bought])
    assert cost.stream is Stream.ENTRY_TAKER
    assert cost.total_bps == pytest.approx(10)
    assert cost.delay_bps == pytest.approx(5)
    assert cost.half_spread_bps == pytest.approx(1)
    assert cost.impact_bps == pytest.approx(4)


def test_a_stop_is_measured_from_its_trigger_and_a_limit_from_its_price():
    stop = order("s", STOP, SELL, OrderKind.STOP, price=Decimal(80), trigger=Decimal(90))
    target = order("t", TARGET, SELL, OrderKind.LIMIT, price=Decimal(110))
    costs = fill_costs(
        [fill(stop, 89.91, decision=100.0), fill(target, 110, decision=100.0, maker=True, time_ms=1)],
        [stop, target],
    )
    assert [cost.stream for cost in costs] == [Stream.EXIT_TAKER, Stream.EXIT_MAKER]
    assert costs[0].total_bps == pytest.approx(10)
    assert costs[1].total_bps == 0


def test_on_a_feed_of_bars_the_venue_says_the_spread_and_a_maker_earns_it():
    target = order("t", TARGET, SELL, OrderKind.LIMIT, price=Decimal(100))
    (cost,) = fill_costs([fill(target, 100, mid=100.0, maker=True)], [target], spread_bps=4)
    assert (cost.half_spread_bps, cost.delay_bps, cost.impact_bps) == (-2, 0, 2)


def test_the_fills_of_one_order_are_one_observation_weighted_by_amount():
    bought = order()
    fills = [
        fill(bought, 100, amount="3", mid=100.0, decision=100.0, time_ms=1),
        fill(bought, 104, amount="1", mid=102.0, decision=100.0, time_ms=5, number=1),
    ]
    (cost,) = fill_costs(fills, [bought])
    assert (cost.price, cost.amount, cost.time_ms) == (101, 4, 5)
    assert cost.total_bps == pytest.approx(100)
    assert cost.delay_bps == pytest.approx(50)


def test_without_the_mid_at_the_fill_the_total_stands_alone():
    bought = order()
    (cost,) = fill_costs([fill(bought, 100.1, decision=100.0)], [bought])
    assert cost.total_bps == pytest.approx(10)
    assert (cost.delay_bps, cost.half_spread_bps, cost.impact_bps) == (None, None, None)


def test_liquidations_external_fills_and_those_without_a_price_of_decision_are_left_out():
    bought = order()
    others = replace(fill(bought, 1, decision=1.0), fill=replace(fill(bought, 1).fill, client_order_id=None))
    fills = [fill(bought, 90, decision=100.0, liquidation=True), fill(bought, 100), others]
    assert fill_costs(fills, [bought]) == []


@given(
    st.sampled_from([BUY, SELL]),
    st.floats(1, 1e6),
    st.floats(0.9, 1.1),
    st.floats(0.9, 1.1),
    st.floats(0, 100),
    st.booleans(),
)
def test_the_parts_of_a_cost_make_its_total(side, decided, moved, paid, spread_bps, maker):
    taken = order(side=side)
    price = float(f"{decided * paid:.8g}")
    (cost,) = fill_costs(
        [fill(taken, price, mid=decided * moved, decision=decided, maker=maker)],
        [taken],
        spread_bps=spread_bps,
    )
    parts = (cost.delay_bps, cost.half_spread_bps, cost.impact_bps)
    assert sum(parts) == pytest.approx(cost.total_bps, abs=1e-6)
    assert (cost.total_bps > 0) == (side.sign * (price - decided) > 0)


# --- what the backtest's own fills cost ------------------------------------------------------------


def test_the_expectation_is_the_mean_of_the_backtests_own_fills_by_stream():
    found = expectation(
        [
            trade(entry=100.02, exit_=109.989),
            trade(entry=99.96, side=-1, exit_=120, expected_exit=120, reason=ExitReason.TAKE_PROFIT),
        ],
        has_limit_entries=False,
        taker_bps=2,
    )
    assert found.mean_bps[Stream.ENTRY_TAKER] == pytest.approx(3)
    assert found.mean_bps[Stream.EXIT_TAKER] == pytest.approx(1)
    assert found.mean_bps[Stream.EXIT_MAKER] == 0
    assert found.fills == {
        Stream.ENTRY_TAKER: 2,
        Stream.ENTRY_MAKER: 0,
        Stream.EXIT_TAKER: 1,
        Stream.EXIT_MAKER: 1,
    }


def test_limit_entries_fill_at_their_price_better_as_takers_or_at_market_afterwards():
    found = expectation(
        [trade(entry=100.0), trade(entry=99.9), trade(entry=103.0)], has_limit_entries=True, taker_bps=2
    )
    assert found.fills[Stream.ENTRY_MAKER] == 1
    # The one at market is at what was assumed, not 300 bps from a limit that it did not decide on.
    assert found.mean_bps[Stream.ENTRY_TAKER] == pytest.approx((-10 + 2) / 2)


def test_a_stream_that_the_backtest_does_not_have_is_expected_at_what_it_assumed():
    found = expectation([], has_limit_entries=True, taker_bps=3.5)
    assert found.mean_bps[Stream.EXIT_TAKER] == 3.5
    assert found.mean_bps[Stream.ENTRY_MAKER] == 0
    assert found.noise_bps == 5


def test_liquidations_and_the_end_of_the_data_are_not_exits_to_compare_with():
    ended = [trade(exit_=50, reason=ExitReason.LIQUIDATION), trade(exit_=50, reason=ExitReason.END_OF_DATA)]
    found = expectation(ended, has_limit_entries=False, taker_bps=0)
    assert found.fills[Stream.EXIT_TAKER] == 0


def test_the_noise_is_what_the_backtests_own_fills_show_where_that_is_more():
    spread_out = [trade(entry=100 + step / 10) for step in (-2, 2)]
    found = expectation(spread_out, has_limit_entries=False, taker_bps=0)
    assert found.noise_bps == pytest.approx((2 * 20**2 / 4) ** 0.5)


# --- the verdict ------------------------------------------------------------------------------------


def costs_of(values):
    bought = [order(f"{place:03}") for place in range(len(values))]
    fills = [
        fill(each, 1_000_000 + round(value * 100), decision=1e6, time_ms=place)
        for place, (each, value) in enumerate(zip(bought, values, strict=True))
    ]
    return fill_costs(fills, bought)


def test_without_a_fill_nothing_is_said():
    judged = judge_fills([], expected())
    assert (judged.verdict, judged.n, judged.observed_bps) == (Verdict.NOT_ENOUGH_DATA, 0, None)


def test_fills_as_expected_are_too_few_then_consistent():
    assert judge_fills(costs_of([2.0] * 2), expected()).verdict is Verdict.NOT_ENOUGH_DATA
    judged = judge_fills(costs_of([2.0] * 30), expected())
    assert judged.verdict is Verdict.CONSISTENT
    assert judged.observed_bps == pytest.approx(2)
    assert judged.expected_bps == pytest.approx(2)
    assert judged.smallest_effect is Change.SLIPPAGE_5
    assert judged.band_bps[0] < 2 < judged.band_bps[1]
    assert judged.sentence == "30 fills cost 2.0 bps on average, 2.0 expected."


def test_fills_that_cost_more_diverge_from_the_fill_that_showed_it_on():
    judged = judge_fills(costs_of([10.0] * 20), expected())
    assert judged.verdict is Verdict.DIVERGED
    assert judged.first_at_ms in range(3, 10)
    assert judged.lower_bps > 0
    assert "at least" in judged.sentence
    later = judge_fills(costs_of([10.0] * 20 + [-30.0] * 20), expected())
    assert later.verdict is Verdict.DIVERGED
    assert later.first_at_ms == judged.first_at_ms


def test_fills_that_cost_less_are_consistent():
    assert judge_fills(costs_of([-50.0] * 20), expected()).verdict is Verdict.CONSISTENT


def test_between_one_and_two_points_it_is_a_watch_while_the_excess_lasts():
    found = {judge_fills(costs_of([10.0] * n), expected()).verdict: n for n in range(1, 12)}
    assert Verdict.WATCH in found
    n = found[Verdict.WATCH]
    assert judge_fills(costs_of([10.0] * n + [-100.0] * 2), expected()).verdict is not Verdict.WATCH


def test_streams_are_shown_each_with_its_own_expectation():
    entry, exit_ = order("a"), order("b", EXIT, SELL)
    costs = fill_costs([fill(entry, 100.1, decision=100.0), fill(exit_, 100, decision=100.0)], [entry, exit_])
    means = {**dict.fromkeys(Stream, 0.0), Stream.ENTRY_TAKER: 4.0}
    judged = judge_fills(costs, Expectation(means, dict.fromkeys(Stream, 1)))
    assert [figures.stream for figures in judged.streams] == [Stream.ENTRY_TAKER, Stream.EXIT_TAKER]
    assert judged.streams[0].observed_bps == pytest.approx(10)
    assert judged.expected_bps == pytest.approx(2)


def test_an_order_that_rests_is_not_delayed_by_a_mid_from_before_the_market_came_to_it():
    stop = order("s", STOP, SELL, OrderKind.STOP, trigger=Decimal(100))
    target = order("t", TARGET, SELL, OrderKind.LIMIT, price=Decimal(110))
    stopped, taken = fill_costs(
        [fill(stop, 99.9, mid=105.0), fill(target, 110, mid=105.0, maker=True, time_ms=1)],
        [stop, target],
        spread_bps=2,
    )
    assert stopped.delay_bps == 0
    assert stopped.impact_bps == pytest.approx(9)
    assert taken.delay_bps == 1
    assert taken.impact_bps == 0
    (gapped,) = fill_costs([fill(stop, 98.9, mid=99.0)], [stop], spread_bps=2)
    assert gapped.delay_bps == pytest.approx(100)
