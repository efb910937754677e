"""What a search leaves of its winner: the more was tried, the better the best looks by luck alone.

- Deflated Sharpe ratio: the probability that the winner's true ratio is above what the best of as many trials
  without an edge shows (Bailey and López de Prado 2014, "The deflated Sharpe ratio: correcting for selection
  bias, backtest overfitting and non-normality").
- Probability of backtest overfitting, by combinatorially symmetric cross-validation (CSCV): days are cut into
  blocks; for each choice of half of them the trial with the best Sharpe ratio there is ranked by its ratio in
  the other half; the probability is the share of choices in which it is not above the median there (Bailey,
  Borwein, López de Prado and Zhu 2017, "The probability of backtest overfitting").
- Minimum backtest length: the days below which the best of so many trials without an edge is expected to show
  a given ratio (Bailey, Borwein, López de Prado and Zhu 2014, "Pseudo-mathematics and financial
  charlatanism").
"""

import math
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from firstwatch.backtest.metrics import DAYS_A_YEAR, RATIO_DAYS
from firstwatch.backtest.sharpe_ratio import Sharpe, best_of_tries, probabilistic_sharpe
from firstwatch.trading.text import counted

BLOCKS = 10
SURE = 0.95
"""A deflated Sharpe ratio from which on a winner is more than luck."""
LIKELY = 0.5
"""A probability of overfitting from which on the choice of the winner is worth nothing."""

_Floats = NDArray[np.float64]


def deflated_sharpe(returns_daily: _Floats, trial_sharpes_daily: _Floats, count: int) -> float | None:
    """Return the probability that the winner's Sharpe ratio is more than the luck of ``count`` trials.

    ``returns_daily``: of the winner, fractions. ``trial_sharpes_daily``: ratios per day of the trials that
    are known, the winner's too; those that are not finite are left out. ``count``: all trials that were made,
    at least 1; more than are known, where earlier searches count. With fewer than two known ratios their
    variance is that of the winner's own estimate. None: fewer than 30 days, or a winner without a ratio.
    """
    winner = Sharpe.of(returns_daily)
    if winner is None or winner.n < RATIO_DAYS:
        return None
    known = trial_sharpes_daily[np.isfinite(trial_sharpes_daily)]
    of_one = winner.variance_of_one / (winner.n - 1)
    variance = float(known.var(ddof=1)) if len(known) > 1 else of_one
    return probabilistic_sharpe(winner, best_of_tries(count, variance))


def overfitting_probability(daily_pnl: _Floats, blocks: int = BLOCKS) -> float | None:
    """Return the share of the halves whose best trial is not above the median in the other half.

    ``daily_pnl``: float64 (days x trials), quote or fractions, all of the same days, the trials in any order.
    ``blocks``: even; of equal length, or longer by one day where the days do not divide. A trial whose PnL
    does not vary over a half has the ratio 0 there; equal ratios share their mean rank, and where several
    trials are the best, each counts in proportion. None: fewer than two trials or fewer than 30 days.

    Raises:
        ValueError: the number of blocks is odd or below 2.
    """
    if blocks < 2 or blocks % 2:
        raise ValueError(f"{blocks} blocks cannot be halved")
    days, trials = daily_pnl.shape
    if trials < 2 or days < max(RATIO_DAYS, blocks):
        return None
    parts = np.array_split(daily_pnl, blocks)
    lengths = np.array([len(part) for part in parts])
    sums = np.array([part.sum(axis=0) for part in parts])
    squares = np.array([(part**2).sum(axis=0) for part in parts])
    missed = []
    for chosen in combinations(range(blocks), blocks // 2):
        inside = np.zeros(blocks, dtype=np.bool_)
        inside[list(chosen)] = True
        shown, other = (
            _ratios(int(lengths[half].sum()), sums[half].sum(axis=0), squares[half].sum(axis=0))
            for half in (inside, ~inside)
        )
        # The relative rank is rank / (trials + 1); its logit is at most 0 where the rank is at most the
        # middle.
        missed.append(np.mean(_ranks(other)[shown == shown.max()] <= (trials + 1) / 2))
    return float(np.mean(missed))


def minimum_backtest_days(count: int, sharpe_annual: float) -> float | None:
    """Return the days that a backtest needs so that luck alone does not show ``sharpe_annual``.

    ``(365 x (luck / sharpe)²)``, luck being what the best of ``count`` trials without an edge shows in ratios
    of unit variance. None: a ratio that is not above 0 needs no luck.
    """
    if not sharpe_annual > 0:
        return None
    root_years = best_of_tries(count, 1.0) / sharpe_annual
    # A product overflows to infinity, where a power raises.
    days = DAYS_A_YEAR * (root_years * root_years)
    return days if math.isfinite(days) else None


def overfitting_words(deflated: float | None, probability: float | None, count: int) -> str:
    """Return in one sentence or two what the two figures say."""
    trials = counted(count, "trial")
    if deflated is None:
        luck = "The winner has no Sharpe ratio to deflate: it needs 30 days, not all alike."
    elif deflated >= SURE:
        luck = f"Deflated Sharpe ratio {deflated:.2f}: more than the luck of {trials} explains."
    else:
        luck = (
            f"Deflated Sharpe ratio {deflated:.2f}, below {SURE}: the best of {trials} without any edge may "
            "look as good as this winner."
        )
    if probability is None:
        return luck
    follows = (
        "which is no better than chance"
        if probability >= LIKELY
        else "so the choice holds on other days more often than not"
    )
    return (
        f"{luck} Probability of overfitting {probability:.2f}: in so many of the splits the best trial was "
        f"not above the median on the other days, {follows}."
    )


def _ratios(days: int, total: _Floats, squares: _Floats) -> _Floats:
    """Return mean / sample deviation per trial from sums over days; 0 where nothing varies."""
    mean = total / days
    spread = squares - days * mean**2
    varies = spread > 1e-12 * squares
    deviation = np.sqrt(np.where(varies, spread, 1.0) / (days - 1))
    return np.where(varies, mean / deviation, 0.0)


def _ranks(values: _Floats) -> _Floats:
    """Return ranks from 1; equal values share their mean rank."""
    ordered = np.sort(values)
    before = np.searchsorted(ordered, values, side="left")
    upto = np.searchsorted(ordered, values, side="right")
    ranks: _Floats = (before + upto + 1) / 2
    return ranks
