"""What a wallet holds without a run is closed when asked for, by a real host on a paper venue."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from firstwatch.engine.host.host import EngineHost
from firstwatch.store import alarms, commands, orders, positions, trades, wallet_orders, wallets
from firstwatch.store.commands import StoredCommand
from firstwatch.store.database import Store, open_store
from firstwatch.trading.commands import CloseWallet, CommandOutcome, StopRun
from firstwatch.trading.orders import OrderPurpose, OrderState
from firstwatch.trading.runs import ExitReason, Exposure, Protection, StopMode
from tests.engine.host import rig

RUN = rig.RUN


class Left:
    """A data folder whose run was stopped and has left its position."""

    def __init__(self, folder: Path, *, speed: object = 120_000) -> None:
        self.settings = rig.make_folder(folder, bars=1600, speed=speed, toml=rig.HOLDING_TOML)
        self.store: Store = open_store(folder)
        self.hosts = [EngineHost(self.store, self.settings)]
        self.host.start()
        rig.start_run(self.store, RUN)
        rig.until(
            lambda: rig.run_of(self.store, RUN).facts.protection is Protection.PROTECTED or None, "a stop"
        )

    @property
    def host(self) -> EngineHost:
        return self.hosts[-1]

    def stop(self) -> None:
        rig.answered(self.store, rig.submit(self.store, StopRun(run_id=RUN, mode=StopMode.LEAVE)))
        rig.ended(self.store, RUN)

    def close_wallet(self) -> StoredCommand:
        return rig.answered(self.store, rig.submit(self.store, CloseWallet(wallet="one")))

    def exits(self) -> list[orders.StoredOrder]:
        with self.store.read() as session:
            found = orders.orders_of(session, RUN)
        return [order for order in found if order.intent.purpose is OrderPurpose.EXIT]


@pytest.fixture
def left(folder: Path) -> Iterator[Left]:
    made = Left(folder / "a")
    yield made
    for host in made.hosts:
        host.drain_and_stop()
    made.store.close()


def test_what_a_run_left_is_closed_once_and_booked_with_the_run(left: Left) -> None:
    left.stop()
    with left.store.read() as session:
        held = positions.position_of(session, RUN)
    assert held is not None
    answer = left.close_wallet()
    assert answer.outcome is CommandOutcome.DONE, answer.sentence
    assert answer.sentence.startswith("the wallet one is flat: closed ")
    [order] = left.exits()
    assert (order.state, order.intent.reduce_only, order.intent.amount) == (
        OrderState.FILLED,
        True,
        held.amount,
    )
    assert order.client_order_id.startswith(RUN)
    run = rig.until(
        lambda: run if (run := rig.run_of(left.store, RUN)).facts.exposure is Exposure.FLAT else None,
        "the books to be closed",
    )
    assert run.facts.protection is Protection.NOT_NEEDED
    with left.store.read() as session:
        [trade] = trades.trades_of(session, RUN)
        assert orders.open_orders_of(session, RUN) == []
        assert alarms.active_alarms(session, RUN) == []
        assert wallet_orders.open_wallet_orders(session, run.wallet_id) == []
    assert (trade.amount, trade.reason) == (held.amount, ExitReason.MANUAL)


def test_a_wallet_that_is_flat_is_done_without_an_order(left: Left) -> None:
    left.stop()
    assert left.close_wallet().outcome is CommandOutcome.DONE
    again = left.close_wallet()
    assert (again.outcome, again.sentence) == (
        CommandOutcome.DONE,
        "the wallet one holds nothing: there was nothing to close",
    )
    assert len(left.exits()) == 1


def test_a_wallet_with_an_active_run_is_refused_with_the_command_that_closes(left: Left) -> None:
    answer = left.close_wallet()
    assert answer.outcome is CommandOutcome.REFUSED
    assert f"firstwatch run close {RUN}" in answer.sentence
    answer = rig.answered(left.store, rig.submit(left.store, CloseWallet(wallet="none")))
    assert answer.outcome is CommandOutcome.REFUSED


def test_no_run_starts_in_a_wallet_that_is_being_closed(left: Left) -> None:
    left.stop()
    with left.store.write() as session:
        number = commands.submit_command(
            session, CloseWallet(wallet="one"), author=rig.Author.OPERATOR, now_ms=1
        )
        commands.accept_command(session, number, now_ms=1)
    assert left.store is not None
    refused = rig.start_run(
        left.store, "ef" * 8, rig.launch(assume_position_now=True, capital=Decimal(8_000))
    )
    assert refused.outcome is CommandOutcome.REFUSED
    assert "is being closed" in refused.sentence


def test_what_an_engine_accepted_before_it_died_the_next_one_closes(left: Left) -> None:
    left.stop()
    left.host.drain_and_stop()
    with left.store.write() as session:
        number = commands.submit_command(
            session, CloseWallet(wallet="one"), author=rig.Author.OPERATOR, now_ms=1
        )
        commands.accept_command(session, number, now_ms=1)
        assert wallets.active_run_id(session, wallets.get_wallet(session, "one").id) is None
    left.hosts.append(EngineHost(left.store, left.settings))
    left.host.start()
    answer = rig.answered(left.store, number)
    assert answer.outcome is CommandOutcome.DONE, answer.sentence
    assert [order.state for order in left.exits()] == [OrderState.FILLED]
