"""Funding rates of a perpetual market."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class FundingRate(NamedTuple):
    """One funding: what a long pays at ``time_ms`` as a fraction of the notional; negative: receives."""

    time_ms: int
    rate: float


@dataclass(frozen=True, slots=True, eq=False)
class FundingSeries:
    """Fundings, oldest first: ``time_ms`` (int64, strictly increasing), ``rate`` (float64, a fraction)."""

    time_ms: NDArray[np.int64]
    rate: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.time_ms)

    def between(self, start_ms: int, end_ms: int) -> list[FundingRate]:
        """Return the fundings with ``start_ms <= time < end_ms``, oldest first."""
        first, last = np.searchsorted(self.time_ms, (start_ms, end_ms), side="left")
        times = self.time_ms[first:last].tolist()
        return list(map(FundingRate, times, self.rate[first:last].tolist()))


NO_FUNDING = FundingSeries(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64))
"""A market without funding."""
