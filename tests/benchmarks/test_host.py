"""How late a heartbeat is: two hundred launches at once, long journals, thousands of commands."""

import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from time import perf_counter

import pytest

from firstwatch.engine.host.host import EngineHost
from firstwatch.engine.lease import Lease
from firstwatch.store import commands, hosts
from firstwatch.store.database import Store, open_store
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.commands import PauseEntries, StartRun
from tests.engine.host import rig, test_host_thread

RUNS = 200
LATEST_S = 1.0


@pytest.mark.timeout(900)
def test_heartbeats_of_two_hundred_launches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = tuple(f"w{number}" for number in range(RUNS))
    settings = rig.make_folder(tmp_path, bars=1300, wallet_names=names, speed=1.0)
    store = open_store(tmp_path)
    beats_s = noted_beats(monkeypatch)
    host = EngineHost(store, settings)
    host.start()
    try:
        numbers = [
            rig.submit(
                store, StartRun(run_id=f"{number:016x}", settings=rig.launch(name)), expires_in_ms=600_000
            )
            for number, name in enumerate(names)
        ]
        for number in numbers:
            rig.answered(store, number)
        for number in range(test_host_thread.COMMANDS):
            rig.submit(store, PauseEntries(run_id=f"{number % RUNS:016x}"), expires_in_ms=600_000)
        rig.answered(store, numbers[-1] + test_host_thread.COMMANDS)
        with store.read() as session:
            engine = hosts.current_host(session)
    finally:
        host.drain_and_stop()
        store.close()
    report("200 launches and 2,000 commands", beats_s)
    assert engine is not None
    assert engine.epoch == 1
    assert worst_gap_s(beats_s) <= LATEST_S


def test_heartbeats_over_long_journals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = tuple(f"w{number}" for number in range(test_host_thread.RUNS))
    settings = rig.make_folder(tmp_path, bars=10, wallet_names=names)
    store = open_store(tmp_path)
    test_host_thread.fill(store)
    test_host_thread.submit_many(store)
    beats_s = noted_beats(monkeypatch)
    host = EngineHost(store, settings, test_host_thread.no_venues(), SystemClock())
    host.start()
    try:
        rig.until(lambda: is_last_answered(store), "the commands to be answered", 240)
    finally:
        host.drain_and_stop()
        store.close()
    report("200 runs recovered over 100,000 journal rows, 2,000 commands", beats_s)
    assert worst_gap_s(beats_s) <= LATEST_S


def is_last_answered(store: Store) -> bool | None:
    with store.read() as session:
        return commands.get_command(session, test_host_thread.COMMANDS).is_finished or None


def noted_beats(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list that heartbeats are noted in from now on."""
    beats_s: list[float] = [perf_counter()]
    renewed: Callable[[Lease, float], None] = Lease.renewed

    def noted(lease: Lease, begun_at_s: float) -> None:
        renewed(lease, begun_at_s)
        beats_s.append(perf_counter())

    monkeypatch.setattr(Lease, "renewed", noted)
    return beats_s


def worst_gap_s(beats_s: list[float]) -> float:
    return max(later - earlier for earlier, later in pairwise(beats_s))


def report(what: str, beats_s: list[float]) -> None:
    sys.stdout.write(f"{what}: {len(beats_s)} heartbeats, {worst_gap_s(beats_s):.2f} s apart at most\n")
