"""Resamples bars to a higher timeframe, bar by bar (rule 3 of ``firstwatch.strategy``)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firstwatch.strategy.candles import CandleArrays
from firstwatch.trading.bar import Bar
from firstwatch.trading.timeframe import Timeframe

_NEVER = -1
"""Before every open time."""


class Aggregator:
    """Builds bars of a higher timeframe, aligned to UTC, from bars given in order.

    A higher bar is closed by the base bar that ends with it, or by a later one if there was a hole.
    The first one is used only if its first base bar is there. Volume is summed in order.
    """

    __slots__ = ("_after_ms", "_base_ms", "_bucket_ms", "_close", "_high", "_is_whole", "_low", "_ms",
                 "_open", "_volume")  # fmt: skip

    def __init__(self, base: Timeframe, timeframe: Timeframe, *, after_ms: int | None = None) -> None:
        """``after_ms``: the open time of the last higher bar that is already known from elsewhere.

        Raises:
            ValueError: ``timeframe`` is not made of whole bars of ``base``.
        """
        if not timeframe.is_multiple_of(base):
            raise ValueError(f"bars of {timeframe} cannot be made of bars of {base}")
        self._base_ms, self._ms = base.ms, timeframe.ms
        self._after_ms = _NEVER if after_ms is None else after_ms
        self._bucket_ms = _NEVER
        self._is_whole = False
        self._open = self._high = self._low = self._close = self._volume = 0.0

    def push(self, bar: Bar) -> tuple[Bar, ...]:
        """Take the next base bar and return the higher bars that are closed now: none, one or two."""
        closed = []
        into_ms = bar.time_ms % self._ms
        if bar.time_ms - into_ms != self._bucket_ms:
            if self._is_whole:
                closed.append(self._bar())
            # A bar whose predecessor was seen is whole even if it begins with a hole.
            is_whole = self._bucket_ms >= 0 or into_ms == 0
            self._bucket_ms = int(bar.time_ms - into_ms)
            self._is_whole = is_whole and self._bucket_ms > self._after_ms
            self._open, self._high, self._low, self._volume = bar.open, bar.high, bar.low, 0.0
        self._high = max(self._high, bar.high)
        self._low = min(self._low, bar.low)
        self._close = bar.close
        self._volume += bar.volume
        if into_ms == self._ms - self._base_ms and self._is_whole:
            closed.append(self._bar())
            self._is_whole = False
        return tuple(closed)

    def _bar(self) -> Bar:
        return Bar(self._bucket_ms, self._open, self._high, self._low, self._close, self._volume)

    def begin(self, candles: CandleArrays) -> list[tuple[int, Bar]]:
        """Return what ``push`` returns for the first bars of all, to the bit and much sooner.

        Each higher bar comes with the position of the base bar that closed it.
        """
        if len(candles) == 0:
            return []
        into_ms = candles.time_ms % self._ms
        buckets = candles.time_ms - into_ms
        starts = np.flatnonzero(np.diff(buckets, prepend=_NEVER))
        ends = np.append(starts[1:], len(candles)) - 1
        is_whole = buckets[starts] > self._after_ms
        is_whole[0] &= into_ms[0] == 0
        ends_itself = into_ms[ends] == self._ms - self._base_ms
        closers = ends + ~ends_itself
        columns = [
            buckets[starts],
            candles.open[starts],
            np.maximum.reduceat(candles.high, starts),
            np.minimum.reduceat(candles.low, starts),
            candles.close[ends],
            _sums_in_order(candles.volume, starts, ends - starts + 1),
        ]
        *_, last = bars = list(map(Bar._make, zip(*(column.tolist() for column in columns), strict=True)))
        self._bucket_ms, self._open, self._high, self._low, self._close, self._volume = last
        self._is_whole = bool(is_whole[-1] and not ends_itself[-1])
        closed = np.flatnonzero(is_whole & (closers < len(candles)))
        return [(int(closers[place]), bars[place]) for place in closed]


def _sums_in_order(
    values: NDArray[np.float64], starts: NDArray[np.int64], counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the sums of stretches of an array, each added from left to right as a loop adds them."""
    sums = values[starts]
    for step in range(1, int(counts.max())):
        longer = counts > step
        sums[longer] += values[starts[longer] + step]
    return sums


@dataclass(frozen=True, slots=True, eq=False)
class HigherBars:
    """Higher bars, with the count of them that is closed at each base bar's close (int64)."""

    candles: CandleArrays
    closed: NDArray[np.int64]
    aggregator: Aggregator
    """Continues after the last base bar."""


def higher_bars(base: CandleArrays, timeframe: Timeframe, given: CandleArrays | None = None) -> HigherBars:
    """Return the higher bars seen from ``base``: those ``given`` by the venue, then those made of base bars.

    Given bars count from the first base bar that ends with them or later. Those that end after the last
    base bar are not used: base bars will make them. Without base bars all given bars count.

    Raises:
        ValueError: ``timeframe`` is not made of whole bars of ``base``.
    """
    ends = base.time_ms + base.timeframe.ms
    known: list[Bar] = []
    closed_by: list[int] = []
    if given is not None:
        given_ends = given.time_ms + timeframe.ms
        usable = len(given) if len(base) == 0 else int(np.searchsorted(given_ends, ends[-1], side="right"))
        known = given.part(0, usable).bars()
        closed_by = np.searchsorted(ends, given_ends[:usable], side="left").tolist()
    aggregator = Aggregator(base.timeframe, timeframe, after_ms=known[-1].time_ms if known else None)
    for index, bar in aggregator.begin(base):
        known.append(bar)
        closed_by.append(index)
    closed = np.searchsorted(np.array(closed_by, dtype=np.int64), np.arange(len(base)), side="right")
    return HigherBars(CandleArrays.from_bars(known, timeframe), closed.astype(np.int64), aggregator)


def resample(candles: CandleArrays, timeframe: Timeframe) -> CandleArrays:
    """Return the closed bars of a higher timeframe; the candles themselves if it is their own.

    Raises:
        ValueError: ``timeframe`` is not made of whole bars of the candles'.
    """
    return candles if timeframe is candles.timeframe else higher_bars(candles, timeframe).candles
