"""What a run says of its stop and its target is what the venue has confirmed, not what is wanted."""

import itertools
from dataclasses import replace
from decimal import Decimal

import pytest

from firstwatch.engine.core import effects, inputs
from firstwatch.engine.core.records import JournalRow
from firstwatch.strategy.core_state import FRACTION, CoreSettings
from firstwatch.trading.bar import Bar
from firstwatch.trading.events import AlarmCleared, AlarmRaised, OrderMoved, ProtectionMoved
from firstwatch.trading.orders import OrderPurpose
from firstwatch.trading.runs import ExitReason, Protection, RunState, StopMode
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.protocol import (
    Executed,
    NeverWill,
    OrderReported,
    Refused,
    Resolution,
    SendOutcome,
    StillUnknown,
    Unknown,
)
from tests.engine.scripted import ENTER, HOUR_MS, START_MS, Desk

TRAILING = CoreSettings(
    stop_kind=FRACTION,
    stop_value=0.05,
    stop_trails=1,
    target_kind=FRACTION,
    target_value=0.2,
    sizing_value=0.5,
)
OLD, NEW = Decimal("95"), Decimal("106.4")
FAULTS: dict[str, SendOutcome] = {
    "request budget used up": Refused("rate_limit", "Too many cumulative requests sent"),
    "key not known": Refused("auth", "unknown signer"),
    "no margin": Refused("margin", "insufficient"),
    "anything": Refused("other", "no"),
    "gone by its word": Refused("not_found", "never placed, already canceled, or filled"),
    "502": Unknown("502 Bad Gateway"),
}
"""How requests to move a leg fail; after an unknown one the venue knows of none."""


def fail_moves(desk: Desk, outcome: SendOutcome, purpose: OrderPurpose, times: int = 10_000) -> list[int]:
    """Let requests to move that leg fail; returns the machine's times at which they were made."""
    asked: list[int] = []

    def answer(effect: effects.Effect) -> inputs.Event | None:
        assert isinstance(effect, effects.SendOrder | effects.ModifyOrder)
        new_id = (
            effect.client_order_id if isinstance(effect, effects.SendOrder) else effect.new_client_order_id
        )
        rests = [order for order in desk.orders(purpose) if order.client_order_id != new_id]
        if desk.intents[new_id].purpose is not purpose or not rests or len(asked) == times:
            return None
        asked.append(desk.elapsed_ms)
        if isinstance(effect, effects.SendOrder):
            return inputs.SendAnswered(new_id, outcome, desk.now_ms)
        return inputs.ModifyAnswered(effect.client_order_id, new_id, outcome, desk.now_ms)

    desk.answers[effects.SendOrder] = desk.answers[effects.ModifyOrder] = answer
    return asked


def trail(desk: Desk) -> None:
    """Close a bar after which the stop is wanted higher."""
    desk.bar(close=110.0, high=112.0)


def levels(desk: Desk) -> tuple[Decimal | None, ...]:
    row = desk.position_row
    return row.stop, row.stop_wanted, row.target, row.target_wanted


def alarms(desk: Desk, topic: str) -> list[str]:
    return [event.sentence for event in desk.journal(AlarmRaised) if event.topic == topic]


def announced(desk: Desk) -> list[tuple[Decimal | None, str]]:
    return [(event.stop, event.why) for event in desk.journal(ProtectionMoved) if event.stop is not None]


