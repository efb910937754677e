"""Flows: keys in, commands and snapshot out; messages first, pictures second."""

import threading
import time
from contextlib import contextmanager
from decimal import Decimal

import pytest
from textual.widgets._toast import Toast, ToastRack

from firstwatch.engine.host.host import EngineHost
from firstwatch.manager.views import EngineWhere
from firstwatch.store.database import open_store
from firstwatch.store.journal import events_after
from firstwatch.store.runs import find_run
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.commands import CommandOutcome, PauseEntries, StopRun
from firstwatch.trading.launch import LaunchPreview
from firstwatch.trading.runs import Author, RunState, StopMode
from firstwatch.tui.launch_form.assessment import Readiness
from firstwatch.tui.modals.prompt import PromptDialog
from firstwatch.tui.modals.quit import QuitDialog
from firstwatch.tui.modals.stop import StopRunDialog
from firstwatch.tui.state import ToastNotice
from firstwatch.venues.paper.settings import PaperVenueSettings
from firstwatch.venues.signer import KeyKind
from firstwatch.wallets.key_ring import KeyRing
from firstwatch.wallets.keystore import address_of
from firstwatch.wallets.unlock_socket import UnlockServer
from firstwatch.wallets.vault import Vault
from tests.ui import scenes
from tests.ui.stage import NEW_RUN, stage

SMALL, MIDDLE, LARGE = (80, 24), (120, 40), (200, 60)


# --- looking ---------------------------------------------------------------------------------------


async def test_the_first_paint_says_that_the_store_is_being_read(home, clock, snap_step):
    scenes.first_steps(home)
    async with stage(home, size=SMALL, clock=clock) as on:
        assert not on.app.snapshot.is_ready
        assert "reading the store" in on.text()
        await on.ready()
        await on.until(lambda: "no engine runs" in on.text(), "the engine is looked for")
        await snap_step(on, "info")
        await on.press("2")
        await snap_step(on, "configuration")
        await on.press("1")
        await snap_step(on, "wallets")


async def test_four_panes_show_a_busy_day(home, clock, snap_step):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            assert on.app.snapshot.engine.where is EngineWhere.ATTACHED
            await snap_step(on, "active")
            for tab in ("History", "Positions", "Orders", "Trades", "Details", "Config"):
                await on.press("]")
                await snap_step(on, tab.lower())
            # Passing through the tabs has not chosen another run.
            assert on.app.selected_run == scenes.LIVE


async def test_metrics_tabs_at_80x24(home, clock, snap_step):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock) as on:
            await on.ready()
            await on.press("4", "]")
            await on.until(lambda: "Realised PnL" in on.text(), "the summary")
            await snap_step(on, "summary")
            await on.press("]")
            await on.until(lambda: "E entry  X exit" in on.text(), "the chart of candles")
            await snap_step(on, "price")
            await on.press("]")
            await on.until(lambda: "drawdown now" in on.text(), "the equity chart")
            await snap_step(on, "equity")
            await on.press("]")
            await on.until(lambda: "trailing stop" in on.text(), "the performance")


async def test_a_wide_terminal_has_the_event_log(home, clock, snap_step):
    scenes.with_alarm(home)
    with scenes.attached(home, clock):
        async with stage(home, size=LARGE, clock=clock) as on:
            await on.ready()
            assert "no run manages it" in on.text()
            await snap_step(on, "wide")


async def test_an_unprotected_run_is_named_on_dialogs_too(home, clock, snap_step):
    scenes.busy_day(home)
    scenes.unprotect(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock) as on:
            await on.ready()
            await on.press("question_mark")
            assert "1 unprotected" in on.text()
            assert "ALARM" in on.text()
            await on.settle()
            await snap_step(on, "help")
            await on.press("q")
            assert not on.app.is_covered


async def test_a_stop_that_could_not_be_moved_is_shown_where_it_rests(home, clock):
    scenes.busy_day(home)
    scenes.refuse_moves(home)
    with scenes.attached(home, clock):
        async with stage(home, size=(200, 60), clock=clock) as on:
            await on.ready()
            assert "OLD STOP" in on.text()
            assert "its stop at 92155.58 where 93092.9 is wanted" in on.app.snapshot.alarms[0].sentence
            await on.press("s")
            assert "stop 92,155.58 where 93,092.90 is wanted" in on.text()


