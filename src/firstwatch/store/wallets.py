"""Run wallets: names for accounts at venues. A wallet holds no key."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update

from firstwatch.store import wallet_status
from firstwatch.store.database import Session
from firstwatch.store.prepared import Prepared
from firstwatch.store.tables import RunTable, WalletTable, table_of
from firstwatch.trading.errors import RefusedError, WrongUseError
from firstwatch.trading.runs import ACTIVE_STATES
from firstwatch.trading.text import quoted
from firstwatch.trading.validation import nearest

_WALLET = table_of(WalletTable)
_RUN = table_of(RunTable)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")

_ALL = select(_WALLET).order_by(_WALLET.c.name)
_LISTED = _ALL.where(_WALLET.c.archived_at_ms.is_(None))
# Built once: the paper venue runs it with every order.
_IDS_OF_ACCOUNT = Prepared(
    select(_WALLET.c.id).where(
        _WALLET.c.venue == bindparam("venue"), _WALLET.c.account == bindparam("account")
    )
)


@dataclass(frozen=True, slots=True)
class Wallet:
    """One account at one venue (a name of the settings); ``kind`` is the venue's kind, such as ``paper``."""

    id: int
    name: str
    venue: str
    kind: str
    account: str
    created_at_ms: int
    archived_at_ms: int | None


def create_wallet(
    session: Session, name: str, *, venue: str, kind: str, now_ms: int, account: str | None = None
) -> Wallet:
    """Save a wallet.

    ``account``: its account at the venue; None: a paper account with the wallet's name. Play money begins at
    0; the balance of any other account is unknown until the venue is asked.

    Raises:
        WrongUseError: the name cannot be used or is taken, or another wallet has the account.
    """
    check_new_wallet(session, name, venues=[venue], account=account)
    values = {"name": name, "venue": venue, "kind": kind, "account": account or name, "created_at_ms": now_ms}
    number = session.execute(insert(_WALLET).values(values).returning(_WALLET.c.id)).scalar_one()
    wallet = Wallet(number, name, venue, kind, account or name, now_ms, None)
    if account is None:
        wallet_status.set_money(
            session, number, wallet_status.WalletMoney(Decimal(0), Decimal(0), (), now_ms)
        )
    return wallet


def check_new_wallet(
    session: Session, name: str, *, venues: Sequence[str] = (), account: str | None = None
) -> None:
    """Check that the name is valid and free, and that no other wallet has the account.

    ``venues``: every name that the settings have for the account's venue.

    Raises:
        WrongUseError: the name cannot be used or is taken, or another wallet has the account.
    """
    if not _NAME.fullmatch(name):
        raise WrongUseError(
            f"A wallet cannot be called {quoted(name)}: use up to 40 letters, digits, dots, dashes and "
            "underscores, beginning with a letter or digit."
        )
    if session.execute(select(_WALLET.c.id).where(_WALLET.c.name == name)).scalar() is not None:
        raise WrongUseError(f"There is a wallet {name} already; choose another name.")
    if account is None:
        return
    # With two wallets on one account, two runs would trade it, unaware of each other.
    same = select(_WALLET.c.name, _WALLET.c.venue).where(
        _WALLET.c.venue.in_(venues), _WALLET.c.account == account, _WALLET.c.archived_at_ms.is_(None)
    )
    other = session.execute(same).first()
    if other is not None:
        raise WrongUseError(
            f"The account {account} at {other.venue} is the wallet {other.name} already; use that wallet,"
            " or archive it first."
        )


def get_wallet(session: Session, name: str) -> Wallet:
    """Return the wallet of that name, archived or not.

    Raises:
        WrongUseError: there is none; the text has the nearest name.
    """
    row = session.execute(select(_WALLET).where(_WALLET.c.name == name)).one_or_none()
    if row is None:
        names = [wallet.name for wallet in list_wallets(session)]
        raise WrongUseError(
            f"There is no wallet {quoted(name)}{nearest(name, names) or '.'} "
            "Make one with: firstwatch wallet create NAME --venue VENUE."
        )
    return Wallet(**row._mapping)


def ids_of_account(session: Session, venue: str, account: str) -> list[int]:
    """Return the row numbers of the wallets of an account, archived or not."""
    return [number for (number,) in _IDS_OF_ACCOUNT.rows(session, {"venue": venue, "account": account})]


def wallet_by_id(session: Session, wallet_id: int) -> Wallet:
    """Return the wallet with that row number, to which runs refer."""
    return Wallet(**session.execute(select(_WALLET).where(_WALLET.c.id == wallet_id)).one()._mapping)


def list_wallets(session: Session, *, with_archived: bool = False) -> list[Wallet]:
    """Return the wallets by name."""
    return [_view(found) for found in session.execute(_ALL if with_archived else _LISTED).all()]


def archive_wallet(session: Session, name: str, *, now_ms: int) -> None:
    """Take a wallet out of the lists; its history stays.

    Raises:
        RefusedError: an active run owns it.
        WrongUseError: there is no wallet of that name.
    """
    wallet = get_wallet(session, name)
    run_id = active_run_id(session, wallet.id)
    if run_id is not None:
        raise RefusedError(f"Wallet {name} is in use by run {run_id}; stop that run first.")
    session.execute(update(_WALLET).where(_WALLET.c.id == wallet.id).values(archived_at_ms=now_ms))


def active_run_id(session: Session, wallet_id: int) -> str | None:
    """Return the id of the active run that owns the wallet, or None."""
    return session.execute(
        select(_RUN.c.id).where(_RUN.c.wallet_id == wallet_id, _RUN.c.state.in_(sorted(ACTIVE_STATES)))
    ).scalar()


# The screen keeps reading all of them, and they hardly ever change.
@lru_cache(maxsize=512)
def _view(found: Row[Any]) -> Wallet:
    return Wallet(**found._mapping)
