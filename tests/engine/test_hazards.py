"""What happens around a run: an alarm while it lasts, and once what the policy says."""

from decimal import Decimal

import pytest

from firstwatch.engine.core import hazards, inputs
from firstwatch.engine.core.records import Transition
from firstwatch.strategy.core_state import FRACTION, CoreSettings
from firstwatch.trading.events import AlarmCleared, AlarmRaised, EntriesPaused, Transitioned
from firstwatch.trading.hazards import DEFAULT_POLICY, Hazard, Response, hazard_of
from firstwatch.trading.market import LeverageTier, Market
from firstwatch.trading.orders import OrderPurpose, Touch
from firstwatch.trading.runs import Author, Health, RunState, StopMode
from firstwatch.venues.protocol import (
    ConditionRead,
    MarkMoved,
    StreamLost,
    StreamRestored,
    VenueCondition,
)
from tests.engine.scripted import SYMBOL, ScriptedRun

HIGH = CoreSettings(stop_kind=FRACTION, stop_value=0.03, sizing_value=0.5, leverage=20.0, maintenance=0.0125)
MOST = Market().maximum_leverage


def policy(response: Response, *those: Hazard) -> dict[Hazard, Response]:
    return dict(DEFAULT_POLICY) | dict.fromkeys(those or Hazard, response)


def said(run: ScriptedRun, condition: VenueCondition) -> None:
    run.handle(ConditionRead(condition, run.now_ms))


def mark(run: ScriptedRun, price: float) -> None:
    run.price = price
    run.handle(MarkMoved(SYMBOL, Touch(price - 1, price - 1, price, run.now_ms), run.now_ms))


def alarms(run: ScriptedRun) -> dict[str, str]:
    """Return the sentences of the active alarms by their topics."""
    active: dict[str, str] = {}
    for event in run.journal(AlarmRaised | AlarmCleared):
        if isinstance(event, AlarmRaised):
            active[event.topic] = event.sentence
        else:
            del active[event.topic]
    return active


def pauses(run: ScriptedRun) -> list[str]:
    return [event.why for event in run.journal(EntriesPaused)]


def stopped(run: ScriptedRun) -> Transition:
    (found,) = [row for row in run.records if isinstance(row, Transition) and row.new is RunState.STOPPING]
    return found


MAINTENANCE = VenueCondition(maintenance="upgrade until 12:00")


