"""Finished trades of runs."""

from dataclasses import fields
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update

from firstwatch.store.curves import trade_of
from firstwatch.store.database import Session
from firstwatch.store.prepared import Prepared
from firstwatch.store.rows import row, sound
from firstwatch.store.tables import TradeTable, table_of
from firstwatch.trading.trade import Trade

_TRADE = table_of(TradeTable)
_FIELDS = tuple(field.name for field in fields(Trade))

_LAST = Prepared(select(func.max(_TRADE.c.number)).where(_TRADE.c.run_id == bindparam("run")))
_OF_RUN = (
    select(*(_TRADE.c[name] for name in _FIELDS))
    .where(_TRADE.c.run_id == bindparam("run"), _TRADE.c.number > bindparam("after"))
    .order_by(_TRADE.c.number)
)
_AMENDED = Prepared(
    select(_TRADE.c.number, _TRADE.c.funding, _TRADE.c.pnl)
    .where(_TRADE.c.run_id == bindparam("run"))
    .order_by(_TRADE.c.number)
)
_ADD = Prepared(insert(_TRADE))
_AMEND = (
    update(_TRADE)
    .where(_TRADE.c.run_id == bindparam("run"), _TRADE.c.number == bindparam("which"))
    .values(funding=bindparam("paid"), pnl=bindparam("net"))
)


def add_trade(session: Session, run_id: str, trade: Trade) -> int:
    """Save the run's next trade and return its number, from 1."""
    number = _last_number(session, run_id) + 1
    values = {name: getattr(trade, name) for name in _FIELDS}
    values |= {"run_id": run_id, "number": number, "side": trade.side.value, "reason": trade.reason.value}
    _ADD.execute(session, values)
    return number


def amend_trade(session: Session, run_id: str, trade: Trade, *, closed_since: int) -> None:
    """Replace funding and PnL of an earlier trade; ``closed_since``: the number of trades after it."""
    which = {"run": run_id, "which": _last_number(session, run_id) - closed_since}
    session.execute(_AMEND, {**which, "paid": trade.funding, "net": trade.pnl})


def trades_of(session: Session, run_id: str, *, after: int = 0) -> list[Trade]:
    """Return the run's trades with numbers above ``after``, in order.

    Raises:
        DamagedRowError: one cannot be read.
    """
    with row(f"a trade of run {run_id}"):
        rows = session.execute(_OF_RUN, {"run": run_id, "after": after})
        return [trade_of(dict(sound(found, _TRADE)._mapping)) for found in rows]


def marks_of(session: Session, run_id: str) -> dict[int, tuple[Any, ...]]:
    """Return the numbers of a run's trades, in order, each with a mark that differs once it was amended."""
    return {number: tuple(mark) for number, *mark in _AMENDED.rows(session, {"run": run_id})}


def _last_number(session: Session, run_id: str) -> int:
    """Return the number of the run's last trade; 0: it has none."""
    [(last,)] = _LAST.rows(session, {"run": run_id})
    return last or 0
