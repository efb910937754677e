"""The protocol that every venue implements, designed for the hardest case. Rules: ``firstwatch.venues``.

Calls block and have their own timeout; several calls of one run may be in flight at once. Events reach a run
by one call of its ``deliver``, which must not block. The venue's time drives everything that trades.
"""

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, runtime_checkable

from firstwatch.trading.account import Approval, Balance, Funding, Position
from firstwatch.trading.bar import Bar
from firstwatch.trading.market import LeverageTier, Market
from firstwatch.trading.orders import Fill, OrderIntent, OrderReport, Touch
from firstwatch.trading.text import clean_fields
from firstwatch.trading.timeframe import Timeframe

# --- answers -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A complete request, stored before it is sent. ``body`` holds no key."""

    client_order_id: str
    body: bytes
    nonce: int | None = None
    expires_at_ms: int | None = None
    """Wall time (ms) after which the venue cannot execute the request; None: it never expires."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The venue accepted the request. Fills come as events."""

    venue_order_id: str
    filled: Decimal = Decimal(0)
    """Amount that filled at once, if the answer contains it; the fills still come as events."""
    average_price: Decimal | None = None
    """Average price of ``filled``."""
    fills_within_ms: int = 1_000
    """How long those fills may take to arrive before they should be read, in ms."""


class RefusalCode(StrEnum):
    """Why a venue refused a request, in the same words for every venue."""

    BEYOND_MARK = "beyond_mark"
    """A stop whose trigger the mark has already passed."""
    RATE_LIMIT = "rate_limit"
    AUTH = "auth"
    """The venue does not accept the key."""
    MARGIN = "margin"
    MINIMUM = "minimum"
    """The order is below the market's smallest amount or value."""
    REDUCE_ONLY = "reduce_only"
    """There is no position that a reduce-only order would reduce."""
    NOT_FOUND = "not_found"
    """The order to cancel or to replace is no longer open."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Refused:
    """The venue's structured refusal: the request did not and will not execute."""

    code: RefusalCode
    reason: str

    def __post_init__(self) -> None:
        clean_fields(self, "reason")


@dataclass(frozen=True, slots=True)
class Unknown:
    """The outcome is not known: a timeout, a dropped connection, an answer that cannot be read."""

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
    """The venue has processed the request, so it cannot execute later: it was executed or refused."""

    def __post_init__(self) -> None:
        clean_fields(self, "reason")


SendOutcome = Accepted | Refused | Unknown
Resolution = Executed | NeverWill | StillUnknown

# --- events ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BarOpened:
    """A new bar has its first price. Only feeds with phases send this."""

    symbol: str
    timeframe: Timeframe
    bar_time_ms: int
    price: float
    time_ms: int


@dataclass(frozen=True, slots=True)
class BarClosed:
    """The venue has closed a bar. ``mark_high`` and ``mark_low`` are the mark's range in it.

    Bars come in order, but a bar that the venue published late may come after its successors.
    """

    symbol: str
    timeframe: Timeframe
    bar: Bar
    mark_high: float | None
    mark_low: float | None
    time_ms: int


@dataclass(frozen=True, slots=True)
class MarkMoved:
    """The prices have changed."""

    symbol: str
    touch: Touch
    time_ms: int
    is_streamed: bool = True
    """False: they were read by a request, which proves nothing about the stream."""


@dataclass(frozen=True, slots=True)
class FillReported:
    """An order of the account, or a liquidation, has filled."""

    fill: Fill
    touch: Touch | None
    """The prices around the fill, if the venue knows them."""
    time_ms: int


@dataclass(frozen=True, slots=True)
class OrderReported:
    """The venue reports an order of the account, one of its runs or an external one."""

    report: OrderReport
    time_ms: int


@dataclass(frozen=True, slots=True)
class FundingReported:
    """The venue has booked a funding payment of the account."""

    funding: Funding
    time_ms: int


@dataclass(frozen=True, slots=True)
class PhaseEnded:
    """A phase of a bar feed is complete; the feed continues when every run has acknowledged ``token``.

    Events are delivered in order. A run that acknowledges after it has handled this one has handled all of
    the phase, and has sent everything that followed from it.
    """

    token: int
    time_ms: int


