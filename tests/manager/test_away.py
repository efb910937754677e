"""What happened between two visits, counted from the store."""

import pytest

from firstwatch.manager.away import AwayReader, SeenFile
from firstwatch.manager.views import EngineView, EngineWhere
from firstwatch.store import hosts, journal
from firstwatch.store.database import open_store
from firstwatch.trading import events
from firstwatch.trading.runs import Author
from tests.ui import scenes

HOUR, NOW = scenes.HOUR_MS, scenes.NOW_MS
CLAIM = {"pid": 1, "host_name": "here", "version": "0.1.0"}
ATTACHED, NONE = EngineView(EngineWhere.ATTACHED, pid=1), EngineView(EngineWhere.NONE)


@pytest.fixture
def home(tmp_path):
    home = tmp_path / "home"
    scenes.busy_day(home)
    return home


def note(session, *noted, at_ms):
    journal.append_events(
        session, scenes.LIVE, noted, author=Author.SYSTEM, venue_time_ms=None, local_time_ms=at_ms
    )


def seen(home, reader, engine, now_ms):
    store = open_store(home, read_only=True)
    try:
        with store.read() as session:
            return reader.read(session, engine, now_ms)
    finally:
        store.close()


def test_only_what_came_after_the_last_visit_counts(home):
    with scenes.written(home) as session:
        epoch = hosts.claim_host(session, **CLAIM, now_ms=NOW - 9 * HOUR)
        hosts.beat(session, epoch, hosts.HostState.STOPPED, now_ms=NOW - 4 * HOUR)
        hosts.claim_host(session, **CLAIM, now_ms=NOW - 2 * HOUR)
        note(session, events.Recovered(why="a", past_bars=7), at_ms=NOW - 4 * HOUR)
        raised = events.AlarmRaised(topic="t", sentence="s")
        note(session, raised, events.Recovered(why="b", past_bars=2), raised, at_ms=NOW - 2 * HOUR)
    found = seen(home, AwayReader(NOW - 3 * HOUR, NOW), ATTACHED, NOW)
    assert (found.since_ms, found.until_ms) == (NOW - 3 * HOUR, NOW)
    assert (found.bars, found.alarms, found.exits, found.entries, found.ended) == (2, 2, 0, 0, 0)
    # The engine was away for two hours, one of them before the visit ended.
    assert found.without_engine_ms == HOUR


def test_a_run_that_ended_meanwhile_counts_once(home):
    with scenes.written(home) as session:
        hosts.claim_host(session, **CLAIM, now_ms=NOW - 90 * HOUR)
    found = seen(home, AwayReader(NOW - 31 * HOUR, NOW), ATTACHED, NOW)
    assert found.ended == 1


def test_a_time_in_which_no_run_needed_the_engine_is_not_counted(home):
    scenes.end_live_run(home)
    with scenes.written(home) as session:
        epoch = hosts.claim_host(session, **CLAIM, now_ms=NOW - 9 * HOUR)
        hosts.beat(session, epoch, hosts.HostState.STOPPED, now_ms=NOW + HOUR)
        hosts.claim_host(session, **CLAIM, now_ms=NOW + 3 * HOUR)
    found = seen(home, AwayReader(NOW, NOW + 4 * HOUR), ATTACHED, NOW + 4 * HOUR)
    assert found.without_engine_ms == 0


def test_it_waits_for_an_engine_that_has_begun_since_to_recover_the_runs(home):
    reader = AwayReader(NOW - HOUR, NOW)
    assert seen(home, reader, NONE, NOW) is None
    with scenes.written(home) as session:
        hosts.claim_host(session, **CLAIM, now_ms=NOW + 500)
    assert seen(home, reader, ATTACHED, NOW + 600) is None
    with scenes.written(home) as session:
        note(session, events.Recovered(why="began", past_bars=3), at_ms=NOW + 700)
    found = seen(home, reader, ATTACHED, NOW + 800)
    assert found.bars == 3
    with scenes.written(home) as session:
        note(session, events.Recovered(why="again", past_bars=9), at_ms=NOW + 900)
    assert seen(home, reader, ATTACHED, NOW + 1_000) is found


def test_it_does_not_wait_for_ever_and_says_since_when_there_is_no_engine(home):
    with scenes.written(home) as session:
        epoch = hosts.claim_host(session, **CLAIM, now_ms=NOW - 9 * HOUR)
        hosts.beat(session, epoch, hosts.HostState.STOPPED, now_ms=NOW - 60_000)
    reader = AwayReader(NOW - HOUR, NOW)
    assert seen(home, reader, NONE, NOW + 29_000) is None
    assert seen(home, reader, NONE, NOW + 30_000).without_engine_ms == 90_000


@pytest.mark.parametrize("content", ["", "soon", "2199-01-01T00:00:00Z\n" * 3, "\xff"])
def test_a_file_that_says_no_time_is_as_none(tmp_path, content):
    (tmp_path / "seen").write_bytes(content.encode("latin-1"))
    assert SeenFile(tmp_path).read() is None


def test_a_time_is_read_as_it_was_written(tmp_path):
    file = SeenFile(tmp_path)
    assert file.read() is None
    file.write(NOW + 5)
    assert file.read() == NOW + 5
    SeenFile(tmp_path / "nothing").write(NOW)
