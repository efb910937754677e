"""Compares the run's ledger with the wallet at the venue, whenever both are known as of the same moment.

They are compared only while flat, because each marks a position at a different price. The wallet may hold
more than the run's capital, so the changes since the last comparison are compared. If these differ, the venue
is asked whether money came or went; if so, comparisons start again from there.
"""

from decimal import Decimal

from firstwatch.engine.core import inputs
from firstwatch.engine.core.effects import ReadTransfers
from firstwatch.engine.core.ledger import exact
from firstwatch.engine.core.order_manager import OrderManager
from firstwatch.engine.core.run_memory import EquityPair
from firstwatch.engine.core.step_context import StepContext
from firstwatch.trading.account import Balance
from firstwatch.trading.events import EquityCompared
from firstwatch.trading.timeframe import Timeframe

_SMALLEST_SHARE = Decimal("1e-6")
"""Share of the capital; a smaller difference is rounding."""
_PAYMENT_LATE_MS = 120_000
"""A venue shows a payment at most this long after the hour that it is for."""


class EquityComparer:
    """Compares, and journals each comparison with news."""

    def __init__(self, context: StepContext, orders: OrderManager) -> None:
        self._context = context
        self._orders = orders

    def compare(self, balance: Balance, *, paid_until_ms: int) -> None:
        """Compare the ledger with a balance that was just read, if both are of the same moment.

        ``paid_until_ms``: venue time up to which payments were read.
        """
        memory = self._context.memory
        if not self._is_of_one_moment(balance, paid_until_ms):
            return
        pair = EquityPair(balance.time_ms, balance.total - balance.transferred, exact(memory.core.cash))
        last = memory.compared
        if last is None or memory.shares_wallet:
            self._keep(pair, begins=True)
        elif abs(pair.beyond - last.beyond) > self._context.setup.launch.capital * _SMALLEST_SHARE:
            memory.doubted = pair
            self._context.request_read(ReadTransfers(last.time_ms))
        elif (pair.venue, pair.ledger) != (last.venue, last.ledger) and self._is_news(pair, last):
            self._keep(pair)

    def _is_news(self, pair: EquityPair, last: EquityPair) -> bool:
        """Return whether a comparison that agrees is written: the first, the last, and one an hour.

        Changes in the omitted ones show in the next.
        """
        is_old = pair.time_ms - last.time_ms >= Timeframe.H1.ms
        return last.begins or is_old or self._context.memory.is_balance_read_out

    def transfers_read(self, event: inputs.TransfersRead) -> None:
        memory = self._context.memory
        if not self._context.answered(ReadTransfers(0)):
            return
        self._context.read_succeeded()
        pair, memory.doubted = memory.doubted, None
        if pair is not None:
            self._keep(pair, begins=event.has_some)

    def _keep(self, pair: EquityPair, *, begins: bool = False) -> None:
        memory = self._context.memory
        pair.begins = begins
        memory.compared, memory.doubted, memory.shares_wallet = pair, None, False
        self._context.journal(EquityCompared(venue=pair.venue, ledger=pair.ledger, begins=begins))

    def _is_of_one_moment(self, balance: Balance, paid_until_ms: int) -> bool:
        """Return whether the run is flat, nothing is under way, and all causes of the balance are booked."""
        memory = self._context.memory
        is_flat = memory.core.steps == 0 and memory.foreign == 0 and balance.used == 0
        if not is_flat or memory.entry is not None or memory.closing is not None or self._orders.unbooked():
            return False
        if self._context.setup.has_phases or not memory.last_trades:
            return True
        if balance.time_ms < max(memory.fills_seen.values(), default=0):
            return False
        trade = memory.last_trades[-1]
        hour_ms = Timeframe.H1.open_of(trade.exit_time_ms)
        is_paid = max(memory.fundings_seen.values(), default=0) >= hour_ms
        return trade.entry_time_ms >= hour_ms or is_paid or paid_until_ms >= hour_ms + _PAYMENT_LATE_MS
