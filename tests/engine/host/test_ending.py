"""How an engine ends: on request for good, by itself with an alarm, and never with the lock still held."""

import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from firstwatch.engine.host.host import EngineHost
from firstwatch.engine.lock import LOCK_FILE, holder_of
from firstwatch.manager.manager import RunManager
from firstwatch.manager.views import EngineWhere
from firstwatch.store import alarms, hosts, journal, runs
from firstwatch.store.database import Store, StoreReplacedError, open_store
from firstwatch.trading.commands import CancelRun, CommandOutcome, StopEngine
from firstwatch.trading.errors import FirstwatchError
from firstwatch.trading.runs import Health, RunState
from tests.engine.host import rig
from tests.engine.host.processes import EngineProcess, engine_process

RUN = rig.RUN


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    rig.make_folder(folder, bars=1600, speed=120_000)
    opened = open_store(folder)
    yield opened
    opened.close()


@pytest.fixture
def host(folder: Path, store: Store) -> Iterator[EngineHost]:
    made = EngineHost(store, rig.load_settings(home=folder))
    made.start()
    yield made
    made.drain_and_stop()


@pytest.fixture
def manager(folder: Path, store: Store) -> Iterator[RunManager]:
    made = RunManager(rig.load_settings(home=folder))
    yield made
    made.close()


@pytest.fixture
def attached(folder: Path, manager: RunManager) -> Iterator[EngineProcess]:
    """An engine in a process of its own, and a screen that has found it."""
    with engine_process(folder) as engine:
        engine.wait_holding()
        manager.start()
        rig.until(lambda: _where(manager) is EngineWhere.ATTACHED or None, "the engine elsewhere")
        yield engine


def _alarms(store: Store) -> dict[str, str]:
    with store.read() as session:
        return {alarm.topic: alarm.sentence for alarm in alarms.active_alarms(session)}


def _where(manager: RunManager) -> EngineWhere:
    return manager.engine().where


def _begin(manager: RunManager, store: Store) -> None:
    """Start the engine and a run."""
    manager.start()
    rig.until(lambda: manager.is_host or None, "the engine")
    rig.start_run(store, RUN)
    rig.until(lambda: rig.run_of(store, RUN).state is RunState.RUNNING or None, "the run")


# --- on request --------------------------------------------------------------------------------------


def test_a_screen_without_a_terminal_does_not_hold_the_engine_again_after_a_stop(
    folder: Path, store: Store, manager: RunManager
) -> None:
    _begin(manager, store)
    asking = threading.Thread(target=lambda: rig.submit(store, StopEngine()))
    asking.start()
    manager.serve_headless()
    asking.join()
    assert not manager.is_host
    assert holder_of(folder) is None
    assert rig.run_of(store, RUN).state is RunState.RUNNING


def test_a_screen_without_a_terminal_frees_the_engine_on_sigterm(
    folder: Path, store: Store, manager: RunManager
) -> None:
    _begin(manager, store)
    before = signal.getsignal(signal.SIGTERM)

    def end() -> None:
        rig.until(lambda: signal.getsignal(signal.SIGTERM) is not before or None, "it to be waiting")
        os.kill(os.getpid(), signal.SIGTERM)

    ending = threading.Thread(target=end)
    ending.start()
    manager.serve_headless()
    ending.join()
    assert manager.is_host
    manager.close()
    assert holder_of(folder) is None
    assert rig.run_of(store, RUN).state is RunState.RUNNING


def test_a_screen_without_a_terminal_says_that_its_engine_ended_by_itself(
    folder: Path, store: Store, manager: RunManager
) -> None:
    _begin(manager, store)
    (folder / LOCK_FILE).unlink()
    with pytest.raises(FirstwatchError, match="is gone"):
        manager.serve_headless()


def test_a_screen_elsewhere_leaves_a_stopped_engine_stopped(
    store: Store, manager: RunManager, attached: EngineProcess
) -> None:
    rig.answered(store, rig.submit(store, StopEngine()))
    assert attached.wait() == 0
    heard: list[int] = []
    manager.subscribe(lambda snapshot: heard.append(snapshot.sequence))
    rig.until(lambda: _where(manager) is EngineWhere.NONE or None, "the engine to be gone")
    seen = len(heard)
    # The manager looks after the engine once a second, as often as it publishes at least.
    rig.until(lambda: len(heard) > seen + 3 or None, "the manager to look again")
    assert _where(manager) is EngineWhere.NONE
    assert "stopped on request" in manager.engine().sentence
    # The operator may still want it here.
    assert manager.start_embedded_engine()
    assert _where(manager) is EngineWhere.EMBEDDED


def test_a_screen_that_asks_an_engine_elsewhere_to_stop_takes_its_place(
    manager: RunManager, attached: EngineProcess
) -> None:
    manager.submit(StopEngine())
    assert attached.wait() == 0
    rig.until(lambda: manager.is_host or None, "this process to hold it")


def test_an_engine_that_dies_is_replaced_by_a_screen(manager: RunManager, attached: EngineProcess) -> None:
    attached.kill()
    rig.until(lambda: manager.is_host or None, "this process to hold it")


# --- by itself ---------------------------------------------------------------------------------------


