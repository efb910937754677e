"""What finished runs leave at a venue: cancelled, booked, and an alarm as long as it is there."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest

from firstwatch.engine.host.host import EngineHost
from firstwatch.engine.lease import Lease
from firstwatch.engine.reconciliation.finished_runs import FinishedRunReconciler
from firstwatch.store import alarms, fills, hosts, journal, orders, positions, runs, trades
from firstwatch.store.database import Store, open_store
from firstwatch.store.orders import StoredOrder
from firstwatch.trading.account import Funding, Position
from firstwatch.trading.clock import ManualClock
from firstwatch.trading.commands import StopRun
from firstwatch.trading.errors import VenueError
from firstwatch.trading.orders import (
    Fill,
    OrderIntent,
    OrderKind,
    OrderPurpose,
    OrderReport,
    OrderSide,
    OrderState,
    Side,
)
from firstwatch.trading.runs import Author, ExitReason, Exposure, Protection, RunState, StopMode
from firstwatch.venues.protocol import Accepted, Capabilities
from tests.engine.host import rig


class Venue:
    """A wallet with a position and resting orders, as the test sets them."""

    name = "paper"
    capabilities = Capabilities(is_paper=False, modifies_orders=True, has_phases=False)

    def __init__(self, resting: list[OrderIntent]) -> None:
        self.resting = resting
        self.held = Decimal(0)
        self.fills: list[Fill] = []
        self.fundings: list[Funding] = []
        self.fills_read_since_ms: list[int] = []
        self.states: dict[str, OrderState] = {}
        self.refuses = False

    def now_ms(self) -> int:
        return 2_000_000_000_000

    def position(self, account: str, symbol: str) -> Position:
        side = Side.LONG if self.held else None
        price = Decimal(99) if self.held else None
        return Position(
            account, symbol, side, self.held, price, Decimal(2), True, None, Decimal(1), Decimal(0), 1
        )

    def open_orders(self, _account: str, _symbol: str) -> list[OrderReport]:
        return [self._report(intent, OrderState.ACCEPTED) for intent in self.resting]

    def order(self, _account: str, _symbol: str, client_order_id: str) -> OrderReport | None:
        state = self.states.get(client_order_id)
        if state is None:
            return None
        return OrderReport(
            client_order_id,
            "1",
            "one",
            rig.SYMBOL,
            OrderSide.SELL,
            OrderKind.STOP,
            state,
            Decimal(1),
            Decimal(1),
            True,
            1,
            Decimal(1),
            Decimal(1),
        )

    def _report(self, intent: OrderIntent, state: OrderState) -> OrderReport:
        return OrderReport(
            intent.client_order_id,
            "1",
            intent.account,
            intent.symbol,
            intent.side,
            intent.kind,
            state,
            intent.amount,
            Decimal(0),
            intent.reduce_only,
            1,
            intent.price,
            intent.trigger_price,
        )

    def cancel(self, _account: str, _symbol: str, client_order_id: str) -> Accepted:
        if self.refuses:
            raise VenueError("The vault is locked.")
        self.resting = [order for order in self.resting if order.client_order_id != client_order_id]
        return Accepted("")

    def fills_since(self, _account: str, _symbol: str, since_ms: int) -> list[Fill]:
        self.fills_read_since_ms.append(since_ms)
        return [fill for fill in self.fills if fill.time_ms >= since_ms]

    def funding_since(self, _account: str, _symbol: str, since_ms: int) -> list[Funding]:
        return [funding for funding in self.fundings if funding.time_ms >= since_ms]


def _intent(number: int, purpose: OrderPurpose, amount: int) -> OrderIntent:
    is_entry = purpose is OrderPurpose.ENTRY
    return OrderIntent(
        f"{rig.RUN}{number:016x}",
        rig.RUN,
        "one",
        rig.SYMBOL,
        purpose,
        OrderSide.BUY if is_entry else OrderSide.SELL,
        OrderKind.LIMIT if is_entry else OrderKind.STOP,
        Decimal(amount),
        not is_entry,
        Decimal(99) if is_entry else Decimal(85),
        None if is_entry else Decimal(95),
    )


ENTRY = _intent(1, OrderPurpose.ENTRY, 50)
STOP = _intent(2, OrderPurpose.STOP, 10)


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    rig.make_folder(folder / "a")
    store = open_store(folder / "a")
    yield store
    store.close()


def _failed_run(store: Store, *intents: OrderIntent) -> None:
    """Let a run have failed with these orders at the venue."""
    with store.write() as session:
        rig.store_new_run(session)
        for intent in intents:
            order = StoredOrder(intent, OrderState.ACCEPTED, 1, 1, nonce=None, body=b"", expires_at_ms=None)
            orders.upsert_order(session, order)
        for state in (RunState.RUNNING, RunState.FAILED):
            runs.transition(session, rig.RUN, state, "test", author=Author.SYSTEM, local_time_ms=1)
        facts = runs.get_run(session, rig.RUN).facts
        facts = replace(facts, exposure=Exposure.UNKNOWN, protection=Protection.UNPROTECTED)
        runs.update_side_facts(session, rig.RUN, facts)


def _reconciler(store: Store, venue: Venue) -> FinishedRunReconciler:
    clock = ManualClock()
    with store.write() as session:
        epoch = hosts.claim_host(session, pid=1, host_name="h", version="0", now_ms=1)
    lease = Lease(epoch, clock)
    return FinishedRunReconciler(store, SimpleNamespace(get=lambda _name: venue), clock, lambda: lease)


def _alarm(store: Store) -> str:
    with store.read() as session:
        return "".join(alarm.sentence for alarm in alarms.active_alarms(session))


def test_the_rest_of_an_entry_is_cancelled_and_the_alarm_says_what_stands_now(store: Store) -> None:
    _failed_run(store, ENTRY, STOP)
    venue = Venue([ENTRY, STOP])
    venue.held = Decimal(10)
    reconciler = _reconciler(store, venue)
    reconciler.look()
    assert venue.resting == [STOP]
    assert "a long of 10 BTC" in _alarm(store)
    venue.held = Decimal(4)
    reconciler.look()
    reconciler.look()
    assert "a long of 4 BTC" in _alarm(store)
    with store.read() as session:
        assert len(journal.events_of_kinds(session, rig.RUN, {"alarm_raised"})) == 2


def test_the_levels_of_a_finished_run_are_those_that_the_venue_shows(store: Store) -> None:
    _failed_run(store, STOP)
    wanted = Decimal("98.5")
    with store.write() as session:
        row = positions.RunPosition(rig.RUN, rig.SYMBOL, Side.LONG, Decimal(10), updated_at_ms=1)
        row = replace(row, stop=wanted, target=Decimal(120), stop_wanted=wanted, target_wanted=Decimal(120))
        positions.set_position(session, row)
    venue = Venue([STOP])
    venue.held = Decimal(10)
    reconciler = _reconciler(store, venue)

    def shown() -> tuple[Decimal | None, ...]:
        with store.read() as session:
            row = positions.position_of(session, rig.RUN)
        assert row is not None
        return row.stop, row.stop_wanted, row.target, row.target_wanted

    reconciler.look()
    assert shown() == (Decimal(95), wanted, None, Decimal(120))
    assert "its stop frozen at 95 " in _alarm(store)
    assert rig.run_of(store, rig.RUN).facts.protection is Protection.UNPROTECTED
    venue.resting = [replace(STOP, trigger_price=wanted)]
    reconciler.look()
    assert shown() == (wanted, wanted, None, Decimal(120))
    assert "its stop frozen at 98.5 " in _alarm(store)
    assert rig.run_of(store, rig.RUN).facts.protection is Protection.PROTECTED
    venue.resting = []
    reconciler.look()
    assert shown() == (None, wanted, None, Decimal(120))
    assert "frozen" not in _alarm(store)
    assert rig.run_of(store, rig.RUN).facts.protection is Protection.UNPROTECTED


def test_orders_that_cannot_be_cancelled_are_an_alarm_although_the_wallet_is_flat(store: Store) -> None:
    _failed_run(store, STOP)
    venue = Venue([STOP])
    venue.refuses = True
    reconciler = _reconciler(store, venue)
    reconciler.look()
    assert "1 order of ours" in _alarm(store)
    venue.refuses = False
    reconciler.look()
    assert _alarm(store) == ""
    assert rig.run_of(store, rig.RUN).facts.exposure is Exposure.FLAT


def test_what_a_left_stop_fills_is_booked_as_a_trade_by_the_venues_time(folder: Path) -> None:
    """The market's time is years before the machine's, as on any replay."""
    settings = rig.make_folder(folder / "a", bars=1600, speed=120_000, toml=rig.HOLDING_TOML)
    store = open_store(folder / "a")
    host = EngineHost(store, settings)
    host.start()
    rig.start_run(store, rig.RUN)
    rig.until(lambda: rig.run_of(store, rig.RUN).facts.protection is Protection.PROTECTED or None, "a stop")
    rig.answered(store, rig.submit(store, StopRun(run_id=rig.RUN, mode=StopMode.LEAVE)))
    rig.ended(store, rig.RUN)
    host.drain_and_stop()
    with store.read() as session:
        held = positions.position_of(session, rig.RUN)
        stop = orders.open_orders_of(session, rig.RUN)[0]
        entered = fills.fills_of(session, rig.RUN)[-1].fill
        assert trades.trades_of(session, rig.RUN) == []
    assert held is not None
    venue = Venue([])
    venue.states[stop.client_order_id] = OrderState.FILLED
    filled = replace(
        entered,
        fill_id="the stop's",
        client_order_id=stop.client_order_id,
        side=OrderSide.SELL,
        amount=held.amount,
        price=held.stop,
        fee=Decimal(1),
        time_ms=entered.time_ms + 7_200_000,
    )
    venue.fills = [entered, filled]
    # On the left position; and, after its end, on what someone else holds in the wallet.
    venue.fundings = [
        Funding(
            f"f{hours}",
            "one",
            rig.SYMBOL,
            Decimal("1.5"),
            Decimal("0.0001"),
            entered.time_ms + hours * 3_600_000,
        )
        for hours in (1, 2, 3)
    ]
    reconciler = _reconciler(store, venue)
    reconciler.look()
    reconciler.look()
    with store.read() as session:
        booked = trades.trades_of(session, rig.RUN)
        assert [stored.fill for stored in fills.fills_of(session, rig.RUN)] == [entered, filled]
        assert orders.open_orders_of(session, rig.RUN) == []
        order = orders.get_order(session, stop.client_order_id)
    assert [(trade.amount, trade.exit_price, trade.reason) for trade in booked] == [
        (held.amount, held.stop, ExitReason.STOP_LOSS)
    ]
    assert booked[0].funding == 3
    assert float(booked[0].pnl) == pytest.approx(float(booked[0].gross_pnl - booked[0].fees - 3))
    assert order is not None
    assert order.state is OrderState.FILLED
    assert len(venue.fills_read_since_ms) == 1
    assert venue.fills_read_since_ms[0] <= entered.time_ms
    run = rig.run_of(store, rig.RUN)
    assert run.facts.exposure is Exposure.FLAT
    store.close()
