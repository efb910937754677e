"""The paper venue with everything going wrong that can go wrong between a program and a venue."""

import random
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from firstwatch.trading.account import Funding, Position
from firstwatch.trading.bar import Bar
from firstwatch.trading.errors import VenueError
from firstwatch.trading.orders import Fill, OrderIntent, OrderPurpose, OrderReport
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.paper.venue import PaperVenue
from firstwatch.venues.protocol import (
    Accepted,
    BarClosed,
    BarOpened,
    Deliver,
    Executed,
    FeedEnded,
    FillReported,
    MarkMoved,
    OrderReported,
    PhaseEnded,
    PreparedRequest,
    Refused,
    Resolution,
    SendOutcome,
    StillUnknown,
    StreamLost,
    StreamRestored,
    Subscription,
    Unknown,
    VenueEvent,
)
from tests.chaos.drawing import Scenario

_REFUSALS = ("auth", "margin", "minimum", "reduce_only", "other")
_ODD = "at data.px: Input should be a finite number"
_READS = frozenset({"balance", "touch"})


class _Ear:
    """A subscription whose phases are acknowledged by the venue's side."""

    def __init__(self) -> None:
        self.inner: Subscription | None = None

    def acknowledge(self, token: int) -> None:
        if self.inner is not None:
            self.inner.acknowledge(token)

    def close(self) -> None:
        if self.inner is not None:
            self.inner.close()


@dataclass(frozen=True)
class _View:
    """What the venue's answers said of the account in one second."""

    second: int
    position: Position
    orders: dict[str, OrderReport]
    open_orders: list[OrderReport]
    fills: list[Fill]
    fundings: list[Funding]


