"""``not``, arithmetic and trees: both evaluators and an independent third one say the same, to the bit."""

import math

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from firstwatch.strategy.conditions import Indicator, Number, Operand, Price
from firstwatch.strategy.evaluation import SeriesArrays, evaluate_arrays
from firstwatch.strategy.groups import Group
from firstwatch.strategy.language import parse_condition
from firstwatch.strategy.stream import SignalStream
from firstwatch.trading.orders import Side
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.why import GroupKind
from tests.strategy import plain
from tests.strategy.conditions import HIGHER, arithmetic, conditions, groups, make_candles, numbers, prices
from tests.strategy.test_evaluation import assert_stream_equals, entry_flags, make_spec, of_closes

_sources = st.one_of(prices, arithmetic(prices)).filter(lambda each: not isinstance(each, Number))


@st.composite
def _leaves(draw: st.DrawFn) -> Operand:
    """Return a price, or a function that the third evaluator knows, of arithmetic too."""
    name = draw(st.sampled_from(("", "", *plain.FUNCTIONS)))
    timeframe = draw(st.sampled_from(HIGHER))
    if not name:
        return Price(draw(prices).field, timeframe)
    return Indicator(name, (draw(st.integers(2, 5)),), source=draw(_sources), timeframe=timeframe)


known = conditions(st.one_of(numbers, _leaves(), arithmetic(_leaves()), arithmetic(_leaves())))
"""Conditions that the third evaluator knows, too."""


@settings(max_examples=80, deadline=None)
@given(
    entry=groups(known),
    leaving=groups(known, has_tree=True),
    seed=st.integers(0, 30),
    warm=st.integers(0, 60),
    first_bar=st.integers(0, 20),
    is_flat=st.booleans(),
)
def test_arrays_stream_and_plain_lists_say_the_same(entry, leaving, seed, warm, first_bar, is_flat):
    candles = make_candles(seed, 70, first_bar=first_bar)
    if is_flat:
        # Differences of zero, to divide by.
        candles.close[20:40] = candles.open[20:40]
        candles.volume[25:35] = 0.0
    spec = make_spec(entry, leaving)
    arrays = assert_stream_equals(spec, candles, warm, {})
    bars, document = plain.Bars.of(candles), spec.document()
    assert arrays.entry_long.tolist() == plain.group(document["entry"]["long"], bars)
    assert arrays.exit_long.tolist() == plain.group(document["exit"]["long"], bars)
    for flag in np.unique(arrays.exit_long):
        event(f"exit {flag}")


@settings(max_examples=150, deadline=None)
@given(
    operand=st.one_of(_leaves(), arithmetic(_leaves())),
    seed=st.integers(0, 30),
    warm=st.integers(0, 60),
    first_bar=st.integers(0, 20),
)
def test_values_are_the_same_to_the_bit(operand: Operand, seed: int, warm: int, first_bar: int):
    candles = make_candles(seed, 70, first_bar=first_bar)
    candles.close[20:30] = candles.open[20:30]
    text = f"{operand} > volume"
    parsed = parse_condition(text).left
    expected = plain.operand(str(operand), plain.Bars.of(candles))
    seen = np.broadcast_to(SeriesArrays(candles).seen(parsed), len(candles)).tolist()
    assert [value if math.isfinite(value) else None for value in seen] == expected
    stream = SignalStream(make_spec(Group.model_validate({"required": [text]})))
    stream.warm({Timeframe.H1: candles.part(0, warm)})
    for index in range(warm, len(candles)):
        stream.push(candles.bar(index))
        (found,) = stream.conditions(GroupKind.ENTRY, Side.LONG)
        assert found.left == expected[index]


@settings(max_examples=60, deadline=None)
@given(
    entry=groups(conditions()),
    leaving=groups(conditions(), has_tree=True),
    seed=st.integers(0, 30),
    holes=st.integers(0, 30),
    warm=st.integers(0, 160),
)
def test_a_stream_equals_the_arrays_with_any_function(entry, leaving, seed, holes, warm):
    candles = make_candles(seed, 200, holes=holes)
    assert_stream_equals(make_spec(entry, leaving), candles, warm, {})


