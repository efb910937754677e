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
from firstwatch.trading.runs import ExitReason, Exposure, Protection, StopMode
from firstwatch.venues.protocol import (
    Accepted,
    FillReported,
    MarkMoved,
    Refused,
    StillUnknown,
    StreamRestored,
    Unknown,
)
from tests.engine.scripted import ENTER, EXIT, HOUR_MS, START_MS, SYMBOL, TRAILING, ScriptedRun

SHORT = GroupFlags(0, 1, 0, 0, float("nan"), float("nan"), True)


def refuse_stops(
    run: ScriptedRun, code: str, times: int = 99
) -> Callable[[effects.Effect], inputs.Event | None]:
    left = [times]

    def answer(effect: effects.Effect) -> inputs.Event | None:
        assert isinstance(effect, effects.SendOrder)
        is_stop = run.intents[effect.client_order_id].purpose is OrderPurpose.STOP
        if not is_stop or left[0] == 0:
            return None
        left[0] -= 1
        return inputs.SendAnswered(effect.client_order_id, Refused(code, "no"), run.now_ms)

    return answer


def topics(run: ScriptedRun) -> set[str]:
    return {event.topic for event in run.journal(AlarmRaised)}


def test_the_first_fill_places_the_stop_and_then_the_target_for_what_is_filled() -> None:
    run = ScriptedRun()
    run.launch()
    run.bar()
    run.bar(ENTER)
    entry = run.sent(OrderPurpose.ENTRY)[0]
    run.fill(entry, Decimal("10"))
    (stop,), (target,) = run.orders(OrderPurpose.STOP), run.orders(OrderPurpose.TARGET)
    assert (stop.amount, stop.trigger_price, stop.price) == (Decimal("10"), Decimal("95"), Decimal("85.5"))
    assert (target.amount, target.price) == (Decimal("10"), Decimal("120"))
    assert stop.reduce_only
    assert target.reduce_only
    assert run.facts.protection is Protection.PROTECTED
    run.fill(entry)
    (stop,), (target,) = run.orders(OrderPurpose.STOP), run.orders(OrderPurpose.TARGET)
    assert stop.amount == target.amount == entry.amount


def test_a_filled_leg_cancels_the_other_and_closes_the_trade_with_its_reason() -> None:
    run = ScriptedRun()
    run.enter()
    run.price = 120.0
    run.fill(run.orders(OrderPurpose.TARGET)[0])
    assert [trade.reason for trade in run.trades] == [ExitReason.TAKE_PROFIT]
    assert run.resting == {}
    assert run.core.open_orders() == []
    assert run.facts.protection is Protection.NOT_NEEDED


def test_a_partly_filled_target_resizes_the_stop_first() -> None:
    run = ScriptedRun()
    entry = run.enter()
    run.fill(run.orders(OrderPurpose.TARGET)[0], Decimal("10"), price=120.0)
    (stop,) = run.orders(OrderPurpose.STOP)
    assert stop.amount == entry.amount - 10
    modified = [effect for effect in run.effects if isinstance(effect, effects.ModifyOrder)]
    assert run.intents[modified[0].new_client_order_id].purpose is OrderPurpose.STOP
    assert run.trades == []


def test_a_stop_that_triggered_and_ended_partly_filled_is_placed_anew_for_the_rest() -> None:
    run = ScriptedRun()
    entry = run.enter()
    (stop,) = run.orders(OrderPurpose.STOP)
    del run.resting[stop.client_order_id]
    run.ended[stop.client_order_id] = OrderState.CANCELED
    run.fill(stop, Decimal("10"))
    (again,) = run.orders(OrderPurpose.STOP)
    assert again.client_order_id != stop.client_order_id
    assert (again.amount, again.trigger_price) == (entry.amount - 10, stop.trigger_price)
    assert run.facts.protection is Protection.PROTECTED


def test_a_fill_of_a_leg_forgets_no_reading_that_it_waits_for() -> None:
    run = ScriptedRun()
    run.enter()
    (target,) = run.orders(OrderPurpose.TARGET)
    order = run.core._orders.get(target.client_order_id)
    assert order is not None
    order.wants_read, order.ask_at_ms = True, run.elapsed_ms + 5_000
    run.fill(target, Decimal("10"), price=120.0)
    run.tick(6)
    assert effects.ReadOrder(target.client_order_id) in run.effects


