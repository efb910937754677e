"""The tab of the first watch: its states, the evidence, the windows, and the list of runs."""

from dataclasses import replace

import pytest

from firstwatch.trading.commands import PauseEntries
from firstwatch.trading.verdicts import CheckName, Verdict
from firstwatch.tui.modals.evidence import EvidenceDialog
from firstwatch.tui.modals.hour import HourDialog
from firstwatch.tui.modals.stop import StopRunDialog
from firstwatch.tui.panes.pane import PaneId
from firstwatch.tui.panes.watch import ChecksTable, WatchPage
from firstwatch.tui.widgets.paragraph import Paragraph
from tests.ui import scenes, watches, working_day
from tests.ui.stage import Stage, stage

SIZES = {"80x24": (80, 24), "120x40": (120, 40), "200x60": (200, 60)}
STATES = {
    "young": "NOT ENOUGH DATA",
    "consistent": "CONSISTENT",
    "worth_a_look": "Raise slippage_bps",
    "found_out": "DIVERGED",
    "paused": "PAUSED by the operator",
    "after": "day 9, hour 5.0",
    "without_baseline": "No baseline",
    "silent": "the watch is silent for 12 min",
}


async def opened(on: Stage, word: str) -> None:
    await on.ready()
    await on.until(lambda: on.app.snapshot.engine.takes_commands, "the engine")
    await on.press("4")
    await on.until(lambda: word in on.text(), word)
    # The fan gets its room in the layout after the one that shows it.
    await on.pilot.pause()


def keys_of(on: Stage) -> str:
    """Return the line of keys."""
    return on.text().splitlines()[-2]


PICTURED = [
    *((state, "120x40") for state in STATES),
    *((state, "80x24") for state in ("found_out", "young")),
    *((state, "200x60") for state in ("found_out", "after")),
]
"""Each state at the middle size, and two at the others: all are of the same parts."""


@pytest.mark.parametrize(("state", "size"), PICTURED)
async def test_each_state_of_the_watch_is_pictured(home, clock, snap_step, state, size):
    watches.on_watch(home, state)
    with scenes.attached(home, clock):
        async with stage(home, size=SIZES[size], clock=clock) as on:
            await opened(on, STATES[state])
            assert "nan" not in on.text().lower().replace("finance", "")
            await snap_step(on, f"{state}-{size}")


async def test_a_run_that_has_no_report_yet_says_when_its_watch_begins(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SIZES["80x24"], clock=clock) as on:
            await opened(on, "first watch begins")
            assert on.app.run_screen.front is PaneId.METRICS


@pytest.mark.parametrize("size", ["80x24", "120x40"])
async def test_the_evidence_behind_each_check_is_opened_with_enter(home, clock, snap_step, size):
    watches.first_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SIZES[size], clock=clock) as on:
            await opened(on, "signal parity")
            await on.press("enter")
            await on.until(lambda: isinstance(on.app.screen, EvidenceDialog), "the evidence")
            assert "unexplained" in on.text()
            assert "insufficient margin" in on.text()
            await on.settle()
            if size == "80x24":
                await snap_step(on, f"mismatches-{size}")
            await on.press("escape", "down", "enter")
            await on.until(
                lambda: on.text().count("+10.2 bps") + on.text().count("+10.3 bps") == 6, "the fills"
            )
            await on.settle()
            if size == "80x24":
                await snap_step(on, f"fills-{size}")
            await on.press("q", "down", "down", "enter")
            await on.until(lambda: on.text().count("stop loss") == 2, "the trades")
            await on.settle()
            if size == "80x24":
                await snap_step(on, f"trades-{size}")
            await on.press("enter")
            assert not on.app.is_covered


async def test_a_check_that_is_chosen_twice_at_once_opens_one_dialog(home, clock):
    watches.first_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SIZES["80x24"], clock=clock) as on:
            await opened(on, "signal parity")
            await on.press("down")
            table = on.app.screen.query_one(ChecksTable)
            table.action_select_cursor()
            table.action_select_cursor()
            await on.until(lambda: isinstance(on.app.screen, EvidenceDialog), "the evidence")
            await on.settle()
            await on.press("q")
            assert not on.app.is_covered


async def test_pause_and_stop_act_on_the_run_of_the_tab(home, clock):
    watches.first_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SIZES["80x24"], clock=clock) as on:
            await opened(on, "signal parity")
            await on.press("p")
            await on.until(on.commands, "a command")
            assert on.commands()[0].command == PauseEntries(run_id=watches.FOUND)
            await on.press("s")
            assert isinstance(on.app.screen, StopRunDialog)


