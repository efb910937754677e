"""Requests that are not answered, or of which the venue does not say what came of them."""

from dataclasses import replace
from decimal import Decimal

import pytest

from firstwatch.engine.core import effects, inputs
from firstwatch.engine.core.order_manager import OVERDUE_MS
from firstwatch.engine.core.records import FillRow
from firstwatch.trading.events import AlarmRaised
from firstwatch.trading.orders import OrderPurpose, OrderSide, OrderState
from firstwatch.trading.runs import ExitReason, Exposure, Protection, RunState, StopMode
from firstwatch.venues.protocol import (
    Accepted,
    Executed,
    NeverWill,
    Refused,
    SendOutcome,
    StillUnknown,
    StreamRestored,
    Unknown,
)
from tests.engine.scripted import ENTER, EXIT, TRAILING, ScriptedRun

ENTRY, STOP, CLOSING = OrderPurpose.ENTRY, OrderPurpose.STOP, OrderPurpose.EXIT
OVERDUE_S = OVERDUE_MS // 1000


def sends(purpose):
    """Return what tells whether an effect sends an order of that purpose, of a run's."""

    def of(run):
        return lambda effect: (
            isinstance(effect, effects.SendOrder) and run.intents[effect.client_order_id].purpose is purpose
        )

    return of


def in_doubt(run: ScriptedRun, purpose: OrderPurpose) -> None:
    """Let orders of that purpose arrive and be taken, and the venue say no more of them."""
    is_sent = sends(purpose)(run)

    def send(effect):
        if not is_sent(effect):
            return None
        run.resting[effect.client_order_id] = run.intents[effect.client_order_id]
        return inputs.SendAnswered(effect.client_order_id, Unknown("no answer"), run.now_ms)

    def resolve(effect):
        if run.intents[effect.client_order_id].purpose is not purpose:
            return None
        return inputs.ResolveAnswered(
            effect.client_order_id, StillUnknown("taken", is_taken=True), run.now_ms
        )

    run.answers[effects.SendOrder] = send
    run.answers[effects.ResolveOrder] = resolve


def entering(run: ScriptedRun) -> None:
    run.launch()
    run.bar()
    run.bar(ENTER)


# --- requests under way --------------------------------------------------------------------------


def test_the_stop_is_sent_while_the_entry_is_not_answered() -> None:
    run = ScriptedRun()
    run.silent = sends(ENTRY)(run)
    entering(run)
    (entry,) = run.sent(ENTRY)
    run.fill(entry)
    (stop,) = run.orders(STOP)
    assert stop.amount == entry.amount
    assert run.facts.protection is Protection.PROTECTED
    accepted = Accepted("7", filled=entry.amount, average_price=Decimal(100))
    run.handle(inputs.SendAnswered(entry.client_order_id, accepted, run.now_ms, run.touch(), run.touch()))
    assert run.orders(STOP) == [stop]
    assert len(run.sent(ENTRY)) == 1


def test_the_prices_around_a_call_are_kept_although_its_fill_was_faster() -> None:
    run = ScriptedRun()
    run.silent = sends(ENTRY)(run)
    entering(run)
    (entry,) = run.sent(ENTRY)
    run.core.note_submission(entry.client_order_id, run.touch())
    run.fill(entry)
    fills = [record for record in run.records if type(record).__name__ == "FillRow"]
    assert [row.mid_at_submission for row in fills] == [100.0]
    assert [row.mid_at_acknowledgement for row in fills] == [None]
    before = len(run.records)
    run.handle(
        inputs.SendAnswered(entry.client_order_id, Accepted("7"), run.now_ms, run.touch(), run.touch())
    )
    changed = [record for record in run.records[before:] if type(record).__name__ == "OrderChanged"]
    assert [record.state for record in changed] == [OrderState.FILLED]


def test_an_order_that_is_under_way_is_not_resolved_by_a_reading_of_everything() -> None:
    run = ScriptedRun()
    run.silent = sends(ENTRY)(run)
    entering(run)
    (entry,) = run.sent(ENTRY)
    assert run.core.questions().in_flight == []
    assert run.core.questions(is_new_life=True).in_flight == [entry.client_order_id]


def test_a_reading_that_was_wanted_again_while_it_was_under_way_is_made_again() -> None:
    run = ScriptedRun()
    entry = run.enter()
    run.silent = lambda effect: isinstance(effect, effects.ReadPosition)
    run.external_fill(entry.side.opposite, Decimal(1))
    asked = [effect for effect in run.effects if isinstance(effect, effects.ReadPosition)]
    old = run.position()
    run.external_fill(entry.side, Decimal(1))
    run.handle(inputs.PositionRead(old, run.now_ms))
    again = [effect for effect in run.effects if isinstance(effect, effects.ReadPosition)]
    assert len(again) > len(asked)


