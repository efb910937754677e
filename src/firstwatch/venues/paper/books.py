"""The paper venue's persistent state: in the store, or in memory for simulations."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Protocol

from firstwatch.store import paper as rows
from firstwatch.store.database import Session, Store
from firstwatch.trading.account import Funding
from firstwatch.trading.clock import Clock
from firstwatch.trading.errors import VenueError
from firstwatch.trading.fields import fields_of
from firstwatch.trading.orders import Fill, OrderSide
from firstwatch.venues.paper.account import PaperAccount, PaperOrder
from firstwatch.venues.paper.exchange import Changes, Phase

_BURNT_ROW = '{"burnt": true}'


class Burnt(Enum):
    """The mark of a client order id whose request was invalidated."""

    BURNT = "burnt"


BURNT = Burnt.BURNT


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """Position of the feed: the phase of a bar whose matches are all in the books."""

    bar_ms: int
    phase: Phase
    next_number: int
    wall_ms: int | None
    """Wall time of this commit if there was a subscriber; None: the feed stood still."""
    accounts: tuple[str, ...] = ()
    """Subscribed accounts, sorted."""
    has_released: bool = True
    """The feed has released a phase; before that its bar is history for every subscriber."""

    def to_json(self) -> str:
        """Return the position as a JSON object."""
        return json.dumps(fields_of(self))

    @classmethod
    def from_json(cls, text: str) -> "FeedPosition":
        """Return the position that ``to_json`` wrote."""
        plain: dict[str, Any] = json.loads(text)
        return cls(**{**plain, "phase": Phase(plain["phase"]), "accounts": tuple(plain["accounts"])})


@dataclass(frozen=True, slots=True)
class Saved:
    """The stored state from which a restarted venue continues."""

    feed: FeedPosition
    accounts: list[PaperAccount]
    open_orders: list[PaperOrder]


class Books(Protocol):
    """The venue's storage.

    Raises:
        StoreError: from every method, when the store cannot be used.
    """

    def load(self) -> Saved | None:
        """Return the last committed state; None: this venue has never started.

        Raises:
            VenueError: the venue has traded another market.
        """

    def commit(self, changes: Changes, feed: FeedPosition, moneys: Mapping[str, rows.PaperMoney]) -> None:
        """Store the changes, the feed's position and ``moneys``, by account: all of it, or nothing."""

    def burn(self, client_order_id: str, account: str, feed: FeedPosition) -> None:
        """Store that this client order id will never become an order."""

    def order(self, client_order_id: str) -> PaperOrder | Burnt | None:
        """Return an order, open or not; ``BURNT``: this id will never be one; None: it is not known."""

    def fills_since(self, account: str, since_ms: int) -> list[Fill]:
        """Return the fills at or after that time, oldest first."""

    def funding_since(self, account: str, since_ms: int) -> list[Funding]:
        """Return the funding payments at or after that time, oldest first."""

    def deposit(self, account: str, amount: Decimal, time_ms: int) -> None:
        """Add play money, in quote, to an account."""

    def deposits(self, account: str) -> Decimal:
        """Return the sum of the account's deposits, in quote."""


class MemoryBooks:
    """Books that end with the process. They keep copies, as a database does."""

    def __init__(self) -> None:
        self._feed: FeedPosition | None = None
        self._accounts: dict[str, str] = {}
        self._open: dict[str, str] = {}
        self._closed: dict[str, str] = {}
        self._fills: list[Fill] = []
        self._fundings: list[Funding] = []
        self._burnt: set[str] = set()
        self._deposits: dict[str, Decimal] = {}

    def load(self) -> Saved | None:
        if self._feed is None:
            return None
        accounts = [PaperAccount.from_json(text) for text in self._accounts.values()]
        return Saved(self._feed, accounts, [PaperOrder.from_json(text) for text in self._open.values()])

    def commit(self, changes: Changes, feed: FeedPosition, moneys: Mapping[str, rows.PaperMoney]) -> None:
        self._feed = feed
        for name, account in changes.accounts.items():
            self._accounts[name] = account.to_json()
        for key, order in changes.orders.items():
            if order.state.is_open:
                self._open[key] = order.to_json()
            else:
                self._open.pop(key, None)
                self._closed[key] = order.to_json()
        self._fills += changes.fills
        self._fundings += changes.fundings

    def burn(self, client_order_id: str, account: str, feed: FeedPosition) -> None:
        self._feed = feed
        self._burnt.add(client_order_id)

    def order(self, client_order_id: str) -> PaperOrder | Burnt | None:
        if client_order_id in self._burnt:
            return BURNT
        text = self._open.get(client_order_id) or self._closed.get(client_order_id)
        return None if text is None else PaperOrder.from_json(text)

    def fills_since(self, account: str, since_ms: int) -> list[Fill]:
        return [fill for fill in self._fills if fill.account == account and fill.time_ms >= since_ms]

    def funding_since(self, account: str, since_ms: int) -> list[Funding]:
        return [paid for paid in self._fundings if paid.account == account and paid.time_ms >= since_ms]

    def deposit(self, account: str, amount: Decimal, time_ms: int) -> None:
        self._deposits[account] = self.deposits(account) + amount

    def deposits(self, account: str) -> Decimal:
        return self._deposits.get(account, Decimal(0))


