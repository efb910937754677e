"""Requests that are not answered, or of which the venue does not say what came of them."""

from dataclasses import replace
from decimal import Decimal

import pytest

from firstwatch.engine.core import effects, inputs
from firstwatch.engine.core.order_manager import DOUBT_MS
from firstwatch.trading.events import AlarmRaised
from firstwatch.trading.orders import OrderPurpose, OrderSide, OrderState
from firstwatch.trading.runs import Author, ExitReason, Exposure, Protection, RunState, StopMode
from firstwatch.venues.protocol import Accepted, Executed, Refused, StillUnknown, StreamRestored, Unknown
from tests.engine.scripted import ENTER, EXIT, TRAILING, Desk

ENTRY, STOP, CLOSING = OrderPurpose.ENTRY, OrderPurpose.STOP, OrderPurpose.EXIT
DOUBT_S = DOUBT_MS // 1000


def sends(purpose):
    """Return what tells whether an effect sends an order of that purpose, of a desk's."""

    def of(desk):
        return lambda effect: (
            isinstance(effect, effects.SendOrder) and desk.intents[effect.client_order_id].purpose is purpose
        )

    return of


def in_doubt(desk: Desk, purpose: OrderPurpose) -> None:
    """Let orders of that purpose arrive and be taken, and the venue say no more of them."""
    is_sent = sends(purpose)(desk)

    def send(effect):
        if not is_sent(effect):
            return None
        desk.resting[effect.client_order_id] = desk.intents[effect.client_order_id]
        return inputs.SendAnswered(effect.client_order_id, Unknown("no answer"), desk.now_ms)

    def resolve(effect):
        if desk.intents[effect.client_order_id].purpose is not purpose:
            return None
        return inputs.ResolveAnswered(
            effect.client_order_id, StillUnknown("taken", is_taken=True), desk.now_ms
        )

    desk.answers[effects.SendOrder] = send
    desk.answers[effects.ResolveOrder] = resolve


def entering(desk: Desk) -> None:
    desk.launch()
    desk.bar()
    desk.bar(ENTER)


# --- requests under way --------------------------------------------------------------------------


def test_the_stop_is_sent_while_the_entry_is_not_answered() -> None:
    desk = Desk()
    desk.silent = sends(ENTRY)(desk)
    entering(desk)
    (entry,) = desk.sent(ENTRY)
    desk.fill(entry)
    (stop,) = desk.orders(STOP)
    assert stop.amount == entry.amount
    assert desk.facts.protection is Protection.PROTECTED
    accepted = Accepted("7", filled=entry.amount, average_price=Decimal(100))
    desk.tell(inputs.SendAnswered(entry.client_order_id, accepted, desk.now_ms, desk.touch(), desk.touch()))
    assert desk.orders(STOP) == [stop]
    assert len(desk.sent(ENTRY)) == 1


def test_the_prices_around_a_call_are_kept_although_its_fill_was_faster() -> None:
    desk = Desk()
    desk.silent = sends(ENTRY)(desk)
    entering(desk)
    (entry,) = desk.sent(ENTRY)
    desk.core.note_submission(entry.client_order_id, desk.touch())
    desk.fill(entry)
    fills = [record for record in desk.records if type(record).__name__ == "FillRow"]
    assert [row.mid_at_submission for row in fills] == [100.0]
    assert [row.mid_at_acknowledgement for row in fills] == [None]
    before = len(desk.records)
    desk.tell(
        inputs.SendAnswered(entry.client_order_id, Accepted("7"), desk.now_ms, desk.touch(), desk.touch())
    )
    changed = [record for record in desk.records[before:] if type(record).__name__ == "OrderChanged"]
    assert [record.state for record in changed] == [OrderState.FILLED]


def test_an_order_that_is_under_way_is_not_resolved_by_a_reading_of_everything() -> None:
    desk = Desk()
    desk.silent = sends(ENTRY)(desk)
    entering(desk)
    (entry,) = desk.sent(ENTRY)
    assert desk.core.questions().doubtful == []
    assert desk.core.questions(is_new_life=True).doubtful == [entry.client_order_id]


def test_a_reading_that_was_wanted_again_while_it_was_under_way_is_made_again() -> None:
    desk = Desk()
    entry = desk.enter()
    desk.silent = lambda effect: isinstance(effect, effects.ReadPosition)
    desk.foreign_fill(entry.side.opposite, Decimal(1))
    asked = [effect for effect in desk.effects if isinstance(effect, effects.ReadPosition)]
    old = desk.position()
    desk.foreign_fill(entry.side, Decimal(1))
    desk.tell(inputs.PositionRead(old, desk.now_ms))
    again = [effect for effect in desk.effects if isinstance(effect, effects.ReadPosition)]
    assert len(again) > len(asked)


# --- what the venue has taken and does not show ----------------------------------------------------


