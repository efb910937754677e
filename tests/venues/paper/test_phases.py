"""The order of things inside a bar (rules 8 to 11 of ``firstwatch.strategy``), and what worsens a fill."""

from decimal import Decimal

import pytest

from firstwatch.market.funding import FundingRate
from firstwatch.trading.market import Market
from firstwatch.trading.orders import OrderState
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.paper.exchange import PaperCosts
from firstwatch.venues.protocol import BarClosed, BarOpened, FillReported, FundingReported, PhaseEnded
from tests.contract.rig import BUY, LIMIT, MARKET, PLAIN, SELL, START_MS, STOP, PaperRig

MINUTE = 60_000


def rig_with(**kwargs) -> PaperRig:
    rig = PaperRig(**kwargs)
    rig.listen()
    rig.settle()
    return rig


def prices(rig):
    return [float(fill.price) for fill in rig.fills()]


def test_the_stop_wins_over_the_target_inside_one_bar():
    rig = rig_with()
    rig.hold()
    rig.send(SELL, STOP, "1", trigger="95", reduce_only=True)
    rig.send(SELL, LIMIT, "1", price="105", reduce_only=True)
    rig.finish()
    rig.play((100.0, 106.0, 94.0, 100.0))
    assert prices(rig) == [100.0, 95.0]


def test_protection_placed_at_the_open_works_on_the_entry_bar():
    rig = rig_with()
    rig.send(BUY, MARKET, "1")
    rig.begin(100.0, 100.0, 94.0, 96.0)
    rig.send(SELL, STOP, "1", trigger="95", reduce_only=True)
    rig.finish()
    assert prices(rig) == [100.0, 95.0]


def test_a_stop_that_the_entrys_own_slippage_has_passed_executes_at_the_open():
    rig = rig_with(costs=PaperCosts(slippage_bps=Decimal(100)))
    rig.send(BUY, MARKET, "1")
    rig.begin(100.0, 100.2, 99.0, 100.0)
    rig.send(SELL, STOP, "1", trigger="100.5", reduce_only=True)
    assert prices(rig) == [101.0, 99.0]
    assert rig.position().is_flat


def test_a_liquidation_price_that_the_entrys_own_slippage_has_passed_liquidates_at_the_open():
    rig = rig_with(costs=PaperCosts(slippage_bps=Decimal(450)))
    rig.venue.set_leverage(rig.account, rig.symbol, Decimal(20))
    rig.send(BUY, MARKET, "1")
    rig.begin(100.0, 100.2, 99.9, 100.0)
    assert not rig.position().is_flat, "its stop may still be placed"
    rig.finish()
    assert prices(rig) == [104.5, 100.0]
    assert rig.fills()[-1].is_liquidation


def test_an_entry_limit_that_the_open_has_reached_already_fills_at_the_open():
    rig = rig_with()
    rig.begin(100.0, 100.5, 99.0, 100.0)
    rig.send(BUY, LIMIT, "1", price="103")
    assert prices(rig) == [100.0]
    assert not rig.fills()[-1].is_maker


def test_exits_execute_before_entries():
    rig = rig_with()
    rig.hold("1")
    rig.finish()
    rig.send(SELL, MARKET, "2")
    rig.send(SELL, MARKET, "1", reduce_only=True)
    rig.begin(101.0, 101.0, 101.0, 101.0)
    assert [fill.amount for fill in rig.fills()] == [Decimal("1"), Decimal("1"), Decimal("2")]
    assert rig.position().side == "short"


def test_a_target_behind_a_gap_fills_at_its_own_price():
    rig = rig_with()
    rig.hold()
    rig.send(SELL, LIMIT, "1", price="105", reduce_only=True)
    rig.finish()
    rig.begin(108.0, 109.0, 107.0, 108.0)
    assert prices(rig)[-1] == 105.0


