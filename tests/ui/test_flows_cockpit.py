"""Flows of a working day: first start, a phone, several runs, broken settings, every theme and size."""

import inspect
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from textual.events import Paste
from textual.widgets import Input

import tests.ui
from firstwatch.settings import Settings
from firstwatch.trading.commands import ClosePosition, PauseEntries, StopRun
from firstwatch.trading.runs import StopMode
from firstwatch.tui.actions import ACTIONS, Severity
from firstwatch.tui.modals.alarms import AlarmsDialog
from firstwatch.tui.modals.choice import ChoiceDialog
from firstwatch.tui.modals.confirm import ConfirmDialog
from firstwatch.tui.modals.prompt import PromptDialog
from firstwatch.tui.modals.stop import StopRunDialog
from firstwatch.tui.panes.pane import PaneId
from firstwatch.tui.panes.performance import PerformancePage
from firstwatch.tui.state import pasted
from firstwatch.tui.themes import load_themes, theme_folder
from firstwatch.tui.widgets.status_lines import HeadLine, KeyLine, StatusLine
from firstwatch.tui.widgets.tab_strip import TabStrip
from firstwatch.tui.widgets.table import KeyedTable
from tests.ui import scenes
from tests.ui.stage import Stage, stage

TINY, SMALL, MIDDLE, LARGE = (40, 16), (80, 24), (120, 40), (200, 60)
SIZES = (TINY, (60, 16), SMALL, (120, 24), MIDDLE, LARGE)
THEMES = [theme.name for theme in load_themes(theme_folder()).usable]


def rows_of_index(text: str) -> dict[str, list[Callable[..., object]]]:
    """Return the tests of each flow of a part of the index."""
    rows: dict[str, list[Callable[..., object]]] = {}
    for name, module, test in re.findall(r"^(\S.*?)?\s+(\w+)::(test_\w+)", text, re.MULTILINE):
        package = "pty" if module == "test_terminal" else "ui"
        found = getattr(import_module(f"tests.{package}.{module}"), test)
        rows.setdefault(name or list(rows)[-1], []).append(found)
    return rows


def test_each_flow_of_the_index_asserts_the_commands_and_takes_a_picture():
    flows, _, others = inspect.getdoc(tests.ui).partition("Beside them")
    assert len(rows_of_index(others)) > 3
    rows = rows_of_index(flows)
    assert len(rows) == 16
    for name, found in rows.items():
        assert any("commands()" in inspect.getsource(test) for test in found), name
        assert any("snap_step(" in inspect.getsource(test) for test in found), name


def test_there_are_few_enough_pictures_to_look_at_each():
    pictures = list((Path(__file__).parent / "__snapshots__").rglob("*.svg"))
    assert 100 < len(pictures) <= 150


def words(on: Stage) -> str:
    """Return what stands on the screen in one line, without frames and where lines are wrapped."""
    return " ".join(" ".join(re.sub("[│╭╮╰╯─▌▏▁▂▃▄▅▆▇█]", " ", on.text()).split()).split())


def table_of(on: Stage, tab: str = "Active") -> KeyedTable:
    return on.app.run_screen.query_one(f"#{tab}-table", KeyedTable)


async def click(on: Stage, widget, x: int, y: int = 0) -> None:
    await on.pilot.click(widget, offset=(x, y))
    await on.pilot.pause()


# --- first start -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [SMALL, MIDDLE], ids=["80x24", "120x40"])
async def test_a_first_start_says_what_to_do_first(home, clock, snap_step, size):
    scenes.new_store(home).close()
    with scenes.attached(home, clock):
        async with stage(home, size=size, clock=clock) as on:
            await on.ready()
            await on.until(lambda: "G shows the way to your first run" in on.text(), "the empty list")
            await on.settle()
            await snap_step(on, f"empty-{size[0]}x{size[1]}")
            # No key does anything to a run that is not there, and each says so.
            await on.press("p", "s", "x", "a", "E", "D")
            assert not on.app.is_covered
            assert len(on.app.notices) == 6
            on.app.clear_notifications()
            await on.press("n")
            await on.until(lambda: "NEXT" in on.text(), "the launcher")
            assert "Store an algorithm: 0, then b, begins one" in words(on)
            await on.press("escape", "1")
            assert "No wallet yet. Press w to create one." in on.text()
            await on.press("w")
            await on.type("first")
            await on.press("enter")
            await on.until(lambda: on.app.snapshot.wallet("first"), "the wallet")
            await on.until(lambda: on.app.selected_wallet == "first", "it is chosen")
            assert on.commands() == []