def test_the_stop_trails_at_closes_by_one_modify() -> None:
    run = ScriptedRun(settings=TRAILING)
    run.enter()
    run.bar(close=110.0, high=112.0)
    (stop,) = run.orders(OrderPurpose.STOP)
    assert stop.trigger_price == Decimal("106.4")
    run.fill(stop, price=106.4)
    assert run.trades[0].reason is ExitReason.TRAILING_STOP


def test_without_modify_the_new_stop_rests_before_the_old_one_is_cancelled() -> None:
    run = ScriptedRun(settings=TRAILING, modifies_orders=False)
    run.enter()
    run.effects.clear()
    run.bar(close=110.0, high=112.0)
    names = [
        type(effect) for effect in run.effects if isinstance(effect, effects.SendOrder | effects.CancelOrder)
    ]
    assert names == [effects.SendOrder, effects.CancelOrder]
    assert [stop.trigger_price for stop in run.orders(OrderPurpose.STOP)] == [Decimal("106.4")]


def acts_of(run: ScriptedRun) -> list[type]:
    return [
        type(effect) for effect in run.effects if isinstance(effect, effects.ModifyOrder | effects.SendOrder)
    ]


def test_an_exit_goes_before_a_move_of_the_stop_which_stays_where_it_rests_until_the_answer() -> None:
    run = ScriptedRun(settings=TRAILING)
    run.enter()
    run.tick()
    run.effects.clear()
    run.silent = lambda effect: isinstance(effect, effects.SendOrder)
    run.bar(EXIT, close=110.0, high=112.0)
    assert acts_of(run) == [effects.SendOrder]
    assert [stop.trigger_price for stop in run.orders(OrderPurpose.STOP)] == [Decimal("95")]
    assert run.facts.protection is Protection.PROTECTED
    (closing,) = run.sent(OrderPurpose.EXIT)
    run.fill(closing)
    assert acts_of(run) == [effects.SendOrder], "the position has ended: no stop is moved any more"
    assert run.resting == {}


def test_a_stop_is_moved_once_the_exit_is_answered_and_has_not_closed_the_position() -> None:
    run = ScriptedRun(settings=TRAILING)
    run.enter()
    run.tick()
    run.effects.clear()
    run.bar(EXIT, close=110.0, high=112.0)
    assert acts_of(run) == [effects.SendOrder, effects.ModifyOrder]
    assert [stop.trigger_price for stop in run.orders(OrderPurpose.STOP)] == [Decimal("106.4")]


@pytest.mark.parametrize("loses", [True, False])
def test_a_stop_is_moved_while_an_exit_is_in_doubt_or_has_no_answer_for_long(loses: bool) -> None:
    run = ScriptedRun(settings=TRAILING)
    run.enter()
    run.tick()
    run.effects.clear()
    run.silent = lambda effect: isinstance(effect, effects.SendOrder | effects.ResolveOrder)
    run.bar(EXIT, close=110.0, high=112.0)
    (closing,) = run.sent(OrderPurpose.EXIT)
    if loses:
        run.handle(inputs.SendAnswered(closing.client_order_id, Unknown("lost"), run.now_ms))
    else:
        run.now_ms += 2_000
        run.tick()
    assert acts_of(run) == [effects.SendOrder, effects.ModifyOrder]
    assert [stop.trigger_price for stop in run.orders(OrderPurpose.STOP)] == [Decimal("106.4")]


def test_an_unconfirmed_modify_reads_open_orders_before_anything_else() -> None:
    run = ScriptedRun(settings=TRAILING)
    run.enter()

    def lose(effect: effects.Effect) -> inputs.Event:
        assert isinstance(effect, effects.ModifyOrder)
        return inputs.ModifyAnswered(
            effect.client_order_id, effect.new_client_order_id, Unknown("lost"), run.now_ms
        )

    run.answers[effects.ModifyOrder] = lose
    run.effects.clear()
    run.bar(close=110.0, high=112.0)
    after = [type(effect) for effect in run.effects]
    assert effects.ReadOpenOrders in after
    assert after.index(effects.ModifyOrder) < after.index(effects.ReadOpenOrders)
    del run.answers[effects.ModifyOrder]
    run.tick(40)
    assert [stop.trigger_price for stop in run.orders(OrderPurpose.STOP)] == [Decimal("106.4")]