def test_no_entry_is_made_while_it_is_not_known_what_became_of_one() -> None:
    desk = Desk()
    in_doubt(desk, ENTRY)
    entering(desk)
    for _ in range(5):
        desk.tick(30)
        desk.bar(ENTER)
    assert len(desk.sent(ENTRY)) == 1
    assert [event.topic for event in desk.journal(AlarmRaised)] == ["order in doubt"]
    (entry,) = desk.sent(ENTRY)
    assert entry.client_order_id in desk.journal(AlarmRaised)[0].sentence
    assert desk.facts.exposure is Exposure.UNKNOWN


@pytest.mark.parametrize("mode", list(StopMode))
def test_a_stop_goes_on_by_the_position_when_a_doubt_lasts(mode: StopMode) -> None:
    desk = Desk()
    in_doubt(desk, ENTRY)
    entering(desk)
    desk.tick(20)
    desk.stop(mode)
    desk.tick(DOUBT_S - 25)
    assert desk.core.state is RunState.STOPPING
    desk.tick(10)
    assert desk.core.state is RunState.STOPPED
    assert desk.facts.exposure is Exposure.UNKNOWN
    assert "look at the wallet" in desk.facts.sentence


def test_a_stop_does_not_fail_for_want_of_time_that_a_doubt_takes() -> None:
    desk = Desk()
    desk.launch()
    desk.bar()
    in_doubt(desk, ENTRY)
    desk.bar(ENTER)
    desk.stop(StopMode.CLOSE)
    desk.tick(DOUBT_S + 10)
    assert desk.transitions[-1] is RunState.STOPPED


def test_what_an_entry_in_doubt_has_made_is_closed_when_the_operator_wants_it() -> None:
    desk = Desk()
    in_doubt(desk, ENTRY)
    entering(desk)
    (entry,) = desk.sent(ENTRY)
    desk.tell(inputs.CloseRequested(Author.OPERATOR, desk.now_ms))
    assert desk.core.handle(inputs.TimePassed(desk.now_ms, desk.elapsed_ms)).refusal == ""
    desk.tick(20)
    desk.fill(entry)
    (closing,) = desk.sent(CLOSING)
    assert closing.amount == entry.amount


def test_a_position_that_only_an_entry_in_doubt_explains_is_closed_in_the_end() -> None:
    desk = Desk()
    in_doubt(desk, ENTRY)
    entering(desk)
    (entry,) = desk.sent(ENTRY)
    desk.held = entry.side.sign * entry.amount
    desk.tick(DOUBT_S - 5)
    assert desk.sent(CLOSING) == []
    assert not desk.core.checkpoint().count("unexplained")
    desk.tick(20)
    (closing,) = desk.sent(CLOSING)
    assert (closing.amount, closing.side) == (entry.amount, entry.side.opposite)


def test_a_stop_that_was_taken_and_is_not_shown_gets_one_beside_it_and_goes_when_it_shows() -> None:
    desk = Desk()
    in_doubt(desk, STOP)
    desk.enter()
    (first,) = desk.sent(STOP)
    desk.tick(1)
    assert len(desk.sent(STOP)) == 1
    desk.tick(2)
    assert len(desk.sent(STOP)) == 2
    desk.tick(20)
    assert len(desk.sent(STOP)) == 2
    desk.answers.clear()
    desk.answers[effects.ResolveOrder] = lambda effect: inputs.ResolveAnswered(
        effect.client_order_id, Executed(desk.report(desk.intents[effect.client_order_id])), desk.now_ms
    )
    desk.tick(5)
    assert first.client_order_id not in desk.resting
    (stop,) = desk.orders(STOP)
    assert desk.facts.protection is Protection.PROTECTED
    assert stop is not first


def test_a_cancel_that_is_lost_after_a_long_doubt_is_asked_about_at_once() -> None:
    desk = Desk()
    in_doubt(desk, STOP)
    desk.enter()
    (first,) = desk.sent(STOP)
    desk.tick(20)
    desk.answers.clear()
    desk.answers[effects.ResolveOrder] = lambda effect: inputs.ResolveAnswered(
        effect.client_order_id, Executed(desk.report(desk.intents[effect.client_order_id])), desk.now_ms
    )
    cancels = []

    def lose_first(effect):
        cancels.append(effect.client_order_id)
        lost = inputs.CancelAnswered(effect.client_order_id, Unknown("no answer"), desk.now_ms)
        return lost if len(cancels) == 1 else None

    desk.answers[effects.CancelOrder] = lose_first
    desk.tick(4)
    assert cancels.count(first.client_order_id) == 2
    assert first.client_order_id not in desk.resting


def test_a_closing_order_that_was_taken_and_is_not_shown_gets_one_beside_it() -> None:
    desk = Desk()
    desk.enter()
    in_doubt(desk, CLOSING)
    desk.bar(EXIT)
    desk.tick(3)
    first, second = desk.sent(CLOSING)
    assert first.amount == second.amount
    desk.tick(20)
    assert len(desk.sent(CLOSING)) == 2


