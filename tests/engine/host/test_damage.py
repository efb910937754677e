"""One row that cannot be read is that row's trouble: its run stands still with an alarm, the others go on."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from firstwatch.engine.host.host import EngineHost
from firstwatch.settings import Settings
from firstwatch.store import alarms, commands, journal, runs
from firstwatch.store.commands import StoredCommand
from firstwatch.store.database import Store, open_store
from firstwatch.trading.commands import CommandOutcome, PauseEntries
from firstwatch.trading.events import Noted
from firstwatch.trading.runs import RunState
from tests.engine.host import rig

HARMED, SOUND = rig.RUN, "cd" * 8


@pytest.fixture
def settings(folder: Path) -> Settings:
    """Two runs that an engine has left active, on a market that stands still."""
    made = rig.make_folder(folder, wallet_names=("one", "two"), speed=1.0)
    with closing(open_store(folder)) as store:
        host = EngineHost(store, made)
        host.start()
        try:
            for run_id, wallet in ((HARMED, "one"), (SOUND, "two")):
                assert rig.start_run(store, run_id, rig.launch(wallet)).outcome is CommandOutcome.DONE
                rig.until(lambda run_id=run_id: is_running(store, run_id), f"run {run_id} to begin")
        finally:
            host.drain_and_stop()
    return made


def is_running(store: Store, run_id: str) -> bool | None:
    run = rig.run_of(store, run_id)
    with store.read() as session:
        has_begun = session.exec_driver_sql(
            "SELECT count(*) FROM checkpoint WHERE run_id = ?", (run_id,)
        ).scalar_one()
    return (run.started_at_ms is not None and has_begun > 0) or None


def changed(settings: Settings, *statements: str) -> None:
    with closing(sqlite3.connect(settings.home / "firstwatch.db")) as raw, raw:
        for statement in statements:
            assert raw.execute(statement.replace("HARMED", f"'{HARMED}'")).rowcount > 0


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with closing(open_store(settings.home)) as opened:
        yield opened


def asked(store: Store, run_id: str) -> StoredCommand:
    return rig.answered(store, rig.submit(store, PauseEntries(run_id=run_id)))


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE run SET settings_json = '{' WHERE id = HARMED",
        "UPDATE run SET settings_json = x'01ff' WHERE id = HARMED",
        "UPDATE run SET market_json = '[]' WHERE id = HARMED",
        "UPDATE run SET exit_reason = 'boredom' WHERE id = HARMED",
        "UPDATE run_event SET payload = '[' WHERE run_id = HARMED AND kind LIKE '%transitioned%'",
        "UPDATE run_event SET payload = x'01ff' WHERE run_id = HARMED",
        "UPDATE run_event SET payload_version = 99 WHERE run_id = HARMED",
        "UPDATE run_event SET author = 'nobody' WHERE run_id = HARMED",
        "UPDATE checkpoint SET payload = x'02' WHERE run_id = HARMED",
        "UPDATE checkpoint SET payload = '{\"core\": 1}' WHERE run_id = HARMED",
        "UPDATE checkpoint_base SET payload = x'0102' WHERE run_id = HARMED",
        "DELETE FROM checkpoint_base WHERE run_id = HARMED",
        "UPDATE run SET first_bars_json = '[' WHERE id = HARMED",
    ],
)
def test_a_damaged_row_stops_its_run_alone(settings: Settings, store: Store, damage: str) -> None:
    changed(settings, damage)
    host = EngineHost(store, settings)
    host.start()
    try:
        assert asked(store, SOUND).outcome is CommandOutcome.DONE
        refused = asked(store, HARMED)
        assert refused.outcome is CommandOutcome.REFUSED

        def is_said() -> bool | None:
            with store.read() as session:
                said = alarms.active_alarms(session, HARMED)
                sentence = runs.sentence_of(session, HARMED)
            assert all(alarm.topic == "engine" for alarm in said)
            return (len(said) == 1 and sentence in said[0].sentence) or None

        rig.until(is_said, "the alarm")
        with store.read() as session:
            health = session.exec_driver_sql("SELECT health FROM run WHERE id = ?", (HARMED,)).scalar_one()
            assert health == "unknown"
            assert alarms.active_alarms(session, SOUND) == []
        assert (host.is_running, host.failure) == (True, "")
    finally:
        host.drain_and_stop()


@pytest.mark.parametrize(
    ("kind", "payload", "outcome"),
    [
        ("fly_to_the_moon", '{"kind":"fly_to_the_moon"}', "PENDING"),
        ("fly_to_the_moon", '{"kind":"fly_to_the_moon"}', "ACCEPTED"),
        ("pause_entries", "{", "PENDING"),
        ("pause_entries", '{"kind":"pause_entries"}', "PENDING"),
    ],
)
def test_a_command_that_cannot_be_read_is_refused_alone(
    settings: Settings, store: Store, kind: str, payload: str, outcome: str
) -> None:
    changed(
        settings,
        "INSERT INTO command (kind, payload, author, run_id, created_at_ms, expires_at_ms, outcome, sentence)"
        f" VALUES ('{kind}', '{payload}', 'operator', HARMED, 1, 99999999999999, '{outcome}', '')",
    )
    with store.read() as session:
        number = session.exec_driver_sql("SELECT max(id) FROM command").scalar_one()
    host = EngineHost(store, settings)
    host.start()
    try:
        assert asked(store, SOUND).outcome is CommandOutcome.DONE
        assert asked(store, HARMED).outcome is CommandOutcome.DONE
        with store.read() as session:
            found = session.exec_driver_sql(
                "SELECT outcome, sentence FROM command WHERE id = ?", (number,)
            ).one()
            assert found[0] == CommandOutcome.REFUSED
            assert f"command {number} cannot be read" in found[1]
            assert commands.accepted_commands(session) == []
        assert (host.is_running, host.failure) == (True, "")
    finally:
        host.drain_and_stop()


def test_a_run_that_has_noted_a_bar_of_the_far_future_goes_on(folder: Path) -> None:
    settings = rig.make_folder(folder, bars=1600, speed=120_000)

    def noted() -> list[str]:
        with store.read() as session:
            entries = journal.events_of_kinds(session, rig.RUN, {"noted"})
        said = [entry.event.sentence for entry in entries if isinstance(entry.event, Noted)]
        return [sentence for sentence in said if "cannot have closed yet" in sentence]

    def last_bar_ms() -> int:
        with store.read() as session:
            stored = journal.load_checkpoint(session, rig.RUN)
        return json.loads(stored.payload)["last_bar_ms"] if stored is not None else 0

    with closing(open_store(folder)) as store:
        host = EngineHost(store, settings)
        host.start()
        try:
            rig.start_run(store, rig.RUN)
            first_ms = rig.until(last_bar_ms, "the first bar")
            rig.until(lambda: last_bar_ms() > first_ms or None, "the next bar")
        finally:
            host.drain_and_stop()
        with store.write() as session:
            stored = journal.load_checkpoint(session, rig.RUN)
            assert stored is not None
            document = json.loads(stored.payload)
            handled_ms, document["last_bar_ms"] = document["last_bar_ms"], document["last_bar_ms"] * 1_000
            journal.save_checkpoint(
                session, rig.RUN, json.dumps(document), base=None, sequence=stored.sequence, now_ms=1
            )
        host = EngineHost(store, settings)
        host.start()
        try:
            rig.until(lambda: noted() or None, "the event")
            rig.until(lambda: handled_ms < last_bar_ms() < handled_ms * 2 or None, "a bar that is decided")
        finally:
            host.drain_and_stop()
        assert len(noted()) == 1
        assert rig.run_of(store, rig.RUN).state is RunState.RUNNING