def test_a_stop_beyond_the_mark_closes_at_market_with_the_stops_reason() -> None:
    run = ScriptedRun()
    run.answers[effects.SendOrder] = refuse_stops(run, "beyond_mark")
    run.enter()
    (closing,) = run.orders(OrderPurpose.EXIT)
    assert closing.reduce_only
    run.fill(closing)
    assert run.trades[0].reason is ExitReason.STOP_LOSS
    assert "unprotected" in topics(run)


def test_a_rate_limited_stop_is_tried_again_and_never_closed() -> None:
    run = ScriptedRun()
    run.answers[effects.SendOrder] = refuse_stops(run, "rate_limit", times=3)
    run.enter()
    assert run.orders(OrderPurpose.STOP) == []
    assert run.facts.protection is Protection.UNPROTECTED
    run.tick(60)
    assert len(run.orders(OrderPurpose.STOP)) == 1
    assert run.sent(OrderPurpose.EXIT) == []
    assert run.facts.protection is Protection.PROTECTED


def test_a_stop_refused_for_good_gets_one_retry_and_five_seconds() -> None:
    run = ScriptedRun()
    run.answers[effects.SendOrder] = refuse_stops(run, "other")
    run.enter()
    assert len(run.sent(OrderPurpose.STOP)) == 2
    run.tick(4)
    assert run.sent(OrderPurpose.EXIT) == []
    run.tick(2)
    (closing,) = run.orders(OrderPurpose.EXIT)
    run.fill(closing)
    assert run.trades[0].reason is ExitReason.PROTECTION_FAILED


def test_a_stop_refused_for_good_closes_the_position_that_follows_an_adopted_one() -> None:
    run = ScriptedRun(settings=TRAILING, assume_position_now=True)
    run.held, run.price = Decimal(5), 103.0
    bar = Bar(START_MS - HOUR_MS, 103.0, 103.0, 103.0, 103.0, 1.0)
    run.handle(inputs.Launched(run.position(), [], run.balance(), run.touch(), bar, START_MS))
    run.bar(EXIT)
    run.fill(run.orders(OrderPurpose.EXIT)[0])
    run.bar()
    run.bar(ENTER)
    (entry,) = run.sent(OrderPurpose.ENTRY)
    run.answers[effects.SendOrder] = refuse_stops(run, "other")
    run.fill(entry)
    run.tick(10)
    (close,) = run.orders(OrderPurpose.EXIT)
    run.fill(close)
    assert run.trades[-1].reason is ExitReason.PROTECTION_FAILED


def test_a_position_without_its_stop_is_an_alarm_also_while_the_venue_cannot_be_read() -> None:
    run = ScriptedRun()
    run.launch()
    run.bar()
    run.bar(ENTER)
    run.answers[effects.SendOrder] = refuse_stops(run, "other")
    run.answers[effects.ReadPosition] = lambda effect: inputs.ReadFailed(effect, "down", run.now_ms)
    run.fill(run.sent(OrderPurpose.ENTRY)[0])
    run.tick(2)
    assert "unprotected" in topics(run)


def test_a_stop_refused_for_good_is_an_alarm_only_where_closing_is_the_operators() -> None:
    run = ScriptedRun(close_position_on_exit=False)
    run.answers[effects.SendOrder] = refuse_stops(run, "other")
    run.enter()
    run.tick(30)
    assert run.sent(OrderPurpose.EXIT) == []
    assert run.facts.protection is Protection.UNPROTECTED
    assert "unprotected" in topics(run)


@pytest.mark.parametrize("state", [OrderState.CANCELED, OrderState.EXPIRED])
def test_a_stop_that_vanishes_is_placed_again_at_once(state: OrderState) -> None:
    run = ScriptedRun()
    run.enter()
    run.end(run.orders(OrderPurpose.STOP)[0], state)
    assert len(run.orders(OrderPurpose.STOP)) == 1
    assert run.facts.protection is Protection.PROTECTED


@pytest.mark.parametrize("is_refused_at_entry", [False, True])
def test_a_stop_that_vanishes_gets_one_corrected_retry_whatever_was_refused_before(
    is_refused_at_entry: bool,
) -> None:
    run = ScriptedRun()
    if is_refused_at_entry:
        run.answers[effects.SendOrder] = refuse_stops(run, "rate_limit", times=1)
    run.enter()
    run.tick(5)
    run.answers[effects.SendOrder] = refuse_stops(run, "other", times=1)
    run.end(run.orders(OrderPurpose.STOP)[0])
    run.tick(10)
    assert len(run.orders(OrderPurpose.STOP)) == 1
    assert run.facts.protection is Protection.PROTECTED
    assert run.sent(OrderPurpose.EXIT) == []


