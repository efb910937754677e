"""What a live wallet holds without a run is closed by the engine, once, whatever becomes of its requests."""

from dataclasses import replace
from decimal import Decimal

import pytest

from firstwatch.engine.reconciliation import closing
from firstwatch.store import commands, trades, wallet_orders, wallet_status, wallets
from firstwatch.trading.commands import CloseWallet, CommandOutcome
from firstwatch.trading.ids import run_of
from firstwatch.trading.orders import OrderPurpose, OrderState, Side
from firstwatch.trading.runs import Author, ExitReason, Exposure, RunState, StopMode
from tests.engine.host.rig import submit
from tests.venues.hyperliquid.rig import RUN, SYMBOL, wait_for
from tests.venues.hyperliquid.test_runs import PATIENCE_S, EngineRig

OTHER = "w2"


@pytest.fixture
def make(tmp_path):
    rigs = []

    def make(closes=(100.0,), fault_point=None):
        rigs.append(EngineRig(tmp_path, list(closes), fault_point, skip_protection_proof="a test"))
        return rigs[-1]

    yield make
    for rig in rigs:
        audit = rig.server.audit()
        rig.close()
        assert audit.reused_cloids == []


def by_hand(rig, amount="0.5", side="buy"):
    """Let somebody open a position in a wallet without a run; return its account."""
    rig.add_wallet(OTHER, 8)
    with rig.store.read() as session:
        account = wallets.get_wallet(session, OTHER).account
    rig.server.by_hand(account).market("BTC", side, amount)
    assert rig.venue.position(account, SYMBOL).amount == Decimal(amount)
    return account


def close(rig, wallet=OTHER, **more):
    """Have a wallet closed; return the command's answer."""
    number = submit(rig.store, CloseWallet(wallet=wallet, **more))
    return wait_for(lambda: rig._answer(number), PATIENCE_S)


def sent(rig):
    """Return how many orders the venue has understood."""
    return rig.server.audit().actions.get("order", 0)


def stored(rig):
    """Return the closing orders of the wallet without a run."""
    with rig.store.read() as session:
        rows = session.exec_driver_sql(
            "SELECT client_order_id, state FROM wallet_order ORDER BY created_at_ms"
        )
        return [(row.client_order_id, OrderState(row.state)) for row in rows]


@pytest.mark.parametrize(("side", "held"), [("buy", Side.LONG), ("sell", Side.SHORT)])
def test_a_position_opened_by_hand_is_closed_by_an_order_of_no_run(make, side, held):
    rig = make()
    account = by_hand(rig, side=side)
    with rig.store.write() as session:
        number = wallets.get_wallet(session, OTHER).id
        there = wallet_status.Held(SYMBOL, held, Decimal("0.5"))
        wallet_status.set_money(
            session, number, wallet_status.WalletMoney(Decimal(9), Decimal(1), (there,), 1)
        )
    before = sent(rig)
    answer = close(rig)
    assert answer.outcome is CommandOutcome.DONE, answer.sentence
    assert answer.sentence.startswith("the wallet w2 is flat: closed 0.5 BTC at ")
    assert rig.venue.position(account, SYMBOL).is_flat
    [(name, state)] = stored(rig)
    assert (state, run_of(name) == RUN, sent(rig) - before) == (OrderState.FILLED, False, 1)
    with rig.store.read() as session:
        assert wallet_orders.open_wallet_orders(session, number) == []
        money = wallet_status.status_of(session, number).money
    assert money is not None
    assert money.held == ()


def test_what_a_run_left_is_closed_in_its_name_and_its_stop_goes_last(make):
    rig = make([100.0, 101.0, 101.0])
    rig.end_bar()
    rig.end_bar()
    wait_for(lambda: rig.position.amount and rig.venue.open_orders(rig.account, SYMBOL), PATIENCE_S)
    amount = rig.position.amount
    rig.stop(StopMode.LEAVE)
    wait_for(lambda: rig.run.state is RunState.STOPPED, PATIENCE_S)
    assert close(rig, "w").outcome is CommandOutcome.DONE
    wait_for(lambda: rig.run.facts.exposure is Exposure.FLAT, PATIENCE_S)
    wait_for(lambda: not rig.venue.open_orders(rig.account, SYMBOL), PATIENCE_S)
    assert rig.position.is_flat
    [exit_order] = [order for order in rig.orders if order.intent.purpose is OrderPurpose.EXIT]
    assert (exit_order.state, exit_order.filled) == (OrderState.FILLED, amount)
    with rig.store.read() as session:
        [trade] = trades.trades_of(session, RUN)
    assert (trade.amount, trade.reason) == (amount, ExitReason.MANUAL)
    assert stored(rig) == []


