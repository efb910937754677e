"""``firstwatch wallet``: wallets and their money, from their creation until they are archived."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firstwatch.cli.options import JsonFlag
from firstwatch.cli.output import Output, say, say_json, say_table, shown
from firstwatch.cli.secrets import KeyFd, MasterKeyFd, PassphraseFd, Secrets, passphrase, unlock_and_forget
from firstwatch.trading.errors import FirstwatchError, RefusedError, WrongUseError
from firstwatch.trading.numbers import plain
from firstwatch.trading.text import quoted

if TYPE_CHECKING:
    from decimal import Decimal

    from firstwatch.settings import Settings
    from firstwatch.store.database import Session
    from firstwatch.store.wallets import Wallet

app = typer.Typer(
    help="Create, import, approve, fund, show, close and archive wallets, and move their money.",
    no_args_is_help=True,
)

_CLOSE_WITHIN_S = 20.0
"""How long ``wallet close`` waits for the venue."""

_Name = Annotated[str, typer.Argument(metavar="NAME")]
_Venue = Annotated[str, typer.Option(metavar="V", help="A venue of the settings.")]
_Amount = Annotated[str, typer.Argument(metavar="AMOUNT", help="In quote.")]


@app.command()
def create(
    name: _Name,
    venue: _Venue,
    passphrase_fd: PassphraseFd = None,
    as_json: JsonFlag = False,
) -> None:
    """Create a wallet at a venue of the settings; a live wallet gets a new account and key."""
    from firstwatch.cli import live_wallets
    from firstwatch.cli.folder import open_folder
    from firstwatch.store.wallets import create_wallet
    from firstwatch.trading.clock import SystemClock

    with open_folder() as (settings, store):
        _check_venue(settings, venue)
        if settings.venues[venue].key_network is not None:
            custody = live_wallets.custody_of(settings, store)
            secrets = Secrets(passphrase_fd=passphrase_fd)
            live_wallets.create(custody, name, venue, secrets, Output(as_json))
            return
        with store.write() as session:
            wallet = create_wallet(
                session,
                name,
                venue=venue,
                kind=settings.venues[venue].kind,
                now_ms=SystemClock().now_ms(),
            )
    Output(as_json).result(
        {"wallet": wallet.name, "venue": wallet.venue, "kind": wallet.kind},
        f"{wallet.name} at {wallet.venue}; deposit play money: firstwatch wallet fund {name} AMOUNT",
    )


@app.command("import")
def import_(
    name: _Name,
    venue: _Venue,
    account: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="The account that trades; without it the venue is asked."),
    ] = None,
    key_fd: KeyFd = None,
    passphrase_fd: PassphraseFd = None,
    as_json: JsonFlag = False,
) -> None:
    """Import a key, the account's own or an API wallet's, and create a wallet for its account."""
    from firstwatch.cli import live_wallets
    from firstwatch.cli.folder import open_folder

    with open_folder() as (settings, store):
        _check_venue(settings, venue)
        live_wallets.import_key(
            live_wallets.custody_of(settings, store),
            name,
            venue,
            account,
            Secrets(key_fd, passphrase_fd),
            Output(as_json),
        )


@app.command()
def approve(
    name: _Name,
    agent: Annotated[bool, typer.Option("--agent", help="A new API wallet that cannot withdraw.")] = False,
    builder: Annotated[bool, typer.Option("--builder", help="The builder's fee of the settings.")] = False,
    master_key_fd: MasterKeyFd = None,
    passphrase_fd: PassphraseFd = None,
    as_json: JsonFlag = False,
) -> None:
    """Approve at the venue what a run needs: without an option, all that is missing."""
    from firstwatch.cli import live_wallets
    from firstwatch.cli.folder import open_folder

    with open_folder() as (settings, store):
        with store.read() as session:
            wallet = _usable(session, name)
        live_wallets.approve(
            live_wallets.custody_of(settings, store),
            wallet,
            Secrets(master_key_fd, passphrase_fd),
            Output(as_json),
            agent=agent,
            builder=builder,
        )


@app.command()
def unlock(passphrase_fd: PassphraseFd = None, as_json: JsonFlag = False) -> None:
    """Give the running engine the vault's passphrase, until it ends."""
    from firstwatch.settings import load_settings

    home = load_settings().home
    sentence = unlock_and_forget(home, passphrase(passphrase_fd, is_new=False))
    Output(as_json).result({"unlocked": True, "sentence": sentence}, sentence)