def test_an_engine_whose_lock_was_removed_lets_go_for_good(folder: Path, store: Store) -> None:
    def has(kind: str) -> bool | None:
        with store.read() as session:
            return bool(journal.events_of_kinds(session, RUN, {kind})) or None

    with engine_process(folder) as first:
        first.wait_holding()
        rig.start_run(store, RUN)
        rig.until(lambda: has("entry_decided"), "the run to be under way")
        (folder / LOCK_FILE).unlink()
        with engine_process(folder) as second:
            assert first.wait() == 1
            second.wait_holding()
            rig.until(lambda: has("recovered"), "the second engine to have the run")
            with store.read() as session:
                now = hosts.current_host(session)
            assert now is not None
            assert now.pid == second.pid
            assert rig.run_of(store, RUN).state is RunState.RUNNING


def test_an_engine_alone_whose_lock_was_removed_raises_an_alarm(
    folder: Path, store: Store, host: EngineHost
) -> None:
    rig.start_run(store, RUN)
    rig.until(lambda: rig.run_of(store, RUN).state is RunState.RUNNING or None, "the run to begin")
    (folder / LOCK_FILE).unlink()
    assert host.wait(rig.LIMIT_S)
    assert "is gone" in host.failure
    assert "check that no other engine runs" in _alarms(store)["engine"]
    run = rig.run_of(store, RUN)
    assert (run.state, run.facts.health) == (RunState.RUNNING, Health.UNKNOWN)
    # The next engine has the run again, and the alarm ends.
    following = EngineHost(store, rig.load_settings(home=folder))
    following.start()
    try:
        rig.until(lambda: "engine" not in _alarms(store) or None, "the alarm to end")
    finally:
        following.drain_and_stop()


def test_the_last_step_of_a_worker_does_not_hide_that_its_engine_has_failed(
    folder: Path, store: Store, host: EngineHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.start_run(store, RUN)
    facts = rig.run_of(store, RUN).facts
    drain = host._drain_workers

    def drain_late() -> None:
        drain()
        with store.write() as session:
            runs.update_side_facts(session, RUN, facts)

    monkeypatch.setattr(host, "_drain_workers", drain_late)
    (folder / LOCK_FILE).unlink()
    assert host.wait(rig.LIMIT_S)
    assert rig.run_of(store, RUN).facts.health is Health.UNKNOWN


@pytest.mark.parametrize("is_replaced", [False, True])
def test_nothing_is_written_to_a_store_that_was_removed_or_replaced(
    folder: Path, store: Store, host: EngineHost, is_replaced: bool
) -> None:
    rig.start_run(store, RUN)
    moved = folder / "moved.db"
    store.path.rename(moved)
    if is_replaced:
        shutil.copy(moved, store.path)
    assert host.wait(rig.LIMIT_S)
    assert ("was replaced" if is_replaced else "is gone") in host.failure
    assert holder_of(folder) is None
    with pytest.raises(StoreReplacedError), store.write() as session:
        hosts.claim_host(session, pid=1, host_name="", version="", now_ms=1)
    with pytest.raises(StoreReplacedError), store.read():
        pass


def test_a_failed_host_lets_go_and_says_why(
    folder: Path, host: EngineHost, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(host, "_handle_ended_workers", broken)
    assert host.wait(rig.LIMIT_S)
    assert host.failure == "The engine failed; its log says where"
    assert "ZeroDivisionError: a defect" in caplog.text
    assert holder_of(folder) is None


def test_the_lock_is_freed_whatever_else_cannot_be_closed(
    folder: Path, store: Store, host: EngineHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise OSError("a defect")

    for part in (host.finished_runs, host.wallets, host._venues, host._door):
        monkeypatch.setattr(part, "close", broken)
    host.end_soon()
    assert host.wait(rig.LIMIT_S)
    assert holder_of(folder) is None
    monkeypatch.undo()
    for part in (host._venues, host._door):
        part.close()


# --- threads that cannot start -----------------------------------------------------------------------


def _no_thread_named(monkeypatch: pytest.MonkeyPatch, beginning: str) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith(beginning):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)


def test_a_run_without_a_thread_is_not_managed_and_can_be_cancelled(
    folder: Path, store: Store, host: EngineHost
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        _no_thread_named(patched, "run ")
        rig.start_run(store, RUN)
        rig.until(lambda: "engine" in _alarms(store) or None, "the alarm")
        assert "can't start new thread" in _alarms(store)["engine"]
        cancelled = rig.answered(store, rig.submit(store, CancelRun(run_id=RUN)))
        assert cancelled.outcome is CommandOutcome.DONE
        assert rig.run_of(store, RUN).state is RunState.CANCELLED
        host.end_soon()
        assert host.wait(rig.LIMIT_S)
    assert holder_of(folder) is None


def test_a_run_without_a_thread_begins_when_there_are_threads_again(store: Store, host: EngineHost) -> None:
    with pytest.MonkeyPatch.context() as patched:
        _no_thread_named(patched, "run ")
        rig.start_run(store, RUN)
        rig.until(lambda: "engine" in _alarms(store) or None, "the alarm")
    rig.until(lambda: rig.run_of(store, RUN).state is RunState.RUNNING or None, "the run to begin")
    rig.until(lambda: "engine" not in _alarms(store) or None, "the alarm to end")


@pytest.mark.parametrize("beginning", ["engine host", "command"])
def test_an_engine_without_threads_does_not_keep_the_lock(
    folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch, beginning: str
) -> None:
    _no_thread_named(monkeypatch, beginning)
    made = EngineHost(store, rig.load_settings(home=folder))
    with pytest.raises(FirstwatchError, match="could not start its threads"):
        made.start()
    assert holder_of(folder) is None
    with store.read() as session:
        assert not runs.active_runs(session)
