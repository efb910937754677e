"""Is the live Sharpe ratio as high as the backtest's? That takes weeks to say, never a day.

Ratios and their errors are those of ``backtest.sharpe_ratio``, per day. The baseline's ratio is deflated by
what the best of as many tries without an edge shows.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firstwatch.backtest.metrics import DAYS_A_YEAR, RATIO_DAYS
from firstwatch.backtest.sharpe_ratio import (
    Sharpe,
    best_of_tries,
    minimum_track_record,
    probabilistic_sharpe,
)
from firstwatch.trading.clock import iso
from firstwatch.trading.text import counted
from firstwatch.trading.verdicts import DAY_MS, Verdict

_DIVERGED = 0.05
_WATCH = 0.10
_MOST_DAYS = 36_500
"""A track record longer than a century counts as never reached."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class EdgeJudged:
    """Result of the check; ratios annualised."""

    verdict: Verdict
    n: int
    """Days of live returns."""
    sentence: str
    observed: float | None = None
    expected: float | None = None
    """The deflated ratio of the baseline."""
    probability: float | None = None
    """Probability that the true live ratio is above the expected one."""
    days_needed: int | None = None
    more_at_ms: int | None = None


def judge_edge(
    live: _Floats, baseline: _Floats, *, tries: int, tries_variance: float | None = None, began_ms: int
) -> EdgeJudged:
    """Return what daily returns say, of the run since it began and of its baseline.

    ``tries``: backtests that were made before this algorithm was chosen, itself included;
    ``tries_variance``: of their ratios per day, None: that of the baseline's own estimate.
    """
    n = len(live)
    promised = Sharpe.of(baseline)
    if promised is None:
        return EdgeJudged(Verdict.NOT_ENOUGH_DATA, n, "The baseline has no Sharpe ratio to compare with.")
    variance = promised.variance_of_one / (promised.n - 1) if tries_variance is None else tries_variance
    deflated = promised.ratio - best_of_tries(tries, variance)
    expected = deflated * math.sqrt(DAYS_A_YEAR)
    needed = minimum_track_record(
        Sharpe(deflated, promised.n, promised.skewness, promised.kurtosis), benchmark=0.0
    )
    if needed is None or needed > _MOST_DAYS:
        return EdgeJudged(
            Verdict.NOT_ENOUGH_DATA,
            n,
            f"The baseline's Sharpe ratio of {promised.a_year:.2f} is {expected:.2f} after the luck of "
            f"{tries} {'try' if tries == 1 else 'tries'}: no live record of any length confirms it.",
            expected=expected,
        )
    days = max(math.ceil(needed), RATIO_DAYS)
    shown = Sharpe.of(live)
    if n < days or shown is None:
        more_at_ms = began_ms + days * DAY_MS
        return EdgeJudged(
            Verdict.NOT_ENOUGH_DATA,
            n,
            f"Known from {iso(more_at_ms)[:10]} on: a Sharpe ratio of {expected:.2f} needs "
            f"{counted(days, 'day')}."
            if n < days
            else "The run's days are all alike: it has no Sharpe ratio.",
            expected=expected,
            days_needed=days,
            more_at_ms=more_at_ms if n < days else None,
        )
    probability = probabilistic_sharpe(shown, deflated)
    verdict = (
        Verdict.DIVERGED
        if probability <= _DIVERGED
        else Verdict.WATCH
        if probability <= _WATCH
        else Verdict.CONSISTENT
    )
    return EdgeJudged(
        verdict,
        n,
        f"Sharpe ratio {shown.a_year:.2f} over {counted(n, 'day')}; that it truly reaches {expected:.2f} has "
        f"a probability of {probability * 100:.0f} %.",
        observed=shown.a_year,
        expected=expected,
        probability=probability,
        days_needed=days,
    )