@pytest.mark.parametrize("fault", ["reply_lost", "http_after", "cut_body", "empty"])
def test_an_order_whose_answer_is_lost_is_asked_about_and_never_sent_again(make, fault):
    rig = make()
    account = by_hand(rig)
    before = sent(rig)
    rig.server.faults.plan(fault, "order")
    answer = close(rig)
    assert answer.outcome is CommandOutcome.DONE, answer.sentence
    assert rig.venue.position(account, SYMBOL).is_flat
    assert ([state for _, state in stored(rig)], sent(rig) - before) == ([OrderState.FILLED], 1)


def test_an_order_that_never_arrived_is_followed_by_another_one(make):
    rig = make()
    account = by_hand(rig)
    rig.server.faults.plan("request_lost", "order")
    assert close(rig).outcome is CommandOutcome.DONE
    assert rig.venue.position(account, SYMBOL).is_flat
    (one, first), (other, second) = stored(rig)
    assert (first, second) == (OrderState.REJECTED, OrderState.FILLED)
    assert one != other


def test_an_order_of_which_nothing_is_known_waits_for_as_long_as_it_takes(make):
    rig = make()
    account = by_hand(rig)
    before = sent(rig)
    rig.server.faults.plan("reply_lost", "order")
    rig.server.faults.plan("http", "orderStatus", count=10_000)
    number = submit(rig.store, CloseWallet(wallet=OTHER))
    wait_for(lambda: [state for _, state in stored(rig)] == [OrderState.UNKNOWN], PATIENCE_S)
    with rig.store.read() as session:
        assert commands.is_closing(session, OTHER)
    assert rig._answer(number) is None
    rig.server.faults.clear()
    assert wait_for(lambda: rig._answer(number), PATIENCE_S).outcome is CommandOutcome.DONE
    assert (sent(rig) - before, rig.venue.position(account, SYMBOL).is_flat) == (1, True)


def test_a_process_that_dies_behind_the_request_asks_what_became_of_it(make):
    died = []

    def fault_point(point):
        if point == "after send" and armed and not died:
            died.append(point)
            raise RuntimeError("the process dies here")

    armed = []
    rig = make(fault_point=fault_point)
    account = by_hand(rig)
    before = sent(rig)
    armed.append(True)
    answer = close(rig)
    assert died
    assert answer.outcome is CommandOutcome.DONE, answer.sentence
    assert ([state for _, state in stored(rig)], sent(rig) - before) == ([OrderState.FILLED], 1)
    assert rig.venue.position(account, SYMBOL).is_flat


def test_what_the_venue_refuses_is_refused_with_its_words_and_nothing_is_closed(make, monkeypatch):
    monkeypatch.setattr(closing, "back_off_ms", lambda _attempts: 0)
    rig = make()
    account = by_hand(rig)
    rig.server.faults.plan("refused", "order", count=10_000, body="Trading is halted.")
    answer = close(rig)
    assert answer.outcome is CommandOutcome.REFUSED
    assert "Trading is halted" in answer.sentence
    assert not rig.venue.position(account, SYMBOL).is_flat
    assert {state for _, state in stored(rig)} == {OrderState.REJECTED}


def test_a_wallet_without_a_position_is_done_and_nothing_is_sent(make):
    rig = make()
    rig.add_wallet(OTHER, 8)
    before = sent(rig)
    answer = close(rig)
    assert (answer.outcome, sent(rig)) == (CommandOutcome.DONE, before)
    assert "nothing to close" in answer.sentence
    assert answer.author is Author.OPERATOR


def test_real_money_is_closed_only_with_the_wallet_s_name_typed(make, monkeypatch):
    rig = make()
    account = by_hand(rig)
    monkeypatch.setattr(rig.venue, "capabilities", replace(rig.venue.capabilities, is_mainnet=True))
    before = sent(rig)
    for more in ({}, {"confirmed_name": "w"}):
        answer = close(rig, **more)
        assert answer.outcome is CommandOutcome.REFUSED
        assert "wallet close w2 --yes --confirm w2" in answer.sentence
    assert sent(rig) == before
    assert close(rig, confirmed_name=OTHER).outcome is CommandOutcome.DONE
    assert rig.venue.position(account, SYMBOL).is_flat