def test_a_mid_at_the_stop_closes_nothing_where_no_stop_has_ended_unfilled() -> None:
    run = ScriptedRun()
    run.answers[effects.SendOrder] = refuse_stops(run, "rate_limit", times=1)
    run.enter()
    run.tick(5)
    run.price = 94.9
    # The venue triggers by its mark, which is still above.
    run.handle(MarkMoved(SYMBOL, Touch(94.8, 95.0, 95.5, run.now_ms), run.now_ms))
    run.tick(5)
    assert len(run.orders(OrderPurpose.STOP)) == 1
    assert run.sent(OrderPurpose.EXIT) == []


@pytest.mark.parametrize(("rested_s", "closes"), [(2, True), (40, False)])
def test_a_stop_after_one_that_ended_unfilled_is_watched_until_it_has_rested_for_a_while(
    rested_s: int, closes: bool
) -> None:
    run = ScriptedRun()
    run.enter()
    run.end(run.orders(OrderPurpose.STOP)[0])
    run.tick(rested_s)
    run.price = 94.9
    run.handle(MarkMoved(SYMBOL, Touch(94.8, 95.0, 95.5, run.now_ms), run.now_ms))
    run.tick(2)
    assert bool(run.sent(OrderPurpose.EXIT)) is closes


def test_a_stop_that_the_venue_ends_each_time_is_placed_again_once_a_second() -> None:
    run = ScriptedRun()
    run.enter()
    for _ in range(20):
        for stop in run.orders(OrderPurpose.STOP):
            run.end(stop)
        run.tick()
    assert 10 <= len(run.sent(OrderPurpose.STOP)) <= 22


def test_a_leg_that_fills_after_flat_is_an_alarm_and_what_it_made_is_closed() -> None:
    run = ScriptedRun()
    run.enter()
    stop = run.orders(OrderPurpose.STOP)[0]
    run.fill(run.orders(OrderPurpose.TARGET)[0], price=120.0)
    run.fill(stop, Decimal("5"), price=95.0)
    assert "fill after flat" in topics(run)
    (repair,) = run.orders(OrderPurpose.EXIT)
    assert (repair.side, repair.amount, repair.reduce_only) == (OrderSide.BUY, Decimal("5"), True)
    run.fill(repair)
    assert run.held == 0
    assert len(run.trades) == 1
    assert "fill after flat" in {event.topic for event in run.journal(AlarmCleared)}


def test_what_a_leg_made_after_flat_is_not_closed_again_once_someone_else_has() -> None:
    run = ScriptedRun()
    run.enter()
    (stop,), (target,) = run.orders(OrderPurpose.STOP), run.orders(OrderPurpose.TARGET)
    run.answers[effects.CancelOrder] = lambda effect: inputs.CancelAnswered(
        effect.client_order_id, Refused("not_found", "gone"), run.now_ms
    )
    run.fill(stop, price=95.0)
    run.fill(target, price=120.0)
    (close,) = run.orders(OrderPurpose.EXIT)
    run.external_fill(OrderSide.BUY, -run.held)
    run.tick(3)
    run.end(close)
    run.tick(60)
    run.bar()
    assert len(run.sent(OrderPurpose.EXIT)) == 1


def test_closing_orders_widen_their_bound_until_the_venue_says_flat() -> None:
    run = ScriptedRun()
    run.enter()
    run.bar(EXIT)
    bounds = []
    for _ in range(4):
        (closing,) = run.orders(OrderPurpose.EXIT)
        bounds.append(closing.price)
        run.fill(closing, Decimal("1"))
        run.end(closing)
        run.tick()
    assert bounds == [Decimal("99.00"), Decimal("95.00"), Decimal("90.00"), Decimal("90.00")]
    assert "closing" in topics(run)
    run.fill(run.orders(OrderPurpose.EXIT)[0])
    assert run.trades[0].reason is ExitReason.SIGNAL
    assert run.held == 0


def test_a_lost_stop_is_never_sent_twice() -> None:
    run = ScriptedRun()

    def lose(effect: effects.Effect) -> inputs.Event | None:
        assert isinstance(effect, effects.SendOrder)
        if run.intents[effect.client_order_id].purpose is not OrderPurpose.STOP:
            return None
        run.resting[effect.client_order_id] = run.intents[effect.client_order_id]
        return inputs.SendAnswered(effect.client_order_id, Unknown("lost"), run.now_ms)

    run.answers[effects.SendOrder] = lose
    run.answers[effects.ResolveOrder] = lambda effect: inputs.ResolveAnswered(
        effect.client_order_id, StillUnknown("no answer"), run.now_ms
    )
    run.enter()
    run.tick(30)
    assert len(run.sent(OrderPurpose.STOP)) == 1
    assert run.facts.protection is Protection.UNPROTECTED


