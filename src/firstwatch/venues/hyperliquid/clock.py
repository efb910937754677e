"""The venue's time, from the times in what it sends, carried on between two messages.

The wall clock says only how long ago something was, never what time it is at the venue. Where the venue's
clock runs at another speed (a loopback one), the speed is measured, too. One wrong time must not throw it:
a step that is larger than what has elapsed is believed only when two sources have said it.
"""

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from firstwatch.venues.hyperliquid.parse import clock_offset_ms

# A speed is believed when it was seen over this long, by this many messages, all near one line.
_WINDOW_S = 6.0
_SPAN_S = 1.5
_LEAST = 6
_CONFIRMED = 3
_TOLERANCE = 0.05
_NEAR_ONE = 0.05
# How far time is carried on without any message at another speed than one: beyond it, time stands.
_CARRY_S = 3.0
# A venue that says the same time again after so long does not run at the speed that was measured.
_STANDS_S = 0.4
# What is said may have been under way so long, and clocks differ by a little.
_SLACK_MS = 2_000
_DRIFT = 0.02
# How long a time that only one source has said waits for another one.
_CLAIM_S = 5.0
_MOST_CLAIMS = 100


class VenueClock:
    """Keeps the venue's time. Thread-safe; never goes back, but for a measured speed that proves wrong."""

    def __init__(self, elapsed_s: Callable[[], float]) -> None:
        """``elapsed_s``: seconds on a clock that never jumps."""
        self._elapsed_s = elapsed_s
        self._guard = threading.Lock()
        self._seen: deque[tuple[float, int, bool]] = deque()
        """When, which time, and whether two sources have said it."""
        self._anchor: tuple[float, int] | None = None
        self._base = (0.0, 0)
        """The latest time that two sources have said, and when: one alone may say little later ones."""
        self._base_source = ""
        self._claims: dict[str, tuple[float, int]] = {}
        """What one source alone has said that is too late to be believed, and when."""
        self._shown_ms = 0
        self._speed = 1.0

    @property
    def is_known(self) -> bool:
        """The venue has said a time."""
        return self._anchor is not None

    @property
    def observed_ms(self) -> int:
        """The latest time that the venue said itself and that is believed; 0: none yet."""
        return 0 if self._anchor is None else self._anchor[1]

    @property
    def speed(self) -> float:
        """Venue seconds per second of wall time."""
        return self._speed

    def observe(self, venue_ms: int, source: str) -> bool:
        """Note a time that a source has just given; return whether it is believed."""
        now_s = self._elapsed_s()
        with self._guard:
            if self._anchor is None:
                self._base, self._base_source = (now_s, venue_ms), source
                self._believe(now_s, venue_ms, is_confirmed=False)
                return True
            is_in_bounds = venue_ms <= self._latest_ms(now_s)
            if is_in_bounds:
                self._claims.pop(source, None)
                if source != self._base_source and venue_ms > self._base[1]:
                    self._base, self._base_source = (now_s, venue_ms), source
            else:
                claimed_ms = self._claimed_ms(now_s, source)
                self._claims[source] = (now_s, venue_ms)
                if claimed_ms <= self._latest_ms(now_s):
                    return False
                # Two sources have passed it.
                venue_ms = min(venue_ms, claimed_ms)
                self._base, self._base_source = (now_s, venue_ms), source
                self._claims = {name: claim for name, claim in self._claims.items() if claim[1] > venue_ms}
            if venue_ms > self._anchor[1]:
                self._believe(now_s, venue_ms, is_confirmed=not is_in_bounds)
            elif venue_ms == self._anchor[1] and self._speed != 1.0 and now_s - self._anchor[0] > _STANDS_S:
                self._stand(venue_ms)
            return True

    def _latest_ms(self, now_s: float) -> float:
        """Return the latest time that one source alone may say now."""
        since_s, base_ms = now_s - self._base[0], self._base[1]
        return base_ms + since_s * 1000 * max(self._speed, 1.0) * (1 + _DRIFT) + _SLACK_MS * self._speed

    def _claimed_ms(self, now_s: float, source: str) -> int:
        """Return the latest time that another source has claimed lately; 0: none has."""
        self._claims = {
            name: claim
            for name, claim in list(self._claims.items())[-_MOST_CLAIMS:]
            if now_s - claim[0] <= _CLAIM_S
        }
        return max((ms for name, (_, ms) in self._claims.items() if name != source), default=0)

    def now_ms(self) -> int:
        """Return the venue's time; 0 before it has said any."""
        now_s = self._elapsed_s()
        with self._guard:
            if self._anchor is None:
                return 0
            since_s = now_s - self._anchor[0]
            if self._speed != 1.0:
                since_s = min(since_s, _CARRY_S)
            self._shown_ms = max(self._shown_ms, self._anchor[1] + round(since_s * 1000 * self._speed))
            return self._shown_ms

    def _believe(self, now_s: float, venue_ms: int, *, is_confirmed: bool) -> None:
        self._anchor = (now_s, venue_ms)
        self._seen.append((now_s, venue_ms, is_confirmed))
        while now_s - self._seen[0][0] > _WINDOW_S:
            self._seen.popleft()
        self._measure()

    def _stand(self, venue_ms: int) -> None:
        """Forget a speed: the venue still says the same time, so it is moved by hand and stands now."""
        self._speed = 1.0
        self._seen.clear()
        # What was carried on was wrong; the venue's own word is later than all that it said before.
        self._shown_ms = venue_ms

    def _measure(self) -> None:
        """Measure the speed, unless what was seen is no line: a clock that is stepped has none."""
        (first_s, first_ms, _), (last_s, last_ms, _) = self._seen[0], self._seen[-1]
        span_s = last_s - first_s
        if len(self._seen) < _LEAST or span_s < _SPAN_S:
            return
        speed = (last_ms - first_ms) / 1000 / span_s
        off = max(abs((ms - first_ms) / 1000 / speed - (s - first_s)) for s, ms, _ in self._seen)
        is_known = abs(speed - self._speed) < _TOLERANCE * self._speed
        is_sure = is_known or sum(confirmed for _, _, confirmed in self._seen) >= _CONFIRMED
        if off > _TOLERANCE * span_s or abs(speed - 1.0) < _NEAR_ONE or not is_sure:
            speed = 1.0
        self._speed = speed


