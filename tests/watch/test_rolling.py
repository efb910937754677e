"""The proof: which days are judged by which, what its figures mean, and that processes do not matter."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from decimal import Decimal
from functools import partial
from multiprocessing import get_context

import numpy as np
import pytest

from firstwatch.backtest.simulate import BacktestSettings, simulate
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.core_settings import Costs
from firstwatch.trading.market import DEFAULT_MARKET
from firstwatch.trading.verdicts import Change, CheckName
from firstwatch.watch.claim import Claim, calibrate
from firstwatch.watch.joint import JOINT_CHECKS
from firstwatch.watch.rolling import (
    Judged,
    Proof,
    Span,
    by_origin,
    power_of,
    prove,
    rate_of,
    true_fills,
)
from firstwatch.watch.windows import Baseline, Windows
from tests.candles import generated_candles
from tests.watch.algorithms import algorithm

COSTS = Costs(Decimal("0.5"), Decimal("0.5"), Decimal(0))
DAYS = 103
PROOF = Proof(baseline_days=60, live_days=4, seed=3)


@pytest.fixture(scope="module")
def baseline():
    candles = generated_candles(8, 24 * DAYS)
    return Baseline(algorithm("both_1h"), candles, DEFAULT_MARKET, COSTS, BacktestSettings())


@pytest.fixture(scope="module")
def proved(baseline):
    return prove(baseline, PROOF)


def result_of(baseline):
    return simulate(baseline.spec, baseline.candles, market=DEFAULT_MARKET, costs=COSTS)


def document(baseline, proof=PROOF, **changes):
    return calibrate(baseline, result_of(baseline), proof, elapsed_s=lambda: 0.0, **changes)


def test_each_day_after_an_origin_is_judged_once_for_each_hour(baseline, proved):
    span = Span.of(Windows(baseline))
    origins = span.origins(PROOF)
    assert proved.origins == len(origins) == 10
    assert np.diff(origins).tolist() == [4] * 9
    days, counts = np.unique(proved.rolling.day, return_counts=True)
    assert days.tolist() == list(range(origins[0], origins[-1] + 4))
    assert set(counts.tolist()) == {4}
    assert len(proved.null) == pytest.approx(4 * DAYS, abs=12)
    held = span.held_out(PROOF)
    assert set(proved.held_out.day.tolist()) == set(range(held, span.end))


def test_no_run_is_in_its_own_baseline(baseline):
    """The windows of a baseline end before the launch, also on its last day."""
    made = Windows(baseline)
    origin = Span.of(made).origins(PROOF)[0]
    starts = made.starts(18 * 3_600_000)
    ends = made.candles.time_ms[starts.bar] + 86_400_000
    before = ends <= origin * 86_400_000 + 18 * 3_600_000
    assert starts.day[before].max() == origin - 1
    # The starts after 18 h on the last day end after the launch and are not in the baseline.
    assert (starts.day[before] == origin - 1).sum() == 2


def test_a_baseline_that_lacks_more_than_a_quarter_of_its_days_judges_nothing(baseline):
    candles = baseline.candles
    kept = np.ones(len(candles), dtype=np.bool_)
    kept[20 * 24 : 40 * 24] = False
    names = ("time_ms", "open", "high", "low", "close", "volume")
    holed = CandleArrays(*(getattr(candles, name)[kept] for name in names), candles.timeframe)
    given = replace(baseline, candles=holed)
    span = Span.of(Windows(given))
    hole_ends = int(candles.time_ms[0]) // 86_400_000 + 40
    whole = [origin for origin in span.origins(PROOF) if hole_ends - (origin - 60) <= 15]
    found = prove(given, PROOF)
    assert 0 < found.origins == len(whole) < len(span.origins(PROOF))
    assert found.rolling.day.min() == whole[0]


def test_true_days_are_rarely_called_diverged(proved):
    for judged in (proved.rolling, proved.held_out, proved.null):
        assert np.isfinite(judged.seen_ms).mean() <= 0.10
        assert not np.isfinite(judged.first_ms[len(JOINT_CHECKS) :]).any()


def test_altered_days_are_seen_more_often_the_more_they_are_altered(proved):
    seen = {change: np.isfinite(judged.seen_ms).mean() for change, judged in proved.altered.items()}
    assert list(seen) == list(Change)
    assert seen[Change.QUARTER_RATE] > seen[Change.HALF_RATE]
    assert seen[Change.SLIPPAGE_10] > seen[Change.SLIPPAGE_5] > seen[Change.SLIPPAGE_2]
    assert all(len(judged) == len(proved.rolling) for judged in proved.altered.values())


def test_a_missed_decision_is_found_at_its_bar(proved):
    judged = proved.altered[Change.MISSED]
    parity = judged.first_ms[-1]
    assert np.isfinite(parity).any()
    np.testing.assert_array_equal(judged.seen_ms[np.isfinite(parity)] <= parity[np.isfinite(parity)], True)
    assert set((parity[np.isfinite(parity)] % 3_600_000).tolist()) == {0.0}


def in_pool(pool, shared, function, arguments):
    return pool.map(function, [shared] * len(arguments), arguments)


def test_processes_do_not_matter(baseline, proved):
    shares = []
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        other = prove(baseline, PROOF, run=partial(in_pool, pool), progress=shares.append)
    for name in ("null", "rolling", "held_out"):
        one, two = getattr(proved, name), getattr(other, name)
        np.testing.assert_array_equal(one.day, two.day)
        np.testing.assert_array_equal(one.first_ms, two.first_ms)
    for change in Change:
        np.testing.assert_array_equal(proved.altered[change].first_ms, other.altered[change].first_ms)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_rate_and_its_interval_are_of_calendar_days():
    days = np.repeat(np.arange(1_000), 4)
    first = np.full((5, 4_000), np.inf)
    alone = np.random.default_rng(1).permutation(1_000)[:100]
    first[1, np.isin(days, alone)] = 3_600_000.0  # a hundred days, whose four runs diverge together
    rate = rate_of(Judged(days, days * 0, first), 1)
    assert rate.diverged == pytest.approx(0.1)
    assert rate.by_check == {"drawdown": pytest.approx(0.1)}
    # The binomial sd over 1,000 days is 0.95 points, over 4,000 runs 0.47.
    assert rate.interval[0] == pytest.approx(0.1 - 1.96 * 0.0095, abs=0.006)
    assert rate.interval[1] == pytest.approx(0.1 + 1.96 * 0.0095, abs=0.006)
    first[:] = np.inf
    first[1, (days // 10) % 10 == 0] = 3_600_000.0  # the same share, in fortnights
    together = rate_of(Judged(days, days * 0, first), 1)
    assert together.interval[0] < 0.06
    assert together.interval[1] > 0.14
    assert rate_of(Judged(days[:0], days[:0], first[:, :0]), 1) is None


def test_quantiles_over_origins():
    group = np.repeat(np.arange(10), 10)
    first = np.full((5, 100), np.inf)
    first[0, group == 0] = 1.0
    low, middle, high = by_origin(Judged(np.arange(100), group, first))
    assert (low, middle) == (0, 0)
    assert high == pytest.approx(0.55)


def test_power_by_the_hour():
    hour = 3_600_000.0
    first = np.full((5, 4), np.inf)
    first[0] = [2 * hour, np.inf, np.inf, np.inf]
    first[3] = [1.5 * hour, 5 * hour, np.inf, np.inf]
    power = power_of(Judged(np.arange(4), np.arange(4), first))
    assert power.diverged == 0.5
    assert power.median_hours == 5.0
    assert power.by_hour[:6] == (0.0, 0.25, 0.25, 0.25, 0.5, 0.5)
    assert len(power.by_hour) == 24
    assert power.by_check == {CheckName.FILL_PRICES.value: 0.5}
    first[3, 1] = np.inf
    assert power_of(Judged(np.arange(4), np.arange(4), first)).median_hours is None


def test_true_fills_rarely_cross():
    fills = true_fills(Proof(seed=5))
    assert 0 <= fills.heavy_tailed <= 0.01
    assert 0 <= fills.skewed <= 0.01


def test_the_document_has_every_field(baseline):
    found = document(baseline)
    assert found.claim is Claim.OK
    assert found.needs is None
    assert found.rolling.origins == 10
    assert found.rolling.days == 10 * 4 * 4
    assert sum(found.rolling.by_check.values()) == pytest.approx(found.rolling.diverged)
    assert [each.change for each in found.power] == list(Change)
    for each in found.power:
        assert len(each.by_hour) == 24
        assert each.by_hour[-1] == pytest.approx(each.diverged)
        assert list(each.by_hour) == sorted(each.by_hour)
        assert sum(each.by_check.values()) == pytest.approx(each.diverged)
        assert (each.median_hours is None) == (each.diverged < 0.5)


def test_too_few_days_say_what_would_do(baseline):
    short = document(baseline, Proof())
    assert short.claim is Claim.TOO_SHORT
    assert short.rolling.days == 0
    assert short.rolling.diverged is None
    assert "about 482 days" in short.needs
    assert short.null.days > 0
    assert short.held_out.days > 0
    assert short.power[0].diverged is not None, "from the days held out"
    coarse = document(baseline, Proof(baseline_days=42, live_days=4))
    assert coarse.claim is Claim.TOO_SHORT
    assert "--baseline-days 60" in coarse.needs
    assert coarse.rolling.days > 0


def test_a_quiet_algorithm_is_said_to_be(baseline):
    quiet = Baseline(algorithm("rare_1h"), baseline.candles, DEFAULT_MARKET, COSTS, BacktestSettings())
    found = document(quiet)
    assert found.claim is Claim.TOO_QUIET
    assert "entries a day" in found.needs


def test_no_trades_at_all_are_no_error(baseline):
    never = baseline.spec.model_copy(deep=True)
    tiny = BacktestSettings(capital=Decimal(1))
    found = calibrate(
        Baseline(never, baseline.candles, DEFAULT_MARKET, COSTS, tiny),
        simulate(never, baseline.candles, market=DEFAULT_MARKET, costs=COSTS, settings=tiny),
        PROOF,
        elapsed_s=lambda: 0.0,
    )
    assert found.claim is Claim.TOO_QUIET
    assert found.rolling.diverged == 0
    assert found.baseline.trades == 0
