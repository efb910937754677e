"""The launcher: fields written in place, what would happen, each check acted on, the start."""

from dataclasses import replace
from decimal import Decimal

import pytest
from textual.widgets import Input, OptionList

from firstwatch.store.algorithms import add_version
from firstwatch.store.commands import recent_commands
from firstwatch.store.database import open_store
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.commands import CommandOutcome, PreviewLaunch, StartRun
from firstwatch.trading.launch import (
    CheckResult,
    LaunchPreview,
    MarketFacts,
    NextTrade,
    SettingDifference,
)
from firstwatch.tui.launch_form.assessment import Readiness, assess
from firstwatch.tui.launch_form.draft import FIELDS, Entry, LaunchDraft
from firstwatch.tui.launch_form.remedies import REMEDIES, Cure
from firstwatch.tui.modals.choice import ChoiceDialog
from firstwatch.tui.modals.confirm import ConfirmDialog, MessageDialog
from firstwatch.tui.modals.differences import DifferencesDialog
from firstwatch.tui.modals.form import FormDialog
from firstwatch.tui.modals.parts import PartsDialog
from firstwatch.tui.modals.prompt import PromptDialog
from firstwatch.tui.modals.toml import TomlDialog
from firstwatch.tui.panes.launcher import CheckList, Launcher
from tests.pty.stalled import BUSY_TOML
from tests.ui import scenes
from tests.ui.live_venue import MASTER, OTHER, PASSPHRASE, add_wallet, live_venue, settings_at
from tests.ui.stage import NEW_RUN, stage
from tests.ui.test_wallet_flows import asked, written

SMALL, MIDDLE = (80, 24), (120, 40)
SIZES = pytest.mark.parametrize("size", [SMALL, MIDDLE], ids=["80x24", "120x40"])
FILLED = LaunchDraft(algorithm="RSI reversion@1", wallet="demo", symbol=scenes.SYMBOL, capital="500")
MARKET = MarketFacts(
    symbol=scenes.SYMBOL, price=96_911.4, tick=Decimal("0.1"), minimum_cost=Decimal(10), maximum_leverage=40
)
TRADE = NextTrade(
    amount=Decimal("0.00257"), cost=249.06, margin=249.06, stop_share=0.05, worst_loss=12.67,
    liquidation_share=None,
)  # fmt: skip
OK = CheckResult(name="mainnet", is_hard=True, passed=True, found="no real money is used")
SEEN = LaunchPreview(
    checks=(OK,), market=MARKET, next_trade=TRADE, assume_position="the run waits for a fresh signal"
)


def failed(name, *, is_hard=True):
    return CheckResult(
        name=name, is_hard=is_hard, passed=False, found=f"{name} is not as it should be", remedy="change it"
    )


def previews(home):
    store = open_store(home, read_only=True)
    try:
        with store.read() as session:
            found = recent_commands(session, 50)
    finally:
        store.close()
    return [each for each in reversed(found) if isinstance(each.command, PreviewLaunch)]


def note(on):
    return form(on).note


def form(on):
    return on.app.run_screen.query_one(Launcher).form


def flat(on):
    return " ".join(on.text().replace("│", " ").split())


async def launcher_with(on, home, draft, seen=None):
    """Open the launcher on a draft; ``seen``: what the engine's checks answer."""
    await on.ready()
    on.app.draft = draft
    await on.press("n")
    await on.until(lambda: on.app.run_screen.query(Launcher) and form(on).cursor_key, "the launcher")
    if seen is not None:
        await on.until(lambda: on.app.check_id, "the launch is being checked")
        scenes.answer(home, on.app.check_id, CommandOutcome.DONE, "checked", seen)
        await on.until(lambda: on.app.next_step.readiness is not Readiness.WAITING, "the checks' answer")


