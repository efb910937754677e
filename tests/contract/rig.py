"""A venue whose market plays a script: what the contract needs of an adapter to be tested.

A bar is begun (its open is known, what waited has executed) and finished (range and close). Another
venue joins the suite with a rig of its own, whose market is a loopback server that plays the same script.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

from firstwatch.market.funding import FundingRate
from firstwatch.store.database import Store, open_store
from firstwatch.trading.bar import Bar
from firstwatch.trading.clock import ManualClock
from firstwatch.trading.ids import client_order_id
from firstwatch.trading.market import Market
from firstwatch.trading.orders import OrderIntent, OrderKind, OrderPurpose, OrderSide
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.paper.exchange import PaperCosts, Phase
from firstwatch.venues.paper.venue import PaperSettings, PaperVenue, Step
from firstwatch.venues.protocol import BarClosed, PhaseEnded, SendOutcome, Subscription, VenueEvent

START_MS = 1_704_067_200_000
BUY, SELL = OrderSide.BUY, OrderSide.SELL
MARKET, LIMIT, STOP = OrderKind.MARKET, OrderKind.LIMIT, OrderKind.STOP
PLAIN = Market(
    symbol="BTC/USDC:USDC",
    amount_step=Decimal("0.001"),
    tick=Decimal("0.1"),
    taker_fee_bps=Decimal(5),
    maker_fee_bps=Decimal(1),
    maximum_leverage=20,
)


class ScriptedSource:
    """Bars that a test adds one by one."""

    def __init__(self, timeframe: Timeframe = Timeframe.M1, start_index: int = 0) -> None:
        self.timeframe = timeframe
        self.start_index = start_index
        self.bars: list[Bar] = []
        self.funding: list[FundingRate] = []

    def add(
        self, open_price: float, high: float, low: float, close: float, volume: float = 1000.0, hole: int = 0
    ) -> Bar:
        """Add a bar after ``hole`` missing ones."""
        time_ms = self.bars[-1].time_ms + (hole + 1) * self.timeframe.ms if self.bars else START_MS
        bar = Bar(time_ms, open_price, high, low, close, volume)
        self.bars.append(bar)
        return bar

    def bar(self, index: int) -> Bar | None:
        return self.bars[index] if index < len(self.bars) else None

    def index_at(self, time_ms: int) -> int:
        return next((i for i, bar in enumerate(self.bars) if bar.time_ms >= time_ms), len(self.bars))

    def history(self, end_index: int, limit: int) -> list[Bar]:
        end = min(end_index, len(self.bars))
        return self.bars[max(0, end - limit) : end]

    def funding_between(self, start_ms: int, end_ms: int) -> Sequence[FundingRate]:
        return [rate for rate in self.funding if start_ms <= rate.time_ms < end_ms]


class Ear:
    """One subscriber, who keeps what it is told and acknowledges when it is let."""

    def __init__(self, react: Callable[[VenueEvent], None] | None = None) -> None:
        self.events: list[VenueEvent] = []
        self.subscription: Subscription | None = None
        self.react = react

    def __call__(self, event: VenueEvent) -> None:
        self.events.append(event)
        if self.react is not None:
            self.react(event)

    def of(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def token(self) -> int | None:
        tokens = self.of(PhaseEnded)
        return tokens[-1].token if tokens else None

    def acknowledge(self) -> None:
        if self.token is not None:
            self.subscription.acknowledge(self.token)


class PaperRig:
    """The paper venue, stepped by hand, in memory or in a store."""

    account = "account"
    other = "other"

    def __init__(
        self,
        folder: Path | None = None,
        *,
        market: Market = PLAIN,
        costs: PaperCosts | None = None,
        timeframe: Timeframe = Timeframe.M1,
        history: int = 3,
        deposit: Decimal = Decimal(100_000),
        **settings: object,
    ) -> None:
        self.market = market
        self.symbol = market.symbol
        self.clock = ManualClock(START_MS)
        self.source = ScriptedSource(timeframe, history)
        for _ in range(history):
            self.source.add(100.0, 100.0, 100.0, 100.0)
        self.settings = PaperSettings(costs=costs or PaperCosts(), **settings)
        self._folder = folder
        self.store: Store | None = None if folder is None else open_store(folder)
        self.ears: list[Ear] = []
        self._numbers = 0
        self.venue = self._open()
        self.venue.deposit(self.account, deposit)

    @property
    def survives(self) -> bool:
        return self._folder is not None

    def _open(self) -> PaperVenue:
        return PaperVenue(
            "paper",
            self.source,
            self.market,
            self.settings,
            clock=self.clock,
            store=self.store,
            drive="manual",
        )

    def restart(self) -> None:
        """Let the process die where it is, and open the venue again. Nobody is subscribed then."""
        self.store.close()
        self.store = open_store(self._folder)
        self.ears = []
        self.venue = self._open()

    def close(self) -> None:
        """End the venue."""
        self.venue.close()

    def listen(
        self,
        account: str | None = None,
        timeframe: Timeframe = Timeframe.M1,
        *,
        after_ms: int | None = None,
        react: Callable[[VenueEvent], None] | None = None,
    ) -> Ear:
        ear = Ear(react)
        ear.subscription = self.venue.subscribe(
            account or self.account, self.symbol, timeframe, ear, after_ms=after_ms
        )
        self.ears.append(ear)
        return ear

    def eventually(self, condition: Callable[[], bool]) -> None:
        """Assert what must have happened by now; a venue with a stream gets the time to say it."""
        assert condition()

    def settle(self) -> Step:
        """Deliver what is to be delivered in this phase; acknowledge nothing."""
        return self.venue.step()

    def acknowledge(self) -> None:
        for ear in self.ears:
            ear.acknowledge()

    def begin(
        self,
        open_price: float,
        high: float,
        low: float,
        close: float,
        volume: float = 1000.0,
        hole: int = 0,
    ) -> None:
        """Add a bar and release its open."""
        bar = self.source.add(open_price, high, low, close, volume, hole)
        while self.venue.tape.bar_ms != bar.time_ms:
            self.acknowledge()
            self.venue.step()

    def revise(self, bar: Bar) -> None:
        """Let the venue have the bar of that time otherwise from now on."""
        self.source.bars[self.source.index_at(bar.time_ms)] = bar

    def finish(self) -> None:
        """Release the rest of the bar, every phase acknowledged but that of the close."""
        while self.venue.tape.phase is not Phase.CLOSE:
            self.acknowledge()
            self.venue.step()

    def play(self, *bars: tuple[float, ...]) -> None:
        for bar in bars:
            self.begin(*bar)
            self.finish()

    def end(self) -> None:
        """Let the feed run out."""
        self.venue.step()
        self.acknowledge()
        self.venue.step()

    def intent(
        self,
        side: OrderSide,
        kind: OrderKind,
        amount: str,
        *,
        price: str | None = None,
        trigger: str | None = None,
        reduce_only: bool = False,
        account: str | None = None,
        number: int | None = None,
        symbol: str | None = None,
    ) -> OrderIntent:
        if number is None:
            self._numbers += 1
            number = self._numbers
        return OrderIntent(
            client_order_id=client_order_id("0123456789abcdef", number),
            run_id="0123456789abcdef",
            account=account or self.account,
            symbol=symbol or self.symbol,
            purpose=OrderPurpose.EXIT if reduce_only else OrderPurpose.ENTRY,
            side=side,
            kind=kind,
            amount=Decimal(amount),
            reduce_only=reduce_only,
            price=None if price is None else Decimal(price),
            trigger_price=None if trigger is None else Decimal(trigger),
        )

    def send(self, *args, **kwargs) -> tuple[str, SendOutcome]:
        """Send an order; return its client order id and the outcome."""
        intent = self.intent(*args, **kwargs)
        return intent.client_order_id, self.venue.send(self.venue.prepare(intent))

    def hold(self, amount: str = "1", side: OrderSide = BUY, price: float = 100.0) -> None:
        """Open a position at ``price`` and stand in the open phase of that bar's entry."""
        self.send(side, MARKET, amount)
        self.begin(price, price, price, price)

    def order(self, client_id: str):
        return self.venue.order(self.account, self.symbol, client_id)

    def position(self):
        return self.venue.position(self.account, self.symbol)

    def fills(self):
        return self.venue.fills_since(self.account, self.symbol, 0)

    def closed_bars(self, ear: Ear) -> list[int]:
        return [event.bar.time_ms for event in ear.of(BarClosed)]
