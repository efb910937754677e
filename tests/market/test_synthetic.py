"""The seeded market: the same whatever is asked first, endless, and lively enough to trade on."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstwatch.market.synthetic import BLOCK_BARS, SyntheticMarket
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.timeframe import Timeframe
from tests.candles import START_MS, generated_candles

HOUR_MS = 3_600_000


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**63), st.sampled_from(list(Timeframe)), st.integers(0, 4_000), st.integers(0, 700))
def test_bars_do_not_depend_on_what_was_asked_before(
    seed: int, timeframe: Timeframe, offset: int, count: int
) -> None:
    index = START_MS // timeframe.ms + offset
    asked_at_once = SyntheticMarket(seed, timeframe).candles(index * timeframe.ms, count).bars()
    market = SyntheticMarket(seed, timeframe)
    one_by_one = [market.bar(index + place) for place in reversed(range(count))]
    assert asked_at_once == one_by_one[::-1]
    assert [bar.time_ms for bar in asked_at_once] == [
        (index + place) * timeframe.ms for place in range(count)
    ]


@pytest.mark.parametrize("timeframe", list(Timeframe))
def test_candles_are_sound_and_follow_on_one_another(timeframe: Timeframe) -> None:
    candles = SyntheticMarket(11, timeframe).candles(START_MS, 10 * BLOCK_BARS)
    assert (candles.high >= np.maximum(candles.open, candles.close)).all()
    assert (candles.low <= np.minimum(candles.open, candles.close)).all()
    assert (candles.low > 0).all()
    assert (candles.volume > 0).all()
    assert (np.diff(candles.time_ms) == timeframe.ms).all()
    assert np.array_equal(candles.close, np.round(candles.close, 2))
    gaps = candles.open[1:] != candles.close[:-1]
    assert 0.01 < gaps.mean() < 0.06


def test_an_edge_between_blocks_is_no_place_of_its_own() -> None:
    """The moves over the edges of blocks must not be larger than the others."""
    candles = SyntheticMarket(5, Timeframe.M1).candles(0, 400 * BLOCK_BARS)
    moves = np.abs(np.log(candles.open[1:] / candles.close[:-1]))
    assert moves[BLOCK_BARS - 1 :: BLOCK_BARS].mean() < 3 * moves.mean()


def test_regimes_differ_and_jumps_occur() -> None:
    candles = SyntheticMarket(5, Timeframe.M1).candles(0, 400 * BLOCK_BARS)
    moves = np.diff(np.log(candles.close), append=np.nan).reshape(-1, BLOCK_BARS)
    deviations = np.nanstd(moves, axis=1)
    assert np.quantile(deviations, 0.9) > 2 * np.quantile(deviations, 0.1)
    jumps = np.abs(np.log(candles.open[1:] / candles.close[:-1]))
    assert 100 < (jumps > 4 * np.median(deviations)).sum() < 1_000


@pytest.mark.parametrize("timeframe", [Timeframe.M1, Timeframe.H1, Timeframe.D1])
def test_the_price_stays_near_its_level_for_ever(timeframe: Timeframe) -> None:
    market = SyntheticMarket(9, timeframe)
    closes = [market.bar(index).close for index in range(0, 4_000 * BLOCK_BARS, 20 * BLOCK_BARS + 7)]
    assert 3_000 < min(closes) < max(closes) < 1_200_000


def test_seeds_and_timeframes_give_different_markets() -> None:
    assert generated_candles(1, 50).bars() != generated_candles(2, 50).bars()
    with pytest.raises(WrongUseError, match="seed -1 is negative"):
        SyntheticMarket(-1, Timeframe.H1)


def test_another_process_makes_the_same_market() -> None:
    script = (
        "from tests.candles import generated_candles; import zlib;"
        "print(zlib.crc32(generated_candles(42, 1000).close.tobytes()))"
    )
    checkout = Path(__file__).parents[2]
    found = [
        subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, cwd=checkout).stdout
        for _ in range(2)
    ]
    assert found[0] == found[1] != b""


def test_funding_is_hourly_and_independent_of_the_question() -> None:
    market = SyntheticMarket(3, Timeframe.M1)
    funding = market.funding(START_MS, START_MS + 200 * HOUR_MS)
    assert len(funding) == 200
    assert (np.diff(funding.time_ms) == HOUR_MS).all()
    assert (funding.rate < 0).any()
    assert (funding.rate > 0).any()
    assert market.funding(START_MS + HOUR_MS + 1, START_MS + 3 * HOUR_MS).rate.tolist() == [funding.rate[2]]