# --- what they mean ------------------------------------------------------------------------------


def test_not_turns_a_condition_round_but_not_a_missing_value():
    candles = of_closes(1, 2, 3, 2)
    assert entry_flags("not close < 2", candles) == [0, 1, 1, 1]
    assert entry_flags("not sma(3) > 2", candles) == [-1, -1, 1, 0]
    # At the first close a cross has no value: there is no close before.
    assert entry_flags("close crosses above 1.5", candles) == [-1, 1, 0, 0]
    assert entry_flags("not close crosses above 1.5", candles) == [-1, 0, 1, 1]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("close + high * 2", 14),
        ("(close + high) * 2", 18),
        ("close - high - low", -4),
        ("close - (high - low)", 2),
        ("high / close / low", 5 / 4 / 3),
        ("-close * 2 + 10", 2),
        ("-(close - 10)", 6),
        ("2 - -close", 6),
        ("close -1", 3),
        ("close * (2 - 3 * 4)", -40),
    ],
)
def test_arithmetic_binds_as_everywhere(text: str, value: float):
    candles = of_closes(4)
    assert entry_flags(f"{text} >= {value}", candles) == [1]
    assert entry_flags(f"{text} <= {value}", candles) == [1]


def test_an_indicator_is_computed_on_arithmetic():
    candles = of_closes(1, 2, 4, 8)
    # From open and close being equal, high 1 above and low 1 below: 2 closes less 1, then the larger of two.
    assert entry_flags("max(2, source=close * 2 - 1) >= 7", candles) == [-1, 0, 1, 1]
    # Where the source has no value the bar does not exist for the function.
    assert entry_flags("max(2, source=1 / (close - 2)) > 0.4", candles) == [-1, -1, 1, 1]


@pytest.mark.parametrize(
    "text",
    [
        "1 / (close - open) > 0",
        "1 / (1 / (close - open)) < 1",
        "-(close / (close - open)) < 1",
        "close * 1e308 * 1e308 > 0",
        "1 / (close * 1e308 * 10) < 1",
        "close - sma(3) > 0",
        "0 * sma(3) <= 0",
        "1 / exp(source=close * 1000) < 1",
    ],
)
def test_what_has_no_value_makes_no_condition_true(text: str):
    candles = of_closes(4, 3)
    assert entry_flags(text, candles) == [-1, -1]
    assert entry_flags(f"not {text}", candles) == [-1, -1]


def test_each_operand_of_another_timeframe_is_the_one_seen_at_the_base_close():
    candles = of_closes(*range(1, 14))
    # The 4h bars close at 4, 8 and 12.
    flags = entry_flags("close - close@4h >= 3", candles)
    assert flags == [-1, -1, -1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0]


def test_a_tree_counts_what_is_true():
    candles = of_closes(1, 2, 3, 4, 5)
    tree = {"at_least": 2, "of": ["close > 1", "close > 3", {"any": ["close < 2", "close > 4"]}]}
    spec = make_spec(Group.model_validate({"when": tree}))
    assert evaluate_arrays(spec, candles).entry_long.tolist() == [0, 0, 0, 1, 1]
    both = Group.model_validate({"required": ["close < 5"], "optional": ["close > 0"], "when": tree})
    assert evaluate_arrays(make_spec(both), candles).entry_long.tolist() == [0, 0, 0, 1, 0]


def test_a_tree_is_true_with_enough_and_false_with_every_operand_valued():
    candles = of_closes(1, 2, 3, 4)
    of = ["close > 1", "open > 1", "sma(3) > 0"]
    spec = make_spec(Group.model_validate({"when": {"at_least": 2, "of": of}}))
    arrays = evaluate_arrays(spec, candles)
    assert arrays.entry_long.tolist() == [-1, 1, 1, 1]
    assert (arrays.first_ready, arrays.ready.tolist()) == (2, [False, False, True, True])
