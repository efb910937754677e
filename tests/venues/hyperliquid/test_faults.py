"""Exactly once: whatever becomes of requests and stream, there is one order, and every fill is told."""

import json
import time
from dataclasses import replace
from decimal import Decimal

import pytest

from firstwatch.trading.errors import VenueError
from firstwatch.trading.orders import OrderState
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.hyperliquid.account_watch import RECONCILE_S
from firstwatch.venues.hyperliquid.client import HyperliquidClient
from firstwatch.venues.protocol import Accepted, Executed, NeverWill, Refused, StillUnknown, Unknown
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
    wait_for,
)


@pytest.fixture
def rig():
    rig = LiveRig()
    yield rig
    audit = rig.server.audit()
    rig.close()
    assert audit.reused_cloids == []
    assert audit.orders_without_cloid == 0
    assert audit.implicit_actions == []
    assert audit.builders == {}
    assert audit.unknown_signers == {}
    assert audit.rate_limited == 0


def settled(rig, prepared):
    """Return what a doubtful request was resolved to in the end."""
    return wait_for(
        lambda: None if isinstance(resolution := rig.venue.resolve(prepared), StillUnknown) else resolution
    )


LOST_AFTER = ("reply_lost", "http_after", "cut_body", "html", "empty")
LOST_BEFORE = ("request_lost", "http", "redirect")


@pytest.mark.parametrize("fault", LOST_AFTER)
def test_an_order_whose_answer_is_lost_is_found(rig, fault):
    rig.server.faults.plan(fault, "order")
    prepared = rig.prepared(BUY, MARKET, "1")
    assert isinstance(rig.venue.send(prepared), Unknown)
    resolution = settled(rig, prepared)
    assert isinstance(resolution, Executed)
    assert resolution.report.state is OrderState.FILLED
    assert rig.position().amount == Decimal(1)
    assert rig.server.audit().actions == {"order": 1}


def test_the_page_of_a_proxy_is_not_told_to_an_operator(rig):
    where = f"Hyperliquid at {rig.server.url}"
    rig.server.faults.plan("http", "order")
    assert rig.venue.send(rig.prepared(BUY, MARKET, "1")) == Unknown(f"{where} failed: 502 Bad Gateway")
    rig.server.faults.plan("html", "info")
    with pytest.raises(VenueError, match=f"^{where} answered what is not JSON; a proxy may stand between"):
        rig.position()


@pytest.mark.parametrize(("fault", "fate"), [("request_lost", NeverWill), ("reply_lost", Executed)])
def test_what_became_of_an_order_is_asked_before_all_other_reading(rig, fault, fate):
    rig.server.faults.plan(fault, "order")
    prepared = rig.prepared(SELL, STOP, "1", trigger="90", price="85")
    assert isinstance(rig.venue.send(prepared), Unknown)
    budget = rig.venue._connection.budget
    budget.rate_s = 1e-6
    budget.bucket.drain(time.monotonic())
    budget.bucket.charge(-10.0, time.monotonic())
    assert isinstance(rig.venue.resolve(prepared), fate)


@pytest.mark.parametrize("fault", LOST_BEFORE)
def test_an_order_that_never_arrived_never_will(rig, fault):
    rig.server.faults.plan(fault, "order", status=500)
    prepared = rig.prepared(BUY, MARKET, "1")
    assert isinstance(rig.venue.send(prepared), Unknown)
    assert isinstance(settled(rig, prepared), NeverWill)
    assert isinstance(rig.venue.send(prepared), Refused)
    assert rig.position().is_flat
    rig.restart()
    # Even a life that knows nothing of it cannot make the burnt request execute; nor can it tell so at once.
    assert isinstance(rig.venue.send(prepared), Unknown)
    assert isinstance(settled(rig, prepared), NeverWill)
    assert rig.position().is_flat
    assert rig.server.account(rig.account).orders == []


@pytest.mark.parametrize("fault", LOST_BEFORE)
def test_an_order_that_never_will_is_asked_about_no_more(rig, fault):
    rig.listen()
    rig.server.faults.plan(fault, "order", status=500)
    prepared = rig.prepared(BUY, MARKET, "1")
    rig.venue.send(prepared)
    settled(rig, prepared)
    wait_for(lambda: not rig.venue._connection.info.account(rig.account).open_orders)


def test_what_is_answered_elsewhere_says_nothing_of_an_action(rig):
    prepared = rig.prepared(BUY, LIMIT, "1", price="90")
    rig.venue.send(prepared)
    rig.server.faults.plan("redirect", "cancelByCloid")
    outcome = rig.venue.cancel(rig.account, SYMBOL, prepared.client_order_id)
    assert isinstance(outcome, Unknown)
    assert "sends the request elsewhere" in outcome.reason
    assert len(rig.server.account(rig.account).open_orders) == 1


