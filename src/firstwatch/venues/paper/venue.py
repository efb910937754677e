"""The paper venue: the matching engine behind the ``Venue`` protocol, on a bar feed that waits for its runs.

One venue replays one market. It is one class because one lock serialises everything that it does. Each bar is
released in phases; after a phase that delivered an event the feed waits until every subscriber has
acknowledged it. What the protocol leaves open:

- The venue's time is the time of the current phase; fills are stamped with the bar's open time.
- The position of the feed is committed before a subscriber receives a closed bar, and together with every
  order that is accepted, cancelled or matched. So no subscriber ever knows more than the books.
- A new subscriber receives the current phase and must acknowledge it, too. The bar that has just closed is
  delivered when ``after_ms`` is before it; a run that has already read the bar ignores it.
- After a restart the feed stands one millisecond before the close that it had announced. A run that had not
  handled that bar still receives it; ``candles`` does not return it yet.
- Without a subscriber the feed stands still. After a restart that pauses it also waits for all earlier
  subscribers, half a minute at most: no bar is released while a run is still recovering.
- Without a configured start, the first ``candles`` call that asks for more bars than there are moves the
  start of a feed that never had a subscriber, until there are enough. Too short a feed stays where it is.
- ``while_down = "continue"`` applies the bars of the wall time that passed, times speed, before anything
  else; at speed ``max`` wall time says nothing about the market, and the venue's time stands still.
"""

import json
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import Enum
from typing import Any, Literal

from firstwatch.market.feeds import CandleSource, Pace, Speed
from firstwatch.store.database import EpochLostError, Store
from firstwatch.store.paper import PaperMoney
from firstwatch.store.wallet_status import Held
from firstwatch.trading.account import Approval, Balance, Funding, Position
from firstwatch.trading.bar import Bar
from firstwatch.trading.clock import Clock, iso
from firstwatch.trading.errors import StoreError, VenueError, said
from firstwatch.trading.fields import fields_of
from firstwatch.trading.market import Market
from firstwatch.trading.numbers import MOST_BARS
from firstwatch.trading.orders import (
    Fill,
    OrderIntent,
    OrderKind,
    OrderPurpose,
    OrderReport,
    OrderSide,
    Touch,
)
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.paper.account import PaperOrder
from firstwatch.venues.paper.bars import FeedBars
from firstwatch.venues.paper.books import BURNT, Books, Burnt, FeedPosition, MemoryBooks, StoreBooks
from firstwatch.venues.paper.exchange import Changes, PaperCosts, PaperExchange, Phase, Tape
from firstwatch.venues.paper.faults import NO_FAULTS, PaperFaults
from firstwatch.venues.protocol import (
    BarClosed,
    BarOpened,
    Capabilities,
    Deliver,
    Executed,
    FeedEnded,
    Holdings,
    MarkMoved,
    NeverWill,
    PhaseEnded,
    PreparedRequest,
    RefusalCode,
    Refused,
    Resolution,
    SendOutcome,
    StillUnknown,
    StreamLost,
    StreamRestored,
    Subscription,
    Unknown,
    VenueCondition,
    VenueEvent,
)

# A feed that is later than this waited for an acknowledgement: market time stood still.
_HELD_UP_MS = 250
# How long a restarted feed waits for its earlier subscribers: longer than a recovery takes.
_RETURN_S = 30.0
# Pause before a feed retries a write that the store refused.
_RETRY_S = 1.0
_END_OF_TIME_MS = 2**62
_STREAM = "paper feed"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PaperSettings:
    """Settings of the feed and of trading costs."""

    costs: PaperCosts = field(default_factory=PaperCosts)
    speed: Speed = "max"
    while_down: Literal["pause", "continue"] = "pause"
    has_start: bool = True
    """The start of the feed is configured, so a request for history does not move it."""
    assumed: tuple[str, ...] = ()
    """Fields of the market that no market file gives."""
    faults: PaperFaults = NO_FAULTS


