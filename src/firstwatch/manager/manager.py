"""The manager: submits commands, publishes snapshots, and holds the engine when this process is its host."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firstwatch.manager.baseline_service import BaselineService
from firstwatch.manager.views import CommandView, EngineView, ManagerSnapshot, empty_snapshot
from firstwatch.manager.wallet_service import WalletService
from firstwatch.settings import Settings
from firstwatch.trading.clock import Clock, SystemClock
from firstwatch.trading.commands import DEFAULT_EXPIRY_MS, Command, StopEngine
from firstwatch.trading.errors import FirstwatchError, RefusedError, StoreError, WrongUseError
from firstwatch.trading.runs import Author, Exposure, RunState

if TYPE_CHECKING:
    from firstwatch.manager.command_views import CommandReader
    from firstwatch.manager.details import DetailsReader
    from firstwatch.manager.engine_control import EngineControl
    from firstwatch.manager.lists import ListsReader
    from firstwatch.store.changes import ChangeSignal
    from firstwatch.store.database import Store

Subscriber = Callable[[ManagerSnapshot], None]

_LOOK_S = 0.05
"""Longest delay until the details of a newly selected run are read."""
_QUIET_S = 1.0
"""Longest time without a snapshot, and the period of checks on the engine."""
_OWN_COMMANDS = 20
_OPEN_S = 30.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Readers:
    """What reads the parts of a snapshot."""

    lists: "ListsReader"
    details: "DetailsReader"
    commands: "CommandReader"


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
        self._guard = threading.Lock()
        self._reading = threading.Lock()
        self._subscribers: tuple[Subscriber, ...] = ()
        self._selected: str | None = None
        self._is_selection_new = False
        self._own: tuple[int, ...] = ()
        self._takes_over = False
        """This process has asked another process's engine to stop, to take its place."""
        self._sequence = 0
        self.wallets = WalletService(settings, self._clock, lambda: self._ready()[0])
        """Work on live wallets."""
        self.baselines = BaselineService(settings)
        """Making baselines."""

    # --- life ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Open the store on a thread and publish snapshots from there until ``close``."""
        self._thread = threading.Thread(target=self._run, name="manager", daemon=True)
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
        from firstwatch.manager.command_views import CommandReader
        from firstwatch.manager.details import DetailsReader
        from firstwatch.manager.engine_control import EngineControl, open_or_migrate
        from firstwatch.manager.lists import ListsReader
        from firstwatch.store.changes import ChangeSignal

        store = open_or_migrate(self._settings.home, may_migrate=self._hosts_engine)
        self._store = store
        self._readers = _Readers(ListsReader(self._settings), DetailsReader(), CommandReader())
        self._changes = ChangeSignal(store)
        self._control = EngineControl(store, self._settings, self._clock)
        self._opened.set()

    def close(self) -> None:
        """End the thread, release the engine (its runs stay active), close the store. Idempotent."""
        self._closing.set()
        if self._thread is not None and threading.current_thread() is not self._thread:
            self._thread.join()
        if self._control is not None:
            self._control.leave()
        if self._changes is not None:
            self._changes.close()
            self._changes = None
        if self._store is not None:
            self._store.close()

    # --- what a caller asks ----------------------------------------------------------------------

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
        with self._guard:
            self._own = (*self._own, number)[-_OWN_COMMANDS:]
            self._takes_over |= self._hosts_engine and isinstance(command, StopEngine)
        return number

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
            selected, own = self._selected, self._own
            self._sequence += 1
            sequence = self._sequence
        with self._reading, store.read() as session:
            # The details first: the lists then mark the run whose details cannot be read.
            details = None if selected is None else readers.details.read(session, selected)
            lists = readers.lists.read(session, now_ms, readers.details.damaged)
            commands = tuple(readers.commands.read(session, number) for number in reversed(own))
            engine = control.view(now_ms, session)
        return ManagerSnapshot(
            sequence=sequence,
            time_ms=now_ms,
            is_ready=True,
            engine=engine,
            wallets=lists.wallets,
            runs=lists.runs,
            selected=details,
            algorithms=lists.algorithms,
            venues=tuple(self._settings.venues),
            live_venues=tuple(
                name for name, venue in self._settings.venues.items() if venue.key_network is not None
            ),
            symbols=lists.symbols,
            alarms=lists.alarms,
            commands=commands,
            making=self.baselines.view(),
        )

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

    def serve_headless(self, stop: threading.Event) -> None:
        """Hold the engine without a screen, until ``stop`` is set or there is nothing left to do.

        Nothing is left when no run is active and no wallet is exposed, or when this process no longer holds
        the engine: it was asked to stop, another process has it, or it has failed.

        Raises:
            FirstwatchError: the engine of this process has failed; the sentence says why.
        """
        while not stop.wait(_QUIET_S):
            if not self.is_host:
                break
            try:
                snapshot = self.snapshot()
            except StoreError as error:
                # The engine itself waits until the store can be read again.
                _log.warning("the store cannot be read: %s", error)
                continue
            if not snapshot.active and all(wallet.exposure is Exposure.FLAT for wallet in snapshot.wallets):
                return
        if self.engine_failure:
            raise FirstwatchError(self.engine_failure)

    # --- the thread ------------------------------------------------------------------------------

    def _ready(self) -> tuple["Store", "EngineControl"]:
        if not self._opened.wait(_OPEN_S) or self._store is None or self._control is None:
            raise self._problem or StoreError("The store is not open yet; try again in a moment.")
        return self._store, self._control

    def _run(self) -> None:
        try:
            self.open()
        except FirstwatchError as error:
            self._problem = error
            self._opened.set()
            self._publish_problem(str(error))
            return
        published_s = checked_s = -_QUIET_S
        while not self._closing.is_set():
            has_changed = self._has_changed()
            now_s = time.monotonic()
            if now_s - checked_s >= _QUIET_S:
                checked_s = now_s
                self._take_free_engine()
            if has_changed or self._takes_new_selection() or now_s - published_s >= _QUIET_S:
                published_s = now_s
                self._look()
                self._closing.wait(max(0.0, 1 / self._settings.refresh_hz - (time.monotonic() - now_s)))

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
            self._control.take_if_free(self._clock.now_ms(), although_stopped=self._takes_over)
            self._takes_over &= not self._control.is_taken
        except FirstwatchError as error:
            _log.warning("the engine could not be started: %s", error)

    def _publish_problem(self, sentence: str) -> None:
        empty = empty_snapshot(self._clock.now_ms(), "")
        self._publish(ManagerSnapshot(empty.sequence, empty.time_ms, False, empty.engine, problem=sentence))

    def _publish(self, snapshot: ManagerSnapshot) -> None:
        for subscriber in self._subscribers:
            subscriber(snapshot)
