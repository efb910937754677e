"""Each decision carries the conditions of its close, and each close what would have to be true next."""

import re
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firstwatch.backtest.simulate import BacktestSettings
from firstwatch.engine.core.records import OutlookRow
from firstwatch.manager.journal_text import event_text
from firstwatch.strategy.core import new_state
from firstwatch.strategy.core_state import (
    AFTER_TRADE,
    AMBIGUOUS,
    DAILY_LOSS_BIT,
    FLAT,
    FRACTION,
    GUARD_PAUSES,
    LIMIT_ORDER,
    MARKET_ORDER,
    MAXIMUM_LINKS,
    REGULAR,
    RESET,
    STOP_BY_CHAIN,
    STRICT,
    CoreSettings,
)
from firstwatch.strategy.outlook import outlook_of
from firstwatch.trading.events import (
    DecisionDropped,
    EntriesPaused,
    EntryDecided,
    ExitDecided,
    Noted,
    TradeClosed,
)
from firstwatch.trading.market import Market
from firstwatch.trading.orders import OrderPurpose, Side
from firstwatch.trading.runs import ExitReason
from firstwatch.trading.why import STOP, TARGET
from tests.backtest.specifications import COSTS, MARKETS, launches, random_candles, specifications
from tests.engine.scripted import ENTER, EXIT, QUIET, ScriptedRun
from tests.engine.test_parity import REVERSION, both, spec_of
from tests.simulation.driver import Simulation
from tests.strategy.truths import assert_true_to, group_truth

FIRST = 20
LINKS = (0,) * (MAXIMUM_LINKS - 1)
UNARMED = "long waits for a fresh signal: its entry conditions must be false once"


def run_of(spec, candles, market, costs, chosen):
    run = Simulation(spec, candles, first=FIRST, market=market, costs=costs, settings=chosen)
    run.start()
    return run.run()


def assert_waits_hold(outlook, outcome, candles, places):
    """Check that nothing was entered at the closes at which the outlook says that it waits."""
    entered = {event.bar_time_ms: event for event in outcome.events(EntryDecided)}
    seen = []
    for wait in outlook.waits if outlook.bar_time_ms in places else ():
        following = [int(at) for at in candles.time_ms[places[outlook.bar_time_ms] + 1 :]]
        count = re.search(r"(\d+) more bar", wait)
        if wait.startswith("cooldown: "):
            assert not entered.keys() & set(following[: int(count[1])]), wait
            seen.append("cooldown")
        elif wait.startswith("a follow-up") and " waits " in wait:
            assert not entered.keys() & set(following[: int(count[1])]), wait
            seen.append("link")
        elif "fresh signal" in wait and following and following[0] in entered:
            event = entered[following[0]]
            assert event.side != wait.split(" ")[0] or event.is_follow_up, wait
            seen.append("unarmed")
        elif "fresh signal" in wait:
            seen.append("unarmed")
    return seen


def test_decisions_of_random_algorithms_carry_the_true_conditions_of_their_close():
    seen = Counter()

    @settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def holds(data):
        spec = data.draw(specifications())
        chosen = data.draw(launches(spec.direction.value))
        candles = random_candles(data.draw(st.integers(0, 10**6)), 100, 0.02)
        market, costs = data.draw(st.sampled_from(MARKETS)), data.draw(st.sampled_from(COSTS))
        outcome = run_of(spec, candles, market, costs, chosen)
        places = {int(time_ms): place for place, time_ms in enumerate(candles.time_ms)}
        for event in outcome.journal:
            if not isinstance(event, EntryDecided | ExitDecided | DecisionDropped) or not event.conditions:
                continue
            seen[event.kind] += 1
            assert_true_to(event.conditions, candles, places[event.bar_time_ms])
            if isinstance(event, EntryDecided):
                assert group_truth(event.conditions) == 1 or event.is_follow_up
                assert all(each.group.startswith(f"entry.{event.side}.") for each in event.conditions)
            elif isinstance(event, ExitDecided):
                assert group_truth(event.conditions) == 1
        for event in outcome.events(ExitDecided):
            assert (event.conditions is not None) == (event.reason is ExitReason.SIGNAL)
        for event in outcome.events(EntryDecided):
            assert event.conditions
        for outlook in outcome.outlooks:
            needs = [need for need in outlook.needs if need.group not in (STOP, TARGET)]
            if outlook.bar_time_ms in places and places[outlook.bar_time_ms] > 0:
                assert_true_to(needs, candles, places[outlook.bar_time_ms])
                seen["outlook held" if outlook.held else "outlook flat"] += 1
            seen.update(assert_waits_hold(outlook, outcome, candles, places))
            wanted = "exit." if outlook.held else "entry."
            assert all(need.group.startswith(wanted) for need in needs)

    holds()
    for kind in (
        "entry_decided",
        "exit_decided",
        "outlook held",
        "outlook flat",
        "cooldown",
        "unarmed",
        "link",
    ):
        assert seen[kind] > 2, seen


