"""Time is injected. This is the only module that reads the machine's clocks."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from firstwatch.trading.text import quoted

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
END_MS = (datetime(2200, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
"""Exclusive upper bound of valid times, ms since the epoch."""


class Clock(Protocol):
    """Source of time, injected everywhere."""

    def now_ms(self) -> int:
        """Return wall time, milliseconds since the epoch, UTC."""

    def elapsed_s(self) -> float:
        """Return seconds on a clock that never jumps and counts the machine's suspension."""


class SystemClock:
    """The machine's clocks."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def elapsed_s(self) -> float:
        # CLOCK_BOOTTIME counts suspend, so a laptop that slept sees that its heartbeat is old.
        return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class ManualClock:
    """A clock that moves only by ``advance``: for tests and the simulated scheduler."""

    def __init__(self, now_ms: int = 0) -> None:
        self._now_ms = now_ms
        self._started_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def elapsed_s(self) -> float:
        return (self._now_ms - self._started_ms) / 1000

    def advance(self, ms: int) -> None:
        """Move the clock on by ``ms`` milliseconds."""
        self._now_ms += ms


def iso(time_ms: int) -> str:
    """Return ISO 8601 UTC for milliseconds since the epoch: ``2025-01-02T03:04:05Z``.

    Milliseconds are written only when they are not zero; a time outside of 1970 to 2199 is ``N ms``.
    """
    if not 0 <= time_ms < END_MS:
        return f"{time_ms} ms"
    moment = datetime.fromtimestamp(time_ms / 1000, tz=UTC)
    precision = "milliseconds" if time_ms % 1000 else "seconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def parse_iso(text: str) -> int:
    """Return milliseconds since the epoch for an ISO 8601 date or time; one without a zone is UTC.

    Raises:
        ValueError: the text is not an ISO 8601 time, or is outside of 1970 to 2199.
    """
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    time_ms = (moment - _EPOCH) // timedelta(milliseconds=1)
    if not 0 <= time_ms < END_MS:
        raise ValueError(f"{quoted(text.strip())} is not of the years 1970 to 2199")
    return time_ms
