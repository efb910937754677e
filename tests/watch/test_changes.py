"""Altered days: each change does to a true day what its name says, and nothing else."""

from decimal import Decimal

import numpy as np
import pytest

from firstwatch.backtest.simulate import BacktestSettings
from firstwatch.strategy.core_settings import Costs
from firstwatch.trading.market import DEFAULT_MARKET
from firstwatch.trading.verdicts import DAY_MS, Change, CheckName
from firstwatch.watch.changes import OWN_CHANGES, Donors, draw_donors, play_changed, swapped, thinned
from firstwatch.watch.recipe import generator
from firstwatch.watch.windows import Baseline, DayOfRun, Windows
from tests.candles import generated_candles
from tests.watch.algorithms import algorithm

COSTS = Costs(Decimal("0.5"), Decimal("0.5"), Decimal(0))


@pytest.fixture(scope="module")
def made():
    candles = generated_candles(4, 24 * 120)
    return Windows(Baseline(algorithm("both_1h"), candles, DEFAULT_MARKET, COSTS, BacktestSettings()))


@pytest.fixture(scope="module")
def starts(made):
    every = made.starts(6 * 3_600_000)
    return every.where(every.is_exact)


@pytest.fixture(scope="module")
def true(made, starts):
    return made.play(starts)


def changed(made, starts, true, change, *, seed=1, of=None, keeps_orders=False):
    donors = draw_donors(starts.day, starts.day, generator(seed))
    more = {} if of is None else {"of": of}
    return play_changed(
        made, starts, change, generator(seed, 1), donors, **more, true=true, keeps_orders=keeps_orders
    )


def runs_of(flags):
    return int((np.diff((flags == 1).astype(int), prepend=0) == 1).sum())


def test_a_stretch_of_a_signal_is_kept_whole_or_not_at_all(made):
    kept = thinned(made.signals, 1 / 4, generator(1))
    for name in ("entry_long", "entry_short"):
        before, after = getattr(made.signals, name), getattr(kept, name)
        assert set(np.unique(after[before != after]).tolist()) == {0}
        assert (before[before != after] == 1).all()
        edges = np.flatnonzero(np.diff((before == 1).astype(int), prepend=0) == 1)
        for first in edges.tolist():
            end = first + int(np.argmin(np.append(before[first:], 0) == 1))
            assert len(set(after[first:end].tolist())) == 1
        assert runs_of(after) == pytest.approx(runs_of(before) / 4, rel=0.3)
    np.testing.assert_array_equal(kept.exit_long, made.signals.exit_long)


@pytest.mark.parametrize(("change", "share"), [(Change.HALF_RATE, 0.5), (Change.QUARTER_RATE, 0.25)])
def test_a_lower_rate_makes_fewer_entries(made, starts, true, change, share):
    fewer = changed(made, starts, true, change)
    ratio = fewer.entries[:, -1].sum() / true.entries[:, -1].sum()
    assert share < ratio < share + 0.3, "a kept stretch may enter where one was dropped before it"


def test_doubled_counts_leave_the_drawdown_as_it_was(made, starts, true):
    rate = changed(made, starts, true, Change.DOUBLE_RATE)
    np.testing.assert_array_equal(rate.entries, 2 * true.entries)
    np.testing.assert_array_equal(rate.drawdown, true.drawdown)
    np.testing.assert_array_equal(rate.stops, true.stops)
    stops = changed(made, starts, true, Change.DOUBLE_STOPS)
    np.testing.assert_array_equal(stops.stops, 2 * true.stops)
    np.testing.assert_array_equal(stops.entries, true.entries)


def test_doubled_losses_are_those_of_each_bar(made, starts, true):
    worse = changed(made, starts, true, Change.DOUBLE_LOSSES)
    np.testing.assert_array_equal(worse.entries, true.entries)
    # From one hour to the next at the looks, which are the closes.
    before = np.diff(np.log(true.equity), axis=1)
    after = np.diff(np.log(worse.equity), axis=1)
    np.testing.assert_allclose(after[before > 0], before[before > 0], atol=1e-12)
    falls = np.expm1(before[before < 0])
    np.testing.assert_allclose(np.expm1(after[before < 0]), 2 * falls, rtol=1e-9)
    assert (worse.drawdown >= true.drawdown - 1e-12).all()


