"""``firstwatch wallet``: create, fund, list and show run wallets."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from firstwatch.cli.output import JsonFlag, say, say_json, say_table
from firstwatch.trading.errors import WrongUseError

if TYPE_CHECKING:
    from firstwatch.settings import Settings
    from firstwatch.store.database import Session
    from firstwatch.store.wallets import Wallet

app = typer.Typer(help="Create, fund, list and show run wallets.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(metavar="NAME")]


@app.command()
def create(
    name: _Name,
    venue: Annotated[str, typer.Option(metavar="V", help="A venue of the settings.")],
    as_json: JsonFlag = False,
) -> None:
    """Create a wallet at a venue of the settings."""
    from firstwatch.cli.folder import opened
    from firstwatch.store.wallets import create_wallet
    from firstwatch.trading.clock import SystemClock
    from firstwatch.trading.validation import nearest

    with opened() as (settings, store):
        if venue not in settings.venues:
            raise WrongUseError(
                f"There is no venue {venue!r} in the settings{nearest(venue, list(settings.venues))}; "
                f"there are {', '.join(settings.venues)}."
            )
        with store.write() as session:
            wallet = create_wallet(
                session,
                name,
                venue=venue,
                kind=settings.venues[venue].kind,
                now_ms=SystemClock().now_ms(),
            )
    if as_json:
        say_json({"wallet": wallet.name, "venue": wallet.venue, "kind": wallet.kind})
    else:
        say(f"{wallet.name} at {wallet.venue}; put play money into it: firstwatch wallet fund {name} AMOUNT")


@app.command()
def fund(
    name: _Name,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="In quote.")],
    as_json: JsonFlag = False,
) -> None:
    """Put play money into a paper wallet; no engine is needed."""
    from firstwatch.cli.backtest import decimal
    from firstwatch.cli.folder import opened
    from firstwatch.store.paper import deposit
    from firstwatch.store.wallets import get_wallet
    from firstwatch.trading.clock import SystemClock

    value = decimal(amount, "AMOUNT")
    if value <= 0:
        raise WrongUseError(f"AMOUNT must be above 0, not {amount}.")
    with opened() as (_, store), store.write() as session:
        wallet = get_wallet(session, name)
        if wallet.kind != "paper":
            raise WrongUseError(
                f"{name} is a wallet at {wallet.venue}, where money is real: send it to {wallet.account}."
            )
        if wallet.archived_at_ms is not None:
            raise WrongUseError(f"{name} is archived; fund another wallet.")
        deposit(session, wallet.venue, wallet.account, value, now_ms=SystemClock().now_ms())
    if as_json:
        say_json({"wallet": name, "deposited": value})
    else:
        say(f"{value} put into {name}")


@app.command("list")
def list_(as_json: JsonFlag = False) -> None:
    """List the wallets, with their money as the store knows it."""
    from firstwatch.cli.folder import opened
    from firstwatch.store.wallets import list_wallets

    with opened() as (settings, store), store.read() as session:
        documents = [_document(session, settings, wallet) for wallet in list_wallets(session)]
    if as_json:
        say_json(documents)
    elif documents:
        say_table(
            ("WALLET", "VENUE", "TOTAL", "FREE", "RUN"),
            ((d["wallet"], d["venue"], d["total"], d["free"], d["active_run"]) for d in documents),
        )
    else:
        say("No wallets yet. Create one with: firstwatch wallet create NAME --venue V.")


@app.command()
def show(name: _Name, as_json: JsonFlag = False) -> None:
    """Show one wallet: account, money, positions, and the run that owns it."""
    from firstwatch.cli.folder import opened
    from firstwatch.store.wallets import get_wallet

    with opened() as (settings, store), store.read() as session:
        document = _document(session, settings, get_wallet(session, name))
    if as_json:
        say_json(document)
        return
    for key, value in document.items():
        if key != "positions":
            say(f"{key:12} {'-' if value is None else value}")
    for held in document["positions"]:
        say(f"{'position':12} {held['side']} {held['amount']} {held['symbol']}, run {held['run']}")


def _document(session: "Session", settings: "Settings", wallet: "Wallet") -> dict[str, Any]:
    from firstwatch.manager.balances import paper_money
    from firstwatch.store.positions import positions
    from firstwatch.store.runs import list_runs
    from firstwatch.store.wallets import active_run_id
    from firstwatch.trading.clock import iso

    mine = {run.id for run in list_runs(session, wallet_id=wallet.id)}
    money = paper_money(session, settings, wallet)
    return {
        "wallet": wallet.name,
        "venue": wallet.venue,
        "kind": wallet.kind,
        "account": wallet.account,
        "total": None if money is None else money.total,
        "used": None if money is None else money.used,
        "free": None if money is None else money.free,
        "positions": [
            {
                "symbol": held.symbol,
                "side": None if held.side is None else held.side.value,
                "amount": held.amount,
                "entry_price": held.entry_price,
                "run": run_id,
                "updated_at": iso(held.updated_at_ms),
            }
            for run_id, held in positions(session).items()
            if run_id in mine
        ],
        "active_run": active_run_id(session, wallet.id),
        "created_at": iso(wallet.created_at_ms),
        "archived_at": None if wallet.archived_at_ms is None else iso(wallet.archived_at_ms),
    }
