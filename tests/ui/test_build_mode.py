"""Build mode by keys: a text from a template, its mistakes, its picture, its versions, and the way onward."""

import asyncio
import stat
from pathlib import Path

import pytest
from textual import events
from textual.widgets import OptionList

from firstwatch.manager.build_views import TextView
from firstwatch.store import algorithms
from firstwatch.store.database import open_store
from firstwatch.store.drafts import find_draft, list_drafts
from firstwatch.strategy.specification import AlgorithmSpec, sample_toml
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.errors import StoreError
from firstwatch.trading.jobs import JobKind
from firstwatch.trading.toml_file import LONGEST_BYTES
from firstwatch.tui.controllers import texts
from firstwatch.tui.layout import Mode
from firstwatch.tui.modals.choice import ChoiceDialog
from firstwatch.tui.modals.confirm import ConfirmDialog, MessageDialog
from firstwatch.tui.modals.market import MarketDialog
from firstwatch.tui.modals.prompt import PromptDialog
from firstwatch.tui.panes.pane import PaneId
from firstwatch.tui.widgets.choice_list import ChoiceList
from firstwatch.tui.widgets.editor import Editor
from firstwatch.tui.widgets.status_lines import KeyLine
from tests.ui import bench_scene
from tests.ui.stage import Stage, stage
from tests.ui.test_test_mode import result

pytestmark = pytest.mark.usefixtures("no_pictures")
SMALL, MIDDLE, LARGE = (80, 24), (120, 40), (200, 60)
_LONG = 4_000
"""Looks for what other processes do."""


async def opened(on: Stage) -> None:
    """Go to Build mode and wait for what it reads."""
    await on.go_to(Mode.BUILD)
    await on.until(lambda: on.app.build.is_open, "what Build mode reads")


async def written(on: Stage) -> Editor:
    """Go to Build mode, wait for a text, and begin to write."""
    await opened(on)
    await on.until(lambda: on.app.build.text is not None and editor(on).text, "a text")
    await on.press("i")
    assert on.app.is_editing
    return editor(on)


def cursor_line(on: Stage) -> str:
    """Return the line in which the cursor is."""
    return editor(on).document.get_line(editor(on).cursor_location[0])


def editor(on: Stage) -> Editor:
    return on.app.mode_screen.query_one(Editor)


def choices(on: Stage) -> ChoiceList:
    return on.app.mode_screen.query_one(ChoiceList)


def text_of(on: Stage) -> TextView:
    text = on.app.build.text
    assert text is not None
    return text


async def point_behind(on: Stage, words: str) -> None:
    """Put the cursor behind words of the text."""
    before, found, _ = editor(on).text.partition(words)
    assert found, words
    line = before.count("\n")
    editor(on).move_cursor((line, len(before.rpartition("\n")[2]) + len(words)))
    await on.pilot.pause()


async def change(on: Stage, old: str, new: str) -> None:
    """Change words of the text by keys."""
    await point_behind(on, old)
    await on.press(*["backspace"] * len(old))
    await on.type(new)
    # Completion must not take what is typed for its own.
    await on.until(lambda: text_of(on).text == editor(on).text, "the text is looked at")


def versions(on: Stage) -> list[str]:
    store = open_store(on.home, read_only=True)
    try:
        with store.read() as session:
            return [each.label for each in algorithms.list_versions(session, damaged={})]
    finally:
        store.close()


def drafts(on: Stage) -> dict[str, str]:
    store = open_store(on.home, read_only=True)
    try:
        with store.read() as session:
            return {each.name: each.text for each in list_drafts(session)}
    finally:
        store.close()


def add_version(home: Path, threshold: int) -> None:
    """Store another version of the sample, as another program does."""
    spec = AlgorithmSpec.from_toml(sample_toml().replace("< 30", f"< {threshold}"))
    store = open_store(home)
    try:
        with store.write() as session:
            algorithms.add_version(session, spec.name, spec.canonical_json(), spec.sha256(), now_ms=1)
    finally:
        store.close()


