"""The venue in front of the loopback server: what it reads, tells, notices, and what it never does."""

import asyncio
import sys
import threading
from decimal import Decimal
from unittest.mock import AsyncMock

import pytest

from firstwatch.trading.bar import Bar
from firstwatch.trading.errors import VenueError
from firstwatch.trading.orders import OrderState, Side
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.accounts import Builder
from firstwatch.venues.hyperliquid import account_watch
from firstwatch.venues.hyperliquid.info import InfoReader
from firstwatch.venues.hyperliquid.streams import Streams
from firstwatch.venues.protocol import Accepted, Executed, NeverWill, Refused, StillUnknown, Unknown
from tests.loopback import Coin
from tests.venues.hyperliquid.rig import (
    BUY,
    LIMIT,
    MARKET,
    SELL,
    START_MS,
    STOP,
    SYMBOL,
    LiveRig,
    LocalSigner,
    flat_bars,
    wait_for,
)

BUILDER = "0x" + "b1" * 20


@pytest.fixture
def make():
    rigs = []

    def make(**more):
        rigs.append(LiveRig(**more))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


def stairs(count):
    return [
        Bar(START_MS + n * 60_000, 100.0 + n, 101.0 + n, 99.5 + n, 100.5 + n, 10.0 + n) for n in range(count)
    ]


# --- nothing unasked -----------------------------------------------------------------------------


def test_nothing_is_sent_that_was_not_decided(make):
    rig = make()
    rig.listen()
    rig.venue.set_leverage(rig.account, SYMBOL, Decimal(3))
    rig.send(BUY, MARKET, "1")
    stop, _ = rig.send(SELL, STOP, "1", trigger="90", reduce_only=True)
    rig.venue.cancel(rig.account, SYMBOL, stop)
    rig.send(SELL, MARKET, "1", reduce_only=True)
    audit = rig.server.audit()
    assert audit.actions == {"updateLeverage": 1, "order": 3, "cancelByCloid": 1}
    assert (audit.implicit_actions, audit.builders) == ([], {})


def test_the_operators_builder_is_paid_when_it_is_approved(make):
    rig = make(builder=Builder(BUILDER, 20))
    _key, missing = rig.venue.approvals(rig.account, SYMBOL, Decimal(1))
    assert not missing.is_given
    assert "0.02%" in missing.sentence
    refused = rig.send(BUY, MARKET, "1")[1]
    assert isinstance(refused, Refused)
    rig.server.call(lambda: rig.server._exchange.accounts[rig.account].builders.update({BUILDER: 20}))
    assert all(approval.is_given for approval in rig.venue.approvals(rig.account, SYMBOL, Decimal(1)))
    assert isinstance(rig.send(BUY, MARKET, "1")[1], Accepted)
    (fill,) = rig.venue.fills_since(rig.account, SYMBOL, 0)
    assert fill.builder_fee == Decimal("0.02")
    assert fill.fee == Decimal("0.045") + fill.builder_fee


def test_stops_and_exits_do_without_a_builder_that_lost_its_approval(make):
    rig = make(builder=Builder(BUILDER, 20))
    approved = rig.server.call(lambda: rig.server._exchange.accounts[rig.account].builders)
    rig.server.call(lambda: approved.update({BUILDER: 20}))
    rig.send(BUY, MARKET, "1")
    rig.server.call(approved.clear)
    assert isinstance(rig.send(BUY, MARKET, "1")[1], Refused)
    assert isinstance(rig.send(SELL, STOP, "1", trigger="90", reduce_only=True)[1], Accepted)
    assert isinstance(rig.send(SELL, LIMIT, "1", price="110", reduce_only=True)[1], Accepted)
    assert isinstance(rig.send(SELL, MARKET, "1", price="90", reduce_only=True)[1], Accepted)
    assert rig.position().is_flat


def test_ccxt_is_imported_in_the_gateways_thread_only(make):
    import subprocess

    script = (
        "import sys; import firstwatch.engine.venue_registry, firstwatch.venues.hyperliquid.venue;"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('ccxt', 'aiohttp')]"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    rig = make()
    rig.venue.markets()
    assert f"gateway {rig.venue.name}" in {thread.name for thread in threading.enumerate()}
    rig.venue.close()
    assert f"gateway {rig.venue.name}" not in {thread.name for thread in threading.enumerate()}


# --- markets and keys ----------------------------------------------------------------------------


