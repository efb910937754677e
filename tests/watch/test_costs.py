"""Fees, builder fees and funding against what was assumed."""

from dataclasses import replace
from decimal import Decimal

import pytest

from firstwatch.store.fills import StoredFill
from firstwatch.strategy.core_settings import Costs
from firstwatch.trading.account import Funding
from firstwatch.trading.market import Market
from firstwatch.trading.orders import Fill, OrderSide
from firstwatch.trading.verdicts import Verdict
from firstwatch.watch.costs import funding_of_trades, judge_costs
from tests.watch.test_fill_prices import trade

ASSUMED = Costs(taker_fee_bps=Decimal("4.5"), maker_fee_bps=Decimal("1.5"))


def fill(fee, *, builder="0", maker=False, price=100):
    done = Fill("f", "o", "w", "S", OrderSide.BUY, Decimal(10), Decimal(price), Decimal(fee), 0, maker)
    return StoredFill("paper", "run", replace(done, builder_fee=Decimal(builder)), 0)


def payment(paid):
    return Funding("p", "w", "S", Decimal(paid), Decimal("0.0001"), 0)


def judged(fills, payments=(), funding=0.0):
    return judge_costs(fills, payments, assumed=ASSUMED, assumed_funding_bps=funding)


def test_costs_as_assumed_are_consistent():
    found = judged([fill("0.45"), fill("0.15", maker=True)])
    assert found.verdict is Verdict.CONSISTENT
    assert found.paid_bps == pytest.approx(3)
    assert found.assumed_bps == pytest.approx(3)
    assert found.n == 2


def test_more_than_a_tenth_of_a_basis_point_beyond_is_a_watch_and_never_more():
    assert judged([fill("0.459")]).verdict is Verdict.CONSISTENT
    assert judged([fill("0.4611")]).verdict is Verdict.WATCH
    assert judged([fill("100")]).verdict is Verdict.WATCH


def test_less_is_consistent():
    assert judged([fill("-0.1")]).verdict is Verdict.CONSISTENT


def test_the_builders_part_and_funding_are_shown_apart():
    found = judged([fill("0.55", builder="0.1")], [payment("0.2"), payment("-0.1")], funding=1.0)
    assert found.builder_fee_bps == pytest.approx(1)
    assert found.fee_bps == pytest.approx(4.5)
    assert found.funding_bps == pytest.approx(1)
    assert found.verdict is Verdict.WATCH
    assert "the builder's" in found.sentence


def test_without_a_fill_there_is_no_notional():
    assert judged([]).verdict is Verdict.NOT_ENOUGH_DATA


def test_the_assumed_funding_is_that_of_the_backtests_trades():
    market = Market()
    paid = trade()._replace(funding=0.21, steps=market.steps(Decimal(1)))
    assert funding_of_trades([paid], market) == pytest.approx(0.21 / 210 * 10_000)
    assert funding_of_trades([], market) == 0
