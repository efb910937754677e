"""One finished trade: a position from flat to flat."""

from dataclasses import dataclass, replace
from decimal import Decimal

from firstwatch.trading.orders import Side
from firstwatch.trading.runs import ExitReason


@dataclass(frozen=True, slots=True)
class Trade:
    """Money in quote, amounts in base; ``pnl`` is net of ``fees`` and ``funding`` (positive = paid)."""

    side: Side
    entry_time_ms: int
    entry_price: Decimal
    exit_time_ms: int
    exit_price: Decimal
    amount: Decimal
    gross_pnl: Decimal
    fees: Decimal
    funding: Decimal
    pnl: Decimal
    reason: ExitReason
    bars_held: int
    adverse_excursion: Decimal
    """Largest distance against the trade from the entry price, in quote per unit, not negative."""
    favourable_excursion: Decimal
    expected_entry_price: Decimal | None = None
    expected_exit_price: Decimal | None = None

    def held_at(self, time_ms: int) -> bool:
        """Return whether the position was held at that time."""
        return self.entry_time_ms < time_ms <= self.exit_time_ms

    def with_funding(self, paid: Decimal) -> "Trade":
        """Return the trade with one more funding payment."""
        return replace(self, funding=self.funding + paid, pnl=self.pnl - paid)
