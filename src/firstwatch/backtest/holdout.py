"""The last fifth of a test's candles: no search and no cross-validation ever sees it."""

from firstwatch.strategy.candles import CandleArrays

HOLDOUT_PART = 5
"""One bar of so many is of the hold-out."""


def holdout_begins(candles: CandleArrays, start_ms: int | None = None, end_ms: int | None = None) -> int:
    """Return the index of the hold-out's first bar; it reaches to the end of the period.

    The period: the bars from ``start_ms`` up to, not including, ``end_ms``, None: all that there are.
    """
    first = 0 if start_ms is None else candles.index_at(start_ms)
    end = len(candles) if end_ms is None else candles.index_at(end_ms)
    return end - max(end - first, 0) // HOLDOUT_PART