# --- a new user's way --------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("size", [SMALL, MIDDLE], ids=["80x24", "120x40"])
async def test_from_a_template_to_a_test_and_a_run(home, size):
    settings = bench_scene.make(home, has_algorithm=False)
    async with stage(home, size=size, clock=SystemClock(), hosts_engine=True, settings=settings) as on:
        await opened(on)
        assert "There is no algorithm yet" in on.text()
        # It begins with a template.
        await on.press("n")
        await on.until(lambda: isinstance(on.app.screen, ChoiceDialog), "the templates")
        await on.type("rsi")
        await on.press("enter")
        assert isinstance(on.app.screen, PromptDialog)
        await on.press(*["backspace"] * 40)
        await on.type("My fade")
        await on.press("enter")
        await on.until(lambda: on.app.build.text is not None and "My fade" in editor(on).text, "the text")
        assert drafts(on)
        assert versions(on) == []
        # The chart follows a changed threshold.
        await on.until(lambda: on.app.build.preview is not None, "the picture", looks=_LONG)
        await on.press("i")
        await change(on, "< 30", "< 35")
        await on.until(
            lambda: on.app.build.preview.text == editor(on).text, "the picture of the new text", looks=_LONG
        )
        assert text_of(on).is_changed
        # A mistake is said with its place, and the picture is that of before.
        await change(on, "rsi(", "rs(")
        await on.until(lambda: text_of(on).problems, "the mistake")
        await on.press("escape")
        assert not on.app.is_editing
        assert "✘ line" in on.text()
        assert "rsi" in text_of(on).problems[0].sentence
        on.app.clear_notifications()
        await on.press("f5")
        assert not on.app.is_covered
        assert any("rs" in toast for toast in on.toasts())
        await on.press("i")
        await change(on, "rs(", "rsi(")
        await on.until(lambda: text_of(on).is_valid, "no mistake")
        # It is saved with a note.
        await on.press("ctrl+s")
        await on.until(lambda: isinstance(on.app.screen, PromptDialog), "the note")
        await on.type("first")
        await on.press("enter")
        await on.until(lambda: text_of(on).base == "My fade@1", "version 1")
        assert versions(on) == ["My fade@1"]
        assert not text_of(on).is_changed
        assert "< 35" in cursor_line(on), "where it was, although the comments above are gone"
        # The next one differs in meaning.
        await change(on, "< 35", "< 25")
        await on.press("ctrl+s")
        await on.until(lambda: isinstance(on.app.screen, PromptDialog), "the note")
        await on.press("enter")
        await on.until(lambda: text_of(on).base == "My fade@2", "version 2")
        await on.press("escape", "1")
        await on.until(lambda: "My fade@2" in on.text(), "the list")
        await on.press("space", "down", "D")
        await on.until(lambda: isinstance(on.app.screen, MessageDialog), "the differences")
        assert "< 35 → 25" in on.text()
        await on.press("escape", "2")
        # It is tested, and its run prepared.
        await on.press("f5")
        await on.until(lambda: on.app.mode is Mode.TEST, "Test mode")
        await result(on, JobKind.BACKTEST)
        assert on.app.bench.draft.base == "My fade@2"
        await on.press("0", "b")
        await on.until(lambda: on.app.mode is Mode.BUILD, "Build mode")
        await on.press("f6")
        await on.until(lambda: on.app.is_launching, "the launcher")
        assert on.app.draft.algorithm == "My fade@2"
        assert on.app.draft.symbol == text_of(on).setup.symbol


# --- writing -----------------------------------------------------------------------------------------


