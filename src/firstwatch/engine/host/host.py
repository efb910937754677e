"""The engine of a data folder: its lock, its lease, its workers, and the commands that it picks up.

The host thread writes the heartbeat and the live figures, picks up commands and replaces workers; it never
waits for a venue. Each run has a worker thread; commands that need a venue run in threads of their own.
"""

import gc
import logging
import os
import platform
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from queue import Empty, SimpleQueue

from firstwatch import __version__
from firstwatch.engine.alerts.delivery import AlertDelivery
from firstwatch.engine.host.command_handler import CommandHandler
from firstwatch.engine.host.locked_runs import LockedRuns
from firstwatch.engine.host.service_manager import ALIVE, READY, STOPPING, notify
from firstwatch.engine.host.watch_keeper import WatchKeeper
from firstwatch.engine.lease import Lease, LeaseLostError
from firstwatch.engine.lock import EngineLock, LockLostError
from firstwatch.engine.niceness import come_soon
from firstwatch.engine.reconciliation.bars import BarRereader
from firstwatch.engine.reconciliation.closing import LOOK_EVERY_S as CLOSE_EVERY_S
from firstwatch.engine.reconciliation.closing import WalletCloser
from firstwatch.engine.reconciliation.finished_runs import FinishedRunReconciler
from firstwatch.engine.reconciliation.wallets import LOOK_EVERY_S, WalletRefresher
from firstwatch.engine.venue_registry import VenueRegistry, venue_registry_of
from firstwatch.engine.worker import unattended
from firstwatch.engine.worker.startup import RunStartup, read_stored_run
from firstwatch.engine.worker.worker import Asked, RunWorker
from firstwatch.settings import Settings
from firstwatch.store import alarms, hosts, journal, live, orders, runs, watch
from firstwatch.store.commands import StoredCommand
from firstwatch.store.database import EpochLostError, Session, Store, StoreReplacedError
from firstwatch.store.hosts import HostState
from firstwatch.trading.clock import Clock, SystemClock
from firstwatch.trading.commands import RunCommand
from firstwatch.trading.errors import (
    DamagedRowError,
    FirstwatchError,
    StoreError,
    VenueError,
    WrongUseError,
)
from firstwatch.trading.events import AlarmCleared, AlarmRaised, Noted, RunEvent
from firstwatch.trading.fault_points import FaultPoint, no_fault
from firstwatch.trading.hazards import Hazard
from firstwatch.trading.runs import Author, Exposure, Health, RunState
from firstwatch.venues.nonces import NONCES
from firstwatch.venues.signer import VaultLockedError
from firstwatch.wallets.key_ring import KeyRing
from firstwatch.wallets.unlock_socket import UnlockServer
from firstwatch.wallets.vault import Vault

_TICK_S = 0.1
_HEARTBEAT_S = 0.5
_LIVE_S = 1.0
_FINISHED_RUNS_S = 30.0
_UNATTENDED_S = 5.0
_BARS_S = 5.0
_LOG_S = 10.0
_WATCH_S = 0.5
_ALERTS_S = 1.0
_DRAIN_S = 1.5
_ENDED_AT_ONCE = 50
_FAILURES_WITHIN_S = 600.0
# An exception may be temporary: a run is recovered after these pauses, and only then fails.
_RECOVERY_PAUSES_S = (0.0, 3.0, 15.0)
# A full garbage collection stops the screen and all runs: 0.05 s with fifty runs, by default every ten
# seconds. With this threshold it comes after ten times as many smaller ones.
_YOUNG_PER_FULL = 100

_PERIODIC = (
    "beat", "live", "finished runs", "closing", "unattended", "bars", "wallets", "log", "watch", "alerts"
)  # fmt: skip

_WATCH = "watch"
"""Topic of the alarm of runs that are not watched now."""

_log = logging.getLogger(__name__)