async def test_an_engine_that_is_silent_is_shown_and_gets_no_commands(home, clock, snap_step):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            clock.advance(30_000)
            silent = EngineWhere.NOT_RESPONDING
            await on.until(lambda: on.app.snapshot.engine.where is silent, "the engine is silent")
            await on.until(lambda: "silent for 30 s" in on.text(), "the status line")
            await snap_step(on, "silent")
            await on.press("p")
            assert on.commands() == []
            assert any("not responding" in toast for toast in on.toasts())


# --- acting on runs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [SMALL, MIDDLE])
async def test_stop_asks_for_the_mode_and_shows_what_is_left(home, clock, snap_step, size):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=size, clock=clock) as on:
            await on.ready()
            await on.press("s")
            assert isinstance(on.app.screen, StopRunDialog)
            await on.settle()
            await snap_step(on, f"stop-{size[0]}x{size[1]}")
            await on.press("l")
            await on.until(on.commands, "a command")
            [stored] = on.commands()
            assert stored.command == StopRun(run_id=scenes.LIVE, mode=StopMode.LEAVE)
            assert stored.author is Author.OPERATOR
            assert stored.expected_state is RunState.RUNNING
            assert stored.snapshot_sequence
            assert stored.expires_at_ms == clock.now_ms() + 10_000


async def test_leaving_a_position_unprotected_wants_the_run_s_name(home, clock, snap_step):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock) as on:
            await on.ready()
            await on.press("s", "u")
            assert isinstance(on.app.screen, PromptDialog)
            await on.type("RSI rever")
            await on.press("enter")
            assert isinstance(on.app.screen, PromptDialog)
            await on.settle()
            await snap_step(on, "not-its-name")
            assert on.commands() == []
            await on.type("sion@1")
            await on.press("enter")
            await on.until(on.commands, "a command")
            assert on.commands()[0].command == StopRun(run_id=scenes.LIVE, mode=StopMode.LEAVE_UNPROTECTED)


async def test_a_run_that_ends_leaves_no_cursor_on_another_run(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            scenes.end_live_run(home)
            await on.until(lambda: not on.app.snapshot.active, "the run ends")
            await on.press("s")
            assert not on.app.is_covered
            assert on.app.selected_run == scenes.LIVE
            assert any("Put the cursor on a run" in toast for toast in on.toasts())


async def test_pause_sends_a_command_and_says_what_became_of_it(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            await on.press("p")
            await on.until(on.commands, "a command")
            [stored] = on.commands()
            assert stored.command == PauseEntries(run_id=scenes.LIVE)
            scenes.answer(home, stored.id, CommandOutcome.REFUSED, "the run is stopping")
            await on.until(lambda: "the run is stopping" in " ".join(on.toasts()), "the outcome")


async def test_start_again_copies_the_settings_as_a_child(home, clock, snap_step):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            await on.press("3", "]", "down")
            await on.until(lambda: on.app.selected_run == scenes.DONE, "the finished run")
            await on.until(lambda: on.app.snapshot.selected.run_id == scenes.DONE, "its details")
            await on.press("a")
            draft = on.app.draft
            assert (draft.algorithm, draft.wallet, draft.capital) == ("RSI reversion@1", "spare", "2000")
            assert (draft.leverage, draft.trades_limit, draft.parent_run_id) == ("2", "3", scenes.DONE)
            assert on.app.assessment.settings.parent_run_id == scenes.DONE
            await on.until(lambda: on.app.snapshot.command(on.app.check_id), "the launch is being checked")
            await snap_step(on, "again")


async def test_real_money_is_started_when_the_run_s_name_is_typed(home, clock, snap_step):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock) as on:
            await on.ready()
            await on.press("3", "]", "down")
            await on.until(lambda: on.app.selected_run == scenes.DONE, "the finished run")
            await on.until(lambda: on.app.snapshot.selected.run_id == scenes.DONE, "its details")
            await on.press("a")
            await on.until(lambda: on.app.check_id, "the launch is being checked")
            seen = LaunchPreview(checks=(), assume_position="the run starts flat", is_mainnet=True)
            scenes.answer(home, on.app.check_id, CommandOutcome.DONE, "can start", seen)
            await on.until(lambda: "press g to start" in on.app.next_step.sentence, "the checks' answer")
            await on.press("g")
            assert isinstance(on.app.screen, PromptDialog)
            await on.type("RSI rever")
            await on.press("enter")
            assert isinstance(on.app.screen, PromptDialog)
            await on.settle()
            await snap_step(on, "not-its-name")
            assert on.commands() == []
            await on.type("sion@1")
            await on.press("enter")
            await on.until(on.commands, "a command")
            assert on.commands()[0].command.settings.confirmed_name == "RSI reversion@1"


async def test_a_changed_launch_waits_for_a_check_of_its_own(home, clock, monkeypatch):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock) as on:
            await on.ready()
            await on.press("3", "]", "down")
            await on.until(lambda: on.app.snapshot.selected.run_id == scenes.DONE, "the finished run")
            await on.press("a")
            await on.until(lambda: on.app.check_id, "the launch is being checked")
            scenes.answer(home, on.app.check_id, CommandOutcome.DONE, "can start", LaunchPreview(checks=()))
            await on.until(lambda: on.app.next_step.readiness is Readiness.READY, "the checks' answer")
            may_write = threading.Event()
            submit = on.manager.submit
            monkeypatch.setattr(on.manager, "submit", lambda *a, **k: may_write.wait() and submit(*a, **k))
            first = on.app.check_id
            on.app.launch.set_field("capital", "1999")
            on.app.launch.check()
            # The command is not written yet, and the check before it was of another capital.
            found = on.app.next_step.readiness
            may_write.set()
            assert found is Readiness.WAITING
            await on.until(lambda: on.app.check_id not in (None, first), "the second check")
            assert on.app.next_step.readiness is Readiness.WAITING