def test_a_market_says_its_steps_fees_and_margin(make):
    market = make(coin=Coin("ETH", 4, 25, price=2000.0)).venue.markets()["ETH/USDC:USDC"]
    assert (market.amount_step, market.tick, market.price_figures) == (Decimal("0.0001"), Decimal("0.01"), 5)
    assert (market.taker_fee_bps, market.maker_fee_bps) == (Decimal("4.5"), Decimal("1.5"))
    assert (market.maintenance_rate, market.maximum_leverage) == (Decimal("0.02"), 25)


def test_a_delisted_market_is_not_offered(make):
    rig = make(coin=Coin("OLD", 2, 5, is_delisted=True))
    assert rig.venue.markets() == {}
    assert rig.venue.position(rig.account, "OLD/USDC:USDC").is_flat


def test_an_agent_trades_for_its_master_and_its_approval_is_checked(make):
    # It asks more in a moment than a budget has.
    rig = make(weight_per_minute=1e6)
    agent = rig.wallets.add(LocalSigner(8, account=rig.account))
    (missing,) = rig.venue.approvals(rig.account, SYMBOL, Decimal(1))
    assert not missing.is_given
    refused = rig.send(BUY, MARKET, "1")[1]
    assert (type(refused), refused.code) == (Refused, "auth")
    assert "wrong key, its approval has expired" in missing.found
    rig.server.fund(BUILDER, 1)
    rig.server.approve_agent(BUILDER, agent.address)
    (elsewhere,) = rig.venue.approvals(rig.account, SYMBOL, Decimal(1))
    assert (elsewhere.is_given, f"of another account, {BUILDER}" in elsewhere.found) == (False, True)
    rig.server.call(rig.server._exchange.accounts[BUILDER].agents.clear)
    rig.server.approve_agent(rig.account, agent.address, name="short", valid_s=86_400)
    (short,) = rig.venue.approvals(rig.account, SYMBOL, Decimal(1))
    assert (short.is_given, "less than 7 days" in short.sentence) == (False, True)
    rig.server.approve_agent(rig.account, agent.address, name="long")
    assert rig.venue.approvals(rig.account, SYMBOL, Decimal(1))[0].is_given
    assert isinstance(rig.send(BUY, MARKET, "1")[1], Accepted)
    assert rig.position().amount == 1


def test_what_a_replaced_api_wallet_signed_never_will_execute(make):
    rig = make()
    agent = rig.wallets.add(LocalSigner(9, rig.account))
    rig.server.approve_agent(rig.account, agent.address)
    rig.server.faults.plan("request_lost", "order")
    rig.server.faults.plan("reply_lost", "order")
    lost, arrived = rig.prepared(BUY, MARKET, "1"), rig.prepared(BUY, MARKET, "2")
    assert isinstance(rig.venue.send(lost), Unknown)
    assert isinstance(rig.venue.send(arrived), Unknown)
    rig.server.call(rig.server._exchange.accounts[rig.account].agents.clear)
    newer = rig.wallets.add(LocalSigner(10, rig.account))
    rig.server.approve_agent(rig.account, newer.address)

    def settled(prepared):
        return wait_for(
            lambda: None if isinstance(found := rig.venue.resolve(prepared), StillUnknown) else found
        )

    assert isinstance(settled(lost), NeverWill)
    assert isinstance(settled(arrived), Executed)


def test_an_account_without_a_key_can_be_read_but_not_traded(make):
    rig = make()
    stranger = "0x" + "99" * 20
    assert rig.venue.position(stranger, SYMBOL).is_flat
    outcome = rig.send(BUY, MARKET, "1", account=stranger)[1]
    assert (type(outcome), outcome.code) == (Refused, "auth")
    assert [approval.is_given for approval in rig.venue.approvals(stranger, SYMBOL, Decimal(1))] == [False]


def test_signatures_of_another_network_are_worth_nothing(make):
    rig = make(network="testnet")
    rig.venue._is_mainnet = True
    outcome = rig.send(BUY, MARKET, "1")[1]
    assert (type(outcome), outcome.code) == (Refused, "auth")


def test_an_unreachable_venue_is_a_sentence():
    rig = LiveRig()
    rig.close()
    venue = rig.open()
    try:
        with pytest.raises(VenueError, match=r"at http://127\.0\.0\.1:\d+ cannot be reached .*api_url"):
            venue.markets()
    finally:
        venue.close()


