"""The arrangement at each size: what is there, what keys and mouse do, and what a resize keeps."""

from dataclasses import fields, replace

import pytest

from firstwatch.manager.snapshot import empty_snapshot
from firstwatch.manager.views import EngineWhere, RunView
from firstwatch.store.journal import append_events
from firstwatch.trading.account import MoneyKind
from firstwatch.trading.commands import ClosePosition, PauseEntries, StopRun
from firstwatch.trading.events import Noted
from firstwatch.trading.runs import Author, RunState, StopMode
from firstwatch.trading.timeframe import Timeframe
from firstwatch.tui.layout import Layout, Mode, layout_for
from firstwatch.tui.modals.confirm import ConfirmDialog
from firstwatch.tui.modals.stop import StopRunDialog
from firstwatch.tui.panes.pane import PaneId
from firstwatch.tui.stream_text import late_lines, worst_stream
from firstwatch.tui.widgets.status_lines import HeadLine, KeyHint, KeyLine
from firstwatch.tui.widgets.tab_strip import TabStrip
from firstwatch.tui.widgets.table import KeyedTable
from tests.ui import scenes, working_day
from tests.ui.stage import Stage, stage

TINY, SMALL, LOW, MIDDLE, LARGE = (40, 16), (80, 24), (140, 30), (120, 40), (200, 60)


@pytest.mark.parametrize(
    ("size", "layout"),
    [
        ((59, 40), Layout.TINY),
        ((200, 15), Layout.TINY),
        ((60, 16), Layout.LIST),
        ((80, 24), Layout.LIST),
        ((119, 60), Layout.LIST),
        ((120, 24), Layout.LEFT),
        ((120, 40), Layout.SPLIT),
        ((200, 60), Layout.SPLIT),
    ],
)
def test_the_layout_follows_the_size(size, layout):
    assert layout_for(*size) is layout


PANES = {each for each in PaneId if each.mode is Mode.RUN}


def shown(on: Stage) -> set[PaneId]:
    """Return the panes that have room on the screen."""
    screen = on.app.run_screen
    return {each for each in PANES if screen.pane(each).is_on_screen and screen.pane(each).size.height > 0}


def height_of(on: Stage, pane_id: PaneId) -> int:
    return on.app.run_screen.pane(pane_id).outer_size.height


async def click(on: Stage, widget, x: int, y: int = 0) -> None:
    await on.pilot.click(widget, offset=(x, y))
    await on.pilot.pause()


