"""The venue's time, from the times in what it sends, carried on between two messages.

The wall clock says only how long ago something was, never what time it is at the venue. Where the venue's
clock runs at another speed (a loopback one), the speed is measured, too.
"""

import threading
from collections import deque
from collections.abc import Callable

# A speed is believed when it was seen over this long, by this many messages, all near one line.
_WINDOW_S = 6.0
_SPAN_S = 1.5
_LEAST = 6
_TOLERANCE = 0.05
_NEAR_ONE = 0.05
# How far time is carried on without any message at another speed than one: beyond it, time stands.
_CARRY_S = 3.0
# A venue that says the same time again after so long does not run at the speed that was measured.
_STANDS_S = 0.4


class VenueClock:
    """Keeps the venue's time. Thread-safe; never goes back, but for a measured speed that proves wrong."""

    def __init__(self, elapsed_s: Callable[[], float]) -> None:
        """``elapsed_s``: seconds on a clock that never jumps."""
        self._elapsed_s = elapsed_s
        self._guard = threading.Lock()
        self._seen: deque[tuple[float, int]] = deque()
        self._anchor: tuple[float, int] | None = None
        self._told_ms = 0
        self._speed = 1.0

    @property
    def is_known(self) -> bool:
        """The venue has said a time."""
        return self._anchor is not None

    @property
    def observed_ms(self) -> int:
        """The latest time that the venue said itself; 0: none yet."""
        return 0 if self._anchor is None else self._anchor[1]

    @property
    def speed(self) -> float:
        """Venue seconds per second of wall time."""
        return self._speed

    def observe(self, venue_ms: int) -> None:
        """Take in a time that the venue has just said."""
        now_s = self._elapsed_s()
        with self._guard:
            if self._anchor is not None and venue_ms <= self._anchor[1]:
                if venue_ms == self._anchor[1] and self._speed != 1.0 and now_s - self._anchor[0] > _STANDS_S:
                    self._stand(venue_ms)
                return
            self._anchor = (now_s, venue_ms)
            self._seen.append((now_s, venue_ms))
            while now_s - self._seen[0][0] > _WINDOW_S:
                self._seen.popleft()
            self._measure()

    def now_ms(self) -> int:
        """Return the venue's time; 0 before it has said any."""
        now_s = self._elapsed_s()
        with self._guard:
            if self._anchor is None:
                return 0
            since_s = now_s - self._anchor[0]
            if self._speed != 1.0:
                since_s = min(since_s, _CARRY_S)
            self._told_ms = max(self._told_ms, self._anchor[1] + round(since_s * 1000 * self._speed))
            return self._told_ms

    def _stand(self, venue_ms: int) -> None:
        """Forget a speed: the venue still says the same time, so it is moved by hand and stands now."""
        self._speed = 1.0
        self._seen.clear()
        # What was carried on was wrong; the venue's own word is later than all that it said before.
        self._told_ms = venue_ms

    def _measure(self) -> None:
        """Measure the speed, unless what was seen is no line: a clock that is stepped has none."""
        (first_s, first_ms), (last_s, last_ms) = self._seen[0], self._seen[-1]
        span_s = last_s - first_s
        if len(self._seen) < _LEAST or span_s < _SPAN_S:
            return
        speed = (last_ms - first_ms) / 1000 / span_s
        off = max(abs((ms - first_ms) / 1000 / speed - (s - first_s)) for s, ms in self._seen)
        if off > _TOLERANCE * span_s or abs(speed - 1.0) < _NEAR_ONE:
            speed = 1.0
        self._speed = speed