@dataclass(frozen=True, slots=True)
class FeedEnded:
    """A replay has no more bars. From now on orders execute at the last close."""

    time_ms: int


@dataclass(frozen=True, slots=True)
class StreamLost:
    """A stream of events has stopped; events may be missing until ``StreamRestored``."""

    stream: str
    reason: str
    time_ms: int

    def __post_init__(self) -> None:
        clean_fields(self, "reason")


@dataclass(frozen=True, slots=True)
class StreamRestored:
    """The stream delivers again; the caller must read what it missed in between."""

    stream: str
    time_ms: int


@dataclass(frozen=True, slots=True)
class ExternalPositions:
    """All positions of the account in markets without a subscriber; sent when they change.

    ``amounts``: base coin by symbol, + long. A venue of one market never sends this.
    """

    amounts: Mapping[str, Decimal]
    time_ms: int


@dataclass(frozen=True, slots=True)
class AccountChecked:
    """The kind of the account was read from the venue."""

    problem: str
    """Why a run must not enter with an account of that kind; empty: it may."""
    time_ms: int


LONGEST_WAIT_S = 20.0
"""A launch is refused, without further requests, if it would wait longer for its requests."""


@dataclass(frozen=True, slots=True)
class VenueCondition:
    """Condition of a venue for an account and a market now. None: the venue has no such figure.

    If ``wait_s`` is above ``LONGEST_WAIT_S``, it is the only field that is set.
    """

    clock_offset_ms: int | None = None
    """This machine's wall clock minus the venue's wall clock, as far as it is certain.

    Nonces and the validity of keys depend on these two; the market's time may differ.
    """
    data_age_ms: int | None = None
    """Age of the newest streamed price by the venue's clock, or the time without one."""
    wait_s: float | None = None
    """How long a launch would wait for its requests."""
    actions_left: int | None = None
    """Number of orders and cancels that the account may still send."""
    is_delisted: bool = False
    maintenance: str = ""
    """The venue's report of maintenance or limited operation; empty: it works as usual."""
    leverage_tiers: tuple[LeverageTier, ...] = ()
    """Leverage tiers of the market, lowest bound first; empty: not known."""
    assumed: tuple[str, ...] = ()
    """Fields of the market that a simulated venue has assumed, because no file gives them."""

    def __post_init__(self) -> None:
        clean_fields(self, "maintenance")


@dataclass(frozen=True, slots=True)
class ConditionRead:
    """The condition of the venue was read again, for the account and the market of the subscriber."""

    condition: VenueCondition
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
    | AccountChecked
    | ConditionRead
)

Deliver = Callable[[VenueEvent], None]

# --- the venue ---------------------------------------------------------------------------------

FENCE: ContextVar[Callable[[], None]] = ContextVar("fence", default=lambda: None)
"""Raises when this process may no longer act. It is set in the caller's context. A venue calls it as the last
step before a request that acts leaves the process, however long that request has waited."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an adapter can do, so that no caller asks which venue it is."""

    is_paper: bool
    modifies_orders: bool
    has_phases: bool
    """Bars come in phases, each of which waits for ``acknowledge``."""
    is_mainnet: bool = False
    """Orders move real money."""
    most_candles: int = 5_000
    """Number of newest candles that a venue offers."""
    suppresses: Callable[[int], bool] | None = None
    """Fault of a paper venue: returns whether a decision to enter at that bar's close is lost."""

    def __post_init__(self) -> None:
        if self.suppresses is not None and not self.is_paper:
            raise ValueError("only a paper venue may lose decisions")


@dataclass(frozen=True, slots=True)
class Holdings:
    """An account's positions and orders in all markets; one that no run can trade has a name, no symbol."""

    positions: Sequence[Position]
    orders: Sequence[OrderReport]
    spot: Decimal = Decimal(0)
    """Quote in the account's spot balance, which does not count as margin."""


class Subscription(Protocol):
    """One run's subscription to a venue's events."""

    def acknowledge(self, token: int) -> None:
        """Confirm that everything up to ``PhaseEnded(token)`` was handled. Never blocks."""

    def close(self) -> None:
        """End the delivery; a feed no longer waits for this run. Idempotent."""


