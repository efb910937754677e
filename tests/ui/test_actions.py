"""Keys and what they do: one meaning each, in the panes that show what they act on; and flows by keys."""

from pathlib import Path

import pytest
from textual.widgets import OptionList, Static

import firstwatch.tui.panes
from firstwatch.manager.views import EngineWhere
from firstwatch.trading.commands import ClosePosition, CommandOutcome, PauseEntries, StopRun
from firstwatch.trading.runs import StopMode
from firstwatch.tui.actions import ACTION_BY_ID, ACTIONS, Severity
from firstwatch.tui.key_table import markdown, with_table
from firstwatch.tui.keymap import acts_in, make_keymap
from firstwatch.tui.layout import Mode
from firstwatch.tui.messages import SnapshotArrived
from firstwatch.tui.modals.choice import ChoiceDialog
from firstwatch.tui.modals.confirm import ConfirmDialog
from firstwatch.tui.modals.help import HelpDialog
from firstwatch.tui.modals.prompt import PromptDialog
from firstwatch.tui.modals.stop import StopRunDialog
from firstwatch.tui.panes.pane import Pane, PaneId
from firstwatch.tui.widgets.table import KeyedTable
from tests.ui import scenes
from tests.ui.stage import Stage, stage

README = Path(__file__).parents[2] / "README.md"
RUN_PANES = {pane for pane in PaneId if pane.mode is Mode.RUN}
KEYS = sorted({action.key for action in ACTIONS if action.key})


# --- the tables ------------------------------------------------------------------------------------


def meanings() -> dict[str, dict[PaneId, set[str]]]:
    """Return what each key means in each pane."""
    table: dict[str, dict[PaneId, set[str]]] = {key: {pane: set() for pane in PaneId} for key in KEYS}
    for action in ACTIONS:
        for pane in PaneId:
            if action.key and acts_in(action, pane):
                table[action.key][pane].add(action.short)
    return table


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("mode", Mode)
def test_a_key_means_one_thing_in_all_panes_of_a_mode_that_have_it(key, mode):
    by_pane = {pane: found for pane, found in meanings()[key].items() if pane.mode is mode}
    assert len(set.union(*by_pane.values())) < 2, by_pane
    assert all(
        len([action for action in ACTIONS if action.key == key and acts_in(action, pane)]) < 2
        for pane in PaneId
    )


def test_keys_belong_to_the_panes_that_show_what_they_act_on():
    keymap = make_keymap({})
    assert {key for key in "wifvmo" if keymap.action_in(PaneId.WALLETS, key)} == set("wifvmo")
    for pane in RUN_PANES - {PaneId.WALLETS}:
        assert [key for key in "wifvmo" if keymap.action_in(pane, key)] == []
    for pane in RUN_PANES - {PaneId.CONFIGURATION}:
        assert [key for key in "gcB" if keymap.action_in(pane, key)] == []
    for key in "sprxda":
        assert keymap.action_in(PaneId.INFO, key) is not None
        # On the row of an alarm, a position without a run is closed.
        assert (keymap.action_in(PaneId.WALLETS, key) is not None) is (key == "x")


def test_the_panes_name_only_keys_that_act_in_them():
    panes = [cls for cls in subclasses(Pane) if "ID" in vars(cls)]
    assert len(panes) >= 4
    for pane in panes:
        for action_id in pane.ACTIONS:
            action = ACTION_BY_ID[action_id]
            assert not action.panes or pane.ID in action.panes, (pane, action_id)


def subclasses(base: type) -> list[type]:
    assert firstwatch.tui.panes
    return [each for cls in base.__subclasses__() for each in (cls, *subclasses(cls))]


def test_the_readme_has_the_keys_as_they_are():
    text = README.read_text(encoding="utf-8")
    assert markdown() in text, "write it anew: python -m firstwatch.tui.key_table README.md"
    assert with_table(text) == text


def test_only_what_changes_nothing_is_a_view():
    views = {action.id for action in ACTIONS if action.severity is Severity.VIEW}
    namespaces = ("view.", "list.", "chart.", "app.")
    assert {each for each in views if not each.startswith(namespaces)} == {
        "run.new",
        "run.again",
        "run.differences",
        "run.export",
        "launch.toml",
        "test.launch",
        "build.differences",
        "build.export",
    }


# --- keys and panes --------------------------------------------------------------------------------


