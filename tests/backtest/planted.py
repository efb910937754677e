"""Markets in which what can be known is planted: mean reversion of hourly returns, and volume that is
noise."""

import numpy as np

from firstwatch.strategy.candles import CandleArrays
from firstwatch.trading.timeframe import Timeframe

START_MS = 1_704_067_200_000
YEAR_BARS = 8_760
REVERSION = -0.30


def planted_candles(seed: int, *, reversion: float = REVERSION, bars: int = YEAR_BARS) -> CandleArrays:
    """Return hours whose log returns follow an AR(1) with that coefficient; 0: a random walk."""
    random = np.random.default_rng(seed)
    shocks = random.normal(0, 0.006, bars)
    returns = np.empty(bars)
    last = 0.0
    for index, shock in enumerate(shocks.tolist()):
        last = reversion * last + shock
        returns[index] = last
    close = 100 * np.exp(np.cumsum(returns))
    opened = np.concatenate([[100.0], close[:-1]])
    wicks = np.abs(random.normal(0, 0.002, (2, bars)))
    high = np.maximum(opened, close) * np.exp(wicks[0])
    low = np.minimum(opened, close) * np.exp(-wicks[1])
    times = START_MS + np.arange(bars, dtype=np.int64) * Timeframe.H1.ms
    return CandleArrays(times, opened, high, low, close, random.lognormal(0, 1, bars), Timeframe.H1)
