"""Garbage in every field of the screen is answered in plain sentences, and never breaks the screen."""

from dataclasses import replace
from functools import partial

import pytest
from textual.widgets import Input, TextArea

from firstwatch.store.wallets import list_wallets
from firstwatch.trading.jobs import JobKind
from firstwatch.tui.launch_form.draft import FIELDS, Entry
from firstwatch.tui.modals.choice import ChoiceDialog
from firstwatch.tui.modals.form import FormDialog
from firstwatch.tui.modals.parts import PartsDialog
from firstwatch.tui.modals.prompt import PromptDialog
from firstwatch.tui.modals.toml import TomlDialog
from firstwatch.tui.panes.launcher import Launcher
from firstwatch.tui.widgets.paragraph import Paragraph
from firstwatch.wallets.keystore import address_of
from tests.garbage import NOT_TOML, TEXTS, VALUES, foreign_in, made_up
from tests.ui import scenes
from tests.ui.live_venue import ACCOUNT, MASTER, OTHER, PASSPHRASE, add_wallet, live_venue, settings_at
from tests.ui.stage import stage
from tests.ui.test_launcher import FILLED, SEEN, failed, form, launcher_with, replace_preview
from tests.ui.test_wallet_flows import asked, flat

MIDDLE = (120, 40)
TYPED = [*TEXTS[4:10], *made_up(3, 2)]


def check(on, typed=""):
    """Look at the screen and its notices."""
    said = " ".join([flat(on), *on.toasts()])
    assert not foreign_in(said, typed), (typed, on.text(), on.toasts())


def is_at_rest(on, dialog):
    """Tell whether a dialog has gone, or waits for the operator."""
    return on.app.screen is not dialog or not getattr(dialog, "_is_busy", False)


async def drive(on, open_dialog, *, texts=TYPED):
    """Open a dialog and give garbage to each of its fields, one after the other."""
    await open_dialog()
    count = len(on.app.screen.query(Input))
    assert count
    for number in range(count):
        for typed in texts[number % 3 :: 3] if count > 1 else texts:
            if not on.app.is_covered:
                await open_dialog()
            dialog = on.app.screen
            entry = list(dialog.query(Input))[number]
            entry.focus()
            entry.value = typed
            await on.press("enter")
            await on.until(partial(is_at_rest, on, dialog), "the dialog has done its work")
            check(on, typed)
            while on.app.is_covered and on.app.screen is not dialog:
                await on.press("escape")
    while on.app.is_covered:
        await on.press("escape")


async def test_every_field_of_the_launcher(home, clock):
    scenes.first_steps(home)
    draft = replace(
        FILLED, algorithm="Band fade@1", session_policy="pause_entries", session_windows="mon 09:00-10:00",
        reset_mode="strict", follow_up="stop_loss same 0-5 signal x1", drawdown="20", daily_loss="5",
        losing_trades="3", close_position_on_exit="off", without_stop_reason="hedged",
    )  # fmt: skip
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await launcher_with(on, home, draft)
            driven = set()
            for number, field in enumerate(FIELDS):
                if field.id == "session_calendar":
                    # An exchange's hours stand in place of weekly ones.
                    on.app.draft = replace(draft, session_windows="")
                    await on.pilot.pause()
                if not field.shown(on.app.draft):
                    continue
                if field.entry is Entry.TEXT:
                    for typed in TYPED[number % 4 :: 4]:
                        form(on).go_to(field.id, opens=True)
                        await on.pilot.pause()
                        on.app.run_screen.query_one("#field-line", Input).value = typed
                        await on.press("enter")
                        check(on, typed)
                        await on.press("escape")
                elif field.entry is Entry.SEARCH:
                    form(on).go_to(field.id)
                    for typed in TYPED[::4]:
                        await on.press("enter")
                        assert isinstance(on.app.screen, ChoiceDialog)
                        on.app.screen.query_one(Input).value = typed
                        await on.press("enter")
                        check(on, typed)
                        while on.app.is_covered:
                            await on.press("escape")
                        form(on).go_to(field.id)
                driven.add(field.id)
                on.app.draft = draft
                if not on.app.is_launching:
                    await on.press("n")
                    await on.until(lambda: on.app.run_screen.query(Launcher), "the launcher")
            assert driven == {field.id for field in FIELDS}


@pytest.mark.parametrize("field", [field.id for field in FIELDS if field.entry is Entry.LIST])
async def test_every_field_of_a_list_s_form(home, clock, field):
    scenes.first_steps(home)
    draft = replace(FILLED, session_policy="pause_entries", reset_mode="strict")
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await launcher_with(on, home, draft)
            form(on).go_to(field)
            await on.press("enter")
            dialog = on.app.screen
            assert isinstance(dialog, PartsDialog)
            for number, each in enumerate(dialog._kind.fields):
                if each.words:
                    continue
                for typed in TYPED[number % 2 :: 2]:
                    dialog._form.go_to(each.id, opens=True)
                    await on.pilot.pause()
                    dialog.query_one("#field-line", Input).value = typed
                    await on.press("enter")
                    check(on, typed)
                    if dialog._form.written is not None:
                        await on.press("escape")


