"""Groups with a tree: what a file may hold, the place of each mistake, what is left without a condition."""

import json
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstwatch.strategy.groups import DEEPEST_TREE, Group, Reading, Tree
from firstwatch.strategy.specification import AlgorithmError, AlgorithmSpec
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.toml_text import inline_text, toml_text
from firstwatch.trading.why import MOST_CONDITIONS
from tests.strategy.conditions import conditions, groups
from tests.strategy.test_evaluation import make_spec

TEXTS = ("close > 1", "close > 2", "close > 3", "close > 4")


def algorithm(when: str, required: str = '"close > 0"') -> str:
    return (
        f'name = "A"\ndirection = "long"\ntimeframe = "1h"\n[entry.long]\nrequired = [{required}]\n'
        f"when = {when}\n[sizing]\nequity = 0.5\n"
    )


def nested(depth: int) -> str:
    return "{any = [" * depth + '"close > open"' + "]}" * depth


@settings(max_examples=60, deadline=None)
@given(groups(conditions(), has_tree=True))
def test_a_tree_survives_toml_and_json(group: Group):
    spec = make_spec(group)
    text = spec.to_toml()
    assert AlgorithmSpec.from_toml(text) == spec
    assert AlgorithmSpec.from_toml(text).to_toml() == text
    assert AlgorithmSpec.from_json(spec.canonical_json()) == spec
    assert tomllib.loads(f"when = {inline_text(spec.document()['entry']['long']['when'])}") == {
        "when": spec.document()["entry"]["long"]["when"]
    }


@given(
    st.recursive(
        st.booleans() | st.integers(-(10**15), 10**15) | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "a b", "a.b", ""]), inner),
        max_leaves=12,
    )
)  # fmt: skip
def test_any_inline_table_is_read_back_by_the_standard_library(value: object):
    document = {"table": {"when": {"any": value}, "other": 1}}
    assert tomllib.loads(toml_text(document, inline={"when"})) == document


def test_a_key_that_begins_like_a_tag_is_named():
    with pytest.raises(WrongUseError, match=r'unknown key entry\.long\.when\.any\[0\]\."item:x"; known are'):
        AlgorithmSpec.from_toml(algorithm('{any = [{"item:x" = 1}]}'))


def test_a_short_tree_is_one_line_and_a_long_one_has_a_line_for_each_item():
    short = AlgorithmSpec.from_toml(algorithm('{any = ["close > 1", {all = ["close > 2"]}]}'))
    assert 'when = {any = ["close > 1", {all = ["close > 2"]}]}\n' in short.to_toml()
    long = AlgorithmSpec.from_toml(
        algorithm('{any = ["close > ema(200)@4h + 2 * atr(14)@4h", {at_least = 2, of = ["adx(14) > 25", '
                  '"rsi(14) < 30", "close crosses above ema(20)"]}]}')
    )  # fmt: skip
    assert long.to_toml().partition("when = ")[2].partition("\n\n")[0] == (
        "{any = [\n"
        '    "close > ema(200)@4h + 2 * atr(14)@4h",\n'
        '    {at_least = 2, of = ["adx(14) > 25", "rsi(14) < 30", "close crosses above ema(20)"]},\n'
        "]}"
    )


def test_without_a_tree_the_document_has_no_key_of_it():
    spec = AlgorithmSpec.from_toml(
        algorithm("{any = ['close > 1']}").replace("when = {any = ['close > 1']}\n", "")
    )
    assert "when" not in spec.canonical_json()
    assert "when" not in spec.to_toml()


@pytest.mark.parametrize(
    ("when", "sentence"),
    [
        (
            '{any = ["close > 1", {all = ["clse > 2"]}]}',
            'entry.long.when.any[1].all[0]: in "clse > 2", column 1: no price is called "clse"; did you',
        ),
        (
            '{any = ["close > 1", 5]}',
            'entry.long.when.any[1]: a condition is a text like "rsi(14) < 30", not 5',
        ),
        ('{any = ["close > 1", ["close > 2"]]}', "entry.long.when.any[1]: a condition is a text like"),
        ("{any = []}", "entry.long.when.any = []: it is empty"),
        ("{any = [{all = []}]}", "entry.long.when.any[0].all = []: it is empty"),
        (
            "{}",
            "entry.long.when: a tree is {any = […]}, {all = […]} or {at_least = 2, of = […]}, nothing given",
        ),
        ('{any = ["close > 1"], all = ["close > 2"]}', "any and all given"),
        ('{of = ["close > 1"]}', "of given"),
        ("{at_least = 1}", "at_least given"),
        ('{any = ["close > 1"], at_least = 1}', "any and at_least given"),
        (
            '{at_least = 3, of = ["close > 1", "close > 2"]}',
            "entry.long.when: at_least is 3, and of has 2 items",
        ),
        ('{at_least = 0, of = ["close > 1"]}', "entry.long.when.at_least = 0: it should be 1 or more"),
        (
            '{at_least = 1.5, of = ["close > 1"]}',
            "entry.long.when.at_least = 1.5: it should be a whole number",
        ),
        (
            '{at_least = true, of = ["close > 1"]}',
            "entry.long.when.at_least = true: it should be a whole number",
        ),
        (
            '{any = ["close > 1", {al = ["close > 2"]}]}',
            "unknown key entry.long.when.any[1].al; did you mean all?",
        ),
        ('"close > 1"', 'entry.long.when = "close > 1": it should be a table'),
        ('["close > 1"]', "entry.long.when = a list: it should be a table"),
        (nested(DEEPEST_TREE + 1), f"entry.long.when: more than {DEEPEST_TREE} trees are within one another"),
        (nested(20), "nested too deeply"),
        (
            f"{{any = {list(map(str, TEXTS * 10))}}}".replace("'", '"'),
            f"entry.long: {MOST_CONDITIONS + 1} conditions; a group with when has at most {MOST_CONDITIONS}",
        ),
    ],
)
def test_each_mistake_names_its_key(when: str, sentence: str):
    with pytest.raises(WrongUseError) as raised:
        AlgorithmSpec.from_toml(algorithm(when))
    assert len(str(raised.value).splitlines()) == 1
    assert sentence in str(raised.value)


