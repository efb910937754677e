"""Entries in slices: one order at each close, stored before it is sent, and nothing after a cancel."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from firstwatch.engine.core import effects, inputs
from firstwatch.engine.core.entries import slice_delay_ms
from firstwatch.engine.core.records import NewOrder
from firstwatch.engine.core.run_memory import RunSetup
from firstwatch.strategy.core_state import AMOUNT, FRACTION, NO_LEVEL, NO_ORDER, TWAP_ORDER, CoreSettings
from firstwatch.trading.bar import Bar
from firstwatch.trading.events import DecisionDropped, EntryDecided, SliceDecided, SlicesCancelled
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.market import Market
from firstwatch.trading.orders import OrderPurpose, OrderState
from firstwatch.trading.runs import Protection, RunState, StopMode
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.protocol import Executed, Refused, StillUnknown, Unknown
from tests.engine.scripted import ENTER, EXIT, HOUR_MS, RUN_ID, SYMBOL, ScriptedRun
from tests.engine.test_in_flight import in_doubt

ENTRY, STOP, CLOSING = OrderPurpose.ENTRY, OrderPurpose.STOP, OrderPurpose.EXIT
TARGET = OrderPurpose.TARGET
SLICED = CoreSettings(
    stop_kind=FRACTION, stop_value=0.05, sizing_value=0.5, order_kind=TWAP_ORDER, order_bars=3
)


def sliced(**options: object) -> ScriptedRun:
    """Return a run that has decided an entry in three slices of 16.666666, 16.666666 and 16.666668."""
    run = ScriptedRun(settings=SLICED, **options)
    run.launch()
    run.bar()
    run.bar(ENTER)
    return run


def entered(run: ScriptedRun) -> list[Decimal]:
    return [intent.amount for intent in run.sent(ENTRY)]


def fill_last(run: ScriptedRun, **how: object) -> None:
    run.fill(run.sent(ENTRY)[-1], **how)


def test_an_entry_is_sent_slice_by_slice_and_each_is_protected() -> None:
    run = sliced(trades_limit=1)
    (decided,) = run.journal(EntryDecided)
    assert (decided.amount, decided.slices) == (Decimal("50"), 3)
    for number, close in ((1, 101.0), (2, 102.0), (3, 103.0)):
        fill_last(run)
        (stop,) = run.orders(STOP)
        assert stop.amount == run.held
        assert run.facts.protection is Protection.PROTECTED
        assert run.core._memory.core.entries == 1
        assert len(run.sent(ENTRY)) == number
        run.bar(close=close)
    run.bar()
    assert entered(run) == [Decimal("16.666666"), Decimal("16.666666"), Decimal("16.666668")]
    assert [(event.number, event.slices) for event in run.journal(SliceDecided)] == [(2, 3), (3, 3)]
    assert run.journal(SlicesCancelled) == []
    core = run.core._memory.core
    assert core.entry_order == NO_ORDER
    assert core.entry_price == pytest.approx((100 + 101 + 102) / 3, rel=1e-6)
    assert core.expected_entry == pytest.approx(101, rel=1e-6)
    assert core.stop == pytest.approx(0.95 * core.entry_price, abs=0.01)
    assert run.core._memory.entry is None


def test_an_order_row_stands_before_its_request() -> None:
    run = sliced()
    fill_last(run)
    run.bar()
    stored = [record.intent.client_order_id for record in run.records if isinstance(record, NewOrder)]
    sent = [each.client_order_id for each in run.effects if isinstance(each, effects.SendOrder)]
    assert len(sent) == len(set(sent))
    assert set(sent) <= set(stored)


CANCELS: dict[str, Callable[[ScriptedRun], None]] = {
    "a pause": lambda run: run.pause(),
    "a pause that is over by the close": lambda run: (run.pause(), run.resume()),
    "a stop that leaves": lambda run: run.stop(StopMode.LEAVE),
    "a stop that closes": lambda run: run.stop(StopMode.CLOSE),
    "a closing by hand": lambda run: run.close_position(),
    "the exit signal": lambda run: run.bar(EXIT),
    "its stop": lambda run: run.fill(run.orders(STOP)[0], price=95.0),
}


@pytest.mark.parametrize("name", CANCELS)
def test_nothing_of_an_entry_is_sent_after_what_cancels_it(name: str) -> None:
    run = sliced()
    fill_last(run)
    CANCELS[name](run)
    for intent in list(run.resting.values()):
        if intent.purpose is CLOSING:
            run.fill(intent)
    for _ in range(4):
        if not run.is_over:
            run.tick(3)
            run.bar()
    assert entered(run) == [Decimal("16.666666")]
    (cancelled,) = run.journal(SlicesCancelled)
    assert cancelled.amount == Decimal("33.333334")
    assert run.core._memory.entry is None
    assert run.core._memory.core.slices == 0


@pytest.mark.parametrize("is_executed", [True, False])
def test_a_slice_in_doubt_is_asked_about_and_cancels_what_is_left(is_executed: bool) -> None:
    run = sliced()
    fill_last(run)
    in_doubt(run, ENTRY)
    run.bar()
    doubtful = run.sent(ENTRY)[-1]
    run.bar()
    run.tick(5)
    assert len(run.sent(ENTRY)) == 2
    (dropped,) = run.journal(DecisionDropped)
    assert dropped.cause == "the slice before it is in doubt"
    assert run.journal(SlicesCancelled) == []  # the last one was decided and dropped
    asked = [each for each in run.effects if isinstance(each, effects.ResolveOrder)]
    assert {each.client_order_id for each in asked} == {doubtful.client_order_id}

    def resolve(effect: effects.ResolveOrder) -> inputs.ResolveAnswered:
        run.ended[doubtful.client_order_id] = OrderState.FILLED if is_executed else OrderState.CANCELED
        return inputs.ResolveAnswered(effect.client_order_id, Executed(run.report(doubtful)), run.now_ms)

    if is_executed:
        run.filled[doubtful.client_order_id] = doubtful.amount
        run.held += doubtful.amount
        run._fill(doubtful.client_order_id, doubtful.side, doubtful.amount, run.price)
    run.answers[effects.ResolveOrder] = resolve
    run.tick(40)
    run.bar()
    assert len(run.sent(ENTRY)) == 2
    assert run.orders(STOP)[0].amount == run.held == doubtful.amount * (2 if is_executed else 1)
    assert run.core._memory.entry is None


def test_a_refused_slice_ends_the_entry_and_leaves_what_is_held() -> None:
    run = sliced()
    fill_last(run)

    def refuse(effect: effects.SendOrder) -> inputs.SendAnswered | None:
        if run.intents[effect.client_order_id].purpose is not ENTRY:
            return None
        return inputs.SendAnswered(effect.client_order_id, Refused("other", "no"), run.now_ms)

    run.answers[effects.SendOrder] = refuse
    run.bar()
    run.answers.clear()
    run.bar()
    run.bar()
    assert len(run.sent(ENTRY)) == 2
    (cancelled,) = run.journal(SlicesCancelled)
    assert (cancelled.amount, cancelled.cause) == (Decimal("16.666668"), "refused by the venue")
    assert run.facts.protection is Protection.PROTECTED


def test_what_a_slice_does_not_fill_is_dropped_and_the_next_follows() -> None:
    run = sliced()
    fill_last(run)
    run.bar()
    second = run.sent(ENTRY)[-1]
    run.fill(second, Decimal("1"))
    run.end(second)
    run.tick(2)
    run.bar()
    assert entered(run)[2] == Decimal("16.666668")
    fill_last(run)
    assert run.held == Decimal("34.333334")
    assert run.orders(STOP)[0].amount == run.held


def test_an_entry_whose_first_slice_fills_nothing_is_over() -> None:
    run = sliced()
    run.end(run.sent(ENTRY)[-1])
    run.bar()
    run.bar()
    assert len(run.sent(ENTRY)) == 1
    assert run.journal(SlicesCancelled)[0].cause == "the slice before it did not fill"
    core = run.core._memory.core
    assert (core.entry_order, core.armed_long, core.entries) == (NO_ORDER, 1, 0)


# --- process lives -------------------------------------------------------------------------------


def test_a_restart_between_two_slices_goes_on_with_the_next() -> None:
    run = sliced()
    fill_last(run)
    run.restart()
    run.bar()
    assert len(run.sent(ENTRY)) == 2
    fill_last(run)
    run.restart()
    run.bar()
    fill_last(run)
    assert run.held == Decimal("50")
    assert run.orders(STOP)[0].amount == run.held


def test_slices_whose_closes_were_missed_are_not_sent() -> None:
    run = sliced()
    fill_last(run)
    time_ms = run.setup.timeframe.open_of(run.now_ms)
    run.now_ms = time_ms + HOUR_MS + 600_000
    run.restart([Bar(time_ms, 100.0, 100.5, 99.5, 100.0, 1.0)])
    run.bar()
    run.bar()
    assert len(run.sent(ENTRY)) == 1
    assert run.journal(DecisionDropped)[-1].cause == "late"
    assert run.orders(STOP)[0].amount == run.held


def test_a_process_that_dies_after_storing_a_slice_asks_and_does_not_send_it_again() -> None:
    run = sliced()
    fill_last(run)
    run.silent = lambda effect: isinstance(effect, effects.SendOrder)
    run.bar()
    stored = run.sent(ENTRY)[-1]
    run.silent = lambda effect: False
    run.resolve = lambda order_id: StillUnknown("taken", is_taken=True)  # type: ignore[method-assign]
    sends = sum(isinstance(each, effects.SendOrder) for each in run.effects)
    run.restart()
    run.tick(5)
    again = [each for each in run.effects if isinstance(each, effects.SendOrder)][sends:]
    assert stored.client_order_id not in {each.client_order_id for each in again}
    assert len(run.sent(ENTRY)) == 2


# --- the delay -----------------------------------------------------------------------------------


def test_the_delay_is_bounded_by_the_setting_and_a_tenth_of_the_bar() -> None:
    launch = LaunchSettings(algorithm="a", version=1, wallet="w", symbol=SYMBOL, capital=Decimal(1))
    for timeframe, most_ms in ((Timeframe.M1, 6_000), (Timeframe.M5, 30_000), (Timeframe.D1, 30_000)):
        setup = RunSetup(
            RUN_ID, "w", SYMBOL, timeframe, Market(), launch,
            has_phases=False, modifies_orders=True, slice_delay_ms=30_000,
        )  # fmt: skip
        delays = {slice_delay_ms(setup, bar * timeframe.ms) for bar in range(2_000)}
        assert 0 <= min(delays) < most_ms * 0.1
        assert most_ms * 0.8 < max(delays) <= most_ms - 1_000
        assert len(delays) > 1_000


def delayed() -> tuple[ScriptedRun, int]:
    run = sliced(slice_delay_ms=30_000)
    delay_ms = slice_delay_ms(run.setup, run.core.last_bar_ms)
    assert delay_ms > 3_000
    return run, run.now_ms + delay_ms


def test_a_slice_waits_for_its_moment_and_the_wait_is_booked_as_delay() -> None:
    run, due_ms = delayed()
    assert run.sent(ENTRY) == []
    run.now_ms, run.price = due_ms - 1, 100.4
    run.tick(20)
    assert run.sent(ENTRY) == []
    run.now_ms = due_ms
    run.tick()
    (order,) = [record for record in run.records if isinstance(record, NewOrder)]
    assert (order.time_ms, order.mid_at_decision) == (due_ms, 100.0)
    fill_last(run)
    assert run.orders(STOP)[0].amount == run.held


@pytest.mark.parametrize("cancel", [lambda run: run.pause(), lambda run: run.stop(StopMode.LEAVE)])
def test_a_slice_that_waits_is_never_sent_after_a_cancel(cancel: Callable[[ScriptedRun], None]) -> None:
    run, due_ms = delayed()
    cancel(run)
    run.now_ms = due_ms
    run.tick(3)
    assert run.sent(ENTRY) == []
    assert run.core._memory.entry is None
    assert run.transitions[-1] in {RunState.RUNNING, RunState.STOPPED}


def test_a_slice_that_waits_survives_the_process_and_is_dropped_when_it_is_late() -> None:
    run, due_ms = delayed()
    run.restart()
    assert run.sent(ENTRY) == []
    run.now_ms = due_ms + 200_000  # a twentieth of an hour is allowed
    run.tick()
    assert run.sent(ENTRY) == []
    assert run.journal(DecisionDropped)[-1].cause == "late"

    run, due_ms = delayed()
    run.restart()
    run.now_ms = due_ms + 1_000
    run.tick()
    assert len(run.sent(ENTRY)) == 1


def test_a_doubtful_answer_to_a_slice_never_makes_a_second_one() -> None:
    run = sliced()
    fill_last(run)
    run.answers[effects.SendOrder] = lambda effect: inputs.SendAnswered(
        effect.client_order_id, Unknown("no answer"), run.now_ms
    )
    run.silent = lambda effect: isinstance(effect, effects.ResolveOrder)
    run.bar()
    run.tick(30)
    assert len(run.sent(ENTRY)) == 2


def test_an_old_target_that_outlives_its_successor_is_the_target_again() -> None:
    """At a venue without modify its cancel is lost, and the larger one fills beside a further slice."""
    targeted = replace(SLICED, stop_kind=NO_LEVEL, target_kind=AMOUNT, target_value=20.0)
    run = ScriptedRun(settings=targeted, modifies_orders=False)
    run.launch()
    run.bar()
    run.bar(ENTER)
    fill_last(run)
    (old,) = run.orders(TARGET)
    run.answers[effects.CancelOrder] = lambda effect: inputs.CancelAnswered(
        effect.client_order_id, Unknown("lost"), run.now_ms
    )
    run.bar(close=101.0)
    fill_last(run)
    larger = run.orders(TARGET)[-1]
    assert (len(run.orders(TARGET)), larger.amount) == (2, run.held)
    run.bar(close=102.0)
    run.answers[effects.SendOrder] = lambda effect: inputs.SendAnswered(
        effect.client_order_id, Refused("rate_limit", "too many"), run.now_ms
    )
    fill_last(run)
    run.fill(larger, price=float(larger.price or 0))
    assert old.client_order_id in run.resting
    run.answers.clear()
    run.tick(40)
    (target,) = run.orders(TARGET)
    assert target.amount == run.held == Decimal("16.666668")
    assert float(target.price or 0) == run.core._memory.core.target
