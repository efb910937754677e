"""Wallets with keys from the keyboard, against a loopback venue that checks every signature."""

import base64
import logging
from decimal import Decimal
from functools import partial

import pytest
from textual.widgets import Input

from firstwatch.manager.wallet_service import WalletService
from firstwatch.store import wallet_status, wallets
from firstwatch.store.database import open_store
from firstwatch.trading.errors import RefusedError
from firstwatch.tui.modals import account as account_dialogs
from firstwatch.tui.modals.account import FundingDialog, NewAccountDialog
from firstwatch.tui.modals.confirm import ConfirmDialog, MessageDialog
from firstwatch.tui.modals.form import FormDialog
from firstwatch.tui.modals.prompt import PromptDialog
from firstwatch.tui.panes.wallets import WalletsPane
from firstwatch.tui.widgets.paragraph import Paragraph
from firstwatch.venues.signer import KeyKind
from firstwatch.wallets.keystore import address_of
from tests.ui import scenes
from tests.ui.live_venue import (
    ACCOUNT,
    AGENT,
    BUILDER,
    MASTER,
    NEW,
    OTHER,
    PASSPHRASE,
    add_wallet,
    live_venue,
    settings_at,
)
from tests.ui.stage import stage

SMALL, MIDDLE = (80, 24), (120, 40)
SIZES = pytest.mark.parametrize("size", [SMALL, MIDDLE], ids=["80x24", "120x40"])


@pytest.fixture
def venue(clock):
    with live_venue(clock) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch):
    monkeypatch.setattr(account_dialogs, "LOOK_EVERY_S", 0.05)


def named(size):
    return f"{size[0]}x{size[1]}"


async def asked(on):
    """Wait until the form on the screen asks, with the focus in a field if it has some."""

    def asks():
        form = on.app.screen
        if not isinstance(form, FormDialog) or form._is_busy or form._spec is None:
            return False
        return not form._spec.fields or isinstance(form.focused, Input)

    await on.until(asks, "the form asks")


async def written(on, *values):
    """Write into the fields from the focused one on; None leaves one as it is."""
    for value in values:
        form, entry = on.app.screen, on.app.focused
        if value is not None:
            entry.value = value
        await on.press("enter")
        await on.until(partial(was_taken, on, form, entry), "the field is taken or refused")


def was_taken(on, form, entry):
    """Tell whether Enter has led to another field, to work, or to a word on what is wrong."""
    if on.app.screen is not form or form._is_busy or form.focused is not entry:
        return True
    return bool(form.query_one(".problem", Paragraph).text)


async def told(on, *words):
    await on.until(lambda: all(word in flat(on) for word in words), " and ".join(words))


async def known(on, words):
    """Wait for what stands below the wallets."""
    word = on.app.run_screen.query_one("#wallet-note", Paragraph)
    await on.until(lambda: word.text == words and word.display, words)


def flat(on):
    """Return the text of the dialog, or else of the screen, without lines and boxes: sentences are whole."""
    text = on.text()
    for box in on.app.screen.query(".dialog-box"):
        text = "\n".join(line[box.region.x : box.region.right] for line in text.splitlines())
    return " ".join(text.translate(dict.fromkeys(map(ord, "│▌▏"), " ")).split())


# --- create ----------------------------------------------------------------------------------------


