"""The life of a run (``firstwatch.engine``): launch, stops, recovery, what else happens in the wallet."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from firstwatch.engine.core import effects, inputs
from firstwatch.engine.core.ledger import KEPT_TRADES, REMEMBERED_FILLS
from firstwatch.engine.core.records import (
    BarRow,
    EquityRow,
    FundingRow,
    JournalRow,
    TradeAmended,
    Transition,
)
from firstwatch.strategy.core_state import (
    AMOUNT,
    CLOSE_POSITION,
    FRACTION,
    GUARD_STOPS,
    LIMIT_ORDER,
    NO_LEVEL,
    CoreSettings,
)
from firstwatch.trading.account import Funding
from firstwatch.trading.bar import Bar, Decided
from firstwatch.trading.commands import PauseEntries
from firstwatch.trading.events import (
    Adopted,
    AlarmCleared,
    AlarmRaised,
    CoreNoted,
    DecisionDropped,
    EntriesPaused,
    HoleFound,
    LateBar,
    Noted,
    Recovered,
)
from firstwatch.trading.launch import GuardAction, Guards
from firstwatch.trading.notes import NoteCode
from firstwatch.trading.orders import OrderPurpose, OrderSide, OrderState, Touch
from firstwatch.trading.runs import Author, ExitReason, Exposure, Health, RunState, StopMode
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.protocol import (
    Accepted,
    AccountChecked,
    BarClosed,
    BarOpened,
    Executed,
    ExternalPositions,
    FillReported,
    FundingReported,
    NeverWill,
    OrderReported,
    PhaseEnded,
    Refused,
    Resolution,
    SendOutcome,
    StillUnknown,
    StreamLost,
    StreamRestored,
    Unknown,
)
from tests.engine.scripted import ENTER, EXIT, HOUR_MS, QUIET, RUN_ID, START_MS, SYMBOL, ScriptedRun

PLAIN = CoreSettings(stop_kind=FRACTION, stop_value=0.05, sizing_value=0.5)
LIMIT = replace(PLAIN, order_kind=LIMIT_ORDER, order_offset=0.01, order_timeout_bars=5)


def topics(run: ScriptedRun) -> set[str]:
    return {event.topic for event in run.journal(AlarmRaised)}


def dropped(run: ScriptedRun) -> list[str]:
    return [event.cause for event in run.journal(DecisionDropped)]


# --- launch --------------------------------------------------------------------------------------


def test_a_run_is_running_before_its_first_order_and_sets_the_leverage() -> None:
    run = ScriptedRun(leverage=3)
    run.launch()
    assert run.transitions == [RunState.RUNNING]
    assert [effect.leverage for effect in run.effects if isinstance(effect, effects.SetLeverage)] == [3]


def test_a_refused_leverage_fails_the_run_before_any_order() -> None:
    run = ScriptedRun()
    run.leverage_outcome = Refused("other", "too high")
    run.launch()
    assert run.transitions == [RunState.RUNNING, RunState.FAILED]
    assert run.is_over
    assert run.intents == {}


@pytest.mark.parametrize("outcome", [Refused("rate_limit", "slow down"), Unknown("timeout")])
def test_a_leverage_that_the_venue_has_no_time_for_is_set_later(outcome: SendOutcome) -> None:
    run = ScriptedRun()
    run.leverage_outcome = outcome
    run.launch()
    run.tick(300)
    assert run.core.state is RunState.RUNNING
    assert topics(run) == {"leverage"}
    run.leverage_outcome = Accepted("")
    run.tick(30)
    assert "leverage" in {event.topic for event in run.journal(AlarmCleared)}
    run.bar()
    run.bar(ENTER)
    assert len(run.orders(OrderPurpose.ENTRY)) == 1


@pytest.mark.parametrize("refusals", [3, 4])
def test_a_key_that_the_venue_does_not_know_is_tried_again_before_the_run_fails(refusals: int) -> None:
    run = ScriptedRun()
    outcomes: list[SendOutcome] = [Refused("auth", "User or API Wallet does not exist.")] * refusals
    run.answers[effects.SetLeverage] = lambda effect: inputs.LeverageSet(
        outcomes.pop() if outcomes else Accepted(""), run.now_ms
    )
    run.launch()
    run.tick(60)
    assert run.core.state is (RunState.FAILED if refusals == 4 else RunState.RUNNING)


def test_a_wallet_with_a_position_fails_a_launch_that_does_not_assume_it() -> None:
    run = ScriptedRun()
    run.held = Decimal(5)
    run.launch()
    assert run.transitions == [RunState.FAILED]
    assert run.facts.exposure is Exposure.EXPOSED
    assert "flat" not in run.facts.sentence


def test_an_assumed_position_is_adopted_and_protected() -> None:
    run = ScriptedRun(settings=PLAIN, assume_position_now=True)
    run.held, run.price = Decimal(5), 103.0
    bar = Bar(START_MS - HOUR_MS, 103.0, 103.0, 103.0, 103.0, 1.0)
    run.handle(inputs.Launched(run.position(), [], run.balance(), run.touch(), bar, START_MS))
    (stop,) = run.orders(OrderPurpose.STOP)
    assert (stop.amount, stop.trigger_price) == (Decimal(5), Decimal("95.00"))
    run.fill(stop, price=95.0)
    assert run.trades[0].entry_price == Decimal("103.0")


def test_an_adopted_position_is_accounted_from_the_mark() -> None:
    run = ScriptedRun(settings=PLAIN, assume_position_now=True)
    run.held = Decimal(5)
    bar = Bar(START_MS - HOUR_MS, 103.0, 103.0, 103.0, 103.0, 1.0)
    touch = Touch(bid=102.0, ask=106.0, mark=103.0, time_ms=START_MS)
    run.handle(inputs.Launched(run.position(), [], run.balance(), touch, bar, START_MS))
    assert [adopted.mark for adopted in run.journal(Adopted)] == [103.0]
    assert (run.core.entry_price, run.core._memory.core.best) == (103.0, 103.0)


@pytest.mark.parametrize(("held", "leverage"), [(-5, 1), (5, 3)], ids=["other side", "other leverage"])
def test_a_position_that_changed_before_the_launch_is_not_adopted(held: int, leverage: int) -> None:
    run = ScriptedRun(settings=PLAIN, assume_position_now=True, leverage=leverage)
    run.held = Decimal(held)
    bar = Bar(START_MS - HOUR_MS, 100.0, 100.0, 100.0, 100.0, 1.0)
    run.handle(inputs.Launched(run.position(), [], run.balance(), run.touch(), bar, START_MS))
    assert run.core.state is RunState.FAILED
    assert run.intents == {}
    assert run.facts.exposure is Exposure.EXPOSED


def test_assume_position_now_enters_a_flat_wallet_once_the_leverage_is_set() -> None:
    run = ScriptedRun(settings=PLAIN, assume_position_now=True)
    run.flags.next.append(ENTER)
    bar = Bar(START_MS - HOUR_MS, 100.0, 100.0, 100.0, 100.0, 1.0)
    run.handle(inputs.Launched(run.position(), [], run.balance(), run.touch(), bar, START_MS))
    assert len(run.orders(OrderPurpose.ENTRY)) == 1
    sent = [effect for effect in run.effects if isinstance(effect, effects.SetLeverage | effects.SendOrder)]
    assert isinstance(sent[0], effects.SetLeverage)


def test_what_assume_position_now_decides_is_as_old_as_the_launch() -> None:
    run = ScriptedRun(settings=PLAIN, assume_position_now=True)
    run.flags.next.append(ENTER)
    bar = Bar(START_MS - HOUR_MS, 100.0, 100.0, 100.0, 100.0, 1.0)
    run.now_ms += HOUR_MS // 2
    run.handle(inputs.Launched(run.position(), [], run.balance(), run.touch(), bar, run.now_ms))
    assert len(run.orders(OrderPurpose.ENTRY)) == 1


def test_an_entry_at_launch_is_late_when_the_leverage_is_set_after_the_next_close() -> None:
    run = ScriptedRun(settings=PLAIN, assume_position_now=True)
    run.flags.next.append(ENTER)
    run.leverage_outcome = Unknown("timeout")
    bar = Bar(START_MS - HOUR_MS, 100.0, 100.0, 100.0, 100.0, 1.0)
    run.handle(inputs.Launched(run.position(), [], run.balance(), run.touch(), bar, START_MS))
    run.bar()
    assert dropped(run) == ["late"]
    run.leverage_outcome = Accepted("")
    run.tick(5)
    assert run.intents == {}
    run.bar(ENTER)
    assert len(run.orders(OrderPurpose.ENTRY)) == 1


def test_a_run_that_has_not_begun_can_be_cancelled_and_a_running_one_cannot() -> None:
    run = ScriptedRun()
    run.cancel()
    assert run.transitions == [RunState.CANCELLED]
    run = ScriptedRun()
    run.launch()
    run.cancel()
    assert run.core.state is RunState.RUNNING


# --- entries -------------------------------------------------------------------------------------


def test_a_late_entry_is_dropped_and_an_exit_is_not() -> None:
    run = ScriptedRun(settings=PLAIN)
    run.launch()
    run.bar()
    run.bar(ENTER, late_ms=181_000)
    assert dropped(run) == ["late"]
    assert run.intents == {}
    run.bar(ENTER, late_ms=179_000)
    run.fill(run.sent(OrderPurpose.ENTRY)[0])
    run.bar(EXIT, late_ms=900_000)
    assert len(run.orders(OrderPurpose.EXIT)) == 1


def test_nothing_is_entered_while_the_position_cannot_be_read() -> None:
    run = ScriptedRun()
    run.enter()
    run.answers[effects.ReadPosition] = lambda effect: inputs.ReadFailed(effect, "down", run.now_ms)
    run.bar(EXIT)
    run.fill(run.orders(OrderPurpose.EXIT)[0])
    run.bar()
    assert run.facts.exposure is Exposure.UNKNOWN
    run.bar(ENTER)
    (dropped,) = run.journal(DecisionDropped)
    assert (dropped.cause, len(run.sent(OrderPurpose.ENTRY))) == ("the position cannot be read", 1)
    run.answers.clear()
    run.tick(3)
    run.bar(ENTER)
    assert len(run.sent(OrderPurpose.ENTRY)) == 2


def test_what_the_core_refuses_cuts_or_drops_is_an_event() -> None:
    run = ScriptedRun(settings=replace(PLAIN, minimum_cost=1e9))
    run.launch()
    run.bar()
    run.bar(ENTER)
    run.bar(ENTER)
    (refused,) = run.journal(DecisionDropped)
    assert refused.decision == "enter long"
    assert refused.cause.startswith("below the minimum")

    run = ScriptedRun(settings=replace(PLAIN, sizing_value=1.0, stop_kind=AMOUNT, stop_value=500.0))
    run.enter()
    assert [note.code for note in run.journal(CoreNoted)] == [NoteCode.SIZE_CAPPED, NoteCode.LEVEL_DROPPED]


def test_an_entry_at_the_launch_that_is_too_small_is_an_event() -> None:
    run = ScriptedRun(settings=replace(PLAIN, minimum_cost=1e9), assume_position_now=True)
    run.flags.next.append(ENTER)
    bar = Bar(START_MS - HOUR_MS, 100.0, 100.0, 100.0, 100.0, 1.0)
    run.handle(inputs.Launched(run.position(), [], run.balance(), run.touch(), bar, START_MS))
    assert len(dropped(run)) == 1


def test_the_stop_of_a_run_names_the_guard_that_asked_for_it() -> None:
    settings = replace(PLAIN, drawdown_limit=0.02, drawdown_action=GUARD_STOPS, has_guards=1)
    run = ScriptedRun(settings=settings, guards=Guards(drawdown=0.02, drawdown_action=GuardAction.STOP))
    run.enter()
    run.bar(close=90.0)
    stops = [record.why for record in run.records if isinstance(record, Transition)]
    assert stops[1].endswith("the drawdown has reached the guard's limit of 2 %")


def test_three_refusals_in_a_row_pause_entries_until_resumed() -> None:
    run = ScriptedRun(settings=PLAIN)
    run.launch()
    run.bar()
    run.answers[effects.SendOrder] = lambda effect: inputs.SendAnswered(
        effect.client_order_id, Refused("margin", "not enough"), run.now_ms
    )
    for _ in range(5):
        run.bar(ENTER)
    assert len(run.sent(OrderPurpose.ENTRY)) == 3
    assert run.facts.pause_reasons == ("refusals",)
    run.answers.clear()
    run.resume()
    run.bar(ENTER)
    assert len(run.orders(OrderPurpose.ENTRY)) == 1


def test_a_paused_run_enters_nothing_and_still_exits() -> None:
    run = ScriptedRun(settings=PLAIN)
    run.enter()
    run.pause()
    run.bar(EXIT)
    run.fill(run.orders(OrderPurpose.EXIT)[0])
    run.bar()
    run.bar(ENTER)
    assert len(run.sent(OrderPurpose.ENTRY)) == 1
    assert run.facts.is_paused


def test_what_the_first_watch_has_found_pauses_entries_until_an_operator_resumes_them() -> None:
    run = ScriptedRun(settings=PLAIN)
    run.launch()
    run.request(PauseEntries(run_id=RUN_ID, diverged="Drawdown 3.1 % is beyond 99 %."), Author.SYSTEM)
    run.bar()
    run.bar(ENTER)
    assert run.facts.pause_reasons == ("diverged",)
    (paused,) = run.journal(EntriesPaused)
    assert "Drawdown 3.1 %" in paused.why
    assert not run.sent(OrderPurpose.ENTRY)
    run.resume()
    run.bar()
    run.bar(ENTER)
    assert len(run.sent(OrderPurpose.ENTRY)) == 1


def test_a_pause_cancels_an_entry_that_rests() -> None:
    run = ScriptedRun(settings=LIMIT)
    run.launch()
    run.bar()
    run.bar(ENTER)
    assert len(run.orders(OrderPurpose.ENTRY)) == 1
    run.pause()
    assert run.resting == {}


def test_the_rest_of_an_entry_ends_with_the_trade_that_it_began() -> None:
    settings = replace(LIMIT, trades_limit=1)
    run = ScriptedRun(settings=settings)
    run.launch()
    run.bar()
    run.bar(ENTER)
    run.fill(run.orders(OrderPurpose.ENTRY)[0], Decimal(10), price=99.0)
    run.fill(run.orders(OrderPurpose.STOP)[0], price=94.0)
    assert run.core.state is RunState.DONE
    assert run.resting == {}


@pytest.mark.parametrize(
    "settings", [LIMIT, replace(LIMIT, stop_kind=NO_LEVEL), replace(LIMIT, trades_limit=1)]
)
def test_what_an_entry_fills_after_its_trade_was_closed_is_closed_at_once(settings: CoreSettings) -> None:
    run = ScriptedRun(settings=settings)
    run.launch()
    run.bar()
    run.bar(ENTER)
    (entry,) = run.orders(OrderPurpose.ENTRY)
    run.fill(entry, Decimal(10), price=99.0)
    run.answers[effects.CancelOrder] = lambda effect: (
        inputs.CancelAnswered(effect.client_order_id, Unknown("lost"), run.now_ms)
        if effect.client_order_id == entry.client_order_id
        else None
    )
    run.close_position()
    run.fill(run.orders(OrderPurpose.EXIT)[0])
    assert len(run.trades) == 1
    run.fill(entry, Decimal(20), price=99.0)
    run.fill(entry, price=99.0)
    run.restart()
    run.tick(5)
    assert "late entry" in topics(run)
    while run.orders(OrderPurpose.EXIT):
        run.fill(run.orders(OrderPurpose.EXIT)[0])
        run.tick(5)
    assert run.held == 0
    assert [trade.reason for trade in run.trades] == [ExitReason.MANUAL, ExitReason.MANUAL]
    assert run.core._memory.core.entries == 1
    assert "late entry" in {event.topic for event in run.journal(AlarmCleared)}
    assert run.core.state is (RunState.DONE if settings.trades_limit else RunState.RUNNING)


@pytest.mark.parametrize("is_stop_first", [False, True])
def test_exits_that_arrive_before_the_entry_fill_that_they_close_close_it_at_their_price(
    *, is_stop_first: bool
) -> None:
    run = ScriptedRun(settings=LIMIT)
    run.launch()
    run.bar()
    run.bar(ENTER)
    (entry,) = run.orders(OrderPurpose.ENTRY)
    run.fill(entry, Decimal(10), price=99.0)
    (stop,) = run.orders(OrderPurpose.STOP)
    run.now_ms += 1
    late = run._fill(entry.client_order_id, OrderSide.BUY, Decimal(4), 98.0)
    run.filled[entry.client_order_id] += late.amount
    run.held += late.amount
    run.answers[effects.ReadFills] = lambda effect: inputs.FillsRead(
        [fill for fill in run.fills if fill is not late], [], run.now_ms
    )
    run.close_position()
    (closing,) = run.orders(OrderPurpose.EXIT)
    exits = [(closing, Decimal(4), 97.0), (stop, Decimal(10), 95.0)]
    for intent, amount, price in reversed(exits) if is_stop_first else exits:
        run.fill(intent, amount, price=price)
    run.restart()
    assert run.held == 0
    run.price = 150.0
    run.answers.clear()
    run.handle(FillReported(late, run.touch(), run.now_ms))
    run.tick(5)
    made = sum(-fill.side.sign * fill.amount * fill.price - fill.fee for fill in run.fills)
    core = run.core._memory.core
    assert (core.steps, run.core._memory.foreign, run.core._memory.unwanted) == (0, 0, 0)
    assert core.cash == pytest.approx(10_000 + float(made))
    assert float(sum(trade.pnl for trade in run.trades)) == pytest.approx(float(made))
    assert all(trade.entry_time_ms <= trade.exit_time_ms for trade in run.trades)


def test_an_exit_that_arrives_before_an_entry_fill_that_the_venue_counts_already_is_booked_after_it() -> None:
    run = ScriptedRun(settings=LIMIT)
    run.launch()
    run.bar()
    run.bar(ENTER)
    (entry,) = run.orders(OrderPurpose.ENTRY)
    run.fill(entry, Decimal(10), price=99.0)
    late = run._fill(entry.client_order_id, OrderSide.BUY, Decimal(10), 98.0)
    run.filled[entry.client_order_id] += 10
    run.held += 10
    run.answers[effects.ReadFills] = lambda effect: inputs.FillsRead(
        [fill for fill in run.fills if fill is not late], [], run.now_ms
    )
    run.handle(OrderReported(run.report(entry), run.now_ms))
    run.answers.clear()
    (stop,) = run.orders(OrderPurpose.STOP)
    run.now_ms += 1
    run.fill(stop, Decimal(5), price=95.0)
    core = run.core._memory.core
    assert (core.steps, core.entry_price) == (run.setup.market.steps(Decimal(15)), 98.5)
    fees = float(sum(fill.fee for fill in run.fills))
    assert core.cash == pytest.approx(10_000 + 5 * (95.0 - 98.5) - fees)


def test_an_entry_in_flight_makes_the_exposure_unknown_and_is_never_sent_again() -> None:
    run = ScriptedRun(settings=PLAIN)
    run.launch()
    run.bar()
    run.answers[effects.SendOrder] = lambda effect: inputs.SendAnswered(
        effect.client_order_id, Unknown("lost"), run.now_ms
    )
    run.answers[effects.ResolveOrder] = lambda effect: inputs.ResolveAnswered(
        effect.client_order_id, StillUnknown("down"), run.now_ms
    )
    run.bar(ENTER)
    assert run.facts.exposure is Exposure.UNKNOWN
    run.tick(100)
    run.bar(ENTER)
    assert len(run.sent(OrderPurpose.ENTRY)) == 1


# --- stops ---------------------------------------------------------------------------------------


def test_a_stop_that_leaves_the_position_keeps_its_protection() -> None:
    run = ScriptedRun()
    run.enter()
    run.stop(StopMode.LEAVE)
    assert run.transitions == [RunState.RUNNING, RunState.STOPPING, RunState.STOPPED]
    assert {intent.purpose for intent in run.resting.values()} == {OrderPurpose.STOP, OrderPurpose.TARGET}
    assert "its stop rests at 95" in run.facts.sentence
    assert run.facts.exposure is Exposure.EXPOSED


def test_a_stop_that_leaves_the_position_unprotected_cancels_protection() -> None:
    run = ScriptedRun()
    run.enter()
    run.stop(StopMode.LEAVE_UNPROTECTED)
    assert run.core.state is RunState.STOPPED
    assert run.resting == {}
    assert run.held > 0
    assert "without a stop" in run.facts.sentence


def test_a_stop_that_closes_cancels_protection_last() -> None:
    run = ScriptedRun()
    run.enter()
    run.stop(StopMode.CLOSE)
    assert run.core.state is RunState.STOPPING
    assert len(run.orders(OrderPurpose.STOP)) == 1
    run.effects.clear()
    run.fill(run.orders(OrderPurpose.EXIT)[0])
    assert run.core.state is RunState.STOPPED
    names = [type(effect) for effect in run.effects]
    assert names.index(effects.ReadPosition) < names.index(effects.CancelOrder)
    assert run.trades[0].reason is ExitReason.RUN_END
    assert run.resting == {}
    assert "The wallet is flat" in run.facts.sentence


def test_a_stop_cancels_a_resting_entry_and_reads_the_position() -> None:
    settings = CoreSettings(
        stop_kind=FRACTION, stop_value=0.05, order_kind=2, order_offset=0.01, order_timeout_bars=5
    )
    run = ScriptedRun(settings=settings)
    run.launch()
    run.bar()
    run.bar(ENTER)
    assert run.orders(OrderPurpose.ENTRY)[0].price == Decimal("99")
    run.stop(StopMode.LEAVE)
    assert run.core.state is RunState.STOPPED
    assert run.resting == {}


def test_a_stop_that_closes_also_closes_what_arrives_after_it() -> None:
    run = ScriptedRun(settings=PLAIN)
    run.launch()
    run.bar()
    run.bar(ENTER)
    (entry,) = run.orders(OrderPurpose.ENTRY)
    run.answers[effects.CancelOrder] = lambda effect: inputs.CancelAnswered(
        effect.client_order_id, Unknown("timeout"), run.now_ms
    )
    run.answers[effects.ReadOrder] = lambda effect: inputs.ReadFailed(effect, "timeout", run.now_ms)
    run.stop(StopMode.CLOSE)
    run.answers.clear()
    run.fill(entry)
    run.tick(2)
    run.fill(run.orders(OrderPurpose.EXIT)[0])
    assert run.core.state is RunState.STOPPED
    assert "The wallet is flat" in run.facts.sentence


def test_a_stop_that_is_to_leave_the_position_after_all_withdraws_its_closing_order() -> None:
    run = ScriptedRun(settings=PLAIN)
    run.enter()
    run.stop(StopMode.CLOSE)
    assert len(run.orders(OrderPurpose.EXIT)) == 1
    run.stop(StopMode.LEAVE)
    assert run.orders(OrderPurpose.EXIT) == []
    assert len(run.orders(OrderPurpose.STOP)) == 1
    assert run.core.state is RunState.STOPPED
    assert run.facts.exposure is Exposure.EXPOSED


def test_a_position_that_a_guard_was_closing_stays_where_a_stop_leaves_it() -> None:
    guards = Guards(drawdown=0.01, drawdown_action=GuardAction.STOP, stop_mode=StopMode.CLOSE)
    settings = replace(
        PLAIN, has_guards=1, drawdown_action=GUARD_STOPS, drawdown_limit=0.01, guard_leaves=CLOSE_POSITION
    )
    run = ScriptedRun(settings=settings, guards=guards)
    run.enter()
    run.bar(close=97.0)
    (close,) = run.orders(OrderPurpose.EXIT)
    run.fill(close, Decimal(1))
    run.stop(StopMode.LEAVE)
    run.tick(3)
    assert run.sent(OrderPurpose.EXIT) == [close]
    assert [stop.amount for stop in run.orders(OrderPurpose.STOP)] == [run.held]
    assert run.core.state is RunState.STOPPED


def test_a_stop_past_its_deadline_fails_and_leaves_protection_alone() -> None:
    run = ScriptedRun()
    run.enter()
    run.stop(StopMode.CLOSE)
    run.tick(30, is_reachable=False)
    run.tick(59)
    assert run.core.state is RunState.STOPPING
    run.restart()
    run.tick(5)
    assert run.core.state is RunState.FAILED
    assert len(run.orders(OrderPurpose.STOP)) == 1
    assert "failed" in topics(run)


def test_nothing_is_decided_while_a_run_is_stopping() -> None:
    run = ScriptedRun()
    run.enter()
    run.answers[effects.ReadPosition] = lambda effect: inputs.ReadFailed(effect, "down", run.now_ms)
    run.stop(StopMode.LEAVE)
    run.bar(EXIT)
    assert run.core.state is RunState.STOPPING
    assert run.sent(OrderPurpose.EXIT) == []


def test_the_trades_limit_ends_the_run_when_the_position_is_closed() -> None:
    run = ScriptedRun(settings=CoreSettings(trades_limit=1, sizing_value=0.5))
    run.enter()
    run.bar(EXIT)
    run.fill(run.orders(OrderPurpose.EXIT)[0])
    assert run.core.state is RunState.DONE
    assert run.is_over


def test_closing_by_the_operator_pauses_entries_and_the_run_goes_on() -> None:
    run = ScriptedRun()
    run.enter()
    run.close_position()
    run.fill(run.orders(OrderPurpose.EXIT)[0])
    assert run.trades[0].reason is ExitReason.MANUAL
    assert run.core.state is RunState.RUNNING
    assert run.facts.pause_reasons == ("manual",)
    assert run.resting == {}


def test_exits_left_to_the_operator_raise_one_alert_each_and_send_nothing() -> None:
    settings = CoreSettings(stop_kind=FRACTION, stop_value=0.05, sizing_value=0.5, closes_on_exit=0)
    run = ScriptedRun(settings=settings, close_position_on_exit=False)
    run.enter()
    for _ in range(3):
        run.bar(EXIT)
    assert run.sent(OrderPurpose.EXIT) == []
    assert [e.topic for e in run.journal(AlarmRaised)].count("exit left to the operator") == 1


# --- what others do ------------------------------------------------------------------------------


def test_the_alarm_of_a_external_order_ends_with_the_order() -> None:
    run = ScriptedRun()
    run.enter()
    other = replace(run.report(run.orders(OrderPurpose.STOP)[0]), client_order_id=None, venue_order_id="77")
    run.handle(OrderReported(other, run.now_ms))
    assert "foreign order 77" in topics(run)
    run.handle(OrderReported(replace(other, state=OrderState.CANCELED), run.now_ms))
    assert "foreign order 77" in {event.topic for event in run.journal(AlarmCleared)}
    run.handle(OrderReported(other, run.now_ms))
    run.handle(StreamRestored("user", run.now_ms))
    assert len(run.journal(AlarmCleared)) == 2


@pytest.mark.parametrize("since", ["nothing", "an entry", "a trade"])
def test_funding_that_arrives_after_its_trade_was_closed_is_the_trade_s(since: str) -> None:
    run = ScriptedRun(settings=PLAIN)
    run.enter()
    run.bar()
    paid_ms = run.now_ms
    run.bar(EXIT)
    run.fill(run.sent(OrderPurpose.EXIT)[-1])
    (trade,) = run.trades
    if since != "nothing":
        run.bar(QUIET)
        run.bar(ENTER)
        run.fill(run.sent(OrderPurpose.ENTRY)[-1])
    if since == "a trade":
        run.bar(EXIT)
        run.fill(run.sent(OrderPurpose.EXIT)[-1])
        assert len(run.trades) == 2
    cash, funding = run.core._memory.core.cash, run.core._memory.core.funding
    late = Funding("f", "w", SYMBOL, Decimal("1.5"), Decimal("0.0001"), paid_ms)
    run.answers[effects.Reconcile] = lambda _: inputs.Reconciled(
        replace(run.reading(), fundings=[late]), run.now_ms
    )
    run.handle(StreamRestored("user", run.now_ms))
    ((amended, closed_since),) = [
        (record.trade, record.closed_since) for record in run.records if isinstance(record, TradeAmended)
    ]
    assert closed_since == (since == "a trade")
    assert (amended.funding, amended.pnl) == (trade.funding + late.paid, trade.pnl - late.paid)
    assert run.core._memory.core.cash == cash - 1.5
    assert run.core._memory.core.funding == funding


def test_a_payment_that_arrives_after_a_hundred_fills_is_booked_once() -> None:
    run = ScriptedRun(settings=LIMIT)
    run.launch()
    run.bar()
    run.bar(ENTER)
    (entry,) = run.orders(OrderPurpose.ENTRY)
    run.fill(entry, Decimal("0.1"), price=99.0)
    run.now_ms += 60_000
    paid_ms = run.now_ms
    for _ in range(3 * REMEMBERED_FILLS):
        run.now_ms += 100
        run.fill(entry, Decimal("0.1"), price=99.0)
    run.fill(entry, price=99.0)
    run.bar(EXIT)
    for _ in range(100):
        run.now_ms += 100
        run.fill(run.sent(OrderPurpose.EXIT)[-1], Decimal("0.1"), price=99.0)
    late = Funding("f", "w", SYMBOL, Decimal("1.5"), Decimal("0.0001"), paid_ms)
    before = run.core._memory.core.funding
    asked: list[int] = []

    def read(effect: effects.Effect) -> inputs.FillsRead:
        assert isinstance(effect, effects.ReadFills)
        asked.append(effect.fundings_since_ms)
        return inputs.FillsRead([], [late], run.now_ms)

    run.answers[effects.ReadFills] = read
    run.fill(run.sent(OrderPurpose.EXIT)[-1], price=99.0)
    run.handle(FundingReported(late, run.now_ms))
    run.handle(FundingReported(late, run.now_ms))
    booked = [record for record in run.records if isinstance(record, FundingRow)]
    assert [row.funding for row in booked] == [late]
    amended = [record.trade for record in run.records if isinstance(record, TradeAmended)]
    assert [kept.funding for kept in amended] == [Decimal("1.5")]
    assert amended[0].pnl == amended[0].gross_pnl - amended[0].fees - amended[0].funding
    assert all(since_ms <= paid_ms for since_ms in asked)
    assert before == 0


@pytest.mark.parametrize("has_phases", [False, True])
@pytest.mark.parametrize("timeframe", [Timeframe.M1, Timeframe.H1, Timeframe.H4])
def test_what_is_paid_while_the_last_readings_are_under_way_is_booked_before_the_end(
    timeframe: Timeframe, *, has_phases: bool
) -> None:
    run = ScriptedRun(settings=PLAIN, timeframe=timeframe, has_phases=has_phases)
    run.enter()
    run.silent = lambda effect: isinstance(effect, effects.ReadPosition)
    run.stop(StopMode.LEAVE)
    assert isinstance(run.effects[-1], effects.ReadPosition)
    run.now_ms += HOUR_MS
    paid = Funding("f", "w", SYMBOL, Decimal("1.5"), Decimal("0.0001"), run.now_ms - 1)
    run.answers[effects.ReadFills] = lambda effect: inputs.FillsRead(run.fills, [paid], run.now_ms)
    run.silent = lambda effect: False
    run.handle(inputs.PositionRead(run.position(), run.now_ms))
    assert run.core.state is RunState.STOPPED
    assert [record.funding for record in run.records if isinstance(record, FundingRow)] == [paid]


@pytest.mark.parametrize("mode", [StopMode.LEAVE, StopMode.CLOSE])
def test_a_payment_that_a_node_behind_does_not_show_yet_is_booked_before_the_end(mode: StopMode) -> None:
    run = ScriptedRun(settings=PLAIN)
    run.enter()
    run.bar()
    run.now_ms += 5_000
    paid = Funding("f", "w", SYMBOL, Decimal("1.5"), Decimal("0.0001"), run.now_ms // HOUR_MS * HOUR_MS)
    lag_ms = 20_000

    def read_position(_: effects.Effect) -> inputs.PositionRead:
        return inputs.PositionRead(replace(run.position(), time_ms=run.now_ms - lag_ms), run.now_ms)

    def read_fills(_: effects.Effect) -> inputs.FillsRead:
        shown = [paid] if run.now_ms - lag_ms >= paid.time_ms else []
        return inputs.FillsRead(run.fills, shown, run.now_ms)

    run.answers[effects.ReadPosition], run.answers[effects.ReadFills] = read_position, read_fills
    run.stop(mode)
    if mode is StopMode.CLOSE:
        run.fill(run.sent(OrderPurpose.EXIT)[-1])
    seconds = 0
    while run.core.state is not RunState.STOPPED:
        assert seconds < 30
        seconds += 1
        run.now_ms += 1_000
        run.tick()
    assert [record.funding for record in run.records if isinstance(record, FundingRow)] == [paid]
    # It is not asked all the time.
    assert len([effect for effect in run.effects if isinstance(effect, effects.ReadFills)]) < 8


def test_a_payment_on_a_trade_long_gone_is_not_the_next_one_s() -> None:
    run = ScriptedRun(settings=PLAIN)
    run.enter()
    run.bar()
    paid_ms = run.now_ms - 1
    for _ in range(KEPT_TRADES + 1):
        run.bar(EXIT)
        run.fill(run.sent(OrderPurpose.EXIT)[-1])
        run.bar(QUIET)
        run.bar(ENTER)
        run.fill(run.sent(OrderPurpose.ENTRY)[-1])
    cash = run.core._memory.core.cash
    late = Funding("f", "w", SYMBOL, Decimal("1.5"), Decimal("0.0001"), paid_ms)
    run.handle(FundingReported(late, run.now_ms))
    assert run.core._memory.core.cash == cash - 1.5
    assert run.core._memory.core.funding == 0


def test_a_external_order_is_named_and_pauses_entries_until_they_are_resumed() -> None:
    run = ScriptedRun()
    run.enter()
    other = replace(run.report(run.orders(OrderPurpose.STOP)[0]), client_order_id=None, venue_order_id="77")
    run.handle(OrderReported(other, run.now_ms))
    assert run.facts.pause_reasons == ("foreign",)
    (paused,) = run.journal(EntriesPaused)
    assert "venue order 77" in paused.why
    run.resume()
    run.handle(OrderReported(other, run.now_ms))
    assert not run.facts.is_paused
    assert "foreign order 77" in topics(run)
    run.handle(OrderReported(replace(other, venue_order_id="78"), run.now_ms))
    assert run.facts.pause_reasons == ("foreign",)


def test_the_orders_of_an_earlier_run_of_the_wallet_are_not_external() -> None:
    earlier = "00000000000000aa"
    run = ScriptedRun(settings=PLAIN, earlier_runs=frozenset({earlier}))
    run.enter()
    own = run.report(run.orders(OrderPurpose.STOP)[0])
    left = replace(own, client_order_id=f"{earlier}{7:016x}", venue_order_id="900")
    unknown = replace(left, client_order_id=f"{'b' * 16}{7:016x}", venue_order_id="901")
    run.answers[effects.Reconcile] = lambda effect: inputs.Reconciled(
        replace(run.reading(), open_orders=[own, left]), run.now_ms
    )
    run.handle(StreamRestored("orders", run.now_ms))
    run.handle(OrderReported(left, run.now_ms))
    assert not run.facts.is_paused
    assert topics(run) == set()
    run.handle(OrderReported(unknown, run.now_ms))
    assert run.facts.pause_reasons == ("foreign",)


def test_a_position_in_another_market_is_named_and_pauses_entries_until_they_are_resumed() -> None:
    run = ScriptedRun()
    run.enter()
    eth = {"ETH/USDC:USDC": Decimal("-0.1")}
    run.handle(ExternalPositions(eth, run.now_ms))
    assert run.facts.pause_reasons == ("foreign",)
    (paused,) = run.journal(EntriesPaused)
    assert "-0.1 ETH/USDC:USDC" in paused.why
    run.resume()
    run.handle(ExternalPositions(eth | {"ETH/USDC:USDC": Decimal("-0.2")}, run.now_ms))
    assert not run.facts.is_paused
    assert "foreign position ETH/USDC:USDC" in topics(run)
    run.handle(ExternalPositions(eth | {"SOL/USDC:USDC": Decimal(3)}, run.now_ms))
    assert run.facts.pause_reasons == ("foreign",)
    run.handle(ExternalPositions({}, run.now_ms))
    cleared = {event.topic for event in run.journal(AlarmCleared)}
    assert cleared == {"foreign position ETH/USDC:USDC", "foreign position SOL/USDC:USDC"}
    assert run.facts.is_paused


def test_an_account_that_becomes_of_an_unsupported_kind_pauses_entries_and_keeps_its_stop() -> None:
    run = ScriptedRun()
    run.enter()
    stop = run.orders(OrderPurpose.STOP)[0]
    for _ in range(2):
        run.handle(AccountChecked("the account has changed: it is unified", run.now_ms))
    assert run.facts.pause_reasons == ("account kind",)
    assert topics(run) == {"account kind"}
    assert [paused.why for paused in run.journal(EntriesPaused)] == [
        "the account has changed: it is unified; entries pause until they are resumed"
    ]
    assert run.report(stop).state.is_open
    run.handle(AccountChecked("", run.now_ms))
    assert {event.topic for event in run.journal(AlarmCleared)} == {"account kind"}
    assert run.facts.is_paused


def test_a_external_fill_that_closes_everything_is_manual_and_pauses_entries() -> None:
    run = ScriptedRun()
    entry = run.enter()
    run.price = 104.0
    run.external_fill(OrderSide.SELL, entry.amount)
    run.tick(10)
    assert run.trades[0].reason is ExitReason.MANUAL
    assert run.trades[0].exit_price == Decimal("104.0")
    assert run.facts.pause_reasons == ("manual",)
    assert run.resting == {}


@pytest.mark.parametrize("liquidates", [False, True])
def test_what_someone_filled_before_the_launch_is_no_exit_of_the_run(liquidates: bool) -> None:
    run = ScriptedRun(settings=PLAIN, assume_position_now=True)
    run.now_ms, run.price = START_MS + 600_000, 60.0
    run._fill(None, OrderSide.SELL, Decimal(50), 60.0, liquidates=liquidates)
    run.now_ms, run.price = START_MS + 1_800_000, 100.0
    run.flags.next.append(ENTER)
    bar = Bar(START_MS - HOUR_MS, 100.0, 100.0, 100.0, 100.0, 1.0)
    run.handle(inputs.Launched(run.position(), [], run.balance(), run.touch(), bar, run.now_ms))
    (entry,) = run.orders(OrderPurpose.ENTRY)
    run.fill(entry)
    run.now_ms, run.price = run.now_ms + 600_000, 110.0
    run.external_fill(OrderSide.SELL, entry.amount)
    run.tick(10)
    (trade,) = run.trades
    assert (trade.reason, trade.exit_price) == (ExitReason.MANUAL, Decimal("110.0"))


def test_a_external_fill_that_adds_is_an_alarm_and_resizes_the_stop() -> None:
    run = ScriptedRun(settings=PLAIN)
    entry = run.enter()
    run.external_fill(OrderSide.BUY, Decimal("7"))
    run.tick(10)
    assert "unexplained position" in topics(run)
    assert [stop.amount for stop in run.orders(OrderPurpose.STOP)] == [entry.amount + 7]
    assert run.sent(OrderPurpose.EXIT) == []
    assert run.trades == []
    assert run.facts.is_paused


def test_a_external_fill_that_flips_ends_the_trade_and_leaves_the_rest_alone() -> None:
    run = ScriptedRun(settings=PLAIN)
    entry = run.enter()
    run.external_fill(OrderSide.SELL, entry.amount + 3)
    run.tick(10)
    assert run.trades[0].reason is ExitReason.MANUAL
    assert run.held == -3
    assert run.sent(OrderPurpose.EXIT) == []
    assert run.facts.exposure is Exposure.EXPOSED


def test_a_liquidation_by_a_real_venue_pauses_entries() -> None:
    run = ScriptedRun(settings=CoreSettings(sizing_value=0.5, leverage=5.0))
    entry = run.enter()
    run.price = 80.0
    run.external_fill(OrderSide.SELL, entry.amount, liquidates=True)
    assert run.trades[0].reason is ExitReason.LIQUIDATION
    assert run.facts.pause_reasons == ("liquidation",)


@pytest.mark.parametrize("beyond_price", [Decimal(0), Decimal(700)])
@pytest.mark.parametrize("price", [90.0, 70.0])
def test_a_liquidation_by_a_real_venue_costs_what_its_fill_says(price: float, beyond_price: Decimal) -> None:
    # At 70 more than the margin of a fifth is gone: whether the account bears it only the venue decides.
    run = ScriptedRun(settings=CoreSettings(sizing_value=0.5, leverage=5.0))
    entry = run.enter()
    (entered,) = run.fills
    run.price = price
    run.external_fill(OrderSide.SELL, entry.amount, liquidates=True, beyond_price=beyond_price)
    (trade,) = run.trades
    made = (Decimal(price) - entered.price) * entry.amount + beyond_price
    assert float(trade.gross_pnl) == pytest.approx(float(made))
    assert trade.fees == entered.fee + run.fills[-1].fee


def test_a_fill_is_booked_once_however_often_it_arrives() -> None:
    run = ScriptedRun(settings=PLAIN)
    run.enter()
    (fill,) = run.fills
    steps = run.core.exposed_steps
    for _ in range(3):
        run.handle(FillReported(fill, None, run.now_ms))
    run.handle(StreamRestored("fills", run.now_ms))
    assert run.core.exposed_steps == steps


# --- bars and streams ----------------------------------------------------------------------------


def test_a_fill_that_arrives_after_many_others_of_its_order_is_booked() -> None:
    run = ScriptedRun(settings=LIMIT)
    run.launch()
    run.bar()
    run.bar(ENTER)
    (entry,) = run.orders(OrderPurpose.ENTRY)
    part = Decimal("0.1")
    run.now_ms += 1_000
    run.held += part
    missed = run._fill(entry.client_order_id, entry.side, part, 99.0)
    run.filled[entry.client_order_id] = part
    for _ in range(3 * REMEMBERED_FILLS):
        run.now_ms += 1_000
        run.fill(entry, part, price=99.0)
    run.fill(entry, price=99.0)
    run.handle(FillReported(missed, run.touch(), run.now_ms))
    assert run.setup.market.amount(run.core.exposed_steps) == run.held == entry.amount
    for number in range(100):
        run.now_ms += HOUR_MS
        paid = Funding(f"f{number}", "w", SYMBOL, Decimal(1), Decimal(0), run.now_ms)
        run.handle(FundingReported(paid, run.now_ms))
    assert len(run.core._memory.fills_seen) <= 2 * REMEMBERED_FILLS
    assert len(run.core._memory.fundings_seen) <= 2 * REMEMBERED_FILLS
    run.stop(StopMode.LEAVE)
    run.tick(3)
    assert run.core.state is RunState.STOPPED


def test_before_a_close_is_decided_the_fills_up_to_it_are_read() -> None:
    run = ScriptedRun()
    run.enter()
    stop = run.orders(OrderPurpose.STOP)[0]
    # The stop has filled, and the stream has not said so yet.
    run.held = Decimal(0)
    run.resting.clear()
    run._fill(stop.client_order_id, stop.side, stop.amount, 95.0)
    run.bar(EXIT, close=95.9)
    assert run.trades[0].reason is ExitReason.STOP_LOSS
    assert run.sent(OrderPurpose.EXIT) == []


def test_a_close_far_from_all_that_rests_is_decided_without_reading() -> None:
    run = ScriptedRun()
    run.enter()
    run.effects.clear()
    run.bar(EXIT, close=97.0)
    assert isinstance(run.effects[0], effects.SendOrder)
    assert run.orders(OrderPurpose.EXIT)


def test_a_close_of_a_position_without_a_stop_is_decided_after_reading() -> None:
    run = ScriptedRun(settings=CoreSettings(sizing_value=0.5))
    run.enter()
    run.effects.clear()
    run.bar(EXIT)
    assert isinstance(run.effects[0], effects.ReadFills)
    assert run.orders(OrderPurpose.EXIT)


def test_a_hole_is_read_and_confirmed_before_the_next_bar_is_decided() -> None:
    run = ScriptedRun(settings=PLAIN)
    run.launch()
    run.bar()
    missed = Bar(START_MS + HOUR_MS, 100.0, 100.0, 100.0, 100.0, 1.0)
    run.answers[effects.ReadBars] = lambda effect: inputs.BarsRead([missed], run.now_ms)
    time_ms = START_MS + 3 * HOUR_MS
    bar = Bar(time_ms, 100.0, 100.0, 100.0, 100.0, 1.0)
    run.now_ms = time_ms + HOUR_MS
    run.handle(BarClosed(SYMBOL, Timeframe.H1, bar, None, None, run.now_ms))
    (hole,) = run.journal(HoleFound)
    assert (hole.first_ms, hole.last_ms, hole.is_confirmed) == (START_MS + 2 * HOUR_MS,) * 2 + (True,)
    assert run.core.last_bar_ms == time_ms


def test_a_hole_that_cannot_be_confirmed_is_stale_and_tried_again() -> None:
    run = ScriptedRun(settings=PLAIN)
    run.launch()
    run.bar()
    run.answers[effects.ReadBars] = lambda effect: inputs.ReadFailed(effect, "down", run.now_ms)
    time_ms = START_MS + 3 * HOUR_MS
    bar = Bar(time_ms, 100.0, 100.0, 100.0, 100.0, 1.0)
    run.now_ms = time_ms + HOUR_MS
    run.handle(BarClosed(SYMBOL, Timeframe.H1, bar, None, None, run.now_ms))
    assert run.facts.health is Health.STALE
    assert not run.journal(HoleFound)[0].is_confirmed
    run.answers.clear()
    run.tick(5)
    assert run.core.last_bar_ms == time_ms
    assert run.facts.health is Health.OK


def hourly(number: int, close: float = 100.0) -> Bar:
    return Bar(START_MS + number * HOUR_MS, 100.0, max(100.0, close), min(100.0, close), close, 1.0)


def deliver_bars(run: ScriptedRun, *numbers: int) -> None:
    for number in numbers:
        run.now_ms = max(run.now_ms, hourly(number).time_ms + HOUR_MS)
        run.handle(BarClosed(SYMBOL, Timeframe.H1, hourly(number), None, None, run.now_ms))


def equity_times(run: ScriptedRun) -> list[int]:
    rows = [record.time_ms for record in run.records if isinstance(record, EquityRow)]
    return [(time_ms - START_MS) // HOUR_MS for time_ms in rows]


def test_a_bar_that_comes_after_its_successor_was_decided_is_named_once_and_not_counted() -> None:
    run = ScriptedRun(settings=PLAIN)
    run.launch()
    deliver_bars(run, 0, 2, 3)
    assert run.journal(LateBar) == []
    deliver_bars(run, 1, 1, 0, 4)
    assert [event.bar_time_ms for event in run.journal(LateBar)] == [hourly(1).time_ms]
    assert equity_times(run) == [0, 2, 3, 4]


def test_each_bar_is_recorded_once_as_it_was_taken_in_with_the_marks_range_where_it_came() -> None:
    run = ScriptedRun(settings=PLAIN)
    run.handle(
        inputs.Launched(
            run.position(), [], run.balance(), run.touch(), hourly(-1), run.now_ms, Author.OPERATOR
        )
    )
    run.now_ms = hourly(1).time_ms
    run.handle(BarClosed(SYMBOL, Timeframe.H1, hourly(0), 100.5, 99.5, run.now_ms))
    # The next one is behind a hole: it waits until the missing one was read.
    run.answers[effects.ReadBars] = lambda effect: inputs.BarsRead([hourly(1), hourly(2)], run.now_ms)
    run.now_ms = hourly(3).time_ms
    run.handle(BarClosed(SYMBOL, Timeframe.H1, hourly(2), 102.5, 97.5, run.now_ms))
    deliver_bars(run, 2, 1)
    run.now_ms = hourly(5).time_ms
    run.restart([hourly(3), hourly(4)])
    deliver_bars(run, 4, 5)
    assert [record for record in run.records if isinstance(record, BarRow)] == [
        BarRow(hourly(-1)),
        BarRow(hourly(0), 100.5, 99.5, Decided.YES),
        BarRow(hourly(1), decided=Decided.YES),
        BarRow(hourly(2), 102.5, 97.5, Decided.YES),
        BarRow(hourly(3), decided=Decided.YES),
        BarRow(hourly(4), decided=Decided.YES),
        BarRow(hourly(5), decided=Decided.YES),
    ]


def test_a_late_bar_is_decided_where_its_successor_was_not_yet() -> None:
    run = ScriptedRun(settings=PLAIN)
    run.launch()
    deliver_bars(run, 0)
    run.answers[effects.ReadBars] = lambda effect: inputs.ReadFailed(effect, "down", run.now_ms)
    deliver_bars(run, 2, 1)
    assert equity_times(run) == [0]
    run.answers[effects.ReadBars] = lambda effect: inputs.BarsRead([hourly(1), hourly(2)], run.now_ms)
    run.tick(5)
    assert equity_times(run) == [0, 1, 2]
    assert [event.is_confirmed for event in run.journal(HoleFound)] == [False]
    assert run.journal(LateBar) == []


def test_a_hole_in_what_was_missed_is_named_wherever_the_bars_came_from() -> None:
    run = ScriptedRun(settings=PLAIN)
    run.launch()
    deliver_bars(run, 0)
    run.answers[effects.Reconcile] = lambda effect: inputs.Reconciled(
        run.reading([hourly(2), hourly(3)]), run.now_ms
    )
    run.now_ms = hourly(4).time_ms
    run.handle(StreamRestored("bars", run.now_ms))
    run.now_ms = hourly(7).time_ms
    run.restart([hourly(6)])
    holes = [(event.first_ms, event.last_ms) for event in run.journal(HoleFound) if event.is_confirmed]
    assert holes == [(hourly(1).time_ms,) * 2, (hourly(4).time_ms, hourly(5).time_ms)]
    assert equity_times(run) == [0, 2, 3, 6]


def test_a_bar_that_came_late_while_the_process_was_down_is_named() -> None:
    run = ScriptedRun(settings=PLAIN)
    run.launch()
    deliver_bars(run, 0, 2)
    run.now_ms = hourly(4).time_ms
    run.restart([hourly(3)], late_bars=[hourly(1).time_ms])
    assert [event.bar_time_ms for event in run.journal(LateBar)] == [hourly(1).time_ms]
    assert equity_times(run) == [0, 2, 3]


@pytest.mark.parametrize(
    "odd",
    [
        {"time_ms": hourly(400).time_ms},
        {"time_ms": hourly(1).time_ms * 1_000},
        {"close": float("nan")},
        {"close": float("inf"), "high": float("inf")},
        {"low": 0.0},
        {"open": -1.0, "low": -1.0},
        {"volume": float("nan")},
    ],
)
def test_a_bar_that_cannot_be_is_not_counted_and_the_next_one_is(odd: dict[str, float]) -> None:
    run = ScriptedRun(settings=PLAIN)
    run.launch()
    deliver_bars(run, 0)
    bar = hourly(1)._replace(**odd)
    run.handle(BarClosed(SYMBOL, Timeframe.H1, bar, None, None, hourly(2).time_ms))
    assert any("an impossible bar" in event.sentence for event in run.journal(Noted))
    deliver_bars(run, 1, 2)
    assert equity_times(run) == [0, 1, 2]


def test_a_lost_stream_is_degraded_and_its_return_reads_everything() -> None:
    run = ScriptedRun(settings=PLAIN)
    run.launch()
    run.handle(StreamLost("fills", "dropped", run.now_ms))
    assert run.facts.health is Health.DEGRADED
    run.effects.clear()
    run.handle(StreamRestored("fills", run.now_ms))
    assert [type(effect) for effect in run.effects] == [effects.Reconcile]
    assert run.facts.health is Health.OK


def test_a_phase_is_acknowledged_after_everything_it_led_to_is_answered() -> None:
    run = ScriptedRun(settings=PLAIN, has_phases=True)
    run.launch()
    run.bar()
    run.bar(ENTER)
    run.effects.clear()
    run.handle(PhaseEnded(7, run.now_ms))
    assert run.effects[-1] == effects.Acknowledge(7)
    # Inside a bar a market order executes as it is sent: its fills are read before the feed may go on.
    run.handle(BarOpened(SYMBOL, Timeframe.H1, run.core.last_bar_ms + HOUR_MS, 100.0, run.now_ms))
    run.effects.clear()
    step = run.core.handle(PhaseEnded(8, run.now_ms))
    assert [type(effect) for effect in step.effects] == [effects.ReadFills]
    step = run.core.handle(inputs.FillsRead([], [], run.now_ms))
    assert step.effects == (effects.Acknowledge(8),)


# --- recovery ------------------------------------------------------------------------------------


def bars_after(run: ScriptedRun, count: int, price: float = 100.0) -> list[Bar]:
    first_ms = run.core.last_bar_ms + HOUR_MS
    return [Bar(first_ms + index * HOUR_MS, price, price, price, price, 1.0) for index in range(count)]


def test_an_entry_decided_on_a_past_bar_is_dropped_as_late_and_arming_goes_on() -> None:
    run = ScriptedRun(settings=PLAIN)
    run.launch()
    run.bar()
    bars = bars_after(run, 3)
    run.flags.next.extend([ENTER, ENTER, QUIET])
    run.now_ms += 3 * HOUR_MS
    run.restart(bars)
    assert dropped(run) == ["late", "late"]
    assert run.intents == {}
    assert run.journal(Recovered)[0].past_bars == 3
    run.bar(ENTER)
    assert len(run.orders(OrderPurpose.ENTRY)) == 1


def test_a_last_bar_that_cannot_have_closed_gives_way_to_the_newest_one() -> None:
    run = ScriptedRun(settings=PLAIN)
    run.launch()
    run.bar()
    newest_ms = run.core.last_bar_ms
    document = json.loads(run.core.checkpoint())
    document["last_bar_ms"] = newest_ms * 1_000
    run.restart(text=json.dumps(document), newest_bar_ms=newest_ms)
    assert run.core.last_bar_ms == newest_ms
    (said,) = [event.sentence for event in run.journal(Noted) if "cannot have closed" in event.sentence]
    assert f"{newest_ms * 1_000} ms" in said
    run.bar(ENTER)
    assert run.core.last_bar_ms == newest_ms + HOUR_MS
    assert len(run.orders(OrderPurpose.ENTRY)) == 1


def test_an_entry_of_a_past_bar_is_late_even_when_it_closed_a_moment_ago() -> None:
    run = ScriptedRun(settings=PLAIN)
    run.launch()
    run.bar()
    bars = bars_after(run, 1)
    run.flags.next.append(ENTER)
    run.now_ms += HOUR_MS + 3_000
    run.restart(bars)
    assert dropped(run) == ["late"]
    assert run.intents == {}


def test_bars_that_the_venue_no_longer_gives_are_a_hole_and_pause_entries() -> None:
    run = ScriptedRun(settings=PLAIN)
    run.enter()
    handled_ms = run.core.last_bar_ms
    bars = bars_after(run, 5)
    run.flags.next.extend([QUIET, ENTER])
    run.now_ms += 5 * HOUR_MS
    run.restart(bars[3:], lost_until_ms=bars[2].time_ms)
    hole = run.journal(HoleFound)[0]
    assert (hole.first_ms, hole.last_ms) == (handled_ms + HOUR_MS, bars[2].time_ms)
    assert not hole.is_confirmed
    assert run.journal(Recovered)[0].past_bars == 2
    assert run.facts.pause_reasons == ("missing bars",)
    assert "missing bars" in topics(run)
    # Exits and protection go on.
    assert len(run.orders(OrderPurpose.STOP)) == 1
    run.bar(EXIT)
    run.fill(run.sent(OrderPurpose.EXIT)[-1])
    assert [trade.reason for trade in run.trades] == [ExitReason.SIGNAL]
    run.bar(ENTER)
    assert len(run.sent(OrderPurpose.ENTRY)) == 1
    run.resume()
    assert run.facts.pause_reasons == ()
    assert "missing bars" in {event.topic for event in run.journal(AlarmCleared)}


def test_what_was_written_while_a_run_had_no_worker_is_replaced_when_it_recovers() -> None:
    run = ScriptedRun(settings=PLAIN)
    run.enter()
    run.records.clear()
    run.restart()
    assert run.facts.health is Health.OK


def test_an_exit_decided_on_a_past_bar_executes_at_once() -> None:
    run = ScriptedRun(settings=PLAIN)
    run.enter()
    run.flags.next.extend([EXIT, QUIET])
    bars = bars_after(run, 2)
    run.now_ms += 2 * HOUR_MS
    run.restart(bars)
    assert len(run.orders(OrderPurpose.EXIT)) == 1


def test_a_stop_that_should_have_moved_is_moved_before_anything_else() -> None:
    settings = CoreSettings(stop_kind=FRACTION, stop_value=0.05, stop_trails=1, sizing_value=0.5)
    run = ScriptedRun(settings=settings)
    run.enter()
    bars = bars_after(run, 2, price=110.0)
    run.flags.next.extend([QUIET, EXIT])
    run.now_ms += 2 * HOUR_MS
    run.effects.clear()
    run.restart(bars)
    assert [stop.trigger_price for stop in run.orders(OrderPurpose.STOP)] == [Decimal("104.5")]
    acts = [
        type(effect) for effect in run.effects if isinstance(effect, effects.ModifyOrder | effects.SendOrder)
    ]
    assert acts == [effects.ModifyOrder, effects.SendOrder]


def test_fills_of_the_time_away_belong_to_their_bars() -> None:
    run = ScriptedRun()
    run.enter()
    stop = run.orders(OrderPurpose.STOP)[0]
    held = run.core.last_bar_ms
    run.now_ms += HOUR_MS // 2
    run.held = Decimal(0)
    run.resting.clear()
    run._fill(stop.client_order_id, stop.side, stop.amount, 95.0)
    bars = bars_after(run, 3, price=95.0)
    run.now_ms = held + 4 * HOUR_MS
    run.restart(bars)
    assert run.trades[0].reason is ExitReason.STOP_LOSS
    assert run.trades[0].bars_held == 0
    assert run.core.state is RunState.RUNNING


@pytest.mark.parametrize("arrived", [True, False])
def test_an_order_without_an_answer_is_resolved_and_never_sent_under_the_same_id(arrived: bool) -> None:
    run = ScriptedRun(settings=PLAIN)
    run.launch()
    run.bar()
    run.answers[effects.SendOrder] = lambda effect: inputs.SendAnswered(
        effect.client_order_id, Unknown("the process is gone"), run.now_ms
    )
    run.answers[effects.ResolveOrder] = lambda effect: inputs.ResolveAnswered(
        effect.client_order_id, StillUnknown("gone"), run.now_ms
    )
    run.bar(ENTER)
    (entry,) = run.sent(OrderPurpose.ENTRY)
    run.answers.clear()
    if arrived:
        run.resting[entry.client_order_id] = entry
        run.resolve = lambda order_id: executed(run, order_id)
    run.restart()
    sends = [effect.client_order_id for effect in run.effects if isinstance(effect, effects.SendOrder)]
    assert len(sends) == len(set(sends)) == (1 if arrived else 2)
    assert len(run.orders(OrderPurpose.ENTRY)) == 1


def executed(run: ScriptedRun, order_id: str) -> Resolution:
    if order_id in run.resting:
        return Executed(run.report(run.intents[order_id]))
    return NeverWill("not known")


def test_a_final_run_changes_nothing_and_still_lets_its_feed_go_on() -> None:
    run = ScriptedRun()
    run.launch()
    run.stop(StopMode.LEAVE)
    before = run.core.checkpoint()
    step = run.core.handle(PhaseEnded(3, run.now_ms))
    assert step.effects == (effects.Acknowledge(3),)
    assert step.records == ()
    run.bar(ENTER)
    assert run.intents == {}
    assert before.split('"now_ms"')[0] == run.core.checkpoint().split('"now_ms"')[0]


def test_a_worker_that_raised_too_often_fails_the_run_and_keeps_protection() -> None:
    run = ScriptedRun()
    run.enter()
    run.handle(inputs.FailRequested("its worker raised four times in ten minutes", run.now_ms))
    assert run.core.state is RunState.FAILED
    assert len(run.orders(OrderPurpose.STOP)) == 1
    assert run.is_over


def test_a_pause_is_written_with_who_asked() -> None:
    run = ScriptedRun()
    run.launch()
    run.request(PauseEntries(run_id=RUN_ID), Author.AGENT)
    rows = [record for record in run.records if isinstance(record, JournalRow)]
    paused = [row for row in rows if isinstance(row.event, EntriesPaused)]
    assert [row.author for row in paused] == [Author.AGENT]
