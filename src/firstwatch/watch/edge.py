"""Is the live Sharpe ratio as high as the backtest's? That takes weeks to say, never a day.

Sharpe ratios here are per day, of daily returns, not annualised. With n returns of skewness g3 and kurtosis
g4 (3: normal), the estimate SR has the standard error ``√((1 - g3·SR + (g4 - 1)/4·SR²)/(n - 1))``.

- Probabilistic Sharpe ratio: the probability that the true ratio is above a benchmark, ``Φ((SR - SR*) /
  error)`` (Bailey and López de Prado 2012, "The Sharpe ratio efficient frontier").
- Minimum track record length: the n from which on that probability exceeds a confidence,
  ``1 + (1 - g3·SR + (g4 - 1)/4·SR²)·(z/(SR - SR*))²`` (the same).
- The baseline's ratio is deflated by what the best of N tries without an edge shows: ``√V·((1 - γ)·Φ⁻¹(1 -
  1/N) + γ·Φ⁻¹(1 - 1/(N·e)))``, γ Euler's constant, V the variance of the tries' ratios (Bailey and López de
  Prado 2014, "The deflated Sharpe ratio").
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from firstwatch.backtest.metrics import DAYS_A_YEAR, RATIO_DAYS
from firstwatch.trading.clock import iso
from firstwatch.trading.text import counted
from firstwatch.trading.verdicts import DAY_MS, Verdict

CONFIDENCE = 0.95
_DIVERGED = 0.05
_WATCH = 0.10
_EULER = 0.5772156649015329
_NORMAL = NormalDist()
_MOST_DAYS = 36_500
"""A track record longer than a century counts as never reached."""
_ALIKE = 1e-12

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sharpe:
    """A Sharpe ratio per day, with the moments that its error depends on."""

    ratio: float
    n: int
    skewness: float = 0.0
    kurtosis: float = 3.0

    @classmethod
    def of(cls, returns: _Floats) -> "Sharpe | None":
        """Return the ratio of daily returns; None: fewer than two, not finite, or all equal."""
        if len(returns) < 2 or not np.isfinite(returns).all() or np.ptp(returns) <= _ALIKE:
            return None
        # An overflow is not finite, and then there is no ratio.
        with np.errstate(all="ignore"):
            centred = returns - returns.mean()
            variance = np.mean(centred**2)
            moments = [
                float(returns.mean() / returns.std(ddof=1)),
                float(np.mean(centred**3) / variance**1.5),
                float(np.mean(centred**4) / variance**2),
            ]
        if not all(map(math.isfinite, moments)):
            return None
        return cls(moments[0], len(returns), moments[1], moments[2])

    @property
    def variance_of_one(self) -> float:
        """The variance of the estimate times n - 1."""
        return max(1 - self.skewness * self.ratio + (self.kurtosis - 1) / 4 * self.ratio**2, 1e-12)

    @property
    def a_year(self) -> float:
        """The ratio annualised."""
        return self.ratio * math.sqrt(DAYS_A_YEAR)


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


def probabilistic_sharpe(sharpe: Sharpe, benchmark: float) -> float:
    """Return the probability that the true ratio is above the benchmark (per day)."""
    error = math.sqrt(sharpe.variance_of_one / max(sharpe.n - 1, 1))
    return _NORMAL.cdf((sharpe.ratio - benchmark) / error)


def minimum_track_record(sharpe: Sharpe, benchmark: float, confidence: float = CONFIDENCE) -> float | None:
    """Return the days from which on the ratio is above the benchmark with that confidence; None: never."""
    if sharpe.ratio <= benchmark:
        return None
    return 1 + sharpe.variance_of_one * (_NORMAL.inv_cdf(confidence) / (sharpe.ratio - benchmark)) ** 2


def best_of_tries(tries: int, variance: float) -> float:
    """Return the ratio that the best of so many tries without an edge is expected to show; 0 for one try."""
    if tries < 2:
        return 0.0
    usual = (1 - _EULER) * _NORMAL.inv_cdf(1 - 1 / tries) + _EULER * _NORMAL.inv_cdf(1 - 1 / (tries * math.e))
    return math.sqrt(variance) * usual


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