def test_on_the_bar_of_a_fill_at_the_limit_the_stop_is_tested_and_the_target_is_not():
    rig = rig_with()
    rig.send(BUY, LIMIT, "1", price="99")
    rig.begin(100.0, 106.0, 98.0, 100.0)
    rig.acknowledge()
    rig.settle()
    (told,) = [event for event in rig.ears[0].of(FillReported)]
    assert told.fill.is_maker
    rig.send(SELL, STOP, "1", trigger="95", reduce_only=True)
    target, _ = rig.send(SELL, LIMIT, "1", price="105", reduce_only=True)
    rig.finish()
    assert rig.order(target).state is OrderState.ACCEPTED
    rig.play((100.0, 105.0, 99.0, 100.0))
    assert rig.order(target).state is OrderState.FILLED


def test_a_stop_placed_after_a_fill_at_the_limit_sees_the_whole_range():
    rig = rig_with()
    rig.send(BUY, LIMIT, "1", price="99")
    rig.begin(100.0, 106.0, 94.0, 100.0)
    rig.acknowledge()
    rig.settle()
    rig.send(SELL, STOP, "1", trigger="95", reduce_only=True)
    rig.finish()
    assert prices(rig) == [99.0, 95.0]


def test_a_bar_in_which_nothing_happens_has_two_phases():
    rig = rig_with()
    rig.hold()
    rig.finish()
    before = len(rig.ears[0].of(PhaseEnded))
    rig.play((100.0, 101.0, 99.0, 100.0))
    assert len(rig.ears[0].of(PhaseEnded)) == before + 2


def test_fills_carry_the_open_time_of_their_bar():
    rig = rig_with()
    rig.hold()
    rig.send(SELL, STOP, "1", trigger="95", reduce_only=True)
    rig.finish()
    rig.play((100.0, 100.0, 94.0, 96.0))
    assert [fill.time_ms for fill in rig.fills()] == [START_MS + 3 * MINUTE, START_MS + 4 * MINUTE]


def test_slippage_and_half_the_spread_go_against_takers_only():
    rig = rig_with(costs=PaperCosts(slippage_bps=Decimal(10), spread_bps=Decimal(20)))
    rig.hold()
    rig.send(SELL, STOP, "1", trigger="95", reduce_only=True)
    touch = rig.venue.touch(rig.symbol)
    assert (touch.bid, touch.ask) == pytest.approx((99.9, 100.1))
    rig.finish()
    rig.play((100.0, 100.0, 94.0, 96.0))
    assert prices(rig) == [100.0 * 1.002, 95.0 * (1 - 0.002)]
    rig.send(BUY, LIMIT, "1", price="90")
    rig.play((96.0, 96.0, 89.0, 96.0))
    assert prices(rig)[-1] == 90.0


# --- funding and liquidation --------------------------------------------------------------------


