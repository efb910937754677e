"""Nonces: above what was used, by the wall at the venue, and new once where one is out of its time."""

import pytest

from firstwatch.trading.clock import SystemClock
from firstwatch.venues.hyperliquid import venue as adapter
from firstwatch.venues.nonces import NonceClock
from firstwatch.venues.protocol import Accepted, NeverWill, Refused, Unknown
from tests.venues.hyperliquid import rig as rigs
from tests.venues.hyperliquid.rig import BUY, LIMIT, SYMBOL, LiveRig

HOUR_MS = 3_600_000
NOW_MS = 1_700_000_000_000


class ShiftedClock(SystemClock):
    """A machine whose wall clock somebody moves."""

    shift_ms = 0

    def now_ms(self):
        return super().now_ms() + self.shift_ms


@pytest.fixture
def clock(monkeypatch):
    clock = ShiftedClock()
    monkeypatch.setattr(rigs, "SystemClock", lambda: clock)
    monkeypatch.setattr(adapter, "NONCES", NonceClock())
    return clock


@pytest.fixture
def rig(clock):
    rig = LiveRig()
    rig.venue.markets()
    yield rig
    rig.close()


def order(rig):
    return rig.send(BUY, LIMIT, "1", price="50")


def test_none_is_given_twice_and_each_is_above_the_one_before():
    nonces = NonceClock()
    given = [nonces.next(lambda: NOW_MS) for _ in range(100)]
    assert given == list(range(NOW_MS, NOW_MS + 100))


def test_a_seed_is_passed():
    nonces = NonceClock()
    nonces.seed(NOW_MS + HOUR_MS)
    assert nonces.next(lambda: NOW_MS) == NOW_MS + HOUR_MS + 1


def test_what_a_wrong_clock_has_given_is_forgotten_when_no_venue_would_take_more():
    nonces = NonceClock()
    assert nonces.next(lambda: NOW_MS + 25 * HOUR_MS) == NOW_MS + 25 * HOUR_MS
    assert nonces.next(lambda: NOW_MS) == NOW_MS
    nonces.seed(NOW_MS + 30 * 24 * HOUR_MS)
    assert nonces.next(lambda: NOW_MS) == NOW_MS + 1
    later = [nonces.next(lambda: NOW_MS + 25 * HOUR_MS) for _ in range(2)]
    assert later == [NOW_MS + 25 * HOUR_MS + 1, NOW_MS + 25 * HOUR_MS + 2]


def test_the_highest_of_the_venues_hundred_is_gone_on_from_while_it_takes_more():
    nonces = NonceClock()
    nonces.next(lambda: NOW_MS + 20 * HOUR_MS)
    assert nonces.next(lambda: NOW_MS) == NOW_MS + 20 * HOUR_MS + 1


@pytest.mark.parametrize("hours", [25, -1, -72, 1_000])
def test_a_wall_clock_that_jumps_for_one_action_spoils_none(rig, clock, hours):
    assert isinstance(order(rig)[1], Accepted)
    clock.shift_ms = hours * HOUR_MS
    key, outcome = order(rig)
    assert isinstance(outcome, Accepted)
    assert isinstance(rig.venue.cancel(rig.account, SYMBOL, key), Accepted)
    clock.shift_ms = 0
    assert isinstance(order(rig)[1], Accepted)


def test_a_wall_clock_that_is_back_after_a_restart_spoils_none(rig, clock, monkeypatch):
    for _ in range(3):
        assert isinstance(order(rig)[1], Accepted)
    monkeypatch.setattr(adapter, "NONCES", NonceClock())
    clock.shift_ms = -HOUR_MS
    rig.restart()
    assert isinstance(order(rig)[1], Accepted)


@pytest.fixture
def undated(rig, monkeypatch):
    """No answer has a date: the machine's own wall is all that is known."""
    rig.venue._connection.client.wall._dated = None
    monkeypatch.setattr(type(rig.venue._connection.client), "handle_errors", lambda *_: None)
    return rig


def test_an_order_out_of_time_is_burnt_and_made_anew(undated, clock):
    clock.shift_ms = 25 * HOUR_MS
    prepared = undated.prepared(BUY, LIMIT, "1", price="50")
    outcome = undated.venue.send(prepared)
    assert isinstance(outcome, Unknown)
    assert "nonce" in outcome.reason
    assert isinstance(undated.venue.resolve(prepared), NeverWill)
    clock.shift_ms = 0
    assert isinstance(order(undated)[1], Accepted)


def test_a_cancel_out_of_time_is_sent_once_more_with_a_new_nonce(rig, clock, monkeypatch):
    key, _ = order(rig)
    client = rig.venue._connection.client
    walls = iter([clock.now_ms() + 25 * HOUR_MS, clock.now_ms()])
    monkeypatch.setattr(client.wall, "now_ms", lambda: next(walls))
    assert isinstance(rig.venue.cancel(rig.account, SYMBOL, key), Accepted)
    assert next(walls, None) is None


def test_what_stays_out_of_time_is_refused_after_the_second_try(rig, clock, monkeypatch):
    key, _ = order(rig)
    walls = iter([clock.now_ms() + 25 * HOUR_MS, clock.now_ms() + 26 * HOUR_MS])
    monkeypatch.setattr(rig.venue._connection.client.wall, "now_ms", lambda: next(walls))
    outcome = rig.venue.cancel(rig.account, SYMBOL, key)
    assert isinstance(outcome, Refused)
    assert "nonce" in outcome.reason


def test_nothing_is_sent_again_after_a_nonce_that_was_used(rig):
    key, _ = order(rig)
    before = rig.server.audit().requests.get("cancelByCloid", 0)
    rig.server.faults.plan("refused", "cancelByCloid", body="Invalid nonce: duplicate nonce 7", count=5)
    outcome = rig.venue.cancel(rig.account, SYMBOL, key)
    assert isinstance(outcome, Refused)
    assert rig.server.audit().requests.get("cancelByCloid", 0) == before + 1