def test_a_stop_that_never_was_is_placed_anew_at_once_whatever_became_of_the_one_before() -> None:
    run = ScriptedRun()
    run.enter()
    (first,) = run.orders(OrderPurpose.STOP)
    run.answers[effects.SendOrder] = lambda effect: inputs.SendAnswered(
        effect.client_order_id, Unknown("lost"), run.now_ms
    )
    run.answers[effects.ResolveOrder] = lambda effect: inputs.ResolveAnswered(
        effect.client_order_id, StillUnknown("no answer"), run.now_ms
    )
    run.end(first)
    run.tick()
    assert len(run.sent(OrderPurpose.STOP)) == 2
    run.tick()
    run.answers.clear()
    # The next second finds out that it never was: no further second passes without a stop.
    run.tick()
    assert len(run.sent(OrderPurpose.STOP)) == 3
    assert run.facts.protection is Protection.PROTECTED


def test_whatever_failed_before_an_unprotected_position_gets_its_stop_as_soon_as_the_venue_answers() -> None:
    run = ScriptedRun()
    run.launch()
    run.bar()
    run.bar(ENTER)
    (entry,) = run.sent(OrderPurpose.ENTRY)
    run.answers[effects.SendOrder] = lambda effect: inputs.SendAnswered(
        effect.client_order_id, Unknown("no answer"), run.now_ms
    )
    run.answers[effects.ResolveOrder] = lambda effect: inputs.ResolveAnswered(
        effect.client_order_id, StillUnknown("no answer"), run.now_ms
    )
    run.fill(entry)
    for _ in range(100):
        run.tick()
    assert run.facts.protection is Protection.UNPROTECTED
    run.answers.clear()
    for _ in range(3):
        run.tick()
    assert run.facts.protection is Protection.PROTECTED


def fill_entries_at_once(
    run: ScriptedRun, *, parts: int = 1, fills_within_ms: int = 1_000
) -> Callable[[effects.Effect], inputs.Event | None]:
    """Let entries fill in equal parts with their answer, as a venue does whose stream says nothing."""

    def answer(effect: effects.Effect) -> inputs.Event | None:
        assert isinstance(effect, effects.SendOrder)
        intent = run.intents[effect.client_order_id]
        if intent.purpose is not OrderPurpose.ENTRY:
            return None
        run.held += intent.side.sign * intent.amount
        run.filled[effect.client_order_id] = intent.amount
        run.ended[effect.client_order_id] = OrderState.FILLED
        for _ in range(parts):
            run._fill(effect.client_order_id, intent.side, intent.amount / parts, run.price)
        taken = Accepted("77", intent.amount, Decimal(repr(run.price)), fills_within_ms)
        return inputs.SendAnswered(effect.client_order_id, taken, run.now_ms)

    return answer


def enter_without_fills(run: ScriptedRun, *, parts: int = 1, fills_within_ms: int = 1_000) -> None:
    run.launch()
    run.bar()
    run.answers[effects.SendOrder] = fill_entries_at_once(run, parts=parts, fills_within_ms=fills_within_ms)
    run.bar(ENTER)


def test_the_answer_to_an_entry_places_the_stop_before_any_fill_arrives() -> None:
    run = ScriptedRun()
    enter_without_fills(run)
    assert run.core.exposed_steps == 0
    (stop,) = run.sent(OrderPurpose.STOP)
    (entry,) = run.sent(OrderPurpose.ENTRY)
    assert (stop.amount, stop.trigger_price, stop.price) == (entry.amount, Decimal("95"), Decimal("85.5"))
    assert stop.reduce_only
    assert run.facts.protection is Protection.PROTECTED
    run.handle(FillReported(run.fills[0], run.touch(), run.now_ms))
    assert run.facts.protection is Protection.PROTECTED
    assert run.sent(OrderPurpose.STOP) == [stop]
    assert len(run.sent(OrderPurpose.TARGET)) == 1


