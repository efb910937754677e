"""The loopback venue raises every hazard of a run: an alarm while it lasts, and what the policy says."""

import json

import pytest

from firstwatch.engine.core import hazards
from firstwatch.engine.host import host
from firstwatch.engine.reconciliation import wallets as refresher
from firstwatch.store import journal
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.hazards import Hazard
from firstwatch.trading.runs import Author, RunState, StopMode
from firstwatch.venues.hyperliquid import account_watch, connection, info
from firstwatch.venues.signer import KeyKind
from firstwatch.wallets.keystore import address_of
from firstwatch.wallets.vault import Vault
from tests.venues.hyperliquid.rig import RUN, START_MS, SYMBOL, wait_for
from tests.venues.hyperliquid.test_runs import HISTORY, HOUR_MS, PATIENCE_S, EngineRig

AGENT = bytes.fromhex("33" * 32)
DAY_S = 86_400
LONG_TOML = """
name = "A"
direction = "long"
timeframe = "1h"
[entry.long]
required = ["close > open"]
[sizing]
fixed = 500
"""


@pytest.fixture
def make(tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "_CONDITION_EVERY_S", 0.1)
    monkeypatch.setattr(connection, "_ACTIONS_EVERY_S", 0.0)
    monkeypatch.setattr(connection, "_ACTIONS_PER_S", 1e9)
    monkeypatch.setattr(info, "_LISTED_FOR_S", -1.0)
    monkeypatch.setattr(account_watch, "_MUTE_S", 0.3)
    monkeypatch.setattr(account_watch, "RECONCILE_S", 1.0)
    monkeypatch.setattr(hazards, "SILENT_MS", 1_000)
    monkeypatch.setattr(refresher, "TELL_EVERY_S", 0.1)
    monkeypatch.setattr(refresher, "KEY_EVERY_S", 0.1)
    monkeypatch.setattr(refresher, "_KEY_AGAIN_S", 0.1)
    monkeypatch.setattr(refresher, "_BETWEEN_KEYS_S", 0.1)
    rigs = []

    def make(closes, fault_point=None, **more):
        rigs.append(EngineRig(tmp_path, closes, fault_point, skip_protection_proof="a test", **more))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


def alarm(rig, topic):
    return next((each for each in rig.alarms if each.topic == topic), None)


def lasts(rig, topic, begin, end):
    """Let something begin and end, and return the sentence of its alarm."""
    assert alarm(rig, topic) is None
    begin()
    sentence = wait_for(lambda: alarm(rig, topic), PATIENCE_S).sentence
    end()
    wait_for(lambda: alarm(rig, topic) is None, PATIENCE_S)
    return sentence


def test_every_hazard_that_the_venue_shows_is_an_alarm_while_it_lasts(make):
    rig = make([100.0, 100.0])
    server = rig.server

    def shift_dates(seconds):
        server.date_offset_s = seconds

    said = lasts(rig, "clock skew", lambda: shift_dates(60.0), lambda: shift_dates(0.0))
    assert "s behind that of the venue" in said
    said = lasts(rig, "maintenance", lambda: server.say_of_itself("upgrade\x1b[2J"), server.say_of_itself)
    assert "upgrade" in said
    assert said.isprintable()
    lasts(rig, "delisting", lambda: server.delist("BTC"), lambda: server.delist("BTC", is_delisted=False))
    tiers = (0, 20), (5_000_000, 10)
    said = lasts(
        rig, "leverage changed", lambda: server.set_tiers("BTC", *tiers), lambda: server.set_tiers("BTC")
    )
    assert "now allows leverage 20, 10 from 5,000,000 in BTC/USDC:USDC, before 20" in said
    said = lasts(rig, "budget low", lambda: server.limit_actions(60), lambda: server.limit_actions(10_000))
    assert "more orders and cancels" in said
    said = lasts(
        rig,
        "stream silent mark",
        lambda: server.faults.stall_streams(new_too=True),
        server.faults.resume_streams,
    )
    assert "no prices have come" in said
    assert not rig.run.facts.paused
    assert rig.run.state is RunState.RUNNING