async def test_a_key_of_another_pane_says_where_it_acts(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, clock=clock) as on:
            await on.ready()
            await on.press("w")
            assert not on.app.is_covered
            assert any("Go to Run Wallets first (1)" in toast for toast in on.toasts())
            await on.press("1", "p", "s")
            assert not on.app.is_covered
            assert on.commands() == []


async def test_the_help_begins_with_the_pane_in_front(home, clock):
    scenes.busy_day(home)
    async with stage(home, clock=clock) as on:
        await on.ready()
        for number, first in (
            ("1", "Run Wallets"),
            ("2", "Run Configuration"),
            ("3", "Run Info, Run Metrics, What happened"),
        ):
            await on.press(number, "?")
            assert isinstance(on.app.screen, HelpDialog)
            shown = on.app.screen.query_one(".dialog-body > Static", Static).content
            headings = [shown.plain[bold.start : bold.end] for bold in shown.spans]
            assert headings[0] == first
            assert "Everywhere" in headings[1:4]
            await on.press("q")


async def test_the_palette_opens_with_a_colon_and_goes_to_the_pane_of_what_is_chosen(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, clock=clock) as on:
            await on.ready()
            await on.press(":")
            await on.type("wallet: Create")
            await on.until(lambda: "Create a run wallet" in on.text(), "the action is found")
            await on.press("enter")
            await on.until(lambda: isinstance(on.app.screen, PromptDialog), "the dialog")
            assert on.app.run_screen.front is PaneId.WALLETS


# --- lists -----------------------------------------------------------------------------------------


async def test_a_list_filtered_and_sorted_keeps_its_selection(home, clock):
    scenes.many_runs(home, 12)
    with scenes.attached(home, clock):
        async with stage(home, clock=clock) as on:
            await on.ready()
            await on.until(lambda: table_of(on).cursor_key == scenes.run_number(12), "the newest run")
            await on.press("down", "down")
            chosen = scenes.run_number(10)
            assert on.app.selected_run == chosen
            await on.press("S")
            await choose(on, "wallet")
            assert cells(on, "wallet")[:3] == ["w1", "w2", "w3"]
            assert on.app.selected_run == table_of(on).cursor_key == chosen
            await on.press("/")
            await on.type("w1")
            assert " EDIT " in on.text()
            assert "4 of 12" in on.text()
            await on.press("enter")
            assert on.app.selected_run == table_of(on).cursor_key == chosen
            await on.press("p")
            await on.until(on.commands, "a command")
            assert on.commands()[0].command == PauseEntries(run_id=chosen)
            await on.press("escape")
            await on.until(lambda: table_of(on).counts == (12, 12), "all rows")
            assert on.app.selected_run == table_of(on).cursor_key == chosen


async def test_a_snapshot_right_behind_a_key_does_not_put_the_cursor_back(home, clock):
    scenes.many_runs(home, 3)
    with scenes.attached(home, clock):
        async with stage(home, clock=clock) as on:
            await on.ready()
            await on.until(lambda: table_of(on).cursor_key == scenes.run_number(3), "the newest run")
            table_of(on).action_cursor_down()
            chosen = scenes.run_number(2)
            # The app does not know of the key yet.
            assert on.app.selected_run != table_of(on).cursor_key == chosen
            on.app.on_snapshot_arrived(SnapshotArrived(on.app.snapshot))
            assert table_of(on).cursor_key == chosen
            await on.pilot.pause()
            assert on.app.selected_run == table_of(on).cursor_key == chosen
            assert f"{on.app.snapshot.short_id(chosen)} on w2" in on.text().splitlines()[-1]


async def test_a_run_that_is_chosen_elsewhere_is_under_the_cursor(home, clock):
    scenes.many_runs(home, 3)
    with scenes.attached(home, clock):
        async with stage(home, clock=clock) as on:
            await on.ready()
            await on.until(lambda: table_of(on).cursor_key == scenes.run_number(3), "the newest run")
            # As from a list that was just made: the run was chosen before.
            table_of(on)._known_key = None
            table_of(on)._report()
            await on.pilot.pause()
            on.app.choose_run(scenes.run_number(1))
            await on.pilot.pause()
            assert table_of(on).cursor_key == scenes.run_number(1) == on.app.selected_run


async def test_a_run_that_the_filter_leaves_out_is_not_acted_on(home, clock):
    scenes.many_runs(home, 3)
    with scenes.attached(home, clock):
        async with stage(home, clock=clock) as on:
            await on.ready()
            await on.press("/")
            await on.type("nothing like it")
            await on.press("enter", "p", "s")
            assert not on.app.is_covered
            assert on.commands() == []
            assert any("Put the cursor on a run" in toast for toast in on.toasts())