async def test_master_and_detail_with_what_happened_below(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            await on.until(lambda: "1 Run Wallets" in on.text(), "the panes")
            assert shown(on) == PANES
            for title in ("1 Run Wallets", "2 Run Configuration", "3 Run Info", "4 Run Metrics"):
                assert title in on.text()
            assert "5 What happened · venue time" in on.text()
            assert "last  01-01 07:00 enter long 96,204.25" in on.text()
            # The form is folded: the run's own settings are in its place.
            assert "5000 USDC ×2" in on.text()
            assert "NEXT:" not in on.text()


async def test_a_number_focuses_grows_maximises_and_gives_back(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            before = height_of(on, PaneId.WALLETS)
            await on.press("1")
            assert on.app.run_screen.front is PaneId.WALLETS
            assert height_of(on, PaneId.WALLETS) > before
            assert shown(on) == PANES
            await on.press("1")
            assert shown(on) == {PaneId.WALLETS}
            await on.press("1")
            assert shown(on) == PANES
            await on.press("5", "5")
            assert shown(on) == {PaneId.JOURNAL}
            await on.press("escape")
            assert shown(on) == PANES
            await on.press("2")
            assert on.app.run_screen.pane(PaneId.CONFIGURATION).has_focus_within
            await on.press("3")
            assert height_of(on, PaneId.WALLETS) == before
            assert on.commands() == []


async def test_a_low_terminal_keeps_list_metrics_and_what_happened(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=LOW, clock=clock) as on:
            await on.ready()
            assert shown(on) == {PaneId.INFO, PaneId.METRICS, PaneId.JOURNAL}
            await on.press("1")
            assert shown(on) == {PaneId.WALLETS, PaneId.METRICS, PaneId.JOURNAL}
            await on.press("4")
            assert shown(on) == {PaneId.INFO, PaneId.METRICS, PaneId.JOURNAL}


async def test_at_80x24_the_list_comes_first_and_enter_opens_the_run(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock) as on:
            await on.ready()
            assert shown(on) == {PaneId.INFO}
            assert "RSI reversion@1 · demo (PAPER)" in on.text()
            assert "equity 5,089.55" in on.text()
            assert "next  exit when rsi(14) > 70" in on.text()
            await on.press("enter")
            assert shown(on) == {PaneId.METRICS}
            await on.press("escape")
            assert shown(on) == {PaneId.INFO}
            await on.press("3")
            assert "equity 5,089.55" not in on.text()
            await on.press("3")
            assert "equity 5,089.55" in on.text()
            await on.press("5")
            assert shown(on) == {PaneId.JOURNAL}
            await on.press("escape")
            assert shown(on) == {PaneId.INFO}


@pytest.mark.parametrize(
    ("key", "answer", "kind", "command"),
    [
        ("p", "y", ConfirmDialog, PauseEntries(run_id=scenes.LIVE)),
        ("s", "l", StopRunDialog, StopRun(run_id=scenes.LIVE, mode=StopMode.LEAVE)),
        ("x", "y", ConfirmDialog, ClosePosition(run_id=scenes.LIVE)),
    ],
)
async def test_at_40x16_a_run_is_paused_stopped_and_closed_from_a_wrapped_dialog(
    home, clock, key, answer, kind, command
):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=TINY, clock=clock) as on:
            await on.ready()
            assert all(f"{name} " in on.text() for name in ("s Stop", "p Pause", "x Close"))
            await on.press(key)
            assert isinstance(on.app.screen, kind)
            words = " ".join(line.strip("│╭╮╰╯─ ") for line in on.text().splitlines())
            for part in ("RSI reversion@1", "demo (PAPER)", scenes.LIVE, "esc"):
                assert part in words, f"{part} is not in:\n{on.text()}"
            await on.press(answer)
            await on.until(on.commands, "a command")
            assert [stored.command for stored in on.commands()] == [command]


async def test_at_40x16_an_alarm_is_read_whole(home, clock):
    scenes.with_alarm(home)
    with scenes.attached(home, clock):
        async with stage(home, size=TINY, clock=clock) as on:
            await on.ready()
            await on.press("exclamation_mark")
            seen = on.text()
            await on.until(lambda: "pgdn more" in on.text(), "more text than room")
            for _ in range(4):
                await on.press("pagedown")
                seen += on.text()
            words = " ".join(line.strip("│╭╮╰╯─ ▁▂▃▄▅▆▇█") for line in seen.splitlines())
            for part in (
                "swing holds a position",
                "no run manages",
                "since 2026-01-01 10:04 UTC",
                "swing (PAPER)",
            ):
                assert part in words, f"{part} is not in:\n{seen}"


async def test_at_40x16_nothing_can_be_started(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=TINY, clock=clock) as on:
            await on.ready()
            await on.press("2", "g", "1", "w", "f", "3", "r")
            assert not on.app.is_covered
            assert on.commands() == []
            assert any("too small to start anything" in toast for toast in on.toasts())


@pytest.mark.parametrize("covered", [False, True], ids=["panes", "dialog"])
async def test_a_resize_to_40x10_and_back_loses_nothing_and_fires_nothing(home, clock, covered):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=LARGE, clock=clock) as on:
            await on.ready()
            await on.press("3", "]", "down")
            await on.until(lambda: on.app.selected_run == scenes.DONE, "the finished run")
            await on.press("n")
            await on.until(lambda: "Capital" in on.text(), "the launcher")
            await on.press("down", "down", "down", "enter")
            await on.type("12")
            if covered:
                await on.press("enter", "question_mark")
            draft, focused = on.app.draft, on.app.run_screen.focused
            for size in ((40, 10), LARGE):
                await on.pilot.resize_terminal(*size)
                await on.pilot.pause()
            if covered:
                await on.press("q")
            assert not on.app.is_covered
            assert on.app.is_editing is not covered
            assert on.app.run_screen.focused is focused
            assert (on.app.draft, on.app.selected_run) == (draft, scenes.DONE)
            assert on.app.run_screen.front is PaneId.CONFIGURATION
            assert shown(on) == {PaneId.CONFIGURATION}
            assert on.commands() == []


async def test_a_size_that_came_under_a_dialog_is_taken_when_the_dialog_goes(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=LARGE, clock=clock) as on:
            await on.ready()
            await on.press("question_mark")
            await on.pilot.resize_terminal(*SMALL)
            await on.press("q")
            await on.until(lambda: shown(on) == {PaneId.INFO}, "the list alone")


