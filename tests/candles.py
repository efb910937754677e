"""Candles for tests: generated ones always, real ones where the shared folder is there."""

from pathlib import Path

import pytest

from firstwatch.market.synthetic import SyntheticMarket
from firstwatch.strategy.candles import CandleArrays
from firstwatch.trading.timeframe import Timeframe

START_MS = 1_704_067_200_000
"""2024-01-01, where generated candles begin."""

_SHARED = Path(__file__).parents[1].parent / "shared" / "data"


def generated_candles(seed: int, bars: int, timeframe: Timeframe = Timeframe.H1) -> CandleArrays:
    """Return ``bars`` candles of a seeded market from ``START_MS`` on; no bar is missing."""
    return SyntheticMarket(seed, timeframe).candles(START_MS, bars)


def shared_data(name: str) -> Path:
    """Return a file of the shared folder by name, with or without ``.csv.gz``; skip where it is absent."""
    path = _SHARED / (name if name.endswith(".csv.gz") else f"{name}.csv.gz")
    if not path.exists():
        pytest.skip(f"needs the real candles of {path.name} in {_SHARED}")
    return path
