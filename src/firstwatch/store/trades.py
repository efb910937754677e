"""Finished trades of runs."""

from dataclasses import fields

from sqlalchemy import bindparam, func, insert, select, update

from firstwatch.store.curves import trade_of
from firstwatch.store.database import Session
from firstwatch.store.rows import row, sound
from firstwatch.store.tables import TradeTable, table_of
from firstwatch.trading.trade import Trade

_TRADE = table_of(TradeTable)
_FIELDS = tuple(field.name for field in fields(Trade))

_LAST = select(func.max(_TRADE.c.number)).where(_TRADE.c.run_id == bindparam("run"))
_OF_RUN = (
    select(*(_TRADE.c[name] for name in _FIELDS))
    .where(_TRADE.c.run_id == bindparam("run"), _TRADE.c.number > bindparam("after"))
    .order_by(_TRADE.c.number)
)
_ADD = insert(_TRADE)
_AMEND = (
    update(_TRADE)
    .where(_TRADE.c.run_id == bindparam("run"), _TRADE.c.number == bindparam("which"))
    .values(funding=bindparam("paid"), pnl=bindparam("net"))
)


def add_trade(session: Session, run_id: str, trade: Trade) -> int:
    """Save the run's next trade and return its number, from 1."""
    number: int = (session.execute(_LAST, {"run": run_id}).scalar() or 0) + 1
    values = {name: getattr(trade, name) for name in _FIELDS}
    values |= {"run_id": run_id, "number": number, "side": trade.side.value, "reason": trade.reason.value}
    session.execute(_ADD, values)
    return number


def amend_trade(session: Session, run_id: str, trade: Trade, *, closed_since: int) -> None:
    """Replace funding and PnL of an earlier trade; ``closed_since``: the number of trades after it."""
    last: int = session.execute(_LAST, {"run": run_id}).scalar() or 0
    which = {"run": run_id, "which": last - closed_since}
    session.execute(_AMEND, {**which, "paid": trade.funding, "net": trade.pnl})


def trades_of(session: Session, run_id: str, *, after: int = 0) -> list[Trade]:
    """Return the run's trades with numbers above ``after``, in order.

    Raises:
        DamagedRowError: one cannot be read.
    """
    with row(f"a trade of run {run_id}"):
        rows = session.execute(_OF_RUN, {"run": run_id, "after": after})
        return [trade_of(dict(sound(found, _TRADE)._mapping)) for found in rows]
