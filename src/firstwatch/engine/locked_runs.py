"""Runs whose venue wants signatures while the vault is locked: they wait, their protection rests there."""

import threading
from collections.abc import Callable
from dataclasses import replace

from firstwatch.engine.lease import Lease
from firstwatch.store import journal, runs
from firstwatch.store.database import Store
from firstwatch.trading.clock import Clock
from firstwatch.trading.events import AlarmCleared, AlarmRaised, RunEvent
from firstwatch.trading.runs import Author, Health
from firstwatch.wallets.keys import EngineKeys

TOPIC = "vault"
"""The alarm of a run that cannot be worked on until somebody gives the passphrase."""


class LockedRuns:
    """The runs that wait for the passphrase. Safe for threads."""

    def __init__(self, store: Store, keys: EngineKeys, clock: Clock, lease: Callable[[], Lease]) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._lease = lease
        self._waiting: dict[str, Callable[[], None]] = {}
        self._guard = threading.Lock()

    def add(self, run_id: str, begin: Callable[[], None], why: str) -> None:
        """Let a run wait; ``begin`` starts its worker when the vault is unlocked."""
        with self._guard:
            self._waiting[run_id] = begin
        self._write(
            run_id,
            Health.UNKNOWN,
            "vault locked",
            AlarmRaised(topic=TOPIC, sentence=f"the engine cannot work on this run: {why}"),
        )

    def begin_if_unlocked(self) -> None:
        """Begin the waiting runs when the vault has been unlocked. Cheap when none waits."""
        if not self._waiting or self._keys.is_locked:
            return
        with self._guard:
            waiting, self._waiting = self._waiting, {}
        for run_id, begin in waiting.items():
            self._write(run_id, Health.OK, "", AlarmCleared(topic=TOPIC))
            begin()

    def _write(self, run_id: str, health: Health, sentence: str, event: RunEvent) -> None:
        with self._store.write(self._lease().epoch) as session:
            run = runs.get_run(session, run_id)
            runs.update_side_facts(session, run_id, replace(run.facts, health=health, sentence=sentence))
            journal.append_events(
                session,
                run_id,
                [event],
                author=Author.SYSTEM,
                venue_time_ms=None,
                local_time_ms=self._clock.now_ms(),
            )
