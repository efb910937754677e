"""Funding rates of a perpetual market."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from firstwatch.trading.clock import iso
from firstwatch.trading.errors import WrongUseError

_MINUTE_MS = 60_000
_DAY_MS = 86_400_000
_STAMP_DELAY_MS = 2_000
"""A funding due at a full minute may be stamped up to this much later."""
_LONGEST_PERIOD_MS = 8 * 3_600_000
"""The longest time between two fundings of any venue."""


class FundingRate(NamedTuple):
    """One funding: what a long pays at ``time_ms`` as a fraction of the notional; negative: receives."""

    time_ms: int
    rate: float


class Uncovered(NamedTuple):
    """A stretch of time without funding rates."""

    start_ms: int
    end_ms: int

    def __str__(self) -> str:
        return f"{iso(self.start_ms)} to {iso(self.end_ms)}"


def due_ms(time_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return when fundings are due: a stamp of up to 2 s after a full minute means that minute."""
    late_ms = time_ms % _MINUTE_MS
    return np.where(late_ms <= _STAMP_DELAY_MS, time_ms - late_ms, time_ms)


@dataclass(frozen=True, slots=True, eq=False)
class FundingSeries:
    """Fundings, oldest first: ``time_ms`` (int64, strictly increasing), ``rate`` (float64, a fraction).

    A time is the one at which the funding is due (``due_ms``), not its stamp.
    """

    time_ms: NDArray[np.int64]
    rate: NDArray[np.float64]

    def __post_init__(self) -> None:
        object.__setattr__(self, "time_ms", due_ms(self.time_ms))

    def __len__(self) -> int:
        return len(self.time_ms)

    def between(self, start_ms: int, end_ms: int) -> list[FundingRate]:
        """Return the fundings with ``start_ms <= time < end_ms``, oldest first."""
        first, last = np.searchsorted(self.time_ms, (start_ms, end_ms), side="left")
        times = self.time_ms[first:last].tolist()
        return list(map(FundingRate, times, self.rate[first:last].tolist()))

    def require_overlap(self, start_ms: int, end_ms: int) -> None:
        """Refuse rates that are of another time than ``start_ms`` to ``end_ms``.

        Raises:
            WrongUseError: none of that time is covered.
        """
        if self.uncovered(start_ms, end_ms) == [Uncovered(start_ms, end_ms)]:
            held = Uncovered(int(self.time_ms[0]), int(self.time_ms[-1]))
            raise WrongUseError(
                f"the funding rates of {held} cover nothing of the candles of {Uncovered(start_ms, end_ms)};"
                " give rates of that time, or none"
            )

    def uncovered(self, start_ms: int, end_ms: int) -> list[Uncovered]:
        """Return the stretches of that time in which fundings are missing, oldest first.

        Two fundings are too far apart when their distance is more than 1.5 times that of their neighbours, or
        than any venue's period: a venue may change its period. A market without funding misses none.
        """
        if not len(self):
            return []
        edges = np.concatenate(([start_ms], self.time_ms, [end_ms]))
        apart_ms = np.diff(edges)
        period_ms = apart_ms[1:-1]
        usual_ms = np.full(len(apart_ms), _LONGEST_PERIOD_MS)
        if len(period_ms):
            around = np.concatenate(([0, period_ms[0]], period_ms, [period_ms[-1], 0]))
            usual_ms = np.minimum(usual_ms, np.maximum(around[:-2], around[2:]))
        found = []
        for row in np.flatnonzero(apart_ms * 2 > usual_ms * 3):
            first, last = max(int(edges[row]), start_ms), min(int(edges[row + 1]), end_ms)
            if first < last:
                found.append(Uncovered(first, last))
        return found


def missing_sentence(missing: Sequence[Uncovered], duration_ms: int) -> str:
    """Return how much of a time of that length has no funding rates; ``missing`` is not empty."""
    missing_ms = sum(stretch.end_ms - stretch.start_ms for stretch in missing)
    stretches = f"{missing[0]}" if len(missing) == 1 else f"{len(missing)} stretches, the first {missing[0]}"
    return (
        f"funding rates are missing for {missing_ms / _DAY_MS:.1f} of {duration_ms / _DAY_MS:.1f} days"
        f" ({stretches}): nothing is paid or received there"
    )


NO_FUNDING = FundingSeries(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64))
"""A market without funding."""
