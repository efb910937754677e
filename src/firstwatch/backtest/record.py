"""Finished trades as plain numbers, for the metrics: light enough for thousands of them."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, Self, overload

import numpy as np
from numpy.typing import NDArray

from firstwatch.strategy.core_loop import TRADE_FIELDS
from firstwatch.strategy.core_settings import exit_reason, reason_code
from firstwatch.trading.market import Market
from firstwatch.trading.orders import Side
from firstwatch.trading.runs import ExitReason
from firstwatch.trading.trade import Trade

BARS_AT_ONCE = 1 << 15
"""Bars of which a temporary array stays in the processor's cache."""


class TradeRecord(NamedTuple):
    """One trade in floats: ``side`` +1 or -1, money in quote, ``steps`` whole amount steps of the market.

    ``pnl`` is net of ``fees`` and ``funding`` (positive = paid).
    """

    side: int
    entry_time_ms: int
    entry_price: float
    exit_time_ms: int
    exit_price: float
    steps: int
    gross_pnl: float
    fees: float
    funding: float
    pnl: float
    reason: ExitReason
    bars_held: int
    adverse_excursion: float
    favourable_excursion: float
    expected_entry_price: float
    expected_exit_price: float

    def to_trade(self, market: Market) -> Trade:
        """Return the trade with money as Decimal: each float's own shortest text."""
        return Trade(
            side=Side.LONG if self.side > 0 else Side.SHORT,
            entry_time_ms=self.entry_time_ms,
            entry_price=_decimal(self.entry_price),
            exit_time_ms=self.exit_time_ms,
            exit_price=_decimal(self.exit_price),
            amount=market.amount(self.steps),
            gross_pnl=_decimal(self.gross_pnl),
            fees=_decimal(self.fees),
            funding=_decimal(self.funding),
            pnl=_decimal(self.pnl),
            reason=self.reason,
            bars_held=self.bars_held,
            adverse_excursion=_decimal(self.adverse_excursion),
            favourable_excursion=_decimal(self.favourable_excursion),
            expected_entry_price=_decimal(self.expected_entry_price),
            expected_exit_price=_decimal(self.expected_exit_price),
        )

    @classmethod
    def of_trade(cls, trade: Trade, market: Market) -> "TradeRecord":
        """Return the record of a trade, so that live trades get the same metrics.

        An expected price that is unknown is set to the actual price.
        """
        expected_entry = trade.expected_entry_price
        expected_exit = trade.expected_exit_price
        return cls(
            trade.side.sign,
            trade.entry_time_ms,
            float(trade.entry_price),
            trade.exit_time_ms,
            float(trade.exit_price),
            market.steps(trade.amount),
            float(trade.gross_pnl),
            float(trade.fees),
            float(trade.funding),
            float(trade.pnl),
            trade.reason,
            trade.bars_held,
            float(trade.adverse_excursion),
            float(trade.favourable_excursion),
            float(trade.entry_price if expected_entry is None else expected_entry),
            float(trade.exit_price if expected_exit is None else expected_exit),
        )


_REASON = TradeRecord._fields.index("reason")
_WHOLE = tuple(
    map(TradeRecord._fields.index, ("side", "entry_time_ms", "exit_time_ms", "steps", "bars_held"))
)


class TradeTable(Sequence[TradeRecord]):
    """Closed trades in the order of their exits, as one array; a record is made when it is asked for."""

    __slots__ = ("rows",)

    def __init__(self, rows: NDArray[np.float64]) -> None:
        """Take the trades as the core writes them, (trades, ``TRADE_FIELDS``); the reason is its code."""
        self.rows = rows

    @classmethod
    def of(cls, records: Iterable[TradeRecord]) -> Self:
        """Return a table that holds the records."""
        rows = [(*record[:_REASON], reason_code(record.reason), *record[_REASON + 1 :]) for record in records]
        return cls(np.array(rows, dtype=np.float64).reshape(-1, TRADE_FIELDS))

    def column(self, name: str) -> NDArray[np.float64]:
        """Return one field of every trade by its name in ``TradeRecord``; the reason as its code."""
        return self.rows[:, TradeRecord._fields.index(name)]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[TradeRecord]:
        return map(_record, self.rows.tolist())

    @overload
    def __getitem__(self, index: int) -> TradeRecord: ...
    @overload
    def __getitem__(self, index: slice) -> "TradeTable": ...
    def __getitem__(self, index: int | slice) -> "TradeRecord | TradeTable":
        if isinstance(index, slice):
            return TradeTable(self.rows[index])
        return _record(self.rows[index].tolist())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, TradeTable):
            return np.array_equal(self.rows, other.rows)
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # its rows may be written


def _record(row: list[Any]) -> TradeRecord:
    for place in _WHOLE:
        row[place] = int(row[place])
    row[_REASON] = exit_reason(int(row[_REASON]))
    return TradeRecord._make(row)


def _decimal(value: float) -> Decimal:
    return Decimal(repr(value))