# --- acting ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "typed", "mode"),
    [
        ("l", "", StopMode.LEAVE),
        ("x", "", StopMode.CLOSE),
        ("u", "RSI reversion@1", StopMode.LEAVE_UNPROTECTED),
    ],
    ids=["leave", "close", "leave-unprotected"],
)
async def test_each_stop_mode_says_what_it_leaves_and_is_sent(home, clock, key, typed, mode):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock) as on:
            await on.ready()
            await on.press("s")
            for sentence in (
                "Left: long 0.025611 BTC from 96,204.25, stop 92,155.58; stop and target stay",
                "is closed at market, protection goes last: flat",
                "WITHOUT any protection",
            ):
                assert sentence in words(on)
            await on.press(key)
            if typed:
                assert on.commands() == []
                await on.type(typed)
                await on.press("enter")
            await on.until(on.commands, "a command")
            assert [stored.command for stored in on.commands()] == [StopRun(run_id=scenes.LIVE, mode=mode)]


@pytest.mark.parametrize(
    ("key", "answer", "kind", "command"),
    [
        ("p", "y", ConfirmDialog, PauseEntries(run_id=scenes.run_number(2))),
        ("s", "x", StopRunDialog, StopRun(run_id=scenes.run_number(2), mode=StopMode.CLOSE)),
        ("x", "y", ConfirmDialog, ClosePosition(run_id=scenes.run_number(2))),
    ],
    ids=["pause", "stop", "close"],
)
async def test_on_a_phone_a_run_with_real_money_is_handled_from_a_wrapped_dialog(
    home, clock, snap_step, key, answer, kind, command
):
    scenes.many_runs(home, 2, real=2)
    with scenes.attached(home, clock):
        async with stage(home, size=TINY, clock=clock) as on:
            await on.ready()
            await on.press(key)
            assert isinstance(on.app.screen, kind)
            await on.settle()
            if key != "p":
                # The same dialog as that of a close.
                await snap_step(on, f"{kind.__name__}-{key}")
            seen = words(on)
            for part in ("RSI reversion@1", "w2 (LIVE)", scenes.run_number(2)):
                assert part in seen, seen
            await on.press(answer)
            await on.until(on.commands, "a command")
            assert [stored.command for stored in on.commands()] == [command]


async def test_on_a_phone_nothing_can_be_started_and_no_key_offers_it(home, clock, snap_step):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=TINY, clock=clock) as on:
            await on.ready()
            offered = " ".join(str(on.app.run_screen.query_one(KeyLine).render()).split())
            assert "s Stop" in offered
            for hint in ("New run", "Again", "Resume", "Start"):
                assert hint not in offered
            await on.settle()
            await snap_step(on, "offered")
            await on.press("n", "a", "b", "2", "g", "c", "1", "w", "f", "i", "3", "h", "a", "r")
            assert not on.app.is_covered
            assert not on.app.is_launching
            assert on.commands() == []
            titles = {on_palette.title for on_palette in on.app.get_system_commands(on.app.screen)}
            starting = {each.title for each in ACTIONS if not each.fits_any_size}
            assert {"run: New", "run: Start", "wallet: Create", "run: Resume entries"} <= starting
            assert not titles & starting


