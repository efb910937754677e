"""``firstwatch events``: each event of all runs once, in the order of writing, also after a prune."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from firstwatch.cli import events as command
from firstwatch.store import journal, runs
from firstwatch.store.database import open_store
from firstwatch.store.pruning import prune
from firstwatch.trading.clock import iso
from firstwatch.trading.events import EntriesPaused, Noted
from firstwatch.trading.runs import Author, RunState
from tests.store.made import NOW_MS, made_run, run_id_of

ONE, TWO = run_id_of(1), run_id_of(2)
FIELDS = [
    "seq", "at", "venue_at", "run", "wallet", "mode", "kind", "author", "approved_by", "sentence", "data",
]  # fmt: skip


@contextmanager
def written(home):
    store = open_store(home)
    try:
        with store.write() as session:
            yield session
    finally:
        store.close()


def note(session, run_id, *sentences, author=Author.SYSTEM):
    journal.append_events(
        session, run_id, [Noted(sentence=each) for each in sentences], author=author,
        venue_time_ms=NOW_MS, local_time_ms=NOW_MS + 5,
    )  # fmt: skip


@pytest.fixture
def two_runs(home):
    """Two runs whose rows alternate; the first entry of each is its launch."""
    with written(home) as session:
        made_run(session, 1)
        made_run(session, 2)
        note(session, ONE, "a", "b", "c")
        note(session, TWO, "d")
        note(session, ONE, "e", "f")
    return home


def lines(answer):
    assert answer.code == 0, answer.err
    return [json.loads(line) for line in answer.out.splitlines()]


def sentences(found):
    return [each["sentence"] for each in found]


def test_each_event_is_one_line_of_exactly_these_fields(two_runs, firstwatch):
    with written(two_runs) as session:
        journal.append_events(
            session, TWO, [EntriesPaused(why="an agent\x1b[2J asked")], author=Author.AGENT_APPROVED,
            venue_time_ms=None, local_time_ms=NOW_MS,
        )  # fmt: skip
    found = lines(firstwatch("events", "--json"))
    assert [list(each) for each in found] == [FIELDS] * 9
    assert [each["seq"] for each in found] == list(range(1, 10))
    assert sentences(found)[2:8] == ["a", "b", "c", "d", "e", "f"]
    assert found[2] == {
        "seq": 3, "at": iso(NOW_MS + 5), "venue_at": iso(NOW_MS), "run": ONE, "wallet": "w1", "mode": "paper",
        "kind": "noted", "author": "system", "approved_by": None, "sentence": "a", "data": {"sentence": "a"},
    }  # fmt: skip
    last = found[-1]
    assert (last["author"], last["approved_by"], last["venue_at"]) == ("agent", "operator", None)
    assert last["sentence"] == "entries paused: an agent\ufffd[2J asked"
    assert "8  " in firstwatch("events", "--since", 7).out


def test_since_begins_after_any_event_also_within_a_row(two_runs, firstwatch, monkeypatch):
    monkeypatch.setattr(command, "_ROWS", 2)
    everything = lines(firstwatch("events", "--json"))
    assert len(everything) == 8
    for number in range(9):
        answer = firstwatch("events", "--json", "--since", number)
        assert lines(answer) == everything[number:]
        assert answer.err == ""


def test_a_number_beyond_the_newest_is_of_another_store(two_runs, firstwatch):
    answer = firstwatch("events", "--json", "--follow", "--since", 9)
    assert answer.code == 3
    assert "The newest event is number 8" in answer.json["error"]
    assert firstwatch("events", "--since", -1).code == 2


def end(session, run_id):
    for state in (RunState.RUNNING, RunState.DONE):
        runs.transition(session, run_id, state, "", author=Author.SYSTEM, local_time_ms=NOW_MS)


def test_pruning_leaves_a_gap_that_is_said_and_gives_no_number_twice(two_runs, firstwatch):
    with written(two_runs) as session:
        end(session, ONE)
    before = lines(firstwatch("events", "--json"))
    store = open_store(two_runs)
    # The newest row is of the run that is pruned.
    assert prune(store, before_ms=NOW_MS + 1, is_dry=False).runs == 1
    assert store.compact() >= 0
    store.close()
    with written(two_runs) as session:
        note(session, TWO, "later")
    answer = firstwatch("events", "--json", "--since", 1)
    found = lines(answer)
    assert found == [*(each for each in before if each["run"] == TWO), before[-1], found[-1]]
    assert (found[-1]["seq"], found[-1]["sentence"]) == (len(before) + 1, "later")
    assert "events 3 to 5 are packed" in answer.err
    assert "events 7 to 9 are packed" in answer.err
    assert answer.err.count("packed") == 2
    # The row that was kept goes once it is not the newest.
    store = open_store(two_runs)
    prune(store, before_ms=NOW_MS + 1, is_dry=False)
    store.close()
    assert {each["run"] for each in lines(firstwatch("events", "--json"))} == {TWO}
    assert len(json.loads(firstwatch("export", ONE, "--what", "journal", "--json").out)) == 8


def test_a_damaged_row_is_said_and_keeps_its_numbers(two_runs, firstwatch):
    with written(two_runs) as session:
        session.exec_driver_sql(
            "UPDATE run_event SET payload = '[' WHERE run_id = ? AND sequence = 4", (ONE,)
        )
    found = lines(firstwatch("events", "--json"))
    assert [each["seq"] for each in found] == list(range(1, 9))
    assert sum("cannot be read" in sentence for sentence in sentences(found)) == 3


@pytest.mark.parametrize(
    ("venue", "mode"),
    [("paper", "paper"), ("hl", "live"), ("test", "testnet"), ("gone", "live")],
)
def test_the_mode_is_the_money_of_the_wallets_venue(home, firstwatch, venue, mode):
    home.mkdir()
    (home / "config.toml").write_text(
        '[venues.paper]\nkind = "paper"\n[venues.hl]\nkind = "hyperliquid"\n'
        '[venues.test]\nkind = "hyperliquid"\nnetwork = "testnet"\n'
    )
    with written(home) as session:
        made_run(session, 1)
        kind = "paper" if venue == "paper" else "hyperliquid"
        session.exec_driver_sql("UPDATE wallet SET venue = ?, kind = ?", (venue, kind))
    assert [each["mode"] for each in lines(firstwatch("events", "--json"))] == [mode]


@pytest.fixture
def follower(two_runs):
    """A process that follows the events after the seventh."""
    words = [sys.executable, "-m", "firstwatch", "events", "--json", "--follow", "--since", "7"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "LANG": "C"}
    ) as process:
        yield process
        if process.poll() is None:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_follower_sees_what_is_written_and_ends_by_a_signal(two_runs, follower, number):
    assert json.loads(follower.stdout.readline())["sentence"] == "f"
    with written(two_runs) as session:
        note(session, TWO, "new", "newer")
    assert [json.loads(follower.stdout.readline())["seq"] for _ in range(2)] == [9, 10]
    follower.send_signal(number)
    assert follower.stdout.read() == b""
    assert (follower.wait(), follower.stderr.read()) == (0, b"")


def test_a_follower_whose_reader_has_left_ends_without_a_word(follower):
    follower.stdout.readline()
    follower.stdout.close()
    assert follower.stderr.read() == b""
    assert follower.wait() == 1