def test_a_subscription_that_failed_halfway_leaves_no_listener(make, monkeypatch):
    rig = make(clock="stepped", bars=stairs(7), history=6)
    told = []
    with monkeypatch.context() as patched:
        patched.setattr(Streams, "add", AsyncMock(side_effect=VenueError("The connection broke.")))
        with pytest.raises(VenueError, match="broke"):
            rig.venue.subscribe(rig.account, SYMBOL, Timeframe.M1, told.append)
    rig.listen()
    rig.server.step_to(START_MS + 7 * 60_000)
    wait_for(lambda: rig.of("BarClosed"))
    assert told == []


# --- bars ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("speed", [60.0, 600.0])
def test_every_bar_is_told_once_in_order_and_as_it_was(make, speed):
    bars = stairs(400)
    rig = make(bars=bars, clock=speed, history=50)
    rig.listen()
    count = 4 if speed == 60 else 25
    wait_for(lambda: len(rig.of("BarClosed")) >= count)
    told = [event.bar for event in rig.of("BarClosed")]
    first = bars.index(told[0])
    assert told == bars[first : first + len(told)]
    assert all(event.time_ms >= event.bar.time_ms + 60_000 for event in rig.of("BarClosed"))
    assert rig.server.audit().rate_limited == 0


def test_bars_missed_by_the_stream_are_told_from_rest(make):
    bars = stairs(400)
    # Two bars a second are more than one address may have confirmed on the main network.
    rig = make(bars=bars, clock=120.0, history=50, weight_per_minute=100_000, weight_limit=None)
    rig.listen()
    wait_for(lambda: rig.of("BarClosed"))
    rig.server.faults.plan("message_lost", "candle", count=40)
    told = wait_for(lambda: len(rig.of("BarClosed")) >= 8 and [event.bar for event in rig.of("BarClosed")])
    first = bars.index(told[0])
    assert told == bars[first : first + len(told)]


def test_a_bar_without_a_later_one_is_closed_by_the_venues_time(make):
    rig = make(clock="stepped", bars=stairs(7), history=6)
    rig.listen()
    rig.server.step_to(START_MS + 7 * 60_000)
    wait_for(lambda: rig.of("BarClosed"))
    assert [event.bar for event in rig.of("BarClosed")] == [stairs(7)[6]]


def test_a_bar_that_is_not_over_at_the_venue_stays_open(make):
    rig = make(clock="stepped", bars=stairs(7), history=6)
    rig.listen()
    rig.server.step_to(START_MS + 7 * 60_000 - 1_500)
    # By the wall's reckoning it is over: seconds pass while the venue's clock stands.
    wait_for(lambda: rig.server.audit().requests.get("l2Book", 0) >= 4, patience_s=15)
    assert rig.of("BarClosed") == []


def test_candles_are_read_once_for_all_runs(make):
    rig = make(bars=stairs(300), history=250)
    ask = {"end_ms": rig.venue.now_ms(), "limit": 200}
    first = rig.venue.candles(SYMBOL, Timeframe.M1, **ask)
    assert [bar.time_ms for bar in first] == [START_MS + n * 60_000 for n in range(50, 250)]
    for _ in range(5):
        assert rig.venue.candles(SYMBOL, Timeframe.M1, **ask) == first
    assert rig.server.audit().requests["candleSnapshot"] == 1
    fives = rig.venue.candles(SYMBOL, Timeframe.M5, end_ms=rig.venue.now_ms(), limit=3)
    assert [bar.time_ms for bar in fives] == [START_MS + n * 300_000 for n in (47, 48, 49)]


# --- what happens at the venue by itself ---------------------------------------------------------


def test_a_stop_that_triggers_is_told_with_its_fill(make):
    falling = [*stairs(6), Bar(START_MS + 6 * 60_000, 105.0, 105.0, 80.0, 81.0, 10.0)]
    rig = make(clock="stepped", bars=falling, history=6)
    rig.listen()
    rig.send(BUY, MARKET, "1")
    stop, _ = rig.send(SELL, STOP, "1", trigger="95", reduce_only=True)
    assert rig.order(stop).price == Decimal("85.5")
    rig.server.step_to(START_MS + 7 * 60_000)
    wait_for(lambda: len(rig.of("FillReported")) == 2)
    assert rig.of("FillReported")[-1].fill.client_order_id == stop
    report = wait_for(lambda: [e.report for e in rig.of("OrderReported") if e.report.state.is_final][-1:])[0]
    assert rig.order(stop).state is OrderState.FILLED
    assert report.state.is_final
    assert rig.position().is_flat


