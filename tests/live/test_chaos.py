"""Short histories of everything that goes wrong, on a loopback venue through real ccxt; the long form is
``python -m tests.live.chaos --seeds 60``."""

import multiprocessing

import pytest

from tests.live.chaos import play

AT_ONCE = 3
BARS = 10


@pytest.mark.slow
def test_what_must_hold_holds_in_three_histories():
    with multiprocessing.get_context("spawn").Pool(AT_ONCE) as pool:
        played = pool.starmap(play, [(seed, BARS) for seed in range(101, 104)])
    assert [said for all_held, said in played if not all_held] == []
