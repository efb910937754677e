"""The money of wallets as the store knows it, without asking the engine."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from firstwatch.settings import PaperVenueSettings, Settings
from firstwatch.store import paper
from firstwatch.store.database import Session
from firstwatch.store.standings import Standing
from firstwatch.store.wallets import Wallet
from firstwatch.trading.errors import RefusedError
from firstwatch.venues.paper.account import PaperAccount, PaperOrder, exact
from firstwatch.venues.paper.assembly import market_of


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
    known: Mapping[int, Standing],
    *,
    now_ms: int,
) -> dict[str, Money]:
    """Return what is known of the wallets' money, by name: of paper now, of the rest as its venue last said.

    A wallet whose money is not known, or whose venue is no longer in the settings, is left out.
    """
    wallets = tuple(wallets)
    said = {
        wallet.name: Money(standing.money.total, standing.money.used, standing.money.read_at_ms)
        for wallet in wallets
        if (standing := known.get(wallet.id)) is not None and standing.money is not None
    }
    return said | _paper_moneys(session, settings, wallets, now_ms)


def paper_total(session: Session, wallet: Wallet) -> Decimal:
    """Return the play money of a paper wallet, whether or not the settings still have its venue.

    Raises:
        RefusedError: it holds a position.
    """
    deposited = sum((row.amount for row in paper.deposits(session, wallet.venue, wallet.account)), Decimal(0))
    state = paper.load_accounts(session, wallet.venue).get(wallet.account)
    if state is None:
        return deposited
    account = PaperAccount.from_json(state)
    if account.position.sign:
        raise RefusedError(f"{wallet.name} holds a position; close it first.")
    return deposited + account.cash


def _paper_moneys(
    session: Session, settings: Settings, wallets: Iterable[Wallet], now_ms: int
) -> dict[str, Money]:
    by_venue: dict[str, list[Wallet]] = {}
    for wallet in wallets:
        if wallet.kind == "paper":
            by_venue.setdefault(wallet.venue, []).append(wallet)
    found: dict[str, Money] = {}
    for venue, members in by_venue.items():
        known = settings.venues.get(venue)
        if not isinstance(known, PaperVenueSettings):
            continue
        given: dict[str, Decimal] = {}
        for row in paper.deposits(session, venue):
            given[row.account] = given.get(row.account, Decimal(0)) + row.amount
        states = paper.load_accounts(session, venue)
        accounts = {name: PaperAccount.from_json(state) for name, state in states.items()}
        resting = _resting(session, venue, market_of(known).amount_step, accounts)
        for wallet in members:
            deposited, account = given.get(wallet.account, Decimal(0)), accounts.get(wallet.account)
            if account is None:
                found[wallet.name] = Money(deposited, Decimal(0), now_ms)
                continue
            used = exact(account.position.margin) + resting.get(wallet.account, Decimal(0))
            found[wallet.name] = Money(deposited + account.cash, used, now_ms)
    return found


def _resting(
    session: Session, venue: str, amount_step: Decimal, accounts: dict[str, PaperAccount]
) -> dict[str, Decimal]:
    """Return the margin of resting entry orders, by account."""
    margins: dict[str, Decimal] = {}
    for row in paper.load_open_orders(session, venue):
        order, account = PaperOrder.from_json(row.state_json), accounts.get(row.account)
        if order.reduce_only or order.price is None or account is None:
            continue
        margin = order.rest * amount_step * order.price / account.leverage
        margins[row.account] = margins.get(row.account, Decimal(0)) + margin
    return margins