def test_a_position_closed_by_hand_is_noticed(make, monkeypatch):
    monkeypatch.setattr(account_watch, "RECONCILE_S", 1.0)
    rig = make(stream_users=0)
    rig.listen()
    rig.send(BUY, MARKET, "1")
    wait_for(lambda: rig.of("FillReported"))
    restored = len(rig.of("StreamRestored"))
    rig.server.by_hand(rig.account).close("BTC")
    wait_for(lambda: len(rig.of("FillReported")) == 2)
    assert rig.of("FillReported")[-1].fill.client_order_id is None
    wait_for(lambda: len(rig.of("StreamRestored")) > restored)


def test_a_liquidation_is_told_as_one(make):
    rig = make()
    rig.listen()
    rig.venue.set_leverage(rig.account, SYMBOL, Decimal(5))
    rig.send(SELL, MARKET, "2")
    held = rig.position()
    assert (held.side, held.is_isolated, held.leverage) == (Side.SHORT, True, Decimal(5))
    rig.server.by_hand(rig.account).liquidate("BTC")
    wait_for(lambda: [event for event in rig.of("FillReported") if event.fill.is_liquidation])
    assert rig.position().is_flat


def test_orders_of_others_are_named(make):
    rig = make()
    rig.server.by_hand(rig.account).limit("BTC", "buy", "1", "90")
    (report,) = rig.venue.open_orders(rig.account, SYMBOL)
    assert (report.client_order_id, report.price, report.state) == (None, Decimal(90), OrderState.ACCEPTED)


def test_an_order_that_finds_nothing_ends_unfilled(make):
    rig = make()
    rig.listen()
    key, outcome = rig.send(BUY, MARKET, "1", price="95")
    assert isinstance(outcome, Accepted)
    assert (rig.order(key).state, rig.order(key).filled) == (OrderState.CANCELED, Decimal(0))
    wait_for(lambda: rig.of("OrderReported"))


def test_an_entry_is_bounded_by_the_venues_slippage_and_a_closing_order_is_not(make):
    rig = make(max_slippage_bps=100.0)
    rig.listen()
    wait_for(lambda: rig.of("MarkMoved"))
    entry, _ = rig.send(BUY, MARKET, "1", price="110")
    closing, _ = rig.send(SELL, MARKET, "1", price="90", reduce_only=True)
    assert Decimal("100.9") <= rig.order(entry).price <= Decimal("101.1")
    assert rig.order(closing).price == Decimal(90)


def test_nothing_is_rounded_silently(make):
    rig = make()
    for args, more in [
        ((BUY, MARKET, "1.0005"), {}),
        ((BUY, LIMIT, "1"), {"price": "99.0055"}),
        ((SELL, STOP, "1"), {"trigger": "95.0015"}),
        ((BUY, LIMIT, "1"), {}),
        ((BUY, LIMIT, "0"), {"price": "99"}),
    ]:
        assert isinstance(rig.send(*args, **more)[1], Refused)
    assert rig.server.audit().actions == {}


def test_a_request_holds_no_key_and_no_signature(make):
    rig = make()
    body = rig.prepared(BUY, MARKET, "1").body.decode()
    assert "signature" not in body
    assert '"r": true' not in body
    assert f"{rig.signer._key.key.hex()}" not in body


def test_more_accounts_than_may_be_streamed_are_polled(make):
    rig = make(stream_users=1)
    other = rig.wallets.add(LocalSigner(9)).account
    rig.server.fund(other, 1000)
    heard = []
    rig.listen()
    rig.venue.subscribe(other, SYMBOL, Timeframe.M1, heard.append)
    rig.send(BUY, MARKET, "1", account=other)
    wait_for(lambda: any(type(event).__name__ == "FillReported" for event in heard))
    assert rig.of("FillReported") == []
    rig.server.by_hand(other).close("BTC")
    wait_for(lambda: sum(type(event).__name__ == "FillReported" for event in heard) == 2)


# --- what is asked, and how often ----------------------------------------------------------------


def test_the_fills_of_a_trade_are_read_once_for_everybody_who_asks(make):
    rig = make(stream_users=0)
    rig.listen()
    key, outcome = rig.send(BUY, MARKET, "1")
    wait_for(lambda: rig.of("FillReported"))
    told = rig.of("FillReported")[0].fill
    assert outcome.fills_within_ms > 1_000
    for since_ms in (told.time_ms - 120_000, told.time_ms - 1, told.time_ms):
        assert list(rig.venue.fills_since(rig.account, SYMBOL, since_ms)) == [told]
    assert rig.order(key).filled == 1
    assert rig.server.audit().requests["userFillsByTime"] == 1


