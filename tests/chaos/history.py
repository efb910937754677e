"""One seeded history of a run: its process lives and dies, its venue misbehaves, people interfere.

The store is a transaction in memory: what a step recorded is kept with the checkpoint, or none of it is.
The loop is the worker's, as in ``tests.simulation``; nothing waits, and one seed gives one history.
"""

import random
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal

from firstwatch.engine.core import effects, inputs
from firstwatch.engine.core.records import FillRow, Record
from firstwatch.engine.core.records import Step as CoreStep
from firstwatch.engine.core.run_core import RunCore
from firstwatch.engine.core.run_memory import RunSetup
from firstwatch.engine.lease import Lease, LeaseLostError
from firstwatch.engine.worker.executor import EffectExecutor
from firstwatch.engine.worker.requests import Request
from firstwatch.market.feeds import ReplayFeed
from firstwatch.market.sessions import SessionCalendar
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.core_settings import settings_of_launch
from firstwatch.strategy.stream import SignalStream
from firstwatch.trading.commands import ClosePosition, PauseEntries, ResumeEntries, RunCommand, StopRun
from firstwatch.trading.errors import VenueError
from firstwatch.trading.orders import OrderIntent, OrderKind, OrderPurpose, OrderSide
from firstwatch.trading.runs import Author, RunState, StopMode
from firstwatch.venues.paper.venue import PaperSettings, PaperVenue, Step
from firstwatch.venues.protocol import BarClosed, FeedEnded, PreparedRequest, StillUnknown, Unknown
from tests.chaos.audit import Auditor
from tests.chaos.drawing import FIRST, Scenario
from tests.chaos.venue import ChaosVenue
from tests.clocks import MachineClock
from tests.simulation.driver import ACCOUNT, RUN_ID, bar_at, launch_of

_RECONCILE_S = 30
_LOOK_S = 3
_HEALING_S = 400
"""How long a run may take to come to its end when nothing goes wrong any more."""
_READING_S = 2_000
"""How long a new process may try to read the venue, of whose answers a third may be missing."""
_KEEPER = "keeper"
SILENT_S = 2
"""After how long an adapter takes a request that is not answered for doubtful."""
_HANGS_EVERY_S = 25
"""One request hangs, not two that are made one after the other."""


class Died(BaseException):
    """The process is gone: nothing after this point was done. No handler of the product sees it."""


@dataclass
class Kept:
    """What survives the process."""

    checkpoint: str | None = None
    prepared: dict[str, PreparedRequest] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)


@dataclass(eq=False)
class _Flight:
    """A request that is under way: it reaches the venue, and its answer the run, after so many moments."""

    effect: effects.Effect
    request: Request
    acts_in: int
    lands_in: int
    until_s: float
    """It acts and lands by then, however few moments there are."""
    hangs: bool = False
    """No answer ever comes: the adapter takes it for doubtful in the end."""
    outcome: inputs.Event | None = None
    has_acted: bool = False