@pytest.mark.parametrize("modifies_orders", [True, False])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_stop_that_cannot_be_moved_is_shown_where_it_rests(fault: str, modifies_orders: bool) -> None:
    desk = Desk(settings=TRAILING, modifies_orders=modifies_orders)
    desk.enter()
    assert levels(desk) == (OLD, OLD, Decimal(120), Decimal(120))
    fail_moves(desk, FAULTS[fault], OrderPurpose.STOP)
    trail(desk)
    for _ in range(30):
        assert levels(desk) == (OLD, NEW, Decimal(120), Decimal(120))
        assert desk.facts.protection is Protection.UNPROTECTED
        desk.tick()
    (sentence,) = alarms(desk, "stop")
    assert "95" in sentence
    assert "106.4" in sentence
    assert desk.facts.sentence == sentence
    assert announced(desk) == [(OLD, "stop placed")]
    assert [stop.trigger_price for stop in desk.orders(OrderPurpose.STOP)] == [OLD]
    assert alarms(desk, "unprotected") == []
    assert desk.sent(OrderPurpose.EXIT) == []
    desk.answers.clear()
    desk.tick(35)
    assert levels(desk) == (NEW, NEW, Decimal(120), Decimal(120))
    assert desk.facts.protection is Protection.PROTECTED
    assert announced(desk)[-1] == (NEW, "stop moved")
    assert "stop" in {event.topic for event in desk.journal(AlarmCleared)}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_second_refusal_of_a_move_is_an_alarm_and_the_first_is_not(fault: str) -> None:
    desk = Desk(settings=TRAILING)
    desk.enter()
    asked = fail_moves(desk, FAULTS[fault], OrderPurpose.STOP)
    trail(desk)
    while len(asked) < 2:
        assert alarms(desk, "stop") == []
        assert desk.facts.protection is Protection.UNPROTECTED or len(asked) == 0
        desk.tick()
    desk.tick()
    assert len(alarms(desk, "stop")) == 1


@pytest.mark.parametrize("purpose", [OrderPurpose.STOP, OrderPurpose.TARGET])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("timeframe", [Timeframe.M1, Timeframe.M5, Timeframe.H1])
def test_a_move_is_tried_again_within_five_per_cent_of_the_bar(
    timeframe: Timeframe, fault: str, purpose: OrderPurpose
) -> None:
    desk = Desk(settings=TRAILING, timeframe=timeframe)
    desk.enter()
    asked = fail_moves(desk, FAULTS[fault], purpose)
    desk.core._memory.core.stop, desk.core._memory.core.target = 96.0, 121.0
    desk.tick(400)
    longest = max(later - earlier for earlier, later in itertools.pairwise(asked))
    assert longest <= max(2_000, timeframe.ms * 0.05) + 1_000  # the machine's time comes by the second
    assert 400_000 - asked[-1] <= longest


def test_the_same_holds_for_a_target() -> None:
    desk = Desk(settings=TRAILING)
    desk.launch()
    desk.bar()
    desk.bar(ENTER)
    (entry,) = desk.sent(OrderPurpose.ENTRY)
    desk.fill(entry, Decimal(10))
    assert levels(desk) == (OLD, OLD, Decimal(120), Decimal(120))
    fail_moves(desk, Refused("rate_limit", "budget"), OrderPurpose.TARGET)
    desk.fill(entry, price=104.0)
    stop, stop_wanted, target, wanted = levels(desk)
    assert stop == stop_wanted != OLD
    assert (target, wanted) == (Decimal(120), desk.setup.market.price(desk.core._memory.core.target))
    assert wanted != target
    assert alarms(desk, "target") == []
    desk.tick(3)
    (sentence,) = alarms(desk, "target")
    assert f"{wanted:f}" in sentence
    assert "120" in sentence
    desk.answers.clear()
    desk.tick(35)
    assert levels(desk) == (stop, stop, wanted, wanted)


def test_a_target_of_which_none_rests_is_shown_as_none() -> None:
    desk = Desk(settings=TRAILING)
    desk.answers[effects.SendOrder] = lambda effect: (
        inputs.SendAnswered(effect.client_order_id, Refused("margin", "no"), desk.now_ms)
        if isinstance(effect, effects.SendOrder)
        and desk.intents[effect.client_order_id].purpose is OrderPurpose.TARGET
        else None
    )
    desk.enter()
    desk.tick(10)
    assert levels(desk) == (OLD, OLD, None, Decimal(120))
    (sentence,) = alarms(desk, "target")
    assert "none rests" in sentence
    assert desk.facts.protection is Protection.PROTECTED