@app.command()
def withdraw(
    name: _Name,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="In quote; for a paper wallet also `all`.")],
    to: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="On Arbitrum; without it the account's own.")
    ] = None,
    master_key_fd: MasterKeyFd = None,
    passphrase_fd: PassphraseFd = None,
    as_json: JsonFlag = False,
) -> None:
    """Withdraw money from the venue, for a fee of 1 USDC, or play money from a paper wallet."""
    from firstwatch.cli import live_wallets
    from firstwatch.cli.folder import open_folder
    from firstwatch.venues.registry import is_paper

    output = Output(as_json)
    value = None if amount == "all" else _positive(amount)
    with open_folder() as (settings, store):
        with store.read() as session:
            wallet = _usable(session, name)
        custody = live_wallets.custody_of(settings, store)
        if is_paper(wallet.kind):
            taken = custody.take_play_money(wallet, value)
            output.result({"wallet": name, "withdrawn": taken}, f"{plain(taken)} withdrawn from {name}")
            return
        if value is None:
            raise WrongUseError(f"{name} is a live wallet at {wallet.venue}: give the amount to withdraw.")
        live_wallets.withdraw(custody, wallet, value, to, Secrets(master_key_fd, passphrase_fd), output)


@app.command()
def transfer(
    name: _Name,
    target: Annotated[str, typer.Argument(metavar="TO", help="Another wallet at the same venue.")],
    amount: _Amount,
    master_key_fd: MasterKeyFd = None,
    passphrase_fd: PassphraseFd = None,
    as_json: JsonFlag = False,
) -> None:
    """Send money from one own wallet to another."""
    from firstwatch.cli import live_wallets
    from firstwatch.cli.folder import open_folder

    value = _positive(amount)
    with open_folder() as (settings, store):
        with store.read() as session:
            wallet, other = _usable(session, name), _usable(session, target)
        custody = live_wallets.custody_of(settings, store)
        secrets = Secrets(master_key_fd, passphrase_fd)
        live_wallets.transfer(custody, wallet, other, value, secrets, Output(as_json))