class Step(Enum):
    """Result of a step of the feed."""

    MOVED = "moved"
    WAITING = "waiting"
    """A subscriber has not acknowledged yet."""
    STANDING = "standing"
    """There is no subscriber."""
    ENDED = "ended"


@dataclass(eq=False, slots=True)
class _Subscriber:
    """One run's subscription. ``awaited``: the token that it must acknowledge; None: none."""

    venue: "PaperVenue"
    account: str
    timeframe: Timeframe
    deliver: Deliver
    after_ms: int | None
    is_new: bool = True
    awaited: int | None = None

    def acknowledge(self, token: int) -> None:
        self.venue._acknowledge(self, token)

    def close(self) -> None:
        self.venue._unsubscribe(self)


@dataclass(slots=True)
class _Announcement:
    """Events of a phase: private ones as (account, event) first, then whether a bar opened or closed."""

    private: list[tuple[str, VenueEvent]] = field(default_factory=list)
    has_open: bool = False
    has_close: bool = False


class PaperVenue:
    """A venue of one market with play money. ``drive``: its own thread, or the caller, by ``step``."""

    def __init__(
        self,
        name: str,
        source: CandleSource,
        market: Market,
        settings: PaperSettings = PaperSettings(),
        *,
        clock: Clock,
        store: Store | None = None,
        epoch: Callable[[], int | None] = lambda: None,
        drive: Literal["thread", "manual"] = "thread",
    ) -> None:
        """Continue from the state in the store; without a store nothing survives the process.

        ``epoch``: the engine's, checked in every write.

        Raises:
            VenueError: the candles no longer hold the bar at which the feed stands, or the venue has traded
                another market.
            StoreError: the store cannot be used.
        """
        self.name = name
        self._faults = settings.faults
        self.capabilities = Capabilities(
            is_paper=True,
            modifies_orders=True,
            has_phases=True,
            most_candles=MOST_BARS,
            suppresses=settings.faults.suppresses if settings.faults.suppress_share else None,
        )
        self._source = source
        self._bars = FeedBars(source)
        self._market = market
        self._settings = settings
        self._clock = clock
        self._drive = drive
        self._books: Books = (
            MemoryBooks() if store is None else StoreBooks(store, name, market.symbol, clock, epoch)
        )
        self._lock = threading.RLock()
        """Guards the exchange, the feed's position and the order of deliveries."""
        self._wake = threading.Condition()
        """Guards subscribers and their acknowledgements; never held while waiting for the venue's lock."""
        self._subscribers: list[_Subscriber] = []
        self._outbox: deque[tuple[_Subscriber, VenueEvent]] = deque()
        self._is_delivering = False
        self._is_closing = False
        self._thread: threading.Thread | None = None
        self._token = 0
        self._pace = Pace(settings.speed)
        self._index = 0
        self._is_started = False
        self._has_released = False
        self._gap_from: int | None = None
        """Wall time of the last commit before the restart, if the feed ran then."""
        self._absent: set[str] = set()
        """Accounts that were subscribed before the restart and are not yet again."""
        self._absent_until_s = clock.elapsed_s() + _RETURN_S
        self._written_money: dict[str, PaperMoney] = {}
        """The money of each account as this venue last wrote it."""
        self._exchange = self._load(is_restart=True)
        self._apply_gap()

    # --- market data ----------------------------------------------------------------------------

    def now_ms(self) -> int:
        with self._lock:
            return self._exchange.tape.now_ms

    def is_busy(self) -> bool:
        return False

    def markets(self) -> dict[str, Market]:
        return {self._market.symbol: self._market}

    def candles(self, symbol: str, timeframe: Timeframe, *, end_ms: int, limit: int) -> list[Bar]:
        """Return closed bars; before the first subscription this may move the start (see the module)."""
        self._check_symbol(symbol)
        self._check_timeframe(timeframe)
        with self._lock:
            if not self._is_started and not self._settings.has_start and end_ms >= self.now_ms():
                index = self._bars.index_with_history(timeframe, limit, self._index + 1)
                if index is None:
                    # Return all bars of the feed: the launch is then refused, with their number.
                    return self._bars.ended_by(timeframe, _END_OF_TIME_MS, limit)
                self._index = index - 1
                self._exchange.tape = self._fresh_tape()
                end_ms = self.now_ms()
            return self._bars.ended_by(timeframe, min(end_ms, self._announced_ms()), limit)

    def candles_anew(self, symbol: str, timeframe: Timeframe, *, first_ms: int, end_ms: int) -> list[Bar]:
        count = (end_ms - first_ms) // timeframe.ms
        bars = self.candles(symbol, timeframe, end_ms=end_ms, limit=count)
        return [bar for bar in bars if bar.time_ms >= first_ms]

    def _announced_ms(self) -> int:
        """Return the end of the last announced bar: after a restart it is a moment ahead of now."""
        tape = self._exchange.tape
        if tape.phase is Phase.CLOSE and self._index >= 0:
            return self._bar.time_ms + self._source.timeframe.ms
        return tape.now_ms

    def touch(self, symbol: str) -> Touch:
        self._check_symbol(symbol)
        with self._lock:
            return self._exchange.touch()

    def latest_touch(self, symbol: str) -> Touch | None:
        """Return the current prices, which are always known."""
        return self.touch(symbol)

    # --- subscriptions --------------------------------------------------------------------------

    def subscribe(
        self,
        account: str,
        symbol: str,
        timeframe: Timeframe,
        deliver: Deliver,
        *,
        after_ms: int | None = None,
    ) -> Subscription:
        self._check_symbol(symbol)
        self._check_timeframe(timeframe)
        subscriber = _Subscriber(self, account, timeframe, deliver, after_ms)
        with self._lock:
            if self._is_closing:
                raise VenueError(f"The paper venue {self.name} is closed.")
            with self._wake:
                self._subscribers.append(subscriber)
            try:
                self._commit(Changes(), account)
            except (StoreError, EpochLostError):
                # The caller cannot close a subscription that it never received, and the feed would wait for
                # it.
                with self._wake:
                    self._subscribers.remove(subscriber)
                raise
            self._absent.discard(account)
            if self._drive == "thread" and self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"feed {self.name}", daemon=True)
                self._thread.start()
        with self._wake:
            self._wake.notify_all()
        return subscriber

    def _acknowledge(self, subscriber: _Subscriber, token: int) -> None:
        with self._wake:
            if subscriber.awaited == token:
                subscriber.awaited = None
                self._wake.notify_all()

    def _unsubscribe(self, subscriber: _Subscriber) -> None:
        with self._lock:
            with self._wake:
                if subscriber not in self._subscribers:
                    return
                self._subscribers.remove(subscriber)
                self._wake.notify_all()
            self._outbox = deque(entry for entry in self._outbox if entry[0] is not subscriber)
            if self._is_closing:
                return
            try:
                self._commit(Changes())
            except (StoreError, EpochLostError) as error:
                # The books still list it; a later engine waits for it in vain, briefly.
                _log.warning("paper venue %s, end of a subscription: %s", self.name, error)

    # --- orders ---------------------------------------------------------------------------------

    def prepare(self, intent: OrderIntent) -> PreparedRequest:
        """Return the order as JSON; the nonce is the order's number in its run."""
        body = json.dumps(fields_of(intent), default=str).encode()
        return PreparedRequest(intent.client_order_id, body, nonce=int(intent.client_order_id[16:], 16))

    def send(self, prepared: PreparedRequest) -> SendOutcome:
        intent = _intent_of(prepared.body)
        return self._trade(
            lambda: (
                self._refuse_known(intent) or self._refuse_by_fault(intent) or self._exchange.send(intent)
            ),
            intent.account,
            reads_deposits=not intent.reduce_only,
        )

    def modify(self, client_order_id: str, new: PreparedRequest) -> SendOutcome:
        intent = _intent_of(new.body)
        return self._trade(
            lambda: self._refuse_known(intent) or self._exchange.modify(client_order_id, intent),
            intent.account,
            reads_deposits=not intent.reduce_only,
        )

    def cancel(self, account: str, symbol: str, client_order_id: str) -> SendOutcome:
        self._check_symbol(symbol)
        return self._trade(lambda: self._exchange.cancel(client_order_id, account), account)

    def set_leverage(self, account: str, symbol: str, leverage: Decimal) -> SendOutcome:
        self._check_symbol(symbol)
        return self._trade(lambda: self._exchange.set_leverage(account, leverage), account)

    def resolve(self, prepared: PreparedRequest) -> Resolution:
        """Look the order up. One that never arrived is invalidated, so that it cannot arrive later."""
        intent = _intent_of(prepared.body)
        with self._lock:
            try:
                known = self._known(intent.client_order_id)
                if isinstance(known, PaperOrder):
                    return Executed(self._exchange.report(known))
                if known is None:
                    self._books.burn(intent.client_order_id, intent.account, self._position_of_feed())
                    self._is_started = True
            except (StoreError, EpochLostError) as error:
                return StillUnknown(str(error))
            return NeverWill("the venue does not know the order and has invalidated its request")

    def order(self, account: str, symbol: str, client_order_id: str) -> OrderReport | None:
        self._check_symbol(symbol)
        with self._lock:
            known = self._known(client_order_id)
            if not isinstance(known, PaperOrder) or known.account != account:
                return None
            return self._exchange.report(known)

    def open_orders(self, account: str, symbol: str) -> Sequence[OrderReport]:
        self._check_symbol(symbol)
        with self._lock:
            return self._exchange.open_orders(account)

    def fills_since(self, account: str, symbol: str, since_ms: int) -> Sequence[Fill]:
        self._check_symbol(symbol)
        with self._lock:
            return self._books.fills_since(account, since_ms)

    def funding_since(self, account: str, symbol: str, since_ms: int) -> Sequence[Funding]:
        self._check_symbol(symbol)
        with self._lock:
            return self._books.funding_since(account, since_ms)

    def position(self, account: str, symbol: str) -> Position:
        self._check_symbol(symbol)
        with self._lock:
            return self._exchange.position(account)

    def balance(self, account: str) -> Balance:
        with self._lock:
            self._read_deposits(account)
            return self._exchange.balance(account)

    def has_transfers(self, account: str, since_ms: int) -> bool:
        """Return False: deposits are counted in the balance."""
        return False

    def holdings(self, account: str) -> Holdings:
        symbol = self._market.symbol
        position = self.position(account, symbol)
        return Holdings([] if position.is_flat else [position], self.open_orders(account, symbol))

    def condition(self, account: str, symbol: str) -> VenueCondition:
        """Return the assumed market fields; the other figures do not apply, because all is local."""
        return VenueCondition(assumed=self._settings.assumed)

    def deposit(self, account: str, amount: Decimal) -> None:
        """Put play money into an account."""
        self._books.deposit(account, amount, self._clock.now_ms())

    def approvals(self, account: str, symbol: str, leverage: Decimal) -> Sequence[Approval]:
        """Return nothing: play money needs no approval."""
        self._check_symbol(symbol)
        return ()

    def close(self) -> None:
        with self._wake:
            self._is_closing = True
            self._wake.notify_all()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    # --- driving the feed -----------------------------------------------------------------------

    @property
    def tape(self) -> Tape:
        """Where the feed stands."""
        with self._lock:
            return self._exchange.tape

    def step(self) -> Step:
        """Release phases up to the next one that a subscriber must acknowledge, and deliver its events."""
        with self._lock:
            while True:
                if not self._subscribers:
                    return Step.STANDING
                if self._announce_to_new_subscribers():
                    return Step.MOVED
                if self._absence_s() > 0:
                    return Step.STANDING
                if self._is_awaited():
                    return Step.WAITING
                if self._exchange.tape.phase is Phase.ENDED:
                    return Step.ENDED
                if self._release_next():
                    return Step.MOVED

    def _run(self) -> None:
        """Drive the feed at its pace until the venue is closed."""
        lost = ""
        self._pace = self._pace.from_here(self._exchange.tape.now_ms, self._wall_ms())
        while self._wait_until_due(_RETRY_S if lost else 0.0):
            try:
                with self._lock:
                    if lost:
                        # Another engine may have driven this feed; the commit fails if the store is not ours.
                        self._exchange = self._load(is_restart=False)
                        self._commit(Changes())
                    if not self._announce_to_new_subscribers() and not self._is_awaited():
                        self._keep_pace()
                        self._release_next()
                if lost:
                    lost = ""
                    self._post_to_all(StreamRestored(_STREAM, self.now_ms()))
            except (StoreError, EpochLostError) as error:
                if str(error) != lost:
                    lost = str(error)
                    self._post_to_all(StreamLost(_STREAM, lost, self.now_ms()))
            except Exception as error:
                # A defect: the feed stands still from here on; a run must not take that for a quiet market.
                _log.exception("the feed of the paper venue %s broke", self.name)
                self._post_to_all(StreamLost(_STREAM, f"the feed broke: {said(error)}", self.now_ms()))
                return

    def _wait_until_due(self, at_least_s: float) -> bool:
        """Wait until the next phase is due; return False when the venue is closed."""
        with self._wake:
            if at_least_s and self._wake.wait_for(lambda: self._is_closing, at_least_s):
                return False
            while not self._is_closing:
                due_in_s = self._due_in_s() if self._subscribers else None
                if due_in_s is not None and due_in_s <= 0:
                    return True
                self._wake.wait(due_in_s)
            return False

    def _due_in_s(self) -> float | None:
        """Return the wall seconds until the next phase; None: something else must happen first."""
        if any(subscriber.is_new for subscriber in self._subscribers):
            return 0.0
        absence_s = self._absence_s()
        if absence_s > 0:
            return absence_s
        due_ms = self._next_due_ms()
        if due_ms is None or self._is_awaited():
            return None
        return max(0, self._pace.due_ms(due_ms) - self._wall_ms()) / 1000

    def _absence_s(self) -> float:
        """Return how many seconds the feed still waits for its earlier subscribers; 0: it does not."""
        return max(0.0, self._absent_until_s - self._clock.elapsed_s()) if self._absent else 0.0

    def _next_due_ms(self) -> int | None:
        """Return the market time of the next phase."""
        tape = self._exchange.tape
        if tape.phase is Phase.ENDED:
            return None
        if tape.phase is Phase.CLOSE:
            following = self._source.bar(self._index + 1)
            return tape.now_ms if following is None else following.time_ms
        return tape.bar_ms + self._source.timeframe.ms

    def _keep_pace(self) -> None:
        """Restart the pace of market time from here if the feed had to wait."""
        due_ms = self._next_due_ms()
        wall_ms = self._wall_ms()
        if due_ms is not None and wall_ms > self._pace.due_ms(due_ms) + _HELD_UP_MS:
            self._pace = self._pace.from_here(due_ms, wall_ms)

    def _wall_ms(self) -> int:
        return round(self._clock.elapsed_s() * 1000)

    @property
    def _is_wall_bound(self) -> bool:
        return self._settings.while_down == "continue" and self._settings.speed != "max"

    def _is_awaited(self) -> bool:
        with self._wake:
            return any(subscriber.awaited is not None for subscriber in self._subscribers)

    # --- phases ---------------------------------------------------------------------------------

    def _release_next(self) -> bool:
        """Release the next phase, commit it and deliver its events; return whether there were any."""
        announcement = self._release()
        changes = self._exchange.take()
        announcement.private = changes.events
        if not changes.is_empty or (announcement.has_close and self._closes_any()):
            self._commit(changes)
        if self._exchange.tape.phase is Phase.ENDED:
            self._post_to_all(FeedEnded(self._exchange.tape.now_ms))
            return True
        return self._announce(announcement, self._subscribers)

    def _release(self) -> _Announcement:
        """Let the exchange do the next phase."""
        self._has_released = True
        exchange, source = self._exchange, self._source
        phase = exchange.tape.phase
        if phase is Phase.CLOSE:
            following = source.bar(self._index + 1)
            if following is None:
                exchange.end()
                return _Announcement()
            self._index += 1
            open_ms = following.time_ms
            exchange.release_open(following, source.funding_between(open_ms, open_ms + 1))
            return _Announcement(has_open=True)
        bar = self._bar
        end_ms = bar.time_ms + source.timeframe.ms
        if phase is Phase.OPEN:
            exchange.release_limits(bar, end_ms)
            return _Announcement()
        if phase is Phase.LIMITS:
            exchange.release_range(bar, end_ms)
            return _Announcement()
        exchange.release_close(bar, source.funding_between(bar.time_ms + 1, end_ms), end_ms)
        return _Announcement(has_close=True)

    def _announce_to_new_subscribers(self) -> bool:
        """Deliver the current phase to new subscribers; return whether there were any."""
        fresh = [subscriber for subscriber in self._subscribers if subscriber.is_new]
        if not fresh:
            return False
        tape = self._exchange.tape
        if tape.phase is Phase.ENDED:
            for subscriber in fresh:
                subscriber.is_new = False
            self._post([(subscriber, FeedEnded(tape.now_ms)) for subscriber in fresh])
            return True
        self._announce(
            _Announcement(has_open=tape.phase is Phase.OPEN, has_close=tape.phase is Phase.CLOSE), fresh
        )
        return True

    def _announce(self, announcement: _Announcement, subscribers: list[_Subscriber]) -> bool:
        """Deliver a phase. Subscribers that received an event, and new ones, must acknowledge it."""
        tape, symbol = self._exchange.tape, self._market.symbol
        has_close = announcement.has_close and self._index >= 0
        time_ms = self._bar.time_ms + self._source.timeframe.ms if has_close else tape.now_ms
        entries: list[tuple[_Subscriber, VenueEvent]] = []
        closed: dict[Timeframe, Bar | None] = {}
        was_any_informed = False
        for subscriber in subscribers:
            timeframe = subscriber.timeframe
            events = [event for account, event in announcement.private if account == subscriber.account]
            if announcement.has_open and self._bars.opens(timeframe, self._index, self._bar):
                opened_ms = timeframe.open_of(tape.bar_ms)
                events.append(BarOpened(symbol, timeframe, opened_ms, self._bar.open, time_ms))
            if has_close:
                if timeframe not in closed:
                    closed[timeframe] = self._bars.closed_by(timeframe, self._index, self._bar)
                bar = closed[timeframe]
                if bar is not None and not (subscriber.is_new and _is_known(bar, subscriber.after_ms)):
                    events.append(BarClosed(symbol, timeframe, bar, bar.high, bar.low, time_ms))
                events.append(MarkMoved(symbol, self._exchange.touch(), time_ms))
            if events or subscriber.is_new:
                was_any_informed = True
                self._token += 1
                events.append(PhaseEnded(self._token, time_ms))
                with self._wake:
                    subscriber.awaited = self._token
                    subscriber.is_new = False
            entries += [(subscriber, event) for event in events]
        self._post(entries)
        return was_any_informed

    def _closes_any(self) -> bool:
        timeframes = {subscriber.timeframe for subscriber in self._subscribers}
        return any(self._bars.closed_by(timeframe, self._index, self._bar) for timeframe in timeframes)

    @property
    def _bar(self) -> Bar:
        """The current bar of the feed; before the first one, the first."""
        bar = self._source.bar(max(self._index, 0))
        if bar is None:
            raise VenueError(f"The candles of the paper venue {self.name} hold no bar.")
        return bar

    def _post(self, entries: list[tuple[_Subscriber, VenueEvent]]) -> None:
        """Deliver in order; events that a delivery causes come after the events already queued."""
        self._outbox += entries
        if self._is_delivering:
            return
        self._is_delivering = True
        try:
            while self._outbox:
                subscriber, event = self._outbox.popleft()
                subscriber.deliver(event)
        finally:
            self._is_delivering = False

    def _post_to_all(self, event: VenueEvent) -> None:
        with self._lock:
            self._post([(subscriber, event) for subscriber in self._subscribers])

    # --- orders, inside -------------------------------------------------------------------------

    def _trade(
        self, act: Callable[[], SendOutcome], account: str, *, reads_deposits: bool = False
    ) -> SendOutcome:
        """Act on an account's orders and commit; when the commit fails, nothing was done.

        ``reads_deposits``: ``act`` depends on the free balance, so deposits are read first.
        """
        with self._lock:
            try:
                if reads_deposits:
                    self._read_deposits(account)
                outcome = act()
                changes = self._exchange.take()
                if not changes.is_empty:
                    self._commit(changes)
            except (StoreError, EpochLostError) as error:
                return Unknown(str(error))
            self._post(
                [
                    (subscriber, event)
                    for name, event in changes.events
                    for subscriber in self._subscribers
                    if subscriber.account == name
                ]
            )
            return outcome

    def _read_deposits(self, account: str) -> None:
        self._exchange.account(account).deposits = self._books.deposits(account)

    def _refuse_known(self, intent: OrderIntent) -> Refused | None:
        """Refuse a client order id that was used before or invalidated."""
        known = self._known(intent.client_order_id)
        if known is None:
            return None
        if known is BURNT:
            return Refused(RefusalCode.OTHER, f"the request of {intent.client_order_id} was invalidated")
        return Refused(RefusalCode.OTHER, f"client order id {intent.client_order_id} was used before")

    def _refuse_by_fault(self, intent: OrderIntent) -> Refused | None:
        """Refuse an entry in a bar that the fault settings select."""
        if intent.purpose is OrderPurpose.ENTRY and self._faults.refuses(self._exchange.tape.bar_ms):
            return Refused(
                RefusalCode.OTHER, "refuse_share of this paper venue: entries of this bar are refused"
            )
        return None

    def _known(self, client_order_id: str) -> PaperOrder | Burnt | None:
        return self._exchange.orders.get(client_order_id) or self._books.order(client_order_id)

    # --- state ----------------------------------------------------------------------------------

    def _position_of_feed(self) -> FeedPosition:
        tape = self._exchange.tape
        is_before_the_first = self._index < 0
        return FeedPosition(
            bar_ms=-1 if is_before_the_first else tape.bar_ms,
            phase=tape.phase,
            next_number=self._exchange.next_number,
            wall_ms=self._clock.now_ms() if self._subscribers else None,
            accounts=tuple(sorted({subscriber.account for subscriber in self._subscribers} | self._absent)),
            has_released=self._has_released,
        )

    def _commit(self, changes: Changes, *accounts: str) -> None:
        """Commit changes with the feed's position; on failure return to the last committed state.

        The money of accounts that has changed, and that of ``accounts``, is written with them.
        """
        names = {*accounts, *changes.accounts, *(order.account for order in changes.orders.values())}
        found = {name: self._money_of(name) for name in names}
        moneys = {
            name: money
            for name, money in found.items()
            if name in accounts or money != self._written_money.get(name)
        }
        try:
            self._books.commit(changes, self._position_of_feed(), moneys)
        except (StoreError, EpochLostError):
            self._exchange = self._load(is_restart=False)
            raise
        self._written_money.update(moneys)
        self._is_started = True

    def _money_of(self, name: str) -> PaperMoney:
        position = self._exchange.position(name)
        held = () if position.side is None else (Held(position.symbol, position.side, position.amount),)
        return PaperMoney(self._exchange.account(name).cash, self._exchange.balance(name).used, held)

    def _load(self, *, is_restart: bool) -> PaperExchange:
        """Return the exchange as last committed, and set the feed to its position."""
        self._written_money.clear()
        saved = self._books.load()
        if saved is None:
            self._index = self._source.start_index - 1
            self._is_started = False
            return PaperExchange(self._market, self._settings.costs, self._fresh_tape())
        self._is_started = True
        feed = saved.feed
        self._has_released = feed.has_released
        if feed.bar_ms < 0:
            self._index = -1
            tape = self._fresh_tape()
        else:
            self._index = self._source.index_at(feed.bar_ms)
            bar = self._source.bar(self._index)
            if bar is None or bar.time_ms != feed.bar_ms:
                raise VenueError(
                    f"The paper venue {self.name} is in the bar of {iso(feed.bar_ms)}, which its candles "
                    "no longer hold. Give it back the file that it ran on, or use a venue of another name."
                )
            tape = _tape_of(bar, feed.phase, bar.time_ms + self._source.timeframe.ms)
            if feed.phase is Phase.CLOSE and feed.has_released and is_restart and not self._is_wall_bound:
                tape = replace(tape, now_ms=tape.now_ms - 1)
        exchange = PaperExchange(self._market, self._settings.costs, tape, next_number=feed.next_number)
        exchange.restore(saved.accounts, saved.open_orders)
        if is_restart and self._is_wall_bound:
            self._gap_from = feed.wall_ms
        elif is_restart:
            self._absent = set(feed.accounts)
        return exchange

    def _fresh_tape(self) -> Tape:
        """Return the tape of a feed that has released nothing: at the close before its start."""
        bar = self._bar
        if self._index < 0:
            return Tape(bar.open, bar.time_ms, bar.time_ms, Phase.CLOSE)
        return _tape_of(bar, Phase.CLOSE, bar.time_ms + self._source.timeframe.ms)

    def _apply_gap(self) -> None:
        """Release the bars of the wall time since the last commit, with ``while_down = "continue"``."""
        speed = self._settings.speed
        if self._gap_from is None or speed == "max":
            return
        gap_ms = max(0, self._clock.now_ms() - self._gap_from)
        until_ms = self._exchange.tape.now_ms + round(gap_ms * speed)
        while (due_ms := self._next_due_ms()) is not None and due_ms <= until_ms:
            self._release()
        # One commit for the whole gap: after a crash in between it is found again.
        self._commit(self._exchange.take())

    # --- checks ---------------------------------------------------------------------------------

    def _check_symbol(self, symbol: str) -> None:
        if symbol != self._market.symbol:
            raise VenueError(
                f"The paper venue {self.name} has no market {symbol}; it trades {self._market.symbol}."
            )

    def _check_timeframe(self, timeframe: Timeframe) -> None:
        if not timeframe.is_multiple_of(self._source.timeframe):
            raise VenueError(
                f"The feed of the paper venue {self.name} has bars of {self._source.timeframe}; bars of "
                f"{timeframe} cannot be made of them. Give it candles of {timeframe} or smaller."
            )


def _is_known(bar: Bar, after_ms: int | None) -> bool:
    return after_ms is None or bar.time_ms <= after_ms


def _tape_of(bar: Bar, phase: Phase, end_ms: int) -> Tape:
    """Return the tape of a feed in that phase of a bar."""
    is_open = phase is Phase.OPEN
    is_ranging = phase in (Phase.LIMITS, Phase.RANGE)
    return Tape(
        price=bar.open if is_open or is_ranging else bar.close,
        now_ms=bar.time_ms if is_open else end_ms - 1 if is_ranging else end_ms,
        bar_ms=bar.time_ms,
        phase=phase,
        volume=bar.volume,
    )


def _intent_of(body: bytes) -> OrderIntent:
    """Return the order in a prepared request."""
    plain: dict[str, Any] = json.loads(body)
    for name in ("amount", "price", "trigger_price"):
        plain[name] = None if plain[name] is None else Decimal(plain[name])
    return OrderIntent(
        **{
            **plain,
            "purpose": OrderPurpose(plain["purpose"]),
            "side": OrderSide(plain["side"]),
            "kind": OrderKind(plain["kind"]),
        }
    )
