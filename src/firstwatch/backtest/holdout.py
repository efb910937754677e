"""The hold-out: the last fifth of a period's candles, which no search and no fold ever sees."""

from dataclasses import dataclass

from firstwatch.strategy.candles import CandleArrays
from firstwatch.trading.clock import iso
from firstwatch.trading.errors import WrongUseError

_PARTS = 5


@dataclass(frozen=True, slots=True)
class Split:
    """A period in two: what may be searched, then the hold-out. Times are opens, the end exclusive."""

    start_ms: int
    holdout_ms: int
    """The first bar of the hold-out."""
    end_ms: int


def split_period(candles: CandleArrays, start_ms: int | None, end_ms: int | None) -> Split:
    """Return the period of the candles from ``start_ms`` up to ``end_ms``, in two.

    Raises:
        WrongUseError: fewer than five candles are in it.
    """
    first = 0 if start_ms is None else candles.index_at(start_ms)
    end = len(candles) if end_ms is None else candles.index_at(end_ms)
    if end - first < _PARTS:
        if not len(candles):
            raise WrongUseError("There are no candles; give some of the market.")
        begin, last = iso(int(candles.time_ms[0])), iso(int(candles.time_ms[-1]) + candles.timeframe.ms)
        raise WrongUseError(
            f"Too few candles are in the period ({max(end - first, 0)}): they go from {begin} to {last}."
        )
    return Split(
        int(candles.time_ms[first]),
        int(candles.time_ms[first + (end - first) * (_PARTS - 1) // _PARTS]),
        int(candles.time_ms[end - 1]) + candles.timeframe.ms,
    )
