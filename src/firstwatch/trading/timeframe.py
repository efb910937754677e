"""Bar sizes."""

from enum import StrEnum

_MINUTE_MS = 60_000


class Timeframe(StrEnum):
    """A bar size, aligned to UTC midnight."""

    M1 = "1m"
    M3 = "3m"
    M5 = "5m"
    M15 = "15m"
    M30 = "30m"
    H1 = "1h"
    H2 = "2h"
    H4 = "4h"
    H6 = "6h"
    H8 = "8h"
    H12 = "12h"
    D1 = "1d"

    ms: int
    """The bar's length in milliseconds."""

    def __init__(self, name: str) -> None:
        self.ms = int(name[:-1]) * {"m": 1, "h": 60, "d": 1440}[name[-1]] * _MINUTE_MS

    def open_of(self, time_ms: int) -> int:
        """Return the open time of the bar that holds ``time_ms``."""
        return time_ms - time_ms % self.ms

    def is_multiple_of(self, base: "Timeframe") -> bool:
        """Return whether a bar of this size is made of whole bars of ``base``."""
        return self.ms % base.ms == 0 and self.ms >= base.ms

    @classmethod
    def of_ms(cls, ms: int) -> "Timeframe":
        """Return the timeframe of that length.

        Raises:
            ValueError: no timeframe has it.
        """
        for timeframe in cls:
            if timeframe.ms == ms:
                return timeframe
        raise ValueError(f"no timeframe is {ms / 1000:g} s long; known are {', '.join(cls)}")