class History:
    """A run from launch to its end, by the scenario of a seed."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.chance = random.Random(scenario.seed * 7919 + 1)
        self.clock = MachineClock()
        self.paper = PaperVenue(
            "paper",
            ReplayFeed(scenario.candles, scenario.funding, int(scenario.candles.time_ms[FIRST])),
            scenario.market,
            PaperSettings(scenario.paper),
            clock=self.clock,
            drive="manual",
        )
        self.paper.deposit(ACCOUNT, scenario.settings.capital * 1000)
        self.venue = ChaosVenue(self.paper, scenario, self.chance, ACCOUNT)
        self.launch = launch_of(scenario.settings, scenario.market.symbol)
        self.setup = RunSetup(
            RUN_ID,
            ACCOUNT,
            scenario.market.symbol,
            scenario.spec.timeframe,
            scenario.market,
            self.launch,
            has_phases=self.venue.capabilities.has_phases,
            modifies_orders=self.venue.capabilities.modifies_orders,
            slice_delay_ms=scenario.slice_delay_ms,
        )
        self._core_settings = settings_of_launch(
            scenario.spec, self.launch, market=scenario.market, costs=scenario.costs
        )
        self.kept = Kept()
        self.deaths: Counter[str] = Counter()
        self.acts: Counter[str] = Counter()
        self.is_over = False
        self.has_hand = False
        self.is_stopped_by_us = False
        self._seconds = 0
        self._was_stale = False
        self._hand_number = 0
        self._may_die = False
        self._feed_is_over = False
        self._in_flight: list[_Flight] = []
        self._hung_at_s = 0.0
        if not scenario.has_phases:
            self._keep_time_going()
        self._auditor = Auditor(self)
        self._new_life()

    # --- the process -----------------------------------------------------------------------------

    def _keep_time_going(self) -> None:
        """Let the market of a real venue go on while no run of ours is subscribed."""
        ears: list = []

        def hear(event: object) -> None:
            token = getattr(event, "token", None)
            if token is not None:
                ears[0].acknowledge(token)

        symbol, timeframe = self.scenario.market.symbol, self.scenario.spec.timeframe
        ears.append(self.paper.subscribe(_KEEPER, symbol, timeframe, hear))

    def _new_life(self) -> None:
        self.inbox: deque[inputs.Event] = deque()
        self._in_flight.clear()
        self.lease = Lease(0, self.clock)
        self.executor = EffectExecutor(
            self.venue,
            self.setup,
            self.lease,
            self._probe,
            self.kept.prepared,
        )
        signals = SignalStream(self.scenario.spec)
        sessions = SessionCalendar(self.launch.session)
        if self.kept.checkpoint is None:
            self.core = RunCore(self.setup, self._core_settings, signals, sessions)
        else:
            self.core = RunCore.restore(
                self.setup, self._core_settings, signals, sessions, self.kept.checkpoint
            )
        candles = self.scenario.candles
        known = FIRST - 1 if not self.core.last_bar_ms else candles.index_at(self.core.last_bar_ms) + 1
        passed_over = self._auditor.passed_over
        counted = [bar for bar in candles.part(0, known).bars() if bar.time_ms not in passed_over]
        timeframe = self.scenario.spec.timeframe
        signals.warm({timeframe: CandleArrays.from_bars(counted, timeframe)})

    def _probe(self, point: str) -> None:
        share = self.scenario.shares.death
        if self._may_die and share and self.chance.random() < share:
            self.deaths[point] += 1
            raise Died(point)

    def _revive(self) -> None:
        """Begin again as the worker does: listen, read the venue, tell the core."""
        self.executor.unsubscribe()
        if self._auditor.has_ended:
            # The host takes up active runs only. What the run has left at the venue may go on there.
            self.is_over = True
            self._auditor.run_ended()
            return
        for _ in range(self.chance.choice([0, 0, 1, 3, 12]) if not self.scenario.has_phases else 0):
            self._market_moves()
        self.clock.advance(self.chance.choice([0, 3_000, 120_000]))
        if self._strikes("reboot", self.scenario.shares.reboots):
            self.clock.reboot()
            self._hung_at_s = 0.0
        self._new_life()
        self._subscribe()
        delivered_from_ms = None
        if self.scenario.has_phases:
            self.paper.step()
            for event in self.inbox:
                if isinstance(event, BarClosed):
                    delivered_from_ms = event.bar.time_ms
        for _ in range(_READING_S):
            try:
                questions = self.core.questions(is_new_life=True)
                reading = self.executor.read_venue(questions, before_ms=delivered_from_ms)
            except VenueError:
                self._second(speaks=False)
                continue
            break
        else:
            raise AssertionError(f"the venue could not be read for {_READING_S} s")
        late = sorted(self._auditor.passed_over - self.venue.withheld)
        self._handle(
            inputs.RecoveryStarted(reading, "the process is back", self.venue.now_ms(), late_bars=late)
        )

    def _subscribe(self) -> None:
        self.executor.subscribe(self.inbox.append, after_ms=self.core.last_bar_ms or None)

    def _handle(self, event: inputs.Event) -> None:
        queue: deque[inputs.Event] = deque([event])
        while queue:
            event = queue.popleft()
            step = self.core.handle(event)
            if step.records or isinstance(event, BarClosed):
                self._keep(step)
            for effect in step.effects:
                request = self.executor.perform(effect, self.core)
                if request is not None:
                    queue.extend(self._fly(effect, request))
                elif isinstance(effect, effects.EndRun):
                    self.is_over = True
                    self._auditor.run_ended()

    # --- requests under way ----------------------------------------------------------------------

    def _fly(self, effect: effects.Effect, request: Request) -> list[inputs.Event]:
        """Make a request, and return its outcome if that comes at once."""
        shares, chance = self.scenario.shares, self.chance
        is_late = self.venue.is_disturbed and shares.slow and chance.random() < shares.slow
        now_s = self.clock.elapsed_s()
        hangs = (
            self.venue.is_disturbed
            and shares.hangs
            and now_s - self._hung_at_s >= _HANGS_EVERY_S
            and chance.random() < shares.hangs
        )
        if not (is_late or hangs):
            return [request()]
        if hangs:
            self._hung_at_s = now_s
            self.venue.faults[f"{type(effect).__name__} hangs"] += 1
            # It never arrives, at once, or when it is taken for lost already.
            acts_in = chance.choice([0, 0, 0, 6, 1_000_000])
            flight = _Flight(effect, request, acts_in, 1_000_000, now_s + SILENT_S, hangs=True)
        else:
            self.venue.faults["slow answer"] += 1
            flight = _Flight(effect, request, chance.choice([0, 0, 1]), chance.choice([1, 1, 2]), now_s + 1)
        self._in_flight.append(flight)
        return []

    def _land(self) -> None:
        """Let a moment pass for the requests that are under way."""
        for flight in list(self._in_flight):
            if self.is_over or flight not in self._in_flight:
                return
            flight.acts_in -= 1
            flight.lands_in -= 1
            is_time = self.clock.elapsed_s() >= flight.until_s
            if not flight.has_acted and (flight.acts_in <= 0 or (is_time and not flight.hangs)):
                flight.has_acted = True
                flight.outcome = flight.request()
            if flight.hangs and is_time:
                flight.outcome = _doubtful(flight.effect, self.venue.now_ms())
                self.executor.mark_unreachable()
            if flight.outcome is not None and (flight.lands_in <= 0 or is_time):
                self._in_flight.remove(flight)
                if flight.hangs and not flight.has_acted and flight.acts_in < 1_000:
                    self.venue.arrives_late(_without_answer(flight.request))
                self._handle(flight.outcome)

    def _keep(self, step: CoreStep) -> None:
        requests = self.executor.prepare(step.records)
        checkpoint = self.core.checkpoint()
        self._probe("before commit")
        self.kept.checkpoint = checkpoint
        self.kept.prepared.update(requests)
        self.kept.records += step.records
        self._auditor.kept(step.records)
        self._probe("after commit")

    def _drain(self) -> None:
        while self.inbox and not self.is_over:
            self._handle(self.inbox.popleft())

    # --- time ------------------------------------------------------------------------------------

    def run(self) -> None:
        """Live through it all.

        Raises:
            AssertionError: something that must hold did not.
        """
        self._launch()
        self.venue.is_disturbed = self._may_die = True
        moments = 0
        while not self.is_over and not self._feed_is_over:
            moments += 1
            assert moments < 3_000, "the feed does not come to its end"
            self._living(self._moment)
        self._may_die = False
        for _ in range(self.chance.randint(0, 20)):
            self._living(self._second)
        self.venue.heal()
        self._arrive()
        for _ in range(_HEALING_S):
            if self.is_over:
                break
            self._living(self._second)
        assert self.is_over, f"the run never ended: {self.core.checkpoint()}"
        self._arrive()
        self._auditor.finally_()

    def _launch(self) -> None:
        venue, symbol, scenario = self.paper, self.scenario.market.symbol, self.scenario
        self._handle(
            inputs.Launched(
                venue.position(ACCOUNT, symbol),
                venue.open_orders(ACCOUNT, symbol),
                venue.balance(ACCOUNT),
                venue.touch(symbol),
                bar_at(scenario.candles, FIRST - 1),
                venue.now_ms(),
            )
        )
        self._subscribe()

    def _living(self, act: object) -> None:
        """Do one thing; a process that dies in it, or loses its lease, begins again, however often."""
        try:
            if not self.is_over:
                act()
            return
        except (Died, LeaseLostError):
            pass
        while True:
            try:
                self._revive()
            except Died:
                continue
            return

    def _moment(self) -> None:
        """Let the market move, people interfere, messages arrive, and some seconds pass."""
        shares, chance = self.scenario.shares, self.chance
        if chance.random() < shares.by_hand:
            self._hand()
        if chance.random() < shares.operator:
            self._operator()
        if chance.random() < shares.outage:
            self.venue.outage = chance.choice([2, 10, 45])
        if chance.random() < shares.stream_breaks and not self.scenario.has_phases:
            self.venue.tell_lost(self.inbox.append)
        if self._strikes("clock set back", shares.wall_back):
            self.clock.set_back(chance.choice([2_000, 3_600_000, 90_000_000]))
        if self._strikes("suspended", shares.sleeps):
            self._sleep()
        self._market_moves()
        self._land()
        self._drain()
        for _ in range(chance.choice([0, 0, 1, 2, 8])):
            self._second()
        if self.venue.is_silent and chance.random() < 0.3:
            self.venue.tell_restored(self.inbox.append)
            self._drain()

    def _strikes(self, jump: str, share: float) -> bool:
        strikes = share > 0 and self.chance.random() < share
        if strikes:
            self.venue.faults[jump] += 1
        return strikes

    def _sleep(self) -> None:
        """Suspend the machine while the market goes on; what was streamed meanwhile is lost or waits.

        Raises:
            LeaseLostError: it is awake, and the lease is lost.
        """
        chance = self.chance
        if not self.scenario.has_phases:
            is_cut = chance.random() < 0.5
            self.venue.is_silent = self.venue.is_silent or is_cut
            for _ in range(chance.choice([0, 1, 3, 12])):
                self._market_moves()
            if is_cut:
                self.venue.is_silent = False
        self.clock.advance(chance.choice([3_000, 600_000, 4 * 3_600_000]))
        if chance.random() < 0.5:
            # The worker is awake before the host has seen that the lease is lost.
            self._land()
            self._drain()
            elapsed_ms = round(self.clock.elapsed_s() * 1000)
            if not self.is_over:
                self._handle(inputs.TimePassed(self.venue.now_ms(), elapsed_ms, self.executor.is_reachable))
        if not self.is_over:
            self.lease.check()

    def _market_moves(self) -> None:
        step = self.paper.step()
        if step is Step.WAITING or step is Step.STANDING:
            # It waits for an acknowledgement that an answer must come first for.
            self._second(speaks=not self.is_over)
        self._feed_is_over = self._feed_is_over or step is Step.ENDED
        self.venue.moment()

    def _arrive(self) -> None:
        for _ in range(7):
            self.venue.moment()
        self._drain()

    def _second(self, *, speaks: bool = True) -> None:
        """Let a second of the machine pass."""
        self.clock.advance(1_000)
        self._seconds += 1
        self.lease.renewed(self.clock.elapsed_s())
        self.venue.tick(ACCOUNT, self.scenario.market.symbol)
        self.venue.moment()
        if not speaks:
            return
        self._land()
        self._drain()
        if self.is_over:
            return
        elapsed_ms = round(self.clock.elapsed_s() * 1000)
        self._handle(inputs.TimePassed(self.venue.now_ms(), elapsed_ms, self.executor.is_reachable))
        self._drain()
        self._notice_staleness()
        if self._seconds % _LOOK_S == 0 and not self.scenario.has_phases and not self.is_over:
            self.venue.look(self.inbox.append)
            self._drain()
        if self._seconds % _RECONCILE_S == 0 and not self.scenario.has_phases and not self.is_over:
            self.venue.tell_restored(self.inbox.append)
            self._drain()
        if self._feed_is_over and not any(isinstance(event, FeedEnded) for event in self.inbox):
            self.paper.step()
            self._drain()
        if not self.is_over:
            self._auditor.second_passed()

    def _notice_staleness(self) -> None:
        if self.is_over or not self.core.last_bar_ms:
            return
        length_ms = self.setup.timeframe.ms
        late_ms = self.venue.now_ms() - (self.core.last_bar_ms + 2 * length_ms)
        is_stale = late_ms > length_ms * 0.05
        if is_stale and not self._was_stale:
            self._handle(inputs.FeedWentStale(f"the next bar is {late_ms} ms late", self.venue.now_ms()))
        self._was_stale = is_stale

    # --- people ----------------------------------------------------------------------------------

    def _hand(self) -> None:
        """Someone does something in the wallet by hand."""
        symbol, market, chance = self.scenario.market.symbol, self.scenario.market, self.chance
        position = self.paper.position(ACCOUNT, symbol)
        orders = self.paper.open_orders(ACCOUNT, symbol)
        acts = ["foreign order"]
        if position.is_flat:
            acts += ["opens a position"]
        else:
            acts += ["closes", "closes a part", "adds", "closes"]
        if orders:
            acts += ["cancels an order"]
        act = chance.choice(acts)
        self.has_hand = True
        self.acts[f"by hand: {act}"] += 1
        if act == "cancels an order":
            order = chance.choice(orders)
            self.paper.cancel(ACCOUNT, symbol, order.client_order_id or "")
            return
        price = Decimal(repr(self.paper.touch(symbol).mark))
        side = chance.choice(list(OrderSide))
        amount = market.amount(market.steps(Decimal(3_000) / price))
        reduces = act in ("closes", "closes a part")
        if position.side is not None and act != "foreign order":
            held = OrderSide.BUY if position.side.sign > 0 else OrderSide.SELL
            side = held.opposite if reduces else held
            if reduces:
                share = 1 if act == "closes" else Decimal("0.4")
                amount = market.amount(max(1, market.steps(position.amount * share)))
        limit = market.price(float(price) * (1 - side.sign * chance.choice([0.004, 0.3])))
        self._hand_number += 1
        intent = OrderIntent(
            client_order_id=f"{'f' * 16}{self._hand_number:016x}",
            run_id="f" * 16,
            account=ACCOUNT,
            symbol=symbol,
            purpose=OrderPurpose.EXIT if reduces else OrderPurpose.ENTRY,
            side=side,
            kind=OrderKind.LIMIT if act == "foreign order" else OrderKind.MARKET,
            amount=amount,
            reduce_only=reduces,
            price=limit if act == "foreign order" else None,
        )
        self._auditor.hand_may_hold(amount)
        self.paper.send(self.paper.prepare(intent))

    def _operator(self) -> None:
        """The operator asks for something."""
        act = self.chance.choice(["pause", "resume", "close", "stop", "stop"])
        self.acts[f"operator: {act}"] += 1
        match act:
            case "pause":
                self._request(PauseEntries(run_id=self.setup.run_id))
            case "resume":
                self._request(ResumeEntries(run_id=self.setup.run_id))
            case "close":
                self._request(ClosePosition(run_id=self.setup.run_id))
            case _:
                mode = self.chance.choice(list(StopMode))
                self.is_stopped_by_us = True
                self._request(StopRun(run_id=self.setup.run_id, mode=mode))

    def _request(self, command: RunCommand) -> None:
        self._handle(inputs.OperatorRequest(command, Author.OPERATOR, self.venue.now_ms()))

    @property
    def fills_booked(self) -> list[FillRow]:
        return [record for record in self.kept.records if isinstance(record, FillRow)]

    @property
    def state(self) -> RunState:
        return self.core.state


def _doubtful(effect: effects.Effect, now_ms: int) -> inputs.Event:
    """Return what an adapter makes of a request that is not answered."""
    silent = "it was not answered"
    match effect:
        case effects.SendOrder(order):
            return inputs.SendAnswered(order, Unknown(silent), now_ms)
        case effects.ModifyOrder(old, new):
            return inputs.ModifyAnswered(old, new, Unknown(silent), now_ms)
        case effects.CancelOrder(order):
            return inputs.CancelAnswered(order, Unknown(silent), now_ms)
        case effects.SetLeverage():
            return inputs.LeverageSet(Unknown(silent), now_ms)
        case effects.ResolveOrder(order):
            return inputs.ResolveAnswered(order, StillUnknown(silent), now_ms)
    return inputs.ReadFailed(effect, silent, now_ms)


def _without_answer(request: Request) -> Callable[[], None]:
    """Return the request as it still arrives when its answer is no longer awaited."""

    def act() -> None:
        # It is of a process life that may be over, and is stopped right before it leaves then.
        with suppress(LeaseLostError):
            request()

    return act
