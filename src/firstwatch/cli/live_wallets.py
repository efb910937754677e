"""The ``wallet`` commands for live wallets: secrets in, work by ``Custody``, results out."""

import os
import time
from decimal import Decimal
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import typer

from firstwatch.cli.output import Output, say, say_error, say_json, say_picture
from firstwatch.cli.secrets import Secrets
from firstwatch.trading.account import BUILDER_APPROVAL, KEY_APPROVAL
from firstwatch.trading.errors import RefusedError, VenueError, WrongUseError

if TYPE_CHECKING:
    from firstwatch.settings import Settings
    from firstwatch.store.database import Store
    from firstwatch.store.wallets import Wallet
    from firstwatch.venues.accounts import AccountMoney
    from firstwatch.wallets.custody import Custody, Opened
    from firstwatch.wallets.vault import KeySigner

_LOOK_EVERY_S = 3.0


def custody_of(settings: "Settings", store: "Store") -> "Custody":
    """Return the custody of the data folder's keys."""
    from firstwatch.trading.clock import SystemClock
    from firstwatch.wallets.custody import Custody

    return Custody(settings, store, SystemClock())


def qr_code(text: str) -> str:
    """Return a QR code for a terminal, two modules per character."""
    from io import StringIO

    import segno

    drawn = StringIO()
    segno.make(text, micro=False).terminal(out=drawn, compact=True, border=2)
    return drawn.getvalue()


# --- keys --------------------------------------------------------------------------------------------


def create(custody: "Custody", name: str, venue: str, secrets: Secrets, output: Output) -> None:
    """Create a wallet with a new account; its key goes into the vault and is shown once."""
    import sys

    made = custody.create(name, venue, partial(secrets.open_vault, custody.vault))
    wallet, path = made.wallet, made.record.path
    if output.as_json:
        say_json(
            {
                "wallet": name,
                "venue": venue,
                "kind": wallet.kind,
                "account": wallet.account,
                "key_file": str(path),
            }
        )
        return
    say(f"{name} at {venue}, a new account: {wallet.account}")
    say_picture(qr_code(wallet.account))
    say(f"Its key is in {path}, a keystore that every Ethereum wallet opens with the passphrase.")
    if sys.stdout.isatty():
        say(f"Its private key, shown only this once: 0x{made.secret.hex()}")
    say(f"Next: firstwatch wallet fund {name}")


def import_key(
    custody: "Custody",
    name: str,
    venue: str,
    account: str | None,
    secrets: Secrets,
    output: Output,
) -> None:
    """Read the permissions of a key, store it in the vault, and create a wallet for its account."""
    from firstwatch.trading.clock import iso
    from firstwatch.wallets.custody import address

    custody.check_new(name, venue)
    wanted = None if account is None else address(account, "--account")
    key = secrets.key("Private key", "--key-fd")
    facts = custody.import_key(name, venue, wanted, key, partial(secrets.open_vault, custody.vault))
    if output.as_json:
        say_json(
            {
                "wallet": name,
                "venue": venue,
                "kind": custody.settings_of(venue).kind,
                "account": facts.account,
                "key": facts.address,
                "key_kind": facts.kind.value,
                "valid_until": None if facts.valid_until_ms is None else iso(facts.valid_until_ms),
            }
        )
        return
    say(f"{name} at {venue}; the key is {facts.sentence}")
    if not facts.account_exists:
        say(f"The account {facts.account} has no money at the venue yet: firstwatch wallet fund {name}")


def _master(custody: "Custody", wallet: "Wallet", secrets: Secrets, opened: "Opened") -> "KeySigner":
    """Return the account's own key: from the descriptor, from the vault, or from a person."""
    if secrets.key_fd is None and custody.has_master(wallet):
        return custody.master(wallet, None, opened)
    question = f"Private key of {wallet.account} (used once, not stored)"
    return custody.master(wallet, secrets.key(question, "--master-key-fd"), opened)


# --- approvals ---------------------------------------------------------------------------------------


def approve(
    custody: "Custody",
    wallet: "Wallet",
    secrets: Secrets,
    output: Output,
    *,
    agent: bool,
    builder: bool,
) -> None:
    """Approve what was asked for, or all that is missing, and verify each at the venue."""
    opened = cache(lambda: secrets.open_vault(custody.vault))
    if builder:
        custody.require_builder(wallet)
    if not (agent or builder):
        found = custody.permissions(wallet).approvals
        missing = {approval.name for approval in found if not approval.is_given}
        agent, builder = KEY_APPROVAL in missing, BUILDER_APPROVAL in missing
    done: list[dict[str, Any]] = []
    master = _master(custody, wallet, secrets, opened) if agent or builder else None
    if master is not None and agent:
        done.append({"approved": "agent", "key": custody.approve_agent(wallet, master, opened).address})
    if master is not None and builder:
        wanted = custody.approve_builder(wallet, master)
        done.append({"approved": "builder", "builder": wanted.address, "fee_tenths_bp": wanted.fee_tenths_bp})
    if output.as_json:
        say_json({"wallet": wallet.name, "approved": done})
        return
    for item in done:
        if item["approved"] == "agent":
            say(f"the API wallet {item['key']} trades for {wallet.name} from now on; it cannot withdraw")
        else:
            say(f"the builder {item['builder']} may take {item['fee_tenths_bp'] / 10:g} bp of every fill")
    if not done:
        say(f"{wallet.name} needs no approval")


# --- money -------------------------------------------------------------------------------------------