@pytest.mark.parametrize("stops", [False, True])
def test_what_the_answer_to_an_entry_says_is_filled_is_exposed_and_can_be_closed_at_once(stops: bool) -> None:
    run = ScriptedRun()
    enter_without_fills(run, fills_within_ms=151_000)
    assert run.facts.exposure is Exposure.EXPOSED
    run.answers[effects.ReadFills] = lambda effect: inputs.ReadFailed(effect, "busy", run.now_ms)
    if stops:
        run.stop(StopMode.CLOSE)
    else:
        run.close_position()
    run.tick(5)
    assert run.facts.exposure is not Exposure.FLAT
    assert run.sent(OrderPurpose.EXIT) == []
    run.answers.pop(effects.ReadFills)
    run.tick(20)
    (close,) = run.orders(OrderPurpose.EXIT)
    assert close.amount == run.held
    run.fill(close)
    assert [trade.reason for trade in run.trades] == [ExitReason.RUN_END if stops else ExitReason.MANUAL]
    assert run.resting == {}
    assert run.facts.exposure is Exposure.FLAT


def test_a_run_that_fails_before_the_fills_of_its_entry_arrive_does_not_say_flat() -> None:
    run = ScriptedRun()
    enter_without_fills(run, fills_within_ms=151_000)
    run.answers[effects.ReadFills] = lambda effect: inputs.FillsRead([], [], run.now_ms)
    run.handle(inputs.FailRequested("its worker raised", run.now_ms))
    assert run.facts.exposure is Exposure.EXPOSED
    assert f"reports {run.held:f} BTC filled" in run.facts.sentence


@pytest.mark.parametrize("modifies_orders", [True, False])
def test_a_stop_for_all_that_the_answer_said_is_not_reduced_as_its_fills_arrive(
    modifies_orders: bool,
) -> None:
    run = ScriptedRun(modifies_orders=modifies_orders)
    enter_without_fills(run, parts=5)
    (stop,) = run.orders(OrderPurpose.STOP)
    for fill in run.fills:
        run.handle(FillReported(fill, run.touch(), run.now_ms))
        assert run.orders(OrderPurpose.STOP) == [stop]
        assert run.facts.protection is Protection.PROTECTED
    assert stop.amount == run.held
    assert len(run.sent(OrderPurpose.STOP)) == len(run.sent(OrderPurpose.TARGET)) == 1


def test_fills_that_do_not_arrive_are_read_a_moment_after_the_answer() -> None:
    run = ScriptedRun()
    enter_without_fills(run)
    assert not any(isinstance(effect, effects.ReadFills) for effect in run.effects)
    run.tick(2)
    assert run.core.exposed_steps > 0
    assert run.facts.protection is Protection.PROTECTED
    assert len(run.sent(OrderPurpose.STOP)) == 1


def test_a_stop_that_fills_before_its_entry_arrives_closes_the_trade() -> None:
    run = ScriptedRun()
    enter_without_fills(run)
    (stop,) = run.sent(OrderPurpose.STOP)
    run.price = 95.0
    run.fill(stop)
    assert [trade.reason for trade in run.trades] == [ExitReason.STOP_LOSS]
    assert run.core.exposed_steps == 0
    assert run.held == 0
    assert topics(run) == set()
    assert run.core.open_orders() == []


def test_a_stop_that_was_refused_before_its_entry_arrives_is_placed_when_it_is() -> None:
    run = ScriptedRun()
    run.launch()
    run.bar()
    fills, refuses = fill_entries_at_once(run), refuse_stops(run, "other", times=1)
    run.answers[effects.SendOrder] = lambda effect: fills(effect) or refuses(effect)
    run.bar(ENTER)
    run.tick(3)
    assert run.core.exposed_steps > 0
    assert run.facts.protection is Protection.PROTECTED
    assert len(run.sent(OrderPurpose.STOP)) == 2


BOTH_SIDES = CoreSettings(
    stop_kind=FRACTION,
    stop_value=0.05,
    target_kind=AMOUNT,
    target_value=20.0,
    sizing_value=0.5,
    allows_long=1,
    allows_short=1,
)


