"""A simulated scheduler: one run's core, the real performer and the paper venue, in one thread.

The loop is the worker's: handle, keep, perform, and every outcome before the next thing that the venue
says. Nothing waits and nothing is random, so one input gives one history.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from firstwatch.backtest.simulate import BacktestSettings
from firstwatch.engine.core import inputs
from firstwatch.engine.core.effects import EndRun
from firstwatch.engine.core.records import EquityRow, FactsRow, JournalRow, OutlookRow, Record, TradeRow
from firstwatch.engine.core.run_core import RunCore
from firstwatch.engine.core.run_memory import RunSetup
from firstwatch.engine.lease import Lease
from firstwatch.engine.worker.executor import EffectExecutor
from firstwatch.market.feeds import ReplayFeed
from firstwatch.market.funding import NO_FUNDING, FundingSeries
from firstwatch.market.sessions import SessionCalendar
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.core_settings import Costs, settings_of_launch
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.strategy.stream import SignalStream
from firstwatch.trading.bar import Bar
from firstwatch.trading.clock import ManualClock
from firstwatch.trading.events import RunEvent
from firstwatch.trading.fault_points import no_fault
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.market import Market
from firstwatch.trading.orders import OrderState
from firstwatch.trading.runs import RunState
from firstwatch.trading.trade import Trade
from firstwatch.trading.why import Outlook
from firstwatch.venues.paper.exchange import PaperCosts
from firstwatch.venues.paper.faults import NO_FAULTS, PaperFaults
from firstwatch.venues.paper.venue import PaperSettings, PaperVenue, Step
from firstwatch.venues.protocol import Venue

_UNANSWERED = (OrderState.PENDING_SUBMIT, OrderState.SUBMITTED, OrderState.UNKNOWN, OrderState.PENDING_CANCEL)

RUN_ID = "00000000000000aa"
ACCOUNT = "wallet"


def launch_of(settings: BacktestSettings, symbol: str) -> LaunchSettings:
    """Return the launch that a backtest with these settings stands for."""
    return LaunchSettings(
        algorithm="random",
        version=1,
        wallet=ACCOUNT,
        symbol=symbol,
        capital=settings.capital,
        leverage=settings.leverage,
        trades_limit=settings.trades_limit,
        assume_position_now=settings.assume_position_now,
        close_position_on_exit=settings.close_position_on_exit,
        session=settings.session,
        reset=settings.reset,
        guards=settings.guards,
    )


@dataclass
class Outcome:
    """What a simulated run came to."""

    state: RunState = RunState.NEW
    trades: list[Trade] = field(default_factory=list)
    equity: dict[int, float] = field(default_factory=dict)
    journal: list[RunEvent] = field(default_factory=list)
    facts: FactsRow | None = None
    acknowledged: int = 0
    outlooks: list[Outlook] = field(default_factory=list)

    def keep(self, records: tuple[Record, ...]) -> None:
        for record in records:
            match record:
                case TradeRow(_, trade):
                    self.trades.append(trade)
                case EquityRow(time_ms, equity):
                    self.equity[time_ms] = equity
                case JournalRow(event):
                    self.journal.append(event)
                case FactsRow():
                    self.facts = record
                case OutlookRow(outlook):
                    self.outlooks.append(outlook)

    def events(self, kind: type[RunEvent]) -> list[RunEvent]:
        return [event for event in self.journal if isinstance(event, kind)]


def bar_at(candles: CandleArrays, index: int) -> Bar:
    return Bar(
        int(candles.time_ms[index]),
        *(
            float(column[index])
            for column in (candles.open, candles.high, candles.low, candles.close, candles.volume)
        ),
    )


class Simulation:
    """One run on one replayed feed. ``first``: the index of the first bar that the run sees live."""

    def __init__(
        self,
        spec: AlgorithmSpec,
        candles: CandleArrays,
        *,
        first: int,
        market: Market,
        costs: Costs,
        settings: BacktestSettings,
        funding: FundingSeries | None = None,
        wrap: Callable[[PaperVenue], Venue] = lambda venue: venue,
        checks_restore: bool = False,
        latency_ms: int = 0,
        volume_share: float = 0.0,
        faults: PaperFaults = NO_FAULTS,
    ) -> None:
        self._spec = spec
        self._candles = candles
        self._first = first
        self.market = market.model_copy(
            update={"taker_fee_bps": costs.taker_fee_bps, "maker_fee_bps": costs.maker_fee_bps}
        )
        self.clock = ManualClock()
        self.paper = PaperVenue(
            "paper",
            ReplayFeed(candles, funding or NO_FUNDING, int(candles.time_ms[first])),
            self.market,
            PaperSettings(
                PaperCosts(
                    float(costs.slippage_bps),
                    float(costs.spread_bps),
                    latency_ms,
                    volume_share,
                    costs.limit_fills,
                ),
                faults=faults,
            ),
            clock=self.clock,
            drive="manual",
        )
        self.paper.deposit(ACCOUNT, settings.capital * 1000)
        self.venue = wrap(self.paper)
        self.launch = launch_of(settings, market.symbol)
        self._setup = RunSetup(
            RUN_ID,
            ACCOUNT,
            market.symbol,
            spec.timeframe,
            self.market,
            self.launch,
            has_phases=self.paper.capabilities.has_phases,
            modifies_orders=self.paper.capabilities.modifies_orders,
            suppresses=self.paper.capabilities.suppresses,
        )
        self._core_settings = settings_of_launch(spec, self.launch, market=self.market, costs=costs)
        self._checks_restore = checks_restore
        self.outcome = Outcome()
        self.inbox: deque[inputs.Event] = deque()
        self.core = self._make_core()
        self._lease = Lease(0, self.clock)
        self.executor = EffectExecutor(self.venue, self._setup, self._lease, no_fault, {})
        self.is_over = False

    def _make_core(self) -> RunCore:
        signals = SignalStream(self._spec)
        if self._first > 1:
            signals.warm({self._spec.timeframe: self._candles.part(0, self._first - 1)})
        return RunCore(self._setup, self._core_settings, signals, SessionCalendar(self.launch.session))

    def start(self) -> None:
        """Launch and subscribe."""
        last_bar = bar_at(self._candles, self._first - 1) if self._first > 0 else None
        venue, symbol = self.venue, self.market.symbol
        self.handle(
            inputs.Launched(
                venue.position(ACCOUNT, symbol),
                venue.open_orders(ACCOUNT, symbol),
                venue.balance(ACCOUNT),
                venue.touch(symbol),
                last_bar,
                venue.now_ms(),
            )
        )
        if not self.is_over:
            self.executor.subscribe(self.inbox.append, after_ms=self.core.last_bar_ms)

    def handle(self, event: inputs.Event) -> None:
        """Handle one event and everything that it leads to, as the worker does."""
        queue: deque[inputs.Event] = deque([event])
        while queue:
            event = queue.popleft()
            step = self.core.handle(event)
            self.outcome.keep(step.records)
            self.executor.prepare(step.records)
            if self._checks_restore:
                self._check_restore()
            for effect in step.effects:
                request = self.executor.perform(effect, self.core)
                if request is not None:
                    queue.append(request())
                self.is_over = self.is_over or isinstance(effect, EndRun)
        self.outcome.state = self.core.state

    def _check_restore(self) -> None:
        text = self.core.checkpoint()
        restored = RunCore.restore(
            self._setup,
            self._core_settings,
            SignalStream(self._spec),
            SessionCalendar(self.launch.session),
            text,
        )
        assert restored.checkpoint() == text

    def drain(self) -> None:
        """Handle everything that the venue has said so far."""
        while self.inbox and not self.is_over:
            self.handle(self.inbox.popleft())
        if self.is_over:
            self.executor.unsubscribe()
            self.inbox.clear()

    def tick(self, seconds: int = 1) -> None:
        """Let the machine's time pass."""
        for _ in range(seconds):
            self.clock.advance(1_000)
            self._lease.renewed(self.clock.elapsed_s())
            elapsed_ms = round(self.clock.elapsed_s() * 1000)
            self.handle(inputs.TimePassed(self.venue.now_ms(), elapsed_ms, self.executor.is_reachable))
            self.drain()

    def settle(self, most_s: int = 3_000) -> None:
        """Let the machine's time pass until nothing is left to try again, the market standing still.

        Raises:
            AssertionError: that takes longer than ``most_s`` seconds.
        """
        self.drain()
        passed_s = 0
        while not self.is_over and self.wants_time():
            assert passed_s < most_s, f"still trying after {most_s} s: {self.core.checkpoint()}"
            self.tick()
            passed_s += 1

    def wants_time(self) -> bool:
        """Tell whether the core waits for the machine's time to try something again."""
        memory = self.core._memory
        wants_reading = (
            memory.wants_position
            or memory.wants_fills
            or memory.wants_open_orders
            or memory.wants_balance
            or memory.wants_bars
            or memory.wants_reconcile
        )
        orders = list(memory.orders.values())
        in_doubt = any(
            order.wants_read or order.reported > order.filled or order.state in _UNANSWERED
            for order in orders
        )
        legs = (memory.stop, memory.target)
        # A missing leg is placed again in time; one that the venue will not move, with a new price.
        is_early = memory.core.steps > 0 and any(
            leg.retry_at_ms > memory.elapsed_ms and leg.retries < 5 for leg in legs
        )
        is_closing = memory.closing is not None and memory.closing.retry_at_ms > memory.elapsed_ms
        has_entry_work = memory.entry is not None and (
            memory.entry.cancels or memory.entry.was_not_sent or memory.entry.waiting is not None
        )
        is_live = memory.state is not RunState.NEW
        return bool(
            wants_reading
            or in_doubt
            or is_early
            or is_closing
            or has_entry_work
            or (is_live and (memory.feed_ended or not memory.leverage_is_set))
        )

    def run(self, bars: int | None = None) -> Outcome:
        """Run to the end of the run or of the feed, or until ``bars`` more bars are closed.

        Raises:
            AssertionError: the feed waits for an acknowledgement that never comes.
        """
        until = None if bars is None else len(self.outcome.equity) + bars
        self.settle()
        while not self.is_over and (until is None or len(self.outcome.equity) < until):
            step = self.paper.step()
            assert step is not Step.WAITING, "the feed waits for an acknowledgement that never comes"
            self.settle()
            if step in (Step.ENDED, Step.STANDING):
                break
        return self.outcome