def test_too_many_requests_are_no_refusal_and_no_order(rig):
    rig.server.faults.plan("http", "order", status=429, body="Too many")
    prepared = rig.prepared(BUY, MARKET, "1")
    assert isinstance(rig.venue.send(prepared), Unknown)
    assert isinstance(settled(rig, prepared), NeverWill)


@pytest.mark.parametrize("fault", LOST_AFTER)
def test_a_noop_whose_answer_is_lost_still_ends_the_doubt(rig, fault):
    rig.server.faults.plan("request_lost", "order")
    rig.server.faults.plan(fault, "noop")
    prepared = rig.prepared(BUY, MARKET, "1")
    assert isinstance(rig.venue.send(prepared), Unknown)
    assert isinstance(rig.venue.resolve(prepared), StillUnknown)
    assert isinstance(settled(rig, prepared), NeverWill)
    assert rig.position().is_flat


def test_a_slow_request_that_comes_after_the_noop_executes_nothing(rig, monkeypatch):
    monkeypatch.setattr("firstwatch.venues.hyperliquid.patience.LEAST_S", 0.4)
    rig.restart()
    rig.server.faults.plan("slow", "order", seconds=1.5)
    prepared = rig.prepared(BUY, MARKET, "1")
    assert isinstance(rig.venue.send(prepared), Unknown)
    assert isinstance(settled(rig, prepared), NeverWill)
    wait_for(lambda: rig.server.audit().duplicate_nonces)
    assert rig.position().is_flat


def test_a_doubt_survives_the_process(rig):
    rig.server.faults.plan("reply_lost", "order")
    rig.server.faults.plan("request_lost", "order")
    arrived, lost = rig.prepared(BUY, LIMIT, "1", price="90"), rig.prepared(BUY, LIMIT, "1", price="91")
    assert isinstance(rig.venue.send(arrived), Unknown)
    assert isinstance(rig.venue.send(lost), Unknown)
    rig.restart()
    assert isinstance(rig.venue.resolve(arrived), Executed)
    assert isinstance(settled(rig, lost), NeverWill)
    assert len(rig.server.account(rig.account).orders) == 1


def test_the_nonce_of_a_lost_request_is_used_up_by_the_key_that_signed_it(rig, monkeypatch):
    sent, act = [], HyperliquidClient.act

    async def listen_in(self, request):
        sent.append(request)
        return await act(self, request)

    monkeypatch.setattr(HyperliquidClient, "act", listen_in)
    rig.server.faults.plan("request_lost", "order")
    prepared = rig.prepared(BUY, MARKET, "1")
    assert isinstance(rig.venue.send(prepared), Unknown)
    agent = rig.wallets.add(LocalSigner(9, rig.account))
    rig.server.approve_agent(rig.account, agent.address)
    assert isinstance(settled(rig, prepared), NeverWill)
    late = rig.venue.act(sent[0])
    assert (late["status"], "duplicate nonce" in late["response"]) == ("err", True)
    assert rig.position().is_flat


def test_a_doubt_stays_while_the_key_that_signed_is_missing(rig):
    rig.server.faults.plan("request_lost", "order")
    prepared = rig.prepared(BUY, MARKET, "1")
    assert isinstance(rig.venue.send(prepared), Unknown)
    agent = rig.wallets.add(LocalSigner(9, rig.account))
    del rig.wallets.keys[rig.signer.address]
    rig.server.approve_agent(rig.account, agent.address)
    assert f"no key {rig.signer.address}" in rig.venue.resolve(prepared).reason


def test_a_request_that_was_stored_before_it_named_its_key_is_resolved(rig):
    rig.server.faults.plan("request_lost", "order")
    prepared = rig.prepared(BUY, MARKET, "1")
    assert isinstance(rig.venue.send(prepared), Unknown)
    body = json.loads(prepared.body)
    del body["signer"]
    assert isinstance(settled(rig, replace(prepared, body=json.dumps(body).encode())), NeverWill)


@pytest.mark.parametrize("fault", LOST_AFTER)
def test_a_modify_in_doubt_is_resolved_as_an_order(rig, fault):
    rig.send(BUY, MARKET, "1")
    old, _ = rig.send(SELL, STOP, "1", trigger="90", reduce_only=True)
    new = rig.prepared(SELL, STOP, "1", trigger="95", reduce_only=True)
    rig.server.faults.plan(fault, "batchModify")
    assert isinstance(rig.venue.modify(old, new), Unknown)
    assert isinstance(settled(rig, new), Executed)
    assert [order.trigger_price for order in rig.venue.open_orders(rig.account, SYMBOL)] == [Decimal(95)]


@pytest.mark.parametrize("fault", ["message_lost", "message_twice"])
def test_every_fill_is_told_once_whatever_the_stream_does(rig, fault):
    rig.listen()
    rig.server.faults.plan(fault, "userFills", count=3)
    rig.server.faults.plan(fault, "orderUpdates", count=3)
    key, _ = rig.send(BUY, MARKET, "1")
    wait_for(lambda: rig.of("FillReported"))
    rig.venue.order(rig.account, SYMBOL, key)
    fills = [event.fill for event in rig.of("FillReported")]
    assert [fill.client_order_id for fill in fills] == [key]