# --- what the venue has taken and does not show ----------------------------------------------------


def test_no_entry_is_made_while_it_is_not_known_what_became_of_one() -> None:
    run = ScriptedRun()
    in_doubt(run, ENTRY)
    entering(run)
    for _ in range(5):
        run.tick(30)
        run.bar(ENTER)
    assert len(run.sent(ENTRY)) == 1
    assert [event.topic for event in run.journal(AlarmRaised)] == ["order in doubt"]
    (entry,) = run.sent(ENTRY)
    assert entry.client_order_id in run.journal(AlarmRaised)[0].sentence
    assert run.facts.exposure is Exposure.UNKNOWN


@pytest.mark.parametrize("mode", list(StopMode))
def test_a_stop_goes_on_by_the_position_when_an_outcome_stays_unknown(mode: StopMode) -> None:
    run = ScriptedRun()
    in_doubt(run, ENTRY)
    entering(run)
    run.tick(20)
    run.stop(mode)
    run.tick(OVERDUE_S - 25)
    assert run.core.state is RunState.STOPPING
    run.tick(10)
    assert run.core.state is RunState.STOPPED
    assert run.facts.exposure is Exposure.UNKNOWN
    assert "look at the wallet" in run.facts.sentence


def test_a_stop_does_not_fail_for_want_of_time_that_an_unknown_outcome_takes() -> None:
    run = ScriptedRun()
    run.launch()
    run.bar()
    in_doubt(run, ENTRY)
    run.bar(ENTER)
    run.stop(StopMode.CLOSE)
    run.tick(OVERDUE_S + 10)
    assert run.transitions[-1] is RunState.STOPPED


def test_what_an_entry_in_flight_has_made_is_closed_when_the_operator_wants_it() -> None:
    run = ScriptedRun()
    in_doubt(run, ENTRY)
    entering(run)
    (entry,) = run.sent(ENTRY)
    run.close_position()
    assert run.core.handle(inputs.TimePassed(run.now_ms, run.elapsed_ms)).refusal == ""
    run.tick(20)
    run.fill(entry)
    (closing,) = run.sent(CLOSING)
    assert closing.amount == entry.amount


def test_a_position_that_only_an_entry_in_flight_explains_is_closed_in_the_end() -> None:
    run = ScriptedRun()
    in_doubt(run, ENTRY)
    entering(run)
    (entry,) = run.sent(ENTRY)
    run.held = entry.side.sign * entry.amount
    run.tick(OVERDUE_S - 5)
    assert run.sent(CLOSING) == []
    assert not run.core.checkpoint().count("unexplained")
    run.tick(20)
    (closing,) = run.sent(CLOSING)
    assert (closing.amount, closing.side) == (entry.amount, entry.side.opposite)


def test_a_stop_that_was_taken_and_is_not_shown_gets_one_beside_it_and_goes_when_it_shows() -> None:
    run = ScriptedRun()
    in_doubt(run, STOP)
    run.enter()
    (first,) = run.sent(STOP)
    run.tick(1)
    assert len(run.sent(STOP)) == 1
    run.tick(2)
    assert len(run.sent(STOP)) == 2
    run.tick(20)
    assert len(run.sent(STOP)) == 2
    run.answers.clear()
    run.answers[effects.ResolveOrder] = lambda effect: inputs.ResolveAnswered(
        effect.client_order_id, Executed(run.report(run.intents[effect.client_order_id])), run.now_ms
    )
    run.tick(5)
    assert first.client_order_id not in run.resting
    (stop,) = run.orders(STOP)
    assert run.facts.protection is Protection.PROTECTED
    assert stop is not first


def test_the_position_is_read_beside_resolving_a_stop_in_doubt() -> None:
    run = ScriptedRun()
    run.answers[effects.SendOrder] = lambda effect: (
        inputs.SendAnswered(effect.client_order_id, Unknown("no answer"), run.now_ms)
        if sends(STOP)(run)(effect)
        else None
    )
    run.silent = lambda effect: isinstance(effect, effects.ResolveOrder)
    run.enter()
    (first,) = run.sent(STOP)
    asked = run.effects[run.effects.index(effects.SendOrder(first.client_order_id)) :]
    assert {effects.ResolveOrder(first.client_order_id), effects.ReadPosition()} <= set(asked)
    run.answers.clear()
    run.handle(inputs.ResolveAnswered(first.client_order_id, NeverWill("not known"), run.now_ms))
    assert run.facts.protection is Protection.PROTECTED


