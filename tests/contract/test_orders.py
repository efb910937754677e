"""What any venue answers to an order, and what becomes of it."""

from dataclasses import replace
from decimal import Decimal

import pytest

from firstwatch.trading.orders import OrderState, Side
from firstwatch.venues.protocol import Accepted, Executed, FillReported, NeverWill, OrderReported, Refused
from tests.contract.rig import BUY, LIMIT, MARKET, SELL, STOP


def reported(rig) -> dict[str, OrderState]:
    """Return the state of each order as it was reported last."""
    reports = (event.report for event in rig.ears[0].of(OrderReported))
    return {report.client_order_id: report.state for report in reports}


@pytest.mark.phased
def test_a_market_order_fills_at_the_next_price(rig):
    key, outcome = rig.send(BUY, MARKET, "1")
    assert isinstance(outcome, Accepted)
    assert rig.order(key).state is OrderState.ACCEPTED
    rig.begin(101.0, 102.0, 100.0, 101.5)
    report = rig.order(key)
    assert (report.state, report.filled, report.average_price) == (
        OrderState.FILLED,
        Decimal("1"),
        Decimal("101.0"),
    )
    assert rig.position().side is Side.LONG
    (fill,) = rig.fills()
    assert (fill.client_order_id, fill.price, fill.amount) == (key, Decimal("101.0"), Decimal("1"))
    assert fill.fee == Decimal("0.0505")


def test_at_an_open_a_market_order_fills_at_once(rig):
    rig.begin(101.0, 102.0, 100.0, 101.5)
    key, _ = rig.send(SELL, MARKET, "1")
    assert rig.order(key).average_price == Decimal("101.0")
    assert rig.position().side is Side.SHORT


@pytest.mark.phased
def test_a_fill_is_told_before_the_end_of_its_order(rig):
    key, _ = rig.send(BUY, MARKET, "1")
    rig.begin(101.0, 102.0, 100.0, 101.5)
    told = [event for event in rig.ears[0].events if isinstance(event, FillReported | OrderReported)]
    assert [type(event) for event in told] == [FillReported, OrderReported]
    assert told[1].report.client_order_id == key


def test_a_limit_rests_until_its_price_is_passed(rig):
    key, _ = rig.send(BUY, LIMIT, "1", price="99")
    rig.play((100.0, 101.0, 99.0, 100.0))
    assert rig.order(key).state is OrderState.ACCEPTED
    assert [report.client_order_id for report in rig.venue.open_orders(rig.account, rig.symbol)] == [key]
    rig.play((100.0, 101.0, 98.9, 100.0))
    (fill,) = rig.fills()
    assert (fill.price, fill.is_maker, fill.fee) == (Decimal("99.0"), True, Decimal("0.0099"))
    assert rig.venue.open_orders(rig.account, rig.symbol) == []


@pytest.mark.phased
def test_a_marketable_limit_fills_at_the_open_as_a_taker(rig):
    rig.send(BUY, LIMIT, "1", price="99")
    rig.begin(98.0, 99.5, 97.0, 98.0)
    (fill,) = rig.fills()
    assert (fill.price, fill.is_maker) == (Decimal("98.0"), False)


@pytest.mark.parametrize(
    ("side", "trigger", "bar"),
    [(SELL, "95", (100.0, 100.0, 94.0, 96.0)), (BUY, "105", (100.0, 106.0, 100.0, 104.0))],
)
def test_a_stop_executes_at_its_trigger(rig, side, trigger, bar):
    rig.hold(side=side.opposite)
    key, outcome = rig.send(side, STOP, "1", trigger=trigger, reduce_only=True)
    assert isinstance(outcome, Accepted)
    rig.finish()
    assert rig.order(key).state is OrderState.ACCEPTED
    rig.play(bar)
    assert rig.order(key).average_price == Decimal(f"{trigger}.0")
    assert rig.position().is_flat


def test_a_stop_behind_a_gap_executes_at_the_open(rig):
    rig.hold()
    key, _ = rig.send(SELL, STOP, "1", trigger="95", reduce_only=True)
    rig.finish()
    rig.begin(90.0, 96.0, 89.0, 95.0)
    assert rig.order(key).average_price == Decimal("90.0")


def test_a_target_fills_at_exactly_its_price_as_a_maker(rig):
    rig.hold()
    rig.send(SELL, LIMIT, "1", price="110", reduce_only=True)
    rig.finish()
    rig.play((100.0, 110.0, 99.0, 105.0))
    fill = rig.fills()[-1]
    assert (fill.price, fill.is_maker) == (Decimal("110.0"), True)