async def test_a_title_that_has_no_room_loses_whole_parts(home, clock):
    working_day.working_day(home)
    with scenes.attached(home, clock):
        settings = working_day.settings_of(home)
        async with stage(home, size=MIDDLE, clock=clock, settings=settings) as on:
            await on.ready()
            short = "─ 3 Run Info · 12 active · 1 paused · LIVE 2 -0.23 % ─"
            await on.until(lambda: short in on.text(), "as much as has room")
            assert "PAPER · EMA cross@1 ─" in on.text()
            await on.pilot.resize_terminal(*LARGE)
            whole = "LIVE 2 -0.23 % · TESTNET 2 -1.26 % · PAPER 8 -0.95 % ─"
            await on.until(lambda: whole in on.text(), "all of it")
            assert "PAPER · EMA cross@1 · SOL/USDC:USDC ─" in on.text()
            await on.pilot.resize_terminal(*MIDDLE)
            await on.until(lambda: short in on.text(), "as much as has room again")


async def test_a_notice_leaves_the_lower_border_of_the_pane_below_it_free(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            on.app.notify("entries are paused")
            await on.until(lambda: "entries are paused" in on.text(), "the notice")
            assert "e this run · V orders ─╯" in on.text()


# --- what happened -----------------------------------------------------------------------------------


async def test_what_happened_shows_all_runs_or_one_and_the_steps_of_orders(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            await on.press("5", "5")
            await on.until(lambda: "long entered at 96,204.25, 2.0 bps worse" in on.text(), "the entry")
            assert "stop 91,394.04, target 105,824.67" in on.text()
            assert scenes.DONE[:4] in on.text()
            assert "entry order: buy market" not in on.text()
            await on.press("V")
            assert "entry order: buy market" in on.text()
            await on.press("e")
            await on.until(lambda: scenes.DONE[:4] not in on.text(), "the run's own story")
            assert "long entered at 96,204.25" in on.text()
            await on.press("enter")
            assert "UTC by the venue" in on.text()
            assert "by this machine's clock" in on.text()
            assert on.commands() == []


async def test_without_the_focus_what_happened_shows_the_newest_lines(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            table = on.app.run_screen.query_one("#events-table", KeyedTable)
            await on.until(lambda: table.row_count, "the story")
            assert table.cursor_key is None
            await on.press("5", "down", "down", "down")
            assert table.cursor_key is not None
            await on.press("3")
            assert table.cursor_key is None
            with scenes.written(home) as session:
                append_events(
                    session, scenes.LIVE, [Noted(sentence="something new")], author=Author.SYSTEM,
                    venue_time_ms=None, local_time_ms=scenes.NOW_MS,
                )  # fmt: skip
            await on.until(lambda: "something new" in on.text(), "the newest line in sight")


# --- the head ----------------------------------------------------------------------------------------


def head(on: Stage) -> str:
    return on.text().splitlines()[0]


async def test_the_head_names_money_both_clocks_engine_and_alarms(home, clock):
    scenes.with_alarm(home)
    with scenes.attached(home, clock):
        async with stage(home, size=LARGE, clock=clock) as on:
            await on.ready()
            await on.until(lambda: "engine ok" in head(on), "the engine")
            for part in (
                "firstwatch",
                "Run",
                "PAPER",
                "venue 01-01 11:04",
                "bars 1 s",
                "wall 11:04:00",
                "▲ 1 ALARM",
            ):
                assert part in head(on), head(on)
            await on.pilot.resize_terminal(*SMALL)
            await on.pilot.pause()
            for part in ("PAPER", "venue 01-01 11:04", "wall 11:04", "engine ok", "▲ 1 ALARM"):
                assert part in head(on), head(on)


@pytest.mark.parametrize("size", [TINY, SMALL, LARGE])
async def test_real_money_is_never_hidden_among_play_money(home, clock, size):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=size, clock=clock) as on:
            await on.ready()
            # A snapshot of the manager would take the place of the one made here.
            on.app.manager.rest(True)
            await on.settle()
            snapshot = on.app.snapshot
            [paper] = snapshot.active
            live = replace(paper, run_id="1" * 16, money=MoneyKind.LIVE)

            colours, line = on.app.theme_variables, on.app.run_screen.query_one(HeadLine)

            def has_both() -> bool:
                # One that was under way may still take its place.
                on.app.snapshot = replace(snapshot, runs=(live, paper, *snapshot.finished))
                styles = [str(span.style) for span in line.line().spans if colours["live"] in str(span.style)]
                is_marked = len(styles) == 1 and colours["background"] in styles[0]
                return is_marked and "LIVE 1" in head(on) and "PAPER 1" in head(on)

            await on.until(has_both, "the badge")


async def test_the_status_line_names_what_keys_act_on(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock) as on:
            await on.ready()
            assert "a1b2" in on.text().splitlines()[-1]
            assert "on demo (PAPER)" in on.text().splitlines()[-1]
            await on.press("1", "down")
            assert "spare (PAPER)" in on.text().splitlines()[-1]


async def test_the_wallet_that_is_left_alone_comes_first_with_its_sentence(home, clock):
    scenes.with_alarm(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            assert on.app.snapshot.engine.where is EngineWhere.ATTACHED
            table = on.app.run_screen.query_one("#wallets-table", KeyedTable)
            assert [row.key.value for row in table.ordered_rows] == ["swing", "demo", "spare"]
            await on.press("1", "up", "up")
            assert "wallet swing holds a position" in " ".join(on.text().split())


# --- the mouse ---------------------------------------------------------------------------------------


async def test_hints_tabs_and_rows_are_clickable(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            line = on.app.run_screen.query_one(KeyLine)
            await on.until(lambda: "Stop" in str(line.render()), "the keys")
            await click(on, line, str(line.render()).index("Stop"))
            assert isinstance(on.app.screen, StopRunDialog)
            keys = on.app.screen.query_one(KeyLine)
            await click(on, keys, str(keys.render()).index("do not stop"))
            assert not on.app.is_covered
            tabs = on.app.run_screen.query_one("#info-pane TabStrip", TabStrip)
            await click(on, tabs, str(tabs.render()).index("History"))
            assert tabs.chosen == "History"
            table = on.app.run_screen.query_one("#History-table", KeyedTable)
            await click(on, table, 4, 1)
            await on.until(lambda: on.app.selected_run == scenes.DONE, "the run of that row")
            assert on.commands() == []


def test_a_click_on_a_hint_presses_the_last_key_that_it_names():
    named = {"s": "s", "n q esc": "escape", "?": "question_mark", "↑ ↓": "down", "": ""}
    assert {key: KeyHint(key, "").pressed for key in named} == named


# --- colours -----------------------------------------------------------------------------------------


async def test_the_cursor_s_row_keeps_the_colours_of_its_cells(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            table = on.app.run_screen.query_one("#Active-table", KeyedTable)
            await on.until(lambda: "+1.79" in on.text(), "the run's PnL")
            row = table.render_line(1 + table.cursor_row)
            styles = {segment.text.strip(): segment.style for segment in row}
            assert row.text.startswith("▌")
            gain = on.app.theme_variables["gain"]
            assert styles["+1.79"].color.get_truecolor().hex == gain


def running(**streams: int) -> RunView:
    settings = dict.fromkeys((field.name for field in fields(RunView)), None)
    return RunView(**{**settings, "timeframe": Timeframe.M1, "market_speed": 1.0, "streams": streams})


def test_the_most_overdue_stream_is_named_and_the_account_s_never_is():
    now_ms = 1_000_000
    assert worst_stream(running(account=0), now_ms) is None
    assert worst_stream(running(bars=now_ms - 30_000, mark=now_ms - 1_000, account=0), now_ms) == (
        "bars", 30_000, False,
    )  # fmt: skip
    assert worst_stream(running(bars=now_ms - 60_000, mark=now_ms - 61_000), now_ms) == ("mark", 61_000, True)
    replayed = replace(running(bars=now_ms - 6_000), market_speed=60.0)
    assert worst_stream(replayed, now_ms) == ("bars", 6_000, True)
    # A bar takes a fifth of a second here: two of them are less than the screen takes to look again.
    fast = replace(running(bars=now_ms - 900), market_speed=300.0)
    assert worst_stream(fast, now_ms) == ("bars", 900, False)
    for run, count in ((replayed, 1), (fast, 0)):
        shown = replace(empty_snapshot(0), runs=(replace(run, run_id="a1b2" * 4, state=RunState.RUNNING),))
        assert len(late_lines(shown, now_ms)) == count
