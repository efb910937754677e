"""The one shape of a venue, made to fit the hardest case. Its rules: ``firstwatch.venues``.

Calls block and have a timeout of their own; several of one run may be under way at once. Events reach a run
by one call of its ``deliver``, which must not block. Everything that trades is driven by the venue's time.
"""

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, runtime_checkable

from firstwatch.trading.account import Approval, Balance, Funding, Position
from firstwatch.trading.bar import Bar
from firstwatch.trading.market import Market
from firstwatch.trading.orders import Fill, OrderIntent, OrderReport, Touch
from firstwatch.trading.text import clean_fields
from firstwatch.trading.timeframe import Timeframe

# --- answers -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A request that is complete but not sent; stored before it is. ``body`` holds no key."""

    client_order_id: str
    body: bytes
    nonce: int | None = None
    expires_at_ms: int | None = None
    """Wall time after which the venue cannot execute the request any more, where it says so."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The venue took the request. Fills come as events."""

    venue_order_id: str
    filled: Decimal = Decimal(0)
    """What of an order has filled at once, where the answer says so; the fills themselves still come."""
    average_price: Decimal | None = None
    """Average price of ``filled``."""
    told_within_ms: int = 1_000
    """How long those fills may take to come before it is worth asking for them."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The venue's own structured refusal: the request did not and will not execute."""

    code: str
    """``beyond_mark rate_limit auth margin minimum reduce_only not_found other``: one of these."""
    reason: str

    def __post_init__(self) -> None:
        clean_fields(self, "reason")


@dataclass(frozen=True, slots=True)
class Unknown:
    """The outcome is in doubt: a timeout, a dropped connection, an answer that cannot be read."""

    reason: str

    def __post_init__(self) -> None:
        clean_fields(self, "reason")


@dataclass(frozen=True, slots=True)
class Executed:
    """The venue knows the order."""

    report: OrderReport


@dataclass(frozen=True, slots=True)
class NeverWill:
    """The venue does not know the order and can no longer execute the request."""

    reason: str

    def __post_init__(self) -> None:
        clean_fields(self, "reason")


@dataclass(frozen=True, slots=True)
class StillUnknown:
    """Ask again later."""

    reason: str
    is_taken: bool = False
    """The venue has taken the request, so that it cannot come later: it has executed it, or refused it."""

    def __post_init__(self) -> None:
        clean_fields(self, "reason")


SendOutcome = Accepted | Refused | Unknown
Resolution = Executed | NeverWill | StillUnknown

# --- events ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BarOpened:
    """The first price of a new bar is known. Only feeds with phases send it."""

    symbol: str
    timeframe: Timeframe
    bar_time_ms: int
    price: float
    time_ms: int


@dataclass(frozen=True, slots=True)
class BarClosed:
    """The venue has closed a bar. ``mark_high`` and ``mark_low`` are the mark's range in it.

    Bars come in order. One that the venue did not have when it had later ones may come after them.
    """

    symbol: str
    timeframe: Timeframe
    bar: Bar
    mark_high: float | None
    mark_low: float | None
    time_ms: int


@dataclass(frozen=True, slots=True)
class MarkMoved:
    symbol: str
    touch: Touch
    time_ms: int


@dataclass(frozen=True, slots=True)
class FillReported:
    fill: Fill
    touch: Touch | None
    """The prices around the fill, where the venue can say them."""
    time_ms: int


@dataclass(frozen=True, slots=True)
class OrderReported:
    report: OrderReport
    time_ms: int


@dataclass(frozen=True, slots=True)
class FundingReported:
    funding: Funding
    time_ms: int


@dataclass(frozen=True, slots=True)
class PhaseEnded:
    """A phase of a bar feed is complete; the feed goes on when every run has acknowledged ``token``.

    Events are delivered in order, so acknowledging after handling this one means that all of the
    phase was handled, and everything that it led to was sent.
    """

    token: int
    time_ms: int