def test_funding_is_paid_on_the_position_held_before():
    rig = rig_with()
    open_ms = START_MS + 3 * MINUTE
    rig.source.funding = [FundingRate(open_ms, 0.01), FundingRate(open_ms + MINUTE // 2, 0.001)]
    rig.hold("2", price=100.0)
    assert rig.venue.funding_since(rig.account, rig.symbol, 0) == []
    rig.finish()
    (paid,) = rig.venue.funding_since(rig.account, rig.symbol, 0)
    assert (paid.paid, paid.time_ms) == (Decimal("0.2"), open_ms + MINUTE // 2)
    assert rig.position().margin == Decimal("199.8")
    kinds = [type(event) for event in rig.ears[0].events]
    assert kinds.index(FundingReported) < kinds.index(BarClosed)


def test_a_payment_is_never_more_than_the_position_is_worth():
    rig = rig_with()
    rig.venue.set_leverage(rig.account, rig.symbol, Decimal(10))
    rig.source.funding = [FundingRate(START_MS + 4 * MINUTE + MINUTE // 2, 0.5)]
    total = rig.venue.balance(rig.account).total
    rig.hold("2", price=100.0)
    rig.finish()
    margin = rig.position().margin
    rig.begin(100.0, 100.0, 100.0, 100.0)
    rig.finish()
    (paid,) = rig.venue.funding_since(rig.account, rig.symbol, 0)
    assert paid.paid == margin == Decimal(20)
    rig.begin(100.0, 100.0, 100.0, 100.0)
    rig.finish()
    fills = rig.fills()
    assert rig.position().is_flat
    assert fills[-1].is_liquidation
    assert rig.venue.balance(rig.account).total == total - margin - sum(fill.fee for fill in fills)


def test_funding_due_at_an_open_comes_before_what_executes_there():
    rig = rig_with()
    rig.hold("2", side=SELL)
    rig.finish()
    rig.source.funding = [FundingRate(START_MS + 4 * MINUTE, 0.01)]
    rig.send(BUY, MARKET, "2", reduce_only=True)
    rig.begin(110.0, 110.0, 110.0, 110.0)
    (paid,) = rig.venue.funding_since(rig.account, rig.symbol, 0)
    assert paid.paid == Decimal("-2.2")
    assert rig.venue.funding_since(rig.account, rig.symbol, START_MS + 4 * MINUTE + 1) == []


@pytest.mark.parametrize(
    ("side", "bar"),
    [(BUY, (90.0, 90.0, 40.0, 60.0)), (SELL, (110.0, 160.0, 110.0, 140.0))],
)
def test_a_liquidation_costs_the_margin_and_no_fee(side, bar):
    rig = rig_with()
    rig.venue.set_leverage(rig.account, rig.symbol, Decimal(2))
    rig.hold("2", side=side)
    target, _ = rig.send(side.opposite, LIMIT, "2", price="100", reduce_only=True)
    level = rig.position().liquidation_price
    before = rig.venue.balance(rig.account).total
    rig.venue.cancel(rig.account, rig.symbol, target)
    rig.send(side.opposite, STOP, "2", trigger="30" if side is BUY else "170", reduce_only=True)
    rig.finish()
    rig.play(bar)
    fill = rig.fills()[-1]
    assert (fill.is_liquidation, fill.client_order_id, fill.fee) == (True, None, Decimal(0))
    assert fill.price == level
    assert rig.venue.balance(rig.account).total == before - Decimal(100)
    assert rig.venue.open_orders(rig.account, rig.symbol) == []


def test_a_gap_beyond_the_liquidation_price_liquidates_at_the_open():
    rig = rig_with()
    rig.venue.set_leverage(rig.account, rig.symbol, Decimal(2))
    rig.hold("2")
    rig.finish()
    rig.begin(45.0, 45.0, 45.0, 45.0)
    assert rig.fills()[-1].is_liquidation
    assert prices(rig)[-1] == 45.0


def test_a_nearer_stop_wins_over_the_liquidation_and_loses_at_most_the_margin():
    rig = rig_with()
    rig.venue.set_leverage(rig.account, rig.symbol, Decimal(2))
    rig.hold("2")
    rig.send(SELL, STOP, "2", trigger="60", reduce_only=True)
    before = rig.venue.balance(rig.account).total
    rig.finish()
    rig.begin(40.0, 40.0, 40.0, 40.0)
    fill = rig.fills()[-1]
    assert not fill.is_liquidation
    assert rig.venue.balance(rig.account).total == before - Decimal(100) - fill.fee


def test_a_stop_that_would_fill_beyond_its_worst_price_is_cancelled():
    rig = rig_with()
    rig.hold()
    key, _ = rig.send(SELL, STOP, "1", trigger="95", price="85.5", reduce_only=True)
    rig.finish()
    rig.begin(80.0, 80.0, 80.0, 80.0)
    assert rig.order(key).state is OrderState.CANCELED
    assert "worst price" in rig.order(key).reason
    rig.send(SELL, MARKET, "1", reduce_only=True)
    assert prices(rig)[-1] == 80.0


# --- latency and volume -------------------------------------------------------------------------


def test_latency_lets_the_price_go_on_before_a_market_order_executes():
    rig = rig_with(costs=PaperCosts(latency_ms=1))
    key, _ = rig.send(BUY, MARKET, "1")
    rig.begin(101.0, 103.0, 101.0, 102.0)
    assert rig.order(key).state is OrderState.ACCEPTED
    rig.finish()
    assert prices(rig) == [102.0]
    kinds = [type(event) for event in rig.ears[0].events]
    assert kinds.index(FillReported) < kinds.index(BarClosed)


def test_an_order_fills_at_most_its_share_of_the_volume():
    rig = rig_with(costs=PaperCosts(volume_share=0.1))
    market, _ = rig.send(BUY, MARKET, "3")
    limit, _ = rig.send(BUY, LIMIT, "3", price="99")
    rig.begin(100.0, 100.0, 98.0, 100.0, 20.0)
    assert (rig.order(market).filled, rig.order(market).state) == (Decimal("2"), OrderState.CANCELED)
    rig.finish()
    assert (rig.order(limit).filled, rig.order(limit).state) == (
        Decimal("2"),
        OrderState.PARTIALLY_FILLED,
    )
    stop, _ = rig.send(SELL, STOP, "4", trigger="95", reduce_only=True)
    rig.play((100.0, 100.0, 94.0, 94.0, 30.0))
    assert (rig.order(stop).filled, rig.order(limit).filled) == (Decimal("3"), Decimal("3"))
    rig.begin(93.0, 93.0, 93.0, 93.0, 30.0)
    assert rig.order(stop).state is OrderState.FILLED
    assert rig.order(stop).average_price == Decimal(repr((95.0 * 3000 + 93.0 * 1000) / 4000))
    assert rig.position().amount == Decimal("1")


def test_a_bar_without_volume_fills_nothing():
    rig = rig_with(costs=PaperCosts(volume_share=0.5))
    key, _ = rig.send(BUY, MARKET, "1")
    rig.begin(100.0, 100.0, 100.0, 100.0, 0.0)
    assert (rig.order(key).state, rig.order(key).filled) == (OrderState.CANCELED, Decimal(0))


def test_the_part_of_a_position_that_is_closed_takes_its_part_of_the_margin():
    rig = rig_with()
    rig.hold("4")
    rig.send(SELL, MARKET, "1", reduce_only=True)
    assert rig.position().margin == Decimal("300.0")
    rig.send(SELL, LIMIT, "3", price="110", reduce_only=True)
    assert rig.position().entry_price == Decimal("100.0")


def test_closing_the_whole_position_knows_no_minimum():
    rig = rig_with()
    rig.hold("0.2")
    rig.send(SELL, MARKET, "0.15", reduce_only=True)
    assert rig.send(SELL, MARKET, "0.04", reduce_only=True)[1].code == "minimum"
    rig.send(SELL, MARKET, "0.05", reduce_only=True)
    assert rig.position().is_flat


def test_a_stop_entry_opens_a_position():
    rig = rig_with()
    rig.send(BUY, STOP, "1", trigger="105")
    rig.play((100.0, 106.0, 100.0, 104.0))
    assert prices(rig) == [105.0]


def test_significant_figures_bound_a_price():
    rig = rig_with(market=Market(**{**PLAIN.model_dump(), "tick": Decimal("0.001"), "price_figures": 4}))
    assert rig.send(BUY, LIMIT, "1", price="99.96")[1].venue_order_id
    assert rig.send(BUY, LIMIT, "1", price="99.965")[1].code == "other"


def test_a_feed_with_holes_closes_a_larger_bar_where_it_breaks_off():
    rig = PaperRig(history=5)
    ear = rig.listen(timeframe=Timeframe.M5)
    rig.settle()
    rig.play((100.0, 100.0, 100.0, 100.0), (101.0, 101.0, 101.0, 101.0))
    # The bar after the next comes late: a replay sees that before it releases the close.
    bar = rig.source.add(102.0, 103.0, 102.0, 102.5)
    rig.source.add(110.0, 110.0, 110.0, 110.0, hole=2)
    while rig.venue.now_ms() != bar.time_ms + MINUTE:
        rig.acknowledge()
        rig.venue.step()
    (closed,) = ear.of(BarClosed)
    assert closed.bar == (START_MS + 5 * MINUTE, 100.0, 103.0, 100.0, 102.5, 3000.0)
    while rig.venue.tape.price != 110.0:
        rig.acknowledge()
        rig.venue.step()
    assert ear.of(BarOpened)[-1].bar_time_ms == START_MS + 10 * MINUTE
