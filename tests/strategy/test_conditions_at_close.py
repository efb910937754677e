"""The conditions of a group at a close: the values of TA-Lib, and the group's own truth."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstwatch.strategy.conditions import compares_prices, is_price
from firstwatch.strategy.evaluation import evaluate_arrays
from firstwatch.strategy.language import parse_condition
from firstwatch.strategy.stream import SignalStream
from firstwatch.trading.orders import Side
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.why import MOST_CONDITIONS, GroupKind
from tests.backtest.specifications import random_candles, specifications
from tests.strategy.conditions import make_candles
from tests.strategy.test_evaluation import group, make_spec
from tests.strategy.truths import assert_true_to, group_truth

SIDES = {Side.LONG: "long", Side.SHORT: "short"}


@settings(max_examples=40, deadline=None)
@given(specifications(), st.integers(0, 10**6), st.integers(0, 30))
def test_values_and_truth_of_random_algorithms_are_those_of_ta_lib(spec, seed, warm):
    candles = random_candles(seed, 60, 0.02)
    arrays = evaluate_arrays(spec, candles)
    stream = SignalStream(spec)
    stream.warm({Timeframe.H1: candles.part(0, warm)})
    seen = 0
    for index in range(max(warm - 1, 0), len(candles)):
        if index >= warm:
            stream.push(candles.bar(index))
        if index == 0:
            continue
        flags = arrays.at(index)
        for kind in GroupKind:
            for side, name in SIDES.items():
                found = stream.conditions(kind, side)
                if not found:
                    continue
                assert getattr(flags, f"{kind}_{name}") == group_truth(found)
                assert all(each.group.startswith(f"{kind}.{name}.") for each in found)
                assert_true_to(found, candles, index)
                seen += 1
    assert seen


def test_a_cross_at_the_last_warm_bar_is_known():
    """A restart warms up to the bar that decided: its cross compares the close before."""
    candles = make_candles(4, 120)
    spec = make_spec(group("close crosses above ema(4)", "close@4h > open@4h"))
    crossed = evaluate_arrays(make_spec(group("close crosses above ema(4)")), candles).entry_long.tolist()
    for end in range(40, 120):
        stream = SignalStream(spec)
        stream.warm({Timeframe.H1: candles.part(0, end)})
        cross, higher = stream.conditions(GroupKind.ENTRY, Side.LONG)
        assert cross.value == (crossed[end - 1] == 1)
        assert higher.value is not None


def test_a_side_that_is_never_taken_and_a_group_that_does_not_exist_have_no_conditions():
    stream = SignalStream(make_spec(group("close > open")))
    assert stream.conditions(GroupKind.ENTRY, Side.SHORT) == ()
    assert stream.conditions(GroupKind.EXIT, Side.LONG) == ()
    (found,) = stream.conditions(GroupKind.ENTRY, Side.LONG)
    assert (found.left, found.right, found.value) == (None, None, None)


def test_a_very_large_group_is_kept_in_part():
    texts = [f"close > {number}" for number in range(MOST_CONDITIONS + 5)]
    stream = SignalStream(make_spec(group(*texts)))
    assert [each.condition for each in stream.conditions(GroupKind.ENTRY, Side.LONG)] == texts[
        :MOST_CONDITIONS
    ]


@pytest.mark.parametrize(
    ("text", "are_prices"),
    [
        ("close > open", True),
        ("ema(9) crosses above ema(21)", True),
        ("close > 50000", True),
        ("bbands(20).upperband < high", True),
        ("close@4h > sma(3)", True),
        ("supertrend(10, 3).supertrend < close", True),
        ("supertrend(10, 3).trend > 0", False),
        ("rsi(14) < 30", False),
        ("sma(3, source=rsi(14)) > ema(9)", False),
        ("volume > sma(20, source=volume)", False),
        ("atr(14) > 5", False),
        ("macd(12, 26, 9).macd crosses above macd(12, 26, 9).macdsignal", False),
        ("close > ema(20) + 2 * atr(14)", True),
        ("close > 100 + open", True),
        ("close * 1.02 < (high + low) / 2", True),
        ("2 * close - open > 100", True),
        ("sma(3, source=(high + low) / 2) > 100", True),
        ("not close > open", True),
        ("close - open > 0", False),
        ("0.1 * close + 0.2 * close - 0.3 * close > 0", False),
        ("(high - low) / close > 0.02", False),
        ("close * volume > 100", False),
        ("-close < 100", False),
        ("100 - close < 3", False),
        ("100 / close < 3", False),
        ("sma(3, source=high - low) > 1", False),
        ("2 * atr(14) > close", False),
    ],
)
def test_prices_are_told_from_other_values(text, are_prices):
    assert compares_prices(parse_condition(text)) is are_prices


def test_a_number_alone_is_no_price():
    condition = parse_condition("close > 50000")
    assert [is_price(condition.left), is_price(condition.right)] == [True, False]
