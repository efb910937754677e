"""The venue's time: carried on from what it said, at its own speed, never back."""

import pytest

from firstwatch.venues.hyperliquid.clock import VenueClock


class Wall:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def wall():
    return Wall()


@pytest.mark.parametrize("speed", [1.0, 60.0, 600.0])
def test_it_runs_as_fast_as_the_venue(wall, speed):
    clock = VenueClock(wall)
    start_ms = 1_700_000_000_000
    for step in range(20):
        wall.now_s = 100.0 + step * 0.25
        clock.observe(start_ms + round(step * 0.25 * speed * 1000))
    assert clock.speed == pytest.approx(speed, rel=1e-6)
    wall.now_s += 0.5
    expected_ms = start_ms + (19 * 0.25 + 0.5) * speed * 1000
    assert clock.now_ms() == pytest.approx(expected_ms, abs=2)


def test_a_clock_that_is_stepped_is_not_carried_on(wall):
    clock = VenueClock(wall)
    for step in range(40):
        wall.now_s += 0.01 if step % 7 else 1.0
        clock.observe(step * 60_000)
    assert clock.speed == 1.0
    assert clock.now_ms() - clock.observed_ms < 100


def test_it_never_goes_back(wall):
    clock = VenueClock(wall)
    assert (clock.now_ms(), clock.is_known) == (0, False)
    clock.observe(1_000_000)
    wall.now_s += 5
    late_ms = clock.now_ms()
    clock.observe(1_002_000)
    assert clock.now_ms() == late_ms
    assert clock.observed_ms == 1_002_000


def test_a_clock_that_was_stepped_evenly_stands_when_the_venue_says_so(wall):
    clock = VenueClock(wall)
    for step in range(20):
        wall.now_s += 0.25
        clock.observe(step * 60_000)
    assert clock.speed == pytest.approx(240)
    wall.now_s += 1.0
    assert clock.now_ms() == 19 * 60_000 + 240_000
    clock.observe(19 * 60_000)
    assert (clock.speed, clock.now_ms() - clock.observed_ms) == (1.0, 1_000)