async def test_the_launch_as_toml(home, clock):
    scenes.first_steps(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await launcher_with(on, home, replace(FILLED, drawdown="20"))
            for value in (*VALUES[:9:2], *NOT_TOML[::2]):
                if not on.app.is_covered:
                    await on.press("T")
                assert isinstance(on.app.screen, TomlDialog)
                area = on.app.screen.query_one(TextArea)
                area.text = f"capital = {value}\n[guards]\ndrawdown = {value}"
                await on.press("ctrl+s")
                check(on, value)
            assert "not valid TOML" in flat(on)


async def test_every_question_about_runs_and_the_vault(home, clock):
    scenes.many_runs(home, 2)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()

            await on.press("/")
            for typed in TYPED:
                on.app.focused.value = typed
                await on.pilot.pause()
                check(on, typed)
            await on.press("enter", "escape")

            async def leave_unprotected():
                await on.press("s", "u")
                assert isinstance(on.app.screen, PromptDialog)

            await on.until(on.app.run_ids, "a run under the cursor")
            await drive(on, leave_unprotected)
            assert on.commands() == []

            async def unlock():
                on.app.action_perform("engine.unlock")
                await on.until(lambda: on.app.is_covered, "the question")

            await drive(on, unlock)


async def test_every_question_of_a_start(home, clock):
    scenes.first_steps(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            soft = failed("sharpe", is_hard=False)
            seen = replace_preview(SEEN, checks=(soft,), is_mainnet=True)
            await launcher_with(on, home, replace(FILLED, accepted_warnings="a test"), seen)

            async def start():
                await on.press("g")
                assert isinstance(on.app.screen, PromptDialog)

            await drive(on, start)
            assert on.commands() == []

            def is_none_being_made():
                making = on.app.live.making
                is_open = on.app.manager.jobs.open_of(JobKind.BASELINE)
                return not is_open and (making is None or making.state.is_over)

            async def baseline():
                await on.until(is_none_being_made, "the baseline before is over")
                await on.press("b")
                await on.until(lambda: isinstance(on.app.screen, PromptDialog), "the question")

            await drive(on, baseline, texts=["abc", "archive:x", "it's"])


# --- wallets -----------------------------------------------------------------------------------------

AMOUNTS = ("abc", "-1", "0", "1e999", "nan", "1,5", "0x10", "½", "it's", "99999999")
KEY = MASTER.hex()
NEW_PASSPHRASE = {"passphrase": PASSPHRASE, "again": PASSPHRASE}
FORMS = {
    "create a live wallet": (("w", *"fresh", "space", *"hl", "enter"), NEW_PASSPHRASE),
    "import": (
        "i",
        {"name": "main", "venue": "hl", "account": ACCOUNT, "key": KEY, **NEW_PASSPHRASE},
    ),
    "approve": ("v", {"key": KEY, "passphrase": PASSPHRASE}),
    "transfer": ("m", {"to": "other", "amount": "5", "passphrase": PASSPHRASE, "wallet": "main"}),
    "withdraw": ("o", {"amount": "5", "to": ACCOUNT, "passphrase": PASSPHRASE, "wallet": "main"}),
}
"""The keys that open each form about a wallet, and what would be right in its fields."""


def kept(home):
    """Return what there is of wallets: in the store, and of keys in the vault."""
    with scenes.written(home) as session:
        names = [wallet.name for wallet in list_wallets(session)]
    return names, sorted(path.name for path in (home / "vault").glob("*.json"))


@pytest.mark.parametrize("name", FORMS)
async def test_every_field_of_a_form_about_a_wallet(home, clock, name):
    keys, right = FORMS[name]
    scenes.first_steps(home)
    with live_venue(clock) as venue, scenes.attached(home, clock):
        if name not in ("create a live wallet", "import"):
            add_wallet(home, secret=OTHER if name == "approve" else MASTER)
            add_wallet(home, "other", OTHER, address_of(OTHER))
        before = kept(home)
        async with stage(home, size=MIDDLE, clock=clock, settings=settings_at(home, venue)) as on:
            await on.ready()
            await on.press("1", "down")
            refused = set()
            for number, field in enumerate(right):
                texts = AMOUNTS if field == "amount" else TYPED[number % 4 :: 4]
                for typed in texts:
                    if not isinstance(on.app.screen, FormDialog):
                        await on.press(*keys)
                    await asked(on)
                    form = on.app.screen
                    entries = list(form.query(Input))
                    assert [entry.id for entry in entries] == [f"field-{each}" for each in right]
                    for entry, good in zip(entries, right.values(), strict=True):
                        entry.value = typed if entry.id == f"field-{field}" else good
                    entries[-1].focus()
                    await on.press("enter")
                    await on.until(partial(is_at_rest, on, form), "the dialog has done its work")
                    assert on.app.screen is form, f"{field} took {typed!r}"
                    check(on, typed)
                    assert form.query_one(".problem", Paragraph).text, (field, typed)
                    refused.add(field)
            assert refused == set(right)
        assert on.commands() == []
        assert kept(home) == before
        assert not {"usdSend", "withdraw3", "approveAgent", "approveBuilderFee"} & set(venue.audit().actions)


async def test_the_questions_about_wallets_with_play_money(home, clock):
    scenes.first_steps(home)
    before = kept(home)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            await on.press("1")
            chosen = on.app.selected_wallet

            async def create():
                await on.press("w")
                assert isinstance(on.app.screen, PromptDialog)

            await drive(on, create)
            await on.until(lambda: len(on.app.notices) >= 1, "what is wrong with the names")
            check(on)
            assert on.app.selected_wallet == chosen

            async def fund():
                await on.press("f")
                assert isinstance(on.app.screen, PromptDialog)

            await drive(on, fund, texts=AMOUNTS[:-1])
            on.app.action_perform("wallet.archive")
            await asked(on)
            check(on)
            await on.press("escape")
        assert on.commands() == []
    assert kept(home) == before
