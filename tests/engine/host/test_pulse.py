"""The watchdog's judgement of a heartbeat: gone after ten seconds, not when a clock is set."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firstwatch.engine.host.pulse import Pulse


def test_a_heartbeat_that_stands_still_is_gone_after_ten_seconds():
    pulse = Pulse()
    looks = [pulse.is_gone(1_000, 1_000 + second * 1_000, float(second)) for second in range(12)]
    assert looks == [False] * 11 + [True]


def test_an_old_heartbeat_is_gone_once_it_is_confirmed():
    pulse = Pulse()
    assert not pulse.is_gone(0, 60_000, 5.0)
    assert pulse.is_doubtful
    assert not pulse.is_gone(0, 62_000, 7.9)
    assert pulse.is_gone(0, 63_000, 8.0)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(-(10**10), 10**10), min_size=1, max_size=50))
def test_a_heartbeat_that_goes_on_is_never_gone_however_the_clock_is_set(jumps):
    pulse, now_ms = Pulse(), 10**12
    for number, jump_ms in enumerate(jumps):
        now_ms += jump_ms
        assert not pulse.is_gone(10**12 + number, now_ms, number * 2.9)


def test_one_that_stands_still_is_gone_although_the_clock_was_set_back():
    pulse = Pulse()
    assert not pulse.is_gone(10**12, 10**12 - 3_600_000, 0.0)
    assert pulse.is_gone(10**12, 10**12 - 3_590_000, 10.1)
