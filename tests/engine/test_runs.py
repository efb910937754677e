"""The life of a run (``firstwatch.engine``): launch, stops, recovery, what else happens in the wallet."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from firstwatch.engine.core import effects, inputs
from firstwatch.engine.core.ledger import KEPT_TRADES, REMEMBERED_FILLS
from firstwatch.engine.core.records import EquityRow, FundingRow, TradeAmended, Transition
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
from firstwatch.trading.bar import Bar
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
from tests.engine.scripted import ENTER, EXIT, HOUR_MS, QUIET, START_MS, SYMBOL, Desk

PLAIN = CoreSettings(stop_kind=FRACTION, stop_value=0.05, sizing_value=0.5)
LIMIT = replace(PLAIN, order_kind=LIMIT_ORDER, order_offset=0.01, order_timeout_bars=5)


def topics(desk: Desk) -> set[str]:
    return {event.topic for event in desk.journal(AlarmRaised)}


def dropped(desk: Desk) -> list[str]:
    return [event.cause for event in desk.journal(DecisionDropped)]


# --- launch --------------------------------------------------------------------------------------


def test_a_run_is_running_before_its_first_order_and_sets_the_leverage() -> None:
    desk = Desk(leverage=3)
    desk.launch()
    assert desk.transitions == [RunState.RUNNING]
    assert [effect.leverage for effect in desk.effects if isinstance(effect, effects.SetLeverage)] == [3]


def test_a_refused_leverage_fails_the_run_before_any_order() -> None:
    desk = Desk()
    desk.leverage_outcome = Refused("other", "too high")
    desk.launch()
    assert desk.transitions == [RunState.RUNNING, RunState.FAILED]
    assert desk.is_over
    assert desk.intents == {}


@pytest.mark.parametrize("outcome", [Refused("rate_limit", "slow down"), Unknown("timeout")])
def test_a_leverage_that_the_venue_has_no_time_for_is_set_later(outcome: SendOutcome) -> None:
    desk = Desk()
    desk.leverage_outcome = outcome
    desk.launch()
    desk.tick(300)
    assert desk.core.state is RunState.RUNNING
    assert topics(desk) == {"leverage"}
    desk.leverage_outcome = Accepted("")
    desk.tick(30)
    assert "leverage" in {event.topic for event in desk.journal(AlarmCleared)}
    desk.bar()
    desk.bar(ENTER)
    assert len(desk.orders(OrderPurpose.ENTRY)) == 1


@pytest.mark.parametrize("refusals", [3, 4])
def test_a_key_that_the_venue_does_not_know_is_tried_again_before_the_run_fails(refusals: int) -> None:
    desk = Desk()
    outcomes: list[SendOutcome] = [Refused("auth", "User or API Wallet does not exist.")] * refusals
    desk.answers[effects.SetLeverage] = lambda effect: inputs.LeverageSet(
        outcomes.pop() if outcomes else Accepted(""), desk.now_ms
    )
    desk.launch()
    desk.tick(60)
    assert desk.core.state is (RunState.FAILED if refusals == 4 else RunState.RUNNING)


def test_a_wallet_with_a_position_fails_a_launch_that_does_not_assume_it() -> None:
    desk = Desk()
    desk.held = Decimal(5)
    desk.launch()
    assert desk.transitions == [RunState.FAILED]
    assert desk.facts.exposure is Exposure.EXPOSED
    assert "flat" not in desk.facts.sentence


def test_an_assumed_position_is_adopted_and_protected() -> None:
    desk = Desk(settings=PLAIN, assume_position_now=True)
    desk.held, desk.price = Decimal(5), 103.0
    bar = Bar(START_MS - HOUR_MS, 103.0, 103.0, 103.0, 103.0, 1.0)
    desk.tell(inputs.Launched(desk.position(), [], desk.balance(), desk.touch(), bar, START_MS))
    (stop,) = desk.orders(OrderPurpose.STOP)
    assert (stop.amount, stop.trigger_price) == (Decimal(5), Decimal("95.00"))
    desk.fill(stop, price=95.0)
    assert desk.trades[0].entry_price == Decimal("103.0")


def test_an_adopted_position_is_accounted_from_the_mark() -> None:
    desk = Desk(settings=PLAIN, assume_position_now=True)
    desk.held = Decimal(5)
    bar = Bar(START_MS - HOUR_MS, 103.0, 103.0, 103.0, 103.0, 1.0)
    touch = Touch(bid=102.0, ask=106.0, mark=103.0, time_ms=START_MS)
    desk.tell(inputs.Launched(desk.position(), [], desk.balance(), touch, bar, START_MS))
    assert [adopted.mark for adopted in desk.journal(Adopted)] == [103.0]
    assert (desk.core.entry_price, desk.core._memory.core.best) == (103.0, 103.0)


@pytest.mark.parametrize(("held", "leverage"), [(-5, 1), (5, 3)], ids=["other side", "other leverage"])
def test_a_position_that_changed_before_the_launch_is_not_adopted(held: int, leverage: int) -> None:
    desk = Desk(settings=PLAIN, assume_position_now=True, leverage=leverage)
    desk.held = Decimal(held)
    bar = Bar(START_MS - HOUR_MS, 100.0, 100.0, 100.0, 100.0, 1.0)
    desk.tell(inputs.Launched(desk.position(), [], desk.balance(), desk.touch(), bar, START_MS))
    assert desk.core.state is RunState.FAILED
    assert desk.intents == {}
    assert desk.facts.exposure is Exposure.EXPOSED


def test_assume_position_now_enters_a_flat_wallet_once_the_leverage_is_set() -> None:
    desk = Desk(settings=PLAIN, assume_position_now=True)
    desk.flags.next.append(ENTER)
    bar = Bar(START_MS - HOUR_MS, 100.0, 100.0, 100.0, 100.0, 1.0)
    desk.tell(inputs.Launched(desk.position(), [], desk.balance(), desk.touch(), bar, START_MS))
    assert len(desk.orders(OrderPurpose.ENTRY)) == 1
    sent = [effect for effect in desk.effects if isinstance(effect, effects.SetLeverage | effects.SendOrder)]
    assert isinstance(sent[0], effects.SetLeverage)


def test_what_assume_position_now_decides_is_as_old_as_the_launch() -> None:
    desk = Desk(settings=PLAIN, assume_position_now=True)
    desk.flags.next.append(ENTER)
    bar = Bar(START_MS - HOUR_MS, 100.0, 100.0, 100.0, 100.0, 1.0)
    desk.now_ms += HOUR_MS // 2
    desk.tell(inputs.Launched(desk.position(), [], desk.balance(), desk.touch(), bar, desk.now_ms))
    assert len(desk.orders(OrderPurpose.ENTRY)) == 1


def test_an_entry_at_launch_is_late_when_the_leverage_is_set_after_the_next_close() -> None:
    desk = Desk(settings=PLAIN, assume_position_now=True)
    desk.flags.next.append(ENTER)
    desk.leverage_outcome = Unknown("timeout")
    bar = Bar(START_MS - HOUR_MS, 100.0, 100.0, 100.0, 100.0, 1.0)
    desk.tell(inputs.Launched(desk.position(), [], desk.balance(), desk.touch(), bar, START_MS))
    desk.bar()
    assert dropped(desk) == ["late"]
    desk.leverage_outcome = Accepted("")
    desk.tick(5)
    assert desk.intents == {}
    desk.bar(ENTER)
    assert len(desk.orders(OrderPurpose.ENTRY)) == 1


def test_a_run_that_has_not_begun_can_be_cancelled_and_a_running_one_cannot() -> None:
    desk = Desk()
    desk.tell(inputs.CancelRequested(Author.OPERATOR, START_MS))
    assert desk.transitions == [RunState.CANCELLED]
    desk = Desk()
    desk.launch()
    desk.tell(inputs.CancelRequested(Author.OPERATOR, START_MS))
    assert desk.core.state is RunState.RUNNING


# --- entries -------------------------------------------------------------------------------------


def test_a_late_entry_is_dropped_and_an_exit_is_not() -> None:
    desk = Desk(settings=PLAIN)
    desk.launch()
    desk.bar()
    desk.bar(ENTER, late_ms=181_000)
    assert dropped(desk) == ["late"]
    assert desk.intents == {}
    desk.bar(ENTER, late_ms=179_000)
    desk.fill(desk.sent(OrderPurpose.ENTRY)[0])
    desk.bar(EXIT, late_ms=900_000)
    assert len(desk.orders(OrderPurpose.EXIT)) == 1


def test_nothing_is_entered_while_the_position_cannot_be_read() -> None:
    desk = Desk()
    desk.enter()
    desk.answers[effects.ReadPosition] = lambda effect: inputs.ReadFailed(effect, "down", desk.now_ms)
    desk.bar(EXIT)
    desk.fill(desk.orders(OrderPurpose.EXIT)[0])
    desk.bar()
    assert desk.facts.exposure is Exposure.UNKNOWN
    desk.bar(ENTER)
    (dropped,) = desk.journal(DecisionDropped)
    assert (dropped.cause, len(desk.sent(OrderPurpose.ENTRY))) == ("the position cannot be read", 1)
    desk.answers.clear()
    desk.tick(3)
    desk.bar(ENTER)
    assert len(desk.sent(OrderPurpose.ENTRY)) == 2


def test_what_the_core_refuses_cuts_or_drops_is_an_event() -> None:
    desk = Desk(settings=replace(PLAIN, minimum_cost=1e9))
    desk.launch()
    desk.bar()
    desk.bar(ENTER)
    desk.bar(ENTER)
    (refused,) = desk.journal(DecisionDropped)
    assert refused.decision == "enter long"
    assert refused.cause.startswith("below the minimum")

    desk = Desk(settings=replace(PLAIN, sizing_value=1.0, stop_kind=AMOUNT, stop_value=500.0))
    desk.enter()
    assert [note.code for note in desk.journal(CoreNoted)] == [NoteCode.SIZE_CAPPED, NoteCode.LEVEL_DROPPED]


def test_an_entry_at_the_launch_that_is_too_small_is_an_event() -> None:
    desk = Desk(settings=replace(PLAIN, minimum_cost=1e9), assume_position_now=True)
    desk.flags.next.append(ENTER)
    bar = Bar(START_MS - HOUR_MS, 100.0, 100.0, 100.0, 100.0, 1.0)
    desk.tell(inputs.Launched(desk.position(), [], desk.balance(), desk.touch(), bar, START_MS))
    assert len(dropped(desk)) == 1


def test_the_stop_of_a_run_names_the_guard_that_asked_for_it() -> None:
    settings = replace(PLAIN, drawdown_limit=0.02, drawdown_action=GUARD_STOPS, has_guards=1)
    desk = Desk(settings=settings, guards=Guards(drawdown=0.02, drawdown_action=GuardAction.STOP))
    desk.enter()
    desk.bar(close=90.0)
    stops = [record.why for record in desk.records if isinstance(record, Transition)]
    assert stops[1].endswith("the drawdown has reached the guard's limit of 2 %")


def test_three_refusals_in_a_row_pause_entries_until_resumed() -> None:
    desk = Desk(settings=PLAIN)
    desk.launch()
    desk.bar()
    desk.answers[effects.SendOrder] = lambda effect: inputs.SendAnswered(
        effect.client_order_id, Refused("margin", "not enough"), desk.now_ms
    )
    for _ in range(5):
        desk.bar(ENTER)
    assert len(desk.sent(OrderPurpose.ENTRY)) == 3
    assert desk.facts.pause_reasons == ("refusals",)
    desk.answers.clear()
    desk.tell(inputs.ResumeRequested(Author.OPERATOR, desk.now_ms))
    desk.bar(ENTER)
    assert len(desk.orders(OrderPurpose.ENTRY)) == 1


def test_a_paused_run_enters_nothing_and_still_exits() -> None:
    desk = Desk(settings=PLAIN)
    desk.enter()
    desk.tell(inputs.PauseRequested(Author.OPERATOR, desk.now_ms))
    desk.bar(EXIT)
    desk.fill(desk.orders(OrderPurpose.EXIT)[0])
    desk.bar()
    desk.bar(ENTER)
    assert len(desk.sent(OrderPurpose.ENTRY)) == 1
    assert desk.facts.is_paused


def test_a_pause_cancels_an_entry_that_rests() -> None:
    desk = Desk(settings=LIMIT)
    desk.launch()
    desk.bar()
    desk.bar(ENTER)
    assert len(desk.orders(OrderPurpose.ENTRY)) == 1
    desk.tell(inputs.PauseRequested(Author.OPERATOR, desk.now_ms))
    assert desk.resting == {}


def test_the_rest_of_an_entry_ends_with_the_trade_that_it_began() -> None:
    settings = replace(LIMIT, trades_limit=1)
    desk = Desk(settings=settings)
    desk.launch()
    desk.bar()
    desk.bar(ENTER)
    desk.fill(desk.orders(OrderPurpose.ENTRY)[0], Decimal(10), price=99.0)
    desk.fill(desk.orders(OrderPurpose.STOP)[0], price=94.0)
    assert desk.core.state is RunState.DONE
    assert desk.resting == {}


@pytest.mark.parametrize(
    "settings", [LIMIT, replace(LIMIT, stop_kind=NO_LEVEL), replace(LIMIT, trades_limit=1)]
)
def test_what_an_entry_fills_after_its_trade_was_closed_is_closed_at_once(settings: CoreSettings) -> None:
    desk = Desk(settings=settings)
    desk.launch()
    desk.bar()
    desk.bar(ENTER)
    (entry,) = desk.orders(OrderPurpose.ENTRY)
    desk.fill(entry, Decimal(10), price=99.0)
    desk.answers[effects.CancelOrder] = lambda effect: (
        inputs.CancelAnswered(effect.client_order_id, Unknown("lost"), desk.now_ms)
        if effect.client_order_id == entry.client_order_id
        else None
    )
    desk.tell(inputs.CloseRequested(Author.OPERATOR, desk.now_ms))
    desk.fill(desk.orders(OrderPurpose.EXIT)[0])
    assert len(desk.trades) == 1
    desk.fill(entry, Decimal(20), price=99.0)
    desk.fill(entry, price=99.0)
    desk.restart()
    desk.tick(5)
    assert "late entry" in topics(desk)
    while desk.orders(OrderPurpose.EXIT):
        desk.fill(desk.orders(OrderPurpose.EXIT)[0])
        desk.tick(5)
    assert desk.held == 0
    assert [trade.reason for trade in desk.trades] == [ExitReason.MANUAL, ExitReason.MANUAL]
    assert desk.core._memory.core.entries == 1
    assert "late entry" in {event.topic for event in desk.journal(AlarmCleared)}
    assert desk.core.state is (RunState.DONE if settings.trades_limit else RunState.RUNNING)


@pytest.mark.parametrize("is_stop_first", [False, True])
def test_exits_told_before_the_entry_fill_that_they_close_close_it_at_their_price(
    *, is_stop_first: bool
) -> None:
    desk = Desk(settings=LIMIT)
    desk.launch()
    desk.bar()
    desk.bar(ENTER)
    (entry,) = desk.orders(OrderPurpose.ENTRY)
    desk.fill(entry, Decimal(10), price=99.0)
    (stop,) = desk.orders(OrderPurpose.STOP)
    desk.now_ms += 1
    late = desk._fill(entry.client_order_id, OrderSide.BUY, Decimal(4), 98.0)
    desk.filled[entry.client_order_id] += late.amount
    desk.held += late.amount
    desk.answers[effects.ReadFills] = lambda effect: inputs.FillsRead(
        [fill for fill in desk.fills if fill is not late], [], desk.now_ms
    )
    desk.tell(inputs.CloseRequested(Author.OPERATOR, desk.now_ms))
    (closing,) = desk.orders(OrderPurpose.EXIT)
    exits = [(closing, Decimal(4), 97.0), (stop, Decimal(10), 95.0)]
    for intent, amount, price in reversed(exits) if is_stop_first else exits:
        desk.fill(intent, amount, price=price)
    desk.restart()
    assert desk.held == 0
    desk.price = 150.0
    desk.answers.clear()
    desk.tell(FillReported(late, desk.touch(), desk.now_ms))
    desk.tick(5)
    made = sum(-fill.side.sign * fill.amount * fill.price - fill.fee for fill in desk.fills)
    core = desk.core._memory.core
    assert (core.steps, desk.core._memory.foreign, desk.core._memory.unwanted) == (0, 0, 0)
    assert core.cash == pytest.approx(10_000 + float(made))
    assert float(sum(trade.pnl for trade in desk.trades)) == pytest.approx(float(made))
    assert all(trade.entry_time_ms <= trade.exit_time_ms for trade in desk.trades)


def test_an_exit_told_before_an_entry_fill_that_the_venue_counts_already_is_booked_after_it() -> None:
    desk = Desk(settings=LIMIT)
    desk.launch()
    desk.bar()
    desk.bar(ENTER)
    (entry,) = desk.orders(OrderPurpose.ENTRY)
    desk.fill(entry, Decimal(10), price=99.0)
    late = desk._fill(entry.client_order_id, OrderSide.BUY, Decimal(10), 98.0)
    desk.filled[entry.client_order_id] += 10
    desk.held += 10
    desk.answers[effects.ReadFills] = lambda effect: inputs.FillsRead(
        [fill for fill in desk.fills if fill is not late], [], desk.now_ms
    )
    desk.tell(OrderReported(desk.report(entry), desk.now_ms))
    desk.answers.clear()
    (stop,) = desk.orders(OrderPurpose.STOP)
    desk.now_ms += 1
    desk.fill(stop, Decimal(5), price=95.0)
    core = desk.core._memory.core
    assert (core.steps, core.entry_price) == (desk.setup.market.steps(Decimal(15)), 98.5)
    fees = float(sum(fill.fee for fill in desk.fills))
    assert core.cash == pytest.approx(10_000 + 5 * (95.0 - 98.5) - fees)


def test_an_entry_in_doubt_makes_the_exposure_unknown_and_is_never_sent_again() -> None:
    desk = Desk(settings=PLAIN)
    desk.launch()
    desk.bar()
    desk.answers[effects.SendOrder] = lambda effect: inputs.SendAnswered(
        effect.client_order_id, Unknown("lost"), desk.now_ms
    )
    desk.answers[effects.ResolveOrder] = lambda effect: inputs.ResolveAnswered(
        effect.client_order_id, StillUnknown("down"), desk.now_ms
    )
    desk.bar(ENTER)
    assert desk.facts.exposure is Exposure.UNKNOWN
    desk.tick(100)
    desk.bar(ENTER)
    assert len(desk.sent(OrderPurpose.ENTRY)) == 1


# --- stops ---------------------------------------------------------------------------------------


def test_a_stop_that_leaves_the_position_keeps_its_protection() -> None:
    desk = Desk()
    desk.enter()
    desk.stop(StopMode.LEAVE)
    assert desk.transitions == [RunState.RUNNING, RunState.STOPPING, RunState.STOPPED]
    assert {intent.purpose for intent in desk.resting.values()} == {OrderPurpose.STOP, OrderPurpose.TARGET}
    assert "its stop rests at 95" in desk.facts.sentence
    assert desk.facts.exposure is Exposure.EXPOSED


def test_a_stop_that_leaves_the_position_unprotected_cancels_protection() -> None:
    desk = Desk()
    desk.enter()
    desk.stop(StopMode.LEAVE_UNPROTECTED)
    assert desk.core.state is RunState.STOPPED
    assert desk.resting == {}
    assert desk.held > 0
    assert "without a stop" in desk.facts.sentence


def test_a_stop_that_closes_cancels_protection_last() -> None:
    desk = Desk()
    desk.enter()
    desk.stop(StopMode.CLOSE)
    assert desk.core.state is RunState.STOPPING
    assert len(desk.orders(OrderPurpose.STOP)) == 1
    desk.effects.clear()
    desk.fill(desk.orders(OrderPurpose.EXIT)[0])
    assert desk.core.state is RunState.STOPPED
    names = [type(effect) for effect in desk.effects]
    assert names.index(effects.ReadPosition) < names.index(effects.CancelOrder)
    assert desk.trades[0].reason is ExitReason.RUN_END
    assert desk.resting == {}
    assert "The wallet is flat" in desk.facts.sentence


def test_a_stop_cancels_a_resting_entry_and_reads_the_position() -> None:
    settings = CoreSettings(
        stop_kind=FRACTION, stop_value=0.05, order_kind=2, order_offset=0.01, order_timeout_bars=5
    )
    desk = Desk(settings=settings)
    desk.launch()
    desk.bar()
    desk.bar(ENTER)
    assert desk.orders(OrderPurpose.ENTRY)[0].price == Decimal("99")
    desk.stop(StopMode.LEAVE)
    assert desk.core.state is RunState.STOPPED
    assert desk.resting == {}


def test_a_stop_that_closes_also_closes_what_is_heard_of_after_it() -> None:
    desk = Desk(settings=PLAIN)
    desk.launch()
    desk.bar()
    desk.bar(ENTER)
    (entry,) = desk.orders(OrderPurpose.ENTRY)
    desk.answers[effects.CancelOrder] = lambda effect: inputs.CancelAnswered(
        effect.client_order_id, Unknown("timeout"), desk.now_ms
    )
    desk.answers[effects.ReadOrder] = lambda effect: inputs.ReadFailed(effect, "timeout", desk.now_ms)
    desk.stop(StopMode.CLOSE)
    desk.answers.clear()
    desk.fill(entry)
    desk.tick(2)
    desk.fill(desk.orders(OrderPurpose.EXIT)[0])
    assert desk.core.state is RunState.STOPPED
    assert "The wallet is flat" in desk.facts.sentence


def test_a_stop_that_is_to_leave_the_position_after_all_withdraws_its_closing_order() -> None:
    desk = Desk(settings=PLAIN)
    desk.enter()
    desk.stop(StopMode.CLOSE)
    assert len(desk.orders(OrderPurpose.EXIT)) == 1
    desk.stop(StopMode.LEAVE)
    assert desk.orders(OrderPurpose.EXIT) == []
    assert len(desk.orders(OrderPurpose.STOP)) == 1
    assert desk.core.state is RunState.STOPPED
    assert desk.facts.exposure is Exposure.EXPOSED


def test_a_position_that_a_guard_was_closing_stays_where_a_stop_leaves_it() -> None:
    guards = Guards(drawdown=0.01, drawdown_action=GuardAction.STOP, stop_mode=StopMode.CLOSE)
    settings = replace(
        PLAIN, has_guards=1, drawdown_action=GUARD_STOPS, drawdown_limit=0.01, guard_leaves=CLOSE_POSITION
    )
    desk = Desk(settings=settings, guards=guards)
    desk.enter()
    desk.bar(close=97.0)
    (close,) = desk.orders(OrderPurpose.EXIT)
    desk.fill(close, Decimal(1))
    desk.stop(StopMode.LEAVE)
    desk.tick(3)
    assert desk.sent(OrderPurpose.EXIT) == [close]
    assert [stop.amount for stop in desk.orders(OrderPurpose.STOP)] == [desk.held]
    assert desk.core.state is RunState.STOPPED


def test_a_stop_past_its_deadline_fails_and_leaves_protection_alone() -> None:
    desk = Desk()
    desk.enter()
    desk.stop(StopMode.CLOSE)
    desk.tick(30, is_reachable=False)
    desk.tick(59)
    assert desk.core.state is RunState.STOPPING
    desk.restart()
    desk.tick(5)
    assert desk.core.state is RunState.FAILED
    assert len(desk.orders(OrderPurpose.STOP)) == 1
    assert "failed" in topics(desk)


def test_nothing_is_decided_while_a_run_is_stopping() -> None:
    desk = Desk()
    desk.enter()
    desk.answers[effects.ReadPosition] = lambda effect: inputs.ReadFailed(effect, "down", desk.now_ms)
    desk.stop(StopMode.LEAVE)
    desk.bar(EXIT)
    assert desk.core.state is RunState.STOPPING
    assert desk.sent(OrderPurpose.EXIT) == []


def test_the_trades_limit_ends_the_run_when_the_position_is_closed() -> None:
    desk = Desk(settings=CoreSettings(trades_limit=1, sizing_value=0.5))
    desk.enter()
    desk.bar(EXIT)
    desk.fill(desk.orders(OrderPurpose.EXIT)[0])
    assert desk.core.state is RunState.DONE
    assert desk.is_over


def test_closing_by_the_operator_pauses_entries_and_the_run_goes_on() -> None:
    desk = Desk()
    desk.enter()
    desk.tell(inputs.CloseRequested(Author.OPERATOR, desk.now_ms))
    desk.fill(desk.orders(OrderPurpose.EXIT)[0])
    assert desk.trades[0].reason is ExitReason.MANUAL
    assert desk.core.state is RunState.RUNNING
    assert desk.facts.pause_reasons == ("manual",)
    assert desk.resting == {}


def test_exits_left_to_the_operator_raise_one_alert_each_and_send_nothing() -> None:
    settings = CoreSettings(stop_kind=FRACTION, stop_value=0.05, sizing_value=0.5, closes_on_exit=0)
    desk = Desk(settings=settings, close_position_on_exit=False)
    desk.enter()
    for _ in range(3):
        desk.bar(EXIT)
    assert desk.sent(OrderPurpose.EXIT) == []
    assert [e.topic for e in desk.journal(AlarmRaised)].count("exit left to the operator") == 1


# --- what others do ------------------------------------------------------------------------------


def test_the_alarm_of_a_foreign_order_ends_with_the_order() -> None:
    desk = Desk()
    desk.enter()
    other = replace(desk.report(desk.orders(OrderPurpose.STOP)[0]), client_order_id=None, venue_order_id="77")
    desk.tell(OrderReported(other, desk.now_ms))
    assert "foreign order 77" in topics(desk)
    desk.tell(OrderReported(replace(other, state=OrderState.CANCELED), desk.now_ms))
    assert "foreign order 77" in {event.topic for event in desk.journal(AlarmCleared)}
    desk.tell(OrderReported(other, desk.now_ms))
    desk.tell(StreamRestored("user", desk.now_ms))
    assert len(desk.journal(AlarmCleared)) == 2


@pytest.mark.parametrize("since", ["nothing", "an entry", "a trade"])
def test_funding_that_is_told_after_its_trade_was_closed_is_the_trade_s(since: str) -> None:
    desk = Desk(settings=PLAIN)
    desk.enter()
    desk.bar()
    paid_ms = desk.now_ms
    desk.bar(EXIT)
    desk.fill(desk.sent(OrderPurpose.EXIT)[-1])
    (trade,) = desk.trades
    if since != "nothing":
        desk.bar(QUIET)
        desk.bar(ENTER)
        desk.fill(desk.sent(OrderPurpose.ENTRY)[-1])
    if since == "a trade":
        desk.bar(EXIT)
        desk.fill(desk.sent(OrderPurpose.EXIT)[-1])
        assert len(desk.trades) == 2
    cash, funding = desk.core._memory.core.cash, desk.core._memory.core.funding
    late = Funding("f", "w", SYMBOL, Decimal("1.5"), Decimal("0.0001"), paid_ms)
    desk.answers[effects.Reconcile] = lambda _: inputs.Reconciled(
        replace(desk.reading(), fundings=[late]), desk.now_ms
    )
    desk.tell(StreamRestored("user", desk.now_ms))
    ((amended, closed_since),) = [
        (record.trade, record.closed_since) for record in desk.records if isinstance(record, TradeAmended)
    ]
    assert closed_since == (since == "a trade")
    assert (amended.funding, amended.pnl) == (trade.funding + late.paid, trade.pnl - late.paid)
    assert desk.core._memory.core.cash == cash - 1.5
    assert desk.core._memory.core.funding == funding


def test_a_payment_that_is_told_after_a_hundred_fills_is_booked_once() -> None:
    desk = Desk(settings=LIMIT)
    desk.launch()
    desk.bar()
    desk.bar(ENTER)
    (entry,) = desk.orders(OrderPurpose.ENTRY)
    desk.fill(entry, Decimal("0.1"), price=99.0)
    desk.now_ms += 60_000
    paid_ms = desk.now_ms
    for _ in range(200):
        desk.now_ms += 100
        desk.fill(entry, Decimal("0.1"), price=99.0)
    desk.fill(entry, price=99.0)
    desk.bar(EXIT)
    for _ in range(100):
        desk.now_ms += 100
        desk.fill(desk.sent(OrderPurpose.EXIT)[-1], Decimal("0.1"), price=99.0)
    late = Funding("f", "w", SYMBOL, Decimal("1.5"), Decimal("0.0001"), paid_ms)
    before = desk.core._memory.core.funding
    asked: list[int] = []

    def read(effect: effects.Effect) -> inputs.FillsRead:
        assert isinstance(effect, effects.ReadFills)
        asked.append(effect.fundings_since_ms)
        return inputs.FillsRead([], [late], desk.now_ms)

    desk.answers[effects.ReadFills] = read
    desk.fill(desk.sent(OrderPurpose.EXIT)[-1], price=99.0)
    desk.tell(FundingReported(late, desk.now_ms))
    desk.tell(FundingReported(late, desk.now_ms))
    booked = [record for record in desk.records if isinstance(record, FundingRow)]
    assert [row.funding for row in booked] == [late]
    amended = [record.trade for record in desk.records if isinstance(record, TradeAmended)]
    assert [kept.funding for kept in amended] == [Decimal("1.5")]
    assert amended[0].pnl == amended[0].gross_pnl - amended[0].fees - amended[0].funding
    assert all(since_ms <= paid_ms for since_ms in asked)
    assert before == 0


@pytest.mark.parametrize("has_phases", [False, True])
@pytest.mark.parametrize("timeframe", [Timeframe.M1, Timeframe.H1, Timeframe.H4])
def test_what_is_paid_while_the_last_readings_are_under_way_is_booked_before_the_end(
    timeframe: Timeframe, *, has_phases: bool
) -> None:
    desk = Desk(settings=PLAIN, timeframe=timeframe, has_phases=has_phases)
    desk.enter()
    desk.silent = lambda effect: isinstance(effect, effects.ReadPosition)
    desk.stop(StopMode.LEAVE)
    assert isinstance(desk.effects[-1], effects.ReadPosition)
    desk.now_ms += HOUR_MS
    paid = Funding("f", "w", SYMBOL, Decimal("1.5"), Decimal("0.0001"), desk.now_ms - 1)
    desk.answers[effects.ReadFills] = lambda effect: inputs.FillsRead(desk.fills, [paid], desk.now_ms)
    desk.silent = lambda effect: False
    desk.tell(inputs.PositionRead(desk.position(), desk.now_ms))
    assert desk.core.state is RunState.STOPPED
    assert [record.funding for record in desk.records if isinstance(record, FundingRow)] == [paid]


@pytest.mark.parametrize("mode", [StopMode.LEAVE, StopMode.CLOSE])
def test_a_payment_that_a_node_behind_does_not_show_yet_is_booked_before_the_end(mode: StopMode) -> None:
    desk = Desk(settings=PLAIN)
    desk.enter()
    desk.bar()
    desk.now_ms += 5_000
    paid = Funding("f", "w", SYMBOL, Decimal("1.5"), Decimal("0.0001"), desk.now_ms // HOUR_MS * HOUR_MS)
    lag_ms = 20_000

    def read_position(_: effects.Effect) -> inputs.PositionRead:
        return inputs.PositionRead(replace(desk.position(), time_ms=desk.now_ms - lag_ms), desk.now_ms)

    def read_fills(_: effects.Effect) -> inputs.FillsRead:
        shown = [paid] if desk.now_ms - lag_ms >= paid.time_ms else []
        return inputs.FillsRead(desk.fills, shown, desk.now_ms)

    desk.answers[effects.ReadPosition], desk.answers[effects.ReadFills] = read_position, read_fills
    desk.stop(mode)
    if mode is StopMode.CLOSE:
        desk.fill(desk.sent(OrderPurpose.EXIT)[-1])
    seconds = 0
    while desk.core.state is not RunState.STOPPED:
        assert seconds < 30
        seconds += 1
        desk.now_ms += 1_000
        desk.tick()
    assert [record.funding for record in desk.records if isinstance(record, FundingRow)] == [paid]
    # It is not asked all the time.
    assert len([effect for effect in desk.effects if isinstance(effect, effects.ReadFills)]) < 8


def test_a_payment_on_a_trade_long_gone_is_not_the_next_one_s() -> None:
    desk = Desk(settings=PLAIN)
    desk.enter()
    desk.bar()
    paid_ms = desk.now_ms - 1
    for _ in range(KEPT_TRADES + 1):
        desk.bar(EXIT)
        desk.fill(desk.sent(OrderPurpose.EXIT)[-1])
        desk.bar(QUIET)
        desk.bar(ENTER)
        desk.fill(desk.sent(OrderPurpose.ENTRY)[-1])
    cash = desk.core._memory.core.cash
    late = Funding("f", "w", SYMBOL, Decimal("1.5"), Decimal("0.0001"), paid_ms)
    desk.tell(FundingReported(late, desk.now_ms))
    assert desk.core._memory.core.cash == cash - 1.5
    assert desk.core._memory.core.funding == 0


def test_a_foreign_order_is_named_and_pauses_entries_until_they_are_resumed() -> None:
    desk = Desk()
    desk.enter()
    other = replace(desk.report(desk.orders(OrderPurpose.STOP)[0]), client_order_id=None, venue_order_id="77")
    desk.tell(OrderReported(other, desk.now_ms))
    assert desk.facts.pause_reasons == ("foreign",)
    (paused,) = desk.journal(EntriesPaused)
    assert "venue order 77" in paused.why
    desk.tell(inputs.ResumeRequested(Author.OPERATOR, desk.now_ms))
    desk.tell(OrderReported(other, desk.now_ms))
    assert not desk.facts.is_paused
    assert "foreign order 77" in topics(desk)
    desk.tell(OrderReported(replace(other, venue_order_id="78"), desk.now_ms))
    assert desk.facts.pause_reasons == ("foreign",)


def test_the_orders_of_an_earlier_run_of_the_wallet_are_not_foreign() -> None:
    earlier = "00000000000000aa"
    desk = Desk(settings=PLAIN, earlier_runs=frozenset({earlier}))
    desk.enter()
    own = desk.report(desk.orders(OrderPurpose.STOP)[0])
    left = replace(own, client_order_id=f"{earlier}{7:016x}", venue_order_id="900")
    unknown = replace(left, client_order_id=f"{'b' * 16}{7:016x}", venue_order_id="901")
    desk.answers[effects.Reconcile] = lambda effect: inputs.Reconciled(
        replace(desk.reading(), open_orders=[own, left]), desk.now_ms
    )
    desk.tell(StreamRestored("orders", desk.now_ms))
    desk.tell(OrderReported(left, desk.now_ms))
    assert not desk.facts.is_paused
    assert topics(desk) == set()
    desk.tell(OrderReported(unknown, desk.now_ms))
    assert desk.facts.pause_reasons == ("foreign",)


def test_a_position_in_another_market_is_named_and_pauses_entries_until_they_are_resumed() -> None:
    desk = Desk()
    desk.enter()
    eth = {"ETH/USDC:USDC": Decimal("-0.1")}
    desk.tell(ExternalPositions(eth, desk.now_ms))
    assert desk.facts.pause_reasons == ("foreign",)
    (paused,) = desk.journal(EntriesPaused)
    assert "-0.1 ETH/USDC:USDC" in paused.why
    desk.tell(inputs.ResumeRequested(Author.OPERATOR, desk.now_ms))
    desk.tell(ExternalPositions(eth | {"ETH/USDC:USDC": Decimal("-0.2")}, desk.now_ms))
    assert not desk.facts.is_paused
    assert "foreign position ETH/USDC:USDC" in topics(desk)
    desk.tell(ExternalPositions(eth | {"SOL/USDC:USDC": Decimal(3)}, desk.now_ms))
    assert desk.facts.pause_reasons == ("foreign",)
    desk.tell(ExternalPositions({}, desk.now_ms))
    cleared = {event.topic for event in desk.journal(AlarmCleared)}
    assert cleared == {"foreign position ETH/USDC:USDC", "foreign position SOL/USDC:USDC"}
    assert desk.facts.is_paused


def test_an_account_that_becomes_of_an_unsupported_kind_pauses_entries_and_keeps_its_stop() -> None:
    desk = Desk()
    desk.enter()
    stop = desk.orders(OrderPurpose.STOP)[0]
    for _ in range(2):
        desk.tell(AccountChecked("the account has changed: it is unified", desk.now_ms))
    assert desk.facts.pause_reasons == ("account kind",)
    assert topics(desk) == {"account kind"}
    assert [paused.why for paused in desk.journal(EntriesPaused)] == [
        "the account has changed: it is unified; entries pause until they are resumed"
    ]
    assert desk.report(stop).state.is_open
    desk.tell(AccountChecked("", desk.now_ms))
    assert {event.topic for event in desk.journal(AlarmCleared)} == {"account kind"}
    assert desk.facts.is_paused


def test_a_foreign_fill_that_closes_everything_is_manual_and_pauses_entries() -> None:
    desk = Desk()
    entry = desk.enter()
    desk.price = 104.0
    desk.foreign_fill(OrderSide.SELL, entry.amount)
    desk.tick(10)
    assert desk.trades[0].reason is ExitReason.MANUAL
    assert desk.trades[0].exit_price == Decimal("104.0")
    assert desk.facts.pause_reasons == ("manual",)
    assert desk.resting == {}


@pytest.mark.parametrize("liquidates", [False, True])
def test_what_somebody_filled_before_the_launch_is_no_exit_of_the_run(liquidates: bool) -> None:
    desk = Desk(settings=PLAIN, assume_position_now=True)
    desk.now_ms, desk.price = START_MS + 600_000, 60.0
    desk._fill(None, OrderSide.SELL, Decimal(50), 60.0, liquidates=liquidates)
    desk.now_ms, desk.price = START_MS + 1_800_000, 100.0
    desk.flags.next.append(ENTER)
    bar = Bar(START_MS - HOUR_MS, 100.0, 100.0, 100.0, 100.0, 1.0)
    desk.tell(inputs.Launched(desk.position(), [], desk.balance(), desk.touch(), bar, desk.now_ms))
    (entry,) = desk.orders(OrderPurpose.ENTRY)
    desk.fill(entry)
    desk.now_ms, desk.price = desk.now_ms + 600_000, 110.0
    desk.foreign_fill(OrderSide.SELL, entry.amount)
    desk.tick(10)
    (trade,) = desk.trades
    assert (trade.reason, trade.exit_price) == (ExitReason.MANUAL, Decimal("110.0"))


def test_a_foreign_fill_that_adds_is_an_alarm_and_resizes_the_stop() -> None:
    desk = Desk(settings=PLAIN)
    entry = desk.enter()
    desk.foreign_fill(OrderSide.BUY, Decimal("7"))
    desk.tick(10)
    assert "unexplained position" in topics(desk)
    assert [stop.amount for stop in desk.orders(OrderPurpose.STOP)] == [entry.amount + 7]
    assert desk.sent(OrderPurpose.EXIT) == []
    assert desk.trades == []
    assert desk.facts.is_paused


def test_a_foreign_fill_that_flips_ends_the_trade_and_leaves_the_rest_alone() -> None:
    desk = Desk(settings=PLAIN)
    entry = desk.enter()
    desk.foreign_fill(OrderSide.SELL, entry.amount + 3)
    desk.tick(10)
    assert desk.trades[0].reason is ExitReason.MANUAL
    assert desk.held == -3
    assert desk.sent(OrderPurpose.EXIT) == []
    assert desk.facts.exposure is Exposure.EXPOSED


def test_a_liquidation_by_a_real_venue_pauses_entries() -> None:
    desk = Desk(settings=CoreSettings(sizing_value=0.5, leverage=5.0))
    entry = desk.enter()
    desk.price = 80.0
    desk.foreign_fill(OrderSide.SELL, entry.amount, liquidates=True)
    assert desk.trades[0].reason is ExitReason.LIQUIDATION
    assert desk.facts.pause_reasons == ("liquidation",)


@pytest.mark.parametrize("beyond_price", [Decimal(0), Decimal(700)])
@pytest.mark.parametrize("price", [90.0, 70.0])
def test_a_liquidation_by_a_real_venue_costs_what_its_fill_says(price: float, beyond_price: Decimal) -> None:
    # At 70 more than the margin of a fifth is gone: whether the account bears it is the venue's word alone.
    desk = Desk(settings=CoreSettings(sizing_value=0.5, leverage=5.0))
    entry = desk.enter()
    (entered,) = desk.fills
    desk.price = price
    desk.foreign_fill(OrderSide.SELL, entry.amount, liquidates=True, beyond_price=beyond_price)
    (trade,) = desk.trades
    made = (Decimal(price) - entered.price) * entry.amount + beyond_price
    assert float(trade.gross_pnl) == pytest.approx(float(made))
    assert trade.fees == entered.fee + desk.fills[-1].fee


def test_a_fill_is_booked_once_however_often_it_is_heard_of() -> None:
    desk = Desk(settings=PLAIN)
    desk.enter()
    (fill,) = desk.fills
    steps = desk.core.exposed_steps
    for _ in range(3):
        desk.tell(FillReported(fill, None, desk.now_ms))
    desk.tell(StreamRestored("fills", desk.now_ms))
    assert desk.core.exposed_steps == steps


# --- bars and streams ----------------------------------------------------------------------------


def test_a_fill_that_is_told_after_many_others_of_its_order_is_booked() -> None:
    desk = Desk(settings=LIMIT)
    desk.launch()
    desk.bar()
    desk.bar(ENTER)
    (entry,) = desk.orders(OrderPurpose.ENTRY)
    part = Decimal("0.1")
    desk.now_ms += 1_000
    desk.held += part
    missed = desk._fill(entry.client_order_id, entry.side, part, 99.0)
    desk.filled[entry.client_order_id] = part
    for _ in range(300):
        desk.now_ms += 1_000
        desk.fill(entry, part, price=99.0)
    desk.fill(entry, price=99.0)
    desk.tell(FillReported(missed, desk.touch(), desk.now_ms))
    assert desk.setup.market.amount(desk.core.exposed_steps) == desk.held == entry.amount
    for number in range(100):
        desk.now_ms += HOUR_MS
        paid = Funding(f"f{number}", "w", SYMBOL, Decimal(1), Decimal(0), desk.now_ms)
        desk.tell(FundingReported(paid, desk.now_ms))
    assert len(desk.core._memory.fills_seen) <= 2 * REMEMBERED_FILLS
    assert len(desk.core._memory.fundings_seen) <= 2 * REMEMBERED_FILLS
    desk.stop(StopMode.LEAVE)
    desk.tick(3)
    assert desk.core.state is RunState.STOPPED


def test_before_a_close_is_decided_the_fills_up_to_it_are_read() -> None:
    desk = Desk()
    desk.enter()
    stop = desk.orders(OrderPurpose.STOP)[0]
    # The stop has filled, and the stream has not said so yet.
    desk.held = Decimal(0)
    desk.resting.clear()
    desk._fill(stop.client_order_id, stop.side, stop.amount, 95.0)
    desk.bar(EXIT, close=95.9)
    assert desk.trades[0].reason is ExitReason.STOP_LOSS
    assert desk.sent(OrderPurpose.EXIT) == []


def test_a_close_far_from_all_that_rests_is_decided_without_reading() -> None:
    desk = Desk()
    desk.enter()
    desk.effects.clear()
    desk.bar(EXIT, close=97.0)
    assert isinstance(desk.effects[0], effects.SendOrder)
    assert desk.orders(OrderPurpose.EXIT)


def test_a_close_of_a_position_without_a_stop_is_decided_after_reading() -> None:
    desk = Desk(settings=CoreSettings(sizing_value=0.5))
    desk.enter()
    desk.effects.clear()
    desk.bar(EXIT)
    assert isinstance(desk.effects[0], effects.ReadFills)
    assert desk.orders(OrderPurpose.EXIT)


def test_a_hole_is_read_and_confirmed_before_the_next_bar_is_decided() -> None:
    desk = Desk(settings=PLAIN)
    desk.launch()
    desk.bar()
    missed = Bar(START_MS + HOUR_MS, 100.0, 100.0, 100.0, 100.0, 1.0)
    desk.answers[effects.ReadBars] = lambda effect: inputs.BarsRead([missed], desk.now_ms)
    time_ms = START_MS + 3 * HOUR_MS
    bar = Bar(time_ms, 100.0, 100.0, 100.0, 100.0, 1.0)
    desk.now_ms = time_ms + HOUR_MS
    desk.tell(BarClosed(SYMBOL, Timeframe.H1, bar, None, None, desk.now_ms))
    (hole,) = desk.journal(HoleFound)
    assert (hole.first_ms, hole.last_ms, hole.is_confirmed) == (START_MS + 2 * HOUR_MS,) * 2 + (True,)
    assert desk.core.last_bar_ms == time_ms


def test_a_hole_that_cannot_be_confirmed_is_stale_and_tried_again() -> None:
    desk = Desk(settings=PLAIN)
    desk.launch()
    desk.bar()
    desk.answers[effects.ReadBars] = lambda effect: inputs.ReadFailed(effect, "down", desk.now_ms)
    time_ms = START_MS + 3 * HOUR_MS
    bar = Bar(time_ms, 100.0, 100.0, 100.0, 100.0, 1.0)
    desk.now_ms = time_ms + HOUR_MS
    desk.tell(BarClosed(SYMBOL, Timeframe.H1, bar, None, None, desk.now_ms))
    assert desk.facts.health is Health.STALE
    assert not desk.journal(HoleFound)[0].is_confirmed
    desk.answers.clear()
    desk.tick(5)
    assert desk.core.last_bar_ms == time_ms
    assert desk.facts.health is Health.OK


def hourly(number: int, close: float = 100.0) -> Bar:
    return Bar(START_MS + number * HOUR_MS, 100.0, max(100.0, close), min(100.0, close), close, 1.0)


def tell_closed(desk: Desk, *numbers: int) -> None:
    for number in numbers:
        desk.now_ms = max(desk.now_ms, hourly(number).time_ms + HOUR_MS)
        desk.tell(BarClosed(SYMBOL, Timeframe.H1, hourly(number), None, None, desk.now_ms))


def equity_times(desk: Desk) -> list[int]:
    rows = [record.time_ms for record in desk.records if isinstance(record, EquityRow)]
    return [(time_ms - START_MS) // HOUR_MS for time_ms in rows]


def test_a_bar_that_comes_after_its_successor_was_decided_is_named_once_and_not_counted() -> None:
    desk = Desk(settings=PLAIN)
    desk.launch()
    tell_closed(desk, 0, 2, 3)
    assert desk.journal(LateBar) == []
    tell_closed(desk, 1, 1, 0, 4)
    assert [event.bar_time_ms for event in desk.journal(LateBar)] == [hourly(1).time_ms]
    assert equity_times(desk) == [0, 2, 3, 4]


def test_a_late_bar_is_decided_where_its_successor_was_not_yet() -> None:
    desk = Desk(settings=PLAIN)
    desk.launch()
    tell_closed(desk, 0)
    desk.answers[effects.ReadBars] = lambda effect: inputs.ReadFailed(effect, "down", desk.now_ms)
    tell_closed(desk, 2, 1)
    assert equity_times(desk) == [0]
    desk.answers[effects.ReadBars] = lambda effect: inputs.BarsRead([hourly(1), hourly(2)], desk.now_ms)
    desk.tick(5)
    assert equity_times(desk) == [0, 1, 2]
    assert [event.is_confirmed for event in desk.journal(HoleFound)] == [False]
    assert desk.journal(LateBar) == []


def test_a_hole_in_what_was_missed_is_named_wherever_the_bars_came_from() -> None:
    desk = Desk(settings=PLAIN)
    desk.launch()
    tell_closed(desk, 0)
    desk.answers[effects.Reconcile] = lambda effect: inputs.Reconciled(
        desk.reading([hourly(2), hourly(3)]), desk.now_ms
    )
    desk.now_ms = hourly(4).time_ms
    desk.tell(StreamRestored("bars", desk.now_ms))
    desk.now_ms = hourly(7).time_ms
    desk.restart([hourly(6)])
    holes = [(event.first_ms, event.last_ms) for event in desk.journal(HoleFound) if event.is_confirmed]
    assert holes == [(hourly(1).time_ms,) * 2, (hourly(4).time_ms, hourly(5).time_ms)]
    assert equity_times(desk) == [0, 2, 3, 6]


def test_a_bar_that_came_late_while_the_process_was_down_is_named() -> None:
    desk = Desk(settings=PLAIN)
    desk.launch()
    tell_closed(desk, 0, 2)
    desk.now_ms = hourly(4).time_ms
    desk.restart([hourly(3)], late_bars=[hourly(1).time_ms])
    assert [event.bar_time_ms for event in desk.journal(LateBar)] == [hourly(1).time_ms]
    assert equity_times(desk) == [0, 2, 3]


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
    desk = Desk(settings=PLAIN)
    desk.launch()
    tell_closed(desk, 0)
    bar = hourly(1)._replace(**odd)
    desk.tell(BarClosed(SYMBOL, Timeframe.H1, bar, None, None, hourly(2).time_ms))
    assert any("a bar that cannot be" in event.sentence for event in desk.journal(Noted))
    tell_closed(desk, 1, 2)
    assert equity_times(desk) == [0, 1, 2]


def test_a_lost_stream_is_degraded_and_its_return_reads_everything() -> None:
    desk = Desk(settings=PLAIN)
    desk.launch()
    desk.tell(StreamLost("fills", "dropped", desk.now_ms))
    assert desk.facts.health is Health.DEGRADED
    desk.effects.clear()
    desk.tell(StreamRestored("fills", desk.now_ms))
    assert [type(effect) for effect in desk.effects] == [effects.Reconcile]
    assert desk.facts.health is Health.OK


def test_a_phase_is_acknowledged_after_everything_it_led_to_is_answered() -> None:
    desk = Desk(settings=PLAIN, has_phases=True)
    desk.launch()
    desk.bar()
    desk.bar(ENTER)
    desk.effects.clear()
    desk.tell(PhaseEnded(7, desk.now_ms))
    assert desk.effects[-1] == effects.Acknowledge(7)
    # Inside a bar a market order executes as it is sent: its fills are read before the feed may go on.
    desk.tell(BarOpened(SYMBOL, Timeframe.H1, desk.core.last_bar_ms + HOUR_MS, 100.0, desk.now_ms))
    desk.effects.clear()
    step = desk.core.handle(PhaseEnded(8, desk.now_ms))
    assert [type(effect) for effect in step.effects] == [effects.ReadFills]
    step = desk.core.handle(inputs.FillsRead([], [], desk.now_ms))
    assert step.effects == (effects.Acknowledge(8),)


# --- recovery ------------------------------------------------------------------------------------


def bars_after(desk: Desk, count: int, price: float = 100.0) -> list[Bar]:
    first_ms = desk.core.last_bar_ms + HOUR_MS
    return [Bar(first_ms + index * HOUR_MS, price, price, price, price, 1.0) for index in range(count)]


def test_an_entry_decided_on_a_past_bar_is_dropped_as_late_and_arming_goes_on() -> None:
    desk = Desk(settings=PLAIN)
    desk.launch()
    desk.bar()
    bars = bars_after(desk, 3)
    desk.flags.next.extend([ENTER, ENTER, QUIET])
    desk.now_ms += 3 * HOUR_MS
    desk.restart(bars)
    assert dropped(desk) == ["late", "late"]
    assert desk.intents == {}
    assert desk.journal(Recovered)[0].past_bars == 3
    desk.bar(ENTER)
    assert len(desk.orders(OrderPurpose.ENTRY)) == 1


def test_a_last_bar_that_cannot_have_closed_gives_way_to_the_newest_one() -> None:
    desk = Desk(settings=PLAIN)
    desk.launch()
    desk.bar()
    newest_ms = desk.core.last_bar_ms
    document = json.loads(desk.core.checkpoint())
    document["last_bar_ms"] = newest_ms * 1_000
    desk.restart(text=json.dumps(document), newest_bar_ms=newest_ms)
    assert desk.core.last_bar_ms == newest_ms
    (said,) = [event.sentence for event in desk.journal(Noted) if "cannot have closed" in event.sentence]
    assert f"{newest_ms * 1_000} ms" in said
    desk.bar(ENTER)
    assert desk.core.last_bar_ms == newest_ms + HOUR_MS
    assert len(desk.orders(OrderPurpose.ENTRY)) == 1


def test_an_entry_of_a_past_bar_is_late_even_when_it_closed_a_moment_ago() -> None:
    desk = Desk(settings=PLAIN)
    desk.launch()
    desk.bar()
    bars = bars_after(desk, 1)
    desk.flags.next.append(ENTER)
    desk.now_ms += HOUR_MS + 3_000
    desk.restart(bars)
    assert dropped(desk) == ["late"]
    assert desk.intents == {}


def test_bars_that_the_venue_no_longer_gives_are_a_hole_and_pause_entries() -> None:
    desk = Desk(settings=PLAIN)
    desk.enter()
    handled_ms = desk.core.last_bar_ms
    bars = bars_after(desk, 5)
    desk.flags.next.extend([QUIET, ENTER])
    desk.now_ms += 5 * HOUR_MS
    desk.restart(bars[3:], lost_until_ms=bars[2].time_ms)
    hole = desk.journal(HoleFound)[0]
    assert (hole.first_ms, hole.last_ms) == (handled_ms + HOUR_MS, bars[2].time_ms)
    assert not hole.is_confirmed
    assert desk.journal(Recovered)[0].past_bars == 2
    assert desk.facts.pause_reasons == ("missing bars",)
    assert "missing bars" in topics(desk)
    # Exits and protection go on.
    assert len(desk.orders(OrderPurpose.STOP)) == 1
    desk.bar(EXIT)
    desk.fill(desk.sent(OrderPurpose.EXIT)[-1])
    assert [trade.reason for trade in desk.trades] == [ExitReason.SIGNAL]
    desk.bar(ENTER)
    assert len(desk.sent(OrderPurpose.ENTRY)) == 1
    desk.tell(inputs.ResumeRequested(Author.OPERATOR, desk.now_ms))
    assert desk.facts.pause_reasons == ()
    assert "missing bars" in {event.topic for event in desk.journal(AlarmCleared)}


def test_what_was_written_while_nobody_worked_on_a_run_is_replaced_when_it_recovers() -> None:
    desk = Desk(settings=PLAIN)
    desk.enter()
    desk.records.clear()
    desk.restart()
    assert desk.facts.health is Health.OK


def test_an_exit_decided_on_a_past_bar_executes_at_once() -> None:
    desk = Desk(settings=PLAIN)
    desk.enter()
    desk.flags.next.extend([EXIT, QUIET])
    bars = bars_after(desk, 2)
    desk.now_ms += 2 * HOUR_MS
    desk.restart(bars)
    assert len(desk.orders(OrderPurpose.EXIT)) == 1


def test_a_stop_that_should_have_moved_is_moved_before_anything_else() -> None:
    settings = CoreSettings(stop_kind=FRACTION, stop_value=0.05, stop_trails=1, sizing_value=0.5)
    desk = Desk(settings=settings)
    desk.enter()
    bars = bars_after(desk, 2, price=110.0)
    desk.flags.next.extend([QUIET, EXIT])
    desk.now_ms += 2 * HOUR_MS
    desk.effects.clear()
    desk.restart(bars)
    assert [stop.trigger_price for stop in desk.orders(OrderPurpose.STOP)] == [Decimal("104.5")]
    acts = [
        type(effect) for effect in desk.effects if isinstance(effect, effects.ModifyOrder | effects.SendOrder)
    ]
    assert acts == [effects.ModifyOrder, effects.SendOrder]


def test_fills_of_the_time_away_belong_to_their_bars() -> None:
    desk = Desk()
    desk.enter()
    stop = desk.orders(OrderPurpose.STOP)[0]
    held = desk.core.last_bar_ms
    desk.now_ms += HOUR_MS // 2
    desk.held = Decimal(0)
    desk.resting.clear()
    desk._fill(stop.client_order_id, stop.side, stop.amount, 95.0)
    bars = bars_after(desk, 3, price=95.0)
    desk.now_ms = held + 4 * HOUR_MS
    desk.restart(bars)
    assert desk.trades[0].reason is ExitReason.STOP_LOSS
    assert desk.trades[0].bars_held == 0
    assert desk.core.state is RunState.RUNNING


@pytest.mark.parametrize("arrived", [True, False])
def test_an_order_without_an_answer_is_resolved_and_never_sent_under_the_same_id(arrived: bool) -> None:
    desk = Desk(settings=PLAIN)
    desk.launch()
    desk.bar()
    desk.answers[effects.SendOrder] = lambda effect: inputs.SendAnswered(
        effect.client_order_id, Unknown("the process is gone"), desk.now_ms
    )
    desk.answers[effects.ResolveOrder] = lambda effect: inputs.ResolveAnswered(
        effect.client_order_id, StillUnknown("gone"), desk.now_ms
    )
    desk.bar(ENTER)
    (entry,) = desk.sent(OrderPurpose.ENTRY)
    desk.answers.clear()
    if arrived:
        desk.resting[entry.client_order_id] = entry
        desk.resolve = lambda order_id: executed(desk, order_id)  # type: ignore[method-assign]
    desk.restart()
    sends = [effect.client_order_id for effect in desk.effects if isinstance(effect, effects.SendOrder)]
    assert len(sends) == len(set(sends)) == (1 if arrived else 2)
    assert len(desk.orders(OrderPurpose.ENTRY)) == 1


def executed(desk: Desk, order_id: str) -> Resolution:
    if order_id in desk.resting:
        return Executed(desk.report(desk.intents[order_id]))
    return NeverWill("not known")


def test_a_final_run_changes_nothing_and_still_lets_its_feed_go_on() -> None:
    desk = Desk()
    desk.launch()
    desk.stop(StopMode.LEAVE)
    before = desk.core.checkpoint()
    step = desk.core.handle(PhaseEnded(3, desk.now_ms))
    assert step.effects == (effects.Acknowledge(3),)
    assert step.records == ()
    desk.bar(ENTER)
    assert desk.intents == {}
    assert before.split('"now_ms"')[0] == desk.core.checkpoint().split('"now_ms"')[0]


def test_a_worker_that_raised_too_often_fails_the_run_and_keeps_protection() -> None:
    desk = Desk()
    desk.enter()
    desk.tell(inputs.FailRequested("its worker raised four times in ten minutes", desk.now_ms))
    assert desk.core.state is RunState.FAILED
    assert len(desk.orders(OrderPurpose.STOP)) == 1
    assert desk.is_over


def test_a_pause_is_written_with_who_asked() -> None:
    desk = Desk()
    desk.launch()
    desk.tell(inputs.PauseRequested(Author.AGENT, desk.now_ms, "an agent asks"))
    assert [event.why for event in desk.journal(EntriesPaused)] == ["an agent asks"]