async def test_keys_are_text_while_it_is_written_and_act_after_escape(home, clock):
    settings = bench_scene.make(home)
    async with stage(home, size=MIDDLE, clock=clock, settings=settings) as on:
        text = await written(on)
        before = text.text
        await on.type("# snq")
        await on.press("enter")
        assert text.text == f"# snq\n{before}"
        assert not on.app.is_covered
        offered = str(on.app.mode_screen.query_one(KeyLine).render())
        for hint in ("f5 Test", "ctrl+s save", "esc stop writing"):
            assert hint in offered, offered
        await on.press("escape")
        assert not on.app.is_editing
        await on.press("x", "z")
        assert text.text == f"# snq\n{before}"
        await on.press("enter")
        assert on.app.is_editing


async def test_what_is_written_is_undone_and_done_again_by_keys_of_the_alphabet(home, clock):
    settings = bench_scene.make(home)
    async with stage(home, size=MIDDLE, clock=clock, settings=settings) as on:
        text = await written(on)
        before = text.text
        await on.type("#a")
        await press_with_alt(on, "u")
        assert text.text == before
        await press_with_alt(on, "r")
        assert text.text == f"#a{before}"
        await on.press("escape")
        await press_with_alt(on, "u")
        assert text.text == f"#a{before}"


async def press_with_alt(on: Stage, letter: str) -> None:
    """Press a key with alt as a terminal sends it: with the letter."""
    on.app.post_message(events.Key(f"alt+{letter}", letter))
    await on.pilot.pause()
    await on.pilot.pause()


async def test_tab_writes_spaces_and_ctrl_c_copies_and_does_not_quit(home, clock):
    settings = bench_scene.make(home)
    async with stage(home, size=MIDDLE, clock=clock, settings=settings) as on:
        text = await written(on)
        await on.press("tab")
        assert text.text.startswith("  ")
        assert "\t" not in text.text
        await on.press("home", "shift+right", "shift+right", "ctrl+c")
        assert on.app.clipboard == "  "
        assert on.app.is_running
        assert not on.app.is_covered
        await on.press("right", "ctrl+c")
        assert on.app.clipboard == text.document.get_line(0)


async def test_a_function_is_completed_from_its_second_letter_on(home, clock):
    settings = bench_scene.make(home)
    async with stage(home, size=MIDDLE, clock=clock, settings=settings) as on:
        text = await written(on)
        await change(on, "rsi(14)", "")
        await on.type("b")
        assert not choices(on).is_open
        await on.type("b")
        await on.until(lambda: choices(on).is_open, "the list")
        assert choices(on).chosen.label.startswith("bbands")
        await on.press("down", "up", "enter")
        assert not choices(on).is_open
        assert "bbands" in text.text
        assert on.app.is_editing
        # Escape closes the list first, then it leaves the text.
        await on.type(" + em")
        await on.until(lambda: choices(on).is_open, "the list")
        await on.press("escape")
        assert not choices(on).is_open
        assert on.app.is_editing
        await on.press("escape")
        assert not on.app.is_editing


async def test_enter_ends_the_line_where_nothing_is_left_to_complete(home, clock):
    settings = bench_scene.make(home)
    async with stage(home, size=MIDDLE, clock=clock, settings=settings) as on:
        text = await written(on)
        count = text.document.line_count
        await on.press("ctrl+end", "end")
        text.move_cursor(text.document.end)
        await on.type("[take_profit]")
        await on.until(lambda: text_of(on).text == text.text, "the text is looked at")
        await on.press("enter")
        assert text.document.line_count == count + 1


async def test_a_paste_is_cleaned_and_one_that_is_too_long_is_refused(home, clock):
    settings = bench_scene.make(home)
    async with stage(home, size=MIDDLE, clock=clock, settings=settings) as on:
        text = await written(on)
        before = text.text
        on.app.post_message(events.Paste("# a\tb\r\n# \x1b[31mred\x07\n"))
        await on.until(lambda: text.text != before, "the paste")
        assert text.text.startswith("# a  b\n# ")
        assert all(sign == "\n" or sign.isprintable() for sign in text.text)
        now = text.text
        on.app.post_message(events.Paste("# " + "x" * LONGEST_BYTES))
        await on.until(lambda: any("at most" in toast for toast in on.toasts()), "the refusal")
        assert text.text == now
        # In NAV a paste triggers nothing.
        await on.press("escape")
        on.app.post_message(events.Paste("sqn"))
        await on.pilot.pause()
        assert text.text == now
        assert not on.app.is_covered


