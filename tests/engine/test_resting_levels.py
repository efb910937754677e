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
from tests.engine.scripted import ENTER, HOUR_MS, START_MS, ScriptedRun

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


def fail_moves(
    run: ScriptedRun, outcome: SendOutcome, purpose: OrderPurpose, times: int = 10_000
) -> list[int]:
    """Let requests to move that leg fail; returns the machine's times at which they were made."""
    asked: list[int] = []

    def answer(effect: effects.Effect) -> inputs.Event | None:
        assert isinstance(effect, effects.SendOrder | effects.ModifyOrder)
        new_id = (
            effect.client_order_id if isinstance(effect, effects.SendOrder) else effect.new_client_order_id
        )
        rests = [order for order in run.orders(purpose) if order.client_order_id != new_id]
        if run.intents[new_id].purpose is not purpose or not rests or len(asked) == times:
            return None
        asked.append(run.elapsed_ms)
        if isinstance(effect, effects.SendOrder):
            return inputs.SendAnswered(new_id, outcome, run.now_ms)
        return inputs.ModifyAnswered(effect.client_order_id, new_id, outcome, run.now_ms)

    run.answers[effects.SendOrder] = run.answers[effects.ModifyOrder] = answer
    return asked


def trail(run: ScriptedRun) -> None:
    """Close a bar after which the stop is wanted higher."""
    run.bar(close=110.0, high=112.0)


def levels(run: ScriptedRun) -> tuple[Decimal | None, ...]:
    row = run.position_row
    return row.stop, row.stop_wanted, row.target, row.target_wanted


def alarms(run: ScriptedRun, topic: str) -> list[str]:
    return [event.sentence for event in run.journal(AlarmRaised) if event.topic == topic]


def announced(run: ScriptedRun) -> list[tuple[Decimal | None, str]]:
    return [(event.stop, event.why) for event in run.journal(ProtectionMoved) if event.stop is not None]


@pytest.mark.parametrize("modifies_orders", [True, False])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_stop_that_cannot_be_moved_is_shown_where_it_rests(fault: str, modifies_orders: bool) -> None:
    run = ScriptedRun(settings=TRAILING, modifies_orders=modifies_orders)
    run.enter()
    assert levels(run) == (OLD, OLD, Decimal(120), Decimal(120))
    fail_moves(run, FAULTS[fault], OrderPurpose.STOP)
    trail(run)
    for _ in range(30):
        assert levels(run) == (OLD, NEW, Decimal(120), Decimal(120))
        assert run.facts.protection is Protection.UNPROTECTED
        run.tick()
    (sentence,) = alarms(run, "stop")
    assert "95" in sentence
    assert "106.4" in sentence
    assert run.facts.sentence == sentence
    assert announced(run) == [(OLD, "stop placed")]
    assert [stop.trigger_price for stop in run.orders(OrderPurpose.STOP)] == [OLD]
    assert alarms(run, "unprotected") == []
    assert run.sent(OrderPurpose.EXIT) == []
    run.answers.clear()
    run.tick(35)
    assert levels(run) == (NEW, NEW, Decimal(120), Decimal(120))
    assert run.facts.protection is Protection.PROTECTED
    assert announced(run)[-1] == (NEW, "stop moved")
    assert "stop" in {event.topic for event in run.journal(AlarmCleared)}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_second_refusal_of_a_move_is_an_alarm_and_the_first_is_not(fault: str) -> None:
    run = ScriptedRun(settings=TRAILING)
    run.enter()
    asked = fail_moves(run, FAULTS[fault], OrderPurpose.STOP)
    trail(run)
    while len(asked) < 2:
        assert alarms(run, "stop") == []
        assert run.facts.protection is Protection.UNPROTECTED or len(asked) == 0
        run.tick()
    run.tick()
    assert len(alarms(run, "stop")) == 1


@pytest.mark.parametrize("purpose", [OrderPurpose.STOP, OrderPurpose.TARGET])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("timeframe", [Timeframe.M1, Timeframe.M5, Timeframe.H1])
def test_a_move_is_tried_again_within_five_per_cent_of_the_bar(
    timeframe: Timeframe, fault: str, purpose: OrderPurpose
) -> None:
    run = ScriptedRun(settings=TRAILING, timeframe=timeframe)
    run.enter()
    asked = fail_moves(run, FAULTS[fault], purpose)
    run.core._memory.core.stop, run.core._memory.core.target = 96.0, 121.0
    run.tick(400)
    longest = max(later - earlier for earlier, later in itertools.pairwise(asked))
    assert longest <= max(2_000, timeframe.ms * 0.05) + 1_000  # the machine's time comes by the second
    assert 400_000 - asked[-1] <= longest


