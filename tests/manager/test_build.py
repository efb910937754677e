"""Build mode's work: drafts of texts, versions and their lineage, names, archive, files; nothing is lost."""

import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

from firstwatch.manager.algorithm_text import edited
from firstwatch.manager.build_service import LONGEST_DRAFT, ChangedMeanwhileError
from firstwatch.manager.manager import RunManager
from firstwatch.manager.test_service import edited as form_edited
from firstwatch.store import algorithms, backtests, drafts, test_results
from firstwatch.store.curves import EquityCurve
from firstwatch.store.database import Store, open_store
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.errors import FirstwatchError, StoreError, WrongUseError
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.toml_file import LONGEST_BYTES
from tests.store.made import made_run

STORED = "RSI reversion@1"
DRAFT = f"draft of {STORED}"


@pytest.fixture
def build(manager):
    return manager.build


def changed(view, threshold=25):
    return edited(view, view.text.replace("rsi(14) < 30", f"rsi(14) < {threshold}"))


# --- a text ----------------------------------------------------------------------------------------


def test_a_new_algorithm_begins_as_a_draft_and_is_stored_only_when_it_is_saved(build):
    view = build.begin("supertrend", "My trend")
    assert (view.draft, view.base, view.newest, view.is_valid) == ("draft of My trend", "", "", True)
    assert 'name = "My trend"' in view.text
    assert "# Supertrend" in view.text
    first = build.algorithms()[0]
    assert (first.name, first.versions, first.draft) == ("My trend", (), view.draft)
    assert build.open("My trend") == build.open(view.draft) == build.open_newest() == view
    saved = build.save(view, "first")
    assert (saved.base, saved.text, saved.is_changed) == ("My trend@1", saved.stored, False)
    assert "#" not in saved.text
    entry = build.algorithms()[0]
    assert (entry.draft, entry.versions[0].note, entry.versions[0].parent) == ("", "first", "")


@pytest.mark.parametrize(
    ("template", "name", "said"),
    [
        ("supertrnd", "x", "did you mean supertrend"),
        ("supertrend", "a@b", "not a name"),
        ("supertrend", "", "not a name"),
        ("supertrend", "a\nb", "not a name"),
        ("supertrend", "x" * 81, "80 characters"),
        ("supertrend", "RSI reversion", "is taken"),
    ],
)
def test_what_cannot_be_begun_is_refused_and_leaves_nothing(build, template, name, said):
    before = build.algorithms()
    with pytest.raises(WrongUseError, match=said):
        build.begin(template, name)
    assert build.algorithms() == before


def test_a_name_with_quotes_is_written_as_toml_and_a_draft_of_it_is_not_begun_twice(build):
    view = build.begin("supertrend", 'the "best" \\ one')
    assert AlgorithmSpec.from_toml(view.text).name == 'the "best" \\ one'
    with pytest.raises(WrongUseError, match="already; open it"):
        build.begin("macd-cross", 'the "best" \\ one')


@pytest.mark.parametrize("text", ["name = ", "rsi", "sizing = 3", 'name = "x"\n[entry.long]\nrequired = 1'])
def test_a_draft_is_kept_right_or_wrong_and_test_mode_explains_it_or_leaves_it_out(build, manager, text):
    view = build.keep(edited(build.open(STORED), text))
    assert build.open(STORED) == build.open(DRAFT) == view
    assert view.problems
    assert [each.value for each in manager.tests.choices()] == [STORED]
    assert manager.tests.open_newest().base == STORED
    with pytest.raises(WrongUseError, match="Build mode"):
        manager.tests.open(DRAFT)
    assert build.discard(view).text == view.stored
    assert build.open(STORED).problems == ()


def test_a_draft_with_a_tree_of_conditions_opens_in_test_mode_as_it_is(build, manager):
    view = build.open(STORED)
    tree = 'when = {any = ["close > ema(200)", {all = ["adx(14) > 25", "volume > 5"]}]}\n\n[exit.long]'
    build.keep(edited(view, view.text.replace("[exit.long]", tree)))
    draft = manager.tests.open(DRAFT)
    assert draft.is_valid
    assert draft.changes == ("entry.long.when.any[0]", "entry.long.when.any[1]")
    manager.tests.keep(form_edited(draft, document={**draft.document, "timeframe": "4h"}))
    sentences = [each.sentence for each in build.differences(STORED, DRAFT)]
    assert sentences[0] == "timeframe: 1h → 4h"
    assert "long entry, when: close > ema(200) added" in sentences