@dataclass(frozen=True, slots=True)
class FeedEnded:
    """A replay has no more bars. Orders now execute at the last close."""

    time_ms: int


@dataclass(frozen=True, slots=True)
class StreamLost:
    stream: str
    reason: str
    time_ms: int

    def __post_init__(self) -> None:
        clean_fields(self, "reason")


@dataclass(frozen=True, slots=True)
class StreamRestored:
    """The stream is back; what was missed in between must be read."""

    stream: str
    time_ms: int


@dataclass(frozen=True, slots=True)
class ExternalPositions:
    """All that the account holds in markets to which no run of it subscribes; sent when it changes.

    Signed amounts by symbol, + long. A venue of one market sends none.
    """

    amounts: Mapping[str, Decimal]
    time_ms: int


@dataclass(frozen=True, slots=True)
class AccountJudged:
    """The venue was asked of what kind the account is."""

    problem: str
    """Why no entry may be made for an account of that kind; empty: it may."""
    time_ms: int


VenueEvent = (
    BarOpened
    | BarClosed
    | MarkMoved
    | FillReported
    | OrderReported
    | FundingReported
    | PhaseEnded
    | FeedEnded
    | StreamLost
    | StreamRestored
    | ExternalPositions
    | AccountJudged
)

Deliver = Callable[[VenueEvent], None]

# --- the venue ---------------------------------------------------------------------------------

FENCE: ContextVar[Callable[[], None]] = ContextVar("fence", default=lambda: None)
"""Raises when this process may not act any more. Of the caller's context; a venue calls it as the last
thing before a request that acts leaves the process, however long that has waited."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an adapter can do, so that no caller has to ask which venue it is."""

    is_paper: bool
    modifies_orders: bool
    has_phases: bool
    """Bars come in phases that wait for ``acknowledge``."""
    is_mainnet: bool = False
    """Real money is at the other end."""


LONGEST_WAIT_S = 20.0
"""A launch that would wait longer for its requests is not made, and nothing more is asked for it."""


@dataclass(frozen=True, slots=True)
class VenueCondition:
    """How well a venue serves an account and a market now. None: that does not exist there.

    Where ``wait_s`` is above ``LONGEST_WAIT_S``, it is the only thing that is said.
    """

    clock_offset_ms: int | None = None
    """This machine's wall clock less the venue's wall clock, as much as is certain.

    Nonces and keys live by these two; the market's time may be another.
    """
    data_age_ms: int | None = None
    """How far the newest streamed price is behind the venue's own time, or how long none came."""
    wait_s: float | None = None
    """How long a launch would wait for the requests that it needs."""
    actions_left: int | None = None
    """How many orders and cancels the account may still send."""
    is_delisted: bool = False
    assumed: tuple[str, ...] = ()
    """Fields of the market that nothing says of it: a simulated venue has assumed them."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """What an account has in all markets of a venue. One that no run can trade has a name, no symbol."""

    positions: Sequence[Position]
    orders: Sequence[OrderReport]
    spot: Decimal = Decimal(0)
    """Quote in the account's spot balance, where it is no margin."""


class Subscription(Protocol):
    """One run's subscription to a venue's events."""

    def acknowledge(self, token: int) -> None:
        """Say that everything up to ``PhaseEnded(token)`` was handled. Never blocks."""

    def close(self) -> None:
        """Stop delivering; a feed no longer waits for this run. Idempotent."""