def test_a_refused_entry_says_what_would_have_led_to_it():
    spec = spec_of(REVERSION.format(timeframe="1h"))
    candles = random_candles(5, 400, 0.01)
    outcome = run_of(spec, candles, Market(minimum_amount=Decimal(10**6)), COSTS[0], BacktestSettings())
    places = {int(time_ms): place for place, time_ms in enumerate(candles.time_ms)}
    dropped = outcome.events(DecisionDropped)
    assert len(dropped) > 5
    assert not outcome.events(EntryDecided)
    for event in dropped:
        assert "below the minimum" in event.cause
        assert group_truth(event.conditions) == 1
        assert_true_to(event.conditions, candles, places[event.bar_time_ms])


def test_there_is_an_outlook_for_every_close_and_it_is_what_the_next_entry_needs():
    spec = spec_of(REVERSION.format(timeframe="1h"))
    candles = random_candles(5, 400, 0.01)
    chosen = BacktestSettings(leverage=Decimal(5))
    _, outcome = both(spec, candles, start=60, chosen=chosen)
    last_of = {outlook.bar_time_ms: outlook for outlook in outcome.outlooks}
    closes = [time_ms for time_ms in outcome.equity if time_ms in last_of]
    assert len(closes) >= len(outcome.equity) - 1
    entered = {event.bar_time_ms: event.side for event in outcome.events(EntryDecided)}
    checked = 0
    for before, close in pairwise(closes):
        outlook = last_of[before]
        # A follow-up and a limit order enter by rules of their own.
        if close in entered and outlook.held is None and not outlook.waits:
            side = entered[close]
            needed = [need for need in outlook.needs if outlook.side_of(need) is side]
            conditions = next(
                event.conditions for event in outcome.events(EntryDecided) if event.bar_time_ms == close
            )
            became = {each.condition for each in conditions if each.value}
            assert {need.condition for need in needed} <= became
            checked += 1
    assert checked > 3


def outlooks(run):
    return [record.outlook for record in run.records if isinstance(record, OutlookRow)]


def test_the_levels_of_a_position_are_part_of_what_comes_next():
    run = ScriptedRun()
    run.enter()
    outlook = outlooks(run)[-1]
    assert outlook.held is Side.LONG
    stop, target = outlook.needs
    assert (stop.group, stop.condition, stop.left, stop.right) == (STOP, "price <= stop", 100.0, 95.0)
    assert (target.group, target.condition, target.right) == (TARGET, "price >= target", 120.0)


def test_a_pause_and_its_end_are_told_at_once():
    run = ScriptedRun()
    run.launch()
    assert outlooks(run)[-1].waits == (UNARMED,)
    run.pause()
    assert outlooks(run)[-1].waits == ("you have paused entries", UNARMED)
    run.resume()
    assert outlooks(run)[-1].waits == (UNARMED,)
    run.bar()
    assert outlooks(run)[-1].waits == ()


def test_nothing_is_recorded_between_two_closes_of_a_run_that_stays_as_it_is():
    run = ScriptedRun()
    run.launch()
    run.bar()
    count = len(outlooks(run))
    run.tick(3)
    assert len(outlooks(run)) == count
    run.bar()
    assert len(outlooks(run)) == count + 1


def skipped(run):
    return [note.sentence for note in run.journal(Noted) if "skipped" in note.sentence]


def test_a_signal_that_a_pause_holds_back_is_told_once():
    run = ScriptedRun()
    run.launch()
    run.bar()
    run.pause()
    run.bar(ENTER)
    run.bar(ENTER)
    assert skipped(run) == ["enter long skipped: you have paused entries; "]
    run.bar(QUIET)
    run.bar(ENTER)
    assert len(skipped(run)) == 2
    run.resume()
    run.bar(ENTER)
    assert len(skipped(run)) == 2
    assert run.journal(EntryDecided)


