"""Feeds behind one protocol, and the pace that says when their bars are due."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstwatch.market.feeds import CandleSource, Pace, ReplayFeed, SyntheticFeed
from firstwatch.market.funding import FundingSeries
from firstwatch.market.synthetic import SyntheticMarket
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.timeframe import Timeframe
from tests.candles import START_MS, generated_candles

HOUR_MS = 3_600_000
FUNDING = FundingSeries(START_MS + np.arange(5, dtype=np.int64) * HOUR_MS, np.arange(5) / 1000)

LONG_BARS = generated_candles(2, 2_500).bars()
LONG_FEED = ReplayFeed(generated_candles(2, 2_500))


def feeds() -> list[CandleSource]:
    return [
        ReplayFeed(generated_candles(1, 100), FUNDING, START_MS + 40 * HOUR_MS),
        SyntheticFeed(SyntheticMarket(1, Timeframe.H1), START_MS + 40 * HOUR_MS),
    ]


@pytest.mark.parametrize("feed", feeds(), ids=["replay", "synthetic"])
def test_a_feed_starts_where_it_is_told_and_has_history(feed: CandleSource) -> None:
    first = feed.bar(feed.start_index)
    assert first is not None
    assert first.time_ms == START_MS + 40 * HOUR_MS
    assert feed.index_at(first.time_ms) == feed.start_index
    assert feed.index_at(first.time_ms - 1) == feed.start_index
    assert feed.index_at(first.time_ms + 1) == feed.start_index + 1
    history = feed.history(feed.start_index, 10)
    assert history == [feed.bar(index) for index in range(feed.start_index - 10, feed.start_index)]


def test_both_feeds_of_one_market_hold_the_same_bars() -> None:
    replay, synthetic = feeds()
    bars = [
        (replay.bar(replay.start_index + step), synthetic.bar(synthetic.start_index + step))
        for step in range(60)
    ]
    assert all(one == other for one, other in bars)


def test_a_replay_ends_and_begins() -> None:
    feed = ReplayFeed(generated_candles(1, 100))
    assert feed.start_index == 0
    assert len(feed) == 100
    assert feed.bar(99) is not None
    assert feed.bar(100) is None
    assert feed.index_at(START_MS + 1_000 * HOUR_MS) == 100
    assert len(feed.history(7, 50)) == 7
    assert feed.history(500, 3) == feed.history(100, 3)
    said = "no candle to replay at or after 2024-01-05T04:00:00Z; the last one opens at 2024-01-05T03:00:00Z"
    with pytest.raises(WrongUseError, match=said):
        ReplayFeed(generated_candles(1, 100), start_ms=START_MS + 100 * HOUR_MS)
    with pytest.raises(WrongUseError, match="no candle to replay; choose"):
        ReplayFeed(generated_candles(1, 0))


def test_a_replay_of_candles_with_holes_counts_existing_bars() -> None:
    candles = generated_candles(1, 10)
    bars = candles.bars()
    del bars[4:6]
    feed = ReplayFeed(type(candles).from_bars(bars, Timeframe.H1))
    assert feed.index_at(START_MS + 4 * HOUR_MS) == 4
    assert feed.index_at(START_MS + 6 * HOUR_MS) == 4
    assert feed.bar(4) == candles.bar(6)


@given(st.integers(0, 2_600), st.integers(0, 1_500))
def test_a_long_replay_is_the_file_wherever_it_is_asked(index: int, limit: int) -> None:
    assert LONG_FEED.bar(index) == (LONG_BARS[index] if index < len(LONG_BARS) else None)
    assert LONG_FEED.history(index, limit) == (LONG_BARS[:index][-limit:] if limit else [])


def test_funding_between_takes_the_start_and_leaves_the_end() -> None:
    feed = feeds()[0]
    assert feed.funding_between(START_MS, START_MS + 1) == [(START_MS, 0.0)]
    assert [rate.rate for rate in feed.funding_between(START_MS + 1, START_MS + 3 * HOUR_MS)] == [
        0.001,
        0.002,
    ]
    assert feeds()[1].funding_between(START_MS, START_MS + 1)[0].time_ms == START_MS


@pytest.mark.parametrize(
    ("speed", "wall_ms"), [(1.0, 5_000 + HOUR_MS), (60.0, 65_000), (0.5, 5_000 + 2 * HOUR_MS)]
)
def test_pace_turns_market_time_into_wall_time(speed: float, wall_ms: int) -> None:
    pace = Pace(speed, START_MS, 5_000)
    assert pace.due_ms(START_MS) == 5_000
    assert pace.due_ms(START_MS + HOUR_MS) == wall_ms
    assert pace.market_at(wall_ms) == START_MS + HOUR_MS


def test_at_max_everything_is_due() -> None:
    pace = Pace("max", START_MS, 5_000)
    assert pace.due_ms(START_MS + HOUR_MS) == 5_000
    assert pace.market_at(9_000) == START_MS


@given(st.floats(0.01, 1e6), st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 10**9))
def test_time_that_stood_still_is_not_made_up_for(
    speed: float, market_ms: int, wall_ms: int, ahead: int
) -> None:
    pace = Pace(speed).from_here(market_ms, wall_ms)
    assert pace.due_ms(market_ms) == wall_ms
    assert pace.due_ms(market_ms + ahead) >= wall_ms
    assert abs(pace.market_at(pace.due_ms(market_ms + ahead)) - market_ms - ahead) <= speed + 1


@pytest.mark.parametrize("speed", [0.0, -1.0, float("inf"), float("nan")])
def test_a_speed_that_leads_nowhere_is_refused(speed: float) -> None:
    with pytest.raises(WrongUseError, match="above 0"):
        Pace(speed)
