"""Orders that close a wallet's positions without a run: stored before they are sent, like those of runs.

The first half of their client order ids is not the id of any run.
"""

from typing import Any

from sqlalchemy import Row, bindparam, select

from firstwatch.store.database import Session
from firstwatch.store.orders import StoredOrder, columns_of, order_of
from firstwatch.store.rows import row, sound
from firstwatch.store.tables import WalletOrderTable, table_of, upsert
from firstwatch.trading.ids import run_of
from firstwatch.trading.orders import OrderIntent, OrderKind, OrderPurpose, OrderSide, OrderState

_ORDER = table_of(WalletOrderTable)
_UPSERT = upsert(_ORDER, keep=("wallet_id", "account", "symbol", "side", "amount", "created_at_ms"))
_FINAL = sorted(state for state in OrderState if state.is_final)
_OPEN = (
    select(_ORDER)
    .where(_ORDER.c.wallet_id == bindparam("wallet"), _ORDER.c.state.not_in(_FINAL))
    .order_by(_ORDER.c.created_at_ms, _ORDER.c.client_order_id)
)


def upsert_wallet_order(session: Session, wallet_id: int, order: StoredOrder) -> None:
    """Write the whole order, a reduce-only one at market; its creation time stays."""
    known = columns_of(order)
    values = {column.name: known[column.name] for column in _ORDER.columns if column.name in known}
    session.execute(_UPSERT, {**values, "wallet_id": wallet_id})


def open_wallet_orders(session: Session, wallet_id: int) -> list[StoredOrder]:
    """Return a wallet's orders that the venue may still execute, UNKNOWN ones too, oldest first.

    Raises:
        DamagedRowError: one cannot be read.
    """
    with row(f"an order of wallet {wallet_id}"):
        return [_view(found) for found in session.execute(_OPEN, {"wallet": wallet_id})]


def _view(found: Row[Any]) -> StoredOrder:
    sound(found, _ORDER)
    intent = OrderIntent(
        client_order_id=found.client_order_id,
        run_id=run_of(found.client_order_id),
        account=found.account,
        symbol=found.symbol,
        purpose=OrderPurpose.EXIT,
        side=OrderSide(found.side),
        kind=OrderKind.MARKET,
        amount=found.amount,
        reduce_only=True,
        price=found.price,
    )
    return order_of(found, intent)