@SIZES
async def test_a_new_account_is_shown_once_with_a_qr_code_and_funded(home, clock, venue, snap_step, size):
    scenes.first_steps(home)
    settings = settings_at(home, venue)
    with scenes.attached(home, clock):
        async with stage(home, size=size, clock=clock, settings=settings) as on:
            await on.ready()
            await on.press("1", "w")
            await on.type("fresh hl")
            await on.press("enter")
            await asked(on)
            assert "creates the vault" in flat(on)
            await written(on, PASSPHRASE, "correct house")
            assert "the two passphrases differ" in flat(on)
            assert PASSPHRASE not in on.text()
            await on.settle()
            if size == SMALL:
                await snap_step(on, f"passphrase-{named(size)}")
            await written(on, PASSPHRASE)
            await on.until(lambda: isinstance(on.app.screen, NewAccountDialog), "the new account")
            new = address_of(NEW)
            assert new in on.text()
            assert f"0x{NEW.hex()}" in on.text()
            await on.until(lambda: on.app.snapshot.wallet("fresh"), "the wallet")
            await on.settle()
            await snap_step(on, f"account-{named(size)}")
            await on.press("f")
            await on.until(lambda: isinstance(on.app.screen, FundingDialog), "where money goes")
            assert NEW.hex() not in on.text()
            await told(on, "Balance now: 0.00 USDC")
            await on.settle()
            if size == SMALL:
                await snap_step(on, f"fund-{named(size)}")
            venue.fund(new, "250.5")
            await told(on, "250.50 USDC have arrived")
            await on.press("q")
            await on.until(lambda: on.app.snapshot.wallet("fresh").free == Decimal("250.5"), "the money")
            assert on.app.snapshot.wallet("fresh").balance_ms == clock.now_ms()
            key = on.app.snapshot.wallet("fresh").key
            assert (key.is_master, key.address) == (True, new)


async def test_the_qr_code_is_the_address(home, clock):
    import segno

    from firstwatch.tui.widgets.qr import qr_text

    drawn = qr_text(ACCOUNT)
    rows = []
    for line in drawn.split("\n"):
        cells = [drawn_style(line, place) for place in range(len(line.plain))]
        rows += [[cell.color.name == "#000000" for cell in cells]]
        rows += [[cell.bgcolor.name == "#000000" for cell in cells]]
    width = len(rows[0])
    matrix = [list(map(bool, row)) for row in segno.make(ACCOUNT, micro=False).matrix]
    assert [row[2 : width - 2] for row in rows[2 : 2 + len(matrix)]] == matrix
    # The quiet zone around it is white.
    assert not any(rows[0] + rows[1] + rows[-1])


def drawn_style(line, place):
    [span] = [span for span in line.spans if span.start <= place < span.end]
    return span.style


async def test_a_vault_that_is_there_wants_its_passphrase_once_and_says_when_it_is_wrong(home, clock, venue):
    scenes.first_steps(home)
    add_wallet(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock, settings=settings_at(home, venue)) as on:
            await on.ready()
            await on.press("1", "w")
            await on.type("fresh hl")
            await on.press("enter")
            await asked(on)
            await written(on, "wrong")
            await told(on, "not the passphrase of the vault; 2 tries are left")
            assert on.app.snapshot.wallet("fresh") is None
            await asked(on)
            await written(on, PASSPHRASE)
            await on.until(lambda: isinstance(on.app.screen, NewAccountDialog), "the new account")


async def test_a_passphrase_from_a_file_is_not_asked_for(home, clock, venue, tmp_path, monkeypatch):
    scenes.first_steps(home)
    word = tmp_path / "word"
    word.write_text(PASSPHRASE)
    monkeypatch.setenv("FIRSTWATCH_PASSPHRASE_FILE", str(word))
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock, settings=settings_at(home, venue)) as on:
            await on.ready()
            await on.press("1", "w")
            await on.type("fresh hl")
            await on.press("enter")
            await asked(on)
            assert not on.app.screen.query(Input)
            await on.press("y")
            await on.until(lambda: isinstance(on.app.screen, NewAccountDialog), "the new account")


# --- import ----------------------------------------------------------------------------------------


