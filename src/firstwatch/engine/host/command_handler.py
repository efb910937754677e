"""Picks up commands: each is checked, performed and answered with a sentence."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from shlex import quote
from typing import Protocol

from firstwatch.engine.agent_check import command_problem
from firstwatch.engine.launch.facts import LaunchFacts
from firstwatch.engine.launch.gather import gather, preview
from firstwatch.engine.lease import Lease
from firstwatch.engine.reconciliation.closing import used_by
from firstwatch.engine.venue_registry import VenueRegistry
from firstwatch.engine.worker.unattended import clear_unattended
from firstwatch.market.assumed import assumption
from firstwatch.settings import Settings
from firstwatch.store import agents, algorithms, commands, journal, orders, paper, runs, wallets
from firstwatch.store.commands import StoredCommand
from firstwatch.store.database import EpochLostError, Session, Store
from firstwatch.trading.clock import Clock
from firstwatch.trading.commands import (
    CancelRun,
    ClosePosition,
    CloseWallet,
    CommandOutcome,
    FundWallet,
    PauseEntries,
    PreviewLaunch,
    ResumeEntries,
    RunCommand,
    StartRun,
    StopEngine,
    StopRun,
)
from firstwatch.trading.errors import DamagedRowError, FirstwatchError, RefusedError, WrongUseError
from firstwatch.trading.events import CheckWaived, CoreNoted, Noted, RunEvent
from firstwatch.trading.launch import CheckResult, LaunchPreview
from firstwatch.trading.notes import NoteCode
from firstwatch.trading.runs import Author, RunState, StopMode
from firstwatch.venues.registry import is_paper
from firstwatch.watch.locking import lock_at_launch

_AT_ONCE = 50
"""Most commands picked up in one tick."""
_THREADS = 2
"""Most commands that wait for venues at the same time."""

_log = logging.getLogger(__name__)


class Engine(Protocol):
    """Interface of the host for a command handler."""

    @property
    def lease(self) -> Lease: ...

    def launch(self, run_id: str, author: Author) -> None:
        """Start the worker of a run that was just created."""

    def request(
        self, command: RunCommand, author: Author, handled: Callable[[str], None], until_ms: int | None
    ) -> bool:
        """Hand a command to the run's worker; False: the run has none.

        ``until_ms``: wall time after which the command must not be followed any more; None: it never expires.
        """

    def close_wallet(self, command: StoredCommand) -> None:
        """Begin to close a wallet's positions; the command is answered when that ends."""

    def stop_on_request(self) -> None:
        """Drain and free the engine soon, on a command."""

    def beat_if_due(self) -> None:
        """Write the engine's heartbeat if it is due: called between two commands."""


