"""Nonces: wall time in milliseconds, never the same twice in this process, whatever account they serve."""

import threading
from collections.abc import Callable


class NonceClock:
    """Gives nonces. Thread-safe.

    One for the whole process: a key that signs for several accounts or venues then never repeats one.
    """

    def __init__(self) -> None:
        self._last = 0
        self._guard = threading.Lock()

    def next(self, now_ms: Callable[[], int]) -> int:
        """Return the wall time, or one more than the last nonce if that is later."""
        with self._guard:
            self._last = max(self._last + 1, now_ms())
            return self._last


NONCES = NonceClock()
