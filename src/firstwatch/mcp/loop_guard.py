"""Stops a program that makes the same call again and again. Pure: the time is injected.

Used by one thread.
"""

import math
from collections import OrderedDict, deque

MOST_CALLS = 30
"""Identical calls of one caller within ``WINDOW_S``."""
WINDOW_S = 60.0
_MOST_KINDS = 2_000
"""Different calls that are remembered; the one that was made longest ago is forgotten first."""


class LoopGuard:
    """Counts identical calls of the last minute."""

    def __init__(self) -> None:
        self._calls: OrderedDict[str, deque[float]] = OrderedDict()
        """The times of each call's last ones, by a text that is equal for identical calls."""

    def problem(self, call: str, now_s: float) -> str:
        """Count a call and return "", or the sentence with which it is refused; those are not counted.

        ``now_s``: seconds on a clock that never goes back.
        """
        times = self._calls.setdefault(call, deque())
        self._calls.move_to_end(call)
        if len(self._calls) > _MOST_KINDS:
            self._calls.popitem(last=False)
        while times and times[0] <= now_s - WINDOW_S:
            times.popleft()
        if len(times) >= MOST_CALLS:
            wait_s = math.ceil(times[0] + WINDOW_S - now_s)
            return (
                f"This same call was made {MOST_CALLS} times within a minute. Its answer would hardly differ;"
                f" make it again in {wait_s} s."
            )
        times.append(now_s)
        return ""
