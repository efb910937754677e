"""Invented days at their looks: for tests of the calibration without a market."""

import numpy as np

from firstwatch.watch.windows import Looks

LOOKS = 12
GRID_MS = (np.arange(LOOKS) + 1) * 7_200_000


def invented_days(random, days, starts=2, *, rate=6.0, stops=0.3, spread=0.01, quiet=0.0):
    """Return ``days`` x ``starts`` windows with entries at a rate a day and a random walk as equity.

    The windows of a day share its restlessness. ``quiet``: share of days without an entry.
    """
    count = days * starts
    mood = np.repeat(np.exp(random.normal(0, 0.4, days)), starts)[:, None]
    awake = np.repeat(random.random(days) >= quiet, starts)[:, None]
    arrivals = random.poisson(rate / LOOKS * mood * awake, (count, LOOKS))
    entries = np.cumsum(arrivals, axis=1).astype(float)
    stopped = np.cumsum(random.binomial(arrivals, stops), axis=1).astype(float)
    steps = random.standard_t(4, (count, LOOKS)) * spread * mood / np.sqrt(LOOKS)
    value = np.cumsum(steps, axis=1)
    peak = np.maximum(np.maximum.accumulate(value, axis=1), 0.0)
    last = np.maximum.accumulate(np.where(arrivals > 0, GRID_MS - 3_600_000, 0), axis=1)
    return Looks(
        np.repeat(np.arange(days) + 20_000, starts),
        peak - value,
        entries,
        stopped,
        (GRID_MS - last).astype(float),
        np.exp(value),
    )
