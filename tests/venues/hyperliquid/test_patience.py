"""How long an answer is waited for, and who may still act when a request's turn has come."""

from contextvars import copy_context

import pytest

from firstwatch.trading.errors import FirstwatchError
from firstwatch.venues.hyperliquid.client import HyperliquidClient
from firstwatch.venues.hyperliquid.patience import LEAST_S, MOST_S, Patience
from firstwatch.venues.protocol import FENCE, Accepted
from tests.venues.hyperliquid.rig import BUY, MARKET, LiveRig


def test_a_venue_that_answers_at_once_is_doubted_soon():
    patience = Patience()
    patience.answered("order", 0.05)
    assert patience.limit_s("order") == LEAST_S


def test_a_slow_venue_is_given_its_time():
    patience = Patience()
    for expected_s in (2 * LEAST_S, 4 * LEAST_S, MOST_S, MOST_S):
        patience.silent("order")
        assert patience.limit_s("order") == expected_s
    patience.answered("order", 3.2)
    assert patience.limit_s("order") == pytest.approx(9.6)


def test_a_venue_that_is_fast_again_is_believed_again():
    patience = Patience()
    patience.answered("order", 3.0)
    for _ in range(20):
        patience.answered("order", 0.1)
    assert patience.limit_s("order") == LEAST_S


def test_kinds_of_requests_are_told_apart():
    patience = Patience()
    patience.silent("orderStatus")
    assert patience.limit_s("order") == LEAST_S
    assert patience.limit_s("candleSnapshot") == MOST_S


def test_the_list_of_markets_is_doubted_soon_too(monkeypatch):
    """Without it an engine that has just begun protects nothing."""
    asked, limit_s = [], Patience.limit_s

    def noted_limit_s(patience, kind):
        asked.append(kind)
        return limit_s(patience, kind)

    monkeypatch.setattr(Patience, "limit_s", noted_limit_s)
    rig = LiveRig()
    rig.venue.markets()
    rig.close()
    assert "" not in asked
    assert Patience().limit_s(asked[0]) == LEAST_S


class StoppedError(FirstwatchError):
    pass


@pytest.fixture
def rig():
    rig = LiveRig()
    yield rig
    rig.close()


def test_what_may_not_act_any_more_is_stopped_right_before_the_request_leaves(rig, monkeypatch):
    prepared, lost = rig.prepared(BUY, MARKET, "1"), []

    async def wait_for_a_turn(_client, cost=None):
        lost.append("while it waited for its turn")

    def check():
        if lost:
            raise StoppedError("the engine is somebody else's")

    monkeypatch.setattr(HyperliquidClient, "throttle", wait_for_a_turn)

    def send():
        FENCE.set(check)
        rig.venue.send(prepared)

    with pytest.raises(StoppedError):
        copy_context().run(send)
    assert rig.server.audit().actions == {}


def test_without_a_fence_everything_may_act(rig):
    _, outcome = rig.send(BUY, MARKET, "1")
    assert isinstance(outcome, Accepted)
