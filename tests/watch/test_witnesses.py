"""Formulas of the joint calibration and of its proof against independent programs."""

import math

import numpy as np
import pytest

from firstwatch.watch.joint import Statistic, statistics_of
from firstwatch.watch.rolling import Judged, rate_of
from firstwatch.watch.windows import Looks
from tests.watch.witness import days_of, table


@pytest.mark.parametrize("case", table("anscombe"), ids=lambda case: str(case["mean"]))
def test_counts_have_a_stable_variance_after_their_transform(case):
    counts = np.arange(400.0)
    log_share = (
        counts * math.log(case["mean"]) - case["mean"] - np.array([math.lgamma(n + 1) for n in counts])
    )
    share = np.exp(log_share)
    zero = np.zeros((1, len(counts)))
    looks = Looks(np.zeros(1, dtype=np.int64), zero, counts[None], counts[None], zero, zero + 1)
    for place in (Statistic.MANY, Statistic.STOPS):
        values = statistics_of(looks)[0, place]
        mean = share @ values
        assert mean == pytest.approx(case["first"], rel=1e-9)
        assert share @ values**2 - mean**2 == pytest.approx(case["variance"], rel=1e-6)
    assert case["mean"] < 2 or case["variance"] == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("case", table("interval"), ids=lambda case: str(case["days"]))
def test_the_interval_of_a_rate_is_that_of_archs_bootstrap_by_blocks_of_days(case):
    count, hits = days_of(case["seed"], case["days"])
    day = np.repeat(np.arange(len(count)), count)
    first_ms = np.where(np.repeat(hits, count) > 0, 1.0, np.inf)
    rows = np.full((5, len(day)), np.inf)
    rows[0] = first_ms
    rate = rate_of(Judged(day, np.zeros_like(day), rows), seed=1)
    assert rate.diverged == pytest.approx(hits.sum() / count.sum())
    assert rate.interval == pytest.approx((case["low"], case["high"]), abs=0.01)