def test_what_reduced_a_position_ends_with_it(rig):
    rig.hold()
    stop, _ = rig.send(SELL, STOP, "1", trigger="95", reduce_only=True)
    target, _ = rig.send(SELL, LIMIT, "1", price="110", reduce_only=True)
    rig.finish()
    rig.play((100.0, 100.0, 94.0, 96.0))
    assert rig.order(stop).state is OrderState.FILLED
    assert rig.order(target).state is OrderState.CANCELED
    ends = {stop: OrderState.FILLED, target: OrderState.CANCELED}
    rig.eventually(lambda: reported(rig).items() >= ends.items())


def test_a_reduce_only_order_never_turns_a_position(rig):
    rig.hold("1")
    rig.finish()
    key, _ = rig.send(SELL, MARKET, "3", reduce_only=True)
    rig.begin(100.0, 100.0, 100.0, 100.0)
    assert rig.position().is_flat
    assert (rig.order(key).filled, rig.order(key).state) == (Decimal("1"), OrderState.CANCELED)


@pytest.mark.phased
def test_an_order_beyond_its_worst_price_fills_nothing(rig):
    key, _ = rig.send(BUY, MARKET, "1", price="100.5")
    rig.begin(101.0, 101.0, 101.0, 101.0)
    assert (rig.order(key).state, rig.order(key).filled) == (OrderState.CANCELED, Decimal(0))
    assert rig.position().is_flat


