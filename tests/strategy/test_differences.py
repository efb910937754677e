"""What differs between two versions: by meaning, nothing left out, the same from both sides."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstwatch.strategy.differences import Change, ChangeKind, differences
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.strategy.templates import template
from tests.backtest.specifications import specifications

ADDED, REMOVED, CHANGED = ChangeKind.ADDED, ChangeKind.REMOVED, ChangeKind.CHANGED
LONG = """
name = "a"
direction = "long"
timeframe = "1h"
[entry.long]
required = ["rsi(14) < 30", "close > ema(200)"]
optional = ["adx(14) > 25"]
[stop_loss]
fraction = 0.05
[sizing]
equity = 0.5
"""


def changes(*replaced: tuple[str, str], text: str = LONG) -> list[Change]:
    other = text
    for old, new in replaced:
        assert old in other
        other = other.replace(old, new)
    before, after = (AlgorithmSpec.from_toml(each).document() for each in (text, other))
    found = differences(before, after)
    assert json.loads(json.dumps([each.document() for each in found]))
    return list(found)


@pytest.mark.parametrize(
    ("replaced", "place", "kind", "sentence"),
    [
        (("< 30", "< 25"), "entry.long.required[0]", CHANGED, "long entry: rsi(14) < 30 → 25"),
        (("rsi(14)", "rsi(7)"), "entry.long.required[0]", CHANGED, "long entry: rsi(14 → 7) < 30"),
        (
            ('"close > ema(200)"', '"close > ema(200)", "volume > 5"'),
            "entry.long.required[2]",
            ADDED,
            "long entry: volume > 5 added",
        ),
        (
            ('"rsi(14) < 30", ', ""),
            "entry.long.required[0]",
            REMOVED,
            "long entry: rsi(14) < 30 removed",
        ),
        (
            ('optional = ["adx(14) > 25"]', ""),
            "entry.long.optional[0]",
            REMOVED,
            "long entry, one of: adx(14) > 25 removed",
        ),
        (
            ("fraction = 0.05", "fraction = 0.04\ntrailing = true"),
            "stop_loss",
            CHANGED,
            "stop: 5 % → 4 % trailing",
        ),
        (
            ("fraction = 0.05", "atr = 2.5\nperiod = 14"),
            "stop_loss",
            CHANGED,
            "stop: 5 % → 2.5 × ATR(14)",
        ),
        (("[stop_loss]\nfraction = 0.05", ""), "stop_loss", REMOVED, "stop: 5 % removed"),
        (
            ("[sizing]", "[take_profit]\namount = 900\n[sizing]"),
            "take_profit",
            ADDED,
            "target: 900 added",
        ),
        (("equity = 0.5", "risk = 0.01"), "sizing", CHANGED, "size: 50 % of equity → 1 % of equity at risk"),
        (
            ("[sizing]", '[order]\nkind = "limit"\noffset_bps = 5\ntimeout_bars = 3\n[sizing]'),
            "order",
            CHANGED,
            "entry order: market → limit, 5 bps away for 3 bars",
        ),
        (
            ("[sizing]", '[order]\nkind = "twap"\nbars = 4\n[sizing]'),
            "order",
            CHANGED,
            "entry order: market → twap over 4 bars",
        ),
        (
            ("[sizing]", '[reset]\nmode = "strict"\n[sizing]'),
            "reset.mode",
            CHANGED,
            "reset, mode: cooldown_only → strict",
        ),
        (
            ("[sizing]", '[[reset.follow_up]]\nafter = ["signal"]\nwithin_bars = 5\n[sizing]'),
            "reset.follow_up[0]",
            ADDED,
            "follow-up 1: after signal: same side, bar 1 to 5, at a signal added",
        ),
        (("< 30", "> 30"), "entry.long.required[0]", CHANGED, "long entry: rsi(14) < 30 → rsi(14) > 30"),
        (('"1h"', '"4h"'), "timeframe", CHANGED, "timeframe: 1h → 4h"),
        (('name = "a"', 'name = "b"'), "name", CHANGED, "renamed: a → b"),
        (
            ('"1h"', '"1h"\nsymbol = "BTC/USDC:USDC"'),
            "symbol",
            ADDED,
            "symbol: BTC/USDC:USDC added",
        ),
    ],
)
def test_a_change_stands_alone_with_its_place_and_a_sentence(replaced, place, kind, sentence):
    (change,) = changes(replaced)
    assert (change.place, change.kind, change.sentence) == (place, kind, sentence)


@pytest.mark.parametrize(
    ("place", "before", "after", "sentence"),
    [
        ("stop_loss", {"amount": 123456.7}, {"amount": 123456.8}, "stop: 123456.7 → 123456.8"),
        ("stop_loss", {"amount": 1234567.5}, {"amount": 1e12}, "stop: 1234567.5 → 1000000000000"),
        (
            "stop_loss",
            {"atr": 3.0, "period": 14},
            {"atr": 3.0000004, "period": 14},
            "stop: 3 × ATR(14) → 3.0000004 × ATR(14)",
        ),
        ("stop_loss", {"fraction": 0.07}, {"fraction": 0.0700000000000001}, "stop: 7 % → 7.00000000000001 %"),
        ("sizing", {"fixed": 1234.567}, {"fixed": 1234.568}, "size: margin 1234.567 → margin 1234.568"),
        ("symbol", "BTC/USDC:USDC", "ETH/USDC:USDC", "symbol: BTC/USDC:USDC → ETH/USDC:USDC"),
        ("symbol", "1000X/USDC:USDC", "100Y/USDC:USDC", "symbol: 1000X/USDC:USDC → 100Y/USDC:USDC"),
        ("entry.long.required[0]", "cci(9) < -100", "cci(9) < -50", "long entry: cci(9) < -100 → -50"),
        ("entry.long.required[0]", "mom(3) > .5", "mom(3) > .25", "long entry: mom(3) > .5 → .25"),
        (
            "order",
            {"kind": "limit", "offset_bps": 5, "timeout_bars": 1},
            {"kind": "twap", "bars": 1},
            "entry order: limit, 5 bps away for 1 bar → twap over 1 bar",
        ),
        ("reset.cooldown_bars", 1, 1.0, "reset, cooldown bars: 1 → 1.0"),
        ("reset.cooldown_bars", 0.1 + 0.2, 0.3, "reset, cooldown bars: 0.30000000000000004 → 0.3"),
    ],
)
def test_values_that_differ_read_differently(place, before, after, sentence):
    assert Change(place, CHANGED, before, after).sentence == sentence


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"stop_loss": {"fraction": 0.05}}, {"stop_loss": {"trailing": False, "fraction": 0.05}}),
        ({"stop_loss": {"fraction": 1}}, {"stop_loss": {"fraction": 1.0}}),
        ({"order": {"kind": "market"}}, {}),
        ({"sizing": {"fixed": 100}}, {"sizing": {"fixed": 100.0}}),
    ],
)
def test_tables_that_mean_the_same_do_not_differ(one, other):
    assert not differences(one, other)
    assert not differences(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"stop_loss": {"fraction": 0.05}}, {"stop_loss": {"fraction": "0.05"}}),
        ({"stop_loss": {"fraction": 0.05}}, {"stop_loss": {"fraction": 0.05, "traling": False}}),
        ({"stop_loss": {}}, {}),
    ],
)
def test_a_table_that_is_wrong_differs(one, other):
    (change,) = differences(one, other)
    before, _, after = change.sentence.partition(": ")[2].partition(" → ")
    assert before != after


VALUES = st.floats(1e-9, 1e12) | st.integers(-9, 9) | st.booleans() | st.sampled_from(["1", "on", "nothing"])


@given(st.sampled_from(["stop_loss", "other"]), *(VALUES | st.lists(VALUES, max_size=2) for _ in range(2)))
def test_no_two_values_read_the_same(place, one, other):
    if place == "stop_loss":
        one, other = {"amount": one}, {"amount": other}
    for change in differences({place: one}, {place: other}):
        before, arrow, after = change.sentence.partition(": ")[2].partition(" → ")
        assert not arrow or before != after


def test_a_condition_is_matched_by_likeness_and_not_by_its_place():
    found = changes(
        (
            '"rsi(14) < 30", "close > ema(200)"',
            '"volume > 5", "close > ema(100)", "rsi(14) < 30"',
        )
    )
    assert [(each.place, each.kind, each.before, each.after) for each in found] == [
        ("entry.long.required[0]", ADDED, None, "volume > 5"),
        ("entry.long.required[1]", CHANGED, "close > ema(200)", "close > ema(100)"),
    ]


def test_another_indicator_is_no_changed_number():
    found = changes(("rsi(14) < 30", "mfi(14) < 30"))
    assert [each.kind for each in found] == [ADDED, REMOVED]


def test_another_order_is_one_change():
    (change,) = changes(('"rsi(14) < 30", "close > ema(200)"', '"close > ema(200)", "rsi(14) < 30"'))
    assert (change.place, change.kind) == ("entry.long.required", CHANGED)
    assert change.sentence == "long entry: in another order"


def test_an_empty_group_counts_only_where_nothing_else_differs():
    before = AlgorithmSpec.from_toml(LONG).document()
    empty = before | {"exit": {"long": {"required": [], "optional": []}}}
    assert [each.place for each in differences(before, empty)] == ["exit.long.required", "exit.long.optional"]
    both = empty | {"timeframe": "4h"}
    assert [each.place for each in differences(before, both)] == ["timeframe"]


def test_a_tree_of_conditions_is_compared_leaf_by_leaf():
    tree = {"any": ["rsi(14) < 30", {"all": ["close > ema(200)", "adx(14) > 25"]}]}
    other = {"any": [{"all": ["close > ema(200)", "adx(14) > 20"]}, "rsi(14) < 30", "volume > 5"]}
    found = differences({"entry": {"long": {"when": tree}}}, {"entry": {"long": {"when": other}}})
    assert [(each.place, each.kind) for each in found] == [
        ("entry.long.when.any[0].all[1]", CHANGED),
        ("entry.long.when.any[2]", ADDED),
    ]
    assert found[0].sentence == "long entry, when: adx(14) > 25 → 20"
    counted = {"at_least": 2, "of": ["close > ema(200)", "adx(14) > 25"]}
    (number,) = differences(*({"entry": {"long": {"when": {**counted, "at_least": n}}}} for n in (2, 1)))
    assert number.sentence == "long entry, when, at least: 2 → 1"
    (whole,) = differences({"when": "rsi(14) < 30"}, {"when": {"any": ["rsi(14) < 30"]}})
    assert (whole.place, whole.kind) == ("when", CHANGED)


def test_a_draft_that_is_wrong_is_compared_all_the_same():
    before = AlgorithmSpec.from_toml(LONG).document()
    for wrong in ({}, {"entry": 3}, {"entry": {"long": {"required": "rsi(14) < 30"}}}, {"stop_loss": [1]}):
        for one, other in ((before, before | wrong), (before | wrong, before)):
            assert all(each.sentence for each in differences(one, other))
            assert bool(differences(one, other)) == bool(wrong)


def test_thousands_of_conditions_are_compared_in_bounded_time():
    one, other = ([f"rsi({number}) < {by}" for number in range(4_000)] for by in (30, 31))
    found = differences({"required": one}, {"required": other})
    assert len(found) == 8_000


def test_many_lists_are_compared_with_the_bound_of_one():
    one, other = ({"any": [f"rsi({number}) < {by}" for number in range(100)]} for by in (30, 31))
    found = differences({"required": [one] * 40}, {"required": [other] * 40})
    assert sum(each.kind is CHANGED for each in found) == 100
    assert len(found) == 100 + 39 * 200


@settings(max_examples=300, deadline=None)
@given(specifications(), specifications())
def test_nothing_differs_exactly_where_the_hashes_are_equal(one, other):
    found = differences(one.document(), other.document())
    assert bool(found) == (one.sha256() != other.sha256())
    assert not differences(one.document(), json.loads(one.canonical_json()))
    for change in found:
        assert change.sentence
        assert (change.before is None) == (change.kind is ADDED)
        assert (change.after is None) == (change.kind is REMOVED)


MIRRORED = {ADDED: REMOVED, REMOVED: ADDED, CHANGED: CHANGED}


def as_text(change: Change) -> tuple[str, str, str]:
    return change.kind.value, json.dumps(change.before), json.dumps(change.after)


@settings(max_examples=300, deadline=None)
@given(specifications(), specifications())
def test_the_way_back_is_the_way_there_with_both_sides_exchanged(one, other):
    there = differences(one.document(), other.document())
    back = differences(other.document(), one.document())
    mirrored = [Change(each.place, MIRRORED[each.kind], each.after, each.before) for each in back]
    assert sorted(map(as_text, there)) == sorted(map(as_text, mirrored))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from(["rsi(14) < 30", "rsi(14) < 25", "close > ema(9)", "close < ema(9)"])), st.data()
)
def test_each_condition_is_accounted_for_once(before, data):
    after = data.draw(st.permutations(before).map(list)) + data.draw(
        st.lists(st.just("volume > 5"), max_size=2)
    )
    found = differences({"required": before}, {"required": after})
    added = [each for each in found if each.kind is ADDED]
    assert len(added) == len(after) - len(before)
    assert all(each.kind is ADDED or each.place == "required" for each in found)


def test_templates_differ_from_each_other_in_words():
    one, other = (
        AlgorithmSpec.from_toml(template(name).text).document()
        for name in ("rsi-reversion", "donchian-breakout")
    )
    assert all(each.sentence for each in differences(one, other))