class Venue(Protocol):
    """A place where orders go. All methods may be called from any thread.

    Raises:
        VenueError: from every reading method, when the venue cannot be asked or understood.
    """

    name: str
    capabilities: Capabilities

    def now_ms(self) -> int:
        """Return the venue's time."""

    def is_busy(self) -> bool:
        """Tell whether requests wait for each other, as more than the venue allows are to be sent."""

    def markets(self) -> dict[str, Market]:
        """Return the tradable markets by their ccxt unified symbol."""

    def candles(self, symbol: str, timeframe: Timeframe, *, end_ms: int, limit: int) -> list[Bar]:
        """Return the last ``limit`` closed bars that end at or before ``end_ms``, oldest first."""

    def subscribe(
        self,
        account: str,
        symbol: str,
        timeframe: Timeframe,
        deliver: Deliver,
        *,
        after_ms: int | None = None,
    ) -> Subscription:
        """Begin to deliver bars of the symbol and everything private of (account, symbol).

        ``after_ms``: the open time of the last bar already known. Bars closed since are not delivered
        again; the run reads them with ``candles``.
        """

    def touch(self, symbol: str) -> Touch:
        """Return the prices now."""

    def latest_touch(self, symbol: str) -> Touch | None:
        """Return the prices as they were streamed last, if that was just now. Never waits."""

    def prepare(self, intent: OrderIntent) -> PreparedRequest:
        """Make the request that ``send`` will send. No input or output."""

    def send(self, prepared: PreparedRequest) -> SendOutcome:
        """Send it, once. Never raises for the venue's sake: doubt is ``Unknown``."""

    def resolve(self, prepared: PreparedRequest) -> Resolution:
        """Ask what became of a request whose outcome is in doubt. Never sends it again.

        ``NeverWill`` is the venue's own answer, or returned when its answers of the account are surely newer
        than the request, and show nothing of it.
        """

    def cancel(self, account: str, symbol: str, client_order_id: str) -> SendOutcome:
        """Cancel an order. ``Refused('not_found')``: it is not open any more; read it."""

    def modify(self, client_order_id: str, new: PreparedRequest) -> SendOutcome:
        """Replace an open order by ``new`` in one step (only with ``modifies_orders``)."""

    def order(self, account: str, symbol: str, client_order_id: str) -> OrderReport | None:
        """Return what the venue knows of this order; None: it knows of none.

        Raises:
            VenueError: the venue shows none, in an answer that may be older than the order.
        """

    def open_orders(self, account: str, symbol: str) -> Sequence[OrderReport]:
        """Return all open orders of the account in the symbol, external ones too."""

    def fills_since(self, account: str, symbol: str, since_ms: int) -> Sequence[Fill]:
        """Return the fills at or after that venue time, oldest first, liquidations included."""

    def funding_since(self, account: str, symbol: str, since_ms: int) -> Sequence[Funding]:
        """Return the funding payments at or after that venue time, oldest first."""

    def position(self, account: str, symbol: str) -> Position:
        """Return the position in the symbol, flat or not."""

    def balance(self, account: str) -> Balance:
        """Return the account's money."""

    def holdings(self, account: str) -> Holdings:
        """Return the positions and open orders of the account in every market."""

    def condition(self, account: str, symbol: str) -> VenueCondition:
        """Return how well this venue can serve a run now; takes seconds when its prices do not come.

        Raises:
            VenueError: it cannot be asked, or does not say what its wall clock is.
        """

    def set_leverage(self, account: str, symbol: str, leverage: Decimal) -> SendOutcome:
        """Set isolated margin at that leverage."""

    def approvals(self, account: str, symbol: str, leverage: Decimal) -> Sequence[Approval]:
        """Return what the venue must have approved before this account may trade so."""

    def close(self) -> None:
        """End threads and connections. Idempotent."""


@runtime_checkable
class BringsStops(Venue, Protocol):
    """A venue that takes an entry together with the stop that follows its fill."""

    def send_with_stop(self, entry: PreparedRequest, stop: PreparedRequest) -> SendOutcome:
        """Send a limit entry and its stop in one request, once; an entry that would fill at once is refused.

        ``Refused`` means that the venue took neither. Never raises for the venue's sake.
        """

    def stop_of(self, account: str, symbol: str, entry_id: str, stop_id: str) -> OrderReport | None:
        """Return the stop that waits for an entry's fill, by their client order ids; None: none is shown."""
