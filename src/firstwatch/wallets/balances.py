"""The money of wallets as the store knows it, without asking the engine."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal

from firstwatch.settings import Settings
from firstwatch.store import paper
from firstwatch.store.database import Session
from firstwatch.store.rows import row
from firstwatch.store.types import stored_money
from firstwatch.store.wallet_status import WalletStatus
from firstwatch.store.wallets import Wallet
from firstwatch.trading.errors import DamagedRowError, RefusedError
from firstwatch.venues.paper.account import PaperAccount, PaperOrder, exact
from firstwatch.venues.paper.assembly import market_of
from firstwatch.venues.paper.settings import PaperVenueSettings
from firstwatch.venues.registry import is_paper


@dataclass(frozen=True, slots=True)
class Money:
    """Money of a wallet in quote: ``used`` is margin of its position and of resting entries."""

    total: Decimal
    used: Decimal
    read_at_ms: int

    @property
    def free(self) -> Decimal:
        return self.total - self.used


def moneys(
    session: Session,
    settings: Settings,
    wallets: Iterable[Wallet],
    known: Mapping[int, WalletStatus],
    *,
    now_ms: int,
    damaged: dict[str, str] | None = None,
) -> dict[str, Money]:
    """Return what is known of the wallets' money, by name: of paper now, of the rest as its venue last said.

    A wallet whose money is not known, or whose venue is no longer in the settings, is left out; ``damaged``
    says of which paper wallets the store cannot be read, by name.
    """
    wallets = tuple(wallets)
    said = {
        wallet.name: Money(standing.money.total, standing.money.used, standing.money.read_at_ms)
        for wallet in wallets
        if (standing := known.get(wallet.id)) is not None and standing.money is not None
    }
    return said | _paper_moneys(session, settings, wallets, now_ms, {} if damaged is None else damaged)


def paper_total(session: Session, wallet: Wallet) -> Decimal:
    """Return the play money of a paper wallet, whether or not the settings still have its venue.

    Raises:
        RefusedError: it holds a position.
    """
    deposited = sum(
        (each.amount for each in paper.deposits(session, wallet.venue, wallet.account)), Decimal(0)
    )
    state = paper.load_accounts(session, wallet.venue).get(wallet.account)
    if state is None:
        return deposited
    account = PaperAccount.from_json(state)
    if account.position.sign:
        raise RefusedError(f"{wallet.name} holds a position; close it first.")
    return deposited + account.cash


def _paper_moneys(
    session: Session, settings: Settings, wallets: Iterable[Wallet], now_ms: int, damaged: dict[str, str]
) -> dict[str, Money]:
    by_venue: dict[str, list[Wallet]] = {}
    for wallet in wallets:
        if is_paper(wallet.kind):
            by_venue.setdefault(wallet.venue, []).append(wallet)
    found: dict[str, Money] = {}
    for venue, members in by_venue.items():
        known = settings.venues.get(venue)
        if not isinstance(known, PaperVenueSettings):
            continue
        unread: dict[str, str] = {}
        given = paper.deposited(session, venue, unread)
        accounts: dict[str, PaperAccount] = {}
        for name, state in paper.load_accounts(session, venue).items():
            with _said_of(name, unread):
                accounts[name] = PaperAccount.from_json(state)
        resting = _resting(session, venue, market_of(known).amount_step, accounts, unread)
        for wallet in members:
            total, used = given.get(wallet.account, Decimal(0)), Decimal(0)
            with _said_of(wallet.account, unread):
                if (account := accounts.get(wallet.account)) is not None:
                    total += account.cash
                    used = exact(account.position.margin) + resting.get(wallet.account, Decimal(0))
                money = Money(stored_money(total), stored_money(used), now_ms)
            if wallet.account in unread:
                damaged[wallet.name] = unread[wallet.account]
            else:
                found[wallet.name] = money
    return found


def _resting(
    session: Session,
    venue: str,
    amount_step: Decimal,
    accounts: dict[str, PaperAccount],
    unread: dict[str, str],
) -> dict[str, Decimal]:
    """Return the margin of resting entry orders, by account."""
    margins: dict[str, Decimal] = {}
    for found in paper.load_open_orders(session, venue):
        with _said_of(found.account, unread):
            order, account = PaperOrder.from_json(found.state_json), accounts.get(found.account)
            if order.reduce_only or order.price is None or account is None:
                continue
            margin = order.rest * amount_step * order.price / account.leverage
            margins[found.account] = margins.get(found.account, Decimal(0)) + margin
    return margins


@contextmanager
def _said_of(account: str, unread: dict[str, str]) -> Iterator[None]:
    """Note in ``unread``, and go on, where what the block reads of a paper account cannot be understood."""
    try:
        with row(f"the paper account {account}"):
            yield
    except DamagedRowError as error:
        unread[account] = str(error)