def test_a_new_algorithms_draft_is_explained_by_test_mode(build, manager):
    view = build.begin("supertrend", "My trend")
    assert view.draft not in [each.value for each in manager.tests.choices()]
    assert manager.tests.open_newest().base == STORED
    with pytest.raises(WrongUseError, match="save it as a version first"):
        manager.tests.open(view.draft)
    assert build.discard(view) is None


def test_comments_stay_until_test_mode_changes_the_document(build, manager):
    view = build.keep(edited(build.open(STORED), "# deep dips\n" + changed(build.open(STORED)).text))
    draft = manager.tests.open(DRAFT)
    assert draft.changes == ("entry.long.required[0]",)
    manager.tests.keep(replace(draft, setup=replace(draft.setup, capital="777")))
    kept = build.open(DRAFT)
    assert (kept.text, kept.setup.capital) == (view.text, "777")
    manager.tests.keep(form_edited(draft, document={**draft.document, "timeframe": "4h"}))
    assert "#" not in build.open(DRAFT).text


def test_a_draft_survives_the_death_of_its_program(settings):
    program = """
import os, sys
from dataclasses import replace
from pathlib import Path
from firstwatch.manager.manager import RunManager
from firstwatch.settings import load_settings
home = Path(sys.argv[1])
manager = RunManager(load_settings(home=home, config=home / "config.toml"), hosts_engine=False)
manager.open()
manager.build.keep(replace(manager.build.open("RSI reversion@1"), text="# half a thou"))
os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", program, str(settings.home)], check=False)
    assert done.returncode == -9
    store = open_store(settings.home)
    with store.read() as session:
        assert drafts.find_draft(session, DRAFT).text == "# half a thou"
    store.close()


def test_texts_that_are_too_long_or_hold_anything_are_answered_with_a_sentence(build):
    view = build.open(STORED)
    long = edited(view, f"# {'x' * 1_000_000}\n{view.text}")
    long = build.keep(long)
    assert build.open(STORED).text == long.text
    assert f"{LONGEST_BYTES:,}" in long.problems[0].sentence
    with pytest.raises(WrongUseError, match="longer than"):
        build.save(long)
    with pytest.raises(WrongUseError, match="at most"):
        build.keep(replace(long, text="x" * (LONGEST_DRAFT + 1)))
    assert build.open(STORED).text == long.text
    odd = edited(long, f"{view.text}# \x00\x1b[31m\ud800")
    build.keep(odd)
    assert build.open(STORED).text == odd.text.replace("\ud800", "?")
    with pytest.raises(WrongUseError, match="does not print") as raised:
        build.save(odd)
    assert "\x1b" not in str(raised.value)


# --- versions --------------------------------------------------------------------------------------


def test_a_version_knows_its_note_parent_runs_and_newest_result(build, manager):
    second = build.save(changed(build.open(STORED)), "deeper\n dips \x1b")
    with manager._ready()[0].write() as session:
        run = made_run(session, 7)
        assert run.version_id == algorithms.get_version(session, "RSI reversion").id
    newest, *others = build.algorithms()[0].versions
    assert (newest.runs, newest.number) == ((run.id,), 3)
    assert (others[0].label, others[0].parent, others[0].note) == (second.base, STORED, "deeper  dips \ufffd")
    build.set_note(STORED, "the first")
    assert build.algorithms()[0].versions[-1].note == "the first"
    with pytest.raises(WrongUseError, match="no version 9"):
        build.set_note("RSI reversion@9", "x")


def test_the_newest_result_of_a_version_is_shown_be_it_a_baseline_or_a_test(build, manager):
    found = {
        "symbol": "BTC/USDC:USDC",
        "timeframe": Timeframe.H1,
        "costs_json": "{}",
        "settings_json": "{}",
        "start_ms": 0,
        "end_ms": 10 * 86_400_000,
        "bars": 240,
        "trades": [],
        "equity": EquityCurve(np.array([0]), np.array([1.0])),
    }
    asked = {"job_id": None, "title": "", "spec_json": "{}", "request_json": "{}", "market_json": "{}"}
    asked |= {"details_json": "{}", "candles": "", "core_version": 1}
    store = manager._ready()[0]

    def result() -> str:
        return build.algorithms()[0].versions[0].result

    assert result() == ""
    with store.write() as session:
        number = algorithms.get_version(session, "RSI reversion").id
        baseline = '{"total_trades": 7, "total_return": 0.1}'
        backtests.add_backtest(session, version_id=number, metrics_json=baseline, now_ms=5, **found)
    assert result().startswith("BTC/USDC:USDC, 10 days, 7 trades, return 10.0 %")
    with store.write() as session:
        tested = '{"total_trades": 8}'
        test_results.add_result(session, version_id=number, metrics_json=tested, now_ms=6, **found, **asked)
    assert "8 trades" in result()
    with store.write() as session:
        test_results.add_result(session, version_id=number, metrics_json="{", now_ms=7, **found, **asked)
    assert "cannot be read" in result()


def test_a_text_that_means_the_same_as_a_version_is_that_version(build):
    view = build.open(STORED)
    second = build.save(changed(view))
    assert second.base == "RSI reversion@2"
    # Also an older one, whatever its comments and blanks are.
    again = build.save(
        edited(second, "# back\n" + view.text.replace("rsi(14) < 30", "RSI( 14 )<30.0")), "back"
    )
    assert (again.base, again.newest, again.is_changed) == (STORED, "RSI reversion@2", False)
    assert len(build.algorithms()[0].versions) == 2


def test_a_version_that_was_stored_meanwhile_is_named_and_nothing_is_lost(build):
    mine = build.keep(changed(build.open(STORED), 20))
    other = build.save(edited(mine, mine.text.replace("< 20", "< 25")), "of another program")
    build.keep(mine)
    with pytest.raises(ChangedMeanwhileError, match="RSI reversion@2 is the newest") as raised:
        build.save(mine, "mine")
    assert raised.value.newest == other.base
    assert build.open(DRAFT).text == mine.text
    with pytest.raises(ChangedMeanwhileError):
        build.save(mine, "mine", over="RSI reversion@7")
    saved = build.save(mine, "mine", over=raised.value.newest)
    assert saved.base == "RSI reversion@3"
    assert [each.parent for each in build.algorithms()[0].versions] == [STORED, STORED, ""]


def test_two_programs_that_save_at_once_store_two_versions(settings):
    managers = [RunManager(settings, hosts_engine=False) for _ in range(2)]
    for manager in managers:
        manager.open()
    together = threading.Barrier(2)

    def save(manager, threshold):
        view, over = changed(manager.build.open(STORED), threshold), ""
        together.wait()
        while True:
            try:
                saved.append(manager.build.save(view, str(threshold), over=over).base)
                return
            except ChangedMeanwhileError as error:
                over = error.newest

    saved = []
    threads = [threading.Thread(target=save, args=(manager, 20 + n)) for n, manager in enumerate(managers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(saved) == ["RSI reversion@2", "RSI reversion@3"]
    found = managers[0].build.algorithms()[0].versions
    assert {each.note for each in found} == {"20", "21", ""}
    for manager in managers:
        manager.close()


def test_another_name_in_the_text_begins_another_algorithm(build):
    view = build.open(STORED)
    saved = build.save(edited(view, view.text.replace('"RSI reversion"', '"Dips"')))
    assert saved.base == "Dips@1"
    assert [each.name for each in build.algorithms()] == ["Dips", "RSI reversion"]
    assert build.algorithms()[0].versions[0].parent == STORED
    # A name that is taken is that of its newest version, and asks.
    with pytest.raises(ChangedMeanwhileError, match="Dips@1 is the newest"):
        build.save(edited(view, changed(view).text.replace('"RSI reversion"', '"Dips"')))


def test_a_text_with_mistakes_is_not_saved(build):
    wrong = build.keep(edited(build.open(STORED), 'name = "RSI reversion"'))
    with pytest.raises(WrongUseError, match="direction is missing"):
        build.save(wrong)
    assert build.open(STORED) == wrong


def fill(store: Store) -> None:
    """Let the disk be full, until the store's connection is a new one: a bound on the file's pages."""
    with store.write() as session:
        pages = session.exec_driver_sql("PRAGMA page_count").scalar_one()
        session.exec_driver_sql(f"PRAGMA max_page_count = {pages}")


def test_a_disk_that_is_full_at_save_is_one_sentence_and_the_draft_stays(build, manager):
    view = build.keep(changed(build.open(STORED)))
    store = manager._ready()[0]
    fill(store)
    long = edited(view, view.text + "# " + "x" * 100_000)
    with pytest.raises(StoreError, match="disk is full"):
        build.keep(long)
    noted = [f'"close > sma({number})"' for number in range(2, 4_000)]
    large = edited(view, view.text.replace('"rsi(14) < 25"', ", ".join(noted)))
    assert large.is_valid
    fill(store)
    with pytest.raises(StoreError, match="disk is full"):
        build.save(large)
    assert build.open(STORED) == view
    assert build.save(large).base == "RSI reversion@2"


# --- names, archive, files -------------------------------------------------------------------------


def test_a_renamed_algorithm_takes_its_drafts_along(build, manager):
    view = build.keep(edited(build.open(STORED), "# mine\n" + changed(build.open(STORED)).text))
    build.rename("RSI reversion", "Dips")
    moved = build.open("Dips@1")
    assert (moved.draft, moved.base, moved.is_changed) == ("draft of Dips@1", "Dips@1", True)
    assert moved.text == view.text.replace('"RSI reversion"', '"Dips"')
    assert moved.stored.startswith('name = "Dips"')
    # The former name still leads to it.
    assert build.open(STORED) == moved
    draft = manager.tests.open("draft of Dips@1")
    assert (draft.base, draft.changes) == ("Dips@1", ("entry.long.required[0]",))
    assert not manager.tests.open("Dips@1").is_changed
    manager.tests.keep(draft)
    assert build.open("Dips@1").text == moved.text
    assert build.save(moved).base == "Dips@2"
    assert [each.sentence for each in build.differences("Dips@1", "Dips@2")] == [
        "renamed: RSI reversion → Dips",
        "long entry: rsi(14) < 30 → 25",
    ]


def test_an_algorithm_that_was_only_renamed_is_not_changed(build, manager):
    build.rename("RSI reversion", "Dips")
    manager.tests.keep(manager.tests.open("Dips@1"))
    view = build.open("Dips@1")
    assert not view.is_changed
    assert build.save(view).base == "Dips@1"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("RSI reversion", "a@b", "not a name"),
        ("RSI reversion", "", "not a name"),
        ("nothing", "x", "no algorithm"),
        ("RSI reversion", "Other", "draft of Other"),
    ],
)
def test_a_name_that_cannot_be_given_is_refused(build, old, new, said):
    build.begin("supertrend", "Other")
    before = build.algorithms()
    with pytest.raises(WrongUseError, match=said):
        build.rename(old, new)
    assert build.algorithms() == before


def test_an_archived_algorithm_is_not_offered_but_stays_in_history(build, manager):
    build.archive("RSI reversion", archived=True)
    snapshot = manager.snapshot()
    assert [each.is_archived for each in snapshot.algorithms] == [True]
    assert snapshot.offered == ()
    assert snapshot.algorithm("RSI reversion", 1) is not None
    assert manager.tests.choices() == ()
    assert build.algorithms()[0].is_archived
    assert build.open(STORED).base == STORED
    build.archive("RSI reversion", archived=False)
    assert len(manager.snapshot().offered) == 1


def test_a_version_is_exported_and_imported_as_the_same(build, tmp_path):
    build.rename("RSI reversion", "Dips")
    file = tmp_path / "dips.toml"
    build.export_file("Dips@1", file)
    assert AlgorithmSpec.from_toml(file.read_text()).name == "Dips"
    assert build.import_file(file).base == "Dips@1"
    with pytest.raises(WrongUseError, match="there already"):
        build.export_file("Dips@1", file)
    with pytest.raises(FirstwatchError, match="cannot be written"):
        build.export_file("Dips@1", tmp_path / "nowhere" / "x.toml")
    file.write_text(file.read_text().replace("< 30", "< 25"))
    assert build.import_file(file).base == "Dips@2"
    file.write_text("name = ")
    with pytest.raises(WrongUseError, match="not valid TOML"):
        build.import_file(file)
    with pytest.raises(WrongUseError, match="cannot be read"):
        build.import_file(tmp_path)


def test_a_draft_is_compared_with_its_version(build):
    view = build.keep(edited(build.open(STORED), "# only the threshold\n" + changed(build.open(STORED)).text))
    (change,) = build.differences(STORED, view.draft)
    assert change.document() == {
        "place": "entry.long.required[0]",
        "kind": "changed",
        "before": "rsi(14) < 30",
        "after": "rsi(14) < 25",
    }
    for wrong, said in (
        (view.text.replace("rsi(14) < 25", "rsi(14) <"), "column 10"),
        ("name = ", "not valid"),
    ):
        view = build.keep(edited(view, wrong))
        with pytest.raises(WrongUseError, match=said):
            build.differences(STORED, view.draft)
    with pytest.raises(WrongUseError, match="no version"):
        build.differences(STORED, "RSI reversion@9")
