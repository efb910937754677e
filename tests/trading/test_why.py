"""Conditions in words: exact sentences, and figures that keep two values apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstwatch.trading.orders import Side
from firstwatch.trading.why import (
    STOP,
    TARGET,
    ConditionValue,
    Outlook,
    because,
    condition_sentence,
    distance,
    figure,
    figures,
    level,
    missing,
    need_sentence,
    needs_sentence,
)


def at(condition, left=None, right=None, value=None, *, part="required", prices=False):
    return ConditionValue(
        group=f"entry.long.{part}",
        condition=condition,
        left=left,
        right=right,
        value=value,
        compares_prices=prices,
    )


CROSS = at("ema(9) crosses below ema(21)", 119_301.2, 119_318.4, True, prices=True)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (CROSS, "ema(9) 119,301 crossed below ema(21) 119,318"),
        (
            at("ema(9) crosses above ema(21)", 119_301.2, 119_318.4, False),
            "ema(9) 119,301 did not cross above ema(21) 119,318",
        ),
        (at("rsi(14) < 30", 28.4123, 30.0, True), "rsi(14) 28.412 is below 30"),
        (at("rsi(14) < 30", 34.2, 30.0, False), "rsi(14) 34.2 is not below 30"),
        (at("close >= sma(3, source=open)", 2.0, 2.0, True), "close 2 is at or above sma(3, source=open) 2"),
        (at("70 <= rsi(14)", 70.0, 71.5, True), "70 is at or below rsi(14) 71.5"),
        (at("close > ema(4)", 100.001, 100.002, False), "close 100.001 is not above ema(4) 100.002"),
        (at("mom(2) > 0", -0.25, 0.0, False), "mom(2) -0.25 is not above 0"),
        (at("not rsi(14) < 30", 34.2, 30.0, True), "rsi(14) 34.2 is not below 30"),
        (at("not rsi(14) < 30", 28.0, 30.0, False), "rsi(14) 28 is below 30"),
        (at("not close crosses above ema(9)", 2.0, 3.0, True), "close 2 did not cross above ema(9) 3"),
        (at("not close crosses above ema(9)", 3.0, 2.0, False), "close 3 crossed above ema(9) 2"),
        (
            at("rsi(14, source=-(close - open)) < 30", 25.0, 30.0, True),
            "rsi(14, source=-(close - open)) 25 is below 30",
        ),
        (at("(high + low) / 2 > 1", 25.0, 1.0, True), "(high + low) / 2 = 25 is above 1"),
        (
            at("close > ema(20) + 2 * atr(14)", 101.5, 100.25, True),
            "close 101.5 is above ema(20) + 2 * atr(14) = 100.25",
        ),
        (at("2 * atr(14) > 30", 34.0, 30.0, True), "2 * atr(14) = 34 is above 30"),
        (at("-close < -30", -34.0, -30.0, True), "-close = -34 is below -30"),
        (at("rsi(14) < 30", None, 30.0, None), "rsi(14) < 30: not known"),
        (at("rsi(14) < 30"), "rsi(14) < 30: not known"),
        (at("something else", 1.0, 2.0, True), "something else: not known"),
    ],
)
def test_a_condition_reads_as_a_sentence(found, sentence):
    assert condition_sentence(found) == sentence


def test_only_what_held_is_a_cause():
    held, not_held = at("rsi(14) < 30", 28.0, 30.0, True), at("close > open", 1.0, 2.0, False)
    assert because([held, not_held, CROSS]) == (
        "rsi(14) 28 is below 30; ema(9) 119,301 crossed below ema(21) 119,318"
    )
    assert because([not_held]) == ""


@pytest.mark.parametrize(
    ("need", "sentence"),
    [
        (CROSS, "ema(9) crosses below ema(21): 119,301 / 119,318, -0.01 % away"),
        (at("rsi(14) < 30", 34.2, 30.0, False), "rsi(14) < 30: 34.2, +4.2 away"),
        (at("30 > rsi(14)", 30.0, 34.2, False), "30 > rsi(14): 34.2, -4.2 away"),
        (at("close > 50000", 49_000.0, 50_000.0, False, prices=True), "close > 50000: 49,000, -2.00 % away"),
        (at("not rsi(14) < 30", 28.0, 30.0, False), "not rsi(14) < 30: 28, -2 away"),
        (at("2 * atr(14) > close", 2.0, 3.0, False), "2 * atr(14) > close: 2 / 3, -1 away"),
        (at("close > open", None, 2.0), "close > open: not known yet"),
        (level(STOP, Side.LONG, 100.0, 98.0), "price <= stop: 100 / 98, +2.04 % away"),
    ],
)
def test_a_need_says_how_far_away_it_is(need, sentence):
    assert need_sentence(need) == sentence


def test_per_cent_is_said_of_prices_only():
    assert distance(at("atr(14) > 5", 4.0, 5.0, False)) == "-1"
    assert distance(at("close > open", 4.0, 5.0, False, prices=True)) == "-20.00 %"
    assert distance(at("close > open", 4.0, 0.0, False, prices=True)) == "+4"
    assert distance(at("close > open", 100_000.0, 100_001.0, False, prices=True)) == "-0.0010 %"
    assert distance(at("close > open")) == "?"
    assert distance(at("mom(2) > 0", -2e-10, 0.0, False)) == "-2e-10"
    assert distance(at("mom(2) > 0", 2e-9, 0.0, False)) == "+0.000000002"
    assert distance(at("mom(2) > 0", -0.0, 0.0, False)) == "+0"
    assert distance(at("close > open", 1e5, 1e5 + 1e-4, False, prices=True)) == "-0.0000001 %"


@given(
    st.floats(-1e16, 1e16, allow_subnormal=False),
    st.floats(-1e16, 1e16, allow_subnormal=False),
)
def test_a_figure_is_near_its_value_and_two_are_told_apart(left, right):
    for value in (left, right):
        shown = float(figure(value).replace(",", ""))
        assert shown == pytest.approx(value, rel=6e-5, abs=1e-12)
    texts = figures(left, right)
    if abs(left - right) > 1e-6 * max(abs(left), abs(right)):
        assert texts[0] != texts[1]


def test_levels_end_a_long_below_and_a_short_above():
    for side, stop_is_below in ((Side.LONG, True), (Side.SHORT, False)):
        stop, target = level(STOP, side, 100.0, 98.0), level(TARGET, side, 100.0, 98.0)
        assert stop.condition == f"price {'<=' if stop_is_below else '>='} stop"
        assert target.condition == f"price {'>=' if stop_is_below else '<='} target"
        assert (stop.value, target.value) == (not stop_is_below, stop_is_below)


def test_what_is_missing_are_false_conditions_and_all_crosses():
    false, true = at("close > open", 1.0, 2.0, False), at("close < open", 1.0, 2.0, True)
    unknown, cross = at("rsi(3) < 9"), at("close crosses above open", 3.0, 2.0, True)
    assert missing([false, true, unknown, cross]) == (false, unknown, cross)


def test_one_true_optional_condition_is_enough():
    true, false = (at("close < 9", 1.0, 9.0, value, part="optional") for value in (True, False))
    cross = at("close crosses above open", 3.0, 2.0, True, part="optional")
    assert missing([true, false]) == ()
    assert missing([false, false]) == (false, false)
    assert missing([cross, false]) == (cross, false)


def in_tree(text, value, place, *wanted):
    return ConditionValue(
        group=f"entry.long.when.{place}", condition=text, left=1.0, right=2.0, value=value, wanted=wanted
    )


def test_that_there_is_no_cross_lasts():
    negated = at("not close crosses above open", 3.0, 4.0, True)
    assert (negated.is_cross, missing([negated])) == (False, ())


def test_of_a_tree_is_missing_what_is_not_yet_enough():
    first, second = in_tree("open > 1", False, "any", 1), in_tree("open > 2", False, "any[1].all", 1, 2)
    third = in_tree("open > 3", True, "any[1].all", 1, 2)
    needs = missing([at("close > open", 1.0, 2.0, False), first, second, third])
    assert [(each.condition, each.wanted) for each in needs] == [
        ("close > open", ()),
        ("open > 1", (1,)),
        ("open > 2", (1, 1)),
    ]
    assert needs_sentence(needs) == (
        "close > open: 1 / 2, -1 away; one of open > 1: 1, -1 away or open > 2: 1, -1 away"
    )
    assert missing([first.model_copy(update={"value": True}), second, third]) == ()


def test_of_at_least_so_many_the_rest_is_missing():
    of = [in_tree(f"open > {number}", number < 2, "of", 3) for number in range(5)]
    needs = missing(of)
    assert [(each.condition, each.wanted) for each in needs] == [(f"open > {n}", (1,)) for n in (2, 3, 4)]
    none = missing([each.model_copy(update={"value": None}) for each in of])
    assert [each.wanted for each in none] == [(3,)] * 5
    assert needs_sentence(none[:4]).startswith("3 of open > 0: 1, -1 away or open > 1")
    crosses = [in_tree(f"open crosses above {number}", True, "of", 2) for number in range(2)]
    assert missing(crosses) == tuple(crosses)
    assert needs_sentence(crosses) == (
        "open crosses above 0: 1, -1 away and open crosses above 1: 1, -1 away"
    )


def test_lists_in_lists_are_in_parentheses():
    needs = [
        in_tree("open > 1", False, "any[0].all", 1, 2),
        in_tree("open > 2", False, "any[0].all", 1, 2),
        in_tree("open > 3", False, "any", 1),
    ]
    assert needs_sentence(needs) == (
        "one of (open > 1: 1, -1 away and open > 2: 1, -1 away) or open > 3: 1, -1 away"
    )
    assert needs_sentence(missing(needs)) == needs_sentence(needs)


def test_the_side_of_a_need_is_its_groups_or_the_positions():
    outlook = Outlook(bar_time_ms=1, held=Side.SHORT)
    assert outlook.side_of(CROSS) is Side.LONG
    assert outlook.side_of(level(STOP, Side.SHORT, 1.0, 2.0)) is Side.SHORT


def test_an_outlook_survives_its_text():
    needs = (CROSS, at("rsi(3) < 9"), in_tree("open > 1", False, "any[0].all", 1, 2))
    outlook = Outlook(bar_time_ms=1, needs=needs, waits=("cooldown: 1 more bar",))
    assert "wanted" not in outlook.model_dump(mode="json")["needs"][1]
    assert Outlook.model_validate_json(outlook.model_dump_json()) == outlook