class CommandHandler:
    """Performs commands for one host. ``pick_up`` waits for no venue: such commands run in other threads."""

    def __init__(
        self, store: Store, venues: VenueRegistry, clock: Clock, engine: Engine, *, settings: Settings
    ) -> None:
        self._store = store
        self._venues = venues
        self._clock = clock
        self._engine = engine
        self._settings = settings
        self._to_perform: deque[StoredCommand] = deque()
        """Accepted commands; each stays until it was performed without an error."""
        self._pool = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="command")

    def pick_up(self) -> None:
        """Answer or hand over the oldest pending commands, ``_AT_ONCE`` at most."""
        with self._store.read() as session:
            pending = commands.pending_commands(session, _AT_ONCE)
        if pending:
            with self._store.write(self._engine.lease.epoch) as session:
                accepted = [self._accept(session, number) for number in pending]
            self._to_perform.extend(command for command in accepted if command is not None)
        while self._to_perform:
            self._perform(self._to_perform[0])
            self._to_perform.popleft()
            self._engine.beat_if_due()

    def resume(self) -> None:
        """Perform again what an earlier process accepted and did not finish; each command is idempotent.

        A command that would take new risk is refused once it has expired.
        """
        self._start_threads()
        now_ms = self._clock.now_ms()
        for command in self._accepted():
            if isinstance(command.command, StopEngine):
                # That engine has ended; this one was started after the command.
                self._finish(command, CommandOutcome.DONE, "the engine has ended")
            elif isinstance(command.command, StartRun | ResumeEntries) and command.expires_at_ms <= now_ms:
                sentence = "the engine ended before it was performed, and it has expired; send it again"
                self._finish(command, CommandOutcome.REFUSED, sentence)
            else:
                self._perform(command)
            self._engine.beat_if_due()

    def _start_threads(self) -> None:
        """Start the threads now: a command that got none later would be refused and still performed.

        Raises:
            RuntimeError: the system cannot start more threads.
        """
        all_started = threading.Barrier(_THREADS + 1)
        for _ in range(_THREADS):
            self._pool.submit(all_started.wait)
        all_started.wait()

    def resume_requests(self, run_id: str | None = None) -> None:
        """Hand over again the commands that a run's last worker has not answered; None: of all runs."""
        for command in self._accepted():
            is_request = command.run_id is not None and not isinstance(command.command, StartRun)
            if is_request and run_id in (None, command.run_id):
                self._perform(command)
                self._engine.beat_if_due()

    def _accepted(self) -> list[StoredCommand]:
        with self._store.read() as session:
            numbers = commands.accepted_commands(session)
        if not numbers:
            return []
        with self._store.write(self._engine.lease.epoch) as session:
            found = [self._read(session, number) for number in numbers]
        return [command for command in found if command is not None]

    def close(self) -> None:
        """Start no further command; those under way end by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    # --- checks at pick-up -----------------------------------------------------------------------

    def _accept(self, session: Session, number: int) -> StoredCommand | None:
        """Check expiry and target and journal the command. Return it, if it is to be performed."""
        now_ms = self._clock.now_ms()
        command = self._read(session, number)
        if command is None:
            return None
        if command.expires_at_ms <= now_ms:
            waited_s = (now_ms - command.created_at_ms) / 1000
            sentence = f"expired: no engine picked it up within {_lifetime_s(command):g} s ({waited_s:.0f} s)"
            commands.finish_command(session, number, CommandOutcome.EXPIRED, sentence, now_ms=now_ms)
            return None
        problem = command_problem(session, command, self._settings.agents, now_ms=now_ms)
        problem = problem or _target_problem(session, command)
        if problem:
            commands.finish_command(session, number, CommandOutcome.REFUSED, problem, now_ms=now_ms)
            return None
        commands.accept_command(session, number, now_ms=now_ms)
        if command.run_id is not None and not isinstance(command.command, StartRun):
            what = f"{_describe(command)}{_asker(session, command)}"
            journal.append_events(
                session,
                command.run_id,
                [Noted(sentence=f"command {number} picked up: {what}")],
                author=command.author,
                venue_time_ms=None,
                local_time_ms=now_ms,
            )
        return command

    def _read(self, session: Session, number: int) -> StoredCommand | None:
        """Return a command; one that cannot be read, or that this program does not know, is refused."""
        try:
            return commands.get_command(session, number)
        except DamagedRowError as error:
            commands.finish_command(
                session, number, CommandOutcome.REFUSED, str(error), now_ms=self._clock.now_ms()
            )
            return None

    # --- performing ------------------------------------------------------------------------------

    def _perform(self, stored: StoredCommand) -> None:
        command = stored.command
        match command:
            case FundWallet():
                self._answered(stored, lambda: self._fund(stored, command))
            case PreviewLaunch():
                self._pool.submit(self._answered, stored, lambda: self._preview(stored, command))
            case StartRun():
                self._pool.submit(self._answered, stored, lambda: self._start(stored, command))
            case StopEngine():
                self._finish(stored, CommandOutcome.DONE, "the engine ends; active runs stay active")
                self._engine.stop_on_request()
            case CloseWallet():
                self._engine.close_wallet(stored)
            case StopRun() | PauseEntries() | ResumeEntries() | CancelRun() | ClosePosition():
                self._request(stored, command)

    def _answered(self, stored: StoredCommand, act: Callable[[], None]) -> None:
        """Perform a command; a refusal of any kind becomes its outcome."""
        try:
            act()
        except EpochLostError:
            # Another engine has the store now; it finds the command accepted and performs it.
            _log.warning("command %d is left to the next engine", stored.id)
        except FirstwatchError as error:
            self._finish(stored, CommandOutcome.REFUSED, str(error))
        except Exception:
            _log.exception("command %d failed", stored.id)
            self._finish(stored, CommandOutcome.REFUSED, "the engine failed at this; its log says where")

    def _fund(self, stored: StoredCommand, command: FundWallet) -> None:
        now_ms = self._clock.now_ms()
        with self._store.write(self._engine.lease.epoch) as session:
            wallet = wallets.get_wallet(session, command.wallet)
            if not is_paper(wallet.kind):
                raise RefusedError(
                    f"the wallet {wallet.name} is at {wallet.venue}, which takes no play money; fund it there"
                )
            paper.deposit(session, wallet.venue, wallet.account, command.amount, now_ms=now_ms)
            sentence = f"{command.amount:,.2f} of play money for the wallet {wallet.name}"
            commands.finish_command(session, stored.id, CommandOutcome.DONE, sentence, now_ms=now_ms)

    def _preview(self, stored: StoredCommand, command: PreviewLaunch) -> None:
        seen = self._judge(command)[1]
        self._finish(stored, CommandOutcome.DONE, _verdict(seen), result_json=seen.model_dump_json())

    def _judge(self, command: PreviewLaunch | StartRun) -> tuple[LaunchFacts, LaunchPreview]:
        now_ms = self._clock.now_ms()
        share = self._settings.limits.capital_share
        facts = gather(self._store, self._venues, command.settings, capital_share=share, now_ms=now_ms)
        return facts, preview(facts, self._clock.now_ms())

    def _start(self, stored: StoredCommand, command: StartRun) -> None:
        with self._store.read() as session:
            started = runs.find_run(session, command.run_id)
        if started is not None:
            self._finish(stored, CommandOutcome.DONE, f"run {command.run_id} was started already")
            return
        facts, seen = self._judge(command)
        result = seen.model_dump_json()
        if seen.refused_by:
            self._finish(stored, CommandOutcome.REFUSED, _verdict(seen), result_json=result)
            return
        reason = (command.settings.accepted_warnings or "").strip()
        if seen.warnings and not reason:
            sentence = f"{_found(seen.warnings)}: launch it with a written reason to accept this"
            self._finish(stored, CommandOutcome.REFUSED, sentence, result_json=result)
            return
        if facts.is_mainnet and command.settings.confirmed_name is None:
            sentence = (
                f"{facts.venue} is a main network, real money: send it again with the run's name typed,"
                f" {command.settings.name} (`run start --confirm {quote(command.settings.name)}`)"
            )
            self._finish(stored, CommandOutcome.REFUSED, sentence, result_json=result)
            return
        run = self._create(stored, command, facts, _launch_rows(seen, reason, facts), result)
        self._engine.launch(run.id, stored.author)

    def _create(
        self,
        stored: StoredCommand,
        command: StartRun,
        facts: LaunchFacts,
        rows: list[RunEvent],
        result: str,
    ) -> runs.Run:
        """Write the run, its first journal rows, its recipe and the command's outcome in one transaction."""
        assert facts.market is not None
        settings, now_ms = facts.settings, self._clock.now_ms()
        with self._store.write(self._engine.lease.epoch) as session:
            if commands.is_closing(session, settings.wallet):
                raise RefusedError(
                    f"what the wallet {settings.wallet} holds is being closed; launch again once it is flat"
                )
            version = algorithms.get_version(session, settings.algorithm, settings.version)
            run = runs.create_run(
                session,
                command.run_id,
                wallet_id=wallets.get_wallet(session, settings.wallet).id,
                version_id=version.id,
                settings=settings,
                market=facts.market,
                author=stored.author,
                now_ms=now_ms,
                why=f"launch of {version.label} on {settings.symbol}",
            )
            journal.append_events(
                session, run.id, rows, author=stored.author, venue_time_ms=None, local_time_ms=now_ms
            )
            if facts.spec is not None and facts.next_open_ms is not None:
                lock_at_launch(session, run, facts.spec, begin_ms=facts.next_open_ms, now_ms=now_ms)
            sentence = f"run {run.id} of {version.label} on {settings.symbol} started"
            commands.finish_command(
                session, stored.id, CommandOutcome.DONE, sentence, now_ms=now_ms, result_json=result
            )
        return run

    def _request(self, stored: StoredCommand, command: RunCommand) -> None:
        # Only a command that takes new risk expires while it waits for the run: reducing risk never does.
        until_ms = stored.expires_at_ms if isinstance(command, ResumeEntries) else None
        handled = partial(self._answer, stored, _done(command))
        if self._engine.request(command, stored.author, handled, until_ms):
            return
        if isinstance(command, CancelRun) and self._cancel_unbegun(stored, command):
            return
        with self._store.read() as session:
            why = runs.sentence_of(session, command.run_id) or "see its journal"
        self._finish(stored, CommandOutcome.REFUSED, f"run {command.run_id} has no worker now: {why}")

    def _answer(self, stored: StoredCommand, done: str, refusal: str) -> None:
        """Write the run's answer to a command; one handed to two workers is answered once."""
        outcome = CommandOutcome.REFUSED if refusal else CommandOutcome.DONE
        with self._store.write(self._engine.lease.epoch) as session:
            if not commands.get_command(session, stored.id).is_finished:
                commands.finish_command(
                    session, stored.id, outcome, refusal or done, now_ms=self._clock.now_ms()
                )

    def _cancel_unbegun(self, stored: StoredCommand, command: CancelRun) -> bool:
        """Cancel a run that never got a worker; return whether it was NEW and without an order."""
        now_ms = self._clock.now_ms()
        with self._store.write(self._engine.lease.epoch) as session:
            if runs.state_of(session, command.run_id) is not RunState.NEW:
                return False
            if orders.orders_of(session, command.run_id):
                return False
            why = "cancelled before it began"
            runs.transition(
                session, command.run_id, RunState.CANCELLED, why, author=stored.author, local_time_ms=now_ms
            )
            clear_unattended(session, command.run_id, now_ms=now_ms)
            commands.finish_command(
                session, stored.id, CommandOutcome.DONE, "the run is cancelled", now_ms=now_ms
            )
        return True

    def _finish(
        self, stored: StoredCommand, outcome: CommandOutcome, sentence: str, *, result_json: str | None = None
    ) -> None:
        with self._store.write(self._engine.lease.epoch) as session:
            commands.finish_command(
                session, stored.id, outcome, sentence, now_ms=self._clock.now_ms(), result_json=result_json
            )


