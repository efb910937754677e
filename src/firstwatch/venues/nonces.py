"""Nonces: the venue's wall time in milliseconds, never the same twice here, whatever account they serve.

The venue takes a nonce that is at most two days old and one day ahead, that it has not taken yet, and that
is above the lowest of the hundred highest which it has taken of the key (its public documentation).
"""

import threading
from collections import OrderedDict
from collections.abc import Callable

_MOST_AHEAD_MS = 23 * 3_600_000
"""A last nonce further ahead of the wall time than this came from a wrong clock, and does not count."""
_MOST_KEPT = 10_000


class NonceClock:
    """Gives nonces. Thread-safe.

    One for the whole process: a key that signs for several accounts or venues then never repeats one.
    """

    def __init__(self) -> None:
        self._last = 0
        self._given: OrderedDict[int, None] = OrderedDict()
        self._guard = threading.Lock()

    def seed(self, nonce: int) -> None:
        """Issue only nonces above ``nonce``, which an earlier process may have used."""
        with self._guard:
            self._last = max(self._last, nonce)

    def next(self, now_ms: Callable[[], int]) -> int:
        """Return the time of the venue's wall, or one more than the last nonce if that is later."""
        with self._guard:
            wall_ms = now_ms()
            nonce = wall_ms if self._last > wall_ms + _MOST_AHEAD_MS else max(self._last + 1, wall_ms)
            while nonce in self._given:
                nonce += 1
            self._last = nonce
            self._given[nonce] = None
            if len(self._given) > _MOST_KEPT:
                self._given.popitem(last=False)
            return nonce


NONCES = NonceClock()
