"""A short history of everything that goes wrong, on a loopback venue through real ccxt; the long form is
``python -m tests.live.chaos --seeds 60``."""

import multiprocessing

import pytest

from tests.live.chaos import play

SEED = 101
BARS = 10


@pytest.mark.slow
def test_what_must_hold_holds_in_a_history():
    # A process of its own: the history's threads end with it.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        all_held, said = pool.apply(play, (SEED, BARS))
    assert all_held, said
