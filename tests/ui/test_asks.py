"""Questions of agents by keys: they open nothing by themselves, and are answered where they are read."""

import re

import pytest
from textual.widgets import Input

from firstwatch.settings import AlertSettings, Settings
from firstwatch.store import agents, journal
from firstwatch.trading.agents import AskState
from firstwatch.trading.commands import CommandOutcome, StopRun
from firstwatch.trading.events import EntriesPaused
from firstwatch.trading.runs import Author, StopMode
from firstwatch.tui.app import FirstwatchApp
from firstwatch.tui.keymap import make_keymap
from firstwatch.tui.lists import journal as rows
from firstwatch.tui.modals.alarms import AlarmsDialog
from firstwatch.tui.modals.prompt import PromptDialog
from firstwatch.tui.state import READ_ONLY
from firstwatch.tui.widgets.status_lines import StatusLine
from firstwatch.tui.widgets.table import KeyedTable
from tests.ui import scenes
from tests.ui.stage import Stage, stage

TINY, SMALL, MIDDLE = (40, 16), (80, 24), (120, 40)
REAL_RUN = scenes.run_number(1)
SECOND_MS = 1_000


def status(on: Stage) -> str:
    return on.app.screen.query_one(StatusLine).line().plain


def words(on: Stage) -> str:
    """Return what stands on the screen as one line, without frames."""
    return " ".join(re.sub("[│╭╮╰╯─█▁▂▃▄▅▆▇]", " ", on.text()).split())


def hints(on: Stage) -> list[str]:
    return [f"{hint.key} {hint.text}".strip() for hint in on.app.screen.hints()]


def cursor(on: Stage) -> str | None:
    return on.app.screen.query_one(KeyedTable).cursor_key


def state_of(home, number: int) -> AskState:
    with scenes.written(home) as session:
        return agents.get_ask(session, number, now_ms=scenes.NOW_MS).state


async def asked(on: Stage, count: int = 1) -> None:
    await on.until(lambda: len(on.app.live.asks) == count, f"{count} questions")


async def opened(on: Stage) -> None:
    """Open the list, with the question under the cursor."""
    await on.press("!")
    await on.until(lambda: (cursor(on) or "").startswith("ask-"), "the question under the cursor")


async def shows_keys(on: Stage) -> None:
    """Let the dead second pass."""
    on.app._clock.advance(SECOND_MS)
    await on.until(lambda: "y yes" in on.text(), "the keys")


# --- before it is opened -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [SMALL, MIDDLE], ids=["80x24", "120x40"])
async def test_the_status_line_says_that_an_agent_asks_and_how_long_it_waits(home, clock, snap_step, size):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=size, clock=clock) as on:
            await on.ready()
            scenes.ask_to_stop(home, waits_ms=43_000)
            await asked(on)
            assert not on.app.is_covered
            await on.until(lambda: "an agent asks" in on.text(), "the line")
            assert "an agent asks: stop RSI reversion@1 (43 s), press !" in status(on)
            assert "on demo (PAPER)" in status(on)
            await on.settle()
            await snap_step(on, f"status-{size[0]}x{size[1]}")
            clock.advance(2 * SECOND_MS)
            await on.until(lambda: "(41 s), press !" in on.text(), "two seconds less")


async def test_the_smallest_status_line_has_room_for_it_beside_an_alarm(home, clock):
    scenes.with_alarm(home)
    scenes.ask_to_stop(home)
    scenes.ask_to_stop(home, scenes.FAILED)
    with scenes.attached(home, clock):
        for size, wanted in (
            (TINY, "an agent asks (60 s), press !"),
            (SMALL, "an agent asks (60 s), press !"),
            (MIDDLE, "an agent asks (+1): stop RSI reversion@1 (60 s), press !"),
        ):
            async with stage(home, size=size, clock=clock) as on:
                await on.ready()
                await on.until(lambda wanted=wanted: wanted in on.text(), wanted)
                assert ("▲ ALARM" in status(on)) is (size != TINY)


