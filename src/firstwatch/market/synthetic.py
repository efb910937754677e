"""An endless seeded market: regimes, jumps, volume and funding, the same in whatever order it is read.

Bars are made in blocks. The edges of a block follow from (seed, number of the block) alone, so any block
can be made without those before it: the logarithm of the price at an edge is a sum of smooth noises of
different lengths, and inside the block a random bridge leads from edge to edge.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from firstwatch.market.funding import FundingSeries
from firstwatch.strategy.candles import CandleArrays
from firstwatch.trading.bar import Bar
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.timeframe import Timeframe

BLOCK_BARS = 256
_KEPT_BLOCKS = 64
_KEPT_NOISES = 256
_YEAR_MS = 365 * 86_400_000
_HOUR_MS = 3_600_000

# The purpose of random numbers; part of their seed.
_NOISE, _BARS, _FUNDING = range(3)


class _Regime(NamedTuple):
    """A block's regime: its share of all blocks, volatility and wave height relative to a calm market."""

    share: float
    volatility: float
    wave: float


_TREND = _Regime(0.35, 0.6, 0.0)
_RANGE = _Regime(0.4, 0.9, 5.0)
_VOLATILE = _Regime(0.25, 2.2, 0.0)
_REGIMES = (_TREND, _RANGE, _VOLATILE)
_GAP_SHARE = 0.02
_JUMP_SHARE = 1 / 400


class SyntheticMarket:
    """Candles and hourly funding of an invented market; equal arguments give equal data, bar by bar.

    ``volatility`` is the standard deviation of the price's logarithm over a year, ``price`` the level
    that it keeps coming back to, ``decimals`` the places that prices have.
    """

    def __init__(
        self,
        seed: int,
        timeframe: Timeframe,
        *,
        price: float = 60_000.0,
        volatility: float = 0.6,
        decimals: int = 2,
    ) -> None:
        """Take the seed.

        Raises:
            WrongUseError: the seed is negative.
        """
        if seed < 0:
            raise WrongUseError(f"seed {seed} is negative; give a whole number from 0 on")
        self.seed = seed
        self.timeframe = timeframe
        self._price = price
        self._decimals = decimals
        block_ms = BLOCK_BARS * timeframe.ms
        self._bar_step = volatility * math.sqrt(timeframe.ms / _YEAR_MS)
        # Octaves up to about a year: within it the price walks freely, over many it stays near its level.
        self._octaves = max(1, round(math.log2(_YEAR_MS / block_ms)) + 1)
        self._noise = lru_cache(maxsize=_KEPT_NOISES)(self._make_noise)
        self._block = lru_cache(maxsize=_KEPT_BLOCKS)(self._make_block)

    def bar(self, index: int) -> Bar:
        """Return the bar that opens at ``index * timeframe.ms`` since 1970."""
        block, offset = divmod(index, BLOCK_BARS)
        return self._block(block).bar(offset)

    def candles(self, first_ms: int, count: int) -> CandleArrays:
        """Return ``count`` bars from the first one that opens at or after ``first_ms``."""
        first = -(-first_ms // self.timeframe.ms)
        block, offset = divmod(first, BLOCK_BARS)
        last_block = (first + max(count, 1) - 1) // BLOCK_BARS
        blocks = [self._block(number) for number in range(block, last_block + 1)]
        return CandleArrays.joined(blocks).part(offset, offset + count)

    def funding(self, start_ms: int, end_ms: int) -> FundingSeries:
        """Return the hourly rates with ``start_ms <= time < end_ms``; longs pay a little more often."""
        hours = np.arange(-(-start_ms // _HOUR_MS), -(-end_ms // _HOUR_MS), dtype=np.int64)
        rates = [round(self._random(_FUNDING, int(hour)).normal(1.25e-5, 4e-5), 8) for hour in hours]
        return FundingSeries(hours * _HOUR_MS, np.array(rates, dtype=np.float64))

    def _random(self, *purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, *purpose])

    def _make_noise(self, octave: int, number: int) -> float:
        return float(self._random(_NOISE, octave, number).normal())

    def _edge(self, block: int) -> float:
        """Return the logarithm of the price, against its level, at which a block begins."""
        total = 0.0
        for octave in range(self._octaves):
            number, offset = divmod(block, 1 << octave)
            share = offset / (1 << octave)
            noise = self._noise(octave, number) * (1 - share) + self._noise(octave, number + 1) * share
            total += math.sqrt(1 << octave) * noise
        return total * self._bar_step * math.sqrt(BLOCK_BARS) / 2

    def _make_block(self, block: int) -> CandleArrays:
        random = self._random(_BARS, block)
        regime = _REGIMES[random.choice(len(_REGIMES), p=[regime.share for regime in _REGIMES])]
        step = self._bar_step * regime.volatility
        count = BLOCK_BARS
        # Student's t with 4 degrees of freedom has a variance of 2: fat tails at the wanted volatility.
        moves = random.standard_t(4, count) * step / math.sqrt(2)
        kind = random.random(count)
        gaps = np.where(kind < _GAP_SHARE, random.normal(0, step, count), 0.0)
        jumps = random.choice([-1, 1], count) * random.uniform(4, 12, count) * self._bar_step
        gaps = np.where(kind < _JUMP_SHARE, jumps, gaps)

        done = np.arange(1, count + 1) / count
        cycles = random.integers(2, 8)
        wave = regime.wave * self._bar_step * np.sin(2 * math.pi * cycles * done)
        first, last = self._edge(block), self._edge(block + 1)
        walk = np.cumsum(moves + gaps)
        close = first + walk + wave + done * (last - first - walk[-1])
        open_ = np.concatenate(([first], close[:-1])) + gaps
        high = np.maximum(open_, close) + np.abs(random.normal(0, step / 2, count))
        low = np.minimum(open_, close) - np.abs(random.normal(0, step / 2, count))
        volume = random.lognormal(2, 0.6, count) * (1 + np.abs(close - open_) / self._bar_step)
        return CandleArrays(
            (np.arange(count, dtype=np.int64) + block * count) * self.timeframe.ms,
            self._quoted(open_),
            self._quoted(high),
            self._quoted(low),
            self._quoted(close),
            np.round(volume, 5),
            self.timeframe,
        )

    def _quoted(self, logarithm: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.maximum(np.round(self._price * np.exp(logarithm), self._decimals), 10.0**-self._decimals)