async def test_rows_are_copied_as_the_terminal_is_asked_to(home, clock):
    scenes.many_runs(home, 3)
    async with stage(home, clock=clock) as on:
        await on.ready()
        await on.press("space", "down", "space", "y")
        column = column_of(on, "wallet")
        assert [line.split("\t")[column] for line in on.app.clipboard.split("\n")] == ["w3", "w2"]


# --- exports ---------------------------------------------------------------------------------------


async def test_what_is_seen_is_exported_into_the_data_folder(home, clock):
    scenes.busy_day(home)
    async with stage(home, clock=clock, is_read_only=True) as on:
        await on.ready()
        await on.press("]", "]", "]")
        assert on.app.run_screen.pane(PaneId.INFO).seen == "Orders"
        await on.press("E")
        assert isinstance(on.app.screen, ChoiceDialog)
        assert "Export of a1b2" in on.text()
        await on.press("enter")
        assert "Export the orders as" in on.text()
        await on.press("enter")
        await on.until(on.toasts, "the export is announced")
        [path] = (home / "exports").iterdir()
        assert path.name == f"{scenes.LIVE}-orders-20260101-110400.csv"
        lines = path.read_text().splitlines()
        assert on.toasts() == [f"{path} has the orders: {len(lines) - 1} rows"]
        assert lines[0].startswith("run,symbol,client_order_id,")
        assert all(line.startswith(scenes.LIVE) for line in lines[1:])
        assert len(lines) > 2


async def test_an_export_that_was_not_chosen_writes_nothing(home, clock):
    scenes.busy_day(home)
    async with stage(home, clock=clock) as on:
        await on.ready()
        await on.press("E", "escape")
        await on.press("E", "enter", "escape")
        assert not on.app.is_covered
        assert not (home / "exports").exists()


async def test_an_export_that_fails_says_why(home, clock):
    scenes.busy_day(home)
    (home / "exports").write_text("in the way")
    async with stage(home, clock=clock) as on:
        await on.ready()
        await on.press("E", "enter", "enter")
        await on.until(on.toasts, "the failure is announced")
        assert on.toasts() == [f"The folder {home / 'exports'} cannot be made: File exists."]


# --- several runs ----------------------------------------------------------------------------------


async def test_several_marked_runs_are_paused_after_a_question_that_names_them(home, clock):
    scenes.many_runs(home, 4)
    with scenes.attached(home, clock):
        async with stage(home, clock=clock) as on:
            await on.ready()
            await on.press("space", "down", "space", "down", "space", "p")
            assert isinstance(on.app.screen, ConfirmDialog)
            assert "Pause entries of 3 runs" in on.text()
            for name in ("w4 (PAPER)", "w3 (PAPER)", "w2 (PAPER)"):
                assert name in on.text()
            assert "w1 (PAPER)" not in on.text()
            assert on.commands() == []
            await on.press("y")
            await on.until(lambda: len(on.commands()) == 3, "three commands")
            wanted = {PauseEntries(run_id=scenes.run_number(number)) for number in (4, 3, 2)}
            assert {stored.command for stored in on.commands()} == wanted
            assert table_of(on).marked == ()
            for stored in on.commands():
                scenes.answer(home, stored.id, CommandOutcome.DONE, "entries are paused")
            await on.until(lambda: "entries are paused" in on.toasts(), "one outcome for all")


async def test_of_marked_runs_those_that_are_over_are_left_out(home, clock):
    scenes.many_runs(home, 3)
    with scenes.attached(home, clock):
        async with stage(home, clock=clock) as on:
            await on.ready()
            await on.press("space", "down", "space")
            scenes.end_run(home, scenes.run_number(2))
            await on.until(lambda: len(on.app.snapshot.active) == 2, "one run ends")
            await on.press("p")
            # Its row has gone, and its mark with it; the other one is not what is shown, so it is named.
            assert isinstance(on.app.screen, ConfirmDialog)
            assert f"run {scenes.run_number(3)}" in on.text()
            assert on.commands() == []
            await on.press("y")
            await on.until(on.commands, "a command")
            assert [stored.command for stored in on.commands()] == [PauseEntries(run_id=scenes.run_number(3))]


