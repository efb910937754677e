"""The worker of a run: a thread around one ``RunCore`` that stores its records and performs its effects."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, count
from queue import Empty, SimpleQueue

from firstwatch.engine.core import effects, inputs
from firstwatch.engine.core.records import Step
from firstwatch.engine.core.run_core import RunCore
from firstwatch.engine.lease import Lease
from firstwatch.engine.niceness import come_soon
from firstwatch.engine.worker import unattended
from firstwatch.engine.worker.executor import EffectExecutor
from firstwatch.engine.worker.live_status import LiveFigures
from firstwatch.engine.worker.protection_proof import ProtectionProof
from firstwatch.engine.worker.requests import RequestsInFlight
from firstwatch.engine.worker.startup import RunStartup
from firstwatch.engine.worker.step_writer import CallTouches, Part, StepMetadata, Written, persist
from firstwatch.store.database import Store
from firstwatch.store.turn import Turn
from firstwatch.trading.clock import Clock
from firstwatch.trading.commands import CancelRun, RunCommand, StopRun
from firstwatch.trading.errors import VenueError
from firstwatch.trading.fault_points import FaultPoint
from firstwatch.trading.runs import Author, RunState
from firstwatch.venues.protocol import BarClosed, FeedEnded, PhaseEnded

TICK_S = 1.0
_LATEST_TICK_S = 2.0
_MOST_EVENTS = 16
"""Events that one transaction stores at most."""
_PAUSE_S = 0.05
"""A tick that is due waits until no event has come for so long, at most until ``_LATEST_TICK_S``."""
DRAIN_S = 1.0
"""How long a released worker waits for its requests in flight."""
_LONGEST_RETRY_S = 30.0
_LONGEST_EXPOSED_RETRY_S = 2.0
_ANNOUNCEMENT_S = 15.0
_STALE_SHARE = 0.05
_STALE_LEAST_MS = 10_000

# The GIL lets one thread compute at a time, and SQLite gives it away at each statement: runs that step at
# once hand it to and fro, a hundred times for each bar. While one waits for the disk, the next one computes;
# what follows from a decision goes before the decisions of others, so that no order waits for them.
_COMPUTING = Turn()

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """A command for the run, and the callback once it was handled."""

    command: RunCommand
    author: Author
    handled: Callable[[str], None]
    """Called with the reason of a refusal; empty: the command was followed."""
    until_ms: int | None = None
    """Wall time after which the command must not be followed any more; None: it never expires."""


@dataclass(frozen=True, slots=True)
class _Wake:
    """Wakes the worker, to check whether it should end."""


@dataclass(frozen=True, slots=True)
class _RequestEnded:
    """The end of a request made in another thread: its outcome, or what it raised."""

    ended: inputs.Event | Exception


Item = inputs.Event | Asked | _Wake | _RequestEnded
"""An item of a worker's inbox."""