@pytest.mark.parametrize("modifies_orders", [True, False])
@pytest.mark.parametrize("outcome", [Unknown("no answer"), Refused("other", "it does not want it")])
def test_a_stop_that_is_too_small_is_replaced_although_it_cannot_be_read(
    modifies_orders: bool, outcome: SendOutcome
) -> None:
    """A node that is behind does not show it yet."""
    run = ScriptedRun(modifies_orders=modifies_orders)
    entering(run)
    (entry,) = run.sent(ENTRY)
    run.fill(entry, entry.amount / 2)
    (old,) = run.orders(STOP)
    run.answers[effects.ReadOrder] = lambda effect: inputs.ReadFailed(effect, "it is too old", run.now_ms)
    run.answers[effects.ModifyOrder] = lambda effect: inputs.ModifyAnswered(
        effect.client_order_id, effect.new_client_order_id, outcome, run.now_ms
    )
    run.answers[effects.SendOrder] = lambda effect: inputs.SendAnswered(
        effect.client_order_id, outcome, run.now_ms
    )
    run.silent = lambda effect: isinstance(effect, effects.ResolveOrder)
    run.fill(entry)
    (lost,) = run.sent(STOP)[1:]
    del run.answers[effects.ModifyOrder], run.answers[effects.SendOrder]
    run.handle(inputs.ResolveAnswered(lost.client_order_id, NeverWill("not known"), run.now_ms))
    run.tick(2)
    assert run.orders(STOP)[-1].amount == entry.amount
    assert run.facts.protection is Protection.PROTECTED
    del run.answers[effects.ReadOrder]
    run.tick(3)
    assert old.client_order_id not in run.resting


def test_a_cancel_that_is_lost_after_a_long_unknown_outcome_is_asked_about_at_once() -> None:
    run = ScriptedRun()
    in_doubt(run, STOP)
    run.enter()
    (first,) = run.sent(STOP)
    run.tick(20)
    run.answers.clear()
    run.answers[effects.ResolveOrder] = lambda effect: inputs.ResolveAnswered(
        effect.client_order_id, Executed(run.report(run.intents[effect.client_order_id])), run.now_ms
    )
    cancels = []

    def lose_first(effect):
        cancels.append(effect.client_order_id)
        lost = inputs.CancelAnswered(effect.client_order_id, Unknown("no answer"), run.now_ms)
        return lost if len(cancels) == 1 else None

    run.answers[effects.CancelOrder] = lose_first
    run.tick(4)
    assert cancels.count(first.client_order_id) == 2
    assert first.client_order_id not in run.resting


def test_a_closing_order_that_was_taken_and_is_not_shown_gets_one_beside_it() -> None:
    run = ScriptedRun()
    run.enter()
    in_doubt(run, CLOSING)
    run.bar(EXIT)
    run.tick(3)
    first, second = run.sent(CLOSING)
    assert first.amount == second.amount
    run.tick(20)
    assert len(run.sent(CLOSING)) == 2


