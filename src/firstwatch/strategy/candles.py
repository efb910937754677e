"""Candles as arrays, as files, indicators and the backtest exchange them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstwatch.trading.bar import Bar
from firstwatch.trading.timeframe import Timeframe


@dataclass(frozen=True, slots=True, eq=False)
class CandleArrays:
    """Closed candles, oldest first, one entry per bar in every array.

    ``time_ms`` (int64) is the open time, strictly increasing; the rest is contiguous float64,
    prices in quote, ``volume`` in base. Holes are allowed: a bar in which nothing traded does not exist.
    """

    time_ms: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    timeframe: Timeframe

    def __len__(self) -> int:
        return len(self.time_ms)

    def __setstate__(self, state: Sequence[Any]) -> None:
        """Take the values of another process; arrays lie where their numbers may lie, and are writable.

        Libraries that carry them place their bytes anywhere, which compiled code does not take.
        """
        for entry, value in zip(fields(self), state, strict=True):
            is_array = isinstance(value, np.ndarray)
            own = np.require(value, requirements=("A", "W")) if is_array else value
            object.__setattr__(self, entry.name, own)

    def bar(self, index: int) -> Bar:
        """Return one candle with plain Python numbers."""
        return Bar(
            int(self.time_ms[index]),
            float(self.open[index]),
            float(self.high[index]),
            float(self.low[index]),
            float(self.close[index]),
            float(self.volume[index]),
        )

    def bars(self) -> list[Bar]:
        """Return all candles with plain Python numbers."""
        columns = (self.time_ms, self.open, self.high, self.low, self.close, self.volume)
        return list(map(Bar._make, zip(*(column.tolist() for column in columns), strict=True)))

    def part(self, start: int, stop: int) -> "CandleArrays":
        """Return the bars ``start`` up to, not including, ``stop``; the arrays are views."""
        return CandleArrays(
            self.time_ms[start:stop],
            self.open[start:stop],
            self.high[start:stop],
            self.low[start:stop],
            self.close[start:stop],
            self.volume[start:stop],
            self.timeframe,
        )

    def index_at(self, time_ms: int) -> int:
        """Return the index of the first bar whose open time is not before ``time_ms``."""
        return int(np.searchsorted(self.time_ms, time_ms, side="left"))

    @classmethod
    def joined(cls, parts: Sequence["CandleArrays"]) -> "CandleArrays":
        """Return the candles of at least one part, one after the other."""
        return cls(
            np.concatenate([part.time_ms for part in parts]),
            np.concatenate([part.open for part in parts]),
            np.concatenate([part.high for part in parts]),
            np.concatenate([part.low for part in parts]),
            np.concatenate([part.close for part in parts]),
            np.concatenate([part.volume for part in parts]),
            parts[0].timeframe,
        )

    @classmethod
    def from_bars(cls, bars: Sequence[Bar], timeframe: Timeframe) -> "CandleArrays":
        """Return arrays that hold ``bars``."""
        columns = np.array([bar[1:] for bar in bars], dtype=np.float64).reshape(-1, 5).T.copy()
        times = np.array([bar.time_ms for bar in bars], dtype=np.int64)
        return cls(times, columns[0], columns[1], columns[2], columns[3], columns[4], timeframe)
