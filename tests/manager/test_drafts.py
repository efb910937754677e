"""Drafts: their documents and mistakes, how they are kept, saved as versions, and tested."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from firstwatch.manager import draft_document as documents
from firstwatch.manager.test_requests import places_of, range_problem, request_of, search_problem
from firstwatch.manager.test_service import edited
from firstwatch.manager.test_views import DraftChangedError, DraftView, SearchSettings, TestSetup
from firstwatch.strategy.specification import AlgorithmSpec, sample_toml
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.errors import WrongUseError
from firstwatch.tui.draft_form.changes import changed, problem_with
from firstwatch.tui.draft_form.fields import Tab, rows

SPEC = AlgorithmSpec.from_toml(sample_toml())
DOCUMENT = documents.document_of(SPEC)
CONDITION = "entry.long.required[0]"
VIEW = DraftView(
    name="RSI reversion@1",
    algorithm="RSI reversion",
    base="RSI reversion@1",
    base_id=1,
    document=DOCUMENT,
    stored=DOCUMENT,
    stored_sha256=SPEC.sha256(),
    setup=TestSetup(),
)


# --- the document ----------------------------------------------------------------------------------


def test_a_document_is_written_and_read_as_it_is_right_or_wrong():
    for text in ("rsi(14) < 30", "rsi(14) <", 'a "quoted" \\ mistake'):
        document = documents.with_value(DOCUMENT, CONDITION, text)
        assert documents.read_document(documents.write_document(document)) == document


@pytest.mark.parametrize(
    ("place", "value", "where", "said"),
    [
        (CONDITION, "rsi(14) <", CONDITION, "column 10"),
        (CONDITION, "rsy(14) < 30", CONDITION, "rsi"),
        ("sizing.equity", 3.0, "sizing.equity", "1 or less"),
        ("timeframe", "7m", "timeframe", "5m"),
        ("stop_loss.fraction", 2.0, "stop_loss.fraction", "below 1"),
        (CONDITION, None, "entry.long", "needs conditions"),
    ],
)
def test_each_mistake_stands_at_its_place(place, value, where, said):
    problems = documents.problems_of(documents.with_value(DOCUMENT, place, value))
    assert list(problems) == [where]
    assert said in problems[where]


def test_a_condition_is_added_behind_the_others_and_removed_by_an_empty_text():
    more = documents.with_value(DOCUMENT, "entry.long.optional[0]", "close > ema(200)@4h")
    assert documents.changed_places(DOCUMENT, more) == ("entry.long.optional[0]",)
    assert documents.problems_of(more) == {}
    fewer = documents.with_value(more, CONDITION, None)
    assert documents.value_at(fewer, "entry.long.required") is None
    assert documents.value_at(fewer, "entry.long.optional[0]") == "close > ema(200)@4h"


def test_each_kind_of_size_stop_target_and_order_begins_valid():
    for table, kinds in documents.SECTIONS.items():
        for kind in kinds:
            document = documents.with_kind(DOCUMENT, table, kind)
            assert documents.problems_of(document) == {}, (table, kind)
            assert documents.kind_of(document, table) == kind
    for kind in documents.order_kinds():
        assert documents.problems_of(documents.with_order(DOCUMENT, kind)) == {}, kind
    assert documents.kind_of(documents.with_kind(DOCUMENT, "stop_loss", ""), "stop_loss") == ""


# --- the form --------------------------------------------------------------------------------------


def row_of(draft, tab, key):
    return next(each for each in rows(draft, tab, ("steady",)) if each.key == key)


@pytest.mark.parametrize(
    ("tab", "key", "text", "said"),
    [
        (Tab.ENTRY, CONDITION, "rsi(14) <", "column 10"),
        (Tab.ENTRY, "sizing.equity", "3", "1 or less"),
        (Tab.ENTRY, "sizing.equity", "abc", "not a number"),
        (Tab.EXIT, "stop_loss.fraction", "-1", "above 0"),
        (Tab.SETUP, "setup.capital", "0", "above 0"),
        (Tab.SETUP, "setup.slippage_bps", "-1", "from 0"),
        (Tab.SETUP, "setup.limit_fills", "queue:2", "queue"),
        (Tab.RESET, "reset.cooldown_bars", "1.5", "whole number"),
    ],
)
def test_the_mistake_in_a_text_is_said_while_it_is_typed(manager, tab, key, text, said):
    draft = manager.tests.open("RSI reversion@1")
    assert said in problem_with(draft, row_of(draft, tab, key), text)


def test_a_draft_back_at_its_version_is_no_longer_changed(manager):
    draft = manager.tests.open("RSI reversion@1")
    other = changed(draft, row_of(draft, Tab.ENTRY, CONDITION), "rsi(14) < 35")
    assert (other.name, other.changes) == ("draft of RSI reversion@1", (CONDITION,))
    same = changed(other, row_of(other, Tab.ENTRY, CONDITION), "rsi( 14 )<30")
    assert not same.is_changed
    assert same.sha256 == draft.sha256


KEYS = st.sampled_from([
    "name", "direction", "timeframe", "entry", "exit", "long", "short", "required", "optional", "reset",
    "mode", "follow_up", "after", "within_bars", "stop_loss", "fraction", "trailing", "period",
    "sizing", "equity", "order", "kind", "bars", "symbol", "x", "when", "any", "all", "of", "at_least",
])  # fmt: skip
VALUES = st.recursive(
    st.sampled_from(["both", "rsi(14) < 30", "signal", 3, 0.5, True, "", -1]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@settings_of_hypothesis(max_examples=300, deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_a_document_either_has_the_form_and_can_be_shown_or_is_known_not_to(changes):
    document = {**DOCUMENT, **changes}
    empty = {key: value for key, value in changes.items() if key != "x"}
    for each in (document, empty):
        if documents.has_form(each):
            draft = edited(VIEW, document=each)
            for tab in Tab:
                for row in rows(draft, tab, ("steady",)):
                    assert isinstance(row.shown, str)


# --- kept and saved --------------------------------------------------------------------------------


def test_a_draft_is_kept_with_its_mistakes_and_opened_again(manager, settings):
    draft = manager.tests.open("RSI reversion@1")
    wrong = edited(
        draft,
        document=documents.with_value(draft.document, CONDITION, "rsi(14) <"),
        setup=replace(draft.setup, capital="777"),
    )
    kept = manager.tests.keep(wrong)
    again = manager.tests.open_newest()
    assert again == kept == replace(wrong, kept=kept.kept)
    assert again.problems
    assert [each.value for each in manager.tests.choices()] == ["draft of RSI reversion@1", "RSI reversion@1"]
    # The stored version opens as it is, with the settings of its test.
    stored = manager.tests.open("RSI reversion@1")
    assert not stored.is_changed
    assert stored.setup.capital == "777"
    assert not manager.tests.discard(again).is_changed
    assert [each.value for each in manager.tests.choices()] == ["RSI reversion@1"]


def with_threshold(draft, threshold):
    document = documents.with_value(draft.document, CONDITION, f"rsi(14) < {threshold}")
    return edited(draft, document=document)


def test_a_draft_is_not_replaced_while_its_version_is_shown_as_it_is_stored(manager):
    draft = manager.tests.open("RSI reversion@1")
    assert not draft.hidden
    kept = manager.tests.keep(with_threshold(draft, 35))
    stored = manager.tests.open("RSI reversion@1")
    assert stored.hidden == kept.kept
    # Settings of the test go with both.
    stored = manager.tests.keep(edited(stored, setup=replace(stored.setup, capital="777")))
    with pytest.raises(DraftChangedError):
        manager.tests.discard(stored)
    again = manager.tests.open(kept.name)
    assert (again.sha256, again.setup.capital, again.hidden) == (kept.sha256, "777", "")
    other = with_threshold(stored, 40)
    assert other.hides_draft
    with pytest.raises(DraftChangedError, match="changed elsewhere"):
        manager.tests.keep(other)
    manager.tests.keep(other.replacing())
    assert manager.tests.open(kept.name).sha256 == other.sha256


def test_what_another_screen_has_written_is_neither_replaced_nor_removed(manager):
    mine = manager.tests.keep(with_threshold(manager.tests.open("RSI reversion@1"), 35))
    text = manager.build.open(mine.name)
    theirs = manager.build.keep(replace(text, text=f"# an hour of work\n{text.text}"))
    for act in (manager.tests.keep, manager.tests.discard):
        with pytest.raises(DraftChangedError):
            act(with_threshold(mine, 40))
    # A version is stored, and their draft stays.
    saved = manager.tests.save_version(with_threshold(mine, 40), "RSI reversion")
    assert saved.base == "RSI reversion@2"
    assert manager.build.open(mine.name).text == theirs.text
    # So it is the other way round.
    manager.tests.keep(with_threshold(manager.tests.open(mine.name), 45))
    for act in (manager.build.keep, manager.build.discard):
        with pytest.raises(DraftChangedError):
            act(replace(theirs, text=f"# more\n{theirs.text}"))
    manager.build.save(theirs, over=saved.base)
    assert manager.tests.open(mine.name).is_changed


def test_a_draft_without_a_form_is_kept_when_the_settings_of_its_version_change(manager):
    text = manager.build.open("RSI reversion@1")
    broken = manager.build.keep(replace(text, text=f"# an hour of work\n{text.text}\n["))
    stored = manager.tests.open_newest()
    assert (stored.base, stored.hidden) == ("RSI reversion@1", broken.text)
    manager.tests.keep(edited(stored, setup=replace(stored.setup, period="90")))
    assert manager.build.open("RSI reversion@1").text == broken.text


def test_a_version_that_is_known_has_its_own_draft(manager):
    first = manager.tests.open("RSI reversion@1")
    second = manager.tests.save_version(with_threshold(first, 35), "RSI reversion")
    draft = manager.tests.keep(with_threshold(second, 40))
    # The same again, from the first version: in both modes.
    again = manager.tests.save_version(with_threshold(first, 35), "RSI reversion")
    assert (again.base, again.hidden) == (second.base, draft.kept)
    text = manager.build.open(first.base)
    saved = manager.build.save(replace(text, text=text.text.replace("< 30", "< 35")))
    assert (saved.base, saved.text) == (second.base, draft.kept)


def test_a_draft_becomes_the_next_version_or_another_algorithm(manager):
    draft = manager.tests.open("RSI reversion@1")
    other = edited(draft, document=documents.with_value(draft.document, CONDITION, "rsi(14) < 35"))
    manager.tests.keep(other)
    saved = manager.tests.save_version(other, "RSI reversion")
    assert (saved.base, saved.is_changed) == ("RSI reversion@2", False)
    elsewhere = edited(saved, document=documents.with_value(saved.document, CONDITION, "rsi(14) < 40"))
    assert manager.tests.save_version(elsewhere, "Other").base == "Other@1"
    wrong = edited(saved, document=documents.with_value(saved.document, CONDITION, "rsi(14) <"))
    with pytest.raises(WrongUseError, match="column 10"):
        manager.tests.save_version(wrong, "RSI reversion")
    with pytest.raises(WrongUseError, match="no draft and no version"):
        manager.tests.open("nothing")


# --- asked for -------------------------------------------------------------------------------------


def test_a_request_counts_its_period_back_from_the_end_of_the_candles(manager, settings):
    draft = manager.tests.open("RSI reversion@1")
    request = request_of(draft, settings, SystemClock())
    assert (request.venue, request.symbol, request.version_id) == ("steady", "BTC/USDC:USDC", draft.base_id)
    end_ms = request.from_ms + int(draft.setup.period) * 86_400_000
    # The venue's clock, not the wall's.
    assert str(end_ms)[:7] == "1751367"
    other = edited(draft, document=documents.with_value(draft.document, CONDITION, "rsi(14) < 35"))
    assert request_of(other, settings, SystemClock()).version_id is None


@pytest.mark.parametrize(
    ("setup", "said"),
    [
        ({"period": "own", "begin": "2025-02-01", "end": "2025-01-01"}, "The period is empty"),
        ({"venue": "", "candles": "venue"}, "needs candles"),
        ({"symbol": ""}, "Choose a market"),
        ({"candles": "archive:ETH/USDC:USDC@1h"}, "ETH/USDC:USDC"),
    ],
)
def test_what_cannot_be_tested_is_refused_with_one_sentence(manager, settings, setup, said):
    draft = manager.tests.open("RSI reversion@1")
    asked = edited(draft, setup=replace(draft.setup, **setup))
    with pytest.raises(WrongUseError, match=said):
        request_of(asked, settings, SystemClock())


def test_each_number_has_a_range_that_can_be_searched(manager):
    draft = manager.tests.open("RSI reversion@1")
    found = places_of(draft)
    assert [(each.section, each.label) for each in found[:2]] == [
        ("long entry: rsi(14) < 30", "left, period"),
        ("long entry: rsi(14) < 30", "right"),
    ]
    for place in found:
        assert range_problem(draft, place.name, place.proposal) == "", place
    assert "below the second" in range_problem(draft, found[0].name, "9..3")
    outside = SearchSettings(("entry.long.required[7].left=1..2",))
    assert "has no parameter" in search_problem(draft, outside)
    assert "not a constraint" in search_problem(
        draft, SearchSettings((f"{found[0].name}=5..9",), constraints=("fast",))
    )
