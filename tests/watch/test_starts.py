"""One of the starts of ``tests.watch.starts``; on generated candles where there are no real ones."""

import pytest

from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.verdicts import CheckName
from tests.candles import generated_candles
from tests.watch.starts import FAULTS, STARTS, Disturbance, Start, outcome_of, real_candles, wrong_with

GENERATED = Start("2024-03-10T07:00:00Z", "both_5m", 1)


@pytest.fixture(scope="module")
def begun():
    """A start with its candles."""
    try:
        return STARTS[1], real_candles()
    except pytest.skip.Exception:
        return GENERATED, generated_candles(3, 288 * 71, Timeframe.M5)


@pytest.fixture(scope="module")
def true(begun):
    return outcome_of(*begun, {})


@pytest.mark.parametrize("disturbance", Disturbance)
def test_each_disturbance_of_a_start_is_found_by_its_own_check(begun, true, disturbance):
    outcome = true if disturbance is Disturbance.NOTHING else outcome_of(*begun, FAULTS[disturbance])
    assert wrong_with(disturbance, outcome, true) == []
    if disturbance is Disturbance.REFUSED:
        assert outcome.refused


def test_a_drawdown_that_dear_fills_make_names_them(begun):
    outcome = outcome_of(*begun, {"slippage_bps": 40})
    assert CheckName.DRAWDOWN in outcome.diverged
    assert "the fills cost" in outcome.check(CheckName.DRAWDOWN).sentence
    assert outcome.report.next.startswith(outcome.check(CheckName.FILL_PRICES).sentence)