def test_readings_that_fail_together_are_one_attempt() -> None:
    desk = Desk()
    desk.enter()
    readings = (
        effects.ReadPosition,
        effects.ReadFills,
        effects.ReadOpenOrders,
        effects.ReadBalance,
        effects.Reconcile,
    )
    asked_s = []

    def fail(effect):
        asked_s.append(desk.elapsed_ms // 1000)
        return inputs.ReadFailed(effect, "no answer", desk.now_ms)

    desk.answers |= dict.fromkeys(readings, fail)
    began_s = desk.elapsed_ms // 1000
    desk.tell(StreamRestored("account", desk.now_ms))
    desk.core._context.want_position()
    desk.core._context.want_fills()
    desk.tick(10)
    assert len(asked_s) > len(set(asked_s))
    assert [second - began_s for second in sorted(set(asked_s))] == [0, 2, 4, 8]


# --- words of the venue that are older than what is booked ------------------------------------------


def test_a_position_from_before_a_fill_says_nothing_of_it() -> None:
    desk = Desk()
    desk.launch()
    desk.bar()
    before = desk.position()
    desk.bar(ENTER)
    (entry,) = desk.sent(ENTRY)
    desk.answers[effects.ReadPosition] = lambda effect: inputs.PositionRead(before, desk.now_ms)
    desk.now_ms += 1
    desk.fill(entry)
    desk.tell(inputs.PositionRead(before, desk.now_ms))
    desk.tick(20)
    assert desk.setup.market.amount(desk.core.exposed_steps) == entry.amount
    assert [order.amount for order in desk.orders(STOP)] == [entry.amount]
    assert not desk.facts.is_paused


def test_a_stop_that_is_refused_is_placed_again_although_the_position_read_is_an_old_one() -> None:
    desk = Desk()
    entry = desk.enter()
    old = replace(desk.position(), side=None, amount=Decimal(0), time_ms=desk.now_ms - 1)
    desk.answers[effects.ReadPosition] = lambda effect: inputs.PositionRead(old, desk.now_ms)
    (stop,) = desk.orders(STOP)
    desk.end(stop)
    desk.tick(3)
    (again,) = desk.orders(STOP)
    assert again.amount == entry.amount


def test_what_is_entered_beside_a_stop_that_has_executed_gets_its_own_at_once() -> None:
    """The stop's fill is not told, and what the venue says of the account is from before it."""
    desk = Desk()
    entering(desk)
    (entry,) = desk.sent(ENTRY)
    first, second = entry.amount / 2, entry.amount / 4
    desk.fill(entry, first)
    known, before = list(desk.fills), desk.position()
    desk.answers[effects.ReadFills] = lambda effect: inputs.FillsRead(known, [], desk.now_ms)
    desk.answers[effects.ReadPosition] = lambda effect: inputs.PositionRead(before, desk.now_ms)
    (stop,) = desk.orders(STOP)
    desk.now_ms += 1_000
    desk.filled[stop.client_order_id] = first
    desk.held -= first
    desk._fill(stop.client_order_id, stop.side, first, 95.0)
    desk.end(stop, OrderState.FILLED)
    assert effects.CancelOrder(entry.client_order_id) in desk.effects
    desk.now_ms += 1_000
    desk.fill(entry, second)
    assert [order.amount for order in desk.orders(STOP)] == [second]
    del desk.answers[effects.ReadFills], desk.answers[effects.ReadPosition]
    desk.tick(3)
    (trade,) = desk.trades
    assert (trade.amount, trade.reason) == (first, ExitReason.STOP_LOSS)
    assert abs(desk.core.exposed_steps) == desk.setup.market.steps(second)


def test_a_position_from_before_a_refusal_to_reduce_it_ends_no_run() -> None:
    """The venue has liquidated without a word; a node that is behind shows the position and its stop."""
    desk = Desk(settings=TRAILING)
    desk.enter()
    before, known = desk.position(), list(desk.fills)
    refused = Refused("reduce_only", "there is no position that it would reduce")
    desk.answers[effects.ModifyOrder] = lambda effect: inputs.ModifyAnswered(
        effect.client_order_id, effect.new_client_order_id, refused, desk.now_ms
    )
    desk.answers[effects.ReadPosition] = lambda effect: inputs.PositionRead(before, desk.now_ms)
    desk.answers[effects.ReadFills] = lambda effect: inputs.FillsRead(known, [], desk.now_ms)
    amount, desk.held = desk.held, Decimal(0)
    desk.now_ms += 1_000
    desk._fill(None, OrderSide.SELL, amount, 80.0, liquidates=True)
    desk.bar(close=110.0)
    desk.stop(StopMode.LEAVE)
    desk.tick(20)
    assert not desk.is_over
    desk.answers.clear()
    for order in list(desk.resting.values()):
        desk.end(order)
    desk.tick(20)
    assert desk.is_over
    assert desk.facts.exposure is Exposure.FLAT
    assert [trade.reason for trade in desk.trades] == [ExitReason.LIQUIDATION]
