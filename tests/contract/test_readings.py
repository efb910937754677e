"""What any venue says when it is asked."""

import math
from decimal import Decimal

import pytest

from firstwatch.trading.errors import VenueError
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.hyperliquid import connection
from firstwatch.venues.protocol import LONGEST_WAIT_S, VenueCondition
from tests.contract.rig import BUY, LIMIT, MARKET, SELL, START_MS


def test_the_markets_are_known_by_their_symbol(rig):
    market = rig.venue.markets()[rig.symbol]
    assert market.symbol == rig.symbol
    assert market.amount_step > 0


def test_candles_are_closed_and_end_in_time(rig):
    minute = Timeframe.M1
    bars = rig.venue.candles(rig.symbol, minute, end_ms=rig.venue.now_ms(), limit=10)
    assert [bar.time_ms for bar in bars] == [START_MS, START_MS + 60_000, START_MS + 120_000]
    rig.begin(101.0, 102.0, 100.0, 101.5)
    in_the_future = rig.venue.now_ms() + 3_600_000
    assert rig.venue.candles(rig.symbol, minute, end_ms=in_the_future, limit=10) == bars
    rig.finish()
    later = rig.venue.candles(rig.symbol, minute, end_ms=in_the_future, limit=2)
    assert [bar.close for bar in later] == [100.0, 101.5]
    assert rig.venue.candles(rig.symbol, minute, end_ms=START_MS + 119_999, limit=5) == bars[:1]


def test_a_bar_that_was_revised_is_read_anew_as_it_is_now(rig):
    minute = Timeframe.M1
    rig.play((101.0, 102.0, 100.0, 101.5), (101.5, 102.5, 101.0, 102.0))
    before = rig.venue.candles(rig.symbol, minute, end_ms=rig.venue.now_ms(), limit=4)
    changed = before[2]._replace(high=103.0, close=102.5)
    rig.revise(changed)
    span = {"first_ms": before[1].time_ms, "end_ms": before[3].time_ms}
    assert rig.venue.candles_anew(rig.symbol, minute, **span) == [before[1], changed]
    assert rig.venue.candles_anew(rig.symbol, minute, first_ms=START_MS, end_ms=START_MS) == []


def test_an_unknown_symbol_is_an_error(rig):
    for ask in (
        lambda: rig.venue.candles("NO/NE:NE", Timeframe.M1, end_ms=0, limit=1),
        lambda: rig.venue.candles_anew("NO/NE:NE", Timeframe.M1, first_ms=0, end_ms=60_000),
        lambda: rig.venue.touch("NO/NE:NE"),
        lambda: rig.venue.position(rig.account, "NO/NE:NE"),
        lambda: rig.venue.subscribe(rig.account, "NO/NE:NE", Timeframe.M1, lambda event: None),
    ):
        with pytest.raises(VenueError, match="NO/NE:NE"):
            ask()


def test_the_touch_holds_the_mark(rig):
    touch = rig.venue.touch(rig.symbol)
    assert touch.bid <= touch.mark <= touch.ask
    assert 0 <= rig.venue.now_ms() - touch.time_ms <= 5_000


def test_a_position_has_its_average_entry_and_its_pnl(rig):
    rig.hold("1", price=100.0)
    rig.finish()
    rig.begin(104.0, 108.0, 104.0, 108.0)
    rig.send(BUY, MARKET, "3")
    rig.finish()
    position = rig.position()
    assert (position.amount, position.entry_price) == (Decimal("4"), Decimal("103.0"))
    assert position.unrealised_pnl == Decimal("20.0")
    rig.begin(108.0, 108.0, 108.0, 108.0)
    rig.send(SELL, MARKET, "4", reduce_only=True)
    assert rig.position().is_flat
    assert rig.position().entry_price is None


def test_an_order_that_is_larger_than_the_position_turns_it(rig):
    rig.hold("1")
    rig.send(SELL, MARKET, "3")
    position = rig.position()
    assert (position.side, position.amount) == ("short", Decimal("2"))


@pytest.mark.phased
def test_the_balance_is_what_was_put_in_and_what_came_of_it(rig):
    rig.hold("10", price=100.0)
    assert rig.venue.balance(rig.account).used == Decimal("1000.0")
    resting, _ = rig.send(BUY, LIMIT, "5", price="90")
    balance = rig.venue.balance(rig.account)
    assert balance.used == Decimal("1450.0")
    assert balance.free == balance.total - balance.used
    rig.venue.cancel(rig.account, rig.symbol, resting)
    rig.finish()
    rig.send(SELL, MARKET, "10", reduce_only=True)
    rig.begin(110.0, 110.0, 110.0, 110.0)
    fees = sum(fill.fee for fill in rig.fills())
    balance = rig.venue.balance(rig.account)
    assert balance.total == balance.free == Decimal(100_000) + Decimal(100) - fees


def test_accounts_know_nothing_of_each_other(rig):
    rig.hold()
    assert rig.venue.position(rig.other, rig.symbol).is_flat
    assert rig.venue.balance(rig.other).total == 0
    assert rig.venue.fills_since(rig.other, rig.symbol, 0) == []
    assert rig.venue.open_orders(rig.other, rig.symbol) == []


def test_fills_are_read_from_a_time_on_oldest_first(rig):
    rig.hold()
    rig.finish()
    rig.send(SELL, MARKET, "1", reduce_only=True)
    rig.begin(101.0, 101.0, 101.0, 101.0)
    first, second = rig.fills()
    assert first.time_ms < second.time_ms
    assert first.fill_id != second.fill_id
    assert rig.venue.fills_since(rig.account, rig.symbol, second.time_ms) == [second]


def test_holdings_are_all_that_each_market_says(rig):
    assert not rig.venue.holdings(rig.account).positions
    rig.hold("1", price=100.0)
    order = rig.send(SELL, LIMIT, "1", price="110", reduce_only=True)[0]
    held = rig.venue.holdings(rig.account)
    assert [(one.symbol, one.amount) for one in held.positions] == [(rig.symbol, rig.position().amount)]
    assert [one.client_order_id for one in held.orders] == [order]


def test_a_venue_that_serves_well_says_so(rig, monkeypatch):
    # However busy the machine is, a price of now is waited for.
    monkeypatch.setattr(connection, "_PRICE_COMES_S", math.inf)
    seen = rig.venue.condition(rig.account, rig.symbol)
    assert not seen.is_delisted
    if rig.venue.capabilities.is_paper:
        assert seen == VenueCondition()
    else:
        assert seen.clock_offset_ms == 0
        assert seen.data_age_ms < connection._YOUNG_MS
        assert seen.wait_s < LONGEST_WAIT_S
        assert seen.actions_left > 1_000


def test_what_must_be_approved_is_said(rig):
    assert all(approval.sentence for approval in rig.venue.approvals(rig.account, rig.symbol, Decimal(1)))
