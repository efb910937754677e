"""The wallet's equity at the venue beside the run's ledger: compared of one moment, and never waited for."""

from decimal import Decimal

import pytest

from firstwatch.engine.core import effects, inputs
from firstwatch.trading.account import Balance, Funding
from firstwatch.trading.events import EquityCompared
from firstwatch.trading.orders import OrderPurpose
from firstwatch.trading.runs import RunState, StopMode
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.protocol import ExternalPositions, StreamRestored
from tests.engine.scripted import ENTER, EXIT, ScriptedRun


def compared(run: ScriptedRun) -> list[EquityCompared]:
    return run.journal(EquityCompared)


def beyond(run: ScriptedRun) -> list[Decimal]:
    """Return what the wallet held beside the run at each comparison, to the cent."""
    return [round(event.venue - event.ledger, 2) for event in compared(run)]


def trade(run: ScriptedRun, *, close: float = 101.0) -> None:
    """Close the open position at another price."""
    run.bar(EXIT, close=close)
    run.fill(run.sent(OrderPurpose.EXIT)[-1])
    for _ in range(3):
        run.tick()


@pytest.fixture
def run() -> ScriptedRun:
    """A run on minutes, whose trades lie within an hour."""
    return ScriptedRun(timeframe=Timeframe.M1)


def test_each_trade_changes_both_alike(run):
    run.enter()
    assert [event.begins for event in compared(run)] == [True]
    trade(run)
    assert [event.begins for event in compared(run)] == [True, False]
    assert beyond(run) == [90_000, 90_000]
    first, last = compared(run)
    assert last.ledger != first.ledger
    # What has not changed is not written again.
    run.handle(StreamRestored("stream", run.now_ms))
    assert len(compared(run)) == 2


def test_a_comparison_that_agrees_is_written_once_an_hour_and_at_the_end(run):
    run.enter()
    trade(run)
    for _ in range(2):
        run.bar()
        run.bar(ENTER)
        run.fill(run.sent(OrderPurpose.ENTRY)[-1])
        trade(run, close=run.price + 1)
    assert len(compared(run)) == 2
    run.stop(StopMode.LEAVE)
    run.tick(3)
    assert run.transitions[-1] is RunState.STOPPED
    assert beyond(run) == [90_000, 90_000, 90_000]


def test_money_that_is_missing_is_found_and_asked_for(run):
    run.enter()
    run.moved = Decimal(-1)
    trade(run)
    assert beyond(run) == [90_000, 89_999]
    assert [event.begins for event in compared(run)] == [True, False]
    assert len([effect for effect in run.effects if isinstance(effect, effects.ReadTransfers)]) == 1


def test_money_that_came_or_went_begins_the_comparison_anew(run):
    run.enter()
    run.moved, run.has_transfers = Decimal(500), True
    trade(run)
    assert beyond(run) == [90_000, 90_500]
    assert [event.begins for event in compared(run)] == [True, True]


def test_what_is_traded_beside_the_run_begins_it_anew(run):
    run.enter()
    run.handle(ExternalPositions({"ETH/USDC:USDC": Decimal(1)}, run.now_ms))
    run.moved = Decimal(-20)
    trade(run)
    assert [event.begins for event in compared(run)] == [True, True]


def test_a_balance_with_a_position_or_from_before_a_fill_says_nothing(run):
    run.enter()
    old = Balance(Decimal(1), Decimal(0), Decimal(1), run.now_ms - 1)
    run.answers[effects.ReadBalance] = lambda _effect: inputs.BalanceRead(old, run.now_ms)
    trade(run)
    margin = Balance(Decimal(1), Decimal(1), Decimal(0), run.now_ms)
    run.answers[effects.ReadBalance] = lambda _effect: inputs.BalanceRead(margin, run.now_ms)
    run.stop(StopMode.LEAVE)
    assert len(compared(run)) == 1


def test_a_payment_of_the_last_hour_is_waited_for():
    """The venue's balance has it before its list of payments shows it."""
    run = ScriptedRun(timeframe=Timeframe.H1)
    run.enter()
    run.moved = Decimal(-3)
    trade(run)
    run.now_ms += 60_000
    run.handle(StreamRestored("stream", run.now_ms))
    assert len(compared(run)) == 1
    hour_ms = Timeframe.H1.open_of(run.now_ms)
    run.fundings.append(Funding("f", "w", run.setup.symbol, Decimal(3), Decimal("0.0001"), hour_ms))
    run.handle(StreamRestored("stream", run.now_ms))
    assert beyond(run) == [90_000, 90_000]


def test_where_none_is_shown_the_comparison_goes_on_after_a_while():
    run = ScriptedRun(timeframe=Timeframe.H1)
    run.enter()
    trade(run)
    run.now_ms += 121_000
    run.handle(StreamRestored("stream", run.now_ms))
    assert beyond(run) == [90_000, 90_000]


@pytest.mark.parametrize("answer", ["a balance", "none"])
def test_a_run_ends_with_its_balance_and_also_without(run, answer):
    run.enter()
    trade(run)
    before = len([each for each in run.effects if isinstance(each, effects.ReadBalance)])
    if answer == "none":
        run.answers[effects.ReadBalance] = lambda effect: inputs.ReadFailed(effect, "no answer", run.now_ms)
    run.moved = Decimal(-1)
    run.stop(StopMode.LEAVE)
    run.tick(3)
    assert run.transitions[-1] is RunState.STOPPED
    assert len([each for each in run.effects if isinstance(each, effects.ReadBalance)]) > before
    assert beyond(run)[-1] == (89_999 if answer == "a balance" else 90_000)


def test_a_doubt_does_not_outlive_its_process(run):
    run.enter()
    run.moved = Decimal(-1)
    run.silent = lambda effect: isinstance(effect, effects.ReadTransfers)
    trade(run)
    assert len(compared(run)) == 1
    run.silent = lambda effect: False
    run.restart()
    run.tick(3)
    assert beyond(run) == [90_000, 89_999]
    run.stop(StopMode.LEAVE)
    run.tick(3)
    assert run.transitions[-1] is RunState.STOPPED
