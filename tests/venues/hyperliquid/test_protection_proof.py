"""The proof, before the first order of a run, that its stop will rest at the venue."""

from dataclasses import replace
from decimal import Decimal

import pytest
from pydantic import ValidationError

from firstwatch.engine.worker import protection_proof as proof
from firstwatch.engine.worker.protection_proof import NotProvenError, Prover, proof_orders
from firstwatch.engine.worker.startup import RunStartup
from firstwatch.store import commands, journal
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.commands import CancelRun
from firstwatch.trading.errors import VenueError
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.market import Market
from firstwatch.trading.orders import OrderKind, OrderPurpose, OrderState, Side
from firstwatch.trading.runs import Author, RunState
from firstwatch.venues.protocol import BringsStops
from tests.venues.hyperliquid.rig import RUN, SYMBOL, LiveRig, wait_for
from tests.venues.hyperliquid.test_runs import EngineRig


class Kept:
    """A ledger in memory."""

    def __init__(self):
        self.pairs, self.ends = [], []

    def intended(self, pair, requests):
        self.pairs.append((pair, requests))

    def ended(self, pair, state, why, filled):
        self.ends.append((state, filled))


@pytest.fixture
def rig():
    rig = LiveRig()
    yield rig
    rig.close()


def prover(rig, ledger, side=Side.LONG, number=0):
    market = rig.venue.markets()[SYMBOL]
    pair = proof_orders(RUN, rig.account, market, side, 100.0, number=number)
    return Prover(rig.venue, pair, ledger, may_send=lambda: None, wait=lambda _s: None)


def orders_sent(rig):
    """Return the actions that placed orders."""
    return [sent.action for sent in rig.server._actions.sent if sent.kind == "order"]


def nothing_is_left(rig):
    view = rig.server.account(rig.account)
    return rig.venue.open_orders(rig.account, SYMBOL) == [] and not view.positions


@pytest.mark.parametrize("side", list(Side))
def test_an_entry_with_its_stop_is_placed_far_away_read_back_and_cancelled(rig, side):
    assert isinstance(rig.venue, BringsStops)
    ledger = Kept()
    prover(rig, ledger, side).prove()
    assert ledger.ends == [(OrderState.CANCELED, Decimal(0))]
    assert nothing_is_left(rig)
    (sent,) = orders_sent(rig)
    entry, stop = sent["orders"]
    assert sent["grouping"] == "normalTpsl"
    assert entry["t"] == {"limit": {"tif": "Alo"}}
    assert (stop["r"], stop["t"]["trigger"]["tpsl"]) == (True, "sl")
    assert entry["b"] is (side is Side.LONG)
    assert stop["b"] is not entry["b"]
    assert entry["s"] == stop["s"]
    assert Decimal(10) <= Decimal(entry["s"]) * min(Decimal(entry["p"]), Decimal(100)) < Decimal(20)


@pytest.mark.parametrize("side", list(Side))
def test_the_pair_is_on_the_steps_of_its_market_and_of_the_smallest_size(side):
    market = Market(tick=Decimal("0.5"), amount_step=Decimal("0.01"), minimum_amount=Decimal("0.02"))
    pair = proof_orders(RUN, "a", market, side, 60_000.2)
    for level in (pair.entry.price, pair.stop.trigger_price, pair.stop.price):
        assert level % market.tick == 0
    assert pair.entry.amount == pair.stop.amount == Decimal("0.02")
    assert (pair.stop.kind, pair.stop.purpose) == (OrderKind.STOP, OrderPurpose.STOP)
    assert (pair.entry.price - pair.stop.trigger_price) * side.sign > 0
    assert (Decimal("60000.2") - pair.entry.price) * side.sign > 15_000


def drop_children(rig):
    """Let the venue take the stop and forget it, as one that has moved such orders elsewhere."""
    actions = rig.server._actions
    real = actions._place_with_children
    actions._place_with_children = lambda orders: [real(orders[:1])[0], *["waitingForFill"] * len(orders[1:])]


