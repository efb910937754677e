"""Orders of runs: written before anything is sent; states change by the table of ``trading.orders``."""

import json
import sys
from collections.abc import Collection
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, Select, bindparam, func, literal_column, select, type_coerce, update
from sqlalchemy.types import NULLTYPE

from firstwatch.store.database import Session
from firstwatch.store.prepared import Prepared
from firstwatch.store.rows import row, sound
from firstwatch.store.tables import RunOrderTable, WalletOrderTable, table_of, upsert
from firstwatch.trading.errors import StoreError
from firstwatch.trading.orders import (
    OrderIntent,
    OrderKind,
    OrderPurpose,
    OrderSide,
    OrderState,
    Touch,
    move_order,
)

_ORDER = table_of(RunOrderTable)


@dataclass(frozen=True, slots=True)
class OrderMove:
    """One change of an order's state, at a local time."""

    time_ms: int
    state: OrderState
    why: str = ""


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An order with everything needed to ask the venue about it after a crash."""

    intent: OrderIntent
    state: OrderState
    created_at_ms: int
    updated_at_ms: int
    filled: Decimal = Decimal(0)
    average_price: Decimal | None = None
    venue_order_id: str | None = None
    nonce: int | None = None
    body: bytes = b""
    """The prepared request, without any key."""
    expires_at_ms: int | None = None
    history: tuple[OrderMove, ...] = ()
    touch_at_decision: Touch | None = None
    touch_at_submission: Touch | None = None
    touch_at_acknowledgement: Touch | None = None

    @property
    def client_order_id(self) -> str:
        """The id that this program gave the order."""
        return self.intent.client_order_id

    @classmethod
    def of(
        cls,
        intent: OrderIntent,
        *,
        nonce: int | None,
        body: bytes,
        expires_at_ms: int | None,
        now_ms: int,
        why: str = "",
        touch_at_decision: Touch | None = None,
    ) -> "StoredOrder":
        """Return an order as it is stored before its request leaves."""
        state = OrderState.PENDING_SUBMIT
        return cls(
            intent,
            state,
            created_at_ms=now_ms,
            updated_at_ms=now_ms,
            nonce=nonce,
            body=body,
            expires_at_ms=expires_at_ms,
            history=(OrderMove(now_ms, state, why),),
            touch_at_decision=touch_at_decision,
        )

    def moved(self, state: OrderState, why: str, *, now_ms: int, **changed: Any) -> "StoredOrder":
        """Return the order in ``state``, a change of state added to its history; ``changed``: other fields.

        Raises:
            IllegalTransitionError: an order cannot go there from its state.
        """
        history = self.history
        if state is not self.state:
            history = (*history, OrderMove(now_ms, move_order(self.state, state), why))
        return replace(self, state=state, updated_at_ms=now_ms, history=history, **changed)


# Columns that never change are left out of the update, which saves writing their indexes.
_CONSTANT = (
    "run_id", "account", "symbol", "purpose", "side", "kind", "amount", "reduce_only", "created_at_ms",
)  # fmt: skip
_UPSERT = Prepared(upsert(_ORDER, keep=_CONSTANT))
_CHANGING = (
    "state", "filled", "average_price", "venue_order_id", "history_json", "updated_at_ms", "touches_json",
)  # fmt: skip
_UPDATE = Prepared(update(_ORDER).where(_ORDER.c.client_order_id == bindparam("id")), _CHANGING)
# A client order id begins with the id of its run, and no hexadecimal digit comes after f. So the primary key
# finds a run's orders, and there is no second index to write.
_IS_OF_RUN = (
    (_ORDER.c.run_id == bindparam("run"))
    & (_ORDER.c.client_order_id >= bindparam("run"))
    & (_ORDER.c.client_order_id < bindparam("run").concat(literal_column("'g'")))
)
_OF_RUN = select(_ORDER).where(_IS_OF_RUN).order_by(_ORDER.c.created_at_ms, _ORDER.c.client_order_id)
_IS_OPEN = _ORDER.c.state.not_in(
    [literal_column(f"'{state.value}'") for state in OrderState if state.is_final]
)
# An order that comes later has a higher number in its id.
_OLDEST_OF_NEWEST = (
    select(_ORDER.c.client_order_id)
    .where(_IS_OF_RUN)
    .order_by(_ORDER.c.client_order_id.desc())
    .limit(literal_column("1"))
    .offset(bindparam("more"))
    .scalar_subquery()
)
_ITS_ENTRY = (
    select(func.max(_ORDER.c.client_order_id))
    .where(
        _IS_OF_RUN,
        _ORDER.c.client_order_id <= _OLDEST_OF_NEWEST,
        _ORDER.c.purpose == literal_column(f"'{OrderPurpose.ENTRY.value}'"),
    )
    .scalar_subquery()
)
_MARKS = Prepared(
    _OF_RUN.where(
        _IS_OPEN | (_ORDER.c.client_order_id >= func.coalesce(_ITS_ENTRY, bindparam("run")))
    ).with_only_columns(
        _ORDER.c.client_order_id,
        _ORDER.c.updated_at_ms,
        _ORDER.c.filled,
        type_coerce(_ORDER.c.history_json, NULLTYPE),  # packed, as it is
    )
)
_COUNT = Prepared(select(func.count()).select_from(_ORDER).where(_IS_OF_RUN))
_IS_ASKED_FOR = _ORDER.c.client_order_id.in_(
    select(func.json_each(bindparam("ids")).table_valued("value").c.value)
)
_SOME = select(_ORDER).where(_IS_ASKED_FOR)
_PURPOSES = Prepared(select(_ORDER.c.client_order_id, _ORDER.c.purpose).where(_IS_ASKED_FOR))
_ONE = select(_ORDER).where(_ORDER.c.client_order_id == bindparam("id"))


def upsert_order(session: Session, order: StoredOrder) -> None:
    """Write the whole order; its creation time stays."""
    _UPSERT.execute(session, columns_of(order))


def update_order(session: Session, order: StoredOrder) -> None:
    """Write the columns of an order that can change: all but intent, request and creation time.

    Raises:
        StoreError: the store does not have it: a defect of the program.
    """
    values = {"id": order.client_order_id, **_changing_columns_of(order)}
    if _UPDATE.execute(session, values).rowcount != 1:
        raise StoreError(f"Order {order.client_order_id} changes and is not in the store.")


def columns_of(order: StoredOrder) -> dict[str, Any]:
    """Return the columns of an order's row."""
    intent = order.intent
    return {
        "client_order_id": intent.client_order_id,
        "run_id": intent.run_id,
        "account": intent.account,
        "symbol": intent.symbol,
        "purpose": intent.purpose.value,
        "side": intent.side.value,
        "kind": intent.kind.value,
        "amount": intent.amount,
        "reduce_only": intent.reduce_only,
        "price": intent.price,
        "trigger_price": intent.trigger_price,
        "nonce": order.nonce,
        "body": order.body,
        "expires_at_ms": order.expires_at_ms,
        "created_at_ms": order.created_at_ms,
        **_changing_columns_of(order),
    }