@SIZES
async def test_from_an_empty_form_to_a_run_by_keys(home, clock, snap_step, size):
    scenes.first_steps(home)
    with scenes.attached(home, clock):
        async with stage(home, size=size, clock=clock) as on:
            await launcher_with(on, home, LaunchDraft())
            assert "NEXT Algorithm: choose an algorithm" in flat(on)
            await on.press("enter")
            await on.type("rsi")
            assert "Band fade" not in on.text()
            await on.press("enter")
            assert (on.app.draft.algorithm, on.app.draft.symbol) == ("RSI reversion@1", scenes.SYMBOL)
            assert form(on).cursor_key == "wallet"
            await on.press("enter", "enter")
            assert on.app.draft.wallet == "demo"
            assert form(on).cursor_key == "symbol"
            await on.press("down", "enter")
            # The field is written on its own row.
            line = on.app.run_screen.query_one("#field-line", Input)
            row = next(i for i, text in enumerate(on.text().splitlines()) if "Capital   " in text)
            assert line.region.y == row
            [wallet] = [text for text in on.text().splitlines() if "Wallet   " in text]
            assert line.region.x == wallet.index("demo")
            await on.type("500")
            await on.press("enter")
            assert (on.app.draft.capital, form(on).cursor_key, on.app.is_editing) == (
                "500",
                "leverage",
                False,
            )
            await on.until(lambda: on.app.check_id, "the launch is being checked")
            scenes.answer(home, on.app.check_id, CommandOutcome.DONE, "checked", SEEN)
            await on.until(lambda: "press g to start" in on.app.next_step.sentence, "the checks' answer")
            await on.until(lambda: "0.00257 BTC, worth 249.06 USDC" in flat(on), "the next trade")
            await on.settle()
            await snap_step(on, f"ready-{size[0]}x{size[1]}")
            await on.press("g")
            assert isinstance(on.app.screen, ConfirmDialog)
            assert "worst loss: -12.67 USDC (-2.53 % of the capital) at the stop" in flat(on)
            assert on.commands() == []
            await on.press("y")
            await on.until(on.commands, "a command")
            [stored] = on.commands()
            assert isinstance(stored.command, StartRun)
            assert stored.command.settings == assess(FILLED, on.app.snapshot).settings
            assert stored.command.run_id == NEW_RUN
            # The form has folded away.
            assert not on.app.is_launching
            assert "NEXT  " not in on.text()


