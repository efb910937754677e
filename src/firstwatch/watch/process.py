"""The process of the first watch: looks at each run that has moved, and writes the reports.

It reads the store and writes rows of the watch, an alarm, and at most one command to the engine, which alone
acts. A turn does a bounded amount of work.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from firstwatch.settings import Settings
from firstwatch.store import commands, journal, watch
from firstwatch.store.alarms import active_alarms
from firstwatch.store.changes import ChangeSignal
from firstwatch.store.database import Session, Store
from firstwatch.store.watch import Progress
from firstwatch.trading.clock import Clock
from firstwatch.trading.commands import PauseEntries
from firstwatch.trading.errors import DamagedRowError, WrongUseError
from firstwatch.trading.events import AlarmCleared, AlarmRaised
from firstwatch.trading.runs import Author
from firstwatch.trading.verdicts import DIVERGED
from firstwatch.watch.calibrator import Calibrator
from firstwatch.watch.locking import lock
from firstwatch.watch.run_watch import Looked, RunWatch
from firstwatch.watch.since_start import ALARM

TURN_S = 1.0
"""At most one turn in this time, unless a run has more to be read."""
_PAUSE_S = 0.1
"""Between two transactions."""
_PAUSE_EXPIRES_MS = 60_000
_TOGETHER = "diverged since the start"
"""Topic of the alarm about all days of a run together; it is never cleared."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Known:
    """A run under watch, and how far it had come at its last look."""

    run: RunWatch
    progress: Progress | None = None
    has_failed: bool = False
    """Its last look failed; the next one follows once the run has moved."""

    @property
    def is_busy(self) -> bool:
        """There is more to do, whether the run moves or not."""
        return not self.has_failed and (self.run.has_more or self.run.awaits_tables)

    @property
    def is_open(self) -> bool:
        """There will be another look, also at the end of a run."""
        return self.is_busy or not (self.run.has_ended or self.has_failed)


class Watcher:
    """Watches the runs of one data folder. Used by one thread."""

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._calibrator = Calibrator()
        self._runs: dict[str, _Known] = {}
        self._ended = threading.Event()

    @property
    def is_busy(self) -> bool:
        """There is more to do, whether the runs move or not."""
        return any(known.is_busy for known in self._runs.values())

    def run(self, ended: threading.Event) -> None:
        """Watch until ``ended`` is set.

        Raises:
            StoreError: the store can no longer be used.
        """
        self._ended = ended
        with ChangeSignal(self._store) as changed:
            while not ended.is_set():
                if self.turn():
                    continue
                ended.wait(TURN_S)
                changed.wait(TURN_S)

    def turn(self) -> bool:
        """Look once at each run that has moved; return whether one of them has more to be read."""
        now_ms = self._clock.now_ms()
        with self._store.read() as session:
            wanted = watch.runs_to_watch(session, now_ms=now_ms)
            wanted += [run_id for run_id, known in self._runs.items() if known.is_open]
            progress = watch.progress_of(session, wanted)
            self._runs = {run_id: self._runs.get(run_id) or self._known(run_id) for run_id in progress}
            moved = [
                run_id for run_id, known in self._runs.items() if self._has_moved(known, progress[run_id])
            ]
            for run_id in moved:
                self._read(session, run_id)
        with_tables = self._take_tables()
        looked = [self._look(run_id, now_ms) for run_id in dict.fromkeys([*moved, *with_tables])]
        self._write([each for each in looked if each is not None], now_ms)
        for run_id in moved:
            self._runs[run_id].progress = progress[run_id]
        return any(known.run.has_more and not known.has_failed for known in self._runs.values())

    def _write(self, looked: Sequence[Looked], now_ms: int) -> None:
        """Write what was found, a transaction for each run, and let the engine write between two of them.

        SQLite's lock goes to the writer that asks at the right moment, not to the one that waits longest:
        without a pause the engine could wait for all of them.
        """
        for number, each in enumerate(looked):
            if number:
                self._ended.wait(_PAUSE_S)
            with self._store.write() as session:
                write_looked(session, each, now_ms=now_ms)

    def _known(self, run_id: str) -> _Known:
        return _Known(RunWatch(run_id, self._store.path.parent, self._settings, self._calibrator))

    def _has_moved(self, known: _Known, progress: Progress) -> bool:
        return known.progress != progress or (known.run.has_more and not known.has_failed)

    def _read(self, session: Session, run_id: str) -> None:
        known = self._runs[run_id]
        if known.has_failed:
            known = self._runs[run_id] = self._known(run_id)
        try:
            known.run.read(session)
        except (DamagedRowError, WrongUseError) as error:
            known.has_failed = True
            _log.warning("run %s cannot be watched: %s", run_id, error)

    def _take_tables(self) -> list[str]:
        """Hand computed tables to their runs; return the ids of those runs."""
        found = []
        for derived in self._calibrator.take():
            known = self._runs.get(derived.run_id)
            if known is not None and known.run.take_tables(derived):
                found.append(derived.run_id)
        return found

    def _look(self, run_id: str, now_ms: int) -> Looked | None:
        known = self._runs[run_id]
        if known.has_failed:
            return None
        try:
            return known.run.look(now_ms)
        except Exception:
            # One run that cannot be judged must not stop the watch of the others.
            known.has_failed = True
            _log.exception("the look at run %s failed", run_id)
            return None


def write_looked(session: Session, looked: Looked, *, now_ms: int) -> None:
    """Write the result of a look, with the alarm and the command that follow from it."""
    run_id = looked.run_id
    for recipe in looked.recipes:
        lock(session, run_id, recipe, now_ms=now_ms)
    for lost in looked.lost:
        watch.save_lost(session, run_id, lost)
    for day, packed in looked.tables.items():
        watch.save_tables(session, run_id, day, packed)
    for report in looked.reports:
        watch.save_report(session, report, shadow_json=looked.shadow_json, now_ms=looked.made_ms)
    events: list[AlarmCleared | AlarmRaised] = []
    if looked.begins_day and any(alarm.topic == DIVERGED for alarm in active_alarms(session, run_id)):
        # Yesterday's verdict stands in its report; today is a watch of its own.
        events.append(AlarmCleared(topic=DIVERGED))
    if looked.diverged is not None:
        events.append(AlarmRaised(topic=DIVERGED, sentence=looked.diverged.next))
    if looked.together is not None:
        sentence = (
            f"all days since the start together have diverged (e-value {looked.together.e_value:.0f}, "
            f"alarm at {ALARM:.0f}): find out what has changed since the baseline"
        )
        events.append(AlarmRaised(topic=_TOGETHER, sentence=sentence))
    journal.append_system_events(session, run_id, events, now_ms=now_ms)
    if looked.pauses_entries and looked.diverged is not None:
        commands.submit_command(
            session,
            PauseEntries(run_id=run_id, diverged=looked.diverged.next),
            author=Author.SYSTEM,
            now_ms=now_ms,
            expires_in_ms=_PAUSE_EXPIRES_MS,
        )