async def test_numbers_move_without_moving_the_cursor(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            scenes.move_mark(home, 97_000.5, "-4.25")
            await on.until(lambda: "+1.34" in on.text(), "the new PnL in per cent")
            assert on.app.selected_run == scenes.LIVE


# --- NAV and EDIT ------------------------------------------------------------------------------------


async def test_keys_are_text_in_edit_and_escape_leaves_the_field_as_it_was(home, clock, snap_step):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock) as on:
            await on.ready()
            await on.press("n", "down", "down", "down", "enter")
            assert on.app.is_editing
            await on.type("sqp4x")
            assert " EDIT" in on.text()
            await on.until(lambda: "not a number: sqp4x" in on.text(), "the word on what is typed")
            await snap_step(on, "edit")
            assert not on.app.is_covered
            assert on.commands() == []
            await on.press("escape")
            assert not on.app.is_editing
            assert on.app.draft.capital == ""
            assert " NAV" in on.text()


async def test_pasted_text_triggers_nothing_in_nav(home, clock):
    from textual.events import Paste

    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            on.app.post_message(Paste("spxqd"))
            await on.pilot.pause()
            assert not on.app.is_covered
            assert on.commands() == []


async def test_choices_turn_and_open_a_list(home, clock, snap_step):
    scenes.first_steps(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock) as on:
            await on.ready()
            await on.press("n", "enter")
            await on.settle()
            await snap_step(on, "list")
            await on.press("down", "enter")
            assert on.app.draft.algorithm == "RSI reversion@1"
            assert on.app.draft.symbol == scenes.SYMBOL
            await on.press("up", "left")
            assert on.app.draft.algorithm == "Band fade@1"
            await on.press("down", "space")
            assert on.app.draft.wallet == "demo"


# --- wallets -----------------------------------------------------------------------------------------


async def test_a_wallet_is_created_from_the_keyboard(home, clock, snap_step):
    scenes.first_steps(home)
    async with stage(home, size=SMALL, clock=clock) as on:
        await on.ready()
        await on.press("1", "w")
        await on.type("demo")
        assert "there is a wallet demo already" in on.text()
        await on.type("2 nowhere")
        assert "no venue nowhere" in on.text()
        await on.settle()
        await snap_step(on, "wallet")
        await on.press("escape", "w")
        await on.type("second")
        await on.press("enter")
        await on.until(lambda: on.app.snapshot.wallet("second"), "the wallet")
        assert on.app.snapshot.wallet("second").free == 0
        assert on.commands() == []


# --- both arrangements, with a real engine -----------------------------------------------------------


