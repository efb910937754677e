"""A run as tables for other programs: its trades, orders, fills, equity or journal, as Python values."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from firstwatch.manager.journal_text import event_text
from firstwatch.store.database import Session
from firstwatch.store.equity import equity_of
from firstwatch.store.fills import fills_of
from firstwatch.store.journal import every_event
from firstwatch.store.orders import orders_of
from firstwatch.store.runs import Run
from firstwatch.store.trades import trades_of
from firstwatch.trading.clock import END_MS, iso
from firstwatch.trading.exports import What
from firstwatch.trading.numbers import tidy_decimal
from firstwatch.trading.text import clean

_MONEY_DECIMALS = 8
"""Equity and PnL were summed up as float64: anything below a hundred-millionth of the quote is noise."""
_PRICE_FIGURES = 15
"""A difference of two prices is exact to fifteen digits of the price."""


class Kind(Enum):
    """Type of a column's values; each may be None where its value is not known."""

    TEXT = "text of one line"
    NUMBER = "Decimal of at most fifteen figures"
    COUNT = "int"
    FLAG = "bool"
    TIME = "ms since the epoch, UTC"
    RECORD = "dict for JSON, of texts, numbers, flags, lists and dicts"


@dataclass(frozen=True, slots=True)
class Column:
    """A column by name and kind."""

    name: str
    kind: Kind


def _columns(**kinds: Kind) -> tuple[Column, ...]:
    return tuple(Column(name, kind) for name, kind in kinds.items())


_T, _N, _C, _F, _TIME = Kind.TEXT, Kind.NUMBER, Kind.COUNT, Kind.FLAG, Kind.TIME

COLUMNS: dict[What, tuple[Column, ...]] = {
    What.TRADES: _columns(
        run=_T, symbol=_T, number=_C, side=_T, entry_time=_TIME, entry_price=_N, exit_time=_TIME,
        exit_price=_N, amount=_N, gross_pnl=_N, fees=_N, funding=_N, pnl=_N, reason=_T, bars_held=_C,
        adverse_excursion=_N, favourable_excursion=_N, expected_entry_price=_N, expected_exit_price=_N,
    ),
    What.ORDERS: _columns(
        run=_T, symbol=_T, client_order_id=_T, venue_order_id=_T, purpose=_T, side=_T, kind=_T, amount=_N,
        price=_N, trigger_price=_N, reduce_only=_F, state=_T, why=_T, filled=_N, average_price=_N,
        created_at=_TIME, updated_at=_TIME,
    ),
    What.FILLS: _columns(
        run=_T, symbol=_T, venue_fill_id=_T, client_order_id=_T, time=_TIME, side=_T, amount=_N, price=_N,
        fee=_N, builder_fee=_N, is_maker=_F, is_liquidation=_F, mid_at_decision=_N, mid_at_submission=_N,
        mid_at_acknowledgement=_N, mid_at_fill=_N,
    ),
    What.EQUITY: _columns(run=_T, time=_TIME, equity=_N),
    What.JOURNAL: _columns(
        run=_T, sequence=_C, time=_TIME, venue_time=_TIME, author=_T, kind=_T, text=_T, event=Kind.RECORD,
        approved_by=_T,
    ),
}  # fmt: skip
"""The columns of each table, in order."""


def rows_of(session: Session, run: Run, what: What) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a table, oldest first, with a value for each of ``COLUMNS``.

    Raises:
        DamagedRowError: a row cannot be read; one of the journal becomes a note instead.
    """
    for values in _READ[what](session, run):
        yield tuple(_typed(column.kind, value) for column, value in zip(COLUMNS[what], values, strict=True))


def export_time(time_ms: int) -> str:
    """Return ISO 8601 UTC, always with milliseconds, so that times sort as texts."""
    text = iso(time_ms)
    return text if time_ms % 1000 or not 0 <= time_ms < END_MS else text.replace("Z", ".000Z")


def number(value: Decimal | float, decimals: int | None = None) -> Decimal | None:
    """Return a number without binary noise, with as many digits as a spreadsheet keeps; None: not finite.

    ``decimals``: most decimal places.
    """
    tidied = tidy_decimal(value)
    exponent = tidied.as_tuple().exponent
    if not isinstance(exponent, int):
        return None
    return tidied if decimals is None or exponent >= -decimals else round(tidied, decimals)


def _typed(kind: Kind, value: Any) -> Any:
    if value is None:
        return None
    if kind is Kind.TEXT:
        return str(value)
    return number(value) if kind is Kind.NUMBER else value


def _trades(session: Session, run: Run) -> Iterator[Sequence[Any]]:
    for count, trade in enumerate(trades_of(session, run.id), 1):
        sums = (trade.gross_pnl, trade.fees, trade.funding, trade.pnl)
        money = (number(each, _MONEY_DECIMALS) for each in sums)
        decimals = _PRICE_FIGURES - 1 - trade.entry_price.adjusted()
        excursions = (
            number(each, decimals) for each in (trade.adverse_excursion, trade.favourable_excursion)
        )
        yield (
            run.id, run.settings.symbol, count, trade.side, trade.entry_time_ms, trade.entry_price,
            trade.exit_time_ms, trade.exit_price, trade.amount, *money,
            trade.reason, trade.bars_held, *excursions,
            trade.expected_entry_price, trade.expected_exit_price,
        )  # fmt: skip


def _orders(session: Session, run: Run) -> Iterator[Sequence[Any]]:
    for order in orders_of(session, run.id):
        intent = order.intent
        yield (
            run.id, intent.symbol, intent.client_order_id, order.venue_order_id, intent.purpose, intent.side,
            intent.kind, intent.amount, intent.price, intent.trigger_price, intent.reduce_only, order.state,
            order.history[-1].why if order.history else None, order.filled, order.average_price,
            order.created_at_ms, order.updated_at_ms,
        )  # fmt: skip


def _fills(session: Session, run: Run) -> Iterator[Sequence[Any]]:
    for stored in fills_of(session, run.id):
        fill = stored.fill
        yield (
            run.id, fill.symbol, fill.fill_id, fill.client_order_id, fill.time_ms, fill.side, fill.amount,
            fill.price, fill.fee, fill.builder_fee, fill.is_maker, fill.is_liquidation,
            stored.mid_at_decision, stored.mid_at_submission, stored.mid_at_acknowledgement,
            stored.mid_at_fill,
        )  # fmt: skip


def _equity(session: Session, run: Run) -> Iterator[Sequence[Any]]:
    curve = equity_of(session, run.id)
    for time_ms, equity in zip(curve.time_ms.tolist(), curve.equity.tolist(), strict=True):
        yield run.id, time_ms, number(equity, _MONEY_DECIMALS)


def _journal(session: Session, run: Run) -> Iterator[Sequence[Any]]:
    for entry in every_event(session, run.id):
        event = entry.event
        yield (
            run.id, entry.sequence, entry.local_time_ms, entry.venue_time_ms, entry.author.who, event.kind,
            event_text(event), _record(event.model_dump()), entry.author.approved_by,
        )  # fmt: skip


def _record(value: Any) -> Any:
    """Return a value of an event without binary noise, its texts on one line."""
    if isinstance(value, dict):
        return {key: _record(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_record(each) for each in value]
    if isinstance(value, float | Decimal):
        return number(value)
    return clean(str(value)) if isinstance(value, str) else value


_READ: dict[What, Callable[[Session, Run], Iterator[Sequence[Any]]]] = {
    What.TRADES: _trades,
    What.ORDERS: _orders,
    What.FILLS: _fills,
    What.EQUITY: _equity,
    What.JOURNAL: _journal,
}