def watch_funds(custody: "Custody", wallet: "Wallet", output: Output, *, watches: bool) -> None:
    """Show where to send money, then watch the balance until more has arrived."""
    before = custody.money(wallet)
    if not output.as_json:
        say(f"Send USDC to {wallet.account}: from another account at the venue, or by its bridge.")
        say_picture(qr_code(wallet.account))
        spot = f", and {before.spot:,f} in spot, which is not margin" if before.spot else ""
        say(f"There now: {before.total:,f} USDC{spot}." + (" Watching; ctrl+c ends." if watches else ""))
    arrived = Decimal(0)
    while watches and arrived <= 0:
        time.sleep(_LOOK_EVERY_S)
        try:
            arrived = custody.money(wallet).withdrawable - before.withdrawable
        except VenueError as error:
            say_error(error)
    if output.as_json:
        say_json({"wallet": wallet.name, "account": wallet.account, "total": before.total + arrived})
    elif watches:
        say(f"{arrived:,f} USDC have arrived")


def withdraw(
    custody: "Custody",
    wallet: "Wallet",
    amount: Decimal,
    to: str | None,
    secrets: Secrets,
    output: Output,
) -> None:
    """Withdraw money to an address on Arbitrum, by default the account's own."""
    from firstwatch.wallets.custody import address

    destination = wallet.account if to is None else address(to, "--to")
    custody.refuse_if_used(wallet)
    master = _master(custody, wallet, secrets, partial(secrets.open_vault, custody.vault))
    _confirm(custody, wallet, f"withdraw {amount:f} USDC from {wallet.name} to {destination}")
    moved = custody.withdraw(wallet, amount, destination, master)
    _say_moved(wallet, moved.amount, destination, moved.was_in_doubt, output)


def transfer(
    custody: "Custody",
    wallet: "Wallet",
    target: "Wallet",
    amount: Decimal,
    secrets: Secrets,
    output: Output,
) -> None:
    """Send money to another own wallet at the same venue."""
    custody.check_target(wallet, target)
    custody.refuse_if_used(wallet)
    master = _master(custody, wallet, secrets, partial(secrets.open_vault, custody.vault))
    _confirm(custody, wallet, f"send {amount:f} USDC from {wallet.name} to {target.name} ({target.account})")
    moved = custody.transfer(wallet, target, amount, master)
    _say_moved(wallet, moved.amount, target.account, moved.was_in_doubt, output)


# --- reading -----------------------------------------------------------------------------------------


def facts_document(custody: "Custody", wallet: "Wallet") -> dict[str, Any]:
    """Return the answers of the venue for ``wallet show``: key, money, positions, missing approvals.

    If the venue does not answer, its values are None, and ``problem`` says why.
    """
    from firstwatch.trading.clock import iso

    record = custody.vault.record_of(wallet.venue, wallet.account)
    document: dict[str, Any] = {
        "key": None if record is None else record.address,
        "key_kind": None if record is None else record.kind.value,
        "valid_until": None,
        "total": None,
        "used": None,
        "free": None,
        "withdrawable": None,
        "spot": None,
        "positions": [],
        "missing": [],
        "problem": None,
    }
    try:
        found = custody.permissions(wallet)
        if found.key is not None and found.key.valid_until_ms is not None:
            document["valid_until"] = iso(found.key.valid_until_ms)
        document["missing"] = [
            {"name": approval.name, "sentence": approval.sentence}
            for approval in found.approvals
            if not approval.is_given
        ]
        money = custody.money(wallet)
        document |= _money_document(money)
        document["problem"] = found.why or None
        if money.total <= 0:
            no_money = f"no money: firstwatch wallet fund {wallet.name}"
            if money.spot:
                no_money = (
                    f"all money is in spot ({money.spot:f} USDC), which is not margin: move it to"
                    " perpetuals at the venue"
                )
            document["missing"].append({"name": "funds", "sentence": no_money})
    except (VenueError, WrongUseError) as error:
        document["problem"] = str(error)
    return document


def _money_document(money: "AccountMoney") -> dict[str, Any]:
    return {
        "total": money.total,
        "used": money.used,
        "free": money.free,
        "withdrawable": money.withdrawable,
        "spot": money.spot,
        "positions": [
            {
                "symbol": held.symbol,
                "side": None if held.side is None else held.side.value,
                "amount": held.amount,
                "entry_price": held.entry_price,
                "unrealised_pnl": held.unrealised_pnl,
                "liquidation_price": held.liquidation_price,
            }
            for held in money.positions
        ],
    }


def _confirm(custody: "Custody", wallet: "Wallet", act: str) -> None:
    """Let a person at a terminal type the wallet's name before real money moves."""
    is_real = custody.settings_of(wallet.venue).is_mainnet
    if not (is_real and os.isatty(0)):
        return
    typed = typer.prompt(f"This will {act}. Type {wallet.name} to continue", err=True)
    if typed != wallet.name:
        raise RefusedError("Nothing was sent.")


def _say_moved(
    wallet: "Wallet", amount: Decimal, destination: str, was_in_doubt: bool, output: Output
) -> None:
    document = {
        "wallet": wallet.name,
        "amount": amount,
        "destination": destination,
        "was_in_doubt": was_in_doubt,
    }
    doubt = "; the answer was lost, and the venue was asked" if was_in_doubt else ""
    output.result(document, f"{amount:f} USDC of {wallet.name} are on their way to {destination}{doubt}")