def _changing_columns_of(order: StoredOrder) -> dict[str, Any]:
    touches = (order.touch_at_decision, order.touch_at_submission, order.touch_at_acknowledgement)
    return {
        "state": order.state.value,
        "filled": order.filled,
        "average_price": order.average_price,
        "venue_order_id": order.venue_order_id,
        "history_json": json.dumps([[move.time_ms, move.state, move.why] for move in order.history]),
        "updated_at_ms": order.updated_at_ms,
        "touches_json": json.dumps(
            [
                None if touch is None else [touch.bid, touch.ask, touch.mark, touch.time_ms]
                for touch in touches
            ]
        ),
    }


def highest_nonce(session: Session) -> int:
    """Return the highest nonce of all orders; 0: there is none. A damaged one is ignored.

    SQLite orders text above every number, so a single damaged nonce would hide all others.
    """
    highest = 0
    for nonce in (_ORDER.c.nonce, table_of(WalletOrderTable).c.nonce):
        is_whole = func.typeof(nonce) == "integer"
        highest = max(highest, session.execute(select(func.max(nonce)).where(is_whole)).scalar() or 0)
    return highest


def get_order(session: Session, client_order_id: str) -> StoredOrder | None:
    """Return one order; None: the store does not have it.

    Raises:
        DamagedRowError: it cannot be read.
    """
    with row(f"order {client_order_id}"):
        found = session.execute(_ONE, {"id": client_order_id}).one_or_none()
        return None if found is None else _view(found)