async def kept(on, written_now):
    """Write at the beginning of the text, and wait until the draft is kept."""
    await on.type(written_now)
    await on.until(
        lambda: any(text.startswith(written_now) for text in drafts(on).values()), "the draft is kept"
    )


async def test_what_is_written_is_kept_at_the_next_pause(home):
    settings = bench_scene.make(home)
    async with stage(home, size=MIDDLE, clock=SystemClock(), settings=settings) as on:
        await written(on)
        await kept(on, "# mine")
        [name] = drafts(on)
        assert name == text_of(on).draft
        # What comes after the last pause is kept at the end.
        await on.type(" too")
    store = open_store(home, read_only=True)
    try:
        with store.read() as session:
            assert find_draft(session, name).text.startswith("# mine too")
    finally:
        store.close()


async def test_what_is_written_without_a_pause_is_kept_too(home, monkeypatch):
    monkeypatch.setattr(texts, "_PAUSE_S", 1_000.0)
    monkeypatch.setattr(texts, "_MOST_LOST_S", 0.05)
    settings = bench_scene.make(home)
    async with stage(home, size=MIDDLE, clock=SystemClock(), settings=settings) as on:
        await written(on)
        await kept(on, "# mine")


async def test_a_draft_that_cannot_be_kept_is_not_tried_at_each_key(home, monkeypatch):
    monkeypatch.setattr(texts, "_PAUSE_S", 1_000.0)
    monkeypatch.setattr(texts, "_MOST_LOST_S", 0.5)
    settings, tries = bench_scene.make(home), []
    async with stage(home, size=MIDDLE, clock=SystemClock(), settings=settings) as on:

        def refuse(view):
            tries.append(view.text)
            on.app.texts._unkept_since_s -= 1_000.0
            patch.setattr(texts, "_MOST_LOST_S", 900.0)
            raise StoreError("the disk is full")

        await written(on)
        with monkeypatch.context() as patch:
            patch.setattr(on.manager.build, "keep", refuse)
            await on.type("# mine")
            await on.until(lambda: any("disk is full" in toast for toast in on.toasts()), "the reason")
            await on.type(" too")
            await on.pilot.pause(0.1)
            assert len(tries) == 1


# --- saving ------------------------------------------------------------------------------------------


async def test_a_version_that_was_saved_meanwhile_is_said_and_both_stay(home, clock):
    settings = bench_scene.make(home)
    async with stage(home, size=MIDDLE, clock=clock, settings=settings) as on:
        await written(on)
        await change(on, "< 30", "< 20")
        add_version(home, 40)
        await on.press("ctrl+s")
        await on.press("enter")
        await on.until(lambda: isinstance(on.app.screen, ChoiceDialog), "the question")
        assert "@2 is newer" in on.text()
        await on.press("enter")
        await on.until(lambda: isinstance(on.app.screen, MessageDialog), "the differences")
        assert "40" in on.text()
        assert "20" in on.text()
        await on.press("escape")
        await on.until(lambda: isinstance(on.app.screen, ChoiceDialog), "the question again")
        await on.press("down", "enter")
        await on.until(lambda: text_of(on).base.endswith("@3"), "version 3")
        assert [label.rpartition("@")[2] for label in versions(on)] == ["1", "2", "3"]


async def test_a_disk_that_is_full_keeps_the_text_and_says_so(home, clock, monkeypatch):
    settings = bench_scene.make(home)
    async with stage(home, size=MIDDLE, clock=clock, settings=settings) as on:
        text = await written(on)
        await change(on, "< 30", "< 20")
        before = text.text

        def full(*_args, **_kwargs):
            raise StoreError("The disk is full: nothing was saved.")

        monkeypatch.setattr(on.manager.build, "save", full)
        await on.press("ctrl+s", "enter")
        await on.until(lambda: any("disk is full" in toast for toast in on.toasts()), "the sentence")
        assert text.text == before
        assert before in drafts(on).values()