@pytest.mark.parametrize(
    ("change", "bps"), [(Change.SLIPPAGE_2, 2), (Change.SLIPPAGE_5, 5), (Change.SLIPPAGE_10, 10)]
)
def test_more_slippage_costs_equity_on_each_fill_that_pays_it(made, starts, true, change, bps):
    worse = changed(made, starts, true, change, keeps_orders=True)
    paid = np.array([orders.pays_slippage.sum() for orders in worse.orders])
    lost = np.log(true.equity[:, -1] / worse.equity[:, -1])
    # Half of equity is at stake. A level is measured from the entry: one that is met gives its slippage back.
    fills = lost / (bps / 20_000)
    whole = np.round(fills)
    assert ((np.abs(fills - whole) < 0.1) & (whole <= paid) & (whole >= paid / 2)).mean() > 0.65


def test_one_decision_in_twenty_is_missed_and_said(made, starts, true):
    fewer = changed(made, starts, true, Change.MISSED, keeps_orders=True)
    missed = sum(len(orders.missed_ms) for orders in fewer.orders)
    assert missed / true.entries[:, -1].sum() == pytest.approx(1 / 20, rel=0.5)
    for row, orders in enumerate(fewer.orders):
        if not len(orders.missed_ms):
            np.testing.assert_array_equal(fewer.entries[row], true.entries[row])
        assert ((orders.missed_ms > 0) & (orders.missed_ms <= DAY_MS)).all()


def test_a_donor_is_another_day_of_the_pool():
    days = np.arange(50, 80)
    drawn = draw_donors(days, days, generator(1))
    assert (drawn.of_day != drawn.day).all()
    assert set(drawn.of_day.tolist()) <= set(days.tolist())
    later = draw_donors(np.arange(90, 95), days, generator(1))
    assert set(later.of_day.tolist()) <= set(days.tolist())


def test_without_an_edge_the_signals_are_those_of_the_donor_at_the_same_hour(made, starts):
    days = starts.day
    donors = Donors(days, np.roll(days, 7))
    signals = swapped(made, starts, donors)
    times = made.candles.time_ms
    for bar, day, of_day in zip(starts.bar, days, donors.of_day, strict=True):
        source = np.searchsorted(times, times[bar] + (of_day - day) * DAY_MS)
        for name in ("entry_long", "entry_short", "exit_long", "exit_short"):
            taken = getattr(signals, name)[bar : bar + 24]
            np.testing.assert_array_equal(taken, getattr(made.signals, name)[source : source + 24])


def test_without_an_edge_the_rate_stays(made, starts, true):
    random = changed(made, starts, true, Change.EDGE_GONE)
    assert random.entries[:, -1].mean() == pytest.approx(true.entries[:, -1].mean(), rel=0.2)
    assert (random.entries != true.entries).any()


def test_a_later_day_is_altered_the_day_before_too(made):
    of = DayOfRun(2)
    every = made.starts(6 * 3_600_000, of)
    starts = every.where(every.is_exact)
    true = made.play(starts, of)
    for change in Change:
        looks = changed(made, starts, true, change, of=of)
        assert looks.entries.shape == true.entries.shape
        assert np.isfinite(looks.drawdown).all()


def test_each_check_names_its_changes_the_mildest_first():
    assert OWN_CHANGES[CheckName.TRADE_FREQUENCY] == (
        Change.HALF_RATE,
        Change.DOUBLE_RATE,
        Change.QUARTER_RATE,
    )
    assert OWN_CHANGES[CheckName.EXITS] == (Change.DOUBLE_STOPS,)
    assert Change.MISSED not in {each for own in OWN_CHANGES.values() for each in own}