def test_readings_that_fail_together_are_one_attempt() -> None:
    run = ScriptedRun()
    run.enter()
    readings = (
        effects.ReadPosition,
        effects.ReadFills,
        effects.ReadOpenOrders,
        effects.ReadBalance,
        effects.Reconcile,
    )
    asked_s = []

    def fail(effect):
        asked_s.append(run.elapsed_ms // 1000)
        return inputs.ReadFailed(effect, "no answer", run.now_ms)

    run.answers |= dict.fromkeys(readings, fail)
    began_s = run.elapsed_ms // 1000
    run.handle(StreamRestored("account", run.now_ms))
    run.core._context.want_position()
    run.core._context.want_fills()
    run.tick(10)
    assert len(asked_s) > len(set(asked_s))
    assert [second - began_s for second in sorted(set(asked_s))] == [0, 2, 4, 8]


# --- reports of the venue that are older than the books -----------------------------------------------


def test_a_position_from_before_a_fill_says_nothing_of_it() -> None:
    run = ScriptedRun()
    run.launch()
    run.bar()
    before = run.position()
    run.bar(ENTER)
    (entry,) = run.sent(ENTRY)
    run.answers[effects.ReadPosition] = lambda effect: inputs.PositionRead(before, run.now_ms)
    run.now_ms += 1
    run.fill(entry)
    run.handle(inputs.PositionRead(before, run.now_ms))
    run.tick(20)
    assert run.setup.market.amount(run.core.exposed_steps) == entry.amount
    assert [order.amount for order in run.orders(STOP)] == [entry.amount]
    assert not run.facts.is_paused


def test_a_stop_that_is_refused_is_placed_again_although_the_position_read_is_an_old_one() -> None:
    run = ScriptedRun()
    entry = run.enter()
    old = replace(run.position(), side=None, amount=Decimal(0), time_ms=run.now_ms - 1)
    run.answers[effects.ReadPosition] = lambda effect: inputs.PositionRead(old, run.now_ms)
    (stop,) = run.orders(STOP)
    run.end(stop)
    run.tick(3)
    (again,) = run.orders(STOP)
    assert again.amount == entry.amount


def test_what_is_entered_beside_a_stop_that_has_executed_gets_its_own_at_once() -> None:
    """The stop's fill does not arrive, and the venue's answer about the account is from before it."""
    run = ScriptedRun()
    entering(run)
    (entry,) = run.sent(ENTRY)
    first, second = entry.amount / 2, entry.amount / 4
    run.fill(entry, first)
    known, before = list(run.fills), run.position()
    run.answers[effects.ReadFills] = lambda effect: inputs.FillsRead(known, [], run.now_ms)
    run.answers[effects.ReadPosition] = lambda effect: inputs.PositionRead(before, run.now_ms)
    (stop,) = run.orders(STOP)
    run.now_ms += 1_000
    run.filled[stop.client_order_id] = first
    run.held -= first
    run._fill(stop.client_order_id, stop.side, first, 95.0)
    run.end(stop, OrderState.FILLED)
    assert effects.CancelOrder(entry.client_order_id) in run.effects
    run.now_ms += 1_000
    run.fill(entry, second)
    assert [order.amount for order in run.orders(STOP)] == [second]
    del run.answers[effects.ReadFills], run.answers[effects.ReadPosition]
    run.tick(3)
    (trade,) = run.trades
    assert (trade.amount, trade.reason) == (first, ExitReason.STOP_LOSS)
    assert abs(run.core.exposed_steps) == run.setup.market.steps(second)


def test_a_position_from_before_a_refusal_to_reduce_it_ends_no_run() -> None:
    """The venue has liquidated without a word; a node that is behind shows the position and its stop."""
    run = ScriptedRun(settings=TRAILING)
    run.enter()
    before, known = run.position(), list(run.fills)
    refused = Refused("reduce_only", "there is no position that it would reduce")
    run.answers[effects.ModifyOrder] = lambda effect: inputs.ModifyAnswered(
        effect.client_order_id, effect.new_client_order_id, refused, run.now_ms
    )
    run.answers[effects.ReadPosition] = lambda effect: inputs.PositionRead(before, run.now_ms)
    run.answers[effects.ReadFills] = lambda effect: inputs.FillsRead(known, [], run.now_ms)
    amount, run.held = run.held, Decimal(0)
    run.now_ms += 1_000
    run._fill(None, OrderSide.SELL, amount, 80.0, liquidates=True)
    run.bar(close=110.0)
    run.stop(StopMode.LEAVE)
    run.tick(20)
    assert not run.is_over
    run.answers.clear()
    for order in list(run.resting.values()):
        run.end(order)
    run.tick(20)
    assert run.is_over
    assert run.facts.exposure is Exposure.FLAT
    assert [trade.reason for trade in run.trades] == [ExitReason.LIQUIDATION]


def test_a_position_that_differs_anew_is_believed_only_after_the_fills_since_were_read() -> None:
    run = ScriptedRun()
    entering(run)
    (entry,) = run.sent(ENTRY)
    part = entry.amount / 4
    run.fill(entry, part * 2)
    # More of the entry fills unreported, and for a while no fills can be read.
    run.answers[effects.ReadFills] = lambda effect: inputs.ReadFailed(effect, "no answer", run.now_ms)
    run.filled[entry.client_order_id] += part
    run.held += part
    run._fill(entry.client_order_id, entry.side, part, run.price)
    run.core._context.want_position()
    run.tick(8)
    run.answers.clear()
    run.silent = lambda effect: isinstance(effect, effects.ReadPosition)
    run.tick(2)
    assert run.setup.market.amount(run.core.exposed_steps) == part * 3
    # Now a part of the stop fills, unreported, too, before the position is read.
    (stop,) = run.orders(STOP)
    run.filled[stop.client_order_id] = part
    run.held -= part
    fill = run._fill(stop.client_order_id, stop.side, part, 95.0)
    run.silent = lambda effect: False
    run.handle(inputs.PositionRead(run.position(), run.now_ms))
    run.tick(3)
    assert run.setup.market.amount(run.core.exposed_steps) == part * 2
    assert fill in [record.fill for record in run.records if isinstance(record, FillRow)]
    assert not run.facts.is_paused