async def test_a_draft_is_discarded_after_a_question(home, clock):
    settings = bench_scene.make(home)
    async with stage(home, size=MIDDLE, clock=clock, settings=settings) as on:
        text = await written(on)
        await change(on, "< 30", "< 20")
        await on.press("escape", "d")
        assert isinstance(on.app.screen, ConfirmDialog)
        await on.press("y")
        await on.until(lambda: "< 30" in text.text and not text_of(on).is_changed, "the stored version")


# --- the algorithms ----------------------------------------------------------------------------------


async def test_algorithms_are_noted_renamed_archived_and_shown_again_by_keys(home, clock):
    settings = bench_scene.make(home)
    async with stage(home, size=LARGE, clock=clock, settings=settings) as on:
        await opened(on)
        await on.press("1")
        await on.until(lambda: on.app.build.version is not None, "the version under the cursor")
        await on.press("e")
        await on.type("as it came")
        await on.press("enter")
        await on.until(lambda: "as it came" in on.text(), "the note")
        await on.press("R", *["backspace"] * 40)
        await on.type("Fade")
        await on.press("enter")
        await on.until(lambda: "Fade@1" in on.text(), "the new name")
        await on.until(lambda: text_of(on).base == "Fade@1", "the text has it, too")
        await on.press("1", "A")
        assert isinstance(on.app.screen, ConfirmDialog)
        await on.press("y")
        await on.until(lambda: on.app.build.algorithms[0].is_archived, "it is archived")
        assert "1 archived: h" in on.text()
        await on.press("h")
        await on.until(lambda: on.app.build.version is not None, "it is shown")
        await on.press("A")
        await on.until(lambda: not on.app.build.algorithms[0].is_archived, "it is offered again")


async def test_a_version_is_written_to_a_file_and_a_file_becomes_one(home, clock, tmp_path):
    settings = bench_scene.make(home)
    async with stage(home, size=MIDDLE, clock=clock, settings=settings) as on:
        await opened(on)
        await on.press("1")
        await on.until(lambda: on.app.build.version is not None, "the version under the cursor")
        path = tmp_path / "mine.toml"
        await on.press("E", *["backspace"] * 60)
        await on.type(str(path))
        await on.press("enter")
        await on.until(path.exists, "the file")
        path.write_text(path.read_text().replace("< 30", "< 22"))
        await on.press("I")
        await on.type(str(path))
        await on.press("enter")
        await on.until(lambda: len(versions(on)) == 2, "the version")
        await on.until(lambda: "< 22" in editor(on).text, "it is opened")
        assert on.app.mode_screen.front is PaneId.EDITOR
        await on.press("I")
        await on.type(str(tmp_path / "nothing.toml"))
        await on.press("enter")
        await on.until(lambda: any("nothing.toml" in toast for toast in on.toasts()), "the refusal")


# --- another program ---------------------------------------------------------------------------------