async def test_several_runs_are_marked_counted_and_paused(home, clock, snap_step):
    scenes.many_runs(home, 4, real=1)
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock) as on:
            await on.ready()
            await on.press("space", "down", "space", "down", "down", "space")
            assert "3 marked runs" in on.text()
            assert "p Pause 3" in on.text()
            await on.press("p")
            await on.settle()
            await snap_step(on, "asked")
            assert "3 runs: 1 LIVE, 2 PAPER" in words(on)
            await on.press("y")
            await on.until(lambda: len(on.commands()) == 3, "three commands")
            wanted = {PauseEntries(run_id=scenes.run_number(number)) for number in (4, 3, 1)}
            assert {stored.command for stored in on.commands()} == wanted


# --- looking -----------------------------------------------------------------------------------------


async def test_a_frozen_and_a_read_only_screen_say_so(home, clock, snap_step):
    scenes.with_alarm(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock, is_read_only=True) as on:
            await on.ready()
            await on.press("F")
            clock.advance(61_000)
            await on.until(lambda: "FROZEN 61 s" in on.text(), "the badge")
            # Nobody beats while the clock jumps: the manager finds that out at its next look.
            await on.until(lambda: "engine silent" in on.text(), "the old heartbeat")
            assert "READ ONLY" in on.text()
            await on.settle()
            await snap_step(on, "frozen-read-only")
            refused = [each for each in ACTIONS if each.severity is not Severity.VIEW]
            for action in refused:
                on.app.action_perform(action.id)
            assert not on.app.is_covered
            assert on.commands() == []
            assert len(refused) > 15


async def test_a_list_is_filtered_and_sorted_and_says_both(home, clock, snap_step):
    scenes.many_runs(home, 12)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            await on.press("down", "down", "/")
            chosen = on.app.selected_run
            await on.type("w1")
            await on.press("enter")
            head = next(line for line in on.text().splitlines() if "algorithm" in line and "wallet" in line)
            table = table_of(on)
            await click(on, table, head.index("wallet") - table.region.x)
            assert [row.key.value for row in table.ordered_rows] == [
                scenes.run_number(number) for number in (1, 10, 11, 12)
            ]
            assert on.app.selected_run == table.cursor_key == chosen == scenes.run_number(10)
            await on.settle()
            await snap_step(on, "sorted")
            assert "walle↑" in on.text()
            assert "4 of 12" in on.text()


async def test_a_filter_that_is_asked_for_twice_at_once_is_one(home, clock):
    scenes.many_runs(home, 12)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            await on.press("down")
            # The second key comes before the first one's line is made.
            on.app.lists.filter()
            on.app.lists.filter()
            await on.type("w12")
            assert "1 of 12" in on.text()


async def test_two_runs_are_laid_over_each_other_by_a_mark(home, clock, snap_step):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            await on.press("4", "[")
            await on.until(lambda: "Mark another run in Run Info" in on.text(), "how it is done")
            await on.press("3", "h", "down")
            await on.until(lambda: on.app.selected_run == scenes.DONE, "the ended run")
            await on.press("space", "h", "down")
            await on.until(lambda: on.app.selected_run == scenes.LIVE, "the live run")
            await on.until(lambda: on.app.beside_run == scenes.DONE, "the other one")
            await on.until(lambda: on.app.snapshot.beside is not None, "its details")
            page = on.app.run_screen.query_one(PerformancePage)
            await on.until(lambda: "2 ╌ 0f1e RSI reversion@1 on spare" in on.text(), "both names")
            assert "1 ━ a1b2 RSI reversion@1 on demo" in on.text()
            await on.press("4", "4")
            await on.settle()
            await snap_step(on, "overlay")
            assert page.table.id == "two-parts-table"
            [line] = [line for line in on.text().splitlines() if "signal" in line]
            # Both have that trade.
            assert line.count("+61.20") == 2
            # Without the mark there is no other run any more.
            await on.press("4", "3", "h", "down", "space", "h", "down")
            await on.until(lambda: on.app.selected_run == scenes.LIVE, "the live run")
            assert on.app.beside_run is None
            await on.press("4")
            await on.until(lambda: page.table.id == "parts-table", "one run")