async def test_what_an_operator_types_is_not_disturbed_by_a_question(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            await on.press("1", "w")
            await on.until(lambda: isinstance(on.app.focused, Input), "the field")
            dialog, field = on.app.screen, on.app.focused
            await on.type("sun")
            number = scenes.ask_to_stop(home)
            await asked(on)
            clock.advance(2 * SECOND_MS)
            await on.type("nyy!")
            assert (on.app.screen, on.app.focused) == (dialog, field)
            assert field.value == "sunnyy!"
            assert "press !" not in status(on)
            assert "an agent asks: stop RSI reversion@1" in status(on)
    assert state_of(home, number) is AskState.WAITING
    assert on.commands() == []


async def test_its_keys_answer_nothing_outside_of_the_list(home, clock):
    scenes.busy_day(home)
    number = scenes.ask_to_stop(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            clock.advance(5 * SECOND_MS)
            await on.press("3", "y")
            assert "Copied" in on.app.notices[-1].message
            on.app.action_perform("ask.approve")
            assert on.app.notices[-1].message == "Put the cursor on a question of an agent first (!)"
            await on.press("n")
            await on.until(lambda: on.app.is_launching, "the launcher, which has the key here")
    assert state_of(home, number) is AskState.WAITING
    assert on.commands() == []


@pytest.mark.parametrize("is_wanted", [True, False])
async def test_the_bell_rings_once_for_a_question(home, clock, monkeypatch, is_wanted):
    rung = []
    monkeypatch.setattr(FirstwatchApp, "bell", lambda _app: rung.append(1))
    scenes.busy_day(home)
    settings = scenes.settings_of(home).model_copy(update={"alerts": AlertSettings(bell=is_wanted)})
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock, settings=settings) as on:
            await on.ready()
            number = scenes.ask_to_stop(home)
            await asked(on)
            assert len(rung) == is_wanted
            scenes.answer_ask(home, number, AskState.REFUSED)
            await asked(on, 0)
            assert len(rung) == is_wanted


# --- its answer --------------------------------------------------------------------------------------


async def test_a_yes_to_a_question_on_play_money_sends_the_command_once(home, clock, snap_step):
    scenes.busy_day(home)
    number = scenes.ask_to_stop(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            await opened(on)
            await on.until(lambda: "y and n in 1 s" in on.text(), "the dead keys")
            await on.press("y", "n", "y")
            clock.advance(SECOND_MS - 1)
            await on.press("y", "n")
            assert state_of(home, number) is AskState.WAITING
            assert on.app.notices == ()
            clock.advance(1)
            await on.until(lambda: "y yes" in on.text(), "the keys")
            said = words(on)
            for part in (
                "agent helper asks: stop RSI reversion@1",
                "run a1b2, wallet demo (PAPER)",
                "The position stays open, and its protection stays at the venue.",
                "A stopped run does not go on; a new start is a new run.",
                "59 s left; without an answer it is a no",
            ):
                assert part in said
            assert not on.app.screen.query_one("#real-money").display
            assert "At a terminal" not in said
            await on.settle()
            await snap_step(on, "paper")
            await on.press("y")
            await on.until(on.commands, "the command")
            [sent] = on.commands()
            assert sent.command == StopRun(run_id=scenes.LIVE, mode=StopMode.LEAVE)
            assert sent.author is Author.AGENT_APPROVED
            await asked(on, 0)
            assert isinstance(on.app.screen, AlarmsDialog)
            await on.until(lambda: "There is no alarm" in on.text(), "the list without it")
            assert "You said yes: stop RSI reversion@1" in on.text()
            await on.settle()
            await snap_step(on, "after-yes")
            await on.press("y")
            assert "does not wait any more" in on.app.notices[-1].message
            scenes.answer(home, sent.id, CommandOutcome.DONE, "the run is stopping")
            await on.until(lambda: "the run is stopping" in on.toasts(), "the outcome")
    assert state_of(home, number) is AskState.APPROVED
    assert len(on.commands()) == 1


async def test_a_no_sends_nothing(home, clock):
    scenes.busy_day(home)
    number = scenes.ask_to_stop(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            await opened(on)
            await shows_keys(on)
            await on.press("n")
            await asked(on, 0)
            await on.until(lambda: "You said no" in on.text(), "a word")
    assert state_of(home, number) is AskState.REFUSED
    assert on.commands() == []


async def test_real_money_wants_the_run_s_name_and_shows_the_code_for_a_terminal(
    home, clock, snap_step, monkeypatch
):
    scenes.many_runs(home, 1, real=1)
    number = scenes.ask_to_stop(home, REAL_RUN)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            codes = iter([4_213, 999_999])
            monkeypatch.setattr("firstwatch.manager.agent_service.secrets.randbelow", lambda _: next(codes))
            await on.ready()
            await opened(on)
            await on.until(lambda: "004213" in on.text(), "the code")
            await shows_keys(on)
            assert f"firstwatch agent approve {number}, with the code 004213" in words(on)
            assert on.app.screen.query_one("#real-money").region.height == 1
            await on.settle()
            await snap_step(on, "real-money")
            await on.press("escape", "!")
            await on.until(lambda: "004213" in on.text(), "the same code again")
            await on.press("y")
            assert isinstance(on.app.screen, AlarmsDialog), "it is shown anew"
            await shows_keys(on)
            await on.press("y")
            assert isinstance(on.app.screen, PromptDialog)
            await on.type("RSI")
            await on.press("enter")
            assert "not RSI reversion@1" in on.text()
            await on.type(" reversion@1")
            await snap_step(on, "typed-name")
            await on.press("enter")
            await on.until(on.commands, "the command")
            assert on.commands()[0].command == StopRun(run_id=REAL_RUN, mode=StopMode.LEAVE)
            assert isinstance(on.app.screen, AlarmsDialog)
    assert state_of(home, number) is AskState.APPROVED


async def test_a_name_that_is_not_typed_answers_nothing_and_its_keys_are_dead_again(home, clock):
    scenes.many_runs(home, 1, real=1)
    number = scenes.ask_to_stop(home, REAL_RUN)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            await opened(on)
            await shows_keys(on)
            await on.press("y", "escape")
            assert isinstance(on.app.screen, AlarmsDialog)
            assert hints(on)[0] == "y and n in 1 s"
            await on.press("n", "y")
            assert isinstance(on.app.screen, AlarmsDialog)
    assert state_of(home, number) is AskState.WAITING
    assert on.commands() == []


async def test_what_the_manager_refuses_is_said(home, clock):
    scenes.busy_day(home)
    number = scenes.ask_to_stop(home)
    async with stage(home, size=MIDDLE, clock=clock) as on:
        await on.ready()
        await opened(on)
        await shows_keys(on)
        await on.press("y")
        await on.until(lambda: on.app.notices, "a word")
        assert "No engine is running to accept commands" in on.app.notices[-1].message
    assert state_of(home, number) is AskState.WAITING


@pytest.mark.parametrize("is_real", [False, True])
async def test_a_screen_that_only_looks_shows_it_and_answers_nothing(home, clock, is_real):
    scenes.many_runs(home, 1, real=int(is_real))
    number = scenes.ask_to_stop(home, REAL_RUN)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock, is_read_only=True) as on:
            await on.ready()
            await opened(on)
            clock.advance(SECOND_MS)
            assert "agent helper asks: stop RSI reversion@1" in words(on)
            assert "At a terminal" not in words(on)
            assert hints(on) == ["q esc close"]
            await on.press("y", "n")
            await on.until(lambda: len(on.app.notices) == 2, "two refusals")
            assert {notice.message for notice in on.app.notices} == {READ_ONLY}
            assert on.app.ask_codes == {}
    assert state_of(home, number) is AskState.WAITING
    assert on.commands() == []


@pytest.mark.parametrize("is_real", [False, True])
async def test_it_is_read_to_its_end_and_answered_on_the_smallest_screen(home, clock, is_real):
    scenes.many_runs(home, 1, real=int(is_real))
    number = scenes.ask_to_stop(home, REAL_RUN)
    with scenes.attached(home, clock):
        async with stage(home, size=TINY, clock=clock) as on:
            await on.ready()
            await opened(on)
            await shows_keys(on)
            read = ""
            for _ in range(8):
                read += f" {words(on)}"
                await on.press("pagedown")
            for part in ("agent helper asks: stop RSI", "not known", "without an answer"):
                assert part in read
            await on.press("y")
            if is_real:
                await on.until(lambda: isinstance(on.app.focused, Input), "the field")
                await on.type("RSI reversion@1")
                assert "RSI reversion@1" in on.text()
                await on.press("enter")
            await on.until(on.commands, "the command")
    assert state_of(home, number) is AskState.APPROVED


# --- while the list is open --------------------------------------------------------------------------


async def test_one_that_is_answered_elsewhere_goes_at_once_and_its_keys_say_so(home, clock):
    scenes.busy_day(home)
    number = scenes.ask_to_stop(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            await opened(on)
            await shows_keys(on)
            scenes.answer_ask(home, number, AskState.REFUSED)
            await asked(on, 0)
            assert "agent helper asks" not in words(on)
            await on.press("y")
            await on.until(lambda: on.app.notices, "a word")
            assert on.app.notices[-1].message == (
                f"The agent's question {number} does not wait any more; nothing was sent"
            )
    assert on.commands() == []


async def test_one_that_runs_out_goes_by_the_screen_s_own_clock(home, clock):
    scenes.busy_day(home)
    number = scenes.ask_to_stop(home, waits_ms=5_000)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            await opened(on)
            await shows_keys(on)
            assert on.app.live.asks
            on.app.manager.rest(True)
            clock.advance(4 * SECOND_MS)
            await on.until(lambda: "agent helper asks" not in words(on), "its end")
            assert "agent asks" not in status(on)
            await on.press("y")
            await on.until(lambda: on.app.notices, "a word")
            assert f"question {number} does not wait any more" in on.app.notices[-1].message
    assert on.commands() == []


async def test_the_field_for_the_name_closes_when_the_question_goes(home, clock):
    scenes.many_runs(home, 1, real=1)
    number = scenes.ask_to_stop(home, REAL_RUN)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            await opened(on)
            await shows_keys(on)
            await on.press("y")
            await on.type("RSI reversion@1")
            scenes.answer_ask(home, number, AskState.REFUSED)
            await on.until(lambda: isinstance(on.app.screen, AlarmsDialog), "the list")
            assert f"question {number} does not wait any more" in on.app.notices[-1].message
    assert on.commands() == []


async def test_the_cursor_stays_on_what_it_was_on_when_a_question_comes_or_goes(home, clock):
    scenes.with_alarm(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            await on.press("!")
            on_alarm = cursor(on)
            assert on_alarm is not None
            first = scenes.ask_to_stop(home)
            await asked(on)
            await on.until(lambda: "agent helper asks" in on.text(), "its row")
            assert cursor(on) == on_alarm
            clock.advance(2 * SECOND_MS)
            await on.press("y", "n")
            assert on.app.notices == ()
            second = scenes.ask_to_stop(home, scenes.FAILED)
            await asked(on, 2)
            await on.press("up")
            assert cursor(on) == f"ask-{second}"
            assert hints(on)[0] == "y and n in 1 s"
            scenes.answer_ask(home, first, AskState.REFUSED)
            await asked(on, 1)
            assert cursor(on) == f"ask-{second}"
            await shows_keys(on)
            scenes.answer_ask(home, second, AskState.REFUSED)
            await asked(on, 0)
            assert cursor(on) is None
            await on.press("n")
            assert f"question {second} does not wait any more" in on.app.notices[-1].message
    assert on.commands() == []


async def test_its_keys_are_those_of_the_settings_and_give_way_to_an_alarm_s(home, clock):
    scenes.with_alarm(home)
    number = scenes.ask_to_stop(home)
    keymap = {"ask.approve": "Y", "ask.refuse": "", "alarm.acknowledge": "Y"}
    settings = Settings(home=home, refresh_hz=20, keymap=keymap)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock, settings=settings) as on:
            await on.ready()
            await opened(on)
            assert hints(on)[0] == "Y in 1 s"
            clock.advance(SECOND_MS)
            await on.press("n", "down")
            assert hints(on)[3] == "Y acknowledge"
            await on.press("Y")
            await on.until(lambda: not on.app.live.calling, "the acknowledgement")
            assert state_of(home, number) is AskState.WAITING
            await on.press("up")
            assert hints(on)[0] == "Y in 1 s"
            clock.advance(SECOND_MS)
            await on.press("Y")
            await on.until(on.commands, "the command")
    assert state_of(home, number) is AskState.APPROVED


def test_both_answers_on_one_key_are_a_mistake_of_the_settings():
    keymap = make_keymap({"ask.refuse": "y"})
    [problem] = keymap.problems
    assert problem.startswith('keymap: "y" is both ask.refuse and ask.approve')
    assert (keymap.keys["ask.approve"], keymap.keys["list.copy"]) == ("", "y")


async def test_a_key_that_only_answers_says_where_it_does(home, clock):
    scenes.busy_day(home)
    settings = Settings(home=home, refresh_hz=20, keymap={"ask.approve": "Y"})
    async with stage(home, size=MIDDLE, clock=clock, settings=settings) as on:
        await on.ready()
        await on.press("Y")
        assert on.app.notices[-1].message == "Go to Questions of agents first (!)"


# --- what came of it ---------------------------------------------------------------------------------


async def test_the_journal_says_that_the_operator_approved_it(home, clock):
    scenes.busy_day(home)
    with scenes.written(home) as session:
        journal.append_events(
            session, scenes.LIVE, [EntriesPaused(why="asked for")], author=Author.AGENT_APPROVED,
            venue_time_ms=scenes.NOW_MS, local_time_ms=scenes.NOW_MS,
        )  # fmt: skip
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            await on.press("5", "enter")
            await on.until(lambda: "by agent, approved by the operator" in words(on), "the whole line")
            await on.press("escape")
            details = on.app.live.selected
            newest, *_ = rows.lines(details)
            assert newest.cells[2].text == "agent"
            said = rows.story(details, newest.key)
            assert "by agent, approved by the operator, entries_paused" in said[0]
            assert "agent_approved" not in f"{newest} {said}"