async def test_the_text_goes_to_another_editor_and_comes_back(home, clock, tmp_path, monkeypatch):
    settings = bench_scene.make(home)
    script(tmp_path / "editor", "sed -i 's/< 30/< 21/' \"$1\"")
    monkeypatch.setenv("VISUAL", str(tmp_path / "editor"))
    async with stage(home, size=MIDDLE, clock=clock, settings=settings) as on:
        text = await written(on)
        monkeypatch.setattr(type(on.app), "run_in_terminal", run_here)
        await on.press("f4")
        await on.until(lambda: "< 21" in text.text, "what it has written")
        await on.until(lambda: text_of(on).is_changed, "the text is looked at")
        await press_with_alt(on, "u")
        assert "< 30" in text.text


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("exit 3", "ended with code 3"),
        ("kill -9 $$", "ended by signal 9"),
        ('rm "$1"', "left no text"),
        ("printf '\\377' > \"$1\"", "not UTF-8"),
        ('head -c 2000000 /dev/zero > "$1"', "longer than"),
    ],
    ids=["fails", "is-killed", "removes-it", "no-text", "too-long"],
)
async def test_whatever_another_editor_does_the_text_stays(home, clock, tmp_path, monkeypatch, body, said):
    settings = bench_scene.make(home)
    script(tmp_path / "editor", body)
    monkeypatch.setenv("VISUAL", str(tmp_path / "editor"))
    async with stage(home, size=MIDDLE, clock=clock, settings=settings) as on:
        text = await written(on)
        monkeypatch.setattr(type(on.app), "run_in_terminal", run_here)
        await on.type("# mine")
        before = text.text
        await on.press("f4")
        await on.until(lambda: any(said in toast for toast in on.toasts()), said)
        assert text.text == before


@pytest.mark.parametrize(("name", "said"), [("", "No editor is named"), ("vi 'x", "no command")])
async def test_an_editor_that_is_not_named_is_said(home, clock, monkeypatch, name, said):
    settings = bench_scene.make(home)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", name)
    async with stage(home, size=MIDDLE, clock=clock, settings=settings) as on:
        await written(on)
        await on.press("f4")
        await on.until(lambda: any(said in toast for toast in on.toasts()), said)