@pytest.mark.parametrize("keys", [("s", "l"), ("x", "y")])
async def test_the_number_of_runs_with_real_money_is_typed(home, clock, keys):
    scenes.many_runs(home, 4, real=3)
    with scenes.attached(home, clock):
        async with stage(home, clock=clock) as on:
            await on.ready()
            await on.press("space", "down", "space", "down", "space", "down", "space", *keys)
            assert isinstance(on.app.screen, PromptDialog)
            assert "3 runs: 3 LIVE" in on.text()
            await on.type("4")
            await on.press("enter")
            assert isinstance(on.app.screen, PromptDialog)
            assert on.commands() == []
            await on.press("backspace")
            await on.type("3")
            await on.press("enter")
            await on.until(lambda: len(on.commands()) == 4, "the commands")
            ids = [scenes.run_number(number) for number in (4, 3, 2, 1)]
            is_stop = keys[0] == "s"
            wanted = {
                StopRun(run_id=each, mode=StopMode.LEAVE) if is_stop else ClosePosition(run_id=each)
                for each in ids
            }
            assert {stored.command for stored in on.commands()} == wanted


async def test_leaving_several_positions_unprotected_wants_their_number(home, clock):
    scenes.many_runs(home, 2)
    with scenes.attached(home, clock):
        async with stage(home, clock=clock) as on:
            await on.ready()
            await on.press("space", "down", "space", "s", "u")
            assert isinstance(on.app.screen, PromptDialog)
            await on.press("enter")
            assert on.commands() == []
            await on.type("2")
            await on.press("enter")
            await on.until(lambda: len(on.commands()) == 2, "the commands")
            assert {stored.command.mode for stored in on.commands()} == {StopMode.LEAVE_UNPROTECTED}


# --- dialogs, frozen and read-only screens ---------------------------------------------------------


@pytest.mark.parametrize("keys", [("s",), ("x",), ("s", "u")])
async def test_a_dialog_whose_run_vanishes_closes_with_a_sentence(home, clock, snap_step, keys):
    scenes.many_runs(home, 2)
    with scenes.attached(home, clock):
        async with stage(home, clock=clock) as on:
            await on.ready()
            await on.press(*keys)
            assert on.app.is_covered
            scenes.end_run(home, scenes.run_number(2))
            await on.until(lambda: not on.app.is_covered, "the dialog closes")
            assert any("is FAILED now; nothing was sent" in toast for toast in on.toasts())
            assert on.commands() == []
            if keys == ("s",):
                on.app.clear_notifications()
                await on.press("N")
                await on.settle()
                await snap_step(on, "said")


async def test_of_several_runs_only_those_that_are_as_they_were_are_stopped(home, clock):
    scenes.many_runs(home, 2)
    with scenes.attached(home, clock):
        async with stage(home, clock=clock) as on:
            await on.ready()
            await on.press("space", "down", "space", "s")
            scenes.end_run(home, scenes.run_number(2))
            await on.until(lambda: len(on.app.live.active) == 1, "the first run ends")
            assert isinstance(on.app.screen, StopRunDialog)
            await on.press("x")
            await on.until(on.commands, "a command")
            wanted = StopRun(run_id=scenes.run_number(1), mode=StopMode.CLOSE)
            assert [stored.command for stored in on.commands()] == [wanted]
            assert any("nothing was sent" in toast for toast in on.toasts())


async def test_a_frozen_screen_shows_what_was_and_acts_on_what_is(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, clock=clock) as on:
            await on.ready()
            await on.press("F")
            clock.advance(1_000)
            scenes.move_mark(home, 97_000.5, "-4.25")
            scenes.unprotect(home)
            await on.until(lambda: on.app.live.unprotected, "the newest snapshot")
            await on.until(lambda: "FROZEN 1 s" in on.text(), "the badge")
            assert "+1.34" not in on.text()
            await on.until(lambda: "1 unprotected" in on.text(), "the status line")
            await on.press("s")
            assert isinstance(on.app.screen, StopRunDialog), on.toasts()
            assert "unprotected" in str(on.app.screen.query_one(".dialog-body").children[1].render())
            assert any("The screen is frozen" in toast for toast in on.toasts())
            await on.press("l")
            await on.until(on.commands, "a command")
            assert [stored.command for stored in on.commands()] == [
                StopRun(run_id=scenes.LIVE, mode=StopMode.LEAVE)
            ]
            await on.press("F")
            await on.until(lambda: "+1.34" in on.text(), "it goes on")
            assert "FROZEN" not in on.text()


async def test_a_run_that_is_chosen_on_a_frozen_screen_shows_its_details(home, clock):
    scenes.many_runs(home, 2)
    with scenes.attached(home, clock):
        async with stage(home, clock=clock) as on:
            await on.ready()
            await on.press("F")
            frozen = on.app.snapshot.runs
            await on.press("down")
            await on.until(lambda: on.app.snapshot.selected.run_id == scenes.run_number(1), "its details")
            assert on.app.snapshot.runs is frozen