_LEAVES = {
    StopMode.LEAVE: "position and protection stay at the venue",
    StopMode.LEAVE_UNPROTECTED: "the position stays, its protection is cancelled",
    StopMode.CLOSE: "the position is closed, then its protection is cancelled",
}


def _done(command: RunCommand) -> str:
    """Return the answer to a command that the run has followed."""
    match command:
        case StopRun(mode=mode):
            return f"the run is stopping: {_LEAVES[mode]}"
        case PauseEntries():
            return "entries are paused"
        case ResumeEntries():
            return "entries are resumed"
        case CancelRun():
            return "the run is cancelled"
        case ClosePosition():
            return "the position is being closed; entries are paused"


def _target_problem(session: Session, command: StoredCommand) -> str:
    """Return why the command no longer fits its target; empty: it does."""
    if isinstance(command.command, CloseWallet):
        return _wallet_problem(session, command.command.wallet)
    if command.run_id is None or isinstance(command.command, StartRun):
        return ""
    try:
        run = runs.find_run(session, command.run_id)
    except DamagedRowError as error:
        return str(error)
    if run is None:
        return f"there is no run {command.run_id}; `firstwatch run list` shows them"
    if run.state.is_final:
        return f"run {run.id} is {run.state} already"
    if command.expected_state is not None and run.state is not command.expected_state:
        return (
            f"run {run.id} is now {run.state}, not {command.expected_state}; check the run and decide again"
        )
    if isinstance(command.command, CancelRun) and run.state is not RunState.NEW:
        return f"run {run.id} is {run.state}: only a run that is NEW can be cancelled; stop it instead"
    return ""