@contextmanager
def engine_elsewhere(home, settings, arrangement):
    """In the attached arrangement another host has the engine; the screen's manager does not volunteer."""
    if arrangement == "embedded":
        yield
        return
    store = open_store(home)
    host = EngineHost(store, settings)
    host.start()
    try:
        yield
    finally:
        host.drain_and_stop()
        store.close()


async def test_the_vault_is_unlocked_from_a_screen_and_the_passphrase_is_not_shown(home, clock):
    secret = bytes.fromhex("11" * 32)
    scenes.busy_day(home)
    vault = Vault(home, clock, work_factor=16)
    vault.open("word word").add(secret, venue="hl", account=address_of(secret), kind=KeyKind.MASTER)
    keys = KeyRing(vault)
    door = UnlockServer(home, keys)
    door.open()
    try:
        with scenes.attached(home, clock):
            async with stage(home, size=MIDDLE, clock=clock) as on:
                await on.ready()
                on.app.engine.ask_passphrase()
                await on.until(lambda: isinstance(on.app.screen, PromptDialog), "the dialog")
                await on.type("word word")
                assert "word word" not in on.text()
                await on.press("enter")
                await on.until(lambda: any("unlocked" in toast for toast in on.toasts()), "the engine's word")
    finally:
        door.close()
    assert not keys.is_locked


@pytest.mark.parametrize("arrangement", ["embedded", "attached"])
async def test_from_a_wallet_to_a_run_and_back(home, arrangement):
    scenes.first_steps(home)
    venue = PaperVenueSettings(kind="paper", speed=3600.0)
    settings = scenes.settings_of(home).model_copy(update={"venues": {"paper": venue}})
    where = EngineWhere.EMBEDDED if arrangement == "embedded" else EngineWhere.ATTACHED
    with engine_elsewhere(home, settings, arrangement):
        clock = SystemClock()
        hosts_engine = arrangement == "embedded"
        async with stage(home, clock=clock, hosts_engine=hosts_engine, settings=settings) as on:
            await on.ready()
            await on.until(lambda: on.app.snapshot.engine.where is where, "the engine")
            await on.press("1", "f")
            await on.type("2500")
            await on.press("enter")
            await on.until(lambda: on.app.snapshot.wallet("demo").free == Decimal(12_500), "the money")
            await on.press("n", "right", "right", "down", "right", "down", "down", "enter")
            await on.type("1000")
            await on.press("enter")
            await on.until(lambda: on.app.next_step.needs_reason, "the checks")
            await on.press("g")
            await on.type("a test")
            await on.press("enter", "y")
            await on.until(lambda: on.app.snapshot.run(NEW_RUN), "the run")
            await on.until(lambda: on.app.snapshot.run(NEW_RUN).state is RunState.RUNNING, "it runs")
            assert on.app.selected_run == NEW_RUN
            await on.press("p")
            await on.until(lambda: on.app.snapshot.run(NEW_RUN).paused, "the pause")
            await on.press("r")
            await on.until(lambda: not on.app.snapshot.run(NEW_RUN).paused, "the resumption")
            await on.press("q")
            if arrangement == "embedded":
                assert isinstance(on.app.screen, QuitDialog)
                assert "1 run is active in this process: 1 PAPER." in on.text()
                assert f"{on.app.snapshot.short_id(NEW_RUN)} RSI reversion@1" in on.text()
                await on.press("enter")
                assert not on.app.is_covered
                await on.press("s", "x")
                stopped = RunState.STOPPED
                await on.until(lambda: on.app.snapshot.run(NEW_RUN).state is stopped, "the stop")
    store = open_store(home)
    with store.read() as session:
        kinds = [entry.event.kind for entry in events_after(session, NEW_RUN)]
        run = find_run(session, NEW_RUN)
    store.close()
    assert "check_waived" in kinds
    assert run.settings.accepted_warnings == "a test"
    if arrangement == "attached":
        # Leaving an attached screen leaves the run alone.
        assert run.state is RunState.RUNNING


async def test_a_toast_that_ends_as_it_is_shown_again_goes_and_the_screen_stays_alive(home, clock):
    async with stage(home, clock=clock) as on:
        late = ToastNotice("late", timeout=1.0, raised_at=time.time() - 2.0)
        assert late.has_expired
        await on.app.screen.query_one(ToastRack).mount(Toast(late))
        await on.until(lambda: not on.app.screen.query(Toast), "its end")
