"""The manager: submits commands, publishes snapshots, and holds the engine when this process is its host."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from firstwatch.manager.agent_service import AgentService
from firstwatch.manager.baseline_service import BaselineService
from firstwatch.manager.job_service import JobService
from firstwatch.manager.snapshot import ManagerSnapshot, empty_snapshot
from firstwatch.manager.views import AlarmView, CommandView, EngineView
from firstwatch.manager.wallet_service import WalletService
from firstwatch.settings import Settings
from firstwatch.trading.clock import Clock, SystemClock
from firstwatch.trading.commands import DEFAULT_EXPIRY_MS, Command, StopEngine
from firstwatch.trading.errors import FirstwatchError, RefusedError, StoreError, WrongUseError
from firstwatch.trading.exports import Format, What
from firstwatch.trading.runs import Author, Exposure, RunState

if TYPE_CHECKING:
    from firstwatch.manager.agent_reads import AgentReads
    from firstwatch.manager.away import AwayReader, SeenFile
    from firstwatch.manager.build_service import BuildService
    from firstwatch.manager.command_views import CommandReader
    from firstwatch.manager.details import DetailsReader
    from firstwatch.manager.engine_control import EngineControl
    from firstwatch.manager.lists import ListsReader
    from firstwatch.manager.preview_service import PreviewService
    from firstwatch.manager.run_views import FillView, ParentView, TradeStory
    from firstwatch.manager.story import StoryReader
    from firstwatch.manager.test_service import TestService
    from firstwatch.store.changes import ChangeSignal
    from firstwatch.store.database import Store
    from firstwatch.trading.launch import LaunchSettings

Subscriber = Callable[[ManagerSnapshot], None]

_LOOK_S = 0.05
"""Longest delay until the details of a newly selected run are read."""
_GIVE_WAY_S = 0.05
"""Longest time for which reading stands still for a key, at each of its steps, and for an engine, in all."""
_EXPORTS = "exports"
"""The folder of exported files in the data folder."""
_QUIET_S = 1.0
"""Longest time without a snapshot, and the period of checks on the engine."""
_SEEN_S = 10.0
"""Interval at which it is noted that a screen is open."""
_OWN_COMMANDS = 20
_OPEN_S = 30.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Readers:
    """The readers of the parts of a snapshot."""

    lists: "ListsReader"
    details: "DetailsReader"
    beside: "DetailsReader"
    commands: "CommandReader"
    story: "StoryReader"


class _ClosedMeanwhileError(Exception):
    """The manager was closed while its thread loaded a module."""


class RunManager:
    """Commands, snapshots and the engine of this process, for the screen and for the command line.

    The screen uses nothing else. The command line uses it for what needs the engine, and opens the store
    itself for everything else (rule 4 of ``firstwatch.cli``). Snapshots come from the store alone, so
    an embedded and an attached engine look the same. ``start`` opens the store on a background thread,
    because its import is slow; ``open`` opens it at once, for callers without a screen. All methods may be
    called from any thread; those that read or write the store wait for it.
    """

    def __init__(self, settings: Settings, *, clock: Clock | None = None, hosts_engine: bool = True) -> None:
        """``hosts_engine``: take the engine when no process holds it, unless it was stopped on request."""
        self._settings = settings
        self._clock = clock or SystemClock()
        self._hosts_engine = hosts_engine
        self._store: Store | None = None
        self._readers: _Readers | None = None
        self._changes: ChangeSignal | None = None
        self._control: EngineControl | None = None
        self._thread: threading.Thread | None = None
        self._opened = threading.Event()
        self._problem: FirstwatchError | None = None
        self._closing = threading.Event()
        self._can_be_left = threading.Event()
        """Set when the thread has ended, or is importing modules and ends after that."""
        self._guard = threading.Lock()
        self._reading = threading.Lock()
        self._subscribers: tuple[Subscriber, ...] = ()
        self._selected: str | None = None
        self._beside: str | None = None
        self._is_selection_new = False
        self._own: tuple[int, ...] = ()
        self._takes_over = False
        """This process has asked another process's engine to stop, to take its place."""
        self._unhurried = threading.Event()
        """Not set while the screen handles a key."""
        self._unhurried.set()
        self._patience_s = 0.0
        """For so long the reading under way still waits while an engine writes."""
        self._rests = False
        """The screen cannot be seen now, so nothing is read for it."""
        self._sequence = 0
        self._away: AwayReader | None = None
        self._seen: SeenFile | None = None
        self._seen_s: float | None = None
        """When it was last noted that a screen is open; None: none is."""
        self.wallets = WalletService(settings, self._clock, lambda: self._ready()[0])
        """Work on live wallets."""
        self.jobs = JobService(settings, self._clock, lambda: self._ready()[0])
        """Heavy work in processes of its own."""
        self.baselines = BaselineService(settings, self.jobs)
        """Making baselines."""
        self.agents = AgentService(settings, self._clock, lambda: self._ready()[0], self.engine)
        """Acts of agents, and the operator's answers to them."""

    # Made when they are first used: loading them would delay the screen's first paint.

    @cached_property
    def tests(self) -> "TestService":
        """Drafts of algorithms, and tests of them."""
        from firstwatch.manager.test_service import TestService

        return TestService(self._settings, self._clock, lambda: self._ready()[0], self.jobs)

    @cached_property
    def build(self) -> "BuildService":
        """Algorithms, their versions, and their texts while they are edited."""
        from firstwatch.manager.build_service import BuildService

        return BuildService(self._settings, self._clock, lambda: self._ready()[0])

    @cached_property
    def preview(self) -> "PreviewService":
        """What an algorithm's text means on candles, as it is typed."""
        from firstwatch.manager.preview_service import PreviewService

        return PreviewService(self._settings)

    @cached_property
    def reads(self) -> "AgentReads":
        """What agents read that no snapshot holds."""
        from firstwatch.manager.agent_reads import AgentReads

        return AgentReads(self._clock, lambda: self._ready()[0])

    # --- life ------------------------------------------------------------------------------------

    def start(self, *, is_visit: bool = False) -> None:
        """Open the store on a thread and publish snapshots from there until ``close``.

        ``is_visit``: remember when there was a subscriber last; the next visit says what happened since.
        """
        self._thread = threading.Thread(target=self._work, args=(is_visit,), name="manager", daemon=True)
        self._thread.start()

    def log_to_file(self) -> None:
        """Write the program's log into the data folder, because the screen has no room for it."""
        from firstwatch.engine.host.background import log_to_file

        log_to_file(self._settings.home, self._settings.log.level)

    def open(self) -> None:
        """Open the store at once.

        Raises:
            StoreError: the store cannot be used.
        """
        with self._loading():
            from firstwatch.manager.command_views import CommandReader
            from firstwatch.manager.details import DetailsReader
            from firstwatch.manager.engine_control import EngineControl, open_or_migrate
            from firstwatch.manager.lists import ListsReader
            from firstwatch.manager.story import StoryReader
            from firstwatch.store.changes import ChangeSignal

        store = open_or_migrate(self._settings.home, may_migrate=self._hosts_engine)
        self._store = store
        self._readers = _Readers(
            ListsReader(self._settings, self._clock.now_ms()),
            DetailsReader(self._give_way),
            DetailsReader(self._give_way),
            CommandReader(),
            StoryReader(),
        )
        self._changes = ChangeSignal(store)
        self._control = EngineControl(store, self._settings, self._clock)
        self._opened.set()

    def close(self) -> None:
        """End the thread, release the engine (its runs stay active), close the store. Idempotent."""
        self._closing.set()
        if "preview" in vars(self):
            self.preview.close()
        if self._thread is not None and threading.current_thread() is not self._thread:
            self._can_be_left.wait()
            self._opened.set()
        self._note_visit(is_open=False)
        if self._control is not None:
            self._control.leave()
        if self._changes is not None:
            self._changes.close()
            self._changes = None
        if self._store is not None:
            self._store.close()

    # --- commands and queries --------------------------------------------------------------------

    def submit(
        self,
        command: Command,
        *,
        author: Author = Author.OPERATOR,
        expected_state: RunState | None = None,
        snapshot_sequence: int | None = None,
        expires_in_ms: int = DEFAULT_EXPIRY_MS,
    ) -> int:
        """Write the command for the engine and return its number.

        ``expected_state``: the engine refuses the command if the run is in another state.

        Raises:
            RefusedError: no engine is running to accept it.
            StoreError: the store cannot be written.
        """
        from firstwatch.store.commands import submit_command

        store, control = self._ready()
        now_ms = self._clock.now_ms()
        engine = control.view(now_ms)
        if not engine.takes_commands:
            raise RefusedError(f"No engine is running to accept commands: {engine.sentence}")
        with store.write() as session:
            number = submit_command(
                session,
                command,
                author=author,
                now_ms=now_ms,
                expected_state=expected_state,
                snapshot_sequence=snapshot_sequence,
                expires_in_ms=expires_in_ms,
            )
        self.follow(number)
        with self._guard:
            self._takes_over |= self._hosts_engine and isinstance(command, StopEngine)
        return number

    def follow(self, number: int) -> None:
        """Have the snapshots hold a command and its outcome. Never waits."""
        with self._guard:
            self._own = (*self._own, number)[-_OWN_COMMANDS:]

    def command(self, number: int) -> CommandView:
        """Return a command and its outcome.

        Raises:
            WrongUseError: there is no command with that number.
        """
        from firstwatch.manager.command_views import command_view
        from firstwatch.store.commands import get_command

        store, _ = self._ready()
        with store.read() as session:
            return command_view(get_command(session, number))

    def last_launch(self, algorithm: str) -> "LaunchSettings | None":
        """Return the settings of the newest listed run of any version of that algorithm; None: there is none.

        Raises:
            StoreError: the store cannot be read.
        """
        from firstwatch.manager.lists import FINISHED_LIMIT
        from firstwatch.store.runs import list_runs

        store, _ = self._ready()
        with store.read() as session:
            known = (run.settings for run in list_runs(session, limit=FINISHED_LIMIT))
            return next((settings for settings in known if settings.algorithm == algorithm), None)

    def create_wallet(self, name: str, venue: str) -> None:
        """Create a wallet at a configured paper venue; ``wallets.create`` creates live ones.

        Raises:
            WrongUseError: the name cannot be used or is taken, or the venue needs a live wallet.
        """
        from firstwatch.store.wallets import create_wallet

        store, _ = self._ready()
        wanted = self._settings.venues[venue]
        if wanted.key_network is not None:
            raise WrongUseError(f"A wallet at {venue} needs a key.")
        with store.write() as session:
            create_wallet(session, name, venue=venue, kind=wanted.kind, now_ms=self._clock.now_ms())

    def acknowledge(self, alarm: AlarmView, *, is_left: bool = False) -> None:
        """Note that an operator has seen an alarm as it is; ``is_left``: and leaves the position as it is.

        Raises:
            StoreError: the store cannot be written.
        """
        from firstwatch.store import alarms

        store, _ = self._ready()
        seen = alarms.Acknowledgement(alarm.id, alarm.state, self._clock.now_ms(), is_left)
        active = {alarm.id, *(each.id for each in self.snapshot().alarms)}
        with store.write() as session:
            alarms.acknowledge(session, seen, active)

    def unlock_vault(self, passphrase: str) -> str:
        """Send the vault's passphrase to the engine, in any process, and return its sentence.

        Raises:
            RefusedError: no engine is running, or the passphrase is wrong.
        """
        from firstwatch.wallets.unlock_socket import unlock_engine

        return unlock_engine(self._settings.home, passphrase)

    def select(self, run_id: str | None) -> None:
        """Select the run whose details the snapshots hold. Never waits."""
        with self._guard:
            self._is_selection_new |= run_id != self._selected
            self._selected = run_id

    def rest(self, rests: bool) -> None:
        """Read and publish nothing while the screen cannot be seen, or go on with it. Never waits."""
        self._rests = rests

    def hurry(self, is_hurried: bool) -> None:
        """Let the thread stand still while the screen handles a key, which two threads at once would slow.

        Never waits; and reading never stands still for long.
        """
        if is_hurried:
            self._unhurried.clear()
        else:
            self._unhurried.set()

    def select_beside(self, run_id: str | None) -> None:
        """Select the run that is compared with the selected one; None: none is. Never waits."""
        with self._guard:
            self._is_selection_new |= run_id != self._beside
            self._beside = run_id

    def trade_story(self, run_id: str, number: int) -> "TradeStory | None":
        """Read all that belongs to a trade of a run, by its number from 1; None: there is no such trade.

        Raises:
            FirstwatchError: a part of it cannot be read.
        """
        from firstwatch.manager.trade_story import read_story

        store, _ = self._ready()
        with store.read() as session:
            return read_story(session, run_id, number)

    def fills(self, run_id: str, span: range) -> "tuple[FillView, ...]":
        """Read the fills of a run in a span of venue time (ms), oldest first.

        Raises:
            FirstwatchError: one cannot be read.
        """
        from firstwatch.manager.details import read_fills

        store, _ = self._ready()
        with store.read() as session:
            return read_fills(session, run_id, span)

    def parent(self, run_id: str) -> "ParentView | None":
        """Read the run of which a run is the next version; None: there is none.

        Raises:
            FirstwatchError: a part of it cannot be read.
        """
        from firstwatch.manager.lineage import read_parent

        store, _ = self._ready()
        with store.read() as session:
            return read_parent(session, run_id)

    def export(self, run_id: str, what: What, form: Format) -> tuple[Path, int]:
        """Write a table of a run into ``exports`` in the data folder; return the new file and its rows.

        Raises:
            FirstwatchError: a row cannot be read, the file cannot be written, the extra ``arrow`` is missing.
        """
        from firstwatch.manager.export_files import whole_file, write_export
        from firstwatch.store.runs import get_run

        store, _ = self._ready()
        moment = datetime.fromtimestamp(self._clock.now_ms() // 1000, tz=UTC)
        folder = self._settings.home / _EXPORTS
        path = folder / f"{run_id}-{what}-{moment:%Y%m%d-%H%M%S}.{form}"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise FirstwatchError(f"The folder {folder} cannot be made: {error.strerror}.") from error
        with store.read() as session, whole_file(path) as file:
            rows = write_export(session, get_run(session, run_id), what, form, file)
        return path, rows

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call ``subscriber`` with each new snapshot, on the manager's thread; returns what ends that."""
        with self._guard:
            self._subscribers = (*self._subscribers, subscriber)

        def end() -> None:
            with self._guard:
                self._subscribers = tuple(each for each in self._subscribers if each is not subscriber)

        return end

    def snapshot(self) -> ManagerSnapshot:
        """Read the store now.

        Raises:
            StoreError: the store cannot be read.
        """
        store, control = self._ready()
        readers = self._readers
        assert readers is not None
        now_ms = self._clock.now_ms()
        with self._guard:
            selected, beside, own = self._selected, self._beside, self._own
            self._sequence += 1
            sequence = self._sequence
        held = self.jobs.held()
        self._patience_s = _GIVE_WAY_S
        self._give_way()
        with self._reading, store.read() as session:
            # The details first: the lists then mark the run whose details cannot be read.
            details = None if selected is None else readers.details.read(session, selected)
            other = None if beside is None else readers.beside.read(session, beside)
            unread = {} if beside is None else readers.beside.damaged
            self._give_way()
            lists = readers.lists.read(session, now_ms, unread | readers.details.damaged)
            self._give_way()
            commands = tuple(readers.commands.read(session, number) for number in reversed(own))
            story = readers.story.read(session)
            asks = self.agents.waiting_asks(session)
            jobs = self.jobs.views(session, held)
            engine = control.view(now_ms, session)
            away = None if self._away is None else self._away.read(session, engine, now_ms)
        return ManagerSnapshot(
            sequence=sequence,
            time_ms=now_ms,
            is_ready=True,
            engine=engine,
            wallets=lists.wallets,
            runs=lists.runs,
            selected=details,
            beside=other,
            algorithms=lists.algorithms,
            venues=tuple(self._settings.venues),
            live_venues=tuple(
                name for name, venue in self._settings.venues.items() if venue.key_network is not None
            ),
            symbols=lists.symbols,
            markets=lists.markets,
            alarms=lists.alarms,
            asks=asks,
            story=story,
            short_ids=lists.short_ids,
            commands=commands,
            jobs=jobs,
            away=away,
        )

    def _give_way(self) -> None:
        """Stand still while the screen handles a key, and while an engine writes."""
        self._unhurried.wait(_GIVE_WAY_S)
        changes = self._changes
        if changes is not None and self._patience_s > 0:
            self._patience_s -= changes.await_pause(self._patience_s)

    # --- the engine ------------------------------------------------------------------------------

    def engine(self) -> EngineView:
        """Return where the engine is, without reading anything else."""
        return self._ready()[1].view(self._clock.now_ms())

    @property
    def is_host(self) -> bool:
        """This process holds the engine."""
        return self._control is not None and self._control.is_taken

    def start_embedded_engine(self) -> bool:
        """Take the engine and recover the runs; False: another process holds it, so this one is attached.

        Raises:
            FirstwatchError: the engine could not be started.
        """
        _, control = self._ready()
        self._takes_over = False
        return control.take()

    @property
    def engine_failure(self) -> str:
        """Why the engine of this process has failed, for an operator; empty: it has not."""
        return "" if self._control is None else self._control.failure

    def start_background_engine(self) -> int:
        """Start a background engine when no process holds the engine, and return its pid.

        Raises:
            FirstwatchError: it did not start in time.
        """
        _, control = self._ready()
        return control.start_background()

    def hand_over_to_background(self) -> int:
        """Start a background engine, stop this one, and return the pid of the new one.

        Raises:
            FirstwatchError: the background engine did not start in time; this one continues.
        """
        _, control = self._ready()
        self._hosts_engine = False
        try:
            return control.hand_over()
        except FirstwatchError:
            self._hosts_engine = True
            raise

    def serve_headless(self) -> None:
        """Hold the engine without a screen, until SIGTERM or SIGINT comes or there is nothing left to do.

        Nothing is left when no run is active and no wallet is exposed, or when this process no longer holds
        the engine: it was asked to stop, another process has it, or it has failed. For the main thread.

        Raises:
            FirstwatchError: the engine of this process has failed; the sentence says why.
        """
        from firstwatch.engine.host.process import set_by_signals

        with set_by_signals(signal.SIGTERM, signal.SIGINT) as stop:
            while not stop.wait(_QUIET_S):
                if not self.is_host:
                    break
                try:
                    snapshot = self.snapshot()
                except StoreError as error:
                    # The engine itself waits until the store can be read again.
                    _log.warning("the store cannot be read: %s", error)
                    continue
                if not snapshot.active and all(w.exposure is Exposure.FLAT for w in snapshot.wallets):
                    return
        if self.engine_failure:
            raise FirstwatchError(self.engine_failure)

    # --- the thread ------------------------------------------------------------------------------

    def _ready(self) -> tuple["Store", "EngineControl"]:
        if not self._opened.wait(_OPEN_S) or self._store is None or self._control is None:
            raise self._problem or StoreError("The store is not open yet; try again in a moment.")
        return self._store, self._control

    def _work(self, is_visit: bool) -> None:
        try:
            self._run(is_visit)
        except _ClosedMeanwhileError:
            _log.info("closed while a part of the program was loaded")
        finally:
            self._can_be_left.set()

    @contextmanager
    def _loading(self) -> Iterator[None]:
        """Import modules in this block, which may take long: ``close`` does not wait for it.

        Raises:
            _ClosedMeanwhileError: the manager was closed meanwhile, so the thread must end.
        """
        self._can_be_left.set()
        try:
            yield
        finally:
            self._can_be_left.clear()
        if self._closing.is_set():
            raise _ClosedMeanwhileError

    def _run(self, is_visit: bool) -> None:
        try:
            self.open()
        except FirstwatchError as error:
            self._problem = error
            self._opened.set()
            self._publish_problem(str(error))
            return
        if is_visit:
            self._begin_visit()
        published_s = checked_s = -_QUIET_S
        while not self._closing.is_set():
            has_changed = self._has_changed()
            now_s = time.monotonic()
            if now_s - checked_s >= _QUIET_S:
                checked_s = now_s
                self._take_free_engine()
                self._note_visit(is_open=bool(self._subscribers) and not self._rests)
            if self._rests:
                self._closing.wait(_LOOK_S)
                continue
            if has_changed or self._takes_new_selection() or now_s - published_s >= _QUIET_S:
                published_s = now_s
                self._look()
                self._closing.wait(max(0.0, 1 / self._settings.refresh_hz - (time.monotonic() - now_s)))

    def _begin_visit(self) -> None:
        from firstwatch.manager.away import AwayReader, SeenFile

        self._seen, now_ms = SeenFile(self._settings.home), self._clock.now_ms()
        since_ms = self._seen.read()
        if since_ms is not None and since_ms < now_ms:
            self._away = AwayReader(since_ms, now_ms)

    def _note_visit(self, *, is_open: bool) -> None:
        """Note that a screen is open, now and then, or that the last one has been closed."""
        if self._seen is None or (not is_open and self._seen_s is None):
            return
        now_s = time.monotonic()
        if not is_open or self._seen_s is None or now_s - self._seen_s >= _SEEN_S:
            self._seen.write(self._clock.now_ms())
        self._seen_s = now_s if is_open else None

    def _has_changed(self) -> bool:
        assert self._changes is not None
        try:
            return self._changes.wait(_LOOK_S)
        except StoreError:
            # The next read reports the problem to the operator.
            self._closing.wait(_LOOK_S)
            return True

    def _takes_new_selection(self) -> bool:
        with self._guard:
            is_new, self._is_selection_new = self._is_selection_new, False
        return is_new

    def _look(self) -> None:
        try:
            snapshot = self.snapshot()
        except FirstwatchError as error:
            self._publish_problem(str(error))
            return
        self._publish(snapshot)

    def _take_free_engine(self) -> None:
        """Take the engine if no process holds it, unless it was stopped on request."""
        if not self._hosts_engine or self._control is None:
            return
        try:
            if self._control.is_to_be_taken(self._clock.now_ms(), although_stopped=self._takes_over):
                with self._loading():
                    self._control.load()
                self._control.take()
            self._takes_over &= not self._control.is_taken
        except FirstwatchError as error:
            _log.warning("the engine could not be started: %s", error)

    def _publish_problem(self, sentence: str) -> None:
        empty = empty_snapshot(self._clock.now_ms(), "")
        self._publish(ManagerSnapshot(empty.sequence, empty.time_ms, False, empty.engine, problem=sentence))

    def _publish(self, snapshot: ManagerSnapshot) -> None:
        for subscriber in self._subscribers:
            subscriber(snapshot)