class VenueWall:
    """The venue's wall clock, by which it checks nonces: taken from the dates of its answers and extrapolated
    between them."""

    def __init__(self, wall_ms: Callable[[], int], elapsed_s: Callable[[], float]) -> None:
        """``wall_ms``: this machine's wall clock; ``elapsed_s``: seconds on a monotonic clock."""
        self._wall_ms = wall_ms
        self._elapsed_s = elapsed_s
        self._dated: tuple[float, int] | None = None
        """Elapsed seconds at the last answer with a date, and the venue's wall time then."""
        self.offset_ms: int | None = None
        """This machine's wall clock minus the venue's (``clock_offset_ms``); None: no answer had a date."""

    def answered(self, date: str | None, sent_ms: int) -> None:
        """Note the ``Date`` of the answer to a request sent at ``sent_ms`` of this machine's wall clock."""
        if date is None:
            return
        with suppress(ValueError):  # an invalid date is ignored
            wall_ms = self._wall_ms()
            self.offset_ms = clock_offset_ms(date, sent_ms, wall_ms)
            self._dated = (self._elapsed_s(), wall_ms - self.offset_ms)

    def now_ms(self) -> int:
        """Return the venue's wall time; this machine's while no answer had a date. Any thread may call it."""
        dated = self._dated
        return self._wall_ms() if dated is None else dated[1] + round((self._elapsed_s() - dated[0]) * 1000)