def some_orders(session: Session, client_order_ids: Collection[str]) -> list[StoredOrder]:
    """Return the orders of these ids, in any order; one that the store does not have is left out.

    Raises:
        DamagedRowError: one cannot be read.
    """
    orders = []
    for found in session.execute(_SOME, {"ids": json.dumps(list(client_order_ids))}):
        with row(f"order {found.client_order_id}"):
            orders.append(_view(found))
    return orders


def orders_of(session: Session, run_id: str) -> list[StoredOrder]:
    """Return a run's orders, oldest first.

    Raises:
        DamagedRowError: one cannot be read.
    """
    return _views(session, _OF_RUN, run_id)


def newest_marks_of(session: Session, run_id: str, newest: int) -> dict[str, tuple[Any, ...]]:
    """Return the ids of newest orders, oldest first, each with a mark that differs once it has changed.

    More than ``newest`` come where the oldest of them belongs to a position: all of its orders since its
    entry. All open ones come, too.
    """
    values = {"run": run_id, "more": newest - 1}
    return {key: tuple(mark) for key, *mark in _MARKS.rows(session, values)}


def count_of(session: Session, run_id: str) -> int:
    """Return how many orders a run has."""
    [(count,)] = _COUNT.rows(session, {"run": run_id})
    return int(count)


def purposes_of(session: Session, client_order_ids: Collection[str]) -> dict[str, OrderPurpose]:
    """Return what the orders of these ids are for; one that the store does not have is left out.

    Raises:
        DamagedRowError: one cannot be read.
    """
    purposes = {}
    for key, purpose in _PURPOSES.rows(session, {"ids": json.dumps(list(client_order_ids))}):
        with row(f"order {key}"):
            purposes[key] = OrderPurpose(purpose)
    return purposes


def open_orders_of(session: Session, run_id: str) -> list[StoredOrder]:
    """Return a run's orders that the venue may still execute, UNKNOWN ones too, oldest first.

    Raises:
        DamagedRowError: one cannot be read.
    """
    return _views(session, _OF_RUN.where(_IS_OPEN), run_id)


def _views(session: Session, statement: Select[Any], run_id: str) -> list[StoredOrder]:
    with row(f"an order of run {run_id}"):
        return [_view(found) for found in session.execute(statement, {"run": run_id})]


def _touch(bid: float, ask: float, mark: float, time_ms: int) -> Touch | None:
    """Return stored prices; None: they are invalid, which older programs did not check."""
    try:
        return Touch(bid, ask, mark, time_ms)
    except ValueError:
        return None


def _view(found: Row[Any]) -> StoredOrder:
    sound(found, _ORDER)
    intent = OrderIntent(
        client_order_id=found.client_order_id,
        run_id=found.run_id,
        account=found.account,
        symbol=found.symbol,
        purpose=OrderPurpose(found.purpose),
        side=OrderSide(found.side),
        kind=OrderKind(found.kind),
        amount=found.amount,
        reduce_only=found.reduce_only,
        price=found.price,
        trigger_price=found.trigger_price,
    )
    touches = [None if touch is None else _touch(*touch) for touch in json.loads(found.touches_json)]
    return replace(
        order_of(found, intent),
        touch_at_decision=touches[0],
        touch_at_submission=touches[1],
        touch_at_acknowledgement=touches[2],
    )


def order_of(found: Row[Any], intent: OrderIntent) -> StoredOrder:
    """Return the order of a row, a run's or a wallet's; ``intent`` is already read from it."""
    return StoredOrder(
        intent=intent,
        state=OrderState(found.state),
        created_at_ms=found.created_at_ms,
        updated_at_ms=found.updated_at_ms,
        filled=found.filled,
        average_price=found.average_price,
        venue_order_id=found.venue_order_id,
        nonce=found.nonce,
        body=found.body,
        expires_at_ms=found.expires_at_ms,
        history=tuple(
            OrderMove(at, OrderState(state), sys.intern(why))
            for at, state, why in json.loads(found.history_json)
        ),
    )
