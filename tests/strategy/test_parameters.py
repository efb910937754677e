"""Numbers of an algorithm by their place, and the ranges in which they are varied."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstwatch.strategy.parameters import (
    find_place,
    parse_parameter,
    parse_parameters,
    places,
    usual_parameters,
    with_values,
)
from firstwatch.strategy.specification import AlgorithmSpec, sample_toml
from firstwatch.trading.errors import WrongUseError
from tests.backtest.specifications import specifications

_RICH = """
name = "Rich"
direction = "both"
timeframe = "1h"
[entry.long]
required = ["rsi(14, source=ema(9, source=hlc3)) < 30.5", "ema(20) crosses above ema(50)"]
optional = ["close > bbands(20, 2, 2.5).upperband@4h", "mavp(2, 30, periods=ht_dcperiod()) > close"]
[entry.short]
required = ["70 < rsi(14)@1d"]
[exit.long]
optional = ["macd(12, 26, 9).macdhist < 0"]
when = {at_least = 1, of = [
    "close > ema(20) + 2 * -atr(14)",
    {any = ["not (close - 3) / sma(5, source=high - 1.5) > 1"]},
]}
[stop_loss]
atr = 2
period = 10
trailing = true
[take_profit]
amount = 5
[sizing]
risk = 0.02
[order]
kind = "limit"
offset_bps = 5
timeout_bars = 3
[reset]
mode = "strict"
cooldown_bars = 2
[[reset.follow_up]]
after = ["stop_loss"]
side = "same"
wait_bars = 1
within_bars = 9
size_factor = 0.5
"""


@pytest.fixture
def rich():
    return AlgorithmSpec.from_toml(_RICH)


@pytest.fixture
def sample():
    return AlgorithmSpec.from_toml(sample_toml())


def test_every_number_has_a_place_in_the_order_of_the_file(rich):
    assert [place.name for place in places(rich)] == [
        "entry.long.required[0].left.timeperiod",
        "entry.long.required[0].left.source.timeperiod",
        "entry.long.required[0].right",
        "entry.long.required[1].left.timeperiod",
        "entry.long.required[1].right.timeperiod",
        "entry.long.optional[0].right.timeperiod",
        "entry.long.optional[0].right.nbdevup",
        "entry.long.optional[0].right.nbdevdn",
        "entry.long.optional[0].right.matype",
        "entry.long.optional[1].left.minperiod",
        "entry.long.optional[1].left.maxperiod",
        "entry.long.optional[1].left.matype",
        "entry.short.required[0].left",
        "entry.short.required[0].right.timeperiod",
        "exit.long.optional[0].left.fastperiod",
        "exit.long.optional[0].left.slowperiod",
        "exit.long.optional[0].left.signalperiod",
        "exit.long.optional[0].right",
        "exit.long.when.of[0].right.left.timeperiod",
        "exit.long.when.of[0].right.right.left",
        "exit.long.when.of[0].right.right.right.operand.timeperiod",
        "exit.long.when.of[1].any[0].left.left.right",
        "exit.long.when.of[1].any[0].left.right.timeperiod",
        "exit.long.when.of[1].any[0].left.right.source.right",
        "exit.long.when.of[1].any[0].right",
        "exit.long.when.at_least",
        "stop_loss.atr",
        "stop_loss.period",
        "take_profit.amount",
        "sizing.risk",
        "order.offset_bps",
        "order.timeout_bars",
        "reset.cooldown_bars",
        "reset.follow_up[0].wait_bars",
        "reset.follow_up[0].within_bars",
        "reset.follow_up[0].size_factor",
    ]


def test_the_function_stands_for_its_side_and_period_for_timeperiod(rich):
    assert find_place(rich, "entry.long.required[0].rsi.period").name == (
        "entry.long.required[0].left.timeperiod"
    )
    assert find_place(rich, "entry.long.required[0].ema.period").name == (
        "entry.long.required[0].left.source.timeperiod"
    )
    assert find_place(rich, "entry.long.required[0].rsi.source.period").value == 9
    assert find_place(rich, "entry.long.optional[0].bbands.nbdevdn").value == 2.5


def test_a_function_in_arithmetic_and_in_a_tree_stands_for_its_way(rich):
    assert find_place(rich, "exit.long.when.of[0].atr.period").name == (
        "exit.long.when.of[0].right.right.right.operand.timeperiod"
    )
    assert find_place(rich, "exit.long.when.of[1].any[0].sma.period").value == 5
    at_least = find_place(rich, "exit.long.when.at_least")
    assert (at_least.value, at_least.lowest, at_least.highest, at_least.is_whole) == (1, 1, 2, True)
    changed = with_values(rich, {at_least: 2, find_place(rich, "exit.long.when.of[0].right.right.left"): 2.5})
    assert (changed.exit.long.when.at_least, str(changed.exit.long.when.of[0])) == (
        2,
        "close > ema(20) + 2.5 * -atr(14)",
    )


def test_a_number_that_is_divided_by_is_never_made_zero():
    text = sample_toml().replace('"rsi(14) < 30"', '"close / 2 < 30"')
    spec = AlgorithmSpec.from_toml(text)
    with pytest.raises(WrongUseError, match="a division by zero has no value"):
        with_values(spec, {find_place(spec, "entry.long.required[0].left.right"): 0.0})


def test_a_function_that_occurs_twice_stands_for_no_side(rich):
    with pytest.raises(WrongUseError, match=r"ema occurs twice .* write left or right instead"):
        find_place(rich, "entry.long.required[1].ema.period")


def test_a_side_that_is_never_taken_has_no_places(rich):
    document = rich.document() | {"direction": "long"}
    long_only = AlgorithmSpec.model_validate(document)
    assert not any(place.name.startswith("entry.short") for place in places(long_only))


@given(st.data())
@settings(deadline=None)
def test_a_place_takes_any_number_and_the_others_stay(data):
    spec = data.draw(st.one_of(specifications(), st.just(AlgorithmSpec.from_toml(_RICH))))
    before = {place.name: place for place in places(spec)}
    assert with_values(spec, {place: place.value for place in before.values()}) == spec
    place = data.draw(st.sampled_from(list(before.values())))
    assert find_place(spec, place.name) == place
    low, high = max(place.lowest, -1e6), min(place.highest, 1e6)
    drawn = st.integers(int(low), int(high)) if place.is_whole else st.floats(low, high)
    value = data.draw(drawn)
    try:
        changed = with_values(spec, {place: value})
    except WrongUseError:
        # Numbers that do not go together: a wait that outlasts its window, a stop below price 0 ...
        assert (
            place.name.rpartition(".")[2]
            in {*("wait_bars", "within_bars", "minperiod", "maxperiod", "fraction", "timeperiod", "matype")}
            or not value
        )
        return
    after = {each.name: each.value for each in places(changed)}
    assert after == {name: each.value for name, each in before.items()} | {place.name: value}
    assert with_values(changed, {place: place.value}) == spec


def test_several_numbers_of_one_condition_change_together(sample):
    period = find_place(sample, "entry.long.required[0].rsi.period")
    limit = find_place(sample, "entry.long.required[0].right")
    assert str(with_values(sample, {period: 9, limit: 27.5}).entry.long.required[0]) == "rsi(9) < 27.5"


@pytest.mark.parametrize(
    ("text", "count", "second", "last"),
    [
        ("entry.long.required[0].rsi.period=5..30", 26, 6, 30),
        ("entry.long.required[0].rsi.period=5..30:4", 7, 9, 29),
        ("entry.long.required[0].right=20..40", 2001, 20.01, 40.0),
        ("entry.long.required[0].right=-0.5..0.5:0.1", 11, -0.4, 0.5),
        ("stop_loss.fraction=0.01..0.1:0.005", 19, 0.015, 0.1),
    ],
)
def test_a_range_has_exact_decimal_values(sample, text, count, second, last):
    parameter = parse_parameter(text, sample)
    assert parameter.count == count
    assert parameter.value(1) == second
    assert parameter.value(count - 1) == last
    assert isinstance(parameter.value(1), int) is parameter.place.is_whole
    assert [parameter.index(parameter.value(each)) for each in range(count)] == list(range(count))
    assert parse_parameter(str(parameter), sample) == parameter


def test_a_value_outside_of_the_range_is_nearest_to_an_end(sample):
    parameter = parse_parameter("entry.long.required[0].rsi.period=5..30:4", sample)
    assert (parameter.index(1), parameter.index(1e9), parameter.index(14)) == (0, 6, 2)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is not a parameter: write NAME=LOW..HIGH"),
        ("stop_loss.fraction", "is not a parameter: write NAME=LOW..HIGH"),
        ("stop_loss.fraction=0.1", "is not a parameter: write NAME=LOW..HIGH"),
        ("stop_loss.atr=1..2", r"no parameter \"stop_loss.atr\".*its parameters: .*stop_loss.fraction"),
        (
            "entry.long.required[0].rsi.perod=1..2",
            r"did you mean entry.long.required\[0\].left.timeperiod\?",
        ),
        ("entry.long.required[9].left=1..2", "has no parameter"),
        ("entry.long.required[0].right=a..2", "not a number: a"),
        ("entry.long.required[0].right=1..nan", "not a number: nan"),
        ("entry.long.required[0].right=1..", "not a number"),
        ("entry.long.required[0].right=1..2:", "not a number"),
        ("entry.long.required[0].right=30..20", "the first bound must be below the second"),
        ("entry.long.required[0].right=20..20", "the first bound must be below the second"),
        ("entry.long.required[0].right=20..30:0", "the step must be above 0 and at most 10"),
        ("entry.long.required[0].right=20..30:11", "the step must be above 0 and at most 10"),
        ("entry.long.required[0].right=0..30:0.000001", "more than 1,000,000 values"),
        ("entry.long.required[0].rsi.period=5..9:0.5", "it takes whole numbers"),
        ("entry.long.required[0].rsi.period=1..9", "it must lie from 2 to 100000"),
        ("sizing.equity=0.5..1.5", "it must lie from 0.000000001 to 1"),
    ],
)
def test_a_range_that_cannot_be_used_is_one_sentence(sample, text, sentence):
    with pytest.raises(WrongUseError, match=sentence) as raised:
        parse_parameter(text, sample)
    assert "\n" not in str(raised.value)


def test_one_place_is_given_once(sample):
    names = ("entry.long.required[0].rsi.period=5..9", "entry.long.required[0].left.timeperiod=5..9")
    with pytest.raises(WrongUseError, match="are the same parameter"):
        parse_parameters(names, sample)
    with pytest.raises(WrongUseError, match="at least one parameter"):
        parse_parameters((), sample)


def test_the_usual_parameters_are_the_numbers_of_conditions_and_levels():
    spec = AlgorithmSpec.from_toml(
        'name = "A"\ndirection = "long"\ntimeframe = "1h"\n[entry.long]\n'
        'required = ["rsi(14) < 30", "close > bbands(20, 2, 2).upperband", "mom(3) > 0", "cci(20) < -100"]\n'
        "[stop_loss]\nfraction = 0.03\n[sizing]\nequity = 0.5\n"
    )
    found = {str(each) for each in usual_parameters(spec)}
    assert {
        "entry.long.required[0].left.timeperiod=7..28:1",
        "entry.long.required[0].right=15..45:0.01",
        "entry.long.required[1].right.timeperiod=10..40:1",
        "entry.long.required[3].right=-150..-50:0.1",
        "stop_loss.fraction=0.015..0.06:0.00001",
    } <= found
    names = {text.partition("=")[0] for text in found}
    # A number 0 has no half, and which moving average is meant is no quantity.
    assert "entry.long.required[2].right" not in names
    assert "entry.long.required[1].right.matype" not in names
    assert not any(name.startswith(("sizing", "reset")) for name in names)


def test_constants_of_arithmetic_are_varied_only_where_they_are_named():
    spec = AlgorithmSpec.from_toml(
        'name = "A"\ndirection = "long"\ntimeframe = "1h"\n[entry.long]\n'
        'required = ["(high + low) / 2 > 1.02 * ema(20)", "100 * (close - open) / open > 1"]\n'
        "[sizing]\nequity = 0.5\n"
    )
    assert {each.name for each in usual_parameters(spec)} == {
        "entry.long.required[0].right.right.timeperiod",
        "entry.long.required[1].right",
    }
    named = parse_parameter("entry.long.required[0].right.left=1..1.1", spec)
    assert with_values(spec, {named.place: 1.05}) != spec


def test_without_a_number_there_is_nothing_usual_to_vary():
    spec = AlgorithmSpec.from_toml(
        'name = "A"\ndirection = "long"\ntimeframe = "1h"\n[entry.long]\nrequired = ["close > open"]\n'
        "[sizing]\nequity = 0.5\n"
    )
    with pytest.raises(WrongUseError, match="A has no number to vary"):
        usual_parameters(spec)


def test_an_entry_in_slices_can_be_varied_by_its_bars(rich):
    order = 'kind = "limit"\noffset_bps = 5\ntimeout_bars = 3'
    sliced = AlgorithmSpec.from_toml(_RICH.replace(order, 'kind = "twap"\nbars = 4'))
    named = [place.name for place in places(sliced) if place.name.startswith("order.")]
    assert named == ["order.bars"]
    assert with_values(sliced, {find_place(sliced, "order.bars"): 6}).order.bars == 6