async def test_the_window_selector_shows_a_day_a_week_and_all(home, clock, snap_step):
    watches.on_watch(home, "after")
    with scenes.attached(home, clock):
        async with stage(home, size=SIZES["120x40"], clock=clock) as on:
            await opened(on, "day 9, hour 5.0")
            await on.press("W")
            await on.until(lambda: "as promised" in on.text(), "the week")
            await on.pilot.pause()
            await snap_step(on, "week")
            await on.press("W")
            await on.pilot.pause()
            await snap_step(on, "all")
            await on.press("enter")
            await on.until(lambda: isinstance(on.app.screen, EvidenceDialog), "the evidence")
            await on.press("escape", "W")
            assert "as promised" not in on.text()


@pytest.mark.parametrize("size", ["80x24", "120x40"])
async def test_an_hour_of_the_strip_opens_with_what_happened_in_it(home, clock, snap_step, size):
    watches.first_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SIZES[size], clock=clock) as on:
            await opened(on, "signal parity")
            assert "enter Evidence  ← → Hours" in keys_of(on)
            await on.press("left")
            assert "enter Hour 7  ← → Hours  esc Checks" in keys_of(on)
            await on.press("right", "left")
            assert "enter Hour 6" in keys_of(on)
            if size == "120x40":
                await snap_step(on, f"chosen-{size}")
            await on.press("enter")
            await on.until(lambda: isinstance(on.app.screen, HourDialog), "the hour")
            for part in ("1 entry", "DIVERGED", "buy 0.025 at 96,880.25, 10.2 bps worse", "enter long"):
                assert part in on.text()
            assert "96,410" not in on.text()
            await on.settle()
            await snap_step(on, f"hour-{size}")
            await on.press("enter")
            assert not on.app.is_covered
            await on.press("left", "enter")
            await on.until(lambda: "31 minutes lost" in on.text(), "the hour before")
            assert "long closed by signal: +5.13" in on.text()
            await on.press("q", "escape")
            assert "enter Evidence" in keys_of(on)


async def test_the_cursor_leaves_the_strip_for_the_check_where_it_was(home, clock):
    watches.first_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SIZES["80x24"], clock=clock) as on:
            await opened(on, "signal parity")
            page = on.app.run_screen.query_one("WatchPage")
            await on.press("down", "left")
            assert page.table.cursor_key is None
            await on.press("escape")
            assert page.table.cursor_key == CheckName.FILL_PRICES
            await on.press(*["left"] * 30, "down")
            assert page.table.cursor_key == CheckName.FILL_PRICES
            await on.press("enter")
            await on.until(lambda: isinstance(on.app.screen, EvidenceDialog), "the evidence")


async def test_a_click_opens_the_hour_below_it(home, clock):
    watches.first_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SIZES["80x24"], clock=clock) as on:
            await opened(on, "signal parity")
            # Six columns of labels, then three for each hour.
            await on.pilot.click("#watch-strip", offset=(6 + 3 * 6 + 1, 1))
            await on.until(lambda: isinstance(on.app.screen, HourDialog), "the hour")
            assert "hour 6 of day 1" in on.text()
            await on.press("escape")
            await on.pilot.click("#watch-strip", offset=(6 + 3 * 20, 1))
            assert not on.app.is_covered


async def test_a_day_of_the_strip_opens_as_a_watch_of_its_own(home, clock, snap_step):
    watches.on_watch(home, "after")
    with scenes.attached(home, clock):
        async with stage(home, size=SIZES["80x24"], clock=clock) as on:
            await opened(on, "day 9, hour 5.0")
            await on.press("W", "W")
            await on.until(lambda: "as promised" in on.text(), "all days")
            await on.press(*["left"] * 7)
            assert "enter Day 3" in keys_of(on)
            await on.press("enter")
            await on.until(lambda: "day 3, hour 24.0" in on.text(), "the third day")
            assert "DIVERGED" in on.text()
            await snap_step(on, "third-day")
            await on.press("down", "down", "enter")
            trades = on.text()
            assert "frequency · day 3" in trades
            # One in seven hours is closed: four in the hours 48 to 72.
            assert trades.count("signal ") + trades.count("stop loss") == 4
            await on.press("escape", "W")
            assert "as promised" in on.text()
            await on.press("enter")
            assert "frequency · days 3 to 9" in on.text()


@pytest.mark.parametrize("size", SIZES)
async def test_signs_of_tuning_stand_below_the_longer_windows(home, clock, snap_step, size):
    watches.on_watch(home, "after")
    with scenes.attached(home, clock):
        async with stage(home, size=SIZES[size], clock=clock) as on:
            await opened(on, "day 9, hour 5.0")
            assert "Sharpe ratio" not in on.text()
            await on.press("W", "W")
            await on.until(lambda: "! drawdown" in on.text(), "the sign")
            await on.pilot.pause()
            assert "· Sharpe ratio   Needs 30 days, not all alike." in on.text()
            assert "✔ entries        28" in on.text()
            # Each day's change of equity, where it has room: the third lost 210 of 4,999.
            assert ("-4.20" in on.text()) == (size == "200x60")
            await snap_step(on, f"signs-{size}")
            await on.press("down", "down", "down", "enter")
            await on.until(lambda: "AFTERWARDS  Make the position smaller" in on.text(), "the words")
            assert "over whole days: Drawdown 5.2 %; 95 % of the test's" in on.text()
            await on.settle()
            if size != "200x60":
                # The dialog is as wide at 120 columns.
                await snap_step(on, f"tuning-{size}")


