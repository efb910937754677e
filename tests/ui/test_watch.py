"""The tab of the first watch: each state at three sizes, the evidence, the windows, and the list of runs."""

import pytest

from firstwatch.trading.commands import PauseEntries
from firstwatch.trading.watch import CheckName, Verdict
from firstwatch.tui.modals.evidence import EvidenceDialog
from firstwatch.tui.modals.stop import StopRunDialog
from firstwatch.tui.panes.pane import PaneId
from tests.ui import scenes, watches
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


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("state", STATES)
async def test_each_state_of_the_watch_is_pictured(home, clock, snap_step, state, size):
    watches.on_watch(home, state)
    with scenes.attached(home, clock):
        async with stage(home, size=SIZES[size], clock=clock) as on:
            await opened(on, STATES[state])
            assert "nan" not in on.text().lower().replace("finance", "")
            snap_step(on, f"{state}-{size}")


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
            assert isinstance(on.app.screen, EvidenceDialog)
            assert "unexplained" in on.text()
            assert "insufficient margin" in on.text()
            await on.settle()
            snap_step(on, f"mismatches-{size}")
            await on.press("escape", "down", "enter")
            assert on.text().count("+10.2 bps") + on.text().count("+10.3 bps") == 6
            await on.settle()
            snap_step(on, f"fills-{size}")
            await on.press("q", "down", "down", "enter")
            assert on.text().count("stop loss") == 2
            await on.settle()
            snap_step(on, f"trades-{size}")
            await on.press("enter")
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
            snap_step(on, "week")
            await on.press("W")
            await on.pilot.pause()
            snap_step(on, "all")
            await on.press("enter")
            assert isinstance(on.app.screen, EvidenceDialog)
            await on.press("escape", "W")
            assert "as promised" not in on.text()


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
            for cell in ("✘ parity 7 h", "✔ 7 h", "! fills 7 h", "· 1 h"):
                assert cell in on.text()
            snap_step(on, "list")


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
            assert on.app.snapshot.run(scenes.LIVE).watch.report.verdict is Verdict.DIVERGED


async def test_another_run_is_explained_at_the_same_check(home, clock):
    watches.first_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SIZES["120x40"], clock=clock) as on:
            await opened(on, "signal parity")
            await on.press("down", "down", "down")
            await on.until(lambda: "beyond 99 %" in on.text(), "the drawdown of the first run")
            await on.press("3", "down")
            await on.until(lambda: "less than on most days" in on.text(), "the drawdown of the second run")
