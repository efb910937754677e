"""Alarms by keys: from their list, from *What happened* and from the wallet's row."""

import re
from dataclasses import replace

import pytest

from firstwatch.settings import Settings
from firstwatch.store import runs
from firstwatch.trading.alarms import UNMANAGED
from firstwatch.trading.commands import CloseWallet, CommandOutcome
from firstwatch.trading.runs import Exposure
from firstwatch.tui.launch_form.draft import YES
from firstwatch.tui.modals.alarms import AlarmsDialog
from firstwatch.tui.modals.confirm import ConfirmDialog
from firstwatch.tui.panes.pane import PaneId
from firstwatch.tui.state import READ_ONLY
from firstwatch.tui.widgets.status_lines import HeadLine
from tests.ui import scenes
from tests.ui.stage import stage

TINY, MIDDLE = (40, 16), (120, 40)


def head(on):
    return on.app.screen_stack[0].query_one(HeadLine).line().plain


async def test_an_acknowledged_alarm_is_listed_dimmed_and_calls_again_when_it_is_worse(home, clock):
    scenes.with_alarm(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            assert "▲ 1 ALARM (!)" in head(on)
            await on.press("!", "K")
            await on.until(lambda: not on.app.live.calling, "the acknowledgement")
            assert isinstance(on.app.screen, AlarmsDialog)
            assert "acknowledged: wallet swing holds" in on.text()
            assert "K acknowledge" not in on.text()
            assert "▲ 1 seen (!)" in head(on)
            await on.press("escape")
            await on.until(lambda: "▲ ALARM" not in on.text(), "the status line without the alarm")
            assert "no run manages it · acknowledged" in on.text()
            clock.advance(3_000)
            scenes.unprotect(home, scenes.FAILED)
            await on.until(lambda: on.app.live.calling, "it calls again")
            assert "▲ 1 ALARM (!)" in head(on)
    assert on.commands() == []


@pytest.mark.parametrize("where", ["list", "journal", "wallets"])
async def test_a_position_is_left_as_it_is_from_the_row_of_its_alarm(home, clock, where):
    scenes.with_alarm(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            await on.press(*{"list": "!", "journal": "5", "wallets": "1"}[where])
            if where == "wallets":
                on.app.run_screen.pane(PaneId.WALLETS).query_one("#wallets-table").point_at("swing")
                await on.pilot.pause()
            await on.press("L")
            await on.until(lambda: not on.app.live.calling, "that it is left")
            [alarm] = on.app.live.alarms
            assert (alarm.topic, alarm.is_left) == (UNMANAGED, True)
            await on.until(lambda: "left as it is" in on.text(), "the word")


async def test_a_position_is_adopted_by_a_run_whose_launch_is_filled_in(home, clock):
    scenes.with_alarm(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            await on.press("!", "A")
            await on.until(lambda: on.app.is_launching, "the launcher")
            draft = on.app.draft
            assert (draft.wallet, draft.symbol, draft.assume_position_now) == ("swing", scenes.SYMBOL, YES)
            assert (draft.algorithm, draft.capital) == ("RSI reversion@1", "800")
            assert draft.parent_run_id == scenes.FAILED


async def test_an_alarm_s_keys_are_those_of_the_settings(home, clock):
    scenes.with_alarm(home)
    keymap = {"run.close": "Z", "alarm.adopt": "", "view.alarms": "J"}
    settings = Settings(home=home, refresh_hz=20, keymap=keymap)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock, settings=settings) as on:
            await on.ready()
            on.app.action_perform("alarm.leave")
            assert on.app.notices[-1].title == "Leave"
            assert on.app.notices[-1].message == "Put the cursor on an alarm first (J)"
            await on.press("J")
            hints = [f"{hint.key} {hint.text}" for hint in on.app.screen.hints()]
            assert hints[:3] == ["Z close position", "L leave", "K acknowledge"]
            await on.press("x", "A")
            assert isinstance(on.app.screen, AlarmsDialog)
            assert not on.app.is_launching
            await on.press("Z")
            assert isinstance(on.app.screen, ConfirmDialog)
    assert on.commands() == []


async def test_no_key_acts_on_an_alarm_from_elsewhere(home, clock):
    scenes.with_alarm(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            await on.press("3", "K", "L", "A")
            assert on.app.live.calling
            assert not on.app.is_launching
            assert all("Go to Run Wallets, What happened first" in toast for toast in on.toasts())


async def test_a_screen_that_only_looks_acknowledges_nothing(home, clock):
    scenes.with_alarm(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock, is_read_only=True) as on:
            await on.ready()
            await on.press("!", "K", "L", "A")
            await on.until(lambda: len(on.app.notices) == 3, "three refusals")
            assert {notice.message for notice in on.app.notices} == {READ_ONLY}
            assert on.app.live.calling


@pytest.mark.parametrize("size", [TINY, MIDDLE], ids=["40x16", "120x40"])
async def test_a_left_over_position_is_closed_from_its_alarm(home, clock, snap_step, size):
    scenes.with_alarm(home)
    with scenes.attached(home, clock):
        async with stage(home, size=size, clock=clock) as on:
            await on.ready()
            await on.press("!", "x")
            assert isinstance(on.app.screen, ConfirmDialog)
            said = " ".join(" ".join(re.sub("[│╭╮╰╯─]", " ", on.text()).split()).split())
            for part in ("swing (PAPER)", "long 0.0041 BTC/USDC:USDC", "y Close at market"):
                assert part in said
            await snap_step(on, f"close-{size[0]}x{size[1]}")
            await on.press("n")
            assert on.commands() == []
            await on.press("!", "x", "y")
            await on.until(on.commands, "a command")
            [sent] = on.commands()
            assert sent.command == CloseWallet(wallet="swing", confirmed_name="swing")
            scenes.answer(home, sent.id, CommandOutcome.DONE, "the wallet swing is flat: closed 0.0041 BTC")
            await on.until(lambda: any("swing is flat" in said for said in on.toasts()), "the outcome")


@pytest.mark.parametrize("where", ["journal", "wallets"])
async def test_the_row_of_the_alarm_closes_it_too(home, clock, where):
    scenes.with_alarm(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            await on.press({"journal": "5", "wallets": "1"}[where])
            if where == "wallets":
                on.app.run_screen.pane(PaneId.WALLETS).query_one("#wallets-table").point_at("swing")
                await on.pilot.pause()
            await on.press("x", "y")
            await on.until(on.commands, "a command")
            assert on.commands()[0].command == CloseWallet(wallet="swing", confirmed_name="swing")


async def test_nothing_is_closed_that_is_gone_when_the_question_is_answered(home, clock):
    scenes.with_alarm(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            await on.press("!", "x")
            clock.advance(3_000)
            with scenes.written(home) as session:
                facts = runs.get_run(session, scenes.FAILED).facts
                runs.update_side_facts(session, scenes.FAILED, replace(facts, exposure=Exposure.FLAT))
            await on.until(lambda: not on.app.live.alarms, "the end of the alarm")
            await on.press("y")
            await on.until(lambda: on.app.notices, "a word")
            assert "nothing was sent" in on.app.notices[-1].message
            assert on.commands() == []


async def test_a_screen_that_only_looks_and_one_without_an_engine_close_nothing(home, clock):
    scenes.with_alarm(home)
    async with stage(home, size=MIDDLE, clock=clock) as on:
        await on.ready()
        await on.press("!", "x")
        await on.until(lambda: on.app.notices, "a word")
        assert "No engine accepts commands" in on.app.notices[-1].message
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock, is_read_only=True) as on:
            await on.ready()
            await on.press("!", "x")
            await on.until(lambda: on.app.notices, "a word")
            assert on.app.notices[-1].message == READ_ONLY
            assert on.commands() == []


async def test_a_key_that_does_nothing_here_is_not_offered_by_the_list(home, clock):
    scenes.with_alarm(home)
    with scenes.attached(home, clock):
        for size, only_looks, offered in (
            (MIDDLE, False, ("x close position", "A adopt", "L leave", "K acknowledge")),
            (TINY, False, ("x close position", "L leave", "K acknowledge")),
            (MIDDLE, True, ()),
        ):
            async with stage(home, size=size, clock=clock, is_read_only=only_looks) as on:
                await on.ready()
                await on.press("!")
                hints = [f"{hint.key} {hint.text}" for hint in on.app.screen.hints()]
                assert hints == [*offered, "enter go to the run", "q esc close"]
