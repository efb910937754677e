"""Trees of conditions in a draft: each condition is a line of the form, and changes alone."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from firstwatch.manager import draft_document as documents
from firstwatch.manager.test_service import edited
from firstwatch.tui.bench import place_words
from firstwatch.tui.draft_form.changes import changed, problem_at, problem_with
from firstwatch.tui.draft_form.fields import Tab, rows
from tests.manager.test_drafts import CONDITION, DOCUMENT, VIEW

TREE = {"any": ["close > 1", {"at_least": 2, "of": ["close > 2", {"all": ["close > 3"]}]}, "close > 4"]}
TREED = documents.with_value(DOCUMENT, "entry.long.when", TREE)
WHEN = "entry.long.when"


def lines(document):
    return [
        (row.place.removeprefix(f"{WHEN}."), row.key, row.text) for row in documents.tree_rows(document, WHEN)
    ]


def test_a_tree_has_a_line_for_each_condition_and_room_for_one_more():
    assert lines(TREED) == [
        ("any[0]", "any", "close > 1"),
        ("any[1].at_least", "at_least", "2"),
        ("any[1].of[0]", "of", "close > 2"),
        ("any[1].of[1].all[0]", "all", "close > 3"),
        ("any[1].of[1].all[1]", "all", ""),
        ("any[1].of[2]", "of", ""),
        ("any[2]", "any", "close > 4"),
        ("any[3]", "any", ""),
    ]
    assert lines(DOCUMENT) == []


def test_what_is_no_tree_has_no_lines_and_stays():
    for wrong in ("close > 1", ["close > 1"], 5, {"any": "close > 1"}, {"any": {"all": []}}):
        document = documents.with_value(DOCUMENT, WHEN, wrong)
        assert lines(document) == []
        assert documents.problems_of(document)
        text = documents.write_document(documents.with_value(document, CONDITION, "rsi(9) < 3"))
        assert documents.value_at(documents.read_document(text), WHEN) == wrong


@given(st.data())
@settings(deadline=None)
def test_a_line_of_a_tree_changes_alone(data):
    leaves = st.sampled_from(["close > 1", "not rsi(14) < 30", "wrong", "(high - low) / close > 0.02"])
    tree = data.draw(documents_of_trees(leaves))
    document = documents.with_value(DOCUMENT, WHEN, tree)
    assert documents.value_at(documents.read_document(documents.write_document(document)), WHEN) == tree
    before = [row for row in documents.tree_rows(document, WHEN) if row.key != "at_least" and row.text]
    row = data.draw(st.sampled_from(before))
    written = documents.with_value(document, row.place, "close > 99")
    after = [each for each in documents.tree_rows(written, WHEN) if each.key != "at_least" and each.text]
    assert after == [each._replace(text="close > 99") if each == row else each for each in before]
    assert documents.with_value(written, row.place, row.text) == document
    left = documents.with_value(document, row.place, None)
    kept = [each.text for each in documents.tree_rows(left, WHEN) if each.key != "at_least" and each.text]
    assert kept == [each.text for each in before if each != row]
    # No empty list or table stays, and no number without its list.
    empty = ('any": []', 'all": []', 'of": []', "{}", '{"at_least": 1}')
    assert not any(sign in json.dumps(left.get("entry")) for sign in empty)
    more = [each for each in documents.tree_rows(document, WHEN) if not each.text]
    added = data.draw(st.sampled_from(more))
    longer = documents.with_value(document, added.place, "close > 98")
    texts = [each.text for each in documents.tree_rows(longer, WHEN) if each.key != "at_least" and each.text]
    assert sorted(texts) == sorted([*(each.text for each in before), "close > 98"])


def documents_of_trees(leaves):
    """Return trees as a file has them."""

    def level(items):
        lists = st.lists(items, min_size=1, max_size=3)
        return st.one_of(
            lists.map(lambda found: {"any": found}),
            lists.map(lambda found: {"all": found}),
            lists.map(lambda found: {"at_least": 1, "of": found}),
        )

    return level(leaves | level(leaves | level(leaves)))


def test_each_line_of_a_tree_is_a_field_of_the_form():
    draft = edited(VIEW, document=TREED)
    fields = {row.key: row for row in rows(draft, Tab.ENTRY, ("steady",)) if row.key.startswith(WHEN)}
    assert [(row.label, row.text) for row in fields.values()] == [
        ("any 1", "close > 1"),
        ("at least, in 2", "2"),
        ("of 2.1", "close > 2"),
        ("all 2.2.1", "close > 3"),
        ("all 2.2.+", ""),
        ("of 2.+", ""),
        ("any 3", "close > 4"),
        ("any +", ""),
    ]
    other = changed(draft, fields[f"{WHEN}.any[1].of[1].all[0]"], "close > 5")
    assert documents.value_at(other.document, WHEN)["any"][1]["of"] == ["close > 2", {"all": ["close > 5"]}]
    assert place_words(f"{WHEN}.any[1].of[1].all[0]") == "long entry, all 2.2.1"
    fewer = changed(draft, fields[f"{WHEN}.any[1].of[1].all[0]"], "")
    at_least = next(row for row in rows(fewer, Tab.ENTRY) if row.label == "at least, in 2")
    assert "at_least is 2, and of has 1 item" in problem_at(fewer, at_least)
    assert not changed(fewer, at_least, "1").problems
    assert "column 9" in problem_with(draft, fields[f"{WHEN}.any[0]"], "close > clse")
