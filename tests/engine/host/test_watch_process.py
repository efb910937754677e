"""The process of the first watch beside an engine: started, killed, started again, and never left behind."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from firstwatch.engine.host.host import EngineHost
from firstwatch.engine.host.watch_keeper import PAUSES_S, SOUND_S, WATCH_LOG_FILE, WatchKeeper
from firstwatch.store import alarms, watch
from firstwatch.store.database import Store, open_store
from firstwatch.trading.clock import ManualClock
from firstwatch.trading.runs import RunState
from tests.engine.host import rig
from tests.engine.host.processes import engine_process

RUN = rig.RUN


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    rig.make_folder(folder, bars=1_080, speed=18_000)
    opened = open_store(folder)
    yield opened
    opened.close()


@pytest.fixture
def host(folder: Path, store: Store) -> Iterator[EngineHost]:
    made = EngineHost(store, rig.load_settings(home=folder), has_watch=True)
    made.start()
    yield made
    made.drain_and_stop()


def watchers(of_pid: int) -> list[int]:
    """Return the pids of the live watch processes that an engine has started."""
    return rig.children(of_pid, "firstwatch.engine.host.watch_daemon")


def watcher_of(pid: int) -> int:
    return rig.until(lambda: next(iter(watchers(pid)), None), "the watch's process")


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie"


def alarm_of(store: Store) -> str | None:
    with store.read() as session:
        found = {alarm.topic: alarm.sentence for alarm in alarms.active_alarms(session, RUN)}
    return found.get("watch")


def report_of(store: Store) -> object | None:
    with store.read() as session:
        found = watch.reports_of(session, RUN)
    return found[-1] if found else None


def test_an_engine_without_runs_starts_no_watch(host: EngineHost) -> None:
    with pytest.raises(AssertionError):
        rig.until(lambda: next(iter(watchers(os.getpid())), None), "a watch", 1.0)


def test_a_run_is_watched_by_a_nice_process_that_ends_with_the_engine(
    folder: Path, store: Store, host: EngineHost
) -> None:
    rig.start_run(store, RUN)
    pid = watcher_of(os.getpid())
    rig.until(lambda: report_of(store), "a report")
    assert psutil.Process(pid).nice() >= 10
    host.drain_and_stop()
    assert is_gone(pid)
    assert (folder / WATCH_LOG_FILE).exists()


def test_a_killed_watch_is_an_alarm_and_starts_again_and_trading_goes_on(
    store: Store, host: EngineHost
) -> None:
    rig.start_run(store, RUN)
    first = watcher_of(os.getpid())
    os.kill(first, signal.SIGKILL)
    sentence = rig.until(lambda: alarm_of(store), "the alarm")
    assert "signal 9" in sentence
    assert "trading goes on" in sentence
    second = watcher_of(os.getpid())
    assert second != first
    rig.until(lambda: report_of(store), "a report of the second process")
    assert rig.ended(store, RUN).state is RunState.DONE


def test_the_watch_ends_when_its_engine_is_killed(
    folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRSTWATCH_WATCH__ENABLED", "true")
    with engine_process(folder) as engine:
        engine.wait_holding()
        rig.start_run(store, RUN)
        pid = watcher_of(engine.pid)
        engine.kill()
        rig.until(lambda: is_gone(pid) or None, "the watch to end with its engine")


def test_a_watch_that_keeps_ending_is_started_later_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firstwatch.engine.host.watch_keeper.sys.executable", "/bin/false")
    clock = ManualClock()
    keeper = WatchKeeper(tmp_path, None, clock)
    waited = []
    keeper.keep()
    for _ in range(len(PAUSES_S) + 1):
        rig.until(lambda: _has_ended(keeper) or None, "the process to end")
        assert "exit code 1" in keeper.trouble
        pause_s = 0.0
        while keeper.pid is None:
            clock.advance(500)
            pause_s += 0.5
            keeper.keep()
        waited.append(pause_s)
    assert waited == [*PAUSES_S, PAUSES_S[-1]]
    keeper.close()


def test_a_process_that_lives_is_sound_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firstwatch.engine.host.watch_keeper.sys.executable", str(tmp_path / "none"))
    clock = ManualClock()
    keeper = WatchKeeper(tmp_path, None, clock)
    keeper.keep()
    assert keeper.pid is None
    assert "No such file" in keeper.trouble
    sleeper = tmp_path / "none"
    sleeper.write_text("#!/bin/sh\nread line\n")
    sleeper.chmod(0o700)
    clock.advance(int(PAUSES_S[0] * 1000))
    keeper.keep()
    assert keeper.pid is not None
    assert keeper.trouble
    clock.advance(int(SOUND_S * 1000))
    keeper.keep()
    assert keeper.trouble == ""
    began = time.monotonic()
    keeper.close()
    assert time.monotonic() - began < 5
    assert keeper.pid is None


def _has_ended(keeper: WatchKeeper) -> bool:
    keeper.keep()
    return keeper.pid is None
