"""The core against an independent reading of its rules, on random algorithms and candles."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firstwatch.backtest.simulate import simulate
from firstwatch.market.sessions import SessionCalendar
from firstwatch.strategy.evaluation import evaluate_arrays
from firstwatch.strategy.specification import EntryKind, SizingKind
from firstwatch.trading.launch import ResetMode
from firstwatch.trading.runs import ExitReason
from tests.backtest.reference import Reference
from tests.backtest.specifications import (
    COSTS,
    MARKETS,
    QUEUED,
    coarse,
    launches,
    random_candles,
    random_funding,
    specifications,
)

# A backtest has no operator, and no venue that refuses protection.
REASONS = set(ExitReason) - {ExitReason.MANUAL, ExitReason.RUN_END, ExitReason.PROTECTION_FAILED}
CLOSE = {"rel": 1e-9, "abs": 1e-7}


def compare(data, spec, seed, seen, *, costs, is_coarse):
    """Compare one backtest with the reference, and count what occurred in it."""
    launch = data.draw(launches(spec.direction))
    market = data.draw(st.sampled_from(MARKETS))
    candles = random_candles(seed, 160, data.draw(st.sampled_from([0.004, 0.012, 0.03])))
    if is_coarse:
        candles, market = coarse(seed, candles, market)
    funding = random_funding(seed, candles) if data.draw(st.booleans()) else None
    result = simulate(
        spec, candles, market=market, costs=costs, settings=launch, funding=funding,
        start_ms=int(candles.time_ms[12]),
    )  # fmt: skip
    first = len(candles) - result.bars
    flags = SessionCalendar(launch.session).flags(candles.time_ms, candles.timeframe)
    pairs = [] if funding is None else list(
        zip(funding.time_ms.tolist(), funding.rate.tolist(), strict=True)
    )  # fmt: skip
    oracle = Reference(spec, candles, evaluate_arrays(spec, candles), market, costs, launch, pairs, *flags)
    trades, equity = oracle.run(first)
    assert len(result.records) == len(trades)
    for got, want in zip(result.records, trades, strict=True):
        assert (got.side, got.entry_time_ms, got.exit_time_ms, got.steps, got.reason, got.bars_held) == (
            want["side"], want["entry"][0], want["exit"][0], want["steps"], want["reason"], want["bars"],
        )  # fmt: skip
        assert got.entry_price == pytest.approx(want["entry"][1], **CLOSE)
        assert got.exit_price == pytest.approx(want["exit"][1], **CLOSE)
        assert got.adverse_excursion == pytest.approx(want["adverse"], **CLOSE)
        assert got.favourable_excursion == pytest.approx(want["favourable"], **CLOSE)
        expected = (got.expected_entry_price, got.expected_exit_price)
        assert expected == pytest.approx(want["expected"], **CLOSE)
        assert got.pnl == pytest.approx(want["pnl"], **CLOSE)
        assert got.fees == pytest.approx(want["fees"], **CLOSE)
        assert got.funding == pytest.approx(want["funding"], **CLOSE)
    assert result.equity.tolist() == pytest.approx(equity, **CLOSE)

    seen["examples"] += 1
    seen["trading"] += bool(trades)
    seen["refused"] += bool(oracle.refusals)
    seen["follow-up"] += bool(oracle.follow_ups)
    seen["further fill"] += bool(oracle.further)
    seen["cut"] += bool(oracle.cut)
    for trade in trades:
        seen[trade["reason"]] += 1
    if trades:
        seen[(launch.reset or spec.reset).mode] += 1
        seen[spec.sizing.kind] += 1
        seen[spec.order.kind] += 1


def many(examples):
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def test_the_core_agrees_with_the_reference():
    seen = Counter()

    @many(500)
    @given(data=st.data(), spec=specifications(), seed=st.integers(0, 10_000))
    def agree(data, spec, seed):
        costs = data.draw(st.sampled_from(COSTS))
        compare(data, spec, seed, seen, costs=costs, is_coarse=data.draw(st.booleans()))

    agree()
    assert seen["trading"] >= 0.6 * seen["examples"], seen
    for name in (*REASONS, *ResetMode, *SizingKind, *EntryKind, "follow-up", "refused"):
        assert seen[name] >= 5, (name, seen)


def test_it_agrees_where_a_limit_fills_in_parts():
    seen = Counter()

    @many(150)
    @given(data=st.data(), spec=specifications(["limit"]), seed=st.integers(0, 10_000))
    def agree(data, spec, seed):
        compare(data, spec, seed, seen, costs=QUEUED, is_coarse=True)

    agree()
    for name in ("further fill", "stop_loss", "take_profit", "signal", "liquidation"):
        assert seen[name] >= 5, (name, seen)


def test_it_agrees_where_an_entry_is_sliced():
    seen = Counter()

    @many(150)
    @given(data=st.data(), spec=specifications(["twap"]), seed=st.integers(0, 10_000))
    def agree(data, spec, seed):
        costs = data.draw(st.sampled_from(COSTS))
        compare(data, spec, seed, seen, costs=costs, is_coarse=False)

    agree()
    for name in ("further fill", "cut", "stop_loss", "trailing_stop", "take_profit", "signal"):
        assert seen[name] >= 3, (name, seen)