class RunWorker:
    """One run's thread.

    ``ended`` is called by the thread as its last act: with None when the run is over or the worker was
    released, with the error otherwise. It must not block.
    """

    def __init__(
        self,
        startup: RunStartup,
        store: Store,
        lease: Lease,
        clock: Clock,
        *,
        fault_point: FaultPoint,
        ended: Callable[["RunWorker", Exception | None], None],
        predecessor: "RunWorker | None" = None,
        pause_s: float = 0.0,
    ) -> None:
        """Make a worker that is not started.

        ``predecessor``: the run's last worker, which it replaces. It begins after ``pause_s``, or as soon as
        an operator sends a command.
        """
        self.run_id = startup.setup.run_id
        self.lease = lease
        self.is_over = False
        """The run itself has ended, according to its core."""
        self.inbox: SimpleQueue[Item] = SimpleQueue()
        self.live = LiveFigures(self.run_id, startup.setup.market)
        self._startup = startup
        self._venue = startup.venue
        self._store = store
        self._clock = clock
        self._fault_point = fault_point
        self._ended = ended
        self._predecessor = predecessor
        self._pause_s = pause_s
        self._is_released = False
        self._proof = ProtectionProof(startup, store, lease, clock)
        self._executor = EffectExecutor(
            startup.venue, startup.setup, lease, fault_point, startup.stored.prepared
        )
        self._delivered_from_ms: int | None = None
        """Open time of the first bar that the subscription has delivered."""
        self._in_flight = RequestsInFlight(
            f"request of {self.run_id}", lambda ended: self.inbox.put(_RequestEnded(ended))
        )
        self._backlog: deque[Item] = deque()
        """Items that came during startup; handled before the inbox."""
        self._written = Written()
        self._ticked_at_s = clock.elapsed_s()
        self._was_stale = False
        self._thread = threading.Thread(target=self._run, name=f"run {self.run_id}", daemon=True)

    def key_read(self, venue: str, account: str, problem: str) -> None:
        """Pass on to the run whether the key of an account may trade, if the account is its own."""
        if (venue, account) == (self._venue.name, self._startup.setup.account):
            self.inbox.put(inputs.KeyRead(problem, self._venue.now_ms()))

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def release(self) -> None:
        """End soon and leave the run as it is: after the current event and the outcomes of its requests.

        Does not wait. A request without an outcome after ``DRAIN_S`` is resolved by the run's next worker.

        The subscription stays open, so that a feed with phases stands still until the venue is closed or the
        run's next worker has taken over.
        """
        self._is_released = True
        self.inbox.put(_Wake())

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread's end; return whether it ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def join_requests(self, timeout_s: float) -> bool:
        """Wait for the requests' threads, which a closed venue ends; return whether they have ended."""
        return self._in_flight.wait(timeout_s)

    def close_subscription(self) -> None:
        """Close the subscription, so that the feed no longer waits for this run. Idempotent."""
        self._executor.unsubscribe()

    def _run(self) -> None:
        come_soon()
        error: Exception | None = None
        try:
            core = self._begin()
            if core is not None:
                self._work(core)
            if self.is_over:
                self.close_subscription()
        except Exception as raised:
            error = raised
            _log.exception("the worker of run %s ended", self.run_id)
        finally:
            self._in_flight.close()
            self._ended(self, error)

    # --- startup ---------------------------------------------------------------------------------

    def _begin(self) -> RunCore | None:
        """Subscribe, read the venue, give the core its first event; None: released or over before that."""
        if self._pause_s and self._wait_or_released(self._pause_s):
            return None
        core = self._startup.make_core()
        for attempt in count():
            if self._is_called_off(core):
                self._clear_unattended(attempt)
                return None
            try:
                if not self._executor.is_subscribed:
                    self._subscribe(core)
                self._await_feed_position()
                event = self._not_proven() or self._startup.first_event(
                    core, self._executor, self._store, self.lease, before_ms=self._delivered_from_ms
                )
            except VenueError as error:
                _log.warning("run %s cannot begin yet: %s", self.run_id, error)
                self._executor.mark_unreachable()
                if attempt == 0:
                    self._mark_unattended(str(error))
            else:
                self._clear_unattended(attempt)
                self._handle(core, event)
                return core
            # A run with exposure may be unprotected: retry quickly until the venue answers.
            has_risk = core.exposed_steps or core.open_orders()
            longest_s = _LONGEST_EXPOSED_RETRY_S if has_risk else _LONGEST_RETRY_S
            if self._wait_or_released(min(TICK_S * 2 ** min(attempt, 10), longest_s)):
                return None
        return None

    def _not_proven(self) -> inputs.FailRequested | None:
        """Prove the protection of a new run; if that fails, return the event that ends it."""
        problem = self._proof.problem()
        return inputs.FailRequested(problem, self._venue.now_ms()) if problem else None

    def _mark_unattended(self, why: str) -> None:
        with self._store.write(self.lease.epoch) as session:
            unattended.mark_unattended(
                session, self.run_id, unattended.STANDS_STILL, why, now_ms=self._clock.now_ms()
            )

    def _clear_unattended(self, attempts: int) -> None:
        if attempts:
            with self._store.write(self.lease.epoch) as session:
                unattended.clear_unattended(session, self.run_id, now_ms=self._clock.now_ms())

    def _subscribe(self, core: RunCore) -> None:
        # Subscribing comes before reading: a feed with phases then stands still, and no event is missed.
        self._startup.request_history()
        self._executor.subscribe(self.inbox.put, after_ms=self._startup.last_bar_ms(core) or None)
        if self._predecessor is not None:
            self._predecessor.close_subscription()
            self._predecessor = None

    def _await_feed_position(self) -> None:
        """Wait for what a feed with phases sends a new subscriber: its current bar is not a past one."""
        if not self._venue.capabilities.has_phases:
            return
        deadline_s = self._clock.elapsed_s() + _ANNOUNCEMENT_S
        while not self._is_released and (left_s := deadline_s - self._clock.elapsed_s()) > 0:
            if any(isinstance(item, PhaseEnded | FeedEnded) for item in self._backlog):
                return
            try:
                item = self.inbox.get(timeout=left_s)
            except Empty:
                return
            self._backlog.append(item)
            if isinstance(item, BarClosed) and item.timeframe is self._startup.setup.timeframe:
                self._delivered_from_ms = item.bar.time_ms

    def _wait_or_released(self, seconds: float) -> bool:
        """Wait for the next attempt or a command; return whether the worker was released meanwhile."""
        deadline_s = self._clock.elapsed_s() + seconds
        while not self._is_released and (left_s := deadline_s - self._clock.elapsed_s()) > 0:
            try:
                self._backlog.append(self.inbox.get(timeout=left_s))
            except Empty:
                break
            if isinstance(self._backlog[-1], Asked):
                break
        return self._is_released

    def _is_called_off(self, core: RunCore) -> bool:
        """Follow a cancel or stop of a run that could not begin yet; return whether the run is over."""
        for item in list(self._backlog) if self._startup.is_new else ():
            if isinstance(item, Asked) and isinstance(item.command, CancelRun | StopRun):
                self._backlog.remove(item)
                if self._proof.has_orders:
                    why = "called off when orders had been sent to prove the protection"
                    item.handled(self._handle(core, inputs.FailRequested(why, self._venue.now_ms())))
                else:
                    item.handled(self._follow(core, item))
        return self.is_over

    # --- working ---------------------------------------------------------------------------------

    def _work(self, core: RunCore) -> None:
        while not self._has_ended:
            item = self._next_item()
            if item is not None:
                self._handle_item(core, item)
            # At the close of a bar all runs have work: their clocks wait for the pause after it.
            longest_s = TICK_S if item is None else _LATEST_TICK_S
            if self._since_tick_s() >= longest_s and not self._has_ended:
                self._tick(core)
        self._drain_requests(core)

    @property
    def _has_ended(self) -> bool:
        return self.is_over or self._is_released

    def _next_item(self) -> Item | None:
        """Wait for the next item; None: none came until a tick is due."""
        if self._backlog:
            return self._backlog.popleft()
        try:
            return self.inbox.get(timeout=max(_PAUSE_S, TICK_S - self._since_tick_s()))
        except Empty:
            return None

    def _drain_requests(self, core: RunCore) -> None:
        """Handle the outcomes of requests in flight for at most ``DRAIN_S``; leave everything else."""
        deadline_s = self._clock.elapsed_s() + DRAIN_S
        while self._in_flight.are_under_way and not self.is_over:
            left_s = deadline_s - self._clock.elapsed_s()
            if left_s <= 0:
                return
            try:
                item = self.inbox.get(timeout=left_s)
            except Empty:
                return
            if isinstance(item, _RequestEnded):
                self._handle_item(core, item)

    def _handle_item(self, core: RunCore, item: Item) -> None:
        match item:
            case Asked():
                item.handled(self._follow(core, item))
            case _RequestEnded(ended):
                self._in_flight.taken()
                if isinstance(ended, Exception):
                    raise ended
                self._handle(core, ended)
            case _Wake():
                pass
            case _:
                self._handle(core, item)

    def _follow(self, core: RunCore, asked: Asked) -> str:
        """Follow a command; return why it was refused, empty if it was followed."""
        if asked.until_ms is not None and self._clock.now_ms() >= asked.until_ms:
            return "it has expired before the run could follow it; send it again"
        return self._handle(core, inputs.OperatorRequest(asked.command, asked.author, self._venue.now_ms()))

    def _handle(self, core: RunCore, event: inputs.Event) -> str:
        """Handle one event and all that follows from it at once; return why it was refused, empty if it was
        not.

        Requests are made in threads of their own. On a feed with phases, which stands still until everything
        is done, they are made here, and only compute: nothing is missed meanwhile, and their answers always
        come in one order.
        """
        refusal, follows = "", False
        queue: deque[inputs.Event] = deque([event])
        while queue:
            events = [queue.popleft() for _ in range(len(queue))]
            steps = self._step_core(core, events, follows=follows)
            follows = True
            refusal = refusal or next((step.refusal for step in steps if step.refusal), "")
            for effect in chain.from_iterable(step.effects for step in steps):
                request = self._executor.perform(effect, core)
                if request is None:
                    self.is_over = self.is_over or isinstance(effect, effects.EndRun)
                elif self._venue.capabilities.has_phases:
                    with _COMPUTING.taken(goes_first=True):
                        queue.append(request())
                else:
                    self._in_flight.begin(request)
        return refusal

    def _step_core(self, core: RunCore, events: Iterable[inputs.Event], *, follows: bool) -> list[Step]:
        """Let the core handle events that arrived together, and store all records in one transaction.

        So are those of the venue's events that wait already, as long as nothing is to be done: a transaction
        costs more than most events. ``follows``: the events are outcomes of a step just before.
        """
        with ExitStack() as turn:
            turn.enter_context(_COMPUTING.taken(goes_first=follows))
            steps: list[Step] = []
            parts: list[Part] = []
            for event in chain(events, self._waiting(steps)):
                step = core.handle(event)
                self.live.update(event, core, self._clock.now_ms())
                # While a run stops, the clock of its deadline is stored, too.
                is_stopping = core.state is RunState.STOPPING
                if step.records or is_stopping or isinstance(event, BarClosed | inputs.Request):
                    parts.append(Part(step.records, self._metadata(step, event)))
                steps.append(step)
            if parts:
                acts = any(isinstance(effect, effects.Act) for step in steps for effect in step.effects)
                self._store_parts(core, parts, turn, waits_for_disk=acts)
        return steps

    def _waiting(self, steps: Sequence[Step]) -> Iterator[inputs.Event]:
        """Take the venue's events that have come, until one of the steps so far has an effect."""
        while len(steps) < _MOST_EVENTS and not self._has_ended and not any(step.effects for step in steps):
            if not self._backlog:
                try:
                    self._backlog.append(self.inbox.get_nowait())
                except Empty:
                    return
            item = self._backlog[0]
            if isinstance(item, Asked | _Wake | _RequestEnded):
                return
            self._backlog.popleft()
            yield item

    def _metadata(self, step: Step, event: inputs.Event) -> StepMetadata:
        requests = self._executor.prepare(step.records)
        return StepMetadata(
            venue=self._venue.name,
            symbol=self._startup.setup.symbol,
            venue_ms=event.time_ms,
            local_ms=self._clock.now_ms(),
            requests=requests,
            decision=self._executor.touch() if requests else None,
            calls=_call_touches(event),
        )

    def _store_parts(
        self, core: RunCore, parts: Sequence[Part], turn: ExitStack, *, waits_for_disk: bool
    ) -> None:
        checkpoint = core.checkpoint()
        self._fault_point("before commit")
        # The next run computes while this one waits for the disk.
        with self._store.write(
            self.lease.epoch, waits_for_disk=waits_for_disk, committed=turn.close
        ) as session:
            persist(session, self.run_id, parts, checkpoint, written=self._written)
        self._fault_point("after commit")

    # --- time ------------------------------------------------------------------------------------

    def _since_tick_s(self) -> float:
        return self._clock.elapsed_s() - self._ticked_at_s

    def _tick(self, core: RunCore) -> None:
        now_s = self._ticked_at_s = self._clock.elapsed_s()
        venue_ms = self._venue.now_ms()
        is_reachable = self._executor.is_reachable and not self._venue.is_busy()
        self._handle(core, inputs.TimePassed(venue_ms, round(now_s * 1000), is_reachable))
        if self.inbox.empty() and not self._backlog and not self.is_over:
            self._notice_staleness(core, venue_ms)

    def _notice_staleness(self, core: RunCore, venue_ms: int) -> None:
        length_ms = self._startup.setup.timeframe.ms
        if core.last_bar_ms == 0:
            return
        late_ms = venue_ms - (core.last_bar_ms + 2 * length_ms)
        is_stale = late_ms > max(_STALE_LEAST_MS, _STALE_SHARE * length_ms)
        if is_stale and not self._was_stale:
            self._handle(core, inputs.FeedWentStale(f"the next bar is {late_ms / 1000:.0f} s late", venue_ms))
        self._was_stale = is_stale


def _call_touches(event: inputs.Event) -> dict[str, CallTouches]:
    match event:
        case inputs.SendAnswered(client_order_id=order):
            pass
        case inputs.ModifyAnswered(new_client_order_id=order):
            pass
        case _:
            return {}
    return {order: CallTouches(event.touch_at_submission, event.touch_at_acknowledgement)}
