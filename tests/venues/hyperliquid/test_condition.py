"""What lies between a run and the venue, looked at before a launch: clocks, prices, requests, markets."""

import math
import threading
from decimal import Decimal

import pytest

from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.hyperliquid import account_watch, connection, info
from firstwatch.venues.hyperliquid.parse import clock_offset_ms
from firstwatch.venues.protocol import Accepted, Unknown
from tests.venues.hyperliquid.rig import BUY, LIMIT, PATIENCE_S, SYMBOL, LiveRig, flat_bars, wait_for

NOON = "Mon, 01 Jan 2024 12:00:00 GMT"
NOON_MS = 1_704_110_400_000


@pytest.fixture
def make():
    rigs = []

    def make(**more):
        rigs.append(LiveRig(**more))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


@pytest.mark.parametrize(
    ("sent_s", "received_s", "offset_s"),
    [(0, 1, 0), (-3, 5, 0), (0.9, 1.1, 0), (3, 4, 2), (8, 9, 7), (-9, -8, -8), (-1, 0, 0)],
)
def test_a_date_says_how_far_a_clock_is_off_at_least(sent_s, received_s, offset_s):
    sent_ms, received_ms = (NOON_MS + round(second * 1000) for second in (sent_s, received_s))
    assert clock_offset_ms(NOON, sent_ms, received_ms) == offset_s * 1000


def test_a_date_that_is_none_is_an_error():
    with pytest.raises(ValueError, match="date"):
        clock_offset_ms("yesterday", 0, 0)


@pytest.mark.parametrize(("ahead_s", "least_s"), [(60.0, -58), (-60.0, 58)])
def test_a_venue_with_another_wall_clock(make, ahead_s, least_s):
    rig = make()
    rig.server.date_offset_s = ahead_s
    offset_ms = rig.venue.condition(rig.account, SYMBOL).clock_offset_ms
    assert abs(offset_ms) >= abs(least_s) * 1000
    assert (offset_ms > 0) == (least_s > 0)


@pytest.mark.parametrize("clock", ["stepped", 600.0, 1.0])
def test_however_fast_the_market_runs_prices_and_clock_are_sound(make, clock, monkeypatch):
    # However busy the machine is, a price of now is waited for.
    monkeypatch.setattr(connection, "_PRICE_COMES_S", math.inf)
    # Ten bars a second are more than one address may ask the main network about.
    rig = make(clock=clock, bars=flat_bars(20_000), weight_per_minute=100_000, weight_limit=None)
    for _ in range(3):
        line = rig.venue.condition(rig.account, SYMBOL)
        assert line.clock_offset_ms == 0
        assert line.data_age_ms < connection._YOUNG_MS
    rig.venue.subscribe(rig.account, SYMBOL, Timeframe.M1, rig.events.append)
    assert rig.venue.condition(rig.account, SYMBOL).data_age_ms < connection._YOUNG_MS


def test_a_stream_without_prices_is_as_old_as_the_silence(make, monkeypatch):
    monkeypatch.setattr(connection, "_PRICE_COMES_S", 0.5)
    rig = make()
    rig.server.faults.stall_streams(new_too=True)
    assert rig.venue.condition(rig.account, SYMBOL).data_age_ms >= 500
    rig.server.faults.resume_streams()
    monkeypatch.setattr(connection, "_PRICE_COMES_S", math.inf)
    assert rig.venue.condition(rig.account, SYMBOL).data_age_ms < connection._YOUNG_MS


def test_prices_of_the_past_are_old_although_they_come(make, monkeypatch):
    monkeypatch.setattr(connection, "_PRICE_COMES_S", 0.5)
    rig = make(clock="stepped")
    asked = rig.server._info._exchange_status
    ahead = {"specialStatuses": None, "time": rig.server.now_ms() + 90_000}
    rig.server._info._exchange_status = lambda body: ahead
    assert rig.venue.condition(rig.account, SYMBOL).data_age_ms == 90_000
    rig.server._info._exchange_status = asked


def test_looking_leaves_no_stream_behind_and_takes_none_away(make):
    rig = make()
    rig.venue.condition(rig.account, SYMBOL)
    wait_for(lambda: rig.server.subscriptions() == [])
    rig.venue.subscribe(rig.account, SYMBOL, Timeframe.M1, rig.events.append)
    rig.venue.condition(rig.account, SYMBOL)
    assert "l2Book" in {one["type"] for one in rig.server.subscriptions()}


def test_a_spent_budget_says_how_long_a_launch_waits(make):
    rig = make()
    rig.venue.markets()

    async def spend():
        rig.venue._connection.budget.charge(950)

    rig.venue._read(spend)
    line = rig.venue.condition(rig.account, SYMBOL)
    assert 40 < line.wait_s < 80
    assert (line.clock_offset_ms, line.data_age_ms, line.actions_left) == (None, None, None)


def test_a_venue_is_busy_while_requests_wait_for_their_turn(make):
    rig = make()
    rig.venue.markets()
    assert not rig.venue.is_busy()

    budget = rig.venue._connection.budget

    async def spend():
        budget.charge(budget.left)

    rig.venue._read(spend)
    reading = threading.Thread(target=rig.venue.position, args=(rig.account, SYMBOL))
    reading.start()
    wait_for(rig.venue.is_busy)
    reading.join(PATIENCE_S)
    wait_for(lambda: not rig.venue.is_busy())


