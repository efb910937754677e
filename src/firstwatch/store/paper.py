"""Rows of the paper venue. Only the paper venue knows the contents of the JSON."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from sqlalchemy import bindparam, insert, select

from firstwatch.store import wallet_status, wallets
from firstwatch.store.database import Session
from firstwatch.store.prepared import Prepared
from firstwatch.store.rows import row
from firstwatch.store.tables import (
    PaperAccountTable,
    PaperDepositTable,
    PaperFeedTable,
    PaperFillTable,
    PaperFundingTable,
    PaperOrderTable,
    insert_once,
    table_of,
    upsert,
)
from firstwatch.store.types import stored_money
from firstwatch.trading.errors import DamagedRowError
from firstwatch.trading.fields import fields_of

_FEED = table_of(PaperFeedTable)
_ACCOUNT = table_of(PaperAccountTable)
_ORDER = table_of(PaperOrderTable)
_FILL = table_of(PaperFillTable)
_FUNDING = table_of(PaperFundingTable)
_DEPOSIT = table_of(PaperDepositTable)

_SAVE_FEED = Prepared(upsert(_FEED))
_SAVE_ACCOUNT = Prepared(upsert(_ACCOUNT))
_SAVE_ORDER = Prepared(upsert(_ORDER, keep=("account", "symbol")))
_ADD_FILL = Prepared(insert_once(_FILL))
_ADD_FUNDING = Prepared(insert_once(_FUNDING))


@dataclass(frozen=True, slots=True)
class PaperOrder:
    """An order at the paper venue, or an invalidated request (not open; its state says so)."""

    client_order_id: str
    account: str
    symbol: str
    is_open: bool
    state_json: str


@dataclass(frozen=True, slots=True)
class PaperFill:
    """A fill at the paper venue."""

    fill_id: str
    account: str
    symbol: str
    time_ms: int
    fill_json: str


@dataclass(frozen=True, slots=True)
class PaperFunding:
    """A funding payment at the paper venue."""

    funding_id: str
    account: str
    symbol: str
    time_ms: int
    funding_json: str


@dataclass(frozen=True, slots=True)
class PaperMoney:
    """Money of an account without its deposits, in quote, and its positions."""

    cash: Decimal
    """Realised PnL less fees and funding."""
    used: Decimal
    """Margin of its position and of resting entries."""
    held: tuple[wallet_status.Held, ...] = ()


def save_feed(session: Session, venue: str, symbol: str, position_json: str, *, now_ms: int) -> None:
    """Save the position of a symbol's feed."""
    values = {"venue": venue, "symbol": symbol, "position_json": position_json, "updated_at_ms": now_ms}
    _SAVE_FEED.execute(session, values)


def load_feed(session: Session, venue: str, symbol: str) -> str | None:
    """Return the position of a symbol's feed; None: it has not started."""
    return session.execute(
        select(_FEED.c.position_json).where(_FEED.c.venue == venue, _FEED.c.symbol == symbol)
    ).scalar()


def traded_symbols(session: Session, venue: str) -> list[str]:
    """Return the symbols whose feeds have moved at a venue, sorted."""
    return list(
        session.execute(
            select(_FEED.c.symbol).where(_FEED.c.venue == venue).order_by(_FEED.c.symbol)
        ).scalars()
    )


def save_account(session: Session, venue: str, account: str, state_json: str, *, now_ms: int) -> None:
    """Replace an account's state."""
    values = {"venue": venue, "account": account, "state_json": state_json, "updated_at_ms": now_ms}
    _SAVE_ACCOUNT.execute(session, values)


def load_accounts(session: Session, venue: str) -> dict[str, str]:
    """Return the state of all accounts of a venue, by account."""
    rows = session.execute(select(_ACCOUNT.c.account, _ACCOUNT.c.state_json).where(_ACCOUNT.c.venue == venue))
    return {row.account: row.state_json for row in rows}


def save_money(session: Session, venue: str, account: str, money: PaperMoney, *, now_ms: int) -> None:
    """Write the balance of an account's wallet: ``money`` plus the deposits made so far.

    If a deposit cannot be read, the wallet gets the problem and keeps its older money.
    """
    try:
        given = deposited(session, venue, account)
    except DamagedRowError as error:
        for wallet_id in wallets.ids_of_account(session, venue, account):
            wallet_status.set_problem(session, wallet_id, str(error))
        return
    fresh = wallet_status.WalletMoney(given + money.cash, money.used, money.held, now_ms)
    for wallet_id in wallets.ids_of_account(session, venue, account):
        wallet_status.set_money(session, wallet_id, fresh)


