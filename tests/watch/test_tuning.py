"""The four signs of an algorithm that needs tuning, and the hints of failed checks."""

from dataclasses import replace

import numpy as np
import pytest

from firstwatch.trading.runs import ExitReason
from firstwatch.trading.verdicts import DAY_MS, CheckName, SignName, Verdict
from firstwatch.trading.watch import Check, SinceStart, WatchReport
from firstwatch.watch.tuning import (
    HINTS,
    BacktestLimits,
    Record,
    at_least,
    hints,
    tuning_signs,
    unknown_signs,
)
from tests.watch.witness import table

HOUR_MS = 3_600_000


def record(days, *, drift=0.0, swing=10.0, per_day=4, stops=1, seed=1):
    """Equity of hourly closes and trades spread over the days; ``stops``: of each four trades."""
    steps = np.random.default_rng(seed).normal(drift, swing, days * 24)
    time_ms = np.arange(days * 24) * HOUR_MS
    reasons = [
        ExitReason.STOP_LOSS if place % 4 < stops else ExitReason.SIGNAL for place in range(days * per_day)
    ]
    entry_ms = [place * DAY_MS // max(per_day, 1) for place in range(len(reasons))]
    return Record(days, time_ms, 10_000 + steps.cumsum(), 10_000.0, entry_ms, reasons)


def signs(live, test):
    return {sign.name: sign.is_present for sign in tuning_signs(live, BacktestLimits(test))}


def test_a_run_as_its_backtest_shows_no_sign():
    assert signs(record(30, drift=1, seed=2), record(365, drift=1)) == dict.fromkeys(SignName, False)


def test_each_sign_is_found():
    test = record(365, drift=3)
    assert signs(record(60, drift=-3, seed=2), test)[SignName.SHARPE] is True
    assert signs(record(30, drift=-20, seed=2), test)[SignName.DRAWDOWN] is True
    assert signs(record(30, per_day=1, seed=2), test)[SignName.FREQUENCY] is True
    assert signs(record(30, stops=3, seed=2), test)[SignName.STOPS] is True


def test_a_sign_that_is_present_says_what_to_adjust():
    found = {
        sign.name: sign
        for sign in tuning_signs(record(30, stops=3, seed=2), BacktestLimits(record(365, drift=3)))
    }
    assert found[SignName.STOPS].hint == HINTS[CheckName.EXITS]
    assert "90 of 120 exits by stop; in the test 25 %" in found[SignName.STOPS].sentence
    assert found[SignName.FREQUENCY].hint == ""


def test_many_stops_are_no_sign_where_the_test_has_as_many():
    assert signs(record(30, stops=3), record(365, stops=3))[SignName.STOPS] is False


def test_what_is_not_known_is_not_said():
    test = record(365)
    assert signs(record(10), test)[SignName.SHARPE] is None
    assert signs(record(30, per_day=0), test)[SignName.STOPS] is None
    assert signs(record(30), record(40))[SignName.DRAWDOWN] is None
    assert {sign.is_present for sign in unknown_signs("Needs 7 days.")} == {None}
    empty = Record(0, np.empty(0, dtype=np.int64), np.empty(0), 1.0, (), ())
    assert signs(record(30), empty) == {
        SignName.SHARPE: None,
        SignName.DRAWDOWN: None,
        SignName.FREQUENCY: None,
        SignName.STOPS: None,
    }


def test_each_sign_of_true_stretches_appears_about_once_in_twenty_at_most():
    """Every stretch of the backtest itself, as a run: the limits are its own quantiles."""
    test = record(200, seed=5)
    entry_ms = np.sort(np.random.default_rng(6).integers(0, 200 * DAY_MS, 600))
    test = replace(test, entry_ms=entry_ms.tolist())
    tested, days = BacktestLimits(test), 14
    found = []
    for begin in range(200 - days + 1):
        low, high = begin * 24, (begin + days) * 24
        entered = entry_ms[(entry_ms >= begin * DAY_MS) & (entry_ms < (begin + days) * DAY_MS)]
        stretch = Record(
            days, test.time_ms[low:high], test.equity[low:high],
            test.equity[low - 1] if low else test.capital, entered.tolist(), [],
        )  # fmt: skip
        found.append({sign.name: sign.is_present for sign in tuning_signs(stretch, tested)})
    for name in (SignName.DRAWDOWN, SignName.FREQUENCY):
        assert sum(each[name] for each in found) / len(found) <= 0.05


def test_true_windows_show_a_deeper_drawdown_about_once_in_twenty():
    test = record(365)
    shown = [signs(record(14, seed=seed), test)[SignName.DRAWDOWN] for seed in range(10, 210)]
    assert sum(shown) / len(shown) <= 0.12


@pytest.mark.parametrize("case", table("binomial"), ids=lambda case: f"{case['k']} of {case['n']}")
def test_the_binomial_tail_agrees_with_scipy(case):
    assert at_least(case["k"], case["n"], case["p"]) == pytest.approx(case["tail"], rel=1e-9)


def test_the_binomial_tail_at_its_ends():
    assert at_least(0, 5, 0.0) == 1
    assert at_least(1, 5, 0.0) == 0
    assert at_least(5, 5, 1.0) == 1


def test_every_check_has_a_hint_and_the_worst_comes_first():
    assert set(HINTS) == set(CheckName)
    verdicts = {CheckName.FILL_PRICES: Verdict.WATCH, CheckName.DRAWDOWN: Verdict.DIVERGED}
    checks = [
        Check(name=name, verdict=verdicts.get(name, Verdict.CONSISTENT), sentence=".") for name in CheckName
    ]
    report = WatchReport(
        run="r",
        mode="paper",
        day=1,
        hours=1,
        verdict=Verdict.DIVERGED,
        checks=tuple(checks),
        since_start=SinceStart(),
        next=".",
    )
    assert list(hints(report).items()) == [
        (name, HINTS[name]) for name in (CheckName.DRAWDOWN, CheckName.FILL_PRICES)
    ]
