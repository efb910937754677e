"""What the ``wallet`` commands do for accounts whose orders are signed: keys, approvals, money that moves."""

import os
import re
import time
from decimal import Decimal
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import typer

from firstwatch.cli.output import say, say_json
from firstwatch.cli.secrets import hidden, line_of, master_signer, opened_vault
from firstwatch.trading.errors import RefusedError, VenueError, WrongUseError

if TYPE_CHECKING:
    from firstwatch.settings import HyperliquidVenueSettings, Settings
    from firstwatch.store.database import Session, Store
    from firstwatch.store.wallets import Wallet
    from firstwatch.wallets.approving import Builder
    from firstwatch.wallets.desk import AccountMoney, Desk
    from firstwatch.wallets.vault import Vault

_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]{40}")
_LOOK_EVERY_S = 3.0


def signed_settings(settings: "Settings", venue: str) -> "HyperliquidVenueSettings":
    """Return the settings of a venue that wants signatures.

    Raises:
        WrongUseError: there is no such venue, or it is of another kind.
    """
    from firstwatch.settings import HyperliquidVenueSettings

    found = settings.venues.get(venue)
    if not isinstance(found, HyperliquidVenueSettings):
        raise WrongUseError(f"{venue} is no venue of the settings whose orders are signed; this needs one.")
    return found


def desk_of(settings: "Settings", venue: str) -> "Desk":
    """Return the desk of a venue of the settings."""
    from firstwatch.wallets.desk import Desk

    found = signed_settings(settings, venue)
    return Desk(venue, found.http_url, is_mainnet=found.is_mainnet)


def vault_of(settings: "Settings") -> "Vault":
    """Return the vault of the data folder."""
    from firstwatch.trading.clock import SystemClock
    from firstwatch.wallets.vault import Vault

    return Vault(settings.home, SystemClock())


def address(text: str, option: str) -> str:
    """Return an address in small digits.

    Raises:
        WrongUseError: it is none.
    """
    if not _ADDRESS.fullmatch(text.strip()):
        raise WrongUseError(f"{option} takes an address (0x and 40 hexadecimal digits), not {text!r}.")
    return text.strip().lower()


def qr_code(text: str) -> str:
    """Return a QR code for a terminal, two modules a character."""
    from io import StringIO

    import segno

    drawn = StringIO()
    segno.make(text, micro=False).terminal(out=drawn, compact=True, border=2)
    return drawn.getvalue()


# --- keys --------------------------------------------------------------------------------------------


def create_with_key(
    settings: "Settings", store: "Store", name: str, venue: str, passphrase_fd: int | None, *, as_json: bool
) -> None:
    """Make a new account of its own for a wallet; its key goes into the vault and is shown once."""
    import sys

    from firstwatch.store.wallets import check_new_wallet, create_wallet
    from firstwatch.trading.clock import SystemClock
    from firstwatch.venues.signer import KeyKind
    from firstwatch.wallets.keystore import address_of
    from firstwatch.wallets.vault import new_secret

    kind = signed_settings(settings, venue).kind
    with store.read() as session:
        check_new_wallet(session, name)
    opened = opened_vault(vault_of(settings), passphrase_fd)
    secret = new_secret()
    account = address_of(secret)
    # The key first: a wallet whose key was lost would take money that nobody can move.
    record = opened.add(secret, venue=venue, account=account, kind=KeyKind.MASTER)
    with store.write() as session:
        create_wallet(session, name, venue=venue, kind=kind, account=account, now_ms=SystemClock().now_ms())
    if as_json:
        say_json(
            {"wallet": name, "venue": venue, "kind": kind, "account": account, "key_file": str(record.path)}
        )
        return
    say(f"{name} at {venue}, a new account: {account}")
    say(qr_code(account))
    say(f"Its key is in {record.path}, a keystore that every Ethereum wallet opens with the passphrase.")
    if sys.stdout.isatty():
        say(f"Its private key, shown this once: 0x{secret.hex()}")
    say(f"Next: firstwatch wallet fund {name}")