def _wallet_problem(session: Session, name: str) -> str:
    """Return why a wallet's positions cannot be closed; empty: they can."""
    try:
        wallet = wallets.get_wallet(session, name)
    except (WrongUseError, DamagedRowError) as error:
        return str(error)
    run_id = wallets.active_run_id(session, wallet.id)
    return "" if run_id is None else used_by(run_id, name)


def _launch_rows(seen: LaunchPreview, reason: str, facts: LaunchFacts) -> list[RunEvent]:
    rows: list[RunEvent] = [
        CheckWaived(check=check.name, found=check.found, reason=reason) for check in seen.warnings
    ]
    if facts.market is not None and facts.condition is not None and facts.condition.assumed:
        sentence = assumption(facts.market, facts.condition.assumed)
        rows.append(CoreNoted(code=NoteCode.ASSUMED_MARKET, sentence=sentence))
    rows.append(Noted(sentence=seen.assume_position))
    if facts.settings.reset is not None:
        rows.append(Noted(sentence="reset and follow-up chain override the version's own"))
    if facts.settings.without_stop_reason:
        rows.append(Noted(sentence=f"runs without a stop: {facts.settings.without_stop_reason}"))
    return rows


def _found(warnings: Sequence[CheckResult]) -> str:
    """Return the findings of soft checks, each once: without a baseline several find the same."""
    return "; ".join(dict.fromkeys(check.found for check in warnings))


def _verdict(seen: LaunchPreview) -> str:
    if seen.refused_by:
        return "; ".join(f"{check.found} ({check.remedy})" for check in seen.reasons)
    if seen.warnings:
        return f"can start with a written reason: {_found(seen.warnings)}"
    return "can start"


def _describe(command: StoredCommand) -> str:
    words = command.command.kind.replace("_", " ")
    return (
        f"{words} ({command.command.mode.replace('_', ' ')})"
        if isinstance(command.command, StopRun)
        else words
    )


def _asker(session: Session, command: StoredCommand) -> str:
    """Return which agent asked for a command, to follow its description; empty: none did."""
    if command.act_id is None:
        return ""
    return f", for the agent {agents.act_by_id(session, command.act_id).caller.name}"


def _lifetime_s(command: StoredCommand) -> float:
    return (command.expires_at_ms - command.created_at_ms) / 1000
