"""Nodes that are behind: what they do not show may exist all the same."""

from decimal import Decimal

import pytest

from firstwatch.trading.errors import VenueError
from firstwatch.trading.orders import OrderState
from firstwatch.venues.protocol import Accepted, Executed, NeverWill, StillUnknown, Unknown
from tests.venues.hyperliquid.rig import BUY, LIMIT, MARKET, SYMBOL, LiveRig, wait_for

LAG_S = 5.0


@pytest.fixture
def rig():
    rig = LiveRig()
    rig.venue.touch(SYMBOL)
    yield rig
    rig.close()


def resolved(rig, prepared):
    """Return what a doubt came to, and what was said of it until then."""
    said = []

    def ask():
        said.append(rig.venue.resolve(prepared))
        return None if isinstance(said[-1], StillUnknown) else said[-1]

    return wait_for(ask, LAG_S + 8.0), said[:-1]


@pytest.mark.parametrize("fault", ["reply_lost", "hang_after"])
def test_an_order_whose_nonce_is_taken_is_doubted_until_a_node_that_is_behind_shows_it(rig, fault):
    rig.server.faults.lag(rig.account, LAG_S)
    rig.server.faults.plan(fault, "order")
    prepared = rig.prepared(BUY, MARKET, "1")
    assert isinstance(rig.venue.send(prepared), Unknown)
    resolution, before = resolved(rig, prepared)
    assert isinstance(resolution, Executed)
    assert resolution.report.state is OrderState.FILLED
    assert before
    assert all(one.is_taken for one in before)
    assert rig.server.audit().actions == {"order": 1, "noop": 1}


def test_a_request_that_never_came_never_will_although_the_node_is_behind(rig):
    rig.server.faults.lag(rig.account, LAG_S)
    rig.server.faults.plan("request_lost", "order")
    prepared = rig.prepared(BUY, MARKET, "1")
    assert isinstance(rig.venue.send(prepared), Unknown)
    assert isinstance(rig.venue.resolve(prepared), NeverWill)


def test_a_noop_whose_answer_is_lost_is_told_from_an_order_when_the_node_has_caught_up(rig):
    rig.server.faults.lag(rig.account, LAG_S)
    rig.server.faults.plan("request_lost", "order")
    rig.server.faults.plan("reply_lost", "noop")
    prepared = rig.prepared(BUY, MARKET, "1")
    assert isinstance(rig.venue.send(prepared), Unknown)
    resolution, before = resolved(rig, prepared)
    assert isinstance(resolution, NeverWill)
    assert before[-1].is_taken
    assert rig.server.account(rig.account).orders == []


def test_an_order_that_the_venue_has_taken_is_never_said_to_be_unknown_to_it(rig):
    rig.server.faults.lag(rig.account, LAG_S)
    key, outcome = rig.send(BUY, LIMIT, "1", price="90")
    assert isinstance(outcome, Accepted)
    with pytest.raises(VenueError, match="too old to tell"):
        rig.order(key)

    def shown():
        try:
            return rig.order(key)
        except VenueError:
            return None

    assert wait_for(shown, LAG_S + 8.0).state is OrderState.ACCEPTED


def test_an_order_that_never_was_is_unknown_to_the_venue_at_once(rig):
    assert rig.order("0" * 32) is None


def test_a_position_says_how_old_it_is(rig):
    rig.server.faults.lag(rig.account, LAG_S)
    rig.send(BUY, MARKET, "1")
    fill_ms = rig.server.account(rig.account).fills[0].time_ms
    assert rig.position().is_flat
    assert rig.position().time_ms < fill_ms
    wait_for(lambda: rig.position().amount == Decimal(1), LAG_S + 8.0)
    assert rig.position().time_ms >= fill_ms