def script(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


async def run_here(_app: object, command: list[str]) -> int:
    """Run a program as the app does on a terminal, which a test has not."""
    process = await asyncio.create_subprocess_exec(*command)
    return await process.wait()


# --- the market and the picture ----------------------------------------------------------------------


@pytest.mark.slow
async def test_the_condition_under_the_cursor_and_another_market_reach_the_picture(home, clock):
    settings = bench_scene.make(home)
    async with stage(home, size=MIDDLE, clock=clock, settings=settings) as on:
        await written(on)
        await on.until(lambda: on.app.build.preview is not None, "the picture", looks=_LONG)
        await point_behind(on, '"rsi(14) <')
        await on.until(
            lambda: on.app.build.preview.condition.startswith("rsi(14) <"), "the condition", looks=_LONG
        )
        assert on.app.build.preview.holds.any()
        await on.until(lambda: "─ rsi(14) < 30 ─╯" in on.text(), "its name below the chart")
        await on.press("escape", "m")
        assert isinstance(on.app.screen, MarketDialog)
        await on.press("down", "down", "right", "y")
        await on.until(lambda: text_of(on).setup.period == "365", "another period")
        await on.until(lambda: on.app.build.preview is not None, "the picture", looks=_LONG)
        await on.press("m", "enter")
        await on.until(lambda: isinstance(on.app.screen, ChoiceDialog), "the markets")
        await on.type("NO/USDC:USDC")
        await on.press("enter", "y")
        await on.until(lambda: on.app.build.problem, "the sentence", looks=_LONG)
        assert "NO/USDC" in on.text()


# --- the screen --------------------------------------------------------------------------------------


async def test_a_read_only_screen_reads_texts_and_writes_none(home, clock):
    settings = bench_scene.make(home)
    async with stage(home, size=MIDDLE, clock=clock, settings=settings, is_read_only=True) as on:
        await opened(on)
        await on.until(lambda: on.app.build.text is not None, "the text")
        before = editor(on).text
        await on.press("enter", "x")
        assert not on.app.is_editing
        for key in ("i", "s", "n", "m", "d", "f4", "f5", "f6", "I"):
            on.app.clear_notifications()
            await on.press(key)
            assert not on.app.is_covered, key
            assert any("--read-only" in toast for toast in on.toasts()), key
        assert editor(on).text == before
        assert drafts(on) == {}


@pytest.mark.parametrize("size", [SMALL, MIDDLE, LARGE], ids=["80x24", "120x40", "200x60"])
async def test_panes_are_reached_by_their_numbers_and_modes_by_their_letters(home, clock, size):
    settings = bench_scene.make(home)
    async with stage(home, size=size, clock=clock, settings=settings) as on:
        await opened(on)
        screen = on.app.mode_screen
        for key, pane in (("1", PaneId.ALGORITHMS), ("3", PaneId.PREVIEW), ("2", PaneId.EDITOR)):
            await on.press(key)
            assert screen.front is pane
            await on.press(key)
            assert screen.is_maximised is (size is not SMALL)
            await on.press("escape")
            assert not screen.is_maximised
        for letter, mode in (("t", Mode.TEST), ("b", Mode.BUILD), ("r", Mode.RUN), ("b", Mode.BUILD)):
            await on.press("0", letter)
            await on.until(lambda mode=mode: on.app.mode is mode, mode.label)


async def test_an_empty_folder_leads_from_run_mode_to_a_template(home, clock):
    settings = bench_scene.make(home, has_algorithm=False)
    async with stage(home, size=SMALL, clock=clock, settings=settings) as on:
        await on.until(lambda: "G shows the way to your first run" in on.text(), "where to begin")
        await opened(on)
        assert "n begins one from a template" in on.text()
        for key in ("s", "f5", "f6", "d", "m"):
            on.app.clear_notifications()
            await on.press(key)
            assert any("n begins one" in toast for toast in on.toasts()), key


async def test_a_text_full_of_markup_and_marks_is_shown_as_it_is(home, clock):
    settings = bench_scene.make(home)
    async with stage(home, size=MIDDLE, clock=clock, settings=settings) as on:
        text = await written(on)
        await on.type('x = "[bold]$(reboot)[/bold]"')
        await on.until(lambda: text_of(on).problems, "the mistake")
        assert "[bold]$(reboot)[/bold]" in on.text()
        assert text.text.startswith('x = "[bold]')


# --- pictures ----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("size", [SMALL, MIDDLE, LARGE], ids=["80x24", "120x40", "200x60"])
async def test_text_chart_and_mistake_are_pictured(home, clock, snap_step, size):
    settings = bench_scene.make(home)
    named = f"{size[0]}x{size[1]}"
    async with stage(home, size=size, clock=clock, settings=settings) as on:
        await written(on)
        await point_behind(on, '"rsi(14) <')
        await on.until(
            lambda: (seen := on.app.build.preview) is not None and seen.condition,
            "the condition",
            looks=_LONG,
        )
        await on.press("escape", *(["3"] if size is SMALL else []))
        on.app.clear_notifications()
        await on.until(lambda: "condition" in on.text(), "the chart")
        await snap_step(on, f"chart-{named}")
        await on.press(*(["2"] if size is SMALL else []), "i")
        await change(on, "rsi(", "rs(")
        await on.press("backspace")
        await on.until(lambda: choices(on).is_open, "the list")
        await on.until(lambda: on.app.build.lists(text_of(on).draft), "the draft among the algorithms")
        await snap_step(on, f"mistake-{named}")


@pytest.mark.slow
async def test_templates_and_differences_are_pictured(home, clock, snap_step):
    settings = bench_scene.make(home)
    add_version(home, 25)
    async with stage(home, size=SMALL, clock=clock, settings=settings) as on:
        await opened(on)
        await on.press("n")
        await on.until(lambda: isinstance(on.app.screen, ChoiceDialog), "the templates")
        await snap_step(on, "templates-80x24")
        # The arrow keys move in the list while the search has the focus, on a low screen too.
        body, options = on.app.screen.query_one(".dialog-body"), on.app.screen.query_one(OptionList)
        assert body.max_scroll_y == 0
        await on.press("down", "down", "down", "up")
        assert options.highlighted == 2
        await on.press("escape", "1")
        await on.until(lambda: on.app.build.version is not None, "the version under the cursor")
        await on.press("space", "down", "D")
        await on.until(lambda: isinstance(on.app.screen, MessageDialog), "the differences")
        await snap_step(on, "differences-80x24")
