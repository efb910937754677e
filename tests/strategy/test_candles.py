"""Candles as arrays and as bars are the same candles."""

import pickle

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from firstwatch.strategy.candles import CandleArrays
from firstwatch.trading.bar import Bar
from firstwatch.trading.timeframe import Timeframe

prices = st.floats(0.01, 1e9)
bars = st.lists(st.builds(Bar, st.integers(0, 10**13), prices, prices, prices, prices, prices), max_size=20)


@given(bars)
def test_bars_survive_the_way_through_arrays(given_bars: list[Bar]) -> None:
    candles = CandleArrays.from_bars(given_bars, Timeframe.H1)
    assert candles.bars() == given_bars
    assert [candles.bar(index) for index in range(len(candles))] == given_bars
    columns = (candles.open, candles.high, candles.low, candles.close, candles.volume)
    assert all(column.flags.c_contiguous and column.dtype == np.float64 for column in columns)
    assert candles.time_ms.dtype == np.int64


@given(bars, st.integers(0, 20))
def test_parts_join_to_the_whole(given_bars: list[Bar], cut: int) -> None:
    candles = CandleArrays.from_bars(given_bars, Timeframe.H1)
    joined = CandleArrays.joined([candles.part(0, cut), candles.part(cut, len(candles))])
    assert joined.bars() == given_bars


def test_index_at_finds_the_first_bar_not_before_a_time() -> None:
    candles = CandleArrays.from_bars([Bar(time_ms, 1, 1, 1, 1, 1) for time_ms in (10, 20, 30)], Timeframe.M1)
    assert [candles.index_at(time_ms) for time_ms in (0, 10, 11, 30, 31)] == [0, 0, 1, 2, 3]


def test_candles_of_another_process_are_aligned_and_writable() -> None:
    candles = CandleArrays.from_bars([Bar(time_ms, 1, 2, 3, 4, 5) for time_ms in (10, 20, 30)], Timeframe.M1)
    moved = []
    for name in ("time_ms", "open", "high", "low", "close", "volume"):
        array = getattr(candles, name)
        moved.append(np.frombuffer(b"x" + array.tobytes(), array.dtype, offset=1))
    assert not moved[0].flags.aligned
    assert not moved[0].flags.writeable
    received = CandleArrays.__new__(CandleArrays)
    received.__setstate__([*moved, Timeframe.M1])
    assert received.bars() == candles.bars()
    assert all(array.flags.aligned and array.flags.writeable for array in (received.time_ms, received.close))
    assert pickle.loads(pickle.dumps(candles)).bars() == candles.bars()
