"""Adds the bars that runs handled, and the balances of paper wallets to those of the others."""

import json
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from alembic import op

from firstwatch.store.packing import unpack

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_WALLETS = "SELECT id, venue, account, created_at_ms FROM wallet WHERE kind = 'paper'"
_DEPOSITS = "SELECT amount FROM paper_deposit WHERE venue = ? AND account = ?"
_ACCOUNT = "SELECT state_json, updated_at_ms FROM paper_account WHERE venue = ? AND account = ?"
_ORDERS = "SELECT state_json FROM paper_order WHERE venue = ? AND account = ? AND is_open = 1"
_MARKET = "SELECT market_json FROM run WHERE wallet_id = ? ORDER BY created_at_ms DESC LIMIT 1"
_KEEP = (
    "INSERT INTO wallet_standing (wallet_id, total, used, held_json, money_at_ms, problem)"
    " VALUES (?, ?, ?, ?, ?, '')"
)


def upgrade() -> None:
    op.create_table(
        "run_bar",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=False),
        sa.Column("bars", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "first_ms", name="pk_run_bar"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_run_bar_run_id"),
    )
    session = op.get_bind()
    for wallet_id, venue, account, created_ms in session.exec_driver_sql(_WALLETS).fetchall():
        try:
            row = _money(session, wallet_id, (venue, account), created_ms)
        except (ValueError, LookupError, TypeError, ArithmeticError):
            # Its balance stays unknown until a run begins on the wallet.
            continue
        session.exec_driver_sql(_KEEP, row)


def _money(session: Any, wallet_id: int, account: tuple[str, str], created_ms: int) -> tuple[object, ...]:
    """Return the balance row of a paper wallet, from the books of its venue."""
    deposits = session.exec_driver_sql(_DEPOSITS, account).scalars()
    total = sum((Decimal(amount) for amount in deposits), Decimal(0))
    found = session.exec_driver_sql(_ACCOUNT, account).one_or_none()
    if found is None:
        return wallet_id, f"{total:f}", "0", "[]", created_ms
    state = json.loads(found[0])
    position = state["position"]
    used, held = Decimal(repr(position["margin"])), []
    texts = session.exec_driver_sql(_ORDERS, account).scalars()
    orders = [json.loads(unpack(text) if isinstance(text, bytes) else text) for text in texts]
    entries = [order for order in orders if not order["reduce_only"]]
    if position["sign"] or entries:
        market = json.loads(session.exec_driver_sql(_MARKET, (wallet_id,)).scalar() or "")
        step = Decimal(market["amount_step"])
        for order in entries:
            amount = (order["steps"] - order["filled_steps"]) * step
            price = order["price"] if order["kind"] == "limit" else order["trigger_price"]
            used += amount * Decimal(price) / Decimal(state["leverage"])
        if position["sign"]:
            side = "long" if position["sign"] > 0 else "short"
            held.append([market["symbol"], side, f"{position['steps'] * step:f}"])
    total += Decimal(state["cash"])
    return wallet_id, f"{total:f}", f"{used:f}", json.dumps(held), found[1]
