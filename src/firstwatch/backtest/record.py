"""A finished trade as plain numbers, for the metrics: light enough for thousands of them."""

from decimal import Decimal
from typing import NamedTuple

from firstwatch.trading.market import Market
from firstwatch.trading.orders import Side
from firstwatch.trading.runs import ExitReason
from firstwatch.trading.trade import Trade


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


def _decimal(value: float) -> Decimal:
    return Decimal(repr(value))