@SIZES
async def test_a_wrong_key_is_refused_and_what_was_typed_stays(home, clock, venue, snap_step, size):
    scenes.first_steps(home)
    with scenes.attached(home, clock):
        async with stage(home, size=size, clock=clock, settings=settings_at(home, venue)) as on:
            await on.ready()
            await on.press("1", "i")
            await asked(on)
            await written(on, "main", None)
            await written(on, "0x12")
            assert "an address is 0x and 40 hexadecimal digits" in flat(on)
            await written(on, ACCOUNT, OTHER.hex(), PASSPHRASE, PASSPHRASE)
            await told(on, "does not know the key", "it is the wrong key")
            await asked(on)
            await on.settle()
            if size == SMALL:
                await snap_step(on, f"refused-{named(size)}")
            assert not (home / "vault").exists()
            assert OTHER.hex() not in on.text()
            typed = {entry.id: entry.value for entry in on.app.screen.query(Input)}
            assert (typed["field-name"], typed["field-account"]) == ("main", ACCOUNT)
            assert typed["field-passphrase"] == PASSPHRASE
            # The right key into the same form.
            on.app.screen.query_one("#field-key", Input).value = MASTER.hex()
            await on.press("enter")
            await told(on, "The key is the account's own key: it trades, withdraws and approves")
            await on.press("enter")
            await on.until(lambda: on.app.snapshot.wallet("main"), "the wallet")
            assert on.app.selected_wallet == "main"
            await known(on, "own key, trades and withdraws (0 s ago) · nothing is missing")
            await on.settle()
            await snap_step(on, f"imported-{named(size)}")


async def test_an_agent_s_key_is_found_out_and_whose_it_is(home, clock, venue):
    scenes.first_steps(home)
    venue.approve_agent(ACCOUNT, address_of(AGENT), name="bot", valid_s=86_400 * 30)
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock, settings=settings_at(home, venue)) as on:
            await on.ready()
            await on.press("1", "i")
            await asked(on)
            await written(on, "main", None, "", AGENT.hex(), PASSPHRASE, PASSPHRASE)
            await told(on, f"an API wallet of {ACCOUNT}", "2026-01-31T", "neither withdraw nor approve")
            await on.press("enter")
            await known(
                on,
                "API wallet, trades until 2026-01-31 11:04, cannot withdraw (0 s ago) · nothing is missing",
            )
            assert on.app.snapshot.wallet("main").free == 1_000


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("key", "zz", "not a private key"),
        ("name", "demo", "there is a wallet demo already"),
        ("venue", "paper", "no venue paper with keys"),
    ],
)
async def test_what_cannot_be_imported_is_one_sentence(home, clock, venue, field, value, said):
    scenes.first_steps(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock, settings=settings_at(home, venue)) as on:
            await on.ready()
            await on.press("1", "i")
            await asked(on)
            right = {"name": "main", "venue": "hl", "account": ACCOUNT, "key": MASTER.hex()}
            for name, text in (right | {field: value, "passphrase": PASSPHRASE, "again": PASSPHRASE}).items():
                on.app.screen.query_one(f"#field-{name}", Input).value = text
            on.app.screen.query_one("#field-again", Input).focus()
            await on.press("enter")
            await told(on, said)
            assert not (home / "vault").exists()


# --- approve ---------------------------------------------------------------------------------------


@SIZES
async def test_what_is_missing_is_approved_one_after_the_other(home, clock, venue, snap_step, size):
    scenes.first_steps(home)
    venue.approve_agent(ACCOUNT, address_of(OTHER), name="old", valid_s=86_400)
    add_wallet(home, secret=OTHER)
    settings = settings_at(home, venue, with_builder=True)
    with scenes.attached(home, clock):
        async with stage(home, size=size, clock=clock, settings=settings) as on:
            await on.ready()
            await on.press("1", "down")
            await on.until(lambda: on.app.selected_wallet == "main", "the wallet")
            await known(on, "its key is not known yet")
            await on.press("v")
            await asked(on)
            assert "Costs Nothing." in flat(on)
            assert "It can neither withdraw nor approve" in flat(on)
            await on.settle()
            if size == SMALL:
                await snap_step(on, f"agent-{named(size)}")
            await written(on, OTHER.hex(), PASSPHRASE)
            await told(on, f"not of {ACCOUNT}; give the account's own")
            await asked(on)
            on.app.screen.query_one("#field-key", Input).value = MASTER.hex()
            await on.press("enter")
            await on.until(lambda: isinstance(on.app.screen, ConfirmDialog), "it is approved")
            await told(on, f"hl shows it: the key {address_of(AGENT)} is an API wallet of {ACCOUNT}")
            await told(on, "One more approval is missing")
            await on.settle()
            await snap_step(on, f"approved-{named(size)}")
            await on.press("y")
            await asked(on)
            assert "0.025 % of the value of every fill" in flat(on)
            assert len(on.app.screen.query(Input)) == 1
            await on.settle()
            if size == SMALL:
                await snap_step(on, f"builder-{named(size)}")
            await written(on, MASTER.hex())
            await on.until(lambda: isinstance(on.app.screen, MessageDialog), "it is approved")
            await told(on, f"hl shows it: the builder {BUILDER} may take 0.025 % of every fill.")
            await on.press("enter")
            await known(
                on,
                "API wallet, trades until 2026-06-30 11:04, cannot withdraw (0 s ago) · nothing is missing",
            )
            await on.settle()
            await snap_step(on, f"wallet-{named(size)}")
    assert venue.account(ACCOUNT).builders == {BUILDER: 25}
    kept = {path.name.split(".")[2] for path in (home / "vault").glob("*.json")}
    assert kept == {address_of(OTHER), address_of(AGENT)}