def test_the_same_holds_for_a_target() -> None:
    run = ScriptedRun(settings=TRAILING)
    run.launch()
    run.bar()
    run.bar(ENTER)
    (entry,) = run.sent(OrderPurpose.ENTRY)
    run.fill(entry, Decimal(10))
    assert levels(run) == (OLD, OLD, Decimal(120), Decimal(120))
    fail_moves(run, Refused("rate_limit", "budget"), OrderPurpose.TARGET)
    run.fill(entry, price=104.0)
    stop, stop_wanted, target, wanted = levels(run)
    assert stop == stop_wanted != OLD
    assert (target, wanted) == (Decimal(120), run.setup.market.price(run.core._memory.core.target))
    assert wanted != target
    assert alarms(run, "target") == []
    run.tick(3)
    (sentence,) = alarms(run, "target")
    assert f"{wanted:f}" in sentence
    assert "120" in sentence
    run.answers.clear()
    run.tick(35)
    assert levels(run) == (stop, stop, wanted, wanted)


def test_a_target_of_which_none_rests_is_shown_as_none() -> None:
    run = ScriptedRun(settings=TRAILING)
    run.answers[effects.SendOrder] = lambda effect: (
        inputs.SendAnswered(effect.client_order_id, Refused("margin", "no"), run.now_ms)
        if isinstance(effect, effects.SendOrder)
        and run.intents[effect.client_order_id].purpose is OrderPurpose.TARGET
        else None
    )
    run.enter()
    run.tick(10)
    assert levels(run) == (OLD, OLD, None, Decimal(120))
    (sentence,) = alarms(run, "target")
    assert "none rests" in sentence
    assert run.facts.protection is Protection.PROTECTED


@pytest.mark.parametrize("is_executed", [True, False, None])
def test_a_move_whose_outcome_is_not_known_is_shown_once_it_is(is_executed: bool | None) -> None:
    run = ScriptedRun(settings=TRAILING)
    run.enter()

    def lose(effect: effects.Effect) -> inputs.Event:
        assert isinstance(effect, effects.ModifyOrder)
        if is_executed:
            del run.resting[effect.client_order_id]
            run.resting[effect.new_client_order_id] = run.intents[effect.new_client_order_id]
        return inputs.ModifyAnswered(
            effect.client_order_id, effect.new_client_order_id, Unknown("lost"), run.now_ms
        )

    def resolve(effect: effects.Effect) -> inputs.Event:
        assert isinstance(effect, effects.ResolveOrder)
        found: Resolution = NeverWill("never came")
        if is_executed is None:
            found = StillUnknown("no answer")
        elif is_executed:
            found = Executed(run.report(run.intents[effect.client_order_id]))
        return inputs.ResolveAnswered(effect.client_order_id, found, run.now_ms)

    run.answers[effects.ModifyOrder], run.answers[effects.ResolveOrder] = lose, resolve
    run.answers[effects.ReadOpenOrders] = lambda effect: inputs.ReadFailed(effect, "lost", run.now_ms)
    trail(run)
    if is_executed:
        assert levels(run)[:2] == (NEW, NEW)
        assert announced(run)[-1] == (NEW, "stop moved")
        return
    assert levels(run)[:2] == (OLD, NEW)
    assert run.facts.protection is Protection.UNPROTECTED
    run.tick(10)
    assert levels(run)[:2] == (OLD, NEW)
    if is_executed is None:
        (sentence,) = alarms(run, "stop")
        assert "95" in sentence
        assert "106.4" in sentence
    assert announced(run) == [(OLD, "stop placed")]


def test_the_journal_says_moved_after_the_venue_s_word() -> None:
    run = ScriptedRun(settings=TRAILING)
    run.enter()
    run.answers[effects.ModifyOrder] = lambda effect: inputs.ReadFailed(effect, "on its way", run.now_ms)
    trail(run)
    assert announced(run) == [(OLD, "stop placed")]
    assert levels(run)[:2] == (OLD, NEW)
    assert run.facts.protection is Protection.PROTECTED  # the first request for it has no answer yet
    new = run.sent(OrderPurpose.STOP)[-1]
    (old,) = run.orders(OrderPurpose.STOP)
    run.resting = {new.client_order_id: new}
    run.handle(OrderReported(run.report(new), run.now_ms))
    assert announced(run)[-1] == (NEW, "stop moved")
    rows = [record.event for record in run.records if isinstance(record, JournalRow)]
    confirmed = [
        place
        for place, event in enumerate(rows)
        if isinstance(event, OrderMoved) and event.client_order_id == new.client_order_id
    ]
    moved = [place for place, event in enumerate(rows) if isinstance(event, ProtectionMoved)]
    assert moved[-1] > confirmed[-1]
    assert levels(run)[:2] == (NEW, NEW)
    assert old.trigger_price == OLD


def test_it_is_shown_after_a_restart_too() -> None:
    run = ScriptedRun(settings=TRAILING)
    run.enter()
    fail_moves(run, Refused("rate_limit", "budget"), OrderPurpose.STOP)
    trail(run)
    run.tick(3)
    run.records.clear()
    run.restart()
    assert run.facts.protection is Protection.UNPROTECTED
    assert run.facts.sentence.startswith("a stop is wanted")
    run.bar(close=115.0, high=120.0)
    assert levels(run)[:2] == (OLD, Decimal(114))
    assert "114" in alarms(run, "stop")[-1]


