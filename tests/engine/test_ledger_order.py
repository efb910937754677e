"""The order in which the venue's rows arrive makes no difference to what the ledger comes to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstwatch.engine.core.run_memory import memory_from_json
from firstwatch.strategy.core_state import FRACTION, CoreSettings
from firstwatch.trading.account import Funding
from firstwatch.trading.orders import Fill, OrderPurpose, OrderSide
from firstwatch.trading.trade import Trade
from tests.engine.scripted import ENTER, SYMBOL, ScriptedRun

SETTINGS = CoreSettings(stop_kind=FRACTION, stop_value=0.05, sizing_value=0.5, leverage=10.0)
_ZERO = Decimal(0)
_Row = Fill | Funding


def close_to(value: float) -> object:
    return pytest.approx(value, rel=1e-9, abs=1e-6)


@dataclass
class Venue:
    """One long position as a venue keeps it, by average entry, and the rows that it tells of it."""

    entry_id: str
    stop_id: str
    start_ms: int
    cash: Decimal = Decimal(10_000)
    held: Decimal = _ZERO
    cost: Decimal = _ZERO
    rows: list[_Row] = field(default_factory=list)

    def does(self, act: str, amount: int, cents: int, wait: int) -> None:
        """Act ``wait`` minutes after the last row; what needs a position does nothing without one."""
        last_ms = self.rows[-1].time_ms if self.rows else self.start_ms
        time_ms, price = last_ms + 60_000 * wait, Decimal(cents) / 100
        if act == "enter":
            self.held += amount
            self.cost += amount * price
            self._fill(OrderSide.BUY, Decimal(amount), price, self.entry_id, time_ms)
        elif self.held and act == "pay":
            self.cash -= price - 100
            key = f"p{len(self.rows)}"
            # No payment is made at the time of a fill but on what was held before it.
            self.rows.append(Funding(key, "w", SYMBOL, price - 100, _ZERO, last_ms + 60_000 * (wait + 1)))
        elif self.held and act in ("reduce", "liquidate"):
            is_liquidation = act == "liquidate"
            closed = self.held if is_liquidation else min(Decimal(amount), self.held)
            beyond = Decimal(-7) if is_liquidation else _ZERO
            cost = self.cost * closed / self.held
            self.cash += closed * price - cost + beyond
            self.held -= closed
            self.cost -= cost
            self._fill(
                OrderSide.SELL, closed, price, None if is_liquidation else self.stop_id, time_ms, beyond
            )

    def _fill(
        self,
        side: OrderSide,
        amount: Decimal,
        price: Decimal,
        order_id: str | None,
        time_ms: int,
        beyond: Decimal = _ZERO,
    ) -> None:
        fee = amount * price / 1000
        self.cash -= fee
        # Ids that say nothing of the order.
        fill_id = f"{(len(self.rows) * 7 + 3) % 101}"
        self.rows.append(
            Fill(
                fill_id,
                order_id,
                "w",
                SYMBOL,
                side,
                amount,
                price,
                fee,
                time_ms,
                is_liquidation=order_id is None,
                beyond_price=beyond,
            )
        )


def begun() -> tuple[ScriptedRun, Venue]:
    """Return a run whose entry order is at the venue and may fill, and a stop of it."""
    run = ScriptedRun(settings=SETTINGS)
    run.launch()
    run.bar()
    run.bar(ENTER)
    entry = run.sent(OrderPurpose.ENTRY)[-1]
    core = run.core
    core._orders.send(
        OrderPurpose.STOP,
        OrderSide.SELL,
        entry.kind,
        entry.amount,
        price=None,
        bar_time_ms=core.last_bar_ms,
        reason=None,
    )
    stop_id = next(key for key, order in core._memory.orders.items() if order.intent.reduce_only)
    return run, Venue(entry.client_order_id, stop_id, run.now_ms)


def take(run: ScriptedRun, rows: Sequence[_Row], listed: Sequence[Fill]) -> None:
    """Let the rows arrive one by one."""
    core = run.core
    for row in rows:
        if isinstance(row, Funding):
            core._ledger.funding(row)
        else:
            core._ledger.fill(row, None, listed)


def books(run: ScriptedRun) -> tuple[object, ...]:
    """Return what must not depend on the order of arrival."""
    memory, core = run.core._memory, run.core._memory.core
    is_open = core.steps > 0
    figures = [core.cash, core.entry_price, core.margin, core.fees, core.funding, core.gross, core.exit_price]
    position = (core.steps, core.position_steps, core.exit_steps, memory.trade_entry_ms, memory.is_undecided)
    return (
        close_to(core.cash),
        position if is_open else None,
        [close_to(figure) for figure in figures] if is_open else [],
        [_comparable(trade) for trade in memory.last_trades],
        core.entries,
        core.trades,
        memory.foreign,
    )


def _comparable(trade: Trade) -> tuple[object, ...]:
    money = (trade.entry_price, trade.exit_price, trade.gross_pnl, trade.fees, trade.funding, trade.pnl)
    facts = (trade.side, trade.entry_time_ms, trade.exit_time_ms, trade.amount, trade.reason)
    return (*facts, *(close_to(float(figure)) for figure in money))


def may_arrive(row: _Row, arrived: list[_Row], told: list[_Row]) -> bool:
    """Return whether a row may be the next one: an exit must not end a trade whose entries are missing.

    It comes after the entries before it, or there is one trade only and too much of it has arrived to end it.
    """
    if isinstance(row, Funding) or row.side is OrderSide.BUY:
        return True
    fills = [one for one in told if isinstance(one, Fill)]
    entered = [one for one in fills[: fills.index(row)] if one.side is OrderSide.BUY]
    missing = [one for one in entered if one not in arrived]
    held = sum((one.amount for one in entered if one in arrived), _ZERO)
    exits = sum((one.amount for one in fills if one.side is OrderSide.SELL), _ZERO)
    ends = [sum(one.side.sign * one.amount for one in fills[: place + 1]) for place in range(len(fills))]
    return not missing or (0 not in ends and held > exits)


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["enter", "enter", "enter", "pay", "reduce", "liquidate"]),
        st.integers(1, 9),
        st.integers(9_000, 11_000),
        st.integers(0, 3),
    ),
    min_size=2,
    max_size=9,
)


@settings(deadline=None)
@given(acts=ACTS, data=st.data())
def test_any_order_of_arrival_gives_the_same_books(acts, data):
    run, venue = begun()
    other, _ = begun()
    venue.does("enter", 5, 10_000, 1)
    for act in acts:
        venue.does(*act)
    listed = [row for row in venue.rows if isinstance(row, Fill)]
    take(run, venue.rows, listed)
    assert run.core._memory.core.cash == close_to(float(venue.cash))
    assert run.core._ledger.own == venue.held
    if venue.held:
        assert run.core._memory.core.entry_price == close_to(float(venue.cost / venue.held))

    waiting, arrived = list(venue.rows), []
    while waiting:
        ready = [row for row in waiting if may_arrive(row, arrived, venue.rows)]
        row = data.draw(st.sampled_from(ready))
        waiting.remove(row)
        arrived.append(row)
    take(other, arrived, listed)
    assert books(other) == books(run)
    assert memory_from_json(other.core.checkpoint()) == other.core._memory


def test_an_entry_booked_before_a_liquidation_is_read_is_a_position_of_its_own():
    run, venue = begun()
    venue.does("enter", 9, 10_000, 1)
    venue.does("liquidate", 0, 9_500, 1)
    venue.does("enter", 4, 9_600, 1)
    first, liquidation, second = venue.rows
    take(run, [first, second], [])
    assert run.core._ledger.own == 13
    take(run, [liquidation], [])
    memory = run.core._memory
    assert [(trade.amount, trade.gross_pnl) for trade in memory.last_trades] == [(9, Decimal("-52.0"))]
    assert (run.core._ledger.own, memory.core.entry_price, memory.core.margin) == (4, 96.0, close_to(38.4))
    assert memory.is_undecided, "it is to be closed at once, as when it is heard in order"
    assert memory.core.cash == close_to(float(venue.cash))


def test_a_payment_before_a_late_entry_is_one_on_its_trade():
    run, venue = begun()
    venue.does("enter", 9, 10_000, 1)
    venue.does("pay", 0, 10_300, 1)
    venue.does("enter", 4, 9_600, 1)
    entry, payment, second = venue.rows
    take(run, [second, payment, entry], [])
    core = run.core._memory.core
    assert (core.funding, core.cash) == (close_to(3.0), close_to(float(venue.cash)))


def test_the_sequence_of_a_reading_decides_between_fills_of_one_time():
    run, venue = begun()
    venue.does("enter", 9, 10_000, 1)
    venue.does("liquidate", 0, 9_500, 1)
    venue.does("enter", 4, 9_600, 0)
    first, liquidation, second = venue.rows
    listed = [first, liquidation, second]
    take(run, [first, second], [])
    take(run, [liquidation], listed)
    assert (run.core._ledger.own, run.core._memory.core.entry_price) == (4, 96.0)