def test_a_stop_cancelled_by_hand_is_noticed_though_the_stream_does_not_say_so(rig):
    rig.listen()
    rig.send(BUY, MARKET, "1")
    stop, _ = rig.send(SELL, STOP, "1", trigger="90", reduce_only=True)
    wait_for(lambda: any(event.report.client_order_id == stop for event in rig.of("OrderReported")))
    rig.server.faults.plan("message_lost", "orderUpdates", count=9)
    assert rig.server.by_hand(rig.account).cancel_all("BTC") == 1
    wait_for(lambda: rig.of("OrderReported")[-1].report.state is OrderState.CANCELED)
    assert not rig.of("StreamLost")


def test_a_partial_immediate_order_ends_with_what_it_filled(rig):
    rig.listen()
    rig.server.faults.partial("0.4")
    key, outcome = rig.send(BUY, MARKET, "1")
    assert isinstance(outcome, Accepted)
    report = wait_for(lambda: rig.of("OrderReported"))[-1].report
    assert (report.state, report.filled) == (OrderState.CANCELED, Decimal("0.4"))
    assert rig.events.index(rig.of("FillReported")[-1]) < rig.events.index(rig.of("OrderReported")[-1])
    assert rig.order(key).average_price == rig.of("FillReported")[-1].fill.price


def test_a_dropped_stream_is_told_and_comes_back(rig):
    rig.listen()
    rig.server.faults.drop_streams()
    wait_for(lambda: rig.of("StreamLost"))
    lost_at = rig.events.index(rig.of("StreamLost")[-1])
    wait_for(lambda: any(event in rig.events[lost_at:] for event in rig.of("StreamRestored")))
    rig.send(BUY, MARKET, "1")
    wait_for(lambda: rig.of("FillReported"))


def test_a_stream_without_data_is_found_by_its_age():
    rig = LiveRig(stale_after_s=1.5)
    try:
        rig.listen()
        rig.server.faults.stall_streams()
        lost = wait_for(lambda: rig.of("StreamLost"))
        assert "no data of l2Book:BTC" in lost[0].reason
        # Meanwhile the account is polled.
        rig.send(BUY, MARKET, "1")
        wait_for(lambda: rig.of("FillReported"))
        rig.server.faults.resume_streams()
        lost_at = rig.events.index(lost[0])
        wait_for(lambda: any(event in rig.events[lost_at:] for event in rig.of("StreamRestored")))
    finally:
        rig.close()


def test_accounts_are_polled_before_a_silent_stream_is_given_up():
    rig = LiveRig(stale_after_s=600.0)
    try:
        rig.listen()
        rig.server.by_hand(rig.account).market("BTC", "buy", "1")
        # A fill before the account's own stream is confirmed is found by the next reconciliation.
        wait_for(lambda: rig.of("FillReported"), patience_s=2 * RECONCILE_S)
        rig.server.faults.stall_streams()
        rig.server.by_hand(rig.account).close("BTC")
        wait_for(lambda: len(rig.of("FillReported")) == 2)
        assert not rig.of("StreamLost")
    finally:
        rig.close()


def test_a_broken_message_does_not_kill_the_stream(rig):
    rig.listen()
    rig.server.faults.plan("message_broken", "l2Book")
    wait_for(lambda: rig.server.faults.pending == 0)
    rig.send(BUY, MARKET, "1")
    wait_for(lambda: rig.of("FillReported"))


def test_a_venue_that_is_down_is_a_sentence_and_comes_back(rig):
    rig.listen()
    rig.server.faults.go_down()
    with pytest.raises(VenueError, match="cannot be reached"):
        rig.position()
    wait_for(lambda: rig.of("StreamLost"))
    prepared = rig.prepared(BUY, MARKET, "1", price="110")
    assert isinstance(rig.venue.send(prepared), Unknown)
    assert isinstance(rig.venue.resolve(prepared), StillUnknown)
    rig.server.faults.come_up()
    assert isinstance(settled(rig, prepared), NeverWill)
    assert rig.position().is_flat
    wait_for(lambda: rig.of("StreamRestored")[-1].time_ms > rig.of("StreamLost")[-1].time_ms)


def test_candles_that_are_answered_after_more_than_three_seconds_close_their_bar():
    rig = LiveRig(clock="stepped", history=5)
    try:
        rig.venue.candles(SYMBOL, Timeframe.M1, end_ms=rig.venue.now_ms(), limit=5)
        rig.listen()
        # The stream tells no candles: the bar's end is known by the venue's time alone.
        rig.server.faults.plan("message_lost", "candle", count=10_000)
        rig.server.faults.plan("slow_reply", "candleSnapshot", count=10_000, seconds=3.2)
        rig.server.step_to(START_MS + 6 * 60_000 + 1_500)
        wait_for(lambda: rig.of("BarClosed"), patience_s=20)
    finally:
        rig.close()