async def test_tab_saves_and_writes_on_and_escape_cancels(home, clock):
    scenes.first_steps(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await launcher_with(on, home, replace(FILLED, capital=""))
            assert form(on).cursor_key == "capital"
            await on.press("enter")
            await on.type("700")
            await on.press("tab")
            assert (on.app.draft.capital, form(on).written) == ("700", "leverage")
            assert "enter save esc cancel" in flat(on)
            await on.type("3")
            await on.press("escape")
            assert (on.app.draft.leverage, form(on).written, on.app.is_editing) == ("1", None, False)
            assert form(on).cursor_key == "leverage"
            await on.press("enter")
            await on.type("2")
            await on.press("shift+tab")
            assert (on.app.draft.leverage, form(on).written) == ("2", "capital")
            await on.press("escape", "escape")
            assert not on.app.is_launching
            # The draft is as it was left.
            await on.press("n")
            assert on.app.draft.leverage == "2"
            await on.until(lambda: form(on).table.has_focus, "the form again")


@SIZES
async def test_what_a_field_means_or_what_is_wrong_stands_below_it(home, clock, size):
    scenes.first_steps(home)

    def below(on, label):
        lines = on.text().splitlines()
        row = next(row for row, line in enumerate(lines) if f"{label}   " in line)
        return " ".join(line.strip("│▌▏ ").split("│")[0].strip() for line in lines[row + 1 : row + 3])

    with scenes.attached(home, clock):
        async with stage(home, size=size, clock=clock) as on:
            await launcher_with(on, home, replace(FILLED, capital=""))
            assert "How much of the wallet it may use" in below(on, "Capital")
            await on.press("enter")
            assert "How much of the wallet it may use" in below(on, "Capital")
            await on.type("abc")
            assert "not a number: abc" in below(on, "Capital")
            await on.press("escape", "down")
            assert "How many times its margin" in below(on, "Leverage")
            assert "How much" not in on.text()
            # Beyond either end the cursor stays on a field, and its note in sight.
            for keys, first in ((("end", "down", "down"), False), (("home", "up", "up"), True)):
                await on.press(*keys)
                shown = [field for field in FIELDS if field.shown(on.app.draft)]
                field = shown[0 if first else -1]
                assert form(on).cursor_key == field.id
                assert field.note[:20] in on.text()


async def test_garbage_is_refused_where_it_is_written_in_plain_words(home, clock):
    scenes.first_steps(home)
    draft = replace(
        FILLED, algorithm="Band fade@1", session_policy="pause_entries", session_windows="mon 09:00-10:00",
        reset_mode="strict", close_position_on_exit="off", without_stop_reason="hedged",
    )  # fmt: skip
    reasons = ("without_stop_reason", "accepted_warnings")
    shown = [field for field in FIELDS if field.shown(draft)]
    fields = [field.id for field in shown if field.entry is Entry.TEXT and field.id not in reasons]
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await launcher_with(on, home, draft)
            for field in fields:
                form(on).go_to(field, opens=True)
                await on.pilot.pause()
                for garbage in ("abc", "-1", "nan", "1e99", "½", "[/red]", "9" * 80):
                    on.app.run_screen.query_one("#field-line", Input).value = garbage
                    await on.press("enter")
                    assert form(on).written == field, garbage
                    said = note(on)
                    assert said
                    assert len(said) < 160
                    for foreign in ("Error", "should", "pydantic", "validation", "Decimal", "{", "'"):
                        assert foreign not in said
                await on.press("escape")
            assert on.app.draft == draft
            for field in reasons:
                form(on).go_to(field, opens=True)
                await on.pilot.pause()
                on.app.run_screen.query_one("#field-line", Input).value = "[/red]"
                await on.press("enter")
                assert on.app.draft.value(field) == "[/red]"


async def test_a_market_is_found_by_typing_or_taken_as_typed(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            seen = replace_preview(SEEN, symbols=("ETH/USDC:USDC", "SOL/USDC:USDC", scenes.SYMBOL))
            await launcher_with(on, home, replace(FILLED, algorithm="Band fade@1", wallet="spare"), seen)
            form(on).go_to("symbol")
            await on.press("enter")
            assert isinstance(on.app.screen, ChoiceDialog)
            # What runs have known of it: its price, its steps.
            assert "last 96,911.40 · tick 0.01 · at least 10 USDC · leverage up to 50" in flat(on)
            await on.type("sol")
            assert len(on.app.screen.query_one(OptionList).options) == 2
            await on.press("enter")
            assert on.app.draft.symbol == "SOL/USDC:USDC"
            form(on).go_to("symbol")
            await on.press("enter")
            await on.type("HYPE/USDC:USDC")
            assert "as typed" in on.text()
            await on.press("enter")
            assert on.app.draft.symbol == "HYPE/USDC:USDC"


def replace_preview(seen, **changes):
    return seen.model_copy(update=changes)


async def test_what_differs_stands_in_three_columns(home, clock):
    scenes.first_steps(home)
    differs = (
        SettingDifference(name="leverage", here="3", baseline="1"),
        SettingDifference(
            name="session", here="off", baseline="pause entries outside of Mon–Fri 09:30–16:00 UTC"
        ),
    )
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await launcher_with(on, home, FILLED, replace_preview(SEEN, differences=differs))
            await on.until(lambda: "baseline" in on.text(), "the differences")
            [head] = [line for line in on.text().splitlines() if "setting" in line and "baseline" in line]
            [row] = [line for line in on.text().splitlines() if "leverage " in line and " 3 " in line]
            assert row.index(" 3 ") + 1 == head.index("here")
            assert row.rstrip("│ ").endswith("1")


PICTURED = ("clock", "minimums", "funds")
"""One that is only read, one whose field is edited, one that is done in place."""


@pytest.mark.parametrize("name", [*REMEDIES, "clock"])
async def test_each_check_that_failed_is_acted_on_by_enter(home, clock, snap_step, name):
    scenes.first_steps(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await launcher_with(on, home, FILLED, LaunchPreview(checks=(OK, failed(name))))
            assert on.app.next_step.check == name
            assert f"HARD {name} " in flat(on)
            on.app.run_screen.query_one(CheckList).point_at(name)
            await on.press("enter")
            remedy = REMEDIES.get(name)
            if remedy is None:
                assert isinstance(on.app.screen, MessageDialog)
                assert "hard: refuses the start" in on.text()
            elif remedy.cure is Cure.CHANGE:
                shown = {"session_windows": "session_policy", "without_stop_reason": "close_position_on_exit"}
                assert form(on).cursor_key == shown.get(remedy.field, remedy.field)
                assert on.app.is_editing or isinstance(on.app.screen, ChoiceDialog)
            elif remedy.cure is Cure.APPROVE:
                assert isinstance(on.app.screen, FormDialog)
            else:
                await on.until(lambda: isinstance(on.app.screen, PromptDialog), "the question")
            if name in PICTURED:
                await on.settle()
                await snap_step(on, name)
            assert on.commands() == []


async def test_soft_checks_need_a_reason_and_it_is_sent(home, clock, snap_step):
    scenes.first_steps(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock) as on:
            soft = failed("sharpe", is_hard=False)
            await launcher_with(on, home, FILLED, replace_preview(SEEN, checks=(OK, soft)))
            await on.press("g")
            assert "sharpe: sharpe is not as it should be; change it" in flat(on)
            await on.press("enter")
            assert "write a reason" in on.text()
            await on.settle()
            await snap_step(on, "no-reason")
            assert on.commands() == []
            await on.type("a test")
            await on.press("enter", "y")
            await on.until(on.commands, "a command")
            assert on.commands()[0].command.settings.accepted_warnings == "a test"


async def test_money_that_arrives_has_the_launch_checked_again(home, clock):
    scenes.first_steps(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await launcher_with(on, home, FILLED, LaunchPreview(checks=(failed("funds"),)))
            first = on.app.check_id
            with scenes.written(home) as session:
                scenes.paper.deposit(session, "paper", "demo", Decimal(500), now_ms=scenes.NOW_MS)
            await on.until(lambda: on.app.check_id not in (None, first), "another check")
            assert len(previews(home)) == 2


async def test_a_missing_approval_is_given_from_its_check(home, clock):
    scenes.first_steps(home)
    with live_venue(clock) as venue:
        add_wallet(home, secret=OTHER)
        with scenes.attached(home, clock):
            async with stage(home, size=MIDDLE, clock=clock, settings=settings_at(home, venue)) as on:
                await on.ready()
                # What the engine's refresher would have read.
                await launcher_with(on, home, replace(FILLED, wallet="main"))
                await on.until(lambda: on.app.check_id, "the launch is being checked")
                first = on.app.check_id
                scenes.answer(
                    home, first, CommandOutcome.DONE, "", LaunchPreview(checks=(failed("approvals"),))
                )
                await on.until(lambda: "Enter: give it here" in on.text(), "the check")
                on.app.run_screen.query_one(CheckList).point_at("approvals")
                await on.press("enter")
                await asked(on)
                await written(on, MASTER.hex(), PASSPHRASE)
                await on.until(lambda: isinstance(on.app.screen, MessageDialog), "it is approved")
                await on.press("enter")
                # The launch is checked again by itself.
                await on.until(lambda: on.app.check_id not in (None, first), "another check")


async def test_trading_hours_have_a_form_of_their_own(home, clock):
    scenes.first_steps(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock) as on:
            await launcher_with(on, home, FILLED)
            form(on).go_to("session_policy")
            await on.press("right")
            assert on.app.draft.session_policy == "pause_entries"
            await on.press("down", "enter")
            assert isinstance(on.app.screen, PartsDialog)
            assert "▸ Mon–Fri 09:30–16:00" in on.text()
            # No Monday, and until noon.
            await on.press("space", "ctrl+end", "enter")
            await on.type("25:00")
            await on.press("enter")
            assert "write a time like 09:30" in on.text()
            await on.press("escape", "enter")
            await on.type("12:00")
            await on.press("enter", "n", "y")
            assert (
                on.app.draft.session_windows == "tue,wed,thu,fri 09:30-12:00; mon,tue,wed,thu,fri 09:30-16:00"
            )
            await on.until(lambda: "Tue–Fri 09:30–12:00" in on.text(), "the hours in words")
            windows = on.app.assessment.settings.session.windows
            assert [window.end for window in windows] == ["12:00", "16:00"]


async def test_a_chain_has_a_form_of_its_own(home, clock):
    scenes.first_steps(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock) as on:
            await launcher_with(on, home, replace(FILLED, reset_mode="regular"))
            form(on).go_to("follow_up")
            await on.press("enter")
            assert "after stop loss: same side, bar 1 to 20, at a signal" in flat(on)
            await on.press("down", "space", "y")
            # Without an exit that it follows it is not taken.
            assert "choose an exit that it follows" in flat(on)
            await on.press("space", "ctrl+end", "enter")
            await on.type("0.5")
            await on.press("enter", "y")
            assert on.app.draft.follow_up == "signal same 0-20 signal x0.5"
            [link] = on.app.assessment.settings.reset.follow_up
            assert link.size_factor == 0.5


async def test_the_last_settings_of_an_algorithm_are_filled_in(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await launcher_with(on, home, LaunchDraft())
            await on.press("enter")
            await on.type("rsi")
            await on.press("enter")
            await on.until(lambda: on.app.draft.capital == "5000", "the last settings")
            # Its wallet is in use, so another has to be chosen; a reason is not taken over.
            assert (on.app.draft.leverage, on.app.draft.wallet) == ("2", "")
            assert on.app.draft.accepted_warnings == ""
            assert on.app.draft.parent_run_id == ""
            on.app.draft = on.app.draft.with_value("leverage", "4")
            on.app.launch.set_field("algorithm", "Band fade@1")
            on.app.launch.set_field("algorithm", "RSI reversion@1")
            await on.settle()
            assert on.app.draft.leverage == "4"


@pytest.mark.parametrize("moved", [False, True], ids=["stays", "moved"])
async def test_a_version_saved_just_now_is_missing_only_until_it_is_read(home, clock, moved):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await launcher_with(on, home, replace(FILLED, algorithm="Fresh@1", wallet=""))
            assert form(on).cursor_key == "algorithm"
            if moved:
                await on.press("end")
            before = form(on).cursor_key
            with scenes.written(home) as session:
                spec = AlgorithmSpec.from_toml(BUSY_TOML.replace('"Active"', '"Fresh"'))
                add_version(session, "Fresh", spec.canonical_json(), spec.sha256(), now_ms=scenes.NOW_MS)
            await on.until(lambda: on.app.next_step.field == "wallet", "the version")
            await on.settle()
            assert form(on).cursor_key == (before if moved else "wallet")


async def test_the_launch_is_read_and_edited_as_toml(home, clock):
    scenes.first_steps(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await launcher_with(on, home, replace(FILLED, drawdown="20"))
            await on.press("T")
            assert isinstance(on.app.screen, TomlDialog)
            from textual.widgets import TextArea

            area = on.app.screen.query_one(TextArea)
            assert "capital = 500.0" in area.text
            assert "drawdown = 0.2" in area.text
            area.text = area.text.replace("leverage = 1.0", "levrage = 2")
            await on.press("ctrl+s")
            assert "unknown key levrage; did you mean leverage?" in flat(on)
            area.text = area.text.replace("levrage = 2", "leverage = 2")
            await on.press("ctrl+s")
            assert not on.app.is_covered
            assert (on.app.draft.leverage, on.app.draft.drawdown) == ("2", "20")


async def test_folded_it_says_the_settings_of_the_run_under_the_cursor(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            await on.until(lambda: "5000 USDC ×2 · trades 4" in flat(on), "the settings")
            assert "stop 5 % trailing" in flat(on)
            assert "n new run · a again with changes" in flat(on)
            await on.press("2")
            assert "NEXT" not in on.text()
            # Keys of the launcher do nothing while it is folded.
            await on.press("g")
            assert not on.app.is_covered
            assert any("(n)" in toast for toast in on.toasts())


async def test_another_pane_folds_the_launcher_and_keeps_the_draft(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await launcher_with(on, home, FILLED)
            await on.press("3")
            await on.until(lambda: not on.app.is_launching, "it folds")
            assert on.app.draft.capital == "500"
            assert "NEXT  " not in on.text()


async def test_the_next_step_is_taken_by_a_click(home, clock):
    scenes.first_steps(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await launcher_with(on, home, replace(FILLED, capital=""))
            form(on).go_to("algorithm")
            await on.pilot.click("#next-step")
            assert form(on).written == "capital"
            await on.type("500")
            await on.press("enter")
            await on.until(lambda: on.app.check_id, "the launch is being checked")
            scenes.answer(home, on.app.check_id, CommandOutcome.DONE, "checked", SEEN)
            await on.until(lambda: on.app.next_step.readiness is Readiness.READY, "the checks' answer")
            await on.pilot.click("#next-step")
            await on.until(lambda: isinstance(on.app.screen, ConfirmDialog), "the question")
            assert on.commands() == []


async def test_what_differs_from_the_baseline_is_shown_for_a_run_too(home, clock):
    scenes.busy_day(home)
    with scenes.written(home) as session:
        session.exec_driver_sql("""UPDATE backtest SET settings_json = '{"leverage": "1", "capital": "9"}'""")
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            await on.until(lambda: "D differs from baseline: 1" in flat(on), "how many differ")
            await on.press("D")
            assert "setting here baseline" in flat(on)
            assert "leverage 2 1" in flat(on)
            # Sizes of half the equity grow with the capital: that it is another does not matter.
            assert "capital" not in on.text().split("setting")[1].split("close")[0]
            await on.press("D")
            assert not on.app.is_covered


@pytest.mark.parametrize(
    ("differences", "sentence"),
    [((), "Nothing that matters differs."), (None, "The run has no baseline: there is nothing to compare")],
)
async def test_without_a_difference_it_is_said_whether_there_is_a_baseline(
    home, clock, differences, sentence
):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            on.app.push_screen(DifferencesDialog("a1b2 RSI reversion@1", differences))
            await on.until(lambda: sentence in flat(on), "the sentence")
