"""One candle."""

from typing import NamedTuple


class Bar(NamedTuple):
    """A candle that covers ``[time_ms, time_ms + timeframe)``; prices in quote, volume in base."""

    time_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
