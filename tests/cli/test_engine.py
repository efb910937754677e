"""``engine stop``: it ends in time, and says what it saw."""

import threading

import pytest

from firstwatch.engine.lock import LOCK_FILE, holder_of
from firstwatch.store import commands
from firstwatch.store.database import open_store
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.commands import CommandOutcome
from tests.engine.host.rig import until
from tests.ui import scenes


@pytest.fixture
def held(home, monkeypatch):
    """A data folder whose engine is another process that never ends."""
    monkeypatch.setattr("firstwatch.cli.engine._STOP_WITHIN_S", 0.5)
    scenes.first_steps(home)
    with scenes.attached(home, SystemClock()):
        yield home


def accept_next_command(home):
    """Wait for a command and take it, as an engine does."""
    store = open_store(home)
    while True:
        with store.read() as session:
            pending = commands.pending_commands(session, 10)
        if pending:
            break
    with store.write() as session:
        commands.accept_command(session, pending[0], now_ms=1)
        commands.finish_command(session, pending[0], CommandOutcome.DONE, "the engine lets go", now_ms=1)
    store.close()


def test_an_engine_that_takes_the_command_and_goes_on_is_no_stopped_one(firstwatch, held):
    taking = threading.Thread(target=accept_next_command, args=(held,))
    taking.start()
    answer = firstwatch("engine", "stop")
    taking.join()
    assert answer.code == 1
    assert "has not stopped yet" in answer.err
    assert "the engine lets go" in answer.err
    assert f"kill {scenes.ENGINE_PID}" in answer.err
    assert not answer.out


def test_an_engine_that_takes_no_command_is_said_to_give_no_answer(firstwatch, held):
    answer = firstwatch("engine", "stop")
    assert answer.code == 1
    assert "No answer in time" in answer.err
    assert "may still be performed" in answer.err


def test_without_an_engine_there_is_nothing_to_stop(firstwatch, home):
    scenes.first_steps(home)
    answer = firstwatch("engine", "stop")
    assert answer.code == 3
    assert "nothing to stop" in answer.err


def test_an_engine_that_ends_by_itself_is_a_failure(firstwatch, home):
    scenes.first_steps(home)

    def remove_lock():
        until(lambda: holder_of(home), "the engine to be held")
        (home / LOCK_FILE).unlink()

    removing = threading.Thread(target=remove_lock)
    removing.start()
    answer = firstwatch("engine")
    removing.join()
    assert answer.code == 1
    assert "is gone" in answer.err