class EngineHost:
    """The one engine of a data folder, as long as it holds the lock."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        venues: VenueRegistry | None = None,
        clock: Clock | None = None,
        *,
        fault_point: FaultPoint = no_fault,
        has_watch: bool = False,
    ) -> None:
        """Make a host that is not started yet; ``venues`` None: those of the settings.

        ``has_watch``: it starts the process of the first watch once there are runs to watch.
        """
        self._store = store
        self._settings = settings
        self._clock = clock or SystemClock()
        self._fault_point = fault_point
        self._lock = EngineLock(settings.home)
        self._lease: Lease | None = None
        self.keys = KeyRing(Vault(settings.home, self._clock))
        self._venues = venues or venue_registry_of(
            settings, store, self._clock, lambda: self.lease.epoch, self.keys
        )
        self._door = UnlockServer(settings.home, self.keys)
        self._locked_runs = LockedRuns(self.keys)
        self._commands = CommandHandler(store, self._venues, self._clock, self, settings=settings)
        self.finished_runs = FinishedRunReconciler(store, self._venues, self._clock, lambda: self.lease)
        self.closer = WalletCloser(
            store,
            self._venues,
            self._clock,
            lambda: self.lease,
            self.finished_runs.guard,
            closed=self._look_at_finished_runs,
            fault_point=fault_point,
        )
        self.bars = BarRereader(store, self._venues, self._clock, lambda: self.lease)
        self.wallets = WalletRefresher(
            store, self._venues, settings, self._clock, lambda: self.lease, key_known=self._key_known
        )
        self._alerts = (
            AlertDelivery(store, settings, self._clock, lambda: self.lease) if settings.alerts.urls else None
        )
        self._watch = WatchKeeper(settings.home, settings.config, self._clock) if has_watch else None
        self._watch_trouble: str | None = None
        """Trouble of the watch as last recorded; None: not recorded yet."""
        self._workers: dict[str, RunWorker] = {}
        self._guard = threading.RLock()
        """Guards the workers: threads of commands start some, the host thread replaces them."""
        self._ended: SimpleQueue[tuple[RunWorker, Exception | None]] = SimpleQueue()
        self._failures: dict[str, deque[float]] = {}
        self._ending = threading.Event()
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None
        self._trouble = ""
        self._log_problem = ""
        self.failure = ""
        """Why this host ended by itself, for an operator; empty: it did not."""
        self.was_asked_to_stop = False
        """A command ended it: no other process may take its place by itself."""
        self._due = dict.fromkeys(_PERIODIC, 0.0)

    # --- life ------------------------------------------------------------------------------------

    @property
    def lease(self) -> Lease:
        """The claim under which this host writes and sends."""
        assert self._lease is not None, "the host was not started"
        return self._lease

    @property
    def is_running(self) -> bool:
        return self._thread is not None and not self._is_over.is_set()

    @property
    def trouble(self) -> str:
        """Why the heartbeat cannot be written, for an operator; empty: it can."""
        return self._trouble

    def start(self) -> None:
        """Take the engine lock, claim the store, recover the active runs and begin to pick up commands.

        Raises:
            EngineHeldError: another process holds the engine.
            StoreError: the store cannot be written.
            FirstwatchError: the system cannot start more threads.
        """
        self._lock.acquire()
        gc.set_threshold(*gc.get_threshold()[:2], _YOUNG_PER_FULL)
        try:
            self._claim()
            self._store.reserve_log()
            self._door.open()
            self._recover_runs("the engine started")
            self._commands.resume()
            self._thread = threading.Thread(target=self._run, name="engine host", daemon=True)
            self._thread.start()
            notify(READY)
            if self.keys.is_locked:
                unlock = partial(self.keys.unlock_by_file, self._ending.wait)
                threading.Thread(target=unlock, name="unlock", daemon=True).start()
        except BaseException as error:
            self._shut_down()
            if isinstance(error, RuntimeError):
                # ``threading`` raises this when the system gives no more threads.
                raise FirstwatchError(f"The engine could not start its threads: {error}.") from error
            raise

    def drain_and_stop(self) -> None:
        """Release every worker after its current event, then free the engine; takes under two seconds.

        Runs stay active and their protection stays at the venues: the next engine recovers them.
        """
        self.end_soon()
        self.wait()

    def end_soon(self) -> None:
        """As ``drain_and_stop``, without waiting: ``wait`` does."""
        self._ending.set()
        if self._thread is None:
            self._is_over.set()

    def close_wallet(self, command: StoredCommand) -> None:
        """Begin to close a wallet's positions without a run; the command is answered when that ends."""
        self.closer.begin(command)

    def stop_on_request(self) -> None:
        """End the engine soon, on a command."""
        self.was_asked_to_stop = True
        self.end_soon()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the host has freed the engine; return whether it has."""
        return self._is_over.wait(timeout_s)

    # --- for the command handler -----------------------------------------------------------------

    def launch(self, run_id: str, author: Author) -> None:
        """Start the worker of a run that was just created, unless it was recovered meanwhile."""
        try:
            self._start_worker(run_id, author, "launched", None)
        except StoreError as error:
            # The run is in the store: the host thread recovers it with the others.
            self.lease.lose(f"run {run_id} could not begin: {error}")

    def request(
        self, command: RunCommand, author: Author, handled: Callable[[str], None], until_ms: int | None
    ) -> bool:
        """Hand a command to the run's worker; False: the run has none."""
        with self._guard:
            worker = self._workers.get(command.run_id)
            if worker is None:
                return False
            worker.inbox.put(Asked(command, author, handled, until_ms))
            return True

    # --- the host thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        come_soon()
        try:
            while not self._ending.wait(_TICK_S):
                try:
                    self._tick()
                except (LeaseLostError, EpochLostError) as error:
                    self._reclaim(str(error))
                except StoreError as error:
                    self._note_trouble(str(error))
        except (LockLostError, StoreReplacedError) as error:
            self._end_for_good(str(error))
        except Exception:
            # Without this thread there is no heartbeat, so no worker can send: the next engine gets the lock.
            _log.exception("the engine host failed")
            self._end_for_good("The engine failed; its log says where")
        finally:
            try:
                self._shut_down()
            except Exception:
                _log.exception("not all of the engine could be closed")

    def _end_for_good(self, why: str) -> None:
        """Record why this host ends by itself."""
        self.failure = why
        _log.critical("%s", why)

    def _mark_runs_left(self) -> None:
        """Raise an alarm for each run that a failed host leaves; its worker has ended by now."""
        if not self.failure:
            return
        try:
            with self._store.write(self.lease.epoch) as session:
                for run_id in runs.active_run_ids(session):
                    unattended.mark_unattended(
                        session, run_id, unattended.STANDS_STILL, self.failure, now_ms=self._clock.now_ms()
                    )
        except FirstwatchError as error:
            # Another engine has the store by now, or the store is gone: only the log is left.
            _log.error("the alarm could not be written: %s", error)

    def _tick(self) -> None:
        """Do a bounded part of everything that is pending; the rest waits for the next tick."""
        self.lease.check()
        self.beat_if_due()
        self._handle_ended_workers()
        self._locked_runs.begin_if_unlocked(self.beat_if_due)
        self._commands.pick_up()
        self._store.fold_log_if_due()
        if self._is_due("finished runs", _FINISHED_RUNS_S):
            self.finished_runs.task.run_soon()
        if self.closer.has_work and self._is_due("closing", CLOSE_EVERY_S):
            self.closer.task.run_soon()
        if self._is_due("unattended", _UNATTENDED_S):
            self._start_unattended()
        if self._is_due("bars", _BARS_S):
            self.bars.task.run_soon()
        if self._is_due("wallets", LOOK_EVERY_S):
            self.wallets.task.run_soon()
        if self._is_due("log", _LOG_S):
            self._bound_log()
        if self._watch is not None and self._is_due("watch", _WATCH_S):
            self._keep_watch(self._watch)
        if self._alerts is not None and self._is_due("alerts", _ALERTS_S):
            self._alerts.task.run_soon()

    def beat_if_due(self) -> None:
        """Write the heartbeat if it is due. Called between any two steps of the host thread.

        Raises:
            LeaseLostError: the last one is too old.
        """
        if self._is_due("beat", _HEARTBEAT_S):
            self._beat(HostState.RUNNING, self._all_workers() if self._is_due("live", _LIVE_S) else ())

    def _is_due(self, name: str, every_s: float) -> bool:
        now_s = self._clock.elapsed_s()
        if now_s < self._due[name]:
            return False
        self._due[name] = now_s + every_s
        return True

    def _beat(self, state: HostState, workers: Sequence[RunWorker] = ()) -> None:
        """Write the heartbeat and, in the same transaction, the workers' live figures."""
        self._lock.verify()
        begun_at_s = self._clock.elapsed_s()
        lease = self.lease
        with self._written_live(workers) as session:
            hosts.beat(session, lease.epoch, state, now_ms=self._clock.now_ms())
        lease.renewed(begun_at_s)
        notify(ALIVE)
        if self._trouble:
            _log.warning("the heartbeat is written again")
            self._trouble = ""

    @contextmanager
    def _written_live(self, workers: Sequence[RunWorker]) -> Iterator[Session]:
        """Open a transaction that also writes the workers' live figures, those that have changed."""
        now_ms = self._clock.now_ms()
        found = ((worker, worker.live.changed(now_ms)) for worker in workers)
        changed = [(worker, status) for worker, status in found if status is not None]
        with self._store.write(self.lease.epoch, goes_first=True, waits_for_disk=False) as session:
            yield session
            live.upsert_live_status(session, [status for _, status in changed])
        for worker, status in changed:
            worker.live.written(status)

    def _key_known(self, venue: str, account: str, problem: str) -> None:
        for worker in self._all_workers():
            worker.key_read(venue, account, problem)

    def _all_workers(self) -> list[RunWorker]:
        # ``list`` is atomic under the GIL, so the heartbeat does not wait for the guard.
        return list(self._workers.values())

    def _bound_log(self) -> None:
        """Keep the store's write-ahead log bounded, and log what keeps it from shrinking."""
        problem = self._store.bound_log()
        if problem != self._log_problem:
            _log.warning("%s", problem or "the log of the store is short again")
        self._log_problem = problem

    def _keep_watch(self, keeper: WatchKeeper) -> None:
        """Keep the process of the first watch alive from the first run on; its death is an alarm of runs."""
        if keeper.pid is None and not keeper.trouble:
            with self._store.read() as session:
                if not watch.runs_to_watch(session, now_ms=self._clock.now_ms()):
                    return
        keeper.keep()
        if keeper.trouble == self._watch_trouble:
            return
        with self._store.write(self.lease.epoch) as session:
            _record_watch(session, keeper.trouble, self._clock.now_ms())
        self._watch_trouble = keeper.trouble

    def _note_trouble(self, sentence: str) -> None:
        if sentence != self._trouble:
            _log.error("%s", sentence)
        self._trouble = sentence

    # --- the lease -------------------------------------------------------------------------------------

    def _claim(self) -> None:
        with self._store.write() as session:
            epoch = hosts.claim_host(
                session,
                pid=os.getpid(),
                host_name=platform.node(),
                version=__version__,
                now_ms=self._clock.now_ms(),
            )
            NONCES.seed(orders.highest_nonce(session))
        self._lease = Lease(epoch, self._clock)
        self._due["beat"] = 0.0

    def _reclaim(self, why: str) -> None:
        """Claim the store again and recover all runs: this process was suspended, or could not write."""
        _log.warning("recovering: %s", why)
        self.lease.lose(why)
        # If another process claimed the store, it holds the lock file of that name: then this one ends.
        self._lock.verify()
        with self._guard:
            for worker in self._workers.values():
                worker.release()
            try:
                self._claim()
                self._recover_runs(why)
                self._commands.resume_requests()
            except StoreError as error:
                # Some runs may have no worker now. The next tick finds the lease lost and starts over.
                self.lease.lose(str(error))
                self._note_trouble(str(error))

    def _recover_runs(self, why: str) -> None:
        """Start a worker for each active run. Where the lease is lost meanwhile the next tick starts over."""
        with self._store.read() as session:
            active = runs.active_run_ids(session)
        try:
            for run_id in active:
                self._start_worker(run_id, Author.SYSTEM, why, self._workers.get(run_id))
                self.beat_if_due()
        except LeaseLostError as error:
            _log.warning("the runs are recovered again: %s", error)

    # --- workers -----------------------------------------------------------------------------------

    def _start_worker(
        self, run_id: str, author: Author, why: str, predecessor: RunWorker | None, pause_s: float = 0.0
    ) -> None:
        """Replace ``predecessor`` by a new worker; do nothing if another one has, or the run is over.

        All under the guard: so what is read of the run is still true when its worker begins.
        """
        with self._guard:
            if self._ending.is_set() or self._workers.get(run_id) not in (None, predecessor):
                return
            try:
                with self._store.read() as session:
                    if runs.state_of(session, run_id).is_final:
                        return
                    plan = read_stored_run(session, run_id)
                    was_unattended = bool(unattended.unattended_topics(session, run_id))
                self._venues.require_key(plan.run.venue, plan.run.account, may_wait=False)
                startup = RunStartup(
                    plan,
                    self._venues.get(plan.run.venue),
                    author=author,
                    why=why,
                    max_slippage_bps=self._settings.limits.max_slippage_bps,
                    slice_delay_ms=round(self._settings.limits.slice_delay_s * 1000),
                    policy=self._settings.policy.responses,
                )
            except VaultLockedError as error:
                self._leave_without_worker(run_id)
                begin = partial(self._start_worker, run_id, author, why, None)
                self._locked_runs.add(run_id, begin)
                self._mark_unattended(run_id, unattended.LOCKED, f"vault locked: {error}")
                return
            except (WrongUseError, VenueError, DamagedRowError) as error:
                # Without venue, algorithm or rows a run has no worker; its protection rests at the venue.
                self._leave_without_worker(run_id)
                self._mark_unattended(run_id, unattended.STANDS_STILL, str(error))
                return
            worker = RunWorker(
                startup,
                self._store,
                self.lease,
                self._clock,
                fault_point=self._fault_point,
                ended=lambda worker, error: self._ended.put((worker, error)),
                predecessor=predecessor,
                pause_s=pause_s,
            )
            try:
                worker.start()
            except RuntimeError as error:
                # ``threading`` raises this when the system gives no more threads.
                self._leave_without_worker(run_id)
                self._mark_unattended(run_id, unattended.STANDS_STILL, f"it gets no thread: {error}")
                return
            self._workers[run_id] = worker
            if self._ending.is_set():
                # The others may have been released already, just before it was among them.
                worker.release()
            if was_unattended:
                with self._store.write(self.lease.epoch) as session:
                    unattended.clear_unattended(session, run_id, now_ms=self._clock.now_ms())

    def _leave_without_worker(self, run_id: str) -> None:
        """Drop a run's last worker, which has no successor: commands for the run are then refused."""
        worker = self._workers.pop(run_id, None)
        if worker is not None:
            worker.close_subscription()

    def _mark_unattended(self, run_id: str, topic: str, why: str) -> None:
        with self._store.write(self.lease.epoch) as session:
            unattended.mark_unattended(session, run_id, topic, why, now_ms=self._clock.now_ms())

    def _start_unattended(self) -> None:
        """Try again to start the active runs without a worker: the obstacle may be gone."""
        with self._guard, self._store.read() as session:
            waiting = [run_id for run_id in runs.active_run_ids(session) if run_id not in self._workers]
        for run_id in waiting:
            if run_id not in self._locked_runs:
                self._start_worker(run_id, Author.SYSTEM, "the run had no worker", None)
                self.beat_if_due()

    def _handle_ended_workers(self) -> None:
        """Handle workers that ended: runs that are over, and workers that raised."""
        for _ in range(_ENDED_AT_ONCE):
            self.beat_if_due()
            try:
                worker, error = self._ended.get_nowait()
            except Empty:
                return
            with self._guard:
                # A worker may end before it was registered.
                if self._workers.get(worker.run_id) is not worker:
                    continue
            try:
                self._handle_ended(worker, error)
            except StoreError as trouble:
                # Nothing was done that was not written: once the store can be written, everything continues.
                raise LeaseLostError(f"a run could not be written: {trouble}") from trouble

    def _handle_ended(self, worker: RunWorker, error: Exception | None) -> None:
        if error is None:
            if worker.is_over:
                self._forget(worker)
        elif isinstance(error, DamagedRowError):
            self._leave_without_worker(worker.run_id)
            self._mark_unattended(worker.run_id, unattended.STANDS_STILL, str(error))
        elif isinstance(error, (LeaseLostError, EpochLostError, StoreError)):
            raise error
        else:
            self._recover_worker(worker, error)

    def _recover_worker(self, worker: RunWorker, error: Exception) -> None:
        """Recover a run whose worker raised; fail it when that happens too often."""
        run_id, now_s = worker.run_id, self._clock.elapsed_s()
        with self._store.read() as session:
            was_cancelled = runs.state_of(session, run_id).is_final
        if was_cancelled:
            # It was cancelled just before it began: there is nothing to recover.
            self._forget(worker)
            return
        failures = self._failures.setdefault(run_id, deque())
        failures.append(now_s)
        while failures[0] < now_s - _FAILURES_WITHIN_S:
            failures.popleft()
        reason = "the worker of this run failed, and the engine's log says where"
        if len(failures) <= len(_RECOVERY_PAUSES_S):
            pause_s = _RECOVERY_PAUSES_S[len(failures) - 1]
            when = f" in {pause_s:g} s" if pause_s else ""
            self._append(run_id, Noted(sentence=f"{reason}; the run is recovered{when}"))
            self._start_worker(run_id, Author.SYSTEM, reason, worker, pause_s)
            self._commands.resume_requests(run_id)
        else:
            self._fail(worker, f"{reason}, for the {len(failures)}th time in ten minutes")

    def _fail(self, worker: RunWorker, why: str) -> None:
        now_ms, run_id = self._clock.now_ms(), worker.run_id
        with self._store.write(self.lease.epoch) as session:
            run = runs.get_run(session, run_id)
            sentence = f"{why}. Protection was left at the venue: look at the wallet there."
            runs.transition(session, run_id, RunState.FAILED, why, author=Author.SYSTEM, local_time_ms=now_ms)
            facts = replace(run.facts, health=Health.UNKNOWN, exposure=Exposure.UNKNOWN, sentence=sentence)
            runs.update_side_facts(session, run_id, facts)
            alarm = AlarmRaised(topic=Hazard.CRASH_LOOP.topic, sentence=sentence)
            journal.append_system_events(session, run_id, [alarm], now_ms=now_ms)
        worker.close_subscription()
        self._forget(worker)

    def _forget(self, worker: RunWorker) -> None:
        with self._guard:
            if self._workers.get(worker.run_id) is worker:
                del self._workers[worker.run_id]
        self._failures.pop(worker.run_id, None)
        self._commands.resume_requests(worker.run_id)
        with self._written_live([worker]):
            pass
        self._look_at_finished_runs()

    def _look_at_finished_runs(self) -> None:
        self._due["finished runs"] = 0.0

    def _append(self, run_id: str, event: RunEvent) -> None:
        with self._store.write(self.lease.epoch) as session:
            journal.append_system_events(session, run_id, [event], now_ms=self._clock.now_ms())

    # --- the end -------------------------------------------------------------------------------------

    def _shut_down(self) -> None:
        """End all threads, the workers first, and free the lock. Runs stay as they are.

        Each step is taken whatever those before it raise; the lock is freed last.
        """
        self._ending.set()
        notify(STOPPING)
        with ExitStack() as last_first:
            last_first.callback(self._is_over.set)
            last_first.callback(self._lock.release)
            last_first.callback(self._release_lease)
            last_first.callback(self._mark_runs_left)
            last_first.callback(self._join_requests)
            # After the workers, so that no feed continues without a run that was released before the others.
            for part in (
                self._venues,
                self.wallets,
                self.bars,
                self.finished_runs,
                self.closer,
                self._door,
                self._commands,
            ):
                last_first.callback(part.close)
            if self._watch is not None:
                last_first.callback(self._watch.close)
            if self._alerts is not None:
                last_first.callback(self._alerts.close)
            last_first.callback(self._drain_workers)

    def _drain_workers(self) -> None:
        workers = self._all_workers()
        for worker in workers:
            worker.release()
        deadline_s = self._clock.elapsed_s() + _DRAIN_S
        for worker in workers:
            worker.join(max(0.0, deadline_s - self._clock.elapsed_s()))

    def _join_requests(self) -> None:
        """Wait for the requests' threads, which end with their venues."""
        deadline_s = self._clock.elapsed_s() + _DRAIN_S
        for worker in self._all_workers():
            worker.join_requests(max(0.0, deadline_s - self._clock.elapsed_s()))

    def _release_lease(self) -> None:
        """Write the last heartbeat; from here on nothing is sent under this host's claim."""
        if self._lease is None:
            return
        try:
            if not (self._lease.is_lost or self.failure):
                self._beat(HostState.STOPPED_ON_REQUEST if self.was_asked_to_stop else HostState.STOPPED)
        except FirstwatchError as error:
            _log.warning("the last heartbeat could not be written: %s", error)
        finally:
            # A worker that has not ended yet must not send beside the next holder of the lock.
            self._lease.lose("the engine has ended")


def _record_watch(session: Session, trouble: str, now_ms: int) -> None:
    """Raise the alarm of a watch that does not run for each active run, or clear it wherever it is active."""
    if trouble:
        alarm = AlarmRaised(topic=_WATCH, sentence=trouble)
        for run_id in runs.active_run_ids(session):
            journal.append_system_events(session, run_id, [alarm], now_ms=now_ms)
        return
    for active in alarms.active_alarms(session):
        if active.topic == _WATCH:
            cleared = AlarmCleared(topic=_WATCH)
            journal.append_system_events(session, active.run_id, [cleared], now_ms=now_ms)
