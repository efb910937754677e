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


def say(clock, venue_ms):
    """Let two sources say the same time."""
    for source in ("book", "status"):
        clock.observe(venue_ms, source)


@pytest.mark.parametrize("speed", [1.0, 60.0, 600.0])
def test_it_runs_as_fast_as_the_venue(wall, speed):
    clock = VenueClock(wall)
    start_ms = 1_700_000_000_000
    for step in range(20):
        wall.now_s = 100.0 + step * 0.25
        say(clock, start_ms + round(step * 0.25 * speed * 1000))
    assert clock.speed == pytest.approx(speed, rel=1e-6)
    wall.now_s += 0.5
    expected_ms = start_ms + (19 * 0.25 + 0.5) * speed * 1000
    assert clock.now_ms() == pytest.approx(expected_ms, abs=2)


def test_a_clock_that_is_stepped_is_not_carried_on(wall):
    clock = VenueClock(wall)
    for step in range(40):
        wall.now_s += 0.01 if step % 7 else 1.0
        say(clock, step * 60_000)
    assert clock.speed == 1.0
    assert clock.now_ms() - clock.observed_ms < 100


def test_it_never_goes_back(wall):
    clock = VenueClock(wall)
    assert (clock.now_ms(), clock.is_known) == (0, False)
    clock.observe(1_000_000, "book")
    wall.now_s += 5
    late_ms = clock.now_ms()
    clock.observe(1_002_000, "book")
    assert clock.now_ms() == late_ms
    assert clock.observed_ms == 1_002_000


def test_a_clock_that_was_stepped_evenly_stands_when_the_venue_says_so(wall):
    clock = VenueClock(wall)
    for step in range(20):
        wall.now_s += 0.25
        say(clock, step * 60_000)
    assert clock.speed == pytest.approx(240)
    wall.now_s += 1.0
    assert clock.now_ms() == 19 * 60_000 + 240_000
    clock.observe(19 * 60_000, "book")
    assert (clock.speed, clock.now_ms() - clock.observed_ms) == (1.0, 1_000)


DAY_MS = 86_400_000
START_MS = 1_700_000_000_000


@pytest.mark.parametrize("jump_ms", [5_000, DAY_MS, 365 * DAY_MS])
@pytest.mark.parametrize("times", [1, 50])
def test_a_time_that_one_source_alone_says_is_not_believed(wall, jump_ms, times):
    clock = VenueClock(wall)
    say(clock, START_MS)
    for _ in range(times):
        wall.now_s += 0.1
        assert not clock.observe(START_MS + jump_ms + round((wall.now_s - 100) * 1000), "book")
    elapsed_ms = round((wall.now_s - 100) * 1000)
    assert (clock.now_ms(), clock.observed_ms) == (START_MS + elapsed_ms, START_MS)
    assert clock.observe(START_MS + elapsed_ms, "status")
    assert clock.observed_ms == START_MS + elapsed_ms
    assert clock.speed == 1.0


def test_a_step_that_two_sources_have_said_is_believed_as_far_as_both_have(wall):
    clock = VenueClock(wall)
    say(clock, START_MS)
    assert not clock.observe(START_MS + 2 * DAY_MS, "book")
    assert clock.observe(START_MS + DAY_MS, "status")
    assert clock.observed_ms == START_MS + DAY_MS


def test_two_wrong_times_that_lie_apart_confirm_nothing(wall):
    clock = VenueClock(wall)
    say(clock, START_MS)
    assert not clock.observe(START_MS + DAY_MS, "book")
    wall.now_s += 10
    assert not clock.observe(START_MS + DAY_MS, "candles")
    assert clock.now_ms() == START_MS + 10_000


def test_a_source_that_creeps_ahead_gains_no_more_than_the_slack(wall):
    clock = VenueClock(wall)
    say(clock, START_MS)
    for _ in range(600):
        wall.now_s += 0.1
        clock.observe(clock.now_ms() + 1_500, "book")
        clock.observe(START_MS + round((wall.now_s - 100) * 1000), "status")
    assert clock.now_ms() - START_MS - 60_000 < 6_000
    assert clock.speed == 1.0


def test_a_silence_is_no_step(wall):
    clock = VenueClock(wall)
    say(clock, START_MS)
    wall.now_s += 3_600
    assert clock.observe(START_MS + 3_600_500, "book")