@pytest.mark.parametrize("is_executed", [True, False, None])
def test_a_move_whose_outcome_is_not_known_is_shown_once_it_is(is_executed: bool | None) -> None:
    desk = Desk(settings=TRAILING)
    desk.enter()

    def lose(effect: effects.Effect) -> inputs.Event:
        assert isinstance(effect, effects.ModifyOrder)
        if is_executed:
            del desk.resting[effect.client_order_id]
            desk.resting[effect.new_client_order_id] = desk.intents[effect.new_client_order_id]
        return inputs.ModifyAnswered(
            effect.client_order_id, effect.new_client_order_id, Unknown("lost"), desk.now_ms
        )

    def resolve(effect: effects.Effect) -> inputs.Event:
        assert isinstance(effect, effects.ResolveOrder)
        found: Resolution = NeverWill("never came")
        if is_executed is None:
            found = StillUnknown("no answer")
        elif is_executed:
            found = Executed(desk.report(desk.intents[effect.client_order_id]))
        return inputs.ResolveAnswered(effect.client_order_id, found, desk.now_ms)

    desk.answers[effects.ModifyOrder], desk.answers[effects.ResolveOrder] = lose, resolve
    desk.answers[effects.ReadOpenOrders] = lambda effect: inputs.ReadFailed(effect, "lost", desk.now_ms)
    trail(desk)
    if is_executed:
        assert levels(desk)[:2] == (NEW, NEW)
        assert announced(desk)[-1] == (NEW, "stop moved")
        return
    assert levels(desk)[:2] == (OLD, NEW)
    assert desk.facts.protection is Protection.UNPROTECTED
    desk.tick(10)
    assert levels(desk)[:2] == (OLD, NEW)
    if is_executed is None:
        (sentence,) = alarms(desk, "stop")
        assert "95" in sentence
        assert "106.4" in sentence
    assert announced(desk) == [(OLD, "stop placed")]


def test_the_journal_says_moved_after_the_venue_s_word() -> None:
    desk = Desk(settings=TRAILING)
    desk.enter()
    desk.answers[effects.ModifyOrder] = lambda effect: inputs.ReadFailed(effect, "on its way", desk.now_ms)
    trail(desk)
    assert announced(desk) == [(OLD, "stop placed")]
    assert levels(desk)[:2] == (OLD, NEW)
    assert desk.facts.protection is Protection.PROTECTED  # the first request for it has no answer yet
    new = desk.sent(OrderPurpose.STOP)[-1]
    (old,) = desk.orders(OrderPurpose.STOP)
    desk.resting = {new.client_order_id: new}
    desk.tell(OrderReported(desk.report(new), desk.now_ms))
    assert announced(desk)[-1] == (NEW, "stop moved")
    rows = [record.event for record in desk.records if isinstance(record, JournalRow)]
    confirmed = [
        place
        for place, event in enumerate(rows)
        if isinstance(event, OrderMoved) and event.client_order_id == new.client_order_id
    ]
    moved = [place for place, event in enumerate(rows) if isinstance(event, ProtectionMoved)]
    assert moved[-1] > confirmed[-1]
    assert levels(desk)[:2] == (NEW, NEW)
    assert old.trigger_price == OLD


def test_it_is_shown_after_a_restart_too() -> None:
    desk = Desk(settings=TRAILING)
    desk.enter()
    fail_moves(desk, Refused("rate_limit", "budget"), OrderPurpose.STOP)
    trail(desk)
    desk.tick(3)
    desk.records.clear()
    desk.restart()
    assert desk.facts.protection is Protection.UNPROTECTED
    assert desk.facts.sentence.startswith("a stop is wanted")
    desk.bar(close=115.0, high=120.0)
    assert levels(desk)[:2] == (OLD, Decimal(114))
    assert "114" in alarms(desk, "stop")[-1]


def refused_in_the_end(**launch: object) -> Desk:
    desk = Desk(settings=TRAILING, **launch)
    desk.enter()
    fail_moves(desk, Refused("rate_limit", "budget"), OrderPurpose.STOP)
    trail(desk)
    desk.tick(3)
    return desk


def test_a_stopped_run_says_where_its_stop_rests() -> None:
    desk = refused_in_the_end()
    desk.stop(StopMode.LEAVE)
    desk.tick(3)
    assert desk.transitions[-1] is RunState.STOPPED
    assert "trailing stop frozen at 95.0 where 106.4 was wanted" in desk.facts.sentence
    assert levels(desk)[:2] == (OLD, NEW)


def test_a_run_that_could_not_cancel_its_protection_says_that_it_rests() -> None:
    desk = refused_in_the_end()
    desk.answers[effects.CancelOrder] = lambda effect: inputs.CancelAnswered(
        effect.client_order_id, Refused("rate_limit", "budget"), desk.now_ms
    )
    desk.stop(StopMode.LEAVE_UNPROTECTED)
    desk.tick(70)
    assert desk.transitions[-1] is RunState.FAILED
    assert "frozen at 95" in desk.facts.sentence
    assert levels(desk) == (OLD, NEW, Decimal(120), Decimal(120))


