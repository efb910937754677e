"""Fills and funding payments of runs, each booked once."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, select

from firstwatch.store.database import Session
from firstwatch.store.prepared import Prepared
from firstwatch.store.rows import row, sound
from firstwatch.store.tables import FillTable, FundingTable, insert_once, table_of
from firstwatch.trading.account import Funding
from firstwatch.trading.orders import Fill, OrderSide

_FILL = table_of(FillTable)
_FUNDING = table_of(FundingTable)


@dataclass(frozen=True, slots=True)
class StoredFill:
    """A fill with the mid prices around it, which cannot be found later."""

    venue: str
    run_id: str
    fill: Fill
    local_time_ms: int
    mid_at_decision: float | None = None
    mid_at_submission: float | None = None
    mid_at_acknowledgement: float | None = None
    mid_at_fill: float | None = None

    @property
    def key(self) -> "FillKey":
        return self.venue, self.fill.account, self.fill.fill_id


FillKey = tuple[str, str, str]
"""Venue, account and fill id."""

_ADD_FILL = Prepared(insert_once(_FILL))
_FILLS_OF = (
    select(_FILL)
    .where(_FILL.c.run_id == bindparam("run"), _FILL.c.time_ms >= bindparam("since"))
    .order_by(_FILL.c.time_ms, _FILL.c.local_time_ms, _FILL.c.fill_id)
)
_TIMES = Prepared(
    select(_FILL.c.venue, _FILL.c.account, _FILL.c.fill_id, _FILL.c.time_ms)
    .where(_FILL.c.run_id == bindparam("run"), _FILL.c.time_ms >= bindparam("since"))
    .order_by(_FILL.c.time_ms, _FILL.c.local_time_ms, _FILL.c.fill_id)
)
_ADD_FUNDING = insert_once(_FUNDING)
_FUNDING_OF = (
    select(_FUNDING)
    .where(_FUNDING.c.run_id == bindparam("run"))
    .order_by(_FUNDING.c.time_ms, _FUNDING.c.funding_id)
)


def add_fill(session: Session, stored: StoredFill) -> bool:
    """Save a fill and return True; False: this (venue, account, fill id) was booked before."""
    fill = stored.fill
    result = _ADD_FILL.execute(
        session,
        {
            "venue": stored.venue,
            "fill_id": fill.fill_id,
            "run_id": stored.run_id,
            "client_order_id": fill.client_order_id,
            "account": fill.account,
            "symbol": fill.symbol,
            "side": fill.side.value,
            "amount": fill.amount,
            "price": fill.price,
            "fee": fill.fee,
            "builder_fee": fill.builder_fee,
            "is_maker": fill.is_maker,
            "is_liquidation": fill.is_liquidation,
            "time_ms": fill.time_ms,
            "local_time_ms": stored.local_time_ms,
            "mid_at_decision": stored.mid_at_decision,
            "mid_at_submission": stored.mid_at_submission,
            "mid_at_acknowledgement": stored.mid_at_acknowledgement,
            "mid_at_fill": stored.mid_at_fill,
        },
    )
    return result.rowcount == 1


def fills_of(session: Session, run_id: str, *, since_ms: int = 0) -> list[StoredFill]:
    """Return a run's fills from that venue time on, oldest first.

    Raises:
        DamagedRowError: one cannot be read.
    """
    with row(f"a fill of run {run_id}"):
        return [
            _fill(sound(found, _FILL))
            for found in session.execute(_FILLS_OF, {"run": run_id, "since": since_ms})
        ]


def times_of(session: Session, run_id: str, *, since_ms: int = 0) -> dict[FillKey, int]:
    """Return the times of a run's fills from that venue time on, in the order of ``fills_of``."""
    rows = _TIMES.rows(session, {"run": run_id, "since": since_ms})
    return {tuple(key): time_ms for *key, time_ms in rows}


def add_funding(session: Session, venue: str, run_id: str, funding: Funding, *, local_time_ms: int) -> bool:
    """Save a funding payment and return True; False: it was booked before."""
    result = session.execute(
        _ADD_FUNDING,
        {
            "venue": venue,
            "funding_id": funding.funding_id,
            "run_id": run_id,
            "account": funding.account,
            "symbol": funding.symbol,
            "paid": funding.paid,
            "rate": funding.rate,
            "time_ms": funding.time_ms,
            "local_time_ms": local_time_ms,
        },
    )
    return result.rowcount == 1


def funding_of(session: Session, run_id: str) -> list[Funding]:
    """Return a run's funding payments, oldest first.

    Raises:
        DamagedRowError: one cannot be read.
    """
    with row(f"a funding payment of run {run_id}"):
        return [
            Funding(found.funding_id, found.account, found.symbol, found.paid, found.rate, found.time_ms)
            for each in session.execute(_FUNDING_OF, {"run": run_id})
            for found in [sound(each, _FUNDING)]
        ]


def _fill(row: Row[Any]) -> StoredFill:
    return StoredFill(
        venue=row.venue,
        run_id=row.run_id,
        fill=Fill(
            fill_id=row.fill_id,
            client_order_id=row.client_order_id,
            account=row.account,
            symbol=row.symbol,
            side=OrderSide(row.side),
            amount=row.amount,
            price=row.price,
            fee=row.fee,
            time_ms=row.time_ms,
            is_maker=row.is_maker,
            is_liquidation=row.is_liquidation,
            builder_fee=row.builder_fee,
        ),
        local_time_ms=row.local_time_ms,
        mid_at_decision=row.mid_at_decision,
        mid_at_submission=row.mid_at_submission,
        mid_at_acknowledgement=row.mid_at_acknowledgement,
        mid_at_fill=row.mid_at_fill,
    )