def test_a_mistake_in_a_tree_has_the_place_and_the_column_of_its_condition():
    with pytest.raises(AlgorithmError) as raised:
        AlgorithmSpec.from_toml(algorithm('{any = ["close > 1", {all = ["close > clse"]}]}'))
    (mistake,) = raised.value.mistakes
    assert (mistake.place, mistake.column) == ("entry.long.when.any[1].all[0]", 9)


def test_what_is_allowed_at_most_is_read():
    AlgorithmSpec.from_toml(algorithm(nested(DEEPEST_TREE)))
    texts = ", ".join(f'"close > {number}"' for number in range(MOST_CONDITIONS - 1))
    assert len(AlgorithmSpec.from_toml(algorithm(f"{{all = [{texts}]}}")).conditions()) == MOST_CONDITIONS


@pytest.mark.parametrize("depth", [60, 120, 400, 5_000])
def test_a_stored_document_that_is_too_deep_is_refused_with_one_sentence(depth: int):
    document = json.loads(AlgorithmSpec.from_toml(algorithm(nested(1))).canonical_json())
    deep = '{"any":[' * depth + '"close > open"' + "]}" * depth
    text = json.dumps(document).replace('{"any": ["close > open"]}', deep)
    assert deep in text
    with pytest.raises(WrongUseError) as raised:
        AlgorithmSpec.from_json(text, "it")
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 200


def test_conditions_come_in_the_order_of_the_file_with_their_places():
    tree = {"any": ["close > 3", {"at_least": 2, "of": ["close > 4", {"all": ["close > 5"]}, "close > 6"]}]}
    group = Group.model_validate({"required": ["close > 1"], "optional": ["close > 2"], "when": tree})
    assert [str(each) for each in group.conditions] == [f"close > {number}" for number in range(1, 7)]
    assert [(each.place, each.group, each.number, each.wanted) for each in group.placed] == [
        ("required[0]", "required", 0, ()),
        ("optional[0]", "optional", 0, ()),
        ("when.any[0]", "when.any", 0, (1,)),
        ("when.any[1].of[0]", "when.any[1].of", 0, (1, 2)),
        ("when.any[1].of[1].all[0]", "when.any[1].of[1].all", 0, (1, 2, 1)),
        ("when.any[1].of[2]", "when.any[1].of", 2, (1, 2)),
    ]
    assert [number for number in range(6) if group.needs(number)] == [0, 1]
    assert group.fewest == 3
    both = Group.model_validate({"when": {"all": [tree, "close > 7", {"all": ["close > 8"]}]}})
    assert [number for number in range(6) if both.needs(number)] == [4, 5]
    assert both.fewest == 3


@pytest.mark.parametrize(
    ("document", "needed"),
    [
        ({"required": ["close > 1", "close > 2"]}, [0, 1]),
        ({"optional": ["close > 1", "close > 2"]}, []),
        ({"optional": ["close > 1"]}, [0]),
        ({"when": {"all": ["close > 1", "close > 2"]}}, [0, 1]),
        ({"when": {"at_least": 2, "of": ["close > 1", "close > 2"]}}, [0, 1]),
        ({"when": {"at_least": 1, "of": ["close > 1", "close > 2"]}}, []),
        ({"when": {"any": [{"all": ["close > 1", "close > 2"]}]}}, [0, 1]),
    ],
)
def test_groups_that_mean_the_same_need_the_same_conditions(document, needed):
    group = Group.model_validate(document)
    assert [number for number, _ in enumerate(group.placed) if group.needs(number)] == needed


@settings(max_examples=60, deadline=None)
@given(groups(conditions(), has_tree=True), st.data())
def test_without_one_condition_the_others_stay_in_their_order(group: Group, data: st.DataObject):
    place = data.draw(st.integers(0, len(group.placed) - 1))
    left = group.without(group.placed[place].keys)
    kept = [condition for number, condition in enumerate(group.conditions) if number != place]
    assert list(left.conditions) == kept
    if left.when is not None:
        # What is left is a tree that a file can hold.
        assert Group.model_validate({"when": left.when.model_dump(mode="json", exclude_none=True)},
                                    context=Reading(Timeframe.H1)).when == left.when  # fmt: skip


def test_a_tree_without_its_last_condition_goes():
    group = Group.model_validate({"required": ["close > 0"], "when": {"any": [{"all": ["close > 1"]}]}})
    assert group.without(("when", "any", 0, "all", 0)) == Group.model_validate({"required": ["close > 0"]})
    two = Group.model_validate({"when": {"at_least": 2, "of": ["close > 1", "close > 2"]}})
    assert two.without(("when", "of", 0)).when == Tree.model_validate({"at_least": 1, "of": ["close > 2"]})