class ChaosVenue:
    """Everything of ``paper``, disturbed by a scenario's shares until ``heal``.

    Without phases it tells a run what a real exchange's streams tell: no opens, no ends of phases, each
    message perhaps missing, twice or late, and a reconciliation event when the history says so.
    """

    def __init__(self, paper: PaperVenue, scenario: Scenario, chance: random.Random, account: str) -> None:
        self._paper = paper
        self._scenario = scenario
        self._chance = chance
        self._shares = scenario.shares
        self.name = paper.name
        self.capabilities = replace(
            paper.capabilities, has_phases=scenario.has_phases, modifies_orders=scenario.modifies_orders
        )
        self.is_disturbed = False
        self.outage = 0
        """Ticks for which nothing is answered."""
        self.is_silent = False
        """The stream is lost: nothing is delivered."""
        self._account = account
        self.said_at_once = 0
        """Answers to orders that reported fills."""
        self.sent: Counter[str] = Counter()
        """How often each client order id was sent."""
        self.bodies: dict[str, bytes] = {}
        self.moves_refused = 0
        self._intents: dict[str, OrderIntent] = {}
        self.faults: Counter[str] = Counter()
        self.failures = 0
        """Calls that got no answer, or a refusal for nothing."""
        self._on_their_way: list[tuple[int, Callable[[], object]]] = []
        """Requests, and messages, that arrive after so many moments."""
        self._second = 0
        self._views: deque[_View] = deque(maxlen=scenario.shares.lag_s + 1)
        self._missed_at: dict[str, int] = {}
        """The second in which the answers did not show an order for the first time."""
        self._old_position: Position | None = None
        self._may_be_open: dict[str, None] = {}
        """Orders that were sent and whose end was not looked at."""
        self._told_fills: set[str] = set()
        self.withheld: set[int] = set()
        """Open times of bars that the venue does not show yet."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._paper, name)
        if name not in _READS:
            return found

        def read(*arguments: Any, **named: Any) -> Any:
            self._read_or_fail(name)
            return found(*arguments, **named)

        return read

    # --- the world -------------------------------------------------------------------------------

    def heal(self) -> None:
        """Let everything work from here on; what is on its way still arrives."""
        self.is_disturbed = self.is_silent = False
        self.outage = 0
        self.withheld.clear()

    def moment(self) -> None:
        """Let what was on its way arrive, a moment later."""
        due = [act for moments, act in self._on_their_way if moments <= 1]
        self._on_their_way = [(moments - 1, act) for moments, act in self._on_their_way if moments > 1]
        for act in due:
            act()

    def tick(self, account: str, symbol: str) -> None:
        """Let a second pass: outages shorten, and old readings are a second old at most."""
        self.outage = max(0, self.outage - 1)
        self._second += 1
        self._old_position = self._paper.position(account, symbol)
        if self._shares.lag_s and not self._scenario.has_phases:
            orders = {key: self._paper.order(account, symbol, key) for key in self.bodies}
            self._views.append(
                _View(
                    self._second,
                    self._old_position,
                    {key: report for key, report in orders.items() if report is not None},
                    list(self._paper.open_orders(account, symbol)),
                    list(self._paper.fills_since(account, symbol, 0)),
                    list(self._paper.funding_since(account, symbol, 0)),
                )
            )

    @property
    def _behind(self) -> _View | None:
        """What the answers about the account still say; None: they are of now."""
        return self._views[0] if self.is_disturbed and self._views else None

    def _strikes(self, fault: str, share: float) -> bool:
        strikes = self.is_disturbed and share > 0 and self._chance.random() < share
        if strikes:
            self.faults[fault] += 1
        return strikes

    def arrives_late(self, act: Callable[[], object]) -> None:
        """Let a request arrive that is taken for lost already."""
        self._later(act)

    def _later(self, act: Callable[[], object], most: int = 6) -> None:
        self._on_their_way.append((self._chance.randint(1, most), act))

    # --- calls that act --------------------------------------------------------------------------

    def _act(self, call: Callable[[], SendOutcome]) -> SendOutcome:
        shares = self._shares
        if self.outage:
            self.failures += 1
            self.faults["outage"] += 1
            return Unknown("the venue cannot be reached")
        if self._strikes("request lost", shares.lost_before):
            self.failures += 1
            if self._chance.random() < 0.5:
                raise VenueError("the connection was refused")
            return Unknown("the request was lost")
        if self._strikes("request late", shares.arrives_late):
            self.failures += 1
            self._later(call)
            return Unknown("the answer took too long")
        if self._strikes("rate limit", shares.limited):
            self.failures += 1
            return Refused("rate_limit", "too many requests")
        if self._strikes("refused", shares.refused):
            self.failures += 1
            return Refused(self._chance.choice(_REFUSALS), "the venue does not want it")
        outcome = call()
        if self._strikes("odd answer", shares.odd):
            self.failures += 1
            return Unknown(f"the answer to an action cannot be understood: {_ODD}")
        if self._strikes("answer lost", shares.lost_after):
            self.failures += 1
            if self._chance.random() < 0.5:
                raise VenueError("the connection broke")
            return Unknown("the answer was lost")
        return outcome

    def prepare(self, intent: OrderIntent) -> PreparedRequest:
        self._intents[intent.client_order_id] = intent
        return self._paper.prepare(intent)

    def send(self, prepared: PreparedRequest) -> SendOutcome:
        self._count(prepared)
        if self._moves_leg(prepared) and self._refuses_move():
            return Refused("rate_limit", "no requests are left for this address")
        return self._act(lambda: self._said_at_once(prepared, self._paper.send(prepared)))

    def _moves_leg(self, prepared: PreparedRequest) -> bool:
        """Tell whether a new order takes the place of a leg that rests: then the old one follows it."""
        purpose = self._intents[prepared.client_order_id].purpose
        if purpose not in (OrderPurpose.STOP, OrderPurpose.TARGET):
            return False
        resting = self._paper.open_orders(self._account, self._scenario.market.symbol)
        known = (self._intents.get(order.client_order_id or "") for order in resting)
        return any(intent is not None and intent.purpose is purpose for intent in known)

    def _refuses_move(self) -> bool:
        """Refuse whatever moves a leg: what rests goes on resting, and everything else works."""
        is_refused = self._strikes("move refused", self._shares.move_refused)
        self.moves_refused += is_refused
        return is_refused

    def _said_at_once(self, prepared: PreparedRequest, outcome: SendOutcome) -> SendOutcome:
        """Let the answer say what of the order has filled already, as a real venue's does."""
        if self._scenario.has_phases or not isinstance(outcome, Accepted):
            return outcome
        fills = [
            fill
            for fill in self._paper.fills_since(self._account, self._scenario.market.symbol, 0)
            if fill.client_order_id == prepared.client_order_id
        ]
        filled = sum((fill.amount for fill in fills), Decimal(0))
        if not filled:
            return outcome
        self.said_at_once += 1
        cost = sum((fill.amount * fill.price for fill in fills), Decimal(0))
        return replace(outcome, filled=filled, average_price=cost / filled)

    def modify(self, client_order_id: str, new: PreparedRequest) -> SendOutcome:
        self._count(new)
        if self._refuses_move():
            return Refused("rate_limit", "no requests are left for this address")
        return self._act(lambda: self._paper.modify(client_order_id, new))

    def cancel(self, account: str, symbol: str, client_order_id: str) -> SendOutcome:
        return self._act(lambda: self._paper.cancel(account, symbol, client_order_id))

    def set_leverage(self, account: str, symbol: str, leverage: Decimal) -> SendOutcome:
        # A refusal fails the run at its start, lawfully; there would be nothing left to see.
        outcome = self._act(lambda: self._paper.set_leverage(account, symbol, leverage))
        return Unknown("no answer") if isinstance(outcome, Refused) else outcome

    def resolve(self, prepared: PreparedRequest) -> Resolution:
        if self.outage or self._strikes("still unknown", self._shares.read_fails):
            self.failures += 1
            return StillUnknown("the venue did not answer")
        if self._strikes("odd answer", self._shares.odd):
            self.failures += 1
            return StillUnknown(f"the answer cannot be understood: {_ODD}")
        key, view = prepared.client_order_id, self._behind
        if view is None:
            return self._paper.resolve(prepared)
        if key in view.orders:
            return Executed(view.orders[key])
        if self._paper.order(self._account, self._scenario.market.symbol, key) is not None:
            # Its nonce is used up, and the answers are from before that.
            self.faults["taken, not shown"] += 1
            return StillUnknown(
                "the venue has taken the request and does not show an order yet", is_taken=True
            )
        return self._paper.resolve(prepared)

    def _count(self, prepared: PreparedRequest) -> None:
        self.sent[prepared.client_order_id] += 1
        self._may_be_open[prepared.client_order_id] = None
        body = self.bodies.setdefault(prepared.client_order_id, prepared.body)
        assert body == prepared.body, f"{prepared.client_order_id} was two different orders"

    # --- calls that read -------------------------------------------------------------------------

    def _read_or_fail(self, name: str) -> None:
        if self.outage or self._strikes("reading failed", self._shares.read_fails):
            self.failures += 1
            raise VenueError(f"{name} was not answered")
        if self._strikes("odd answer", self._shares.odd):
            self.failures += 1
            raise VenueError(f"the answer to {name} cannot be understood: {_ODD}")

    def position(self, account: str, symbol: str) -> Position:
        self._read_or_fail("position")
        if (view := self._behind) is not None:
            # A node that is behind says so: its time is before that of all it does not know.
            fills = self._paper.fills_since(account, symbol, 0)[len(view.fills) :]
            time_ms = min([view.position.time_ms, *(fill.time_ms - 1 for fill in fills)])
            return replace(view.position, time_ms=time_ms)
        old = self._old_position
        may_lag = not self._scenario.has_phases and old is not None
        if may_lag and old is not None and self._strikes("old position", self._shares.reads_old):
            return old
        return self._paper.position(account, symbol)

    def candles(self, symbol: str, timeframe: Timeframe, *, end_ms: int, limit: int) -> list[Bar]:
        """Return the bars that are published."""
        self._read_or_fail("candles")
        bars = self._paper.candles(symbol, timeframe, end_ms=end_ms, limit=limit)
        return [bar for bar in bars if bar.time_ms not in self.withheld]

    def candles_anew(self, symbol: str, timeframe: Timeframe, *, first_ms: int, end_ms: int) -> list[Bar]:
        self._read_or_fail("candles")
        return self._paper.candles_anew(symbol, timeframe, first_ms=first_ms, end_ms=end_ms)

    def has_transfers(self, account: str, since_ms: int) -> bool:
        self._read_or_fail("has_transfers")
        return self._paper.has_transfers(account, since_ms)

    def order(self, account: str, symbol: str, client_order_id: str) -> OrderReport | None:
        """Return the order; the venue's report of one that rests may lag behind it."""
        self._read_or_fail("order")
        if (view := self._behind) is not None:
            if client_order_id in view.orders:
                return view.orders[client_order_id]
            if view.second <= self._missed_at.setdefault(client_order_id, self._second):
                raise VenueError("what the venue says of the account is older than the question")
            return None
        report = self._paper.order(account, symbol, client_order_id)
        may_lag = not self._scenario.has_phases and report is not None and report.state.is_open
        return None if may_lag and self._strikes("unknown order", self._shares.reads_old) else report

    def open_orders(self, account: str, symbol: str) -> Sequence[OrderReport]:
        self._read_or_fail("open_orders")
        view = self._behind
        return self._paper.open_orders(account, symbol) if view is None else view.open_orders

    def fills_since(self, account: str, symbol: str, since_ms: int) -> Sequence[Fill]:
        self._read_or_fail("fills_since")
        view = self._behind
        if view is None:
            return self._paper.fills_since(account, symbol, since_ms)
        return [fill for fill in view.fills if fill.time_ms >= since_ms]

    def funding_since(self, account: str, symbol: str, since_ms: int) -> Sequence[Funding]:
        self._read_or_fail("funding_since")
        view = self._behind
        if view is None:
            return self._paper.funding_since(account, symbol, since_ms)
        return [paid for paid in view.fundings if paid.time_ms >= since_ms]

    # --- events ----------------------------------------------------------------------------------

    def subscribe(
        self,
        account: str,
        symbol: str,
        timeframe: Timeframe,
        deliver: Deliver,
        *,
        after_ms: int | None = None,
    ) -> Subscription:
        if self._scenario.has_phases:
            return self._paper.subscribe(account, symbol, timeframe, deliver, after_ms=after_ms)
        ear = _Ear()

        def hear(event: VenueEvent) -> None:
            match event:
                case PhaseEnded(token):
                    ear.acknowledge(token)
                case BarOpened(time_ms=time_ms):
                    self._pass_on(MarkMoved(symbol, self._paper.touch(symbol), time_ms), deliver)
                case _:
                    self._pass_on(event, deliver)

        ear.inner = self._paper.subscribe(account, symbol, timeframe, hear, after_ms=after_ms)
        return ear

    def _pass_on(self, event: VenueEvent, deliver: Deliver) -> None:
        shares = self._shares
        if isinstance(event, FeedEnded):
            deliver(event)
            return
        if self.is_silent:
            return
        is_bar = isinstance(event, BarClosed)
        if isinstance(event, BarClosed) and self._strikes("bar late", shares.bar_late):
            self._withhold(event, deliver)
            return
        if self._strikes("odd message", shares.odd / 3 if is_bar else shares.odd):
            if not isinstance(event, BarClosed | MarkMoved):
                # It may have said what happened to an order: the adapter looks at the account at once.
                self._later(lambda: self.look(deliver), 1)
            return
        if self._strikes("message missing", shares.missing / 3 if is_bar else shares.missing):
            return
        if isinstance(event, FillReported):
            self._told_fills.add(event.fill.fill_id)
        if self._strikes("message late", shares.late):
            self._later(lambda: deliver(event))
        else:
            deliver(event)
        if self._strikes("message twice", shares.twice):
            self._later(lambda: deliver(event))

    def _withhold(self, event: BarClosed, deliver: Deliver) -> None:
        """Publish a bar later, perhaps after the ones that follow it."""
        self.withheld.add(event.bar.time_ms)

        def publish() -> None:
            self.withheld.discard(event.bar.time_ms)
            if not self.is_silent:
                deliver(event)

        self._later(publish, self._chance.choice([3, 10, 40]))

    def look(self, deliver: Deliver) -> None:
        """Tell what the stream did not: a real venue's adapter asks for fills and orders by itself."""
        symbol, now_ms = self._scenario.market.symbol, self._paper.now_ms()
        try:
            self._read_or_fail("look")
            for fill in self.fills_since(self._account, symbol, 0):
                if fill.fill_id not in self._told_fills:
                    self._told_fills.add(fill.fill_id)
                    deliver(FillReported(fill, self._paper.touch(symbol), now_ms))
            for client_order_id in list(self._may_be_open):
                report = self.order(self._account, symbol, client_order_id)
                if report is not None:
                    if report.state.is_final:
                        del self._may_be_open[client_order_id]
                    deliver(OrderReported(report, now_ms))
        except VenueError:
            pass

    def tell_lost(self, deliver: Deliver) -> None:
        """Lose the stream and say so."""
        self.faults["stream lost"] += 1
        self.is_silent = True
        deliver(StreamLost("account", "the socket broke", self._paper.now_ms()))

    def tell_restored(self, deliver: Deliver) -> None:
        """Bring the stream back, or only say that it is time to reconcile."""
        self.is_silent = False
        deliver(StreamRestored("account", self._paper.now_ms()))