def test_a_key_that_expires_soon_is_an_alarm_until_it_is_approved_for_longer(make, tmp_path):
    address = address_of(AGENT)

    def before(rig):
        vault = Vault(tmp_path, SystemClock(), work_factor=16)
        vault.open("word").add(AGENT, venue="hl", account=rig.account, kind=KeyKind.AGENT)
        rig.server.approve_agent(rig.account, address, name="run", valid_s=30 * DAY_S)

    rig = make([100.0], before=before)
    said = lasts(
        rig,
        "key expiring",
        lambda: rig.server.approve_agent(rig.account, address, name="run", valid_s=6 * DAY_S),
        lambda: rig.server.approve_agent(rig.account, address, name="run", valid_s=30 * DAY_S),
    )
    assert "less than 7 days" in said
    assert said.endswith("firstwatch wallet approve w --agent")


def test_bars_that_the_venue_does_not_show_are_an_alarm(make):
    rig = make([100.0] * 4)
    rig.end_bar()
    next_ms = START_MS + (rig._begun + 1) * HOUR_MS

    def begin():
        for ahead in range(3):
            rig.server.faults.withhold_candle("BTC", next_ms + ahead * HOUR_MS)
        rig.end_bar()
        rig.server.step_to(next_ms + HOUR_MS + 300_000)

    said = lasts(rig, "stream silent bars", begin, rig.server.faults.publish_candles)
    assert "s late" in said


def test_a_stream_that_does_not_bring_a_fill_is_an_alarm(make):
    rig = make([100.0, 101.0, 101.0])
    rig.end_bar()

    def begin():
        for channel in ("userFills", "orderUpdates"):
            rig.server.faults.plan("message_lost", channel, count=1_000)
        rig.end_bar()

    said = lasts(rig, "stream silent orders", begin, rig.server.faults.forget_messages)
    assert "fills that its stream has not brought" in said
    assert rig.position.amount


def test_a_near_liquidation_pauses_the_run(make):
    rig = make([100.0, 101.0, 97.8, 100.0, 100.0], toml=LONG_TOML, leverage=20)
    rig.end_bar()
    rig.end_bar()
    wait_for(lambda: rig.position.amount, PATIENCE_S)
    rig.server.step_to(START_MS + rig._begun * HOUR_MS + HOUR_MS * 9 // 10)
    assert "is near" in wait_for(lambda: alarm(rig, "liquidation near"), PATIENCE_S).sentence
    wait_for(lambda: rig.run.facts.paused, PATIENCE_S)
    rig.end_bar()
    wait_for(lambda: alarm(rig, "liquidation near") is None, PATIENCE_S)
    assert rig.run.facts.paused
    assert rig.run.state is RunState.RUNNING


@pytest.mark.parametrize(
    ("response", "mode"), [("stop_close", StopMode.CLOSE), ("stop_leave", StopMode.LEAVE)]
)
def test_a_policy_stops_the_run_as_an_operator_would(make, response, mode):
    rig = make([100.0, 101.0, 101.0], policy={"maintenance": response})
    rig.end_bar()
    rig.end_bar()
    wait_for(lambda: rig.venue.open_orders(rig.account, SYMBOL), PATIENCE_S)
    rig.server.say_of_itself("upgrade")
    wait_for(lambda: rig.run.state is RunState.STOPPED, PATIENCE_S)
    with rig.store.read() as session:
        entries = journal.events_of_kinds(session, RUN, {"transitioned"})
    (stop,) = [entry for entry in entries if entry.event.new is RunState.STOPPING]
    assert (stop.author, stop.event.stop_mode) == (Author.SYSTEM, mode)
    assert stop.event.hazard is Hazard.MAINTENANCE
    assert "upgrade" in json.loads(stop.event.model_dump_json())["why"]
    assert bool(rig.position.amount) is (mode is StopMode.LEAVE)
    assert bool(rig.venue.open_orders(rig.account, SYMBOL)) is (mode is StopMode.LEAVE)
    assert alarm(rig, "maintenance") is None


def test_a_run_that_raises_too_often_is_an_alarm(make, monkeypatch):
    monkeypatch.setattr(host, "_RECOVERY_PAUSES_S", (0.0, 0.0, 0.0))
    broken = []

    def fault_point(point):
        if point == "before commit" and broken:
            raise RuntimeError("broken")

    rig = make([100.0] * 2, fault_point)
    broken.append(True)
    rig.server.step_to(START_MS + (HISTORY + 1) * HOUR_MS)
    wait_for(lambda: rig.run.state is RunState.FAILED, PATIENCE_S)
    assert "4th time in ten minutes" in alarm(rig, "crash loop").sentence