def test_a_venue_that_forgets_the_stop_has_not_proven_it(rig):
    drop_children(rig)
    ledger = Kept()
    with pytest.raises(NotProvenError, match="without its stop"):
        prover(rig, ledger).prove()
    assert ledger.ends == [(OrderState.CANCELED, Decimal(0))]
    assert nothing_is_left(rig)


def test_a_venue_that_keeps_another_stop_has_not_proven_it(rig, monkeypatch):
    real = rig.server._actions._order

    def elsewhere(account, plain, builder):
        order = real(account, plain, builder)
        if order.trigger is not None:
            order.trigger = replace(order.trigger, price=order.trigger.price + 1)
        return order

    monkeypatch.setattr(rig.server._actions, "_order", elsewhere)
    with pytest.raises(NotProvenError, match="shows the stop of the protection proof as ACCEPTED: sell stop"):
        prover(rig, Kept()).prove()
    assert nothing_is_left(rig)


def test_a_refusal_is_told_and_leaves_nothing(rig):
    rig.server.faults.plan("refused", "order", body="Stop orders are taken at another endpoint.")
    ledger = Kept()
    with pytest.raises(NotProvenError, match="Stop orders are taken at another endpoint"):
        prover(rig, ledger).prove()
    assert ledger.ends == [(OrderState.REJECTED, Decimal(0))]
    assert nothing_is_left(rig)


@pytest.mark.parametrize("fault", ["reply_lost", "http_after", "html", "empty"])
def test_a_lost_answer_is_looked_into(rig, fault):
    rig.server.faults.plan(fault, "order")
    ledger = Kept()
    prover(rig, ledger).prove()
    assert ledger.ends == [(OrderState.CANCELED, Decimal(0))]
    assert nothing_is_left(rig)
    assert len(orders_sent(rig)) == 1


@pytest.mark.parametrize("fault", ["request_lost", "http"])
def test_a_request_that_never_came_is_no_proof_and_never_executes(rig, fault):
    rig.server.faults.plan(fault, "order")
    ledger = Kept()
    with pytest.raises(NotProvenError, match="does not show the entry"):
        prover(rig, ledger).prove()
    assert ledger.ends == [(OrderState.CANCELED, Decimal(0))]
    ((_, (request, _stop)),) = ledger.pairs
    rig.restart()
    rig.venue.send(request)
    assert nothing_is_left(rig)


@pytest.mark.parametrize("question", ["orderStatus", "frontendOpenOrders"])
def test_answers_that_do_not_come_are_asked_for_again(rig, question):
    rig.server.faults.plan("http", question, count=2)
    prover(rig, Kept()).prove()
    assert nothing_is_left(rig)


def test_what_cannot_be_cancelled_is_said_and_stays_kept(rig):
    rig.server.faults.plan("refused", "cancelByCloid", count=100)
    ledger = Kept()
    with pytest.raises(NotProvenError, match="could not be cancelled"):
        prover(rig, ledger).prove()
    assert ledger.ends == []
    assert len(rig.venue.open_orders(rig.account, SYMBOL)) == 1


# --- of a run ----------------------------------------------------------------------------------------


@pytest.fixture
def make(tmp_path, monkeypatch):
    monkeypatch.setattr(proof, "PAUSE_S", 0.01)
    rigs = []

    def make(**more):
        rigs.append(EngineRig(tmp_path, [100.0, 100.0, 101.0, 101.0], **more))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


def said(rig):
    with rig.store.read() as session:
        return [row.event.sentence for row in journal.events_of_kinds(session, RUN, {"noted"})]


def kinds(rig):
    return [(order.intent.purpose, order.state) for order in rig.orders]


def test_a_run_begins_when_its_protection_is_proven(make):
    rig = make()
    assert any(sentence.startswith("the protection is proven: an entry at 70") for sentence in said(rig))
    assert kinds(rig) == [
        (OrderPurpose.ENTRY, OrderState.CANCELED),
        (OrderPurpose.STOP, OrderState.CANCELED),
    ]
    assert rig.run.facts.paused is False
    for _ in range(3):
        rig.end_bar()
    wait_for(lambda: rig.position.side is Side.LONG)
    wait_for(lambda: rig.run.facts.protection.value == "protected")
    assert rig.alarms == []