@app.command()
def close(
    name: _Name,
    yes: Annotated[bool, typer.Option("--yes", help="Close it; without this nothing is done.")] = False,
    confirm: Annotated[
        str | None, typer.Option(metavar="NAME", help="The wallet's name again; real money requires it.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Close at market what the wallet holds without a run; exit code 1: the venue has not confirmed it."""
    from firstwatch.cli.folder import open_folder, open_manager
    from firstwatch.cli.waiting import answered, stopped_by_signals
    from firstwatch.trading.commands import CloseWallet, CommandOutcome

    with open_folder() as (_, store), store.read() as session:
        _usable(session, name)
    if confirm is not None and confirm != name:
        raise WrongUseError(f"--confirm {confirm} is not the wallet's name, {name}.")
    if not yes:
        raise WrongUseError(f"This closes at market what {name} holds. Add --yes to do it.")
    with stopped_by_signals() as stop, open_manager() as manager:
        status, exit_code = "refused", RefusedError.exit_code
        try:
            number = manager.submit(CloseWallet(wallet=name, confirmed_name=confirm))
        except RefusedError as error:
            sentence = str(error)
        else:
            found = answered(manager, number, stop, deadline_s=time.monotonic() + _CLOSE_WITHIN_S)
            sentence = found.sentence
            if found.outcome is CommandOutcome.DONE:
                status, exit_code = "done", 0
            elif found.outcome in (CommandOutcome.PENDING, CommandOutcome.ACCEPTED):
                status, exit_code = "waiting", FirstwatchError.exit_code
                sentence = f"the venue has not said yet that {name} is flat; the engine goes on asking"
    Output(as_json).result({"wallet": name, "status": status, "sentence": sentence}, sentence)
    if exit_code:
        raise typer.Exit(exit_code)


@app.command()
def archive(name: _Name, as_json: JsonFlag = False) -> None:
    """Take a wallet out of the lists; refused while a run uses it or it has money at the venue."""
    from firstwatch.cli import live_wallets
    from firstwatch.cli.folder import open_folder

    with open_folder() as (settings, store):
        with store.read() as session:
            wallet = _usable(session, name)
        live_wallets.custody_of(settings, store).archive(wallet)
    Output(as_json).result({"wallet": name, "archived": True}, f"{name} is archived")


@app.command()
def fund(
    name: _Name,
    amount: Annotated[
        str | None, typer.Argument(metavar="[AMOUNT]", help="Play money, for a paper wallet.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch/--no-watch", help="Wait until money has arrived at the venue.")
    ] = True,
    as_json: JsonFlag = False,
) -> None:
    """Put play money into a paper wallet, or show where to send real money and watch it arrive."""
    from firstwatch.cli import live_wallets
    from firstwatch.cli.folder import open_folder
    from firstwatch.store.paper import deposit
    from firstwatch.trading.clock import SystemClock
    from firstwatch.venues.registry import is_paper

    value = None if amount is None else _positive(amount)
    with open_folder() as (settings, store):
        with store.read() as session:
            wallet = _usable(session, name)
        if not is_paper(wallet.kind):
            if value is not None:
                raise WrongUseError(
                    f"{name} is a live wallet at {wallet.venue}: send real money to {wallet.account}."
                )
            custody = live_wallets.custody_of(settings, store)
            live_wallets.watch_funds(custody, wallet, Output(as_json), watches=watch)
            return
        if value is None:
            raise WrongUseError(f"Give the amount of play money: firstwatch wallet fund {name} AMOUNT.")
        with store.write() as session:
            deposit(session, wallet.venue, wallet.account, value, now_ms=SystemClock().now_ms())
    Output(as_json).result({"wallet": name, "deposited": value}, f"{plain(value)} deposited into {name}")


@app.command("list")
def list_(as_json: JsonFlag = False) -> None:
    """List the wallets, with their money from the store and its age."""
    from firstwatch.cli.folder import open_folder
    from firstwatch.store.wallets import list_wallets

    with open_folder() as (_, store), store.read() as session:
        documents = [_document(session, wallet) for wallet in list_wallets(session)]
    if as_json:
        say_json(documents)
    elif documents:
        say_table(
            ("WALLET", "VENUE", "TOTAL", "FREE", "AGE_S", "KEY", "RUN"),
            (
                (
                    *(d[name] for name in ("wallet", "venue", "total", "free", "balance_age_s", "key_kind")),
                    d["active_run"],
                )
                for d in documents
            ),
        )
    else:
        say("No wallets yet. Create one with: firstwatch wallet create NAME --venue V.")


@app.command()
def show(name: _Name, as_json: JsonFlag = False) -> None:
    """Show one wallet: account, key, money, positions, what is missing, and its active run."""
    from firstwatch.cli import live_wallets
    from firstwatch.cli.folder import open_folder
    from firstwatch.store.wallets import get_wallet
    from firstwatch.venues.registry import is_paper

    with open_folder() as (settings, store):
        with store.read() as session:
            wallet = get_wallet(session, name)
        # First the venue, whose answers go into the store; what it does not answer the store may still know.
        facts: dict[str, Any] = {}
        if not is_paper(wallet.kind):
            facts = live_wallets.facts_document(live_wallets.custody_of(settings, store), wallet)
        with store.read() as session:
            document = _document(session, wallet)
        known = document["positions"] if facts.get("total") is None else []
        document |= {
            name: value for name, value in facts.items() if value is not None or name not in document
        }
        document["positions"] = document["positions"] or known
    if as_json:
        say_json(document)
        return
    for key, value in document.items():
        if key not in {"positions", "held", "missing"}:
            say(f"{key:13} {shown(value)}")
    for held in document["positions"]:
        run = f", run {held['run']}" if held.get("run") else ""
        say(f"{'position':13} {held['side']} {shown(held['amount'])} {held['symbol']}{run}")
    for lack in document["missing"]:
        say(f"{'missing':13} {lack['name']}: {lack['sentence']}")


def _document(session: "Session", wallet: "Wallet") -> dict[str, Any]:
    from firstwatch.store.positions import positions
    from firstwatch.store.runs import ids_of_wallet
    from firstwatch.store.wallet_status import WalletStatus, wallet_statuses
    from firstwatch.store.wallets import active_run_id
    from firstwatch.trading.clock import SystemClock, iso
    from firstwatch.venues.registry import is_paper

    status, now_ms = wallet_statuses(session).get(wallet.id, WalletStatus()), SystemClock().now_ms()
    key, money = status.key, status.money
    as_of_ms = now_ms if money is None or is_paper(wallet.kind) else money.read_at_ms
    mine = set(ids_of_wallet(session, wallet.id))
    damaged: dict[str, str] = {}
    held_by_run = positions(session, damaged=damaged)
    problems = [status.problem, *(text for run_id, text in damaged.items() if run_id in mine)]
    return {
        "wallet": wallet.name,
        "venue": wallet.venue,
        "kind": wallet.kind,
        "account": wallet.account,
        "total": None if money is None else money.total,
        "used": None if money is None else money.used,
        "free": None if money is None else money.free,
        "balance_at": None if money is None else iso(as_of_ms),
        "balance_age_s": None if money is None else round((now_ms - as_of_ms) / 1000, 1),
        "key": None if key is None else key.address,
        "key_kind": None if key is None else key.kind,
        "valid_until": None if key is None or key.valid_until_ms is None else iso(key.valid_until_ms),
        "positions": [
            {
                "symbol": held.symbol,
                "side": None if held.side is None else held.side.value,
                "amount": held.amount,
                "entry_price": held.entry_price,
                "run": run_id,
                "updated_at": iso(held.updated_at_ms),
            }
            for run_id, held in held_by_run.items()
            if run_id in mine
        ],
        "held": None
        if money is None
        else [{"symbol": each.symbol, "side": each.side.value, "amount": each.amount} for each in money.held],
        "missing": []
        if key is None or key.missing is None
        else [{"name": name, "sentence": sentence} for name, sentence in key.missing.items()],
        "problem": "; ".join(filter(None, problems)) or None,
        "active_run": active_run_id(session, wallet.id),
        "created_at": iso(wallet.created_at_ms),
        "archived_at": None if wallet.archived_at_ms is None else iso(wallet.archived_at_ms),
    }


def _check_venue(settings: "Settings", venue: str) -> None:
    from firstwatch.trading.validation import nearest

    if venue not in settings.venues:
        raise WrongUseError(
            f"There is no venue {quoted(venue)} in the settings{nearest(venue, list(settings.venues))}; "
            f"there are {', '.join(settings.venues)}."
        )


def _usable(session: "Session", name: str) -> "Wallet":
    from firstwatch.store.wallets import get_wallet

    wallet = get_wallet(session, name)
    if wallet.archived_at_ms is not None:
        raise WrongUseError(f"{name} is archived; choose another wallet.")
    return wallet


def _positive(amount: str) -> "Decimal":
    from firstwatch.cli.backtest_options import decimal

    value = decimal(amount, "AMOUNT")
    if value <= 0:
        raise WrongUseError(f"AMOUNT must be above 0, not {amount}.")
    return value
