"""Is a mean above zero by more than chance? Student's t-test (Student 1908) of independent values.

The distribution function is the regularised incomplete beta function, by its continued fraction (Press,
Teukolsky, Vetterling and Flannery, "Numerical Recipes", section 6.4).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LEAST = 1e-300
_ENOUGH = 1e-15
_MOST_TERMS = 100_000
_ALIKE = 1e-12


@dataclass(frozen=True, slots=True)
class MeanTest:
    """The mean of ``n`` values in standard errors (``t``), and the probability of so large a t by chance."""

    t: float
    n: int
    p_value: float
    """One-sided: of a t at least as large where the true mean is 0."""


def mean_above_zero(values: NDArray[np.float64]) -> MeanTest | None:
    """Return the one-sided test of the mean; None: fewer than two values, or they are all alike."""
    n = len(values)
    # An overflow is not finite, and then there is no test.
    with np.errstate(all="ignore"):
        if n < 2 or not np.isfinite(values).all() or np.ptp(values) <= _ALIKE * np.abs(values).max():
            return None
        mean, deviation = float(values.mean()), float(values.std(ddof=1))
    if not (math.isfinite(mean) and math.isfinite(deviation) and deviation > 0):
        return None
    t = mean / deviation * math.sqrt(n)
    return MeanTest(t, n, upper_tail(t, n - 1))


def upper_tail(t: float, degrees: int) -> float:
    """Return the probability that a Student variable of so many degrees of freedom, at least 1, exceeds t."""
    half = 0.5 * _incomplete_beta(degrees / 2, 0.5, degrees / (degrees + t * t))
    return half if t > 0 else 1 - half


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b) for 0 <= x <= 1."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    scale = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    # The fraction converges fast on this side of the mean only; the other is its complement.
    if x < (a + 1) / (a + b + 2):
        return scale * _fraction(a, b, x) / a
    return 1 - scale * _fraction(b, a, 1 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    """Return the continued fraction of the incomplete beta function, by Lentz's method."""
    c, d = 1.0, _inverse(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _MOST_TERMS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = _inverse(1 + term * d)
            c = 1 + term / c
            c = c if abs(c) > _LEAST else _LEAST
            value *= c * d
        if abs(c * d - 1) < _ENOUGH:
            break
    return value


def _inverse(value: float) -> float:
    return 1 / (value if abs(value) > _LEAST else _LEAST)
