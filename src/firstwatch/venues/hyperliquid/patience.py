"""Timeouts for the venue's answers, adapted to its usual answer times."""

LEAST_S = 2.0
"""Shortest wait, for a venue that usually answers at once."""
MOST_S = 10.0
_TIMES = 3.0
_KEPT = 0.8
# Whole histories take longer, and no protection depends on them.
_LONG = frozenset({"candleSnapshot", "fundingHistory", ""})


class Patience:
    """Keeps answer times for each kind of request. Lives in the gateway's loop.

    The timeout grows with slow answers; each missing answer doubles it.
    """

    def __init__(self) -> None:
        self._limits_s: dict[str, float] = {}

    def limit_s(self, kind: str) -> float:
        """Return the timeout of a request of that kind, in seconds."""
        return MOST_S if kind in _LONG else self._limits_s.get(kind, LEAST_S)

    def answered(self, kind: str, took_s: float) -> None:
        """Note how long an answer took."""
        kept_s = self._limits_s.get(kind, LEAST_S) * _KEPT
        self._limits_s[kind] = min(max(LEAST_S, took_s * _TIMES, kept_s), MOST_S)

    def silent(self, kind: str) -> None:
        """Note that no answer came in time."""
        self._limits_s[kind] = min(self.limit_s(kind) * 2, MOST_S)
