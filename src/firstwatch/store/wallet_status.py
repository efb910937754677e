"""Last known status of wallets: money, positions, and the permissions of the key of live ones.

Play money is written here in the transaction that moves it, so its status is never old.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, case, func, select

from firstwatch.store.database import Session
from firstwatch.store.prepared import Prepared
from firstwatch.store.rows import readable, row, sound
from firstwatch.store.tables import WalletStatusTable, table_of, upsert
from firstwatch.store.types import stored_money
from firstwatch.trading.orders import Side

_STATUS = table_of(WalletStatusTable)
_ALL = select(_STATUS)
_MONEY = ("total", "used", "held_json", "money_at_ms", "held_since_ms")
_KEY = ("key_address", "key_kind", "valid_until_ms", "missing_json", "key_at_ms")
_UPSERT_MONEY = Prepared(
    upsert(
        _STATUS,
        keep=_KEY,
        # Time of the first reading that showed a position, as long as one is held.
        held_since_ms=lambda fresh: case(
            (fresh.held_since_ms.is_(None), None),
            else_=func.coalesce(_STATUS.c.held_since_ms, fresh.held_since_ms),
        ),
    ),
    ("wallet_id", *_MONEY, "problem"),
)
_UPSERT_KEY = upsert(_STATUS, keep=(*_MONEY, "problem"))
_UPSERT_PROBLEM = upsert(_STATUS, keep=(*_MONEY, *_KEY))


@dataclass(frozen=True, slots=True)
class Held:
    """A position of an account, opened by a run or not. ``amount``: base coin, above 0."""

    symbol: str
    side: Side
    amount: Decimal


@dataclass(frozen=True, slots=True)
class WalletMoney:
    """Money of an account in quote, and all its positions."""

    total: Decimal
    used: Decimal
    """Margin of its positions and of resting entries."""
    held: tuple[Held, ...]
    read_at_ms: int
    held_since_ms: int | None = field(default=None, compare=False)
    """Since when it has held a position; None: it holds none. Set by the store, not by the caller."""

    @property
    def free(self) -> Decimal:
        return self.total - self.used


@dataclass(frozen=True, slots=True)
class WalletKey:
    """The key that signs for an account. ``address`` None: the vault has no key for it."""

    address: str | None
    kind: str | None
    """``master`` or ``agent``."""
    valid_until_ms: int | None
    """None: no expiry, or not known."""
    missing: Mapping[str, str] | None
    """Sentences by the name of each missing approval; None: the venue was not asked yet."""
    read_at_ms: int | None
    """When the venue was asked; None: never."""


@dataclass(frozen=True, slots=True)
class WalletStatus:
    """Status of one wallet; each part has its own time."""

    money: WalletMoney | None = None
    key: WalletKey | None = None
    problem: str = ""
    """Why the last reading of the money failed; empty: it succeeded."""


def set_money(session: Session, wallet_id: int, money: WalletMoney) -> None:
    """Replace the wallet's money, and clear the problem of the last reading."""
    held = [[each.symbol, each.side.value, str(each.amount)] for each in money.held]
    values = {
        "total": money.total,
        "used": money.used,
        "held_json": json.dumps(held),
        "money_at_ms": money.read_at_ms,
        "held_since_ms": money.read_at_ms if held else None,
    }
    _UPSERT_MONEY.execute(session, {"wallet_id": wallet_id, **values, "problem": ""})


def set_key(session: Session, wallet_id: int, key: WalletKey) -> None:
    """Replace the status of the wallet's key."""
    values = {
        "key_address": key.address,
        "key_kind": key.kind,
        "valid_until_ms": key.valid_until_ms,
        "missing_json": None if key.missing is None else json.dumps(dict(key.missing)),
        "key_at_ms": key.read_at_ms,
    }
    session.execute(_UPSERT_KEY, {"wallet_id": wallet_id, **values, "problem": ""})


def set_problem(session: Session, wallet_id: int, problem: str) -> None:
    """Save why the wallet's money could not be read; the older figures stay."""
    session.execute(_UPSERT_PROBLEM, {"wallet_id": wallet_id, "problem": problem})


def wallet_statuses(session: Session) -> dict[int, WalletStatus]:
    """Return the status of every wallet that has one, by the wallet's row number.

    A row that cannot be read gives a status with only the problem.
    """
    damaged: dict[int, str] = {}
    known = readable(session.execute(_ALL).all(), "wallet_id", _view, damaged)
    return known | {wallet_id: WalletStatus(problem=sentence) for wallet_id, sentence in damaged.items()}


def status_of(session: Session, wallet_id: int) -> WalletStatus:
    """Return the status of one wallet, by its row number.

    Raises:
        DamagedRowError: it cannot be read.
    """
    found = session.execute(select(_STATUS).where(_STATUS.c.wallet_id == wallet_id)).one_or_none()
    return WalletStatus() if found is None else _view(found)


# The screen reads fifty of them four times a second, and most have not changed.
@lru_cache(maxsize=256)
def _view(found: Row[Any]) -> WalletStatus:
    with row(f"what is stored of the money of wallet {found.wallet_id}"):
        sound(found, _STATUS)
        money = key = None
        if found.money_at_ms is not None:
            held = tuple(
                Held(symbol, Side(side), stored_money(amount))
                for symbol, side, amount in json.loads(found.held_json)
            )
            if found.total is None or found.used is None:
                raise ValueError("its total or what of it is used is not there")
            money = WalletMoney(
                found.total, found.used, held, found.money_at_ms, found.held_since_ms if held else None
            )
        if found.key_kind is not None or found.key_at_ms is not None:
            missing = None if found.missing_json is None else json.loads(found.missing_json)
            key = WalletKey(found.key_address, found.key_kind, found.valid_until_ms, missing, found.key_at_ms)
        return WalletStatus(money, key, found.problem)