def test_funding_is_asked_for_once_after_it_was_paid_whatever_is_traded(make):
    minutes = 200
    rig = make(clock="stepped", bars=flat_bars(minutes), history=5)
    begun_ms = START_MS + 5 * 60_000
    assert rig.venue.funding_since(rig.account, SYMBOL, begun_ms) == []
    rig.send(BUY, MARKET, "1")
    assert rig.venue.funding_since(rig.account, SYMBOL, begun_ms) == []
    assert rig.server.audit().requests["userFunding"] == 1
    rig.server.step_to(START_MS + 63 * 60_000)
    (paid,) = rig.venue.funding_since(rig.account, SYMBOL, begun_ms)
    assert paid.time_ms == START_MS + 60 * 60_000
    rig.send(SELL, MARKET, "1", reduce_only=True)
    assert list(rig.venue.funding_since(rig.account, SYMBOL, begun_ms)) == [paid]
    assert rig.server.audit().requests["userFunding"] == 2


# --- what other clients of the account do ----------------------------------------------------------


def reconciled(rig):
    return [event for event in rig.of("StreamRestored") if event.stream == account_watch.RECONCILIATION]


def test_an_order_of_another_client_is_noticed_by_the_stream_and_so_is_its_end(make, monkeypatch):
    monkeypatch.setattr(account_watch, "_EXTERNAL_ORDERS_EVERY_S", 0.0)
    monkeypatch.setattr(account_watch, "_UNKNOWN_LOOK_S", 0.0)
    rig = make()
    other = rig.wallets.add(LocalSigner(8)).account
    rig.server.fund(other, 100_000)
    others = []
    rig.listen()
    rig.venue.subscribe(other, SYMBOL, Timeframe.M1, others.append)
    wait_for(lambda: all(book.is_streamed for book in rig.venue._connection.info.accounts.values()))
    own, _ = rig.send(BUY, LIMIT, "1", price="90")
    wait_for(lambda: rig.of("OrderReported"))
    assert reconciled(rig) == []
    rig.server.by_hand(rig.account).limit("BTC", "buy", "1", "89")
    wait_for(lambda: reconciled(rig))
    assert len(rig.venue.open_orders(rig.account, SYMBOL)) == 2
    before = len(reconciled(rig))
    rig.server.by_hand(rig.account).cancel_all("BTC")
    wait_for(lambda: len(reconciled(rig)) > before)
    assert rig.order(own).state is OrderState.CANCELED
    assert not [event for event in others if getattr(event, "stream", "") == account_watch.RECONCILIATION]


def test_an_order_of_another_client_on_a_polled_account_is_noticed_without_a_whole_reconciliation(
    make, monkeypatch
):
    monkeypatch.setattr(account_watch, "RECONCILE_S", 1.0)
    monkeypatch.setattr(account_watch, "_ORDERS_PER_S", 20.0)
    rig = make(stream_users=0)
    rig.listen()
    rig.server.by_hand(rig.account).limit("BTC", "buy", "1", "89")
    wait_for(lambda: reconciled(rig))
    assert rig.server.audit().requests.get("userFillsByTime", 0) == 0


def test_open_orders_of_a_polled_account_are_read_again_and_again(make, monkeypatch):
    monkeypatch.setattr(account_watch, "RECONCILE_S", 0.2)
    monkeypatch.setattr(account_watch, "_ORDERS_PER_S", 200.0)
    read, read_orders = [], InfoReader.external_orders

    async def counted(self, account):
        read.append(account)
        return await read_orders(self, account)

    monkeypatch.setattr(InfoReader, "external_orders", counted)
    rig = make(stream_users=0)
    rig.listen()
    wait_for(lambda: len(read) >= 3)
    assert set(read) == {rig.account}


def test_open_orders_are_not_asked_for_again_while_an_answer_is_awaited(make, monkeypatch):
    monkeypatch.setattr(account_watch, "RECONCILE_S", 0.1)
    monkeypatch.setattr(account_watch, "_POLL_LEAST_S", 0.1)
    asked = []

    async def never(account):
        asked.append(account)
        await asyncio.Event().wait()

    rig = make(stream_users=0)
    monkeypatch.setattr(InfoReader, "external_orders", lambda self, account: never(account))
    rig.listen()
    wait_for(lambda: asked)
    polled = rig.server.audit().requests["clearinghouseState"]
    wait_for(lambda: rig.server.audit().requests["clearinghouseState"] > polled + 3)
    assert asked == [rig.account]
