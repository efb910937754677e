"""The host thread never does so much at once that its heartbeat is late, whatever waits for it.

Time is work here: a clock that goes on by what the host thread does, by calls of functions and by commits,
and stands while it waits. So the test says the same on a busy machine.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import FrameType

import pytest
from sqlalchemy import insert

from firstwatch.engine.host.host import EngineHost
from firstwatch.engine.lease import Lease
from firstwatch.engine.venue_registry import VenueRegistry
from firstwatch.store import alarms, algorithms, commands, hosts, runs, wallets
from firstwatch.store.database import Store, open_store
from firstwatch.store.tables import RunEventTable, table_of
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.commands import CommandOutcome, PauseEntries
from firstwatch.trading.errors import VenueError
from firstwatch.trading.events import PAYLOAD_VERSION, AlarmCleared, AlarmRaised
from firstwatch.trading.market import DEFAULT_MARKET
from firstwatch.trading.runs import Author, RunState
from firstwatch.venues.protocol import Venue
from tests.engine.host import rig

RUNS = 200
JOURNAL_ROWS = 100_000
COMMANDS = 2_000
LATEST_S = 1.0
_CALLS_PER_S = 400_000
_COMMIT_S = 0.004


class WorkClock(SystemClock):
    """Seconds of work: of one thread, the one that it measures."""

    def __init__(self) -> None:
        self.calls = 0
        self.commits = 0
        self.thread: int | None = None

    def elapsed_s(self) -> float:
        return self.calls / _CALLS_PER_S + self.commits * _COMMIT_S

    @contextmanager
    def measures_me(self) -> Iterator[None]:
        """Count what this thread does in the block."""
        self.thread = threading.get_ident()
        before = sys.getprofile()
        sys.setprofile(self._count)
        try:
            yield
        finally:
            sys.setprofile(before)

    def fault_point(self, point: str) -> None:
        if point == "after commit" and threading.get_ident() == self.thread:
            self.commits += 1

    def _count(self, _frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            self.calls += 1


class MeasuredHost(EngineHost):
    """A host whose thread is measured, and whose heartbeats are noted."""

    clock: WorkClock
    beats_s: list[float]

    def start(self) -> None:
        with self.clock.measures_me():
            super().start()

    def _run(self) -> None:
        with self.clock.measures_me():
            super()._run()


def no_venues() -> VenueRegistry:
    """Return a venue that does not answer."""

    def refuse(name: str) -> Venue:
        raise VenueError(f"the venue {name} does not answer")

    return VenueRegistry(["paper"], refuse)


def fill(store: Store) -> None:
    """Two hundred runs with long journals full of alarms that came and went."""
    with store.write() as session:
        version = algorithms.get_version(session, "Active").id
        for number in range(RUNS):
            wallet = wallets.get_wallet(session, f"w{number}").id
            run_id = f"{number:016x}"
            runs.create_run(
                session,
                run_id,
                wallet_id=wallet,
                version_id=version,
                settings=rig.launch(f"w{number}"),
                market=DEFAULT_MARKET,
                author=Author.OPERATOR,
                now_ms=1 + number,
            )
            runs.transition(session, run_id, RunState.RUNNING, "", author=Author.SYSTEM, local_time_ms=1)
    # Written as they stand in the store: by the repository it would take most of a minute.
    said = [AlarmRaised(topic=f"topic{topic}", sentence="it came") for topic in range(5)]
    over = [AlarmCleared(topic=raised.topic) for raised in said]
    journal_rows = table_of(RunEventTable)
    with store.write() as session:
        for number in range(RUNS):
            session.execute(
                insert(journal_rows),
                [
                    {
                        "run_id": f"{number:016x}",
                        "sequence": 3 + row,
                        "kind": event.kind,
                        "payload_version": PAYLOAD_VERSION,
                        "payload": event.model_dump_json(),
                        "author": "system",
                        "venue_time_ms": None,
                        "local_time_ms": row,
                    }
                    for row in range(JOURNAL_ROWS // RUNS)
                    for event in [(said if row % 2 == 0 else over)[row // 2 % 5]]
                ],
            )


def submit_many(store: Store) -> None:
    with store.write() as session:
        for number in range(COMMANDS):
            commands.submit_command(
                session,
                PauseEntries(run_id=f"{number % RUNS:016x}"),
                author=Author.OPERATOR,
                now_ms=SystemClock().now_ms(),
                expires_in_ms=10_000_000,
            )


@pytest.mark.slow
def test_no_heartbeat_is_late_whatever_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 runs that cannot begin, 100,000 journal rows and 2,000 commands: beats within a second of work."""
    settings = rig.make_folder(tmp_path, bars=10, wallet_names=tuple(f"w{number}" for number in range(RUNS)))
    clock = WorkClock()
    filling = open_store(tmp_path)
    fill(filling)
    submit_many(filling)
    filling.close()
    store = open_store(tmp_path, fault_point=clock.fault_point)
    beats_s: list[float] = []
    renewed: Callable[[Lease, float], None] = Lease.renewed

    def noted(lease: Lease, begun_at_s: float) -> None:
        renewed(lease, begun_at_s)
        beats_s.append(clock.elapsed_s())

    monkeypatch.setattr(Lease, "renewed", noted)
    host = MeasuredHost(store, settings, no_venues(), clock)
    host.clock = clock
    host.start()

    def is_done() -> bool | None:
        # They are answered in order.
        with store.read() as session:
            return commands.get_command(session, COMMANDS).is_finished or None

    try:
        rig.until(is_done, "the commands to be answered", 240)
        with store.read() as session:
            engine = hosts.current_host(session)
            assert len(alarms.active_alarms(session)) == RUNS
            answered = commands.get_command(session, 1)
    finally:
        host.drain_and_stop()
        store.close()
    assert engine is not None
    assert engine.epoch == 1, "the lease was lost"
    assert answered.outcome is CommandOutcome.REFUSED
    gaps_s = [later - earlier for earlier, later in pairwise([0.0, *beats_s])]
    assert max(gaps_s) <= LATEST_S, f"{max(gaps_s):.2f} s of work between two heartbeats"
    assert beats_s[-1] > 3 * LATEST_S, "too little work to show anything"
