"""A stored run through many lives of its process, in one thread: it dies where a fault_point says.

The parts are the product's: the store, the paper venue with its books, the plan and the beginning of a
run, the performer. Only the loop is written out here, since the worker's own needs its thread.
"""

from collections import Counter, deque
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from firstwatch.engine.core import inputs
from firstwatch.engine.core.effects import Effect, EndRun
from firstwatch.engine.core.records import Step
from firstwatch.engine.core.run_core import RunCore
from firstwatch.engine.lease import Lease
from firstwatch.engine.worker.executor import EffectExecutor
from firstwatch.engine.worker.startup import RunStartup, read_stored_run
from firstwatch.engine.worker.step_writer import CallTouches, Part, StepMetadata, Written, persist
from firstwatch.market.feeds import ReplayFeed
from firstwatch.store import algorithms, hosts, paper, runs, wallets
from firstwatch.store.database import Store, open_store
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.clock import ManualClock
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.market import Market
from firstwatch.trading.runs import Author
from firstwatch.venues.paper.exchange import PaperCosts
from firstwatch.venues.paper.venue import PaperSettings, PaperVenue
from firstwatch.venues.paper.venue import Step as FeedStep
from firstwatch.venues.protocol import BarClosed

RUN_ID = "00000000000000bb"
_WALLET = "one"


class Died(BaseException):
    """The process is gone: nothing after this point was done. No handler of the product sees it."""


class Deaths:
    """Kills at every point of every kind of moment, ``times`` times each."""

    def __init__(self, times: int) -> None:
        self._times = times
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self.event = ""
        self.effect = ""

    def __call__(self, point: str) -> None:
        moment = (point, self.event, self.effect)
        if self.counts[moment] < self._times:
            self.counts[moment] += 1
            raise Died(f"{point} while {self.effect or 'keeping'} after {self.event}")

    @property
    def total(self) -> int:
        return self.counts.total()


def make_store(
    folder: Path,
    spec: AlgorithmSpec,
    launch: Callable[[str], LaunchSettings],
    *,
    market: Market | None = None,
) -> Store:
    """Make a store that holds the algorithm, a funded wallet and the new run."""
    store = open_store(folder)
    fees = {"taker_fee_bps": Decimal("4.5"), "maker_fee_bps": Decimal("1.5")}
    market = (market or Market()).model_copy(update=fees)
    with store.write() as session:
        algorithms.add_version(session, spec.name, spec.canonical_json(), spec.sha256(), now_ms=1)
        version = algorithms.get_version(session, spec.name, 1)
        wallet = wallets.create_wallet(session, _WALLET, venue="paper", kind="paper", now_ms=1)
        paper.deposit(session, "paper", _WALLET, Decimal(100_000), now_ms=1)
        runs.create_run(
            session,
            RUN_ID,
            wallet_id=wallet.id,
            version_id=version.id,
            settings=launch(_WALLET),
            market=market,
            author=Author.OPERATOR,
            now_ms=1,
        )
    return store


class Life:
    """One life of the process: from opening the books to the end of the feed, or to its death."""

    def __init__(self, store: Store, candles: CandleArrays, first: int, deaths: Deaths | None) -> None:
        self._store = store
        self._deaths = deaths
        self._clock = ManualClock()
        with store.write() as session:
            epoch = hosts.claim_host(session, pid=1, host_name="here", version="0", now_ms=1)
        with store.read() as session:
            plan = read_stored_run(session, RUN_ID)
        self.venue = PaperVenue(
            "paper",
            ReplayFeed(candles, start_ms=int(candles.time_ms[first])),
            plan.run.market,
            PaperSettings(PaperCosts(slippage_bps=2.0)),
            clock=self._clock,
            store=store,
            epoch=lambda: epoch,
            drive="manual",
        )
        self._lease = Lease(epoch, self._clock)
        self._startup = RunStartup(
            plan, self.venue, author=Author.OPERATOR, why="the process is back", max_slippage_bps=500
        )
        self._executor = EffectExecutor(
            self.venue, self._startup.setup, self._lease, self._probe, plan.prepared
        )
        self._written = Written()
        self._inbox: deque[inputs.Event] = deque()
        self.is_over = False

    def _probe(self, point: str) -> None:
        if self._deaths is not None:
            self._deaths(point)

    def _at(self, event: inputs.Event, effect: Effect | None) -> None:
        if self._deaths is not None:
            self._deaths.event = type(event).__name__
            self._deaths.effect = type(effect).__name__ if effect is not None else ""

    def live(self) -> None:
        """Begin and go on to the end of the run.

        Raises:
            Died: at a point of the deaths.
        """
        core = self._startup.make_core()
        self._startup.request_history()
        self._executor.subscribe(self._inbox.append, after_ms=core.last_bar_ms or None)
        self.venue.step()
        delivered_from_ms = None
        for event in self._inbox:
            if isinstance(event, BarClosed):
                delivered_from_ms = event.bar.time_ms
        if self._deaths is not None:
            self._deaths.event, self._deaths.effect = "beginning", ""
        first = self._startup.first_event(
            core, self._executor, self._store, self._lease, before_ms=delivered_from_ms
        )
        self._handle(core, first)
        while not self.is_over:
            while self._inbox and not self.is_over:
                self._handle(core, self._inbox.popleft())
            if self.is_over:
                break
            step = self.venue.step()
            assert step in (FeedStep.MOVED, FeedStep.ENDED), step
            if step is FeedStep.ENDED and not self._inbox:
                self._tick(core)

    def _tick(self, core: RunCore) -> None:
        self._clock.advance(1_000)
        assert self._clock.elapsed_s() < 300, core.checkpoint()
        self._lease.renewed(self._clock.elapsed_s())
        self._handle(core, inputs.TimePassed(self.venue.now_ms(), round(self._clock.elapsed_s() * 1000)))

    def _handle(self, core: RunCore, event: inputs.Event) -> None:
        queue: deque[inputs.Event] = deque([event])
        while queue:
            event = queue.popleft()
            step = core.handle(event)
            self._at(event, None)
            if step.records or isinstance(event, BarClosed):
                self._keep(core, step, event)
            for effect in step.effects:
                self._at(event, effect)
                request = self._executor.perform(effect, core)
                if request is not None:
                    queue.append(request())
                self.is_over = self.is_over or isinstance(effect, EndRun)

    def _keep(self, core: RunCore, step: Step, event: inputs.Event) -> None:
        requests = self._executor.prepare(step.records)
        calls: dict[str, CallTouches] = {}
        around = StepMetadata(
            venue="paper",
            symbol=self._startup.setup.symbol,
            venue_ms=event.time_ms,
            local_ms=self._clock.now_ms(),
            requests=requests,
            calls=calls,
        )
        self._probe("before commit")
        with self._store.write(self._lease.epoch) as session:
            part = Part(step.records, around)
            persist(session, RUN_ID, [part], core.checkpoint(), written=self._written)
        self._probe("after commit")
