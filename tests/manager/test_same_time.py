"""A run's figures beside what its baseline does in the same time."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from firstwatch.manager.manager import RunManager
from firstwatch.manager.same_time import FEWEST_STRETCHES, BaselineData, TradeArrays, expected_in, may_scale
from firstwatch.store import backtests
from firstwatch.trading.clock import ManualClock
from tests.ui import scenes, watches

HOUR_MS = 3_600_000
CAPITAL = 5_000.0


def baseline(equity, exits):
    """A baseline of hourly closes, with a trade that makes 10 at each of some closes."""
    time_ms = np.arange(len(equity), dtype=np.int64) * HOUR_MS
    trade = scenes._TRADES[0]
    made = [replace(trade, exit_time_ms=int(time_ms[at]), pnl=Decimal(10)) for at in exits]
    return BaselineData(TradeArrays.of(made), time_ms, np.array(equity, dtype=np.float64), CAPITAL)


def test_a_band_is_of_all_stretches_of_that_length():
    rng = np.random.default_rng(11)
    equity = CAPITAL + np.cumsum(rng.normal(0, 20, 200))
    exits = sorted(rng.choice(np.arange(1, 200), 60, replace=False).tolist())
    found = expected_in(baseline(equity, exits), 24, is_fixed=False)
    returns, falls, counts, made = [], [], [], []
    for start in range(len(equity) - 24):
        stretch = equity[start : start + 25]
        peak = stretch[0]
        fall = 0.0
        for value in stretch:
            peak = max(peak, value)
            fall = max(fall, 1 - value / peak)
        falls.append(fall)
        returns.append(stretch[-1] / stretch[0] - 1)
        counts.append(sum(start < at <= start + 24 for at in exits))
        made.append(10 * counts[-1] / stretch[0])
    for name, values in (
        ("total_return", returns),
        ("max_drawdown", falls),
        ("total_trades", counts),
        ("net_pnl", made),
    ):
        band = found[name]
        assert (band.low, band.median, band.high) == pytest.approx(np.quantile(values, (0.05, 0.5, 0.95)))


def test_of_one_size_of_trades_results_are_shares_of_the_capital():
    equity = np.linspace(CAPITAL, 2 * CAPITAL, 101)
    found = expected_in(baseline(equity, []), 10, is_fixed=True)["total_return"]
    assert (found.low, found.median, found.high) == pytest.approx((0.1, 0.1, 0.1))
    assert expected_in(baseline(equity, []), 10, is_fixed=False)["total_return"].low < 0.06


@pytest.mark.parametrize("bars", [0, 60, FEWEST_STRETCHES * 4])
def test_a_baseline_that_is_too_short_promises_nothing(bars):
    assert expected_in(baseline(np.full(100, CAPITAL), []), bars, is_fixed=False) == {}
    assert expected_in(baseline(np.zeros(100), []), 10, is_fixed=False) == {}


def test_money_is_compared_only_where_it_may_be_scaled():
    launch = watches._settings("w1")
    found = backtests.Backtest(
        1, 1, scenes.SYMBOL, scenes.Timeframe.H1, "{}", '{"capital": "10000", "leverage": "1"}', 0, 1, 1,
        "{}", 1, "{}", "", 0,
    )  # fmt: skip
    assert may_scale(scenes.SPEC, found, launch)
    assert not may_scale(scenes.SPEC, found, launch.model_copy(update={"leverage": Decimal(2)}))
    assert not may_scale(scenes.FREE_SPEC, found, launch)
    assert may_scale(scenes.FREE_SPEC, found, launch.model_copy(update={"capital": Decimal(10_000)}))


def test_a_run_is_shown_beside_as_much_of_its_baseline(tmp_path):
    home = tmp_path / "home"
    watches.nine_days(home)
    manager = RunManager(scenes.settings_of(home), clock=ManualClock(scenes.NOW_MS), hosts_engine=False)
    try:
        manager.open()
        manager.select(scenes.LIVE)
        figures = {figure.name: figure for figure in manager.snapshot().selected.metrics}
    finally:
        manager.close()
    # A trade each seven hours, in 197 hours.
    band = figures["total_trades"].band
    assert (band.low, band.median, band.high) == (28.0, 28.0, 29.0)
    # In money of the run's own capital.
    assert figures["net_pnl"].band.median == pytest.approx(28 * 0.32 * CAPITAL / 5_300, rel=0.05)
    # At the baseline's rates this run's trades cost what its own cost.
    assert figures["fees"].baseline == pytest.approx(figures["fees"].live)
    assert (figures["win_rate"].live, figures["win_rate"].needs_trades) == (0.0, 0)
    assert (figures["profit_factor"].live, figures["profit_factor"].needs_trades) == (None, 1)
    assert (figures["calmar"].live, figures["calmar"].needs_days) == (None, 21)