def enter_short_after_a_target(run: ScriptedRun) -> None:
    """Let a long end by its target, and the bar that closes right after it enter short."""
    run.launch()
    run.bar(SHORT._replace(entry_short=0))
    run.bar(ENTER._replace(entry_short=0))
    run.fill(run.sent(OrderPurpose.ENTRY)[-1])
    long_stop, held = run.orders(OrderPurpose.STOP)[0], run.position()
    old_words = [inputs.PositionRead(held, run.now_ms)] * 2
    run.answers[effects.ReadPosition] = lambda effect: old_words.pop() if old_words else None
    run.answers[effects.CancelOrder] = lambda effect: (
        inputs.CancelAnswered(long_stop.client_order_id, Unknown("lost"), run.now_ms)
        if effect == effects.CancelOrder(long_stop.client_order_id)
        else None
    )
    run.price = 120.0
    run.fill(run.orders(OrderPurpose.TARGET)[0])
    run.bar(SHORT)
    run.fill(run.sent(OrderPurpose.ENTRY)[-1])


@pytest.mark.parametrize("modifies_orders", [True, False])
def test_a_leg_that_is_left_of_the_trade_before_is_cancelled_and_never_moved(modifies_orders: bool) -> None:
    run = ScriptedRun(settings=BOTH_SIDES, modifies_orders=modifies_orders)
    enter_short_after_a_target(run)
    run.tick(3)
    buys = [stop for stop in run.orders(OrderPurpose.STOP) if stop.side is OrderSide.BUY]
    assert [(stop.trigger_price, stop.amount) for stop in buys] == [(Decimal("126"), -run.held)]
    assert run.facts.protection is Protection.PROTECTED
    del run.answers[effects.CancelOrder]
    run.tick(60)
    assert run.orders(OrderPurpose.STOP) == buys
    assert [target.side for target in run.orders(OrderPurpose.TARGET)] == [OrderSide.BUY]


def test_an_order_of_the_wrong_side_is_no_protection() -> None:
    run = ScriptedRun(settings=BOTH_SIDES)
    run.answers[effects.SendOrder] = refuse_stops(run, "rate_limit")
    run.enter()
    stop = run.sent(OrderPurpose.STOP)[-1]
    wrong = TrackedOrder(replace(stop, side=OrderSide.BUY), run.now_ms, 0, OrderState.ACCEPTED)
    memory = run.core._memory
    memory.orders[stop.client_order_id] = wrong
    memory.stop.order_id = stop.client_order_id
    assert run.core._protection.state() is Protection.UNPROTECTED
    run.tick()
    assert effects.CancelOrder(stop.client_order_id) in run.effects


def fail_readings(run: ScriptedRun) -> None:
    for kind in (
        effects.ReadPosition,
        effects.ReadFills,
        effects.ReadOrder,
        effects.ReadOpenOrders,
        effects.ReadBalance,
    ):
        run.answers[kind] = lambda effect: inputs.ReadFailed(effect, "too many requests", run.now_ms)


@pytest.mark.parametrize("modifies_orders", [True, False])
def test_the_first_stop_of_a_trade_waits_for_no_reading(modifies_orders: bool) -> None:
    run = ScriptedRun(modifies_orders=modifies_orders)
    run.enter()
    held = run.position()
    # The venue shows the old position for a while, and then it cannot be read any more.
    run.answers[effects.ReadPosition] = lambda effect: inputs.PositionRead(held, run.now_ms)
    run.bar(EXIT)
    run.fill(run.orders(OrderPurpose.EXIT)[0])
    run.price = 150.0
    run.bar()
    run.bar(ENTER)
    fail_readings(run)
    entry = run.sent(OrderPurpose.ENTRY)[-1]
    for amount in (Decimal(10), entry.amount - 10):
        run.fill(entry, amount)
        (stop,) = run.orders(OrderPurpose.STOP)
        assert (stop.trigger_price, stop.amount) == (Decimal("142.5"), run.held)
        assert run.facts.protection is Protection.PROTECTED
    run.tick(60)
    assert run.orders(OrderPurpose.STOP) == [stop]


def test_a_stop_of_the_trade_before_protects_nothing_of_the_next_one() -> None:
    run = ScriptedRun()
    run.enter()
    held = run.position()
    run.answers[effects.ReadPosition] = lambda effect: inputs.PositionRead(held, run.now_ms)
    run.answers[effects.CancelOrder] = lambda effect: inputs.CancelAnswered(
        effect.client_order_id, Unknown("lost"), run.now_ms
    )
    run.bar(EXIT)
    run.fill(run.orders(OrderPurpose.EXIT)[0])
    run.price = 150.0
    run.bar()
    run.bar(ENTER)
    run.answers[effects.SendOrder] = refuse_stops(run, "rate_limit")
    run.fill(run.sent(OrderPurpose.ENTRY)[-1])
    run.tick(3)
    assert [stop.trigger_price for stop in run.orders(OrderPurpose.STOP)] == [Decimal("95")]
    assert run.facts.protection is Protection.UNPROTECTED
    assert "unprotected" in topics(run)