@pytest.mark.parametrize("size", ["120x40", "200x60"])
async def test_the_pane_s_number_twice_gives_it_the_whole_screen(home, clock, snap_step, size):
    watches.first_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SIZES[size], clock=clock) as on:
            await opened(on, "signal parity")
            assert "4 Maximise" in keys_of(on)
            await on.press("4")
            await on.until(lambda: on.app.run_screen.pane(PaneId.METRICS).size.width > 110, "the pane")
            assert not on.app.run_screen.pane(PaneId.INFO).display
            assert "4 Restore" in keys_of(on)
            # No close of the run is stored: nothing is known of its equity.
            assert "PnL %" not in on.text()
            await on.pilot.pause()
            if size == "120x40":
                await snap_step(on, f"maximised-{size}")
            await on.press("left", "escape")
            assert not on.app.run_screen.pane(PaneId.INFO).display
            await on.press("escape")
            assert on.app.run_screen.pane(PaneId.INFO).display
            await on.press("4", "4")
            assert on.app.run_screen.pane(PaneId.INFO).display
            await on.press("4", "3")
            assert on.app.run_screen.front is PaneId.INFO
            assert on.app.run_screen.pane(PaneId.METRICS).display


async def test_what_to_do_next_is_whole_at_120_columns(home, clock):
    working_day.working_day(home)
    sentence = (
        "2 differences from the backtest's core that nothing explains. Pause entries and look at the "
        "mismatches: this is a defect of the program or of the data, not chance."
    )
    with scenes.attached(home, clock):
        settings = working_day.settings_of(home)
        async with stage(home, size=(120, 40), clock=clock, settings=settings) as on:
            await on.ready()
            await on.until(lambda: "NEXT" in on.text(), "the watch")
            page, details = on.app.run_screen.query_one(WatchPage), on.app.snapshot.selected
            [view] = details.days
            told = replace(view, report=view.report.model_copy(update={"next": sentence}))
            page.show(on.app.snapshot.run(details.run_id), replace(details, days=(told,)))
            words = " ".join(page.query_one("#watch-next", Paragraph).text.split())
            assert words == f"NEXT {sentence}"


async def test_before_the_first_day_is_over_there_is_one_window(home, clock):
    watches.on_watch(home, "consistent")
    with scenes.attached(home, clock):
        async with stage(home, size=SIZES["80x24"], clock=clock) as on:
            await opened(on, "CONSISTENT")
            await on.press("W")
            assert any("not over" in toast for toast in on.toasts())
            assert "hour 7.2 of 24" in on.text()


async def test_the_list_says_each_verdict_and_how_many_diverge_by_chance(home, clock, snap_step):
    watches.first_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SIZES["80x24"], clock=clock) as on:
            await on.ready()
            await on.until(lambda: "1 of 4 diverged, 0.2 expected by chance" in on.text(), "the title")
            for cell in ("✘ parity", "✔ 7 h", "! fills", "· 1 h"):
                assert cell in on.text()
            await snap_step(on, "list")


async def test_a_new_report_is_shown_and_the_cursor_stays_on_its_check(home, clock):
    watches.on_watch(home, "consistent")
    with scenes.attached(home, clock):
        async with stage(home, size=SIZES["120x40"], clock=clock) as on:
            await opened(on, "CONSISTENT")
            await on.press("down", "down", "down")
            watches.save(home, watches.found_out(scenes.LIVE), made_ms=clock.now_ms())
            await on.until(lambda: "beyond 99 %" in on.text(), "the new report")
            page = on.app.run_screen.query_one("WatchPage")
            assert page.table.cursor_key == CheckName.DRAWDOWN
            assert "True days diverge together" in on.text()
            assert on.app.snapshot.run(scenes.LIVE).watch.verdict is Verdict.DIVERGED


async def test_another_run_is_explained_at_the_same_check(home, clock):
    watches.first_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SIZES["120x40"], clock=clock) as on:
            await opened(on, "signal parity")
            await on.press("down", "down", "down")
            await on.until(lambda: "beyond 99 %" in on.text(), "the drawdown of the first run")
            await on.press("3", "down")
            detail = on.app.run_screen.query_one("#watch-detail", Paragraph)
            words = "less than on most days"
            await on.until(lambda: words in " ".join(detail.text.split()), "the drawdown of the second run")
