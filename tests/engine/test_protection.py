"""Protection (rules 19 to 23 of ``firstwatch.engine``), rule by rule, at a scripted venue without phases."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from firstwatch.engine.core import effects, inputs
from firstwatch.engine.core.run_memory import TrackedOrder
from firstwatch.strategy.core_state import AMOUNT, FRACTION, CoreSettings
from firstwatch.strategy.evaluation import GroupFlags
from firstwatch.trading.bar import Bar
from firstwatch.trading.events import AlarmCleared, AlarmRaised
from firstwatch.trading.orders import OrderIntent, OrderPurpose, OrderSide, OrderState, Touch
from firstwatch.trading.runs import Author, ExitReason, Exposure, Protection, StopMode
from firstwatch.venues.protocol import (
    Accepted,
    FillReported,
    MarkMoved,
    Refused,
    StillUnknown,
    StreamRestored,
    Unknown,
)
from tests.engine.scripted import ENTER, EXIT, HOUR_MS, START_MS, SYMBOL, TRAILING, Desk

SHORT = GroupFlags(0, 1, 0, 0, float("nan"), float("nan"), True)


def refuse_stops(desk: Desk, code: str, times: int = 99) -> Callable[[effects.Effect], inputs.Event | None]:
    left = [times]

    def answer(effect: effects.Effect) -> inputs.Event | None:
        assert isinstance(effect, effects.SendOrder)
        is_stop = desk.intents[effect.client_order_id].purpose is OrderPurpose.STOP
        if not is_stop or left[0] == 0:
            return None
        left[0] -= 1
        return inputs.SendAnswered(effect.client_order_id, Refused(code, "no"), desk.now_ms)

    return answer


def topics(desk: Desk) -> set[str]:
    return {event.topic for event in desk.journal(AlarmRaised)}


def test_the_first_fill_places_the_stop_and_then_the_target_for_what_is_filled() -> None:
    desk = Desk()
    desk.launch()
    desk.bar()
    desk.bar(ENTER)
    entry = desk.sent(OrderPurpose.ENTRY)[0]
    desk.fill(entry, Decimal("10"))
    (stop,), (target,) = desk.orders(OrderPurpose.STOP), desk.orders(OrderPurpose.TARGET)
    assert (stop.amount, stop.trigger_price, stop.price) == (Decimal("10"), Decimal("95"), Decimal("85.5"))
    assert (target.amount, target.price) == (Decimal("10"), Decimal("120"))
    assert stop.reduce_only
    assert target.reduce_only
    assert desk.facts.protection is Protection.PROTECTED
    desk.fill(entry)
    (stop,), (target,) = desk.orders(OrderPurpose.STOP), desk.orders(OrderPurpose.TARGET)
    assert stop.amount == target.amount == entry.amount


def test_a_filled_leg_cancels_the_other_and_closes_the_trade_with_its_reason() -> None:
    desk = Desk()
    desk.enter()
    desk.price = 120.0
    desk.fill(desk.orders(OrderPurpose.TARGET)[0])
    assert [trade.reason for trade in desk.trades] == [ExitReason.TAKE_PROFIT]
    assert desk.resting == {}
    assert desk.core.open_orders() == []
    assert desk.facts.protection is Protection.NOT_NEEDED


def test_a_partly_filled_target_resizes_the_stop_first() -> None:
    desk = Desk()
    entry = desk.enter()
    desk.fill(desk.orders(OrderPurpose.TARGET)[0], Decimal("10"), price=120.0)
    (stop,) = desk.orders(OrderPurpose.STOP)
    assert stop.amount == entry.amount - 10
    modified = [effect for effect in desk.effects if isinstance(effect, effects.ModifyOrder)]
    assert desk.intents[modified[0].new_client_order_id].purpose is OrderPurpose.STOP
    assert desk.trades == []


def test_a_stop_that_triggered_and_ended_partly_filled_is_placed_anew_for_the_rest() -> None:
    desk = Desk()
    entry = desk.enter()
    (stop,) = desk.orders(OrderPurpose.STOP)
    del desk.resting[stop.client_order_id]
    desk.ended[stop.client_order_id] = OrderState.CANCELED
    desk.fill(stop, Decimal("10"))
    (again,) = desk.orders(OrderPurpose.STOP)
    assert again.client_order_id != stop.client_order_id
    assert (again.amount, again.trigger_price) == (entry.amount - 10, stop.trigger_price)
    assert desk.facts.protection is Protection.PROTECTED


def test_a_fill_of_a_leg_forgets_no_reading_that_it_waits_for() -> None:
    desk = Desk()
    desk.enter()
    (target,) = desk.orders(OrderPurpose.TARGET)
    order = desk.core._orders.get(target.client_order_id)
    assert order is not None
    order.wants_read, order.ask_at_ms = True, desk.elapsed_ms + 5_000
    desk.fill(target, Decimal("10"), price=120.0)
    desk.tick(6)
    assert effects.ReadOrder(target.client_order_id) in desk.effects


def test_the_stop_trails_at_closes_by_one_modify() -> None:
    desk = Desk(settings=TRAILING)
    desk.enter()
    desk.bar(close=110.0, high=112.0)
    (stop,) = desk.orders(OrderPurpose.STOP)
    assert stop.trigger_price == Decimal("106.4")
    desk.fill(stop, price=106.4)
    assert desk.trades[0].reason is ExitReason.TRAILING_STOP


def test_without_modify_the_new_stop_rests_before_the_old_one_is_cancelled() -> None:
    desk = Desk(settings=TRAILING, modifies_orders=False)
    desk.enter()
    desk.effects.clear()
    desk.bar(close=110.0, high=112.0)
    names = [
        type(effect) for effect in desk.effects if isinstance(effect, effects.SendOrder | effects.CancelOrder)
    ]
    assert names == [effects.SendOrder, effects.CancelOrder]
    assert [stop.trigger_price for stop in desk.orders(OrderPurpose.STOP)] == [Decimal("106.4")]


def test_an_unconfirmed_modify_reads_open_orders_before_anything_else() -> None:
    desk = Desk(settings=TRAILING)
    desk.enter()

    def lose(effect: effects.Effect) -> inputs.Event:
        assert isinstance(effect, effects.ModifyOrder)
        return inputs.ModifyAnswered(
            effect.client_order_id, effect.new_client_order_id, Unknown("lost"), desk.now_ms
        )

    desk.answers[effects.ModifyOrder] = lose
    desk.effects.clear()
    desk.bar(close=110.0, high=112.0)
    after = [type(effect) for effect in desk.effects]
    assert effects.ReadOpenOrders in after
    assert after.index(effects.ModifyOrder) < after.index(effects.ReadOpenOrders)
    del desk.answers[effects.ModifyOrder]
    desk.tick(40)
    assert [stop.trigger_price for stop in desk.orders(OrderPurpose.STOP)] == [Decimal("106.4")]


def test_a_stop_beyond_the_mark_closes_at_market_with_the_stops_reason() -> None:
    desk = Desk()
    desk.answers[effects.SendOrder] = refuse_stops(desk, "beyond_mark")
    desk.enter()
    (closing,) = desk.orders(OrderPurpose.EXIT)
    assert closing.reduce_only
    desk.fill(closing)
    assert desk.trades[0].reason is ExitReason.STOP_LOSS
    assert "unprotected" in topics(desk)


def test_a_rate_limited_stop_is_tried_again_and_never_closed() -> None:
    desk = Desk()
    desk.answers[effects.SendOrder] = refuse_stops(desk, "rate_limit", times=3)
    desk.enter()
    assert desk.orders(OrderPurpose.STOP) == []
    assert desk.facts.protection is Protection.UNPROTECTED
    desk.tick(60)
    assert len(desk.orders(OrderPurpose.STOP)) == 1
    assert desk.sent(OrderPurpose.EXIT) == []
    assert desk.facts.protection is Protection.PROTECTED


def test_a_stop_refused_for_good_gets_one_retry_and_five_seconds() -> None:
    desk = Desk()
    desk.answers[effects.SendOrder] = refuse_stops(desk, "other")
    desk.enter()
    assert len(desk.sent(OrderPurpose.STOP)) == 2
    desk.tick(4)
    assert desk.sent(OrderPurpose.EXIT) == []
    desk.tick(2)
    (closing,) = desk.orders(OrderPurpose.EXIT)
    desk.fill(closing)
    assert desk.trades[0].reason is ExitReason.PROTECTION_FAILED


def test_a_stop_refused_for_good_closes_the_position_that_follows_an_adopted_one() -> None:
    desk = Desk(settings=TRAILING, assume_position_now=True)
    desk.held, desk.price = Decimal(5), 103.0
    bar = Bar(START_MS - HOUR_MS, 103.0, 103.0, 103.0, 103.0, 1.0)
    desk.tell(inputs.Launched(desk.position(), [], desk.balance(), desk.touch(), bar, START_MS))
    desk.bar(EXIT)
    desk.fill(desk.orders(OrderPurpose.EXIT)[0])
    desk.bar()
    desk.bar(ENTER)
    (entry,) = desk.sent(OrderPurpose.ENTRY)
    desk.answers[effects.SendOrder] = refuse_stops(desk, "other")
    desk.fill(entry)
    desk.tick(10)
    (close,) = desk.orders(OrderPurpose.EXIT)
    desk.fill(close)
    assert desk.trades[-1].reason is ExitReason.PROTECTION_FAILED


def test_a_position_without_its_stop_is_an_alarm_also_while_the_venue_cannot_be_read() -> None:
    desk = Desk()
    desk.launch()
    desk.bar()
    desk.bar(ENTER)
    desk.answers[effects.SendOrder] = refuse_stops(desk, "other")
    desk.answers[effects.ReadPosition] = lambda effect: inputs.ReadFailed(effect, "down", desk.now_ms)
    desk.fill(desk.sent(OrderPurpose.ENTRY)[0])
    desk.tick(2)
    assert "unprotected" in topics(desk)


def test_a_stop_refused_for_good_is_an_alarm_only_where_closing_is_the_operators() -> None:
    desk = Desk(close_position_on_exit=False)
    desk.answers[effects.SendOrder] = refuse_stops(desk, "other")
    desk.enter()
    desk.tick(30)
    assert desk.sent(OrderPurpose.EXIT) == []
    assert desk.facts.protection is Protection.UNPROTECTED
    assert "unprotected" in topics(desk)


@pytest.mark.parametrize("state", [OrderState.CANCELED, OrderState.EXPIRED])
def test_a_stop_that_vanishes_is_placed_again_at_once(state: OrderState) -> None:
    desk = Desk()
    desk.enter()
    desk.end(desk.orders(OrderPurpose.STOP)[0], state)
    assert len(desk.orders(OrderPurpose.STOP)) == 1
    assert desk.facts.protection is Protection.PROTECTED


@pytest.mark.parametrize("is_refused_at_entry", [False, True])
def test_a_stop_that_vanishes_gets_one_corrected_retry_whatever_was_refused_before(
    is_refused_at_entry: bool,
) -> None:
    desk = Desk()
    if is_refused_at_entry:
        desk.answers[effects.SendOrder] = refuse_stops(desk, "rate_limit", times=1)
    desk.enter()
    desk.tick(5)
    desk.answers[effects.SendOrder] = refuse_stops(desk, "other", times=1)
    desk.end(desk.orders(OrderPurpose.STOP)[0])
    desk.tick(10)
    assert len(desk.orders(OrderPurpose.STOP)) == 1
    assert desk.facts.protection is Protection.PROTECTED
    assert desk.sent(OrderPurpose.EXIT) == []


def test_a_mid_at_the_stop_closes_nothing_where_no_stop_has_ended_unfilled() -> None:
    desk = Desk()
    desk.answers[effects.SendOrder] = refuse_stops(desk, "rate_limit", times=1)
    desk.enter()
    desk.tick(5)
    desk.price = 94.9
    # The venue triggers by its mark, which is still above.
    desk.tell(MarkMoved(SYMBOL, Touch(94.8, 95.0, 95.5, desk.now_ms), desk.now_ms))
    desk.tick(5)
    assert len(desk.orders(OrderPurpose.STOP)) == 1
    assert desk.sent(OrderPurpose.EXIT) == []


@pytest.mark.parametrize(("rested_s", "closes"), [(2, True), (40, False)])
def test_a_stop_after_one_that_ended_unfilled_is_watched_until_it_has_rested_for_a_while(
    rested_s: int, closes: bool
) -> None:
    desk = Desk()
    desk.enter()
    desk.end(desk.orders(OrderPurpose.STOP)[0])
    desk.tick(rested_s)
    desk.price = 94.9
    desk.tell(MarkMoved(SYMBOL, Touch(94.8, 95.0, 95.5, desk.now_ms), desk.now_ms))
    desk.tick(2)
    assert bool(desk.sent(OrderPurpose.EXIT)) is closes


def test_a_stop_that_the_venue_ends_each_time_is_placed_again_once_a_second() -> None:
    desk = Desk()
    desk.enter()
    for _ in range(20):
        for stop in desk.orders(OrderPurpose.STOP):
            desk.end(stop)
        desk.tick()
    assert 10 <= len(desk.sent(OrderPurpose.STOP)) <= 22


def test_a_leg_that_fills_after_flat_is_an_alarm_and_what_it_made_is_closed() -> None:
    desk = Desk()
    desk.enter()
    stop = desk.orders(OrderPurpose.STOP)[0]
    desk.fill(desk.orders(OrderPurpose.TARGET)[0], price=120.0)
    desk.fill(stop, Decimal("5"), price=95.0)
    assert "fill after flat" in topics(desk)
    (repair,) = desk.orders(OrderPurpose.EXIT)
    assert (repair.side, repair.amount, repair.reduce_only) == (OrderSide.BUY, Decimal("5"), True)
    desk.fill(repair)
    assert desk.held == 0
    assert len(desk.trades) == 1
    assert "fill after flat" in {event.topic for event in desk.journal(AlarmCleared)}


def test_what_a_leg_made_after_flat_is_not_closed_again_once_somebody_else_has() -> None:
    desk = Desk()
    desk.enter()
    (stop,), (target,) = desk.orders(OrderPurpose.STOP), desk.orders(OrderPurpose.TARGET)
    desk.answers[effects.CancelOrder] = lambda effect: inputs.CancelAnswered(
        effect.client_order_id, Refused("not_found", "gone"), desk.now_ms
    )
    desk.fill(stop, price=95.0)
    desk.fill(target, price=120.0)
    (close,) = desk.orders(OrderPurpose.EXIT)
    desk.foreign_fill(OrderSide.BUY, -desk.held)
    desk.tick(3)
    desk.end(close)
    desk.tick(60)
    desk.bar()
    assert len(desk.sent(OrderPurpose.EXIT)) == 1


def test_closing_orders_widen_their_bound_until_the_venue_says_flat() -> None:
    desk = Desk()
    desk.enter()
    desk.bar(EXIT)
    bounds = []
    for _ in range(4):
        (closing,) = desk.orders(OrderPurpose.EXIT)
        bounds.append(closing.price)
        desk.fill(closing, Decimal("1"))
        desk.end(closing)
        desk.tick()
    assert bounds == [Decimal("99.00"), Decimal("95.00"), Decimal("90.00"), Decimal("90.00")]
    assert "closing" in topics(desk)
    desk.fill(desk.orders(OrderPurpose.EXIT)[0])
    assert desk.trades[0].reason is ExitReason.SIGNAL
    assert desk.held == 0


def test_a_lost_stop_is_never_sent_twice() -> None:
    desk = Desk()

    def lose(effect: effects.Effect) -> inputs.Event | None:
        assert isinstance(effect, effects.SendOrder)
        if desk.intents[effect.client_order_id].purpose is not OrderPurpose.STOP:
            return None
        desk.resting[effect.client_order_id] = desk.intents[effect.client_order_id]
        return inputs.SendAnswered(effect.client_order_id, Unknown("lost"), desk.now_ms)

    desk.answers[effects.SendOrder] = lose
    desk.answers[effects.ResolveOrder] = lambda effect: inputs.ResolveAnswered(
        effect.client_order_id, StillUnknown("no answer"), desk.now_ms
    )
    desk.enter()
    desk.tick(30)
    assert len(desk.sent(OrderPurpose.STOP)) == 1
    assert desk.facts.protection is Protection.UNPROTECTED


def test_a_stop_that_never_was_is_placed_anew_at_once_whatever_became_of_the_one_before() -> None:
    desk = Desk()
    desk.enter()
    (first,) = desk.orders(OrderPurpose.STOP)
    desk.answers[effects.SendOrder] = lambda effect: inputs.SendAnswered(
        effect.client_order_id, Unknown("lost"), desk.now_ms
    )
    desk.answers[effects.ResolveOrder] = lambda effect: inputs.ResolveAnswered(
        effect.client_order_id, StillUnknown("no answer"), desk.now_ms
    )
    desk.end(first)
    desk.tick()
    assert len(desk.sent(OrderPurpose.STOP)) == 2
    desk.tick()
    desk.answers.clear()
    # The next second finds out that it never was: no further second passes without a stop.
    desk.tick()
    assert len(desk.sent(OrderPurpose.STOP)) == 3
    assert desk.facts.protection is Protection.PROTECTED


def test_whatever_failed_before_an_unprotected_position_gets_its_stop_as_soon_as_the_venue_answers() -> None:
    desk = Desk()
    desk.launch()
    desk.bar()
    desk.bar(ENTER)
    (entry,) = desk.sent(OrderPurpose.ENTRY)
    desk.answers[effects.SendOrder] = lambda effect: inputs.SendAnswered(
        effect.client_order_id, Unknown("no answer"), desk.now_ms
    )
    desk.answers[effects.ResolveOrder] = lambda effect: inputs.ResolveAnswered(
        effect.client_order_id, StillUnknown("no answer"), desk.now_ms
    )
    desk.fill(entry)
    for _ in range(100):
        desk.tick()
    assert desk.facts.protection is Protection.UNPROTECTED
    desk.answers.clear()
    for _ in range(3):
        desk.tick()
    assert desk.facts.protection is Protection.PROTECTED


def fill_entries_at_once(
    desk: Desk, *, parts: int = 1, fills_within_ms: int = 1_000
) -> Callable[[effects.Effect], inputs.Event | None]:
    """Let entries fill in equal parts with their answer, as a venue does whose stream says nothing."""

    def answer(effect: effects.Effect) -> inputs.Event | None:
        assert isinstance(effect, effects.SendOrder)
        intent = desk.intents[effect.client_order_id]
        if intent.purpose is not OrderPurpose.ENTRY:
            return None
        desk.held += intent.side.sign * intent.amount
        desk.filled[effect.client_order_id] = intent.amount
        desk.ended[effect.client_order_id] = OrderState.FILLED
        for _ in range(parts):
            desk._fill(effect.client_order_id, intent.side, intent.amount / parts, desk.price)
        taken = Accepted("77", intent.amount, Decimal(repr(desk.price)), fills_within_ms)
        return inputs.SendAnswered(effect.client_order_id, taken, desk.now_ms)

    return answer


def enter_unheard(desk: Desk, *, parts: int = 1, fills_within_ms: int = 1_000) -> None:
    desk.launch()
    desk.bar()
    desk.answers[effects.SendOrder] = fill_entries_at_once(desk, parts=parts, fills_within_ms=fills_within_ms)
    desk.bar(ENTER)


def test_the_answer_to_an_entry_places_the_stop_before_any_fill_is_told() -> None:
    desk = Desk()
    enter_unheard(desk)
    assert desk.core.exposed_steps == 0
    (stop,) = desk.sent(OrderPurpose.STOP)
    (entry,) = desk.sent(OrderPurpose.ENTRY)
    assert (stop.amount, stop.trigger_price, stop.price) == (entry.amount, Decimal("95"), Decimal("85.5"))
    assert stop.reduce_only
    assert desk.facts.protection is Protection.PROTECTED
    desk.tell(FillReported(desk.fills[0], desk.touch(), desk.now_ms))
    assert desk.facts.protection is Protection.PROTECTED
    assert desk.sent(OrderPurpose.STOP) == [stop]
    assert len(desk.sent(OrderPurpose.TARGET)) == 1


@pytest.mark.parametrize("stops", [False, True])
def test_what_the_answer_to_an_entry_says_is_filled_is_exposed_and_can_be_closed_at_once(stops: bool) -> None:
    desk = Desk()
    enter_unheard(desk, fills_within_ms=151_000)
    assert desk.facts.exposure is Exposure.EXPOSED
    desk.answers[effects.ReadFills] = lambda effect: inputs.ReadFailed(effect, "busy", desk.now_ms)
    if stops:
        desk.stop(StopMode.CLOSE)
    else:
        desk.tell(inputs.CloseRequested(Author.OPERATOR, desk.now_ms))
    desk.tick(5)
    assert desk.facts.exposure is not Exposure.FLAT
    assert desk.sent(OrderPurpose.EXIT) == []
    desk.answers.pop(effects.ReadFills)
    desk.tick(20)
    (close,) = desk.orders(OrderPurpose.EXIT)
    assert close.amount == desk.held
    desk.fill(close)
    assert [trade.reason for trade in desk.trades] == [ExitReason.RUN_END if stops else ExitReason.MANUAL]
    assert desk.resting == {}
    assert desk.facts.exposure is Exposure.FLAT


def test_a_run_that_fails_before_the_fills_of_its_entry_are_told_does_not_say_flat() -> None:
    desk = Desk()
    enter_unheard(desk, fills_within_ms=151_000)
    desk.answers[effects.ReadFills] = lambda effect: inputs.FillsRead([], [], desk.now_ms)
    desk.tell(inputs.FailRequested("its worker raised", desk.now_ms))
    assert desk.facts.exposure is Exposure.EXPOSED
    assert f"filled {desk.held:f} BTC by the venue's word" in desk.facts.sentence


@pytest.mark.parametrize("modifies_orders", [True, False])
def test_a_stop_for_all_that_the_answer_said_is_not_reduced_as_its_fills_are_told(
    modifies_orders: bool,
) -> None:
    desk = Desk(modifies_orders=modifies_orders)
    enter_unheard(desk, parts=5)
    (stop,) = desk.orders(OrderPurpose.STOP)
    for fill in desk.fills:
        desk.tell(FillReported(fill, desk.touch(), desk.now_ms))
        assert desk.orders(OrderPurpose.STOP) == [stop]
        assert desk.facts.protection is Protection.PROTECTED
    assert stop.amount == desk.held
    assert len(desk.sent(OrderPurpose.STOP)) == len(desk.sent(OrderPurpose.TARGET)) == 1


def test_fills_that_nobody_tells_are_read_a_moment_after_the_answer() -> None:
    desk = Desk()
    enter_unheard(desk)
    assert not any(isinstance(effect, effects.ReadFills) for effect in desk.effects)
    desk.tick(2)
    assert desk.core.exposed_steps > 0
    assert desk.facts.protection is Protection.PROTECTED
    assert len(desk.sent(OrderPurpose.STOP)) == 1


def test_a_stop_that_fills_before_its_entry_is_told_closes_the_trade() -> None:
    desk = Desk()
    enter_unheard(desk)
    (stop,) = desk.sent(OrderPurpose.STOP)
    desk.price = 95.0
    desk.fill(stop)
    assert [trade.reason for trade in desk.trades] == [ExitReason.STOP_LOSS]
    assert desk.core.exposed_steps == 0
    assert desk.held == 0
    assert topics(desk) == set()
    assert desk.core.open_orders() == []


def test_a_stop_that_was_refused_before_its_entry_is_told_is_placed_when_it_is() -> None:
    desk = Desk()
    desk.launch()
    desk.bar()
    fills, refuses = fill_entries_at_once(desk), refuse_stops(desk, "other", times=1)
    desk.answers[effects.SendOrder] = lambda effect: fills(effect) or refuses(effect)
    desk.bar(ENTER)
    desk.tick(3)
    assert desk.core.exposed_steps > 0
    assert desk.facts.protection is Protection.PROTECTED
    assert len(desk.sent(OrderPurpose.STOP)) == 2


BOTH_SIDES = CoreSettings(
    stop_kind=FRACTION,
    stop_value=0.05,
    target_kind=AMOUNT,
    target_value=20.0,
    sizing_value=0.5,
    allows_long=1,
    allows_short=1,
)


def enter_short_after_a_target(desk: Desk) -> None:
    """Let a long end by its target, and the bar that closes right after it enter short."""
    desk.launch()
    desk.bar(SHORT._replace(entry_short=0))
    desk.bar(ENTER._replace(entry_short=0))
    desk.fill(desk.sent(OrderPurpose.ENTRY)[-1])
    long_stop, held = desk.orders(OrderPurpose.STOP)[0], desk.position()
    old_words = [inputs.PositionRead(held, desk.now_ms)] * 2
    desk.answers[effects.ReadPosition] = lambda effect: old_words.pop() if old_words else None
    desk.answers[effects.CancelOrder] = lambda effect: (
        inputs.CancelAnswered(long_stop.client_order_id, Unknown("lost"), desk.now_ms)
        if effect == effects.CancelOrder(long_stop.client_order_id)
        else None
    )
    desk.price = 120.0
    desk.fill(desk.orders(OrderPurpose.TARGET)[0])
    desk.bar(SHORT)
    desk.fill(desk.sent(OrderPurpose.ENTRY)[-1])


@pytest.mark.parametrize("modifies_orders", [True, False])
def test_a_leg_that_is_left_of_the_trade_before_is_cancelled_and_never_moved(modifies_orders: bool) -> None:
    desk = Desk(settings=BOTH_SIDES, modifies_orders=modifies_orders)
    enter_short_after_a_target(desk)
    desk.tick(3)
    buys = [stop for stop in desk.orders(OrderPurpose.STOP) if stop.side is OrderSide.BUY]
    assert [(stop.trigger_price, stop.amount) for stop in buys] == [(Decimal("126"), -desk.held)]
    assert desk.facts.protection is Protection.PROTECTED
    del desk.answers[effects.CancelOrder]
    desk.tick(60)
    assert desk.orders(OrderPurpose.STOP) == buys
    assert [target.side for target in desk.orders(OrderPurpose.TARGET)] == [OrderSide.BUY]


def test_an_order_of_the_wrong_side_is_no_protection() -> None:
    desk = Desk(settings=BOTH_SIDES)
    desk.answers[effects.SendOrder] = refuse_stops(desk, "rate_limit")
    desk.enter()
    stop = desk.sent(OrderPurpose.STOP)[-1]
    wrong = TrackedOrder(replace(stop, side=OrderSide.BUY), desk.now_ms, 0, OrderState.ACCEPTED)
    memory = desk.core._memory
    memory.orders[stop.client_order_id] = wrong
    memory.stop.order_id = stop.client_order_id
    assert desk.core._protection.state() is Protection.UNPROTECTED
    desk.tick()
    assert effects.CancelOrder(stop.client_order_id) in desk.effects


def fail_readings(desk: Desk) -> None:
    for kind in (
        effects.ReadPosition,
        effects.ReadFills,
        effects.ReadOrder,
        effects.ReadOpenOrders,
        effects.ReadBalance,
    ):
        desk.answers[kind] = lambda effect: inputs.ReadFailed(effect, "too many requests", desk.now_ms)


@pytest.mark.parametrize("modifies_orders", [True, False])
def test_the_first_stop_of_a_trade_waits_for_no_reading(modifies_orders: bool) -> None:
    desk = Desk(modifies_orders=modifies_orders)
    desk.enter()
    held = desk.position()
    # The venue shows the old position for a while, and then it cannot be read any more.
    desk.answers[effects.ReadPosition] = lambda effect: inputs.PositionRead(held, desk.now_ms)
    desk.bar(EXIT)
    desk.fill(desk.orders(OrderPurpose.EXIT)[0])
    desk.price = 150.0
    desk.bar()
    desk.bar(ENTER)
    fail_readings(desk)
    entry = desk.sent(OrderPurpose.ENTRY)[-1]
    for amount in (Decimal(10), entry.amount - 10):
        desk.fill(entry, amount)
        (stop,) = desk.orders(OrderPurpose.STOP)
        assert (stop.trigger_price, stop.amount) == (Decimal("142.5"), desk.held)
        assert desk.facts.protection is Protection.PROTECTED
    desk.tick(60)
    assert desk.orders(OrderPurpose.STOP) == [stop]


def test_a_stop_of_the_trade_before_protects_nothing_of_the_next_one() -> None:
    desk = Desk()
    desk.enter()
    held = desk.position()
    desk.answers[effects.ReadPosition] = lambda effect: inputs.PositionRead(held, desk.now_ms)
    desk.answers[effects.CancelOrder] = lambda effect: inputs.CancelAnswered(
        effect.client_order_id, Unknown("lost"), desk.now_ms
    )
    desk.bar(EXIT)
    desk.fill(desk.orders(OrderPurpose.EXIT)[0])
    desk.price = 150.0
    desk.bar()
    desk.bar(ENTER)
    desk.answers[effects.SendOrder] = refuse_stops(desk, "rate_limit")
    desk.fill(desk.sent(OrderPurpose.ENTRY)[-1])
    desk.tick(3)
    assert [stop.trigger_price for stop in desk.orders(OrderPurpose.STOP)] == [Decimal("95")]
    assert desk.facts.protection is Protection.UNPROTECTED
    assert "unprotected" in topics(desk)


def test_a_stop_that_was_lost_is_not_followed_by_another_before_the_position_is_read() -> None:
    desk = Desk()
    desk.enter()
    fail_readings(desk)
    desk.end(desk.orders(OrderPurpose.STOP)[0])
    desk.tick(20)
    assert len(desk.sent(OrderPurpose.STOP)) == 1
    desk.answers.clear()
    desk.tick(3)
    assert len(desk.orders(OrderPurpose.STOP)) == 1


def reconcile_without(desk: Desk, stop: OrderIntent, *, is_listed: bool) -> None:
    """Let the venue say that it knows no such order; ``is_listed``: its open orders show it all the same."""

    def answer(effect: effects.Effect) -> inputs.Event:
        reading = desk.reading()
        listed = [order for order in reading.open_orders if order.client_order_id != stop.client_order_id]
        return inputs.Reconciled(
            replace(
                reading,
                reports=reading.reports | {stop.client_order_id: None},
                open_orders=reading.open_orders if is_listed else listed,
            ),
            desk.now_ms,
        )

    desk.answers[effects.Reconcile] = answer
    desk.tell(StreamRestored("user", desk.now_ms))
    del desk.answers[effects.Reconcile]


@pytest.mark.parametrize("is_listed", [True, False])
def test_a_stop_that_the_venue_did_not_know_once_is_the_stop_still(is_listed: bool) -> None:
    desk = Desk()
    desk.enter()
    (stop,) = desk.orders(OrderPurpose.STOP)
    reconcile_without(desk, stop, is_listed=is_listed)
    desk.tick(3)
    assert desk.sent(OrderPurpose.STOP) == desk.orders(OrderPurpose.STOP) == [stop]
    assert desk.facts.protection is Protection.PROTECTED
    desk.bar(EXIT)
    desk.fill(desk.orders(OrderPurpose.EXIT)[0])
    assert desk.resting == {}


def lose_sight(desk: Desk, stop: OrderIntent) -> None:
    """Let the venue know nothing of a stop that rests, however it is asked."""
    desk.answers[effects.ReadOrder] = lambda effect: (
        inputs.OrderRead(stop.client_order_id, None, desk.now_ms)
        if effect == effects.ReadOrder(stop.client_order_id)
        else None
    )
    desk.answers[effects.ReadOpenOrders] = lambda effect: inputs.OpenOrdersRead(
        [desk.report(order) for order in desk.resting.values() if order is not stop], desk.now_ms
    )
    reconcile_without(desk, stop, is_listed=False)


def test_a_stop_that_the_venue_does_not_know_is_placed_anew_within_five_seconds() -> None:
    desk = Desk()
    desk.enter()
    (stop,) = desk.orders(OrderPurpose.STOP)
    lose_sight(desk, stop)
    desk.tick(4)
    assert len(desk.sent(OrderPurpose.STOP)) == 2
    assert desk.facts.protection is Protection.PROTECTED
    assert "order lost" in topics(desk)


@pytest.mark.parametrize("is_flat", [True, False])
@pytest.mark.parametrize("is_cancel_lost", [True, False])
def test_a_stop_that_rests_although_it_was_over_is_cancelled(is_flat: bool, is_cancel_lost: bool) -> None:
    desk = Desk()
    desk.enter()
    (stop,) = desk.orders(OrderPurpose.STOP)
    lose_sight(desk, stop)
    desk.tick(4)
    kept = [] if is_flat else desk.sent(OrderPurpose.STOP)[1:]
    assert stop in desk.orders(OrderPurpose.STOP)
    desk.answers.clear()
    if is_cancel_lost:
        left = [inputs.CancelAnswered(stop.client_order_id, Unknown("lost"), desk.now_ms)]
        desk.answers[effects.CancelOrder] = lambda effect: left.pop() if left else None
    if is_flat:
        # Before the next trade the venue is asked, although no stream was lost.
        desk.bar(EXIT)
        desk.fill(desk.orders(OrderPurpose.EXIT)[0])
    else:
        desk.tell(StreamRestored("user", desk.now_ms))
    desk.tick(5)
    assert desk.orders(OrderPurpose.STOP) == kept
    assert all(order.is_settled for order in desk.core._memory.settled.values())
    assert stop.client_order_id not in desk.core.open_orders()
