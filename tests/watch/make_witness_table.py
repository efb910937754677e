"""Writes ``witness_table.json``: what independent programs say of the formulas of the first watch.

Needs ``pip install scipy arch statsmodels``, then ``python -m tests.watch.make_witness_table``. None of them
is needed to run the tests.

The confidence sequence has no program that could be installed here; it is written anew from the papers, with
the standard library's arithmetic, one fill after another, and SciPy's root finder for the bound.
"""

import json
import math

import numpy as np
from arch.bootstrap import CircularBlockBootstrap
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


def fill_sequence(seed, n, shift):
    """The products of Catoni's bounded influence, and the largest mean that they exclude at 1 in 100."""
    fills = fills_of(seed, n, shift)

    def products(mean):
        totals, seen, path = {0.3: 0.3, 0.8: 0.7}, [], []
        for fill in fills:
            spread = stats.tvar(seen) * (len(seen) - 1) if len(seen) > 1 else 0.0
            scale = max(5.0, math.sqrt((10 * 25 + 1.5 * spread) / (10 + max(len(seen), 1) - 1)))
            for bet in totals:
                y = sorted((-1.0, bet * (fill - mean) / scale, 2.0))[1]
                totals[bet] *= (1 + y + y * y / 2) / (1 + bet * bet / 2)
            seen.append(fill)
            path.append(sum(totals.values()))
        return path

    path = products(0.0)
    lower = None
    if max(products(-1e6)) > 100:
        lower = optimize.brentq(lambda mean: math.log(max(products(mean)) / 100), -200, 200, xtol=1e-10)
    return {"seed": seed, "n": n, "shift": shift, "e_value": path[-1], "lower": lower}


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
            fill_sequence(seed, n, shift)
            for seed, n, shift in ((5, 3, 0.0), (5, 30, 4.0), (6, 120, -1.0), (7, 60, 9.0))
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
