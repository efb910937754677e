"""Rows that store tests begin with."""

import base64
import random
from collections.abc import Sequence
from decimal import Decimal

from firstwatch.store import algorithms, runs, wallets
from firstwatch.store.database import Session
from firstwatch.store.orders import OrderMove, StoredOrder
from firstwatch.store.runs import Run
from firstwatch.trading.ids import client_order_id
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.market import DEFAULT_MARKET
from firstwatch.trading.orders import (
    Fill,
    OrderIntent,
    OrderKind,
    OrderPurpose,
    OrderSide,
    OrderState,
    Side,
    Touch,
)
from firstwatch.trading.runs import Author, ExitReason
from firstwatch.trading.trade import Trade

NOW_MS = 1_760_000_000_000


def run_id_of(number: int) -> str:
    return f"{number:016x}"


def made_run(session: Session, number: int = 1) -> Run:
    """Save a run with a wallet of its own on one shared version."""
    version = algorithms.add_version(session, "RSI reversion", '{"name": "x"}', "ab" * 32, now_ms=NOW_MS)
    wallet = wallets.create_wallet(session, f"w{number}", venue="paper", kind="paper", now_ms=NOW_MS)
    return runs.create_run(
        session,
        run_id_of(number),
        wallet_id=wallet.id,
        version_id=version.id,
        settings=LaunchSettings(
            algorithm=version.name,
            version=version.number,
            wallet=wallet.name,
            symbol="BTC/USDC:USDC",
            capital=Decimal("1000.50"),
        ),
        market=DEFAULT_MARKET,
        author=Author.OPERATOR,
        now_ms=NOW_MS,
        why="asked",
    )


def made_order(run_id: str, number: int = 1, state: OrderState = OrderState.PENDING_SUBMIT) -> StoredOrder:
    return StoredOrder(
        intent=OrderIntent(
            client_order_id=client_order_id(run_id, number),
            run_id=run_id,
            account="w1",
            symbol="BTC/USDC:USDC",
            purpose=OrderPurpose.ENTRY,
            side=OrderSide.BUY,
            kind=OrderKind.LIMIT,
            amount=Decimal("0.010000"),
            reduce_only=False,
            price=Decimal("60000.10"),
        ),
        state=state,
        created_at_ms=NOW_MS,
        updated_at_ms=NOW_MS,
        nonce=NOW_MS,
        body=b"\x00request",
        expires_at_ms=NOW_MS + 5_000,
        history=(OrderMove(NOW_MS, state, "decided"),),
        touch_at_decision=Touch(60000.0, 60000.2, 60000.1, NOW_MS),
    )


def made_fill(fill_id: str = "f1", *, order_id: str | None = None, time_ms: int = NOW_MS) -> Fill:
    return Fill(
        fill_id=fill_id,
        client_order_id=order_id,
        account="w1",
        symbol="BTC/USDC:USDC",
        side=OrderSide.BUY,
        amount=Decimal("0.01"),
        price=Decimal("60000.1"),
        fee=Decimal("0.270000450"),
        time_ms=time_ms,
    )


def made_trade(number: int = 1) -> Trade:
    return Trade(
        side=Side.LONG,
        entry_time_ms=NOW_MS + number,
        entry_price=Decimal("60000.1"),
        exit_time_ms=NOW_MS + number + 60_000,
        exit_price=Decimal("60100.123456789012345678901234"),
        amount=Decimal("0.01"),
        gross_pnl=Decimal("1.0002345678901234567890"),
        fees=Decimal("0.5"),
        funding=Decimal("-0.1"),
        pnl=Decimal("0.6002345678901234567890"),
        reason=ExitReason.TRAILING_STOP,
        bars_held=3,
        adverse_excursion=Decimal(0),
        favourable_excursion=Decimal(120),
        expected_entry_price=Decimal("59999.9"),
    )


def trades(count: int) -> Sequence[Trade]:
    return [made_trade(number) for number in range(count)]


def noise(characters: int) -> str:
    """Return a text that no packing makes shorter."""
    return base64.b85encode(random.Random(characters).randbytes(characters)).decode()[:characters]
