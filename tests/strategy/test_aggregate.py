import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstwatch.strategy.aggregate import Aggregator, higher_bars, resample
from firstwatch.strategy.candles import CandleArrays
from firstwatch.trading.bar import Bar
from firstwatch.trading.timeframe import Timeframe
from tests.strategy.conditions import make_candles

HOUR = Timeframe.H1.ms


def bar(hour: int, price: float, volume: float = 1.0) -> Bar:
    return Bar(hour * HOUR, price, price + 2, price - 2, price + 1, volume)


def test_four_hours_make_one_bar_closed_by_the_last():
    aggregator = Aggregator(Timeframe.H1, Timeframe.H4)
    prices = [10.0, 14.0, 6.0, 9.0]
    closed = [aggregator.push(bar(hour, price)) for hour, price in enumerate(prices)]
    assert closed == [(), (), (), (Bar(0, 10.0, 16.0, 4.0, 10.0, 4.0),)]


def test_an_incomplete_first_bar_is_not_used():
    aggregator = Aggregator(Timeframe.H1, Timeframe.H4)
    closed = [higher for hour in range(1, 9) for higher in aggregator.push(bar(hour, 10.0))]
    assert [higher.time_ms for higher in closed] == [4 * HOUR]


def test_a_hole_at_the_end_closes_the_bar_late_and_one_at_the_start_leaves_it_whole():
    aggregator = Aggregator(Timeframe.H1, Timeframe.H4)
    closed = {hour: aggregator.push(bar(hour, float(hour))) for hour in (0, 1, 2, 5, 6, 7)}
    assert [
        (hour, [higher.time_ms // HOUR for higher in found]) for hour, found in closed.items() if found
    ] == [
        (5, [0]),
        (7, [4]),
    ]
    assert closed[7][0].open == 5.0


def test_one_bar_can_close_two():
    aggregator = Aggregator(Timeframe.H1, Timeframe.H2)
    aggregator.push(bar(0, 1.0))
    assert [higher.time_ms // HOUR for higher in aggregator.push(bar(3, 2.0))] == [0, 2]


def test_bars_that_the_venue_gave_are_not_made_again():
    aggregator = Aggregator(Timeframe.H1, Timeframe.H4, after_ms=4 * HOUR)
    closed = [higher for hour in range(2, 16) for higher in aggregator.push(bar(hour, 1.0))]
    assert [higher.time_ms // HOUR for higher in closed] == [8, 12]


def test_only_multiples_can_be_made():
    with pytest.raises(ValueError, match="bars of 3m cannot be made of bars of 1h"):
        Aggregator(Timeframe.H1, Timeframe.M3)


def naive(candles: CandleArrays, timeframe: Timeframe) -> list[tuple[int, Bar]]:
    """Return each higher bar with the base bar that closes it, from the definition."""
    found = []
    bars = candles.bars()
    ends = [one.time_ms + candles.timeframe.ms for one in bars]
    for start in sorted({timeframe.open_of(one.time_ms) for one in bars}):
        inside = [one for one in bars if timeframe.open_of(one.time_ms) == start]
        closers = [index for index, end in enumerate(ends) if end >= start + timeframe.ms]
        is_first = inside[0] is bars[0]
        if closers and not (is_first and inside[0].time_ms != start):
            volume = 0.0
            for one in inside:
                volume += one.volume
            found.append((closers[0], Bar(
                start, inside[0].open, max(one.high for one in inside), min(one.low for one in inside),
                inside[-1].close, volume,
            )))  # fmt: skip
    return found


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 50),
    holes=st.integers(0, 60),
    first_bar=st.integers(0, 30),
    timeframe=st.sampled_from([Timeframe.H2, Timeframe.H4, Timeframe.H12, Timeframe.D1]),
)
def test_arrays_hold_what_the_definition_says(seed: int, holes: int, first_bar: int, timeframe: Timeframe):
    candles = make_candles(seed, 120, holes=holes, first_bar=first_bar)
    expected = naive(candles, timeframe)
    found = higher_bars(candles, timeframe)
    assert found.candles.bars() == [higher for _, higher in expected]
    counts = [sum(closer <= index for closer, _ in expected) for index in range(len(candles))]
    assert found.closed.tolist() == counts


def test_given_bars_are_seen_from_their_end_on_and_go_on_with_base_bars():
    base = make_candles(3, 40, first_bar=8)
    older = make_candles(3, 20)
    given_bars = resample(older, Timeframe.H4)
    found = higher_bars(base, Timeframe.H4, given_bars)
    hours = (found.candles.time_ms // HOUR).tolist()
    assert hours == [0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44]
    # The base begins at 8:00: its first close, 9:00, sees the bars that end at 4:00 and 8:00.
    assert found.closed[:4].tolist() == [2, 2, 2, 3]
    assert found.closed[-1] == len(hours)


def test_given_bars_that_end_after_the_base_are_made_in_their_time():
    base = make_candles(3, 6)
    found = higher_bars(base, Timeframe.H4, resample(make_candles(3, 40), Timeframe.H4))
    assert (found.candles.time_ms // HOUR).tolist() == [0]
    rest = make_candles(3, 40).bars()[6:]
    later = [higher.time_ms // HOUR for one in rest for higher in found.aggregator.push(one)]
    assert later == [4, 8, 12, 16, 20, 24, 28, 32, 36]


def test_the_same_timeframe_is_the_same_candles():
    candles = make_candles(1, 10)
    assert resample(candles, Timeframe.H1) is candles
    assert np.array_equal(resample(candles, Timeframe.H2).time_ms // HOUR, [0, 2, 4, 6, 8])


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 50),
    holes=st.integers(0, 60),
    first_bar=st.integers(0, 30),
    after_bar=st.none() | st.integers(0, 150),
    timeframe=st.sampled_from([Timeframe.H1, Timeframe.H2, Timeframe.H4, Timeframe.H12, Timeframe.D1]),
)
def test_whole_arrays_and_single_bars_leave_the_same_behind(seed, holes, first_bar, after_bar, timeframe):
    candles = make_candles(seed, 150, holes=holes, first_bar=first_bar)
    after_ms = None if after_bar is None else timeframe.open_of(after_bar * HOUR)
    cut = len(candles) - 40
    one, other = (Aggregator(Timeframe.H1, timeframe, after_ms=after_ms) for _ in range(2))
    assert one.begin(candles.part(0, cut)) == [
        (index, closed) for index, bar in enumerate(candles.part(0, cut).bars()) for closed in other.push(bar)
    ]
    for bar in candles.part(cut, len(candles)).bars():
        assert one.push(bar) == other.push(bar)
    assert Aggregator(Timeframe.H1, timeframe).begin(candles.part(0, 0)) == []
