"""Writes ``witness_table.json``: what independent programs say of the formulas of the first watch.

Needs ``pip install scipy arch statsmodels confseq`` (confseq 0.0.11 builds on Python 3.10 and before) and
``robustconfseq.py`` on the path, the program of Hongjian Wang for Wang and Ramdas 2023 (catoni-confseq on
GitHub, commit 54b3395). Then ``python -m tests.watch.make_witness_table``. None of them is needed to run the
tests.

Of the confidence sequence the factor of a fill is the e-value that the program of its authors gives for it:
with their wide influence function where the fill is above the mean, with their narrow one below it. The
upper bound on a fill is none of theirs; a fill beyond it is given to them as one at it. The products of the
factors are confseq's betting martingale, and SciPy's root finder finds the bound. What is ours in the
figures is which bets are taken, which scale, and the mean of the bets.
"""

import json
import math

import numpy as np
from arch.bootstrap import CircularBlockBootstrap
from confseq.betting import betting_mart
from robustconfseq import RCS_Generator
from scipy import optimize, stats
from statsmodels.stats.stattools import jarque_bera

from tests.watch.witness import TABLE, days_of, fills_of, returns_of


def sharpe(seed, n, benchmark):
    """Bailey and López de Prado 2012, with the moments of statsmodels and SciPy's normal distribution."""
    returns = returns_of(seed, n)
    ratio = returns.mean() / stats.tstd(returns)
    _, _, skewness, kurtosis = jarque_bera(returns)
    spread = 1 - skewness * ratio + (kurtosis - 1) / 4 * ratio**2
    psr = stats.norm.cdf((ratio - benchmark) * math.sqrt(n - 1) / math.sqrt(spread))
    days = None
    if ratio > benchmark:
        days = 1 + spread * (stats.norm.ppf(0.95) / (ratio - benchmark)) ** 2
    return {
        "seed": seed,
        "n": n,
        "benchmark": benchmark,
        "ratio": float(ratio),
        "skewness": float(skewness),
        "kurtosis": float(kurtosis),
        "psr": float(psr),
        "days": days,
    }


def best_of_tries(tries, variance):
    """Bailey and López de Prado 2014, with SciPy's normal distribution."""
    high = stats.norm.ppf([1 - 1 / tries, 1 - 1 / (tries * math.e)]) if tries > 1 else [0.0, 0.0]
    ratio = math.sqrt(variance) * ((1 - np.euler_gamma) * high[0] + np.euler_gamma * high[1])
    return {"tries": tries, "variance": variance, "ratio": float(ratio)}


def factor(fill, mean, scale, bet):
    """The e-value of one fill against a mean of at most ``mean``, by the authors of the sequence."""
    fill = min(fill, mean + 2 * scale / bet)
    # Their narrow influence needs some contamination; this much changes no digit.
    contamination = 0 if fill > mean else 1e-300
    one = RCS_Generator(contamination, scale**2, null=mean, side="l")
    one.observe(fill, bet / scale, calculate_CS=False)
    return float(one.get_e_value())


def fill_sequence(seed, n, shift, noise_bps):
    """The products of Catoni's bounded influence, and the largest mean that they exclude at 1 in 100."""
    fills = fills_of(seed, n, shift)
    scales = []
    for count in range(n):
        spread = stats.tvar(fills[:count]) * (count - 1) if count > 1 else 0.0
        variance = (10 * noise_bps**2 + 1.5 * spread) / (10 + max(count, 1) - 1)
        scales.append(max(noise_bps, math.sqrt(variance)))

    def products(mean):
        path = np.zeros(n)
        for bet, weight in ((0.3, 0.3), (0.8, 0.7)):
            factors = [factor(fill, mean, scale, bet) for fill, scale in zip(fills, scales, strict=True)]
            path += weight * betting_mart(
                np.array(factors),
                1,
                lambdas_fn_positive=lambda x, _: np.ones(len(x)),
                theta=1,
                trunc_scale=1,
                m_trunc=False,
            )
        return path

    lower = None
    if max(products(-1e6)) > 100:
        lower = optimize.brentq(lambda mean: math.log(max(products(mean)) / 100), -200, 200, xtol=1e-10)
    return {
        "seed": seed,
        "n": n,
        "shift": shift,
        "noise_bps": noise_bps,
        "e_value": float(products(0.0)[-1]),
        "lower": lower,
    }


def anscombe(mean):
    """Exact mean and variance of 2 sqrt(n + 3/8) for a Poisson count n of that mean."""
    counts = stats.poisson(mean)
    first = counts.expect(lambda n: 2 * np.sqrt(n + 0.375))
    second = counts.expect(lambda n: 4 * (n + 0.375))
    return {"mean": mean, "first": float(first), "variance": float(second - first**2)}


def interval(seed, days):
    """Percentiles of the rate of hits of runs that are drawn by five days in a row, by arch's bootstrap."""
    count, hits = days_of(seed, days)
    drawn = CircularBlockBootstrap(5, count, hits, seed=1)
    low, high = drawn.conf_int(lambda n, k: k.sum() / n.sum(), 50_000, method="percentile", size=0.95).ravel()
    return {"seed": seed, "days": days, "low": float(low), "high": float(high)}


def quantiles(of):
    """Quantiles of noise of 5 bps, from its distribution's exact inverse."""
    return [{"share": share, "bps": float(of(share))} for share in (0.01, 0.05, 0.25, 0.75, 0.95, 0.99)]


def main():
    tables = {
        "sharpe": [sharpe(seed, n, mark) for seed, n, mark in ((1, 30, -0.1), (2, 365, -0.05), (3, 90, 0.5))],
        "best_of_tries": [best_of_tries(tries, 0.002) for tries in (1, 2, 10, 1_000)],
        "fill_sequence": [
            fill_sequence(seed, n, shift, noise_bps)
            for seed, n in ((5, 3), (5, 30), (6, 120), (7, 60))
            for shift in (-1.0, 0.0, 4.0, 9.0)
            for noise_bps in (2.0, 5.0, 10.0)
        ],
        "anscombe": [anscombe(mean) for mean in (1.0, 4.0, 12.0, 130.0)],
        "interval": [interval(seed, days) for seed, days in ((8, 60), (9, 400))],
        "student": quantiles(lambda share: stats.t.ppf(share, 3) * 5 / math.sqrt(3)),
        "exponential": quantiles(lambda share: 5 * (stats.expon.ppf(share) - 1)),
        "binomial": [
            {"k": k, "n": n, "p": p, "tail": float(stats.binom.sf(k - 1, n, p))}
            for k, n, p in ((6, 10, 0.5), (30, 40, 0.55), (0, 5, 0.3), (10, 10, 0.2))
        ],
    }
    TABLE.write_text(json.dumps(tables, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