async def test_with_nothing_missing_an_api_wallet_is_offered_all_the_same(home, clock, venue):
    scenes.first_steps(home)
    add_wallet(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock, settings=settings_at(home, venue)) as on:
            await on.ready()
            await on.press("1", "down", "v")
            await asked(on)
            await told(on, "Nothing is missing. You can still approve", "Safer than the account's own key")
            # The vault has the account's own key, so the passphrase is enough.
            await written(on, PASSPHRASE)
            await told(on, "hl shows it")
            await on.press("enter")
            await on.until(lambda: not on.app.snapshot.wallet("main").key.is_master, "the agent trades now")


async def test_a_venue_that_is_down_is_said_and_asked_again(home, clock, venue):
    scenes.first_steps(home)
    add_wallet(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock, settings=settings_at(home, venue)) as on:
            await on.ready()
            venue.faults.go_down()
            await on.press("1", "down", "v")
            await told(on, "hl (http://127.0.0.1", "Check api_url and the network")
            assert "enter try again" in flat(on)
            venue.faults.come_up()
            await on.press("enter")
            await asked(on)
            assert "cannot be reached" not in flat(on)


async def test_a_refused_approval_keeps_no_key(home, clock, venue):
    scenes.first_steps(home)
    poor = address_of(NEW)
    add_wallet(home, secret=NEW, account=poor)
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock, settings=settings_at(home, venue)) as on:
            await on.ready()
            await on.press("1", "down", "v")
            await asked(on)
            await written(on, PASSPHRASE)
            await told(on, "hl refused the approval", f"Send USDC to {poor} first")
    assert [path.name for path in (home / "vault").glob("*.pending")] == []


# --- money -----------------------------------------------------------------------------------------


async def test_money_goes_to_another_own_wallet_and_out_when_the_name_is_typed(home, clock, venue, snap_step):
    scenes.first_steps(home)
    add_wallet(home)
    add_wallet(home, "other", OTHER, address_of(OTHER))
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock, settings=settings_at(home, venue)) as on:
            await on.ready()
            await on.press("1", "down", "m")
            await asked(on)
            await on.press("up")
            await written(on, "demo")
            assert "no other wallet demo here" in flat(on)
            await written(on, "other", "5000")
            assert "more than the 1,000.00 USDC available" in flat(on)
            await written(on, "100", PASSPHRASE, "mine")
            assert "not main" in flat(on)
            assert venue.account(ACCOUNT).cash == 1_000
            await on.settle()
            await snap_step(on, "transfer")
            await written(on, "main")
            await told(on, "100 USDC of main are on their way to other.")
            await on.press("enter", "o")
            await asked(on)
            await on.settle()
            await snap_step(on, "withdraw")
            venue.faults.plan("reply_lost", "withdraw3")
            await written(on, "1")
            assert "must be above the 1 USDC that the venue keeps" in flat(on)
            await written(on, "50", None, PASSPHRASE, "main")
            await told(on, f"50 USDC of main are on their way to {ACCOUNT}", "the venue was asked")
            await on.press("enter")
            await on.until(lambda: on.app.snapshot.wallet("main").total == 849, "what is left")
            # The first credit of a new account has cost one.
            assert on.app.snapshot.wallet("other").total == 100
    assert venue.account(ACCOUNT).cash == 849