async def test_streams_that_are_late_stand_behind_the_key_of_the_alarms(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock) as on:
            await on.ready()
            await on.press("!")
            assert not on.app.is_covered
            assert any("no stream is late" in toast for toast in on.toasts())
            assert on.app.notices[-1].title == "Alarms"
            scenes.silence(home, bars_ms=5 * scenes.HOUR_MS, mark_ms=59_000)
            await on.until(lambda: "bars 5 h" in on.text(), "the worst stream in the head")
            await click(on, on.app.run_screen.query_one(HeadLine), 30)
            assert "bars of a1b2 on demo: nothing for 5 h" in on.text()
            assert "mark of a1b2" not in on.text()


# --- words in passing --------------------------------------------------------------------------------


async def test_a_notice_covers_no_dialog_and_is_read_again(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock) as on:
            await on.ready()
            await on.press("x")
            assert isinstance(on.app.screen, ConfirmDialog)
            before = on.text().splitlines()[:-1]
            on.app.notify("Its entries are paused", title="pause entries")
            await on.pilot.pause()
            assert on.text().splitlines()[:-1] == before
            assert "Its entries are paused" in on.text().splitlines()[-1]
            clock.advance(9_000)
            await on.until(lambda: "Its entries" not in on.text(), "the notice goes")
            await on.press("escape", "N")
            assert "pause entries: Its entries are paused" in on.text()
            assert "01-01 11:04:00" in on.text()


# --- settings, themes, sizes -------------------------------------------------------------------------


async def test_broken_settings_are_said_and_the_rest_works(home, clock, snap_step):
    scenes.busy_day(home)
    (home / "themes").mkdir()
    (home / "themes" / "mine.toml").write_text('name = "mine"\nprimary = "bluish"\n', encoding="utf-8")
    keymap = {"run.stop": "p", "run.sotp": "s", "view.info": "enter", "run.pause": "Z"}
    settings = Settings(home=home, refresh_hz=20, theme="gone", keymap=keymap)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock, settings=settings) as on:
            await on.ready()
            said = "\n".join(on.toasts())
            for part in ("mine.toml", '"gone"', 'there is no action "run.sotp"', '"enter" cannot be used'):
                assert part in said, said
            on.app.clear_notifications()
            await on.settle()
            await snap_step(on, "other-keys")
            await on.press("s")
            assert not on.app.is_covered
            await on.press("p")
            assert isinstance(on.app.screen, StopRunDialog)
            await on.press("escape", "Z")
            await on.until(on.commands, "a command")
            assert on.commands()[0].command == PauseEntries(run_id=scenes.LIVE)
            await on.press("N")
            assert 'there is no action "run.sotp"' in words(on)


async def test_every_theme_is_chosen_by_its_name(home, clock, snap_step):
    scenes.with_alarm(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock) as on:
            await on.ready()
            for place, name in enumerate(THEMES):
                await on.press("t", "home", *("down",) * place, "enter")
                assert not on.app.is_covered
                assert on.app.theme == name
                await on.settle()
                await snap_step(on, name)
            assert on.commands() == []


@pytest.mark.parametrize("size", SIZES, ids=[f"{width}x{height}" for width, height in SIZES])
async def test_every_size_names_money_alarm_run_and_how_to_leave(home, clock, snap_step, size):
    scenes.with_alarm(home)
    with scenes.attached(home, clock):
        async with stage(home, size=size, clock=clock) as on:
            await on.ready()
            await on.until(lambda: "a1b2" in on.text(), "the run")
            await on.settle()
            await snap_step(on, f"{size[0]}x{size[1]}")
            assert all(len(line) <= size[0] for line in on.text().splitlines())
            for part in ("PAPER", "1 ALARM", "a1b2", "demo", "q Quit", "? Help"):
                assert part in on.text(), part
            assert on.commands() == []


# --- mouse, paste, resize ----------------------------------------------------------------------------