class Venue(Protocol):
    """A place where orders go. All methods may be called from any thread.

    Raises:
        VenueError: from every reading method, when the venue does not answer or its answer is malformed.
    """

    name: str
    capabilities: Capabilities

    def now_ms(self) -> int:
        """Return the venue's time."""

    def is_busy(self) -> bool:
        """Return whether requests wait in a queue, because there are more than the venue allows."""

    def markets(self) -> dict[str, Market]:
        """Return the tradable markets by their ccxt unified symbol."""

    def candles(self, symbol: str, timeframe: Timeframe, *, end_ms: int, limit: int) -> list[Bar]:
        """Return the last ``limit`` closed bars that end at or before ``end_ms``, oldest first."""

    def candles_anew(self, symbol: str, timeframe: Timeframe, *, first_ms: int, end_ms: int) -> list[Bar]:
        """Read the closed bars with ``first_ms`` <= open time < ``end_ms`` again, oldest first.

        They come as the venue has them now, possibly revised. All other requests go first.
        """

    def subscribe(
        self,
        account: str,
        symbol: str,
        timeframe: Timeframe,
        deliver: Deliver,
        *,
        after_ms: int | None = None,
    ) -> Subscription:
        """Begin to deliver the bars of the symbol and the private events of (account, symbol).

        ``after_ms``: the open time of the last bar already known. Bars closed since are not delivered
        again; the run reads them with ``candles``.
        """

    def touch(self, symbol: str) -> Touch:
        """Return the prices now."""

    def latest_touch(self, symbol: str) -> Touch | None:
        """Return the last streamed prices if they are recent, otherwise None. Never waits."""

    def prepare(self, intent: OrderIntent) -> PreparedRequest:
        """Build the request that ``send`` will send. No input or output."""

    def send(self, prepared: PreparedRequest) -> SendOutcome:
        """Send the request, once. Failures at the venue are outcomes, not errors: in doubt ``Unknown``."""

    def resolve(self, prepared: PreparedRequest) -> Resolution:
        """Ask for the result of a request whose outcome is unknown. Never sends it again.

        ``NeverWill``: the venue says so, or its answers about the account are certainly newer than the
        request and do not show it.
        """

    def cancel(self, account: str, symbol: str, client_order_id: str) -> SendOutcome:
        """Cancel an order. ``Refused('not_found')``: it is no longer open; read it."""

    def modify(self, client_order_id: str, new: PreparedRequest) -> SendOutcome:
        """Replace an open order by ``new`` in one step (only with ``modifies_orders``)."""

    def order(self, account: str, symbol: str, client_order_id: str) -> OrderReport | None:
        """Return the venue's report of this order; None: the venue has no such order.

        Raises:
            VenueError: the venue does not show it, but its answer may be older than the order.
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

    def has_transfers(self, account: str, since_ms: int) -> bool:
        """Return whether money came or went since that venue time, not counted in ``Balance.transferred``."""

    def holdings(self, account: str) -> Holdings:
        """Return the positions and open orders of the account in every market."""

    def condition(self, account: str, symbol: str) -> VenueCondition:
        """Return the venue's condition for a run now; takes seconds if its prices do not arrive.

        Raises:
            VenueError: the venue does not answer, or does not give its wall clock.
        """

    def set_leverage(self, account: str, symbol: str, leverage: Decimal) -> SendOutcome:
        """Set isolated margin at that leverage."""

    def approvals(self, account: str, symbol: str, leverage: Decimal) -> Sequence[Approval]:
        """Return the approvals that the account needs to trade this symbol at this leverage."""

    def close(self) -> None:
        """End threads and connections. Idempotent."""


@runtime_checkable
class BringsStops(Venue, Protocol):
    """A venue that accepts an entry together with the stop that follows its fill."""

    def send_with_stop(self, entry: PreparedRequest, stop: PreparedRequest) -> SendOutcome:
        """Send a limit entry and its stop in one request, once; an entry that would fill at once is refused.

        ``Refused``: the venue accepted neither. As in ``send``, doubt is ``Unknown``.
        """

    def stop_of(self, account: str, symbol: str, entry_id: str, stop_id: str) -> OrderReport | None:
        """Return the stop that waits for its entry's fill, by client order ids; None: there is none."""
