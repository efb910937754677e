"""Equity curves from seeds, for the table of metrics."""

import numpy as np

CAPITAL = 10_000.0
START_MS = 1_704_067_200_000 + 7 * 3_600_000  # not at midnight: the first day is a part of one
HOUR_MS = 3_600_000


def _walk(seed, bars, step_ms, drift, deviation):
    random = np.random.default_rng(seed)
    time_ms = START_MS + np.arange(bars, dtype=np.int64) * step_ms
    return time_ms, CAPITAL * np.exp(np.cumsum(random.normal(drift, deviation, bars)))


def rising():
    return _walk(1, 24 * 200, HOUR_MS, 6e-5, 0.003)


def falling():
    return _walk(2, 24 * 90, HOUR_MS, -1e-4, 0.004)


def with_holes():
    """Days without a bar, and a flat stretch."""
    time_ms, equity = _walk(3, 400, 4 * HOUR_MS, 2e-4, 0.008)
    equity[100:150] = equity[100]
    keep = np.ones(len(time_ms), dtype=bool)
    keep[200:226] = False
    return time_ms[keep], equity[keep]


CURVES = {"rising": rising, "falling": falling, "with_holes": with_holes}