def refused_in_the_end(**launch: object) -> ScriptedRun:
    run = ScriptedRun(settings=TRAILING, **launch)
    run.enter()
    fail_moves(run, Refused("rate_limit", "budget"), OrderPurpose.STOP)
    trail(run)
    run.tick(3)
    return run


def test_a_stopped_run_says_where_its_stop_rests() -> None:
    run = refused_in_the_end()
    run.stop(StopMode.LEAVE)
    run.tick(3)
    assert run.transitions[-1] is RunState.STOPPED
    assert "trailing stop frozen at 95.0 where 106.4 was wanted" in run.facts.sentence
    assert levels(run)[:2] == (OLD, NEW)


def test_a_run_that_could_not_cancel_its_protection_says_that_it_rests() -> None:
    run = refused_in_the_end()
    run.answers[effects.CancelOrder] = lambda effect: inputs.CancelAnswered(
        effect.client_order_id, Refused("rate_limit", "budget"), run.now_ms
    )
    run.stop(StopMode.LEAVE_UNPROTECTED)
    run.tick(70)
    assert run.transitions[-1] is RunState.FAILED
    assert "frozen at 95" in run.facts.sentence
    assert levels(run) == (OLD, NEW, Decimal(120), Decimal(120))


def test_a_run_that_gave_its_protection_up_has_none_that_rests() -> None:
    run = refused_in_the_end()
    run.stop(StopMode.LEAVE_UNPROTECTED)
    run.tick(3)
    assert run.transitions[-1] is RunState.STOPPED
    assert "without a stop" in run.facts.sentence
    assert levels(run) == (None, NEW, None, Decimal(120))
    assert run.core._memory.alarms == {}


def test_a_flat_run_has_no_levels() -> None:
    run = refused_in_the_end()
    run.answers.clear()
    run.fill(run.orders(OrderPurpose.TARGET)[0], price=120.0)
    assert levels(run) == (None, None, None, None)
    assert run.facts.protection is Protection.NOT_NEEDED
    assert run.core._memory.alarms == {}


def test_the_stop_of_an_adopted_position_is_shown_once_it_rests() -> None:
    run = ScriptedRun(settings=TRAILING, assume_position_now=True)
    run.held, run.price = Decimal(5), 100.0
    run.answers[effects.SendOrder] = lambda effect: inputs.SendAnswered(
        effect.client_order_id, Refused("rate_limit", "budget"), run.now_ms
    )
    bar = Bar(START_MS - HOUR_MS, 100.0, 100.0, 100.0, 100.0, 1.0)
    run.handle(inputs.Launched(run.position(), [], run.balance(), run.touch(), bar, START_MS))
    assert levels(run) == (None, OLD, None, Decimal(120))
    run.answers.clear()
    run.tick(2)
    assert levels(run) == (OLD, OLD, Decimal(120), Decimal(120))


def test_a_stop_that_someone_moved_at_the_venue_is_shown_there_and_moved_back() -> None:
    run = ScriptedRun(settings=TRAILING)
    run.enter()
    fail_moves(run, Refused("rate_limit", "budget"), OrderPurpose.STOP, times=1)
    (stop,) = run.orders(OrderPurpose.STOP)
    moved = replace(run.report(stop), trigger_price=Decimal(80))
    run.answers[effects.ReadOpenOrders] = lambda effect: inputs.OpenOrdersRead([moved], run.now_ms)
    run.answers[effects.ReadOrder] = lambda effect: inputs.OrderRead(stop.client_order_id, moved, run.now_ms)
    run.handle(OrderReported(moved, run.now_ms))
    assert levels(run)[:2] == (Decimal(80), OLD)
    assert run.facts.protection is Protection.UNPROTECTED
    run.answers.clear()
    run.tick(5)
    assert levels(run)[:2] == (OLD, OLD)
    assert run.facts.protection is Protection.PROTECTED


def test_a_venue_that_puts_stops_elsewhere_than_asked_is_not_asked_without_end() -> None:
    run = ScriptedRun(settings=TRAILING)
    real = run.report
    run.report = lambda intent: (
        real(intent)
        if intent.purpose is not OrderPurpose.STOP
        else replace(real(intent), trigger_price=Decimal("94.9"))
    )
    run.enter()
    for _ in range(60):
        for stop in run.orders(OrderPurpose.STOP):
            run.handle(OrderReported(run.report(stop), run.now_ms))
        run.tick()
    assert len(run.sent(OrderPurpose.STOP)) <= 10
    assert levels(run)[:2] == (Decimal("94.9"), OLD)


def test_a_price_that_has_passed_the_wanted_stop_closes_although_the_old_one_rests() -> None:
    run = ScriptedRun(settings=TRAILING)
    run.enter()
    fail_moves(run, Refused("beyond_mark", "Invalid TP/SL price"), OrderPurpose.STOP)
    trail(run)
    (closing,) = run.orders(OrderPurpose.EXIT)
    assert [stop.trigger_price for stop in run.orders(OrderPurpose.STOP)] == [OLD]
    run.price = 105.0
    run.fill(closing)
    assert run.trades[0].reason is ExitReason.TRAILING_STOP
    assert run.resting == {}