@pytest.mark.parametrize(
    ("bad", "good", "topic", "sentence"),
    [
        (
            MAINTENANCE,
            VenueCondition(),
            "maintenance",
            "the venue does not work as usual: upgrade until 12:00",
        ),
        (
            VenueCondition(is_delisted=True),
            VenueCondition(),
            "delisting",
            "the venue delists BTC/USDC:USDC",
        ),
        (
            VenueCondition(clock_offset_ms=-61_500),
            VenueCondition(clock_offset_ms=0),
            "clock skew",
            "this machine's clock is 61.5 s behind that of the venue",
        ),
        (
            VenueCondition(actions_left=99),
            VenueCondition(actions_left=500),
            "budget low",
            "the venue lets this account send 99 more orders and cancels",
        ),
        (
            VenueCondition(wait_s=21.0),
            VenueCondition(wait_s=1.0),
            "budget low",
            "requests wait 21 s; orders go first",
        ),
        (
            VenueCondition(leverage_tiers=(LeverageTier(Decimal(0), MOST // 2),)),
            VenueCondition(leverage_tiers=(LeverageTier(Decimal(0), MOST),)),
            "leverage changed",
            f"the venue now allows leverage {MOST // 2} in BTC/USDC:USDC, before {MOST}",
        ),
    ],
)
def test_what_the_venue_says_of_itself_is_an_alarm_while_it_lasts(
    bad: VenueCondition, good: VenueCondition, topic: str, sentence: str
) -> None:
    run = ScriptedRun()
    run.launch()
    said(run, good)
    assert alarms(run) == {}
    said(run, bad)
    said(run, bad)
    assert list(alarms(run)) == [topic]
    assert sentence in alarms(run)[topic]
    assert run.core.state is RunState.RUNNING
    assert pauses(run) == []
    said(run, good)
    assert alarms(run) == {}
    said(run, bad)
    assert list(alarms(run)) == [topic]


def test_a_condition_that_says_nothing_of_a_hazard_neither_begins_nor_ends_it() -> None:
    run = ScriptedRun()
    run.launch()
    said(run, VenueCondition(clock_offset_ms=9_000, actions_left=5, is_delisted=True))
    before = alarms(run)
    assert len(before) == 3
    # Where requests would wait too long nothing else was asked.
    said(run, VenueCondition(wait_s=60.0))
    assert alarms(run) == before
    said(run, VenueCondition(wait_s=0.0, is_delisted=True))
    assert set(alarms(run)) == {"clock skew", "delisting"}


def test_a_figure_that_swings_around_its_limit_is_one_occurrence() -> None:
    run = ScriptedRun(policy=policy(Response.PAUSE))
    run.launch()
    for left in (99, 101, 98, 150, 90):
        said(run, VenueCondition(actions_left=left))
    assert len(run.journal(AlarmRaised)) == 1
    said(run, VenueCondition(actions_left=250))
    assert alarms(run) == {}


def test_leverage_tiers_are_compared_with_those_that_were_read_first() -> None:
    run = ScriptedRun()
    run.launch()
    first = (LeverageTier(Decimal(0), MOST), LeverageTier(Decimal(1_000_000), 10))
    said(run, VenueCondition(leverage_tiers=first))
    run.bar()
    run.restart()
    said(run, VenueCondition(leverage_tiers=first[:1]))
    assert (
        f"now allows leverage {MOST} in BTC/USDC:USDC, before {MOST}, 10 from 1,000,000"
        in (alarms(run)["leverage changed"])
    )
    said(run, VenueCondition(leverage_tiers=first))
    assert alarms(run) == {}


def test_a_key_that_expires_soon() -> None:
    run = ScriptedRun()
    run.launch()
    run.handle(inputs.KeyRead("", run.now_ms))
    assert alarms(run) == {}
    run.handle(inputs.KeyRead("valid until tomorrow", run.now_ms))
    assert alarms(run) == {"key expiring": "valid until tomorrow"}
    run.handle(inputs.KeyRead("", run.now_ms))
    assert alarms(run) == {}


# --- the liquidation price -----------------------------------------------------------------------


def held(**more: object) -> ScriptedRun:
    """Return a run that is long from 100, to be liquidated at about 96.2."""
    run = ScriptedRun(settings=HIGH, leverage=Decimal(20), **more)
    run.enter()
    return run


def test_a_near_liquidation_pauses_entries_by_default_and_once() -> None:
    run = held()
    mark(run, 97.5)
    assert alarms(run) == {}
    mark(run, 97.1)
    assert "near: 24 % of the way from the entry 100.0 is left" in alarms(run)["liquidation near"]
    assert len(pauses(run)) == 1
    assert run.facts.pause_reasons == ("liquidation near",)
    run.resume()
    mark(run, 97.0)
    assert not run.facts.is_paused
    # It ends clearly above its limit only.
    mark(run, 97.3)
    assert "liquidation near" in alarms(run)
    mark(run, 98.0)
    assert alarms(run) == {}
    mark(run, 97.0)
    assert len(pauses(run)) == 2


def test_the_distance_is_that_of_the_mark_to_the_price_that_the_venue_names() -> None:
    run = held()
    run.liquidation_price = Decimal(98)
    run.handle(StreamRestored("account", run.now_ms))
    assert run.position_row.liquidation == Decimal(98)
    mark(run, 98.4)
    assert "the liquidation price 98.0 is near: 20 %" in alarms(run)["liquidation near"]


def test_a_position_that_is_gone_is_near_nothing() -> None:
    run = held(policy=policy(Response.ALARM))
    mark(run, 96.5)
    assert "liquidation near" in alarms(run)
    run.fill(run.orders(OrderPurpose.STOP)[0], price=96.5)
    assert alarms(run) == {}


def test_a_bar_of_a_live_feed_says_nothing_of_the_mark() -> None:
    run = held()
    mark(run, 99.0)
    run.bar(close=96.5)
    assert alarms(run) == {}


# --- streams ---------------------------------------------------------------------------------------


def test_prices_that_do_not_come_are_a_silent_stream() -> None:
    run = ScriptedRun()
    run.is_silent = True
    run.launch()
    run.tick(1 + hazards.SILENT_MS // 1000)
    assert alarms(run) == {}
    # What was asked for says nothing about the stream.
    run.handle(MarkMoved(SYMBOL, run.touch(), run.now_ms, is_streamed=False))
    run.tick()
    assert alarms(run) == {"stream silent mark": "no prices have come for 31 s"}
    mark(run, 100.0)
    assert alarms(run) == {}


def test_a_feed_with_phases_waits_for_the_run_and_is_never_silent() -> None:
    run = ScriptedRun(has_phases=True)
    run.launch()
    run.tick(120)
    assert alarms(run) == {}


def test_bars_that_do_not_come_are_a_silent_stream() -> None:
    run = ScriptedRun(policy=policy(Response.PAUSE, Hazard.STREAM_SILENT))
    run.launch()
    run.bar()
    run.handle(inputs.FeedWentStale("the next bar is 181 s late", run.now_ms))
    assert alarms(run) == {"stream silent bars": "no bars come: the next bar is 181 s late"}
    assert run.facts.health is Health.STALE
    assert run.facts.pause_reasons == ("stream silent bars",)
    run.bar()
    assert alarms(run) == {}


def test_a_stream_of_orders_that_stays_lost_is_silent() -> None:
    run = ScriptedRun()
    run.launch()
    lost = StreamLost("hyperliquid orders", "it brought nothing", run.now_ms)
    run.handle(lost)
    for _ in range(2 + hazards.SILENT_MS // 1000):
        mark(run, 100.0)
        run.tick()
    run.handle(lost)
    assert alarms(run) == {"stream silent orders": "orders and fills are not streamed: it brought nothing"}
    run.handle(StreamRestored("hyperliquid orders", run.now_ms))
    assert alarms(run) == {}


# --- what follows ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "mode", "is_left"),
    [(Response.STOP_LEAVE, StopMode.LEAVE, True), (Response.STOP_CLOSE, StopMode.CLOSE, False)],
)
def test_a_stop_by_policy_is_an_operators_stop_by_the_system(
    response: Response, mode: StopMode, is_left: bool
) -> None:
    run = ScriptedRun(policy=policy(response, Hazard.MAINTENANCE))
    run.enter()
    said(run, MAINTENANCE)
    row = stopped(run)
    assert (row.author, row.stop_mode, row.hazard) == (Author.SYSTEM, mode, Hazard.MAINTENANCE)
    assert row.why == (
        "the venue does not work as usual: upgrade until 12:00; your policy for maintenance stops the run"
    )
    if not is_left:
        run.fill(run.orders(OrderPurpose.EXIT)[0])
    run.tick(3)
    assert run.core.state is RunState.STOPPED
    assert (run.held != 0) is is_left
    assert bool(run.orders(OrderPurpose.STOP)) is is_left
    # A hazard of a run that is over is none.
    assert alarms(run) == {}


def test_a_position_whose_closing_is_reserved_is_left() -> None:
    run = ScriptedRun(policy=policy(Response.STOP_CLOSE), close_position_on_exit=False)
    run.enter()
    said(run, MAINTENANCE)
    assert stopped(run).stop_mode is StopMode.LEAVE


def test_a_stop_that_is_under_way_goes_on_as_it_was_asked_for() -> None:
    run = ScriptedRun(policy=policy(Response.STOP_LEAVE))
    run.enter()
    run.silent = lambda effect: True
    run.stop(StopMode.CLOSE)
    said(run, MAINTENANCE)
    assert "maintenance" in alarms(run)
    assert stopped(run).author is Author.OPERATOR
    assert run.facts.stop_mode is StopMode.CLOSE


def test_a_restart_neither_repeats_what_follows_nor_forgets_that_it_lasts() -> None:
    run = ScriptedRun(policy=policy(Response.PAUSE))
    run.launch()
    said(run, MAINTENANCE)
    run.resume()
    run.restart()
    said(run, MAINTENANCE)
    assert not run.facts.is_paused
    assert len(run.journal(AlarmRaised)) == 1
    said(run, VenueCondition())
    assert alarms(run) == {}


def test_what_lasts_over_a_restart_is_one_occurrence() -> None:
    run = held(policy=policy(Response.PAUSE))
    run.is_silent = True
    mark(run, 97.0)
    run.tick(2 + hazards.SILENT_MS // 1000)
    assert set(alarms(run)) == {"liquidation near", "stream silent mark"}
    run.resume()
    run.restart()
    run.tick()
    assert set(alarms(run)) == {"liquidation near", "stream silent mark"}
    assert not run.facts.is_paused
    mark(run, 99.0)
    assert alarms(run) == {}


def test_each_topic_is_of_its_hazard() -> None:
    assert {hazard_of(hazard.topic) for hazard in Hazard} == set(Hazard)
    assert hazard_of("stream silent bars") is Hazard.STREAM_SILENT
    assert hazard_of("maintenances") is None
    assert "hazard" not in Transitioned(old=None, new=RunState.NEW, why="").model_dump()