REFUSALS = {
    "an amount between two steps": (("other",), (BUY, MARKET, "1.0005"), {}),
    "no amount": (("other",), (BUY, MARKET, "0"), {}),
    "a price between two ticks": (("other",), (BUY, LIMIT, "1"), {"price": "99.0505"}),
    "a trigger between two ticks": (("other",), (BUY, STOP, "1"), {"trigger": "101.0505"}),
    "a limit without a price": (("other",), (BUY, LIMIT, "1"), {}),
    "a stop without a trigger": (("other",), (SELL, STOP, "1"), {}),
    "less than the minimum": (("minimum",), (BUY, MARKET, "0.099"), {}),
    "more than the money": (("margin",), (BUY, MARKET, "1001"), {}),
    "nothing to reduce": (("reduce_only",), (SELL, MARKET, "1"), {"reduce_only": True}),
    "a stop beyond the mark": (("beyond_mark",), (SELL, STOP, "1"), {"trigger": "101"}),
    "another market": (("other",), (BUY, MARKET, "1"), {"symbol": "ETH/USDC:USDC"}),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_says_why_and_leaves_nothing(rig, name):
    (code,), args, kwargs = REFUSALS[name]
    key, outcome = rig.send(*args, **kwargs)
    assert isinstance(outcome, Refused)
    assert outcome.code == code, outcome.reason
    assert outcome.reason
    known = rig.order(key)
    assert known is None or (known.state, known.filled) == (OrderState.REJECTED, 0)
    assert rig.venue.open_orders(rig.account, rig.symbol) == []


def test_a_second_send_of_the_same_order_is_refused(rig):
    intent = rig.intent(BUY, MARKET, "1")
    prepared = rig.venue.prepare(intent)
    assert isinstance(rig.venue.send(prepared), Accepted)
    assert isinstance(rig.venue.send(prepared), Refused)
    rig.begin(100.0, 100.0, 100.0, 100.0)
    assert isinstance(rig.venue.send(prepared), Refused)
    assert len(rig.fills()) == 1


def test_a_request_is_the_same_however_often_it_is_prepared(rig):
    intent = rig.intent(BUY, LIMIT, "1", price="99")
    assert rig.venue.prepare(intent) == rig.venue.prepare(intent)


def test_an_order_that_was_prepared_and_never_sent_leaves_its_id_to_the_next(rig):
    dropped = rig.intent(BUY, MARKET, "1")
    rig.venue.prepare(dropped)
    decided = replace(dropped, side=SELL, amount=Decimal("0.5"))
    assert isinstance(rig.venue.send(rig.venue.prepare(decided)), Accepted)
    rig.begin(100.0, 100.0, 100.0, 100.0)
    assert (rig.position().side, rig.position().amount) == (Side.SHORT, Decimal("0.5"))


def test_a_doubtful_order_that_arrived_is_found(rig):
    prepared = rig.venue.prepare(rig.intent(BUY, LIMIT, "1", price="99"))
    rig.venue.send(prepared)
    resolution = rig.venue.resolve(prepared)
    assert isinstance(resolution, Executed)
    assert resolution.report.state is OrderState.ACCEPTED


def test_a_doubtful_order_that_never_arrived_can_never_execute(rig):
    prepared = rig.venue.prepare(rig.intent(BUY, MARKET, "1"))
    assert isinstance(rig.venue.resolve(prepared), NeverWill)
    assert isinstance(rig.venue.resolve(prepared), NeverWill)
    assert isinstance(rig.venue.send(prepared), Refused)
    rig.begin(100.0, 100.0, 100.0, 100.0)
    assert rig.fills() == []
    assert rig.order(prepared.client_order_id) is None


def test_a_cancelled_order_is_reported_and_gone(rig):
    key, _ = rig.send(BUY, LIMIT, "1", price="99")
    assert isinstance(rig.venue.cancel(rig.account, rig.symbol, key), Accepted)
    assert rig.order(key).state is OrderState.CANCELED
    rig.eventually(lambda: reported(rig).get(key) is OrderState.CANCELED)
    rig.play((100.0, 100.0, 90.0, 95.0))
    assert rig.fills() == []


def test_what_is_not_open_cannot_be_cancelled(rig):
    key, _ = rig.send(BUY, MARKET, "1")
    rig.begin(100.0, 100.0, 100.0, 100.0)
    for unknown in (key, "f" * 32):
        outcome = rig.venue.cancel(rig.account, rig.symbol, unknown)
        assert isinstance(outcome, Refused)
        assert outcome.code == "not_found"


def test_nobody_cancels_or_reads_the_order_of_another_account(rig):
    key, _ = rig.send(BUY, LIMIT, "1", price="99")
    assert rig.venue.cancel(rig.other, rig.symbol, key).code == "not_found"
    assert rig.venue.order(rig.other, rig.symbol, key) is None
    assert rig.order(key).state is OrderState.ACCEPTED


def test_modify_replaces_an_order_in_one_step(rig):
    if not rig.venue.capabilities.modifies_orders:
        pytest.skip("this venue cannot modify")
    rig.hold()
    rig.finish()
    old, _ = rig.send(SELL, STOP, "1", trigger="95", reduce_only=True)
    new = rig.venue.prepare(rig.intent(SELL, STOP, "1", trigger="97", reduce_only=True))
    assert isinstance(rig.venue.modify(old, new), Accepted)
    assert rig.order(old).state is OrderState.CANCELED
    assert [report.trigger_price for report in rig.venue.open_orders(rig.account, rig.symbol)] == [
        Decimal("97")
    ]
    assert isinstance(rig.venue.resolve(new), Executed)


def test_a_refused_modify_leaves_the_old_order(rig):
    if not rig.venue.capabilities.modifies_orders:
        pytest.skip("this venue cannot modify")
    rig.hold()
    rig.finish()
    old, _ = rig.send(SELL, STOP, "1", trigger="95", reduce_only=True)
    new = rig.venue.prepare(rig.intent(SELL, STOP, "1", trigger="100", reduce_only=True))
    assert rig.venue.modify(old, new).code == "beyond_mark"
    assert rig.order(old).state is OrderState.ACCEPTED
    other = rig.venue.prepare(rig.intent(SELL, STOP, "1", trigger="96", reduce_only=True))
    assert rig.venue.modify("f" * 32, other).code == "not_found"
    assert isinstance(rig.venue.resolve(other), NeverWill)
    assert [report.trigger_price for report in rig.venue.open_orders(rig.account, rig.symbol)] == [
        Decimal("95")
    ]


def test_leverage_bounds_what_an_account_can_carry(rig):
    assert rig.send(BUY, MARKET, "1500")[1].code == "margin"
    assert isinstance(rig.venue.set_leverage(rig.account, rig.symbol, Decimal(2)), Accepted)
    assert isinstance(rig.send(BUY, MARKET, "1500")[1], Accepted)
    rig.begin(100.0, 100.0, 100.0, 100.0)
    position = rig.position()
    assert (position.leverage, position.is_isolated, position.margin) == (Decimal(2), True, Decimal(75_000))
    liquidation = 50 / (1 - float(rig.market.maintenance_rate))
    assert float(position.liquidation_price) == pytest.approx(liquidation, rel=1e-9)
    assert isinstance(rig.venue.set_leverage(rig.account, rig.symbol, Decimal(2)), Accepted)
    if rig.venue.capabilities.is_paper:
        assert isinstance(rig.venue.set_leverage(rig.account, rig.symbol, Decimal(3)), Refused)


@pytest.mark.parametrize("leverage", ["0.5", "21", "2.5"])
def test_a_leverage_that_the_market_does_not_have_is_refused(rig, leverage):
    assert isinstance(rig.venue.set_leverage(rig.account, rig.symbol, Decimal(leverage)), Refused)