async def test_leaving_the_dialog_calls_nothing_off_and_the_outcome_is_told(home, clock, venue):
    scenes.first_steps(home)
    add_wallet(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock, settings=settings_at(home, venue)) as on:
            await on.ready()
            await on.press("1", "down", "o")
            await asked(on)
            venue.latency_s = 60
            await written(on, "50", None, PASSPHRASE, "main")
            await on.press("escape")
            assert not on.app.is_covered
            venue.latency_s = 0
            await on.until(lambda: any("on their way" in toast for toast in on.toasts()), "the outcome")
            assert venue.account(ACCOUNT).cash == 950


async def test_a_wallet_is_archived_only_when_it_is_empty(home, clock, venue):
    scenes.first_steps(home)
    add_wallet(home)
    add_wallet(home, "spent", NEW, address_of(NEW))
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock, settings=settings_at(home, venue)) as on:
            await on.ready()
            await on.press("1", "down")
            on.app.action_perform("wallet.archive")
            await asked(on)
            await on.press("y")
            await told(on, "main still has 1000.0 USDC; withdraw or transfer it first.")
            await on.press("q", "down")
            on.app.action_perform("wallet.archive")
            await asked(on)
            await on.press("y")
            await on.until(lambda: on.app.snapshot.wallet("spent") is None, "it is gone")
            assert on.app.snapshot.wallet("main")


async def test_a_wallet_with_an_active_run_is_left_alone(home, clock, venue):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock, settings=settings_at(home, venue)) as on:
            await on.ready()
            await on.press("1")
            for command in ("wallet.archive", "wallet.withdraw", "wallet.transfer"):
                on.app.action_perform(command)
            on.app.action_perform("wallet.approve")
            await on.until(lambda: len(on.toasts()) == 4, "four refusals")
            assert not on.app.is_covered
            assert len([toast for toast in on.toasts() if "A run uses demo; stop it first" in toast]) == 3
            assert any("it has play money and no key" in toast for toast in on.toasts())


async def test_without_a_venue_that_takes_keys_nothing_is_imported(home, clock):
    scenes.first_steps(home)
    async with stage(home, size=SMALL, clock=clock) as on:
        await on.ready()
        await on.press("1")
        assert "Import" not in on.text()
        await on.press("i")
        assert any("No venue of the settings takes keys" in toast for toast in on.toasts())


# --- what is known ---------------------------------------------------------------------------------


async def test_old_is_shown_as_old_and_unknown_as_unknown(home, clock, venue, snap_step):
    scenes.first_steps(home)
    add_wallet(home)
    add_wallet(home, "other", OTHER, address_of(OTHER))
    store = open_store(home)
    with store.write() as session:
        number = wallets.get_wallet(session, "main").id
        held = (wallet_status.Held("BTC/USDC:USDC", wallet_status.Side.SHORT, Decimal("0.5")),)
        five_minutes_ago = scenes.NOW_MS - 300_000
        money = wallet_status.WalletMoney(Decimal("999.5"), Decimal(20), held, five_minutes_ago)
        wallet_status.set_money(session, number, money)
        key = wallet_status.WalletKey(
            ACCOUNT, KeyKind.MASTER.value, None, {"builder fee": "it wants 0.025%"}, five_minutes_ago
        )
        wallet_status.set_key(session, number, key)
        wallet_status.set_problem(session, number, "hl did not answer within 10 s; try again later.")
    store.close()
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock, settings=settings_at(home, venue)) as on:
            await on.ready()
            await on.press("1")
            await told(on, "▲ main hl 999.50 979.50 EXPOSED, no run", "other hl ? ? free")
            await known(
                on,
                "▲ wallet main holds short 0.5 BTC/USDC:USDC at hl and no run manages it\n"
                "money as of 5 min ago · own key, trades and withdraws (5 min ago) · holds short 0.5 BTC"
                " · missing: builder fee (v) · hl did not answer within 10 s; try again later.",
            )
            [alarm] = on.app.snapshot.alarms
            [old, *_] = on.app.run_screen.query_one(WalletsPane)._lines(on.app.snapshot, on.app.now_ms())
            assert [cell.tone for cell in old.cells if "9.50" in cell.text] == ["warning", "warning"]
            assert alarm.sentence == "wallet main holds short 0.5 BTC/USDC:USDC at hl and no run manages it"
            await on.settle()
            await snap_step(on, "old")


