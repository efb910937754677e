"""The money of paper wallets as the store knows it, without asking the engine."""

from dataclasses import dataclass
from decimal import Decimal

from firstwatch.settings import PaperVenueSettings, Settings
from firstwatch.store import paper
from firstwatch.store.database import Session
from firstwatch.store.wallets import Wallet
from firstwatch.venues.paper.account import PaperAccount, PaperOrder, exact
from firstwatch.venues.paper.assembly import market_of


@dataclass(frozen=True, slots=True)
class Money:
    """Money of a wallet in quote: ``used`` is margin of its position and of resting entries."""

    total: Decimal
    used: Decimal

    @property
    def free(self) -> Decimal:
        return self.total - self.used


def paper_money(session: Session, settings: Settings, wallet: Wallet) -> Money | None:
    """Return a paper wallet's money; None: its venue is not of paper, or no longer in the settings."""
    venue = settings.venues.get(wallet.venue)
    if not isinstance(venue, PaperVenueSettings) or wallet.kind != "paper":
        return None
    given = sum((row.amount for row in paper.deposits(session, wallet.venue, wallet.account)), Decimal(0))
    state = paper.load_accounts(session, wallet.venue).get(wallet.account)
    if state is None:
        return Money(given, Decimal(0))
    account = PaperAccount.from_json(state)
    resting = [
        PaperOrder.from_json(row.state_json)
        for row in paper.load_open_orders(session, wallet.venue)
        if row.account == wallet.account
    ]
    entries = [order for order in resting if not order.reduce_only and order.price is not None]
    step = market_of(venue).amount_step if entries else Decimal(0)
    margins = (_margin(order, step, account) for order in entries)
    return Money(given + account.cash, exact(account.position.margin) + sum(margins, Decimal(0)))


def _margin(order: PaperOrder, step: Decimal, account: PaperAccount) -> Decimal:
    assert order.price is not None
    return order.rest * step * order.price / account.leverage