def test_what_the_address_has_used_of_its_allowance(make):
    rig = make()
    before = rig.venue.condition(rig.account, SYMBOL).actions_left
    rig.send(BUY, LIMIT, "1", price="50")
    assert rig.venue.condition(rig.account, SYMBOL).actions_left == before - 1


def test_a_market_that_is_delisted_meanwhile(make, monkeypatch):
    rig = make()
    assert SYMBOL in rig.venue.markets()
    rig.server.delist("BTC")
    assert not rig.venue.condition(rig.account, SYMBOL).is_delisted  # it was listed a moment ago
    monkeypatch.setattr(info, "_LISTED_FOR_S", -1.0)
    assert rig.venue.condition(rig.account, SYMBOL).is_delisted
    assert rig.venue.markets() == {}


def test_holdings_say_who_sent_what(make):
    rig = make()
    key, _ = rig.send(BUY, LIMIT, "1", price="50")
    rig.server.by_hand(rig.account).market("BTC", "buy", "0.5")
    rig.server.by_hand(rig.account).limit("BTC", "sell", "0.1", "150")
    held = rig.venue.holdings(rig.account)
    assert {order.client_order_id for order in held.orders} == {key, None}
    assert (held.positions[0].amount, held.positions[0].margin > 0) == (Decimal("0.5"), True)


def test_holdings_are_those_of_every_exchange_of_the_venue(make):
    rig = make()
    rig.server.hold_aside(rig.account, "xyz", "TSLA", "-2")
    rig.server.hold_aside(rig.account, "abc", "GOLD", 0)
    rig.server.order_aside(rig.account, "xyz:NVDA", dex="xyz")
    for coin in ("#20", "@107", "PURR/USDC"):
        rig.server.order_aside(rig.account, coin)
    rig.server.fund_spot(rig.account, 40)
    held = rig.venue.holdings(rig.account)
    assert [(one.symbol, one.side.value, one.amount) for one in held.positions] == [
        ("xyz:TSLA (exchange xyz)", "short", 2)
    ]
    assert [order.symbol for order in held.orders] == [
        "outcome 20",
        "spot market 107",
        "spot market PURR/USDC",
        "xyz:NVDA (exchange xyz)",
    ]
    assert held.spot == 40


def test_a_run_is_told_what_its_account_holds_in_other_exchanges_and_of_what_kind_it_is(make, monkeypatch):
    monkeypatch.setattr(account_watch, "RECONCILE_S", 0.1)
    monkeypatch.setattr(account_watch, "_EXTERNAL_PER_S", 1e6)
    rig = make(weight_per_minute=100_000, weight_limit=None)
    rig.server.hold_aside(rig.account, "xyz", "TSLA", 3)
    rig.listen()
    wait_for(lambda: rig.of("ExternalPositions"))
    assert rig.of("ExternalPositions")[0].amounts == {"xyz:TSLA (exchange xyz)": 3}
    assert rig.of("AccountChecked")[0].problem == ""
    rig.server.set_abstraction(rig.account, "unifiedAccount")
    wait_for(lambda: "unified account" in rig.of("AccountChecked")[-1].problem)
    rig.server.hold_aside(rig.account, "xyz", "TSLA", 0)
    wait_for(lambda: rig.of("ExternalPositions")[-1].amounts == {})
    rig.server.set_abstraction(rig.account, "default")
    wait_for(lambda: not rig.of("AccountChecked")[-1].problem)


def test_what_cannot_be_asked_of_an_account_is_asked_again(make, monkeypatch):
    monkeypatch.setattr(account_watch, "_EXTERNAL_AGAIN_S", 0.1)
    rig = make(weight_per_minute=100_000, weight_limit=None)
    rig.server.faults.plan("http", "userAbstraction", status=502)
    rig.server.faults.plan("empty", "perpDexs")
    rig.listen()
    wait_for(lambda: rig.of("AccountChecked"))
    wait_for(lambda: rig.of("ExternalPositions"))
    assert rig.server.audit().requests["userAbstraction"] >= 3


# --- leverage ------------------------------------------------------------------------------------


def test_a_leverage_is_set_when_the_venue_shows_it(make):
    rig = make()
    rig.server.by_hand(rig.account).set_leverage("BTC", 20, is_isolated=False)
    assert isinstance(rig.venue.set_leverage(rig.account, SYMBOL, Decimal(3)), Accepted)
    assert rig.server.audit().requests["activeAssetData"] == 1


def test_a_leverage_that_does_not_show_is_in_doubt(make):
    rig = make()
    actions = rig.server._actions
    kept = actions._do_update_leverage
    actions._do_update_leverage = lambda account, action: {"type": "default"}
    outcome = rig.venue.set_leverage(rig.account, SYMBOL, Decimal(3))
    assert isinstance(outcome, Unknown)
    assert "does not show BTC/USDC:USDC isolated at leverage 3" in outcome.reason
    actions._do_update_leverage = kept
    rig.server.faults.plan("http", "activeAssetData", status=502)
    assert isinstance(rig.venue.set_leverage(rig.account, SYMBOL, Decimal(3)), Unknown)
    assert isinstance(rig.venue.set_leverage(rig.account, SYMBOL, Decimal(3)), Accepted)
