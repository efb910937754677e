"""Alarms: one row for one thing, what can be done about it, and what an acknowledgement holds for."""

from decimal import Decimal

import pytest

from firstwatch.manager.manager import RunManager
from firstwatch.settings import ComputeSettings
from firstwatch.store import journal, wallet_status, wallets
from firstwatch.trading.alarms import (
    EXPOSED_CLUSTER,
    LEFT_OVER,
    UNMANAGED,
    UNPROTECTED,
    AlarmAction,
    AlarmSeverity,
    meaning_of,
)
from firstwatch.trading.events import AlarmCleared, AlarmRaised
from firstwatch.trading.orders import Side
from tests.ui import scenes


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def clock():
    return scenes.ManualClock(scenes.NOW_MS)


@pytest.fixture
def manager(home, clock):
    manager = RunManager(scenes.settings_of(home), clock=clock, hosts_engine=False)
    yield manager
    manager.close()


def say(home, run_id, *events, at_ms=scenes.NOW_MS):
    with scenes.written(home) as session:
        journal.append_system_events(session, run_id, list(events), now_ms=at_ms)


def only(manager):
    [alarm] = manager.snapshot().alarms
    return alarm


def test_what_a_run_left_is_one_alarm_with_the_time_and_the_count_of_the_store(home, manager):
    scenes.with_alarm(home)
    say(
        home, scenes.FAILED, *2 * [AlarmRaised(topic=LEFT_OVER, sentence="it holds")], at_ms=scenes.NOW_MS - 7
    )
    manager.open()
    alarm = only(manager)
    assert (alarm.topic, alarm.run_id, alarm.wallet) == (UNMANAGED, scenes.FAILED, "swing")
    assert (alarm.since_ms, alarm.count, alarm.severity) == (scenes.NOW_MS - 7, 2, AlarmSeverity.CRITICAL)


def test_an_unprotected_run_is_one_alarm_although_its_engine_says_so_too(home, manager):
    scenes.busy_day(home)
    scenes.unprotect(home)
    say(
        home, scenes.LIVE, AlarmRaised(topic=UNPROTECTED, sentence="no resting stop"), at_ms=scenes.NOW_MS - 9
    )
    manager.open()
    alarm = only(manager)
    assert (alarm.topic, alarm.since_ms) == (UNPROTECTED, scenes.NOW_MS - 9)
    assert "without its stop" in alarm.sentence
    assert set(alarm.actions) == {
        AlarmAction.CLOSE,
        AlarmAction.PAUSE,
        AlarmAction.STOP,
        AlarmAction.ACKNOWLEDGE,
    }


def test_an_acknowledged_alarm_stays_listed_and_calls_again_when_it_is_worse(home, clock, manager):
    scenes.busy_day(home)
    say(home, scenes.LIVE, AlarmRaised(topic="closing", sentence="1 did not close"))
    manager.open()
    clock.advance(1_000)
    manager.acknowledge(only(manager))
    seen = only(manager)
    assert (seen.acknowledged_ms, seen.is_left) == (scenes.NOW_MS + 1_000, False)
    assert AlarmAction.ACKNOWLEDGE not in seen.actions
    assert manager.snapshot().calling == ()
    assert seen.sentence in manager.snapshot().problems
    say(home, scenes.LIVE, AlarmRaised(topic="closing", sentence="2 did not close"))
    assert only(manager).acknowledged_ms is None
    assert manager.snapshot().calling == (only(manager),)


def test_an_acknowledgement_ends_with_its_alarm(home, manager):
    scenes.busy_day(home)
    raised = AlarmRaised(topic="stop", sentence="the stop is elsewhere")
    say(home, scenes.LIVE, raised)
    manager.open()
    manager.acknowledge(only(manager))
    say(home, scenes.LIVE, AlarmCleared(topic="stop"))
    assert manager.snapshot().alarms == ()
    say(home, scenes.LIVE, raised)
    assert not only(manager).is_acknowledged