def test_a_run_whose_protection_is_not_proven_has_failed(make):
    rig = make(before=drop_children, until=RunState.FAILED)
    assert "its protection is not proven: the venue shows the entry" in rig.run.facts.sentence
    assert {state for _, state in kinds(rig)} == {OrderState.CANCELED}
    assert rig.venue.open_orders(rig.account, SYMBOL) == []
    assert rig.position.is_flat


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "refused", "body": "Too many cumulative requests sent (1 > 0) for cumulative volume $0."},
        {"kind": "request_lost"},
        {"kind": "reply_lost"},
    ],
)
def test_what_passes_is_tried_again(make, fault):
    rig = make(before=lambda rig: rig.server.faults.plan(on="order", count=1, **fault))
    assert rig.run.facts.paused is False
    assert all(state.is_final for _, state in kinds(rig))
    assert rig.venue.open_orders(rig.account, SYMBOL) == []


def test_what_does_not_pass_fails_the_run(make):
    rig = make(
        before=lambda rig: rig.server.faults.plan("request_lost", "order", count=9), until=RunState.FAILED
    )
    assert len(kinds(rig)) == 2 * proof.TRIES
    assert "does not show the entry" in rig.run.facts.sentence


def test_a_run_may_begin_without_the_proof_for_a_reason(make):
    rig = make(skip_protection_proof="the venue is a replay")
    assert kinds(rig) == []
    assert any("not proven before the first order: the venue is a replay" in text for text in said(rig))


def test_a_proof_that_was_cut_short_is_known_to_the_next_life(make, monkeypatch):
    died = []

    def die(self):
        if not died:
            died.append(True)
            raise KeyError("the process is gone")
        return withdraw(self)

    withdraw = Prover.cancel_both
    monkeypatch.setattr(Prover, "cancel_both", die)
    rig = make()
    assert died
    assert (
        kinds(rig)
        == [
            (OrderPurpose.ENTRY, OrderState.CANCELED),
            (OrderPurpose.STOP, OrderState.CANCELED),
        ]
        * 2
    )
    assert rig.run.facts.paused is False
    assert rig.venue.open_orders(rig.account, SYMBOL) == []


def test_a_run_that_is_called_off_after_its_proof_was_not_cancelled_before_any_order(make, monkeypatch):
    def fail(*_args):
        raise VenueError("The venue cannot be reached.")

    monkeypatch.setattr(RunStartup, "first_event", fail)
    rig = make(until=RunState.NEW)
    wait_for(lambda: len(kinds(rig)) == 2 and all(state.is_final for _, state in kinds(rig)))
    with rig.store.write() as session:
        commands.submit_command(
            session, CancelRun(run_id=RUN), author=Author.OPERATOR, now_ms=SystemClock().now_ms()
        )
    wait_for(lambda: rig.run.state is RunState.FAILED)
    assert "called off" in rig.run.facts.sentence


@pytest.mark.parametrize("reason", ["", "  "])
def test_a_reason_to_skip_it_has_words(reason):
    values = {"algorithm": "A", "version": 1, "wallet": "w", "symbol": SYMBOL, "capital": 1}
    with pytest.raises(ValidationError):
        LaunchSettings.model_validate(values | {"skip_protection_proof": reason})


def test_orders_of_a_failed_proof_are_cancelled_as_soon_as_that_works(make):
    rig = make(
        before=lambda rig: rig.server.faults.plan("refused", "cancelByCloid", count=100),
        until=RunState.FAILED,
    )
    assert "could not be cancelled" in rig.run.facts.sentence
    rig.host.finished_runs.look()
    assert len(rig.venue.open_orders(rig.account, SYMBOL)) == 1
    rig.server.faults.clear()
    rig.host.finished_runs.look()
    assert rig.venue.open_orders(rig.account, SYMBOL) == []
    rig.host.finished_runs.look()
    assert all(state.is_final for _, state in kinds(rig))
    assert [alarm.topic for alarm in rig.alarms] == ["failed"]