def import_key(
    settings: "Settings",
    store: "Store",
    name: str,
    venue: str,
    account: str | None,
    key_fd: int | None,
    passphrase_fd: int | None,
    *,
    as_json: bool,
) -> None:
    """Find out what a key may do, keep it in the vault, and make a wallet of its account.

    A wallet of that name and account that is there already gets the key as another one.
    """
    from firstwatch.store.wallets import check_new_wallet, create_wallet, list_wallets
    from firstwatch.trading.clock import SystemClock, iso
    from firstwatch.wallets.keycheck import check_key
    from firstwatch.wallets.keystore import address_of
    from firstwatch.wallets.vault import secret_of

    kind = signed_settings(settings, venue).kind
    wanted = None if account is None else address(account, "--account")
    with store.read() as session:
        known = next((w for w in list_wallets(session) if (w.name, w.venue) == (name, venue)), None)
        if known is None:
            check_new_wallet(session, name)
    text = hidden("Private key", "--key-fd N") if key_fd is None else line_of(key_fd, "--key-fd")
    secret = secret_of(text)
    now_ms = SystemClock().now_ms()
    facts = check_key(desk_of(settings, venue), address_of(secret), wanted, now_ms=now_ms)
    with store.read() as session:
        if known is None or known.account != facts.account:
            check_new_wallet(session, name, venue=venue, account=facts.account)
    opened_vault(vault_of(settings), passphrase_fd).add(
        secret, venue=venue, account=facts.account, kind=facts.kind
    )
    if known is None:
        with store.write() as session:
            create_wallet(session, name, venue=venue, kind=kind, account=facts.account, now_ms=now_ms)
    if as_json:
        say_json(
            {
                "wallet": name,
                "venue": venue,
                "kind": kind,
                "account": facts.account,
                "key": facts.address,
                "key_kind": facts.kind.value,
                "valid_until": None if facts.valid_until_ms is None else iso(facts.valid_until_ms),
            }
        )
        return
    say(f"{name} at {venue}; the key is {facts.sentence}")
    if not facts.account_exists:
        say(f"The venue has seen no money on {facts.account} yet: firstwatch wallet fund {name}")


def unlock(settings: "Settings", passphrase_fd: int | None, *, as_json: bool) -> None:
    """Hand the passphrase to the engine of the data folder."""
    from firstwatch.cli.secrets import passphrase
    from firstwatch.wallets.door import unlock_engine

    sentence = unlock_engine(settings.home, passphrase(passphrase_fd, is_new=False))
    if as_json:
        say_json({"unlocked": True, "sentence": sentence})
    else:
        say(sentence)


# --- approvals ---------------------------------------------------------------------------------------


def approve(
    settings: "Settings",
    wallet: "Wallet",
    key_fd: int | None,
    passphrase_fd: int | None,
    *,
    agent: bool,
    builder: bool,
    as_json: bool,
) -> None:
    """Approve what was asked for, or all that is missing, one after the other, each verified."""
    from firstwatch.trading.clock import SystemClock
    from firstwatch.wallets.approving import Approver, approvals, key_facts

    clock, vault, desk = SystemClock(), vault_of(settings), desk_of(settings, wallet.venue)
    opened = cache(lambda: opened_vault(vault, passphrase_fd))
    wanted = builder_of(settings, wallet.venue)
    if builder and wanted is None:
        raise WrongUseError(
            f"The settings of {wallet.venue} name no builder, so there is none to approve; set builder and"
            " builder_fee_tenths_bp first."
        )
    if not (agent or builder):
        now_ms = clock.now_ms()
        key, _ = key_facts(desk, vault.record_of(wallet.venue, wallet.account), now_ms=now_ms)
        found = approvals(desk, wallet.account, key, wanted, now_ms=now_ms)
        missing = {approval.name for approval in found if not approval.is_given}
        agent, builder = "key" in missing, "builder fee" in missing
    done: list[dict[str, Any]] = []
    if agent or builder:
        master = master_signer(vault, wallet.venue, wallet.account, key_fd, opened)
        approver = Approver(desk, master, clock, time.sleep)
    if agent:
        record = approver.agent(opened(), wallet.venue)
        done.append({"approved": "agent", "key": record.address})
    if builder and wanted is not None:
        approver.builder(wanted)
        done.append({"approved": "builder", "builder": wanted.address, "fee_tenths_bp": wanted.fee_tenths_bp})
    if as_json:
        say_json({"wallet": wallet.name, "approved": done})
        return
    for item in done:
        if item["approved"] == "agent":
            say(f"the API wallet {item['key']} trades for {wallet.name} from now on; it cannot withdraw")
        else:
            say(f"the builder {item['builder']} may take {item['fee_tenths_bp'] / 10:g} bp of every fill")
    if not done:
        say(f"{wallet.name} needs no approval")