def test_an_alarm_that_got_worse_before_it_was_acknowledged_still_calls(home, manager):
    scenes.busy_day(home)
    say(home, scenes.LIVE, AlarmRaised(topic="closing", sentence="1 did not close"))
    manager.open()
    shown = only(manager)
    say(home, scenes.LIVE, AlarmRaised(topic="closing", sentence="2 did not close"))
    manager.acknowledge(shown)
    assert not only(manager).is_acknowledged


def test_acknowledged_alarms_come_last_and_others_keep_their_acknowledgement(home, manager):
    scenes.with_alarm(home)
    say(home, scenes.LIVE, AlarmRaised(topic="stop", sentence="elsewhere"))
    manager.open()
    left, stop = manager.snapshot().alarms
    assert (left.topic, stop.topic) == (UNMANAGED, "stop")
    manager.acknowledge(left, is_left=True)
    first, last = manager.snapshot().alarms
    assert (first.topic, last.topic, last.is_left) == ("stop", UNMANAGED, True)
    assert AlarmAction.LEAVE not in last.actions
    manager.acknowledge(first)
    assert all(alarm.is_acknowledged for alarm in manager.snapshot().alarms)


def test_a_position_by_hand_is_as_old_as_its_first_reading_and_another_one_calls_again(home, manager):
    scenes.busy_day(home)

    def read(*amounts, at_ms):
        held = tuple(wallet_status.Held(scenes.SYMBOL, Side.LONG, Decimal(amount)) for amount in amounts)
        with scenes.written(home) as session:
            wallet = wallets.get_wallet(session, "swing").id
            money = wallet_status.WalletMoney(Decimal(800), Decimal(0), held, at_ms)
            wallet_status.set_money(session, wallet, money)

    read("0.5", at_ms=scenes.NOW_MS - 60_000)
    read("0.5", at_ms=scenes.NOW_MS - 30_000)
    manager.open()
    alarm = only(manager)
    assert (alarm.run_id, alarm.since_ms) == (None, scenes.NOW_MS - 60_000)
    manager.acknowledge(alarm, is_left=True)
    assert only(manager).is_left
    read("0.6", at_ms=scenes.NOW_MS - 20_000)
    assert not only(manager).is_acknowledged
    read("0.5", at_ms=scenes.NOW_MS - 15_000)
    assert only(manager).is_left
    read(at_ms=scenes.NOW_MS - 10_000)
    assert manager.snapshot().alarms == ()
    read("0.5", at_ms=scenes.NOW_MS)
    assert not only(manager).is_acknowledged


def test_nothing_can_be_done_about_a_run_that_has_ended(home, manager):
    scenes.with_alarm(home)
    say(home, scenes.FAILED, AlarmRaised(topic="failed", sentence="it has failed"))
    manager.open()
    by_topic = {alarm.topic: alarm.actions for alarm in manager.snapshot().alarms}
    assert by_topic["failed"] == (AlarmAction.ACKNOWLEDGE,)


def test_a_cluster_without_encryption_beyond_this_machine_is_an_alarm_until_it_is_acknowledged(home, clock):
    scenes.first_steps(home)
    insecure = ComputeSettings(executor="dask", scheduler="tcp://10.0.0.5:8786", insecure=True)
    settings = scenes.settings_of(home).model_copy(update={"compute": insecure})
    manager = RunManager(settings, clock=clock, hosts_engine=False)
    manager.open()
    try:
        alarm = only(manager)
        assert (alarm.topic, alarm.severity) == (EXPOSED_CLUSTER, AlarmSeverity.WARNING)
        assert "tcp://10.0.0.5:8786 without encryption" in alarm.sentence
        assert alarm.actions == (AlarmAction.ACKNOWLEDGE,)
        assert "run programs on this machine" in meaning_of(alarm.topic)
        manager.acknowledge(alarm)
        assert only(manager).is_acknowledged
    finally:
        manager.close()


def test_a_cluster_on_this_machine_is_no_alarm(home, clock):
    scenes.first_steps(home)
    compute = ComputeSettings(executor="dask", scheduler="tcp://127.0.0.1:8786")
    settings = scenes.settings_of(home).model_copy(update={"compute": compute})
    manager = RunManager(settings, clock=clock, hosts_engine=False)
    manager.open()
    assert manager.snapshot().alarms == ()
    manager.close()
