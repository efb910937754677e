"""What a venue still knows when the process that drove it is gone."""

from decimal import Decimal

import pytest

from firstwatch.trading.orders import OrderState
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.protocol import Accepted, Executed, NeverWill, Refused
from tests.contract.rig import BUY, LIMIT, MARKET, SELL, START_MS, STOP


def test_orders_position_money_and_fills_survive(lasting_rig):
    rig = lasting_rig
    rig.venue.set_leverage(rig.account, rig.symbol, Decimal(3))
    rig.hold("2")
    stop, _ = rig.send(SELL, STOP, "2", trigger="95", price="85", reduce_only=True)
    rig.send(SELL, LIMIT, "2", price="110", reduce_only=True)
    rig.finish()
    before = (
        rig.venue.open_orders(rig.account, rig.symbol),
        rig.fills(),
        rig.venue.balance(rig.account).total,
        rig.position().liquidation_price,
        rig.position().margin,
        rig.position().leverage,
    )
    rig.restart()
    assert before == (
        rig.venue.open_orders(rig.account, rig.symbol),
        rig.fills(),
        rig.venue.balance(rig.account).total,
        rig.position().liquidation_price,
        rig.position().margin,
        rig.position().leverage,
    )
    rig.listen()
    rig.play((100.0, 100.0, 94.0, 96.0))
    assert rig.order(stop).average_price == Decimal("95.0")
    assert len({fill.fill_id for fill in rig.fills()}) == 2


def test_what_was_sent_is_known_and_what_was_burnt_stays_burnt(lasting_rig):
    rig = lasting_rig
    arrived = rig.venue.prepare(rig.intent(BUY, MARKET, "1"))
    lost = rig.venue.prepare(rig.intent(BUY, MARKET, "1"))
    rig.venue.send(arrived)
    assert isinstance(rig.venue.resolve(lost), NeverWill)
    rig.restart()
    assert isinstance(rig.venue.resolve(arrived), Executed)
    assert not isinstance(rig.venue.send(arrived), Accepted)
    assert isinstance(rig.venue.resolve(lost), NeverWill)
    assert isinstance(rig.venue.send(lost), Refused)
    rig.listen()
    rig.begin(100.0, 100.0, 100.0, 100.0)
    assert len(rig.fills()) == 1
    assert rig.order(arrived.client_order_id).state is OrderState.FILLED


@pytest.mark.phased
def test_a_bar_whose_close_was_told_is_still_to_come_after_a_restart(lasting_rig):
    rig = lasting_rig
    rig.play((100.0, 100.0, 100.0, 101.0))
    bar_ms = START_MS + 3 * 60_000
    rig.restart()
    assert rig.venue.now_ms() == bar_ms + 59_999
    history = rig.venue.candles(rig.symbol, Timeframe.M1, end_ms=rig.venue.now_ms(), limit=10)
    assert history[-1].time_ms == bar_ms - 60_000
    handled = rig.listen(after_ms=bar_ms)
    rig.settle()
    assert rig.closed_bars(handled) == []
    missed = rig.listen("missed", after_ms=bar_ms - 60_000)
    rig.settle()
    assert rig.closed_bars(missed) == [bar_ms]
    rig.begin(101.0, 101.0, 101.0, 101.0)
    assert rig.closed_bars(missed) == [bar_ms]


@pytest.mark.phased
def test_an_entry_of_an_open_that_was_told_can_still_be_protected(lasting_rig):
    rig = lasting_rig
    rig.send(BUY, MARKET, "1")
    rig.begin(100.0, 100.0, 94.0, 96.0)
    rig.restart()
    assert not rig.position().is_flat
    stop, _ = rig.send(SELL, STOP, "1", trigger="95", reduce_only=True)
    rig.listen()
    rig.finish()
    assert rig.order(stop).average_price == Decimal("95.0")