def builder_of(settings: "Settings", venue: str) -> "Builder | None":
    """Return the builder that the settings name; None: nobody earns anything on the fills."""
    from firstwatch.wallets.approving import Builder

    found = signed_settings(settings, venue)
    return None if found.builder is None else Builder(found.builder, found.builder_fee_tenths_bp)


# --- money -------------------------------------------------------------------------------------------


def watch_funds(settings: "Settings", wallet: "Wallet", *, as_json: bool, watches: bool) -> None:
    """Show where to send money, then watch the balance until more is there."""
    desk = desk_of(settings, wallet.venue)
    before = desk.money(wallet.account)
    if not as_json:
        say(f"Send USDC to {wallet.account}: from another account at the venue, or by its bridge.")
        say(qr_code(wallet.account))
        say(f"There now: {before.total:,f} USDC." + (" Watching; ctrl+c ends." if watches else ""))
    arrived = Decimal(0)
    while watches and arrived <= 0:
        time.sleep(_LOOK_EVERY_S)
        try:
            arrived = desk.money(wallet.account).withdrawable - before.withdrawable
        except VenueError as error:
            typer.echo(f"firstwatch: {error}", err=True)
    if as_json:
        say_json({"wallet": wallet.name, "account": wallet.account, "total": before.total + arrived})
    elif watches:
        say(f"{arrived:,f} USDC have arrived")


def withdraw(
    settings: "Settings",
    session: "Session",
    wallet: "Wallet",
    amount: Decimal,
    to: str | None,
    key_fd: int | None,
    passphrase_fd: int | None,
    *,
    as_json: bool,
) -> None:
    """Withdraw money to an address on Arbitrum, by default the account's own."""
    destination = wallet.account if to is None else address(to, "--to")
    _refuse_if_used(session, wallet)
    mover = _mover(settings, wallet, key_fd, passphrase_fd)
    _confirm(settings, wallet, f"withdraw {amount:f} USDC from {wallet.name} to {destination}")
    moved = mover.withdraw(amount, destination)
    _say_moved(wallet, moved.amount, destination, moved.was_in_doubt, as_json=as_json)


def transfer(
    settings: "Settings",
    session: "Session",
    wallet: "Wallet",
    target: "Wallet",
    amount: Decimal,
    key_fd: int | None,
    passphrase_fd: int | None,
    *,
    as_json: bool,
) -> None:
    """Send money to another own wallet at the same venue."""
    if target.venue != wallet.venue:
        raise WrongUseError(
            f"{wallet.name} is at {wallet.venue} and {target.name} at {target.venue}; money can be sent"
            " between wallets of one venue only. Withdraw it and fund the other."
        )
    if target.archived_at_ms is not None:
        raise WrongUseError(f"{target.name} is archived; choose another wallet.")
    _refuse_if_used(session, wallet)
    mover = _mover(settings, wallet, key_fd, passphrase_fd)
    _confirm(settings, wallet, f"send {amount:f} USDC from {wallet.name} to {target.name} ({target.account})")
    moved = mover.send(amount, target.account)
    _say_moved(wallet, moved.amount, target.account, moved.was_in_doubt, as_json=as_json)


def refuse_if_funded(settings: "Settings", wallet: "Wallet") -> None:
    """Refuse to archive an account that still has money or positions.

    Raises:
        RefusedError: it has.
        VenueError: the venue cannot be asked.
    """
    money = desk_of(settings, wallet.venue).money(wallet.account)
    if money.positions:
        coins = ", ".join(held.coin for held in money.positions)
        raise RefusedError(f"{wallet.name} holds positions ({coins}); close them first.")
    if money.total > 0:
        raise RefusedError(f"{wallet.name} still has {money.total:f} USDC; withdraw or transfer it first.")


