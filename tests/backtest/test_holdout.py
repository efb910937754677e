"""The hold-out: the last fifth of a period's candles."""

import numpy as np
import pytest

from firstwatch.backtest.holdout import split_period
from firstwatch.trading.errors import WrongUseError
from tests.backtest.specifications import START_MS, random_candles

_HOUR = 3_600_000


def test_the_last_fifth_of_the_candles_is_held_out():
    candles = random_candles(1, 1000, 0.01)
    split = split_period(candles, None, None)
    assert split.start_ms == candles.time_ms[0]
    assert split.end_ms == candles.time_ms[-1] + _HOUR
    assert np.count_nonzero(candles.time_ms >= split.holdout_ms) == -(-len(candles) // 5)


def test_the_period_counts_not_the_file():
    candles = random_candles(1, 1000, 0.01)
    split = split_period(candles, START_MS + 100 * _HOUR, START_MS + 200 * _HOUR)
    inside = candles.time_ms[(candles.time_ms >= split.start_ms) & (candles.time_ms < split.end_ms)]
    assert inside[0] >= START_MS + 100 * _HOUR
    assert inside[-1] < START_MS + 200 * _HOUR
    assert split.holdout_ms == inside[len(inside) * 4 // 5]


def test_a_period_without_candles_is_refused_with_what_there_is():
    candles = random_candles(1, 100, 0.01)
    with pytest.raises(WrongUseError, match=r"Too few candles .*\(0\).*they go from 2024-01-01T00:00:00Z to"):
        split_period(candles, START_MS + 1000 * _HOUR, None)
    with pytest.raises(WrongUseError, match=r"Too few candles .*\(4\)"):
        split_period(candles, None, int(candles.time_ms[4]))
    with pytest.raises(WrongUseError, match="There are no candles"):
        split_period(candles.part(0, 0), None, None)
