"""Alarms of a real engine reach a loopback address: once, also after a restart, and without disturbing it."""

import json
import logging
import os
import sys
import time
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from firstwatch.engine.alerts import delivery
from firstwatch.engine.host.host import EngineHost
from firstwatch.settings import Settings, load_settings
from firstwatch.store import alerts, fills, journal
from firstwatch.store.database import Store, open_store
from firstwatch.trading.events import AlarmCleared, AlarmRaised, Noted
from tests.engine.alerts.receiver import SECRET, receiving
from tests.engine.host.rig import HOLDING_TOML, RUN, children, launch, make_folder, start_run, until

OTHER = "cd" * 8


@pytest.fixture
def receiver():
    with receiving() as made:
        yield made


@pytest.fixture
def settings(tmp_path, receiver):
    # Ten bars a second: the candles outlast each test.
    made = make_folder(tmp_path / "home", toml=HOLDING_TOML, wallet_names=("one", "two"), speed=36_000)
    path = made.home / "config.toml"
    path.write_text(f"[alerts]\nurls = {json.dumps([receiver.url])}\n{path.read_text()}")
    return load_settings(home=made.home)


@contextmanager
def engine(settings: Settings):
    store = open_store(settings.home)
    host = EngineHost(store, settings)
    host.start()
    try:
        yield store
    finally:
        host.drain_and_stop()
        store.close()


def note(store: Store, event: AlarmRaised | AlarmCleared, run_id: str = RUN) -> None:
    with store.write() as session:
        journal.append_system_events(session, run_id, [event], now_ms=time.time_ns() // 1_000_000)


def raised(sentence: str, topic: str = "watch") -> AlarmRaised:
    return AlarmRaised(topic=topic, sentence=sentence)


def sending_process() -> int:
    """Return the pid of the process that sends a message for this one."""
    (pid,) = children(os.getpid(), "firstwatch.engine.host.alert_process")
    return pid


def yields_to_other_sessions(pid: int) -> bool:
    """Return whether the kernel gives a process's session less than others: then an alarm would be late."""
    weighed = Path(f"/proc/{pid}/autogroup")
    return weighed.exists() and not weighed.read_text().endswith("nice 0\n")


def is_recorded(store: Store, count: int) -> bool:
    with store.read() as session:
        (key,) = {row.address for row in session.execute(alerts._SENT.select())} or {""}
        return len(alerts.sent_to(session, key)) >= count


def test_an_alarm_is_sent_once_and_not_again_after_a_restart(settings, receiver, monkeypatch):
    monkeypatch.setattr(delivery, "_APART_S", 0.0)
    with engine(settings) as store:
        start_run(store, RUN, launch())
        note(store, raised("first"))
        receiver.wait("messages", 1)
        note(store, raised("counted only"))
        note(store, raised("no stop", "unprotected"))
        receiver.wait("messages", 2)
        until(lambda: is_recorded(store, 2) or None, "both to be recorded")
    with engine(settings) as store:
        note(store, raised("after the restart", "vault"))
        receiver.wait("messages", 3)
    first, second, third = receiver.messages
    assert first["title"].endswith(": 1 alarm")
    assert first["type"] == "warning"
    assert first["message"].startswith("PAPER Active@1 (abab) on one, BTC/USDC:USDC: first (since ")
    assert second["title"].endswith(": 1 alarm, 1 critical")
    assert second["type"] == "failure"
    assert "after the restart" in third["message"]
    assert "no stop" not in third["message"]
    assert "apprise" not in sys.modules, "only the process that sends has it"


def test_an_address_that_is_down_gets_it_later_and_is_said_once(settings, receiver, monkeypatch, caplog):
    monkeypatch.setattr(delivery, "PAUSES_S", (0.0,))
    receiver.status = 503
    with engine(settings) as store, caplog.at_level(logging.DEBUG):
        start_run(store, RUN, launch())
        note(store, raised("while it is down"))
        receiver.wait("tries", 2)
        with store.read() as session:
            (failing,) = alerts.failing(session).values()
        assert failing.problem == "it has answered with HTTP 503"
        note(store, AlarmCleared(topic="watch"))
        receiver.status = 200
        receiver.wait("messages", 1)
        until(lambda: is_recorded(store, 1) or None, "it to be recorded")
        with store.read() as session:
            assert not alerts.failing(session)
            entries = [entry.event for entry in journal.events_after(session, RUN)]
    assert receiver.messages[0]["title"].endswith(": 1 alarm, 1 over")
    said = [event.sentence for event in entries if isinstance(event, Noted) and "json" in event.sentence]
    assert said == [
        "its alarm cannot be sent to 1. json://…: it has answered with HTTP 503; it is tried again"
    ]
    assert "alarms cannot be sent to 1. json://…" in caplog.text
    assert SECRET not in caplog.text
    for path in settings.home.rglob("*"):
        if path.is_file() and path.name != "config.toml":
            assert SECRET.encode() not in path.read_bytes(), path


def test_an_address_that_never_ends_its_answer_holds_up_neither_trading_nor_the_end(settings, receiver):
    receiver.hangs = True
    store = open_store(settings.home)
    host = EngineHost(store, settings)
    host.start()
    try:
        start_run(store, RUN, launch())
        note(store, raised("it hangs"))
        receiver.wait("tries", 1)
        assert not yields_to_other_sessions(sending_process())
        assert start_run(store, OTHER, launch("two")).sentence.endswith("started")

        def has_filled():
            with store.read() as session:
                return fills.fills_of(session, OTHER) or None

        assert until(has_filled, "the entry to fill")[0].fill.amount > Decimal(0)
        assert receiver.tries == 1
        host.end_soon()
        assert host.wait(delivery.PAUSES_S[0] + 5)
    finally:
        host.drain_and_stop()
        store.close()
    assert not receiver.messages
