"""Simulated faults of a paper venue, to test how the first watch judges them. Off by default.

Each is drawn from the seed and the time of the bar, so that a replay, and a restart, repeat them.
"""

from dataclasses import dataclass
from hashlib import blake2b


@dataclass(frozen=True, slots=True)
class PaperFaults:
    """Frequencies of the faults, each a share from 0 to 1."""

    refuse_share: float = 0.0
    """Share of the bars whose entry orders the venue refuses, as a real one may for its own reasons."""
    suppress_share: float = 0.0
    """Share of the bars whose decision to enter is lost and not journalled, as by a bug."""
    seed: int = 0

    def refuses(self, bar_time_ms: int) -> bool:
        """Return whether entry orders that follow from this bar are refused."""
        return self._draw("refuse", bar_time_ms) < self.refuse_share

    def suppresses(self, bar_time_ms: int) -> bool:
        """Return whether a decision to enter at this bar's close is lost."""
        return self._draw("suppress", bar_time_ms) < self.suppress_share

    def _draw(self, what: str, bar_time_ms: int) -> float:
        """Return a number in [0, 1), the same for the same seed, ``what`` and time."""
        digest = blake2b(f"{self.seed} {what} {bar_time_ms}".encode(), digest_size=7).digest()
        return int.from_bytes(digest) / 2**56


NO_FAULTS = PaperFaults()