# --- secrets ---------------------------------------------------------------------------------------


def forms(secret):
    return {secret, secret.hex().encode(), secret.hex().upper().encode(), base64.b64encode(secret)}


async def test_nothing_secret_is_written_logged_or_left_on_the_screen(home, clock, venue, caplog):
    caplog.set_level(logging.DEBUG)
    scenes.first_steps(home)
    pictures = []
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock, settings=settings_at(home, venue)) as on:
            await on.ready()
            await on.press("1", "i")
            await asked(on)
            await written(on, "main", None, ACCOUNT, MASTER.hex(), PASSPHRASE, PASSPHRASE)
            pictures.append(on.app.export_screenshot())
            await told(on, "The key is the account's own key")
            await on.press("enter")
            await on.until(lambda: on.app.snapshot.wallet("main"), "the wallet")
            await on.press("v")
            await asked(on)
            await written(on, PASSPHRASE)
            await told(on, "hl shows it")
            pictures.append(on.app.export_screenshot())
            await on.press("enter", "o")
            await asked(on)
            await written(on, "5", None, PASSPHRASE, "main")
            await told(on, "on their way")
            pictures.append(on.app.export_screenshot())
    said = [*pictures, caplog.text, *(str(each) for each in on.toasts())]
    written_bytes = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    for secret in (MASTER, AGENT, PASSPHRASE.encode()):
        assert not any(form in written_bytes for form in forms(secret))
        assert not any(form.decode(errors="replace") in text for form in forms(secret) for text in said)


async def test_a_failure_of_the_program_tells_no_secret(home, clock, venue, monkeypatch, caplog):
    def fails(_self, _name, _venue, _account, key, _passphrase):
        raise KeyError(key)

    monkeypatch.setattr(WalletService, "import_key", fails)
    scenes.first_steps(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock, settings=settings_at(home, venue)) as on:
            await on.ready()
            await on.press("1", "i")
            await asked(on)
            await written(on, "main", None, "", MASTER.hex(), PASSPHRASE, PASSPHRASE)
            await told(on, "The program failed here; its log says where")
            await asked(on)
    assert "fails" in caplog.text
    assert MASTER.hex() not in caplog.text


async def test_a_crash_report_has_no_values(home, clock):
    scenes.first_steps(home)
    async with stage(home, size=SMALL, clock=clock) as on:
        await on.ready()
        secret = MASTER.hex()
        try:
            raise RefusedError("a crash") if secret else ValueError
        except RefusedError:
            on.app._fatal_error()
        report = "".join(segment.text for each in on.app._exit_renderables for segment in each.segments)
        on.app._exit_renderables.clear()
    assert "a crash" in report
    assert secret not in report


async def test_every_wallet_dialog_is_left_with_escape(home, clock, venue):
    scenes.first_steps(home)
    add_wallet(home)
    add_wallet(home, "other", OTHER, address_of(OTHER))
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock, settings=settings_at(home, venue)) as on:
            await on.ready()
            await on.press("1", "down")
            for key in ("w", "i", "f", "v", "m", "o"):
                await on.press(key)
                assert on.app.is_covered, key
                await on.press("escape")
                assert not on.app.is_covered, key
            assert not isinstance(on.app.screen, PromptDialog)
    assert not {"usdSend", "withdraw3", "approveAgent", "approveBuilderFee"} & set(venue.audit().actions)