async def test_a_read_only_screen_changes_nothing(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, clock=clock, is_read_only=True) as on:
            await on.ready()
            assert "READ ONLY" in on.text()
            await on.press("p", "s", "x", "d", "b", "1", "w", "f", "2", "g", "c", "b")
            assert not on.app.is_covered
            assert on.commands() == []
            assert any("--read-only" in toast for toast in on.toasts())
            await on.press("3", "]", "/")
            await on.type("spare")
            assert table_of(on, "History").filter_text == "spare"


async def test_a_read_only_screen_has_no_launch_checked(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, clock=clock, is_read_only=True) as on:
            await on.ready()
            await on.press("3", "]", "down")
            await on.until(lambda: on.app.snapshot.selected.run_id == scenes.DONE, "its details")
            await on.press("a")
            await on.until(lambda: on.app.assessment.settings is not None, "the form is filled in")
            assert not on.app.launch._needs_check()


async def test_a_read_only_screen_takes_no_engine(home, clock):
    scenes.first_steps(home)
    async with stage(home, clock=clock, is_read_only=True) as on:
        await on.ready()
        assert on.app.snapshot.engine.where is EngineWhere.NONE


# --- a run's settings and its charts -----------------------------------------------------------------


async def test_a_chart_comes_nearer_and_goes_back_in_time_by_keys(home, clock):
    scenes.busy_day(home)
    async with stage(home, clock=clock) as on:
        await on.ready()
        await on.press("4", "plus")
        assert any("Go to a chart first" in toast for toast in on.toasts())
        await on.press("]", "]")
        await on.until(lambda: on.app.run_screen.chart is not None, "the chart")
        views = [on.app.run_screen.chart._view]
        for key in ("plus", "<", ">", "minus"):
            await on.press(key)
            views.append(on.app.run_screen.chart._view)
        whole, near, earlier, later, far = views
        assert near.scale != whole.scale
        assert earlier.back > near.back
        assert later.back == near.back
        assert far.scale == whole.scale


# --- alarms and themes -----------------------------------------------------------------------------


async def test_an_alarm_is_read_whole_and_acted_on_from_its_row(home, clock):
    scenes.many_runs(home, 2)
    scenes.end_run(home, scenes.run_number(1))
    with scenes.attached(home, clock):
        async with stage(home, size=(80, 24), clock=clock) as on:
            await on.ready()
            scenes.unprotect(home, scenes.run_number(2))
            await on.until(lambda: len(on.app.live.alarms) == 2, "the alarms")
            await on.press("!")
            assert "is exposed without its stop" in on.text()
            assert "wallet w1 holds a position" in on.text()
            await on.press("x")
            assert isinstance(on.app.screen, ConfirmDialog)
            assert scenes.run_number(2) in on.text()
            await on.press("y")
            await on.until(on.commands, "a command")
            assert on.commands()[0].command == ClosePosition(run_id=scenes.run_number(2))


async def test_a_theme_is_chosen_by_its_name_and_seen_before(home, clock):
    scenes.first_steps(home)
    async with stage(home, clock=clock) as on:
        await on.ready()
        before = on.app.theme
        await on.press("t")
        themes = on.app.screen.query_one(OptionList)
        assert themes.option_count >= 2
        await on.press("down")
        await on.until(lambda: on.app.theme != before, "the next theme is shown")
        seen = on.app.theme
        await on.press("escape")
        assert on.app.theme == before
        await on.press("t", "down", "enter")
        assert on.app.theme == seen


def table_of(on: Stage, tab: str = "Active") -> KeyedTable:
    return on.app.run_screen.query_one(f"#{tab}-table", KeyedTable)


def column_of(on: Stage, label: str) -> int:
    return next(index for index, each in table_of(on).labels.items() if each == label)


def cells(on: Stage, label: str) -> list[str]:
    """Return a column of the list of active runs, from the top."""
    table = table_of(on)
    column = column_of(on, label)
    return [table._lines[key][column].text for key in table._order]


async def choose(on: Stage, option: str) -> None:
    """Choose an option of a list by its text."""
    options = on.app.screen.query_one(OptionList)
    prompts = [str(options.get_option_at_index(index).prompt) for index in range(options.option_count)]
    options.highlighted = prompts.index(option)
    await on.press("enter")