# --- what is known -----------------------------------------------------------------------------------


def facts_document(settings: "Settings", wallet: "Wallet") -> dict[str, Any]:
    """Return what ``wallet show`` says beside the store: key, money, positions, what is missing.

    A venue that cannot be asked leaves its part open and is named under ``problem``.
    """
    from firstwatch.trading.clock import SystemClock, iso
    from firstwatch.wallets.approving import approvals, key_facts

    now_ms = SystemClock().now_ms()
    record = vault_of(settings).record_of(wallet.venue, wallet.account)
    document: dict[str, Any] = {
        "key": None if record is None else record.address,
        "key_kind": None if record is None else record.kind.value,
        "valid_until": None,
        "total": None,
        "used": None,
        "free": None,
        "withdrawable": None,
        "positions": [],
        "missing": [],
        "problem": None,
    }
    try:
        desk = desk_of(settings, wallet.venue)
        key, why = key_facts(desk, record, now_ms=now_ms)
        if key is not None and key.valid_until_ms is not None:
            document["valid_until"] = iso(key.valid_until_ms)
        found = approvals(desk, wallet.account, key, builder_of(settings, wallet.venue), now_ms=now_ms)
        document["missing"] = [
            {"name": approval.name, "sentence": approval.sentence}
            for approval in found
            if not approval.is_given
        ]
        money = desk.money(wallet.account)
        document |= _money_document(money)
        document["problem"] = why or None
        if money.total <= 0:
            document["missing"].append(
                {"name": "funds", "sentence": f"no money: firstwatch wallet fund {wallet.name}"}
            )
    except (VenueError, WrongUseError) as error:
        document["problem"] = str(error)
    return document


def _money_document(money: "AccountMoney") -> dict[str, Any]:
    return {
        "total": money.total,
        "used": money.used,
        "free": money.free,
        "withdrawable": money.withdrawable,
        "positions": [
            {
                "symbol": f"{held.coin}/USDC:USDC",
                "side": "long" if held.amount > 0 else "short",
                "amount": abs(held.amount),
                "entry_price": held.entry_price,
                "unrealised_pnl": held.unrealised_pnl,
                "liquidation_price": held.liquidation_price,
            }
            for held in money.positions
        ],
    }


def _mover(settings: "Settings", wallet: "Wallet", key_fd: int | None, passphrase_fd: int | None) -> Any:
    from firstwatch.trading.clock import SystemClock
    from firstwatch.wallets.moving import Mover

    desk, vault = desk_of(settings, wallet.venue), vault_of(settings)
    opened = partial(opened_vault, vault, passphrase_fd)
    master = master_signer(vault, wallet.venue, wallet.account, key_fd, opened)
    return Mover(desk, master, SystemClock(), time.sleep)


def _refuse_if_used(session: "Session", wallet: "Wallet") -> None:
    from firstwatch.store.wallets import active_run_id

    run_id = active_run_id(session, wallet.id)
    if run_id is not None:
        raise RefusedError(f"Wallet {wallet.name!r} is in use by run {run_id}; stop that run first.")


def _confirm(settings: "Settings", wallet: "Wallet", act: str) -> None:
    """Have a person at a terminal type the wallet's name before real money moves."""
    is_real = signed_settings(settings, wallet.venue).is_mainnet
    if not (is_real and os.isatty(0)):
        return
    typed = typer.prompt(f"This will {act}. Type {wallet.name} to go on", err=True)
    if typed != wallet.name:
        raise RefusedError("Nothing was sent.")


def _say_moved(
    wallet: "Wallet", amount: Decimal, destination: str, was_in_doubt: bool, *, as_json: bool
) -> None:
    if as_json:
        say_json(
            {
                "wallet": wallet.name,
                "amount": amount,
                "destination": destination,
                "was_in_doubt": was_in_doubt,
            }
        )
        return
    doubt = "; the answer was lost, and the venue was asked" if was_in_doubt else ""
    say(f"{amount:f} USDC of {wallet.name} are on their way to {destination}{doubt}")