def save_orders(session: Session, venue: str, orders: Iterable[PaperOrder]) -> None:
    """Write orders as a whole."""
    for order in orders:
        _SAVE_ORDER.execute(session, {"venue": venue, **fields_of(order)})


def load_order(session: Session, venue: str, client_order_id: str) -> PaperOrder | None:
    """Return one order; None: the venue does not know the id."""
    found = _ONE_ORDER.rows(session, {"venue": venue, "order": client_order_id})
    return PaperOrder(*found[0]) if found else None


def load_open_orders(session: Session, venue: str) -> list[PaperOrder]:
    """Return all open orders of a venue, by client order id."""
    statement = (
        select(*_ORDER_COLUMNS)
        .where(_ORDER.c.venue == venue, _ORDER.c.is_open == bindparam(None, True, literal_execute=True))
        .order_by(_ORDER.c.client_order_id)
    )
    return [PaperOrder(**row._mapping) for row in session.execute(statement)]


def add_fills(session: Session, venue: str, fills: Iterable[PaperFill]) -> None:
    """Append fills; an existing one stays unchanged."""
    for fill in fills:
        _ADD_FILL.execute(session, {"venue": venue, **fields_of(fill)})


def fills_since(session: Session, venue: str, account: str, symbol: str, since_ms: int) -> list[PaperFill]:
    """Return the account's fills in the symbol at or after a venue time, oldest first."""
    statement = (
        select(*_FILL_COLUMNS)
        .where(
            _FILL.c.venue == venue,
            _FILL.c.account == account,
            _FILL.c.symbol == symbol,
            _FILL.c.time_ms >= since_ms,
        )
        .order_by(_FILL.c.time_ms, _FILL.c.fill_id)
    )
    return [PaperFill(**row._mapping) for row in session.execute(statement)]


def add_funding(session: Session, venue: str, payments: Iterable[PaperFunding]) -> None:
    """Append funding payments; an existing one stays unchanged."""
    for payment in payments:
        _ADD_FUNDING.execute(session, {"venue": venue, **fields_of(payment)})


def funding_since(
    session: Session, venue: str, account: str, symbol: str, since_ms: int
) -> list[PaperFunding]:
    """Return the account's funding payments in the symbol at or after a venue time, oldest first."""
    statement = (
        select(*_FUNDING_COLUMNS)
        .where(
            _FUNDING.c.venue == venue,
            _FUNDING.c.account == account,
            _FUNDING.c.symbol == symbol,
            _FUNDING.c.time_ms >= since_ms,
        )
        .order_by(_FUNDING.c.time_ms, _FUNDING.c.funding_id)
    )
    return [PaperFunding(**row._mapping) for row in session.execute(statement)]


def deposit(session: Session, venue: str, account: str, amount: Decimal, *, now_ms: int) -> None:
    """Append a deposit; the venue counts it when it next reads the account.

    The stored money of the account's wallet includes it at once, if that money is known.
    """
    session.execute(
        insert(_DEPOSIT), {"venue": venue, "account": account, "amount": amount, "time_ms": now_ms}
    )
    for wallet_id in wallets.ids_of_account(session, venue, account):
        known = wallet_status.status_of(session, wallet_id)
        if known.money is not None and not known.problem:
            fresh = replace(known.money, total=known.money.total + amount, read_at_ms=now_ms)
            wallet_status.set_money(session, wallet_id, fresh)


def deposited(session: Session, venue: str, account: str) -> Decimal:
    """Return the sum of an account's deposits less its withdrawals, in quote.

    Raises:
        DamagedRowError: one cannot be read.
    """
    with row(f"a deposit of {account}"):
        found = _AMOUNTS.rows(session, {"venue": venue, "account": account})
        return sum((stored_money(amount) for (amount,) in found), Decimal(0))


_ORDER_COLUMNS = tuple(_ORDER.c[name] for name in PaperOrder.__dataclass_fields__)
_FILL_COLUMNS = tuple(_FILL.c[name] for name in PaperFill.__dataclass_fields__)
_FUNDING_COLUMNS = tuple(_FUNDING.c[name] for name in PaperFunding.__dataclass_fields__)

# Built once: the venue needs these for every order.
_ONE_ORDER = Prepared(
    select(*_ORDER_COLUMNS).where(
        _ORDER.c.venue == bindparam("venue"), _ORDER.c.client_order_id == bindparam("order")
    )
)
_AMOUNTS = Prepared(
    select(_DEPOSIT.c.amount).where(
        _DEPOSIT.c.venue == bindparam("venue"), _DEPOSIT.c.account == bindparam("account")
    )
)