def test_a_run_that_gave_its_protection_up_has_none_that_rests() -> None:
    desk = refused_in_the_end()
    desk.stop(StopMode.LEAVE_UNPROTECTED)
    desk.tick(3)
    assert desk.transitions[-1] is RunState.STOPPED
    assert "without a stop" in desk.facts.sentence
    assert levels(desk) == (None, NEW, None, Decimal(120))
    assert desk.core._memory.alarms == {}


def test_a_flat_run_has_no_levels() -> None:
    desk = refused_in_the_end()
    desk.answers.clear()
    desk.fill(desk.orders(OrderPurpose.TARGET)[0], price=120.0)
    assert levels(desk) == (None, None, None, None)
    assert desk.facts.protection is Protection.NOT_NEEDED
    assert desk.core._memory.alarms == {}


def test_the_stop_of_an_adopted_position_is_shown_once_it_rests() -> None:
    desk = Desk(settings=TRAILING, assume_position_now=True)
    desk.held, desk.price = Decimal(5), 100.0
    desk.answers[effects.SendOrder] = lambda effect: inputs.SendAnswered(
        effect.client_order_id, Refused("rate_limit", "budget"), desk.now_ms
    )
    bar = Bar(START_MS - HOUR_MS, 100.0, 100.0, 100.0, 100.0, 1.0)
    desk.tell(inputs.Launched(desk.position(), [], desk.balance(), desk.touch(), bar, START_MS))
    assert levels(desk) == (None, OLD, None, Decimal(120))
    desk.answers.clear()
    desk.tick(2)
    assert levels(desk) == (OLD, OLD, Decimal(120), Decimal(120))


def test_a_stop_that_somebody_moved_at_the_venue_is_shown_there_and_moved_back() -> None:
    desk = Desk(settings=TRAILING)
    desk.enter()
    fail_moves(desk, Refused("rate_limit", "budget"), OrderPurpose.STOP, times=1)
    (stop,) = desk.orders(OrderPurpose.STOP)
    moved = replace(desk.report(stop), trigger_price=Decimal(80))
    desk.answers[effects.ReadOpenOrders] = lambda effect: inputs.OpenOrdersRead([moved], desk.now_ms)
    desk.answers[effects.ReadOrder] = lambda effect: inputs.OrderRead(
        stop.client_order_id, moved, desk.now_ms
    )
    desk.tell(OrderReported(moved, desk.now_ms))
    assert levels(desk)[:2] == (Decimal(80), OLD)
    assert desk.facts.protection is Protection.UNPROTECTED
    desk.answers.clear()
    desk.tick(5)
    assert levels(desk)[:2] == (OLD, OLD)
    assert desk.facts.protection is Protection.PROTECTED


def test_a_venue_that_puts_stops_elsewhere_than_asked_is_not_asked_without_end() -> None:
    desk = Desk(settings=TRAILING)
    real = desk.report
    desk.report = lambda intent: (  # type: ignore[method-assign]
        real(intent)
        if intent.purpose is not OrderPurpose.STOP
        else replace(real(intent), trigger_price=Decimal("94.9"))
    )
    desk.enter()
    for _ in range(60):
        for stop in desk.orders(OrderPurpose.STOP):
            desk.tell(OrderReported(desk.report(stop), desk.now_ms))
        desk.tick()
    assert len(desk.sent(OrderPurpose.STOP)) <= 10
    assert levels(desk)[:2] == (Decimal("94.9"), OLD)


def test_a_price_that_has_passed_the_wanted_stop_closes_although_the_old_one_rests() -> None:
    desk = Desk(settings=TRAILING)
    desk.enter()
    fail_moves(desk, Refused("beyond_mark", "Invalid TP/SL price"), OrderPurpose.STOP)
    trail(desk)
    (closing,) = desk.orders(OrderPurpose.EXIT)
    assert [stop.trigger_price for stop in desk.orders(OrderPurpose.STOP)] == [OLD]
    desk.price = 105.0
    desk.fill(closing)
    assert desk.trades[0].reason is ExitReason.TRAILING_STOP
    assert desk.resting == {}