def test_a_signal_in_an_open_position_is_not_told():
    run = ScriptedRun()
    run.enter()
    run.pause()
    run.bar(ENTER)
    assert skipped(run) == []


def test_a_guard_that_pauses_entries_says_its_limit():
    settings = CoreSettings(
        stop_kind=FRACTION,
        stop_value=0.05,
        sizing_value=0.5,
        drawdown_limit=0.01,
        drawdown_action=GUARD_PAUSES,
        has_guards=1,
    )
    run = ScriptedRun(settings=settings)
    run.enter()
    run.bar(close=96.0)
    limit = "the drawdown has reached the guard's limit of 1 %"
    assert [event.why for event in run.journal(EntriesPaused)] == [limit]
    run.bar(EXIT)
    run.fill(run.sent(OrderPurpose.EXIT)[-1])
    run.bar(ENTER)
    assert skipped(run)[0].startswith(f"enter long skipped: {limit}")
    assert f"entries pause until you resume them: {limit}" in outlooks(run)[-1].waits


@pytest.mark.parametrize(
    ("changed", "state", "waits"),
    [
        ({"cooldown_bars": 3}, {"reset_bar": 1}, "cooldown: 2 more bars"),
        ({"cooldown_bars": 3}, {"reset_bar": 2}, "cooldown: 1 more bar"),
        (
            {"reset_mode": REGULAR},
            {"reset_bar": 1},
            "after the long trade: the opposite signal, or its own once its conditions were false",
        ),
        (
            {"reset_mode": STRICT},
            {"reset_bar": 1},
            "after the trade: the entry conditions of every side must be false once",
        ),
        (
            {"links": 1, "link_wait": (3, *LINKS), "link_within": (9, *LINKS)},
            {"reset_bar": 1, "link": 1},
            "a follow-up long waits 2 more bars, then enters without a signal",
        ),
        (
            {
                "links": 1,
                "link_wait": (3, *LINKS),
                "link_within": (9, *LINKS),
                "link_needs_signal": (1, *LINKS),
                "link_opposite": (1, *LINKS),
            },
            {"reset_bar": 5, "link": 1},
            "a follow-up short enters with its signal, 4 more bars at most",
        ),
        ({}, {"reset_cause": AMBIGUOUS}, "both entry signals are true: it waits until exactly one is"),
        ({}, {"phase": FLAT, "stop_run": STOP_BY_CHAIN}, "no entry follows: the run is ending"),
        (
            {"order_timeout_bars": 3},
            {"phase": FLAT, "entry_order": LIMIT_ORDER, "entry_limit": 99.5, "entry_bars": 1},
            "an entry rests at 99.5 for 2 more bars, then goes to market",
        ),
        ({}, {"phase": FLAT, "entry_order": MARKET_ORDER}, "an entry order is under way"),
        (
            {"daily_loss_limit": 0.02},
            {"phase": FLAT, "entries_paused_by_guard": DAILY_LOSS_BIT},
            "entries pause until the next day (UTC): "
            "the loss of the day has reached the guard's limit of 2 %",
        ),
    ],
)
def test_what_holds_entries_back_is_read_from_the_core(changed, state, waits):
    settings = CoreSettings(**changed)
    after_trade = {"phase": RESET, "reset_cause": AFTER_TRADE, "reset_side": 1, "armed_long": 1}
    core = replace(new_state(settings), **(after_trade | state))
    found = outlook_of(core, settings, lambda kind, side: (), bar_time_ms=1)
    assert found.waits == (waits,)
    assert (found.held, found.needs) == (None, ())


def test_a_trade_that_a_level_has_ended_says_which():
    run = ScriptedRun()
    run.enter()
    run.fill(run.orders(OrderPurpose.STOP)[0], price=94.9)
    (closed,) = run.journal(TradeClosed)
    assert (closed.reason, closed.level) == (ExitReason.STOP_LOSS, Decimal(95))
    assert event_text(closed).startswith("long trade closed by stop loss at 95: 100 → 94.9, PnL ")


def test_a_trade_that_a_signal_has_ended_has_no_level():
    run = ScriptedRun()
    run.enter()
    run.bar(EXIT)
    run.fill(run.sent(OrderPurpose.EXIT)[-1])
    (closed,) = run.journal(TradeClosed)
    assert (closed.reason, closed.level) == (ExitReason.SIGNAL, None)
