"""One candle."""

from enum import IntEnum
from math import inf
from typing import NamedTuple


class Decided(IntEnum):
    """Decisions that a run's core could make at a bar's close."""

    NO = 0
    """None: the bar came before the first decision, or after the last one."""
    YES = 1
    NO_ENTRY = 2
    """Exits only: the run's entries were paused, or its data was unreliable."""


class Bar(NamedTuple):
    """A candle that covers ``[time_ms, time_ms + timeframe)``; prices in quote, volume in base."""

    time_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float

    @property
    def is_sound(self) -> bool:
        """All prices are above zero and finite, and lie between low and high."""
        prices = (self.open, self.close)
        is_inside = all(self.low <= price <= self.high for price in prices)
        return self.low > 0 and self.high < inf and is_inside and 0 <= self.volume < inf