async def test_alarms_heads_and_tabs_are_clicked(home, clock):
    scenes.with_alarm(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            screen = on.app.run_screen
            for line in (HeadLine, StatusLine):
                await click(on, screen.query_one(line), 100)
                assert isinstance(on.app.screen, AlarmsDialog)
                await on.press("escape")
            for strip in screen.query(TabStrip):
                for tab in strip._tabs:
                    await click(on, strip, str(strip.render()).index(tab))
                    assert strip.chosen == tab
            # A click into a pane brings it to the front, and acts on nothing.
            wallets = screen.query_one("#wallets-table", KeyedTable)
            await click(on, wallets, 3, 2)
            assert screen.front is PaneId.WALLETS
            assert on.app.selected_wallet == str(wallets.ordered_rows[1].key.value)
            events = screen.query_one("#events-table", KeyedTable)
            await click(on, events, 3, 0)
            assert screen.front is PaneId.JOURNAL
            assert on.commands() == []


PASTE = "\n\ns p\x1b[31mx\u202eq\td\r\nsecond line\n"


async def test_a_pasted_text_fires_nothing_and_lands_cleaned_in_a_field(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()

            async def paste(text: str = PASTE) -> None:
                on.app.post_message(Paste(text))
                await on.pilot.pause()

            for number in "12345":
                await on.press(number)
                await paste()
                assert not on.app.is_covered
                assert on.app.focused is not None
            await on.press("3", "x")
            await paste("y")
            assert isinstance(on.app.screen, ConfirmDialog)
            await on.press("escape", "S")
            await paste("\n")
            assert isinstance(on.app.screen, ChoiceDialog)
            await on.press("escape", "1", "w")
            await paste()
            assert isinstance(on.app.screen, PromptDialog)
            assert on.app.screen.query_one(Input).value == "s p�[31mx�q d"
            await on.press("escape", "3", "/")
            await paste()
            assert table_of(on).filter_text == "s p�[31mx�q d"
            await on.press("escape", "n", "down", "down", "down", "enter")
            await paste(" 1,500 \n")
            await on.press("enter")
            assert on.app.draft.capital == "1,500"
            assert on.commands() == []


def test_a_paste_is_bounded_and_keeps_the_lines_of_a_text():
    assert pasted("\n\r\na = 1\r\nb\x07 = 2\n") == "a = 1\nb� = 2"
    assert len(pasted("x" * 10_000_000)) < 50_000
    assert pasted("\n \n") == " "


async def test_a_resize_to_a_phone_and_back_keeps_marks_filter_sort_tab_and_focus(home, clock):
    scenes.many_runs(home, 12)
    with scenes.attached(home, clock):
        async with stage(home, size=LARGE, clock=clock) as on:
            await on.ready()
            table = table_of(on)
            await on.press("down", "space", "down", "space", "down", "/")
            await on.type("w1")
            await on.press("enter")
            table.sort_by(3)
            await on.press("4", "]", "]", "3")
            before = on.app.selected_run, table.cursor_key, table.marked, table.counts, table.sorted_by
            screen = on.app.run_screen
            for size in ((40, 10), TINY, SMALL, (40, 10), LARGE):
                await on.pilot.resize_terminal(*size)
                await on.pilot.pause()
                now = on.app.selected_run, table.cursor_key, table.marked, table.counts, table.sorted_by
                assert now == before
                assert screen.front is PaneId.INFO
                assert on.app.focused is table
            assert screen.pane(PaneId.METRICS).seen == "Chart"
            assert not on.app.is_covered
            assert on.commands() == []
            await on.press("p")
            await on.until(lambda: on.app.is_covered or on.commands(), "the marked runs are asked for")


async def test_sentences_name_the_keys_as_the_settings_have_them(home, clock):
    scenes.busy_day(home)
    keymap = {
        "run.new": "I",
        "run.again": "U",
        "view.scope": "Z",
        "view.order_changes": "u",
        "view.history": "R",
    }
    settings = Settings(home=home, refresh_hz=20, keymap=keymap)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock, settings=settings) as on:
            await on.ready()
            said = words(on)
            for part in ("I new run", "U again with changes", "Z this run", "u orders", "ended: R"):
                assert part in said, said
            await on.press("2", "g")
            await on.until(lambda: "Open the launcher first (I)" in "\n".join(on.toasts()), "the way to it")
