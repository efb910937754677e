"""What a venue last said of a wallet with a key: its money and positions, and what the key may do."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, select

from firstwatch.store.database import Session
from firstwatch.store.rows import readable, row, sound
from firstwatch.store.tables import WalletStatusRow, table_of, upsert
from firstwatch.store.types import stored_money
from firstwatch.trading.orders import Side

_STATUS = table_of(WalletStatusRow)
_MONEY = ("total", "used", "held_json", "money_at_ms")
_KEY = ("key_address", "key_kind", "valid_until_ms", "missing_json", "key_at_ms")
_UPSERT_MONEY = upsert(_STATUS, keep=_KEY)
_UPSERT_KEY = upsert(_STATUS, keep=(*_MONEY, "problem"))
_UPSERT_PROBLEM = upsert(_STATUS, keep=(*_MONEY, *_KEY))


@dataclass(frozen=True, slots=True)
class Held:
    """A position of an account, whoever opened it."""

    symbol: str
    side: Side
    amount: Decimal


@dataclass(frozen=True, slots=True)
class WalletMoney:
    """Money of an account in quote, and all that it holds."""

    total: Decimal
    used: Decimal
    held: tuple[Held, ...]
    read_at_ms: int


@dataclass(frozen=True, slots=True)
class WalletKey:
    """The key that trades for an account. ``address`` None: the vault has none."""

    address: str | None
    kind: str | None
    """``master`` or ``agent``."""
    valid_until_ms: int | None
    """None: for ever, or the venue does not say."""
    missing: Mapping[str, str] | None
    """A sentence by the name of each approval that is not given; None: the venue was not asked yet."""
    read_at_ms: int | None
    """When the venue was asked; None: never."""


@dataclass(frozen=True, slots=True)
class WalletStatus:
    """What is known of one wallet, each part as of its own time."""

    money: WalletMoney | None = None
    key: WalletKey | None = None
    problem: str = ""
    """Why the last reading of the money failed; empty: it did not."""


def set_money(session: Session, wallet_id: int, money: WalletMoney) -> None:
    """Replace the wallet's money; the last reading's problem is over."""
    held = [[each.symbol, each.side.value, str(each.amount)] for each in money.held]
    values = {
        "total": money.total,
        "used": money.used,
        "held_json": json.dumps(held),
        "money_at_ms": money.read_at_ms,
    }
    session.execute(_UPSERT_MONEY, {"wallet_id": wallet_id, **values, "problem": ""})


def set_key(session: Session, wallet_id: int, key: WalletKey) -> None:
    """Replace what is known of the wallet's key."""
    values = {
        "key_address": key.address,
        "key_kind": key.kind,
        "valid_until_ms": key.valid_until_ms,
        "missing_json": None if key.missing is None else json.dumps(dict(key.missing)),
        "key_at_ms": key.read_at_ms,
    }
    session.execute(_UPSERT_KEY, {"wallet_id": wallet_id, **values, "problem": ""})


def set_problem(session: Session, wallet_id: int, problem: str) -> None:
    """Say why the wallet's money could not be read; what was known stays, as old as it is."""
    session.execute(_UPSERT_PROBLEM, {"wallet_id": wallet_id, "problem": problem})


def wallet_statuses(session: Session) -> dict[int, WalletStatus]:
    """Return what is known of every wallet that a venue was asked about, by the wallet's row number.

    Of one whose row cannot be read only that is known, as its problem.
    """
    damaged: dict[int, str] = {}
    known = readable(session.execute(select(_STATUS)), "wallet_id", _view, damaged)
    return known | {wallet_id: WalletStatus(problem=sentence) for wallet_id, sentence in damaged.items()}


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
            money = WalletMoney(found.total, found.used, held, found.money_at_ms)
        if found.key_kind is not None or found.key_at_ms is not None:
            missing = None if found.missing_json is None else json.loads(found.missing_json)
            key = WalletKey(found.key_address, found.key_kind, found.valid_until_ms, missing, found.key_at_ms)
        return WalletStatus(money, key, found.problem)