def test_a_stop_that_was_lost_is_not_followed_by_another_before_the_position_is_read() -> None:
    run = ScriptedRun()
    run.enter()
    fail_readings(run)
    run.end(run.orders(OrderPurpose.STOP)[0])
    run.tick(20)
    assert len(run.sent(OrderPurpose.STOP)) == 1
    run.answers.clear()
    run.tick(3)
    assert len(run.orders(OrderPurpose.STOP)) == 1


def reconcile_without(run: ScriptedRun, stop: OrderIntent, *, is_listed: bool) -> None:
    """Let the venue say that it knows no such order; ``is_listed``: its open orders show it all the same."""

    def answer(effect: effects.Effect) -> inputs.Event:
        reading = run.reading()
        listed = [order for order in reading.open_orders if order.client_order_id != stop.client_order_id]
        return inputs.Reconciled(
            replace(
                reading,
                reports=reading.reports | {stop.client_order_id: None},
                open_orders=reading.open_orders if is_listed else listed,
            ),
            run.now_ms,
        )

    run.answers[effects.Reconcile] = answer
    run.handle(StreamRestored("user", run.now_ms))
    del run.answers[effects.Reconcile]


@pytest.mark.parametrize("is_listed", [True, False])
def test_a_stop_that_the_venue_did_not_know_once_is_the_stop_still(is_listed: bool) -> None:
    run = ScriptedRun()
    run.enter()
    (stop,) = run.orders(OrderPurpose.STOP)
    reconcile_without(run, stop, is_listed=is_listed)
    run.tick(3)
    assert run.sent(OrderPurpose.STOP) == run.orders(OrderPurpose.STOP) == [stop]
    assert run.facts.protection is Protection.PROTECTED
    run.bar(EXIT)
    run.fill(run.orders(OrderPurpose.EXIT)[0])
    assert run.resting == {}


def lose_sight(run: ScriptedRun, stop: OrderIntent) -> None:
    """Let the venue know nothing of a stop that rests, however it is asked."""
    run.answers[effects.ReadOrder] = lambda effect: (
        inputs.OrderRead(stop.client_order_id, None, run.now_ms)
        if effect == effects.ReadOrder(stop.client_order_id)
        else None
    )
    run.answers[effects.ReadOpenOrders] = lambda effect: inputs.OpenOrdersRead(
        [run.report(order) for order in run.resting.values() if order is not stop], run.now_ms
    )
    reconcile_without(run, stop, is_listed=False)


def test_a_stop_that_the_venue_does_not_know_is_placed_anew_within_five_seconds() -> None:
    run = ScriptedRun()
    run.enter()
    (stop,) = run.orders(OrderPurpose.STOP)
    lose_sight(run, stop)
    run.tick(4)
    assert len(run.sent(OrderPurpose.STOP)) == 2
    assert run.facts.protection is Protection.PROTECTED
    assert "order lost" in topics(run)


@pytest.mark.parametrize("is_flat", [True, False])
@pytest.mark.parametrize("is_cancel_lost", [True, False])
def test_a_stop_that_rests_although_it_was_over_is_cancelled(is_flat: bool, is_cancel_lost: bool) -> None:
    run = ScriptedRun()
    run.enter()
    (stop,) = run.orders(OrderPurpose.STOP)
    lose_sight(run, stop)
    run.tick(4)
    kept = [] if is_flat else run.sent(OrderPurpose.STOP)[1:]
    assert stop in run.orders(OrderPurpose.STOP)
    run.answers.clear()
    if is_cancel_lost:
        left = [inputs.CancelAnswered(stop.client_order_id, Unknown("lost"), run.now_ms)]
        run.answers[effects.CancelOrder] = lambda effect: left.pop() if left else None
    if is_flat:
        # Before the next trade the venue is asked, although no stream was lost.
        run.bar(EXIT)
        run.fill(run.orders(OrderPurpose.EXIT)[0])
    else:
        run.handle(StreamRestored("user", run.now_ms))
    run.tick(5)
    assert run.orders(OrderPurpose.STOP) == kept
    assert all(order.is_settled for order in run.core._memory.settled.values())
    assert stop.client_order_id not in run.core.open_orders()