def fill_to_json(fill: Fill) -> str:
    """Return a fill as a JSON object."""
    return json.dumps(fields_of(fill), default=str)


def fill_from_json(text: str) -> Fill:
    """Return the fill that ``fill_to_json`` wrote, in this or an earlier version."""
    plain: dict[str, Any] = json.loads(text)
    # Rows from before ``beyond_price`` have a flag instead.
    plain.pop("takes_margin", None)
    for name in ("amount", "price", "fee", "builder_fee", "beyond_price"):
        plain[name] = Decimal(plain.get(name, 0))
    return Fill(**{**plain, "side": OrderSide(plain["side"])})


def funding_to_json(funding: Funding) -> str:
    """Return a funding payment as a JSON object."""
    return json.dumps(fields_of(funding), default=str)


def funding_from_json(text: str) -> Funding:
    """Return the payment that ``funding_to_json`` wrote."""
    plain: dict[str, Any] = json.loads(text)
    return Funding(**{**plain, "paid": Decimal(plain["paid"]), "rate": Decimal(plain["rate"])})


class StoreBooks:
    """Books in the store: one transaction per commit, under the engine's epoch.

    ``epoch``: the engine's, checked in each write; None: there is no engine (a simulation).
    """

    def __init__(
        self, store: Store, venue: str, symbol: str, clock: Clock, epoch: Callable[[], int | None]
    ) -> None:
        self._store = store
        self._venue = venue
        self._symbol = symbol
        self._clock = clock
        self._epoch = epoch

    def load(self) -> Saved | None:
        with self._store.read() as session:
            feed = rows.load_feed(session, self._venue, self._symbol)
            if feed is None:
                self._require_new(rows.traded_symbols(session, self._venue))
                return None
            accounts = rows.load_accounts(session, self._venue)
            orders = rows.load_open_orders(session, self._venue)
        return Saved(
            FeedPosition.from_json(feed),
            [PaperAccount.from_json(text) for text in accounts.values()],
            [PaperOrder.from_json(row.state_json) for row in orders],
        )

    def _require_new(self, symbols: Sequence[str]) -> None:
        """Refuse to continue with the accounts and the order and fill numbers of another market."""
        if symbols:
            raise VenueError(
                f"The paper venue {self._venue} has traded {' and '.join(symbols)}, and its market is"
                f" {self._symbol} now. Give it back the market that it ran on, or use a venue of another"
                " name."
            )

    def commit(self, changes: Changes, feed: FeedPosition, moneys: Mapping[str, rows.PaperMoney]) -> None:
        now_ms = self._clock.now_ms()
        with self._write() as session:
            rows.save_feed(session, self._venue, self._symbol, feed.to_json(), now_ms=now_ms)
            for name, account in changes.accounts.items():
                rows.save_account(session, self._venue, name, account.to_json(), now_ms=now_ms)
            for name, money in moneys.items():
                rows.save_money(session, self._venue, name, money, now_ms=now_ms)
            rows.save_orders(
                session,
                self._venue,
                [
                    rows.PaperOrder(key, order.account, order.symbol, order.state.is_open, order.to_json())
                    for key, order in changes.orders.items()
                ],
            )
            rows.add_fills(
                session,
                self._venue,
                [
                    rows.PaperFill(fill.fill_id, fill.account, fill.symbol, fill.time_ms, fill_to_json(fill))
                    for fill in changes.fills
                ],
            )
            rows.add_funding(
                session,
                self._venue,
                [
                    rows.PaperFunding(
                        paid.funding_id, paid.account, paid.symbol, paid.time_ms, funding_to_json(paid)
                    )
                    for paid in changes.fundings
                ],
            )

    def burn(self, client_order_id: str, account: str, feed: FeedPosition) -> None:
        with self._write() as session:
            rows.save_feed(session, self._venue, self._symbol, feed.to_json(), now_ms=self._clock.now_ms())
            burnt = rows.PaperOrder(client_order_id, account, self._symbol, False, _BURNT_ROW)
            rows.save_orders(session, self._venue, [burnt])

    def _write(self) -> AbstractContextManager[Session]:
        # What a run makes of it is written after it, so a power cut never takes this alone.
        return self._store.write(self._epoch(), waits_for_disk=False)

    def order(self, client_order_id: str) -> PaperOrder | Burnt | None:
        with self._store.read() as session:
            found = rows.load_order(session, self._venue, client_order_id)
        if found is None:
            return None
        return BURNT if found.state_json == _BURNT_ROW else PaperOrder.from_json(found.state_json)

    def fills_since(self, account: str, since_ms: int) -> list[Fill]:
        with self._store.read() as session:
            found = rows.fills_since(session, self._venue, account, self._symbol, since_ms)
        return [fill_from_json(row.fill_json) for row in found]

    def funding_since(self, account: str, since_ms: int) -> list[Funding]:
        with self._store.read() as session:
            found = rows.funding_since(session, self._venue, account, self._symbol, since_ms)
        return [funding_from_json(row.funding_json) for row in found]

    def deposit(self, account: str, amount: Decimal, time_ms: int) -> None:
        with self._store.write(self._epoch()) as session:
            rows.deposit(session, self._venue, account, amount, now_ms=time_ms)

    def deposits(self, account: str) -> Decimal:
        with self._store.read() as session:
            return rows.deposited(session, self._venue, account)
