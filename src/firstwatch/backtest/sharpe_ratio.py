"""The Sharpe ratio of daily returns, how sure it is, and what luck alone shows.

Sharpe ratios here are per day, of daily returns, not annualised. With n returns of skewness g3 and kurtosis
g4 (3: normal), the estimate SR has the standard error ``√((1 - g3·SR + (g4 - 1)/4·SR²)/(n - 1))``.

- Probabilistic Sharpe ratio: the probability that the true ratio is above a benchmark, ``Φ((SR - SR*) /
  error)`` (Bailey and López de Prado 2012, "The Sharpe ratio efficient frontier").
- Minimum track record length: the n from which on that probability exceeds a confidence,
  ``1 + (1 - g3·SR + (g4 - 1)/4·SR²)·(z/(SR - SR*))²`` (the same).
- What the best of N tries without an edge shows: ``√V·((1 - γ)·Φ⁻¹(1 - 1/N) + γ·Φ⁻¹(1 - 1/(N·e)))``, γ
  Euler's constant, V the variance of the tries' ratios (Bailey and López de Prado 2014, "The deflated Sharpe
  ratio").
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from firstwatch.backtest.metrics import DAYS_A_YEAR

CONFIDENCE = 0.95
_EULER = 0.5772156649015329
_NORMAL = NormalDist()
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
